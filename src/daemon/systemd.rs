//! Talks to the service manager from a thread of its own, so that one that does not listen holds nothing up; it never reads or changes anything of the daemon's state.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sd_notify::NotifyState;

/// Words that wait for a service manager that does not listen; more are dropped.
const WAITING: usize = 64;

/// What it can be told.
enum Word {
    Ready,
    Status(String),
    Alive,
    Stopping,
}

/// The way to the thread, made with the first word; `None` without a service manager.
static TO_MANAGER: OnceLock<Option<SyncSender<Word>>> = OnceLock::new();
/// A sign of life waits already.
static ALIVE_WAITS: AtomicBool = AtomicBool::new(false);

/// Start-up is done: the store is open, the policies are loaded, the socket listens.
pub fn ready() {
    tell(Word::Ready);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(Word::Status(line.to_owned()));
}

/// The watchdog is fed by progress of the cycle task alone, so that a stuck one is restarted.
pub fn progress() {
    if TO_MANAGER.get().is_some_and(Option::is_some) && !ALIVE_WAITS.swap(true, Ordering::AcqRel) {
        tell(Word::Alive);
    }
}

/// Shutdown has begun.
pub fn stopping() {
    tell(Word::Stopping);
}

fn tell(word: Word) {
    if let Some(manager) = TO_MANAGER.get_or_init(start)
        && manager.try_send(word).is_err()
    {
        // a lost message shows as a time-out at the manager's end
        tracing::debug!("the service manager does not listen");
    }
}

fn start() -> Option<SyncSender<Word>> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (to, words) = sync_channel(WAITING);
    let started = std::thread::Builder::new()
        .name("notify".to_owned())
        .spawn(move || pass_on(&words));
    match started {
        Ok(_) => Some(to),
        Err(error) => {
            tracing::warn!(%error, "no thread for the service manager, which is not told anything");
            None
        }
    }
}

fn pass_on(words: &Receiver<Word>) {
    while let Ok(word) = words.recv() {
        let state = match &word {
            Word::Ready => NotifyState::Ready,
            Word::Status(line) => NotifyState::Status(line),
            Word::Alive => {
                ALIVE_WAITS.store(false, Ordering::Release);
                NotifyState::Watchdog
            }
            Word::Stopping => NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::debug!(%error, "the service manager could not be told");
        }
    }
}
