//! What an earlier probe has seen and this one could not see: it is kept, with the day it is of. Pure; a trait that was seen otherwise this time is never kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::Traits;

/// A part that the last probe did not see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unseen {
    /// `rows`, `people`, `single tasks`, `accounts`.
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
    /// People, the login's own record among them.
    pub people: bool,
    /// A single task, its history, its responses.
    pub single: bool,
    /// Accounts.
    pub accounts: bool,
}

/// The part names.
const ROWS: &str = "rows";
pub(super) const PEOPLE: &str = "people";
const SINGLE: &str = "single tasks";
const ACCOUNTS: &str = "accounts";

const EMPTY: &str = "the list showed no task";
const TROUBLE: &str = "the server was in trouble when it was asked";

impl Traits {
    /// Why a part was not seen this time, where the server was in trouble.
    pub(super) fn in_trouble(&self, part: &str) -> bool {
        let mut unseen = self.unseen.iter();
        unseen.any(|unseen| unseen.what == part && unseen.why == TROUBLE)
    }

    /// Takes what this probe could not see from an earlier one of the same server and login.
    pub fn keep_unseen(&mut self, old: Option<&Self>, troubled: Troubled) {
        let mut unseen = Vec::new();
        let mut note = |what: &str, why: &str, kept: bool| {
            let before = old.filter(|_| kept).map(|old| {
                let older = old.unseen.iter().find(|unseen| unseen.what == what);
                older
                    .and_then(|older| older.seen_at)
                    .unwrap_or(old.taken_at)
            });
            unseen.push(Unseen {
                what: what.to_owned(),
                why: why.to_owned(),
                seen_at: before,
            });
        };
        let why = |troubled: bool| if troubled { TROUBLE } else { EMPTY };
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
            note(ROWS, EMPTY, kept.is_some());
        }
        if self.people.shown == 0 && (troubled.people || self.people.asked == 0) {
            let kept = old.filter(|old| old.people.asked > 0);
            if let Some(old) = kept {
                let own = self.people.own_record;
                self.people.clone_from(&old.people);
                self.people.own_record = own.or(old.people.own_record);
            }
            note(PEOPLE, why(troubled.people), kept.is_some());
        }
        let roads = &mut self.roads;
        if roads.single.is_none() || roads.history.is_none() || roads.responses.is_none() {
            let kept = old.map(|old| &old.roads);
            if let Some(old) = kept {
                if roads.single.is_none() {
                    roads.single = old.single;
                    roads.single_id.clone_from(&old.single_id);
                    roads.form_fields = old.form_fields;
                }
                roads.history = roads.history.or(old.history);
                roads.responses = roads.responses.or(old.responses);
            }
            let kept = kept.is_some_and(|old| old.single.is_some());
            note(SINGLE, why(troubled.single), kept);
        }
        let asked = |traits: &Self| traits.accounts.read + traits.accounts.missing > 0;
        if self.accounts.read == 0 && (troubled.accounts || !asked(self)) {
            let kept = old.filter(|old| asked(old));
            if let Some(old) = kept {
                self.accounts.clone_from(&old.accounts);
            }
            if troubled.accounts || kept.is_some() {
                note(ACCOUNTS, why(troubled.accounts), kept.is_some());
            }
        }
        self.unseen = unseen;
    }
}

#[cfg(test)]
mod tests {
    use super::super::rests::missing;
    use super::super::rests::tests::{empty, shown};
    use super::*;
    use crate::model::ActionName;

    const ALL: Troubled = Troubled {
        people: true,
        single: true,
        accounts: true,
    };

    fn learned() -> Traits {
        let mut traits = shown();
        traits.people.asked = 4;
        traits.people.shown = 3;
        traits.people.own_record = Some(true);
        traits.roads.single = Some(true);
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
        assert_eq!(parts, ["rows", "people", "single tasks", "accounts"]);
        // and once more: it is as old as it was
        let mut again = later();
        again.taken_at = Timestamp::from_second(2_000).expect("a time");
        again.keep_unseen(Some(&now), Troubled::default());
        let seen: Vec<_> = again.unseen.iter().map(|unseen| unseen.seen_at).collect();
        assert_eq!(seen, [Some(Timestamp::UNIX_EPOCH); 4]);
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
