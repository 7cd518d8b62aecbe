//! The client logs in over real HTTP: passwords, tokens, refusals; it must never try a refused secret again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use provtaskd::model::clock::Clock;
use provtaskd::model::settings::AuthKind;
use provtaskd::oig::{Client, LoginState, PutEnd, UnsentCause};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::{BATCH, retry};
use crate::client_stub::{Stub, answer, http, page, read_request, setup, write_password};

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
    let error = client.list().await.expect_err("refused twice");
    assert!(error.is_login(), "{error}");
    let said = error.to_string();
    assert!(said.contains("after their file was read anew"), "{said}");
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
