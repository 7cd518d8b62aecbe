//! `survey`: reads the backlog once and writes it as a report in one or more formats; it sends nothing, opens no store and asks no daemon.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::context::{Context, print, width};
use super::failure::{Failure, Kind, tell};
use super::out::{Sort, may_write, write};
use super::progress::beside_that;
use super::render;
use crate::daemon::{self, Progress, SurveyOptions};
use crate::given;
use crate::model::Login;
use crate::model::settings::Settings;
use crate::survey::{self, Report};
use crate::telemetry;

/// Where readings are kept unless another file is named.
const READINGS: &str = "provtaskd-survey.readings";
/// Columns where nobody looks at a terminal.
const PLAIN: render::Width = Some(80);

/// Options of `survey`.
#[derive(Debug, Args)]
pub struct SurveyArgs {
    /// Format of what is printed, and of files whose name does not say it
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write the report into this file (.html, .md, .json, .csv, .txt) instead of printing it; replaces an earlier report of a survey and nothing else; may be given several times
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Most requests for people and accounts; the pages of the list come on top. 0: as many as it takes
    #[arg(long, value_name = "N", default_value_t = 3000)]
    max_reads: u64,
    /// Where readings are kept, so that an interrupted survey goes on where it was [default: ./provtaskd-survey.readings]
    #[arg(long, value_name = "FILE", conflicts_with = "no_resume")]
    readings: Option<PathBuf>,
    /// Keep no readings, and take none over
    #[arg(long)]
    no_resume: bool,
    /// How old a reading of an earlier run may be
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = span)]
    max_age: SignedDuration,
    /// Write numbers instead of people's logins, and no error text but masked ones
    #[arg(long)]
    no_names: bool,
    /// Read as this further login (`[[login]]`) instead of the main one
    #[arg(long, value_name = "LOGIN", conflicts_with = "from")]
    login: Option<String>,
    /// Ask no server: render this report, written before with --format json
    #[arg(long, value_name = "REPORT.json")]
    from: Option<PathBuf>,
}

/// What a report can be written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Html,
    Json,
    Csv,
}

impl Format {
    /// What a file's name says.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "txt" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    fn render(self, report: &Report, width: render::Width) -> Result<String, Failure> {
        Ok(match self {
            Self::Text => render::survey(report, width),
            Self::Markdown => survey::render::markdown(report),
            Self::Html => survey::render::html(report),
            Self::Json => render::json(report)?,
            Self::Csv => survey::render::csv(report),
        })
    }
}

fn span(text: &str) -> Result<SignedDuration, String> {
    let span: SignedDuration = text
        .parse()
        .map_err(|_| "write a span such as 30m or 2h".to_owned())?;
    if span.is_negative() {
        return Err("a span can't be negative".to_owned());
    }
    Ok(span)
}

pub fn survey(context: &Context, args: &SurveyArgs) -> Result<(), Failure> {
    // what can't be written is told before anything is read
    let files = files(args)?;
    let mut report = match &args.from {
        Some(path) => read(path)?,
        None => ask(context, args)?,
    };
    if args.no_names {
        report.leave_names_out();
    }
    for (path, format) in &files {
        // a file is for many terminals
        let text = format.render(&report, PLAIN)?;
        write(path, Sort::Survey, &text)?;
        tell(&format!("written: {}", path.display()));
    }
    if files.is_empty() {
        let format = args.format.unwrap_or(Format::Text);
        // what is no terminal is a file or another program: as wide as a file is written
        let width = width().or(PLAIN);
        print(&format.render(&report, width)?)?;
    }
    Ok(())
}

fn files(args: &SurveyArgs) -> Result<Vec<(PathBuf, Format)>, Failure> {
    let several = args.out.len() > 1;
    args.out
        .iter()
        .map(|path| {
            let said = if several { None } else { args.format };
            let format = said.or_else(|| Format::of(path)).or(args.format);
            let Some(format) = format else {
                let what = format!("{}: its name says no format", path.display());
                return Err(Failure::new(Kind::Usage, what)
                    .hint("end it in .html, .md, .json, .csv or .txt, or give --format"));
            };
            may_write(path, Sort::Survey)?;
            Ok((path.clone(), format))
        })
        .collect()
}

fn ask(context: &Context, args: &SurveyArgs) -> Result<Report, Failure> {
    let loaded = context.load()?;
    let settings = loaded.settings;
    telemetry::init(&settings.log, false).map_err(|error| {
        Failure::of(Kind::Config, &error)
            .hint("see [log] in docs/configuration.md; --log-format human always works")
    })?;
    let readings = (!args.no_resume).then(|| {
        args.readings
            .clone()
            .unwrap_or_else(|| PathBuf::from(READINGS))
    });
    let login = args.login.as_deref().map(|name| further(&settings, name));
    let login = login.transpose()?.flatten();
    let options = SurveyOptions {
        login,
        max_reads: (args.max_reads > 0).then_some(args.max_reads),
        readings: readings.clone(),
        keep_for: args.max_age,
    };
    let progress = Progress::default();
    let shown = progress.clone();
    let work = daemon::survey(settings, options, progress);
    let surveyed = context.block_on(async {
        let work = beside_that(move || shown.text(), work);
        tokio::select! {
            done = work => Ok(done?),
            _ = tokio::signal::ctrl_c() => Err(interrupted(readings.as_deref(), args.max_age)),
        }
    })?;
    if let Some(trouble) = &surveyed.trouble {
        tell(&format!("warning: {trouble}"));
    }
    if let (true, Some(path)) = (surveyed.report.reads.limited, &readings) {
        tell(&format!(
            "note: --max-reads was reached; the same command goes on from {} within {:#}",
            path.display(),
            args.max_age
        ));
    }
    Ok(surveyed.report)
}

/// The further login of that name; `None` for the main one.
pub(super) fn further(settings: &Settings, name: &str) -> Result<Option<Login>, Failure> {
    let wanted = Login::new(name);
    if wanted == settings.server.login {
        return Ok(None);
    }
    let all = settings.logins.iter().map(|of| &of.server.login);
    if all.clone().any(|login| *login == wanted) {
        return Ok(Some(wanted));
    }
    let known = std::iter::once(&settings.server.login).chain(all);
    let known: Vec<String> = known.map(ToString::to_string).collect();
    let what = format!("{}: no login is called so", render::clean(name));
    let hint = format!("the configuration has {}", known.join(", "));
    Err(Failure::new(Kind::Usage, what).hint(hint))
}

fn interrupted(readings: Option<&Path>, max_age: SignedDuration) -> Failure {
    let failure = Failure::new(
        Kind::Interrupted,
        "the survey was stopped before it was through",
    );
    match readings {
        Some(path) => failure.hint(format!(
            "what was read of people and accounts is in {}; the same command goes on from there within {max_age:#}",
            path.display()
        )),
        None => failure.hint("nothing was kept; without --no-resume it would go on where it was"),
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let wrong = |why: String| {
        Failure::new(Kind::Data, format!("{}: {why}", path.display()))
            .hint("name a file that `provtaskd survey --format json` has written")
    };
    let text = given::text(path, given::MOST).map_err(|error| wrong(error.to_string()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if report.schema != survey::SCHEMA || report.version != survey::VERSION {
        return Err(wrong(format!(
            "its schema is {} {}, this program reads {} {}",
            report.schema,
            report.version,
            survey::SCHEMA,
            survey::VERSION
        )));
    }
    Ok(report)
}
