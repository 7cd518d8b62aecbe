//! What a person may tell the governor: pause, resume, approve, reject; it never acts on a hold by itself.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{PolicyHash, Scope};

use super::cap::{self, Hold, HoldStatus};
use super::machine::Governor;
use super::state::Pause;
use super::sums::later;

/// A person named a hold that can't be answered so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It is not there.
    #[error("no hold `{0}` is open; it may have expired, or other tasks are wanted now")]
    Unknown(String),
    /// Somebody has said no to it, and a yes must not undo that unseen.
    #[error("hold `{id}` was rejected by {by}; it can be approved when that ends, at {until:.0}")]
    Rejected {
        /// The hold.
        id: String,
        /// Who said no.
        by: Arc<str>,
        /// Until when that holds (wall time).
        until: Timestamp,
    },
    /// What a set of policies wanted that is not the live one: nothing could go by that yes today.
    #[error(
        "hold `{id}` is of policy set {set}, which is not the live one{}",
        words(instead)
    )]
    OtherSet {
        /// The hold.
        id: String,
        /// Its set, in short.
        set: String,
        /// The hold of the live set about the same work.
        instead: Option<String>,
    },
}

fn words(instead: &Option<String>) -> String {
    match instead {
        Some(id) => format!("; of the live one `{id}` holds the same work"),
        None => String::new(),
    }
}

impl Governor {
    /// Pauses sending. A pause never shortens another: one of the same scope that holds at least
    /// as long stays as it is, and is answered (in wall time); an earlier end is replaced.
    pub fn pause(
        &mut self,
        now: Timestamp,
        scope: Scope,
        by: &str,
        until: Option<Timestamp>,
    ) -> Option<Pause> {
        let here = self.state.tick(now);
        let until = until.map(|until| later(here, until.duration_since(now)));
        let held = self.state.pauses.iter().find(|pause| {
            pause.scope.is_like(&scope)
                && match (pause.until, until) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(ends), Some(until)) => here < ends && until <= ends,
                }
        });
        if let Some(held) = held {
            return Some(Pause {
                until: held.until.map(|until| self.state.wall(now, until)),
                ..held.clone()
            });
        }
        self.state
            .pauses
            .retain(|pause| !pause.scope.is_like(&scope));
        self.state.pauses.push(Pause {
            scope,
            by: Arc::from(by),
            until,
        });
        None
    }

    /// Ends a pause; false where there was none of this scope.
    pub fn resume(&mut self, scope: &Scope) -> bool {
        let before = self.state.pauses.len();
        self.state
            .pauses
            .retain(|pause| !pause.scope.is_like(scope));
        self.state.pauses.len() < before
    }

    /// The pauses that hold now, with their ends in wall time.
    pub fn pauses(&self, now: Timestamp) -> Vec<Pause> {
        let here = self.state.peek(now);
        self.state
            .pauses
            .iter()
            .filter(|pause| pause.until.is_none_or(|until| here < until))
            .map(|pause| Pause {
                until: pause.until.map(|until| self.state.wall(now, until)),
                ..pause.clone()
            })
            .collect()
    }

    /// Approves a hold: its very tasks, under its very policy set, until the approval expires.
    ///
    /// # Errors
    /// No such hold is known, it is of another policy set than the `live` one, or some of its work is rejected, under
    /// whatever hold, and that no is not taken back.
    pub fn approve(
        &mut self,
        now: Timestamp,
        id: &str,
        by: &str,
        live: &PolicyHash,
        despite_rejection: bool,
    ) -> Result<Hold, HoldError> {
        let here = self.state.tick(now);
        let all = &self.state.holds;
        if let Some(known) = all.iter().find(|hold| hold.id == id) {
            if known.hash != *live {
                let mut others = all.iter();
                let instead = others.find(|hold| hold.hash == *live && hold.shares(known));
                return Err(HoldError::OtherSet {
                    id: id.to_owned(),
                    set: known.hash.short().to_owned(),
                    instead: instead.map(|hold| hold.id.clone()),
                });
            }
            let mut nos = all.iter().filter(|hold| hold.is_no(here));
            if !despite_rejection
                && let Some(no) = nos.find(|hold| hold.shares(known))
                && let HoldStatus::Rejected { by, until } = &no.status
            {
                return Err(HoldError::Rejected {
                    id: no.id.clone(),
                    by: Arc::clone(by),
                    until: self.state.wall(now, *until),
                });
            }
        }
        self.say(now, id, |until| HoldStatus::Approved {
            by: Arc::from(by),
            until,
        })
    }

    /// Rejects a hold: its tasks are refused until the rejection expires (as long as an approval lives).
    ///
    /// # Errors
    /// No such hold is known.
    pub fn reject(&mut self, now: Timestamp, id: &str, by: &str) -> Result<Hold, HoldError> {
        let no = self.say(now, id, |until| HoldStatus::Rejected {
            by: Arc::from(by),
            until,
        })?;
        // what is asked about the same work elsewhere is answered by it
        let asked = |hold: &Hold| hold.status == HoldStatus::Open;
        let holds = &mut self.state.holds;
        holds.retain(|hold| !(asked(hold) && hold.shares(&no)));
        Ok(no)
    }

    /// Forgets what waits for a person of other policy sets than the live one: under it other things are wanted, or the same
    /// under a hold of its own.
    pub fn forget_other_sets(&mut self, live: &PolicyHash) {
        let asked = |hold: &Hold| hold.status == HoldStatus::Open;
        self.state
            .holds
            .retain(|hold| !asked(hold) || hold.hash == *live);
    }

    fn say(
        &mut self,
        now: Timestamp,
        id: &str,
        status: impl FnOnce(Timestamp) -> HoldStatus,
    ) -> Result<Hold, HoldError> {
        let here = self.state.tick(now);
        cap::forget(&mut self.state.holds, here, &self.settings);
        let until = later(here, self.settings.approval_ttl);
        let hold = self
            .state
            .holds
            .iter_mut()
            .find(|hold| hold.id == id)
            .ok_or_else(|| HoldError::Unknown(id.to_owned()))?;
        hold.status = status(until);
        let hold = hold.clone();
        if matches!(hold.status, HoldStatus::Approved { .. }) {
            let others = self.state.holds.iter_mut().filter(|of| of.id != hold.id);
            others.for_each(|other| other.yields_to(&hold));
        }
        Ok(self.shown(hold, now))
    }

    /// Forgets what waits for a person and what one has approved: the ids of its tasks are others' now.
    /// What was rejected stays so until its end.
    pub fn forget_holds(&mut self) {
        let rejected = |hold: &Hold| matches!(hold.status, HoldStatus::Rejected { .. });
        self.state.holds.retain(rejected);
    }

    /// All holds that are remembered, with times of the wall.
    pub fn holds(&self, now: Timestamp) -> Vec<Hold> {
        self.state
            .holds
            .iter()
            .map(|hold| self.shown(hold.clone(), now))
            .collect()
    }

    pub(super) fn shown(&self, mut hold: Hold, now: Timestamp) -> Hold {
        hold.seen_at = self.state.wall(now, hold.seen_at);
        hold.held_since = hold.held_since.map(|since| self.state.wall(now, since));
        match &mut hold.status {
            HoldStatus::Open => {}
            HoldStatus::Approved { until, .. } | HoldStatus::Rejected { until, .. } => {
                *until = self.state.wall(now, *until);
            }
        }
        hold
    }
}
