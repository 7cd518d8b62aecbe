//! `report daily`: what a span of time brought, from the journal, with how it stands now; it reads, and changes nothing, and never says that a mail was sent which was not.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::ask::answer;
use super::audit::{Journal, newer};
use super::context::{Context, print};
use super::failure::{Failure, Kind, tell};
use super::moment::moment;
use super::out::{Sort, may_write, write};
use super::render;
use crate::control::{InboxItem, LoginRow, Reply, Request, StatusView};
use crate::daemon::audit::{Day, is_before};
use crate::daemon::{domain_now, world};
use crate::daily::{self, Daily, Now};
use crate::mail::{self, Letter};
use crate::model::Clock;
use crate::model::settings::{MailSettings, Settings};

/// A day.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// `delivery.settle_after` where the configuration can't be read: its default.
const SETTLE_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// The `report` group.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// What the last 24 hours brought, or another span of time
    Daily(DailyArgs),
}

/// Options of `report daily`.
#[derive(Debug, Args)]
pub struct DailyArgs {
    /// From this time on: 2027-03-01, 2027-03-01T08:00:00+01:00 or "2027-03-01 08:00 Europe/Berlin" [default: 24 hours before --to]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Format of what is printed, and of files whose name does not say it
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write the report into this file (.txt, .md, .html, .json) instead of printing it; replaces an earlier report of a day and nothing else; may be given several times
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Send the report, as text and HTML, to those whom [mail] in the configuration names, instead of printing it
    #[arg(long)]
    mail: bool,
}

/// What a report can be written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Md,
    Html,
    Json,
}

impl Format {
    /// What a file's name says.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "txt" => Some(Self::Text),
            "md" => Some(Self::Md),
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn render(self, day: &Daily) -> Result<String, Failure> {
        Ok(match self {
            Self::Text => daily::text(day),
            Self::Md => daily::markdown(day),
            Self::Html => daily::html(day),
            Self::Json => render::json(day)?,
        })
    }
}

/// Runs one of the group.
///
/// # Errors
/// The daemon's, the store's; a file that can't be written.
pub fn report(context: &Context, command: ReportCommand) -> Result<(), Failure> {
    match command {
        ReportCommand::Daily(args) => daily(context, &args),
    }
}

fn daily(context: &Context, args: &DailyArgs) -> Result<(), Failure> {
    let mut outs = Vec::new();
    for path in &args.out {
        let Some(format) = Format::of(path).or(args.format) else {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{}: its name does not say which format is wanted",
                    path.display()
                ),
            )
            .hint("name it .txt, .md, .html or .json, or say --format; a report of a day has no other form (`provtaskd audit export` writes CSV)"));
        };
        // what can't be written is told before anything is read
        may_write(path, Sort::Daily)?;
        outs.push((path, format));
    }
    let loaded = context.load().map(|loaded| loaded.settings);
    let mailing = match &loaded {
        _ if !args.mail => None,
        Ok(settings) => Some(mailing(settings)?),
        Err(failure) => return Err(failure.clone()),
    };
    let configured = loaded.as_ref().ok().map(|of| world(&of.server));
    let simulated = loaded.as_ref().ok().cloned();
    let simulated = simulated.filter(|settings| settings.server.simulator_clock);
    let settle_after = (loaded.as_ref()).map_or(SETTLE_AFTER, |of| of.delivery.settle_after);
    let (journal, first) = Journal::open(context, loaded)?;
    let now = journal.is_of_daemon().then(|| now(context)).transpose()?;
    let to = match (args.to, &now) {
        (Some(to), _) => to,
        (None, Some((now, _))) => now.at,
        (None, None) => clock(context, simulated.as_ref()),
    };
    let from = match args.from {
        Some(from) => from,
        None => to.checked_sub(DAY).unwrap_or(Timestamp::MIN),
    };
    if from >= to {
        return Err(Failure::new(
            Kind::Data,
            format!("the span from {from:.0} to {to:.0} holds no time"),
        )
        .hint("name an earlier --from, or a later --to"));
    }
    // the journal is in the order in which it was written; by now all of it was, whatever times it bears
    let mut last = first.last;
    if args.to.is_some() {
        last = 0;
        journal.read(context, first.clone(), &mut |seq, text| {
            if is_before(text, to) {
                last = seq;
            }
            Ok(())
        })?;
    }
    let mut day = Day::new(from, to, settle_after);
    journal.read(context, first, &mut |seq, text| {
        if seq > last {
            return Ok(());
        }
        day.take(text).map_err(|error| newer(seq, &error))
    })?;
    let mut day = day.end();
    if let Some((of, configured)) = day.world.clone().zip(configured)
        && of != configured
    {
        tell(&format!(
            "warning: the store is of {of}, and the configuration names {configured}: the report is of the former alone"
        ));
        day.configured = Some(configured);
    }
    if let Some((now, reads)) = now {
        // what is not on record yet is of the time before now
        if let Some((many, since)) = reads.filter(|_| to >= now.at) {
            day.requests.add_reads(since, now.at, many);
        }
        day.now = Some(now);
    }
    if outs.is_empty() && mailing.is_none() {
        let format = args.format.unwrap_or(Format::Text);
        return print(&format.render(&day)?);
    }
    for (path, format) in outs {
        write(path, Sort::Daily, &format.render(&day)?)?;
        tell(&format!("the report is in {}", path.display()));
    }
    match mailing {
        Some(settings) => send(&settings, &day),
        None => Ok(()),
    }
}

/// What the time is where no daemon says it: by the clock that wrote the records, where it can be asked.
fn clock(context: &Context, simulated: Option<&Settings>) -> Timestamp {
    let wall = Clock::wall().now();
    let Some(settings) = simulated else {
        return wall;
    };
    context
        .block_on(async { Ok(domain_now(settings).await?) })
        .unwrap_or_else(|failure| {
            tell(&format!(
                "warning: the span ends by this machine's clock, at {wall:.0}: {}; --to names another end",
                failure.message
            ));
            wall
        })
}

/// Where reports go.
fn mailing(settings: &Settings) -> Result<MailSettings, Failure> {
    let none = || {
        let what = format!("{} has no [mail]", settings.origin.display());
        Failure::new(Kind::Config, what)
            .hint("write server, from and to into [mail]: see docs/configuration.md")
    };
    settings.mail.clone().ok_or_else(none)
}

fn send(settings: &MailSettings, day: &Daily) -> Result<(), Failure> {
    let letter = Letter {
        subject: day.subject(),
        text: daily::text(day),
        html: daily::html(day),
        at: Clock::wall().now(),
    };
    let sent = mail::send(settings, &letter)?;
    tell(&format!("the report was mailed to {}", sent.to.join(", ")));
    if sent.refused.is_empty() {
        return Ok(());
    }
    let refused: Vec<String> = sent.refused.iter().map(ToString::to_string).collect();
    let what = format!(
        "the mail server {}:{} did not take the report for {}; {} of {} got it",
        settings.host,
        settings.port,
        refused.join(", "),
        sent.to.len(),
        sent.to.len() + refused.len()
    );
    Err(if sent.refused.iter().any(|one| one.later) {
        let hint =
            "it may take it later, but a second mail goes to all: ask whoever runs the mail server";
        Failure::new(Kind::Unreachable, what).hint(hint)
    } else {
        Failure::new(Kind::Config, what).hint("mend mail.to")
    })
}

/// Requests to read that are on no record yet, and since when.
type NotOnRecord = Option<(u64, Timestamp)>;

/// How it stands, as the running daemon says.
fn now(context: &Context) -> Result<(Now, NotOnRecord), Failure> {
    let Reply::Status(status) = answer(context, Request::Status)? else {
        return Err(super::ask::unexpected());
    };
    // of a store of another world none is shown
    let inbox = match status.store_foreign {
        true => Vec::new(),
        false => match answer(context, Request::Inbox)? {
            Reply::Inbox(inbox) => inbox.items,
            _ => return Err(super::ask::unexpected()),
        },
    };
    let since = status.reads_on_record_to;
    let reads = since.map(|since| (status.reads_not_on_record, since));
    Ok((standing(&status, &inbox), reads))
}

fn standing(status: &StatusView, inbox: &[InboxItem]) -> Now {
    let mut by_why: Vec<(String, u64)> = Vec::new();
    for item in inbox {
        match by_why.iter_mut().find(|(why, _)| *why == item.why) {
            Some((_, many)) => *many += item.count,
            None => by_why.push((item.why.clone(), item.count)),
        }
    }
    Now {
        at: status.now,
        visible: status.tasks_visible,
        visible_whole: status.tasks_whole,
        visible_as_of: status.tasks_as_of,
        logins: match &status.logins[..] {
            [] => vec![status.login.clone()],
            several => several.iter().map(|row| row.login.clone()).collect(),
        },
        not_read: LoginRow::not_read(&status.logins),
        waiting: status.refusals.clone(),
        left_alone: status.left_alone,
        waiting_as_of: status.last_cycle,
        attempts_open: status.attempts_open,
        inbox: by_why,
        mode_why: status.mode_why.clone(),
        last_error: status
            .last_error
            .clone()
            .or_else(|| status.write_error.clone()),
    }
}
