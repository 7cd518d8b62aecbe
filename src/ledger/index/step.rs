//! What one move of an attempt changes in the index: its own state, what counts towards the caps, and what is learned of its target; it follows the table alone.

use super::apply::REASON;
use super::compact::{Stamp, TaskRef};
use super::ends::{end_episode, in_vain};
use super::{Index, flags};
use crate::ledger::record::clip;
use crate::model::attempt::{SENDS_IN_VAIN, ended_with, next};
use crate::model::{Action, AttemptEvent, AttemptState, LineageId};

impl Index {
    /// One move of an attempt; nothing happens where the table has no row for it.
    pub(super) fn step(
        &mut self,
        id: LineageId,
        ordinal: u32,
        event: AttemptEvent,
        at: Stamp,
        reason: Option<&str>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if attempt.ordinal != ordinal {
            return;
        }
        let before = attempt.state;
        let (ended, row, alone) = (attempt.ended, attempt.row, attempt.alone());
        let is_retry = attempt.action == Action::Retry;
        let sent = TaskRef::from(&attempt.task);
        let hands_over = matches!(attempt.action, Action::Reassign { .. });
        let settles_work = !hands_over && !matches!(attempt.action, Action::SetNote { .. });
        let Some(after) = next(before, event) else {
            return;
        };
        attempt.unanswered |= after == AttemptState::Unknown;
        if event == AttemptEvent::AnsweredSuccess {
            attempt.set_answered(at.time());
        }
        if !after.is_open() {
            self.late.told(id, attempt, event);
        }
        attempt.state = after;
        attempt.moved = at.time();
        match (before.is_open(), after.is_open()) {
            (true, false) => self.open.remove(attempt),
            (false, true) => self.open.add(attempt),
            _ => {}
        }
        if !after.is_open() && after != AttemptState::Gone {
            self.attempts.remove(&id);
        }
        if hands_over && !after.is_open() {
            self.handed_over(id, ordinal, after, at);
        }
        let applied = matches!(
            after,
            AttemptState::Pending | AttemptState::Completed | AttemptState::Bounced
        );
        if applied && ended == Some(404) {
            self.ends.not_missing(row);
        }
        let of_server = self.ends.was_of_server(row);
        let place = self.lineage(id).map(|of| (of.target, of.task == sent));
        // under another id than was sent: a successor was joined
        let goes_on = place.is_some_and(|(_, same)| !same);
        if let Some((target, true)) = place
            && matches!(after, AttemptState::Pending | AttemptState::Bounced)
            && is_retry
            && target != 0
        {
            self.keep_ids.insert(target);
        }
        let keeps_ids = place.is_some_and(|(target, _)| self.keep_ids.contains(&target));
        let may_have_run = is_retry && (keeps_ids || !of_server) && ended != Some(429);
        let singles = match (after, alone) {
            (AttemptState::NotApplied, Some(alone)) if !of_server => {
                self.ends.alone_in_vain(id, alone)
            }
            (AttemptState::NotApplied | AttemptState::Unsent, _) => 0,
            (after, _) if after != AttemptState::Unknown => {
                self.ends.begin_anew(id);
                0
            }
            _ => 0,
        };
        let left = self.counts.entry(before).or_default();
        *left = left.saturating_sub(1);
        *self.counts.entry(after).or_default() += 1;
        self.by_word += u64::from(event == AttemptEvent::PersonCompleted);
        let Some(of) = self.lineage_mut(id) else {
            return;
        };
        let past = of.past_mut();
        past.last_state = Some(after);
        past.last_at = at;
        if is_retry
            && before == AttemptState::Claimed
            && matches!(after, AttemptState::Unsent | AttemptState::Refused)
            && goes_on
        {
            // it was taken for ours, as long as ours might have made it
            past.foreign = past.foreign.saturating_add(1);
        }
        if before.counts() && !after.counts() {
            past.counted = past.counted.saturating_sub(1);
        }
        if after == AttemptState::NotApplied && may_have_run {
            past.unproven = past.unproven.saturating_add(1);
        }
        if let Some(entry) = past.attempts.iter_mut().find(|a| a.ordinal == ordinal) {
            let answer = entry.reason.take();
            match after {
                // what the whole server suffers from is counted against no task
                AttemptState::NotApplied if of_server => {}
                AttemptState::NotApplied => {
                    let status = answer.as_deref().and_then(ended_with);
                    past.in_vain = in_vain(past.in_vain, status, alone.is_some());
                    if singles >= SENDS_IN_VAIN {
                        past.in_vain = past.in_vain.max(singles);
                    }
                }
                AttemptState::Accepted
                | AttemptState::Pending
                | AttemptState::Completed
                | AttemptState::Bounced
                | AttemptState::Refused => past.in_vain = 0,
                _ => {}
            }
            entry.state = after;
            entry.reason = match (reason, answer) {
                // what the server said tells more than that nothing came of it
                (Some(reason), Some(answer)) if after == AttemptState::NotApplied => {
                    Some(clip(&format!("{answer}; {reason}"), REASON))
                }
                (Some(reason), _) => Some(clip(reason, REASON)),
                (None, answer) => answer,
            };
        }
        if after == AttemptState::Completed && settles_work {
            of.set(flags::DONE, true);
            of.set(flags::SAID, event == AttemptEvent::PersonCompleted);
            end_episode(of);
        }
        if after == AttemptState::Ambiguous {
            of.set(flags::AMBIGUOUS, true);
        }
        if matches!(
            event,
            AttemptEvent::PersonCompleted | AttemptEvent::PersonClosed
        ) {
            of.set(flags::AMBIGUOUS, false);
        }
    }
}
