//! provtaskd: decides which failed or stranded Oracle Identity Governance provisioning tasks to retry, reassign or leave alone, and never repeats an attempt by mistake.
//!
//! ```text
//!  source ──► Snapshot ──► policy ──► Decision ──► guard + governor ──► Admitted ──► batcher ──┐
//!  (poll)                  (+ Facts)                                                           ▼
//!                                                                               ledger.claim(batch)
//!                                                                                              │
//!  ledger.settle ◄── Outcome ◄── verify ◄── Receipt ◄── deliver ◄── Batch<Claimed> ◄────────────┘
//! ```
//!
//! Data flows one way. Each room may import only the rooms that its row in [`ROOMS`] names;
//! a test parses every path in `src/` and fails on an edge that the table does not allow.
#![forbid(unsafe_code)]

pub mod absence;
pub mod admin;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dispatch;
pub mod governor;
pub mod guard;
pub mod ledger;
pub mod model;
pub mod oig;
pub mod policy;
pub mod sim;
pub mod source;
pub mod telemetry;
