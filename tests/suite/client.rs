//! The client writes and reads single things over real HTTP against a scripted server: every way in which it may end, and nothing is sent twice.

use jiff::Timestamp;
use provtaskd::model::clock::Clock;
use provtaskd::model::decision::Action;
use provtaskd::model::id::{BatchId, Login, ProcessKey, RoleKey, TaskId, UserKey};
use provtaskd::oig::{Client, ItemWord, LoginState, PutEnd, UnsentCause, WriteItem, receipts};

use crate::client_stub::{Stub, http, json, page, setup};

pub const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(7));

pub fn retry(id: &str) -> WriteItem {
    WriteItem {
        task: TaskId::new(id),
        request: None,
        action: Action::Retry,
    }
}

pub fn unknown(end: Result<provtaskd::oig::PutAnswer, PutEnd>) -> Option<u16> {
    match end {
        Err(PutEnd::Unknown { status, .. }) => status,
        other => panic!("expected an unknown end, got {other:?}"),
    }
}

#[tokio::test]
async fn a_write_carries_its_headers_and_its_answer_is_matched_by_id() {
    let stub = Stub::start(|_, seen| match seen.path.as_str() {
        "/api/v1/provtasks" => json(r#"{"links":[],"tasks":[{"id":"1008","status":"FAIL","action":"retry","reason":"This task is not automated. If task is completed, set status to UC."},{"id":1006,"status":"success","action":"retry"},{"id":"5","status":"OK"}]}"#),
        _ => json(r#"{"links":[],"id":"1006","status":"SUCCESS"}"#),
    })
    .await;
    let client = setup(&stub.origin()).client();
    let sent = [retry("1006"), retry("1008"), retry("1010")];
    let answer = client.put_bulk(BATCH, &sent).await.expect("an answer");
    let ids: Vec<TaskId> = sent.iter().map(|i| i.task.clone()).collect();
    let words: Vec<String> = receipts(&ids, &answer)
        .iter()
        .map(|(id, status)| format!("{id} {}", status.event().as_str()))
        .collect();
    assert_eq!(
        words,
        [
            "1006 answered_success",
            "1008 answered_fail",
            "1010 not_answered"
        ]
    );
    assert_eq!(answer.notes.len(), 1, "one task that was never sent");
    let one = client
        .put_one(BATCH, &retry("1006"))
        .await
        .expect("an answer");
    assert_eq!(one.items[0].word, ItemWord::Good);
    let seen = stub.seen();
    assert_eq!(seen[1].path, "/api/v1/provtasks/1006");
    assert_eq!(seen[1].body, r#"{"action":"retry"}"#);
    for put in &seen {
        assert_eq!(put.method, "PUT");
        assert_eq!(put.headers["x-requested-by"], "provtaskd");
        assert_eq!(put.headers["x-request-id"], BATCH.to_string());
        assert_eq!(put.headers["content-type"], "application/json");
        assert_eq!(put.headers["accept"], "application/json");
    }
    assert_eq!(client.requests().writes, 2);
}

#[tokio::test]
async fn every_end_of_a_write_but_the_proven_ones_is_unknown_and_nothing_is_sent_twice() {
    let ends: Vec<(Vec<u8>, Option<u16>)> = vec![
        (Vec::new(), None),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"tasks\":[".to_vec(),
            Some(200),
        ),
        (json(""), Some(200)),
        (
            http("200 OK", "Content-Type: text/html\r\n", "<html>"),
            Some(200),
        ),
        (http("500 Oops", "", "x"), Some(500)),
        (http("503 Busy", "Retry-After: 5\r\n", ""), Some(503)),
        (http("403 Forbidden", "", ""), Some(403)),
        (http("404 Not Found", "", ""), Some(404)),
        (http("400 Bad Request", "", "invalid input"), Some(400)),
        (
            http("307 Moved", "Location: /api/v1/other\r\n", ""),
            Some(307),
        ),
        (http("302 Found", "Location: /login\r\n", ""), Some(302)),
    ];
    for (answer, status) in ends {
        let stub = Stub::start(move |_, _| answer.clone()).await;
        let client = setup(&stub.origin()).client();
        assert_eq!(unknown(client.put_bulk(BATCH, &[retry("1")]).await), status);
        assert_eq!(stub.seen().len(), 1, "{status:?}");
    }
}

#[tokio::test]
async fn only_what_provably_never_reached_oig_is_unsent() {
    let unsent = |end: Result<provtaskd::oig::PutAnswer, PutEnd>| match end {
        Err(PutEnd::Unsent { cause, .. }) => cause,
        other => panic!("expected unsent, got {other:?}"),
    };
    let guard = "header X-Requested-By is missing";
    let stub = Stub::start(move |_, _| http("400 Bad Request", "", guard)).await;
    let end = setup(&stub.origin())
        .client()
        .put_bulk(BATCH, &[retry("1")])
        .await;
    assert_eq!(unsent(end), UnsentCause::Header);
    let stub = Stub::start(|_, _| http("401 Unauthorized", "", "")).await;
    let client = setup(&stub.origin()).client();
    assert_eq!(
        unsent(client.put_one(BATCH, &retry("1")).await),
        UnsentCause::Login
    );
    assert_eq!(
        unsent(client.put_one(BATCH, &retry("1")).await),
        UnsentCause::Login
    );
    assert_eq!(stub.seen().len(), 1);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let client = setup(&origin).client();
    assert_eq!(
        unsent(client.put_bulk(BATCH, &[retry("1")]).await),
        UnsentCause::Connect
    );
    let error = client.list().await.expect_err("refused");
    assert!(error.to_string().contains("nothing listens"), "{error}");
    assert_eq!(unsent(client.put_bulk(BATCH, &[]).await), UnsentCause::Body);
}

#[tokio::test]
async fn single_reads_tell_absent_from_unreadable() {
    let stub = Stub::start(|_, seen| match seen.path.as_str() {
        "/api/v1/provtasks/5" => json(r#"{"id":"5","fields":[{"name":"Status.Category","value":"Rejected"}],"formFields":[]}"#),
        "/api/v1/provtasks/6" => json(r#"{"id":"7","fields":[{"name":"Status.Category","value":"Rejected"}]}"#),
        "/api/v1/provprocesses/22" => json(r#"{"id":"22","provisionProcessTaskTOList":[{"id":"28","fields":[{"name":"Status.Category","value":"Pending"}]}]}"#),
        p if p.starts_with("/api/v1/users/23?") => json(r#"{"links":[],"fields":[{"name":"usr_key","value":23},{"name":"User Login","value":"BKIDDO"},{"name":"Status","value":"Active"}]}"#),
        p if p.starts_with("/api/v1/users/23/proxies?") => json(r#"{"count":1,"hasMore":false,"user":[{"links":[{"rel":"self","href":"https://x/users/17"}],"id":"1","userLogin":"AARORA"}]}"#),
        p if p.starts_with("/api/v1/provtasks/28/responses?") => json(r#"{"count":1,"hasMore":false,"provTaskResponseList":[{"fields":[{"name":"Process Definition.Tasks.Responses.Response","value":"VALIDATION_FAILED"}]}]}"#),
        _ => http("404 Not Found", "", ""),
    })
    .await;
    let client = setup(&stub.origin()).client();
    let task = client
        .task(&TaskId::new("05"))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(task.id.as_str(), "5");
    assert!(
        client.task(&TaskId::new("6")).await.is_err(),
        "another task's row is no answer"
    );
    assert!(
        client
            .task(&TaskId::new("9"))
            .await
            .expect("read")
            .is_none()
    );
    let key = ProcessKey::new("22");
    let tasks = client.process(&key).await.expect("read").expect("there");
    assert_eq!(tasks[0].process, Some(key));
    let person = client
        .user(&UserKey::new("23"))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(person.login, Login::new("bkiddo"));
    assert!(
        client
            .user(&UserKey::new("99"))
            .await
            .expect("read")
            .is_none()
    );
    let proxies = client.proxies(&UserKey::new("23")).await.expect("read");
    assert_eq!(proxies[0].key, Some(UserKey::new("17")));
    let codes = client.responses(&TaskId::new("28")).await.expect("read");
    assert_eq!(codes, ["VALIDATION_FAILED"]);
}

/// Equal ids are equal in every form in which they come (contract section 9, point 1).
#[tokio::test]
async fn an_account_answers_under_any_form_of_its_id() {
    for id in [
        "\" 00020006 \"",
        "20006",
        "20006.0",
        "\"20006.0\"",
        "2.0006E4",
    ] {
        let body = format!(
            r#"{{"id":{id},"provisionProcessTaskTOList":[{{"id":600007.0,"fields":[{{"name":"Status.Category","value":"Rejected"}}]}}]}}"#
        );
        let stub = Stub::start(move |_, _| json(&body)).await;
        let client = setup(&stub.origin()).client();
        let tasks = client.process(&ProcessKey::new("20006")).await.expect(id);
        let tasks = tasks.expect("there");
        assert_eq!(tasks[0].id.as_str(), "600007", "{id}");
        let other = client.process(&ProcessKey::new("20007")).await;
        assert!(other.is_err(), "{id} is another account");
    }
}

/// A list of people that says nothing of its end is read on, as the list of tasks is.
#[tokio::test]
async fn members_are_read_to_the_last_page_whatever_the_flag_says() {
    for says in [
        serde_json::json!({}),
        serde_json::json!({"hasMore": false}),
        serde_json::json!({"hasMore": true}),
    ] {
        let flag = says.get("hasMore").cloned().unwrap_or_default();
        let stub = Stub::start(move |_, seen| {
            let first = seen.offset();
            let end = (first + 10).min(28);
            let users: Vec<serde_json::Value> = (first..end)
                .map(|id| serde_json::json!({"id": id.to_string(), "userLogin": format!("U{id}")}))
                .collect();
            let next = serde_json::json!([{"rel": "next", "href": format!("https://front/x?offset={end}")}]);
            let mut body = serde_json::json!({"count": users.len(), "users": users});
            if end < 28 {
                body["links"] = next;
                body["hasMore"] = flag.clone();
            }
            json(body.to_string())
        })
        .await;
        let client = setup(&stub.origin()).client();
        let members = client.role_members(&RoleKey::new("7")).await.expect("read");
        // the last page says nothing of what follows: one more is asked for
        assert_eq!((members.len(), stub.seen().len()), (27, 4), "{says:?}");
    }
    // more is counted than comes, and the same page comes for ever
    for (says, next) in [
        (serde_json::json!({"count": 3, "hasMore": false}), false),
        (serde_json::json!({"hasMore": false}), true),
    ] {
        let stub = Stub::start(move |_, seen| {
            let user = serde_json::json!({"id": "24", "userLogin": "BKIDDO"});
            let users = if next || seen.offset() == 1 {
                vec![user]
            } else {
                Vec::new()
            };
            let mut body = serde_json::json!({"count": users.len(), "users": users});
            if next {
                body["links"] = serde_json::json!([{"rel": "next", "href": "/x?offset=2"}]);
            }
            for (key, value) in says.as_object().expect("keys") {
                body[key] = value.clone();
            }
            json(body.to_string())
        })
        .await;
        let read = setup(&stub.origin())
            .client()
            .role_members(&RoleKey::new("7"))
            .await;
        let error = read.expect_err("not whole").to_string();
        assert!(error.contains("hasMore is false"), "{error}");
        assert_eq!(stub.seen().len(), 2, "{error}");
    }
    // an account whose answer points to more is no answer
    let more = r#"{"id":"22","hasMore":false,"links":[{"rel":"next","href":"/x?offset=2"}],"provisionProcessTaskTOList":[]}"#;
    let stub = Stub::start(move |_, _| json(more)).await;
    let read = setup(&stub.origin())
        .client()
        .process(&ProcessKey::new("22"))
        .await;
    assert!(read.is_err());
}

#[tokio::test]
async fn users_are_found_in_bulk_and_a_server_without_or_is_asked_one_by_one() {
    let people = |logins: &[&str]| {
        let rows: Vec<serde_json::Value> = logins
            .iter()
            .map(|l| serde_json::json!({"id": "1", "fields": [{"name": "User Login", "value": l}, {"name": "Status", "value": "Active"}]}))
            .collect();
        json(serde_json::json!({"count": rows.len(), "hasMore": false, "users": rows}).to_string())
    };
    let ask = [
        Login::new("amy"),
        Login::new("bob"),
        Login::new("cid"),
        Login::new("o'neil"),
    ];
    let joined = Stub::start(move |_, _| people(&["AMY", "BOB"])).await;
    let got = setup(&joined.origin())
        .client()
        .users_by_login(&ask)
        .await
        .expect("read");
    assert_eq!(
        (got.found.len(), got.missing.len(), got.unknown.len()),
        (2, 1, 1)
    );
    assert_eq!(joined.seen().len(), 1);
    assert!(
        joined.seen()[0]
            .path
            .contains("q=User%3A%3ALogin%20eq%20AMY%20or%20User%3A%3ALogin%20eq%20BOB")
    );
    let single = Stub::start(move |_, seen| {
        if seen.path.contains("%20or%20") {
            http("400 Bad Request", "", "")
        } else if seen.path.contains("eq%20AMY") {
            people(&["AMY"])
        } else if seen.path.contains("eq%20BOB") {
            people(&["EVE"])
        } else {
            people(&[])
        }
    })
    .await;
    let got = setup(&single.origin())
        .client()
        .users_by_login(&ask)
        .await
        .expect("read");
    assert_eq!(got.found.keys().collect::<Vec<_>>(), [&Login::new("amy")]);
    assert!(got.missing.contains(&Login::new("cid")));
    assert!(
        got.unknown.contains_key(&Login::new("bob")),
        "an answer about others proves nothing"
    );
}

#[tokio::test]
async fn a_read_over_the_budget_sleeps_in_domain_time_until_there_is_one() {
    let stub = Stub::start(|_, _| page(1..2, false, None)).await;
    let mut setup = setup(&stub.origin());
    setup.settings.reads_per_minute = 2;
    let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
    let client = Client::new(&setup.settings, clock.clone(), LoginState::Ok).expect("a client");
    for _ in 0..2 {
        client.list().await.expect("within the budget");
    }
    let third = tokio::spawn(async move { client.list().await });
    while clock.sleepers().0 == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stub.seen().len(), 2, "nothing was sent beyond the budget");
    let until = clock.sleepers().1.expect("a time to wake");
    assert!(until > Timestamp::UNIX_EPOCH);
    clock.step_to(until);
    third
        .await
        .expect("no panic")
        .expect("a new minute's request");
    assert_eq!(stub.seen().len(), 3);
}

#[test]
fn plain_http_is_for_loopback_unless_accepted_and_origins_are_bare() {
    for (origin, fine) in [
        ("http://127.0.0.1:14000", true),
        ("http://[::1]:14000", true),
        ("http://localhost:14000", true),
        ("http://oig.example.com:14000", false),
        ("http://127.0.0.1.example.com", false),
        ("http://127.0.0.1/iam", false),
        ("ftp://127.0.0.1", false),
        ("oig.example.com", false),
    ] {
        let made = setup(origin).try_client(LoginState::Ok);
        assert_eq!(made.is_ok(), fine, "{origin}");
    }
    let mut accepted = setup("http://oig.example.com:14000");
    accepted.settings.allow_plain_http = true;
    assert!(accepted.try_client(LoginState::Ok).is_ok());
    let secret = setup("http://bot:pa55@127.0.0.1").try_client(LoginState::Ok);
    assert!(!secret.expect_err("refused").to_string().contains("pa55"));
}
