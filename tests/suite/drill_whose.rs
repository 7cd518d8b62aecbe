//! Drills of a successor that comes late or is never shown, and of somebody else's order of the same work between: whose is not told as ours, the caps hold, and what comes as late as others of its target is told.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

const GRANT: &str = "Add User to Group";

fn world(target: &str, accounts: u8, state: &str) -> String {
    let mut out = format!(
        "name = \"whose\"\nseed = 5\n[[target]]\nname = \"AD\"\nconnector = \"ldap\"\n{target}\n{state}"
    );
    for n in 0..accounts {
        out.push_str(&format!(
            "[[user]]\nlogin = \"USER{n}\"\n[[account]]\nkey = {}\ntarget = \"AD\"\nuser = \"USER{n}\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"USER{n}\"\ntask = \"{GRANT}\"\nfailure = \"network\"\ncreated = \"-50h\"\n",
            500 + u32::from(n)
        ));
    }
    out
}

const DOWN: &str = "window = [{ from = \"-60h\", to = \"9d\", state = \"down\" }]\n";

/// How often the connector ran for the grants, and what was told of their attempts.
async fn runs_and_states(drill: &Drill) -> (usize, Vec<String>) {
    let evidence = drill.evidence().await;
    let of_grant = |effect: &&Value| effect["definition"] == GRANT;
    let runs = evidence.effects().filter(of_grant).count();
    let rows = drill.json(&["outcomes", "list", "--json"]);
    let rows = rows.as_array().expect("rows").iter();
    let state = |row: &Value| row["state"].as_str().unwrap_or("-").to_owned();
    (runs, rows.map(state).collect())
}

/// Ten minutes after the retry somebody orders the same once more and does it himself. What the retry has made comes two
/// hours later, or is never shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_done_is_not_told_as_the_success_of_a_retry() {
    for target in ["successor_hidden = true", "successor_delay = \"2h\""] {
        for open in [false, true] {
            let mut drill = Setup::of(&world(target, 1, DOWN)).enforcing().await;
            let sent = |drill: &Drill| drill.journal().iter().any(|row| row["method"] == "PUT");
            // in small steps, for what comes late is not far away
            while !sent(&drill) {
                drill.run_for("30s").await;
            }
            drill.run_for("10m").await;
            let theirs = add_task(&drill.sim, &json!(500), GRANT).await;
            if open {
                // long enough for lists to show it
                drill.run_for("12m").await;
            }
            drill.act(json!({"task": theirs, "do": "complete"})).await;
            drill.run_for("1d").await;
            let (runs, states) = runs_and_states(&drill).await;
            let inbox = drill.inbox();
            let about = format!("{target}, open: {open}: {runs} runs, {states:?} {inbox:#?}");
            let completed = states.iter().any(|state| state == "completed");
            assert!(!completed && !states.is_empty(), "{about}");
            assert_eq!(runs, 1, "nothing goes before a person's word: {about}");
            let asked = inbox.iter().any(|item| item["why"] == "ambiguous");
            assert!(asked, "{about}");
            // a person says that the retry has failed: what is tried since counts with it
            let first = drill.truth()["tasks"].as_array().and_then(|tasks| {
                let mine = |task: &&Value| task["definition"] == GRANT && task["status"] == "UC";
                Some(tasks.iter().find(mine)?["id"].to_string())
            });
            let first = first.expect("the retried one").trim_matches('"').to_owned();
            drill.done(&["outcomes", "settle", &first, "--failed", "--why", "it has"]);
            drill.run_for("6d").await;
            let (runs, states) = runs_and_states(&drill).await;
            drill.judged_elsewhere();
            assert!(runs <= 5, "{target}, open: {open}: {runs} runs, {states:?}");
        }
    }
}

/// All successors of a target come two hours late: that is its way, and nobody is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_as_late_as_the_others_of_its_target_is_told() {
    let world = world("successor_delay = \"2h\"", 4, "");
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("24h").await;
    let (runs, states) = runs_and_states(&drill).await;
    let inbox = drill.inbox();
    let asked = inbox.iter().filter(|item| item["why"] == "ambiguous");
    assert_eq!(asked.count(), 0, "{inbox:#?}");
    assert_eq!((runs, states), (4, vec!["completed".to_owned(); 4]));
    drill.judge().await;
}
