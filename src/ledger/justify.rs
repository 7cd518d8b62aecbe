//! Claims and settles justifications: one line about an attempt in its task's note. Each is claimed once for ever, before it is sent; it is never an attempt, and nothing waits for it.

use std::sync::Arc;

use jiff::Timestamp;

use super::attempts::clipped;
use super::error::LedgerError;
use super::handle::Ledger;
use super::record::{EventBody, MAX_TEXT, Meta, clip};
use super::work::Work;
use crate::model::{
    ActionName, BatchId, CycleId, LineageId, Login, Mode, PolicyHash, ReceiptStatus, Refusal,
    RefusalReason, Scope, TargetName, TaskId,
};

/// A line about one attempt, immediately before its PUT.
#[derive(Clone, Debug)]
pub struct Justification {
    /// Sent as `X-Request-ID`.
    pub batch: BatchId,
    /// The piece of work.
    pub lineage: LineageId,
    /// The attempt that it is about: the last one.
    pub ordinal: u32,
    /// The task whose note is written: the present one.
    pub task: TaskId,
    /// Its target.
    pub target: TargetName,
    /// The line that is added; what else the note says is not recorded.
    pub line: Arc<str>,
    /// The login that will send.
    pub login: Login,
    /// The cycle.
    pub cycle: CycleId,
    /// The policy set in force.
    pub policy: PolicyHash,
}

impl Work {
    /// Claims it, or says why it may not be written.
    pub(super) fn claim_justification(
        &mut self,
        of: Justification,
        now: Timestamp,
    ) -> Result<Option<Refusal>, LedgerError> {
        let refusal = self
            .not_now(of.lineage, &of.task)
            .or_else(|| self.unwanted(&of, now));
        if refusal.is_some() {
            return Ok(refusal);
        }
        let meta = Meta::daemon(now, Some(of.cycle))
            .login(Some(of.login))
            .policy(Some(of.policy));
        let body = EventBody::JustificationClaimed {
            batch: of.batch,
            lineage: of.lineage,
            ordinal: of.ordinal,
            task: of.task,
            target: of.target,
            line: clip(&of.line, MAX_TEXT),
        };
        self.emit(&meta, body)?;
        Ok(None)
    }

    /// What may have come between the wish and its turn: another attempt, another justification, a pause,
    /// another mode.
    fn unwanted(&self, of: &Justification, now: Timestamp) -> Option<Refusal> {
        let index = self.index();
        let scope = Scope::Lineage(of.lineage);
        let due = index.unjustified(of.lineage);
        if due.is_none_or(|due| due.ordinal != of.ordinal) {
            return Some(
                Refusal::new(RefusalReason::TaskMoved, scope)
                    .with("attempt", of.ordinal)
                    .with("found", "another attempt, or a justification of this one"),
            );
        }
        if index.mode().is_some_and(|mode| mode != Mode::Enforce) {
            return Some(Refusal::new(RefusalReason::ModeObserve, Scope::Global));
        }
        let action = Scope::ActionOnTarget(ActionName::SetNote, of.target.clone());
        let scopes = [
            Scope::Global,
            Scope::Target(of.target.clone()),
            action,
            scope,
            Scope::Task(of.task.clone()),
        ];
        let paused = scopes.into_iter().find(|on| index.is_paused(on, now))?;
        Some(Refusal::new(RefusalReason::Paused, paused))
    }
}

impl Ledger {
    /// Claims a justification. `None`: it is on disk, may be sent, and will never be claimed again, however
    /// it ends.
    ///
    /// # Errors
    /// The ledger has failed; nothing may be sent.
    pub async fn claim_justification(
        &self,
        of: Justification,
        now: Timestamp,
    ) -> Result<Option<Refusal>, LedgerError> {
        self.submit(move |work| work.claim_justification(of, now))
            .await
    }

    /// Records how it ended, and whether a reading afterwards showed the line.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn end_justification(
        &self,
        of: Justification,
        status: ReceiptStatus,
        seen: bool,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.submit(move |work| {
            let meta = Meta::daemon(now, None);
            let body = EventBody::JustificationEnded {
                batch: of.batch,
                lineage: of.lineage,
                ordinal: of.ordinal,
                task: of.task,
                status: clipped(status),
                seen,
            };
            work.emit(&meta, body)
        })
        .await
    }
}
