//! Drills of pauses, whole processes: what was confirmed as paused must never be sent, whatever way its name was written.

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
accounts = 6
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// A daemon that has read the list and would send as soon as the backlog is released.
async fn ready() -> Drill {
    let mut drill = Setup::of(GROUPS).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
}

fn pauses(drill: &Drill) -> Vec<Value> {
    let status = drill.json(&["status", "--json"]);
    status["pauses"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_is_paused_and_resumed_however_its_name_is_written() {
    let mut drill = ready().await;
    let said = drill.done(&["pause", "--target", "ad", "--why", "a change"]);
    assert!(said.contains("paused target AD"), "{said}");
    let narrow = ["--target", "Ad", "--action", "retry"];
    let said = drill.done(&[&["pause", "--why", "a change"], &narrow[..]].concat());
    assert!(
        said.contains("retry on target AD") || said.contains("retry on AD"),
        "{said}"
    );
    drill.done(&[
        "approve",
        "baseline:ad",
        "--yes-release",
        "9999",
        "--why",
        "the drill's backlog",
    ]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("effects"), 0, "paused");
    drill.done(&[&["resume"], &narrow[..]].concat());
    drill.done(&["resume", "--target", "aD"]);
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    let listed = drill.json(&["outcomes", "list", "--target", "ad", "--json"]);
    assert_eq!(listed, drill.json(&["outcomes", "list", "--json"]));
    assert_ne!(listed, serde_json::json!([]));
    // an admin knows the definition by its name and not by its key
    assert_eq!(listed[0]["name"], "Add User to Group", "{listed}");
    // what is done does not read as if it were still to do
    let done = listed[0]["task"].as_str().expect("its id");
    let explained = drill.done(&["explain", done]);
    assert!(
        !explained.contains("owner  -") && !explained.contains("for    -"),
        "{explained}"
    );
    let now = "now: completed: that was read after attempt";
    assert!(explained.contains(now), "{explained}");
    let planned = drill.json(&["plan", "--target", "ad", "--json"]);
    let all = drill.json(&["plan", "--json"]);
    assert_eq!(planned["items"], all["items"]);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_what_was_never_seen_is_refused_unless_it_is_meant() {
    let mut drill = ready().await;
    for scope in [
        ["--target", "NOSUCH"],
        ["--task", "999"],
        ["--account", "999"],
        ["--definition", "AD/No Such"],
    ] {
        let args = [&["pause", "--why", "x"], &scope[..]].concat();
        let (code, said) = failed(&drill, &args);
        assert_eq!(code, Some(65), "{said}");
        assert!(
            said.contains("ever seen") && said.contains("--unseen"),
            "{said}"
        );
        let said = drill.done(&[&args[..], &["--unseen"]].concat());
        assert!(said.contains("matches nothing now"), "{said}");
        drill.done(&[&["resume"], &scope[..]].concat());
    }
    let (_, said) = failed(&drill, &["pause", "--why", "x", "--target", "AS"]);
    assert!(said.contains("did you mean `AD`?"), "{said}");
    let (_, said) = failed(&drill, &["approve", "baseline:NOSUCH", "--why", "x"]);
    assert!(said.contains("seen are: AD"), "{said}");
    for ask in [["outcomes", "list"].as_slice(), &["plan"]] {
        let (code, said) = failed(&drill, &[ask, &["--target", "NOSUCH"]].concat());
        assert_eq!(code, Some(65), "{said}");
        assert!(said.contains("seen are: AD"), "{said}");
    }
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    // what is known is paused without a further word
    let task = drill.inbox()[0]["tasks"][0]
        .as_str()
        .expect("an id")
        .to_owned();
    let explained = drill.done(&["explain", &task]);
    let account = explained
        .lines()
        .find_map(|line| line.trim().strip_prefix("account: "))
        .expect("its account")
        .to_owned();
    drill.done(&["pause", "--why", "x", "--account", &account]);
    drill.done(&["pause", "--why", "x", "--task", &task]);
    drill.done(&["resume", "--account", &account]);
    drill.done(&["resume", "--task", &task]);
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill.judge().await;
}

/// A name that stands in the configuration alone may be a slip there as well: it passes for none that was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_only_the_configuration_names_is_no_target_that_was_seen() {
    let mut drill = Setup::of(GROUPS)
        .config("[mode.targets]\nADD = \"observe\"\nAD = \"enforce\"\n[governor.targets.Later]\nper_minute = 3\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    for (name, key) in [("add", "mode.targets"), ("later", "governor.targets")] {
        let args = ["pause", "--why", "x", "--target", name];
        let (code, said) = failed(&drill, &args);
        assert_eq!(code, Some(65), "{said}");
        for words in [
            "no task of target",
            "was ever seen",
            "would stop nothing",
            key,
            "seen are: AD",
            "--unseen",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert_eq!(pauses(&drill), Vec::<Value>::new());
        // narrower ones as well
        let (code, said) = failed(&drill, &[&args[..], &["--action", "retry"]].concat());
        assert_eq!(code, Some(65), "{said}");
        // whoever knows that it comes says so, and is told that it holds nothing yet
        let said = drill.done(&[&args[..], &["--unseen"]].concat());
        assert!(said.contains("matches nothing now"), "{said}");
        assert_eq!(pauses(&drill).len(), 1);
        drill.done(&["resume", "--target", &name.to_uppercase()]);
    }
    let (_, said) = failed(&drill, &["pause", "--why", "x", "--target", "add"]);
    assert!(said.contains("did you mean `AD`?"), "{said}");
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill.judge().await;
}

/// The first list comes after the pause, and shows the name in another case. No reading is spent on what is paused, and
/// no cap is named for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_a_target_to_come_holds_it_however_its_name_is_written() {
    let mut drill = Setup::of(GROUPS)
        .config("[governor]\ncap_retries = 1\n")
        .start()
        .await;
    drill.release();
    let said = drill.done(&["pause", "--target", "ad", "--why", "x", "--unseen"]);
    assert!(said.contains("matches nothing now"), "{said}");
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(drill.count("effects"), 0, "paused");
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items").iter();
    let first: Vec<&Value> = items.map(|item| &item["refusals"][0]["reason"]).collect();
    assert_eq!(first, ["paused"; 6], "{plan:#}");
    drill.done(&["resume", "--target", "AD"]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

fn pause<'a>(scope: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [&["pause"][..], scope, rest].concat()
}

/// The stricter of two pauses holds, over kill -9 and restart too; only a resume ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_pause_never_shortens_the_first() {
    let mut drill = ready().await;
    for scope in [&["--target", "AD"][..], &[]] {
        drill.done(&pause(scope, &["--why", "Alice: a change"]));
        let said = drill.done(&pause(scope, &["--why", "Bob", "--for", "1m"]));
        assert!(
            said.contains("already paused") && said.contains("Alice: a change"),
            "{said}"
        );
        if drill.inbox().iter().any(|item| item["why"] == "baseline") {
            drill.approve_backlog();
        }
        let (code, said) = failed(&drill, &pause(scope, &["--why", "Bob", "--for", "0s"]));
        assert_eq!(code, Some(65), "{said}");
        assert!(said.contains("--for"), "{said}");
        drill.kill_and_restart().await;
        drill.run_for("1h").await;
        drill.done(&pause(scope, &["--why", "Bob", "--for", "1m"]));
        drill.run_for("1h").await;
        let held = pauses(&drill);
        assert_eq!(held.len(), 1, "{held:#?}");
        assert_eq!(held[0]["why"], "Alice: a change");
        assert_eq!(held[0]["until"], Value::Null);
        assert_eq!(drill.count("effects"), 0, "paused");
        if !scope.is_empty() {
            // everything is paused before the target is resumed, or it would go on
            drill.done(&["pause", "--why", "Alice: a change"]);
            drill.done(&[&["resume"], scope].concat());
        }
    }
    drill.done(&["resume"]);
    drill.run_for("12h").await;
    // a later end is taken
    drill.done(&["pause", "--why", "Carol", "--for", "1h"]);
    let said = drill.done(&["pause", "--why", "Dave", "--for", "3h"]);
    assert!(said.starts_with("paused everything"), "{said}");
    assert_eq!(pauses(&drill)[0]["why"], "Dave");
    drill.run_for("4h").await;
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    assert_eq!(drill.count("healed"), 6);
    // what did not come about is not on record as if it had
    let span = ["--from", "2027-01-01", "--to", "2028-01-01"];
    let rows = drill.done(&[&["audit", "export"][..], &span].concat());
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).expect("JSON"))
        .collect();
    let by = |event: &str, who: &str| {
        let rows = rows.iter().filter(|row| row["event"] == event);
        rows.filter(|row| row.to_string().contains(who)).count()
    };
    assert_eq!(by("pause", "Bob"), 0, "{rows:#?}");
    assert!(by("pause", "Alice") >= 2 && by("pause", "Dave") == 1);
    assert_eq!(by("note", "Bob"), 4, "ordered, and nothing came of it");
    let said = drill.done(&[
        "report",
        "daily",
        "--from",
        "2027-01-01",
        "--to",
        "2028-01-01",
    ]);
    assert!(said.contains("pause on AD: target AD is paused"), "{said}");
    drill.judge().await;
}

/// Each text of an order is short enough, and all of them are not: the order is refused, and the daemon goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_words_fit_into_no_record_is_refused_and_ends_nothing() {
    let mut drill = ready().await;
    let long = "\u{1f512}".repeat(990);
    let args = ["pause", "--target", &long, "--unseen", "--why", &long];
    let (code, said) = failed(&drill, &args);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("fewer words"), "{said}");
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

/// No daemon runs, and the policies can't be used: whoever wants nothing sent must not have to mend them first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_goes_on_record_while_the_policies_are_broken_and_no_daemon_runs() {
    let good = "fn decide(task, facts) { retry() }\n";
    let mut drill = Setup::of(GROUPS)
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-mine.rhai", good)
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let hash = drill.json(&["status", "--json"])["policy_hash"].clone();
    drill.stop();
    drill.write(
        "policies/10-mine.rhai",
        "fn decide(task, facts) { retry( }\n",
    );
    for scope in [&["--target", "AD"][..], &[]] {
        let said = drill.done(&pause(scope, &["--why", "a change"]));
        assert!(said.starts_with("paused "), "{said}");
        assert!(said.contains("10-mine.rhai"), "what is broken: {said}");
    }
    let said = drill.done(&["resume", "--target", "AD"]);
    assert!(said.contains("still paused: everything"), "{said}");
    // nothing else goes on with policies that nobody can read
    let (code, said) = failed(&drill, &["approve", "baseline:AD", "--why", "x"]);
    assert_eq!(code, Some(78), "{said}");
    drill.write("policies/10-mine.rhai", good);
    let held = pauses(&drill);
    assert_eq!((held.len(), &held[0]["why"]), (1, &Value::from("a change")));
    // no other set is on record as in force
    let told = drill.json(&["status", "--json"]);
    assert_eq!(told["policy_hash"], hash);
    assert!(!told["policy_released"].is_null(), "{told:#}");
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    assert_eq!(drill.count("effects"), 0, "paused");
    drill.done(&["resume"]);
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}
