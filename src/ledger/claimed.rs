//! The proof that an act is on disk; only the ledger makes one, and only such a one can be sent.

use std::sync::Arc;

use jiff::Timestamp;

use crate::governor::Admitted;
use crate::model::{
    Action, BatchId, Decision, LineageId, ProcessKey, Receipt, ReceiptStatus, TargetName, TaskId,
};

/// A claimed act. Not `Clone`; one that is dropped unsettled stays an open claim on disk, which the
/// next start finds and re-reads.
#[must_use]
#[derive(Debug)]
pub struct Claimed {
    batch: BatchId,
    ordinal: u32,
    request: Option<Arc<str>>,
    sent: Timestamp,
    admitted: Admitted,
}

impl Claimed {
    pub(in crate::ledger) fn new(
        batch: BatchId,
        ordinal: u32,
        request: Option<Arc<str>>,
        sent: Timestamp,
        admitted: Admitted,
    ) -> Self {
        Self {
            batch,
            ordinal,
            request,
            sent,
            admitted,
        }
    }

    /// For the unit tests of rooms downstream.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn for_test(
        batch: BatchId,
        ordinal: u32,
        request: Option<Arc<str>>,
        sent: Timestamp,
        admitted: Admitted,
    ) -> Self {
        Self::new(batch, ordinal, request, sent, admitted)
    }

    /// The batch it goes out in.
    pub fn batch(&self) -> BatchId {
        self.batch
    }

    /// The piece of work.
    pub fn lineage(&self) -> LineageId {
        self.admitted.decision().lineage
    }

    /// The n-th try of it.
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The id to send.
    pub fn task(&self) -> &TaskId {
        &self.admitted.decision().task
    }

    /// What to send.
    pub fn action(&self) -> &Action {
        self.admitted.action()
    }

    /// The access request behind the task, which reassign items carry where known.
    pub fn request(&self) -> Option<&Arc<str>> {
        self.request.as_ref()
    }

    /// The account.
    pub fn process(&self) -> Option<&ProcessKey> {
        self.admitted.process()
    }

    /// The target.
    pub fn target(&self) -> &TargetName {
        self.admitted.target()
    }

    /// The time of the claim, taken as the time of sending.
    pub fn sent_at(&self) -> Timestamp {
        self.sent
    }

    /// The decision behind it.
    pub fn decision(&self) -> &Decision {
        self.admitted.decision()
    }

    /// The answer to it, for [`super::Ledger::settle`].
    pub fn receipt(&self, status: ReceiptStatus, at: Timestamp) -> Receipt {
        Receipt {
            batch: self.batch,
            lineage: self.lineage(),
            ordinal: self.ordinal,
            task: self.task().clone(),
            action: self.action().clone(),
            status,
            at,
        }
    }
}
