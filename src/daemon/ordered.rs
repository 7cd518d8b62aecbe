//! Releases of the order within an account: a person says that one task need not wait for one other; it never lets anything pass a revoke, a disable or a write in flight.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::answer::no_such;
use super::core::Core;
use crate::control::{RefusedKind, Reply};
use crate::ledger::record::{Actor, EventBody};
use crate::model::{LineageId, OrderRelease, Refusal, RefusalReason, TaskId};

/// What the order within its account keeps a piece of work waiting for, by the last cycle.
#[derive(Clone, PartialEq, Debug)]
pub struct OrderWait {
    /// The named reason.
    pub reason: RefusalReason,
    /// The task that it waits for, where one is named.
    pub other: Option<Other>,
}

/// The task for which another one waits.
#[derive(Clone, PartialEq, Debug)]
pub struct Other {
    /// Its id.
    pub task: TaskId,
    /// Its definition's name.
    pub name: String,
    /// Its status then.
    pub status: Arc<str>,
}

impl OrderWait {
    /// Of all that the guards refuse with, what is about the order.
    pub fn of(refusals: &[Refusal]) -> Option<Self> {
        let about_order = |refusal: &&Refusal| {
            matches!(
                refusal.reason,
                RefusalReason::WaitsForCreate
                    | RefusalReason::WaitsForOlder
                    | RefusalReason::WaitsForRevoke
                    | RefusalReason::AccountBusy
                    | RefusalReason::AttemptOpen
            )
        };
        let refusal = refusals.iter().find(about_order)?;
        let value = |name: &str| {
            let mut values = refusal.values.iter();
            values.find(|(of, _)| of == name).map(|(_, value)| value)
        };
        let other = value("task").map(|task| Other {
            task: TaskId::new(task),
            name: value("definition").cloned().unwrap_or_default(),
            status: value("status").map_or_else(|| Arc::from(""), |s| Arc::from(s.as_str())),
        });
        Some(Self {
            reason: refusal.reason,
            other,
        })
    }
}

/// What a release lets pass, for people.
pub fn in_words(release: &OrderRelease) -> String {
    format!(
        "need not wait for task {} while it is {} ({}), until {:.0}",
        release.other, release.status, release.reason, release.until
    )
}

impl Core {
    /// Records that a piece of work need not wait for the task that holds it back now. The guards ask
    /// everything else of it as before.
    pub async fn release_order(
        &mut self,
        id: &str,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let refused =
            |message: String, hint: &str| Ok(Reply::refused(RefusedKind::Invalid, message, hint));
        let Some((lineage, task)) = self.work_named(id) else {
            return Ok(no_such(id));
        };
        let Some(read) = self.last.at else {
            return Ok(Reply::refused(
                RefusedKind::Busy,
                "no list was read since the daemon has started: what waits for what is not known yet",
                "let it finish a cycle, then approve again",
            ));
        };
        let open = self
            .ledger
            .read(|index| index.open_attempt(lineage).map(|attempt| attempt.state));
        if let Some(state) = open {
            return refused(
                format!("the last attempt of task {task} is {state}: it waits for nothing else"),
                "let it be read, or say what became of it: `provtaskd outcomes settle`",
            );
        }
        let Some(wait) = self.order_waits.get(&lineage).cloned() else {
            return refused(
                format!("task {task} waited for no other task of its account at {read:.0}"),
                "`provtaskd explain TASK` shows what it waits for",
            );
        };
        let other = match (wait.reason, wait.other) {
            (RefusalReason::WaitsForCreate | RefusalReason::WaitsForOlder, Some(other)) => other,
            (RefusalReason::WaitsForRevoke, other) => {
                let named =
                    other.map_or_else(String::new, |o| format!("task {} ({}), ", o.task, o.name));
                return refused(
                    format!(
                        "task {task} waits for {named}which takes access: nothing lets anything pass an open revoke or disable"
                    ),
                    "let that one be done or cancelled in OIG; `provtaskd explain` of it says why it is still open",
                );
            }
            (RefusalReason::AccountBusy, Some(other)) if !other.name.is_empty() => {
                return refused(
                    format!(
                        "task {task} waits for task {} ({}, {}), which gives the account back: what needs the account can't go before it",
                        other.task, other.name, other.status
                    ),
                    "have that one done or cancelled in OIG; `provtaskd explain` of it says why it is open",
                );
            }
            _ => {
                return refused(
                    format!(
                        "a write of the account of task {task} is on its way or not read back yet: nothing is sent beside it"
                    ),
                    "let it be read, or say what became of it: `provtaskd outcomes settle`",
                );
            }
        };
        let until = now
            .checked_add(self.settings.governor.approval_ttl)
            .unwrap_or(Timestamp::MAX);
        let release = OrderRelease {
            reason: wait.reason,
            other: other.task.clone(),
            status: Arc::clone(&other.status),
            until,
        };
        self.put(
            EventBody::OrderReleased {
                lineage,
                task: task.clone(),
                release,
                reason: Arc::from(why),
            },
            who,
            now,
        )
        .await?;
        let create = match wait.reason {
            RefusalReason::WaitsForCreate => {
                "; it goes only where OIG shows the account as provisioned or enabled: while it is not there, `account_unknown` takes the place of this wait"
            }
            _ => "",
        };
        Ok(Reply::done(format!(
            "released: task {task} need not wait for task {} ({}, {}) until {until:.0}; that holds for one attempt, while that task stays as it is, and for no other task; guards, caps and rates still hold{create}",
            other.task, other.name, other.status
        )))
    }

    /// The piece of work that a person means, with its present id.
    fn work_named(&self, id: &str) -> Option<(LineageId, TaskId)> {
        let lineage = self.lineage_named(id)?;
        let task = self.ledger.read(|index| index.current_task(lineage))?;
        Some((lineage, task))
    }

    /// The releases of a piece of work that hold now, one line each, for `explain`.
    pub fn order_words(&self, lineage: LineageId) -> Vec<String> {
        let now = self.clock.now();
        let releases = self.ledger.read(|index| index.order_releases(lineage, now));
        releases.iter().map(in_words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;

    #[test]
    fn a_wait_names_the_first_task_that_the_order_is_about() {
        let refusals = [
            Refusal::new(RefusalReason::TooOld, Scope::Global).with("task", "9"),
            Refusal::new(RefusalReason::WaitsForOlder, Scope::Global)
                .with("task", "7")
                .with("definition", "Change Phone")
                .with("status", "rejected"),
        ];
        let wait = OrderWait::of(&refusals).expect("one is about order");
        assert_eq!(wait.reason, RefusalReason::WaitsForOlder);
        let other = wait.other.expect("named");
        assert_eq!((other.task.as_str(), &*other.status), ("7", "rejected"));
        assert_eq!(OrderWait::of(&refusals[..1]), None);
    }
}
