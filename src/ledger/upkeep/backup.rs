//! A backup: every record up to one that is on disk, packed, between a header that says what it has to hold and a trailer that shows a cut or a change; it streams, and holds no store up.
//!
//! A header of [`HEADER`] bytes (one JSON line, filled up with spaces), then values as they lie in a
//! store: eight bytes with the number of the first record, four with the length, and the value; a length
//! of zero ends them. One JSON line follows: the SHA-256 of all that came before.

use std::io::{Read, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::UpkeepError;
use super::file::Coming;
use super::pace::Pace;
use crate::ledger::block::{Room, pack, unpack};
use crate::ledger::record::{VERSION, decode, digest_of, link};
use crate::ledger::sidecar::Mark;
use crate::ledger::store::Store;
use crate::model::Digest;

/// What a file is told that is something else.
const OTHER: &str =
    "it does not begin like a backup of provtaskd; for an export use `provtaskd store import`";
/// What it calls itself.
const NAME: &str = "provtaskd store";
/// The form of the file.
const FORM: u32 = 1;
/// Bytes of the header.
const HEADER: usize = 1024;
/// Largest value that is read: a record, or a block of them.
const MOST: usize = 64 << 10;
/// Bytes of records that are packed together.
const TOGETHER: usize = 1 << 20;

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackupHeader {
    /// Always the same word.
    backup: String,
    form: u32,
    /// Highest version of a record that may be in it.
    pub schema: u32,
    /// The store's own id.
    pub store: String,
    /// The server that it belongs to, once bound.
    pub fingerprint: Option<String>,
    /// The number of the last record.
    pub last: u64,
    /// Its link in the chain.
    pub head: String,
    /// How many records there are.
    pub records: u64,
    /// When it was made.
    pub made: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: Digest,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackedUp {
    /// What the file says of itself.
    pub header: BackupHeader,
    /// Its size.
    pub bytes: u64,
}

/// Writes a backup of all records up to the mark's, which has to be on disk. Ends early where `pace` was stopped.
pub(crate) fn write(
    store: &dyn Store,
    mark: &Mark,
    fingerprint: Option<String>,
    path: &Path,
    now: Timestamp,
    pace: &Pace,
) -> Result<BackedUp, UpkeepError> {
    let mut coming = Coming::begin(path)?;
    let mut header = BackupHeader {
        backup: NAME.to_owned(),
        form: FORM,
        schema: VERSION,
        store: mark.store.clone(),
        fingerprint,
        last: mark.seq,
        head: mark.head.clone(),
        records: 0,
        made: now,
    };
    let put = |coming: &mut Coming, bytes: &[u8]| {
        coming.out.write_all(bytes).map_err(|e| coming.failed(e))
    };
    // the number of records is known at the end: the header gets its place now, and its words then
    put(&mut coming, &[b' '; HEADER])?;
    let mut hash = Sha256::new();
    let mut waiting: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut bytes = 0;
    let (mut failed, mut room) = (None, Room::default());
    let mut flush = |waiting: &mut Vec<(u64, Vec<u8>)>, coming: &mut Coming| {
        for (first, value) in pack(waiting, &mut room) {
            // a value is far below four gigabytes
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            for part in [&first.to_be_bytes()[..], &length.to_be_bytes(), &value] {
                hash.update(part);
                put(coming, part)?;
            }
        }
        waiting.clear();
        Ok::<(), UpkeepError>(())
    };
    let mut head = None;
    store.visit(0, &mut |seq, record| {
        if seq > mark.seq {
            return ControlFlow::Break(());
        }
        if !pace.step() {
            failed = Some(UpkeepError::Stopped);
            return ControlFlow::Break(());
        }
        header.records += 1;
        bytes += record.len();
        if seq == mark.seq {
            head = decode(record).ok().map(|event| link(&event, record));
        }
        waiting.push((seq, record.to_vec()));
        if bytes < TOGETHER {
            return ControlFlow::Continue(());
        }
        bytes = 0;
        match flush(&mut waiting, &mut coming) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if head.is_none_or(|head| head.as_str() != mark.head) {
        return Err(UpkeepError::Unsettled(format!(
            "record {} of the store is not the one that was acknowledged",
            mark.seq
        )));
    }
    flush(&mut waiting, &mut coming)?;
    let end = [0; 12];
    hash.update(end);
    let first = filled(&header);
    let sha256 = whole(&first, hash);
    let mut trailer = serde_json::to_vec(&Trailer { sha256 }).unwrap_or_default();
    trailer.push(b'\n');
    let put = |coming: &mut Coming, bytes: &[u8]| {
        coming.out.write_all(bytes).map_err(|e| coming.failed(e))
    };
    put(&mut coming, &end)?;
    put(&mut coming, &trailer)?;
    // a seek writes out what waits
    coming.out.rewind().map_err(|e| coming.failed(e))?;
    put(&mut coming, &first)?;
    let bytes = coming.end()?;
    Ok(BackedUp { header, bytes })
}

fn filled(header: &BackupHeader) -> Vec<u8> {
    let mut line = serde_json::to_vec(header).unwrap_or_default();
    // ids, a fingerprint and numbers are far below it
    line.resize(HEADER - 1, b' ');
    line.push(b'\n');
    line
}

/// One digest for header and values.
fn whole(header: &[u8], values: Sha256) -> Digest {
    let mut hash = Sha256::new();
    hash.update(header);
    hash.update(values.finalize());
    digest_of(&hash.finalize())
}

/// Reads a backup: its header, then shows each record. Whatever was shown counts only if this answers
/// without an error.
pub(super) fn read<R: Read>(
    mut from: R,
    path: &Path,
    head: impl FnOnce(&BackupHeader) -> Result<(), UpkeepError>,
    mut show: impl FnMut(u64, &[u8]) -> Result<(), UpkeepError>,
) -> Result<BackupHeader, UpkeepError> {
    let bad = |why: &str| UpkeepError::BadFile {
        path: path.to_path_buf(),
        why: why.to_owned(),
    };
    let mut get = |bytes: &mut [u8]| {
        from.read_exact(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => bad("it ends too early: it was cut"),
            _ => UpkeepError::file(path, e),
        })
    };
    let mut first = vec![0; HEADER];
    get(&mut first)?;
    let header: BackupHeader = serde_json::from_slice(&first).map_err(|_| bad(OTHER))?;
    if header.backup != NAME {
        return Err(bad(OTHER));
    }
    if header.form != FORM || header.schema > VERSION {
        return Err(bad("it was made by a newer provtaskd; use that one"));
    }
    head(&header)?;
    let mut hash = Sha256::new();
    let mut records = 0_u64;
    loop {
        let mut place = [0; 12];
        get(&mut place)?;
        hash.update(place);
        let (number, length) = place.split_at(8);
        let number = number.try_into().map_or(0, u64::from_be_bytes);
        let length = length.try_into().map_or(0, u32::from_be_bytes);
        if length == 0 {
            break;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MOST {
            return Err(bad("it was changed: a value in it is too long"));
        }
        let mut value = vec![0; length];
        get(&mut value)?;
        hash.update(&value);
        let mut failed = None;
        let shown = unpack(number, &value, |seq, record| {
            records += 1;
            failed = show(seq, record).err();
            failed.is_none()
        });
        if let Some(error) = failed {
            return Err(error);
        }
        shown.map_err(|e| bad(&format!("it was changed: at record {number}: {e}")))?;
    }
    let mut rest = Vec::new();
    let limited = from.by_ref().take(4096).read_to_end(&mut rest);
    limited.map_err(|e| UpkeepError::file(path, e))?;
    let trailer: Option<Trailer> = match rest.split_last() {
        Some((b'\n', line)) => serde_json::from_slice(line).ok(),
        _ => None,
    };
    let trailer = trailer.ok_or_else(|| bad("its end is missing or was changed"))?;
    if trailer.sha256 != whole(&first, hash) || records != header.records {
        return Err(bad("it was changed: it is not what its digest says"));
    }
    Ok(header)
}
