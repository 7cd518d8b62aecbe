//! Nobody is handed work who can't or mustn't do it (invariant 9); it checks the one who was chosen and never chooses.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::facts::{Person, UserStatus};
use crate::model::standing::LastDay;
use crate::model::{
    Action, Known, Login, Owner, Principal, Refusal, RefusalReason, Scope, UserKey,
};

use super::ends::end_of;
use super::input::{AssigneeFact, Fresh, GuardInput, MemberFact};

/// The new owner is known, active, present, not the beneficiary, not over load, and had it not before;
/// a role has somebody who is.
pub(super) fn assignee(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    let Action::Reassign { to } = input.action else {
        return Ok(None);
    };
    let refusal = |reason| Refusal::new(reason, input.task_scope()).with("assignee", to);
    if is_owner(&input.task.owner, to) {
        return Err(refusal(RefusalReason::AlreadyAssigned));
    }
    if input.history.former_owners.iter().any(|had| same(had, to)) {
        return Err(refusal(RefusalReason::DelegationLoop)
            .with("former_owners", input.history.former_owners.len()));
    }
    let unknown = |why: &str| {
        Err(refusal(RefusalReason::AssigneeUnknown)
            .with("why", why)
            .for_person())
    };
    // whoever gets it, it is taken from somebody because of what he is
    let owner = match input.owner_read.map(|at| input.fresh(at)) {
        None => None,
        Some(Some(fresh)) => Some(fresh),
        Some(None) => {
            return Err(refusal(RefusalReason::FactUnknown)
                .with("fact", "the reading of its owner is too old"));
        }
    };
    let oldest = |of: Fresh| Some(owner.map_or(of, |owner| owner.min(of)));
    let (key, login) = match to {
        Principal::Role { key: Some(_), .. } => return role(input, &refusal).map(oldest),
        Principal::Role { key: None, .. } => return unknown("the role's key was not read"),
        Principal::User { key, login } => (key, login),
    };
    let (fact, as_of): (&AssigneeFact, _) = match input.assignee {
        Some(Known::Yes { value, as_of }) => (value, *as_of),
        Some(Known::No { why }) => return unknown(why),
        None => return unknown("he was not looked up"),
    };
    if let Some(why) = another(fact, key.as_ref(), login) {
        return unknown(why);
    }
    let Some(fresh) = input.fresh(as_of) else {
        return unknown("the reading is too old");
    };
    active(&fact.person, &refusal)?;
    let until = match &fact.last_day {
        Known::No { why } => return unknown(why),
        Known::Yes { value, as_of } => {
            // OIG may go on calling him active until somebody has looked
            lasts(value, input.now, &refusal)?;
            input.fresh(*as_of)
        }
    };
    let Some(until) = until else {
        return unknown("the reading of his End Date is too old");
    };
    there(fact, input.now, &refusal)?;
    match &input.task.beneficiary {
        Some(beneficiary) if beneficiary == login => {
            return Err(refusal(RefusalReason::AssigneeIsBeneficiary));
        }
        Some(_) => {}
        // whether he is the beneficiary can't be told
        None => {
            return Err(refusal(RefusalReason::FactUnknown)
                .with("fact", "the row shows no target user")
                .for_person());
        }
    }
    if fact.load >= input.limits.assignee_load {
        let refusal = refusal(RefusalReason::AssigneeOverLoad)
            .with("load", fact.load)
            .with("limit", input.limits.assignee_load);
        return Err(match fact.unlisted {
            0 => refusal,
            handed => refusal.with("handed_and_in_no_list", handed),
        });
    }
    Ok(oldest(fresh.min(until)))
}

/// True for whoever was handed nothing yet when he was read once more right before that: he is who was meant, active and
/// there. What else the guards ask was asked, and changes by no reading of him.
///
/// # Errors
/// The refusal that the guard would answer.
pub fn still_takes(
    scope: Scope,
    to: &Principal,
    read: &Known<AssigneeFact>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Principal::User { key, login } = to else {
        return Ok(());
    };
    let refusal = |reason| {
        Refusal::new(reason, scope.clone())
            .with("assignee", to)
            .with("read", "right before it was to be sent")
    };
    let unknown = |why: &str| Err(refusal(RefusalReason::AssigneeUnknown).with("why", why));
    let fact = match read {
        Known::Yes { value, .. } => value,
        Known::No { why } => return unknown(why),
    };
    if let Some(why) = another(fact, key.as_ref(), login) {
        return unknown(why);
    }
    active(&fact.person, &refusal)?;
    match &fact.last_day {
        Known::No { why } => return unknown(why),
        Known::Yes { value, .. } => lasts(value, now, &refusal)?,
    }
    there(fact, now, &refusal)
}

/// The same for a role, by those of its members on whom it rests: each of them is still active and there.
///
/// # Errors
/// The refusal that the guard would answer where the role had nobody else; who else there is the next cycle tells.
pub fn still_holds(
    scope: &Scope,
    to: &Principal,
    members: &[MemberFact],
    now: Timestamp,
) -> Result<(), Refusal> {
    for MemberFact { login, person } in members {
        let refusal = |reason| {
            Refusal::new(reason, scope.clone())
                .with("assignee", to)
                .with("member", login)
                .with("read", "right before it was to be sent")
        };
        let unknown = |why: &str| Err(refusal(RefusalReason::AssigneeUnknown).with("why", why));
        let fact = match person {
            Known::Yes { value, .. } => value,
            Known::No { why } => return unknown(why),
        };
        if fact.person.login != *login {
            return unknown("another user was read");
        }
        active(&fact.person, &refusal)?;
        match &fact.last_day {
            Known::No { why } => return unknown(why),
            Known::Yes { value, .. } => lasts(value, now, &refusal)?,
        }
        there(fact, now, &refusal)?;
    }
    Ok(())
}

/// Why the person who was read may be another one than who is meant.
fn another(fact: &AssigneeFact, key: Option<&UserKey>, login: &Login) -> Option<&'static str> {
    if fact.person.login != *login {
        return Some("another user was read");
    }
    match (key, &fact.person.key) {
        (_, None) => Some("the server shows no key for him"),
        (Some(wanted), Some(read)) if wanted != read => Some("another user key was read"),
        _ => None,
    }
}

/// He is not away.
fn there(
    fact: &AssigneeFact,
    now: Timestamp,
    refusal: &dyn Fn(RefusalReason) -> Refusal,
) -> Result<(), Refusal> {
    let Some(away) = &fact.away else {
        return Ok(());
    };
    let refusal = refusal(RefusalReason::AssigneeAway);
    Err(match away.until {
        Some(until) if until > now => refusal.until(until),
        _ => refusal,
    })
}

/// What a member of a role is to this task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Fit(Fresh),
    Beneficiary,
    Away(Option<Timestamp>),
    NotActive,
    Unknown,
}

fn member(input: &GuardInput<'_>, member: &MemberFact) -> Member {
    let Known::Yes { value, as_of } = &member.person else {
        return Member::Unknown;
    };
    let Some(fresh) = input.fresh(*as_of) else {
        return Member::Unknown;
    };
    if value.person.login != member.login {
        return Member::Unknown;
    }
    match value.person.status {
        UserStatus::Active => {}
        UserStatus::Unknown(_) => return Member::Unknown,
        UserStatus::Disabled | UserStatus::Deleted | UserStatus::NotStarted => {
            return Member::NotActive;
        }
    }
    match &value.away {
        Some(away) => return Member::Away(away.until),
        None if input.task.beneficiary.as_ref() == Some(&member.login) => {
            return Member::Beneficiary;
        }
        None => {}
    }
    // it is asked for of those alone who are there
    match &value.last_day {
        Known::Yes { value, as_of } if value.lasts(input.now) => match input.fresh(*as_of) {
            Some(read) => Member::Fit(fresh.min(read)),
            None => Member::Unknown,
        },
        Known::Yes {
            value: LastDay::On(_),
            ..
        } => Member::NotActive,
        _ => Member::Unknown,
    }
}

/// What it rests on of a role's members, as many of them as are needed.
struct Enough<'a> {
    /// The time of the oldest reading.
    oldest: Fresh,
    /// The first end of what those readings say.
    end: Timestamp,
    logins: Vec<&'a Login>,
}

/// `None` where there are too few.
fn enough<'a>(input: &GuardInput<'_>, members: &'a [MemberFact]) -> Option<Enough<'a>> {
    let fit = members.iter().filter_map(|one| {
        let Member::Fit(fresh) = member(input, one) else {
            return None;
        };
        let end = one.person.value().and_then(end_of);
        Some((&one.login, (fresh, end.unwrap_or(Timestamp::MAX))))
    });
    let fit: BTreeMap<&Login, (Fresh, Timestamp)> = fit.collect();
    // where the row does not show its beneficiary, one of two is certainly somebody else
    let wanted = if input.task.beneficiary.is_some() {
        1
    } else {
        2
    };
    // those that were read last, and of these those that last longest
    let mut read: Vec<((Fresh, Timestamp), &Login)> =
        fit.into_iter().map(|(login, of)| (of, login)).collect();
    read.sort_unstable();
    let needed = &read[read.len().checked_sub(wanted)?..];
    Some(Enough {
        oldest: needed.first()?.0.0,
        end: needed.iter().map(|((_, end), _)| *end).min()?,
        logins: needed.iter().map(|(_, login)| *login).collect(),
    })
}

/// When the members of the role that a task is to be handed to are too few by what is known.
pub(super) fn members_end(input: &GuardInput<'_>) -> Option<Timestamp> {
    let members = input.members?.value()?;
    enough(input, members).map(|enough| enough.end)
}

/// The members on whom a hand-over to a role rests.
pub(super) fn rests_on(input: &GuardInput<'_>) -> Option<Box<[Login]>> {
    let Action::Reassign {
        to: Principal::Role { .. },
    } = input.action
    else {
        return None;
    };
    let enough = enough(input, input.members?.value()?)?;
    Some(enough.logins.into_iter().cloned().collect())
}

/// At least one member can do the work: active, present and not the beneficiary. What a role holds
/// nobody for would lie there unseen.
fn role(
    input: &GuardInput<'_>,
    refusal: &dyn Fn(RefusalReason) -> Refusal,
) -> Result<Fresh, Refusal> {
    let unknown = |why: &str| {
        Err(refusal(RefusalReason::AssigneeUnknown)
            .with("why", why)
            .for_person())
    };
    let (members, as_of) = match input.members {
        Some(Known::Yes { value, as_of }) => (value, *as_of),
        Some(Known::No { why }) => return unknown(why),
        None => return unknown("its members were not looked up"),
    };
    let Some(list) = input.fresh(as_of) else {
        return unknown("the reading of its members is too old");
    };
    let states: Vec<Member> = members.iter().map(|one| member(input, one)).collect();
    let count = |fits: &dyn Fn(&Member) -> bool| states.iter().filter(|one| fits(one)).count();
    let fit: BTreeSet<&Login> = members
        .iter()
        .zip(&states)
        .filter(|(_, state)| matches!(state, Member::Fit(_)))
        .map(|(one, _)| &one.login)
        .collect();
    if let Some(enough) = enough(input, members) {
        return Ok(list.min(enough.oldest));
    }
    let not_read = count(&|one| *one == Member::Unknown);
    if not_read > 0 {
        return Err(refusal(RefusalReason::AssigneeUnknown)
            .with("members", members.len())
            .with("members_not_known", not_read)
            .for_person());
    }
    if !fit.is_empty() {
        return Err(refusal(RefusalReason::FactUnknown)
            .with("fact", "the row shows no target user")
            .with("members_who_may_be_the_beneficiary", fit.len())
            .for_person());
    }
    let away = count(&|one| matches!(one, Member::Away(_)));
    let back = states
        .iter()
        .filter_map(|one| match one {
            Member::Away(until) => until.filter(|until| *until > input.now),
            _ => None,
        })
        .min();
    let beneficiary = count(&|one| *one == Member::Beneficiary);
    let reason = match (away, beneficiary) {
        (0, 0) => RefusalReason::AssigneeNotActive,
        (0, _) => RefusalReason::AssigneeIsBeneficiary,
        _ => RefusalReason::AssigneeAway,
    };
    let refusal = refusal(reason)
        .with("members", members.len())
        .with("members_away", away);
    Err(match back {
        Some(back) => refusal.until(back),
        None => refusal,
    })
}

fn active(person: &Person, refusal: &dyn Fn(RefusalReason) -> Refusal) -> Result<(), Refusal> {
    match &person.status {
        UserStatus::Active => Ok(()),
        UserStatus::Unknown(word) => Err(refusal(RefusalReason::AssigneeUnknown)
            .with("status", word)
            .for_person()),
        UserStatus::Disabled | UserStatus::Deleted | UserStatus::NotStarted => {
            Err(refusal(RefusalReason::AssigneeNotActive).with("status", person.status.as_str()))
        }
    }
}

/// His last day is not over, as far as one is shown.
fn lasts(
    last_day: &LastDay,
    now: Timestamp,
    refusal: &dyn Fn(RefusalReason) -> Refusal,
) -> Result<(), Refusal> {
    match last_day {
        LastDay::On(end) if end.over <= now => Err(refusal(RefusalReason::AssigneeNotActive)
            .with("status", UserStatus::Active.as_str())
            .with("end_date", &end.shown)),
        LastDay::Odd(shown) => Err(refusal(RefusalReason::AssigneeUnknown)
            .with("end_date", shown)
            .with("why", "the End Date is no date that can be read")
            .for_person()),
        LastDay::On(_) | LastDay::NotShown => Ok(()),
    }
}

/// True where both name the same user or role, by name or by key.
fn same(a: &Principal, b: &Principal) -> bool {
    match (a, b) {
        (Principal::User { key: k1, login: l1 }, Principal::User { key: k2, login: l2 }) => {
            l1 == l2 || (k1.is_some() && k1 == k2)
        }
        (Principal::Role { key: k1, name: n1 }, Principal::Role { key: k2, name: n2 }) => {
            n1.trim().eq_ignore_ascii_case(n2.trim()) || (k1.is_some() && k1 == k2)
        }
        _ => false,
    }
}

fn is_owner(owner: &Owner, to: &Principal) -> bool {
    match (owner, to) {
        (
            Owner::User { key, login },
            Principal::User {
                key: to_key,
                login: to_login,
            },
        ) => login.as_ref() == Some(to_login) || (key.is_some() && key == to_key),
        (
            Owner::Role { key, name },
            Principal::Role {
                key: to_key,
                name: to_name,
            },
        ) => {
            name.as_ref()
                .is_some_and(|name| name.trim().eq_ignore_ascii_case(to_name.trim()))
                || (key.is_some() && key == to_key)
        }
        _ => false,
    }
}
