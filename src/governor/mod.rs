//! Says whether a decision may happen now: modes, caps, rates, breakers, pauses; pure machines over `now`, no I/O.

mod admitted;

pub use admitted::{Admitted, Lane};
