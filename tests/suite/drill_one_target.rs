//! Drills of enforcing one target and no other, those that nobody has named or heard of yet with them (`mode.targets."*"`).

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

/// HR has its first task while the daemon runs.
const WORLD: &str = r#"
name = "one-target"
seed = 31
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[target]]
name = "HR"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
[[user]]
login = "LATE1"
[[task]]
id = 700001
target = "HR"
user = "LATE1"
task = "Telephone Updated"
status = "R"
failure = "network"
hidden = true
created = "3h"
[[event]]
at = "3h"
act = { task = "700001", do = "show" }
"#;

fn sent_to(drill: &Drill, target: &str) -> usize {
    let outcomes = drill.json(&["outcomes", "list", "--json"]);
    let rows = outcomes.as_array().expect("rows").iter();
    rows.filter(|row| row["target"] == target).count()
}

fn sent(drill: &Drill) -> [usize; 3] {
    ["AD", "SAP", "HR"].map(|target| sent_to(drill, target))
}

/// One after the other, by name: what was there while a target was observed waits for its release, and a target that
/// comes later is observed as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_named_is_observed_also_where_it_comes_later() {
    let mut drill = Setup::of(WORLD)
        .config("[mode.targets]\n\"*\" = \"observe\"\nad = \"enforce\"\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let (_, said) = failed(&drill, &["baseline", "release", "SAP", "--why", "x"]);
    let words = "`mode.targets` has \"*\" in observe and no line for SAP: nothing is sent now";
    assert!(said.contains(words), "{said}");
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(sent(&drill), [2, 0, 0]);
    let status = drill.done(&["status"]);
    assert!(status.contains("target *: observe"), "{status}");
    let plan = drill.json(&["plan", "--target", "HR", "--json"]);
    let first = &plan["items"][0]["refusals"][0];
    assert_eq!(first["reason"], "mode_observe", "{plan:#}");
    assert!(first["text"].to_string().contains("line *"), "{first}");
    let path = drill.dir.path().join("provtaskd.toml");
    let text = std::fs::read_to_string(path).expect("its configuration");
    let text = text.replace("ad = \"enforce\"", "ad = \"enforce\"\nHR = \"enforce\"");
    drill.write("provtaskd.toml", &text);
    drill.done(&["reload"]);
    drill.run_for("12h").await;
    assert_eq!(
        sent(&drill),
        [2, 0, 0],
        "it was there while it was observed"
    );
    drill.done(&["approve", "baseline:HR", "--why", "x", "--yes-release", "1"]);
    drill.run_for("12h").await;
    assert_eq!(sent(&drill), [2, 0, 1]);
    drill.judge_leaving(3).await;
}
