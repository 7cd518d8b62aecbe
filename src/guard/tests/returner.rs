//! An older order to take access that our own retry has carried out only now, and what has to be shown for work that hangs on finished tasks.

use super::super::fixture::standing;
use super::*;
use crate::model::standing::{EndDate, Standing};

/// A disable of hour 5 that our retry has carried out at hour 15.
fn ours() -> Sibling {
    Sibling {
        ordered: Some(hours(5)),
        ..done("600", "Disable User", Kind::Disable, 15)
    }
}

fn off(kind: Kind) -> Case {
    let mut case = Case::retry(kind);
    case.is("Disabled");
    case
}

#[test]
fn an_older_order_that_we_have_carried_out_now_does_not_make_younger_work_stale() {
    assert_eq!(off(Kind::Enable).with(ours()).refusal(), None);
    let given = done("601", "Enable User", Kind::Enable, 16);
    let grant = Case::retry(Kind::Grant).with(ours());
    assert_eq!(grant.with(given).refusal(), None);
    // what was ordered before it is stale, as ever
    for ordered in [None, Some(hours(10)), Some(hours(11))] {
        let later = Sibling { ordered, ..ours() };
        assert_eq!(off(Kind::Enable).with(later).refusal(), Some(R::StaleGrant));
    }
    let real = done("602", "Disable User", Kind::Disable, 16);
    let both = off(Kind::Enable).with(ours()).with(real);
    assert_eq!(both.refusal(), Some(R::StaleGrant));
    let mut undated = off(Kind::Enable).with(ours());
    undated.dated = false;
    assert_eq!(undated.refusal(), Some(R::StaleGrant));
    let mut lost = off(Kind::Enable).with(ours());
    lost.elder.lost = true;
    assert_eq!(lost.refusal(), Some(R::StaleGrant));
}

#[test]
fn what_needs_the_account_on_waits_for_the_younger_enable_that_is_open() {
    let enable = |at| sibling("601", "Enable User", Kind::Enable, at);
    for status in ["Disabled", "Provisioned"] {
        let grant = |at| {
            let mut case = Case::retry(Kind::Grant).with(ours()).with(enable(at));
            case.is(status);
            case.refusal()
        };
        assert_eq!(grant(8), Some(R::AccountBusy));
        assert_eq!(grant(12), Some(R::AccountBusy));
        // that one gives nothing back that the disable took
        assert_eq!(grant(4), Some(R::StaleGrant));
    }
    // whoever has carried out the older order
    let theirs = || done("400", "Disable User", Kind::Disable, 5);
    let grant = |at| Case::retry(Kind::Grant).with(theirs()).with(enable(at));
    assert_eq!(grant(8).refusal(), Some(R::AccountBusy));
    assert_eq!(grant(4).refusal(), Some(R::StaleGrant));
    let alone = Case::retry(Kind::Grant).with(ours());
    assert_eq!(alone.refusal(), Some(R::StaleGrant));
}

#[test]
fn what_is_not_read_back_yet_makes_nothing_stale() {
    let unsettled = || Sibling {
        ordered: None,
        unsettled: true,
        ..ours()
    };
    for kind in [Kind::Enable, Kind::Grant] {
        assert_eq!(off(kind).with(unsettled()).refusal(), Some(R::AccountBusy));
        let real = done("602", "Disable User", Kind::Disable, 16);
        let both = off(kind).with(unsettled()).with(real);
        assert_eq!(both.refusal(), Some(R::StaleGrant));
    }
    // an attempt of the older order is open, and the account is off by it already
    let taking = Sibling {
        attempt_open: true,
        ..sibling("400", "Disable User", Kind::Disable, 5)
    };
    let grant = off(Kind::Grant).with(taking);
    assert_eq!(grant.refusal(), Some(R::AccountUnknown));
}

#[test]
fn an_enable_of_an_account_that_we_have_switched_off_asks_whether_anything_is_archived() {
    let mut case = off(Kind::Enable).with(ours());
    case.finished_from = None;
    assert_eq!(case.refusal(), Some(R::AccountUnknown));
    let made = done("300", "Create User", Kind::Create, 1);
    assert_eq!(case.with(made).refusal(), None);
}

#[test]
fn the_accounts_own_create_tells_that_nothing_after_it_is_archived() {
    let hangs = |status: TaskStatus, at| {
        let mut case = Case::retry(Kind::Grant).with(Sibling {
            status,
            ..done("300", "Create User", Kind::Create, at)
        });
        case.finished_from = None;
        case.refusal()
    };
    assert_eq!(hangs(TaskStatus::Completed, 1), None);
    assert_eq!(hangs(TaskStatus::Completed, 12), Some(R::AccountUnknown));
    for status in [TaskStatus::ManuallyCompleted, TaskStatus::closed()] {
        assert_eq!(hangs(status, 1), Some(R::AccountUnknown));
    }
    let mut lost = Case::retry(Kind::Grant);
    lost.elder.lost = true;
    assert_eq!(lost.refusal(), Some(R::AccountUnknown));
}

/// A disable of thirty hours ago whose account shows a younger enable that is open, and is on.
fn long_open() -> Case {
    let enable = sibling("601", "Enable User", Kind::Enable, 12);
    let mut case = Case::retry(Kind::Disable).with(enable);
    case.origin = hours(-10);
    case
}

#[test]
fn an_old_disable_waits_for_a_person_with_the_younger_enable_that_could_not_follow_it() {
    let refusal = check(&long_open().input()).expect_err("what is archived is not known");
    let said = (refusal.reason, refusal.needs_person);
    assert_eq!(said, (R::AccountUnknown, true));
    let told = |name: &str| refusal.values.iter().any(|(of, _)| of == name);
    assert!(told("task") && told("definition"), "{refusal:?}");
    // nothing is archived: it goes, and the enable after it
    let mut shown = long_open();
    shown.finished_from = Some(hours(-20));
    assert_eq!(shown.refusal(), None);
    let made = done("300", "Create User", Kind::Create, -20);
    assert_eq!(long_open().with(made).refusal(), None);
    // nothing is to follow it
    let mut before = long_open();
    let mut alone = long_open();
    if let Known::Yes { value, .. } = &mut before.account {
        value.tasks[0].origin = hours(-15);
    }
    if let Known::Yes { value, .. } = &mut alone.account {
        value.tasks.clear();
    }
    assert_eq!((before.refusal(), alone.refusal()), (None, None));
    // a young one waits for nothing, nor does what takes the account for good, nor what can't be read
    let mut young = long_open();
    young.origin = hours(10);
    assert_eq!(young.refusal(), None);
    let mut revoke = long_open();
    revoke.kind = Kind::Revoke;
    assert_eq!(revoke.refusal(), None);
    let mut unread = long_open();
    unread.unread = Some(Arc::from("403"));
    if let Known::Yes { value, .. } = &mut unread.account {
        value.from_process = false;
    }
    assert_eq!(unread.refusal(), None);
}

#[test]
fn who_is_gone_is_switched_off_whatever_is_open_in_his_account() {
    for status in [UserStatus::Disabled, UserStatus::Deleted] {
        let mut case = long_open();
        case.beneficiary = Known::Yes {
            value: person("rkoch", status),
            as_of: case.now,
        };
        assert_eq!(case.refusal(), None);
    }
    let mut case = long_open();
    case.beneficiary = Known::unknown("not asked for yet");
    assert_eq!(case.refusal(), Some(R::BeneficiaryUnknown));
    case.beneficiary = Known::unknown("403");
    assert_eq!(case.refusal(), Some(R::AccountUnknown));
    let mut ended = long_open();
    let mut known = Standing::clone(&standing("Provisioned"));
    known.end = Some(EndDate {
        shown: Arc::from("2027-02-01"),
        over: hours(15),
    });
    ended.standing = Known::Yes {
        value: Arc::new(known),
        as_of: ended.now,
    };
    assert_eq!(ended.refusal(), None);
}
