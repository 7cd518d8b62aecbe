//! The reasons table: which error text belongs to which class, and whether that class may heal by itself; unknown is never retryable.

use std::sync::Arc;

use serde::Deserialize;

use super::diagnostic::Diagnostic;
use super::first::{First, compiled};
use super::kinds::toml_finding;
use crate::model::Task;

/// Bytes of a reason that are looked at.
const MOST_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    #[serde(default)]
    class: Vec<RawClass>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    name: String,
    retryable: bool,
    patterns: Vec<toml::Spanned<String>>,
    /// For people only: what to do about it.
    #[serde(default, rename = "advice")]
    _advice: String,
}

/// What a reason means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Class {
    /// `network`, `throttle`, …, or `unknown`.
    pub name: Arc<str>,
    /// True where such a failure may heal by itself.
    pub retryable: bool,
    /// The pattern that fitted.
    pub pattern: Option<Arc<str>>,
}

/// A compiled table.
#[derive(Debug)]
pub struct ReasonTable {
    patterns: First,
    rows: Vec<Class>,
    unknown: Class,
}

impl ReasonTable {
    /// Compiles the table: regular expressions without regard to case, the first that fits wins.
    pub fn compile(file: &str, source: &str) -> Result<Self, Vec<Diagnostic>> {
        let table: RawTable =
            toml::from_str(source).map_err(|e| vec![toml_finding(file, source, &e)])?;
        let mut patterns = Vec::new();
        let mut spans = Vec::new();
        let mut rows = Vec::new();
        for class in table.class {
            let name: Arc<str> = Arc::from(class.name.as_str());
            if class.name == "unknown" {
                return Err(vec![Diagnostic::file(
                    file,
                    "the class `unknown` is what is left over and can't have patterns",
                )]);
            }
            for pattern in class.patterns {
                rows.push(Class {
                    name: Arc::clone(&name),
                    retryable: class.retryable,
                    pattern: Some(Arc::from(pattern.get_ref().as_str())),
                });
                spans.push(pattern.span());
                patterns.push(pattern.into_inner());
            }
        }
        let patterns = First::compile(&patterns).map_err(|all| {
            // which one it is, by compiling each
            let each = patterns.iter().zip(&spans).filter_map(|(pattern, span)| {
                let error = compiled(pattern).err()?;
                let what = format!("not a regular expression: {error}");
                Some(Diagnostic::file(file, what).at_offset(source, span.start))
            });
            let mut findings: Vec<Diagnostic> = each.collect();
            if findings.is_empty() {
                let what = format!("patterns don't compile: {all}");
                findings.push(Diagnostic::file(file, what));
            }
            findings
        })?;
        Ok(Self {
            patterns,
            rows,
            unknown: Class {
                name: Arc::from("unknown"),
                retryable: false,
                pattern: None,
            },
        })
    }

    /// The class of a text.
    pub fn class_of(&self, text: &str) -> Class {
        self.class_at(self.patterns.of(looked_at(text)))
    }

    /// The same, for texts that are few and unlike each other.
    pub fn class_of_one(&self, text: &str) -> Class {
        self.class_at(self.patterns.one_by_one(looked_at(text)))
    }

    fn class_at(&self, at: Option<usize>) -> Class {
        let row = at.and_then(|at| self.rows.get(at));
        row.unwrap_or(&self.unknown).clone()
    }

    /// The class of a task: by its reason, and where that says nothing by its response code.
    pub fn classify(&self, task: &Task) -> Class {
        let by_reason = self.class_of(task.reason.as_deref().unwrap_or(""));
        if by_reason.pattern.is_some() {
            return by_reason;
        }
        self.class_of(task.response.as_deref().unwrap_or(""))
    }
}

fn looked_at(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    bytes.get(..MOST_BYTES).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_wins_and_nothing_is_retryable_by_default() {
        let table = ReasonTable::compile(
            "reasons.toml",
            "[[class]]\nname = \"data\"\nretryable = false\npatterns = ['invalid']\n\
             [[class]]\nname = \"network\"\nretryable = true\npatterns = ['timed? ?out']\n",
        )
        .expect("compiles");
        assert_eq!(
            &*table.class_of("Invalid input, then TIMED OUT").name,
            "data"
        );
        assert!(table.class_of("read timed out").retryable);
        let unknown = table.class_of("the moon is full");
        assert_eq!((&*unknown.name, unknown.retryable), ("unknown", false));
    }

    #[test]
    fn a_broken_pattern_is_found_with_its_line() {
        let source =
            "[[class]]\nname = \"x\"\nretryable = true\npatterns = [\n  'ok',\n  '(oops',\n]\n";
        let findings = ReasonTable::compile("reasons.toml", source).expect_err("refused");
        assert_eq!(findings[0].line, Some(6));
    }

    /// Cases are classed pattern by pattern, and tasks by the automaton: what the cases show holds for tasks.
    #[test]
    fn both_ways_give_every_shipped_case_the_same_class() {
        let table = include_str!("../../policies/reasons.toml");
        let table = ReasonTable::compile("reasons.toml", table).expect("compiles");
        let cases: toml::Table =
            toml::from_str(include_str!("../../policies/reasons.test.toml")).expect("cases");
        let cases = cases["case"].as_array().expect("cases");
        assert!(cases.len() > 100);
        for case in cases {
            let text = case["text"].as_str().expect("a text");
            assert_eq!(table.class_of(text), table.class_of_one(text), "{text}");
        }
    }
}
