//! Opens a store that another process may hold for a moment; it never waits beside a daemon that answers, and never opens what is held.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::DaemonError;
use crate::ledger::{Ledger, LedgerError, OpenReport};
use crate::model::settings::Settings;

/// How long a daemon that starts waits for the store (wall time): commands have it for a moment.
pub const STORE_PATIENCE: Duration = Duration::from_secs(3);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the store. Where another process holds it, it is asked for again for a while, because a command
/// has it for a moment only; a daemon keeps it, and one that answers is not waited for.
pub async fn open_patiently(
    settings: &Settings,
    now: Timestamp,
    patience: Duration,
) -> Result<(Ledger, OpenReport), DaemonError> {
    // wall time: it is another process that is waited for
    let began = Instant::now();
    let mut said = false;
    loop {
        // opening replays the journal: off the runtime's threads
        let store = settings.store.clone();
        let opened = tokio::task::spawn_blocking(move || Ledger::open(&store, now))
            .await
            .map_err(|error| DaemonError::Worker(error.to_string()))?;
        let held = match opened {
            Err(held @ LedgerError::Locked { .. }) => held,
            done => return Ok(done?),
        };
        let socket = &settings.admin.socket;
        if began.elapsed() >= patience || tokio::net::UnixStream::connect(socket).await.is_ok() {
            return Err(held.into());
        }
        if !said {
            said = true;
            tracing::info!(
                patience_s = patience.as_secs(),
                "{held}; a command has it for a moment only: waiting for it"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}
