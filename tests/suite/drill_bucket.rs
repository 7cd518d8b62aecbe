//! Drills of a server that shows of a task's status the category alone, as the documented samples do: "Completed" is the bucket of what was given up, too.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_front::behind;

/// Takes the code out of every row.
fn without_codes(value: &mut Value) {
    match value {
        Value::Array(all) => {
            all.retain(|field| field["name"] != "Process Instance.Task Details.Status");
            all.iter_mut().for_each(without_codes);
        }
        Value::Object(all) => all.values_mut().for_each(without_codes),
        _ => {}
    }
}

/// Puts a front end before the server that leaves the codes out of all that is read of tasks.
async fn categories_alone(drill: &Drill) {
    behind(drill, |seen, text| {
        let tasks = seen.path.contains("/provtasks") || seen.path.contains("/provprocesses");
        if seen.method != "GET" || !tasks {
            return None;
        }
        let mut body: Value = serde_json::from_str(text).ok()?;
        without_codes(&mut body);
        Some(("200 OK", body.to_string()))
    })
    .await;
}

/// What is retried fails again under a new id half an hour later, and its old id is closed as UC: that is no success, and the cap holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_closed_as_unsuccessful_is_not_told_as_done_by_its_category() {
    let world = r#"
name = "bucket"
seed = 71
[[target]]
name = "AD"
successor_delay = "30m"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 50 }]
"#;
    let mut drill = Setup::of(world).start().await;
    categories_alone(&drill).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let listed = drill.json(&["outcomes", "list", "--json"]);
    let (healed, effects) = (drill.count("healed"), drill.count("effects"));
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    let completed = listed
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["state"] == "completed")
        .count();
    assert_eq!(
        (completed, healed),
        (0, 0),
        "told as done; {effects} runs; {inbox:#?}"
    );
    assert!(effects <= 3 * 5, "{effects} runs of three pieces of work");
}

/// The enable was given up: the account is off, and what is younger is not given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enable_that_was_given_up_does_not_switch_its_account_on_by_its_category() {
    let task = |name: &str, created: &str, more: &str| {
        format!(
            "[[task]]\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"{name}\"\ncreated = \"{created}\"\n{more}\n"
        )
    };
    let world = [
        "name = \"bucket-off\"\nseed = 72\n[traits]\naccounts_no_status = true\n[[user]]\nlogin = \"JDOE\"\n[[target]]\nname = \"AD\"\n".to_owned(),
        task("Disable User", "-72h", "status = \"C\""),
        task("Enable User", "-48h", "status = \"UC\""),
        task("Add User to Group", "-24h", "failure = \"network\""),
    ]
    .concat();
    let mut drill = Setup::of(&world).start().await;
    categories_alone(&drill).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let (effects, inbox) = (drill.count("effects"), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!(effects, 0, "given on an account that is off; {inbox:#?}");
}

/// A task of a manual definition waits with a person who is there and works on it: it is not taken from him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manual_work_is_not_taken_from_an_owner_who_is_there() {
    let world = r#"
name = "at-work"
seed = 73
[server]
list_scope = "everybody"
[[user]]
login = "WORKER"
[[user]]
login = "CDIAZ"
[[role]]
name = "STAFFED"
members = ["CDIAZ"]
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 4
prefix = "EMP"
owner = ["user:WORKER"]
task = [{ task = "Manual Grant", manual = true, status = "P" }]
[[population]]
target = "DESK"
accounts = 1
prefix = "FAILED"
owner = ["role:STAFFED"]
task = [{ task = "Manual Grant", manual = true, failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .config("[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }")
        .config("fulfilment_roles = { \"*\" = \"STAFFED\" }")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    let evidence = drill.evidence().await;
    let taken: Vec<Value> = evidence
        .sent("reassign")
        .map(|(row, item)| json!([row["at"], item["id"]]))
        .collect();
    drill.judged_elsewhere();
    assert!(
        taken.is_empty(),
        "taken from WORKER, who is there: {taken:?}"
    );
}

/// OIG has said that tasks of the definition are not automated, and no fulfilment role is configured: the work of an owner who goes on
/// leave goes to his stand-in all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manual_work_of_an_absent_owner_goes_to_his_stand_in() {
    let world = r#"
name = "manual-leave"
seed = 74
[server]
list_scope = "everybody"
[[user]]
login = "OWNER"
[[user]]
login = "THERE"
[[user]]
login = "CDIAZ"
[[role]]
name = "STAFFED"
members = ["CDIAZ"]
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 4
prefix = "EMP"
owner = ["user:OWNER"]
task = [{ task = "Manual Grant", manual = true, status = "P" }]
[[population]]
target = "DESK"
accounts = 1
prefix = "FAILED"
owner = ["role:STAFFED"]
task = [{ task = "Manual Grant", manual = true, failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .file(
            "leave.csv",
            "login,from,to,stand_in\nOWNER,2027-03-02T00:00:00Z,2027-03-20,THERE\n",
        )
        .config("[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }")
        .config("[absence]\nfeed = \"leave.csv\"")
        .config("[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    // the failed one is tried once, and OIG says what its definition is
    drill.run_for("26h").await;
    let inbox = drill.inbox();
    if inbox.iter().any(|item| item["id"] == "baseline:DESK") {
        drill.approve_backlog();
    }
    drill.run_for("6h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    assert_eq!(sent, 4, "OWNER is away, THERE stands in: {inbox:#?}");
}

/// The owner has left, his proxy is there; the task's words fit no class. Nobody looks into the list of somebody who has left: it is
/// handed over, or a person is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_somebody_who_has_left_with_unknown_words_is_not_left_in_silence() {
    let world = r#"
name = "silence"
seed = 75
[server]
list_scope = "everybody"
[[user]]
login = "LEFT"
status = "Disabled"
[[user]]
login = "JDOE"
[[user]]
login = "CDIAZ"
[[proxy]]
user = "LEFT"
proxy = "CDIAZ"
start = "-5d"
end = "30d"
[[target]]
name = "AD"
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Telephone Updated"
failure = "data"
owner = "user:LEFT"
created = "-72h"
reason = "ZX-4711 the frobnicator has declined"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("72h").await;
    let inbox = drill.inbox();
    let handed = drill.evidence().await.sent("reassign").count();
    drill.judged_elsewhere();
    assert!(
        handed > 0 || !inbox.is_empty(),
        "six days, its owner has left, and nobody is told"
    );
}
