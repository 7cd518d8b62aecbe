//! Releases of the order within an account: which hold now, and what ends them; a release never outlives what it was given for.

use jiff::Timestamp;

use super::Index;
use crate::ledger::record::SeenItem;
use crate::model::{LineageId, OrderRelease, TaskId, TaskStatus};

impl Index {
    /// The tasks for which a piece of work need not wait now, by a person's word.
    pub fn order_releases(&self, lineage: LineageId, now: Timestamp) -> Vec<OrderRelease> {
        let all = self.orders.get(&lineage).into_iter().flatten();
        all.filter(|release| now < release.until).cloned().collect()
    }

    /// How many such releases hold now.
    pub fn orders_released(&self, now: Timestamp) -> u64 {
        let all = self.orders.values().flatten();
        let hold = all.filter(|release| now < release.until).count();
        u64::try_from(hold).unwrap_or(u64::MAX)
    }

    /// A person has given one; a later word about the same task takes the place of the one before.
    pub(super) fn release_order(
        &mut self,
        lineage: LineageId,
        release: &OrderRelease,
        at: Timestamp,
    ) {
        self.keep_orders(|_, old| at < old.until);
        let of = self.orders.entry(lineage).or_default();
        of.retain(|old| old.other != release.other);
        of.push(release.clone());
    }

    /// The work is attempted, closed, or another task now: whatever it waits for then is another question.
    pub(super) fn end_orders_of(&mut self, lineage: LineageId) {
        self.orders.remove(&lineage);
    }

    /// The other task is attempted, or has a successor.
    pub(super) fn end_orders_for(&mut self, other: &TaskId) {
        if !self.orders.is_empty() {
            self.keep_orders(|_, release| release.other != *other);
        }
    }

    /// A list shows a change of the held work, or of the other task.
    pub(super) fn end_orders_by(&mut self, item: &SeenItem, failed_anew: bool) {
        if self.orders.is_empty() {
            return;
        }
        if TaskStatus::parse(&item.status).is_finished() {
            self.end_orders_of(item.lineage);
        }
        if let Some(other) = self.current_task(item.lineage) {
            self.keep_orders(|_, release| {
                release.other != other || (!failed_anew && release.status == item.status)
            });
        }
    }

    fn keep_orders(&mut self, stays: impl Fn(LineageId, &OrderRelease) -> bool) {
        self.orders.retain(|lineage, releases| {
            releases.retain(|release| stays(*lineage, release));
            !releases.is_empty()
        });
    }
}
