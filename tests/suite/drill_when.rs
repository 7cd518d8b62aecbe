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

/// One line a day, at ten; a list of eight pages at two reads a minute takes four minutes.
async fn daily(tables: &str, slow: bool) -> Drill {
    let mut setup = Setup::of(&GROUPS.replace("accounts = 8", "accounts = 24")).config(tables);
    if slow {
        setup = setup.server("page_size = 3\nreads_per_minute = 2");
    }
    let mut drill = setup.start().await;
    change(&drill, "every = \"5m\"", "cron = [\"0 10 * * *\"]");
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    drill.approve_backlog();
    drill
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_lasts_over_the_time_of_a_cron_line_does_not_take_its_place() {
    let mut drill = daily("", true).await;
    drill.run_for("148m").await;
    // it has no time to act: the cycle that it brings only looks, from 09:58 on
    drill.done(&["reload"]);
    drill.run_for("2m").await;
    assert_eq!(drill.count("effects"), 0);
    drill.run_for("90m").await;
    assert!(drill.count("effects") > 0, "the day's run takes place");
    drill.run_for("30d").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_while_the_run_of_a_cron_line_reads_does_not_lose_it() {
    let mut drill = daily("", true).await;
    drill.run_for("151m").await;
    drill.done(&["reload"]);
    assert_eq!(drill.count("effects"), 0);
    drill.run_for("90m").await;
    assert!(drill.count("effects") > 0, "the day's run takes place");
    drill.run_for("30d").await;
    drill.judge().await;
}

/// What an order or a reload takes out of the queue is proposed anew in the same run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_interrupted_while_it_sends_goes_on() {
    let tables = "[governor.default]\nper_minute = 2\nbatch_max = 1";
    for order in [
        &["reload"][..],
        &[
            "pause",
            "--why",
            "another target",
            "--target",
            "SAP",
            "--unseen",
        ],
    ] {
        let mut drill = daily(tables, false).await;
        drill.run_for("151m").await;
        drill.done(order);
        let before = drill.count("effects");
        assert!((1..24).contains(&before), "in the middle of it: {before}");
        drill.run_for("20m").await;
        let after = drill.count("effects");
        assert!(after >= before + 5, "{order:?}: {before}, then {after}");
        drill.run_for("40d").await;
        drill.judge().await;
    }
}

/// Another schedule is another matter: the new lines say when.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_with_other_cron_lines_waits_for_their_time() {
    let mut drill = daily("", true).await;
    drill.run_for("151m").await;
    change(&drill, "0 10 * * *", "0 12 * * *");
    drill.done(&["reload"]);
    drill.run_for("100m").await;
    assert_eq!(drill.count("effects"), 0);
    drill.run_for("30m").await;
    assert!(drill.count("effects") > 0);
    drill.run_for("30d").await;
    drill.judge().await;
}

/// What was sent is looked for until it is told, whatever the cron lines say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_daily_run_has_sent_is_told_the_same_day() {
    for (server, told_by) in [
        // the list shows the successor while it runs
        ("run = \"later\"\nlater = \"20m\"", "2h"),
        // the list shows it late, and single readings nothing before
        (
            "run = \"later\"\nlater = \"1m\"\nsuccessor_delay = \"40m\"",
            "4h",
        ),
    ] {
        let world = GROUPS.replace("name = \"AD\"", &format!("name = \"AD\"\n{server}"));
        let tables = "[governor.default]\nbatch_start = 8";
        let mut drill = Setup::of(&world).config(tables).start().await;
        change(&drill, "every = \"5m\"", "cron = [\"0 10 * * *\"]");
        drill.release();
        drill.daemon();
        drill.run_for("30m").await;
        drill.approve_backlog();
        drill.run_for("155m").await;
        assert!(!puts(&drill).is_empty(), "the run has sent");
        drill.run_for(told_by).await;
        let open = drill.json(&["status", "--json"])["attempts_open"].clone();
        assert_eq!(open, 0, "{server}: nothing waits for tomorrow's line");
        drill.run_for("10d").await;
        drill.judge().await;
    }
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

/// One retry that takes effect twelve minutes after it was sent, and whose answer is lost.
const LATE: &str = r#"
name = "late"
seed = 61
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 1
task = [{ task = "Telephone Updated", failure = "network" }]
[[fault]]
do = "slow_apply"
on = "put"
probability = 1.0
ms = 20
delay = "12m"
limit = 1
"#;

/// What may still be carried out has no end yet: a next try would run beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_word_waits_until_what_was_sent_can_not_run_any_more() {
    let mut drill = Setup::of(LATE)
        .server("write_timeout = \"1s\"")
        .config("[governor]\nbackoff_base = \"1m\"")
        .enforcing()
        .await;
    let task = drill.truth()["tasks"][0]["id"].to_string();
    let task = task.trim_matches('"').to_owned();
    for _ in 0..30 {
        drill.run_for("1m").await;
        if drill.journal().iter().any(|row| row["class"] == "put") {
            break;
        }
    }
    drill.run_for("1m").await;
    for end in ["--failed", "--completed"] {
        let early = drill.cli(&["outcomes", "settle", &task, end, "--why", "looked"]);
        assert!(
            !early.status.success(),
            "{end}: it may still be carried out"
        );
        let said = String::from_utf8_lossy(&early.stderr).into_owned();
        assert!(said.contains("delivery.settle_after"), "{end}: {said}");
    }
    drill.run_for("2h").await;
    assert_eq!(drill.count("effects"), 1);
    drill.judge().await;
}
