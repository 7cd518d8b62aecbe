//! What one day brought, for a person who was not there: gathered elsewhere, put into words here; it counts nothing as success that was not read back.

mod html;
mod markdown;
mod parts;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::seers::all_of;
use crate::model::{
    ActionName, AttemptState, LeftAlone, Login, Mode, NotRead, PolicyHash, RefusalReason,
    TargetName, TaskId,
};

pub use html::html;
pub use markdown::{BEGINS as MARKDOWN_BEGINS, markdown};
pub use text::text;

/// The form of the JSON report.
pub const SCHEMA: u32 = 1;
/// Tasks that a row names at most.
pub const NAMED: usize = 5;
/// Lines of orders that are shown in text, Markdown and HTML; JSON has all.
const ORDERS_SHOWN: usize = 50;

/// The report of a span of time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Daily {
    /// [`SCHEMA`].
    pub schema: u32,
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
    /// The store, by its id.
    pub store: String,
    /// Server and login that the store belongs to, where it is bound.
    pub world: Option<String>,
    /// The logins whose sightings, decisions and claims are told, the store's own first.
    pub logins: Vec<Login>,
    /// The server and login that the configuration names, where they are others than the store's.
    pub configured: Option<String>,
    /// Mode and policy set at the end of the span, as the journal says; a configured mode that was never
    /// changed by an order or a start is not on record.
    pub mode: Option<Mode>,
    /// The policy set in force then.
    pub policy: Option<PolicyHash>,
    /// Whether a person had released it.
    pub policy_released: bool,
    /// Attempts that were claimed in the span, with what has become of them by its end.
    pub attempts: Vec<AttemptsRow>,
    /// Retries that were read as completed in the span, whenever they were sent.
    pub healed: Healed,
    /// Retries of OIG's own job or of an admin that were seen in the span.
    pub by_others: u64,
    /// Pieces of work that left the lists in the span, without an attempt that tells why.
    pub left_lists: u64,
    /// What was put into the hands of a person in the span, and is there still at its end.
    pub given_up: Vec<WaitingRow>,
    /// What would have been done but for the mode, the release of the policy set or the old backlog.
    pub would_have: Vec<WouldRow>,
    /// What people ordered.
    pub orders: Vec<OrderLine>,
    /// Lines for notes of tasks.
    pub notes: NotesRow,
    /// Requests.
    pub requests: RequestsRow,
    /// How it stands now, where that could be asked.
    pub now: Option<Now>,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Records of the span whose times are not in the order in which they were written: the clock was set.
    pub out_of_order: u64,
    /// Records that were written before the end of the span and bear a later time; their state is told, and
    /// they are not counted.
    pub ahead: u64,
}

/// Attempts of one action on one target.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct AttemptsRow {
    /// The target.
    pub target: TargetName,
    /// The action.
    pub action: ActionName,
    /// All of them.
    pub attempts: u64,
    /// By where they stood at the end of the span.
    pub states: BTreeMap<AttemptState, u64>,
}

/// Retried tasks that were read as completed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Healed {
    /// How many pieces of work.
    pub tasks: u64,
    /// By target.
    pub by_target: BTreeMap<TargetName, u64>,
    /// By how many attempts they took.
    pub by_attempts: BTreeMap<u32, u64>,
    /// Of them: what was read was made long after the retry and names no task, so that it may be somebody else's.
    pub doubtful: u64,
}

impl Healed {
    /// What is to be said of those in doubt.
    fn doubt(&self) -> Option<String> {
        let tell = |many: u64| {
            format!(
                "{many} of them made long after the retry and naming no task: may be somebody else's, see `provtaskd outcomes list`"
            )
        };
        (self.doubtful > 0).then(|| tell(self.doubtful))
    }
}

/// Work that is not done, for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WaitingRow {
    /// The target; `None` for tasks that show none.
    pub target: Option<TargetName>,
    /// The reason: a refusal's, or `ask`, or `policy_failed`.
    pub reason: Arc<str>,
    /// How many.
    pub tasks: u64,
    /// The first few.
    pub named: Vec<TaskId>,
}

/// Acts that a policy wanted and that were not allowed, with what happened to their tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WouldRow {
    /// The target.
    pub target: Option<TargetName>,
    /// The action.
    pub action: ActionName,
    /// What held it back: `mode_observe`, `policy_not_released`, `not_probed`, `baseline`.
    pub held_by: RefusalReason,
    /// How many tasks.
    pub tasks: u64,
    /// Of these: somebody retried or finished them in the span.
    pub done_by_others: u64,
    /// Of these: we acted in the span after all.
    pub done_by_us: u64,
    /// Of these: we have sent them, and nothing tells yet what became of that.
    pub under_way: u64,
    /// Of these: in no list any more at the end of the span, and nothing tells why.
    pub left_lists: u64,
    /// The rest: still as they were.
    pub left: u64,
    /// The first few that are still as they were.
    pub named: Vec<TaskId>,
}

/// An order of a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrderLine {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What sort, as `audit export` names it.
    pub event: String,
    /// What it was about, the first few; empty where it holds for everything.
    pub about: Vec<String>,
    /// What it did.
    pub what: String,
    /// The person's words.
    pub why: String,
    /// Pieces of work that it was about, where the journal names each.
    pub works: u64,
}

impl OrderLine {
    /// True where both are rows of one order, about one piece of work each.
    pub fn is_of_one_order_with(&self, other: &Self) -> bool {
        (self.at, &self.event, &self.who) == (other.at, &other.event, &other.who)
            && self.what == other.what
            && self.why == other.why
    }
}

/// Lines that were added to tasks' notes in the span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct NotesRow {
    /// Claimed.
    pub claimed: u64,
    /// Read back.
    pub seen: u64,
}

/// Requests to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RequestsRow {
    /// Requests to write that were claimed in the span; each is in the journal.
    pub writes: u64,
    /// Requests to read, with those to log in; `None` where none is on record.
    pub reads: Option<u64>,
    /// They were sent after this time. The journal counts them by the hour: it may lie before the span.
    pub reads_from: Option<Timestamp>,
    /// And up to this one; what came later is not known.
    pub reads_to: Option<Timestamp>,
}

impl RequestsRow {
    /// Takes in what was read in a part of the span.
    pub fn add_reads(&mut self, from: Timestamp, to: Timestamp, reads: u64) {
        *self.reads.get_or_insert(0) += reads;
        self.reads_from = Some(self.reads_from.map_or(from, |have| have.min(from)));
        self.reads_to = Some(self.reads_to.map_or(to, |have| have.max(to)));
    }
}

/// How it stands when the report is made.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Now {
    /// When it was asked.
    pub at: Timestamp,
    /// Tasks visible to these logins at the last whole reading; not "existing".
    pub visible: Option<u64>,
    /// False where pages have moved while they were read, so that some may be missing in that number.
    pub visible_whole: Option<bool>,
    /// As of when.
    pub visible_as_of: Option<Timestamp>,
    /// Logins that have lists; these are read one after the other.
    pub logins: Vec<Login>,
    /// Logins whose lists the last cycle did not read: they are neither in `visible` nor in `waiting`.
    pub not_read: Vec<NotRead>,
    /// What is not done, by reason, as the last cycle has found it.
    pub waiting: Vec<(RefusalReason, u64)>,
    /// What no policy wants to act on and nobody was asked about, by the same cycle.
    pub left_alone: LeftAlone,
    /// When that cycle ended; the other figures are of `at`.
    pub waiting_as_of: Option<Timestamp>,
    /// Attempts whose end is open.
    pub attempts_open: u64,
    /// What waits for a person: sort, and how many tasks.
    pub inbox: Vec<(String, u64)>,
    /// Why nothing is sent, where that is so.
    pub mode_why: Vec<String>,
    /// Errors of the last cycle.
    pub last_error: Option<String>,
}

impl Now {
    /// What the last list showed, of which moment, and what it does not count.
    fn visible_words(&self) -> Vec<String> {
        let (Some(visible), Some(at)) = (self.visible, self.visible_as_of) else {
            return vec!["the list was not read yet".to_owned()];
        };
        let whose = all_of(&self.logins);
        let counted = counted(visible, "task", "tasks");
        let mut words = vec![format!(
            "{counted} visible to {whose}, as of {}{}",
            second(at),
            match self.visible_whole {
                Some(false) =>
                    "; pages moved while they were read: some may be missing in this number",
                _ => "",
            }
        )];
        words.extend(self.left_alone.words());
        words.extend(self.not_counted());
        words
    }

    /// Of whose tasks nothing is known by the last cycle.
    fn not_counted(&self) -> impl Iterator<Item = String> {
        self.not_read
            .iter()
            .map(|of| format!("NOT COUNTED, because the last cycle did not read it: {of}"))
    }

    /// The moment of what is not done: not the one of the rest.
    fn waiting_head(&self) -> String {
        match self.waiting_as_of {
            Some(at) => format!("Not done, as the cycle of {} found it", second(at)),
            None => "Not done".to_owned(),
        }
    }
}

impl Daily {
    /// The line that says first what matters most.
    pub fn headline(&self) -> String {
        let sent: u64 = self.attempts.iter().map(|row| row.attempts).sum();
        let given_up: u64 = self.given_up.iter().map(|row| row.tasks).sum();
        let unknown = self.open_ends();
        let mut words = vec![
            counted(sent, "attempt", "attempts"),
            format!(
                "{} read as done after a retry",
                counted(self.healed.tasks, "task", "tasks")
            ),
        ];
        if unknown > 0 {
            words.push(format!(
                "{} with an open end",
                counted(unknown, "attempt", "attempts")
            ));
        }
        words.push(format!(
            "{} left to people",
            counted(given_up, "task", "tasks")
        ));
        words.join(", ")
    }

    /// The subject of a mail: which server, what matters most, the span; it names nobody.
    pub fn subject(&self) -> String {
        let world = self.world.as_deref().unwrap_or("no server yet");
        // the login is in the report
        let origin = world.split_once(" as ").map_or(world, |(origin, _)| origin);
        let server = origin.split_once("://").map_or(origin, |(_, host)| host);
        let mut words = vec![match &self.now {
            Some(now) => {
                let many: u64 = now.inbox.iter().map(|(_, many)| many).sum();
                let verb = if many == 1 { "waits" } else { "wait" };
                format!("{many} {verb} for a person")
            }
            None => {
                let many: u64 = self.given_up.iter().map(|row| row.tasks).sum();
                format!("{many} left to people")
            }
        }];
        words.push(format!("{} healed", self.healed.tasks));
        if self.open_ends() > 0 {
            words.push(format!("{} with an open end", self.open_ends()));
        }
        let stands = self.now.as_ref().map(|now| now.last_error.is_some());
        if stands == Some(true) {
            words.push("the last cycle failed".to_owned());
        }
        format!(
            "provtaskd {server}: {}; {} to {}",
            words.join(", "),
            moment(self.from),
            moment(self.to)
        )
    }

    /// Attempts of the span of which it is not known what became of them.
    pub fn open_ends(&self) -> u64 {
        let open =
            |(state, _): &(&AttemptState, &u64)| state.is_open() || **state == AttemptState::Gone;
        let rows = self.attempts.iter();
        rows.flat_map(|row| row.states.iter().filter(open).map(|(_, n)| *n))
            .sum()
    }

    /// What this report does not cover, in sentences.
    pub fn limits(&self) -> Vec<String> {
        let mut out = vec![match &self.world {
            Some(world) => {
                let (origin, own) = world.split_once(" as ").unwrap_or((world, ""));
                let (whose, many) = match &self.logins[..] {
                    [] => (own.to_owned(), false),
                    logins => (all_of(logins), logins.len() > 1),
                };
                let (were, theirs) = match many {
                    true => ("were", "their lists do"),
                    false => ("was", "its list does"),
                };
                format!(
                    "Everything here is what {whose} {were} shown by {origin} and did: what {theirs} not show is not counted."
                )
            }
            None => "By then the store belonged to no server.".to_owned(),
        }];
        if let Some(configured) = &self.configured {
            out.push(format!(
                "The configuration names another server or login, {configured}: nothing of it is in this report."
            ));
        }
        if self.now.is_none() {
            out.push("How it stands now could not be asked: no daemon runs.".to_owned());
        }
        if self.unreadable > 0 {
            out.push(format!(
                "{} of the journal could not be read and {} missing here; `provtaskd store check` names them.",
                counted(self.unreadable, "record", "records"),
                if self.unreadable == 1 { "is" } else { "are" }
            ));
        }
        if self.out_of_order > 0 || self.ahead > 0 {
            out.push(format!(
                "The clock of the daemon's machine was set: records of this span that lie out of order in time: {}; records from before its end with a later time: {}. All of them are applied to the states that are told here; only what bears a time of the span is counted as its own.",
                self.out_of_order, self.ahead,
            ));
        }
        out
    }
}

/// A number with its noun.
pub(crate) fn counted(many: u64, one: &str, more: &str) -> String {
    format!("{many} {}", if many == 1 { one } else { more })
}

/// A moment to the minute, in UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// A moment to the second, in UTC, where it matters which of two came first.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn names(tasks: &[TaskId], all: u64) -> String {
    let shown: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    let more = all.saturating_sub(u64::try_from(tasks.len()).unwrap_or(u64::MAX));
    match (shown.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => shown.join(" "),
        (false, more) => format!("{} and {more} more", shown.join(" ")),
    }
}

fn target(of: Option<&TargetName>) -> &str {
    of.map_or("-", TargetName::as_str)
}

/// What an order was about, with the number of tasks where it names many.
fn order_about(order: &OrderLine) -> String {
    let shown = u64::try_from(order.about.len()).unwrap_or(u64::MAX);
    match order.works.saturating_sub(shown) {
        more if more > 0 && shown > 0 => {
            format!(
                "{} and {more} more ({} tasks)",
                order.about.join("; "),
                order.works
            )
        }
        _ => order.about.join("; "),
    }
}

fn requests(day: &Daily) -> String {
    let writes = counted(day.requests.writes, "request to write", "requests to write");
    let of = &day.requests;
    match (of.reads, of.reads_from, of.reads_to) {
        (Some(reads), Some(from), Some(to)) => format!(
            "{writes}; {}, counted from {} to {}",
            counted(reads, "request to read", "requests to read"),
            moment(from),
            moment(to)
        ),
        _ => format!("{writes}; how many to read is not on record"),
    }
}

fn states(row: &AttemptsRow) -> String {
    let words: Vec<String> = row
        .states
        .iter()
        .filter(|(_, many)| **many > 0)
        .map(|(state, many)| format!("{many} {}", state.as_str().replace('_', " ")))
        .collect();
    words.join(", ")
}
