//! Checks a store or a copy of one: every record, the chain, stored texts, the sidecar; on a copy, because opening a journal may change it. It never changes the store.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::backup;
use super::copy::{COPY, Copy};
use super::error::UpkeepError;
use super::examine::{Examined, Examiner, Finding, newer};
use super::rewrite::{LastAnchor, examine};
use super::swap::{self, JOURNAL, SIDECAR};
use crate::given;
use crate::ledger::anchor::Anchor;
use crate::ledger::aside;
use crate::ledger::error::{LedgerError, StoreError};
use crate::ledger::files::{journal_is_dir, size_of};
use crate::ledger::place::{Place, place};
use crate::ledger::record::{decode, link};
use crate::ledger::rewound::Rewound;
use crate::ledger::sidecar::{Found, Mark, Sidecar};
use crate::ledger::sled::SledStore;
use crate::ledger::store::Store as _;
use crate::model::settings::StoreSettings;

/// What sled lays its file out in: by itself it only ever cuts off whole ones of these.
const SEGMENT: u64 = 512 << 10;

/// What a check has found.
#[derive(Debug)]
pub struct Checked {
    /// What the records say, and what is wrong.
    pub examined: Examined,
    /// Bytes of the files.
    pub bytes: u64,
    /// Values in which the records lie, and their bytes; not for a backup.
    pub values: Option<(u64, u64)>,
    /// What was acknowledged last, as the sidecar or the header says.
    pub mark: Option<Mark>,
    /// The last anchor that is known of the store; not for a backup.
    pub anchor: Option<Held>,
    /// What to do about a rewind that is on record and not settled.
    pub rewound: Option<String>,
    /// What is worth knowing and is nothing wrong.
    pub notes: Vec<String>,
}

/// What the store was held against.
#[derive(Debug)]
pub struct Held {
    /// The anchor.
    pub anchor: Anchor,
    /// The store has the record that it names, as it names it.
    pub agrees: bool,
}

impl Checked {
    /// One more thing is wrong.
    pub fn find(&mut self, what: String) {
        self.examined.wrong += 1;
        self.examined
            .findings
            .insert(0, Finding { record: None, what });
    }
}

/// Checks the store in a directory that no process holds, and holds it against its `last` anchor. The copy is
/// made below `scratch`, or in the store's directory.
///
/// # Errors
/// There is no store, another process holds it, or there is no room for the copy.
pub fn check_store(
    settings: &StoreSettings,
    scratch: Option<&Path>,
    last: LastAnchor<'_>,
) -> Result<Checked, UpkeepError> {
    let dir = &settings.dir;
    if place(dir)? != Place::There {
        return Err(UpkeepError::NoStore(dir.clone()));
    }
    let _lock = lock(dir)?;
    let mut notes = Vec::new();
    let pending = dir.join("swap").exists();
    if pending {
        notes.push("a change of the store was cut off; the next start finishes it, and its new files were checked".to_owned());
    }
    let part = |name: &str| {
        let coming = swap::new(dir, name);
        if pending && coming.exists() {
            coming
        } else {
            dir.join(name)
        }
    };
    let (journal, sidecar) = (part(JOURNAL), part(SIDECAR));
    if !journal.exists() && !sidecar.exists() {
        return Err(UpkeepError::NoStore(dir.clone()));
    }
    journal_is_dir(&journal)?;
    let (found, length) = Sidecar::peek(&sidecar)?;
    let is = std::fs::metadata(journal.join("db")).map_or(0, |meta| meta.len());
    let bytes = if journal.exists() {
        size_of(&journal)?
    } else {
        0
    };
    let copy = match scratch {
        Some(scratch) => scratch.join(format!("provtaskd-check-{}", std::process::id())),
        None => dir.join(COPY),
    };
    let copy = Copy::of(&journal, copy)?;
    let (store, repaired) = SledStore::open(&copy.journal(), settings.cache)?;
    let mark = match &found {
        Found::Mark(mark) | Found::Torn(mark) => Some(mark.clone()),
        Found::Nothing | Found::Unreadable => None,
    };
    let examined = examine(&store, mark.as_ref())?;
    let values = store.values()?;
    let anchor = match examined.index.store_id().and_then(last) {
        None => None,
        Some(anchor) => {
            let bytes = store.get(anchor.seq)?;
            let is = bytes.and_then(|bytes| Some(link(&decode(&bytes).ok()?, &bytes)));
            let agrees = is.is_some_and(|is| is == anchor.head);
            Some(Held { anchor, agrees })
        }
    };
    drop(store);
    let mut checked = Checked {
        examined,
        bytes,
        values: Some(values),
        mark,
        anchor,
        rewound: None,
        notes,
    };
    if let Some(length) = length
        && is < length
    {
        let what = format!(
            "{} was {length} bytes long when it was last written, and is {is} now",
            journal.join("db").display()
        );
        if is == 0 || !is.is_multiple_of(SEGMENT) {
            checked.find(what);
        } else {
            checked.notes.push(format!(
                "{what}; sled cuts off by itself what it does not use"
            ));
        }
    }
    let last = checked.examined.last;
    match found {
        Found::Unreadable => checked.find(format!(
            "{} can't be read: what was acknowledged can't be known",
            sidecar.display()
        )),
        Found::Nothing if last > 1 => checked.find(format!(
            "{} is missing: what was acknowledged can't be known",
            sidecar.display()
        )),
        Found::Torn(mark) if last <= mark.seq => checked.find(format!(
            "{} holds a damaged mark that may be newer than the one of record {}, and no record is there after that: the last ones may be lost",
            sidecar.display(),
            mark.seq
        )),
        Found::Torn(_) => checked.notes.push(format!(
            "one of the two marks in {} is damaged; the next one that is written mends it",
            sidecar.display()
        )),
        Found::Nothing | Found::Mark(_) => {}
    }
    for said in repaired {
        checked.find(format!("the journal can't be opened as it is: {said}"));
    }
    let copy = |acknowledged| aside::copy_of(dir, acknowledged);
    if let Some(rewound) = Rewound::of(&checked.examined.index, copy) {
        checked.find(format!(
            "REWOUND: {}; that is not settled",
            rewound.words(dir)
        ));
        checked.rewound = Some(rewound.what_to_do(dir));
    }
    Ok(checked)
}

/// The store's lock, without writing to it: nobody may write while the files are copied.
fn lock(dir: &Path) -> Result<Option<File>, UpkeepError> {
    let path = dir.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, error).into()),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&path).ok();
            Err(UpkeepError::Ledger(LedgerError::Locked {
                path: dir.to_path_buf(),
                pid: pid.and_then(|text| text.trim().parse().ok()),
            }))
        }
        Err(TryLockError::Error(error)) => Err(StoreError::io(path, error).into()),
    }
}

/// Checks a backup; needs no store.
///
/// # Errors
/// It can't be read, or is not what its end says: it was cut or changed.
pub fn check_backup(path: &Path) -> Result<Checked, UpkeepError> {
    let file = given::open(path).map_err(|e| UpkeepError::file(path, e))?;
    let bytes = file
        .metadata()
        .map_err(|e| UpkeepError::file(path, e))?
        .len();
    let mut examiner = Examiner::default();
    let reader = std::io::BufReader::with_capacity(1 << 20, file);
    let header = backup::read(
        reader,
        path,
        |_| Ok(()),
        |seq, record| {
            examiner
                .take(seq, record, None)
                .map(drop)
                .map_err(|e| UpkeepError::BadFile {
                    path: path.to_path_buf(),
                    why: newer(seq, &e),
                })
        },
    )?;
    let mark = Mark {
        store: header.store,
        seq: header.last,
        head: header.head,
    };
    Ok(Checked {
        examined: examiner.end(Some(&mark)),
        bytes,
        values: None,
        mark: Some(mark),
        anchor: None,
        rewound: None,
        notes: vec![format!("made at {:.0}", header.made)],
    })
}
