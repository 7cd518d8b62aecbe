//! One pass over the list: opens lineages, joins successors, judges open attempts; it never sends and never guesses.

use std::sync::Arc;

use jiff::Timestamp;

use super::dated::ServerBehind;
use super::error::LedgerError;
use super::judge::{Judgement, Reading, doubted, judge, next_look, too_early};
use super::lineage::{Join, print};
use super::newcomer::Pass;
use super::record::{EventBody, How, JoinedItem, Meta};
use super::seers::{self, Sure, runs};
use super::walk::{Walk, opening, walk};
use super::work::Work;
use super::world::World;
use crate::model::hash::{FastMap, FastSet};
use crate::model::settings::DeliverySettings;
use crate::model::{
    Action, AttemptEvent, AttemptState, CycleId, Kind, LineageId, Login, Outcome, ProcessKey,
    Snapshot, TaskId,
};

/// A snapshot with what the ledger needs to know beside it.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The rows.
    pub snapshot: Arc<Snapshot>,
    /// The kind of each row, aligned with the rows.
    pub kinds: Vec<Kind>,
    /// The cycle.
    pub cycle: CycleId,
    /// Read because a person asked (plan, explain): no further sight of a newcomer.
    pub asked: bool,
    /// Settling and verification.
    pub delivery: DeliverySettings,
    /// Rows that a walk through accounts has found and no list shows: what is older than the first enforce is
    /// backlog among them.
    pub unlisted: FastSet<TaskId>,
}

/// What the ledger says of one row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TaskView {
    /// Its lineage; `None` where the snapshot is too incomplete to tell whether it is new.
    pub lineage: Option<LineageId>,
    /// False for an id that was already replaced by a successor: never to be acted on.
    pub current: bool,
    /// True where it was seen for the first time.
    pub new: bool,
    /// True where it changed since the last pass (new ones too).
    pub changed: bool,
    /// True while an attempt of its lineage is not settled.
    pub attempt_open: bool,
    /// True where it could belong to more than one lineage.
    pub ambiguous: bool,
    /// True where somebody else has run it under its id since the last pass.
    pub run_by_others: bool,
}

/// An open attempt that the list can't tell, to be read by id.
#[derive(Clone, PartialEq, Debug)]
pub struct VerifyItem {
    /// The piece of work.
    pub lineage: LineageId,
    /// The attempt.
    pub ordinal: u32,
    /// The id to read.
    pub task: TaskId,
    /// The account.
    pub process: Option<ProcessKey>,
    /// The login that sent it and has to read it; `None`: the main one.
    pub login: Option<Login>,
    /// True where the process should be read too: it may show a successor that the list hides.
    pub read_process: bool,
    /// Since when a look is due.
    pub due: Timestamp,
}

/// What came of the pass.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Observed {
    /// One view per row, in the rows' order.
    pub views: Vec<TaskView>,
    /// Attempts that the list settled or moved.
    pub outcomes: Vec<Outcome>,
    /// Open attempts that need a reading by id now.
    pub to_verify: Vec<VerifyItem>,
    /// When the next look is due of those that need none now.
    pub next_look: Option<Timestamp>,
    /// New lineages.
    pub opened: u64,
    /// Joined successors.
    pub joined: u64,
    /// Rows that could be successors of more than one.
    pub ambiguous: u64,
    /// Pieces of work that no list shows any more, and that no attempt tells of.
    pub left: u64,
    /// Whether the server's data are those that are known here.
    pub world: World,
    /// How far the server's dates are behind our sends, where several successors agree on it.
    pub behind: Option<ServerBehind>,
}

impl Observed {
    /// Another look is due then.
    fn look_at(&mut self, due: Timestamp) {
        self.next_look = Some(self.next_look.map_or(due, |have| have.min(due)));
    }
}

impl Work {
    /// See [`super::Ledger::observe`].
    pub(super) fn observe(
        &mut self,
        sight: &Sighting,
        now: Timestamp,
    ) -> Result<Observed, LedgerError> {
        let snapshot = &*sight.snapshot;
        if sight.kinds.len() != snapshot.tasks.len() {
            return Err(LedgerError::Invalid(
                "a sighting needs one kind per row".to_owned(),
            ));
        }
        let meta = Meta::daemon(now, Some(sight.cycle)).login(Some(snapshot.login.clone()));
        self.fit_presence();
        // what a list shows is as old as its first page
        let read_at = snapshot.taken_at.min(now);
        let mut walk = walk(
            &self.index(),
            snapshot,
            read_at,
            sight.delivery.settle_after,
        );
        // two passes may overlap (a plan and a cycle): the one taken first tells nothing new, whatever it shows
        let late = self.last_pass.is_some_and(|last| snapshot.taken_at < last);
        let sure = Sure::of(snapshot, late);
        self.note_unread(snapshot);
        if !late {
            self.last_pass = Some(snapshot.taken_at);
        }
        let told = snapshot.complete && !late;
        let on_record = self.index().other_world().is_some();
        let mut out = Observed {
            world: self.look_at_strangers(
                snapshot,
                &mut walk,
                told && !sight.asked,
                sure,
                sight.delivery.settle_after,
                &meta,
            )?,
            ..Observed::default()
        };
        if out.world != World::Known {
            if on_record && !late {
                // what speaks for it has to be new in each list: a person may call it a false alarm
                self.mark(snapshot, &walk, sure, now);
            }
            // what another world shows tells nothing of what is known here
            out.views = self.seen_of(walk.views);
            return Ok(out);
        }
        let forgiven = std::mem::take(&mut self.returned_forgiven);
        // one from which nothing follows leaves it to the next
        self.returned_forgiven = forgiven && !sure.still;
        self.listed |= snapshot.read();
        if late {
            walk.changed.clear();
            walk.rows.clear();
        } else {
            self.mark(snapshot, &walk, sure, now);
        }
        for (row, item) in &mut walk.changed {
            item.by_id = sight.unlisted.contains(&snapshot.tasks[*row].id);
        }
        if !walk.changed.is_empty() {
            for (login, items) in runs(snapshot, std::mem::take(&mut walk.changed)) {
                let meta = meta.clone().login(Some(login));
                self.emit(&meta, EventBody::Seen { items })?;
            }
        }
        let joins = if snapshot.complete && !late && !walk.newcomers.is_empty() {
            let pass = Pass {
                sure,
                counts: !sight.asked,
            };
            self.follow_links(&mut walk);
            self.joins(snapshot, &walk, pass, &sight.delivery, now)
        } else {
            Vec::new()
        };
        self.place(sight, &joins, &mut walk, &meta, now, &mut out)?;
        self.judge_all(sight, sure, &walk, &meta, now, &mut out)?;
        if sure.still {
            self.came_back(sight, &walk, (sure, forgiven), &meta, now, &mut out)?;
        }
        if !sight.asked {
            out.left = self.note_left(sure, &sight.delivery, &meta, now)?;
        }
        self.forget_settled();
        self.end_late(&meta, now, sight.delivery.settle_after)?;
        self.fit_presence();
        out.behind = self.dated.told();
        out.views = self.seen_of(walk.views);
        Ok(out)
    }

    /// The views with what the index says of their lineages now.
    fn seen_of(&self, mut views: Vec<TaskView>) -> Vec<TaskView> {
        let index = self.index();
        for view in &mut views {
            if let Some(lineage) = view.lineage {
                view.attempt_open = index.open_attempt(lineage).is_some();
                view.ambiguous = index.is_ambiguous(lineage);
            }
        }
        views
    }

    /// Notes which lineages the pass didn't show. Only a complete, stable pass counts as absence.
    fn mark(&mut self, snapshot: &Snapshot, walk: &Walk, sure: Sure, now: Timestamp) {
        self.note_seers(snapshot, walk);
        let places = (1u64..).zip(self.presence.iter_mut().zip(&walk.seen));
        for (n, (presence, seen)) in places {
            if *seen {
                *presence = presence.now_shown();
            } else if sure.of_those(presence.by) && !self.unread.contains(&LineageId(n)) {
                presence.shown = false;
                presence.absent_since.get_or_insert(now.into());
                presence.passes = presence.passes.saturating_add(1);
            }
        }
    }

    /// Opens and joins newcomers, and says where it can't be told.
    fn place(
        &mut self,
        sight: &Sighting,
        joins: &[Join],
        walk: &mut Walk,
        meta: &Meta,
        now: Timestamp,
        out: &mut Observed,
    ) -> Result<(), LedgerError> {
        let tasks = &sight.snapshot.tasks;
        let mut next = self.index().lineages();
        // tables of very many, which as they grow by themselves are copied again and again
        let mut opened = Vec::with_capacity(joins.len());
        let mut joined = Vec::new();
        let mut there = Vec::new();
        let mut doubts: Vec<(&Vec<LineageId>, Vec<TaskId>)> = Vec::new();
        let mut doubt_about: FastMap<&Vec<LineageId>, usize> = FastMap::default();
        let before = self.was_there(&sight.snapshot, &walk.newcomers, joins);
        // with what is recorded of them memory is fullest: they end with this loop
        let newcomers = std::mem::take(&mut walk.newcomers);
        for ((new, to), before) in newcomers.into_iter().zip(joins).zip(before) {
            let (task, view) = (&tasks[new.at], &mut walk.views[new.at]);
            match to {
                Join::Undecided => continue,
                Join::To(lineage, how) => {
                    view.lineage = Some(*lineage);
                    if self.index().attempt(*lineage).is_some() {
                        walk.rows.insert(*lineage, new.at);
                    }
                    let linked = *how == How::Link;
                    let item = JoinedItem {
                        moved: linked.then(|| self.moved_to(*lineage, task)).flatten(),
                        lineage: *lineage,
                        task: task.id.clone(),
                        created: task.created,
                        how: self.by_whom(*lineage, *how),
                        print: print(task),
                    };
                    joined.push((new.at, item));
                }
                Join::Fresh | Join::Ambiguous(_) => {
                    next += 1;
                    view.lineage = Some(LineageId(next));
                    let ambiguous = matches!(to, Join::Ambiguous(_));
                    if let Join::Ambiguous(lineages) = to {
                        out.ambiguous += 1;
                        // siblings that nothing tells apart share one doubt, however the list mixes them
                        let at = *doubt_about.entry(lineages).or_insert_with(|| {
                            doubts.push((lineages, Vec::new()));
                            doubts.len() - 1
                        });
                        doubts[at].1.push(task.id.clone());
                    }
                    if !task.status.is_finished() {
                        there.push((new.at, LineageId(next)));
                    }
                    let known_by = new.known_by();
                    opened.push((
                        new.at,
                        (new.at, LineageId(next), ambiguous, before, known_by),
                    ));
                }
            }
        }
        out.opened = u64::try_from(opened.len()).unwrap_or(u64::MAX);
        out.joined = u64::try_from(joined.len()).unwrap_or(u64::MAX);
        // before the new ids are known: whatever of the doubt is not on disk after a kill comes up again
        // as long as they are new, and with the next list at the latest all of it is
        for (lineages, tasks) in doubts {
            let told = self.doubt(lineages, &tasks, meta, now)?;
            out.outcomes.extend(told);
        }
        let snapshot = &*sight.snapshot;
        self.expect_lineages(opened.len());
        for (login, opened) in runs(snapshot, opened) {
            let meta = meta.clone().login(Some(login));
            self.emit_parts(&meta, &opened, &|part| {
                let items = part
                    .iter()
                    .map(|(at, lineage, ambiguous, before, known_by)| {
                        let task = &tasks[*at];
                        let mut item = opening(task, *lineage, sight.kinds[*at], *known_by);
                        item.by_date = *before || sight.unlisted.contains(&task.id);
                        item.ambiguous = *ambiguous;
                        item
                    });
                EventBody::LineagesOpened {
                    items: items.collect(),
                }
            })?;
        }
        self.fit_presence();
        for (row, lineage) in there {
            self.shown_again(lineage);
            self.seen_by(lineage, snapshot.seen_by(row));
        }
        for (row, item) in &joined {
            self.shown_again(item.lineage);
            self.seen_by(item.lineage, snapshot.seen_by(*row));
        }
        for (login, items) in runs(snapshot, joined) {
            let meta = meta.clone().login(Some(login));
            self.emit(&meta, EventBody::LineagesJoined { items })?;
        }
        Ok(())
    }

    /// Records that it can't be told whose successor each of these tasks is, and stops the attempts it
    /// concerns.
    pub(super) fn doubt(
        &mut self,
        lineages: &[LineageId],
        tasks: &[TaskId],
        meta: &Meta,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, LedgerError> {
        let mut told = Vec::new();
        let Some(task) = tasks.first() else {
            return Ok(told);
        };
        for lineage in lineages {
            let index = self.index();
            let Some(attempt) = index.open_attempt(*lineage) else {
                continue;
            };
            if !matches!(
                attempt.state,
                AttemptState::Claimed | AttemptState::Ambiguous
            ) {
                told.push(Outcome {
                    lineage: *lineage,
                    ordinal: attempt.ordinal,
                    event: AttemptEvent::ReadAmbiguous,
                    at: now,
                    task: Some(task.clone()),
                    evidence: Some(Arc::from(format!(
                        "task {task} could be the successor of {} lineages or has a rival",
                        lineages.len()
                    ))),
                });
            }
        }
        let body = EventBody::LineageAmbiguous {
            lineages: lineages.to_vec(),
            tasks: tasks.to_vec(),
        };
        self.emit(meta, body)?;
        if !told.is_empty() {
            self.emit(
                meta,
                EventBody::Outcomes {
                    items: told.clone(),
                },
            )?;
        }
        Ok(told)
    }

    /// How a successor is recorded: one that no attempt of ours explains is the work of OIG's own job
    /// or of an admin, also where a link tells whose successor it is, and counts as theirs. An attempt
    /// explains one successor, of the very task that it was sent for.
    pub(super) fn by_whom(&self, lineage: LineageId, how: How) -> How {
        let index = self.index();
        let ours = index.attempt(lineage).is_some_and(|attempt| {
            attempt.action == Action::Retry
                && (index.current_task(lineage).as_ref() == Some(&attempt.task)
                    || index.still_waits(lineage).is_some())
        });
        if ours { how } else { How::Foreign }
    }

    /// Judges every open attempt by the pass, and says which need a reading of their own.
    fn judge_all(
        &mut self,
        sight: &Sighting,
        sure: Sure,
        walk: &Walk,
        meta: &Meta,
        now: Timestamp,
        out: &mut Observed,
    ) -> Result<(), LedgerError> {
        let snapshot = &*sight.snapshot;
        let mut told = Vec::new();
        let mut open: Vec<LineageId> = self.index().attempts.keys().copied().collect();
        open.sort_unstable();
        for lineage in open {
            let (attempt, current) = {
                let index = self.index();
                let (Some(attempt), Some(of)) = (index.attempt(lineage), index.lineage(lineage))
                else {
                    continue;
                };
                (attempt.clone(), TaskId::from(&of.task))
            };
            if self.index().is_retired(lineage) {
                // its id is another task's now: no reading can tell what became of it
                if attempt.is_looked_for() {
                    told.push(Outcome {
                        lineage,
                        ordinal: attempt.ordinal,
                        event: AttemptEvent::ReadAmbiguous,
                        at: now,
                        task: Some(current.clone()),
                        evidence: Some(Arc::from(format!("task {current} is another one now"))),
                    });
                }
                continue;
            }
            let row = walk.rows.get(&lineage).map(|at| &snapshot.tasks[*at]);
            let present = row.filter(|t| t.id == current).cloned();
            let read_at = snapshot.taken_at.min(now);
            let early = too_early(&attempt, read_at);
            let own = attempt.login.as_ref();
            let asked = own.is_none_or(|login| seers::is_configured(snapshot, login));
            let sure = asked && self.is_sure_of(sure, lineage);
            let shown = present.is_some() && !early;
            if early && sure && present.is_none() {
                // begun before the answer, it says as little of an id that it does not show
                self.not_absent_yet(lineage);
            }
            if attempt.state == AttemptState::Claimed {
                if sure && present.is_none() {
                    // not sent yet, or its answer is on its way: who is about to send it must know
                    self.missed().insert(lineage);
                }
                continue;
            }
            if shown || (sure && !early) {
                let reading = Reading::List {
                    present,
                    absent_passes: self.presence_of(lineage).passes,
                };
                let evidence = self.evidence.entry(lineage).or_default();
                let judged = judge(
                    &attempt,
                    &current,
                    &reading,
                    evidence,
                    read_at,
                    &sight.delivery,
                );
                let apart = (self.index()).made_apart(lineage, sight.delivery.settle_after);
                let judged = doubted(judged, &attempt, apart, read_at, &sight.delivery);
                if let Judgement::Told {
                    event,
                    task,
                    evidence,
                } = judged
                {
                    if event == AttemptEvent::ReadPending {
                        // it goes on, and so do the looks for it
                        out.look_at(next_look(attempt.sent, now, &sight.delivery));
                    }
                    told.push(Outcome {
                        lineage,
                        ordinal: attempt.ordinal,
                        event,
                        at: now,
                        task,
                        evidence: Some(super::record::clip(&evidence, super::record::MAX_TEXT)),
                    });
                    continue;
                }
            }
            if shown {
                self.looks.insert(lineage, now);
            }
            if !attempt.is_looked_for() {
                continue;
            }
            let last = self.looks.get(&lineage).copied();
            let due = last.map_or_else(
                || {
                    attempt
                        .sent
                        .checked_add(sight.delivery.verify_first)
                        .unwrap_or(attempt.sent)
                },
                |last| next_look(attempt.sent, last, &sight.delivery),
            );
            if due > now {
                out.look_at(due);
                continue;
            }
            out.to_verify.push(VerifyItem {
                lineage,
                ordinal: attempt.ordinal,
                task: current,
                read_process: attempt.process.is_some() && attempt.action == Action::Retry,
                login: attempt.login.clone(),
                process: attempt.process,
                due,
            });
        }
        if !told.is_empty() {
            self.emit(
                meta,
                EventBody::Outcomes {
                    items: told.clone(),
                },
            )?;
            out.outcomes.extend(told);
        }
        Ok(())
    }
}
