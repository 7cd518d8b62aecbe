//! The oracle's record of every request and effect, in memory and, if wanted, in a file line by line; it must never hold a credential.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The longest first line of a journal that is looked at, bytes.
const LONGEST: u64 = 1 << 20;

/// A journal that can't be written.
#[derive(Debug, thiserror::Error)]
#[error("journal {path}: {source}", path = path.display())]
pub struct JournalError {
    path: PathBuf,
    source: std::io::Error,
}

/// The journal.
#[derive(Debug, Default)]
pub struct Journal {
    lines: Vec<Box<str>>,
    file: Option<File>,
}

impl Journal {
    /// A journal, with a file that is appended to.
    ///
    /// # Errors
    /// [`JournalError`] if the file can't be opened, or is something else.
    pub fn open(path: Option<&Path>) -> Result<Self, JournalError> {
        let open = |path: &Path| {
            is_one(path)?;
            File::options().create(true).append(true).open(path)
        };
        let file = match path {
            None => None,
            Some(path) => Some(open(path).map_err(|source| JournalError {
                path: path.to_owned(),
                source,
            })?),
        };
        Ok(Self {
            lines: Vec::new(),
            file,
        })
    }

    /// Adds an entry, which gets its number.
    pub fn add(&mut self, mut entry: Value) {
        entry["seq"] = Value::from(self.lines.len());
        let mut line = entry.to_string();
        if let Some(file) = &mut self.file {
            line.push('\n');
            // One write per line, so that a kill leaves whole lines. A full disk must not stop the world; the copy in memory stays whole.
            if let Err(error) = file.write_all(line.as_bytes()) {
                tracing::error!(%error, "the simulator's journal file could not be written");
            }
            line.pop();
        }
        self.lines.push(line.into());
    }

    /// The entries from a number on, as JSON lines.
    pub fn since(&self, number: usize) -> String {
        let lines = self.lines.get(number..).unwrap_or_default();
        let mut out = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// That a regular file is not there yet, is empty, or begins as a journal does: nothing is appended to anything else.
fn is_one(path: &Path) -> std::io::Result<()> {
    // a FIFO or a device has a reader of its own
    if !std::fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        return Ok(());
    }
    let mut first = String::new();
    let begin = File::open(path)?.take(LONGEST);
    let read = BufReader::new(begin).read_line(&mut first);
    let row: Option<Value> = serde_json::from_str(&first).ok();
    let is_row = row.is_some_and(|row| row["seq"].is_u64() && row["type"].is_string());
    if is_row || matches!(read, Ok(0)) {
        return Ok(());
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::AlreadyExists,
        "it is there already and is no journal of a simulator: it is left as it is; name another file with --journal",
    ))
}
