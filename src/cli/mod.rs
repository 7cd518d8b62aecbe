//! (being built)

pub mod sim;
