//! Turns the process's signals into what the loop is told; it does nothing about them.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::DaemonError;
use super::core::Signal;

/// Tells of signals until `stop`.
///
/// # Errors
/// The system takes no handler.
pub(super) fn listen(
    signals: mpsc::Sender<Signal>,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>, DaemonError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Signals)?;
    // a limit on the size of files is an error of the write then, and not the end without a word
    let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    let too_large = signal(too_large).map_err(DaemonError::Signals)?;
    Ok(tokio::spawn(async move {
        let _kept = too_large;
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                _ = terminate.recv() => Signal::Terminate,
                _ = interrupt.recv() => Signal::Terminate,
                _ = hangup.recv() => Signal::Reload,
            };
            if signals.send(told).await.is_err() {
                return;
            }
        }
    }))
}
