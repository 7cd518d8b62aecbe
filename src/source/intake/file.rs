//! The hints on disk: an append-only file of lines, each with a checksum, beside the store. A file of its own and no tree of the ledger, because hints come a thousand times as often as claims, live for minutes, and prove nothing: in the ledger each would be a link of the chain that audits walk for ever, and their syncs would wait for those of claims. It never decides what a hint leads to.
//!
//! One line is `SUM JSON`, where SUM is the first 16 hex digits of the SHA-256 of the JSON text. What is torn off or
//! damaged is left out and counted; a whole line is never changed. When the file has grown to several times of what
//! is in it, it is written anew beside itself, synced, and renamed into its place.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::book::{Book, Coming, EventPrint};
use crate::model::{Login, Road, TargetName, TaskId};

/// The file within its directory.
const NAME: &str = "hints.log";
/// The next one, while it is written.
const NEXT: &str = "hints.new";
/// A copy of a file that was damaged.
const DAMAGED: &str = "hints.damaged";
/// The first line; another version is not read.
const HEAD: &str = "provtaskd hints 1";
/// It is written anew when it has grown to this, and to several times of what it held then.
const REWRITE_FROM: u64 = 4 << 20;
const REWRITE_AT: u64 = 3;
/// Entries per line when it is written anew.
const AT_ONCE: usize = 500;
/// The longest line that is read.
const LINE_MAX: usize = 1 << 20;
/// Tasks and persons of one line: far below that, however long their ids and logins are.
const TASKS_A_LINE: usize = 5_000;
const USERS_A_LINE: usize = 500;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An event or a file was taken.
    Took {
        /// The print of its id, in hex.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<String>,
        /// Until when that counts, seconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
        /// By which road.
        road: Road,
        /// Tasks named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskId>,
        /// Targets named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        targets: Vec<TargetName>,
        /// Persons named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        users: Vec<Login>,
    },
    /// Ids of events that were taken.
    Events {
        /// Prints, and until when they count.
        prints: Vec<(String, i64)>,
    },
    /// These were read and are read again in each cycle.
    Follow {
        /// By which road.
        road: Road,
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// These need no reading any more.
    Done {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// These persons' turn to be walked through is over.
    Walked {
        /// Their logins.
        users: Vec<Login>,
    },
    /// These targets were looked at.
    Looked {
        /// Their names.
        targets: Vec<TargetName>,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<EventPrint> {
    let mut print = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in print.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(print)
}

fn sum(text: &str) -> String {
    hex(&Sha256::digest(text)[..8])
}

impl Line {
    /// The lines of an event or a file: one, unless it names so much that its line would be too long to be read.
    pub fn took(coming: &Coming) -> Vec<Self> {
        let named = &coming.named;
        let tasks = Vec::from_iter(named.tasks.iter().cloned());
        let users = Vec::from_iter(named.persons.iter().cloned());
        let mut targets = Vec::from_iter(named.targets.iter().cloned());
        let (mut tasks, mut users) = (tasks.chunks(TASKS_A_LINE), users.chunks(USERS_A_LINE));
        let mut event = coming.event;
        let mut lines = Vec::new();
        loop {
            let (tasks, users) = (tasks.next(), users.next());
            if tasks.is_none() && users.is_none() && !lines.is_empty() {
                return lines;
            }
            let print = event.take();
            lines.push(Self::Took {
                event: print.map(|(print, _)| hex(&print)),
                until: print.map(|(_, until)| until),
                road: coming.road,
                tasks: tasks.unwrap_or_default().to_vec(),
                targets: std::mem::take(&mut targets),
                users: users.unwrap_or_default().to_vec(),
            });
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        // names, numbers and lists of them can always be written as JSON
        let text = serde_json::to_string(self).unwrap_or_default();
        out.extend_from_slice(sum(&text).as_bytes());
        out.push(b' ');
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }

    fn read(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (own, text) = text.split_once(' ')?;
        if own != sum(text) {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// Does to the book what it did when it was written.
    fn replay(self, book: &mut Book) {
        match self {
            Self::Took {
                event,
                until,
                road,
                tasks,
                targets,
                users,
            } => {
                if let (Some(print), Some(until)) = (event.as_deref().and_then(unhex), until) {
                    book.remember(print, until);
                }
                // in the order in which they stand there
                for task in tasks {
                    book.wait(task, road);
                }
                book.look_at(targets);
                for login in users {
                    book.persons.wait(login);
                }
            }
            Self::Events { prints } => {
                for (print, until) in prints {
                    if let Some(print) = unhex(&print) {
                        book.remember(print, until);
                    }
                }
            }
            Self::Follow { road, tasks } => {
                for task in tasks {
                    book.follow(task, road);
                }
            }
            Self::Done { tasks } => {
                for task in &tasks {
                    book.gone(task);
                }
            }
            Self::Walked { users } => {
                for login in &users {
                    book.persons.gone(login);
                }
            }
            Self::Looked { targets } => {
                book.wait_no_more(&targets);
            }
        }
    }
}

/// The file of hints can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the hints file {}: {source}", path.display())]
pub struct FileError {
    /// The file or its directory.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// The open file.
#[derive(Debug)]
pub struct HintFile {
    dir: PathBuf,
    file: File,
    /// Bytes that are whole.
    length: u64,
    /// Its length when it was written anew last.
    fresh: u64,
}

impl HintFile {
    /// Opens the file of a directory, which is made where it is not there, and does to `book` all that is in it.
    /// The file is then written anew, so that a torn end is gone. Answers how many lines were damaged.
    ///
    /// # Errors
    /// The directory or the file can't be made, read or written, or is of another version.
    pub fn open(dir: &Path, book: &mut Book, now: i64) -> Result<(Self, u64), FileError> {
        let path = dir.join(NAME);
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| FileError { path, source }
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(at(dir))?;
        let damaged = match File::open(&path) {
            Ok(file) => replay(file, book).map_err(at(&path))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(at(&path)(error)),
        };
        if damaged > 0 {
            // what could be learned from it is kept once
            std::fs::copy(&path, dir.join(DAMAGED)).map_err(at(&path))?;
        }
        book.forget_old(now);
        let (file, length) = write_anew(dir, book).map_err(at(&path))?;
        let own = Self {
            dir: dir.to_path_buf(),
            file,
            length,
            fresh: length,
        };
        Ok((own, damaged))
    }

    /// Appends lines, and with `sync` returns only when they are on disk. After an error the file is as it was.
    ///
    /// # Errors
    /// They could not be written; nothing of them counts.
    pub fn append(&mut self, lines: &[Line], sync: bool) -> Result<(), std::io::Error> {
        let mut bytes = Vec::new();
        for line in lines {
            line.put(&mut bytes);
        }
        let written = self
            .file
            .write_all(&bytes)
            .and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // a part of it must not come before what is written next
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Writes the file anew where it has grown enough.
    ///
    /// # Errors
    /// It could not be written; the old one stays in use.
    pub fn tidy(&mut self, book: &mut Book, now: i64) -> Result<(), std::io::Error> {
        if self.length < REWRITE_FROM || self.length / REWRITE_AT < self.fresh {
            return Ok(());
        }
        book.forget_old(now);
        let (file, length) = write_anew(&self.dir, book)?;
        self.file = file;
        self.length = length;
        self.fresh = length;
        Ok(())
    }
}

/// Answers how many lines were damaged; a torn end is none, it was never acknowledged.
fn replay(file: File, book: &mut Book) -> Result<u64, std::io::Error> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut damaged = 0;
    let mut first = true;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(damaged);
        }
        let whole = line.ends_with(b"\n");
        if std::mem::take(&mut first) {
            let head = line.strip_suffix(b"\n").unwrap_or(&line);
            if head == HEAD.as_bytes() {
                continue;
            }
            if head.starts_with(b"provtaskd hints ") {
                return Err(std::io::Error::other(
                    "it was written by another version of provtaskd; move it away, its hints are read by the normal list",
                ));
            }
            damaged += 1;
            continue;
        }
        match Line::read(&line).filter(|_| line.len() <= LINE_MAX) {
            Some(line) => line.replay(book),
            None if whole => damaged += 1,
            None => {}
        }
    }
}

fn write_anew(dir: &Path, book: &Book) -> Result<(File, u64), std::io::Error> {
    let mut bytes = format!("{HEAD}\n").into_bytes();
    let prints: Vec<(String, i64)> = book
        .events()
        .map(|(print, until)| (hex(print), until))
        .collect();
    for prints in prints.chunks(AT_ONCE) {
        Line::Events {
            prints: prints.to_vec(),
        }
        .put(&mut bytes);
    }
    let followed: Vec<(&TaskId, Road)> = book.in_sight().collect();
    for (road, tasks) in by_road(&followed) {
        Line::Follow { road, tasks }.put(&mut bytes);
    }
    // in their order: runs of one road
    let waiting: Vec<(&TaskId, Road)> = book.in_order().collect();
    for (road, tasks) in by_road(&waiting) {
        Line::Took {
            event: None,
            until: None,
            road,
            tasks,
            targets: Vec::new(),
            users: Vec::new(),
        }
        .put(&mut bytes);
    }
    let targets: Vec<TargetName> = book.targets().keys().cloned().collect();
    let users: Vec<Login> = book.persons.in_order().cloned().collect();
    let mut rest = vec![(targets, Vec::new())];
    rest.extend(
        users
            .chunks(AT_ONCE)
            .map(|part| (Vec::new(), part.to_vec())),
    );
    for (targets, users) in rest {
        if targets.is_empty() && users.is_empty() {
            continue;
        }
        Line::Took {
            event: None,
            until: None,
            road: Road::Event,
            tasks: Vec::new(),
            targets,
            users,
        }
        .put(&mut bytes);
    }
    let next = dir.join(NEXT);
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, dir.join(NAME))?;
    File::open(dir)?.sync_all()?;
    Ok((file, u64::try_from(bytes.len()).unwrap_or(0)))
}

fn by_road(tasks: &[(&TaskId, Road)]) -> Vec<(Road, Vec<TaskId>)> {
    tasks
        .chunk_by(|a, b| a.1 == b.1)
        .flat_map(|run| run.chunks(AT_ONCE))
        .filter_map(|part| {
            let (_, road) = part.first()?;
            Some((
                *road,
                part.iter().map(|(task, _)| (*task).clone()).collect(),
            ))
        })
        .collect()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
