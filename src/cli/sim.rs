//! `provtaskd sim`: runs the simulator until it is interrupted; it must never listen beyond loopback.

mod likeness;

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::line_at;
use crate::given;
use crate::sim::clock::parse_clock;
use crate::sim::{Scenario, ScenarioError, SimError, SimOptions, SimServer};
use crate::traits::{Traits, TraitsError};

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
    /// Word answers as the server of this file of traits did, which `provtaskd probe` has written
    #[arg(long, value_name = "FILE")]
    pub traits: Option<PathBuf>,
    /// Write provtaskd.toml and password for this simulator into a new directory, to try the other commands in
    #[arg(long, value_name = "DIR")]
    pub write_config: Option<PathBuf>,
}

/// Why the simulator ended.
#[derive(Debug, thiserror::Error)]
pub enum SimRunError {
    /// It could not start.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The file of traits can't be used.
    #[error(transparent)]
    Traits(#[from] TraitsError),
    /// There is something already.
    #[error("{} exists already, and no configuration is written into what is there", .0.display())]
    There(PathBuf),
    /// The files could not be written.
    #[error("can't write a configuration into {}: {source}", dir.display())]
    Write {
        /// Where.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl SimRunError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::There(_) => {
                "name a folder with --write-config that does not exist yet, or remove the old one; to go on with the one that is there, leave --write-config away and start the simulator at its address with --bind"
            }
            Self::Write { .. } => {
                "name a new folder with --write-config in one that exists and that this user may write in"
            }
            Self::Sim(SimError::Bind { .. }) => "another port is given with --bind",
            Self::Sim(SimError::Scenario(_) | SimError::At { .. }) => {
                "docs/simulator.md and the files in examples/scenarios show how a scenario is written"
            }
            Self::Sim(_) | Self::Traits(_) => {
                "see `provtaskd sim --help`; another port is given with --bind"
            }
        }
    }
}

/// Writes what the other commands need to find this simulator; a directory that is there is left alone.
fn write_config(dir: &Path, origin: &str, login: &str, password: &str) -> std::io::Result<()> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let config = format!(
        "# Written by `provtaskd sim` for the simulator at {origin}.\n[server]\norigin = {}\nlogin = {}\npassword_file = \"password\"\nsimulator_clock = true\n\n[store]\ndir = \"store\"\n\n[admin]\nlisten = \"off\"\n",
        quoted(origin),
        quoted(login)
    );
    std::fs::DirBuilder::new().mode(0o700).create(dir)?;
    for (name, text) in [("provtaskd.toml", config.as_str()), ("password", password)] {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(name))?;
        file.write_all(text.as_bytes())?;
    }
    Ok(())
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
    let text = given::text(path, given::MOST).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound && path.components().count() == 1 {
            let names: Vec<&str> = Scenario::built_in_names().collect();
            SimError::NoScenario {
                named: named.to_owned(),
                shipped: names.join(", "),
            }
        } else {
            SimError::File {
                path: path.to_owned(),
                source,
            }
        }
    })?;
    Scenario::from_toml(&text).map_err(|error| match error {
        ScenarioError::Toml(error) => SimError::At {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_at(&text, span.start)),
            what: error.message().to_owned(),
        },
        error => SimError::Scenario(error),
    })
}

/// Runs the simulator until SIGINT or SIGTERM.
///
/// # Errors
/// [`SimRunError`] if it can't start.
pub async fn run(args: SimArgs) -> Result<(), SimRunError> {
    // before anything is begun: an old one is left alone
    if let Some(dir) = args.write_config.as_ref().filter(|dir| dir.exists()) {
        return Err(SimRunError::There(dir.clone()));
    }
    let mut scenario = scenario(&args.scenario)?;
    let mut left = Vec::new();
    if let Some(path) = &args.traits {
        let text = given::text(path, given::MOST).map_err(|source| TraitsError::Io {
            path: path.clone(),
            source,
        })?;
        left = likeness::take_on(&mut scenario, &Traits::parse(&text, path)?);
    }
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
    if let Some(dir) = &args.write_config {
        let written = write_config(dir, &origin, &login.login, &login.password);
        written.map_err(|source| SimRunError::Write {
            dir: dir.clone(),
            source,
        })?;
    }
    println!("simulator of {about}");
    println!("  origin    {origin}");
    println!("  login     {}", login.login);
    println!(
        "  password  {}   (sample data of the scenario, not a secret)",
        login.password
    );
    println!("  truth     curl -s {origin}/sim/truth?brief");
    if let Some(dir) = &args.write_config {
        println!("  config    {}/provtaskd.toml", dir.display());
    }
    for what in left {
        println!("  not taken on: {what}");
    }
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
