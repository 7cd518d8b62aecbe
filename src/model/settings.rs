//! The validated configuration as plain values; the config room makes them, every other room only reads them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::decision::{ActionName, Mode};
use super::id::{Login, TargetName};
use super::kind::Kind;

/// Everything, resolved: defaults filled in, paths absolute, durations parsed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The OIG server and the login.
    pub server: ServerSettings,
    /// Further logins on it, in the order in which they act.
    pub logins: Vec<FurtherLogin>,
    /// When cycles run.
    pub schedule: ScheduleSettings,
    /// How far the daemon may go.
    pub modes: Modes,
    /// Where policies are and what scripts may use.
    pub policy: PolicySettings,
    /// The guards' limits.
    pub guard: GuardSettings,
    /// Caps, rates, breakers.
    pub governor: GovernorSettings,
    /// Who is away.
    pub absence: AbsenceSettings,
    /// Sending and re-reading.
    pub delivery: DeliverySettings,
    /// The ledger's place.
    pub store: StoreSettings,
    /// What `probe` has learned of the server.
    pub traits: PathBuf,
    /// `[audit]`
    pub audit: AuditSettings,
    /// Metrics, health, control socket.
    pub admin: AdminSettings,
    /// Hints from outside.
    pub intake: IntakeSettings,
    /// Where reports are sent by mail; `None`: nowhere.
    pub mail: Option<MailSettings>,
    /// Log format and level.
    pub log: LogSettings,
    /// Zone for schedules, business hours and absences without an offset.
    pub zone: TimeZone,
    /// The configuration file it came from, for messages.
    pub origin: PathBuf,
}

/// How to authenticate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthKind {
    /// Basic on every call.
    Basic,
    /// A JWT from the token service, renewed before it expires.
    Bearer,
}

/// The OIG server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Scheme, host and port only, e.g. `https://oig.example.com:14001`.
    pub origin: String,
    /// Path prefix of the API; default `/iam/governance/selfservice/api/v1`.
    pub api_path: String,
    /// Path of the token service; default `/iam/governance/token/api/v1/tokens`.
    pub token_path: String,
    /// The login that acts.
    pub login: Login,
    /// The login as it is sent (case kept).
    pub login_as_written: String,
    /// File that holds the password, alone; read again once after a 401.
    pub password_file: PathBuf,
    /// Basic or bearer.
    pub auth: AuthKind,
    /// Extra CA bundle (PEM).
    pub ca_file: Option<PathBuf>,
    /// Client certificate and key (PEM, one file each).
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// A proxy, only if named here; the environment's is never used.
    pub proxy: Option<String>,
    /// Plain http to a host that is not loopback (`plain_http = "I accept that passwords cross the network unencrypted"`).
    pub allow_plain_http: bool,
    /// Rows per page of the list; default 500.
    pub page_size: u32,
    /// Page reads in flight; default 2.
    pub pages_in_flight: u32,
    /// At most this many pages per list; default 20,000.
    pub max_pages: u32,
    /// The `q` of the list; default none (all open tasks visible to the login).
    pub list_filter: Option<String>,
    /// Reads per minute, everything included; default 600.
    pub reads_per_minute: u32,
    /// Connect time-out (wall); default 10 s.
    pub connect_timeout: Duration,
    /// Read time-out (wall); default 60 s.
    pub read_timeout: Duration,
    /// Write time-out (wall); default 10 min.
    pub write_timeout: Duration,
    /// Largest body after decompression, bytes; default 64 MiB.
    pub max_body: usize,
    /// Word for `type` when reassigning to a role; default `role`.
    pub role_word: String,
    /// Domain time from a simulator's clock (refused unless the server is a simulator on loopback).
    pub simulator_clock: bool,
    /// An action is enforced only once the traits that it rests on were probed; default true, but with `simulator_clock`.
    pub require_probe: bool,
    /// Others are meant to act under this login too; default false.
    pub shared_login: bool,
    /// The zone of dates without one; default UTC.
    pub server_zone: TimeZone,
}

/// A login beside the main one.
#[derive(Clone, Debug)]
pub struct FurtherLogin {
    /// The server as it is for this login: login, password file and read budget are its own.
    pub server: ServerSettings,
    /// Its list is read at most so often; `None`: in each cycle.
    pub every: Option<SignedDuration>,
}

/// When cycles run: cron lines in the zone, or an interval.
#[derive(Clone, PartialEq, Debug)]
pub enum Schedule {
    /// Every so long after the end of the last cycle; adaptive between `every` and `at_most`.
    Every {
        /// Shortest pause.
        every: SignedDuration,
        /// Longest pause, when nothing changes or the list is slow.
        at_most: SignedDuration,
    },
    /// Cron lines (5 or 6 fields, crontab convention).
    Cron(Vec<String>),
}

/// When cycles run.
#[derive(Clone, Debug)]
pub struct ScheduleSettings {
    /// Cron lines or interval.
    pub when: Schedule,
    /// Business hours per weekday (1 = Monday): start and end minute of the day; missing = closed.
    pub business_hours: BTreeMap<u8, (u16, u16)>,
}

/// How far the daemon may go; the lowest of those that apply wins.
#[derive(Clone, Debug)]
pub struct Modes {
    /// Everything. Default observe.
    pub global: Mode,
    /// Per action.
    pub actions: BTreeMap<ActionName, Mode>,
    /// Per policy file name.
    pub policies: BTreeMap<String, Mode>,
    /// Per target.
    pub targets: BTreeMap<TargetName, Mode>,
    /// Every target that `targets` does not name, those that come later with them (`"*"`).
    pub others: Option<Mode>,
    /// Targets that were seen and are not named, by the lines of `targets` that may be slips for them. The configuration
    /// alone can't tell: whoever knows what was seen puts them in.
    pub slips: BTreeMap<TargetName, Slip>,
}

/// A name in `[mode.targets]` that no task ever bore, so near to a target that was seen that it may stand for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slip {
    /// The name as it is written.
    pub written: TargetName,
    /// What it asks for; the lowest, where several names are near.
    pub mode: Mode,
}

impl Modes {
    /// True where a target has a line of its own, in any case.
    pub fn names(&self, target: &TargetName) -> bool {
        self.targets.keys().any(|name| name.is_like(target))
    }

    /// The mode of a target, whose name is taken in any case: of several that differ in it alone the lowest. One that is
    /// not named has that of all others, and what a slip asks for where that is lower.
    pub fn of_target(&self, target: &TargetName) -> Option<Mode> {
        let named = self.targets.iter().filter(|(name, _)| name.is_like(target));
        let slip = self.slips.get(target).map(|slip| slip.mode);
        let unnamed = || slip.into_iter().chain(self.others).min();
        named.map(|(_, mode)| *mode).min().or_else(unnamed)
    }
}

/// Where policies are.
#[derive(Clone, Debug, Default)]
pub struct PolicySettings {
    /// Directory of `*.rhai`, `kinds.toml`, `reasons.toml`, `lib/*.rhai`; `None`: the shipped set inside the binary.
    pub dir: Option<PathBuf>,
    /// Definition names (target/name, `*` wildcards) mapped to kinds by the configuration, before the table.
    pub kinds: Vec<(String, Kind)>,
    /// Definitions (target/name patterns) of kind password or notify that may be retried.
    pub named: Vec<String>,
    /// Role that does the manual work, per target (`*` = any).
    pub fulfilment_roles: BTreeMap<String, String>,
}

impl PolicySettings {
    /// The role that does the manual work of a target, whose name is taken in any case.
    pub fn fulfilment_role(&self, target: Option<&TargetName>) -> Option<&str> {
        let roles = &self.fulfilment_roles;
        let own = target.and_then(|target| {
            let like = |name: &str| TargetName::new(name).is_like(target);
            let exact = roles.get(target.as_str());
            exact.or_else(|| Some(roles.iter().find(|(name, _)| like(name))?.1))
        });
        own.or_else(|| roles.get("*")).map(String::as_str)
    }
}

/// The guards' limits.
#[derive(Clone, Debug)]
pub struct GuardSettings {
    /// Tasks older than this wait for a release; default 14 days.
    pub age_limit: SignedDuration,
    /// Definitions (target/name patterns) for which manual_complete is allowed.
    pub manual_complete: Vec<String>,
    /// Definitions (target/name patterns) for which set_response is allowed.
    pub set_response: Vec<String>,
    /// Most open tasks that a person may hold to be handed more; default 50.
    pub assignee_load: u32,
    /// How long what was handed to somebody counts towards his load where no list shows it since; default 7 days.
    pub handed_for: SignedDuration,
    /// How old a beneficiary's reading may be before a grant; default 10 minutes.
    pub fact_age: SignedDuration,
}

/// Caps, rates, breakers: per target with a default.
#[derive(Clone, Debug)]
pub struct GovernorSettings {
    /// Limits for targets without their own.
    pub default: TargetLimits,
    /// Own limits per target.
    pub targets: BTreeMap<TargetName, TargetLimits>,
    /// Attempts per episode; default 5.
    pub max_attempts: u32,
    /// The same of retries that take access away; default twice as many.
    pub max_attempts_taking: u32,
    /// Attempts of OIG's own job and of admins count too; default true.
    pub count_foreign_attempts: bool,
    /// First back-off after a bounce; default 5 min.
    pub backoff_base: SignedDuration,
    /// Factor per attempt; default 3.
    pub backoff_factor: f64,
    /// Longest back-off; default 12 h.
    pub backoff_cap: SignedDuration,
    /// Most retries per target and cycle; default 200.
    pub cap_retries: u32,
    /// Most reassignments per target and cycle; default 50: over it all are held.
    pub cap_reassigns: u32,
    /// Share of the target's visible tasks (per cent) that one action may touch per cycle, from `share_from` tasks up; default 50.
    pub cap_share_percent: u32,
    /// Share caps hold from this many visible tasks up; default 50.
    pub share_from: u32,
    /// An approval of a hold expires after this; default 24 h.
    pub approval_ttl: SignedDuration,
    /// Writes in flight over all targets; default 4.
    pub writes_in_flight: u32,
}

/// Limits of one target.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetLimits {
    /// Items per minute; default 60.
    pub per_minute: u32,
    /// Writes in flight; default 1.
    pub in_flight: u32,
    /// Largest batch; default 25 (documented safe size is unknown; contract section 9, point 18).
    pub batch_max: u32,
    /// First batch for a target that is not yet known; default 1.
    pub batch_start: u32,
    /// A batch is bounded so that learned seconds per item × items stays below this; default a third of the write time-out.
    pub batch_time: Duration,
    /// Consecutive bounces or unknowns that open the breaker; default 3.
    pub breaker_after: u32,
    /// First pause of an open breaker; default 10 min, doubled up to `breaker_cap`.
    pub breaker_pause: SignedDuration,
    /// Longest pause; default 4 h.
    pub breaker_cap: SignedDuration,
}

/// Who is away and who stands in.
#[derive(Clone, PartialEq, Debug)]
pub struct AbsenceSettings {
    /// CSV file `login,from,to,stand_in`.
    pub feed: Option<PathBuf>,
    /// A feed older than this is not believed; default none.
    pub feed_max_age: Option<SignedDuration>,
    /// Ask OIG for proxies; default true.
    pub use_proxies: bool,
    /// The manager may stand in; default false.
    pub use_manager: bool,
    /// Longest chain of stand-ins; default 3.
    pub max_depth: u32,
}

/// Sending and re-reading.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// An unchanged task proves nothing before this has passed since the send; default 15 min (domain time).
    pub settle_after: SignedDuration,
    /// First re-look after an answer; default 1 min, backing off by 2 up to `verify_cap`.
    pub verify_first: SignedDuration,
    /// Longest pause between re-looks; default 2 h.
    pub verify_cap: SignedDuration,
    /// What can't be told after this goes to the inbox; default 3 days.
    pub verify_give_up: SignedDuration,
    /// A snapshot older than this is not acted on without re-reading the task; default 2 min.
    pub reread_after: SignedDuration,
    /// Shutdown waits this long (wall) for what is in flight; default 30 s.
    pub grace: Duration,
    /// Learned "not automated" facts expire after this; default 90 days.
    pub manual_ttl: SignedDuration,
    /// After an attempt a line about it is added to the task's note; default false.
    pub note: bool,
    /// Longest note that is written, in characters; default 1000.
    pub note_max: usize,
}

/// The ledger's place.
#[derive(Clone, PartialEq, Debug)]
pub struct StoreSettings {
    /// Directory; created 0700.
    pub dir: PathBuf,
    /// sled's cache in bytes; default 64 MiB.
    pub cache: u64,
}

/// What is noted of the journal's head outside the store.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditSettings {
    /// Domain time between two anchors; default 1 h.
    pub anchor_every: SignedDuration,
    /// One is noted earlier after so many records; default 10,000.
    pub anchor_records: u64,
    /// Where they are appended beside the log; by default beside the store's directory.
    pub anchor_file: Option<PathBuf>,
    /// The configuration names it: where it does not, nothing is wrong if it can't be had.
    pub anchor_file_named: bool,
    /// Largest size of that file, bytes; default 64 MiB.
    pub anchor_file_max: u64,
    /// Where they are appended as well, in the unit's runtime directory: no backup takes it along, and none puts it back.
    pub anchor_run: Option<PathBuf>,
    /// Nothing is sent while the last anchor is not in the file; default false.
    pub anchor_required: bool,
    /// The key that signs them; default none.
    pub hmac_key_file: Option<PathBuf>,
    /// Keys that have signed them before; default none.
    pub former_hmac_key_files: Vec<PathBuf>,
}

impl AuditSettings {
    /// The same of the anchors in the runtime directory.
    pub fn in_runtime(&self) -> Self {
        Self {
            anchor_file: self.anchor_run.clone(),
            ..self.clone()
        }
    }

    /// The files of all keys, of the one that signs first.
    pub fn hmac_key_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.hmac_key_file.iter().chain(&self.former_hmac_key_files)
    }
}

/// Where operators look.
#[derive(Clone, PartialEq, Debug)]
pub struct AdminSettings {
    /// `/metrics`, `/livez`, `/readyz`; loopback only; `None`: off.
    pub listen: Option<SocketAddr>,
    /// The control socket; default `<store>/control.sock`.
    pub socket: PathBuf,
}

/// Hints from outside that tasks should be read.
#[derive(Clone, PartialEq, Debug)]
pub struct IntakeSettings {
    /// Signed events; loopback only; `None`: off.
    pub listen: Option<SocketAddr>,
    /// The secrets that sign them, one or two lines.
    pub secret_file: Option<PathBuf>,
    /// Files of ids; default none.
    pub folder: Option<PathBuf>,
    /// Tasks that may wait to be read; default 100,000.
    pub max_waiting: usize,
    /// Tasks that are read by their ids in a cycle; default 100.
    pub reads_per_cycle: usize,
    /// Pause between a cycle and one that a hint asks for; default 30 s.
    pub earliest: SignedDuration,
    /// Logins of persons whose accounts are walked through for tasks that no list shows; default none.
    pub persons_file: Option<PathBuf>,
    /// From the begin of a walk through all of them to the next; default 6 h.
    pub persons_every: SignedDuration,
    /// Persons in a cycle; default 5.
    pub persons_per_cycle: usize,
}

impl IntakeSettings {
    /// True where hints are taken at all.
    pub fn is_on(&self) -> bool {
        self.listen.is_some() || self.folder.is_some() || self.persons_file.is_some()
    }
}

/// How the way to the mail server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailTls {
    /// By STARTTLS, before anything but the greeting is said; a server without it is not used.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all; to loopback only.
    None,
}

/// Somebody who sends or gets mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    /// As a mail program shows him.
    pub name: Option<String>,
    /// Where mail goes, such as `name@example.com`.
    pub address: String,
}

/// The mail server, and who gets reports.
#[derive(Clone, PartialEq, Debug)]
pub struct MailSettings {
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encryption; default STARTTLS.
    pub tls: MailTls,
    /// The sender.
    pub from: Mailbox,
    /// Who gets it.
    pub to: Vec<Mailbox>,
    /// Login and the file of its password; default none.
    pub login: Option<(String, PathBuf)>,
    /// More authorities to trust (PEM).
    pub ca_file: Option<PathBuf>,
    /// Wall time in which a mail has to be sent; default 60 s.
    pub timeout: Duration,
}

/// Log format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One line for people.
    Human,
    /// One JSON object a line.
    Json,
    /// systemd's journal, with fields.
    Journald,
}

/// Log format and level.
#[derive(Clone, PartialEq, Debug)]
pub struct LogSettings {
    /// Human, JSON, journald.
    pub format: LogFormat,
    /// `tracing` filter, e.g. `info`.
    pub level: Arc<str>,
}
