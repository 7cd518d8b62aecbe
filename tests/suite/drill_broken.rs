//! Drills of single tasks and accounts that can't be read for good: they stay as they are, and hold up nothing but themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Everything about one account and one task of it, from here on.
async fn broken(drill: &Drill, fault: &str, task: &str, process: &str) {
    for path in [
        format!("/provtasks/{task}"),
        format!("/provprocesses/{process}"),
    ] {
        let fault = json!({"do": fault, "on": "read", "path": path, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
}

/// Id and account of every open task, the oldest first.
fn tasks(drill: &Drill) -> Vec<(String, String)> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("a list");
    let text = |task: &Value, key: &str| task[key].to_string().trim_matches('"').to_owned();
    tasks
        .iter()
        .map(|task| (text(task, "id"), text(task, "process")))
        .collect()
}

/// At two reads a minute the share of a cycle's time ends at the fifth account or so, and the oldest eight are broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_cannot_be_read_do_not_use_up_the_time_of_all_others() {
    let mut drill = Setup::of(
        r#"
name = "broken"
seed = 41
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 24
task = [{ task = "Add User to Group", failure = "network" }]
"#,
    )
    .server("reads_per_minute = 2")
    .start()
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    let all = tasks(&drill);
    for (task, process) in &all[..8] {
        broken(&drill, "html500", task, process).await;
    }
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 16, "all but the broken ones");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

const REVOKES: &str = r#"
name = "unread"
seed = 19
[[target]]
name = "SAP"
connector = "erp"
retries_anything = true
[[population]]
target = "SAP"
accounts = 8
task = [{ task = "Remove Role", failure = "network" }]
"#;

/// The ids of each PUT.
fn puts(drill: &Drill) -> Vec<BTreeSet<String>> {
    let id = |item: &Value| item["id"].to_string().trim_matches('"').to_owned();
    drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .map(|row| {
            let items = row["items"].as_array().expect("the items of a PUT");
            items.iter().map(id).collect()
        })
        .collect()
}

/// A daemon killed while its first PUT hangs, with so many items in it; answers their ids and accounts.
async fn killed_with_claims(batch: u32) -> (Drill, Vec<(String, String)>) {
    let mut drill = Setup::of(REVOKES)
        .every("7m")
        .config(&format!("[governor.default]\nbatch_start = {batch}"))
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let before = tasks(&drill);
    drill.approve_backlog();
    let sent = |drill: &Drill| !puts(drill).is_empty();
    drill.run_until("15m", "a PUT hangs", sent).await;
    drill.kill9().await;
    let first = puts(&drill).remove(0);
    assert_eq!(first.len(), usize::try_from(batch).expect("small"));
    let claimed = before.into_iter().filter(|(id, _)| first.contains(id));
    let claimed = claimed.collect();
    drill.act(json!({"clear_faults": true})).await;
    (drill, claimed)
}

async fn one_claim_stays_unread(fault: &str, batch: u32) {
    let (mut drill, claimed) = killed_with_claims(batch).await;
    let (task, process) = &claimed[0];
    broken(&drill, fault, task, process).await;
    drill.daemon();
    drill.run_for("1m").await;
    assert_eq!(puts(&drill).len(), 1, "{fault}: not at once");
    drill.run_for("8h").await;
    let later: Vec<_> = puts(&drill).split_off(1);
    let sent: usize = later.iter().map(BTreeSet::len).sum();
    assert_eq!(
        sent,
        8 - claimed.len(),
        "{fault}: all others are sent, once each"
    );
    assert!(
        later.iter().all(|ids| !ids.contains(task)),
        "{fault}: what could not be read is never sent again"
    );
    let open = drill.json(&["status", "--json"])["attempts_open"].clone();
    assert_eq!(open, 1, "{fault}: it stays unsettled");
    drill.safe_so_far().await;
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 8);
    assert_eq!(evidence.count("effects"), 8, "each claim had one effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_always_fails_to_read_does_not_stop_sending_for_good() {
    one_claim_stays_unread("html500", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_on_which_a_front_end_always_times_out_does_not_stop_sending_for_good() {
    one_claim_stays_unread("html503", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_claim_can_be_the_unreadable_one() {
    one_claim_stays_unread("timeout408", 1).await;
}

/// Two readings are answered, then none is any more, while the list still comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_readings_is_not_taken_for_unreadable_claims() {
    for fault in ["html500", "html503"] {
        let (mut drill, _) = killed_with_claims(4).await;
        let silent = json!({"do": fault, "on": "read", "from_request": 3});
        drill.act(json!({ "fault": silent })).await;
        drill.daemon();
        drill.run_for("8h").await;
        assert_eq!(puts(&drill).len(), 1, "{fault}: nothing is sent");
        drill.safe_so_far().await;
        drill.act(json!({"clear_faults": true})).await;
        drill.run_for("12h").await;
        let evidence = drill.judge().await;
        assert_eq!(evidence.count("effects"), 8, "each claim had one effect");
    }
}
