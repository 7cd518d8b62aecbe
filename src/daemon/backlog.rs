//! What of the old backlog waits for a person, by target and age; it releases nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::core::Core;
use super::views::{backlogs, is_backlog};
use crate::control::{AgeView, BacklogRow, BacklogView};
use crate::model::hash::FastSet;
use crate::model::{LineageId, TargetName};

const DAY: i64 = 24 * 60;
/// Where one class of age ends and the next begins, in minutes, by the word that `--max-age` takes.
const ENDS: [(&str, i64); 6] = [
    ("1d", DAY),
    ("3d", 3 * DAY),
    ("7d", 7 * DAY),
    ("14d", 14 * DAY),
    ("30d", 30 * DAY),
    ("90d", 90 * DAY),
];

impl Core {
    /// All targets on which some of it waits, with how old it is.
    pub fn backlog_view(&self) -> BacklogView {
        let now = self.clock.now();
        self.ledger.read(|index| {
            let wanted: FastSet<LineageId> = index
                .inbox(Timestamp::MIN)
                .into_iter()
                .filter(|item| is_backlog(item.why))
                .map(|item| item.lineage)
                .collect();
            let mut rows: BTreeMap<TargetName, BacklogRow> = BTreeMap::new();
            for (target, lineages) in backlogs(index) {
                let mut row = BacklogRow {
                    id: format!("baseline:{target}"),
                    target: target.clone(),
                    tasks: 0,
                    wanted: 0,
                    oldest: None,
                    ages: ages(),
                };
                for lineage in lineages {
                    let born = index.origin(lineage);
                    let acts = wanted.contains(&lineage);
                    row.tasks += 1;
                    row.wanted += u64::from(acts);
                    row.oldest = [row.oldest, born].into_iter().flatten().min();
                    let age = born.map(|born| now.duration_since(born));
                    if let Some(class) = row.ages.get_mut(class_of(age)) {
                        class.tasks += 1;
                        class.wanted += u64::from(acts);
                    }
                }
                rows.insert(target, row);
            }
            BacklogView {
                taken: index.baseline().map(|taken| taken.at),
                rows: rows.into_values().collect(),
            }
        })
    }
}

/// The classes, empty.
fn ages() -> Vec<AgeView> {
    let ends = ENDS.iter().map(|(word, _)| Some((*word).to_owned()));
    let class = |up_to| AgeView {
        up_to,
        tasks: 0,
        wanted: 0,
    };
    ends.chain([None]).map(class).collect()
}

/// The first class that is not too young for this age; work of unknown age is of the last.
fn class_of(age: Option<SignedDuration>) -> usize {
    let fits = |age: SignedDuration| {
        ENDS.iter()
            .position(|(_, end)| age <= SignedDuration::from_mins(*end))
    };
    age.and_then(fits).unwrap_or(ENDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_its_max_age_releases_and_the_one_before_does_not() {
        let days = |n: i64| Some(SignedDuration::from_hours(24 * n));
        let classes = [0, 1, 2, 3, 7, 8, 14, 30, 90, 91].map(|n| class_of(days(n)));
        assert_eq!(classes, [0, 0, 1, 1, 2, 3, 3, 4, 5, 6]);
        assert_eq!(class_of(None), ENDS.len());
        assert_eq!(ages().len(), ENDS.len() + 1);
        for (word, minutes) in ENDS {
            let read = crate::config::parse_duration(word);
            assert_eq!(read, Some(SignedDuration::from_mins(minutes)), "{word}");
        }
    }
}
