//! Drills of caps, whole processes: no kill, no outage and no response gives a task or a target more than they say.

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_limits::greedy;

const WORLD: &str = "name = \"changes\"\nseed = 41\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = 12\n\
     task = [{ task = \"Telephone Updated\", failure = \"lock\" }]\n";

fn items(drill: &Drill) -> usize {
    let journal = drill.journal();
    let puts = journal.iter().filter(|row| row["class"] == "put");
    puts.map(|row| row["body"]["tasks"].as_array().map_or(1, Vec::len))
        .sum()
}

/// A cap of three in an hour, and a kill in the middle of each PUT: what was claimed counts all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_put_gives_no_new_caps() {
    let mut drill = greedy(WORLD)
        .every("1h")
        .config("[governor]\ncap_retries = 3\n[governor.default]\nbatch_start = 25")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "hang_unapplied", "on": "put", "at": [1, 2, 3, 4]}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let before = items(&drill);
        drill
            .run_until_or_rest("8m", |drill| items(drill) > before)
            .await;
        seen.push(items(&drill));
        drill.kill_and_restart().await;
    }
    drill.run_for("1m").await;
    let sent = items(&drill);
    assert!(
        sent <= 3,
        "{sent} items within 40 minutes, the cap is 3 in an hour; after each kill: {seen:?}"
    );
    drill.judge_leaving(12).await;
}

/// Every write is carried out and answered 500, the target keeps ids, and each run fails with the same words; its
/// start shows that it ran. The cap of attempts holds all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_an_outage_under_the_same_id_end_with_the_cap() {
    let world = "name = \"outage\"\nseed = 42\n[[target]]\nname = \"AD\"\nsame_id = true\n[[population]]\ntarget = \"AD\"\naccounts = 8\n\
         task = [{ task = \"Telephone Updated\", failure = \"lock\", heals_after = 99 }]\n";
    let mut drill = greedy(world)
        .config("[governor]\nmax_attempts = 3\nbackoff_cap = \"1h\"")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "html500_applied", "on": "put", "probability": 1.0}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("10d").await;
    let most = drill.count("most_runs_of_one");
    let inbox = drill.inbox();
    assert!(
        most <= 3,
        "one task was run {most} times in ten days, the cap is 3; effects {}; inbox {inbox:#?}",
        drill.count("effects")
    );
    drill.judge_leaving(8).await;
}

/// A response that leaves its task rejected (as `VALIDATION_FAILED`, the documented one, does) is no completion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_leaves_its_task_rejected_is_sent_no_more_often_than_the_cap() {
    let world = "name = \"responds\"\nseed = 43\n[[target]]\nname = \"DESK\"\nconnector = \"ticket\"\n[[population]]\ntarget = \"DESK\"\naccounts = 1\n\
         task = [{ task = \"Manual Grant\", status = \"R\", failure = \"internal\" }]\n";
    let mut drill = Setup::of(world)
        .file(
            "policies/10-responds.rhai",
            "fn decide(task, facts) { if task.status == \"rejected\" { set_response(\"VALIDATION_FAILED\") } }\n",
        )
        .config("[policy]\ndir = \"policies\"\nkinds = { \"*/Manual Grant\" = \"grant\" }\n[guard]\nset_response = [\"*/*\"]\n[governor]\nmax_attempts = 3\n")
        .enforcing()
        .await;
    drill.run_for("10m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let attempts = drill.json(&["outcomes", "list", "--json"]);
    let rows = attempts.as_array().expect("a list").clone();
    let completed = rows.iter().filter(|of| of["state"] == "completed").count();
    let status = drill.truth()["tasks"][0]["status"].clone();
    assert!(
        completed == 0,
        "{completed} of {} attempts are called completed, the task is {status}; {:#?}",
        rows.len(),
        rows.last()
    );
    // the retries' cap, and five beyond it for what is no retry
    assert_eq!(rows.len(), 8, "{rows:#?}");
    drill.judge_leaving(0).await;
}
