//! Readings of single tasks and processes, brought to the attempts they are about; it joins what the list hides and never guesses.

use std::collections::HashSet;

use jiff::Timestamp;

use super::error::LedgerError;
use super::index::{Index, TaskRef};
use super::judge::{Judgement, Reading, doubted, judge, next_look, too_early};
use super::lineage::{
    Join, Newcomer, Waiting, is_timed, join, made_before_among, mark_chains, print,
};
use super::newcomer::may_have_run;
use super::record::{EventBody, How, JoinedItem, MAX_TEXT, Meta, clip};
use super::work::Work;
use crate::model::settings::DeliverySettings;
use crate::model::{LineageId, Outcome, Task, TaskStatus};

/// One verification reading.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The piece of work.
    pub lineage: LineageId,
    /// The attempt it was for.
    pub ordinal: u32,
    /// What was read.
    pub reading: Reading,
}

/// What came of verification readings.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LookedUp {
    /// Attempts that they settled or moved.
    pub outcomes: Vec<Outcome>,
    /// When the next look is due of those that they did not settle.
    pub next_look: Option<Timestamp>,
    /// The server's data are in doubt: nothing was judged, and all is still to be read.
    pub unjudged: bool,
}

impl Work {
    /// See [`super::Ledger::looked`].
    pub(super) fn looked(
        &mut self,
        looks: Vec<Looked>,
        settings: &DeliverySettings,
        meta: &Meta,
        now: Timestamp,
    ) -> Result<LookedUp, LedgerError> {
        if self.world_trouble().is_some() {
            // another world tells nothing of what was sent in this one
            return Ok(LookedUp {
                unjudged: true,
                ..LookedUp::default()
            });
        }
        self.fit_presence();
        let mut out = Vec::new();
        let asked: Vec<LineageId> = looks.iter().map(|look| look.lineage).collect();
        for mut look in looks {
            self.looks.insert(look.lineage, now);
            let retired = self.index().is_retired(look.lineage);
            match &mut look.reading {
                // its id is another task's now: whatever was read is not about it
                reading if retired => *reading = Reading::Unreadable,
                Reading::Single { task: Some(task) } if self.is_stranger(task) => {
                    look.reading = Reading::Unreadable;
                }
                Reading::Process { tasks } => tasks.retain(|task| !self.is_stranger(task)),
                _ => {}
            }
            if let Reading::Process { tasks } = &look.reading
                && self.is_about_it(&look, now)
            {
                let found = self.hidden_successor(look.lineage, tasks, meta, now, &mut out)?;
                if let Some(task) = found {
                    look.reading = Reading::Single { task: Some(task) };
                }
            }
            let (attempt, current) = {
                let index = self.index();
                let (Some(attempt), Some(current)) = (
                    index.attempt(look.lineage),
                    index.current_task(look.lineage),
                ) else {
                    continue;
                };
                if attempt.ordinal != look.ordinal {
                    continue;
                }
                (attempt.clone(), current)
            };
            let evidence = self.evidence.entry(look.lineage).or_default();
            let judged = judge(&attempt, &current, &look.reading, evidence, now, settings);
            let apart = (self.index()).made_apart(look.lineage, settings.settle_after);
            let judged = doubted(judged, &attempt, apart, now, settings);
            if let Judgement::Told {
                event,
                task,
                evidence,
            } = judged
            {
                let outcome = Outcome {
                    lineage: look.lineage,
                    ordinal: attempt.ordinal,
                    event,
                    at: now,
                    task,
                    evidence: Some(clip(&evidence, MAX_TEXT)),
                };
                // at once: the next reading may be of the same lineage
                let items = vec![outcome.clone()];
                self.emit(meta, EventBody::Outcomes { items })?;
                out.push(outcome);
            }
        }
        self.forget_settled();
        let index = self.index();
        let next_look = asked
            .into_iter()
            .filter_map(|lineage| index.open_attempt(lineage))
            .filter(|attempt| attempt.is_looked_for())
            .map(|attempt| next_look(attempt.sent, now, settings))
            .min();
        Ok(LookedUp {
            outcomes: out,
            next_look,
            unjudged: false,
        })
    }

    /// True where the reading was made for the lineage's attempt, and after its last move: an older one may
    /// show what was there before it.
    fn is_about_it(&self, look: &Looked, began: Timestamp) -> bool {
        self.index()
            .attempt(look.lineage)
            .is_some_and(|of| of.ordinal == look.ordinal && !too_early(of, began))
    }

    /// Joins the successor that a process shows and the list doesn't; answers its row.
    fn hidden_successor(
        &mut self,
        lineage: LineageId,
        tasks: &[Task],
        meta: &Meta,
        now: Timestamp,
        out: &mut Vec<Outcome>,
    ) -> Result<Option<Task>, LedgerError> {
        let sides = {
            let index = self.index();
            let Some(attempt) = index.attempt(lineage) else {
                return Ok(None);
            };
            if index.is_ambiguous(lineage) {
                return Ok(None);
            }
            let over = |of: LineageId| self.is_out_of_question(&index, of);
            sides(&index, attempt.sent, tasks, &over)
        };
        let joins = join(&sides.waiting, &sides.newcomers, How::Process);
        for (new, to) in sides.newcomers.iter().zip(joins) {
            let task = &tasks[new.at];
            match to {
                // what was there before the send only makes others doubtful
                Join::To(to, how) if to == lineage => {
                    if how != How::Link && sides.before.contains(&new.at) {
                        continue;
                    }
                    let rival = how != How::Link && {
                        let index = self.index();
                        index.still_waits(lineage).is_some()
                            && !index.is_tied(lineage, task.created, now)
                    };
                    if rival {
                        // nothing ties either of the two to our retry
                        let one = std::slice::from_ref(&task.id);
                        out.extend(self.doubt(&[lineage], one, meta, now)?);
                        return Ok(None);
                    }
                    self.shown_again(lineage);
                    let linked = how == How::Link;
                    let items = vec![JoinedItem {
                        moved: linked.then(|| self.moved_to(lineage, task)).flatten(),
                        lineage,
                        task: task.id.clone(),
                        created: task.created,
                        how: self.by_whom(lineage, how),
                        print: print(task),
                    }];
                    self.emit(meta, EventBody::LineagesJoined { items })?;
                    return Ok(Some(task.clone()));
                }
                Join::Ambiguous(of) if of.contains(&lineage) => {
                    out.extend(self.doubt(&of, std::slice::from_ref(&task.id), meta, now)?);
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The two sides of a process.
struct Sides {
    /// Our lineages whose id is closed.
    waiting: Vec<Waiting>,
    /// Ids that nobody has.
    newcomers: Vec<Newcomer>,
    /// Places of newcomers that were there before the send.
    before: HashSet<usize>,
}

/// In a process: who may have a successor, and which ids could be one of an attempt sent at `sent`.
///
/// Only a retried id has a successor, and that closes it as UC, or as MC where a person was quicker by a
/// moment: an id that is still open, done or cancelled waits for nothing, whatever the list shows of it. What was there before the send is
/// left out, but for a closed one: it may have a successor of its own among the others. What is `over` by a person's word
/// waits for nothing either.
fn sides(
    index: &Index,
    sent: Timestamp,
    tasks: &[Task],
    over: &dyn Fn(LineageId) -> bool,
) -> Sides {
    let mut out = Sides {
        waiting: Vec::new(),
        newcomers: Vec::new(),
        before: HashSet::new(),
    };
    let timed = tasks.iter().any(|task| task.created.is_some_and(is_timed));
    for (at, task) in tasks.iter().enumerate() {
        let closed = task.status == TaskStatus::UnsuccessfullyCompleted;
        let Some(lineage) = index.lineage_of(&task.id) else {
            let linked = task.retry_of.as_ref().and_then(|of| index.lineage_of(of));
            if made_before_among(task.created, sent, timed) {
                out.before.insert(at);
                if !closed && linked.is_none() {
                    continue;
                }
            }
            out.newcomers.push(Newcomer::new(at, task, linked));
            continue;
        };
        let Some(of) = index.lineage(lineage) else {
            continue;
        };
        // one about which a person has to decide, or has said that it was done, may still be the one whose
        // successor is shown; and so may one that was completed by hand, or closed nobody knows how, while a retry of
        // ours was under way
        let runs = may_have_run(index, lineage, sent);
        let may_be = task.status == TaskStatus::ManuallyCompleted || task.status.is_closed();
        let closed = closed || (may_be && runs);
        // what was joined to it may be somebody else's
        let waits = index.still_waits(lineage).is_some_and(|id| id == task.id);
        if closed && (waits || of.task == TaskRef::from(&task.id)) && !over(lineage) {
            out.waiting.push(Waiting {
                lineage,
                task: task.id.clone(),
                key: of.key,
                ours: runs,
            });
        }
    }
    mark_chains(&mut out.newcomers);
    out
}

impl Looked {
    /// The item was asked for in vain.
    pub fn unreadable(lineage: LineageId, ordinal: u32) -> Self {
        Self {
            lineage,
            ordinal,
            reading: Reading::Unreadable,
        }
    }

    /// The task itself was read.
    pub fn single(lineage: LineageId, ordinal: u32, task: Option<Task>) -> Self {
        Self {
            lineage,
            ordinal,
            reading: Reading::Single { task },
        }
    }

    /// The process was read.
    pub fn process(lineage: LineageId, ordinal: u32, tasks: Vec<Task>) -> Self {
        Self {
            lineage,
            ordinal,
            reading: Reading::Process { tasks },
        }
    }
}
