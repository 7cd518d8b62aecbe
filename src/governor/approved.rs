//! How approvals are used up: each lets an act go once, and only what was claimed has gone; it never says whether one may.
//!
//! Between queue and claim an act is read once more, and a newer cycle may take it back. Until it is known what became
//! of it, its approval stands: a cycle that comes meanwhile wants it still, and finds it on its way, so that it goes
//! once. What is stored counts it as used: of a process that was killed nobody can tell.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Action, ActionName, Decision, Refusal, TargetName, TaskId};

use super::admitted::Admitted;
use super::cap::{Hold, Wish, is_held};
use super::machine::Governor;

/// Acts of a batch that a person may have had to allow, until it is known which of them were claimed.
#[derive(Debug, Default)]
pub struct Leaving(Vec<(Arc<Decision>, Action)>);

impl Governor {
    /// These have left the queue.
    pub(super) fn leave(&mut self, here: Timestamp, items: &[Admitted]) -> Leaving {
        let held = items.iter().filter(|item| is_held(item.action().name()));
        let mut leaving = Vec::new();
        for item in held {
            let wish = item.wish();
            let covering = self.state.holds.iter_mut();
            let covering = covering.filter(|hold| hold.is_yes(here) && hold.covers(&wish));
            covering.for_each(|hold| hold.leaves(wish.task));
            leaving.push((Arc::clone(item.shared()), item.action().clone()));
        }
        Leaving(leaving)
    }

    /// All that have left were claimed, but for these. Whatever approval lets one of them go lets it go no second time,
    /// also one that was given when it had left already.
    pub fn claimed(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        leaving: &Leaving,
        refused: &[(Admitted, Refusal)],
    ) {
        let here = self.state.tick(now);
        for (decision, act) in &leaving.0 {
            let not = |(item, _): &(Admitted, Refusal)| item.decision().task == decision.task;
            let claimed = !refused.iter().any(not);
            let wish = Wish {
                action: act.name(),
                target,
                hash: &decision.hash,
                task: &decision.task,
                lineage: decision.lineage,
                act,
            };
            for hold in &mut self.state.holds {
                let left = hold.has_left(&wish);
                if claimed && (left || hold.is_yes(here) && hold.covers(&wish)) {
                    hold.uses(wish.task);
                }
            }
        }
    }

    /// The process was killed and starts again: this was claimed since the state was stored. By which approval it went the
    /// claim does not say, so each that names it is used up.
    pub fn recount_used(&mut self, action: ActionName, target: &TargetName, task: &TaskId) {
        for hold in &mut self.state.holds {
            hold.was_used(action, target, task);
        }
    }
}

impl Hold {
    /// As it is stored: what has left may be claimed by the time that it is read again.
    pub(super) fn count_as_used(&mut self) {
        for task in std::mem::take(&mut self.leaving) {
            self.uses(&task);
        }
    }

    /// It has left the queue under this approval. One that was withdrawn may leave again before its first batch has
    /// ended, so each time counts.
    fn leaves(&mut self, task: &TaskId) {
        let (Ok(at) | Err(at)) = self.leaving.binary_search(task);
        self.leaving.insert(at, task.clone());
    }

    /// What became of one that had left is known; false where it had not left under this approval.
    fn has_left(&mut self, wish: &Wish<'_>) -> bool {
        if self.action != wish.action || self.target != *wish.target {
            return false;
        }
        let found = self.leaving.binary_search(wish.task);
        if let Ok(at) = found {
            self.leaving.remove(at);
        }
        found.is_ok()
    }
}

impl Admitted {
    /// As holds know it.
    pub(super) fn wish(&self) -> Wish<'_> {
        let decision = self.decision();
        Wish {
            action: self.action().name(),
            target: self.target(),
            hash: &decision.hash,
            task: &decision.task,
            lineage: decision.lineage,
            act: self.action(),
        }
    }
}
