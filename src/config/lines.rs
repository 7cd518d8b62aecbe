//! Finds the line of every key of a TOML text; it never keeps a value.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// Key path to line (1-based).
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Walks a text that has parsed; an unparsable one gives an empty table.
    pub fn of(text: &str) -> Self {
        let mut lines = Self::default();
        if let Ok(table) = DeTable::parse(text) {
            lines.walk(text, "", table.get_ref());
        }
        lines
    }

    fn walk(&mut self, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(prefix, key.get_ref());
            self.0.insert(path.clone(), line_at(text, key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(text, &path, inner),
                DeValue::Array(many) => {
                    for (at, one) in many.iter().enumerate() {
                        if let DeValue::Table(inner) = one.get_ref() {
                            let path = join(&path, &at.to_string());
                            self.0.insert(path.clone(), line_at(text, one.span().start));
                            self.walk(text, &path, inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The line of a key, or of the nearest table around it.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.0.get(path).copied()
    }
}

/// The line (1-based) that holds a byte offset.
pub fn line_at(text: &str, at: usize) -> usize {
    let upto = text.get(..at).unwrap_or(text);
    upto.bytes().filter(|b| *b == b'\n').count() + 1
}

/// Joins a key path, quoting a part that is not a bare TOML key.
pub fn join(prefix: &str, part: &str) -> String {
    let bare = !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let part = if bare {
        part.to_owned()
    } else {
        format!("{part:?}")
    };
    if prefix.is_empty() {
        part
    } else {
        format!("{prefix}.{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_are_written() {
        let lines = Lines::of(
            "# one\n[server]\norigin = \"x\"\n\n[governor.targets.\"A D\"]\nper_minute = 3\n",
        );
        assert_eq!(lines.line("server.origin"), Some(3));
        assert_eq!(lines.line("governor.targets.\"A D\".per_minute"), Some(6));
        assert_eq!(lines.line("server.login"), None);
    }
}
