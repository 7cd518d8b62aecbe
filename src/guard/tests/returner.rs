//! An older order to take access that our own retry has carried out only now, and what has to be shown for work that hangs on finished tasks.

use super::*;

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
