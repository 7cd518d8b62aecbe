//! What may be known about a task beside its row; a fact that could not be had is unknown, which is never false.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::attempt::AttemptState;
use super::id::{LineageId, Login, Principal, TaskId, UserKey};
use super::kind::Kind;
use super::task::{Owner, TaskStatus};

/// A fact with the time it was read, or why it could not be had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "known")]
pub enum Known<T> {
    /// Read.
    Yes {
        /// The fact.
        value: T,
        /// When it was read (domain time).
        as_of: Timestamp,
    },
    /// Not had; nothing may be concluded.
    No {
        /// Why.
        why: Arc<str>,
    },
}

impl<T> Known<T> {
    /// The fact, if it was had.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Yes { value, .. } => Some(value),
            Self::No { .. } => None,
        }
    }

    /// An unknown fact.
    pub fn unknown(why: impl fmt::Display) -> Self {
        Self::No {
            why: Arc::from(why.to_string()),
        }
    }

    /// Why it is unknown, if it is.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Yes { .. } => None,
            Self::No { why } => Some(why),
        }
    }
}

/// The life-cycle state of a user (contract section 7); words beyond `Active` are inferred.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// `Active`
    Active,
    /// `Disabled`
    Disabled,
    /// `Deleted`, or the server answers 404 for the key.
    Deleted,
    /// `Disabled Until Start Date`
    NotStarted,
    /// Any other word; never treated as active.
    Unknown(Arc<str>),
}

impl UserStatus {
    /// Reads the server's word, in any case.
    pub fn parse(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "active" => Self::Active,
            "disabled" | "inactive" => Self::Disabled,
            "deleted" => Self::Deleted,
            "disabled until start date" => Self::NotStarted,
            _ => Self::Unknown(Arc::from(text.trim())),
        }
    }

    /// The word scripts and people see.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::NotStarted => "not_started",
            Self::Unknown(raw) => raw,
        }
    }
}

/// A person as the server shows him.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Person {
    /// `usr_key`
    pub key: Option<UserKey>,
    /// `User Login`
    pub login: Login,
    /// `Status`
    pub status: UserStatus,
    /// `Manager Login`
    pub manager: Option<Login>,
}

/// Where an absence was learned; free text of feeds is never kept (invariant 16).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum AbsenceSource {
    /// OIG says that the person is not active.
    OigStatus {
        /// The state read.
        status: UserStatus,
    },
    /// A row of the CSV feed.
    Feed {
        /// File name and line.
        row: String,
    },
}

/// "Away", with interval and source and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Absence {
    /// First moment away, where known.
    pub from: Option<Timestamp>,
    /// First moment back, where known.
    pub until: Option<Timestamp>,
    /// Where it was learned.
    pub source: AbsenceSource,
}

/// The owner's state, joined from OIG and the absence roster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum OwnerState {
    /// Active and not away.
    Present,
    /// Away.
    Away {
        /// Interval and source.
        absence: Absence,
    },
    /// Owned by a role.
    Role,
}

/// The owner of a task and who may stand in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnerFact {
    /// As the row says.
    pub owner: Owner,
    /// The person, where it is one.
    pub person: Option<Person>,
    /// Present, away, or a role.
    pub state: OwnerState,
    /// The checked stand-in, or why there is none.
    pub stand_in: StandIn,
}

/// One end of a proxy's interval, as the server shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end", content = "at")]
pub enum ProxyEnd {
    /// Not shown: open on this side.
    Open,
    /// A moment.
    At(Timestamp),
    /// Shown, and not a date that can be read; never taken for open.
    Unreadable,
}

impl ProxyEnd {
    /// The moment, where it is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Open | Self::Unreadable => None,
        }
    }
}

/// The result of looking for a stand-in (invariant 9).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stand_in")]
pub enum StandIn {
    /// Not looked for: the owner is present or a role.
    NotNeeded,
    /// Found and checked.
    Found {
        /// Whom.
        to: Principal,
        /// By which road: `feed`, `proxy`, `fulfilment_role`, `manager`.
        via: Arc<str>,
    },
    /// A source that goes before all others that are left could not be read, so nobody is chosen.
    Unknown {
        /// Each candidate with why he was not taken; the last line is what could not be read.
        why: Vec<String>,
    },
    /// Nobody passed the checks.
    None {
        /// Each candidate with why he was not taken.
        why: Vec<String>,
    },
}

/// One attempt, as scripts may see the history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PastAttempt {
    /// The n-th try, from 1.
    pub ordinal: u32,
    /// When it was claimed.
    pub at: Timestamp,
    /// Where it stands.
    pub state: AttemptState,
    /// OIG's reason or the evidence.
    pub reason: Option<Arc<str>>,
}

/// What the ledger remembers of the lineage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct History {
    /// The piece of work.
    pub lineage: LineageId,
    /// Attempts of this episode that count towards the caps.
    pub attempts: u32,
    /// All attempts ever.
    pub attempts_total: u32,
    /// Our own first sight of the lineage.
    pub first_seen: Timestamp,
    /// First sight of the present failure (the present id in its present version).
    pub failed_since: Timestamp,
    /// End (or claim) of the last attempt.
    pub last_attempt_at: Option<Timestamp>,
    /// State of the last attempt.
    pub last_state: Option<AttemptState>,
    /// Sends in a row that the server ended as a whole for a reason of the task's own, and that were not
    /// applied; for the governor, policies don't see it.
    #[serde(default, skip_serializing)]
    pub in_vain: u8,
    /// Retries of the episode that were read as not applied although their requests may have been
    /// carried out; for the governor, policies don't see it.
    #[serde(default, skip_serializing)]
    pub unproven: u8,
    /// A person has reset it since the last attempt: no pause after that attempt holds any more.
    /// For the governor, policies don't see it.
    #[serde(default, skip_serializing)]
    pub reset: bool,
    /// It was seen once that what it gives was taken away later; the server shows finished tasks for some time
    /// only. For the guards, policies don't see it.
    #[serde(default, skip_serializing)]
    pub stale: bool,
    /// The target has shown the result of a retry under the id that was retried: there a task that looks as
    /// before may have run again. For the governor, policies don't see it.
    #[serde(default, skip_serializing)]
    pub keeps_ids: bool,
    /// The creation of its account came to its end, whoever has done it, after the present failure was first seen and after
    /// the last attempt: a failure for want of the account says nothing of now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creation_over_since: bool,
    /// The last few attempts, oldest first (at most 16).
    pub recent: Vec<PastAttempt>,
    /// Owners that the task had before, oldest first.
    pub former_owners: Vec<Principal>,
    /// All ids of the lineage.
    pub ids: Vec<TaskId>,
}

/// Another open task of the same account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sibling {
    /// Its id.
    pub id: TaskId,
    /// Its lineage, where it has one.
    pub lineage: Option<LineageId>,
    /// Its definition's name.
    pub name: Arc<str>,
    /// What it does.
    pub kind: Kind,
    /// Its state.
    pub status: TaskStatus,
    /// Its origin: creation time of the lineage's first task, else first sight.
    pub origin: Timestamp,
    /// Its child row, where shown.
    pub child: Option<Arc<str>>,
    /// True while an attempt of it is open.
    pub attempt_open: bool,
    /// True where it was read from the process, finished, rather than from the open list.
    pub finished: bool,
    /// True where it may be the successor of an older task, and nobody has said yet of which: its origin
    /// may then be earlier than `origin`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
    /// The number of its lineage's first id, where the present one is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Of a done task that takes access: when its work was ordered, where it is surely what a retry of ours has made.
    /// Its `origin` is then the date of that retry. For the guards, policies don't see it.
    #[serde(default, skip_serializing)]
    pub ordered: Option<Timestamp>,
    /// Of the same: it may be what a retry of ours has made that is not settled yet. For the guards, policies don't
    /// see it.
    #[serde(default, skip_serializing)]
    pub unsettled: bool,
    /// Of a finished create: a list has shown it open, so that it has ended since. For the guards, policies don't see it.
    #[serde(default, skip_serializing)]
    pub seen_open: bool,
}

impl Sibling {
    /// The number that tells it apart from one of the same origin: that of its lineage's first id, for a
    /// retried task has the highest id of all.
    pub fn first_number(&self) -> Option<u64> {
        self.first.or_else(|| self.id.number())
    }
}

/// The account's tasks, open (snapshot) and finished (process read).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountView {
    /// All other tasks of the account that were seen.
    pub tasks: Vec<Sibling>,
    /// True where the process itself was read, so that finished tasks are in `tasks` too.
    pub from_process: bool,
    /// How the account shows the task itself, where it was read after the list and says something else than that.
    pub own_now: Option<TaskStatus>,
}

/// What OIG has taught about a definition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Default)]
pub struct DefinitionMemory {
    /// Since when OIG says that tasks of it are not automated; expired facts are not shown here.
    pub manual_since: Option<Timestamp>,
    /// OIG's words.
    pub manual_reason: Option<Arc<str>>,
}

/// "Now" as scripts see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Now {
    /// Domain time.
    pub at: Timestamp,
    /// The configured zone, e.g. `Europe/Berlin`.
    pub zone: Arc<str>,
    /// 1 = Monday … 7 = Sunday, in that zone.
    pub weekday: u8,
    /// 0 to 23, in that zone.
    pub hour: u8,
    /// 0 to 59, in that zone.
    pub minute: u8,
    /// Inside the configured business hours.
    pub business_hours: bool,
}

/// All that a policy may know beside the task. A fact not declared in `NEEDS` is unknown to the script (reading it is an error).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// Domain time and calendar.
    pub now: Now,
    /// What the task does, by the kinds table.
    pub kind: Kind,
    /// The class of its reason, by the reasons table (`network`, `throttle`, …, `unknown`).
    pub class: Arc<str>,
    /// True where that class may be retried.
    pub retryable: bool,
    /// What the ledger remembers.
    pub history: History,
    /// The owner and his stand-in (need: `owner`).
    pub owner: Known<OwnerFact>,
    /// The beneficiary (need: `beneficiary`).
    pub beneficiary: Known<Person>,
    /// Other tasks of the account (need: `siblings`).
    pub siblings: Known<AccountView>,
    /// What OIG has taught about the definition.
    pub definition: DefinitionMemory,
    /// Role that does the manual work of the target, where configured.
    pub fulfilment_role: Option<Principal>,
    /// Our own age of the lineage: now minus first sight or, where it is older and not in the future, creation.
    pub age: SignedDuration,
}
