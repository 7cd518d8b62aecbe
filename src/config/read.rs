//! Reads single raw fields into typed values and collects what is wrong with them; it never stops at the first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::finding::{Finding, Severity};
use super::lines::{Lines, join};
use super::raw::{Field, Fill, SECTIONS};
use crate::model::TargetName;

/// Collects findings while fields are read. Every reader answers the default for a bad field, so that all
/// findings come at once; the result must not be used when there was an error.
#[derive(Debug)]
pub struct Reader<'a> {
    lines: &'a Lines,
    base: &'a Path,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// `base` is the directory that relative paths start from.
    pub fn new(lines: &'a Lines, base: &'a Path) -> Self {
        Self {
            lines,
            base,
            findings: Vec::new(),
        }
    }

    /// All findings so far.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Records an error at a key.
    pub fn error(&mut self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, key, what.into(), hint.into());
    }

    /// Records what is allowed and should be meant.
    pub fn warning(&mut self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, key, what.into(), hint.into());
    }

    /// Names of targets that differ in case alone: they are taken in any case, so that each of them says the same.
    pub fn alike<'n>(
        &mut self,
        section: &str,
        names: impl IntoIterator<Item = &'n String>,
        lowest: bool,
    ) {
        let mut before: Vec<TargetName> = Vec::new();
        for name in names {
            let target = TargetName::new(name);
            if let Some(twin) = before.iter().find(|known| known.is_like(&target)) {
                let (severity, hint) = match lowest {
                    true => (Severity::Warning, "the lowest of them holds; keep one"),
                    false => (Severity::Error, "keep one of them"),
                };
                let what = format!(
                    "is `{twin}` in another case, and names of targets are taken in any case"
                );
                self.push(severity, &join(section, name), what, hint.to_owned());
            }
            before.push(target);
        }
    }

    fn push(&mut self, severity: Severity, key: &str, what: String, hint: String) {
        self.findings.push(Finding {
            severity,
            key: key.to_owned(),
            line: self.lines.line(key),
            what,
            hint,
        });
    }

    /// The value as written, where it is there and has the right type.
    pub fn plain<T: Clone>(&mut self, key: &str, field: &Option<Field<T>>) -> Option<T> {
        match field {
            None => None,
            Some(Field(Ok(value))) => Some(value.clone()),
            Some(Field(Err(why))) => {
                let (what, hint) = other_type(key, why);
                self.error(key, what, hint);
                None
            }
        }
    }

    /// A text that is not blank.
    pub fn text(&mut self, key: &str, field: &Option<Field<String>>) -> Option<String> {
        let text = self.plain(key, field)?;
        if text.trim().is_empty() {
            self.error(key, "is blank", "leave the key out or give it a value");
            return None;
        }
        Some(text)
    }

    /// A whole number within bounds.
    pub fn number<N>(
        &mut self,
        key: &str,
        field: &Option<Field<i64>>,
        default: N,
        low: i64,
        high: i64,
    ) -> N
    where
        N: TryFrom<i64>,
    {
        let Some(value) = self.plain(key, field) else {
            return default;
        };
        match N::try_from(value) {
            Ok(number) if (low..=high).contains(&value) => number,
            _ => {
                self.error(
                    key,
                    format!("{value} is out of range"),
                    format!("write a whole number from {low} to {high}"),
                );
                default
            }
        }
    }

    /// A friendly duration (`15m`, `2h`, `3d`; a day is 24 hours) within bounds.
    pub fn duration(
        &mut self,
        key: &str,
        field: &Option<Field<String>>,
        default: SignedDuration,
        low: SignedDuration,
        high: SignedDuration,
    ) -> SignedDuration {
        let Some(text) = self.text(key, field) else {
            return default;
        };
        let Some(value) = parse_duration(&text) else {
            if is_too_long(&text) {
                self.error(
                    key,
                    format!("`{text}` is out of range"),
                    format!("write a duration from {low:#} to {high:#}"),
                );
            } else {
                self.error(
                    key,
                    format!("`{text}` is not a duration"),
                    "write a number with a unit, such as 30s, 15m, 2h or 3d",
                );
            }
            return default;
        };
        if value < low || value > high {
            self.error(
                key,
                format!("{value:#} is out of range"),
                format!("write a duration from {low:#} to {high:#}"),
            );
            return default;
        }
        value
    }

    /// As [`Reader::duration`], in wall time.
    pub fn wall(
        &mut self,
        key: &str,
        field: &Option<Field<String>>,
        default: SignedDuration,
        low: SignedDuration,
        high: SignedDuration,
    ) -> Duration {
        let value = self.duration(key, field, default, low, high);
        // the bounds are not negative, so this can't fail; zero would show at once
        Duration::try_from(value).unwrap_or(Duration::ZERO)
    }

    /// A path, absolute or relative to the configuration file.
    pub fn path(&mut self, key: &str, field: &Option<Field<String>>) -> Option<PathBuf> {
        self.text(key, field).map(|text| self.base.join(text))
    }

    /// Paths, each taken from the configuration's directory where it is relative.
    pub fn paths(&mut self, key: &str, field: &Option<Field<Vec<String>>>) -> Vec<PathBuf> {
        let mut list = self.plain(key, field).unwrap_or_default();
        let all = list.len();
        list.retain(|path| !path.trim().is_empty());
        if list.len() < all {
            self.error(key, "names a blank path", "take it out of the list");
        }
        list.iter().map(|path| self.base.join(path)).collect()
    }

    /// One of a few words.
    pub fn word<T: Copy>(
        &mut self,
        key: &str,
        field: &Option<Field<String>>,
        default: T,
        words: &[(&str, T)],
    ) -> T {
        let Some(text) = self.text(key, field) else {
            return default;
        };
        self.pick(key, &text, words).unwrap_or(default)
    }

    /// The value of a word, or a finding.
    pub fn pick<T: Copy>(&mut self, key: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text.trim());
        if found.is_none() {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(
                key,
                format!("`{text}` is not known"),
                format!("write one of: {}", list.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A table of words to words, with the key path of each entry.
    pub fn table(
        &mut self,
        key: &str,
        field: &Option<Field<BTreeMap<String, String>>>,
    ) -> Vec<(String, String, String)> {
        self.plain(key, field)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (join(key, &name), name, value))
            .collect()
    }

    /// An IANA zone.
    pub fn zone(&mut self, key: &str, field: &Option<Field<String>>) -> TimeZone {
        let Some(text) = self.text(key, field) else {
            return TimeZone::UTC;
        };
        match TimeZone::get(text.trim()) {
            Ok(zone) => zone,
            Err(_) => {
                self.error(
                    key,
                    format!("`{text}` is not a known time zone"),
                    "write an IANA name such as Europe/Berlin; the system's tzdata must be installed",
                );
                TimeZone::UTC
            }
        }
    }

    /// Definition patterns `target/name`.
    pub fn patterns(&mut self, key: &str, field: &Option<Field<Vec<String>>>) -> Vec<String> {
        let list = self.plain(key, field).unwrap_or_default();
        for pattern in &list {
            self.check_pattern(key, pattern);
        }
        list
    }

    /// A pattern needs both halves, so that nobody allows a definition on every target by accident.
    pub fn check_pattern(&mut self, key: &str, pattern: &str) {
        let halves = pattern.split_once('/');
        if halves.is_none_or(|(target, name)| target.trim().is_empty() || name.trim().is_empty()) {
            self.error(
                key,
                format!("`{pattern}` is not a definition pattern"),
                "write target/name, with * for anything, such as \"AD/Reset Password\"",
            );
        }
    }
}

/// Parses `90s`, `1h 30m`, `3d`; days are 24 hours. `None` for anything else and for negative ones.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let value = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!value.is_negative()).then_some(value)
}

/// What a value of another type is, and how it is written.
fn other_type(key: &str, why: &str) -> (String, String) {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let one = why
        .strip_prefix("invalid type: string ")
        .and_then(|rest| rest.strip_suffix(", expected a sequence"));
    if let Some(text) = one {
        return (
            "is a text, and has to be a list of texts".to_owned(),
            format!("write `{name} = [{text}]`"),
        );
    }
    // tables of targets and logins have other names than their sections
    let of = SECTIONS.iter().find(|of| of.path == section);
    let mut sections = of.into_iter().chain(SECTIONS.iter());
    let known = sections.find_map(|of| of.keys.iter().find(|known| known.name == name));
    let hint = match known.map(|known| known.fill) {
        Some(Fill::Required(text) | Fill::Default(text) | Fill::Optional(text)) => {
            format!("write it as in `{name} = {text}`; see docs/configuration.md")
        }
        None => "see docs/configuration.md for the type".to_owned(),
    };
    (why.to_owned(), hint)
}

/// True where a text would be a duration with smaller numbers: it can't be counted so far.
pub fn is_too_long(text: &str) -> bool {
    let mut small = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if small.ends_with('1') => {}
            true => small.push('1'),
            false => small.push(c),
        }
    }
    parse_duration(text).is_none() && parse_duration(&small).is_some()
}

/// True for the host part of an origin that never leaves the machine.
pub fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_friendly_and_never_negative() {
        assert_eq!(parse_duration("15m"), Some(SignedDuration::from_mins(15)));
        assert_eq!(parse_duration("3d"), Some(SignedDuration::from_hours(72)));
        assert_eq!(
            parse_duration("1h 30m"),
            Some(SignedDuration::from_mins(90))
        );
        assert_eq!(parse_duration("-5m"), None);
        assert_eq!(parse_duration("15"), None);
        assert_eq!(parse_duration("1 month"), None);
        for (text, long) in [
            ("99999999999d", true),
            ("1h 99999999999999999999s", true),
            ("400d", false),
            ("-99999999999d", false),
            ("99999999999", false),
            ("99999999999 months", false),
        ] {
            assert_eq!(is_too_long(text), long, "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(is_loopback_host("127.0.0.1"));
        assert!(is_loopback_host("[::1]"));
        assert!(is_loopback_host("LOCALHOST"));
        assert!(!is_loopback_host("localhost.example.com"));
        assert!(!is_loopback_host("10.0.0.1"));
    }
}
