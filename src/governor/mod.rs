//! Says whether a decision may happen now: modes, caps, rates, breakers, pauses; pure machines over `now`, no I/O.

mod admitted;
mod approved;
mod backoff;
mod cap;
mod careful;
mod desk;
mod gate;
mod interval;
mod machine;
mod pace;
mod pacing;
mod state;
mod sums;
mod tell;
mod unanswered;
mod view;

pub use admitted::{Admitted, Lane};
pub use approved::Leaving;
pub use backoff::backoff;
pub use cap::{Hold, HoldStatus};
pub use desk::HoldError;
pub use gate::gate_names;
pub use machine::{Census, Governed, Governor, Outage, Standing, is_spared};
pub use pace::{Answered, Failed, SPAN as RATE_SPAN};
pub use state::{GovernorState, Pause};
pub use unanswered::NotAnswered;
pub use view::GateView;

#[cfg(test)]
mod tests;
