//! `baseline`: shows what of the old backlog waits, by target and age, and releases it target by target; it decides nothing.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::act::{duration, order};
use super::ask::{answer, unexpected};
use super::context::{Context, print, width};
use super::failure::Failure;
use super::look::JsonArg;
use super::render;
use crate::control::{Reply, Request};

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
    /// Release only tasks that are not older, e.g. 3d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_age: Option<SignedDuration>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT", alias = "reason")]
    why: String,
}

pub fn baseline(context: &Context, command: BaselineCommand) -> Result<(), Failure> {
    match command {
        BaselineCommand::Show(args) => match answer(context, Request::Backlog)? {
            Reply::Backlog(view) if args.json => print(&render::json(&view)?),
            Reply::Backlog(view) => print(&render::backlog(&view, width())),
            _ => Err(unexpected()),
        },
        BaselineCommand::Release(args) => {
            let request = Request::Approve {
                id: format!("baseline:{}", args.target),
                why: args.why,
                max_age: args.max_age,
                despite_rejection: false,
            };
            order(context, request)
        }
    }
}
