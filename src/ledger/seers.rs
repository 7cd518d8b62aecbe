//! What a pass over the lists of several logins is good for, login by login: a piece of work is absent only where every login by which it was ever seen was asked, and showed a whole list; it concludes nothing itself.

use super::walk::Walk;
use super::work::Work;
use crate::model::seers::Bits;
use crate::model::{LineageId, Login, Snapshot};

/// Of which logins' lists something follows from what they don't show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sure {
    /// Every list that was read is whole, and there is one.
    pub still: bool,
    whole: Bits,
    read: Bits,
    all: Bits,
}

impl Sure {
    /// Of a pass; one that came in late is good for nothing.
    pub fn of(snapshot: &Snapshot, late: bool) -> Self {
        let told = snapshot.complete && !late;
        let main = told && snapshot.stable;
        match &snapshot.seers {
            // one login: its list is all there is
            None => Self {
                still: main,
                whole: Bits::from(main),
                read: 1,
                all: 1,
            },
            Some(seers) => {
                let whole = if told { seers.whole } else { 0 };
                // the main list may have been found wanting after it was read
                let whole = if main { whole } else { whole & !1 };
                Self {
                    still: told && whole == seers.read && whole != 0,
                    whole,
                    read: seers.read,
                    all: seers.all(),
                }
            }
        }
    }

    /// True where all logins were asked, and each list is whole.
    pub fn all(self) -> bool {
        self.of_those(self.all)
    }

    /// True where what these don't show is not there; of no login in particular: where no login shows it.
    pub fn of_those(self, seen_by: Bits) -> bool {
        self.needed(seen_by) & !self.whole == 0
    }

    /// True where one of the lists that may show it was not read at all: then another pass like this one tells no
    /// more.
    pub fn not_asked(self, seen_by: Bits) -> bool {
        self.needed(seen_by) & !self.read != 0
    }

    fn needed(self, seen_by: Bits) -> Bits {
        if seen_by == 0 { self.all } else { seen_by }
    }
}

/// True where the login is one of those whose lists are read: what only another one saw no list tells of.
pub(super) fn is_configured(snapshot: &Snapshot, login: &Login) -> bool {
    let seers = snapshot.seers.as_ref();
    snapshot.login == *login || seers.is_some_and(|seers| seers.logins.contains(login))
}

/// Items in runs of one login each, in their order: each is on record with the login that sees its row.
pub(super) fn runs<T>(snapshot: &Snapshot, items: Vec<(usize, T)>) -> Vec<(Login, Vec<T>)> {
    let name = |row: usize| {
        let seers = snapshot.seers.as_ref();
        let seer = seers.and_then(|seers| seers.name(row));
        seer.unwrap_or(&snapshot.login).clone()
    };
    let mut out: Vec<(Login, Vec<T>)> = Vec::new();
    if snapshot.seers.is_none() {
        let items: Vec<T> = items.into_iter().map(|(_, item)| item).collect();
        if !items.is_empty() {
            out.push((snapshot.login.clone(), items));
        }
        return out;
    }
    for (row, item) in items {
        let login = name(row);
        match out.last_mut() {
            Some((of, run)) if *of == login => run.push(item),
            _ => out.push((login, vec![item])),
        }
    }
    out
}

impl Work {
    /// Notes what this pass could not read by its id.
    pub(super) fn note_unread(&mut self, snapshot: &Snapshot) {
        let unread = {
            let index = self.index();
            let of = snapshot.unread.iter().filter_map(|id| index.lineage_of(id));
            of.collect()
        };
        self.unread = unread;
    }

    /// True where the pass tells that a piece of work is not there, if it doesn't show it.
    pub(super) fn is_sure_of(&self, sure: Sure, lineage: LineageId) -> bool {
        sure.of_those(self.presence_of(lineage).by) && !self.unread.contains(&lineage)
    }

    /// True where a list that may show one of them was not read, or it is read by its id and could not be.
    pub(super) fn is_not_asked(&self, sure: Sure, lineages: &[LineageId]) -> bool {
        let mut lineages = lineages.iter();
        lineages.any(|of| sure.not_asked(self.presence_of(*of).by) || self.unread.contains(of))
    }

    /// Notes by which logins what is shown was seen.
    pub(super) fn note_seers(&mut self, snapshot: &Snapshot, walk: &Walk) {
        if snapshot.seers.is_none() {
            return;
        }
        for (row, view) in walk.views.iter().enumerate() {
            if let Some(lineage) = view.lineage.filter(|_| view.current) {
                self.seen_by(lineage, snapshot.seen_by(row));
            }
        }
    }
}
