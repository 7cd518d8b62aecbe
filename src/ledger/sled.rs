//! The store on sled 0.34.7, with what that version needs to be trusted: our own sync after each flush, guarded opening, small values.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::block::{BlockError, Room, is_block, pack, unpack};
use super::error::StoreError;
use super::guarded::guarded;
use super::store::Store;

/// Values per sled batch; one flush and one sync cover all batches of an append.
const PER_BATCH: usize = 256;
/// How often, and with which pause, sled's own lock is tried.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A journal in a sled directory.
#[derive(Debug)]
pub struct SledStore {
    dir: PathBuf,
    /// There until it is dropped.
    db: Option<sled::Db>,
    /// Our own handle on sled's file: `flush` alone doesn't sync on Linux.
    file: File,
    end: Mutex<End>,
}

/// Where the journal ends.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// The last record, or of a block that can't be unpacked its first.
    last: Option<u64>,
    /// Blocks may follow: a record that stands alone comes before the first of them, and its version
    /// makes an older program stop, which would not see the blocks and write over them.
    packs: bool,
    /// What the last block has shown of the next one.
    room: Room,
}

impl End {
    fn of(dir: &Path, db: &sled::Db) -> Result<Self, StoreError> {
        let Some((key, value)) = db.last().map_err(|e| broken(dir, e))? else {
            return Ok(Self::default());
        };
        let first = number(dir, &key)?;
        let mut last = first;
        let mut look = |seq, _: &[u8]| {
            last = seq;
            true
        };
        match unpack(first, &value, &mut look) {
            Err(BlockError::Unknown(form)) => return Err(StoreError::Newer { seq: first, form }),
            Err(BlockError::Broken) | Ok(_) => {}
        }
        Ok(Self {
            last: Some(last),
            packs: is_block(&value),
            room: Room::default(),
        })
    }
}

impl SledStore {
    /// Opens or creates the journal in `dir`, under a lock that the caller holds. Answers what had to
    /// be repaired, in words.
    ///
    /// # Errors
    /// I/O, or damage that the known repairs don't mend.
    pub fn open(dir: &Path, cache: u64) -> Result<(Self, Vec<String>), StoreError> {
        Self::open_keeping(dir, cache, &mut |_| Ok(()))
    }

    /// The same; where a first try fails, `keep` may look at the files before a second one changes them.
    ///
    /// # Errors
    /// As [`SledStore::open`], and whatever `keep` answers.
    pub fn open_keeping(
        dir: &Path,
        cache: u64,
        keep: &mut dyn FnMut(&str) -> Result<(), StoreError>,
    ) -> Result<(Self, Vec<String>), StoreError> {
        let mut repaired = Vec::new();
        std::fs::create_dir_all(dir).map_err(|e| StoreError::io(dir, e))?;
        for path in snapshots(dir)? {
            if name_of(&path).ends_with(".generating") {
                std::fs::remove_file(&path).map_err(|e| StoreError::io(&path, e))?;
                repaired.push(format!(
                    "removed the half-written snapshot {}",
                    path.display()
                ));
            }
        }
        let db = match open_guarded(dir, cache) {
            Ok(db) => db,
            Err(StoreError::Damaged { why, .. }) => {
                keep(&why)?;
                let aside = dir.join("aside");
                std::fs::create_dir_all(&aside).map_err(|e| StoreError::io(&aside, e))?;
                for path in snapshots(dir)? {
                    let to = aside.join(name_of(&path));
                    std::fs::rename(&path, &to).map_err(|e| StoreError::io(&path, e))?;
                }
                repaired.push(format!(
                    "opening failed ({why}); moved sled's snapshots to {} and opened again",
                    aside.display()
                ));
                open_guarded(dir, cache)?
            }
            Err(other) => return Err(other),
        };
        let path = dir.join("db");
        db.flush().map_err(|e| broken(dir, e))?;
        let file = File::open(&path).map_err(|e| StoreError::io(&path, e))?;
        let end = Mutex::new(End::of(dir, &db)?);
        let store = Self {
            dir: dir.to_path_buf(),
            db: Some(db),
            file,
            end,
        };
        store.sync()?;
        let here = File::open(dir).map_err(|e| StoreError::io(dir, e))?;
        here.sync_all().map_err(|e| StoreError::io(dir, e))?;
        Ok((store, repaired))
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError::Damaged {
            path: self.dir.clone(),
            why: "it is closed".to_owned(),
        })
    }

    /// Values in the journal and their bytes, as they lie there.
    ///
    /// # Errors
    /// What sled could not read.
    pub fn values(&self) -> Result<(u64, u64), StoreError> {
        let (mut many, mut bytes) = (0_u64, 0_u64);
        for entry in self.db()?.iter() {
            let (key, value) = entry.map_err(|e| broken(&self.dir, e))?;
            many += 1;
            bytes += u64::try_from(key.len() + value.len()).unwrap_or(0);
        }
        Ok((many, bytes))
    }

    /// The last value that begins at or before a record.
    fn block_of(&self, seq: u64) -> Result<Option<(u64, sled::IVec)>, StoreError> {
        match self.db()?.range(..=seq.to_be_bytes()).next_back() {
            None => Ok(None),
            Some(entry) => {
                let (key, value) = entry.map_err(|e| broken(&self.dir, e))?;
                Ok(Some((number(&self.dir, &key)?, value)))
            }
        }
    }

    fn no_block(&self, first: u64, error: BlockError) -> StoreError {
        match error {
            BlockError::Unknown(form) => StoreError::Newer { seq: first, form },
            BlockError::Broken => StoreError::Damaged {
                path: self.dir.clone(),
                why: format!("from record {first}: {error}"),
            },
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let db = self.db.take();
        // where the disk has failed sled may panic in its last flush, and hide the error that ends the process; what
        // was acknowledged was synced before
        if guarded(move || drop(db)).is_err() {
            tracing::error!(dir = %self.dir.display(), "the store could not be closed; what was acknowledged is on disk");
        }
    }
}

impl Store for SledStore {
    fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        self.place(records)?;
        self.sync()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db()?.flush().map_err(|e| broken(&self.dir, e))?;
        self.file
            .sync_data()
            .map_err(|e| StoreError::io(self.dir.join("db"), e))
    }

    fn place(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let mut packed = records;
        let mut values = Vec::new();
        if !end.packs
            && let Some((alone, rest)) = records.split_first()
        {
            values.push(alone.clone());
            packed = rest;
        }
        values.extend(pack(packed, &mut end.room));
        for (seq, _) in records {
            if end.last.is_some_and(|last| *seq <= last) {
                return Err(StoreError::Taken(*seq));
            }
            (end.last, end.packs) = (Some(*seq), true);
        }
        for part in values.chunks(PER_BATCH) {
            let mut batch = sled::Batch::default();
            for (first, value) in part {
                batch.insert(&first.to_be_bytes(), value.as_slice());
            }
            self.db()?
                .apply_batch(batch)
                .map_err(|e| broken(&self.dir, e))?;
        }
        Ok(())
    }

    fn visit(
        &self,
        from: u64,
        visitor: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // the block in which it stands begins with an earlier one
        let start = match self.block_of(from)? {
            Some((first, _)) => first,
            None => from,
        };
        for entry in self.db()?.range(start.to_be_bytes()..) {
            let (key, value) = entry.map_err(|e| broken(&self.dir, e))?;
            let first = number(&self.dir, &key)?;
            let mut show = |seq, record: &[u8]| seq < from || visitor(seq, record).is_continue();
            let goes_on = match unpack(first, &value, &mut show) {
                // shown as it is: it is no record, and the chain tells what is missing
                Err(BlockError::Broken) => visitor(first, &value).is_continue(),
                other => other.map_err(|e| self.no_block(first, e))?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((first, value)) = self.block_of(seq)? else {
            return Ok(None);
        };
        let mut found = None;
        let mut look = |at, record: &[u8]| {
            if at == seq {
                found = Some(record.to_vec());
            }
            at < seq
        };
        unpack(first, &value, &mut look).map_err(|e| self.no_block(first, e))?;
        Ok(found)
    }

    fn last(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.end.lock().unwrap_or_else(PoisonError::into_inner).last)
    }
}

fn number(dir: &Path, key: &[u8]) -> Result<u64, StoreError> {
    let bytes: [u8; 8] = key.try_into().map_err(|_| StoreError::Damaged {
        path: dir.to_path_buf(),
        why: format!("a key of {} bytes", key.len()),
    })?;
    Ok(u64::from_be_bytes(bytes))
}

/// sled's open panics on some damage instead of answering.
fn open_guarded(dir: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache)
        // every append is flushed by us; no thread of sled's own does it half
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match guarded(|| config.open()) {
            // we hold our own lock, so the one who still holds sled's is a dying handle of this
            // process: sled lets go of it on a thread of its own
            Ok(Err(sled::Error::Io(error)))
                if tries < LOCK_TRIES && error.to_string().contains("could not acquire lock") =>
            {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            other => break opened(dir, other),
        }
    }
}

fn opened(
    dir: &Path,
    answer: std::thread::Result<Result<sled::Db, sled::Error>>,
) -> Result<sled::Db, StoreError> {
    match answer {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(broken(dir, error)),
        Err(_) => Err(StoreError::Damaged {
            path: dir.to_path_buf(),
            why: "sled panicked while opening it".to_owned(),
        }),
    }
}

fn broken(dir: &Path, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) => StoreError::io(dir, source),
        other => StoreError::Damaged {
            path: dir.to_path_buf(),
            why: other.to_string(),
        },
    }
}

fn snapshots(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| StoreError::io(dir, e))? {
        let path = entry.map_err(|e| StoreError::io(dir, e))?.path();
        if name_of(&path).starts_with("snap.") {
            out.push(path);
        }
    }
    Ok(out)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
