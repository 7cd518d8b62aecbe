//! The batches between queue and answer: whose accounts they hold, and whether they may still be claimed; what was withdrawn before its claim began is never claimed.
//!
//! A batch has left the queue when it is read once more, so that emptying the queue does not reach it.
//! Core and batch therefore share a permit, and the permit is used up on the ledger's own thread, as
//! the first act of the claim. Whoever withdraws (a pause, a reload, a newer cycle) either comes before
//! that, and nothing of the batch is claimed, or after it, and the batch counts as on its way. A pause
//! is confirmed only after its record is on disk, so that no claim follows that record but of what was
//! queued after the pause.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::governor::Admitted;
use crate::ledger::ClaimRequest;
use crate::model::hash::FastMap;
use crate::model::{
    Action, BatchId, Decision, LineageId, ProcessKey, Refusal, RefusalReason, Scope,
};

/// Why something that waited for its claim may not be claimed any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// A person's order stops it.
    Order,
    /// Configuration or policies were read again.
    Reload,
    /// The daemon is shutting down.
    Shutdown,
    /// The login was stopped.
    Login,
    /// The list could not be read any more.
    CycleFailed,
    /// A newer cycle does not want it, or not so.
    NewerCycle,
    /// OIG has said that its definition is not automated.
    Manual,
    /// The facts behind it are too old by now.
    Age,
    /// What they say has ended since: a last day, an absence, or that somebody is there.
    Ended,
    /// Something that takes access away on the same account goes first.
    Revoke,
    /// The server is another one than the store knows.
    OtherWorld,
    /// Somebody else acts under this login.
    Another,
}

/// True for what goes before everything else of its account: the retry of a revoke or disable.
pub fn takes_access(decision: &Decision, action: &Action) -> bool {
    decision.kind.takes_access() && *action == Action::Retry
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Order => "an order",
            Self::Reload => "a reload",
            Self::Shutdown => "the shutdown",
            Self::Login => "the stopped login",
            Self::CycleFailed => "a cycle that could not read the list",
            Self::NewerCycle => "a newer cycle",
            Self::Manual => "the definition is not automated",
            Self::Age => "the age of its facts",
            Self::Ended => "the end of what it rests on",
            Self::Revoke => "a revoke of its account",
            Self::OtherWorld => "a server that is not the known one",
            Self::Another => "somebody else who acts under this login",
        })
    }
}

impl Why {
    /// Why an item that may be claimed until `until` may not be claimed at `now`, if so.
    pub fn too_late(item: &Admitted, until: Timestamp, now: Timestamp) -> Option<Self> {
        if now >= item.ends() {
            return Some(Self::Ended);
        }
        (now > until).then_some(Self::Age)
    }

    /// True where that is what was said.
    pub fn was_said(self, refusal: &Refusal) -> bool {
        let by = self.to_string();
        let values = &refusal.values;
        refusal.reason == RefusalReason::Withdrawn
            && values
                .iter()
                .any(|(key, value)| key == "by" && *value == by)
    }

    /// What is said of an item that may not be claimed any more.
    pub fn refusal(self, item: &Admitted) -> Refusal {
        let scope = Scope::Task(item.decision().task.clone());
        let refusal = Refusal::new(RefusalReason::Withdrawn, scope).with("by", self);
        match item.facts_from() {
            Some(from) if self == Self::Age => refusal.with("facts_from", from),
            _ if self == Self::Ended => refusal.with("ended", item.ends()),
            _ => refusal,
        }
    }
}

/// What is known of an item while its batch is on its way.
#[derive(Debug)]
struct Item {
    decision: Arc<Decision>,
    action: Action,
    withdrawn: Option<Why>,
    /// Until when it may be claimed: its facts are too old afterwards.
    until: Timestamp,
}

#[derive(Debug)]
struct State {
    items: FastMap<LineageId, Item>,
    /// The claim has begun: too late to withdraw.
    claiming: bool,
}

/// One batch's leave to be claimed; clones share it.
#[derive(Clone, Debug)]
pub struct Permit(Arc<Mutex<State>>);

impl Permit {
    fn new(items: &[Admitted], until: impl Fn(&Admitted) -> Timestamp) -> Self {
        let items = items.iter().map(|item| {
            let known = Item {
                decision: Arc::clone(item.shared()),
                action: item.action().clone(),
                withdrawn: None,
                until: until(item),
            };
            (item.decision().lineage, known)
        });
        Self(Arc::new(Mutex::new(State {
            items: items.collect(),
            claiming: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when an item may be claimed; one that is not of the batch never may.
    pub fn until(&self, item: &Admitted) -> Timestamp {
        let state = self.state();
        let known = state.items.get(&item.decision().lineage);
        known.map_or(Timestamp::MIN, |known| known.until)
    }

    /// An item is refused before its claim: it is not claimed any more, and frees its account at once,
    /// however long the rest of the batch is on its way.
    pub fn give_up(&self, item: &Admitted) {
        self.state().items.remove(&item.decision().lineage);
    }

    /// Why an item may not be claimed at `now`, if so.
    pub fn refusal(&self, item: &Admitted, now: Timestamp) -> Option<Refusal> {
        self.state().refusal(item, now)
    }

    /// The claim begins: takes out what may not be claimed any more. From here on nothing of the
    /// batch can be withdrawn. For the ledger's thread.
    pub fn begin(&self, claim: &mut ClaimRequest, now: Timestamp) -> Vec<(Admitted, Refusal)> {
        let mut state = self.state();
        let items = std::mem::take(&mut claim.batch.items);
        let mut requests = std::mem::take(&mut claim.requests).into_iter();
        let mut refused = Vec::new();
        for item in items {
            let request = requests.next().flatten();
            if let Some(refusal) = state.refusal(&item, now) {
                state.items.remove(&item.decision().lineage);
                refused.push((item, refusal));
            } else {
                claim.batch.items.push(item);
                claim.requests.push(request);
            }
        }
        // where nothing is left there is nothing on its way
        state.claiming = !claim.batch.items.is_empty();
        refused
    }
}

impl State {
    fn refusal(&self, item: &Admitted, now: Timestamp) -> Option<Refusal> {
        let why = match self.items.get(&item.decision().lineage) {
            Some(known) => known
                .withdrawn
                .or_else(|| Why::too_late(item, known.until, now))?,
            // not ours to claim
            None => Why::NewerCycle,
        };
        Some(why.refusal(item))
    }

    fn holds(&self, process: &ProcessKey) -> bool {
        let mut items = self.items.values();
        items
            .any(|item| item.withdrawn.is_none() && item.decision.process.as_ref() == Some(process))
    }

    /// Withdraws the account's item, unless its claim has begun or it takes access away itself; false
    /// where one is left.
    fn make_way(&mut self, process: &ProcessKey) -> bool {
        self.withdraw(Why::Revoke, &|decision, action| {
            decision.process.as_ref() == Some(process) && !takes_access(decision, action)
        });
        !self.holds(process)
    }

    fn withdraw(&mut self, why: Why, unwanted: &dyn Fn(&Decision, &Action) -> bool) {
        if self.claiming {
            return;
        }
        for item in self.items.values_mut() {
            if item.withdrawn.is_none() && unwanted(&item.decision, &item.action) {
                item.withdrawn = Some(why);
            }
        }
    }
}

/// A batch from the queue to its answer.
#[derive(Debug)]
struct Entry {
    permit: Permit,
    processes: Vec<ProcessKey>,
}

/// All batches on their way. Each ends with everything that it held.
#[derive(Debug, Default)]
pub struct UnderWay {
    batches: HashMap<BatchId, Entry>,
    /// Accounts of all of them, with their batches: no second write may go to one (invariant 8). A batch
    /// whose item was withdrawn may still be there when another one holds the account.
    accounts: FastMap<ProcessKey, usize>,
}

impl UnderWay {
    /// A batch has left the queue; each of its items may be claimed until `until`.
    pub fn start(
        &mut self,
        batch: BatchId,
        items: &[Admitted],
        until: impl Fn(&Admitted) -> Timestamp,
    ) -> Permit {
        let permit = Permit::new(items, until);
        let processes: Vec<ProcessKey> = items
            .iter()
            .filter_map(|item| item.process().cloned())
            .collect();
        for process in &processes {
            *self.accounts.entry(process.clone()).or_default() += 1;
        }
        let entry = Entry {
            permit: permit.clone(),
            processes,
        };
        self.batches.insert(batch, entry);
        permit
    }

    /// A batch has ended: claimed and answered, or refused. The ledger's index knows what is open.
    pub fn end(&mut self, batch: BatchId) {
        for process in self
            .batches
            .remove(&batch)
            .map_or(Vec::new(), |e| e.processes)
        {
            if let Some(batches) = self.accounts.get_mut(&process) {
                *batches -= 1;
                if *batches == 0 {
                    self.accounts.remove(&process);
                }
            }
        }
    }

    /// True while a batch holds an item of the account that may still be claimed, or is.
    pub fn holds(&self, process: &ProcessKey) -> bool {
        let mut batches = self.batches.values();
        self.accounts.contains_key(process) && batches.any(|of| of.permit.state().holds(process))
    }

    /// Frees the account for what takes access away: whatever else is only being read once more before
    /// its claim goes after it. False where a write is in flight already, or another revoke goes.
    pub fn make_way(&self, process: &ProcessKey) -> bool {
        let mut batches = self.batches.values();
        !self.accounts.contains_key(process)
            || batches.all(|of| of.permit.state().make_way(process))
    }

    /// True where no batch is on its way.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// How many of them are being claimed, or claimed and not answered: exactly what a withdrawal does
    /// not reach.
    pub fn claimed(&self) -> usize {
        let batches = self.batches.values();
        batches.filter(|of| of.permit.state().claiming).count()
    }

    /// True where nothing is left that a withdrawal could reach.
    pub fn all_claimed(&self) -> bool {
        self.claimed() == self.batches.len()
    }

    /// True where the lineage is in a batch that may still be claimed, or is.
    pub fn carries(&self, lineage: LineageId) -> bool {
        self.batches.values().any(|of| {
            let state = of.permit.state();
            let item = state.items.get(&lineage);
            item.is_some_and(|item| item.withdrawn.is_none())
        })
    }

    /// Withdraws whatever is not being claimed yet.
    pub fn withdraw(&self, why: Why) {
        self.withdraw_where(why, &|_, _| true);
    }

    /// Withdraws some of what is not being claimed yet.
    pub fn withdraw_where(&self, why: Why, unwanted: &dyn Fn(&Decision, &Action) -> bool) {
        for of in self.batches.values() {
            of.permit.state().withdraw(why, unwanted);
        }
    }
}

#[cfg(test)]
mod tests;
