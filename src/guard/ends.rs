//! When what an action rests on comes to its end, by what was read: a last day, an absence, a proxy; pure, it refuses nothing.

use jiff::Timestamp;

use crate::model::standing::LastDay;
use crate::model::{Action, Known};

use super::assignee::members_end;
use super::input::{AssigneeFact, GuardInput, needs};

/// The first moment after `now` at which it holds no more; `Timestamp::MAX` where nothing is known to end.
pub(super) fn ends(input: &GuardInput<'_>) -> Timestamp {
    let last_day = input
        .standing
        .value()
        .filter(|_| needs(input.kind, input.action).beneficiary)
        .and_then(|standing| standing.end.as_ref())
        .map(|end| end.over);
    let mut ends: Vec<Timestamp> = last_day.into_iter().collect();
    if let Action::Reassign { .. } = input.action {
        ends.extend(input.owner_changes);
        ends.extend(input.assignee.and_then(Known::value).and_then(end_of));
        ends.extend(members_end(input));
    }
    let to_come = ends.into_iter().filter(|at| *at > input.now);
    to_come.min().unwrap_or(Timestamp::MAX)
}

/// Until when somebody is there, as far as that is known.
pub(super) fn end_of(fact: &AssigneeFact) -> Option<Timestamp> {
    let day = match fact.last_day.value() {
        Some(LastDay::On(end)) => Some(end.over),
        _ => None,
    };
    day.into_iter().chain(fact.changes).min()
}
