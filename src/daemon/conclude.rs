//! What a person says of an attempt that readings can't tell, recorded with who and why; it never contradicts what was read.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::answer::NAME_SHOWN;
use super::core::Core;
use crate::control::{RefusedKind, Reply};
use crate::ledger::record::{Actor, EventBody, Meta};
use crate::ledger::{Attempt, Entry, Index};
use crate::model::text::clip_json;
use crate::model::{Action, AttemptEvent, AttemptState, Outcome};

impl Core {
    /// Concludes the open (or vanished) attempt of a piece of work by a person's word.
    pub async fn settle_by_person(
        &mut self,
        id: &str,
        completed: bool,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let Some(lineage) = self.lineage_named(id) else {
            return Ok(unknown(id));
        };
        let attempt = self.ledger.read(|index| index.attempt(lineage).cloned());
        let Some(attempt) = attempt else {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!("{lineage} has no attempt whose end is open"),
                "see `provtaskd outcomes show`; `provtaskd outcomes reset` lets its attempts count from zero again",
            ));
        };
        if attempt.state == AttemptState::Claimed {
            return Ok(Reply::refused(
                RefusedKind::Busy,
                format!(
                    "attempt {} of {lineage} is being sent just now",
                    attempt.ordinal
                ),
                "wait for its answer",
            ));
        }
        if let Some(until) = self.may_still_run(&attempt, now) {
            return Ok(Reply::refused(
                RefusedKind::Busy,
                format!(
                    "attempt {} of {lineage} was sent at {:.0} and may still be carried out until {until:.0} (delivery.settle_after): with an end before that the next try could run beside it",
                    attempt.ordinal, attempt.sent
                ),
                "look again after that time, and say it then",
            ));
        }
        let shown = self.memory.as_ref().is_some_and(|memory| {
            let known = memory.lineages.get(&lineage);
            known.is_some_and(|known| known.seen == memory.cycle)
        });
        let outcome = Outcome {
            lineage,
            ordinal: attempt.ordinal,
            event: if completed {
                AttemptEvent::PersonCompleted
            } else {
                AttemptEvent::PersonClosed
            },
            at: now,
            task: Some(attempt.task.clone()),
            evidence: Some(Arc::from(format!("a person: {why}"))),
        };
        let outcomes = vec![outcome];
        let settled = self.ledger.conclude(outcomes.clone(), who, now).await?;
        self.told(now, &outcomes);
        let state = settled.first().and_then(|settled| settled.state);
        Ok(match state {
            Some(state) if settled.iter().all(|settled| settled.applied) => Reply::done(format!(
                "attempt {} of {lineage} is {state} by your word; {}",
                attempt.ordinal,
                if completed {
                    "nothing more is done unless it fails anew"
                } else if shown {
                    "policies decide about it again"
                } else {
                    "no list has shown it lately: policies decide about it again only where one does, and what is closed in OIG and still wanted has to be ordered anew there"
                }
            )),
            _ => Reply::refused(
                RefusedKind::Invalid,
                format!(
                    "attempt {} of {lineage} can't be concluded any more",
                    attempt.ordinal
                ),
                "see `provtaskd outcomes show`",
            ),
        })
    }

    /// Until when a request of which nothing is told may still take effect, where that is yet to come: with an
    /// end the account is free, and a row that still shows the old failure is tried again. Our own notes and
    /// hand-overs run no connector.
    fn may_still_run(&self, attempt: &Attempt, now: Timestamp) -> Option<Timestamp> {
        let runs = matches!(
            attempt.action,
            Action::Retry | Action::ManualComplete | Action::SetResponse { .. }
        );
        let settle_after = self.settings.delivery.settle_after;
        let until = attempt.may_run_from().checked_add(settle_after).ok()?;
        (runs && now < until).then_some(until)
    }

    /// Begins a new episode: caps and back-off count from zero, and a doubt about the lineage ends.
    pub async fn reset(
        &mut self,
        id: &str,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let Some(lineage) = self.lineage_named(id) else {
            return Ok(unknown(id));
        };
        if self
            .ledger
            .read(|index| index.open_attempt(lineage).is_some())
        {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!("the last attempt of {lineage} is still open"),
                "let it be read, or say what became of it: `provtaskd outcomes settle`",
            ));
        }
        let read = |index: &Index| index.is_done(lineage) && !index.is_said(lineage);
        if self.ledger.read(read) {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!("completion of {lineage} was read: its attempts count from zero already"),
                format!("see `provtaskd outcomes show {lineage}`"),
            ));
        }
        let body = EventBody::EpisodeReset {
            lineage,
            reason: Arc::from(why),
        };
        let meta = Meta::by(who, now).login(Some(self.settings.server.login.clone()));
        self.ledger.record(Entry { body, meta }).await?;
        Ok(Reply::done(format!(
            "the attempts of {lineage} count from zero again; guards, caps and rates still hold. That its access was seen to be taken away later is forgotten, until it is seen once more"
        )))
    }
}

fn unknown(id: &str) -> Reply {
    Reply::refused(
        RefusedKind::NotFound,
        format!(
            "no task or lineage `{}` is known here",
            clip_json(id, NAME_SHOWN)
        ),
        "write OIG's task id, or a lineage id such as L12, as `provtaskd outcomes list` shows it",
    )
}
