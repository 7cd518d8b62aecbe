//! The backlog by target, class, kind, age, owner's state and status: every row is counted once, and none is left out.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::TaskClass;
use super::row::{Context, Row};

const DAY: i64 = 86_400;

/// Ages, each with its upper end in days.
const AGES: [(&str, i64); 6] = [
    ("below 1 day", 1),
    ("1 to 7 days", 7),
    ("7 to 14 days", 14),
    ("14 to 30 days", 30),
    ("30 to 90 days", 90),
    ("90 to 365 days", 365),
];
const OLDER: &str = "over 365 days";
/// No date, or one that is to come.
const NO_AGE: &str = "not known";

/// A count as the report holds it.
pub fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The word for an age in seconds.
pub fn age_word(seconds: Option<i64>) -> &'static str {
    let Some(seconds) = seconds else {
        return NO_AGE;
    };
    AGES.iter()
        .find(|(_, days)| seconds < days * DAY)
        .map_or(OLDER, |(word, _)| word)
}

/// The target's name, or a dash.
pub fn target_word(row: &Row) -> String {
    row.target
        .as_ref()
        .map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Every class of tasks with its count, in order of the names; the counts add up to the rows.
pub fn classes(rows: &[Row], context: &Context) -> Vec<TaskClass> {
    let mut cells: BTreeMap<[&str; 6], (u64, Option<Timestamp>, &str)> = BTreeMap::new();
    for row in rows {
        let key = [
            row.target.as_ref().map_or("-", |target| target.as_str()),
            &*row.class,
            row.kind.as_str(),
            age_word(row.age(context.taken_at)),
            row.owner_word.as_str(),
            row.status.as_str(),
        ];
        let cell = cells.entry(key).or_insert((0, None, row.task.as_str()));
        cell.0 += 1;
        let older = match (row.created, cell.1) {
            (Some(created), Some(oldest)) => created < oldest,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if older {
            cell.1 = row.created;
            cell.2 = row.task.as_str();
        }
    }
    cells
        .into_iter()
        .map(|(key, (tasks, oldest, example))| {
            let [target, class, kind, age, owner_state, status] = key.map(str::to_owned);
            TaskClass {
                target,
                class,
                kind,
                age,
                owner_state,
                status,
                tasks,
                oldest,
                example: example.to_owned(),
            }
        })
        .collect()
}

/// What the backlog can be counted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    /// The target.
    Target,
    /// The class of the reason.
    Class,
    /// What the task does to access.
    Kind,
    /// The age.
    Age,
    /// The owner's state.
    OwnerState,
    /// The status.
    Status,
}

impl Axis {
    /// All of them, in the order of the report.
    pub const ALL: [Axis; 6] = [
        Axis::Target,
        Axis::Class,
        Axis::Kind,
        Axis::Age,
        Axis::OwnerState,
        Axis::Status,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Class => "class of cause",
            Self::Kind => "kind",
            Self::Age => "age",
            Self::OwnerState => "owner's state",
            Self::Status => "status",
        }
    }

    /// What a class says along it.
    pub fn of(self, class: &TaskClass) -> &str {
        match self {
            Self::Target => &class.target,
            Self::Class => &class.class,
            Self::Kind => &class.kind,
            Self::Age => &class.age,
            Self::OwnerState => &class.owner_state,
            Self::Status => &class.status,
        }
    }
}

/// The backlog along one axis: ages by age, all else the most frequent first.
pub fn along(classes: &[TaskClass], axis: Axis) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for class in classes {
        *sums.entry(axis.of(class)).or_default() += class.tasks;
    }
    let mut sums: Vec<(String, u64)> = sums
        .into_iter()
        .map(|(word, count)| (word.to_owned(), count))
        .collect();
    if axis == Axis::Age {
        let words = AGES.iter().map(|(word, _)| *word).chain([OLDER, NO_AGE]);
        let order: Vec<&str> = words.collect();
        sums.sort_by_key(|(word, _)| order.iter().position(|known| known == word));
    } else {
        // names of the same count stay in their order
        sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    }
    sums
}
