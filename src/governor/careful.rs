//! The slower pace after an outage or a throttle: less of the configured rate, and back to it step by step; it never makes anything faster.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::sums::later;

/// The whole configured rate, in percent.
const WHOLE: u32 = 100;
/// What a target gets of it that has just come back.
const RETURNED: u32 = 50;
/// What it gets at least.
const LEAST: u32 = 10;
/// By how much more at a time: small enough that a step too far costs few refusals.
const STEP: u32 = 10;
/// Throttles within this time are one: what was on its way when the first one was read says nothing new.
const ONE: SignedDuration = SignedDuration::from_secs(60);

/// How much of its configured rate a target gets. Times are governor time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Careful {
    share: u32,
    raise_at: Option<Timestamp>,
    every: SignedDuration,
    slowed: Option<Timestamp>,
}

impl Default for Careful {
    fn default() -> Self {
        Self {
            share: WHOLE,
            raise_at: None,
            every: SignedDuration::ZERO,
            slowed: None,
        }
    }
}

impl Careful {
    /// Lets pass what passes by time alone.
    pub(super) fn settle(&mut self, here: Timestamp) {
        while let Some(at) = self.raise_at.filter(|at| *at <= here) {
            self.share = self.share.saturating_add(STEP).min(WHOLE);
            self.raise_at = (self.share < WHOLE).then(|| later(at, self.every));
        }
    }

    /// The target said that it is asked for too much: half of what it got, held for `every`.
    pub(super) fn throttled(&mut self, here: Timestamp, every: SignedDuration) {
        if self.slowed.is_none_or(|at| later(at, ONE) <= here) {
            self.share = (self.share / 2).max(LEAST);
            self.slowed = Some(here);
        }
        self.hold(here, every);
    }

    /// The target works again after an outage.
    pub(super) fn returned(&mut self, here: Timestamp, every: SignedDuration) {
        self.share = self.share.min(RETURNED);
        self.hold(here, every);
    }

    fn hold(&mut self, here: Timestamp, every: SignedDuration) {
        self.every = every;
        self.raise_at = Some(later(here, every));
    }

    /// True while less than the configured rate is given.
    pub(super) fn is_on(&self) -> bool {
        self.share < WHOLE
    }

    /// Items per minute, at least one.
    pub(super) fn rate(&self, per_minute: u32) -> u32 {
        if self.is_on() {
            (per_minute.saturating_mul(self.share) / WHOLE).max(1)
        } else {
            per_minute
        }
    }

    /// When more is given by time alone.
    pub(super) fn raise_at(&self) -> Option<Timestamp> {
        self.raise_at
    }
}
