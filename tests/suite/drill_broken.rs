//! Drills of single tasks and accounts that can't be read for good: they stay as they are, and hold up nothing but themselves.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Everything about one account and one task of it, from here on.
async fn broken(drill: &Drill, fault: &str, task: &str, process: &str) {
    for path in [
        format!("/provtasks/{task}"),
        format!("/provprocesses/{process}"),
    ] {
        let fault = json!({"do": fault, "on": "read", "path": path, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
}

/// Id and account of every open task, the oldest first.
fn tasks(drill: &Drill) -> Vec<(String, String)> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("a list");
    let text = |task: &Value, key: &str| task[key].to_string().trim_matches('"').to_owned();
    tasks
        .iter()
        .map(|task| (text(task, "id"), text(task, "process")))
        .collect()
}

/// At two reads a minute the share of a cycle's time ends at the fifth account or so, and the oldest eight are broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_cannot_be_read_do_not_use_up_the_time_of_all_others() {
    let mut drill = Setup::of(
        r#"
name = "broken"
seed = 41
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 24
task = [{ task = "Add User to Group", failure = "network" }]
"#,
    )
    .server("reads_per_minute = 2")
    .start()
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    let all = tasks(&drill);
    for (task, process) in &all[..8] {
        broken(&drill, "html500", task, process).await;
    }
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 16, "all but the broken ones");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}
