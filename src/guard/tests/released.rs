//! What a person's release from the order lets pass: one task, as it was, and nothing else.

use std::sync::Arc;

use super::*;
use crate::model::{OrderRelease, TaskId};

fn release(reason: R, other: &str, status: &str) -> OrderRelease {
    OrderRelease {
        reason,
        other: TaskId::new(other),
        status: Arc::from(status),
        until: hours(30),
    }
}

fn older(id: &str) -> Sibling {
    sibling(id, "Update Phone", Kind::Change, 9)
}

#[test]
fn a_release_lets_pass_the_one_task_that_it_names_and_no_other() {
    let mut case = Case::retry(Kind::Change).with(older("499"));
    assert_eq!(case.refusal(), Some(R::WaitsForOlder));
    case.order_releases = vec![release(R::WaitsForOlder, "499", "rejected")];
    assert_eq!(case.refusal(), None);
    // another one holds it back as before, and the refusal names that one
    let mut case = case.with(older("498"));
    let refusal = check(&case.input()).expect_err("498 is older too");
    assert_eq!(refusal.reason, R::WaitsForOlder);
    assert!(
        refusal
            .values
            .contains(&("task".to_owned(), "498".to_owned()))
    );
    case.order_releases
        .push(release(R::WaitsForOlder, "498", "rejected"));
    assert_eq!(case.refusal(), None, "each by a word of its own");
    for release in &mut case.order_releases {
        release.until = case.now;
    }
    assert_eq!(case.refusal(), Some(R::WaitsForOlder), "its time is over");
}

#[test]
fn a_release_is_for_a_reason_and_a_status() {
    for (reason, status) in [
        (R::WaitsForCreate, "rejected"),
        (R::WaitsForOlder, "pending"),
    ] {
        let mut case = Case::retry(Kind::Change).with(older("499"));
        case.order_releases = vec![release(reason, "499", status)];
        assert_eq!(case.refusal(), Some(R::WaitsForOlder), "{reason} {status}");
    }
    let create = sibling("501", "Create User", Kind::Create, 11);
    let mut grant = Case::retry(Kind::Grant).with(create);
    grant.order_releases = vec![release(R::WaitsForCreate, "501", "rejected")];
    assert_eq!(grant.refusal(), None);
}

#[test]
fn no_release_lets_anything_pass_a_revoke_a_disable_or_a_write_on_its_way() {
    let all = |other: &str| {
        [
            R::WaitsForRevoke,
            R::WaitsForCreate,
            R::WaitsForOlder,
            R::AccountBusy,
        ]
        .map(|reason| release(reason, other, "rejected"))
        .to_vec()
    };
    for kind in [Kind::Create, Kind::Grant, Kind::Change, Kind::Enable] {
        for taking in [Kind::Revoke, Kind::Disable] {
            let other = sibling("499", "Update Phone", taking, 9);
            let mut case = Case::retry(kind).with(other);
            case.order_releases = all("499");
            assert_eq!(case.refusal(), Some(R::WaitsForRevoke), "{kind} {taking}");
        }
        let mut running = older("499");
        running.attempt_open = true;
        let mut case = Case::retry(kind).with(running);
        case.order_releases = all("499");
        assert_eq!(case.refusal(), Some(R::AccountBusy), "{kind}");
        let mut case = Case::retry(kind).with(older("499"));
        case.order_releases = all("499");
        case.open_attempt_in_account = true;
        assert_eq!(case.refusal(), Some(R::AccountBusy), "{kind}");
    }
}
