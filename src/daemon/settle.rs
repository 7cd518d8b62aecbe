//! Takes in what cycles and readings bring back: governs, queues, records decisions and outcomes; it sends nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::{Core, Done};
use super::evaluate::{CycleError, Evaluated, Proposal};
use super::memory::Memory;
use super::start::open_attempts;
use crate::absence::Roster;
use crate::dispatch::verify;
use crate::governor::{Census, Hold, Standing};
use crate::guard::Passed;
use crate::ledger::record::{Actor, EventBody, Meta};
use crate::ledger::{DecisionRecord, Entry, Looked, VerifyItem};
use crate::model::decision::Mode;
use crate::model::{
    AttemptEvent, Decision, Known, LineageId, Outcome, Refusal, RefusalReason, Scope, TargetName,
    Verdict,
};
use crate::oig::OigError;
use crate::telemetry::Latch;

/// Single readings per round; the read budget is shared with everything else.
const LOOKS_AT_ONCE: usize = 200;

/// Decisions that are handed to the ledger in one go.
const RECORDS_AT_ONCE: usize = 4096;

/// Classes of reasons (`reasons.toml`) that lie in one task and not in its target: they don't open
/// its breaker. Everything else, what is not understood among it, counts against the target.
const OF_THE_TASK: [&str; 7] = [
    "data",
    "duplicate",
    "lock",
    "manual",
    "not_found",
    "password_policy",
    "permission",
];

/// Single readings have ended.
pub struct LookDone {
    /// What was read.
    pub looked: Vec<Looked>,
    /// What stopped the round, if anything did.
    pub error: Option<OigError>,
}

impl Core {
    /// Starts a round of single readings, if one is due and none is under way.
    pub fn start_look(&mut self, _now: Timestamp) {
        if self.looking || self.looks.is_empty() {
            return;
        }
        let rest = self.looks.split_off(self.looks.len().min(LOOKS_AT_ONCE));
        let items: Vec<VerifyItem> = std::mem::replace(&mut self.looks, rest);
        self.looking = true;
        let client = self.client.clone();
        self.jobs.spawn(async move {
            let (looked, error) = verify::look(&client, items).await;
            Done::Looked(LookDone { looked, error })
        });
    }

    /// Single readings have ended: the ledger judges them.
    pub async fn look_done(&mut self, done: LookDone) -> Result<(), DaemonError> {
        let now = self.clock.now();
        self.looking = false;
        if let Some(error) = &done.error {
            tracing::warn!(%error, "verification readings stopped early; they are tried again");
            if error.is_login() {
                self.login_changed(now).await?;
            }
        } else if self.looks.is_empty() && !self.settled_at_start {
            self.settled_at_start = true;
            tracing::info!("every claim found open at start was read; sending may begin");
        }
        if !done.looked.is_empty() {
            let outcomes = self
                .ledger
                .looked(
                    done.looked,
                    self.settings.delivery.clone(),
                    Some(self.cycle),
                    now,
                )
                .await?;
            self.told(now, &outcomes);
            self.store_governor(now).await?;
        }
        Ok(())
    }

    /// Outcomes reach governor, metrics and log.
    fn told(&mut self, now: Timestamp, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let (target, state) = self.ledger.read(|index| {
                (
                    index.target(outcome.lineage).cloned(),
                    index
                        .history(outcome.lineage, true)
                        .and_then(|h| h.last_state),
                )
            });
            if let Some(target) = &target {
                if self.lies_in_the_task(outcome) {
                    self.governor.refused_by_itself(now, target);
                } else {
                    self.governor.outcome(
                        now,
                        target,
                        outcome.lineage,
                        outcome.ordinal,
                        outcome.event,
                    );
                }
            }
            if let Some(state) = state {
                self.metrics.attempt(target.as_ref(), state);
            }
            tracing::info!(
                lineage = %outcome.lineage,
                attempt = outcome.ordinal,
                outcome = outcome.event.as_str(),
                target_system = target.as_ref().map_or("-", |t| t.as_str()),
                evidence = outcome.evidence.as_deref().unwrap_or(""),
                "told"
            );
        }
    }

    /// True for a bounce whose reason is of a class that says nothing against the target.
    fn lies_in_the_task(&self, outcome: &Outcome) -> bool {
        outcome.event == AttemptEvent::ReadBounced
            && outcome.evidence.as_deref().is_some_and(|reason| {
                let class = self.policies.reasons().class_of(reason);
                OF_THE_TASK.contains(&&*class.name)
            })
    }

    /// Targets to which nothing may go now, with the refusal: no readings are spent on them.
    pub fn blocked(&self, now: Timestamp) -> BTreeMap<TargetName, Refusal> {
        self.governor
            .describe(now)
            .into_iter()
            .filter_map(|view| {
                let until = view.breaker_until.filter(|until| *until > now)?;
                let refusal = Refusal::new(
                    RefusalReason::BreakerOpen,
                    Scope::Target(view.target.clone()),
                )
                .with("breaker", view.breaker)
                .until(until);
                Some((view.target, refusal))
            })
            .collect()
    }

    /// Reads the absence feed again; a bad one keeps the last good for as long as configured.
    pub fn refresh_roster(&mut self) {
        let now = self.clock.now();
        let Some(feed) = &mut self.feed else {
            self.roster = Known::Yes {
                value: Arc::new(Roster::default()),
                as_of: now,
            };
            return;
        };
        let (roster, problems) = feed.read(now);
        for problem in problems {
            tracing::warn!(problem = %problem, "absence feed");
        }
        self.roster = roster;
    }

    /// How things stand with everything that is not the governor's own.
    pub fn standing(&self, snapshot_ok: bool) -> Standing {
        let hash = self.policies.hash();
        let login = &self.settings.server.login;
        self.ledger.read(|index| Standing {
            policy_released: index.released(hash),
            login_stopped: index
                .login_stopped(login)
                .map(|stopped| Arc::clone(&stopped.why)),
            world_mismatch: self.world_mismatch.clone(),
            snapshot_ok,
            store_ok: self.ledger.failed().is_none(),
            shutting_down: self.stopping,
        })
    }

    /// True where acts would really be sent: only then the first-day baseline is taken.
    fn enforces(&self) -> bool {
        self.settings.modes.global == Mode::Enforce
            && self.world_mismatch.is_none()
            && self
                .ledger
                .read(|index| index.released(self.policies.hash()))
    }

    /// A cycle has read and decided.
    pub async fn cycle_done(
        &mut self,
        memory: Box<Memory>,
        result: Result<Box<Evaluated>, CycleError>,
        took: Duration,
    ) -> Result<(), DaemonError> {
        self.memory = Some(memory);
        let now = self.clock.now();
        self.last.cycles += 1;
        self.last.took = took;
        match result {
            Ok(found) => {
                self.last.error = None;
                self.last.failures = 0;
                self.health.set(Latch::SnapshotRead, true);
                self.health.set(Latch::LoginOk, true);
                self.login_changed(now).await?;
                self.take_in(now, *found, took).await?;
            }
            Err(CycleError::Ledger(error)) => return Err(error.into()),
            Err(error) => {
                self.last.failures = self.last.failures.saturating_add(1);
                self.last.error = Some(error.to_string());
                self.metrics.cycle_failed();
                tracing::error!(%error, failures_in_a_row = self.last.failures, "the cycle could not be finished; nothing was sent");
                if let CycleError::Server(server) = &error
                    && server.is_login()
                {
                    self.health.set(Latch::LoginOk, false);
                    self.login_changed(now).await?;
                }
                self.queues.clear();
                self.next_tick = self.pace_after_failure(now);
                if let CycleError::Server(server) = &error
                    && let Some(pause) = server.retry_after()
                    && let Ok(until) = now.checked_add(pause)
                {
                    // what the server asks for holds for reads and writes alike
                    self.next_tick = self.next_tick.max(until);
                    self.governor.server_asked_to_wait(now, until);
                }
            }
        }
        Ok(())
    }

    async fn take_in(
        &mut self,
        now: Timestamp,
        found: Evaluated,
        took: Duration,
    ) -> Result<(), DaemonError> {
        self.told(now, &found.observed.outcomes);
        if self.enforces() && self.ledger.read(|index| index.baseline().is_none()) {
            let change = self.ledger.take_baseline(Actor::Daemon, now).await?;
            if change.lineages > 0 {
                tracing::warn!(
                    tasks = change.lineages,
                    "enforce is on for the first time: everything that is there now is left until a person releases it (`provtaskd inbox`, `provtaskd approve baseline:TARGET`)"
                );
            }
            // the guards of this cycle did not know of the baseline yet
            self.epoch += 1;
            self.keep_decisions(found, now).await?;
            self.next_tick = now;
            return Ok(());
        }
        let seen = found.seen.clone();
        let looks = found.observed.to_verify.clone();
        let next_look = found.observed.next_look;
        let changed = found.observed.opened + found.observed.joined > 0
            || !found.observed.outcomes.is_empty()
            || !found.fresh.is_empty();
        let faults = found.fault_count;
        for fault in &found.faults {
            tracing::warn!(fault = %fault, "a policy failed; its tasks are left alone");
        }
        let sent_now = self.govern(found, now).await?;
        self.looks = looks;
        if !self.settled_at_start {
            // readings that failed at start are made up for: all that is open, once
            self.looks = open_attempts(&self.ledger);
            self.settled_at_start = self.looks.is_empty() && !self.looking;
        }
        self.last.seen = seen;
        self.last.at = Some(now);
        self.queued_from = self.last.seen.taken_at;
        self.next_tick = self.pace_after(now, took, changed);
        if let Some(look) = next_look.filter(|_| self.looks.is_empty()) {
            self.next_tick = self
                .next_tick
                .min(look.max(now + SignedDuration::from_secs(1)));
        }
        // sent while this cycle read: it could not plan a look for that
        let sent_since = self.ledger.read(|index| {
            index
                .open_attempts()
                .any(|(_, attempt)| self.queued_from.is_some_and(|from| attempt.sent >= from))
        });
        if sent_since {
            self.look_soon(now);
        }
        self.report(now, sent_now, faults, took);
        self.store_governor(now).await
    }

    /// Records decisions without proposing anything.
    async fn keep_decisions(
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

    /// Part by part: the records of a large backlog never exist all at once in the ledger's forms.
    async fn record_decisions(
        &self,
        records: Vec<DecisionRecord>,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        let mut records = records.into_iter();
        loop {
            let part: Vec<DecisionRecord> = records.by_ref().take(RECORDS_AT_ONCE).collect();
            if part.is_empty() {
                return Ok(());
            }
            self.ledger.decided(part, self.cycle, now).await?;
        }
    }

    /// Asks the governor about everything that the guards have passed, queues what may go, and
    /// records what changed. Answers how many were queued.
    async fn govern(&mut self, found: Evaluated, now: Timestamp) -> Result<usize, DaemonError> {
        let census = Census(
            found
                .seen
                .targets
                .iter()
                .map(|(target, (visible, _))| {
                    (target.clone(), u32::try_from(*visible).unwrap_or(u32::MAX))
                })
                .collect(),
        );
        let standing = self.standing(found.seen.whole);
        self.governor.begin_cycle(now, &census, standing);
        self.queues.clear();
        self.requests_of.clear();
        let mut records = Vec::new();
        let mut refusals: BTreeMap<RefusalReason, u64> = found.still_refused;
        let mut wanted: Vec<(Decision, Passed)> = Vec::new();
        let mut refused: Vec<(Decision, Refusal)> = Vec::new();
        for Proposal {
            decision, guard, ..
        } in found.proposals
        {
            match guard {
                Ok(passed) => wanted.push((decision, passed)),
                Err(mut reasons) if !reasons.is_empty() => {
                    refused.push((decision, reasons.swap_remove(0)));
                }
                Err(_) => {}
            }
        }
        let ledger = self.ledger.clone();
        let foreign = self.settings.governor.count_foreign_attempts;
        let governed = self.governor.govern(now, wanted, &|lineage| {
            ledger
                .read(|index| index.history(lineage, foreign))
                .unwrap_or_else(|| unseen(lineage, now))
        });
        refused.extend(governed.refused);
        let queued = governed.admitted.len();
        for admitted in governed.admitted {
            records.push(DecisionRecord {
                decision: admitted.decision().clone(),
                refusal: None,
                relook: None,
            });
            if let Some(memory) = &mut self.memory
                && let Some(known) = memory.lineages.get_mut(&admitted.decision().lineage)
            {
                known.refusal = None;
            }
            self.queues.push(admitted);
        }
        for (decision, refusal) in refused {
            *refusals.entry(refusal.reason).or_default() += 1;
            if let Some(memory) = &mut self.memory
                && let Some(known) = memory.lineages.get_mut(&decision.lineage)
            {
                known.refusal = Some((refusal.clone(), self.epoch));
            }
            records.push(DecisionRecord {
                relook: refusal.until,
                decision,
                refusal: Some(refusal),
            });
        }
        for rest in found.rests {
            self.metrics.decided(verdict_word(&rest.decision), 1);
            records.push(DecisionRecord {
                decision: rest.decision,
                refusal: None,
                relook: rest.relook,
            });
        }
        for (reason, count) in &refusals {
            self.metrics.refused(*reason, *count);
        }
        self.metrics
            .set_refused_now(refusals.iter().map(|(reason, count)| (*reason, *count)));
        self.last.refusals = refusals;
        self.record_decisions(records, now).await?;
        self.open_holds(governed.holds, now).await?;
        Ok(queued)
    }

    async fn open_holds(&mut self, holds: Vec<Hold>, now: Timestamp) -> Result<(), DaemonError> {
        for hold in holds {
            let id = crate::model::Digest::new(&hold.id);
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

    fn report(&mut self, now: Timestamp, queued: usize, faults: u64, took: Duration) {
        let seen = &self.last.seen;
        let inbox = self.inbox_count(now);
        self.metrics.cycle(took, now.as_duration().as_secs_f64());
        self.metrics.set_inbox(inbox);
        self.metrics.set_tasks(
            seen.targets
                .iter()
                .flat_map(|(target, (visible, rejected))| {
                    [
                        (target.as_str(), "visible", *visible),
                        (target.as_str(), "rejected", *rejected),
                    ]
                }),
        );
        let unmapped: u64 = seen.unmapped.values().sum();
        tracing::info!(
            visible = seen.visible,
            pages = seen.pages,
            whole = seen.whole,
            unreadable = seen.unreadable.len(),
            queued,
            not_now = self.last.refusals.values().sum::<u64>(),
            inbox,
            unmapped,
            policy_faults = faults,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            next = %format_args!("{:.0}", self.next_tick),
            "cycle done"
        );
        super::systemd::status(&format!(
            "{} tasks visible to {}, {queued} queued, {inbox} in the inbox",
            seen.visible, self.settings.server.login
        ));
    }
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
        recent: Vec::new(),
        former_owners: Vec::new(),
        ids: Vec::new(),
    }
}
