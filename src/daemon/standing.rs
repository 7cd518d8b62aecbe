//! Says how one piece of work stands now, in one sentence: what ended is never told as if something could still be done, and nothing is said that is not known.

use super::core::Core;
use crate::control::{AttemptView, PlanItem};
use crate::ledger::Left;
use crate::ledger::record::{Event, EventBody};
use crate::model::{AttemptState, LineageId};

impl Core {
    /// How work stands of which nothing more is to come, as far as is known: closed with its data, out of the
    /// lists, or done, and by whom. `None` for all other.
    pub fn ended(
        &self,
        lineage: LineageId,
        events: &[&Event],
        attempts: &[AttemptView],
    ) -> Option<String> {
        let (retired, left, said, done) = self.ledger.read(|index| {
            (
                index.is_retired(lineage),
                index.left(lineage),
                index.is_said(lineage),
                index.is_done(lineage),
            )
        });
        if retired {
            return Some(retired_standing(events, attempts));
        }
        if let Some(left) = left {
            return Some(left_standing(attempts, left));
        }
        if said {
            return Some("completed by a person's word; no reading has shown it".to_owned());
        }
        if !done {
            return None;
        }
        let last = attempts
            .last()
            .map(|last| (last.row.ordinal, last.row.state));
        Some(match last {
            Some((ordinal, AttemptState::Completed)) => {
                format!("completed: that was read after attempt {ordinal} of provtaskd")
            }
            Some((ordinal, state)) => format!(
                "finished, and not by provtaskd as far as is known (its attempt {ordinal} ended {state}): OIG's own retry or an admin did it{}",
                read_as(events)
            ),
            None => format!(
                "finished by others, OIG's own retry or an admin: no attempt of provtaskd is on record{}",
                read_as(events)
            ),
        })
    }
}

/// How work stands that is not ended.
pub fn standing(attempts: &[AttemptView], decision: Option<&PlanItem>) -> String {
    match (attempts.last(), decision) {
        (Some(last), _) if last.row.state.is_open() => format!(
            "attempt {} is {}; it is being read what became of it",
            last.row.ordinal, last.row.state
        ),
        (Some(last), _) if last.row.state == AttemptState::Completed => {
            format!("completion was read after attempt {}", last.row.ordinal)
        }
        (Some(last), Some(decision)) => format!(
            "attempt {} ended {}; now: {}",
            last.row.ordinal, last.row.state, decision.verdict_text
        ),
        (Some(last), None) => format!("attempt {} ended {}", last.row.ordinal, last.row.state),
        (None, Some(decision)) => match decision.refusals.first() {
            Some(refusal) => format!("{}; not done: {}", decision.verdict_text, refusal.text),
            None => decision.verdict_text.clone(),
        },
        (None, None) => "seen, nothing decided yet".to_owned(),
    }
}

/// As what work was read last.
fn read_as(events: &[&Event]) -> String {
    let last = events.iter().rev().find_map(|event| match &event.body {
        EventBody::Seen { items } => items.last().map(|item| (event.at, item.status.clone())),
        _ => None,
    });
    last.map_or_else(String::new, |(at, status)| {
        format!("; read as {status} at {at:.0}")
    })
}

/// How one stands whose id is not its own any more; no attempt of it is read any further.
fn retired_standing(events: &[&Event], attempts: &[AttemptView]) -> String {
    let reused = events.iter().rev().find_map(|event| match &event.body {
        EventBody::IdsReused { items } => items.first().map(|item| (event.at, item.why.clone())),
        _ => None,
    });
    let why = match reused {
        Some((at, why)) => format!("closed on {at:.0}: its id is another task's now ({why})"),
        None => "closed: a person has accepted other data of the server (`approve world`), and it belongs to those of before; its id may be another task's now".to_owned(),
    };
    match attempts.last().filter(|last| last.row.state.is_open()) {
        None => why,
        Some(last) => format!(
            "{why}; attempt {} was {} then, and what became of it is not read any more",
            last.row.ordinal, last.row.state
        ),
    }
}

/// How one stands that no list shows any more: what became of it is not known, and nothing is said that sounds
/// as if it were.
fn left_standing(attempts: &[AttemptView], left: Left) -> String {
    // whose lists show their work to themselves alone
    let handed = attempts.last().map(|last| &last.row);
    let handed = handed.filter(|row| row.state == AttemptState::Completed && !left.is_lost());
    if let Some((to, row)) = handed.and_then(|row| Some((row.to.as_ref()?, row))) {
        return format!(
            "attempt {} handed it to {to}, and no list of this login has shown it since {:.0}: what becomes of it there is not known here",
            row.ordinal,
            left.since()
        );
    }
    let before = attempts.last().map_or_else(String::new, |last| {
        format!(
            "attempt {} ended {}; then it ",
            last.row.ordinal, last.row.state
        )
    });
    let lost = if left.is_lost() { LOST } else { "" };
    format!(
        "{before}left the list on {:.0}, and no attempt of provtaskd on record tells why: what happened to it is not known{lost}",
        left.since()
    )
}

/// What is said besides where the store was rewound.
pub const LOST: &str =
    "; the store had been rewound, and a retry of the lost interval may have ended it";
