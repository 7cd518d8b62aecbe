//! What scripts see: read-only handles on one task and its facts, verbs that make verdicts; nothing a script holds can change anything.

pub mod functions;
pub mod pause;
pub mod properties;
pub mod session;
pub mod step;
pub mod table;
pub mod verbs;

pub use functions::FUNCTIONS;
pub use properties::{Property, View};
pub use session::Session;
pub use table::PROPERTIES;
pub use verbs::ScriptVerdict;

use rhai::Engine;

/// Registers everything that a policy may use beside the language itself.
pub fn register(engine: &mut Engine) {
    properties::register(engine);
    functions::register(engine);
    pause::register(engine);
    verbs::register(engine);
}
