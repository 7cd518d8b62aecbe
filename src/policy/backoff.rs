//! Growing pauses between attempts with a jitter that is the same on every run; it knows no clock and no chance.

use jiff::SignedDuration;

use crate::model::LineageId;
use crate::model::task::Fnv;

/// The pause after `attempts` counted attempts: `base × factor^(attempts-1)`, at most `cap`, then
/// spread over 80 to 120 per cent (never above `cap`) by a hash of lineage and ordinal, so that
/// a thousand tasks that failed in one minute don't come back in one minute.
///
/// With no attempt yet it is the spread `base`. A factor below 1 or not finite counts as 1.
pub fn backoff(
    lineage: LineageId,
    attempts: u32,
    base: SignedDuration,
    factor: f64,
    cap: SignedDuration,
) -> SignedDuration {
    let factor = if factor.is_finite() {
        factor.max(1.0)
    } else {
        1.0
    };
    let cap = cap.max(SignedDuration::ZERO).as_secs_f64();
    let mut pause = base.max(SignedDuration::ZERO).as_secs_f64();
    for _ in 1..attempts.min(64) {
        pause = (pause * factor).min(cap);
    }
    let mut hash = Fnv::default();
    hash.text(&lineage.0.to_string());
    hash.text(&attempts.to_string());
    // Fnv's low bits are well mixed; 4,096 steps are fine enough for a spread of 40 per cent.
    let step = u32::try_from(hash.finish() % 4096).unwrap_or(0);
    let spread = 0.8 + 0.4 * f64::from(step) / 4095.0;
    let seconds = (pause * spread).min(cap);
    SignedDuration::try_from_secs_f64(seconds.round()).unwrap_or(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_above_the_cap_and_never_below_the_spread_base(
            lineage in any::<u64>(),
            attempts in any::<u32>(),
            base in 1i64..86_400,
            factor in 0.0f64..20.0,
            cap in 1i64..864_000,
        ) {
            let base_span = SignedDuration::from_secs(base);
            let cap_span = SignedDuration::from_secs(cap);
            let pause = backoff(LineageId(lineage), attempts, base_span, factor, cap_span);
            prop_assert!(pause <= cap_span);
            let floor = (0.8 * base_span.as_secs_f64()).min(cap_span.as_secs_f64() * 0.8);
            prop_assert!(pause.as_secs_f64() + 0.51 >= floor);
            prop_assert_eq!(pause, backoff(LineageId(lineage), attempts, base_span, factor, cap_span));
        }
    }

    #[test]
    fn it_grows_and_lineages_differ() {
        let minutes = |m| SignedDuration::from_mins(m);
        let at = |lineage, n| backoff(LineageId(lineage), n, minutes(5), 3.0, minutes(720));
        assert!(at(1, 3) > at(1, 2) && at(1, 2) > at(1, 1));
        let distinct: std::collections::BTreeSet<_> = (0..100).map(|l| at(l, 2)).collect();
        assert!(
            distinct.len() > 50,
            "only {} different pauses",
            distinct.len()
        );
    }
}
