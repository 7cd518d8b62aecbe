//! Claiming, settling and concluding attempts on the ledger's thread; it never applies a move that the table does not have.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::claimed::Claimed;
use super::error::LedgerError;
use super::record::{ClaimItem, EventBody, MAX_TEXT, Meta, ReceiptItem, clip};
use super::work::Work;
use crate::dispatch::batch::Batch;
use crate::governor::Admitted;
use crate::model::attempt::{MAY_COME_YET, next};
use crate::model::hash::FastSet;
use crate::model::{
    Action, AttemptState, CycleId, LineageId, Login, Outcome, PolicyHash, Receipt, ReceiptStatus,
    Refusal, RefusalReason, Scope, TaskId,
};

/// Longest action (a note's text) that is claimed, bytes: it must fit into its record.
const MAX_ACTION: usize = 4000;

/// A batch to claim, immediately before its PUT.
#[derive(Debug)]
pub struct ClaimRequest {
    /// The admitted acts.
    pub batch: Batch<Admitted>,
    /// The access request behind each item, aligned; may be shorter.
    pub requests: Vec<Option<Arc<str>>>,
    /// The login that will send.
    pub login: Login,
    /// The cycle.
    pub cycle: CycleId,
    /// How long OIG's word that a definition is not automated holds.
    pub manual_ttl: SignedDuration,
    /// How long a request whose result is in doubt may still be carried out.
    pub settle_after: SignedDuration,
}

/// What was claimed and what was not.
#[derive(Debug)]
pub struct Claims {
    /// What may be sent; `None` where nothing is left.
    pub batch: Option<Batch<Claimed>>,
    /// What came back, with why.
    pub refused: Vec<(Admitted, Refusal)>,
}

/// How one receipt or outcome was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settled {
    /// The piece of work.
    pub lineage: LineageId,
    /// The attempt.
    pub ordinal: u32,
    /// Where the attempt stands now; `None`: the ledger knows no such attempt.
    pub state: Option<AttemptState>,
    /// False where the move is not legal: then nothing was recorded.
    pub applied: bool,
}

impl Work {
    pub(super) fn claim(
        &mut self,
        request: ClaimRequest,
        now: Timestamp,
    ) -> Result<Claims, LedgerError> {
        let ClaimRequest {
            batch,
            requests,
            login,
            cycle,
            manual_ttl,
            settle_after,
        } = request;
        let mut requests = requests.into_iter();
        let many = batch.items.len();
        let (mut items, mut claimed) = (Vec::with_capacity(many), Vec::with_capacity(many));
        let mut refused = Vec::new();
        let mut policy: Option<PolicyHash> = None;
        let mut taken = FastSet::default();
        for admitted in batch.items {
            let behind = requests.next().flatten();
            let decision = admitted.decision();
            let refusal = self
                .unclaimable(&admitted, taken.contains(&decision.lineage))
                .or_else(|| self.learned_since(&admitted, now, manual_ttl))
                .or_else(|| self.late(&admitted, now, settle_after));
            if let Some(refusal) = refusal {
                refused.push((admitted, refusal));
                continue;
            }
            taken.insert(decision.lineage);
            let ordinal = self
                .index()
                .lineage(decision.lineage)
                .and_then(|of| of.past.as_ref())
                .map_or(1, |past| past.total + 1);
            policy.get_or_insert_with(|| decision.hash.clone());
            items.push(ClaimItem {
                lineage: decision.lineage,
                ordinal,
                task: decision.task.clone(),
                action: admitted.action().clone(),
                process: decision.process.clone(),
                definition: decision.definition.clone(),
                kind: decision.kind,
                policy: decision.policy.clone(),
                inputs: decision.inputs.clone(),
                version: decision.version,
                rests: Arc::clone(admitted.rests()),
            });
            claimed.push(Claimed::new(batch.id, ordinal, behind, now, admitted));
        }
        if items.is_empty() {
            return Ok(Claims {
                batch: None,
                refused,
            });
        }
        let meta = Meta::daemon(now, Some(cycle))
            .login(Some(login))
            .policy(policy);
        let body = EventBody::Claims {
            batch: batch.id,
            target: batch.target.clone(),
            action: batch.action,
            items,
        };
        self.emit(&meta, body)?;
        for item in &claimed {
            self.evidence.remove(&item.lineage());
            self.looks.remove(&item.lineage());
            // no pass so far can tell what becomes of it
            self.not_absent(item.lineage());
            self.missed().remove(&item.lineage());
        }
        Ok(Claims {
            batch: Some(Batch {
                id: batch.id,
                target: batch.target,
                action: batch.action,
                items: claimed,
            }),
            refused,
        })
    }

    /// Why an admitted act can't be claimed; the last check before the disk, on the one owner's index.
    fn unclaimable(&self, admitted: &Admitted, twice: bool) -> Option<Refusal> {
        let decision = admitted.decision();
        let lineage = decision.lineage;
        let scope = || Scope::Lineage(lineage);
        if let Some(refusal) = self.not_now(lineage, &decision.task) {
            return Some(refusal);
        }
        if self.presence_of(lineage).passes > 0 {
            // what is queued was decided on an older list: somebody else may have ended it since
            return Some(
                Refusal::new(RefusalReason::TaskMoved, scope())
                    .with("decided_on", &decision.task)
                    .with("now", "not in the last whole list"),
            );
        }
        if twice {
            return Some(
                Refusal::new(RefusalReason::AttemptOpen, scope()).with("batch", "the same"),
            );
        }
        let size = match admitted.action() {
            Action::SetNote { text } => text.len(),
            Action::SetResponse { code } => code.len(),
            _ => 0,
        };
        (size > MAX_ACTION).then(|| {
            Refusal::new(RefusalReason::ActionNotAllowed, scope())
                .with("bytes", size)
                .with("limit", MAX_ACTION)
                .for_person()
        })
    }

    /// Why nothing at all may be written to a task of this lineage now.
    pub(super) fn not_now(&self, lineage: LineageId, task: &TaskId) -> Option<Refusal> {
        let scope = || Scope::Lineage(lineage);
        let index = self.index();
        if let Some((expected, found)) = index.rewound() {
            let expected = match expected {
                0 => "unknown".to_owned(),
                known => known.to_string(),
            };
            return Some(
                Refusal::new(RefusalReason::WorldMismatch, Scope::Global)
                    .with("expected_record", expected)
                    .with("found_record", found)
                    .for_person(),
            );
        }
        if let Some(why) = self.world_trouble() {
            return Some(
                Refusal::new(RefusalReason::WorldMismatch, Scope::Global)
                    .with("why", why)
                    .for_person(),
            );
        }
        if self.strange.contains_key(&lineage) || index.is_retired(lineage) {
            return Some(
                Refusal::new(RefusalReason::TaskMoved, scope())
                    .with("decided_on", task)
                    .with("now", "another task under this id"),
            );
        }
        if let Some(open) = index.open_attempt(lineage) {
            return Some(
                Refusal::new(RefusalReason::AttemptOpen, scope())
                    .with("attempt", open.ordinal)
                    .with("state", open.state),
            );
        }
        if index.is_ambiguous(lineage) {
            return Some(Refusal::new(RefusalReason::LineageAmbiguous, scope()).for_person());
        }
        (!index.is_current(lineage, task)).then(|| {
            let current = index.current_task(lineage);
            let now = current.map_or_else(|| "nothing".to_owned(), |t: TaskId| t.to_string());
            Refusal::new(RefusalReason::TaskMoved, scope())
                .with("decided_on", task)
                .with("now", now)
        })
    }

    /// A retry of a definition of which OIG has said, since this was decided, that it is not automated.
    fn learned_since(
        &self,
        admitted: &Admitted,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Option<Refusal> {
        if *admitted.action() != Action::Retry {
            return None;
        }
        let index = self.index();
        let definition = index.definition(admitted.decision().lineage)?;
        index.manual(definition, now, ttl).manual_since?;
        let scope = Scope::Definition(definition.clone());
        Some(Refusal::new(RefusalReason::DefinitionManual, scope))
    }

    /// Another request in the account, or for the same work, that was told and may still be carried out.
    fn late(
        &self,
        admitted: &Admitted,
        now: Timestamp,
        settle_after: SignedDuration,
    ) -> Option<Refusal> {
        let decision = admitted.decision();
        let (process, revoke) = (decision.process.as_ref(), decision.kind.takes_access());
        let index = self.index();
        let until = index.late_until(process, decision.lineage, revoke, now, settle_after)?;
        let scope = process
            .cloned()
            .map_or(Scope::Lineage(decision.lineage), Scope::Account);
        let refusal = Refusal::new(RefusalReason::AccountBusy, scope).until(until);
        Some(refusal.with("why", MAY_COME_YET))
    }

    pub(super) fn settle(
        &mut self,
        receipts: Vec<Receipt>,
        took: Duration,
        now: Timestamp,
    ) -> Result<Vec<Settled>, LedgerError> {
        let meta = Meta::daemon(now, None);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut out = Vec::with_capacity(receipts.len());
        let mut todo: Vec<(crate::model::BatchId, Vec<ReceiptItem>)> = Vec::new();
        let mut learned = Vec::new();
        let mut taken = FastSet::default();
        for receipt in receipts {
            let settled = self.legal(receipt.lineage, receipt.ordinal, |state| {
                next(state, receipt.status.event())
            });
            let applied = settled.applied && taken.insert((receipt.lineage, receipt.ordinal));
            self.missed().remove(&receipt.lineage);
            out.push(Settled { applied, ..settled });
            if !applied {
                tracing::warn!(
                    lineage = %receipt.lineage, attempt = receipt.ordinal, task = %receipt.task,
                    batch = %receipt.batch, answer = receipt.status.event().as_str(),
                    "an answer came that the attempt's state does not allow; it is not applied"
                );
                continue;
            }
            if let ReceiptStatus::Refused {
                reason,
                manual: true,
            } = &receipt.status
            {
                let index = self.index();
                let definition = index
                    .attempt(receipt.lineage)
                    .and_then(|a| a.definition.clone());
                if let Some(definition) =
                    definition.or_else(|| index.definition(receipt.lineage).cloned())
                {
                    learned.push((definition, clip(reason, MAX_TEXT)));
                }
            }
            let item = ReceiptItem {
                lineage: receipt.lineage,
                ordinal: receipt.ordinal,
                task: receipt.task,
                status: clipped(receipt.status),
            };
            match todo.iter_mut().find(|(batch, _)| *batch == receipt.batch) {
                Some((_, items)) => items.push(item),
                None => todo.push((receipt.batch, vec![item])),
            }
        }
        for (batch, items) in todo {
            let body = EventBody::Receipts {
                batch,
                took_ms,
                items,
            };
            self.emit(&meta, body)?;
        }
        learned.dedup_by(|a, b| a.0 == b.0);
        for (definition, reason) in learned {
            let body = EventBody::Learned {
                definition,
                manual: true,
                reason,
            };
            self.emit(&meta, body)?;
        }
        self.forget_settled();
        Ok(out)
    }

    pub(super) fn conclude(
        &mut self,
        outcomes: Vec<Outcome>,
        meta: &Meta,
    ) -> Result<Vec<Settled>, LedgerError> {
        let mut out = Vec::with_capacity(outcomes.len());
        for mut outcome in outcomes {
            let settled = self.legal(outcome.lineage, outcome.ordinal, |state| {
                next(state, outcome.event)
            });
            out.push(settled);
            if !settled.applied {
                tracing::warn!(
                    lineage = %outcome.lineage, attempt = outcome.ordinal,
                    event = outcome.event.as_str(),
                    "a conclusion came that the attempt's state does not allow; it is not applied"
                );
                continue;
            }
            outcome.evidence = outcome.evidence.map(|text| clip(&text, MAX_TEXT));
            let items = vec![outcome];
            self.emit(meta, EventBody::Outcomes { items })?;
        }
        self.forget_settled();
        Ok(out)
    }

    fn legal(
        &self,
        lineage: LineageId,
        ordinal: u32,
        step: impl FnOnce(AttemptState) -> Option<AttemptState>,
    ) -> Settled {
        let index = self.index();
        let state = index
            .attempt(lineage)
            .filter(|a| a.ordinal == ordinal)
            .map(|a| a.state);
        let after = state.and_then(step);
        Settled {
            lineage,
            ordinal,
            state: after.or(state),
            applied: after.is_some(),
        }
    }
}

pub(super) fn clipped(status: ReceiptStatus) -> ReceiptStatus {
    match status {
        ReceiptStatus::Accepted => ReceiptStatus::Accepted,
        ReceiptStatus::Refused { reason, manual } => ReceiptStatus::Refused {
            reason: clip(&reason, MAX_TEXT),
            manual,
        },
        ReceiptStatus::Unknown { why } => ReceiptStatus::Unknown {
            why: clip(&why, MAX_TEXT),
        },
        ReceiptStatus::Unsent { why } => ReceiptStatus::Unsent {
            why: clip(&why, MAX_TEXT),
        },
    }
}
