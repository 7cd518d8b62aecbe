//! How fast one target may be written to: rate, writes in flight, breaker, learned batch size. Times are governor time.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::settings::TargetLimits;
use crate::model::{AttemptEvent, LineageId};

use super::admitted::Lane;
use super::careful::Careful;
use super::sums::{later, plus};

/// The span over which the rate holds: in no span of this length more items are sent.
pub const SPAN: SignedDuration = SignedDuration::from_secs(60);
/// Sendings remembered one by one; more are joined to the later one, which errs to the slow side.
const REMEMBERED: usize = 16;
/// Events remembered against duplicates.
const SEEN: usize = 512;
/// Batch sizes grow by this factor: 1, 5, 25.
const GROWTH: u32 = 5;
/// After an outage or a throttle by this one: 1, 2, 4, 8.
const CAREFUL_GROWTH: u32 = 2;

/// What came back for one PUT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// Items in the PUT.
    pub items: u32,
    /// How long it took (domain time).
    pub took: Duration,
    /// Items answered with a good word.
    pub accepted: u32,
    /// Items answered with a bad word.
    pub refused: u32,
    /// Items not answered clearly.
    pub unknown: u32,
}

/// What is known of a PUT that was sent and ended without an answer that could be read: the time
/// that it had taken until then is the least that its items need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Items in the PUT.
    pub items: u32,
    /// How long it was waited for.
    pub took: Duration,
    /// It ended because that was too long: for us, or for something in between (408, 504).
    pub too_long: bool,
}

/// Seconds in whole millionths: what is stored is then read again as the very same number.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// The breaker of one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "breaker")]
pub(super) enum Breaker {
    /// Sending; so many failures in a row.
    Closed { failures: u32 },
    /// Not sending until then.
    Open {
        until: Timestamp,
        pause: SignedDuration,
    },
    /// One item may go; while it is being re-read the rest waits, at most until `probe_until`.
    HalfOpen {
        pause: SignedDuration,
        probe_until: Option<Timestamp>,
    },
}

impl Breaker {
    /// The word of one that lets everything pass.
    pub(super) const CLOSED: &str = "closed";

    /// Its state, as people see it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Closed { .. } => Self::CLOSED,
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "probing",
        }
    }
}

/// The machine of one target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Pace {
    sent: Vec<(Timestamp, u32)>,
    pub(super) breaker: Breaker,
    pub(super) batch: u32,
    credit: u32,
    pub(super) seconds_per_item: Option<f64>,
    /// Not in the first stores.
    #[serde(default)]
    careful: Careful,
    /// Nothing is in flight after a restart: what was is an open claim of the ledger.
    #[serde(skip)]
    pub(super) in_flight: u32,
    /// Those of them that take access away.
    #[serde(skip)]
    pub(super) revokes: u32,
    #[serde(skip)]
    seen: VecDeque<(LineageId, u32, AttemptEvent)>,
    /// The answer to a probe was lost, and the pause began anew for it; what is read of the work may say that it was
    /// done all the same.
    #[serde(skip)]
    probe_lost: bool,
}

impl Pace {
    pub(super) fn new(limits: &TargetLimits) -> Self {
        Self {
            sent: Vec::new(),
            breaker: Breaker::Closed { failures: 0 },
            batch: limits.batch_start.max(1),
            credit: 0,
            seconds_per_item: None,
            careful: Careful::default(),
            in_flight: 0,
            revokes: 0,
            seen: VecDeque::new(),
            probe_lost: false,
        }
    }

    /// Lets pass what passes by time alone.
    pub(super) fn settle(&mut self, here: Timestamp) {
        self.sent.retain(|(at, _)| later(*at, SPAN) > here);
        self.careful.settle(here);
        match self.breaker {
            Breaker::Open { until, pause } if until <= here => {
                self.breaker = Breaker::HalfOpen {
                    pause,
                    probe_until: None,
                };
            }
            Breaker::HalfOpen {
                pause,
                probe_until: Some(until),
            } if until <= here => {
                self.breaker = Breaker::HalfOpen {
                    pause,
                    probe_until: None,
                };
            }
            _ => {}
        }
    }

    /// Items that the rate still allows, and when it allows more.
    pub(super) fn rate_left(
        &self,
        here: Timestamp,
        limits: &TargetLimits,
    ) -> (u32, Option<Timestamp>) {
        let (used, more) = self.used(here);
        (self.rate(limits).saturating_sub(used), more)
    }

    /// Items that were sent within the span of the rate, and when the first of them falls out of it.
    pub(super) fn used(&self, here: Timestamp) -> (u32, Option<Timestamp>) {
        let live = || {
            self.sent
                .iter()
                .filter(move |(at, _)| later(*at, SPAN) > here)
        };
        let used = live().fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
        (used, live().map(|(at, _)| later(*at, SPAN)).min())
    }

    /// Items per minute, as configured or less after an outage or a throttle.
    pub(super) fn rate(&self, limits: &TargetLimits) -> u32 {
        self.careful.rate(limits.per_minute)
    }

    /// How many items may be sent and not read back, at a batch size: its square, and after an
    /// outage or a throttle no more than a minute's.
    pub(super) fn unread(&self, size: u32, limits: &TargetLimits) -> u32 {
        let square = size.saturating_mul(size);
        if self.careful.is_on() {
            square.min(self.rate(limits))
        } else {
            square
        }
    }

    /// Until when the breaker holds everything back, if it does.
    pub(super) fn blocked_until(&self, here: Timestamp) -> Option<Timestamp> {
        match self.breaker {
            Breaker::Open { until, .. } if here < until => Some(until),
            Breaker::HalfOpen {
                probe_until: Some(until),
                ..
            } if here < until => Some(until),
            _ => None,
        }
    }

    /// True where only a single item may go next.
    pub(super) fn probing(&self) -> bool {
        !matches!(self.breaker, Breaker::Closed { .. })
    }

    /// The size of the next batch by breaker, learning and time; at least 1.
    pub(super) fn size(&self, limits: &TargetLimits) -> u32 {
        if self.probing() {
            return 1;
        }
        let size = self.batch.clamp(1, limits.batch_max.max(1));
        match self.seconds_per_item {
            Some(each) if each > 0.0 => {
                // counted up instead of divided, so that no float becomes an integer
                let room = limits.batch_time.as_secs_f64();
                (1..=size)
                    .take_while(|n| f64::from(*n) * each <= room)
                    .last()
                    .unwrap_or(1)
            }
            _ => size,
        }
    }

    /// A PUT with so many items is on its way.
    pub(super) fn sent(&mut self, here: Timestamp, lane: Lane, items: u32, limits: &TargetLimits) {
        self.settle(here);
        self.in_flight = self.in_flight.saturating_add(1);
        let revokes = u32::from(lane == Lane::Revoke);
        self.revokes = self.revokes.saturating_add(revokes);
        match self.sent.last_mut() {
            Some((at, n)) if *at == here => *n = n.saturating_add(items),
            _ => self.sent.push((here, items)),
        }
        if self.sent.len() > REMEMBERED {
            let (_, first) = self.sent.remove(0);
            if let Some((_, n)) = self.sent.first_mut() {
                *n = n.saturating_add(first);
            }
        }
        if let Breaker::HalfOpen { probe_until, .. } = &mut self.breaker {
            *probe_until = Some(later(here, limits.breaker_pause));
        }
    }

    /// So many items were sent at some time up to now: a batch is read once more and claimed after its
    /// start was counted. The span of the rate is counted from the latest time that it can have been.
    fn happened_by(&mut self, here: Timestamp, items: u32) {
        let mut left = items;
        for (_, n) in self.sent.iter_mut().rev() {
            let part = left.min(*n);
            *n -= part;
            left -= part;
        }
        self.sent.retain(|(_, n)| *n > 0);
        if items > 0 {
            self.sent.push((here, items));
        }
    }

    /// So many items are known to have been claimed within the span: those beyond what is remembered
    /// count as sent now.
    pub(super) fn recall(&mut self, here: Timestamp, items: u32) {
        self.settle(here);
        let known = self
            .sent
            .iter()
            .fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
        let more = items.saturating_sub(known);
        if more > 0 {
            self.sent.push((here, more));
        }
    }

    /// True where another PUT of a lane may be on its way beside those that are. Retries that take access away have a
    /// place of their own beside the others: one that hangs does not hold them.
    pub(super) fn has_place(&self, lane: Lane, limits: &TargetLimits) -> bool {
        self.in_flight < limits.in_flight || (lane == Lane::Revoke && self.revokes == 0)
    }

    fn landed(&mut self, lane: Lane) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let revokes = u32::from(lane == Lane::Revoke);
        self.revokes = self.revokes.saturating_sub(revokes);
    }

    /// A PUT was answered.
    pub(super) fn answered(
        &mut self,
        here: Timestamp,
        lane: Lane,
        answer: &Answered,
        limits: &TargetLimits,
    ) {
        self.settle(here);
        self.landed(lane);
        self.happened_by(here, answer.items);
        if answer.items > 0 {
            let each = answer.took.as_secs_f64() / f64::from(answer.items);
            self.seconds_per_item = Some(micros(
                self.seconds_per_item
                    .map_or(each, |before| before * 0.7 + each * 0.3),
            ));
        }
        if answer.unknown > 0 {
            self.failed(here, answer.unknown, limits);
        } else if answer.accepted == 0 {
            // OIG spoke, but not of the target: the next item may probe
            self.probe_again();
        }
    }

    /// A PUT failed as a whole; without `known` it was never sent.
    pub(super) fn request_failed(
        &mut self,
        here: Timestamp,
        lane: Lane,
        known: Option<&Failed>,
        limits: &TargetLimits,
    ) {
        self.settle(here);
        self.landed(lane);
        let last = self.sent.last().map_or(0, |(_, items)| *items);
        self.happened_by(here, last);
        if let Some(known) = known {
            self.slow(known);
        }
        self.probe_lost |= matches!(self.breaker, Breaker::HalfOpen { .. });
        self.failed(here, 1, limits);
    }

    /// So many items need at least so long. That is never averaged down by what was quicker before;
    /// answers that come afterwards do that.
    fn slow(&mut self, known: &Failed) {
        if known.items == 0 {
            return;
        }
        let least = known.took.as_secs_f64() / f64::from(known.items);
        let least = self.seconds_per_item.map_or(least, |had| had.max(least));
        self.seconds_per_item = Some(micros(least));
        if known.too_long {
            // which of them was slow is not known: half of what was too much, whatever the batch was
            self.batch = self.batch.min(known.items / 2).max(1);
            self.credit = 0;
        }
    }

    /// The target ran the work and refused it for the task's own sake (a locked object, bad data):
    /// it answers, so a probe has passed; nothing is earned by it either.
    pub(super) fn refused_by_itself(&mut self, here: Timestamp, limits: &TargetLimits) {
        self.settle(here);
        self.worked(here, limits);
    }

    /// The target refused an attempt because it is asked for too much: less at once, for a while.
    pub(super) fn throttled(
        &mut self,
        here: Timestamp,
        lineage: LineageId,
        ordinal: u32,
        limits: &TargetLimits,
    ) {
        let event = AttemptEvent::ReadBounced;
        if self.seen.contains(&(lineage, ordinal, event)) {
            return;
        }
        self.settle(here);
        self.careful.throttled(here, limits.breaker_pause);
        self.outcome(here, lineage, ordinal, event, limits);
    }

    /// The target has run an attempt; false where that proves nothing, since it was sent before the outage.
    fn worked(&mut self, here: Timestamp, limits: &TargetLimits) -> bool {
        match self.breaker {
            Breaker::Open { .. } => return false,
            Breaker::HalfOpen { .. } => self.careful.returned(here, limits.breaker_pause),
            Breaker::Closed { .. } => {}
        }
        self.breaker = Breaker::Closed { failures: 0 };
        true
    }

    /// Work was read as done while the pause goes on for a probe whose answer was lost: the next probe goes at once, and
    /// should it fail, the pauses begin anew. Were it other work that was done, that is one probe too early.
    fn found_probe(&mut self, limits: &TargetLimits) -> bool {
        let lost = std::mem::take(&mut self.probe_lost);
        let found = lost && matches!(self.breaker, Breaker::Open { .. });
        if found {
            self.breaker = Breaker::HalfOpen {
                pause: limits.breaker_pause.min(limits.breaker_cap),
                probe_until: None,
            };
        }
        found
    }

    /// A reading told what became of an attempt. The same event of the same attempt counts once.
    pub(super) fn outcome(
        &mut self,
        here: Timestamp,
        lineage: LineageId,
        ordinal: u32,
        event: AttemptEvent,
        limits: &TargetLimits,
    ) {
        use AttemptEvent as E;
        let key = (lineage, ordinal, event);
        if self.seen.contains(&key) {
            return;
        }
        if self.seen.len() >= SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(key);
        self.settle(here);
        match event {
            E::ReadCompleted | E::PersonCompleted => {
                if !self.found_probe(limits) && self.worked(here, limits) {
                    self.earn(limits);
                }
            }
            E::ReadPending => {
                self.probe_again();
                if !self.probing() {
                    self.earn(limits);
                }
            }
            // nothing was seen of it: the next one may be tried, but it has earned nothing
            E::ReadGone => self.probe_again(),
            E::ReadBounced => {
                self.batch = (self.batch / 2).max(1);
                self.credit = 0;
                self.failed(here, 1, limits);
            }
            E::ReadUnchanged | E::ReadSuperseded | E::ReadAmbiguous | E::PersonClosed => {
                self.probe_again();
            }
            // told by `answered` and `request_failed`
            E::AnsweredSuccess
            | E::AnsweredFail
            | E::NotAnswered
            | E::ProvenUnsent
            | E::Restarted => {}
        }
    }

    /// A good reading: after as many as the batch holds, the batch grows.
    fn earn(&mut self, limits: &TargetLimits) {
        self.credit = self.credit.saturating_add(1);
        if self.credit >= self.batch {
            self.credit = 0;
            let growth = if self.careful.is_on() {
                CAREFUL_GROWTH
            } else {
                GROWTH
            };
            self.batch = self
                .batch
                .saturating_mul(growth)
                .min(limits.batch_max.max(1));
        }
    }

    fn probe_again(&mut self) {
        if let Breaker::HalfOpen { probe_until, .. } = &mut self.breaker {
            *probe_until = None;
        }
    }

    fn failed(&mut self, here: Timestamp, count: u32, limits: &TargetLimits) {
        let pause = match self.breaker {
            Breaker::Open { .. } => return,
            Breaker::HalfOpen { pause, .. } => plus(pause, pause).min(limits.breaker_cap),
            Breaker::Closed { failures } => {
                let failures = failures.saturating_add(count);
                if failures < limits.breaker_after.max(1) {
                    self.breaker = Breaker::Closed { failures };
                    return;
                }
                limits.breaker_pause.min(limits.breaker_cap)
            }
        };
        self.breaker = Breaker::Open {
            until: later(here, pause),
            pause,
        };
        self.batch = 1;
        self.credit = 0;
    }

    /// The next time at which something here changes by itself.
    pub(super) fn next_event(&self, here: Timestamp, limits: &TargetLimits) -> Option<Timestamp> {
        let (left, more) = self.rate_left(here, limits);
        let rate = if left < self.size(limits) { more } else { None };
        [rate, self.blocked_until(here), self.careful.raise_at()]
            .into_iter()
            .flatten()
            .min()
    }
}
