//! One row of OIG's open provisioning tasks and the snapshot of all of them; lenient facts only, no opinion.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::id::{DefKey, Login, ProcessKey, RoleKey, TargetName, TaskId, UserKey};
use super::seers::{Bits, bit};

/// The state of a task (contract section 6); codes and words are both read, in any case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// `W`
    Waiting,
    /// `P`
    Pending,
    /// `R`: the only state in which a retry makes sense.
    Rejected,
    /// `S`
    Suspended,
    /// `PX`
    PendingCancellation,
    /// `C`
    Completed,
    /// `MC`
    ManuallyCompleted,
    /// `UC`: what a retry leaves of the old instance.
    UnsuccessfullyCompleted,
    /// `X`
    Cancelled,
    /// Anything else; never acted on (contract section 9, point 12).
    Unknown(Arc<str>),
}

/// The word for a status of which only the category "Completed" is shown.
const CLOSED: &str = "closed (only its category is shown)";

impl TaskStatus {
    /// Finished, and nothing shows how: the category "Completed" holds what was given up (`UC`), completed by hand and
    /// cancelled by a revoke as well.
    pub fn closed() -> Self {
        Self::Unknown(Arc::from(CLOSED))
    }

    /// True for [`TaskStatus::closed`].
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Unknown(raw) if **raw == *CLOSED)
    }

    /// Reads a code or a word of any case; whatever is not known stays [`TaskStatus::Unknown`].
    pub fn parse(text: &str) -> Self {
        // every row shows one or two: in place, since what is longer than any of the words is none of them
        let mut room = [0_u8; 32];
        let mut left = room.iter_mut();
        let bytes = text.trim().bytes();
        let fits = bytes
            .filter(|byte| !matches!(byte, b' ' | b'_' | b'-'))
            .all(|byte| {
                let place = left.next().map(|at| *at = byte.to_ascii_lowercase());
                place.is_some()
            });
        let free = left.len();
        let word = if fits {
            &room[..room.len() - free]
        } else {
            b""
        };
        match std::str::from_utf8(word).unwrap_or_default() {
            "w" | "waiting" => Self::Waiting,
            "p" | "pending" => Self::Pending,
            "r" | "rejected" => Self::Rejected,
            "s" | "suspended" => Self::Suspended,
            "px" | "pendingcancellation" => Self::PendingCancellation,
            "c" | "completed" => Self::Completed,
            "mc" | "manuallycompleted" => Self::ManuallyCompleted,
            "uc" | "unsuccessfullycompleted" => Self::UnsuccessfullyCompleted,
            "x" | "cancelled" | "canceled" => Self::Cancelled,
            _ => Self::Unknown(Arc::from(text.trim())),
        }
    }

    /// The word people and scripts see.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
            Self::PendingCancellation => "pending_cancellation",
            Self::Completed => "completed",
            Self::ManuallyCompleted => "manually_completed",
            Self::UnsuccessfullyCompleted => "unsuccessfully_completed",
            Self::Cancelled => "cancelled",
            Self::Unknown(raw) => raw,
        }
    }

    /// True where the instance can't change any more.
    pub fn is_finished(&self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::ManuallyCompleted
                | Self::UnsuccessfullyCompleted
                | Self::Cancelled
        ) || self.is_closed()
    }

    /// True where the work may have been done: for what speaks against an act, never for one.
    pub fn may_be_done(&self) -> bool {
        self.is_done() || self.is_closed()
    }

    /// True where the work itself was read as done (`C` or `MC`); `UC`, `X` and a category alone say nothing of that.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Completed | Self::ManuallyCompleted)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whose task it is: either the user key or the group key is above zero (contract section 5).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Owner {
    /// A person.
    User {
        /// `Assigned To User Key`.
        key: Option<UserKey>,
        /// `Assignee User ID`.
        login: Option<Login>,
    },
    /// A role.
    Role {
        /// `Assigned To Group Key`.
        key: Option<RoleKey>,
        /// `Groups.Group Name`.
        name: Option<Arc<str>>,
    },
    /// The row does not say.
    Unknown,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User {
                login: Some(login), ..
            } => write!(f, "user:{login}"),
            Self::User { key: Some(key), .. } => write!(f, "user#{key}"),
            Self::Role {
                name: Some(name), ..
            } => write!(f, "role:{name}"),
            Self::Role { key: Some(key), .. } => write!(f, "role#{key}"),
            _ => f.write_str("unknown"),
        }
    }
}

/// Identifies a task definition for learned facts ("not automated") and permissions.
/// The key is preferred; the name stands in where the server shows no key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DefinitionId {
    /// The target, because names such as "Create User" recur on every target.
    pub target: TargetName,
    /// Key (`#39`) or lower-case name (`create user`).
    pub definition: Arc<str>,
}

impl DefinitionId {
    /// The same definition, its target written in capitals or not.
    pub fn is_like(&self, other: &Self) -> bool {
        self.definition == other.definition && self.target.is_like(&other.target)
    }
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.target, self.definition)
    }
}

/// One row of OIG's open provisioning tasks, as read; typed where the contract knows the field.
#[derive(Clone, Debug)]
pub struct Task {
    /// SCH_KEY.
    pub id: TaskId,
    /// Status, from `Process Instance.Task Details.Status`, else `Status.Category`.
    pub status: TaskStatus,
    /// `Process Definition.Tasks.Key`.
    pub definition_key: Option<DefKey>,
    /// `Process Definition.Tasks.Task Name`.
    pub definition_name: Option<Arc<str>>,
    /// `Process Instance.Key`: the account.
    pub process: Option<ProcessKey>,
    /// `APP_INSTANCE_NAME`, else `Objects.Name`.
    pub target: Option<TargetName>,
    /// `Process Instance.Task Information.Target User`.
    pub beneficiary: Option<Login>,
    /// `Assigned To User Key` / `Assigned To Group Key`.
    pub owner: Owner,
    /// Creation date; the server's clock (invariant 15: not to be trusted for ages).
    pub created: Option<Timestamp>,
    /// `…Task Details.Actual Start Date`: when its last run began, by the server's clock.
    pub started: Option<Timestamp>,
    /// `…Task Details.Actual End Date`, where the server shows it: when it came to its end. Few rows have one.
    pub ended: Option<Box<Timestamp>>,
    /// `SCH_REASON`, else `…Task Details.Reason`: the error detail of the failed run.
    pub reason: Option<Arc<str>>,
    /// `…Task Details.Data`: the response code.
    pub response: Option<Arc<str>>,
    /// `…Task Details.Note`.
    pub note: Option<Arc<str>>,
    /// `REQ_KEY`: the access request behind the task.
    pub request: Option<Arc<str>>,
    /// The key of the retried task, where the server shows one (`Retry Task` holding a task id that
    /// is not a small counter; contract section 5 marks it unclear).
    pub retry_of: Option<TaskId>,
    /// `Event Handler Manager.Key`: `Some(false)` where it is 0 (presumably not automated).
    pub has_adapter: Option<bool>,
    /// Digest text of the child row's form data where the server shows it, in whatever case and with whatever blanks
    /// it is written: rows are told apart by it.
    pub child: Option<Arc<str>>,
    /// The first bytes of the digest of the same as it is written, by which the ledger joins what a retry has made
    /// anew; `None`: that of `child`.
    pub row: Option<NonZeroU64>,
    /// `…Updated By User ID`: who changed the row last. Never recorded.
    pub updated_by: Option<Login>,
    /// Everything, as it came.
    pub fields: Fields,
}

impl Task {
    /// An otherwise empty row; readers fill in what they find.
    pub fn bare(id: TaskId, status: TaskStatus) -> Self {
        Self {
            id,
            status,
            definition_key: None,
            definition_name: None,
            process: None,
            target: None,
            beneficiary: None,
            owner: Owner::Unknown,
            created: None,
            started: None,
            ended: None,
            reason: None,
            response: None,
            note: None,
            request: None,
            retry_of: None,
            has_adapter: None,
            child: None,
            row: None,
            updated_by: None,
            fields: Fields::default(),
        }
    }

    /// The definition for learned facts; `None` where the row shows neither target nor definition.
    pub fn definition(&self) -> Option<DefinitionId> {
        let target = self.target.clone()?;
        let definition = match (&self.definition_key, &self.definition_name) {
            (Some(key), _) => Arc::from(format!("#{key}")),
            (None, Some(name)) => Arc::from(name.trim().to_ascii_lowercase()),
            (None, None) => return None,
        };
        Some(DefinitionId { target, definition })
    }

    /// Another row of the same task says otherwise: what it is now can't be told. Of two logins (`views`) only the status is
    /// compared, since a view may cut a reason or leave a date out.
    pub fn doubt(&mut self, other: &Self, views: bool) {
        let understood =
            |status: &TaskStatus| status.is_closed() || !matches!(status, TaskStatus::Unknown(_));
        let status =
            self.status != other.status && understood(&self.status) && understood(&other.status);
        let run = self.started != other.started || self.reason != other.reason;
        if status || (run && !views && understood(&self.status)) {
            let words = format!("shown twice, as {} and as {}", self.status, other.status);
            self.status = TaskStatus::Unknown(Arc::from(words));
        }
    }

    /// A fingerprint of what decides about the task: it changes when status, owner, reason,
    /// response, note or definition change. Stable over restarts and builds of one record version.
    pub fn version(&self) -> u64 {
        let mut hash = Wide::default();
        hash.text(self.id.as_str());
        hash.text(self.status.as_str());
        hash.text(self.definition_name.as_deref().unwrap_or(""));
        hash.text(self.definition_key.as_ref().map_or("", |k| k.as_str()));
        hash.text(self.process.as_ref().map_or("", |k| k.as_str()));
        hash.text(self.target.as_ref().map_or("", |k| k.as_str()));
        hash.text(self.beneficiary.as_ref().map_or("", |k| k.as_str()));
        match &self.owner {
            Owner::User { key, login } => {
                hash.text("u");
                hash.text(key.as_ref().map_or("", |k| k.as_str()));
                hash.text(login.as_ref().map_or("", |k| k.as_str()));
            }
            Owner::Role { key, name } => {
                hash.text("r");
                hash.text(key.as_ref().map_or("", |k| k.as_str()));
                hash.text(name.as_deref().unwrap_or(""));
            }
            Owner::Unknown => hash.text("?"),
        }
        hash.text(self.reason.as_deref().unwrap_or(""));
        hash.text(self.response.as_deref().unwrap_or(""));
        hash.text(self.note.as_deref().unwrap_or(""));
        hash.finish()
    }
}

/// FNV-1a over length-separated texts: stable over builds, for change detection only, never for security.
#[derive(Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Mixes in a text and a separator.
    pub fn text(&mut self, text: &str) {
        self.piece(text);
        self.byte(0xff);
    }

    /// Mixes in a piece of a text, of which the rest follows.
    pub fn piece(&mut self, text: &str) {
        for byte in text.bytes() {
            self.byte(byte);
        }
    }

    /// Mixes the same text into two: each byte waits for the one before, so that two take as long as one.
    pub fn both(one: &mut Self, other: &mut Self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            one.byte(byte);
            other.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    /// The 64-bit hash.
    pub fn finish(&self) -> u64 {
        self.0
    }
}

/// Eight bytes at a time over length-separated texts: for change detection over all rows of a list, never
/// for security, and never for what is compared between runs of different builds ([`Fnv`] is for that).
#[derive(Debug)]
pub struct Wide(u64);

impl Default for Wide {
    fn default() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }
}

impl Wide {
    /// Mixes in a number.
    pub fn number(&mut self, number: u64) {
        let mixed = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }

    /// Mixes in a text and its length.
    pub fn text(&mut self, text: &str) {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let last = rest
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.number(last);
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
    }

    /// The 64-bit hash.
    pub fn finish(&self) -> u64 {
        self.0
    }
}

/// All tasks read in one pass over the pages, de-duplicated by id.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the first page was asked for (domain time).
    pub taken_at: Timestamp,
    /// The rows; ids are unique.
    pub tasks: Vec<Task>,
    /// True when every page up to the end was read.
    pub complete: bool,
    /// False when a shift between pages was noticed (duplicates across pages, a short page before the
    /// end) or a row could not be read: then nothing follows from an id that is not there.
    pub stable: bool,
    /// Which login saw it; another login may see other tasks. With several, the main one.
    pub login: Login,
    /// Which of several logins saw what; `None` where there is one.
    pub seers: Option<super::Seers>,
    /// Pages read, for the request figures.
    pub pages: u32,
    /// Rows that could not be read as a task, with why; counted and shown, never acted on.
    pub unreadable: Vec<String>,
    /// Tasks that no list shows and that are read by their ids, and could not be: nothing follows from their not
    /// being among the rows.
    pub unread: Vec<TaskId>,
}

impl Snapshot {
    /// The logins whose lists the pass rests on; the only one is bit 0.
    pub fn read(&self) -> Bits {
        self.seers.as_ref().map_or(bit(0), |seers| seers.read)
    }

    /// Those that see a row.
    pub fn seen_by(&self, row: usize) -> Bits {
        let seers = self.seers.as_ref();
        seers.map_or(bit(0), |seers| {
            seers.rows.get(row).copied().unwrap_or(bit(0))
        })
    }

    /// False where the main login is stopped and the pass shows only what others see.
    pub fn has_main(&self) -> bool {
        self.seers.as_ref().is_none_or(super::Seers::has_main)
    }

    /// False where a login was left out: what only that one sees is not shown.
    pub fn has_all(&self) -> bool {
        let seers = self.seers.as_ref();
        seers.is_none_or(|seers| seers.read == seers.all())
    }

    /// The further login that acts on a row; `None`: the main one.
    pub fn further(&self, row: usize) -> Option<&Login> {
        let seers = self.seers.as_ref()?;
        seers.name(row).filter(|_| seers.by(row) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_of_any_case_are_the_same_status() {
        assert_eq!(TaskStatus::parse("R"), TaskStatus::parse(" rejected"));
        assert_eq!(
            TaskStatus::parse("Unsuccessfully Completed"),
            TaskStatus::UnsuccessfullyCompleted
        );
        assert!(matches!(TaskStatus::parse("QX"), TaskStatus::Unknown(_)));
    }

    #[test]
    fn texts_that_meet_at_other_places_have_other_hashes() {
        let of = |texts: &[&str]| {
            let mut hash = Wide::default();
            texts.iter().for_each(|text| hash.text(text));
            hash.finish()
        };
        let all = [
            of(&[]),
            of(&[""]),
            of(&["", ""]),
            of(&["a"]),
            of(&["\0a"]),
            of(&["a", ""]),
            of(&["", "a"]),
            of(&["abcdefgh", "i"]),
            of(&["abcdefghi", ""]),
            of(&["abcdefg", "hi"]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn version_changes_with_what_decides() {
        let mut task = Task::bare(TaskId::new("7"), TaskStatus::Rejected);
        let before = task.version();
        task.reason = Some(Arc::from("connection refused"));
        assert_ne!(before, task.version());
    }
}
