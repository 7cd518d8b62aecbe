//! What goes of a record when a person is erased. Every field of every body is named here, with what becomes of it, so that one that comes to be does not compile until that was thought of. Work that is open keeps what it needs, and that is counted.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::strip::{TAKEN_OUT, nobody, texts};
use super::{Met, Person, is_closed, names};
use crate::ledger::index::{Index, Short};
use crate::ledger::record::{
    Actor, ClaimItem, DecidedItem, Event, EventBody, JoinedItem, OpenedItem, ReceiptItem,
    Redefined, ReusedItem, SeenItem,
};
use crate::model::attempt::{ended, ended_with};
use crate::model::{
    Action, LineageId, Login, OrderRelease, Outcome, Principal, ReceiptStatus, Refusal, Verdict,
};

impl Person {
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

    /// Words about his own closed work may name him in a way that nobody knows: they go as a whole.
    fn words_about(&self, own: bool, text: &mut Arc<str>) {
        if own {
            *text = Arc::from(TAKEN_OUT);
        } else {
            self.words(text);
        }
    }

    fn login(&self, login: &mut Option<Login>) {
        *login = login.take().filter(|login| *login != self.login);
    }

    fn action(&self, own: bool, action: &mut Action) {
        match action {
            Action::Reassign { to } => match to {
                Principal::User { key, login } => {
                    if *login == self.login
                        || key.as_ref().is_some_and(|key| self.keys.contains(key))
                    {
                        *to = nobody(to);
                    }
                }
                Principal::Role { key: _, name } => self.words(name),
            },
            Action::SetNote { text } => self.words_about(own, text),
            Action::SetResponse { code } => self.words(code),
            Action::Retry | Action::ManualComplete => {}
        }
    }

    fn opened(&self, item: &mut OpenedItem) {
        let OpenedItem {
            lineage: _,
            task: _,
            created: _,
            kind: _,
            // names of the server's configuration: `configured` counts those that name him
            target: _,
            definition: _,
            name: _,
            process: _,
            user,
            child: _,
            owner,
            print: _,
            ambiguous: _,
            run: _,
            by_date: _,
            known_by: _,
        } = item;
        self.login(user);
        *owner = owner.take().filter(|owner| !self.is(owner));
    }

    fn seen(&self, item: &mut SeenItem) {
        let SeenItem {
            lineage: _,
            print: _,
            early: _,
            run: _,
            foreign: _,
            by_id: _,
            owner,
            status,
            redefined,
        } = item;
        *owner = owner.take().filter(|owner| !self.is(owner));
        self.words(status);
        self.redefined(redefined);
    }

    fn joined(&self, item: &mut JoinedItem) {
        let JoinedItem {
            lineage: _,
            task: _,
            created: _,
            how: _,
            print: _,
            moved,
        } = item;
        self.redefined(moved);
    }

    fn redefined(&self, redefined: &mut Option<Redefined>) {
        if let Some(Redefined {
            definition: _,
            process: _,
            user,
            child: _,
        }) = redefined
        {
            self.login(user);
        }
    }

    fn decided(&self, item: &mut DecidedItem) {
        let DecidedItem {
            lineage,
            task: _,
            version: _,
            kind: _,
            policy,
            line: _,
            hash: _,
            inputs: _,
            // nothing but times
            moment: _,
            verdict,
            fault,
            refusal,
            read,
            relook: _,
        } = item;
        let own = self.own.contains(lineage);
        self.some_words(policy);
        match verdict {
            Some(Verdict::Act {
                action,
                after: _,
                because,
                priority: _,
            }) => {
                self.action(own, action);
                if let Some(because) = because {
                    self.words_about(own, because);
                }
            }
            Some(Verdict::Leave { reason, after: _ } | Verdict::Ask { reason, after: _ }) => {
                self.words_about(own, reason);
            }
            None => {}
        }
        if let Some(fault) = fault {
            self.words_about(own, fault);
        }
        // values of his own work may name him otherwise than by login
        let named = |name: &str, value: &str| {
            self.is_named(value)
                || self.is_named(name)
                || (name.contains("key")
                    && self
                        .keys
                        .iter()
                        .any(|key| key.as_str() == value.trim_matches('"')))
                || self.is_value(name, value)
        };
        if own || read.iter().any(|(name, value)| named(name, value)) {
            // beside a value that names him others say how he is called
            let left = read
                .iter()
                .filter(|(name, value)| !own && !named(name, value) && !names::is_personal(name));
            *read = left.cloned().collect();
        }
        if let Some(Refusal {
            reason: _,
            values,
            until: _,
            scope: _,
            needs_person: _,
        }) = refusal
        {
            values.retain(|(name, value)| !own && !named(name, value));
        }
    }

    fn claimed(&self, item: &mut ClaimItem) {
        let ClaimItem {
            lineage,
            ordinal: _,
            task: _,
            action,
            process: _,
            definition: _,
            kind: _,
            policy,
            inputs: _,
            version: _,
            rests,
        } = item;
        // whether he was there, and until when, is his
        if self.own.contains(lineage) {
            *rests = Arc::default();
        }
        self.action(self.own.contains(lineage), action);
        self.some_words(policy);
    }

    fn answered(&self, item: &mut ReceiptItem) {
        let ReceiptItem {
            lineage,
            ordinal: _,
            task: _,
            status,
        } = item;
        self.answer(self.own.contains(lineage), status);
    }

    fn answer(&self, own: bool, status: &mut ReceiptStatus) {
        match status {
            ReceiptStatus::Accepted => {}
            ReceiptStatus::Refused {
                reason: text,
                manual: _,
            }
            | ReceiptStatus::Unsent { why: text } => self.words_about(own, text),
            ReceiptStatus::Unknown { why } => {
                // whether it was the server is told by the requests in a row: the HTTP status stays
                let status = ended_with(why);
                self.words_about(own, why);
                if **why == *TAKEN_OUT {
                    *why = ended(status, TAKEN_OUT);
                }
            }
        }
    }

    fn ended(&self, item: &mut Outcome) {
        let Outcome {
            lineage,
            ordinal: _,
            event: _,
            at: _,
            task: _,
            evidence,
        } = item;
        let own = self.own.contains(lineage);
        if let Some(evidence) = evidence {
            self.words_about(own, evidence);
        }
    }

    fn reused(&self, item: &mut ReusedItem) {
        let ReusedItem {
            lineage,
            task: _,
            why,
        } = item;
        self.words_about(self.own.contains(lineage), why);
    }

    /// What a record says afterwards; `None` where nothing goes. Items of open work stay as they are.
    pub fn erase(&self, event: &Event, index: &Index, met: &RefCell<Met>) -> Option<Event> {
        let mut changed = event.clone();
        let Event {
            v: _,
            seq,
            at: _,
            cycle: _,
            actor,
            login,
            policy: _,
            inputs: _,
            prev: _,
            was: _,
            body,
        } = &mut changed;
        match actor {
            Actor::Person { uid: _, name } => {
                // nothing but what somebody is called
                if self.is_mentioned(name) {
                    *name = Arc::from(TAKEN_OUT);
                } else {
                    self.words(name);
                }
            }
            Actor::Daemon | Actor::System => {}
        }
        if login.as_ref() == Some(&self.login) {
            *login = Some(Login::new(TAKEN_OUT));
        }
        self.erase_body(*seq, body, index, met);
        if changed == *event {
            return None;
        }
        Some(changed)
    }

    fn erase_body(&self, seq: u64, body: &mut EventBody, index: &Index, met: &RefCell<Met>) {
        let configured = |names: &[&str]| {
            let named = names.iter().any(|name| self.is_named(name));
            met.borrow_mut().configured += u64::from(named);
        };
        match body {
            EventBody::StoreCreated { store: _ } => {}
            EventBody::WorldBound { fingerprint } => configured(&[fingerprint]),
            EventBody::StoreRewound {
                expected: _,
                found: _,
                damage: _,
                restored,
                lineages: _,
            } => self.some_words(restored),
            EventBody::WorldDoubted { why } => {
                // a person has to know it as long as that is not settled
                let held = |(_, held): &(_, Arc<str>)| held == why;
                if index.other_world.as_ref().is_some_and(held) {
                    met.borrow_mut().in_force += u64::from(self.is_named(why));
                } else {
                    self.words(why);
                }
            }
            EventBody::IdsReused { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.reused(i));
            }
            EventBody::LineagesOpened { items } => {
                for item in items.iter() {
                    let target = item.target.as_ref().map_or("", |target| target.as_str());
                    configured(&[target, item.name.as_deref().unwrap_or("")]);
                }
                self.each(items, index, met, |i| i.lineage, |i| self.opened(i));
            }
            EventBody::Seen { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.seen(i));
            }
            EventBody::LineagesJoined { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.joined(i));
            }
            EventBody::Decided { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.decided(i));
            }
            EventBody::Claims {
                batch: _,
                target: _,
                action: _,
                items,
            } => self.each(items, index, met, |i| i.lineage, |i| self.claimed(i)),
            EventBody::Receipts {
                batch: _,
                took_ms: _,
                items,
            } => self.each(items, index, met, |i| i.lineage, |i| self.answered(i)),
            EventBody::Outcomes { items } => {
                self.each(items, index, met, |i| i.lineage, |i| self.ended(i));
            }
            EventBody::EpisodeReset { lineage, reason }
            | EventBody::OrderReleased {
                lineage,
                task: _,
                release:
                    OrderRelease {
                        reason: _,
                        other: _,
                        status: _,
                        until: _,
                    },
                reason,
            } => {
                self.words_about(self.own.contains(lineage), reason);
            }
            EventBody::JustificationClaimed {
                batch: _,
                lineage,
                ordinal: _,
                task: _,
                target: _,
                line,
            } => self.words_about(self.own.contains(lineage), line),
            EventBody::JustificationEnded {
                batch: _,
                lineage,
                ordinal: _,
                task: _,
                status,
                seen: _,
            } => self.answer(self.own.contains(lineage), status),
            EventBody::Learned {
                definition: _,
                manual: _,
                reason,
            }
            | EventBody::RewindSettled { reason }
            | EventBody::WorldAccepted { up_to: _, reason }
            | EventBody::WorldKept { reason }
            | EventBody::Approved {
                hold: _,
                until: _,
                reason,
            }
            | EventBody::Rejected { hold: _, reason }
            | EventBody::HoldClosed { hold: _, reason }
            | EventBody::Paused {
                scope: _,
                until: _,
                reason,
            }
            | EventBody::ModeChanged { mode: _, reason }
            | EventBody::PolicyReleased {
                hash: _,
                word: reason,
            }
            | EventBody::BaselineReleased {
                lineages: _,
                reason,
            }
            | EventBody::Rewritten {
                why: _,
                to: _,
                changed: _,
                sum: _,
                head: _,
                reason,
            }
            | EventBody::Note { text: reason }
            | EventBody::ServerBackOff {
                until: _,
                pause: _,
                why: reason,
            } => self.words(reason),
            EventBody::LineagesLeft {
                lineages: _,
                lost: _,
                reason,
            } => self.some_words(reason),
            EventBody::LoginStopped {
                login,
                secret: _,
                why,
            }
            | EventBody::LoginCleared { login, why } => {
                self.words(why);
                if *login == self.login {
                    // which login is stopped has to be known as long as it is
                    if index.stopped.contains_key(login) {
                        met.borrow_mut().in_force += 1;
                    } else {
                        *login = Login::new(TAKEN_OUT);
                    }
                }
            }
            EventBody::GovernorState {
                version: _,
                part: _,
                of: _,
                json: _,
            } => {
                if self.states.contains(&seq) {
                    *body = EventBody::Dropped {};
                }
            }
            EventBody::InputsStored {
                digest: _,
                part: _,
                of: _,
                text: _,
            }
            | EventBody::InputsAlike { base: _, items: _ } => texts(body, &self.texts),
            EventBody::LineageAmbiguous {
                lineages: _,
                tasks: _,
            }
            | EventBody::Forgot { definition: _ }
            | EventBody::HoldOpened {
                hold: _,
                action: _,
                target: _,
                policy: _,
                tasks: _,
            }
            | EventBody::Resumed { scope: _ }
            | EventBody::PolicySeen {
                hash: _,
                sources: _,
            }
            | EventBody::BaselineTaken { up_to: _ }
            | EventBody::BaselineHeld { lineages: _ }
            | EventBody::Dropped {}
            | EventBody::LateOver { items: _ }
            | EventBody::Requests {
                from: _,
                to: _,
                reads: _,
                tokens: _,
            }
            | EventBody::Checkpoint { up_to: _ } => {}
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
            if is_closed(index, of, self.left_before) {
                met.touched.insert(of);
                *item = changed;
            } else {
                met.open.insert(of);
            }
        }
    }
}

/// Texts of which the end was never written, put together as far as they came: nothing reads them any more,
/// and they may name anybody.
#[derive(Default)]
pub(in crate::ledger::upkeep) struct Unfinished(std::collections::HashMap<Short, String>);

impl Unfinished {
    /// Takes in the next record.
    pub fn note(&mut self, body: &EventBody, index: &Index) {
        if let EventBody::InputsStored { digest, text, .. } = body {
            let short = Short::from(digest);
            if !index.kept.contains_key(&short) {
                self.0.entry(short).or_default().push_str(text);
            }
        }
    }

    /// Those that name the person.
    pub fn naming(self, person: &Person) -> impl Iterator<Item = Short> {
        let all = self.0.into_iter();
        all.filter(|(_, text)| person.is_shown(text))
            .map(|(short, _)| short)
    }
}
