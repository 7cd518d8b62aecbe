//! Work that has waited for long behind a breaker or a pause, which only a person ends or sees to; it decides nothing.

use jiff::Timestamp;

use super::{InboxItem, Index, flags};
use crate::model::{LineageId, RefusalReason, TaskId};

impl Index {
    /// The open work that has been refused for one of these reasons alone since `by` or longer, what takes access away since
    /// `taking` or longer.
    pub fn held_for_long(
        &self,
        reasons: &[RefusalReason],
        by: Timestamp,
        taking: Timestamp,
    ) -> Vec<InboxItem> {
        let lineages = (1u64..).zip(&self.lineages);
        let held = lineages.filter_map(|(n, of)| {
            let decided = of.decided?;
            let reason = decided.refusal.filter(|reason| reasons.contains(reason))?;
            let over = flags::DONE | flags::LEFT | flags::ASKS | flags::AMBIGUOUS;
            let since = decided.at.time();
            let by = if of.kind.takes_access() { taking } else { by };
            (!of.has(over) && since <= by).then(|| InboxItem {
                lineage: LineageId(n),
                task: TaskId::from(&of.task),
                target: self.targets.get(of.target).cloned(),
                since,
                why: reason.as_str(),
                seq: Some(decided.seq),
            })
        });
        held.collect()
    }
}
