//! Drills of what disables never wait for: notes that can't be read back or hang, and retries of others that hang; only what is on its way about the same account holds one.

use serde_json::json;

use crate::drill::{Drill, Setup};

/// Four disables that are due after some minutes, and one task of somebody else that is acted on at once.
const WORLD: &str = r#"
name = "lanes"
seed = 81
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
prefix = "REV"
age = "2h"
task = [{ task = "Disable User", failure = "network" }]
[[user]]
login = "OTHER"
[[task]]
id = 7001
target = "AD"
user = "OTHER"
task = "Telephone Updated"
failure = "network"
created = "-3h"
"#;

/// OTHER's own disable, which is due as the rest.
const HIS_DISABLE: &str = r#"
[[task]]
id = 7002
target = "AD"
user = "OTHER"
task = "Disable User"
failure = "network"
created = "-2h"
"#;

const DISABLES: &str = "    if task.name == \"Disable User\" && task.status == \"rejected\" { return retry().after(\"5m\"); }\n";

/// A policy that does this to OTHER's task at once, and once.
fn policy(act: &str) -> String {
    format!(
        "const NEEDS = [\"history\"];\nfn decide(task, facts) {{\n{DISABLES}    if task.name == \"Telephone Updated\" && task.status == \"rejected\" && facts.history.attempts_total == 0 {{ return {act}; }}\n}}\n"
    )
}

fn under(world: &str, act: &str) -> Setup {
    Setup::of(world)
        .file("policies/10-lanes.rhai", policy(act))
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
}

/// How many writes have named a task.
fn named(drill: &Drill, id: &str) -> usize {
    let journal = drill.journal();
    let puts = journal.iter().filter(|row| row["class"] == "put");
    let items = puts.filter_map(|row| row["body"]["tasks"].as_array());
    items.flatten().filter(|item| item["id"] == id).count()
}

/// The answer to a note can't be read: nothing of that is the target's, and its disables go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_whose_answer_cannot_be_read_opens_no_breaker_for_disables() {
    let mut drill = under(WORLD, "set_note(\"seen\")")
        .config("[governor.default]\nbreaker_after = 1")
        .start()
        .await;
    let fault = json!({"do": "truncated_json", "on": "put", "task": "7001", "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("11m").await;
    let evidence = drill.evidence().await;
    let (notes, retried) = (
        evidence.sent("setNote").count(),
        evidence.sent("retry").count(),
    );
    let log = drill.log();
    drill.judged_elsewhere();
    assert_eq!((notes, retried), (1, 4), "{log}");
}

/// Starts with a write that names OTHER's task and hangs for as long as the drill lasts.
async fn hanging(world: &str, act: &str) -> Drill {
    let mut drill = under(world, act)
        .scaled(600.0)
        .config("[delivery]\nreread_after = \"30m\"\n[guard]\nfact_age = \"1h\"")
        .start()
        .await;
    let fault = json!({"do": "hang_unapplied", "on": "put", "task": "7001", "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
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
    drill
}

/// The note of a task hangs: disables of others go out beside it, and the one of its own account does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_that_hangs_holds_no_disable_but_that_of_its_account() {
    let world = format!("{WORLD}{HIS_DISABLE}");
    let mut drill = hanging(&world, "set_note(\"seen\")").await;
    let healed = |drill: &Drill| drill.count("healed") >= 4;
    drill.until("the disables are done", healed).await;
    let lists = |drill: &Drill| {
        let journal = drill.journal();
        journal.iter().filter(|row| row["class"] == "list").count()
    };
    let before = lists(&drill);
    drill
        .until("cycles go on", |drill| lists(drill) >= before + 3)
        .await;
    let (note, his) = (named(&drill, "7001"), named(&drill, "7002"));
    let log = drill.log();
    drill.judged_elsewhere();
    assert_eq!((note, his), (1, 0), "two writes about one account: {log}");
}

/// A retry hangs, as a connector that is slow lets it: disables of other accounts have a place of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_hangs_holds_no_disable_of_others() {
    let mut drill = hanging(WORLD, "retry()").await;
    let healed = |drill: &Drill| drill.count("healed") >= 4;
    drill.until("the disables are done", healed).await;
    let hung = named(&drill, "7001");
    drill.judged_elsewhere();
    assert_eq!(hung, 1);
}
