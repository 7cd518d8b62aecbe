//! A drill of two daemons on different machines, whole processes: the later one learns from the server alone that its login is used by another, and holds sending; judged by the simulator's journal.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::drill::{Drill, Setup, claims};
use crate::naive::add_task;

const WORLD: &str = r#"
name = "two machines"
seed = 91
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 24
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// A daemon with a store of its own, to whose kernel the first one is unknown: the server has another name there.
struct Second {
    child: Child,
}

impl Second {
    fn start(drill: &Drill) -> Self {
        let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml"));
        let config = config.expect("a configuration");
        let config = config
            .replace("127.0.0.1", "localhost")
            .replace("dir = \"store\"", "dir = \"second\"");
        drill.write("second.toml", &config);
        let hash = Self::json(drill, &["status", "--json"])["policy_hash"].clone();
        let hash = hash.as_str().expect("a policy set");
        let person = ["policy", "release", hash, "--person", "B", "--word", "D-2"];
        Self::done(drill, &person);
        let log = File::create(drill.dir.path().join("second.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(["--config", "second.toml", "run"])
            .current_dir(drill.dir.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self { child }
    }

    fn done(drill: &Drill, args: &[&str]) -> String {
        drill.done(&[&["--config", "second.toml"], args].concat())
    }

    fn json(drill: &Drill, args: &[&str]) -> Value {
        serde_json::from_str(&Self::done(drill, args)).expect("JSON")
    }

    fn status(drill: &Drill) -> Value {
        Self::json(drill, &["status", "--json"])
    }

    fn inbox(drill: &Drill) -> Vec<Value> {
        let inbox = Self::json(drill, &["inbox", "--json"]);
        inbox.as_array().cloned().unwrap_or_default()
    }

    fn is_up(drill: &Drill) -> bool {
        drill.dir.path().join("second/control.sock").exists()
    }

    /// Lets it look at the server a few times more.
    async fn cycles(drill: &mut Drill, many: usize) {
        for _ in 0..many {
            let before = Self::status(drill)["last_cycle"].clone();
            let moved = |drill: &Drill| Self::status(drill)["last_cycle"] != before;
            drill.until("another cycle of the second one", moved).await;
        }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_reads_acts_of_another_under_its_login_sends_nothing_until_a_person_resumes()
{
    let mut drill = Setup::of(WORLD).scaled(600.0).every("2m").start().await;
    drill.release();
    drill.daemon();
    let waits = |drill: &Drill| {
        drill.store().join("control.sock").exists()
            && drill.inbox().iter().any(|item| item["why"] == "baseline")
    };
    drill.until("the first one has its backlog", waits).await;
    let second = Second::start(&drill);
    drill.until("the second one runs", Second::is_up).await;
    let watches = |drill: &Drill| Second::status(drill)["another"]["not_watched"].is_null();
    drill.until("the second one watches", watches).await;
    Second::cycles(&mut drill, 2).await;
    // OIG's own retry, or an admin's, is no other client
    let first = drill.truth()["tasks"][0]["id"].clone();
    drill
        .act(json!({"do": "retry", "task": first.to_string()}))
        .await;
    Second::cycles(&mut drill, 3).await;
    let status = Second::status(&drill);
    assert_eq!(status["another"]["acts"], 0, "{status:#}");
    assert_eq!(status["pauses"], json!([]), "{status:#}");

    // what the first one sends is
    drill.approve_backlog();
    let held = |drill: &Drill| Second::status(drill)["pauses"] != json!([]);
    drill.until("the second one holds", held).await;
    let status = Second::status(&drill);
    let read = status["another"]["last"].as_str().expect("what was read");
    assert!(
        read.starts_with("task ")
            && read.ends_with("was read as unsuccessfully_completed by PROVSVC"),
        "{read}"
    );
    let items = Second::inbox(&drill);
    let item = items.iter().find(|item| item["id"] == "another");
    let text = item
        .and_then(|item| item["text"].as_str())
        .expect("an item");
    assert!(
        text.contains(read) && text.contains("`provtaskd resume`"),
        "{text}"
    );
    let log = std::fs::read_to_string(drill.dir.path().join("second.log")).expect("a log");
    assert!(
        log.contains("sending is paused: somebody else acts under this login"),
        "{log}"
    );
    let shown = Second::done(&drill, &["status"]);
    assert!(shown.contains("another client: "), "{shown}");

    // it has work of its own now, and leaves it
    let own = drill.json(&["status", "--json"]);
    assert_eq!(
        own["another"]["acts"], 0,
        "the first one sees nobody: {own:#}"
    );
    drill.done(&["pause", "--why", "one at a time"]);
    let account = drill.truth()["tasks"][0]["process"].clone();
    let fresh = add_task(&drill.sim, &account, "Telephone Updated").await;
    drill.act(json!({"task": fresh, "do": "reject"})).await;
    Second::cycles(&mut drill, 4).await;
    let sent = Second::json(&drill, &["outcomes", "list", "--json"]);
    assert_eq!(sent, json!([]), "nothing is sent");
    Second::done(&drill, &["resume"]);
    let acts = |drill: &Drill| Second::json(drill, &["outcomes", "list", "--json"]) != json!([]);
    drill.until("it acts by a person's word", acts).await;
    assert!(
        Second::inbox(&drill)
            .iter()
            .all(|item| item["id"] != "another")
    );
    let done = |drill: &Drill| {
        let rows = Second::json(drill, &["outcomes", "list", "--json"]);
        rows[0]["state"] == "completed"
    };
    drill.until("its retry was read", done).await;
    let theirs = claims(&drill.dir.path().join("second/control.sock")).await;
    Second::done(&drill, &["stop"]);
    drop(second);
    let own = drill.json(&["status", "--json"]);
    assert_eq!(own["another"]["acts"], 0, "{own:#}");
    drill.done(&["resume"]);
    drill
        .until("all is healed", |drill| drill.count("healable_open") == 0)
        .await;
    drill.judge_with(theirs).await;
}
