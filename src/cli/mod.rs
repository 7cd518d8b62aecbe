//! (being built)

pub mod policy;
pub mod sim;
