//! A PUT that ended without an answer tells how long it took at least: the next one to its target is smaller, until answers say otherwise.

use std::time::Duration;

use proptest::prelude::*;

use crate::model::{AttemptEvent as E, LineageId, TargetName};

use super::super::{Answered, Failed, Governor, Lane};
use super::fixture::{at, modes, settings, started, target};

/// Sends as much as may go, which is not answered within so many seconds.
fn hangs(governor: &mut Governor, seconds: u64) -> usize {
    let size = next(governor, &target());
    let items = u32::try_from(size).expect("small");
    governor.sent(at(0), &target(), Lane::Usual, items);
    let known = Failed {
        items,
        took: Duration::from_secs(seconds),
        too_long: true,
    };
    governor.request_hung(at(0), &target(), Lane::Usual, &known);
    size
}

fn next(governor: &mut Governor, target: &TargetName) -> usize {
    governor
        .next_batch(at(0), target, Lane::Usual, 0)
        .expect("something may go")
}

/// A governor that sends 25 items at once, without a breaker or a rate in the way.
fn grown() -> Governor {
    let mut settings = settings();
    settings.default.batch_start = 25;
    settings.default.per_minute = 10_000;
    settings.default.breaker_after = 99;
    started(settings)
}

/// One full PUT is answered after so many seconds, and its items are read as completed.
fn answers(governor: &mut Governor, seconds: u64, first: u64) -> usize {
    let size = next(governor, &target());
    let items = u32::try_from(size).expect("small");
    governor.sent(at(0), &target(), Lane::Usual, items);
    let answer = Answered {
        items,
        accepted: items,
        took: Duration::from_secs(seconds),
        ..Answered::default()
    };
    governor.answered(at(0), &target(), Lane::Usual, answer);
    for n in 0..u64::from(items) {
        governor.outcome(
            at(0),
            &target(),
            Lane::Usual,
            (LineageId(first + n), 1),
            E::ReadCompleted,
        );
    }
    size
}

#[test]
fn a_batch_that_took_too_long_is_followed_by_one_of_half_its_size_or_less_down_to_one() {
    let mut governor = grown();
    // the learned time alone would still allow 25 of 1 second each, below a batch time of 200 seconds
    let sizes: Vec<usize> = (0..6).map(|_| hangs(&mut governor, 25)).collect();
    assert_eq!(sizes, [25, 12, 6, 3, 1, 1]);
    let other = TargetName::new("Mail");
    assert_eq!(
        next(&mut governor, &other),
        25,
        "no other target pays for it"
    );
}

#[test]
fn the_time_that_it_took_at_least_bounds_the_next_one() {
    let mut governor = grown();
    assert_eq!(hangs(&mut governor, 600), 25);
    // 24 seconds each, 200 seconds a batch
    assert_eq!(next(&mut governor, &target()), 8);
    // quick ones before it don't make it less
    let mut quick = grown();
    for n in 0..5 {
        assert_eq!(answers(&mut quick, 1, 100 * n), 25);
    }
    assert_eq!(hangs(&mut quick, 600), 25);
    assert_eq!(next(&mut quick, &target()), 8);
}

#[test]
fn a_single_item_that_took_too_long_leaves_room_for_single_ones_only() {
    let mut governor = grown();
    governor.sent(at(0), &target(), Lane::Usual, 1);
    let known = Failed {
        items: 1,
        took: Duration::from_secs(600),
        too_long: true,
    };
    governor.request_hung(at(0), &target(), Lane::Usual, &known);
    assert_eq!(next(&mut governor, &target()), 1);
}

#[test]
fn answers_let_it_grow_again_as_far_as_their_time_allows() {
    let mut governor = grown();
    hangs(&mut governor, 600);
    let sizes: Vec<usize> = (0..20)
        .map(|n| answers(&mut governor, 2, 1000 * (n + 1)))
        .collect();
    assert_eq!(sizes[0], 8);
    assert!(sizes.is_sorted(), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&25));
    // one that stays slow stays small: 20 seconds each
    let mut slow = grown();
    hangs(&mut slow, 600);
    let mut last = 0;
    for n in 0..40 {
        let each = u64::try_from(next(&mut slow, &target())).expect("small") * 20;
        last = answers(&mut slow, each, 1000 * (n + 1));
    }
    assert_eq!(
        last, 9,
        "a tenth would take 200 seconds and what is left of the time-out"
    );
}

#[test]
fn what_failed_for_another_reason_teaches_its_time_and_no_more() {
    let mut governor = grown();
    let known = |seconds| Failed {
        items: 25,
        took: Duration::from_secs(seconds),
        too_long: false,
    };
    // reset at once: no word of any time
    governor.sent(at(0), &target(), Lane::Usual, 25);
    governor.whole_request_failed(at(0), &target(), Lane::Usual, Some(&known(0)));
    assert_eq!(next(&mut governor, &target()), 25);
    // never sent: the same
    governor.sent(at(0), &target(), Lane::Usual, 25);
    governor.whole_request_failed(at(0), &target(), Lane::Usual, None);
    assert_eq!(next(&mut governor, &target()), 25);
    // the server gave up after five minutes
    governor.sent(at(0), &target(), Lane::Usual, 25);
    governor.answered(
        at(0),
        &target(),
        Lane::Usual,
        Answered {
            items: 25,
            accepted: 25,
            ..Answered::default()
        },
    );
    governor.sent(at(0), &target(), Lane::Usual, 25);
    governor.whole_request_failed(at(0), &target(), Lane::Usual, Some(&known(300)));
    assert_eq!(next(&mut governor, &target()), 16);
}

#[test]
fn what_a_time_out_has_taught_is_remembered_over_a_restart() {
    let mut before = grown();
    hangs(&mut before, 600);
    let text = serde_json::to_string(&before.state()).expect("it can be stored");
    let state = serde_json::from_str(&text).expect("it can be read");
    let mut settings = settings();
    settings.default.batch_start = 25;
    let mut after = Governor::new(settings, modes(), Some(state), at(1));
    after.set_standing(super::super::Standing::good());
    assert_eq!(after.next_batch(at(100), &target(), Lane::Usual, 0), Ok(8));
}

proptest! {
    #[test]
    fn a_batch_that_took_too_long_is_never_followed_by_one_that_is_more_than_half_of_it(
        taken in proptest::collection::vec((0_u64..2000, any::<bool>()), 1..30),
    ) {
        let mut governor = grown();
        for (n, (seconds, hung)) in (0..).zip(taken) {
            if hung {
                let size = hangs(&mut governor, seconds);
                let after = next(&mut governor, &target());
                prop_assert!(after >= 1 && after <= (size / 2).max(1), "{size}, then {after}");
            } else {
                answers(&mut governor, seconds, 1000 * n);
            }
        }
    }
}
