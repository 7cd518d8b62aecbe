//! Drills of a person's word that a task need not wait for another one, whole processes: it outlives a kill, is void once the other changes, and never passes a revoke.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

/// Two grants of one definition, whose rows are not shown: the older one never works, and the younger one
/// waits for it.
const HELD: &str = r#"
name = "held"
seed = 71
[[user]]
login = "JDOE"
[[target]]
name = "AD"
[[account]]
target = "AD"
user = "JDOE"
key = 700
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Add User to Group"
failure = "data"
child = "SALES"
created = "-3h"
[[task]]
id = 5002
target = "AD"
user = "JDOE"
task = "Add User to Group"
failure = "network"
child = "STAFF"
created = "-2h"
"#;

/// A disable of the account that never works, younger than both.
const DISABLED: &str = r#"
[[task]]
id = 5003
target = "AD"
user = "JDOE"
task = "Disable User"
failure = "data"
created = "-1h"
"#;

fn retried(drill: &Drill) -> Vec<String> {
    let journal = drill.journal();
    let puts = journal.iter().filter(|row| row["class"] == "put");
    let items = puts.flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default());
    let id = |item: Value| item["id"].to_string().trim_matches('"').to_owned();
    items.map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_outlives_a_kill_and_holds_for_one_attempt() {
    let mut drill = Setup::of(HELD).enforcing().await;
    drill.run_for("3h").await;
    let held = drill.done(&["explain", "5002"]);
    assert!(
        held.contains("waits_for_older") && held.contains("5001"),
        "{held}"
    );
    assert!(retried(&drill).is_empty());
    // who does not wait is told so
    let (code, said) = failed(&drill, &["approve", "order:5001", "--why", "a try"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("waited for no other task"), "{said}");
    // nothing may go between the word and the kill
    drill.done(&["pause", "--why", "the drill"]);
    let word = [
        "approve",
        "order:5002",
        "--why",
        "SALES is not wanted any more",
    ];
    let said = drill.done(&word);
    assert!(said.contains("need not wait for task 5001"), "{said}");
    assert!(said.contains("rejected"), "its state is named: {said}");
    drill.kill_and_restart().await;
    drill.run_for("10m").await;
    let explained = drill.done(&["explain", "5002"]);
    assert!(
        explained.contains("need not wait for task 5001"),
        "{explained}"
    );
    let because = explained.split("not done now").nth(1).expect("reasons");
    let because = because.split("the task says").next().expect("reasons");
    assert!(
        because.contains("paused") && !because.contains("waits_for_older"),
        "{because}"
    );
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["orders_released"], 1);
    drill.done(&["resume"]);
    drill.run_for("3h").await;
    assert_eq!(retried(&drill), ["5002"]);
    assert_eq!(drill.count("healed"), 1);
    let story = drill.done(&["outcomes", "show", "5002"]);
    assert!(story.contains("SALES is not wanted any more"), "{story}");
    assert!(story.contains("order_released"), "{story}");
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["orders_released"], 0, "it was for one attempt");
    let span = [
        "audit",
        "export",
        "--from",
        "2027-03-01",
        "--to",
        "2027-03-05",
    ];
    let exported = drill.done(&span);
    assert!(exported.contains("order_release"), "{exported}");
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_void_once_the_other_task_has_changed() {
    let mut drill = Setup::of(HELD).enforcing().await;
    drill.run_for("1h").await;
    drill.done(&["pause", "--why", "the drill"]);
    let word = ["approve", "order:5002", "--why", "as it stands"];
    drill.done(&word);
    // it is set to another state by an admin, and comes back to the one that it had
    drill.act(json!({"task": "5001", "do": "retry"})).await;
    drill.run_for("30m").await;
    drill.done(&["resume"]);
    drill.run_for("3h").await;
    assert!(
        retried(&drill).is_empty(),
        "the word was about another state"
    );
    let held = drill.done(&["explain", "5002"]);
    assert!(held.contains("waits_for_older"), "{held}");
    assert!(!held.contains("need not wait"), "{held}");
    drill.done(&word);
    drill.run_for("3h").await;
    assert_eq!(retried(&drill), ["5002"]);
    assert_eq!(drill.count("healed"), 1);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_lets_a_grant_pass_an_open_disable() {
    let mut drill = Setup::of(&format!("{HELD}{DISABLED}")).enforcing().await;
    drill.run_for("1h").await;
    let (code, said) = failed(&drill, &["approve", "order:5002", "--why", "a try"]);
    assert_eq!(code, Some(65), "{said}");
    for words in ["5003", "takes access", "nothing lets anything pass"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    drill.run_for("3h").await;
    assert!(!retried(&drill).contains(&"5002".to_owned()));
    // it stands before what has been released as well
    drill.judge_leaving(1).await;
}

/// The items of the inbox that say that a task waits for another one.
fn told_of_waiting(drill: &Drill) -> Vec<Value> {
    let mut inbox = drill.inbox();
    inbox.retain(|item| {
        item["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("waits_for"))
    });
    inbox
}

/// The older one is somebody's pending work: nobody may look at it for ever, and what waits behind it would heal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_day_behind_what_nobody_moves_is_told_to_a_person() {
    let pending = HELD.replace("failure = \"data\"", "status = \"P\"\nmanual = true");
    let mut drill = Setup::of(&pending).enforcing().await;
    drill.run_for("20h").await;
    assert_eq!(told_of_waiting(&drill), [] as [Value; 0], "not yet");
    drill.run_for("6h").await;
    let told = told_of_waiting(&drill);
    assert_eq!(told.len(), 1, "nobody is told: {:#?}", drill.inbox());
    assert_eq!(told[0]["why"], "waits_for_older");
    assert_eq!(told[0]["tasks"], json!(["5002"]));
    let shown = drill.done(&["inbox"]);
    assert!(shown.contains("task 5002"), "{shown}");
    assert!(retried(&drill).is_empty());
    drill.done(&[
        "approve",
        "order:5002",
        "--why",
        "SALES is not wanted any more",
    ]);
    drill.run_for("2h").await;
    assert_eq!(told_of_waiting(&drill), [] as [Value; 0], "it has gone");
    assert!(retried(&drill).contains(&"5002".to_owned()));
    drill.judged_elsewhere();
}

/// What holds it up is a policy's own to retry, as often as its target lets it, or a person was asked about it already:
/// nobody has to look at each that waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_what_is_retried_or_asked_about_is_told_to_nobody() {
    let ours = HELD
        .replace("failure = \"data\"", "failure = \"network\"")
        .replace(
            "name = \"AD\"\n[[account]]",
            "name = \"AD\"\nwindow = [{ from = \"-4h\", to = \"40h\", state = \"down\" }]\n[[account]]",
        );
    for world in [HELD, &ours] {
        let mut drill = Setup::of(world).enforcing().await;
        drill.run_for("30h").await;
        let held = drill.done(&["explain", "5002"]);
        assert!(held.contains("waits_for_older"), "{held}");
        assert_eq!(told_of_waiting(&drill), [] as [Value; 0]);
        drill.judged_elsewhere();
    }
}

/// The account was switched off, and is to be switched on again by somebody: what needs it on waits for him, and a person
/// is told of that as well; nothing of ours is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_an_enable_that_nobody_moves_is_told_to_a_person() {
    let tasks = r#"
[[task]]
id = 5000
target = "AD"
user = "JDOE"
task = "Disable User"
status = "C"
created = "-80h"
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Enable User"
status = "P"
manual = true
created = "-70h"
[[task]]
id = 5002
target = "AD"
user = "JDOE"
task = "Telephone Updated"
failure = "network"
created = "-60h"
"#;
    let end = HELD.find("[[task]]").expect("tasks");
    let world = format!("{}{tasks}", &HELD[..end]);
    let mut drill = Setup::of(&world).enforcing().await;
    drill.run_for("26h").await;
    let inbox = drill.inbox();
    let told = inbox.iter().find(|item| item["why"] == "account_busy");
    assert_eq!(
        told.map(|item| &item["tasks"]),
        Some(&json!(["5002"])),
        "{inbox:#?}"
    );
    let (code, said) = failed(&drill, &["approve", "order:5002", "--why", "a try"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("gives the account back"), "{said}");
    drill.act(json!({"task": "5001", "do": "complete"})).await;
    drill.run_for("6h").await;
    let (inbox, sent) = (drill.inbox(), retried(&drill));
    drill.judged_elsewhere();
    assert_eq!(inbox, [] as [Value; 0]);
    assert!(sent.contains(&"5002".to_owned()), "{sent:?}");
}

/// A policy wants to hand the older one over, and hand-overs are only observed: that moves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_that_is_only_observed_moves_nothing_for_who_waits() {
    let users = "[[user]]\nlogin = \"BOSS\"\n[[user]]\nlogin = \"AWAY\"\nstatus = \"Disabled\"\nmanager = \"BOSS\"\n";
    let owned = "status = \"P\"\nmanual = true\nowner = \"user:AWAY\"";
    let world = HELD
        .replace(
            "seed = 71",
            "seed = 71\n[server]\nlist_scope = \"everybody\"",
        )
        .replace(
            "[[user]]\nlogin = \"JDOE\"",
            &format!("{users}[[user]]\nlogin = \"JDOE\""),
        )
        .replace("failure = \"data\"", owned);
    for mode in ["observe", "off"] {
        let config =
            format!("[mode.actions]\nreassign = \"{mode}\"\n[absence]\nuse_manager = true");
        let mut drill = Setup::of(&world).config(&config).enforcing().await;
        drill.run_for("30h").await;
        let told = told_of_waiting(&drill);
        let plan = drill.done(&["plan"]);
        let log = drill.log();
        drill.judged_elsewhere();
        assert_eq!(told.len(), 1, "{mode}: {plan} {log}");
        assert_eq!(told[0]["tasks"], json!(["5002"]));
    }
}

/// Each command says the same of what waits in a long outage, nobody's to look at, and of what somebody has to look at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_of_what_waits_what_the_inbox_says() {
    let outage = r#"
name = "outage"
seed = 7
[[target]]
name = "AD"
connector = "ldap"
window = [{ from = "-5h", to = "80h", state = "down" }]
[[population]]
target = "AD"
accounts = 6
prefix = "EMP"
age = "2h"
task = [{ task = "Create User", failure = "network" }, { task = "Telephone Updated", failure = "network", age = "1h" }]
"#;
    let pending = HELD.replace("failure = \"data\"", "status = \"P\"\nmanual = true");
    for (world, asks) in [(outage, false), (&pending, true)] {
        let mut drill = Setup::of(world).enforcing().await;
        drill.run_for("30h").await;
        let told = !told_of_waiting(&drill).is_empty();
        let plan = drill.json(&["plan", "--json"]);
        let items = plan["items"].as_array().expect("items").clone();
        let waits = items
            .iter()
            .filter(|item| item["refusals"].to_string().contains("waits_for_"));
        let ids: Vec<String> = waits
            .map(|item| item["task"].as_str().expect("an id").to_owned())
            .collect();
        assert!(!ids.is_empty(), "{plan}");
        let all: Vec<String> = ids.iter().map(|id| drill.done(&["explain", id])).collect();
        drill.judged_elsewhere();
        assert_eq!(told, asks);
        for explained in all {
            let first = explained
                .split("not done now, because:")
                .nth(1)
                .expect("reasons");
            let first = first.split("what helps").next().expect("the first");
            assert!(first.contains("waits_for_"), "{explained}");
            assert_eq!(first.contains("a person must act"), asks, "{explained}");
        }
    }
}
