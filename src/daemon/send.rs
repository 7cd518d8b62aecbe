//! Starts PUTs when governor, queues and accounts allow, and takes in what came back; every item is claimed on disk right before its PUT.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::{Core, Done};
use super::evaluate::Behind;
use super::govern::outage_of;
use super::reread::{PersonRead, Readers, Rested, keep_unmoved, keep_unmoved_beneficiaries};
use super::under_way::{Why, takes_access};
use crate::dispatch::batch::{Batch, Pick};
use crate::dispatch::deliver::{Delivered, End, deliver};
use crate::governor::{Admitted, Answered, Governor, Lane, Leaving, NotAnswered};
use crate::ledger::record::{EventBody, Meta};
use crate::ledger::{
    ClaimRequest, Claimed, DecisionRecord, Entry, Index, LedgerError, Settled, VerifyItem,
};
use crate::model::{
    Action, ActionName, BatchId, Receipt, ReceiptStatus, Refusal, RefusalReason, TargetName,
};
use crate::oig::{Client, UnsentCause};
use crate::policy::PolicySet;

/// A PUT that has come to its end, or was never sent.
pub struct SendDone {
    /// The batch.
    pub batch: BatchId,
    /// The target.
    pub target: TargetName,
    /// The action.
    pub action: ActionName,
    /// The lane that it came from.
    pub lane: Lane,
    /// Items that were to go out, as told to the governor.
    pub planned: u32,
    /// What a person may have had to allow of it.
    pub leaving: Leaving,
    /// Items that the ledger did not claim, with why.
    pub refused: Vec<(Admitted, Refusal)>,
    /// What came back; `None` where nothing was left to send.
    pub delivered: Option<Delivered>,
    /// People who were read right before the claim.
    pub people: Vec<PersonRead>,
    /// How the ledger took it.
    pub settled: Vec<Settled>,
    /// The ledger's trouble, which ends the process.
    pub failed: Option<LedgerError>,
}

impl Core {
    /// Starts as many PUTs as are allowed now.
    pub async fn pump(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if self.stopping || self.queues.is_empty() {
            return Ok(());
        }
        self.drop_old(now).await?;
        if !self.settled_at_start {
            // what was found open is read before anything is sent (invariant 4)
            return Ok(());
        }
        let settle_after = self.settings.delivery.settle_after;
        let ledger = self.ledger.clone();
        // of a single login nobody else sends
        let one_login = self.logins.further().is_empty();
        for (lane, target) in self.queues.waiting() {
            // one that is not told for so long (a successor hours later, or hidden) proves
            // nothing about the target any more, and must not hold it back for ever
            let open = ledger.read(|index| index.open_since(&target, lane, now, settle_after));
            let Ok(max) = self.governor.next_batch(now, &target, lane, open) else {
                continue;
            };
            let (under_way, queues) = (&self.under_way, &mut self.queues);
            let (justifying, behind) = (&self.justifying, &self.behind);
            let sender = |item: &Admitted| {
                let of = (!one_login).then(|| behind.get(&item.decision().lineage));
                of.flatten()?.login.clone()
            };
            let pick = ledger.read(|index| {
                queues.take(lane, &target, max, &sender, &|item, process| {
                    let (lineage, revoke) = (item.decision().lineage, lane == Lane::Revoke);
                    let busy = match revoke {
                        true => index.on_the_way(process, now, settle_after),
                        false => index.is_open_on(process),
                    };
                    let process_of = Some(process);
                    let late = || index.late_until(process_of, lineage, revoke, now, settle_after);
                    let busy = busy || late().is_some() || justifying.holds(item);
                    busy || match takes_access(item.decision(), item.action()) {
                        true => !under_way.make_way(process),
                        false => under_way.holds(process),
                    }
                })
            });
            if let Some(pick) = pick {
                self.start_put(now, target, lane, pick);
            }
        }
        Ok(())
    }

    /// Why nothing is sent of a lane now, as the pump would be told; of a governor that is only asked.
    pub fn held_in(
        &self,
        governor: &mut Governor,
        lane: Lane,
        target: &TargetName,
        now: Timestamp,
    ) -> Option<Refusal> {
        let settle_after = self.settings.delivery.settle_after;
        let open = self
            .ledger
            .read(|index| index.open_since(target, lane, now, settle_after));
        governor.next_batch(now, target, lane, open).err()
    }

    /// How many items wait in the queues for what, at this moment.
    pub fn held_now(&self, now: Timestamp) -> BTreeMap<RefusalReason, u64> {
        let mut held = BTreeMap::new();
        let mut governor = self.governor.clone();
        for (lane, target, items) in self.queues.lanes() {
            if let Some(refusal) = self.held_in(&mut governor, lane, target, now) {
                *held.entry(refusal.reason).or_default() +=
                    u64::try_from(items).unwrap_or(u64::MAX);
            }
        }
        held
    }

    /// Nothing that waits to be sent is claimed any more, whether it is queued or read once more.
    pub fn drop_queued(&mut self, why: Why) {
        self.queues.clear();
        self.under_way.withdraw(why);
    }

    /// The soonest time for another cycle: reading may take at most a third of the time, also while
    /// there is much to do.
    pub fn soonest(&self, now: Timestamp) -> Timestamp {
        let took = SignedDuration::try_from(self.last.took).unwrap_or(SignedDuration::ZERO);
        let rest = took.checked_mul(2).unwrap_or(took);
        let after = self.last.at.and_then(|at| at.checked_add(rest).ok());
        after.map_or(now, |after| after.max(now))
    }

    /// People are read by the main login, and by the one that sends where that is stopped.
    fn people_readers(&self, sender: &Client) -> Readers {
        let main = &self.settings.server.login;
        let stopped = |index: &Index| index.login_stopped(main).is_some();
        let client = match self.ledger.read(stopped) {
            true => sender,
            false => &self.client,
        };
        Readers {
            client: client.clone(),
            roster: self.absences.roster(),
        }
    }

    fn start_put(&mut self, now: Timestamp, target: TargetName, lane: Lane, pick: Pick) {
        let (login, client) = match &pick.login {
            None => (self.settings.server.login.clone(), self.client.clone()),
            Some(login) => match self.logins.of(login) {
                Some(client) => (login.clone(), client.clone()),
                // a reload changes no logins; without its client nothing is claimed, and the next cycle tells
                None => return,
            },
        };
        let planned = u32::try_from(pick.items.len()).unwrap_or(u32::MAX);
        self.governor.sent(now, &target, lane, planned);
        let leaving = self.governor.counts(now, &pick.items);
        let batch = BatchId(uuid::Uuid::now_v7());
        let until = self.item_ends();
        let permit = self.under_way.start(batch, &pick.items, until);
        let reread = self.settings.delivery.reread_after;
        let old = self
            .queued_from
            .is_none_or(|from| now.duration_since(from) > reread);
        // others hand tasks on and write notes as well: what is not a retry is always read once more
        let old = old || pick.action != ActionName::Retry;
        let rows = pick
            .items
            .iter()
            .map(|item| self.behind.get(&item.decision().lineage));
        // nothing else carries it
        let requests = match pick.action {
            ActionName::Reassign => rows.clone().map(|row| row?.request.clone()).collect(),
            _ => vec![None; pick.items.len()],
        };
        let behind: Vec<Option<Behind>> = if old {
            rows.map(|row| row.cloned()).collect()
        } else {
            Vec::new()
        };
        let action = pick.action;
        let claim = ClaimRequest {
            batch: Batch {
                id: batch,
                target: target.clone(),
                action,
                items: pick.items,
            },
            requests,
            login,
            cycle: self.cycle,
            manual_ttl: self.settings.delivery.manual_ttl,
            settle_after: self.settings.delivery.settle_after,
        };
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        let policies = Arc::clone(&self.policies);
        let people = self.people_readers(&client);
        let anchor = self.anchoring.for_claims();
        self.jobs.spawn(async move {
            let mut claim = claim;
            let known = Rested {
                policies: &policies,
                ledger: &ledger,
                people: &people,
            };
            let moved = if old {
                keep_unmoved(&client, &clock, &known, &mut claim, behind, &permit).await
            } else {
                keep_unmoved_beneficiaries(&clock, &known, &mut claim, &permit).await
            };
            let mut done = SendDone {
                batch,
                target,
                action,
                lane,
                planned,
                leaving,
                refused: moved.refused,
                people: moved.people,
                delivered: None,
                settled: Vec::new(),
                failed: None,
            };
            if claim.batch.items.is_empty() {
                return Done::Sent(Box::new(done));
            }
            let turn = clock.clone();
            let leave = permit.clone();
            let sift = move |claim: &mut ClaimRequest| {
                let now = turn.now();
                (now, leave.begin(claim, now))
            };
            match ledger.claim_standing(claim, sift).await {
                Err(error) => done.failed = Some(error),
                Ok(claims) => {
                    for (item, _) in &claims.refused {
                        permit.give_up(item);
                    }
                    done.refused.extend(claims.refused);
                    let (batch, gone) = claims.batch.map_or((None, Vec::new()), |batch| {
                        let (gone, items) = batch
                            .items
                            .into_iter()
                            .partition(|item: &Claimed| ledger.is_missed(item.lineage()));
                        let left = Batch { items, ..batch };
                        ((!left.items.is_empty()).then_some(left), gone)
                    });
                    if !gone.is_empty() {
                        // it took the claim so long to come to the disk that a list came between
                        let why = "a whole list that was read since its claim does not show it; it was not sent";
                        tracing::info!(batch = %done.batch, items = gone.len(), %why, "not sent");
                        let why = Arc::from(why);
                        let receipt = |item: &Claimed| {
                            let why = Arc::clone(&why);
                            item.receipt(ReceiptStatus::Unsent { why }, clock.now())
                        };
                        let receipts = gone.iter().map(receipt).collect();
                        match ledger.settle(receipts, Duration::ZERO, clock.now()).await {
                            Ok(settled) => done.settled = settled,
                            Err(error) => done.failed = Some(error),
                        }
                    }
                    if let Some(batch) = batch.filter(|_| done.failed.is_none()) {
                        // a ledger that has failed sends nothing more; the claims stay open, and are read first
                        if let Err(error) = anchor.note(&ledger, &clock).await {
                            done.failed = Some(error);
                            return Done::Sent(Box::new(done));
                        }
                        let mut delivered = deliver(&client, &clock, batch).await;
                        if action == ActionName::Retry {
                            read_reasons(&policies, &mut delivered.receipts);
                        }
                        let receipts = delivered.receipts.clone();
                        match ledger.settle(receipts, delivered.took, clock.now()).await {
                            Ok(settled) => done.settled.extend(settled),
                            Err(error) => done.failed = Some(error),
                        }
                        done.delivered = Some(delivered);
                    }
                }
            }
            Done::Sent(Box::new(done))
        });
    }

    /// A PUT has ended: tell the governor, learn, log.
    pub async fn sent_done(&mut self, mut done: SendDone) -> Result<(), DaemonError> {
        let now = self.clock.now();
        // the ledger's index knows the open attempts: whatever else the batch held is free
        self.under_way.end(done.batch);
        let leaving = std::mem::take(&mut done.leaving);
        self.governor
            .claimed(now, &done.target, &leaving, &done.refused);
        if let Some(memory) = &mut self.memory {
            // the next cycle goes by what was read last; one that runs finds it out as this one did
            for (login, person, at) in done.people {
                memory.cache.store_person(&login, person, at, true);
            }
        }
        for (admitted, refusal) in &done.refused {
            tracing::info!(
                task = %admitted.decision().task,
                lineage = %admitted.decision().lineage,
                refusal = %refusal,
                "not claimed"
            );
            self.metrics.refused(refusal.reason, 1);
            if Why::Age.was_said(refusal) || Why::Ended.was_said(refusal) {
                self.next_tick = self.next_tick.min(self.soonest(now));
            }
        }
        let not_claimed = done.refused.iter().map(|(item, refusal)| DecisionRecord {
            decision: Arc::clone(item.shared()),
            refusal: Some(refusal.clone()),
            relook: refusal.until,
        });
        let not_claimed: Vec<DecisionRecord> = not_claimed.collect();
        if !not_claimed.is_empty() && done.failed.is_none() {
            self.record_decisions(not_claimed, now).await?;
        }
        let Some(delivered) = done.delivered else {
            self.governor
                .answered(now, &done.target, done.lane, Answered::default());
            // a reading right before the claim may have been refused
            self.login_changed(now).await?;
            return match done.failed {
                Some(error) => Err(error.into()),
                None => Ok(()),
            };
        };
        let counts = count(&delivered.receipts);
        self.governor.set_outage(self.ledger.read(outage_of));
        self.last.write_error = match &delivered.end {
            End::Unsent { why, .. } => Some(format!("{now:.0} to {}: {why}", done.target)),
            End::Answered | End::Unknown { .. } => None,
        };
        match &delivered.end {
            End::Answered => {
                self.governor.answered(
                    now,
                    &done.target,
                    done.lane,
                    Answered {
                        items: done.planned,
                        took: delivered.took,
                        ..counts
                    },
                );
            }
            End::Unsent { why, cause } => {
                self.governor
                    .whole_request_failed(now, &done.target, done.lane, None);
                tracing::warn!(target_system = %done.target, why = %why, "a batch was not sent");
                if *cause == UnsentCause::Login {
                    self.login_changed(now).await?;
                }
            }
            End::Unknown {
                why,
                status,
                retry_after,
                hung,
            } => {
                self.governor.not_answered(
                    now,
                    &done.target,
                    done.lane,
                    &NotAnswered {
                        items: u32::try_from(delivered.receipts.len()).unwrap_or(u32::MAX),
                        took: delivered.took,
                        hung: *hung,
                        status: *status,
                        retry_after: *retry_after,
                    },
                );
                if *status == Some(404) {
                    // what it named may be gone, or somebody else may have ended it: that is read at once
                    self.look_into(&delivered.receipts, now);
                }
                tracing::warn!(
                    target_system = %done.target,
                    items = done.planned,
                    why = %why,
                    "the end of a batch is not known; its tasks are re-read before anything else is done with them"
                );
            }
        }
        tracing::info!(
            target_system = %done.target,
            action = %done.action,
            batch = %delivered.receipts.first().map(|r| r.batch.to_string()).unwrap_or_default(),
            items = done.planned,
            accepted = counts.accepted,
            refused = counts.refused,
            unknown = counts.unknown,
            took_ms = u64::try_from(delivered.took.as_millis()).unwrap_or(u64::MAX),
            "sent"
        );
        let states = done.settled.chunk_by(|one, other| one.state == other.state);
        for some in states {
            if let Some(state) = some.first().and_then(|settled| settled.state) {
                let many = u64::try_from(some.len()).unwrap_or(u64::MAX);
                self.metrics.attempts(Some(&done.target), state, many);
            }
        }
        if let Some(error) = done.failed {
            return Err(error.into());
        }
        self.say_learned(&delivered.receipts);
        if counts.accepted + counts.unknown > 0 {
            self.look_soon(now);
        }
        // before the next claim can be on disk, this is: nothing waits for it here
        self.store_governor_soon(now).await
    }

    /// Reads what a request has named, and its accounts, with the next round of readings.
    fn look_into(&mut self, receipts: &[Receipt], now: Timestamp) {
        let items = self.ledger.read(|index| {
            let item = |receipt: &Receipt| {
                let attempt = index.open_attempt(receipt.lineage)?;
                Some(VerifyItem {
                    lineage: receipt.lineage,
                    ordinal: attempt.ordinal,
                    task: index.current_task(receipt.lineage)?,
                    process: attempt.process.clone(),
                    login: attempt.login.clone(),
                    read_process: attempt.process.is_some() && attempt.action == Action::Retry,
                    due: now,
                })
            };
            receipts.iter().filter_map(item).collect::<Vec<_>>()
        });
        self.looks.extend(items);
    }

    /// What was sent is looked for after `verify_first`, not with the next cycle of an idle pace.
    pub fn look_soon(&mut self, now: Timestamp) {
        let look = now.checked_add(self.settings.delivery.verify_first);
        self.look_again(now, look.ok());
    }

    /// Another look at that time, whatever pace or cron lines say: they bound what is sent. It comes
    /// later where reading would take too much of the time.
    pub fn look_again(&mut self, now: Timestamp, at: Option<Timestamp>) {
        let soonest = now + SignedDuration::from_secs(1);
        if let Some(at) = at {
            let look = at.max(soonest).max(self.soonest(now));
            self.next_tick = self.next_tick.min(look);
        }
    }

    /// OIG's word that a definition is not automated holds for all its tasks (contract section 9,
    /// point 13); the ledger has learned it with the receipt.
    fn say_learned(&mut self, receipts: &[Receipt]) {
        let mut said = HashSet::new();
        for receipt in receipts {
            if let ReceiptStatus::Refused {
                reason,
                manual: true,
            } = &receipt.status
                && let Some(definition) = self
                    .ledger
                    .read(|index| index.definition(receipt.lineage).cloned())
                && said.insert(definition.clone())
            {
                // what was queued before is not asked for any more
                let dropped = self.queues.drop_retries_of(&definition);
                self.under_way
                    .withdraw_where(Why::Manual, &|decision, action| {
                        action == &Action::Retry
                            && decision.definition.as_ref() == Some(&definition)
                    });
                tracing::info!(
                    definition = %definition,
                    reason = %reason,
                    dropped,
                    "OIG says that tasks of this definition are not automated; they are not retried until this expires or is forgotten"
                );
            }
        }
    }

    /// As [`Core::store_governor`], for what no answer to a person rests on: it does not wait for the disk.
    pub async fn place_governor(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if let Some((json, entry)) = self.changed_governor(now) {
            self.ledger.record_in_turn(entry).await?;
            self.governor_stored = Some(json);
        }
        Ok(())
    }

    /// As [`Core::place_governor`], without waiting for the ledger either, which may have much to do.
    pub async fn store_governor_soon(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if let Some((json, entry)) = self.changed_governor(now) {
            self.ledger.record_soon(entry).await?;
            self.governor_stored = Some(json);
        }
        Ok(())
    }

    /// Stores the governor's machines when they changed: breakers and back-offs outlive a restart.
    pub async fn store_governor(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if let Some((json, entry)) = self.changed_governor(now) {
            self.ledger.record(entry).await?;
            self.governor_stored = Some(json);
        }
        Ok(())
    }

    /// The governor's state as text and as an event, where it is not as last stored.
    fn changed_governor(&self, now: Timestamp) -> Option<(String, Entry)> {
        let state = self.governor.state();
        // plain values with text keys: serialising can't fail
        let json = serde_json::to_string(&state).unwrap_or_default();
        if json.is_empty() || self.governor_stored.as_ref() == Some(&json) {
            return None;
        }
        // the ledger cuts it into records; only a whole state takes the place of the one before
        let entry = Entry {
            body: EventBody::GovernorState {
                version: state.v,
                part: 0,
                of: 1,
                json: json.clone(),
            },
            meta: Meta::daemon(now, Some(self.cycle)),
        };
        Some((json, entry))
    }
}

/// What OIG says in refusing a retry is read by the policy set's own table as well: it may say "not automated" in other
/// words than the documented ones (contract section 4).
fn read_reasons(policies: &PolicySet, receipts: &mut [Receipt]) {
    for receipt in receipts {
        if let ReceiptStatus::Refused { reason, manual } = &mut receipt.status {
            *manual |= &*policies.reasons().class_of(reason).name == "manual";
        }
    }
}

fn count(receipts: &[Receipt]) -> Answered {
    let mut counts = Answered {
        took: Duration::ZERO,
        ..Answered::default()
    };
    for receipt in receipts {
        match receipt.status {
            ReceiptStatus::Accepted => counts.accepted += 1,
            ReceiptStatus::Refused { .. } => counts.refused += 1,
            ReceiptStatus::Unknown { .. } => counts.unknown += 1,
            ReceiptStatus::Unsent { .. } => {}
        }
    }
    counts
}
