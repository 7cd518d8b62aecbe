//! `baseline`: shows what of the old backlog waits, by target and age, and releases it target by target; it decides nothing, and releases nothing whose number nobody has agreed to.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::act::{duration, order};
use super::ask::{answer, unexpected};
use super::context::{Context, print, width};
use super::failure::{Failure, Kind};
use super::look::JsonArg;
use super::render;
use crate::control::{BacklogPart, PartView, Reply, Request, undecided_words};
use crate::model::TargetName;

/// The `baseline` group.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Show what of the old backlog waits, by target and age
    Show(JsonArg),
    /// Release the old backlog of one target, or its younger part
    Release(ReleaseArgs),
}

/// Options of `baseline release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The target, as `provtaskd baseline show` has it
    target: String,
    /// Release only tasks that are not older, e.g. 3d: all that are younger go with them
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    max_age: Option<SignedDuration>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT", alias = "reason")]
    why: String,
    /// Consent, given beforehand: how many tasks this may release at most
    #[arg(long, value_name = "TASKS")]
    yes_release: Option<u64>,
}

pub fn baseline(context: &Context, command: BaselineCommand) -> Result<(), Failure> {
    match command {
        BaselineCommand::Show(args) => match answer(context, Request::Backlog { part: None })? {
            Reply::Backlog(view) if args.json => print(&render::json(&view)?),
            Reply::Backlog(view) => print(&render::backlog(&view, width())),
            _ => Err(unexpected()),
        },
        BaselineCommand::Release(args) => {
            let id = format!("baseline:{}", args.target);
            let part = BacklogPart {
                target: TargetName::new(&args.target),
                max_age: args.max_age,
            };
            let at_most = Some(consent(context, part, args.yes_release)?);
            let request = Request::Approve {
                id,
                why: args.why,
                max_age: args.max_age,
                at_most,
                despite_rejection: false,
            };
            order(context, request)
        }
    }
}

/// Says what a release lets go and has a person agree to the number; it is what the daemon may release at most.
pub fn consent(context: &Context, part: BacklogPart, given: Option<u64>) -> Result<u64, Failure> {
    let max_age = part.max_age;
    let asked = answer(context, Request::Backlog { part: Some(part) })?;
    let Reply::Backlog(view) = asked else {
        return Err(unexpected());
    };
    let part = view.part.ok_or_else(unexpected)?;
    let what = would_release(&part, max_age);
    let many = part.tasks;
    if let Some(given) = given {
        if given >= many {
            return Ok(given);
        }
        return Err(Failure::new(
            Kind::Data,
            format!(
                "{what}; --yes-release {given} agrees to no more than {given} of these {}: nothing is released",
                render::counted(many, "task", "tasks")
            ),
        )
        .hint(format!(
            "look at `provtaskd baseline show`; if that is what you want, give --yes-release {many}"
        )));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Kind::Usage,
            format!("{what}; there is no terminal to ask for consent: nothing is released"),
        )
        .hint(format!(
            "if that is what you want, give --yes-release {many}"
        )));
    }
    let mut out = std::io::stderr().lock();
    // who does not see the question will not type the number
    let _ = write!(out, "{what}.\nType {many} to release them: ").and_then(|()| out.flush());
    drop(out);
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.is_ok() && line.trim().parse() == Ok(many) {
        return Ok(many);
    }
    Err(Failure::new(
        Kind::Interrupted,
        "no consent was given: nothing is released",
    )
    .hint("type how many tasks are released, or give --yes-release TASKS"))
}

/// What a release lets go, in a sentence.
fn would_release(part: &PartView, max_age: Option<SignedDuration>) -> String {
    let age = match (max_age, part.oldest) {
        (Some(age), _) => format!("all that are not older than {age:#}"),
        (None, Some(oldest)) => {
            format!("whatever their age, the oldest of {}", render::time(oldest))
        }
        (None, None) => "whatever their age".to_owned(),
    };
    let observed = part.observed.as_deref().map_or_else(String::new, |why| {
        format!("; {}, and they go once that ends", render::clean(why))
    });
    let stranger = part.stranger.as_deref().map_or_else(String::new, |words| {
        format!("; look first: {}", render::clean(words))
    });
    format!(
        "this releases {} of the old backlog on {} ({age}); the policies want something done with {} of them{}{observed}{stranger}",
        render::counted(part.tasks, "task", "tasks"),
        render::clean(part.target.as_str()),
        part.wanted,
        undecided_words(part.undecided)
    )
}
