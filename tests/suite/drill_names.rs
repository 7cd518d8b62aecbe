//! Drills of what is told of several logins, whole processes: each sighting and each attempt names the login that it is of, in lists, stories, exports and the report of a day.

use serde_json::{Value, json};

use crate::drill::Drill;
use crate::drill_logins::{SECOND, approve, begin};

/// By which login the targets' tasks are seen.
fn seer(target: &Value) -> &'static str {
    match target.as_str() {
        Some("AD" | "ERP") => "PROVSVC",
        Some("HR" | "MAIL") => "SECOND",
        other => panic!("no such target: {other:?}"),
    }
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// A task of a target, by the plan.
fn task_on(drill: &Drill, target: &str) -> String {
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items").iter();
    let mut of = items.filter(|item| item["target"] == target);
    let task = of.next().unwrap_or_else(|| panic!("{target}: {plan:#}"))["task"].clone();
    task.as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sighting_and_every_claim_says_which_login() {
    let mut drill = begin(SECOND).await;
    let only_seen = task_on(&drill, "MAIL");
    let of_main = task_on(&drill, "ERP");
    approve(&drill, &["AD", "HR"]);
    drill.run_for("3h").await;

    // attempts
    let rows = drill.json(&["outcomes", "list", "--json"]);
    let rows = rows.as_array().expect("rows");
    assert!(rows.len() >= 8, "{rows:#?}");
    let exported = lines(&drill.done(&["outcomes", "export"]));
    assert_eq!(exported.len(), rows.len());
    for row in rows.iter().chain(&exported) {
        assert_eq!(row["login"], seer(&row["target"]), "{row:#}");
    }
    let text = drill.done(&["outcomes", "list"]);
    let mut body = text.lines();
    let head = body.next().expect("a head");
    assert!(head.contains(" login "), "{text}");
    for login in ["PROVSVC", "SECOND"] {
        assert!(text.contains(login), "{login}: {text}");
    }
    let story = drill.json(&[
        "outcomes",
        "show",
        exported[0]["task"].as_str().expect("an id"),
        "--json",
    ]);
    assert_eq!(
        story["attempts"][0]["row"]["login"],
        seer(&story["target"]),
        "{story:#}"
    );

    // sightings
    for (task, login) in [(&only_seen, "SECOND"), (&of_main, "PROVSVC")] {
        let told = drill.done(&["outcomes", "show", task]);
        let words: Vec<&str> = told.split_whitespace().collect();
        let told = words.join(" ");
        assert!(
            told.contains(&format!("seen (daemon as {login}): first seen as task")),
            "{told}"
        );
    }

    // what an auditor gets
    let span = ["--from", "2027-01-01", "--to", "2027-12-31"];
    let audit = lines(&drill.done(&[&["audit", "export"], &span[..]].concat()));
    let decisions: Vec<&Value> = audit
        .iter()
        .filter(|row| row["event"] == "decision")
        .collect();
    assert!(decisions.len() >= 16, "{}", decisions.len());
    for row in decisions {
        assert_eq!(row["login"], seer(&row["target"]), "{row:#}");
    }

    // the report of the day names all whose work it counts, and does not say of whom it counts none
    let day = drill.json(&["report", "daily", "--format", "json"]);
    assert_eq!(day["logins"], json!(["PROVSVC", "SECOND"]), "{day:#}");
    for format in ["text", "html"] {
        let told = drill.done(&["report", "daily", "--format", format]);
        assert!(
            told.contains("is what PROVSVC and SECOND were shown by"),
            "{format}: {told}"
        );
        assert!(!told.contains("tasks of others"), "{format}: {told}");
        assert!(
            told.contains("what their lists do not show is not counted"),
            "{format}: {told}"
        );
    }
    approve(&drill, &["ERP", "MAIL"]);
    drill.run_for("12h").await;
    drill.judge().await;
}
