//! `run`: starts the daemon, or one cycle of it; everything else is the daemon's.

use std::io::IsTerminal;

use clap::Args;

use super::ask::own_store;
use super::context::Context;
use super::failure::{Failure, Kind, tell_the_journal};
use crate::config::{above_store, open_store};
use crate::daemon::{self, Exit, RunOptions};
use crate::model::settings::LogFormat;
use crate::telemetry;

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run one cycle, wait for what it sent, and end
    #[arg(long)]
    once: bool,
}

/// Runs the daemon until it is told to stop.
pub fn run(context: &Context, args: &RunArgs) -> Result<(), Failure> {
    let loaded = context.load()?;
    own_store(&loaded.settings.store.dir)?;
    if let Some(open) = open_store(&loaded.settings) {
        return Err(Failure::new(Kind::Config, format!("the store {}", open.what)).hint(open.hint));
    }
    if loaded.settings.log.format == LogFormat::Journald {
        tell_the_journal();
    }
    let above = above_store(&loaded.settings);
    let colour = std::io::stderr().is_terminal();
    telemetry::init(&loaded.settings.log, colour).map_err(|error| {
        Failure::of(Kind::Config, &error)
            .hint("see [log] in docs/configuration.md; --log-format human always works")
    })?;
    for finding in loaded.warnings.iter().chain(&above) {
        tracing::warn!(key = %finding.key, line = finding.line, "{}; {}", finding.what, finding.hint);
    }
    let options = RunOptions {
        once: args.once,
        config: Some(context.config_path().to_path_buf()),
        overrides: Some(context.overrides()),
    };
    context.block_on(async {
        let exit = daemon::run(loaded.settings, options).await?;
        if args.once && exit != Exit::Once {
            return Err(
                Failure::new(Kind::Interrupted, "ended before the cycle was through")
                    .hint("what was sent is on record and is read at the next start"),
            );
        }
        Ok(())
    })
}
