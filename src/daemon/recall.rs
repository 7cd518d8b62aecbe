//! Brings the governor's memory back at start; one that can't be read never counts as "nothing was paused".

use jiff::Timestamp;

use super::orders::uid_name;
use crate::governor::{self, Governor, GovernorState};
use crate::ledger::{Ledger, Pause};
use crate::model::Scope;
use crate::model::settings::Settings;

/// Who paused, where no person did.
const BY: &str = "provtaskd: the stored state of pauses and breakers could not be read at start";

/// Who paused, where an older version had it from the journal alone.
const RECORDED: &str = "the journal";

/// Who paused, by the record of the order; `by` where the governor knows it better.
pub fn paused_by(by: &str, order: Option<&Pause>) -> String {
    match order {
        Some(order) if by == RECORDED => recorded(order),
        None if by == RECORDED => "somebody whom the journal does not name".to_owned(),
        _ => by.to_owned(),
    }
}

fn recorded(order: &Pause) -> String {
    match order.by {
        Some(uid) => uid_name(uid),
        None => "provtaskd itself, by no person's order".to_owned(),
    }
}

/// The governor as it was, and with what it did not store any more before it was killed: the rate of a
/// minute holds over a restart, so what the ledger claimed within it counts.
pub fn governor(ledger: &Ledger, settings: &Settings, now: Timestamp) -> Governor {
    let mut governor = stored(ledger, settings, now);
    // a restored store is paused by a record alone: no governor has run since; and a kill may have come between
    // the record of a pause and the governor's
    let pauses: Vec<(Scope, Option<Timestamp>, String)> = ledger.read(|index| {
        let hold = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
        let pauses = index.pauses().filter(|(_, pause)| hold(pause.until));
        pauses
            .map(|(scope, pause)| (scope.clone(), pause.until, recorded(pause)))
            .collect()
    });
    for (scope, until, by) in pauses {
        governor.pause(now, scope, &by, until);
    }
    ledger.read(|index| {
        for (action, target, revokes, acts) in index.claimed_since_governor() {
            governor.recount(action, target, revokes, acts);
        }
        for (action, target, task) in index.used_since_governor() {
            governor.recount_used(*action, target, task);
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
            let person = crate::ledger::record::Actor::Person {
                uid: 1234,
                name: Arc::from("uid 1234"),
            };
            let body = EventBody::Paused {
                scope: target(name),
                until,
                reason: Arc::from("a change"),
            };
            let meta = match name {
                "HR" => Meta::daemon(at(0), None),
                _ => Meta::by(person, at(0)),
            };
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
        let by = |name: &str| {
            let pauses = governor.pauses(at(10)).into_iter();
            let mut by = pauses.filter(|pause| pause.scope == target(name));
            by.next().map(|pause| pause.by.to_string())
        };
        assert_eq!(by("AD").as_deref(), Some("uid 1234"), "who ordered it");
        let nobody = by("HR").expect("paused");
        assert!(nobody.contains("no person"), "{nobody}");
        // as an older version has left it
        let order = ledger.read(|index| index.pause(&target("AD"), at(10)).cloned());
        assert_eq!(paused_by(RECORDED, order.as_ref()), "uid 1234");
        assert_eq!(paused_by("uid 7", order.as_ref()), "uid 7");
        assert!(paused_by(RECORDED, None).contains("does not name"));
    }
}
