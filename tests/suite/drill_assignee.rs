//! Drills of who is handed work, and of whom that must not be: over his load, past his `End Date`, in a circle, absent with a whole role.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_front::behind;
use crate::drill_leave::{ABSENCES, FEED};
use crate::drill_roster::{PEOPLE, POLICY, by_owner};

/// BUSY is LEFT's proxy and holds as much as anybody may.
const BUSY: &str = r#"
name = "over-load"
seed = 32
[server]
list_scope = "everybody"
[[user]]
login = "LEFT"
status = "Disabled"
[[user]]
login = "BUSY"
[[proxy]]
user = "LEFT"
proxy = "BUSY"
start = "-5d"
end = "30d"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 12
prefix = "FULL"
owner = ["user:BUSY"]
task = [{ task = "Manual Grant" }]
[[population]]
target = "DESK"
accounts = 5
prefix = "EMP"
owner = ["user:LEFT"]
task = [{ task = "Manual Grant" }]
"#;

const OWNER_FIELD: &str =
    r#"{"name":"Process Instance.Task Information.Assignee User ID","value":""#;

/// Rows show the owner's key, and not his login, which the contract allows.
fn without_login(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OWNER_FIELD) {
        let (before, after) = rest.split_at(at + OWNER_FIELD.len());
        out.push_str(before);
        let end = after.find('"').expect("the value's end");
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

async fn load_of_busy(keys_only: bool) -> (usize, Vec<Value>) {
    let mut drill = Setup::of(BUSY)
        .config(POLICY)
        .config("[guard]\nassignee_load = 12")
        .start()
        .await;
    behind(&drill, move |seen, text| {
        (keys_only && seen.method == "GET" && seen.path.contains("/prov"))
            .then(|| ("200 OK", without_login(text)))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    let inbox = drill.inbox();
    let held = by_owner(&drill).get("user:BUSY").copied().unwrap_or(0);
    drill.judged_elsewhere();
    (held, inbox)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_more_than_the_load_limit() {
    let (held, inbox) = load_of_busy(false).await;
    assert_eq!(held, 12, "{inbox:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_more_than_the_load_limit_where_rows_show_keys_of_owners() {
    let (held, inbox) = load_of_busy(true).await;
    assert_eq!(held, 12, "{inbox:#?}");
}

/// His last day is over, and OIG has not yet looked: of a beneficiary that is enough, of a stand-in as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_work_whose_end_date_is_over() {
    let world = PEOPLE.replace(
        "login = \"AWAY\"\n",
        "login = \"AWAY\"\nfields = { \"End Date\" = \"2027-02-10\" }\n",
    );
    let mut drill = Setup::of(&world).config(POLICY).enforcing().await;
    drill.run_for("6h").await;
    let held = by_owner(&drill).get("user:AWAY").copied().unwrap_or(0);
    drill.judged_elsewhere();
    assert_eq!(held, 0, "handed to one whose End Date was weeks ago");
}

/// "Names of targets are taken in capitals or not": the work of AD is AD's, not everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fulfilment_role_of_a_target_is_found_in_any_case_of_its_name() {
    let world = r#"
name = "role-of-a-target"
seed = 40
[server]
list_scope = "everybody"
[[user]]
login = "ANN"
[[user]]
login = "BEN"
[[user]]
login = "LEFT"
status = "Disabled"
[[role]]
name = "EVERYBODY DESK"
members = ["ANN"]
[[role]]
name = "AD DESK"
members = ["BEN"]
[[target]]
name = "AD"
connector = "ticket"
[[population]]
target = "AD"
accounts = 3
prefix = "EMP"
owner = ["user:LEFT"]
task = [{ task = "Manual Grant" }]
"#;
    let mut drill = Setup::of(world)
        .config(POLICY)
        .config("fulfilment_roles = { \"*\" = \"EVERYBODY DESK\", \"ad\" = \"AD DESK\" }")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    let owners = by_owner(&drill);
    drill.judged_elsewhere();
    assert_eq!(owners.get("role:AD DESK"), Some(&3), "{owners:?}");
}

/// A house whose only policy is this one.
fn under(world: &str, policy: &str) -> Setup {
    Setup::of(world)
        .file("policies/10-hand.rhai", policy)
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
}

fn refusals(drill: &Drill) -> BTreeMap<String, u64> {
    let status = drill.json(&["status", "--json"]);
    let rows = status["refusals"].as_array().expect("refusals").iter();
    rows.filter_map(|row| Some((row[0].as_str()?.to_owned(), row[1].as_u64()?)))
        .collect()
}

/// Whoever searches for stand-ins passes over one who has enough to do; a policy that names him does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_names_somebody_hands_him_no_more_than_the_load_limit() {
    let policy =
        "fn decide(task, facts) { if task.owner == \"user:LEFT\" { reassign(\"user:BUSY\") } }\n";
    let mut drill = under(BUSY, policy)
        .config("[guard]\nassignee_load = 14\n[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    let refused = refusals(&drill);
    let evidence = drill.judge().await;
    let sent = evidence.sent("reassign").count();
    assert_eq!(sent, 2, "12 and 2 are the limit: {refused:?}");
    assert_eq!(refused.get("assignee_over_load"), Some(&3), "{refused:?}");
}

/// A policy that hands work to and fro.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_does_not_go_back_to_whom_it_came_from() {
    let world = r#"
name = "to-and-fro"
seed = 43
[server]
list_scope = "everybody"
[[user]]
login = "ONE"
[[user]]
login = "TWO"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 3
prefix = "EMP"
owner = ["user:ONE"]
task = [{ task = "Manual Grant" }]
"#;
    let policy = "fn decide(task, facts) { if task.owner == \"user:ONE\" { reassign(\"user:TWO\") } else { reassign(\"user:ONE\") } }\n";
    let mut drill = under(world, policy)
        .config("[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    let refused = refusals(&drill);
    let owners = by_owner(&drill);
    let evidence = drill.judge().await;
    let sent = evidence.sent("reassign").count();
    assert_eq!(sent, 3, "once each, and not back: {refused:?}");
    assert_eq!(owners.get("user:TWO"), Some(&3), "{owners:?}");
    assert_eq!(refused.get("delegation_loop"), Some(&3), "{refused:?}");
}

/// The members of one role are all away by the file, of the other one of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_which_all_are_away_is_handed_nothing() {
    let policy = r#"
fn decide(task, facts) {
    if task.owner == "user:OWNER" { return reassign("role:DESK"); }
    if task.owner == "user:SECOND" { return reassign("role:DESERTED"); }
}
"#;
    let mut drill = under(ABSENCES, policy)
        .file("absences.csv", FEED)
        .config("[absence]\nfeed = \"absences.csv\"\n[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.expect.absent = vec!["OWNER", "AWAYTOO", "SECOND"];
    drill.run_for("6h").await;
    let refused = refusals(&drill);
    let owners = by_owner(&drill);
    drill.judge().await;
    // of the four one is for THERE, who alone is left of the role
    assert_eq!(owners.get("role:DESK"), Some(&3), "{owners:?}");
    assert_eq!(owners.get("role:DESERTED"), None, "{owners:?}");
    assert_eq!(refused.get("assignee_away"), Some(&4), "{refused:?}");
}

/// A role whose only member is past his last day is one without anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_which_all_are_past_their_end_dates_is_handed_nothing() {
    let world = PEOPLE
        .replace(
            "login = \"AWAY\"\n",
            "login = \"AWAY\"\nfields = { \"End Date\" = \"2027-02-10\" }\n",
        )
        .replace(
            "[[target]]",
            "[[role]]\nname = \"DESK\"\nmembers = [\"AWAY\"]\n[[target]]",
        );
    let policy = "fn decide(task, facts) { reassign(\"role:DESK\") }\n";
    let mut drill = under(&world, policy).enforcing().await;
    drill.run_for("6h").await;
    let refused = refusals(&drill);
    let evidence = drill.judge().await;
    assert_eq!(evidence.sent("reassign").count(), 0, "{refused:?}");
    assert_eq!(refused.get("assignee_not_active"), Some(&6), "{refused:?}");
}

/// A part of an answer says nothing of the others: only who is shown without an End Date has none.
#[tokio::test]
async fn who_is_missing_from_an_answer_about_last_days_is_not_known() {
    use crate::client_stub::{Stub, http, json, setup};
    use provtaskd::model::Login;
    use provtaskd::model::standing::LastDay;
    let asked = [Login::new("HERE"), Login::new("MISSING")];
    let stub = Stub::start(|_, _| {
        json(r#"{"count":1,"hasMore":false,"totalResult":-1,"users":[{"id":"7","fields":[{"name":"usr_key","value":7},{"name":"User Login","value":"HERE"}]}]}"#)
    })
    .await;
    let client = setup(&stub.origin()).client();
    let told = client.last_days(&asked).await.expect("an answer");
    assert_eq!(told.get(&asked[0]), Some(&LastDay::NotShown));
    assert_eq!(told.get(&asked[1]), None, "{told:?}");
    // a server that does not know the field shows none of anybody
    let stub = Stub::start(|_, _| http("400 Bad Request", "", "")).await;
    let client = setup(&stub.origin()).client();
    let mut told = client.last_days(&asked).await;
    for _ in 0..4 {
        told = client.last_days(&asked).await;
    }
    let told = told.expect("known by now");
    assert_eq!(told.get(&asked[1]), Some(&LastDay::NotShown));
}
