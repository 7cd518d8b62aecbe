//! Reads the absence file and keeps the last good reading for as long as it may be believed; it never takes a missing or an empty file for "nobody is away".

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::Known;

use super::roster::{Roster, RowProblem, parse};

/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

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
    /// The file breaks off in the middle of a row: it is being written, or was not written whole.
    #[error(
        "{place}: the absence feed breaks off in this row; it was not taken, and the last good reading stands for as long as absence.feed_max_age allows; write the file beside its place and rename it"
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
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] RowProblem),
}

/// A feed and its last good reading.
#[derive(Debug)]
pub struct Feed {
    path: PathBuf,
    zone: TimeZone,
    max_age: Option<SignedDuration>,
    last_good: Option<(Arc<Roster>, Timestamp)>,
    last_read: Option<LastRead>,
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
        }
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

    /// Reads the file. Where it can't be read, is empty, breaks off, or is older than `max_age`, the last good
    /// reading stands until it is older than that itself; after that, absences are unknown, and nobody
    /// can be found present. The problems are to be shown, the bad rows among them.
    ///
    /// The file's age goes by its modification time against `now`, so `max_age` needs a wall clock.
    pub fn read(&mut self, now: Timestamp) -> (Known<Arc<Roster>>, Vec<FeedProblem>) {
        let mut problems = Vec::new();
        match read_file(&self.path) {
            Ok((text, written)) => match self.too_old(now, written) {
                Some(problem) => problems.push(problem),
                None => {
                    let name = self.path.file_name().unwrap_or(self.path.as_os_str());
                    let parsed = parse(&text, &name.to_string_lossy(), &self.zone);
                    problems.extend(parsed.problems.into_iter().map(FeedProblem::Row));
                    match parsed.cut_at {
                        Some(place) => problems.push(FeedProblem::Cut { place }),
                        None if parsed.blank => problems.push(FeedProblem::Empty {
                            path: self.path.clone(),
                        }),
                        None => self.last_good = Some((Arc::new(parsed.roster), now)),
                    }
                }
            },
            Err(problem) => problems.push(problem),
        }
        let is_row = |problem: &&FeedProblem| matches!(problem, FeedProblem::Row(_));
        // what keeps the whole file from being taken is more than a row
        let whole = problems.iter().find(|problem| !is_row(problem));
        let taken = whole.is_none();
        let before = self.last_read.as_ref().filter(|last| last.taken == taken);
        self.last_read = Some(LastRead {
            at: now,
            bad_rows: problems.iter().filter(is_row).count(),
            taken,
            since: before.map_or(now, |last| last.since),
            problem: whole.or(problems.first()).map(ToString::to_string),
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
            None => Known::unknown("the absence feed has never been read"),
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
    let file = File::open(path).map_err(unreadable)?;
    let written = file
        .metadata()
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|at| Timestamp::try_from(at).ok());
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(FeedProblem::TooLarge {
            path: path.to_path_buf(),
        });
    }
    // other encodings garble names at most; logins are ASCII in practice
    Ok((String::from_utf8_lossy(&bytes).into_owned(), written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_reading_stands_for_as_long_as_it_may_be_believed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("leave.csv");
        let max_age = SignedDuration::from_hours(24);
        let mut feed = Feed::new(path.clone(), TimeZone::UTC, Some(max_age));
        let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");

        let (roster, problems) = feed.read(now);
        assert!(roster.value().is_none(), "no file is not an empty file");
        assert!(problems[0].to_string().contains("leave.csv"));

        std::fs::write(&path, "a,2027-03-01,,b\nc,nonsense,,\n").expect("written");
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_modified(now.try_into().expect("in range"))
            .expect("a time is set");
        let (roster, problems) = feed.read(now);
        assert_eq!(roster.value().map(|r| r.len()), Some(1));
        assert!(problems[0].to_string().starts_with("leave.csv:2:"));

        std::fs::remove_file(&path).expect("removed");
        let (roster, problems) = feed.read(now + SignedDuration::from_hours(23));
        assert_eq!(roster.value().map(|r| r.len()), Some(1));
        assert_eq!(problems.len(), 1);
        let (roster, _) = feed.read(now + SignedDuration::from_hours(25));
        assert!(roster.value().is_none());
    }

    #[test]
    fn a_file_that_breaks_off_leaves_the_last_good_reading_for_as_long_as_it_may_be_believed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("leave.csv");
        let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
        let write = |text: &str, at: Timestamp| {
            std::fs::write(&path, text).expect("written");
            let file = File::options().write(true).open(&path).expect("opened");
            file.set_modified(at.try_into().expect("in range"))
                .expect("a time is set");
        };
        let max_age = SignedDuration::from_hours(24);
        let mut feed = Feed::new(path.clone(), TimeZone::UTC, Some(max_age));
        write("a,2027-03-01,,b\nc,2027-0", now);
        let (roster, problems) = feed.read(now);
        assert!(roster.value().is_none(), "there is no good reading yet");
        assert!(
            problems
                .iter()
                .any(|p| matches!(p, FeedProblem::Cut { place } if place == "leave.csv:2"))
        );
        write("a,2027-03-01,,b\nc,2027-03-01,,d\n", now);
        assert_eq!(feed.read(now).0.value().map(|r| r.len()), Some(2));
        for (hours, left) in [(23, Some(2)), (25, None)] {
            let later = now + SignedDuration::from_hours(hours);
            write("a,2027-03-01,,b\nc,2027-0", later);
            let (roster, problems) = feed.read(later);
            assert_eq!(roster.value().map(|r| r.len()), left);
            assert!(
                problems
                    .iter()
                    .any(|p| matches!(p, FeedProblem::Cut { .. }))
            );
        }
    }

    #[test]
    fn an_emptied_file_is_no_word_and_a_header_alone_says_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("leave.csv");
        let now: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
        let mut feed = Feed::new(path.clone(), TimeZone::UTC, None);
        let mut read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let (roster, problems) = feed.read(now);
            let empty = problems
                .iter()
                .any(|problem| matches!(problem, FeedProblem::Empty { .. }));
            (roster.value().map(|roster| roster.len()), empty)
        };
        assert_eq!(read(""), (None, true), "there is no good reading yet");
        assert_eq!(read("a,2027-03-01,,b\n"), (Some(1), false));
        for text in ["", "\n", " \r\n\r\n", "\u{feff}"] {
            assert_eq!(
                read(text),
                (Some(1), true),
                "{text:?}: the last good one stands"
            );
        }
        assert_eq!(read("log").0, Some(1), "that is no header");
        assert_eq!(read("login,fr").0, Some(1), "a header that breaks off");
        for text in [
            "login,from,to,stand_in",
            "\u{feff}login,from,to,stand_in\r\n",
        ] {
            assert_eq!(read(text), (Some(0), false), "{text:?}: nobody is away");
            assert_eq!(read("a,2027-03-01,,b\n"), (Some(1), false));
        }
    }

    #[test]
    fn a_file_that_nobody_renews_is_not_believed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("leave.csv");
        std::fs::write(&path, "a,2027-03-01,,b\n").expect("written");
        let written: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a timestamp");
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_modified(written.try_into().expect("in range"))
            .expect("a time is set");
        let later = written + SignedDuration::from_hours(30);
        let mut strict = Feed::new(
            path.clone(),
            TimeZone::UTC,
            Some(SignedDuration::from_hours(24)),
        );
        let (roster, problems) = strict.read(later);
        assert!(roster.value().is_none());
        assert!(matches!(
            problems[0],
            FeedProblem::TooOld { age_hours: 30, .. }
        ));
        let (roster, _) = Feed::new(path, TimeZone::UTC, None).read(later);
        assert!(roster.value().is_some());
    }
}
