//! `plan`, `explain`, `status`, `inbox`: questions; they change nothing.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::ask::{answer, answer_with, unexpected};
use super::context::{Context, print, width};
use super::failure::{Failure, Kind, tell};
use super::moment::moment;
use super::render;
use crate::control::{PastFilter, PlanFilter, ReplayView, Reply, Request};
use crate::given::Apart;
use crate::model::settings::Settings;
use crate::model::{ActionName, TargetName};
use crate::policy;

/// What the columns of `status` count.
pub const COLUMNS: &str = "Columns of a target:
  visible, rejected  tasks that the lists of the last cycle showed, and of these rejected in OIG
  open               pieces of work whose last attempt has no settled end yet
  completed          whose last attempt counts as completed
  failed             whose last attempt failed again, or was refused by OIG
  gone               whose last attempt left no trace: nobody knows whether it was done
  in vain            whose last attempt came to nothing: not applied, not sent, overtaken
  breaker            closed: as usual; open: too much failed; probing: one task is tried

From open to in vain they are of the whole store, each piece of work by its last attempt.";

/// So long `status` waits for the policies on disk, which take some milliseconds (wall time).
const POLICIES: Duration = Duration::from_secs(3);

/// `--json`
#[derive(Debug, Args)]
pub struct JsonArg {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// Only items with this action
    #[arg(long, value_parser = action)]
    action: Option<ActionName>,
    /// At most so many items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    json: JsonArg,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// OIG's task id, or our lineage id (L12)
    #[arg(required_unless_present = "decision", value_parser = task_or_lineage)]
    task: Option<String>,
    /// The decision that was in force at this time, e.g. 2027-03-01T08:00:00+01:00, taken once more
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "decision")]
    at: Option<Timestamp>,
    /// The decision of this record, taken once more
    #[arg(long, value_name = "RECORD")]
    decision: Option<u64>,
    #[command(flatten)]
    json: JsonArg,
}

/// The id of a task or of a piece of work; that there is one is said before anything is asked.
pub fn task_or_lineage(text: &str) -> Result<String, String> {
    let id = text.trim();
    if id.is_empty() {
        return Err("it is empty: write OIG's task id, or a lineage id such as L12; `provtaskd plan` and `provtaskd outcomes list` show both".to_owned());
    }
    Ok(id.to_owned())
}

/// The word of an action.
pub fn action(text: &str) -> Result<ActionName, String> {
    ActionName::ALL
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or_else(|| {
            let words: Vec<&str> = ActionName::ALL.iter().map(|a| a.as_str()).collect();
            format!("write one of: {}", words.join(", "))
        })
}

pub fn plan(context: &Context, args: PlanArgs) -> Result<(), Failure> {
    let filter = PlanFilter {
        target: args.target.as_deref().map(TargetName::new),
        action: args.action,
        limit: args.limit,
    };
    let Reply::Plan(plan) = answer(context, Request::Plan { filter })? else {
        return Err(unexpected());
    };
    if args.json.json {
        print(&render::json(&plan)?)?;
    } else {
        print(&render::plan(&plan, width()))?;
    }
    let faults = plan
        .items
        .iter()
        .filter(|item| item.fault.is_some())
        .count();
    let faults = u64::try_from(faults).unwrap_or(u64::MAX);
    if faults > 0 {
        let tasks = render::counted(faults, "task", "tasks");
        let what = format!("a policy failed on {tasks}, left alone");
        return Err(Failure::new(Kind::Findings, what)
            .hint("`provtaskd explain TASK` names file and line; mend the policy"));
    }
    Ok(())
}

/// A decision of the past; ends with a finding where it would be another one today.
fn explain_past(context: &Context, args: ExplainArgs) -> Result<(), Failure> {
    let filter = PastFilter {
        task: args.task,
        at: args.at,
        record: args.decision,
    };
    let Reply::Past(view) = answer(context, Request::Past { filter })? else {
        return Err(unexpected());
    };
    if args.json.json {
        print(&render::json(&view)?)?;
    } else {
        print(&render::past(&view, width()))?;
    }
    match view.replay {
        ReplayView::Same => Ok(()),
        ReplayView::Different { .. } => Err(Failure::new(
            Kind::Findings,
            "the recorded policies answer otherwise now than is on record",
        )
        .hint("it was another version of provtaskd, or the record was changed: `provtaskd audit verify`")),
        ReplayView::Impossible { why } => Err(Failure::new(
            Kind::Findings,
            format!("the decision can't be taken once more: {why}"),
        )
        .hint("what is shown is as recorded; `provtaskd audit verify` says whether that was changed")),
    }
}

pub fn explain(context: &Context, args: ExplainArgs) -> Result<(), Failure> {
    let (task, json) = match args {
        ExplainArgs {
            task: Some(task),
            at: None,
            decision: None,
            json,
        } => (task, json.json),
        past => return explain_past(context, past),
    };
    match answer(context, Request::Explain { task })? {
        Reply::Explain(view) if json => print(&render::json(&view)?),
        Reply::Explain(view) => print(&render::explain(&view, width())),
        _ => Err(unexpected()),
    }
}

/// Why a reload or a restart could not take the policies as they are on disk now. What does not answer is waited for
/// no longer than a person likes to wait for `status`.
fn unusable(settings: &Settings) -> Option<String> {
    let of = settings.policy.clone();
    let reading = Apart::begin(move || policy::load::load(&of).err()).ok()?;
    reading.wait(POLICIES);
    if !reading.has_come() {
        return Some(format!(
            "they were not read within {} s, as where the server of a network mount is gone: neither a reload nor a restart could take them",
            POLICIES.as_secs()
        ));
    }
    let error = reading.take()??;
    Some(format!(
        "{}; a daemon that runs goes on with what it has, and neither a reload nor a start takes these: mend them (`provtaskd policy test`)",
        error.one_line()
    ))
}

pub fn status(context: &Context, args: &JsonArg) -> Result<(), Failure> {
    let (reply, settings) = answer_with(context, Request::Status)?;
    let Reply::Status(mut view) = reply else {
        return Err(unexpected());
    };
    match settings {
        Ok(settings) => view.policy_error = unusable(&settings),
        Err(failure) => view.config_error = Some(failure.line()),
    }
    if args.json {
        print(&render::json(&view)?)?;
    } else {
        print(&render::status(&view, width()))?;
    }
    if let Some(rewound) = &view.store_rewound {
        let what = match rewound.copied {
            true => "is a copy, and nobody has said that the other one is settled",
            false => "does not hold what was acknowledged",
        };
        let what = format!("the store {} {what}", view.store);
        return Err(Failure::new(Kind::Findings, what)
            .hint("`status` says above what is lost, where a copy is, and what to do"));
    }
    Ok(())
}

/// Options of `inbox`.
#[derive(Debug, Args)]
pub struct InboxArgs {
    /// Show what somebody has said no to instead, who, when and why, and how that is taken back
    #[arg(long)]
    rejected: bool,
    #[command(flatten)]
    json: JsonArg,
}

pub fn inbox(context: &Context, args: &InboxArgs) -> Result<(), Failure> {
    let json = args.json.json;
    if args.rejected {
        return match answer(context, Request::Rejections)? {
            Reply::Rejections(all) if json => print(&render::json(&all)?),
            Reply::Rejections(all) => print(&render::rejections(&all, width())),
            _ => Err(unexpected()),
        };
    }
    let (reply, settings) = answer_with(context, Request::Inbox)?;
    let Reply::Inbox(inbox) = reply else {
        return Err(unexpected());
    };
    // it is a person who has to mend them, before the next start
    let policies = settings.ok().and_then(|settings| unusable(&settings));
    let policies = policies.map(|words| format!("policies on disk: {words}"));
    if json {
        for words in inbox.no_store.iter().chain(&policies) {
            tell(&format!("note: {words}"));
        }
        return print(&render::json(&inbox.items)?);
    }
    print(&render::inbox(&inbox, width()))?;
    match policies {
        Some(words) => print(&format!("{words}\n")),
        None => Ok(()),
    }
}
