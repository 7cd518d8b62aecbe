//! No stale grant (invariant 10): access is given only to a beneficiary and an account that were read as good; what can't be told is asked, never assumed.

use std::cmp::Ordering;

use crate::model::facts::{Person, Sibling, UserStatus};
use crate::model::{Kind, Known, Refusal, RefusalReason};

use super::input::{Fresh, GuardInput, needs};

/// Nobody has asked for it yet.
const NOT_ASKED: &str = "not asked for yet";
/// Only open tasks of the account are known, as the list shows them.
const FINISHED_NOT_READ: &str = "the account's finished tasks were not read";
/// It was read, longer ago than a fact holds.
const TOO_OLD: &str = "the reading is too old";

/// No account that was read has shown a finished task.
const HIDDEN: &str = "no account that was read has shown a finished task: they may be hidden, and with them one that took this access away";

/// The beneficiary was read as active, lately, and is the row's own.
pub(super) fn beneficiary(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    if !needs(input.kind, input.action).beneficiary {
        return Ok(None);
    }
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::BeneficiaryUnknown, input.task_scope());
        Err(asked_or_person(refusal, why))
    };
    let Some(login) = &input.task.beneficiary else {
        return unknown("the row shows no target user");
    };
    let (person, as_of): (&Person, _) = match input.beneficiary {
        Known::Yes { value, as_of } => (value, *as_of),
        Known::No { why } => return unknown(why),
    };
    if person.login != *login {
        return unknown("another user was read");
    }
    let Some(fresh) = input.fresh(as_of) else {
        return unknown(TOO_OLD);
    };
    match &person.status {
        UserStatus::Active => Ok(Some(fresh)),
        UserStatus::Unknown(_) => unknown("the user's status is a word that nobody has explained"),
        UserStatus::Disabled | UserStatus::Deleted | UserStatus::NotStarted => {
            let refusal = Refusal::new(RefusalReason::BeneficiaryNotActive, input.task_scope())
                .with("beneficiary", login)
                .with("status", person.status.as_str());
            // who has not begun will; of who has left somebody must end the task
            Err(if person.status == UserStatus::NotStarted {
                refusal
            } else {
                refusal.for_person()
            })
        }
    }
}

/// What was only not asked for yet, or too long ago, is asked for by the next cycle: nobody has to act.
fn asked_or_person(refusal: Refusal, why: &str) -> Refusal {
    let refusal = refusal.with("why", why);
    match why {
        NOT_ASKED | FINISHED_NOT_READ | TOO_OLD => refusal,
        _ => refusal.for_person(),
    }
}

/// The account was not revoked or disabled, and no later opposite task is open or done in it.
pub(super) fn account(input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
    if !needs(input.kind, input.action).process {
        return Ok(None);
    }
    let unknown = |why: &str| {
        let refusal = Refusal::new(RefusalReason::AccountUnknown, input.account_scope());
        asked_or_person(refusal, why)
    };
    if input.task.process.is_none() {
        return Err(unknown("the row shows no account"));
    }
    let (view, as_of) = match input.account {
        Known::Yes { value, as_of } => (value, *as_of),
        Known::No { why } => return Err(unknown(why)),
    };
    // what is certain is said first: a later revoke that is seen counts even in a poor reading
    if let Some(other) = view.tasks.iter().find(|s| later_opposite(input, s)) {
        return Err(stale(input, other, "later"));
    }
    if !view.from_process {
        return Err(unknown(FINISHED_NOT_READ));
    }
    if !input.finished_shown {
        return Err(unknown(HIDDEN));
    }
    let Some(fresh) = input.fresh(as_of) else {
        return Err(unknown(TOO_OLD));
    };
    if let Some(other) = switched_off_by(input, &view.tasks) {
        return Err(stale(input, other, "account is off"));
    }
    if let Some(other) = view
        .tasks
        .iter()
        .find(|s| s.kind == Kind::Unknown && open_or_done(s) && input.may_be_earlier_than(s))
    {
        return Err(unknown("a later task is of a kind that nobody has named")
            .with("task", &other.id)
            .with("definition", &other.name));
    }
    if input.history.stale && !view.tasks.iter().any(|s| explains(input, s)) {
        let refusal = Refusal::new(RefusalReason::StaleGrant, input.account_scope())
            .with(
                "because",
                "it was seen before, and the account shows no more",
            )
            .for_person();
        return Err(refusal);
    }
    Ok(Some(fresh))
}

/// True for a task that tells why what was stale is so no more: the one that took access did not come about,
/// or a later one has given it again. The server forgets finished tasks; that nothing is shown tells nothing.
fn explains(input: &GuardInput<'_>, other: &Sibling) -> bool {
    let gave = other.status.is_done()
        && other.child.is_none()
        && matches!(other.kind, Kind::Create | Kind::Enable);
    let took = other.kind.takes_access() && takes_from(input, other);
    input.dated && input.is_later(other) && (gave || took)
}

fn stale(input: &GuardInput<'_>, other: &Sibling, how: &str) -> Refusal {
    Refusal::new(RefusalReason::StaleGrant, input.account_scope())
        .with("because", how)
        .with("task", &other.id)
        .with("kind", other.kind)
        .with("status", &other.status)
        // it stays open for ever unless somebody ends it
        .for_person()
}

fn open_or_done(sibling: &Sibling) -> bool {
    sibling.status.is_done() || !sibling.status.is_finished()
}

fn later_opposite(input: &GuardInput<'_>, other: &Sibling) -> bool {
    other.kind.takes_access()
        && open_or_done(other)
        && input.may_be_earlier_than(other)
        && takes_from(input, other)
}

/// True where the revoke is about the account, or about the row that this task gives. A revoke that
/// shows its child row takes that row only; a grant that does not show its own may be that row.
fn takes_from(input: &GuardInput<'_>, other: &Sibling) -> bool {
    match (&other.child, &input.task.child) {
        (None, _) => true,
        (Some(theirs), Some(ours)) => theirs == ours,
        (Some(_), None) => input.kind == Kind::Grant,
    }
}

/// The done task that left the account revoked or disabled, if the last such task says so. A create
/// and an enable are what ends that state, so an earlier one does not make them stale.
fn switched_off_by<'a>(input: &GuardInput<'_>, tasks: &'a [Sibling]) -> Option<&'a Sibling> {
    if matches!(input.kind, Kind::Create | Kind::Enable) {
        return None;
    }
    tasks
        .iter()
        .filter(|s| s.status.is_done() && s.child.is_none())
        .filter(|s| {
            matches!(
                s.kind,
                Kind::Create | Kind::Enable | Kind::Revoke | Kind::Disable
            )
        })
        .max_by(|a, b| older_first(a, b))
        .filter(|last| last.kind.takes_access())
}

/// Order by origin, then by the lineages' first ids; where even that is equal, what takes access counts as later.
fn older_first(a: &Sibling, b: &Sibling) -> Ordering {
    a.origin
        .cmp(&b.origin)
        .then_with(|| match (a.first_number(), b.first_number()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.id.cmp_numeric(&b.id),
        })
        .then_with(|| a.kind.takes_access().cmp(&b.kind.takes_access()))
}
