//! What erasing a person takes out of a record: fields that name him, words that name him, what was stored of his closed work. Pure; work that is open keeps what it needs, and that is counted.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::strip::{TAKEN_OUT, nobody, texts};
use crate::ledger::index::{Index, Short, flags};
use crate::ledger::record::{DecidedItem, Event, EventBody};
use crate::model::{Action, LineageId, Login, Owner, Principal, ReceiptStatus, UserKey, Verdict};

/// Who is to be erased, and what is known of him.
pub(super) struct Person {
    login: Login,
    /// The login in lower case, to be found in words.
    word: String,
    /// Keys under which owners were shown that are he.
    pub keys: HashSet<UserKey>,
    /// Closed lineages of which he is the beneficiary: what was stored of them is about him.
    pub own: HashSet<LineageId>,
    /// Stored texts that go.
    pub texts: HashSet<Short>,
}

/// What was met on the way.
#[derive(Default)]
pub(super) struct Met {
    /// Closed lineages in which something was taken out.
    pub touched: HashSet<LineageId>,
    /// Lineages that are not closed and name him.
    pub open: BTreeSet<LineageId>,
    /// Orders in force whose words name him.
    pub in_force: u64,
}

/// True where nothing of a lineage is open or can be sent any more.
pub(super) fn is_closed(index: &Index, lineage: LineageId) -> bool {
    let ended = index
        .lineage(lineage)
        .is_some_and(|of| of.has(flags::DONE | flags::RETIRED));
    ended && index.attempt(lineage).is_none()
}

impl Person {
    pub fn new(login: &str) -> Self {
        let login = Login::new(login);
        Self {
            word: login.as_str().to_lowercase(),
            login,
            keys: HashSet::new(),
            own: HashSet::new(),
            texts: HashSet::new(),
        }
    }

    /// Learns from a record by which keys he is known, and which closed work is his.
    pub fn learn(&mut self, body: &EventBody, index: &Index) {
        let mut own = |lineage: LineageId, user: Option<&Login>| {
            if user == Some(&self.login) && is_closed(index, lineage) {
                self.own.insert(lineage);
            }
        };
        let mut key = |owner: Option<&Owner>| {
            if let Some(Owner::User {
                key: Some(key),
                login: Some(login),
            }) = owner
                && *login == self.login
            {
                self.keys.insert(key.clone());
            }
        };
        match body {
            EventBody::LineagesOpened { items } => {
                for item in items {
                    own(item.lineage, item.user.as_ref());
                    key(item.owner.as_ref());
                }
            }
            EventBody::Seen { items } => {
                for item in items {
                    let redefined = item.redefined.as_ref();
                    own(item.lineage, redefined.and_then(|r| r.user.as_ref()));
                    key(item.owner.as_ref());
                }
            }
            _ => {}
        }
    }

    /// True where words name him: the login as a whole word, in upper or lower case.
    pub fn is_named(&self, text: &str) -> bool {
        if self.word.is_empty() {
            return false;
        }
        let text = text.to_lowercase();
        let plain = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        text.match_indices(&self.word).any(|(at, word)| {
            plain(text[..at].chars().next_back()) && plain(text[at + word.len()..].chars().next())
        })
    }

    fn is(&self, owner: &Owner) -> bool {
        match owner {
            Owner::User { key, login } => {
                login.as_ref() == Some(&self.login)
                    || key.as_ref().is_some_and(|key| self.keys.contains(key))
            }
            Owner::Role { .. } | Owner::Unknown => false,
        }
    }

    fn words(&self, text: &mut Arc<str>) {
        if self.is_named(text) {
            *text = Arc::from(TAKEN_OUT);
        }
    }

    fn some_words(&self, text: &mut Option<Arc<str>>) {
        if let Some(text) = text {
            self.words(text);
        }
    }

    fn action(&self, action: &mut Action) {
        match action {
            Action::Reassign { to } => {
                if matches!(to, Principal::User { key, login } if *login == self.login
                    || key.as_ref().is_some_and(|key| self.keys.contains(key)))
                {
                    *to = nobody(to);
                }
            }
            Action::SetNote { text } => self.words(text),
            Action::Retry | Action::SetResponse { .. } | Action::ManualComplete => {}
        }
    }

    fn decided(&self, item: &mut DecidedItem) {
        match &mut item.verdict {
            Some(Verdict::Act {
                action, because, ..
            }) => {
                self.action(action);
                self.some_words(because);
            }
            Some(Verdict::Leave { reason, .. } | Verdict::Ask { reason, .. }) => self.words(reason),
            None => {}
        }
        self.some_words(&mut item.fault);
        // values of his own work may name him otherwise than by login
        let own = self.own.contains(&item.lineage);
        if own || item.read.iter().any(|(_, value)| self.is_named(value)) {
            let left = item
                .read
                .iter()
                .filter(|(_, value)| !own && !self.is_named(value));
            item.read = left.cloned().collect();
        }
        if let Some(refusal) = &mut item.refusal {
            refusal
                .values
                .retain(|(_, value)| !own && !self.is_named(value));
        }
    }

    /// What a record says afterwards; `None` where nothing goes. Items of open work stay as they are.
    pub fn erase(&self, event: &Event, index: &Index, met: &RefCell<Met>) -> Option<EventBody> {
        let mut body = event.body.clone();
        match &mut body {
            EventBody::LineagesOpened { items } => self.each(
                items,
                index,
                met,
                |i| i.lineage,
                |i| {
                    i.user = i.user.take().filter(|user| *user != self.login);
                    i.owner = i.owner.take().filter(|owner| !self.is(owner));
                },
            ),
            EventBody::Seen { items } => self.each(
                items,
                index,
                met,
                |i| i.lineage,
                |i| {
                    i.owner = i.owner.take().filter(|owner| !self.is(owner));
                    if let Some(now) = &mut i.redefined {
                        now.user = now.user.take().filter(|user| *user != self.login);
                    }
                },
            ),
            EventBody::Decided { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.decided(i));
            }
            EventBody::Claims { items, .. } => {
                self.each(
                    items,
                    index,
                    met,
                    |i| i.lineage,
                    |i| self.action(&mut i.action),
                );
            }
            EventBody::Receipts { items, .. } => {
                self.each(
                    items,
                    index,
                    met,
                    |i| i.lineage,
                    |i| match &mut i.status {
                        ReceiptStatus::Accepted => {}
                        ReceiptStatus::Refused { reason: text, .. }
                        | ReceiptStatus::Unknown { why: text }
                        | ReceiptStatus::Unsent { why: text } => self.words(text),
                    },
                );
            }
            EventBody::Outcomes { items } => {
                self.each(
                    items,
                    index,
                    met,
                    |i| i.lineage,
                    |i| self.some_words(&mut i.evidence),
                );
            }
            EventBody::IdsReused { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.words(&mut i.why));
            }
            EventBody::EpisodeReset { reason, .. }
            | EventBody::OrderReleased { reason, .. }
            | EventBody::BaselineReleased { reason, .. }
            | EventBody::RewindSettled { reason }
            | EventBody::WorldAccepted { reason, .. }
            | EventBody::WorldKept { reason }
            | EventBody::Approved { reason, .. }
            | EventBody::Rejected { reason, .. }
            | EventBody::HoldClosed { reason, .. }
            | EventBody::ModeChanged { reason, .. }
            | EventBody::Rewritten { reason, .. }
            | EventBody::Note { text: reason } => self.words(reason),
            EventBody::Paused { reason, .. } => {
                let held = index.pauses.values().any(|pause| pause.reason == *reason);
                self.order(reason, held, met);
            }
            EventBody::LoginStopped { why, .. } => {
                let held = index.stopped.values().any(|stopped| stopped.why == *why);
                self.order(why, held, met);
            }
            EventBody::PolicyReleased { word, .. } => {
                let held = index.released.values().any(|(_, held)| held == word);
                self.order(word, held, met);
            }
            EventBody::WorldDoubted { why } => {
                let held = index
                    .other_world
                    .as_ref()
                    .is_some_and(|(_, held)| held == why);
                self.order(why, held, met);
            }
            EventBody::InputsStored { .. } | EventBody::InputsAlike { .. } => {
                texts(&mut body, &self.texts);
            }
            _ => {}
        }
        (body != event.body).then_some(body)
    }

    /// The words of an order go unless it is in force: they say what a person has to know of it.
    fn order(&self, text: &mut Arc<str>, held: bool, met: &RefCell<Met>) {
        if held {
            met.borrow_mut().in_force += u64::from(self.is_named(text));
        } else {
            self.words(text);
        }
    }

    fn each<T: Clone + PartialEq>(
        &self,
        items: &mut [T],
        index: &Index,
        met: &RefCell<Met>,
        lineage: impl Fn(&T) -> LineageId,
        change: impl Fn(&mut T),
    ) {
        for item in items {
            let mut changed = item.clone();
            change(&mut changed);
            if changed == *item {
                continue;
            }
            let of = lineage(item);
            let mut met = met.borrow_mut();
            if is_closed(index, of) {
                met.touched.insert(of);
                *item = changed;
            } else {
                met.open.insert(of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_as_a_whole_word_in_any_case() {
        let person = Person::new("jdoe");
        for text in [
            "JDOE",
            "owner user:jdoe is away",
            "(jDoe)",
            "jdoe@example.org",
            "a-jdoe",
        ] {
            assert!(person.is_named(text), "{text}");
        }
        for text in ["", "jdoes", "xjdoe", "jdo", "jdoe1"] {
            assert!(!person.is_named(text), "{text}");
        }
        assert!(!Person::new("").is_named("anything"));
    }
}
