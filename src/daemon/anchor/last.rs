//! Holds a store that was just opened against its last anchor in the anchor file: an older copy of the whole store, put back with its sidecar, shows nowhere else. It changes nothing of the file.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::anchor::{Anchor, Line, read_line};
use crate::ledger::record::{Actor, EventBody, Meta, decode, link};
use crate::ledger::{Entry, Ledger, LedgerError};

/// Bytes at the file's end that are looked at: some two hundred anchors.
const TAIL: u64 = 64 << 10;
/// How long the file is waited for at start (wall time).
const PATIENCE: Duration = Duration::from_secs(5);

/// What the last anchor says of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastAnchor {
    /// It is not known: there is no such file now, or it can't be read.
    Unknown,
    /// The store has that record, or is known to be rewound already.
    Known,
    /// The store does not have that record so; it was put on record that it is rewound.
    Rewound,
}

/// Records that the store was rewound where its last anchor names a record that it does not have, or has
/// otherwise. That the file can't be read is said.
///
/// # Errors
/// The store failed.
pub async fn check_last(
    ledger: &Ledger,
    file: Option<PathBuf>,
    now: Timestamp,
) -> Result<LastAnchor, LedgerError> {
    let store = ledger.read(|index| index.store_id().map(str::to_owned));
    let (Some(path), Some(store)) = (file, store) else {
        return Ok(LastAnchor::Unknown);
    };
    if ledger.read(|index| index.rewound().is_some()) {
        return Ok(LastAnchor::Known);
    }
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || last_of(&path, &store));
    // the clock on the wall: a disk that hangs knows no other
    let read = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(std::io::Error::other(error)),
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
    };
    let anchor = match read {
        Ok(anchor) => anchor,
        Err(error) => {
            tracing::warn!(
                file = %shown, %error,
                "the anchor file can't be read: whether an older copy of the store was put back is not known from it"
            );
            return Ok(LastAnchor::Unknown);
        }
    };
    let Some(anchor) = anchor else {
        return Ok(LastAnchor::Unknown);
    };
    let found = ledger.read(|index| index.last_seq());
    let agrees = match ledger.event_bytes(anchor.seq)? {
        Some(bytes) => decode(&bytes).is_ok_and(|event| link(&event, &bytes) == anchor.head),
        None => false,
    };
    if agrees {
        return Ok(LastAnchor::Known);
    }
    tracing::error!(
        file = %shown, record = anchor.seq, at = %anchor.at, last = found,
        "the last anchor names a record that the store does not have so: an older copy of the store was put back, or it was changed"
    );
    ledger
        .record(Entry {
            body: EventBody::StoreRewound {
                expected: anchor.seq,
                found: found.min(anchor.seq.saturating_sub(1)),
                damage: None,
                restored: None,
                lineages: Vec::new(),
            },
            meta: Meta::by(Actor::System, now),
        })
        .await?;
    Ok(LastAnchor::Rewound)
}

/// The last anchor of a store in a file; none where there is no file yet.
pub(super) fn last_of(path: &Path, store: &str) -> std::io::Result<Option<Anchor>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let from = file.metadata()?.len().saturating_sub(TAIL);
    let mut bytes = vec![0; usize::try_from(TAIL).unwrap_or(0)];
    let mut len = 0;
    loop {
        let at = from.saturating_add(u64::try_from(len).unwrap_or(0));
        match file.read_at(&mut bytes[len..], at)? {
            0 => break,
            more => len += more,
        }
    }
    let text = String::from_utf8_lossy(&bytes[..len]);
    let found = text.lines().rev().find_map(|line| match read_line(line) {
        Line::Anchor(anchor) if anchor.store == store => Some(anchor),
        _ => None,
    });
    Ok(found)
}
