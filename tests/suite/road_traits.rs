//! The road to the first enforced actions on servers of other traits, through the real binary: the survey is held against the world's truth (what probe says is in `probe.rs`), observing writes nothing, and what is released heals and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::road::try_retry_one;
use crate::survey_house::{counted, sums, text};

/// Two targets with ten accounts each; of one the backlog is released.
const WORLD: &str = r#"
name = "road"
seed = 17
start = "2027-03-01T07:00:00Z"

[clock]
mode = "stepped"

[[target]]
name = "AD"
TARGET

[[target]]
name = "SAP"

[[population]]
target = "AD"
accounts = 6
prefix = "EMP"
task = [{ task = "Telephone Updated", failure = "network" }]

[[population]]
target = "AD"
accounts = 4
prefix = "NEW"
task = [{ task = "Create User", failure = "network" }]

[[population]]
target = "SAP"
accounts = 10
prefix = "EMP"
task = [{ task = "Telephone Updated", failure = "network" }]

[[population]]
target = "SAP"
accounts = 3
prefix = "OTH"
owner = ["user:SOMEBODY"]
task = [{ task = "Telephone Updated", failure = "network" }]

[[user]]
login = "SOMEBODY"
first = "Some"
last = "Body"

"#;

/// The targets' counts of open tasks as the world has them, seen by this login.
fn truth(drill: &Drill, everybody: bool) -> BTreeMap<String, u64> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let seen = tasks.filter(|task| everybody || task["owner"] != "user:SOMEBODY");
    let seen: Vec<Value> = seen.cloned().collect();
    counted(&seen, |task| text(&task["target"]))
}

/// Tasks by target as the survey counts them.
fn surveyed(drill: &Drill) -> BTreeMap<String, u64> {
    drill.done(&["survey", "--out", "report.json"]);
    let text = fs::read_to_string(drill.dir.path().join("report.json")).expect("written");
    sums(&serde_json::from_str(&text).expect("JSON"), "target")
}

/// Walks the road on one server, and says how many tasks of the released target have healed.
async fn walk(name: &str, target: &str, rest: &str) -> u64 {
    let everybody = rest.contains("everybody");
    let world = format!("{}{rest}", WORLD.replace("TARGET", target));
    let mut drill = Setup::of(&world)
        .server(match rest.contains("moving") {
            // over pages of five no number of passes is sure to show all of it, which the survey says
            true => "require_probe = true",
            false => "require_probe = true\npage_size = 5",
        })
        .start()
        .await;
    let config = drill.dir.path().join("provtaskd.toml");
    let enforce = fs::read_to_string(&config).expect("there");
    fs::write(
        &config,
        enforce.replace("global = \"enforce\"", "global = \"observe\""),
    )
    .expect("written");

    assert_eq!(surveyed(&drill), truth(&drill, everybody), "{name}: survey");
    drill.done(&["probe"]);

    drill.daemon();
    drill.run_for("30m").await;
    let report = drill.done(&["report", "daily"]);
    assert!(report.contains("observe"), "{name}: {report}");
    let writes = |drill: &Drill| {
        let journal = drill.journal();
        journal.iter().filter(|row| row["method"] == "PUT").count()
    };
    assert_eq!(writes(&drill), 0, "{name}: observing writes nothing");

    let hash = drill.json(&["status", "--json"])["policy_hash"].clone();
    let hash = hash.as_str().expect("a hash")[..12].to_owned();
    let person = ["--person", "Molly Graff", "--word", "CHG-1"];
    drill.done(&[&["policy", "release", &hash][..], &person[..]].concat());
    let tasks = drill.truth()["tasks"].clone();
    let mut tasks = tasks.as_array().expect("tasks").iter();
    let one = |task: &&Value| task["target"] == "AD" && task["definition"] == "Telephone Updated";
    let id = text(&tasks.find(one).expect("one")["id"]);
    let line = format!("probe --retry-one {id} --yes-retry {id}");
    if rest.contains("no_process_key") {
        // nothing is acted on whose account is not known: the road ends here, and says why
        let line = ["probe", "--retry-one", &id, "--yes-retry", &id];
        let out = drill.cli(&line);
        let why = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(
            !out.status.success() && why.contains("account_unknown"),
            "{why}"
        );
        drill.judge_leaving(23).await;
        return 0;
    }
    let mut told = Err(String::new());
    // a list whose order moves does not show each task each time, and a task that is not shown is not retried
    for _ in 0..10 {
        told = try_retry_one(&mut drill, &line).await;
        if told.is_ok() || !rest.contains("moving") {
            break;
        }
    }
    let told = told.unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(told.contains("state      completed"), "{name}: {told}");
    let only = "[mode]\nglobal = \"enforce\"\n[mode.targets]\nsap = \"observe\"\n";
    let first = enforce.replace("[mode]\nglobal = \"enforce\"\n", only);
    assert_ne!(first, enforce);
    fs::write(&config, first).expect("written");
    drill.done(&["reload"]);
    drill.run_for("30m").await;
    assert_eq!(
        writes(&drill),
        1,
        "{name}: the old backlog waits for a person"
    );
    let rows = drill.json(&["baseline", "show", "--json"])["rows"].clone();
    let rows = rows.as_array().expect("rows").iter();
    let waits: BTreeSet<(String, u64)> = rows
        .map(|row| {
            let target = row["target"].as_str().expect("a name");
            (target.to_owned(), row["tasks"].as_u64().expect("a count"))
        })
        .collect();
    assert!(waits.contains(&("AD".to_owned(), 9)), "{name}: {waits:?}");
    drill.done(&[
        "baseline",
        "release",
        "AD",
        "--why",
        "agreed",
        "--yes-release",
        "9",
    ]);
    drill.run_for("48h").await;
    let so_far = drill.safe_so_far().await;
    assert_eq!(so_far.effects_on("SAP"), 0, "{name}: it is only observed");
    let healed = drill.count("healed");
    let left = drill.count("healable_open");
    drill.judge_leaving(left).await;
    healed
}

/// A server's traits in words, keys of the target, further tables, and how much of the ten tasks heals.
type Set = (&'static str, &'static str, &'static str, u64);

async fn walk_all(sets: [Set; 4]) {
    for (name, target, rest, heals) in sets {
        assert_eq!(walk(name, target, rest).await, heals, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_road_leads_to_the_same_end_where_ids_words_dates_and_forms_are_others() {
    walk_all([
        ("numeric ids", "", "[traits]\nnumeric_ids = true\n", 10),
        ("lower-case words", "", "[traits]\nlower_words = true\n", 10),
        (
            "dates without zone",
            "",
            "[traits]\ndates = \"no_zone\"\n",
            10,
        ),
        (
            "11.1.2.3",
            "",
            "[traits]\nlegacy = true\nmap_fields = true\n",
            10,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_road_leads_to_the_same_end_where_lists_and_retries_are_others() {
    walk_all([
        (
            "unstable pages",
            "",
            "[traits]\nlist_order = \"moving\"\n",
            10,
        ),
        (
            "list of everybody",
            "",
            "[server]\nlist_scope = \"everybody\"\n",
            10,
        ),
        (
            "no process keys",
            "",
            "[traits]\nno_process_key = true\n",
            0,
        ),
        ("slow retries", "call_ms = 150", "", 10),
    ])
    .await;
}
