//! The one integration binary: whole-process and cross-room behaviour, judged from outside.

mod architecture;
mod cli;
mod client;
mod client_sim;
mod client_stub;
mod client_tls;
mod config;
mod drill;
mod drill_doubt;
mod drill_hands;
mod drill_heal;
mod drill_oracle;
mod ledger;
mod policy;
mod safety;
mod sim_contract;
mod sim_faults;
mod sim_server;
mod sim_support;
mod sim_world;
