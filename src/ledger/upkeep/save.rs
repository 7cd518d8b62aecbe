//! Writes a store into one file, as a backup or as JSON lines, from a running daemon or from a store that nobody holds; it only ever reads the journal.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::backup;
use super::error::UpkeepError;
use super::file::Coming;
use super::lines;
use super::pace::Pace;
use super::rewrite::{Ground, take};
use crate::ledger::handle::Ledger;
use crate::ledger::open::mark;
use crate::ledger::sidecar::Mark;
use crate::ledger::store::Store;
use crate::model::settings::StoreSettings;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A backup, for `restore`.
    Backup,
    /// JSON lines, for other programs and for `import`.
    Lines,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// The last of them.
    pub last: u64,
    /// Records that can't be read and are not in it.
    pub left_out: u64,
}

/// The file's name, where only a directory was named: the store, the last record and the time are in it.
pub fn named(path: &Path, mark: &Mark, form: Form, now: Timestamp) -> PathBuf {
    if !path.is_dir() {
        return path.to_path_buf();
    }
    let stamp: String = format!("{now:.0}")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let store: String = mark.store.chars().rev().take(8).collect();
    let store: String = store.chars().rev().collect();
    let end = match form {
        Form::Backup => "backup",
        Form::Lines => "jsonl",
    };
    path.join(format!("provtaskd-{store}-{}-{stamp}.{end}", mark.seq))
}

/// Saves what a daemon's ledger has on disk up to a mark, while it goes on. Blocks; ends early where
/// `pace` was stopped.
///
/// # Errors
/// The store or the file.
pub fn save(
    ledger: &Ledger,
    (mark, fingerprint): (Mark, Option<String>),
    form: Form,
    path: &Path,
    now: Timestamp,
    pace: &Pace,
) -> Result<Saved, UpkeepError> {
    let store = ledger.store()?;
    write(&*store, &mark, fingerprint, form, path, now, pace)
}

/// Saves a store that no process holds.
///
/// # Errors
/// There is none, it is held, or a backup was asked for of one that does not hold what was acknowledged.
pub fn save_store(
    settings: &StoreSettings,
    form: Form,
    path: &Path,
    now: Timestamp,
) -> Result<Saved, UpkeepError> {
    // it is only read: an older copy may be saved too
    let ground = Ground::take(settings, &|_| None)?;
    let index = &ground.before.index;
    let fingerprint = index.world().map(str::to_owned);
    write(
        &ground.held.store,
        &mark(index),
        fingerprint,
        form,
        path,
        now,
        &Pace::default(),
    )
}

/// Writes every record of a store that no process holds as JSON lines, whatever state it is in.
///
/// # Errors
/// There is none, it is held, or the output can't be written.
pub fn export_to(settings: &StoreSettings, out: &mut dyn Write) -> Result<Saved, UpkeepError> {
    let held = take(settings)?;
    let path = PathBuf::from("standard output");
    let failed = |e| UpkeepError::file(&path, e);
    let last = held.store.last()?.unwrap_or(0);
    let (out, end, left_out) = lines::write(&held.store, last, out, failed, || true)?;
    out.flush().map_err(failed)?;
    Ok(Saved {
        bytes: 0,
        records: end.records,
        last,
        left_out,
        path,
    })
}

fn write(
    store: &dyn Store,
    mark: &Mark,
    fingerprint: Option<String>,
    form: Form,
    path: &Path,
    now: Timestamp,
    pace: &Pace,
) -> Result<Saved, UpkeepError> {
    let path = named(path, mark, form, now);
    match form {
        Form::Backup => {
            let done = backup::write(store, mark, fingerprint, &path, now, pace)?;
            Ok(Saved {
                bytes: done.bytes,
                records: done.header.records,
                last: mark.seq,
                left_out: 0,
                path,
            })
        }
        Form::Lines => {
            let mut coming = Coming::begin(&path)?;
            let go_on = || pace.step();
            let failed = |e| UpkeepError::file(&path, e);
            let (_, end, left_out) = lines::write(store, mark.seq, &mut coming.out, failed, go_on)?;
            Ok(Saved {
                bytes: coming.end()?,
                records: end.records,
                last: mark.seq,
                left_out,
                path,
            })
        }
    }
}
