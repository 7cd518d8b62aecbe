//! Readings of single tasks and processes, brought to the attempts they are about; it joins what the list hides and never guesses.

use jiff::Timestamp;

use super::error::LedgerError;
use super::index::{TaskRef, flags};
use super::judge::{Judgement, Reading, judge, next_look};
use super::lineage::{Join, JoinKey, Newcomer, Waiting, join, print};
use super::record::{EventBody, How, JoinedItem, MAX_TEXT, Meta, clip};
use super::work::Work;
use crate::model::settings::DeliverySettings;
use crate::model::{Action, LineageId, Outcome, Task, TaskId};

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
        self.fit_presence();
        let mut out = Vec::new();
        let asked: Vec<LineageId> = looks.iter().map(|look| look.lineage).collect();
        for mut look in looks {
            self.looks.insert(look.lineage, now);
            if let Reading::Process { tasks } = &look.reading {
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
        })
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
        let (waiting, newcomers) = self.sides(tasks);
        let joins = join(&waiting, &newcomers, How::Process);
        for (new, to) in newcomers.iter().zip(joins) {
            let task = &tasks[new.at];
            match to {
                Join::To(to, how) if to == lineage => {
                    self.shown_again(lineage);
                    let items = vec![JoinedItem {
                        lineage,
                        task: task.id.clone(),
                        how,
                        print: print(task),
                    }];
                    self.emit(meta, EventBody::LineagesJoined { items })?;
                    return Ok(Some(task.clone()));
                }
                Join::Ambiguous(of) if of.contains(&lineage) => {
                    out.extend(self.doubt(&of, &task.id, meta, now)?);
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// In a process: our lineages whose id is finished or no longer listed, and ids that nobody has.
    fn sides(&self, tasks: &[Task]) -> (Vec<Waiting>, Vec<Newcomer>) {
        let index = self.index();
        let (mut waiting, mut newcomers) = (Vec::new(), Vec::new());
        for (at, task) in tasks.iter().enumerate() {
            let Some(lineage) = index.lineage_of(&task.id) else {
                newcomers.push(Newcomer {
                    at,
                    task: task.id.clone(),
                    key: JoinKey::of_task(task),
                    linked: task.retry_of.as_ref().and_then(|of| index.lineage_of(of)),
                });
                continue;
            };
            let Some(of) = index.lineage(lineage) else {
                continue;
            };
            let closed = task.status.is_finished() && !task.status.is_done();
            let gone = self.presence_of(lineage).passes > 0;
            if of.task == TaskRef::from(&task.id)
                && (closed || gone)
                && !task.status.is_done()
                && !of.has(flags::DONE | flags::AMBIGUOUS)
            {
                waiting.push(Waiting {
                    lineage,
                    task: TaskId::from(&of.task),
                    key: of.key,
                    ours: index
                        .attempt(lineage)
                        .is_some_and(|a| a.action == Action::Retry),
                });
            }
        }
        (waiting, newcomers)
    }
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
