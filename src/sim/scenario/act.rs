//! What changes the world from outside OIG's API: scenario events and the control endpoint's acts; it must never carry them out.

use serde::Deserialize;

use super::super::fault::FaultSpec;
use super::super::time::{Span, When};
use super::super::world::State;
use super::ProxySpec;
use super::people::some_status;

/// Something that happens at a given time, once or again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// When it happens first.
    pub at: When,
    /// It happens again after this span.
    pub every: Option<Span>,
    /// What happens.
    pub act: Act,
}

/// A change of the world. Each part that is given is carried out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    /// The target to change, or the one whose tasks `each` means.
    pub target: Option<String>,
    /// The target's new state.
    pub state: Option<State>,
    /// The target's new capacity, runs per minute; 0 = no bound.
    pub capacity: Option<u64>,
    /// The user to change.
    pub user: Option<String>,
    /// The user's new status.
    #[serde(deserialize_with = "some_status")]
    pub status: Option<String>,
    /// The task to act on.
    pub task: Option<String>,
    /// Acts on every n-th visible rejected task instead.
    pub each: Option<u64>,
    /// What an admin does to the task.
    #[serde(rename = "do")]
    pub what: Option<Do>,
    /// The new owner for `reassign` (`user:LOGIN`, `role:NAME`), the text for `note`.
    pub to: Option<String>,
    /// A fault from now on.
    pub fault: Option<FaultSpec>,
    /// No faults from now on.
    pub clear_faults: bool,
    /// A login gets a new password and is unlocked.
    pub password: Option<PasswordAct>,
    /// All tokens lose their force.
    pub expire_tokens: bool,
    /// OIG's data are copied, in place of an earlier copy.
    pub backup: bool,
    /// The copy is put back: tasks that came after it are gone, and their ids are given out again.
    pub restore: bool,
    /// A proxy is added.
    pub proxy: Option<ProxySpec>,
}

/// What an admin, or OIG itself, does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Do {
    /// Its work gets done: C.
    Complete,
    /// Manually completed: MC.
    ManualComplete,
    /// Set to unsuccessfully completed: UC.
    GiveUp,
    /// Cancelled: X.
    Cancel,
    /// Retried in the user interface.
    Retry,
    /// Rejected anew, under its id.
    Reject,
    /// Handed to another owner.
    Reassign,
    /// Gets a note.
    Note,
    /// No longer visible to any caller.
    Hide,
    /// Visible again.
    Show,
    /// Finished and no longer readable.
    Forget,
}

/// A login's new password (sample data).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordAct {
    /// The login.
    pub login: String,
    /// Its new password.
    pub new: String,
}

/// OIG's own Task Timed Retry job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedRetrySpec {
    /// How long after a rejection.
    pub period: Span,
    /// How often for one piece of work.
    pub count: u32,
    /// Only on these targets; empty = all.
    #[serde(default)]
    pub targets: Vec<String>,
}
