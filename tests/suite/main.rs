//! The one integration binary: whole-process and cross-room behaviour, judged from outside.

mod config;
mod ledger;
mod sim_contract;
mod sim_faults;
mod sim_support;
mod sim_world;
