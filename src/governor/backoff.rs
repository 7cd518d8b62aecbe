//! How long to wait after the n-th attempt: exponential with a jitter that is the same on every machine; no chance, no clock.

use jiff::SignedDuration;

use crate::model::LineageId;
use crate::model::settings::GovernorSettings;
use crate::model::task::Fnv;

use super::sums::times;

/// The pause after the `attempts`-th attempt of an episode (from 1): base · factor^(n−1), within
/// ±10 % by a hash of lineage and ordinal, never above the cap.
pub fn backoff(settings: &GovernorSettings, lineage: LineageId, attempts: u32) -> SignedDuration {
    let nth = i32::try_from(attempts.max(1) - 1).unwrap_or(i32::MAX);
    let factor = settings.backoff_factor.max(1.0).powi(nth);
    let mut hash = Fnv::default();
    hash.text(&lineage.to_string());
    hash.text(&attempts.to_string());
    // FNV mixes its low bits best; a per mille of −100 to +100
    let spread = u32::try_from(hash.finish() % 201).unwrap_or(100);
    let jitter = 0.9 + f64::from(spread) / 1000.0;
    times(settings.backoff_base, factor * jitter, settings.backoff_cap)
}
