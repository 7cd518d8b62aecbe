//! Drills of what a person's `outcomes reset` lifts, and what it does not.

use serde_json::json;

use crate::drill::Setup;

const WORLD: &str = r#"
name = "taken away since"
seed = 3
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
age = "50h"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Remove User from Group", age = "24h" }]
"#;

/// A reset drops what was seen before it. What is seen after it that took the access away is remembered anew, also
/// once OIG has archived it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_as_taken_away_after_a_reset_is_not_given_when_that_is_archived() {
    let mut drill = Setup::of(WORLD).enforcing().await;
    drill.run_for("4h").await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let of = |definition: &str| -> Vec<String> {
        let of = tasks.iter().filter(|task| task["definition"] == definition);
        of.map(|task| task["id"].to_string().trim_matches('"').to_owned())
            .collect()
    };
    let (grants, revokes) = (of("Add User to Group"), of("Remove User from Group"));
    assert_eq!((grants.len(), revokes.len()), (3, 3));
    let said = drill.done(&["outcomes", "reset", &grants[0], "--why", "count again"]);
    assert!(said.contains("taken away"), "{said}");
    drill.run_for("4h").await;
    for id in &revokes {
        drill.act(json!({"task": id, "do": "forget"})).await;
    }
    drill.run_for("48h").await;
    assert_eq!(drill.count("stale_effects"), 0);
    assert_eq!(drill.count("effects"), 0);
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}
