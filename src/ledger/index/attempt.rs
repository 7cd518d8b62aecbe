//! The latest attempt of a lineage, in little room: there may be as many as tasks. It says what the journal says and concludes nothing of it.

use std::ops::Deref;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ends::Lonely;
use crate::ledger::ran::RunMark;
use crate::ledger::record::ClaimItem;
use crate::model::task::DefinitionId;
use crate::model::{Action, AttemptState, BatchId, Kind, Login, ProcessKey, TargetName, TaskId};

/// From when on this run counts the time of an attempt that its start has found open, at the earliest; one for all
/// of them. Nothing of it is on record, so it makes no two attempts differ.
#[derive(Clone, Debug, Default)]
pub struct FoundAt(pub Option<Arc<Timestamp>>);

impl PartialEq for FoundAt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl FoundAt {
    /// From when on the time of a request is counted that was sent then.
    pub fn from(&self, sent: Timestamp) -> Timestamp {
        self.0.as_ref().map_or(sent, |found| sent.max(**found))
    }
}

/// What attempts that were claimed in one record mostly share, and is there once for all of them that do.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    /// The batch it went out in.
    pub batch: BatchId,
    /// What was sent.
    pub action: Action,
    /// The target.
    pub target: TargetName,
    /// The definition.
    pub definition: Option<DefinitionId>,
    /// What it does.
    pub kind: Kind,
    /// The login that sent it; `None`: the main one.
    pub login: Option<Login>,
    /// The record of the claim.
    pub seq: u64,
}

/// Those kinds of them that one record has shown last and that the next item is compared with.
const COMPARED: usize = 8;

/// Gives each item of one record what it shares with others of it.
pub(super) struct SentIn<'a> {
    batch: BatchId,
    target: &'a TargetName,
    login: Option<&'a Login>,
    seq: u64,
    shared: Vec<Arc<Sent>>,
}

impl<'a> SentIn<'a> {
    pub fn new(batch: BatchId, target: &'a TargetName, login: Option<&'a Login>, seq: u64) -> Self {
        Self {
            batch,
            target,
            login,
            seq,
            shared: Vec::new(),
        }
    }

    pub fn of(&mut self, item: &ClaimItem) -> Arc<Sent> {
        let is_alike = |sent: &&Arc<Sent>| {
            sent.kind == item.kind
                && sent.action == item.action
                && sent.definition == item.definition
        };
        let mut last = self.shared.iter().rev().take(COMPARED);
        if let Some(sent) = last.find(is_alike) {
            return Arc::clone(sent);
        }
        let sent = Arc::new(Sent {
            batch: self.batch,
            action: item.action.clone(),
            target: self.target.clone(),
            definition: item.definition.clone(),
            kind: item.kind,
            login: self.login.cloned(),
            seq: self.seq,
        });
        self.shared.push(Arc::clone(&sent));
        sent
    }
}

/// What few attempts have.
#[derive(Clone, PartialEq, Debug, Default)]
struct Rare {
    also: Option<ProcessKey>,
    early: Option<u64>,
    alone: Option<Lonely>,
}

/// The latest attempt of a lineage, while it is open or gone without a trace; the fields of [`Sent`] are its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// Its n-th try.
    pub ordinal: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// What it has in common with others.
    with: Arc<Sent>,
    /// The id that was sent.
    pub task: TaskId,
    /// The account.
    pub process: Option<ProcessKey>,
    /// When it was claimed; taken as the time of sending (domain time).
    pub sent: Timestamp,
    /// Where this run's start has found it open: from when on its time counts.
    pub found: FoundAt,
    /// Fingerprint of the failure before the send.
    pub print: Option<u64>,
    /// What lists had shown of its task's last run by then.
    pub(in crate::ledger) run: RunMark,
    /// The HTTP status with which its request ended, where that gave no readable answer.
    pub ended: Option<u16>,
    /// The row of such requests that it belongs to.
    pub(in crate::ledger) row: Option<u32>,
    /// No answer told what became of it.
    pub(in crate::ledger) unanswered: bool,
    /// So many seconds after the claim OIG said SUCCESS, and one more; 0: it has not.
    answered: u16,
    /// The last move.
    pub moved: Timestamp,
    rare: Option<Box<Rare>>,
}

impl Deref for Attempt {
    type Target = Sent;

    fn deref(&self) -> &Sent {
        &self.with
    }
}

impl Attempt {
    /// The accounts that it holds.
    pub fn accounts(&self) -> impl Iterator<Item = &ProcessKey> {
        self.process.iter().chain(self.also())
    }

    /// True while readings may tell what became of it: it was sent, and waits for no person.
    pub fn is_looked_for(&self) -> bool {
        self.state.is_open()
            && !matches!(self.state, AttemptState::Claimed | AttemptState::Ambiguous)
    }

    /// True while the write may still be on its way, or the connector that it set going at work. A
    /// revoke waits for that and for nothing else of its account (invariant 8). What only waits to be
    /// read back holds it up only where a connector may be moving access: a note or a hand-over runs none,
    /// and a retried notification touches no account. A response or a manual completion moves the
    /// process on, and what depends on it may give access.
    pub fn on_the_way(&self, now: Timestamp, settle_after: SignedDuration) -> bool {
        let may_run = match self.state {
            AttemptState::Claimed => true,
            // its successor waits for the connector, or is with it
            AttemptState::Pending => self.action == Action::Retry && self.kind != Kind::Notify,
            // whose result is in doubt may be carried out yet
            AttemptState::Unknown | AttemptState::Accepted | AttemptState::Ambiguous => {
                match self.action {
                    Action::Reassign { .. } | Action::SetNote { .. } => false,
                    Action::Retry => self.kind != Kind::Notify,
                    Action::SetResponse { .. } | Action::ManualComplete => true,
                }
            }
            _ => false,
        };
        may_run && now.duration_since(self.may_run_from()) < settle_after
    }

    /// From when on the time is counted in which its request may still take effect: what this run has found
    /// open it counts from its own start, or from when on the clock is known to have gone on evenly, for it
    /// may have been set forward between the two.
    pub fn may_run_from(&self) -> Timestamp {
        self.found.from(self.sent)
    }

    /// When OIG said SUCCESS.
    pub fn answered(&self) -> Option<Timestamp> {
        let after = self.answered.checked_sub(1)?;
        let after = SignedDuration::from_secs(after.into());
        self.sent.checked_add(after).ok()
    }

    pub(in crate::ledger) fn set_answered(&mut self, at: Timestamp) {
        let after = at.duration_since(self.sent).as_secs().max(0);
        self.answered = u16::try_from(after).unwrap_or(u16::MAX).saturating_add(1);
    }

    /// A claim, at this time, of this task.
    pub(in crate::ledger) fn claimed(
        with: Arc<Sent>,
        ordinal: u32,
        task: TaskId,
        process: Option<ProcessKey>,
        at: Timestamp,
    ) -> Self {
        Self {
            ordinal,
            state: AttemptState::Claimed,
            with,
            task,
            process,
            sent: at,
            found: FoundAt::default(),
            print: None,
            run: RunMark::default(),
            ended: None,
            row: None,
            unanswered: false,
            answered: 0,
            moved: at,
            rare: None,
        }
    }

    /// Another account, under which its work is shown since.
    pub fn also(&self) -> Option<&ProcessKey> {
        self.rare.as_ref()?.also.as_ref()
    }

    /// Another print that a list has shown which was begun before the answer: it may be from before the send as
    /// well.
    pub fn early(&self) -> Option<u64> {
        self.rare.as_ref()?.early
    }

    /// Its request held nothing else, and ended without a readable answer.
    pub(in crate::ledger) fn alone(&self) -> Option<Lonely> {
        self.rare.as_ref()?.alone
    }

    pub(in crate::ledger) fn set_also(&mut self, process: Option<ProcessKey>) {
        self.change(|rare| rare.also = process);
    }

    pub(in crate::ledger) fn set_early(&mut self, print: u64) {
        self.change(|rare| rare.early = Some(print));
    }

    pub(in crate::ledger) fn set_alone(&mut self, lonely: Lonely) {
        self.change(|rare| rare.alone = Some(lonely));
    }

    /// What has nothing rare has no place for it, so that equal attempts are equal.
    fn change(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare = (*rare != Rare::default()).then_some(rare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        let sent = Sent {
            batch: BatchId(uuid::Uuid::nil()),
            action: Action::Retry,
            target: "AD".into(),
            definition: None,
            kind: Kind::Revoke,
            login: None,
            seq: 7,
        };
        Attempt::claimed(
            Arc::new(sent),
            1,
            "9".into(),
            Some("4".into()),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn an_open_attempt_stays_below_its_share() {
        // as many as tasks are open at the end of a cycle
        assert!(std::mem::size_of::<Attempt>() <= 128);
    }

    #[test]
    fn what_is_rare_counts_and_leaves_no_trace_when_it_goes() {
        let (plain, mut other) = (attempt(), attempt());
        assert_eq!(plain, other);
        other.set_also(None);
        assert_eq!(plain, other);
        other.set_also(Some("5".into()));
        assert_ne!(plain, other);
        let accounts: Vec<&str> = other.accounts().map(ProcessKey::as_str).collect();
        assert_eq!(accounts, ["4", "5"]);
        other.set_early(3);
        other.set_also(None);
        assert_eq!((other.also(), other.early()), (None, Some(3)));
        assert_ne!(plain, other);
    }
}
