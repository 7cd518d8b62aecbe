//! Drills of a server whose data were put back, whole processes: nothing is sent to tasks that only have an old id; judged by the simulator's journal.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

/// Eight tasks of a target that comes up later.
const RESTORED: &str = r#"
name = "restored"
seed = 47
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// Ids in the list of the world's tasks.
fn ids(drill: &Drill) -> Vec<u64> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let mut ids: Vec<u64> = tasks
        .iter()
        .filter_map(|task| task["id"].as_u64())
        .collect();
    ids.sort_unstable();
    ids
}

fn account_of(drill: &Drill, id: u64) -> Value {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let task = tasks.iter().find(|task| task["id"] == id);
    task.expect("a task")["process"].clone()
}

/// The daemon's PUTs to tasks from a row of the journal on.
fn sent_since(drill: &Drill, row: usize) -> Vec<Value> {
    let journal = drill.journal();
    let sent = journal[row..].iter().filter(|row| {
        row["method"] == "PUT"
            && row["path"]
                .as_str()
                .is_some_and(|p| p.contains("/provtasks"))
    });
    sent.cloned().collect()
}

fn world_item(drill: &Drill) -> Option<Value> {
    drill.inbox().into_iter().find(|item| item["id"] == "world")
}

/// A daemon that has tried some tasks, and the server's data put back to before that; two new tasks
/// have got the ids that two successors had.
async fn restored() -> (Drill, usize, [u64; 2]) {
    let mut drill = Setup::of(RESTORED).every("1m").enforcing().await;
    drill.act(json!({"backup": true})).await;
    let old = ids(&drill);
    drill.run_for("6m").await;
    let successors: Vec<u64> = ids(&drill)
        .into_iter()
        .filter(|id| !old.contains(id))
        .collect();
    assert!(successors.len() >= 2, "it tries: {successors:?}");
    let accounts = [successors[1], successors[0]].map(|id| account_of(&drill, id));
    drill.act(json!({"restore": true})).await;
    assert_eq!(ids(&drill), old);
    let mut reused = [0; 2];
    for (id, account) in reused.iter_mut().zip(&accounts) {
        let fresh = add_task(&drill.sim, account, "Telephone Updated").await;
        drill.act(json!({"task": fresh, "do": "reject"})).await;
        *id = fresh.parse().expect("a number");
    }
    assert_eq!(reused[..], successors[..2], "the ids are given out again");
    let then = drill.journal().len();
    (drill, then, reused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restored_database_nothing_is_sent_until_a_person_accepts_it() {
    let (mut drill, then, reused) = restored().await;
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.run_for("2h").await;
    assert_eq!(sent_since(&drill, then), Vec::<Value>::new());
    let item = world_item(&drill).expect("the inbox says why");
    let text = item["text"].as_str().expect("a text");
    assert!(text.contains(&format!("task {}", reused[0])), "{text}");
    assert!(
        text.contains(" then and ") && text.contains("account"),
        "{text}"
    );
    assert_eq!(item["can_approve"], true);
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["effective_mode"], "observe", "{status}");
    assert!(
        status["world"]
            .as_str()
            .is_some_and(|why| why.contains("other tasks"))
    );
    let said = |drill: &Drill| {
        drill
            .log()
            .matches("nothing is sent: this is another server")
            .count()
    };
    assert_eq!(said(&drill), 1, "once");
    // over a restart
    drill.kill_and_restart().await;
    drill.run_for("2h").await;
    assert_eq!(sent_since(&drill, then), Vec::<Value>::new());
    assert!(world_item(&drill).is_some());
    let plan = drill.done(&["plan", "--json"]);
    assert!(plan.contains("world_mismatch"), "{plan}");
    // a person accepts it: what is there now is a backlog that needs its own release
    drill.done(&["approve", "world", "--why", "restored from Monday's copy"]);
    drill.run_for("10m").await;
    assert_eq!(world_item(&drill), None);
    assert_eq!(sent_since(&drill, then), Vec::<Value>::new());
    // what was attempted before is told as what it is, not as something that was never seen
    let before = drill.json(&["outcomes", "list", "--json"]);
    let before = before
        .as_array()
        .and_then(|rows| rows.last())
        .expect("a row");
    let lineage = format!("L{}", before["lineage"]);
    for args in [
        ["outcomes", "show", &lineage],
        ["explain", &lineage, "--json"],
    ] {
        let said = drill.done(&args);
        assert!(
            said.contains("closed: a person has accepted"),
            "{args:?}: {said}"
        );
    }
    let id = before["task"].as_str().expect("its id");
    drill.done(&["outcomes", "show", id]);
    drill.approve_backlog();
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_nothing_to_accept_in_a_world_that_is_as_it_was() {
    let mut drill = Setup::of(RESTORED).every("1m").enforcing().await;
    let approved = drill.cli(&["approve", "world", "--why", "just so"]);
    assert_eq!(approved.status.code(), Some(65));
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_alarm_ends_by_a_word_once_the_lists_are_quiet_and_all_goes_on() {
    let mut drill = Setup::of(RESTORED).every("1m").enforcing().await;
    drill.run_for("6m").await;
    drill.done(&["pause", "--why", "the server is worked on"]);
    drill.run_for("30m").await;
    drill.act(json!({"backup": true})).await;
    let known = ids(&drill);
    let one = account_of(&drill, known[0]);
    let of_all = known.iter().map(|id| account_of(&drill, *id));
    let another = of_all.into_iter().find(|account| *account != one);
    let accounts = [one, another.expect("a second account")];
    let mut added = Vec::new();
    for account in &accounts {
        let fresh = add_task(&drill.sim, account, "Telephone Updated").await;
        drill.act(json!({"task": fresh, "do": "reject"})).await;
        // no whole quarter of an hour: that may be another zone
        drill.run_for("3h7m").await;
        added.push(fresh);
        if added.len() == 1 {
            drill.act(json!({"restore": true})).await;
            drill.act(json!({"backup": true})).await;
        }
    }
    assert_eq!(added[0], added[1], "another task under the id");
    let item = world_item(&drill).expect("the alarm");
    assert_eq!(
        (&item["can_approve"], &item["can_reject"]),
        (&json!(true), &json!(true))
    );
    let reject = ["reject", "world", "--why", "the copy was taken away again"];
    let refused = drill.cli(&reject);
    assert_eq!(refused.status.code(), Some(65));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("0 of 2") && said.contains(&format!("task {}", added[0])),
        "{said}"
    );
    drill.act(json!({"restore": true})).await;
    drill.run_for("3h").await;
    assert!(
        world_item(&drill).is_some(),
        "quiet lists alone end nothing"
    );
    let said = drill.done(&reject);
    assert!(
        said.contains("everything is paused, so nothing is sent"),
        "{said}"
    );
    assert!(!said.contains("sending goes on"), "{said}");
    assert_eq!(world_item(&drill), None);
    // up before anything is sent: a retry that fails would make a successor, under an id that the copy had used
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.done(&["resume"]);
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 8, "no release was needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_follows_its_server_to_another_address_by_a_word_and_keeps_what_it_knows() {
    let mut drill = Setup::of(RESTORED).every("1m").enforcing().await;
    drill.run_for("6m").await;
    let before = drill.json(&["outcomes", "list", "--json"]);
    drill.stop();
    let here = format!("{} as PROVSVC", drill.sim.origin());
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    let moved = config.replace("127.0.0.1", "localhost");
    assert_ne!(moved, config);
    drill.write("provtaskd.toml", &moved);
    let sent = drill.journal().len();
    let rebind = |drill: &Drill, from: &str| {
        let args = ["store", "rebind", "--from", from, "--why", "a new name"];
        let output = drill.cli(&args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    let (code, said) = rebind(&drill, "http://elsewhere as PROVSVC");
    assert_eq!(code, Some(65), "{said}");
    assert!(
        said.contains(&format!("belongs to {here}, not to")),
        "{said}"
    );
    // what is ordered now would go with the process, and what the store knows is not this server's
    let refused = |drill: &Drill, args: &[&str]| {
        let output = drill.cli(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(73), "{args:?}: {said}");
        assert!(
            said.contains("nothing was recorded") && said.contains(&here),
            "{said}"
        );
    };
    for running in [false, true] {
        refused(&drill, &["pause", "--why", "the server is moved"]);
        refused(&drill, &["outcomes", "list"]);
        refused(&drill, &["baseline", "show"]);
        refused(&drill, &["inbox"]);
        refused(&drill, &["explain", "L1"]);
        let status = drill.done(&["status"]);
        assert!(status.starts_with("ANOTHER WORLD: the store"), "{status}");
        if !running {
            drill.daemon();
            drill.run_for("10m").await;
        }
    }
    let (code, said) = rebind(&drill, &here);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("provtaskd stop"), "{said}");
    drill.stop();
    let (code, said) = rebind(&drill, &here);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = rebind(&drill, &here);
    assert_eq!(code, Some(65), "once is enough: {said}");
    drill.daemon();
    drill.run_for("10m").await;
    assert_eq!(
        sent_since(&drill, sent),
        [] as [Value; 0],
        "nobody has looked yet"
    );
    assert!(world_item(&drill).is_some());
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["effective_mode"], "observe");
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("read");
    let observing = config.replace("global = \"enforce\"", "global = \"observe\"");
    drill.write("provtaskd.toml", &observing);
    drill.done(&["reload"]);
    let said = drill.done(&["reject", "world", "--why", "it is the same server"]);
    assert!(
        said.contains("the mode is observe, so nothing is sent"),
        "{said}"
    );
    assert!(!said.contains("sending goes on"), "{said}");
    drill.write("provtaskd.toml", &config);
    drill.done(&["reload"]);
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.run_for("24h").await;
    let after = drill.json(&["outcomes", "list", "--json"]);
    let rows = |of: &Value| {
        of["rows"]
            .as_array()
            .map(Vec::len)
            .or(of.as_array().map(Vec::len))
    };
    assert!(rows(&before) > Some(0) && rows(&after) > rows(&before));
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 8, "no release was needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_under_the_same_login_sends_nothing_while_the_first_one_runs() {
    let mut drill = Setup::of(RESTORED).scaled(600.0).start().await;
    drill.daemon();
    let up = |drill: &Drill| drill.store().join("control.sock").exists();
    drill.until("the first one runs", up).await;
    let first = drill.json(&["status", "--json"])["pid"].clone();
    // with a store of its own, of which the first one knows nothing
    let once = |drill: &Drill| {
        let output = drill.cli(&["--store", "second", "run", "--once"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = once(&drill);
    assert_eq!(code, Some(73), "{said}");
    assert!(
        said.contains(&format!("another provtaskd (process {first} of user")),
        "{said}"
    );
    // under any other name of this machine
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    for name in ["localhost", "LOCALHOST"] {
        drill.write("other.toml", &config.replacen("127.0.0.1", name, 1));
        let line = [
            "--config",
            "other.toml",
            "--store",
            "third",
            "run",
            "--once",
        ];
        let output = drill.cli(&line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(73), "{name}: {said}");
        assert!(
            said.contains("another provtaskd (process"),
            "{name}: {said}"
        );
    }
    drill.stop();
    let (code, said) = once(&drill);
    assert_eq!(code, Some(0), "{said}");
    drill.daemon();
    drill.until("the first one runs again", up).await;
    drill.judge_leaving(8).await;
}
