//! Takes people out of a report that is to be passed on: each becomes a number, and what the server wrote about them goes.

use std::collections::HashMap;

use super::mask::Mask;
use super::reasons::NO_REASON;
use super::report::{LeaverTask, Report};

/// Numbers for people, in the order in which they are met.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    fn of(&mut self, name: &str) -> String {
        let next = self.0.len() + 1;
        let number = self.0.entry(name.to_owned()).or_insert(next);
        format!("person {number}")
    }

    /// `user:LOGIN` and `user#KEY` are people; roles keep their names.
    fn owner(&mut self, owner: &str) -> String {
        match owner
            .strip_prefix("user:")
            .or_else(|| owner.strip_prefix("user#"))
        {
            Some(name) => format!("user:{}", self.of(name)),
            None => owner.to_owned(),
        }
    }

    fn leaver(&mut self, task: &mut LeaverTask) {
        task.person = self.of(&task.person);
        task.owner = self.owner(&task.owner);
    }
}

/// What a note says that quotes something: how it begins, where the quotation does, and what stands there in a report
/// without names. A policy may throw what it was shown, and an absence file is quoted where it can't be read.
const QUOTES: [(&str, &str); 2] = [
    ("Policies failed on ", ", the first: "),
    ("Who is away is not known", ": "),
];

/// The note of policies that failed.
pub fn faults_note(count: u64, first: &str) -> String {
    let [(begin, quotes), _] = QUOTES;
    format!("{begin}{count} tasks{quotes}{first}.")
}

/// The note of an absence file that could not be read.
pub fn away_note(why: &str) -> String {
    let [_, (begin, quotes)] = QUOTES;
    format!("{begin}{quotes}{why}.")
}

/// A note without what it quotes.
fn unquoted(note: &mut String) {
    let quoted = QUOTES.iter().find(|(begin, _)| note.starts_with(begin));
    if let Some(at) = quoted.and_then(|(_, quotes)| note.find(quotes)) {
        note.truncate(at);
        note.push_str(" (why: left out, it may name people).");
    }
}

impl Report {
    /// Numbers instead of people, and no text of the server but names of targets, definitions and roles.
    pub fn leave_names_out(&mut self) {
        let mut numbers = Numbers::default();
        let leavers = self.open_access.tasks.iter_mut();
        for task in leavers.chain(&mut self.stale_grants.tasks) {
            numbers.leaver(task);
        }
        for owner in &mut self.stuck {
            owner.owner = numbers.owner(&owner.owner);
            for to in &mut owner.to {
                *to = numbers.owner(to);
            }
        }
        for (owner, _) in &mut self.scope.hidden {
            *owner = numbers.owner(owner);
        }
        self.notes.iter_mut().for_each(unquoted);
        let mut mask = Mask::default();
        let targets = self.reasons.iter().flat_map(|reason| &reason.targets);
        let of_tasks = self.open_access.tasks.iter();
        let of_tasks = of_tasks.chain(&self.stale_grants.tasks);
        for name in targets.chain(of_tasks.map(|task| &task.target)) {
            mask.keep(name);
        }
        let everyday = |reason: &mut String| {
            if reason != NO_REASON {
                *reason = mask.everyday(reason);
            }
        };
        for reason in &mut self.reasons {
            reason.example_text = None;
            everyday(&mut reason.masked);
        }
        let leavers = self.open_access.tasks.iter_mut();
        for task in leavers.chain(&mut self.stale_grants.tasks) {
            everyday(&mut task.reason);
        }
    }
}
