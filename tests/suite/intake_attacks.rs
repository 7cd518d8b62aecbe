//! What must not be taken, against the real binary: forged, late, repeated, oversized, slow, compressed and ambiguous requests; after each of them nothing waits to be read. The rows of docs/security.md name these tests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::drill::Drill;
use crate::intake_support::{
    Event, HIDDEN, SECOND, SECRET, address, answer, count, raw, standing, taking, wall,
};

const BODY: &str = r#"{"tasks":["4711"]}"#;

/// Sends each, and checks the status and the word of its answer; then that nothing was taken.
fn refused(drill: &Drill, all: &[(Event, u16, &str)]) {
    let at = address(drill);
    let before = standing(drill);
    for (event, status, word) in all {
        let (said, text) = event.send(&at);
        assert_eq!(said, *status, "{word}: {event:?}\n{text}");
        let told = format!(r#""error":"{word}""#);
        assert!(text.contains(&told), "{word}: {text}");
    }
    let after = standing(drill);
    for same in ["waiting", "accepted", "followed"] {
        assert_eq!(after[same], before[same], "{after:#}");
    }
    for (_, _, word) in all {
        let rose = count(&after, "refused", word) > count(&before, "refused", word);
        assert!(rose, "{word} is counted: {after:#}");
    }
}

async fn over(mut drill: Drill) {
    // the machinery has to be alive after it
    let good = Event::new("alive", BODY).send(&address(&drill));
    assert_eq!(good.0, 202, "{}", good.1);
    drill.run_for("2h").await;
    drill.judge_leaving(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_late_and_early_events_are_not_taken() {
    let drill = taking(HIDDEN, "").await;
    let now = wall();
    let good = || Event::new("m", BODY);
    let mut changed = good();
    changed.body = BODY.replace("4711", "4712").into_bytes();
    let other_id = good().with("webhook-id", "n");
    let other_time = good().with("webhook-timestamp", &(now - 7).to_string());
    refused(
        &drill,
        &[
            (changed, 401, "signature"),
            (other_id, 401, "signature"),
            (other_time, 401, "signature"),
            (Event::signed("m", now, BODY, SECOND), 401, "signature"),
            (Event::signed("m", now, BODY, b""), 401, "signature"),
            (good().with("webhook-signature", "v1,"), 401, "signature"),
            (
                good().with("webhook-signature", "v2,AAAA"),
                401,
                "signature",
            ),
            (Event::signed("m", now - 302, BODY, SECRET), 401, "too_late"),
            (
                Event::signed("m", now + 330, BODY, SECRET),
                401,
                "too_early",
            ),
            (good().without("webhook-signature"), 400, "header_missing"),
            (good().without("webhook-timestamp"), 400, "header_missing"),
            (good().without("webhook-id"), 400, "header_missing"),
            (
                good().with("webhook-timestamp", "soon"),
                400,
                "header_malformed",
            ),
            (good().with("webhook-id", "a.b"), 400, "header_malformed"),
        ],
    );
    over(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_headers_and_ambiguous_lengths_are_not_taken() {
    let drill = taking(HIDDEN, "").await;
    let good = || Event::new("m", BODY);
    let header = |event: &Event, name: &str| {
        let found = event.headers.iter().find(|(own, _)| own == name);
        found.expect("it is there").1.clone()
    };
    let twice = |name: &str| {
        let event = good();
        let value = header(&event, name);
        event.and(name, &value)
    };
    let chunked = good()
        .without("content-length")
        .and("transfer-encoding", "chunked");
    let both = good().and("transfer-encoding", "chunked");
    refused(
        &drill,
        &[
            (twice("webhook-id"), 400, "header_repeated"),
            (twice("webhook-timestamp"), 400, "header_repeated"),
            (twice("webhook-signature"), 400, "header_repeated"),
            (twice("content-type"), 400, "header_repeated"),
            (
                good().and("ce-id", "1").and("ce-id", "2"),
                400,
                "header_repeated",
            ),
            (chunked, 411, "length_required"),
            (both, 411, "length_required"),
            (good().without("content-length"), 411, "length_required"),
        ],
    );
    // these never get as far as a reason of ours: the request itself is none
    let at = address(&drill);
    let two_lengths = good().and("content-length", "3");
    let folded = good().and("x-a", "1\r\n 2");
    for event in [two_lengths, folded] {
        let (status, text) = event.send(&at);
        assert_eq!(status, 400, "{text}");
    }
    // what stands behind a refused request is not read as another one
    let mut bytes = good().and("transfer-encoding", "chunked").start();
    bytes.extend_from_slice(b"0\r\n\r\n");
    let hidden = Event::new("smuggled", BODY);
    bytes.extend_from_slice(&hidden.start());
    bytes.extend_from_slice(&hidden.body);
    assert_eq!(raw(&at, &bytes).0, 411);
    // one that comes after it is taken, and it alone
    let (status, text) = Event::new("after", BODY).send(&at);
    assert_eq!(status, 202, "{text}");
    assert_eq!(standing(&drill)["accepted"], 1);
    over(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_compressed_and_foreign_bodies_are_not_taken() {
    let drill = taking(HIDDEN, "").await;
    let large = format!(r#"{{"tasks":["1"],"x":"{}"}}"#, "x".repeat(128 << 10));
    let many: Vec<u32> = (0..1_001).collect();
    let many = json!({ "tasks": many }).to_string();
    let good = || Event::new("m", BODY);
    // a length that promises more than is taken, without a body
    let promised = good().with("content-length", "10000000000");
    let get = |method: &str, path: &str| {
        let mut event = good();
        event.head = format!("{method} {path} HTTP/1.1");
        event
    };
    refused(
        &drill,
        &[
            (Event::new("m", &large), 413, "too_large"),
            (promised, 413, "too_large"),
            (Event::new("m", &many), 413, "too_many_tasks"),
            (good().and("content-encoding", "gzip"), 415, "encoded"),
            (good().and("content-encoding", "br"), 415, "encoded"),
            (good().with("content-type", "text/plain"), 415, "media_type"),
            (good().without("content-type"), 415, "media_type"),
            (Event::new("m", "{\"tasks\":"), 400, "malformed"),
            (Event::new("m", "{}"), 400, "nothing_named"),
            (
                Event::new("m", r#"{"tasks":["' or 1=1"]}"#),
                400,
                "not_an_id",
            ),
            (get("GET", "/v1/tasks"), 405, "method"),
            (get("POST", "/metrics"), 404, "no_such_path"),
        ],
    );
    let at = address(&drill);
    let headers = good().and("x-large", &"x".repeat(40 << 10));
    let (status, text) = headers.send(&at);
    assert_eq!(status, 431, "{text}");
    let mut crowd = good();
    for n in 0..100 {
        crowd = crowd.and(&format!("x-{n}"), "1");
    }
    let (status, text) = crowd.send(&at);
    assert_eq!(status, 431, "{text}");
    over(drill).await;
}

/// Two hundred connections that say nothing more do not keep others away for long, and are all gone after the time
/// that is theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_are_cut_off_and_keep_nobody_away_for_long() {
    let drill = taking(HIDDEN, "").await;
    let at = address(&drill);
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(&at).expect("connected");
        let _ = stream.write_all(if n % 2 == 0 { b"POST /v1" } else { b"" });
        slow.push(stream);
    }
    let (status, text) = Event::new("early", BODY).send(&at);
    assert_eq!(status, 429, "{text}");
    assert!(
        text.to_ascii_lowercase().contains("retry-after: "),
        "{text}"
    );
    loop {
        if Event::new("later", BODY).send(&at).0 == 202 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "kept away");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(count(&standing(&drill), "refused", "connections") > 0);
    drop(slow);
    // headers in time, but the body a byte at a time
    let event = Event::new("slow-body", BODY);
    let mut stream = TcpStream::connect(&at).expect("connected");
    stream.write_all(&event.start()).expect("sent");
    stream.write_all(&event.body[..5]).expect("sent");
    let (status, text) = answer(&mut stream);
    assert_eq!(status, 408, "{text}");
    over(drill).await;
}

/// The headers of a replay come while its timestamp still lets it in, its body after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_whose_body_comes_late_is_not_taken() {
    let drill = taking(HIDDEN, "").await;
    let at = address(&drill);
    // two seconds before it is too old
    let stamp = wall() - 298;
    let event = Event::signed("held-back", stamp, BODY, SECRET);
    assert_eq!(event.send(&at).0, 202);
    assert_eq!(event.send(&at).0, 200, "a duplicate");
    let held = event.with("expect", "100-continue");
    let mut stream = TcpStream::connect(&at).expect("connected");
    stream.write_all(&held.start()).expect("sent");
    // the daemon has looked at the headers once it asks for the body
    let mut word = [0; 25];
    stream.read_exact(&mut word).expect("an answer");
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    while wall() <= stamp + 301 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stream.write_all(&held.body).expect("sent");
    let (status, text) = answer(&mut stream);
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("too_late"), "{text}");
    assert_eq!(count(&standing(&drill), "refused", "too_late"), 1);
    let log = fs::read_to_string(drill.store().join("intake/hints.log")).expect("hints");
    assert_eq!(log.matches("\"took\"").count(), 1, "{log}");
    over(drill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_set_is_said_and_takes_more_once_it_was_read() {
    let mut drill = taking(HIDDEN, "max_waiting = 100").await;
    let at = address(&drill);
    let event = |id: &str, from: u32, to: u32| {
        let tasks: Vec<u32> = (from..to).collect();
        Event::new(id, &json!({ "tasks": tasks }).to_string())
    };
    assert_eq!(event("a", 50_000, 50_090).send(&at).0, 202);
    let more = event("b", 60_000, 60_020);
    let (status, text) = more.send(&at);
    assert_eq!(status, 429, "{text}");
    assert!(
        text.to_ascii_lowercase().contains("retry-after: 30"),
        "{text}"
    );
    assert_eq!(
        event("c", 50_000, 50_090).send(&at).0,
        202,
        "known ones need no room"
    );
    drill.run_for("1h").await;
    assert_eq!(more.send(&at).0, 202, "it was not remembered as taken");
    assert_eq!(more.send(&at).0, 200, "now it is");
    drill.run_for("2h").await;
    drill.judge_leaving(5).await;
}

/// The id that a bodyless CloudEvent names stands in a header: one who changes it on the way must not be believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_was_changed_on_the_way_is_not_taken() {
    let mut drill = taking(HIDDEN, "").await;
    let at = address(&drill);
    let signed_for_4711 = Event::new("m-1", "")
        .and("ce-specversion", "1.0")
        .and("ce-id", "1")
        .and("ce-source", "/s")
        .and("ce-type", "t")
        .and("ce-subject", "4711");
    let forged = signed_for_4711.with("ce-subject", "9990002");
    let (status, text) = forged.send(&at);
    drill.run_for("2h").await;
    let reads = drill
        .journal()
        .iter()
        .filter(|row| {
            row["path"]
                .as_str()
                .is_some_and(|path| path.ends_with("/provtasks/9990002"))
        })
        .count();
    drill.judge_leaving(5).await;
    assert_eq!((status, reads), (400, 0), "{text}");
}
