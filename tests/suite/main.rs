//! The one integration binary: whole-process and cross-room behaviour, judged from outside.

mod architecture;
mod cli;
mod client;
mod client_sim;
mod client_stub;
mod client_tls;
mod config;
mod drill;
mod drill_crash;
mod drill_guard;
mod drill_heal;
mod drill_leave;
mod drill_ops;
mod drill_oracle;
mod drill_order;
mod drill_real;
mod ledger;
mod naive;
mod naive_caught;
mod policy;
mod safety;
mod sim_contract;
mod sim_faults;
mod sim_server;
mod sim_support;
mod sim_world;
