//! The kinds table: which definition name means which effect on access; the first pattern that fits wins, and nothing is guessed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::diagnostic::Diagnostic;
use super::doubts::Words;
use super::{glob, shipped};
use crate::model::{Kind, Task};

/// Definitions remembered; beyond that the memory starts anew (it only saves time).
const MOST_REMEMBERED: usize = 10_000;

/// Before the pattern of a row of the configuration.
const CONFIGURED: &str = "configuration: ";
/// What stands for the star of a pattern where a name is made of it: a word that says nothing.
const FILLER: &str = "User";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    #[serde(default)]
    kind: Vec<RawRow>,
    /// Without them those that ship hold, so that an older table of one's own is read with the same care.
    words: Option<Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    kind: toml::Spanned<String>,
    #[serde(default = "any")]
    target: String,
    names: Vec<String>,
    /// For people only: which connectors use these names.
    #[serde(default, rename = "connector")]
    _connector: String,
}

fn any() -> String {
    "*".to_owned()
}

/// A compiled table with its memory of definitions.
#[derive(Debug)]
pub struct KindTable {
    /// Patterns over `target NUL name`.
    patterns: RegexSet,
    kinds: Vec<(Kind, String)>,
    /// How many of them are the configuration's own, which are believed.
    configured: usize,
    words: Words,
    remembered: RwLock<HashMap<Box<str>, Kind>>,
}

/// Matched against `target NUL name`, so one pattern says both.
fn key(target: &str, name: &str) -> String {
    let (target, name) = (target.trim(), name.trim());
    // asked for with every task: at its size, and without a formatter
    let mut key = String::with_capacity(target.len() + name.len() + 1);
    key.push_str(target);
    key.push('\0');
    key.push_str(name);
    key
}

fn pattern(target: &str, name: &str) -> String {
    let target = glob::to_regex(target);
    let name = glob::to_regex(name);
    // The target's stars must not run over the separator into the name.
    let target = target.trim_end_matches("\\s*$").replace(".*", "[^\\x00]*");
    let name = name.trim_start_matches("(?is)^\\s*");
    format!("{target}\\x00{name}")
}

impl KindTable {
    /// Compiles the configuration's own rows (`target/name` patterns) followed by the table.
    pub fn compile(
        file: &str,
        source: &str,
        configured: &[(String, Kind)],
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let mut patterns = Vec::new();
        let mut kinds = Vec::new();
        for (text, kind) in configured {
            let (target, name) = text.split_once('/').unwrap_or(("*", text));
            patterns.push(pattern(target, name));
            kinds.push((*kind, format!("{CONFIGURED}{text}")));
        }
        let mut words = None;
        match toml::from_str::<RawTable>(source) {
            Err(error) => findings.push(toml_finding(file, source, &error)),
            Ok(table) => {
                words = table.words;
                for row in table.kind {
                    let at = row.kind.span().start;
                    match row.kind.get_ref().parse::<Kind>() {
                        Ok(kind) => {
                            for name in &row.names {
                                patterns.push(pattern(&row.target, name));
                                kinds.push((kind, name.clone()));
                            }
                        }
                        Err(error) => findings
                            .push(Diagnostic::file(file, error.to_string()).at_offset(source, at)),
                    }
                    if row.names.is_empty() {
                        findings.push(
                            Diagnostic::file(file, "a row without names fits nothing")
                                .at_offset(source, at)
                                .hint("give it at least one pattern, or take it out"),
                        );
                    }
                }
            }
        }
        let shipped = shipped_words()
            .inspect_err(|finding| findings.push((**finding).clone()))
            .unwrap_or_default();
        let words = match words {
            Some(words) => words.or_plain_of(shipped),
            None => shipped,
        };
        if !findings.is_empty() {
            return Err(findings);
        }
        let patterns = RegexSetBuilder::new(&patterns)
            .unicode(false)
            .build()
            .map_err(|e| {
                vec![Diagnostic::file(
                    file,
                    format!("patterns don't compile: {e}"),
                )]
            })?;
        Ok(Self {
            patterns,
            kinds,
            configured: configured.len(),
            words,
            remembered: RwLock::new(HashMap::new()),
        })
    }

    /// The kind of a definition of a target; [`Kind::Unknown`] where nothing fits, the row shows no name, or the
    /// name's other words speak against the kind of the pattern that fits, or are not known beside it.
    pub fn kind(&self, target: &str, name: &str) -> Kind {
        if name.trim().is_empty() {
            return Kind::Unknown;
        }
        let found = self.patterns.matches(key(target, name).as_bytes());
        let Some(first) = found.iter().next() else {
            return Kind::Unknown;
        };
        match self.kinds.get(first) {
            None => Kind::Unknown,
            Some((kind, _)) if first < self.configured => *kind,
            Some((kind, pattern)) => match self.words.against(*kind, pattern, target, name) {
                None => *kind,
                Some(_) => Kind::Unknown,
            },
        }
    }

    /// Why a name that fits a pattern has no kind all the same, in words.
    pub fn doubt(&self, target: &str, name: &str) -> Option<String> {
        let found = self.patterns.matches(key(target, name).as_bytes());
        let first = found
            .iter()
            .next()
            .filter(|first| *first >= self.configured)?;
        let (kind, pattern) = self.kinds.get(first)?;
        let doubt = self.words.against(*kind, pattern, target, name)?;
        Some(format!("`{pattern}` would make it {kind}, and {doubt}"))
    }

    /// Rows of the configuration that say of access the opposite of what the table alone would say, in words: they are
    /// believed all the same.
    pub fn contradictions(&self) -> Vec<(String, String)> {
        let rows = self.kinds.iter().take(self.configured).enumerate();
        rows.filter_map(|(at, (kind, row))| {
            let row = row.strip_prefix(CONFIGURED).unwrap_or(row);
            let (target, name) = row.split_once('/').unwrap_or(("*", row));
            let is_pattern = name.contains(['*', '?']);
            let listed = self.kinds.iter().skip(self.configured);
            let listed = listed.filter(|_| is_pattern).map(|(_, name)| name.as_str());
            let target = target.replace(['*', '?'], "");
            let told = |name: &str| {
                let name = name.replace('*', FILLER).replace('?', "1");
                let by_table = self.alone(at, &target, &name)?;
                Some((name, by_table, effect(by_table, *kind)?))
            };
            let told: Vec<_> = [name].into_iter().chain(listed).filter_map(told).collect();
            // what gives access is worse to mistake
            let gives = told.iter().find(|(_, by_table, _)| by_table.gives_access());
            let (name, by_table, effect) = gives.or(told.first())?;
            let words = format!(
                "it makes \"{name}\" {kind}, and the table alone would make it {by_table}: {effect}; the row is believed"
            );
            Some((row.to_owned(), words))
        })
        .collect()
    }

    /// What the table would make of a name that a row of the configuration decides.
    fn alone(&self, row: usize, target: &str, name: &str) -> Option<Kind> {
        let found = self.patterns.matches(key(target, name).as_bytes());
        let mut found = found.iter();
        found.next().filter(|first| *first == row)?;
        let (kind, pattern) = self.kinds.get(found.find(|at| *at >= self.configured)?)?;
        let doubt = self.words.against(*kind, pattern, target, name);
        doubt.is_none().then_some(*kind)
    }

    /// The kind of a task, remembered per target and definition name.
    pub fn kind_of(&self, task: &Task) -> Kind {
        let target = task.target.as_ref().map_or("", |t| t.as_str());
        let name = task.definition_name.as_deref().unwrap_or("");
        let key = key(target, name);
        let remembered = self
            .remembered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = remembered.get(key.as_str()) {
            return *kind;
        }
        drop(remembered);
        let kind = self.kind(target, name);
        let mut remembered = self
            .remembered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key.into_boxed_str(), kind);
        kind
    }
}

/// What it changes that a definition is not what the table says, where one gives or takes access and the other does not.
fn effect(by_table: Kind, kind: Kind) -> Option<&'static str> {
    use Kind::{Change, Create, Disable, Enable, Grant, Password, Revoke, Unknown};
    Some(match (by_table, kind) {
        (_, Unknown) => return None,
        (Create | Grant | Enable, Revoke | Disable) => {
            "no guard asks whether that access is still due, and it waits for nothing"
        }
        (Create | Grant | Enable, Change | Password) => {
            "guards take it for a change of what is there, and not for new access"
        }
        (Create | Grant | Enable, of) if !of.gives_access() => {
            "no guard asks whether that access is still due"
        }
        (Revoke | Disable, of) if of.gives_access() => {
            "it holds back no grant, waits for older work, and may be taken for access that is not due any more"
        }
        (Revoke | Disable, of) if !of.takes_access() => "it holds back no grant, and may wait",
        _ => return None,
    })
}

/// The words of the table that ships.
fn shipped_words() -> Result<Words, Box<Diagnostic>> {
    let (file, source) = shipped::KINDS;
    let table = toml::from_str::<RawTable>(source);
    let table = table.map_err(|error| Box::new(toml_finding(file, source, &error)))?;
    Ok(table.words.unwrap_or_default())
}

/// A TOML error with its place.
pub fn toml_finding(file: &str, source: &str, error: &toml::de::Error) -> Diagnostic {
    let found = Diagnostic::file(file, error.message().to_owned());
    match error.span() {
        Some(span) => found.at_offset(source, span.start),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
[[kind]]
kind = "revoke"
names = ["remove * from *", "delete user"]
[[kind]]
kind = "change"
target = "Mail*"
names = ["* updated"]
"#;

    #[test]
    fn the_configuration_goes_first_and_targets_are_heeded() {
        let own = [("HR/Delete User".to_owned(), Kind::Disable)];
        let table = KindTable::compile("kinds.toml", TABLE, &own).expect("compiles");
        assert_eq!(table.kind("HR", "delete user"), Kind::Disable);
        assert_eq!(table.kind("AD", "DELETE USER "), Kind::Revoke);
        assert_eq!(table.kind("Mail 2", "Quota Updated"), Kind::Change);
        assert_eq!(table.kind("AD", "Quota Updated"), Kind::Unknown);
        assert_eq!(table.kind("Mail", ""), Kind::Unknown);
    }

    /// What the configuration names is believed; a table of one's own without words is doubted by those that ship.
    #[test]
    fn a_name_that_contradicts_its_pattern_is_unknown_unless_the_configuration_names_it() {
        let source = "[[kind]]\nkind = \"disable\"\nnames = [\"disable *\"]\n";
        let table = KindTable::compile("kinds.toml", source, &[]).expect("compiles");
        assert_eq!(table.kind("AD", "Disable User"), Kind::Disable);
        assert_eq!(table.kind("AD", "Disable Account Expiry"), Kind::Unknown);
        let doubt = table.doubt("AD", "Disable Account Expiry");
        let why = "`disable *` would make it disable, and `expiry` speaks against that";
        assert_eq!(doubt.as_deref(), Some(why));
        assert_eq!(table.doubt("AD", "Disable User"), None);
        assert_eq!(table.doubt("AD", "Order Hardware"), None);
        let own = [("AD/disable account *".to_owned(), Kind::Enable)];
        let table = KindTable::compile("kinds.toml", source, &own).expect("compiles");
        assert_eq!(table.kind("AD", "Disable Account Expiry"), Kind::Enable);
        assert_eq!(table.doubt("AD", "Disable Account Expiry"), None);
        assert_eq!(table.kind("SAP", "Disable Account Expiry"), Kind::Unknown);
        let none = "words = { giving = [], taking = [], off = [], limits = [], measures = [], undoing = [], changing = [], plain = [\"*\"] }\n";
        let table = KindTable::compile("kinds.toml", &format!("{none}{source}"), &[]);
        let table = table.expect("compiles");
        assert_eq!(table.kind("AD", "Disable Account Expiry"), Kind::Disable);
        // lists of before there was the last one: that which ships
        let older = none.replace(", plain = [\"*\"]", "");
        let table = KindTable::compile("kinds.toml", &format!("{older}{source}"), &[]);
        let table = table.expect("compiles");
        assert_eq!(table.kind("AD", "Disable User Account"), Kind::Disable);
        assert_eq!(table.kind("AD", "Disable Account Expiry"), Kind::Unknown);
        let why = "`disable *` would make it disable, and nobody has said what `expiry` is";
        let doubt = table.doubt("AD", "Disable Account Expiry");
        assert_eq!(doubt.as_deref(), Some(why));
    }

    #[test]
    fn a_row_of_the_configuration_that_turns_giving_into_taking_is_told() {
        let (file, source) = shipped::KINDS;
        let told = |row: &str, kind: Kind| -> Option<String> {
            let table = KindTable::compile(file, source, &[(row.to_owned(), kind)]);
            let mut found = table.expect("compiles").contradictions();
            assert!(found.len() <= 1, "{found:?}");
            found.pop().map(|(of, words)| {
                assert_eq!(of, row);
                words
            })
        };
        for (row, kind, table) in [
            ("AD/Enable User", Kind::Revoke, "enable"),
            ("AD/Enable User", Kind::Disable, "enable"),
            ("AD/Create User", Kind::Notify, "create"),
            ("*/create user", Kind::Change, "create"),
            ("Add User to Group", Kind::Revoke, "grant"),
            ("AD/Enable *", Kind::Notify, "enable"),
            ("AD/*", Kind::Notify, "enable"),
            ("AD/Delete User", Kind::Grant, "revoke"),
            ("AD/Disable User", Kind::Notify, "disable"),
        ] {
            let words = told(row, kind).unwrap_or_default();
            let both = format!(" {kind}, and the table alone would make it {table}: ");
            assert!(words.contains(&both), "{row} = {kind}: {words}");
        }
        for (row, kind) in [
            ("AD/Enable User", Kind::Enable),
            ("AD/Enable User", Kind::Grant),
            ("AD/Disable User", Kind::Revoke),
            ("AD/Order Hardware", Kind::Notify),
            // the table has no kind for it: the row is there to give it one
            ("AD/Remove Account Lock", Kind::Enable),
            ("AD/Enable User", Kind::Unknown),
        ] {
            assert_eq!(told(row, kind), None, "{row} = {kind}");
        }
    }

    #[test]
    fn a_wrong_word_is_found_with_its_line() {
        let bad = "[[kind]]\nkind = \"erase\"\nnames = [\"x\"]\n";
        let findings = KindTable::compile("kinds.toml", bad, &[]).expect_err("refused");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, Some(2));
        let findings = KindTable::compile("kinds.toml", "kind = 3", &[]).expect_err("refused");
        assert_eq!(findings[0].line, Some(1));
    }
}
