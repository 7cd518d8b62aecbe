//! Drills of what stands between: answers that a front end, a lagging node or a re-used login spoils make nothing of what is off or gone good.

use std::collections::BTreeMap;
use std::fs;

use provtaskd::model::facts::UserStatus;
use provtaskd::model::standing::{AccountState, OfAccount};
use provtaskd::model::{Login, ProcessKey, UserKey};
use serde_json::{Value, json};

use crate::client_stub::{Stub, http, json as body, setup};
use crate::drill::{Drill, Setup};

/// A login that was given out again: OIG shows the one who left, and the one who bears it now.
#[tokio::test]
async fn a_login_that_two_users_bear_is_not_active_because_one_of_them_is() {
    let stub = Stub::start(|_, _| {
        body(
            r#"{"count":3,"hasMore":false,"totalResult":-1,"users":[
            {"id":"7","fields":[{"name":"usr_key","value":7},{"name":"User Login","value":"JDOE"},{"name":"Status","value":"Deleted"}]},
            {"id":"8","fields":[{"name":"usr_key","value":8},{"name":"User Login","value":"OTHER"},{"name":"Status","value":"Active"}]},
            {"id":"9","fields":[{"name":"usr_key","value":9},{"name":"User Login","value":"JDOE"},{"name":"Status","value":"Active"}]}]}"#,
        )
    })
    .await;
    let client = setup(&stub.origin()).client();
    let asked = [Login::new("JDOE"), Login::new("OTHER")];
    let told = client.users_by_login(&asked).await.expect("an answer");
    let jdoe = told.found.get(&asked[0]).map(|person| &person.status);
    assert_ne!(jdoe, Some(&UserStatus::Active), "{told:?}");
}

const PLAIN: &str = r#"{"links":[],"fields":[{"name":"usr_key","value":7}],"accounts":[{"processInstanceKey":"22","status":"Provisioned"}]}"#;
const PERSON: &str = r#"{"links":[],"fields":[{"name":"usr_key","value":7},{"name":"End Date","value":"2020-01-01"}],"accounts":[{"processInstanceKey":"22","status":"Provisioned"}]}"#;

/// One 400, as of a front end that was being reloaded: the next persons have last days all the same.
#[tokio::test]
async fn one_refusal_does_not_take_the_end_dates_of_all_for_the_rest_of_the_run() {
    let stub = Stub::start(|n, seen| {
        if n == 0 {
            return http("400 Bad Request", "", "");
        }
        body(if seen.path.contains("End") {
            PERSON
        } else {
            PLAIN
        })
    })
    .await;
    let client = setup(&stub.origin()).client();
    let key = UserKey::new("7");
    let _ = client.standing(&key).await;
    let later = client.standing(&key).await.expect("readable");
    assert!(later.end.is_some(), "{:?}", stub.seen());
}

/// A server that has answered such a question knows it: what refuses it later is something before it, however often.
#[tokio::test]
async fn a_server_that_has_shown_an_end_date_is_not_believed_to_know_none() {
    let stub = Stub::start(|n, seen| match n {
        0 => body(PERSON),
        _ if seen.path.contains("End") => http("400 Bad Request", "", ""),
        _ => body(PLAIN),
    })
    .await;
    let client = setup(&stub.origin()).client();
    let key = UserKey::new("7");
    assert!(client.standing(&key).await.expect("readable").end.is_some());
    for _ in 0..5 {
        let told = client.standing(&key).await;
        assert!(told.is_err(), "{told:?}");
    }
}

/// The same account twice, on and off: it can't be told.
#[tokio::test]
async fn an_account_that_is_shown_twice_is_not_on_because_its_last_row_is() {
    let stub = Stub::start(|_, _| {
        body(
            r#"{"fields":[{"name":"usr_key","value":7}],"accounts":[
            {"processInstanceKey":"22","status":"Disabled"},
            {"processInstanceKey":"22","status":"Provisioned"}]}"#,
        )
    })
    .await;
    let client = setup(&stub.origin()).client();
    let told = client.standing(&UserKey::new("7")).await.expect("readable");
    let of = told.of(&ProcessKey::new("22"));
    let on = matches!(of, OfAccount::Status(status) if status.state() == AccountState::On);
    assert!(!on, "{told:?}");
}

/// A part of a person's accounts says nothing of the others.
#[tokio::test]
async fn an_account_is_not_missing_from_a_part_of_the_accounts() {
    let stub = Stub::start(|_, _| {
        body(
            r#"{"count":1,"hasMore":true,"totalResult":-1,"fields":[{"name":"usr_key","value":7}],"accounts":[
            {"processInstanceKey":"22","status":"Provisioned"}]}"#,
        )
    })
    .await;
    let client = setup(&stub.origin()).client();
    match client.standing(&UserKey::new("7")).await {
        Err(_) => {}
        Ok(told) => assert_ne!(told.of(&ProcessKey::new("23")), OfAccount::Missing),
    }
}

/// Disabled accounts whose disable is archived, and that show a later small change.
const OFF: &str = r#"
name = "off"
seed = 5
[server]
forget_after = "5d"
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 5
prefix = "ARCH"
age = "12d"
task = [{ task = "Add User to Group", failure = "network" }]
done = [{ task = "Disable User", age = "8d" }, { task = "Telephone Updated", age = "2d" }]
[[population]]
target = "AD"
accounts = 2
prefix = "GOOD"
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// What a server answers for a person's accounts in the place of what it should.
async fn off_with(answer: Option<(&'static str, &'static str)>) -> (u64, BTreeMap<String, u64>) {
    let mut drill = Setup::of(OFF).every("30m").start().await;
    let asked: std::sync::Mutex<BTreeMap<String, u32>> = std::sync::Mutex::default();
    behind(&drill, move |seen, _| {
        if !is_one(&seen.path, "users") || !seen.path.contains("accounts=all") {
            return None;
        }
        // the trouble is short: each person is answered well from the third time on
        let path = path_of(&seen.path).to_owned();
        let mut asked = asked.lock().expect("a lock");
        let times = asked.entry(path).or_default();
        *times += 1;
        answer.filter(|_| *times <= 2).map(|(status, text)| {
            let key = path_of(&seen.path).rsplit('/').next().unwrap_or_default();
            (status, text.replace("KEY", key))
        })
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let mut why = BTreeMap::new();
    for item in drill.inbox() {
        let word = item["why"].as_str().expect("why").to_owned();
        *why.entry(word).or_default() += item["count"].as_u64().expect("a count");
    }
    let stale = drill.count("stale_effects");
    drill.judged_elsewhere();
    (stale, why)
}

/// Puts a front end between a drill's daemon, which does not run yet, and its simulator.
pub async fn behind(
    drill: &Drill,
    change: impl Fn(&crate::client_stub::Seen, &str) -> Option<(&'static str, String)>
    + Send
    + Sync
    + 'static,
) {
    let origin = drill.sim.origin();
    let front = between(origin.clone(), change).await;
    let file = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&file).expect("its configuration");
    drill.write("provtaskd.toml", &config.replace(&origin, &front));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_their_status_is_shown() {
    let (stale, why) = off_with(None).await;
    assert_eq!(stale, 0, "{why:?}");
}

/// `GET /users/KEY?accounts=all` answers 404: that is no word that the account is on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_the_person_answers_404() {
    let gone = r#"{"errorCode":"IAM-3050026","message":"User does not exist."}"#;
    let (stale, why) = off_with(Some(("404 Not Found", gone))).await;
    assert_eq!(stale, 0, "{why:?}");
}

/// A front end that is being reloaded refuses what it passed on before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_the_person_answers_400() {
    let (stale, why) = off_with(Some(("400 Bad Request", r#"{"message":"bad"}"#))).await;
    assert_eq!(stale, 0, "{why:?}");
}

/// HTTP 200 with an error in it is no answer about accounts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_the_answer_is_an_error_with_200() {
    let error = r#"{"status":"FAIL","message":"Account data could not be fetched."}"#;
    let (stale, why) = off_with(Some(("200 OK", error))).await;
    assert_eq!(stale, 0, "{why:?}");
}

/// Where nobody has an account the list is left out, as JAXB does with empty ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_the_person_has_none_any_more() {
    let none = r#"{"links":[],"fields":[{"name":"usr_key","value":KEY}]}"#;
    let (stale, why) = off_with(Some(("200 OK", none))).await;
    assert_eq!(stale, 0, "{why:?}");
}

/// One account of a person shows no key; that says nothing good of another that is not shown at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_accounts_are_given_nothing_where_another_account_shows_no_key() {
    let nameless = r#"{"fields":[{"name":"usr_key","value":KEY}],"accounts":[{"accountId":"9","status":"Waiting"},{"processInstanceKey":"5","status":"Provisioned"}]}"#;
    let (stale, why) = off_with(Some(("200 OK", nameless))).await;
    assert_eq!(stale, 0, "{why:?}");
}

const OBSERVED: &str = r#"
name = "observed"
seed = 23
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 4
prefix = "LATE"
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

async fn all(drill: &Drill, what: &str) {
    let truth = drill.truth();
    let late: Vec<Value> = truth["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|task| {
            task["beneficiary"]
                .as_str()
                .is_some_and(|who| who.starts_with("LATE"))
        })
        .map(|task| task["id"].clone())
        .collect();
    assert_eq!(late.len(), 4);
    for id in late {
        let id = id.to_string().trim_matches('"').to_owned();
        drill.act(json!({ "task": id, "do": what })).await;
    }
}

async fn people(drill: &Drill, status: &str) {
    for n in 1..=4 {
        let user = format!("LATE{n:04}");
        drill.act(json!({ "user": user, "status": status })).await;
    }
}

/// What came while SAP was in `mode`, then enforced: how many of it went without a release.
async fn went(mode: &str, disabled: bool) -> u64 {
    let keys = format!("[mode.targets]\nsap = \"{mode}\"\n");
    let mut drill = Setup::of(OBSERVED).config(&keys).start().await;
    all(&drill, "hide").await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    if disabled {
        people(&drill, "Disabled").await;
    }
    all(&drill, "show").await;
    drill.run_for("26h").await;
    let before = drill.count("healed");
    assert_eq!(before, 2);
    let path = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("its configuration");
    let enforced = text.replace(&format!("sap = \"{mode}\""), "sap = \"enforce\"");
    assert_ne!(enforced, text);
    drill.write("provtaskd.toml", &enforced);
    drill.done(&["reload"]);
    drill.run_for("30m").await;
    if disabled {
        people(&drill, "Active").await;
    }
    drill.run_for("6h").await;
    let went = drill.count("healed") - before;
    drill.judged_elsewhere();
    went
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_a_target_was_off_waits_when_it_is_enforced() {
    assert_eq!(went("off", false).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guard_refused_while_a_target_was_observed_waits_when_it_is_enforced() {
    assert_eq!(went("observe", true).await, 0);
}

/// Stands between daemon and simulator as a front end does; `change` may answer in its place, or alter what came.
pub async fn between(
    origin: String,
    change: impl Fn(&crate::client_stub::Seen, &str) -> Option<(&'static str, String)>
    + Send
    + Sync
    + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let own = format!("http://{}", listener.local_addr().expect("an address"));
    let change = std::sync::Arc::new(change);
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (origin, change, client) = (
                origin.clone(),
                std::sync::Arc::clone(&change),
                client.clone(),
            );
            tokio::spawn(async move {
                let Some(seen) = crate::client_stub::read_request(&mut stream).await else {
                    return;
                };
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
                let headers: String = got
                    .headers()
                    .iter()
                    .filter(|(name, _)| {
                        !["content-length", "connection", "transfer-encoding"]
                            .contains(&name.as_str())
                    })
                    .map(|(name, value)| {
                        format!("{name}: {}\r\n", value.to_str().unwrap_or_default())
                    })
                    .collect();
                let text = got.text().await.unwrap_or_default();
                let (status, text) = match change(&seen, &text) {
                    Some((status, text)) => (status.to_owned(), text),
                    None => (status, text),
                };
                let bytes = http(&status, &headers, text);
                crate::client_stub::answer(&mut stream, &bytes).await;
            });
        }
    });
    own
}

fn path_of(path_query: &str) -> &str {
    path_query.split('?').next().unwrap_or_default()
}

/// The last segment of a path is a number, and the one before it is this.
pub fn is_one(path: &str, of: &str) -> bool {
    let mut parts = path_of(path).rsplit('/');
    let id = parts.next().unwrap_or_default();
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && parts.next() == Some(of)
}

const FORM: &str =
    r#""formFields":[{"name":"UD_ADUSER_UID","value":"x"},{"name":"User ID","value":"REHIRE"}]}"#;

/// People who came back; only events name their old disables.
const REHIRED: &str = r#"
name = "rehired"
seed = 8
[[login]]
login = "PROVSVC"
password = "sim-password-1"
roles = ["PROV OPERATORS"]
is_admin = true
[[target]]
name = "AD"
connector = "ldap"
[[population]]
target = "AD"
accounts = 3
prefix = "PLAIN"
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "AD"
accounts = 3
prefix = "REHIRE"
owner = ["user:OTHER"]
age = "50h"
task = [{ task = "Disable User", failure = "network" }]
done = [{ task = "Enable User", age = "24h" }]
"#;

async fn rehired(form: bool) -> (usize, Vec<Value>) {
    use crate::intake_support::{Event, SECRET, address, secrets, tasks_of};
    let world = format!("{REHIRED}[[user]]\nlogin = \"OTHER\"\n");
    let setup =
        Setup::of(&world).config("[intake]\nlisten = \"127.0.0.1:0\"\nsecret_file = \"secret\"\n");
    let mut drill = setup.start().await;
    behind(&drill, move |seen, text| {
        (form && is_one(&seen.path, "provtasks"))
            .then(|| ("200 OK", text.replace(r#""formFields":[]}"#, FORM)))
    })
    .await;
    secrets(&drill, &[SECRET]);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let at = address(&drill);
    let truth = drill.truth();
    let open: Vec<String> = tasks_of(&drill, "REHIRE")
        .into_iter()
        .filter(|id| {
            truth["tasks"]
                .as_array()
                .expect("tasks")
                .iter()
                .any(|task| task["id"].as_u64() == id.parse().ok() && task["status"] == "R")
        })
        .collect();
    assert_eq!(open.len(), 3);
    let (status, answer) = Event::new("m-1", &json!({ "tasks": open }).to_string()).send(&at);
    assert_eq!(status, 202, "{answer}");
    for _ in 0..20 {
        drill.run_for("1m").await;
        let waits = drill.inbox().iter().any(|item| item["id"] == "baseline:AD");
        if waits && crate::intake_support::standing(&drill)["followed"] == 3 {
            break;
        }
    }
    drill.approve_backlog();
    drill.run_for("6h").await;
    let truth = drill.truth();
    let off = truth["effects"]
        .as_array()
        .expect("effects")
        .iter()
        .filter(|of| {
            of["beneficiary"]
                .as_str()
                .is_some_and(|who| who.starts_with("REHIRE"))
        })
        .count();
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    (off, inbox)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehired_person_keeps_his_access_where_an_event_names_the_old_disable() {
    let (off, inbox) = rehired(false).await;
    assert_eq!(off, 0, "{inbox:#?}");
}

/// The same where the server shows the form of the account with a single task, as it is documented.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_of_an_account_makes_no_row_of_a_disable() {
    let (off, inbox) = rehired(true).await;
    assert_eq!(off, 0, "{inbox:#?}");
}

/// A balancer before two nodes, one of which shows lists and tasks as they were some ten minutes ago: less than `settle_after`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lags_behind_makes_nothing_run_twice() {
    lagging("").await;
    lagging("same_id = true").await;
    lagging("run = \"later\"\nlater = \"4m\"\nsuccessor_delay = \"2m\"").await;
}

async fn lagging(more: &str) {
    const LAG: u32 = 12;
    let world = r#"
name = "lagging"
seed = 12
[[target]]
name = "AD"
retries_anything = true
MORE
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "network", heals_after = 1 }]
"#;
    let setup = Setup::of(&world.replace("MORE", more)).every("2m");
    let mut drill = setup.start().await;
    type Past = std::collections::HashMap<String, Vec<(u32, String)>>;
    let past: std::sync::Mutex<Past> = std::sync::Mutex::default();
    let minute = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let clock = std::sync::Arc::clone(&minute);
    let late = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = std::sync::Arc::clone(&late);
    behind(&drill, move |seen, text| {
        let lags = seen.method == "GET"
            && (seen.path.contains("/provtasks") || seen.path.contains("/provprocesses"));
        if !lags {
            return None;
        }
        let now = clock.load(std::sync::atomic::Ordering::SeqCst);
        let mut past = past.lock().expect("a lock");
        let of = past.entry(seen.path.clone()).or_default();
        of.push((now, text.to_owned()));
        if !of.len().is_multiple_of(2) {
            return None;
        }
        // what is known of the time after which the other node knows nothing
        let (_, old) = of.iter().find(|(then, _)| then + LAG >= now)?;
        if old != text {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        Some(("200 OK", old.clone()))
    })
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    let mut healed = 0;
    for passed in 1..=480 {
        if passed % 10 == 0 {
            // half an hour more once all has healed
            healed = if drill.count("healed") == 8 {
                healed + 1
            } else {
                0
            };
        }
        if healed > 2 {
            break;
        }
        minute.store(2 * passed, std::sync::atomic::Ordering::SeqCst);
        drill.run_for("2m").await;
    }
    let told = (
        drill.count("runs_twice"),
        drill.count("effected_twice"),
        drill.count("healed"),
    );
    let inbox = drill.inbox();
    drill.judged_elsewhere();
    let late = late.load(std::sync::atomic::Ordering::SeqCst);
    assert!(late > 5, "{more}: {late} answers were old");
    assert_eq!((told.0, told.1), (0, 0), "{more} {told:?} {inbox:#?}");
    assert_eq!(told.2, 8, "{more} {inbox:#?}");
}

/// The event of a task comes before OIG has committed it, or another node answers: one 404 is no end of a hint that
/// was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_404_does_not_lose_a_hint_that_was_acknowledged() {
    use crate::intake_support::{Event, HIDDEN, address, standing, tasks_of};
    let setup = Setup::of(HIDDEN).config(crate::intake_support::INTAKE);
    let mut drill = setup.start().await;
    let asked = std::sync::atomic::AtomicBool::new(false);
    behind(&drill, move |seen, _| {
        let first = is_one(&seen.path, "provtasks")
            && !asked.swap(true, std::sync::atomic::Ordering::SeqCst);
        first.then(|| {
            (
                "404 Not Found",
                r#"{"message":"Task does not exist."}"#.to_owned(),
            )
        })
    })
    .await;
    crate::intake_support::secrets(&drill, &[crate::intake_support::SECRET]);
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    let (at, one) = (address(&drill), tasks_of(&drill, "ONE"));
    let (status, answer) = Event::new("m-1", &json!({ "tasks": [one[0]] }).to_string()).send(&at);
    assert_eq!(status, 202, "{answer}");
    for _ in 0..20 {
        drill.run_for("3m").await;
    }
    let after = standing(&drill);
    drill.judged_elsewhere();
    assert_eq!(after["followed"], 1, "{after:#}");
}
