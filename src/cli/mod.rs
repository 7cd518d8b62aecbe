//! The command line: parses, asks the daemon or the store, prints, and ends with one documented exit code; it never decides about a task.

mod act;
mod ask;
mod audit;
mod baseline;
mod check;
mod context;
mod demo;
pub mod failure;
mod init;
mod look;
mod moment;
mod out;
mod outcomes;
mod policy;
mod probe;
mod progress;
mod render;
mod report;
mod run;
pub mod sim;
mod store;
mod survey;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::control::one_line;
use crate::daemon::is_guarded;
use context::{Context, Global, print};
use failure::{Failure, Kind, tell};

/// Retries, reassigns and explains Oracle Identity Governance provisioning tasks, and never repeats an attempt by mistake.
#[derive(Debug, Parser)]
#[command(name = "provtaskd", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first configuration and its password file, in observe mode; overwrites nothing
    Init(init::InitArgs),
    /// Run the daemon, or one cycle of it
    Run(run::RunArgs),
    /// Report on the backlog of a server, read-only; needs server and login alone, neither store nor daemon
    Survey(survey::SurveyArgs),
    /// Learn how a server words its answers, read-only, and keep it in the traits file
    Probe(probe::ProbeArgs),
    /// Show every item with decision and refusals; sends and claims nothing
    Plan(look::PlanArgs),
    /// Show why one task is or is not acted on, with the values that it rests on
    Explain(look::ExplainArgs),
    /// Check the configuration and everything that it names
    Check(check::CheckArgs),
    /// Show how the daemon stands
    #[command(after_help = look::COLUMNS)]
    Status(look::JsonArg),
    /// Show what waits for a person
    Inbox(look::InboxArgs),
    /// Release what is held under an inbox id
    Approve(act::ApproveArgs),
    /// The old backlog that waits since enforce was switched on
    #[command(subcommand)]
    Baseline(baseline::BaselineCommand),
    /// Say no to what is held under an inbox id
    Reject(act::VoteArgs),
    /// Stop sending, for everything or a part
    Pause(act::PauseArgs),
    /// End a pause
    Resume(act::ScopeArgs),
    /// Attempts and what became of them
    #[command(subcommand)]
    Outcomes(outcomes::OutcomesCommand),
    /// The store as a whole: check, back up, restore, compact, export, import, retain, erase
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// What was done, and that nobody has changed what is on record of it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What was done, healed, left to people and is waiting, for whoever was not there
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Policies: run their cases, release a set for enforce
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Forget what OIG taught about a definition
    Forget(act::ForgetArgs),
    /// The login at the server
    #[command(subcommand)]
    Login(act::LoginCommand),
    /// Make the running daemon read configuration and policies again
    Reload,
    /// End the running daemon cleanly
    Stop,
    /// Run the stand-in for Oracle Identity Governance
    Sim(sim::SimArgs),
    /// Play a Monday: simulator and daemon together, nothing to set up, nothing left behind
    Demo(demo::DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// Runs one command line (with the program's name first) and says how to exit.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // the store's library panics where a disk is full; who has called it says so in words
        if is_guarded() {
            return;
        }
        // one line, whatever the log's state; the payload is ours and holds no secret
        let what = panic.to_string().replace('\n', " ");
        if is_the_stores(std::thread::current().name()) {
            // whoever waits for it says what comes of it, and ends the program where it has to end
            tell(&format!(
                "warning: the store's library failed on a thread of its own, as with a full or failing disk (`df`, `dmesg`): {what}"
            ));
            return;
        }
        tell(&format!("error: internal fault: {what}"));
        tell("hint: this is a bug; claims on disk are safe, report it with this line");
    }));
    let args: Vec<OsString> = args.into_iter().collect();
    let plain = args
        .iter()
        .all(|arg| *one_line(&arg.to_string_lossy()) == *arg.to_string_lossy());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                Kind::Usage.code()
            } else {
                0
            };
            if plain {
                let printed = error
                    .print()
                    .and_then(|()| std::io::Write::flush(&mut std::io::stdout()));
                // nothing to be done when the terminal is gone; what was asked for and is lost is a failure
                if let Err(lost) = printed
                    && code == 0
                    && lost.kind() != std::io::ErrorKind::BrokenPipe
                {
                    let failure = context::lost(&lost);
                    failure.report();
                    return ExitCode::from(failure.kind.code());
                }
            } else {
                // it repeats what was typed
                eprintln!("{}", one_line(&error.to_string()).trim());
            }
            return ExitCode::from(code);
        }
    };
    let named = cli.global.named().map(Path::to_path_buf);
    if cli.global.is_for_journal() {
        failure::tell_the_journal();
    }
    match catch_unwind(AssertUnwindSafe(|| dispatch(cli))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            let failure = failure.naming(named.as_deref());
            failure.report();
            ExitCode::from(failure.kind.code())
        }
        // the hook has said what happened
        Err(_) => ExitCode::from(Kind::Internal.code()),
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let context = Context::new(cli.global);
    match cli.command {
        Command::Init(args) => init::init(&context, &args),
        Command::Run(args) => run::run(&context, &args),
        Command::Survey(args) => survey::survey(&context, &args),
        Command::Probe(args) => probe::probe(&context, &args),
        Command::Plan(args) => look::plan(&context, args),
        Command::Explain(args) => look::explain(&context, args),
        Command::Check(args) => check::check(&context, &args),
        Command::Status(args) => look::status(&context, &args),
        Command::Inbox(args) => look::inbox(&context, &args),
        Command::Approve(args) => act::approve(&context, args),
        Command::Baseline(command) => baseline::baseline(&context, command),
        Command::Reject(args) => act::reject(&context, args),
        Command::Pause(args) => act::pause(&context, args),
        Command::Resume(args) => act::resume(&context, args),
        Command::Outcomes(command) => outcomes::outcomes(&context, command),
        Command::Store(command) => store::store(&context, command),
        Command::Audit(command) => audit::audit(&context, command),
        Command::Report(command) => report::report(&context, command),
        Command::Policy(command) => policy::policy(&context, command),
        Command::Forget(args) => act::forget(&context, args),
        Command::Login(command) => act::login(&context, &command),
        Command::Reload => act::reload(&context),
        Command::Stop => act::stop(&context),
        Command::Sim(args) => context.block_on(async {
            sim::run(args).await.map_err(|error| {
                let hint = error.hint();
                Failure::of(Kind::Data, &error).hint(hint)
            })
        }),
        Command::Demo(args) => demo::demo(&context, &args),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "provtaskd", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Whether a command line (without the program's name) is understood, for documentation and its tests.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn understands<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let line = std::iter::once("provtaskd").chain(words);
    match Cli::try_parse_from(line) {
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            Err(text.lines().next().unwrap_or_default().to_owned())
        }
        _ => Ok(()),
    }
}

/// The whole command line as clap knows it, for man pages and their test.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// True of the threads that the store's library starts for itself.
fn is_the_stores(thread: Option<&str>) -> bool {
    thread.is_some_and(|name| name.starts_with("sled-io") || name == "log flusher")
}

/// Every command as typed, e.g. `outcomes list`, for documentation and its tests.
pub fn commands() -> Vec<String> {
    fn walk(command: &clap::Command, prefix: &str, out: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
            let path = format!("{prefix}{}", sub.get_name());
            if sub.has_subcommands() {
                walk(sub, &format!("{path} "), out);
            } else {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&Cli::command(), "", &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_stores_own_threads_is_no_fault_of_ours() {
        assert!(is_the_stores(Some("sled-io-3")));
        assert!(is_the_stores(Some("log flusher")));
        assert!(!is_the_stores(Some("main")) && !is_the_stores(None));
        assert!(!is_the_stores(Some("tokio-runtime-worker")));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
