//! What is wrong with a policy, where, and what to do about it, as values that print well; it decides nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rhai::Position;

/// What sort of trouble it is: metric label and column.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// The file could not be read or parsed.
    Invalid,
    /// The script threw, or used something that doesn't exist.
    Script,
    /// A fact that the script read could not be had.
    UnknownFact,
    /// A fact was read that `NEEDS` does not declare.
    Undeclared,
    /// Operations, depth or sizes went over a limit.
    Limit,
    /// The script used more than its share of processor time, twice; not the script's fault for certain, so not counted.
    Deadline,
    /// `decide` returned something that is no verdict.
    Result,
    /// Our own code panicked.
    Internal,
}

impl FaultKind {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Script => "script",
            Self::UnknownFact => "unknown_fact",
            Self::Undeclared => "undeclared",
            Self::Limit => "limit",
            Self::Deadline => "deadline",
            Self::Result => "result",
            Self::Internal => "internal",
        }
    }

    /// False for what says nothing about the script: it is shown, but no fault counter rises.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Deadline)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One finding with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What sort.
    pub kind: FaultKind,
    /// The file, as it was named when loaded.
    pub file: Arc<str>,
    /// Line from 1, where known.
    pub line: Option<u32>,
    /// Column from 1, where known.
    pub column: Option<u32>,
    /// What happened.
    pub message: String,
    /// The line itself, where known.
    pub excerpt: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A finding about a whole file.
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Invalid,
            file: Arc::from(file),
            line: None,
            column: None,
            message: message.into(),
            excerpt: None,
            hint: None,
        }
    }

    /// Adds line, column and excerpt from the source.
    #[must_use]
    pub fn at(mut self, source: &str, line: Option<usize>, column: Option<usize>) -> Self {
        self.excerpt = line
            .and_then(|n| n.checked_sub(1))
            .and_then(|n| source.lines().nth(n))
            .map(|text| text.chars().take(160).collect());
        self.line = line.and_then(|n| u32::try_from(n).ok());
        self.column = column.and_then(|n| u32::try_from(n).ok());
        self
    }

    /// Adds a byte offset's line and column, as TOML errors give it.
    #[must_use]
    pub fn at_offset(self, source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.at(source, Some(line), Some(column))
    }

    /// Adds a script's position.
    #[must_use]
    pub fn at_position(self, source: &str, position: Position) -> Self {
        self.at(source, position.line(), position.position())
    }

    /// Says what sort it is.
    #[must_use]
    pub fn of(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Place and message on one line, for logs and records.
    pub fn one_line(&self) -> String {
        let mut text = self.file.to_string();
        if let Some(line) = self.line {
            text.push_str(&format!(":{line}"));
            if let Some(column) = self.column {
                text.push_str(&format!(":{column}"));
            }
        }
        text.push_str(": ");
        text.push_str(&self.message);
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one_line())?;
        if let (Some(line), Some(excerpt)) = (self.line, &self.excerpt) {
            write!(f, "\n  {line:>4} | {excerpt}")?;
            if let Some(column) = self.column.and_then(|c| usize::try_from(c).ok()) {
                write!(f, "\n       | {:>column$}", "^")?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n       = {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a policy set, all at once.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", list(findings))]
pub struct PolicyError {
    /// At least one finding.
    pub findings: Vec<Diagnostic>,
    /// The directory whose files these are, where it was one.
    pub dir: Option<PathBuf>,
}

impl From<Diagnostic> for PolicyError {
    fn from(finding: Diagnostic) -> Self {
        Self {
            findings: vec![finding],
            dir: None,
        }
    }
}

impl PolicyError {
    /// All of it on one line, each finding with its place and what to do about it.
    pub fn one_line(&self) -> String {
        let each = |found: &Diagnostic| match &found.hint {
            Some(hint) => format!("{} ({hint})", found.one_line()),
            None => found.one_line(),
        };
        let all: Vec<String> = self.findings.iter().map(each).collect();
        all.join("; ")
    }
}

fn list(findings: &[Diagnostic]) -> String {
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_becomes_line_column_and_excerpt() {
        let source = "a = 1\nbb = oops\n";
        let found = Diagnostic::file("x.toml", "bad").at_offset(source, 11);
        assert_eq!((found.line, found.column), (Some(2), Some(6)));
        assert!(found.to_string().contains("bb = oops"), "{found}");
        assert!(found.one_line().starts_with("x.toml:2:6: bad"));
    }
}
