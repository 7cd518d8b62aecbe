//! Brings records from a file into an empty store, or into the place of one: all of them are read and checked before anything takes effect, and what comes of it starts rewound and paused.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::backup;
use super::build::Builder;
use super::copy::{COPY, Copy};
use super::error::UpkeepError;
use super::examine::{Examined, Examiner, newer};
use super::lines;
use super::strip::lineages_of;
use super::swap::{self, After, JOURNAL, SIDECAR};
use crate::given;
use crate::ledger::anchor::Head;
use crate::ledger::files::private_dir;
use crate::ledger::open::{LOCK, replay, take_lock};
use crate::ledger::record::{Actor, EventBody, Meta, RecordError, VERSION, chain, decode, genesis};
use crate::ledger::sidecar::{Found, Mark, Sidecar};
use crate::ledger::sled::SledStore;
use crate::ledger::store::Store as _;
use crate::model::settings::StoreSettings;
use crate::model::{LineageId, Scope};

/// Lineages that a record names at most.
const NAMED: usize = 200;

/// Where records come from.
pub enum Source<'a> {
    /// A backup.
    Backup(&'a Path),
    /// JSON lines in a file.
    Lines(&'a Path),
    /// JSON lines, and how to call where they come from.
    Stream(Box<dyn BufRead + 'a>, &'a Path),
}

impl Source<'_> {
    fn path(&self) -> &Path {
        match self {
            Self::Backup(path) | Self::Lines(path) | Self::Stream(_, path) => path,
        }
    }
}

/// What was brought in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BroughtIn {
    /// Records that came.
    pub records: u64,
    /// The last of them.
    pub last: u64,
    /// The store's own id.
    pub store: String,
    /// Where the store is now that was there before.
    pub replaced: Option<PathBuf>,
    /// The last record that was acknowledged in it, where it was the same store.
    pub acknowledged: Option<u64>,
    /// Lineages that went on behind the last record, as far as that could be read.
    pub lineages: u64,
    /// Attempts that are open, to be read back before anything is sent.
    pub open_attempts: u64,
    /// Where the journal ends now.
    pub head: Head,
}

/// Makes the store of a file. Where one is there, only with `replace`, and it is moved aside.
///
/// # Errors
/// The file is not whole, or the store is held by another process, or not empty; nothing is changed then.
pub fn bring_in(
    settings: &StoreSettings,
    source: Source<'_>,
    replace: bool,
    actor: Actor,
    now: Timestamp,
    after: After<'_>,
) -> Result<BroughtIn, UpkeepError> {
    let dir = &settings.dir;
    let from = source.path().to_path_buf();
    // before anything is made: a file that is not there needs no store
    let opened = match source {
        Source::Backup(path) => Opened::Backup(open(path)?),
        Source::Lines(path) => Opened::Lines(Box::new(open(path)?)),
        Source::Stream(stream, _) => Opened::Lines(stream),
    };
    let before = (dir.exists(), dir.join(LOCK).exists());
    private_dir(dir)?;
    let lock = take_lock(dir)?;
    swap::recover(dir)?;
    let there = there(dir)?;
    if let Some(there) = &there
        && !replace
    {
        return Err(UpkeepError::NotEmpty {
            dir: dir.clone(),
            records: there.mark.as_ref().map_or(0, |mark| mark.seq),
        });
    }
    let made = fill(settings, opened, &from);
    let (mut builder, mut examined) = match made {
        Ok(made) => made,
        Err(error) => {
            Builder::discard(dir)?;
            // what was made for a store that does not come is not left: the name first, while it is held
            if !before.1 && there.is_none() {
                let _ = std::fs::remove_file(dir.join(LOCK));
            }
            if !before.0 {
                // one that is not empty stays
                let _ = std::fs::remove_dir(dir);
            }
            return Err(error);
        }
    };
    let known = there.as_ref().and_then(|there| {
        let mark = there.mark.as_ref()?;
        (Some(mark.store.as_str()) == examined.index.store_id()).then_some((there, mark))
    });
    let last = examined.index.last_seq();
    let (expected, lineages) = match known {
        Some((there, mark)) => (mark.seq.max(last), there.behind(settings, last)),
        None => (last, BTreeSet::new()),
    };
    let bodies = [
        EventBody::StoreRewound {
            expected,
            found: last,
            damage: examined.damage.clone(),
            restored: Some(Arc::from(from.display().to_string())),
            lineages: lineages.iter().copied().take(NAMED).collect(),
        },
        EventBody::Paused {
            scope: Scope::Global,
            until: None,
            reason: Arc::from(format!(
                "the store was made of {}: look at `provtaskd plan`, then resume",
                from.display()
            )),
        },
    ];
    let meta = Meta::by(actor, now);
    for body in bodies {
        let next = examined.last.max(examined.index.last_seq()) + 1;
        let head = examined.index.head().cloned().unwrap_or_else(genesis);
        let made = chain(&meta, body, next, head);
        for (event, bytes, digest) in made.map_err(|e| UpkeepError::Differs(e.to_string()))? {
            examined.index.apply(&event, digest);
            builder.put(event.seq, bytes)?;
        }
    }
    let built = builder.end()?;
    {
        let store = built.open(settings.cache)?;
        let (index, ..) = replay(&store)?;
        if index != examined.index {
            return Err(UpkeepError::Differs(
                "what was written is not what was read".to_owned(),
            ));
        }
    }
    built.sidecar(&examined.index)?;
    after("the new store is made");
    let keep = there.as_ref().map(|_| {
        let stamp: String = format!("{now:.0}")
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        unused(dir, &format!("replaced-{stamp}"))
    });
    swap::commit(dir, keep.as_deref(), after)?;
    drop(lock);
    Ok(BroughtIn {
        records: examined.tally.records,
        last,
        store: examined.index.store_id().unwrap_or("-").to_owned(),
        replaced: keep.map(|name| dir.join("aside").join(name)),
        acknowledged: known.map(|(_, mark)| mark.seq),
        lineages: u64::try_from(lineages.len()).unwrap_or(u64::MAX),
        open_attempts: u64::try_from(examined.index.open_attempts().count()).unwrap_or(u64::MAX),
        head: Head {
            store: examined.index.store_id().unwrap_or("-").to_owned(),
            seq: examined.index.last_seq(),
            link: examined.index.head().cloned().unwrap_or_else(genesis),
        },
    })
}

/// A name below `aside` that nobody has yet.
fn unused(dir: &Path, name: &str) -> String {
    (1..)
        .map(|n| match n {
            1 => name.to_owned(),
            n => format!("{name}-{n}"),
        })
        .find(|name| !dir.join("aside").join(name).exists())
        .unwrap_or_else(|| name.to_owned())
}

/// A file that is open to be read.
enum Opened<'a> {
    Backup(BufReader<File>),
    Lines(Box<dyn BufRead + 'a>),
}

fn open(path: &Path) -> Result<BufReader<File>, UpkeepError> {
    if path.is_dir() {
        return Err(UpkeepError::BadFile {
            path: path.to_path_buf(),
            why: "it is a directory; name the file".to_owned(),
        });
    }
    let file = given::open(path).map_err(|e| UpkeepError::file(path, e))?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// Reads and checks everything, and writes it beside the store.
fn fill(
    settings: &StoreSettings,
    opened: Opened<'_>,
    path: &Path,
) -> Result<(Builder, Examined), UpkeepError> {
    let mut builder = Builder::begin(&settings.dir, settings.cache)?;
    let mut examiner = Examiner::default();
    let bad = |why: String| UpkeepError::BadFile {
        path: path.to_path_buf(),
        why,
    };
    let mut take = |seq: u64, bytes: &[u8]| {
        let looked = examiner.take(seq, bytes, None);
        looked.map_err(|e| bad(newer(seq, &e)))?;
        builder.put(seq, bytes.to_vec())
    };
    let said = match opened {
        Opened::Backup(file) => {
            let header = backup::read(file, path, |_| Ok(()), &mut take)?;
            Some(Mark {
                store: header.store,
                seq: header.last,
                head: header.head,
            })
        }
        Opened::Lines(lines) => {
            // the header is the first line, and every other one a record
            let mut line = 1_u64;
            lines::read(lines, path, lines::EVENTS, |bytes| {
                line += 1;
                let event = decode(bytes).map_err(|e| bad(unread(line, &e)))?;
                take(event.seq, bytes)
            })?;
            None
        }
    };
    let examined = examiner.end(said.as_ref());
    if examined.tally.records == 0 {
        return Err(bad("it holds no record".to_owned()));
    }
    // damage that the store had, and that a person has settled, comes with it
    let known = examined.damage.is_some() && examined.damage == examined.index.damage;
    if examined.wrong > 0 && !known {
        let first = examined.findings.first();
        return Err(bad(first.map_or_else(
            || "its records are not a whole journal".to_owned(),
            |finding| match finding.record {
                Some(record) => format!("record {record}: {}", finding.what),
                None => finding.what.clone(),
            },
        )));
    }
    Ok((builder, examined))
}

/// Why a line is no record.
fn unread(line: u64, error: &RecordError) -> String {
    match error {
        RecordError::Newer(version) => format!(
            "line {line} has version {version}, this program reads up to {VERSION}; use a newer provtaskd"
        ),
        // the reader has seen that one line alone
        other => format!("line {line}: {other}").replace(" at line 1 column ", " at column "),
    }
}

/// What is at the store's place.
struct There {
    dir: PathBuf,
    mark: Option<Mark>,
    /// The journal's file is as long as it was.
    whole: bool,
}

/// Looks without opening anything.
fn there(dir: &Path) -> Result<Option<There>, UpkeepError> {
    let path = dir.join(SIDECAR);
    let (mark, length) = match Sidecar::peek(&path)? {
        (Found::Mark(mark) | Found::Torn(mark), length) => (Some(mark), length),
        _ => (None, None),
    };
    let db = std::fs::metadata(dir.join(JOURNAL).join("db"));
    let is = db.map_or(0, |meta| meta.len());
    if mark.is_none() && !dir.join(JOURNAL).exists() {
        return Ok(None);
    }
    Ok(Some(There {
        dir: dir.to_path_buf(),
        mark,
        whole: length == Some(is),
    }))
}

impl There {
    /// Lineages of which the store says something behind a record; a damaged one is not asked.
    fn behind(&self, settings: &StoreSettings, last: u64) -> BTreeSet<LineageId> {
        let mut out = BTreeSet::new();
        if !self.whole || self.mark.as_ref().is_none_or(|mark| mark.seq <= last) {
            return out;
        }
        // it is kept as it is: only a copy is opened
        let Ok(copy) = Copy::of(&self.dir.join(JOURNAL), self.dir.join(COPY)) else {
            return out;
        };
        let Ok((store, _)) = SledStore::open(&copy.journal(), settings.cache) else {
            return out;
        };
        // what can't be read tells nothing, and the record says that some may be unknown
        let _ = store.visit(last + 1, &mut |_, bytes| {
            if let Ok(event) = decode(bytes) {
                out.extend(lineages_of(&event.body));
            }
            ControlFlow::Continue(())
        });
        out
    }
}
