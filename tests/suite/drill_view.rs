//! Drills of a view that becomes wider after the first enforce (a role, a filter, a login): what was there all the time waits for a release like all that was seen then.

use std::fs;

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_logins::{SECOND, TWO, approve};
use crate::survey_house::text;

fn rejected(drill: &Drill, prefix: &str) -> Vec<String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let of = tasks.iter().filter(|task| {
        task["status"] == "R"
            && task["beneficiary"]
                .as_str()
                .is_some_and(|who| who.starts_with(prefix))
    });
    of.map(|task| task["id"].to_string().trim_matches('"').to_owned())
        .collect()
}

const LATER: &str = r#"
name = "later-role"
seed = 23
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "AD"
accounts = 9
prefix = "ROLE"
age = "5d"
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// The login is given one more role a day after enforce was switched on: what that role's tasks were before the first
/// enforce waits for a release like all that was there then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_shows_later_and_was_there_at_first_waits_for_a_release() {
    let mut drill = Setup::of(LATER).start().await;
    let theirs = rejected(&drill, "ROLE");
    assert_eq!(theirs.len(), 9);
    for id in &theirs {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 2);
    for id in &theirs {
        drill.act(json!({"task": id, "do": "show"})).await;
    }
    drill.run_for("12h").await;
    let without_release = drill.count("healed") - 2;
    let waits = drill.inbox().iter().any(|item| item["id"] == "baseline:AD");
    drill.judged_elsewhere();
    assert_eq!(
        (without_release, waits),
        (0, true),
        "(sent without a release, waits)"
    );
}

const ONE: &str = r#"
name = "one-off"
seed = 5
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 2
prefix = "SAP"
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// "To begin with one target": the list is filtered by it, enforced, and a day later the filter is taken out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_filter_has_hidden_at_first_waits_for_a_release_when_it_is_taken_out() {
    let filter = "list_filter = \"Objects.Name eq AD\"";
    let mut drill = Setup::of(ONE).server(filter).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let visible = drill.json(&["status", "--json"])["tasks_visible"].clone();
    assert_eq!(visible, 2, "the filter holds");
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 2);
    let file = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&file).expect("read");
    drill.write("provtaskd.toml", &text.replace(filter, ""));
    let reloaded = drill.cli(&["reload"]);
    if !reloaded.status.success() {
        drill.stop();
        drill.daemon();
    }
    drill.run_for("12h").await;
    let without_release = drill.count("healed") - 2;
    let waits = drill
        .inbox()
        .iter()
        .any(|item| item["id"] == "baseline:SAP");
    drill.judged_elsewhere();
    assert_eq!(
        (without_release, waits),
        (0, true),
        "(sent without a release, waits)"
    );
}

/// Tasks of a role that a further login is given a day later.
const LATE: &str = r#"
[[population]]
target = "HR"
accounts = 5
prefix = "LATE"
age = "5d"
owner = ["role:SECOND LINE"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_further_login_comes_to_see_later_and_was_there_at_first_waits() {
    let mut drill = Setup::of(&format!("{TWO}{LATE}"))
        .config(SECOND)
        .start()
        .await;
    drill.write_secret("second", "sim-password-2");
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let theirs: Vec<String> = tasks
        .iter()
        .filter(|task| {
            task["beneficiary"]
                .as_str()
                .is_some_and(|who| who.starts_with("LATE"))
        })
        .map(|task| text(&task["id"]))
        .collect();
    assert_eq!(theirs.len(), 5);
    for id in &theirs {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    approve(&drill, &["AD", "ERP", "HR", "MAIL"]);
    drill.run_for("24h").await;
    let before = drill.count("healed");
    for id in &theirs {
        drill.act(json!({"task": id, "do": "show"})).await;
    }
    drill.run_for("12h").await;
    let without_release = drill.count("healed") - before;
    drill.judged_elsewhere();
    assert_eq!((before, without_release), (16, 0));
}
