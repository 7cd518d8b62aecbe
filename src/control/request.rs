//! The questions and orders that the control socket takes; values only.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::audit::PastFilter;
use super::backlog::BacklogPart;
use super::view::{Actor, Refused, RefusedKind, Reply};
use crate::model::text::json_len;
use crate::model::{ActionName, AttemptState, LineageId, PolicyHash, Scope, TargetName, TaskId};

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
    /// What somebody has said no to, while that no holds: [`Reply::Rejections`].
    Rejections,
    /// What of the old backlog waits, by target and age: [`Reply::Backlog`].
    Backlog {
        /// Also what a release of this part would let go.
        #[serde(default)]
        part: Option<BacklogPart>,
    },
    /// Releases what is held under an inbox id.
    Approve {
        /// The inbox item's id.
        id: String,
        /// Why, in the person's words.
        why: String,
        /// Of an old backlog, only tasks that are not older.
        max_age: Option<SignedDuration>,
        /// Of an old backlog, no more tasks than the person was told of; `None`: however many they are.
        #[serde(default)]
        at_most: Option<u64>,
        /// Also what somebody has rejected: that no is taken back.
        #[serde(default)]
        despite_rejection: bool,
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
    /// The journal from a record on, as much as one answer holds: [`Reply::Journal`].
    Journal {
        /// The first record that is wanted.
        from: u64,
    },
    /// A decision of the past, taken once more: [`Reply::Past`].
    Past {
        /// Which.
        filter: PastFilter,
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
    /// Binds the store to the server that the configuration names now.
    Rebind {
        /// What it is bound to, as consent.
        from: String,
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
        /// The first of the set's own cases that fail, where the person was told of it and takes it.
        #[serde(default)]
        failing: Option<String>,
        /// Also a set whose cases fail, or that fails on tasks now.
        #[serde(default)]
        despite_failing: bool,
    },
    /// Forgets what OIG taught about a definition (`target/name` or `target/#key`).
    Forget {
        /// The definition as `status` and `explain` show it.
        definition: String,
    },
    /// Sends one retry whatever the mode, where policies, guards and limits agree.
    RetryOne {
        /// OIG's id.
        task: TaskId,
        /// Why, in the person's words.
        why: String,
    },
    /// Lets a stopped login try again.
    LoginClear,
    /// Writes the store into a file, up to the last record that is on disk: [`Reply::Saved`].
    StoreSave {
        /// The file, or the directory in which one is made; as the daemon sees it.
        path: PathBuf,
        /// JSON lines, not a backup.
        lines: bool,
    },
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
                | Self::Rejections
                | Self::Backlog { .. }
                | Self::OutcomesList { .. }
                | Self::OutcomesShow { .. }
                | Self::StoreSave { .. }
                | Self::Journal { .. }
                | Self::Past { .. }
        )
    }

    /// The word for logs and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Plan { .. } => "plan",
            Self::Explain { .. } => "explain",
            Self::Inbox => "inbox",
            Self::Rejections => "rejections",
            Self::Backlog { .. } => "backlog",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::OutcomesList { .. } => "outcomes_list",
            Self::OutcomesShow { .. } => "outcomes_show",
            Self::Journal { .. } => "journal",
            Self::Past { .. } => "past",
            Self::Settle { .. } => "settle",
            Self::Reset { .. } => "reset",
            Self::Rebind { .. } => "rebind",
            Self::Release { .. } => "release",
            Self::Forget { .. } => "forget",
            Self::RetryOne { .. } => "retry_one",
            Self::LoginClear => "login_clear",
            Self::StoreSave { .. } => "store_save",
            Self::Reload => "reload",
            Self::Stop => "stop",
        }
    }
}

/// Longest text that a person may give, in characters.
pub const MAX_TEXT: usize = 1_000;
/// Bytes of all texts of one order together, as they are recorded: what it says has to fit into one record.
const ALL_TEXTS: usize = 5_000;

impl Request {
    /// What is wrong with the words that came with it, before anything else is looked at.
    ///
    /// # Errors
    /// A text is empty or too long, or a pause has no length.
    pub fn check(&self) -> Result<(), Refused> {
        let invalid = |message: String, hint: &str| Refused {
            kind: RefusedKind::Invalid,
            message,
            hint: hint.to_owned(),
        };
        for (name, text) in self.texts() {
            let length = text.chars().count();
            if length > MAX_TEXT {
                return Err(invalid(
                    format!("{name} is {length} characters long; at most {MAX_TEXT} are taken"),
                    match name {
                        "the id" => {
                            "no id is that long: write OIG's task id, or a lineage id such as L12"
                        }
                        _ => "say it shorter, and name the ticket that says more",
                    },
                ));
            }
            if name.starts_with("--") && text.chars().all(|c| c.is_whitespace() || c.is_control()) {
                return Err(match self {
                    Self::Release { .. } => invalid(
                        "a release needs a person and a word".to_owned(),
                        "give --person and --word, e.g. a change number",
                    ),
                    _ => invalid(
                        format!("{name} is empty"),
                        "say why in a few words; it is recorded with the order",
                    ),
                });
            }
        }
        let bytes: usize = self.texts().iter().map(|(_, text)| json_len(text)).sum();
        if bytes > ALL_TEXTS {
            return Err(invalid(
                format!(
                    "the words of this order take {bytes} bytes together; at most {ALL_TEXTS} are taken"
                ),
                "say it in fewer words",
            ));
        }
        if let Self::Pause { scope, .. } = self
            && let Some((name, _)) = scope_texts(scope)
                .into_iter()
                .find(|(_, text)| text.chars().any(char::is_control))
        {
            return Err(invalid(
                format!("{name} holds a control character (a line break, an escape): no name does"),
                "write it as `provtaskd status` and `provtaskd plan` show it",
            ));
        }
        if let Self::Pause {
            lasting: Some(lasting),
            ..
        } = self
            && *lasting <= SignedDuration::ZERO
        {
            return Err(invalid(
                "--for is no time at all: such a pause would hold nothing".to_owned(),
                "give it a length, such as 2h; `provtaskd resume` ends a pause",
            ));
        }
        Ok(())
    }

    /// The words that a person gave, each with its name; one that begins with `--` may not be empty.
    fn texts(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Approve { id, why, .. }
            | Self::Reject { id, why }
            | Self::Settle { id, why, .. }
            | Self::Reset { id, why } => vec![("the id", id), ("--why", why)],
            Self::Rebind { from, why } => vec![("--from", from), ("--why", why)],
            Self::Pause { scope, why, .. } => {
                let mut texts = scope_texts(scope);
                texts.push(("--why", why));
                texts
            }
            Self::Resume { scope } => scope_texts(scope),
            Self::Release {
                hash,
                person,
                word,
                failing,
                ..
            } => {
                let mut texts = vec![
                    ("the hash", hash.as_str()),
                    ("--person", person),
                    ("--word", word),
                ];
                texts.extend(failing.iter().map(|of| ("the failing case", of.as_str())));
                texts
            }
            Self::RetryOne { task, why } => vec![("the id", task.as_str()), ("--why", why)],
            Self::Forget { definition } => vec![("the definition", definition)],
            Self::Explain { task: id }
            | Self::OutcomesShow { id }
            | Self::Past {
                filter: PastFilter { task: Some(id), .. },
            } => vec![("the id", id)],
            Self::Plan {
                filter:
                    PlanFilter {
                        target: Some(target),
                        ..
                    },
            }
            | Self::OutcomesList {
                filter:
                    OutcomeFilter {
                        target: Some(target),
                        ..
                    },
            } => vec![("the target", target.as_str())],
            _ => Vec::new(),
        }
    }

    /// What an order is about and why, as the person gave it.
    pub fn about(&self) -> (String, &str) {
        match self {
            Self::Approve { id, why, .. }
            | Self::Reject { id, why }
            | Self::Settle { id, why, .. }
            | Self::Reset { id, why } => (id.clone(), why),
            Self::Rebind { from, why } => (from.clone(), why),
            Self::Pause { scope, why, .. } => (scope.to_string(), why),
            Self::Resume { scope } => (scope.to_string(), ""),
            Self::Release { hash, word, .. } => (hash.to_string(), word),
            Self::RetryOne { task, why } => (task.to_string(), why),
            Self::Forget { definition } => (definition.clone(), ""),
            _ => (String::new(), ""),
        }
    }
}

fn scope_texts(scope: &Scope) -> Vec<(&'static str, &str)> {
    match scope {
        Scope::Global | Scope::Lineage(_) => Vec::new(),
        Scope::Target(target) | Scope::ActionOnTarget(_, target) => {
            vec![("the target", target.as_str())]
        }
        Scope::Definition(id) => vec![
            ("the target", id.target.as_str()),
            ("the definition", &id.definition),
        ],
        Scope::Account(key) => vec![("the account", key.as_str())],
        Scope::Task(id) => vec![("the task", id.as_str())],
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
    /// At most so many rows; `None`: as many as one answer holds, the rest is asked for with `after`.
    pub limit: Option<u32>,
    /// Only attempts that stand in the list after this one, which was the last of the answer before.
    #[serde(default)]
    pub after: Option<(LineageId, u32)>,
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
