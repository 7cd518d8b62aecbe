//! A store that does not hold what was acknowledged, and how that is told; it never says more than is known.

use std::path::{Path, PathBuf};

use super::aside::FAILED;
use super::home::COPIED;
use super::index::Index;
use super::record::digest_of;
use super::sidecar::Mark;
use crate::model::{Digest, LineageId};

/// Lineages that are named at most.
const NAMED: usize = 10;

/// The store holds less than was acknowledged, something else, or nobody knows what was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewound {
    /// The last record that was acknowledged; 0 where that can't be known.
    pub expected: u64,
    /// The last record that was there.
    pub found: u64,
    /// A copy of the journal as it was before it was opened, where one was made and is still there.
    pub copy: Option<PathBuf>,
    /// From what a person made the store, where one did.
    pub restored: Option<String>,
    /// Lineages that went on behind the last record, as far as they are known.
    pub lineages: Vec<LineageId>,
    /// Lineages that were not done at the last record.
    pub unfinished: u64,
}

impl Rewound {
    /// What the index says of a rewind that is not settled; `copy` is what was kept of the journal.
    pub fn of(index: &Index, copy: impl FnOnce(u64) -> Option<PathBuf>) -> Option<Self> {
        let (expected, found) = index.rewound()?;
        let more = index.restored().cloned().unwrap_or_default();
        Some(Self {
            expected,
            found,
            copy: copy(expected),
            restored: more.from.map(|from| from.to_string()),
            lineages: more.lineages,
            unfinished: more.unfinished,
        })
    }

    /// Of which lineages something may not be known.
    fn about(&self) -> String {
        if self.lineages.is_empty() && self.unfinished == 0 {
            return format!(
                "no lineage was unfinished at record {}; others may have come since",
                self.found
            );
        }
        if self.lineages.is_empty() {
            return format!(
                "of each of the {} lineages that were not done at record {} attempts may be unknown",
                self.unfinished, self.found
            );
        }
        let named: Vec<String> = self
            .lineages
            .iter()
            .take(NAMED)
            .map(ToString::to_string)
            .collect();
        let more = match self.lineages.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("what went on with {}{more} is unknown", named.join(", "))
    }

    /// The last record that was acknowledged, where that is known.
    pub fn acknowledged(&self) -> Option<u64> {
        // the first record is acknowledged with number 1
        (self.expected > 0).then_some(self.expected)
    }

    /// True where it holds all that was acknowledged, and is a copy of the store that did.
    pub fn is_a_copy(&self) -> bool {
        let why = self.restored.as_deref();
        why.is_some_and(|why| why.starts_with(COPIED))
    }

    /// What is wrong with the store in `dir`, one clause.
    pub fn words(&self, dir: &Path) -> String {
        let (dir, expected, found) = (dir.display(), self.expected, self.found);
        match (&self.restored, self.acknowledged()) {
            (Some(why), _) if self.is_a_copy() => format!(
                "the store in {dir} is {why}; what was done elsewhere after record {found}, the last that was there, is not known, and {}",
                self.about()
            ),
            (Some(from), Some(_)) if expected > found => format!(
                "the store in {dir} was made of {from}, which ends with record {found}: what came after it up to record {expected} is not in it, and {}",
                self.about()
            ),
            (Some(from), _) => format!(
                "the store in {dir} was made of {from}, which ends with record {found}: what was recorded after it is not known, and {}",
                self.about()
            ),
            (None, None) => format!(
                "the sidecar of the store in {dir} was missing or unreadable: what was acknowledged can't be known, nor whether anything is missing after record {found}, the last that was there"
            ),
            (None, Some(_)) if found < expected => format!(
                "the store in {dir} was rewound: record {expected} was acknowledged or anchored, and when that was looked at none after record {found} was there as it had been; {}",
                self.about()
            ),
            (None, Some(_)) => format!(
                "the journal of the store in {dir} is not the one of which record {expected} was acknowledged or anchored, or one of its records was changed or lost; when that was looked at {found} was the last that was there"
            ),
        }
    }

    /// What to look at and what to do, one sentence.
    pub fn what_to_do(&self, dir: &Path) -> String {
        if self.is_a_copy() {
            return "nothing is sent, for the daemon of the store that it was copied from may run, or have gone on after that: see that none runs any more, let `provtaskd run` read the server, look at `provtaskd plan`, then `provtaskd approve rewound --why …`".to_owned();
        }
        if self.restored.is_some() {
            return "nothing is sent, for attempts may be unknown here: let `provtaskd run` read the server, look at `provtaskd plan`, then `provtaskd approve rewound --why …` and `provtaskd resume`".to_owned();
        }
        let copy = match &self.copy {
            Some(copy) => {
                let name = copy.file_name().map(|name| name.to_string_lossy());
                let failed = name.is_some_and(|name| name.starts_with(FAILED));
                let when = if failed {
                    "after a first opening had failed, which may have changed it,"
                } else {
                    "before it was opened"
                };
                format!("the journal as it was {when} is in {}", copy.display())
            }
            None => format!(
                "no copy was made of the journal before it was opened, its files are in {}",
                dir.join("journal").display()
            ),
        };
        format!(
            "{copy}; nothing is sent, for attempts may be unknown here: if you have a newer copy of the whole store, put that back (it has to be approved as well), else let `provtaskd run` read the server, look at `provtaskd plan`, then `provtaskd approve rewound --why …`"
        )
    }
}

/// Less than the sidecar says, another store than it says, or a record missing in the middle that nobody
/// has settled yet: rewound. Answers the last record that was acknowledged (0: not known) and the last that
/// is there.
pub(super) fn rewind(index: &Index, mark: Option<&Mark>, damaged: bool) -> Option<(u64, u64)> {
    let found = index.last_seq();
    let expected = mark.map_or(0, |m| m.seq);
    let other = mark.is_some_and(|m| index.store_id().is_some_and(|id| id != m.store));
    let forked = mark.is_some_and(|m| {
        m.seq == found && index.head().is_some_and(|head| head.as_str() != m.head)
    });
    (found < expected || other || forked || damaged).then_some((expected, found))
}

/// Numbers of records that are missing, unreadable or not those that the next one follows: what tells one
/// damage from another, however many records come behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Damage(Vec<(u64, u64)>);

impl Damage {
    /// Notes an interval; one that goes on with the one before, or is noted already, is the same.
    pub fn note(&mut self, from: u64, to: u64) {
        match self.0.last_mut() {
            Some((first, last)) if from <= last.saturating_add(1) && from >= *first => {
                *last = (*last).max(to);
            }
            _ => self.0.push((from, to)),
        }
    }

    /// A digest that stands for it; `None` where nothing is wrong.
    pub fn digest(&self) -> Option<Digest> {
        if self.0.is_empty() {
            return None;
        }
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(from, to)| format!("{from}-{to}"))
            .collect();
        Some(digest_of(parts.join(",").as_bytes()))
    }
}
