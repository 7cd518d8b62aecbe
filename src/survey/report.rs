//! The report as a value with a versioned schema: what `--format json` writes and every other format is rendered from; it holds no secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of the schema.
pub const SCHEMA: &str = "provtaskd.survey";
/// Its version; it rises when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;

/// All that a survey found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// When the list was read (domain time).
    pub taken_at: Timestamp,
    /// The server.
    pub origin: String,
    /// Which login saw it.
    pub login: String,
    /// Open tasks visible to this login.
    pub tasks: u64,
    /// Access that is still open although its person is gone.
    pub open_access: OpenAccess,
    /// Access that would be given to people who are gone.
    pub stale_grants: OpenAccess,
    /// Owners who can't act.
    pub stuck: Vec<StuckOwner>,
    /// The backlog by target, class, kind, age, owner's state and status.
    pub classes: Vec<TaskClass>,
    /// Masked reasons, the most frequent first.
    pub reasons: Vec<Reason>,
    /// What the policies would do, and what the guards say to that.
    pub outlook: Vec<Outlook>,
    /// Which policies were asked.
    pub policy: Policies,
    /// What this login sees, and what it can't.
    pub scope: Scope,
    /// What was read for it.
    pub reads: Reads,
    /// What a reader has to know beside the tables.
    pub notes: Vec<String>,
}

/// Tasks of people who are gone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OpenAccess {
    /// How many people whom OIG calls disabled or deleted.
    pub people: u64,
    /// How many people whom OIG calls active although their leave date has passed.
    #[serde(default)]
    pub active_people: u64,
    /// How many of the tasks are of these.
    #[serde(default)]
    pub active_tasks: u64,
    /// All of the tasks, the oldest first.
    pub tasks: Vec<LeaverTask>,
    /// Tasks of the same kinds of whose person it could not be told whether he is gone.
    pub not_told: u64,
    /// People whom OIG calls active and whose leave date could not be read, with tasks of the same kinds.
    #[serde(default)]
    pub dates_not_told: u64,
    /// Tasks of people who are gone that have no kind: they may be of these.
    #[serde(default)]
    pub unnamed: u64,
}

/// A task of a person who is gone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeaverTask {
    /// Its id.
    pub task: String,
    /// The person.
    pub person: String,
    /// `disabled`, `deleted`, or `active, leave date passed`.
    pub person_state: String,
    /// The target.
    pub target: String,
    /// The definition's name.
    pub name: String,
    /// What it does to access.
    pub kind: String,
    /// Its state.
    pub status: String,
    /// Since when the access is open, as far as is known.
    pub since: Option<Timestamp>,
    /// What `since` is: `leave date`, `task created` or `not known`.
    pub since_by: String,
    /// Whole days since then.
    pub days: Option<i64>,
    /// Whose task it is.
    pub owner: String,
    /// The owner's state.
    pub owner_state: String,
    /// Class of its reason.
    pub class: String,
    /// Its reason, masked.
    pub reason: String,
    /// What the policies would do.
    pub verdict: String,
    /// The guards' refusals by their names, the first one first, with commas; none where they let it pass.
    pub refused: Option<String>,
}

/// An owner who can't act, with his tasks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StuckOwner {
    /// `user:LOGIN` or `role:NAME`
    pub owner: String,
    /// `away`, `disabled`, `deleted` or `not started`; of a role `no members`, `no active member` or `all members away`.
    pub state: String,
    /// Until when he is away, where that is known.
    pub until: Option<Timestamp>,
    /// His tasks.
    pub tasks: u64,
    /// Creation of the oldest of them.
    pub oldest: Option<Timestamp>,
    /// Those for which the policies name somebody who may have them.
    pub to_hand_over: u64,
    /// To whom, the most frequent first; at most three.
    pub to: Vec<String>,
}

/// One cell of the backlog: what all its tasks have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TaskClass {
    /// The target.
    pub target: String,
    /// The class of the reason.
    pub class: String,
    /// What they do to access.
    pub kind: String,
    /// How old, in words.
    pub age: String,
    /// The owners' state.
    pub owner_state: String,
    /// The status.
    pub status: String,
    /// How many.
    pub tasks: u64,
    /// Creation of the oldest.
    pub oldest: Option<Timestamp>,
    /// One of them.
    pub example: String,
}

/// A masked reason with what is behind it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// Placeholders instead of all that differs from task to task.
    pub masked: String,
    /// The class of the reason.
    pub class: String,
    /// How many tasks.
    pub tasks: u64,
    /// On which targets, the most frequent first; at most three.
    pub targets: Vec<String>,
    /// How many targets there are.
    pub target_count: u64,
    /// One of the tasks.
    pub example: String,
    /// The reason of that task as the server gives it, cut; left out with `--no-names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_text: Option<String>,
}

/// What would be done with so many tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outlook {
    /// `retry`, `reassign`, …, `leave`, `ask`, `none`, `fault`, or `not decided`.
    pub verdict: String,
    /// The policy that says so.
    pub policy: Option<String>,
    /// The guards' first refusal, by its name; none where the guards let it pass.
    pub refused: Option<String>,
    /// What that refusal means.
    pub meaning: Option<String>,
    /// How many tasks.
    pub tasks: u64,
}

/// Which policies were asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policies {
    /// The set's hash.
    pub hash: String,
    /// True where it is the set inside the program.
    pub shipped: bool,
    /// Their file names, in the order in which they are asked.
    pub names: Vec<String>,
    /// Definitions without a kind, with their counts, the most frequent first.
    pub unmapped: Vec<(String, u64)>,
}

/// What a login sees, and by which road; what it does not see is not known not to exist.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scope {
    /// The sentence that stands in every format.
    pub statement: String,
    /// By which roads tasks were seen.
    pub roads: Vec<Road>,
    /// The filter of the list, where one is configured.
    pub filter: Option<String>,
    /// Every page was read to the end.
    pub complete: bool,
    /// No row moved between the pages.
    pub stable: bool,
    /// How often the list was read.
    pub passes: u32,
    /// Rows of the list that could not be read as tasks.
    pub unreadable: u64,
    /// How many of the listed tasks are the login's own.
    pub own: u64,
    /// How many belong to roles.
    pub by_roles: u64,
    /// How many of these belong to roles of the login; `None` where it was not shown in which roles it is.
    #[serde(default)]
    pub by_own_roles: Option<u64>,
    /// How many belong to other people.
    pub by_others: u64,
    /// How many name no owner.
    pub by_nobody: u64,
    /// Roles that own listed tasks, with their counts.
    pub roles: Vec<(String, u64)>,
    /// How many other people own listed tasks.
    pub other_owners: u64,
    /// Open tasks that were met in accounts and are not in the list, by their owner.
    pub hidden: Vec<(String, u64)>,
    /// How many accounts were read, in which such tasks could be met.
    pub accounts_read: u64,
    /// How many accounts the list names.
    pub accounts_listed: u64,
}

impl Scope {
    /// Open tasks that the list leaves out, as far as was seen.
    pub fn hidden_tasks(&self) -> u64 {
        self.hidden.iter().map(|(_, count)| count).sum()
    }

    /// Listed tasks of roles in which the login is not; `None` where it was not shown in which roles it is.
    pub fn by_other_roles(&self) -> Option<u64> {
        self.by_own_roles
            .map(|own| self.by_roles.saturating_sub(own))
    }
}

/// A road by which tasks were seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Road {
    /// What was asked.
    pub road: String,
    /// Open tasks that were seen by it.
    pub tasks: u64,
    /// What it shows and what not.
    pub shows: String,
}

/// What was read for a report.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reads {
    /// Pages of the list.
    pub pages: u64,
    /// Read requests of this run, pages included.
    pub requests: u64,
    /// The budget per minute.
    pub per_minute: u32,
    /// The limit of requests beside the pages, where there is one.
    pub limit: Option<u64>,
    /// True where that limit kept something from being read.
    pub limited: bool,
    /// People that the list names.
    pub people: u64,
    /// Of them, answered by the server.
    pub people_read: u64,
    /// Of those, not shown to this login.
    pub people_not_shown: u64,
    /// Roles that own listed tasks.
    #[serde(default)]
    pub roles: u64,
    /// Of them, with their members read.
    #[serde(default)]
    pub roles_read: u64,
    /// Accounts that had to be read for the guards.
    pub accounts: u64,
    /// Of them, read.
    pub accounts_read: u64,
    /// Readings taken over from an earlier run that was interrupted.
    pub taken_over: u64,
}
