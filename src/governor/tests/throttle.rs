//! A target that says it is asked for too much, or has just come back, gets less at once and more only step by step.

use jiff::{SignedDuration, Timestamp};

use crate::model::{AttemptEvent as E, LineageId, RefusalReason as R, TargetName};

use super::super::{Answered, Failed, Governor, Lane, NotAnswered, Outage};
use super::fixture::{at, governor, settings, started, target};

/// What may be sent within one minute, as the batcher asks for it, with nothing left to be read back.
fn in_a_minute(governor: &mut Governor, now: Timestamp) -> usize {
    let mut all = 0;
    while let Ok(some) = governor.next_batch(now, &target(), Lane::Usual, 0) {
        let items = u32::try_from(some).expect("small");
        governor.sent(now, &target(), Lane::Usual, items);
        let accepted = items;
        let answer = Answered {
            items,
            accepted,
            ..Answered::default()
        };
        governor.answered(now, &target(), Lane::Usual, answer);
        all += some;
    }
    all
}

fn completed(governor: &mut Governor, now: Timestamp, lineages: std::ops::Range<u64>) {
    for lineage in lineages {
        governor.outcome(
            now,
            &target(),
            Lane::Usual,
            (LineageId(lineage), 1),
            E::ReadCompleted,
        );
    }
}

#[test]
fn a_throttle_halves_the_pace_at_once_and_it_comes_back_step_by_step() {
    let mut governor = governor();
    completed(&mut governor, at(0), 0..40);
    let size = |governor: &mut Governor, now| governor.next_batch(now, &target(), Lane::Usual, 0);
    assert_eq!(size(&mut governor, at(0)), Ok(25));
    governor.throttled(at(0), &target(), LineageId(100), 1);
    // the same reading told twice, and others of the same minute, are one throttle
    governor.throttled(at(1), &target(), LineageId(100), 1);
    completed(&mut governor, at(1), 100..101);
    governor.throttled(at(2), &target(), LineageId(101), 1);
    completed(&mut governor, at(2), 101..102);
    assert_eq!(in_a_minute(&mut governor, at(3)), 15, "half of 30");
    let minutes = |minutes: i64| at(3) + SignedDuration::from_mins(minutes);
    assert_eq!(in_a_minute(&mut governor, minutes(9)), 15, "it is held");
    let rises = [(13, 18), (23, 21), (33, 24), (43, 27), (53, 30), (63, 30)];
    for (after, expected) in rises {
        assert_eq!(in_a_minute(&mut governor, minutes(after)), expected);
    }
    // one more, later, halves what there is
    governor.throttled(minutes(64), &target(), LineageId(102), 1);
    governor.throttled(minutes(66), &target(), LineageId(103), 1);
    assert_eq!(in_a_minute(&mut governor, minutes(66)), 7);
}

#[test]
fn what_is_not_read_back_is_at_most_a_minutes_worth_after_a_throttle() {
    let mut governor = governor();
    completed(&mut governor, at(0), 0..40);
    assert!(
        governor
            .next_batch(at(0), &target(), Lane::Usual, 100)
            .is_ok()
    );
    governor.throttled(at(0), &target(), LineageId(100), 1);
    let refused = governor
        .next_batch(at(0), &target(), Lane::Usual, 15)
        .expect_err("as much as a minute allows is not read back");
    assert_eq!(refused.reason, R::AwaitsProof);
}

#[test]
fn a_target_that_has_come_back_is_asked_for_half_and_in_small_batches() {
    let mut governor = governor();
    completed(&mut governor, at(0), 0..40);
    for lineage in 100..103 {
        governor.outcome(
            at(1),
            &target(),
            Lane::Usual,
            (LineageId(lineage), 1),
            E::ReadBounced,
        );
    }
    let back = at(700);
    assert_eq!(governor.next_batch(back, &target(), Lane::Usual, 0), Ok(1));
    completed(&mut governor, back, 200..201);
    // 1, then 2, then 4: no jump to 5 and 25
    for (read, size) in [(201..203, 2), (203..207, 4)] {
        assert_eq!(
            governor.next_batch(back, &target(), Lane::Usual, 0),
            Ok(size)
        );
        completed(&mut governor, back, read);
    }
    assert_eq!(in_a_minute(&mut governor, back), 15);
}

#[test]
fn a_throttle_is_remembered_over_a_restart() {
    let mut before = governor();
    before.throttled(at(0), &target(), LineageId(1), 1);
    let text = serde_json::to_string(&before.state()).expect("it can be stored");
    let state = serde_json::from_str(&text).expect("it can be read");
    let mut after = Governor::new(
        super::fixture::settings(),
        super::fixture::modes(),
        Some(state),
        at(1),
    );
    assert_eq!(in_a_minute(&mut after, at(2)), 15);
}

#[test]
fn a_server_that_answers_nobody_is_asked_with_one_item_at_a_time() {
    let mut settings = settings();
    settings.default.batch_start = 10;
    settings.default.in_flight = 4;
    settings.default.breaker_after = 99;
    let mut governor = started(settings);
    for n in 0..3 {
        assert_eq!(
            governor.next_batch(at(n), &target(), Lane::Usual, 0),
            Ok(10)
        );
        governor.sent(at(n), &target(), Lane::Usual, 1);
        governor.whole_request_failed(at(n), &target(), Lane::Usual, None);
    }
    let refused = |governor: &mut Governor, now| {
        let other = TargetName::new("Mail");
        let batch = governor.next_batch(at(now), &other, Lane::Revoke, 0);
        batch.map_err(|refusal| refusal.reason)
    };
    assert_eq!(refused(&mut governor, 3), Err(R::ServerBackOff));
    let down = |missing| {
        Some(Outage {
            requests: 3,
            missing,
        })
    };
    governor.set_outage(down(false));
    // the pause is over: one item, of whatever target, and nothing beside it
    assert_eq!(
        governor.next_batch(at(40), &target(), Lane::Usual, 0),
        Ok(1)
    );
    governor.sent(at(40), &target(), Lane::Usual, 1);
    assert_eq!(refused(&mut governor, 41), Err(R::ServerBackOff));
    governor.set_outage(down(true));
    governor.whole_request_failed(at(42), &target(), Lane::Usual, None);
    assert_eq!(refused(&mut governor, 43), Err(R::WritePathMissing));
    governor.set_outage(down(false));
    assert_eq!(refused(&mut governor, 43), Err(R::ServerBackOff));
    assert_eq!(refused(&mut governor, 200), Ok(1));
    governor.sent(at(200), &target(), Lane::Usual, 1);
    let answer = Answered {
        items: 1,
        accepted: 1,
        ..Answered::default()
    };
    governor.answered(at(201), &target(), Lane::Usual, answer);
    governor.set_outage(None);
    assert_eq!(
        governor.next_batch(at(201), &target(), Lane::Usual, 0),
        Ok(10)
    );
}

#[test]
fn requests_that_hang_are_counted_against_their_target_alone() {
    let mut settings = settings();
    settings.default.breaker_after = 3;
    let mut governor = started(settings);
    let other = TargetName::new("Mail");
    for n in 0..9 {
        governor.sent(at(n), &target(), Lane::Usual, 1);
        let known = Failed {
            items: 1,
            took: std::time::Duration::from_secs(600),
            too_long: true,
        };
        governor.request_hung(at(n), &target(), Lane::Usual, &known);
    }
    let refused = governor.next_batch(at(9), &target(), Lane::Usual, 0);
    assert_eq!(refused.map_err(|r| r.reason), Err(R::BreakerOpen));
    assert!(governor.next_batch(at(9), &other, Lane::Usual, 0).is_ok());
    assert!(governor.next_batch(at(9), &other, Lane::Revoke, 0).is_ok());
}

/// A PUT of one item to this target ends after a minute with this status and this `Retry-After`.
fn ends(
    governor: &mut Governor,
    second: i64,
    target: &TargetName,
    status: Option<u16>,
    retry_after: Option<i64>,
) {
    governor.sent(at(second), target, Lane::Usual, 1);
    let ended = NotAnswered {
        items: 1,
        took: std::time::Duration::from_secs(60),
        hung: false,
        status,
        retry_after: retry_after.map(jiff::SignedDuration::from_secs),
    };
    governor.not_answered(at(second), target, Lane::Usual, &ended);
}

/// How many seconds after `second` a target of which nothing is known may be written to again.
fn others_wait(governor: &mut Governor, second: i64) -> i64 {
    let unknown = TargetName::new("Mail");
    (0..4000)
        .find(|n| {
            let asked = governor.next_batch(at(second + n), &unknown, Lane::Usual, 0);
            asked.is_ok()
        })
        .expect("it ends")
}

#[test]
fn what_gives_up_on_one_slow_target_delays_no_other() {
    for status in [408, 504] {
        let mut settings = settings();
        settings.default.breaker_after = 3;
        let mut governor = started(settings);
        for n in 0..9 {
            ends(&mut governor, n, &target(), Some(status), None);
            assert_eq!(others_wait(&mut governor, n), 0, "{status}, the {n}th");
        }
        let refused = governor.next_batch(at(9), &target(), Lane::Usual, 0);
        assert_eq!(refused.map_err(|r| r.reason), Err(R::BreakerOpen));
    }
}

#[test]
fn what_gives_up_on_one_target_after_the_other_is_the_server() {
    let names = ["A", "B", "C", "D"].map(TargetName::new);
    let mut governor = started(settings());
    for (n, name) in (0_i64..).zip(&names) {
        assert_eq!(others_wait(&mut governor, n), 0);
        ends(&mut governor, n, name, Some(504), None);
    }
    assert!(others_wait(&mut governor, 4) > 0);
    // an answer between two of them says that the server is there
    let mut governor = started(settings());
    for (n, name) in (0_i64..).zip(&names) {
        ends(&mut governor, n, name, Some(504), None);
        governor.sent(at(n), name, Lane::Usual, 1);
        let answer = Answered {
            items: 1,
            accepted: 1,
            ..Answered::default()
        };
        governor.answered(at(n), name, Lane::Usual, answer);
        assert_eq!(others_wait(&mut governor, n), 0);
    }
}

#[test]
fn a_time_that_the_server_names_is_kept_and_never_shortens_a_pause() {
    let cases = [
        // no time, and one that has passed or is too short: the shortest pause
        (Some(503), None, 60),
        (Some(429), Some(0), 60),
        (Some(500), Some(-5), 60),
        (Some(503), Some(10), 60),
        (Some(429), Some(600), 600),
        (Some(503), Some(3000), 3000),
        // something in between that names a time speaks for the server
        (Some(504), Some(90), 90),
        (Some(408), Some(0), 60),
        // a status that does not speak of the server, or none
        (Some(404), None, 0),
        (Some(404), Some(45), 45),
        (None, None, 0),
    ];
    for (status, retry_after, wanted) in cases {
        let mut governor = started(settings());
        ends(&mut governor, 0, &target(), status, retry_after);
        let waited = others_wait(&mut governor, 0);
        assert_eq!(waited, wanted, "{status:?} {retry_after:?}");
    }
}
