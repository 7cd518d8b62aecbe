//! Drills of hand-overs: to whom, and from whom, by what is known right before they are sent, and how much one person is given where no list shows what he has.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_roster::POLICY;

/// The login sees its own tasks alone, and its roles': what it hands to EVE leaves its list.
const OWN: &str = r#"
name = "own-scope"
seed = 71
[[user]]
login = "EVE"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 40
prefix = "EMP"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Manual Grant" }]
"#;

const TO_EVE: &str =
    "fn decide(task, facts) { if task.owner_type == \"role\" { reassign(\"user:EVE\") } }\n";

/// As many at a time as a cycle wants.
const WIDE: &str = "[governor]\ncap_share_percent = 100\ncap_reassigns = 100\n[governor.default]\nbatch_start = 25";

fn to_eve(world: &str, guard: &str) -> Setup {
    Setup::of(world)
        .file("policies/10-hand.rhai", TO_EVE)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config(POLICY)
        .config("dir = \"policies\"")
        .config(&format!("[guard]\n{guard}"))
        .config(WIDE)
}

/// Hand-overs that the simulator has seen.
fn handed(drill: &Drill) -> usize {
    let puts = drill.journal();
    let items = puts
        .iter()
        .filter(|row| row["class"] == "put")
        .filter_map(|row| row["body"]["tasks"].as_array());
    items
        .flatten()
        .filter(|item| item["action"] == "reassign")
        .count()
}

/// The ids of the open tasks of somebody.
fn tasks_of(drill: &Drill, owner: &str) -> Vec<String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let his = tasks.filter(|task| task["owner"] == owner && task["status"] != "C");
    his.map(|task| task["id"].to_string()).collect()
}

fn over_load(drill: &Drill) -> Option<u64> {
    let status = drill.json(&["status", "--json"]);
    let rows = status["refusals"].as_array().expect("refusals").iter();
    let mut rows = rows.filter(|row| row[0] == "assignee_over_load");
    rows.next()?[1].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_left_the_list_by_being_handed_over_counts_towards_the_load() {
    let mut drill = to_eve(OWN, "assignee_load = 5").enforcing().await;
    drill.run_for("6h").await;
    let (many, refused) = (handed(&drill), over_load(&drill));
    // nor does a start forget it
    drill.kill_and_restart().await;
    drill.run_for("6h").await;
    let (after, inbox) = (handed(&drill), drill.inbox());
    drill.judged_elsewhere();
    assert_eq!((many, after), (5, 5), "{inbox:#?}");
    assert_eq!(refused, Some(35));
}

/// Of what no list shows nobody says when it ends: after a while it counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_over_long_ago_counts_no_more() {
    let mut drill = to_eve(OWN, "assignee_load = 5\nhanded_for = \"2h\"")
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let first = handed(&drill);
    drill.run_for("2h").await;
    let second = handed(&drill);
    drill.run_for("1d").await;
    let all = handed(&drill);
    drill.judged_elsewhere();
    assert_eq!((first, second, all), (5, 10, 40));
}

/// Where lists show his work they tell as well when it has ended, and nothing of it is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lists_have_shown_as_his_counts_as_long_as_they_show_it() {
    let world = OWN.replace(
        "seed = 71",
        "seed = 72\n[server]\nlist_scope = \"everybody\"",
    );
    let mut drill = to_eve(&world, "assignee_load = 5").enforcing().await;
    drill.run_for("1h").await;
    let first = handed(&drill);
    for task in tasks_of(&drill, "user:EVE") {
        drill.act(json!({"task": task, "do": "complete"})).await;
    }
    drill.run_for("1h").await;
    let second = handed(&drill);
    drill.judged_elsewhere();
    assert_eq!((first, second), (5, 10));
}

/// OWNER has left, and THERE is his proxy; two items a minute go out, so that the queue lasts for some minutes.
const PROXY: &str = r#"
name = "moment"
seed = 73
[server]
list_scope = "everybody"
[[user]]
login = "OWNER"
status = "Disabled"
[[user]]
login = "THERE"
[[proxy]]
user = "OWNER"
proxy = "THERE"
start = "-5d"
end = "30d"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 24
prefix = "EMP"
age = "2h"
owner = ["user:OWNER"]
task = [{ task = "Manual Grant" }]
"#;

async fn queued() -> Drill {
    let mut drill = Setup::of(PROXY)
        .config(POLICY)
        .config("[guard]\nassignee_load = 100")
        .config("[governor]\ncap_share_percent = 100\ncap_reassigns = 100\n[governor.default]\nper_minute = 2")
        .enforcing()
        .await;
    drill.run_for("2m").await;
    let begun = handed(&drill);
    assert!((1..12).contains(&begun), "{begun} were handed on");
    drill
}

/// What the status says of people, in the act's form.
async fn becomes(drill: &Drill, login: &str, status: &str) {
    drill.act(json!({"user": login, "status": status})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_in_who_is_disabled_while_it_waits_in_the_queue_is_handed_nothing() {
    let mut drill = queued().await;
    becomes(&drill, "THERE", "Disabled").await;
    let before = handed(&drill);
    drill.run_for("30m").await;
    let (after, log) = (handed(&drill), drill.log());
    // and once he is there again it goes on
    becomes(&drill, "THERE", "Active").await;
    drill.run_for("2h").await;
    let in_the_end = handed(&drill);
    let given: Value = drill.count("given_to_inactive").into();
    drill.judged_elsewhere();
    assert_eq!(after, before, "{log}");
    assert_eq!((in_the_end, given), (24, 0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_from_an_owner_who_is_active_again_while_it_waits_in_the_queue() {
    let mut drill = queued().await;
    becomes(&drill, "OWNER", "Active").await;
    let before = handed(&drill);
    drill.run_for("30m").await;
    let (after, log) = (handed(&drill), drill.log());
    becomes(&drill, "OWNER", "Disabled").await;
    drill.run_for("2h").await;
    let in_the_end = handed(&drill);
    drill.judged_elsewhere();
    assert_eq!(after, before, "{log}");
    assert_eq!(in_the_end, 24);
}

/// Whoever was handed work gives it back, much of it at once: that is no other server, and nothing else waits for a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_is_given_back_is_no_other_world() {
    let mut drill = to_eve(OWN, "assignee_load = 7").enforcing().await;
    drill.run_for("2h").await;
    let given = tasks_of(&drill, "user:EVE");
    assert_eq!(given.len(), 7);
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["left"], 0, "the hand-over tells why: {status:#}");
    let said = drill.done(&["outcomes", "show", &given[0]]);
    assert!(said.contains("handed it to user:EVE"), "{said}");
    for task in given {
        let back = json!({"task": task, "do": "reassign", "to": "role:PROV OPERATORS"});
        drill.act(back).await;
    }
    drill.run_for("3h").await;
    let inbox = drill.inbox();
    let other = inbox.iter().any(|item| item["why"] == "world_mismatch");
    assert!(!other, "{inbox:#?}");
    let log = drill.log();
    assert!(!log.contains("nothing is sent:"), "{log}");
    drill.judged_elsewhere();
}

/// A role with one active member, to which the work of somebody who has left goes, one item a minute.
const ROLE: &str = r#"
name = "members"
seed = 74
[server]
list_scope = "everybody"
[[role]]
name = "FULFIL"
members = ["MEM", "GONE"]
[[user]]
login = "MEM"
[[user]]
login = "GONE"
status = "Disabled"
[[user]]
login = "OWNER"
status = "Disabled"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 12
prefix = "EMP"
age = "2h"
owner = ["user:OWNER"]
task = [{ task = "Manual Grant" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_whose_last_member_is_disabled_while_it_waits_in_the_queue_is_handed_nothing() {
    let mut drill = Setup::of(ROLE)
        .config(POLICY)
        .config("fulfilment_roles = { \"*\" = \"FULFIL\" }")
        .config("[governor]\ncap_share_percent = 100\ncap_reassigns = 100\n[governor.default]\nper_minute = 1")
        .enforcing()
        .await;
    drill.run_for("3m").await;
    let begun = handed(&drill);
    assert!((1..6).contains(&begun), "{begun} were handed on");
    becomes(&drill, "MEM", "Disabled").await;
    drill.run_for("30m").await;
    let (after, log) = (handed(&drill), drill.log());
    // somebody else will do
    becomes(&drill, "GONE", "Active").await;
    drill.run_for("2h").await;
    let in_the_end = handed(&drill);
    drill.judged_elsewhere();
    assert_eq!(after, begun, "{log}");
    assert_eq!(in_the_end, 12);
}
