//! Drills of people who leave while what gives them access waits in the queue: by the time of the claim they are given nothing, and who stays gets it all.

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_oracle::items_of;

/// One item a minute goes out, so that the queue lasts for twenty.
const SLOW: &str = r#"
name = "leavers"
seed = 31
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 20
prefix = "EMP"
age = "3h"
task = [{ task = "TASK", failure = "network" }]
"#;

async fn queued(task: &str) -> Drill {
    let mut drill = Setup::of(&SLOW.replace("TASK", task))
        .config("[governor]\ncap_share_percent = 100\n[governor.default]\nper_minute = 1")
        .enforcing()
        .await;
    for _ in 0..30 {
        if sent(&drill) >= 2 {
            return drill;
        }
        drill.run_for("1m").await;
    }
    panic!("nothing goes out:\n{}", drill.log());
}

/// Retries that the simulator has seen.
fn sent(drill: &Drill) -> usize {
    let puts = drill.journal().into_iter();
    let puts = puts.filter(|row| row["class"] == "put");
    puts.map(|row| items_of(&row).count()).sum()
}

async fn all_become(drill: &Drill, status: &str) {
    for number in 1..=20 {
        let login = format!("EMP{number:04}");
        drill.act(json!({"user": login, "status": status})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_while_a_grant_waits_in_the_queue_is_given_nothing() {
    let mut drill = queued("Add User to Group").await;
    // the proof is a few minutes old by now, and holds for ten
    drill.run_for("2m").await;
    all_become(&drill, "Disabled").await;
    let before = sent(&drill);
    drill.run_for("1h").await;
    let (after, log) = (sent(&drill), drill.log());
    let said = log.contains("beneficiary_not_active") && log.contains("right before");
    // and once they are there again it goes on
    all_become(&drill, "Active").await;
    drill.run_for("3h").await;
    let evidence = drill.evidence().await;
    let healed = evidence.count("healed");
    drill.judged_elsewhere();
    assert!(before < 10, "{before} had gone out");
    // one may have been read within the minute before
    assert!(
        after <= before + 1,
        "given {after}, {before} before:\n{log}"
    );
    assert!(said, "{log}");
    assert_eq!(healed, 20);
}

/// What can't be read right before the claim is not sent, and is looked at again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_nobody_can_read_right_before_the_claim_is_given_nothing_until_he_can_be_read() {
    let mut drill = queued("Add User to Group").await;
    let broken = json!({"do": "html500", "on": "people", "path": "/users", "probability": 1.0});
    drill.act(json!({ "fault": broken })).await;
    let before = sent(&drill);
    drill.run_for("20m").await;
    let (after, log) = (sent(&drill), drill.log());
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("6h").await;
    assert!(
        after <= before + 1,
        "given {after}, {before} before:\n{log}"
    );
    assert!(log.contains("could not be read"), "{log}");
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stays_is_given_everything_and_what_takes_access_asks_for_nobody() {
    let mut drill = queued("Add User to Group").await;
    drill.run_for("2h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 20);
    let mut drill = queued("Disable User").await;
    let gone = json!({"do": "html500", "on": "people", "path": "/users", "probability": 1.0});
    drill.act(json!({ "fault": gone })).await;
    drill.run_for("2h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 20);
}
