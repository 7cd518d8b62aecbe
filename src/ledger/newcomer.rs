//! What a new id is: new work, a successor, or not to be told yet; one odd pass never decides it.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::index::{Index, Past, flags};
use super::lineage::{Join, JoinKey, Newcomer, Waiting, coarseness, join, made_before};
use super::record::How;
use super::seers::Sure;
use super::walk::Walk;
use super::work::Work;
use crate::model::hash::FastSet;
use crate::model::seers::Bits;
use crate::model::settings::DeliverySettings;
use crate::model::{Action, AttemptState, LineageId, Snapshot, TaskId};

/// An id that could not be told by so many cycles is told from what there is: else it would wait for ever
/// on a list that shifts with every reading.
const PATIENCE: u8 = 5;

/// So long after the send the successor of a retry that was overtaken may still come: as long as others are
/// waited for (`delivery.verify_give_up` where nothing else is said).
pub(super) const LATE: SignedDuration = SignedDuration::from_hours(72);

/// So old may the list be that a retry was decided on.
const LISTED: SignedDuration = SignedDuration::from_hours(1);

/// Vanished newcomers that are remembered for the links that may name them.
const REMEMBERED: usize = 4096;

/// So long a new id waits for a list that was not read and may show whose successor it is: longer than such a list
/// is apart from the next one. One whose login stays stopped must not keep a revoke from a person for ever.
pub(super) const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// What is known of a new id that could not be told yet.
#[derive(Clone, Debug)]
pub(super) struct Met {
    /// Cycles that have shown it.
    sights: u8,
    /// The task that it names.
    of: Option<TaskId>,
    /// The logins that showed it.
    by: Bits,
    /// When it was met.
    since: Timestamp,
}

/// A lineage with the key of a newcomer, or that one names as its predecessor.
struct Candidate {
    waiting: Waiting,
    /// The pass shows its present id, open.
    shown: bool,
    /// Whole passes in a row without its present id.
    passes: u32,
}

/// What a pass is good for.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// Where absences and pairs may be concluded: of whose list it is complete, still and not late.
    pub sure: Sure,
    /// A cycle's own: it counts as a sight of a newcomer.
    pub counts: bool,
}

impl Work {
    /// A link to an id that was met and never told leads to where that one's link led.
    pub(super) fn follow_links(&self, walk: &mut Walk) {
        let index = self.index();
        for new in &mut walk.newcomers {
            let mut of = new.of.as_ref();
            // ids fall from link to link
            while let (None, Some(met)) = (new.linked, of.and_then(|of| self.newcomers.get(of))) {
                of = met.of.as_ref();
                new.linked = of.and_then(|of| index.lineage_of(of));
            }
        }
    }

    /// What each newcomer is, aligned with them.
    ///
    /// An absence of our own retry's old id counts at once, any other one after two whole passes. A
    /// newcomer whose key is that of an id which the same pass still shows may be its successor all
    /// the same (the pass read that page before the retry): the next pass tells. So it does where a
    /// newcomer names a task that is not known to be gone. One that can't be told for ever is for a
    /// person, and never new work: its attempts would be counted from zero. What the server made before
    /// our send is not the result of it, whatever its key: it waits until the attempt had its time to
    /// be told by something else, and then both are for a person. So is what would be new work and may be
    /// the result of somebody else's retry of the same id, right before or beside ours: the server has the
    /// work twice then, and each of the two would be run.
    pub(super) fn joins(
        &mut self,
        snapshot: &Snapshot,
        walk: &Walk,
        pass: Pass,
        delivery: &DeliverySettings,
        now: Timestamp,
    ) -> Vec<Join> {
        let (mut waiting, mut others) = (Vec::new(), Others::default());
        for candidate in self.candidates(walk, delivery.verify_give_up, now) {
            let gone = !candidate.shown && (candidate.waiting.ours || candidate.passes >= 2);
            if gone {
                waiting.push(candidate.waiting);
            } else {
                others.add(candidate);
            }
        }
        let mut joins = join(&waiting, &walk.newcomers, How::Successor);
        let explained = |to: &Join| match to {
            Join::To(lineage, _) => Some(*lineage),
            _ => None,
        };
        let explained: HashSet<LineageId> = joins.iter().filter_map(explained).collect();
        let (replaced, retried) = (self.replaced(walk), self.retried(walk, &explained));
        let mut met = HashMap::new();
        for (new, to) in walk.newcomers.iter().zip(&mut joins) {
            if let Some(old) = new.instead_of {
                *to = Join::Ambiguous(vec![old]);
                continue;
            }
            self.note_date(new, to);
            let met_before = self.newcomers.get(&new.task);
            let before = met_before.map_or(0, |met| met.sights);
            let since = met_before.map_or(now, |met| met.since);
            let by = snapshot.seen_by(new.at);
            let waits = now.duration_since(since) < WAIT;
            let sighting = if pass.counts {
                before.saturating_add(1)
            } else {
                before.max(1)
            };
            // the one that it names is known by the next pass
            let untold = |sights: u8| Met {
                sights,
                of: new.of.clone(),
                by,
                since,
            };
            if new.of_newcomer && *to == Join::Fresh {
                *to = Join::Undecided;
                met.insert(new.task.clone(), untold(before));
                continue;
            }
            let likened = !matches!(to, Join::Fresh | Join::To(_, How::Link));
            let elders = elders(to);
            let sure = pass.sure.of_those(snapshot.seen_by(new.at))
                && elders.iter().all(|of| self.is_sure_of(pass.sure, *of));
            // a list that shows one of those it may be the successor of was not read: whatever this pass can't
            // tell, another like it can't either, and the time that it takes speaks for nothing
            let silent = |of: &[LineageId]| waits && self.is_not_asked(pass.sure, of);
            if likened && silent(&elders) {
                *to = Join::Undecided;
                met.insert(new.task.clone(), untold(before.max(1)));
                continue;
            }
            if !sure && likened {
                // a row that a shift between pages may have hidden, or a login that was not asked, could
                // make the pair a wrong one
                let timely = |elder| self.had_its_time(elder, delivery, now);
                if sighting >= PATIENCE && elders.iter().copied().all(timely) {
                    *to = Join::Ambiguous(elders);
                } else {
                    *to = Join::Undecided;
                    met.insert(new.task.clone(), untold(sighting));
                }
                continue;
            }
            if let Join::To(lineage, How::Successor) = *to
                && let Some(sent) = self.sent_after(new, lineage)
            {
                // the process may show the true one meanwhile
                if now.duration_since(sent) < delivery.settle_after {
                    *to = Join::Undecided;
                    met.insert(new.task.clone(), untold(sighting));
                    continue;
                }
                *to = Join::Ambiguous(vec![lineage]);
            }
            let undecided = others.undecided(new, to, sighting);
            let unasked = undecided.as_deref().is_some_and(silent);
            if undecided.is_some() && (sighting < PATIENCE || unasked) {
                *to = Join::Undecided;
                met.insert(
                    new.task.clone(),
                    untold(if unasked { before.max(1) } else { sighting }),
                );
                continue;
            }
            let mut rivals = undecided.unwrap_or_default();
            if *to == Join::Fresh && rivals.is_empty() {
                if !replaced.is_empty() {
                    rivals = self.copied(new, &replaced, delivery, now);
                }
                if !retried.is_empty() {
                    rivals.extend(self.keyless(new, &retried));
                }
            }
            if silent(&rivals) {
                *to = Join::Undecided;
                met.insert(new.task.clone(), untold(before.max(1)));
                continue;
            }
            if !rivals.is_empty() {
                rivals.extend(elders);
                rivals.sort_unstable();
                rivals.dedup();
                *to = Join::Ambiguous(rivals);
            }
        }
        if pass.counts {
            if !pass.sure.all() {
                // one that is not shown may only be hidden, or in a list that was not read, or have been retried
                // before it was told
                let kept = |met: &Met| met.of.is_some() || pass.sure.not_asked(met.by);
                let old = self.newcomers.drain().filter(|(_, met)| kept(met));
                for (task, old) in old.take(REMEMBERED) {
                    met.entry(task).or_insert(old);
                }
            }
            self.newcomers = met;
        }
        joins
    }

    /// Lineages with the key of a newcomer whose id was replaced after a send, by key.
    fn replaced(&self, walk: &Walk) -> HashMap<JoinKey, Vec<LineageId>> {
        let index = self.index();
        let mut out: HashMap<JoinKey, Vec<LineageId>> = HashMap::new();
        if index.lineages.is_empty() {
            return out;
        }
        let keys: FastSet<JoinKey> = walk.newcomers.iter().filter_map(|new| new.key).collect();
        for (lineage, of) in (1u64..).map(LineageId).zip(&index.lineages) {
            let sent = |past: &Past| !past.ids.is_empty() && !past.attempts.is_empty();
            if let Some(key) = of.key.filter(|key| keys.contains(key))
                && of.past.as_deref().is_some_and(sent)
                && !of.has(flags::RETIRED)
                && !self.is_out_of_question(&index, lineage)
            {
                out.entry(key).or_default().push(lineage);
            }
        }
        out
    }

    /// Of these the ones whose former id may have been retried by somebody else as well, with the newcomer for
    /// a result: it is younger than that id, and the server made it so near to our send that the list behind
    /// the send can't have shown it, or so near to the result that was taken for ours.
    fn copied(
        &self,
        new: &Newcomer,
        replaced: &HashMap<JoinKey, Vec<LineageId>>,
        delivery: &DeliverySettings,
        now: Timestamp,
    ) -> Vec<LineageId> {
        let index = self.index();
        let may_be_of = |lineage: &&LineageId| {
            let past = index.lineage(**lineage).and_then(|of| of.past.as_deref());
            past.is_some_and(|past| {
                let (Some(former), Some(last)) = (past.ids.last(), past.attempts.last()) else {
                    return false;
                };
                let sent = last.at.time();
                let since = new.created.unwrap_or(now).duration_since(sent);
                let before = LISTED.saturating_add(coarseness(new.created));
                // two retries of one moment show their results one after the other, however late that is
                let beside = past.made.zip(new.created).is_some_and(|(made, other)| {
                    other.duration_since(made.time()).abs() <= delivery.settle_after
                });
                // what was joined may be somebody else's, and this one ours
                let created = new.created.unwrap_or(now);
                let still = index.may_still_come(**lineage, created, delivery.settle_after);
                new.task.cmp_numeric(&TaskId::from(former)).is_gt()
                    && (since <= delivery.settle_after || beside || still)
                    && since.saturating_add(before) >= SignedDuration::ZERO
            })
        };
        let of = new.key.and_then(|key| replaced.get(&key));
        of.into_iter()
            .flatten()
            .filter(may_be_of)
            .copied()
            .collect()
    }

    /// Lineages with a retry of ours whose id is not shown, by target, definition, user and child row: where only
    /// the account speaks against their being a newcomer's predecessor, they may be it all the same. Rows that
    /// show no account, or another one with each retry, tell nothing by it, and as new work each would be
    /// retried without end.
    fn retried(
        &self,
        walk: &Walk,
        explained: &HashSet<LineageId>,
    ) -> HashMap<u32, Vec<(LineageId, Timestamp)>> {
        let index = self.index();
        let mut out: HashMap<u32, Vec<(LineageId, Timestamp)>> = HashMap::new();
        for (lineage, sent) in index.retried() {
            let at = usize::try_from(lineage.0 - 1).ok();
            let shown = at.and_then(|at| walk.seen.get(at).copied());
            let who = index.lineage(lineage).map_or(0, |of| of.who);
            let over = shown != Some(true) && self.is_out_of_question(&index, lineage);
            if who != 0 && shown != Some(true) && !explained.contains(&lineage) && !over {
                out.entry(who).or_default().push((lineage, sent));
            }
        }
        out
    }

    /// Of these the ones that may be a newcomer's predecessor.
    fn keyless(
        &self,
        new: &Newcomer,
        retried: &HashMap<u32, Vec<(LineageId, Timestamp)>>,
    ) -> Vec<LineageId> {
        let index = self.index();
        let of = retried.get(&new.who).into_iter().flatten();
        of.filter(|(lineage, sent)| {
            index.lineage(*lineage).is_some_and(|of| {
                new.task.cmp_numeric(&TaskId::from(&of.task)).is_gt()
                    && !made_before(new.created, *sent)
            })
        })
        .map(|(lineage, _)| *lineage)
        .collect()
    }

    /// Notes how the server dates what may be the successor of our retry.
    fn note_date(&mut self, new: &Newcomer, to: &Join) {
        let Join::To(lineage, How::Successor | How::Link) = *to else {
            return;
        };
        let retried = |index: &Index| {
            let attempt = index.attempt(lineage)?;
            (attempt.action == Action::Retry).then_some(attempt.sent)
        };
        let sent = retried(&self.index());
        let (Some(sent), Some(created)) = (sent, new.created) else {
            return;
        };
        if made_before(Some(created), sent) {
            let by = sent.duration_since(created);
            self.dated.before(&new.task, by);
        } else {
            self.dated.after();
        }
    }

    /// When the lineage's retry was sent, where the server says that it made the newcomer before that.
    fn sent_after(&self, new: &Newcomer, lineage: LineageId) -> Option<Timestamp> {
        let sent = self.index().attempt(lineage)?.sent;
        made_before(new.created, sent).then_some(sent)
    }

    /// True where the lineage has no attempt, or its process could have told by now what came of it.
    fn had_its_time(&self, of: LineageId, delivery: &DeliverySettings, now: Timestamp) -> bool {
        let sent = self.index().attempt(of).map(|attempt| attempt.sent);
        sent.is_none_or(|sent| now.duration_since(sent) >= delivery.settle_after)
    }

    /// True where a person has looked since no list shows it any more, and has ended the doubt about what follows it. When it
    /// went is known for this run alone.
    pub(super) fn is_out_of_question(&self, index: &Index, lineage: LineageId) -> bool {
        let Some(reset) = index.reset_at.get(&lineage) else {
            return false;
        };
        let gone = self.presence_of(lineage).absent_since;
        gone.is_some_and(|gone| gone <= *reset) && index.attempt(lineage).is_none()
    }

    /// Lineages that have the key of a newcomer, or that one names as its predecessor.
    fn candidates(&self, walk: &Walk, window: SignedDuration, now: Timestamp) -> Vec<Candidate> {
        let index = self.index();
        let mut out = Vec::new();
        if index.lineages.is_empty() {
            return out;
        }
        let keys: FastSet<JoinKey> = walk.newcomers.iter().filter_map(|new| new.key).collect();
        let linked: HashSet<LineageId> = walk.newcomers.iter().filter_map(|n| n.linked).collect();
        for (n, (of, shown)) in (1u64..).zip(index.lineages.iter().zip(&walk.seen)) {
            let lineage = LineageId(n);
            let meant = of.key.is_some_and(|key| keys.contains(&key)) || linked.contains(&lineage);
            // one about which a person has to decide has successors like any other: they are no new work;
            // nor are those of one that a person has called done, whose successor nobody has read
            let done = of.has(flags::DONE) && !of.has(flags::SAID);
            if !meant || done || of.has(flags::RETIRED) {
                continue;
            }
            let ours = may_have_run(&index, lineage, now);
            let presence = self.presence_of(lineage);
            let recent = presence
                .absent_since
                .is_none_or(|since| now.duration_since(since.time()) <= window);
            if !shown && self.is_out_of_question(&index, lineage) && !linked.contains(&lineage) {
                continue;
            }
            if *shown || index.attempt(lineage).is_some() || recent || linked.contains(&lineage) {
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
}

/// True where a retry of ours is open, or where somebody has overtaken one that may have run all the same:
/// its successor may come late.
pub(super) fn may_have_run(index: &Index, lineage: LineageId, now: Timestamp) -> bool {
    let open = index.attempt(lineage);
    let past = index.lineage(lineage).and_then(|of| of.past.as_deref());
    open.is_some_and(|attempt| attempt.action == Action::Retry)
        || past.is_some_and(|past| {
            past.last_state == Some(AttemptState::Superseded)
                && now.duration_since(past.last_at.time()) <= LATE
        })
}

/// The lineages that an answer is about.
fn elders(to: &Join) -> Vec<LineageId> {
    match to {
        Join::To(lineage, _) => vec![*lineage],
        Join::Ambiguous(of) => of.clone(),
        Join::Fresh | Join::Undecided => Vec::new(),
    }
}

/// Candidates that are not known to be gone.
#[derive(Default)]
struct Others {
    by_key: HashMap<JoinKey, Vec<Candidate>>,
    all: HashSet<LineageId>,
}

impl Others {
    fn add(&mut self, candidate: Candidate) {
        self.all.insert(candidate.waiting.lineage);
        if let Some(key) = candidate.waiting.key {
            self.by_key.entry(key).or_default().push(candidate);
        }
    }

    /// Where the next pass will tell more: those among whom there is doubt if none does.
    fn undecided(&self, new: &Newcomer, to: &Join, sighting: u8) -> Option<Vec<LineageId>> {
        if let Some(named) = new.linked
            && self.all.contains(&named)
        {
            // the link tells as soon as the old id is gone
            return Some(vec![named]);
        }
        if matches!(to, Join::To(_, How::Link)) {
            return None;
        }
        // our own send explains a newcomer, but so may a sibling that somebody else has just retried
        let explained = matches!(to, Join::To(_, How::Successor));
        let elder = |rival: &&Candidate| new.task.cmp_numeric(&rival.waiting.task).is_gt();
        let rivals = || {
            let of = new.key.and_then(|key| self.by_key.get(&key));
            of.into_iter().flatten().filter(elder)
        };
        rivals()
            .any(|rival| !rival.shown || sighting == 1 || (rival.waiting.ours && !explained))
            .then(|| {
                let absent = rivals().filter(|rival| !rival.shown);
                absent.map(|rival| rival.waiting.lineage).collect()
            })
    }
}
