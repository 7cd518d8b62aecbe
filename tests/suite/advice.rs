//! What is advised where something is refused or held, whole processes: it helps with what it is said of, and nobody is told to wait for what waiting does not bring.

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const GROUPS: &str = r#"
name = "advice"
seed = 31
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[population]]
target = "AD"
accounts = 2
prefix = "EMP"
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 5
prefix = "SAP"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 2
prefix = "HAND"
task = [{ task = "Order Hardware" }]
"#;

fn task_of(drill: &Drill, login: &str) -> String {
    let truth = drill.truth();
    let mut tasks = truth["tasks"].as_array().expect("tasks").iter();
    let own = tasks.find(|task| task["beneficiary"] == login && task["status"] == "R");
    own.expect("a task")["id"].to_string()
}

/// Each try of one retry by a person's consent, which has to be refused.
fn refused(drill: &Drill, task: &str) -> String {
    let (code, said) = failed(drill, &["probe", "--retry-one", task, "--yes-retry", task]);
    assert_eq!(code, Some(65), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_accounts_that_the_login_may_not_read() {
    let mut drill = Setup::of(GROUPS).start().await;
    for user in drill.truth()["users"].as_array().expect("users") {
        let path = format!("/users/{}", user["key"]);
        let fault = json!({"do": "forbidden", "on": "people", "path": path, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
    drill.release();
    drill.done(&["probe"]);
    drill.daemon();
    drill.run_for("1m").await;
    let task = task_of(&drill, "EMP0001");
    // held back by the baseline first, with what releases it
    let said = refused(&drill, &task);
    for words in [
        "baseline",
        "provtaskd baseline show",
        "provtaskd baseline release AD",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    drill.approve_backlog();
    drill.run_for("3h").await;
    let said = refused(&drill, &task);
    assert!(
        said.contains("account_unknown") && said.contains("403"),
        "{said}"
    );
    assert!(!said.contains("wait until"), "{said}");
    let remedy = "give the login the right to read";
    assert!(said.contains(remedy), "{said}");
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["why"] == "account_unknown");
    let text = item.expect("it waits for a person")["text"].to_string();
    assert!(text.contains(remedy), "{text}");
    let told = drill.done(&["explain", &task]);
    let one_line: Vec<&str> = told.split_whitespace().collect();
    assert!(one_line.join(" ").contains(remedy), "{told}");
    drill.act(json!({"clear_faults": true})).await;
    // of what passes by itself the time is named, and what ends it sooner
    for (span, says) in [
        ("-2h", "a span has no sign"),
        ("--target", "the span is missing"),
    ] {
        let out = drill.cli(&["pause", "--why", "x", "--for", span]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(64), "{said}");
        assert!(said.contains(says), "{span}: {said}");
    }
    drill.done(&["pause", "--why", "x", "--for", "2h"]);
    let said = refused(&drill, &task);
    for words in ["paused", "wait until", "provtaskd resume"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    drill.done(&["resume"]);
    drill.run_for("24h").await;
    drill.judge_leaving(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_says_what_observes_its_target_and_names_both_numbers() {
    let mut drill = Setup::of(GROUPS)
        .config("[mode.targets]\nSAP = \"observe\"\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let release = ["baseline", "release", "sap", "--why", "x", "--yes-release"];
    let (code, said) = failed(&drill, &[&release[..], &["6"]].concat());
    assert_eq!(code, Some(65), "{said}");
    let wanted = "7 tasks of the old backlog on SAP";
    let agreed = "--yes-release 6 agrees to no more than 6 of these 7 tasks";
    assert!(said.contains(wanted) && said.contains(agreed), "{said}");
    assert!(said.contains("with 5 of them"), "{said}");
    let observed = "`mode.targets` has SAP in observe: nothing is sent now";
    assert!(said.contains(observed), "{said}");
    let said = drill.done(&[&release[..], &["7"]].concat());
    for words in [observed, "released: 7 tasks", "they go once that ends"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // and where the action alone is observed
    let config = drill.dir.path().join("provtaskd.toml");
    let enforced = std::fs::read_to_string(&config).expect("read");
    let observing = format!("{enforced}\n[mode.actions]\nretry = \"observe\"\n");
    drill.write("provtaskd.toml", &observing);
    drill.done(&["reload"]);
    let none = [
        "baseline",
        "release",
        "AD",
        "--why",
        "x",
        "--yes-release",
        "1",
    ];
    let (_, said) = failed(&drill, &none);
    let observed = "`mode.actions` has retry in observe: no retry is sent now";
    assert!(said.contains(observed), "{said}");
    drill.write("provtaskd.toml", &enforced);
    drill.done(&["reload"]);
    let release = [
        "baseline",
        "release",
        "AD",
        "--why",
        "x",
        "--yes-release",
        "2",
    ];
    let said = drill.done(&release);
    assert!(!said.contains("observe"), "{said}");
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 2, "those of AD");
    drill.judge_leaving(5).await;
}
