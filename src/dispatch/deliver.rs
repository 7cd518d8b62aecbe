//! Sends one claimed batch and turns whatever came back into receipts; it never repeats a request and never judges by position.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::batch::Batch;
use crate::ledger::Claimed;
use crate::model::attempt::ended;
use crate::model::{Clock, Receipt, ReceiptStatus, TaskId};
use crate::oig::{Client, PutEnd, UnsentCause, WriteItem, receipts};

/// How a PUT ended, for the governor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The answer could be read; items count for themselves.
    Answered,
    /// Provably not applied.
    Unsent {
        /// Why.
        why: Arc<str>,
        /// Which sort.
        cause: UnsentCause,
    },
    /// May have been applied.
    Unknown {
        /// What is known.
        why: Arc<str>,
        /// The HTTP status, where one came.
        status: Option<u16>,
        /// The server's `Retry-After`.
        retry_after: Option<SignedDuration>,
        /// No answer came in time.
        hung: bool,
    },
}

/// A batch that has come to its end: one receipt per item, in the order sent.
#[derive(Debug)]
pub struct Delivered {
    /// One per item; none is missing.
    pub receipts: Vec<Receipt>,
    /// How the request ended.
    pub end: End,
    /// From sending to the last byte (wall time).
    pub took: Duration,
}

/// Sends the batch in one PUT.
pub async fn deliver(client: &Client, clock: &Clock, batch: Batch<Claimed>) -> Delivered {
    let items: Vec<WriteItem> = batch
        .items
        .iter()
        .map(|claimed| WriteItem {
            task: claimed.task().clone(),
            request: claimed.request().cloned(),
            action: claimed.action().clone(),
        })
        .collect();
    let began = std::time::Instant::now();
    let answer = client.put_bulk(batch.id, &items).await;
    let at = clock.now();
    match answer {
        Ok(answer) => {
            let ids: Vec<TaskId> = items.into_iter().map(|item| item.task).collect();
            let statuses = receipts(&ids, &answer);
            Delivered {
                receipts: batch
                    .items
                    .iter()
                    .zip(statuses)
                    .map(|(claimed, (_, status))| claimed.receipt(status, at))
                    .collect(),
                end: End::Answered,
                took: answer.took,
            }
        }
        Err(end) => {
            let why: Arc<str> = Arc::from(end.to_string());
            let (status, end) = match end {
                PutEnd::Unsent { cause, .. } => (
                    ReceiptStatus::Unsent {
                        why: Arc::clone(&why),
                    },
                    End::Unsent { why, cause },
                ),
                PutEnd::Unknown {
                    status,
                    retry_after,
                    hung,
                    ..
                } => (
                    ReceiptStatus::Unknown {
                        why: ended(status, &why),
                    },
                    End::Unknown {
                        why,
                        status,
                        retry_after,
                        hung,
                    },
                ),
            };
            Delivered {
                receipts: all(&batch, &status, at),
                end,
                took: began.elapsed(),
            }
        }
    }
}

fn all(batch: &Batch<Claimed>, status: &ReceiptStatus, at: Timestamp) -> Vec<Receipt> {
    batch
        .items
        .iter()
        .map(|claimed| claimed.receipt(status.clone(), at))
        .collect()
}
