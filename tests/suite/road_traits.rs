//! The road to the first enforced actions on servers of other traits, through the real binary: survey and probe are held against the world's truth, observing writes nothing, and of the target and the action that are released everything heals and of no other one anything.

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
target = "AD"
accounts = 2
prefix = "HAN"
task = [{ task = "Order Hardware", status = "R", failure = "network" }]

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

[[user]]
login = "PACKER"

[[role]]
name = "SERVICE DESK"
members = ["PACKER"]

"#;

const DESK: &str = "[policy]\nkinds = { \"*/Order Hardware\" = \"change\" }\nfulfilment_roles = { \"*\" = \"SERVICE DESK\" }\n";

/// Open tasks of the world that this login is shown.
fn visible(drill: &Drill, everybody: bool) -> Vec<Value> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks").iter();
    let seen = tasks.filter(|task| everybody || task["owner"] != "user:SOMEBODY");
    seen.cloned().collect()
}

/// What probe has to say of a server of these traits, by the world's own truth.
fn told_right(drill: &Drill, name: &str, rest: &str) {
    let traits = drill.json(&["probe", "--format", "json"]);
    if rest.contains("moving") {
        // no number of passes is sure to show all of it
        assert_eq!(traits["paging"]["pages"], "unstable", "{name}: {traits:#}");
        assert_eq!(traits["order"]["by"], "none", "{name}: {traits:#}");
        assert_eq!(traits["order"]["repeatable"], false, "{name}: {traits:#}");
        let (seen, all) = (&traits["rows"]["seen"], visible(drill, false).len());
        let most = u64::try_from(all).expect("few");
        assert!(
            seen.as_u64().is_some_and(|seen| (1..=most).contains(&seen)),
            "{name}: {seen} of {most}"
        );
        return;
    }
    let everybody = rest.contains("everybody");
    let seen = visible(drill, everybody);
    let count = |of: &[Value]| u64::try_from(of.len()).expect("few");
    let is = |what: &str, told: &Value, truth: Value| {
        assert_eq!(*told, truth, "{name}: {what}: {traits:#}");
    };
    let words = |counts: &Value| -> Vec<String> {
        let counts = counts.as_object().expect("counts");
        counts.keys().cloned().collect()
    };
    let rows = &traits["rows"];
    is("rows", &rows["seen"], count(&seen).into());
    is("rows that can't be read", &rows["unreadable"], 0.into());
    let lower = rest.contains("lower_words");
    for (code, open) in counted(&seen, |task| text(&task["status"])) {
        let word = if lower { code.to_lowercase() } else { code };
        let told = &rows["status"]["Process Instance.Task Details.Status"][&word];
        is(&word, told, open.into());
    }
    is(
        "unknown words",
        &rows["status_unknown"],
        serde_json::json!({}),
    );
    let keys = !rest.contains("no_process_key");
    let with_keys = if keys { count(&seen) } else { 0 };
    is("process keys", &rows["process"], with_keys.into());
    let manual: Vec<Value> = seen
        .iter()
        .filter(|task| task["definition"] == "Order Hardware")
        .cloned()
        .collect();
    is("manual", &rows["adapter"]["manual"], count(&manual).into());
    let form = match rest.contains("no_zone") {
        true => "no zone",
        false => "Z",
    };
    assert_eq!(words(&rows["dates"]), [form], "{name}");
    let shape = match rest.contains("map_fields") {
        true => "map",
        false => "array",
    };
    assert_eq!(words(&rows["shape"]), [shape], "{name}");
    let id = match rest.contains("numeric_ids") {
        true => "number",
        false => "string",
    };
    is("an id by itself", &traits["roads"]["single_id"], id.into());
    is("order", &traits["order"]["by"], "id ascending".into());
    is("repeatable", &traits["order"]["repeatable"], true.into());
    is("pages", &traits["paging"]["pages"], "stable".into());
    let scope = &traits["scope"];
    let of_people = seen.iter().filter(|task| task["owner"] == "user:SOMEBODY");
    let of_people: Vec<Value> = of_people.cloned().collect();
    is("of others", &scope["others"], count(&of_people).into());
    let shows = if everybody { "wider" } else { "own and roles" };
    is("whose", &scope["shows"], shows.into());
}

/// The targets' counts of open tasks as the world has them, seen by this login.
fn truth(drill: &Drill, everybody: bool) -> BTreeMap<String, u64> {
    counted(&visible(drill, everybody), |task| text(&task["target"]))
}

/// Tasks by target as the survey counts them, and whether it says that its list held still.
fn surveyed(drill: &Drill) -> (BTreeMap<String, u64>, bool) {
    drill.done(&["survey", "--out", "report.json"]);
    let text = fs::read_to_string(drill.dir.path().join("report.json")).expect("written");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let stable = report["scope"]["stable"] == true;
    (sums(&report, "target"), stable)
}

/// Walks the road on one server, and says how many tasks of the released target have healed.
async fn walk(name: &str, target: &str, rest: &str) -> u64 {
    let everybody = rest.contains("everybody");
    let world = format!("{}{rest}", WORLD.replace("TARGET", target));
    let mut drill = Setup::of(&world)
        .server(match rest.contains("moving") {
            true => "require_probe = true\npage_size = 10",
            false => "require_probe = true\npage_size = 5",
        })
        .config(DESK)
        .start()
        .await;
    let config = drill.dir.path().join("provtaskd.toml");
    let enforce = fs::read_to_string(&config).expect("there");
    fs::write(
        &config,
        enforce.replace("global = \"enforce\"", "global = \"observe\""),
    )
    .expect("written");

    let (counts, stable) = surveyed(&drill);
    let real = truth(&drill, everybody);
    if rest.contains("moving") {
        // it counts no task that is not there, and does not call its count whole
        assert!(!stable, "{name}");
        let most = |of: &String| real.get(of).copied().unwrap_or(0);
        assert!(
            counts.iter().all(|(of, count)| *count <= most(of)),
            "{name}: {counts:?} of {real:?}"
        );
    } else {
        assert_eq!(counts, real, "{name}: survey");
    }
    told_right(&drill, name, rest);

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
    if target.contains("call_ms") {
        let traits = drill.dir.path().join("store/traits.json");
        let kept = fs::read_to_string(traits).expect("kept");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        let took = kept["retry"]["answered_ms"].as_u64();
        assert!(took >= Some(150), "{name}: {:#}", kept["retry"]);
    }
    // one target, one action
    let only = "[mode]\nglobal = \"enforce\"\n[mode.targets]\n\"*\" = \"observe\"\nad = \"enforce\"\n[mode.actions]\nreassign = \"observe\"\n";
    let first = enforce.replace("[mode]\nglobal = \"enforce\"\n", only);
    assert_ne!(first, enforce);
    fs::write(&config, &first).expect("written");
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
    assert!(waits.contains(&("AD".to_owned(), 11)), "{name}: {waits:?}");
    drill.done(&[
        "baseline",
        "release",
        "AD",
        "--why",
        "agreed",
        "--yes-release",
        "11",
    ]);
    drill.run_for("48h").await;
    let so_far = drill.safe_so_far().await;
    assert_eq!(so_far.effects_on("SAP"), 0, "{name}: it is only observed");
    let handed = |drill: &Drill| {
        let tasks = visible(drill, true).into_iter();
        tasks
            .filter(|task| task["owner"] == "role:SERVICE DESK")
            .count()
    };
    assert_eq!(handed(&drill), 0, "{name}: it is only observed");
    // and then the next action
    let both = first.replace("reassign = \"observe\"\n", "");
    assert_ne!(both, first);
    fs::write(&config, both).expect("written");
    drill.done(&["reload"]);
    drill.run_for("24h").await;
    assert_eq!(
        handed(&drill),
        2,
        "{name}: manual work is handed on {}",
        drill.done(&["plan"])
    );
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
