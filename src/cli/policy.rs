//! `provtaskd policy test`: runs the cases beside the policies and says what failed; it talks to no server.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::model::settings::PolicySettings;
use crate::policy::{PolicyError, load, trial};

/// Arguments of `provtaskd policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with policies without a server.
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// Compile the policies and run their cases (NAME.test.toml).
    Test(TestArgs),
}

/// Arguments of `provtaskd policy test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Directory of policies; without it the configured one, else the shipped set.
    pub dir: Option<PathBuf>,
    /// Fail also where a rule line is reached by no case.
    #[arg(long)]
    pub require_coverage: bool,
}

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum PolicyTestError {
    /// The set does not compile.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// The report can't be written.
    #[error("can't write the report: {0}")]
    Output(#[from] io::Error),
}

/// Runs the cases and writes the report; true where all is well.
///
/// # Errors
/// Where the set or its cases can't be loaded, or the report can't be written.
pub fn test(
    args: &TestArgs,
    settings: &PolicySettings,
    out: &mut dyn Write,
) -> Result<bool, PolicyTestError> {
    let mut settings = settings.clone();
    if args.dir.is_some() {
        settings.dir.clone_from(&args.dir);
    }
    let set = load::load(&settings)?;
    let cases = load::cases(settings.dir.as_deref())?;
    let report = trial::run(&set, &cases);
    for found in &report.findings {
        writeln!(out, "{found}")?;
    }
    for failure in &report.failed {
        writeln!(
            out,
            "FAILED {}: {}\n       {}",
            failure.file, failure.case, failure.message
        )?;
    }
    for (policy, line) in &report.uncovered {
        writeln!(out, "no case reaches {policy}:{line}")?;
    }
    for policy in &report.without_cases {
        writeln!(out, "no cases for {policy}")?;
    }
    writeln!(
        out,
        "policy set {}: {} cases passed, {} failed; {} of {} rule lines reached",
        set.hash().short(),
        report.passed,
        report.failed.len(),
        report.covered,
        report.covered + report.uncovered.len(),
    )?;
    writeln!(out, "reasons, known:    {}", report.known_texts)?;
    writeln!(out, "reasons, held out: {}", report.held_out)?;
    let covered = report.uncovered.is_empty() || !args.require_coverage;
    Ok(report.is_good() && covered)
}
