//! Since when finished tasks are surely still shown, by what the accounts that were read lately show of others' work; pure, and what it doesn't know counts as archived.

use jiff::Timestamp;

use crate::model::{Task, TaskId, TaskStatus};

/// The moment from before which two of the accounts show a completed task. No date says when a task was finished, and one
/// that has waited for long, or that a person has ended, is shown although what was done meanwhile is archived: so a
/// manual one does not count, nor one that a list has shown open, and a single account is not enough. What was given
/// up or cancelled tells nothing either, since servers may archive completed tasks alone.
pub fn horizon<'a>(
    accounts: impl Iterator<Item = &'a [Task]>,
    was_open: &dyn Fn(&TaskId) -> bool,
) -> Option<Timestamp> {
    let (mut first, mut second): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for tasks in accounts {
        let own = tasks
            .iter()
            .filter_map(|task| Some((began(task)?, task)))
            .filter(|(at, _)| second.is_none_or(|known| *at < known))
            .filter(|(_, task)| !was_open(&task.id))
            .map(|(at, _)| at)
            .min();
        let Some(own) = own else {
            continue;
        };
        if first.is_none_or(|known| own < known) {
            second = first.replace(own);
        } else {
            second = Some(own);
        }
    }
    second
}

/// When the last run of a completed automated task began.
fn began(task: &Task) -> Option<Timestamp> {
    let automated = task.has_adapter != Some(false);
    let done = task.status == TaskStatus::Completed;
    let created = task.created.filter(|_| automated && done)?;
    Some(created.max(task.started.unwrap_or(created)))
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
        task
    }

    fn of(accounts: &[&[Task]]) -> Option<Timestamp> {
        horizon(accounts.iter().copied(), &|id| id.as_str() == "9")
    }

    #[test]
    fn two_accounts_have_to_show_a_completed_automated_task_that_no_list_has_shown() {
        use TaskStatus::{Cancelled, Completed, ManuallyCompleted, UnsuccessfullyCompleted};
        let one = [task("1", Completed, 3), task("2", Completed, 2)];
        assert_eq!(of(&[&one]), None);
        assert_eq!(of(&[&one, &one[..1]]), Some(at(3)));
        assert_eq!(of(&[&one[..1], &one, &one]), Some(at(2)));
        let late = {
            let mut late = task("3", Completed, 1);
            late.started = Some(at(20));
            late
        };
        assert_eq!(of(&[&one, &[late]]), Some(at(20)));
        let manual = {
            let mut manual = task("4", Completed, 1);
            manual.has_adapter = Some(false);
            manual
        };
        let mut undated = task("5", Completed, 1);
        undated.created = None;
        let seen_open = task("9", Completed, 1);
        let nothing = [
            manual,
            undated,
            seen_open,
            task("6", ManuallyCompleted, 1),
            task("7", UnsuccessfullyCompleted, 1),
            task("8", Cancelled, 1),
            task("10", TaskStatus::closed(), 1),
        ];
        for other in nothing {
            assert_eq!(of(&[&one, std::slice::from_ref(&other)]), None, "{other:?}");
        }
    }
}
