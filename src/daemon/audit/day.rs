//! Folds the journal of a span of time into the report of a day, record by record; what is not on record is not in it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::about::Known;
use super::row::rows;
use crate::daily::{
    AttemptsRow, Daily, Healed, NAMED, NotesRow, OrderLine, RequestsRow, SCHEMA, WaitingRow,
    WouldRow,
};
use crate::ledger::Index;
use crate::ledger::record::{Actor, DecidedItem, Event, EventBody, How, RecordError, decode, link};
use crate::model::attempt::next;
use crate::model::{
    ActionName, AttemptEvent, AttemptState, BatchId, LineageId, Login, RefusalReason, TargetName,
    TaskId, Verdict,
};

/// So much may times lie out of order without a word: what is recorded together was not begun together.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// Only the time of a record.
#[derive(Deserialize)]
struct Timed {
    at: Timestamp,
}

/// True where a record is older than that moment; one that can't be read is no older than anything.
pub fn is_before(text: &str, than: Timestamp) -> bool {
    serde_json::from_str(text).is_ok_and(|timed: Timed| timed.at < than)
}

/// Which records bear times that are out of order with those around them.
#[derive(Debug, Default)]
struct Order {
    /// The latest time so far.
    latest: Option<Timestamp>,
    /// Records of the span that are in order so far, by their time.
    in_order: BTreeMap<Timestamp, u64>,
    /// The others.
    out_of_order: u64,
}

impl Order {
    fn take(&mut self, at: Timestamp, inside: bool) {
        // what came earlier, and says that it was much later
        if let Ok(by) = at.checked_add(APART) {
            let (mut ahead, mut kept) = (0, None);
            while let Some((last, many)) = self.in_order.pop_last() {
                if last <= by {
                    kept = Some((last, many));
                    break;
                }
                ahead += many;
            }
            self.in_order.extend(kept);
            self.out_of_order += ahead;
        }
        let behind = self
            .latest
            .is_some_and(|latest| latest.duration_since(at) > APART);
        self.latest = self.latest.max(Some(at));
        match (inside, behind) {
            (true, true) => self.out_of_order += 1,
            (true, false) => *self.in_order.entry(at).or_default() += 1,
            (false, _) => {}
        }
    }
}

/// An attempt whose end may fall into the span.
#[derive(Debug)]
struct Attempted {
    target: TargetName,
    action: ActionName,
    state: AttemptState,
    /// Claimed in the span.
    inside: bool,
}

/// What was last decided about a piece of work, in small.
#[derive(Debug)]
struct Decided {
    task: TaskId,
    at: Timestamp,
    /// Who has to look, and for what reason; `None`: nobody.
    person: Option<Arc<str>>,
}

/// An act that was wanted in the span and held back.
#[derive(Debug)]
struct Wanted {
    task: TaskId,
    action: ActionName,
    held_by: RefusalReason,
    by_us: bool,
    by_others: bool,
}

/// The fold.
#[derive(Debug)]
pub struct Day {
    from: Timestamp,
    to: Timestamp,
    index: Index,
    known: Known,
    /// Whose sightings, decisions and claims are of the span.
    logins: BTreeSet<Login>,
    attempts: HashMap<(LineageId, u32), Attempted>,
    decided: HashMap<LineageId, Decided>,
    wanted: HashMap<LineageId, Wanted>,
    healed: Healed,
    by_others: u64,
    left_lists: BTreeSet<LineageId>,
    orders: Vec<OrderLine>,
    notes: NotesRow,
    requests: RequestsRow,
    unreadable: u64,
    order: Order,
    /// The requests of the span.
    batches: HashSet<BatchId>,
    /// Records that were written before the end, and bear a later time.
    ahead: u64,
    settle_after: SignedDuration,
}

impl Day {
    /// From one time on, before another. What is taken in is all that was written until that end, whatever
    /// times it bears: where the clock was ahead, records of that time are no less true, and only not the
    /// span's own.
    pub fn new(from: Timestamp, to: Timestamp, settle_after: SignedDuration) -> Self {
        Self {
            from,
            to,
            index: Index::default(),
            known: Known::default(),
            logins: BTreeSet::new(),
            attempts: HashMap::new(),
            decided: HashMap::new(),
            wanted: HashMap::new(),
            healed: Healed::default(),
            by_others: 0,
            left_lists: BTreeSet::new(),
            orders: Vec::new(),
            notes: NotesRow::default(),
            requests: RequestsRow::default(),
            unreadable: 0,
            order: Order::default(),
            batches: HashSet::new(),
            ahead: 0,
            settle_after,
        }
    }

    /// Takes in the next record.
    ///
    /// # Errors
    /// It was written by a newer program.
    pub fn take(&mut self, text: &str) -> Result<(), RecordError> {
        let event = match decode(text.as_bytes()) {
            Ok(event) => event,
            Err(newer @ RecordError::Newer(_)) => return Err(newer),
            Err(_) => {
                self.unreadable += 1;
                return Ok(());
            }
        };
        // by the time up to which it counts: one that is written at the very end is of this span
        if let EventBody::Requests {
            from,
            to,
            reads,
            tokens,
        } = event.body
            && to > self.from
            && to <= self.to
        {
            self.requests.add_reads(from, to, reads + tokens);
        }
        self.order.take(event.at, self.is_inside(event.at));
        // what is written at the very end, or by whoever is asked now, is not of another time
        self.ahead += u64::from(event.at.duration_since(self.to) > APART);
        let digest = link(&event, text.as_bytes());
        self.known
            .learn(&event.body, event.login.as_ref(), event.policy.as_ref());
        self.look(&event);
        self.index.apply(&event, digest);
        Ok(())
    }

    fn is_inside(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whose lists and claims an event of the span is of.
    fn name(&mut self, event: &Event) {
        match &event.body {
            EventBody::LineagesOpened { .. }
            | EventBody::LineagesJoined { .. }
            | EventBody::Seen { .. }
            | EventBody::Claims { .. }
            | EventBody::JustificationClaimed { .. } => {
                let new = event.login.as_ref();
                self.logins
                    .extend(new.filter(|of| !self.logins.contains(of)).cloned());
            }
            EventBody::Decided { items } => {
                for item in items {
                    if let Some(seer) = self.known.seer(item.lineage)
                        && !self.logins.contains(seer)
                    {
                        self.logins.insert(seer.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// The logins whose work is told, the store's own first.
    fn logins(&self) -> Vec<Login> {
        let world = self
            .index
            .world()
            .and_then(|world| world.split_once(" as "));
        let own = world.map(|(_, login)| Login::new(login));
        let others = self.logins.iter().filter(|of| own.as_ref() != Some(of));
        own.iter().chain(others).cloned().collect()
    }

    fn look(&mut self, event: &Event) {
        let inside = self.is_inside(event.at);
        if inside {
            self.name(event);
        }
        match &event.body {
            EventBody::Claims {
                batch,
                target,
                action,
                items,
            } => {
                // one request may have been claimed in several records
                if inside && self.batches.insert(*batch) {
                    self.requests.writes += 1;
                }
                for item in items {
                    let attempted = Attempted {
                        target: target.clone(),
                        action: *action,
                        state: AttemptState::Claimed,
                        inside,
                    };
                    self.attempts
                        .insert((item.lineage, item.ordinal), attempted);
                }
            }
            EventBody::Receipts { items, .. } => {
                for item in items {
                    let key = (item.lineage, item.ordinal);
                    self.step(key, item.status.event(), inside);
                }
            }
            EventBody::Outcomes { items } => {
                for item in items {
                    self.step((item.lineage, item.ordinal), item.event, inside);
                }
            }
            EventBody::LineagesJoined { items } => {
                for item in items.iter().filter(|item| item.how == How::Foreign) {
                    self.by_others += u64::from(inside);
                    self.others(item.lineage);
                }
            }
            EventBody::LineagesLeft {
                lineages,
                reason: None,
                ..
            } if inside => self.left_lists.extend(lineages.iter().copied()),
            EventBody::Seen { items } => {
                for item in items {
                    if item.foreign {
                        self.by_others += u64::from(inside);
                        self.others(item.lineage);
                    }
                    if crate::model::TaskStatus::parse(&item.status).is_finished() {
                        self.others(item.lineage);
                    }
                }
            }
            EventBody::Decided { items } => {
                for item in items {
                    self.decided(item, event.at, inside);
                }
            }
            EventBody::JustificationClaimed { .. } if inside => {
                self.notes.claimed += 1;
                self.requests.writes += 1;
            }
            EventBody::JustificationEnded { seen: true, .. } if inside => self.notes.seen += 1,
            _ => {}
        }
        // a pause that the daemon orders itself is one as well
        let is_order = matches!(event.actor, Actor::Person { .. })
            || matches!(event.body, EventBody::Paused { .. });
        if inside && is_order {
            for row in rows(event.clone(), &self.known) {
                let subject = row.subject();
                let line = OrderLine {
                    at: event.at,
                    who: row.actor,
                    event: row.event.to_owned(),
                    about: Vec::new(),
                    what: row.result,
                    why: row.reason,
                    works: 1,
                };
                // one order about many tasks has a row for each
                match self.orders.last_mut() {
                    Some(last) if last.is_of_one_order_with(&line) => last.works += 1,
                    _ => self.orders.push(line),
                }
                if let Some(last) = self.orders.last_mut()
                    && last.about.len() < NAMED
                    && !subject.is_empty()
                {
                    last.about.push(subject);
                }
            }
        }
    }

    fn others(&mut self, lineage: LineageId) {
        if let Some(wanted) = self.wanted.get_mut(&lineage) {
            wanted.by_others = true;
        }
    }

    fn step(&mut self, key: (LineageId, u32), event: AttemptEvent, inside: bool) {
        let Some(attempted) = self.attempts.get_mut(&key) else {
            return;
        };
        let Some(state) = next(attempted.state, event) else {
            return;
        };
        attempted.state = state;
        // a person's word is no reading
        let read = state == AttemptState::Completed && event == AttemptEvent::ReadCompleted;
        if read && let Some(wanted) = self.wanted.get_mut(&key.0) {
            wanted.by_us = true;
        }
        if inside && read && attempted.action == ActionName::Retry {
            self.healed.tasks += 1;
            *self
                .healed
                .by_target
                .entry(attempted.target.clone())
                .or_default() += 1;
            *self.healed.by_attempts.entry(key.1).or_default() += 1;
            let apart = self.index.is_apart(key.0, self.settle_after);
            self.healed.doubtful += u64::from(apart);
        }
        if !state.is_open() && state != AttemptState::Gone && !attempted.inside {
            self.attempts.remove(&key);
        }
    }

    fn decided(&mut self, item: &DecidedItem, at: Timestamp, inside: bool) {
        let refused = item.refusal.as_ref();
        let person: Option<Arc<str>> = match (&item.verdict, &item.fault, refused) {
            (_, Some(_), _) => Some("policy_failed".into()),
            (Some(Verdict::Ask { .. }), _, _) => Some("ask".into()),
            // what waits for a first release is told among what would have been done
            (_, _, Some(refusal)) if refusal.needs_person && !would_act(refusal.reason) => {
                Some(refusal.reason.as_str().into())
            }
            _ => None,
        };
        if let (true, Some(Verdict::Act { action, .. }), Some(refusal)) =
            (inside, &item.verdict, refused)
            && would_act(refusal.reason)
        {
            let wanted = Wanted {
                task: item.task.clone(),
                action: action.name(),
                held_by: refusal.reason,
                by_us: false,
                by_others: false,
            };
            self.wanted.entry(item.lineage).or_insert(wanted);
        }
        let decided = Decided {
            task: item.task.clone(),
            at,
            person,
        };
        self.decided.insert(item.lineage, decided);
    }

    /// The report; how it stands now is added by who can ask.
    pub fn end(self) -> Daily {
        // what is shown again has not left them
        let gone = self.left_lists.iter();
        let gone = gone.filter(|of| !self.index.is_handed_away(**of));
        let left_lists = count(gone.filter(|of| self.index.left(**of).is_some()).count());
        let mut attempts: BTreeMap<(TargetName, ActionName), AttemptsRow> = BTreeMap::new();
        for of in self.attempts.values().filter(|of| of.inside) {
            let row = attempts
                .entry((of.target.clone(), of.action))
                .or_insert_with(|| AttemptsRow {
                    target: of.target.clone(),
                    action: of.action,
                    attempts: 0,
                    states: BTreeMap::new(),
                });
            row.attempts += 1;
            *row.states.entry(of.state).or_default() += 1;
        }
        let policy = self.index.policy_in_force().cloned();
        Daily {
            schema: SCHEMA,
            from: self.from,
            to: self.to,
            store: self.index.store_id().unwrap_or("-").to_owned(),
            world: self.index.world().map(str::to_owned),
            logins: self.logins(),
            configured: None,
            mode: self.index.mode(),
            policy_released: policy
                .as_ref()
                .is_some_and(|hash| self.index.released(hash)),
            policy,
            attempts: attempts.into_values().collect(),
            given_up: self.given_up(),
            would_have: self.would_have(),
            healed: self.healed,
            by_others: self.by_others,
            left_lists,
            orders: self.orders,
            notes: self.notes,
            requests: self.requests,
            now: None,
            unreadable: self.unreadable,
            out_of_order: self.order.out_of_order,
            ahead: self.ahead,
        }
    }

    /// What was given to people in the span, and has not been done, decided otherwise or attempted since.
    fn given_up(&self) -> Vec<WaitingRow> {
        let mut rows: BTreeMap<(Option<TargetName>, Arc<str>), Vec<TaskId>> = BTreeMap::new();
        for (lineage, decided) in &self.decided {
            let Some(reason) = &decided.person else {
                continue;
            };
            if !self.is_inside(decided.at)
                || self.index.is_done(*lineage)
                || self.index.left(*lineage).is_some()
            {
                continue;
            }
            let target = self.index.target(*lineage).cloned();
            rows.entry((target, Arc::clone(reason)))
                .or_default()
                .push(decided.task.clone());
        }
        let rows = rows.into_iter().map(|((target, reason), mut tasks)| {
            let many = count(tasks.len());
            tasks.sort_by(TaskId::cmp_numeric);
            tasks.truncate(NAMED);
            WaitingRow {
                target,
                reason,
                tasks: many,
                named: tasks,
            }
        });
        rows.collect()
    }

    fn would_have(&self) -> Vec<WouldRow> {
        let mut rows: BTreeMap<(Option<TargetName>, ActionName, &'static str), WouldRow> =
            BTreeMap::new();
        for (lineage, wanted) in &self.wanted {
            let target = self.index.target(*lineage).cloned();
            let key = (target.clone(), wanted.action, wanted.held_by.as_str());
            let row = rows.entry(key).or_insert_with(|| WouldRow {
                target,
                action: wanted.action,
                held_by: wanted.held_by,
                tasks: 0,
                done_by_others: 0,
                done_by_us: 0,
                under_way: 0,
                left_lists: 0,
                left: 0,
                named: Vec::new(),
            });
            row.tasks += 1;
            match (wanted.by_us, wanted.by_others) {
                (true, _) => row.done_by_us += 1,
                (false, true) => row.done_by_others += 1,
                (false, false) if self.index.open_attempt(*lineage).is_some() => row.under_way += 1,
                (false, false) if self.index.left(*lineage).is_some() => row.left_lists += 1,
                (false, false) => {
                    row.left += 1;
                    row.named.push(wanted.task.clone());
                }
            }
        }
        let mut rows: Vec<WouldRow> = rows.into_values().collect();
        for row in &mut rows {
            row.named.sort_by(TaskId::cmp_numeric);
            row.named.truncate(NAMED);
        }
        rows
    }
}

/// What keeps an act back that would be done once a person trusts the daemon with it.
fn would_act(reason: RefusalReason) -> bool {
    matches!(
        reason,
        RefusalReason::ModeObserve
            | RefusalReason::PolicyNotReleased
            | RefusalReason::NotProbed
            | RefusalReason::Baseline
    )
}

fn count(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}
