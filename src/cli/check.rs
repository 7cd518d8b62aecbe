//! `check`: the configuration and every file that it names; it asks no server and opens no store.

use clap::Args;

use super::context::{Context, print};
use super::failure::Failure;
use crate::config::{Finding, Severity, probe};
use crate::telemetry;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Do not look at the files that the configuration names
    #[arg(long)]
    syntax_only: bool,
}

/// Lists all findings; fails when one is an error.
pub fn check(context: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let loaded = context.load()?;
    let mut findings = loaded.warnings;
    if let Err(error) = telemetry::check_level(&loaded.settings.log.level) {
        findings.push(Finding {
            severity: Severity::Error,
            key: "log.level".to_owned(),
            line: None,
            what: error.to_string(),
            hint: "write a level (error, warn, info, debug) or TARGET=LEVEL pairs".to_owned(),
        });
    }
    if !args.syntax_only {
        findings.extend(probe(&loaded.settings));
    }
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Err(Failure::findings(&loaded.settings.origin, &findings));
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    print(&format!(
        "{}: good ({} warning(s)); mode {}\n",
        loaded.settings.origin.display(),
        findings.len(),
        loaded.settings.modes.global,
    ))
}
