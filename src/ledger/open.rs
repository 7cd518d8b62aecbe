//! Opening a store: lock, guarded open, rewind check, replay, and what a restart does with open claims; it loses nothing silently.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, RwLock};

use jiff::Timestamp;

use super::aside::{self, Expected, Kept};
use super::error::{LedgerError, StoreError};
use super::files::{journal_is_dir, remove};
use super::home::{Home, Known};
use super::index::Index;
use super::memory::MemoryStore;
use super::record::{Actor, EventBody, Meta, RecordError, VERSION, decode, genesis, link};
use super::rewound::{Damage, Rewound, rewind};
use super::sidecar::{Found, Mark, Sidecar};
use super::sled::SledStore;
use super::store::Store;
use super::upkeep::copy::COPY;
use super::upkeep::swap;
use super::work::{Missed, Work};
use crate::model::settings::StoreSettings;
use crate::model::{AttemptEvent, AttemptState, Outcome};

/// What opening found and did.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenReport {
    /// Set where the store was rewound and that is not yet settled: observe only.
    pub rewound: Option<Rewound>,
    /// What was repaired, in words; to be said loudly.
    pub repaired: Vec<String>,
    /// Attempts that are not settled; they are settled by reading before anything is sent.
    pub open_claims: usize,
    /// True for a store that did not exist.
    pub created: bool,
    /// The store's own id.
    pub store_id: String,
    /// The server it belongs to, once bound.
    pub fingerprint: Option<String>,
    /// Records in the journal.
    pub records: u64,
    /// The last record that was there, before the opening wrote any of its own.
    pub found: u64,
}

/// An opened store, before its thread runs.
pub(super) struct Opened {
    pub index: Arc<RwLock<Index>>,
    pub store: Arc<dyn Store>,
    pub sidecar: Option<Sidecar>,
    pub lock: Option<File>,
    pub report: OpenReport,
    pub missed: Missed,
}

/// What the sidecar has to say of an index.
pub(super) fn mark(index: &Index) -> Mark {
    Mark {
        store: index.store_id().unwrap_or("-").to_owned(),
        seq: index.last_seq(),
        head: index.head().map_or_else(String::new, ToString::to_string),
    }
}

/// A store in memory.
pub(super) fn in_memory(now: Timestamp) -> Result<Opened, LedgerError> {
    without_a_disk(Arc::new(MemoryStore::default()), now)
}

/// Any store, without a lock and a sidecar.
pub(super) fn without_a_disk(store: Arc<dyn Store>, now: Timestamp) -> Result<Opened, LedgerError> {
    settle_start(store, None, None, Vec::new(), now)
}

/// The files of a store that is being opened.
struct Files<'a> {
    dir: &'a Path,
    sidecar: Sidecar,
    said: Found,
    kept: Kept,
}

/// A store that nobody else holds, its journal open; nothing of it was replayed yet.
pub(super) struct Held {
    pub sidecar: Sidecar,
    pub said: Found,
    pub kept: Kept,
    pub store: SledStore,
    pub repaired: Vec<String>,
    pub lock: File,
}

/// The store in a directory.
pub(super) fn on_disk(settings: &StoreSettings, now: Timestamp) -> Result<Opened, LedgerError> {
    let held = hold(settings, now)?;
    let files = Files {
        dir: &settings.dir,
        sidecar: held.sidecar,
        said: held.said,
        kept: held.kept,
    };
    let store = Arc::new(held.store);
    settle_start(store, Some(files), Some(held.lock), held.repaired, now)
}

/// Takes the store in a directory and opens its journal; what a change of its files left half done is
/// brought to its end first.
pub(super) fn hold(settings: &StoreSettings, now: Timestamp) -> Result<Held, LedgerError> {
    let dir = &settings.dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| StoreError::io(dir, e))?;
    let lock = take_lock(dir)?;
    journal_is_dir(&dir.join("journal"))?;
    let mut repaired = Vec::new();
    repaired.extend(swap::recover(dir)?);
    // a check, or a command for the whole store, was killed
    remove(&dir.join(COPY))?;
    let (sidecar, said) = Sidecar::open(&dir.join("sidecar"))?;
    let sidecar = sidecar.beside(dir.join("journal").join("db"));
    let expected = match &said {
        Found::Mark(mark) | Found::Torn(mark) => Expected::Mark {
            mark,
            length: sidecar.length(),
        },
        Found::Nothing => Expected::Lost("is missing"),
        Found::Unreadable => Expected::Lost("can't be read"),
    };
    // opening may rewrite what it can't read: what is damaged is copied first
    let mut kept = aside::keep(dir, expected, now)?;
    let opened = SledStore::open_keeping(&dir.join("journal"), settings.cache, &mut |why| {
        // only that it can't be opened shows this damage; the second try may change the files
        aside::keep_failed(dir, expected, why, now, &mut kept)
    });
    let (store, more) = opened.map_err(|error| match LedgerError::from(error) {
        LedgerError::Corrupt { path, why, hint } if !kept.said.is_empty() => {
            let why = format!("{why}; {}", kept.said.join("; "));
            LedgerError::Corrupt { path, why, hint }
        }
        other => other,
    })?;
    repaired.extend(more);
    Ok(Held {
        sidecar,
        said,
        kept,
        store,
        repaired,
        lock,
    })
}

/// The file of the lock.
pub(super) const LOCK: &str = "lock";

/// The lock of our own comes before sled's: it says who holds the store.
pub(super) fn take_lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(LOCK);
    let io = |e| LedgerError::from(StoreError::io(&path, e));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // the holder may be writing it just now: then it is unknown
            let _ = file.read_to_string(&mut text);
            return Err(LedgerError::Locked {
                path: dir.to_path_buf(),
                pid: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    // one whose name went away while it was taken locks nothing
    let is = file.metadata().map_err(io)?;
    let named = std::fs::metadata(&path).ok();
    if named.is_none_or(|named| (named.dev(), named.ino()) != (is.dev(), is.ino())) {
        return Err(LedgerError::Locked {
            path: dir.to_path_buf(),
            pid: None,
        });
    }
    Ok(file)
}

/// Replays the journal; answers the index, what is wrong with the chain in words, and where.
pub(super) fn replay(store: &dyn Store) -> Result<(Index, Vec<String>, Damage), LedgerError> {
    let mut index = Index::default();
    let mut wrong = Vec::new();
    let mut damage = Damage::default();
    let mut stop: Option<LedgerError> = None;
    store.visit(0, &mut |seq, bytes| {
        let event = match decode(bytes) {
            Ok(event) => event,
            Err(RecordError::Newer(version)) => {
                stop = Some(LedgerError::Newer {
                    seq,
                    version,
                    known: VERSION,
                });
                return ControlFlow::Break(());
            }
            Err(error) => {
                wrong.push(format!("record {seq} can't be read and was left out: {error}"));
                damage.note(seq, seq);
                return ControlFlow::Continue(());
            }
        };
        let expected = index.head().cloned().unwrap_or_else(genesis);
        let next = index.last_seq() + 1;
        if event.prev != expected || event.seq != seq || seq != next {
            // records before it are gone, or it is itself another one
            damage.note(next.min(seq), seq.saturating_sub(1).max(next.min(seq)));
            wrong.push(format!(
                "record {seq} does not follow record {}: something between was changed, cut or lost",
                index.last_seq()
            ));
        }
        index.apply(&event, link(&event, bytes));
        ControlFlow::Continue(())
    })?;
    match stop {
        Some(error) => Err(error),
        None => Ok((index, wrong, damage)),
    }
}

fn settle_start(
    store: Arc<dyn Store>,
    files: Option<Files<'_>>,
    lock: Option<File>,
    mut repaired: Vec<String>,
    now: Timestamp,
) -> Result<Opened, LedgerError> {
    let (mut index, wrong, damage) = replay(&*store)?;
    let damage = damage.digest();
    // what a person has settled, or was told and has not settled yet, is the same at every start
    let damaged = damage.is_some() && damage != index.damage;
    if damaged || index.rewound().is_some() {
        repaired.extend(wrong.into_iter().take(20));
    }
    let found = index.last_seq();
    let created = found == 0;
    let (mark_read, lost) = match files.as_ref().map(|files| &files.said) {
        Some(Found::Mark(mark)) => (Some(mark.clone()), None),
        // the damaged one was written for a record after this one: where none is there, one is lost
        Some(Found::Torn(mark)) if found <= mark.seq => (
            Some(mark.clone()),
            Some("holds a newer mark that can't be read"),
        ),
        Some(Found::Torn(mark)) => (Some(mark.clone()), None),
        Some(Found::Unreadable) => (None, Some("can't be read")),
        // the first record is written before the first mark
        Some(Found::Nothing) if found > 1 => (None, Some("is missing")),
        Some(Found::Nothing) | None => (None, None),
    };
    if let (Some(what), Some(files)) = (lost, &files) {
        repaired.push(format!(
            "{} {what}: it said up to where the store was acknowledged, so it can't be told whether records are missing after {found}, the last that is there",
            files.dir.join("sidecar").display()
        ));
    }
    let rewound = rewind(&index, mark_read.as_ref(), damaged || lost.is_some());
    let dir = files.as_ref().map(|files| files.dir);
    let home = files.as_ref().map(|files| is_at_home(files, &mut repaired));
    let (copied, home) = home.transpose()?.unzip();
    // what is missing, or is held already, says more than that it is a copy
    let copied = copied.flatten().filter(|why| {
        let held = rewound.is_some() || index.rewound().is_some() || created;
        if held {
            repaired.push(format!("the store is {why}"));
        }
        !held
    });
    let sidecar = match files {
        Some(files) => Some(told(
            files,
            mark_read.as_ref(),
            rewound.is_some(),
            &mut repaired,
        )?),
        None => None,
    };
    // behind records that can't be read, never among them
    index.last_seq = index.last_seq.max(store.last()?.unwrap_or(0));
    let index = Arc::new(RwLock::new(index));
    let mut work = Work::new(Arc::clone(&index));
    let meta = Meta::by(Actor::System, now);
    if created {
        let store = uuid::Uuid::now_v7().to_string();
        work.emit(&meta, EventBody::StoreCreated { store })?;
    }
    if let Some((expected, found)) = rewound {
        let body = EventBody::StoreRewound {
            expected,
            found,
            damage,
            restored: None,
            lineages: Vec::new(),
        };
        work.emit(&meta, body)?;
    }
    if let Some(why) = copied {
        let body = EventBody::StoreRewound {
            expected: found,
            found,
            damage: None,
            restored: Some(Arc::from(why)),
            lineages: Vec::new(),
        };
        work.emit(&meta, body)?;
    }
    restart(&mut work, &meta, now)?;
    if !work.pending.is_empty() {
        let records = std::mem::take(&mut work.pending);
        store.append(&records)?;
    }
    let mut sidecar = sidecar;
    if let Some(sidecar) = &mut sidecar {
        sidecar.write(&mark(&work.index()))?;
        // only once it is on record that it is a copy
        home.map_or(Ok(()), |home| sidecar.write_home(&home))?;
    }
    let report = {
        let index = work.index();
        OpenReport {
            rewound: Rewound::of(&index, |expected| {
                dir.and_then(|dir| aside::copy_of(dir, expected))
            }),
            repaired,
            open_claims: index.open_attempts().count(),
            created,
            store_id: index.store_id().unwrap_or("-").to_owned(),
            fingerprint: index.world().map(str::to_owned),
            records: index.last_seq(),
            found,
        }
    };
    Ok(Opened {
        index,
        store,
        sidecar,
        lock,
        report,
        missed: Missed::default(),
    })
}

/// Whether the store is the one that was last opened: why it is a copy, and where it is now.
fn is_at_home(
    files: &Files<'_>,
    repaired: &mut Vec<String>,
) -> Result<(Option<String>, Home), StoreError> {
    let (known, here) = files.sidecar.homes(files.dir)?;
    let copied = match &known {
        Known::Home(known) => here.differs(known),
        // of a store from before that, or a new one, nothing can be told
        Known::Nothing => None,
        Known::Unreadable => {
            repaired.push(format!(
                "where the store was last opened can't be read in {}, so it can't be told whether this is a copy of it; that is noted anew",
                files.dir.join("sidecar").display()
            ));
            None
        }
    };
    Ok((copied, here.after(&known)))
}

/// Says what became of the files before and by the opening; a copy of a journal that turned out to be
/// whole goes away again.
fn told(
    files: Files<'_>,
    mark: Option<&Mark>,
    rewound: bool,
    repaired: &mut Vec<String>,
) -> Result<Sidecar, LedgerError> {
    let Files {
        dir, sidecar, kept, ..
    } = files;
    if !rewound {
        // sled has cut off what it did not use any more, and was ended before the next mark
        kept.not_needed()?;
        return Ok(sidecar);
    }
    if kept.said.is_empty() && mark.is_some() {
        let journal = dir.join("journal");
        let why = match sidecar.length() {
            Some(_) => {
                "its file was as long as when it was last written, so nothing showed the damage before"
            }
            None => "the sidecar is of an older version, which does not say how long its file was",
        };
        repaired.push(format!(
            "{} was opened without a copy: {why}; its files may have been rewritten by that",
            journal.display()
        ));
    }
    repaired.extend(kept.said);
    Ok(sidecar)
}

/// A claim found open may have been sent: it becomes unknown and is re-read, never re-sent.
fn restart(work: &mut Work, meta: &Meta, now: Timestamp) -> Result<(), LedgerError> {
    let mut items: Vec<Outcome> = work
        .index()
        .open_attempts()
        .filter(|(_, a)| a.state == AttemptState::Claimed)
        .map(|(lineage, a)| Outcome {
            lineage,
            ordinal: a.ordinal,
            event: AttemptEvent::Restarted,
            at: now,
            task: Some(a.task.clone()),
            evidence: Some(Arc::from("the daemon ended before an answer was recorded")),
        })
        .collect();
    items.sort_by_key(|o| o.lineage);
    if items.is_empty() {
        return Ok(());
    }
    work.emit(meta, EventBody::Outcomes { items })
}
