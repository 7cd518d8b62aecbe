//! The things of the world: targets, people, accounts, definitions, tasks, effects; plain data that must never act by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::super::time::Ms;

/// A task's raw status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Status {
    /// Waiting for predecessors.
    W,
    /// Pending: running, or waiting for a person.
    P,
    /// Rejected.
    R,
    /// Suspended.
    S,
    /// Pending cancellation.
    #[serde(rename = "PX")]
    Px,
    /// Completed.
    C,
    /// Manually completed.
    #[serde(rename = "MC")]
    Mc,
    /// Unsuccessfully completed.
    #[serde(rename = "UC")]
    Uc,
    /// Cancelled.
    X,
}

impl Status {
    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Status::W => "W",
            Status::P => "P",
            Status::R => "R",
            Status::S => "S",
            Status::Px => "PX",
            Status::C => "C",
            Status::Mc => "MC",
            Status::Uc => "UC",
            Status::X => "X",
        }
    }

    /// The name.
    pub fn word(self) -> &'static str {
        match self {
            Status::W => "Waiting",
            Status::P => "Pending",
            Status::R => "Rejected",
            Status::S => "Suspended",
            Status::Px => "Pending Cancellation",
            Status::C => "Completed",
            Status::Mc => "Manually Completed",
            Status::Uc => "Unsuccessfully Completed",
            Status::X => "Cancelled",
        }
    }

    /// The `Status.Category`.
    pub fn category(self) -> &'static str {
        match self {
            Status::W => "Waiting",
            Status::P => "Pending",
            Status::R => "Rejected",
            Status::S => "Suspended",
            Status::Px | Status::X => "Cancelled",
            Status::C | Status::Mc | Status::Uc => "Completed",
        }
    }

    /// Whether it is in the list of open tasks.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Status::W | Status::P | Status::R | Status::S | Status::Px
        )
    }
}

/// What a task does to access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Makes the account.
    Create,
    /// Adds to it.
    Grant,
    /// Changes an attribute.
    Change,
    /// Takes from it.
    Revoke,
    /// Switches it off, or deletes it.
    Disable,
    /// Switches it on.
    Enable,
    /// Sets a password.
    Password,
    /// Tells somebody.
    Notify,
    /// None of these.
    Other,
}

impl Kind {
    /// The word in journal and truth.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Create => "create",
            Kind::Grant => "grant",
            Kind::Change => "change",
            Kind::Revoke => "revoke",
            Kind::Disable => "disable",
            Kind::Enable => "enable",
            Kind::Password => "password",
            Kind::Notify => "notify",
            Kind::Other => "other",
        }
    }

    /// Whether it gives access, so that it must not reach somebody who left.
    pub fn gives(self) -> bool {
        matches!(
            self,
            Kind::Create | Kind::Grant | Kind::Change | Kind::Enable | Kind::Password
        )
    }
}

/// Why a connector run fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    Network,
    /// The target does not answer.
    Timeout,
    /// Too many calls.
    Throttle,
    /// Somebody else holds the row.
    Lock,
    /// The connector's own password is wrong.
    Credential,
    /// The data does not please the target.
    Data,
    /// It is there already.
    Duplicate,
    /// It is not there.
    NotFound,
    /// The password breaks the target's rules.
    PasswordPolicy,
    /// Something in the connector itself.
    Internal,
}

impl Failure {
    /// Whether time alone mends it.
    pub fn heals(self) -> bool {
        matches!(
            self,
            Failure::Network
                | Failure::Timeout
                | Failure::Throttle
                | Failure::Lock
                | Failure::Credential
        )
    }

    /// The word in journal and truth.
    pub fn word(self) -> &'static str {
        match self {
            Failure::Network => "network",
            Failure::Timeout => "timeout",
            Failure::Throttle => "throttle",
            Failure::Lock => "lock",
            Failure::Credential => "credential",
            Failure::Data => "data",
            Failure::Duplicate => "duplicate",
            Failure::NotFound => "not_found",
            Failure::PasswordPolicy => "password_policy",
            Failure::Internal => "internal",
        }
    }
}

/// What sort of system a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connector {
    /// Active Directory or another directory.
    Ldap,
    /// A mail system.
    Mail,
    /// An ERP system.
    Erp,
    /// Database users.
    Database,
    /// A ticket system; its work is done by people.
    Ticket,
}

/// A target's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Works.
    Up,
    /// Refuses connections.
    Down,
    /// Up for a period, down for a period.
    Flapping,
    /// Gone for good: each run hangs until its time-out.
    Retired,
    /// Works, as far as its capacity goes.
    Recovering,
    /// The connector's credentials are refused.
    Credential,
}

impl State {
    /// The word in truth.
    pub fn word(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Flapping => "flapping",
            State::Retired => "retired",
            State::Recovering => "recovering",
            State::Credential => "credential",
        }
    }
}

/// When a retry's connector runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// Inside the PUT.
    InCall,
    /// Some time after it.
    Later,
}

/// An application instance.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its scenario entry, with its own name.
    pub spec: super::super::scenario::TargetSpec,
    /// Key.
    pub key: u64,
    /// A state set from outside, above all windows.
    pub forced: Option<State>,
    /// Runs in the present minute: the minute and their number.
    pub minute: (Ms, u64),
}

/// A person.
#[derive(Debug, Clone)]
pub struct User {
    /// User key.
    pub key: u64,
    /// Login.
    pub login: Arc<str>,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// Status word.
    pub status: String,
    /// Manager's login.
    pub manager: Option<String>,
    /// Seen by callers.
    pub visible: bool,
    /// Other attributes.
    pub fields: BTreeMap<String, String>,
    /// Accounts, by index.
    pub accounts: Vec<usize>,
}

impl User {
    /// Whether the person may have access.
    pub fn is_active(&self) -> bool {
        self.status == "Active"
    }
}

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Role key.
    pub key: u64,
    /// Name.
    pub name: Arc<str>,
    /// Members, by index of the user.
    pub members: Vec<usize>,
}

/// A proxy record.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Record id.
    pub id: u64,
    /// Who is stood for, by index.
    pub user: usize,
    /// The stand-in, by index.
    pub proxy: usize,
    /// Start.
    pub start: Ms,
    /// End.
    pub end: Ms,
    /// `MANAGER` …
    pub relationship: String,
}

/// A process instance.
#[derive(Debug, Clone)]
pub struct Account {
    /// Process instance key.
    pub key: u64,
    /// Target, by index.
    pub target: usize,
    /// Beneficiary, by index.
    pub user: usize,
    /// Descriptive data, if it is not the login.
    pub descriptive: Option<String>,
    /// It exists on the target.
    pub exists: bool,
    /// When the work that switched it off was first ordered.
    pub off_since: Option<Ms>,
    /// The word for an account that was switched off last, and not on again since.
    pub off: Option<&'static str>,
    /// Child rows taken away: when that was first ordered.
    pub taken: BTreeMap<String, Ms>,
    /// Attributes: what was written last, and when that was first ordered.
    pub attributes: BTreeMap<String, (Ms, String)>,
    /// Tasks, by index.
    pub tasks: Vec<usize>,
    /// The finished tasks that once made it and filled it in, where the scenario tells of none: only the account itself
    /// shows them.
    pub made: Vec<Task>,
}

/// A task definition.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Definition key.
    pub key: u64,
    /// Target, by index.
    pub target: usize,
    /// Task name.
    pub name: Arc<str>,
    /// Kind.
    pub kind: Kind,
    /// Adapter key; 0 = not automated.
    pub handler: u64,
    /// Response codes.
    pub responses: Vec<String>,
}

/// Who has to do a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user, by index.
    User(usize),
    /// A role, by index.
    Role(usize),
}

/// A task instance.
#[derive(Debug, Clone)]
pub struct Task {
    /// Task key.
    pub key: u64,
    /// Account, by index.
    pub account: usize,
    /// Definition, by index.
    pub definition: usize,
    /// Status.
    pub status: Status,
    /// Owner.
    pub owner: Owner,
    /// How it got its owner.
    pub assign_type: &'static str,
    /// SCH_REASON.
    pub reason: Box<str>,
    /// Response code.
    pub data: Box<str>,
    /// Note.
    pub note: Box<str>,
    /// Child row.
    pub child: Option<Box<str>>,
    /// New value.
    pub value: Option<Box<str>>,
    /// REQ_KEY.
    pub request: Option<Box<str>>,
    /// Creation of this instance.
    pub created: Ms,
    /// Creation of the first instance of this work.
    pub origin: Ms,
    /// Key of the first instance of this work.
    pub root: u64,
    /// Which retry of the work this instance is; the first instance is 0.
    pub ordinal: u64,
    /// OIG's own retries so far.
    pub own_retries: u32,
    /// Key of the retried instance.
    pub retry_of: Option<u64>,
    /// Start of its last run, where a retry has kept the id.
    pub restarted: Option<Ms>,
    /// What is wrong with it.
    pub failure: Option<Failure>,
    /// So many good runs fail before it heals.
    pub heals_after: u32,
    /// Not shown to callers.
    pub hidden: bool,
    /// User that changed it last, by index.
    pub updated_by: usize,
    /// Row version.
    pub row_version: u64,
    /// When it was finished.
    pub finished: Option<Ms>,
    /// Forced out of memory.
    pub forgotten: bool,
}

/// One run of a connector: the oracle's record.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Hidden run id.
    pub run: String,
    /// Domain time.
    pub at: Ms,
    /// Task acted on.
    pub task: u64,
    /// Key of the first instance of the work.
    pub root: u64,
    /// Account, by index.
    pub account: usize,
    /// Definition, by index.
    pub definition: usize,
    /// Child row or value.
    pub item: Option<Box<str>>,
    /// The request id of the PUT, `oig` or `admin`.
    pub caused_by: Arc<str>,
    /// Failure, if it failed.
    pub failure: Option<Failure>,
    /// Gave access that must not be given any more.
    pub stale: bool,
    /// Overwrote what had been ordered later.
    pub overtaken: bool,
}
