//! Whether somebody else has run a task that keeps its id, by what two lists show of it; pure, and it tells nothing where an attempt of ours may be the reason.

use serde::{Deserialize, Serialize};

use crate::model::task::Fnv;
use crate::model::{Task, TaskStatus};

/// What a list shows of a task's last run, in small: its status (rejected, pending, another), when it
/// began and why it failed. What is not shown, or may be our own doing, is 0.
///
/// Layout, from below: 2 bits status, 15 bits start, 15 bits reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunMark(u32);

const REJECTED: u32 = 1;
const PENDING: u32 = 2;
const ANOTHER: u32 = 3;
const STATUS: u32 = 0b11;
const START: u32 = 0x7fff << 2;
const REASON: u32 = 0x7fff << 17;

/// 1 to 32,767; 0 for a text that is not there.
fn part(text: &str) -> u32 {
    let text = text.trim();
    if text.is_empty() {
        return 0;
    }
    let mut hash = Fnv::default();
    hash.text(text);
    small(&hash)
}

fn small(hash: &Fnv) -> u32 {
    u32::try_from(hash.finish() % 0x7fff).unwrap_or(0) + 1
}

impl RunMark {
    /// Of a row that no attempt of ours can have changed.
    pub fn of(task: &Task) -> Self {
        Self::with(task, part(task.reason.as_deref().unwrap_or("")))
    }

    /// The same, and mixes the reason into `hash` on the way.
    pub fn beside(task: &Task, hash: &mut Fnv, reason: &str) -> Self {
        if reason.is_empty() || reason.trim().len() != reason.len() {
            hash.text(reason);
            return Self::with(task, part(reason));
        }
        let mut own = Fnv::default();
        Fnv::both(&mut own, hash, reason);
        Self::with(task, small(&own))
    }

    fn with(task: &Task, reason: u32) -> Self {
        let status = match &task.status {
            status if status.is_closed() => ANOTHER,
            TaskStatus::Rejected => REJECTED,
            TaskStatus::Pending => PENDING,
            TaskStatus::Unknown(_) => 0,
            _ => ANOTHER,
        };
        let started = task.started.map(|at| at.as_second().to_string());
        let started = part(started.as_deref().unwrap_or(""));
        Self(reason << 17 | started << 2 | status)
    }

    /// True where nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// With what an earlier list showed where this one shows nothing.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        let keep = |mask: u32| {
            if self.0 & mask == 0 {
                before.0 & mask
            } else {
                self.0 & mask
            }
        };
        Self(keep(STATUS) | keep(START) | keep(REASON))
    }

    /// True where its run began at another time: the one thing that every view of a task words alike.
    pub fn began_anew(self, before: Self) -> bool {
        let (then, now) = (before.0 & START, self.0 & START);
        then != 0 && now != 0 && then != now
    }

    /// True where it shows the failed run that was known `before`, or another view of that one.
    pub fn is_that_of(self, before: Self) -> bool {
        let [start, reason] = [START, REASON].map(|mask| (before.0 & mask, self.0 & mask));
        let same = |(then, now): (u32, u32)| then != 0 && then == now;
        let other = |(then, now): (u32, u32)| then != 0 && now != 0 && then != now;
        self.0 & STATUS == REJECTED && (same(start) || (same(reason) && !other(start)))
    }

    /// True where the task was run between `before` and now: a rejected task is under way, or it is
    /// rejected since another start or, where a start is not shown both times, for another reason: views of one
    /// run cut its reason or leave it out, and word its start alike. The end of a run that was seen under way is
    /// no further one.
    pub fn is_another_run(self, before: Self) -> bool {
        let differ = |mask: u32| {
            let (then, now) = (before.0 & mask, self.0 & mask);
            then != 0 && now != 0 && then != now
        };
        let same = |mask: u32| {
            let (then, now) = (before.0 & mask, self.0 & mask);
            then != 0 && then == now
        };
        match (before.0 & STATUS, self.0 & STATUS) {
            (REJECTED, PENDING) => true,
            (REJECTED, REJECTED) if same(START) => false,
            (REJECTED, REJECTED) => differ(START) || differ(REASON),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::TaskId;

    fn row(status: &str, started: Option<&str>, reason: Option<&str>) -> RunMark {
        let mut task = Task::bare(TaskId::new("7"), TaskStatus::parse(status));
        task.reason = reason.map(Arc::from);
        let at = |text: &str| format!("{}:00Z", text.replace(' ', "T")).parse();
        task.started = started.map(|text| at(text).expect("a time"));
        RunMark::of(&task)
    }

    fn is_run(before: RunMark, now: RunMark) -> bool {
        now.is_another_run(before)
    }

    #[test]
    fn a_rejected_task_that_is_under_way_was_run_and_its_end_is_no_second_run() {
        let first = row("R", Some("2027-03-01 08:00"), Some("refused"));
        let goes = row("P", Some("2027-03-01 09:00"), None).after(first);
        let ended = row("R", Some("2027-03-01 09:00"), Some("no such host"));
        assert!(goes.is_another_run(first));
        assert!(!is_run(goes, ended));
        assert!(!is_run(goes, goes));
        let again = row("P", None, None).after(ended.after(goes));
        assert!(again.is_another_run(ended.after(goes)));
    }

    #[test]
    fn a_run_between_two_lists_shows_in_its_start_or_in_its_reason() {
        let first = row("R", Some("2027-03-01 08:00"), Some("refused"));
        assert!(!is_run(first, first));
        assert!(is_run(first, row("R", None, Some("x"))));
        let cut = row("R", Some("2027-03-01 08:00"), Some("ref"));
        assert!(!is_run(first, cut), "another view of the same run");
        assert!(is_run(
            first,
            row("R", Some("2027-03-01 09:00"), Some("refused"))
        ));
    }

    #[test]
    fn a_run_is_known_again_by_its_start_or_by_its_reason_alone() {
        let (start, reason) = (Some("2027-03-01 08:00"), Some("refused"));
        let known = row("R", start, reason);
        assert!(known.is_that_of(known));
        assert!(row("R", start, Some("ref")).is_that_of(known), "cut");
        assert!(row("R", None, reason).is_that_of(known));
        assert!(!row("R", Some("2027-03-01 09:00"), reason).is_that_of(known));
        assert!(!row("R", None, Some("no such host")).is_that_of(known));
        assert!(!row("R", None, None).is_that_of(known));
        assert!(!row("P", start, reason).is_that_of(known));
        assert!(!known.is_that_of(RunMark::default()));
    }

    #[test]
    fn what_is_not_shown_is_no_difference_and_is_not_forgotten() {
        let first = row("R", Some("2027-03-01 08:00"), Some("refused"));
        let bare = row("R", None, None);
        assert!(!is_run(first, bare) && !is_run(bare, first));
        assert_eq!(bare.after(first), first, "what was known stays");
        assert!(is_run(bare.after(first), row("R", None, Some("other"))));
        // the first run of what was first seen under way, or of which nothing is known
        assert!(!is_run(
            row("P", None, None),
            row("R", None, Some("refused"))
        ));
        assert!(!is_run(RunMark::default(), first));
        assert!(RunMark::default().is_unknown() && !bare.is_unknown());
        // put back by a person without a run
        assert!(!is_run(
            first,
            row("S", Some("2027-03-01 08:00"), Some("refused"))
        ));
    }
}
