//! How many requests may leave per minute, over a `now` that is passed in; it never waits and never reads a clock.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// An exact sliding window: in no span of 60 s are there more requests than allowed (invariant 12).
#[derive(Debug)]
pub struct Budget {
    per_minute: usize,
    taken: VecDeque<Timestamp>,
}

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

impl Budget {
    /// A budget of `per_minute` requests; zero is read as one, because nothing could ever be read otherwise.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: usize::try_from(per_minute.max(1)).unwrap_or(usize::MAX),
            taken: VecDeque::new(),
        }
    }

    /// Takes one request at `now`, or says when the next one is free.
    ///
    /// # Errors
    /// The earliest time at which a request may leave. A `now` before the last one taken counts as that one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let now = self.taken.back().map_or(now, |last| now.max(*last));
        while let Some(first) = self.taken.front() {
            if now.duration_since(*first) < MINUTE {
                break;
            }
            self.taken.pop_front();
        }
        match self.taken.front() {
            Some(first) if self.taken.len() >= self.per_minute => {
                Err(first.checked_add(MINUTE).unwrap_or(Timestamp::MAX))
            }
            _ => {
                self.taken.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_holds_more_than_allowed(limit in 1u32..8, steps in prop::collection::vec(0i64..30_000, 1..200)) {
            let mut budget = Budget::new(limit);
            let mut now = Timestamp::UNIX_EPOCH;
            let mut granted: Vec<Timestamp> = Vec::new();
            for step in steps {
                now += SignedDuration::from_millis(step);
                match budget.take(now) {
                    Ok(()) => granted.push(now),
                    Err(free) => {
                        prop_assert!(free > now);
                        prop_assert!(budget.take(free).is_ok(), "free when it said so");
                        granted.push(free);
                        now = free;
                    }
                }
            }
            for (i, at) in granted.iter().enumerate() {
                let inside = granted[i..].iter().take_while(|t| t.duration_since(*at) < MINUTE).count();
                prop_assert!(inside <= usize::try_from(limit).expect("small"));
            }
        }
    }
}
