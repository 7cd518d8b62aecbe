//! Drills of what a person is told who looks: that nothing is known where no store is, what a broken policy keeps from nobody, ids as they are printed, and who else acts.

use std::process::{Child, Command, Stdio};

use provtaskd::model::LineageId;
use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const GROUPS: &str = r#"
name = "groups"
seed = 21
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Standard output and standard error of a command that must work.
fn both(drill: &Drill, args: &[&str]) -> (String, String) {
    let output = drill.cli(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args:?}: {out}{err}");
    (out, err)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_store_is_nobody_says_that_nothing_waits() {
    let drill = Setup::of(GROUPS).start().await;
    let none = "there is no store in ";
    let (said, _) = both(&drill, &["inbox"]);
    assert!(
        said.contains(none) && said.contains("provtaskd run"),
        "{said}"
    );
    assert!(!said.contains("nothing waits"), "{said}");
    let (_, noted) = both(&drill, &["inbox", "--json"]);
    assert!(noted.contains(none), "{noted}");
    let (said, _) = both(&drill, &["outcomes", "list"]);
    assert!(
        said.contains(none) && said.contains("provtaskd run"),
        "{said}"
    );
    let (code, said) = failed(&drill, &["outcomes", "list", "--task", "1"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains(none), "{said}");
    drill.judged_elsewhere();
}

/// What is read from the store alone is told whatever the policies are, and a login may be cleared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_holds_is_told_while_the_policies_are_broken_and_no_daemon_runs() {
    let good = "fn decide(task, facts) { retry() }\n";
    let mut drill = Setup::of(GROUPS)
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-mine.rhai", good)
        .enforcing()
        .await;
    drill.run_for("2h").await;
    let hash = drill.json(&["status", "--json"])["policy_hash"].clone();
    let id = drill.json(&["outcomes", "list", "--json"])[0]["task"].clone();
    let id = id.as_str().expect("an id").to_owned();
    drill.stop();
    drill.write(
        "policies/10-mine.rhai",
        "fn decide(task, facts) { retry( }\n",
    );
    let commands: [&[&str]; 7] = [
        &["status"],
        &["inbox"],
        &["inbox", "--rejected"],
        &["baseline", "show"],
        &["outcomes", "list"],
        &["outcomes", "show", &id],
        &["outcomes", "export"],
    ];
    for args in commands {
        let (said, noted) = both(&drill, args);
        assert!(!said.is_empty(), "{args:?}");
        let about: Vec<&str> = noted
            .lines()
            .filter(|line| line.contains("10-mine.rhai"))
            .collect();
        assert_eq!(about.len(), 1, "{args:?}: {noted}");
        assert!(about[0].contains("can't be read"), "{noted}");
        assert!(!noted.contains(" | "), "without a drawing: {noted}");
    }
    let (code, said) = failed(&drill, &["login", "clear"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("is not stopped"), "{said}");
    // an order that sends nothing more, on one line and without what nobody has claimed
    let (said, _) = both(&drill, &["pause", "--why", "a change"]);
    assert!(
        said.contains("10-mine.rhai") && said.lines().count() == 1,
        "{said}"
    );
    assert!(!said.contains('|') && !said.contains("claimed"), "{said}");
    drill.done(&["resume"]);
    // nothing of it is on record as in force
    drill.write("policies/10-mine.rhai", good);
    assert_eq!(drill.json(&["status", "--json"])["policy_hash"], hash);
    drill.daemon();
    drill.run_for("2h").await;
    assert_eq!(drill.count("healed"), 4);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_taken_as_they_are_printed_and_one_that_nobody_knows_is_an_error() {
    let mut drill = Setup::of(GROUPS).enforcing().await;
    drill.run_for("2h").await;
    let rows = drill.json(&["outcomes", "list", "--json"]);
    let row = &rows[0];
    let lineage: LineageId = serde_json::from_value(row["lineage"].clone()).expect("an id");
    let printed = format!("{lineage}.{}", row["ordinal"]);
    assert!(drill.done(&["outcomes", "list"]).contains(&printed));
    let task = row["task"].as_str().expect("an id");
    let of = |id: &str| drill.done(&["outcomes", "show", id]);
    assert_eq!(of(&printed), of(task));
    assert_eq!(of(&printed), of(&lineage.to_string()));
    for name in [&printed, &lineage.to_string()] {
        let (said, noted) = both(&drill, &["outcomes", "list", "--task", name]);
        assert!(said.contains(&printed), "{said}");
        // it was sent under one id alone
        assert_eq!(
            said.lines().count(),
            4,
            "its head, and whose view it is: {said}"
        );
        assert!(!noted.contains("other ids"), "{noted}");
    }
    for args in [
        ["outcomes", "list", "--task", "999999"],
        ["outcomes", "export", "--task", "L999999"],
        ["outcomes", "list", "--task", "L1.x"],
    ] {
        let (code, said) = failed(&drill, &args);
        assert_eq!(code, Some(65), "{said}");
        assert!(said.contains("is not a task or lineage"), "{said}");
    }
    // of a name that nobody knows only the beginning is repeated
    let long = "9".repeat(900);
    for args in [
        &["explain", &long][..],
        &["outcomes", "show", &long],
        &["outcomes", "list", "--task", &long],
        &["outcomes", "reset", &long, "--why", "x"],
    ] {
        let (_, said) = failed(&drill, args);
        assert!(said.contains("9999999999"), "{said}");
        assert!(said.len() < 500, "{said}");
    }
    drill.judge().await;
}

/// Definitions without a kind alone: a release lets nothing of them go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_day_says_that_what_has_no_kind_waits_for_a_name() {
    let world = r#"
name = "nameless"
seed = 3
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 5
task = [{ task = "Manual Grant", status = "R", failure = "network" }]
"#;
    let mut drill = Setup::of(world).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    let log = drill.log();
    let first: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("for the first time"))
        .collect();
    assert_eq!(first.len(), 1, "{log}");
    assert!(first[0].contains("policy.kinds"), "{}", first[0]);
    assert!(first[0].contains("released or not"), "{}", first[0]);
    drill.judged_elsewhere();
}

/// Another instance is no other server: nothing has to be approved, one of the two has to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_instance_is_told_as_one_and_not_as_another_server() {
    let mut drill = Setup::of(GROUPS).scaled(600.0).start().await;
    drill.release();
    drill.daemon();
    let up = |drill: &Drill| drill.store().join("control.sock").exists();
    drill.until("the first one runs", up).await;
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    // in observe nothing else holds its decisions first
    let observing = config.replace("global = \"enforce\"", "global = \"observe\"");
    drill.write("second.toml", &observing);
    let own = [
        "--config",
        "second.toml",
        "--store",
        "second",
        "--socket",
        "second.sock",
    ];
    let second = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(own)
        .arg("run")
        .current_dir(drill.dir.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Ended)
        .expect("the binary starts");
    let ask = [&own[..], &["inbox", "--json"]].concat();
    let items = |drill: &Drill| -> Vec<Value> {
        let shown: Value = serde_json::from_slice(&drill.cli(&ask).stdout).unwrap_or_default();
        let all = shown.as_array().cloned().unwrap_or_default();
        let of = all
            .into_iter()
            .filter(|item| item["why"] == "world_mismatch");
        of.collect()
    };
    drill
        .until("the second one tells of it", |drill| {
            !items(drill).is_empty()
        })
        .await;
    for item in items(&drill) {
        let text = item["text"].as_str().expect("words");
        assert!(text.contains("another provtaskd (process"), "{text}");
        assert!(text.contains("End it"), "{text}");
        assert!(!text.contains("another server"), "{text}");
    }
    drop(second);
    drill.judged_elsewhere();
}
