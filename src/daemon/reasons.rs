//! Why tasks failed, where a list shows no reason of any: the single tasks are read for it, so many in a cycle, what takes access and the oldest first; what was not read stays unknown, and nothing here decides what follows.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::account::RowState;
use super::evaluate::{Bench, CycleError};
use crate::dispatch::verify::{IN_A_ROW, of_the_server};
use crate::model::hash::{FastMap, FastSet};
use crate::model::task::Wide;
use crate::model::{Kind, Snapshot, Task, TaskId, TaskStatus};
use crate::oig::Client;

/// Tasks that are read in a cycle at most; fewer where that is more than a quarter of the read budget.
const AT_ONCE: u32 = 100;
/// Reasons that are kept; the one that was read first goes first.
const KEPT: usize = 50_000;
/// A task that showed none, or an answer that is as old as this, is read again in its turn.
const NONE_FOR: SignedDuration = SignedDuration::from_hours(1);
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What was read of single tasks, over all cycles; questions that come between know it too.
#[derive(Clone, Debug, Default)]
pub struct Reasons(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    read: FastMap<TaskId, Told>,
    /// What could not be read when it was last tried, and why: it is behind all others.
    failed: FastMap<TaskId, String>,
    /// The log has said that no list shows reasons.
    said: bool,
}

#[derive(Clone, Debug)]
struct Told {
    /// Of what the row showed, and of which attempt.
    of: u64,
    reason: Option<Arc<str>>,
    at: Timestamp,
}

impl Told {
    fn is_old(&self, now: Timestamp) -> bool {
        let good_for = match self.reason {
            Some(_) => KEPT_FOR,
            None => NONE_FOR,
        };
        now.duration_since(self.at) >= good_for
    }
}

/// What a cycle knows of reasons that no list shows.
#[derive(Debug, Default)]
pub struct Unlisted {
    /// No list shows any reason.
    none_listed: bool,
    /// Rows whose task was read, and showed none.
    none_read: FastSet<usize>,
    /// Rows whose task could not be read just now.
    failed: FastMap<usize, String>,
    /// How many are read in a cycle.
    limit: usize,
}

impl Unlisted {
    /// True where decisions rest on what was read beside the list.
    pub fn is_any(&self) -> bool {
        self.none_listed
    }

    /// Why nothing is known of a row's failure, for people.
    pub fn why(&self, row: usize, task: &Task) -> Option<String> {
        if !self.none_listed || !wants(task) {
            return None;
        }
        Some(if let Some(error) = self.failed.get(&row) {
            format!("the list shows no reason, and its task could not be read for it: {error}")
        } else if self.none_read.contains(&row) {
            "the list shows no reason, and its task, read by itself, none either".to_owned()
        } else {
            format!(
                "the list shows no reason; its task is read by itself in its turn, {} in a cycle at most",
                self.limit
            )
        })
    }
}

/// A failed task that gives no reason.
fn wants(task: &Task) -> bool {
    task.status == TaskStatus::Rejected && is_blank(task)
}

fn is_blank(task: &Task) -> bool {
    task.reason.as_deref().is_none_or(|of| of.trim().is_empty())
}

/// True where failed tasks are listed, and none of them with its reason: where some have one, who has none has none.
fn lists_none(snapshot: &Snapshot, listed: usize) -> bool {
    let is_failed = |task: &&Task| task.status == TaskStatus::Rejected;
    let failed = || snapshot.tasks.iter().take(listed).filter(is_failed);
    failed().next().is_some() && failed().all(is_blank)
}

/// What an answer is about: another attempt, or a row that shows another run, asks for another one.
fn of(task: &Task, attempts: u64) -> u64 {
    let mut hash = Wide::default();
    let started = task.started.map_or(0, Timestamp::as_millisecond);
    hash.text(&format!("{} {started} {attempts}", task.version()));
    hash.finish()
}

/// How many tasks are read in a cycle.
fn limit(reads_per_minute: u32) -> usize {
    usize::try_from((reads_per_minute / 4).clamp(2, AT_ONCE)).unwrap_or(2)
}

/// The order in which they are read.
fn place(kind: Kind, task: &Task) -> (bool, Timestamp, TaskId) {
    let gives = !matches!(kind, Kind::Revoke | Kind::Disable);
    let at = task.created.unwrap_or(Timestamp::MAX);
    (gives, at, task.id.clone())
}

/// Gives rows the reasons that their tasks were read with, and reads more. `rows` are those of which something may be
/// decided, `listed` of all come from lists.
///
/// # Errors
/// Only a stopped main login.
pub async fn read(
    bench: &Bench,
    snapshot: &mut Snapshot,
    (kinds, states): (&[Kind], &[Option<RowState>]),
    rows: &[usize],
    listed: usize,
) -> Result<Unlisted, CycleError> {
    let mut out = Unlisted {
        none_listed: lists_none(snapshot, listed),
        limit: limit(bench.settings.server.reads_per_minute),
        ..Unlisted::default()
    };
    let now = bench.clock.now();
    bench.reasons.begin(bench, snapshot, out.none_listed);
    if !out.none_listed {
        return Ok(out);
    }
    let mut wanted: Vec<(usize, u64)> = Vec::new();
    for row in rows.iter().copied() {
        let (task, Some(state)) = (&snapshot.tasks[row], states[row]) else {
            continue;
        };
        if !wants(task) {
            continue;
        }
        let attempts = bench
            .ledger
            .read(|index| index.attempts_print(state.lineage));
        let of = of(task, attempts);
        if let Some(why) = bench.reasons.why_not(&task.id) {
            out.failed.insert(row, why);
        }
        match bench.reasons.told(&task.id, of) {
            Some(told) => {
                if told.is_old(now) {
                    wanted.push((row, of));
                }
                out.take(snapshot, row, told.reason);
            }
            None => wanted.push((row, of)),
        }
    }
    // a survey reads what it needs by itself
    if bench.ahead {
        return Ok(out);
    }
    wanted.sort_by_cached_key(|(row, _)| {
        let in_vain = out.failed.contains_key(row);
        (in_vain, place(kinds[*row], &snapshot.tasks[*row]))
    });
    let mut in_a_row = 0;
    for (row, of) in wanted.into_iter().take(out.limit) {
        let id = snapshot.tasks[row].id.clone();
        let further = snapshot.further(row).cloned();
        let client: &Client = match &further {
            Some(login) => bench.logins.of(login).unwrap_or(&bench.client),
            None => &bench.client,
        };
        match client.task(&id).await {
            Ok(task) => {
                in_a_row = 0;
                // one that has moved is told by the next list
                let failed = task.filter(|task| task.status == TaskStatus::Rejected);
                let reason = failed.filter(|task| !is_blank(task));
                let reason = reason.and_then(|task| task.reason);
                bench.reasons.keep(id, of, reason.clone(), now);
                out.failed.remove(&row);
                out.take(snapshot, row, reason);
            }
            Err(error) if error.is_login() && further.is_none() => return Err(error.into()),
            Err(error) => {
                bench.reasons.in_vain(id, error.to_string());
                out.failed.insert(row, error.to_string());
                in_a_row += 1;
                if of_the_server(&error) || in_a_row >= IN_A_ROW {
                    break;
                }
            }
        }
    }
    Ok(out)
}

impl Unlisted {
    fn take(&mut self, snapshot: &mut Snapshot, row: usize, reason: Option<Arc<str>>) {
        match reason {
            Some(_) => {
                self.none_read.remove(&row);
                snapshot.tasks[row].reason = reason;
            }
            None => {
                self.none_read.insert(row);
            }
        }
    }
}

impl Reasons {
    /// A list was read: what it shows no more is forgotten, and a change of what it shows is said.
    fn begin(&self, bench: &Bench, snapshot: &Snapshot, none_listed: bool) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bench.whole || bench.ahead || !snapshot.complete {
            return;
        }
        if none_listed && !book.said {
            tracing::warn!(
                at_once = limit(bench.settings.server.reads_per_minute),
                "the list shows no reason of any failed task: each is read by itself for it, so many in a cycle; until then policies know no class of its failure"
            );
        }
        book.said = none_listed;
        if !book.read.is_empty() || !book.failed.is_empty() {
            let shown: FastSet<&TaskId> = snapshot.tasks.iter().map(|task| &task.id).collect();
            // a list that was not read may show them
            if snapshot.has_all() {
                book.read.retain(|id, _| shown.contains(id));
                book.failed.retain(|id, _| shown.contains(id));
            }
        }
    }

    fn told(&self, id: &TaskId, of: u64) -> Option<Told> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.read.get(id).filter(|told| told.of == of).cloned()
    }

    fn why_not(&self, id: &TaskId) -> Option<String> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.failed.get(id).cloned()
    }

    fn in_vain(&self, id: TaskId, why: String) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.failed.len() < KEPT {
            book.failed.insert(id, why);
        }
    }

    fn keep(&self, id: TaskId, of: u64, reason: Option<Arc<str>>, at: Timestamp) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.read.len() >= KEPT && !book.read.contains_key(&id) {
            let first = book.read.iter().min_by_key(|(_, told)| told.at);
            if let Some(first) = first.map(|(id, _)| id.clone()) {
                book.read.remove(&first);
            }
        }
        book.failed.remove(&id);
        book.read.insert(id, Told { of, reason, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Login;

    fn task(id: &str, status: TaskStatus, reason: Option<&str>) -> Task {
        let mut task = Task::bare(TaskId::new(id), status);
        task.reason = reason.map(Arc::from);
        task
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).expect("a time")
    }

    fn list(tasks: Vec<Task>) -> Snapshot {
        Snapshot {
            taken_at: at(0),
            tasks,
            complete: true,
            stable: true,
            login: Login::new("ME"),
            seers: None,
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        }
    }

    #[test]
    fn one_reason_in_the_list_is_enough_and_what_has_not_failed_needs_none() {
        let failed = |id, reason| task(id, TaskStatus::Rejected, reason);
        let pending = || task("9", TaskStatus::Pending, None);
        for (tasks, listed, none) in [
            (vec![], 0, false),
            (vec![pending()], 1, false),
            (
                vec![failed("1", None), failed("2", Some(" ")), pending()],
                3,
                true,
            ),
            (
                vec![failed("1", None), failed("2", Some("timed out"))],
                2,
                false,
            ),
            // the second one was read by its id
            (
                vec![failed("1", None), failed("2", Some("timed out"))],
                1,
                true,
            ),
        ] {
            let tasks = list(tasks);
            assert_eq!(lists_none(&tasks, listed), none, "{tasks:?}");
        }
    }

    #[test]
    fn what_takes_access_and_what_is_old_is_read_first_and_the_budget_holds() {
        let mut tasks = Vec::new();
        for (id, kind, created) in [
            ("1", Kind::Grant, Some(at(1))),
            ("2", Kind::Revoke, None),
            ("3", Kind::Create, Some(at(0))),
            ("4", Kind::Disable, Some(at(9))),
        ] {
            let mut one = task(id, TaskStatus::Rejected, None);
            one.created = created;
            tasks.push(place(kind, &one));
        }
        tasks.sort();
        let order: Vec<String> = tasks.iter().map(|(.., id)| id.to_string()).collect();
        assert_eq!(order, ["4", "2", "3", "1"]);
        assert_eq!([4, 40, 600, 60_000].map(limit), [2, 10, 100, 100]);
    }

    #[test]
    fn an_answer_holds_for_the_run_that_it_was_read_of() {
        let reasons = Reasons::default();
        let one = task("7", TaskStatus::Rejected, None);
        let run = of(&one, 0);
        reasons.keep(one.id.clone(), run, Some(Arc::from("timed out")), at(0));
        let told = reasons.told(&one.id, run).expect("known");
        assert_eq!(told.reason.as_deref(), Some("timed out"));
        assert!(!told.is_old(at(3600)) && told.is_old(at(24 * 3600)));
        let mut later = one.clone();
        later.started = Some(at(5));
        for other in [of(&one, 1), of(&later, 0)] {
            assert!(reasons.told(&one.id, other).is_none());
        }
        reasons.keep(one.id.clone(), run, None, at(0));
        let told = reasons.told(&one.id, run).expect("known");
        assert!(told.reason.is_none() && told.is_old(at(3600)));
    }

    #[test]
    fn people_are_told_why_nothing_is_known() {
        let row = task("7", TaskStatus::Rejected, None);
        let mut told = Unlisted {
            none_listed: true,
            limit: 100,
            ..Unlisted::default()
        };
        let words = told.why(0, &row).expect("it waits");
        assert!(words.contains("in its turn, 100 in a cycle"), "{words}");
        told.none_read.insert(0);
        let words = told.why(0, &row).expect("none");
        assert!(words.contains("none either"), "{words}");
        told.failed.insert(0, "403".to_owned());
        let words = told.why(0, &row).expect("unread");
        assert!(words.ends_with("could not be read for it: 403"), "{words}");
        let known = task("7", TaskStatus::Rejected, Some("timed out"));
        assert_eq!(told.why(0, &known), None);
        assert_eq!(Unlisted::default().why(0, &row), None);
    }
}
