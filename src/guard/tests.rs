//! What each guard refuses and what it lets pass.

mod age;
mod elder;
mod hint;
mod released;
mod returner;
mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::model::facts::{Absence, AbsenceSource, AccountView, Sibling, UserStatus};
use crate::model::{
    Action, Kind, Known, Login, Owner, Principal, RefusalReason as R, RoleKey, TaskStatus,
};

use super::fixture::{Case, done, hours, no_status, person, sibling};
use super::{check, check_all, guard_names, needs};

#[test]
fn a_clean_retry_of_every_named_kind_passes_and_the_proof_names_it() {
    for kind in Kind::ALL.into_iter().filter(|k| *k != Kind::Unknown) {
        let mut case = Case::retry(kind);
        case.named = true;
        let passed = check(&case.input()).expect("nothing is wrong");
        assert_eq!(passed.task(), &case.task.id);
        assert_eq!(passed.version(), case.task.version());
        assert!(check_all(&case.input()).is_empty());
    }
    assert_eq!(
        guard_names().collect::<BTreeSet<_>>().len(),
        guard_names().count()
    );
}

#[test]
fn to_name_a_definition_does_not_lift_an_unknown_kind() {
    for action in [
        Action::Retry,
        Action::ManualComplete,
        Case::reassign().action,
    ] {
        let mut case =
            Case::retry(Kind::Unknown).with(done("600", "Delete User", Kind::Revoke, 15));
        case.named = true;
        case.limits.manual_complete = vec!["*/*".to_owned()];
        case.action = action;
        assert_eq!(case.refusal(), Some(R::KindUnknown));
    }
    for kind in [Kind::Password, Kind::Notify] {
        let mut case = Case::retry(kind);
        case.named = true;
        assert_eq!(case.refusal(), None, "what naming is for");
    }
}

/// One spoiled case for each reason that the guards give.
fn spoiled() -> Vec<(R, Case)> {
    let mut all = Vec::new();
    let mut add = |reason, case: Case, spoil: &dyn Fn(&mut Case)| {
        let mut case = case;
        spoil(&mut case);
        all.push((reason, case));
    };
    let grant = || Case::retry(Kind::Grant);
    add(R::KindUnknown, Case::retry(Kind::Unknown), &|_| {});
    add(R::KindNeedsNaming, Case::retry(Kind::Password), &|_| {});
    add(R::KindNeedsNaming, Case::retry(Kind::Notify), &|_| {});
    add(R::StatusNotActionable, grant(), &|c| {
        c.task.status = TaskStatus::Pending;
    });
    add(R::StatusNotActionable, Case::reassign(), &|c| {
        c.task.status = TaskStatus::Unknown(Arc::from("QX"));
    });
    add(R::DefinitionManual, grant(), &|c| {
        c.definition_manual = true
    });
    add(R::BeneficiaryNotActive, grant(), &|c| {
        c.beneficiary = Known::Yes {
            value: person("rkoch", UserStatus::Disabled),
            as_of: c.now,
        };
    });
    add(R::BeneficiaryUnknown, grant(), &|c| {
        c.beneficiary = Known::unknown("timed out");
    });
    add(R::BeneficiaryUnknown, grant(), &|c| {
        c.beneficiary = Known::Yes {
            value: person("rkoch", UserStatus::Active),
            as_of: c.now - SignedDuration::from_mins(11),
        };
    });
    add(R::BeneficiaryUnknown, grant(), &|c| {
        c.task.beneficiary = Some(Login::new("somebody else"));
    });
    add(
        R::StaleGrant,
        grant().with(sibling("501", "Delete User", Kind::Revoke, 11)),
        &|_| {},
    );
    add(
        R::StaleGrant,
        grant().with(done("499", "Disable User", Kind::Disable, 9)),
        &|_| {},
    );
    add(R::AccountUnknown, grant(), &|c| {
        c.account = Known::unknown("timed out");
    });
    add(R::AccountUnknown, grant(), &|c| {
        c.account = Known::Yes {
            value: AccountView {
                tasks: Vec::new(),
                from_process: false,
                own_now: None,
            },
            as_of: c.now,
        };
    });
    add(
        R::AccountUnknown,
        grant().with(sibling("501", "Zap", Kind::Unknown, 11)),
        &|_| {},
    );
    // whoever hides what is finished hides what took the access away
    add(R::AccountUnknown, grant(), &|c| c.finished_shown = false);
    // and whoever shows what is younger alone hides what is older
    for spoil in [None, Some(hours(11))] {
        add(R::AccountUnknown, grant(), &|c| c.finished_from = spoil);
        add(R::AccountUnknown, Case::retry(Kind::Create), &|c| {
            c.standing = Known::Yes {
                value: no_status(),
                as_of: c.now,
            };
            c.finished_from = spoil;
        });
    }
    let newer = done("501", "Update Phone", Kind::Change, 11);
    add(R::Overtaken, Case::retry(Kind::Change).with(newer), &|_| {});
    add(R::StaleGrant, grant(), &|c| c.is("Disabled"));
    add(R::StaleGrant, Case::retry(Kind::Disable), &|c| {
        c.history.stale = true;
    });
    // seen later than that was done, and not dated: it may be older
    add(
        R::StaleGrant,
        Case::retry(Kind::Enable).with(done("499", "Disable User", Kind::Disable, 9)),
        &|c| c.dated = false,
    );
    add(R::SiblingsUnknown, Case::retry(Kind::Revoke), &|c| {
        c.by_process = true;
        c.account = Known::unknown("timed out");
    });
    add(
        R::WaitsForCreate,
        grant().with(sibling("501", "Create User", Kind::Create, 11)),
        &|_| {},
    );
    add(
        R::WaitsForOlder,
        Case::retry(Kind::Change).with(sibling("499", "update phone", Kind::Change, 9)),
        &|_| {},
    );
    add(
        R::WaitsForRevoke,
        grant().with(sibling("499", "Disable User", Kind::Disable, 9)),
        &|_| {},
    );
    add(R::AccountBusy, Case::retry(Kind::Revoke), &|c| {
        c.open_attempt_in_account = true;
    });
    add(R::AttemptOpen, grant(), &|c| c.attempt_open = true);
    add(R::LineageAmbiguous, grant(), &|c| {
        c.lineage_ambiguous = true
    });
    add(R::AssigneeNotActive, Case::reassign(), &|c| {
        c.assignee().person.status = UserStatus::Deleted;
    });
    add(R::AssigneeAway, Case::reassign(), &|c| {
        c.assignee().away = Some(Absence {
            from: None,
            until: Some(hours(90)),
            source: AbsenceSource::Feed {
                row: "leave.csv:4".to_owned(),
            },
        });
    });
    add(R::AssigneeIsBeneficiary, Case::reassign(), &|c| {
        c.task.beneficiary = Some(Login::new("SLang"));
    });
    add(R::AssigneeUnknown, Case::reassign(), &|c| c.assignee = None);
    add(R::AssigneeOverLoad, Case::reassign(), &|c| {
        c.assignee().load = 5
    });
    add(R::DelegationLoop, Case::reassign(), &|c| {
        c.history.former_owners.push(Principal::User {
            key: None,
            login: Login::new("slang"),
        });
    });
    add(R::AlreadyAssigned, Case::reassign(), &|c| {
        c.task.owner = Owner::User {
            key: None,
            login: Some(Login::new("slang")),
        };
    });
    add(R::TooOld, grant(), &|c| c.now = hours(10 + 14 * 24 + 1));
    add(R::Baseline, grant(), &|c| c.baseline = true);
    add(R::ActionNotAllowed, grant(), &|c| {
        c.action = Action::ManualComplete;
    });
    add(R::FactUnknown, Case::retry(Kind::Notify), &|c| {
        c.named = true;
        c.account = Known::unknown("timed out");
    });
    all
}

#[test]
fn each_reason_of_the_guards_can_be_produced() {
    for (reason, case) in spoiled() {
        assert_eq!(case.refusal(), Some(reason));
        assert_eq!(
            check_all(&case.input())
                .first()
                .map(|refusal| refusal.reason),
            Some(reason)
        );
    }
    let produced: BTreeSet<R> = spoiled().into_iter().map(|(reason, _)| reason).collect();
    // the guards' reasons are those before the governor's first in the docs' order
    for reason in R::ALL.iter().take_while(|reason| **reason != R::ModeOff) {
        assert!(produced.contains(reason), "no guard refuses with {reason}");
    }
}

#[test]
fn revoke_and_disable_wait_for_nothing_but_a_write_in_flight() {
    for kind in [Kind::Revoke, Kind::Disable] {
        let mut case = Case::retry(kind)
            .with(sibling("400", "Create User", Kind::Create, 1))
            .with(sibling("401", "Add To Group", Kind::Grant, 2))
            .with(sibling("402", "Update Phone", Kind::Change, 3))
            .with(sibling("600", "Delete User", Kind::Revoke, 12));
        assert_eq!(case.refusal(), None);
        case.account = Known::unknown("timed out");
        case.beneficiary = Known::unknown("timed out");
        assert_eq!(case.refusal(), None, "no fact can hold it up");
        let mut busy = Case::retry(kind);
        let mut other = sibling("402", "Update Phone", Kind::Change, 3);
        other.attempt_open = true;
        busy = busy.with(other);
        assert_eq!(
            busy.refusal(),
            None,
            "a successor that waits for hours is no write in flight"
        );
        busy.open_attempt_in_account = true;
        assert_eq!(busy.refusal(), Some(R::AccountBusy));
    }
}

#[test]
fn what_was_never_answered_holds_the_account_until_its_time_is_over() {
    for kind in [Kind::Grant, Kind::Revoke, Kind::Change] {
        let mut case = Case::retry(kind);
        let now = case.now;
        assert_eq!(case.refusal(), None, "{kind}");
        let later = now.saturating_add(jiff::SignedDuration::from_secs(1));
        case.late_until = later.ok();
        assert_eq!(case.refusal(), Some(R::AccountBusy), "{kind}");
        case.late_until = Some(now);
        assert_eq!(case.refusal(), None, "{kind}");
    }
}

#[test]
fn siblings_of_one_definition_wait_only_for_their_own_row() {
    let mut case = Case::retry(Kind::Grant);
    case.task.child = Some(Arc::from("group=a"));
    let mut other = sibling("499", "Update Phone", Kind::Grant, 9);
    other.child = Some(Arc::from("group=b"));
    let case = case.with(other.clone());
    assert_eq!(case.refusal(), None);
    other.child = Some(Arc::from("group=a"));
    assert_eq!(case.with(other).refusal(), Some(R::WaitsForOlder));
    // rows not shown: oldest first, also for grants
    let hidden = || sibling("499", "Update Phone", Kind::Grant, 9);
    assert_eq!(
        Case::retry(Kind::Grant).with(hidden()).refusal(),
        Some(R::WaitsForOlder)
    );
    let younger = sibling("501", "Update Phone", Kind::Grant, 11);
    assert_eq!(
        Case::retry(Kind::Grant).with(younger.clone()).refusal(),
        None
    );
    // one of which nobody can say whose successor it is may stand for an older one
    let ambiguous = Sibling {
        ambiguous: true,
        ..younger
    };
    assert_eq!(
        Case::retry(Kind::Grant).with(ambiguous).refusal(),
        Some(R::WaitsForOlder)
    );
    let elsewhere = sibling("499", "Update Room", Kind::Change, 9);
    assert_eq!(Case::retry(Kind::Change).with(elsewhere).refusal(), None);
}

#[test]
fn order_goes_by_origin_and_not_by_the_present_id() {
    // a retried older change has the higher id
    let older = sibling("900", "Update Phone", Kind::Change, 9);
    assert_eq!(
        Case::retry(Kind::Change).with(older).refusal(),
        Some(R::WaitsForOlder)
    );
    // equal origins: the lower id goes first, and exactly one of the two goes
    let twin = |id: &str| sibling(id, "Update Phone", Kind::Change, 10);
    assert_eq!(
        Case::retry(Kind::Change).with(twin("499")).refusal(),
        Some(R::WaitsForOlder)
    );
    assert_eq!(Case::retry(Kind::Change).with(twin("501")).refusal(), None);
    // which is the lower one is told by the ids that the work had first
    let retried = |first| Sibling {
        first: Some(first),
        ..twin("900")
    };
    assert_eq!(
        Case::retry(Kind::Change).with(retried(499)).refusal(),
        Some(R::WaitsForOlder)
    );
    assert_eq!(Case::retry(Kind::Change).with(retried(501)).refusal(), None);
    let mut ours = Case::retry(Kind::Change).with(twin("499"));
    ours.first = Some(498);
    assert_eq!(ours.refusal(), None);
}

#[test]
fn an_enable_after_a_disable_is_not_stale_but_before_it_is() {
    let enable = || Case::retry(Kind::Enable);
    let before = done("400", "Disable User", Kind::Disable, 5);
    assert_eq!(enable().with(before).refusal(), None);
    let after = done("600", "Disable User", Kind::Disable, 15);
    assert_eq!(enable().with(after).refusal(), Some(R::StaleGrant));
    // a grant on an account that was disabled and enabled again before it
    let grant = Case::retry(Kind::Grant)
        .with(done("400", "Disable User", Kind::Disable, 5))
        .with(done("401", "Enable User", Kind::Enable, 6));
    assert_eq!(grant.refusal(), None);
}

/// Servers show finished tasks for some time only.
#[test]
fn what_was_stale_once_stays_so_until_the_account_tells_why_not() {
    let stale = |kind| {
        let mut case = Case::retry(kind);
        case.history.stale = true;
        case
    };
    let change = || stale(Kind::Change);
    assert_eq!(change().refusal(), Some(R::StaleGrant), "nothing is shown");
    let before = done("400", "Enable User", Kind::Enable, 5);
    assert_eq!(change().with(before).refusal(), Some(R::StaleGrant));
    // there may have been another one that was done
    let mut cancelled = done("600", "Disable User", Kind::Disable, 15);
    cancelled.status = TaskStatus::Cancelled;
    assert_eq!(change().with(cancelled).refusal(), Some(R::StaleGrant));
    let given = done("600", "Enable User", Kind::Enable, 15);
    assert_eq!(change().with(given.clone()).refusal(), None);
    // an account that is given back brings no row of it
    let mut grant = stale(Kind::Grant).with(given);
    assert_eq!(grant.refusal(), Some(R::StaleGrant));
    grant.task.child = Some(Arc::from("group=a"));
    assert_eq!(grant.refusal(), Some(R::StaleGrant));
    let mut row = done("601", "Add To Group", Kind::Grant, 15);
    row.child = Some(Arc::from("group=a"));
    assert_eq!(grant.with(row).refusal(), None);
}

#[test]
fn a_revoke_of_another_row_does_not_make_a_grant_stale() {
    let mut case = Case::retry(Kind::Grant);
    case.task.child = Some(Arc::from("group=a"));
    let mut taken = done("600", "Remove From Group", Kind::Revoke, 15);
    taken.child = Some(Arc::from("group=b"));
    let case = case.with(taken.clone());
    assert_eq!(case.refusal(), None);
    taken.child = Some(Arc::from("group=a"));
    assert_eq!(case.with(taken.clone()).refusal(), Some(R::StaleGrant));
    // the grant does not show its row: it may be that one
    assert_eq!(
        Case::retry(Kind::Grant).with(taken).refusal(),
        Some(R::StaleGrant)
    );
}

#[test]
fn cancelled_revokes_take_nothing_and_unsuccessful_ones_are_asked_about() {
    for (status, refused) in [
        (TaskStatus::Cancelled, None),
        // a person may have done the work and closed it so
        (TaskStatus::UnsuccessfullyCompleted, Some(R::AccountUnknown)),
        (TaskStatus::closed(), Some(R::StaleGrant)),
    ] {
        let mut other = done("600", "Delete User", Kind::Revoke, 15);
        other.status = status;
        assert_eq!(Case::retry(Kind::Grant).with(other).refusal(), refused);
    }
}

#[test]
fn manual_complete_is_allowed_by_definition_but_never_for_what_takes_access() {
    for kind in Kind::ALL {
        let mut case = Case::retry(kind);
        case.named = true;
        case.action = Action::ManualComplete;
        case.limits.manual_complete = vec!["*/*".to_owned()];
        let expected = match kind {
            Kind::Unknown => Some(R::KindUnknown),
            _ => kind.takes_access().then_some(R::ActionNotAllowed),
        };
        assert_eq!(case.refusal(), expected, "{kind}");
        case.action = Action::SetResponse {
            code: Arc::from("DONE"),
        };
        let refused = match kind {
            Kind::Unknown => R::KindUnknown,
            _ => R::ActionNotAllowed,
        };
        assert_eq!(case.refusal(), Some(refused), "not its own list");
    }
}

#[test]
fn a_role_takes_work_when_its_key_was_read_and_a_member_can_do_it() {
    let mut case = Case::to_role(&[("slang", UserStatus::Active)]);
    assert_eq!(case.refusal(), None);
    assert!(needs(case.kind, &case.action).assignee);
    let role = case.action.clone();
    case.action = Action::Reassign {
        to: Principal::Role {
            key: None,
            name: Arc::from("Fulfilment"),
        },
    };
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    case.action = role;
    case.task.owner = Owner::Role {
        key: Some(RoleKey::new("12")),
        name: None,
    };
    assert_eq!(case.refusal(), Some(R::AlreadyAssigned));
}

#[test]
fn a_role_in_which_nobody_can_do_the_work_is_not_handed_it() {
    use UserStatus::{Active, Deleted, Disabled};
    let away = |until| {
        Some(Absence {
            from: None,
            until,
            source: AbsenceSource::Feed {
                row: "leave.csv:4".to_owned(),
            },
        })
    };
    let stays_away = |case: &mut Case, at: usize, until| {
        if let Known::Yes { value, .. } = &mut case.member(at).person {
            value.away = away(until);
        }
    };
    assert_eq!(Case::to_role(&[]).refusal(), Some(R::AssigneeNotActive));
    let gone = Case::to_role(&[("slang", Disabled), ("jdoe", Deleted)]);
    assert_eq!(gone.refusal(), Some(R::AssigneeNotActive));
    // the case's beneficiary is RKOCH
    let own = Case::to_role(&[("rkoch", Active), ("jdoe", Deleted)]);
    assert_eq!(own.refusal(), Some(R::AssigneeIsBeneficiary));
    let mut case = Case::to_role(&[("slang", Active), ("jdoe", Active), ("rkoch", Active)]);
    stays_away(&mut case, 0, Some(hours(90)));
    assert_eq!(case.refusal(), None, "JDOE is there");
    stays_away(&mut case, 1, Some(hours(50)));
    let refusal = check(&case.input()).expect_err("nobody is there");
    assert_eq!(refusal.reason, R::AssigneeAway);
    assert_eq!(refusal.until, Some(hours(50)), "when the first is back");
}

#[test]
fn members_who_could_not_be_read_are_not_taken_for_fit() {
    use UserStatus::{Active, Disabled};
    let two = || Case::to_role(&[("slang", Disabled), ("jdoe", Active)]);
    let mut case = two();
    case.members = None;
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    case.members = Some(Known::unknown("503"));
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    let mut case = two();
    case.member(1).person = Known::unknown("503");
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    let mut case = two();
    case.member(1).login = Login::new("another");
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    let odd = Case::to_role(&[("slang", UserStatus::parse("On Sabbatical"))]);
    assert_eq!(odd.refusal(), Some(R::AssigneeUnknown));
    let old = |case: &Case| case.now - SignedDuration::from_mins(11);
    let mut case = two();
    if let Known::Yes { as_of, .. } = &mut case.member(1).person {
        *as_of = hours(20) - SignedDuration::from_mins(11);
    }
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    let mut case = two();
    let before = old(&case);
    if let Some(Known::Yes { as_of, .. }) = &mut case.members {
        *as_of = before;
    }
    assert_eq!(case.refusal(), Some(R::AssigneeUnknown));
    // the beneficiary is not shown: one of two is somebody else, one alone may be he
    let mut case = two();
    case.task.beneficiary = None;
    assert_eq!(case.refusal(), Some(R::FactUnknown));
    let mut case = Case::to_role(&[("slang", Active), ("jdoe", Active)]);
    case.task.beneficiary = None;
    assert_eq!(case.refusal(), None);
    let mut case = Case::to_role(&[("slang", Active), ("SLANG", Active)]);
    case.task.beneficiary = None;
    assert_eq!(case.refusal(), Some(R::FactUnknown), "shown twice");
}

#[test]
fn a_response_is_set_only_where_oig_lists_it_for_the_task() {
    let case = Case::respond(Kind::Grant);
    assert_eq!(case.refusal(), None);
    assert!(needs(case.kind, &case.action).responses);
    assert!(!needs(case.kind, &Action::Retry).responses);
    for code in ["done", "DONE_TOO", "DON"] {
        let mut case = Case::respond(Kind::Grant);
        case.action = Action::SetResponse {
            code: Arc::from(code),
        };
        let refusal = check(&case.input()).expect_err("it is not listed");
        assert_eq!(refusal.reason, R::ActionNotAllowed);
        assert!(refusal.to_string().contains("ERROR, DONE"), "{refusal}");
    }
    let mut none = Case::respond(Kind::Grant);
    none.responses = Some(Known::Yes {
        value: Arc::from([]),
        as_of: none.now,
    });
    assert_eq!(none.refusal(), Some(R::ActionNotAllowed));
    for unread in [
        None,
        Some(Known::unknown("503")),
        Some(Known::Yes {
            value: Arc::from(["DONE".to_owned()]),
            as_of: hours(19),
        }),
    ] {
        let mut case = Case::respond(Kind::Grant);
        case.responses = unread;
        assert_eq!(case.refusal(), Some(R::FactUnknown));
    }
    // what is not allowed at all costs no reading
    let mut revoke = Case::respond(Kind::Revoke);
    revoke.responses = None;
    assert_eq!(revoke.refusal(), Some(R::ActionNotAllowed));
}

#[test]
fn released_by_age_lets_the_old_pass_and_needs_say_what_to_read() {
    let mut case = Case::retry(Kind::Revoke);
    case.now = hours(10 + 15 * 24);
    assert_eq!(case.refusal(), Some(R::TooOld));
    case.released_by_age = true;
    if let Known::Yes { as_of, .. } = &mut case.account {
        *as_of = case.now;
    }
    assert_eq!(case.refusal(), None);
    for kind in Kind::ALL {
        let needs = needs(kind, &Action::Retry);
        let moves = kind.gives_access() || kind.takes_access();
        assert_eq!(needs.process, moves);
        assert_eq!(needs.beneficiary, kind.gives_access());
    }
    assert!(needs(Kind::Grant, &Case::reassign().action).assignee);
}
