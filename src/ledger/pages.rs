//! The journal in pages as it lies on the disk, of an open store or of a copy of one that nobody has open; read only, and a copy is gone with its reader.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::anchor::Head;
use super::aside::copy_dir;
use super::error::{LedgerError, StoreError};
use super::files::journal_is_dir;
use super::handle::Ledger;
use super::sidecar::{Found, Mark, Sidecar};
use super::sled::SledStore;
use super::store::Store;

/// Bytes of records in a page, but for the last of them.
const BYTES: usize = 4 << 20;
/// Records in a page at most.
const RECORDS: usize = 20_000;

/// Records in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Number and text.
    pub records: Vec<(u64, String)>,
    /// The first record of the next page, if there is one.
    pub next: Option<u64>,
}

fn page(store: &dyn Store, from: u64) -> Result<Page, LedgerError> {
    let mut page = Page::default();
    let mut bytes = 0;
    store.visit(from, &mut |seq, record| {
        // a block that can't be unpacked is shown under its first number
        if seq < from {
            return ControlFlow::Continue(());
        }
        if bytes >= BYTES || page.records.len() >= RECORDS {
            page.next = Some(seq);
            return ControlFlow::Break(());
        }
        bytes += record.len();
        // what is no text is no record either, and stays none
        let text = String::from_utf8_lossy(record).into_owned();
        page.records.push((seq, text));
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

/// A record that can't be unpacked is as good as none here: who reads on is shown it.
fn bytes(store: &dyn Store, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
    match store.get(seq) {
        Err(StoreError::Damaged { .. }) => Ok(None),
        other => Ok(other?),
    }
}

impl Ledger {
    /// Records from one on, as they are on disk. Reads the disk; not for the runtime's threads.
    ///
    /// # Errors
    /// The store failed or is closed.
    pub fn page(&self, from: u64) -> Result<Page, LedgerError> {
        page(&*self.store()?, from)
    }

    /// The last record that is on disk.
    ///
    /// # Errors
    /// The store is closed.
    pub fn end(&self) -> Result<u64, LedgerError> {
        Ok(self.store()?.last()?.unwrap_or(0))
    }

    /// A record as it is on disk.
    ///
    /// # Errors
    /// The store failed or is closed.
    pub fn event_bytes(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        bytes(&*self.store()?, seq)
    }

    /// Where the journal ends: all up to there is on disk when this answers. None in a store without a
    /// record.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn head(&self) -> Result<Option<Head>, LedgerError> {
        self.submit(|work| {
            let index = work.index();
            let named = index.store_id().zip(index.head());
            Ok(named.map(|(store, link)| Head {
                store: store.to_owned(),
                seq: index.last_seq(),
                link: link.clone(),
            }))
        })
        .await
    }
}

/// A copy of a store that nobody has open. The store itself is not touched, not even its lock file.
#[derive(Debug)]
pub struct Still {
    store: SledStore,
    mark: Option<Mark>,
}

/// A directory that goes away when it is let go.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // what can't be removed is for this user alone
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Still {
    /// Copies the store in `dir` to a directory of its own in `scratch`, and opens that. The copy's files
    /// have no names any more when this answers.
    ///
    /// # Errors
    /// `Locked` where another process holds the store, I/O, or damage that can't be opened.
    pub fn open(dir: &Path, scratch: &Path, cache: u64) -> Result<Self, LedgerError> {
        let held = hold(dir)?;
        let name = format!("provtaskd-audit-{}", uuid::Uuid::now_v7().simple());
        let own = Scratch(scratch.join(name));
        DirBuilder::new()
            .mode(0o700)
            .create(&own.0)
            .map_err(|e| StoreError::io(&own.0, e))?;
        let (journal, sidecar) = (own.0.join("journal"), own.0.join("sidecar"));
        journal_is_dir(&dir.join("journal"))?;
        copy_dir(&dir.join("journal"), &journal)?;
        let from = dir.join("sidecar");
        let mark = if from.exists() {
            std::fs::copy(&from, &sidecar).map_err(|e| StoreError::io(&from, e))?;
            match Sidecar::open(&sidecar)?.1 {
                Found::Mark(mark) | Found::Torn(mark) => Some(mark),
                Found::Nothing | Found::Unreadable => None,
            }
        } else {
            None
        };
        drop(held);
        let (store, _) = SledStore::open(&journal, cache)?;
        Ok(Self { store, mark })
    }

    /// Records from one on.
    ///
    /// # Errors
    /// The copy can't be read.
    pub fn page(&self, from: u64) -> Result<Page, LedgerError> {
        page(&self.store, from)
    }

    /// The last record that is there.
    ///
    /// # Errors
    /// The copy can't be read.
    pub fn end(&self) -> Result<u64, LedgerError> {
        Ok(self.store.last()?.unwrap_or(0))
    }

    /// A record as it is there.
    ///
    /// # Errors
    /// The copy can't be read.
    pub fn bytes(&self, seq: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        bytes(&self.store, seq)
    }

    /// What was acknowledged last, as the store's sidecar says.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }
}

/// Keeps others from opening the store while it is copied; one without a lock file was never opened.
fn hold(dir: &Path) -> Result<Option<File>, LedgerError> {
    let path = dir.join("lock");
    let io = |source: std::io::Error| LedgerError::Io {
        path: path.clone(),
        source: Arc::new(source),
    };
    let file = match OpenOptions::new().read(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            // the holder may be writing it just now: then it is unknown
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            Err(LedgerError::Locked {
                path: dir.to_path_buf(),
                pid: text.trim().parse().ok(),
            })
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
