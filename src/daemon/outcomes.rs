//! Lists attempts, newest first, as the journal has them; it adds nothing that is not on record.

use jiff::Timestamp;

use super::answer::no_such;
use super::core::Core;
use super::store::START_ONE;
use crate::control::{OutcomeFilter, OutcomeRow, OutcomesView, RefusedKind, Reply};
use crate::model::{Action, TaskId};

/// Rows of one answer; about 15 MB.
const ROWS: usize = 50_000;

impl Core {
    /// Attempts, newest first.
    pub fn outcomes(&self, filter: &OutcomeFilter) -> Reply {
        if let Some(target) = &filter.target
            && let Err(unknown) = self.target_named(target)
        {
            return unknown.refused();
        }
        let now = self.clock.now();
        let since = filter.within.map(|within| now.checked_sub(within));
        let since = since.and_then(Result::ok).unwrap_or(Timestamp::MIN);
        let rows_of = |limit: u32| usize::try_from(limit).map_or(ROWS, |most| most.min(ROWS));
        let most = filter.limit.map_or(ROWS, rows_of);
        // a retry gives the work a new id: who has an old one wants all of it
        let of = filter.task.as_ref();
        let of = of.map(|task| Ok((task, self.lineage_on_record(task.as_str())?)));
        let (mut attempts, of) = match (self.ledger.attempts(), of.transpose()) {
            // an id with a slip in it must not pass for work that was never attempted
            (Ok(attempts), Ok(Some((task, None))))
                if !attempts.iter().any(|row| row.task == *task) =>
            {
                return match self.no_store_words() {
                    Some(words) => Reply::refused(RefusedKind::NotFound, words, START_ONE),
                    None => no_such(task.as_str()),
                };
            }
            (Ok(attempts), Ok(of)) => (attempts, of),
            (Err(error), _) | (_, Err(error)) => {
                let hint = "see the log of the daemon";
                return Reply::refused(RefusedKind::Store, error.to_string(), hint);
            }
        };
        attempts.reverse();
        if let Some(after) = filter.after {
            // the list only grows at its beginning, so what stands after a row stays the same
            let at = attempts
                .iter()
                .position(|row| (row.lineage, row.ordinal) == after);
            let Some(at) = at else {
                return Reply::refused(
                    RefusedKind::Busy,
                    format!(
                        "attempt {}.{} left the list while it was read",
                        after.0, after.1
                    ),
                    "ask again",
                );
            };
            attempts.drain(..=at);
        }
        let mut matching = attempts
            .into_iter()
            .filter(|row| row.claimed >= since)
            .filter(|row| {
                filter
                    .target
                    .as_ref()
                    .is_none_or(|t| row.target.as_ref().is_some_and(|of| of.is_like(t)))
            })
            .filter(|row| filter.state.is_none_or(|state| row.state == state))
            .filter(|row| {
                let own =
                    |(task, work): (&TaskId, _)| row.task == *task || work == Some(row.lineage);
                of.is_none_or(own)
            });
        let rows = matching
            .by_ref()
            .take(most)
            .map(|row| OutcomeRow {
                lineage: row.lineage,
                ordinal: row.ordinal,
                task: row.task,
                target: row.target,
                name: row.name,
                to: match &row.action {
                    Action::Reassign { to } => Some(to.clone()),
                    _ => None,
                },
                action: row.action.name(),
                state: row.state,
                claimed: row.claimed,
                settled: row.settled,
                reason: row.reason,
                rule: row.policy,
                batch: Some(row.batch),
                login: row.login,
            })
            .collect();
        let left_out = u64::try_from(matching.count()).unwrap_or(u64::MAX);
        Reply::Outcomes(OutcomesView {
            rows,
            left_out,
            no_store: self.no_store_words(),
            logins: self.login_names(),
        })
    }
}
