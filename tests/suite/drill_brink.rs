//! Drills of what ends while something waits in the queue: an absence, the presence of a stand-in, a person's last day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_roster::POLICY;

/// Two items a minute, so that the queue lasts for some minutes.
const SLOW: &str = "[governor]\ncap_share_percent = 100\n[governor.default]\nper_minute = 2";

const PEOPLE: u32 = 12;

/// Staggered moments while the queue empties: the world begins at seven.
fn moment(n: u32) -> String {
    let seconds = 90 + n * 25;
    format!("2027-03-01T07:{:02}:{:02}Z", seconds / 60, seconds % 60)
}

fn users(prefix: &str) -> String {
    (0..PEOPLE)
        .map(|n| format!("[[user]]\nlogin = \"{prefix}{n}\"\n"))
        .collect()
}

fn desk(owners: &[String]) -> String {
    let owners: Vec<String> = owners.iter().map(|of| format!("\"user:{of}\"")).collect();
    format!(
        "[[target]]\nname = \"DESK\"\nconnector = \"ticket\"\n[[population]]\ntarget = \"DESK\"\naccounts = {}\nprefix = \"EMP\"\nowner = [{}]\ntask = [{{ task = \"Manual Grant\" }}]\n",
        PEOPLE * 2,
        owners.join(", ")
    )
}

fn time(row: &Value) -> Timestamp {
    let text = row["at"].as_str().expect("a time");
    text.parse().expect("a timestamp")
}

/// What was handed on: when, from whom and to whom, by login.
async fn handed(drill: &Drill) -> Vec<(Timestamp, String, String)> {
    let evidence = drill.evidence().await;
    let truth = drill.truth();
    let keys: BTreeMap<String, String> = truth["users"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|user| {
            let key = user["key"].to_string();
            Some((key, user["login"].as_str()?.to_owned()))
        })
        .collect();
    evidence
        .sent("reassign")
        .map(|(request, item)| {
            let id = item["id"].as_str().expect("an id").to_owned();
            let fields = item["fields"].as_array().expect("fields");
            let to = fields
                .iter()
                .find(|field| field["name"] == "assignee")
                .and_then(|field| field["value"].as_str())
                .expect("an assignee")
                .to_owned();
            let to = keys.get(&to).cloned().unwrap_or(to);
            (time(request), id, to)
        })
        .collect()
}

/// Each owner comes back while his work is in the queue: from then on it stays with him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_from_an_owner_who_is_back_while_it_waits_in_the_queue() {
    let owners: Vec<String> = (0..PEOPLE).map(|n| format!("OWNER{n}")).collect();
    let world = format!(
        "name = \"back\"\nseed = 61\n[server]\nlist_scope = \"everybody\"\n{}[[user]]\nlogin = \"THERE\"\n{}",
        users("OWNER"),
        desk(&owners)
    );
    let rows: String = (0..PEOPLE)
        .map(|n| format!("OWNER{n},2027-02-20,{},THERE\n", moment(n)))
        .collect();
    let mut drill = Setup::of(&world)
        .file("leave.csv", format!("login,from,to,stand_in\n{rows}"))
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"\n[guard]\nassignee_load = 100")
        .config(SLOW)
        .start()
        .await;
    let before: BTreeMap<String, String> = drill.truth()["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| {
            let owner = task["owner"].as_str().expect("an owner").to_owned();
            (task["id"].to_string(), owner)
        })
        .collect();
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("30m").await;
    let handed = handed(&drill).await;
    drill.judged_elsewhere();
    assert!(!handed.is_empty(), "nothing was handed on at all");
    let back = |id: &str| -> Timestamp {
        let owner = before[id].trim_start_matches("user:OWNER");
        moment(owner.parse().expect("a number"))
            .parse()
            .expect("a time")
    };
    let wrong: Vec<_> = handed
        .iter()
        .filter(|(at, id, _)| *at >= back(id))
        .map(|(at, id, _)| format!("{id} of {} at {at}, back since {}", before[id], back(id)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        handed.len()
    );
}

/// Each stand-in goes on leave while work for him is in the queue: from then on he gets none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_handed_work_whose_own_absence_has_begun_while_it_waited_in_the_queue() {
    let owners: Vec<String> = (0..PEOPLE).map(|n| format!("OWNER{n}")).collect();
    let world = format!(
        "name = \"gone\"\nseed = 62\n[server]\nlist_scope = \"everybody\"\n{}{}{}",
        users("OWNER"),
        users("STANDIN"),
        desk(&owners)
    );
    let rows: String = (0..PEOPLE)
        .map(|n| {
            format!(
                "OWNER{n},2027-02-20,,STANDIN{n}\nSTANDIN{n},{},,\n",
                moment(n)
            )
        })
        .collect();
    let mut drill = Setup::of(&world)
        .file("leave.csv", format!("login,from,to,stand_in\n{rows}"))
        .config(POLICY)
        .config("[absence]\nfeed = \"leave.csv\"")
        .config(SLOW)
        .start()
        .await;
    let before: BTreeMap<String, String> = drill.truth()["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| {
            let owner = task["owner"].as_str().expect("an owner").to_owned();
            (task["id"].to_string(), owner)
        })
        .collect();
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("30m").await;
    let handed = handed(&drill).await;
    drill.judged_elsewhere();
    assert!(!handed.is_empty(), "nothing was handed on at all");
    // each owner's only stand-in bears his number
    let gone = |id: &str| -> Timestamp {
        let owner = before[id].trim_start_matches("user:OWNER");
        moment(owner.parse().expect("a number"))
            .parse()
            .expect("a time")
    };
    let wrong: Vec<_> = handed
        .iter()
        .filter(|(at, id, _)| *at >= gone(id))
        .map(|(at, id, to)| format!("{id} to {to} at {at}, away since {}", gone(id)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        handed.len()
    );
}

/// A person's last day ends while his grant is in the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_to_whom_whose_last_day_has_ended_while_it_waited_in_the_queue() {
    let mut world = "name = \"ends\"\nseed = 63\n[[target]]\nname = \"AD\"\n".to_owned();
    for n in 0..PEOPLE * 2 {
        let end = moment(n / 2);
        world.push_str(&format!(
            "[[user]]\nlogin = \"END{n}\"\nfields = {{ \"End Date\" = \"{end}\" }}\n[[task]]\ntarget = \"AD\"\nuser = \"END{n}\"\ntask = \"Add User to Group\"\nfailure = \"network\"\n"
        ));
    }
    let at_once = "fn decide(task, facts) { if task.status == \"rejected\" { retry().because(\"at once\") } }\n";
    let mut drill = Setup::of(&world)
        .file("policies/10-once.rhai", at_once)
        .file(
            "policies/kinds.toml",
            include_str!("../../policies/kinds.toml"),
        )
        .file(
            "policies/reasons.toml",
            include_str!("../../policies/reasons.toml"),
        )
        .config("[policy]\ndir = \"policies\"")
        .config(SLOW)
        .enforcing()
        .await;
    drill.run_for("30m").await;
    let evidence = drill.evidence().await;
    drill.judged_elsewhere();
    let ran: Vec<(String, Timestamp)> = evidence
        .effects()
        .map(|effect| {
            let whose = effect["beneficiary"].as_str().expect("a login").to_owned();
            (whose, time(effect))
        })
        .collect();
    assert!(!ran.is_empty(), "nothing was run at all");
    let over = |login: &str| -> Timestamp {
        let n: u32 = login.trim_start_matches("END").parse().expect("a number");
        moment(n / 2).parse().expect("a time")
    };
    let wrong: Vec<_> = ran
        .iter()
        .filter(|(login, at)| *at >= over(login))
        .map(|(login, at)| format!("{login} at {at}, over since {}", over(login)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        ran.len()
    );
}
