//! A daemon whose login sees a third of the open tasks: every report counts that third, and says whose view it is.

use serde_json::Value;

use crate::drill::Setup;

/// Three targets with the same work, each assigned to a role of its own; the login is in one of these.
const THIRD: &str = r#"
name = "third"
seed = 29
[[role]]
name = "SECOND LINE"
[[role]]
name = "THIRD LINE"
[[target]]
name = "AD"
[[target]]
name = "HR"
[[target]]
name = "MAIL"
[[population]]
target = "AD"
accounts = 6
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "HR"
accounts = 6
owner = ["role:SECOND LINE"]
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "MAIL"
accounts = 6
owner = ["role:THIRD LINE"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_report_counts_what_the_login_sees_and_says_whose_view_that_is() {
    let mut drill = Setup::of(THIRD).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 18);
    let mut silent = Vec::new();
    let mut ask = |drill: &crate::drill::Drill, line: &[&str]| {
        let said = drill.done(line);
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if !words.contains("visible to PROVSVC") {
            silent.push(format!("{}: {said}", line.join(" ")));
        }
        for other in ["HR", "MAIL"] {
            assert!(!words.contains(&format!(" {other} ")), "{said}");
        }
    };
    for line in [
        vec!["status"],
        vec!["plan"],
        vec!["inbox"],
        vec!["baseline", "show"],
        vec!["report", "daily"],
        vec!["report", "daily", "--format", "html"],
    ] {
        ask(&drill, &line);
    }
    let counts = |line: &[&str], name: &str| -> Value { drill.json(line)[name].clone() };
    assert_eq!(counts(&["status", "--json"], "tasks_visible"), 6);
    assert_eq!(counts(&["status", "--json"], "login"), "PROVSVC");
    assert_eq!(counts(&["plan", "--json"], "visible"), 6);
    assert_eq!(counts(&["plan", "--json"], "login"), "PROVSVC");
    let daily = drill.json(&["report", "daily", "--format", "json"]);
    assert_eq!(daily["now"]["visible"], 6, "{daily:#}");
    assert_eq!(
        daily["now"]["logins"],
        serde_json::json!(["PROVSVC"]),
        "{daily:#}"
    );
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(silent, Vec::<String>::new());
    let evidence = drill.judge_leaving(12).await;
    assert_eq!(evidence.count("healed"), 6);
}
