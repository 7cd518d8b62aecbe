//! The work part of a scenario file: targets, definitions, accounts, tasks, generated populations; it must never check what they refer to.

use serde::Deserialize;

use super::super::time::{Span, When};
use super::super::world::{Connector, Failure, Kind, RunMode, State, Status};
use super::people::user_status;

/// An application instance.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSpec {
    /// Name; with `copies` its prefix.
    pub name: String,
    /// Makes NAME-001, NAME-002 … instead of one.
    pub copies: u32,
    /// What sort of system; gives definitions and error texts.
    pub connector: Connector,
    /// State outside the windows.
    pub state: State,
    /// Other states over time; the last one that holds counts.
    pub window: Vec<WindowSpec>,
    /// `flapping`: up for one period, down for the next.
    pub period: Span,
    /// Runs per minute before throttle errors; 0 = no bound. Holds while up or recovering.
    pub capacity: u64,
    /// Whether the connector runs inside the PUT.
    pub run: RunMode,
    /// `later`: how long after the retry the connector has run.
    pub later: Span,
    /// How long a run against a target that never answers takes.
    pub timeout: Span,
    /// Wall milliseconds that one run holds up the PUT.
    pub call_ms: u64,
    /// Share of good runs that fail with a lock or a network error all the same.
    pub error_rate: f64,
    /// How long after the retry the successor appears.
    pub successor_delay: Span,
    /// Successors are not visible to callers.
    pub successor_hidden: bool,
    /// Successors name the old id in their `Retry Task` field.
    pub link_successor: bool,
    /// A retry keeps the id instead of opening a successor.
    pub same_id: bool,
    /// A retry is carried out whatever the task's status is: what is sent twice runs twice.
    pub retries_anything: bool,
}

impl Default for TargetSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            copies: 0,
            connector: Connector::Ldap,
            state: State::Up,
            window: Vec::new(),
            period: Span(600_000),
            capacity: 0,
            run: RunMode::InCall,
            later: Span(30_000),
            timeout: Span(60_000),
            call_ms: 0,
            error_rate: 0.0,
            successor_delay: Span(0),
            successor_hidden: false,
            link_successor: false,
            same_id: false,
            retries_anything: false,
        }
    }
}

/// A target's state for a while.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// From.
    pub from: When,
    /// To, exclusive.
    pub to: When,
    /// The state.
    pub state: State,
    /// The capacity meanwhile, runs per minute.
    pub capacity: Option<u64>,
}

/// A task definition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DefinitionSpec {
    /// Definition key, else the next free one.
    pub key: Option<u64>,
    /// Target.
    pub target: String,
    /// Task name.
    pub name: String,
    /// What it does to access.
    pub kind: Option<Kind>,
    /// Has no adapter.
    pub manual: bool,
    /// Response codes.
    pub responses: Vec<String>,
}

/// An account (process instance).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSpec {
    /// Process instance key, else the next free one.
    pub key: Option<u64>,
    /// Target.
    pub target: String,
    /// Login of the beneficiary.
    pub user: String,
    /// The descriptive data shown, else the login.
    pub descriptive: Option<String>,
}

/// A task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskSpec {
    /// Task key, else the next free one.
    pub id: Option<u64>,
    /// Target.
    pub target: String,
    /// Login of the beneficiary.
    pub user: String,
    /// Name of the definition.
    pub task: String,
    /// Kind, where the name is not in the connector's catalogue.
    pub kind: Option<Kind>,
    /// Has no adapter.
    pub manual: bool,
    /// Status; without one, R with a failure and P without.
    pub status: Option<Status>,
    /// What made it fail, and, if lasting, will again.
    pub failure: Option<Failure>,
    /// Good runs before it heals: the first so many fail again.
    pub heals_after: u32,
    /// SCH_REASON, else a text of the failure's class.
    pub reason: Option<String>,
    /// The stored response code.
    pub data: Option<String>,
    /// Note.
    pub note: Option<String>,
    /// `user:LOGIN` or `role:NAME`.
    pub owner: Option<String>,
    /// How it got its owner.
    pub assign_type: Option<String>,
    /// Creation time.
    pub created: Option<When>,
    /// Child row of a grant or revoke.
    pub child: Option<String>,
    /// New value of a change.
    pub value: Option<String>,
    /// REQ_KEY.
    pub request: Option<String>,
    /// Not visible to callers.
    pub hidden: bool,
}

/// How many of a population's tasks one account gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// Each of them with the probability of its share.
    #[default]
    All,
    /// One of them, weighted by share.
    One,
}

/// Generated accounts with their tasks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopulationSpec {
    /// Target; a prefix spreads the accounts over its copies.
    pub target: String,
    /// How many accounts.
    pub accounts: u32,
    /// Beneficiaries are PREFIX0001 …; the same prefix means the same people.
    pub prefix: String,
    /// Number of the first one.
    pub first: u32,
    /// Status of the beneficiaries, in any case.
    #[serde(deserialize_with = "user_status")]
    pub status: String,
    /// Login of their manager.
    pub manager: Option<String>,
    /// Owner of the tasks, `user:LOGIN` or `role:NAME`; several: in turn.
    pub owner: Vec<String>,
    /// How the tasks are dealt.
    pub pick: Pick,
    /// The tasks.
    pub task: Vec<PopTask>,
    /// What was done in the process later than all of these, by definition name.
    pub done: Vec<DoneSpec>,
    /// Age of the tasks at the start.
    pub age: Span,
    /// They are this much apart at most.
    pub spread: Span,
}

impl Default for PopulationSpec {
    fn default() -> Self {
        Self {
            target: String::new(),
            accounts: 0,
            prefix: "EMP".to_owned(),
            first: 1,
            status: "Active".to_owned(),
            manager: None,
            owner: Vec::new(),
            pick: Pick::All,
            task: Vec::new(),
            done: Vec::new(),
            age: Span(6 * 3_600_000),
            spread: Span(3 * 3_600_000),
        }
    }
}

/// One sort of task of a population.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopTask {
    /// Name of the definition.
    pub task: String,
    /// Kind, where the name is not in the connector's catalogue.
    pub kind: Option<Kind>,
    /// Has no adapter.
    pub manual: bool,
    /// Status; without one, R with a failure and P without.
    pub status: Option<Status>,
    /// What made it fail.
    pub failure: Option<Failure>,
    /// Good runs before it heals.
    pub heals_after: u32,
    /// Share of the accounts, or weight.
    pub share: f64,
    /// So many of it, with child rows or values of their own.
    pub repeat: u32,
    /// Age at the start, else the population's.
    pub age: Option<Span>,
    /// Owner, else the population's.
    pub owner: Option<String>,
}

impl Default for PopTask {
    fn default() -> Self {
        Self {
            task: String::new(),
            kind: None,
            manual: false,
            status: None,
            failure: None,
            heals_after: 0,
            share: 1.0,
            repeat: 1,
            age: None,
            owner: None,
        }
    }
}

/// A task that was completed before the start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoneSpec {
    /// Name of the definition.
    pub task: String,
    /// How long before the start.
    pub age: Span,
}
