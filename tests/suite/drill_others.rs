//! A drill of retries by OIG's own job where a task keeps its id, whole processes: they are told as theirs and use up the cap; judged by the simulator's journal.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// One task that OIG's job runs three times, in vain, under one id.
const WORLD: &str = r#"
name = "others"
seed = 31
[[user]]
login = "CDIAZ"
[timed_retry]
period = "1h"
count = 3
targets = ["MAIL"]
[[target]]
name = "MAIL"
connector = "ldap"
same_id = true
run = "later"
later = "10m"
[[task]]
target = "MAIL"
user = "CDIAZ"
task = "Change Quota"
failure = "data"
value = "-3"
"#;

/// Wants a retry as soon as others have run it three times.
const POLICY: &str = r#"
const NEEDS = ["history"];
fn decide(task, facts) {
    if task.status != "rejected" { return; }
    if facts.history.attempts < 3 { return leave("OIG's own job has it"); }
    retry().because("nobody else runs it any more")
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_oigs_own_job_under_the_same_id_are_told_as_theirs_and_use_up_the_cap() {
    let mut drill = Setup::of(WORLD)
        .config(
            "[policy]\ndir = \"policies\"\nkinds = { \"*/*\" = \"change\" }\n[governor]\nmax_attempts = 3\n",
        )
        .file("policies/10-others.rhai", POLICY)
        .enforcing()
        .await;
    drill.run_for("5h").await;
    // it is wanted now, and only the cap is left to refuse it
    drill.approve_backlog();
    drill.run_for("2h").await;
    let evidence = drill.evidence().await;
    let runs = evidence
        .journal
        .iter()
        .filter(|entry| entry["type"] == "effect" && entry["caused_by"] == "oig");
    assert_eq!(runs.count(), 3);
    let id = drill.truth()["tasks"][0]["id"].to_string();
    let story = drill.done(&["outcomes", "show", &id]);
    let told = story.matches("OIG's own retry or an admin did it").count();
    assert_eq!(told, 3, "{story}");
    let plan = drill.done(&["plan", "--json"]);
    assert!(plan.contains("attempts_used_up"), "{plan}");
    assert_eq!(evidence.sent("retry").count(), 0);
    drill.judge().await;
}

/// One account with two changes, of which one goes at a time.
const PAIR: &str = r#"
name = "pair"
seed = 32
[[user]]
login = "CDIAZ"
[[target]]
name = "MAIL"
connector = "ldap"
retries_anything = true
[[population]]
target = "MAIL"
accounts = 1
task = [{ task = "Change Quota", failure = "network" }, { task = "Telephone Updated", failure = "network" }]
"#;

/// The writes so far.
fn puts(drill: &Drill) -> Vec<Value> {
    let mut rows = drill.journal();
    rows.retain(|row| row["class"] == "put");
    rows
}

/// Whose the run is that was read nobody can say: ours may come yet, and would undo what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_waits_for_a_retry_without_an_answer_though_anothers_was_read() {
    let mut drill = Setup::of(PAIR)
        .config("[policy]\nkinds = { \"MAIL/Change Quota\" = \"change\" }\n")
        .every("1m")
        .enforcing()
        .await;
    drill
        .act(
            json!({"fault": {"do": "slow_apply", "on": "put", "at": [1], "ms": 1, "delay": "10m"}}),
        )
        .await;
    // minute by minute: on a busy machine the clock would run on past the late run before the first one is noticed
    for _ in 0..10 {
        if puts(&drill).is_empty() {
            drill.run_for("1m").await;
        }
    }
    assert_eq!(puts(&drill).len(), 1, "the first retry");
    let sent = puts(&drill)[0]["body"]["tasks"][0]["id"].clone();
    drill.act(json!({"do": "retry", "task": sent})).await;
    drill.run_for("3m").await;
    let shown = drill.done(&["status"]);
    assert_eq!(puts(&drill).len(), 1, "{shown}");
    drill.run_for("1h").await;
    let journal = drill.journal();
    let seq = |row: &Value| row["seq"].as_u64().expect("a number");
    let puts = puts(&drill);
    let late = journal
        .iter()
        .find(|row| row["type"] == "effect" && row["caused_by"] == puts[0]["request_id"]);
    let late = late.expect("what was sent first was carried out");
    assert_eq!(puts.len(), 2, "the other one went out in the end");
    assert!(seq(&puts[1]) > seq(late), "{puts:#?}");
    drill.judge_beside_another().await;
}
