//! Whether a finished task is what came of a retry of ours, and of which work; it says so only where nothing else can have made it.

use jiff::{SignedDuration, Timestamp};

use super::compact::Lineage;
use super::{Index, flags};
use crate::model::hash::FastMap;
use crate::model::{Action, AttemptState, Kind, LineageId, ProcessKey, TaskId};

/// So much may the server's clock differ from ours, as [`crate::ledger`] reckons elsewhere.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(30);

/// A successor that names no elder is made by this long after the claim, its clock's difference included.
const AT_ONCE: SignedDuration = CLOCKS_DIFFER;

/// Work of which a task is the last word, by a retry of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retried {
    /// The work.
    pub lineage: LineageId,
    /// When its first task was made, by the server.
    pub ordered: Timestamp,
    /// The task that was retried last.
    pub before: TaskId,
}

impl Index {
    /// The work whose last retry, which was ours and was read as completed, has made this task: it names the one that was
    /// retried (`retry_of`), or was made as the retry was sent. What was made later, and names none, may be an order of
    /// somebody else's while ours is still to come, whatever it was joined to.
    pub fn retried_as(
        &self,
        task: &TaskId,
        created: Timestamp,
        retry_of: Option<&TaskId>,
    ) -> Option<Retried> {
        let lineage = self.lineage_of(task)?;
        let of = self.lineage(lineage)?;
        let past = of.past.as_ref()?;
        let doubt = flags::AMBIGUOUS | flags::SAID | flags::RETIRED | flags::MOVED;
        let told = of.has(flags::DONE)
            && !of.has(doubt)
            && past.last_state == Some(AttemptState::Completed)
            && TaskId::from(&of.task) == *task;
        let last = past.attempts.last().filter(|_| told)?;
        let sent = last.at.time().checked_sub(CLOCKS_DIFFER).ok()?;
        let read = past.last_at.time().checked_add(CLOCKS_DIFFER).ok()?;
        let ordered = of.created?.time();
        let before = TaskId::from(past.ids.last()?);
        let at_once = last.at.time().checked_add(AT_ONCE).ok()?;
        let is_ours = retry_of == Some(&before) || created <= at_once;
        let fits = sent <= created && created <= read && ordered <= created;
        (is_ours && fits).then_some(Retried {
            lineage,
            ordered,
            before,
        })
    }

    /// By when a finished task had surely come to its end, by the server's clock: our own last attempt of its work was
    /// read as completed then.
    pub fn done_by(&self, task: &TaskId) -> Option<Timestamp> {
        let read = completed_at(self.lineage(self.lineage_of(task)?)?)?;
        read.checked_add(CLOCKS_DIFFER).ok()
    }

    /// The accounts whose creation is over, as [`mark_of`](crate::ledger::mark_of) has them, each with when that was seen: a
    /// retry of ours was read as completed, somebody else has done it meanwhile, or no list shows it any more.
    pub fn creations_over(&self) -> FastMap<u64, Timestamp> {
        let lineages = (1u64..).map(LineageId).zip(&self.lineages);
        let creates = lineages.filter(|(_, of)| of.kind == Kind::Create && of.process != 0);
        let over = creates.filter_map(|(lineage, of)| {
            let doubt = flags::AMBIGUOUS | flags::RETIRED | flags::MOVED;
            let superseded = || {
                let past = of.past.as_ref().filter(|_| !of.has(doubt))?;
                let theirs = past.last_state == Some(AttemptState::Superseded);
                theirs.then(|| past.last_at.time())
            };
            let at = completed_at(of).or_else(superseded);
            Some((of.process, at.or_else(|| self.left_for_good(lineage))?))
        });
        over.collect()
    }

    /// True where a task of this account may be what a retry of ours has made that is not settled yet.
    pub fn may_be_of_a_retry(
        &self,
        process: &ProcessKey,
        task: &TaskId,
        kind: Kind,
        created: Option<Timestamp>,
    ) -> bool {
        let known = self.lineage_of(task);
        self.open_on(process).into_iter().any(|(lineage, attempt)| {
            let same = self.kind(lineage) == Some(kind) && known.is_none_or(|of| of == lineage);
            let since = attempt.sent.checked_sub(CLOCKS_DIFFER);
            let after = created.is_none_or(|at| since.is_ok_and(|since| since <= at));
            same && after && attempt.action == Action::Retry
        })
    }
}

/// When a retry of ours was read as completed that is the last word on its work.
fn completed_at(of: &Lineage) -> Option<Timestamp> {
    let past = of.past.as_ref()?;
    let doubt = flags::AMBIGUOUS | flags::SAID | flags::RETIRED | flags::MOVED;
    let told =
        of.has(flags::DONE) && !of.has(doubt) && past.last_state == Some(AttemptState::Completed);
    told.then(|| past.last_at.time())
}
