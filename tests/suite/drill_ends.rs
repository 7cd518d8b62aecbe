//! Drills of what tells since when finished tasks are kept: definitions that the server is asked about, ends that it shows, and what our own retries have completed; judged by the simulator's truth alone.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_archive::{done_for, run, world};
use crate::naive::add_task;

/// Accounts don't show which of their tasks are automated, and for many definitions no list does either: the server is
/// asked which of its definitions are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_accounts_do_not_show_what_is_automated_their_definitions_are_asked_about() {
    let world = include_str!("../../examples/scenarios/siblings.toml");
    let world = format!("{world}\n[traits]\nprocess_no_adapter = true\n");
    let mut drill = Setup::of(&world).every("10m").enforcing().await;
    drill.run_for("24h").await;
    let evidence = drill.evidence().await;
    let asked = evidence.requests().filter(|request| {
        let path = request["path"].as_str().unwrap_or_default();
        path.ends_with("/availabletasks")
    });
    let asked = asked.count();
    assert!(
        (1..=8).contains(&asked),
        "one for all accounts of a target, a day: {asked}"
    );
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 210);
}

/// People who are new: their accounts show nothing that was finished but their creates, which our own retries have done.
const NEW_HIRES: &str = r#"
name = "new-hires"
seed = 72
[[target]]
name = "AD"
connector = "ldap"
[[user]]
login = "JDOE"
[[account]]
target = "AD"
user = "JDOE"
key = 700
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Create User"
failure = "network"
[[user]]
login = "MROSS"
[[account]]
target = "AD"
user = "MROSS"
key = 701
[[task]]
id = 5002
target = "AD"
user = "MROSS"
task = "Create User"
failure = "network"
[[user]]
login = "CDIAZ"
[[account]]
target = "AD"
user = "CDIAZ"
key = 702
# so that the definition is there
[[task]]
id = 4001
target = "AD"
user = "CDIAZ"
task = "Add User to Group"
status = "C"
"#;

/// What we have watched to its end, and is shown still, tells since when finished tasks are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ordered_after_our_own_retries_have_made_the_accounts_goes() {
    let mut drill = Setup::of(NEW_HIRES).every("5m").enforcing().await;
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 2, "{:#?}", drill.inbox());
    for account in [700, 701] {
        let group = add_task(&drill.sim, &json!(account), "Add User to Group").await;
        drill.act(json!({"task": group, "do": "reject"})).await;
    }
    drill.run_for("12h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 4);
}

/// Groups of people who are new go one after the other. Accounts that have long been there have shown for how long finished
/// tasks are kept, and have nothing open any more by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_have_nothing_open_any_more_tell_still_for_how_long_finished_tasks_are_kept()
{
    let world = r#"
name = "beside"
seed = 3
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 3
prefix = "TWO"
age = "1h"
task = [{ task = "Create User", failure = "lock" }, { task = "Add User to Group", failure = "network", repeat = 4 }]
[[population]]
target = "AD"
accounts = 10
prefix = "EMP"
age = "3h"
task = [{ task = "Department Updated", failure = "network" }]
"#;
    // with and without an end of the process in between
    for killed in [false, true] {
        let mut drill = Setup::of(world).every("20m").enforcing().await;
        if killed {
            drill.run_for("50m").await;
            let open = |name: &str| {
                let truth = drill.truth();
                let tasks = truth["tasks"].as_array().cloned().unwrap_or_default();
                let of = |task: &&Value| task["definition"] == name && task["status"] == "R";
                tasks.iter().filter(of).count()
            };
            let (groups, others) = (open("Add User to Group"), open("Department Updated"));
            assert!(
                groups > 0 && others == 0,
                "{groups} groups, {others} others"
            );
            drill.kill_and_restart().await;
        }
        drill.run_for("8h").await;
        let (inbox, evidence) = (drill.inbox(), drill.judge().await);
        assert_eq!(evidence.count("healed"), 25, "killed: {killed} {inbox:#?}");
    }
}

/// The same where somebody has made the accounts as well: who has done it does not matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_for_want_of_its_account_is_tried_again_whoever_has_made_that() {
    let world = r#"
name = "early-by-others"
seed = 6
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 3
prefix = "NEW"
age = "1h"
task = [{ task = "Create User", failure = "lock", heals_after = 1 }, { task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 6
prefix = "EMP"
age = "3h"
task = [{ task = "Department Updated", failure = "network" }]
"#;
    // with a list between the two, and without
    for apart in [true, false] {
        let mut drill = Setup::of(world).every("10m").start().await;
        drill.release();
        drill.daemon();
        drill.run_for("11m").await;
        let of = |drill: &Drill, definition: &str| -> Vec<String> {
            let truth = drill.truth();
            let tasks = truth["tasks"].as_array().cloned().unwrap_or_default();
            let of = tasks
                .iter()
                .filter(|task| task["definition"] == definition && task["status"] == "R");
            of.map(|task| task["id"].to_string()).collect()
        };
        for id in of(&drill, "Add User to Group") {
            drill.act(json!({"task": id, "do": "retry"})).await;
        }
        if apart {
            drill.run_for("21m").await;
        }
        // the first good run of a create fails once more
        for _ in 0..2 {
            for id in of(&drill, "Create User") {
                drill.act(json!({"task": id, "do": "retry"})).await;
            }
        }
        assert_eq!(of(&drill, "Create User"), [] as [String; 0]);
        drill.run_for("31m").await;
        drill.approve_backlog();
        drill.run_for("12h").await;
        let inbox = drill.inbox();
        let evidence = drill.judge().await;
        assert_eq!(evidence.count("healed"), 12, "apart: {apart} {inbox:#?}");
    }
}

/// Nothing but the work of people who are new has ever been open. Their manager has been there for long, and his accounts show
/// for how long finished tasks are kept; where he is as new as they are a person is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accounts_of_a_manager_tell_where_only_people_who_are_new_have_open_work() {
    let hire = |login: &str| {
        format!(
            "[[user]]\nlogin = \"{login}\"\nmanager = \"BOSS\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Create User\"\nfailure = \"network\"\ncreated = \"-2h\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Add User to Group\"\nfailure = \"network\"\ncreated = \"-2h\"\n"
        )
    };
    let done = |target: &str, task: &str, age: &str| {
        format!(
            "[[task]]\ntarget = \"{target}\"\nuser = \"BOSS\"\ntask = \"{task}\"\nstatus = \"C\"\ncreated = \"-{age}\"\n"
        )
    };
    for old in [true, false] {
        let mut world = "name = \"manager\"\nseed = 8\n[server]\nforget_after = \"900d\"\n[[target]]\nname = \"AD\"\n[[target]]\nname = \"MAIL\"\n[[user]]\nlogin = \"BOSS\"\n".to_owned();
        for target in ["AD", "MAIL"] {
            let age = if old { "400d" } else { "10m" };
            world += &done(target, "Create User", age);
            world += &done(target, "Title Updated", age);
        }
        world += &(hire("JDOE") + hire("MROSS").as_str());
        let mut drill = Setup::of(&world).every("20m").enforcing().await;
        drill.run_for("12h").await;
        let (inbox, healed) = (drill.inbox(), drill.count("healed"));
        if old {
            let evidence = drill.judge().await;
            assert_eq!(evidence.count("healed"), 4, "{inbox:#?}");
        } else {
            drill.judged_elsewhere();
            assert_eq!(healed, 2, "{inbox:#?}");
            let asked = inbox.iter().find(|item| item["why"] == "account_unknown");
            assert!(asked.is_some_and(|item| item["count"] == 2), "{inbox:#?}");
        }
    }
}

/// Somebody has retried the groups of new people while their accounts could not be made yet: they fail because nobody is
/// there. Once a retry of ours has made the accounts they are tried again, once; what fails for another want is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_for_want_of_its_account_is_tried_again_once_that_is_made() {
    let world = r#"
name = "early"
seed = 5
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 4
prefix = "NEW"
age = "1h"
task = [{ task = "Create User", failure = "lock", heals_after = 1 }, { task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 2
prefix = "BAD"
age = "1h"
task = [{ task = "Create User", failure = "lock", heals_after = 1 }, { task = "Add User to Group", failure = "not_found" }]
[[population]]
target = "AD"
accounts = 10
prefix = "EMP"
age = "3h"
task = [{ task = "Department Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world).every("10m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("11m").await;
    let groups = |drill: &Drill| -> Vec<Value> {
        let truth = drill.truth();
        let tasks = truth["tasks"].as_array().cloned().unwrap_or_default();
        let of = |task: &Value| task["definition"] == "Add User to Group";
        tasks.into_iter().filter(of).collect()
    };
    for group in groups(&drill) {
        let id = group["id"].to_string();
        drill.act(json!({"task": id, "do": "retry"})).await;
    }
    drill.run_for("11m").await;
    drill.approve_backlog();
    drill.run_for("30h").await;
    let failed: Vec<Value> = groups(&drill)
        .into_iter()
        .filter(|task| task["status"] == "R")
        .collect();
    let (inbox, bad) = (drill.inbox(), failed.len());
    let asked = inbox
        .iter()
        .find(|item| item.to_string().contains("a retry won't help: not_found"));
    assert!(asked.is_some_and(|item| item["count"] == 2), "{inbox:#?}");
    let evidence = drill.judge().await;
    assert_eq!(
        (evidence.count("healed"), bad),
        (20, 2),
        "{inbox:#?} {failed:#?}"
    );
}

/// Finished tasks show when they ended. Two creates that ended only now tell of no time before; two that ended long ago do,
/// though nothing else is finished in their accounts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_ends_are_shown_they_tell_since_when_finished_tasks_are_kept() {
    let others = |status: &str| -> String {
        let one = |(id, user): (u32, &str)| {
            format!(
                "[[user]]\nlogin = \"{user}\"\n\
                 [[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Create User\"\nstatus = \"{status}\"\ncreated = \"-61d\"\n\
                 [[task]]\ntarget = \"AD\"\nuser = \"{user}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-1d\"\n"
            )
        };
        [(61, "LATEA"), (62, "LATEB")].map(one).concat()
    };
    let hires = "[[population]]\ntarget = \"AD\"\naccounts = 3\nprefix = \"NEW\"\nage = \"60d\"\n\
                 task = [{ task = \"Create User\", failure = \"network\" }, { task = \"Add User to Group\", failure = \"network\", age = \"50d\" }]\n";
    let row = "[[user]]\nlogin = \"JDOE\"\n\
               [[task]]\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"Add User to Group\"\nfailure = \"network\"\nchild = \"SALES\"\ncreated = \"-60d\"\n\
               [[task]]\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"Remove User from Group\"\nstatus = \"C\"\nchild = \"SALES\"\ncreated = \"-40d\"\n";
    for (forget, status, taken) in [("30d", "P", true), ("900d", "C", false)] {
        let tasks = match taken {
            true => others(status) + row,
            false => others(status) + hires,
        };
        let mut drill = Setup::of(&world(
            forget,
            "show_child = true\ntask_ends = true",
            &tasks,
        ))
        .config("[guard]\nage_limit = \"300d\"")
        .every("30m")
        .start()
        .await;
        if taken {
            for id in ["61", "62"] {
                drill.act(json!({"task": id, "do": "complete"})).await;
            }
        }
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        let probe = drill.done(&["probe", "--no-save"]);
        drill.approve_backlog();
        drill.run_for("24h").await;
        let (stale, inbox) = (drill.count("stale_effects"), drill.inbox());
        assert_eq!(stale, 0, "given back: {inbox:#?}");
        if taken {
            drill.judged_elsewhere();
            let asked = inbox.iter().any(|item| item["why"] == "account_unknown");
            assert!(asked, "{inbox:#?}");
        } else {
            assert!(probe.contains("these ends, on two accounts"), "{probe}");
            assert_eq!(inbox, [] as [serde_json::Value; 0]);
            let evidence = drill.judge().await;
            assert_eq!(evidence.count("healed"), 8);
        }
    }
}

/// The creates of two accounts failed for days, and our own retries complete them now. What failed in them, and was taken
/// away, is from before: that is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_own_retries_complete_tells_nothing_of_before() {
    let one = |login: &str, at: u32| {
        format!(
            "[[user]]\nlogin = \"{login}\"\n\
             [[task]]\nid = {at}1\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Create User\"\nfailure = \"network\"\ncreated = \"-12d\"\n\
             [[task]]\nid = {at}2\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Add User to Group\"\nfailure = \"network\"\nchild = \"SALES\"\ncreated = \"-10d\"\n\
             [[task]]\nid = {at}3\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Remove User from Group\"\nstatus = \"C\"\nchild = \"SALES\"\ncreated = \"-8d\"\n"
        )
    };
    let people = ["JDOE", "MROSS", "CDIAZ"].into_iter().zip(6..);
    let people: String = people.map(|(login, at)| one(login, at)).collect();
    let mut drill = run(&world("5d", "show_child = true", &people), "1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let (stale, inbox) = (drill.count("stale_effects"), drill.inbox());
    let ran = done_for(&drill).await;
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "given back: {ran:?} {inbox:#?}");
    assert_eq!(ran.values().sum::<u64>(), 3, "the creates: {ran:?}");
    let asked = inbox.iter().any(|item| item["why"] == "account_unknown");
    assert!(asked, "{inbox:#?}");
}

/// Nor does the server tell of definitions: nothing tells that finished tasks are kept, and what hangs on that asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_shows_what_is_automated_what_hangs_on_it_asks() {
    let world = include_str!("../../examples/scenarios/siblings.toml");
    let world =
        format!("{world}\n[traits]\nprocess_no_adapter = true\nno_available_tasks = true\n");
    let mut drill = Setup::of(&world).every("10m").enforcing().await;
    drill.run_for("24h").await;
    let (healed, open) = (drill.count("healed"), drill.count("healable_open"));
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    let asked = inbox.iter().filter(|item| item["why"] == "account_unknown");
    let asked: u64 = asked.filter_map(|item| item["count"].as_u64()).sum();
    assert!(healed > 100, "{healed} {inbox:#?}");
    // the others of these accounts wait for the ones that are told
    assert!(open > 0 && asked > 0, "a person is told: {inbox:#?}");
}
