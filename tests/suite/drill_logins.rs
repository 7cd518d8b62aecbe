//! Drills of several logins, whole processes: each sends what it sees, the stop of one is no other's, and what only it sees is neither acted on nor taken as gone meanwhile.

use std::fs;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_oracle::Evidence;

/// Two logins, each in a role of its own, and for each two targets with work.
pub const TWO: &str = r#"
name = "two-logins"
seed = 71
[[role]]
name = "SECOND LINE"
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
[[login]]
login = "SECOND"
password = "sim-password-2"
roles = ["SECOND LINE"]
[[target]]
name = "AD"
[[target]]
name = "ERP"
[[target]]
name = "HR"
[[target]]
name = "MAIL"
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "ERP"
accounts = 4
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "HR"
accounts = 4
owner = ["role:SECOND LINE"]
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "MAIL"
accounts = 4
owner = ["role:SECOND LINE"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

pub const SECOND: &str = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"\n";

/// Accounts that both see a task of: the older one the main login alone, the newer one the second alone.
const SPLIT: &str = r#"
[[target]]
name = "CRM"
[[population]]
target = "CRM"
accounts = 2
prefix = "SPLIT"
task = [
  { task = "Telephone Updated", failure = "network", age = "12h" },
  { task = "Telephone Updated", failure = "network", age = "1h", owner = "role:SECOND LINE" },
]
"#;

/// Writes the second login's password, for the daemon's eyes only.
fn second(drill: &Drill, password: &str) {
    drill.write_secret("second", password);
}

pub async fn begin(config: &str) -> Drill {
    begin_with(Setup::of(TWO).config(config)).await
}

pub async fn begin_with(setup: Setup) -> Drill {
    let mut drill = setup.start().await;
    second(&drill, "sim-password-2");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
}

pub fn approve(drill: &Drill, targets: &[&str]) {
    for target in targets {
        let item = format!("baseline:{target}");
        drill.done(&[
            "approve",
            &item,
            "--yes-release",
            "99",
            "--why",
            "the drill",
        ]);
    }
}

/// What status says of the second login.
fn row(drill: &Drill) -> Value {
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["logins"][0]["login"], "PROVSVC");
    status["logins"][1].clone()
}

pub fn puts_of(drill: &Drill, login: &str) -> usize {
    let journal = drill.journal();
    let puts = journal.iter().filter(|row| row["class"] == "put");
    puts.filter(|row| row["login"] == login).count()
}

/// Each item went by the login that sees its target's tasks.
fn each_by_its_own(evidence: &Evidence) {
    for (request, item) in evidence.items() {
        let task = evidence.task(&item["id"]).expect("a task that there is");
        let own = match task["target"].as_str() {
            Some("AD" | "ERP") => "PROVSVC",
            Some("CRM") => continue,
            _ => "SECOND",
        };
        assert_eq!(request["login"], own, "{item}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_login_heals_what_it_sees_and_the_stop_of_one_is_no_others() {
    let mut drill = begin(SECOND).await;
    let seen = row(&drill);
    assert_eq!(
        (&seen["tasks"], &seen["acts"], &seen["in_last_cycle"]),
        (&json!(8), &json!(8), &json!(true)),
        "{seen:#}"
    );
    assert_eq!(
        drill.json(&["status", "--json"])["tasks_visible"],
        json!(16)
    );
    approve(&drill, &["AD", "HR"]);
    let sent = |drill: &Drill| puts_of(drill, "SECOND") > 0;
    drill.run_until_or_rest("1h", sent).await;
    drill.kill_and_restart().await;
    drill.run_for("3h").await;
    let so_far = drill.safe_so_far().await;
    assert_eq!([so_far.effects_on("AD"), so_far.effects_on("HR")], [4, 4]);
    let one = so_far.latest("HR")[0]["id"].to_string();
    let told = drill.done(&["outcomes", "show", &one]);
    assert!(told.contains("daemon as SECOND"), "{told}");
    assert_eq!(row(&drill)["tasks"], json!(4), "those of MAIL");

    // what only it sees is neither gone nor touched while it is stopped
    drill
        .act(json!({"password": {"login": "SECOND", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("1h").await;
    let left = &drill.json(&["status", "--json"])["left"];
    assert_eq!(left, 0, "nothing of it is taken as gone");
    let puts = puts_of(&drill, "SECOND");
    approve(&drill, &["ERP", "MAIL"]);
    drill.run_for("3h").await;
    drill.kill_and_restart().await;
    drill.run_for("6h").await;
    let so_far = drill.safe_so_far().await;
    assert_eq!(so_far.effects_on("ERP"), 4, "the other login goes on");
    assert_eq!(so_far.effects_on("MAIL"), 0);
    assert_eq!(puts_of(&drill, "SECOND"), puts);
    assert!(so_far.denied() <= 2, "{} requests", so_far.denied());
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["left"], 0, "nothing of it is taken as gone");
    assert_eq!(status["login_state"]["login"], "good");
    assert_eq!(status["logins"][1]["state"]["login"], "stopped");
    assert_eq!(status["logins"][1]["in_last_cycle"], false);
    let text = drill.done(&["status"]);
    assert!(text.contains("SECOND: STOPPED since"), "{text}");
    let first = text.lines().find(|line| line.starts_with("login "));
    let first = first.expect("its line");
    assert!(
        first.contains("good (PROVSVC); of 2 logins STOPPED: SECOND"),
        "{first}"
    );
    assert!(text.contains("NOT in visible and rejected: "), "{text}");
    let report = drill.done(&["report", "daily"]);
    let left_out = "NOT COUNTED, because the last cycle did not read it: ";
    assert!(report.contains(left_out), "{report}");
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["id"] == "login:SECOND");
    assert!(item.is_some(), "{inbox:#?}");

    // the right password in its file is enough
    second(&drill, "right-horse-2");
    drill.run_for("12h").await;
    assert_eq!(row(&drill)["state"]["login"], "good");
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
    each_by_its_own(&evidence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_comes_later_brings_a_backlog_and_one_that_goes_leaves_its_claims_open() {
    let mut drill = begin("").await;
    approve(&drill, &["AD", "ERP"]);
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 8);
    drill.stop();
    let path = drill.dir.path().join("provtaskd.toml");
    let without = fs::read_to_string(&path).expect("its configuration");
    let with = format!("{without}{SECOND}");
    fs::write(&path, &with).expect("written");
    drill.daemon();
    drill.run_for("3h").await;
    assert_eq!(
        puts_of(&drill, "SECOND"),
        0,
        "its backlog waits for a person"
    );
    let held: Vec<_> = drill
        .inbox()
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    assert!(
        held.contains(&json!("baseline:HR")) && held.contains(&json!("baseline:MAIL")),
        "{held:?}"
    );

    // killed with a request on its way, and then without the login that has sent it
    let hang = json!({"do": "hang", "on": "put", "at": [1]});
    drill.act(json!({ "fault": hang })).await;
    approve(&drill, &["HR"]);
    let sent = |drill: &Drill| puts_of(drill, "SECOND") > 0;
    drill.run_until("1h", "a request is on its way", sent).await;
    drill.kill9().await;
    fs::write(&path, &without).expect("written");
    drill.daemon();
    drill.run_for("6h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["attempts_open"], 1, "{status:#}");
    let inbox = drill.inbox();
    let item = inbox
        .iter()
        .find(|item| item["id"] == "login_missing:SECOND");
    let text = item.expect("it is named")["text"].to_string();
    assert!(text.contains("no configured login any more"), "{text}");
    assert_eq!(puts_of(&drill, "SECOND"), 1, "nobody else sends it");

    drill.kill9().await;
    fs::write(&path, &with).expect("written");
    // it is back, and its password is wrong: what it has sent stays open, and a person is told so
    second(&drill, "not-the-password");
    drill.expect.wrong_secrets = 1;
    drill.daemon();
    drill.run_for("1h").await;
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["id"] == "login:SECOND");
    let item = item.expect("it is stopped");
    assert_eq!(item["tasks"].as_array().map(Vec::len), Some(1), "{item:#}");
    let text = item["text"].to_string();
    assert!(
        text.contains("one attempt that it has sent is not settled"),
        "{text}"
    );
    drill.kill9().await;
    second(&drill, "sim-password-2");
    drill.daemon();
    drill.run_for("3h").await;
    approve(&drill, &["MAIL"]);
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
    each_by_its_own(&evidence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_login_sees_goes_on_while_the_main_one_is_stopped() {
    let by_hand = "[policy]\ndir = \"policies\"\n[guard]\nmanual_complete = [\"CRM/*\"]\n";
    let policy = "fn decide(task, facts) { if task.target == \"CRM\" { manual_complete() } else { retry() } }\n";
    let setup = Setup::of(&format!("{TWO}{SPLIT}"))
        .config(&format!("{by_hand}{SECOND}"))
        .file("policies/10-hand.rhai", policy);
    let mut drill = begin_with(setup).await;
    approve(&drill, &["AD"]);
    drill.run_for("1h").await;
    let before = drill.safe_so_far().await;
    assert_eq!(before.effects_on("AD"), 4);
    // it is refused after a kill, with a claim of its own open: that can't be read, and holds nothing else up
    let puts = puts_of(&drill, "PROVSVC");
    let hang = json!({"do": "hang_unapplied", "on": "put", "at": [1]});
    drill.act(json!({ "fault": hang })).await;
    approve(&drill, &["ERP"]);
    let sent = |drill: &Drill| puts_of(drill, "PROVSVC") > puts;
    drill.run_until("1h", "a request is on its way", sent).await;
    drill.kill9().await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.daemon();
    drill.run_for("1h").await;
    approve(&drill, &["HR", "CRM"]);
    drill.run_for("3h").await;
    let during = drill.safe_so_far().await;
    let denied = during.denied();
    assert!((1..=2).contains(&denied), "{denied} requests");
    assert_eq!(during.effects_on("HR"), 4, "the second login goes on");
    assert_eq!(during.effects_on("ERP"), 0, "only the main login sees it");
    assert_eq!(
        during.sent("manualComplete").count(),
        0,
        "the older task of the account is one that no list shows now"
    );
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["login_state"]["login"], "stopped");
    assert_eq!(status["last_error"], Value::Null);
    assert_eq!(status["logins"][0]["in_last_cycle"], false);
    assert_eq!(status["logins"][1]["in_last_cycle"], true);
    assert_eq!(status["tasks_visible"], 6, "4 of MAIL, 2 of CRM");
    assert_eq!(status["left"], 0, "nothing of it is taken as gone");
    assert!(status["attempts_open"].as_u64() > Some(0), "{status:#}");
    let meaning = "what only PROVSVC sees is neither acted on nor taken as gone";
    for said in [
        drill.done(&["status"]),
        drill.inbox()[0]["text"].to_string(),
    ] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(meaning), "{said}");
    }
    assert!(
        drill.log().contains("others that work go on"),
        "{}",
        drill.log()
    );
    let status = drill.done(&["status"]);
    assert!(status.contains("visible to SECOND, read"), "{status}");
    let plan = drill.done(&["plan"]);
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("visible to SECOND, read"), "{plan}");
    assert!(plan.contains("NOT READ: the list of PROVSVC,"), "{plan}");
    let plan = drill.json(&["plan", "--json"]);
    assert_eq!(
        plan["lists"][1],
        json!({"login": "SECOND", "read": true, "tasks": 6, "why_not": null})
    );

    // nothing of it changes with a restart, and the password is not tried once more
    drill.kill_and_restart().await;
    approve(&drill, &["MAIL"]);
    drill.run_for("6h").await;
    let after = drill.safe_so_far().await;
    assert_eq!(after.denied(), denied, "a restart tries nothing");
    assert_eq!(after.effects_on("MAIL"), 4);
    assert_eq!(after.effects_on("ERP"), 0);
    assert_eq!(after.sent("manualComplete").count(), 0);
    assert_eq!(drill.json(&["status", "--json"])["left"], 0);
    drill.stop();
    let (code, said) = crate::drill_ops::failed(&drill, &["run", "--once"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains(meaning), "{said}");
    assert!(said.contains("not_read=PROVSVC: login PROVSVC"), "{said}");
    drill.daemon();

    drill.password("right-horse-2");
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
    let by: Vec<&str> = evidence
        .sent("manualComplete")
        .filter_map(|(request, _)| request["login"].as_str())
        .collect();
    assert_eq!(by.len(), 4, "{by:?}");
    assert_eq!(by[..2], ["PROVSVC"; 2], "the older ones first: {by:?}");
    assert_eq!(by[2..], ["SECOND"; 2], "{by:?}");
    each_by_its_own(&evidence);
}

/// A store that is new while the main login is refused: what that one would have shown is backlog all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_before_the_main_login_has_shown_what_was_there_at_first() {
    let mut drill = Setup::of(TWO).config(SECOND).start().await;
    second(&drill, "sim-password-2");
    drill.password("wrong-horse-1");
    drill.expect.wrong_secrets = 1;
    drill.release();
    drill.daemon();
    drill.run_for("2h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["tasks_visible"], 8, "the second login's: {status:#}");
    assert_eq!(status["world"], "not bound yet");
    assert_eq!(status["last_error"], Value::Null);
    drill.password("sim-password-1");
    drill.run_for("2h").await;
    assert_eq!(drill.count("effects"), 0, "all of it waits for a person");
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
}

/// Whoever starts it again and again must not lock the account: the refusal is on disk as soon as it was read, and
/// not when the cycle ends, which here waits for the other login's list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_main_login_is_not_tried_again_by_a_restart_while_another_list_hangs() {
    let mut drill = begin(SECOND).await;
    drill.kill9().await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    let hang = json!({"do": "hang", "on": "list", "login": "SECOND", "probability": 1.0, "ms": 0});
    drill.act(json!({ "fault": hang })).await;
    drill.expect.wrong_secrets = 1;
    for _ in 0..3 {
        drill.daemon();
        let kept = |drill: &Drill| {
            let up = drill.store().join("control.sock").exists();
            up && drill.store().join("traits.json.login").exists()
        };
        drill.until("the refusal is kept", kept).await;
        assert!(
            !drill.log().contains("failures_in_a_row"),
            "{}",
            drill.log()
        );
        drill.kill9().await;
    }
    drill.act(json!({"clear_faults": true})).await;
    drill.password("right-horse-2");
    drill.daemon();
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    drill.judge().await;
}

/// Accounts of which the main login alone sees one task, and the second alone another, of another definition.
const TWO_SORTS: &str = r#"
[[target]]
name = "CRM"
[[population]]
target = "CRM"
accounts = 2
prefix = "SORT"
task = [
  { task = "Add User to Group", failure = "network", age = "12h" },
  { task = "Telephone Updated", failure = "network", age = "1h", owner = "role:SECOND LINE" },
]
"#;

/// A policy that completes by hand what is alone in its account; both logins' backlogs are released.
async fn by_hand(second: &str) -> Drill {
    let config = "[policy]\ndir = \"policies\"\n[guard]\nmanual_complete = [\"CRM/*\"]\n";
    let policy = "const NEEDS = [\"siblings\"];\n\
        fn decide(task, facts) {\n\
            if task.target != \"CRM\" { return retry(); }\n\
            if facts.siblings.known && facts.siblings.count == 0 { return manual_complete(); }\n\
            leave(\"others of the account are open, or it is not known\")\n\
        }\n";
    let setup = Setup::of(&format!("{TWO}{TWO_SORTS}"))
        .config(&format!("{config}{second}"))
        .file("policies/10-hand.rhai", policy);
    let drill = begin_with(setup).await;
    approve(&drill, &["AD", "ERP", "HR", "MAIL"]);
    approve_what_is_left(&drill);
    drill
}

fn approve_what_is_left(drill: &Drill) {
    let mut items = drill.inbox().into_iter();
    if items.any(|item| item["id"] == "baseline:CRM") {
        approve(drill, &["CRM"]);
    }
}

/// None of them is alone, whatever the lists show that were read.
async fn completes_none(drill: &Drill) {
    let so_far = drill.safe_so_far().await;
    assert_eq!(so_far.sent("manualComplete").count(), 0);
}

/// What a policy reads of the siblings rests on the lists. Where one was not read their number is not known,
/// and must not pass for "none".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_does_not_take_siblings_of_an_unread_list_for_none() {
    let mut drill = by_hand(SECOND).await;
    drill.run_for("3h").await;
    completes_none(&drill).await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("1h").await;
    approve_what_is_left(&drill);
    drill.run_for("6h").await;
    completes_none(&drill).await;
    drill.judge_leaving(4).await;
}

/// The same in every-day operation, where the second login's list is only due each 6 hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_does_not_take_siblings_of_a_list_that_is_not_due_for_none() {
    let mut drill = by_hand(&format!("{SECOND}every = \"6h\"\n")).await;
    drill.run_for("3h").await;
    completes_none(&drill).await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    completes_none(&drill).await;
    drill.judge_leaving(4).await;
}

/// The tasks of CDIAZ are in the list of his own login alone, which is read each six hours.
const LOADED: &str = r#"
name = "loaded"
seed = 72
[[user]]
login = "CDIAZ"
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
[[login]]
login = "CDIAZ"
password = "sim-password-2"
[[target]]
name = "ERP"
connector = "ticket"
[[target]]
name = "HR"
connector = "ticket"
[[population]]
target = "ERP"
accounts = 3
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
[[population]]
target = "HR"
accounts = 4
owner = ["user:CDIAZ"]
task = [{ task = "Manual Grant", status = "R", failure = "internal" }]
"#;

/// Whoever holds as many tasks as the limit allows is handed no more, also while the list that shows them is
/// not due (invariant 9).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_more_whose_tasks_are_in_a_list_that_was_not_read() {
    let config = "[policy]\ndir = \"policies\"\nkinds = { \"*/Manual Grant\" = \"grant\" }\n\
        [guard]\nassignee_load = 3\n\
        [[login]]\nlogin = \"CDIAZ\"\npassword_file = \"second\"\nevery = \"6h\"\n";
    let policy = "fn decide(task, facts) {\n\
            if task.target != \"ERP\" { return leave(\"his\"); }\n\
            reassign(\"user:CDIAZ\").because(\"the drill says so\")\n\
        }\n";
    let setup = Setup::of(LOADED)
        .config(config)
        .file("policies/10-hand.rhai", policy);
    let mut drill = begin_with(setup).await;
    drill.approve_backlog();
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("4h").await;
    let so_far = drill.safe_so_far().await;
    let handed = so_far.sent("reassign").count();
    drill.judge_leaving(7).await;
    assert_eq!(handed, 0, "he holds 4 already, and 3 is the limit");
}
