//! Review of issue 4: the read budget of survey and probe, a further login that comes to see more, texts in the daily report, and the manual against the program.

use std::fs;

use serde_json::Value;

use crate::drill::Setup;
use crate::drill_logins::{SECOND, TWO, approve};
use crate::survey_house::{House, WORLD, text};

/// The most requests within any minute of the world's time.
fn most_within_a_minute(house: &House) -> (usize, usize) {
    let times: Vec<i64> = house
        .requests(0)
        .iter()
        .map(|request| {
            let at = text(&request["at"]);
            let at: jiff::Timestamp = at.parse().expect("a time");
            at.as_second()
        })
        .collect();
    let most = (0..times.len())
        .map(|from| {
            times[from..]
                .iter()
                .take_while(|at| **at < times[from] + 60)
                .count()
        })
        .max()
        .unwrap_or(0);
    (times.len(), most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_keeps_the_read_budget_of_each_minute() {
    let house = House::with(WORLD, "reads_per_minute = 30", "").await;
    house.done(&["survey"]);
    let (all, most) = most_within_a_minute(&house);
    assert!(all > 60 && most <= 60, "{all} requests, {most} in a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_keeps_the_read_budget_of_each_minute() {
    let house = House::with(WORLD, "reads_per_minute = 10\npage_size = 10", "").await;
    house.done(&["probe"]);
    let (all, most) = most_within_a_minute(&house);
    assert!(all > 20 && most <= 20, "{all} requests, {most} in a minute");
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
        drill
            .act(serde_json::json!({"task": id, "do": "hide"}))
            .await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    approve(&drill, &["AD", "ERP", "HR", "MAIL"]);
    drill.run_for("24h").await;
    let before = drill.count("healed");
    for id in &theirs {
        drill
            .act(serde_json::json!({"task": id, "do": "show"}))
            .await;
    }
    drill.run_for("12h").await;
    let without_release = drill.count("healed") - before;
    drill.judged_elsewhere();
    assert_eq!((before, without_release), (16, 0));
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

/// The manual of the upgrade says which records this program writes.
#[test]
fn the_manual_of_the_upgrade_names_the_records_that_are_written() {
    let record = fs::read_to_string("src/ledger/record/mod.rs").expect("read");
    let version = record
        .lines()
        .find_map(|line| line.strip_prefix("pub const VERSION: u32 = "))
        .and_then(|rest| rest.strip_suffix(';'))
        .expect("a version");
    let manual = fs::read_to_string("docs/install.md").expect("read");
    let said = format!("this one writes {version} and reads 1 to {version}");
    assert!(
        manual.contains(&said),
        "{:?}",
        manual.lines().find(|line| line.contains("this one writes"))
    );
    let _ = Value::Null;
}
