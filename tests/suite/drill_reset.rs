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

/// Somebody has retried several groups of the same account by hand, and nothing tells whose successors they are. Once a
/// person has looked, and has reset all that the inbox names, the old ids are out of the question: what is retried then is
/// told from its siblings, and nothing waits for ever behind a doubt that has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_of_what_is_gone_takes_it_out_of_the_question() {
    let world = r#"
name = "doubt"
seed = 15
[[target]]
name = "AD"
window = [{ from = "-1h", to = "3h", state = "down" }]
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Add User to Group", failure = "network", repeat = 3, age = "30m" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("30m").await;
    drill.done(&["pause", "--why", "by hand"]);
    let open = |drill: &crate::drill::Drill| -> Vec<String> {
        let truth = drill.truth();
        let tasks = truth["tasks"].as_array().cloned().unwrap_or_default();
        let open = tasks.iter().filter(|task| task["status"] == "R");
        open.map(|task| task["id"].to_string()).collect()
    };
    let before = open(&drill);
    assert_eq!(before.len(), 6);
    for id in before {
        drill.act(json!({"task": id, "do": "retry"})).await;
    }
    drill.run_for("4h").await;
    let doubtful = |drill: &crate::drill::Drill| -> Vec<String> {
        let inbox = drill.inbox();
        let item = inbox.iter().find(|item| item["why"] == "ambiguous");
        let tasks = item.and_then(|item| item["tasks"].as_array().cloned());
        let ids = tasks.into_iter().flatten();
        ids.map(|id| id.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let named = doubtful(&drill);
    assert!(named.len() >= 12, "{named:?}");
    let mut reset = vec!["outcomes", "reset", "--why", "looked at in OIG"];
    reset.extend(named.iter().map(String::as_str));
    drill.done(&reset);
    drill.freshly_read().await;
    drill.done(&["resume"]);
    drill.run_for("30h").await;
    let (inbox, left) = (drill.inbox(), doubtful(&drill));
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 6, "{inbox:#?}");
    assert_eq!(left, [] as [String; 0], "{inbox:#?}");
}
