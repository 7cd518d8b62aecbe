//! Requests that were never answered and whose work is told all the same: what was read may be the run of somebody else, and the server may carry out ours yet. Until `delivery.settle_after` nothing else is written in their account. It concludes nothing.

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, FoundAt, Index};
use crate::model::hash::FastMap;
use crate::model::{Action, AttemptEvent, AttemptState, LineageId, ProcessKey};

/// `delivery.settle_after` is never longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whose writes wait: those of the account, and those of the piece of work.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Place {
    Account(ProcessKey),
    Work(LineageId),
}

/// Attempts as they were when no answer was all that was known of them. None of it is looked at when two
/// indices are compared: how long they are kept is a matter of the run.
#[derive(Clone, Debug, Default)]
pub(in crate::ledger) struct Late {
    by: FastMap<Place, Vec<Attempt>>,
    many: usize,
    /// With so many the old ones are looked for.
    full: usize,
    /// When the last record was made.
    now: Timestamp,
}

impl Late {
    /// A record was made.
    pub fn record(&mut self, at: Timestamp) {
        self.now = at;
    }

    /// Takes note of an unanswered attempt that `event` tells.
    pub fn told(&mut self, lineage: LineageId, attempt: &Attempt, event: AttemptEvent) {
        let moves = matches!(
            attempt.action,
            Action::Retry | Action::SetResponse { .. } | Action::ManualComplete
        );
        // these two come after `settle_after` only
        let over = matches!(event, AttemptEvent::ReadUnchanged | AttemptEvent::ReadGone);
        if !attempt.unanswered || !moves || over {
            return;
        }
        let mut attempt = attempt.clone();
        attempt.state = AttemptState::Unknown;
        // what goes on with it may be shown under another account, or under none
        let account = attempt.process.clone().map(Place::Account);
        for place in [account, Some(Place::Work(lineage))].into_iter().flatten() {
            self.by.entry(place).or_default().push(attempt.clone());
            self.many += 1;
        }
        if self.many > self.full {
            self.forget(self.now, LONGEST);
            self.full = self.many.saturating_mul(2).max(1024);
        }
    }

    fn at<'a>(
        &'a self,
        process: Option<&ProcessKey>,
        lineage: LineageId,
    ) -> impl Iterator<Item = &'a Attempt> {
        let account = process.map(|process| Place::Account(process.clone()));
        [account, Some(Place::Work(lineage))]
            .into_iter()
            .flatten()
            .filter_map(|place| self.by.get(&place))
            .flatten()
    }

    /// This run has found them, and counts their time `since` one. How long ago they were is not asked: the
    /// clock that tells may have been set forward since, also in a run between.
    pub fn found(&mut self, since: Timestamp) {
        self.forget(self.now, LONGEST);
        for attempt in self.by.values_mut().flatten() {
            attempt.found = FoundAt(Some(since));
        }
    }

    /// None of them was sent later than now.
    pub fn none_later(&mut self, now: Timestamp) {
        for attempt in self.by.values_mut().flatten() {
            attempt.sent = attempt.sent.min(now);
        }
    }

    /// Forgets those that have had their time.
    pub fn forget(&mut self, now: Timestamp, settle_after: SignedDuration) {
        if self.many == 0 {
            return;
        }
        self.by.retain(|_, attempts| {
            attempts.retain(|of| now.duration_since(of.may_run_from()) < settle_after);
            !attempts.is_empty()
        });
        self.many = self.by.values().map(Vec::len).sum();
    }
}

impl Index {
    /// Until when a request that was never answered may still be carried out in this account, or for this piece
    /// of work; `None`: there is none. For what takes access away only what may be moving access counts.
    pub fn late_until(
        &self,
        process: Option<&ProcessKey>,
        lineage: LineageId,
        takes_access: bool,
        now: Timestamp,
        settle_after: SignedDuration,
    ) -> Option<Timestamp> {
        self.late
            .at(process, lineage)
            .filter(|of| !takes_access || of.on_the_way(now, settle_after))
            .filter_map(|of| of.may_run_from().checked_add(settle_after).ok())
            .max()
            .filter(|until| now < *until)
    }
}
