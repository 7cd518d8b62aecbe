//! Drills of what was put back: an older copy of the store's directory, and the server's data of before our retries; nothing runs twice, and a person is told.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::drill::{Drill, Setup};

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => copy(&entry.path(), &to),
            kind if kind.is_file() => {
                fs::copy(entry.path(), &to).expect("copied");
            }
            _ => {}
        }
    }
    let mode = fs::metadata(from).expect("there").permissions();
    fs::set_permissions(to, mode).expect("set");
}

pub fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

/// The tasks of all requests, in their order.
fn items(drill: &Drill) -> Vec<String> {
    let journal = drill.journal();
    let puts = journal.iter().filter(|row| row["class"] == "put");
    puts.flat_map(|row| row["items"].as_array().expect("items"))
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// A retry is carried out ten minutes after it was sent, and its answer is lost.
const SLOW: &str = r#"
name = "older-store"
seed = 61
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Telephone Updated", failure = "network" }]
[[fault]]
do = "slow_apply"
on = "put"
probability = 1.0
delay = "10m"
"#;

/// The whole store directory of before a send is put back by hand (a snapshot of the disk), in the configuration as it
/// ships: the daemon starts in observe and says why, and nothing runs twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_directory_that_is_put_back_starts_in_observe() {
    let mut drill = Setup::of(SLOW).every("1m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("30s").await;
    drill.approve_backlog();
    drill.stop();
    let kept = drill.dir.path().join("kept");
    copy(&drill.store(), &kept);
    assert_eq!(puts(&drill), 0);
    drill.daemon();
    drill
        .run_until("10m", "something is sent", |drill| puts(drill) > 0)
        .await;
    drill.kill9().await;
    let before = puts(&drill);
    fs::remove_dir_all(drill.store()).expect("removed");
    copy(&kept, &drill.store());
    drill.daemon();
    drill.run_for("8m").await;
    // it ends with 1 while something is wrong
    let status = drill.cli(&["status", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    let inbox = drill.inbox();
    let again = puts(&drill) - before;
    drill.run_for("24h").await;
    let twice = drill.count("effected_twice");
    let runs = drill.count("runs_twice");
    drill.judged_elsewhere();
    assert_eq!(
        (again, twice, runs, status["effective_mode"].clone()),
        (0, 0, 0, json!("observe")),
        "{inbox:#?}"
    );
}

pub fn restored(accounts: u32) -> String {
    format!(
        "name = \"restored-done\"\nseed = 47\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = {accounts}\ntask = [{{ task = \"Telephone Updated\", failure = \"network\" }}]\n"
    )
}

/// OIG's data are put back to before our retries, which have healed everything on the target: the old ids are rejected
/// again. Answers what was sent afterwards, and whether anything says why.
async fn put_back(accounts: u32, restart: bool) -> (usize, bool, u64) {
    let mut drill = Setup::of(&restored(accounts)).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), u64::from(accounts));
    if restart {
        drill.stop();
    }
    drill.act(json!({"restore": true})).await;
    let before = puts(&drill);
    if restart {
        drill.daemon();
    }
    drill.run_for("24h").await;
    // the tasks are in the list and rejected: somebody has to be told, by whatever word
    let said = !drill.inbox().is_empty();
    let sent = puts(&drill) - before;
    let twice = drill.count("effected_twice");
    drill.judged_elsewhere();
    (sent, said, twice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_of_many() {
    let (sent, said, twice) = put_back(8, false).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_beside_a_restart() {
    let (sent, said, twice) = put_back(8, true).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_of_few() {
    let (sent, said, twice) = put_back(3, false).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

/// A few are open again under their old ids: each waits for a person, and after his word is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_again_without_its_successor_is_tried_after_a_persons_word() {
    let mut drill = Setup::of(&restored(3)).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 3);
    drill.act(json!({"restore": true})).await;
    // a node that lags behind would show the same for a quarter of an hour
    drill.run_for("2h").await;
    let before = items(&drill).len();
    let inbox = drill.inbox();
    assert!(inbox.iter().all(|item| item["id"] != "world"), "{inbox:#?}");
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let mut open: Vec<String> = tasks
        .iter()
        .filter(|task| task["status"] == "R")
        .map(|task| task["id"].to_string().trim_matches('"').to_owned())
        .collect();
    assert_eq!(open.len(), 3);
    for id in &open {
        let asks = |item: &&serde_json::Value| {
            item["tasks"].as_array().is_some_and(|of| {
                of.iter()
                    .any(|task| task.to_string().trim_matches('"') == id)
            })
        };
        let item = inbox.iter().find(asks);
        assert_eq!(
            item.map(|item| &item["why"]),
            Some(&json!("ambiguous")),
            "{inbox:#?}"
        );
        drill.done(&["outcomes", "reset", id, "--why", "OIG was put back"]);
    }
    drill.run_for("4h").await;
    let mut sent = items(&drill).split_off(before);
    sent.sort();
    let inbox = drill.inbox();
    let truth = drill.truth();
    let rejected = truth["tasks"].as_array().expect("tasks").iter();
    let rejected = rejected.filter(|task| task["status"] == "R").count();
    drill.judged_elsewhere();
    // each once, in however many requests
    open.sort();
    assert_eq!(sent, open, "{inbox:#?}");
    assert_eq!(rejected, 0, "{inbox:#?}");
}

/// Revokes of people who are gone were retried in vain; OIG's data are put back to before that, and the target works
/// again. The old ids are in the list, rejected: they are retried, or somebody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revokes_that_were_tried_in_vain_are_not_forgotten_after_a_restore() {
    let world = r#"
name = "restored-revokes"
seed = 47
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 6
prefix = "GONE"
status = "Disabled"
task = [{ task = "Remove User from Group", failure = "network" }]
"#;
    let mut drill = Setup::of(world).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    assert!(puts(&drill) > 0);
    drill.act(json!({"restore": true})).await;
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.run_for("72h").await;
    let open = drill.count("healable_open");
    let told: u64 = drill
        .inbox()
        .iter()
        .map(|item| item["count"].as_u64().unwrap_or(1))
        .sum();
    let status = drill.json(&["status", "--json"]);
    drill.judged_elsewhere();
    assert!(
        open == 0 || told >= open,
        "{open} revokes are open and in the list, {told} are told of: {:#}",
        status["refusals"]
    );
}
