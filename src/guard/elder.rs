//! How old the work of a task may be that was retried before we first saw it: a retry leaves the old instance closed and makes a new one that is dated by the retry; pure, it may only make work older and never younger.

use jiff::Timestamp;

use crate::model::{Kind, Task, TaskId, TaskStatus};

use super::input::row_of;

/// Since when there is work, and the number of the task that was its first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// Creation of that task.
    pub at: Timestamp,
    /// Its number.
    pub first: Option<u64>,
}

/// What its account shows of a task's work from before the task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Elder {
    /// The oldest that it may have replaced: what gives access counts from then.
    pub may: Option<Since>,
    /// The oldest of those right before it, with none of the same that was done in between: what takes access counts
    /// from then.
    pub likely: Option<Since>,
    /// It has replaced one whose date nothing tells: it may be older than anything.
    pub lost: bool,
}

/// A task, and what it does.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The task.
    pub task: &'a Task,
    /// By the kinds table.
    pub kind: Kind,
    /// Since when its work is known.
    pub since: Option<Timestamp>,
}

/// What is known of tasks beside what they show.
pub struct Around<'a> {
    /// It stands in the list by itself, or the ledger knows it as other work.
    pub other_work: &'a dyn Fn(&TaskId) -> bool,
    /// The ledger knows it as an earlier id of this very work.
    pub same_work: &'a dyn Fn(&TaskId) -> bool,
    /// What a task does.
    pub kind: &'a dyn Fn(&Task) -> Kind,
}

/// The elders of a task among all that its account shows.
pub fn elder(of: Of<'_>, shown: &[Task], around: &Around<'_>) -> Elder {
    let mut out = Elder::default();
    let Some(since) = of.since.or(of.task.created) else {
        return out;
    };
    let linked = of.task.retry_of.as_ref();
    let linked = linked.filter(|id| !(around.same_work)(id));
    out.lost = linked.is_some_and(|id| {
        let found = shown.iter().find(|other| other.id == *id);
        found.is_none_or(|other| other.created.is_none())
    });
    let mut before: Vec<(Timestamp, &Task)> = shown
        .iter()
        .filter(|other| other.id != of.task.id && same(of, other, around))
        .filter_map(|other| Some((other.created?, other)))
        .filter(|(at, other)| *at < since || (*at == since && is_before(other, of.task)))
        .collect();
    before.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| y.id.cmp_numeric(&x.id)));
    let mut together = true;
    for (at, other) in before {
        together &= !other.status.may_be_done();
        let named = linked == Some(&other.id);
        if !named && (!may_have_been_retried(other) || (around.other_work)(&other.id)) {
            continue;
        }
        let first = Some(Since {
            at,
            first: other.id.number(),
        });
        out.may = first;
        if named || (together && other.status == TaskStatus::UnsuccessfullyCompleted) {
            out.likely = first;
        }
    }
    out
}

/// What a retry leaves is UC by the documentation; a server of its own mind may leave it otherwise, but not as done.
fn may_have_been_retried(task: &Task) -> bool {
    // closed, and nobody can tell how
    task.status.is_closed()
        || matches!(
            task.status,
            TaskStatus::UnsuccessfullyCompleted | TaskStatus::Cancelled | TaskStatus::Rejected
        )
}

fn is_before(a: &Task, b: &Task) -> bool {
    match (a.id.number(), b.id.number()) {
        (Some(a), Some(b)) => a < b,
        _ => true,
    }
}

/// The same definition, person and row, where shown.
fn same(of: Of<'_>, other: &Task, around: &Around<'_>) -> bool {
    let own = of.task;
    let definition = match (&own.definition_key, &other.definition_key) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => match (&own.definition_name, &other.definition_name) {
            (Some(ours), Some(theirs)) => ours.trim().eq_ignore_ascii_case(theirs.trim()),
            _ => false,
        },
    };
    let person = match (&own.beneficiary, &other.beneficiary) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    let row = |task| match (row_of(of.kind, own), row_of(of.kind, task)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    definition && person && row(other) && (around.kind)(other) == of.kind
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        "2027-03-01T00:00:00Z".parse::<Timestamp>().expect("a time")
            + jiff::SignedDuration::from_hours(hour)
    }

    fn task(id: &str, hour: i64, status: TaskStatus, row: Option<&str>) -> Task {
        let mut task = Task::bare(TaskId::new(id), status);
        task.definition_name = Some(Arc::from("Add User to Group"));
        task.created = Some(at(hour));
        task.child = row.map(Arc::from);
        task
    }

    fn of(own: &Task, shown: &[Task], known: &[&str]) -> Elder {
        let around = Around {
            other_work: &|id| known.contains(&id.as_str()),
            same_work: &|_| false,
            kind: &|_| Kind::Grant,
        };
        let of = Of {
            task: own,
            kind: Kind::Grant,
            since: None,
        };
        elder(of, shown, &around)
    }

    #[test]
    fn work_is_as_old_as_the_oldest_closed_task_that_it_may_have_replaced() {
        use TaskStatus::{Completed, Rejected, UnsuccessfullyCompleted as Uc};
        let own = task("90", 50, Rejected, Some("a"));
        let since = |hour, number| {
            Some(Since {
                at: at(hour),
                first: Some(number),
            })
        };
        let shown = [
            own.clone(),
            task("10", 10, Uc, Some("a")),
            task("11", 11, Uc, Some("b")),
            task("20", 20, Completed, None),
            task("30", 30, Uc, None),
            task("95", 60, Uc, Some("a")),
        ];
        let elder = of(&own, &shown, &[]);
        assert_eq!((elder.may, elder.likely), (since(10, 10), since(30, 30)));
        // what is known as other work is none of this
        assert_eq!(of(&own, &shown, &["10", "30"]), Elder::default());
    }

    #[test]
    fn a_row_that_names_a_task_of_which_nothing_is_known_may_be_older_than_anything() {
        let mut own = task("90", 50, TaskStatus::Rejected, None);
        own.retry_of = Some(TaskId::new("40"));
        assert!(of(&own, &[], &[]).lost);
        let named = task("40", 40, TaskStatus::Completed, None);
        let elder = of(&own, &[named], &["40"]);
        assert!(!elder.lost && elder.may.is_some() && elder.likely.is_some());
    }
}
