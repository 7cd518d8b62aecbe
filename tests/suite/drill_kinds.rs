//! Drills of names that say something else than the pattern they fit, whole processes: nobody gets access back by a misread name; judged by the simulator's truth.

use std::collections::BTreeMap;

use crate::drill::{Drill, Setup};
use provtaskd::model::Kind;

/// What the inbox says of each task by its target user.
fn why(drill: &Drill) -> BTreeMap<String, String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let user = |id: &str| {
        let id: u64 = id.parse().ok()?;
        let own = tasks.iter().find(|task| task["id"] == id);
        own.and_then(|task| task["beneficiary"].as_str())
            .map(str::to_owned)
    };
    let mut said = BTreeMap::new();
    for item in drill.inbox() {
        let why = item["why"].as_str().expect("a reason").to_owned();
        let ids = item["tasks"].as_array().into_iter().flatten();
        for id in ids.filter_map(|id| user(id.as_str()?)) {
            said.insert(id, why.clone());
        }
    }
    said
}

/// A completed task moved or set somebody to where nobody works, under a name that is no plain disable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_older_than_a_move_to_where_nobody_works_is_not_sent() {
    let mut world = String::from(
        r#"
name = "moved away"
seed = 5
[server]
forget_after = "30d"
[[target]]
name = "AD"
[[user]]
login = "STAYED"
[[task]]
target = "AD"
user = "STAYED"
task = "Add User to Group"
failure = "network"
created = "-50h"
"#,
    );
    for (login, name) in [
        ("MOVED1", "Move User To Disabled OU"),
        ("MOVED2", "Set User Inactive"),
        ("MOVED3", "Move User To Leavers OU"),
        ("MOVED4", "Set Employee Gone"),
        ("MOVED5", "Account Status Updated"),
        ("PLAIN1", "Disable User"),
    ] {
        world.push_str(&format!(
            r#"
[[user]]
login = "{login}"
[[task]]
target = "AD"
user = "{login}"
task = "Add User to Group"
failure = "network"
created = "-50h"
[[task]]
target = "AD"
user = "{login}"
task = "{name}"
kind = "disable"
status = "C"
created = "-24h"
"#
        ));
    }
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("24h").await;
    let said = why(&drill);
    let evidence = drill.judge().await;
    assert_eq!(
        (evidence.count("healed"), evidence.count("effects")),
        (1, 1)
    );
    for (login, reason) in [
        ("MOVED1", "stale_grant"),
        ("MOVED2", "stale_grant"),
        ("MOVED3", "account_unknown"),
        ("MOVED4", "account_unknown"),
        ("MOVED5", "account_unknown"),
        ("PLAIN1", "stale_grant"),
    ] {
        assert_eq!(
            said.get(login).map(String::as_str),
            Some(reason),
            "{said:?}"
        );
    }
}

/// Names that begin with taking and give: whoever is disabled does not get access by them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_takes_a_limit_away_is_no_revoke_and_is_not_sent_for_who_has_left() {
    let mut world = String::from(
        r#"
name = "limits"
seed = 5
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
"#,
    );
    for (n, name) in [
        "Remove Account Lock",
        "Enable User After Suspension Revoked",
        "Disable Account Expiry",
        "Remove User from Disabled Group",
        "Revoke Termination",
    ]
    .iter()
    .enumerate()
    {
        world.push_str(&format!(
            r#"
[[user]]
login = "GONE{n}"
status = "Disabled"
[[task]]
target = "AD"
user = "GONE{n}"
task = "{name}"
kind = "enable"
failure = "network"
"#
        ));
    }
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("24h").await;
    let status = drill.json(&["status", "--json"]);
    let (unmapped, doubted) = (status["unmapped"].clone(), status["doubted"].clone());
    let told = drill.done(&["status"]);
    let evidence = drill.judge().await;
    assert_eq!(
        (evidence.count("healed"), evidence.count("effects")),
        (2, 2)
    );
    assert_eq!(evidence.count("effects_to_inactive"), 0);
    // and an admin is shown what nobody has named
    let shown = unmapped.as_array().expect("definitions");
    assert_eq!(shown.len(), 5, "{unmapped}");
    // with what has changed by an upgrade: a pattern that fits, and the word that speaks against it
    let of = |name: &str| {
        let mut rows = doubted.as_array().expect("rows").iter();
        let row = rows.find(|row| row[0] == format!("AD/{name}"));
        row.unwrap_or_else(|| panic!("{name}: {doubted}"))[1].to_string()
    };
    let why = of("Disable Account Expiry");
    let words = ["would make it disable", "`expiry`"];
    assert!(words.iter().all(|word| why.contains(word)), "{why}");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "1 AD/Disable Account Expiry",
        "AD/Disable Account Expiry: `disable account*` would make it disable,",
        "and `expiry` speaks against that",
        "policy.kinds",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// What a person is kept out by, taken away from him, gives access: no such name may go past the guard of stale
/// grants as a revoke.
#[test]
fn names_that_give_access_are_no_revokes() {
    let set = provtaskd::policy::load::load(&provtaskd::model::settings::PolicySettings::default())
        .expect("the shipped set");
    let mut wrong = Vec::new();
    for name in [
        "Remove User From No Access Group",
        "Remove User from Exclude List",
        "Remove User from Excluded Users",
        "Remove User from Leave Of Absence Group",
        "Remove User from Absent OU",
        "Remove User from Watchlist",
        "Remove User from Sanctions List",
        "Remove User from Jail Group",
        "Remove Read Only Mode from User",
        "Remove Litigation Marker from User",
        "Revoke Leave",
        "Revoke Dismissal",
        "Revoke Resignation",
        "Revoke Exemption From Login",
        "Deactivate Account Lockdown",
        "Deactivate Vacation Mode",
        "Deactivate Maintenance Mode",
        "Remove Role No Login",
        "Remove Role NOLOGIN",
        "Delete Role NoAccess",
        "Remove User from Group NoAccess",
    ] {
        let mut task = provtaskd::model::Task::bare(
            provtaskd::model::TaskId::new("1"),
            provtaskd::model::TaskStatus::Rejected,
        );
        task.target = Some(provtaskd::model::TargetName::new("AD"));
        task.definition_name = Some(name.into());
        let kind = set.kind_of(&task);
        if matches!(kind, Kind::Revoke | Kind::Disable) {
            wrong.push(format!("{name}: {kind}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
