//! Arithmetic on time that stops at the ends instead of overflowing; nothing else.

use jiff::{SignedDuration, Timestamp};

/// `at + by`, at most the last moment that can be written.
pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// `a + b`, at most the longest duration.
pub(super) fn plus(a: SignedDuration, b: SignedDuration) -> SignedDuration {
    a.saturating_add(b)
}

/// `by × factor`, at most `cap`; what is not a number gives `cap`.
pub(super) fn times(by: SignedDuration, factor: f64, cap: SignedDuration) -> SignedDuration {
    SignedDuration::try_from_secs_f64(by.as_secs_f64() * factor).map_or(cap, |long| long.min(cap))
}
