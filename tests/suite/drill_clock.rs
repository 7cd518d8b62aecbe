//! Drills of a server whose dates are read wrongly, whole processes: the log and `status` say what to look at, once; judged by the simulator's journal.

use crate::drill::{Drill, Setup};

/// Five tasks that fail again on each try; the server's stamps show no zone.
const ZONED: &str = r#"
name = "zoned"
seed = 53
[traits]
dates = "no_zone"
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 5
task = [{ task = "Add User to Group", failure = "lock", heals_after = 1 }]
"#;

const SAID: &str = "the server dates successors before the retries";

async fn played(zone: &str) -> Drill {
    let zone = format!("server_zone = \"{zone}\"");
    let mut drill = Setup::of(ZONED).server(&zone).enforcing().await;
    drill.run_for("6h").await;
    drill
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_zone_of_the_server_is_said_once_with_its_numbers_and_the_setting() {
    let drill = played("Asia/Tokyo").await;
    let log = drill.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(SAID)).collect();
    let [line] = said[..] else {
        panic!("{said:#?}");
    };
    for part in ["WARN", "server.server_zone", "successors=", "behind=9h"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let status = drill.json(&["status", "--json"]);
    let clock = status["server_clock"].as_str().expect("status shows it");
    assert!(
        clock.contains("9h") && clock.contains("`server.server_zone`"),
        "{clock}"
    );
    assert!(drill.done(&["status"]).contains(clock), "for people too");
    drill.judge_leaving(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_right_zone_nothing_is_said() {
    let drill = played("UTC").await;
    assert!(!drill.log().contains(SAID));
    let status = drill.json(&["status", "--json"]);
    assert!(status["server_clock"].is_null(), "{status}");
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 5);
}
