//! Review of issue 4, "one world" and the first day: older stores, servers that were put back or are others, and what comes into sight later than the first enforce.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use provtaskd::sim::scenario::ClockMode;
use provtaskd::sim::{Scenario, SimOptions, SimServer};
use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => copy(&entry.path(), &to),
            kind if kind.is_file() => {
                fs::copy(entry.path(), &to).expect("copied");
            }
            _ => {}
        }
    }
    let mode = fs::metadata(from).expect("there").permissions();
    fs::set_permissions(to, mode).expect("set");
}

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

fn rejected(drill: &Drill, prefix: &str) -> Vec<String> {
    let truth = drill.truth();
    let tasks = truth["tasks"].as_array().expect("tasks");
    let of = tasks.iter().filter(|task| {
        task["status"] == "R"
            && task["beneficiary"]
                .as_str()
                .is_some_and(|who| who.starts_with(prefix))
    });
    of.map(|task| task["id"].to_string().trim_matches('"').to_owned())
        .collect()
}

/// A retry is carried out ten minutes after it was sent, and its answer is lost.
const SLOW: &str = r#"
name = "older-store"
seed = 61
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 4
task = [{ task = "Telephone Updated", failure = "network" }]
[[fault]]
do = "slow_apply"
on = "put"
probability = 1.0
delay = "10m"
"#;

/// The whole store directory of before a send is put back by hand (a snapshot of the disk), in the configuration as it
/// ships: the daemon starts in observe and says why, and nothing runs twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_directory_that_is_put_back_starts_in_observe() {
    let mut drill = Setup::of(SLOW).every("1m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("30s").await;
    drill.approve_backlog();
    drill.stop();
    let kept = drill.dir.path().join("kept");
    copy(&drill.store(), &kept);
    assert_eq!(puts(&drill), 0);
    drill.daemon();
    drill
        .run_until("10m", "something is sent", |drill| puts(drill) > 0)
        .await;
    drill.kill9().await;
    let before = puts(&drill);
    fs::remove_dir_all(drill.store()).expect("removed");
    copy(&kept, &drill.store());
    drill.daemon();
    drill.run_for("8m").await;
    let status = drill.json(&["status", "--json"]);
    let inbox = drill.inbox();
    let again = puts(&drill) - before;
    drill.run_for("24h").await;
    let twice = drill.count("effected_twice");
    let runs = drill.count("runs_twice");
    drill.judged_elsewhere();
    assert_eq!(
        (again, twice, runs, status["effective_mode"].clone()),
        (0, 0, 0, json!("observe")),
        "{inbox:#?}"
    );
}

fn restored(accounts: u32) -> String {
    format!(
        "name = \"restored-done\"\nseed = 47\n[[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = {accounts}\ntask = [{{ task = \"Telephone Updated\", failure = \"network\" }}]\n"
    )
}

/// OIG's data are put back to before our retries, which have healed everything on the target: the old ids are rejected
/// again. Answers what was sent afterwards, and whether anything says why.
async fn put_back(accounts: u32, restart: bool) -> (usize, bool, u64) {
    let mut drill = Setup::of(&restored(accounts)).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    assert_eq!(drill.count("healed"), u64::from(accounts));
    if restart {
        drill.stop();
    }
    drill.act(json!({"restore": true})).await;
    let before = puts(&drill);
    if restart {
        drill.daemon();
    }
    drill.run_for("24h").await;
    // the tasks are in the list and rejected: somebody has to be told, by whatever word
    let said = !drill.inbox().is_empty();
    let sent = puts(&drill) - before;
    let twice = drill.count("effected_twice");
    drill.judged_elsewhere();
    (sent, said, twice)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_of_many() {
    let (sent, said, twice) = put_back(8, false).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_beside_a_restart() {
    let (sent, said, twice) = put_back(8, true).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_we_have_done_is_not_done_again_after_a_restore_of_few() {
    let (sent, said, twice) = put_back(3, false).await;
    assert_eq!(
        (sent, twice, said),
        (0, 0, true),
        "(sent, done twice, said)"
    );
}

/// Revokes of people who are gone were retried in vain; OIG's data are put back to before that, and the target works
/// again. The old ids are in the list, rejected: they are retried, or somebody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revokes_that_were_tried_in_vain_are_not_forgotten_after_a_restore() {
    let world = r#"
name = "restored-revokes"
seed = 47
[[target]]
name = "AD"
state = "down"
[[population]]
target = "AD"
accounts = 6
prefix = "GONE"
status = "Disabled"
task = [{ task = "Remove User from Group", failure = "network" }]
"#;
    let mut drill = Setup::of(world).every("5m").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.act(json!({"backup": true})).await;
    drill.approve_backlog();
    drill.run_for("3h").await;
    assert!(puts(&drill) > 0);
    drill.act(json!({"restore": true})).await;
    drill.act(json!({"target": "AD", "state": "up"})).await;
    drill.run_for("72h").await;
    let open = drill.count("healable_open");
    let told: u64 = drill
        .inbox()
        .iter()
        .map(|item| item["count"].as_u64().unwrap_or(1))
        .sum();
    let status = drill.json(&["status", "--json"]);
    drill.judged_elsewhere();
    assert!(
        open == 0 || told >= open,
        "{open} revokes are open and in the list, {told} are told of: {:#}",
        status["refusals"]
    );
}

const LATER: &str = r#"
name = "later-role"
seed = 23
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "AD"
accounts = 9
prefix = "ROLE"
age = "5d"
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// The login is given one more role a day after enforce was switched on: what that role's tasks were before the first
/// enforce waits for a release like all that was there then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_shows_later_and_was_there_at_first_waits_for_a_release() {
    let mut drill = Setup::of(LATER).start().await;
    let theirs = rejected(&drill, "ROLE");
    assert_eq!(theirs.len(), 9);
    for id in &theirs {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 2);
    for id in &theirs {
        drill.act(json!({"task": id, "do": "show"})).await;
    }
    drill.run_for("12h").await;
    let without_release = drill.count("healed") - 2;
    let waits = drill.inbox().iter().any(|item| item["id"] == "baseline:AD");
    drill.judged_elsewhere();
    assert_eq!((without_release, waits), (0, true));
}

/// A front end that passes on to one of two servers; the first one's clock is the time of both.
async fn switch(one: String, two: String, switched: Arc<AtomicBool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let own = format!("http://{}", listener.local_addr().expect("an address"));
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (one, two, client, switched) = (
                one.clone(),
                two.clone(),
                client.clone(),
                Arc::clone(&switched),
            );
            tokio::spawn(async move {
                let Some(seen) = crate::client_stub::read_request(&mut stream).await else {
                    return;
                };
                let other = switched.load(Ordering::SeqCst) && !seen.path.starts_with("/sim");
                let origin = if other { two } else { one };
                let method = reqwest::Method::from_bytes(seen.method.as_bytes()).expect("a method");
                let mut ask = client.request(method, format!("{origin}{}", seen.path));
                for (name, value) in &seen.headers {
                    if !["host", "connection", "content-length", "accept-encoding"]
                        .contains(&name.as_str())
                    {
                        ask = ask.header(name, value);
                    }
                }
                let Ok(got) = ask.body(seen.body.clone()).send().await else {
                    return;
                };
                let status = got.status().to_string();
                let text = got.text().await.unwrap_or_default();
                let bytes =
                    crate::client_stub::http(&status, "content-type: application/json\r\n", text);
                crate::client_stub::answer(&mut stream, &bytes).await;
            });
        }
    });
    own
}

/// The name leads to another server (a clone that went its own way, another stage): none of the known tasks is there,
/// others are, older than the first enforce and with ids that were never given out here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_under_the_known_name_is_sent_nothing() {
    let mut drill =
        Setup::of(&restored(12).replace("name = \"AD\"", "name = \"AD\"\nstate = \"down\""))
            .every("5m")
            .start()
            .await;
    let mut text = "name = \"other\"\nseed = 5\n[[target]]\nname = \"AD\"\n".to_owned();
    for n in 0..12 {
        text += &format!(
            "[[user]]\nlogin = \"OTHER{n}\"\n[[task]]\nid = {}\ntarget = \"AD\"\nuser = \"OTHER{n}\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-48h\"\n",
            990_000 + n
        );
    }
    let mut scenario = Scenario::from_toml(&text).expect("right");
    scenario.clock.mode = ClockMode::Stepped;
    let other = SimServer::start(SimOptions::new(scenario))
        .await
        .expect("it starts");
    let switched = Arc::new(AtomicBool::new(false));
    let front = switch(drill.sim.origin(), other.origin(), Arc::clone(&switched)).await;
    let config = fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("read");
    drill.write(
        "provtaskd.toml",
        &config.replace(&drill.sim.origin(), &front),
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    switched.store(true, Ordering::SeqCst);
    drill.run_for("12h").await;
    let sent: Vec<Value> = other
        .journal(0)
        .into_iter()
        .filter(|row| row["class"] == "put")
        .collect();
    let said = drill.inbox().iter().any(|item| item["id"] == "world");
    drill.judged_elsewhere();
    assert_eq!((sent.len(), said), (0, true));
}
