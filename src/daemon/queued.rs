//! How long what is queued may wait for its claim: no longer than what it rests on holds; it sends nothing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::under_way::Why;
use crate::governor::Admitted;
use crate::ledger::DecisionRecord;
use crate::model::RefusalReason;

impl Core {
    /// Until when the queues may be sent from: what rests on the list alone grows old too.
    pub fn queue_ends(&self) -> Option<Timestamp> {
        let life = self.settings.guard.fact_age / 2;
        self.queued_at.and_then(|at| at.checked_add(life).ok())
    }

    /// Until when an item of the queue may be claimed: never longer than the oldest of its facts
    /// holds, however late the guards saw it.
    pub(super) fn item_ends(&self) -> impl Fn(&Admitted) -> Timestamp + use<> {
        // without a time of the queue there is no time left
        let queue = self.queue_ends().unwrap_or(Timestamp::MIN);
        let life = self.settings.guard.fact_age;
        move |item| match item.facts_from() {
            Some(from) => queue.min(from.checked_add(life).unwrap_or(from)),
            None => queue,
        }
    }

    /// When the first item of the queue may have grown too old; never too late.
    pub fn first_ends(&self) -> Option<Timestamp> {
        let first = self.nothing_ends_before();
        first.checked_add(SignedDuration::from_secs(1)).ok()
    }

    /// A time until which every item of the queue may be claimed, without looking at each.
    fn nothing_ends_before(&self) -> Timestamp {
        let queue = self.queue_ends().unwrap_or(Timestamp::MIN);
        let until = match self.queues.oldest_facts() {
            Some(from) => queue.min(
                from.checked_add(self.settings.guard.fact_age)
                    .unwrap_or(from),
            ),
            None => queue,
        };
        match self.queues.first_end() {
            Some(end) => until.min(end),
            None => until,
        }
    }

    /// Drops what may not be claimed any more: the next cycle, which is soon, reads and proposes anew.
    pub(super) async fn drop_old(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if now < self.nothing_ends_before() {
            return Ok(());
        }
        let ends = self.item_ends();
        let late = |item: &Admitted| Why::too_late(item, ends(item), now);
        let old = self.queues.drop_where(|item| late(item).is_some());
        if old.is_empty() {
            return Ok(());
        }
        tracing::info!(
            dropped = old.len(),
            "what could not be sent in time is proposed anew by the next cycle"
        );
        self.metrics.refused(
            RefusalReason::Withdrawn,
            u64::try_from(old.len()).unwrap_or(u64::MAX),
        );
        let records = old.iter().map(|item| DecisionRecord {
            decision: Arc::clone(item.shared()),
            refusal: late(item).map(|why| why.refusal(item)),
            relook: None,
        });
        self.next_tick = self.next_tick.min(self.soonest(now));
        self.record_decisions(records.collect(), now).await
    }
}
