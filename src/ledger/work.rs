//! What one operation may do on the ledger's thread: read the index, emit events; nothing is acknowledged before the group is on disk.

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use jiff::{SignedDuration, Timestamp};

use super::commit::{Group, ToDisk};
use super::dated::Dated;
use super::error::LedgerError;
use super::index::{Ahead, Index, Stamp};
use super::inputs::Held;
use super::judge::Evidence;
use super::newcomer::Met;
use super::open;
use super::record::{EventBody, Meta, Ready, RecordError, chain, genesis};
use super::sidecar::Mark;
use super::world::{Calm, Doubt};
use crate::model::hash::FastSet;
use crate::model::seers::Bits;
use crate::model::{LineageId, TaskId};

/// Whether the list shows a lineage's present id; known for this run of the daemon only.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    /// First pass without it; `None` while it is shown.
    pub absent_since: Option<Stamp>,
    /// Complete, stable passes in a row without it.
    pub passes: u32,
    /// The last pass that counted has shown it: not so before a first one of this run.
    pub shown: bool,
    /// By which logins it was seen in this run; none: by no list yet.
    pub by: Bits,
}

impl Presence {
    /// The same work, shown now.
    pub fn now_shown(self) -> Self {
        Self {
            shown: true,
            by: self.by,
            ..Self::default()
        }
    }
}

/// Lineages whose claim is on its way to the disk or to the server, and that a whole list taken in since does not show
/// under the claimed id; whoever is about to send looks here last.
pub(super) type Missed = Arc<Mutex<FastSet<LineageId>>>;

/// Records that one operation gathers at most before they are handed on: what a large list brings is
/// written while the rest is put together.
const GATHERED: usize = 512;
/// Items of a long list that become records in one go.
const PART: usize = 1024;

/// The thread's state.
#[derive(Debug)]
pub(super) struct Work {
    index: Arc<RwLock<Index>>,
    /// The thread that writes; without one everything is gathered.
    to_disk: Option<ToDisk>,
    /// Encoded events that wait for the group's append.
    pub pending: Vec<(u64, Vec<u8>)>,
    /// Presence of lineage `L` at `L - 1`.
    pub presence: Vec<Presence>,
    /// What the running pass looked for by its id in vain: nothing follows from its silence about these.
    pub unread: FastSet<LineageId>,
    /// See [`Missed`].
    pub missed: Missed,
    /// When the last pass was taken: an older one that comes in late tells nothing about presence.
    pub last_pass: Option<Timestamp>,
    /// When the first pass of this run that counts as absence was taken in.
    pub sure_since: Option<Timestamp>,
    /// New ids that could not be told yet.
    pub newcomers: HashMap<TaskId, Met>,
    /// Lineages whose replaced id is shown open again, with the passes in a row.
    pub back: HashMap<LineageId, u8>,
    /// Lineages whose id a pass has shown as another task, with the passes in a row.
    pub strange: HashMap<LineageId, u8>,
    /// Evidence of another world that the next pass has to confirm, with the passes so far.
    pub doubtful: Option<Doubt>,
    /// Logins of which a list was taken in, in this run.
    pub listed: Bits,
    /// A person has said that what came back, or is there instead of it, is of the known server; the next list that is taken in ends that.
    pub returned_forgiven: bool,
    /// What the lists show once that is on record.
    pub calm: Calm,
    /// What earlier readings showed of open attempts.
    pub evidence: HashMap<LineageId, Evidence>,
    /// Last look at each open attempt.
    pub looks: HashMap<LineageId, Timestamp>,
    /// Successors that the server dates before our sends.
    pub dated: Dated,
    /// Inputs on their way to the store.
    pub held: Held,
}

impl Work {
    pub fn new(index: Arc<RwLock<Index>>) -> Self {
        Self {
            index,
            to_disk: None,
            pending: Vec::new(),
            presence: Vec::new(),
            unread: FastSet::default(),
            missed: Missed::default(),
            last_pass: None,
            sure_since: None,
            newcomers: HashMap::new(),
            back: HashMap::new(),
            strange: HashMap::new(),
            doubtful: None,
            listed: 0,
            returned_forgiven: false,
            calm: Calm::default(),
            evidence: HashMap::new(),
            looks: HashMap::new(),
            dated: Dated::default(),
            held: Held::default(),
        }
    }

    pub fn missed(&self) -> MutexGuard<'_, FastSet<LineageId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands records on while an operation is still making more.
    pub fn writing_to(mut self, to_disk: ToDisk) -> Self {
        self.to_disk = Some(to_disk);
        self
    }

    /// The records that wait, with the sidecar's mark after them where there are any.
    pub fn take_pending(&mut self) -> (Vec<(u64, Vec<u8>)>, Option<Mark>) {
        let records = std::mem::take(&mut self.pending);
        let mark = (!records.is_empty()).then(|| open::mark(&self.index()));
        (records, mark)
    }

    /// The index; this thread is its only writer, so that what is read stays true until it emits.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an event (or several, where the list is long), applies it and queues it for the append.
    ///
    /// What an operation has emitted stays on record where a later event of it can't be recorded: the index
    /// has taken it in, and others may rest on it. That is no worse than a kill between two groups, which may
    /// part any two records: each is true by itself, and what holds work back comes before what would make
    /// its cause look settled.
    ///
    /// # Errors
    /// An item too large for a record; nothing of the body is then applied.
    pub fn emit(&mut self, meta: &Meta, body: impl Into<Ready>) -> Result<(), LedgerError> {
        let body = body.into();
        // this thread is the only one that changes the index: others read it while the records are made
        let index = self.index();
        let prev = index.head().cloned().unwrap_or_else(genesis);
        let seq = index.last_seq() + 1;
        // what is done names the policy set under which it was done, whoever records it
        let filled;
        let meta = match index.policy_in_force() {
            Some(hash) if meta.policy.is_none() && body.names_policy() => {
                filled = meta.clone().policy(Some(hash.clone()));
                &filled
            }
            _ => meta,
        };
        drop(index);
        let made = chain(meta, body, seq, prev).map_err(|e| match e {
            RecordError::TooLarge(_) | RecordError::Malformed(_) | RecordError::Newer(_) => {
                LedgerError::Invalid(format!("this can't be recorded: {e}"))
            }
        })?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::with_capacity(made.len());
        for (event, bytes, digest) in made {
            index.apply(&event, digest);
            self.pending.push((event.seq, bytes));
            events.push(event);
        }
        drop(index);
        // they are taken apart where nobody waits for it
        drop(events);
        if self.pending.len() >= GATHERED
            && let Some(to_disk) = self.to_disk.clone()
        {
            let (records, mark) = self.take_pending();
            let finish = Vec::new();
            // where the writer has gone the group's end tells, and everybody who waits
            let _ = to_disk.send(Group {
                records,
                mark,
                finish,
            });
        }
        Ok(())
    }

    /// The same of a long list, part by part: while one part is recorded `make` prepares the next one on a
    /// thread of its own, and what a record is made of never exists all at once.
    ///
    /// # Errors
    /// As [`Work::emit`]; the parts before are then on record.
    pub fn emit_parts<T: Sync>(
        &mut self,
        meta: &Meta,
        list: &[T],
        make: &(impl Fn(&[T]) -> EventBody + Sync),
    ) -> Result<(), LedgerError> {
        let parts = list.chunks(PART);
        if list.len() <= PART {
            return parts.map(make).try_for_each(|body| self.emit(meta, body));
        }
        std::thread::scope(|scope| {
            let (ready, made) = sync_channel(1);
            scope.spawn(move || {
                for part in parts {
                    // who records has met an error
                    if ready.send(Ready::alone(make(part))).is_err() {
                        break;
                    }
                }
            });
            made.iter().try_for_each(|ready| self.emit(meta, ready))
        })
    }

    /// See [`super::Ledger::found_open`].
    pub fn found_open(&mut self, since: Timestamp) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.found_open(since);
    }

    /// Puts on record which requests can't be carried out any more though they were told without it. A start
    /// holds what is not on record as that for all of the time once more.
    pub fn end_late(
        &mut self,
        meta: &Meta,
        now: Timestamp,
        settle_after: SignedDuration,
    ) -> Result<(), LedgerError> {
        let items = self.index().late.spent(now, settle_after);
        if items.is_empty() {
            return Ok(());
        }
        self.emit(meta, EventBody::LateOver { items })
    }

    /// See [`super::Ledger::none_later`].
    pub fn none_later(&mut self, now: Timestamp) -> Ahead {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.none_later(now)
    }

    /// Forgets what was read of attempts that are settled.
    pub fn forget_settled(&mut self) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.evidence.retain(|l, _| index.attempt(*l).is_some());
        self.looks.retain(|l, _| index.attempt(*l).is_some());
    }

    /// So many lineages are about to be opened: tables of very many, which as they grow by themselves are copied
    /// again and again.
    pub fn expect_lineages(&mut self, many: usize) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.expect_lineages(many);
    }

    /// Makes room in the presence table for every lineage.
    pub fn fit_presence(&mut self) {
        let many = usize::try_from(self.index().lineages()).unwrap_or(usize::MAX);
        if self.presence.len() < many {
            self.presence.resize(many, Presence::default());
        }
    }

    /// The presence of a lineage.
    pub fn presence_of(&self, lineage: LineageId) -> Presence {
        place_of(lineage)
            .and_then(|at| self.presence.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// What is opened, or joined by a successor, is present.
    pub fn shown_again(&mut self, lineage: LineageId) {
        if let Some(presence) = place_of(lineage).and_then(|at| self.presence.get_mut(at)) {
            *presence = presence.now_shown();
        }
    }

    /// These logins have shown it.
    pub fn seen_by(&mut self, lineage: LineageId, by: Bits) {
        if let Some(presence) = place_of(lineage).and_then(|at| self.presence.get_mut(at)) {
            presence.by |= by;
        }
    }

    /// Passes without it so far count for nothing any more.
    pub fn not_absent(&mut self, lineage: LineageId) {
        if let Some(presence) = place_of(lineage).and_then(|at| self.presence.get_mut(at)) {
            presence.passes = 0;
        }
    }

    /// A pass that counted for every other lineage counts for none whose attempt it may be older than.
    pub fn not_absent_yet(&mut self, lineage: LineageId) {
        if let Some(presence) = place_of(lineage).and_then(|at| self.presence.get_mut(at)) {
            presence.passes = presence.passes.saturating_sub(1);
        }
    }
}

/// Where the presence of a lineage is kept.
fn place_of(lineage: LineageId) -> Option<usize> {
    lineage
        .0
        .checked_sub(1)
        .and_then(|at| usize::try_from(at).ok())
}
