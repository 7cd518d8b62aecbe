//! What a row tells of writes other than retries: whether it shows what we wrote, and what that says of the work; pure, like all of the judging.

use jiff::Timestamp;

use super::{Judgement, settled, told};
use crate::ledger::index::Attempt;
use crate::model::settings::DeliverySettings;
use crate::model::{Action, AttemptEvent, Owner, Principal, Task, TaskStatus};

/// Our response is set, and the task is open: what that has started may come to an end yet. After its time it counts
/// like a run that failed, since the work is not done; that it was not applied is never said of it, for it is shown.
pub(super) fn open_with_response(
    attempt: &Attempt,
    task: &Task,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Option<Judgement> {
    let Action::SetResponse { code } = &attempt.action else {
        return None;
    };
    if !shows_response(task, code) {
        return None;
    }
    if !settled(attempt, settings, now) {
        return Some(Judgement::Wait {
            why: "it shows the response and is open; what that has started may still run",
        });
    }
    Some(told(
        AttemptEvent::ReadBounced,
        Some(&task.id),
        format!(
            "task {} shows the response, and is {} more than {:#} after the send",
            task.id, task.status, settings.settle_after
        ),
    ))
}

fn shows_response(task: &Task, code: &str) -> bool {
    task.response
        .as_deref()
        .is_some_and(|shown| shown.trim() == code.trim())
}

/// Our other writes: done where the row shows what we wrote; a response only where the task has come to an end.
pub(super) fn written(attempt: &Attempt, task: &Task) -> Option<Judgement> {
    let (shown, what) = match &attempt.action {
        Action::Retry | Action::ManualComplete => return None,
        Action::Reassign { to } => (owns(&task.owner, to), "the new owner"),
        Action::SetNote { text } => (
            task.note
                .as_deref()
                .is_some_and(|n| n.trim() == text.trim()),
            "the note",
        ),
        Action::SetResponse { code } => (shows_response(task, code), "the response"),
    };
    let responds = matches!(attempt.action, Action::SetResponse { .. });
    let event = match &task.status {
        // the work is not done where its task is rejected as before: it counts like a run that failed
        TaskStatus::Rejected if responds => AttemptEvent::ReadBounced,
        TaskStatus::Completed | TaskStatus::ManuallyCompleted => AttemptEvent::ReadCompleted,
        // its state says more than that the response was set; given up is not done
        _ if responds => return None,
        _ => AttemptEvent::ReadCompleted,
    };
    shown.then(|| {
        told(
            event,
            Some(&task.id),
            match responds {
                true => format!("task {} shows {what}, and is {}", task.id, task.status),
                false => format!("task {} shows {what}", task.id),
            },
        )
    })
}

/// True where the row's owner is that principal: by key where both have one, else by name.
fn owns(owner: &Owner, to: &Principal) -> bool {
    match (owner, to) {
        (
            Owner::User { key, login },
            Principal::User {
                key: to,
                login: name,
            },
        ) => match (key, to) {
            (Some(have), Some(want)) => have == want,
            _ => login.as_ref() == Some(name),
        },
        (
            Owner::Role { key, name },
            Principal::Role {
                key: to,
                name: want,
            },
        ) => match (key, to) {
            (Some(have), Some(to)) => have == to,
            _ => name
                .as_deref()
                .is_some_and(|n| n.eq_ignore_ascii_case(want)),
        },
        _ => false,
    }
}
