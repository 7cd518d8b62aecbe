//! What the governor remembers over restarts, versioned; it never forgets a pause, a breaker or a rate because the clock jumped.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Refusal, RefusalReason, Scope, TargetName};

use super::cap::Hold;
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
    pub(super) server_until: Option<Timestamp>,
    pub(super) server_failures: u32,
    pub(super) pauses: Vec<Pause>,
    pub(super) holds: Vec<Hold>,
}

/// What a pause holds back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "target")]
pub enum PauseScope {
    /// Everything.
    Global,
    /// One target.
    Target(TargetName),
}

/// Sending is paused by a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pause {
    /// What is held back.
    pub scope: PauseScope,
    /// Who paused it.
    pub by: Arc<str>,
    /// When it ends by itself; `None`: when a person resumes.
    pub until: Option<Timestamp>,
}

impl GovernorState {
    /// A state that remembers nothing.
    pub(super) fn empty(now: Timestamp) -> Self {
        Self {
            v: VERSION,
            ahead: SignedDuration::ZERO,
            last: now,
            targets: BTreeMap::new(),
            server_until: None,
            server_failures: 0,
            pauses: Vec::new(),
            holds: Vec::new(),
        }
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

    /// The pause that holds a target back, if there is one.
    pub(super) fn pause_of(&self, here: Timestamp, target: &TargetName) -> Option<&Pause> {
        self.pauses
            .iter()
            .filter(|pause| pause.until.is_none_or(|until| here < until))
            .find(|pause| match &pause.scope {
                PauseScope::Global => true,
                PauseScope::Target(paused) => paused == target,
            })
    }

    /// The refusal of a pause.
    pub(super) fn pause_refusal(&self, now: Timestamp, target: &TargetName) -> Option<Refusal> {
        let pause = self.pause_of(self.peek(now), target)?;
        let scope = match &pause.scope {
            PauseScope::Global => Scope::Global,
            PauseScope::Target(target) => Scope::Target(target.clone()),
        };
        let refusal = Refusal::new(RefusalReason::Paused, scope).with("by", &pause.by);
        Some(match pause.until {
            Some(until) => refusal.until(self.wall(now, until)),
            None => refusal,
        })
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
