//! What answers say of the daemon's files and logins: plain values with stable field names; it judges nothing.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::view::LoginView;
use crate::model::seers::all_of;
use crate::model::{LineageId, Login, NotRead, Scope};

/// Acts under this login that no attempt of this store explains: another client.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AnotherView {
    /// Why none is looked for at present; `None`: each cycle looks.
    pub not_watched: Option<String>,
    /// How many were read; of many only a few are.
    pub acts: u64,
    /// When the last one was.
    pub last_at: Option<Timestamp>,
    /// What was read.
    pub last: Option<String>,
}

/// A pause in force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PauseView {
    /// What it holds.
    pub scope: Scope,
    /// The same in words.
    pub what: String,
    /// Who ordered it.
    pub by: String,
    /// Since when; not known of one that the daemon made for want of its stored state.
    pub since: Option<Timestamp>,
    /// Its end; `None`: until it is resumed.
    pub until: Option<Timestamp>,
    /// The person's words.
    pub why: Option<String>,
}

/// What became of the lines about attempts in the notes of tasks; they are no attempts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NotesView {
    /// A reading afterwards showed the line.
    pub seen: u64,
    /// Accepted, and not shown by the reading afterwards.
    pub accepted: u64,
    /// Refused by OIG.
    pub refused: u64,
    /// Provably not sent; not tried again.
    pub unsent: u64,
    /// It is not known whether the line is there; not tried again.
    pub unknown: u64,
}

/// A store that holds less than was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RewoundView {
    /// The last record that was acknowledged; `None` where that can't be known.
    pub acknowledged: Option<u64>,
    /// The last record that was there.
    pub last: u64,
    /// Where the journal is as it was before it was opened, if a copy was made.
    pub copy: Option<String>,
    /// From what a person made the store, where one did.
    #[serde(default)]
    pub restored: Option<String>,
    /// It holds all that was acknowledged, and is a copy of the store that did.
    #[serde(default)]
    pub copied: bool,
    /// Lineages that went on behind the last record, as far as they are known.
    #[serde(default)]
    pub lineages: Vec<LineageId>,
}

/// A file that holds a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedView {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// The last of them.
    pub last: u64,
    /// Records that can't be read and are not in it.
    pub left_out: u64,
}

/// The absence file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedView {
    /// Its path.
    pub file: String,
    /// Rows of the reading that is in use; `None` where absences are unknown.
    pub rows: Option<u64>,
    /// When that was read.
    pub as_of: Option<Timestamp>,
    /// When the file was last looked at; `None` where it was not yet.
    pub read_at: Option<Timestamp>,
    /// Rows that could not be read then: of whom they name it is unknown whether he is away.
    pub bad_rows: u64,
    /// What was wrong with the file then, the first of several.
    pub problem: Option<String>,
    /// People whom it named in the last cycle.
    #[serde(default)]
    pub people: Option<u64>,
    /// How many of them own a task that was seen, or are the beneficiary of one.
    #[serde(default)]
    pub people_seen: Option<u64>,
}

/// The intake of hints; counts are since start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntakeView {
    /// Where signed events are taken.
    pub listen: Option<String>,
    /// The watched folder.
    pub folder: Option<String>,
    /// Tasks that wait to be read.
    pub waiting: u64,
    /// Tasks that the list does not show and that are read by their ids in each cycle.
    pub followed: u64,
    /// Events taken.
    pub accepted: u64,
    /// Events whose id was taken before.
    pub duplicates: u64,
    /// Files taken.
    pub files: u64,
    /// Files that could not be used.
    pub files_failed: u64,
    /// Events not taken, by cause.
    pub refused: Vec<(String, u64)>,
    /// Hints that have ended, by how.
    pub ended: Vec<(String, u64)>,
    /// Why hints can't be put on disk, if so.
    pub problem: Option<String>,
    /// The walk through the accounts of the persons of a file, where one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<WalkView>,
    /// Persons whom events and files have named and who wait to be walked through.
    #[serde(default)]
    pub persons_waiting: u64,
    /// What became of those whose turn is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<TurnsView>,
}

/// What became of persons whose accounts were to be walked through.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TurnsView {
    /// Persons whose accounts were read.
    pub walked: u64,
    /// Rejected tasks found that no list shows.
    pub found: u64,
    /// Persons who could not be walked through.
    pub not_walked: u64,
    /// Those whom the server does not show, the first ones.
    pub not_shown: Vec<Login>,
    /// Those of whose accounts one or more could not be read, the first ones.
    pub not_read: Vec<Login>,
}

/// How the walk through the accounts of the persons of a file stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WalkView {
    /// The file that names them.
    pub file: String,
    /// When the present walk began, or the last one.
    pub began: Option<Timestamp>,
    /// All of them had their turn.
    pub over: bool,
    /// What became of those who had it.
    pub turns: TurnsView,
    /// What is wrong with the file, if so.
    pub problem: Option<String>,
}

/// The head of the journal that was noted outside the store last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnchorView {
    /// Its record.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// The short digest of the key that signs anchors, where one does.
    pub key: Option<String>,
    /// The file to which anchors are appended, where one is configured.
    pub file: Option<String>,
    /// The last record whose anchor is in the file.
    pub file_record: Option<u64>,
    /// Why the last one is not, if so.
    pub problem: Option<String>,
}

/// A cycle that is under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CycleView {
    /// When it began.
    pub since: Timestamp,
    /// Pages of lists that it has read so far.
    pub pages: u32,
    /// What it does after that, with how far it is; empty while lists are read.
    pub doing: String,
}

impl CycleView {
    /// The same in a sentence; `first`: none before it has come to its end since the start.
    pub fn words(&self, first: bool) -> String {
        let which = if first { "the first cycle" } else { "a cycle" };
        let pages = match self.pages {
            1 => "1 page".to_owned(),
            many => format!("{many} pages"),
        };
        let doing = match self.doing.as_str() {
            "" => String::new(),
            doing => format!(", {doing}"),
        };
        format!(
            "{which} is under way since {:.0}, {pages} of lists read so far{doing}; nothing is decided yet",
            self.since
        )
    }
}

/// A login as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoginRow {
    /// Its name.
    pub login: Login,
    /// The one of `[server]`.
    pub main: bool,
    /// Its standing.
    pub state: LoginView,
    /// Tasks in its last list.
    pub tasks: Option<u64>,
    /// Those of them on which it acts: no login before it saw them then. Where it was not read in the last cycle: those
    /// that no list shows that was.
    pub acts: Option<u64>,
    /// When that list was begun.
    pub list_read: Option<Timestamp>,
    /// It was read in the last cycle: what only it sees is acted on.
    pub in_last_cycle: bool,
    /// Why its list could not be read when it was due.
    pub problem: Option<String>,
    /// Read requests that it has sent since start.
    pub reads_sent: u64,
    /// Write requests that it has sent since start.
    pub writes_sent: u64,
}

impl LoginRow {
    /// What the last cycle left out, of all logins. Of one that shows nothing by itself nothing is missing.
    pub fn not_read(rows: &[Self]) -> Vec<NotRead> {
        let missing = rows.iter().filter(|row| !row.in_last_cycle);
        missing
            .filter(|row| row.acts != Some(0))
            .map(|row| NotRead {
                login: row.login.clone(),
                tasks: row.acts,
                list_read: row.list_read,
            })
            .collect()
    }
}

/// What the stop of the main one of several logins means, where others still work and where none does.
pub fn main_stopped(login: &Login, others: bool) -> String {
    match others {
        true => format!(
            "what only {login} sees is neither acted on nor taken as gone, what others see goes on"
        ),
        false => "no other login works either: nothing is read or sent".to_owned(),
    }
}

/// A login's list, as an answer rests on it or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListView {
    /// Whose.
    pub login: Login,
    /// It was read for this answer.
    pub read: bool,
    /// Tasks in it, where it was.
    pub tasks: Option<u64>,
    /// Why it was not.
    pub why_not: Option<String>,
}

/// Whose lists an answer rests on, and what to add where others were not read; of one login it is that one.
pub fn in_words(main: &Login, lists: &[ListView]) -> (String, String) {
    let names = |read: bool| -> Vec<&Login> {
        let of = lists.iter().filter(|list| list.read == read);
        of.map(|list| &list.login).collect()
    };
    let (read, not_read) = (names(true), names(false));
    let who = match read.is_empty() {
        true => main.to_string(),
        false => all_of(read),
    };
    let not_read = match not_read.is_empty() {
        true => String::new(),
        false => format!("; the list of {} was not read", all_of(not_read)),
    };
    (who, not_read)
}

/// One target in [`super::StatusView`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TargetRow {
    /// Its name; `-` for tasks that show none.
    pub target: String,
    /// Visible tasks; `None` where no list was read since the start.
    pub visible: Option<u64>,
    /// Of these rejected.
    pub rejected: Option<u64>,
    /// Pieces of work whose last attempt is not settled.
    pub open: u64,
    /// Those whose last attempt counts as completed.
    pub completed: u64,
    /// Those whose last attempt failed again (bounced or refused).
    pub failed: u64,
    /// Those whose last attempt left no trace: nobody knows whether it was done.
    #[serde(default)]
    pub gone: u64,
    /// Those whose last attempt came to nothing: not applied, not sent, or overtaken by somebody else.
    #[serde(default)]
    pub in_vain: u64,
    /// `closed`, `open until …`, `probing`.
    pub breaker: String,
    /// The same of notes, hand-overs and answers, which have one of their own; `None` where it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_breaker: Option<String>,
    /// The size of its next batch, as learned so far.
    #[serde(default)]
    pub batch: Option<u32>,
    /// Milliseconds of wall time that one task takes in a write, as learned so far.
    #[serde(default)]
    pub item_ms: Option<u64>,
}
