//! Whole-process drills of lists that were not read: what waits for them, and what goes on all the same.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_logins::{SECOND, TWO, approve, begin, begin_with, puts_of};
use crate::drill_oracle::items_of;

/// A main login that was refused at start, with a claim of its own open, reads that claim before it sends
/// anything once it works again (invariant 4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_main_login_that_works_again_reads_its_open_claim_before_it_sends() {
    let mut drill = begin(SECOND).await;
    approve(&drill, &["AD"]);
    drill.run_for("1h").await;
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
    drill.run_for("97h").await;
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["id"] == "login");
    let item = item.expect("the main login's stop");
    let said = item["text"].to_string();
    assert!(said.contains("that it has sent"), "{said}");
    assert!(!item["tasks"].as_array().expect("its tasks").is_empty());
    // everything but this account can be read
    let journal = drill.journal();
    let mut puts = journal.iter().rev().filter(|row| row["class"] == "put");
    let sent = items_of(puts.next().expect("it was sent")).next();
    let sent = sent.expect("an item")["id"].to_string();
    let sent: u64 = sent.trim_matches('"').parse().expect("a number");
    let is_it = |task: &&Value| task["id"] == sent;
    let truth = drill.truth();
    let mut tasks = truth["tasks"].as_array().expect("tasks").iter();
    let process = tasks.find(is_it).expect("it")["process"].clone();
    let path = format!("/provprocesses/{process}");
    let broken = json!({"do": "html503", "on": "read", "path": path, "probability": 1.0});
    drill.act(json!({ "fault": broken })).await;
    let puts = puts_of(&drill, "PROVSVC");
    drill.password("right-horse-2");
    drill.run_for("35m").await;
    assert_eq!(puts_of(&drill, "PROVSVC"), puts, "its claim was not read");
    let status = drill.json(&["status", "--json"]).to_string();
    assert!(status.contains("\"awaits_settling\""), "{status}");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("6h").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    drill.judge().await;
}

/// every report says whose list it rests on while the main login is stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_report_says_that_the_main_list_was_not_read() {
    let mut drill = begin(SECOND).await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("3h").await;
    let mut silent = Vec::new();
    for line in [
        vec!["status"],
        vec!["plan"],
        vec!["inbox"],
        vec!["report", "daily"],
        vec!["report", "daily", "--format", "json"],
        vec!["report", "daily", "--format", "html"],
        vec!["baseline", "show"],
        vec!["explain", "600003"],
        vec!["explain", "600002"],
        vec!["plan", "--json"],
        vec!["inbox", "--json"],
        vec!["baseline", "show", "--json"],
    ] {
        let out = drill.cli(&line);
        let said = String::from_utf8_lossy(&out.stdout).into_owned()
            + String::from_utf8_lossy(&out.stderr).as_ref();
        let low = said.to_lowercase();
        let says = [
            "not read",
            "not counted",
            "stopped",
            "\"read\": false",
            "only provsvc sees",
            "not_read",
        ];
        if !says.iter().any(|word| low.contains(word)) {
            silent.push(line.join(" "));
        }
    }
    // where none works, nobody goes on
    let second = json!({"login": "SECOND", "new": "right-horse-3"});
    drill.act(json!({ "password": second })).await;
    drill.expect.wrong_secrets = 2;
    drill.run_for("1h").await;
    let words = |said: String| said.split_whitespace().collect::<Vec<_>>().join(" ");
    let status = words(drill.done(&["status"]));
    assert!(status.contains("STOPPED too: SECOND"), "{status}");
    let inbox = words(drill.inbox()[0]["text"].to_string());
    for said in [status, inbox] {
        assert!(said.contains("no other login works either"), "{said}");
        assert!(!said.contains("what others see goes on"), "{said}");
    }
    drill.write("second", "right-horse-3");
    drill.password("right-horse-2");
    drill.approve_backlog();
    drill.run_for("48h").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    drill.safe_so_far().await;
    drill.judge().await;
    assert_eq!(silent, Vec::<String>::new());
}

/// The main login is stopped, and the second one's list is due each six hours: the cycles between have
/// nothing to read, and are no failures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_in_which_no_other_list_is_due_are_no_failures() {
    let mut drill = begin(&format!(
        "{SECOND}every = \"6h\"\n[governor.default]\nper_minute = 1\n"
    ))
    .await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("5h").await;
    approve(&drill, &["HR", "MAIL"]);
    let mut seen = Vec::new();
    for _ in 0..24 {
        drill.run_for("30m").await;
        let status = drill.json(&["status", "--json"]);
        seen.push((
            status["last_error"].clone(),
            status["tasks_visible"].clone(),
            status["attempts_open"].clone(),
        ));
    }
    let effects = drill.count("effects");
    drill.password("right-horse-2");
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    drill.judge().await;
    let failed = seen.iter().filter(|(error, ..)| !error.is_null()).count();
    assert_eq!(failed, 0, "{effects} effects; {seen:#?}");
}

/// What only the second login sees is new work, also while the list that shows the older task of the same
/// account and definition is not read; once it is read again both heal, and nobody is asked whose successor it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_work_that_may_be_a_successor_waits_for_the_list_that_was_not_read() {
    let one = "[[target]]\nname = \"CRM\"\n[[population]]\ntarget = \"CRM\"\naccounts = 1\nprefix = \"ONE\"\ntask = [{ task = \"Telephone Updated\", failure = \"network\" }]\n";
    let mut drill = begin_with(Setup::of(&format!("{TWO}{one}")).config(SECOND)).await;
    approve(&drill, &["AD", "ERP", "HR", "MAIL"]);
    drill.run_for("3h").await;
    let puts = puts_of(&drill, "PROVSVC");
    let hang = json!({"do": "hang_unapplied", "on": "put", "at": [1]});
    drill.act(json!({ "fault": hang })).await;
    approve(&drill, &["CRM"]);
    let sent = |drill: &Drill| puts_of(drill, "PROVSVC") > puts;
    drill.run_until("1h", "a request is on its way", sent).await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").clone();
    let old = tasks
        .iter()
        .find(|task| task["target"] == "CRM")
        .expect("it");
    drill.act(json!({"target": "CRM", "state": "down"})).await;
    let new = crate::naive::add_task(&drill.sim, &old["process"], "Telephone Updated").await;
    drill
        .act(json!({"task": new, "do": "reassign", "to": "role:SECOND LINE"}))
        .await;
    drill.kill9().await;
    drill
        .act(json!({"password": {"login": "PROVSVC", "new": "right-horse-2"}}))
        .await;
    drill.expect.wrong_secrets = 1;
    drill.daemon();
    drill.run_for("10m").await;
    drill.act(json!({"target": "CRM", "state": "up"})).await;
    drill.run_for("3h").await;
    let out = drill.cli(&["explain", &new.to_string()]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{said}");
    assert!(
        said.contains("is shown, and nothing is decided of it yet: not_told_yet"),
        "{said}"
    );
    drill.password("right-horse-2");
    drill.run_for("48h").await;
    let inbox = drill.inbox();
    let asked: Vec<_> = inbox.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(asked, Vec::<Value>::new(), "{}", drill.truth()["summary"]);
    drill.judge().await;
}

/// `approve baseline:TARGET` as the inbox and the log name it: no number is told or agreed to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_backlog_is_not_released_without_a_number() {
    let mut drill = begin(SECOND).await;
    let out = drill.cli(&["approve", "baseline:AD", "--why", "x"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        !out.status.success(),
        "without a terminal and without consent: {said}"
    );
    drill.run_for("1h").await;
    assert_eq!(drill.count("effects"), 0);
    drill.approve_backlog();
    drill.run_for("48h").await;
    drill.judge().await;
}
