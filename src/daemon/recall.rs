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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Env, Overrides, parse};
    use crate::ledger::Entry;
    use crate::ledger::record::{EventBody, Meta};
    use crate::model::TargetName;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).expect("a time")
    }

    fn settings() -> Settings {
        let text = "[server]\norigin = \"https://oig.example.com\"\nlogin = \"ME\"\npassword_file = \"pw\"\n";
        let path = std::path::Path::new("/etc/provtaskd.toml");
        let loaded = parse(text, path, &Env::default(), &Overrides::default());
        loaded.expect("a configuration").settings
    }

    /// The kill came between the record of a pause and the governor's state: the journal alone has it.
    #[tokio::test]
    async fn pauses_that_only_the_journal_has_hold_until_their_ends() {
        let ledger = Ledger::memory(at(0)).expect("a ledger");
        let target = |name: &str| Scope::Target(TargetName::new(name));
        for (name, until) in [("AD", Some(at(60))), ("HR", None), ("Mail", Some(at(5)))] {
            let body = EventBody::Paused {
                scope: target(name),
                until,
                reason: Arc::from("a change"),
            };
            let meta = Meta::daemon(at(0), None);
            let recorded = ledger.record(Entry { body, meta }).await;
            recorded.expect("recorded");
        }
        let governor = governor(&ledger, &settings(), at(10));
        let held = |second: i64| {
            let pauses = governor.pauses(at(second)).into_iter();
            let mut held: Vec<_> = pauses.map(|pause| (pause.scope, pause.until)).collect();
            held.sort_by_key(|(scope, _)| scope.to_string());
            held
        };
        let unending = (target("HR"), None);
        assert_eq!(held(10), [(target("AD"), Some(at(60))), unending.clone()]);
        assert_eq!(held(61), [unending]);
    }
}
