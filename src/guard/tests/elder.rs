//! Guards: work that was retried before it was first seen, and revokes that were closed as UC.

use jiff::SignedDuration;

use super::super::check;
use super::super::elder::Since;
use super::super::fixture::{Case, done, hours, sibling};
use crate::model::{Kind, RefusalReason as R, TaskStatus};

/// OIG tells people to close so what they have done by hand.
#[test]
fn a_later_revoke_that_was_closed_as_uc_is_asked_about_unless_its_retry_is_shown() {
    let mut closed = done("600", "Remove From Group", Kind::Revoke, 15);
    closed.status = TaskStatus::UnsuccessfullyCompleted;
    let grant = || Case::retry(Kind::Grant).with(closed.clone());
    assert_eq!(grant().refusal(), Some(R::AccountUnknown));
    let mut next = done("601", "Remove From Group", Kind::Revoke, 16);
    assert_eq!(grant().with(next.clone()).refusal(), Some(R::StaleGrant));
    // that one says nothing of the first
    next.status = TaskStatus::Cancelled;
    assert_eq!(grant().with(next).refusal(), Some(R::AccountUnknown));
    let mut earlier = closed.clone();
    earlier.origin = hours(5);
    assert_eq!(
        Case::retry(Kind::Grant).with(earlier).refusal(),
        None,
        "from before the grant"
    );
}

#[test]
fn work_that_was_retried_before_it_was_seen_is_as_old_as_its_elder() {
    let elder = |number| {
        Some(Since {
            at: hours(2),
            first: Some(number),
        })
    };
    let later = done("400", "Disable User", Kind::Disable, 5);
    let mut enable = Case::retry(Kind::Enable).with(later);
    assert_eq!(enable.refusal(), None);
    enable.elder.lost = true;
    assert_eq!(enable.refusal(), Some(R::StaleGrant));
    enable.elder.lost = false;
    enable.elder.may = elder(300);
    assert_eq!(enable.refusal(), Some(R::StaleGrant));
    let again = done("400", "Enable User", Kind::Enable, 5);
    let mut disable = Case::retry(Kind::Disable).with(again);
    // what only may be older does not hold up what takes access
    disable.elder.may = elder(300);
    assert_eq!(disable.refusal(), None);
    disable.elder.likely = elder(300);
    assert_eq!(disable.refusal(), Some(R::StaleGrant));
    // two that may both be the retry of one wait for a person
    let mut twin = sibling("499", "Update Phone", Kind::Change, 2);
    twin.first = Some(300);
    let mut change = Case::retry(Kind::Change).with(twin);
    change.elder.may = elder(300);
    let refused = check(&change.input()).expect_err("refused");
    assert_eq!(
        (refused.reason, refused.needs_person),
        (R::WaitsForOlder, true)
    );
}

/// Whoever releases by age is told the date of a task; that its work is older is known once its account was read.
#[test]
fn work_that_is_found_older_than_the_age_limit_is_released_once_more() {
    let mut case = Case::retry(Kind::Change);
    case.released_by_age = true;
    case.elder.may = Some(Since {
        at: case.now - case.limits.age_limit - SignedDuration::from_hours(1),
        first: Some(300),
    });
    assert_eq!(case.refusal(), Some(R::TooOld));
    case.released_old = true;
    assert_eq!(case.refusal(), None);
}
