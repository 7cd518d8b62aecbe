//! The OIG client over real HTTP against a scripted server: reading, writing, logging in, and every way in which it may end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use provtaskd::model::clock::Clock;
use provtaskd::model::decision::Action;
use provtaskd::model::id::{BatchId, Login, ProcessKey, TaskId, UserKey};
use provtaskd::model::settings::AuthKind;
use provtaskd::oig::{Client, ItemWord, LoginState, PutEnd, UnsentCause, WriteItem, receipts};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client_stub::{Stub, answer, http, json, page, read_request, setup, write_password};

const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(7));

fn retry(id: &str) -> WriteItem {
    WriteItem {
        task: TaskId::new(id),
        request: None,
        action: Action::Retry,
    }
}

fn unknown(end: Result<provtaskd::oig::PutAnswer, PutEnd>) -> Option<u16> {
    match end {
        Err(PutEnd::Unknown { status, .. }) => status,
        other => panic!("expected an unknown end, got {other:?}"),
    }
}

#[tokio::test]
async fn the_list_is_read_page_by_page_and_a_second_time_without_a_request_too_many() {
    let stub = Stub::start(|_, seen| {
        let first = seen.offset();
        let next = format!(
            "https://elsewhere:1/api/v1/provtasks?offset={}&limit=3",
            first + 3
        );
        // pages overlap by one row: 8 rows are 4 pages of 3
        page(
            100 + first..(103 + first).min(109),
            first < 6,
            (first < 6).then_some(next.as_str()),
        )
    })
    .await;
    let client = setup(&stub.origin()).client();
    let list = client.list().await.expect("a list");
    assert!(list.complete && list.stable);
    let ids: Vec<&str> = list.tasks.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        ["101", "102", "103", "104", "105", "106", "107", "108"]
    );
    let before = stub.seen().len();
    client.list().await.expect("a list");
    assert_eq!(stub.seen().len() - before, 4, "four pages, four requests");
    for seen in stub.seen() {
        assert_eq!(seen.headers["accept"], "application/json");
        assert!(seen.headers["authorization"].starts_with("Basic "));
    }
}

#[tokio::test]
async fn the_filter_goes_out_encoded_and_a_list_without_next_links_is_still_read() {
    let stub = Stub::start(|_, seen| match seen.offset() {
        1 => page(1..4, true, None),
        3 => page(3..5, false, None),
        _ => page(0..0, false, None),
    })
    .await;
    let mut setup = setup(&stub.origin());
    setup.settings.list_filter = Some("Status.Category eq Rejected".to_owned());
    let list = setup.client().list().await.expect("a list");
    assert_eq!(
        (list.tasks.len(), list.complete, list.stable),
        (4, true, true)
    );
    assert!(
        stub.seen()[0]
            .path
            .ends_with("&q=Status.Category%20eq%20Rejected")
    );
}

#[tokio::test]
async fn odd_endings_of_a_list_make_it_incomplete_or_shifted() {
    // More promised, nothing sent.
    let empty = Stub::start(|n, _| {
        if n == 0 {
            page(1..4, true, None)
        } else {
            page(0..0, true, None)
        }
    })
    .await;
    let list = setup(&empty.origin())
        .client()
        .list()
        .await
        .expect("a list");
    assert!(!list.complete);
    // A next link that points back.
    let back =
        Stub::start(|_, _| page(1..4, true, Some("/api/v1/provtasks?offset=1&limit=3"))).await;
    let list = setup(&back.origin()).client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 3));
    // The server ignores the offset.
    let same = Stub::start(|_, _| page(1..4, true, None)).await;
    let list = setup(&same.origin()).client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 3));
    // A row has come before the page's edge, or one has left: what is at an edge is not told by repeats alone.
    for second in [2..5, 4..7] {
        let shift = Stub::start(move |_, seen| match seen.offset() {
            1 => page(1..4, true, None),
            3 => page(second.clone(), false, None),
            _ => page(0..0, false, None),
        })
        .await;
        let list = setup(&shift.origin())
            .client()
            .list()
            .await
            .expect("a list");
        assert_eq!((list.complete, list.stable), (true, false));
    }
    // Read ahead past the end: the last row once more is no shift, anything else is.
    for (past, stable) in [(5..6, true), (6..7, false), (0..0, true)] {
        let ahead = Stub::start(move |_, seen| match seen.offset() {
            1 => page(1..4, true, None),
            3 => page(3..6, false, None),
            _ => page(past.clone(), false, None),
        })
        .await;
        let mut setup = setup(&ahead.origin());
        setup.settings.pages_in_flight = 3;
        let list = setup.client().list().await.expect("a list");
        assert_eq!((list.complete, list.stable), (true, stable));
    }
    // No end within the bound.
    let endless = Stub::start(|_, seen| page(seen.offset()..seen.offset() + 3, true, None)).await;
    let mut bounded = setup(&endless.origin());
    bounded.settings.max_pages = 4;
    let list = bounded.client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 9));
    assert_eq!(endless.seen().len(), 4);
}

#[tokio::test]
async fn a_next_link_never_leads_to_another_host_or_path() {
    let other = Stub::start(|_, _| page(50..51, false, None)).await;
    let href = format!("{}/api/v1/provtasks?cursor=abc", other.origin());
    let stub = Stub::start(move |_, seen| {
        if seen.path.contains("cursor=abc") {
            page(2..3, true, Some("http://x/admin/delete?cursor=zzz"))
        } else {
            page(1..2, true, Some(&href))
        }
    })
    .await;
    let list = setup(&stub.origin()).client().list().await.expect("a list");
    assert_eq!(list.tasks.len(), 2);
    assert!(!list.complete, "the last link can't be followed");
    assert!(other.seen().is_empty());
    assert!(
        stub.seen()
            .iter()
            .all(|s| s.path.starts_with("/api/v1/provtasks?"))
    );
}

#[tokio::test]
async fn bodies_that_are_no_list_are_clear_errors_without_secrets() {
    let html = "<html><form>Login: bot c0rrect-horse</form>";
    let kinds: Vec<(Vec<u8>, &str)> = vec![
        (http("200 OK", "Content-Type: text/html\r\n", html), "html"),
        (json(html), "html"),
        (json(""), "empty"),
        (json("<?xml version='1.0'?><tasks/>"), "xml"),
        (json("{\"tasks\":[{\"id\":\"5\""), "truncated"),
        (json("{\"error\":\"no\"}"), "malformed"),
        (json("[]"), "malformed"),
        (http("503 Busy", "Retry-After: 17\r\n", html), "status"),
        (
            http("404 Not Found", "Content-Type: text/html\r\n", html),
            "status",
        ),
        (
            http(
                "302 Found",
                "Location: https://sso/login?x=c0rrect-horse\r\n",
                "",
            ),
            "redirect",
        ),
        (
            http("307 Moved", "Location: /elsewhere\r\n", ""),
            "redirect",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"tasks\"".to_vec(),
            "broken",
        ),
    ];
    for (answer, kind) in kinds {
        let stub = Stub::start(move |_, _| answer.clone()).await;
        let error = setup(&stub.origin()).client().list().await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("c0rrect"), "{error}");
        if kind == "status" && error.retry_after().is_some() {
            assert_eq!(error.retry_after(), Some(SignedDuration::from_secs(17)));
        }
        assert_eq!(
            stub.seen().len(),
            1,
            "{kind}: nothing is repeated or followed"
        );
    }
}

#[tokio::test]
async fn a_body_is_capped_after_decompression() {
    let bomb = include_bytes!("../fixtures/wire/blanks-4mib.json.gz");
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let stub = Stub::start(move |_, _| http("200 OK", headers, bomb)).await;
    let small = setup(&stub.origin());
    assert!(bomb.len() < small.settings.max_body);
    let client = small.client();
    assert_eq!(
        client.list().await.expect_err("too large").kind(),
        "too_large"
    );
    let limit = u64::try_from(small.settings.max_body).expect("small");
    assert!(
        client.requests().bytes < 2 * limit,
        "reading stopped at the cap"
    );
    let mut large = setup(&stub.origin());
    large.settings.max_body = 8 << 20;
    let list = large.client().list().await;
    assert!(list.is_ok_and(|l| l.tasks.is_empty() && l.complete));
}

#[tokio::test]
async fn a_wrong_basic_password_is_sent_once_and_the_stop_survives_a_restart() {
    let stub = Stub::start(|_, _| http("401 Unauthorized", "", "")).await;
    let setup = setup(&stub.origin());
    let client = setup.client();
    let both = tokio::join!(client.list(), client.list());
    assert!(both.0.is_err_and(|e| e.is_login()) && both.1.is_err_and(|e| e.is_login()));
    assert_eq!(stub.seen().len(), 1);
    let end = client.put_bulk(BATCH, &[retry("1")]).await;
    assert!(matches!(
        end,
        Err(PutEnd::Unsent {
            cause: UnsentCause::Login,
            ..
        })
    ));
    let stored = serde_json::to_string(&client.login_state()).expect("JSON");
    assert!(!stored.contains("c0rrect"));
    let state: LoginState = serde_json::from_str(&stored).expect("a state");
    let restarted = setup.try_client(state.clone()).expect("a client");
    assert!(restarted.list().await.is_err_and(|e| e.is_login()));
    assert_eq!(
        stub.seen().len(),
        1,
        "a stopped login sends nothing, also after a restart"
    );
    write_password(&setup.settings.password_file, "another");
    assert!(restarted.list().await.is_err());
    assert_eq!(stub.seen().len(), 2, "a new password is tried once");
    let cleared = setup.try_client(restarted.login_state()).expect("a client");
    cleared.clear_login_stop().await.expect("cleared");
    assert!(cleared.list().await.is_err());
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn a_changed_password_file_is_read_again_once() {
    let setup_slot: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let slot = Arc::clone(&setup_slot);
    let stub = Stub::start(move |n, _| {
        // The password was changed between the client's start and its first request, every time.
        let path = slot.lock().expect("a lock").clone().expect("a path");
        write_password(&path, &format!("newer-{n}"));
        http("401 Unauthorized", "", "")
    })
    .await;
    let setup = setup(&stub.origin());
    *setup_slot.lock().expect("a lock") = Some(setup.settings.password_file.clone());
    let client = setup.client();
    assert!(client.list().await.is_err_and(|e| e.is_login()));
    assert_eq!(stub.seen().len(), 2, "never more than two");
    let seen = stub.seen();
    assert_ne!(
        seen[0].headers["authorization"],
        seen[1].headers["authorization"]
    );
}

#[tokio::test]
async fn until_the_first_success_one_request_is_in_flight_at_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let client = setup(&origin).client();
    let mut reads = JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        reads.spawn(async move { client.list().await.map(|l| l.tasks.len()) });
    }
    let (mut first, _) = listener.accept().await.expect("the first request");
    read_request(&mut first).await.expect("a request");
    let second = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(
        second.is_err(),
        "a second request while the login is unproven"
    );
    answer(&mut first, &page(1..2, false, None)).await;
    let (mut second, _) = listener.accept().await.expect("the second request");
    read_request(&mut second).await.expect("a request");
    answer(&mut second, &page(1..2, false, None)).await;
    while let Some(read) = reads.join_next().await {
        assert_eq!(read.expect("joined").expect("a list"), 1);
    }
}

#[tokio::test]
async fn a_token_is_used_renewed_before_it_expires_and_once_after_a_401() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let valid = Arc::new(AtomicUsize::new(1));
    let (made, accepted) = (Arc::clone(&tokens), Arc::clone(&valid));
    let stub = Stub::start(move |_, seen| {
        if seen.method == "POST" {
            assert!(seen.headers.contains_key("x-requested-by"));
            let n = made.fetch_add(1, Ordering::SeqCst) + 1;
            let body =
                format!(r#"{{"expiresIn":"1800","tokenType":"Bearer","accessToken":"t.{n}"}}"#);
            return http("201 Created", "", body);
        }
        let least = accepted.load(Ordering::SeqCst);
        let token: usize = seen.headers["authorization"]
            .strip_prefix("Bearer t.")
            .expect("a bearer")
            .parse()
            .expect("a number");
        if token >= least {
            page(1..2, false, None)
        } else {
            http("401 Unauthorized", "", "")
        }
    })
    .await;
    let mut setup = setup(&stub.origin());
    setup.settings.auth = AuthKind::Bearer;
    let clock = Clock::stepped(Timestamp::UNIX_EPOCH);
    let client = Client::new(&setup.settings, clock.clone(), LoginState::Ok).expect("a client");
    client.list().await.expect("a list");
    client.list().await.expect("a list");
    assert_eq!(tokens.load(Ordering::SeqCst), 1, "one token serves both");
    clock.step_to(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_745));
    client.list().await.expect("a list");
    assert_eq!(
        tokens.load(Ordering::SeqCst),
        2,
        "renewed before the 1800 s are over"
    );
    valid.store(3, Ordering::SeqCst);
    client.list().await.expect("renewed after a 401");
    assert_eq!(tokens.load(Ordering::SeqCst), 3);
    valid.store(usize::MAX, Ordering::SeqCst);
    let before = stub.seen().len();
    assert!(client.list().await.is_err_and(|e| e.is_login()));
    assert_eq!(
        stub.seen().len() - before,
        3,
        "refused, one renewal, refused: stop"
    );
    assert!(client.list().await.is_err_and(|e| e.is_login()));
    assert_eq!(stub.seen().len() - before, 3);
}

#[tokio::test]
async fn a_wrong_password_at_the_token_service_is_sent_once() {
    let stub = Stub::start(|_, _| http("401 Unauthorized", "", "")).await;
    let mut setup = setup(&stub.origin());
    setup.settings.auth = AuthKind::Bearer;
    let client = setup.client();
    assert!(client.list().await.is_err_and(|e| e.is_login()));
    assert!(client.list().await.is_err_and(|e| e.is_login()));
    assert_eq!(stub.seen().len(), 1);
    assert!(matches!(client.login_state(), LoginState::Stopped { .. }));
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
