//! Tasks whose owner can't act: who he is, since when, and to whom the policies would hand them; an owner who was not read, or a role whose members were not, is not among them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::StuckOwner;
use super::row::{Context, Row};

/// Names of new owners that are shown.
const NAMED: usize = 3;

/// The owners who can't act, those with the most tasks first.
pub fn stuck(rows: &[Row], _context: &Context) -> Vec<StuckOwner> {
    #[derive(Default)]
    struct Held {
        state: &'static str,
        until: Option<Timestamp>,
        tasks: u64,
        oldest: Option<Timestamp>,
        to_hand_over: u64,
        to: BTreeMap<String, u64>,
    }
    let mut owners: BTreeMap<String, Held> = BTreeMap::new();
    for row in rows {
        let Some(word) = row.stuck_word() else {
            continue;
        };
        let held = owners.entry(row.owner_name()).or_default();
        held.state = word;
        held.until = row.owner_until;
        held.tasks += 1;
        held.oldest = match (held.oldest, row.created) {
            (Some(oldest), Some(created)) => Some(oldest.min(created)),
            (oldest, created) => oldest.or(created),
        };
        if let Ok(said) = &row.said
            && said.verdict == "reassign"
            && said.refused.is_empty()
        {
            held.to_hand_over += 1;
            if let Some(to) = &said.to {
                *held.to.entry(to.clone()).or_default() += 1;
            }
        }
    }
    let mut table: Vec<StuckOwner> = owners
        .into_iter()
        .map(|(owner, held)| StuckOwner {
            owner,
            state: held.state.to_owned(),
            until: held.until,
            tasks: held.tasks,
            oldest: held.oldest,
            to_hand_over: held.to_hand_over,
            to: most(held.to, NAMED).into_iter().map(|(to, _)| to).collect(),
        })
        .collect();
    table.sort_by_key(|owner| std::cmp::Reverse(owner.tasks));
    table
}

/// The most frequent of them, at most so many.
pub fn most<T: Ord>(counts: BTreeMap<T, u64>, at_most: usize) -> Vec<(T, u64)> {
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(at_most);
    counts
}
