//! The ledger as the rest of the daemon sees it: one thread owns the index and groups commits; nothing is answered before it is on disk.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::claimed::Claimed;
use super::error::LedgerError;
use super::index::{Index, decided_print};
use super::look::Looked;
use super::observe::{Observed, Sighting};
use super::open::{self, OpenReport, Opened};
use super::record::{
    Actor, ClaimItem, DecidedItem, EventBody, MAX_TEXT, Meta, ReceiptItem, clip, digest_of,
};
use super::store::Store;
use super::transfer;
use super::work::Work;
use crate::dispatch::batch::Batch;
use crate::governor::Admitted;
use crate::model::attempt::next;
use crate::model::settings::{DeliverySettings, StoreSettings};
use crate::model::{
    Action, AttemptState, CycleId, Decision, Digest, LineageId, Login, Outcome, PolicyHash,
    Receipt, ReceiptStatus, Refusal, RefusalReason, Scope, TaskId,
};

/// Operations that may wait; more make the caller wait.
const QUEUE: usize = 256;
/// Operations that one group commit takes at most.
const GROUP: usize = 128;
/// Longest action (a note's text) that is claimed, bytes: it must fit into its record.
const MAX_ACTION: usize = 4000;
/// Bytes per part of something stored by digest.
const PART: usize = 3000;

type Finish = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;
/// Gets no work where an earlier write has failed: then nothing is even tried.
type Op = Box<dyn FnOnce(Option<&mut Work>) -> Finish + Send>;

enum Message {
    Do(Op),
    Close(oneshot::Sender<Result<(), LedgerError>>),
}

/// A batch to claim, immediately before its PUT.
#[derive(Debug)]
pub struct ClaimRequest {
    /// The admitted acts.
    pub batch: Batch<Admitted>,
    /// The access request behind each item, aligned; may be shorter.
    pub requests: Vec<Option<Arc<str>>>,
    /// The login that will send.
    pub login: Login,
    /// The cycle.
    pub cycle: CycleId,
}

/// What was claimed and what was not.
#[derive(Debug)]
pub struct Claims {
    /// What may be sent; `None` where nothing is left.
    pub batch: Option<Batch<Claimed>>,
    /// What came back, with why.
    pub refused: Vec<(Admitted, Refusal)>,
}

/// How one receipt or outcome was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settled {
    /// The piece of work.
    pub lineage: LineageId,
    /// The attempt.
    pub ordinal: u32,
    /// Where the attempt stands now; `None`: the ledger knows no such attempt.
    pub state: Option<AttemptState>,
    /// False where the move is not legal: then nothing was recorded.
    pub applied: bool,
}

/// A decision with what became of it in guard and governor.
#[derive(Clone, PartialEq, Debug)]
pub struct DecisionRecord {
    /// The decision.
    pub decision: Decision,
    /// Why it isn't done now.
    pub refusal: Option<Refusal>,
    /// When to look again.
    pub relook: Option<Timestamp>,
}

/// How many decisions were recorded, and how many stood as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DecidedCount {
    /// Changed.
    pub recorded: u64,
    /// As before.
    pub unchanged: u64,
}

/// One event that a caller records: what, by whom, about which login and policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// What happened.
    pub body: EventBody,
    /// When, who, in which cycle.
    pub meta: Meta,
}

/// What of the baseline changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BaselineChange {
    /// Lineages that are now in it, or were released.
    pub lineages: u64,
}

struct Shared {
    index: Arc<RwLock<Index>>,
    queue: mpsc::Sender<Message>,
    store: Mutex<Option<Arc<dyn Store>>>,
    failed: Mutex<Option<Arc<str>>>,
}

/// The handle; clones share one ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens or creates the store, rebuilds the index, turns claims found open into unknown.
    /// Blocks; call it before the runtime is busy.
    ///
    /// # Errors
    /// See [`LedgerError`]; `Locked` names the holder.
    pub fn open(
        settings: &StoreSettings,
        now: Timestamp,
    ) -> Result<(Self, OpenReport), LedgerError> {
        let opened = open::on_disk(settings, now)?;
        Ok(Self::start(opened))
    }

    /// A ledger that forgets everything with the process; for dry runs and tests.
    ///
    /// # Errors
    /// Only where the thread can't be started.
    pub fn memory(now: Timestamp) -> Result<Self, LedgerError> {
        Ok(Self::start(open::in_memory(now)?).0)
    }

    fn start(opened: Opened) -> (Self, OpenReport) {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            index: Arc::clone(&opened.index),
            queue,
            store: Mutex::new(Some(Arc::clone(&opened.store))),
            failed: Mutex::new(None),
        });
        let report = opened.report.clone();
        let seen = Arc::downgrade(&shared);
        let note_failure = move |why: &Arc<str>| {
            if let Some(shared) = seen.upgrade() {
                *lock(&shared.failed) = Some(Arc::clone(why));
            }
        };
        std::thread::spawn(move || run(opened, inbox, &note_failure));
        (Self(shared), report)
    }

    /// Reads the index under a short lock; don't do anything slow inside.
    pub fn read<R>(&self, look: impl FnOnce(&Index) -> R) -> R {
        look(&self.0.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the ledger has stopped, if it has: then the process must end.
    pub fn failed(&self) -> Option<Arc<str>> {
        lock(&self.0.failed).clone()
    }

    async fn submit<R: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Work) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<R, LedgerError> {
        let (answer, wait) = oneshot::channel();
        let op: Op = Box::new(move |work| {
            let result = work.map_or(Err(LedgerError::Closed), op);
            // a caller that has gone away needs no answer; what it asked for stays done
            Box::new(move |committed| drop(answer.send(committed.and(result))))
        });
        let sent = self.0.queue.send(Message::Do(op)).await;
        sent.map_err(|_| self.closed())?;
        wait.await.map_err(|_| self.closed())?
    }

    fn closed(&self) -> LedgerError {
        self.failed()
            .map_or(LedgerError::Closed, LedgerError::Failed)
    }

    /// Takes in a pass over the list: opens lineages, joins successors, judges open attempts.
    ///
    /// # Errors
    /// The ledger has failed, or the sighting is malformed.
    pub async fn observe(&self, sight: Sighting, now: Timestamp) -> Result<Observed, LedgerError> {
        self.submit(move |work| work.observe(&sight, now)).await
    }

    /// Takes in verification readings and says what they settled.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn looked(
        &self,
        looks: Vec<Looked>,
        delivery: DeliverySettings,
        cycle: Option<CycleId>,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, LedgerError> {
        let meta = Meta::daemon(now, cycle);
        self.submit(move |work| work.looked(looks, &delivery, &meta, now))
            .await
    }

    /// Claims a batch. What is answered in `batch` is on disk and may be sent.
    ///
    /// # Errors
    /// The ledger has failed; nothing may be sent.
    pub async fn claim(
        &self,
        request: ClaimRequest,
        now: Timestamp,
    ) -> Result<Claims, LedgerError> {
        self.submit(move |work| work.claim(request, now)).await
    }

    /// Records what came back for a batch.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn settle(
        &self,
        receipts: Vec<Receipt>,
        took: Duration,
        now: Timestamp,
    ) -> Result<Vec<Settled>, LedgerError> {
        self.submit(move |work| work.settle(receipts, took, now))
            .await
    }

    /// Applies conclusions of a person (or of a caller that has judged by itself).
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn conclude(
        &self,
        outcomes: Vec<Outcome>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Vec<Settled>, LedgerError> {
        let meta = Meta::by(actor, now);
        self.submit(move |work| work.conclude(outcomes, &meta))
            .await
    }

    /// Records decisions whose answer, rule or refusal changed; counts the others.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn decided(
        &self,
        records: Vec<DecisionRecord>,
        cycle: CycleId,
        now: Timestamp,
    ) -> Result<DecidedCount, LedgerError> {
        self.submit(move |work| work.decided(records, cycle, now))
            .await
    }

    /// Records one event. Lineages, claims, receipts and outcomes have their own ways in.
    ///
    /// # Errors
    /// The ledger has failed, or the event is one of those.
    pub async fn record(&self, entry: Entry) -> Result<(), LedgerError> {
        self.submit(move |work| work.record(entry)).await
    }

    /// Stores a text once by its digest, in parts; answers the digest.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn keep(&self, text: String, now: Timestamp) -> Result<Digest, LedgerError> {
        self.submit(move |work| work.keep(&text, now)).await
    }

    /// Marks everything open now as the backlog of the first enforce. Does nothing where one was taken.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn take_baseline(
        &self,
        actor: Actor,
        now: Timestamp,
    ) -> Result<BaselineChange, LedgerError> {
        self.submit(move |work| work.take_baseline(actor, now))
            .await
    }

    /// Writes everything and closes the store; later calls answer [`LedgerError::Closed`].
    ///
    /// # Errors
    /// The last write failed.
    pub async fn shutdown(&self) -> Result<(), LedgerError> {
        let (answer, wait) = oneshot::channel();
        let sent = self.0.queue.send(Message::Close(answer)).await;
        // the lock is released with the last handle on the store
        drop(lock(&self.0.store).take());
        sent.map_err(|_| self.closed())?;
        wait.await.map_err(|_| self.closed())?
    }

    /// Writes records `from..=to` as JSON lines behind a header line; answers how many.
    ///
    /// # Errors
    /// The store or the writer failed.
    pub fn export(
        &self,
        from: u64,
        to: Option<u64>,
        out: &mut dyn std::io::Write,
    ) -> Result<u64, LedgerError> {
        transfer::export(&*self.store()?, from, to, out)
    }

    /// Everything that ever happened to a lineage, oldest first. Reads the journal; not for a request path.
    ///
    /// # Errors
    /// The store failed.
    pub fn story(&self, lineage: LineageId) -> Result<transfer::Story, LedgerError> {
        let ids = self.read(|index| index.history(lineage, true).map(|h| h.ids));
        transfer::story(&*self.store()?, lineage, &ids.unwrap_or_default())
    }

    /// One record by its number, e.g. the last decision of a lineage.
    ///
    /// # Errors
    /// The store failed, or the record can't be read.
    pub fn event(&self, seq: u64) -> Result<Option<super::record::Event>, LedgerError> {
        transfer::event(&*self.store()?, seq)
    }

    /// A text stored by digest, e.g. inputs or policy sources.
    ///
    /// # Errors
    /// The store failed.
    pub fn kept(&self, digest: &Digest) -> Result<Option<String>, LedgerError> {
        match self.read(|index| index.kept(digest)) {
            Some(seq) => transfer::kept(&*self.store()?, digest, seq),
            None => Ok(None),
        }
    }

    fn store(&self) -> Result<Arc<dyn Store>, LedgerError> {
        lock(&self.0.store).clone().ok_or(LedgerError::Closed)
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: takes what is queued, appends once, answers all.
fn run(opened: Opened, mut inbox: mpsc::Receiver<Message>, note_failure: &dyn Fn(&Arc<str>)) {
    let Opened {
        index,
        store,
        mut sidecar,
        lock: held,
        ..
    } = opened;
    let mut work = Work::new(index);
    let mut failed: Option<Arc<str>> = None;
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = inbox.blocking_recv()
    {
        let mut finish = Vec::new();
        let mut message = Some(first);
        while let Some(next) = message.take() {
            match next {
                Message::Do(op) => match &failed {
                    // the index is ahead of the disk: nothing may be concluded from it any more
                    Some(why) => op(None)(Err(LedgerError::Failed(Arc::clone(why)))),
                    None => finish.push(op(Some(&mut work))),
                },
                Message::Close(answer) => closing = Some(answer),
            }
            if closing.is_none() && finish.len() < GROUP {
                message = inbox.try_recv().ok();
            }
        }
        let done = if failed.is_some() || work.pending.is_empty() {
            Ok(())
        } else {
            let records = std::mem::take(&mut work.pending);
            commit(&*store, sidecar.as_mut(), &work, &records)
        };
        if let Err(error) = &done {
            let why: Arc<str> = Arc::from(error.to_string());
            tracing::error!(error = %why, "the ledger could not write; sending must stop and the process end");
            note_failure(&why);
            failed = Some(why);
        }
        for answer in finish {
            answer(done.clone());
        }
    }
    let last = failed.map_or(Ok(()), |why| Err(LedgerError::Failed(why)));
    inbox.close();
    drop(store);
    drop(sidecar);
    drop(held);
    if let Some(answer) = closing {
        // nobody may be waiting any more
        let _ = answer.send(last);
    }
}

fn commit(
    store: &dyn Store,
    sidecar: Option<&mut super::sidecar::Sidecar>,
    work: &Work,
    records: &[(u64, Vec<u8>)],
) -> Result<(), LedgerError> {
    store.append(records)?;
    if let Some(sidecar) = sidecar {
        let mark = open::mark(&work.index());
        sidecar.write(&mark)?;
    }
    Ok(())
}

impl Work {
    fn claim(&mut self, request: ClaimRequest, now: Timestamp) -> Result<Claims, LedgerError> {
        let ClaimRequest {
            batch,
            requests,
            login,
            cycle,
        } = request;
        let mut requests = requests.into_iter();
        let (mut items, mut claimed, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut policy: Option<PolicyHash> = None;
        let mut taken = HashSet::new();
        for admitted in batch.items {
            let behind = requests.next().flatten();
            let decision = admitted.decision();
            if let Some(refusal) = self.unclaimable(&admitted, taken.contains(&decision.lineage)) {
                refused.push((admitted, refusal));
                continue;
            }
            taken.insert(decision.lineage);
            let ordinal = self
                .index()
                .history(decision.lineage, false)
                .map_or(1, |h| h.attempts_total + 1);
            policy.get_or_insert_with(|| decision.hash.clone());
            items.push(ClaimItem {
                lineage: decision.lineage,
                ordinal,
                task: decision.task.clone(),
                action: admitted.action().clone(),
                process: decision.process.clone(),
                definition: decision.definition.clone(),
                kind: decision.kind,
                policy: decision.policy.clone(),
                inputs: decision.inputs.clone(),
                version: decision.version,
            });
            claimed.push(Claimed::new(batch.id, ordinal, behind, now, admitted));
        }
        if items.is_empty() {
            return Ok(Claims {
                batch: None,
                refused,
            });
        }
        let meta = Meta::daemon(now, Some(cycle))
            .login(Some(login))
            .policy(policy);
        let body = EventBody::Claims {
            batch: batch.id,
            target: batch.target.clone(),
            action: batch.action,
            items,
        };
        self.emit(&meta, body)?;
        for item in &claimed {
            self.evidence.remove(&item.lineage());
            self.looks.remove(&item.lineage());
        }
        Ok(Claims {
            batch: Some(Batch {
                id: batch.id,
                target: batch.target,
                action: batch.action,
                items: claimed,
            }),
            refused,
        })
    }

    /// Why an admitted act can't be claimed; the last check before the disk, on the one owner's index.
    fn unclaimable(&self, admitted: &Admitted, twice: bool) -> Option<Refusal> {
        let decision = admitted.decision();
        let lineage = decision.lineage;
        let scope = || Scope::Lineage(lineage);
        let index = self.index();
        if let Some((expected, found)) = index.rewound() {
            return Some(
                Refusal::new(RefusalReason::WorldMismatch, Scope::Global)
                    .with("expected_record", expected)
                    .with("found_record", found)
                    .for_person(),
            );
        }
        if let Some(open) = index.open_attempt(lineage) {
            return Some(
                Refusal::new(RefusalReason::AttemptOpen, scope())
                    .with("attempt", open.ordinal)
                    .with("state", open.state),
            );
        }
        if twice {
            return Some(
                Refusal::new(RefusalReason::AttemptOpen, scope()).with("batch", "the same"),
            );
        }
        if index.is_ambiguous(lineage) {
            return Some(Refusal::new(RefusalReason::LineageAmbiguous, scope()).for_person());
        }
        let current = index.current_task(lineage);
        if current.as_ref() != Some(&decision.task) {
            let now = current.map_or_else(|| "nothing".to_owned(), |t: TaskId| t.to_string());
            return Some(
                Refusal::new(RefusalReason::TaskMoved, scope())
                    .with("decided_on", &decision.task)
                    .with("now", now),
            );
        }
        let size = match admitted.action() {
            Action::SetNote { text } => text.len(),
            Action::SetResponse { code } => code.len(),
            _ => 0,
        };
        (size > MAX_ACTION).then(|| {
            Refusal::new(RefusalReason::ActionNotAllowed, scope())
                .with("bytes", size)
                .with("limit", MAX_ACTION)
                .for_person()
        })
    }

    fn settle(
        &mut self,
        receipts: Vec<Receipt>,
        took: Duration,
        now: Timestamp,
    ) -> Result<Vec<Settled>, LedgerError> {
        let meta = Meta::daemon(now, None);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut out = Vec::with_capacity(receipts.len());
        let mut todo: Vec<(crate::model::BatchId, Vec<ReceiptItem>)> = Vec::new();
        let mut learned = Vec::new();
        let mut taken = HashSet::new();
        for receipt in receipts {
            let settled = self.legal(receipt.lineage, receipt.ordinal, |state| {
                next(state, receipt.status.event())
            });
            let applied = settled.applied && taken.insert((receipt.lineage, receipt.ordinal));
            out.push(Settled { applied, ..settled });
            if !applied {
                tracing::warn!(
                    lineage = %receipt.lineage, attempt = receipt.ordinal, task = %receipt.task,
                    batch = %receipt.batch, answer = receipt.status.event().as_str(),
                    "an answer came that the attempt's state does not allow; it is not applied"
                );
                continue;
            }
            if let ReceiptStatus::Refused {
                reason,
                manual: true,
            } = &receipt.status
            {
                let index = self.index();
                let definition = index
                    .attempt(receipt.lineage)
                    .and_then(|a| a.definition.clone());
                if let Some(definition) =
                    definition.or_else(|| index.definition(receipt.lineage).cloned())
                {
                    learned.push((definition, clip(reason, MAX_TEXT)));
                }
            }
            let item = ReceiptItem {
                lineage: receipt.lineage,
                ordinal: receipt.ordinal,
                task: receipt.task,
                status: clipped(receipt.status),
            };
            match todo.iter_mut().find(|(batch, _)| *batch == receipt.batch) {
                Some((_, items)) => items.push(item),
                None => todo.push((receipt.batch, vec![item])),
            }
        }
        for (batch, items) in todo {
            let body = EventBody::Receipts {
                batch,
                took_ms,
                items,
            };
            self.emit(&meta, body)?;
        }
        learned.dedup_by(|a, b| a.0 == b.0);
        for (definition, reason) in learned {
            let body = EventBody::Learned {
                definition,
                manual: true,
                reason,
            };
            self.emit(&meta, body)?;
        }
        self.forget_settled();
        Ok(out)
    }

    fn conclude(
        &mut self,
        outcomes: Vec<Outcome>,
        meta: &Meta,
    ) -> Result<Vec<Settled>, LedgerError> {
        let mut out = Vec::with_capacity(outcomes.len());
        for mut outcome in outcomes {
            let settled = self.legal(outcome.lineage, outcome.ordinal, |state| {
                next(state, outcome.event)
            });
            out.push(settled);
            if !settled.applied {
                tracing::warn!(
                    lineage = %outcome.lineage, attempt = outcome.ordinal,
                    event = outcome.event.as_str(),
                    "a conclusion came that the attempt's state does not allow; it is not applied"
                );
                continue;
            }
            outcome.evidence = outcome.evidence.map(|text| clip(&text, MAX_TEXT));
            let items = vec![outcome];
            self.emit(meta, EventBody::Outcomes { items })?;
        }
        self.forget_settled();
        Ok(out)
    }

    fn legal(
        &self,
        lineage: LineageId,
        ordinal: u32,
        step: impl FnOnce(AttemptState) -> Option<AttemptState>,
    ) -> Settled {
        let index = self.index();
        let state = index
            .attempt(lineage)
            .filter(|a| a.ordinal == ordinal)
            .map(|a| a.state);
        let after = state.and_then(step);
        Settled {
            lineage,
            ordinal,
            state: after.or(state),
            applied: after.is_some(),
        }
    }

    fn decided(
        &mut self,
        records: Vec<DecisionRecord>,
        cycle: CycleId,
        now: Timestamp,
    ) -> Result<DecidedCount, LedgerError> {
        let mut count = DecidedCount::default();
        let mut items = Vec::new();
        let mut hash = None;
        for record in records {
            let item = decided_item(record);
            let memo = self.index().memo(item.lineage);
            if memo.is_some_and(|m| m.what == decided_print(&item)) {
                count.unchanged += 1;
                continue;
            }
            count.recorded += 1;
            hash.get_or_insert_with(|| item.hash.clone());
            items.push(item);
        }
        if !items.is_empty() {
            let meta = Meta::daemon(now, Some(cycle)).policy(hash);
            self.emit(&meta, EventBody::Decided { items })?;
        }
        Ok(count)
    }

    fn record(&mut self, entry: Entry) -> Result<(), LedgerError> {
        match &entry.body {
            EventBody::StoreCreated { .. }
            | EventBody::LineagesOpened { .. }
            | EventBody::LineagesJoined { .. }
            | EventBody::Seen { .. }
            | EventBody::Decided { .. }
            | EventBody::Claims { .. }
            | EventBody::Receipts { .. }
            | EventBody::Outcomes { .. } => Err(LedgerError::Invalid(
                "lineages, decisions, claims, receipts and outcomes are not recorded by hand"
                    .to_owned(),
            )),
            EventBody::GovernorState { version, json, .. } => {
                let parts = parts_of(json);
                let of = u32::try_from(parts.len()).unwrap_or(u32::MAX);
                for (part, json) in (0u32..).zip(parts) {
                    let body = EventBody::GovernorState {
                        version: *version,
                        part,
                        of,
                        json,
                    };
                    self.emit(&entry.meta, body)?;
                }
                Ok(())
            }
            EventBody::EpisodeReset { lineage, .. }
                if self
                    .index()
                    .open_attempt(*lineage)
                    .is_some_and(|a| a.state != AttemptState::Ambiguous) =>
            {
                Err(LedgerError::Invalid(format!(
                    "an attempt of {lineage} is not settled; wait for its verification or conclude it first"
                )))
            }
            _ => self.emit(&entry.meta, entry.body),
        }
    }

    fn keep(&mut self, text: &str, now: Timestamp) -> Result<Digest, LedgerError> {
        let digest = digest_of(text.as_bytes());
        if self.index().kept(&digest).is_some() {
            return Ok(digest);
        }
        let parts = parts_of(text);
        let of = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        for (part, text) in (0u32..).zip(parts) {
            let body = EventBody::InputsStored {
                digest: digest.clone(),
                part,
                of,
                text,
            };
            self.emit(&Meta::daemon(now, None), body)?;
        }
        Ok(digest)
    }

    fn take_baseline(
        &mut self,
        actor: Actor,
        now: Timestamp,
    ) -> Result<BaselineChange, LedgerError> {
        if self.index().baseline().is_none() {
            let up_to = LineageId(self.index().lineages());
            self.emit(&Meta::by(actor, now), EventBody::BaselineTaken { up_to })?;
        }
        let waiting = self.index().baseline().map_or(0, |b| b.waiting);
        Ok(BaselineChange { lineages: waiting })
    }
}

/// A text in parts that fit a record even where every byte has to be escaped.
fn parts_of(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut size = 0;
    for c in text.chars() {
        let cost = if c < ' ' {
            6
        } else if matches!(c, '"' | '\\') {
            2
        } else {
            c.len_utf8()
        };
        if size + cost > PART {
            out.push(String::new());
            size = 0;
        }
        size += cost;
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

fn clipped(status: ReceiptStatus) -> ReceiptStatus {
    match status {
        ReceiptStatus::Accepted => ReceiptStatus::Accepted,
        ReceiptStatus::Refused { reason, manual } => ReceiptStatus::Refused {
            reason: clip(&reason, MAX_TEXT),
            manual,
        },
        ReceiptStatus::Unknown { why } => ReceiptStatus::Unknown {
            why: clip(&why, MAX_TEXT),
        },
        ReceiptStatus::Unsent { why } => ReceiptStatus::Unsent {
            why: clip(&why, MAX_TEXT),
        },
    }
}

/// Values that are kept of what a script read, and bytes of each.
const READS: usize = 16;
const READ_BYTES: usize = 120;

fn decided_item(record: DecisionRecord) -> DecidedItem {
    let DecisionRecord {
        decision,
        refusal,
        relook,
    } = record;
    let small = |text: &str| clip(text, READ_BYTES).to_string();
    DecidedItem {
        lineage: decision.lineage,
        task: decision.task,
        version: decision.version,
        kind: decision.kind,
        policy: decision.policy,
        line: decision.line,
        hash: decision.hash,
        inputs: decision.inputs,
        verdict: decision.verdict,
        fault: decision.fault.map(|text| clip(&text, MAX_TEXT)),
        refusal,
        read: decision
            .read
            .iter()
            .take(READS)
            .map(|(name, value)| (small(name), small(value)))
            .collect(),
        relook,
    }
}
