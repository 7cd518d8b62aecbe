//! Drills of work that others end, whole processes: it leaves the inbox and, in time, the store; it comes back with its history; and nothing of it is ever called success.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_limits::greedy;
use crate::store_drill::events;

/// Four tasks that never heal by being retried.
const NEVER: &str = r#"
name = "never"
seed = 51
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 50 }]
"#;

fn left(drill: &Drill) -> u64 {
    // of a rewound store it ends with 1
    let status = drill.cli(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    status["left"].as_u64().expect("a count")
}

/// How many tasks wait for a person for that reason.
fn waiting(drill: &Drill, why: &str) -> u64 {
    let inbox = drill.inbox();
    let items = inbox.iter().filter(|item| item["why"] == why);
    items.filter_map(|item| item["count"].as_u64()).sum()
}

/// The ids that wait for a person.
fn asked(drill: &Drill) -> Vec<String> {
    let inbox = drill.inbox();
    let mut items = inbox.iter();
    let item = items.find(|item| item["why"] == "attempts_used_up");
    let tasks = item.expect("in the inbox")["tasks"].as_array().cloned();
    let ids = tasks.expect("ids").into_iter();
    ids.map(|id| id.to_string().trim_matches('"').to_owned())
        .collect()
}

/// The lineage of a task, as `outcomes show` has it.
fn story(drill: &Drill, task: &str) -> Value {
    drill.json(&["outcomes", "show", task, "--json"])
}

/// First sights with the beneficiaries that are on record with them.
fn beneficiaries(drill: &Drill) -> Vec<(Value, String)> {
    let all = events(drill);
    let opened = all
        .iter()
        .filter(|event| event["body"]["is"] == "lineages_opened");
    let items = opened.flat_map(|event| event["body"]["of"]["items"].as_array().expect("items"));
    items
        .filter_map(|item| Some((item["l"].clone(), item["u"].as_str()?.to_owned())))
        .collect()
}

fn beneficiary(drill: &Drill, lineage: &Value) -> String {
    let mut all = beneficiaries(drill).into_iter();
    all.find(|(of, _)| of == lineage).expect("a beneficiary").1
}

fn plan(drill: &Drill) -> String {
    drill.done(&["store", "retention", "--older-than", "1h"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_admin_ends_leaves_inbox_and_store_and_comes_back_with_its_history() {
    let mut drill = greedy(NEVER)
        .every("30m")
        .config("[governor]\nmax_attempts = 2\nbackoff_cap = \"1h\"")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    assert_eq!(waiting(&drill, "attempts_used_up"), 4);
    let tasks = asked(&drill);
    assert_eq!((tasks.len(), left(&drill)), (4, 0));
    let (ended, hidden) = (&tasks[0], &tasks[1]);
    let effects = drill.count("effects");

    // one is ended by an admin, one is not shown to this login any more
    drill
        .act(json!({ "task": ended, "do": "manual_complete" }))
        .await;
    drill.act(json!({ "task": hidden, "do": "hide" })).await;
    drill.run_for("3h").await;
    assert_eq!((waiting(&drill, "attempts_used_up"), left(&drill)), (2, 2));
    let shown = drill.done(&["status"]);
    assert!(shown.contains("left: 2 are in no list any more"), "{shown}");
    let story_of = story(&drill, ended);
    let standing = story_of["standing"].as_str().expect("words");
    assert!(
        standing.contains("attempt 2 ended bounced; then it left the list on")
            && standing.contains("what happened to it is not known"),
        "{standing}"
    );
    let status = drill.json(&["status", "--json"]);
    let completed = status["attempts"].as_array().expect("counts");
    assert!(
        !completed.iter().any(|row| row[0] == "completed"),
        "{completed:?}"
    );

    // shown again as it was
    drill.act(json!({ "task": hidden, "do": "show" })).await;
    drill.run_for("3h").await;
    assert_eq!((waiting(&drill, "attempts_used_up"), left(&drill)), (3, 1));

    // its successor might come yet: it is not closed so early
    let user = {
        drill.stop();
        let user = beneficiary(&drill, &story_of["lineage"]);
        let erase = ["store", "erase", "--user", &user, "--reason", "request 1"];
        let refused = drill.cli(&erase);
        let err = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(err.contains("not closed"), "{err}");
        assert!(plan(&drill).contains(": 0 lineages; left as it is: 4"));
        user
    };
    drill.daemon();
    drill.run_for("96h").await;
    drill.stop();
    let said = plan(&drill);
    assert!(said.contains(": 1 lineage; left as it is: 3"), "{said}");
    drill.done(&[
        "store",
        "retention",
        "--older-than",
        "1h",
        "--export",
        "gone.jsonl",
        "--yes",
    ]);
    // retention has taken his name out of his work; nobody else's
    let named = beneficiaries(&drill);
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.iter().all(|(_, of)| *of != user), "{user}");

    // an admin opens it again
    drill.daemon();
    drill.run_for("1h").await;
    drill.act(json!({ "task": ended, "do": "reject" })).await;
    drill.run_for("24h").await;
    assert_eq!((waiting(&drill, "attempts_used_up"), left(&drill)), (4, 0));
    let again = story(&drill, ended);
    assert_eq!(again["lineage"], story_of["lineage"]);
    assert_eq!(again["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(drill.count("effects"), effects, "the cap still holds");
    drill.judge_leaving(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_erased_from_work_that_left() {
    let mut drill = greedy(NEVER)
        .every("30m")
        .config("[governor]\nmax_attempts = 1\nbackoff_cap = \"1h\"")
        .enforcing()
        .await;
    drill.run_for("24h").await;
    // what open work is stored as a difference to would stay
    let task = asked(&drill).pop().expect("four");
    let lineage = story(&drill, &task)["lineage"].clone();
    drill
        .act(json!({ "task": task, "do": "manual_complete" }))
        .await;
    drill.run_for("96h").await;
    drill.stop();
    let user = beneficiary(&drill, &lineage);
    let erase = [
        "store",
        "erase",
        "--user",
        &user,
        "--reason",
        "request 1",
        "--yes",
    ];
    let said = drill.done(&erase);
    let text = drill.done(&["store", "export", "-"]).to_lowercase();
    assert!(
        !text.contains(&user.to_lowercase()),
        "{user} is named: {said}"
    );
    drill.daemon();
    drill.run_for("1h").await;
    drill.judge_leaving(3).await;
}

/// Work whose retry runs for hours.
const SLOW: &str = r#"
name = "slow"
seed = 52
[[target]]
name = "SAP"
connector = "erp"
run = "later"
later = "5h"
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Add Role", failure = "lock" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_with_an_open_attempt_has_not_left_however_long_it_is_hidden() {
    let mut drill = Setup::of(SLOW).enforcing().await;
    drill
        .run_until("2h", "a first answer", |drill| {
            let journal = drill.journal();
            let puts = journal.iter().filter(|row| row["class"] == "put");
            puts.count() > 0
        })
        .await;
    drill.run_for("1h").await;
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let running: Vec<&Value> = tasks.iter().filter(|task| task["status"] == "P").collect();
    assert!(!running.is_empty(), "{truth:#}");
    for task in running {
        let id = task["id"].to_string();
        let id = id.trim_matches('"');
        drill.act(json!({ "task": id, "do": "hide" })).await;
    }
    drill.run_for("3h").await;
    assert_eq!(left(&drill), 0, "what became of them will be read");
    drill.run_for("24h").await;
    drill.judge_leaving(3).await;
}

/// Work that heals by one retry.
const HEALS: &str = r#"
name = "heals"
seed = 53
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "SAP"
accounts = 6
task = [{ task = "Add Role", failure = "lock" }]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_interval_may_have_ended_is_told_to_a_person_before_it_is_closed() {
    let mut drill = Setup::of(HEALS).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["store", "backup", "b"]);
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 6);
    let claims = drill.evidence().await.claims;
    drill.kill9().await;
    drill.done(&["store", "restore", "b", "--replace"]);

    drill.daemon();
    drill.run_for("3h").await;
    assert_eq!((waiting(&drill, "left_rewound"), left(&drill)), (6, 6));
    let inbox = drill.inbox();
    let item = inbox.iter().find(|item| item["why"] == "left_rewound");
    let item = item.expect("told");
    let task = item["tasks"][0].to_string().trim_matches('"').to_owned();
    let standing = story(&drill, &task)["standing"].to_string();
    assert!(
        standing.contains("a retry of the lost interval may have ended it"),
        "{standing}"
    );
    drill.done(&["approve", "rewound", "--why", "read and looked at"]);
    drill.done(&["resume"]);
    drill.run_for("96h").await;
    assert_eq!(waiting(&drill, "left_rewound"), 6, "nobody has looked yet");
    drill.stop();
    let said = plan(&drill);
    assert!(said.contains(": 0 lineages; left as it is: 6"), "{said}");

    drill.daemon();
    drill.run_for("1h").await;
    let id = item["id"].as_str().expect("an id");
    let refused = drill.cli(&["reject", id, "--why", "no"]);
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    let said = drill.done(&["approve", id, "--why", "all six are done in OIG"]);
    assert!(said.contains("after the store was rewound: 6;"), "{said}");
    assert_eq!((waiting(&drill, "left_rewound"), left(&drill)), (0, 6));
    let text = drill.done(&["outcomes", "show", &task]);
    assert!(text.contains("all six are done in OIG"), "{text}");
    let evidence = drill.judge_with(claims).await;
    assert_eq!(evidence.count("healed"), 6);
}
