//! Which definitions are automated, by what the server says of an account's process, where tasks do not show it themselves; it reads nothing itself, and what was not told is not known.

use jiff::{SignedDuration, Timestamp};

use crate::model::hash::{FastMap, FastSet};
use crate::model::{DefKey, ProcessKey, Task, TaskStatus};
use crate::oig::OigError;

/// For so long nothing is asked again of definitions that were asked about, and where no answer came.
const ANSWERED: SignedDuration = SignedDuration::from_hours(24);
const IN_VAIN: SignedDuration = SignedDuration::from_hours(1);
/// Accounts whose processes are asked about in one cycle: one tells of all definitions of its process.
const AT_ONCE: usize = 8;

/// What was told of definitions; as many as the server has.
#[derive(Debug, Default)]
pub struct Definitions {
    /// Whether each is automated.
    told: FastMap<DefKey, bool>,
    /// Until when nothing is asked again.
    rests: FastMap<DefKey, Timestamp>,
}

impl Definitions {
    /// True where the server has said so.
    pub fn is_automated(&self, definition: &DefKey) -> bool {
        self.told.get(definition) == Some(&true)
    }

    /// The accounts whose processes are to be asked about: each shows something completed of which neither it nor
    /// `known` tells whether it is automated, and which no one before it would tell.
    pub fn to_ask<'a>(
        &self,
        accounts: impl Iterator<Item = (&'a ProcessKey, &'a [Task])>,
        known: &dyn Fn(&DefKey) -> bool,
        now: Timestamp,
    ) -> Vec<ProcessKey> {
        let mut accounts: Vec<(&ProcessKey, &[Task])> = accounts.collect();
        accounts.sort_by_key(|(key, _)| *key);
        let (mut out, mut taken) = (Vec::new(), FastSet::default());
        for (key, tasks) in accounts {
            let mut open = untold(tasks).filter(|of| {
                let rests = self.rests.get(of).is_some_and(|until| now < *until);
                !rests && !self.told.contains_key(of) && !known(of) && !taken.contains(of)
            });
            if open.next().is_some() {
                taken.extend(untold(tasks));
                out.push(key.clone());
                if out.len() == AT_ONCE {
                    break;
                }
            }
        }
        out
    }

    /// Takes in what the server has said of an account's process, or that it has not.
    pub fn take_in(
        &mut self,
        tasks: &[Task],
        answer: Result<Vec<(DefKey, bool)>, OigError>,
        now: Timestamp,
    ) {
        let rest = if answer.is_ok() { ANSWERED } else { IN_VAIN };
        let until = now.saturating_add(rest).unwrap_or(Timestamp::MAX);
        for of in untold(tasks) {
            self.rests.insert(of.clone(), until);
        }
        self.told.extend(answer.into_iter().flatten());
    }
}

/// The definitions of what an account shows as completed and not whether it is automated.
fn untold(tasks: &[Task]) -> impl Iterator<Item = &DefKey> {
    let done = tasks
        .iter()
        .filter(|task| task.status == TaskStatus::Completed && task.has_adapter.is_none());
    done.filter_map(|task| task.definition_key.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskId;

    fn at(hour: i8) -> Timestamp {
        format!("2027-03-01T{hour:02}:30:00Z")
            .parse()
            .expect("a time")
    }

    fn tasks(definitions: &[&str]) -> Vec<Task> {
        let of = definitions.iter().map(|key| {
            let mut task = Task::bare(TaskId::new(key), TaskStatus::Completed);
            task.definition_key = Some(DefKey::new(key));
            task
        });
        of.collect()
    }

    #[test]
    fn one_account_is_asked_about_for_all_that_it_shows_and_not_again_for_a_while() {
        let (first, second, third) = (tasks(&["39", "40"]), tasks(&["40"]), tasks(&["7"]));
        let keys = ["1", "2", "3"].map(ProcessKey::new);
        let all = || {
            let tasks = [&first, &second, &third].map(Vec::as_slice);
            keys.iter().zip(tasks)
        };
        let mut known = Definitions::default();
        let nothing = |_: &DefKey| false;
        let ask = |known: &Definitions, now| known.to_ask(all(), &nothing, now);
        assert_eq!(ask(&known, at(1)), [keys[0].clone(), keys[2].clone()]);
        let seven = |of: &DefKey| of.as_str() == "7";
        assert_eq!(known.to_ask(all(), &seven, at(1)), [keys[0].clone()]);

        let told = vec![(DefKey::new("39"), true), (DefKey::new("12"), false)];
        known.take_in(&first, Ok(told), at(1));
        let refused = OigError::Empty {
            what: "the available tasks".to_owned(),
        };
        known.take_in(&third, Err(refused), at(1));
        assert_eq!(ask(&known, at(1)), [] as [ProcessKey; 0]);
        assert!(known.is_automated(&DefKey::new("39")));
        assert!(!known.is_automated(&DefKey::new("12")));
        assert!(!known.is_automated(&DefKey::new("40")));
        // what could not be had is tried again; what was not told is, the day after
        assert_eq!(ask(&known, at(3)), [keys[2].clone()]);
        let day = at(2).saturating_add(SignedDuration::from_hours(24));
        let later = ask(&known, day.expect("a time"));
        assert_eq!(later, [keys[0].clone(), keys[2].clone()]);
    }
}
