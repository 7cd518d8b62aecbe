//! The proof that guards and governor have passed a decision; only the governor makes one.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::Passed;
use crate::model::{Action, ActionName, Decision, Kind, Login, ProcessKey, ReadValue, TargetName};

/// Which queue an admitted act goes to; retries of revokes and disables never wait behind anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Revoke and disable.
    Revoke,
    /// Every other retry: something runs at the target.
    Usual,
    /// What is said to OIG alone (notes, hand-overs, answers): nothing runs at the target, so that it tells nothing of it.
    Told,
}

impl Lane {
    /// The lane of an act.
    pub fn of(kind: Kind, action: ActionName) -> Self {
        match action {
            ActionName::Retry if kind.takes_access() => Self::Revoke,
            ActionName::Retry => Self::Usual,
            ActionName::Reassign
            | ActionName::SetNote
            | ActionName::SetResponse
            | ActionName::ManualComplete => Self::Told,
        }
    }
}

/// A decision that may be claimed and sent. Not `Clone`: it is consumed by the claim.
#[must_use]
#[derive(Debug)]
pub struct Admitted {
    decision: Arc<Decision>,
    /// What the guards have said, with what is to be sent; by itself, since very many wait in lists and queues.
    passed: Box<Passed>,
    target: TargetName,
    lane: Lane,
    priority: i32,
    alone: bool,
}

impl Admitted {
    /// For the governor alone: `decision` has passed guards and gates.
    pub(in crate::governor) fn new(
        decision: Arc<Decision>,
        passed: Box<Passed>,
        target: TargetName,
        lane: Lane,
        priority: i32,
    ) -> Self {
        Self {
            decision,
            passed,
            target,
            lane,
            priority,
            alone: false,
        }
    }

    /// For the governor alone: the request that it was sent in last has failed as a whole.
    pub(in crate::governor) fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// For the unit tests of rooms downstream.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn for_test(decision: Decision, action: Action, target: TargetName) -> Self {
        let passed = Passed::for_test(&decision, action, Timestamp::UNIX_EPOCH);
        let lane = Lane::of(decision.kind, passed.action().name());
        Self::new(Arc::new(decision), Box::new(passed), target, lane, 0)
    }

    /// The same, as though its last request had failed as a whole.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn sent_alone(self) -> Self {
        self.alone(true)
    }

    /// The same, as though it rested on a reading of that time.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn with_facts_from(mut self, at: Timestamp) -> Self {
        self.passed = Box::new(self.passed.with_facts_from(at));
        self
    }

    /// The decision that was admitted.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The same, to be kept beside it without a copy.
    pub fn shared(&self) -> &Arc<Decision> {
        &self.decision
    }

    /// What is to be sent.
    pub fn action(&self) -> &Action {
        self.passed.action()
    }

    /// The target whose limits hold.
    pub fn target(&self) -> &TargetName {
        &self.target
    }

    /// The account, where known.
    pub fn process(&self) -> Option<&ProcessKey> {
        self.decision.process.as_ref()
    }

    /// Its queue.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Whom it gives access; `None` where it gives none.
    pub fn gives_to(&self) -> Option<&Login> {
        self.passed.gives_to()
    }

    /// Those members of the role to which it hands work on whom it rests.
    pub fn members(&self) -> &[Login] {
        self.passed.members()
    }

    /// The time of the oldest reading that the guards' proof rests on, where it rests on any.
    pub fn facts_from(&self) -> Option<Timestamp> {
        self.passed.facts_from()
    }

    /// The first moment at which the proof holds no more, however young its readings are; `Timestamp::MAX`: none.
    pub fn ends(&self) -> Timestamp {
        self.passed.ends()
    }

    /// What the guards have read for it, by name; nothing of what gives no access.
    pub fn rests(&self) -> &Arc<[ReadValue]> {
        self.passed.rests()
    }

    /// True where it goes out in a request of its own: the last one failed as a whole, and one of those
    /// that were in it may be why.
    pub fn goes_alone(&self) -> bool {
        self.alone
    }

    /// Higher goes first within a lane.
    pub fn priority(&self) -> i32 {
        self.priority
    }
}
