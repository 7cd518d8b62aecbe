//! Drills of a target that bears less than it is configured for, whole processes: one throttle makes the daemon slower, and no crowd of refusals follows it.

use std::collections::BTreeMap;

use crate::drill::Setup;
use crate::drill_oracle::Evidence;

/// A mail system that is back after an outage, and for six hours bears fewer runs a minute than the default rate.
const RETURNS: &str = r#"
name = "returns"
seed = 41
[[target]]
name = "EXCHANGE"
connector = "mail"
window = [
  { from = "-2h", to = "20m", state = "down" },
  { from = "20m", to = "6h20m", state = "recovering", capacity = 25 },
]
[[population]]
target = "EXCHANGE"
accounts = 240
task = [{ task = "Add Distribution Group", failure = "network" }]
"#;

/// Throttled runs by minute of the world.
fn throttled(evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut minutes = BTreeMap::new();
    for effect in evidence.effects().filter(|e| e["error"] == "throttle") {
        let at = effect["at"].as_str().expect("a time");
        *minutes.entry(at[..16].to_owned()).or_default() += 1;
    }
    minutes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_throttle_is_not_followed_by_a_crowd() {
    let mut drill = Setup::of(RETURNS)
        .config("[governor]\ncap_retries = 300")
        .enforcing()
        .await;
    drill.run_for("7h").await;
    let evidence = drill.safe_so_far().await;
    let minutes = throttled(&evidence);
    let (worst, all) = (
        minutes.values().max().copied().unwrap_or(0),
        minutes.values().sum::<usize>(),
    );
    assert!(worst <= 12 && all <= 30, "{minutes:?}");
    assert!(
        drill.count("healed") >= 200,
        "{} of 240 within the recovery",
        drill.count("healed")
    );
    drill.run_for("41h").await;
    assert_eq!(drill.count("healed"), 240);
    drill.judge().await;
}
