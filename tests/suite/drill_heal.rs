//! Drills of healing, whole processes: outages, manual tasks, successors, siblings, others who act beside us; judged by the simulator's truth alone.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_oracle::Evidence;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_heal_heals_and_nothing_is_done_twice() {
    let mut drill = Setup::of(
        r#"
name = "calm"
seed = 1
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 12
task = [{ task = "Add User to Group", failure = "network" }]
"#,
    )
    .enforcing()
    .await;
    assert_eq!(drill.count("effects"), 0, "the backlog waits for a person");
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 12);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_passes_and_the_target_is_not_knocked_down_again() {
    let mut drill = Setup::of(
        r#"
name = "outage"
seed = 2
[[target]]
name = "AD"
capacity = 20
window = [{ from = "-2h", to = "361m", state = "down" }]
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 30
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 5
task = [{ task = "Add Role", failure = "lock" }]
"#,
    )
    .config("[governor.targets.AD]\nper_minute = 10")
    .enforcing()
    .await;
    drill.run_for("6h").await;
    let during = drill.evidence().await;
    let on_ad = during.effects().filter(|e| e["target"] == "AD").count();
    assert!(on_ad <= 22, "{on_ad} retries against a target that is down");
    assert_eq!(drill.count("healed"), 5, "the other target is not held up");
    drill
        .act(serde_json::json!({"target": "AD", "capacity": 20}))
        .await;
    drill.run_for("18h").await;
    let after = drill.evidence().await;
    let throttled = after.effects().filter(|e| e["error"] == "throttle").count();
    assert_eq!(throttled, 0, "the target was asked for more than it can do");
    assert_eq!(drill.count("healed"), 35);
    drill.judge().await;
}

/// One definition without an adapter, a dozen tasks of it, and work that heals beside it.
pub const MANUAL: &str = r#"
name = "manual"
seed = 3
[[role]]
name = "SERVICE DESK"
members = ["CDIAZ"]
[[user]]
login = "CDIAZ"
[[target]]
name = "DESK"
connector = "ticket"
[[target]]
name = "AD"
[[population]]
target = "DESK"
accounts = 12
task = [{ task = "Manual Grant", status = "R", failure = "network" }]
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Add User to Group", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manual_tasks_are_tried_once_and_never_again_after_a_kill() {
    let mut drill = Setup::of(MANUAL)
        .server("page_size = 7")
        .config("[policy]\nkinds = { \"DESK/Manual Grant\" = \"grant\" }")
        .every("3m")
        .enforcing()
        .await;
    drill.run_for("4h").await;
    let before = drill.evidence().await;
    let asked = |evidence: &crate::drill_oracle::Evidence| {
        evidence
            .sent("retry")
            .filter(|(_, item)| {
                evidence
                    .task(&item["id"])
                    .is_some_and(|t| t["automated"] == false)
            })
            .count()
    };
    assert!(
        asked(&before) <= 1,
        "{} retries of manual tasks",
        asked(&before)
    );
    drill.kill9().await;
    drill.daemon();
    drill.run_for("24h").await;
    let after = drill.evidence().await;
    assert_eq!(asked(&after), asked(&before), "learned for good");
    let asks: u64 = drill
        .inbox()
        .iter()
        .filter(|item| item["target"] == "DESK")
        .filter_map(|item| item["count"].as_u64())
        .sum();
    assert_eq!(asks, 12, "{:#?}", drill.inbox());
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_target_is_asked_ever_less_and_holds_nobody_up() {
    let mut drill = Setup::shipped("retired").enforcing().await;
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 40, "the other target is not held up");
    drill.run_for("45h").await;
    let evidence = drill.judge().await;
    let tries = evidence.effects_on("LEGACYHR");
    assert!(
        (1..=25).contains(&tries),
        "{tries} tries of a dead target in two days"
    );
    assert_eq!(evidence.effects_on("AD"), 40);
}

/// Up for a quarter of an hour, down for the next, days long; the other one is calm.
const FLAPPING: &str = r#"
name = "flapping"
seed = 45
[[target]]
name = "AD"
state = "flapping"
period = "15m"
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 40
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 10
task = [{ task = "Add Role", failure = "lock" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_comes_and_goes_is_not_flooded_and_heals_all_the_same() {
    let mut drill = Setup::of(FLAPPING)
        .config("[governor]\ncap_retries = 12\n[governor.default]\nper_minute = 2\nbatch_max = 4")
        .enforcing()
        .await;
    drill.run_for("3h").await;
    let early = drill.safe_so_far().await;
    assert_eq!(early.effects_on("SAP"), 10, "the calm one is not held up");
    for _ in 0..9 {
        drill.run_for("5h").await;
    }
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 50);
    // how often it failed while it was down once
    let mut failed: Vec<Timestamp> = evidence
        .effects()
        .filter(|e| e["target"] == "AD" && e["ok"] != true)
        .filter_map(|e| e["at"].as_str()?.parse().ok())
        .collect();
    failed.sort();
    let near = |from: Timestamp| {
        let until = from + SignedDuration::from_mins(15);
        failed
            .iter()
            .filter(|at| (from..until).contains(at))
            .count()
    };
    let worst = failed.iter().map(|at| near(*at)).max().unwrap_or(0);
    assert!(
        (3..=40).contains(&failed.len()),
        "it was met while it was down, and left alone then: {failed:?}"
    );
    // three in a row open the breaker; after that one is sent to look, ever later
    assert!(worst <= 6, "{worst} while it was down once: {failed:?}");
}

/// SUCCESS says that the order was taken. While its run is to come, nothing is called completed, and one that
/// fails was not (invariant 3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_not_called_completed_before_that_was_read() {
    let mut drill = Setup::of(
        r#"
name = "accepted"
seed = 9
[[target]]
name = "AD"
run = "later"
later = "40m"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 1 }]
"#,
    )
    .every("1m")
    .config("[governor.default]\nbatch_start = 3")
    .enforcing()
    .await;
    let states = |drill: &Drill| -> Vec<String> {
        let attempts = drill.json(&["outcomes", "list", "--json"]);
        let attempts = attempts.as_array().expect("a list").iter();
        attempts
            .map(|attempt| attempt["state"].as_str().expect("a state").to_owned())
            .collect()
    };
    drill.run_for("20m").await;
    let waiting = states(&drill);
    assert_eq!(waiting.len(), 3, "all were sent: {waiting:?}");
    assert_eq!(drill.count("effects"), 0, "none has run");
    assert!(
        waiting
            .iter()
            .all(|state| state == "accepted" || state == "pending"),
        "nothing is known of any: {waiting:?}"
    );
    drill.run_for("40m").await;
    assert_eq!(drill.count("effects_failed"), 3);
    let bounced = states(&drill);
    assert!(
        bounced.iter().filter(|state| *state == "bounced").count() >= 3
            && !bounced.contains(&"completed".to_owned()),
        "their runs have failed: {bounced:?}"
    );
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 3);
    drill.judge().await;
}

/// While a breaker lets a single task go to see whether the target works again, no more is read than that needs: the
/// server is what is scarce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_costs_few_readings() {
    let world = r#"
name = "probes"
seed = 12
[[target]]
name = "AD"
window = [{ from = "-8h", to = "14h", state = "down" }]
[[population]]
target = "AD"
accounts = 80
task = [{ task = "Add User to Group", failure = "network", age = "4h" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("2h").await;
    let count = |evidence: &Evidence| {
        let of_account = |row: &&Value| {
            let path = row["path"].as_str().unwrap_or_default();
            path.contains("/provprocesses/") || path.contains("/users/")
        };
        let reads = evidence.requests().filter(of_account).count();
        (reads, evidence.sent("retry").count())
    };
    let before = count(&drill.safe_so_far().await);
    drill.run_for("10h").await;
    let after = count(&drill.safe_so_far().await);
    let (reads, probes) = (after.0 - before.0, after.1 - before.1);
    assert!((2..=12).contains(&probes), "{probes}");
    assert!(reads <= 30 * probes, "{reads} readings for {probes} probes");
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 80);
}

/// A target is down for longer than the pauses of five attempts last. What takes access goes first, also to see whether the
/// target works again, but not until its attempts are used up while others could.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_does_not_use_up_the_attempts_of_revokes() {
    let world = r#"
name = "long"
seed = 13
[[target]]
name = "AD"
window = [{ from = "-8h", to = "70h", state = "down" }]
[[population]]
target = "AD"
accounts = 40
task = [{ task = "Add User to Group", failure = "network", age = "4h" }]
[[population]]
target = "AD"
prefix = "LVR"
status = "Disabled"
accounts = 3
task = [{ task = "Disable User", failure = "network", age = "2h" }]
"#;
    // as few attempts as of anything else: more would hide who uses them up
    let mut drill = Setup::of(world)
        .config("[governor]\nmax_attempts_taking = 5")
        .enforcing()
        .await;
    drill.run_for("60h").await;
    let evidence = drill.safe_so_far().await;
    let first = evidence.effects().next().expect("one ran");
    assert_eq!(first["definition"], "Disable User", "{first}");
    drill.run_for("40h").await;
    let inbox = drill.inbox();
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 43);
    // and nothing waits for the next time to look once one has shown that the target works again
    let done = evidence.effects().filter(|effect| effect["ok"] == true);
    let done: Vec<(Timestamp, bool)> = done
        .map(|effect| {
            let at = effect["at"].as_str().expect("a time");
            let takes = effect["definition"] == "Disable User";
            (at.parse().expect("a time"), takes)
        })
        .collect();
    let taken = done.iter().filter(|(_, takes)| *takes).map(|(at, _)| *at);
    let (first, last) = (done[0].0, taken.max().expect("three were taken"));
    let waited = last.duration_since(first);
    assert!(waited <= SignedDuration::from_mins(5), "{waited:#}");
    assert_eq!(inbox, [] as [Value; 0], "nobody is asked");
}

/// Nothing but revokes is open on a target that is down over a weekend. They are tried ever more rarely and not given up,
/// a person is told meanwhile, and access is taken once the target is back. What gives nothing back has a limit, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revokes_alone_outlast_a_weekend() {
    let world = |to: &str| {
        format!(
            "name = \"weekend\"\nseed = 14\n[[target]]\nname = \"AD\"\n\
             window = [{{ from = \"-1h\", to = \"{to}\", state = \"down\" }}]\n\
             [[population]]\ntarget = \"AD\"\nprefix = \"LVR\"\nstatus = \"Disabled\"\naccounts = 2\n\
             task = [{{ task = \"Disable User\", failure = \"network\", age = \"30m\" }}]\n"
        )
    };
    let why = |drill: &Drill| -> Vec<String> {
        let mut why: Vec<String> = drill
            .inbox()
            .iter()
            .map(|item| item["why"].as_str().unwrap_or_default().to_owned())
            .collect();
        why.sort();
        why
    };
    let mut drill = Setup::of(&world("62h")).enforcing().await;
    drill.run_for("3h").await;
    assert_eq!(why(&drill), [] as [String; 0]);
    drill.run_for("55h").await;
    let told = why(&drill);
    assert!(told.iter().any(|why| why == "still_tried"), "{told:?}");
    assert!(
        !told
            .iter()
            .any(|why| why == "asked" || why == "attempts_used_up"),
        "{told:?}"
    );
    drill.run_for("20h").await;
    let inbox = drill.inbox();
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 2, "{inbox:#?}");
    assert_eq!(inbox, [] as [Value; 0]);
    // one that is never back
    let mut drill = Setup::of(&world("2000h")).enforcing().await;
    drill.run_for("400h").await;
    let told = why(&drill);
    let evidence = drill.evidence().await;
    let runs = evidence.effects().count();
    drill.judged_elsewhere();
    assert_eq!(told, ["asked"], "and not that they are tried still");
    assert_eq!(runs, 20, "ten each");
}
