//! What the governor remembers over restarts, versioned; it never forgets a pause, a breaker or a rate because the clock jumped.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{ActionName, Decision, Refusal, RefusalReason, Scope, TargetName};

use super::admitted::Lane;
use super::cap::Hold;
use super::interval::Interval;
use super::pace::Pace;
use super::sums::{later, plus};

/// The present version of [`GovernorState`].
pub const VERSION: u32 = 1;

/// The governor's memory, to be stored as it is. All times inside are governor time: wall time
/// plus `ahead`, which grows by every step backward of the wall, so that no wait gets shorter or longer by it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GovernorState {
    /// Version of this record.
    pub v: u32,
    pub(super) ahead: SignedDuration,
    pub(super) last: Timestamp,
    pub(super) targets: BTreeMap<TargetName, Pace>,
    /// By target what is said to OIG alone: how that goes is no word about the target. Not in the first stores.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) told: BTreeMap<TargetName, Pace>,
    pub(super) server_until: Option<Timestamp>,
    pub(super) server_failures: u32,
    /// The target whose request was the last that something in between gave up on, with no answer since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) given_up_of: Option<TargetName>,
    pub(super) pauses: Vec<Pause>,
    pub(super) holds: Vec<Hold>,
    /// What counts towards the caps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<Interval>,
}

/// Sending is paused by a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pause {
    /// What is held back.
    #[serde(deserialize_with = "scope_of_any_age")]
    pub scope: Scope,
    /// Who paused it.
    pub by: Arc<str>,
    /// When it ends by itself; `None`: when a person resumes.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// True where it holds this act back.
    pub fn holds(&self, decision: &Decision, action: ActionName, target: &TargetName) -> bool {
        match &self.scope {
            Scope::Global => true,
            Scope::Target(paused) => paused.is_like(target),
            Scope::ActionOnTarget(paused, on) => *paused == action && on.is_like(target),
            Scope::Definition(paused) => decision
                .definition
                .as_ref()
                .is_some_and(|definition| paused.is_like(definition)),
            Scope::Account(paused) => decision.process.as_ref() == Some(paused),
            Scope::Lineage(paused) => decision.lineage == *paused,
            Scope::Task(paused) => decision.task == *paused,
        }
    }

    /// What it says of an act that it holds back.
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(RefusalReason::Paused, self.scope.clone()).with("by", &self.by);
        match self.until {
            Some(until) => refusal.until(until),
            None => refusal,
        }
    }
}

/// Reads a scope; the first stores called its content `target`.
fn scope_of_any_age<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Scope, D::Error> {
    let mut value = serde_json::Value::deserialize(from)?;
    if let Some(map) = value.as_object_mut()
        && let Some(target) = map.remove("target")
    {
        map.insert("of".to_owned(), target);
    }
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

impl GovernorState {
    /// A state that remembers nothing.
    pub(super) fn empty(now: Timestamp) -> Self {
        Self {
            v: VERSION,
            ahead: SignedDuration::ZERO,
            last: now,
            targets: BTreeMap::new(),
            told: BTreeMap::new(),
            server_until: None,
            server_failures: 0,
            given_up_of: None,
            pauses: Vec::new(),
            holds: Vec::new(),
            interval: None,
        }
    }

    /// The machine of a target's lane, where it was ever asked for.
    pub(super) fn pace_of(&self, target: &TargetName, lane: Lane) -> Option<&Pace> {
        match lane {
            Lane::Told => self.told.get(target),
            Lane::Revoke | Lane::Usual => self.targets.get(target),
        }
    }

    /// Requests on their way that are said to OIG alone.
    pub(super) fn told_in_flight(&self, target: &TargetName) -> u32 {
        self.told.get(target).map_or(0, |pace| pace.in_flight)
    }

    /// All machines.
    pub(super) fn paces(&self) -> impl Iterator<Item = (&TargetName, &Pace)> {
        self.targets.iter().chain(&self.told)
    }

    /// The same, to be changed.
    pub(super) fn paces_mut(&mut self) -> impl Iterator<Item = &mut Pace> {
        self.targets.values_mut().chain(self.told.values_mut())
    }

    /// Governor time at the wall's `now`; never goes backward.
    pub(super) fn tick(&mut self, now: Timestamp) -> Timestamp {
        let here = later(now, self.ahead);
        if here < self.last {
            self.ahead = plus(self.ahead, self.last.duration_since(here));
        } else {
            self.last = here;
        }
        self.last
    }

    /// Governor time at the wall's `now`, without remembering it.
    pub(super) fn peek(&self, now: Timestamp) -> Timestamp {
        later(now, self.ahead).max(self.last)
    }

    /// The wall's time at which governor time will be `at`, seen from the wall's `now`.
    pub(super) fn wall(&self, now: Timestamp, at: Timestamp) -> Timestamp {
        later(now, at.duration_since(self.peek(now)))
    }

    /// The pause that holds a whole target back, if there is one.
    pub(super) fn pause_of(&self, here: Timestamp, target: &TargetName) -> Option<&Pause> {
        self.pause_where(here, |pause| match &pause.scope {
            Scope::Global => true,
            Scope::Target(paused) => paused.is_like(target),
            _ => false,
        })
    }

    fn pause_where(&self, here: Timestamp, holds: impl Fn(&Pause) -> bool) -> Option<&Pause> {
        self.pauses
            .iter()
            .filter(|pause| pause.until.is_none_or(|until| here < until))
            .find(|pause| holds(pause))
    }

    /// The refusal of a pause of a whole target.
    pub(super) fn pause_refusal(&self, now: Timestamp, target: &TargetName) -> Option<Refusal> {
        let pause = self.pause_of(self.peek(now), target)?;
        Some(self.paused(now, pause))
    }

    /// The refusal of a pause of anything that one act belongs to.
    pub(super) fn act_paused(
        &self,
        now: Timestamp,
        decision: &Decision,
        action: ActionName,
        target: &TargetName,
    ) -> Option<Refusal> {
        let pause = self.pause_where(self.peek(now), |pause| {
            pause.holds(decision, action, target)
        })?;
        Some(self.paused(now, pause))
    }

    fn paused(&self, now: Timestamp, pause: &Pause) -> Refusal {
        let until = pause.until.map(|until| self.wall(now, until));
        let pause = Pause {
            until,
            ..pause.clone()
        };
        pause.refusal()
    }

    /// The refusal of a server that needs a pause.
    pub(super) fn server_refusal(&self, now: Timestamp) -> Option<Refusal> {
        let until = self.server_until.filter(|until| self.peek(now) < *until)?;
        Some(
            Refusal::new(RefusalReason::ServerBackOff, Scope::Global)
                .with("failed_requests_in_a_row", self.server_failures)
                .until(self.wall(now, until)),
        )
    }
}
