//! Verdicts, decisions and refusals: what a policy wants, and why something may not happen now. Values only.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::id::{Digest, LineageId, PolicyHash, Principal, ProcessKey, TargetName, TaskId};
use super::kind::Kind;
use super::task::DefinitionId;

/// What is to be done to a task over the REST API (contract section 3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// `retry`
    Retry,
    /// `reassign` to a user or a role.
    Reassign {
        /// The new owner.
        to: Principal,
    },
    /// `setNote`; most likely replaces the note.
    SetNote {
        /// The whole new note.
        text: Arc<str>,
    },
    /// `setResponse`
    SetResponse {
        /// The response code.
        code: Arc<str>,
    },
    /// `manualComplete`
    ManualComplete,
}

/// The action's name alone, as caps, modes and metrics use it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionName {
    /// `retry`
    Retry,
    /// `reassign`
    Reassign,
    /// `set_note`
    SetNote,
    /// `set_response`
    SetResponse,
    /// `manual_complete`
    ManualComplete,
}

impl ActionName {
    /// All action names, in the order of the docs.
    pub const ALL: [ActionName; 5] = [
        Self::Retry,
        Self::Reassign,
        Self::SetNote,
        Self::SetResponse,
        Self::ManualComplete,
    ];

    /// The word in configuration, labels and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Reassign => "reassign",
            Self::SetNote => "set_note",
            Self::SetResponse => "set_response",
            Self::ManualComplete => "manual_complete",
        }
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Action {
    /// The name without the parameters.
    pub fn name(&self) -> ActionName {
        match self {
            Self::Retry => ActionName::Retry,
            Self::Reassign { .. } => ActionName::Reassign,
            Self::SetNote { .. } => ActionName::SetNote,
            Self::SetResponse { .. } => ActionName::SetResponse,
            Self::ManualComplete => ActionName::ManualComplete,
        }
    }
}

/// A policy's answer about one task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Do this.
    Act {
        /// What.
        action: Action,
        /// Not before this long after the last attempt ended (or after first sight); `None`: now.
        after: Option<SignedDuration>,
        /// The policy's own words.
        because: Option<Arc<str>>,
        /// Higher goes first; 0 is usual.
        priority: i32,
    },
    /// Do nothing, for good or until a time.
    Leave {
        /// The policy's own words.
        reason: Arc<str>,
        /// Look again this long from now.
        after: Option<SignedDuration>,
    },
    /// A person must look: it goes to the inbox.
    Ask {
        /// The policy's own words.
        reason: Arc<str>,
        /// Look again this long from now.
        after: Option<SignedDuration>,
    },
}

/// The name of something that a script read, and the value that it had, as text.
pub type ReadValue = (Arc<str>, Arc<str>);

/// What a policy set has answered: one for all tasks that have the same answer, of which there may be very many.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The answer; `None` when no policy had an opinion.
    pub verdict: Option<Verdict>,
    /// The policy file that answered, e.g. `20-retry.rhai`.
    pub policy: Option<Arc<str>>,
    /// Line of the rule that answered (1-based).
    pub line: Option<u32>,
    /// The policy set's hash.
    pub hash: PolicyHash,
    /// A fault of the script, where there was one (then nothing is done).
    pub fault: Option<String>,
}

/// A verdict bound to task, policy, hash, inputs and reason; the [`Answer`]'s fields are its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The task.
    pub task: TaskId,
    /// The piece of work it belongs to.
    pub lineage: LineageId,
    /// The target, where the row shows one.
    pub target: Option<TargetName>,
    /// The account, where the row shows one.
    pub process: Option<ProcessKey>,
    /// The definition, where the row shows one.
    pub definition: Option<DefinitionId>,
    /// What the task does to access.
    pub kind: Kind,
    /// Verdict, policy, line, hash and fault.
    pub answer: Arc<Answer>,
    /// Digest of the inputs that the policy saw.
    pub inputs: Digest,
    /// The moment at which it saw them, which is no part of the digest; `None` in old records.
    pub moment: Option<Arc<str>>,
    /// Names and values read by the script on the way, in order, without repeats.
    pub read: Arc<[ReadValue]>,
    /// Earliest time at which an act may be sent; computed from `after` and the history.
    pub due: Option<Timestamp>,
    /// The version of the task (see [`super::task::Task::version`]) that was decided on.
    pub version: u64,
}

impl Deref for Decision {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl DerefMut for Decision {
    fn deref_mut(&mut self) -> &mut Answer {
        Arc::make_mut(&mut self.answer)
    }
}

/// What a refusal is about, so that it can be found by task, by target and as a counter.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "of")]
pub enum Scope {
    /// Everything.
    Global,
    /// One target.
    Target(TargetName),
    /// One action on one target.
    ActionOnTarget(ActionName, TargetName),
    /// One definition.
    Definition(DefinitionId),
    /// One account.
    Account(ProcessKey),
    /// One lineage.
    Lineage(LineageId),
    /// One task.
    Task(TaskId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("everything"),
            Self::Target(target) => write!(f, "target {target}"),
            Self::ActionOnTarget(action, target) => write!(f, "{action} on {target}"),
            Self::Definition(definition) => write!(f, "definition {definition}"),
            Self::Account(process) => write!(f, "account {process}"),
            Self::Lineage(lineage) => write!(f, "{lineage}"),
            Self::Task(task) => write!(f, "task {task}"),
        }
    }
}

impl Scope {
    /// The same, with targets compared without regard to case: a pause must hold however a person
    /// has written the name.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Target(a), Self::Target(b)) => a.is_like(b),
            (Self::ActionOnTarget(does, a), Self::ActionOnTarget(done, b)) => {
                does == done && a.is_like(b)
            }
            (Self::Definition(a), Self::Definition(b)) => a.is_like(b),
            _ => self == other,
        }
    }
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident => $word:literal,)+) => {
        /// Why something is not done now: metric label, log field, CLI column and row of the docs.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum RefusalReason {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)+
        }

        impl RefusalReason {
            /// Every reason, in the order of the docs.
            pub const ALL: &'static [RefusalReason] = &[$(Self::$name,)+];

            /// The label.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The one-sentence explanation of the docs and of `explain`.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

refusals! {
    // guards (invariants 8 to 11, and what feeds them)
    /// What the task does to access is not known; map its definition in `policy.kinds` or kinds.toml.
    KindUnknown => "kind_unknown",
    /// Password and notify tasks are retried only when `policy.named` names their definition.
    KindNeedsNaming => "kind_needs_naming",
    /// The task is in a state in which this action makes no sense or is not understood.
    StatusNotActionable => "status_not_actionable",
    /// OIG has said that tasks of this definition are not automated.
    DefinitionManual => "definition_manual",
    /// The beneficiary was not read as active, or his `End Date` is over, and the task would give access.
    BeneficiaryNotActive => "beneficiary_not_active",
    /// Whether the beneficiary is active is not known (not asked for yet, or it could not be read: `why`), and the task would give access.
    BeneficiaryUnknown => "beneficiary_unknown",
    /// The account was revoked or disabled, or a later opposite task is open or done; a revoke or disable has it only where a later task has given the access again.
    StaleGrant => "stale_grant",
    /// A newer change of the same attribute or row is done already.
    Overtaken => "overtaken",
    /// The account's other tasks, or whether it is on, are not known (not asked for yet, or they could not be read: `why`), and the task would give access; what takes access waits for one try to read them, and no longer, but for an old disable that an open enable could not follow.
    AccountUnknown => "account_unknown",
    /// The task was seen by a hint alone, and the other tasks of its account could not be read.
    SiblingsUnknown => "siblings_unknown",
    /// The account's create has to come first.
    WaitsForCreate => "waits_for_create",
    /// An older change of the same attribute or child row has to go first.
    WaitsForOlder => "waits_for_older",
    /// A revoke or disable of the account has to be settled first.
    WaitsForRevoke => "waits_for_revoke",
    /// Another write of this account is in flight or not yet settled, or a task that gives the account back is still open.
    AccountBusy => "account_busy",
    /// An attempt of this lineage is not settled yet.
    AttemptOpen => "attempt_open",
    /// It can't be told whose successor a task is; a person must say.
    LineageAmbiguous => "lineage_ambiguous",
    /// The new owner is not active or his `End Date` is over, or a role without a member of whom neither is so.
    AssigneeNotActive => "assignee_not_active",
    /// The new owner is away, or a role whose active members are away or the beneficiary.
    AssigneeAway => "assignee_away",
    /// The new owner is the beneficiary, or a role in which nobody else is active.
    AssigneeIsBeneficiary => "assignee_is_beneficiary",
    /// The new owner is not known to the server, or his state, or of a role that of enough members, could not be read.
    AssigneeUnknown => "assignee_unknown",
    /// The new owner holds as many tasks as the load limit allows.
    AssigneeOverLoad => "assignee_over_load",
    /// The task was with this owner before: delegation would loop.
    DelegationLoop => "delegation_loop",
    /// The new owner already has the task.
    AlreadyAssigned => "already_assigned",
    /// The task is older than the age limit and has not been released.
    TooOld => "too_old",
    /// The task was there when enforce was first switched on, or while its target or action was only observed, and has not been released.
    Baseline => "baseline",
    /// manual_complete and set_response have to be allowed for the definition, never for revoke and disable; a response code has to be one that OIG lists for the task.
    ActionNotAllowed => "action_not_allowed",
    /// A fact that the decision rests on could not be had.
    FactUnknown => "fact_unknown",
    // governor
    /// The mode is off.
    ModeOff => "mode_off",
    /// The mode is observe: decide and record, send nothing.
    ModeObserve => "mode_observe",
    /// This policy set has not been released for enforce.
    PolicyNotReleased => "policy_not_released",
    /// The traits of the server that this action rests on were not probed, so that it is observed in any mode.
    NotProbed => "not_probed",
    /// Sending is paused by a person.
    Paused => "paused",
    /// The login that would send it was refused by the server; nothing is sent or read as it until the secret changes or a person clears it.
    LoginStopped => "login_stopped",
    /// What the login that would send it had sent before the start is still to be read back; nothing else is sent as it until then.
    AwaitsSettling => "awaits_settling",
    /// The store belongs to another server, is rewound, or ids that it knows are other tasks there; or another provtaskd acts under this login (`why`).
    WorldMismatch => "world_mismatch",
    /// The attempts of this episode are used up.
    AttemptsUsedUp => "attempts_used_up",
    /// It has ended whole requests and was never applied, three times in a row; a person has to look.
    SentInVain => "sent_in_vain",
    /// OIG has refused the last attempt because the login that sent it may not act on this task; a person gives it the right, or does the work, and `outcomes reset` lets it be tried again.
    NotAuthorised => "not_authorised",
    /// The back-off after the last attempt has not passed.
    BackOff => "back_off",
    /// The policy asked for a later time.
    NotDueYet => "not_due_yet",
    /// The target's rate is used up for now.
    TargetRate => "target_rate",
    /// As many writes are in flight on this target as are allowed.
    TargetBusy => "target_busy",
    /// What was sent to the target has to be read back first: a target gets as much at a time as it has proven to bear.
    AwaitsProof => "awaits_proof",
    /// The target's breaker is open after failures; a single probe goes first.
    BreakerOpen => "breaker_open",
    /// The whole server asked for, or needs, a pause.
    ServerBackOff => "server_back_off",
    /// Each request to write is answered 404, whatever task it names: the path of the writes is not there; check `server.api_path`, its context root and its version.
    WritePathMissing => "write_path_missing",
    /// More is wanted on this target than the cap allows in one interval (`schedule.every`), with what earlier cycles of it have sent; the rest waits until the next one.
    CapRetries => "cap_retries",
    /// More reassignments are wanted than the cap allows; all of them are held until a person approves.
    CapHeld => "cap_held",
    /// A policy asked for a person's approval, or a person rejected it.
    Rejected => "rejected",
    /// The snapshot is not complete or not stable enough to act on.
    SnapshotIncomplete => "snapshot_incomplete",
    /// The store can't write; nothing is sent.
    StoreUnwritable => "store_unwritable",
    /// The journal's last anchor could not be written to `audit.anchor_file`, and `audit.anchor_required` is set.
    AnchorMissing => "anchor_missing",
    /// The daemon is shutting down.
    ShuttingDown => "shutting_down",
    /// The task changed between the snapshot and the moment of sending.
    TaskMoved => "task_moved",
    /// It was withdrawn right before its claim: by an order, a reload, the shutdown, a newer cycle, a revoke of its account or a server that is not the known one, or because its facts had grown too old.
    Withdrawn => "withdrawn",
    /// The cron lines allow nothing to be sent now.
    NotScheduled => "not_scheduled",
    /// A successor has taken its place; that one is acted on.
    SuccessorKnown => "successor_known",
    /// It is new and may be the successor of another task; the next list tells.
    NotToldYet => "not_told_yet",
    /// An attempt of it moved while the list was read, or was read as completed less than `delivery.settle_after` ago: the list may be older.
    JustMoved => "just_moved",
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A person's word that a piece of work need not wait for one other task of its account, as that was then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderRelease {
    /// What it waited for: [`RefusalReason::WaitsForCreate`] or [`RefusalReason::WaitsForOlder`].
    pub reason: RefusalReason,
    /// The other task.
    pub other: TaskId,
    /// The status in which that was.
    pub status: Arc<str>,
    /// It holds until then at the latest.
    pub until: Timestamp,
}

impl OrderRelease {
    /// True where it lets pass what waits for that task in that status, for that reason.
    pub fn covers(
        &self,
        reason: RefusalReason,
        other: &TaskId,
        status: &str,
        now: Timestamp,
    ) -> bool {
        self.reason == reason && self.other == *other && &*self.status == status && now < self.until
    }
}

/// "Not now", with a named reason, the rule's or limit's values and a time to look again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// The named reason.
    pub reason: RefusalReason,
    /// The rule or limit and its values, e.g. `("limit", "8")`, `("used", "8")`.
    pub values: Vec<(String, String)>,
    /// When to look again; `None`: when something changes.
    pub until: Option<Timestamp>,
    /// What it is about.
    pub scope: Scope,
    /// True where a person has to do something about it (then it is in the inbox).
    pub needs_person: bool,
}

impl Refusal {
    /// A refusal without values that waits for a change.
    pub fn new(reason: RefusalReason, scope: Scope) -> Self {
        Self {
            reason,
            values: Vec::new(),
            until: None,
            scope,
            needs_person: false,
        }
    }

    /// Adds a value that the reason rests on.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        // a cycle may hold one refusal per task, mostly with one value
        self.values.reserve_exact(1);
        self.values.push((name.to_owned(), value.to_string()));
        self
    }

    /// Says when to look again.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }

    /// Puts it into the inbox.
    #[must_use]
    pub fn for_person(mut self) -> Self {
        self.needs_person = true;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        for (i, (name, value)) in self.values.iter().enumerate() {
            f.write_str(if i == 0 { " (" } else { ", " })?;
            write!(f, "{name} {value}")?;
        }
        if !self.values.is_empty() {
            f.write_str(")")?;
        }
        if let Some(until) = self.until {
            write!(f, ", look again {until:.0}")?;
        }
        Ok(())
    }
}

/// How far the daemon may go; the lowest of global, action and policy wins.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Do nothing at all.
    Off,
    /// Decide and record, send nothing.
    #[default]
    Observe,
    /// Send.
    Enforce,
}

impl Mode {
    /// The word in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
