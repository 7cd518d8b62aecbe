//! Drills of the export for auditors and of decisions of the past, whole processes: who decided what on which ground is told from the record alone, with a daemon and without.

use std::fs;

use serde_json::Value;

use provtaskd::ledger::record::{EventBody, decode, digest_of, encode};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::store::Store as _;
use provtaskd::model::Verdict;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const WORK: &str = r#"
name = "auditors"
seed = 72
start = "2027-03-01T07:00:00Z"
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
[[user]]
login = "JSMITH"
[[population]]
target = "AD"
accounts = 5
task = [{ task = "Add User to Group", failure = "network", heals_after = 1 }]
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Add Role", failure = "network" }]
[[task]]
target = "AD"
user = "JSMITH"
task = "Telephone Updated"
failure = "network"
request = "8041"
"#;
const POLICY: &str = "const NEEDS = [];\nfn decide(task, facts) {\n    if task.status == \"rejected\" { return retry().because(\"the network was down\"); }\n    leave(\"not ours\")\n}\n";
const SPAN: [&str; 4] = ["--from", "2027-03-01", "--to", "2027-03-08T00:00+00:00"];

async fn audited() -> Drill {
    let mut drill = Setup::of(WORK)
        .config("[policy]\ndir = \"policies\"")
        .file("policies/10-mine.rhai", POLICY)
        .enforcing()
        .await;
    drill.done(&["pause", "--target", "SAP", "--why", "=a change of SAP"]);
    drill.run_for("6h").await;
    drill.done(&["resume", "--target", "sap"]);
    drill.run_for("12h").await;
    drill
}

/// Header, rows and footer.
fn exported(drill: &Drill, args: &[&str]) -> (Value, Vec<Value>, Value) {
    let text = drill.done(&[&["audit", "export"], &SPAN[..], args].concat());
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let mut lines: Vec<Value> = lines.collect();
    let footer = lines.pop().expect("a footer");
    let header = lines.remove(0);
    (header, lines, footer)
}

fn of<'a>(rows: &'a [Value], event: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["event"] == event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_gets_who_did_what_when_and_why_with_a_daemon_and_without() {
    let mut drill = audited().await;
    let (header, rows, footer) = exported(&drill, &[]);
    assert_eq!(footer["rows"], rows.len());
    assert_eq!(header["head"].as_str().map(str::len), Some(64), "{header}");
    assert_eq!(header["filter"]["from"], "2027-03-01T00:00:00Z");
    for event in [
        "decision",
        "claim",
        "receipt",
        "outcome",
        "release",
        "backlog_release",
        "pause",
        "resume",
        "mode",
        "policy_loaded",
        "baseline",
    ] {
        let found = of(&rows, event);
        assert!(!found.is_empty(), "no {event}");
        for row in found {
            assert_ne!(row["actor"], "", "{row}");
            let hash = row["policy_set"].as_str().unwrap_or_default();
            assert!(hash.len() == 64 || event == "store_created", "{row}");
        }
    }
    // a target that is none is told from one of which nothing happened
    let (code, said) = failed(
        &drill,
        &[&["audit", "export"], &SPAN[..], &["--target", "LDAP"]].concat(),
    );
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("on record are AD, SAP"), "{said}");
    // what has not come yet is not known
    let future = ["explain", "L1", "--at", "2099-01-01"];
    let (code, said) = failed(&drill, &future);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("has not come yet"), "{said}");
    let pause = of(&rows, "pause")[0];
    assert!(
        pause["actor"].as_str().expect("who").starts_with("uid "),
        "{pause}"
    );
    assert_eq!(pause["reason"], "=a change of SAP");
    let claim = of(&rows, "claim")[0];
    assert_eq!(claim["login"], of(&rows, "receipt")[0]["login"]);
    assert_eq!(claim["rule"], "10-mine.rhai");
    assert_ne!(claim["batch"], "");
    assert_eq!(of(&rows, "decision")[0]["rule"], "10-mine.rhai:3");

    // every filter takes away what it has to, and together they take away more
    let (_, users, _) = exported(&drill, &["--user", "jsmith"]);
    assert!(!of(&users, "claim").is_empty());
    assert!(
        users.iter().all(|row| row["user"] == "JSMITH"),
        "{users:#?}"
    );
    let task = of(&users, "claim")[0]["task"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(exported(&drill, &["--task", &task]).1, users);
    let (_, requests, end) = exported(&drill, &["--request", "8041"]);
    assert_eq!(requests, users);
    assert_eq!(end["decisions_of_unknown_request"], 0, "{end}");
    let (_, sap, _) = exported(&drill, &["--target", "sap"]);
    assert!(of(&sap, "claim").iter().all(|row| row["target"] == "SAP"));
    assert!(!of(&sap, "pause").is_empty() && !of(&sap, "mode").is_empty());
    let (_, none, end) = exported(&drill, &["--target", "sap", "--user", "JSMITH"]);
    assert_eq!((none.len(), &end["rows"]), (0, &Value::from(0)));
    // what nobody has seen makes no export that looks whole
    let nope = drill.cli(&[&["audit", "export", "--target", "NOPE"], &SPAN[..]].concat());
    assert_eq!(nope.status.code(), Some(65));
    assert_eq!(String::from_utf8_lossy(&nope.stdout), "");
    assert!(String::from_utf8_lossy(&nope.stderr).contains("on record are "));
    let empty = drill.cli(&[
        "audit",
        "export",
        "--from",
        "2020-01-01",
        "--to",
        "2020-01-02",
    ]);
    assert!(empty.status.success());
    let said = String::from_utf8_lossy(&empty.stderr).into_owned();
    assert!(
        said.contains("nothing of what was asked for is on record"),
        "{said}"
    );
    let (code, said) = failed(
        &drill,
        &[
            "audit",
            "export",
            "--from",
            "2027-03-02",
            "--to",
            "2027-03-01",
        ],
    );
    assert_eq!(code, Some(65), "{said}");
    let (code, said) = failed(
        &drill,
        &["audit", "export", "--from", "then", "--to", "now"],
    );
    assert_eq!(code, Some(64), "{said}");

    let csv = drill.done(&[&["audit", "export", "--format", "csv"], &SPAN[..]].concat());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), rows.len() + 3);
    assert!(lines[0].starts_with("# {") && lines[1].starts_with("record,at,event,actor,"));
    assert!(csv.contains("\"'=a change of SAP\""), "no formula");

    drill.stop();
    let (_, without, _) = exported(&drill, &[]);
    assert_eq!(without[..rows.len()], rows[..]);
    drill.daemon();
    drill.run_for("1h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_of_the_past_is_taken_once_more_whatever_the_policies_say_today() {
    let mut drill = audited().await;
    let (_, rows, _) = exported(&drill, &["--user", "JSMITH"]);
    // what took its place at the same moment was in force then
    let decisions = of(&rows, "decision");
    let last = |at: usize| {
        decisions
            .get(at + 1)
            .is_none_or(|next| next["at"] != decisions[at]["at"])
    };
    let place = (0..decisions.len())
        .find(|at| last(*at))
        .expect("a decision");
    let first = decisions[place].clone();
    let (task, record) = (
        first["task"].as_str().expect("an id"),
        first["record"].to_string(),
    );
    drill.write(
        "policies/10-mine.rhai",
        "const NEEDS = [];\nfn decide(task, facts) { leave(\"all is left alone now\") }\n",
    );
    drill.done(&["reload"]);
    drill.run_for("1h").await;
    let at = first["at"].as_str().expect("a time");
    for args in [
        &["explain", task, "--at", at][..],
        &["explain", task, "--decision", &record],
    ] {
        let told = drill.done(args);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            &format!("record {record}, in force from"),
            "the network was down",
            "10-mine.rhai:3",
            "same verdict",
            "the set in force now is",
            "request: 8041",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    let json = drill.json(&["explain", task, "--decision", &record, "--json"]);
    assert_eq!(json["replay"]["replayed"], "same");
    let live = drill.done(&["explain", task]);
    assert!(!live.contains("replayed"), "{live}");
    let (code, said) = failed(&drill, &["explain", task, "--at", "2020-01-01"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("the first is of"), "{said}");
    for (record, words) in [("1", "holds no decision"), ("999999", "there is no record")] {
        let (code, said) = failed(&drill, &["explain", "--decision", record]);
        assert_eq!(code, Some(65), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let (code, said) = failed(&drill, &["explain"]);
    assert_eq!(code, Some(64), "{said}");
    drill.stop();

    // the recorded answer is exchanged, and the chain behind it mended
    let journal = drill.store().join("journal");
    let sidecar = drill.store().join("sidecar");
    let kept = (
        drill.dir.path().join("kept"),
        fs::read(&sidecar).expect("read"),
    );
    fs::rename(&journal, &kept.0).expect("kept");
    let mut records = Vec::new();
    {
        let (old, _) = SledStore::open(&kept.0, 8 << 20).expect("opened");
        let mut show = |seq, bytes: &[u8]| {
            records.push((seq, bytes.to_vec()));
            std::ops::ControlFlow::Continue(())
        };
        old.visit(0, &mut show).expect("read");
    }
    for (seq, bytes) in &mut records {
        let mut event = decode(bytes).expect("a record");
        if let EventBody::Decided { items } = &mut event.body
            && seq.to_string() == record
        {
            for item in items.iter_mut().filter(|item| item.task.as_str() == task) {
                item.verdict = Some(Verdict::Leave {
                    reason: "nobody wanted it".into(),
                    after: None,
                });
            }
            *bytes = encode(&event).expect("small");
        }
    }
    let mut link = None;
    for (_, bytes) in &mut records {
        let mut event = decode(bytes).expect("a record");
        if let Some(link) = link {
            event.prev = link;
            *bytes = encode(&event).expect("small");
        }
        link = Some(digest_of(bytes));
    }
    {
        let (new, _) = SledStore::open(&journal, 8 << 20).expect("made");
        new.append(&records).expect("written");
    }
    let (code, said) = failed(&drill, &["explain", task, "--decision", &record]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("answer otherwise now"), "{said}");
    fs::remove_dir_all(&journal).expect("removed");
    fs::rename(&kept.0, &journal).expect("put back");
    fs::write(&sidecar, kept.1).expect("put back");
    drill.write("policies/10-mine.rhai", POLICY);
    drill.daemon();
    drill.run_for("12h").await;
    drill.judge().await;
}
