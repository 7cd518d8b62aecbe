//! The governor itself: it asks the gates and keeps the caps; it never sends, logs or reads a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::guard::Passed;
use crate::model::facts::History;
use crate::model::settings::{GovernorSettings, Modes, TargetLimits};
use crate::model::two;
use crate::model::{
    ActionName, AttemptState, Decision, LineageId, PolicyHash, Refusal, RefusalReason, Scope,
    TargetName, Verdict,
};

use super::admitted::{Admitted, Lane};
use super::cap::{self, Hold, Over, Used, Wanted, Wish, is_held};
use super::gate::{self, GateInput};
use super::interval::Interval;
use super::pace::Pace;
use super::state::{GovernorState, VERSION};
use super::sums::later;

/// Visible tasks per target, for share caps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census(pub BTreeMap<TargetName, u32>);

/// Requests in a row that have failed for a reason of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// How many.
    pub requests: u32,
    /// Each was answered 404: nothing is found at the path of the writes.
    pub missing: bool,
}

/// How things stand with everything that is not the governor's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The policy set's hash was released by a person.
    pub policy_released: bool,
    /// Actions that rest on traits of the server which were not probed, with what is missing.
    pub unprobed: BTreeMap<ActionName, Arc<str>>,
    /// The server refused the login; `Some` says why.
    pub login_stopped: Option<Arc<str>>,
    /// The store's world is not this server's; `Some` says why.
    pub world_mismatch: Option<Arc<str>>,
    /// The snapshot is complete and stable.
    pub snapshot_ok: bool,
    /// The last anchor of the journal is not where it has to be; `Some` says why.
    pub anchor_missing: Option<Arc<str>>,
    /// The store can write.
    pub store_ok: bool,
    /// The daemon is ending.
    pub shutting_down: bool,
    /// The server answers no request to write, whatever it names.
    pub outage: Option<Outage>,
}

impl Standing {
    /// Everything in order.
    pub fn good() -> Self {
        Self {
            policy_released: true,
            unprobed: BTreeMap::new(),
            login_stopped: None,
            world_mismatch: None,
            snapshot_ok: true,
            anchor_missing: None,
            store_ok: true,
            shutting_down: false,
            outage: None,
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
        if let Some(why) = &self.anchor_missing {
            return Some(
                refuse(RefusalReason::AnchorMissing)
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
    /// What may be claimed and sent, revokes first, then by priority, attempts and origin.
    pub admitted: Vec<Admitted>,
    /// What may not, with the first reason.
    pub refused: Vec<(Arc<Decision>, Refusal)>,
    /// What waits for a person because it is over a cap.
    pub holds: Vec<Hold>,
}

/// The governor: pure, every method takes the wall's `now`.
#[derive(Clone, Debug)]
pub struct Governor {
    pub(super) settings: GovernorSettings,
    pub(super) modes: Modes,
    pub(super) state: GovernorState,
    pub(super) standing: Standing,
    census: Census,
    pub(super) used: Used,
    pub(super) next_due: Option<Timestamp>,
}

struct Candidate {
    decision: Arc<Decision>,
    passed: Box<Passed>,
    target: TargetName,
    lane: Lane,
    priority: i32,
    /// Attempts of the episode, those that came to nothing included.
    attempts: u32,
    alone: bool,
}

/// So often a revoke or disable goes before everything else to see whether its target works again. Then others do: else
/// a long outage would use up its attempts, and it would wait for a person when the target is back.
const PROBES: u32 = 2;

/// True for what takes access away where others are to see first whether the target works again.
pub fn is_spared(attempts: u32) -> bool {
    attempts >= PROBES
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

    /// Opens a cycle. Caps begin anew where the interval of the last ones is over; they would then hold
    /// until `until`.
    pub fn begin_cycle(
        &mut self,
        now: Timestamp,
        census: &Census,
        standing: Standing,
        until: Timestamp,
    ) {
        let here = self.state.tick(now);
        let until = later(here, until.duration_since(now));
        self.state.interval = Some(Interval::at(self.state.interval.take(), here, until));
        self.census = census.clone();
        self.standing = standing;
        self.used = Used::default();
        self.next_due = None;
        cap::forget(&mut self.state.holds, here, &self.settings);
        self.state
            .pauses
            .retain(|pause| pause.until.is_none_or(|until| here < until));
        for pace in self.state.paces_mut() {
            pace.settle(here);
        }
    }

    /// Whether the journal's last anchor is where it has to be has changed; it holds at once.
    pub fn set_anchor_missing(&mut self, why: Option<Arc<str>>) {
        self.standing.anchor_missing = why;
    }

    /// Whether the server answers requests to write has changed; it holds at once.
    pub fn set_outage(&mut self, outage: Option<Outage>) {
        self.standing.outage = outage;
    }

    /// Tells how things stand, between cycles.
    pub fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Says what of the wanted may happen now. Each decision comes with the guards' proof for its
    /// own act; caps count over the whole interval, also when this is called more than once in it.
    pub fn govern<D: Into<Arc<Decision>> + Send, P: Into<Box<Passed>> + Send>(
        &mut self,
        now: Timestamp,
        wanted: Vec<(D, P)>,
        history: &(dyn Fn(LineageId) -> History + Sync),
    ) -> Governed {
        let here = self.state.tick(now);
        let mut out = Governed::default();
        let mut candidates = Vec::with_capacity(wanted.len());
        // the gates of one act know nothing of the others, so that many are asked at the same time; what
        // they say is taken in its order
        let one = |(decision, passed): (D, P)| {
            self.candidate(now, decision.into(), passed.into(), history)
        };
        two::each(wanted.into_iter(), &one, |asked| match asked {
            Ok(candidate) => candidates.push(candidate),
            Err(refused) => out.refused.push(*refused),
        });
        // among equals who has had the fewest attempts: else the probes of a long outage use up those
        // of the oldest task, and it ends with a person although nothing is wrong with it
        let probing = |of: &Candidate| {
            let pace = self.state.pace_of(&of.target, of.lane);
            pace.is_some_and(Pace::probing)
        };
        let rank = |of: &Candidate| {
            let takes = of.lane == Lane::Revoke;
            let spared = takes && is_spared(of.attempts) && probing(of);
            let priority = if spared {
                of.priority.min(0)
            } else {
                of.priority
            };
            (
                !takes || spared,
                std::cmp::Reverse(priority),
                of.attempts,
                of.passed.origin(),
            )
        };
        candidates.sort_by(|a, b| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.decision.task.cmp_numeric(&b.decision.task))
        });
        let held = self.over_cap(&candidates, here, now, &mut out.holds);
        // as a vector grows by itself, for a while it takes three times the place
        out.admitted.reserve_exact(candidates.len());
        self.used.expect_accounts(candidates.len());
        for candidate in candidates {
            match self.last_gate(&candidate, &held, here, now) {
                Some(refusal) => out.refused.push((candidate.decision, refusal)),
                None => {
                    self.take(&candidate, here);
                    let admitted = Admitted::new(
                        candidate.decision,
                        candidate.passed,
                        candidate.target,
                        candidate.lane,
                        candidate.priority,
                    );
                    out.admitted.push(admitted.alone(candidate.alone));
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

    pub(super) fn input<'a>(
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
        decision: Arc<Decision>,
        passed: Box<Passed>,
        history: &(dyn Fn(LineageId) -> History + Sync),
    ) -> Result<Candidate, Box<(Arc<Decision>, Refusal)>> {
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
        let lane = Lane::of(decision.kind, passed.action().name());
        Ok(Candidate {
            decision,
            passed,
            target,
            lane,
            priority,
            attempts: history
                .attempts
                .saturating_add(u32::from(history.in_vain.max(history.unproven))),
            alone: history.last_state == Some(AttemptState::NotApplied),
        })
    }

    /// Finds the sorts of acts that are over their cap as a whole, and makes their holds.
    fn over_cap(
        &mut self,
        candidates: &[Candidate],
        here: Timestamp,
        now: Timestamp,
        holds: &mut Vec<Hold>,
    ) -> BTreeMap<(TargetName, ActionName, PolicyHash), Over> {
        type Sort = (TargetName, ActionName, PolicyHash);
        let mut sorts: BTreeMap<Sort, Vec<Wanted<'_>>> = BTreeMap::new();
        for candidate in candidates.iter().filter(|c| is_held(c.action())) {
            let wish = candidate.wish();
            if cap::approved(&self.state.holds, &wish, here)
                || cap::rejected(&self.state.holds, &wish, here).is_some()
            {
                continue;
            }
            let decision = &candidate.decision;
            let target = candidate.target.clone();
            let of = sorts.entry((target, candidate.action(), decision.hash.clone()));
            of.or_default().push(Wanted {
                task: &decision.task,
                lineage: decision.lineage,
                act: candidate.passed.action(),
            });
        }
        let mut held = BTreeMap::new();
        for ((target, action, hash), of) in sorts {
            let limit = self.limit(&target, action);
            let wanted = u32::try_from(of.len()).unwrap_or(u32::MAX);
            let all = wanted.saturating_add(self.used.of(&target, action, Lane::Usual));
            let before = self.sent_before(&target, action, Lane::Usual);
            if all.saturating_add(before) <= limit {
                continue;
            }
            if all <= limit {
                held.insert((target, action, hash), Over::Waits);
                continue;
            }
            let hold = Hold::new(action, &target, &hash, of, limit, here);
            let hold = cap::remember(&mut self.state.holds, hold, here);
            held.insert((target, action, hash), Over::Held(hold.id.clone()));
            holds.push(self.shown(hold, now));
        }
        held
    }

    pub(super) fn limit(&self, target: &TargetName, action: ActionName) -> u32 {
        let visible = self.census.0.get(target).copied().unwrap_or(0);
        Used::limit(&self.settings, action, visible)
    }

    /// What can only be asked once the order of the cycle is known.
    fn last_gate(
        &self,
        candidate: &Candidate,
        held: &BTreeMap<(TargetName, ActionName, PolicyHash), Over>,
        here: Timestamp,
        now: Timestamp,
    ) -> Option<Refusal> {
        let target = &candidate.target;
        let action = candidate.action();
        let scope = || Scope::ActionOnTarget(action, target.clone());
        let wish = candidate.wish();
        if is_held(action) {
            if let Some((hold, by, until)) = cap::rejected(&self.state.holds, &wish, here) {
                return Some(
                    Refusal::new(RefusalReason::Rejected, scope())
                        .with("by", by)
                        .with("hold", hold)
                        .until(self.state.wall(now, until)),
                );
            }
            let sort = (target.clone(), action, candidate.decision.hash.clone());
            if let Some(over) = held.get(&sort)
                && !cap::approved(&self.state.holds, &wish, here)
            {
                return Some(match over {
                    Over::Held(hold) => Refusal::new(RefusalReason::CapHeld, scope())
                        .with("hold", hold)
                        .with("limit", self.limit(target, action))
                        .for_person(),
                    Over::Waits => self.over(target, action, candidate.lane, here, now),
                });
            }
        } else {
            let used = self.used.of(target, action, candidate.lane);
            let before = self.sent_before(target, action, candidate.lane);
            if used.saturating_add(before) >= self.limit(target, action) {
                return Some(self.over(target, action, candidate.lane, here, now));
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
        let pace = self.state.pace_of(target, candidate.lane);
        let probing = pace.is_some_and(Pace::probing);
        (probing && self.used.has_probe(target, candidate.lane)).then(|| {
            Refusal::new(RefusalReason::BreakerOpen, Scope::Target(target.clone()))
                .with("probe", "one item goes first")
        })
    }

    fn take(&mut self, candidate: &Candidate, here: Timestamp) {
        // what a person has approved does not use up the cap for the rest
        let approved = is_held(candidate.action())
            && cap::approved(&self.state.holds, &candidate.wish(), here);
        if !approved {
            self.used
                .count(&candidate.target, candidate.action(), candidate.lane);
        }
        if let Some(account) = candidate.passed.process() {
            self.used.take_account(account.clone());
        }
        self.used.take_probe(&candidate.target, candidate.lane);
    }

    pub(super) fn limits<'a>(
        settings: &'a GovernorSettings,
        target: &TargetName,
    ) -> &'a TargetLimits {
        let mut all = settings.targets.iter();
        let named = settings.targets.get(target).or_else(|| {
            // names of targets are taken in any case
            let named = all.find(|(name, _)| name.is_like(target));
            named.map(|(_, limits)| limits)
        });
        named.unwrap_or(&settings.default)
    }

    /// The machine of a target's lane: retries share the target's, what is said to OIG alone has one of its own.
    pub(super) fn pace(&mut self, target: &TargetName, lane: Lane) -> (&mut Pace, &TargetLimits) {
        let limits = Self::limits(&self.settings, target);
        let paces = match lane {
            Lane::Told => &mut self.state.told,
            Lane::Revoke | Lane::Usual => &mut self.state.targets,
        };
        let pace = paces
            .entry(target.clone())
            .or_insert_with(|| Pace::new(limits));
        (pace, limits)
    }

    /// Takes other modes: what was seen since says otherwise which of them hold.
    pub fn set_modes(&mut self, modes: Modes) {
        self.modes = modes;
    }

    /// Takes new settings; what was learned and what is paused stays.
    pub fn reconfigure(&mut self, settings: GovernorSettings, modes: Modes) {
        self.settings = settings;
        self.modes = modes;
    }
}

impl Candidate {
    fn action(&self) -> ActionName {
        self.passed.action().name()
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            action: self.action(),
            target: &self.target,
            hash: &self.decision.hash,
            task: &self.decision.task,
            lineage: self.decision.lineage,
            act: self.passed.action(),
        }
    }
}

pub(super) fn no_target(decision: &Decision) -> Refusal {
    Refusal::new(
        RefusalReason::FactUnknown,
        Scope::Task(decision.task.clone()),
    )
    .with("fact", "the row shows no target")
    .for_person()
}
