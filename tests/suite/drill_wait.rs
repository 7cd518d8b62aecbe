//! Drills of the reason that a person sees for a task that waits, whole processes: what forbids it as such stands before what time lifts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Tasks that a policy wants to retry in three days.
const YOUNG: &str = r#"
name = "young"
seed = 31
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
age = "1h"
task = [{ task = "Telephone Updated", failure = "lock" }]
"#;

const LATER: &str =
    "fn decide(task, facts) {\n    if task.status == \"rejected\" { retry().after(\"3d\") }\n}\n";

fn later() -> Setup {
    Setup::of(YOUNG)
        .file("policies/10-later.rhai", LATER)
        .config("[policy]\ndir = \"policies\"")
}

/// The reasons of every item, as `plan` shows them.
fn reasons(drill: &Drill) -> BTreeSet<Vec<String>> {
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items");
    assert_eq!(items.len(), 4, "{plan:#}");
    let reason = |refusal: &Value| refusal["reason"].as_str().expect("a word").to_owned();
    let of = |item: &Value| {
        let refusals = item["refusals"].as_array().expect("refusals");
        refusals.iter().map(reason).collect()
    };
    items.iter().map(of).collect()
}

fn not_done(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])["refusals"].clone()
}

fn list(words: &[&str]) -> BTreeSet<Vec<String>> {
    BTreeSet::from([words.iter().map(|word| (*word).to_owned()).collect()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreleased_set_and_a_mode_are_named_before_the_time() {
    let mut drill = later().start().await;
    drill.daemon();
    drill.run_for("10m").await;
    assert_eq!(
        reasons(&drill),
        list(&["policy_not_released", "not_due_yet"])
    );
    assert_eq!(not_done(&drill), json!([["policy_not_released", 4]]));
    let shown = drill.done(&["plan"]);
    let at = |word: &str| {
        shown
            .find(word)
            .unwrap_or_else(|| panic!("{word}: {shown}"))
    };
    assert!(at("policy_not_released") < at("not_due_yet"), "{shown}");

    // released, but the mode of the action says observe
    drill.release();
    drill.run_for("10m").await;
    drill.approve_backlog();
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("there");
    let observe = config.replace(
        "global = \"enforce\"",
        "global = \"enforce\"\nactions = { retry = \"observe\" }",
    );
    drill.write("provtaskd.toml", &observe);
    drill.done(&["reload"]);
    drill.run_for("10m").await;
    assert_eq!(reasons(&drill), list(&["mode_observe", "not_due_yet"]));
    assert_eq!(not_done(&drill), json!([["mode_observe", 4]]));

    // and with nothing forbidden only the time is left
    drill.write("provtaskd.toml", &config);
    drill.done(&["reload"]);
    drill.run_for("10m").await;
    assert_eq!(reasons(&drill), list(&["not_due_yet"]));
    assert_eq!(not_done(&drill), json!([["not_due_yet", 4]]));
    drill.judge_leaving(4).await;
}

/// The first road of a real server: enforce is configured, and an action has to wait until what it rests on was probed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_enforced_before_what_it_rests_on_was_probed() {
    let world = YOUNG.replace("lock", "network");
    let mut drill = Setup::of(&world)
        .server("require_probe = true")
        .scaled(600.0)
        .config("[guard]\nfact_age = \"1h\"")
        .enforcing_in_real_time()
        .await;
    let puts = |drill: &Drill| {
        let journal = drill.journal();
        let puts = journal.iter().filter(|row| row["method"] == "PUT");
        puts.count()
    };
    let why = |drill: &Drill| {
        let status = drill.json(&["status", "--json"]);
        (
            status["mode_why"].to_string(),
            status["effective_mode"].clone(),
        )
    };
    let refused = |drill: &Drill| not_done(drill)[0][0] == "not_probed";
    drill.until("the retries wait for a probe", refused).await;
    let (words, effective) = why(&drill);
    assert_eq!(effective, "observe");
    assert!(
        words.contains("nothing of this server was probed"),
        "{words}"
    );
    let id = drill.json(&["plan", "--json"])["items"][0]["task"]
        .as_str()
        .expect("an id")
        .to_owned();
    // what a retry teaches would be lost, so that it is not sent in vain
    let one = ["probe", "--retry-one", &id, "--yes-retry", &id];
    let output = drill.cli(&one);
    assert_eq!(output.status.code(), Some(65));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("run `provtaskd probe` first"), "{said}");
    let shown = drill.done(&["probe"]);
    assert!(shown.contains("WHAT THE DAEMON MAY ENFORCE"), "{shown}");
    drill
        .until("the daemon knows what was probed", |drill| {
            why(drill)
                .0
                .contains("how a task's work goes on after a retry")
        })
        .await;
    assert_eq!(why(&drill).1, "enforce");
    drill.until("retries still wait", refused).await;
    assert_eq!(puts(&drill), 0);
    // one retry with consent teaches the rest, and the other three follow by themselves
    let shown = drill.done(&one);
    assert!(shown.contains("state      completed"), "{shown}");
    let healed = |drill: &Drill| drill.count("healed") == 4;
    drill.until("all have healed", healed).await;
    assert!(!why(&drill).0.contains("retry"), "{}", why(&drill).0);
    drill.judge().await;
}

/// A cycle sees nothing that it may send itself, and knows nothing of the order: it was the person's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_a_person_has_ordered_is_not_taken_back_by_cycles_that_run_meanwhile() {
    let now = "fn decide(task, facts) { if task.status == \"rejected\" { retry() } }\n";
    let mut drill = Setup::of(YOUNG)
        .scaled(600.0)
        .every("2m")
        .file("policies/10-now.rhai", now)
        .config("[policy]\ndir = \"policies\"\n[delivery]\nreread_after = \"1s\"\n[guard]\nfact_age = \"1h\"")
        .start()
        .await;
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml"));
    let config = config.expect("a configuration");
    let often = config.replace("every = \"2m\"", "every = \"2m\"\nat_most = \"2m\"");
    drill.write("provtaskd.toml", &often);
    drill.done(&["probe"]);
    drill.daemon();
    let cycles = |drill: &Drill| drill.log().matches("cycle done").count();
    drill.until("it reads", |drill| cycles(drill) > 1).await;
    // the task is read once more before its claim, and that takes longer than some cycles
    let slow = json!({"do": "hang", "on": "read", "probability": 1.0, "ms": 900});
    drill.act(json!({ "fault": slow })).await;
    let plan = drill.json(&["plan", "--json"]);
    let id = plan["items"][0]["task"].as_str().expect("an id");
    let before = cycles(&drill);
    let shown = drill.done(&[
        "probe",
        "--retry-one",
        id,
        "--yes-retry",
        id,
        "--wait",
        "1m",
    ]);
    assert!(shown.contains("state      completed"), "{shown}");
    let sent = drill.log().find(" INFO sent ").expect("it was sent");
    let meanwhile = drill.log()[..sent].matches("cycle done").count();
    assert!(meanwhile > before + 1, "{}", drill.log());
    assert!(!drill.log().contains("withdrawn"), "{}", drill.log());
    assert_eq!(drill.count("healed"), 1);
    drill.judge_leaving(3).await;
}
