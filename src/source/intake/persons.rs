//! Which persons of the file have their accounts walked through next, how far a walk through all of them has come, and what became of them; pure over a time that is passed in, it reads no account.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::Login;
use crate::oig::filter::equals;

/// Persons in one file.
const PERSONS_MAX: usize = 100_000;
/// Bytes of one login.
const LONGEST: usize = 256;
/// Persons that could not be walked through are named up to so many.
const NAMED: usize = 20;
/// So often in a row a walk stops at the same person before it goes on without.
const STOPS: u8 = 3;

/// What became of a person in a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PersonEnd {
    /// All accounts were read.
    Walked,
    /// This login is not shown the person.
    NotShown,
    /// The person's accounts, or one of them, could not be read.
    NotRead,
}

/// A login that a person wrote down.
pub fn login(text: &str) -> Option<Login> {
    let text = text.trim();
    let good = !text.is_empty()
        && text.len() <= LONGEST
        && !text.contains([',', ';', '\t', '"'])
        && !text.contains(char::is_control);
    good.then(|| Login::new(text))
}

/// What a file of persons holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Persons {
    /// The logins, each once.
    pub logins: BTreeSet<Login>,
    /// The first lines that are left out, each with why, for the person who wrote the file.
    pub faults: Vec<(u64, String)>,
    /// How many lines are left out.
    pub left_out: u64,
}

impl Persons {
    /// What is wrong in the file of this name, if anything: the first line, and how many more.
    pub fn problem(&self, file: &str) -> Option<String> {
        let (line, why) = self.faults.first()?;
        Some(match self.left_out {
            0 | 1 => format!("{file}:{line}: {why}"),
            more => format!("{file}:{line}: {why}; and {} more", more - 1),
        })
    }
}

/// The logins of a file: one a line, `#` begins a comment. A line that is none is left out, and said.
pub fn persons(text: &str) -> Persons {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all = Persons::default();
    for (line, row) in (1..).zip(text.lines()) {
        let name = row.split('#').next().unwrap_or_default();
        if name.trim().is_empty() {
            continue;
        }
        let asked = login(name).map(|login| equals("User Login", login.as_str()).map(|_| login));
        let why = match asked.transpose() {
            Err(error) => format!("this person is never read: {error}"),
            Ok(Some(login)) if all.logins.len() < PERSONS_MAX || all.logins.contains(&login) => {
                all.logins.insert(login);
                continue;
            }
            Ok(Some(_)) => format!("more than {PERSONS_MAX} persons"),
            Ok(None) => "this is no login; write one a line".to_owned(),
        };
        all.left_out += 1;
        if all.faults.len() < NAMED {
            all.faults.push((line, why));
        }
    }
    all
}

/// What became of persons whose turn is over.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Turns {
    /// Persons whose accounts were read.
    pub walked: u64,
    /// Tasks that no list showed.
    pub found: u64,
    /// Persons whom the server does not show, the first ones.
    pub not_shown: BTreeSet<Login>,
    /// Persons whose accounts could not be read, the first ones.
    pub not_read: BTreeSet<Login>,
    /// How many they are, those that are not named among them.
    pub not_walked: u64,
}

impl Turns {
    /// One person's turn is over, in which so many tasks were found.
    pub fn had(&mut self, login: &Login, end: PersonEnd, found: u64) {
        self.found = self.found.saturating_add(found);
        let names = match end {
            PersonEnd::Walked => {
                self.walked = self.walked.saturating_add(1);
                return;
            }
            PersonEnd::NotShown => &mut self.not_shown,
            PersonEnd::NotRead => &mut self.not_read,
        };
        self.not_walked = self.not_walked.saturating_add(1);
        if names.len() < NAMED {
            names.insert(login.clone());
        }
    }
}

/// A walk through all persons, in the order of their logins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Round {
    /// When it began; none: there was none yet.
    pub began: Option<Timestamp>,
    /// The last one whose turn is over.
    last: Option<Login>,
    /// All had their turn.
    pub over: bool,
    /// What became of those who had it.
    pub turns: Turns,
    /// So often in a row it was stopped at the person who is next.
    stops: u8,
}

impl Round {
    /// Whose turn it is, at most so many; a walk that is over begins anew `every` after its begin. Nobody to walk
    /// through is no walk: whoever comes first does not wait for the next one.
    pub fn next(
        &mut self,
        persons: &BTreeSet<Login>,
        now: Timestamp,
        every: SignedDuration,
        many: usize,
    ) -> Vec<Login> {
        let fresh = match self.began {
            None => true,
            // a clock that was set back must not stop the walks
            Some(began) => now < began || (self.over && now.duration_since(began) >= every),
        };
        if fresh {
            *self = Self {
                began: (!persons.is_empty()).then_some(now),
                ..Self::default()
            };
        }
        if self.over || self.began.is_none() {
            return Vec::new();
        }
        let rest = persons
            .iter()
            .filter(|login| self.last.as_ref().is_none_or(|last| *login > last));
        let next: Vec<Login> = rest.take(many.max(1)).cloned().collect();
        self.over = next.is_empty();
        next
    }

    /// One person's turn is over, in which so many tasks were found.
    pub fn had_turn(&mut self, login: Login, end: PersonEnd, found: u64) {
        self.turns.had(&login, end, found);
        self.last = Some(login);
        self.stops = 0;
    }

    /// The server stopped the walk at this person, after so many tasks were found. One at whom that always happens holds up nobody for ever.
    pub fn stopped_at(&mut self, login: &Login, found: u64) {
        self.turns.found = self.turns.found.saturating_add(found);
        self.stops = self.stops.saturating_add(1);
        if self.stops >= STOPS {
            self.had_turn(login.clone(), PersonEnd::NotRead, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(of: i64) -> Timestamp {
        let start: Timestamp = "2027-03-01T07:00:00Z".parse().expect("a time");
        start + SignedDuration::from_mins(of)
    }

    #[test]
    fn a_file_names_each_person_once_and_what_is_no_login_is_left_out_and_told_with_its_line() {
        let text = "\u{feff}# leavers\nCDIAZ\n\n  BKIDDO # since March\r\nCDIAZ\n";
        let all = persons(text);
        let names = |all: &Persons| Vec::from_iter(all.logins.clone());
        assert_eq!(names(&all), [Login::new("BKIDDO"), Login::new("CDIAZ")]);
        assert_eq!(all.problem("f"), None);
        assert_eq!(persons(""), Persons::default());
        for bad in ["A\nlogin,from\nB\n", "A\n\"B\"\nB\n", "A\nB;C\nB"] {
            let all = persons(bad);
            assert_eq!(names(&all), [Login::new("A"), Login::new("B")]);
            let why = all.problem("f").expect("one is no login");
            assert!(why.starts_with("f:2: ") && !why.contains("more"), "{why}");
        }
        assert_eq!(persons(&"x".repeat(257)).left_out, 1);
        let many: String = (0..=PERSONS_MAX).map(|n| format!("P{n}\n")).collect();
        let all = persons(&(many + "P0\n,\n"));
        assert_eq!((all.logins.len(), all.left_out), (PERSONS_MAX, 2));
        let why = all.problem("f").expect("too many");
        assert!(
            why.starts_with("f:100001: ") && why.ends_with("and 1 more"),
            "{why}"
        );
    }

    #[test]
    fn each_person_has_one_turn_in_a_walk_and_the_next_walk_begins_in_its_time() {
        let all = ["A", "B", "C"].map(Login::new);
        let persons: BTreeSet<Login> = all.clone().into();
        let every = SignedDuration::from_mins(60);
        let mut round = Round::default();
        assert_eq!(round.next(&persons, minute(0), every, 2), all[..2]);
        round.had_turn(all[0].clone(), PersonEnd::Walked, 2);
        // the second one had no turn: as after a kill it comes first
        let text = serde_json::to_string(&round).expect("written");
        let mut round: Round = serde_json::from_str(&text).expect("read");
        assert_eq!(round.next(&persons, minute(5), every, 2), all[1..]);
        round.had_turn(all[1].clone(), PersonEnd::NotShown, 0);
        round.had_turn(all[2].clone(), PersonEnd::NotRead, 1);
        assert!(round.next(&persons, minute(10), every, 2).is_empty());
        let turns = &round.turns;
        assert_eq!(
            (turns.walked, turns.found, turns.not_walked, round.over),
            (1, 3, 2, true)
        );
        assert!(turns.not_shown.contains(&all[1]) && turns.not_read.contains(&all[2]));
        assert!(round.next(&persons, minute(59), every, 2).is_empty());
        assert_eq!(round.next(&persons, minute(60), every, 2), all[..2]);
        assert_eq!(
            (round.turns.walked, round.turns.not_walked),
            (0, 0),
            "counts are of one walk"
        );
        // set back: it begins at once
        assert_eq!(round.next(&persons, minute(30), every, 3), all);
    }

    #[test]
    fn who_comes_first_into_an_empty_file_does_not_wait_for_the_next_walk() {
        let every = SignedDuration::from_mins(60);
        let mut round = Round::default();
        assert!(round.next(&BTreeSet::new(), minute(0), every, 2).is_empty());
        assert_eq!((round.began, round.over), (None, false));
        let one = Login::new("A");
        let due = round.next(&BTreeSet::from([one.clone()]), minute(1), every, 2);
        assert_eq!(due, [one]);
    }

    #[test]
    fn one_at_whom_a_walk_is_stopped_again_and_again_holds_up_the_others_three_times() {
        let all = ["A", "B"].map(Login::new);
        let persons: BTreeSet<Login> = all.clone().into();
        let every = SignedDuration::from_mins(60);
        let mut round = Round::default();
        for _ in 0..3 {
            assert_eq!(round.next(&persons, minute(0), every, 1), all[..1]);
            round.stopped_at(&all[0], 1);
        }
        assert_eq!(round.next(&persons, minute(0), every, 1), all[1..]);
        assert!(round.turns.not_read.contains(&all[0]));
        assert_eq!((round.turns.found, round.turns.not_walked), (3, 1));
        // and the next one has as many
        round.stopped_at(&all[1], 0);
        assert_eq!(round.next(&persons, minute(0), every, 1), all[1..]);
    }
}
