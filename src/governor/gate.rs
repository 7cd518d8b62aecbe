//! The ordered gates for one decision, each answering with a named refusal or nothing; caps over a whole cycle are in `cap`.

use jiff::Timestamp;

use crate::guard::Passed;
use crate::model::attempt::SENDS_IN_VAIN;
use crate::model::facts::History;
use crate::model::settings::{GovernorSettings, Modes};
use crate::model::{
    Action, ActionName, AttemptState, Decision, Mode, Refusal, RefusalReason, Scope, TargetName,
    Verdict,
};

use super::admitted::Lane;
use super::backoff::backoff;
use super::machine::Standing;
use super::pace::Pace;
use super::state::GovernorState;
use super::sums::later;

/// How often a lineage may be handed on: after so many owners a person has to look.
const OWNERS: usize = 3;
/// Acts beyond the retries that an episode may have (hand-over, note, answer).
const BEYOND_RETRIES: u32 = 5;

/// What a gate may look at.
pub(super) struct GateInput<'a> {
    pub(super) now: Timestamp,
    pub(super) settings: &'a GovernorSettings,
    pub(super) modes: &'a Modes,
    pub(super) standing: &'a Standing,
    pub(super) state: &'a GovernorState,
    pub(super) decision: &'a Decision,
    pub(super) passed: &'a Passed,
    pub(super) action: &'a Action,
    pub(super) target: &'a TargetName,
    pub(super) history: &'a History,
}

type Gate = fn(&GateInput<'_>) -> Option<Refusal>;

/// The gates in the order in which they are asked.
const GATES: &[(&str, Gate)] = &[
    ("proof", proof),
    ("standing", |input| input.standing.refusal()),
    ("mode", mode),
    ("release", release),
    ("probe", |input| {
        not_probed(input.standing, input.action.name())
    }),
    ("snapshot", |input| snapshot(input.standing)),
    ("pause", |input| {
        let action = input.action.name();
        input
            .state
            .act_paused(input.now, input.decision, action, input.target)
    }),
    ("attempts", attempts),
    ("due", due),
    ("back_off", back_off),
    ("server", |input| {
        server(input.standing, input.state, input.now)
    }),
    ("breaker", breaker),
];

/// The gates' names in the order in which they are asked; the caps of the cycle come after them.
pub fn gate_names() -> impl Iterator<Item = &'static str> {
    GATES.iter().map(|(name, _)| *name)
}

/// The server needs a pause; where the writes' path is not there, that is said, with what to do.
pub(super) fn server(
    standing: &Standing,
    state: &GovernorState,
    now: Timestamp,
) -> Option<Refusal> {
    let refusal = state.server_refusal(now)?;
    Some(named(standing, refusal))
}

/// What holds everything back, by its name where the writes' path is not there.
fn named(standing: &Standing, refusal: Refusal) -> Refusal {
    let Some(outage) = standing.outage.filter(|outage| outage.missing) else {
        return refusal;
    };
    let missing = Refusal::new(RefusalReason::WritePathMissing, Scope::Global)
        .with("answered_404_in_a_row", outage.requests);
    match refusal.until {
        Some(until) => missing.until(until),
        None => missing,
    }
}

/// The first refusal.
pub(super) fn ask(input: &GateInput<'_>) -> Option<Refusal> {
    GATES.iter().find_map(|(_, gate)| gate(input))
}

/// Every refusal, for `explain`.
pub(super) fn ask_all(input: &GateInput<'_>) -> Vec<Refusal> {
    GATES.iter().filter_map(|(_, gate)| gate(input)).collect()
}

/// The guards' proof must be for this very decision.
fn proof(input: &GateInput<'_>) -> Option<Refusal> {
    let decided = match &input.decision.verdict {
        Some(Verdict::Act { action, .. }) => action == input.action,
        _ => false,
    };
    let same = decided
        && *input.passed.task() == input.decision.task
        && input.passed.version() == input.decision.version
        && input.passed.process() == input.decision.process.as_ref();
    (!same).then(|| {
        Refusal::new(
            RefusalReason::TaskMoved,
            Scope::Task(input.decision.task.clone()),
        )
        .with("guards_passed", input.passed.task())
    })
}

/// What forbids an act as such, whatever the time and the facts: another world or another instance, its mode, a set that nobody has released, traits that nobody has probed.
pub(super) fn forbidden(
    modes: &Modes,
    standing: &Standing,
    decision: &Decision,
    action: ActionName,
    target: &TargetName,
) -> Vec<Refusal> {
    let elsewhere = standing.refusal();
    let elsewhere = elsewhere.filter(|of| of.reason == RefusalReason::WorldMismatch);
    elsewhere
        .into_iter()
        .chain(lowest_mode(modes, decision, action, target))
        .chain(not_released(standing, decision))
        .chain(not_probed(standing, action))
        .collect()
}

fn mode(input: &GateInput<'_>) -> Option<Refusal> {
    lowest_mode(
        input.modes,
        input.decision,
        input.action.name(),
        input.target,
    )
}

fn release(input: &GateInput<'_>) -> Option<Refusal> {
    not_released(input.standing, input.decision)
}

/// The lowest of global, action, policy and target.
fn lowest_mode(
    modes: &Modes,
    decision: &Decision,
    action: ActionName,
    target: &TargetName,
) -> Option<Refusal> {
    let policy = decision.policy.as_deref();
    let or_enforce = |mode: Option<Mode>| mode.unwrap_or(Mode::Enforce);
    let scopes = [
        (modes.global, "global", Scope::Global),
        (
            or_enforce(modes.of_target(target)),
            "target",
            Scope::Target(target.clone()),
        ),
        (
            or_enforce(modes.actions.get(&action).copied()),
            "action",
            Scope::ActionOnTarget(action, target.clone()),
        ),
        (
            or_enforce(policy.and_then(|policy| modes.policies.get(policy).copied())),
            "policy",
            Scope::Lineage(decision.lineage),
        ),
    ];
    let (mode, set_by, scope) = scopes.into_iter().min_by_key(|(mode, _, _)| *mode)?;
    let reason = match mode {
        Mode::Off => RefusalReason::ModeOff,
        Mode::Observe => RefusalReason::ModeObserve,
        Mode::Enforce => return None,
    };
    let refusal = Refusal::new(reason, scope).with("set_by", set_by);
    Some(match (set_by, policy) {
        ("policy", Some(policy)) => refusal.with("policy", policy),
        ("action", _) => refusal.with("action", action),
        ("target", _) => match modes.slips.get(target) {
            Some(slip) if slip.mode == mode => refusal.with("for_a_slip", &slip.written),
            _ if !modes.names(target) => refusal.with("line", "*"),
            _ => refusal,
        },
        _ => refusal,
    })
}

/// A policy set enforces only once a person has released its hash.
fn not_released(standing: &Standing, decision: &Decision) -> Option<Refusal> {
    (!standing.policy_released).then(|| {
        Refusal::new(RefusalReason::PolicyNotReleased, Scope::Global)
            .with("hash", decision.hash.short())
            .for_person()
    })
}

/// An action is enforced only once it is known how this server behaves in what the action rests on.
fn not_probed(standing: &Standing, action: ActionName) -> Option<Refusal> {
    let missing = standing.unprobed.get(&action)?;
    Some(
        Refusal::new(RefusalReason::NotProbed, Scope::Global)
            .with("action", action)
            .with("missing", missing)
            .for_person(),
    )
}

/// Nothing is concluded from half a list.
pub(super) fn snapshot(standing: &Standing) -> Option<Refusal> {
    (!standing.snapshot_ok).then(|| Refusal::new(RefusalReason::SnapshotIncomplete, Scope::Global))
}

/// Attempts per episode (invariant 7); hand-overs by the owners the task has had.
fn attempts(input: &GateInput<'_>) -> Option<Refusal> {
    let refusal = |limit: String, used: String, what: &str| {
        Refusal::new(
            RefusalReason::AttemptsUsedUp,
            Scope::Lineage(input.decision.lineage),
        )
        .with("of", what)
        .with("limit", limit)
        .with("used", used)
        .for_person()
    };
    if let Some(words) = no_right(input.history) {
        return Some(
            Refusal::new(
                RefusalReason::NotAuthorised,
                Scope::Lineage(input.decision.lineage),
            )
            .with("last", words)
            .for_person(),
        );
    }
    let used = input.history.attempts;
    let owners = input.history.former_owners.len();
    if input.action.name() == ActionName::Reassign && owners >= OWNERS {
        return Some(refusal(
            OWNERS.to_string(),
            owners.to_string(),
            "reassignments",
        ));
    }
    if input.history.in_vain >= SENDS_IN_VAIN {
        let last = input.history.recent.last();
        return Some(
            Refusal::new(
                RefusalReason::SentInVain,
                Scope::Lineage(input.decision.lineage),
            )
            .with("in_a_row", input.history.in_vain)
            .with(
                "last",
                last.and_then(|a| a.reason.as_deref()).unwrap_or("-"),
            )
            .for_person(),
        );
    }
    let limit = match input.action.name() {
        ActionName::Retry if input.decision.kind.takes_access() => {
            input.settings.max_attempts_taking
        }
        ActionName::Retry => input.settings.max_attempts,
        _ => input.settings.max_attempts.saturating_add(BEYOND_RETRIES),
    };
    if input.action.name() == ActionName::Retry
        && let Some((used, what)) = may_have_run(input.history, limit)
    {
        let last = input.history.recent.last();
        let last = last.and_then(|a| a.reason.as_deref()).unwrap_or("-");
        return Some(refusal(limit.to_string(), used.to_string(), what).with("last", last));
    }
    (used >= limit).then(|| refusal(limit.to_string(), used.to_string(), "attempts"))
}

/// Retries that were read as not applied may have run all the same where their requests got no answer: they
/// have a limit of their own, and where the target keeps ids, so that a run which fails with the same words
/// can't be told from none, they count with all others.
fn may_have_run(history: &History, limit: u32) -> Option<(u32, &'static str)> {
    let unproven = u32::from(history.unproven);
    if unproven == 0 {
        return None;
    }
    if history.keeps_ids {
        let used = history.attempts.saturating_add(unproven);
        return (used >= limit).then_some((used, "attempts that have run or may have"));
    }
    (unproven >= limit).then_some((unproven, "attempts that may have run"))
}

/// OIG's words, where it has refused the last attempt for want of a right (contract 9.9: park it). Another try needs
/// another right, and each would be refused the same.
fn no_right(history: &History) -> Option<&str> {
    let last = history.recent.last().filter(|_| !history.reset)?;
    let words = last
        .reason
        .as_deref()
        .filter(|_| last.state == AttemptState::Refused)?;
    let low = words.to_ascii_lowercase();
    let none = ["not authorized", "not authorised"];
    none.iter().any(|said| low.contains(said)).then_some(words)
}

/// The policy's own "not before".
fn due(input: &GateInput<'_>) -> Option<Refusal> {
    let due = input.decision.due.filter(|due| input.now < *due)?;
    Some(
        Refusal::new(
            RefusalReason::NotDueYet,
            Scope::Lineage(input.decision.lineage),
        )
        .until(due),
    )
}

/// The pause after the last attempt's end. A clock that was set back makes it longer, never shorter.
fn back_off(input: &GateInput<'_>) -> Option<Refusal> {
    if input.action.name() != ActionName::Retry
        || input.history.last_state == Some(AttemptState::Completed)
        || input.history.reset
    {
        return None;
    }
    let ended = input.history.last_attempt_at?;
    let tried = input
        .history
        .attempts
        .saturating_add(u32::from(input.history.in_vain));
    let pause = backoff(input.settings, input.history.lineage, tried);
    let until = later(ended, pause);
    (input.now < until).then(|| {
        Refusal::new(
            RefusalReason::BackOff,
            Scope::Lineage(input.history.lineage),
        )
        .with("attempts", input.history.attempts)
        .with("pause_seconds", pause.as_secs())
        .until(until)
    })
}

/// An open breaker holds everything of its lane back; so does a probe that is under way.
fn breaker(input: &GateInput<'_>) -> Option<Refusal> {
    let lane = Lane::of(input.decision.kind, input.action.name());
    let pace = input.state.pace_of(input.target, lane)?;
    let refusal = breaker_refusal(input.state, pace, input.target, input.now)?;
    Some(named(input.standing, refusal))
}

/// The breaker's refusal, for the gate and for the batcher.
pub(super) fn breaker_refusal(
    state: &GovernorState,
    pace: &Pace,
    target: &TargetName,
    now: Timestamp,
) -> Option<Refusal> {
    let until = pace.blocked_until(state.peek(now))?;
    Some(
        Refusal::new(RefusalReason::BreakerOpen, Scope::Target(target.clone()))
            .until(state.wall(now, until)),
    )
}
