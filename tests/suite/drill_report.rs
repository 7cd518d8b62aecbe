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

/// Requests to read that the server has seen.
fn gets(drill: &Drill) -> u64 {
    let rows = drill.journal();
    // what happened in the world has a row too, without a class
    let reads = rows
        .iter()
        .filter(|row| row["class"].is_string() && row["class"] != "put");
    u64::try_from(reads.count()).expect("few")
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
        sum(would, "left") + sum(would, "left_lists") + sum(would, "done_by_others"),
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
    assert_eq!(day["requests"]["reads"].as_u64(), Some(gets(&drill)));
    assert_eq!(day["requests"]["reads_to"], day["now"]["at"]);
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
    assert!(
        text.contains("what its list does not show is not counted"),
        "{text}"
    );
    drill.done(&["report", "daily", "--out", "day.html", "--out", "day.txt"]);
    let html = fs::read_to_string(drill.dir.path().join("day.html")).expect("written");
    assert!(
        html.contains("6 tasks read as done after a retry"),
        "{html}"
    );
    drill.done(&["report", "daily", "--out", "day.md"]);
    let markdown = fs::read_to_string(drill.dir.path().join("day.md")).expect("written");
    for part in [
        "# Provisioning tasks, ",
        "6 tasks read as done after a retry",
        "| AD | retry | 6 | ",
    ] {
        assert!(markdown.contains(part), "`{part}`: {markdown}");
    }
    // an earlier span holds nothing of it
    let before = report(&drill, &["--from", "2027-02-01", "--to", "2027-02-02"]);
    assert_eq!(sum(&before["attempts"], "attempts"), 0);
    assert_eq!(before["healed"]["tasks"], 0);
    let span = ["--from", "2027-03-01", "--to", "2027-03-02"];
    let with = report(&drill, &span);
    drill.stop();
    // the last day by the clock that wrote the records, not by this machine's
    let last = report(&drill, &[]);
    assert_eq!(sum(&last["attempts"], "attempts"), 6, "{last:#}");
    let without = report(&drill, &span);
    assert_eq!(without["now"], Value::Null);
    // a clean end has put on record what was read since the last hour
    assert_eq!(without["requests"]["reads"].as_u64(), Some(gets(&drill)));
    assert_eq!(with["requests"]["reads"], without["requests"]["reads"]);
    for same in ["attempts", "healed", "given_up", "would_have"] {
        assert_eq!(with[same], without[same], "{same}");
    }
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge().await;
}

/// What the journal says of readings, where no daemon runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_loses_the_count_of_an_hour_at_most() {
    let mut drill = Setup::of(WORLD).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("5h").await;
    let all = gets(&drill);
    let span = ["--from", "2027-03-01", "--to", "2027-03-02"];
    // the daemon knows of all, also of those that are on no record yet
    let with = report(&drill, &span);
    assert_eq!(with["requests"]["reads"].as_u64(), Some(all));
    drill.kill9().await;
    let day = report(&drill, &span);
    let known = day["requests"]["reads"].as_u64().expect("a count");
    assert!(known > 0 && known < all, "{known} of {all}");
    let time = |of: &Value| -> jiff::Timestamp {
        of.as_str()
            .and_then(|text| text.parse().ok())
            .expect("a time")
    };
    let killed = time(&with["now"]["at"]);
    let lost = killed.duration_since(time(&day["requests"]["reads_to"]));
    assert!(lost <= jiff::SignedDuration::from_mins(60), "{lost:#}");
    let records = drill.done(&["store", "export", "-"]);
    let records: Vec<&str> = records
        .lines()
        .filter(|line| line.contains(r#""is":"requests""#))
        .collect();
    assert!((3..=5).contains(&records.len()), "{records:#?}");
    let to = day["requests"]["reads_to"].as_str().expect("a time");
    let last = records.last().expect("some");
    assert!(last.contains(&format!(r#""to":"{to}""#)), "{last}");
    let text = drill.done(&[&["report", "daily"], &span[..]].concat());
    assert!(
        text.contains("requests to read, counted from 2027-03-01"),
        "{text}"
    );
    drill.daemon();
    drill.run_for("1m").await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
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
    let (_, said) = failed(&drill, &["report", "daily", "--out", "day.csv"]);
    assert!(
        said.contains(".txt, .md, .html or .json") && said.contains("audit export"),
        "{said}"
    );
    let mut drill = drill;
    drill.daemon();
    drill.run_for("1m").await;
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}

/// The store of one login, read with the configuration of another: the report says whose it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_another_login_s_store_says_whose_it_is() {
    let mut drill = Setup::of(WORLD).enforcing().await;
    drill.run_for("1h").await;
    drill.stop();
    let file = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&file).expect("read");
    let day = report(&drill, &[]);
    assert!(day["configured"].is_null(), "{:#}", day["configured"]);
    let plain = drill.done(&["report", "daily"]);
    assert!(!plain.contains("names another"), "{plain}");
    drill.write("provtaskd.toml", &config.replace("PROVSVC", "ANOTHER"));
    let output = drill.cli(&["report", "daily"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for words in ["warning: the store is of", "as PROVSVC", "as ANOTHER"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("The configuration names another server or login"),
        "{text}"
    );
    drill.write("provtaskd.toml", &config);
    drill.daemon();
    drill.run_for("12h").await;
    drill.judge().await;
}

/// What a server calls its targets is text in every report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daily_report_in_html_shows_names_as_text() {
    let world = r#"
name = "hostile"
seed = 5
[[target]]
name = "<img src=x onerror=alert(1)>"
[[population]]
target = "<img src=x onerror=alert(1)>"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("6h").await;
    drill.done(&["pause", "--why", "<script>alert(2)</script>"]);
    let html = drill.done(&["report", "daily", "--format", "html"]);
    drill.judged_elsewhere();
    assert!(
        !html.contains("<img") && !html.contains("<script"),
        "{html}"
    );
}
