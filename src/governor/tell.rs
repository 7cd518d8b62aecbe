//! What the governor tells of its gates: for plans, `status`, metrics and the next time to look; it changes nothing by telling.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::guard::Passed;
use crate::model::facts::History;
use crate::model::{ActionName, Decision, Refusal, TargetName, Verdict};

use super::admitted::Lane;
use super::cap::Hold;
use super::gate;
use super::machine::{Governor, no_target};
use super::pace::{Breaker, Pace};
use super::state::GovernorState;
use super::view::GateView;

impl Governor {
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

    /// What forbids a decision's act as such: its mode, a policy set that nobody has released, traits that
    /// nobody has probed, a pause. An
    /// act that has to wait for another reason as well is not sent either when that one has gone.
    pub fn forbidden(&self, now: Timestamp, decision: &Decision) -> Vec<Refusal> {
        let (Some(target), Some(Verdict::Act { action, .. })) =
            (&decision.target, &decision.verdict)
        else {
            return Vec::new();
        };
        let action = action.name();
        let mut all = gate::forbidden(&self.modes, &self.standing, decision, action, target);
        all.extend(self.state.act_paused(now, decision, action, target));
        all
    }

    /// What keeps the justification of an earlier attempt from being written: every gate but those that
    /// count attempts and wait between them, for it is none.
    pub fn keeps_note(&self, now: Timestamp, decision: &Decision) -> Option<Refusal> {
        const NOTE: ActionName = ActionName::SetNote;
        let Some(target) = &decision.target else {
            return Some(no_target(decision));
        };
        let forbidden = || gate::forbidden(&self.modes, &self.standing, decision, NOTE, target);
        let breaker = || {
            let pace = self.state.pace_of(target, Lane::Told)?;
            gate::breaker_refusal(&self.state, pace, target, now)
        };
        self.standing
            .refusal()
            .or_else(|| forbidden().into_iter().next())
            .or_else(|| gate::snapshot(&self.standing))
            .or_else(|| self.state.act_paused(now, decision, NOTE, target))
            .or_else(|| gate::server(&self.standing, &self.state, now))
            .or_else(breaker)
    }

    /// The earliest time after `now` at which a gate changes by itself, also those of decisions
    /// refused in this cycle; `None`: only events change anything.
    pub fn next_event(&self, now: Timestamp) -> Option<Timestamp> {
        let here = self.state.peek(now);
        let paces = self.state.paces().filter_map(|(target, pace)| {
            pace.next_event(here, Self::limits(&self.settings, target))
        });
        // the rate is one for both machines of a target: what one has sent falls out for the other too
        let told = self.state.told.iter().flat_map(|(target, pace)| {
            let retries = self.state.targets.get(target);
            let both = [Some(pace), retries].into_iter().flatten();
            both.filter_map(|pace| pace.used(here).1)
        });
        let pauses = self.state.pauses.iter().filter_map(|pause| pause.until);
        paces
            .chain(told)
            .chain(pauses)
            .chain(self.state.server_until)
            .filter(|at| *at > here)
            .map(|at| self.state.wall(now, at))
            .chain(self.next_due.filter(|at| *at > now))
            .min()
    }

    /// The memory, to be stored.
    pub fn state(&self) -> GovernorState {
        let mut state = self.state.clone();
        state.holds.iter_mut().for_each(Hold::count_as_used);
        state
    }

    /// Each target's gates, for status and metrics.
    pub fn describe(&self, now: Timestamp) -> Vec<GateView> {
        let here = self.state.peek(now);
        let told = |target| {
            let pace = self.state.told.get(target);
            pace.map_or(0, |pace| pace.used(here).0)
        };
        // a target that was only told something has a machine of that sort alone
        let all = self.state.paces().map(|(target, _)| target);
        let all: BTreeSet<&TargetName> = all.collect();
        let views = all.into_iter().map(|target| {
            let limits = Self::limits(&self.settings, target);
            let pace = self.state.targets.get(target);
            let mut pace = pace.cloned().unwrap_or_else(|| Pace::new(limits));
            pace.settle(here);
            let failures = match pace.breaker {
                Breaker::Closed { failures } => failures,
                Breaker::Open { .. } | Breaker::HalfOpen { .. } => 0,
            };
            let wall = |until| self.state.wall(now, until);
            let breaker_of_told = self.state.told.get(target).map(|pace| {
                let mut pace = pace.clone();
                pace.settle(here);
                let until = pace.blocked_until(here).map(wall);
                (pace.breaker.word().to_owned(), until)
            });
            GateView {
                target: target.clone(),
                rate_left: pace.rate_left(here, limits).0.saturating_sub(told(target)),
                breaker: pace.breaker.word().to_owned(),
                breaker_until: pace.blocked_until(here).map(wall),
                told_breaker: breaker_of_told.filter(|(word, _)| word != Breaker::CLOSED),
                failures,
                batch: pace.size(limits),
                in_flight: pace.in_flight + self.state.told_in_flight(target),
                seconds_per_item: pace.seconds_per_item,
                paused_by: self
                    .state
                    .pause_of(here, target)
                    .map(|pause| pause.by.to_string()),
            }
        });
        views.collect()
    }
}
