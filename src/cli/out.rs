//! Files that a report is written into: one is written over where it is an earlier report of the same sort, and nothing else ever is.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::failure::{Failure, Kind, no_room};
use crate::daemon;
use crate::daily::MARKDOWN_BEGINS;
use crate::given;

/// So much of a file is looked at: what says which report it is stands at its begin.
const LOOKED_AT: u64 = 64 << 10;

/// Which report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Of `survey`.
    Survey,
    /// Of `report daily`.
    Daily,
}

impl Sort {
    fn command(self) -> &'static str {
        match self {
            Self::Survey => "provtaskd survey",
            Self::Daily => "provtaskd report daily",
        }
    }

    /// True for the begin of such a report in any of its formats, by this version or an earlier one.
    fn is_begun_by(self, text: &str) -> bool {
        let html = |title: &str| text.starts_with("<!DOCTYPE html>") && text.contains(title);
        let json = |begin: &str| {
            let dense: String = text
                .chars()
                .filter(|c| !c.is_whitespace())
                .take(200)
                .collect();
            dense.starts_with(begin)
        };
        let first = text.lines().next().unwrap_or_default();
        match self {
            Self::Survey => {
                html("<title>Survey of provisioning tasks, ")
                    || json("{\"schema\":\"provtaskd.survey\",")
                    || first == "# Survey of provisioning tasks"
                    || first.starts_with("target,class,kind,age,owner_state,")
                    || first.starts_with("Survey of ") && first.contains(" visible to ")
            }
            Self::Daily => {
                let text_of_day = || text.contains("\nDone\n") && text.contains("\nRead as done");
                html("<title>Provisioning tasks, ")
                    || json("{\"schema\":1,\"from\":\"")
                    || first.strip_prefix(MARKDOWN_BEGINS).is_some_and(is_times)
                    || is_span(first) && text_of_day()
            }
        }
    }
}

/// `2027-03-01 08:00Z to 2027-03-02 08:00Z: …`
fn is_span(line: &str) -> bool {
    let times = "0000-00-00 00:00Z to 0000-00-00 00:00Z".len();
    is_times(line) && line.get(times..).is_some_and(|rest| rest.starts_with(": "))
}

/// `2027-03-01 08:00Z to 2027-03-02 08:00Z…`
fn is_times(line: &str) -> bool {
    let form = "0000-00-00 00:00Z to 0000-00-00 00:00Z";
    let fits = |(is, of): (char, char)| {
        if of == '0' {
            is.is_ascii_digit()
        } else {
            is == of
        }
    };
    line.chars().count() >= form.len() && line.chars().zip(form.chars()).all(fits)
}

/// That a report may be written into a file: it is not there yet, is empty, or is an earlier report of the same sort.
///
/// # Errors
/// What it is instead.
pub fn may_write(path: &Path, sort: Sort) -> Result<(), Failure> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if path.is_dir() || dir.is_some_and(|dir| !dir.is_dir()) {
        let what = format!(
            "{} can't be written: no such directory, or it is one",
            path.display()
        );
        return Err(Failure::new(Kind::Io, what).hint("name a file in a directory that is there"));
    }
    let other = |what: &str| {
        let command = sort.command();
        Failure::new(
            Kind::Io,
            format!(
                "{} is there already and is {what}: it is left as it is",
                path.display()
            ),
        )
        .hint(format!(
            "name another file with --out; only an earlier report of `{command}` is replaced"
        ))
    };
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(path, &error)),
    };
    if meta.is_symlink() {
        return Err(other("a link"));
    }
    if !meta.is_file() {
        return Err(other("no regular file"));
    }
    let begin = given::open(path).and_then(begin_of);
    match begin {
        Err(error) => Err(other(&format!("not to be read ({error})"))),
        Ok(text) if text.is_empty() || sort.is_begun_by(&text) => Ok(()),
        Ok(_) => Err(other(&format!("no report of `{}`", sort.command()))),
    }
}

fn begin_of(file: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    // what was cut in the middle of a letter at the end is no matter
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a report for this user alone: whole, or not at all, and over nothing but an earlier one.
///
/// # Errors
/// As [`may_write`], or the file can't be written.
pub fn write(path: &Path, sort: Sort, text: &str) -> Result<(), Failure> {
    // something else may have come there since it was looked at
    may_write(path, sort)?;
    daemon::write_private(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let hint = "name another file with --out";
    let hint = no_room(error).map_or_else(|| hint.to_owned(), |room| format!("{room}, or {hint}"));
    Failure::new(Kind::Io, format!("can't write {}: {error}", path.display())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_a_little_like_a_report_is_none() {
        for text in [
            "Survey of the site\nvisible to nobody\n",
            "2027-03-01 08:00Z to tomorrow: mine\n\nDone\n",
            "{\"schema\": 1, \"name\": \"mine\"}",
            "{\"schema\": \"provtaskd.traits\"}",
            "target,owner\n",
            "# Survey\n",
            "# Provisioning tasks, mine\n",
            "<html><title>Provisioning tasks, mine</title>",
            "[server]\n# 2027-03-01 08:00Z\n",
        ] {
            assert!(!Sort::Survey.is_begun_by(text), "{text}");
            assert!(!Sort::Daily.is_begun_by(text), "{text}");
        }
        let day = "2027-03-01 08:00Z to 2027-03-02 08:00Z: 3 tasks\n\nDone\n  nothing\n\nRead as done after a retry\n";
        assert!(Sort::Daily.is_begun_by(day));
        assert!(!Sort::Survey.is_begun_by(day));
        let day = "# Provisioning tasks, 2027-03-01 08:00Z to 2027-03-02 08:00Z\n\n**3 tasks**\n";
        assert!(Sort::Daily.is_begun_by(day) && !Sort::Survey.is_begun_by(day));
    }
}
