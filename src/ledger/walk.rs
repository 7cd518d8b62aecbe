//! The first walk over a pass: finds each row's lineage, what changed and who is new; it changes nothing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::facts::{differs, redefined};
use super::index::{Index, Lineage, TaskRef, flags};
use super::judge::too_early;
use super::lineage::{JoinKey, KnownBy, Newcomer, child_digest, mark_chains, print, print_and_run};
use super::observe::TaskView;
use super::ran::RunMark;
use super::record::{OpenedItem, Redefined, SeenItem};
use super::world::Stranger;
use crate::model::hash::FastMap;
use crate::model::two;
use crate::model::{Kind, LineageId, Owner, Snapshot, Task, TaskId};

/// The owner as recorded; one of whom nothing is shown is not recorded.
fn known_owner(task: &Task) -> Option<Owner> {
    (task.owner != Owner::Unknown).then(|| task.owner.clone())
}

/// What the successors of one that is shown again are known by, where that was taken out meanwhile.
fn known_by(index: &Index, of: &Lineage, task: &Task) -> Option<Redefined> {
    let key = JoinKey::of_task(task)?;
    let definition = task.definition_key.as_ref()?;
    let then = index.definitions.get(of.definition)?;
    if of.key == Some(key) || then.definition.strip_prefix('#') != Some(definition.as_str()) {
        return None;
    }
    Some(Redefined {
        definition: definition.clone(),
        process: task.process.clone(),
        user: task.beneficiary.clone(),
        child: child_digest(task),
    })
}

/// What a first walk over the rows finds.
pub(super) struct Walk {
    pub views: Vec<TaskView>,
    pub newcomers: Vec<Newcomer>,
    /// With its row.
    pub changed: Vec<(usize, SeenItem)>,
    /// Rows of lineages that have an attempt.
    pub rows: FastMap<LineageId, usize>,
    /// Replaced ids that are shown open.
    pub back: Vec<(LineageId, TaskId)>,
    /// What had left the lists and is shown again, open and as it was then.
    pub again: Vec<(LineageId, usize)>,
    /// By lineage: its present id is shown and not finished.
    pub seen: Vec<bool>,
    /// Rows under a known id that are not the known task: nobody's, until that is told.
    pub strangers: Vec<Stranger>,
}

/// Finds each row's lineage, what changed, and who is new, in a list that is as old as `read_at`, of a server that may show
/// what is older by less than `settle_after`.
pub(super) fn walk(
    index: &Index,
    snapshot: &Snapshot,
    read_at: Timestamp,
    settle_after: SignedDuration,
) -> Walk {
    let mut out = Walk {
        views: Vec::with_capacity(snapshot.tasks.len()),
        newcomers: Vec::new(),
        changed: Vec::new(),
        rows: FastMap::default(),
        back: Vec::new(),
        again: Vec::new(),
        seen: vec![false; index.lineages.len()],
        strangers: Vec::new(),
    };
    let many = snapshot.tasks.len().saturating_sub(index.by_task.len());
    let mut new: Vec<(usize, Option<LineageId>)> = Vec::with_capacity(many);
    for (at, task) in snapshot.tasks.iter().enumerate() {
        let mut view = TaskView {
            lineage: None,
            current: true,
            new: false,
            changed: true,
            attempt_open: false,
            ambiguous: false,
            run_by_others: false,
        };
        let id = TaskRef::from(&task.id);
        let Some(place) = index.by_task.get(&id) else {
            view.new = true;
            out.views.push(view);
            // taken from its lineage, and a kill came before it had one of its own
            new.push((at, index.reused.get(&id).copied()));
            continue;
        };
        let lineage = LineageId(u64::from(*place));
        view.lineage = Some(lineage);
        let Some(of) = index.lineage(lineage) else {
            out.views.push(view);
            continue;
        };
        let differs = differs(index, of, &id, task);
        if differs.any() {
            view.lineage = None;
            out.views.push(view);
            out.strangers.push(Stranger {
                at,
                lineage,
                differs,
            });
            continue;
        }
        view.current = of.task == id;
        view.changed = false;
        if !view.current && !task.status.is_finished() {
            out.back.push((lineage, task.id.clone()));
        }
        if view.current {
            let now_print = print(task);
            let owner = known_owner(task);
            let moved = owner
                .as_ref()
                .is_some_and(|o| index.owners.find(o) != Some(of.owner));
            let back = of.has(flags::LEFT) && !task.status.is_finished();
            let redefined = redefined(index, of, task).or_else(|| {
                let known = back.then(|| known_by(index, of, task));
                known.flatten()
            });
            let shown = run_shown(index, lineage, task, read_at);
            let foreign = shown.is_another_run(of.run);
            // a node that lags behind shows once more the run that ours has followed
            let older = foreign && from_before(index, lineage, shown, read_at, settle_after);
            let foreign = foreign && !older;
            let run = if older { of.run } else { shown.after(of.run) };
            if back && now_print == of.print && !moved && redefined.is_none() {
                out.again.push((lineage, at));
            }
            let changed = now_print != of.print || moved || redefined.is_some() || foreign || back;
            view.changed |= changed;
            view.run_by_others = foreign;
            if changed || run != of.run {
                let item = SeenItem {
                    lineage,
                    print: now_print,
                    owner,
                    status: Arc::from(task.status.as_str()),
                    redefined,
                    early: index
                        .attempt(lineage)
                        .is_some_and(|attempt| too_early(attempt, read_at)),
                    run,
                    foreign,
                    by_id: false,
                };
                out.changed.push((at, item));
            }
            if let Ok(n) = usize::try_from(lineage.0 - 1)
                && let Some(seen) = out.seen.get_mut(n)
            {
                *seen = !task.status.is_finished();
            }
            if index.attempts.contains_key(&lineage) {
                out.rows.insert(lineage, at);
            }
        }
        out.views.push(view);
    }
    out.newcomers = two::map(&new, &|(at, before): &(usize, Option<LineageId>)| {
        let task = &snapshot.tasks[*at];
        if let Some(before) = before {
            return Newcomer::instead(*at, task, *before);
        }
        let linked = task.retry_of.as_ref().and_then(|of| index.lineage_of(of));
        Newcomer::new(*at, task, linked)
    });
    mark_chains(&mut out.newcomers);
    out
}

/// What the row shows of its task's last run; nothing while an attempt of ours may be that run, or where
/// the list may be older than what an attempt has come to (that is kept in whole seconds).
fn run_shown(index: &Index, lineage: LineageId, task: &Task, read_at: Timestamp) -> RunMark {
    let moved = index.last_move(lineage);
    let may_be_ours = index.attempts.contains_key(&lineage)
        || moved.is_some_and(|at| read_at.duration_since(at) <= SignedDuration::from_secs(1));
    if may_be_ours {
        RunMark::default()
    } else {
        RunMark::of(task)
    }
}

/// True where the run that is shown is the one that was known before our last attempt, and that attempt came to its end
/// less than `settle_after` ago.
fn from_before(
    index: &Index,
    lineage: LineageId,
    shown: RunMark,
    read_at: Timestamp,
    settle_after: SignedDuration,
) -> bool {
    let recent = |at| read_at.duration_since(at) < settle_after;
    index.last_move(lineage).is_some_and(recent)
        && index
            .lineage(lineage)
            .and_then(|of| of.past.as_ref())
            .is_some_and(|past| shown.is_that_of(past.ran))
}

/// The record of a first sight.
pub(super) fn opening(
    task: &Task,
    lineage: LineageId,
    kind: Kind,
    known_by: KnownBy,
) -> OpenedItem {
    let (print, run) = print_and_run(task);
    OpenedItem {
        lineage,
        task: task.id.clone(),
        created: task.created,
        kind,
        target: task.target.clone(),
        definition: task.definition_key.clone(),
        name: task.definition_name.clone(),
        process: task.process.clone(),
        user: task.beneficiary.clone(),
        child: child_digest(task),
        owner: known_owner(task),
        print,
        ambiguous: false,
        run,
        by_date: false,
        known_by,
    }
}
