//! Drills of the store's upkeep, whole processes: a backup under load and its restore, compaction, retention and erasing in the middle of work; judged by the simulator's truth.

use std::fs;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::store_house::records_of;

/// Work that goes on for hours: a target that is slow to come back, and one that is well.
const LOAD: &str = r#"
name = "load"
seed = 31
[[target]]
name = "AD"
window = [{ from = "-2h", to = "4h", state = "down" }]
[[target]]
name = "SAP"
connector = "erp"
run = "later"
later = "3m"
[[population]]
target = "AD"
accounts = 10
prefix = "A"
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 30
prefix = "S"
task = [{ task = "Add Role", failure = "lock" }]
"#;

/// The events of an export.
pub fn events(drill: &Drill) -> Vec<Value> {
    let text = drill.done(&["store", "export", "-"]);
    records_of(&text)
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// What `store check` says of a stopped store, where nothing is wrong.
fn checked(drill: &Drill) -> Value {
    drill.json(&["store", "check", "--json"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_comes_back_and_nothing_is_sent_twice() {
    let mut drill = Setup::of(LOAD).enforcing().await;
    // in the middle of sending
    drill
        .run_until("30m", "the first PUT", |drill| {
            drill.journal().iter().any(|row| row["class"] == "put")
        })
        .await;
    let out = drill.done(&["store", "backup", "b"]);
    assert!(out.contains("records up to"), "{out}");
    drill.done(&["store", "check", "--backup", "b"]);
    drill.done(&["store", "export", "e.jsonl"]);
    let text = fs::read_to_string(drill.dir.path().join("e.jsonl")).expect("read");
    assert!(!records_of(&text).is_empty());
    let busy = drill.cli(&["store", "export", "-"]);
    assert_eq!(busy.status.code(), Some(75), "a daemon holds the store");
    for args in [
        &["store", "compact"][..],
        &["store", "check"],
        &["store", "restore", "b", "--replace"],
        &["store", "import", "e.jsonl"],
        &["store", "retention", "--older-than", "1h"],
        &["store", "erase", "--user", "X", "--reason", "r"],
    ] {
        let said = drill.cli(args);
        let err = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(75), "{args:?}: {err}");
        assert!(err.contains("hint: "), "{args:?}: {err}");
    }
    // much is sent that the backup does not know
    drill.run_for("1h").await;
    let earlier = drill.evidence().await;
    let sent = drill.count("effects");
    assert!(sent > 0);
    drill.kill9().await;
    let out = drill.done(&["store", "restore", "b", "--replace"]);
    assert!(out.contains("is not in the backup"), "{out}");

    drill.daemon();
    drill.run_for("1h").await;
    assert_eq!(
        drill.count("effects"),
        sent,
        "nothing before a person has looked"
    );
    let status = drill.cli(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let rewound = &status["store_rewound"];
    assert!(
        rewound["lineages"]
            .as_array()
            .is_some_and(|l| !l.is_empty()),
        "{rewound}"
    );
    drill.done(&["approve", "rewound", "--why", "read and looked at"]);
    drill.run_for("1h").await;
    assert_eq!(
        drill.count("effects"),
        sent,
        "it is paused until somebody resumes"
    );
    drill.done(&["resume"]);
    drill.run_for("1m").await;
    // what came since may be a backlog for this store
    drill.approve_backlog();
    drill.run_for("24h").await;
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    let claims = earlier.claims;
    let evidence = drill.judge_with(claims).await;
    assert_eq!(evidence.count("healed"), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compacted_in_the_middle_of_work_the_drill_heals() {
    let mut drill = Setup::of(LOAD).enforcing().await;
    drill
        .run_until("30m", "the first PUT", |drill| {
            drill.journal().iter().any(|row| row["class"] == "put")
        })
        .await;
    drill.kill9().await;
    let before = events(&drill);
    drill.done(&["store", "compact"]);
    checked(&drill);
    assert_eq!(events(&drill)[..before.len()], before[..]);
    drill.daemon();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 40);
}

/// Retention takes out what is closed and old, and touches nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_strips_closed_work_alone_and_the_drill_goes_on() {
    let mut drill = Setup::of(LOAD).enforcing().await;
    drill.run_for("3h").await;
    assert_eq!(drill.count("healed"), 30, "one target is down yet");
    drill.stop();
    let before = events(&drill);
    let was = checked(&drill);
    let done: Vec<u64> = lineages(&before, "SAP");
    let open: Vec<u64> = lineages(&before, "AD");
    assert_eq!((done.len(), open.len()), (30, 10));

    // a plan, and no more
    let plan = drill.done(&["store", "retention", "--older-than", "1h"]);
    assert!(plan.contains("30 lineages; left as it is: 10"), "{plan}");
    assert!(plan.contains("nothing was done"), "{plan}");
    assert_eq!(events(&drill), before);
    let young = drill.done(&["store", "retention", "--older-than", "400d"]);
    assert!(young.contains(": 0 lineages"), "{young}");
    let usage = drill.cli(&["store", "retention", "--older-than", "1h", "--yes"]);
    assert_eq!(
        usage.status.code(),
        Some(64),
        "nothing goes without an export"
    );

    let args = [
        "store",
        "retention",
        "--older-than",
        "1h",
        "--export",
        "gone.jsonl",
        "--yes",
    ];
    let out = drill.done(&args);
    assert!(out.contains("gone.jsonl"), "{out}");
    let after = events(&drill);
    let is = checked(&drill);
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(is["attempts"], was["attempts"], "attempts by state stay");
    assert_eq!(is["open_claims"], was["open_claims"]);
    assert_eq!(is["lineages"], was["lineages"]);
    assert!(is["bytes_of_records"].as_u64() < was["bytes_of_records"].as_u64());

    // what was changed is in the export, as it was, and nothing else
    let gone = fs::read_to_string(drill.dir.path().join("gone.jsonl")).expect("read");
    let gone: Vec<Value> = records_of(&gone)
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let changed: Vec<&Value> = before
        .iter()
        .zip(&after)
        .filter(|(b, a)| a != b)
        .map(|(b, _)| b)
        .collect();
    assert_eq!(gone.iter().collect::<Vec<_>>(), changed);
    for (b, a) in before.iter().zip(&after).filter(|(b, a)| a != b) {
        assert_eq!(a["prev"], b["prev"]);
        assert!(a["was"].is_string(), "{a}");
    }
    // no decision of what is done is left, all of what is open are
    assert!(decided(&after).iter().all(|lineage| open.contains(lineage)));
    let of_open = |events: &[Value]| {
        decided(events)
            .into_iter()
            .filter(|l| open.contains(l))
            .count()
    };
    assert_eq!(of_open(&after), of_open(&before));
    // once is enough
    let again = drill.cli(&[
        "store",
        "retention",
        "--older-than",
        "1h",
        "--export",
        "g2",
        "--yes",
    ]);
    assert_eq!(again.status.code(), Some(65), "{again:?}");
    assert!(!drill.dir.path().join("g2").exists());

    drill.daemon();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 40);
}

/// The lineages of a target; an item that does not say what it does is as the one before it.
fn lineages(events: &[Value], target: &str) -> Vec<u64> {
    let records = events
        .iter()
        .filter(|event| event["body"]["is"] == "lineages_opened");
    let mut found = Vec::new();
    for record in records {
        let mut of = None;
        for item in record["body"]["of"]["items"].as_array().expect("items") {
            if item["k"].is_string() {
                of = item["g"].as_str();
            }
            if of.is_some_and(|g| g.eq_ignore_ascii_case(target)) {
                found.push(item["l"].as_u64().expect("a number"));
            }
        }
    }
    found
}

/// The lineages of every decision.
fn decided(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .filter(|event| event["body"]["is"] == "decided")
        .flat_map(|event| event["body"]["of"]["items"].as_array().expect("items"))
        .map(|item| item["l"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_erased_from_closed_work_and_stays_in_open_work() {
    let mut drill = Setup::of(LOAD).enforcing().await;
    drill.run_for("3h").await;
    drill.stop();
    let before = events(&drill);
    let user = |lineage: u64| {
        let items = before
            .iter()
            .filter(|event| event["body"]["is"] == "lineages_opened")
            .flat_map(|event| event["body"]["of"]["items"].as_array().expect("items"));
        let mut of = items.filter(|item| item["l"] == lineage);
        let item = of.next().expect("opened");
        item["u"].as_str().expect("a beneficiary").to_owned()
    };
    let closed = user(lineages(&before, "SAP")[0]);
    let open = user(lineages(&before, "AD")[0]);
    let named = |events: &[Value], login: &str| {
        let login = login.to_lowercase();
        let naming = |event: &&Value| {
            event
                .to_string()
                .to_lowercase()
                .contains(&format!("\"{login}\""))
        };
        events.iter().filter(naming).count()
    };
    assert!(named(&before, &closed) > 0);

    let refused = drill.cli(&[
        "store",
        "erase",
        "--user",
        "NOBODY-OF-THAT-NAME",
        "--reason",
        "r",
    ]);
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    let naming = format!("{closed} wants it");
    let refused = drill.cli(&["store", "erase", "--user", &closed, "--reason", &naming]);
    assert_eq!(refused.status.code(), Some(65), "the reason would name him");
    let kept = drill.cli(&[
        "store",
        "erase",
        "--user",
        &open,
        "--reason",
        "request 1",
        "--yes",
    ]);
    let err = String::from_utf8_lossy(&kept.stderr).into_owned();
    assert_eq!(kept.status.code(), Some(65), "{err}");
    assert!(err.contains("not closed"), "{err}");
    let plan = drill.done(&["store", "erase", "--user", &closed, "--reason", "request 2"]);
    assert!(plan.contains("nothing was done"), "{plan}");
    assert_eq!(events(&drill), before);

    let out = drill.done(&[
        "store",
        "erase",
        "--user",
        &closed,
        "--reason",
        "request 2",
        "--yes",
    ]);
    assert!(out.contains("both journals were compared"), "{out}");
    let after = events(&drill);
    assert_eq!(named(&after, &closed), 0, "{closed} is named nowhere");
    let text = drill.done(&["store", "export", "-"]).to_lowercase();
    assert!(
        !text.contains(&closed.to_lowercase()),
        "{closed} is named nowhere"
    );
    assert_eq!(named(&after, &open), named(&before, &open));
    checked(&drill);
    let again = drill.cli(&[
        "store",
        "erase",
        "--user",
        &closed,
        "--reason",
        "request 2",
        "--yes",
    ]);
    assert_eq!(again.status.code(), Some(65), "he is not there any more");

    drill.daemon();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 40);
}

/// Work of one sort belongs to two people; what its tasks share is told once, in texts of its own. The owner who is
/// erased is named by none of them afterwards, and what the other one's tasks rested on can still be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_is_erased_from_what_tasks_of_one_sort_share() {
    const OWNED: &str = r#"
name = "owned"
seed = 37
[server]
list_scope = "everybody"
[[user]]
login = "OWNERONE"
[[user]]
login = "OWNERTWO"
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 12
prefix = "ONE"
owner = ["user:OWNERONE"]
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 12
prefix = "TWO"
owner = ["user:OWNERTWO"]
task = [{ task = "Add User to Group", failure = "network" }]
"#;
    let mut drill = Setup::of(OWNED).enforcing().await;
    drill.run_for("12h").await;
    drill.stop();
    let before = events(&drill);
    let naming = |events: &[Value], login: &str| {
        let login = login.to_lowercase();
        let found = events
            .iter()
            .filter(|event| event.to_string().to_lowercase().contains(&login));
        found.count()
    };
    let one_of = |prefix: &str| {
        let items = before
            .iter()
            .filter(|event| event["body"]["is"] == "lineages_opened")
            .flat_map(|event| event["body"]["of"]["items"].as_array().expect("items"));
        let mut of = items.filter(|item| {
            item["u"]
                .as_str()
                .is_some_and(|u| u.to_uppercase().starts_with(prefix))
        });
        of.next().expect("one of his")["l"].clone()
    };
    let (his, others) = (one_of("ONE"), one_of("TWO"));
    let shared: Vec<Value> = before
        .iter()
        .filter(|event| {
            let is = event["body"]["is"].as_str().expect("a sort");
            is == "inputs_stored" || is == "inputs_alike"
        })
        .cloned()
        .collect();
    assert!(naming(&shared, "OWNERONE") > 0, "{shared:#?}");
    let rests =
        |drill: &Drill, lineage: &Value| drill.done(&["outcomes", "show", &format!("L{lineage}")]);
    let known = rests(&drill, &others);
    drill.done(&[
        "store",
        "erase",
        "--user",
        "OWNERONE",
        "--reason",
        "request 3",
        "--yes",
    ]);
    let after = events(&drill);
    let left: Vec<String> = after
        .iter()
        .map(ToString::to_string)
        .filter(|event| event.to_lowercase().contains("ownerone"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "OWNERONE is named");
    assert!(naming(&after, "OWNERTWO") > 0);
    checked(&drill);
    assert_eq!(rests(&drill, &others), known);
    assert!(rests(&drill, &his).contains("completed"));
    drill.daemon();
    drill.run_for("1h").await;
    drill.judge().await;
}
