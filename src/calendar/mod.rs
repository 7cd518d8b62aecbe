//! When: cron lines in a zone and business hours, right across changes of the clock; it never reads a clock itself.

pub mod cron;
pub mod window;

pub use cron::{Cron, CronError};
pub use window::{is_open, now_fact};
