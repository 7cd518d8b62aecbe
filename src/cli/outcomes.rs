//! `outcomes list|show|export`: attempts and what became of them; it changes nothing.

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::act::{duration, order};
use super::ask::{answer, unexpected};
use super::context::{Context, print, somebody_reads, width};
use super::failure::{Failure, tell};
use super::look::{JsonArg, task_or_lineage};
use super::render;
use crate::control::{OutcomeFilter, OutcomeRow, OutcomesView, Reply, Request};
use crate::model::{AttemptState, TargetName, TaskId};

/// The `outcomes` group.
#[derive(Debug, Subcommand)]
pub enum OutcomesCommand {
    /// List attempts, newest first
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// At most so many rows
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Tell the whole story of a task or lineage
    Show {
        /// OIG's task id, or our lineage id (L12)
        #[arg(value_parser = task_or_lineage)]
        id: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Say what became of an attempt that readings can't tell
    Settle {
        /// OIG's task id, or our lineage id (L12)
        id: String,
        #[command(flatten)]
        end: EndArgs,
        /// How you know; it is recorded
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Let the attempts of tasks count from zero again, and end a doubt about them
    Reset {
        /// OIG's task ids, or our lineage ids (L12)
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Write all attempts as JSON lines
    Export {
        #[command(flatten)]
        filter: FilterArgs,
    },
}

/// What became of an attempt: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct EndArgs {
    /// It was done
    #[arg(long)]
    completed: bool,
    /// It has failed, or was never applied
    #[arg(long)]
    failed: bool,
}

/// Which attempts.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only this target
    #[arg(long)]
    target: Option<String>,
    /// Only attempts in this state, e.g. completed
    #[arg(long, value_parser = state)]
    state: Option<AttemptState>,
    /// Only this task's piece of work, under all the ids that it had
    #[arg(long)]
    task: Option<String>,
    /// Only attempts of the last so long, e.g. 24h
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    within: Option<SignedDuration>,
}

impl FilterArgs {
    fn filter(&self, limit: Option<u32>) -> OutcomeFilter {
        OutcomeFilter {
            target: self.target.as_deref().map(TargetName::new),
            state: self.state,
            task: self.task.as_deref().map(TaskId::new),
            within: self.within,
            limit,
            after: None,
        }
    }
}

fn state(text: &str) -> Result<AttemptState, String> {
    AttemptState::ALL
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| {
            let words: Vec<&str> = AttemptState::ALL.iter().map(|s| s.as_str()).collect();
            format!("write one of: {}", words.join(", "))
        })
}

pub fn outcomes(context: &Context, command: OutcomesCommand) -> Result<(), Failure> {
    match command {
        OutcomesCommand::List {
            filter,
            limit,
            json,
        } => {
            let view = rows(context, filter.filter(Some(limit)))?;
            if json.json {
                print(&render::json(&view.rows)?)?;
            } else {
                print(&render::outcomes(&view, width()))?;
            }
            if let Some(of) = &filter.task
                && let Some(other) = under_another(&view, of)
            {
                tell(&format!(
                    "{of} is of the piece of work {}: retries gave it other ids, the column `task` has the one that each attempt was sent for",
                    other.lineage
                ));
            }
            if view.left_out > 0 {
                tell(&format!(
                    "{} more left out by --limit {limit}; `provtaskd outcomes export` writes all",
                    view.left_out
                ));
            }
            Ok(())
        }
        OutcomesCommand::Show { id, json } => {
            match answer(context, Request::OutcomesShow { id })? {
                Reply::Story(story) if json.json => print(&render::json(&story)?),
                Reply::Story(story) => print(&render::story(&story, width())),
                _ => Err(unexpected()),
            }
        }
        OutcomesCommand::Settle { id, end, why } => {
            let completed = end.completed;
            let request = Request::Settle { id, completed, why };
            order(context, request)
        }
        OutcomesCommand::Reset { ids, why } => reset(context, ids, &why),
        OutcomesCommand::Export { filter } => {
            somebody_reads()?;
            let mut filter = filter.filter(None);
            loop {
                let view = rows(context, filter.clone())?;
                print(&render::json_lines(&view.rows)?)?;
                let last = view.rows.last().map(|row| (row.lineage, row.ordinal));
                match last {
                    Some(last) if view.left_out > 0 => filter.after = Some(last),
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// One order each: what can't be reset does not keep the others from it.
fn reset(context: &Context, ids: Vec<String>, why: &str) -> Result<(), Failure> {
    let many = ids.len();
    let mut failed = Vec::new();
    for id in ids {
        let why = why.to_owned();
        failed.extend(order(context, Request::Reset { id, why }).err());
    }
    let (left, last) = (failed.len(), failed.pop());
    for failure in &failed {
        tell(&format!("not reset: {}", failure.message));
    }
    match last {
        None => Ok(()),
        Some(last) if many == 1 => Err(last),
        Some(mut last) => {
            last.message = format!("{left} of {many} were not reset; {}", last.message);
            Err(last)
        }
    }
}

/// An attempt of the piece of work under another id than the one that was asked for; where that was no task's, than the
/// others have.
fn under_another<'a>(view: &'a OutcomesView, asked: &str) -> Option<&'a OutcomeRow> {
    let first = view.rows.first()?;
    let is_name = asked.trim().starts_with(['L', 'l']);
    let id = if is_name {
        first.task.clone()
    } else {
        TaskId::new(asked)
    };
    view.rows.iter().find(|row| row.task != id)
}

fn rows(context: &Context, filter: OutcomeFilter) -> Result<OutcomesView, Failure> {
    match answer(context, Request::OutcomesList { filter })? {
        Reply::Outcomes(view) => Ok(view),
        _ => Err(unexpected()),
    }
}
