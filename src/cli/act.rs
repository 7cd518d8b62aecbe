//! Orders: approve, reject, pause, resume, release, forget, clear, reload, stop; each is recorded with who gave it and why.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::ask::{answer, unexpected};
use super::baseline::consent;
use super::context::{Context, print};
use super::failure::{Failure, Kind};
use super::look::action;
use super::render::clean;
use crate::config::{is_too_long, parse_duration};
use crate::control::{BacklogPart, Reply, Request};
use crate::model::{ActionName, DefinitionId, ProcessKey, Scope, TargetName, TaskId};

/// Options of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    vote: VoteArgs,
    /// Of an old backlog (baseline:TARGET), release only tasks that are not older, e.g. 30d
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    max_age: Option<SignedDuration>,
    /// Consent, of baseline:TARGET: how many tasks of the old backlog this may release
    #[arg(long, value_name = "TASKS")]
    yes_release: Option<u64>,
    /// Take back a no: approve what somebody has rejected
    #[arg(long)]
    despite_rejection: bool,
}

/// Options of `reject`.
#[derive(Debug, Args)]
pub struct VoteArgs {
    /// The id that `provtaskd inbox` shows; of approve also order:TASK, so that TASK need not wait for the other task of its account that holds it back
    id: String,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT", alias = "reason")]
    why: String,
}

/// For what a pause holds.
#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// One target
    #[arg(long)]
    target: Option<String>,
    /// One action; needs --target
    #[arg(long, value_parser = action, requires = "target")]
    action: Option<ActionName>,
    /// One definition: TARGET/NAME or TARGET/#KEY
    #[arg(long, conflicts_with = "target")]
    definition: Option<String>,
    /// One account: the process instance's key
    #[arg(long, conflicts_with_all = ["target", "definition"])]
    account: Option<String>,
    /// One task
    #[arg(long, conflicts_with_all = ["target", "definition", "account"])]
    task: Option<String>,
}

/// Options of `pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why; it is recorded and shown
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// End the pause by itself after this, e.g. 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    lasting: Option<SignedDuration>,
    /// Pause also what was never seen, because it is still to come
    #[arg(long)]
    unseen: bool,
}

/// Options of `forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The definition: TARGET/NAME or TARGET/#KEY
    definition: String,
}

/// The `login` group.
#[derive(Debug, Subcommand)]
pub enum LoginCommand {
    /// Let a stopped login try again
    Clear,
}

/// A friendly duration on the command line.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text).ok_or_else(|| {
        if text.starts_with("--") {
            "the span is missing before the next option; write one such as 30m, 2h or 400d"
        } else if text.trim_start().starts_with('-') {
            "a span has no sign: write how long it lasts, such as 30m, 2h or 400d"
        } else if is_too_long(text) {
            "longer than some thousand years, which can't be counted; write less, such as 30m, 2h or 400d"
        } else {
            "write a number with a unit, such as 30m, 2h or 400d; months and years are no fixed spans"
        }
        .to_owned()
    })
}

impl ScopeArgs {
    fn scope(self) -> Result<Scope, Failure> {
        Ok(match self {
            Self {
                definition: Some(text),
                ..
            } => Scope::Definition(definition(&text)?),
            Self {
                account: Some(key), ..
            } => Scope::Account(ProcessKey::new(&key)),
            Self { task: Some(id), .. } => Scope::Task(TaskId::new(&id)),
            Self {
                target: Some(target),
                action: Some(action),
                ..
            } => Scope::ActionOnTarget(action, TargetName::new(&target)),
            Self {
                target: Some(target),
                ..
            } => Scope::Target(TargetName::new(&target)),
            _ => Scope::Global,
        })
    }
}

/// `AD/Create User` or `AD/#39`; names are compared in lower case.
fn definition(text: &str) -> Result<DefinitionId, Failure> {
    match text.split_once('/') {
        Some((target, name)) if !target.trim().is_empty() && !name.trim().is_empty() => {
            Ok(DefinitionId {
                target: TargetName::new(target),
                definition: name.trim().to_ascii_lowercase().into(),
            })
        }
        _ => Err(
            Failure::new(Kind::Usage, format!("`{text}` is not a definition"))
                .hint("write TARGET/NAME or TARGET/#KEY, as `provtaskd explain` shows it"),
        ),
    }
}

pub fn order(context: &Context, request: Request) -> Result<(), Failure> {
    match answer(context, request)? {
        // it repeats names and words as they were given
        Reply::Done(done) => {
            print(&format!("{}\n", clean(&done.message)))?;
            match done.but {
                None => Ok(()),
                Some((what, hint)) => Err(Failure::new(Kind::Findings, what).hint(hint)),
            }
        }
        _ => Err(unexpected()),
    }
}

pub fn approve(context: &Context, args: ApproveArgs) -> Result<(), Failure> {
    let VoteArgs { id, why } = args.vote;
    let target = id.strip_prefix("baseline:");
    let at_most = match target {
        // the inbox may have been read long ago, and does not say how many are not older than that
        Some(target) => {
            let part = BacklogPart {
                target: TargetName::new(target),
                max_age: args.max_age,
            };
            Some(consent(context, part, args.yes_release)?)
        }
        None => None,
    };
    let approve = Request::Approve {
        id,
        why,
        max_age: args.max_age,
        at_most,
        despite_rejection: args.despite_rejection,
    };
    order(context, approve)
}

pub fn reject(context: &Context, args: VoteArgs) -> Result<(), Failure> {
    let (id, why) = (args.id, args.why);
    order(context, Request::Reject { id, why })
}

pub fn pause(context: &Context, args: PauseArgs) -> Result<(), Failure> {
    let request = Request::Pause {
        scope: args.scope.scope()?,
        why: args.why,
        lasting: args.lasting,
        unseen: args.unseen,
    };
    order(context, request)
}

pub fn resume(context: &Context, args: ScopeArgs) -> Result<(), Failure> {
    let scope = args.scope()?;
    order(context, Request::Resume { scope })
}

pub fn forget(context: &Context, args: ForgetArgs) -> Result<(), Failure> {
    let definition = definition(&args.definition)?.to_string();
    order(context, Request::Forget { definition })
}

pub fn login(context: &Context, command: &LoginCommand) -> Result<(), Failure> {
    match command {
        LoginCommand::Clear => order(context, Request::LoginClear),
    }
}

pub fn reload(context: &Context) -> Result<(), Failure> {
    order(context, Request::Reload)
}

pub fn stop(context: &Context) -> Result<(), Failure> {
    order(context, Request::Stop)
}
