//! Work that waits for another task of its account which nobody is known to move: after a day a person is told; it lifts no refusal and moves nothing.

use jiff::SignedDuration;

use super::Wish;
use crate::daemon::facts::Surroundings;
use crate::daemon::memory::{Memory, waits_for_a_person};
use crate::ledger::Memo;
use crate::model::{Action, LineageId, Refusal, RefusalReason, TaskId, Verdict};

/// How long work waits for somebody else's task before a person is told of it, since both stand as they do.
const TOLD_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Puts what has waited for long into the inbox. What a policy means to do by itself, or a person was asked
/// about already, holds up nobody unseen.
pub(super) fn told(
    around: &Surroundings<'_>,
    memory: &Memory,
    wish: &Wish,
    mut refusals: Vec<Refusal>,
) -> Vec<Refusal> {
    let Some(refusal) = refusals.first_mut() else {
        return refusals;
    };
    if refusal.needs_person || !waits_for_a_task(refusal) {
        return refusals;
    }
    let other = value(refusal, "task").map(TaskId::new);
    let lineage = other.and_then(|other| {
        let ledger = &around.bench.ledger;
        ledger.read(|index| index.lineage_of(&other))
    });
    // of a single task that is asked about the others are not decided: what the last cycle has said stands
    if around.bench.only.is_some() {
        let said = around
            .bench
            .ledger
            .read(|index| index.memo(wish.decision.lineage));
        let same = |memo: &Memo| memo.asks && memo.refusal == Some(refusal.reason);
        refusal.needs_person = said.as_ref().is_some_and(same);
        return refusals;
    }
    // since both are as they are now: the other one may be in the middle of a run
    let own = around.tries(wish.row).failed_since;
    let since = lineage
        .and_then(|other| around.since(other))
        .map_or(own, |other| other.max(own));
    let is_seen_to = lineage.is_some_and(|other| is_seen_to(around, memory, other));
    if around.now.duration_since(since) < TOLD_AFTER || is_seen_to {
        return refusals;
    }
    refusal.needs_person = true;
    let since = format!("{since:.0}");
    refusal.values.push(("waits_since".to_owned(), since));
    refusals
}

/// True where the work waits for another task, and not for a request of ours.
fn waits_for_a_task(refusal: &Refusal) -> bool {
    match refusal.reason {
        RefusalReason::WaitsForOlder
        | RefusalReason::WaitsForCreate
        | RefusalReason::WaitsForRevoke => true,
        // of what is on its way no definition is told
        RefusalReason::AccountBusy => value(refusal, "definition").is_some(),
        _ => false,
    }
}

fn value<'a>(refusal: &'a Refusal, name: &str) -> Option<&'a str> {
    let mut values = refusal.values.iter();
    let found = values.find(|(of, _)| of == name);
    found.map(|(_, value)| value.as_str())
}

/// True where the task that is waited for is a policy's to move, or in the inbox itself. A hand-over that its mode
/// forbids, by the last that is on record of it, moves nothing.
fn is_seen_to(around: &Surroundings<'_>, memory: &Memory, other: LineageId) -> bool {
    let memo = around.bench.ledger.read(|index| index.memo(other));
    if memo.as_ref().is_some_and(|memo| memo.asks) {
        return true;
    }
    let known = memory.lineages.get(&other);
    let Some(act) = known.and_then(|known| known.act.as_ref()) else {
        return false;
    };
    let is_retry = matches!(
        &act.verdict,
        Some(Verdict::Act {
            action: Action::Retry,
            ..
        })
    );
    let refusal = memo.and_then(|memo| memo.refusal);
    is_retry || !refusal.is_some_and(waits_for_a_person)
}
