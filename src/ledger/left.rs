//! Puts on record which pieces of work are in no list any more and have no attempt that would tell why; it concludes nothing of what happened to them, and never calls it success.

use jiff::Timestamp;

use super::error::LedgerError;
use super::index::flags;
use super::newcomer::WAIT;
use super::record::{EventBody, Meta};
use super::seers::Sure;
use super::work::Work;
use crate::model::LineageId;
use crate::model::settings::DeliverySettings;

/// Whole passes in a row without it after which a piece of work has left: one may have missed it.
const PASSES: u32 = 2;

impl Work {
    /// Notes what left; answers how many. A pass counts where it rests on every list that ever showed the work; as
    /// long as another one is not read, the work may have come to that one, and is waited for a day. Work with an
    /// attempt that is open or gone is left to its verification, what a person has to decide to that person.
    ///
    /// Where the store was rewound, what left unseen since may have been ended by an attempt that it does not
    /// know. So it is until what was sent in the lost interval had its time, and each was missing twice.
    pub(super) fn note_left(
        &mut self,
        sure: Sure,
        delivery: &DeliverySettings,
        meta: &Meta,
        now: Timestamp,
    ) -> Result<u64, LedgerError> {
        let all = sure.all() && self.unread.is_empty();
        if all {
            self.sure_since.get_or_insert(now);
        }
        let (mut left, mut lost) = (Vec::new(), Vec::new());
        let lost_up_to = {
            let index = self.index();
            let lost_up_to = index.lost_up_to();
            for (n, (of, presence)) in (1u64..).zip(index.lineages.iter().zip(&self.presence)) {
                let told = flags::LEFT | flags::DONE | flags::RETIRED | flags::AMBIGUOUS;
                let lineage = LineageId(n);
                let since = presence.absent_since;
                let waited = since.is_some_and(|since| now.duration_since(since.time()) >= WAIT);
                if !(all || waited) {
                    continue;
                }
                if presence.passes < PASSES || of.has(told) || index.attempts.contains_key(&lineage)
                {
                    continue;
                }
                if lost_up_to.is_some_and(|up_to| lineage <= up_to) {
                    lost.push(lineage);
                } else {
                    left.push(lineage);
                }
            }
            lost_up_to
        };
        let many = left.len().saturating_add(lost.len());
        for (lineages, lost) in [(left, false), (lost, true)] {
            if !lineages.is_empty() {
                self.emit_left(lineages, lost, meta)?;
            }
        }
        let began = self.sure_since.filter(|_| all);
        let had_its_time = began
            .is_some_and(|began| now > began && now.duration_since(began) >= delivery.settle_after);
        if lost_up_to.is_some() && had_its_time {
            self.emit_left(Vec::new(), true, meta)?;
        }
        Ok(u64::try_from(many).unwrap_or(u64::MAX))
    }

    fn emit_left(
        &mut self,
        lineages: Vec<LineageId>,
        lost: bool,
        meta: &Meta,
    ) -> Result<(), LedgerError> {
        let body = EventBody::LineagesLeft {
            lineages,
            lost,
            reason: None,
        };
        self.emit(meta, body)
    }
}
