//! Domain time as a value: the wall's, scaled, or stepped by a simulator; the only place that reads ambient time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Domain time (design section 4, "Time"). Socket time-outs never come from here.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    Wall {
        anchor: Timestamp,
        since: Instant,
    },
    Scaled {
        start: Timestamp,
        since: Instant,
        factor: f64,
    },
    Stepped(Stepped),
}

/// A clock that moves by steps only, and who sleeps on it.
#[derive(Debug)]
struct Stepped {
    now_us: AtomicI64,
    next: AtomicU64,
    sleepers: Mutex<BTreeMap<(i64, u64), Waker>>,
}

impl Stepped {
    fn sleepers(&self) -> std::sync::MutexGuard<'_, BTreeMap<(i64, u64), Waker>> {
        // a panic while the map was held leaves it whole: every change is one insert or remove
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// The wall's time. Within one process it follows the monotonic clock from the wall time at
    /// start, so that a jump of the wall clock never shortens a back-off; see [`Clock::drift`].
    pub fn wall() -> Self {
        Self(Arc::new(Source::Wall {
            anchor: ambient(),
            since: Instant::now(),
        }))
    }

    /// Domain time that runs `factor` times as fast as the wall, from `start`.
    pub fn scaled(start: Timestamp, factor: f64) -> Self {
        Self(Arc::new(Source::Scaled {
            start,
            since: Instant::now(),
            factor,
        }))
    }

    /// Domain time that moves only by [`Clock::step_to`].
    pub fn stepped(start: Timestamp) -> Self {
        Self(Arc::new(Source::Stepped(Stepped {
            now_us: AtomicI64::new(start.as_microsecond()),
            next: AtomicU64::new(0),
            sleepers: Mutex::new(BTreeMap::new()),
        })))
    }

    /// Now, in domain time.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::Wall { anchor, since } => saturating_add(*anchor, since.elapsed()),
            Source::Scaled {
                start,
                since,
                factor,
            } => saturating_add(*start, since.elapsed().mul_f64(*factor)),
            Source::Stepped(stepped) => {
                Timestamp::from_microsecond(stepped.now_us.load(Ordering::SeqCst))
                    .unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// How far the wall clock has moved against the monotonic one since start (wall mode only).
    pub fn drift(&self) -> SignedDuration {
        match &*self.0 {
            Source::Wall { .. } => ambient().duration_since(self.now()),
            _ => SignedDuration::ZERO,
        }
    }

    /// Moves a stepped clock forward; never backward; other clocks ignore it.
    pub fn step_to(&self, to: Timestamp) {
        if let Source::Stepped(stepped) = &*self.0 {
            let to = to.as_microsecond();
            stepped.now_us.fetch_max(to, Ordering::SeqCst);
            let mut sleepers = stepped.sleepers();
            let later = sleepers.split_off(&(to.saturating_add(1), 0));
            let due = std::mem::replace(&mut *sleepers, later);
            drop(sleepers);
            due.into_values().for_each(Waker::wake);
        }
    }

    /// Who sleeps on a stepped clock: how many, and the earliest time one of them waits for.
    pub fn sleepers(&self) -> (usize, Option<Timestamp>) {
        match &*self.0 {
            Source::Stepped(stepped) => {
                let sleepers = stepped.sleepers();
                let first = sleepers
                    .keys()
                    .next()
                    .and_then(|(at, _)| Timestamp::from_microsecond(*at).ok());
                (sleepers.len(), first)
            }
            _ => (0, None),
        }
    }

    /// Sleeps until `at` in domain time; on a stepped clock until a step reaches it.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &*self.0 {
            Source::Stepped(stepped) => {
                let key = (
                    at.as_microsecond(),
                    stepped.next.fetch_add(1, Ordering::SeqCst),
                );
                StepSleep { stepped, key }.await;
            }
            _ => {
                while let Some(left) = self.wall_wait(at).filter(|left| !left.is_zero()) {
                    // an hour at most, so that nothing overflows the timer
                    tokio::time::sleep(left.min(Duration::from_secs(3600))).await;
                }
            }
        }
    }

    /// True where time moves only by steps of the simulator.
    pub fn is_stepped(&self) -> bool {
        matches!(&*self.0, Source::Stepped(_))
    }

    /// True where domain time is the wall's.
    pub fn is_wall(&self) -> bool {
        matches!(&*self.0, Source::Wall { .. })
    }

    /// How long to wait on the wall until `at`; `None` for a stepped clock, which does not run by itself.
    pub fn wall_wait(&self, at: Timestamp) -> Option<Duration> {
        let left = at.duration_since(self.now());
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
        match &*self.0 {
            Source::Wall { .. } => Some(left),
            Source::Scaled { factor, .. } => Some(left.div_f64(factor.max(f64::MIN_POSITIVE))),
            Source::Stepped(_) => None,
        }
    }
}

/// A sleep on a stepped clock; it leaves the list of sleepers when dropped.
struct StepSleep<'a> {
    stepped: &'a Stepped,
    key: (i64, u64),
}

impl Future for StepSleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut sleepers = self.stepped.sleepers();
        if self.stepped.now_us.load(Ordering::SeqCst) >= self.key.0 {
            sleepers.remove(&self.key);
            return Poll::Ready(());
        }
        sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for StepSleep<'_> {
    fn drop(&mut self) {
        self.stepped.sleepers().remove(&self.key);
    }
}

fn saturating_add(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where ambient time becomes a value"
)]
fn ambient() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_clock_moves_only_forward_and_only_by_steps() {
        let start: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a timestamp");
        let clock = Clock::stepped(start);
        assert_eq!(clock.now(), start);
        let later = start + SignedDuration::from_hours(6);
        clock.step_to(later);
        clock.step_to(start);
        assert_eq!(clock.now(), later);
        assert_eq!(clock.wall_wait(later + SignedDuration::from_secs(1)), None);
    }
}
