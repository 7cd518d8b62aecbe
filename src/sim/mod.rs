//! The stand-in for Oracle Identity Governance: a world with its own truth behind the documented REST contract; it must never import another room of this crate, `oig` least of all.

mod api;
pub mod clock;
mod conn;
mod control;
mod draw;
pub mod fault;
mod gzip;
mod journal;
mod mangle;
pub mod scenario;
mod server;
pub mod time;
pub mod world;

pub use scenario::{Scenario, ScenarioError};
pub use server::{SimError, SimOptions, SimServer};
