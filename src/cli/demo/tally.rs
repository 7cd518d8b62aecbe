//! Counts what became of each piece of work, by target; each is counted once, and nothing counts as done that was not read as done.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::control::{OutcomeRow, PlanItem};
use crate::model::{ActionName, AttemptState, LineageId, Verdict};

/// What became of one piece of work; the order is that of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// Retried, and read as completed.
    Completed,
    /// Reassigned, and read with the new owner.
    HandedOver,
    /// OIG said SUCCESS, or its connector runs; not read as done.
    Running(AttemptState),
    /// The last attempt failed again; another waits.
    Bounced,
    /// The last attempt failed again; a policy asks a person.
    BouncedAsked,
    /// The last attempt failed again; a policy leaves it, so no other will follow by itself.
    BouncedLeft,
    /// The last attempt ended in another way.
    Ended(AttemptState),
    /// Never sent: a guard or limit says why.
    Held(&'static str),
    /// Never sent: it would be now, or later.
    Due,
    /// Never sent: a policy asks a person.
    Asked,
    /// Never sent: a policy leaves it.
    Left,
    /// It left the list without an attempt of ours.
    Elsewhere,
}

impl Fate {
    /// The row's words.
    pub fn words(&self) -> String {
        match self {
            Self::Completed => "completed".to_owned(),
            Self::HandedOver => "handed over".to_owned(),
            Self::Running(AttemptState::Accepted) => "accepted, not read yet".to_owned(),
            Self::Running(state) | Self::Ended(state) => state.as_str().replace('_', " "),
            Self::Bounced => "bounced, waits".to_owned(),
            Self::BouncedAsked => "bounced, a person asked".to_owned(),
            Self::BouncedLeft => "bounced, left by a policy".to_owned(),
            Self::Held(reason) => format!("waits: {reason}"),
            Self::Due => "waits: its turn".to_owned(),
            Self::Asked => "asked: a person must look".to_owned(),
            Self::Left => "left, by a policy".to_owned(),
            Self::Elsewhere => "done by somebody else".to_owned(),
        }
    }

    /// Shown also where it is zero, because a reader looks for it.
    const ALWAYS: [Fate; 9] = [
        Fate::Completed,
        Fate::HandedOver,
        Fate::Running(AttemptState::Unknown),
        Fate::Running(AttemptState::Accepted),
        Fate::Running(AttemptState::Pending),
        Fate::Bounced,
        Fate::Ended(AttemptState::Refused),
        Fate::Ended(AttemptState::NotApplied),
        Fate::Ended(AttemptState::Gone),
    ];
}

/// The counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Targets, in the order of the columns.
    pub targets: Vec<String>,
    /// Rows: the fate, and its count by target.
    pub rows: Vec<(Fate, Vec<u64>)>,
}

impl Tally {
    /// Attempts newest first, what is open, and the tasks that each target had at first.
    pub fn of(outcomes: &[OutcomeRow], plan: &[PlanItem], seen: &BTreeMap<String, u64>) -> Self {
        let open: HashMap<LineageId, &PlanItem> =
            plan.iter().map(|item| (item.lineage, item)).collect();
        let mut counted: BTreeMap<Fate, BTreeMap<String, u64>> = BTreeMap::new();
        let mut known: BTreeSet<LineageId> = BTreeSet::new();
        let mut add = |fate: Fate, target: String| {
            *counted.entry(fate).or_default().entry(target).or_default() += 1;
        };
        let name = |target: Option<&crate::model::TargetName>| {
            target.map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        for row in outcomes {
            // the newest attempt says how the piece of work stands
            if known.insert(row.lineage) {
                let item = open.get(&row.lineage).copied();
                add(attempted(row, item), name(row.target.as_ref()));
            }
        }
        for item in plan {
            if known.insert(item.lineage) {
                add(waiting(item), name(item.target.as_ref()));
            }
        }
        let targets: Vec<String> = seen.keys().cloned().collect();
        for (target, first) in seen {
            let told: u64 = counted.values().filter_map(|row| row.get(target)).sum();
            let missing = first.saturating_sub(told);
            if missing > 0 {
                let row = counted.entry(Fate::Elsewhere).or_default();
                row.insert(target.clone(), missing);
            }
        }
        for fate in Fate::ALWAYS {
            counted.entry(fate).or_default();
        }
        let rows = counted
            .into_iter()
            .map(|(fate, by)| {
                let counts = targets
                    .iter()
                    .map(|target| by.get(target).copied().unwrap_or(0))
                    .collect();
                (fate, counts)
            })
            .collect();
        Self { targets, rows }
    }

    /// The sum of a column.
    pub fn column(&self, at: usize) -> u64 {
        self.rows.iter().filter_map(|(_, row)| row.get(at)).sum()
    }
}

fn attempted(row: &OutcomeRow, item: Option<&PlanItem>) -> Fate {
    match (row.state, row.action) {
        (AttemptState::Completed, ActionName::Reassign) => Fate::HandedOver,
        (AttemptState::Completed, _) => Fate::Completed,
        (AttemptState::Bounced, _) => match item.and_then(|item| item.verdict.as_ref()) {
            Some(Verdict::Ask { .. }) => Fate::BouncedAsked,
            Some(Verdict::Leave { .. }) => Fate::BouncedLeft,
            _ => Fate::Bounced,
        },
        (state, _) if state.is_open() => Fate::Running(state),
        (state, _) => Fate::Ended(state),
    }
}

fn waiting(item: &PlanItem) -> Fate {
    match (&item.verdict, item.refusals.first()) {
        (Some(Verdict::Act { .. }), Some(refusal)) => Fate::Held(refusal.reason.as_str()),
        (Some(Verdict::Act { .. }), None) => Fate::Due,
        (Some(Verdict::Ask { .. }), _) => Fate::Asked,
        (Some(Verdict::Leave { .. }) | None, _) => Fate::Left,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{TargetName, TaskId};

    fn row(lineage: u64, ordinal: u32, state: AttemptState) -> OutcomeRow {
        OutcomeRow {
            lineage: LineageId(lineage),
            ordinal,
            task: TaskId::new("1"),
            target: Some(TargetName::new("AD")),
            name: None,
            action: ActionName::Retry,
            to: None,
            state,
            claimed: Timestamp::UNIX_EPOCH,
            settled: None,
            reason: None,
            rule: None,
            batch: None,
            login: None,
        }
    }

    /// What is open of a piece of work, with a policy's answer.
    fn open(lineage: u64, verdict: Verdict) -> PlanItem {
        PlanItem {
            task: TaskId::new("1"),
            lineage: LineageId(lineage),
            target: Some(TargetName::new("AD")),
            kind: crate::model::Kind::Grant,
            name: String::new(),
            beneficiary: None,
            owner: String::new(),
            status: String::new(),
            verdict: Some(verdict),
            verdict_text: String::new(),
            rule: None,
            read: Vec::new(),
            fault: None,
            refusals: Vec::new(),
            due: None,
            relook: None,
        }
    }

    #[test]
    fn what_bounced_and_is_left_does_not_count_as_waiting() {
        let outcomes = [
            row(1, 1, AttemptState::Bounced),
            row(2, 1, AttemptState::Bounced),
            row(3, 1, AttemptState::Bounced),
        ];
        let reason: std::sync::Arc<str> = "no class".into();
        let leave = Verdict::Leave {
            reason: reason.clone(),
            after: None,
        };
        let plan = [
            open(1, leave),
            open(
                2,
                Verdict::Ask {
                    reason,
                    after: None,
                },
            ),
        ];
        let seen = BTreeMap::from([("AD".to_owned(), 3)]);
        let tally = Tally::of(&outcomes, &plan, &seen);
        for fate in [Fate::BouncedLeft, Fate::BouncedAsked, Fate::Bounced] {
            let row = tally.rows.iter().find(|(of, _)| *of == fate);
            assert_eq!(row.map(|(_, counts)| counts[0]), Some(1), "{fate:?}");
        }
    }

    #[test]
    fn each_piece_of_work_counts_once_and_only_reading_makes_it_done() {
        let outcomes = [
            row(1, 2, AttemptState::Completed),
            row(2, 1, AttemptState::Accepted),
            row(1, 1, AttemptState::Bounced),
        ];
        let seen = BTreeMap::from([("AD".to_owned(), 3)]);
        let tally = Tally::of(&outcomes, &[], &seen);
        let count = |fate: Fate| {
            let row = tally.rows.iter().find(|(of, _)| *of == fate);
            row.map_or(0, |(_, counts)| counts[0])
        };
        assert_eq!(count(Fate::Completed), 1);
        assert_eq!(count(Fate::Running(AttemptState::Accepted)), 1);
        assert_eq!(count(Fate::Bounced), 0);
        assert_eq!(count(Fate::Elsewhere), 1);
        assert_eq!(tally.column(0), 3);
    }
}
