//! Drills of what no policy can do, whole processes: a policy that wants everything, at once and for ever, meets each limit; judged by the simulator's truth and journal alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_crash::LENIENT;
use crate::drill_heal::MANUAL;
use crate::drill_oracle::Evidence;
use crate::naive::add_task;

/// Wants every rejected task to be retried, always.
const GREEDY: &str = "fn decide(task, facts) { if task.status == \"rejected\" { retry() } }\n";

/// A world whose daemon runs under such a policy.
pub fn greedy(scenario: &str) -> Setup {
    Setup::of(scenario)
        .file("policies/10-greedy.rhai", GREEDY)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
}

/// Accounts with a change each, which goes at once.
fn changes(accounts: u32) -> String {
    format!(
        "name = \"changes\"\nseed = 41\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = {accounts}\n\
         task = [{{ task = \"Telephone Updated\", failure = \"lock\" }}]\n"
    )
}

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

/// Rewrites the daemon's configuration and has it read again.
fn reconfigured(drill: &Drill, from: &str, to: &str) {
    let path = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("a configuration");
    let changed = text.replace(from, to);
    assert_ne!(changed, text, "{from}");
    fs::write(path, changed).expect("written");
    drill.done(&["reload"]);
}

fn refused(drill: &Drill) -> BTreeMap<String, u64> {
    let status = drill.json(&["status", "--json"]);
    let rows = status["refusals"].as_array().expect("refusals");
    rows.iter()
        .filter_map(|row| Some((row[0].as_str()?.to_owned(), row[1].as_u64()?)))
        .collect()
}

fn time(row: &Value) -> Timestamp {
    let text = row["at"].as_str().expect("a time");
    text.parse().expect("a timestamp")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_retries_no_more_than_its_cap_and_the_rest_waits_its_turn() {
    let mut drill = greedy(&changes(12))
        .config("[governor]\ncap_retries = 3\n[governor.default]\nbatch_start = 25")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 12);
    let evidence = drill.judge().await;
    // what is sent between two lists was wanted by one cycle
    let (mut most, mut sum, mut now) = (0, 0, 0);
    for row in evidence.requests() {
        if row["class"] == "list" {
            now = 0;
        }
        if row["class"] == "put" {
            let items = row["body"]["tasks"].as_array().map_or(1, Vec::len);
            now += items;
            sum += items;
            most = most.max(now);
        }
    }
    assert_eq!((most, sum), (3, 12), "items of one cycle, and of all");
    // what is read back brings the next cycle forward, and gives it no caps of its own
    let times: Vec<Timestamp> = evidence.class("put").map(time).collect();
    let close = times.iter().map(|first| {
        let after = |at: &&Timestamp| **at >= *first && at.duration_since(*first).as_secs() < 240;
        times.iter().filter(after).count()
    });
    assert_eq!(
        close.max(),
        Some(1),
        "requests within four minutes: {times:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_piece_of_work_is_tried_more_often_than_the_cap_over_ids_and_restarts() {
    let never = changes(4).replace("\"lock\"", "\"lock\", heals_after = 50");
    let mut drill = greedy(&never)
        .every("30m")
        .config("[governor]\nmax_attempts = 3\nbackoff_cap = \"1h\"")
        .enforcing()
        .await;
    drill.run_for("12h").await;
    drill.kill_and_restart().await;
    drill.run_for("60h").await;
    assert_eq!(drill.count("healed"), 0);
    assert_eq!(drill.count("most_runs_of_one"), 3);
    assert_eq!(drill.count("effects"), 4 * 3, "each as often as it may be");
    let asked: u64 = drill
        .inbox()
        .iter()
        .filter(|item| item["why"] == "attempts_used_up")
        .filter_map(|item| item["count"].as_u64())
        .sum();
    assert_eq!(asked, 4, "{:#?}", drill.inbox());
    drill.judge_leaving(4).await;
}

/// Every account's own sends and effects, in order: `true` is a send.
fn sends_and_effects(evidence: &Evidence) -> BTreeMap<String, Vec<bool>> {
    let mut all: Vec<(Timestamp, bool, String)> = Vec::new();
    for (request, item) in evidence.sent("retry") {
        let task = evidence.task(&item["id"]).expect("a task of the world");
        all.push((time(request), true, task["process"].to_string()));
    }
    for effect in evidence.effects() {
        all.push((time(effect), false, effect["process"].to_string()));
    }
    // at the same moment what has ended comes before what begins
    all.sort();
    let mut by_account: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (_, send, account) in all {
        by_account.entry(account).or_default().push(send);
    }
    by_account
}

/// The connector runs long after the answer: until it has, nothing else goes to the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_never_has_two_writes_on_their_way() {
    let mut drill = greedy(
        r#"
name = "busy"
seed = 42
[[target]]
name = "AD"
run = "later"
later = "7m"
[[population]]
target = "AD"
accounts = 5
task = [
  { task = "Telephone Updated", failure = "lock" },
  { task = "Department Updated", failure = "lock" },
  { task = "Add User to Group", failure = "lock", repeat = 2 },
]
"#,
    )
    .config("[governor.default]\nbatch_start = 25\nin_flight = 4")
    .enforcing()
    .await;
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 20);
    let evidence = drill.judge().await;
    let by_account = sends_and_effects(&evidence);
    assert_eq!(by_account.len(), 5);
    for (account, rows) in by_account {
        let one_by_one = [true, false].repeat(4);
        assert_eq!(rows, one_by_one, "two writes at once in account {account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_grown_too_old_waits_for_a_person_although_it_is_no_backlog() {
    let world = format!(
        "{}[[definition]]\ntarget = \"AD\"\nname = \"Department Updated\"\n",
        changes(2)
    );
    let mut drill = greedy(&world)
        .config("[guard]\nage_limit = \"2d\"")
        .every("30m")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 2);
    let process = drill.truth()["tasks"][0]["process"].clone();
    let fresh = add_task(&drill.sim, &process, "Department Updated").await;
    drill.act(json!({"task": fresh, "do": "reject"})).await;
    drill.done(&["pause", "--target", "AD", "--why", "AD moves house"]);
    drill.run_for("60h").await;
    drill.done(&["resume", "--target", "AD"]);
    let before = puts(&drill);
    drill.run_for("12h").await;
    assert_eq!(puts(&drill), before, "nobody has released it");
    assert_eq!(refused(&drill).get("too_old"), Some(&1));
    drill.done(&[
        "approve",
        "baseline:AD",
        "--yes-release",
        "9999",
        "--why",
        "still wanted",
    ]);
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 3);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observe_decides_and_records_and_sends_nothing() {
    let mut drill = greedy(&changes(4)).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    reconfigured(&drill, "global = \"enforce\"", "global = \"observe\"");
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(puts(&drill), 0, "nothing is sent");
    assert_eq!(
        refused(&drill),
        BTreeMap::from([("mode_observe".to_owned(), 4)])
    );
    reconfigured(&drill, "global = \"observe\"", "global = \"enforce\"");
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 4);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_nobody_has_released_sends_nothing() {
    let mut drill = greedy(&changes(4)).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let another = format!("{GREEDY}// another one\n");
    drill.write("policies/10-greedy.rhai", &another);
    drill.done(&["reload"]);
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(puts(&drill), 0, "nothing is sent");
    let named = BTreeMap::from([("policy_not_released".to_owned(), 4)]);
    assert_eq!(refused(&drill), named);
    drill.release();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 4);
    drill.judge().await;
}

/// Whether the person is still there can't be told: nothing is given on a guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_beneficiary_who_cannot_be_read_nothing_is_assumed() {
    let world = changes(4).replace("Telephone Updated", "Add User to Group");
    let mut drill = greedy(&world).start().await;
    drill
        .act(json!({"fault": {"do": "html500", "on": "people", "probability": 1.0}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    assert_eq!(puts(&drill), 0, "nothing is sent on a guess");
    assert_eq!(refused(&drill).get("beneficiary_unknown"), Some(&4));
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 4);
    drill.judge().await;
}

/// Nobody has said what these do to access, or that they may be done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_named_is_not_retried() {
    let mut drill = greedy(
        r#"
name = "unnamed"
seed = 43
[[target]]
name = "AD"
[[definition]]
target = "AD"
name = "Frobnicate"
[[population]]
target = "AD"
accounts = 3
prefix = "FRO"
task = [{ task = "Frobnicate", failure = "lock" }]
[[population]]
target = "AD"
accounts = 3
prefix = "PWD"
task = [{ task = "Password Updated", failure = "lock" }]
[[population]]
target = "AD"
accounts = 3
prefix = "TEL"
task = [{ task = "Telephone Updated", failure = "lock" }]
"#,
    )
    .enforcing()
    .await;
    drill.run_for("6h").await;
    let evidence = drill.safe_so_far().await;
    let ran: BTreeSet<&str> = evidence
        .effects()
        .filter_map(|effect| effect["definition"].as_str())
        .collect();
    assert_eq!(ran, BTreeSet::from(["Telephone Updated"]));
    let reasons = refused(&drill);
    let named = ["kind_unknown", "kind_needs_naming"].map(|reason| reasons.get(reason));
    assert_eq!(named, [Some(&3), Some(&3)], "{reasons:?}");
    drill.judge_leaving(6).await;
}

/// Only what was rejected can be tried again; what still runs, or waits for a person, is left to itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_rejected_is_not_retried() {
    let world = changes(3).replace("failure = \"lock\"", "failure = \"lock\", status = \"P\"");
    let mut drill = greedy(&world)
        .file(
            "policies/10-greedy.rhai",
            "fn decide(task, facts) { retry() }\n",
        )
        .enforcing()
        .await;
    drill.run_for("6h").await;
    assert_eq!(drill.evidence().await.sent("retry").count(), 0);
    assert_eq!(refused(&drill).get("status_not_actionable"), Some(&3));
    drill.judge().await;
}

/// To close a task by hand is off until somebody has allowed it for its definition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_closed_by_hand_without_leave() {
    let mut drill = greedy(&changes(3))
        .file(
            "policies/10-greedy.rhai",
            "fn decide(task, facts) { manual_complete() }\n",
        )
        .enforcing()
        .await;
    drill.run_for("6h").await;
    assert_eq!(drill.evidence().await.sent("manualComplete").count(), 0);
    assert_eq!(puts(&drill), 0, "nothing is sent");
    assert_eq!(refused(&drill).get("action_not_allowed"), Some(&3));
    drill.judge_leaving(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_tries_there_is_a_pause_that_grows_whatever_a_policy_wants() {
    let world = changes(4).replace("\"lock\"", "\"lock\", heals_after = 3");
    let mut drill = greedy(&world)
        .config("[governor]\nbackoff_base = \"1h\"\nbackoff_factor = 2.0")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 4);
    let evidence = drill.judge().await;
    let mut tries: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for effect in evidence.effects() {
        let root = effect["root"].as_str().expect("a root");
        tries.entry(root).or_default().push(time(effect));
    }
    for (root, at) in tries {
        let minutes = |n: usize| at[n].duration_since(at[n - 1]).as_mins();
        assert_eq!(at.len(), 4, "{root}");
        // an hour, two and four, each within a tenth
        for (n, least) in [(1, 54), (2, 108), (3, 216)] {
            assert!(
                minutes(n) >= least,
                "try {n} of {root} after {} minutes",
                minutes(n)
            );
        }
    }
}

/// The oracle counts: a definition that OIG calls "not automated" is asked for in one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_automated_is_not_asked_for_again() {
    let mut drill = greedy(MANUAL)
        .config("kinds = { \"DESK/Manual Grant\" = \"grant\" }")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    drill.safe_so_far().await;
    assert_eq!(drill.count("healed"), 4);
    assert_eq!(refused(&drill).get("definition_manual"), Some(&12));
    drill.judge().await;
}

/// The connection breaks, and the server carries the retry out ten minutes later: until then the task looks as it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unclear_answer_is_followed_by_no_second_try_whatever_a_policy_wants() {
    let mut drill = greedy(LENIENT)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    for at in [1, 2] {
        drill
            .act(json!({"fault": {"do": "slow_apply", "on": "put", "at": [at], "ms": 1, "delay": "10m"}}))
            .await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("14m").await;
    drill.safe_so_far().await;
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 12);
    assert_eq!(evidence.count("effects"), 12, "each took effect once");
}

/// Half a list does not say what else an account holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_on_half_a_list() {
    let mut drill = greedy(&changes(6)).server("page_size = 2").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
        .act(json!({"fault": {"do": "repeat_next", "on": "list", "probability": 1.0}}))
        .await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(puts(&drill), 0, "nothing is sent");
    assert!(refused(&drill).contains_key("snapshot_incomplete"));
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}

/// A time that the server names as a date is kept as well as one in seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_asks_for_by_a_date_is_kept() {
    let mut drill = greedy(&changes(2))
        .config("[governor.default]\nbatch_max = 1")
        .every("10s")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "too_many", "on": "put", "from_request": 1, "value": "date"}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let evidence = drill.safe_so_far().await;
    let asked = evidence.requests().filter(|row| row["class"] == "put");
    let times: Vec<Timestamp> = asked.map(time).collect();
    assert!(times.len() > 1, "it is asked again");
    for two in times.windows(2) {
        let pause = two[1].duration_since(two[0]);
        assert!(
            pause.as_secs() >= 118,
            "two minutes were asked for: {pause:#}"
        );
    }
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 2);
    drill.judge().await;
}

/// A server that asks to be left alone is left alone for so long, by writes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_asks_for_is_kept() {
    let mut drill = greedy(&changes(6))
        .config("[governor.default]\nbatch_max = 1")
        .start()
        .await;
    drill
        .act(json!({"fault": {"do": "too_many", "on": "put", "at": [1], "value": "3600"}}))
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("55m").await;
    assert_eq!(
        puts(&drill),
        1,
        "the one that was answered with a request to wait"
    );
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6);
    drill.judge().await;
}
