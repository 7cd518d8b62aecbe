//! What the daemon shows to people and scripts: plain values with stable field names; no wire type, no secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audit::{JournalView, PastView};
use super::backlog::BacklogView;
use super::rejected::RejectionView;
use super::state::{
    AnchorView, AnotherView, CycleView, FeedView, IntakeView, ListView, LoginRow, NotesView,
    PauseView, RewoundView, SavedView, TargetRow,
};
use crate::model::{
    ActionName, AttemptState, Kind, LeftAlone, LineageId, Login, Mode, PolicyHash, Principal,
    Refusal, RefusalReason, Road, TargetName, TaskId, Verdict,
};

/// Who gave an order, as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// User id of the asking process.
    pub uid: u32,
    /// Its process id, where the kernel shows it.
    pub pid: Option<i32>,
}

/// The answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "of")]
pub enum Reply {
    /// To [`super::Request::Status`].
    Status(Box<StatusView>),
    /// To [`super::Request::Plan`].
    Plan(PlanView),
    /// To [`super::Request::Explain`].
    Explain(Box<ExplainView>),
    /// To [`super::Request::Inbox`].
    Inbox(InboxView),
    /// To [`super::Request::Rejections`].
    Rejections(Vec<RejectionView>),
    /// To [`super::Request::Backlog`].
    Backlog(Box<BacklogView>),
    /// To [`super::Request::OutcomesList`].
    Outcomes(OutcomesView),
    /// To [`super::Request::OutcomesShow`].
    Story(Box<Story>),
    /// To [`super::Request::StoreSave`].
    Saved(SavedView),
    /// To [`super::Request::Journal`].
    Journal(Box<JournalView>),
    /// To [`super::Request::Past`].
    Past(Box<PastView>),
    /// An order was carried out.
    Done(Done),
    /// It was not.
    Refused(Refused),
}

/// Attempts, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OutcomesView {
    /// Those that fit into the answer.
    pub rows: Vec<OutcomeRow>,
    /// How many more there are after them.
    pub left_out: u64,
    /// That there is no store yet, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_store: Option<String>,
    /// The logins that have lists, the main one first: the attempts are of what they are shown.
    #[serde(default)]
    pub logins: Vec<Login>,
}

/// An order was carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// What was done, one sentence.
    pub message: String,
    /// What is wrong in spite of it, and what to do; the command then ends with 1.
    #[serde(default)]
    pub but: Option<(String, String)>,
}

/// Why a request was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKind {
    /// There is no such task, item, definition or policy set.
    NotFound,
    /// The request makes no sense, or not now.
    Invalid,
    /// The peer may not ask.
    NotAllowed,
    /// The server could not be read.
    Unreachable,
    /// The login was refused.
    LoginRefused,
    /// The store could not be opened, read or written.
    Store,
    /// A file or socket could not be read or written.
    Io,
    /// The configuration or the policies can't be used.
    Config,
    /// It was done, and something was found.
    Findings,
    /// Try again.
    Busy,
    /// A fault of ours.
    Internal,
}

/// A request that was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Which sort; the CLI's exit code follows from it.
    pub kind: RefusedKind,
    /// What happened and where, a lower-case fragment.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}

impl Reply {
    /// A refusal.
    pub fn refused(kind: RefusedKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Refused {
            kind,
            message: message.into(),
            hint: hint.into(),
        })
    }

    /// An order carried out.
    pub fn done(message: impl Into<String>) -> Self {
        Self::Done(Done {
            message: message.into(),
            but: None,
        })
    }
}

/// A person's release of a policy set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleasedView {
    /// Who.
    pub person: String,
    /// The person's word.
    pub word: String,
    /// When.
    pub at: Timestamp,
}

/// The login's standing at the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "login")]
pub enum LoginView {
    /// Not tried since start.
    Untried,
    /// The last authentication worked.
    Good,
    /// Refused; nothing is sent or read until the secret changes or a person clears it.
    Stopped {
        /// Since when.
        since: Timestamp,
        /// The server's words, without secrets.
        why: String,
    },
}

/// What to do about a stopped login: the file alone is enough, each cycle looks at it.
pub const LOGIN_HINT: &str = "put the right password into its file, that is enough: the next cycle tries it (a credential of a systemd unit is a copy of its start: restart the unit as well); if the file was right all along (a locked account), `provtaskd login clear`";

/// How the daemon stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// provtaskd's version.
    pub version: String,
    /// Process id of the daemon; `None` when answered from the store.
    pub pid: Option<u32>,
    /// When this was put together (domain time).
    pub now: Timestamp,
    /// Since when the daemon runs.
    pub started: Option<Timestamp>,
    /// The server's origin.
    pub server: String,
    /// The login that acts.
    pub login: Login,
    /// Its standing.
    pub login_state: LoginView,
    /// The global mode as configured.
    pub mode: Mode,
    /// The modes beside it, as configured: of targets, actions and policies. The lowest wins.
    #[serde(default)]
    pub modes: Vec<String>,
    /// The mode in effect, after release, world and pauses.
    pub effective_mode: Mode,
    /// Why the effective mode is lower than the configured one; empty when it is not.
    pub mode_why: Vec<String>,
    /// Every target that was ever seen, as far as names of the configuration are held against them.
    #[serde(default)]
    pub targets_seen: Vec<TargetName>,
    /// The policy set in use.
    pub policy_hash: Option<PolicyHash>,
    /// Who released it for enforce, if anybody.
    pub policy_released: Option<ReleasedView>,
    /// Tasks on which a policy of it fails; they are left alone.
    #[serde(default)]
    pub policy_faults: u64,
    /// The first of these faults: policy, line, error.
    #[serde(default)]
    pub policy_fault: Option<String>,
    /// That the daemon is ending, and what it waits for.
    #[serde(default)]
    pub ending: Option<String>,
    /// Error of the last reload, while the last good set stays in use.
    pub reload_error: Option<String>,
    /// Why the policies can't be used as they are now, as the asking command has read them.
    #[serde(default)]
    pub policy_error: Option<String>,
    /// Why the configuration file can't be used as it is now, as the asking command has read it.
    #[serde(default)]
    pub config_error: Option<String>,
    /// End of the last whole cycle.
    pub last_cycle: Option<Timestamp>,
    /// How long it took, in milliseconds of wall time.
    pub last_cycle_ms: Option<u64>,
    /// What went wrong in the last cycle, if anything.
    pub last_error: Option<String>,
    /// Since when no cycle could be finished, if so.
    #[serde(default)]
    pub last_error_since: Option<Timestamp>,
    /// When the next one starts; `None` when it waits for something else.
    pub next_cycle: Option<Timestamp>,
    /// The cycle that is under way, if one is.
    #[serde(default)]
    pub cycle: Option<CycleView>,
    /// Why the last request to write could not be sent, or was not taken at all, if so.
    #[serde(default)]
    pub write_error: Option<String>,
    /// Tasks visible to this login at the last reading to the end; not "existing".
    pub tasks_visible: Option<u64>,
    /// False where pages have moved while they were read, so that some of them may be missing in that number.
    #[serde(default)]
    pub tasks_whole: Option<bool>,
    /// When they were read.
    pub tasks_as_of: Option<Timestamp>,
    /// Attempts per state, over the store's whole memory.
    pub attempts: Vec<(AttemptState, u64)>,
    /// Of the completed ones: those that a person has called so, and no reading.
    #[serde(default)]
    pub completed_by_word: u64,
    /// Lines for the notes of tasks, over the store's whole memory.
    #[serde(default)]
    pub notes: NotesView,
    /// What is not done at present, by reason.
    pub refusals: Vec<(RefusalReason, u64)>,
    /// Per target.
    pub targets: Vec<TargetRow>,
    /// Items in the inbox.
    pub inbox: u64,
    /// Pieces of work that are in no list any more, and of which no attempt tells why.
    #[serde(default)]
    pub left: u64,
    /// Tasks for which another one need not wait, by a person's word that holds now.
    #[serde(default)]
    pub orders_released: u64,
    /// Pauses in force.
    pub pauses: Vec<PauseView>,
    /// Write requests sent since start.
    pub writes_sent: u64,
    /// Read requests sent since start.
    pub reads_sent: u64,
    /// Of these, not on record yet: a report that is made later does not know of them.
    #[serde(default)]
    pub reads_not_on_record: u64,
    /// Since when.
    #[serde(default)]
    pub reads_on_record_to: Option<Timestamp>,
    /// Attempts without a settled end.
    pub attempts_open: u64,
    /// Where the store is.
    pub store: String,
    /// Set where it belongs to another server or login than the configured one: nothing of it is shown.
    #[serde(default)]
    pub store_foreign: bool,
    /// `ok`, or what is wrong with it.
    pub store_state: String,
    /// Set where it does not hold what was acknowledged, until a person has settled that.
    #[serde(default)]
    pub store_rewound: Option<RewoundView>,
    /// What was found or repaired when it was opened.
    #[serde(default)]
    pub store_notes: Vec<String>,
    /// Rows of the configuration and of the absence file that may not do what was meant.
    #[serde(default)]
    pub doubtful: Vec<String>,
    /// Records that were ever written into it.
    #[serde(default)]
    pub store_records: u64,
    /// What was noted of its head outside of it, by the daemon that runs.
    #[serde(default)]
    pub anchor: Option<AnchorView>,
    /// Which world it belongs to, and whether the server is that one.
    pub world: String,
    /// The absence file, where one is configured.
    #[serde(default)]
    pub absence_feed: Option<FeedView>,
    /// The intake of hints, where one is configured.
    #[serde(default)]
    pub intake: Option<IntakeView>,
    /// Tasks of the last reading by the road on which they were seen.
    #[serde(default)]
    pub roads: Vec<(Road, u64)>,
    /// Each login, the main one first.
    #[serde(default)]
    pub logins: Vec<LoginRow>,
    /// Open work that no policy wants to act on and nobody was asked about, as the last cycle has found it.
    #[serde(default)]
    pub left_alone: LeftAlone,
    /// Owners of rejected tasks that no login's list shows, as the last cycle has found them that read all lists.
    #[serde(default)]
    pub no_road: Vec<(String, u64)>,
    /// When that cycle read its lists; none where no cycle has read all of them since the start.
    #[serde(default)]
    pub no_road_at: Option<Timestamp>,
    /// What is wrong with the server's clock or its zone, where its dates say so.
    #[serde(default)]
    pub server_clock: Option<String>,
    /// What is known of others who act under this login, since the start.
    #[serde(default)]
    pub another: AnotherView,
    /// Definitions without a kind, with their counts.
    pub unmapped: Vec<(String, u64)>,
    /// Of these such as fit a pattern whose kind their own words contradict, and how.
    #[serde(default)]
    pub doubted: Vec<(String, String)>,
}

/// Why something is not done now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusalView {
    /// The named reason.
    pub reason: RefusalReason,
    /// The whole text with its values and time.
    pub text: String,
    /// When to look again.
    pub until: Option<Timestamp>,
    /// True where a person has to do something.
    pub needs_person: bool,
}

impl From<&Refusal> for RefusalView {
    fn from(refusal: &Refusal) -> Self {
        Self {
            reason: refusal.reason,
            text: refusal.to_string(),
            until: refusal.until,
            needs_person: refusal.needs_person,
        }
    }
}

/// Stands for what a task said, where it is in no list any more and no record kept it.
pub const NOT_SHOWN: &str = "not shown any more";

/// One item of the plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlanItem {
    /// OIG's id.
    pub task: TaskId,
    /// Our id of the piece of work; 0 where it is new and nothing was recorded.
    pub lineage: LineageId,
    /// The target, where shown.
    pub target: Option<TargetName>,
    /// What it does to access.
    pub kind: Kind,
    /// The definition's name.
    pub name: String,
    /// For whom.
    pub beneficiary: Option<Login>,
    /// Whose task it is.
    pub owner: String,
    /// Its status.
    pub status: String,
    /// The answer; `None` when no policy had an opinion.
    pub verdict: Option<Verdict>,
    /// The answer in words, e.g. `retry`, `reassign to user:X`, `leave: …`.
    pub verdict_text: String,
    /// Policy and line, e.g. `20-retry.rhai:14`.
    pub rule: Option<String>,
    /// Names and values that the rule read.
    pub read: Vec<(String, String)>,
    /// A fault of the script.
    pub fault: Option<String>,
    /// Why it is not done now; empty: it would be sent.
    pub refusals: Vec<RefusalView>,
    /// Earliest time at which it may be sent.
    pub due: Option<Timestamp>,
    /// When it is looked at again.
    pub relook: Option<Timestamp>,
}

/// The plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlanView {
    /// When the tasks were read.
    pub as_of: Timestamp,
    /// The main login.
    pub login: Login,
    /// Each login's list, the main one's first: on those that were read the answer rests.
    pub lists: Vec<ListView>,
    /// Tasks visible to those that were read.
    pub visible: u64,
    /// The mode in effect.
    pub mode: Mode,
    /// The policy set.
    pub policy_hash: PolicyHash,
    /// The items after the filter.
    pub items: Vec<PlanItem>,
    /// Items left out by the filter's limit.
    pub left_out: u64,
}

/// One task explained.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExplainView {
    /// True when read from the server now, false when from the record.
    pub live: bool,
    /// When the values were read or recorded.
    pub as_of: Timestamp,
    /// Each login's list, where the answer rests on lists: the main one's first.
    pub lists: Vec<ListView>,
    /// Decision and refusals.
    pub item: PlanItem,
    /// The policy set that decided.
    pub policy_hash: PolicyHash,
    /// The task's own fields that matter, in order.
    pub fields: Vec<(String, String)>,
    /// Facts that were had, with their times, and those that were not, with why.
    pub facts: Vec<(String, String)>,
    /// What was done before.
    pub attempts: Vec<AttemptView>,
    /// Where the work stands now, where the list does not show it: what is told above is of the past.
    #[serde(default)]
    pub standing: Option<String>,
}

/// What waits for a person, and whose view that is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InboxView {
    /// The logins that have lists, the main one first: what none of them is shown is in no item.
    pub logins: Vec<Login>,
    /// The items.
    pub items: Vec<InboxItem>,
    /// The first cycle since the start is under way, in words: what it will ask is in no item yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// That there is no store yet, and where: nothing is known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_store: Option<String>,
    /// No daemon runs: what only the cycles of a running one find is in no item.
    #[serde(default)]
    pub from_store: bool,
    /// Holds to which somebody has said no, and that no holds still: [`super::Request::Rejections`].
    #[serde(default)]
    pub rejected: u64,
}

/// One thing that waits for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InboxItem {
    /// What `approve` takes, and `reject` where it can be rejected.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// What sort: the refusal's reason, or `ask`, or `ambiguous`.
    pub why: String,
    /// The reason in full.
    pub text: String,
    /// The target, where it is about one.
    pub target: Option<TargetName>,
    /// The action, where it is about one.
    pub action: Option<ActionName>,
    /// The tasks it is about, at most 100 of them.
    pub tasks: Vec<TaskId>,
    /// How many tasks it is about; of an old backlog, all that `approve` releases.
    pub count: u64,
    /// True where `approve` releases it.
    pub can_approve: bool,
    /// True where `reject` says no to it.
    #[serde(default)]
    pub can_reject: bool,
}

/// One attempt in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Our id of the piece of work.
    pub lineage: LineageId,
    /// The n-th try.
    pub ordinal: u32,
    /// The id it was sent for.
    pub task: TaskId,
    /// The target, where known.
    pub target: Option<TargetName>,
    /// The definition's name, where known.
    pub name: Option<String>,
    /// What was done.
    pub action: ActionName,
    /// To whom, for a reassignment.
    pub to: Option<Principal>,
    /// Where it stands.
    pub state: AttemptState,
    /// When it was claimed.
    pub claimed: Timestamp,
    /// When it was settled.
    pub settled: Option<Timestamp>,
    /// OIG's reason or the evidence, in short.
    pub reason: Option<String>,
    /// The rule that wanted it.
    pub rule: Option<String>,
    /// The request that carried it, as in OIG's access log (`X-Request-ID`).
    #[serde(default)]
    pub batch: Option<String>,
    /// The login that claimed it, where it is on record.
    #[serde(default)]
    pub login: Option<Login>,
}

/// One attempt in a story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttemptView {
    /// The row of the list.
    pub row: OutcomeRow,
    /// The decision behind it: rule, values read, facts; empty where it is not on record any more.
    #[serde(default)]
    pub decided: Vec<String>,
    /// What was read afterwards, in order.
    pub evidence: Vec<String>,
}

/// One recorded event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventView {
    /// When.
    pub at: Timestamp,
    /// What sort.
    pub kind: String,
    /// What, one sentence.
    pub text: String,
    /// Who: `daemon`, `daemon as LOGIN` where the record says which one saw or acted, or `uid N`.
    pub actor: String,
    /// Of an answer: how long its whole request took, in milliseconds of wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Everything the store knows about one piece of work.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Story {
    /// Our id.
    pub lineage: LineageId,
    /// All of OIG's ids, oldest first.
    pub ids: Vec<TaskId>,
    /// The target, where known.
    pub target: Option<TargetName>,
    /// The definition's name, where known.
    pub name: Option<String>,
    /// For whom, where known.
    pub beneficiary: Option<Login>,
    /// Our first sight.
    pub first_seen: Timestamp,
    /// How it stands, one sentence.
    pub standing: String,
    /// The last decision, as recorded.
    pub decision: Option<PlanItem>,
    /// The attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Recorded events, oldest first.
    pub events: Vec<EventView>,
}
