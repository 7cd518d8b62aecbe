//! Whole requests in a row that ended without a clear answer: whether one task ends them, or the server; a clear answer ends the row.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Index, Lineage};
use crate::ledger::record::ReceiptItem;
use crate::model::attempt::{SENDS_IN_VAIN, ended_with};
use crate::model::hash::FastMap;
use crate::model::{BatchId, LineageId, ReceiptStatus};

/// So many requests in a row, and none of them explained by one task that is in all, are the server's trouble.
const REQUESTS: u32 = 3;
/// So many different tasks have to be in them: fewer may all be broken by themselves.
const TASKS: usize = 5;
/// The same where each was answered 404, which a task that can be read is not.
const TASKS_MISSING: usize = 2;
/// Rows that are remembered as the server's, for attempts that are told late.
const REMEMBERED: usize = 64;

/// The row that lasts.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ledger) struct Row {
    number: u32,
    since: Timestamp,
    batch: BatchId,
    requests: u32,
    /// Tasks that were in every request before the last; `None` while there is but one.
    common: Option<Vec<LineageId>>,
    last: Vec<LineageId>,
    /// Some of all that were in them, enough to be counted.
    tasks: BTreeSet<LineageId>,
    /// Each was answered 404, and nothing was read that says otherwise.
    missing: bool,
    /// The number of the target that all were for; `None` where they were for several.
    target: Option<u32>,
    /// One was answered 408 or 504, which a target that is slow by itself brings about.
    slow: bool,
}

/// How a request ended, for the row.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The number of its target.
    target: u32,
    /// 404 for all in it.
    missing: bool,
    /// 408 or 504 for any in it.
    slow: bool,
}

/// The rows: the present one, and which of the earlier ones were the server's.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::ledger) struct Ends {
    row: Option<Row>,
    rows: u32,
    of_server: BTreeSet<u32>,
    /// Requests that were answered clearly, by the number of the target.
    answered: FastMap<u32, u64>,
    /// Pieces of work whose requests ended so although they held nothing else.
    singles: FastMap<LineageId, Single>,
}

/// A request that held one item alone and ended without a readable answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lonely {
    /// Its HTTP status, where one came.
    status: Option<u16>,
    /// Requests of the target that had been answered clearly by then.
    answered: u64,
}

/// Such requests of one piece of work, all of one kind, others answered between any two of them.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Single {
    last: Lonely,
    count: u8,
}

/// Requests in a row that failed for a reason of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// How many.
    pub requests: u32,
    /// Each was answered 404: there is nothing at the path of the writes.
    pub missing: bool,
}

impl Row {
    fn is_of_server(&self) -> bool {
        let explained = match &self.common {
            Some(common) => common.iter().any(|of| self.last.contains(of)),
            None => true,
        };
        let enough = if self.missing { TASKS_MISSING } else { TASKS };
        let one_is_slow = self.slow && self.target.is_some();
        !explained && !one_is_slow && self.requests >= REQUESTS && self.tasks.len() >= enough
    }

    /// Another request has ended; a batch may come in several records.
    fn add(&mut self, batch: BatchId, tasks: Vec<LineageId>) {
        if self.batch == batch {
            self.last.extend(&tasks);
        } else {
            let last = std::mem::replace(&mut self.last, tasks.clone());
            self.common = Some(match self.common.take() {
                Some(common) => common.into_iter().filter(|of| last.contains(of)).collect(),
                None => last,
            });
            self.batch = batch;
            self.requests = self.requests.saturating_add(1);
        }
        let room = TASKS.saturating_sub(self.tasks.len());
        let new: Vec<LineageId> = tasks
            .into_iter()
            .filter(|of| !self.tasks.contains(of))
            .take(room)
            .collect();
        self.tasks.extend(new);
    }
}

impl Ends {
    fn add(&mut self, batch: BatchId, tasks: Vec<LineageId>, end: End, at: Timestamp) -> u32 {
        let row = match &mut self.row {
            Some(row) => {
                row.missing &= end.missing;
                row.slow |= end.slow;
                row.target = row.target.filter(|target| *target == end.target);
                row.add(batch, tasks);
                row
            }
            None => {
                self.rows = self.rows.saturating_add(1);
                self.row.insert(Row {
                    number: self.rows,
                    since: at,
                    batch,
                    requests: 1,
                    common: None,
                    tasks: tasks.iter().copied().take(TASKS).collect(),
                    last: tasks,
                    missing: end.missing,
                    target: Some(end.target),
                    slow: end.slow,
                })
            }
        };
        let (number, of_server) = (row.number, row.is_of_server());
        if of_server {
            self.of_server.insert(number);
            if self.of_server.len() > REMEMBERED {
                self.of_server.pop_first();
            }
        } else {
            self.of_server.remove(&number);
        }
        number
    }

    /// True where a row was the server's trouble: then none of its tasks was the reason.
    pub(super) fn was_of_server(&self, row: Option<u32>) -> bool {
        row.is_some_and(|row| self.of_server.contains(&row))
    }

    /// What a request held alone was read as not applied: answers how many of its kind there were in
    /// a row, each with others of the target answered since the one before. What the whole target, or the
    /// whole server, suffers from is answered for nobody in between, and stays at one.
    pub(super) fn alone_in_vain(&mut self, lineage: LineageId, this: Lonely) -> u8 {
        let first = Single {
            last: this,
            count: 1,
        };
        let single = self.singles.entry(lineage).or_insert(first);
        if single.last.status != this.status {
            *single = first;
        } else if this.answered > single.last.answered {
            single.last = this;
            single.count = single.count.saturating_add(1);
        }
        single.count
    }

    /// It was answered, or begins anew.
    pub(super) fn begin_anew(&mut self, lineage: LineageId) {
        self.singles.remove(&lineage);
    }

    /// A reading shows that a write was carried out although it was answered 404.
    pub(super) fn not_missing(&mut self, row: Option<u32>) {
        if let Some(last) = &mut self.row
            && Some(last.number) == row
        {
            last.missing = false;
        }
    }
}

impl Index {
    /// The requests in a row that have failed for a reason of the server, while that lasts.
    pub fn outage(&self) -> Option<Outage> {
        let row = self.ends.row.as_ref().filter(|row| row.is_of_server())?;
        Some(Outage {
            since: row.since,
            requests: row.requests,
            missing: row.missing,
        })
    }

    /// A request has ended: notes with each of its open attempts how, and in which row.
    pub(super) fn request_ended(&mut self, batch: BatchId, items: &[ReceiptItem], at: Timestamp) {
        let clear = |item: &ReceiptItem| {
            matches!(
                item.status,
                ReceiptStatus::Accepted | ReceiptStatus::Refused { .. }
            )
        };
        let of_target = |index: &Self, lineage| index.lineage(lineage).map_or(0, |of| of.target);
        if let Some(item) = items.iter().find(|item| clear(item)) {
            let target = of_target(self, item.lineage);
            *self.ends.answered.entry(target).or_default() += 1;
            self.ends.row = None;
            return;
        }
        self.note_alone(batch, items, of_target);
        let failed: Vec<(LineageId, u16)> = items
            .iter()
            .filter_map(|item| match &item.status {
                ReceiptStatus::Unknown { why } => Some((item.lineage, ended_with(why)?)),
                _ => None,
            })
            .collect();
        if failed.is_empty() {
            return;
        }
        let tasks: Vec<LineageId> = failed.iter().map(|(lineage, _)| *lineage).collect();
        let end = End {
            // a request is for one target
            target: tasks.first().map_or(0, |lineage| of_target(self, *lineage)),
            missing: failed.iter().all(|(_, status)| *status == 404),
            slow: failed.iter().any(|(_, status)| matches!(status, 408 | 504)),
        };
        let row = self.ends.add(batch, tasks, end, at);
        for (lineage, status) in failed {
            if let Some(attempt) = self.attempts.get_mut(&lineage) {
                attempt.ended = Some(status);
                attempt.row = Some(row);
            }
        }
    }

    /// Notes with the open attempt of a request that held nothing else, whatever it ended with.
    fn note_alone(
        &mut self,
        batch: BatchId,
        items: &[ReceiptItem],
        of_target: impl Fn(&Self, LineageId) -> u32,
    ) {
        let [item] = items else { return };
        let ReceiptStatus::Unknown { why } = &item.status else {
            return;
        };
        // a batch may come in several records
        let shares = self
            .attempts
            .iter()
            .any(|(of, attempt)| *of != item.lineage && attempt.batch == batch);
        if shares {
            return;
        }
        let answered = self.ends.answered.get(&of_target(self, item.lineage));
        let lonely = Lonely {
            status: ended_with(why),
            answered: answered.copied().unwrap_or(0),
        };
        if let Some(attempt) = self.attempts.get_mut(&item.lineage) {
            attempt.set_alone(lonely);
        }
    }
}

/// Counts sends in a row that came to nothing for the task's own sake. A 403 for a task that went alone
/// says it all.
pub(super) fn in_vain(before: u8, status: Option<u16>, alone: bool) -> u8 {
    match status {
        Some(403) if alone => before.max(SENDS_IN_VAIN),
        // the whole server's trouble, or an answer that only could not be read
        Some(408 | 429 | 502..=504 | 200..=299) | None => before,
        Some(_) => before.saturating_add(1),
    }
}

/// Caps and back-off start again; ordinals don't.
pub(super) fn end_episode(of: &mut Lineage) {
    if let Some(past) = of.past.as_mut() {
        past.counted = 0;
        past.foreign = 0;
        past.in_vain = 0;
        past.unproven = 0;
        past.episode = past.episode.saturating_add(1);
    }
}

/// A person begins it anew: the pause after the last attempt is over as well.
pub(super) fn reset_episode(of: &mut Lineage) {
    end_episode(of);
    if let Some(past) = of.past.as_mut() {
        past.reset = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2027-03-01T08:00:00Z".parse().expect("a time")
    }

    fn batch(n: u128) -> BatchId {
        BatchId(uuid::Uuid::from_u128(n))
    }

    fn rows(all: &[&[u64]], missing: bool) -> bool {
        let mut ends = Ends::default();
        let mut row = 0;
        for (n, tasks) in (0u128..).zip(all) {
            let tasks = tasks.iter().map(|of| LineageId(*of)).collect();
            row = ends.add(batch(n), tasks, end(0, missing), at());
        }
        ends.was_of_server(Some(row))
    }

    fn end(target: u32, missing: bool) -> End {
        End {
            target,
            missing,
            slow: false,
        }
    }

    #[test]
    fn what_a_slow_target_brings_about_is_the_servers_only_where_two_targets_end_so() {
        let row = |ends_of: &[(u32, bool)]| {
            let mut ends = Ends::default();
            let mut row = 0;
            for (n, (target, slow)) in (0u64..).zip(ends_of) {
                let tasks = [2 * n, 2 * n + 1].map(LineageId).to_vec();
                let end = End {
                    slow: *slow,
                    ..end(*target, false)
                };
                row = ends.add(batch(n.into()), tasks, end, at());
            }
            ends.was_of_server(Some(row))
        };
        assert!(!row(&[(1, true); 9]), "one target is slow");
        assert!(row(&[(1, true), (1, true), (2, true)]), "two are");
        assert!(row(&[(1, false); 3]), "503 is of no target");
        assert!(!row(&[(1, false), (1, false), (1, true), (1, false)]));
    }

    #[test]
    fn it_is_the_server_where_no_task_is_in_all_of_several_requests_with_enough_tasks() {
        let many: &[u64] = &[1, 2, 3, 4, 5, 6];
        assert!(!rows(&[many], false), "one request says nothing");
        assert!(
            !rows(&[many, &[3], &[3], &[3], &[3]], false),
            "one task explains them"
        );
        assert!(!rows(&[many, &[3]], false));
        assert!(rows(&[many, &[3], &[4]], false));
        assert!(rows(&[&[1], &[2], &[3], &[4], &[5]], false));
        assert!(
            !rows(&[&[1], &[2], &[1], &[2], &[1]], false),
            "two broken ones"
        );
        assert!(!rows(&[&[1], &[2], &[3], &[4]], false), "so may four be");
    }

    #[test]
    fn a_path_is_missing_where_two_tasks_by_themselves_are_answered_404() {
        assert!(!rows(&[&[1, 2, 3], &[1], &[1]], true), "it may be the task");
        assert!(rows(&[&[1, 2, 3], &[1], &[2]], true));
    }

    #[test]
    fn a_batch_in_several_records_is_one_request() {
        let mut ends = Ends::default();
        let lineages = |of: &[u64]| of.iter().map(|n| LineageId(*n)).collect::<Vec<_>>();
        for (n, of) in [
            (1, &[1, 2, 3][..]),
            (1, &[4, 5, 6]),
            (2, &[1, 4]),
            (3, &[9]),
        ] {
            ends.add(batch(n), lineages(of), end(0, false), at());
        }
        assert!(ends.was_of_server(Some(1)));
        ends.add(batch(3), lineages(&[4]), end(0, false), at());
        assert!(!ends.was_of_server(Some(1)), "task 4 is in all of them");
        assert_eq!(ends.row.as_ref().map(|row| row.requests), Some(3));
    }
}
