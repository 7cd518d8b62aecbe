//! Drills of what a person allows, whole processes: held hand-overs, forgotten lessons, the first single cycle; a person's word must outlive a kill and do no more than it says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_heal::MANUAL;
use crate::drill_ops::failed;
use crate::drill_oracle::Evidence;

/// The inbox's holds of acts over a cap.
fn holds(drill: &Drill) -> Vec<Value> {
    let inbox = drill.inbox();
    let held = inbox.into_iter().filter(|item| item["why"] == "cap_held");
    held.collect()
}

/// How often each task was handed over.
fn handed(evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut by_task = BTreeMap::new();
    for (_, item) in evidence.sent("reassign") {
        *by_task.entry(item["id"].to_string()).or_default() += 1;
    }
    by_task
}

/// Ten hand-overs are wanted, four are allowed: none goes until a person says so, and then all of them once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_over_the_cap_wait_for_a_person_whose_word_outlives_a_kill() {
    let mut drill = Setup::shipped("leave")
        .config(
            "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }\n[governor]\ncap_reassigns = 4",
        )
        .enforcing()
        .await;
    drill.run_for("3h").await;
    let first = holds(&drill);
    assert_eq!(first.len(), 1, "{:#?}", drill.inbox());
    assert_eq!(first[0]["count"], 10, "{first:#?}");
    assert!(handed(&drill.evidence().await).is_empty(), "all are held");
    // the question is still there after a kill, under the same name
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    assert_eq!(holds(&drill)[0]["id"], first[0]["id"]);
    assert_eq!(
        holds(&drill)[0]["since"],
        first[0]["since"],
        "it is held since then"
    );
    assert!(
        handed(&drill.evidence().await).is_empty(),
        "nobody has said yes"
    );
    let id = first[0]["id"].as_str().expect("an id").to_owned();
    drill.done(&["approve", &id, "--why", "he is on leave"]);
    // what was answered is on record, however soon the end comes
    drill.kill_and_restart().await;
    drill.run_for("6h").await;
    assert!(holds(&drill).is_empty(), "{:#?}", holds(&drill));
    // a yes that was used is not there to be given again
    let (code, said) = failed(&drill, &["approve", &id, "--why", "once more"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("is used: all 10 tasks"), "{said}");
    let evidence = drill.judge().await;
    let handed = handed(&evidence);
    assert_eq!(handed.len(), 10, "all that were held: {handed:?}");
    assert!(handed.values().all(|times| *times == 1), "{handed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_that_a_person_rejects_are_not_sent_and_not_asked_again() {
    let mut drill = Setup::shipped("leave")
        .config(
            "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }\n[governor]\ncap_reassigns = 4",
        )
        .enforcing()
        .await;
    drill.run_for("3h").await;
    let id = holds(&drill)[0]["id"].as_str().expect("an id").to_owned();
    drill.done(&["reject", &id, "--why", "he is back tomorrow"]);
    drill.kill_and_restart().await;
    drill.run_for("20h").await;
    assert!(holds(&drill).is_empty(), "{:#?}", holds(&drill));
    assert!(handed(&drill.evidence().await).is_empty());
    // the no is told: who, when, why, and how it is taken back
    let said = drill.done(&["inbox"]);
    assert!(said.contains("inbox --rejected"), "{said}");
    let noes = drill.json(&["inbox", "--rejected", "--json"]);
    let no = &noes[0];
    assert_eq!(
        (&no["id"], &no["why"]),
        (
            &Value::from(id.as_str()),
            &Value::from("he is back tomorrow")
        )
    );
    assert_eq!(
        (&no["count"], noes.as_array().map(Vec::len)),
        (&Value::from(10), Some(1))
    );
    assert!(
        no["at"].is_string() && no["by"].is_string() && no["until"].is_string(),
        "{no:#}"
    );
    let said = drill.done(&["inbox", "--rejected"]);
    for words in [
        id.as_str(),
        "he is back tomorrow",
        "--despite-rejection",
        "10 tasks",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = drill.done(&["status"]);
    assert!(said.contains("refused by a person's no"), "{said}");
    // a yes does not undo a no unseen, and whoever wants that is told how
    let yes = ["approve", &id, "--why", "he stays away"];
    let (code, said) = failed(&drill, &yes);
    assert_eq!(code, Some(65), "{said}");
    for words in ["was rejected by", "--despite-rejection"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    drill.run_for("1h").await;
    assert!(handed(&drill.evidence().await).is_empty());
    drill.done(&[&yes[..], &["--despite-rejection"]].concat());
    assert!(
        drill
            .done(&["inbox", "--rejected"])
            .contains("nobody has said no")
    );
    drill.run_for("6h").await;
    let evidence = drill.judge().await;
    assert_eq!(handed(&evidence).len(), 10, "{:?}", handed(&evidence));
}

/// Retries of tasks that OIG does not automate.
fn asked(evidence: &Evidence) -> usize {
    let manual = |id: &Value| evidence.task(id).is_some_and(|t| t["automated"] == false);
    let sent = evidence
        .sent("retry")
        .filter(|(_, item)| manual(&item["id"]));
    sent.count()
}

/// What OIG has taught is forgotten at a person's word: it is asked once more, and learned once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_lesson_is_learned_again_by_one_more_try() {
    let mut drill = Setup::of(MANUAL)
        .config("[policy]\nkinds = { \"DESK/Manual Grant\" = \"grant\" }")
        .enforcing()
        .await;
    drill.run_for("12h").await;
    assert_eq!(asked(&drill.safe_so_far().await), 1, "learned by one try");
    // who does not know its key is told what there is
    let other = drill.cli(&["forget", "DESK/Manual Grant"]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success(), "{said}");
    let (_, key) = said.split_once("it has called so: ").expect("a hint");
    drill.done(&["forget", key.trim()]);
    drill.expect.forgotten.push(drill.journal().len());
    // it is on record when it is answered
    drill.kill_and_restart().await;
    drill.run_for("24h").await;
    assert_eq!(
        asked(&drill.safe_so_far().await),
        2,
        "one more, and no third"
    );
    drill.judge().await;
}

/// Who tries the program with `run --once` has to be told why nothing is sent, and what comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_single_cycle_tells_of_the_backlog_and_sends_nothing() {
    let mut drill = Setup::of(
        r#"
name = "single"
seed = 44
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 5
task = [{ task = "Telephone Updated", failure = "lock" }]
"#,
    )
    .config("[governor.default]\nbatch_start = 25")
    .start()
    .await;
    drill.release();
    let first = drill.cli(&["run", "--once"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    for words in [
        "enforce is on for the first time",
        "tasks=5",
        "provtaskd inbox",
        "provtaskd approve baseline:TARGET",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (_, end) = said
        .split_once("one cycle is through")
        .unwrap_or_else(|| panic!("it is said at the end: {said}"));
    assert!(end.contains("sent=0") && end.contains("inbox=1"), "{end}");
    assert_eq!(drill.count("effects"), 0, "nothing was sent");
    // and the inbox shows it while no daemon runs
    let inbox = drill.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    assert_eq!(
        (&inbox[0]["id"], &inbox[0]["count"]),
        (&"baseline:AD".into(), &5.into())
    );
    // a second one has nothing to tell of that again, and sends as little
    let second = drill.cli(&["run", "--once"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.success(), "{said}");
    assert!(!said.contains("for the first time"), "{said}");
    assert_eq!(drill.count("effects"), 0, "nobody has released anything");
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 5);
    drill.judge().await;
}

/// A person has let six tasks go to OTHER over the cap; an hour later OTHER is away himself: that all six move once more, to
/// somebody else, is not what was approved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_does_not_let_the_same_tasks_be_handed_on_a_second_time_over_the_cap() {
    let world = crate::drill_roster::PEOPLE.replace(
        "[[user]]\nlogin = \"OTHER\"",
        "[[user]]\nlogin = \"OTHER\"\n[[user]]\nlogin = \"THIRD\"",
    );
    let first = "login,from,to,stand_in\nLEFT,2027-02-20,,OTHER\n";
    let mut drill = Setup::of(&world)
        .file("leave.csv", first)
        .config(crate::drill_roster::POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .config("[governor]\ncap_reassigns = 3\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("20m").await;
    let held = |drill: &Drill| -> Vec<String> {
        let all = drill.inbox();
        let held = all
            .iter()
            .filter_map(|item| item["id"].as_str())
            .filter(|id| id.starts_with('H'));
        held.map(str::to_owned).collect()
    };
    let holds = held(&drill);
    assert_eq!(holds.len(), 1, "{:#?}", drill.inbox());
    drill.done(&["approve", &holds[0], "--why", "OTHER is asked"]);
    drill.run_for("1h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    assert_eq!(sent, 6, "to OTHER");
    drill.write(
        "leave.csv",
        &format!("{first}OTHER,2027-03-01,2027-03-20,THIRD\n"),
    );
    drill.run_for("3h").await;
    let (sent, holds) = (
        drill.evidence().await.sent("reassign").count(),
        held(&drill),
    );
    drill.judged_elsewhere();
    assert_eq!(
        sent, 6,
        "the cap is 3, and nobody was asked about THIRD: {holds:?}"
    );
}

/// The daemon is killed while the first of the approved hand-overs is under way: what it had claimed by then is used up as
/// well, though its own record of that was still to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_used_up_by_what_was_claimed_right_before_a_kill() {
    let world = crate::drill_roster::PEOPLE.replace(
        "[[user]]\nlogin = \"OTHER\"",
        "[[user]]\nlogin = \"OTHER\"\n[[user]]\nlogin = \"THIRD\"",
    );
    let first = "login,from,to,stand_in\nLEFT,2027-02-20,,OTHER\n";
    let mut drill = Setup::of(&world)
        .file("leave.csv", first)
        .config(crate::drill_roster::POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .config("[governor]\ncap_reassigns = 3\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill
        .act(json!({"fault": {"do": "hang", "on": "put", "at": [1]}}))
        .await;
    drill.run_for("20m").await;
    let held = |drill: &Drill| -> Vec<String> {
        let all = drill.inbox();
        let ids = all.iter().filter_map(|item| item["id"].as_str());
        let held = ids.filter(|id| id.starts_with('H'));
        held.map(str::to_owned).collect()
    };
    let holds = held(&drill);
    assert_eq!(holds.len(), 1, "{:#?}", drill.inbox());
    drill.done(&["approve", &holds[0], "--why", "OTHER is asked"]);
    let hangs = |drill: &Drill| {
        let journal = drill.journal();
        journal
            .iter()
            .any(|row| row["class"] == "put" && !row["fault"].is_null())
    };
    drill.run_until("30m", "a PUT hangs", hangs).await;
    drill.kill_and_restart().await;
    drill.run_for("3h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    assert_eq!(sent, 6, "to OTHER, {:#?}", drill.inbox());
    drill.write(
        "leave.csv",
        &format!("{first}OTHER,2027-03-01,2027-03-20,THIRD\n"),
    );
    drill.run_for("3h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    drill.judged_elsewhere();
    assert_eq!(sent, 6, "nobody was asked about THIRD");
}

/// A person is shown to whom six tasks would go, and says yes; by then the absence file names somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_of_hand_overs_to_one_person_lets_none_go_to_another() {
    let world = crate::drill_roster::PEOPLE.replace(
        "[[user]]\nlogin = \"OTHER\"",
        "[[user]]\nlogin = \"OTHER\"\n[[user]]\nlogin = \"THIRD\"",
    );
    let mut drill = Setup::of(&world)
        .file(
            "leave.csv",
            "login,from,to,stand_in\nLEFT,2027-02-20,,OTHER\n",
        )
        .config(crate::drill_roster::POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .config("[governor]\ncap_reassigns = 3\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("20m").await;
    let held = |drill: &Drill| -> (String, String) {
        let all = drill.inbox();
        let mut holds = all.iter().filter(|item| item["why"] == "cap_held");
        let hold = holds.next().expect("it is held");
        assert_eq!(holds.next(), None);
        let of = |key: &str| hold[key].as_str().expect("a text").to_owned();
        (of("id"), of("text"))
    };
    let (first, text) = held(&drill);
    assert!(text.contains("6 to user:OTHER"), "{text}");
    drill.write(
        "leave.csv",
        "login,from,to,stand_in\nLEFT,2027-02-20,,THIRD\n",
    );
    drill.done(&["approve", &first, "--why", "OTHER is asked"]);
    drill.run_for("1h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    assert_eq!(sent, 0, "nobody was asked about THIRD");
    let (second, text) = held(&drill);
    assert_ne!(second, first);
    assert!(text.contains("6 to user:THIRD"), "{text}");
    drill.done(&["approve", &second, "--why", "THIRD then"]);
    drill.run_for("1h").await;
    let sent = drill.evidence().await.sent("reassign").count();
    drill.judged_elsewhere();
    assert_eq!(sent, 6);
}

/// Manual work of three targets that all goes to one person. Only what the login itself is to do is listed.
const THREE: &str = r#"
name = "own-scope"
seed = 71
[[user]]
login = "EVE"
[[target]]
name = "DESK"
connector = "ticket"
[[population]]
target = "DESK"
accounts = 40
prefix = "EMP"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Manual Grant" }]
[[target]]
name = "MAIL"
connector = "ticket"
[[population]]
target = "MAIL"
accounts = 10
prefix = "EMP"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Manual Grant" }]
[[target]]
name = "ERPX"
connector = "ticket"
[[population]]
target = "ERPX"
accounts = 10
prefix = "EMP"
age = "2h"
owner = ["role:PROV OPERATORS"]
task = [{ task = "Manual Grant" }]
"#;

/// Each approval brings a cycle, and each cycle takes back what the one before has put on its way and is not claimed yet:
/// nothing of that has gone, so that the approvals stand for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_that_are_approved_in_a_row_all_go_and_each_act_once() {
    let mut drill = Setup::of(THREE)
        .file(
            "policies/10-hand.rhai",
            "fn decide(task, facts) { if task.owner_type == \"role\" { reassign(\"user:EVE\") } }\n",
        )
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config(
            "[policy]\nkinds = { \"*/Manual Grant\" = \"grant\" }\ndir = \"policies\"\n[guard]\nassignee_load = 500",
        )
        .config("[governor]\ncap_share_percent = 100\ncap_reassigns = 3\n[governor.default]\nbatch_start = 25")
        .enforcing()
        .await;
    drill.run_for("10m").await;
    let held = holds(&drill);
    let counts: Vec<u64> = held.iter().filter_map(|of| of["count"].as_u64()).collect();
    assert_eq!(counts.iter().sum::<u64>(), 60, "{held:#?}");
    assert_eq!(held.len(), 3, "{held:#?}");
    let approve = |drill: &Drill, hold: &Value| {
        let id = hold["id"].as_str().expect("an id");
        drill.done(&["approve", id, "--why", "EVE is asked"]);
    };
    held.iter().for_each(|hold| approve(&drill, hold));
    // an answer that is given twice is no other answer; the first one may have been made use of meanwhile
    let id = held[0]["id"].as_str().expect("an id");
    let again = drill.cli(&["approve", id, "--why", "EVE is asked"]);
    let error = String::from_utf8_lossy(&again.stderr);
    assert!(
        again.status.success() || error.contains("is used"),
        "{error}"
    );
    drill.run_for("40m").await;
    assert!(holds(&drill).is_empty(), "{:#?}", holds(&drill));
    // nor does a kill bring anything back
    drill.kill_and_restart().await;
    drill.run_for("20m").await;
    assert!(holds(&drill).is_empty(), "{:#?}", holds(&drill));
    let back = crate::drill_roster::by_owner(&drill);
    assert_eq!(back.get("user:EVE"), Some(&60), "{back:?}");
    let evidence = drill.judge().await;
    let handed = handed(&evidence);
    assert_eq!(handed.len(), 60, "all that were held: {handed:?}");
    assert!(handed.values().all(|times| *times == 1), "{handed:?}");
}
