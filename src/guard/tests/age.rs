//! The proof carries the time of the oldest reading that it rests on.

use jiff::Timestamp;

use super::*;
use crate::guard::{AssigneeFact, MemberFact};
use crate::model::standing::{EndDate, LastDay};

fn since(case: &Case) -> Option<Timestamp> {
    check(&case.input()).expect("nothing is wrong").facts_from()
}

fn minutes_before(case: &Case, minutes: i64) -> Timestamp {
    case.now - SignedDuration::from_mins(minutes)
}

fn dated<T>(known: &mut Known<T>, at: Timestamp) {
    match known {
        Known::Yes { as_of, .. } => *as_of = at,
        Known::No { .. } => panic!("the case has no such reading"),
    }
}

#[test]
fn the_oldest_reading_counts_up_to_the_limit() {
    let mut case = Case::retry(Kind::Grant);
    let (young, old) = (minutes_before(&case, 3), minutes_before(&case, 9));
    dated(&mut case.account, young);
    assert_eq!(since(&case), Some(young));
    dated(&mut case.beneficiary, old);
    assert_eq!(since(&case), Some(old));
    dated(&mut case.account, case.now + SignedDuration::from_mins(5));
    dated(
        &mut case.beneficiary,
        case.now + SignedDuration::from_mins(5),
    );
    assert_eq!(since(&case), Some(case.now), "a date to come adds no time");
}

#[test]
fn what_needs_no_reading_rests_on_none() {
    for kind in [Kind::Revoke, Kind::Disable] {
        assert_eq!(since(&Case::retry(kind)), None);
    }
}

#[test]
fn answers_and_new_owners_are_dated_too() {
    let mut case = Case::respond(Kind::Grant);
    let old = minutes_before(&case, 8);
    dated(case.responses.as_mut().expect("asked for"), old);
    assert_eq!(since(&case), Some(old));
    let mut case = Case::reassign();
    dated(case.assignee.as_mut().expect("looked up"), old);
    assert_eq!(since(&case), Some(old));
}

#[test]
fn a_hand_over_rests_on_the_reading_of_the_present_owner_too() {
    let role = Case::to_role(&[("slang", UserStatus::Active), ("tberg", UserStatus::Active)]);
    for mut case in [Case::reassign(), role] {
        case.owner_read = Some(minutes_before(&case, 9));
        assert_eq!(since(&case), case.owner_read);
        case.owner_read = Some(minutes_before(&case, 11));
        let refused = check(&case.input()).expect_err("it is too old");
        assert_eq!(refused.reason, R::FactUnknown);
    }
}

#[test]
fn a_role_rests_on_as_many_members_as_it_needs_those_read_last() {
    let mut case = Case::to_role(&[
        ("one", UserStatus::Active),
        ("two", UserStatus::Active),
        ("off", UserStatus::Disabled),
    ]);
    let times = [7, 4, 9].map(|minutes| minutes_before(&case, minutes));
    for (at, time) in times.into_iter().enumerate() {
        let member: &mut MemberFact = case.member(at);
        let person: &mut Known<AssigneeFact> = &mut member.person;
        dated(person, time);
    }
    assert_eq!(since(&case), Some(times[1]));
    // where the row hides its beneficiary, either may be the one
    case.task.beneficiary = None;
    assert_eq!(since(&case), Some(times[0]));
    let list = minutes_before(&case, 10);
    dated(case.members.as_mut().expect("looked up"), list);
    assert_eq!(since(&case), Some(list));
}

fn end(case: &Case) -> Timestamp {
    check(&case.input()).expect("nothing is wrong").ends()
}

fn later(case: &Case, minutes: i64) -> Timestamp {
    case.now + SignedDuration::from_mins(minutes)
}

#[test]
fn a_proof_ends_with_the_last_day_that_it_has_read() {
    let mut case = Case::retry(Kind::Grant);
    assert_eq!(end(&case), Timestamp::MAX);
    let over = later(&case, 2);
    let Known::Yes { value, .. } = &mut case.standing else {
        panic!("the case has no standing");
    };
    Arc::make_mut(value).end = Some(EndDate {
        shown: Arc::from("today"),
        over,
    });
    assert_eq!(end(&case), over);
    // whoever loses access loses it after his last day as well
    case.kind = Kind::Revoke;
    assert_eq!(end(&case), Timestamp::MAX);
}

#[test]
fn a_hand_over_ends_with_the_owners_absence_and_with_the_presence_of_the_new_owner() {
    let mut case = Case::reassign();
    assert_eq!(end(&case), Timestamp::MAX);
    case.owner_changes = Some(later(&case, 9));
    assert_eq!(end(&case), later(&case, 9));
    case.assignee().changes = Some(later(&case, 5));
    assert_eq!(end(&case), later(&case, 5));
    let over = later(&case, 3);
    case.assignee().last_day = Known::Yes {
        value: LastDay::On(EndDate {
            shown: Arc::from("today"),
            over,
        }),
        as_of: case.now,
    };
    assert_eq!(end(&case), over);
}

#[test]
fn a_role_has_somebody_until_the_last_of_those_who_are_there_goes() {
    let active = |login| (login, UserStatus::Active);
    let mut case = Case::to_role(&[active("one"), active("two"), active("three")]);
    for (at, minutes) in [(0, 4), (1, 8), (2, 6)] {
        let change = later(&case, minutes);
        let Known::Yes { value, .. } = &mut case.member(at).person else {
            panic!("the case has no such member");
        };
        value.changes = Some(change);
    }
    assert_eq!(end(&case), later(&case, 8));
    case.task.beneficiary = None;
    assert_eq!(end(&case), later(&case, 6), "two are needed then");
}
