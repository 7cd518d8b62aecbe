//! The questions and orders that the control socket takes; values only.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::view::{Actor, Reply};
use crate::model::{ActionName, AttemptState, PolicyHash, Scope, TargetName, TaskId};

/// What is asked. Everything that changes something carries why, which is recorded with the actor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Request {
    /// How it stands: [`Reply::Status`].
    Status,
    /// Every item with decision and refusals; sends and claims nothing: [`Reply::Plan`].
    Plan {
        /// Which items.
        filter: PlanFilter,
    },
    /// One task or lineage (`417` or `L12`): [`Reply::Explain`].
    Explain {
        /// OIG's id, or our lineage id with a leading `L`.
        task: String,
    },
    /// What waits for a person: [`Reply::Inbox`].
    Inbox,
    /// Releases what is held under an inbox id.
    Approve {
        /// The inbox item's id.
        id: String,
        /// Why, in the person's words.
        why: String,
        /// Of an old backlog, only tasks that are not older.
        max_age: Option<SignedDuration>,
    },
    /// Says no to what is held under an inbox id.
    Reject {
        /// The inbox item's id.
        id: String,
        /// Why, in the person's words.
        why: String,
    },
    /// Stops sending for a scope, until resumed.
    Pause {
        /// For what.
        scope: Scope,
        /// Why.
        why: String,
        /// Ends by itself after this; `None`: only by `resume`.
        lasting: Option<SignedDuration>,
        /// Meant for something of which no task was seen yet.
        #[serde(default)]
        unseen: bool,
    },
    /// Ends a pause.
    Resume {
        /// For what; the same scope as the pause.
        scope: Scope,
    },
    /// Attempts and what became of them, newest first: [`Reply::Outcomes`].
    OutcomesList {
        /// Which.
        filter: OutcomeFilter,
    },
    /// The whole story of a task or lineage: [`Reply::Story`].
    OutcomesShow {
        /// OIG's id, or our lineage id with a leading `L`.
        id: String,
    },
    /// A person says what became of an attempt that readings can't tell.
    Settle {
        /// OIG's id, or our lineage id with a leading `L`.
        id: String,
        /// It was done; else it has failed, or was never applied.
        completed: bool,
        /// How the person knows.
        why: String,
    },
    /// A person lets the attempts of a piece of work count from zero again.
    Reset {
        /// OIG's id, or our lineage id with a leading `L`.
        id: String,
        /// Why.
        why: String,
    },
    /// Lets a policy set enforce.
    Release {
        /// The set, in full.
        hash: PolicyHash,
        /// Who takes the responsibility.
        person: String,
        /// The person's word, e.g. a change number.
        word: String,
    },
    /// Forgets what OIG taught about a definition (`target/name` or `target/#key`).
    Forget {
        /// The definition as `status` and `explain` show it.
        definition: String,
    },
    /// Lets a stopped login try again.
    LoginClear,
    /// Reads configuration and policies again; keeps the last good on error.
    Reload,
    /// Ends the daemon cleanly.
    Stop,
}

impl Request {
    /// True where nothing is changed, so that it can be answered from a store alone.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::Plan { .. }
                | Self::Explain { .. }
                | Self::Inbox
                | Self::OutcomesList { .. }
                | Self::OutcomesShow { .. }
        )
    }

    /// The word for logs and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Plan { .. } => "plan",
            Self::Explain { .. } => "explain",
            Self::Inbox => "inbox",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::OutcomesList { .. } => "outcomes_list",
            Self::OutcomesShow { .. } => "outcomes_show",
            Self::Settle { .. } => "settle",
            Self::Reset { .. } => "reset",
            Self::Release { .. } => "release",
            Self::Forget { .. } => "forget",
            Self::LoginClear => "login_clear",
            Self::Reload => "reload",
            Self::Stop => "stop",
        }
    }
}

/// Which items of the plan; an empty filter takes all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PlanFilter {
    /// Only this target.
    pub target: Option<TargetName>,
    /// Only what is to be done with this action.
    pub action: Option<ActionName>,
    /// At most so many items.
    pub limit: Option<u32>,
}

/// Which attempts; an empty filter takes all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OutcomeFilter {
    /// Only this target.
    pub target: Option<TargetName>,
    /// Only attempts in this state.
    pub state: Option<AttemptState>,
    /// Only this task.
    pub task: Option<TaskId>,
    /// Only attempts claimed since so long ago.
    pub within: Option<SignedDuration>,
    /// At most so many rows.
    pub limit: Option<u32>,
}

/// A request that has come in, with whom it came from and where the answer goes.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked.
    pub request: Request,
    /// Who asks.
    pub actor: Actor,
    /// Where the answer goes; dropped unanswered, the asker is told so.
    pub reply: oneshot::Sender<Reply>,
}
