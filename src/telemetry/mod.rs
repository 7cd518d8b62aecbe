//! Logs, metrics and health as values that the daemon feeds; they never carry a secret and never decide anything.

mod health;
mod logs;
pub mod metrics;

pub use health::{Health, Latch};
pub use logs::{TelemetryError, check_level, init};
pub use metrics::{BreakerState, Metered, Metrics};
