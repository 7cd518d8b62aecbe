//! Counts the open work that no policy wants to act on and nobody was asked about; it decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::facts::Surroundings;
use super::inbox::NAMED;
use super::memory::Memory;
use crate::ledger::Index;
use crate::model::{Kind, LeftAlone, LineageId, TargetName, TaskId, TaskStatus};

/// So long a revoke or disable may stay rejected before a person is told.
const REJECTED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// So long one that is somebody's to do may stay open.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why access stays open, or may do so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sort {
    /// No policy wants to take it, and nobody was asked.
    LeftOpen,
    /// Nobody has named what the tasks do: it may be that.
    Unnamed,
    /// It was tried in vain as often as anything else may be, and is tried further.
    StillTried,
}

/// Names of definitions that are told at most.
const NAMES: usize = 3;

/// Access that stays open on a target, or may do so, since nobody moves what takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOpen {
    /// The target, where shown.
    pub target: Option<TargetName>,
    /// How it comes.
    pub sort: Sort,
    /// Since when the first of them is open.
    pub since: Timestamp,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub tasks: Vec<TaskId>,
    /// The names of their definitions, the first few.
    pub names: Vec<Arc<str>>,
}

/// Counts what is open, wanted by no policy, and in nobody's inbox, and says where access stays open for long.
pub fn count(
    around: &Surroundings<'_>,
    memory: &Memory,
    rows: &[usize],
) -> (LeftAlone, Vec<LeftOpen>) {
    let mut out = LeftAlone::default();
    let mut open: BTreeMap<(Option<&TargetName>, Sort), LeftOpen> = BTreeMap::new();
    let in_vain = around.bench.settings.governor.max_attempts;
    around.bench.ledger.read(|index| {
        for row in rows {
            let task = &around.snapshot.tasks[*row];
            let takes = around.kinds[*row].takes_access();
            let rejected = task.status == TaskStatus::Rejected;
            if task.status.is_finished() || !(rejected || takes) {
                continue;
            }
            // what is under way is ours, whatever a policy wants of it meanwhile
            let state = around.states[*row].filter(|state| !state.attempt_open);
            let Some(lineage) = state.map(|state| state.lineage) else {
                continue;
            };
            let known = memory.lineages.get(&lineage);
            let wanted = known.is_none_or(|known| known.act.is_some());
            if wanted && !(takes && rejected) {
                continue;
            }
            if index.memo(lineage).is_some_and(|memo| memo.asks) {
                continue;
            }
            let (sort, since) = if wanted {
                let tries = index.tries(lineage, false);
                let Some(tries) = tries.filter(|tries| tries.attempts >= in_vain) else {
                    continue;
                };
                (Sort::StillTried, tries.first_seen)
            } else {
                out.rejected += u64::from(rejected);
                out.taking += u64::from(takes);
                let sort = match around.kinds[*row] {
                    Kind::Unknown => Sort::Unnamed,
                    _ if takes => Sort::LeftOpen,
                    _ => continue,
                };
                let Some(since) = long(index, lineage, rejected, around.now) else {
                    continue;
                };
                (sort, since)
            };
            let left = open
                .entry((task.target.as_ref(), sort))
                .or_insert_with(|| LeftOpen {
                    target: task.target.clone(),
                    sort,
                    since,
                    count: 0,
                    tasks: Vec::new(),
                    names: Vec::new(),
                });
            if let Some(name) = &task.definition_name
                && left.names.len() < NAMES
                && !left.names.contains(name)
            {
                left.names.push(Arc::clone(name));
            }
            left.since = left.since.min(since);
            left.count += 1;
            if left.tasks.len() < NAMED {
                left.tasks.push(task.id.clone());
            }
        }
    });
    (out, open.into_values().collect())
}

/// Since when it stands so, by our own clock, where that is long.
fn long(index: &Index, lineage: LineageId, rejected: bool, now: Timestamp) -> Option<Timestamp> {
    let most = if rejected { REJECTED_FOR } else { OPEN_FOR };
    let since = index.tries(lineage, false)?.failed_since;
    (now.duration_since(since) >= most).then_some(since)
}
