//! (being built)

pub mod policy;
