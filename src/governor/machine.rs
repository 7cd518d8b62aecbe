//! The governor itself: it asks the gates, keeps the caps and paces the targets; it never sends, logs or reads a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::guard::Passed;
use crate::model::facts::History;
use crate::model::settings::{GovernorSettings, Modes, TargetLimits};
use crate::model::{
    Action, ActionName, AttemptEvent, Decision, LineageId, PolicyHash, Refusal, RefusalReason,
    Scope, TargetName, TaskId, Verdict,
};

use super::admitted::{Admitted, Lane};
use super::cap::{self, Hold, HoldStatus, Used, Wish, is_held};
use super::gate::{self, GateInput};
use super::pace::{Answered, Breaker, Pace};
use super::state::{GovernorState, Pause, PauseScope, VERSION};
use super::sums::{later, times};
use super::view::GateView;

/// Failed requests in a row, over all targets, after which the whole server gets a pause.
const SERVER_AFTER: u32 = 3;
/// First pause of the server, seconds; doubled with each further failure.
const SERVER_PAUSE: i64 = 30;
/// Longest pause of the server that we choose ourselves, seconds.
const SERVER_CAP: i64 = 900;

/// Visible tasks per target, for share caps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census(pub BTreeMap<TargetName, u32>);

/// How things stand with everything that is not the governor's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The policy set's hash was released by a person.
    pub policy_released: bool,
    /// The server refused the login; `Some` says why.
    pub login_stopped: Option<Arc<str>>,
    /// The store's world is not this server's; `Some` says why.
    pub world_mismatch: Option<Arc<str>>,
    /// The snapshot is complete and stable.
    pub snapshot_ok: bool,
    /// The store can write.
    pub store_ok: bool,
    /// The daemon is ending.
    pub shutting_down: bool,
}

impl Standing {
    /// Everything in order.
    pub fn good() -> Self {
        Self {
            policy_released: true,
            login_stopped: None,
            world_mismatch: None,
            snapshot_ok: true,
            store_ok: true,
            shutting_down: false,
        }
    }

    /// What stops every act, also between cycles.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let refuse = |reason| Refusal::new(reason, Scope::Global);
        if !self.store_ok {
            return Some(refuse(RefusalReason::StoreUnwritable).for_person());
        }
        if self.shutting_down {
            return Some(refuse(RefusalReason::ShuttingDown));
        }
        if let Some(why) = &self.world_mismatch {
            return Some(
                refuse(RefusalReason::WorldMismatch)
                    .with("why", why)
                    .for_person(),
            );
        }
        if let Some(why) = &self.login_stopped {
            return Some(
                refuse(RefusalReason::LoginStopped)
                    .with("why", why)
                    .for_person(),
            );
        }
        None
    }
}

/// The answer for one cycle's decisions.
#[derive(Debug, Default)]
pub struct Governed {
    /// What may be claimed and sent, revokes first, then by priority and origin.
    pub admitted: Vec<Admitted>,
    /// What may not, with the first reason.
    pub refused: Vec<(Decision, Refusal)>,
    /// What waits for a person because it is over a cap.
    pub holds: Vec<Hold>,
}

/// A person named a hold that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no hold `{0}` is open; it may have expired, or other tasks are wanted now")]
pub struct HoldError(pub String);

/// The governor: pure, every method takes the wall's `now`.
#[derive(Clone, Debug)]
pub struct Governor {
    settings: GovernorSettings,
    modes: Modes,
    state: GovernorState,
    standing: Standing,
    census: Census,
    used: Used,
    next_due: Option<Timestamp>,
}

struct Candidate {
    decision: Decision,
    passed: Passed,
    action: Action,
    target: TargetName,
    lane: Lane,
    priority: i32,
}

impl Governor {
    /// Starts with what was remembered. A state of another version is not understood and dropped:
    /// the caller should then hold sending back for the longest breaker pause.
    pub fn new(
        settings: GovernorSettings,
        modes: Modes,
        state: Option<GovernorState>,
        now: Timestamp,
    ) -> Self {
        let mut state = state
            .filter(|state| state.v == VERSION)
            .unwrap_or_else(|| GovernorState::empty(now));
        state.tick(now);
        Self {
            settings,
            modes,
            state,
            standing: Standing::good(),
            census: Census::default(),
            used: Used::default(),
            next_due: None,
        }
    }

    /// Opens a cycle: caps begin anew.
    pub fn begin_cycle(&mut self, now: Timestamp, census: &Census, standing: Standing) {
        let here = self.state.tick(now);
        self.census = census.clone();
        self.standing = standing;
        self.used = Used::default();
        self.next_due = None;
        cap::forget(&mut self.state.holds, here, &self.settings);
        self.state
            .pauses
            .retain(|pause| pause.until.is_none_or(|until| here < until));
        for pace in self.state.targets.values_mut() {
            pace.settle(here);
        }
    }

    /// Tells how things stand, between cycles.
    pub fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Says what of the wanted may happen now. Each decision comes with the guards' proof for its
    /// own act; caps count over the whole cycle, also when this is called more than once in it.
    pub fn govern(
        &mut self,
        now: Timestamp,
        wanted: Vec<(Decision, Passed)>,
        history: &dyn Fn(LineageId) -> History,
    ) -> Governed {
        let here = self.state.tick(now);
        let mut out = Governed::default();
        let mut candidates = Vec::new();
        for (decision, passed) in wanted {
            match self.candidate(now, decision, passed, history) {
                Ok(candidate) => candidates.push(candidate),
                Err(refused) => out.refused.push(*refused),
            }
        }
        candidates.sort_by(|a, b| {
            (a.lane, std::cmp::Reverse(a.priority), a.passed.origin())
                .cmp(&(b.lane, std::cmp::Reverse(b.priority), b.passed.origin()))
                .then_with(|| a.decision.task.cmp_numeric(&b.decision.task))
        });
        let held = self.over_cap(&candidates, here, now, &mut out.holds);
        for candidate in candidates {
            match self.last_gate(&candidate, &held, here, now) {
                Some(refusal) => out.refused.push((candidate.decision, refusal)),
                None => {
                    self.take(&candidate, here);
                    out.admitted.push(Admitted::new(
                        candidate.decision,
                        candidate.action,
                        candidate.target,
                        candidate.lane,
                        candidate.priority,
                    ));
                }
            }
        }
        self.next_due = out
            .refused
            .iter()
            .filter_map(|(_, refusal)| refusal.until)
            .filter(|until| *until > now)
            .chain(self.next_due)
            .min();
        out
    }

    /// Every gate's refusal for one decision, for `explain`; caps of the cycle are not asked.
    pub fn explain(
        &self,
        now: Timestamp,
        decision: &Decision,
        passed: &Passed,
        history: &History,
    ) -> Vec<Refusal> {
        let Some(target) = &decision.target else {
            return vec![no_target(decision)];
        };
        gate::ask_all(&self.input(now, decision, passed, target, history))
    }

    fn input<'a>(
        &'a self,
        now: Timestamp,
        decision: &'a Decision,
        passed: &'a Passed,
        target: &'a TargetName,
        history: &'a History,
    ) -> GateInput<'a> {
        GateInput {
            now,
            settings: &self.settings,
            modes: &self.modes,
            standing: &self.standing,
            state: &self.state,
            decision,
            passed,
            action: passed.action(),
            target,
            history,
        }
    }

    fn candidate(
        &self,
        now: Timestamp,
        decision: Decision,
        passed: Passed,
        history: &dyn Fn(LineageId) -> History,
    ) -> Result<Candidate, Box<(Decision, Refusal)>> {
        let Some(target) = decision.target.clone() else {
            let refusal = no_target(&decision);
            return Err(Box::new((decision, refusal)));
        };
        let history = history(decision.lineage);
        let refusal = gate::ask(&self.input(now, &decision, &passed, &target, &history));
        if let Some(refusal) = refusal {
            return Err(Box::new((decision, refusal)));
        }
        let priority = match &decision.verdict {
            Some(Verdict::Act { priority, .. }) => *priority,
            _ => 0,
        };
        let lane = if decision.kind.takes_access() {
            Lane::Revoke
        } else {
            Lane::Usual
        };
        Ok(Candidate {
            action: passed.action().clone(),
            decision,
            passed,
            target,
            lane,
            priority,
        })
    }

    /// Finds the sorts of acts that are over their cap as a whole, and makes their holds.
    fn over_cap(
        &mut self,
        candidates: &[Candidate],
        here: Timestamp,
        now: Timestamp,
        holds: &mut Vec<Hold>,
    ) -> BTreeMap<(TargetName, ActionName, PolicyHash), String> {
        let mut sorts: BTreeMap<(TargetName, ActionName, PolicyHash), Vec<TaskId>> =
            BTreeMap::new();
        for candidate in candidates.iter().filter(|c| is_held(c.action.name())) {
            let wish = candidate.wish();
            if cap::approved(&self.state.holds, &wish, here)
                || cap::rejected(&self.state.holds, &wish, here).is_some()
            {
                continue;
            }
            sorts
                .entry((
                    candidate.target.clone(),
                    candidate.action.name(),
                    candidate.decision.hash.clone(),
                ))
                .or_default()
                .push(candidate.decision.task.clone());
        }
        let mut held = BTreeMap::new();
        for ((target, action, hash), tasks) in sorts {
            let limit = self.limit(&target, action);
            let wanted = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            let used = self.used.of(&target, action, Lane::Usual);
            if used.saturating_add(wanted) <= limit {
                continue;
            }
            let hold = Hold::new(action, &target, &hash, tasks, limit, here);
            let hold = cap::remember(&mut self.state.holds, hold, here);
            held.insert((target, action, hash), hold.id.clone());
            holds.push(self.shown(hold, now));
        }
        held
    }

    fn limit(&self, target: &TargetName, action: ActionName) -> u32 {
        let visible = self.census.0.get(target).copied().unwrap_or(0);
        Used::limit(&self.settings, action, visible)
    }

    /// What can only be asked once the order of the cycle is known.
    fn last_gate(
        &self,
        candidate: &Candidate,
        held: &BTreeMap<(TargetName, ActionName, PolicyHash), String>,
        here: Timestamp,
        now: Timestamp,
    ) -> Option<Refusal> {
        let target = &candidate.target;
        let action = candidate.action.name();
        let scope = || Scope::ActionOnTarget(action, target.clone());
        let wish = candidate.wish();
        if is_held(action) {
            if let Some((by, until)) = cap::rejected(&self.state.holds, &wish, here) {
                return Some(
                    Refusal::new(RefusalReason::Rejected, scope())
                        .with("by", by)
                        .until(self.state.wall(now, until)),
                );
            }
            let sort = (target.clone(), action, candidate.decision.hash.clone());
            if let Some(hold) = held.get(&sort)
                && !cap::approved(&self.state.holds, &wish, here)
            {
                return Some(
                    Refusal::new(RefusalReason::CapHeld, scope())
                        .with("hold", hold)
                        .with("limit", self.limit(target, action))
                        .for_person(),
                );
            }
        } else {
            let limit = self.limit(target, action);
            let used = self.used.of(target, action, candidate.lane);
            if used >= limit {
                return Some(
                    Refusal::new(RefusalReason::CapRetries, scope())
                        .with("limit", limit)
                        .with("admitted", used),
                );
            }
        }
        if let Some(account) = candidate.passed.process()
            && self.used.has_account(account)
        {
            return Some(Refusal::new(
                RefusalReason::AccountBusy,
                Scope::Account(account.clone()),
            ));
        }
        let probing = self.state.targets.get(target).is_some_and(Pace::probing);
        (probing && self.used.has_probe(target)).then(|| {
            Refusal::new(RefusalReason::BreakerOpen, Scope::Target(target.clone()))
                .with("probe", "one item goes first")
        })
    }

    fn take(&mut self, candidate: &Candidate, here: Timestamp) {
        // what a person has approved does not use up the cap for the rest
        let approved = is_held(candidate.action.name())
            && cap::approved(&self.state.holds, &candidate.wish(), here);
        if !approved {
            self.used
                .count(&candidate.target, candidate.action.name(), candidate.lane);
        }
        if let Some(account) = candidate.passed.process() {
            self.used.take_account(account.clone());
        }
        self.used.take_probe(&candidate.target);
    }

    fn limits<'a>(settings: &'a GovernorSettings, target: &TargetName) -> &'a TargetLimits {
        settings.targets.get(target).unwrap_or(&settings.default)
    }

    fn pace(&mut self, target: &TargetName) -> (&mut Pace, &TargetLimits) {
        let limits = Self::limits(&self.settings, target);
        let pace = self
            .state
            .targets
            .entry(target.clone())
            .or_insert_with(|| Pace::new(limits));
        (pace, limits)
    }

    /// How many items the next PUT to the target may hold; at least 1.
    ///
    /// # Errors
    /// The refusal that holds the target back, with the time to ask again where time alone helps.
    pub fn next_batch(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
    ) -> Result<usize, Refusal> {
        let here = self.state.tick(now);
        if let Some(refusal) = self
            .standing
            .refusal()
            .or_else(|| self.state.pause_refusal(now, target))
            .or_else(|| self.state.server_refusal(now))
        {
            return Err(refusal);
        }
        let on_the_way = self
            .state
            .targets
            .values()
            .fold(0_u32, |sum, pace| sum.saturating_add(pace.in_flight));
        let all = match lane {
            Lane::Revoke => self.settings.writes_in_flight,
            // the last place is kept for revokes, where there is more than one
            Lane::Usual => self.settings.writes_in_flight.saturating_sub(1).max(1),
        };
        let busy = |scope, limit: u32, in_flight: u32| {
            Refusal::new(RefusalReason::TargetBusy, scope)
                .with("in_flight", in_flight)
                .with("limit", limit)
        };
        if on_the_way >= all {
            return Err(busy(Scope::Global, all, on_the_way));
        }
        let (pace, limits) = self.pace(target);
        pace.settle(here);
        if pace.in_flight >= limits.in_flight {
            return Err(busy(
                Scope::Target(target.clone()),
                limits.in_flight,
                pace.in_flight,
            ));
        }
        let size = pace.size(limits);
        let per_minute = limits.per_minute;
        let (left, more) = pace.rate_left(here, limits);
        if let Some(pace) = self.state.targets.get(target)
            && let Some(refusal) = gate::breaker_refusal(&self.state, pace, target, now)
        {
            return Err(refusal);
        }
        if left == 0 {
            let refusal = Refusal::new(RefusalReason::TargetRate, Scope::Target(target.clone()))
                .with("per_minute", per_minute);
            return Err(match more {
                Some(more) => refusal.until(self.state.wall(now, more)),
                None => refusal,
            });
        }
        Ok(usize::try_from(size.min(left)).unwrap_or(1))
    }

    /// A PUT with so many items is about to leave. Every `sent` is followed by exactly one
    /// [`Governor::answered`] or [`Governor::whole_request_failed`].
    pub fn sent(&mut self, now: Timestamp, target: &TargetName, items: u32) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target);
        pace.sent(here, items, limits);
    }

    /// A PUT came back with answers for its items.
    pub fn answered(&mut self, now: Timestamp, target: &TargetName, answer: Answered) {
        let here = self.state.tick(now);
        if answer.accepted > 0 || answer.refused > 0 {
            self.state.server_failures = 0;
        }
        let (pace, limits) = self.pace(target);
        pace.answered(here, &answer, limits);
    }

    /// A PUT ended without an answer that could be read (time-out, reset, 5xx, connect error).
    pub fn whole_request_failed(&mut self, now: Timestamp, target: &TargetName) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target);
        pace.request_failed(here, limits);
        self.state.server_failures = self.state.server_failures.saturating_add(1);
        if self.state.server_failures >= SERVER_AFTER {
            let doubled = i32::try_from(self.state.server_failures - SERVER_AFTER).unwrap_or(30);
            let pause = times(
                jiff::SignedDuration::from_secs(SERVER_PAUSE),
                2_f64.powi(doubled.min(30)),
                jiff::SignedDuration::from_secs(SERVER_CAP),
            );
            self.back_off_server(later(here, pause));
        }
    }

    /// The server said 408, 429, 502, 503 or 504, or named a time: everything waits until then (wall time).
    pub fn server_asked_to_wait(&mut self, now: Timestamp, until: Timestamp) {
        let here = self.state.tick(now);
        self.back_off_server(later(here, until.duration_since(now)));
    }

    fn back_off_server(&mut self, until: Timestamp) {
        self.state.server_until = Some(self.state.server_until.map_or(until, |had| had.max(until)));
    }

    /// A reading (or a person) told what became of an attempt; the same event counts once. The
    /// events of answers are told by [`Governor::answered`] and ignored here.
    pub fn outcome(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lineage: LineageId,
        ordinal: u32,
        event: AttemptEvent,
    ) {
        let here = self.state.tick(now);
        let (pace, limits) = self.pace(target);
        pace.outcome(here, lineage, ordinal, event, limits);
    }

    /// Pauses sending; an earlier pause of the same scope is replaced.
    pub fn pause(&mut self, now: Timestamp, scope: PauseScope, by: &str, until: Option<Timestamp>) {
        let here = self.state.tick(now);
        self.state.pauses.retain(|pause| pause.scope != scope);
        self.state.pauses.push(Pause {
            scope,
            by: Arc::from(by),
            until: until.map(|until| later(here, until.duration_since(now))),
        });
    }

    /// Ends a pause; false where there was none of this scope.
    pub fn resume(&mut self, scope: &PauseScope) -> bool {
        let before = self.state.pauses.len();
        self.state.pauses.retain(|pause| pause.scope != *scope);
        self.state.pauses.len() < before
    }

    /// The pauses that hold now, with their ends in wall time.
    pub fn pauses(&self, now: Timestamp) -> Vec<Pause> {
        let here = self.state.peek(now);
        self.state
            .pauses
            .iter()
            .filter(|pause| pause.until.is_none_or(|until| here < until))
            .map(|pause| Pause {
                until: pause.until.map(|until| self.state.wall(now, until)),
                ..pause.clone()
            })
            .collect()
    }

    /// Approves a hold: its very tasks, under its very policy set, until the approval expires.
    ///
    /// # Errors
    /// No such hold is known.
    pub fn approve(&mut self, now: Timestamp, id: &str, by: &str) -> Result<Hold, HoldError> {
        self.say(now, id, |until| HoldStatus::Approved {
            by: Arc::from(by),
            until,
        })
    }

    /// Rejects a hold: its tasks are refused until the rejection expires (as long as an approval lives).
    ///
    /// # Errors
    /// No such hold is known.
    pub fn reject(&mut self, now: Timestamp, id: &str, by: &str) -> Result<Hold, HoldError> {
        self.say(now, id, |until| HoldStatus::Rejected {
            by: Arc::from(by),
            until,
        })
    }

    fn say(
        &mut self,
        now: Timestamp,
        id: &str,
        status: impl FnOnce(Timestamp) -> HoldStatus,
    ) -> Result<Hold, HoldError> {
        let here = self.state.tick(now);
        cap::forget(&mut self.state.holds, here, &self.settings);
        let until = later(here, self.settings.approval_ttl);
        let hold = self
            .state
            .holds
            .iter_mut()
            .find(|hold| hold.id == id)
            .ok_or_else(|| HoldError(id.to_owned()))?;
        hold.status = status(until);
        let hold = hold.clone();
        Ok(self.shown(hold, now))
    }

    /// All holds that are remembered, with times of the wall.
    pub fn holds(&self, now: Timestamp) -> Vec<Hold> {
        self.state
            .holds
            .iter()
            .map(|hold| self.shown(hold.clone(), now))
            .collect()
    }

    fn shown(&self, mut hold: Hold, now: Timestamp) -> Hold {
        hold.seen_at = self.state.wall(now, hold.seen_at);
        match &mut hold.status {
            HoldStatus::Open => {}
            HoldStatus::Approved { until, .. } | HoldStatus::Rejected { until, .. } => {
                *until = self.state.wall(now, *until);
            }
        }
        hold
    }

    /// The earliest time after `now` at which a gate changes by itself, also those of decisions
    /// refused in this cycle; `None`: only events change anything.
    pub fn next_event(&self, now: Timestamp) -> Option<Timestamp> {
        let here = self.state.peek(now);
        let paces = self.state.targets.iter().filter_map(|(target, pace)| {
            pace.next_event(here, Self::limits(&self.settings, target))
        });
        let pauses = self.state.pauses.iter().filter_map(|pause| pause.until);
        paces
            .chain(pauses)
            .chain(self.state.server_until)
            .filter(|at| *at > here)
            .map(|at| self.state.wall(now, at))
            .chain(self.next_due.filter(|at| *at > now))
            .min()
    }

    /// The memory, to be stored.
    pub fn state(&self) -> GovernorState {
        self.state.clone()
    }

    /// Each target's gates, for status and metrics.
    pub fn describe(&self, now: Timestamp) -> Vec<GateView> {
        let here = self.state.peek(now);
        let views = self.state.targets.iter().map(|(target, pace)| {
            let limits = Self::limits(&self.settings, target);
            let mut pace = pace.clone();
            pace.settle(here);
            let (breaker, failures) = match pace.breaker {
                Breaker::Closed { failures } => ("closed", failures),
                Breaker::Open { .. } => ("open", 0),
                Breaker::HalfOpen { .. } => ("half_open", 0),
            };
            GateView {
                target: target.clone(),
                rate_left: pace.rate_left(here, limits).0,
                breaker: breaker.to_owned(),
                breaker_until: pace
                    .blocked_until(here)
                    .map(|until| self.state.wall(now, until)),
                failures,
                batch: pace.size(limits),
                in_flight: pace.in_flight,
                seconds_per_item: pace.seconds_per_item,
                paused_by: self
                    .state
                    .pause_of(here, target)
                    .map(|pause| pause.by.to_string()),
            }
        });
        views.collect()
    }

    /// Takes new settings; what was learned and what is paused stays.
    pub fn reconfigure(&mut self, settings: GovernorSettings, modes: Modes) {
        self.settings = settings;
        self.modes = modes;
    }
}

impl Candidate {
    fn wish(&self) -> Wish<'_> {
        Wish {
            action: self.action.name(),
            target: &self.target,
            hash: &self.decision.hash,
            task: &self.decision.task,
        }
    }
}

fn no_target(decision: &Decision) -> Refusal {
    Refusal::new(
        RefusalReason::FactUnknown,
        Scope::Task(decision.task.clone()),
    )
    .with("fact", "the row shows no target")
    .for_person()
}
