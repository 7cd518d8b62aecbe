//! Whole-process drills of a person's word and of what is told: a no stands for the work, and nothing is told as done that was not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_roster::{PEOPLE, POLICY, by_owner};

/// A person has said no to hand-overs over the cap; OIG's own job then retries some of them, which gives them new ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_to_hand_overs_outlives_a_new_id() {
    let world = r#"
name = "word-no"
seed = 35
[server]
list_scope = "everybody"
[[user]]
login = "OTHER"
[[user]]
login = "OWNER"
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 3
prefix = "EMP"
owner = ["user:OWNER"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let policy =
        "fn decide(task, facts) { if task.owner != \"user:OTHER\" { reassign(\"user:OTHER\") } }\n";
    let mut drill = Setup::of(world)
        .file("policies/10-hand.rhai", policy)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"\n[governor]\ncap_reassigns = 2")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let held: Vec<Value> = drill
        .inbox()
        .into_iter()
        .filter(|i| i["why"] == "cap_held")
        .collect();
    assert_eq!(held.len(), 1, "{:#?}", drill.inbox());
    let id = held[0]["id"].as_str().expect("an id").to_owned();
    drill.done(&["reject", &id, "--why", "nobody hands these over"]);
    drill.run_for("1h").await;
    let given = |drill: &Drill| {
        let journal = drill.journal();
        let puts = journal.iter().filter(|row| row["class"] == "put");
        puts.flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default())
            .filter(|item| item["action"] == "reassign")
            .count()
    };
    assert_eq!(given(&drill), 0, "a no is a no");
    let ids: Vec<u64> = drill.truth()["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|task| task["status"] == "R")
        .filter_map(|task| task["id"].as_u64())
        .take(2)
        .collect();
    for id in ids {
        drill
            .act(serde_json::json!({ "task": id.to_string(), "do": "retry" }))
            .await;
    }
    drill.run_for("3h").await;
    let sent = given(&drill);
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    assert_eq!(
        sent, 0,
        "handed over although a person has said no: {inbox:#?}"
    );
}

/// A person's no stands for the work, whatever the policy set's hash is by then (and the cap, which was raised).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_to_hand_overs_outlives_a_comment_in_a_policy() {
    let world = r#"
name = "word-no-2"
seed = 41
[server]
list_scope = "everybody"
[[user]]
login = "OTHER"
[[user]]
login = "OWNER"
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 3
prefix = "EMP"
owner = ["user:OWNER"]
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let policy =
        "fn decide(task, facts) { if task.owner != \"user:OTHER\" { reassign(\"user:OTHER\") } }\n";
    let mut drill = Setup::of(world)
        .file("policies/10-hand.rhai", policy)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"\n[governor]\ncap_reassigns = 2")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let held: Vec<Value> = drill
        .inbox()
        .into_iter()
        .filter(|i| i["why"] == "cap_held")
        .collect();
    let id = held[0]["id"].as_str().expect("an id").to_owned();
    drill.done(&["reject", &id, "--why", "nobody hands these over"]);
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    drill.write("policies/10-hand.rhai", &format!("// a word\n{policy}"));
    drill.write(
        "provtaskd.toml",
        &config.replace("cap_reassigns = 2", "cap_reassigns = 3"),
    );
    drill.done(&["reload"]);
    drill.release();
    drill.run_for("3h").await;
    let journal = drill.journal();
    let sent = journal
        .iter()
        .filter(|row| row["class"] == "put")
        .flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default())
        .filter(|item| item["action"] == "reassign")
        .count();
    drill.judged_elsewhere();
    assert_eq!(sent, 0, "handed over although a person has said no");
}

/// What waits for a person is what the live set of policies wants, once; a yes to another set's is none, and a no holds for
/// both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_is_for_the_live_set_of_policies_and_asks_for_a_no_to_the_same_work() {
    let world = PEOPLE
        .replace(
            "login = \"LEFT\"\nstatus = \"Disabled\"",
            "login = \"LEFT\"",
        )
        .replace("connector = \"ticket\"", "state = \"down\"")
        .replace(
            "task = \"Manual Grant\"",
            "task = \"Telephone Updated\", failure = \"network\"",
        );
    let policy =
        "fn decide(task, facts) { if task.owner != \"user:OTHER\" { reassign(\"user:OTHER\") } }\n";
    let mut drill = Setup::of(&world)
        .file("policies/10-hand.rhai", policy)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"\n[governor]\ncap_reassigns = 2")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let held = |drill: &Drill| -> Vec<String> {
        let inbox = drill.inbox().into_iter();
        let of = inbox.filter(|item| item["why"] == "cap_held");
        of.map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let said = |drill: &Drill, args: &[&str]| {
        let out = drill.cli(args);
        let all = [out.stdout, out.stderr].concat();
        (
            out.status.code(),
            String::from_utf8_lossy(&all).into_owned(),
        )
    };
    let first = held(&drill);
    assert_eq!(first.len(), 1);
    drill.write("policies/10-hand.rhai", &format!("// a word\n{policy}"));
    let (_, told) = said(&drill, &["reload"]);
    assert!(
        told.contains("nothing is sent") && told.contains("policy release"),
        "{told}"
    );
    assert_eq!(held(&drill), Vec::<String>::new(), "another set's");
    drill.release();
    drill.run_for("1h").await;
    let second = held(&drill);
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(first, second);
    let (code, told) = said(
        &drill,
        &["approve", &first[0], "--why", "from the scrollback"],
    );
    assert_eq!(code, Some(65), "{told}");
    drill.done(&["reject", &second[0], "--why", "nobody hands these over"]);
    drill.write("policies/10-hand.rhai", &format!("// another\n{policy}"));
    drill.done(&["reload"]);
    drill.release();
    drill.run_for("1h").await;
    assert_eq!(held(&drill), Vec::<String>::new(), "it was answered");
    // a hold of the live set that is about rejected work asks for that no
    drill.write("policies/10-hand.rhai", &format!("// a word\n{policy}"));
    drill.done(&["reload"]);
    drill.run_for("1h").await;
    let (code, told) = said(&drill, &["approve", &second[0], "--why", "second admin"]);
    assert_eq!(code, Some(65), "{told}");
    assert!(
        told.contains("despite-rejection") && told.contains(&second[0]),
        "{told}"
    );
    let given = by_owner(&drill);
    drill.done(&[
        "approve",
        &second[0],
        "--despite-rejection",
        "--why",
        "CHG-2",
    ]);
    drill.run_for("2h").await;
    let after = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(given.get("user:OTHER"), None, "{given:?}");
    assert_eq!(after.get("user:OTHER"), Some(&6), "{after:?}");
}

/// A hand-over that was not carried out is none because somebody did the work meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_that_never_came_about_is_not_told_as_done() {
    let mut drill = Setup::of(PEOPLE).config(POLICY).start().await;
    let fault =
        serde_json::json!({"fault": {"do": "html500", "on": "put", "at": [1, 2, 3, 4, 5, 6]}});
    drill.act(fault).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let put = |drill: &Drill| drill.journal().iter().any(|row| row["class"] == "put");
    drill.run_until_or_rest("10m", put).await;
    let ids: Vec<u64> = drill.truth()["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter_map(|task| task["id"].as_u64())
        .collect();
    for id in ids {
        drill
            .act(serde_json::json!({ "task": id.to_string(), "do": "complete" }))
            .await;
    }
    drill.run_for("6h").await;
    let rows = drill.json(&["outcomes", "list", "--limit", "1000", "--json"]);
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(
        owners.get("user:LEFT"),
        Some(&6),
        "nobody was handed anything: {owners:?}"
    );
    let rows = rows.as_array().expect("rows");
    assert!(!rows.is_empty());
    let told: Vec<&Value> = rows
        .iter()
        .filter(|row| row["state"] == "completed")
        .collect();
    assert!(told.is_empty(), "told as completed: {told:#?}");
}

/// The counters of /metrics are what the store says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_the_store_holds() {
    let mut drill = Setup::of(crate::drill_ops::STEADY).start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("its address");
    drop(free);
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    drill.write(
        "provtaskd.toml",
        &config.replace("listen = \"off\"", &format!("listen = \"{at}\"")),
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let text = reqwest::get(format!("http://{at}/metrics"))
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let mut metrics: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("attempts_total{")) {
        let state = line
            .split("state=\"")
            .nth(1)
            .and_then(|s| s.split('"').next());
        let number: f64 = line
            .rsplit(' ')
            .next()
            .expect("n")
            .parse()
            .expect("a number");
        *metrics
            .entry(state.expect("a state").to_owned())
            .or_default() += number as u64;
    }
    let mut store: BTreeMap<String, u64> = BTreeMap::new();
    for row in drill
        .json(&["outcomes", "list", "--limit", "100000", "--json"])
        .as_array()
        .expect("rows")
    {
        *store
            .entry(row["state"].as_str().expect("a state").to_owned())
            .or_default() += 1;
    }
    let evidence = (text.clone(), drill.count("healed"));
    drill.judged_elsewhere();
    for state in [
        "completed",
        "bounced",
        "refused",
        "not_applied",
        "gone",
        "superseded",
        "unsent",
    ] {
        assert_eq!(
            metrics.get(state),
            store.get(state),
            "{state}: {metrics:?} {store:?} healed {}",
            evidence.1
        );
    }
}
