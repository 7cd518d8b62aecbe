//! TOML to validated values, all findings at once with key path and line; it never guesses and never reads the environment.

pub mod docs;
pub mod finding;
mod lines;
pub mod load;
mod probe;
pub mod raw;
mod read;
pub mod resolve;
mod strangers;

pub use finding::{Finding, Severity};
pub use lines::{Lines, join, line_at};
pub use load::{Env, LoadError, Loaded, Overrides, examine, load, parse, whereabouts};
pub use probe::{above_store, open_store, probe};
pub use read::{is_too_long, parse_duration};
pub use strangers::{
    limit_strangers, mode_slips, mode_strangers, policy_slips, policy_strangers, target_strangers,
};
