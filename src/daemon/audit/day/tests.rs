//! Days over which the clock was set: all that was written counts for the states, and only what bears a time of the day for its numbers.

use super::*;
use crate::ledger::record::{ClaimItem, Meta, OpenedItem, chain, genesis};
use crate::model::{Action, BatchId, Digest, Kind, Mode, Outcome};

fn at(day: i8, hour: i8) -> Timestamp {
    let text = format!("2027-03-{day:02}T{hour:02}:00:00Z");
    text.parse().expect("a time")
}

/// A journal of these bodies, each at its time.
fn journal(entries: Vec<(Timestamp, EventBody)>) -> Vec<String> {
    let (mut seq, mut prev) = (1, genesis());
    let mut out = Vec::new();
    for (at, body) in entries {
        let made = chain(&Meta::daemon(at, None), body, seq, prev.clone()).expect("small");
        for (event, bytes, digest) in made {
            (seq, prev) = (event.seq + 1, digest);
            out.push(String::from_utf8(bytes).expect("JSON"));
        }
    }
    out
}

fn report(records: &[String], from: Timestamp, to: Timestamp) -> Daily {
    let last = records.iter().rposition(|text| is_before(text, to));
    let mut day = Day::new(from, to, SignedDuration::from_mins(15));
    for text in &records[..last.map_or(0, |last| last + 1)] {
        day.take(text).expect("of this version");
    }
    day.end()
}

fn opened(lineage: u64) -> OpenedItem {
    OpenedItem {
        lineage: LineageId(lineage),
        task: TaskId::new(&(90 + lineage).to_string()),
        created: None,
        kind: Kind::Change,
        target: Some(TargetName::new("AD")),
        definition: None,
        name: None,
        process: None,
        user: None,
        child: None,
        owner: None,
        print: 7,
        ambiguous: false,
        run: Default::default(),
        by_date: false,
        known_by: Default::default(),
    }
}

fn claim(lineage: u64) -> EventBody {
    EventBody::Claims {
        batch: BatchId(uuid::Uuid::from_u128(7)),
        target: TargetName::new("AD"),
        action: ActionName::Retry,
        items: vec![ClaimItem {
            lineage: LineageId(lineage),
            ordinal: 1,
            task: TaskId::new(&(90 + lineage).to_string()),
            action: Action::Retry,
            process: None,
            definition: None,
            kind: Kind::Change,
            policy: None,
            inputs: Digest::new("beef"),
            version: 1,
            rests: Default::default(),
        }],
    }
}

fn told(lineage: u64, event: AttemptEvent, at: Timestamp) -> EventBody {
    EventBody::Outcomes {
        items: vec![Outcome {
            lineage: LineageId(lineage),
            ordinal: 1,
            event,
            at,
            task: None,
            evidence: None,
        }],
    }
}

fn wanted(lineage: u64) -> DecidedItem {
    DecidedItem {
        lineage: LineageId(lineage),
        task: TaskId::new(&(90 + lineage).to_string()),
        version: 1,
        kind: Kind::Change,
        policy: None,
        line: None,
        hash: crate::model::PolicyHash::new(&"2".repeat(64)),
        inputs: Digest::new("beef"),
        moment: None,
        verdict: Some(Verdict::Act {
            action: Action::Retry,
            after: None,
            because: Some("may heal".into()),
            priority: 0,
        }),
        fault: None,
        refusal: Some(crate::model::Refusal::new(
            RefusalReason::ModeObserve,
            crate::model::Scope::Global,
        )),
        read: [].into(),
        relook: None,
    }
}

#[test]
fn what_came_back_has_not_left_the_lists() {
    let left = |n| EventBody::LineagesLeft {
        lineages: vec![LineageId(n)],
        lost: false,
        reason: None,
    };
    let back = EventBody::Seen {
        items: vec![crate::ledger::record::SeenItem {
            lineage: LineageId(1),
            print: 7,
            owner: None,
            status: Arc::from("R"),
            redefined: None,
            early: false,
            run: Default::default(),
            foreign: false,
            by_id: false,
        }],
    };
    let opened = EventBody::LineagesOpened {
        items: vec![opened(1), opened(2)],
    };
    let records = journal(vec![
        (at(1, 8), opened),
        (at(1, 10), left(1)),
        (at(1, 11), left(2)),
        (at(1, 12), back),
    ]);
    assert_eq!(report(&records, at(1, 0), at(2, 0)).left_lists, 1);
}

#[test]
fn what_left_the_lists_is_not_told_among_what_is_still_so() {
    let records = journal(vec![
        (
            at(1, 8),
            EventBody::LineagesOpened {
                items: vec![opened(1), opened(2)],
            },
        ),
        (
            at(1, 9),
            EventBody::Decided {
                items: vec![wanted(1), wanted(2)],
            },
        ),
        (
            at(1, 10),
            EventBody::LineagesLeft {
                lineages: vec![LineageId(1)],
                lost: false,
                reason: None,
            },
        ),
    ]);
    let day = report(&records, at(1, 0), at(2, 0));
    let row = &day.would_have[0];
    assert_eq!((row.tasks, row.left_lists, row.left), (2, 1, 1));
    assert_eq!(row.named, [TaskId::new("92")]);
    let text = crate::daily::text(&day);
    assert!(
        text.contains("in no list any more 1, still as it was 1 92"),
        "{text}"
    );
}

#[test]
fn what_was_sent_since_is_not_told_among_what_is_still_so() {
    let records = journal(vec![
        (
            at(1, 8),
            EventBody::LineagesOpened {
                items: vec![opened(1), opened(2)],
            },
        ),
        (
            at(1, 9),
            EventBody::Decided {
                items: vec![wanted(1), wanted(2)],
            },
        ),
        (at(1, 10), claim(1)),
    ]);
    let day = report(&records, at(1, 0), at(2, 0));
    let row = &day.would_have[0];
    assert_eq!((row.tasks, row.under_way, row.left), (2, 1, 1));
    assert_eq!(row.named, [TaskId::new("92")]);
}

#[test]
fn consent_to_one_retry_names_its_task() {
    let consent = EventBody::Approved {
        hold: crate::daemon::one::hold_of(&TaskId::new("92")),
        until: at(1, 9),
        reason: "CHG-1".into(),
    };
    let opened = EventBody::LineagesOpened {
        items: vec![opened(1), opened(2)],
    };
    let mut day = Day::new(at(1, 0), at(2, 0), SignedDuration::from_mins(15));
    let ann = Meta::by(
        Actor::Person {
            uid: 0,
            name: "ann".into(),
        },
        at(1, 9),
    );
    let first = Meta::daemon(at(1, 8), None);
    let (mut seq, mut prev) = (1, genesis());
    for (meta, body) in [(first, opened), (ann, consent)] {
        for (event, bytes, digest) in chain(&meta, body, seq, prev.clone()).expect("small") {
            (seq, prev) = (event.seq + 1, digest);
            day.take(&String::from_utf8(bytes).expect("JSON"))
                .expect("of this version");
        }
    }
    let day = day.end();
    assert_eq!(day.orders[0].about, ["task 92 on AD"], "{:?}", day.orders);
}

/// On the first a run with the clock five days ahead claims a retry and is switched to enforce; the next
/// one, with the clock put right, reads what came of it.
fn set_back() -> Vec<String> {
    let enforce = EventBody::ModeChanged {
        mode: Mode::Enforce,
        reason: "tested".into(),
    };
    journal(vec![
        (
            at(1, 8),
            EventBody::LineagesOpened {
                items: vec![opened(1), opened(2)],
            },
        ),
        (at(6, 9), enforce),
        (at(6, 9), claim(1)),
        (at(1, 10), told(1, AttemptEvent::Restarted, at(1, 10))),
        (at(1, 11), told(1, AttemptEvent::ReadCompleted, at(1, 11))),
        (at(2, 8), claim(2)),
    ])
}

#[test]
fn what_was_written_while_the_clock_was_ahead_is_applied_and_not_counted() {
    let day = report(&set_back(), at(1, 0), at(2, 0));
    assert_eq!(day.mode, Some(Mode::Enforce), "in force at the end of it");
    assert_eq!(day.healed.tasks, 1, "read on that day");
    assert_eq!(day.requests.writes, 0, "claimed at a time of another day");
    assert!(day.attempts.is_empty());
    assert_eq!((day.out_of_order, day.ahead), (2, 2));
    let limits = day.limits().join(" ");
    assert!(limits.contains("clock"), "{limits}");
}

#[test]
fn a_later_day_has_what_bears_its_time_and_says_that_it_is_out_of_order() {
    let records = set_back();
    let day = report(&records, at(6, 0), at(7, 0));
    assert_eq!((day.requests.writes, day.healed.tasks), (1, 0));
    assert_eq!(day.attempts[0].states[&AttemptState::Completed], 1);
    assert_eq!((day.out_of_order, day.ahead), (2, 0));
    // the second is nobody's but its own; what was written before it is out of order with the sixth
    let day = report(&records, at(2, 0), at(3, 0));
    assert_eq!((day.requests.writes, day.ahead), (1, 2));
}

#[test]
fn times_in_order_are_no_news_nor_is_what_was_written_after_the_end() {
    let small = SignedDuration::from_secs(20);
    let records = journal(vec![
        (
            at(1, 8),
            EventBody::LineagesOpened {
                items: vec![opened(1)],
            },
        ),
        (at(1, 9), claim(1)),
        // recorded with a time that was taken a little earlier
        (at(1, 9) - small, told(1, AttemptEvent::Restarted, at(1, 9))),
        (at(2, 9), told(1, AttemptEvent::ReadCompleted, at(2, 9))),
    ]);
    let day = report(&records, at(1, 0), at(2, 0));
    assert_eq!((day.out_of_order, day.ahead), (0, 0));
    assert_eq!(day.healed.tasks, 0, "read on the next day");
    assert!(!day.limits().join(" ").contains("clock"));
}
