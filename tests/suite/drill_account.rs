//! Drills of what only an account or a person tells, whole processes: whether the account is on, what was done in it, that it can't be read, and when a person's time has ended; judged by the simulator's truth alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_oracle::Evidence;

/// How many tasks the inbox holds, by why.
fn waiting(drill: &Drill) -> BTreeMap<String, u64> {
    let mut by_why = BTreeMap::new();
    for item in drill.inbox() {
        let why = item["why"].as_str().expect("a reason").to_owned();
        *by_why.entry(why).or_default() += item["count"].as_u64().expect("a count");
    }
    by_why
}

/// For whom the connector ran, without the number, and how often.
fn ran_for(evidence: &Evidence) -> BTreeMap<String, u64> {
    let mut ran = BTreeMap::new();
    for effect in evidence.effects() {
        let login = effect["beneficiary"].as_str().expect("a login");
        let prefix = login.trim_end_matches(|c: char| c.is_ascii_digit());
        *ran.entry(prefix.to_owned()).or_default() += 1;
    }
    ran
}

fn counts<const N: usize>(of: [(&str, u64); N]) -> BTreeMap<String, u64> {
    of.map(|(name, count)| (name.to_owned(), count)).into()
}

/// The task of somebody.
fn task_of(drill: &Drill, login: &str) -> String {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let own = |task: &&serde_json::Value| task["beneficiary"] == login && task["status"] == "R";
    tasks.iter().find(own).expect("a task")["id"].to_string()
}

/// What took the access away is archived after five days, while other accounts show what is finished.
const ARCHIVED: &str = r#"
name = "archived"
seed = 5
[server]
forget_after = "5d"
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 5
prefix = "ARCH"
age = "12d"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Disable User", age = "8d" }]
[[population]]
target = "AD"
accounts = 3
prefix = "BACK"
age = "12d"
task = [{ task = "Enable User", failure = "network" }]
done = [{ task = "Disable User", age = "8d" }]
[[population]]
target = "AD"
accounts = 3
prefix = "FRESH"
age = "50h"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Disable User", age = "24h" }]
[[population]]
target = "AD"
accounts = 3
prefix = "AGAIN"
age = "6h"
task = [{ task = "Enable User", failure = "network" }]
done = [{ task = "Disable User", age = "50h" }]
[[population]]
target = "AD"
accounts = 3
prefix = "NEW"
task = [{ task = "Create User", failure = "network" }, { task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 5
prefix = "GOOD"
task = [{ task = "Add User to Group", failure = "network" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_on_an_account_that_is_off_though_what_disabled_it_is_archived() {
    let mut drill = Setup::of(ARCHIVED).every("30m").enforcing().await;
    drill.run_for("24h").await;
    let stale = drill.count("stale_effects");
    assert_eq!(
        stale,
        0,
        "stale_effects: {:?}",
        ran_for(&drill.evidence().await)
    );
    // a disable that came after the enable may have been archived: a person says
    let asked = counts([("stale_grant", 8), ("account_unknown", 3)]);
    assert_eq!(waiting(&drill), asked, "{:#?}", drill.inbox());
    let told = drill.done(&["explain", &task_of(&drill, "ARCH0001")]);
    assert!(told.contains("Disabled"), "{told}");
    // one reading of a person tells for all of his accounts, and holds as long as others do
    let evidence = drill.judge().await;
    let ran = counts([("AGAIN", 3), ("GOOD", 5), ("NEW", 6)]);
    assert_eq!(ran_for(&evidence), ran);
}

/// Two accounts of each person: whether they are on costs one request a person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_accounts_are_on_costs_one_request_for_a_person() {
    let world = r#"
name = "shared"
seed = 6
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 4
prefix = "EMP"
task = [{ task = "Add User to Group", failure = "network", repeat = 2 }]
[[population]]
target = "SAP"
accounts = 4
prefix = "EMP"
task = [{ task = "Add Role", failure = "network" }]
"#;
    let mut drill = Setup::of(world).every("30m").enforcing().await;
    drill.run_for("31m").await;
    let journal = drill.journal();
    let of = |part: &str| {
        let row = |row: &&serde_json::Value| {
            let whole = format!("{} {}", row["path"], row["query"]);
            whole.contains(part)
        };
        journal.iter().filter(row).count()
    };
    let asked = of("accounts=all");
    assert!((4..8).contains(&asked), "once a person, not {asked} times");
    assert!(of("/provprocesses/") >= 8, "each account");
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 12);
    drill.judge().await;
}

/// A server that shows no status: what the account has finished tells, where it shows that at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_status_is_shown_the_account_has_to_show_what_it_has_finished() {
    let world = include_str!("../../examples/scenarios/stale.toml");
    // what took the access away is shown for two days, and the guard has to remember it
    let plain =
        format!("{world}\n[server]\nforget_after = \"48h\"\n[traits]\naccounts_no_status = true\n");
    let mut drill = Setup::of(&plain).every("1h").enforcing().await;
    drill.run_for("60h").await;
    assert_eq!(drill.count("stale_effects"), 0, "stale_effects");
    assert_eq!(drill.count("healed"), 30);
    assert_eq!(drill.count("effects"), 30);
    drill.judge().await;
    let hidden =
        format!("{world}\n[traits]\naccounts_no_status = true\nprocess_hides_finished = true\n");
    let mut drill = Setup::of(&hidden).every("1h").enforcing().await;
    drill.run_for("24h").await;
    let ran = ran_for(&drill.evidence().await);
    // the open disables of `LATER` alone
    assert_eq!(
        ran,
        counts([("LATER", 10)]),
        "Enable User: nothing shows that it may"
    );
    assert!(waiting(&drill).contains_key("account_unknown"));
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
}

/// The account is on, by its status; what was written to it since is done, and hidden with all that is finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_finished_tasks_are_hidden_no_older_change_is_written_over_a_newer_one() {
    let world = r#"
name = "hidden"
seed = 9
[traits]
process_hides_finished = true
[[target]]
name = "AD"
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
task = "Department Updated"
failure = "network"
value = "OLD"
created = "-72h"
[[task]]
id = 5002
target = "AD"
user = "JDOE"
task = "Department Updated"
status = "C"
value = "NEW"
created = "-48h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("12h").await;
    let ran = ran_for(&drill.evidence().await);
    let (overtaken, waiting) = (drill.count("overtaken_effects"), waiting(&drill));
    drill.judged_elsewhere();
    assert_eq!((overtaken, ran), (0, counts([])), "OLD over NEW");
    assert!(waiting.contains_key("account_unknown"));
}

/// Accounts that can't be read: nothing is given, a person is told with the cause, and the log names it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_cannot_be_read_are_named_to_a_person_with_the_cause() {
    let world = r#"
name = "unreadable"
seed = 7
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
prefix = "EMP"
task = [{ task = "Add User to Group", failure = "lock" }]
[[population]]
target = "AD"
accounts = 2
prefix = "LVR"
task = [{ task = "Disable User", failure = "lock" }]
"#;
    let faults = [
        ("forbidden", "403"),
        ("not_found", "404"),
        ("html500", "500"),
        ("truncated_json", "JSON"),
    ];
    for (fault, cause) in faults {
        let mut drill = Setup::of(world).start().await;
        drill
            .act(json!({"fault": {"do": fault, "on": "read", "probability": 1.0}}))
            .await;
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("3h").await;
        // what takes access waits for no reading
        assert_eq!(ran_for(&drill.evidence().await), counts([("LVR", 2)]));
        let asked = counts([("account_unknown", 4)]);
        assert_eq!(waiting(&drill), asked, "{fault}");
        let told = drill.done(&["explain", &task_of(&drill, "EMP0001")]);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(cause), "{fault}: {told}");
        let log = drill.log();
        let lines = log.lines();
        let named: Vec<&str> = lines
            .filter(|line| line.contains("an account could not be read") && line.contains(cause))
            .collect();
        assert_eq!(named.len(), 1, "{fault}: {named:#?}\n{log}");
        drill.act(json!({"clear_faults": true})).await;
        drill.run_for("24h").await;
        assert_eq!(drill.count("healed"), 6, "{fault}");
        drill.judge().await;
    }
}

/// The access of a person was given again after the disable had failed: to take it now is no old order's business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_disable_is_asked_about_where_the_account_was_enabled_since() {
    let world = r#"
name = "rehired"
seed = 8
[traits]
show_child = true
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 5
prefix = "REHIRE"
age = "50h"
task = [{ task = "Disable User", failure = "network" }]
done = [{ task = "Enable User", age = "24h" }]
[[population]]
target = "AD"
accounts = 3
prefix = "LVR"
age = "24h"
task = [{ task = "Disable User", failure = "network" }]
done = [{ task = "Enable User", age = "50h" }]
[[population]]
target = "AD"
accounts = 3
prefix = "ROW"
age = "24h"
task = [{ task = "Remove User from Group", failure = "network" }]
done = [{ task = "Telephone Updated", age = "3h" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("24h").await;
    let ran = ran_for(&drill.evidence().await);
    assert_eq!(ran, counts([("LVR", 3), ("ROW", 3)]), "Disable User");
    assert_eq!(waiting(&drill), counts([("stale_grant", 5)]));
    let told = drill.done(&["explain", &task_of(&drill, "REHIRE0001")]);
    assert!(told.contains("enable"), "{told}");
    drill.judge_leaving(5).await;
}

/// Of a person who may be read his accounts are refused: the log says why, and does not name him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_does_not_name_the_person_whose_accounts_are_refused() {
    let world = r#"
name = "refused"
seed = 8
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
prefix = "EMP"
task = [{ task = "Add User to Group", failure = "lock" }]
"#;
    let mut drill = Setup::of(world).start().await;
    for user in drill.truth()["users"].as_array().expect("users") {
        let path = format!("/users/{}", user["key"]);
        let fault = json!({"do": "forbidden", "on": "people", "path": path, "probability": 1.0});
        drill.act(json!({ "fault": fault })).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    assert_eq!(waiting(&drill), counts([("account_unknown", 2)]));
    let log = drill.log();
    let named = log.matches("whether accounts are on could not be read");
    assert_eq!(named.count(), 1, "{log}");
    assert!(!log.contains("EMP000"), "{log}");
    let told = drill.done(&["explain", &task_of(&drill, "EMP0001")]);
    assert!(told.contains("403"), "{told}");
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 2);
}

/// A person's last day is over, and OIG still calls him active.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_past_his_end_date_is_given_nothing_though_he_is_called_active() {
    let user = |login: &str, end: &str| {
        format!("[[user]]\nlogin = \"{login}\"\nfields = {{ \"End Date\" = \"{end}\" }}\n")
    };
    let task = |login: &str| {
        format!(
            "[[task]]\ntarget = \"AD\"\nuser = \"{login}\"\ntask = \"Add User to Group\"\nfailure = \"network\"\n"
        )
    };
    // the world begins on 2027-03-01 at seven
    let people = [
        ("PASTDAY", "2027-02-28", false),
        ("PASTLONG", "2026-11-01T00:00:00Z", false),
        ("PASTHOUR", "2027-03-01T06:00:00Z", false),
        ("TODAY", "2027-03-01", true),
        ("MIDNIGHT", "2027-03-01T00:00:00Z", true),
        ("SOME", "2027-05-01", true),
        ("NEVER", "9999-12-31", true),
        ("ODD", "some day", false),
    ];
    let mut world = "name = \"ends\"\nseed = 9\n[[target]]\nname = \"AD\"\n".to_owned();
    for (login, end, _) in people {
        world.push_str(&user(login, end));
        world.push_str(&task(login));
    }
    world.push_str("[[user]]\nlogin = \"PLAIN\"\n");
    world.push_str(&task("PLAIN"));
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("6h").await;
    let evidence = drill.evidence().await;
    let ran: BTreeSet<&str> = evidence
        .effects()
        .filter_map(|effect| effect["beneficiary"].as_str())
        .collect();
    let good = people.iter().filter(|(_, _, good)| *good);
    let good: BTreeSet<&str> = good.map(|(login, ..)| *login).chain(["PLAIN"]).collect();
    assert_eq!(ran, good, "past his End Date");
    let waits = [("beneficiary_not_active", 3), ("beneficiary_unknown", 1)];
    assert_eq!(waiting(&drill), counts(waits));
    let told = drill.done(&["explain", &task_of(&drill, "PASTDAY")]);
    assert!(told.contains("end_date 2027-02-28"), "{told}");
    let told = drill.done(&["explain", &task_of(&drill, "ODD")]);
    assert!(told.contains("end_date some day"), "{told}");
    drill.judge_leaving(4).await;
}

/// What a grant that was sent rested on stands in its record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_guards_had_read_for_a_grant_is_on_record() {
    let world = r#"
name = "rests"
seed = 10
[[target]]
name = "AD"
[[user]]
login = "JDOE"
fields = { "End Date" = "2027-12-31" }
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Add User to Group"
failure = "network"
[[population]]
target = "AD"
accounts = 1
prefix = "LVR"
task = [{ task = "Disable User", failure = "network" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("2h").await;
    assert_eq!(drill.count("healed"), 2);
    let read = [
        "beneficiary = active (read 2027-03-01T",
        "account = Provisioned (read 2027-03-01T",
        "end_date = 2027-12-31 (read 2027-03-01T",
        "other_tasks = 2, 2 of them finished (read 2027-03-01T",
    ];
    for line in [&["outcomes", "show", "5001"][..], &["explain", "5001"]] {
        let told = drill.done(line);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in read {
            assert!(told.contains(text), "{text}: {told}");
        }
        assert!(!told.contains("no policy declares it"), "{told}");
    }
    let span = [
        "--from",
        "2027-03-01",
        "--to",
        "2027-03-02",
        "--format",
        "csv",
    ];
    let rows = drill.done(&[&["audit", "export"], &span[..]].concat());
    let claims: Vec<&str> = rows
        .lines()
        .filter(|row| row.contains("claimed: retry"))
        .collect();
    let (grant, disable): (Vec<&str>, Vec<&str>) =
        claims.iter().partition(|row| row.contains("5001"));
    assert_eq!((grant.len(), disable.len()), (1, 1), "{claims:#?}");
    for text in read {
        let text = text.replacen(" = ", "=", 1);
        assert!(grant[0].contains(&text), "{text}: {grant:#?}");
    }
    assert!(!disable[0].contains("Provisioned"), "{disable:#?}");
    // a person's name stands in none of them
    assert!(
        !drill
            .done(&["outcomes", "show", "5001"])
            .contains("JDOE is")
    );
    drill.judge().await;
}
