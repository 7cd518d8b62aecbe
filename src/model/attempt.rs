//! The life of an attempt as one table of legal moves, with what a restart does in each state; it judges nothing, it only says what may follow what.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decision::Action;
use super::id::{BatchId, LineageId, TaskId};

/// Where an attempt stands. `Claimed`, `Unknown`, `Accepted` and `Pending` are open; all others are settled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// On disk, about to be sent.
    Claimed,
    /// May have reached the server; being re-read.
    Unknown,
    /// OIG said SUCCESS; nothing more is known.
    Accepted,
    /// A successor (or the same id) is running or waiting.
    Pending,
    /// Completion was read, or a person has said so.
    Completed,
    /// A rejected successor (or a new failed run of the same id) was read.
    Bounced,
    /// OIG answered FAIL with a reason.
    Refused,
    /// Same id, same failed run, twice, after `settle_after`.
    NotApplied,
    /// Provably never left this machine.
    Unsent,
    /// The id left the list and nothing says why; never counted as success.
    Gone,
    /// Somebody else acted.
    Superseded,
    /// More than one successor is possible, or two readings contradict; a person must say.
    Ambiguous,
}

impl AttemptState {
    /// Every state, in the order of the docs.
    pub const ALL: [AttemptState; 12] = [
        Self::Claimed,
        Self::Unknown,
        Self::Accepted,
        Self::Pending,
        Self::Completed,
        Self::Bounced,
        Self::Refused,
        Self::NotApplied,
        Self::Unsent,
        Self::Gone,
        Self::Superseded,
        Self::Ambiguous,
    ];

    /// True while attempt n+1 may not exist.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Claimed | Self::Unknown | Self::Accepted | Self::Pending | Self::Ambiguous
        )
    }

    /// True where the attempt counts towards the caps of its episode: everything but what is
    /// proven not to have been applied.
    pub fn counts(self) -> bool {
        !matches!(self, Self::NotApplied | Self::Unsent)
    }

    /// What the state says, for the docs.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Claimed => "On disk, about to be sent.",
            Self::Unknown => "May have reached the server; being re-read.",
            Self::Accepted => "OIG said SUCCESS; nothing more is known.",
            Self::Pending => "A successor (or the same id) is running or waiting.",
            Self::Completed => "Completion was read, or a person has said so; the episode is over.",
            Self::Bounced => {
                "A rejected successor, or a new failed run of the same id, was read; or the server said SUCCESS and the task stood as before in two readings after settle_after."
            }
            Self::Refused => "OIG answered FAIL with a reason.",
            Self::NotApplied => {
                "No word about it came back, and two readings after `settle_after` show the same failed run: not seen to be applied."
            }
            Self::Unsent => {
                "Provably not applied: never left this machine, or sent back unlooked at."
            }
            Self::Gone => "The id left the list and nothing says why; a person has to look.",
            Self::Superseded => "Somebody else acted, or a person said that it has failed.",
            Self::Ambiguous => "Readings allow more than one conclusion; a person has to say.",
        }
    }

    /// What a restart does with an attempt that it finds in this state, for the docs.
    pub fn at_restart(self) -> &'static str {
        match self {
            Self::Claimed => {
                "becomes unknown: it may have been sent, so it is read and never sent again"
            }
            Self::Unknown | Self::Accepted | Self::Pending => {
                "stays as it is, and is read before anything is sent"
            }
            Self::Ambiguous => "stays as it is, and still waits for a person",
            Self::Gone => "stays as it is; a late successor or a person may still tell",
            Self::Completed
            | Self::Bounced
            | Self::Refused
            | Self::NotApplied
            | Self::Unsent
            | Self::Superseded => "nothing: it is settled",
        }
    }

    /// The word in records, tables and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Bounced => "bounced",
            Self::Refused => "refused",
            Self::NotApplied => "not_applied",
            Self::Unsent => "unsent",
            Self::Gone => "gone",
            Self::Superseded => "superseded",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl fmt::Display for AttemptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What can happen to an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEvent {
    /// The item came back with a good word.
    AnsweredSuccess,
    /// The item came back with a bad word.
    AnsweredFail,
    /// The whole request or this item was not answered clearly.
    NotAnswered,
    /// Resolve, connect or TLS handshake failed, or a 401, or the 400 for a missing header.
    ProvenUnsent,
    /// The daemon started and found the claim open.
    Restarted,
    /// A reading says completed.
    ReadCompleted,
    /// A reading shows a successor or a run under way.
    ReadPending,
    /// A reading shows a new failure.
    ReadBounced,
    /// Two equal readings after `settle_after` show the same failed run.
    ReadUnchanged,
    /// The id left the list and its reading says nothing, in two complete passes.
    ReadGone,
    /// A reading shows that somebody else acted.
    ReadSuperseded,
    /// Readings allow more than one conclusion.
    ReadAmbiguous,
    /// A person looked and decided that it was done.
    PersonCompleted,
    /// A person looked and decided that it has failed or was never applied.
    PersonClosed,
}

impl AttemptEvent {
    /// Every event, in the order of the docs.
    pub const ALL: [AttemptEvent; 14] = [
        Self::AnsweredSuccess,
        Self::AnsweredFail,
        Self::NotAnswered,
        Self::ProvenUnsent,
        Self::Restarted,
        Self::ReadCompleted,
        Self::ReadPending,
        Self::ReadBounced,
        Self::ReadUnchanged,
        Self::ReadGone,
        Self::ReadSuperseded,
        Self::ReadAmbiguous,
        Self::PersonCompleted,
        Self::PersonClosed,
    ];

    /// The word in records and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnsweredSuccess => "answered_success",
            Self::AnsweredFail => "answered_fail",
            Self::NotAnswered => "not_answered",
            Self::ProvenUnsent => "proven_unsent",
            Self::Restarted => "restarted",
            Self::ReadCompleted => "read_completed",
            Self::ReadPending => "read_pending",
            Self::ReadBounced => "read_bounced",
            Self::ReadUnchanged => "read_unchanged",
            Self::ReadGone => "read_gone",
            Self::ReadSuperseded => "read_superseded",
            Self::ReadAmbiguous => "read_ambiguous",
            Self::PersonCompleted => "person_completed",
            Self::PersonClosed => "person_closed",
        }
    }
}

/// Every legal move. What is not here can't happen; [`next`] answers `None` for it.
pub const MOVES: &[(AttemptState, AttemptEvent, AttemptState)] = {
    use AttemptEvent as E;
    use AttemptState as S;
    &[
        (S::Claimed, E::AnsweredSuccess, S::Accepted),
        (S::Claimed, E::AnsweredFail, S::Refused),
        (S::Claimed, E::NotAnswered, S::Unknown),
        (S::Claimed, E::ProvenUnsent, S::Unsent),
        // a claim found open at start may have been sent: it is re-read, never re-sent
        (S::Claimed, E::Restarted, S::Unknown),
        (S::Unknown, E::Restarted, S::Unknown),
        (S::Accepted, E::Restarted, S::Accepted),
        (S::Pending, E::Restarted, S::Pending),
        (S::Ambiguous, E::Restarted, S::Ambiguous),
        (S::Unknown, E::ReadCompleted, S::Completed),
        (S::Unknown, E::ReadPending, S::Pending),
        (S::Unknown, E::ReadBounced, S::Bounced),
        (S::Unknown, E::ReadUnchanged, S::NotApplied),
        (S::Unknown, E::ReadGone, S::Gone),
        (S::Unknown, E::ReadSuperseded, S::Superseded),
        (S::Unknown, E::ReadAmbiguous, S::Ambiguous),
        (S::Accepted, E::ReadCompleted, S::Completed),
        (S::Accepted, E::ReadPending, S::Pending),
        (S::Accepted, E::ReadBounced, S::Bounced),
        // an accepted order that left everything as it was has bounced: it counts, and has no row
        // for an unchanged reading
        (S::Accepted, E::ReadGone, S::Gone),
        (S::Accepted, E::ReadSuperseded, S::Superseded),
        (S::Accepted, E::ReadAmbiguous, S::Ambiguous),
        (S::Pending, E::ReadCompleted, S::Completed),
        (S::Pending, E::ReadPending, S::Pending),
        (S::Pending, E::ReadBounced, S::Bounced),
        (S::Pending, E::ReadGone, S::Gone),
        (S::Pending, E::ReadSuperseded, S::Superseded),
        (S::Pending, E::ReadAmbiguous, S::Ambiguous),
        // a late successor can still tell what became of a vanished id
        (S::Gone, E::ReadCompleted, S::Completed),
        (S::Gone, E::ReadPending, S::Pending),
        (S::Gone, E::ReadBounced, S::Bounced),
        (S::Ambiguous, E::PersonCompleted, S::Completed),
        (S::Ambiguous, E::PersonClosed, S::Superseded),
        (S::Unknown, E::PersonCompleted, S::Completed),
        (S::Unknown, E::PersonClosed, S::Superseded),
        (S::Accepted, E::PersonCompleted, S::Completed),
        (S::Accepted, E::PersonClosed, S::Superseded),
        (S::Pending, E::PersonCompleted, S::Completed),
        (S::Pending, E::PersonClosed, S::Superseded),
        (S::Gone, E::PersonCompleted, S::Completed),
        (S::Gone, E::PersonClosed, S::Superseded),
    ]
};

/// The state after an event, or `None` where the move is not legal.
pub fn next(state: AttemptState, event: AttemptEvent) -> Option<AttemptState> {
    MOVES
        .iter()
        .find(|(from, on, _)| *from == state && *on == event)
        .map(|(_, _, to)| *to)
}

/// The table as Markdown, for the docs.
pub fn table() -> String {
    let mut out = String::from("| state | event | becomes |\n|---|---|---|\n");
    for (from, on, to) in MOVES {
        out.push_str(&format!("| {from} | {} | {to} |\n", on.as_str()));
    }
    out
}

/// The states as Markdown, for the docs: what each means, and what a restart does with it.
pub fn states() -> String {
    let mut out = String::from(
        "| state | meaning | open | counts towards the caps | at a restart |\n|---|---|---|---|---|\n",
    );
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" };
    for state in AttemptState::ALL {
        out.push_str(&format!(
            "| {state} | {} | {} | {} | {} |\n",
            state.meaning(),
            yes_or_no(state.is_open()),
            yes_or_no(state.counts()),
            state.at_restart(),
        ));
    }
    out
}

/// What became of an attempt, with what was read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The piece of work.
    pub lineage: LineageId,
    /// The n-th try of the lineage, from 1.
    pub ordinal: u32,
    /// What happened.
    pub event: AttemptEvent,
    /// When it was concluded (domain time).
    pub at: Timestamp,
    /// The task that was read to conclude it: the successor, or the same id.
    pub task: Option<TaskId>,
    /// OIG's reason, or the evidence in words; personal data masked.
    pub evidence: Option<Arc<str>>,
}

/// What came back for one item of a PUT.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The batch it was sent in.
    pub batch: BatchId,
    /// The piece of work.
    pub lineage: LineageId,
    /// The n-th try of the lineage.
    pub ordinal: u32,
    /// The task id that was sent.
    pub task: TaskId,
    /// What was asked for.
    pub action: Action,
    /// The answer.
    pub status: ReceiptStatus,
    /// When it came (domain time).
    pub at: Timestamp,
}

/// What to say where a request of which the result was in doubt keeps others from its account.
pub const MAY_COME_YET: &str =
    "a request was never answered, or its result was in doubt, and it may still be carried out";

/// So often a task is sent that ends a whole request for its own sake and is never applied; then a
/// person has to look.
pub const SENDS_IN_VAIN: u8 = 3;

/// What a request ended with that gave no readable answer: its HTTP status, where one came, before the
/// words. [`ended_with`] reads it back.
pub fn ended(status: Option<u16>, why: &str) -> Arc<str> {
    match status {
        Some(status) => Arc::from(format!("HTTP {status}: {why}")),
        None => Arc::from(why),
    }
}

/// The HTTP status of an end that [`ended`] has put into words.
pub fn ended_with(why: &str) -> Option<u16> {
    let (status, _) = why.strip_prefix("HTTP ")?.split_once(": ")?;
    status.parse().ok()
}

/// The answer for one item.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum ReceiptStatus {
    /// A good word (contract section 9, point 3).
    Accepted,
    /// A bad word, with OIG's reason.
    Refused {
        /// OIG's text, capped.
        reason: Arc<str>,
        /// True where the text says that tasks of this definition are not automated.
        manual: bool,
    },
    /// Missing, unreadable, timed out, or another whole-request end after sending.
    Unknown {
        /// What is known of the end.
        why: Arc<str>,
    },
    /// Provably not applied: never sent, or rejected before any item was looked at.
    Unsent {
        /// What stopped it.
        why: Arc<str>,
    },
}

impl ReceiptStatus {
    /// The attempt event that this answer is.
    pub fn event(&self) -> AttemptEvent {
        match self {
            Self::Accepted => AttemptEvent::AnsweredSuccess,
            Self::Refused { .. } => AttemptEvent::AnsweredFail,
            Self::Unknown { .. } => AttemptEvent::NotAnswered,
            Self::Unsent { .. } => AttemptEvent::ProvenUnsent,
        }
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
