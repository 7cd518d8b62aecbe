//! The bounded set of hints, each task once, and the ids of events that were taken; pure over a time that is passed in, it reads no task and writes no file.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::asked::{Persons, WAITING_MAX};
use super::body::Named;
use super::cause::{Cause, HintEnd};
use crate::model::hash::{FastMap, FastSet};
use crate::model::{Login, Road, TargetName, TaskId};

/// So many ids of events are remembered; while they are that many, no further event is taken.
pub const EVENTS_MAX: usize = 400_000;
/// So many targets wait to be looked at.
const TARGETS_MAX: usize = 1_000;
/// So often a task is asked for in vain.
const TRIES: u8 = 5;

/// The digest under which the id of an event is remembered.
pub type EventPrint = [u8; 16];

/// The print of an id: long enough that no two are taken for the same.
pub fn print_of(id: &str) -> EventPrint {
    let sum = Sha256::digest(id);
    let mut print = [0; 16];
    print.copy_from_slice(&sum[..16]);
    print
}

/// A task that somebody has named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// The task.
    pub task: TaskId,
    /// By which road.
    pub road: Road,
    /// True where it was read by its id before, and the list does not show it.
    pub followed: bool,
    /// Tells this hint from one that came for the same task later.
    pub turn: u64,
    /// The server has answered 404 to it the last time.
    pub missed: bool,
}

#[derive(Clone, Debug)]
struct Waiting {
    turn: u64,
    road: Road,
    tries: u8,
    /// It had its turn, and waits for another one.
    asked: bool,
}

/// The hints.
#[derive(Debug, Default)]
pub struct Book {
    limit: usize,
    turn: u64,
    waiting: FastMap<TaskId, Waiting>,
    /// Those that wait, the oldest first.
    order: BTreeMap<u64, TaskId>,
    followed: BTreeMap<TaskId, Road>,
    /// Those of both that were not there the last time.
    missed: FastSet<TaskId>,
    /// The one of them that was read last: those behind it come next, so that each has its turn.
    last_followed: Option<TaskId>,
    /// Each with the turn at which it was named last.
    targets: BTreeMap<TargetName, u64>,
    /// Persons to be walked through.
    pub persons: Persons,
    events: FastMap<EventPrint, i64>,
}

/// An event that is about to be taken, and what it names.
#[derive(Clone, Debug)]
pub struct Coming {
    /// The print of its id and until when that counts; a file has none.
    pub event: Option<(EventPrint, i64)>,
    /// What it names.
    pub named: Named,
    /// By which road.
    pub road: Road,
}

/// What was looked at already of several events that are to be taken together.
#[derive(Debug, Default)]
pub struct Together {
    events: FastSet<EventPrint>,
    tasks: FastSet<TaskId>,
    targets: FastSet<TargetName>,
    persons: FastSet<Login>,
}

/// Whether an event may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum May {
    /// Yes.
    Take,
    /// It was taken before.
    Known,
    /// Not now.
    Not(Cause),
}

impl Book {
    /// An empty one for so many hints.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// How many tasks wait to be read.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many are read in each cycle.
    pub fn followed(&self) -> usize {
        self.followed.len()
    }

    /// Targets that wait to be looked at.
    pub fn targets(&self) -> &BTreeMap<TargetName, u64> {
        &self.targets
    }

    /// True where something waits for the next cycle that had no turn yet. What had one and waits on (because it
    /// could not be read) comes with the cycles that come anyway.
    pub fn is_wanted(&self) -> bool {
        !self.targets.is_empty() || self.waiting.values().any(|waiting| !waiting.asked)
    }

    /// These had their turn and wait on, behind all others: one at which each cycle ends must not keep them waiting.
    pub fn had_turn<'a>(&mut self, hints: impl IntoIterator<Item = &'a Hint>) {
        for hint in hints {
            if hint.followed {
                self.last_followed = Some(hint.task.clone());
            }
            let waiting = self.waiting.get_mut(&hint.task);
            if let Some(waiting) = waiting.filter(|waiting| waiting.turn == hint.turn) {
                self.order.remove(&waiting.turn);
                self.turn += 1;
                (waiting.turn, waiting.asked) = (self.turn, true);
                self.order.insert(self.turn, hint.task.clone());
            }
        }
    }

    /// These are being read: until that has told something they bring no cycle forward.
    pub fn are_read(&mut self, hints: &[Hint]) {
        for hint in hints {
            let waiting = self.waiting.get_mut(&hint.task);
            if let Some(waiting) = waiting.filter(|waiting| waiting.turn == hint.turn) {
                waiting.asked = true;
            }
        }
    }

    /// Answers whether a 404 is the end of a hint. One alone is none: the event may have come before the task was
    /// committed, and behind a balancer another node may answer. It waits on, and brings no cycle forward.
    pub fn is_gone(&mut self, hint: &Hint) -> bool {
        if hint.missed {
            return true;
        }
        let waiting = self.waiting.get(&hint.task);
        if hint.followed || waiting.is_some_and(|waiting| waiting.turn == hint.turn) {
            self.missed.insert(hint.task.clone());
        }
        self.had_turn([hint]);
        false
    }

    /// True while there is a hint for that task: what was read beside a cycle may have come to its end by the list of
    /// the next one.
    pub fn holds(&self, hint: &Hint) -> bool {
        self.waiting.contains_key(&hint.task) || self.followed.contains_key(&hint.task)
    }

    /// Whether an event may be taken after those that are taken together with it.
    pub fn may(&self, coming: &Coming, together: &mut Together, now: i64) -> May {
        if let Some((print, until)) = &coming.event {
            let before = self.events.get(print).is_some_and(|until| *until >= now);
            if before || together.events.contains(print) {
                return May::Known;
            }
            // whether it was taken before is not known any more
            if *until < now {
                return May::Not(Cause::TooLate);
            }
            if self.events.len() + together.events.len() >= EVENTS_MAX {
                return May::Not(Cause::Busy);
            }
        }
        let named = &coming.named;
        let new = |task: &&TaskId| {
            let known = self.waiting.contains_key(*task) || self.followed.contains_key(*task);
            !known && !together.tasks.contains(*task)
        };
        let more = named.tasks.iter().filter(new).count();
        let target = |name: &&TargetName| {
            !self.targets.contains_key(*name) && !together.targets.contains(*name)
        };
        let places = named.targets.iter().filter(target).count();
        let person = |of: &&Login| !self.persons.has(of) && !together.persons.contains(*of);
        let people = named.persons.iter().filter(person).count();
        let known = self.waiting.len() + self.followed.len();
        if known + together.tasks.len() + more > self.limit
            || self.targets.len() + together.targets.len() + places > TARGETS_MAX
            || self.persons.len() + together.persons.len() + people > WAITING_MAX
        {
            return May::Not(Cause::Full);
        }
        together.events.extend(coming.event.map(|(print, _)| print));
        let tasks = named.tasks.iter().filter(|task| {
            !(self.waiting.contains_key(*task) || self.followed.contains_key(*task))
        });
        together.tasks.extend(tasks.cloned());
        let targets = named
            .targets
            .iter()
            .filter(|name| !self.targets.contains_key(*name));
        together.targets.extend(targets.cloned());
        let persons = named.persons.iter().filter(|of| !self.persons.has(of));
        together.persons.extend(persons.cloned());
        May::Take
    }

    /// Takes an event that is on disk. One that names a task which waits already moves that to a new turn:
    /// a reading that has begun before it says nothing of what it tells.
    pub fn take(&mut self, coming: &Coming) {
        if let Some((print, until)) = coming.event {
            self.events.insert(print, until);
        }
        for task in &coming.named.tasks {
            self.wait(task.clone(), coming.road);
        }
        self.look_at(coming.named.targets.iter().cloned());
        for person in &coming.named.persons {
            self.persons.wait(person.clone());
        }
    }

    /// A task is named: it waits, or waits anew.
    pub fn wait(&mut self, task: TaskId, road: Road) {
        self.turn += 1;
        let turn = self.turn;
        let new = Waiting {
            turn,
            road,
            tries: 0,
            asked: false,
        };
        self.missed.remove(&task);
        if let Some(before) = self.waiting.insert(task.clone(), new) {
            self.order.remove(&before.turn);
        }
        self.order.insert(turn, task);
    }

    /// Remembers the id of an event that was taken in an earlier life.
    pub fn remember(&mut self, print: EventPrint, until: i64) {
        self.events.insert(print, until);
    }

    /// Targets are named: they wait to be looked at, or wait anew.
    pub fn look_at(&mut self, targets: impl IntoIterator<Item = TargetName>) {
        self.turn += 1;
        let turn = self.turn;
        self.targets
            .extend(targets.into_iter().map(|target| (target, turn)));
    }

    /// A task that was followed in an earlier life.
    pub fn follow(&mut self, task: TaskId, road: Road) {
        if let Some(before) = self.waiting.remove(&task) {
            self.order.remove(&before.turn);
        }
        self.followed.insert(task, road);
    }

    /// Forgets ids of events that would be refused by their timestamps anyway.
    pub fn forget_old(&mut self, now: i64) {
        self.events.retain(|_, until| *until >= now);
    }

    /// Those that are followed, in turn, then those that wait, the oldest first.
    pub fn hints(&self) -> Vec<Hint> {
        let last = self.last_followed.as_ref();
        let is_behind = |task: &TaskId| last.is_none_or(|last| task > last);
        let behind = self.followed.iter().filter(|(task, _)| is_behind(task));
        let before = self.followed.iter().filter(|(task, _)| !is_behind(task));
        let followed = behind.chain(before).map(|(task, road)| Hint {
            task: task.clone(),
            road: *road,
            followed: true,
            turn: self.waiting.get(task).map_or(0, |waiting| waiting.turn),
            missed: self.missed.contains(task),
        });
        let waiting = self.order.values().filter_map(|task| {
            let waiting = self.waiting.get(task)?;
            (!self.followed.contains_key(task)).then(|| Hint {
                task: task.clone(),
                road: waiting.road,
                followed: false,
                turn: waiting.turn,
                missed: self.missed.contains(task),
            })
        });
        followed.chain(waiting).collect()
    }

    /// A hint has come to this end; one that came for the same task since stays. Answers whether that has to
    /// be on disk: a task that is wanted again does not, it must come back after a kill.
    pub fn end(&mut self, hint: &Hint, end: HintEnd) -> bool {
        let later = self
            .waiting
            .get(&hint.task)
            .is_some_and(|waiting| waiting.turn != hint.turn);
        let mut changed = false;
        if !later {
            self.missed.remove(&hint.task);
        }
        if !later && let Some(waiting) = self.waiting.remove(&hint.task) {
            self.order.remove(&waiting.turn);
            changed = true;
        }
        if hint.followed {
            self.last_followed = Some(hint.task.clone());
        }
        if end == HintEnd::Followed {
            changed |= self.followed.insert(hint.task.clone(), hint.road) != Some(hint.road);
        } else {
            changed |= self.followed.remove(&hint.task).is_some() && !later;
        }
        changed
    }

    /// A task that needed no reading any more in an earlier life.
    pub fn gone(&mut self, task: &TaskId) {
        if let Some(waiting) = self.waiting.remove(task) {
            self.order.remove(&waiting.turn);
        }
        self.followed.remove(task);
        self.missed.remove(task);
    }

    /// A task was asked for in vain; answers whether that was the last time.
    pub fn in_vain(&mut self, hint: &Hint) -> bool {
        if hint.followed {
            self.last_followed = Some(hint.task.clone());
        }
        let Some(waiting) = self.waiting.get_mut(&hint.task) else {
            return false;
        };
        waiting.asked = waiting.turn == hint.turn;
        waiting.tries = waiting.tries.saturating_add(1);
        if waiting.tries >= TRIES {
            return true;
        }
        // others get their turn first
        self.order.remove(&waiting.turn);
        self.turn += 1;
        waiting.turn = self.turn;
        self.order.insert(self.turn, hint.task.clone());
        false
    }

    /// These targets were looked at; answers which of them wait no more: one that was named since waits for the next
    /// look.
    pub fn looked_at(&mut self, targets: &BTreeMap<TargetName, u64>) -> Vec<TargetName> {
        let over = targets
            .iter()
            .filter(|(target, turn)| self.targets.get(*target) == Some(*turn));
        let over: Vec<TargetName> = over.map(|(target, _)| target.clone()).collect();
        self.wait_no_more(&over);
        over
    }

    /// Targets that were looked at, maybe in an earlier life.
    pub fn wait_no_more(&mut self, targets: &[TargetName]) {
        for target in targets {
            self.targets.remove(target);
        }
    }

    /// By which road a hint for the task came, while it is waiting or followed.
    pub fn road_of(&self, task: &TaskId) -> Option<Road> {
        let followed = self.followed.get(task).copied();
        followed.or_else(|| Some(self.waiting.get(task)?.road))
    }

    /// Prints of the events that were taken, and until when they count.
    pub fn events(&self) -> impl Iterator<Item = (&EventPrint, i64)> {
        self.events.iter().map(|(print, until)| (print, *until))
    }

    /// Tasks that wait, in their order.
    pub fn in_order(&self) -> impl Iterator<Item = (&TaskId, Road)> {
        let tasks = self.order.values();
        tasks.filter_map(|task| Some((task, self.waiting.get(task)?.road)))
    }

    /// Tasks that are followed.
    pub fn in_sight(&self) -> impl Iterator<Item = (&TaskId, Road)> {
        self.followed.iter().map(|(task, road)| (task, *road))
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
