//! Masked reasons with their counts, so that the same cause counts together and nobody's name stands in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::count::target_word;
use super::mask::Mask;
use super::report::Reason;
use super::row::{Context, Row};
use super::stuck::most;

/// What stands for a task that gives no reason.
pub const NO_REASON: &str = "(no reason given)";
/// Characters of an example.
const EXAMPLE: usize = 300;
/// Targets that are named.
const NAMED: usize = 3;

/// The masked reasons of a list, each worked out once.
#[derive(Debug)]
pub struct Masker(HashMap<Arc<str>, Arc<str>>);

impl Masker {
    /// The masked reason of a row.
    pub fn of(&self, row: &Row) -> String {
        self.get(row).to_owned()
    }

    fn get(&self, row: &Row) -> &str {
        row.reason
            .as_ref()
            .and_then(|reason| self.0.get(reason))
            .map_or(NO_REASON, |masked| masked)
    }
}

/// Masks every reason of the list, with all names that the list shows.
pub fn masker(rows: &[Row], context: &Context) -> Masker {
    let mut mask = Mask::default();
    mask.keep(&context.words);
    for login in context.logins.iter().chain([&context.login]) {
        mask.name(login.as_str());
    }
    for row in rows {
        if let Some(person) = &row.person {
            mask.name(person.as_str());
        }
        if let Some(owner) = &row.owner_login {
            mask.name(owner.as_str());
        }
        if let Some(target) = &row.target {
            mask.keep(target.as_str());
        }
    }
    let mut known: HashMap<Arc<str>, Arc<str>> = HashMap::new();
    for reason in rows.iter().filter_map(|row| row.reason.as_ref()) {
        if !known.contains_key(reason) {
            let masked = mask.text(reason);
            known.insert(Arc::clone(reason), Arc::from(masked));
        }
    }
    Masker(known)
}

/// The table of masked reasons, the most frequent first; its counts add up to the rows.
pub fn reasons(rows: &[Row], masker: &Masker) -> Vec<Reason> {
    struct Found<'a> {
        tasks: u64,
        targets: BTreeMap<String, u64>,
        example: &'a Row,
    }
    let mut found: BTreeMap<(&str, &str), Found<'_>> = BTreeMap::new();
    for row in rows {
        let entry = found
            .entry((masker.get(row), &*row.class))
            .or_insert_with(|| Found {
                tasks: 0,
                targets: BTreeMap::new(),
                example: row,
            });
        entry.tasks += 1;
        *entry.targets.entry(target_word(row)).or_default() += 1;
    }
    let mut table: Vec<Reason> = found
        .into_iter()
        .map(|((masked, class), found)| Reason {
            masked: masked.to_owned(),
            class: class.to_owned(),
            tasks: found.tasks,
            target_count: super::count::number(found.targets.len()),
            targets: most(found.targets, NAMED)
                .into_iter()
                .map(|(target, _)| target)
                .collect(),
            example: found.example.task.to_string(),
            example_text: found.example.reason.as_deref().map(cut),
        })
        .collect();
    table.sort_by_key(|reason| std::cmp::Reverse(reason.tasks));
    table
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(EXAMPLE).collect();
    if short.len() < text.len() {
        short + "…"
    } else {
        short
    }
}
