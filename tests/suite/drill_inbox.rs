//! Drills of what people are told, whole processes: what was found to need somebody stays in the inbox whatever else holds it, and what is left alone is counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// A target that is down for a day and more; grants of people whose account was disabled since, of people who are gone, and
/// of others.
const DOWN: &str = r#"
name = "down"
seed = 7
[[target]]
name = "AD"
connector = "ldap"
window = [{ from = "-60h", to = "30h", state = "down" }]
[[population]]
target = "AD"
prefix = "OLD"
accounts = 3
age = "50h"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Disable User", age = "24h" }]
[[population]]
target = "AD"
prefix = "GONE"
status = "Disabled"
accounts = 3
age = "50h"
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
prefix = "GOOD"
accounts = 10
age = "20h"
spread = "1h"
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// Count and first moment of what waits, by why.
fn waiting(drill: &Drill) -> BTreeMap<String, (u64, String)> {
    let inbox = drill.inbox();
    let of = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        (
            text("why"),
            (item["count"].as_u64().unwrap_or(0), text("since")),
        )
    };
    inbox.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_has_to_look_at_stays_while_the_breaker_is_open_and_through_a_pause() {
    let mut drill = Setup::of(DOWN).enforcing().await;
    drill.run_for("1h").await;
    let first = waiting(&drill);
    let three = |why: &str| first.get(why).map(|(count, _)| *count);
    assert_eq!(three("stale_grant"), Some(3), "{first:?}");
    assert_eq!(three("beneficiary_not_active"), Some(3), "{first:?}");
    for hour in 0..26 {
        drill.run_for("1h").await;
        let now = waiting(&drill);
        for why in ["stale_grant", "beneficiary_not_active"] {
            assert_eq!(
                now.get(why),
                first.get(why),
                "{why} after {hour} hours more: {now:?}"
            );
        }
    }
    drill.done(&["pause", "--target", "AD", "--why", "the drill"]);
    drill.run_for("8h").await;
    let paused = waiting(&drill);
    let report = drill.done(&["report", "daily"]);
    drill.judged_elsewhere();
    for why in ["stale_grant", "beneficiary_not_active"] {
        assert_eq!(
            paused.get(why),
            first.get(why),
            "{why} while paused: {paused:?}"
        );
    }
    for line in ["stale_grant", "beneficiary_not_active"] {
        assert!(report.contains(line), "{report}");
    }
}

/// A leaver's disable that somebody is to do by hand, and a create whose reason no table knows: no policy touches them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_policy_wants_and_nobody_is_asked_about_is_counted() {
    let world = r#"
name = "alone"
seed = 3
[[target]]
name = "AD"
[[user]]
login = "GONE"
status = "Disabled"
[[user]]
login = "HIRE"
[[task]]
id = 601
target = "AD"
user = "GONE"
task = "Disable User"
status = "P"
manual = true
created = "-30h"
[[task]]
id = 602
target = "AD"
user = "HIRE"
task = "Create User"
failure = "internal"
reason = "zork blubb 77"
created = "-30h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("2h").await;
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["left_alone"], json!({"rejected": 1, "taking": 1}));
    let said = "1 rejected task and 1 open revoke or disable";
    for command in [&["status"][..], &["report", "daily"]] {
        let text = drill.done(command);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(said), "{text}");
    }
    drill.act(json!({"task": "601", "do": "complete"})).await;
    drill.act(json!({"task": "602", "do": "complete"})).await;
    drill.run_for("2h").await;
    let status = drill.json(&["status", "--json"]);
    let text = drill.done(&["status"]);
    drill.judged_elsewhere();
    assert_eq!(status["left_alone"], json!({"rejected": 0, "taking": 0}));
    assert!(!text.contains("left alone"), "{text}");
}

/// A disable that we have retried, and that its target takes hours for, is not left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_not_left_alone() {
    let world = r#"
name = "slow"
seed = 4
[[target]]
name = "AD"
run = "later"
later = "4h"
[[user]]
login = "GONE"
status = "Disabled"
[[task]]
id = 601
target = "AD"
user = "GONE"
task = "Disable User"
failure = "network"
created = "-3h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("90m").await;
    let (sent, status) = (drill.count("lineages"), drill.json(&["status", "--json"]));
    let attempts = drill.json(&["outcomes", "list", "--json"]);
    drill.judged_elsewhere();
    assert_eq!(sent, 1);
    assert_eq!(attempts[0]["state"], "pending", "it runs: {attempts}");
    assert_eq!(status["left_alone"], json!({"rejected": 0, "taking": 0}));
}

/// Its successor is shown to nobody here: who says that it has failed is told that no policy will see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_settles_what_is_in_no_list_is_not_told_that_policies_go_on_with_it() {
    let world = r#"
name = "hidden"
seed = 5
[[target]]
name = "HID"
connector = "ldap"
run = "later"
later = "2m"
successor_hidden = true
[[user]]
login = "JDOE"
[[task]]
id = 701
target = "HID"
user = "JDOE"
task = "Telephone Updated"
failure = "network"
created = "-2h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("80h").await;
    let gone = waiting(&drill).contains_key("gone");
    let said = drill.done(&["outcomes", "settle", "701", "--failed", "--why", "looked"]);
    drill.judged_elsewhere();
    assert!(gone);
    assert!(said.contains("no list has shown it lately"), "{said}");
}

/// What waits behind an open breaker, or behind a pause without an end, is nobody's to move but a person's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_waited_for_a_day_behind_a_breaker_or_a_pause_is_told() {
    let world = r#"
name = "held"
seed = 8
[[target]]
name = "AD"
window = [{ from = "-60h", to = "900h", state = "down" }]
[[target]]
name = "SAP"
window = [{ from = "-60h", to = "10m", state = "down" }]
[[target]]
name = "MAIL"
window = [{ from = "-60h", to = "10m", state = "down" }]
[[population]]
target = "AD"
accounts = 30
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 6
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "MAIL"
accounts = 4
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.done(&["pause", "--target", "SAP", "--why", "the drill"]);
    let two_days = [
        "pause",
        "--target",
        "MAIL",
        "--for",
        "48h",
        "--why",
        "the drill",
    ];
    drill.done(&two_days);
    drill.run_for("20h").await;
    let early = waiting(&drill);
    drill.run_for("12h").await;
    let (late, inbox) = (waiting(&drill), drill.inbox());
    drill.judged_elsewhere();
    for why in ["breaker_open", "paused"] {
        assert!(!early.contains_key(why), "{early:?}");
    }
    let held = late.get("breaker_open").map(|(count, _)| *count);
    assert!(held > Some(10), "{late:?}");
    // of the pause that ends by itself somebody has said when
    let item = inbox.iter().find(|item| item["why"] == "paused");
    let item = item.unwrap_or_else(|| panic!("{inbox:#?}"));
    assert_eq!(
        (&item["target"], &item["count"]),
        (&json!("SAP"), &json!(6))
    );
    let said = item["text"].as_str().unwrap_or_default();
    assert!(
        said.starts_with("For a day or longer, what takes access away for an hour: "),
        "{said}"
    );
}

/// What takes access, and no policy moves, is told after a day where it has failed, and after a week where it is somebody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_that_stays_open_is_told() {
    let world = r#"
name = "open"
seed = 9
[[target]]
name = "AD"
[[user]]
login = "GONE"
status = "Disabled"
[[user]]
login = "LEFT"
status = "Disabled"
[[task]]
id = 601
target = "AD"
user = "GONE"
task = "Disable User"
status = "P"
manual = true
created = "-30h"
[[task]]
id = 602
target = "AD"
user = "LEFT"
task = "Disable User"
failure = "internal"
reason = "zork blubb 77"
created = "-30h"
[[definition]]
target = "AD"
name = "Entzug Rolle"
kind = "revoke"
[[task]]
id = 603
target = "AD"
user = "LEFT"
task = "Entzug Rolle"
failure = "network"
created = "-30h"
"#;
    let mut drill = Setup::of(world)
        .config("[policy]\ndir = \"policies\"")
        .file(
            "policies/10-leave.rhai",
            "fn decide(task, facts) { leave(\"not ours\") }".to_owned(),
        )
        .enforcing()
        .await;
    drill.run_for("20h").await;
    let of = |drill: &Drill, why: &str| {
        let inbox = drill.inbox();
        inbox.iter().find(|item| item["why"] == why).cloned()
    };
    let told = |drill: &Drill| of(drill, "left_open").map(|item| item["tasks"].clone());
    assert_eq!((told(&drill), of(&drill, "unnamed")), (None, None));
    drill.run_for("6h").await;
    assert_eq!(told(&drill), Some(json!(["602"])));
    // what nobody has named may be one as well
    let unnamed = of(&drill, "unnamed").expect("an item");
    assert_eq!(
        (&unnamed["tasks"], &unnamed["id"]),
        (&json!(["603"]), &json!("unnamed:AD"))
    );
    assert!(
        unnamed["text"].to_string().contains("`Entzug Rolle`"),
        "{unnamed}"
    );
    drill.run_for("144h").await;
    assert_eq!(told(&drill), Some(json!(["601", "602"])));
    let report = drill.done(&["report", "daily"]);
    assert!(report.contains("left_open"), "{report}");
    let told = drill.done(&["inbox"]);
    assert!(!told.contains("no daemon runs"), "{told}");
    // what no record holds is not told without a daemon, and that is said
    drill.stop();
    let told = drill.done(&["inbox"]);
    assert!(
        told.contains("no daemon runs") && told.contains("`left_open`"),
        "{told}"
    );
    drill.judged_elsewhere();
}

/// What a policy asks stands in the inbox in its own words, whether a daemon runs or not; so does what it has failed with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inbox_tells_what_policies_ask() {
    let world = r#"
name = "words"
seed = 10
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "AD"
prefix = "NEW"
accounts = 1
task = [{ task = "Title Updated", failure = "network" }]
[[population]]
target = "AD"
prefix = "BAD"
accounts = 2
task = [{ task = "Department Updated", failure = "network" }]
"#;
    let policy = "fn decide(task, facts) {\n\
         if task.name == \"Telephone Updated\" { return ask(\"is it wanted still?\"); }\n\
         if task.name == \"Title Updated\" { return ask(\"who is this?\"); }\n\
         task.there_is_no_such_thing\n}\n";
    let mut drill = Setup::of(world)
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-ask.rhai", policy.to_owned())
        .enforcing()
        .await;
    drill.run_for("1h").await;
    let text = |inbox: &[Value], why: &str| {
        let item = inbox.iter().find(|item| item["why"] == why);
        let text = item.and_then(|item| item["text"].as_str());
        text.unwrap_or_else(|| panic!("{why}: {inbox:#?}"))
            .to_owned()
    };
    let inbox = drill.inbox();
    let asked = text(&inbox, "asked");
    for words in [
        ": is it wanted still?; 1 of 4, task ",
        ": who is this?. `provtaskd explain ",
    ] {
        assert!(asked.contains(words), "{asked}");
    }
    assert!(asked.contains("3 of 4, such as task "), "{asked}");
    assert!(text(&inbox, "policy_fault").contains("there_is_no_such_thing"));
    drill.kill9().await;
    // without a daemon it is told from the store
    let asked = text(&drill.inbox(), "asked");
    drill.judged_elsewhere();
    assert!(
        asked.contains(": is it wanted still?; 2 of 6, such as task "),
        "{asked}"
    );
    assert!(asked.contains(": a policy has failed: "), "{asked}");
    assert!(asked.contains("there_is_no_such_thing"), "{asked}");
}

/// Who asks why a task is left to a person after all of its attempts is told what lets them begin anew, by a running daemon
/// and from the store; of one that never was attempted nothing of the sort is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_of_used_up_attempts_is_told_the_way_out() {
    let world = r#"
name = "used-up"
seed = 11
[[target]]
name = "AD"
[[user]]
login = "JDOE"
[[user]]
login = "MROSS"
[[task]]
id = 601
target = "AD"
user = "JDOE"
task = "Telephone Updated"
failure = "network"
heals_after = 99
[[task]]
id = 602
target = "AD"
user = "MROSS"
task = "Telephone Updated"
failure = "data"
created = "-30h"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("36h").await;
    let current = |drill: &Drill| {
        let inbox = drill.inbox();
        let asked = inbox.iter().find(|item| item["why"] == "asked");
        let tasks = asked.and_then(|item| item["tasks"].as_array().cloned());
        let tasks: Vec<String> = tasks
            .into_iter()
            .flatten()
            .map(|id| id.as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(tasks.len(), 2, "{inbox:#?}");
        tasks
            .into_iter()
            .find(|id| id != "602")
            .expect("the other one")
    };
    let id = current(&drill);
    let way_out = format!("`provtaskd outcomes reset {id} --why TEXT`");
    let shown = |drill: &Drill, args: &[&str]| {
        drill
            .done(args)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let told = shown(&drill, &["explain", &id]);
    assert!(
        told.contains("ask: five attempts failed: network"),
        "{told}"
    );
    assert!(told.contains(&way_out), "{told}");
    let other = shown(&drill, &["explain", "602"]);
    assert!(other.contains("ask: a retry won't help: data"), "{other}");
    assert!(!other.contains("outcomes reset"), "{other}");
    drill.stop();
    let told = shown(&drill, &["outcomes", "show", &id]);
    assert!(told.contains(&way_out), "{told}");
    // several at once: one that is not known keeps the others from nothing, and is named
    let all = ["outcomes", "reset", "999999", &id, "602", "--why", "mended"];
    let output = drill.cli(&all);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(!output.status.success(), "{out}");
    assert_eq!(out.matches("count from zero again").count(), 2, "{out}");
    assert!(
        err.contains("1 of 3 were not reset") && err.contains("999999"),
        "{err}"
    );
    drill.judged_elsewhere();
}
