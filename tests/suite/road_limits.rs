//! The limits of the road: what a report or a capture gives away, what a later probe takes away, what consent to one retry lifts.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::survey_house::House;

const NAMED: &str = r#"
name = "named"
seed = 3
start = "2027-03-01T07:00:00Z"
[[user]]
login = "MUSTERFRAU"
[[target]]
name = "AD"
[[task]]
target = "AD"
user = "MUSTERFRAU"
task = "Telephone Updated"
failure = "network"
created = "-2h"
"#;

/// A report that is passed on names nobody, also where an own policy fails and says of whom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_without_names_names_nobody_where_a_policy_fails() {
    let house = House::with(NAMED, "", "[policy]\ndir = \"own\"\n").await;
    let own = house.dir.path().join("own");
    fs::create_dir(&own).expect("made");
    fs::write(
        own.join("10-own.rhai"),
        "const NEEDS = [];\nfn decide(task, facts) { throw `no rule for ${task.beneficiary}` }\n",
    )
    .expect("written");
    let said = house.done(&["survey", "--no-names", "--format", "json"]);
    assert!(
        !said.to_uppercase().contains("MUSTERFRAU"),
        "{}",
        said.lines()
            .filter(|line| line.to_uppercase().contains("MUSTERFRAU"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// An anonymised capture shows no free text: a note that begins with a day is no date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_shows_no_note_that_begins_with_a_day() {
    let noted = NAMED.replace(
        "created = \"-2h\"",
        "created = \"-2h\"\nnote = \"2027-02-26 Erika Musterfrau is ill (burnout), back in May\"",
    );
    assert_ne!(noted, NAMED);
    let house = House::of(&noted).await;
    house.done(&["probe", "--capture", "capture.json"]);
    let capture = fs::read_to_string(house.dir.path().join("capture.json")).expect("written");
    let lower = capture.to_lowercase();
    let shown = capture
        .lines()
        .find(|line| line.to_lowercase().contains("musterfrau"));
    assert!(
        !lower.contains("musterfrau") && !lower.contains("burnout"),
        "{shown:?}"
    );
}

/// A login that is a long number (a personal one) is replaced whole, and not cut down to a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_shows_no_part_of_a_login_that_is_a_long_number() {
    let house = House::of(&NAMED.replace("MUSTERFRAU", "8501011234567")).await;
    house.done(&["probe", "--capture", "capture.json"]);
    let capture = fs::read_to_string(house.dir.path().join("capture.json")).expect("written");
    let shown = capture.lines().find(|line| line.contains("\"850"));
    assert_eq!(shown, None);
}

/// One probe that meets a server in trouble does not take away what an earlier one has seen, nor call it a want of rights.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_meets_a_503_takes_nothing_away_that_was_learned() {
    let drill = Setup::of(ONE).server("require_probe = true").start().await;
    drill.post("/sim/clock/hold", json!({})).await;
    let first = drill.done(&["probe"]);
    assert!(
        first.contains("reassign         may be enforced"),
        "{first}"
    );
    drill
        .act(json!({"fault": {"do": "html503", "on": "people", "probability": 1.0}}))
        .await;
    let again = drill.cli(&["probe"]);
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    let file = drill.dir.path().join("store/traits.json");
    let kept = fs::read_to_string(&file).expect("kept");
    let kept = provtaskd::traits::Traits::parse(&kept, &file).expect("traits");
    drill.judged_elsewhere();
    let missing = provtaskd::traits::missing(&kept, provtaskd::model::ActionName::Reassign);
    assert!(
        missing.is_none(),
        "{missing:?}, rc {:?}: {}",
        again.status.code(),
        said.lines()
            .skip_while(|line| !line.starts_with("reassign"))
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
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

/// Asks for one retry with consent, and lets the world go on meanwhile; answers how many writes came of it.
async fn one_retry(modes: &str) -> (usize, String) {
    let config = format!("[guard]\nage_limit = \"300d\"\n{modes}");
    let mut drill = Setup::of(ONE)
        .server("require_probe = true")
        .config(&config)
        .start()
        .await;
    let file = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&file).expect("read");
    drill.write(
        "provtaskd.toml",
        &text.replace("global = \"enforce\"", "global = \"observe\""),
    );
    drill.done(&["probe"]);
    drill.daemon();
    drill.run_for("2h").await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let task = tasks
        .iter()
        .find(|task| task["target"] == "SAP" && task["status"] == "R")
        .expect("a task");
    let id = task["id"].to_string().trim_matches('"').to_owned();
    let child = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args([
            "probe",
            "--retry-one",
            &id,
            "--yes-retry",
            &id,
            "--wait",
            "5m",
        ])
        .current_dir(drill.dir.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    drill.run_for("20m").await;
    // on a busy machine the command may come only now, and its five minutes are still to pass
    for _ in 0..600 {
        if waiting.is_finished() {
            break;
        }
        drill.run_for("1m").await;
    }
    let output = waiting.await.expect("joined").expect("ended");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let sent = drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .count();
    drill.judged_elsewhere();
    (sent, said)
}

/// The same drill in a target that is observed: the retry is sent, so that the other two say something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_retry_with_consent_is_sent_to_an_observed_target() {
    let (sent, said) = one_retry("").await;
    assert_eq!(sent, 1, "{said}");
}

/// `operations.md`: one real retry, with consent, in any mode but `off`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_retry_with_consent_is_not_sent_to_a_target_that_is_off() {
    let (sent, said) = one_retry("[mode.targets]\nsap = \"off\"\n").await;
    assert_eq!(sent, 0, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_retry_with_consent_is_not_sent_where_retries_are_off() {
    let (sent, said) = one_retry("[mode.actions]\nretry = \"off\"\n").await;
    assert_eq!(sent, 0, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_retry_with_consent_is_not_sent_where_its_policy_is_off() {
    let (sent, said) = one_retry("[mode.policies]\n\"30-retry.rhai\" = \"off\"\n").await;
    assert_eq!(sent, 0, "{said}");
}

const THIRD: &str = r#"
name = "third"
seed = 29
[[role]]
name = "SECOND LINE"
[[target]]
name = "AD"
[[target]]
name = "HR"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "HR"
accounts = 6
owner = ["role:SECOND LINE"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// All has healed, the list is empty, and somebody probes once more (a job of each week): what was learned stays, and the
/// next failed task is retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_of_an_empty_list_takes_nothing_away_that_was_learned() {
    let mut drill = Setup::of(ONE).server("require_probe = true").start().await;
    let ids = |drill: &Drill, target: &str| -> Vec<String> {
        let truth = drill.truth();
        let tasks = truth["tasks"].as_array().expect("tasks");
        let of = tasks.iter().filter(|task| task["target"] == target);
        of.map(|task| task["id"].to_string().trim_matches('"').to_owned())
            .collect()
    };
    let late = ids(&drill, "SAP");
    for id in &late {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.done(&["probe"]);
    let file = drill.dir.path().join("store/traits.json");
    let text = fs::read_to_string(&file).expect("written");
    let mut traits: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    traits["retry"] = json!({
        "lineage": "successor without link", "answered_ms": 4, "answers": 1, "settled_secs": 9, "outcome": "completed",
    });
    let traits =
        provtaskd::traits::Traits::parse(&traits.to_string(), &file).expect("these are traits");
    let text = serde_json::to_string_pretty(&traits).expect("JSON");
    fs::write(&file, text).expect("written");
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 2);
    drill.done(&["probe"]);
    drill.run_for("1h").await;
    let mode = drill.json(&["status", "--json"])["mode_why"].clone();
    for id in &late {
        drill.act(json!({"task": id, "do": "reject"})).await;
        drill.act(json!({"task": id, "do": "show"})).await;
    }
    // they are older than the first enforce
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let inbox = drill.inbox();
    let healed = drill.count("healed");
    drill.judged_elsewhere();
    assert_eq!(healed, 4, "{mode:#} {inbox:#?}");
}

fn silent(drill: &Drill, line: &[&str], out: &mut Vec<String>) {
    let output = drill.cli(line);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = ["visible to PROVSVC", "shows to PROVSVC"]
        .iter()
        .any(|of| words.contains(of));
    if !says {
        let head: String = said.chars().take(300).collect();
        out.push(format!(
            "{} ({:?}): {head}",
            line.join(" "),
            output.status.code()
        ));
    }
}

/// "A login that sees a third of the tasks: every report says so."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_of_tasks_says_whose_view_it_is() {
    let mut drill = Setup::of(THIRD).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("4h").await;
    let mut out = Vec::new();
    for line in [
        &["survey", "--format", "csv"][..],
        &["survey", "--format", "markdown"],
        &["survey", "--no-names"],
        &["outcomes", "list"],
    ] {
        silent(&drill, line, &mut out);
    }
    drill.judged_elsewhere();
    assert!(out.is_empty(), "{}", out.join("\n---\n"));
}

/// Two logins of one configuration that are the same one: each would act, and each would be the other's stranger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_configured_twice_is_refused() {
    let config = "[[login]]\nlogin = \"provsvc\"\npassword_file = \"second\"\n";
    let drill = Setup::of(ONE).config(config).start().await;
    drill.write_secret("second", "sim-password-1");
    let checked = drill.cli(&["check"]);
    let code = checked.status.code();
    drill.judged_elsewhere();
    assert_ne!(
        code,
        Some(0),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}
