//! The backlog, of the first day and of each login, target and action that came later: what was there already waits until a person releases it.

use jiff::Timestamp;

use super::{Index, flags};
use crate::ledger::record::{Event, OpenedItem};
use crate::model::{LineageId, Login, RefusalReason, TaskId};

impl Index {
    /// The login, where it is a further one; the main one is that to which the store was bound then.
    pub(super) fn further(&self, login: Option<&Login>) -> Option<Login> {
        let bound = self.fingerprint.as_deref()?;
        let (_, main) = bound.rsplit_once(" as ")?;
        let further = |login: &&Login| login.as_str() != main;
        login.filter(further).cloned()
    }

    /// True where the backlog of this further login was taken.
    pub fn has_baseline_of(&self, login: &Login) -> bool {
        self.baseline_of.contains_key(login)
    }

    /// Everything that was there when enforce was first switched on. Where it names a further login, that
    /// one's backlog is whole: what it shows first from now on is new.
    pub(super) fn take_baseline(&mut self, up_to: LineageId, event: &Event) {
        if let Some(login) = self.further(event.login.as_ref()) {
            self.baseline_of.entry(login).or_insert(event.at);
            return;
        }
        self.baseline = Some((up_to, event.at));
        for (n, lineage) in (1u64..).zip(self.lineages.iter_mut()) {
            let old = n <= up_to.0 && !lineage.has(flags::DONE | flags::RELEASED);
            lineage.set(flags::BASELINE, old);
        }
    }

    /// What a further login shows first, before all of its backlog is known, belongs to that.
    pub(super) fn opened_late(&mut self, items: &[OpenedItem], login: Option<&Login>) {
        let Some(login) = self.further(login) else {
            return;
        };
        if self.baseline.is_none() || self.has_baseline_of(&login) {
            return;
        }
        for item in items {
            if let Some(of) = self.lineage_mut(item.lineage) {
                of.set(flags::BASELINE, true);
            }
        }
    }

    /// True where it was there when enforce was first switched on, or belongs to a backlog that came later, released
    /// or not: it may have been retried before it was first seen.
    pub fn was_there(&self, lineage: LineageId) -> bool {
        self.baseline.is_some_and(|(up_to, _)| lineage <= up_to)
            || self.in_baseline(lineage)
            || self.is_released(lineage)
    }

    /// True where the lineage was there before enforce was switched on for it, and is not released.
    pub fn in_baseline(&self, lineage: LineageId) -> bool {
        self.lineage(lineage)
            .is_some_and(|of| of.has(flags::BASELINE))
    }

    /// True where a person released it from baseline and age limit.
    pub fn is_released(&self, lineage: LineageId) -> bool {
        self.lineage(lineage)
            .is_some_and(|of| of.has(flags::RELEASED))
    }

    /// True where that was after it had been refused for its age: whoever released it knew.
    pub fn is_released_old(&self, lineage: LineageId) -> bool {
        self.lineage(lineage)
            .is_some_and(|of| of.has(flags::RELEASED_OLD))
    }

    /// When the backlog that this login shows was taken.
    pub(in crate::ledger) fn backlog_since(&self, login: Option<&Login>) -> Option<Timestamp> {
        let (_, first) = self.baseline?;
        let further = self.further(login);
        let own = further.and_then(|login| self.baseline_of.get(&login).copied());
        Some(own.unwrap_or(first))
    }

    /// The highest number of what was there then.
    pub(in crate::ledger) fn backlog_top(&self) -> Option<u64> {
        let (up_to, _) = self.baseline?;
        let there = (1..=up_to.0).map(LineageId);
        let number = |lineage: LineageId| {
            let of = self.lineage(lineage).filter(|of| !of.has(flags::RETIRED))?;
            let first = self.first_number(lineage);
            first.or_else(|| TaskId::from(&of.task).number())
        };
        there.filter_map(number).max()
    }

    /// What only came into sight later is as old as its task: what was there when enforce was first switched on
    /// belongs to the backlog, though nothing had shown it then.
    pub(super) fn sighted_late(&mut self, items: &[OpenedItem], login: Option<&Login>) {
        let Some(from) = self.backlog_since(login) else {
            return;
        };
        for item in items.iter().filter(|item| item.by_date) {
            if item.created.is_none_or(|created| created <= from)
                && let Some(of) = self.lineage_mut(item.lineage)
            {
                of.set(flags::BASELINE, true);
            }
        }
    }

    /// Those of them that would be acted on, or may be some day, once what is only observed now is enforced; what a
    /// person has released, or was attempted, is known already.
    pub fn only_observed(&self, lineages: impl Iterator<Item = LineageId>) -> Vec<LineageId> {
        if self.baseline.is_none() {
            return Vec::new();
        }
        let told = flags::BASELINE | flags::RELEASED | flags::DONE | flags::RETIRED;
        lineages
            .filter(|lineage| {
                self.lineage(*lineage).is_some_and(|of| {
                    let tried = of
                        .past
                        .as_ref()
                        .is_some_and(|past| past.last_state.is_some());
                    !of.has(told) && !tried && !self.attempts.contains_key(lineage)
                })
            })
            .collect()
    }

    pub(super) fn hold_observed(&mut self, lineages: &[LineageId]) {
        for lineage in lineages {
            if let Some(of) = self.lineage_mut(*lineage)
                && !of.has(flags::RELEASED | flags::DONE)
            {
                of.set(flags::BASELINE, true);
            }
        }
    }

    pub(super) fn release_baseline(&mut self, lineages: &[LineageId]) {
        for lineage in lineages {
            if let Some(of) = self.lineage_mut(*lineage) {
                of.set(flags::BASELINE, false);
                of.set(flags::RELEASED, true);
                let refused = of.decided.as_ref().and_then(|decided| decided.refusal);
                if refused == Some(RefusalReason::TooOld) {
                    of.set(flags::RELEASED_OLD, true);
                }
            }
        }
    }
}
