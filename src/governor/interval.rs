//! What was sent since caps began anew, over all cycles of an interval: one that comes early has no caps of its own; it admits nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ActionName, Refusal, RefusalReason, Scope, TargetName};

use super::admitted::{Admitted, Lane};
use super::approved::Leaving;
use super::cap::{self, cap_lane, is_held};
use super::machine::Governor;

/// What was sent since caps began anew. A cycle that comes before the end counts into it: one that was
/// brought forward, by readings that are due or by an order, has no caps of its own, nor has a restart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Interval {
    /// The first cycle from then on begins the next one.
    pub(super) until: Timestamp,
    sent: Vec<Sent>,
}

/// Acts of one sort that were handed to their claims.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Sent {
    action: ActionName,
    target: TargetName,
    lane: Lane,
    acts: u32,
}

impl Interval {
    /// A cycle begins at `here`, and a new interval would end at `until`. A shorter one holds at once, and one
    /// in which nothing was sent yet begins with the cycle that may send.
    pub(super) fn at(known: Option<Self>, here: Timestamp, until: Timestamp) -> Self {
        match known.filter(|known| here < known.until && !known.sent.is_empty()) {
            Some(known) => Self {
                until: known.until.min(until),
                ..known
            },
            None => Self {
                until,
                sent: Vec::new(),
            },
        }
    }

    /// Acts of this sort so far.
    pub(super) fn of(&self, target: &TargetName, action: ActionName, lane: Lane) -> u32 {
        let lane = cap_lane(action, lane);
        let same =
            |sent: &&Sent| sent.action == action && sent.lane == lane && sent.target == *target;
        self.sent.iter().find(same).map_or(0, |sent| sent.acts)
    }

    /// Counts some.
    fn count(&mut self, target: &TargetName, action: ActionName, lane: Lane, acts: u32) {
        let lane = cap_lane(action, lane);
        let same =
            |sent: &&mut Sent| sent.action == action && sent.lane == lane && sent.target == *target;
        match self.sent.iter_mut().find(same) {
            Some(sent) => sent.acts = sent.acts.saturating_add(acts),
            None => self.sent.push(Sent {
                action,
                target: target.clone(),
                lane,
                acts,
            }),
        }
    }
}

impl Governor {
    /// Acts of this sort that earlier cycles of the interval have sent.
    pub(super) fn sent_before(&self, target: &TargetName, action: ActionName, lane: Lane) -> u32 {
        let interval = self.state.interval.as_ref();
        interval.map_or(0, |interval| interval.of(target, action, lane))
    }

    /// The refusal of what is over a cap: it waits until caps begin anew.
    pub(super) fn over(
        &self,
        target: &TargetName,
        action: ActionName,
        lane: Lane,
        here: Timestamp,
        now: Timestamp,
    ) -> Refusal {
        let scope = Scope::ActionOnTarget(action, target.clone());
        let refusal = Refusal::new(RefusalReason::CapRetries, scope)
            .with("limit", self.limit(target, action))
            .with("admitted", self.used.of(target, action, lane))
            .with("sent_before", self.sent_before(target, action, lane));
        let until = self.state.interval.as_ref().map(|interval| interval.until);
        match until.filter(|until| here < *until) {
            Some(until) => refusal.until(self.state.wall(now, until)),
            None => refusal,
        }
    }

    /// The process was killed and starts again: so many acts of a sort were claimed since the state was stored.
    /// What a person had approved counts with them here: less is sent then, never more.
    pub fn recount(&mut self, action: ActionName, target: &TargetName, revokes: bool, acts: u32) {
        let lane = if revokes { Lane::Revoke } else { Lane::Usual };
        let interval = self.state.interval.get_or_insert_with(|| Interval {
            // the first cycle says how long it is
            until: Timestamp::MAX,
            sent: Vec::new(),
        });
        interval.count(target, action, lane, acts);
    }

    /// These go to their claims now, and count until caps begin anew; what a person has approved does not. What it
    /// returns is to be told of once they are claimed or not ([`Governor::claimed`]).
    pub fn counts(&mut self, now: Timestamp, items: &[Admitted]) -> Leaving {
        let here = self.state.tick(now);
        let (holds, interval) = (&self.state.holds, self.state.interval.as_mut());
        let Some(interval) = interval else {
            return Leaving::default();
        };
        let counts = |item: &&Admitted| {
            !(is_held(item.action().name()) && cap::approved(holds, &item.wish(), here))
        };
        // those of a batch are mostly of one sort
        let alike = |one: &Admitted, other: &Admitted| {
            one.target() == other.target()
                && one.action().name() == other.action().name()
                && one.lane() == other.lane()
        };
        for some in items.chunk_by(alike) {
            let many = some.iter().filter(counts).count();
            if let Some(first) = some.first().filter(|_| many > 0) {
                let many = u32::try_from(many).unwrap_or(u32::MAX);
                interval.count(first.target(), first.action().name(), first.lane(), many);
            }
        }
        self.leave(here, items)
    }
}
