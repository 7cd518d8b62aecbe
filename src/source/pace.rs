//! How long to wait until the next list, from what the last one cost and showed; pure.

use jiff::SignedDuration;

/// The adaptive interval between `every` and `at_most`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    every: SignedDuration,
    at_most: SignedDuration,
    current: SignedDuration,
}

/// Reading may take at most one part in this many of the time.
const SHARE: i32 = 5;

impl Pace {
    /// Starts at `every`; an `at_most` below it is read as `every`.
    pub fn new(every: SignedDuration, at_most: SignedDuration) -> Self {
        Self {
            every,
            at_most: at_most.max(every),
            current: every,
        }
    }

    /// The pause after a list that took `took` and in which something `changed` or nothing did:
    /// back to `every` on a change, half as long again without one, and never less than four times what the list took.
    pub fn next(&mut self, took: SignedDuration, changed: bool) -> SignedDuration {
        self.current = if changed {
            self.every
        } else {
            self.current
                .checked_mul(3)
                .map_or(self.at_most, |long| long / 2)
        }
        .clamp(self.every, self.at_most);
        self.again(took)
    }

    /// The same pause once more: after a list that was read because somebody asked, which tells
    /// nothing about how much changes by itself.
    pub fn again(&self, took: SignedDuration) -> SignedDuration {
        let slow = took.checked_mul(SHARE - 1).unwrap_or(self.at_most);
        self.current.max(slow).clamp(self.every, self.at_most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: fn(i64) -> SignedDuration = SignedDuration::from_secs;

    #[test]
    fn it_slows_down_without_changes_and_for_slow_lists_and_comes_back() {
        let mut pace = Pace::new(S(60), S(600));
        assert_eq!(pace.next(S(1), false), S(90));
        assert_eq!(pace.next(S(1), false), S(135));
        assert_eq!(pace.next(S(1), true), S(60));
        assert_eq!(pace.next(S(100), true), S(400));
        assert_eq!(pace.next(S(1), true), S(60));
    }

    #[test]
    fn lists_that_somebody_asked_for_do_not_slow_it_down() {
        let mut pace = Pace::new(S(60), S(600));
        assert_eq!(pace.next(S(1), false), S(90));
        assert_eq!([pace.again(S(1)), pace.again(S(1))], [S(90), S(90)]);
        assert_eq!(pace.again(S(100)), S(400));
        assert_eq!(pace.next(S(1), false), S(135));
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(every in 1i64..1_000, more in 0i64..10_000, lists in prop::collection::vec((0i64..100_000, any::<bool>()), 0..50)) {
            let mut pace = Pace::new(S(every), S(every + more));
            for (took, changed) in lists {
                let next = pace.next(S(took), changed);
                prop_assert!(next >= S(every) && next <= S(every + more));
            }
        }
    }
}
