//! What retention takes out of a record: decisions, evidence, texts and personal fields of closed work; ids, joins, attempts and their ends stay. Pure, and it never touches what is about other work.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ledger::index::Short;
use crate::ledger::record::{Event, EventBody};
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
        EventBody::LineageAmbiguous { lineages, .. }
        | EventBody::BaselineReleased { lineages, .. } => lineages.clone(),
        EventBody::EpisodeReset { lineage, .. } => vec![*lineage],
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
        EventBody::EpisodeReset { lineage, reason } if out(lineage) => {
            *reason = Arc::from(TAKEN_OUT);
        }
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
        ReceiptStatus::Refused { reason: text, .. }
        | ReceiptStatus::Unknown { why: text }
        | ReceiptStatus::Unsent { why: text } => *text = Arc::from(TAKEN_OUT),
    }
}
