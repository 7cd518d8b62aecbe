//! Drills of a target whose writes hang: what is on its way holds up nothing but itself, neither other targets nor cycles, questions and orders.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_limits::greedy;

/// Two targets; a write to the first hangs for as long as the drill lasts.
const WORLD: &str = r#"
name = "slow"
seed = 62
[[target]]
name = "AD"
retries_anything = true
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 5
prefix = "S"
task = [{ task = "Add Role", failure = "lock" }]
"#;

/// A question is answered in so much wall time, also on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

fn cycles(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "list").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_hangs_holds_up_no_other_target_no_cycle_and_no_order() {
    let mut drill = Setup::of(WORLD)
        .scaled(600.0)
        .config("[delivery]\nreread_after = \"30m\"\n[guard]\nfact_age = \"1h\"\n[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let tasks = drill.truth()["tasks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for task in tasks.iter().filter(|task| task["target"] == "AD") {
        let id = task["id"].to_string().trim_matches('"').to_owned();
        let fault = json!({"do": "hang_unapplied", "on": "put", "task": id, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
    drill.release();
    drill.daemon();
    let backlog = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the backlog is in the inbox", backlog).await;
    drill.approve_backlog();
    let held = |drill: &Drill| {
        let journal = drill.journal();
        journal.iter().any(|row| row["fault"] == "HangUnapplied")
    };
    drill.until("a PUT hangs at the server", held).await;
    let before = cycles(&drill);
    let healed = |drill: &Drill| drill.count("healed") >= 5;
    drill.until("the other target has healed", healed).await;
    drill
        .until("cycles go on", |drill| cycles(drill) >= before + 3)
        .await;
    let began = Instant::now();
    let status = drill.json(&["status", "--json"]);
    drill.done(&["pause", "--target", "SAP", "--why", "a look at it"]);
    drill.done(&["resume", "--target", "SAP"]);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let open = status["attempts_open"].as_u64();
    assert!(open.is_some_and(|open| open > 0), "{status:#}");
    let stuck = drill.journal();
    let stuck = stuck.iter().filter(|row| row["fault"] == "HangUnapplied");
    assert_eq!(
        stuck.count(),
        1,
        "nothing more goes where one is on its way"
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.kill_and_restart().await;
    let healed = |drill: &Drill| drill.count("healed") >= 8;
    drill.until("everything has healed", healed).await;
    drill.judge().await;
}

/// Twelve tasks whose writes hang, and one that comes later, of another target.
const LATER: &str = r#"
name = "later"
seed = 61
[[target]]
name = "SLOW"
retries_anything = true
[[target]]
name = "FAST"
[[population]]
target = "SLOW"
accounts = 12
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "FAST"
accounts = 1
prefix = "F"
task = [{ task = "Disable User", failure = "network" }]
"#;

fn puts(drill: &Drill) -> Vec<serde_json::Value> {
    let journal = drill.journal();
    let puts = journal.into_iter().filter(|row| row["class"] == "put");
    puts.collect()
}

/// Requests that have run into their time-out for hours are the slow target's trouble, not the server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_ran_into_their_time_out_hold_up_no_other_target() {
    let mut drill = greedy(LATER)
        .every("1m")
        .server("write_timeout = \"1s\"")
        .start()
        .await;
    let id = |task: &serde_json::Value| task["id"].to_string().trim_matches('"').to_owned();
    let tasks = drill.truth()["tasks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let (slow, fast): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| task["target"] == "SLOW");
    for task in &slow {
        let fault =
            json!({"do": "hang_unapplied", "on": "put", "task": id(task), "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
    let fast = id(fast[0]);
    drill.act(json!({"task": fast, "do": "hide"})).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("5h").await;
    let before = puts(&drill).len();
    assert!(before >= 5, "{before} hung");
    for _ in 0..240 {
        drill.run_for("1m").await;
        if puts(&drill).len() > before {
            break;
        }
    }
    assert!(puts(&drill).len() > before, "one more has hung just now");
    drill.act(json!({"task": fast, "do": "show"})).await;
    // it was there at first, and waits for its release
    drill.run_for("2m").await;
    drill.approve_backlog();
    drill.run_for("4m").await;
    let named = |row: &serde_json::Value| row["body"].to_string().contains(&fast);
    assert!(
        puts(&drill).iter().any(named),
        "{}",
        drill.done(&["explain", &fast])
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("12h").await;
    drill.judge().await;
}

/// Accounts of one target, a task each.
const MANY: &str = r#"
name = "many"
seed = 63
[[target]]
name = "SLOW"
retries_anything = true
[[population]]
target = "SLOW"
accounts = 150
task = [{ task = "Telephone Updated", failure = "lock" }]
"#;

/// How many items each PUT had.
fn sizes(drill: &Drill) -> Vec<usize> {
    let items = |row: &serde_json::Value| row["body"]["tasks"].as_array().map_or(1, Vec::len);
    puts(drill).iter().map(items).collect()
}

/// One that took too long is followed by smaller ones, also after a kill, and they grow as answers come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_ran_into_its_time_out_is_followed_by_smaller_ones() {
    let mut drill = greedy(MANY)
        .every("1m")
        .server("write_timeout = \"2s\"")
        .config("[governor]\ncap_retries = 30\ncap_share_percent = 100\n[governor.default]\nbatch_start = 20\nbatch_max = 20\nper_minute = 500\nbatch_time = \"2s\"")
        .start()
        .await;
    let fault = json!({"do": "hang_unapplied", "on": "put", "probability": 1.0, "limit": 2});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("2h", "the second PUT", |drill| sizes(drill).len() > 1)
        .await;
    // its own time-out is never known: this one is killed while it hangs
    drill.kill_and_restart().await;
    let [first, second] = sizes(&drill)[..] else {
        panic!("two hung: {:?}", sizes(&drill))
    };
    assert_eq!(first, 20, "as large as may be");
    assert!((1..=10).contains(&second), "{second} after one of 20");
    drill
        .run_until("2h", "the third PUT", |drill| sizes(drill).len() > 2)
        .await;
    let third = sizes(&drill)[2];
    assert!(
        (1..=10).contains(&third),
        "{third} after a restart, after one of 20"
    );
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 150);
    let sizes = sizes(&drill);
    let grown = sizes[3..].iter().any(|size| *size > third);
    assert!(grown, "answers let them grow again: {sizes:?}");
    drill.judge().await;
}

/// A target behind a front end that gives up on each of its writes, and one that is well.
const GIVEN_UP: &str = r#"
name = "given-up"
seed = 64
[[target]]
name = "SLOW"
retries_anything = true
[[target]]
name = "GOOD"
[[population]]
target = "SLOW"
accounts = 6
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "GOOD"
accounts = 3
prefix = "G"
task = [{ task = "Telephone Updated", failure = "lock" }]
"#;

/// Names of what the slow target's own work waits for.
const WAITS: [&str; 2] = ["breaker_open", "back_off"];

/// What is said of the whole server while one target alone is slow: nothing.
fn no_word_of_the_server(drill: &Drill) {
    let inbox = drill.inbox();
    assert!(
        inbox.iter().all(|item| item["id"] != "server"),
        "{inbox:#?}"
    );
    let status = drill.json(&["status", "--json"]);
    let refusals = status["refusals"].to_string();
    for word in ["server_back_off", "write_path_missing"] {
        assert!(!refusals.contains(word), "{refusals}");
    }
}

/// How often each task was named by a PUT.
fn sends(drill: &Drill, ids: &[String]) -> Vec<usize> {
    let rows = puts(drill);
    let named = |row: &serde_json::Value, id: &str| {
        let items = row["body"]["tasks"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .any(|item| item["id"].to_string().trim_matches('"') == id)
    };
    ids.iter()
        .map(|id| rows.iter().filter(|row| named(row, id)).count())
        .collect()
}

/// Governor and ledger together: a row of requests that end by 504 and 408 is long enough for an outage, but all
/// of one target. The other one's work goes on at once, nothing is said of the server, and the caps hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_requests_end_by_504_and_408_is_no_outage_and_keeps_its_caps() {
    // the list is read every ten minutes at least, however little goes on
    let every = "1m\"\nat_most = \"10m";
    let mut drill = greedy(GIVEN_UP).every(every).start().await;
    let tasks = drill.truth()["tasks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of = |target: &str| -> Vec<String> {
        let tasks = tasks.iter().filter(|task| task["target"] == target);
        tasks
            .map(|task| task["id"].to_string().trim_matches('"').to_owned())
            .collect()
    };
    let (slow, good) = (of("SLOW"), of("GOOD"));
    for (id, what) in slow.iter().zip(["gateway504", "timeout408"].iter().cycle()) {
        let fault = json!({"do": what, "on": "put", "task": id, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
    // the good target's work comes bit by bit, so that between its answers there is a long row of the other's
    for id in &good {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let mut before = 0;
    for (healed, id) in (1..).zip(&good) {
        drill.run_for("12h").await;
        no_word_of_the_server(&drill);
        let row = sends(&drill, &slow).iter().sum::<usize>();
        if healed == 1 {
            assert!(row >= 6, "a row of requests with all tasks: {row}");
            for id in &slow {
                let why = drill.done(&["explain", id]);
                assert!(WAITS.iter().any(|reason| why.contains(reason)), "{why}");
            }
        }
        assert!(row >= before, "{row}");
        before = row;
        drill.act(json!({"task": id, "do": "show"})).await;
        // it was there at first, and waits for its release
        drill.run_for("11m").await;
        drill.approve_backlog();
        drill.run_for("11m").await;
        assert_eq!(
            sends(&drill, std::slice::from_ref(id)),
            [1],
            "it goes with the next reading"
        );
        drill.run_for("1h").await;
        assert_eq!(drill.count("healed"), healed, "the good target goes on");
    }
    drill.run_for("60h").await;
    no_word_of_the_server(&drill);
    let sent = sends(&drill, &slow);
    assert!(sent.iter().all(|times| (1..=5).contains(times)), "{sent:?}");
    let inbox = drill.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    assert_eq!(inbox[0]["id"], "attempts_used_up:SLOW", "{inbox:#?}");
    assert_eq!(inbox[0]["tasks"], json!(slow), "{inbox:#?}");
    let evidence = drill.judge_leaving(6).await;
    assert_eq!(
        (evidence.effects_on("SLOW"), evidence.effects_on("GOOD")),
        (0, 3)
    );
    assert_eq!(evidence.count("runs_twice"), 0);
}
