//! Open attempts by account and by lane, counted as they move: what is sent asks after each request, and must not count all of them anew.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, Index, Stamp, TaskRef};
use crate::governor::Lane;
use crate::model::hash::FastMap;
use crate::model::{AttemptState, LineageId, ProcessKey, TargetName, TaskId};

/// A target, and in which of its lanes.
pub type Place = (TargetName, Lane);

/// Counts over the attempts that are open.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::ledger) struct Open {
    accounts: FastMap<ProcessKey, u32>,
    /// By lane and time of sending.
    lanes: BTreeMap<Place, BTreeMap<Stamp, u32>>,
}

impl Open {
    pub fn add(&mut self, attempt: &Attempt) {
        self.add_accounts(attempt);
        self.add_to_lane(lane_of(attempt), attempt.sent.into(), 1);
    }

    /// Counts its accounts alone; whoever claims many counts the lane once for all of them.
    pub fn add_accounts(&mut self, attempt: &Attempt) {
        for process in attempt.accounts() {
            *self.accounts.entry(process.clone()).or_default() += 1;
        }
    }

    /// So many more were sent in a lane at this time.
    pub fn add_to_lane(&mut self, lane: Place, sent: Stamp, many: u32) {
        if many == 0 {
            return;
        }
        let times = self.lanes.entry(lane).or_default();
        let count = times.entry(sent).or_default();
        *count = count.saturating_add(many);
    }

    pub fn remove(&mut self, attempt: &Attempt) {
        for process in attempt.accounts() {
            let Some(count) = self.accounts.get_mut(process) else {
                continue;
            };
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.accounts.remove(process);
            }
        }
        let lane = lane_of(attempt);
        let sent = Stamp::from(attempt.sent);
        if let Some(times) = self.lanes.get_mut(&lane) {
            if let Some(count) = times.get_mut(&sent) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    times.remove(&sent);
                }
            }
            if times.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }
}

fn lane_of(attempt: &Attempt) -> Place {
    let lane = Lane::of(attempt.kind, attempt.action.name());
    (attempt.target.clone(), lane)
}

impl Index {
    /// Every attempt that is not settled.
    pub fn open_attempts(&self) -> impl Iterator<Item = (LineageId, &Attempt)> {
        self.attempts
            .iter()
            .filter(|(_, a)| a.state.is_open())
            .map(|(l, a)| (*l, &**a))
    }

    /// So many lineages are about to be opened, and mostly tried some time.
    pub(in crate::ledger) fn expect_lineages(&mut self, many: usize) {
        self.lineages.reserve(many);
        self.by_task.reserve(many);
        self.attempts.reserve(many);
        self.open.accounts.reserve(many);
    }

    /// True where this is the id that stands for a lineage now.
    pub fn is_current(&self, lineage: LineageId, task: &TaskId) -> bool {
        let of = self.lineage(lineage);
        of.is_some_and(|of| of.task == TaskRef::from(task))
    }

    /// How many there are.
    pub fn open_count(&self) -> u32 {
        let lanes = self.open.lanes.values();
        lanes.flat_map(BTreeMap::values).sum()
    }

    /// What waits for a person because of its attempt, and why; attempts that could not be told before `told_by`
    /// are among them. Few mostly: looking for the attempt of each lineage takes longer than all of this.
    pub(super) fn waiting_attempts(&self, told_by: Timestamp) -> FastMap<LineageId, &'static str> {
        self.attempts
            .iter()
            .filter_map(|(lineage, of)| match of.state {
                AttemptState::Gone => Some((*lineage, "gone")),
                state if state.is_open() && of.sent <= told_by => Some((*lineage, "not_told")),
                _ => None,
            })
            .collect()
    }

    /// True while an attempt on this account is not settled (invariant 8).
    pub fn is_open_on(&self, process: &ProcessKey) -> bool {
        self.open.accounts.contains_key(process)
    }

    /// The work of an open attempt is shown under this account since: what may still be carried out may be so
    /// there, so both are held.
    pub(super) fn also_on(&mut self, lineage: LineageId, process: Option<&ProcessKey>) {
        if let Some(process) = process {
            self.late.also_on(lineage, process);
        }
        let Some(attempt) = self.attempts.get_mut(&lineage) else {
            return;
        };
        let open = attempt.state.is_open();
        if open {
            self.open.remove(attempt);
        }
        let another = process.filter(|of| attempt.process.as_ref() != Some(*of));
        attempt.set_also(another.cloned());
        if open {
            self.open.add(attempt);
        }
    }

    /// True where a write of the account that is not settled may still be on its way.
    pub fn on_the_way(
        &self,
        process: &ProcessKey,
        now: Timestamp,
        settle_after: SignedDuration,
    ) -> bool {
        self.is_open_on(process)
            && self
                .open_on(process)
                .iter()
                .any(|(_, attempt)| attempt.on_the_way(now, settle_after))
    }

    /// Open attempts of a target's lane that were sent within `span`.
    pub fn open_since(
        &self,
        target: &TargetName,
        lane: Lane,
        now: Timestamp,
        span: SignedDuration,
    ) -> u32 {
        let Some(times) = self.open.lanes.get(&(target.clone(), lane)) else {
            return 0;
        };
        times
            .iter()
            .rev()
            .take_while(|(sent, _)| now.duration_since(sent.time()) < span)
            .fold(0_u32, |sum, (_, count)| sum.saturating_add(*count))
    }
}
