//! Whether a list shows older data of the server, or another server's: replaced ids that are open again while their successors are nowhere, and lists that know nothing of what is known here; it takes no successor for gone that a list which was not read may show.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::error::LedgerError;
use super::index::{Index, flags};
use super::lineage::{Newcomer, coarseness};
use super::observe::{Observed, Sighting};
use super::record::{EventBody, MAX_TEXT, Meta, ReusedItem, clip};
use super::seers::Sure;
use super::walk::Walk;
use super::work::Work;
use super::world::{AGAIN, NAMED, RETURNED};
use crate::model::{LineageId, TaskId};

/// Whole passes in a row that show it before it is told: one may be odd.
const PASSES: u8 = 2;

/// So many open pieces of work that are gone at once are no chance beside others that were there all the time.
const ALL_GONE: usize = 3;

/// So long before the last change that is known here the server has to have made what never was in its lists: clocks
/// and zones differ.
const LONG_THERE: SignedDuration = SignedDuration::from_hours(12);

impl Work {
    /// Replaced ids that are open again although no list shows their successors, and nothing of ours is open on them. A
    /// node that lags behind shows such for less than `settle_after` after the last thing that is known of the work.
    fn alone_again(
        &self,
        walk: &Walk,
        sure: Sure,
        read_at: Timestamp,
        settle_after: SignedDuration,
    ) -> Vec<(LineageId, TaskId)> {
        let index = self.index();
        let alone = |(lineage, _): &&(LineageId, TaskId)| {
            let Some(of) = index.lineage(*lineage) else {
                return false;
            };
            let lags = |since: Timestamp| read_at.duration_since(since) < settle_after;
            let recent =
                lags(of.failed_since.time()) || index.last_move(*lineage).is_some_and(lags);
            !is_shown(walk, *lineage)
                && !recent
                && !of.has(flags::AMBIGUOUS | flags::RETIRED)
                && index.open_attempt(*lineage).is_none()
                && self.is_sure_of(sure, *lineage)
        };
        walk.back.iter().filter(alone).cloned().collect()
    }

    /// Several of those at once are data of before the retries.
    pub(super) fn put_back(
        &self,
        walk: &Walk,
        sure: Sure,
        read_at: Timestamp,
        settle_after: SignedDuration,
    ) -> Option<Arc<str>> {
        if walk.back.len() < RETURNED || self.returned_forgiven {
            return None;
        }
        let alone = self.alone_again(walk, sure, read_at, settle_after);
        if alone.len() < RETURNED {
            return None;
        }
        let index = self.index();
        let named: Vec<String> = alone
            .iter()
            .take(NAMED)
            .filter_map(|(lineage, task)| {
                let by = index.current_task(*lineage)?;
                Some(format!("task {task}, replaced by {by}"))
            })
            .collect();
        let text = format!(
            "{} tasks that were retried are open again under their old ids, and no list shows the ids that have replaced these: the server's data were put back to before that: {}",
            alone.len(),
            named.join("; ")
        );
        Some(clip(&text, MAX_TEXT))
    }

    /// Nothing that is known to be open is left, all of it at once, and what is there instead is older than the last
    /// change that is known here, and never was in a list: another server. What ended over the days has left before, and
    /// what is really new, or a successor, is dated later.
    pub(super) fn changed_over(&self, walk: &Walk, sure: Sure) -> Option<Arc<str>> {
        let strange = !walk.back.is_empty() || !walk.strangers.is_empty();
        if self.returned_forgiven || strange || walk.newcomers.len() < AGAIN {
            return None;
        }
        if !sure.still || walk.seen.iter().any(|seen| *seen) {
            return None;
        }
        let index = self.index();
        let (mut lost, mut newest) = (0_usize, None);
        let mut gone = HashSet::new();
        for (n, of) in (1u64..).zip(&index.lineages) {
            if of.has(flags::RETIRED) {
                continue;
            }
            newest = newest.max(Some(of.failed_since));
            if of.has(flags::DONE | flags::LEFT) {
                continue;
            }
            gone.extend(of.key);
            let lineage = LineageId(n);
            let ours = index.attempts.contains_key(&lineage) || of.has(flags::AMBIGUOUS);
            lost += usize::from(!ours && self.is_sure_of(sure, lineage));
        }
        if lost < ALL_GONE {
            return None;
        }
        let newest = newest?.time();
        let heir =
            |new: &Newcomer| new.linked.is_some() || new.key.is_some_and(|key| gone.contains(&key));
        let there = |new: &&Newcomer| {
            let created = new.created.filter(|_| !heir(new));
            created.is_some_and(|at| {
                newest.duration_since(at) > LONG_THERE.saturating_add(coarseness(Some(at)))
            })
        };
        let older: Vec<&Newcomer> = walk.newcomers.iter().filter(there).collect();
        if older.len() < AGAIN {
            return None;
        }
        let named: Vec<String> = older
            .iter()
            .take(NAMED)
            .filter_map(|new| Some(format!("task {} created {:.0}", new.task, new.created?)))
            .collect();
        let text = format!(
            "none of the {lost} open tasks that are known is in the lists any more, and {} are there that never were, although they are older than the last change that is known here ({newest:.0}): another server, or this login sees others than before: {}",
            older.len(),
            named.join("; ")
        );
        Some(clip(&text, MAX_TEXT))
    }

    /// A replaced id that is shown open again in two whole passes. Beside its successor it was joined wrongly: a person
    /// has to look, and nothing is done with either. Without it, the server forgot the retry: the id gets a piece of work
    /// of its own, which waits for a person as well, and can be tried again after his word. Where a person has just said
    /// that these are no older data, the passes before have shown it already.
    pub(super) fn came_back(
        &mut self,
        sight: &Sighting,
        walk: &Walk,
        (sure, forgiven): (Sure, bool),
        meta: &Meta,
        now: Timestamp,
        out: &mut Observed,
    ) -> Result<(), LedgerError> {
        let mut again = HashMap::new();
        let passes = |before: &HashMap<LineageId, u8>, of: &LineageId| {
            before.get(of).copied().unwrap_or(0).saturating_add(1)
        };
        for (lineage, task) in &walk.back {
            let clear = {
                let index = self.index();
                index.open_attempt(*lineage).is_none() && !index.is_ambiguous(*lineage)
            };
            if !is_shown(walk, *lineage) || !clear {
                continue;
            }
            let passes = passes(&self.back, lineage);
            if passes < PASSES {
                again.insert(*lineage, passes);
                continue;
            }
            tracing::warn!(lineage = %lineage, task = %task, "a replaced task is open again beside its successor; a person has to look");
            let told = self.doubt(&[*lineage], std::slice::from_ref(task), meta, now)?;
            out.outcomes.extend(told);
            out.ambiguous += 1;
        }
        let read_at = sight.snapshot.taken_at.min(now);
        let mut items = Vec::new();
        for (lineage, task) in self.alone_again(walk, sure, read_at, sight.delivery.settle_after) {
            let before = self.back.get(&lineage).copied().unwrap_or(0);
            let passes = before.saturating_add(u8::from(!sight.asked));
            if passes < PASSES && !forgiven {
                again.insert(lineage, passes);
                continue;
            }
            let by = current(&self.index(), lineage);
            tracing::warn!(lineage = %lineage, task = %task, by = %by, "a replaced task is open again, and no list shows its successor; a person has to look");
            let why = format!(
                "task {task} was replaced by {by}, is open again, and no list shows {by}: the server's data were put back to before that, or somebody has put this task back"
            );
            items.push(ReusedItem {
                lineage,
                task,
                why: clip(&why, MAX_TEXT),
            });
        }
        self.back = again;
        if items.is_empty() {
            return Ok(());
        }
        // with the next pass each is opened as what it is then
        self.emit(meta, EventBody::IdsReused { items })
    }
}

fn is_shown(walk: &Walk, lineage: LineageId) -> bool {
    let at = usize::try_from(lineage.0 - 1).ok();
    at.and_then(|at| walk.seen.get(at).copied())
        .unwrap_or(false)
}

fn current(index: &Index, lineage: LineageId) -> String {
    let task = index.current_task(lineage);
    task.map_or_else(|| "another one".to_owned(), |task| task.to_string())
}
