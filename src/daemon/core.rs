//! The one task that owns the flow and its state: every tick, answer and order becomes an event here and is handled in turn; nothing else changes state.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::anchor::Anchoring;
use super::another::Another;
use super::evaluate::{Behind, Bench, CycleError, Evaluated};
use super::failing::Failing;
use super::feed::Absences;
use super::hinted::hint;
use super::instance::Instance;
use super::justify::{JustifyDone, Justifying};
use super::memory::Memory;
use super::one::OneRetry;
use super::ordered::OrderWait;
use super::probed::Unprobed;
use super::requests::OnRecord;
use super::running::Running;
use super::seen::Seen;
use super::send::SendDone;
use super::settle::LookDone;
use super::signals::Signal;
use super::store::StoreSeen;
use super::time::{Stepper, idle};
use super::under_way::UnderWay;
use super::upkeep::Saving;
use super::walk::Walking;
use super::{DaemonError, systemd};
use crate::config::Overrides;
use crate::control::{Incoming, PlanFilter, Reply};
use crate::dispatch::batch::Queues;
use crate::dispatch::verify::Witness;
use crate::governor::Governor;
use crate::ledger::{Actor, Index, Ledger, LedgerError, ServerBehind, VerifyItem};
use crate::model::hash::FastMap;
use crate::model::settings::Settings;
use crate::model::{Clock, CycleId, Decision, LineageId, Login, Mode, RefusalReason, TaskId};
use crate::oig::{Client, Logins, OigError, RequestCounts};
use crate::policy::PolicySet;
use crate::source::Intake;
use crate::telemetry::{Health, Metered, Metrics};

/// Why the loop has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Everything in flight was answered.
    Clean,
    /// The grace period passed with requests in flight; their claims stay open on disk.
    GracePassed,
    /// A second signal.
    AtOnce,
    /// `run --once` is through.
    Once,
}

/// What a spawned piece of work brings back.
pub enum Done {
    /// A cycle has read and decided.
    Cycle {
        /// Memory comes home.
        memory: Box<Memory>,
        /// What it found.
        result: Result<Box<Evaluated>, CycleError>,
        /// Wall time it took.
        took: Duration,
    },
    /// A PUT has ended.
    Sent(Box<SendDone>),
    /// A line for a task's note has come to its end.
    Justified(Box<JustifyDone>),
    /// Single readings have ended.
    Looked(LookDone),
    /// The absence file was read, or does not answer.
    Absences {
        /// Of which configuration.
        of: u64,
    },
    /// Tasks that hints name were read beside a cycle.
    LookedUp(Box<super::by_id::LookedUp>),
    /// A slice of the walk through accounts has ended; only a stopped login is an error.
    Walked(Result<(), OigError>),
    /// Something was read from the journal.
    Told {
        /// The answer.
        answer: Box<Reply>,
        /// Where it goes.
        reply: oneshot::Sender<Reply>,
    },
    /// A plan or an explanation has been worked out.
    Answer {
        /// Evaluated afresh.
        result: Result<Box<Evaluated>, CycleError>,
        /// What was asked.
        question: Question,
        /// Where the answer goes.
        reply: oneshot::Sender<Reply>,
    },
}

/// A question that needs a fresh evaluation.
#[derive(Clone, Debug)]
pub enum Question {
    /// Every item.
    Plan(PlanFilter),
    /// One item.
    Explain {
        /// The id under which it is looked for.
        id: TaskId,
        /// As it was asked for: an id, or a lineage.
        asked: String,
    },
    /// One item, to be retried.
    RetryOne(OneRetry),
}

/// The last cycle, for status.
#[derive(Debug, Default)]
pub struct Last {
    /// End of the last whole cycle (domain time).
    pub at: Option<Timestamp>,
    /// Wall time it took.
    pub took: Duration,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// Since when each cycle has ended so.
    pub error_since: Option<Timestamp>,
    /// Why the last PUT was provably not taken, if so.
    pub write_error: Option<String>,
    /// The snapshot's numbers.
    pub seen: Seen,
    /// What is not done at present, by reason.
    pub refusals: BTreeMap<RefusalReason, u64>,
    /// Tasks left alone because their policy failed, in the last cycle.
    pub faults: u64,
    /// All of which the last decision was such a fault.
    pub failing: Failing,
    /// No cycle has decided since the last reload.
    pub reloaded: bool,
    /// People whom the absence file names and who had a task once since the start.
    pub known_absent: BTreeSet<Login>,
    /// Cycles since start.
    pub cycles: u64,
    /// Failed cycles in a row.
    pub failures: u32,
}

/// The daemon's state.
pub struct Core {
    /// The live configuration.
    pub settings: Arc<Settings>,
    /// Its file, for reloads.
    pub config: PathBuf,
    /// What the command line said against it.
    pub overrides: Overrides,
    /// Domain time.
    pub clock: Clock,
    /// Moves a stepped world on.
    pub stepper: Option<Stepper>,
    /// The remote API, as the main login.
    pub client: Client,
    /// As each login.
    pub logins: Logins,
    /// The store.
    pub ledger: Ledger,
    /// The live policy set.
    pub policies: Arc<PolicySet>,
    /// A reading for a reload that did not come to its end.
    pub rereading: Option<super::reload::Reading>,
    /// Error of the last reload.
    pub reload_error: Option<String>,
    /// The governor.
    pub governor: Governor,
    /// What was noted of the journal's head.
    pub anchoring: Anchoring,
    /// Who is away, by the feed.
    pub absences: Absences,
    /// What single tasks have shown where the list shows no reasons.
    pub reasons: super::reasons::Reasons,
    /// What is remembered between cycles; away while one runs.
    pub memory: Option<Box<Memory>>,
    /// What may be sent.
    pub queues: Queues,
    /// When the snapshot behind the queues was taken.
    pub queued_from: Option<Timestamp>,
    /// When the queues were filled from it.
    pub queued_at: Option<Timestamp>,
    /// The running cycle.
    pub cycle: CycleId,
    /// When the next cycle starts.
    pub next_tick: Timestamp,
    /// A cycle that begins earlier only reads: cron lines bound when anything is sent.
    pub acts_from: Timestamp,
    /// Whether the running (or last) cycle may send.
    pub acting: bool,
    /// The next cycle comes because of an order.
    pub asked_early: bool,
    /// Pace of the cycles.
    pub pace: crate::source::Pace,
    /// Open attempts that are to be read singly now.
    pub looks: Vec<VerifyItem>,
    /// What readings that stopped early did not come to; taken up with the next cycle.
    pub looks_left: Vec<VerifyItem>,
    /// Complete lists in a row.
    pub complete_passes: u32,
    /// Rounds of readings since start in which the server answered.
    pub start_rounds: u32,
    /// What was found open at start and asked for in vain at least once.
    pub start_unread: HashSet<LineageId>,
    /// Those whose login could not read then: it sends nothing before it has read them. With rounds in vain.
    pub start_barred: Vec<(VerifyItem, u32)>,
    /// A task of the last list to tell a silent server from a claim that can't be read.
    pub witness: Option<Witness>,
    /// Since when a cycle runs (wall).
    pub cycle_since: Option<Instant>,
    /// How far it is.
    pub running: Option<Running>,
    /// False until every claim found open at start was read once (invariant 4).
    pub settled_at_start: bool,
    /// This process among those that may act here.
    pub instance: Instance,
    /// What the server shows of others under our login.
    pub another: Another,
    /// Actions that rest on traits of the server which were not probed.
    pub unprobed: Unprobed,
    /// Why the store and the server don't belong together, if so.
    pub world_mismatch: Option<Arc<str>>,
    /// What the last list showed that speaks against this being the known server; the next one tells.
    pub doubtful_world: Option<Arc<str>>,
    /// How far the server's dates are behind our sends, where its lists say so.
    pub server_behind: Option<ServerBehind>,
    /// The log has said that this is another server.
    pub world_said: bool,
    /// What was found when the store was opened.
    pub store_seen: StoreSeen,
    /// The store of another world: held, so that nobody else takes it, and left as it is.
    pub foreign_store: Option<Ledger>,
    /// The last cycle.
    pub last: Last,
    /// Rises with every order, reload and mode change.
    pub epoch: u64,
    /// Work under way.
    pub jobs: JoinSet<Done>,
    /// Batches from the queue to their answers.
    pub under_way: UnderWay,
    /// The retry that a person has ordered by itself: cycles know nothing of it, and don't take it back.
    pub ordered: Option<Arc<Decision>>,
    /// What the rows of proposed tasks show beside the decision.
    pub behind: FastMap<LineageId, Behind>,
    /// What the order within an account keeps waiting, by the last cycle.
    pub order_waits: FastMap<LineageId, OrderWait>,
    /// Lines for the notes of tasks.
    pub justifying: Justifying,
    /// A look is under way.
    pub looking: bool,
    /// Shutdown has begun.
    pub stopping: bool,
    /// When it no longer waits for what is in flight, once it has begun (wall time).
    pub ends_by: Option<Instant>,
    /// One cycle only.
    pub once: bool,
    /// Start (domain time).
    pub started: Timestamp,
    /// Liveness and readiness.
    pub health: Health,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Requests that the counters know of.
    pub metered: RequestCounts,
    /// Requests that the journal knows of.
    pub on_record: OnRecord,
    /// Records that the counters know of.
    pub metered_records: u64,
    /// The jump of the wall clock that was last reported.
    pub drift_said: i64,
    /// True once a whole list was compared with the targets that the configuration names.
    pub targets_said: bool,
    /// A snapshot of the governor's state as last stored.
    pub governor_stored: Option<String>,
    /// The store on its way into a file.
    pub saving: Saving,
    /// Hints that tasks should be read, where any are taken.
    pub intake: Option<Intake>,
    /// Tasks that hints name are read beside the cycles now.
    pub looking_up: bool,
    /// The walk through the accounts of persons.
    pub walking: Walking,
    /// Where events are taken.
    pub intake_at: Option<std::net::SocketAddr>,
    /// Counts of the intake that the counters know of.
    pub metered_intake: Metered,
}

/// Outside events.
pub struct Inlets {
    /// Orders and questions.
    pub control: mpsc::Receiver<Incoming>,
    /// Signals.
    pub signals: mpsc::Receiver<Signal>,
}

/// Runs until a signal, an order, the end of `--once`, or a store that can't write.
///
/// # Errors
/// The ledger failed: nothing is sent any more, the service manager has to start anew.
pub async fn drive(core: &mut Core, inlets: &mut Inlets) -> Result<Exit, DaemonError> {
    core.anchor_at_start().await?;
    loop {
        core.show_life();
        core.start_work().await?;
        core.anchor_when_due().await?;
        core.meter_intake();
        if core.once && core.is_through() {
            core.say_what_is_left();
            return Ok(Exit::Once);
        }
        let wake = core.wake_at();
        let (clock, stepper, jobs) = (core.clock.clone(), core.stepper.clone(), core.jobs.len());
        let (ledger, intake) = (core.ledger.clone(), core.intake.clone());
        let logins = core.logins.clone();
        // signals and orders go before work, so that a busy daemon still listens
        tokio::select! {
            biased;
            Some(signal) = inlets.signals.recv() => match signal {
                Signal::Terminate => return core.shut_down(inlets).await,
                Signal::Reload => core.reload(Actor::Daemon).await?,
            },
            // also where nothing is asked of it: a daemon without a disk has to end, and to say so
            why = ledger.failure() => return Err(LedgerError::Failed(why).into()),
            // whatever still runs: a restart meanwhile must not try it again
            () = logins.stop_came() => core.login_changed(core.clock.now()).await?,
            Some(incoming) = inlets.control.recv() => {
                if core.answer(incoming).await? {
                    return core.shut_down(inlets).await;
                }
            }
            Some(done) = core.jobs.join_next(), if !core.jobs.is_empty() => {
                core.finished(done).await?;
            }
            () = hint(intake.as_ref()) => core.hint_came(core.clock.now()),
            stepped = idle(&clock, stepper.as_ref(), jobs, wake) => {
                if let Err(error) = stepped {
                    return Err(DaemonError::Stepper(error));
                }
            }
        }
        core.notice_clock();
    }
}

/// A cycle that runs for longer is taken to be stuck: the watchdog is not fed any more.
const CYCLE_AT_MOST: Duration = Duration::from_secs(2 * 3600);

impl Core {
    /// Feeds `/livez` and the watchdog, unless a cycle does not come to its end.
    fn show_life(&self) {
        let stuck = self
            .cycle_since
            .is_some_and(|since| since.elapsed() > CYCLE_AT_MOST);
        if !stuck {
            self.health.beat();
            systemd::progress();
        }
    }

    /// The tools of a cycle.
    pub fn bench(&self, cycle: CycleId) -> Bench {
        Bench {
            client: self.client.clone(),
            logins: self.logins.clone(),
            ledger: self.ledger.clone(),
            policies: Arc::clone(&self.policies),
            settings: Arc::clone(&self.settings),
            roster: self.absences.roster(),
            clock: self.clock.clone(),
            cycle,
            epoch: self.epoch,
            whole: false,
            ahead: false,
            only: None,
            pauses: self.governor.pauses(self.clock.now()).into(),
            blocked: Arc::new(self.blocked(self.clock.now())),
            probing: Arc::new(self.probing(self.clock.now())),
            no_backlog: !self.has_baseline(),
            intake: self.intake.clone(),
            hints_beside: !self.once,
            watch: self.another.since,
            reasons: self.reasons.clone(),
        }
    }

    /// Starts whatever is due: a cycle, single readings, PUTs.
    async fn start_work(&mut self) -> Result<(), DaemonError> {
        let now = self.clock.now();
        if self.stopping || self.is_off() {
            return Ok(());
        }
        self.start_look(now);
        if self.cycle_is_due(now) && self.absences_are_read() {
            self.record_requests_when_due(now).await?;
            self.start_cycle();
        }
        self.pump(now).await?;
        self.justify(now);
        Ok(())
    }

    /// True where a cycle should have begun.
    pub fn cycle_is_due(&self, now: Timestamp) -> bool {
        self.next_tick <= now && self.memory.is_some() && !self.had_its_cycle()
    }

    /// `--once` is one cycle, however long its sending takes.
    fn had_its_cycle(&self) -> bool {
        self.once && self.last.cycles > 0
    }

    fn start_cycle(&mut self) {
        let Some(mut memory) = self.memory.take() else {
            return;
        };
        self.cycle = CycleId(uuid::Uuid::now_v7());
        self.refresh_traits();
        self.look_for_another();
        self.watch_for_another();
        let bench = self.bench(self.cycle);
        let began = Instant::now();
        self.cycle_since = Some(began);
        self.running = Some(Running::begins(self.clock.now(), &mut memory));
        self.acting = self.once || self.clock.now() >= self.acts_from;
        self.jobs.spawn(async move {
            let result = super::evaluate::evaluate(&bench, &mut memory).await;
            Done::Cycle {
                memory,
                result: result.map(Box::new),
                took: began.elapsed(),
            }
        });
    }

    /// When something has to be done although nothing comes in.
    fn wake_at(&self) -> Timestamp {
        let now = self.clock.now();
        if self.is_off() {
            return Timestamp::MAX;
        }
        let mut wake = if self.memory.is_some() && !self.had_its_cycle() {
            // a cycle that is due waits for the absence file, whose end wakes the loop
            let tick = Some(self.next_tick).filter(|_| !self.absences.is_reading());
            tick.unwrap_or(Timestamp::MAX)
        } else {
            Timestamp::MAX
        };
        if !self.queues.is_empty() && self.memory.is_some() {
            if let Some(event) = self.governor.next_event(now) {
                wake = wake.min(event);
            }
            wake = wake.min(self.first_ends().unwrap_or(Timestamp::MAX));
        }
        wake.max(now)
    }

    /// True where `--once` has nothing more that it may do now.
    fn is_through(&self) -> bool {
        (self.last.cycles > 0 || self.is_off()) && self.jobs.is_empty()
    }

    /// Off is off: nothing is read from the server either.
    fn is_off(&self) -> bool {
        self.settings.modes.global == Mode::Off
    }

    /// One cycle sends what may go at once; the rest is for the next one.
    fn say_what_is_left(&self) {
        self.say_lists();
        let open = self.ledger.read(Index::open_count);
        if self.last.error.is_some() {
            // why was said when it failed
            tracing::warn!(
                attempts_open = open,
                inbox = self.inbox_count(self.clock.now()),
                "the one cycle has FAILED: nothing was decided or sent; the next `provtaskd run` tries again"
            );
            return;
        }
        tracing::info!(
            sent = self.logins.requests().writes,
            not_sent = self.queues.len(),
            not_now = self.last.refusals.values().sum::<u64>(),
            attempts_open = open,
            inbox = self.inbox_count(self.clock.now()),
            "one cycle is through; what is left waits for the next `provtaskd run`"
        );
    }

    /// A piece of work has ended.
    pub async fn finished(
        &mut self,
        done: Result<Done, tokio::task::JoinError>,
    ) -> Result<(), DaemonError> {
        match done {
            Ok(Done::Cycle {
                memory,
                result,
                took,
            }) => {
                self.cycle_since = None;
                self.running = None;
                self.cycle_done(memory, result, took).await
            }
            Ok(Done::Sent(sent)) => self.sent_done(*sent).await,
            Ok(Done::Justified(done)) => self.justified(*done).await,
            Ok(Done::Looked(looked)) => self.look_done(looked).await,
            Ok(Done::LookedUp(told)) => self.look_up_done(*told).await,
            Ok(Done::Walked(ended)) => self.walk_done(ended).await,
            Ok(Done::Absences { of }) => {
                self.absences_read(of);
                Ok(())
            }
            Ok(Done::Told { answer, reply }) => {
                // an asker that went away needs no answer
                let _ = reply.send(*answer);
                Ok(())
            }
            Ok(Done::Answer {
                result,
                question,
                reply,
            }) => {
                let now = self.clock.now();
                if let Ok(found) = &result {
                    // what the list told is on record: the governor has to hear of it too
                    self.told(now, &found.observed.outcomes);
                    self.take_world(now, &found.observed.world);
                    self.store_governor(now).await?;
                }
                // a refused login must be on record whoever met it
                self.login_changed(now).await?;
                // explanations are read from the journal
                self.ledger.written().await?;
                let answer = match question {
                    Question::RetryOne(one) => {
                        let uid = one.who.uid;
                        let (task, why) = (one.task.to_string(), one.why.clone());
                        let answer = self.retry_one(one, result).await?;
                        super::answer::log_order("retry_one", uid, &task, &why, &answer);
                        answer
                    }
                    question => self.work_out(question, result),
                };
                // an asker that went away needs no answer
                let _ = reply.send(answer);
                Ok(())
            }
            Err(error) => Err(DaemonError::Worker(error.to_string())),
        }
    }

    /// A jump of the wall clock is said once, and never shortens a back-off: domain time follows
    /// the monotonic clock from start.
    fn notice_clock(&mut self) {
        let drift = self.clock.drift().as_secs();
        if (drift - self.drift_said).abs() >= 5 {
            tracing::warn!(
                seconds = drift,
                "the wall clock has moved against the monotonic one since start; schedules and back-offs go on as before, restart to take over the new time"
            );
            self.drift_said = drift;
        }
    }
}
