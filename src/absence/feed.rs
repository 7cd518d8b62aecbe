//! Reads the absence file, on a thread that nobody has to wait for, and keeps the last good reading for as long as it may be believed; it never takes a missing, an empty, a silent or a misread file for "nobody is away".

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::given::{self, Apart, Coming};
use crate::model::Known;

use super::roster::{Roster, RowProblem, parse};

/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// So long a reading is waited for (wall time); a file system that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is wrong with a feed or a row of it.
#[derive(Debug, thiserror::Error)]
pub enum FeedProblem {
    /// The file can't be read; the last good reading may still be used.
    #[error("cannot read the absence feed {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system does not answer.
    #[error(
        "the absence feed {path} does not answer: its reading hangs since {seconds} s, as where the server of a network mount is gone; look at the mount (`mount`, `dmesg`), mend or unmount it (`umount -l`), or name a file on a local disk in absence.feed and reload"
    )]
    Silent {
        /// Which file.
        path: PathBuf,
        /// For how long, wall time.
        seconds: u64,
    },
    /// No thread could be had to read it.
    #[error("the absence feed {path} was not read: {source}")]
    NotBegun {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than is sensible.
    #[error("the absence feed {path} is larger than {MAX_BYTES} bytes; it was not read")]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file was not renewed in time.
    #[error(
        "the absence feed {path} was last written {age_hours} h ago, the limit is {limit_hours} h; renew the file or raise absence.feed_max_age"
    )]
    TooOld {
        /// Which file.
        path: PathBuf,
        /// Its age.
        age_hours: i64,
        /// `absence.feed_max_age`.
        limit_hours: i64,
    },
    /// The file breaks off in a row, or may have: it is being written, was not written whole, or an editor has left out the last line end.
    #[error(
        "{place}: the absence feed breaks off in this row: no line end follows it (or a quote in it is never closed), and half a row can look like a whole one; the file was not taken, and the last good reading stands for as long as absence.feed_max_age allows; if the row is whole, put a line end behind it, which many editors leave out, and let whatever writes the file write it beside its place and rename it"
    )]
    Cut {
        /// File name and line.
        place: String,
    },
    /// The file holds nothing at all: it was emptied, or is being written.
    #[error(
        "the absence feed {path} is empty; it was not taken, and the last good reading stands for as long as absence.feed_max_age allows; where nobody is away, write the header login,from,to,stand_in alone"
    )]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// It is not written as it should be: whom its rows name is not known.
    #[error(
        "{what}; the absence feed was not taken, and the last good reading stands for as long as absence.feed_max_age allows; write it in UTF-8, with the columns login,from,to,stand_in and dates as 2027-07-16"
    )]
    Misread {
        /// File name, line, and what stands there.
        what: String,
    },
    /// A fourth column that nobody has called stand-ins.
    #[error(
        "{place}: no header calls the fourth column stand_in, so that it is not read: it may hold reasons; if it names stand-ins, write the header login,from,to,stand_in, else leave it out of the file"
    )]
    Unnamed {
        /// File name and line.
        place: String,
    },
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] RowProblem),
}

impl FeedProblem {
    /// What tells one problem from another, whatever it counts meanwhile.
    pub fn sort(&self) -> String {
        match self {
            Self::TooOld { .. } => "too old".to_owned(),
            Self::Silent { .. } => "does not answer".to_owned(),
            other => other.to_string(),
        }
    }

    /// Why nothing is known by the file, for who asks about one task; the whole is in `status`.
    fn in_short(&self) -> String {
        match self {
            Self::Unreadable { .. } | Self::NotBegun { .. } => {
                "the absence feed could not be read".to_owned()
            }
            Self::Silent { .. } => "the absence feed does not answer".to_owned(),
            Self::TooLarge { .. } => "the absence feed is too large to be read".to_owned(),
            Self::TooOld {
                age_hours,
                limit_hours,
                ..
            } => format!(
                "the absence feed was read and is too old: written {age_hours} h ago, and absence.feed_max_age is {limit_hours} h"
            ),
            Self::Cut { place } => format!("the absence feed breaks off ({place})"),
            Self::Empty { .. } => "the absence feed is empty".to_owned(),
            Self::Misread { .. } | Self::Unnamed { .. } | Self::Row(_) => {
                "the absence feed is not written as it should be".to_owned()
            }
        }
    }
}

/// A feed and its last good reading.
#[derive(Debug)]
pub struct Feed {
    path: PathBuf,
    zone: TimeZone,
    max_age: Option<SignedDuration>,
    last_good: Option<(Arc<Roster>, Timestamp)>,
    last_read: Option<LastRead>,
    reading: Option<Reading>,
    reader: Reader,
}

/// The file's text, and when it was last written.
type Text = Result<(String, Option<Timestamp>), FeedProblem>;
/// How it is read.
type Reader = fn(&Path) -> Text;

/// A reading that was begun and whose end was not taken in.
#[derive(Debug)]
struct Reading {
    /// When it was begun: what it brings is not younger.
    at: Timestamp,
    apart: Apart<Text>,
    /// Somebody has waited for it in vain.
    overdue: bool,
}

/// The end of a reading, for one who waits for it beside other things.
pub struct FeedReading(Coming<Text>);

impl FeedReading {
    /// Waits for the end, or as long as a file may take.
    pub async fn ended(self) {
        self.0.within(PATIENCE).await;
    }
}

/// What came of the last reading.
#[derive(Debug)]
struct LastRead {
    at: Timestamp,
    bad_rows: usize,
    taken: bool,
    /// Since when it is taken, or not.
    since: Timestamp,
    problem: Option<String>,
    /// Why nothing of it is believed, in a few words.
    why_not: Option<String>,
}

/// How a feed stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedState {
    /// Its file.
    pub path: PathBuf,
    /// Rows of the reading that is believed; `None` where none is.
    pub rows: Option<usize>,
    /// When that was read.
    pub as_of: Option<Timestamp>,
    /// When the file was last looked at.
    pub read_at: Option<Timestamp>,
    /// Rows that could not be read then.
    pub bad_rows: usize,
    /// False where the file as it was then could not be taken.
    pub taken: bool,
    /// Since when that is so.
    pub since: Option<Timestamp>,
    /// What was wrong then; the first of several.
    pub problem: Option<String>,
}

impl Feed {
    /// A feed that has not been read yet.
    pub fn new(path: PathBuf, zone: TimeZone, max_age: Option<SignedDuration>) -> Self {
        Self {
            path,
            zone,
            max_age,
            last_good: None,
            last_read: None,
            reading: None,
            reader: read_file,
        }
    }

    /// With what the former configuration's feed has under way of the same file, so that however often it is
    /// configured anew one reader at most hangs at it.
    #[must_use]
    pub fn after(mut self, former: Option<Self>) -> Self {
        self.reading = former
            .filter(|former| former.path == self.path)
            .and_then(|former| former.reading);
        self
    }

    /// How it stands, by the last reading.
    pub fn state(&self, now: Timestamp) -> FeedState {
        let believed = self.believed(now);
        let last = self.last_read.as_ref();
        FeedState {
            path: self.path.clone(),
            rows: believed.value().map(|roster| roster.len()),
            as_of: believed
                .value()
                .and(self.last_good.as_ref().map(|(_, at)| *at)),
            read_at: last.map(|last| last.at),
            bad_rows: last.map_or(0, |last| last.bad_rows),
            taken: last.is_none_or(|last| last.taken),
            since: last.map(|last| last.since),
            problem: last.and_then(|last| last.problem.clone()),
        }
    }

    /// Reads the file. Where it can't be read, is empty, breaks off, is not written as it should be, or is older than `max_age`, the last good
    /// reading stands until it is older than that itself; after that, absences are unknown, and nobody
    /// can be found present. The problems are to be shown, the bad rows among them.
    ///
    /// The file's age goes by its modification time against `now`, so `max_age` needs a wall clock.
    ///
    /// The caller's thread is kept for 5 seconds at most, whatever the file system does.
    pub fn read(&mut self, now: Timestamp) -> (Known<Arc<Roster>>, Vec<FeedProblem>) {
        let begun = self.begin(now);
        if let Ok(Some(_)) = begun
            && let Some(reading) = &self.reading
        {
            reading.apart.wait(PATIENCE);
        }
        self.end(now, begun.err())
    }

    /// Begins a reading, unless one is still under way; answers what to wait for. Nothing is waited for where one
    /// has been waited for in vain before: it is asked whether it has come, no more.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub fn begin(&mut self, now: Timestamp) -> Result<Option<FeedReading>, FeedProblem> {
        if let Some(reading) = &self.reading
            && !reading.apart.has_come()
        {
            return Ok((!reading.overdue).then(|| FeedReading(reading.apart.coming())));
        }
        // what has come late is as old as its beginning; the new one says the same or more
        let (path, reader) = (self.path.clone(), self.reader);
        let apart =
            Apart::begin(move || reader(&path)).map_err(|source| FeedProblem::NotBegun {
                path: self.path.clone(),
                source,
            })?;
        let coming = FeedReading(apart.coming());
        self.reading = Some(Reading {
            at: now,
            apart,
            overdue: false,
        });
        Ok(Some(coming))
    }

    /// Takes in what the reading has brought, or that it has brought nothing yet; see [`Feed::read`].
    pub fn end(
        &mut self,
        now: Timestamp,
        not_begun: Option<FeedProblem>,
    ) -> (Known<Arc<Roster>>, Vec<FeedProblem>) {
        let mut problems = Vec::new();
        let (read, at) = match (not_begun, self.reading.take()) {
            (Some(problem), reading) => {
                self.reading = reading;
                (Err(problem), now)
            }
            (None, Some(reading)) if reading.apart.has_come() => {
                let lost = || FeedProblem::Unreadable {
                    path: self.path.clone(),
                    source: std::io::Error::other("its reader has failed"),
                };
                let read = reading.apart.take();
                (read.unwrap_or_else(|| Err(lost())), reading.at)
            }
            (None, Some(reading)) => {
                let seconds = reading.apart.age().as_secs();
                self.reading = Some(Reading {
                    overdue: true,
                    ..reading
                });
                let path = self.path.clone();
                (Err(FeedProblem::Silent { path, seconds }), now)
            }
            (None, None) => {
                let source = std::io::Error::other("its reading was not begun");
                let path = self.path.clone();
                (Err(FeedProblem::Unreadable { path, source }), now)
            }
        };
        match read {
            Ok((text, written)) => match self.too_old(now, written) {
                Some(problem) => problems.push(problem),
                None => {
                    let name = self.path.file_name().unwrap_or(self.path.as_os_str());
                    let parsed = parse(&text, &name.to_string_lossy(), &self.zone);
                    problems.extend(parsed.problems.into_iter().map(FeedProblem::Row));
                    let unnamed = parsed.unnamed;
                    problems.extend(unnamed.map(|place| FeedProblem::Unnamed { place }));
                    match (parsed.misread, parsed.cut_at) {
                        (Some(what), _) => problems.push(FeedProblem::Misread { what }),
                        (None, Some(place)) => problems.push(FeedProblem::Cut { place }),
                        (None, None) if parsed.blank => problems.push(FeedProblem::Empty {
                            path: self.path.clone(),
                        }),
                        (None, None) => self.last_good = Some((Arc::new(parsed.roster), at)),
                    }
                }
            },
            Err(problem) => problems.push(problem),
        }
        let is_row = |problem: &&FeedProblem| matches!(problem, FeedProblem::Row(_));
        // what keeps the whole file from being taken is more than a row
        let of_part = |problem: &FeedProblem| {
            matches!(problem, FeedProblem::Row(_) | FeedProblem::Unnamed { .. })
        };
        let whole = problems.iter().find(|problem| !of_part(problem));
        let taken = whole.is_none();
        let before = self.last_read.as_ref().filter(|last| last.taken == taken);
        self.last_read = Some(LastRead {
            at: now,
            bad_rows: problems.iter().filter(is_row).count(),
            taken,
            since: before.map_or(now, |last| last.since),
            problem: whole.or(problems.first()).map(ToString::to_string),
            why_not: whole.map(FeedProblem::in_short),
        });
        (self.believed(now), problems)
    }

    fn too_old(&self, now: Timestamp, written: Option<Timestamp>) -> Option<FeedProblem> {
        let limit = self.max_age?;
        let age = now.duration_since(written?);
        (age > limit).then(|| FeedProblem::TooOld {
            path: self.path.clone(),
            age_hours: age.as_hours(),
            limit_hours: limit.as_hours(),
        })
    }

    fn believed(&self, now: Timestamp) -> Known<Arc<Roster>> {
        match &self.last_good {
            None => {
                let why = self
                    .last_read
                    .as_ref()
                    .and_then(|last| last.why_not.as_deref());
                Known::unknown(why.unwrap_or("the absence feed was not read yet"))
            }
            Some((_, as_of))
                if self
                    .max_age
                    .is_some_and(|limit| now.duration_since(*as_of) > limit) =>
            {
                Known::unknown("the last good reading of the absence feed is too old")
            }
            Some((roster, as_of)) => Known::Yes {
                value: Arc::clone(roster),
                as_of: *as_of,
            },
        }
    }
}

fn read_file(path: &Path) -> Result<(String, Option<Timestamp>), FeedProblem> {
    let unreadable = |source| FeedProblem::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let file = given::open(path).map_err(unreadable)?;
    let written = file
        .metadata()
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|at| Timestamp::try_from(at).ok());
    let size = file.metadata().map_err(unreadable)?.len();
    if size > MAX_BYTES {
        return Err(FeedProblem::TooLarge {
            path: path.to_path_buf(),
        });
    }
    let bytes = given::all(file, MAX_BYTES).map_err(unreadable)?;
    // what is no UTF-8 shows as such, and is found where it stands in a column that is read
    Ok((String::from_utf8_lossy(&bytes).into_owned(), written))
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
