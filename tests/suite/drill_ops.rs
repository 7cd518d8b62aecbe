//! Drills of operation, whole processes: policies reloaded, passwords wrong, servers gone, a second daemon; each says clearly what is wrong and goes on by itself.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Work that heals at once, in small portions over the hours.
pub const STEADY: &str = r#"
name = "steady"
seed = 15
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 10
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 2 }]
"#;

/// The shipped policies, as files.
fn shipped(mut setup: Setup) -> Setup {
    for (name, text) in [
        (
            "policies/10-manual.rhai",
            include_str!("../../policies/10-manual.rhai"),
        ),
        (
            "policies/20-absence.rhai",
            include_str!("../../policies/20-absence.rhai"),
        ),
        (
            "policies/30-retry.rhai",
            include_str!("../../policies/30-retry.rhai"),
        ),
        (
            "policies/40-escalate.rhai",
            include_str!("../../policies/40-escalate.rhai"),
        ),
        (
            "policies/90-leave.rhai",
            include_str!("../../policies/90-leave.rhai"),
        ),
        (
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        ),
        (
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        ),
    ] {
        setup = setup.file(name, text);
    }
    setup.config("[policy]\ndir = \"policies\"")
}

fn status(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])
}

/// What a command that fails says, and its exit code.
pub fn failed(drill: &Drill, args: &[&str]) -> (Option<i32>, String) {
    let output = drill.cli(args);
    assert!(!output.status.success(), "{args:?} worked");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_policy_is_named_and_the_last_good_ones_go_on() {
    let mut drill = shipped(Setup::of(STEADY)).enforcing().await;
    let good = status(&drill)["policy_hash"].clone();
    drill.write(
        "policies/35-mine.rhai",
        "const NEEDS = [];\n\nfn decide(task, facts) {\n    retry(\n}\n",
    );
    // before anybody reloads: a restart would fail
    let place = "/policies/35-mine.rhai:";
    let shown = drill.done(&["status"]);
    assert!(
        shown.contains("policies on disk") && shown.contains(place),
        "{shown}"
    );
    let inbox = drill.done(&["inbox"]);
    assert!(
        inbox.contains("policies on disk: ") && inbox.contains(place),
        "{inbox}"
    );
    let error = status(&drill)["policy_error"].clone();
    assert!(
        error.as_str().is_some_and(|of| of.contains(place)),
        "{error}"
    );
    let (code, said) = failed(&drill, &["reload"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains(place), "file and line: {said}");
    let now = status(&drill);
    assert_eq!(now["policy_hash"], good, "the last good set is live");
    let error = now["reload_error"].as_str().expect("an error");
    assert!(error.contains(place), "{error}");
    assert!(
        !error.contains('|'),
        "on one line, without a drawing: {error}"
    );
    let (_, said) = failed(&drill, &["check"]);
    assert!(said.contains(place), "{said}");
    assert!(drill.log().contains("the reload failed"));
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 10, "and does its work");
    // mended, it goes live, but enforces only once a person has released it
    drill.write(
        "policies/35-mine.rhai",
        "const NEEDS = [];\n\nfn decide(task, facts) {\n    if task.status == \"rejected\" { return leave(\"mine\"); }\n}\n",
    );
    drill.done(&["reload"]);
    let mended = status(&drill);
    assert_ne!(mended["policy_hash"], good);
    assert_eq!(mended["reload_error"], Value::Null);
    assert_eq!(mended["policy_error"], Value::Null);
    assert_eq!(
        mended["effective_mode"], "observe",
        "{:#}",
        mended["mode_why"]
    );
    drill.release();
    assert_eq!(status(&drill)["effective_mode"], "enforce");
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reloads_as_the_command_does() {
    let mut drill = shipped(Setup::of(STEADY)).enforcing().await;
    let good = status(&drill)["policy_hash"].clone();
    drill.write(
        "policies/35-mine.rhai",
        "fn decide(task, facts) { nonsense( }\n",
    );
    drill.signal(rustix::process::Signal::HUP);
    let told = |drill: &Drill| drill.log().contains("the reload failed");
    drill
        .until("the log says that the reload failed", told)
        .await;
    assert!(drill.log().contains("35-mine.rhai:1"));
    assert_eq!(status(&drill)["policy_hash"], good);
    drill.run_for("12h").await;
    drill.judge().await;
}

/// The server's password changes, so that the file's is wrong from then on.
async fn change_password(drill: &Drill) {
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
}

async fn a_wrong_password_is_tried_at_most_twice(auth: &str) {
    let mut drill = Setup::of(STEADY)
        .server(&format!("auth = \"{auth}\""))
        .enforcing()
        .await;
    drill.run_for("10m").await;
    change_password(&drill).await;
    drill.act(json!({"expire_tokens": true})).await;
    drill.expect.wrong_secrets = 1;
    // a command meets it first: the daemon asks where that is kept before it tries the same password
    let (code, said) = failed(&drill, &["check", "--online"]);
    let first = drill.evidence().await.denied();
    drill.run_for("6h").await;
    let denied = drill.safe_so_far().await.denied();
    assert_eq!(code, Some(77), "{said}");
    assert_eq!((first, denied), (1, 1), "tried again by the daemon");
    let stopped = status(&drill);
    assert_eq!(stopped["login_state"]["login"], "stopped", "{stopped:#}");
    assert!(
        (1..=2).contains(&denied),
        "{denied} requests with the wrong password"
    );
    for _ in 0..2 {
        drill.kill_and_restart().await;
        drill.run_for("6h").await;
    }
    assert_eq!(
        drill.safe_so_far().await.denied(),
        denied,
        "a restart tries nothing"
    );
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["why"] == "login_stopped");
    let told = item.expect("a person has to look")["text"].to_string();
    for said in [told, drill.done(&["status"]), failed(&drill, &["plan"]).1] {
        let file = said.find("right password into its file").expect("the road");
        let clear = said.find("provtaskd login clear").expect("the other");
        assert!(file < clear, "the shortest first: {said}");
        assert!(said.contains("that is enough"), "{said}");
    }
    drill.stop();
    let (code, said) = failed(&drill, &["run", "--once"]);
    assert_eq!(code, Some(77), "{said}");
    assert_eq!(
        said.lines().filter(|l| l.starts_with("error: ")).count(),
        1,
        "{said}"
    );
    drill.daemon();
    drill.password("right-horse-2");
    drill.run_for("24h").await;
    assert_eq!(
        drill.count("healed"),
        10,
        "the right one works without a word"
    );
    assert_eq!(drill.evidence().await.denied(), denied);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_stops_everything_until_it_is_mended() {
    a_wrong_password_is_tried_at_most_twice("basic").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_at_the_token_service_stops_everything_too() {
    a_wrong_password_is_tried_at_most_twice("bearer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_wrong_password_is_tried_once_and_remembered_too() {
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.run_for("10m").await;
    change_password(&drill).await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("2h").await;
    let first = drill.safe_so_far().await.denied();
    drill.password("wrong-again-3");
    drill.expect.wrong_secrets = 2;
    drill.run_for("4h").await;
    assert_eq!(drill.safe_so_far().await.denied(), first + 1);
    drill.kill9().await;
    // the store remembers it as well as the file beside the traits does
    std::fs::remove_file(drill.store().join("traits.json.login")).expect("it was kept there too");
    drill.daemon();
    drill.run_for("4h").await;
    assert_eq!(
        drill.safe_so_far().await.denied(),
        first + 1,
        "a restart tries nothing"
    );
    drill.password("right-horse-2");
    drill.run_for("24h").await;
    drill.judge().await;
}

/// The right password lies there, and the file can't be used: the old refusal alone would mislead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_password_in_a_file_that_can_not_be_used_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.run_for("10m").await;
    change_password(&drill).await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("2h").await;
    let file = drill.dir.path().join("password");
    let open = |mode| std::fs::Permissions::from_mode(mode);
    for (text, mode, why) in [
        ("right-horse-2", 0o644, "by everybody (mode 644)"),
        ("right-horse-2\nmore\n", 0o600, "holds more than one line"),
    ] {
        drill.password(text);
        std::fs::set_permissions(&file, open(mode)).expect("mode");
        drill.run_for("2h").await;
        let said = drill.done(&["status"]);
        assert!(said.contains("(401)") && said.contains(why), "{said}");
        let inbox = drill.inbox();
        let item = inbox.iter().find(|item| item["why"] == "login_stopped");
        assert!(
            item.is_some_and(|item| item.to_string().contains(why)),
            "{inbox:#?}"
        );
    }
    drill.password("right-horse-2");
    drill.run_for("24h").await;
    let said = drill.done(&["status"]);
    assert!(!said.contains("can't be tried"), "{said}");
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_server_is_said_and_found_again() {
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.run_for("10m").await;
    drill
        .act(json!({"fault": {"do": "reset_before", "probability": 1.0}}))
        .await;
    let puts = drill.evidence().await.class("put").count();
    drill.run_for("3h").await;
    let lost = status(&drill);
    let error = lost["last_error"].as_str().expect("an error");
    assert!(!error.is_empty(), "{lost:#}");
    let since = lost["last_error_since"].as_str().expect("a time");
    let words = drill.done(&["status"]);
    let second = words.lines().nth(1).expect("a line");
    let day = since.split('T').next().expect("a day");
    assert!(
        second.starts_with("LAST ERROR") && second.contains(&format!("since {day}")),
        "it stands on top: {words}"
    );
    assert!(lost["next_cycle"].is_string(), "it tries again: {lost:#}");
    let during = drill.safe_so_far().await;
    assert!(
        during.class("put").count() <= puts + 1,
        "nothing is sent on old readings"
    );
    let tries = during
        .class("list")
        .filter(|row| !row["fault"].is_null())
        .count();
    assert!((3..=60).contains(&tries), "{tries} tries in three hours");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("12h").await;
    assert_eq!(status(&drill)["last_error"], Value::Null);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_at_start_is_waited_for() {
    let mut drill = Setup::of(STEADY).start().await;
    drill.release();
    drill
        .act(json!({"fault": {"do": "reset_before", "probability": 1.0}}))
        .await;
    drill.daemon();
    drill.run_for("2h").await;
    let lost = status(&drill);
    assert!(lost["last_error"].is_string(), "{lost:#}");
    assert_eq!(
        lost["tasks_visible"],
        Value::Null,
        "nothing is claimed to be known"
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(status(&drill)["last_error"], Value::Null);
    assert_eq!(drill.count("healed"), 10);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_the_same_store_is_refused_in_one_line() {
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.run_for("10m").await;
    for args in [["run"].as_slice(), &["run", "--once"]] {
        let before = drill.journal().len();
        let (code, said) = failed(&drill, args);
        assert_eq!(code, Some(75), "{said}");
        let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("error: ")).collect();
        let [error] = errors[..] else {
            panic!("one error: {said}");
        };
        assert!(error.contains("in use by process"), "{error}");
        assert!(
            !said.contains("waiting for it"),
            "a living daemon keeps it: {said}"
        );
        assert_eq!(drill.journal().len(), before, "it asked the server nothing");
    }
    drill.run_for("12h").await;
    drill.judge().await;
}

/// Months later it has to be seen who has paused what, since when and why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_shows_each_pause_with_who_since_when_and_why() {
    let mut drill = Setup::of(STEADY).enforcing().await;
    drill.done(&[
        "pause",
        "--why",
        "SAP moves house",
        "--target",
        "SAP",
        "--unseen",
    ]);
    drill.done(&["pause", "--why", "a freeze\u{7}", "--for", "2h"]);
    let pauses = status(&drill)["pauses"].clone();
    let find = |what: &str| {
        let mut rows = pauses.as_array().expect("a list").iter();
        let row = rows.find(|row| row["what"] == what);
        row.unwrap_or_else(|| panic!("no {what}: {pauses:#}"))
    };
    let (target, all) = (find("target SAP"), find("everything"));
    assert_eq!(target["scope"]["of"], "SAP");
    assert_eq!(target["why"], "SAP moves house");
    assert_eq!(target["until"], Value::Null);
    for pause in [target, all] {
        let by = pause["by"].as_str().expect("who");
        assert!(by.starts_with("uid "), "{by}");
        let since = pause["since"].as_str().expect("since when");
        assert!(since.starts_with("2027-03-01T07:"), "{since}");
    }
    assert!(
        all["until"]
            .as_str()
            .is_some_and(|until| until > all["since"].as_str().expect("a time"))
    );
    let text = drill.done(&["status"]);
    let line = |with: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("paused: ") && line.contains(with));
        line.unwrap_or_else(|| panic!("no {with}: {text}"))
            .to_owned()
    };
    let line = (line("target SAP"), line("everything"));
    assert!(
        line.0.contains("by uid ") && line.0.contains("since 2027-03-01"),
        "{}",
        line.0
    );
    assert!(
        line.0.ends_with(": SAP moves house") && !line.0.contains("until"),
        "{}",
        line.0
    );
    assert!(
        line.1.contains("until 2027-03-01") && line.1.contains("a freeze"),
        "{}",
        line.1
    );
    assert!(
        !line.1.contains('\u{7}'),
        "what a person types is no command for a terminal"
    );
    let said = drill.done(&["resume"]);
    assert!(said.contains("still paused: target SAP"), "{said}");
    let said = drill.done(&["resume", "--target", "SAP"]);
    assert!(!said.contains("still paused"), "{said}");
    assert_eq!(status(&drill)["pauses"], json!([]));
    drill.run_for("12h").await;
    drill.judge().await;
}

/// What a policy says is never what ends the daemon, however long it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_a_policy_that_fit_no_record_are_its_fault_and_the_others_work_goes_on() {
    let long = r#"fn decide(task, facts) {
    let text = "";
    let mark = if task.id.len() % 2 == 0 { "€" } else { "x" };
    for n in 0..1999 { text += mark; }
    set_note(text).because("a long note")
}
"#;
    let mut drill = shipped(Setup::of(STEADY))
        .file("policies/05-long.rhai", long)
        .enforcing()
        .await;
    drill.run_for("2h").await;
    let now = status(&drill);
    assert_eq!(now["store_state"], "ok", "{:#}", drill.log());
    let said = drill.log();
    assert!(said.contains("longer than 4000 bytes"), "{said}");
    drill.judge_leaving(10).await;
}
