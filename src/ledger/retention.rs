//! Which lineages could be forgotten, as a plan that is shown before anything acts on it; pure, and never the memory of open work.

use jiff::{SignedDuration, Timestamp};

use super::index::{Index, flags};
use super::newcomer::LATE;
use crate::model::LineageId;

/// What could be dropped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Lineages whose work is done, or that no list has shown, with no attempt open and nothing new for the
    /// asked time.
    pub lineages: Vec<LineageId>,
    /// Lineages that stay.
    pub kept: u64,
}

/// Plans to forget what was done, or left the lists, more than `after` ago.
pub fn plan(index: &Index, after: SignedDuration, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for (n, of) in (1u64..).zip(&index.lineages) {
        let lineage = LineageId(n);
        let last = of.past.as_ref().map_or(of.failed_since, |p| p.last_at);
        let old = now.duration_since(last.time()) > after;
        let done = of.has(flags::DONE) && old;
        // a successor that comes late has to find its elder
        let left = index
            .left_for_good(lineage)
            .is_some_and(|since| now.duration_since(since) > after.max(LATE));
        if (done || left) && index.attempt(lineage).is_none() {
            plan.lineages.push(lineage);
        } else {
            plan.kept += 1;
        }
    }
    plan
}
