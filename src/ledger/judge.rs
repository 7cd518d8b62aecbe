//! What a reading says of an open attempt; pure, concludes nothing from silence before its time.

mod apart;
mod written;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::index::Attempt;
use super::lineage::print;
use super::ran::RunMark;
use crate::model::attempt::next;
use crate::model::settings::DeliverySettings;
use crate::model::{Action, AttemptEvent, AttemptState, Task, TaskId, TaskStatus};
pub(super) use apart::doubted;
use written::{open_with_response, written};

/// By so much the server's clock may be behind.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What was read, where, and what it shows of the attempt's lineage.
#[derive(Clone, Debug)]
pub enum Reading {
    /// A pass over the list: the present id of the lineage, where the list shows it.
    List {
        /// The row.
        present: Option<Task>,
        /// Complete passes in a row without the id, this one included, all complete and stable.
        absent_passes: u32,
    },
    /// The task itself was read; `None`: 404, or not visible.
    Single {
        /// The row.
        task: Option<Task>,
    },
    /// It was asked for in vain; says nothing, but the next look comes later for it.
    Unreadable,
    /// The process was read; all its tasks, finished ones too.
    Process {
        /// The rows.
        tasks: Vec<Task>,
    },
}

/// What is remembered of earlier readings of the attempt, in this run of the daemon only.
#[derive(Clone, Copy, Default, Debug)]
pub struct Evidence {
    /// Readings after `settle_after` that showed the same failed run, `verify_first` or more apart.
    pub equal: u32,
    /// When the last of them was made.
    pub equal_at: Option<Timestamp>,
    /// Fingerprint of the failure that they showed.
    pub equal_print: Option<u64>,
    /// Single readings that found nothing.
    pub nothing: u32,
    /// Complete, stable passes in a row without the id.
    pub absent: u32,
}

/// The conclusion, or when to look again.
#[derive(Clone, PartialEq, Debug)]
pub enum Judgement {
    /// It is told.
    Told {
        /// The move.
        event: AttemptEvent,
        /// The task that told it.
        task: Option<TaskId>,
        /// In words.
        evidence: Arc<str>,
    },
    /// It proves nothing yet.
    Wait {
        /// Why not.
        why: &'static str,
    },
}

fn told(event: AttemptEvent, task: Option<&TaskId>, evidence: impl AsRef<str>) -> Judgement {
    Judgement::Told {
        event,
        task: task.cloned(),
        evidence: Arc::from(evidence.as_ref()),
    }
}

/// When to look again after a look at `last`: the pauses double with the age of the attempt,
/// between `verify_first` and `verify_cap`.
pub fn next_look(sent: Timestamp, last: Timestamp, settings: &DeliverySettings) -> Timestamp {
    let age = last.duration_since(sent);
    let pause = age
        .max(settings.verify_first)
        .min(settings.verify_cap.max(settings.verify_first));
    last.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// True once `by` has passed since the attempt was sent.
fn passed(attempt: &Attempt, by: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(attempt.may_run_from()) >= by
}

/// True once the request can't take effect any more.
fn settled(attempt: &Attempt, settings: &DeliverySettings, now: Timestamp) -> bool {
    now.duration_since(attempt.may_run_from()) >= settings.settle_after
}

/// True for a reading that began before the attempt was sent, answered, or moved last: it may show the
/// task as it was before the write, or before what was read since.
pub fn too_early(attempt: &Attempt, began: Timestamp) -> bool {
    attempt.state == AttemptState::Claimed || began < attempt.sent.max(attempt.moved)
}

/// True where the task shows another failure than before the send, as far as that is known.
fn failed_anew(attempt: &Attempt, task: &Task) -> bool {
    attempt.print.is_some_and(|was| was != print(task))
}

/// True where a list that was begun before the answer has shown the same: then somebody else may have
/// brought it about, after what was known at the send.
fn shown_early(attempt: &Attempt, task: &Task) -> bool {
    attempt.early() == Some(print(task))
}

/// Judges an open attempt by one reading, which began at `now`. `current` is the lineage's present id (the successor's
/// once it was joined); `evidence` is updated by what the reading adds.
pub fn judge(
    attempt: &Attempt,
    current: &TaskId,
    reading: &Reading,
    evidence: &mut Evidence,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if attempt.state == AttemptState::Claimed {
        return Judgement::Wait {
            why: "its answer is still awaited",
        };
    }
    if attempt.state == AttemptState::Ambiguous {
        return Judgement::Wait {
            why: "a person has to say what became of it",
        };
    }
    if !matches!(reading, Reading::Unreadable) && too_early(attempt, now) {
        return Judgement::Wait {
            why: "it was read before the attempt's last move",
        };
    }
    let judged = match reading {
        Reading::List {
            present: Some(task),
            ..
        } => {
            evidence.absent = 0;
            let mark = RunMark::of(task);
            let ran = Ran {
                shown: mark.is_another_run(attempt.run) && !began_before(attempt, task),
                began: mark.began_anew(attempt.run),
            };
            shown(attempt, current, (task, ran), evidence, now, settings)
        }
        Reading::List {
            present: None,
            absent_passes,
        } => {
            evidence.absent = *absent_passes;
            vanished(attempt, current, evidence, now, settings)
        }
        Reading::Single { task: Some(task) } => {
            let ran = Ran::by_start(attempt, task);
            shown(attempt, current, (task, ran), evidence, now, settings)
        }
        Reading::Single { task: None } => {
            evidence.nothing = evidence.nothing.saturating_add(1);
            vanished(attempt, current, evidence, now, settings)
        }
        Reading::Unreadable => Judgement::Wait {
            why: "it could not be read",
        },
        Reading::Process { tasks } => match tasks.iter().find(|t| t.id == *current) {
            Some(task) => {
                let ran = Ran::by_start(attempt, task);
                shown(attempt, current, (task, ran), evidence, now, settings)
            }
            None => Judgement::Wait {
                why: "the process does not show the task",
            },
        },
    };
    match of_missing(attempt, judged) {
        // late evidence about a vanished id may say less than the table lets it change
        Judgement::Told { event, .. } if next(attempt.state, event).is_none() => Judgement::Wait {
            why: "it changes nothing of what is concluded already",
        },
        other => other,
    }
}

/// A write that was answered 404 did not find its task: what is read of it is somebody else's doing, unless
/// it shows what only the write can have brought about. The answer is said with the evidence.
fn of_missing(attempt: &Attempt, judged: Judgement) -> Judgement {
    let Judgement::Told {
        event,
        task,
        evidence,
    } = judged
    else {
        return judged;
    };
    // what has vanished is told by whatever is shown of it later
    if attempt.ended != Some(404) || attempt.state == AttemptState::Gone {
        return Judgement::Told {
            event,
            task,
            evidence,
        };
    }
    let runs = matches!(attempt.action, Action::Retry | Action::ManualComplete);
    let same_id = task.as_ref() == Some(&attempt.task);
    let event = match event {
        AttemptEvent::ReadCompleted if runs && same_id => AttemptEvent::ReadSuperseded,
        event => event,
    };
    Judgement::Told {
        event,
        task,
        evidence: Arc::from(format!("{evidence}; the write was answered HTTP 404")),
    }
}

/// Whether the row shows another run than lists had shown before the send.
#[derive(Clone, Copy)]
struct Ran {
    /// By anything that this view words as lists do.
    shown: bool,
    /// By its start, which all views word alike.
    began: bool,
}

impl Ran {
    /// That its texts differ shows no run: one view cuts a reason, or leaves it out, that another one shows.
    fn by_start(attempt: &Attempt, task: &Task) -> Self {
        let began = RunMark::of(task).began_anew(attempt.run);
        Self {
            shown: began && !began_before(attempt, task),
            began,
        }
    }
}

/// True for a run that began before the send by more than clocks differ: it is somebody else's, and ours may
/// come yet.
fn began_before(attempt: &Attempt, task: &Task) -> bool {
    let began = task.started.and_then(|at| at.checked_add(SKEW).ok());
    began.is_some_and(|at| at < attempt.sent)
}

/// The id (or its successor) was read, with what it shows of its last run.
fn shown(
    attempt: &Attempt,
    current: &TaskId,
    (task, ran): (&Task, Ran),
    evidence: &mut Evidence,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if let Some(done) = written(attempt, task) {
        return done;
    }
    let id = Some(&task.id);
    let successor = attempt.task != *current;
    match &task.status {
        TaskStatus::ManuallyCompleted if attempt.action == Action::Retry => {
            completed_by_hand(attempt, task, successor, now, settings)
        }
        // somebody has done the work; that says nothing of a new owner or a note that the row does not show
        status
            if status.may_be_done()
                && matches!(
                    attempt.action,
                    Action::Reassign { .. } | Action::SetNote { .. }
                ) =>
        {
            told(
                AttemptEvent::ReadSuperseded,
                id,
                format!(
                    "task {} was read as {}, and does not show what was written",
                    task.id, task.status
                ),
            )
        }
        TaskStatus::Completed | TaskStatus::ManuallyCompleted => told(
            AttemptEvent::ReadCompleted,
            id,
            format!("task {} was read as {}", task.id, task.status),
        ),
        TaskStatus::Cancelled | TaskStatus::PendingCancellation => told(
            AttemptEvent::ReadSuperseded,
            id,
            format!("task {} was read as {}", task.id, task.status),
        ),
        TaskStatus::UnsuccessfullyCompleted => {
            closed_without_successor(attempt, task, now, settings)
        }
        TaskStatus::Pending | TaskStatus::Waiting | TaskStatus::Suspended => {
            if let Some(open) = open_with_response(attempt, task, now, settings) {
                return open;
            }
            if attempt.action != Action::Retry || attempt.state == AttemptState::Pending {
                return unchanged_or_wait(attempt, task, ran, evidence, now, settings);
            }
            told(
                AttemptEvent::ReadPending,
                id,
                format!("task {} was read as {}", task.id, task.status),
            )
        }
        TaskStatus::Rejected => {
            let moved = successor
                || attempt.state == AttemptState::Pending
                || (ran.shown && failed_anew(attempt, task) && !shown_early(attempt, task));
            if attempt.action == Action::Retry && moved {
                let reason = task.reason.as_deref().unwrap_or("no reason shown");
                return told(AttemptEvent::ReadBounced, id, reason);
            }
            unchanged_or_wait(attempt, task, ran, evidence, now, settings)
        }
        // it may be the old instance of a retry, too
        status if status.is_closed() => closed_without_successor(attempt, task, now, settings),
        TaskStatus::Unknown(_) => Judgement::Wait {
            why: "its status is not understood",
        },
    }
}

/// MC after a retry: no retry makes that, a person has. What the retry has started may still run, and
/// until it had its time nothing else is sent to the account.
fn completed_by_hand(
    attempt: &Attempt,
    task: &Task,
    successor: bool,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if successor || settled(attempt, settings, now) {
        return told(
            AttemptEvent::ReadSuperseded,
            Some(&task.id),
            format!("task {} was read as {}", task.id, task.status),
        );
    }
    Judgement::Wait {
        why: "somebody has completed it by hand; what the retry has started may still run",
    }
}

/// UC: the old instance of a retry; the successor tells, if one is ever shown.
fn closed_without_successor(
    attempt: &Attempt,
    task: &Task,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if attempt.state != AttemptState::Gone && passed(attempt, settings.verify_give_up, now) {
        return told(
            AttemptEvent::ReadGone,
            Some(&task.id),
            format!(
                "task {} was closed and no successor was ever shown",
                task.id
            ),
        );
    }
    Judgement::Wait {
        why: "the old instance is closed; its successor is not shown yet",
    }
}

/// The same run as before the send: proves something only after `settle_after`, and only twice.
fn unchanged_or_wait(
    attempt: &Attempt,
    task: &Task,
    ran: Ran,
    evidence: &mut Evidence,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if attempt.state == AttemptState::Pending {
        return Judgement::Wait {
            why: "its run is under way",
        };
    }
    if !settled(attempt, settings, now) {
        return Judgement::Wait {
            why: "an unchanged task proves nothing before settle_after has passed",
        };
    }
    // another failure than the last time is no equal reading, but a first one
    if evidence.equal_print.replace(print(task)) != Some(print(task)) {
        (evidence.equal, evidence.equal_at) = (0, None);
    }
    // two glances at the same moment are one reading
    let apart = |last: Timestamp| now.duration_since(last) >= settings.verify_first;
    if evidence.equal_at.is_none_or(apart) {
        evidence.equal = evidence.equal.saturating_add(1);
        evidence.equal_at = Some(now);
    }
    if evidence.equal < 2 {
        return Judgement::Wait {
            why: "one more equal reading is needed",
        };
    }
    // OIG said that it took the order: a server that keeps ids may have run a retry and failed the
    // same way again, and a row need not show a note; so it counts, or it would be sent for ever.
    // Only an unanswered send is proven not applied by this, where the failure is the very one of before:
    // another one may be ours, although a list begun before the answer has shown it, and so may a run that
    // began since and failed with the same words
    let anew = attempt.action == Action::Retry && (failed_anew(attempt, task) || ran.began);
    let event = if attempt.state == AttemptState::Accepted || anew {
        AttemptEvent::ReadBounced
    } else {
        AttemptEvent::ReadUnchanged
    };
    let as_before = if anew {
        "with a failure that a list begun before the answer had shown"
    } else {
        "as before"
    };
    told(
        event,
        Some(&task.id),
        format!(
            "task {} was read twice {as_before}, more than {:#} after the send",
            task.id, settings.settle_after
        ),
    )
}

/// The id is not shown: gone only after `settle_after`, two complete passes without it, and a
/// reading by id that found nothing.
fn vanished(
    attempt: &Attempt,
    current: &TaskId,
    evidence: &Evidence,
    now: Timestamp,
    settings: &DeliverySettings,
) -> Judgement {
    if attempt.state == AttemptState::Gone {
        return Judgement::Wait {
            why: "nothing new is shown",
        };
    }
    let enough = evidence.absent >= 2 && evidence.nothing >= 1;
    if enough && settled(attempt, settings, now) {
        return told(
            AttemptEvent::ReadGone,
            Some(current),
            format!(
                "task {current} is in none of {} complete lists and can't be read by its id",
                evidence.absent
            ),
        );
    }
    Judgement::Wait {
        why: "the id is not shown; nothing is concluded from that alone",
    }
}
