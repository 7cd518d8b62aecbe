//! `check`: the configuration and everything that it names, policies and absence feed read as the daemon reads them; it asks no server and opens no store.

use clap::Args;

use super::context::{Context, print};
use super::failure::Failure;
use crate::absence::Feed;
use crate::config::{Finding, Severity, probe};
use crate::model::Clock;
use crate::model::settings::Settings;
use crate::{policy, telemetry};

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
        let probed = probe(&loaded.settings);
        let readable = |key: &str| !probed.iter().any(|finding| finding.key == key);
        if readable("policy.dir") {
            findings.extend(policies(&loaded.settings));
        }
        if readable("absence.feed") {
            findings.extend(feed(&loaded.settings));
        }
        findings.extend(probed);
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

fn error(key: &str, what: String, hint: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        key: key.to_owned(),
        line: None,
        what,
        hint: hint.to_owned(),
    }
}

/// What the policies can't be compiled for, each with file and line.
fn policies(settings: &Settings) -> Vec<Finding> {
    match policy::load::load(&settings.policy) {
        Ok(_) => Vec::new(),
        Err(bad) => bad
            .findings
            .iter()
            .map(|finding| {
                let hint = finding.hint.as_deref();
                error(
                    "policy.dir",
                    finding.one_line(),
                    hint.unwrap_or("mend the file"),
                )
            })
            .collect(),
    }
}

/// Rows of the feed that the daemon would skip: somebody who is away would pass for present.
fn feed(settings: &Settings) -> Vec<Finding> {
    let absence = &settings.absence;
    let Some(path) = &absence.feed else {
        return Vec::new();
    };
    let mut feed = Feed::new(path.clone(), settings.zone.clone(), absence.feed_max_age);
    let (_, problems) = feed.read(Clock::wall().now());
    problems
        .iter()
        .map(|problem| error("absence.feed", problem.to_string(), "mend the file"))
        .collect()
}
