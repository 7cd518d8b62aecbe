//! What a finished or failed task tells that only its likeness ties to our retry: what became of the work, and that it may be somebody else's; where the target is known to make successors at once, nothing for a while, and then that a person has to say whose it is.

use jiff::Timestamp;

use super::{Judgement, told};
use crate::ledger::index::{Attempt, Made};
use crate::ledger::record::{MAX_TEXT, clip};
use crate::model::AttemptEvent;
use crate::model::attempt::next;
use crate::model::settings::DeliverySettings;

/// How much of a reason stands before the doubt about it, in bytes.
const SAID: usize = MAX_TEXT - 324;

/// The judgement, where the task that it rests on was made so long after the attempt's answer and nothing ties the two
/// (`apart`). Others that come as late tell that this is the way of the target: they have as long as it took.
pub(in crate::ledger) fn doubted(
    judged: Judgement,
    attempt: &Attempt,
    apart: Option<Made>,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    let (
        Some(Made { by, is_strange }),
        Judgement::Told {
            event,
            task,
            evidence,
        },
    ) = (apart, &judged)
    else {
        return judged;
    };
    let id = task.as_ref().map_or("?", |id| id.as_str());
    if *event == AttemptEvent::ReadBounced {
        // texts of records are cut at their end
        let evidence = clip(evidence, SAID);
        let why = format!(
            "{evidence} (so it stands at task {id} of the same account and definition, which was made {by:#} after the retry and names no task that it retries: it may be somebody else's)"
        );
        return told(AttemptEvent::ReadBounced, task.as_ref(), why);
    }
    if *event != AttemptEvent::ReadCompleted {
        return judged;
    }
    if !is_strange {
        let why = format!(
            "task {id} of the same account and definition was read as completed; it was made {by:#} after the retry and names no task that it retries, so it may be somebody else's"
        );
        return told(AttemptEvent::ReadCompleted, task.as_ref(), why);
    }
    let patience = settings.settle_after.max(by).saturating_add(by);
    let waits = now.duration_since(attempt.sent) < patience;
    if waits || next(attempt.state, AttemptEvent::ReadAmbiguous).is_none() {
        return Judgement::Wait {
            why: "it is done, was made long after the retry, and nothing ties it to that",
        };
    }
    told(
        AttemptEvent::ReadAmbiguous,
        task.as_ref(),
        format!(
            "task {id} of the same account and definition is done, but was made {by:#} after the retry, names no task that it retries, and others on this target come at once: it may be somebody else's, and the retry's own still to come"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;
    use crate::ledger::index::Sent;
    use crate::model::{Action, AttemptState, BatchId, Kind, TaskId};

    fn attempt(state: AttemptState) -> Attempt {
        let sent = Sent {
            batch: BatchId(uuid::Uuid::nil()),
            action: Action::Retry,
            target: "AD".into(),
            definition: None,
            kind: Kind::Grant,
            login: None,
            seq: 7,
        };
        let at = Timestamp::UNIX_EPOCH;
        let mut attempt = Attempt::claimed(Arc::new(sent), 1, "9".into(), None, at);
        attempt.state = state;
        attempt
    }

    fn settings() -> DeliverySettings {
        crate::ledger::tests::delivery()
    }

    /// What is told at this minute of a task that was made `by` minutes after the retry.
    fn told_at(minute: i64, by: Option<i64>, event: AttemptEvent) -> Option<AttemptEvent> {
        let judged = told(
            event,
            Some(&TaskId::new("12")),
            "no route to host; ".repeat(90),
        );
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let made = |is_strange| {
            let by = SignedDuration::from_mins(by?);
            Some(Made { by, is_strange })
        };
        let apart = made(true);
        if event == AttemptEvent::ReadCompleted {
            let judged = told(event, Some(&TaskId::new("12")), "read");
            let attempt = attempt(AttemptState::Accepted);
            let calm = doubted(judged, &attempt, made(false), now, &settings());
            let Judgement::Told {
                event, evidence, ..
            } = calm
            else {
                panic!("where nothing is strange it is told");
            };
            assert_eq!(event, AttemptEvent::ReadCompleted);
            assert_eq!(evidence.contains("somebody else's"), by.is_some());
        }
        let attempt = attempt(AttemptState::Accepted);
        match doubted(judged, &attempt, apart, now, &settings()) {
            Judgement::Told {
                event, evidence, ..
            } => {
                if event == AttemptEvent::ReadBounced {
                    assert!(evidence.starts_with("no route to host"), "{evidence}");
                    // also behind the longest of reasons
                    let kept = clip(&evidence, MAX_TEXT);
                    assert!(kept.ends_with("it may be somebody else's)"), "{kept}");
                }
                Some(event)
            }
            Judgement::Wait { .. } => None,
        }
    }

    #[test]
    fn what_nothing_ties_to_the_retry_is_waited_for_and_then_in_doubt() {
        use AttemptEvent::{ReadAmbiguous, ReadBounced, ReadCompleted};
        assert_eq!(told_at(11, None, ReadCompleted), Some(ReadCompleted));
        assert_eq!(told_at(11, Some(10), ReadCompleted), None);
        assert_eq!(told_at(24, Some(10), ReadCompleted), None);
        assert_eq!(told_at(25, Some(10), ReadCompleted), Some(ReadAmbiguous));
        // who came after three hours has three more
        assert_eq!(told_at(359, Some(180), ReadCompleted), None);
        assert_eq!(told_at(360, Some(180), ReadCompleted), Some(ReadAmbiguous));
        assert_eq!(told_at(11, Some(10), ReadBounced), Some(ReadBounced));
    }

    #[test]
    fn what_has_no_such_move_waits() {
        let judged = told(AttemptEvent::ReadCompleted, None, "read");
        let (by, now) = (SignedDuration::from_hours(80), Timestamp::MAX);
        let gone = attempt(AttemptState::Gone);
        let apart = Made {
            by,
            is_strange: true,
        };
        let judged = doubted(judged, &gone, Some(apart), now, &settings());
        assert!(matches!(judged, Judgement::Wait { .. }), "{judged:?}");
    }
}
