//! `audit verify|export`: what was done, and whether what is on record of it was changed; it reads, and changes nothing.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::ask::{own_store, unexpected};
use super::context::{Context, print, scratch, somebody_reads, width};
use super::failure::{Failure, Kind, tell};
use super::look::JsonArg;
use super::moment::moment;
use super::render;
use crate::control::{self, ControlError, JournalView, Reply, Request};
use crate::daemon::DaemonError;
use crate::daemon::audit::{
    Anchors, COLUMNS, Export, Filter, Finding, Key, KeyError, Mark, Row, Search, Stopped, Verifier,
};
use crate::given;
use crate::model::settings::{AuditSettings, Settings};
use crate::model::{Login, TargetName};

/// How long another process may hold the store (wall time), and the pause between two tries.
const STORE_TIME: Duration = Duration::from_secs(10);
const STORE_PAUSE: Duration = Duration::from_millis(200);
/// Longest line of a log that is looked at, bytes.
const LINE: u64 = 64 << 10;
/// The form of exported rows.
const SCHEMA: u32 = 1;

/// The `audit` group.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Say up to which anchored head nothing of the journal was changed, cut or put in
    Verify(VerifyArgs),
    /// Write decisions, orders, claims, answers and outcomes of a span of time
    Export(ExportArgs),
}

/// Options of `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The anchor file, a log with anchors, or `-` for standard input [default: the configured anchor file]
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// A key file to check HMACs with; once for each key of a rotation [default: the configured ones]
    #[arg(long, value_name = "FILE")]
    hmac_key_file: Vec<PathBuf>,
    #[command(flatten)]
    json: JsonArg,
}

/// Options of `audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// From this time on: 2027-03-01, 2027-03-01T08:00:00+01:00 or "2027-03-01 08:00 Europe/Berlin"
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Timestamp,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Timestamp,
    /// Only what was done for this user
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// Only this task or lineage (L12), with all its ids
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Only what belongs to this access request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only this target, and what holds for everything
    #[arg(long)]
    target: Option<String>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// Runs one of the group.
///
/// # Errors
/// The daemon's, the store's; [`Kind::Unverified`] where something was found.
pub fn audit(context: &Context, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(args) => verify(context, &args),
        AuditCommand::Export(args) => export(context, args),
    }
}

/// Where the journal is read from.
pub(super) enum Journal {
    Daemon(PathBuf),
    Stopped(Box<Stopped>),
}

impl Journal {
    /// The running daemon's, else the store's.
    pub(super) fn open(
        context: &Context,
        loaded: Result<Settings, Failure>,
    ) -> Result<(Self, JournalView), Failure> {
        let socket = match &loaded {
            Ok(settings) => settings.admin.socket.clone(),
            Err(_) => context.whereabouts().1,
        };
        let began = Instant::now();
        loop {
            match ask(context, &socket, 1) {
                Ok(first) => {
                    if let Err(failure) = &loaded {
                        failure.warn();
                    }
                    return Ok((Self::Daemon(socket), first));
                }
                Err(Asked::NotRunning) => {}
                Err(Asked::Failed(failure)) => return Err(failure),
            }
            let settings = loaded.clone()?;
            own_store(&settings.store.dir)?;
            match Stopped::open(&settings, &scratch()) {
                Ok(stopped) => {
                    let first = stopped.page(1)?;
                    return Ok((Self::Stopped(Box::new(stopped)), first));
                }
                Err(error) => {
                    let failure = store_failure(error);
                    if failure.kind != Kind::Busy || began.elapsed() > STORE_TIME {
                        return Err(failure);
                    }
                    // another command needs it for a moment only, and a daemon that starts listens soon
                    std::thread::sleep(STORE_PAUSE);
                }
            }
        }
    }

    fn page(&self, context: &Context, from: u64) -> Result<JournalView, Failure> {
        match self {
            Self::Stopped(stopped) => Ok(stopped.page(from)?),
            Self::Daemon(socket) => match ask(context, socket, from) {
                Ok(page) => Ok(page),
                Err(Asked::Failed(failure)) => Err(failure),
                Err(Asked::NotRunning) => Err(Failure::new(
                    Kind::Busy,
                    "the daemon has ended while its journal was read",
                )
                .hint("run the command again")),
            },
        }
    }

    /// True where a daemon is asked.
    pub(super) fn is_of_daemon(&self) -> bool {
        matches!(self, Self::Daemon(_))
    }

    fn mark(&self) -> Option<&Mark> {
        match self {
            Self::Daemon(_) => None,
            Self::Stopped(stopped) => stopped.mark(),
        }
    }

    /// Shows the records up to the last of the first page's time, in order; what is written meanwhile
    /// is left out.
    pub(super) fn read(
        &self,
        context: &Context,
        first: JournalView,
        show: &mut dyn FnMut(u64, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let last = first.last;
        let mut page = first;
        loop {
            for (seq, text) in &page.records {
                if *seq > last {
                    return Ok(());
                }
                show(*seq, text)?;
            }
            match page.next {
                Some(next) if next <= last => page = self.page(context, next)?,
                _ => return Ok(()),
            }
        }
    }
}

enum Asked {
    NotRunning,
    Failed(Failure),
}

fn ask(context: &Context, socket: &Path, from: u64) -> Result<JournalView, Asked> {
    let asked = context
        .block_on(async { Ok(control::ask_in_time(socket, Request::Journal { from }).await) });
    match asked.map_err(Asked::Failed)? {
        Ok(Reply::Journal(view)) => Ok(*view),
        Ok(Reply::Refused(refused)) => Err(Asked::Failed(refused.into())),
        Ok(_) => Err(Asked::Failed(unexpected())),
        Err(ControlError::NotRunning { .. }) => Err(Asked::NotRunning),
        Err(error) => Err(Asked::Failed(error.into())),
    }
}

fn store_failure(error: DaemonError) -> Failure {
    let failure = Failure::from(error);
    if failure.message.contains("there is no store") {
        return Failure::new(Kind::Store, failure.message)
            .hint("name the store with --store DIR, or its configuration with -c FILE");
    }
    failure
}

fn verify(context: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let loaded = context.load().map(|loaded| loaded.settings);
    let audit = loaded.as_ref().ok().map(|settings| &settings.audit);
    let keys = keys(args, audit)?;
    // before the journal: what a running daemon notes meanwhile is of records that are not read here
    let anchors = anchors(args, audit)?;
    let (journal, first) = Journal::open(context, loaded)?;
    let mut verifier = Verifier::new(anchors, keys);
    journal.read(context, first, &mut |seq, text| {
        verifier.add(seq, text.as_bytes());
        Ok(())
    })?;
    let verified = verifier.end(journal.mark());
    if args.json.json {
        print(&render::json(&verified)?)?;
    } else {
        print(&render::verified(&verified, width()))?;
    }
    let many = u64::try_from(verified.findings.len()).unwrap_or(u64::MAX) + verified.more;
    match verified.findings.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(
            Kind::Unverified,
            match many {
                1 => first.to_string(),
                many => {
                    let more = render::counted(many - 1, "finding", "findings");
                    format!("{first}; {more} more")
                }
            },
        )
        .hint(if verified.findings.iter().any(|finding| matches!(finding, Finding::KeyUnknown { .. })) {
            "if the key was changed, name the one before in audit.former_hmac_key_files, or here with --hmac-key-file (once for each key): its anchors count again; if it was not, somebody else has signed them, see docs/audit.md"
        } else {
            "keep store and anchors as they are; docs/audit.md says what each finding means"
        })),
    }
}

fn keys(args: &VerifyArgs, audit: Option<&AuditSettings>) -> Result<Vec<Key>, Failure> {
    let configured = audit.into_iter().flat_map(AuditSettings::hmac_key_files);
    let named = !args.hmac_key_file.is_empty();
    let paths: Vec<&PathBuf> = if named {
        args.hmac_key_file.iter().collect()
    } else {
        configured.collect()
    };
    let read = paths.into_iter().map(|path| Key::read(path));
    read.collect::<Result<_, _>>().map_err(|error| {
        let (kind, hint) = match &error {
            KeyError::Read { .. } | KeyError::Unusable { .. } => (
                Kind::Io,
                "name a key file that this user may read, with --hmac-key-file",
            ),
            KeyError::NoKey { .. } if named => (
                Kind::Data,
                "name the file of the key with which the anchors were signed",
            ),
            KeyError::NoKey { .. } => (
                Kind::Config,
                "mend the file that audit.hmac_key_file or audit.former_hmac_key_files names, or name another with --hmac-key-file",
            ),
        };
        Failure::of(kind, &error).hint(hint)
    })
}

fn anchors(args: &VerifyArgs, audit: Option<&AuditSettings>) -> Result<Anchors, Failure> {
    let configured = audit.and_then(|audit| audit.anchor_file.as_ref());
    let mut anchors = Anchors::default();
    let path = match (&args.anchors, configured) {
        (Some(path), _) => path,
        (None, Some(path)) if path.exists() => path,
        (None, _) => return Ok(anchors),
    };
    let failed = |error: std::io::Error| {
        Failure::new(
            Kind::Io,
            format!("the anchors in {}: {error}", path.display()),
        )
        .hint("name a file of anchors or a log that this user may read; `-` is standard input")
    };
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(given::open(path).map_err(failed)?)
    };
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut part = source.by_ref().take(LINE);
        if part.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        anchors.line(&String::from_utf8_lossy(&line));
    }
    if anchors.is_empty() {
        return Err(Failure::new(
            Kind::Data,
            format!("there is no anchor in {}", path.display()),
        )
        .hint("give the anchor file, or the daemon's log, as `journalctl -o cat` shows it"));
    }
    Ok(anchors)
}

/// The first line of an export.
#[derive(Serialize)]
struct Header<'a> {
    audit: &'static str,
    schema: u32,
    store: &'a str,
    last_record: u64,
    head: &'a str,
    filter: &'a Filter,
}

/// The last one: an export without it was cut.
#[derive(Serialize)]
struct Footer {
    rows: u64,
    records_read: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions_of_unknown_request: Option<u64>,
}

fn export(context: &Context, args: ExportArgs) -> Result<(), Failure> {
    somebody_reads()?;
    let format = args.format;
    if args.from >= args.to {
        return Err(Failure::new(
            Kind::Data,
            format!("--from {} is not before --to {}", args.from, args.to),
        )
        .hint("--from is the first moment that is wanted, --to the first that is not"));
    }
    let filter = Filter {
        from: args.from,
        to: args.to,
        user: args.user.as_deref().map(Login::new),
        task: args.task,
        request: args.request,
        target: args.target.as_deref().map(TargetName::new),
    };
    let loaded = context.load().map(|loaded| loaded.settings);
    let (journal, first) = Journal::open(context, loaded)?;
    let mut search = Search::new(filter.clone());
    if filter.needs_search() {
        journal.read(context, first.clone(), &mut |seq, text| {
            search.take(text).map_err(|error| newer(seq, &error))
        })?;
    }
    if let Some(targets) = search.other_targets() {
        return Err(no_target(&filter, &targets));
    }
    let mut export = search.end();
    let header = Header {
        audit: "provtaskd",
        schema: SCHEMA,
        store: &first.store,
        last_record: first.last,
        head: &first.head,
        filter: &filter,
    };
    let header = render::json_lines(&[header])?;
    print(&match format {
        Format::Jsonl => header,
        Format::Csv => format!("# {header}{}", render::csv(COLUMNS)),
    })?;
    let (mut rows, mut records_read) = (0_u64, 0_u64);
    journal.read(context, first.clone(), &mut |seq, text| {
        records_read += 1;
        let some = export.take(text).map_err(|error| newer(seq, &error))?;
        rows += u64::try_from(some.len()).unwrap_or(u64::MAX);
        write(format, &some)
    })?;
    footer(
        format,
        &export,
        filter.request.is_some(),
        rows,
        records_read,
    )
}

/// Targets that are named at most.
const NAMED: usize = 20;

fn no_target(filter: &Filter, targets: &[&TargetName]) -> Failure {
    let asked = filter.target.as_ref().map_or("", |target| target.as_str());
    let message = format!("no target {asked:?} is on record");
    let named: Vec<&str> = targets.iter().take(NAMED).map(|t| t.as_str()).collect();
    let hint = match targets.len() {
        0 => "no target is on record yet".to_owned(),
        many if many > NAMED => format!(
            "on record are {} and {} more",
            named.join(", "),
            many - NAMED
        ),
        _ => format!("on record are {}", named.join(", ")),
    };
    Failure::new(Kind::Data, message).hint(hint)
}

fn footer(
    format: Format,
    export: &Export,
    by_request: bool,
    rows: u64,
    records_read: u64,
) -> Result<(), Failure> {
    let unknown = by_request.then(|| export.unknown_requests());
    let footer = render::json_lines(&[Footer {
        rows,
        records_read,
        decisions_of_unknown_request: unknown,
    }])?;
    print(&match format {
        Format::Jsonl => footer,
        Format::Csv => format!("# {footer}"),
    })?;
    if let Some(unknown) = unknown.filter(|unknown| *unknown > 0) {
        tell(&format!(
            "warning: of {unknown} decisions it is not on record to which request they belong; they are left out"
        ));
    }
    if rows == 0 {
        tell(&format!(
            "nothing of what was asked for is on record; records that were read: {records_read}"
        ));
    }
    Ok(())
}

fn write(format: Format, rows: &[Row]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    print(&match format {
        Format::Jsonl => render::json_lines(rows)?,
        Format::Csv => rows
            .iter()
            .map(|row| render::csv(row.cells().iter().map(String::as_str)))
            .collect(),
    })
}

pub(super) fn newer(seq: u64, error: &dyn std::error::Error) -> Failure {
    Failure::new(Kind::Store, format!("record {seq}: {error}"))
        .hint("run the provtaskd that has written the store")
}
