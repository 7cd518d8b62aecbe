//! Whole-process drills of what changes between the list and the PUT: what was read last counts (contract section 9, points 7 and 10).

use serde_json::Value;

use crate::drill::Setup;
use crate::drill_front::{behind, is_one};

/// The reading right before the claim shows another failure than the decision rests on: one that a retry makes worse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_fails_otherwise_by_now_is_not_retried_for_its_old_failure() {
    let world = r#"
name = "moment-moved"
seed = 34
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .config("[delivery]\nreread_after = \"1s\"\n[governor.default]\nper_minute = 1")
        .start()
        .await;
    behind(&drill, |seen, text| {
        if seen.method != "GET" || !is_one(&seen.path, "provtasks") {
            return None;
        }
        let mut value: Value = serde_json::from_str(text).ok()?;
        for field in value["fields"].as_array_mut()? {
            if field["name"] == "SCH_REASON" {
                field["value"] = "ORA-28000: the account is locked".into();
            }
        }
        Some(("200 OK", value.to_string()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("6h").await;
    // what a single reading has shown, until the next list
    let mut read = std::collections::HashSet::new();
    let (mut readings, mut sent) = (0, Vec::new());
    for row in drill.journal() {
        let path = row["path"].as_str().unwrap_or_default();
        if row["class"] == "put" {
            let items = row["body"]["tasks"].as_array().cloned().unwrap_or_default();
            let ids = items.iter().filter_map(|item| item["id"].as_str());
            sent.extend(ids.filter(|id| read.contains(*id)).map(str::to_owned));
        } else if is_one(path, "provtasks") {
            readings += 1;
            read.extend(path.rsplit('/').next().map(str::to_owned));
        } else if path.ends_with("/provtasks") {
            read.clear();
        }
    }
    let log = drill.log();
    drill.judged_elsewhere();
    assert!(readings > 0, "it was read once more");
    assert!(
        log.contains("its failure is of class credential now"),
        "{log}"
    );
    assert_eq!(
        sent,
        Vec::<String>::new(),
        "sent for a failure that was over"
    );
}

/// The list shows a row twice, and the later time it runs: what was read last counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_later_page_shows_as_running_is_not_retried() {
    let world = r#"
name = "moment-twice"
seed = 37
[[target]]
name = "AD"
state = "down"
same_id = true
[[population]]
target = "AD"
accounts = 5
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .server("page_size = 3")
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let shown: std::sync::Arc<std::sync::Mutex<Option<String>>> = std::sync::Arc::default();
    let seen_as_running = std::sync::Arc::clone(&shown);
    behind(&drill, move |seen, text| {
        let list = seen.method == "GET" && seen.path.contains("/provtasks?");
        if !list || !seen.path.contains("offset=3&") {
            return None;
        }
        let mut value: Value = serde_json::from_str(text).ok()?;
        let row = value["tasks"].as_array_mut()?.first_mut()?;
        for field in row["fields"].as_array_mut()? {
            if field["name"] == "Process Instance.Task Details.Key" {
                let mut known = seen_as_running.lock().expect("a lock");
                if known.is_none() {
                    *known = Some(field["value"].to_string());
                }
                if *known != Some(field["value"].to_string()) {
                    return None;
                }
            }
        }
        for field in row["fields"].as_array_mut()? {
            if field["name"] == "Process Instance.Task Details.Status" {
                field["value"] = "P".into();
            }
            if field["name"] == "Status.Category" {
                field["value"] = "Pending".into();
            }
        }
        Some(("200 OK", value.to_string()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("2h").await;
    let running = shown
        .lock()
        .expect("a lock")
        .clone()
        .expect("a second page");
    let journal = drill.journal();
    let sent: Vec<String> = journal
        .iter()
        .filter(|row| row["class"] == "put")
        .flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default())
        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
        .collect();
    drill.judged_elsewhere();
    assert!(sent.len() >= 4, "the others are tried: {sent:?}");
    assert!(
        !sent.contains(&running),
        "task {running} was retried although the same list shows it as running"
    );
}

/// Somebody retries a task in OIG once its list was read; its account, which is read then, shows that it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_is_retried_right_after_the_list_is_not_sent_beside_that() {
    use std::io::{Read as _, Write as _};
    let world = r#"
name = "moment-between"
seed = 39
[[target]]
name = "AD"
same_id = true
retries_anything = true
run = "later"
later = "20m"
[[population]]
target = "AD"
accounts = 5
task = [{ task = "Telephone Updated", failure = "network" }]
"#;
    let mut drill = Setup::of(world)
        .config("[governor.default]\nbatch_start = 25")
        .start()
        .await;
    let origin = drill.sim.origin();
    // the list behind which all are sent
    let armed = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let done: std::sync::Arc<std::sync::Mutex<Option<String>>> = std::sync::Arc::default();
    let (arm, note) = (std::sync::Arc::clone(&armed), std::sync::Arc::clone(&done));
    behind(&drill, move |seen, text| {
        let first = seen.method == "GET"
            && seen.path.contains("/provtasks?")
            && seen.path.contains("offset=1&");
        let order = std::sync::atomic::Ordering::SeqCst;
        let left = arm.load(order);
        if !first || left == 0 {
            return None;
        }
        arm.store(left - 1, order);
        if left > 1 {
            return None;
        }
        let value: Value = serde_json::from_str(text).expect("a page");
        let row = value["tasks"].as_array().expect("rows").last().expect("a row");
        let fields = row["fields"].as_array().expect("fields");
        let key = fields
            .iter()
            .find(|field| field["name"] == "Process Instance.Task Details.Key")
            .expect("a key")["value"]
            .to_string();
        let body = serde_json::json!({ "task": key, "do": "retry" }).to_string();
        let at = origin.trim_start_matches("http://");
        let request = format!(
            "POST /sim/act HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // the simulator runs on the same threads
        let answer = tokio::task::block_in_place(|| {
            let mut stream = std::net::TcpStream::connect(at).expect("the simulator");
            stream.write_all(request.as_bytes()).expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        *note.lock().expect("a lock") = Some(key);
        None
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("3m").await;
    armed.store(1, std::sync::atomic::Ordering::SeqCst);
    drill.run_for("3h").await;
    let key = done.lock().expect("a lock").clone();
    let twice = (drill.count("runs_twice"), drill.count("effected_twice"));
    let journal = drill.journal();
    let sent = journal
        .iter()
        .filter(|row| row["class"] == "put")
        .flat_map(|row| row["body"]["tasks"].as_array().cloned().unwrap_or_default())
        .filter(|item| item["id"].as_str() == key.as_deref())
        .count();
    drill.judged_elsewhere();
    assert!(key.is_some(), "it was retried after the list");
    assert_eq!(
        (sent, twice),
        (0, (0, 0)),
        "task {key:?} was sent beside the other's retry"
    );
}
