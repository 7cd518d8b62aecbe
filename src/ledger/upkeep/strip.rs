//! What retention takes out of a record: decisions, evidence, texts and personal fields of closed work; ids, joins, attempts and their ends stay. Pure, and it never touches what is about other work.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ledger::index::Short;
use crate::ledger::record::{Event, EventBody};
use crate::model::attempt::{ended, ended_with};
use crate::model::{Action, Digest, LineageId, Login, Principal, ReceiptStatus};

/// The word in the place of what was taken out, where something has to stand there.
pub(super) const TAKEN_OUT: &str = "(taken out)";

/// What goes.
#[derive(Default)]
pub(super) struct Goes {
    /// Lineages whose decisions, evidence and personal fields go.
    pub lineages: HashSet<LineageId>,
    /// Stored texts.
    pub texts: HashSet<Short>,
    /// States of the governor before this record and this time: a later one stands for them.
    pub states_before: (u64, Timestamp),
}

/// The lineages that a record is about, so far as it names them.
pub(super) fn lineages_of(body: &EventBody) -> Vec<LineageId> {
    match body {
        EventBody::LineagesOpened { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::LineagesJoined { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::IdsReused { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::Seen { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::Decided { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::Claims { items, .. } => items.iter().map(|i| i.lineage).collect(),
        EventBody::Receipts { items, .. } => items.iter().map(|i| i.lineage).collect(),
        EventBody::Outcomes { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::LateOver { items } => items.iter().map(|i| i.lineage).collect(),
        EventBody::LineageAmbiguous { lineages, .. }
        | EventBody::LineagesLeft { lineages, .. }
        | EventBody::BaselineHeld { lineages }
        | EventBody::BaselineReleased { lineages, .. } => lineages.clone(),
        EventBody::EpisodeReset { lineage, .. }
        | EventBody::OrderReleased { lineage, .. }
        | EventBody::JustificationClaimed { lineage, .. }
        | EventBody::JustificationEnded { lineage, .. } => vec![*lineage],
        _ => Vec::new(),
    }
}

/// Shows each text that a record refers to, with the lineage for which it does.
pub(super) fn references(body: &EventBody, show: &mut dyn FnMut(Option<LineageId>, &Digest)) {
    match body {
        EventBody::Decided { items } => {
            items.iter().for_each(|i| show(Some(i.lineage), &i.inputs));
        }
        EventBody::Claims { items, .. } => {
            items.iter().for_each(|i| show(Some(i.lineage), &i.inputs));
        }
        EventBody::PolicySeen { sources, .. } => show(None, sources),
        _ => {}
    }
}

/// What a record says afterwards; `None` where nothing goes.
pub(super) fn strip(event: &Event, goes: &Goes) -> Option<EventBody> {
    let out = |lineage: &LineageId| goes.lineages.contains(lineage);
    let mut body = event.body.clone();
    match &mut body {
        EventBody::LineagesOpened { items } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                (item.user, item.owner) = (None, None);
            }
        }
        EventBody::Seen { items } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                item.owner = None;
                if let Some(redefined) = &mut item.redefined {
                    redefined.user = None;
                }
            }
        }
        EventBody::LineagesJoined { items } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                if let Some(moved) = &mut item.moved {
                    moved.user = None;
                }
            }
        }
        EventBody::Decided { items } => {
            items.retain(|i| !out(&i.lineage));
            if items.is_empty() {
                body = EventBody::Dropped {};
            }
        }
        EventBody::Claims { items, .. } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                bare_action(&mut item.action);
            }
        }
        EventBody::Receipts { items, .. } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                bare_answer(&mut item.status);
            }
        }
        EventBody::Outcomes { items } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                item.evidence = None;
            }
        }
        EventBody::IdsReused { items } => {
            for item in items.iter_mut().filter(|i| out(&i.lineage)) {
                item.why = Arc::from(TAKEN_OUT);
            }
        }
        EventBody::EpisodeReset { lineage, reason }
        | EventBody::OrderReleased {
            lineage, reason, ..
        } if out(lineage) => {
            *reason = Arc::from(TAKEN_OUT);
        }
        EventBody::JustificationClaimed { lineage, line, .. } if out(lineage) => {
            *line = Arc::from(TAKEN_OUT);
        }
        EventBody::JustificationEnded {
            lineage, status, ..
        } if out(lineage) => bare_answer(status),
        EventBody::InputsStored { .. } | EventBody::InputsAlike { .. } => {
            texts(&mut body, &goes.texts);
        }
        EventBody::GovernorState { .. }
            if event.seq < goes.states_before.0 && event.at < goes.states_before.1 =>
        {
            body = EventBody::Dropped {};
        }
        _ => {}
    }
    (body != event.body).then_some(body)
}

/// Takes stored texts out.
pub(super) fn texts(body: &mut EventBody, out: &HashSet<Short>) {
    match body {
        EventBody::InputsStored { digest, .. } if out.contains(&Short::from(&*digest)) => {
            *body = EventBody::Dropped {};
        }
        EventBody::InputsAlike { items, .. } => {
            items.retain(|item| !out.contains(&Short::from(&item.digest)));
            if items.is_empty() {
                *body = EventBody::Dropped {};
            }
        }
        _ => {}
    }
}

/// What was sent, without to whom and with which words; its sort stays.
pub(super) fn bare_action(action: &mut Action) {
    match action {
        Action::Reassign { to } => *to = nobody(to),
        Action::SetNote { text } => *text = Arc::from(TAKEN_OUT),
        Action::Retry | Action::SetResponse { .. } | Action::ManualComplete => {}
    }
}

/// A principal of the same sort that names nobody.
pub(super) fn nobody(of: &Principal) -> Principal {
    match of {
        Principal::User { .. } => Principal::User {
            key: None,
            login: Login::new(TAKEN_OUT),
        },
        Principal::Role { .. } => Principal::Role {
            key: None,
            name: Arc::from(TAKEN_OUT),
        },
    }
}

fn bare_answer(status: &mut ReceiptStatus) {
    match status {
        ReceiptStatus::Accepted => {}
        ReceiptStatus::Refused { reason: text, .. } | ReceiptStatus::Unsent { why: text } => {
            *text = Arc::from(TAKEN_OUT)
        }
        // whether it was the server is told by the requests in a row: the HTTP status stays
        ReceiptStatus::Unknown { why } => *why = ended(ended_with(why), TAKEN_OUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::{ClaimItem, Meta, ReceiptItem, chain, genesis};
    use crate::model::task::Owner;
    use crate::model::{ActionName, BatchId, Kind, Outcome, TargetName, TaskId};

    fn at() -> Timestamp {
        "2027-03-01T08:00:00Z".parse().expect("a time")
    }

    fn event(body: EventBody) -> Event {
        let meta = Meta::daemon(at(), None);
        let made = chain(&meta, body, 7, genesis()).expect("small");
        made.into_iter().next().expect("one").0
    }

    /// Lineage 1 goes, lineage 2 stays.
    fn goes() -> Goes {
        Goes {
            lineages: [LineageId(1)].into(),
            texts: [Short::from(&Digest::new("gone"))].into(),
            states_before: (7, Timestamp::MAX),
        }
    }

    fn outcome(lineage: u64) -> Outcome {
        Outcome {
            lineage: LineageId(lineage),
            ordinal: 1,
            event: crate::model::AttemptEvent::ReadCompleted,
            at: at(),
            task: Some(TaskId::new("9")),
            evidence: Some("JDOE was read".into()),
        }
    }

    #[test]
    fn of_a_record_about_both_only_the_closed_work_loses_its_words() {
        let items = vec![outcome(1), outcome(2)];
        let body = strip(&event(EventBody::Outcomes { items }), &goes());
        let Some(EventBody::Outcomes { items }) = body else {
            panic!("{body:?}");
        };
        assert_eq!(items[0].evidence, None);
        assert_eq!(items[0].task, Some(TaskId::new("9")), "the end stays");
        assert_eq!(items[1], outcome(2));
        // nothing more to do
        assert_eq!(strip(&event(EventBody::Outcomes { items }), &goes()), None);
    }

    #[test]
    fn what_was_sent_keeps_its_sort_and_loses_to_whom() {
        let claim = |lineage: u64, action: Action| ClaimItem {
            lineage: LineageId(lineage),
            ordinal: 1,
            task: TaskId::new("9"),
            action,
            process: None,
            definition: None,
            kind: Kind::Grant,
            policy: None,
            inputs: Digest::new("d"),
            version: 3,
            rests: Arc::default(),
        };
        let to = || Principal::User {
            key: None,
            login: Login::new("JDOE"),
        };
        let note = || Action::SetNote {
            text: "for JDOE".into(),
        };
        let body = EventBody::Claims {
            batch: BatchId(uuid::Uuid::nil()),
            target: TargetName::new("AD"),
            action: ActionName::Reassign,
            items: vec![
                claim(1, Action::Reassign { to: to() }),
                claim(1, note()),
                claim(2, note()),
            ],
        };
        let Some(EventBody::Claims { items, .. }) = strip(&event(body), &goes()) else {
            panic!("it changes");
        };
        let text = format!("{:?}", &items[..2]);
        assert!(
            !text.contains("JDOE") && text.contains("Reassign"),
            "{text}"
        );
        assert_eq!(items[2], claim(2, note()));
    }

    #[test]
    fn of_an_answer_that_could_not_be_read_the_http_status_stays() {
        for (status, left) in [(Some(500), "HTTP 500: (taken out)"), (None, "(taken out)")] {
            let mut answer = ReceiptStatus::Unknown {
                why: ended(status, "JDOE's request broke"),
            };
            for _ in 0..2 {
                bare_answer(&mut answer);
                let why = Arc::from(left);
                assert_eq!(answer, ReceiptStatus::Unknown { why });
            }
        }
    }

    #[test]
    fn answers_texts_and_old_states_go_and_what_is_in_force_stays() {
        let refused = |lineage: u64| ReceiptItem {
            lineage: LineageId(lineage),
            ordinal: 1,
            task: TaskId::new("9"),
            status: ReceiptStatus::Refused {
                reason: "JDOE is locked".into(),
                manual: true,
            },
        };
        let body = EventBody::Receipts {
            batch: BatchId(uuid::Uuid::nil()),
            took_ms: 4,
            items: vec![refused(1), refused(2)],
        };
        let Some(EventBody::Receipts { items, .. }) = strip(&event(body), &goes()) else {
            panic!("it changes");
        };
        assert!(
            matches!(&items[0].status, ReceiptStatus::Refused { reason, manual: true } if &**reason == TAKEN_OUT)
        );
        assert_eq!(items[1], refused(2));

        let text = |digest: &str| EventBody::InputsStored {
            digest: Digest::new(digest),
            part: 0,
            of: 1,
            text: "x".to_owned(),
        };
        assert_eq!(
            strip(&event(text("gone")), &goes()),
            Some(EventBody::Dropped {})
        );
        assert_eq!(strip(&event(text("stays")), &goes()), None);

        let mut state = event(EventBody::GovernorState {
            version: 1,
            part: 0,
            of: 1,
            json: "{}".to_owned(),
        });
        assert_eq!(strip(&state, &goes()), None, "the last one is in force");
        state.seq = 6;
        assert_eq!(strip(&state, &goes()), Some(EventBody::Dropped {}));

        let seen = EventBody::Seen {
            items: vec![crate::ledger::record::SeenItem {
                early: false,
                run: crate::ledger::ran::RunMark::default(),
                foreign: false,
                by_id: false,
                lineage: LineageId(1),
                print: 5,
                owner: Some(Owner::Unknown),
                status: "R".into(),
                redefined: None,
            }],
        };
        let Some(EventBody::Seen { items }) = strip(&event(seen), &goes()) else {
            panic!("it changes");
        };
        assert_eq!((items[0].print, items[0].owner.as_ref()), (5, None));
    }
}
