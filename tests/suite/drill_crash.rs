//! Drills of kills and of requests whose end nobody knows, whole processes: nothing is lost, nothing runs twice, everything is read before anything is sent.

use serde_json::json;

use crate::drill::{Drill, Setup};

/// A server that runs a retry whenever it is told to: what is sent twice takes effect twice.
pub const LENIENT: &str = r#"
name = "lenient"
seed = 14
[[target]]
name = "AD"
retries_anything = true
[[target]]
name = "SAP"
connector = "erp"
retries_anything = true
run = "later"
later = "2m"
[[population]]
target = "AD"
accounts = 6
prefix = "A"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 6
prefix = "S"
task = [{ task = "Cost Center Updated", failure = "network" }]
"#;

/// True once a PUT has met a fault.
fn held(drill: &Drill) -> bool {
    drill
        .journal()
        .iter()
        .any(|row| row["class"] == "put" && !row["fault"].is_null())
}

/// The list cuts reasons: what the start reads of a task alone is worded otherwise, and is no other run.
async fn killed_while_a_put_hangs(fault: serde_json::Value) {
    let world = format!("{LENIENT}\n[traits]\nlist_reason = 90\n");
    let mut drill = Setup::of(&world).start().await;
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("30m", "a PUT hangs at the server", held)
        .await;
    drill.kill9().await;
    // nobody reads them while no daemon runs
    let told = drill.json(&["status", "--json"])["mode_why"].to_string();
    assert!(
        told.contains("the next start reads them before it sends"),
        "{told}"
    );
    drill.daemon();
    drill.run_for("12h").await;
    let attempts = drill.json(&["outcomes", "list", "--json"]);
    let attempts = attempts.as_array().expect("a list");
    let bounced = attempts.iter().find(|of| of["state"] == "bounced");
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each claim had one effect");
    assert_eq!(bounced, None, "no run of ours has failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_put_that_was_carried_out_hangs() {
    killed_while_a_put_hangs(json!({"do": "hang", "on": "put", "at": [1]})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_put_that_was_not_carried_out_hangs() {
    killed_while_a_put_hangs(json!({"do": "hang_unapplied", "on": "put", "at": [2]})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_put_is_on_its_way_that_takes_effect_later() {
    let fault = json!({"do": "slow_apply", "on": "put", "at": [1], "ms": 30_000, "delay": "10m"});
    killed_while_a_put_hangs(fault).await;
}

/// What a start finds open has all of `delivery.settle_after` from that start on, whatever the time is by: the simulator's
/// clock does not shorten it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_finds_open_is_judged_no_sooner_than_settle_after_from_that_start() {
    let mut drill = Setup::of(
        r#"
name = "found-open"
seed = 27
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 1
task = [{ task = "Telephone Updated", failure = "lock" }]
"#,
    )
    .start()
    .await;
    drill
        .act(json!({"fault": {"do": "reset_before", "on": "put", "at": [1]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    for _ in 0..60 {
        if held(&drill) {
            break;
        }
        drill.run_for("1m").await;
    }
    assert!(held(&drill), "the PUT was cut off");
    drill.run_for("9m").await;
    let state = |drill: &Drill| {
        let all = drill.json(&["outcomes", "list", "--json"]);
        let first = all.as_array().and_then(|all| all.last().cloned());
        first.map_or_else(String::new, |of| of["state"].to_string())
    };
    assert_eq!(state(&drill), "\"unknown\"", "10 minutes after the send");
    drill.kill_and_restart().await;
    drill.run_for("10m").await;
    assert_eq!(
        state(&drill),
        "\"unknown\"",
        "20 minutes after the send, 10 after the start"
    );
    drill.run_for("1h").await;
    assert_eq!(state(&drill), "\"not_applied\"", "by two readings");
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 1);
    assert_eq!(evidence.count("effects"), 1);
}

/// Revokes need no reading of their own, so only the open claim holds them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_after_a_kill_until_what_was_open_could_be_read() {
    let mut drill = Setup::of(
        r#"
name = "unread"
seed = 19
[[target]]
name = "SAP"
connector = "erp"
retries_anything = true
[[population]]
target = "SAP"
accounts = 6
task = [{ task = "Remove Role", failure = "network" }]
"#,
    )
    .start()
    .await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("30m", "a PUT hangs at the server", held)
        .await;
    drill.kill9().await;
    drill
        .act(json!({"fault": {"do": "html500", "on": "read", "probability": 1.0}}))
        .await;
    let puts = |drill: &Drill| {
        let journal = drill.journal();
        journal.iter().filter(|row| row["class"] == "put").count()
    };
    let before = puts(&drill);
    drill.daemon();
    drill.run_for("2h").await;
    drill.safe_so_far().await;
    assert_eq!(puts(&drill), before, "the open claim could not be read yet");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 6);
    assert_eq!(evidence.count("effects"), 6, "each claim had one effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_at_any_point() {
    let mut drill = Setup::of(LENIENT).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    // every kill meets another request: lists, readings, PUTs
    for after in [1, 2, 3, 5, 8, 13, 4, 6, 7, 9] {
        let from = drill.journal().len();
        let more = |drill: &Drill| drill.journal().len() >= from + after;
        // once all has healed there may be fewer
        drill.run_until_or_rest("40m", more).await;
        drill.kill_and_restart().await;
    }
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each claim had one effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_each_of_the_first_puts() {
    // the answer comes long after the retry was carried out
    let slow = LENIENT.replace("name = \"AD\"", "name = \"AD\"\ncall_ms = 1500");
    assert_ne!(slow, LENIENT);
    let mut drill = Setup::of(&slow)
        .config("[governor.default]\nbatch_max = 1")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let puts = |drill: &Drill| {
        let journal = drill.journal();
        journal.iter().filter(|row| row["class"] == "put").count()
    };
    for _ in 0..5 {
        let before = puts(&drill);
        let another = |drill: &Drill| puts(drill) > before;
        drill
            .run_until("2h", "another PUT was carried out", another)
            .await;
        drill.kill_and_restart().await;
    }
    let answered = drill.log().matches("INFO sent ").count();
    assert!(
        answered < puts(&drill),
        "all of {} PUTs were answered before the kill",
        puts(&drill)
    );
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each claim had one effect");
}

/// One fault of every sort that leaves open whether the PUT was carried out.
const UNCLEAR: [&str; 13] = [
    "html500",
    "html503",
    "html500_applied",
    "timeout408",
    "xml_error",
    "empty200",
    "truncated_json",
    "cut_body",
    "login_page",
    "reset_before",
    "reset_after",
    "unknown_status",
    "omit_items",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_tell_nothing_are_read_up_and_never_sent_again_blindly() {
    let mut drill = Setup::of(LENIENT).start().await;
    for (fault, at) in UNCLEAR.iter().zip(1..) {
        drill
            .act(json!({"fault": {"do": fault, "on": "put", "at": [at]}}))
            .await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("4d").await;
    let evidence = drill.judge().await;
    let met = evidence
        .class("put")
        .filter(|put| !put["fault"].is_null())
        .count();
    assert_eq!(met, UNCLEAR.len(), "every fault was met");
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each took effect once");
}
