//! Whole-process drills of the road's later steps: what came while a target was only observed, or an action not probed, is old backlog by the time that it is enforced (invariant 11).

use std::fs;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

const WORLD: &str = r#"
name = "observed"
seed = 23
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 4
prefix = "LATE"
task = [{ task = "Telephone Updated", failure = "network", age = "-90s" }]
"#;

/// Ids of the tasks of those who come later: hidden until then, and dated after the first enforce.
fn late(drill: &Drill) -> Vec<String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let late = tasks.filter(|task| {
        let person = task["beneficiary"].as_str().unwrap_or_default();
        person.starts_with("LATE")
    });
    late.map(|task| task["id"].to_string().trim_matches('"').to_owned())
        .collect()
}

async fn each(drill: &Drill, ids: &[String], what: &str) {
    for id in ids {
        drill.act(json!({ "task": id, "do": what })).await;
    }
}

/// Tasks that wait in the old backlog of a target, and those with which something is wanted.
fn waiting(drill: &Drill, target: &str) -> (u64, u64) {
    let shown = drill.json(&["baseline", "show", "--json"]);
    let mut rows = shown["rows"].as_array().expect("rows").iter();
    let row = rows.find(|row| row["target"] == target);
    let count = |key: &str| row.map_or(0, |row| row[key].as_u64().expect("a count"));
    (count("tasks"), count("wanted"))
}

fn sent_to(drill: &Drill, target: &str) -> usize {
    let outcomes = drill.json(&["outcomes", "list", "--json"]);
    let rows = outcomes.as_array().or(outcomes["rows"].as_array());
    let rows = rows.expect("rows").iter();
    rows.filter(|row| row["target"] == target).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_a_target_was_only_observed_waits_when_it_is_enforced() {
    let setup = Setup::of(WORLD).config("[mode.targets]\nsap = \"observe\"\n");
    let mut drill = setup.start().await;
    let late = late(&drill);
    assert_eq!(late.len(), 4);
    each(&drill, &late, "hide").await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    assert_eq!(drill.count("healed"), 2, "those of AD");
    each(&drill, &late[..3], "show").await;
    drill.run_for("1h").await;
    assert_eq!(sent_to(&drill, "SAP"), 0, "it is only observed");
    assert_eq!(waiting(&drill, "SAP").0, 3);

    let path = drill.dir.path().join("provtaskd.toml");
    let observed = fs::read_to_string(&path).expect("its configuration");
    let enforced = observed.replace("sap = \"observe\"", "sap = \"enforce\"");
    assert_ne!(enforced, observed);
    drill.write("provtaskd.toml", &enforced);
    drill.done(&["reload"]);
    drill.run_for("2h").await;
    assert_eq!(drill.count("healed"), 5, "what a person had released");
    let held = |drill: &Drill| {
        let inbox = drill.inbox().into_iter();
        let mut of = inbox.filter(|item| item["id"] == "baseline:SAP");
        of.next()
            .map_or(0, |item| item["count"].as_u64().expect("a count"))
    };
    assert_eq!(held(&drill), 3, "{:#?}", drill.inbox());
    assert_eq!(waiting(&drill, "SAP"), (3, 3));
    // what fails from now on is new
    each(&drill, &late[3..], "show").await;
    drill.run_for("2h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.kill_and_restart().await;
    drill.run_for("2h").await;
    assert_eq!((drill.count("healed"), held(&drill)), (6, 3));
    let told = drill.done(&["outcomes", "show", &late[0]]);
    assert!(told.contains("only observed"), "{told}");

    // observed once more, for work at the target: what was attempted or released goes on afterwards
    drill.write("provtaskd.toml", &observed);
    drill.done(&["reload"]);
    drill.approve_backlog();
    drill.run_for("1h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.write("provtaskd.toml", &enforced);
    drill.done(&["reload"]);
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_an_action_was_not_probed_waits_when_it_is_enforced() {
    let setup = Setup::of(WORLD).server("require_probe = true");
    let mut drill = setup.start().await;
    let late = late(&drill);
    each(&drill, &late, "hide").await;
    drill.release();
    drill.done(&["probe"]);
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    each(&drill, &late[..3], "show").await;
    drill.run_for("1h").await;
    assert_eq!(drill.count("effects"), 0);
    let file = drill.store().join("traits.json");
    let text = fs::read_to_string(&file).expect("written");
    let mut traits: Value = serde_json::from_str(&text).expect("JSON");
    traits["retry"] = json!({
        "lineage": "successor with link", "answered_ms": 4, "answers": 1, "settled_secs": 9, "outcome": "completed",
    });
    fs::write(&file, traits.to_string()).expect("written");
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 5, "what a person had released");
    assert_eq!(waiting(&drill, "SAP"), (3, 3));
    each(&drill, &late[3..], "show").await;
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 6, "what came then is new");
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 9);
}

/// A guard's word says nothing of later: a definition is named, and by then the action is enforced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guard_refused_while_its_action_was_observed_waits_when_it_is_enforced() {
    let world = WORLD.replacen(
        "prefix = \"LATE\"\ntask = [{ task = \"Telephone Updated\"",
        "prefix = \"LATE\"\ntask = [{ task = \"Password Updated\"",
        1,
    );
    let mut drill = crate::drill_limits::greedy(&world)
        .config("[mode.actions]\nretry = \"observe\"\n")
        .start()
        .await;
    let late = late(&drill);
    assert_eq!(late.len(), 4);
    each(&drill, &late, "hide").await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    each(&drill, &late[..3], "show").await;
    drill.run_for("1h").await;
    assert_eq!(drill.count("effects"), 0);

    let path = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("its configuration");
    let enforced = text.replace("[mode.actions]\nretry = \"observe\"\n", "");
    assert_ne!(enforced, text);
    let enforced = enforced.replace("[policy]\n", "[policy]\nnamed = [\"*/Password Updated\"]\n");
    drill.write("provtaskd.toml", &enforced);
    drill.done(&["reload"]);
    drill.release();
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 5, "what a person had released");
    assert_eq!(waiting(&drill, "SAP"), (3, 3));
    each(&drill, &late[3..], "show").await;
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 6, "what came then is new");
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 9);
}

/// Where no action at all is enforced, what no policy wants today is old by the time that one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_while_no_action_is_enforced_is_old_backlog() {
    let world = WORLD.replacen(
        "prefix = \"LATE\"\ntask = [{ task = \"Telephone Updated\", failure = \"network\"",
        "prefix = \"LATE\"\ntask = [{ task = \"Telephone Updated\", failure = \"data\"",
        1,
    );
    let mut drill = Setup::of(&world)
        .config("[mode.actions]\nretry = \"observe\"\nreassign = \"observe\"\nset_note = \"observe\"\nset_response = \"observe\"\nmanual_complete = \"off\"\n")
        .start()
        .await;
    let late = late(&drill);
    each(&drill, &late, "hide").await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    each(&drill, &late[..3], "show").await;
    drill.run_for("1h").await;
    assert_eq!(waiting(&drill, "SAP").0, 3);
    let path = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("its configuration");
    drill.write("provtaskd.toml", &text.replace("retry = \"observe\"\n", ""));
    drill.done(&["reload"]);
    each(&drill, &late[3..], "show").await;
    drill.run_for("6h").await;
    assert_eq!(waiting(&drill, "SAP").0, 3, "what came then is new");
    assert_eq!(drill.count("healed"), 5);
    drill.judged_elsewhere();
}
