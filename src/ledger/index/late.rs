//! Requests whose result was in doubt and whose work is told all the same: what was read may be the run of somebody else, and the server may carry out ours yet. Until `delivery.settle_after` has passed, within one run and on record, nothing else is written in their account. It concludes nothing, and compares no times of two runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, FoundAt, Index};
use crate::ledger::record::AttemptItem;
use crate::model::hash::FastMap;
use crate::model::{Action, AttemptEvent, AttemptState, Kind, LineageId, ProcessKey};

/// One attempt, and what became of it.
type Key = (LineageId, u32);

/// What may be carried out yet.
#[derive(Clone, Debug)]
struct Entry {
    /// The accounts that it was sent for and is shown under since.
    accounts: Vec<ProcessKey>,
    /// It may give access, or take it, when it is carried out.
    moves_access: bool,
    /// When it was claimed.
    sent: Timestamp,
    /// From when on this run counts, where its start has found it.
    found: FoundAt,
}

impl Entry {
    fn from(&self) -> Timestamp {
        self.found.from(self.sent)
    }
}

/// All of them. From when on a run counts makes no two differ.
#[derive(Clone, Debug, Default)]
pub(in crate::ledger) struct Late {
    all: BTreeMap<Key, Entry>,
    by_account: FastMap<ProcessKey, Vec<Key>>,
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        let shown = |of: &Self| {
            let all = of.all.iter();
            all.map(|(key, of)| (*key, of.accounts.clone(), of.moves_access))
                .collect::<Vec<_>>()
        };
        shown(self) == shown(other)
    }
}

impl Late {
    /// Takes note of an attempt that `event` tells, where it may be carried out all the same: no answer came, it
    /// was in doubt, or somebody else has ended its work, which ends no connector. A note is left out: it moves nothing, and is read before
    /// each that is written.
    pub fn told(&mut self, lineage: LineageId, attempt: &Attempt, event: AttemptEvent) {
        let by_others = matches!(
            event,
            AttemptEvent::ReadSuperseded | AttemptEvent::PersonClosed
        );
        let doubtful = attempt.unanswered || attempt.state == AttemptState::Ambiguous || by_others;
        // these two come after `settle_after` only
        let over = matches!(event, AttemptEvent::ReadUnchanged | AttemptEvent::ReadGone);
        if !doubtful || over {
            return;
        }
        let accounts = attempt.accounts().cloned().collect();
        let (accounts, moves_access) = match attempt.action {
            Action::SetNote { .. } => return,
            // it may hand the work to whom it was meant for, and moves nothing in the account
            Action::Reassign { .. } => (Vec::new(), false),
            Action::Retry => (accounts, attempt.kind != Kind::Notify),
            Action::SetResponse { .. } | Action::ManualComplete => (accounts, true),
        };
        let key = (lineage, attempt.ordinal);
        for account in &accounts {
            let of = self.by_account.entry(account.clone()).or_default();
            of.push(key);
        }
        let entry = Entry {
            accounts,
            moves_access,
            sent: attempt.sent,
            found: attempt.found.clone(),
        };
        self.all.insert(key, entry);
    }

    /// Its work is shown under this account since.
    pub fn also_on(&mut self, lineage: LineageId, account: &ProcessKey) {
        for (key, entry) in self.all.range_mut((lineage, 0)..=(lineage, u32::MAX)) {
            let holds_accounts = !entry.accounts.is_empty();
            if holds_accounts && !entry.accounts.contains(account) {
                entry.accounts.push(account.clone());
                let of = self.by_account.entry(account.clone()).or_default();
                of.push(*key);
            }
        }
    }

    /// It is on record that this one can't be carried out any more.
    pub fn over(&mut self, item: &AttemptItem) {
        let key = (item.lineage, item.ordinal);
        let Some(entry) = self.all.remove(&key) else {
            return;
        };
        for account in entry.accounts {
            let Some(keys) = self.by_account.get_mut(&account) else {
                continue;
            };
            keys.retain(|of| *of != key);
            if keys.is_empty() {
                self.by_account.remove(&account);
            }
        }
    }

    fn at<'a>(
        &'a self,
        account: Option<&ProcessKey>,
        lineage: LineageId,
    ) -> impl Iterator<Item = &'a Entry> {
        let of_account = account.and_then(|account| self.by_account.get(account));
        let of_account = of_account.into_iter().flatten();
        let of_account = of_account.filter_map(|key| self.all.get(key));
        let of_work = self.all.range((lineage, 0)..=(lineage, u32::MAX));
        of_account.chain(of_work.map(|(_, entry)| entry))
    }

    /// This run has found them, and counts their time `since` one. How long ago they were is not asked: the
    /// clock that tells may have been set since, also in a run between.
    pub fn found(&mut self, since: Timestamp) {
        let since = FoundAt(Some(Arc::new(since)));
        for entry in self.all.values_mut() {
            entry.found = since.clone();
        }
    }

    /// None of them was sent later than now.
    pub fn none_later(&mut self, now: Timestamp) {
        for entry in self.all.values_mut() {
            entry.sent = entry.sent.min(now);
        }
    }

    /// Those that have had their time in this run.
    pub fn spent(&self, now: Timestamp, settle_after: SignedDuration) -> Vec<AttemptItem> {
        let all = self.all.iter();
        all.filter(|(_, entry)| now.duration_since(entry.from()) >= settle_after)
            .map(|((lineage, ordinal), _)| AttemptItem {
                lineage: *lineage,
                ordinal: *ordinal,
            })
            .collect()
    }
}

impl Index {
    /// Until when a request whose result was in doubt may still be carried out in this account, or for this
    /// piece of work; `None`: there is none. For what takes access away only what may be moving access counts.
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
            .filter(|of| !takes_access || of.moves_access)
            .filter_map(|of| of.from().checked_add(settle_after).ok())
            .max()
            .filter(|until| now < *until)
    }
}
