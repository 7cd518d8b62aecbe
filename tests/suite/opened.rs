//! Opens a ledger in a process in which other tests start programs: a child has the lock's file open until it runs its own program, and holds the store so long. It hides no other error.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use provtaskd::ledger::{Ledger, LedgerError, OpenReport};
use provtaskd::model::settings::StoreSettings;

/// The longest that another process may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a store that no test of this process holds.
pub fn open(settings: &StoreSettings, now: Timestamp) -> Result<(Ledger, OpenReport), LedgerError> {
    let began = Instant::now();
    loop {
        match Ledger::open(settings, now) {
            Err(LedgerError::Locked { .. }) if began.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            opened => return opened,
        }
    }
}
