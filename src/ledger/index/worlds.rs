//! What the index knows of the server behind the ids: ids that were given out twice, and whole worlds that were left behind; it never forgets what was done in them.

use std::sync::Arc;

use jiff::Timestamp;

use super::{HoldState, Index, TaskRef, flags};
use crate::ledger::facts::mark_of;
use crate::ledger::lineage::JoinKey;
use crate::ledger::record::{Redefined, ReusedItem};
use crate::model::LineageId;
use crate::model::task::DefinitionId;

impl Index {
    /// Since when the server's data are not those that are known here, and the evidence; nothing is
    /// sent until a person accepts it.
    pub fn other_world(&self) -> Option<(Timestamp, &Arc<str>)> {
        self.other_world.as_ref().map(|(since, why)| (*since, why))
    }

    /// True where the lineage's id is another task's now.
    pub fn is_retired(&self, lineage: LineageId) -> bool {
        self.lineage(lineage)
            .is_some_and(|of| of.has(flags::RETIRED))
    }

    /// An id is another task now: its lineage keeps what it had, and the id is free.
    pub(super) fn reuse(&mut self, item: &ReusedItem) {
        let id = TaskRef::from(&item.task);
        let mine = self.by_task.get(&id).copied().map(u64::from);
        if mine != Some(item.lineage.0) {
            return;
        }
        self.by_task.remove(&id);
        self.end_orders_of(item.lineage);
        self.end_orders_for(&item.task);
        self.not_left(item.lineage);
        self.handed.remove(&item.lineage);
        self.reused.insert(id, item.lineage);
        if let Some(of) = self.lineage_mut(item.lineage) {
            of.set(flags::RETIRED, true);
            of.set(flags::BASELINE, false);
        }
    }

    /// A definition has another key: its tasks are the same, and their successors show the new one.
    pub(super) fn redefine(&mut self, lineage: LineageId, now: &Redefined) {
        let target = self
            .lineage(lineage)
            .and_then(|of| self.definitions.get(of.definition))
            .map(|known| known.target.clone());
        let Some(target) = target else {
            return;
        };
        let definition = self.definitions.put(&DefinitionId {
            target,
            definition: format!("#{}", now.definition).into(),
        });
        let key = JoinKey::of(
            now.process.as_ref().map(|p| p.as_str()),
            Some(now.definition.as_str()),
            now.user.as_ref().map(|u| u.as_str()),
            now.child.as_ref(),
        );
        let process = mark_of(now.process.as_ref());
        let before = self.lineage(lineage).map_or(0, |of| of.process);
        if process != 0 && process != before {
            self.also_on(lineage, now.process.as_ref());
        }
        if let Some(of) = self.lineage_mut(lineage) {
            of.definition = definition;
            if process != 0 && process != of.process {
                of.set(flags::MOVED, of.process != 0);
                of.process = process;
            }
            // a row that doesn't show its account has none
            of.key = key.or(of.key);
        }
    }

    /// Notes the highest id.
    pub(super) fn raise_top(&mut self, task: &TaskRef) {
        if let TaskRef::Number(number) = task {
            self.top = self.top.max(*number);
        }
    }

    /// The store belongs to this server; where it was another's before, nobody has looked yet.
    pub(super) fn bind(&mut self, fingerprint: &str) {
        let before = self.fingerprint.replace(fingerprint.to_owned());
        self.moved |= before.is_some_and(|before| before != fingerprint);
    }

    /// A person has said that the server is the known one.
    pub(super) fn keep_world(&mut self) {
        self.other_world = None;
        self.moved = false;
    }

    /// A person has accepted another world: all ids are free, and the backlog is to be taken anew.
    pub(super) fn leave_world(&mut self, up_to: LineageId) {
        self.other_world = None;
        self.moved = false;
        self.baseline = None;
        self.baseline_of.clear();
        self.top = 0;
        self.reused.clear();
        self.orders.clear();
        self.holds
            .retain(|_, hold| hold.state == HoldState::Rejected);
        self.by_task.retain(|_, of| u64::from(*of) > up_to.0);
        // what is closed has not merely left, whatever an attempt of a lost interval did
        self.left.retain(|of, _| *of > up_to);
        self.handed.retain(|of, _| *of > up_to);
        self.lost_up_to = None;
        for (n, of) in (1u64..).zip(self.lineages.iter_mut()) {
            if n <= up_to.0 {
                of.set(flags::RETIRED | flags::DONE, true);
                of.set(flags::AMBIGUOUS | flags::BASELINE | flags::LEFT, false);
            }
        }
        let open = &mut self.open;
        self.attempts.retain(|of, attempt| {
            let stays = *of > up_to;
            if !stays && attempt.state.is_open() {
                open.remove(attempt);
            }
            stays
        });
    }
}
