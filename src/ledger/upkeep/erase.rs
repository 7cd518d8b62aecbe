//! Who is to be erased: the login, the keys and the names under which a store knows a person, learned from the store itself, and whether words name him. Pure; what goes of a record is in `fields`.

mod fields;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::error::UpkeepError;
use crate::ledger::index::{Index, Short, flags};
use crate::ledger::record::{Event, EventBody};
use crate::model::{Action, LineageId, Login, Owner, Principal, UserKey, Verdict};
use names::Name;

pub(super) use fields::Unfinished;

/// Characters that a given name has at least: fewer would be found everywhere.
const SHORTEST: usize = 3;

/// Who is to be erased, and what is known of him.
pub(super) struct Person {
    login: Login,
    /// The login in lower case, to be found in words.
    word: String,
    /// Full names and mail addresses.
    names: BTreeSet<Name>,
    /// Keys under which he was shown.
    keys: HashSet<UserKey>,
    /// What no list has shown since before this is closed; nothing is, unless a time is given.
    pub left_before: Timestamp,
    /// Closed lineages of which he is the beneficiary: what was stored of them is about him.
    pub own: HashSet<LineageId>,
    /// Stored texts that go.
    pub texts: HashSet<Short>,
    /// Records of older states of the governor that go.
    pub states: HashSet<u64>,
}

/// What was met on the way.
#[derive(Default)]
pub(super) struct Met {
    /// Closed lineages in which something was taken out.
    pub touched: HashSet<LineageId>,
    /// Lineages that are not closed and name him.
    pub open: BTreeSet<LineageId>,
    /// What is in force and names him: it stays.
    pub in_force: u64,
    /// Records in which a name of the server's configuration names him: a target, a definition, the login that acts.
    pub configured: u64,
}

/// True where nothing of a lineage is open or can be sent any more: it is done, or no list has shown it since
/// before `left_before`.
pub(super) fn is_closed(index: &Index, lineage: LineageId, left_before: Timestamp) -> bool {
    let ended = index
        .lineage(lineage)
        .is_some_and(|of| of.has(flags::DONE | flags::RETIRED));
    let left = || {
        let since = index.left_for_good(lineage);
        since.is_some_and(|since| since < left_before)
    };
    (ended || left()) && index.attempt(lineage).is_none()
}

impl Person {
    /// A person by login, with names that the one who asks knows.
    ///
    /// # Errors
    /// A name is so short that it would be found everywhere.
    pub fn new(login: &str, names: &[String]) -> Result<Self, UpkeepError> {
        let login = Login::new(login);
        let mut person = Self {
            word: names::folded(login.as_str()),
            login,
            names: BTreeSet::new(),
            keys: HashSet::new(),
            left_before: Timestamp::MIN,
            own: HashSet::new(),
            texts: HashSet::new(),
            states: HashSet::new(),
        };
        for name in names {
            let letters = name.chars().filter(|c| c.is_alphanumeric()).count();
            if letters < SHORTEST {
                return Err(UpkeepError::Nothing(format!(
                    "the name {name:?} is too short: it would be found in words that name nobody"
                )));
            }
            person.names.extend(Name::of(name));
        }
        Ok(person)
    }

    /// Learns from a record by which keys he is known, and which closed work is his.
    pub fn learn(&mut self, event: &Event, index: &Index) {
        match &event.body {
            EventBody::LineagesOpened { items } => {
                for item in items {
                    self.learn_own(item.lineage, item.user.as_ref(), index);
                    self.learn_owner(item.owner.as_ref());
                }
            }
            EventBody::Seen { items } => {
                for item in items {
                    let redefined = item.redefined.as_ref();
                    self.learn_own(item.lineage, redefined.and_then(|r| r.user.as_ref()), index);
                    self.learn_owner(item.owner.as_ref());
                }
            }
            EventBody::LineagesJoined { items } => {
                for item in items {
                    let moved = item.moved.as_ref();
                    self.learn_own(item.lineage, moved.and_then(|r| r.user.as_ref()), index);
                }
            }
            EventBody::Claims { items, .. } => {
                items
                    .iter()
                    .for_each(|item| self.learn_action(&item.action));
            }
            EventBody::Decided { items } => {
                for item in items {
                    if let Some(Verdict::Act { action, .. }) = &item.verdict {
                        self.learn_action(action);
                    }
                }
            }
            _ => {}
        }
    }

    fn learn_own(&mut self, lineage: LineageId, user: Option<&Login>, index: &Index) {
        if user == Some(&self.login) && is_closed(index, lineage, self.left_before) {
            self.own.insert(lineage);
        }
    }

    fn learn_owner(&mut self, owner: Option<&Owner>) {
        if let Some(Owner::User {
            key: Some(key),
            login: Some(login),
        }) = owner
            && *login == self.login
        {
            self.keys.insert(key.clone());
        }
    }

    fn learn_action(&mut self, action: &Action) {
        if let Action::Reassign {
            to:
                Principal::User {
                    key: Some(key),
                    login,
                },
        } = action
            && *login == self.login
        {
            self.keys.insert(key.clone());
        }
    }

    /// Learns from a stored text how the server calls him, where it is a row in which he stands.
    pub fn learn_text(&mut self, text: &str) {
        let fields = names::fields(text);
        let is_he = |value: &str| self.is_his_login(value);
        let shown = |of: fn(&str) -> bool| {
            let mut fields = fields.iter();
            fields.any(|(name, value)| of(name) && is_he(value))
        };
        let (owns, gets) = (
            shown(|name| name.contains("assignee")),
            shown(|name| name.contains("target user") || name.contains("beneficiary")),
        );
        for (role, is) in [(names::Role::Owner, owns), (names::Role::Beneficiary, gets)] {
            if is {
                self.names.extend(names::names(&fields, role));
            }
        }
        if owns {
            let key = fields.iter().find(|(name, value)| {
                name.contains("assigned to user key") && !value.is_empty() && value != "0"
            });
            self.keys.extend(key.map(|(_, key)| UserKey::new(key)));
        }
    }

    fn is_his_login(&self, value: &str) -> bool {
        Login::new(value) == self.login
    }

    /// True where the login is a number, such as a personnel number: alone it may be anything.
    fn is_number(&self) -> bool {
        !self.word.is_empty() && self.word.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// True where the login stands in words as a whole word, in upper or lower case, whatever it may be there.
    pub fn is_mentioned(&self, text: &str) -> bool {
        !self.word.is_empty() && names::is_whole_in(&self.word, &names::folded(text))
    }

    /// True where a value of that name is his login. Of one that is a number the name tells whether it is
    /// one; any other is told by itself.
    pub fn is_value(&self, name: &str, value: &str) -> bool {
        names::is_login(&name.to_lowercase()) && self.is_his_login(value.trim_matches('"'))
    }

    /// The same as [`Person::is_named`] of a stored text, in which fields show him as well.
    pub fn is_shown(&self, text: &str) -> bool {
        let in_fields = || {
            let fields = names::fields(text);
            let mut fields = fields.iter();
            fields.any(|(name, value)| self.is_value(name, value))
        };
        self.is_named(text) || (self.is_number() && in_fields())
    }

    /// True where words name him: the login as a whole word, in upper or lower case, a full name in either
    /// order, a mail address, or his key where the words say that it is one. The same holds of a login that
    /// is a number: the words have to say that it is one, or others' work would be taken for his.
    pub fn is_named(&self, text: &str) -> bool {
        let text = names::folded(text);
        let whole = |word: &str| names::is_whole_in(word, &text);
        let by_login = if self.is_number() {
            names::is_login_in(&self.word, &text)
        } else {
            !self.word.is_empty() && whole(&self.word)
        };
        if by_login {
            return true;
        }
        let by_key = self.keys.iter().any(|key| {
            let key = names::folded(key.as_str());
            let number = key.bytes().all(|byte| byte.is_ascii_digit());
            // a number alone may be anything
            (!number && key.len() > SHORTEST && whole(&key))
                || whole(&format!("user#{key}"))
                || text.contains(&format!("\"type\":\"user\",\"key\":\"{key}\""))
        });
        if by_key || self.names.is_empty() {
            return by_key;
        }
        let words: Vec<&str> = names::words(&text).collect();
        self.names.iter().any(|name| name.is_in(&words))
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
}
