//! Drills of what can't be read at first, whole processes: it goes on by itself once it can be.

use serde_json::Value;

use crate::drill::{Drill, Setup};

/// Accounts that are only being made show nothing finished, and whoever sees others is stopped.
const MADE: &str = r#"
name = "made"
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
name = "HR"
[[population]]
target = "AD"
accounts = 10
task = [{ task = "Create User", failure = "network" }]
[[population]]
target = "HR"
accounts = 4
owner = ["role:SECOND LINE"]
task = [{ task = "Add User to Group", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_read_goes_on_once_a_login_is_back() {
    let second = "[[login]]\nlogin = \"SECOND\"\npassword_file = \"second\"\n";
    let mut drill = Setup::of(MADE).config(second).start().await;
    drill.write_secret("second", "mistyped");
    drill.expect.wrong_secrets = 1;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    // asked for in vain again and again, ever later
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 0);
    let waits = |drill: &Drill| {
        let inbox = drill.inbox();
        let mut waiting = inbox.iter().filter(|item| item["why"] == "account_unknown");
        waiting.next().map(|item| item["count"].clone())
    };
    assert_eq!(waits(&drill), Some(Value::from(10)), "{:#?}", drill.inbox());
    drill.write_secret("second", "sim-password-2");
    drill.run_for("45m").await;
    assert_eq!(waits(&drill), None, "{:#?}", drill.inbox());
    let healed = drill.count("healed");
    assert_eq!(healed, 10, "{:#?}", drill.inbox());
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 14);
    drill.judge().await;
}
