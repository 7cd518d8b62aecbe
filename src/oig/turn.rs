//! One process after another tries a login that is not known to work, so that a wrong password is sent once however many commands begin at once (invariant 12); the turn is a lock on the password's file, in which it writes nothing.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::given;

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// A turn takes one request: what is had before this is not worth a word.
const UNSAID: Duration = Duration::from_secs(1);

/// This process's turn; it ends when it is dropped, and with the process at the latest.
pub(super) struct Turn(
    // held, and never read
    #[allow(dead_code)] Option<File>,
);

/// Waits until no other process tries what lies in this file; `say` is called once where that lasts. A file that
/// can't be opened is named by whoever reads it, and a file system without locks has none: there the turn is
/// nobody's, as if this process were alone.
///
/// # Errors
/// Another process has had the turn for the whole of `patience`.
pub(super) async fn turn(file: &Path, patience: Duration, say: impl FnOnce()) -> Result<Turn, ()> {
    let Ok(locked) = given::open(file) else {
        return Ok(Turn(None));
    };
    // wall time: it is another process that is waited for
    let began = Instant::now();
    let mut say = Some(say);
    loop {
        match locked.try_lock() {
            Ok(()) => return Ok(Turn(Some(locked))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                tracing::debug!(path = %file.display(), %error, "no lock can be had here");
                return Ok(Turn(None));
            }
        }
        if began.elapsed() >= patience {
            return Err(());
        }
        if began.elapsed() >= UNSAID
            && let Some(say) = say.take()
        {
            say();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_has_the_turn_and_who_waits_too_long_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("password");
        std::fs::write(&file, "x").expect("written");
        let first = turn(&file, Duration::ZERO, || ()).await.expect("free");
        assert!(turn(&file, Duration::ZERO, || ()).await.is_err());
        drop(first);
        assert!(turn(&file, Duration::ZERO, || ()).await.is_ok());
        let gone = dir.path().join("gone");
        assert!(turn(&gone, Duration::ZERO, || ()).await.is_ok());
    }
}
