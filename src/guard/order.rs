//! The order of work within a lineage and an account (invariants 7 and 8); it never lets a revoke wait for a change or a grant.

use crate::model::attempt::MAY_COME_YET;
use crate::model::facts::Sibling;
use crate::model::{Action, ActionName, Kind, Known, Refusal, RefusalReason, Scope, TaskStatus};

use super::input::GuardInput;

/// Attempt n+1 exists only when n is settled, and only where it is clear which task is meant.
pub(super) fn attempt(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let scope = Scope::Lineage(input.history.lineage);
    if input.lineage_ambiguous {
        return Err(Refusal::new(RefusalReason::LineageAmbiguous, scope).for_person());
    }
    if input.attempt_open {
        return Err(Refusal::new(RefusalReason::AttemptOpen, scope)
            .with("attempts", input.history.attempts_total));
    }
    Ok(())
}

/// One write in flight; then revokes; then the create; then the oldest of the same row.
pub(super) fn account(input: &GuardInput<'_>) -> Result<(), Refusal> {
    let busy = || Refusal::new(RefusalReason::AccountBusy, input.account_scope());
    if input.open_attempt_in_account {
        return Err(busy());
    }
    if let Some(until) = input.late_until.filter(|until| input.now < *until) {
        return Err(busy().until(until).with("why", MAY_COME_YET));
    }
    let tasks: &[Sibling] = match input.account {
        Known::Yes { value, .. } => &value.tasks,
        // a revoke waits for nothing but a write in flight, and that the ledger knows
        Known::No { .. } if input.kind.takes_access() || input.task.process.is_none() => &[],
        Known::No { .. } if !touches_account(input.action.name()) => &[],
        Known::No { why } => {
            return Err(
                Refusal::new(RefusalReason::FactUnknown, input.account_scope())
                    .with("fact", "the account's other tasks")
                    .with("why", why)
                    .for_person(),
            );
        }
    };
    if !input.kind.takes_access()
        && let Some(other) = tasks.iter().find(|s| s.attempt_open)
    {
        return Err(busy().with("task", &other.id));
    }
    if !waits_for_others(input.kind, input.action) {
        return Ok(());
    }
    let open = || {
        tasks
            .iter()
            .filter(|s| !s.finished && !s.status.is_finished())
    };
    let waits = |reason, other: &Sibling| {
        Err(Refusal::new(reason, input.account_scope())
            .with("task", &other.id)
            .with("definition", &other.name)
            .with("status", &other.status))
    };
    if input.kind != Kind::Notify
        && let Some(other) = open().find(|s| s.kind.takes_access())
    {
        return waits(RefusalReason::WaitsForRevoke, other);
    }
    // a person may release from these two, each for one task as it was then, and from nothing above
    let released = |reason, other: &Sibling| {
        let (status, now) = (other.status.as_str(), input.now);
        let mut all = input.order_releases.iter();
        all.any(|release| release.covers(reason, &other.id, status, now))
    };
    if input.kind != Kind::Create
        && let Some(other) =
            open().find(|s| s.kind == Kind::Create && !released(RefusalReason::WaitsForCreate, s))
    {
        return waits(RefusalReason::WaitsForCreate, other);
    }
    if input.kind != Kind::Notify
        && let Some(other) = open().find(|s| {
            may_be_older(input, s)
                && same_row(input, s)
                && !rests(input, s)
                && !released(RefusalReason::WaitsForOlder, s)
        })
    {
        let refused = waits(RefusalReason::WaitsForOlder, other);
        // both may be what came of one that is closed: each would wait for the other
        let first = other.first_number();
        if input.elder.may.is_some() && first == input.since().first {
            let why = "each of the two may be the retry of the same older task";
            return refused.map_err(|refusal: Refusal| refusal.with("why", why).for_person());
        }
        return refused;
    }
    Ok(())
}

/// True where it came before, or may be the successor of one that did.
fn may_be_older(input: &GuardInput<'_>, other: &Sibling) -> bool {
    other.ambiguous || !input.is_later(other)
}

/// An older grant that waits for its own predecessors, of which it is not shown whether it is even
/// the same row, does not hold back a grant: nobody can move it, and to add is not to overwrite.
fn rests(input: &GuardInput<'_>, other: &Sibling) -> bool {
    let told_apart = input.row().is_some() && other.child.is_some();
    input.kind == Kind::Grant
        && !told_apart
        && matches!(other.status, TaskStatus::Waiting | TaskStatus::Suspended)
}

/// True for what has its place in the order of its account.
pub fn waits_for_others(kind: Kind, action: &Action) -> bool {
    touches_account(action.name()) && !kind.takes_access()
}

/// Reassignments and notes leave the account as it is; everything else moves its process.
fn touches_account(action: ActionName) -> bool {
    match action {
        ActionName::Retry | ActionName::SetResponse | ActionName::ManualComplete => true,
        ActionName::Reassign | ActionName::SetNote => false,
    }
}

/// True where both may write the same attribute or child row: the same row where both are shown,
/// else the same definition.
pub(super) fn same_row(input: &GuardInput<'_>, other: &Sibling) -> bool {
    match (&input.row(), &other.child) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => input
            .task
            .definition_name
            .as_deref()
            .is_some_and(|name| name.trim().eq_ignore_ascii_case(other.name.trim())),
    }
}
