//! A drill of a store that was copied with all that lies beside it, whole processes: the copy starts in observe and says why, and what was only moved or made smaller goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_restored::{copy, puts};

/// A server that runs a retry whenever it is told to: what is sent twice takes effect twice.
const WORK: &str = r#"
name = "copied"
seed = 63
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 3 }]
"#;

/// What a status without a daemon says of the store at a place.
fn held(drill: &Drill, store: &str) -> Value {
    let out = drill.cli(&["--store", store, "status", "--json"]);
    let status: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    status["store_rewound"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_beside_its_anchors_starts_in_observe_and_a_moved_store_goes_on() {
    let mut drill = Setup::of(WORK)
        .config("[governor.default]\nper_minute = 1")
        .enforcing()
        .await;
    while puts(&drill) < 1 {
        drill.run_for("1m").await;
    }
    let at = |name: &str| drill.dir.path().join(name);
    let (store, anchors) = (at("store"), at("store-anchors"));
    let (moved, copied, copied_anchors) = (at("moved"), at("copied"), at("copied-anchors"));
    drill.stop();
    // moved within its file system, there and back, and made smaller
    fs::rename(&store, &moved).expect("moved");
    assert_eq!(held(&drill, "moved"), Value::Null);
    fs::rename(&moved, &store).expect("moved");
    drill.done(&["store", "compact"]);
    assert_eq!(held(&drill, "store"), Value::Null);
    let before = puts(&drill);
    drill.daemon();
    while puts(&drill) == before {
        drill.run_for("1m").await;
    }
    let earlier = drill.evidence().await.claims;
    drill.stop();
    copy(&store, &copied);
    copy(&anchors, &copied_anchors);
    // what makes a copy smaller makes no store of its own of it
    drill.done(&["--store", "copied", "store", "compact"]);
    let rewound = held(&drill, "copied");
    let why = rewound["restored"].as_str().unwrap_or_default();
    assert!(why.contains("another directory"), "{rewound}");
    assert_eq!(
        held(&drill, "store"),
        Value::Null,
        "the store itself is none"
    );
    for dir in [&store, &anchors] {
        fs::remove_dir_all(dir).expect("removed");
    }
    fs::rename(&copied, &store).expect("in its place");
    fs::rename(&copied_anchors, &anchors).expect("in its place");
    let before = puts(&drill);
    drill.daemon();
    drill.run_for("3h").await;
    assert_eq!(puts(&drill), before, "nothing is sent: {}", drill.log());
    let status = drill.cli(&["status", "--json"]).stdout;
    let status: Value = serde_json::from_slice(&status).expect("JSON");
    assert_eq!(status["effective_mode"], json!("observe"));
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["id"] == "rewound");
    let text = item.and_then(|item| item["text"].as_str());
    let text = text.unwrap_or_default();
    assert!(text.contains("is a copy: it was last opened in"), "{text}");
    assert!(drill.log().contains("the store is a copy: nothing is sent"));
    drill.done(&["approve", "rewound", "--why", "the other one is gone"]);
    drill.run_for("60h").await;
    assert_eq!(drill.count("healed"), 8);
    // once settled it is at home there
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["store_rewound"], Value::Null);
    drill.judge_with(earlier).await;
}

/// The files of a backup, put over those that are there: they keep their inodes.
fn over(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => over(&entry.path(), &to),
            _ => {
                let bytes = fs::read(entry.path()).expect("read");
                fs::write(&to, bytes).expect("written over");
            }
        }
    }
}

/// A backup of the store and its anchors that is written over both. Where a unit has a runtime directory what was anchored
/// there tells that the store was further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_that_is_written_over_in_place_is_told_by_the_runtime_directory() {
    // also where no anchors can be noted beside the store
    for beside in [true, false] {
        written_over_in_place(beside).await;
    }
}

async fn written_over_in_place(beside: bool) {
    let mut drill = Setup::of(WORK)
        .config("[governor.default]\nper_minute = 1")
        .start()
        .await;
    drill.release();
    let at = |name: &str| drill.dir.path().join(name);
    let (store, anchors, runtime) = (at("store"), at("store-anchors"), at("runtime"));
    let (backup, backup_anchors) = (at("backup"), at("backup-anchors"));
    fs::create_dir(&runtime).expect("made");
    if !beside {
        fs::write(&anchors, "not a directory").expect("written");
    }
    let variable = format!("RUNTIME_DIRECTORY={}", runtime.display());
    let unit = || {
        let mut run = Command::new("/usr/bin/env");
        run.args([&variable, env!("CARGO_BIN_EXE_provtaskd"), "run"]);
        run
    };
    drill.daemon_by(unit());
    drill.run_for("1m").await;
    drill.approve_backlog();
    while puts(&drill) < 1 {
        drill.run_for("1m").await;
    }
    drill.stop();
    copy(&store, &backup);
    if beside {
        copy(&anchors, &backup_anchors);
    }
    let before = puts(&drill);
    drill.daemon_by(unit());
    while puts(&drill) < before + 2 {
        drill.run_for("1m").await;
    }
    let earlier = drill.evidence().await.claims;
    drill.kill9().await;
    over(&backup, &store);
    if beside {
        over(&backup_anchors, &anchors);
    }
    let before = puts(&drill);
    drill.daemon_by(unit());
    drill.run_for("3h").await;
    assert_eq!(puts(&drill), before, "nothing is sent: {}", drill.log());
    let inbox = drill.inbox();
    assert!(
        inbox.iter().any(|item| item["id"] == "rewound"),
        "{inbox:#?}"
    );
    drill.done(&["approve", "rewound", "--why", "the backup is what we have"]);
    drill.run_for("60h").await;
    assert_eq!(drill.count("healed"), 8);
    // once approved the next start asks no more
    drill.stop();
    drill.daemon_by(unit());
    drill.run_for("1h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["store_rewound"], Value::Null);
    drill.judge_with(earlier).await;
}

/// A runtime directory that takes no anchors, or holds what nobody can read, is no reason to stop, and is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_directory_that_is_of_no_use_is_told() {
    let mut drill = Setup::of(WORK).start().await;
    drill.release();
    let at = |name: &str| drill.dir.path().join(name);
    let (file, garbled) = (at("a-file"), at("garbled"));
    fs::write(&file, "no directory").expect("written");
    fs::create_dir(&garbled).expect("made");
    fs::write(garbled.join("anchors.jsonl"), "not an anchor\n").expect("written");
    let unit = |runtime: &Path| {
        let mut run = Command::new("/usr/bin/env");
        let variable = format!("RUNTIME_DIRECTORY={}", runtime.display());
        run.args([&variable, env!("CARGO_BIN_EXE_provtaskd"), "run"]);
        run
    };
    drill.daemon_by(unit(&file));
    drill.run_for("2m").await;
    let log = drill.log();
    let said = "no anchors are noted in the runtime directory";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    drill.stop();
    drill.daemon_by(unit(&garbled));
    drill.run_for("2m").await;
    let log = drill.log();
    assert_eq!(log.matches(said).count(), 2, "{log}");
    let told = log.lines().rfind(|line| line.contains(said));
    assert!(told.is_some_and(|line| line.contains("garbled")), "{log}");
    drill.judged_elsewhere();
}
