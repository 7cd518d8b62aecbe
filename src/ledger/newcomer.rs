//! What a new id is: new work, a successor, or not to be told yet; one odd pass never decides it.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::error::LedgerError;
use super::index::flags;
use super::lineage::{Join, JoinKey, Newcomer, Waiting, join};
use super::observe::Observed;
use super::record::{How, Meta};
use super::walk::Walk;
use super::work::Work;
use crate::model::{Action, LineageId, TaskId};

/// An id that could not be told for so many passes is told from what there is: else it would wait for ever
/// on a list that shifts with every reading.
const PATIENCE: u8 = 5;

/// A lineage with the key of a newcomer.
struct Candidate {
    waiting: Waiting,
    /// The pass shows its present id, open.
    shown: bool,
    /// Whole passes in a row without its present id.
    passes: u32,
}

impl Work {
    /// What each newcomer is, aligned with them.
    ///
    /// An absence of our own retry's old id counts at once, any other one after two whole passes. A
    /// newcomer whose key is that of an id which the same pass still shows may be its successor all
    /// the same (the pass read that page before the retry): the next pass tells.
    pub(super) fn joins(
        &mut self,
        walk: &Walk,
        window: SignedDuration,
        now: Timestamp,
    ) -> Vec<Join> {
        let candidates = self.candidates(walk, window, now);
        let (mut waiting, mut others) = (Vec::new(), HashMap::<JoinKey, Vec<Candidate>>::new());
        for candidate in candidates {
            let gone = !candidate.shown && (candidate.waiting.ours || candidate.passes >= 2);
            if gone {
                waiting.push(candidate.waiting);
            } else if let Some(key) = candidate.waiting.key {
                others.entry(key).or_default().push(candidate);
            }
        }
        let mut joins = join(&waiting, &walk.newcomers, How::Successor);
        let mut met = HashMap::new();
        for (new, to) in walk.newcomers.iter().zip(&mut joins) {
            let before = self.newcomers.get(&new.task).copied().unwrap_or(0);
            let sighting = before.saturating_add(1);
            if sighting < PATIENCE && undecided(new, to, sighting, &others) {
                *to = Join::Undecided;
                met.insert(new.task.clone(), sighting);
            }
        }
        self.newcomers = met;
        joins
    }

    /// Lineages that have the key of a newcomer, or that one names as its predecessor.
    fn candidates(&self, walk: &Walk, window: SignedDuration, now: Timestamp) -> Vec<Candidate> {
        let keys: HashSet<JoinKey> = walk.newcomers.iter().filter_map(|new| new.key).collect();
        let linked: HashSet<LineageId> = walk.newcomers.iter().filter_map(|n| n.linked).collect();
        let index = self.index();
        let mut out = Vec::new();
        for (n, (of, shown)) in (1u64..).zip(index.lineages.iter().zip(&walk.seen)) {
            let lineage = LineageId(n);
            let meant = of.key.is_some_and(|key| keys.contains(&key)) || linked.contains(&lineage);
            if !meant || of.has(flags::DONE | flags::AMBIGUOUS) {
                continue;
            }
            let ours = index
                .attempt(lineage)
                .is_some_and(|a| a.action == Action::Retry);
            let presence = self.presence_of(lineage);
            let recent = presence
                .absent_since
                .is_none_or(|since| now.duration_since(since.time()) <= window);
            if *shown || ours || recent {
                out.push(Candidate {
                    waiting: Waiting {
                        lineage,
                        task: TaskId::from(&of.task),
                        key: of.key,
                        ours,
                    },
                    shown: *shown,
                    passes: presence.passes,
                });
            }
        }
        out
    }

    /// A replaced id that is shown open again beside its successor, in two whole passes, was joined
    /// wrongly: a person has to look, and nothing is done with either.
    pub(super) fn came_back(
        &mut self,
        walk: &Walk,
        meta: &Meta,
        now: Timestamp,
        out: &mut Observed,
    ) -> Result<(), LedgerError> {
        let mut again = HashMap::new();
        for (lineage, task) in &walk.back {
            let shown = usize::try_from(lineage.0 - 1)
                .ok()
                .and_then(|at| walk.seen.get(at).copied())
                .unwrap_or(false);
            let clear = {
                let index = self.index();
                index.open_attempt(*lineage).is_none() && !index.is_ambiguous(*lineage)
            };
            if !shown || !clear {
                continue;
            }
            let passes = self
                .back
                .get(lineage)
                .copied()
                .unwrap_or(0)
                .saturating_add(1);
            if passes < 2 {
                again.insert(*lineage, passes);
                continue;
            }
            tracing::warn!(lineage = %lineage, task = %task, "a replaced task is open again beside its successor; a person has to look");
            let told = self.doubt(&[*lineage], task, meta, now)?;
            out.outcomes.extend(told);
            out.ambiguous += 1;
        }
        self.back = again;
        Ok(())
    }
}

/// True where the next pass will tell more.
fn undecided(
    new: &Newcomer,
    to: &Join,
    sighting: u8,
    others: &HashMap<JoinKey, Vec<Candidate>>,
) -> bool {
    if matches!(to, Join::To(_, How::Link | How::Successor)) {
        return false;
    }
    let by_key = new.key.and_then(|key| others.get(&key));
    let named = others.values().flatten();
    if named
        .filter(|rival| rival.shown)
        .any(|rival| Some(rival.waiting.lineage) == new.linked)
    {
        // the link tells as soon as the old id is gone
        return true;
    }
    by_key
        .into_iter()
        .flatten()
        .filter(|rival| new.task.cmp_numeric(&rival.waiting.task).is_gt())
        .any(|rival| !rival.shown || rival.waiting.ours || sighting == 1)
}
