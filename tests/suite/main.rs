//! The one integration binary: whole-process and cross-room behaviour, judged from outside.

mod architecture;
mod cli;
mod config;
mod sim_contract;
mod sim_faults;
mod sim_server;
mod sim_support;
mod sim_world;
