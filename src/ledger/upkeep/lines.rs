//! A store as JSON lines: a header with the version of the records, every record as it was written, and a last line that shows a cut; what is read is taken for nothing before that line.

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::UpkeepError;
use crate::ledger::record::{MAX_RECORD, VERSION, digest_of};
use crate::ledger::store::Store;
use crate::model::Digest;

/// What a file with all records calls itself.
pub(super) const EVENTS: &str = "provtaskd events";
/// What a file with the records that retention changes calls itself.
pub(super) const TAKEN_OUT: &str = "provtaskd records before retention";
/// Longest line that is read.
const LONGEST: usize = MAX_RECORD * 4;

#[derive(Serialize, Deserialize)]
struct Header {
    export: String,
    schema: u32,
}

/// The last line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinesEnd {
    /// How many records came before it.
    pub records: u64,
    /// SHA-256 of all lines before it, with their ends.
    pub sha256: Digest,
}

#[derive(Serialize, Deserialize)]
struct Last {
    end: LinesEnd,
}

/// Writes lines.
pub(super) struct Lines<W> {
    pub out: W,
    hash: Sha256,
    records: u64,
}

impl<W: Write> Lines<W> {
    pub fn begin(out: W, what: &str) -> std::io::Result<Self> {
        let mut lines = Self {
            out,
            hash: Sha256::new(),
            records: 0,
        };
        let header = Header {
            export: what.to_owned(),
            schema: VERSION,
        };
        lines.line(&serde_json::to_vec(&header)?)?;
        Ok(lines)
    }

    fn line(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for part in [bytes, b"\n"] {
            self.hash.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    pub fn record(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.records += 1;
        self.line(bytes)
    }

    pub fn end(mut self) -> std::io::Result<(W, LinesEnd)> {
        let end = LinesEnd {
            records: self.records,
            sha256: digest_of(&self.hash.finalize()),
        };
        let mut last = serde_json::to_vec(&Last { end: end.clone() })?;
        last.push(b'\n');
        self.out.write_all(&last)?;
        Ok((self.out, end))
    }
}

/// Writes every record up to `to`; a record that is none (it can't be read) is left out, and counted.
pub(super) fn write<W: Write>(
    store: &dyn Store,
    to: u64,
    out: W,
    failed: impl Fn(std::io::Error) -> UpkeepError,
    go_on: impl Fn() -> bool,
) -> Result<(W, LinesEnd, u64), UpkeepError> {
    let mut lines = Lines::begin(out, EVENTS).map_err(&failed)?;
    let mut stopped = None;
    let mut left_out = 0;
    store.visit(0, &mut |seq, bytes| {
        if seq > to {
            return ControlFlow::Break(());
        }
        if !go_on() {
            stopped = Some(UpkeepError::Stopped);
            return ControlFlow::Break(());
        }
        if bytes.first() != Some(&b'{') || memchr::memchr(b'\n', bytes).is_some() {
            left_out += 1;
            return ControlFlow::Continue(());
        }
        match lines.record(bytes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(failed(error));
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = stopped {
        return Err(error);
    }
    let (out, end) = lines.end().map_err(&failed)?;
    Ok((out, end, left_out))
}

/// Reads lines and shows each record's; whatever was shown counts only if this answers without an error.
pub(super) fn read<R: BufRead>(
    mut from: R,
    path: &Path,
    what: &str,
    mut show: impl FnMut(&[u8]) -> Result<(), UpkeepError>,
) -> Result<LinesEnd, UpkeepError> {
    let bad = |why: String| UpkeepError::BadFile {
        path: path.to_path_buf(),
        why,
    };
    let mut hash = Sha256::new();
    let mut number = 0_u64;
    let mut records = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let mut limited = std::io::Read::take(&mut from, limit);
        let read = limited.read_until(b'\n', &mut line);
        read.map_err(|e| UpkeepError::file(path, e))?;
        let Some((b'\n', text)) = line.split_last().map(|(end, text)| (*end, text)) else {
            return Err(match (line.len(), number) {
                (0, 1) => bad("it is empty".to_owned()),
                (LONGEST.., _) => bad(format!("line {number} is longer than {LONGEST} bytes")),
                _ => bad(format!(
                    "it ends in line {number} without its last line: it was cut"
                )),
            });
        };
        if number == 1 {
            let other = || {
                bad(format!(
                    "its first line is not \"{what}\", as `provtaskd store export` writes it; for a backup use `provtaskd store restore`"
                ))
            };
            let header: Header = serde_json::from_slice(text).map_err(|_| other())?;
            if header.export != what {
                return Err(other());
            }
            if header.schema > VERSION {
                return Err(bad(format!(
                    "its records are of version {}, this program reads up to {VERSION}; use a newer provtaskd",
                    header.schema
                )));
            }
        } else if text.starts_with(b"{\"end\":") {
            let last: Last = serde_json::from_slice(text)
                .map_err(|e| bad(format!("line {number} is not understood: {e}")))?;
            if last.end.records != records || last.end.sha256 != digest_of(&hash.finalize()) {
                return Err(bad(
                    "it was changed: its lines are not what its last line says".to_owned(),
                ));
            }
            return Ok(last.end);
        } else {
            records += 1;
            show(text)?;
        }
        hash.update(&line);
    }
}
