//! That what is said to OIG alone tells nothing of a target and holds nothing of it up, and that revokes have a place of their own.

use std::time::Duration;

use crate::model::{AttemptEvent as E, LineageId, RefusalReason as R};

use super::super::{Answered, Governor, Lane, NotAnswered};
use super::fixture::{at, governor, settings, started, target};

fn unreadable() -> NotAnswered {
    NotAnswered {
        items: 1,
        took: Duration::from_secs(1),
        hung: false,
        status: Some(200),
        retry_after: None,
    }
}

fn reason(governor: &mut Governor, second: i64, lane: Lane) -> Option<R> {
    let asked = governor.next_batch(at(second), &target(), lane, 0);
    asked.err().map(|refusal| refusal.reason)
}

#[test]
fn what_is_said_to_oig_alone_speaks_neither_against_its_target_nor_against_the_server() {
    let mut governor = governor();
    for n in 0..9 {
        governor.sent(at(n), &target(), Lane::Told, 1);
        governor.not_answered(at(n), &target(), Lane::Told, &unreadable());
        let attempt = (LineageId(u64::try_from(n).expect("small")), 1);
        governor.outcome(at(n), &target(), Lane::Told, attempt, E::ReadBounced);
    }
    assert_eq!(reason(&mut governor, 9, Lane::Told), Some(R::BreakerOpen));
    assert_eq!(reason(&mut governor, 9, Lane::Revoke), None);
    assert_eq!(reason(&mut governor, 9, Lane::Usual), None);
    assert_eq!(governor.describe(at(9)).len(), 1, "the target's own");
    assert_eq!(governor.describe(at(9))[0].breaker, "closed");
    let told = governor.describe(at(9))[0].told_breaker.clone();
    let (word, until) = told.expect("its own is open");
    assert!(word == "open" && until > Some(at(9)), "{word} {until:?}");
}

#[test]
fn nor_does_it_speak_for_it() {
    let mut governor = governor();
    for n in 0..3 {
        governor.outcome(
            at(0),
            &target(),
            Lane::Usual,
            (LineageId(n), 1),
            E::ReadBounced,
        );
    }
    for n in 3..9 {
        governor.outcome(
            at(600),
            &target(),
            Lane::Told,
            (LineageId(n), 1),
            E::ReadCompleted,
        );
    }
    assert_eq!(governor.describe(at(600))[0].breaker, "probing");
    let size = governor.next_batch(at(600), &target(), Lane::Usual, 0);
    assert_eq!(size, Ok(1));
    // and is not held up by it
    assert_eq!(reason(&mut governor, 1, Lane::Told), None);
}

#[test]
fn the_server_is_left_alone_for_it_only_where_it_asks_for_that() {
    for (status, waits) in [(500, false), (504, false), (429, true), (503, true)] {
        let mut governor = governor();
        governor.sent(at(0), &target(), Lane::Told, 1);
        let ended = NotAnswered {
            status: Some(status),
            ..unreadable()
        };
        governor.not_answered(at(0), &target(), Lane::Told, &ended);
        let asked = reason(&mut governor, 1, Lane::Revoke);
        assert_eq!(asked, waits.then_some(R::ServerBackOff), "{status}");
    }
}

#[test]
fn a_note_that_hangs_holds_no_retry_up() {
    let mut governor = governor();
    governor.sent(at(0), &target(), Lane::Told, 1);
    assert_eq!(reason(&mut governor, 0, Lane::Told), Some(R::TargetBusy));
    for lane in [Lane::Usual, Lane::Revoke] {
        assert_eq!(reason(&mut governor, 0, lane), None, "{lane:?}");
    }
    // nor do those of all targets together: of three places one is the revokes', and one the other retries'
    let others = governor.next_batch(at(0), &"Mail".into(), Lane::Told, 0);
    assert_eq!(others.map_err(|refusal| refusal.reason), Err(R::TargetBusy));
    governor.sent(at(0), &"Mail".into(), Lane::Usual, 1);
    assert_eq!(reason(&mut governor, 0, Lane::Revoke), None);
}

#[test]
fn revokes_have_a_place_of_their_own_beside_what_is_on_its_way() {
    let mut one = settings();
    one.writes_in_flight = 1;
    for settings in [settings(), one] {
        let mut governor = started(settings);
        governor.sent(at(0), &target(), Lane::Usual, 1);
        assert_eq!(reason(&mut governor, 0, Lane::Usual), Some(R::TargetBusy));
        assert_eq!(reason(&mut governor, 0, Lane::Revoke), None);
        governor.sent(at(0), &target(), Lane::Revoke, 1);
        assert_eq!(reason(&mut governor, 0, Lane::Revoke), Some(R::TargetBusy));
        let answer = Answered {
            items: 1,
            accepted: 1,
            ..Answered::default()
        };
        governor.answered(at(1), &target(), Lane::Revoke, answer);
        assert_eq!(reason(&mut governor, 1, Lane::Revoke), None, "again");
        assert_eq!(reason(&mut governor, 1, Lane::Usual), Some(R::TargetBusy));
        governor.answered(at(2), &target(), Lane::Usual, answer);
        assert_eq!(reason(&mut governor, 2, Lane::Usual), None);
    }
}

#[test]
fn it_takes_what_the_retries_leave_of_the_rate_and_revokes_wait_for_nothing_of_it() {
    let mut governor = governor();
    governor.sent(at(0), &target(), Lane::Told, 30);
    governor.answered(at(0), &target(), Lane::Told, Answered::default());
    assert_eq!(reason(&mut governor, 1, Lane::Told), Some(R::TargetRate));
    assert_eq!(reason(&mut governor, 1, Lane::Revoke), None);
    // what else is a retry goes when the minute is over
    let refused = governor
        .next_batch(at(1), &target(), Lane::Usual, 0)
        .expect_err("the minute's are sent");
    assert_eq!(
        (refused.reason, refused.until),
        (R::TargetRate, Some(at(60)))
    );
    assert_eq!(reason(&mut governor, 60, Lane::Usual), None);
    let mut governor = started(settings());
    governor.sent(at(0), &target(), Lane::Usual, 30);
    governor.answered(at(0), &target(), Lane::Usual, Answered::default());
    let refused = governor
        .next_batch(at(1), &target(), Lane::Told, 0)
        .expect_err("nothing is left");
    assert_eq!(
        (refused.reason, refused.until),
        (R::TargetRate, Some(at(60)))
    );
}

#[test]
fn where_retries_go_half_of_the_rate_is_theirs() {
    let mut governor = governor();
    governor.sent(at(0), &target(), Lane::Usual, 1);
    governor.answered(at(0), &target(), Lane::Usual, Answered::default());
    governor.sent(at(0), &target(), Lane::Told, 15);
    governor.answered(at(0), &target(), Lane::Told, Answered::default());
    assert_eq!(reason(&mut governor, 1, Lane::Told), Some(R::TargetRate));
    assert_eq!(reason(&mut governor, 1, Lane::Usual), None);
}
