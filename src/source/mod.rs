//! Where sightings of tasks come from; it never acts on what it sees.

pub mod intake;
pub mod pace;
pub mod poll;

pub use intake::{Asked, Hint, HintEnd, Intake, IntakeError, PersonEnd, Round, Turns, logins};
pub use pace::Pace;
pub use poll::{Departed, poll};
