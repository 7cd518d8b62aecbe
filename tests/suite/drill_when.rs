//! Drills of when: cron lines, mode off, and what a person says; nothing must be sent outside of what was allowed.

use std::fs;

use jiff::Timestamp;

use crate::drill::{Drill, Setup};

const GROUPS: &str = r#"
name = "groups"
seed = 13
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Add User to Group", failure = "network" }]
"#;

fn change(drill: &Drill, from: &str, to: &str) {
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let changed = config.replace(from, to);
    assert_ne!(changed, config);
    fs::write(&path, changed).expect("written");
}

/// The times at which a PUT came, all of them.
fn puts(drill: &Drill) -> Vec<Timestamp> {
    drill
        .journal()
        .iter()
        .filter(|row| row["method"] == "PUT")
        .map(|row| {
            let text = row["at"].as_str().expect("a time");
            text.parse().expect("a timestamp")
        })
        .collect()
}

/// The world begins at 07:00; verification reads more often, but sends nothing between the lines' times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cron_lines_bound_when_anything_is_sent() {
    let mut drill = Setup::of(GROUPS).start().await;
    change(&drill, "every = \"5m\"", "cron = [\"*/20 10-11 * * *\"]");
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    drill.approve_backlog();
    drill.run_for("8h").await;
    let times = puts(&drill);
    assert!(!times.is_empty(), "in its time it sends");
    for at in &times {
        let hour = at.strftime("%H").to_string();
        // what the last scheduled cycle has admitted may still go out for five minutes
        assert!(hour == "10" || hour == "11", "a PUT at {at}");
    }
    drill.run_for("72h").await;
    drill.judge().await;
}

/// Off reads nothing either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_is_off() {
    let mut drill = Setup::of(GROUPS).start().await;
    change(&drill, "global = \"enforce\"", "global = \"off\"");
    let asked = |drill: &Drill| {
        let rows = drill.journal();
        rows.iter().filter(|row| row["method"].is_string()).count()
    };
    let before = asked(&drill);
    let output = drill.cli(&["run", "--once"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("mode.global is off"), "{said}");
    assert_eq!(asked(&drill), before, "not one request");
    change(&drill, "global = \"off\"", "global = \"enforce\"");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    drill.judge().await;
}

/// A person's word is taken only where the end of an attempt is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_word_contradicts_nothing_that_was_read() {
    let mut drill = Setup::of(GROUPS).enforcing().await;
    let task = drill.truth()["tasks"][0]["id"].to_string();
    let task = task.trim_matches('"').to_owned();
    let unknown = drill.cli(&["outcomes", "settle", "999999", "--failed", "--why", "x"]);
    assert!(!unknown.status.success());
    let nothing = drill.cli(&["outcomes", "settle", &task, "--failed", "--why", "x"]);
    assert!(!nothing.status.success(), "there is no attempt yet");
    let said = drill.done(&["outcomes", "reset", &task, "--why", "a new start"]);
    assert!(said.contains("from zero"), "{said}");
    drill.run_for("6h").await;
    drill.judge().await;
}
