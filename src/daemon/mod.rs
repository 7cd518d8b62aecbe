//! The cycle task and what feeds it (a stub that only lets the command line compile).

use std::path::PathBuf;

use crate::control::{RefusedKind, Reply, Request};
use crate::model::settings::Settings;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// One cycle, then end.
    pub once: bool,
    /// The configuration file, read again on reload.
    pub config: Option<PathBuf>,
}

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// This build has no daemon.
    #[error("the daemon is not built")]
    NotBuilt,
}

impl DaemonError {
    /// Which sort; the exit code follows from it.
    pub fn kind(&self) -> RefusedKind {
        RefusedKind::Internal
    }

    /// What to do next; may be empty.
    pub fn hint(&self) -> String {
        String::new()
    }
}

/// Runs until told to stop.
///
/// # Errors
/// Always, in this stub.
pub async fn run(_settings: Settings, _options: RunOptions) -> Result<(), DaemonError> {
    Err(DaemonError::NotBuilt)
}

/// Answers a request from the store, while no daemon runs.
///
/// # Errors
/// Always, in this stub.
pub async fn offline(_settings: Settings, _request: Request) -> Result<Reply, DaemonError> {
    Err(DaemonError::NotBuilt)
}
