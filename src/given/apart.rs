//! A piece of reading on a thread of its own, for what may never come back (a network mount whose server is gone): whoever asks waits as long as he likes, and the end of the process waits for none.

use std::io::Error;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Of the thread, bytes; as much as a process's first thread has.
const STACK: usize = 8 << 20;

/// Reading that is under way, or has come to its end.
pub struct Apart<T> {
    shared: Arc<Shared<T>>,
    began: Instant,
}

struct Shared<T> {
    slot: Mutex<Slot<T>>,
    came: Condvar,
    told: Notify,
}

enum Slot<T> {
    UnderWay,
    Came(T),
    /// Taken, or its thread has panicked.
    Gone,
}

/// Waits for the end of a reading, and keeps nothing of it.
pub struct Coming<T>(Arc<Shared<T>>);

impl<T> Shared<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        // a panic while it was held leaves a whole value
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_come(&self) -> bool {
        !matches!(*self.slot(), Slot::UnderWay)
    }
}

/// Says that nothing will come, if nothing has.
struct End<T>(Arc<Shared<T>>);

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        if matches!(*slot, Slot::UnderWay) {
            *slot = Slot::Gone;
        }
        drop(slot);
        self.0.came.notify_all();
        self.0.told.notify_one();
    }
}

impl<T> std::fmt::Debug for Apart<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apart")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Apart<T> {
    /// Begins it.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub fn begin(work: impl FnOnce() -> T + Send + 'static) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            slot: Mutex::new(Slot::UnderWay),
            came: Condvar::new(),
            told: Notify::new(),
        });
        let end = End(Arc::clone(&shared));
        // not one of the runtime's: its end would wait for this one
        std::thread::Builder::new()
            .name("reader".to_owned())
            // policies are compiled on it too
            .stack_size(STACK)
            .spawn(move || {
                let read = work();
                *end.0.slot() = Slot::Came(read);
            })?;
        Ok(Self {
            shared,
            began: Instant::now(),
        })
    }

    /// How long ago it was begun (wall time).
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// True once it has come to its end.
    pub fn has_come(&self) -> bool {
        self.shared.has_come()
    }

    /// What it has brought; `None` while it is under way, and where its thread has brought nothing.
    pub fn take(&self) -> Option<T> {
        let mut slot = self.shared.slot();
        match std::mem::replace(&mut *slot, Slot::Gone) {
            Slot::Came(read) => Some(read),
            Slot::Gone => None,
            Slot::UnderWay => {
                *slot = Slot::UnderWay;
                None
            }
        }
    }

    /// Waits for its end, so long at most.
    pub fn wait(&self, patience: Duration) {
        let slot = self.shared.slot();
        // who is right does not matter here: what has come is asked for afterwards
        let _ = self
            .shared
            .came
            .wait_timeout_while(slot, patience, |slot| matches!(slot, Slot::UnderWay));
    }

    /// Its end, for one who waits beside other things.
    pub fn coming(&self) -> Coming<T> {
        Coming(Arc::clone(&self.shared))
    }
}

impl<T> Coming<T> {
    /// Waits for the end, so long at most (wall time); for one waiter.
    pub async fn within(self, patience: Duration) {
        let end = async {
            while !self.0.has_come() {
                self.0.told.notified().await;
            }
        };
        // who is right does not matter here: what has come is asked for afterwards
        let _ = tokio::time::timeout(patience, end).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_comes_is_had_once_and_what_does_not_come_keeps_nobody() {
        let quick = Apart::begin(|| 7).expect("a thread");
        quick.wait(LONG);
        assert_eq!((quick.take(), quick.take()), (Some(7), None));
        let (go, held) = std::sync::mpsc::sync_channel::<()>(1);
        let slow = Apart::begin(move || held.recv().is_ok()).expect("a thread");
        slow.wait(Duration::from_millis(1));
        slow.coming().within(Duration::from_millis(1)).await;
        assert!(!slow.has_come());
        assert_eq!(slow.take(), None, "it is under way, and goes on");
        let coming = slow.coming();
        go.send(()).expect("it waits");
        coming.within(LONG).await;
        assert_eq!(slow.take(), Some(true));
    }

    #[tokio::test]
    async fn a_reader_that_panics_keeps_nobody_waiting() {
        let lost = Apart::begin(|| {
            if true {
                std::panic::resume_unwind(Box::new("gone"));
            }
        })
        .expect("a thread");
        lost.wait(LONG);
        lost.coming().within(LONG).await;
        assert!(lost.has_come());
        assert_eq!(lost.take(), None);
    }
}
