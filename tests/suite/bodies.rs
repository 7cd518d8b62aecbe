//! The documented bodies of writes and tokens, once, through both sides: the client sends them and understands their answers, the simulator takes them and gives the same; neither side's code may make them.

use std::sync::Arc;

use provtaskd::model::clock::Clock;
use provtaskd::model::id::{BatchId, Login, TaskId, UserKey};
use provtaskd::model::settings::AuthKind;
use provtaskd::model::{Action, Principal};
use provtaskd::oig::{Client, LoginState, WriteItem, receipts};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client_stub::{Stub, http, setup, write_password};
use crate::sim_support::{BASE, Sim, WORLD, json_of};

const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(11));

/// One documented exchange.
struct Exchange {
    name: &'static str,
    /// What the client is asked to do; one item without `bulk` goes to the task's own path.
    items: Vec<WriteItem>,
    bulk: bool,
    path: &'static str,
    request: Value,
    answer: Value,
    /// How the client has to understand each item.
    events: Vec<&'static str>,
}

fn item(id: &str, action: Action) -> WriteItem {
    WriteItem {
        task: TaskId::new(id),
        request: None,
        action,
    }
}

fn to_user(key: &str) -> Action {
    Action::Reassign {
        to: Principal::User {
            key: Some(UserKey::new(key)),
            login: Login::new("BKIDDO"),
        },
    }
}

fn self_link(path: &str) -> Value {
    json!([{"rel": "self", "href": format!("https://pseudo.example{BASE}{path}")}])
}

fn with_request(id: &str, request: &str) -> WriteItem {
    WriteItem {
        request: Some(Arc::from(request)),
        ..item(id, to_user("23"))
    }
}

fn single(name: &'static str, path: &'static str, action: Action, request: Value) -> Exchange {
    let id = path.rsplit('/').next().expect("an id");
    Exchange {
        name,
        items: vec![item(id, action)],
        bulk: false,
        path,
        request,
        answer: json!({"links": self_link(path), "id": id, "status": "SUCCESS"}),
        events: vec!["answered_success"],
    }
}

fn exchanges() -> Vec<Exchange> {
    let owner = json!([{"name": "assignee", "value": "23"}, {"name": "type", "value": "user"}]);
    let refused = "This task is not automated. If task is completed, set status to UC.";
    vec![
        single(
            "a note",
            "/provtasks/1002",
            Action::SetNote {
                text: Arc::from("looked at on Monday"),
            },
            json!({"action": "setNote", "fields": [
                {"name": "Process Instance.Task Details.Note", "value": "looked at on Monday"}]}),
        ),
        single(
            "a response",
            "/provtasks/31",
            Action::SetResponse {
                code: Arc::from("VALIDATION_FAILED"),
            },
            json!({"action": "setResponse", "fields": [
                {"name": "Process Definition.Tasks.Responses.Response", "value": "VALIDATION_FAILED"}]}),
        ),
        single(
            "one retry",
            "/provtasks/1002",
            Action::Retry,
            json!({"action": "retry"}),
        ),
        Exchange {
            name: "retries",
            items: vec![item("1006", Action::Retry), item("1008", Action::Retry)],
            bulk: true,
            path: "/provtasks",
            request: json!({"tasks": [
                {"id": "1006", "action": "retry", "taskId": "1006"},
                {"id": "1008", "action": "retry", "taskId": "1008"}]}),
            answer: json!({"links": self_link("/provtasks"), "tasks": [
                {"links": self_link("/provtasks/1006"), "id": "1006", "status": "SUCCESS", "action": "retry"},
                {"links": self_link("/provtasks/1008"), "id": "1008", "status": "SUCCESS", "action": "retry"}]}),
            events: vec!["answered_success", "answered_success"],
        },
        Exchange {
            name: "a retry of what is not automated",
            items: vec![item("30", Action::Retry)],
            bulk: true,
            path: "/provtasks",
            request: json!({"tasks": [{"id": "30", "action": "retry", "taskId": "30"}]}),
            answer: json!({"links": self_link("/provtasks"), "tasks": [
                {"links": self_link("/provtasks/30"), "id": "30", "status": "FAIL", "action": "retry", "reason": refused}]}),
            events: vec!["answered_fail"],
        },
        Exchange {
            name: "new owners",
            items: vec![with_request("30", "10001"), with_request("31", "10002")],
            bulk: true,
            path: "/provtasks",
            request: json!({"tasks": [
                {"id": "30", "requestId": "10001", "action": "reassign", "fields": owner},
                {"id": "31", "requestId": "10002", "action": "reassign", "fields": owner}]}),
            answer: json!({"links": self_link("/provtasks"), "tasks": [
                {"links": self_link("/provtasks/30"), "id": "30", "status": "SUCCESS", "requestId": "10001", "action": "reassign"},
                {"links": self_link("/provtasks/31"), "id": "31", "status": "SUCCESS", "requestId": "10002", "action": "reassign"}]}),
            events: vec!["answered_success", "answered_success"],
        },
    ]
}

async fn send(client: &Client, exchange: &Exchange) -> Vec<&'static str> {
    let answer = if exchange.bulk {
        client.put_bulk(BATCH, &exchange.items).await
    } else {
        client.put_one(BATCH, &exchange.items[0]).await
    };
    let answer = answer.unwrap_or_else(|end| panic!("{}: {end:?}", exchange.name));
    let ids: Vec<TaskId> = exchange
        .items
        .iter()
        .map(|item| item.task.clone())
        .collect();
    receipts(&ids, &answer)
        .iter()
        .map(|(_, word)| word.event().as_str())
        .collect()
}

#[tokio::test]
async fn the_client_sends_the_documented_bodies_and_understands_their_answers() {
    for exchange in exchanges() {
        // items in the other order than asked: a bulk answer may be so
        let mut answer = exchange.answer.clone();
        if let Some(tasks) = answer.get_mut("tasks").and_then(Value::as_array_mut) {
            tasks.reverse();
        }
        let text = answer.to_string();
        let stub =
            Stub::start(move |_, _| http("200 OK", "Content-Type: application/json\r\n", &text))
                .await;
        let mut setup = setup(&stub.origin());
        setup.settings.api_path = BASE.to_owned();
        let events = send(&setup.client(), &exchange).await;
        assert_eq!(events, exchange.events, "{}", exchange.name);
        let seen = stub.seen();
        let [put] = &seen[..] else {
            panic!("{}: {} requests", exchange.name, seen.len());
        };
        assert_eq!(put.method, "PUT");
        assert_eq!(put.path, format!("{BASE}{}", exchange.path));
        assert_eq!(put.headers["content-type"], "application/json");
        assert!(put.headers.contains_key("x-requested-by"));
        let body: Value = serde_json::from_str(&put.body).expect("JSON");
        assert_eq!(body, exchange.request, "{}", exchange.name);
    }
}

#[tokio::test]
async fn the_simulator_takes_the_same_bodies_and_answers_the_same() {
    let sim = Sim::start(WORLD).await;
    for exchange in exchanges() {
        let answer = sim.put(exchange.path, exchange.request.clone()).await;
        let expected = sim.documented(&exchange.answer.to_string());
        assert_eq!(answer, expected, "{}", exchange.name);
    }
}

#[tokio::test]
async fn client_and_simulator_together_exchange_them_word_for_word() {
    for exchange in exchanges() {
        let sim = Sim::start(WORLD).await;
        let mut setup = setup(&sim.server.origin());
        setup.settings.api_path = BASE.to_owned();
        setup.settings.login = Login::new(&sim.login.0);
        setup.settings.login_as_written.clone_from(&sim.login.0);
        write_password(&setup.settings.password_file, &sim.login.1);
        let client = Client::new(&setup.settings, Clock::wall(), LoginState::Ok).expect("a client");
        let events = send(&client, &exchange).await;
        assert_eq!(events, exchange.events, "{}", exchange.name);
        let journal = sim.server.journal(0);
        let put = journal
            .iter()
            .find(|row| row["class"] == "put")
            .expect("a PUT");
        assert_eq!(put["body"], exchange.request, "{}", exchange.name);
        assert_eq!(
            put["request_id"],
            BATCH.to_string(),
            "the batch is in its journal"
        );
    }
}

#[tokio::test]
async fn a_token_comes_as_documented_and_is_used_as_documented() {
    let sim = Sim::start(WORLD).await;
    let tokens = "/iam/governance/token/api/v1/tokens";
    let answer = sim
        .send(Method::POST, tokens, None)
        .await
        .expect("an answer");
    assert!(answer.status().is_success());
    let mut body = json_of(answer).await;
    let token = body["accessToken"].take();
    assert_eq!(token.as_str().expect("text").split('.').count(), 3, "a JWT");
    // seconds are text
    assert_eq!(
        body,
        json!({"accessToken": null, "expiresIn": "1799", "tokenType": "Bearer"})
    );
    let mut setup = setup(&sim.server.origin());
    setup.settings.api_path = BASE.to_owned();
    setup.settings.token_path = tokens.to_owned();
    setup.settings.auth = AuthKind::Bearer;
    setup.settings.login = Login::new(&sim.login.0);
    setup.settings.login_as_written.clone_from(&sim.login.0);
    write_password(&setup.settings.password_file, &sim.login.1);
    let client = Client::new(&setup.settings, Clock::wall(), LoginState::Ok).expect("a client");
    assert!(client.list().await.expect("a list").complete);
    let journal = sim.server.journal(0);
    let kinds: Vec<(&Value, &Value)> = journal
        .iter()
        .filter(|row| row["type"] == "request")
        .skip(1)
        .map(|row| (&row["class"], &row["auth"]))
        .collect();
    assert_eq!(kinds[0], (&json!("token"), &json!("basic")));
    assert!(
        kinds[1..]
            .iter()
            .all(|kind| *kind == (&json!("list"), &json!("bearer"))),
        "{kinds:?}"
    );
}
