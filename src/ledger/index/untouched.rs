//! Of which work this store can say that nothing it has sent explains a change: neither it nor its account has an attempt on record.

use super::Index;
use crate::ledger::ran::RunMark;
use crate::model::hash::FastSet;
use crate::model::{LineageId, Task, TaskId};

impl Index {
    /// Those of the lineages whose change no attempt on record can have brought about. An attempt on one task
    /// of an account can move its other tasks too (recovery, predecessors), so all of such an account is
    /// left out, as is an account that a row has moved to.
    pub fn untouched(&self, lineages: &[LineageId]) -> Vec<LineageId> {
        if lineages.is_empty() {
            return Vec::new();
        }
        let sent = |of: &&super::compact::Lineage| of.past.as_ref().is_some_and(|p| p.total > 0);
        let touched: FastSet<u64> = self
            .lineages
            .iter()
            .filter(sent)
            .map(|of| of.process)
            .filter(|process| *process != 0)
            .collect();
        let is_free = |lineage: &&LineageId| {
            let Some(of) = self.lineage(**lineage) else {
                return false;
            };
            let own = of.past.as_ref().is_some_and(|past| past.total > 0);
            !own && !self.attempts.contains_key(lineage) && !touched.contains(&of.process)
        };
        lineages.iter().filter(is_free).copied().collect()
    }

    /// True where a task shows another run than the lists did by now: somebody else has run it since.
    pub fn began_anew(&self, lineage: LineageId, task: &Task) -> bool {
        let known = self.lineage(lineage);
        known.is_some_and(|of| RunMark::of(task).began_anew(of.run))
    }

    /// The id that the present one has followed.
    pub fn id_before(&self, lineage: LineageId) -> Option<TaskId> {
        let past = self.lineage(lineage)?.past.as_ref()?;
        past.ids.last().map(TaskId::from)
    }
}
