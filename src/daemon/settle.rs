//! Takes in what cycles and readings bring back: governs, queues, records decisions and outcomes; it sends nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::DaemonError;
use super::core::{Core, Done};
use super::evaluate::{CycleError, Evaluated};
use super::govern::outage_of;
use super::lists::{all_again, thrown_away};
use super::memory::Memory;
use super::start::bounds;
use super::under_way::Why;
use crate::dispatch::verify::{self, Round};
use crate::governor::Lane;
use crate::ledger::record::{Actor, EventBody, Meta};
use crate::ledger::{Entry, Index, VerifyItem, World};
use crate::model::decision::Mode;
use crate::model::{AttemptEvent, Outcome, Refusal, RefusalReason, Scope, TargetName};
use crate::oig::OigError;
use crate::telemetry::{BreakerState, Latch};

/// Single readings per round; the read budget is shared with everything else.
const LOOKS_AT_ONCE: usize = 200;

/// Classes of reasons (`reasons.toml`) that lie in one task and not in its target: they don't open
/// its breaker. Everything else, what is not understood among it, counts against the target.
const OF_THE_TASK: [&str; 8] = [
    "data",
    "duplicate",
    "lock",
    "manual",
    "not_found",
    "password_policy",
    "permission",
    "state",
];
/// The class of a target that is asked for too much.
const THROTTLE: &str = "throttle";

/// Single readings have ended.
pub struct LookDone {
    /// What they brought.
    pub round: Round,
    /// What was asked for.
    pub items: Vec<VerifyItem>,
    /// When the first of them began: what they show is not newer.
    pub began: Timestamp,
}

impl Core {
    /// Starts a round of single readings, if one is due and none is under way.
    pub fn start_look(&mut self, now: Timestamp) {
        if self.looking || self.looks.is_empty() {
            return;
        }
        let rest = self.looks.split_off(self.looks.len().min(LOOKS_AT_ONCE));
        let items: Vec<VerifyItem> = std::mem::replace(&mut self.looks, rest);
        self.looking = true;
        let logins = self.logins.clone();
        let witness = self.witness_asked();
        self.jobs.spawn(async move {
            let round = verify::look(&logins, items.clone(), witness).await;
            let began = now;
            Done::Looked(LookDone {
                round,
                items,
                began,
            })
        });
    }

    /// Single readings have ended: the ledger judges them.
    pub async fn look_done(&mut self, done: LookDone) -> Result<(), DaemonError> {
        let now = self.clock.now();
        let LookDone {
            mut round,
            items,
            began,
        } = done;
        self.looking = false;
        if !round.barred.is_empty() {
            // one of them may have met the stop of a further login
            self.login_changed(now).await?;
        }
        if self.settled_at_start {
            self.barred_read(&items, &round);
        }
        for (item, why) in round.failed.iter().chain(&round.barred) {
            let open = |index: &Index| index.open_attempt(item.lineage).is_some();
            if !self.ledger.read(open) {
                tracing::warn!(
                    task = %item.task,
                    lineage = %item.lineage,
                    why = %why,
                    "what was sent before the start could not be read; its login sends nothing else before that"
                );
                continue;
            }
            tracing::warn!(
                task = %item.task,
                lineage = %item.lineage,
                why = %why,
                "an open attempt could not be read; its account stays held, and it is read again later"
            );
        }
        if let Some(error) = &round.error {
            tracing::warn!(%error, not_read = round.rest.len() + self.looks.len(), "verification readings stopped early; they are tried again with the next cycle");
            self.looks_left.extend(round.rest.iter().cloned());
            self.looks_left.append(&mut self.looks);
            if error.is_login() {
                self.login_changed(now).await?;
            }
        }
        let settings = self.settings.delivery.clone();
        let looked = std::mem::take(&mut round.looked);
        let found = self
            .ledger
            .looked(looked, settings, Some(self.cycle), began)
            .await?;
        if found.unjudged {
            self.read_in_vain(items);
        } else {
            self.start_settled(now, &round);
        }
        self.told(now, &found.outcomes);
        self.look_again(now, found.next_look);
        if !found.outcomes.is_empty() {
            self.place_governor(now).await?;
        }
        if !self.looks_left.is_empty() {
            // no sooner than the shortest pause: this is a server in trouble, or one broken task
            let asked = round.error.as_ref().and_then(OigError::retry_after);
            let (every, _) = bounds(&self.settings);
            let again = now.checked_add(asked.unwrap_or(every).max(every));
            self.look_again(now, again.ok());
        }
        Ok(())
    }

    /// Outcomes reach governor, metrics and log.
    pub fn told(&mut self, now: Timestamp, outcomes: &[Outcome]) {
        if outcomes.is_empty() {
            return;
        }
        let before = self.breakers(now, |word| word != "closed");
        for outcome in outcomes {
            let (target, state, lane) = self.ledger.read(|index| {
                (
                    index.target(outcome.lineage).cloned(),
                    index
                        .history(outcome.lineage, true)
                        .and_then(|h| h.last_state),
                    index.lane_of(outcome.lineage, outcome.ordinal),
                )
            });
            if let Some(target) = &target {
                let (lineage, ordinal) = (outcome.lineage, outcome.ordinal);
                // what was said to OIG alone tells nothing of the target
                let lane = lane.unwrap_or(Lane::Usual);
                let class = self.class_of_bounce(outcome);
                match class.as_deref().filter(|_| lane != Lane::Told) {
                    Some(class) if OF_THE_TASK.contains(&class) => {
                        self.governor.refused_by_itself(now, target);
                    }
                    Some(THROTTLE) => self.governor.throttled(now, target, lineage, ordinal),
                    _ => {
                        self.governor
                            .outcome(now, target, lane, (lineage, ordinal), outcome.event)
                    }
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
        // what has waited for a target to work again is not left waiting for the next time to look
        if before.is_empty() {
            return;
        }
        let still = self.breakers(now, |word| word != "closed");
        let closed: BTreeSet<TargetName> = before.difference(&still).cloned().collect();
        if closed.is_empty() {
            return;
        }
        // while a cycle runs it is with that, and what is refused there waits for its time
        if let Some(memory) = &mut self.memory {
            memory.closed(&closed);
        }
        self.look_again(now, Some(now));
    }

    /// The class of a bounce's reason: whether it says something against the target.
    fn class_of_bounce(&self, outcome: &Outcome) -> Option<Arc<str>> {
        let reason = outcome.evidence.as_deref()?;
        (outcome.event == AttemptEvent::ReadBounced)
            .then(|| Arc::clone(&self.policies.reasons().class_of(reason).name))
    }

    /// Targets to which nothing may go now, with the refusal: no readings are spent on them.
    pub fn blocked(&self, now: Timestamp) -> BTreeMap<TargetName, Refusal> {
        let outage = self.ledger.read(outage_of);
        let reason = match outage.filter(|outage| outage.missing) {
            Some(_) => RefusalReason::WritePathMissing,
            None => RefusalReason::BreakerOpen,
        };
        self.governor
            .describe(now)
            .into_iter()
            .filter_map(|view| {
                let until = view.breaker_until.filter(|until| *until > now)?;
                let refusal = Refusal::new(reason, Scope::Target(view.target.clone()))
                    .with("breaker", view.breaker)
                    .until(until);
                Some((view.target, refusal))
            })
            .collect()
    }

    /// The targets to which a single task may go next, to see whether they work again.
    pub fn probing(&self, now: Timestamp) -> BTreeSet<TargetName> {
        self.breakers(now, |word| word == "probing")
    }

    /// The targets whose breaker stands so.
    fn breakers(&self, now: Timestamp, stands: impl Fn(&str) -> bool) -> BTreeSet<TargetName> {
        let views = self.governor.describe(now).into_iter();
        let those = views.filter(|view| stands(&view.breaker));
        those.map(|view| view.target).collect()
    }

    /// True where acts would really be sent: only then the first-day baseline is taken.
    pub fn enforces(&self) -> bool {
        self.settings.modes.global == Mode::Enforce
            && self.mismatch().is_none()
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
                self.last.error_since = None;
                self.last.failures = 0;
                self.health.set(Latch::SnapshotRead, true);
                self.health.set(Latch::LoginOk, found.seen.has_main());
                self.health.set_partly(!found.seen.has_main());
                self.login_works(&found.seen.logins, now).await?;
                self.take_in(now, *found, took).await?;
            }
            Err(CycleError::Ledger(error)) => return Err(error.into()),
            Err(error) => {
                self.last.failures = self.last.failures.saturating_add(1);
                self.last.error = Some(error.to_string());
                self.last.error_since.get_or_insert(now);
                self.metrics.cycle_failed();
                tracing::error!(%error, failures_in_a_row = self.last.failures, "the cycle could not be finished: nothing of it is sent");
                if let CycleError::Server(server) = &error
                    && server.is_login()
                {
                    self.health.set(Latch::LoginOk, false);
                    self.health.set_partly(false);
                    self.login_changed(now).await?;
                }
                self.void_queue(now, Why::CycleFailed);
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
        mut found: Evaluated,
        took: Duration,
    ) -> Result<(), DaemonError> {
        // what was read was read, whatever is decided of it
        let known = found.observed.world == World::Known;
        self.hints_read(&mut found.hinted, known).await;
        self.told(now, &found.observed.outcomes);
        self.take_world(now, &found.observed.world);
        self.take_clock(found.observed.behind);
        self.take_strangers(now, &found.strangers).await?;
        // a list of another world tells of no attempt, and is no part of what was there at first
        let known = found.observed.world == World::Known;
        let complete = found.seen.complete && found.seen.has_main();
        self.complete_passes = in_a_row(self.complete_passes, complete, known);
        for fault in &found.faults {
            tracing::warn!(fault = %fault, "a policy failed; its tasks are left alone");
        }
        self.last.failing.take(self.policies.hash(), &found);
        if found.epoch != self.epoch {
            // an order or a reload came while it was worked out: what is wanted may not be any more
            tracing::info!(
                "orders or configuration changed during the cycle; it is worked out again"
            );
            if known {
                self.take_looks(found.observed.to_verify.clone());
            }
            self.keep_decisions(found, now).await?;
            if let Some(memory) = self.memory.as_mut() {
                thrown_away(&mut memory.lists);
            }
            self.start_over(now);
            return Ok(());
        }
        if found.seen.has_main() {
            self.bind_world(now).await?;
        }
        // on a busy server every list shifts: what one misses, another of three shows
        let all_known = found.seen.whole || self.complete_passes >= 3;
        let known_of = self.known_backlogs(&found.seen);
        if all_known && !self.has_baseline() {
            let change = self.ledger.take_baseline(Actor::Daemon, known_of, now);
            let change = change.await?;
            let unnamed: u64 = found.seen.unmapped.values().sum();
            say_first_day(change.lineages, unnamed);
            // the guards of this cycle did not know of the baseline yet, nor those of an earlier one that saw what a
            // list shows which is not due now
            self.epoch += 1;
            self.keep_decisions(found, now).await?;
            if let Some(memory) = self.memory.as_mut() {
                all_again(&mut memory.lists);
            }
            self.start_over(now);
            return Ok(());
        }
        self.take_backlogs_of(known_of, now).await?;
        self.witness.clone_from(&found.witness);
        let seen = found.seen.clone();
        let looks = found.observed.to_verify.clone();
        let next_look = found.observed.next_look;
        let changed = found.observed.opened + found.observed.joined > 0
            || !found.observed.outcomes.is_empty()
            || found.fresh_in_lists;
        let faults = found.fault_count;
        let to_justify = std::mem::take(&mut found.to_justify);
        let shown = found.shown.take();
        let sent_now = self.govern(found, now).await?;
        if known && self.acting {
            self.take_wishes(to_justify, now);
        }
        if known {
            self.take_looks(looks);
        }
        if let Some(absent) = &seen.absent {
            self.last.known_absent.extend(absent.seen.iter().cloned());
        }
        self.last.seen = seen;
        self.last.reloaded = false;
        self.warn_of_targets();
        self.look_at_stand_ins(now);
        self.last.faults = faults;
        self.last.at = Some(now);
        if self.acting {
            self.queued_from = self.last.seen.taken_at;
            self.queued_at = Some(now);
        }
        self.next_tick = self.pace_after(now, took, changed);
        self.look_again(now, next_look);
        // sent while this cycle read: it could not plan a look for that
        let taken_at = self.last.seen.taken_at;
        let sent_since = self.ledger.read(|index| {
            index
                .open_attempts()
                .any(|(_, attempt)| taken_at.is_some_and(|from| attempt.sent >= from))
        });
        if sent_since {
            self.look_soon(now);
        }
        if self
            .intake
            .as_ref()
            .is_some_and(crate::source::Intake::is_wanted)
        {
            // it came while this cycle read, or is one too many for it
            self.hint_came(now);
        }
        self.start_walk(shown, now);
        self.report(now, sent_now, faults, took);
        self.place_governor(now).await
    }

    /// What the cycle has found stands no more: the next one comes at once, also where there is only one.
    fn start_over(&mut self, now: Timestamp) {
        self.next_tick = now;
        if self.once {
            self.last.cycles = 0;
        }
    }

    /// A new store belongs to the first server that was read into it (invariant 13).
    async fn bind_world(&mut self, now: Timestamp) -> Result<(), DaemonError> {
        if self.ledger.read(|index| index.world().is_some()) {
            return Ok(());
        }
        let fingerprint = super::login::world(&self.settings.server);
        let login = self.settings.server.login.clone();
        let entry = Entry {
            body: EventBody::WorldBound { fingerprint },
            meta: Meta::daemon(now, Some(self.cycle)).login(Some(login)),
        };
        Ok(self.ledger.record(entry).await?)
    }

    /// Brings the counters up to date.
    fn meter(&mut self) {
        let (now, before) = (self.logins.requests(), self.metered);
        self.metrics.requests("read", now.reads - before.reads);
        self.metrics.requests("write", now.writes - before.writes);
        self.metrics.requests("token", now.tokens - before.tokens);
        self.metered = now;
        let records = self.ledger.read(|index| index.last_seq());
        self.metrics
            .recorded(records.saturating_sub(self.metered_records));
        self.metered_records = records;
        for view in self.governor.describe(self.clock.now()) {
            let state = match view.breaker.as_str() {
                "open" => BreakerState::Open,
                "probing" => BreakerState::Probing,
                _ => BreakerState::Closed,
            };
            self.metrics.set_breaker(&view.target, state);
        }
    }

    fn report(&mut self, now: Timestamp, queued: usize, faults: u64, took: Duration) {
        self.meter();
        let seen = &self.last.seen;
        let inbox = self.inbox_count(now);
        self.metrics.cycle(took, now.as_duration().as_secs_f64());
        self.metrics.set_inbox(inbox);
        self.metrics.set_tasks(
            seen.targets
                .iter()
                .map(|(target, (visible, rejected))| (target.as_str(), *visible, *rejected)),
        );
        self.metrics.set_roads(
            seen.roads
                .iter()
                .map(|(road, count)| (road.as_str(), *count)),
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
        let login = &self.settings.server.login;
        let to = match seen.has_main() {
            true => format!("to {login}"),
            false => format!("to others ({login} is STOPPED)"),
        };
        super::systemd::status(&format!(
            "{} tasks visible {to}, {queued} queued, {inbox} in the inbox",
            seen.visible
        ));
    }
}

/// Complete lists in a row, after one more; one of another world begins them anew, since what it shows
/// is not what was there.
fn in_a_row(before: u32, complete: bool, known: bool) -> u32 {
    if complete && known {
        before.saturating_add(1)
    } else {
        0
    }
}

/// Says what the first day of enforce has put on record, and that a release alone lets nothing go whose definition has no
/// kind.
fn say_first_day(tasks: u64, unnamed: u64) {
    const NAME: &str = "name their definitions in `policy.kinds` (`provtaskd status` lists them), then `provtaskd reload`";
    if tasks == 0 {
        return;
    }
    if unnamed == 0 {
        tracing::warn!(
            tasks,
            "enforce is on for the first time: everything that is there now is left until a person releases it (`provtaskd inbox`, `provtaskd approve baseline:TARGET`)"
        );
    } else if unnamed < tasks {
        tracing::warn!(
            tasks,
            without_kind = unnamed,
            "enforce is on for the first time: everything that is there now is left until a person releases it (`provtaskd inbox`, `provtaskd approve baseline:TARGET`); with those that are without a kind nothing is done after a release either: {NAME}"
        );
    } else {
        tracing::warn!(
            tasks,
            without_kind = unnamed,
            "enforce is on for the first time, and no task that is there now has a definition whose kind is known: nothing is done with any of them, released or not: {NAME}; after that they are old backlog, and left until a person releases them (`provtaskd approve baseline:TARGET`)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::in_a_row;

    #[test]
    fn lists_of_a_doubtful_world_do_not_count_towards_what_was_there_at_first() {
        assert_eq!(in_a_row(1, true, true), 2);
        assert_eq!(in_a_row(2, false, true), 0);
        assert_eq!(in_a_row(2, true, false), 0);
    }
}
