//! Groups admitted acts into bulk PUTs per target and action; pure, loses and duplicates nothing.

use crate::model::{ActionName, BatchId, TargetName};

/// Items that go out in one PUT: one target, one action.
#[must_use]
#[derive(Debug)]
pub struct Batch<T> {
    /// Sent as `X-Request-ID`.
    pub id: BatchId,
    /// The target of every item.
    pub target: TargetName,
    /// The action of every item.
    pub action: ActionName,
    /// The items; never empty.
    pub items: Vec<T>,
}
