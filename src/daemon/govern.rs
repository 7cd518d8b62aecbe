//! Asks the governor about what the guards have passed, queues what may go, and records every decision that changed; it sends nothing.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use std::sync::Arc;

use super::DaemonError;
use super::core::Core;
use super::evaluate::{Behind, Evaluated, Proposal, Rest};
use super::memory::Refused;
use super::ordered::OrderWait;
use super::reload::acts_from;
use super::seen::Seen;
use super::under_way::Why;
use crate::governor::{Admitted, Hold, HoldStatus, Outage, Standing};
use crate::guard::Passed;
use crate::ledger::record::{Actor, EventBody, Meta};
use crate::ledger::{DecidedCount, DecisionRecord, Entry, HoldState, Index, Taken};
use crate::model::hash::{FastMap, FastSet};
use crate::model::settings::Schedule;
use crate::model::{
    Action, ActionName, Decision, Digest, LineageId, Login, Mode, Refusal, RefusalReason, Scope,
    TargetName, TaskId, Verdict,
};

/// Decisions that are handed to the ledger in one go.
const RECORDS_AT_ONCE: usize = 4096;
/// Such parts that the ledger may have before it.
const PARTS_AT_ONCE: usize = 2;

impl Core {
    /// How things stand with everything that is not the governor's own.
    pub fn standing(&self, snapshot_ok: bool) -> Standing {
        let hash = self.policies.hash();
        let world_mismatch = self.mismatch();
        self.ledger.read(|index| Standing {
            policy_released: index.released(hash),
            unprobed: self.unprobed.all.clone(),
            login_stopped: self.all_stopped(index),
            world_mismatch,
            snapshot_ok,
            anchor_missing: self.anchoring.missing(),
            store_ok: self.ledger.failed().is_none(),
            shutting_down: self.stopping,
            outage: outage_of(index),
        })
    }

    /// True where the first-day backlog is known, or nothing would be sent anyway.
    pub fn has_baseline(&self) -> bool {
        !self.enforces() || self.ledger.read(|index| index.baseline().is_some())
    }

    /// Further logins whose whole backlog was seen by now, and is not on record as such.
    pub fn known_backlogs(&self, seen: &Seen) -> Vec<Login> {
        let further = seen.logins.get(1..).unwrap_or_default();
        if further.is_empty() || !self.enforces() {
            return Vec::new();
        }
        let known = further.iter().filter(|of| of.read && of.is_known());
        self.ledger.read(|index| {
            let new = known.filter(|of| !index.has_baseline_of(&of.login));
            new.map(|of| of.login.clone()).collect()
        })
    }

    /// A further login that came after enforce was switched on: what it has shown up to now waits for a person
    /// already, and that is all of its backlog.
    pub async fn take_backlogs_of(
        &mut self,
        logins: Vec<Login>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        if logins.is_empty() || self.ledger.read(|index| index.baseline().is_none()) {
            return Ok(());
        }
        let names: Vec<&str> = logins.iter().map(Login::as_str).collect();
        tracing::warn!(
            logins = %names.join(", "),
            "the whole list of a further login was read for the first time since enforce is on: what only it has shown until now belongs to the old backlog and is left until a person releases it (`provtaskd inbox`, `provtaskd approve baseline:TARGET`), unless a person has; what it shows first from now on is new"
        );
        self.ledger
            .take_baseline(Actor::Daemon, logins, now)
            .await?;
        Ok(())
    }

    /// When caps that begin anew now would begin anew again: no sooner than a cycle is due by the schedule,
    /// whatever brings one forward.
    pub fn caps_until(&self, now: Timestamp) -> Timestamp {
        match &self.settings.schedule.when {
            Schedule::Every { every, .. } => now.checked_add(*every).unwrap_or(Timestamp::MAX),
            Schedule::Cron(_) => acts_from(&self.settings, now),
        }
    }

    /// Records decisions without proposing anything.
    pub async fn keep_decisions(
        &mut self,
        found: Evaluated,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        let records = found
            .rests
            .into_iter()
            .map(|rest| DecisionRecord {
                decision: rest.decision,
                refusal: None,
                relook: rest.relook,
            })
            .collect();
        self.record_decisions(records, now).await
    }

    /// Part by part: the records of a large backlog never exist all at once in the ledger's forms. On
    /// return they are recorded before any claim that is asked for later; the disk may be behind.
    pub async fn record_decisions(
        &mut self,
        records: Vec<DecisionRecord>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        let (mut records, mut places) = (records.into_iter(), VecDeque::new());
        loop {
            let mut part: Vec<DecisionRecord> = records.by_ref().take(RECORDS_AT_ONCE).collect();
            if part.is_empty() {
                break;
            }
            self.place(&mut part, &mut places, now).await?;
        }
        all_taken(places).await
    }

    /// Hands records to the ledger; while it takes some, others are put together.
    async fn place(
        &self,
        records: &mut Vec<DecisionRecord>,
        places: &mut VecDeque<Taken<DecidedCount>>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        if records.is_empty() {
            return Ok(());
        }
        if places.len() >= PARTS_AT_ONCE
            && let Some(first) = places.pop_front()
        {
            first.done().await?;
        }
        let part = std::mem::take(records);
        places.push_back(self.ledger.decided(part, self.cycle, now).await?);
        Ok(())
    }

    /// Asks the governor about everything that the guards have passed, queues what may go, and
    /// records what changed. Answers how many were queued.
    pub async fn govern(&mut self, found: Evaluated, now: Timestamp) -> Result<usize, DaemonError> {
        let census = found.seen.census();
        let standing = self.standing(found.seen.complete && self.has_baseline());
        self.hold_slips(&census);
        // between the times of the cron lines everything is asked, of a copy, and nothing is queued
        self.governor.forget_other_sets(self.policies.hash());
        let mut governor = self.governor.clone();
        governor.begin_cycle(now, &census, standing.clone(), self.caps_until(now));
        if self.acting {
            self.queues.clear();
        } else {
            self.governor.set_standing(standing);
        }
        let many = found.proposals.len();
        let senders = self.senders();
        let (mut records, mut places) = (Vec::new(), VecDeque::new());
        let mut refusals: BTreeMap<RefusalReason, u64> = found.still_refused;
        let mut wanted: Vec<(Arc<Decision>, Box<Passed>)> = Vec::with_capacity(many);
        let mut refused: Vec<(Arc<Decision>, Refusal)> = Vec::new();
        let mut behinds: FastMap<LineageId, Behind> = FastMap::default();
        behinds.reserve(many);
        let mut order_waits = FastMap::default();
        let mut decided: BTreeMap<&'static str, u64> = BTreeMap::new();
        for Proposal {
            decision,
            guard,
            behind,
        } in found.proposals
        {
            if found.fresh.contains(&decision.lineage) {
                *decided.entry(verdict_word(&decision)).or_default() += 1;
            }
            match guard {
                Ok(passed) => {
                    match senders.refuse(behind.login.as_ref(), &decision, &governor, now) {
                        Some(refusal) => refused.push((decision, refusal)),
                        None => {
                            behinds.insert(decision.lineage, behind);
                            wanted.push((decision, passed));
                        }
                    }
                }
                Err(mut reasons) if !reasons.is_empty() => {
                    if let Some(wait) = OrderWait::of(&reasons) {
                        order_waits.insert(decision.lineage, wait);
                    }
                    let first = reasons.swap_remove(0);
                    let first = if passes_by_itself(&first) {
                        // waiting is not what keeps it from being sent
                        let forbidden = governor.forbidden(now, &decision).into_iter().next();
                        forbidden.unwrap_or(first)
                    } else {
                        first
                    };
                    refused.push((decision, first));
                }
                Err(_) => {}
            }
        }
        self.order_waits = order_waits;
        let ledger = self.ledger.clone();
        let foreign = self.settings.governor.count_foreign_attempts;
        let governed = governor.govern(now, wanted, &|lineage| {
            ledger
                .read(|index| index.tries(lineage, foreign))
                .unwrap_or_else(|| unseen(lineage, now))
        });
        refused.extend(governed.refused);
        let admitted = if self.acting {
            self.governor = governor;
            governed.admitted
        } else {
            let waits =
                Refusal::new(RefusalReason::NotScheduled, Scope::Global).until(self.acts_from);
            let admitted = governed.admitted.into_iter();
            refused.extend(admitted.map(|item| (Arc::clone(item.shared()), waits.clone())));
            Vec::new()
        };
        self.recall(&admitted, &refused, &found.rests);
        let observed = self.only_observed(&refused, &found.rests, now);
        if self.acting {
            // it stays until the next cycle's, and is asked for only of what is sent
            if admitted.len() < behinds.len() / 2 {
                let of = |item: &Admitted| behinds.remove_entry(&item.decision().lineage);
                self.behind = admitted.iter().filter_map(of).collect();
            } else {
                self.behind = behinds;
            }
        }
        self.hold_observed(observed, now).await?;
        let queued = admitted.len();
        self.queues.expect(&admitted);
        for admitted in admitted {
            if records.len() >= RECORDS_AT_ONCE {
                self.place(&mut records, &mut places, now).await?;
            }
            records.push(DecisionRecord {
                decision: Arc::clone(admitted.shared()),
                refusal: None,
                relook: None,
            });
            if let Some(memory) = &mut self.memory
                && let Some(known) = memory.lineages.get_mut(&admitted.decision().lineage)
            {
                known.refusal = None;
            }
            // it is on its way already, and goes once
            if self.under_way.carries(admitted.decision().lineage) {
                continue;
            }
            self.queues.push(admitted);
        }
        for (decision, refusal) in refused {
            if records.len() >= RECORDS_AT_ONCE {
                self.place(&mut records, &mut places, now).await?;
            }
            *refusals.entry(refusal.reason).or_default() += 1;
            if let Some(memory) = &mut self.memory
                && let Some(known) = memory.lineages.get_mut(&decision.lineage)
            {
                known.refusal = Some(Refused::of(&refusal, self.epoch));
            }
            records.push(DecisionRecord {
                relook: refusal.until,
                decision,
                refusal: Some(refusal),
            });
        }
        for rest in found.rests {
            if records.len() >= RECORDS_AT_ONCE {
                self.place(&mut records, &mut places, now).await?;
            }
            *decided.entry(verdict_word(&rest.decision)).or_default() += 1;
            records.push(DecisionRecord {
                decision: rest.decision,
                refusal: None,
                relook: rest.relook,
            });
        }
        for (word, count) in decided {
            self.metrics.decided(word, count);
        }
        for (reason, count) in &refusals {
            self.metrics.refused(*reason, *count);
        }
        self.metrics
            .set_refused_now(refusals.iter().map(|(reason, count)| (*reason, *count)));
        self.last.refusals = refusals;
        self.place(&mut records, &mut places, now).await?;
        // nothing is claimed whose decision could not be recorded
        all_taken(places).await?;
        if self.acting {
            self.close_holds(now).await?;
            self.open_holds(governed.holds, now).await?;
        }
        Ok(queued)
    }

    /// What is there while its target or action is off or only observed, or was not probed, is old backlog by the time that it
    /// is enforced (invariant 11): with enforce on for others, nothing else would hold it then. Whatever else refuses it today.
    fn only_observed(
        &self,
        refused: &[(Arc<Decision>, Refusal)],
        rests: &[Rest],
        now: Timestamp,
    ) -> Vec<LineageId> {
        let modes = &self.settings.modes;
        let below =
            |mode: Option<Mode>| mode.unwrap_or(Mode::Enforce).min(modes.global) < Mode::Enforce;
        let action = |action: ActionName| {
            below(modes.actions.get(&action).copied()) || self.unprobed.all.contains_key(&action)
        };
        let of = |refusal: &Refusal| {
            let observed = [
                RefusalReason::ModeOff,
                RefusalReason::ModeObserve,
                RefusalReason::NotProbed,
            ];
            observed.contains(&refusal.reason)
        };
        // what a guard refuses today may be passed by it once the action is enforced
        let some = below(None)
            || !modes.targets.is_empty()
            || !modes.policies.is_empty()
            || ActionName::ALL.into_iter().any(action);
        let wanted = refused.iter().filter(|(decision, refusal)| {
            of(refusal) || some && self.governor.forbidden(now, decision).iter().any(of)
        });
        let wanted = wanted.map(|(decision, _)| decision.lineage);
        // what nobody wants today may be wanted once its owner leaves
        let all = ActionName::ALL.into_iter().all(action);
        let rests = rests.iter().map(|rest| &rest.decision);
        let rests = rests.filter(|decision| {
            let observed = |target: &TargetName| all || below(modes.of_target(target));
            decision.target.as_ref().is_some_and(observed)
        });
        let lineages = wanted.chain(rests.map(|decision| decision.lineage));
        self.ledger.read(|index| index.only_observed(lineages))
    }

    async fn hold_observed(
        &mut self,
        lineages: Vec<LineageId>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        if lineages.is_empty() {
            return Ok(());
        }
        let body = EventBody::BaselineHeld { lineages };
        self.put(body, Actor::Daemon, now).await
    }

    /// A newer cycle's word holds for what an older one has put on its way and is not claimed yet:
    /// it goes only where it is wanted still, and the same. Between the times of the cron lines
    /// nothing is wanted anew, so that only what was refused or left now is taken back. What a person has
    /// ordered by itself no cycle wants or refuses: the claim's own checks hold for it.
    fn recall(
        &mut self,
        admitted: &[Admitted],
        refused: &[(Arc<Decision>, Refusal)],
        rests: &[Rest],
    ) {
        let ordered = self.ordered.as_deref();
        let by_order = |decision: &Decision| ordered.is_some_and(|of| std::ptr::eq(of, decision));
        if self.acting {
            if self.under_way.is_empty() {
                return;
            }
            let wanted: FastMap<LineageId, (&TaskId, &Action)> = admitted
                .iter()
                .map(|item| {
                    let decision = item.decision();
                    (decision.lineage, (&decision.task, item.action()))
                })
                .collect();
            self.under_way
                .withdraw_where(Why::NewerCycle, &|decision, action| {
                    !by_order(decision)
                        && wanted.get(&decision.lineage) != Some(&(&decision.task, action))
                });
            return;
        }
        let stopped: FastSet<LineageId> = refused
            .iter()
            .filter(|(_, refusal)| refusal.reason != RefusalReason::NotScheduled)
            .map(|(decision, _)| decision.lineage)
            .chain(rests.iter().map(|rest| rest.decision.lineage))
            .collect();
        let unwanted = |lineage: LineageId| stopped.contains(&lineage);
        self.queues
            .drop_where(|item| unwanted(item.decision().lineage));
        self.under_way
            .withdraw_where(Why::NewerCycle, &|decision, _| {
                !by_order(decision) && unwanted(decision.lineage)
            });
    }

    /// Records which holds the governor has let go: what is held again under the same id is another one.
    async fn close_holds(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        let held: BTreeMap<Digest, bool> = self
            .governor
            .holds(now)
            .iter()
            .map(|hold| (Digest::new(&hold.id), hold.status == HoldStatus::Open))
            .collect();
        let gone: Vec<(Digest, &str)> = self.ledger.read(|index| {
            // one that is open again after its answer has ended is another question under the same id
            let stands = |hold: &crate::ledger::Hold| match held.get(&hold.id) {
                None => false,
                Some(open) => !open || hold.state == HoldState::Open,
            };
            let gone = index.holds().filter(|hold| !stands(hold));
            gone.map(|hold| {
                let why = match hold.state {
                    HoldState::Open => "nobody wants it any more",
                    HoldState::Approved { .. } => "the approval has ended",
                    HoldState::Rejected => "the rejection has ended",
                };
                (hold.id.clone(), why)
            })
            .collect()
        });
        for (hold, why) in gone {
            let reason = Arc::from(why);
            self.ledger
                .record(Entry {
                    body: EventBody::HoldClosed { hold, reason },
                    meta: Meta::daemon(now, Some(self.cycle)),
                })
                .await?;
        }
        Ok(())
    }

    async fn open_holds(&mut self, holds: Vec<Hold>, now: Timestamp) -> Result<(), DaemonError> {
        for hold in holds {
            let id = Digest::new(&hold.id);
            if self.ledger.read(|index| index.hold(&id).is_some()) {
                continue;
            }
            tracing::warn!(
                hold = %hold.id,
                action = %hold.action,
                target_system = %hold.target,
                tasks = hold.tasks.len(),
                limit = hold.limit,
                "over the cap: all of them are held until a person approves (`provtaskd inbox`)"
            );
            self.ledger
                .record(Entry {
                    body: EventBody::HoldOpened {
                        hold: id,
                        action: hold.action,
                        target: hold.target,
                        policy: hold.hash,
                        tasks: hold.tasks,
                    },
                    meta: Meta::daemon(now, Some(self.cycle)),
                })
                .await?;
        }
        Ok(())
    }
}

/// What the ledger says of a server that answers no request to write, for the governor.
pub fn outage_of(index: &Index) -> Option<Outage> {
    let outage = index.outage()?;
    Some(Outage {
        requests: outage.requests,
        missing: outage.missing,
    })
}

/// Waits until the ledger has taken all of them.
async fn all_taken(places: VecDeque<Taken<DecidedCount>>) -> Result<(), DaemonError> {
    for place in places {
        place.done().await?;
    }
    Ok(())
}

/// True for a refusal that time alone lifts, or the end of a pause: what forbids the act as such says more.
fn passes_by_itself(refusal: &Refusal) -> bool {
    let by_itself = refusal.until.is_some() || refusal.reason == RefusalReason::Paused;
    by_itself && !refusal.needs_person
}

fn verdict_word(decision: &Decision) -> &'static str {
    match &decision.verdict {
        None => "none",
        Some(Verdict::Leave { .. }) => "leave",
        Some(Verdict::Ask { .. }) => "ask",
        Some(Verdict::Act { action, .. }) => action.name().as_str(),
    }
}

/// The history of a lineage that the ledger does not know.
pub fn unseen(lineage: LineageId, now: Timestamp) -> crate::model::facts::History {
    crate::model::facts::History {
        lineage,
        attempts: 0,
        attempts_total: 0,
        first_seen: now,
        failed_since: now,
        last_attempt_at: None,
        last_state: None,
        in_vain: 0,
        unproven: 0,
        reset: false,
        stale: false,
        keeps_ids: false,
        creation_over_since: false,
        recent: Vec::new(),
        former_owners: Vec::new(),
        ids: Vec::new(),
    }
}
