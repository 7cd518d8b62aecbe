//! Drills of the first cycle after a start, whole processes: it says how far it is, asserts nothing that nobody has read, and one that is ended again and again still comes to something.

use serde_json::Value;

use crate::drill::{Drill, Setup};

/// More pages than one minute's budget of readings.
const MANY: &str = r#"
name = "many"
seed = 29
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 100
task = [{ task = "Add User to Group", failure = "network" }]
"#;

fn status(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_cycle_that_takes_long_says_how_far_it_is() {
    let mut drill = Setup::of(MANY)
        .server("page_size = 2\nreads_per_minute = 20")
        .start()
        .await;
    drill.release();
    let none = drill.done(&["baseline", "show"]);
    assert!(none.contains("no cycle has come to its end"), "{none}");
    drill.daemon();
    drill.run_for("1m").await;
    let told = status(&drill);
    assert!(told["last_cycle"].is_null(), "{told:#}");
    let pages = told["cycle"]["pages"].as_u64().expect("a count");
    assert!(pages > 1, "{:#}", told["cycle"]);
    assert_eq!(told["login_state"]["login"], "good", "{told:#}");
    assert!(told["tasks_visible"].is_null(), "{told:#}");
    let shown = drill.done(&["status"]);
    for words in [
        "the first cycle is under way since",
        &format!("{pages} pages of lists read so far"),
        "nothing is decided yet",
    ] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(words), "`{words}`: {shown}");
    }
    assert!(!shown.contains("not tried"), "{shown}");
    let shown = drill.done(&["inbox"]);
    let words = ["the first cycle is under way since", "what it will ask"];
    assert!(words.iter().all(|words| shown.contains(words)), "{shown}");
    assert!(!shown.contains("nothing waits"), "{shown}");
    let shown = drill.done(&["baseline", "show"]);
    assert!(!shown.contains("never on"), "{shown}");
    assert!(
        shown.contains("enforce is on, and the first cycle is under way"),
        "{shown}"
    );
    drill.run_for("30m").await;
    let told = status(&drill);
    assert_eq!(told["tasks_visible"], 100, "{told:#}");
    assert!(told["cycle"].is_null() || told["cycle"]["pages"].is_u64());
    // what would have been thrown away was not read
    let reads = drill.journal();
    let accounts = reads.iter().filter(|row| {
        let path = row["path"].as_str().unwrap_or_default();
        path.contains("/users") || path.contains("/provprocess")
    });
    assert_eq!(accounts.count(), 0, "nothing can be sent before a release");
    drill.judge_leaving(100).await;
}

/// Each life of the daemon is shorter than what a cycle may read for the guards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_again_and_again_comes_on_all_the_same() {
    let mut drill = Setup::of(MANY)
        .server("reads_per_minute = 60")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("5m").await;
    drill.approve_backlog();
    let mut healed = Vec::new();
    for _ in 0..12 {
        drill.kill_and_restart().await;
        drill.run_for("2m").await;
        healed.push(drill.count("healed"));
    }
    assert!(
        healed.last() > healed.first() && healed.last() > Some(&5),
        "{healed:?}"
    );
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 100);
    drill.judge().await;
}

/// Accounts that are only being made show nothing finished and no status, and whoever sees others, which are older, is
/// stopped.
const MADE: &str = r#"
name = "made"
seed = 71
[traits]
accounts_no_status = true
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
age = "2d"
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
