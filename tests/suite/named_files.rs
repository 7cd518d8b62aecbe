//! Files that commands are told to write, whole processes: a report replaces a report of its own sort, and whatever else lies there stays as it was, the configuration least of all touched.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::drill::{Drill, Setup};
use crate::drill_ops::{STEADY, failed};

const SURVEY: &[&str] = &["survey", "--no-resume"];
const DAILY: &[&str] = &["report", "daily"];

async fn running() -> Drill {
    let mut drill = Setup::of(STEADY)
        .file("policies/10-mine.rhai", "fn decide(task, facts) { }\n")
        .file("notes.txt", "Survey of nothing\nnotes of mine\n")
        .file("page.html", "<!DOCTYPE html>\n<title>mine</title>\n")
        .file("data.json", "{\n  \"schema\": \"mine\"\n}\n")
        .file("rows.csv", "target,owner\nAD,me\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
}

fn to(command: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [command, more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_written_over_nothing_but_a_report() {
    let drill = running().await;
    let at = |name: &str| drill.dir.path().join(name);
    symlink(at("notes.txt"), at("link.txt")).expect("a link");
    symlink(at("nothing"), at("dangling.txt")).expect("a link");
    let asked = drill.journal().len();
    for command in [SURVEY, DAILY] {
        for name in [
            "provtaskd.toml",
            "password",
            "policies/10-mine.rhai",
            "notes.txt",
            "page.html",
            "data.json",
            "rows.csv",
            "link.txt",
            "dangling.txt",
            "store/lock",
            "/dev/null",
        ] {
            let before = fs::read(at(name)).ok();
            let format = ["--format", "text", "--out", name];
            let (code, said) = failed(&drill, &[command, &format].concat());
            assert_eq!(code, Some(74), "{name}: {said}");
            assert!(
                said.contains("is left as it is") && said.contains("--out"),
                "{name}: {said}"
            );
            assert_eq!(fs::read(at(name)).ok(), before, "{name}");
        }
    }
    assert!(!at("nothing").exists());
    assert_eq!(
        drill.journal().len(),
        asked,
        "it is told before anything is asked"
    );
    drill.judge_leaving(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_made_again_and_again_replaces_its_own_earlier_one() {
    let drill = running().await;
    let at = |name: &str| drill.dir.path().join(name);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let surveys = ["s.txt", "s.md", "s.html", "s.json", "s.csv"];
    let days = ["d.txt", "d.md", "d.html", "d.json"];
    // a place that somebody has made beforehand holds nothing that could be lost
    fs::write(at("s.txt"), "").expect("made");
    for _ in 0..2 {
        for name in surveys {
            drill.done(&[SURVEY, &["--out", name]].concat());
            assert_eq!(mode(&at(name)), 0o600, "{name}");
        }
        for name in days {
            drill.done(&[DAILY, &["--out", name]].concat());
            assert_eq!(mode(&at(name)), 0o600, "{name}");
        }
    }
    // in another form as well
    drill.done(&to(SURVEY, &["--format", "json", "--out", "s.csv"]));
    // but none of the other sort
    for (command, names) in [(DAILY, &surveys[..]), (SURVEY, &days[..])] {
        for name in names {
            let before = fs::read(at(name)).expect("there");
            let format = ["--format", "text", "--out", name];
            let (code, said) = failed(&drill, &[command, &format].concat());
            assert_eq!(code, Some(74), "{name}: {said}");
            assert_eq!(fs::read(at(name)).expect("there"), before, "{name}");
        }
    }
    drill.judge_leaving(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traits_and_the_simulators_journal_are_written_over_nothing_else() {
    let drill = running().await;
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("read");
    // a slip in the configuration
    let slip = config.replace(
        "[server]\n",
        "[server]\ntraits = \"policies/10-mine.rhai\"\n",
    );
    assert_ne!(slip, config);
    drill.write("slip.toml", &slip);
    let policy = drill.dir.path().join("policies/10-mine.rhai");
    let before = fs::read(&policy).expect("read");
    let (code, said) = failed(&drill, &["-c", "slip.toml", "probe"]);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("is left as it is"), "{said}");
    assert_eq!(fs::read(&policy).expect("read"), before);
    // nor are anchors appended to it
    let slip = format!("{config}\n[audit]\nanchor_file = \"policies/10-mine.rhai\"\n");
    drill.write("slip.toml", &slip);
    let (code, said) = failed(&drill, &["-c", "slip.toml", "check"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("holds no anchors"), "{said}");
    assert_eq!(fs::read(&policy).expect("read"), before);
    // its own it replaces, also one that was cut
    drill.done(&["probe"]);
    let traits = drill.store().join("traits.json");
    let text = fs::read_to_string(&traits).expect("written");
    fs::write(&traits, &text[..200]).expect("cut");
    drill.done(&["probe"]);
    let args = [
        "sim",
        "--bind",
        "127.0.0.1:0",
        "--journal",
        "provtaskd.toml",
    ];
    // one that takes it would run for ever
    let ended = Command::new("timeout")
        .args(["30", env!("CARGO_BIN_EXE_provtaskd")])
        .args(args)
        .current_dir(drill.dir.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(65), "{said}");
    assert!(said.contains("is left as it is"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("read"), config);
    drill.judge_leaving(10).await;
}
