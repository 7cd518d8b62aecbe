//! Drills of what has to be on record and in sight, whole processes: every mode and who set it, ended holds, what waits for a rate; nothing may be known to the log alone.

use std::fs;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_limits::greedy;

const GROUPS: &str = r#"
name = "record"
seed = 31
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 6
task = [{ task = "Telephone Updated", failure = "lock" }]
"#;

fn edit(drill: &Drill, from: &str, to: &str) {
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let changed = config.replace(from, to);
    assert_ne!(changed, config);
    fs::write(&path, changed).expect("written");
}

/// The audit rows of one sort of event.
fn audit(drill: &Drill, event: &str) -> Vec<Value> {
    let export = drill.done(&[
        "audit",
        "export",
        "--from",
        "2027-01-01",
        "--to",
        "2028-01-01",
    ]);
    let rows = export
        .lines()
        .map(|row| -> Value { serde_json::from_str(row).expect("JSON") });
    rows.filter(|row| row["event"] == event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_is_on_record_with_the_person_who_had_it_read() {
    let mut drill = Setup::of(GROUPS).enforcing().await;
    drill.run_for("12h").await;
    let before = audit(&drill, "mode").len();
    edit(
        &drill,
        "global = \"enforce\"",
        "global = \"enforce\"\nactions = { retry = \"off\" }\ntargets = { AD = \"observe\" }",
    );
    drill.done(&["reload"]);
    let modes = audit(&drill, "mode");
    assert_eq!(modes.len(), before + 1, "{modes:#?}");
    let last = modes.last().expect("a row");
    let reason = last["reason"].as_str().expect("words");
    assert!(reason.contains("action retry: off"), "{reason}");
    assert!(reason.contains("target AD: observe"), "{reason}");
    assert_ne!(last["actor"], "daemon", "{last:#}");
    let notes = audit(&drill, "note");
    let ordered = notes
        .iter()
        .any(|row| row["result"] == "reload was ordered");
    assert!(ordered, "{notes:#?}");
    // the same once more changes nothing, and is an order all the same
    drill.done(&["reload"]);
    assert_eq!(audit(&drill, "mode").len(), before + 1);
    assert_eq!(audit(&drill, "note").len(), notes.len() + 1);
    edit(
        &drill,
        "\nactions = { retry = \"off\" }\ntargets = { AD = \"observe\" }",
        "",
    );
    drill.done(&["reload"]);
    assert_eq!(audit(&drill, "mode").len(), before + 2);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_has_ended_is_closed_on_record_and_opened_anew() {
    let mut drill = Setup::shipped("leave")
        .config(
            "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }\n[governor]\ncap_reassigns = 4\napproval_ttl = \"2h\"",
        )
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let held = |drill: &Drill| -> Vec<Value> {
        let inbox = drill.inbox().into_iter();
        inbox.filter(|item| item["why"] == "cap_held").collect()
    };
    let id = held(&drill)[0]["id"].as_str().expect("an id").to_owned();
    drill.done(&["reject", &id, "--why", "he is back tomorrow"]);
    drill.run_for("12h").await;
    // the no has ended, and the same hand-overs are wanted still: the question comes again
    assert_eq!(held(&drill).len(), 1, "{:#?}", drill.inbox());
    let opened = audit(&drill, "hold").len();
    let closed = audit(&drill, "hold_end");
    assert!(opened >= 2, "{opened}");
    assert!(!closed.is_empty());
    assert_eq!(closed[0]["reason"], "the rejection has ended");
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_rate_of_its_target_is_shown_with_that_reason() {
    let mut drill = greedy(GROUPS)
        .config("[governor.default]\nbatch_start = 1\nper_minute = 1")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let puts = |drill: &Drill| {
        drill
            .journal()
            .iter()
            .filter(|row| row["class"] == "put")
            .count()
    };
    drill.run_until_or_rest("5m", |drill| puts(drill) > 0).await;
    let status = drill.json(&["status", "--json"]);
    let refusals = status["refusals"].as_array().expect("counts");
    let waiting: u64 = refusals
        .iter()
        .filter(|row| {
            ["target_rate", "target_busy", "awaits_proof"]
                .iter()
                .any(|of| row[0] == *of)
        })
        .filter_map(|row| row[1].as_u64())
        .sum();
    assert_eq!(waiting, 5, "{status:#}");
    let plan = drill.done(&["plan"]);
    assert!(
        ["target_rate", "target_busy", "awaits_proof"]
            .iter()
            .any(|of| plan.contains(of)),
        "{plan}"
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.kill_and_restart().await;
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

/// A rehearsal beside the real store: the copy has its id, and an anchor of the copy would speak against it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_made_elsewhere_is_not_anchored_beside_its_original() {
    let mut drill = Setup::of(GROUPS)
        .config("[audit]\nanchor_file = \"anchors.jsonl\"")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    drill.stop();
    let anchors = || fs::read_to_string(drill.dir.path().join("anchors.jsonl")).expect("a file");
    let before = anchors();
    drill.done(&["store", "backup", "all.backup"]);
    drill.done(&["--store", "rehearsal", "store", "restore", "all.backup"]);
    assert_eq!(anchors(), before);
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["store_rewound"], Value::Null, "{status:#}");
    drill.daemon();
    drill.run_for("24h").await;
    drill.judge().await;
}

/// The id in a ticket is the one before the retry: it tells of the piece of work as it goes on, and not that it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_a_retry_has_replaced_tells_of_the_task_as_it_goes_on() {
    let world = r#"
name = "bounces"
seed = 3
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 1
task = [{ task = "Disable User", failure = "network" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    let truth = drill.truth();
    let old = truth["tasks"][0]["id"].to_string();
    drill.run_for("30m").await;
    let now = drill.json(&["plan", "--json"])["items"][0]["task"].clone();
    let now = now.as_str().expect("an id");
    assert_ne!(now, old, "it was retried, and has bounced");
    let told = drill.done(&["explain", &old]);
    assert!(told.starts_with("read from the server"), "{told}");
    assert!(
        told.contains(&format!("{old}, which goes on as {now}")),
        "{told}"
    );
    assert!(!told.contains("not among"), "{told}");
    assert!(!drill.done(&["explain", now]).contains("goes on as"));
    // so do its attempts, each with the id for which it was sent
    let all = drill.json(&["outcomes", "list", "--json"]);
    let sent: Vec<&Value> = all.as_array().expect("rows").iter().collect();
    assert!(sent.len() > 1, "{all:#}");
    assert!(sent.iter().any(|row| row["task"] == old), "{all:#}");
    assert!(sent.iter().any(|row| row["task"] != old), "{all:#}");
    for id in [old.as_str(), now] {
        let of = ["outcomes", "list", "--task", id];
        assert_eq!(drill.json(&[&of[..], &["--json"]].concat()), all, "{id}");
        let output = drill.cli(&of);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("other ids") && said.contains(id), "{said}");
    }
    let export = drill.done(&["outcomes", "export", "--task", &old]);
    assert_eq!(export.lines().count(), sent.len(), "{export}");
    let none = drill.cli(&["outcomes", "list", "--task", "999999"]);
    assert_eq!(none.status.code(), Some(65), "no such task was ever seen");
    drill.judge_leaving(1).await;
}
