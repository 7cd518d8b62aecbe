//! Rows that a list shows and of which nothing is decided (a successor has replaced them, say), for `plan` and `explain`: what they are and why they are left; it decides nothing.

use super::account::RowState;
use super::describe::RowText;
use super::evaluate::Bench;
use crate::control::{PlanItem, RefusalView};
use crate::model::hash::FastSet;
use crate::model::{Kind, LineageId, Owner, RefusalReason, Snapshot, TargetName, TaskId};

/// One row that is left.
#[derive(Clone, PartialEq, Debug)]
pub struct LeftRow {
    /// Its id.
    pub task: TaskId,
    /// The piece of work, where it is known.
    pub lineage: Option<LineageId>,
    target: Option<TargetName>,
    kind: Kind,
    name: String,
    beneficiary: Option<crate::model::Login>,
    owner: Owner,
    status: String,
    reason: RefusalReason,
    /// As what its work goes on, and whether a list shows that.
    goes_on: Option<(TaskId, bool)>,
}

/// What these rows of a snapshot are.
pub fn of(
    bench: &Bench,
    snapshot: &Snapshot,
    kinds: &[Kind],
    states: &[Option<RowState>],
    left: &[(usize, RefusalReason)],
) -> Vec<LeftRow> {
    if left.is_empty() {
        return Vec::new();
    }
    let shown: FastSet<&TaskId> = snapshot.tasks.iter().map(|task| &task.id).collect();
    let one = |(row, reason): &(usize, RefusalReason)| {
        let task = &snapshot.tasks[*row];
        let lineage = states[*row].map(|state| state.lineage);
        let current = lineage
            .and_then(|lineage| bench.ledger.read(|index| index.current_task(lineage)))
            .filter(|current| *current != task.id);
        LeftRow {
            task: task.id.clone(),
            lineage,
            target: task.target.clone(),
            kind: kinds[*row],
            name: task
                .definition_name
                .as_deref()
                .unwrap_or("(no name)")
                .to_owned(),
            beneficiary: task.beneficiary.clone(),
            owner: task.owner.clone(),
            status: task.status.to_string(),
            reason: *reason,
            goes_on: current.map(|current| {
                let is_shown = shown.contains(&current);
                (current, is_shown)
            }),
        }
    };
    left.iter().map(one).collect()
}

impl LeftRow {
    /// Why nothing is done with it.
    fn why(&self) -> String {
        let explained = self.reason.explanation().trim().trim_end_matches('.');
        let next = self
            .goes_on
            .as_ref()
            .map_or_else(String::new, |(next, shown)| {
                let shown = if *shown {
                    "is shown too"
                } else {
                    "no list shows"
                };
                format!("; its work goes on as {next}, which {shown}")
            });
        format!("{}: {explained}{next}", self.reason)
    }

    /// For `explain`: as what a list shows it, and why it is left.
    pub fn words(&self) -> String {
        format!(
            "a list shows {} as {} just now, and it is left: {}",
            self.task,
            self.status,
            self.why()
        )
    }

    /// For `plan`.
    pub fn item(self) -> (PlanItem, RowText) {
        let text = RowText {
            name: self.name.clone(),
            beneficiary: self.beneficiary.clone(),
            owner: self.owner.to_string(),
            status: self.status.clone(),
            facts: Vec::new(),
            fields: Vec::new(),
            reason_unknown: None,
        };
        let refusal = RefusalView {
            reason: self.reason,
            text: self.why(),
            until: None,
            needs_person: false,
        };
        let item = PlanItem {
            lineage: self.lineage.unwrap_or(LineageId(0)),
            target: self.target,
            kind: self.kind,
            name: self.name,
            beneficiary: self.beneficiary,
            owner: text.owner.clone(),
            status: self.status,
            verdict: None,
            verdict_text: "left".to_owned(),
            rule: None,
            read: Vec::new(),
            fault: None,
            refusals: vec![refusal],
            due: None,
            relook: None,
            task: self.task,
        };
        (item, text)
    }
}
