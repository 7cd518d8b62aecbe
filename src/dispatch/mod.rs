//! Batches, sends and re-reads; it never decides and never sends what the ledger has not claimed.

pub mod batch;
pub mod deliver;
pub mod verify;
