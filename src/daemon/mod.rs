//! The daemon: one cycle task that owns the flow, and what feeds it; it decides nothing itself and sends only what the ledger has claimed.

mod account;
mod anchor;
mod another;
mod answer;
mod ask;
pub mod audit;
mod backlog;
mod by_id;
mod cache;
mod collect;
mod conclude;
mod core;
mod definitions;
mod describe;
mod ending;
mod evaluate;
mod even;
mod explained;
mod facts;
mod failing;
mod feed;
mod govern;
mod hinted;
mod horizon;
mod inbox;
mod instance;
mod justify;
mod left_alone;
mod left_rows;
mod lists;
mod loads;
mod login;
mod lost;
mod memory;
mod named;
mod offline;
mod one;
mod online;
mod ordered;
mod orders;
mod outcomes;
mod outset;
mod owners;
mod patience;
mod pauses;
mod private;
mod probe;
mod probed;
mod propose;
mod queued;
mod reasons;
mod rebind;
mod recall;
mod rejected;
mod reload;
mod requests;
mod reread;
mod roads;
mod running;
mod seen;
mod send;
mod senders;
mod settle;
mod signals;
mod standing;
mod start;
mod stopped;
mod store;
mod stories;
mod survey;
mod systemd;
mod time;
mod under_way;
mod upkeep;
mod views;
mod walk;
mod watch;
mod world;

use std::path::PathBuf;

pub use self::core::Exit;
/// What `check` asks of the files that the client will read.
pub use crate::ledger::is_guarded;
pub use crate::oig::inspect;
pub use anchor::{Head, Noted, anchor_alone, anchor_fault, anchor_of};
pub use feed::not_to_be_asked_for;
pub use hinted::secret_fault;
pub use login::world;
pub use offline::offline;
pub use online::{Online, Trouble, online};
pub use private::{make_private_dir, write_private};
pub use probe::{
    ProbeOptions, Probed, keep_traits, kept_traits, may_keep_traits, probe, traits_file,
};
pub use start::{Running, run, start};
pub use store::no_store;
pub use survey::{SurveyOptions, Surveyed, survey};
pub use upkeep::{domain_now, hint_of, kind_of};
pub use walk::persons_of;
pub use watch::{Progress, WatchError};

use crate::admin::AdminError;
use crate::config::Overrides;
use crate::control::{ControlError, LOGIN_HINT, RefusedKind};
use crate::ledger::LedgerError;
use crate::ledger::anchor::KeyError;
use crate::oig::OigError;
use crate::policy::PolicyError;
use crate::source::IntakeError;
use crate::traits::TraitsError;

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// One cycle, then end.
    pub once: bool,
    /// The configuration file, read again on reload.
    pub config: Option<PathBuf>,
    /// What the command line said against that file, which a reload has to say again.
    pub overrides: Option<Overrides>,
}

/// Why the daemon could not start or has ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The server, at start (settings, files) or when a question needs it.
    #[error(transparent)]
    Server(#[from] OigError),
    /// The policies, at start.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The port for metrics and health.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The intake of hints.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A simulator's clock was asked for where there is none.
    #[error("server.simulator_clock is set, but {origin} can't lend its clock: {why}")]
    SimulatorClock {
        /// The configured origin.
        origin: String,
        /// Why not.
        why: String,
    },
    /// The simulator that moves domain time is gone.
    #[error("the simulator that steps the clock does not answer: {0}")]
    Stepper(String),
    /// The key that signs anchors can't be used.
    #[error(transparent)]
    AnchorKey(#[from] KeyError),
    /// The file of a survey's readings can't be used.
    #[error(transparent)]
    Readings(WatchError),
    /// The file of traits, or of how the login stood, can't be used.
    #[error(transparent)]
    Traits(#[from] TraitsError),
    /// The absence feed can't be read at start.
    #[error("{0}")]
    Feed(String),
    /// A worker panicked; a fault of ours.
    #[error("a worker of the daemon panicked: {0}; this is a fault in provtaskd, please report it")]
    Worker(String),
    /// Signals can't be listened to.
    #[error("can't listen to signals: {0}")]
    Signals(std::io::Error),
    /// The cycle of `run --once` failed.
    #[error("the cycle could not be finished: {0}")]
    Once(String),
    /// Policies failed in `run --once`.
    #[error("the policy failed on {0} tasks; they were left alone")]
    OnceFaults(u64),
    /// Store and server don't belong together, in `run --once`.
    #[error("nothing was sent: {0}")]
    OnceWorld(String, &'static str),
    /// The login was refused in `run --once`.
    #[error("the cycle could not be finished: {0}")]
    OnceLogin(String),
    /// The main login was refused in `run --once`, and others have gone on.
    #[error("the main login was refused: {}", crate::control::main_stopped(.0, true))]
    OncePartly(crate::model::Login),
}

impl DaemonError {
    /// Which sort; the exit code follows from it.
    pub fn kind(&self) -> RefusedKind {
        match self {
            Self::Ledger(LedgerError::Locked { .. }) => RefusedKind::Busy,
            Self::Ledger(_) | Self::OnceWorld(..) => RefusedKind::Store,
            Self::Server(error) if error.is_login() => RefusedKind::LoginRefused,
            Self::Server(OigError::OthersTurn { .. }) => RefusedKind::Busy,
            Self::Server(OigError::Settings(_) | OigError::File { .. })
            | Self::Policy(_)
            | Self::Admin(_)
            | Self::Intake(
                IntakeError::Bind { .. } | IntakeError::NotLoopback(_) | IntakeError::Folder { .. },
            )
            | Self::Feed(_)
            | Self::AnchorKey(_)
            | Self::SimulatorClock { .. } => RefusedKind::Config,
            Self::Intake(IntakeError::File(_)) => RefusedKind::Io,
            Self::Intake(IntakeError::Thread(_)) => RefusedKind::Internal,
            Self::Server(_) | Self::Stepper(_) | Self::Once(_) => RefusedKind::Unreachable,
            Self::OnceLogin(_) | Self::OncePartly(_) => RefusedKind::LoginRefused,
            Self::OnceFaults(_) => RefusedKind::Findings,
            Self::Readings(WatchError::Busy { .. }) => RefusedKind::Busy,
            Self::Traits(_) => RefusedKind::Io,
            Self::Readings(_) | Self::Control(ControlError::Io { .. }) => RefusedKind::Io,
            Self::Control(_) => RefusedKind::Busy,
            Self::Worker(_) | Self::Signals(_) => RefusedKind::Internal,
        }
    }

    /// What to do next; may be empty.
    pub fn hint(&self) -> String {
        match self {
            Self::Ledger(LedgerError::Locked { .. }) => {
                "a daemon holds the store: ask it over its socket, or stop it first".to_owned()
            }
            Self::Ledger(LedgerError::Full { .. }) => {
                "make room there, then start again: what was acknowledged is on disk, and open claims are read before anything is sent; where no room can be made, move the store and its anchors to another disk (\"A full disk\" in docs/operations.md)".to_owned()
            }
            Self::Ledger(LedgerError::Io { path, source }) if is_read_only(source) => format!(
                "{} is on a file system that is mounted read-only: mount it writable, or name another store with --store or store.dir; to look at a store that has to stay as it is: `provtaskd store check --scratch DIR`, with a directory elsewhere",
                path.display()
            ),
            Self::Ledger(LedgerError::Io { path, source }) if is_denied(source) => format!(
                "make {} readable and writable for the daemon's user, and its directory too (chmod 700)",
                path.display()
            ),
            Self::Ledger(_) => "look at the disk and at the message above; nothing is sent without a store that can write".to_owned(),
            Self::Server(error) if error.is_login() => {
                LOGIN_HINT.to_owned()
            }
            Self::Server(OigError::Settings(_) | OigError::File { .. }) => {
                "mend what is named, then run `provtaskd check`".to_owned()
            }
            Self::Server(OigError::OthersTurn { .. }) => OTHERS_TURN.to_owned(),
            Self::Server(_) | Self::Once(_) => {
                "check server.origin, the network and the server; nothing was sent".to_owned()
            }
            Self::OnceWorld(_, hint) => (*hint).to_owned(),
            Self::OnceLogin(_) | Self::OncePartly(_) => {
                LOGIN_HINT.to_owned()
            }
            Self::OnceFaults(_) => {
                "the log and `provtaskd plan` name file and line; mend the policy".to_owned()
            }
            Self::Policy(PolicyError { dir: Some(dir), .. }) => format!(
                "mend what is named in {} (`provtaskd policy test` tries it without a server), or leave policy.dir out to use the shipped set",
                dir.display()
            ),
            Self::Policy(_) => "mend the policy, or leave policy.dir out to use the shipped set".to_owned(),
            Self::Control(ControlError::Io { path, source }) if is_denied(source) => format!(
                "make the directory of {} writable for the daemon's user (chmod 700), or name another admin.socket",
                path.display()
            ),
            Self::Control(ControlError::Io { .. }) => {
                "look at the message above, or name another admin.socket".to_owned()
            }
            Self::Control(_) => "another daemon may be running; see `provtaskd status`".to_owned(),
            Self::Admin(_) => "choose another admin.listen, or set it to \"off\"".to_owned(),
            Self::Intake(IntakeError::File(_)) => "look at the message above; the file may be moved away: the list is read as always, and only tasks that it does not show have to be named again".to_owned(),
            Self::Intake(IntakeError::Thread(_)) => String::new(),
            Self::Intake(_) => "mend what [intake] names, or leave the section out".to_owned(),
            Self::SimulatorClock { .. } => "is `provtaskd sim` running there? For a real server, leave server.simulator_clock out".to_owned(),
            Self::Stepper(_) => "was the simulator stopped?".to_owned(),
            Self::AnchorKey(_) => "mend the file that audit.hmac_key_file or audit.former_hmac_key_files names, or leave the key out; nothing was sent".to_owned(),
            Self::Readings(WatchError::Busy { .. }) => "wait for it to end, or name another file with --readings".to_owned(),
            Self::Readings(_) => "name another file with --readings, or give --no-resume to keep nothing".to_owned(),
            Self::Traits(TraitsError::Io { source, .. }) if is_full(source) => {
                "make room there, then probe again, or name another file in server.traits; `probe --no-save` shows the traits without keeping them".to_owned()
            }
            Self::Traits(_) => "name another file in server.traits, or move that one away and probe again".to_owned(),
            Self::Feed(_) => "mend the file named, or leave absence.feed out".to_owned(),
            Self::Worker(_) | Self::Signals(_) => String::new(),
        }
    }
}

/// What to do where another process does not come to an end.
pub(crate) const OTHERS_TURN: &str =
    "let that command end, or end it, then try again; nothing was sent";

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn is_read_only(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ReadOnlyFilesystem
}

fn is_denied(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}
