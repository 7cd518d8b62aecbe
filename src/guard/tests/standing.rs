//! Whether an account is on, and when a person's time has ended.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::model::facts::UserStatus;
use crate::model::standing::{EndDate, LastDay, Standing};
use crate::model::{Kind, Known, RefusalReason as R};

use super::super::check;
use super::super::fixture::{Case, done, hours, person, sibling, standing};

const GIVES: [Kind; 4] = [Kind::Create, Kind::Grant, Kind::Change, Kind::Enable];

#[test]
fn access_is_given_on_an_account_that_is_on_and_on_no_other() {
    let said = |kind: Kind, status: &str| {
        let mut case = Case::retry(kind);
        case.is(status);
        case.refusal()
    };
    for kind in GIVES {
        for on in ["Provisioned", "ENABLED", " enabled "] {
            assert_eq!(said(kind, on), None, "{kind} {on}");
        }
        assert_eq!(said(kind, "Revoked"), Some(R::StaleGrant), "{kind}");
        assert_eq!(said(kind, "Sospeso"), Some(R::AccountUnknown), "{kind}");
        let not_yet = (kind != Kind::Create).then_some(R::AccountUnknown);
        for word in ["Provisioning", "None", "Waiting"] {
            assert_eq!(said(kind, word), not_yet, "{kind} {word}");
        }
    }
    for kind in [Kind::Create, Kind::Grant, Kind::Change] {
        assert_eq!(said(kind, "Disabled"), Some(R::StaleGrant), "{kind}");
    }
    assert_eq!(said(Kind::Revoke, "Disabled"), None);
    assert_eq!(said(Kind::Disable, "Provisioned"), None);
}

/// An enable is for an account that is off; what took it has to be from before, and still shown.
#[test]
fn an_enable_of_an_account_that_is_off_goes_where_what_took_it_is_shown() {
    let off = |with: Option<crate::model::facts::Sibling>| {
        let mut case = Case::retry(Kind::Enable);
        case.is("Disabled");
        match with {
            Some(sibling) => case.with(sibling).refusal(),
            None => case.refusal(),
        }
    };
    assert_eq!(off(None), Some(R::AccountUnknown), "archived");
    let create = done("300", "Create User", Kind::Create, 1);
    assert_eq!(off(Some(create)), Some(R::AccountUnknown), "proves nothing");
    let before = done("400", "Disable User", Kind::Disable, 5);
    assert_eq!(off(Some(before)), None);
    let after = done("600", "Disable User", Kind::Disable, 15);
    assert_eq!(off(Some(after)), Some(R::StaleGrant));
}

#[test]
fn without_a_status_the_account_itself_has_to_show_what_it_has_finished() {
    for kind in GIVES {
        let mut case = Case::retry(kind);
        case.standing = Known::Yes {
            value: Arc::new(Standing {
                accounts: Some([("700".into(), None)].into()),
                ..Standing::default()
            }),
            as_of: case.now,
        };
        let own = (kind != Kind::Create).then_some(R::AccountUnknown);
        assert_eq!(case.refusal(), own, "{kind}");
        let case = case.with(done("300", "Create User", Kind::Create, 1));
        assert_eq!(case.refusal(), None, "{kind}");
    }
    // its person's accounts are shown, and it is not among them
    let mut case = Case::retry(Kind::Grant).with(done("300", "Create User", Kind::Create, 1));
    let known = |nameless| Known::Yes {
        value: Arc::new(Standing {
            accounts: Some([("701".into(), None)].into()),
            nameless,
            ..Standing::default()
        }),
        as_of: hours(20),
    };
    case.standing = known(false);
    assert_eq!(case.refusal(), Some(R::AccountUnknown));
    // it may be the one without a key, or any other
    case.standing = known(true);
    assert_eq!(case.refusal(), Some(R::AccountUnknown));
}

/// No accounts at all are no word about this one; what is yet to be made need not be among them.
#[test]
fn where_no_accounts_are_shown_a_person_is_asked_whatever_the_account_has_finished() {
    for kind in GIVES {
        let mut case = Case::retry(kind).with(done("300", "Create User", Kind::Create, 1));
        case.standing = Known::Yes {
            value: Arc::default(),
            as_of: case.now,
        };
        let asked = (kind != Kind::Create).then_some(R::AccountUnknown);
        assert_eq!(case.refusal(), asked, "{kind}");
    }
}

#[test]
fn what_is_only_not_read_yet_is_for_nobody_and_what_failed_is_for_a_person() {
    let asks = |case: &Case| {
        let refusal = check(&case.input()).expect_err("it is not known");
        assert_eq!(refusal.reason, R::AccountUnknown);
        refusal.needs_person
    };
    let mut case = Case::retry(Kind::Grant);
    case.standing = Known::unknown("not asked for yet");
    assert!(!asks(&case));
    case.standing = Known::unknown("403");
    assert!(asks(&case));
    let old = case.now - SignedDuration::from_mins(11);
    case.standing = Known::Yes {
        value: standing("Provisioned"),
        as_of: old,
    };
    assert!(!asks(&case));
    // a create that was healed since then: the status is that of before
    let minute = case.now - SignedDuration::from_mins(1);
    case.standing = Known::Yes {
        value: standing("Provisioning"),
        as_of: minute,
    };
    assert!(!asks(&case));
    let mut case = Case::retry(Kind::Grant);
    if let Known::Yes { value, .. } = &mut case.account {
        value.from_process = false;
    }
    assert!(!asks(&case));
    case.unread = Some(Arc::from("account 700 could not be read: 403"));
    assert!(asks(&case));
    // of whom nothing is given anyway, no more is read
    let mut case = Case::retry(Kind::Grant);
    case.standing = Known::unknown("not asked for yet");
    case.beneficiary = Known::Yes {
        value: person("rkoch", UserStatus::Disabled),
        as_of: case.now,
    };
    assert_eq!(case.refusal(), Some(R::BeneficiaryNotActive));
    assert_eq!(super::super::check_all(&case.input()).len(), 1);
}

#[test]
fn who_is_past_his_last_day_is_given_nothing_and_loses_everything() {
    let ends = |kind: Kind, at: i64, as_of: i64| {
        let mut case = Case::retry(kind);
        let mut known = Standing::clone(&standing("Provisioned"));
        known.end = Some(EndDate {
            shown: Arc::from("2027-02-01"),
            over: hours(at),
        });
        case.standing = Known::Yes {
            value: Arc::new(known),
            as_of: hours(as_of),
        };
        check(&case.input()).err()
    };
    for kind in GIVES {
        let refusal = ends(kind, 20, 20).expect("it is over");
        assert_eq!(refusal.reason, R::BeneficiaryNotActive);
        assert!(refusal.needs_person);
        assert!(refusal.to_string().contains("2027-02-01"), "{refusal}");
        assert_eq!(ends(kind, 21, 20), None, "an hour is left");
        let old = ends(kind, 20, 19).expect("to be read again");
        assert_eq!(old.reason, R::AccountUnknown);
    }
    assert_eq!(ends(Kind::Disable, 20, 20), None);
}

/// Access that was given again since: a person says. What can't be read holds up no revoke.
#[test]
fn what_takes_access_is_asked_about_where_a_later_task_gave_it_again() {
    let enabled = || done("600", "Enable User", Kind::Enable, 15);
    for kind in [Kind::Revoke, Kind::Disable] {
        let case = Case::retry(kind).with(enabled());
        assert_eq!(case.refusal(), Some(R::StaleGrant), "{kind}");
        let created = done("600", "Create User", Kind::Create, 15);
        assert_eq!(
            Case::retry(kind).with(created).refusal(),
            Some(R::StaleGrant)
        );
        let before = done("400", "Enable User", Kind::Enable, 5);
        assert_eq!(Case::retry(kind).with(before).refusal(), None);
        let open = sibling("600", "Enable User", Kind::Enable, 15);
        assert_eq!(Case::retry(kind).with(open).refusal(), None, "not done");
        let grant = done("600", "Add User to Group", Kind::Grant, 15);
        assert_eq!(Case::retry(kind).with(grant).refusal(), None, "another row");
        let mut undated = Case::retry(kind).with(enabled());
        undated.dated = false;
        assert_eq!(undated.refusal(), None, "nothing is told by dates");
        // what was not tried to be read is read; what can't be read, or not in time, holds nothing up
        let mut case = Case::retry(kind);
        if let Known::Yes { value, .. } = &mut case.account {
            value.from_process = false;
        }
        assert_eq!(case.refusal(), None, "a young one waits for no reading");
        case.origin = case.now - SignedDuration::from_hours(24);
        assert_eq!(case.refusal(), Some(R::AccountUnknown));
        case.unread = Some(Arc::from("503"));
        assert_eq!(case.refusal(), None);
    }
    // a revoke of a row is undone by a grant of that row alone
    let mut revoke = Case::retry(Kind::Revoke);
    revoke.task.child = Some(Arc::from("group=a"));
    let mut grant = done("600", "Add User to Group", Kind::Grant, 15);
    grant.child = Some(Arc::from("group=b"));
    let revoke = revoke.with(grant.clone()).with(enabled());
    assert_eq!(revoke.refusal(), None);
    grant.child = Some(Arc::from("group=a"));
    assert_eq!(revoke.with(grant).refusal(), Some(R::StaleGrant));
}

#[test]
fn nobody_is_handed_work_after_his_last_day() {
    let end = |over| {
        LastDay::On(EndDate {
            shown: Arc::from("2027-02-10"),
            over,
        })
    };
    let now = Case::reassign().now;
    let later = now + SignedDuration::from_hours(1);
    let known = |value, as_of| Known::Yes { value, as_of };
    let odd = LastDay::Odd(Arc::from("soon"));
    let old = now - SignedDuration::from_hours(9);
    for (last_day, refused) in [
        (known(LastDay::NotShown, now), None),
        (known(end(later), now), None),
        (known(end(now), now), Some(R::AssigneeNotActive)),
        (known(odd, now), Some(R::AssigneeUnknown)),
        (known(LastDay::NotShown, old), Some(R::AssigneeUnknown)),
        (Known::unknown("not read"), Some(R::AssigneeUnknown)),
    ] {
        let mut case = Case::reassign();
        case.assignee().last_day = last_day.clone();
        assert_eq!(case.refusal(), refused, "{last_day:?}");
        let mut role = Case::to_role(&[("slang", UserStatus::Active)]);
        if let Known::Yes { value, .. } = &mut role.member(0).person {
            value.last_day = last_day.clone();
        }
        assert_eq!(role.refusal(), refused, "{last_day:?} of a role");
    }
}
