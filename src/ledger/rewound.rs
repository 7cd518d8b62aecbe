//! A store that does not hold what was acknowledged, and how that is told; it never says more than is known.

use std::path::{Path, PathBuf};

use super::index::Index;
use super::sidecar::Mark;

/// The store holds less than was acknowledged, something else, or nobody knows what was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewound {
    /// The last record that was acknowledged; 0 where that can't be known.
    pub expected: u64,
    /// The last record that was there.
    pub found: u64,
    /// A copy of the journal as it was before it was opened, where one was made and is still there.
    pub copy: Option<PathBuf>,
}

impl Rewound {
    /// The last record that was acknowledged, where that is known.
    pub fn acknowledged(&self) -> Option<u64> {
        // the first record is acknowledged with number 1
        (self.expected > 0).then_some(self.expected)
    }

    /// What is wrong with the store in `dir`, one clause.
    pub fn words(&self, dir: &Path) -> String {
        let (dir, expected, found) = (dir.display(), self.expected, self.found);
        match self.acknowledged() {
            None => format!(
                "the sidecar of the store in {dir} was missing or unreadable: what was acknowledged can't be known, nor whether anything is missing after record {found}, the last that was there"
            ),
            Some(_) if found < expected => format!(
                "the store in {dir} was rewound: record {expected} was acknowledged, {found} is the last that is there"
            ),
            Some(_) => format!(
                "the journal of the store in {dir} is not the one of which record {expected} was acknowledged, or one of its records was changed or lost; {found} is the last that is there"
            ),
        }
    }

    /// What to look at and what to do, one sentence.
    pub fn what_to_do(&self, dir: &Path) -> String {
        let copy = match &self.copy {
            Some(copy) => format!(
                "the journal as it was before it was opened is in {}",
                copy.display()
            ),
            None => format!(
                "no copy was made of the journal before it was opened, its files are in {}",
                dir.join("journal").display()
            ),
        };
        format!(
            "{copy}; nothing is sent, for attempts may be unknown here: put back a copy of the whole store if you have a newer one, else let `provtaskd run` read the server, look at `provtaskd plan`, then `provtaskd approve rewound --why …`"
        )
    }
}

/// Less than the sidecar says, another store than it says, or a record missing in the middle: rewound.
/// Answers the last record that was acknowledged (0: not known) and the last that is there.
pub(super) fn rewind(index: &Index, mark: Option<&Mark>, damaged: bool) -> Option<(u64, u64)> {
    let found = index.last_seq();
    let expected = mark.map_or(0, |m| m.seq);
    let other = mark.is_some_and(|m| index.store_id().is_some_and(|id| id != m.store));
    let forked = mark.is_some_and(|m| {
        m.seq == found && index.head().is_some_and(|head| head.as_str() != m.head)
    });
    (found < expected || other || forked || damaged).then_some((expected, found))
}
