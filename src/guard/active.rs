//! Whether a person is one to whom access may be given, by his status and his last day; asked by the guard and once more right before the claim. Pure; it reads nothing.

use jiff::Timestamp;

use crate::model::facts::{Person, UserStatus};
use crate::model::standing::{EndDate, LastDay};
use crate::model::{Known, Login, Refusal, RefusalReason, Scope};

/// He is active, and neither is his last day over nor stands there something that can't be read.
pub(super) fn is_active(
    scope: Scope,
    person: &Person,
    odd_end: Option<&str>,
    ended: Option<&EndDate>,
) -> Result<(), Refusal> {
    let refusal = |reason| Refusal::new(reason, scope.clone());
    let not_active = || {
        refusal(RefusalReason::BeneficiaryNotActive)
            .with("beneficiary", &person.login)
            .with("status", person.status.as_str())
    };
    match (&person.status, odd_end, ended) {
        (UserStatus::Active, Some(shown), _) => Err(refusal(RefusalReason::BeneficiaryUnknown)
            .with("beneficiary", &person.login)
            .with("end_date", shown)
            .with("why", "the End Date is no date that can be read")
            .for_person()),
        // OIG may go on calling him active until somebody has looked
        (UserStatus::Active, None, Some(end)) => {
            Err(not_active().with("end_date", &end.shown).for_person())
        }
        (UserStatus::Active, None, None) => Ok(()),
        (UserStatus::Unknown(_), ..) => Err(refusal(RefusalReason::BeneficiaryUnknown)
            .with(
                "why",
                "the user's status is a word that nobody has explained",
            )
            .for_person()),
        (UserStatus::Disabled | UserStatus::Deleted, ..) => Err(not_active().for_person()),
        // who has not begun will; of who has left somebody must end the task
        (UserStatus::NotStarted, ..) => Err(not_active()),
    }
}

/// True for a beneficiary who was given nothing yet when he was read once more right before that: he is active, and his
/// last day is not over. What else the guards ask was asked, and changes by no reading of him.
///
/// # Errors
/// The refusal that the guard would answer; what could not be read this once is asked again, and needs no person yet.
pub fn still_given(
    scope: Scope,
    to: &Login,
    person: &Known<Person>,
    last_day: &Known<LastDay>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let right_before = |refusal: Refusal| refusal.with("read", "right before it was to be sent");
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::BeneficiaryUnknown, scope.clone());
        Err(right_before(
            refusal.with("beneficiary", to).with("why", why),
        ))
    };
    let person = match person {
        Known::Yes { value, .. } => value,
        Known::No { why } => return unknown(why),
    };
    if person.login != *to {
        return unknown("another user was read");
    }
    let (odd_end, ended) = match last_day.value() {
        Some(LastDay::Odd(shown)) => (Some(&**shown), None),
        Some(LastDay::On(end)) => (None, Some(end).filter(|end| end.over <= now)),
        Some(LastDay::NotShown) | None => (None, None),
    };
    is_active(scope.clone(), person, odd_end, ended).map_err(right_before)?;
    match last_day {
        Known::Yes { .. } => Ok(()),
        Known::No { why } => unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::TaskId;

    #[test]
    fn who_is_read_right_before_is_given_it_only_where_he_is_active_and_his_last_day_is_to_come() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let known = |status| Known::Yes {
            value: Person {
                key: None,
                login: Login::new("EMP"),
                status,
                manager: None,
            },
            as_of: at(100),
        };
        let day = |value| Known::Yes {
            value,
            as_of: at(100),
        };
        let over = |second| {
            day(LastDay::On(EndDate {
                shown: Arc::from("a day"),
                over: at(second),
            }))
        };
        let none = || day(LastDay::NotShown);
        let ask = |person: Known<Person>, last_day: Known<LastDay>, to: &str| {
            let scope = Scope::Task(TaskId::new("1"));
            still_given(scope, &Login::new(to), &person, &last_day, at(100))
                .err()
                .map(|refusal| refusal.reason)
        };
        let active = || known(UserStatus::Active);
        let (gone, unknown) = (
            Some(RefusalReason::BeneficiaryNotActive),
            Some(RefusalReason::BeneficiaryUnknown),
        );
        assert_eq!(ask(active(), none(), "EMP"), None);
        assert_eq!(ask(active(), over(101), "EMP"), None);
        assert_eq!(ask(active(), over(100), "EMP"), gone);
        for status in [
            UserStatus::Disabled,
            UserStatus::Deleted,
            UserStatus::NotStarted,
        ] {
            assert_eq!(ask(known(status.clone()), none(), "EMP"), gone);
            // of who is gone it needs no last day
            assert_eq!(ask(known(status), Known::unknown("no answer"), "EMP"), gone);
        }
        let word = UserStatus::Unknown(Arc::from("Locked?"));
        assert_eq!(ask(known(word), none(), "EMP"), unknown);
        assert_eq!(
            ask(active(), day(LastDay::Odd(Arc::from("some day"))), "EMP"),
            unknown
        );
        assert_eq!(ask(active(), Known::unknown("no answer"), "EMP"), unknown);
        assert_eq!(ask(Known::unknown("no answer"), none(), "EMP"), unknown);
        assert_eq!(ask(active(), none(), "OTHER"), unknown);
    }
}
