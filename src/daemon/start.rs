//! Puts the daemon together in order: clock, store, policies, client, sockets; nothing is sent before all of them stand.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::anchor::{Anchoring, LastAnchor, check_last, settled};
use super::another::Another;
use super::core::{Core, Exit, Inlets, Last, drive};
use super::even::{self, even_since, forget_even};
use super::feed::Absences;
use super::instance::Instance;
use super::justify::Justifying;
use super::memory::Memory;
use super::patience::{STORE_PATIENCE, open_patiently};
use super::probed::unprobed;
use super::requests::OnRecord;
use super::signals::{self, Signal};
use super::stopped::StopFile;
use super::store::{StoreSeen, mismatch_of};
use super::time::clock_for;
use super::under_way::UnderWay;
use super::upkeep::Saving;
use super::{DaemonError, RunOptions, recall, systemd};
use super::{login, reload};
use crate::admin::Admin;
use crate::config::Overrides;
use crate::control::{self, Request};
use crate::dispatch::batch::Queues;
use crate::governor::Census;
use crate::ledger::record::{EventBody, MAX_TEXT, Meta, clip};
use crate::ledger::{Entry, Ledger, Place, Rewound, VerifyItem, place};
use crate::model::hash::FastMap;
use crate::model::settings::{Modes, Schedule, Settings};
use crate::model::{Action, CycleId, Mode};
use crate::oig::{Client, RequestCounts};
use crate::policy;
use crate::source::{Intake, Pace, intake};
use crate::telemetry::{Health, Latch, Metered, Metrics};

/// Orders and questions that may wait.
const ORDERS: usize = 32;
/// Where hints are kept, in the store's directory and beside the store.
const INTAKE: &str = "intake";
/// So long what runs beside the loop may take to end (wall time).
const HELPERS_AT_MOST: Duration = Duration::from_secs(10);
/// The longest silence of the cycle task before `/livez` and the watchdog call it dead.
const SILENCE: Duration = Duration::from_secs(120);

/// A daemon that runs in this process, for `demo` and for tests.
#[derive(Debug)]
pub struct Running {
    signals: mpsc::Sender<Signal>,
    task: tokio::task::JoinHandle<Result<Exit, DaemonError>>,
}

impl Running {
    /// Asks it to end cleanly and waits for that.
    ///
    /// # Errors
    /// What the daemon ended with.
    pub async fn stop(self) -> Result<Exit, DaemonError> {
        // a daemon that has ended already needs no telling
        let _ = self.signals.send(Signal::Terminate).await;
        self.task
            .await
            .map_err(|error| DaemonError::Worker(error.to_string()))?
    }

    /// True once it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// Runs until told to stop.
///
/// # Errors
/// It can't start, or the store can't write any more.
pub async fn run(settings: Settings, options: RunOptions) -> Result<Exit, DaemonError> {
    let (signals, inlet) = mpsc::channel(signals::WAITING);
    signals::listen(signals)?;
    run_with(settings, options, inlet).await
}

/// Starts the daemon as a task of this process.
pub fn start(settings: Settings, options: RunOptions) -> Running {
    let (signals, inlet) = mpsc::channel(signals::WAITING);
    let task = tokio::spawn(run_with(settings, options, inlet));
    Running { signals, task }
}

async fn run_with(
    settings: Settings,
    options: RunOptions,
    signals: mpsc::Receiver<Signal>,
) -> Result<Exit, DaemonError> {
    let settings = Arc::new(settings);
    let mut core = assemble(Arc::clone(&settings), &options, Need::All).await?;
    // before anything that it may hold as well, as the port for metrics
    if let Some(why) = core.instance.other() {
        tracing::error!(%why, "nothing is sent");
    }
    let stop = CancellationToken::new();
    let mut helpers = JoinSet::new();
    // both are bound before the first cycle, so that a taken socket or port is an error at start
    let server = control::Server::bind(&settings.admin.socket).await?;
    let (requests, control) = mpsc::channel(ORDERS);
    helpers.spawn(server.serve(requests, stop.clone()));
    if let Some(at) = settings.admin.listen {
        let admin = Admin::bind(at).await?;
        tracing::info!(at = %admin.local_addr(), "metrics and health are served");
        helpers.spawn(admin.serve(Arc::clone(&core.metrics), core.health.clone(), stop.clone()));
    }
    open_intake(&mut core, &mut helpers, &stop).await?;
    systemd::ready();
    tracing::info!(
        server = %settings.server.origin,
        login = %settings.server.login,
        mode = %settings.modes.global,
        policy = core.policies.hash().short(),
        store = %settings.store.dir.display(),
        "provtaskd runs"
    );
    if settings.modes.global == Mode::Off {
        tracing::warn!("mode.global is off: nothing is read or sent; only questions are answered");
    }
    core.warn_of_policies();
    core.say_unprobed();
    let mut inlets = Inlets { control, signals };
    let ended = drive(&mut core, &mut inlets).await;
    core.saving.stop();
    stop.cancel();
    drop(inlets);
    let all = async {
        while helpers.join_next().await.is_some() {}
        core.jobs.shutdown().await;
    };
    // one that reads from a mount whose server is gone ends with the process
    if tokio::time::timeout(HELPERS_AT_MOST, all).await.is_err() {
        tracing::warn!(
            "work beside the loop does not end, as where a file system does not answer; nothing of it is waited for"
        );
    }
    let ended = match ended {
        Ok(exit) => core.last_records().await.map(|()| exit),
        failed => failed,
    };
    let other_world = core.once.then(|| core.mismatch()).flatten();
    let what_to_do = core.what_to_do();
    let once_failed = core.once.then(|| core.last.error.clone()).flatten();
    let once = core.once;
    let faults = if once { core.last.faults } else { 0 };
    let login_stopped = core
        .ledger
        .read(|index| index.login_stopped(&settings.server.login).is_some());
    let closed = core.ledger.shutdown().await;
    if let Some(foreign) = &core.foreign_store {
        foreign.shutdown().await?;
    }
    // the process ends: giving back the memory of 100,000 tasks piece by piece would only take time
    std::mem::forget(core);
    match (ended, closed) {
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(exit), Ok(())) => {
            tracing::info!(?exit, "the store is closed; provtaskd ends");
            if let Some(why) = other_world {
                return Err(DaemonError::OnceWorld(why.to_string(), what_to_do));
            }
            match once_failed {
                Some(error) if login_stopped => Err(DaemonError::OnceLogin(error)),
                Some(error) => Err(DaemonError::Once(error)),
                None if once && login_stopped => {
                    Err(DaemonError::OncePartly(settings.server.login.clone()))
                }
                None if faults > 0 => Err(DaemonError::OnceFaults(faults)),
                None => Ok(exit),
            }
        }
    }
}

/// Opens the hints and what brings them in; a single cycle reads what waits and takes nothing new.
async fn open_intake(
    core: &mut Core,
    helpers: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<(), DaemonError> {
    let settings = core.settings.intake.clone();
    if !settings.is_on() {
        return Ok(());
    }
    let (dir, clock) = (core.settings.store.dir.join(INTAKE), core.clock.clone());
    let limit = settings.max_waiting;
    let opened = tokio::task::spawn_blocking(move || Intake::open(&dir, limit, &clock)).await;
    let opened = opened.map_err(|error| DaemonError::Worker(error.to_string()))??;
    core.intake = Some(opened.clone());
    if core.once {
        return Ok(());
    }
    if let (Some(at), Some(path)) = (settings.listen, &settings.secret_file) {
        let listener = intake::Listener::bind(at).await?;
        core.intake_at = Some(listener.local_addr());
        tracing::info!(at = %listener.local_addr(), "signed events are taken");
        let secrets = intake::Secrets::of(path);
        helpers.spawn(listener.serve(opened.clone(), secrets, stop.clone()));
    }
    if let Some(dir) = &settings.folder {
        let folder = intake::Folder::open(dir, limit)?;
        tracing::info!(dir = %dir.display(), "files of ids are taken");
        helpers.spawn(folder.watch(opened, stop.clone()));
    }
    Ok(())
}

/// What has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Everything.
    All,
    /// Everything but a store: for a question nothing is written to disk where none is yet.
    Server,
    /// What a question or an order needs that is answered from the store: no secret, no certificate.
    Store {
        /// As with `Server`.
        dry: bool,
        /// Policies as well, though they are not asked: only what stops sending, what reads the store alone and what lets a
        /// login try again go without.
        policies: bool,
    },
}

impl Need {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::Plan { .. } | Request::Explain { .. } => Self::Server,
            other => Self::Store {
                dry: other.is_question(),
                policies: !matches!(
                    other,
                    Request::Pause { .. }
                        | Request::Resume { .. }
                        | Request::Status
                        | Request::Inbox
                        | Request::Rejections
                        | Request::Backlog { part: None }
                        | Request::OutcomesList { .. }
                        | Request::OutcomesShow { .. }
                        | Request::LoginClear
                ),
            },
        }
    }

    /// A person who wants nothing sent while a policy is broken must not have to mend it first.
    pub(super) fn goes_without_policies(self) -> bool {
        matches!(
            self,
            Self::Store {
                policies: false,
                ..
            }
        )
    }
}

/// Opens everything that a cycle, or a request, needs.
pub(super) async fn assemble(
    settings: Arc<Settings>,
    options: &RunOptions,
    need: Need,
) -> Result<Core, DaemonError> {
    let dry = matches!(need, Need::Server | Need::Store { dry: true, .. });
    let (clock, stepper) = clock_for(&settings.server).await?;
    let now = clock.now();
    let policies = match policy::load::load(&settings.policy) {
        Err(_) if need.goes_without_policies() => None,
        loaded => Some(loaded?),
    };
    let at = if dry {
        place(&settings.store.dir)?
    } else {
        // where none can ever be made that is said, not what came of trying
        place(&settings.store.dir)?;
        Place::There
    };
    let (ledger, mut report) = if at != Place::There {
        (Ledger::memory(now)?, None)
    } else {
        let patience = match need {
            Need::All => STORE_PATIENCE,
            Need::Server | Need::Store { .. } => Duration::ZERO,
        };
        let (ledger, report) = open_patiently(&settings, now, patience).await?;
        (ledger, Some(report))
    };
    let audit = match need {
        Need::All => settled(&settings.audit),
        Need::Server | Need::Store { .. } => settings.audit.clone(),
    };
    let mut anchored = LastAnchor::Unknown;
    if let Some(report) = &mut report {
        anchored = check_last(&ledger, &audit, report.found, now).await?;
        let runtime = audit.in_runtime();
        let also = check_last(&ledger, &runtime, report.found, now).await?;
        if [anchored, also].contains(&LastAnchor::Rewound) {
            report.rewound = ledger.read(|index| Rewound::of(index, |_| None));
        }
    }
    let known =
        ledger.read(|index| login::state_of(index, &settings.server, &settings.server.login));
    // a command that opened no store may have learned it, or learned it first
    let login_state = login::earlier(known, StopFile::of(&settings).read());
    let server = &settings.server;
    let mut last = Last::default();
    let client = match Client::new(server, clock.clone(), login_state.clone()) {
        Err(why) if matches!(need, Need::Store { .. }) => {
            last.error = Some(why.to_string());
            Client::barred(server, clock.clone(), login_state, &why)?
        }
        made => made?,
    };
    client.keep_stops_at(StopFile::of(&settings).place());
    // a question to the store needs none that can be used
    let barred = matches!(need, Need::Store { .. });
    let (logins, trouble) = login::clients(&client, &settings, &clock, &ledger, barred)?;
    last.error = last.error.or(trouble);
    let anchoring = match need {
        Need::All => Anchoring::new(&audit, anchored)?,
        Need::Server | Need::Store { .. } => Anchoring::default(),
    };
    let governor = recall::governor(&ledger, &settings, now);
    let health = Health::new(SILENCE);
    health.set(Latch::PolicyLoaded, true);
    let world_mismatch = match &report {
        Some(report) => mismatch_of(&ledger, report, &settings),
        None => None,
    };
    let elsewhere = report.is_some()
        && ledger.read(|index| {
            index
                .world()
                .is_some_and(|known| known != login::world(&settings.server))
        });
    let (ledger, foreign_store) = if elsewhere {
        // another server's tasks must not be taken for those that this store knows
        (Ledger::memory(now)?, Some(ledger))
    } else {
        (ledger, None)
    };
    let (simulated, now_at_start) = (settings.server.simulator_clock, clock.now());
    // one that goes on counts by itself; a single cycle has only what earlier ones have noted
    let since = match need {
        Need::All if options.once && foreign_store.is_none() => {
            even_since(&settings.store.dir, simulated, now_at_start)
        }
        Need::All => {
            forget_even(&settings.store.dir);
            now_at_start
        }
        Need::Server | Need::Store { .. } => now_at_start,
    };
    ledger.found_open(since).await?;
    if !simulated {
        even::none_later(&ledger, clock.now(), need == Need::All).await?;
    }
    let policies = match policies {
        Some(policies) => {
            // first, so that the mode's record names it; a question puts nothing in force
            if !dry {
                record_policy(&ledger, &policies, now).await?;
            }
            policies
        }
        None => policy::load::unread(ledger.read(|index| index.policy_in_force().cloned()))?,
    };
    let policies = Arc::new(policies);
    if !dry {
        record_mode(&ledger, &settings, Meta::daemon(now, None)).await?;
    }
    let looks = open_attempts(&ledger);
    let (every, at_most) = bounds(&settings);
    let acts_from = reload::acts_from(&settings, now);
    let mut core = Core {
        config: options
            .config
            .clone()
            .unwrap_or_else(|| settings.origin.clone()),
        overrides: options.overrides.clone().unwrap_or_else(|| Overrides {
            store: Some(settings.store.dir.clone()),
            socket: Some(settings.admin.socket.clone()),
            log_format: Some(settings.log.format),
        }),
        stepper,
        client,
        logins,
        policies,
        rereading: None,
        reload_error: None,
        governor,
        anchoring,
        absences: Absences::of(&settings),
        reasons: Default::default(),
        memory: Some(Box::new(Memory::default())),
        queues: Queues::default(),
        queued_from: None,
        queued_at: None,
        looks_left: Vec::new(),
        complete_passes: 0,
        start_rounds: 0,
        start_unread: HashSet::new(),
        start_barred: Vec::new(),
        witness: None,
        cycle_since: None,
        running: None,
        cycle: CycleId(uuid::Uuid::now_v7()),
        next_tick: now,
        asked_early: false,
        acts_from,
        acting: false,
        pace: Pace::new(every, at_most),
        settled_at_start: looks.is_empty(),
        looks,
        instance: match need {
            Need::All => Instance::of_all(
                std::iter::once(&settings.server)
                    .chain(settings.logins.iter().map(|of| &of.server)),
                now,
                settings.delivery.settle_after,
            ),
            // they send nothing
            Need::Server | Need::Store { .. } => Instance::default(),
        },
        unprobed: unprobed(&settings),
        world_mismatch,
        doubtful_world: None,
        server_behind: None,
        another: Another::default(),
        world_said: false,
        store_seen: report
            .as_ref()
            .map_or_else(|| StoreSeen::absent(at), StoreSeen::opened),
        foreign_store,
        last,
        epoch: 1,
        jobs: JoinSet::new(),
        under_way: UnderWay::default(),
        ordered: None,
        behind: FastMap::default(),
        order_waits: FastMap::default(),
        justifying: Justifying::default(),
        looking: false,
        stopping: false,
        ends_by: None,
        once: options.once,
        started: now,
        health,
        metrics: Arc::new(Metrics::new()),
        metered: RequestCounts::default(),
        on_record: OnRecord::at_start(now),
        metered_records: ledger.read(|index| index.last_seq()),
        drift_said: 0,
        targets_said: false,
        governor_stored: None,
        saving: Saving::default(),
        intake: None,
        looking_up: false,
        walking: super::walk::Walking::default(),
        intake_at: None,
        metered_intake: Metered::default(),
        settings,
        clock,
        ledger,
    };
    core.hold_slips(&Census::default());
    let released = core
        .ledger
        .read(|index| index.released(core.policies.hash()));
    core.metrics.set_policy(core.policies.hash(), released);
    Ok(core)
}

/// The shortest and longest pause between cycles.
pub fn bounds(settings: &Settings) -> (jiff::SignedDuration, jiff::SignedDuration) {
    match &settings.schedule.when {
        Schedule::Every { every, at_most } => (*every, *at_most),
        // with cron lines the pace is not asked
        Schedule::Cron(_) => (
            jiff::SignedDuration::from_mins(5),
            jiff::SignedDuration::from_mins(5),
        ),
    }
}

/// Attempts that are open now, each to be read once before anything is sent (invariant 4).
pub fn open_attempts(ledger: &Ledger) -> Vec<VerifyItem> {
    ledger.read(|index| {
        index
            .open_attempts()
            .filter_map(|(lineage, attempt)| {
                Some(VerifyItem {
                    lineage,
                    ordinal: attempt.ordinal,
                    task: index.current_task(lineage)?,
                    process: attempt.process.clone(),
                    login: attempt.login.clone(),
                    read_process: attempt.process.is_some() && attempt.action == Action::Retry,
                    due: attempt.sent,
                })
            })
            .collect()
    })
}

/// Records the configured modes when one of them changed: the global one, and in words all others.
pub async fn record_mode(
    ledger: &Ledger,
    settings: &Settings,
    meta: Meta,
) -> Result<(), DaemonError> {
    let mode = settings.modes.global;
    let reason: Arc<str> = clip(&mode_words(&settings.modes), MAX_TEXT);
    let known = ledger.read(|index| (index.mode(), index.mode_words().cloned()));
    if known == (Some(mode), Some(Arc::clone(&reason))) {
        return Ok(());
    }
    let body = EventBody::ModeChanged { mode, reason };
    ledger.record(Entry { body, meta }).await?;
    Ok(())
}

/// The modes beside the global one, each with what it is of.
pub fn mode_parts(modes: &Modes) -> Vec<String> {
    let actions = modes.actions.iter();
    let actions = actions.map(|(of, mode)| ("action", of.as_str(), *mode));
    let targets = modes.targets.iter();
    let targets = targets.map(|(of, mode)| ("target", of.as_str(), *mode));
    let others = modes.others.map(|mode| ("target", "*", mode));
    let policies = modes.policies.iter();
    let policies = policies.map(|(of, mode)| ("policy", of.as_str(), *mode));
    let all = actions.chain(targets).chain(others).chain(policies);
    all.map(|(sort, of, mode)| format!("{sort} {of}: {mode}"))
        .collect()
}

fn mode_words(modes: &Modes) -> String {
    let mut words = vec!["as configured".to_owned()];
    words.extend(mode_parts(modes));
    words.join("; ")
}

/// Records that a policy set is in force, where it is another one than before; its sources are stored once.
pub async fn record_policy(
    ledger: &Ledger,
    policies: &policy::PolicySet,
    now: Timestamp,
) -> Result<(), DaemonError> {
    let hash = policies.hash().clone();
    if ledger.read(|index| index.policy_in_force() == Some(&hash)) {
        return Ok(());
    }
    let sources: Vec<(&str, &str)> = policies.sources().collect();
    let text = serde_json::to_string(&sources).unwrap_or_default();
    let sources = ledger.keep(text, now).await?;
    ledger
        .record(Entry {
            body: EventBody::PolicySeen {
                hash: hash.clone(),
                sources,
            },
            meta: Meta::daemon(now, None).policy(Some(hash)),
        })
        .await?;
    Ok(())
}
