//! Makes a policy set of the texts that were recorded with it, to ask it once more; what it would say today of other files plays no part.

use super::diagnostic::PolicyError;
use super::set::{PolicySet, Source, Sources};
use super::shipped;
use crate::model::Kind;

/// Under this name the configuration's own kinds stand among the sources.
pub(super) const CONFIGURED_KINDS: &str = "configuration: kinds";

/// Recorded texts that make no policy set here.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// A table is missing, or a row of it can't be read.
    #[error("the recorded texts are not those of a policy set: {0}")]
    Texts(String),
    /// This program does not take them.
    #[error("this provtaskd can't compile the recorded policies: {0}")]
    Compile(#[from] PolicyError),
}

/// Compiles the texts as [`PolicySet::sources`] gave them.
///
/// # Errors
/// See [`RecordedError`].
pub fn recorded(texts: Vec<Source>) -> Result<PolicySet, RecordedError> {
    let (mut policies, mut libs, mut configured_kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kinds, mut reasons) = (None, None);
    for (name, text) in texts {
        match name.as_str() {
            CONFIGURED_KINDS => {
                for row in text.lines() {
                    let read = row.rsplit_once(" = ").and_then(|(pattern, word)| {
                        let kind: Kind = word.parse().ok()?;
                        Some((pattern.to_owned(), kind))
                    });
                    let row =
                        read.ok_or_else(|| RecordedError::Texts(format!("the kind `{row}`")))?;
                    configured_kinds.push(row);
                }
            }
            of if of == shipped::KINDS.0 => kinds = Some((name, text)),
            of if of == shipped::REASONS.0 => reasons = Some((name, text)),
            of if of.starts_with("lib/") => libs.push((name, text)),
            _ => policies.push((name, text)),
        }
    }
    let missing = |name: &str| RecordedError::Texts(format!("{name} is missing"));
    Ok(PolicySet::compile(Sources {
        policies,
        libs,
        kinds: kinds.ok_or_else(|| missing(shipped::KINDS.0))?,
        reasons: reasons.ok_or_else(|| missing(shipped::REASONS.0))?,
        configured_kinds,
    })?)
}

#[cfg(test)]
mod tests {
    use super::super::load::shipped_sources;
    use super::*;

    fn owned(set: &PolicySet) -> Vec<Source> {
        let texts = set.sources();
        texts
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect()
    }

    #[test]
    fn a_recorded_set_is_the_set_that_it_was() {
        let mut sources = shipped_sources();
        sources.configured_kinds = vec![
            ("AD/Create = odd".to_owned(), Kind::Create),
            ("*/Notify *".to_owned(), Kind::Notify),
        ];
        sources
            .libs
            .push(("lib/words.rhai".to_owned(), "fn short() { 1 }".to_owned()));
        let set = PolicySet::compile(sources).expect("compiles");
        let again = recorded(owned(&set)).expect("compiles");
        assert_eq!(set.hash(), again.hash());
        let mut less = owned(&set);
        less.retain(|(name, _)| name != "kinds.toml");
        assert!(matches!(recorded(less), Err(RecordedError::Texts(_))));
        let mut other = owned(&set);
        other[0].1 = "this is no policy".to_owned();
        assert!(matches!(recorded(other), Err(RecordedError::Compile(_))));
    }
}
