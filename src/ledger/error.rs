//! What can go wrong with the ledger, by kind; it never hides a failed write.

use std::path::PathBuf;
use std::sync::Arc;

/// A failure of the store beneath the ledger.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// No room left on the device.
    #[error("no space left on the device of {}", path.display())]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// The store's own format is damaged.
    #[error("the store in {} is damaged: {why}", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What the store said.
        why: String,
    },
    /// A record was written where one is already.
    #[error("record {0} exists already")]
    Taken(u64),
    /// Records lie in a form that this program does not know.
    #[error("the records from {seq} on lie in a form ({form}) that this program does not know")]
    Newer {
        /// The first of them.
        seq: u64,
        /// The form.
        form: u8,
    },
}

impl StoreError {
    /// An I/O error with its path; a full disk gets its own kind.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        if source.kind() == std::io::ErrorKind::StorageFull {
            Self::Full { path }
        } else {
            Self::Io { path, source }
        }
    }
}

/// A failure of the ledger. After [`LedgerError::Failed`] nothing more is written; the process must end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process holds the store.
    #[error("the store in {} is in use by process {}", path.display(), pid.map_or_else(|| "unknown".to_owned(), |p| p.to_string()))]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// The holder, where its lock file says so.
        pid: Option<u32>,
    },
    /// The store can't be opened even after the known repairs.
    #[error("the store in {} is damaged: {why}; {hint}", path.display())]
    Corrupt {
        /// The store's directory.
        path: PathBuf,
        /// What was found.
        why: String,
        /// What to do next.
        hint: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: Arc<std::io::Error>,
    },
    /// No room left.
    #[error("no space left on the device of {}", path.display())]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// A record was written by a newer provtaskd.
    #[error(
        "record {seq} has version {version}, this program reads up to {known}; run a newer provtaskd"
    )]
    Newer {
        /// The record.
        seq: u64,
        /// Its version.
        version: u32,
        /// Ours.
        known: u32,
    },
    /// Records were laid down by a newer provtaskd.
    #[error(
        "the records from {seq} on lie in a form ({form}) that this program does not know; run a newer provtaskd"
    )]
    NewerForm {
        /// The first of them.
        seq: u64,
        /// The form.
        form: u8,
    },
    /// An earlier write failed; nothing is written any more.
    #[error(
        "the ledger has stopped after a failed write: {0}; make room or mend the disk, then start again"
    )]
    Failed(Arc<str>),
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
    /// A request that makes no sense against what the ledger knows.
    #[error("{0}")]
    Invalid(String),
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { path, source } => Self::Io {
                path,
                source: Arc::new(source),
            },
            StoreError::Full { path } => Self::Full { path },
            StoreError::Damaged { path, why } => Self::Corrupt {
                path,
                why,
                hint: "move the directory aside and restore a copy, or start with an empty store (it begins in observe)".to_owned(),
            },
            StoreError::Newer { seq, form } => Self::NewerForm { seq, form },
            StoreError::Taken(seq) => Self::Failed(Arc::from(format!("record {seq} exists already"))),
        }
    }
}
