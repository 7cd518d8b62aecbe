//! Makes a new journal beside the present one, for a swap; what is there is never touched, and what is half made is thrown away at the next opening.

use std::path::{Path, PathBuf};

use super::error::UpkeepError;
use super::swap::{self, JOURNAL, SIDECAR};
use crate::ledger::error::StoreError;
use crate::ledger::files::{private_dir, remove, sync_dir};
use crate::ledger::home;
use crate::ledger::index::Index;
use crate::ledger::open::mark;
use crate::ledger::sidecar::Sidecar;
use crate::ledger::sled::SledStore;
use crate::ledger::store::Store as _;

/// Bytes of records that are written and synced together.
const TOGETHER: usize = 8 << 20;

/// A journal that is being made.
pub(super) struct Builder {
    dir: PathBuf,
    path: PathBuf,
    store: SledStore,
    waiting: Vec<(u64, Vec<u8>)>,
    bytes: usize,
}

impl Builder {
    /// Begins an empty one beside the store in `dir`, whose lock the caller holds.
    pub fn begin(dir: &Path, cache: u64) -> Result<Self, UpkeepError> {
        let path = swap::new(dir, JOURNAL);
        remove(&path)?;
        remove(&swap::new(dir, SIDECAR))?;
        private_dir(&path)?;
        let (store, _) = SledStore::open(&path, cache)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            path,
            store,
            waiting: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes the next record.
    pub fn put(&mut self, seq: u64, bytes: Vec<u8>) -> Result<(), UpkeepError> {
        self.bytes += bytes.len();
        self.waiting.push((seq, bytes));
        if self.bytes >= TOGETHER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), UpkeepError> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.waiting);
        if !records.is_empty() {
            self.store.append(&records)?;
        }
        Ok(())
    }

    /// Brings all of it to the disk and closes it.
    pub fn end(mut self) -> Result<Built, UpkeepError> {
        self.flush()?;
        // what sled spills into files of its own is synced by nobody, and would be lost with the power
        let blobs = self.path.join("blobs");
        let spilled = std::fs::read_dir(&blobs).is_ok_and(|mut files| files.next().is_some());
        if spilled {
            return Err(UpkeepError::Differs(format!(
                "records were spilled into {}, which is not synced",
                blobs.display()
            )));
        }
        sync_dir(&self.path)?;
        Ok(Built {
            dir: self.dir,
            path: self.path,
        })
    }

    /// Throws it away.
    pub fn discard(dir: &Path) -> Result<(), StoreError> {
        remove(&swap::new(dir, JOURNAL))?;
        remove(&swap::new(dir, SIDECAR))
    }
}

/// A journal that is whole and closed.
pub(super) struct Built {
    dir: PathBuf,
    path: PathBuf,
}

impl Built {
    /// Opens it as a later start will, to be read.
    pub fn open(&self, cache: u64) -> Result<SledStore, UpkeepError> {
        let (store, repaired) = SledStore::open(&self.path, cache)?;
        match repaired.into_iter().next() {
            Some(said) => Err(UpkeepError::Differs(said)),
            None => Ok(store),
        }
    }

    /// Writes the sidecar that goes with it, which belongs to this directory, on the machines that are known.
    pub fn sidecar(&self, index: &Index) -> Result<(), UpkeepError> {
        let (sidecar, _) = Sidecar::open(&swap::new(&self.dir, SIDECAR))?;
        let mut sidecar = sidecar.beside(self.path.join("db"));
        // both slots: a torn write of the next one falls back to a mark of this journal
        sidecar.write(&mark(index))?;
        sidecar.write(&mark(index))?;
        let (_, here) = sidecar.homes(&self.dir)?;
        sidecar.write_home(&home::of_next(&self.dir, &self.dir.join(SIDECAR), here)?)?;
        sync_dir(&self.dir)?;
        Ok(())
    }
}
