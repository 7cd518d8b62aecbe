//! Groups the open tasks of one account and joins them with what its process shows; pure, it judges nothing.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::facts::{AccountView, Known, Sibling};
use crate::model::hash::{FastMap, FastSet};
use crate::model::task::Wide;
use crate::model::{Kind, LineageId, ProcessKey, Snapshot, Task};

/// What the ledger says of a row, as far as siblings need it.
#[derive(Clone, Copy, Debug)]
pub struct RowState {
    /// Its lineage.
    pub lineage: LineageId,
    /// Creation of the lineage's first task, else our first sight.
    pub origin: Timestamp,
    /// An attempt of it is open.
    pub attempt_open: bool,
    /// It could belong to more than one lineage.
    pub ambiguous: bool,
}

/// The rows of a snapshot by account.
#[derive(Debug, Default)]
pub struct Accounts {
    rows: FastMap<ProcessKey, Rows>,
    /// The version of each row, worked out once: it is asked for again with every row of the account.
    versions: Vec<u64>,
}

#[derive(Debug, Default)]
struct Rows {
    at: Vec<u32>,
    /// The sum of the rows' versions, so that the order of the list does not matter.
    sum: u64,
}

impl Accounts {
    /// Groups the rows; rows without an account belong to none.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut of = Self::default();
        of.versions.reserve(snapshot.tasks.len());
        for (at, task) in snapshot.tasks.iter().enumerate() {
            let version = task.version();
            of.versions.push(version);
            if let (Some(process), Ok(at)) = (&task.process, u32::try_from(at)) {
                let rows = of.rows.entry(process.clone()).or_default();
                rows.at.push(at);
                rows.sum = rows.sum.wrapping_add(version);
            }
        }
        of
    }

    /// The version of a row, as [`Task::version`] says.
    pub fn version(&self, row: usize) -> u64 {
        self.versions.get(row).copied().unwrap_or(0)
    }

    /// A number that changes when what the snapshot shows of the account changes.
    pub fn fingerprint(&self, process: &ProcessKey) -> u64 {
        let sum = self.rows.get(process).map_or(0, |rows| rows.sum);
        let mut hash = Wide::default();
        hash.text(process.as_str());
        hash.finish().wrapping_add(sum)
    }

    /// The row numbers of an account.
    pub fn indices(&self, process: &ProcessKey) -> impl Iterator<Item = usize> + '_ {
        self.rows
            .get(process)
            .into_iter()
            .flat_map(|rows| &rows.at)
            .filter_map(|at| usize::try_from(*at).ok())
    }

    /// The other tasks of a row's account: the open ones of the snapshot, and, where the process
    /// was read, all that it shows beside them. A row without an account has an unknown view.
    pub fn view(
        &self,
        row: usize,
        snapshot: &Snapshot,
        kinds: &[Kind],
        state: &dyn Fn(usize) -> Option<RowState>,
        process: &Known<Arc<Vec<Task>>>,
        kind_of: &dyn Fn(&Task) -> Kind,
    ) -> Known<AccountView> {
        let Some(task) = snapshot.tasks.get(row) else {
            return Known::unknown("the row is gone");
        };
        let Some(key) = &task.process else {
            return Known::unknown("the row does not show its account");
        };
        let mut tasks = Vec::new();
        for at in self.indices(key).filter(|at| *at != row) {
            let Some(other) = snapshot.tasks.get(at) else {
                continue;
            };
            let known = state(at);
            tasks.push(sibling(
                other,
                kinds.get(at).copied().unwrap_or(Kind::Unknown),
                known,
                snapshot.taken_at,
            ));
        }
        let as_of = match process {
            Known::Yes { value, as_of } => {
                let shown = self.indices(key).filter_map(|at| snapshot.tasks.get(at));
                let seen: FastSet<&str> = shown.map(|task| task.id.as_str()).collect();
                for other in value.iter() {
                    if seen.contains(other.id.as_str()) {
                        continue;
                    }
                    let mut one = sibling(other, kind_of(other), None, *as_of);
                    one.finished = other.status.is_finished();
                    tasks.push(one);
                }
                *as_of
            }
            Known::No { .. } => snapshot.taken_at,
        };
        Known::Yes {
            value: AccountView {
                tasks,
                from_process: process.value().is_some(),
            },
            as_of,
        }
    }
}

fn sibling(task: &Task, kind: Kind, known: Option<RowState>, seen_at: Timestamp) -> Sibling {
    Sibling {
        id: task.id.clone(),
        lineage: known.map(|k| k.lineage),
        name: task
            .definition_name
            .clone()
            .unwrap_or_else(|| Arc::from("(no name)")),
        kind,
        status: task.status.clone(),
        origin: known.map(|k| k.origin).or(task.created).unwrap_or(seen_at),
        child: task.child.clone(),
        attempt_open: known.is_some_and(|k| k.attempt_open),
        finished: task.status.is_finished(),
    }
}
