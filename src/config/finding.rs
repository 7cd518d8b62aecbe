//! One thing that is wrong or odd in a configuration: where, what, what to do; it never holds a secret's value.

use std::fmt;
use std::path::Path;

/// Whether the configuration can be used in spite of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// It can't be used.
    Error,
    /// It can be used, but probably not as meant.
    Warning,
}

impl Severity {
    /// The word people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// Key path, e.g. `server.page_size`; empty for the file as a whole.
    pub key: String,
    /// Line in the file (1-based), where the key is written there.
    pub line: Option<usize>,
    /// What is wrong, as a lower-case fragment.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

impl Finding {
    /// The finding with its place as `FILE:LINE`.
    pub fn at(&self, file: &Path) -> String {
        let file = file.display();
        let place = match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_string(),
        };
        let nowhere = Self {
            line: None,
            ..self.clone()
        };
        let text = nowhere.to_string();
        let rest = text
            .split_once(": ")
            .map_or(text.as_str(), |(_, rest)| rest);
        format!("{}: {place}: {rest}", self.severity.as_str())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.as_str())?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// The known word nearest to a misspelt one, if it is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|have| (distance(word, have), have))
        .filter(|(far, _)| *far <= limit)
        .min_by_key(|(far, _)| *far)
        .map(|(_, have)| have)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, cb) in b.iter().enumerate() {
            let (left, up) = (row[j], row[j + 1]);
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = up;
            row[j + 1] = cost.min(left + 1).min(up + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The slips of the finger between two words: letters left out, put in, changed, or two neighbours swapped.
pub fn slips_between(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let changed = row[j] + usize::from(ca != cb);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_named_and_a_stranger_is_not() {
        let known = ["page_size", "max_pages", "login"];
        assert_eq!(did_you_mean("pagesize", known), Some("page_size"));
        assert_eq!(did_you_mean("logn", known), Some("login"));
        assert_eq!(did_you_mean("frobnicate", known), None);
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
