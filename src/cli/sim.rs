//! `provtaskd sim`: runs the simulator until it is interrupted; it must never listen beyond loopback.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::sim::clock::parse_clock;
use crate::sim::{Scenario, SimError, SimOptions, SimServer};

/// Options of `provtaskd sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// A scenario file, or the name of a shipped one.
    #[arg(long, default_value = "demo", value_name = "FILE|NAME")]
    pub scenario: String,
    /// Loopback address and port.
    #[arg(long, default_value = "127.0.0.1:14000")]
    pub bind: String,
    /// Append each request and each effect to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// How domain time runs: wall, stepped, stepped:hold or scaled:FACTOR; else as the scenario says.
    #[arg(long)]
    pub clock: Option<String>,
    /// Seed of every draw, else the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// The scenario of a name or a file.
///
/// # Errors
/// [`SimError`] if it is neither a shipped name nor a readable file, or not a scenario.
pub fn scenario(named: &str) -> Result<Scenario, SimError> {
    if let Some(scenario) = Scenario::built_in(named) {
        return Ok(scenario);
    }
    let path = Path::new(named);
    let text = std::fs::read_to_string(path).map_err(|source| SimError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(Scenario::from_toml(&text)?)
}

/// Runs the simulator until SIGINT or SIGTERM.
///
/// # Errors
/// [`SimError`] if it can't start.
pub async fn run(args: SimArgs) -> Result<(), SimError> {
    let scenario = scenario(&args.scenario)?;
    let clock = match &args.clock {
        Some(text) => Some(parse_clock(text).map_err(SimError::Clock)?),
        None => None,
    };
    let about = format!("{}: {}", scenario.name, scenario.about);
    let login = scenario.login.first().cloned().unwrap_or_default();
    let server = SimServer::start(SimOptions {
        scenario,
        bind: args.bind,
        journal: args.journal,
        clock,
        seed: args.seed,
    })
    .await?;
    let origin = server.origin();
    println!("simulator of {about}");
    println!("  origin    {origin}");
    println!("  login     {}", login.login);
    println!(
        "  password  {}   (sample data of the scenario, not a secret)",
        login.password
    );
    println!("  truth     curl -s {origin}/sim/truth?brief");
    println!("try:");
    println!(
        "  curl -s -u {}:{} '{origin}/iam/governance/selfservice/api/v1/provtasks?q=Status.Category+eq+Rejected'",
        login.login, login.password
    );
    interrupted().await;
    server.shutdown().await;
    Ok(())
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler SIGTERM ends the process by itself; SIGINT is still waited for.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
