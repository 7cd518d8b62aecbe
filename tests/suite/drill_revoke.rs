//! Drills of what a revoke waits for, whole processes: a write in flight, and never the read-back of a note; judged by the simulator's journal.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::drill::Setup;
use crate::drill_oracle::Evidence;

/// A grant that nothing but a note is done about, and a revoke of the same account that fails later.
const NOTED: &str = r#"
name = "noted"
seed = 31
[[user]]
login = "JDOE"
[[user]]
login = "CDIAZ"
[[role]]
name = "STAFFED"
members = ["CDIAZ"]
[[target]]
name = "AD"
[[account]]
target = "AD"
user = "JDOE"
key = 700
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Add User to Group"
failure = "data"
child = "SALES"
[[task]]
id = 5002
target = "AD"
user = "JDOE"
task = "Remove User from Group"
status = "P"
failure = "network"
child = "STAFF"
[[event]]
at = "6m"
act = { task = "5002", do = "reject" }
[[fault]]
do = "html500"
on = "put"
at = [1]
"#;

const POLICY: &str = r#"
fn decide(task, facts) {
    if task.status != "rejected" { return; }
    if task.name == "Remove User from Group" { return retry().because("access goes first"); }
    ACT
}
"#;

fn sent_at(evidence: &Evidence, action: &str) -> Vec<Timestamp> {
    let at = |row: &Value| {
        let text = row["at"].as_str().expect("a time");
        text.parse().expect("a timestamp")
    };
    evidence.sent(action).map(|(row, _)| at(row)).collect()
}

/// The PUT of the note ends without a clear answer, and no row shows it: it is open until
/// `delivery.settle_after` has passed, a quarter of an hour.
async fn goes_at_once(act: &str, name: &str) {
    let mut drill = Setup::of(NOTED)
        .every("1m")
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-noted.rhai", POLICY.replace("ACT", act))
        .enforcing()
        .await;
    drill.run_for("12m").await;
    let evidence = drill.evidence().await;
    let (noted, revoked) = (sent_at(&evidence, name), sent_at(&evidence, "retry"));
    assert_eq!(noted.len(), 1, "the other write is still unknown");
    assert_eq!(revoked.len(), 1, "and the revoke has gone");
    let between = revoked[0].duration_since(noted[0]);
    assert!(between < SignedDuration::from_mins(10), "{between:#}");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("3h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_does_not_wait_for_the_reading_of_a_note() {
    goes_at_once(
        "set_note(\"looked at\").because(\"the drill says so\")",
        "setNote",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_does_not_wait_for_the_reading_of_a_hand_over() {
    goes_at_once(
        "reassign(\"role:STAFFED\").because(\"the drill says so\")",
        "reassign",
    )
    .await;
}
