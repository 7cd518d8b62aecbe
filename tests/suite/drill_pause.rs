//! Drills of pauses, whole processes: what was confirmed as paused must never be sent, whatever way its name was written.

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const GROUPS: &str = r#"
name = "groups"
seed = 21
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 6
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// A daemon that has read the list and would send as soon as the backlog is released.
async fn ready() -> Drill {
    let mut drill = Setup::of(GROUPS).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
}

fn pauses(drill: &Drill) -> Vec<Value> {
    let status = drill.json(&["status", "--json"]);
    status["pauses"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_is_paused_and_resumed_however_its_name_is_written() {
    let mut drill = ready().await;
    let said = drill.done(&["pause", "--target", "ad", "--why", "a change"]);
    assert!(said.contains("paused target AD"), "{said}");
    let narrow = ["--target", "Ad", "--action", "retry"];
    let said = drill.done(&[&["pause", "--why", "a change"], &narrow[..]].concat());
    assert!(
        said.contains("retry on target AD") || said.contains("retry on AD"),
        "{said}"
    );
    drill.done(&["approve", "baseline:ad", "--why", "the drill's backlog"]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("effects"), 0, "paused");
    drill.done(&[&["resume"], &narrow[..]].concat());
    drill.done(&["resume", "--target", "aD"]);
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    let listed = drill.json(&["outcomes", "list", "--target", "ad", "--json"]);
    assert_eq!(listed, drill.json(&["outcomes", "list", "--json"]));
    assert_ne!(listed, serde_json::json!([]));
    // an admin knows the definition by its name and not by its key
    assert_eq!(listed[0]["name"], "Add User to Group", "{listed}");
    let planned = drill.json(&["plan", "--target", "ad", "--json"]);
    let all = drill.json(&["plan", "--json"]);
    assert_eq!(planned["items"], all["items"]);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_what_was_never_seen_is_refused_unless_it_is_meant() {
    let mut drill = ready().await;
    for scope in [
        ["--target", "NOSUCH"],
        ["--task", "999"],
        ["--account", "999"],
        ["--definition", "AD/No Such"],
    ] {
        let args = [&["pause", "--why", "x"], &scope[..]].concat();
        let args = ["pause", "--target", &long, "--unseen", "--why", &long];
    let (code, said) = failed(&drill, &args);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("fewer words"), "{said}");
    assert_eq!(pauses(&drill), Vec::<Value>::new());
    drill.run_for("20m").await;
    drill.judge().await;
}
