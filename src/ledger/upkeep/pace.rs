//! How far a long piece of work has come, and whether it has to end; it decides neither.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by who works and who waits for it.
#[derive(Debug, Default)]
pub struct Pace {
    done: AtomicU64,
    stop: AtomicBool,
}

impl Pace {
    /// The work ends at its next step, and leaves nothing.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Steps so far: who waits sees that it gets on.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// A step is done; false where the work has to end.
    pub(crate) fn step(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.stop.load(Ordering::Relaxed)
    }
}
