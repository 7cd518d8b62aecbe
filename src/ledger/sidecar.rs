//! A small synced file beside the store that says how much was acknowledged, so that a rewound store is noticed; it never holds data.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::home::{self, Home, Known};
use crate::model::task::Fnv;

/// Bytes of one of the two slots, which are written in turn: a torn write spoils only one.
const SLOT: usize = 256;
/// Bytes of one slot as the file's positions count.
const SLOT_AT: u64 = 256;

/// What was acknowledged last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The store.
    pub store: String,
    /// Its last record.
    pub seq: u64,
    /// The digest of that record.
    pub head: String,
}

/// The open sidecar file.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
    file: File,
    turn: u64,
    /// The journal's file, whose length each mark says too.
    beside: Option<PathBuf>,
    length: Option<u64>,
}

/// What a sidecar says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It is new.
    Nothing,
    /// The newest whole mark.
    Mark(Mark),
    /// The newest whole mark, and another that is damaged and may be newer: then a record after this mark
    /// was acknowledged.
    Torn(Mark),
    /// Something was written, and none of it can be read.
    Unreadable,
}

impl Sidecar {
    /// Opens or creates the file and reads the newest whole mark.
    ///
    /// # Errors
    /// I/O.
    pub fn open(path: &Path) -> Result<(Self, Found), StoreError> {
        let io = |e| StoreError::io(path, e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        if file.metadata().map_err(io)?.len() < SLOT_AT * 2 {
            file.set_len(SLOT_AT * 2).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let (newest, written) = slots(&file).map_err(io)?;
        let sidecar = Self {
            path: path.to_path_buf(),
            file,
            turn: newest.as_ref().map_or(0, |(slot, _)| slot.turn),
            beside: None,
            length: newest.as_ref().and_then(|(slot, _)| slot.length),
        };
        Ok((sidecar, found(newest, written)))
    }

    /// Reads the newest whole mark, and how long the journal's file was then; makes and changes nothing.
    ///
    /// # Errors
    /// I/O, but for a file that is not there.
    pub fn peek(path: &Path) -> Result<(Found, Option<u64>), StoreError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Found::Nothing, None));
            }
            Err(error) => return Err(StoreError::io(path, error)),
        };
        let (newest, written) = slots(&file).map_err(|e| StoreError::io(path, e))?;
        let length = newest.as_ref().and_then(|(slot, _)| slot.length);
        Ok((found(newest, written), length))
    }

    /// Names the journal's file: from then on each mark says how long it was.
    #[must_use]
    pub fn beside(mut self, file: PathBuf) -> Self {
        self.beside = Some(file);
        self
    }

    /// How long the journal's file was when the mark was written that was read; older ones don't say it.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Where the store was when it was last opened, and where it is now.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn homes(&self, dir: &Path) -> Result<(Known, Home), StoreError> {
        let known = home::read(&self.file).map_err(|e| StoreError::io(&self.path, e))?;
        Ok((known, Home::here(dir, &self.file)?))
    }

    /// Notes where the store is now.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn write_home(&self, home: &Home) -> Result<(), StoreError> {
        home.write(&self.file)
            .map_err(|e| StoreError::io(&self.path, e))
    }

    /// Writes a mark and syncs it.
    ///
    /// # Errors
    /// I/O; then nothing may be acknowledged.
    pub fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.turn += 1;
        let mut text = format!("{} {} {} {}", self.turn, mark.store, mark.seq, mark.head);
        // one that can't be told is left out: the next opening then knows less, and nothing wrong
        if let Some(Ok(meta)) = self.beside.as_ref().map(std::fs::metadata) {
            text = format!("{text} {}", meta.len());
        }
        let line = format!("{:016x} {text}\n", check(&text));
        let mut bytes = [b' '; SLOT];
        for (to, from) in bytes.iter_mut().zip(line.bytes()) {
            *to = from;
        }
        let at = if self.turn.is_multiple_of(2) {
            0
        } else {
            SLOT_AT
        };
        self.file
            .write_all_at(&bytes, at)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| StoreError::io(&self.path, e))
    }
}

fn found(newest: Option<(Slot, bool)>, written: bool) -> Found {
    match newest {
        Some((slot, false)) => Found::Mark(slot.mark),
        Some((slot, true)) => Found::Torn(slot.mark),
        None if written => Found::Unreadable,
        None => Found::Nothing,
    }
}

/// The newest whole slot with whether a damaged one may be newer, and whether anything was ever written.
fn slots(file: &File) -> std::io::Result<(Option<(Slot, bool)>, bool)> {
    let mut newest: Option<Slot> = None;
    let mut written = false;
    let mut damaged: Option<Option<u64>> = None;
    for at in [0, SLOT_AT] {
        let mut bytes = [0u8; SLOT];
        match file.read_exact_at(&mut bytes, at) {
            Ok(()) => {}
            // one that is too short holds no slot there
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => written = true,
            Err(error) => return Err(error),
        }
        let used = bytes.iter().any(|byte| *byte != 0);
        written |= used;
        match parse(&bytes) {
            Some(slot) if newest.as_ref().is_none_or(|have| slot.turn > have.turn) => {
                newest = Some(slot);
            }
            Some(_) => {}
            None if used => damaged = Some(turn_of(&bytes)),
            None => {}
        }
    }
    let newest = newest.map(|slot| {
        // the turn of a damaged slot may still be told: the one before the newest is no loss
        let before = slot.turn.checked_sub(1);
        let torn = damaged.is_some_and(|turn| turn.is_none() || turn != before);
        (slot, torn)
    });
    Ok((newest, written))
}

/// The turn that a slot names, whole or not.
fn turn_of(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes);
    text.split(' ').nth(1)?.parse().ok()
}

/// What tells a whole line from a torn one.
pub(super) fn check(text: &str) -> u64 {
    let mut hash = Fnv::default();
    hash.text(text);
    hash.finish()
}

/// What one slot holds.
struct Slot {
    turn: u64,
    mark: Mark,
    length: Option<u64>,
}

fn parse(bytes: &[u8]) -> Option<Slot> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, _) = text.split_once('\n')?;
    let (sum, rest) = line.split_once(' ')?;
    if u64::from_str_radix(sum, 16).ok()? != check(rest) {
        return None;
    }
    let mut parts = rest.split(' ');
    let turn = parts.next()?.parse().ok()?;
    let mark = Mark {
        store: parts.next()?.to_owned(),
        seq: parts.next()?.parse().ok()?,
        head: parts.next()?.to_owned(),
    };
    let length = parts.next().and_then(|length| length.parse().ok());
    Some(Slot { turn, mark, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> Mark {
        Mark {
            store: "s1".to_owned(),
            seq,
            head: "ab".repeat(32),
        }
    }

    #[test]
    fn a_damaged_slot_is_told_where_it_may_be_the_newer_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sidecar");
        let (mut sidecar, _) = Sidecar::open(&path).expect("created");
        for seq in [3, 4] {
            sidecar.write(&mark(seq)).expect("written");
        }
        // turn 2 is even: the first slot is the newer one
        let flip = |at: u64| {
            let file = File::options().read(true).write(true).open(&path);
            let file = file.expect("opened");
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("read");
            file.write_all_at(&[byte[0] ^ 1], at).expect("written");
        };
        flip(40);
        let (found, _) = Sidecar::peek(&path).expect("read");
        assert_eq!(found, Found::Torn(mark(3)));
        flip(40);
        flip(SLOT_AT + 40);
        let (found, _) = Sidecar::peek(&path).expect("read");
        assert_eq!(found, Found::Mark(mark(4)), "the older one is no loss");
    }

    #[test]
    fn the_newest_whole_mark_is_read_and_a_torn_one_falls_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sidecar");
        let (mut sidecar, none) = Sidecar::open(&path).expect("created");
        assert_eq!(none, Found::Nothing);
        for seq in [3, 4, 9] {
            sidecar.write(&mark(seq)).expect("written");
        }
        let (_, read) = Sidecar::open(&path).expect("opened");
        assert_eq!(read, Found::Mark(mark(9)));
        // tear the newest slot (turn 3 is odd: the second)
        sidecar
            .file
            .write_all_at(b"garbage", SLOT_AT + 20)
            .expect("torn");
        let (_, read) = Sidecar::open(&path).expect("opened");
        assert_eq!(read, Found::Torn(mark(4)));
        std::fs::write(&path, "garbage").expect("spoilt");
        let (_, read) = Sidecar::open(&path).expect("opened");
        assert_eq!(read, Found::Unreadable);
    }

    #[test]
    fn a_mark_says_how_long_the_journal_was_and_an_older_one_is_read_without_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, db) = (dir.path().join("sidecar"), dir.path().join("db"));
        let (mut older, _) = Sidecar::open(&path).expect("created");
        older.write(&mark(3)).expect("written");
        let (sidecar, read) = Sidecar::open(&path).expect("opened");
        assert_eq!((read, sidecar.length()), (Found::Mark(mark(3)), None));
        let mut sidecar = sidecar.beside(db.clone());
        sidecar.write(&mark(4)).expect("there is no journal yet");
        assert_eq!(Sidecar::open(&path).expect("opened").0.length(), None);
        std::fs::write(&db, vec![0; 700]).expect("written");
        sidecar.write(&mark(u64::MAX)).expect("written");
        let (sidecar, read) = Sidecar::open(&path).expect("opened");
        assert_eq!(
            (read, sidecar.length()),
            (Found::Mark(mark(u64::MAX)), Some(700))
        );
    }
}
