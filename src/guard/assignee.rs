//! Nobody is handed work who can't or mustn't do it (invariant 9); it checks the one who was chosen and never chooses.

use crate::model::facts::{Person, UserStatus};
use crate::model::{Action, Known, Owner, Principal, Refusal, RefusalReason};

use super::input::{AssigneeFact, GuardInput};

/// The new owner is known, active, present, not the beneficiary, not over load, and had it not before.
pub(super) fn assignee(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let Action::Reassign { to } = input.action else {
        return Ok(());
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
    let (key, login) = match to {
        Principal::Role { key: Some(_), .. } => return Ok(()),
        Principal::Role { key: None, .. } => return unknown("the role's key was not read"),
        Principal::User { key, login } => (key, login),
    };
    let (fact, as_of): (&AssigneeFact, _) = match input.assignee {
        Some(Known::Yes { value, as_of }) => (value, *as_of),
        Some(Known::No { why }) => return unknown(why),
        None => return unknown("he was not looked up"),
    };
    if fact.person.login != *login {
        return unknown("another user was read");
    }
    match (key, &fact.person.key) {
        (_, None) => return unknown("the server shows no key for him"),
        (Some(wanted), Some(read)) if wanted != read => {
            return unknown("another user key was read");
        }
        _ => {}
    }
    if input.too_old(as_of) {
        return unknown("the reading is too old");
    }
    active(&fact.person, &refusal)?;
    if let Some(away) = &fact.away {
        let refusal = refusal(RefusalReason::AssigneeAway);
        return Err(match away.until {
            Some(until) if until > input.now => refusal.until(until),
            _ => refusal,
        });
    }
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
        return Err(refusal(RefusalReason::AssigneeOverLoad)
            .with("load", fact.load)
            .with("limit", input.limits.assignee_load));
    }
    Ok(())
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
