//! What the cycle remembers of each lineage between cycles, so that nothing unchanged is decided again; never the record itself.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroI64, NonZeroU8};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::another::Watched;
use super::ask::Writers;
use super::cache::Cache;
use super::lists::Listed;
use super::propose::lacks_a_fact;
use crate::model::hash::{FastMap, FastSet};
use crate::model::seers::Bits;
use crate::model::settings::Settings;
use crate::model::task::DefinitionId;
use crate::model::{
    Answer, Decision, DefKey, LineageId, ReadValue, Refusal, RefusalReason, TargetName, Task,
    Verdict,
};
use crate::policy::PolicySet;

/// A decision that reads the clock is looked at again after this at the latest.
pub const TIME_RELOOK: SignedDuration = SignedDuration::from_mins(15);

/// A moment in eight bytes, also where there may be none: there are as many as tasks. It is rounded up to a
/// microsecond: what waits for a time must not be looked at just before it, when the answer is still the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(NonZeroI64);

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let micros = at.as_microsecond();
        let later = at.as_nanosecond() > i128::from(micros) * 1000;
        // what is as old as 1970 itself is a microsecond late
        let first = NonZeroI64::from(NonZeroU8::MIN);
        Self(NonZeroI64::new(micros + i64::from(later)).unwrap_or(first))
    }
}

impl Moment {
    /// Back to domain time.
    pub fn time(self) -> Timestamp {
        Timestamp::from_microsecond(self.0.get()).unwrap_or(Timestamp::MAX)
    }
}

/// One lineage as last decided.
#[derive(Debug)]
pub struct Remembered {
    /// Fingerprint of everything the decision rested on.
    pub print: u64,
    /// When it is looked at again although nothing changed.
    pub relook: Option<Moment>,
    /// The decision, kept whole only where something is to be done.
    pub act: Option<Arc<Decision>>,
    /// Why it was not done.
    pub refusal: Option<Refused>,
    /// The cycle in which the lineage was last seen.
    pub seen: u64,
    /// How often a fact for it was asked for in vain, in a row.
    pub unreadable: u16,
    /// The logins that saw it then.
    pub by: Bits,
}

/// What is remembered of a refusal; the whole of it is on record.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The reason.
    pub reason: RefusalReason,
    /// The time that lifts it, where one does.
    pub until: Option<Moment>,
    /// The epoch in which it was said.
    pub epoch: u64,
}

impl Refused {
    /// True where only an order, a reload or a change of the task itself can lift it.
    pub fn waits_for_a_person(self) -> bool {
        waits_for_a_person(self.reason)
    }

    /// What to remember of it.
    pub fn of(refusal: &Refusal, epoch: u64) -> Self {
        Self {
            reason: refusal.reason,
            until: refusal.until.map(Moment::from),
            epoch,
        }
    }
}

/// What a row shows of its definition: target, key and name.
pub type Shows = (Option<TargetName>, Option<DefKey>, Option<Arc<str>>);

/// What one cycle hands to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Per lineage.
    pub lineages: FastMap<LineageId, Remembered>,
    /// Readings of people, accounts, proxies, roles.
    pub cache: Cache,
    /// What is known of the logins' lists, the main one's first.
    pub lists: Vec<Listed>,
    /// Definitions of the running cycle's decisions, each once: very many tasks share few.
    pub definitions: FastSet<DefinitionId>,
    /// What the last row showed of its own, with its definition: mostly the next one shows the same.
    pub defined: Option<(Shows, Option<DefinitionId>)>,
    /// What the last task was answered.
    pub answered: Option<Arc<Answer>>,
    /// What inputs are put into words with: what tasks of one sort share is told once, over all cycles.
    pub words: Writers,
    /// Rejected tasks that no login's list shows, by owner, as the last pass found it in which all lists were read.
    pub no_road: Option<(Timestamp, BTreeMap<String, u64>)>,
    /// Who was seen to change tasks.
    pub watched: Watched,
    /// In which cycle what the guards had found out before was read again, so that each has its turn.
    pub looked: FastMap<LineageId, u64>,
    /// Number of the running cycle.
    pub cycle: u64,
    /// Under what was decided, as it was last read.
    pub under: Option<(Arc<Settings>, Arc<PolicySet>)>,
}

impl Memory {
    /// A cycle begins. What was decided under a configuration or policies that were read again since is decided anew,
    /// whatever its inputs: the act may name whom they have taken out.
    pub fn begin(&mut self, settings: &Arc<Settings>, policies: &Arc<PolicySet>) {
        self.cycle += 1;
        self.definitions.clear();
        let same = self.under.as_ref().is_some_and(|(before, set)| {
            Arc::ptr_eq(before, settings) && Arc::ptr_eq(set, policies)
        });
        if same {
            return;
        }
        if self.under.is_some() {
            for known in self.lineages.values_mut() {
                known.relook = Some(Moment::from(Timestamp::MIN));
            }
        }
        self.under = Some((Arc::clone(settings), Arc::clone(policies)));
    }

    /// True where a decision has to be made anew.
    pub fn must_decide(&self, lineage: LineageId, print: u64, now: Timestamp) -> bool {
        match self.lineages.get(&lineage) {
            Some(known) => {
                known.print != print || known.relook.is_some_and(|relook| relook.time() <= now)
            }
            None => true,
        }
    }

    /// When the first act is due that only a time holds back, of those that a list read at that time may show.
    pub fn first_due(
        &self,
        now: Timestamp,
        shows: impl Fn(Bits, Timestamp) -> bool,
    ) -> Option<Timestamp> {
        let waiting = self.lineages.values().filter(|known| known.act.is_some());
        let until = waiting.filter_map(|known| Some((known.by, known.refusal?.until?.time())));
        until
            .filter(|(by, until)| *until > now && shows(*by, *until))
            .map(|(_, until)| until)
            .min()
    }

    /// An answer, as the task before has it where that one is the same: mostly it is.
    pub fn answer(&mut self, own: Answer) -> Arc<Answer> {
        match &self.answered {
            Some(same) if **same == own => Arc::clone(same),
            _ => Arc::clone(self.answered.insert(Arc::new(own))),
        }
    }

    /// The definition of a row, as other rows have it.
    pub fn definition(&mut self, task: &Task) -> Option<DefinitionId> {
        if let Some((row, same)) = &self.defined
            && row.0 == task.target
            && row.1 == task.definition_key
            && row.2 == task.definition_name
        {
            return same.clone();
        }
        let found = self.looked_up(task);
        let row = (
            task.target.clone(),
            task.definition_key.clone(),
            task.definition_name.clone(),
        );
        self.defined = Some((row, found.clone()));
        found
    }

    fn looked_up(&mut self, task: &Task) -> Option<DefinitionId> {
        let own = task.definition()?;
        if let Some(same) = self.definitions.get(&own) {
            return Some(same.clone());
        }
        self.definitions.insert(own.clone());
        Some(own)
    }

    /// What the guards could not read is asked for at once, and not after the pause that grows with each try: what stood
    /// in the way may be gone.
    pub fn ask_again(&mut self) {
        for known in self.lineages.values_mut() {
            if known.refusal.is_some_and(|of| lacks_a_fact(of.reason)) {
                known.refusal = None;
            }
        }
    }

    /// What has waited for a breaker that is closed by now is proposed again by the next cycle.
    pub fn closed(&mut self, targets: &BTreeSet<TargetName>) {
        for known in self.lineages.values_mut() {
            let act = known.act.as_ref();
            let target = act.and_then(|act| act.target.as_ref());
            let waits = |of: Refused| of.reason == RefusalReason::BreakerOpen;
            if known.refusal.is_some_and(waits) && target.is_some_and(|of| targets.contains(of)) {
                known.refusal = None;
            }
        }
    }

    /// Forgets lineages that the last pass did not show; not those that it could not, because a list that shows them
    /// was not read, or because they are read by their ids and had no turn.
    pub fn forget_unseen(&mut self, read: Bits, no_turn: &FastSet<LineageId>) {
        let cycle = self.cycle;
        self.lineages.retain(|lineage, known| {
            known.seen == cycle || !known.asked(read) || no_turn.contains(lineage)
        });
        let Self {
            lineages, looked, ..
        } = self;
        looked.retain(|lineage, _| lineages.contains_key(lineage));
    }
}

impl Remembered {
    /// True where all lists that have shown it are among those that were read.
    pub fn asked(&self, read: Bits) -> bool {
        self.by & !read == 0
    }

    /// True where proposing it again can't change the answer: the same refusal was given in the
    /// same epoch (no order, reload or mode change since) and waits for no time.
    pub fn still_refused(&self, epoch: u64, now: Timestamp) -> bool {
        self.refusal.is_some_and(|refused| {
            refused.epoch == epoch
                && match refused.until {
                    Some(until) => until.time() > now,
                    None => waits_for_a_person(refused.reason),
                }
        })
    }
}

/// Refusals that only an order, a reload or a change of the task itself can lift.
pub(super) fn waits_for_a_person(reason: RefusalReason) -> bool {
    matches!(
        reason,
        RefusalReason::ModeOff
            | RefusalReason::ModeObserve
            | RefusalReason::PolicyNotReleased
            | RefusalReason::NotProbed
            | RefusalReason::Paused
            | RefusalReason::WorldMismatch
            | RefusalReason::KindUnknown
            | RefusalReason::KindNeedsNaming
            | RefusalReason::StatusNotActionable
            | RefusalReason::DefinitionManual
            | RefusalReason::ActionNotAllowed
            | RefusalReason::Baseline
            | RefusalReason::TooOld
            | RefusalReason::AttemptsUsedUp
            | RefusalReason::SentInVain
            | RefusalReason::NotAuthorised
            | RefusalReason::LineageAmbiguous
            | RefusalReason::AlreadyAssigned
    )
}

/// What scripts read that changes without a sign in the row: readings of people, accounts, stand-ins.
const MOVING: [&str; 4] = [
    "facts.beneficiary",
    "facts.siblings",
    "facts.owner",
    "facts.fulfilment_role",
];

/// True where the answer rests on readings of other things than the row, which are made anew in time.
pub fn rests_on_readings(read: &[ReadValue]) -> bool {
    read.iter()
        .any(|(name, _)| MOVING.iter().any(|of| name.starts_with(of)))
}

/// When a verdict is looked at again although nothing changes.
pub fn relook_of(verdict: Option<&Verdict>, reads_time: bool, now: Timestamp) -> Option<Timestamp> {
    let said = match verdict {
        Some(Verdict::Leave { after, .. } | Verdict::Ask { after, .. }) => *after,
        // an act is proposed anew in each cycle; what held it back says when
        Some(Verdict::Act { .. }) | None => None,
    };
    let by_time = reads_time.then_some(TIME_RELOOK);
    [said, by_time]
        .into_iter()
        .flatten()
        .min()
        .and_then(|wait| now.checked_add(wait).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_and_what_is_remembered_stays_small() {
        for at in ["2027-03-01T12:00:00.123456Z", "0001-01-01T00:00:00Z"] {
            let at: Timestamp = at.parse().expect("a time");
            assert_eq!(Moment::from(at).time(), at);
        }
        assert_eq!(Moment::from(Timestamp::MAX).time(), Timestamp::MAX);
        // woken before the time for which it waits, a cycle would find it refused once more, and wait for the next
        for at in [
            "2027-03-01T12:00:00.123456001Z",
            "2027-03-01T12:00:00.123456999Z",
            "1969-12-31T23:59:59.999999001Z",
            "1970-01-01T00:00:00Z",
        ] {
            let at: Timestamp = at.parse().expect("a time");
            let kept = Moment::from(at).time();
            assert!(kept >= at, "{kept} for {at}");
            // two where 1970 began
            assert!(kept.duration_since(at) < SignedDuration::from_micros(2));
        }
        // there is one for each task, in a table that is up to twice as large
        assert!(std::mem::size_of::<(LineageId, Remembered)>() <= 72);
    }
}
