//! Drills of second thoughts: orders, newer readings and age that come while a batch is read once more before its claim; what is no longer wanted must never be claimed after that.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

/// Everything is read once more, in batches as large as may be.
const ALWAYS: &str = "[governor.default]\nbatch_start = 25\n[delivery]\nreread_after = \"0s\"";

/// So few readings a minute that a batch waits for its own for minutes.
fn groups(accounts: u32, reads: u32) -> Setup {
    let scenario = format!(
        r#"
name = "groups"
seed = 18
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = {accounts}
task = [{{ task = "Add User to Group", failure = "network" }}]
"#
    );
    Setup::of(&scenario).server(&format!("reads_per_minute = {reads}"))
}

/// The requests of a class that came since the journal was so long.
fn since(drill: &Drill, from: usize, class: &str) -> Vec<Value> {
    let rows = drill.journal().into_iter().skip(from);
    rows.filter(|row| row["class"] == class).collect()
}

fn puts(drill: &Drill) -> usize {
    since(drill, 0, "put").len()
}

/// Single tasks that were read since the journal was so long.
fn reread(drill: &Drill, from: usize) -> usize {
    let rows = since(drill, from, "read");
    let single = |row: &&Value| {
        row["path"]
            .as_str()
            .is_some_and(|path| path.contains("/provtasks/"))
    };
    rows.iter().filter(single).count()
}

/// A daemon at rest in the middle of reading a batch once more: some of it is read, nothing is claimed.
async fn in_the_middle(setup: Setup) -> Drill {
    let mut drill = setup.start().await;
    drill.release();
    drill.daemon();
    drill.run_for("21m").await;
    let from = drill.journal().len();
    drill.approve_backlog();
    for _ in 0..400 {
        if reread(&drill, from) > 0 {
            break;
        }
        drill.run_for("3s").await;
    }
    assert!(reread(&drill, from) > 0, "nothing is read once more");
    assert_eq!(puts(&drill), 0, "nothing is sent yet");
    drill
}

fn edit(drill: &Drill, from: &str, to: &str) {
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let changed = config.replace(from, to);
    assert_ne!(changed, config);
    fs::write(&path, changed).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_reaches_a_batch_that_is_being_read_once_more() {
    let mut drill = in_the_middle(groups(6, 10).config(ALWAYS)).await;
    let said = drill.done(&["pause", "--why", "a change at the target"]);
    assert!(said.contains("0 requests already claimed"), "{said}");
    drill.run_for("1h").await;
    assert_eq!(puts(&drill), 0, "what was confirmed as paused was sent");
    // what did not come to its claim is on record with why, and not in the log alone
    let export = [
        "audit",
        "export",
        "--from",
        "2027-01-01",
        "--to",
        "2028-01-01",
    ];
    let rows = drill.done(&export);
    let withdrawn = rows.lines().filter(|row| row.contains("withdrawn")).count();
    assert!(withdrawn > 0, "{rows}");
    drill.done(&["resume"]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_reaches_a_batch_that_is_being_read_once_more() {
    let mut drill = in_the_middle(groups(6, 10).config(ALWAYS)).await;
    edit(&drill, "global = \"enforce\"", "global = \"observe\"");
    drill.signal(rustix::process::Signal::HUP);
    let reloaded = |drill: &Drill| drill.log().contains("mode=observe");
    drill.until("the log says that it observes", reloaded).await;
    drill.run_for("1h").await;
    assert_eq!(puts(&drill), 0, "it observes, and sends");
    edit(&drill, "global = \"observe\"", "global = \"enforce\"");
    drill.done(&["reload"]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_readings_before_a_claim() {
    let grace = ALWAYS.to_owned() + "\ngrace = \"2s\"";
    let mut drill = in_the_middle(groups(6, 10).config(&grace)).await;
    drill.stop();
    assert!(
        !drill.log().contains("requests were still in flight"),
        "nothing was claimed, so nothing is in flight"
    );
    drill.daemon();
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6, "it begins anew");
    drill.judge().await;
}

/// Does what a note forbids no more.
const HEEDS_NOTES: &str = r#"
fn decide(task, facts) {
    if task.note == "hold" { return leave("a person said so"); }
    retry()
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_cycle_does_not_want_any_more_is_not_sent() {
    let shipped = |name| {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        fs::read_to_string(dir.join(name)).expect("a shipped table")
    };
    let setup = groups(12, 14)
        .file("policies/10-heeds.rhai", HEEDS_NOTES)
        .file("policies/kinds.toml", shipped("kinds.toml"))
        .file("policies/reasons.toml", shipped("reasons.toml"))
        .config(ALWAYS)
        .config("[policy]\ndir = \"policies\"");
    let mut drill = in_the_middle(setup).await;
    let held = json!({"each": 1, "do": "note", "to": "hold"});
    drill.act(held).await;
    // an order that is done starts a cycle at once; this one is about one task alone
    let one = drill.truth()["tasks"][0]["id"].to_string();
    drill.done(&["pause", "--task", &one, "--why", "a cycle"]);
    drill.run_for("2h").await;
    assert_eq!(puts(&drill), 0, "the policy has said no, and it was sent");
    drill.act(json!({"each": 1, "do": "note", "to": ""})).await;
    drill.done(&["resume", "--task", &one]);
    drill.run_for("24h").await;
    drill.judge().await;
}

/// In real time: the reading hangs for longer than the facts hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_on_facts_older_than_their_age_however_slow_a_reading_is() {
    let mut drill = groups(1, 4)
        .scaled(120.0)
        .config(ALWAYS)
        .config("[guard]\nfact_age = \"4m\"")
        .start()
        .await;
    // its account's process is read first, then the task itself
    drill
        .act(json!({"fault": {"do": "hang", "on": "read", "at": [2], "ms": 3500}}))
        .await;
    drill.release();
    drill.daemon();
    let backlog = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the backlog is in the inbox", backlog).await;
    drill.approve_backlog();
    let healed = |drill: &Drill| drill.count("healed") == 1;
    drill.until("it has healed", healed).await;
    assert!(drill.journal().iter().any(|row| row["fault"] == "Hang"));
    let people = times(&drill, "people");
    for put in since(&drill, 0, "put") {
        let last = people.iter().filter(|read| **read <= time_of(&put)).max();
        let age = time_of(&put).duration_since(*last.expect("somebody was read before"));
        // a busy machine may take a while from the claim to the request
        assert!(
            age <= SignedDuration::from_mins(5),
            "sent on a reading {age:#} old: {put}"
        );
    }
    drill.judge().await;
}

/// A task that can't be read keeps itself back, not its neighbours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_cannot_be_read_does_not_hold_back_its_batch() {
    let mut drill = in_the_middle(groups(6, 10).config(ALWAYS)).await;
    let broken = json!({"fault": {"do": "html500", "on": "read", "probability": 1.0, "limit": 1}});
    drill.act(broken).await;
    for _ in 0..120 {
        if puts(&drill) > 0 {
            break;
        }
        drill.run_for("10s").await;
    }
    let evidence = drill.safe_so_far().await;
    assert_eq!(evidence.sent("retry").count(), 5, "all but the broken one");
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

/// When each request of a class came, by the world's clock.
fn times(drill: &Drill, class: &str) -> Vec<Timestamp> {
    since(drill, 0, class).iter().map(time_of).collect()
}

fn time_of(row: &Value) -> Timestamp {
    let text = row["at"].as_str().expect("a time");
    text.parse().expect("a timestamp")
}

/// How old the accounts' last reading was at the last write; people are read once more right before it.
fn age_of_facts(drill: &Drill) -> SignedDuration {
    let of_account = |row: &&Value| {
        row["path"]
            .as_str()
            .is_some_and(|at| at.contains("/provprocesses/"))
    };
    let accounts = since(drill, 0, "read");
    let accounts: Vec<Timestamp> = accounts.iter().filter(of_account).map(time_of).collect();
    let Some(put) = times(drill, "put").pop() else {
        return SignedDuration::ZERO;
    };
    let read = accounts.iter().filter(|read| **read <= put).max();
    put.duration_since(*read.expect("an account was read before"))
}

/// A slow target: most of what is queued waits for minutes. A cycle that comes while the facts still
/// hold, but not for long, must not lengthen their life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_the_queue_goes_on_facts_no_older_than_their_age() {
    let slow = "[governor.default]\nbatch_start = 25\nper_minute = 1\n\
                [delivery]\nverify_first = \"30m\"\nsettle_after = \"1h\"\n[guard]\nfact_age = \"10m\"";
    let setup = groups(20, 240).config(slow).every("30m");
    let mut drill = setup.enforcing().await;
    let (mut oldest, mut asked) = (SignedDuration::ZERO, 0);
    for _ in 0..120 {
        drill.run_for("30s").await;
        let age = age_of_facts(&drill);
        oldest = oldest.max(age);
        if age == SignedDuration::from_mins(4) || age == SignedDuration::from_mins(9) {
            // an order that is done starts a cycle at once
            drill.release();
            asked += 1;
        }
    }
    assert!(asked > 2, "the cycles did not come in between");
    assert_eq!(puts(&drill), 20, "the queue goes on");
    assert!(
        oldest > SignedDuration::from_mins(4) && oldest <= SignedDuration::from_mins(10),
        "sent on facts {oldest:#} old"
    );
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 20);
    drill.judge().await;
}

/// The leaver's task goes first, and makes the definition known to the target.
const TWO_AND_A_LEAVER: &str = r#"
name = "two and a leaver"
seed = 19
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 1
prefix = "OFF"
task = [{ task = "Disable User", failure = "network" }]
"#;

/// In real time: of two in a batch one is refused before its claim, and the other's request hangs. The
/// first one's account is free then, and its revoke does not wait for a request that is not its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_does_not_wait_for_the_batch_from_which_its_account_was_refused() {
    let wide = ALWAYS.replace("batch_start", "in_flight = 4\nbatch_start");
    let mut drill = Setup::of(TWO_AND_A_LEAVER)
        .scaled(120.0)
        .config(&wide)
        .start()
        .await;
    let truth = drill.truth();
    let mut tasks = truth["tasks"].as_array().expect("a list").iter();
    let first = tasks
        .find(|task| task["definition"] == "Add User to Group")
        .expect("a grant");
    let (task, process) = (first["id"].to_string(), first["process"].clone());
    let path = format!("/provtasks/{}", task.trim_matches('"'));
    let unreadable = json!({"do": "html500", "on": "read", "path": path, "probability": 1.0});
    drill.act(json!({ "fault": unreadable })).await;
    // twenty-four minutes of domain time
    let hangs = json!({"do": "hang", "on": "put", "at": [2], "ms": 12_000});
    drill.act(json!({ "fault": hangs })).await;
    drill.release();
    drill.daemon();
    let backlog = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the backlog is in the inbox", backlog).await;
    drill.approve_backlog();
    let held = |drill: &Drill| drill.journal().iter().any(|row| row["fault"] == "Hang");
    drill.until("a PUT hangs at the server", held).await;
    let revoke = add_task(&drill.sim, &process, "Disable User").await;
    drill.act(json!({"task": revoke, "do": "reject"})).await;
    // an order that is done starts a cycle at once
    drill.release();
    let sent = |drill: &Drill, id: &str| {
        let mut puts = since(drill, 0, "put").into_iter();
        puts.find(|row| row["body"]["tasks"].to_string().contains(id))
    };
    drill
        .until("the revoke is sent", |drill| sent(drill, &revoke).is_some())
        .await;
    let journal = drill.journal();
    let hung = journal.iter().find(|row| row["fault"] == "Hang");
    let hung = time_of(hung.expect("it hangs"));
    let waited = time_of(&sent(&drill, &revoke).expect("sent")).duration_since(hung);
    assert!(
        waited < SignedDuration::from_mins(20),
        "the revoke waited {waited:#} for another's request"
    );
    drill.act(json!({"clear_faults": true})).await;
    let healed = |drill: &Drill| drill.count("healed") == 3;
    drill
        .until("both revokes and the other grant have healed", healed)
        .await;
    drill.judge().await;
}

/// In real time: people are asked for twenty at a time, and the second question hangs for longer than
/// facts hold. What the first one has answered is as old as that by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_is_as_old_as_its_own_question() {
    let mut drill = groups(30, 600)
        .scaled(120.0)
        .config(ALWAYS)
        .config("[guard]\nfact_age = \"4m\"")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "people", "at": [2], "ms": 3_500}}))
        .await;
    drill.release();
    drill.daemon();
    let backlog = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the backlog is in the inbox", backlog).await;
    drill.approve_backlog();
    let hung = |drill: &Drill| drill.journal().iter().any(|row| row["fault"] == "Hang");
    drill.until("a question hangs", hung).await;
    let cycles = |drill: &Drill| drill.log().matches("cycle done").count();
    let before = cycles(&drill);
    drill
        .until("its cycle has ended", |drill| cycles(drill) > before)
        .await;
    // an order that is done starts the next one at once
    drill.release();
    let healed = |drill: &Drill| drill.count("healed") == 30;
    drill.until("all has healed", healed).await;
    let first = times(&drill, "put")[0];
    let asked = since(&drill, 0, "people");
    let about_the_first = |row: &&Value| {
        let query = row["query"].as_str().unwrap_or_default();
        query.contains("EMP0001%20")
    };
    let read = asked.iter().filter(about_the_first).map(time_of);
    let age = first.duration_since(read.filter(|read| *read <= first).max().expect("asked"));
    // a busy machine may take a while from the claim to the request
    assert!(
        age <= SignedDuration::from_mins(5),
        "sent on an answer {age:#} old"
    );
    drill.judge().await;
}
