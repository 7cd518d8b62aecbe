//! `probe --retry-one` through the real binary: one real retry by a daemon in observe mode, only with consent, never where the guards hold or the policies say otherwise, and the simulator's journal counts what was sent.

use std::fs;
use std::process::{Child, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::survey_house::{House, PATIENCE, text};

/// One of each: a task that heals by a retry, a stale grant, and two that wait, of accounts that show that nothing is archived.
const WORLD: &str = r#"
name = "one"
seed = 5
start = "2027-03-01T07:00:00Z"
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
[[user]]
login = "GOOD"
[[user]]
login = "HAND"
[[user]]
login = "MORE"
[[user]]
login = "GONE"
status = "Disabled"
[[target]]
name = "AD"
connector = "ldap"
"#;

const TASKS: &str = r#"
[[task]]
target = "AD"
user = "GOOD"
task = "Create User"
failure = "network"
created = "-2h"
[[task]]
target = "AD"
user = "GONE"
task = "Create User"
failure = "network"
created = "-2h"
[[task]]
target = "AD"
user = "HAND"
task = "Order Hardware"
created = "-2h"
[[task]]
target = "AD"
user = "MORE"
task = "Order Hardware"
created = "-2h"
"#;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn daemon(house: &House) -> Daemon {
    let log = fs::File::create(house.dir.path().join("log")).expect("made");
    let child = house
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("started");
    let daemon = Daemon(child);
    let began = Instant::now();
    let socket = house.dir.path().join("store/control.sock");
    loop {
        // a command that comes first holds the store, and the daemon does not wait for it
        let up = socket.exists();
        let status = if up {
            house.cli(&["status", "--json"]).stdout
        } else {
            std::thread::yield_now();
            Vec::new()
        };
        let status: Value = serde_json::from_slice(&status).unwrap_or_default();
        if status["last_cycle"].is_string() || status["visible"].as_u64() > Some(0) {
            return daemon;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "no cycle was finished: {status}"
        );
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn id_of(house: &House, user: &str, name: &str) -> String {
    let tasks = house.open(|task| text(&task["beneficiary"]) == user);
    let found = tasks.iter().find(|task| {
        let shown = task["name"].as_str().or_else(|| task["task"].as_str());
        let shown = shown.or_else(|| task["definition"].as_str());
        shown == Some(name)
    });
    text(&found.unwrap_or_else(|| panic!("{name} of {user}: {tasks:#?}"))["id"])
}

fn puts(house: &House) -> Vec<Value> {
    let all = house.requests(0).into_iter();
    all.filter(|request| request["method"] == "PUT").collect()
}

async fn house(target: &str) -> House {
    // the world's time runs while the machine is slow
    let tables = "[guard]\nage_limit = \"300d\"\n[schedule]\nevery = \"1h\"\n";
    House::with(&format!("{WORLD}{target}{TASKS}"), "", tables).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_retry_with_consent_shows_how_lineages_continue_here() {
    let slow = "link_successor = true\ncall_ms = 2500\n";
    let later = "same_id = true\nrun = \"later\"\nlater = \"10m\"\n";
    for (target, lineage, connector) in [
        ("", "successor without link", "not told"),
        (slow, "successor with link", "inside the call"),
        (later, "same id", "after the answer"),
    ] {
        let house = house(target).await;
        house.done(&["probe"]);
        let daemon = daemon(&house);
        let id = id_of(&house, "GOOD", "Create User");
        // without consent nothing is sent
        for args in [
            vec!["probe", "--retry-one", &id],
            vec!["probe", "--retry-one", &id, "--yes-retry", "1"],
        ] {
            let output = house.cli(&args);
            assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        }
        assert_eq!(puts(&house).len(), 0);
        let output = house.cli(&["probe", "--retry-one", &id, "--yes-retry", &id]);
        let shown = said(&output);
        let log = fs::read_to_string(house.dir.path().join("log")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(0), "{shown}\n{log}");
        assert_eq!(puts(&house).len(), 1, "{shown}");
        let effects = house.sim.journal(0).into_iter();
        assert_eq!(effects.filter(|entry| entry["type"] == "effect").count(), 1);
        // what it says is what the world says
        let truth = house.sim.truth();
        let tasks = truth["tasks"].as_array().expect("tasks");
        let old = tasks
            .iter()
            .find(|task| text(&task["id"]) == id)
            .expect("old");
        let new = tasks
            .iter()
            .find(|task| task["root"] == old["root"] && task["id"] != old["id"])
            .map_or_else(|| "none".to_owned(), |task| text(&task["id"]));
        assert_eq!(new == "none", lineage == "same id");
        assert!(shown.contains(&format!("old id     {id}")), "{shown}");
        assert!(shown.contains(&format!("new id     {new}\n")), "{shown}");
        assert!(shown.contains("state      completed"), "{shown}");
        assert!(shown.contains(&format!("lineage    {lineage}")), "{shown}");
        let kept = fs::read_to_string(house.dir.path().join("store/traits.json")).expect("kept");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        assert_eq!(kept["retry"]["lineage"], lineage);
        // and how long the answer took, and what ran in it
        assert!(
            shown.contains(&format!("connector  {connector}\n")),
            "{shown}"
        );
        let ms = kept["retry"]["answered_ms"].as_u64().expect("a time");
        assert_eq!(connector == "inside the call", ms >= 2_500, "{kept:#}");
        // a later probe keeps it, and says what it means
        let probed = house.done(&["probe"]);
        // by time alone it would be 80 of the slow ones and 200,000 of those that were answered in a millisecond
        assert!(
            probed.contains("largest safe batch: at most 25"),
            "{probed}"
        );
        let one_line = probed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains("rests on one answer"), "{probed}");
        assert!(
            !probed.contains("how lineages continue after a retry"),
            "{probed}"
        );
        let asks = probed.contains("whether a retry runs its connector inside the call");
        assert_eq!(asks, connector == "not told", "{probed}");
        let kept = fs::read_to_string(house.dir.path().join("store/traits.json")).expect("kept");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        assert_eq!(kept["retry"]["lineage"], lineage);
        // consent was for one: the same again is refused, and nothing more was sent
        let output = house.cli(&["probe", "--retry-one", &id, "--yes-retry", &id]);
        assert_ne!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(puts(&house).len(), 1);
        let report = house.done(&["report", "daily", "--from", "2027-02-01"]);
        assert!(
            report.contains(&format!(" approval on task {id}, ")),
            "{report}"
        );
        drop(daemon);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_guards_or_policies_hold_is_not_sent_in_spite_of_consent() {
    let house = house("").await;
    house.done(&["probe"]);
    let id = id_of(&house, "GOOD", "Create User");
    let output = house.cli(&["probe", "--retry-one", &id, "--yes-retry", &id]);
    assert_eq!(
        output.status.code(),
        Some(69),
        "no daemon runs: {}",
        said(&output)
    );
    let daemon = daemon(&house);
    let stale = id_of(&house, "GONE", "Create User");
    let output = house.cli(&["probe", "--retry-one", &stale, "--yes-retry", &stale]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert!(
        said(&output).contains("beneficiary_not_active"),
        "{}",
        said(&output)
    );
    let manual = id_of(&house, "HAND", "Order Hardware");
    let output = house.cli(&["probe", "--retry-one", &manual, "--yes-retry", &manual]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    let output = house.cli(&["probe", "--retry-one", "999", "--yes-retry", "999"]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    // a pause holds as well
    house.done(&["pause", "--why", "a change"]);
    let output = house.cli(&["probe", "--retry-one", &id, "--yes-retry", &id]);
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
    assert_eq!(puts(&house).len(), 0);
    drop(daemon);
}

/// Ctrl-C while it waits says what was sent, and what to do; the retry goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waiting_for_the_one_retry_is_told_whether_it_was_sent() {
    use std::io::BufRead as _;
    let house = house("same_id = true\nrun = \"later\"\nlater = \"400d\"\n").await;
    house.done(&["probe"]);
    let daemon = daemon(&house);
    let id = id_of(&house, "GOOD", "Create User");
    let mut waiting = house
        .command(&["probe", "--retry-one", &id, "--yes-retry", &id])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let stdout = waiting.stdout.take().expect("piped");
    let mut lines = std::io::BufReader::new(stdout).lines();
    let queued = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("queued: ")));
    assert!(queued.is_some(), "it was not ordered");
    let began = Instant::now();
    while puts(&house).is_empty() {
        assert!(began.elapsed() < PATIENCE, "it was not sent");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    let output = waiting.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    for words in [
        "stopped waiting",
        &format!("the retry of task {id} was claimed at"),
        "not sent again",
        &format!("provtaskd outcomes show {id}"),
        "another `probe --retry-one`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(puts(&house).len(), 1);
    drop(daemon);
}

/// A retry whose end does not come in time has taught nothing of how work goes on, and says so, also by its exit code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_taught_nothing_says_so() {
    let house = house("same_id = true\nrun = \"later\"\nlater = \"400d\"\n").await;
    house.done(&["probe"]);
    let daemon = daemon(&house);
    let id = id_of(&house, "GOOD", "Create User");
    let output = house.cli(&[
        "probe",
        "--retry-one",
        &id,
        "--yes-retry",
        &id,
        "--wait",
        "2s",
    ]);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for words in [
        "lineage    not told",
        "has not taught how work goes on here",
        "--wait",
        &format!("provtaskd outcomes show {id}"),
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(puts(&house).len(), 1);
    drop(daemon);
}

/// A retry that takes longer than is waited for an answer: that is said at once and with the traits, with its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_outlasts_the_time_for_an_answer_is_said() {
    let world = format!("{WORLD}link_successor = true\ncall_ms = 20000\n{TASKS}");
    let tables = "[guard]\nage_limit = \"300d\"\n[schedule]\nevery = \"1h\"\n";
    let house = House::with(&world, "write_timeout = \"2s\"\n", tables).await;
    house.done(&["probe"]);
    let daemon = daemon(&house);
    let id = id_of(&house, "GOOD", "Create User");
    let args = ["probe", "--retry-one", &id, "--yes-retry", &id];
    let output = house.cli(&args);
    let shown = said(&output);
    // it is waited for until what became of it is read, in this world's time
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for words in [
        "lineage    successor with link",
        "answer     none that tells anything within",
        "! no answer that tells anything came within",
        "server.write_timeout is 2s",
        "delivery.settle_after",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let probed = house.done(&["probe"]);
    assert!(
        probed.contains("! answer: none that tells anything came within"),
        "{probed}"
    );
    assert!(!probed.contains("largest safe batch: "), "{probed}");
    drop(daemon);
}
