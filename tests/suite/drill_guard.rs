//! Drills of the guards, whole processes: stale grants, revokes that overtake, order within an account, owners on leave, the first day; judged by the simulator's truth alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;
use crate::naive::add_task;

/// How many tasks the inbox holds, by why.
fn waiting(drill: &Drill) -> BTreeMap<String, u64> {
    let mut by_why = BTreeMap::new();
    for item in drill.inbox() {
        let why = item["why"].as_str().expect("a reason").to_owned();
        *by_why.entry(why).or_default() += item["count"].as_u64().expect("a count");
    }
    by_why
}

/// The ids that the inbox names.
fn named(drill: &Drill) -> BTreeSet<String> {
    let inbox = drill.inbox();
    let tasks = inbox.iter().filter_map(|item| item["tasks"].as_array());
    tasks
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_grants_take_no_effect_and_are_named_to_a_person() {
    // what took the access away is shown for two days, and the guard has to remember it
    let world = include_str!("../../examples/scenarios/stale.toml");
    let world = format!("{world}\n[server]\nforget_after = \"48h\"\n");
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("72h").await;
    let asked = waiting(&drill);
    let named = named(&drill);
    let evidence = drill.judge().await;
    // the good grants and the disables, nothing else
    assert_eq!(evidence.count("healed"), 30);
    assert_eq!(evidence.count("effects"), 30, "nothing else was even tried");
    assert_eq!(evidence.count("effects_to_inactive"), 0);
    let stale = evidence.tasks().iter().filter(|task| task["stale"] == true);
    let open: Vec<&Value> = stale.filter(|task| task["status"] == "R").collect();
    assert_eq!(open.len(), 65);
    // five people have not begun yet: their accounts wait for them and ask nobody
    let silent: Vec<&&Value> = open
        .iter()
        .filter(|task| !named.contains(&task["id"].to_string()))
        .collect();
    assert_eq!(silent.len(), 5, "{asked:?}");
    for task in silent {
        let beneficiary = task["beneficiary"].as_str().expect("a login");
        assert!(beneficiary.starts_with("SOON"), "{task}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_a_grant_waits_for_its_next_try_gets_nothing() {
    let mut drill = Setup::of(
        r#"
name = "leaver"
seed = 17
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 6
task = [{ task = "Add User to Group", failure = "lock", heals_after = 1 }]
"#,
    )
    .enforcing()
    .await;
    // the back-off after a try lasts minutes, so nothing was tried twice yet, and some not once
    drill.run_for("5m").await;
    assert_eq!(drill.count("healed"), 0);
    let leavers: BTreeSet<String> = drill
        .evidence()
        .await
        .effects()
        .filter_map(|effect| effect["beneficiary"].as_str().map(str::to_owned))
        .collect();
    assert!((1..6).contains(&leavers.len()), "{leavers:?} were tried");
    for login in &leavers {
        drill
            .act(json!({"user": login, "status": "Disabled"}))
            .await;
    }
    let then = drill.journal().len();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    let stayed = 6 - u64::try_from(leavers.len()).expect("few");
    assert_eq!(evidence.count("healed"), stayed);
    assert_eq!(evidence.count("effects_to_inactive"), 0);
    let of_leavers = |row: &&Value| {
        let whose = row["beneficiary"].as_str();
        row["type"] == "effect" && whose.is_some_and(|whose| leavers.contains(whose))
    };
    let after: Vec<&Value> = evidence.journal[then..].iter().filter(of_leavers).collect();
    assert!(after.is_empty(), "{after:#?}");
}

/// Accounts whose newest task takes access away and fails twice more, of its own account and not of its target, before older work that could go at once.
pub const REVOKES: &str = r#"
name = "revokes"
seed = 11
[traits]
show_child = true
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "SAP"
accounts = 10
prefix = "REV"
task = [
  { task = "Cost Center Updated", failure = "network", age = "30h" },
  { task = "Add Role", failure = "network", age = "20h", repeat = 2 },
  { task = "Remove Role", failure = "lock", heals_after = 2, age = "2h" },
]
[[population]]
target = "SAP"
accounts = 5
prefix = "OFF"
task = [
  { task = "Company Updated", failure = "lock", heals_after = 3, age = "30h" },
  { task = "Lock User", failure = "network", age = "2h" },
]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_overtakes_what_is_older_and_holds_it_back_until_it_is_settled() {
    let mut drill = Setup::of(REVOKES).enforcing().await;
    drill.run_for("30m").await;
    let early = drill.safe_so_far().await;
    let takes = |e: &&Value| e["kind"] == "revoke" || e["kind"] == "disable";
    assert!(
        early.effects().filter(takes).count() >= 10,
        "revokes go first"
    );
    drill.run_for("47h").await;
    let evidence = drill.judge().await;
    let healed = |kind: &str| {
        evidence
            .effects()
            .filter(|e| e["ok"] == true && e["kind"] == kind)
            .count()
    };
    assert_eq!((healed("revoke"), healed("disable")), (10, 5));
    // and then the rest: of two groups one is the revoked one
    assert_eq!((healed("change"), healed("grant")), (10, 10));
    let stale = evidence
        .tasks()
        .iter()
        .filter(|t| t["stale"] == true && t["status"] == "R");
    assert_eq!(
        stale.count(),
        15,
        "the group that was revoked, the account that was disabled"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn siblings_are_done_exactly_once_each_and_oldest_first() {
    let mut drill = Setup::shipped("siblings").enforcing().await;
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 20 * 6 + 20 * 4 + 10);
    assert_eq!(evidence.count("effects"), 210, "not one try too many");
    let mut last: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    for effect in evidence
        .effects()
        .filter(|e| e["definition"] == "Department Updated")
    {
        let process = effect["process"].as_u64().expect("a process");
        let root: u64 = effect["root"]
            .as_str()
            .and_then(|r| r.parse().ok())
            .expect("a root");
        let task = evidence
            .tasks()
            .iter()
            .find(|t| t["id"] == root)
            .expect("a task");
        let now = (task["origin"].as_str().expect("a time").to_owned(), root);
        if let Some(before) = last.insert(process, now.clone()) {
            assert!(before < now, "{before:?} before {now:?}");
        }
    }
}

/// Accounts in which the oldest task fails once or twice more, while younger ones could go at once.
const BACKING_OFF: &str = r#"
name = "backing-off"
seed = 18
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "SAP"
accounts = 8
prefix = "CHG"
task = [
  { task = "Cost Center Updated", failure = "lock", heals_after = 2, age = "30h" },
  { task = "Cost Center Updated", failure = "network", age = "20h", repeat = 2 },
]
[[population]]
target = "SAP"
accounts = 6
prefix = "NEW"
task = [
  { task = "Create User", failure = "lock", heals_after = 1, age = "30h" },
  { task = "Add Role", failure = "network", age = "20h", repeat = 2 },
]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn younger_siblings_wait_while_the_oldest_backs_off() {
    let mut drill = Setup::of(BACKING_OFF).enforcing().await;
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 8 * 3 + 6 * 3);
    // two bounces of each oldest change, one of each creation; a grant before its account would be one more
    assert_eq!(evidence.count("effects"), 42 + 8 * 2 + 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn successors_that_are_late_hidden_or_not_there_lead_to_no_second_try() {
    let mut drill = Setup::shipped("successors").enforcing().await;
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 70);
    for target in [
        "ATONCE",
        "RUNSLATER",
        "HOURSLATER",
        "HIDDEN",
        "LINKED",
        "SAMEID",
    ] {
        assert_eq!(evidence.effects_on(target), 10, "{target}: once each");
    }
    assert_eq!(
        evidence.effects_on("BOUNCES"),
        30,
        "two bounces and a success each"
    );
}

/// A backlog of two targets, a part of it older than the age limit.
pub const BACKLOG: &str = r#"
name = "backlog"
seed = 12
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
[[definition]]
target = "SAP"
name = "Company Updated"
[[population]]
target = "AD"
accounts = 8
prefix = "OLD"
age = "40d"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "AD"
accounts = 8
prefix = "NEW"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 8
prefix = "ERP"
task = [{ task = "Cost Center Updated", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backlog_is_not_touched_until_its_target_is_released() {
    let mut drill = Setup::of(BACKLOG).start().await;
    drill.expect.released = Some(BTreeSet::new());
    drill.release();
    drill.daemon();
    drill.run_for("6h").await;
    drill.safe_so_far().await;
    assert_eq!(drill.count("effects"), 0);
    let inbox = drill.inbox();
    let counts: BTreeMap<&str, u64> = inbox
        .iter()
        .filter_map(|item| Some((item["id"].as_str()?, item["count"].as_u64()?)))
        .filter(|(id, _)| id.starts_with("baseline:"))
        .collect();
    assert_eq!(counts.values().sum::<u64>(), 24, "{inbox:#?}");
    // the same by target and age
    let ages = |drill: &Drill| {
        let shown = drill.json(&["baseline", "show", "--json"]);
        let rows = shown["rows"].as_array().cloned().unwrap_or_default();
        let age = |row: &Value, age: &Value| {
            let word = age["up_to"].as_str().unwrap_or("older");
            let tasks = age["tasks"].as_u64()?;
            (tasks > 0).then(|| format!("{} {word} {tasks}", row["target"].as_str().unwrap_or("-")))
        };
        let ages = |row: &Value| {
            let ages = row["ages"].as_array().cloned().unwrap_or_default();
            ages.iter()
                .filter_map(|of| age(row, of))
                .collect::<Vec<_>>()
        };
        rows.iter().flat_map(ages).collect::<Vec<_>>()
    };
    let shown = ages(&drill);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(
        (&*shown[1], &shown[0][..2]),
        ("AD 90d 8", "AD"),
        "{shown:?}"
    );
    assert!(drill.done(&["baseline", "show"]).contains("24 tasks wait"));
    // a release by age lets go all that is younger too: that number is told, and has to be agreed to
    let cumulated = drill.json(&["baseline", "show", "--json"]);
    let mut releases = cumulated["rows"][0]["ages"]
        .as_array()
        .expect("ages")
        .iter()
        .map(|age| age["releases"].as_u64());
    assert_eq!(releases.next_back(), Some(Some(16)), "{cumulated:#}");
    for (consent, code) in [(None, 64), (Some("15"), 65)] {
        let mut line = vec![
            "baseline",
            "release",
            "AD",
            "--max-age",
            "90d",
            "--why",
            "x",
        ];
        line.extend(consent.iter().flat_map(|most| ["--yes-release", *most]));
        let (got, said) = failed(&drill, &line);
        assert_eq!(got, Some(code), "{said}");
        assert!(
            said.contains("this releases 16 tasks of the old backlog on AD"),
            "{said}"
        );
        line[..2].copy_from_slice(&["approve", "baseline:AD"]);
        line.remove(2);
        let (got, said) = failed(&drill, &line);
        assert_eq!(got, Some(code), "{said}");
    }
    let none = drill.cli(&["baseline", "release", "AD", "--max-age", "1m", "--why", "-"]);
    assert_eq!(none.status.code(), Some(65));
    let said = drill.done(&[
        "baseline",
        "release",
        "AD",
        "--why",
        "AD was looked through",
        "--yes-release",
        "16",
    ]);
    assert!(
        said.contains("released: 16 tasks of the old backlog on AD, whatever their age"),
        "{said}"
    );
    let left = ages(&drill);
    assert_eq!(left, shown[2..], "of AD nothing waits");
    drill.expect.released = Some(BTreeSet::from(["AD"]));
    drill.run_for("6h").await;
    let evidence = drill.safe_so_far().await;
    assert_eq!(
        (evidence.effects_on("AD"), evidence.effects_on("SAP")),
        (16, 0)
    );
    // what comes later needs no release, on either target
    let process = evidence.latest("SAP")[0]["process"].clone();
    let fresh = add_task(&drill.sim, &process, "Company Updated").await;
    drill.act(json!({"task": fresh, "do": "reject"})).await;
    drill.expect.released = Some(BTreeSet::from(["AD", "SAP"]));
    drill.run_for("12h").await;
    let fresh_only = drill.safe_so_far().await;
    assert_eq!(fresh_only.effects_on("SAP"), 1);
    // 8 of SAP's old ones are held
    let evidence = drill.judge_leaving(8).await;
    assert_eq!(evidence.count("healed"), 17);
}

/// Leavers, so many of whom a cycle reads; what was found out of each stays in the inbox, over cycles whose readings
/// have grown old and over a kill.
async fn what_was_found_out_stays(cap: u32) {
    let world = r#"
name = "leavers"
seed = 19
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 12
prefix = "LVR"
status = "Disabled"
task = [{ task = "Add User to Group", failure = "network" }]
"#;
    let caps = format!("[governor]\ncap_retries = {cap}");
    let mut drill = Setup::of(world).config(&caps).enforcing().await;
    let left = |drill: &Drill| waiting(drill).get("beneficiary_not_active").copied();
    let mut found = None;
    for _ in 0..24 {
        drill.run_for("5m").await;
        let now = left(&drill);
        assert!(now >= found, "forgotten: {:?}", waiting(&drill));
        found = now;
        if found == Some(12) {
            break;
        }
    }
    assert_eq!(found, Some(12), "never read: {:?}", waiting(&drill));
    let since = |drill: &Drill| {
        let inbox = drill.inbox();
        let of = |item: &&Value| item["why"] == "beneficiary_not_active";
        inbox.iter().find(of).expect("it waits")["since"].clone()
    };
    let first = since(&drill);
    drill.kill_and_restart().await;
    for _ in 0..6 {
        drill.run_for("5m").await;
        assert_eq!(left(&drill), Some(12), "{:?}", waiting(&drill));
        assert_eq!(since(&drill), first);
    }
    let report = drill.json(&["report", "daily", "--format", "json"]);
    let report = report.to_string();
    assert!(report.contains("beneficiary_not_active"), "{report}");
    // who is back is read in his turn
    let back = (0..12).map(|n| format!("LVR{:04}", n + 1));
    for login in back {
        drill.act(json!({"user": login, "status": "Active"})).await;
    }
    drill.run_for("4h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects_to_inactive"), 0);
}

/// The first two cycles read all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_guards_found_out_stays_in_the_inbox_over_a_kill() {
    what_was_found_out_stays(6).await;
}

/// Readings grow old before the last one has had its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_readings_of_a_cycle_have_each_their_turn() {
    what_was_found_out_stays(2).await;
}
