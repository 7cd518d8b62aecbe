//! A copy of a journal that is opened in the place of the journal itself: opening may rewrite what it can't read, so that a command that is refused would have changed the store. The copy goes away with its reader.

use std::path::{Path, PathBuf};

use super::error::UpkeepError;
use super::swap::JOURNAL;
use crate::ledger::aside::copy_dir;
use crate::ledger::files::{journal_is_dir, private_dir, remove, room, size_of};

/// Where the copy is made in the store's directory.
pub(in crate::ledger) const COPY: &str = "check.copy";

/// The copy; what a kill leaves of it is removed by the next opening of the store.
pub(super) struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        // what is left is removed by the next opening
        let _ = remove(&self.0);
    }
}

impl Copy {
    /// Copies a journal, where there is one, into a new directory. The caller holds the store's lock.
    pub fn of(journal: &Path, at: PathBuf) -> Result<Self, UpkeepError> {
        journal_is_dir(journal)?;
        let bytes = if journal.exists() {
            size_of(journal)?
        } else {
            0
        };
        let copy = Self(at);
        remove(&copy.0)?;
        private_dir(&copy.0)?;
        let free = room(&copy.0)?;
        // opening writes too
        let needs = bytes.saturating_mul(2);
        if free < needs {
            return Err(UpkeepError::NoCopy {
                dir: copy.0.clone(),
                needs,
                free,
            });
        }
        if journal.exists() {
            copy_dir(journal, &copy.journal())?;
        }
        Ok(copy)
    }

    /// The copied journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join(JOURNAL)
    }
}
