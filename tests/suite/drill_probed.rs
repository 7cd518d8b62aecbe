//! A whole-process drill of several logins before a server that has to be probed: what only a further one sees waits for that one's own probe.

use std::fs;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_logins::{SECOND, TWO, approve, puts_of};

/// The refusals of what a target's tasks wait for.
fn refusals(drill: &Drill, target: &str) -> Vec<Value> {
    let plan = drill.json(&["plan", "--json"]);
    let items = plan["items"].as_array().expect("items").iter();
    let of = items.filter(|item| item["target"] == target);
    of.map(|item| item["refusals"][0]["reason"].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_further_login_sees_waits_for_its_own_probe() {
    let setup = Setup::of(TWO).config(SECOND);
    let mut drill = setup.server("require_probe = true").start().await;
    drill.write_secret("second", "sim-password-2");
    drill.release();
    drill.done(&["probe"]);
    let file = drill.dir.path().join("store/traits.json");
    let traits = fs::read_to_string(&file).expect("written");
    let mut traits: Value = serde_json::from_str(&traits).expect("JSON");
    // what a guided retry teaches is the server's
    let retry = json!({
        "lineage": "successor with link", "answered_ms": 4, "answers": 1, "settled_secs": 9, "outcome": "completed",
    });
    traits["retry"] = retry;
    fs::write(&file, traits.to_string()).expect("written");
    drill.daemon();
    drill.run_for("10m").await;
    approve(&drill, &["AD", "ERP", "HR", "MAIL"]);
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), 8, "the main login's");
    assert_eq!(puts_of(&drill, "SECOND"), 0);
    assert_eq!(refusals(&drill, "HR"), vec!["not_probed"; 4]);
    let status = drill.json(&["status", "--json"]);
    assert_eq!(status["effective_mode"], "enforce");
    let why = status["mode_why"].to_string();
    assert!(
        why.contains("as SECOND retry") && why.contains("probe --login SECOND"),
        "{why}"
    );
    let waits = |drill: &Drill| {
        let mut inbox = drill.inbox().into_iter();
        inbox.any(|item| item["id"] == "mode" && item["text"].to_string().contains("as SECOND"))
    };
    assert!(waits(&drill));
    // a file that can't be used is as good as none, and is named
    let said = drill.done(&["probe", "--login", "SECOND"]);
    let line = said
        .lines()
        .find(|line| line.starts_with("WHAT THE DAEMON"));
    assert_eq!(
        line,
        Some("WHAT THE DAEMON MAY ENFORCE AS SECOND, WHERE IT MAY AS PROVSVC")
    );
    assert_eq!(said.matches("may be enforced").count(), 5, "{said}");
    let mut all = fs::read_dir(drill.store()).expect("the store");
    let own = all.find_map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name()?.to_str()?.to_owned();
        name.starts_with("traits.json.of-").then_some(path)
    });
    let own = own.expect("its own file");
    let whole = fs::read(&own).expect("written");
    fs::write(&own, "{").expect("written");
    drill.run_for("1h").await;
    assert_eq!(puts_of(&drill, "SECOND"), 0);
    let check = drill.cli(&["check"]);
    let check = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        check.contains(": login: the traits file") && check.contains("traits.json.of-"),
        "{check}"
    );
    fs::write(&own, whole).expect("written");
    drill.run_for("24h").await;
    assert!(!waits(&drill));
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
}
