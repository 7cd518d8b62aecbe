//! Keeps a copy of a journal that has lost something, made before sled opens it: opening rewrites what can't be read. It never changes the journal itself, and says what it can't tell.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::{LedgerError, StoreError};
use super::sidecar::Mark;

/// What sled lays its file out in: by itself it only ever cuts off whole ones of these.
const SEGMENT: u64 = 512 << 10;
/// Room that has to be left beside a copy: opening writes too.
const RESERVE: u64 = 16 << 20;
/// How a copy is called while it is not whole.
const UNFINISHED: &str = ".unfinished";

/// What the sidecar says of a journal that is not open yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// What was acknowledged last.
    pub mark: &'a Mark,
    /// How long the journal's file was then; older sidecars don't say it.
    pub length: Option<u64>,
}

/// What was done before the journal was opened.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The copy, where something seemed to be missing.
    pub copy: Option<PathBuf>,
    /// What is to be said, in words.
    pub said: Vec<String>,
}

/// What is missing, before anything was opened.
#[derive(Debug)]
struct Missing {
    why: String,
    /// False where sled may have shortened its file itself.
    certain: bool,
}

/// Looks at the journal's file and copies the whole directory where it is shorter than when it was
/// last written; once for each damage.
///
/// # Errors
/// I/O, or there is no room for the copy: then the journal is not to be opened.
pub(super) fn keep(
    store: &Path,
    expected: Option<Expected<'_>>,
    now: Timestamp,
) -> Result<Kept, LedgerError> {
    let aside = store.join("aside");
    let room = |aside: &Path| {
        rustix::fs::statvfs(aside)
            .map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize))
            .map_err(|e| StoreError::io(aside, e.into()))
    };
    keep_with(&store.join("journal"), &aside, expected, now, room)
}

fn keep_with(
    journal: &Path,
    aside: &Path,
    expected: Option<Expected<'_>>,
    now: Timestamp,
    room: impl FnOnce(&Path) -> Result<u64, StoreError>,
) -> Result<Kept, LedgerError> {
    let Some(expected) = expected else {
        return Ok(Kept::default());
    };
    let Some(missing) = missing(journal, expected)? else {
        return Ok(Kept::default());
    };
    let size = match size_of(journal) {
        Ok(0) => None,
        Ok(size) => Some(size),
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let Some(size) = size else {
        let said = format!(
            "{}; nothing is left in {} that could be copied",
            missing.why,
            journal.display()
        );
        return Ok(Kept {
            copy: None,
            said: vec![said],
        });
    };
    let line = damage(expected);
    if let Some(copy) = copies(aside, |about| about == line).pop() {
        let said = format!("{}; it was copied before: {}", missing.why, copy.display());
        return Ok(Kept {
            copy: Some(copy),
            said: vec![said],
        });
    }
    private_dir(aside)?;
    let free = room(aside)?;
    let needs = size.saturating_add(RESERVE);
    if free < needs {
        let short = format!(
            "{} needs {needs} bytes for a copy, {free} are free",
            aside.display()
        );
        if missing.certain {
            return Err(LedgerError::Corrupt {
                path: journal.to_path_buf(),
                why: format!(
                    "{}. Opening it would destroy what can still be looked at, and there is no room to copy it first: {short}; it was not opened",
                    missing.why
                ),
                hint: "make room there and try again, or move the journal to another disk (what is then missing is said at the next start)".to_owned(),
            });
        }
        let said = format!(
            "{}; that may be its own doing, and it was opened without a copy: {short}",
            missing.why
        );
        return Ok(Kept {
            copy: None,
            said: vec![said],
        });
    }
    let copy = copied(journal, aside, &line, &missing.why, now)?;
    let said = format!(
        "{}; before it was opened, {} was copied to {}",
        missing.why,
        journal.display(),
        copy.display()
    );
    Ok(Kept {
        copy: Some(copy),
        said: vec![said],
    })
}

impl Kept {
    /// All that was acknowledged is there after all: a copy is of no use.
    ///
    /// # Errors
    /// I/O.
    pub fn not_needed(self) -> Result<(), StoreError> {
        if let Some(copy) = self.copy {
            let about = about(&copy);
            fs::remove_dir_all(&copy).map_err(|e| StoreError::io(&copy, e))?;
            fs::remove_file(&about).map_err(|e| StoreError::io(&about, e))?;
        }
        Ok(())
    }
}

/// The newest copy made of a journal of which this record was acknowledged.
pub(super) fn copy_of(store: &Path, acknowledged: u64) -> Option<PathBuf> {
    let begin = format!("acknowledged record {acknowledged} ");
    copies(&store.join("aside"), |about| about.starts_with(&begin)).pop()
}

/// What tells one damage from another.
fn damage(expected: Expected<'_>) -> String {
    let Expected { mark, length } = expected;
    let length = length.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
    format!(
        "acknowledged record {} of store {}, digest {}, with {length} bytes",
        mark.seq, mark.store, mark.head
    )
}

fn missing(journal: &Path, expected: Expected<'_>) -> Result<Option<Missing>, StoreError> {
    let path = journal.join("db");
    let seq = expected.mark.seq;
    // one that doesn't say the length still says how many records there were, of a byte at least
    let least = expected.length.unwrap_or(seq);
    match fs::metadata(&path) {
        Ok(meta) if meta.len() >= least => Ok(None),
        Ok(meta) => Ok(Some(Missing {
            why: match expected.length {
                Some(length) => format!(
                    "{} was {length} bytes long when record {seq} was acknowledged, and is {} now",
                    path.display(),
                    meta.len()
                ),
                None => format!(
                    "{} is {} bytes long, which can't hold the {seq} records that were acknowledged",
                    path.display(),
                    meta.len()
                ),
            },
            certain: meta.len() == 0 || !meta.len().is_multiple_of(SEGMENT),
        })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(Missing {
            why: format!(
                "{} is missing, although record {seq} was acknowledged",
                path.display()
            ),
            certain: true,
        })),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

/// Whole copies whose first line about them is wanted, the oldest first.
fn copies(aside: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    // one that can't be looked at is made again
    let entries = fs::read_dir(aside).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.extension().is_none())
        .filter(|path| {
            fs::read_to_string(about(path))
                .is_ok_and(|text| text.lines().next().is_some_and(&wanted))
        })
        .collect();
    found.sort();
    found
}

/// The file beside a copy that says of what it is.
fn about(copy: &Path) -> PathBuf {
    copy.with_extension("txt")
}

fn copied(
    journal: &Path,
    aside: &Path,
    line: &str,
    why: &str,
    now: Timestamp,
) -> Result<PathBuf, StoreError> {
    let stamp: String = format!("{now:.0}")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let copy = (1..)
        .map(|n| match n {
            1 => aside.join(format!("journal-{stamp}")),
            n => aside.join(format!("journal-{stamp}-{n}")),
        })
        .find(|path| !path.exists() && !about(path).exists())
        .unwrap_or_else(|| aside.join("journal"));
    // what a kill left half done; the journal it was made of has not been opened since
    let entries = fs::read_dir(aside).map_err(|e| StoreError::io(aside, e))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.to_string_lossy().ends_with(UNFINISHED) {
            fs::remove_dir_all(&path).map_err(|e| StoreError::io(&path, e))?;
        }
    }
    let mut name = copy.clone().into_os_string();
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    copy_dir(journal, &unfinished)?;
    let text = format!(
        "{line}\n{why}\nThis is a copy of {} as it was before provtaskd opened it. Nothing uses it: it may be kept, looked at or removed.\n",
        journal.display()
    );
    let beside = about(&copy);
    let mut file = create(&beside)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| StoreError::io(&beside, e))?;
    fs::rename(&unfinished, &copy).map_err(|e| StoreError::io(&copy, e))?;
    sync_dir(aside)?;
    Ok(copy)
}

pub(super) fn copy_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    private_dir(to)?;
    for entry in fs::read_dir(from).map_err(|e| StoreError::io(from, e))? {
        let path = entry.map_err(|e| StoreError::io(from, e))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = to.join(name);
        let meta = fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?;
        if meta.is_dir() {
            copy_dir(&path, &target)?;
        } else if meta.is_file() {
            let mut source = File::open(&path).map_err(|e| StoreError::io(&path, e))?;
            let mut copy = create(&target)?;
            std::io::copy(&mut source, &mut copy)
                .and_then(|_| copy.sync_all())
                .map_err(|e| StoreError::io(&target, e))?;
        }
    }
    sync_dir(to)
}

fn size_of(dir: &Path) -> Result<u64, StoreError> {
    let mut size = 0_u64;
    for entry in fs::read_dir(dir).map_err(|e| StoreError::io(dir, e))? {
        let path = entry.map_err(|e| StoreError::io(dir, e))?.path();
        let meta = fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?;
        size = size.saturating_add(if meta.is_dir() {
            size_of(&path)?
        } else {
            meta.len()
        });
    }
    Ok(size)
}

fn create(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::io(path, e))
}

fn private_dir(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| StoreError::io(dir, e))
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| StoreError::io(dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = u64::MAX;

    fn now() -> Timestamp {
        "2027-03-01T08:00:00.5Z".parse().expect("a time")
    }

    fn mark(seq: u64) -> Mark {
        Mark {
            store: "s1".to_owned(),
            seq,
            head: "ab".repeat(32),
        }
    }

    /// A store with a journal's file of so many bytes, and one in a directory.
    fn store(length: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let blobs = dir.path().join("journal/blobs");
        fs::create_dir_all(&blobs).expect("made");
        fs::write(dir.path().join("journal/db"), vec![7; length]).expect("written");
        fs::write(blobs.join("1"), "blob").expect("written");
        dir
    }

    fn look(
        store: &Path,
        mark: &Mark,
        length: Option<u64>,
        room: u64,
    ) -> Result<Kept, LedgerError> {
        let expected = Some(Expected { mark, length });
        let (journal, aside) = (store.join("journal"), store.join("aside"));
        keep_with(&journal, &aside, expected, now(), |_| Ok(room))
    }

    #[test]
    fn only_a_journal_that_has_become_shorter_is_copied_and_once() {
        let dir = store(1_000);
        let nine = mark(9);
        for length in [None, Some(0), Some(900), Some(1_000)] {
            let kept = look(dir.path(), &nine, length, 0).expect("nothing to do");
            assert!(kept.copy.is_none() && kept.said.is_empty(), "{length:?}");
        }
        assert!(!dir.path().join("aside").exists());
        // what a kill left
        let left = dir.path().join("aside/journal-20270228T080000Z.unfinished");
        fs::create_dir_all(&left).expect("made");
        let kept = look(dir.path(), &nine, Some(1_001), ROOM).expect("copied");
        let copy = kept.copy.expect("a copy");
        assert!(copy.ends_with("aside/journal-20270301T080000Z"), "{copy:?}");
        assert!(!left.exists());
        assert_eq!(fs::read(copy.join("db")).expect("read"), vec![7; 1_000]);
        assert_eq!(fs::read(copy.join("blobs/1")).expect("read"), b"blob");
        assert!(
            kept.said[0].contains("1001 bytes long when record 9"),
            "{:?}",
            kept.said
        );
        assert_eq!(copy_of(dir.path(), 9).as_ref(), Some(&copy));
        assert_eq!(copy_of(dir.path(), 90), None);
        // a kill before the sidecar is written again must not fill the disk
        let again = look(dir.path(), &nine, Some(1_001), 0).expect("copied before");
        assert_eq!(again.copy.as_ref(), Some(&copy));
        // another damage is another copy, in the same second too
        let other = look(dir.path(), &mark(10), Some(1_001), ROOM).expect("copied");
        assert!(other.copy.as_ref().is_some_and(|path| *path != copy));
        other.not_needed().expect("removed");
        assert_eq!(copy_of(dir.path(), 10), None);
        assert_eq!(
            fs::read_dir(dir.path().join("aside"))
                .expect("read")
                .count(),
            2
        );
    }

    #[test]
    fn a_sidecar_without_a_length_still_tells_a_file_that_is_gone() {
        let dir = store(5);
        let kept = look(dir.path(), &mark(9), None, ROOM).expect("copied");
        assert!(kept.copy.is_some(), "five bytes are no nine records");
        fs::remove_file(dir.path().join("journal/db")).expect("removed");
        let kept = look(dir.path(), &mark(10), None, ROOM).expect("copied");
        assert!(kept.copy.is_some() && kept.said[0].contains("is missing"));
        fs::remove_dir_all(dir.path().join("journal")).expect("removed");
        let kept = look(dir.path(), &mark(11), None, ROOM).expect("said");
        assert!(kept.copy.is_none() && kept.said[0].contains("nothing is left"));
    }

    #[test]
    fn without_room_a_damaged_journal_is_not_opened_and_one_that_sled_may_have_cut_is() {
        let dir = store(1_000);
        let Err(LedgerError::Corrupt { why, hint, .. }) =
            look(dir.path(), &mark(9), Some(2_000), 500)
        else {
            panic!("there is no room");
        };
        assert!(
            why.contains("no room") && why.contains("500 are free"),
            "{why}"
        );
        assert!(hint.contains("make room"), "{hint}");
        let dir = store(usize::try_from(SEGMENT).expect("small"));
        let kept = look(dir.path(), &mark(9), Some(2 * SEGMENT), 500).expect("said");
        assert!(kept.copy.is_none() && kept.said[0].contains("without a copy"));
    }
}
