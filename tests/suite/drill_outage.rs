//! Drills of a server that answers no write, whole processes: no task is blamed for it, little is sent, and one item of the inbox says what to look at.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};

/// Many tasks on two targets.
const MANY: &str = r#"
name = "outage"
seed = 67
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 20
prefix = "A"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 20
prefix = "S"
task = [{ task = "Cost Center Updated", failure = "network" }]
"#;

fn puts(drill: &Drill) -> usize {
    let rows = drill.journal();
    rows.iter().filter(|row| row["class"] == "put").count()
}

/// The inbox's item about the server; nothing else may wait for a person.
fn server_item(drill: &Drill) -> Value {
    let inbox = drill.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    assert_eq!(inbox[0]["id"], "server", "{inbox:#?}");
    inbox[0].clone()
}

async fn fails_for_two_days(fault: &str) -> Drill {
    let mut drill = Setup::of(MANY)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let fault = json!({"do": fault, "on": "put", "probability": 1.0});
    drill.act(json!({ "fault": fault })).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 0);
    drill
}

async fn all_heal(mut drill: Drill) {
    // a kill in the middle forgets nothing of it
    drill.kill_and_restart().await;
    // most of what was not answered is settled long ago, and need not be read anew
    drill.expect.lives.pop();
    drill.run_for("3h").await;
    server_item(&drill);
    drill.act(json!({"clear_faults": true})).await;
    drill.run_for("48h").await;
    assert_eq!(drill.count("healed"), 40);
    assert!(drill.inbox().is_empty(), "{:#?}", drill.inbox());
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_with_500_on_every_write_leaves_no_task_to_a_person() {
    let drill = fails_for_two_days("html500").await;
    let item = server_item(&drill);
    assert_eq!(item["why"], "server_back_off");
    // four an hour, and the first ones
    assert!(puts(&drill) < 220, "{} requests", puts(&drill));
    all_heal(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_there_is_named_with_what_to_check() {
    let drill = fails_for_two_days("not_found").await;
    let item = server_item(&drill);
    assert_eq!(item["why"], "write_path_missing");
    let text = item["text"].as_str().expect("words");
    assert!(text.contains("server.api_path"), "{text}");
    assert!(puts(&drill) < 80, "{} requests", puts(&drill));
    let status = drill.json(&["status", "--json"]);
    let refusals = status["refusals"].to_string();
    assert!(refusals.contains("write_path_missing"), "{refusals}");
    all_heal(drill).await;
}

/// One task, whose only request is answered 404: it is read at once, and then somebody else completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_404_has_named_is_read_at_once_and_told_by_what_it_is_then() {
    const ONE: &str = r#"
name = "one"
seed = 68
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 1
task = [{ task = "Telephone Updated", failure = "network" }]
[[fault]]
do = "not_found"
on = "put"
at = [1]
"#;
    let mut drill = Setup::of(ONE).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("3h", "the task was sent", |drill| puts(drill) == 1)
        .await;
    let looked = |drill: &Drill| {
        let rows = drill.journal();
        let put = rows.iter().position(|row| row["class"] == "put");
        let after = rows.iter().skip(put.unwrap_or(rows.len()));
        let reads: Vec<&Value> = after.filter(|row| row["class"] == "read").collect();
        reads.first().is_some_and(|read| {
            let put = &rows[put.unwrap_or(0)];
            read["at"].as_str().map(|at| at[..16].to_owned())
                == put["at"].as_str().map(|at| at[..16].to_owned())
        })
    };
    drill.until("it was read in the same minute", looked).await;
    let id = drill.truth()["tasks"][0]["id"].to_string();
    let id = id.trim_matches('"').to_owned();
    drill.act(json!({"task": id, "do": "complete"})).await;
    drill.run_for("3h").await;
    let outcomes = drill.json(&["outcomes", "list", "--json"]);
    assert_eq!(outcomes[0]["state"], "superseded", "{outcomes:#}");
    let reason = outcomes[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("HTTP 404"), "{reason}");
    assert_eq!(puts(&drill), 1);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_no_pause_gets_one_all_the_same() {
    for after in ["0", "Mon, 01 Mar 2021 08:00:00 GMT"] {
        // one write at a time: what is on its way already when the answer comes waits for nothing
        let mut drill = Setup::of(MANY)
            .config("[governor]\nwrites_in_flight = 1")
            .start()
            .await;
        // the first request alone; the other target has work that could go at once
        let fault = json!({"do": "too_many", "on": "put", "at": [1], "value": after});
        drill.act(json!({ "fault": fault })).await;
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("1h").await;
        let times: Vec<jiff::Timestamp> = drill
            .journal()
            .iter()
            .filter(|row| row["class"] == "put")
            .filter_map(|row| row["at"].as_str()?.parse().ok())
            .collect();
        let [first, second, ..] = times[..] else {
            panic!("nothing more was sent: {times:?}");
        };
        let pause = second.duration_since(first);
        assert!(
            pause >= jiff::SignedDuration::from_secs(60),
            "{after}: {pause:#}"
        );
        drill.run_for("48h").await;
        drill.judge().await;
    }
}
