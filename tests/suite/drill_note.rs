//! Drills of the line in a task's own note, whole processes: written once, beside what stands there, in nobody's way, and never again after a kill; judged by the simulator's truth and journal.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Failures that come back rejected, tasks that heal, and one that is handed on; two have words in their note.
const WORLD: &str = r#"
name = "notes"
seed = 23
[[user]]
login = "CDIAZ"
[[user]]
login = "JDOE"
[[role]]
name = "DATA TEAM"
members = ["CDIAZ", "PROVSVC"]
[[target]]
name = "AD"
connector = "ldap"
[[target]]
name = "MAIL"
connector = "ldap"
[[task]]
target = "AD"
user = "JDOE"
task = "Telephone Updated"
failure = "data"
value = "not a number"
note = "Ann: wrong since the move"
[[task]]
target = "AD"
user = "CDIAZ"
task = "Title Updated"
failure = "network"
[[task]]
target = "MAIL"
user = "JDOE"
task = "Change Quota"
failure = "data"
value = "-3"
"#;

const POLICY: &str = r#"
const NEEDS = ["history"];
fn decide(task, facts) {
    if task.status != "rejected" { return; }
    if facts.history.attempts >= 1 { return leave("once is enough"); }
    if task.target == "MAIL" { return reassign("role:DATA TEAM").because("the value is wrong"); }
    retry().because("tried once")
}
"#;

fn world(delivery: &str) -> Setup {
    let config = format!(
        "[policy]\ndir = \"policies\"\nkinds = {{ \"*/*\" = \"change\" }}\n[delivery]\n{delivery}\n"
    );
    Setup::of(WORLD)
        .config(&config)
        .file("policies/10-notes.rhai", POLICY)
}

/// The PUTs that set a note, in order.
fn written(drill: &Drill) -> Vec<Value> {
    let puts = drill.journal().into_iter().filter(|row| {
        let body = &row["body"];
        let bulk = body["tasks"].as_array();
        row["class"] == "put"
            && (body["action"] == "setNote"
                || bulk.is_some_and(|all| all.iter().any(|item| item["action"] == "setNote")))
    });
    puts.collect()
}

/// The id of the first task of a definition.
fn task_named(drill: &Drill, name: &str) -> String {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let task = tasks.iter().find(|task| task["definition"] == name);
    let id = task.expect("it is there")["id"].as_u64();
    id.expect("an id").to_string()
}

/// The notes of the open tasks of a definition.
fn note_of(drill: &Drill, name: &str) -> String {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let open: Vec<&Value> = tasks
        .iter()
        .filter(|task| task["definition"] == name && task["status"] != "UC")
        .collect();
    let newest = open.last().unwrap_or_else(|| panic!("{name}: {tasks:#?}"));
    newest["note"].as_str().expect("a note").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_said_once_in_the_note_of_what_is_still_open() {
    let mut drill = world("note = true").enforcing().await;
    drill.run_for("2h").await;
    let puts = written(&drill);
    assert_eq!(puts.len(), 2, "{puts:#?}");
    for put in &puts {
        // the documented form: one task a request, and what asks for it
        let path = put["path"].as_str().expect("a path");
        let last = path.rsplit('/').next().expect("a segment");
        assert!(last.parse::<u64>().is_ok(), "{path}");
        assert_eq!(
            put["body"]["fields"][0]["name"],
            "Process Instance.Task Details.Note"
        );
    }
    let phone = note_of(&drill, "Telephone Updated");
    assert!(phone.starts_with("[provtaskd L"), "{phone}");
    let said = "retried by 10-notes.rhai:7 because: tried once; the task stands rejected";
    assert!(phone.ends_with(said), "{phone}");
    let quota = note_of(&drill, "Change Quota");
    let said =
        "reassigned to role:DATA TEAM by 10-notes.rhai:6 because: the value is wrong; it was done";
    assert!(quota.ends_with(said), "{quota}");
    // what healed is closed, and nothing is written to it
    assert_eq!(note_of(&drill, "Title Updated"), "");
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["notes"]["seen"], 2, "{status:#}");
    let attempts: u64 = status["attempts"]
        .as_array()
        .expect("counts")
        .iter()
        .filter_map(|count| count[1].as_u64())
        .sum();
    assert_eq!(attempts, 3, "a note is no attempt: {status:#}");
    let audit = drill.done(&[
        "audit",
        "export",
        "--from",
        "2027-01-01",
        "--to",
        "2028-01-01",
        "--format",
        "jsonl",
    ]);
    for event in ["note_claim", "note_answer"] {
        let rows = audit.lines().filter(|row| row.contains(event)).count();
        assert_eq!(rows, 2, "{event}: {audit}");
    }
    let before = written(&drill).len();
    drill.kill_and_restart().await;
    drill.run_for("12h").await;
    assert_eq!(
        written(&drill).len(),
        before,
        "never again, also after a restart"
    );
    drill.done(&["audit", "verify"]);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_is_the_default_and_a_note_that_is_not_shown_is_left_alone() {
    let mut drill = world("").enforcing().await;
    drill.run_for("6h").await;
    assert!(written(&drill).is_empty());
    assert_eq!(note_of(&drill, "Telephone Updated"), "");
    drill.judge().await;
    let hidden = format!("{WORLD}\n[traits]\nno_notes = true\n");
    let config =
        "[policy]\ndir = \"policies\"\nkinds = { \"*/*\" = \"change\" }\n[delivery]\nnote = true\n";
    let mut drill = Setup::of(&hidden)
        .config(config)
        .file("policies/10-notes.rhai", POLICY)
        .enforcing()
        .await;
    drill.run_for("6h").await;
    assert!(written(&drill).is_empty());
    assert!(drill.log().contains("does not show the task's note"));
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_wrote_is_kept_and_a_full_note_is_left_alone() {
    let mut drill = world("note = true\nnote_max = 200").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    // a person's words, with no room beside them
    let words = "w".repeat(150);
    let id = task_named(&drill, "Change Quota");
    drill
        .act(json!({"task": id, "do": "note", "to": words}))
        .await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(note_of(&drill, "Change Quota"), words);
    assert!(drill.log().contains("there is no room left in the note"));
    assert_eq!(written(&drill).len(), 1, "the other one has room");
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_a_person_stand_before_the_line() {
    let mut drill = world("note = true").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let id = task_named(&drill, "Change Quota");
    drill
        .act(json!({"task": id, "do": "note", "to": "Ann: ask the owner"}))
        .await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let note = note_of(&drill, "Change Quota");
    assert!(
        note.starts_with("Ann: ask the owner\n[provtaskd L"),
        "{note}"
    );
    drill.judge().await;
}

/// Killed while the request that sets a note hangs: whatever it did, it is not sent again.
async fn killed_while_a_note_hangs(fault: &str, there: bool) {
    let mut drill = world("note = true").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    // the hand-over goes out in a bulk; only a note has the task in its path
    let path = format!("/{}", task_named(&drill, "Change Quota"));
    let hangs = json!({"do": fault, "on": "put", "path": path, "at": [1]});
    drill.act(json!({ "fault": hangs })).await;
    drill.approve_backlog();
    let hanging = |drill: &Drill| {
        let mut puts = written(drill).into_iter();
        puts.any(|put| !put["fault"].is_null())
    };
    drill
        .run_until("6h", "a note hangs at the server", hanging)
        .await;
    drill.kill_and_restart().await;
    drill.run_for("12h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["notes"]["unknown"], 1, "{status:#}");
    let puts = written(&drill);
    let mut ids: Vec<&str> = puts.iter().filter_map(|put| put["path"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), puts.len()), (2, 2), "none twice: {puts:#?}");
    assert_eq!(
        note_of(&drill, "Change Quota").contains("[provtaskd L"),
        there
    );
    assert!(note_of(&drill, "Telephone Updated").contains("[provtaskd L"));
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_note_that_was_written_hangs() {
    killed_while_a_note_hangs("hang", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_note_that_was_not_written_hangs() {
    killed_while_a_note_hangs("hang_unapplied", false).await;
}

/// A server that answers no note is asked once a task, and the tasks themselves go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_that_fails_is_no_failure_of_the_task() {
    let mut drill = world("note = true").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    for path in ["Change Quota", "Telephone Updated"] {
        let path = format!("/{}", task_named(&drill, path));
        let fails = json!({"do": "html500", "on": "put", "path": path, "probability": 1.0});
        drill.act(json!({ "fault": fails })).await;
    }
    drill.approve_backlog();
    drill.run_for("12h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["notes"]["unknown"], 1, "{status:#}");
    let row = |name: &str| {
        let list = drill.json(&["outcomes", "list", "--json"]);
        let rows = list.as_array().or(list["rows"].as_array());
        let mut rows = rows.expect("rows").iter();
        let row = rows.find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("{list:#}"))["state"].clone()
    };
    assert_eq!(row("Change Quota"), "completed");
    assert!(drill.inbox().is_empty(), "{:#?}", drill.inbox());
    drill.judge().await;
}
