//! What can go wrong with the upkeep of a store, by kind; where one of these is answered, the store is as it was.

use std::path::PathBuf;

use super::super::error::{LedgerError, StoreError};

/// A failure of a command for the whole store.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store itself.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is none.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// A file would be written over.
    #[error("{} exists already; nothing is written over", .0.display())]
    Exists(PathBuf),
    /// A file is not what it has to be, or was cut or changed.
    #[error("{}: {why}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file can't be written any further.
    #[error("there is no room for {}", .0.display())]
    NoRoom(PathBuf),
    /// There is no room for the copy that is opened in the journal's place.
    #[error("opening a journal writes to it, so a copy is opened instead, and there is no room for that: {} needs {needs} bytes (twice the journal), {free} are free", dir.display())]
    NoCopy {
        /// Where it is made.
        dir: PathBuf,
        /// What it needs there.
        needs: u64,
        /// What is free.
        free: u64,
    },
    /// There is something where nothing may be.
    #[error("the store in {} is not empty: it has {records} records", dir.display())]
    NotEmpty {
        /// The store.
        dir: PathBuf,
        /// What it holds.
        records: u64,
    },
    /// It does not hold what was acknowledged, and nobody has settled that.
    #[error("{0}")]
    Unsettled(String),
    /// What was to be written does not say what it had to: it was thrown away.
    #[error(
        "the new journal is not what it had to be: {0}; it was thrown away, and the store is as it was"
    )]
    Differs(String),
    /// There is nothing to do.
    #[error("{0}")]
    Nothing(String),
    /// The daemon ends, or was told to.
    #[error("stopped before it was through; the file was removed")]
    Stopped,
}

impl UpkeepError {
    /// A file error with its path; a full disk gets its own kind.
    pub(super) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        if source.kind() == std::io::ErrorKind::StorageFull {
            Self::NoRoom(path)
        } else {
            Self::File { path, source }
        }
    }
}

impl From<StoreError> for UpkeepError {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.into())
    }
}
