//! Whether the server's data are still those that the store knows: ids that come back as other tasks are told from their own, and enough of them stop all sending until a person has looked; it never takes one task for another.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::error::LedgerError;
use super::facts::{Differs, differs, in_words, moved, redefined};
use super::index::{TaskRef, flags};
use super::lineage::Newcomer;
use super::record::{Actor, EventBody, MAX_TEXT, Meta, Redefined, ReusedItem, clip};
use super::seers::Sure;
use super::walk::Walk;
use super::work::Work;
use crate::model::attempt::next;
use crate::model::seers::{Bits, bit};
use crate::model::{AttemptEvent, LineageId, Outcome, Snapshot, Task, TaskId};

/// Ids that are named as evidence.
pub(super) const NAMED: usize = 3;

/// So many ids with another account prove it where none of them shows more than that.
const MANY: usize = 2;

/// So many open ids that are gone at once, and so many new ones below them, mean older data.
const LOST: usize = 10;
pub(super) const AGAIN: usize = 2;

/// So many pieces of work that left the lists so long ago, and are shown again at once as they were, mean older data.
pub(super) const RETURNED: usize = 5;
const AWAY: SignedDuration = SignedDuration::from_hours(1);

/// So many whole lists in a row without evidence, before a person may say that it was a false alarm.
const CALM: u8 = 2;

/// What the lists show since another world is on record; known for this run of the daemon only.
#[derive(Clone, Debug, Default)]
pub(super) struct Calm {
    /// Whole lists in a row without evidence.
    pub lists: u8,
    /// The last evidence.
    pub against: Option<Arc<str>>,
}

/// What a pass says of the server.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum World {
    /// Nothing speaks against it.
    #[default]
    Known,
    /// Known ids are other tasks now; the next pass tells whether that was an odd one. Nothing is
    /// claimed meanwhile.
    Doubtful(Arc<str>),
    /// Known ids are other tasks, twice: another server, or one whose data were put back. On record,
    /// and nothing is claimed until a person accepts it, or says that it is the known one.
    Other(Arc<str>),
}

/// A row under a known id that is not the known task.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    /// Its place in the pass.
    pub at: usize,
    /// Whose id it was.
    pub lineage: LineageId,
    /// What differs.
    pub differs: Differs,
}

/// What the last lists have shown that speaks against this being the known server.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    why: Arc<str>,
    /// Passes that count and have shown it.
    passes: u8,
    /// The logins in whose lists it stands; none: all together.
    by: Bits,
}

/// What stands between the first evidence and the latest.
const LATEST: &str = "; the last evidence: ";

impl Work {
    /// Looks at the rows that are not what their ids were. Where they prove another world (one id in
    /// two facts, or several in their account), nothing is claimed from now on, and twice is on record.
    /// Fewer may be one row that was mended by hand or is shown wrongly: after two passes the id goes
    /// to a lineage of its own, for a person, and the old one keeps what it had.
    pub(super) fn look_at_strangers(
        &mut self,
        snapshot: &Snapshot,
        walk: &mut Walk,
        counts: bool,
        sure: Sure,
        settle_after: SignedDuration,
        meta: &Meta,
    ) -> Result<World, LedgerError> {
        let told = self.index().other_world().map(|(_, why)| Arc::clone(why));
        if let Some(why) = told {
            self.hear_out(snapshot, walk, counts, sure);
            // what the lists show since may say more than what it was doubted for
            return Ok(World::Other(match &self.calm.against {
                Some(found) if *found != why => Arc::from(format!("{why}{LATEST}{found}")),
                _ => why,
            }));
        }
        let older = self
            .older(walk, sure)
            .or_else(|| self.returned(snapshot, walk))
            .or_else(|| self.put_back(walk, sure, snapshot.taken_at, settle_after))
            .or_else(|| self.changed_over(walk, sure));
        let quiet = self.strange.is_empty() && self.doubtful.is_none();
        if walk.strangers.is_empty() && quiet && older.is_none() {
            return Ok(World::Known);
        }
        let before = std::mem::take(&mut self.strange);
        // of what only a list shows that was not read nothing is better now
        let kept = before
            .iter()
            .map(|(lineage, passes)| (*lineage, *passes))
            .filter(|(lineage, _)| self.is_not_asked(sure, &[*lineage]));
        let kept: Vec<(LineageId, u8)> = kept.collect();
        self.strange.extend(kept);
        for stranger in &walk.strangers {
            let passes = before.get(&stranger.lineage).copied().unwrap_or(0);
            let passes = passes.saturating_add(u8::from(counts));
            self.strange.insert(stranger.lineage, passes);
        }
        let proof = self.proof(snapshot, &walk.strangers);
        let rows = walk.strangers.iter();
        // that ids begin again, or work comes back, all lists together have shown
        let by = match proof {
            Some(_) => rows.fold(0, |by, one| by | snapshot.seen_by(one.at)),
            None => 0,
        };
        if let Some(why) = proof.or(older) {
            let passes = self.doubtful.as_ref().map_or(0, |doubt| doubt.passes);
            if !counts || passes == 0 {
                let found = Doubt {
                    why: Arc::clone(&why),
                    passes: u8::from(counts),
                    by,
                };
                match counts {
                    true => self.doubtful = Some(found),
                    false => {
                        self.doubtful.get_or_insert(found);
                    }
                }
                return Ok(World::Doubtful(why));
            }
            self.doubtful = None;
            self.calm = Calm {
                lists: 0,
                against: Some(Arc::clone(&why)),
            };
            let body = EventBody::WorldDoubted {
                why: Arc::clone(&why),
            };
            self.emit(meta, body)?;
            return Ok(World::Other(why));
        }
        if counts {
            // a list that showed it has to be read again to show it no more
            self.doubtful.take_if(|doubt| !sure.not_asked(doubt.by));
            self.retire_ids(snapshot, walk, meta)?;
        }
        Ok(match &self.doubtful {
            Some(doubt) => World::Doubtful(Arc::clone(&doubt.why)),
            None => World::Known,
        })
    }

    /// Once another world is on record: counts the whole lists in a row that show nothing of it.
    fn hear_out(&mut self, snapshot: &Snapshot, walk: &Walk, counts: bool, sure: Sure) {
        let strange = !walk.strangers.is_empty();
        let strange = strange.then(|| self.words_of(snapshot, &walk.strangers));
        let against = strange
            .or_else(|| self.older(walk, sure))
            .or_else(|| self.nothing_known(walk).filter(|_| sure.all()));
        if against.is_some() {
            self.calm = Calm { lists: 0, against };
        } else if sure.all() && counts {
            self.calm.lists = self.calm.lists.saturating_add(1);
        }
    }

    /// A server to which the store was bound by a word, and that shows none of the open tasks that are known
    /// here, may be any other.
    fn nothing_known(&self, walk: &Walk) -> Option<Arc<str>> {
        let closed = flags::DONE | flags::RETIRED | flags::LEFT;
        let index = self.index();
        let open = index.lineages.iter().filter(|of| !of.has(closed)).count();
        let none = index.moved && open > 0 && !walk.seen.iter().any(|seen| *seen);
        none.then(|| {
            Arc::from(format!(
                "none of the {open} open tasks that are known is shown"
            ))
        })
    }

    /// The evidence in words, where it is enough.
    fn proof(&self, snapshot: &Snapshot, strangers: &[Stranger]) -> Option<Arc<str>> {
        let whole = strangers.iter().any(|one| one.differs.count() >= 2);
        let moved = strangers.iter().filter(|one| one.differs.process).count();
        if !whole && moved < MANY {
            return None;
        }
        Some(self.words_of(snapshot, strangers))
    }

    /// What such rows show, then and now.
    fn words_of(&self, snapshot: &Snapshot, strangers: &[Stranger]) -> Arc<str> {
        let index = self.index();
        let mut named: Vec<&Stranger> = strangers.iter().collect();
        named.sort_by_key(|one| std::cmp::Reverse(one.differs.count()));
        let words: Vec<String> = named
            .iter()
            .take(NAMED)
            .filter_map(|one| {
                let of = index.lineage(one.lineage)?;
                Some(in_words(&index, of, &snapshot.tasks[one.at], one.differs))
            })
            .collect();
        let text = format!(
            "{} known ids are other tasks than they were: {}",
            strangers.len(),
            words.join("; ")
        );
        clip(&text, MAX_TEXT)
    }

    /// Ids begin again below the known ones: new ids that were made after all known higher ones, of
    /// which none is shown any more, and many are gone at once, without a word, that the pass before
    /// still showed. What went one by one over the days tells nothing, nor does what we sent, nor a new
    /// id that may be the successor of one that is gone: where the database hands out ids from several
    /// ranges, those are out of turn.
    ///
    /// Of what only a list shows that was not read, or not whole, nothing is said: the others may be enough.
    fn older(&self, walk: &Walk, sure: Sure) -> Option<Arc<str>> {
        let index = self.index();
        let low = || {
            let below = |new: &&Newcomer| {
                let number = new.task.number();
                number.is_some_and(|n| n < index.top) && new.created.is_some()
            };
            walk.newcomers.iter().filter(below)
        };
        low().nth(AGAIN - 1)?;
        let first = low().filter_map(|new| new.task.number()).min()?;
        let (mut lost, mut newest, mut silent) = (0_usize, None, false);
        let mut gone = HashSet::new();
        for (n, (of, shown)) in (1u64..).zip(index.lineages.iter().zip(&walk.seen)) {
            let higher = matches!(of.task, TaskRef::Number(n) if n > first);
            if !higher || of.has(flags::DONE | flags::RETIRED) {
                continue;
            }
            if *shown {
                return None;
            }
            let lineage = LineageId(n);
            gone.extend(of.key);
            if !self.is_sure_of(sure, lineage) {
                silent = true;
                continue;
            }
            if !self.presence_of(lineage).shown || index.attempts.contains_key(&lineage) {
                continue;
            }
            lost += 1;
            newest = newest.max(Some(of.failed_since));
        }
        let newest = newest?.time();
        let heir =
            |new: &Newcomer| new.linked.is_some() || new.key.is_some_and(|key| gone.contains(&key));
        let later = low().filter(|new| new.created.is_some_and(|at| at > newest) && !heir(new));
        let later: Vec<&Newcomer> = later.collect();
        if lost < LOST || later.len() < AGAIN {
            return None;
        }
        let named: Vec<String> = later
            .iter()
            .take(NAMED)
            .filter_map(|new| Some(format!("task {} created {:.0}", new.task, new.created?)))
            .collect();
        let text = format!(
            "ids begin again: {} are new and below {}, the highest known id, and of the open ids above them{} none is left, of which {lost} were there in the list before and were last changed {newest:.0} or earlier: {}",
            later.len(),
            index.top,
            if silent {
                " that the lists which were read have shown"
            } else {
                ""
            },
            named.join("; ")
        );
        Some(clip(&text, MAX_TEXT))
    }

    /// Work that ended elsewhere is open again, much of it at once and unchanged: data of before that. A login that
    /// sees again what it did not see for a while looks the same, and a person says which it is (`reject world`): then
    /// the same is asked no second time. The first list of a further login says nothing: it may have been configured
    /// anew.
    fn returned(&self, snapshot: &Snapshot, walk: &Walk) -> Option<Arc<str>> {
        let known = bit(0) | self.listed;
        if walk.again.len() < RETURNED || self.returned_forgiven {
            return None;
        }
        let index = self.index();
        // what was handed over by us comes back when whoever has it gives it back
        let long = |lineage: LineageId| {
            let left = index.left(lineage).filter(|_| !index.was_handed(lineage))?;
            let since = left.since();
            (snapshot.taken_at.duration_since(since) >= AWAY).then_some((lineage, since))
        };
        let again = walk.again.iter();
        let by_known = again.filter(|(_, at)| snapshot.seen_by(*at) & known != 0);
        let long: Vec<(LineageId, Timestamp)> = by_known.filter_map(|(of, _)| long(*of)).collect();
        if long.len() < RETURNED {
            return None;
        }
        let named: Vec<String> = long
            .iter()
            .take(NAMED)
            .filter_map(|(lineage, since)| {
                let task = TaskId::from(&index.lineage(*lineage)?.task);
                Some(format!("task {task}, in no list since {since:.0}"))
            })
            .collect();
        let text = format!(
            "{} tasks that had left the lists are open again, as they were, in one list: the server's data were put back, or this login sees again what it did not see for a while: {}",
            long.len(),
            named.join("; ")
        );
        Some(clip(&text, MAX_TEXT))
    }

    /// Takes ids that twice were not what they were from their lineages.
    fn retire_ids(
        &mut self,
        snapshot: &Snapshot,
        walk: &mut Walk,
        meta: &Meta,
    ) -> Result<(), LedgerError> {
        let twice = |one: &&Stranger| self.strange.get(&one.lineage).is_some_and(|n| *n >= 2);
        let sure: Vec<Stranger> = walk.strangers.iter().filter(twice).cloned().collect();
        let mut items = Vec::new();
        for one in &sure {
            let task = &snapshot.tasks[one.at];
            let why = {
                let index = self.index();
                let of = index.lineage(one.lineage);
                of.map(|of| in_words(&index, of, task, one.differs))
            };
            let Some(why) = why else { continue };
            tracing::warn!(lineage = %one.lineage, why = %why, "a known id is another task now; a person has to look");
            items.push(ReusedItem {
                lineage: one.lineage,
                task: task.id.clone(),
                why: clip(&why, MAX_TEXT),
            });
            self.strange.remove(&one.lineage);
            walk.newcomers
                .push(Newcomer::instead(one.at, task, one.lineage));
        }
        if items.is_empty() {
            return Ok(());
        }
        self.emit(meta, EventBody::IdsReused { items })
    }

    /// Under which other account or definition a successor is shown that its link tells: it is the same work
    /// all the same.
    pub(super) fn moved_to(&self, lineage: LineageId, task: &Task) -> Option<Redefined> {
        let index = self.index();
        let of = index.lineage(lineage)?;
        redefined(&index, of, task).or_else(|| moved(&index, of, task))
    }

    /// True for a task under a known id that is not the known task: readings of it tell nothing.
    pub(super) fn is_stranger(&self, task: &Task) -> bool {
        let index = self.index();
        let known = index.lineage_of(&task.id);
        known
            .and_then(|lineage| index.lineage(lineage))
            .is_some_and(|of| differs(&index, of, &TaskRef::from(&task.id), task).any())
    }

    /// Why nothing may be claimed in this world, if so.
    pub(super) fn world_trouble(&self) -> Option<Arc<str>> {
        let told = self.index().other_world().map(|(_, why)| Arc::clone(why));
        told.or_else(|| self.doubtful.as_ref().map(|doubt| Arc::clone(&doubt.why)))
    }

    /// A person takes the server as it is: whatever was known of its tasks is closed, and the next list
    /// is a first one. Answers how many lineages were closed, and what became of their attempts.
    pub(super) fn accept_world(
        &mut self,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(u64, Vec<Outcome>), LedgerError> {
        if self.index().other_world().is_none() {
            return Ok((0, Vec::new()));
        }
        let meta = Meta::by(actor, now);
        let mut items: Vec<Outcome> = self
            .index()
            .attempts
            .iter()
            .filter(|(_, attempt)| next(attempt.state, AttemptEvent::PersonClosed).is_some())
            .map(|(lineage, attempt)| Outcome {
                lineage: *lineage,
                ordinal: attempt.ordinal,
                event: AttemptEvent::PersonClosed,
                at: now,
                task: None::<TaskId>,
                evidence: Some(Arc::from(
                    "its server was replaced, or its data were put back",
                )),
            })
            .collect();
        items.sort_by_key(|item| item.lineage);
        if !items.is_empty() {
            let items = items.clone();
            self.emit(&meta, EventBody::Outcomes { items })?;
        }
        let up_to = LineageId(self.index().lineages());
        let body = EventBody::WorldAccepted {
            up_to,
            reason: clip(reason, MAX_TEXT),
        };
        self.emit(&meta, body)?;
        self.strange.clear();
        self.newcomers.clear();
        self.back.clear();
        self.calm = Calm::default();
        self.forget_settled();
        Ok((up_to.0, items))
    }

    /// The store belongs to another server from now on, by a person's word, and nothing is sent until a
    /// person has looked. The doubt comes first, so that no kill leaves a bound store without it.
    pub(super) fn rebind(
        &mut self,
        to: String,
        doubt: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let meta = Meta::by(actor, now);
        let why = clip(doubt, MAX_TEXT);
        self.emit(&meta, EventBody::WorldDoubted { why })?;
        self.emit(&meta, EventBody::WorldBound { fingerprint: to })
    }

    /// A person says that the server is the known one after all: everything goes on as it was. Answers
    /// why not, where the lists don't bear it out.
    pub(super) fn keep_world(
        &mut self,
        reason: &str,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Option<String>, LedgerError> {
        if self.index().other_world().is_none() {
            return Ok(Some("it is not known to be another one".to_owned()));
        }
        let Calm { lists, against } = &self.calm;
        if *lists < CALM {
            let read = format!(
                "{lists} of {CALM} whole lists in a row have shown nothing of another server since"
            );
            let last = against.iter().filter(|_| *lists == 0);
            let last: String = last
                .map(|why| format!("; the last evidence: {why}"))
                .collect();
            return Ok(Some(format!("{read}{last}")));
        }
        let meta = Meta::by(actor, now);
        let reason = clip(reason, MAX_TEXT);
        self.emit(&meta, EventBody::WorldKept { reason })?;
        self.strange.clear();
        self.doubtful = None;
        self.calm = Calm::default();
        // they are shown as they were before: the next list takes them in
        self.returned_forgiven = true;
        Ok(None)
    }
}
