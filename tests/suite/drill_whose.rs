//! Drills of a successor that comes late or is never shown, and of somebody else's order of the same work between: what nothing but likeness ties to a retry is told with its doubt, the caps hold whatever comes later, and a target whose successors come late heals as any other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

const GRANT: &str = "Add User to Group";

/// What the evidence says of a success that may be somebody else's.
const DOUBT: &str = "it may be somebody else's";

fn world(target: &str, accounts: u16, state: &str) -> String {
    let mut out = format!(
        "name = \"whose\"\nseed = 5\n[[target]]\nname = \"AD\"\nconnector = \"ldap\"\n{target}\n{state}"
    );
    for n in 0..accounts {
        out.push_str(&format!(
            "[[user]]\nlogin = \"USER{n}\"\n[[account]]\nkey = {}\ntarget = \"AD\"\nuser = \"USER{n}\"\n\
             [[task]]\nid = {}\ntarget = \"AD\"\nuser = \"USER{n}\"\ntask = \"{GRANT}\"\nfailure = \"network\"\ncreated = \"-50h\"\n",
            500 + n,
            600 + n
        ));
    }
    out
}

const DOWN: &str = "window = [{ from = \"-60h\", to = \"9d\", state = \"down\" }]\n";

/// More at once than a target that has just failed gets.
const AT_ONCE: &str = "[governor.default]\nin_flight = 8\nbreaker_after = 50\nbatch_start = 25\n";

/// What the attempts came to, in the order of their claims.
struct Told {
    states: Vec<String>,
    reasons: Vec<String>,
}

fn told(drill: &Drill) -> Told {
    let rows = drill.json(&["outcomes", "list", "--json"]);
    let rows = rows.as_array().expect("rows");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let all = |name: &str| rows.iter().map(|row| text(row, name)).collect();
    Told {
        states: all("state"),
        reasons: all("reason"),
    }
}

impl Told {
    fn is_all_done(&self, count: usize) -> bool {
        self.states.len() == count && self.states.iter().all(|state| state == "completed")
    }

    fn doubts(&self) -> usize {
        self.reasons
            .iter()
            .filter(|why| why.contains(DOUBT))
            .count()
    }
}

/// How often the connector ran for the grants of each person.
async fn runs(drill: &Drill) -> BTreeMap<String, usize> {
    let evidence = drill.evidence().await;
    let mut out = BTreeMap::new();
    for effect in evidence.effects().filter(|of| of["definition"] == GRANT) {
        let login = effect["beneficiary"].as_str().expect("a login").to_owned();
        *out.entry(login).or_default() += 1;
    }
    out
}

/// Items of all PUTs so far.
fn items(drill: &Drill) -> usize {
    let puts = drill.journal().into_iter();
    let puts = puts.filter(|row| row["method"] == "PUT");
    puts.map(|row| row["items"].as_array().map_or(1, Vec::len))
        .sum()
}

/// In small steps, for what comes late is not far away.
async fn until_sent(drill: &mut Drill, count: usize) {
    for _ in 0..120 {
        if items(drill) >= count {
            return;
        }
        drill.run_for("30s").await;
    }
    let (sent, inbox) = (items(drill), drill.inbox());
    panic!("{sent} of {count} items were sent: {inbox:#?}");
}

/// Somebody orders the same for each of these accounts, and does it himself.
async fn others_order(drill: &Drill, accounts: u16) {
    let mut made = Vec::new();
    for n in 0..accounts {
        made.push(add_task(&drill.sim, &json!(500 + n), GRANT).await);
    }
    for task in made {
        drill.act(json!({"task": task, "do": "complete"})).await;
    }
}

/// The orders of others, all of one moment, ten minutes after the retries. What the retries have made comes hours later and
/// fails as it did: it is no new work, and a person has to say whose each of the two is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_done_is_told_with_its_doubt_and_ours_is_no_new_work() {
    for (delay, accounts) in [("2h", 1), ("6h", 5)] {
        let target = format!("successor_delay = \"{delay}\"");
        let mut drill = Setup::of(&world(&target, accounts, DOWN))
            .config(AT_ONCE)
            .enforcing()
            .await;
        let count = usize::from(accounts);
        until_sent(&mut drill, count).await;
        drill.run_for("10m").await;
        others_order(&drill, accounts).await;
        drill.run_for("1h").await;
        let first = told(&drill);
        let about = format!("{delay}: {:?} {:?}", first.states, first.reasons);
        assert!(first.is_all_done(count), "{about}");
        assert_eq!(first.doubts(), count, "{about}");
        let report = drill.done(&["report", "daily"]);
        let line = format!("{count} of them made long after the retry and naming no task");
        assert!(report.contains(&line), "{report}");
        drill.run_for("6d").await;
        let (of_each, all, inbox) = (runs(&drill).await, told(&drill), drill.inbox());
        let about = format!("{delay}: {of_each:?} {:?} {inbox:#?}", all.states);
        drill.judged_elsewhere();
        assert_eq!(of_each.len(), count, "{about}");
        assert!(of_each.values().all(|runs| *runs == 1), "{about}");
        let asked = inbox.iter().find(|item| item["why"] == "ambiguous");
        assert_eq!(
            asked.map(|item| &item["count"]),
            Some(&json!(2 * count)),
            "{about}"
        );
    }
}

/// Somebody's order of the same work that has failed is told as the failure of ours, with the same doubt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_failed_at_is_told_with_its_doubt() {
    let mut drill = Setup::of(&world("successor_delay = \"3h\"", 1, DOWN))
        .config(AT_ONCE)
        .enforcing()
        .await;
    until_sent(&mut drill, 1).await;
    drill.run_for("10m").await;
    let theirs = add_task(&drill.sim, &json!(500), GRANT).await;
    drill.act(json!({"task": theirs, "do": "reject"})).await;
    drill.run_for("15m").await;
    let all = told(&drill);
    drill.judged_elsewhere();
    assert_eq!(all.states[0], "bounced", "{:?}", all.reasons);
    assert!(all.reasons[0].contains(DOUBT), "{:?}", all.reasons);
}

/// The same at six moments, each foreign order as late as the others: that looks like the way of the target, and what comes
/// of the retries is no new work all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_looks_like_the_way_of_a_target_makes_no_new_work_of_what_comes_later() {
    let all = 6;
    let world = world("successor_delay = \"6h\"", all, DOWN);
    let mut drill = Setup::of(&world).config(AT_ONCE).start().await;
    for n in 1..all {
        drill
            .act(json!({"task": (600 + n).to_string(), "do": "hide"}))
            .await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    for n in 0..all {
        if n > 0 {
            drill
                .act(json!({"task": (600 + n).to_string(), "do": "show"}))
                .await;
            drill.run_for("40m").await;
            drill.freshly_read().await;
            drill.approve_backlog();
        }
        until_sent(&mut drill, usize::from(n) + 1).await;
        drill.run_for("10m").await;
        let theirs = add_task(&drill.sim, &json!(500 + n), GRANT).await;
        drill.act(json!({"task": theirs, "do": "complete"})).await;
        drill.run_for("9m").await;
    }
    drill.run_for("6d").await;
    let (of_each, told, inbox) = (runs(&drill).await, told(&drill), drill.inbox());
    let about = format!("{of_each:?} {:?} {inbox:#?}", told.states);
    drill.judged_elsewhere();
    assert_eq!(of_each.len(), usize::from(all), "{about}");
    assert!(of_each.values().all(|runs| *runs == 1), "{about}");
    let asked = inbox.iter().find(|item| item["why"] == "ambiguous");
    assert_eq!(
        asked.map(|item| &item["count"]),
        Some(&json!(2 * all)),
        "{about}"
    );
}

/// Nothing that the retry has made is ever shown: what looks like it is told with its doubt, and nothing is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_successors_are_hidden_somebody_elses_is_told_with_its_doubt() {
    let world = world("successor_hidden = true", 1, DOWN);
    let mut drill = Setup::of(&world).enforcing().await;
    until_sent(&mut drill, 1).await;
    drill.run_for("10m").await;
    others_order(&drill, 1).await;
    drill.run_for("6d").await;
    let (of_each, all) = (runs(&drill).await, told(&drill));
    drill.judged_elsewhere();
    assert!(all.is_all_done(1) && all.doubts() == 1, "{:?}", all.reasons);
    assert_eq!(of_each.values().sum::<usize>(), 1);
}

/// A target is known to make its successors at once. One of them is not shown, and somebody orders the same: whose it is a
/// person has to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_successors_come_at_once_a_late_one_is_left_to_a_person() {
    let mut world = world("", 4, "");
    world.push_str(
        "[[user]]\nlogin = \"USER9\"\n[[account]]\nkey = 509\ntarget = \"AD\"\nuser = \"USER9\"\n\
         [[task]]\ntarget = \"AD\"\nuser = \"USER9\"\ntask = \"Create User\"\nstatus = \"C\"\ncreated = \"-90h\"\n",
    );
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("12h").await;
    let before = told(&drill);
    assert!(
        before.is_all_done(4) && before.doubts() == 0,
        "{:?}",
        before.reasons
    );
    let task = add_task(&drill.sim, &json!(509), GRANT).await;
    let reject = json!({"task": task, "do": "reject"});
    drill.act(reject).await;
    let known = |drill: &Drill| {
        let truth = drill.truth();
        let tasks = truth["tasks"].as_array().expect("tasks").clone();
        let ids = tasks.into_iter().map(|task| task["id"].to_string());
        ids.collect::<Vec<_>>()
    };
    let ids = known(&drill);
    until_sent(&mut drill, 5).await;
    let fresh = known(&drill).into_iter().find(|id| !ids.contains(id));
    let fresh = fresh.expect("a successor").trim_matches('"').to_owned();
    drill.act(json!({"task": fresh, "do": "hide"})).await;
    drill.run_for("10m").await;
    let theirs = add_task(&drill.sim, &json!(509), GRANT).await;
    drill.act(json!({"task": theirs, "do": "complete"})).await;
    drill.run_for("1d").await;
    let (inbox, all) = (drill.inbox(), told(&drill));
    let about = format!("{:?} {inbox:#?}", all.reasons);
    let of_last = runs(&drill).await["USER9"];
    drill.judged_elsewhere();
    assert!(
        inbox.iter().any(|item| item["why"] == "ambiguous"),
        "{about}"
    );
    let done = all.states.iter().filter(|state| *state == "completed");
    assert_eq!((done.count(), of_last), (4, 1), "{about}");
}

/// One, two and five successors that come late, with nobody else about: all heal, each is run once, and nobody is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_successors_come_late_heals_as_any_other() {
    for (delay, accounts, config) in [
        ("5m", 1, ""),
        ("2h", 2, ""),
        ("7m", 5, "[governor.default]\nper_minute = 1\n"),
    ] {
        let target = format!("successor_delay = \"{delay}\"");
        let drill = Setup::of(&world(&target, accounts, "")).config(config);
        let mut drill = drill.enforcing().await;
        drill.run_for("40h").await;
        let (of_each, all, inbox) = (runs(&drill).await, told(&drill), drill.inbox());
        let about = format!("{delay}: {:?} {:?} {inbox:#?}", all.states, all.reasons);
        assert!(all.is_all_done(usize::from(accounts)), "{about}");
        assert!(of_each.values().all(|runs| *runs == 1), "{of_each:?}");
        assert!(inbox.is_empty(), "{about}");
        // the first ones are told with their doubt, and no more than that
        assert!((1..=3).contains(&all.doubts()), "{about}");
        drill.judge().await;
    }
}
