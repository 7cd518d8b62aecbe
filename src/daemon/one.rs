//! Sends one retry that a person has asked for by its task, in any mode but off: the policies have to want it, the guards and every gate of the governor but mode and release have to let it pass, and it is claimed like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DaemonError;
use super::answer::trouble;
use super::core::Core;
use super::evaluate::{CycleError, Evaluated};
use super::govern::unseen;
use super::orders::person;
use crate::control::{self, RefusedKind, Reply};
use crate::governor::Standing;
use crate::ledger::DecisionRecord;
use crate::ledger::record::EventBody;
use crate::model::remedy::advice;
use crate::model::settings::Modes;
use crate::model::{Action, Decision, Digest, Mode, Refusal, TaskId, Verdict};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct OneRetry {
    /// The task.
    pub task: TaskId,
    /// Who takes the responsibility.
    pub who: control::Actor,
    /// Why.
    pub why: String,
}

/// Modes under which one item is asked about: the person's word stands for what is only observed, and for nothing
/// that somebody has switched off.
fn consented(modes: &Modes) -> Modes {
    fn off<K: Clone + Ord>(of: &BTreeMap<K, Mode>) -> BTreeMap<K, Mode> {
        let off = of.iter().filter(|(_, mode)| **mode == Mode::Off);
        off.map(|(name, mode)| (name.clone(), *mode)).collect()
    }
    Modes {
        global: Mode::Enforce,
        actions: off(&modes.actions),
        policies: off(&modes.policies),
        // a line that is lifted is one all the same: what holds for all others does not hold for its target
        targets: {
            let lifted = |mode: Mode| {
                if mode == Mode::Off {
                    mode
                } else {
                    Mode::Enforce
                }
            };
            let lines = modes.targets.iter();
            lines
                .map(|(name, mode)| (name.clone(), lifted(*mode)))
                .collect()
        },
        others: modes.others.filter(|mode| *mode == Mode::Off),
        slips: {
            let off = modes.slips.iter();
            let off = off.filter(|(_, slip)| slip.mode == Mode::Off);
            off.map(|(name, slip)| (name.clone(), slip.clone()))
                .collect()
        },
    }
}

fn refused(what: impl Into<String>, hint: &str) -> Reply {
    Reply::refused(RefusedKind::Invalid, what, hint)
}

impl Core {
    /// Why no single retry can be sent now, before anything is read.
    pub fn bars_one_retry(&self) -> Option<Reply> {
        if self.once {
            return Some(Reply::refused(
                RefusedKind::Unreachable,
                "no daemon runs: what becomes of a retry has to be read back",
                "start `provtaskd run` (mode observe is enough), then ask again",
            ));
        }
        if self.settings.modes.global == Mode::Off {
            return Some(refused(
                "mode.global is off: nothing is read or sent",
                "set mode.global to \"observe\", `provtaskd reload`, then ask again",
            ));
        }
        if self.stopping || !self.settled_at_start || self.reads_first(None) {
            return Some(Reply::refused(
                RefusedKind::Busy,
                "what was open when the daemon started is not read yet",
                "let it finish a cycle, then ask again",
            ));
        }
        if !self.queues.is_empty() || !self.under_way.is_empty() {
            return Some(Reply::refused(
                RefusedKind::Busy,
                "the daemon is sending: one retry by itself would teach nothing then",
                "ask again when `provtaskd status` shows nothing on its way",
            ));
        }
        None
    }

    /// Takes a fresh evaluation, and queues the retry where everything agrees.
    ///
    /// # Errors
    /// The ledger can't write.
    pub async fn retry_one(
        &mut self,
        asked: OneRetry,
        result: Result<Box<Evaluated>, CycleError>,
    ) -> Result<Reply, DaemonError> {
        let now = self.clock.now();
        let found = match result {
            Ok(found) => *found,
            Err(error) => return Ok(trouble(&error)),
        };
        // things may have moved while the list was read
        if let Some(reply) = self.bars_one_retry() {
            return Ok(reply);
        }
        let OneRetry { task, who, why } = asked;
        let census = found.seen.census();
        let (snapshot_ok, taken_at) = (found.seen.complete, found.seen.taken_at);
        let rest = found.rests.iter().find(|rest| rest.decision.task == task);
        let rest = rest.map(|rest| Arc::clone(&rest.decision));
        let proposal = found
            .proposals
            .into_iter()
            .find(|proposal| proposal.decision.task == task);
        let Some(proposal) = proposal else {
            return Ok(match rest {
                Some(_) => refused(
                    format!("the policies would not retry task {task}"),
                    "`provtaskd explain TASK` shows what they say; choose a task that they would retry",
                ),
                None => Reply::refused(
                    RefusedKind::NotFound,
                    format!("the list shows no task {task} that anything is to be done about"),
                    "choose a rejected task of `provtaskd plan`",
                ),
            });
        };
        let decision = proposal.decision;
        let retries = matches!(
            decision.verdict,
            Some(Verdict::Act {
                action: Action::Retry,
                ..
            })
        );
        if !retries {
            return Ok(refused(
                format!("the policies want something else than a retry of task {task}"),
                "`provtaskd explain TASK` shows what; choose a task that they would retry",
            ));
        }
        let passed = match proposal.guard {
            Ok(passed) => passed,
            Err(refusals) => return Ok(held(&decision, "the guards hold", &refusals)),
        };
        let lineage = decision.lineage;
        let open = self
            .ledger
            .read(|index| index.open_attempt(lineage).is_some());
        if open || self.under_way.carries(lineage) {
            return Ok(refused(
                format!("an attempt of task {task} is open already"),
                "let it be read: `provtaskd outcomes show TASK`",
            ));
        }
        // a copy: the person's word stands for observe and release of this one item, and for nothing else
        let mut governor = self.governor.clone();
        let modes = consented(&self.settings.modes);
        governor.reconfigure(self.settings.governor.clone(), modes);
        let standing = Standing {
            policy_released: true,
            // this very retry is how its traits are learned
            unprobed: BTreeMap::new(),
            ..self.standing(snapshot_ok)
        };
        governor.begin_cycle(now, &census, standing, self.caps_until(now));
        let ledger = self.ledger.clone();
        let foreign = self.settings.governor.count_foreign_attempts;
        let governed = governor.govern(now, vec![(Arc::clone(&decision), passed)], &|lineage| {
            ledger
                .read(|index| index.history(lineage, foreign))
                .unwrap_or_else(|| unseen(lineage, now))
        });
        if !governed.refused.is_empty() {
            let refusals: Vec<Refusal> = governed.refused.into_iter().map(|(_, r)| r).collect();
            return Ok(held(&decision, "the limits hold", &refusals));
        }
        let [admitted] = <[_; 1]>::try_from(governed.admitted)
            .map_err(|_| DaemonError::Worker("one item was asked for, not one came".to_owned()))?;
        // consent and decision are on record before anything is claimed
        self.put(
            EventBody::Approved {
                hold: hold_of(&task),
                until: now,
                reason: Arc::from(why),
            },
            person(who),
            now,
        )
        .await?;
        let record = DecisionRecord {
            decision,
            refusal: None,
            relook: None,
        };
        self.record_decisions(vec![record], now).await?;
        self.behind.insert(lineage, proposal.behind);
        self.queued_from = taken_at;
        self.queued_at = Some(now);
        self.ordered = Some(Arc::clone(admitted.shared()));
        self.queues.push(admitted);
        Ok(Reply::done(format!(
            "queued: one retry of task {task} ({lineage}); `provtaskd outcomes show {task}` tells what becomes of it"
        )))
    }
}

/// Under which name the consent to a single retry is on record.
pub fn hold_of(task: &TaskId) -> Digest {
    Digest::new(&format!("retry-one:{task}"))
}

fn held(decision: &Decision, by: &str, refusals: &[Refusal]) -> Reply {
    let why: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    // as it can be typed
    let mut helps = advice(refusals).replace("TASK", decision.task.as_str());
    if let Some(target) = &decision.target {
        let quoted = match target.as_str().contains(char::is_whitespace) {
            true => format!(" \"{target}\" "),
            false => format!(" {target} "),
        };
        helps = helps.replace(" TARGET ", &quoted);
    }
    refused(
        format!("{by} task {}: {}", decision.task, why.join("; ")),
        &format!("consent does not lift this; what helps: {helps}"),
    )
}
