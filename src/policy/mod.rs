//! Rhai policies: sandbox, what scripts see, evaluate, explain, test; nothing here but `load` does I/O, and nothing acts.

pub mod api;
pub mod backoff;
mod compile;
pub mod diagnostic;
mod doubts;
pub mod duration;
pub mod engine;
mod first;
mod frames;
mod glob;
pub mod inputs;
pub mod kinds;
pub mod load;
mod memo;
pub mod needs;
pub mod reasons;
mod recorded;
pub mod set;
mod shipped;
pub mod trial;
mod words;

pub use diagnostic::{Diagnostic, FaultKind, PolicyError};
pub use inputs::{inputs_digest, inputs_text, replay, replay_at};
pub use needs::{Need, Needs};
pub use reasons::Class;
pub use recorded::{RecordedError, recorded};
pub use set::{Evaluated, PolicySet, Sources};
pub use words::{InputsWriter, Worded};
