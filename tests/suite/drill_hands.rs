//! Drills of handing work on, whole processes: roles are looked into and response codes are read before anything is sent; judged by the simulator's journal.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_oracle::Evidence;

/// Manual work on four targets: two whose policy names a role, two whose policy sets a response.
const HANDS: &str = r#"
name = "hands"
seed = 6
[[user]]
login = "CDIAZ"
[[user]]
login = "EFISCHER"
status = "Disabled"
[[role]]
name = "STAFFED"
members = ["EFISCHER", "CDIAZ"]
[[role]]
name = "DESERTED"
members = ["EFISCHER"]
[[target]]
name = "STAFFED"
connector = "ticket"
[[target]]
name = "DESERTED"
connector = "ticket"
[[target]]
name = "LISTED"
connector = "ticket"
[[target]]
name = "UNLISTED"
connector = "ticket"
[[population]]
target = "STAFFED"
accounts = 3
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
[[population]]
target = "DESERTED"
accounts = 3
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
[[population]]
target = "LISTED"
accounts = 3
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
[[population]]
target = "UNLISTED"
accounts = 3
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
"#;

const POLICY: &str = r#"
fn decide(task, facts) {
    if task.status != "rejected" { return; }
    if task.target == "LISTED" { return set_response("SUCCESS"); }
    if task.target == "UNLISTED" { return set_response("APPROVED"); }
    reassign("role:" + task.target).because("the drill says so")
}
"#;

const CONFIG: &str = r#"
[policy]
dir = "policies"
kinds = { "*/Manual Grant" = "grant" }
[guard]
set_response = ["*/*"]
"#;

async fn hands() -> Drill {
    let mut drill = Setup::of(HANDS).config(CONFIG).start().await;
    let policies = drill.dir.path().join("policies");
    fs::create_dir(&policies).expect("a directory");
    fs::write(policies.join("10-hands.rhai"), POLICY).expect("written");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    // what was refused for good before the baseline was taken is proposed anew after the first order
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    drill
}

/// Targets of the items that were sent with an action, one for each item.
fn targets_of<'a>(evidence: &'a Evidence, action: &'a str) -> Vec<&'a str> {
    evidence
        .sent(action)
        .map(|(_, item)| {
            let task = evidence.task(&item["id"]).expect("a task of the world");
            task["target"].as_str().expect("a target")
        })
        .collect()
}

/// The paths of the GETs whose path holds a word.
fn asked(evidence: &Evidence, word: &str) -> Vec<String> {
    let path = |entry: &Value| entry["path"].as_str().map(str::to_owned);
    evidence
        .journal
        .iter()
        .filter(|entry| entry["method"] == "GET")
        .filter_map(path)
        .filter(|path| path.contains(word))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_anybody_gets_nothing_and_a_response_that_is_not_listed_is_not_sent() {
    let drill = hands().await;
    let evidence = drill.evidence().await;
    assert_eq!(targets_of(&evidence, "reassign"), ["STAFFED"; 3]);
    assert_eq!(targets_of(&evidence, "setResponse"), ["LISTED"; 3]);
    let plan = drill.done(&["plan", "--json"]);
    for reason in ["assignee_not_active", "action_not_allowed"] {
        assert!(plan.contains(reason), "{reason} is shown: {plan}");
    }
    assert!(
        plan.contains("VALIDATION_FAILED"),
        "the listed codes are shown"
    );
    // two roles, and only the six tasks that are to get a response: each is asked for once in a while
    let members: BTreeSet<String> = asked(&evidence, "/members").into_iter().collect();
    assert_eq!(members.len(), 2, "{members:?}");
    let responses: BTreeSet<String> = asked(&evidence, "/responses").into_iter().collect();
    assert_eq!(responses.len(), 6, "{responses:?}");
    drill.judge().await;
}
