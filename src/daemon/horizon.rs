//! Since when finished tasks are surely still shown, by what the accounts that were read lately show of others' work; pure, and what it doesn't know counts as archived.

use jiff::Timestamp;

use crate::model::{Task, TaskId, TaskStatus};

/// What is known of tasks beside what they show.
pub struct Known<'a> {
    /// A list has shown it open.
    pub was_open: &'a dyn Fn(&TaskId) -> bool,
    /// By when one that a list has shown open was done, where that is known.
    pub done_by: &'a dyn Fn(&TaskId) -> Option<Timestamp>,
    /// Of one that does not show whether it is automated: its definition is known to be.
    pub is_automated: &'a dyn Fn(&Task) -> bool,
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

/// From when on an account shows what was completed: since the earliest end that it shows, or that we have watched. Where
/// neither is known: since the second automated task was begun, of those that no list has shown open: such a task mostly ends as it
/// begins, and where it did not, and the rest is archived, it stands alone. An account's create is no more than another
/// one: what failed beside it does not tell when it ended. Nothing that is not before `than` matters.
fn shows_from(tasks: &[Task], than: Option<Timestamp>, known: &Known<'_>) -> Option<Timestamp> {
    let (mut ended, mut begun) = (Earliest::default(), Earliest::default());
    let matters = |at: &Timestamp| than.is_none_or(|than| *at < than);
    let done = tasks.iter();
    for task in done.filter(|task| task.status == TaskStatus::Completed) {
        if let Some(end) = task.ended.as_deref() {
            ended.add((*end).max(task.created.unwrap_or(*end)));
            continue;
        }
        // one that a list has shown open has ended since, and by when is known of what we have done
        if (known.was_open)(&task.id) {
            // what began to run after that has been run again, by somebody else
            let begun = task.created.max(task.started);
            let by = (known.done_by)(&task.id).filter(|by| begun.is_none_or(|begun| begun <= *by));
            by.into_iter().for_each(|by| ended.add(by));
        } else if let Some(at) = began(task, known).filter(matters) {
            begun.add(at);
        }
    }
    let own = [ended.first, begun.second];
    own.into_iter().flatten().min().filter(matters)
}

/// When the last run of an automated task began. A person ends a manual one when he likes; one of which it is not shown
/// what it is, or when it was begun, may be like that.
fn began(task: &Task, known: &Known<'_>) -> Option<Timestamp> {
    let shown = task.has_adapter;
    let automated = shown.unwrap_or_else(|| (known.is_automated)(task));
    let created = task.created.filter(|_| automated)?;
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
            was_open: &|id| ["9", "90"].contains(&id.as_str()),
            done_by: &|id| (id.as_str() == "90").then(|| at(8)),
            is_automated: &|task| task.definition_name.as_deref() == Some("Automated"),
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
        // other rows of its definition may show what it does not
        let told = changed(|task| {
            task.has_adapter = None;
            task.definition_name = Some("Automated".into());
        });
        assert_eq!(of(&[&one, &[told, one[0].clone()]]), Some(at(3)));
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
    fn what_we_have_watched_to_its_end_tells_whatever_it_is() {
        let mut ours = task("90", TaskStatus::Completed, 1);
        (ours.has_adapter, ours.started) = (None, None);
        assert_eq!(of(&[&[ours.clone()], &[ours.clone()]]), Some(at(8)));
        assert_eq!(
            of(&[&[ours.clone()]]),
            None,
            "a single account is not enough"
        );
        ours.started = Some(at(9));
        assert_eq!(of(&[&[ours.clone()], &[ours]]), None, "it was run again");
    }

    #[test]
    fn what_failed_beside_a_create_does_not_tell_that_it_had_ended() {
        let create = || task("30", TaskStatus::Completed, 1);
        for status in [TaskStatus::Rejected, TaskStatus::Pending] {
            let used = [create(), task("31", status, 2)];
            assert_eq!(of(&[&used, &used]), None);
        }
        let both = [create(), task("31", TaskStatus::Completed, 5)];
        assert_eq!(of(&[&both, &both]), Some(at(5)));
    }
}
