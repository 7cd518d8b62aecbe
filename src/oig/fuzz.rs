//! What a server may send, damaged at random: lists, answers to writes, `Retry-After` and dates are read or refused, never guessed; tests only.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::map::{Interner, Mapper};
use super::{dates, filter, receipts, wire};
use crate::model::long::{damaged, damages, run};
use crate::model::{ReceiptStatus, TaskId};

/// Words of the format, and what breaks careless readers.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b":",
    b",",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b"<html>",
    b"{\"base\":",
    b"\"id\":\"3016\",",
    b"\"status\":\"SUCCESS\",",
    b"\"status\":\"FAIL\",",
    b"\"tasks\":[",
    b"\"fields\":{",
    b"\"links\":[",
    b"\"hasMore\":true,",
    b"{\"name\":\"Process Instance.Task Details.Key\",\"value\":",
    b"{\"rel\":\"next\",\"href\":\"",
    "\u{202e}ä".as_bytes(),
    b"offset=99999999999999999999",
    b"9999-12-31T23:59:60Z",
    b"%00",
    b"//",
];

const LISTS: &[&[u8]] = &[
    br#"{"links":[{"rel":"next","href":"/iam/governance/selfservice/api/v1/provtasks?offset=3&limit=2"}],"hasMore":true,"count":2,"tasks":[{"links":[{"rel":"self","href":"https://h/provtasks/3016"}],"id":"3016","fields":[{"name":"Process Instance.Task Details.Key","value":3016},{"name":"Process Instance.Task Details.Status","value":"R"},{"name":"Process Definition.Tasks.Task Name","value":"Create User"},{"name":"Process Instance.Key","value":"77"},{"name":"APP_INSTANCE_NAME","value":"Directory"},{"name":"Process Instance.Task Information.Target User","value":"JDOE"},{"name":"Process Instance.Task Information.Creation Date","value":"2026-03-04T05:06:07Z"},{"name":"Process Instance.Task Information.Retry Task","value":3001},{"name":"Process Instance.Task Information.Assignee User ID","value":{"base":"bkiddo"}}],"formFields":{"UD_GRP":"x"}},{"id":3018,"fields":{"Process Instance.Task Details.Status":"P","Process Instance.Task Details.Reason":"lost \u00e4"}}]}"#,
    br#"{"count":0,"hasMore":false,"links":[]}"#,
    br#"{"tasks":{"id":"30","fields":[{"name":"Process Instance.Task Details.Key","value":"30"},{"name":"Process Instance.Task Information.Creation Date","value":1772600767000}]}}"#,
];

const ANSWERS: &[&[u8]] = &[
    br#"{"links":[],"tasks":[{"links":[{"rel":"self","href":"https://h/api/v1/provtasks/3018"}],"id":"3018","status":"SUCCESS","requestId":"10002","action":"retry"},{"id":"3016","status":"FAIL","action":"retry","reason":"This task is not automated."},{"id":3020,"status":"ok"}]}"#,
    br#"{"links":[],"id":"3016","status":"SUCCESS"}"#,
    br#"{"links":[{"rel":"self","href":"/provtasks/3016"}],"status":"OK","assignee":"System Administrator"}"#,
];

const DATES: &[&[u8]] = &[
    b"2026-03-04T05:06:07Z",
    b"2026-03-04T07:06:07+0200",
    b"2026-03-04 07:06:07",
    b"2026-03-04",
    b"1772600767000",
    b"2026-03-04T05:06:07.250Z",
    b"-1772600767000",
    b"Wed, 04 Mar 2026 05:07:07 GMT",
    b"120",
    b"9223372036854775807",
    b"4294967295",
    b"-009999-01-02T01:59:59Z",
    b"9999-12-30T22:00:00Z",
];

const OF_DATES: &[&[u8]] = &[
    b"0",
    b"9",
    b"-",
    b"+",
    b":",
    b".",
    b"T",
    b"Z",
    b" ",
    b"GMT",
    b"[Europe/Berlin]",
    b"99999999999",
    b"24:00",
    b"60",
    b"\xff",
    b"+23:59",
    b"-25:59:59",
    "٣".as_bytes(),
    b"Thu, ",
    b"Feb",
    b"(",
];

fn any_of(of: &'static [&'static [u8]]) -> impl Strategy<Value = &'static [u8]> {
    proptest::sample::select(of)
}

/// What of the lists is read from a body, as the client reads it.
fn read_list(body: &[u8]) {
    let Ok(text) = wire::body_text(body) else {
        return;
    };
    let Ok(page) = wire::page(&text, &["tasks"]) else {
        return;
    };
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let (mut mapper, mut pool) = (Mapper::new(&zone), Interner::default());
    let mut tasks = Vec::new();
    for row in page.items.iter().chain([&page.own]) {
        let _ = (row.id(), row.self_segment());
        tasks.extend(mapper.task(row, &mut pool));
    }
    let table = mapper.table();
    for task in &mut tasks {
        task.fields.share_table(std::sync::Arc::clone(&table));
        assert!(!task.id.as_str().trim().is_empty(), "a task without an id");
        let _ = (task.version(), task.definition(), format!("{task:?}"));
    }
    if let Some(next) = &page.next {
        let (path, query) = filter::path_and_query(next);
        let _ = (path.len(), filter::number_of(query, "offset"));
    }
}

#[test]
fn no_list_whatever_makes_the_reader_panic_or_hang() {
    let cases = (any_of(LISTS), damages(WORDS));
    run("list answers", 400, &cases, |(body, how)| {
        read_list(&damaged(body, &how));
        Ok(())
    });
}

#[test]
fn no_answer_to_a_write_whatever_is_taken_for_more_than_it_says() {
    let cases = (any_of(ANSWERS), damages(WORDS));
    let sent = ["3016", "3018", "3020", "4000"].map(TaskId::new);
    run("answers to writes", 400, &cases, |(body, how)| {
        let body = damaged(body, &how);
        let Ok(text) = wire::body_text(&body) else {
            return Ok(());
        };
        let Ok(answer) = receipts::read(&text, Duration::ZERO) else {
            return Ok(());
        };
        let told = receipts::receipts(&sent, &answer);
        let ids: Vec<&TaskId> = told.iter().map(|(id, _)| id).collect();
        prop_assert!(ids.iter().copied().eq(&sent), "one for each, in order");
        let upper = text.to_ascii_uppercase();
        let says =
            |words: &[&str]| words.iter().any(|word| upper.contains(word)) || text.contains('\\');
        for (id, status) in told {
            match status {
                ReceiptStatus::Accepted => {
                    prop_assert!(
                        text.contains(id.as_str()) || text.contains('\\') || text.contains('%')
                    );
                    prop_assert!(says(&["SUCCESS", "OK", "COMPLETED"]), "{text}");
                }
                ReceiptStatus::Refused { .. } => {
                    prop_assert!(says(&["FAIL", "ERROR"]), "{text}");
                }
                ReceiptStatus::Unknown { .. } => {}
                ReceiptStatus::Unsent { .. } => prop_assert!(false, "an answer never proves that"),
            }
        }
        Ok(())
    });
}

#[test]
fn no_retry_after_whatever_is_negative_or_makes_the_reader_panic() {
    let now: Timestamp = "2026-03-04T05:06:07Z".parse().expect("a time");
    let cases = (any_of(DATES), damages(OF_DATES), any::<bool>());
    run("Retry-After", 2000, &cases, |(text, how, early)| {
        let bytes = damaged(text, &how);
        let now = if early { Timestamp::MIN } else { now };
        let pause = dates::retry_after(&String::from_utf8_lossy(&bytes), now);
        let taken = |pause| (SignedDuration::ZERO..=dates::LONGEST_PAUSE).contains(&pause);
        prop_assert!(pause.is_none_or(taken), "{pause:?}");
        Ok(())
    });
}

#[test]
fn no_date_whatever_makes_the_reader_panic() {
    let zones = [
        TimeZone::UTC,
        TimeZone::fixed(jiff::tz::Offset::MAX),
        TimeZone::fixed(jiff::tz::Offset::MIN),
        TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC),
    ];
    let cases = (any_of(DATES), damages(OF_DATES));
    run("dates", 2000, &cases, |(text, how)| {
        let bytes = damaged(text, &how);
        for zone in &zones {
            let _ = dates::read(&String::from_utf8_lossy(&bytes), zone);
        }
        Ok(())
    });
}
