//! Whether the daemon is alive and ready, as a shared value that the cycle feeds; it never acts on what it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What has to be there before the daemon is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Latch {
    /// The first whole snapshot was read.
    SnapshotRead,
    /// The last authentication worked.
    LoginOk,
    /// A policy set is loaded.
    PolicyLoaded,
}

impl Latch {
    /// Every latch, in the order of start-up.
    pub const ALL: [Latch; 3] = [Self::PolicyLoaded, Self::LoginOk, Self::SnapshotRead];

    /// The word that `/readyz` shows when it is missing.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SnapshotRead => "snapshot_read",
            Self::LoginOk => "login_ok",
            Self::PolicyLoaded => "policy_loaded",
        }
    }
}

/// Health of the daemon; clones share one state.
#[derive(Clone, Debug)]
pub struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    start: Instant,
    /// Milliseconds from `start` to the last sign of progress.
    beat: AtomicU64,
    /// Milliseconds after which silence means dead.
    bound: AtomicU64,
    latches: [AtomicBool; 3],
    /// The main login is stopped, and further ones go on.
    partly: AtomicBool,
}

impl Health {
    /// Nothing is ready; silence for longer than `bound` means dead.
    pub fn new(bound: Duration) -> Self {
        Self(Arc::new(State {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            bound: AtomicU64::new(millis(bound)),
            latches: Default::default(),
            partly: AtomicBool::new(false),
        }))
    }

    /// A sign of progress: the cycle task came round.
    pub fn beat(&self) {
        let at = millis(self.0.start.elapsed());
        self.0.beat.fetch_max(at, Ordering::Relaxed);
    }

    /// Sets another bound, after a reload.
    pub fn set_bound(&self, bound: Duration) {
        self.0.bound.store(millis(bound), Ordering::Relaxed);
    }

    /// Sets or clears a latch.
    pub fn set(&self, latch: Latch, on: bool) {
        if let Some(at) = self.latch(latch) {
            at.store(on, Ordering::Release);
        }
    }

    /// Says that only what further logins see is worked on, because the main one is stopped.
    pub fn set_partly(&self, on: bool) {
        self.0.partly.store(on, Ordering::Release);
    }

    /// True where only what further logins see is worked on.
    pub fn is_partly(&self) -> bool {
        self.0.partly.load(Ordering::Acquire)
    }

    /// How long the cycle task has been silent.
    pub fn silent_for(&self) -> Duration {
        let beat = Duration::from_millis(self.0.beat.load(Ordering::Relaxed));
        self.0.start.elapsed().saturating_sub(beat)
    }

    /// True while progress is recent enough; the watchdog and `/livez` go by this.
    pub fn is_live(&self) -> bool {
        millis(self.silent_for()) <= self.0.bound.load(Ordering::Relaxed)
    }

    /// What is missing for readiness; empty: ready.
    pub fn missing(&self) -> Vec<Latch> {
        Latch::ALL
            .into_iter()
            .filter(|latch| {
                !self
                    .latch(*latch)
                    .is_some_and(|at| at.load(Ordering::Acquire))
            })
            .collect()
    }

    fn latch(&self, latch: Latch) -> Option<&AtomicBool> {
        let at = Latch::ALL.iter().position(|have| *have == latch)?;
        self.0.latches.get(at)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_is_missing_and_can_be_lost_again() {
        let health = Health::new(Duration::from_secs(60));
        assert_eq!(health.missing(), Latch::ALL);
        for latch in Latch::ALL {
            health.set(latch, true);
        }
        assert_eq!(health.missing(), []);
        health.clone().set(Latch::LoginOk, false);
        assert_eq!(health.missing(), [Latch::LoginOk]);
    }

    #[test]
    fn silence_beyond_the_bound_is_death() {
        let health = Health::new(Duration::from_secs(3600));
        assert!(health.is_live());
        health.set_bound(Duration::ZERO);
        while health.silent_for() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(!health.is_live());
    }
}
