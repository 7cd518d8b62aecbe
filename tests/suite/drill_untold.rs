//! Drills of what a row leaves open or says twice, whole processes: an adapter that is not shown, a refusal in other words, a status beside another category; what is not understood is not acted on.

use crate::drill::Setup;
use crate::drill_front::behind;

const POLICY: &str = "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }";

/// Six tasks of one who has left run in their connector; his proxy could stand in.
const RUNNING: &str = r#"
name = "running"
seed = 31
[server]
list_scope = "everybody"
[[user]]
login = "LEFT"
status = "Disabled"
[[user]]
login = "NEXT"
[[proxy]]
user = "LEFT"
proxy = "NEXT"
start = "-5d"
end = "30d"
[[target]]
name = "DESK"
connector = "ldap"
[[population]]
target = "DESK"
accounts = 6
prefix = "EMP"
owner = ["user:LEFT"]
task = [{ task = "Telephone Updated", status = "P" }]
"#;

/// OIG speaks the language of its installation; the table of reasons knows the words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_automated_is_learned_by_the_words_of_the_table_too() {
    let world = r#"
name = "manual in another language"
seed = 33
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 6
prefix = "EMP"
task = [{ task = "Manual Grant", status = "R", failure = "network" }]
"#;
    let reasons = include_str!("../../policies/reasons.toml").replace(
        "  'task is not automated',",
        "  'task is not automated',\n  'nicht automatisiert',",
    );
    let mut setup = Setup::of(world).config(POLICY).config("dir = \"policies\"");
    for (name, text) in [
        (
            "policies/10-manual.rhai",
            include_str!("../../policies/10-manual.rhai"),
        ),
        (
            "policies/30-retry.rhai",
            include_str!("../../policies/30-retry.rhai"),
        ),
        (
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        ),
    ] {
        setup = setup.file(name, text);
    }
    let mut drill = setup.file("policies/reasons.toml", reasons).start().await;
    behind(&drill, |seen, text| {
        (seen.method == "PUT").then(|| {
            let german = "Diese Aufgabe ist nicht automatisiert.";
            let words = "This task is not automated. If task is completed, set status to UC.";
            ("200 OK", text.replace(words, german))
        })
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    let asked: usize = drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default())
        .filter(|item| item["action"] == "retry")
        .count();
    drill.judged_elsewhere();
    assert!(asked <= 1, "{asked} retries of what is not automated");
}

/// An adapter that the row does not show is unknown, which is not "none": what runs is not handed to people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_task_whose_adapter_is_not_shown_is_not_handed_over() {
    let mut drill = Setup::of(RUNNING).start().await;
    behind(&drill, |seen, text| {
        (seen.method == "GET" && seen.path.contains("/prov")).then(|| {
            (
                "200 OK",
                text.replace("\"Event Handler Manager.Key\"", "\"Another Field\""),
            )
        })
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let truth = drill.truth();
    drill.judged_elsewhere();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let kept = tasks.iter().filter(|task| task["owner"] == "user:LEFT");
    assert_eq!(kept.count(), 6, "{tasks:#?}");
}

/// Status and its category contradict each other: that is not understood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_contradicts_its_category_is_not_acted_on() {
    let world = r#"
name = "contradiction"
seed = 38
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world).start().await;
    behind(&drill, |seen, text| {
        (seen.method == "GET" && seen.path.contains("/prov")).then(|| {
            let is = "\"Status.Category\",\"value\":\"Rejected\"";
            (
                "200 OK",
                text.replace(is, "\"Status.Category\",\"value\":\"Completed\""),
            )
        })
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    let puts = drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .count();
    drill.judged_elsewhere();
    assert_eq!(puts, 0, "R that is completed was retried");
}
