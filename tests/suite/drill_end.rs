//! Drills of lists whose end is contradicted, whole processes: the backlog of the first day is all that is there, what is shown stays shown, and a list that is not whole concludes nothing.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Three pages of four.
const WORLD: &str = r#"
name = "ends"
seed = 23
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 11
task = [{ task = "Telephone Updated", failure = "network", age = "50h" }]
"#;

async fn ends(fault: Value) -> Drill {
    let mut drill = Setup::of(WORLD).server("page_size = 4").start().await;
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1h").await;
    drill
}

fn always(what: &str) -> Value {
    json!({"do": what, "on": "list", "probability": 1.0})
}

fn waiting(drill: &Drill) -> u64 {
    let inbox = drill.inbox();
    let backlog = inbox.iter().find(|item| item["why"] == "baseline");
    backlog.map_or(0, |item| item["count"].as_u64().expect("a count"))
}

/// A flag that says the end on each page must not make the rest of the first day's backlog new work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_that_denies_the_next_page_hides_nothing_of_the_first_days_backlog() {
    for what in ["false_end", "no_has_more"] {
        let mut drill = ends(always(what)).await;
        assert_eq!(waiting(&drill), 11, "{what}");
        drill.act(json!({"clear_faults": true})).await;
        drill.run_for("3h").await;
        assert_eq!(
            drill.count("effects"),
            0,
            "{what}: nobody has released them"
        );
        let named = drill
            .log()
            .contains("hasMore is false, but there is a next link");
        assert_eq!(named, what == "false_end", "{}", drill.log());
        drill.approve_backlog();
        drill.run_for("24h").await;
        let evidence = drill.judge().await;
        assert_eq!(evidence.count("healed"), 11, "{what}");
    }
}

/// Nor may it make what was shown disappear in the middle of a run, without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_that_turns_false_in_the_middle_of_a_run_hides_no_task() {
    let mut drill = Setup::of(WORLD).server("page_size = 4").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1h").await;
    assert_eq!(drill.json(&["status", "--json"])["tasks_visible"], 11);
    drill.act(json!({"fault": always("false_end")})).await;
    drill.run_for("2h").await;
    assert_eq!(drill.json(&["status", "--json"])["tasks_visible"], 11);
    let said = drill.log();
    let warned = |line: &&str| line.contains("WARN") && line.contains("hasMore is false, but");
    assert_eq!(said.lines().filter(warned).count(), 1, "{said}");
    drill.act(json!({"clear_faults": true})).await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 11);
}

/// More is counted than comes: no list is whole, and no backlog is taken from what is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_above_what_comes_makes_no_baseline_and_sends_nothing() {
    let fault = json!({"do": "cut_rows", "on": "list", "value": "1", "probability": 1.0});
    let mut drill = ends(fault).await;
    assert_eq!((waiting(&drill), drill.count("effects")), (0, 0));
    let said = drill.log();
    assert!(
        said.contains("counts as incomplete") && said.contains("count says 4, and 1 row came"),
        "{said}"
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("1h").await;
    assert_eq!((waiting(&drill), drill.count("effects")), (11, 0));
    drill.approve_backlog();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 11);
}

/// An admin is told before the first day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe_and_check_name_what_contradicts_the_end_of_the_list() {
    let mut drill = Setup::of(WORLD).server("page_size = 4").start().await;
    let probed = drill.done(&["probe"]);
    assert!(!probed.contains("hasMore is false"), "{probed}");
    drill.act(json!({"fault": always("false_end")})).await;
    let words = |said: String| said.split_whitespace().collect::<Vec<_>>().join(" ");
    let probed = words(drill.done(&["probe"]));
    let says = "hasMore is false, but there is a next link";
    assert!(probed.contains(says) && probed.contains("11"), "{probed}");
    let checked = drill.cli(&["check", "--online"]);
    let said = words(
        String::from_utf8_lossy(&checked.stdout).into_owned()
            + String::from_utf8_lossy(&checked.stderr).as_ref(),
    );
    assert!(said.contains(says), "{said}");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.judge_leaving(11).await;
}
