//! Since when finished tasks are surely still shown, by what the accounts that were read lately show of others' work; pure, and what it doesn't know counts as archived.

use jiff::{SignedDuration, Timestamp};

use crate::model::{Task, TaskId, TaskStatus};

/// An account that is used so soon was made without delay. It is wrong by no more than that.
const SOON: SignedDuration = SignedDuration::from_hours(24);

/// What is known of tasks beside what they show.
pub struct Known<'a> {
    /// A list has shown it open.
    pub was_open: &'a dyn Fn(&TaskId) -> bool,
    /// It makes an account.
    pub is_create: &'a dyn Fn(&Task) -> bool,
}

/// The two earliest of some moments.
#[derive(Default)]
struct Earliest {
    first: Option<Timestamp>,
    second: Option<Timestamp>,
}

impl Earliest {
    fn add(&mut self, at: Timestamp) {
        if self.first.is_none_or(|known| at < known) {
            self.second = self.first.replace(at);
        } else if self.second.is_none_or(|known| at < known) {
            self.second = Some(at);
        }
    }
}

/// The moment from before which two of the accounts show what was completed. What counts is when a task came to its end:
/// one that has waited for long is shown although what was done meanwhile is archived. A single account is not enough.
/// What was given up or cancelled tells nothing, since servers may archive completed tasks alone.
pub fn horizon<'a>(
    accounts: impl Iterator<Item = &'a [Task]>,
    known: &Known<'_>,
) -> Option<Timestamp> {
    let mut all = Earliest::default();
    for tasks in accounts {
        if let Some(own) = shows_from(tasks, all.second, known) {
            all.add(own);
        }
    }
    all.second
}

/// From when on an account shows what was completed: since the earliest end that it shows. Where the server shows no
/// ends: since the first other task of an account was begun whose create is shown, for that had ended by then; or since
/// the second automated task was begun, of those that no list has shown open: such a task mostly ends as it begins, and
/// where it did not, and the rest is archived, it stands alone. Nothing that is not before `than` matters.
fn shows_from(tasks: &[Task], than: Option<Timestamp>, known: &Known<'_>) -> Option<Timestamp> {
    let (mut ended, mut begun) = (Earliest::default(), Earliest::default());
    let mut made = None;
    let matters = |at: &Timestamp| than.is_none_or(|than| *at < than);
    let done = tasks.iter();
    for task in done.filter(|task| task.status == TaskStatus::Completed) {
        if let Some(end) = task.ended.as_deref() {
            ended.add((*end).max(task.created.unwrap_or(*end)));
            continue;
        }
        let Some(at) = began(task).filter(matters) else {
            continue;
        };
        // one that a list has shown open has ended since
        if (known.was_open)(&task.id) {
            continue;
        }
        if (known.is_create)(task) {
            made = made.or_else(|| used_from(tasks, task, at));
        }
        begun.add(at);
    }
    let own = [ended.first, made, begun.second];
    own.into_iter().flatten().min().filter(matters)
}

/// By when a create had ended: as the first other task of its account was begun (whatever waits has not begun). Where
/// that was soon after, the create's own beginning stands for it.
fn used_from(tasks: &[Task], create: &Task, made: Timestamp) -> Option<Timestamp> {
    let others = tasks.iter().filter(|task| {
        task.id != create.id && !matches!(task.status, TaskStatus::Waiting | TaskStatus::Suspended)
    });
    let began = others.filter_map(|task| Some(task.created?.max(task.started?)));
    let used = began.filter(|at| *at > made).min()?;
    let soon = used.duration_since(made) <= SOON;
    Some(if soon { made } else { used })
}

/// When the last run of an automated task began. A person ends a manual one when he likes; one of which it is not shown
/// what it is, or when it was begun, may be like that.
fn began(task: &Task) -> Option<Timestamp> {
    let created = task.created.filter(|_| task.has_adapter == Some(true))?;
    Some(created.max(task.started?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i8) -> Timestamp {
        format!("2027-03-{day:02}T12:00:00Z")
            .parse()
            .expect("a time")
    }

    fn task(id: &str, status: TaskStatus, day: i8) -> Task {
        let mut task = Task::bare(TaskId::new(id), status);
        task.created = Some(at(day));
        task.started = task.created;
        task.has_adapter = Some(true);
        task
    }

    fn ended(id: &str, day: i8, end: i8) -> Task {
        let mut task = task(id, TaskStatus::Completed, day);
        task.ended = Some(Box::new(at(end)));
        task
    }

    fn of(accounts: &[&[Task]]) -> Option<Timestamp> {
        let known = Known {
            was_open: &|id| id.as_str() == "9",
            is_create: &|task| ["9", "30"].contains(&task.id.as_str()),
        };
        horizon(accounts.iter().copied(), &known)
    }

    #[test]
    fn two_accounts_have_to_show_two_completed_automated_tasks_each_that_no_list_has_shown() {
        use TaskStatus::{Cancelled, Completed, ManuallyCompleted, UnsuccessfullyCompleted};
        let one = [
            task("1", Completed, 3),
            task("2", Completed, 2),
            task("11", Completed, 1),
        ];
        assert_eq!(of(&[&one]), None);
        assert_eq!(of(&[&one, &one[..2]]), Some(at(3)));
        assert_eq!(of(&[&one[..2], &one, &one]), Some(at(2)));
        // one alone may be what has ended late, whatever else is archived
        assert_eq!(of(&[&one, &one[..1]]), None);
        let changed = |change: fn(&mut Task)| {
            let mut task = task("4", Completed, 1);
            change(&mut task);
            task
        };
        let late = changed(|task| task.started = Some(at(20)));
        assert_eq!(of(&[&one, &[late, one[0].clone()]]), Some(at(20)));
        let nothing = [
            changed(|task| task.has_adapter = Some(false)),
            changed(|task| task.has_adapter = None),
            changed(|task| task.created = None),
            changed(|task| task.started = None),
            task("9", Completed, 1),
            task("6", ManuallyCompleted, 1),
            task("7", UnsuccessfullyCompleted, 1),
            task("8", Cancelled, 1),
            task("10", TaskStatus::closed(), 1),
        ];
        for other in nothing {
            let with = [one[0].clone(), other];
            assert_eq!(of(&[&one, &with]), None, "{with:?}");
        }
    }

    #[test]
    fn where_ends_are_shown_the_earliest_end_tells_and_not_what_was_begun_long_ago() {
        let late = [ended("1", 1, 20)];
        assert_eq!(of(&[&late, &late]), Some(at(20)));
        let old = [ended("2", 1, 2), ended("1", 1, 20)];
        assert_eq!(of(&[&old, &late]), Some(at(20)));
        assert_eq!(of(&[&old, &old]), Some(at(2)));
        // it says when it has ended, whoever has ended it, and whether a list has shown it
        let mut manual = ended("9", 1, 3);
        manual.has_adapter = Some(false);
        assert_eq!(of(&[&old, &[manual]]), Some(at(3)));
        // an end from before the beginning is none
        assert_eq!(of(&[&old, &[ended("3", 5, 2)]]), Some(at(5)));
        let mixed = [ended("1", 1, 20), task("4", TaskStatus::Completed, 1)];
        assert_eq!(of(&[&old, &mixed]), Some(at(20)));
    }

    #[test]
    fn a_create_had_ended_when_the_first_other_task_of_its_account_began() {
        let create = || task("30", TaskStatus::Completed, 1);
        let other = |status, day| [create(), task("31", status, day)];
        let used = other(TaskStatus::Rejected, 5);
        assert_eq!(of(&[&used, &used]), Some(at(5)));
        assert_eq!(of(&[&used, &other(TaskStatus::Pending, 7)]), Some(at(7)));
        let soon = other(TaskStatus::Rejected, 2);
        assert_eq!(of(&[&soon, &soon]), Some(at(1)));
        let seen_open = [task("9", TaskStatus::Completed, 1), used[1].clone()];
        for nothing in [
            seen_open.to_vec(),
            vec![create()],
            other(TaskStatus::Waiting, 5).to_vec(),
            other(TaskStatus::Rejected, 1).to_vec(),
        ] {
            assert_eq!(of(&[&used, &nothing]), None, "{nothing:?}");
        }
    }
}
