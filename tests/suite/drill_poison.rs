//! Drills of the one task that breaks every request that names it: it goes alone, is left to a person after a few sends, and never keeps the rest from healing.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

const WORLD: &str = r#"
name = "poison"
seed = 61
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// The tasks of each PUT, in order.
fn puts(drill: &Drill) -> Vec<Vec<String>> {
    let text = |id: &Value| id.to_string().trim_matches('"').to_owned();
    let rows = drill.journal();
    let rows = rows.iter().filter(|row| row["class"] == "put");
    rows.map(|row| {
        let items = row["body"]["tasks"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| text(&item["id"])).collect()
    })
    .collect()
}

/// A task meets the fault whenever it is named; the rest heals, and a person is told what came of it.
async fn one_breaks_every_request(fault: &str, status: &str, sends: usize) {
    let mut drill = Setup::of(WORLD)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let broken = drill.truth()["tasks"][3]["id"].to_string();
    let broken = broken.trim_matches('"').to_owned();
    let fault = json!({"do": fault, "on": "put", "task": broken, "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 7, "the rest goes on");
    let named: Vec<Vec<String>> = puts(&drill)
        .into_iter()
        .filter(|tasks| tasks.contains(&broken))
        .collect();
    assert_eq!(named.len(), sends, "{named:?}");
    assert!(named[0].len() > 1, "it goes with others at first");
    assert!(
        named[1..].iter().all(|tasks| tasks.len() == 1),
        "then by itself: {named:?}"
    );
    let inbox = drill.inbox();
    let parked: Vec<&Value> = inbox
        .iter()
        .filter(|item| item["why"] == "sent_in_vain")
        .collect();
    assert_eq!(parked.len(), 1, "{inbox:#?}");
    let story = drill.done(&["outcomes", "show", &broken]);
    assert!(story.contains(&format!("HTTP {status}")), "{story}");
    // over a restart it stays with the person, who has a look at it, and whose word lets it go on
    let attempts = drill.json(&["outcomes", "list", "--json"]);
    let attempts = attempts.as_array().expect("a list");
    assert!(
        attempts.iter().all(|attempt| !attempt["settled"].is_null()),
        "{attempts:#?}"
    );
    drill.kill_and_restart().await;
    // so there is nothing that this start would have to read before it sends
    drill.expect.lives.pop();
    drill.run_for("24h").await;
    let explained = drill.done(&["explain", &broken]);
    assert!(explained.contains(&format!("HTTP {status}")), "{explained}");
    let again = puts(&drill)
        .into_iter()
        .filter(|tasks| tasks.contains(&broken));
    assert_eq!(again.count(), sends, "a restart begins nothing anew");
    drill.act(json!({"clear_faults": true})).await;
    drill.done(&[
        "outcomes",
        "reset",
        &broken,
        "--why",
        "the proxy rule is mended",
    ]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 8);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_breaks_every_request_goes_alone_and_to_a_person_after_three() {
    one_breaks_every_request("html500", "500", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_forbidden_is_sent_once_more_by_itself_and_then_left_to_a_person() {
    one_breaks_every_request("forbidden", "403", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_not_found_by_any_request_goes_alone_and_to_a_person_after_three() {
    one_breaks_every_request("not_found", "404", 3).await;
}

/// A server that is down for everybody says nothing about single tasks: all of them heal by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_server_sends_no_task_to_a_person() {
    let mut drill = Setup::of(WORLD)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let fault = json!({"do": "html503", "on": "put", "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 0);
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 8);
    drill.judge().await;
}

/// A server in front of others that ends the request of one task in a way that might be the server's own: the
/// rest is answered, day by day, and so a person is told after three requests that held it alone.
async fn one_never_comes_through(fault: &str, said: &str) {
    let mut drill = Setup::of(WORLD)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let ids: Vec<String> = (0..8)
        .map(|n| drill.truth()["tasks"][n]["id"].to_string())
        .map(|id| id.trim_matches('"').to_owned())
        .collect();
    let fault = json!({"do": fault, "on": "put", "task": ids[3], "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    // the rest comes to the list bit by bit
    for id in &ids[4..] {
        drill.act(json!({"task": id, "do": "hide"})).await;
    }
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    for id in &ids[4..] {
        drill.run_for("12h").await;
        drill.act(json!({"task": id, "do": "show"})).await;
        // what was there at first waits for its release, and a list of which nothing changes is read seldom
        drill.run_for("40m").await;
        drill.freshly_read().await;
        drill.approve_backlog();
    }
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 7, "the rest goes on");
    let named = |drill: &Drill| {
        let puts = puts(drill).into_iter();
        puts.filter(|tasks| tasks.contains(&ids[3])).count()
    };
    let sends = named(&drill);
    assert!(sends <= 5, "no more often than the cap allows: {sends}");
    let inbox = drill.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    // three that held it alone with others answered in between, or the cap of those that may have run: here
    // the others come only twice a day, so that the cap is first
    let why = inbox[0]["why"].as_str();
    let with_person = ["sent_in_vain", "attempts_used_up"];
    assert!(
        why.is_some_and(|why| with_person.contains(&why)),
        "{inbox:#?}"
    );
    let story = drill.done(&["outcomes", "show", &ids[3]]);
    assert!(story.contains(said), "{story}");
    drill.run_for("48h").await;
    assert_eq!(named(&drill), sends, "it stays with the person");
    drill.judge_leaving(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_requests_alone_end_with_503_goes_to_a_person() {
    one_never_comes_through("html503", "HTTP 503").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_requests_alone_are_cut_off_goes_to_a_person() {
    one_never_comes_through("reset_before", "attempt").await;
}

/// Where nobody else is there to be answered, the cap of attempts that may have run holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_alone_on_its_server_whose_requests_are_cut_off_is_bounded_by_the_cap() {
    let world = WORLD.replace("accounts = 8", "accounts = 1");
    let mut drill = Setup::of(&world).start().await;
    let fault = json!({"do": "reset_before", "on": "put", "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("96h").await;
    assert_eq!(puts(&drill).len(), 5);
    let inbox = drill.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    assert_eq!(inbox[0]["why"], "attempts_used_up", "{inbox:#?}");
    drill.judge_leaving(1).await;
}
