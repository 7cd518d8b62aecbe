//! Persons whom events and files of the folder have named, each once and the oldest first; bounded and pure, it reads no account and writes no file.

use std::collections::BTreeMap;

use crate::model::Login;
use crate::model::hash::FastMap;

/// So many persons wait to be walked through.
pub const WAITING_MAX: usize = 10_000;
/// So often the accounts of one are asked for in vain.
const TRIES: u8 = 5;

/// A person whom somebody has named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The person.
    pub login: Login,
    /// Tells this asking from one that came for the same person later.
    pub turn: u64,
}

/// Those that wait.
#[derive(Debug, Default)]
pub struct Persons {
    turn: u64,
    waiting: FastMap<Login, (u64, u8)>,
    /// The oldest first.
    order: BTreeMap<u64, Login>,
}

impl Persons {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True where nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one waits.
    pub fn has(&self, login: &Login) -> bool {
        self.waiting.contains_key(login)
    }

    /// All in their order.
    pub fn in_order(&self) -> impl Iterator<Item = &Login> {
        self.order.values()
    }

    /// The next ones.
    pub fn next(&self, many: usize) -> Vec<Asked> {
        let next = self.order.iter().take(many);
        next.map(|(turn, login)| Asked {
            login: login.clone(),
            turn: *turn,
        })
        .collect()
    }

    /// One is named: who waits already waits anew, since a walk that has begun says nothing of what came after.
    pub fn wait(&mut self, login: Login) {
        self.put(login, 0);
    }

    fn put(&mut self, login: Login, tries: u8) {
        self.turn += 1;
        if let Some((before, _)) = self.waiting.insert(login.clone(), (self.turn, tries)) {
            self.order.remove(&before);
        }
        self.order.insert(self.turn, login);
    }

    /// The turn of one is over; false where the same person was named again since, and waits on.
    pub fn end(&mut self, asked: &Asked) -> bool {
        if self.order.remove(&asked.turn).is_none() {
            return false;
        }
        self.waiting.remove(&asked.login);
        true
    }

    /// The turn of one was over in an earlier life.
    pub fn gone(&mut self, login: &Login) {
        if let Some((turn, _)) = self.waiting.remove(login) {
            self.order.remove(&turn);
        }
    }

    /// The accounts of one were asked for in vain; answers whether that was the last time. Others come first.
    pub fn in_vain(&mut self, asked: &Asked) -> bool {
        let tries = match self.waiting.get(&asked.login) {
            Some((turn, tries)) if *turn == asked.turn => tries.saturating_add(1),
            _ => return false,
        };
        if tries >= TRIES {
            return true;
        }
        self.put(asked.login.clone(), tries);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[Asked]) -> Vec<&str> {
        of.iter().map(|asked| asked.login.as_str()).collect()
    }

    #[test]
    fn each_waits_once_and_who_is_named_while_being_walked_through_waits_on() {
        let mut persons = Persons::default();
        for name in ["B", "a", "b"] {
            persons.wait(Login::new(name));
        }
        let due = persons.next(9);
        assert_eq!(names(&due), ["A", "B"]);
        persons.wait(Login::new("A"));
        assert!(persons.end(&due[1]));
        assert!(!persons.end(&due[0]), "it was named again");
        assert_eq!(names(&persons.next(9)), ["A"]);
        persons.gone(&Login::new("A"));
        assert!(persons.is_empty() && persons.next(9).is_empty());
    }

    #[test]
    fn who_can_not_be_read_comes_after_the_others_and_is_given_up_at_last() {
        let mut persons = Persons::default();
        persons.wait(Login::new("A"));
        persons.wait(Login::new("B"));
        for tries in 1..=5 {
            let due = persons.next(9);
            let one = due.iter().find(|asked| asked.login.as_str() == "A");
            assert_eq!(persons.in_vain(one.expect("it waits")), tries == 5);
            if tries == 1 {
                assert_eq!(names(&persons.next(1)), ["B"]);
                assert!(!persons.in_vain(&due[0]), "a former turn");
            }
        }
        // who is named anew has all tries
        persons.wait(Login::new("A"));
        let one = persons.next(9).pop().expect("it waits");
        assert!(!persons.in_vain(&one));
    }
}
