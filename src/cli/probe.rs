//! `probe`: learns how this server words its answers, keeps it in the traits file, and says what each trait means; it writes nothing to the server, but for the one retry that `--retry-one` has the daemon send.

mod one;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::act::duration;
use super::ask::own_store;
use super::context::{Context, print, width};
use super::failure::{Failure, Kind, no_room, tell};
use super::progress::beside_that;
use super::render;
use super::survey::further;
use crate::daemon::{self, ProbeOptions, Progress};
use crate::telemetry;

/// Options of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Format of what is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Write an anonymised capture of the answers into this file, for bug reports
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Print the traits and leave their file as it is
    #[arg(long)]
    no_save: bool,
    /// Most pages of one reading of the list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    max_pages: u32,
    /// The largest page that is tried
    #[arg(long, value_name = "ROWS", default_value_t = 4000)]
    largest_page: u32,
    /// Ask as this further login (`[[login]]`) instead of the main one, and keep what it is shown in a file of its own
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// Do not ask the token service
    #[arg(long)]
    no_tokens: bool,
    /// Have the running daemon retry this one task, in any mode, and learn how its work goes on; asks for consent
    #[arg(long, value_name = "TASK", conflicts_with_all = ["capture", "no_save", "format", "login"])]
    retry_one: Option<String>,
    /// Consent to --retry-one beforehand: the same task
    #[arg(long, value_name = "TASK", requires = "retry_one")]
    yes_retry: Option<String>,
    /// Why, for --retry-one; it is recorded
    #[arg(long, value_name = "TEXT", requires = "retry_one")]
    why: Option<String>,
    /// How long --retry-one waits for the end
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = duration, allow_hyphen_values = true)]
    wait: SignedDuration,
}

/// What the traits can be printed as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Accounts that are read.
const ACCOUNTS: usize = 5;

pub fn probe(context: &Context, args: &ProbeArgs) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    if let Some(task) = &args.retry_one {
        let one = one::One {
            task,
            consent: args.yes_retry.as_deref(),
            why: args.why.as_deref(),
            patience: args.wait.unsigned_abs(),
        };
        return one::retry_one(context, &settings, &one);
    }
    // what can't be written is told before anything is read
    if let Some(path) = &args.capture {
        if path.symlink_metadata().is_ok() && !path.is_dir() {
            let what = format!(
                "{} is there already, and nothing is written over",
                path.display()
            );
            return Err(Failure::new(Kind::Io, what).hint("name another file with --capture"));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        if path.is_dir() || dir.is_some_and(|dir| !dir.is_dir()) {
            let what = format!(
                "{} can't be written: no such directory, or it is one",
                path.display()
            );
            return Err(
                Failure::new(Kind::Io, what).hint("name a file in a directory that is there")
            );
        }
    }
    let login = args.login.as_deref().map(|name| further(&settings, name));
    let login = login.transpose()?.flatten();
    let save = !args.no_save;
    if save {
        if settings.traits.parent() == Some(&settings.store.dir) {
            own_store(&settings.store.dir)?;
        }
        let file = daemon::traits_file(&settings, login.as_ref());
        daemon::may_keep_traits(&file).map_err(daemon::DaemonError::from)?;
    }
    telemetry::init(&settings.log, false).map_err(|error| {
        Failure::of(Kind::Config, &error)
            .hint("see [log] in docs/configuration.md; --log-format human always works")
    })?;
    let asked_as = login.clone();
    let options = ProbeOptions {
        login,
        max_pages: args.max_pages,
        largest_page: args.largest_page,
        accounts: ACCOUNTS,
        tokens: !args.no_tokens,
        capture: args.capture.is_some(),
    };
    let progress = Progress::default();
    let shown = progress.clone();
    let work = daemon::probe(settings.clone(), options, progress);
    let probed = context.block_on(async {
        let work = beside_that(move || shown.text(), work);
        tokio::select! {
            done = work => Ok(done?),
            _ = tokio::signal::ctrl_c() => Err(Failure::new(
                Kind::Interrupted,
                "the probe was stopped before it was through",
            )
            .hint("nothing was written; run it again")),
        }
    })?;
    let traits = &probed.traits;
    // people and the way of a retry are the main login's, whoever asks
    let main_one = match &asked_as {
        None => None,
        Some(_) => {
            let kept = daemon::kept_traits(&settings, None).ok().flatten();
            let server = &settings.server;
            kept.filter(|kept| kept.is_of(&server.origin, server.login.as_str()))
        }
    };
    match args.format {
        Format::Json => print(&render::json(traits)?)?,
        Format::Text => print(&render::probe(
            traits,
            main_one.as_ref(),
            &settings.server,
            &settings.governor.default,
            width(),
        ))?,
    }
    if save {
        let file = daemon::traits_file(&settings, asked_as.as_ref());
        daemon::keep_traits(&file, traits).map_err(daemon::DaemonError::from)?;
        tell(&format!("written: {}", file.display()));
    }
    if let (Some(path), Some(captured)) = (&args.capture, &probed.captured) {
        capture(path, &render::json(captured)?)?;
        tell(&format!(
            "written: {}; look through it before you pass it on",
            path.display()
        ));
    }
    Ok(())
}

fn capture(path: &Path, text: &str) -> Result<(), Failure> {
    daemon::write_private(path, text).map_err(|error| {
        let hint = "name another file with --capture";
        let hint =
            no_room(&error).map_or_else(|| hint.to_owned(), |room| format!("{room}, or {hint}"));
        Failure::new(Kind::Io, format!("can't write {}: {error}", path.display())).hint(hint)
    })
}
