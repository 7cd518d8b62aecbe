//! Drills of the pace and of the first contact, whole processes: what is due is done then, orders put nothing off, and a slip in the configuration binds no store.

use std::fs;

use jiff::Timestamp;
use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_limits::greedy;

/// Work that needs two retries, and nothing else that changes.
const WAITING: &str = r#"
name = "waiting"
seed = 23
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 2 }]
"#;

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    let sent = journal.iter().filter(|entry| entry["method"] == "PUT");
    sent.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_do_not_put_off_what_is_due() {
    let mut drill = Setup::of(WAITING).every("1m").enforcing().await;
    // each one reads the list once more, and nothing has changed
    for _ in 0..6 {
        drill.done(&["pause", "--target", "AD", "--why", "a look at it"]);
        drill.done(&["resume", "--target", "AD"]);
    }
    drill.run_for("9m").await;
    assert!(puts(&drill) > 0, "{}", drill.log());
    drill.run_for("24h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_in_hours_is_not_kept_waiting_by_an_idle_pace() {
    let mut drill = Setup::of(WAITING)
        .every("1m\"\nat_most = \"6h")
        .file(
            "policies/10-late.rhai",
            "fn decide(task, facts) { if task.status == \"rejected\" { retry().after(\"3h\") } }",
        )
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
        .enforcing()
        .await;
    drill.run_for("170m").await;
    assert_eq!(puts(&drill), 0);
    let read = drill.journal().len();
    assert!(read < 60, "an idle pace reads seldom: {read} requests");
    drill.run_for("15m").await;
    assert!(puts(&drill) > 0, "{}", drill.log());
    drill.run_for("24h").await;
    drill.judge().await;
}

/// Six accounts of a target that may be sent three items a minute.
async fn three_a_minute() -> Drill {
    greedy(
        r#"
name = "rate"
seed = 29
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 6
task = [{ task = "Telephone Updated", failure = "lock" }]
"#,
    )
    .every("1m")
    .config("[governor.default]\nbatch_start = 3\nper_minute = 3")
    .start()
    .await
}

/// The most items that reached the server within a minute.
fn most_in_a_minute(drill: &Drill) -> usize {
    let sent: Vec<(Timestamp, usize)> = drill
        .journal()
        .iter()
        .filter(|row| row["class"] == "put")
        .map(|row| {
            let at = row["at"].as_str().expect("a time");
            let items = row["body"]["tasks"].as_array().map_or(1, Vec::len);
            (at.parse().expect("a timestamp"), items)
        })
        .collect();
    let from = |at: Timestamp| {
        let within = |then: &Timestamp| *then >= at && then.duration_since(at).as_secs() < 60;
        let inside = sent.iter().filter(|(then, _)| within(then));
        inside.map(|(_, items)| items).sum()
    };
    sent.iter().map(|(at, _)| from(*at)).max().unwrap_or(0)
}

/// The rate was forgotten by a kill: what was claimed right before it went twice in a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_put_hangs_does_not_double_the_rate() {
    let mut drill = three_a_minute().await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_until_or_rest("2m", |drill| puts(drill) > 0).await;
    assert!(puts(&drill) > 0, "{}", drill.log());
    drill.kill_and_restart().await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 6);
    assert_eq!(most_in_a_minute(&drill), 3);
    drill.judge().await;
}

/// The daemon's configuration with another server, and without the simulator's clock.
fn elsewhere(drill: &Drill, origin: Option<&str>) {
    let path = drill.store().with_file_name("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("simulator_clock"));
    let lines = lines.map(|line| match origin {
        Some(origin) if line.starts_with("origin") => format!("origin = \"{origin}\""),
        _ => line.to_owned(),
    });
    let text: Vec<String> = lines.collect();
    fs::write(path, text.join("\n")).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_never_reached_binds_no_store_and_one_that_was_does() {
    let mut drill = Setup::of(WAITING).start().await;
    let right = fs::read_to_string(drill.store().with_file_name("provtaskd.toml")).expect("read");
    elsewhere(&drill, Some("http://127.0.0.1:9"));
    let slip = drill.cli(&["run", "--once"]);
    assert_eq!(slip.status.code(), Some(69), "{slip:?}");
    drill.write("provtaskd.toml", &right);
    elsewhere(&drill, None);
    let reached = drill.cli(&["run", "--once"]);
    assert_eq!(reached.status.code(), Some(0), "{reached:?}");
    elsewhere(&drill, Some("http://127.0.0.1:9"));
    let other = drill.cli(&["run", "--once"]);
    assert_eq!(other.status.code(), Some(73), "{other:?}");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(
        said.contains("error: nothing was sent: the store in "),
        "{said}"
    );
    assert!(said.contains("belongs to"), "{said}");
    drill.write("provtaskd.toml", &right);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    drill.judge().await;
}

/// Work that is handed over, and work that is retried, at one target; a disable goes first, in a small batch of its own.
const BOTH: &str = r#"
name = "rate"
seed = 71
[server]
list_scope = "everybody"
[[user]]
login = "EVE"
[[target]]
name = "DESK"
connector = "ticket"
[[definition]]
key = 900
target = "DESK"
name = "Manual Grant"
manual = true
[[population]]
target = "DESK"
accounts = 40
prefix = "EMP"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Manual Grant" }]
[[population]]
target = "DESK"
accounts = 40
prefix = "FOO"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Create User", kind = "create", failure = "network" }]
done = []
[[population]]
target = "DESK"
accounts = 1
prefix = "BAR"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Disable User", kind = "disable", failure = "network" }]
"#;

/// The rate is the target's, whatever is sent: hand-overs take what the retries leave of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_and_retries_share_the_rate_of_their_target() {
    let policy = "fn decide(task, facts) { if task.status == \"rejected\" { retry() } else if task.owner_type == \"role\" { reassign(\"user:EVE\") } }\n";
    let mut drill = Setup::of(BOTH)
        .file("policies/10-both.rhai", policy)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }\ndir = \"policies\"\n[guard]\nassignee_load = 500")
        .config("[governor]\ncap_share_percent = 100\ncap_reassigns = 1000\ncap_retries = 1000")
        .config("[governor.default]\nbatch_start = 25\nper_minute = 10")
        .enforcing()
        .await;
    drill.run_for("30m").await;
    // by its claims: at a stepped clock a request may arrive a minute later
    let rows = drill.json(&["outcomes", "list", "--limit", "1000", "--json"]);
    let rows = rows.as_array().expect("rows").iter();
    let sent: Vec<(Timestamp, bool)> = rows
        .map(|row| {
            let at = row["claimed"].as_str().expect("a time");
            (at.parse().expect("a time"), row["action"] == "reassign")
        })
        .collect();
    let handed = sent.iter().filter(|(_, handed)| *handed).count();
    let log = drill.log();
    drill.judged_elsewhere();
    assert_eq!(handed, 40, "{log}");
    assert!(sent.len() >= 81, "all are retried as well: {log}");
    let within = |from: Timestamp| {
        let minute = |at: &Timestamp| (0..60).contains(&at.duration_since(from).as_secs());
        sent.iter()
            .filter(|(at, _)| *at >= from && minute(at))
            .count()
    };
    let most = sent.iter().map(|(at, _)| within(*at)).max();
    assert!(
        most.is_some_and(|most| (1..=10).contains(&most)),
        "{most:?} in a minute"
    );
}
