//! Drills of what a person is told before and after an order: no word about what was not asked yet, and none that the daemon's own work has made untrue.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_ops::STEADY;
use crate::drill_roster::{PEOPLE, POLICY};

const LEAVE: &str = "fn decide(task, facts) {\n  leave(\"all\")\n}\n";
const WRONG: &str =
    "# cases\n\n[[case]]\nname = \"but not this\"\nexpect = { verdict = \"retry\" }\n";
/// It compiles, and fails with each task.
const FAILS: &str = "fn decide(task, facts) {\n  let n = 1;\n  n.nothing_of_this_name()\n}\n";

fn status(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])
}

/// Exit code and standard error of a release.
fn release(drill: &Drill, more: &[&str]) -> (Option<i32>, String) {
    let now = status(drill);
    let hash = now["policy_hash"].as_str().expect("a policy set");
    let all = [
        &[
            "policy", "release", hash, "--person", "Drill", "--word", "D-1",
        ][..],
        more,
    ]
    .concat();
    let output = drill.cli(&all);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_whose_own_cases_fail_is_released_only_by_somebody_who_says_that_he_knows() {
    let mut drill = Setup::of(STEADY)
        .file("own/10-a.rhai", LEAVE)
        .file("own/10-a.test.toml", WRONG)
        .config("[policy]\ndir = \"own\"")
        .start()
        .await;
    for running in [false, true] {
        if running {
            drill.daemon();
            drill.run_for("1m").await;
        }
        let (code, said) = release(&drill, &[]);
        assert_ne!(code, Some(0), "{said}");
        assert!(
            said.contains("10-a.test.toml:3") && said.contains("but not this"),
            "{said}"
        );
        assert!(said.contains("--despite-failing-cases"), "{said}");
        assert_eq!(status(&drill)["policy_released"], Value::Null);
    }
    let (code, said) = release(&drill, &["--despite-failing-cases"]);
    assert_eq!(code, Some(0), "{said}");
    let word = status(&drill)["policy_released"]["word"].to_string();
    assert!(
        word.contains("D-1") && word.contains("10-a.test.toml:3"),
        "it is on record: {word}"
    );
    // mended, it needs no such word
    drill.write("own/10-a.test.toml", &WRONG.replace("retry", "leave"));
    let (code, said) = release(&drill, &[]);
    assert_eq!(code, Some(0), "{said}");
    drill.judged_elsewhere();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_fails_is_told_as_a_fault_and_its_set_is_not_released_unawares() {
    let mut drill = Setup::of(STEADY)
        .file("own/10-a.rhai", FAILS)
        .config("[policy]\ndir = \"own\"")
        .start()
        .await;
    drill.daemon();
    drill.run_for("1m").await;
    // also where nothing has changed since, and nothing is decided anew
    for span in ["1m", "30m"] {
        drill.run_for(span).await;
        let inbox = drill.inbox();
        let fault = inbox.iter().find(|item| item["why"] == "policy_fault");
        let fault = fault.unwrap_or_else(|| panic!("no fault: {inbox:#?}"));
        let text = fault["text"].as_str().expect("a text");
        assert!(
            text.contains("10-a.rhai:3") && text.contains("nothing_of_this_name"),
            "{text}"
        );
        assert_eq!(fault["count"], 10, "{fault:#}");
        assert!(
            !inbox.iter().any(|item| item["why"] == "asked"),
            "{inbox:#?}"
        );
        assert_eq!(status(&drill)["policy_faults"], 10);
        let words = in_one_line(&drill.done(&["status"]));
        assert!(
            words.contains("10 tasks") && words.contains("10-a.rhai:3"),
            "{words}"
        );
    }
    let (code, said) = release(&drill, &[]);
    assert_ne!(code, Some(0), "{said}");
    assert!(
        said.contains("10-a.rhai:3") && said.contains("--despite-failing-cases"),
        "{said}"
    );
    let (code, said) = release(&drill, &["--despite-failing-cases"]);
    assert_eq!(code, Some(0), "{said}");
    // mended: nothing of it is left
    drill.write("own/10-a.rhai", LEAVE);
    drill.done(&["reload"]);
    drill.run_for("10m").await;
    assert_eq!(status(&drill)["policy_faults"], 0);
    assert!(
        !drill
            .inbox()
            .iter()
            .any(|item| item["why"] == "policy_fault")
    );
    drill.judged_elsewhere();
}

/// What was decided before the reload is not what the policies want now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_it_is_not_known_what_the_policies_want_until_they_were_asked() {
    let mut drill = Setup::of(STEADY)
        .file("own/10-a.rhai", LEAVE)
        .config("[policy]\ndir = \"own\"")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let said = |drill: &Drill| {
        let output = drill.cli(&["baseline", "release", "AD", "--why", "to see"]);
        in_one_line(&String::from_utf8_lossy(&output.stderr))
    };
    assert!(
        said(&drill).contains("something done with 0 of them; there"),
        "{}",
        said(&drill)
    );
    // the cycle after the reload gets no list
    drill
        .act(json!({"fault": {"do": "html500", "on": "list", "probability": 1.0}}))
        .await;
    let retry = "fn decide(task, facts) {\n  retry().because(\"again\")\n}\n";
    drill.write("own/10-a.rhai", retry);
    drill.done(&["reload"]);
    let now = said(&drill);
    assert!(
        now.contains("of 10 it is not known yet what they want"),
        "{now}"
    );
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("2h").await;
    let now = said(&drill);
    assert!(!now.contains("not known yet"), "{now}");
    drill.judged_elsewhere();
}

/// The one whom it names owned the tasks that were handed over by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_handed_over_all_his_work_is_no_stranger_to_the_absence_file() {
    let mut drill = Setup::of(PEOPLE)
        .file(
            "leave.csv",
            "login,from,to,stand_in\nLEFT,2027-02-20,,OTHER\n",
        )
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"\n[governor]\ncap_share_percent = 100")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    let owners = crate::drill_roster::by_owner(&drill);
    assert_eq!(owners.get("user:LEFT"), None, "{owners:?}");
    for _ in 0..2 {
        let feed = status(&drill)["absence_feed"].clone();
        assert_eq!(feed["people_seen"], 1, "{feed:#}");
        let words = in_one_line(&drill.done(&["status"]));
        assert!(!words.contains("NONE of the"), "{words}");
        // the ledger knows it, also after a start
        drill.kill_and_restart().await;
        drill.run_for("1h").await;
    }
    drill.judged_elsewhere();
}

/// OIG's own word needs no file; who stands in does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whom_oig_calls_disabled_is_away_also_where_the_file_is_missing() {
    let mut drill = Setup::of(PEOPLE)
        .config(POLICY)
        .config("[absence]\nfeed = \"gone.csv\"")
        .enforcing()
        .await;
    drill.run_for("6h").await;
    let owners = crate::drill_roster::by_owner(&drill);
    assert_eq!(owners.get("user:LEFT"), Some(&6), "{owners:?}");
    let plan = drill.json(&["plan", "--json"]);
    let task = plan["items"][0]["task"]
        .as_str()
        .expect("a task")
        .to_owned();
    let explained = drill.json(&["explain", &task, "--json"]);
    let owner = explained["facts"]
        .as_array()
        .expect("facts")
        .iter()
        .find(|fact| fact[0] == "owner")
        .map(|fact| fact[1].to_string())
        .unwrap_or_default();
    assert!(
        owner.contains("user:LEFT is away; stand-in unknown") && owner.contains("absence feed"),
        "{explained:#}"
    );
    drill.judged_elsewhere();
}

/// A node of the server shows the list as it was before the retries: what it shows is told, and that it is done with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_a_successor_has_replaced_is_in_the_plan_as_long_as_a_list_shows_it() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let mut drill = Setup::of(STEADY).start().await;
    let frozen = std::sync::Arc::new(AtomicBool::new(false));
    let is_frozen = std::sync::Arc::clone(&frozen);
    let first: std::sync::Mutex<std::collections::HashMap<String, String>> =
        std::sync::Mutex::default();
    crate::drill_front::behind(&drill, move |seen, text| {
        if seen.method != "GET" || !seen.path.contains("/provtasks?") {
            return None;
        }
        let mut first = first.lock().expect("a lock");
        let then = first.entry(seen.path.clone()).or_insert(text.to_owned());
        is_frozen
            .load(Ordering::SeqCst)
            .then(|| ("200 OK", then.clone()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let before = drill.json(&["plan", "--json"]);
    let ids = |plan: &Value| -> Vec<String> {
        let items = plan["items"].as_array().expect("items").iter();
        items
            .map(|item| item["task"].as_str().expect("an id").to_owned())
            .collect()
    };
    let all = ids(&before);
    assert_eq!(all.len(), 10, "{before:#}");
    drill.approve_backlog();
    drill.run_for("1h").await;
    frozen.store(true, Ordering::SeqCst);
    let plan = drill.json(&["plan", "--json"]);
    assert_eq!(plan["visible"], 10, "{plan:#}");
    assert_eq!(ids(&plan), all, "every item: {plan:#}");
    let one = &plan["items"][0];
    assert_eq!(one["refusals"][0]["reason"], "successor_known", "{one:#}");
    let text = in_one_line(&drill.done(&["plan"]));
    assert!(text.contains("successor_known"), "{text}");
    let told = in_one_line(&drill.done(&["explain", &all[0]]));
    let story = drill.json(&["outcomes", "show", &all[0], "--json"]);
    let next = story["ids"].as_array().expect("ids").last().expect("one");
    let next = next.as_str().expect("an id");
    assert_ne!(next, all[0]);
    assert!(!told.contains("not among the"), "{told}");
    assert!(
        told.contains(&format!("shows {} as rejected", all[0]))
            && told.contains("successor_known")
            && told.contains(&format!("goes on as {next}, which no list shows")),
        "{told}"
    );
    drill.judged_elsewhere();
}
