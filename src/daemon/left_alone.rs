//! Counts the open work that no policy wants to act on and nobody was asked about; it decides nothing.

use super::facts::Surroundings;
use super::memory::Memory;
use crate::model::{LeftAlone, TaskStatus};

/// Counts what is open, wanted by no policy, and in nobody's inbox.
pub fn count(around: &Surroundings<'_>, memory: &Memory, rows: &[usize]) -> LeftAlone {
    around.bench.ledger.read(|index| {
        let mut out = LeftAlone::default();
        for row in rows {
            let status = &around.snapshot.tasks[*row].status;
            let takes = around.kinds[*row].takes_access();
            let rejected = *status == TaskStatus::Rejected;
            if status.is_finished() || !(rejected || takes) {
                continue;
            }
            // what is under way is ours, whatever a policy wants of it meanwhile
            let state = around.states[*row].filter(|state| !state.attempt_open);
            let Some(lineage) = state.map(|state| state.lineage) else {
                continue;
            };
            let known = memory.lineages.get(&lineage);
            let wanted = known.is_none_or(|known| known.act.is_some());
            if wanted || index.memo(lineage).is_some_and(|memo| memo.asks) {
                continue;
            }
            out.rejected += u64::from(rejected);
            out.taking += u64::from(takes);
        }
        out
    })
}
