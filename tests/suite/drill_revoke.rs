//! Drills of what a revoke waits for, whole processes: a write in flight, and never the read-back of a note; judged by the simulator's journal.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::drill::Setup;
use crate::drill_oracle::Evidence;
use crate::naive::add_task;

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

/// A grant whose connector begins ten minutes after the retry.
const LATER: &str = r#"
name = "later"
seed = 33
[[user]]
login = "JDOE"
[[target]]
name = "AD"
run = "later"
later = "10m"
[[account]]
target = "AD"
user = "JDOE"
key = 700
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Add User to Group"
failure = "network"
child = "SALES"
[[user]]
login = "CDIAZ"
[[account]]
target = "AD"
user = "CDIAZ"
key = 701
# so that the definition is there
[[task]]
id = 4001
target = "AD"
user = "CDIAZ"
task = "Remove User from Group"
status = "C"
"#;

/// Done before the grant, the revoke would be undone by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_waits_for_a_grant_whose_successor_is_pending() {
    let at_once = "retry().because(\"it goes at once\")";
    let mut drill = Setup::of(LATER)
        .every("1m")
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-later.rhai", POLICY.replace("ACT", at_once))
        .enforcing()
        .await;
    drill.run_for("2m").await;
    let revoke = add_task(&drill.sim, &json!(700), "Remove User from Group").await;
    drill.act(json!({"task": revoke, "do": "reject"})).await;
    drill.run_for("3h").await;
    let evidence = drill.judge_after_a_late_revoke().await;
    let sent = sent_at(&evidence, "retry");
    let done: Vec<Timestamp> = evidence
        .effects()
        .map(|row| {
            let text = row["at"].as_str().expect("a time");
            text.parse().expect("a timestamp")
        })
        .collect();
    assert_eq!((sent.len(), done.len()), (2, 2));
    assert!(sent[1] > done[0], "sent {sent:?}, done {done:?}");
}

/// A grant of the old backlog, on a server that shows finished tasks for two days.
const BACKLOG: &str = r#"
name = "waits"
seed = 34
[server]
forget_after = "48h"
[[user]]
login = "JDOE"
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
failure = "network"
[[user]]
login = "CDIAZ"
[[account]]
target = "AD"
user = "CDIAZ"
key = 701
# so that the definition is there
[[task]]
id = 4001
target = "AD"
user = "CDIAZ"
task = "Remove User from Group"
status = "C"
"#;

/// While it waits for a person its account is not read, but what the list shows of it is remembered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_grew_stale_while_it_waited_as_backlog_stays_so_when_it_is_released() {
    let mut drill = Setup::of(BACKLOG).every("1m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("10m").await;
    let revoke = add_task(&drill.sim, &json!(700), "Remove User from Group").await;
    drill.act(json!({"task": revoke, "do": "reject"})).await;
    drill.run_for("1h").await;
    assert_eq!(drill.count("healed"), 1, "the revoke is done");
    // and is shown no more
    drill.run_for("72h").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let inbox = drill.inbox();
    let why: Vec<_> = inbox.iter().map(|item| item["why"].as_str()).collect();
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("effects"), 1, "{inbox:#?}");
    assert_eq!(why, [Some("stale_grant")]);
}

/// "Access that should be gone is not left lying about": nobody knows the words of its failure, and nobody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_that_fails_with_unknown_words_comes_to_a_person() {
    let world = r#"
name = "a revoke of unknown words"
seed = 36
[[target]]
name = "AD"
[[user]]
login = "GONE"
status = "Disabled"
[[task]]
target = "AD"
user = "GONE"
task = "Disable User"
failure = "data"
reason = "ZX-4711 the frobnicator has declined"
created = "-6h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("72h").await;
    let inbox = drill.inbox();
    let status = drill.json(&["status", "--json"]);
    drill.judged_elsewhere();
    assert!(
        !inbox.is_empty(),
        "three days, and nobody is asked: {:#}",
        status["refusals"]
    );
}
