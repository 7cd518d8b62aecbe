//! Drills of what was decided before a reload: once it is said to be live, nothing goes to whom it has removed.

use crate::drill::Setup;
use crate::drill_roster::{PEOPLE, POLICY, by_owner};

/// A person mends the role in the configuration and reloads; what was decided before goes to the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_nothing_is_handed_to_the_role_that_was_mended() {
    let world = r#"
name = "reload-acts"
seed = 42
[server]
list_scope = "everybody"
[[user]]
login = "ANN"
[[user]]
login = "BEN"
[[user]]
login = "LEFT"
status = "Disabled"
[[role]]
name = "WRONG DESK"
members = ["ANN"]
[[role]]
name = "RIGHT DESK"
members = ["BEN"]
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 4
prefix = "EMP"
owner = ["user:LEFT"]
task = [{ task = "Manual Grant" }]
"#;
    let mut drill = Setup::of(world)
        .config(POLICY)
        .config("fulfilment_roles = { \"*\" = \"WRONG DESK\" }")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "the role is wrong"]);
    drill.approve_backlog();
    drill.run_for("2m").await;
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    drill.write(
        "provtaskd.toml",
        &config.replace("WRONG DESK", "RIGHT DESK"),
    );
    drill.done(&["reload"]);
    drill.done(&["resume"]);
    drill.run_for("1h").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("role:WRONG DESK"), None, "{owners:?}");
}

/// The same where proxies are no stand-ins any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_without_proxies_nothing_is_handed_to_one() {
    let mut drill = Setup::of(PEOPLE)
        .config(POLICY)
        .config("[absence]\nuse_proxies = true")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "proxies are for approvals alone"]);
    drill.approve_backlog();
    drill.run_for("2m").await;
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    drill.write(
        "provtaskd.toml",
        &config.replace("use_proxies = true", "use_proxies = false"),
    );
    drill.done(&["reload"]);
    drill.done(&["resume"]);
    drill.run_for("1h").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("user:AWAY"), None, "{owners:?}");
}

/// The same of a file that names another stand-in by now: who reloads is told that it is live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_work_goes_to_whom_the_absence_file_names_now() {
    let world = PEOPLE.replace(
        "[[user]]\nlogin = \"OTHER\"",
        "[[user]]\nlogin = \"OTHER\"\n[[user]]\nlogin = \"THIRD\"",
    );
    let row = |to: &str| format!("login,from,to,stand_in\nLEFT,2027-02-20,,{to}\n");
    let mut drill = Setup::of(&world)
        .file("leave.csv", row("OTHER"))
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "it names the wrong one"]);
    drill.approve_backlog();
    drill.run_for("2m").await;
    drill.write("leave.csv", &row("THIRD"));
    drill.done(&["reload"]);
    drill.done(&["resume"]);
    drill.run_for("1h").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("user:OTHER"), None, "{owners:?}");
}

/// The same of the file alone: no reload says that it has changed, the next cycle reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_for_a_former_stand_in_does_not_go_to_him() {
    let world = PEOPLE.replace(
        "[[user]]\nlogin = \"OTHER\"",
        "[[user]]\nlogin = \"OTHER\"\n[[user]]\nlogin = \"THIRD\"",
    );
    let row = |to: &str| format!("login,from,to,stand_in\nLEFT,2027-02-20,,{to}\n");
    let mut drill = Setup::of(&world)
        .file("leave.csv", row("OTHER"))
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "it names the wrong one"]);
    drill.approve_backlog();
    drill.run_for("2m").await;
    drill.write("leave.csv", &row("THIRD"));
    drill.done(&["resume"]);
    drill.run_for("5m").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("user:OTHER"), None, "{owners:?}");
    assert!(owners.contains_key("user:THIRD"), "{owners:?}");
}

/// What a policy reads of the configuration is no part of a task: after a reload it is asked anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_of_business_hours_nothing_goes_by_the_former_ones() {
    let policy =
        "fn decide(task, facts) { if facts.now.business_hours { reassign(\"user:OTHER\") } }\n";
    let hours = "mon = \"00:00-24:00\"\ntue = \"00:00-24:00\"";
    let mut drill = Setup::of(PEOPLE)
        .file("policies/10-hand.rhai", policy)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config(POLICY)
        .config("dir = \"policies\"\n[schedule.business_hours]")
        .config(hours)
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "it is a holiday"]);
    drill.approve_backlog();
    drill.run_for("2m").await;
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    assert!(config.contains(hours), "{config}");
    let none = "sun = \"00:00-24:00\"";
    drill.write("provtaskd.toml", &config.replace(hours, none));
    drill.done(&["reload"]);
    drill.done(&["resume"]);
    drill.run_for("5m").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("user:OTHER"), None, "{owners:?}");
}
