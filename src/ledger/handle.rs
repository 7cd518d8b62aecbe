//! The ledger as the rest of the daemon sees it: one thread owns the index and groups commits, another brings each group to the disk while the next one is put together.
//!
//! The journal has one order. A claim, and whatever else something is done for, is answered when it is on
//! disk; what only later claims rest on (lists, inputs, decisions) is answered when it has its place
//! before them, and after a failed write nothing is answered but that.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};

use super::attempts::{ClaimRequest, Claims, Settled};
use super::error::LedgerError;
use super::index::{Ahead, Index};
use super::inputs::Inputs;
use super::look::{Looked, LookedUp};
use super::notes::{BaselineChange, DecidedCount, DecisionRecord, Entry, Made};
use super::observe::{Observed, Sighting};
use super::open::{self, OpenReport, Opened};
use super::owner::{Message, Op, lock, run};
use super::record::{Actor, Meta};
use super::sidecar::Mark;
use super::store::Store;
use super::transfer;
use super::work::{Missed, Work};
use crate::governor::Admitted;
use crate::model::settings::{DeliverySettings, StoreSettings};
use crate::model::{CycleId, Digest, LineageId, Login, Outcome, Receipt, Refusal};

/// Operations that may wait; more make the caller wait.
const QUEUE: usize = 256;
struct Shared {
    index: Arc<RwLock<Index>>,
    queue: mpsc::Sender<Message>,
    store: Mutex<Option<Arc<dyn Store>>>,
    failed: Mutex<Option<Arc<str>>>,
    /// Who waits for that.
    broke: Notify,
    missed: Missed,
}

/// The handle; clones share one ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

/// An operation that has its place in the journal's order.
#[must_use = "whether it was done shows only here"]
pub struct Taken<R> {
    wait: oneshot::Receiver<Option<Result<R, LedgerError>>>,
    ledger: Ledger,
}

impl<R> Taken<R> {
    /// Waits until it was done there; the disk may be behind.
    ///
    /// # Errors
    /// It could not be done, or came behind a failed write.
    pub async fn done(self) -> Result<R, LedgerError> {
        match self.wait.await {
            Ok(Some(result)) => result,
            Ok(None) | Err(_) => Err(self.ledger.closed()),
        }
    }
}

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

    pub(super) fn start(opened: Opened) -> (Self, OpenReport) {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            index: Arc::clone(&opened.index),
            queue,
            store: Mutex::new(Some(Arc::clone(&opened.store))),
            failed: Mutex::new(None),
            broke: Notify::new(),
            missed: Arc::clone(&opened.missed),
        });
        let report = opened.report.clone();
        let seen = Arc::downgrade(&shared);
        let note_failure = move |why: &Arc<str>| {
            if let Some(shared) = seen.upgrade() {
                lock(&shared.failed).get_or_insert_with(|| Arc::clone(why));
                shared.broke.notify_waiters();
            }
        };
        std::thread::spawn(move || run(opened, inbox, Arc::new(note_failure)));
        (Self(shared), report)
    }

    /// Reads the index under a short lock; don't do anything slow inside.
    pub fn read<R>(&self, look: impl FnOnce(&Index) -> R) -> R {
        look(&self.0.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// True where a whole list taken in since its claim does not show the lineage's claimed id: what is not sent yet must
    /// not be sent any more.
    pub fn is_missed(&self, lineage: LineageId) -> bool {
        lock(&self.0.missed).contains(&lineage)
    }

    /// Why the ledger has stopped, if it has: then the process must end.
    pub fn failed(&self) -> Option<Arc<str>> {
        lock(&self.0.failed).clone()
    }

    /// Comes back when the ledger has failed, with the reason; else never.
    pub async fn failure(&self) -> Arc<str> {
        loop {
            let broke = self.0.broke.notified();
            if let Some(why) = self.failed() {
                return why;
            }
            broke.await;
        }
    }

    pub(super) async fn submit<R: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Work) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<R, LedgerError> {
        let (answer, wait) = oneshot::channel();
        let op: Op = Box::new(move |work| {
            let result = work.map_or(Err(LedgerError::Closed), op);
            // a caller that has gone away needs no answer; what it asked for stays done
            Some(Box::new(move |committed| {
                drop(answer.send(committed.and(result)));
            }))
        });
        let sent = self.0.queue.send(Message::Do(op)).await;
        sent.map_err(|_| self.closed())?;
        wait.await.map_err(|_| self.closed())?
    }

    /// Gives an operation its place in the journal's order; the answer comes as soon as it was done
    /// there, and does not wait for the disk: whatever is answered from the disk later rests on it.
    async fn in_turn<R: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Work) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<Taken<R>, LedgerError> {
        let (answer, wait) = oneshot::channel();
        let op: Op = Box::new(move |work| {
            drop(answer.send(work.map(op)));
            // a failed commit is said and kept by the ledger's own threads
            None
        });
        let sent = self.0.queue.send(Message::Do(op)).await;
        sent.map_err(|_| self.closed())?;
        let ledger = self.clone();
        Ok(Taken { wait, ledger })
    }

    fn closed(&self) -> LedgerError {
        self.failed()
            .map_or(LedgerError::Closed, LedgerError::Failed)
    }

    /// Takes in a pass over the list: opens lineages, joins successors, judges open attempts. Answers
    /// before the disk does: what is sent for it is claimed behind it.
    ///
    /// # Errors
    /// The ledger has failed, or the sighting is malformed.
    pub async fn observe(&self, sight: Sighting, now: Timestamp) -> Result<Observed, LedgerError> {
        self.in_turn(move |work| {
            let observed = work.observe(&sight, now);
            // the caller wants the list for itself again
            drop(sight);
            observed
        })
        .await?
        .done()
        .await
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
    ) -> Result<LookedUp, LedgerError> {
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

    /// Claims of a batch what still stands when the claim's turn has come: `sift` runs first, on the
    /// ledger's thread, takes out what may not be claimed any more, and answers the time of the claim.
    /// What is recorded after something was withdrawn is followed by no claim of it.
    ///
    /// # Errors
    /// The ledger has failed; nothing may be sent.
    pub async fn claim_standing(
        &self,
        mut request: ClaimRequest,
        sift: impl FnOnce(&mut ClaimRequest) -> (Timestamp, Vec<(Admitted, Refusal)>) + Send + 'static,
    ) -> Result<Claims, LedgerError> {
        self.submit(move |work| {
            let (now, out) = sift(&mut request);
            let mut claims = work.claim(request, now)?;
            claims.refused.extend(out);
            Ok(claims)
        })
        .await
    }

    /// Records what came back for a batch. Answers before the disk: a claim whose answer is lost with
    /// the process is read back like one that was never answered.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn settle(
        &self,
        receipts: Vec<Receipt>,
        took: Duration,
        now: Timestamp,
    ) -> Result<Vec<Settled>, LedgerError> {
        self.in_turn(move |work| work.settle(receipts, took, now))
            .await?
            .done()
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

    /// Records decisions whose answer, rule or refusal changed; counts the others. They have their
    /// place in the journal when this returns; what it returns answers when they were recorded there,
    /// before the disk does: what is sent for them is claimed behind them.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn decided(
        &self,
        records: Vec<DecisionRecord>,
        cycle: CycleId,
        now: Timestamp,
    ) -> Result<Taken<DecidedCount>, LedgerError> {
        let made = Made::of(records, |said| {
            self.read(|index| !said.iter().any(|said| said.stands(index)))
        });
        self.in_turn(move |work| work.decided(made, cycle, now))
            .await
    }

    /// Records one event. Lineages, claims, receipts and outcomes have their own ways in.
    ///
    /// # Errors
    /// The ledger has failed, or the event is one of those.
    pub async fn record(&self, entry: Entry) -> Result<(), LedgerError> {
        self.submit(move |work| work.record(entry)).await
    }

    /// Records one event and answers when it has its place, before the disk does.
    ///
    /// # Errors
    /// The ledger has failed, or the event can't be recorded.
    pub async fn record_in_turn(&self, entry: Entry) -> Result<(), LedgerError> {
        self.in_turn(move |work| work.record(entry))
            .await?
            .done()
            .await
    }

    /// Records one event without waiting for the disk: it is there before anything that is asked for
    /// later is answered, because the journal has one order. A failure shows with the next call.
    ///
    /// # Errors
    /// The ledger has failed or is closed.
    pub async fn record_soon(&self, entry: Entry) -> Result<(), LedgerError> {
        let op: Op = Box::new(move |work| {
            let result = work.map_or(Err(LedgerError::Closed), |work| work.record(entry));
            if let Err(error) = result {
                tracing::error!(%error, "an event could not be recorded");
            }
            // a failed commit is said and kept by the ledger's thread itself
            None
        });
        let sent = self.0.queue.send(Message::Do(op)).await;
        sent.map_err(|_| self.closed())
    }

    /// Stores a text once by its digest, in parts; answers the digest.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn keep(&self, text: String, now: Timestamp) -> Result<Digest, LedgerError> {
        self.submit(move |work| work.keep(&text, now)).await
    }

    /// Stores the inputs of evaluations, each once by its digest. Those whose answer is as before wait
    /// for [`Ledger::decided`]: they are stored if their decision is recorded. They have their place when
    /// this returns; what it returns answers when they are stored there, before the disk does.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn keep_inputs(
        &self,
        inputs: Vec<Inputs>,
        now: Timestamp,
    ) -> Result<Taken<()>, LedgerError> {
        self.in_turn(move |work| work.keep_inputs(inputs, now))
            .await
    }

    /// What is open was found so by a start of the daemon: until when its requests may take effect is counted
    /// from `since` on at the earliest, for this run.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn found_open(&self, since: Timestamp) -> Result<(), LedgerError> {
        self.submit(move |work| {
            work.found_open(since);
            Ok(())
        })
        .await
    }

    /// The clock is known to have been ahead, or to be behind: what is on record as later than now counts as of
    /// now, for this run. Answers how much that is.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn none_later(&self, now: Timestamp) -> Result<Ahead, LedgerError> {
        self.submit(move |work| Ok(work.none_later(now))).await
    }

    /// Marks everything open now as the backlog of the first enforce, where none was taken, and that of
    /// these further logins as whole. Does nothing where both is so already.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn take_baseline(
        &self,
        actor: Actor,
        logins: Vec<Login>,
        now: Timestamp,
    ) -> Result<BaselineChange, LedgerError> {
        self.submit(move |work| work.take_baseline(actor, logins, now))
            .await
    }

    /// A person takes the server as it is although its data are not those that were known: all that was
    /// known of its tasks is closed. Answers how many lineages that were, and what became of attempts.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn accept_world(
        &self,
        reason: Arc<str>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(u64, Vec<Outcome>), LedgerError> {
        self.submit(move |work| work.accept_world(&reason, actor, now))
            .await
    }

    /// Binds the store to another server than it was, and puts the doubt on record whether that has its tasks.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn rebind(
        &self,
        to: String,
        doubt: Arc<str>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.submit(move |work| work.rebind(to, &doubt, actor, now))
            .await
    }

    /// A person says that the server is the known one although it was taken for another: all goes on as
    /// it was. Answers why not, where the last lists don't bear it out.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn keep_world(
        &self,
        reason: Arc<str>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Option<String>, LedgerError> {
        self.submit(move |work| work.keep_world(&reason, actor, now))
            .await
    }

    /// Waits until everything that has its place in the journal is on disk; whoever reads the journal,
    /// and not the index, sees only what is there.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn written(&self) -> Result<(), LedgerError> {
        self.submit(|_| Ok(())).await
    }

    /// What is on disk now, and the server that the store belongs to: whoever copies the journal up to
    /// this mark has all that was acknowledged when he asked.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn on_disk(&self) -> Result<(Mark, Option<String>), LedgerError> {
        self.submit(|work| {
            let index = work.index();
            Ok((open::mark(&index), index.world().map(str::to_owned)))
        })
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
        let place = |digest: &Digest| self.read(|index| index.kept(digest));
        transfer::kept(&*self.store()?, digest, &place)
    }

    /// Shows every record, oldest first, until the visitor breaks.
    pub(super) fn visit(
        &self,
        visitor: &mut dyn FnMut(&[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        Ok(self.store()?.visit(0, &mut |_, bytes| visitor(bytes))?)
    }

    pub(super) fn store(&self) -> Result<Arc<dyn Store>, LedgerError> {
        lock(&self.0.store).clone().ok_or(LedgerError::Closed)
    }
}
