//! Drills of the daily report, whole processes: its counts are those of the simulator's truth, with a daemon and without, and what was only wanted is compared with what happened.

use std::fs;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const WORLD: &str = r#"
name = "daily"
seed = 41
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "lock" }]
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Title Updated", failure = "data" }]
"#;

const POLICY: &str = r#"
const NEEDS = ["history"];
fn decide(task, facts) {
    if task.status != "rejected" { return; }
    if task.target == "SAP" { return ask("the value is wrong"); }
    retry().because("it was locked")
}
"#;

fn report(drill: &Drill, more: &[&str]) -> Value {
    let args = [&["report", "daily", "--format", "json"], more].concat();
    drill.json(&args)
}

fn sum(rows: &Value, name: &str) -> u64 {
    let rows = rows.as_array().expect("rows").iter();
    rows.filter_map(|row| row[name].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_told_as_it_was_with_a_daemon_and_without() {
    let mut drill = Setup::of(WORLD)
        .config("[policy]\ndir = \"policies\"\nkinds = { \"*/*\" = \"change\" }")
        .file("policies/10-mine.rhai", POLICY)
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    // nothing may be sent yet; an admin retries two himself
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let by_hand: Vec<String> = tasks
        .iter()
        .filter(|task| task["target"] == "AD")
        .take(2)
        .map(|task| task["id"].to_string())
        .collect();
    for id in &by_hand {
        drill.act(json!({"task": id, "do": "retry"})).await;
    }
    drill.run_for("2h").await;
    let day = report(&drill, &[]);
    assert_eq!(sum(&day["attempts"], "attempts"), 0, "{day:#}");
    let would = &day["would_have"];
    assert_eq!(sum(would, "tasks"), 8, "{would:#}");
    assert_eq!(would[0]["held_by"], "baseline");
    // one that heals leaves the list without a successor that is open: only what is seen is told
    assert!(sum(would, "done_by_others") <= 2, "{would:#}");
    assert_eq!(
        sum(would, "left") + sum(would, "done_by_others"),
        8,
        "{would:#}"
    );
    assert_eq!(sum(&day["given_up"], "tasks"), 3, "{:#}", day["given_up"]);
    drill.approve_backlog();
    drill.run_for("6h").await;
    let day = report(&drill, &[]);
    let healed = day["healed"]["tasks"].as_u64().expect("a count");
    assert_eq!(healed, 6, "{day:#}");
    assert_eq!(sum(&day["attempts"], "attempts"), 6);
    assert_eq!(sum(&day["would_have"], "done_by_us"), 6);
    let puts = drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .count();
    assert_eq!(day["requests"]["writes"].as_u64(), u64::try_from(puts).ok());
    let orders = day["orders"].as_array().expect("orders");
    assert!(
        orders
            .iter()
            .any(|order| order["why"] == "the drill's backlog"),
        "{orders:#?}"
    );
    let released = orders
        .iter()
        .find(|order| order["why"] == "the drill's backlog")
        .expect("it is there");
    let about = released["about"][0].as_str().expect("what it was about");
    assert!(
        about.starts_with("task ") && about.contains(" on "),
        "{released}"
    );
    assert_eq!(day["now"]["visible"], 3, "{:#}", day["now"]);
    // the text says the same, and so do the files
    let text = drill.done(&["report", "daily"]);
    assert!(
        text.contains("6 attempts, 6 tasks read as done after a retry, 3 tasks left to people"),
        "{text}"
    );
    assert!(text.contains("tasks of others are not counted"), "{text}");
    drill.done(&["report", "daily", "--out", "day.html", "--out", "day.txt"]);
    let html = fs::read_to_string(drill.dir.path().join("day.html")).expect("written");
    assert!(
        html.contains("6 tasks read as done after a retry"),
        "{html}"
    );
    // an earlier span holds nothing of it
    let before = report(&drill, &["--from", "2027-02-01", "--to", "2027-02-02"]);
    assert_eq!(sum(&before["attempts"], "attempts"), 0);
    assert_eq!(before["healed"]["tasks"], 0);
    let span = ["--from", "2027-03-01", "--to", "2027-03-02"];
    let with = report(&drill, &span);
    drill.stop();
    let without = report(&drill, &span);
    assert_eq!(without["now"], Value::Null);
    for same in ["attempts", "healed", "given_up", "would_have"] {
        assert_eq!(with[same], without[same], "{same}");
    }
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_reported_is_one_error() {
    let drill = Setup::of(WORLD).start().await;
    let cases: [(&[&str], i32); 3] = [
        (
            &[
                "report",
                "daily",
                "--from",
                "2027-03-02",
                "--to",
                "2027-03-01",
            ],
            65,
        ),
        (&["report", "daily", "--out", "day.pdf"], 64),
        (&["report", "daily", "--out", "missing/day.txt"], 74),
    ];
    drill.release();
    for (args, code) in cases {
        let (found, said) = failed(&drill, args);
        assert_eq!(found, Some(code), "{args:?}: {said}");
        assert!(said.contains("hint: "), "{said}");
    }
    let mut drill = drill;
    drill.daemon();
    drill.run_for("1m").await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}
