//! Work that waits for another task of its account which nobody is known to move: after a day a person is told; it lifts no refusal and moves nothing.

use jiff::SignedDuration;

use super::Wish;
use crate::daemon::facts::Surroundings;
use crate::daemon::memory::Memory;
use crate::model::{Refusal, RefusalReason, TaskId};

/// How long work waits for somebody else's task before a person is told of it, from the first sight of its failure.
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
    let waits = matches!(
        refusal.reason,
        RefusalReason::WaitsForOlder
            | RefusalReason::WaitsForCreate
            | RefusalReason::WaitsForRevoke
    );
    if !waits || refusal.needs_person {
        return refusals;
    }
    let since = around.tries(wish.row).failed_since;
    if around.now.duration_since(since) < TOLD_AFTER || is_seen_to(around, memory, refusal) {
        return refusals;
    }
    refusal.needs_person = true;
    let since = format!("{since:.0}");
    refusal.values.push(("waits_since".to_owned(), since));
    refusals
}

/// True where the task that is waited for is a policy's to move, or in the inbox itself.
fn is_seen_to(around: &Surroundings<'_>, memory: &Memory, refusal: &Refusal) -> bool {
    let mut values = refusal.values.iter();
    let Some((_, other)) = values.find(|(name, _)| name == "task") else {
        return false;
    };
    let other = TaskId::new(other);
    around.bench.ledger.read(|index| {
        let Some(lineage) = index.lineage_of(&other) else {
            return false;
        };
        let ours = memory.lineages.get(&lineage);
        ours.is_some_and(|known| known.act.is_some())
            || index.memo(lineage).is_some_and(|memo| memo.asks)
    })
}
