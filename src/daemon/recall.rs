//! Brings the governor's memory back at start; one that can't be read never counts as "nothing was paused".

use jiff::Timestamp;

use crate::governor::{self, Governor, GovernorState};
use crate::ledger::Ledger;
use crate::model::Scope;
use crate::model::settings::Settings;

/// Who paused, where no person did.
const BY: &str = "provtaskd: the stored state of pauses and breakers could not be read at start";

/// Who paused, where the journal alone says so; why is recorded beside it.
const RECORDED: &str = "the journal";

/// The governor as it was, and with what it did not store any more before it was killed: the rate of a
/// minute holds over a restart, so what the ledger claimed within it counts.
pub fn governor(ledger: &Ledger, settings: &Settings, now: Timestamp) -> Governor {
    let mut governor = stored(ledger, settings, now);
    // a restored store is paused by a record alone: no governor has run since; and a kill may have come between
    // the record of a pause and the governor's
    let pauses: Vec<(Scope, Option<Timestamp>)> = ledger.read(|index| {
        let hold = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
        let pauses = index.pauses().filter(|(_, pause)| hold(pause.until));
        pauses
            .map(|(scope, pause)| (scope.clone(), pause.until))
            .collect()
    });
    for (scope, until) in pauses {
        governor.pause(now, scope, RECORDED, until);
    }
    ledger.read(|index| {
        for (action, target, revokes, acts) in index.claimed_since_governor() {
            governor.recount(action, target, revokes, acts);
        }
    });
    let from = now
        .checked_sub(governor::RATE_SPAN)
        .unwrap_or(Timestamp::MIN);
    governor.recall(now, &ledger.read(|index| index.moved_since(from)));
    governor
}

/// The governor with what the store remembers of it. Where that can't be read, everything is paused
/// until a person resumes: what was paused before is not known.
fn stored(ledger: &Ledger, settings: &Settings, now: Timestamp) -> Governor {
    let make = |state| {
        Governor::new(
            settings.governor.clone(),
            settings.modes.clone(),
            state,
            now,
        )
    };
    let empty = make(None);
    let Some((_, json)) = ledger.read(|index| index.governor_state()) else {
        return empty;
    };
    let known = empty.state().v;
    let why = match serde_json::from_str::<GovernorState>(&json) {
        Ok(state) if state.v == known => return make(Some(state)),
        Ok(state) => format!("it has version {}, this program reads {known}", state.v),
        Err(error) => error.to_string(),
    };
    let mut governor = empty;
    governor.pause(now, Scope::Global, BY, None);
    tracing::error!(
        why = %why,
        store = %settings.store.dir.display(),
        "the stored pauses and breakers can't be read: everything is paused; look which targets must stay paused, then `provtaskd resume`"
    );
    governor
}
