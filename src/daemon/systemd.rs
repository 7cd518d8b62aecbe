//! Talks to the service manager; it never reads or changes anything of the daemon's state.

use sd_notify::NotifyState;

/// Start-up is done: the store is open, the policies are loaded, the socket listens.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

/// The watchdog is fed by progress of the cycle task alone, so that a stuck one is restarted.
pub fn progress() {
    notify(&[NotifyState::Watchdog]);
}

/// Shutdown has begun.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    // without a service manager there is nobody to tell; with one, a lost message shows as a time-out there
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
