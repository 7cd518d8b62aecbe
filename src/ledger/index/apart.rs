//! Whether anything but likeness ties a successor to the retry that is said to have made it: its link, the moment at which it was made, or the way of its target; it joins nothing, and where nothing ties it says so.

use jiff::{SignedDuration, Timestamp};

use super::compact::Stamp;
use super::{Attempt, Index};
use crate::ledger::newcomer::LATE;
use crate::ledger::record::{How, JoinedItem};
use crate::model::{Action, LineageId, TaskId};

/// So long after the answer a retry may make its successor: clocks differ, and a queue takes its time.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(120);
/// So many successors on one target that came equally late, or at once, are its way.
const ENOUGH: usize = 3;
/// Delays that differ by no more are equal: a request takes its time, and a stamp may lack its seconds.
const ALIKE: u64 = 120;
/// Delays that are remembered for each target, the last ones.
const REMEMBERED: usize = 16;

/// A successor that was joined by likeness alone and made long after the retry: it may be an order of somebody else's,
/// and ours still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ledger) struct Apart {
    /// The attempt.
    ordinal: u32,
    /// When that was claimed.
    sent: Stamp,
    /// So many seconds after its answer the successor was made; after the claim where none came.
    by: u64,
    /// No answer came: the request may have run for as long as requests do.
    unanswered: bool,
}

/// How late a successor came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ledger) struct Delay {
    lineage: LineageId,
    ordinal: u32,
    by: u64,
    made: Stamp,
}

/// What is known of a successor that was made long after its retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ledger) struct Made {
    /// So long after the answer.
    pub by: SignedDuration,
    /// The successors of others on the target all came at once.
    pub is_strange: bool,
}

/// How long after the attempt's answer a task was made that is first seen at `seen`: no task is younger than its first
/// sight, whatever the server's clock says.
fn delay(attempt: &Attempt, created: Option<Timestamp>, seen: Timestamp) -> SignedDuration {
    let answered = attempt.answered().unwrap_or(attempt.sent);
    created.map_or(SignedDuration::ZERO, |created| {
        created.min(seen).duration_since(answered)
    })
}

impl Index {
    /// Takes note of a successor that is about to be joined.
    pub(super) fn note_apart(&mut self, item: &JoinedItem, at: Stamp) {
        let by_likeness = matches!(item.how, How::Successor | How::Process);
        let Some(attempt) = self.attempts.get(&item.lineage) else {
            return;
        };
        if attempt.action != Action::Retry {
            return;
        }
        let by = delay(attempt, item.created, at.time()).max(SignedDuration::ZERO);
        let ordinal = attempt.ordinal;
        let apart = (by_likeness && by > AT_ONCE).then(|| Apart {
            ordinal,
            sent: attempt.sent.into(),
            by: by.as_secs().unsigned_abs(),
            unanswered: attempt.unanswered,
        });
        let Some(of) = self.lineage_mut(item.lineage) else {
            return;
        };
        let target = of.target;
        let past = of.past_mut();
        if apart.is_some() || past.apart.is_some_and(|of| of.ordinal == ordinal) {
            past.apart = apart;
        }
        if by_likeness && target != 0 {
            let delays = self.delays.entry(target).or_default();
            delays.retain(|of| (of.lineage, of.ordinal) != (item.lineage, ordinal));
            if delays.len() == REMEMBERED {
                delays.remove(0);
            }
            delays.push(Delay {
                lineage: item.lineage,
                ordinal,
                by: by.as_secs().unsigned_abs(),
                made: (item.created.unwrap_or(at.time()).min(at.time())).into(),
            });
        }
    }

    fn other_delays(&self, lineage: LineageId, ordinal: u32) -> impl Iterator<Item = &Delay> {
        let target = self.lineage(lineage).map_or(0, |of| of.target);
        let delays = self.delays.get(&target).into_iter().flatten();
        delays.filter(move |of| (of.lineage, of.ordinal) != (lineage, ordinal))
    }

    /// True where successors of other retries on the lineage's target came as late as that, each at a moment of its own:
    /// what somebody orders at once for many is made at one.
    fn is_its_way(&self, lineage: LineageId, ordinal: u32, by: u64) -> bool {
        let alike = |of: &&Delay| of.by.abs_diff(by) <= ALIKE;
        let others = self.other_delays(lineage, ordinal).filter(alike);
        let mut made: Vec<Timestamp> = others.map(|of| of.made.time()).collect();
        made.sort_unstable();
        made.dedup_by(|later, earlier| later.duration_since(*earlier) <= AT_ONCE);
        made.len() + 1 >= ENOUGH
    }

    /// True where it is known of the lineage's target that its successors come at once.
    fn comes_at_once(&self, lineage: LineageId, ordinal: u32) -> bool {
        let at_once = AT_ONCE.as_secs().unsigned_abs();
        let late = |of: &Delay| of.by > at_once;
        self.other_delays(lineage, ordinal).count() >= ENOUGH
            && !self.other_delays(lineage, ordinal).any(late)
    }

    /// What was joined to the lineage long after a retry, by likeness alone.
    fn late(&self, lineage: LineageId, settle_after: SignedDuration) -> Option<Apart> {
        let apart = self.lineage(lineage)?.past.as_ref()?.apart?;
        let in_time = apart.unanswered && apart.by <= settle_after.as_secs().unsigned_abs();
        (!in_time).then_some(apart)
    }

    /// The same, where the way of its target does not explain it either.
    fn apart(&self, lineage: LineageId, settle_after: SignedDuration) -> Option<Apart> {
        let apart = self.late(lineage, settle_after)?;
        (!self.is_its_way(lineage, apart.ordinal, apart.by)).then_some(apart)
    }

    /// True where nothing but likeness ties the present id of the lineage to its open retry, and it came late.
    pub fn is_apart(&self, lineage: LineageId, settle_after: SignedDuration) -> bool {
        self.made_apart(lineage, settle_after).is_some()
    }

    /// How the present id of the lineage was made, where nothing ties it to the open retry.
    pub(in crate::ledger) fn made_apart(
        &self,
        lineage: LineageId,
        settle_after: SignedDuration,
    ) -> Option<Made> {
        let ordinal = self.attempt(lineage)?.ordinal;
        let apart = self.apart(lineage, settle_after)?;
        let by = i64::try_from(apart.by).unwrap_or(i64::MAX);
        (apart.ordinal == ordinal).then_some(Made {
            by: SignedDuration::from_secs(by),
            is_strange: self.comes_at_once(lineage, ordinal),
        })
    }

    /// True where a task of that date may still be the successor of a retry to which another one was joined by likeness alone,
    /// and late. What others of the target have shown since makes it no surer: they may be somebody else's as well.
    pub(in crate::ledger) fn may_still_come(
        &self,
        lineage: LineageId,
        created: Timestamp,
        settle_after: SignedDuration,
    ) -> bool {
        let late = self.late(lineage, settle_after);
        late.is_some_and(|apart| created.duration_since(apart.sent.time()).abs() <= LATE)
    }

    /// The id that the open retry was sent for, where what was joined since may be an order of somebody else's: its
    /// true successor is still looked for.
    pub(in crate::ledger) fn still_waits(&self, lineage: LineageId) -> Option<TaskId> {
        let attempt = self.attempt(lineage)?;
        let apart = self.lineage(lineage)?.past.as_ref()?.apart?;
        (attempt.action == Action::Retry && apart.ordinal == attempt.ordinal)
            .then(|| attempt.task.clone())
    }

    /// True where a task of this date, first seen at `seen`, is tied to the open retry by the moment at which it was made,
    /// or by the way of its target.
    pub(in crate::ledger) fn is_tied(
        &self,
        lineage: LineageId,
        created: Option<Timestamp>,
        seen: Timestamp,
    ) -> bool {
        let Some(attempt) = self.attempt(lineage) else {
            return false;
        };
        let by = delay(attempt, created, seen);
        by <= AT_ONCE || self.is_its_way(lineage, attempt.ordinal, by.as_secs().unsigned_abs())
    }
}
