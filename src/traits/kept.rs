//! What an earlier probe has seen and this one could not see: it is kept, with the day it is of. Pure; a trait that was seen otherwise this time is never kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::Traits;

/// A part that the last probe did not see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unseen {
    /// `rows`, `larger pages`, `people` and so on.
    pub what: String,
    /// Why not.
    pub why: String,
    /// When that was seen which stands there; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

/// Which answers were none: the server was in trouble, so that nothing was said of these parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Troubled {
    /// Pages larger than the configured one.
    pub larger: bool,
    /// A page without a limit.
    pub default_page: bool,
    /// A list with a filter.
    pub filter: bool,
    /// The login's own record.
    pub own_record: bool,
    /// Its roles, and so whose tasks the list shows.
    pub scope: bool,
    /// People.
    pub people: bool,
    /// A single task, its history, its responses.
    pub single: bool,
    /// Accounts.
    pub accounts: bool,
    /// The token service.
    pub token: bool,
}

/// The part names.
const ROWS: &str = "rows";
const LARGER: &str = "larger pages";
const DEFAULT: &str = "default page";
const FILTER: &str = "filter";
const OWN: &str = "own record";
const SCOPE: &str = "whose tasks";
pub(super) const PEOPLE: &str = "people";
const JOINED: &str = "several at once";
pub(super) const SINGLE: &str = "single tasks";
const HISTORY: &str = "histories";
pub(super) const RESPONSES: &str = "responses";
const ACCOUNTS: &str = "accounts";
const TOKEN: &str = "token service";

const EMPTY: &str = "the list showed no task";
const TROUBLE: &str = "the server was in trouble when it was asked";
const ENDED: &str = "the only task that was asked for was not there";
const ALIKE: &str = "the list held nothing to tell it by";

/// A word that says what was seen.
fn told(word: &str) -> bool {
    !["", "not seen", "not asked"].contains(&word)
}

/// What is written down as not seen.
struct Notes<'o> {
    old: Option<&'o Traits>,
    unseen: Vec<Unseen>,
}

impl Notes<'_> {
    fn add(&mut self, what: &str, why: &str, kept: bool) {
        let before = self.old.filter(|_| kept).map(|old| {
            let older = old.unseen.iter().find(|unseen| unseen.what == what);
            older
                .and_then(|older| older.seen_at)
                .unwrap_or(old.taken_at)
        });
        self.unseen.push(Unseen {
            what: what.to_owned(),
            why: why.to_owned(),
            seen_at: before,
        });
    }
}

impl Traits {
    /// Why a part was not seen this time, where the server was in trouble.
    pub(super) fn in_trouble(&self, part: &str) -> bool {
        let mut unseen = self.unseen.iter();
        unseen.any(|unseen| unseen.what == part && unseen.why == TROUBLE)
    }

    /// Takes what this probe could not see from an earlier one of the same server and login.
    pub fn keep_unseen(&mut self, old: Option<&Self>, troubled: Troubled) {
        let unseen = Vec::new();
        let mut notes = Notes { old, unseen };
        self.keep_list(old, troubled, &mut notes);
        self.keep_scope(old, troubled, &mut notes);
        self.keep_people(old, troubled, &mut notes);
        self.keep_roads(old, troubled, &mut notes);
        let asked = |traits: &Self| traits.accounts.read + traits.accounts.missing > 0;
        if self.accounts.read == 0 && (troubled.accounts || !asked(self)) {
            let kept = old.filter(|old| asked(old));
            if let Some(old) = kept {
                self.accounts.clone_from(&old.accounts);
            }
            if troubled.accounts || kept.is_some() {
                let why = if troubled.accounts { TROUBLE } else { EMPTY };
                notes.add(ACCOUNTS, why, kept.is_some());
            }
        }
        self.unseen = notes.unseen;
    }

    fn keep_list(&mut self, old: Option<&Self>, troubled: Troubled, notes: &mut Notes<'_>) {
        let had_rows = |traits: &Self| traits.rows.seen > traits.rows.unreadable;
        if self.rows.seen == 0 {
            let kept = old.filter(|old| had_rows(old));
            if let Some(old) = kept {
                self.rows.clone_from(&old.rows);
                self.paging.clone_from(&old.paging);
                self.order.clone_from(&old.order);
                let (roles, administrator) =
                    (self.scope.roles.take(), self.scope.administrator.take());
                self.scope.clone_from(&old.scope);
                self.scope.roles = roles.or_else(|| old.scope.roles.clone());
                self.scope.administrator =
                    administrator.or_else(|| old.scope.administrator.clone());
                self.roads.filter.clone_from(&old.roads.filter);
            }
            notes.add(ROWS, EMPTY, kept.is_some());
            return;
        }
        let paging = &mut self.paging;
        if troubled.larger {
            let limits = |old: &&Self| {
                let of = &old.paging;
                of.largest.or(of.capped_at).or(of.refused_at).is_some()
            };
            let kept = old.filter(limits);
            if let Some(old) = kept {
                paging.largest = paging.largest.max(old.paging.largest);
                // a limit that pages of this time were above is none
                let above = |limit: &u64| paging.largest.is_none_or(|most| *limit > most);
                paging.refused_at = old.paging.refused_at.filter(above);
                let largest = paging.largest;
                let capped = old.paging.capped_at;
                paging.capped_at = capped.filter(|most| largest.is_none_or(|large| large <= *most));
            }
            notes.add(LARGER, TROUBLE, kept.is_some());
        }
        if troubled.default_page {
            paging.default_rows = old.and_then(|old| old.paging.default_rows);
            notes.add(DEFAULT, TROUBLE, paging.default_rows.is_some());
        }
        if !told(&self.roads.filter) {
            let kept = old.filter(|old| told(&old.roads.filter));
            if let Some(old) = kept {
                self.roads.filter.clone_from(&old.roads.filter);
            }
            if troubled.filter || kept.is_some() {
                let why = if troubled.filter { TROUBLE } else { ALIKE };
                notes.add(FILTER, why, kept.is_some());
            }
        }
    }

    /// Whose tasks a list shows is told by the login's roles: of a list without them nothing is counted anew.
    fn keep_scope(&mut self, old: Option<&Self>, troubled: Troubled, notes: &mut Notes<'_>) {
        if !troubled.scope {
            return;
        }
        let kept = old.filter(|old| told(&old.scope.shows) || old.scope.roles.is_some());
        if let Some(old) = kept {
            let administrator = self.scope.administrator.take();
            self.scope.clone_from(&old.scope);
            self.scope.administrator = administrator.or_else(|| old.scope.administrator.clone());
        }
        notes.add(SCOPE, TROUBLE, kept.is_some());
    }

    fn keep_people(&mut self, old: Option<&Self>, troubled: Troubled, notes: &mut Notes<'_>) {
        let (own, joined) = (self.people.own_record, self.people.joined);
        if troubled.own_record {
            self.people.own_record = old.and_then(|old| old.people.own_record);
            notes.add(OWN, TROUBLE, self.people.own_record.is_some());
        }
        if !troubled.people && self.people.asked > 0 {
            return;
        }
        let shown = self.people.shown;
        let kept = old.filter(|old| {
            let of = &old.people;
            of.asked > 0 && of.shown >= shown && (of.shown > 0 || !old.in_trouble(PEOPLE))
        });
        if let Some(old) = kept {
            self.people.clone_from(&old.people);
            self.people.own_record = own.or(old.people.own_record);
            self.people.joined = joined.or(old.people.joined);
        }
        let why = if troubled.people { TROUBLE } else { EMPTY };
        if kept.is_some() || shown == 0 {
            notes.add(PEOPLE, why, kept.is_some());
        } else if joined.is_none() {
            self.people.joined = old.and_then(|old| old.people.joined);
            notes.add(JOINED, why, self.people.joined.is_some());
        }
    }

    fn keep_roads(&mut self, old: Option<&Self>, troubled: Troubled, notes: &mut Notes<'_>) {
        let why = match (troubled.single, self.rows.seen) {
            (true, _) => TROUBLE,
            (false, 0) => EMPTY,
            (false, _) => ENDED,
        };
        let old_roads = old.map(|old| &old.roads);
        let roads = &mut self.roads;
        if roads.single.is_none() {
            if let Some(old) = old_roads {
                roads.single = old.single;
                roads.single_id.clone_from(&old.single_id);
                roads.form_fields = old.form_fields;
            }
            notes.add(SINGLE, why, roads.single.is_some());
        }
        if roads.history.is_none() {
            roads.history = old_roads.and_then(|old| old.history);
            notes.add(HISTORY, why, roads.history.is_some());
        }
        if roads.responses.is_none() {
            roads.responses = old_roads.and_then(|old| old.responses);
            notes.add(RESPONSES, why, roads.responses.is_some());
        }
        if troubled.token {
            let kept = old_roads.filter(|old| told(&old.token));
            if let Some(old) = kept {
                roads.token.clone_from(&old.token);
            }
            notes.add(TOKEN, TROUBLE, kept.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rests::missing;
    use super::super::rests::tests::{empty, shown};
    use super::*;
    use crate::model::ActionName;

    const ALL: Troubled = Troubled {
        larger: true,
        default_page: true,
        filter: true,
        own_record: true,
        scope: true,
        people: true,
        single: true,
        accounts: true,
        token: true,
    };

    fn learned() -> Traits {
        let mut traits = shown();
        traits.people.asked = 4;
        traits.people.shown = 3;
        traits.people.own_record = Some(true);
        traits.roads.single = Some(true);
        traits.roads.history = Some(true);
        traits.roads.responses = Some(true);
        traits.accounts.read = 2;
        traits
    }

    fn later() -> Traits {
        let mut traits = empty();
        traits.taken_at = Timestamp::from_second(1_000).expect("a time");
        traits
    }

    #[test]
    fn an_empty_list_takes_nothing_away_and_says_of_when_it_is() {
        let mut now = later();
        now.keep_unseen(Some(&learned()), Troubled::default());
        assert_eq!(
            (&now.rows, &now.people, &now.roads, &now.accounts),
            (
                &learned().rows,
                &learned().people,
                &learned().roads,
                &learned().accounts
            )
        );
        let parts: Vec<&str> = now.unseen.iter().map(|unseen| &*unseen.what).collect();
        assert_eq!(
            parts,
            [
                "rows",
                "people",
                "single tasks",
                "histories",
                "responses",
                "accounts"
            ]
        );
        // and once more: it is as old as it was
        let mut again = later();
        again.taken_at = Timestamp::from_second(2_000).expect("a time");
        again.keep_unseen(Some(&now), Troubled::default());
        let seen: Vec<_> = again.unseen.iter().map(|unseen| unseen.seen_at).collect();
        assert_eq!(seen, [Some(Timestamp::UNIX_EPOCH); 6]);
    }

    #[test]
    fn what_was_refused_this_time_is_not_kept() {
        let mut now = learned();
        now.people.shown = 0;
        now.roads.single = Some(false);
        now.roads.responses = Some(false);
        now.roads.history = Some(false);
        (now.accounts.read, now.accounts.missing) = (0, 2);
        now.rows.unreadable = now.rows.seen;
        let told = now.clone();
        now.keep_unseen(Some(&learned()), Troubled::default());
        assert_eq!(now, told);
        // another login's, or another server's, is none
        let mut first = later();
        first.keep_unseen(None, Troubled::default());
        assert!(first.unseen.iter().all(|unseen| unseen.seen_at.is_none()));
    }

    #[test]
    fn a_server_in_trouble_is_no_want_of_rights() {
        let mut now = learned();
        now.people = Default::default();
        now.people.asked = 4;
        (now.roads.single, now.roads.responses) = (None, Some(true));
        now.accounts = Default::default();
        let mut first = now.clone();
        now.keep_unseen(Some(&learned()), ALL);
        assert_eq!((now.people.shown, now.roads.single), (3, Some(true)));
        assert_eq!(now.accounts.read, 2);
        assert_eq!(missing(&now, ActionName::Reassign), None);
        first.keep_unseen(None, ALL);
        let why = missing(&first, ActionName::Reassign).expect("nobody was shown");
        assert!(why.what.contains("in trouble"), "{why:?}");
    }
}
