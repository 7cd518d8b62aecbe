//! Holds a store that was just opened against its last anchor in the anchor file: an older copy of the whole store, put back with its sidecar, shows nowhere else. It changes nothing of the file.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::back::{Shown, lines_back};
use super::keys::Keys;
use crate::given;
use crate::ledger::anchor::{Anchor, Line, read_line};
use crate::ledger::record::{Actor, EventBody, Meta, decode, link};
use crate::ledger::{Entry, Index, Ledger, LedgerError, Rewound};
use crate::model::settings::AuditSettings;

/// How long the file may say nothing at start (wall time).
const PATIENCE: Duration = Duration::from_secs(5);

/// What the last anchor says of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastAnchor {
    /// It is not known: there is no such file now, it can't be read, or no anchor in it counts and the store
    /// has the record that the last of them names.
    Unknown,
    /// The store has that record, or is known to be rewound already, and not as a mere copy.
    Known,
    /// The store does not have that record so; it was put on record that it is rewound.
    Rewound,
}

/// Records that the store was rewound where its last anchor names a record that it does not have, or has
/// otherwise; `found` is the last record that was there before it was opened, which may have added some. That the file can't be read, or holds lines that don't count, is said.
///
/// # Errors
/// The store failed.
pub async fn check_last(
    ledger: &Ledger,
    audit: &AuditSettings,
    found: u64,
    now: Timestamp,
) -> Result<LastAnchor, LedgerError> {
    let store = ledger.read(|index| index.store_id().map(str::to_owned));
    let (Some(path), Some(store)) = (audit.anchor_file.clone(), store) else {
        return Ok(LastAnchor::Unknown);
    };
    // that it is a copy says less than what its anchor may show
    let held = |index: &Index| Rewound::of(index, |_| None).is_some_and(|held| !held.is_a_copy());
    if ledger.read(held) {
        return Ok(LastAnchor::Known);
    }
    let shown = path.display().to_string();
    let searched = match search(path, store, audit.clone()).await {
        Ok(searched) => searched,
        Err(why) => {
            tracing::warn!(
                file = %shown, error = %why,
                "the anchor file can't be read: whether an older copy of the store was put back is not known from it"
            );
            return Ok(LastAnchor::Unknown);
        }
    };
    let Some(anchor) = told(ledger, &searched)? else {
        if let Some(words) = searched.passed.words() {
            tracing::warn!(
                file = %shown, found = %words,
                "no line of the anchor file can be read as an anchor of this store, so that whether an older copy of it was put back is not known from it"
            );
        }
        return Ok(LastAnchor::Unknown);
    };
    let agrees = has(ledger, anchor)?;
    let counts = searched.anchor.as_ref() == Some(anchor);
    match (searched.passed.words(), counts) {
        (Some(words), true) => tracing::warn!(
            file = %shown, record = anchor.seq, at = %anchor.at, found = %words,
            "behind the last anchor that counts the anchor file has lines that do not: `provtaskd audit verify` names each; if nobody has changed the key, somebody may have changed the file"
        ),
        (words, false) if agrees => tracing::error!(
            file = %shown, record = anchor.seq, at = %anchor.at, found = words.unwrap_or_default(),
            "no anchor in the anchor file counts: none was signed with a configured key. The store has the record that the last of them names; that nobody has changed both is not known. If the key is new, name the former one in audit.former_hmac_key_files and start again; `provtaskd audit verify --hmac-key-file FORMER` tells as well"
        ),
        _ => {}
    }
    if agrees {
        return Ok(if counts {
            LastAnchor::Known
        } else {
            LastAnchor::Unknown
        });
    }
    tracing::error!(
        file = %shown, record = anchor.seq, at = %anchor.at, last = found, signed = counts && anchor.hmac.is_some(),
        "the last anchor names a record that the store does not have so: an older copy of the store was put back, or it was changed; nothing is sent until a person has looked, and has said `provtaskd approve rewound --why …`. Where anchors are signed and this one was not with a configured key (`signed` is false), the former key in audit.former_hmac_key_files lets `provtaskd audit verify` tell whether to believe it; that lifts nothing"
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

/// Whether the store has the record that an anchor names, as it names it.
fn has(ledger: &Ledger, anchor: &Anchor) -> Result<bool, LedgerError> {
    Ok(match ledger.event_bytes(anchor.seq)? {
        Some(bytes) => decode(&bytes).is_ok_and(|event| link(&event, &bytes) == anchor.head),
        None => false,
    })
}

/// What the store is held against: the anchor that counts, and then the line that tells of a later record.
fn told<'a>(ledger: &Ledger, searched: &'a Searched) -> Result<Option<&'a Anchor>, LedgerError> {
    match (&searched.anchor, searched.told()) {
        (Some(counts), Some(later)) if later != counts && has(ledger, counts)? => {
            Ok(Some(if has(ledger, later)? { counts } else { later }))
        }
        (Some(counts), _) => Ok(Some(counts)),
        (None, told) => Ok(told),
    }
}

/// Looks for the last anchor on a thread of its own, as long as that gets on.
async fn search(path: PathBuf, store: String, audit: AuditSettings) -> Result<Searched, String> {
    // without each of them nobody knows which lines count
    let keys = Keys::read(&audit).map_err(|error| error.to_string())?;
    let read = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&read);
    let mut reading = tokio::task::spawn_blocking(move || last_of(&path, &store, &keys, &counter));
    let mut seen = 0;
    loop {
        // the clock on the wall: a disk that hangs knows no other
        match tokio::time::timeout(PATIENCE, &mut reading).await {
            Ok(Ok(done)) => return done.map_err(|error| error.to_string()),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {
                let now = read.load(Ordering::Relaxed);
                if now == seen {
                    return Err("its disk does not answer".to_owned());
                }
                seen = now;
            }
        }
    }
}

/// What a file holds of a store.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    /// The last anchor that counts: without a key the last line that is one, with keys the latest that one of
    /// them has signed, wherever it stands: a copy of an older line behind it vouches for nothing.
    pub anchor: Option<Anchor>,
    /// Of those that don't count the one of the last record: it vouches for nothing, and may tell of a record
    /// that the store has lost. Behind an anchor that counts only one that is unsigned or by a key that is not
    /// configured: a wrong HMAC by a key that is configured is forged.
    pub doubtful: Option<Anchor>,
    /// Lines behind it that don't count; all of them where none counts.
    pub passed: Passed,
}

impl Searched {
    /// The anchor that counts, unless a line behind it tells of a later record: a configuration that was put
    /// back together with the store knows nothing of the key that has signed since. Such a line may be forged,
    /// and then a good store waits for a person; the other way round an older copy would pass for the store.
    pub fn told(&self) -> Option<&Anchor> {
        match (&self.anchor, &self.doubtful) {
            (Some(counts), Some(behind)) if behind.seq > counts.seq => Some(behind),
            (counts, behind) => counts.as_ref().or(behind.as_ref()),
        }
    }
}

/// The later of two anchors by the record that they name.
fn later(one: Option<Anchor>, other: Anchor) -> Option<Anchor> {
    match one {
        // from the last line to the first: of two about one record the last one stays
        Some(one) if one.seq >= other.seq => Some(one),
        _ => Some(other),
    }
}

/// Lines that look like anchors and don't count, by why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Passed {
    pub unsigned: u64,
    pub other_key: u64,
    pub wrong: u64,
    pub older: u64,
    pub broken: u64,
}

impl Passed {
    /// How many of which sort; `None` where there are none.
    pub fn words(&self) -> Option<String> {
        let sorts = [
            (self.unsigned, "without an HMAC"),
            (self.other_key, "signed with another key"),
            (self.wrong, "with a wrong HMAC"),
            (self.older, "older than an anchor before them"),
            (self.broken, "that can't be read"),
        ];
        let told = sorts.iter().filter(|(many, _)| *many > 0);
        let told: Vec<String> = told.map(|(many, what)| format!("{many} {what}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// The last anchor of a store in a file; none where there is no file yet. `read` counts the bytes.
///
/// # Errors
/// The file can't be read.
pub(crate) fn last_of(
    path: &Path,
    store: &str,
    keys: &Keys,
    read: &AtomicU64,
) -> std::io::Result<Searched> {
    let file = match given::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Searched::default());
        }
        Err(error) => return Err(error),
    };
    let mut out = Searched::default();
    let mut passed = Passed::default();
    let (mut unknown, mut wrong) = (None, None);
    lines_back(&file, read, |line| {
        let Shown::Whole(line) = line else {
            return ControlFlow::Continue(());
        };
        let anchor = match read_line(&String::from_utf8_lossy(line)) {
            Line::Other => return ControlFlow::Continue(()),
            Line::Broken(_) => {
                passed.broken += 1;
                return ControlFlow::Continue(());
            }
            Line::Anchor(anchor) if anchor.store != store => return ControlFlow::Continue(()),
            Line::Anchor(anchor) => anchor,
        };
        if keys.is_empty() {
            // any line counts, and somebody who can write one can take others away
            out.anchor = Some(anchor);
            out.passed = passed;
            return ControlFlow::Break(());
        }
        match (&anchor.hmac, keys.of(&anchor)) {
            (None, _) => {
                passed.unsigned += 1;
                unknown = later(unknown.take(), anchor);
            }
            (Some(_), None) => {
                passed.other_key += 1;
                unknown = later(unknown.take(), anchor);
            }
            // what is no later says nothing new, signed or not: most lines of a long file
            (Some(_), Some(_)) if out.anchor.as_ref().is_some_and(|last| last.at >= anchor.at) => {}
            (Some(_), Some(key)) if !anchor.is_signed_by(key) => {
                passed.wrong += 1;
                wrong = later(wrong.take(), anchor);
            }
            (Some(_), Some(_)) => {
                passed.older += u64::from(out.anchor.is_some());
                out.anchor = Some(anchor);
                out.passed = passed;
                out.doubtful.clone_from(&unknown);
            }
        }
        ControlFlow::Continue(())
    })?;
    if out.anchor.is_none() {
        out.passed = passed;
        out.doubtful = match (unknown, wrong) {
            (Some(unknown), Some(wrong)) => later(Some(unknown), wrong),
            (unknown, wrong) => unknown.or(wrong),
        };
    }
    Ok(out)
}
