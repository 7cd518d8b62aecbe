//! What the governor knows of one target, for status and metrics; read only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::TargetName;

/// One target's gates at a moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GateView {
    /// The target.
    pub target: TargetName,
    /// Items that may still be sent within the running minute.
    pub rate_left: u32,
    /// `closed`, `open` or `probing`.
    pub breaker: String,
    /// When an open breaker lets a probe go, or a probe is given up.
    pub breaker_until: Option<Timestamp>,
    /// The same of what is said to OIG alone (notes, hand-overs, answers), which has a breaker of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_breaker: Option<(String, Option<Timestamp>)>,
    /// Failures in a row (closed breaker).
    pub failures: u32,
    /// Size of the next batch.
    pub batch: u32,
    /// PUTs on their way.
    pub in_flight: u32,
    /// Learned seconds per item.
    pub seconds_per_item: Option<f64>,
    /// Who paused the target or everything.
    pub paused_by: Option<String>,
}
