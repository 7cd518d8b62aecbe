//! `store check|backup|restore|compact|export|import|retention|erase`: the store as a whole; what takes something out shows a plan first and acts only when it is told to.

use std::cell::Cell;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use super::act::{duration, order};
use super::ask::{answer, own_store, unexpected};
use super::context::{Context, print, somebody_reads, width};
use super::failure::{Failure, Kind, tell};
use super::look::JsonArg;
use super::render;
use crate::control::{self, Reply, Request, SavedView};
use crate::daemon::{Head, anchor_alone, anchor_of, domain_now, hint_of, kind_of};
use crate::ledger::upkeep::{
    self, Actor, After, Checked, Erasing, Held, LastAnchor, Order, Rewritten, Source, UpkeepError,
    bring_in, check_backup, check_store,
};
use crate::model::settings::{AuditSettings, StoreSettings};

/// How long another process may hold the store (wall time).
const STORE_TIME: Duration = Duration::from_secs(10);
/// Pause between two tries.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// The `store` group.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read every record and say what is there and what is wrong; changes nothing
    Check(CheckArgs),
    /// Write a backup, also while the daemon runs
    Backup {
        /// A file that does not exist, or a directory in which one is made
        to: PathBuf,
    },
    /// Make the store of a backup; it starts rewound and paused
    Restore(RestoreArgs),
    /// Rewrite the journal so that it takes less room; no record is changed
    Compact(RehearseArgs),
    /// Write every record as a JSON line, also while the daemon runs
    Export {
        /// A file that does not exist, a directory in which one is made, or - for standard output
        to: PathBuf,
    },
    /// Make an empty store of exported records; it starts rewound and paused
    Import {
        /// The file, or - for standard input
        file: PathBuf,
        #[command(flatten)]
        rehearse: RehearseArgs,
    },
    /// Bind the store to the server and login that the configuration names now; nothing is sent until a person has looked
    Rebind {
        /// What it belongs to now, word for word as `provtaskd status` says it, e.g. "https://oig.example.com as PROVTASKD"
        #[arg(long, value_name = "SERVER as LOGIN")]
        from: String,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT", alias = "reason")]
        why: String,
    },
    /// Take decisions, evidence and personal fields out of work that was closed long ago
    Retention(RetentionArgs),
    /// Take a person out of closed work; the chain of records still verifies
    Erase(EraseArgs),
}

/// Options of `store check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check a backup instead of the store
    #[arg(long, value_name = "FILE", conflicts_with = "scratch")]
    backup: Option<PathBuf>,
    /// Where the copy is made that is opened, instead of in the store's directory
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArg,
}

/// Options of `store restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// Move the store that is there aside
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    rehearse: RehearseArgs,
}

/// A rehearsal of a kill.
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// End with SIGKILL after so many steps of the change, to see that the next start finishes or undoes it
    #[arg(long, value_name = "STEPS", hide = true)]
    kill_after: Option<u32>,
}

/// Options of `store retention`.
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// Only work in which nothing has happened for so long, e.g. 400d
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    older_than: SignedDuration,
    /// Where the records are written to, as they were, before anything is taken out of them
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Do it; without it the plan is shown
    #[arg(long, requires = "export")]
    yes: bool,
    #[command(flatten)]
    rehearse: RehearseArgs,
}

/// Options of `store erase`.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The person's login
    #[arg(long, value_name = "LOGIN")]
    user: String,
    /// A full name or mail address by which words may name the person, beside those that the store shows
    /// with the login; once for each
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Why; it is recorded, and may not name the person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do it; without it the plan is shown
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    rehearse: RehearseArgs,
}

/// Carries out a command of the group.
pub fn store(context: &Context, command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Check(args) => check(context, &args),
        StoreCommand::Backup { to } if to.as_os_str() == "-" => Err(Failure::new(
            Kind::Usage,
            "a backup can't be written to standard output: its beginning is written last",
        )
        .hint("name a file (`./-` is one of that name), or use `provtaskd store export -`, which `store import -` reads")),
        StoreCommand::Backup { to } => save(context, &to, false),
        StoreCommand::Export { to } if to.as_os_str() == "-" => export(context),
        StoreCommand::Export { to } => save(context, &to, true),
        StoreCommand::Restore(args) => restore(context, &args),
        StoreCommand::Import { file, rehearse } => import(context, &file, &rehearse),
        StoreCommand::Compact(rehearse) => {
            let site = Site::of(context)?;
            let after = rehearse.after();
            let done = site.alone(|last| {
                upkeep::compact(&site.store, site.order(last), &mut |step| after(step))
            })?;
            print(&render::rewritten("compacted", &done))?;
            // where nothing was rewritten there is nothing to vouch for
            if done.kept { Ok(()) } else { site.anchor(&done) }
        }
        StoreCommand::Rebind { from, why } => order(context, Request::Rebind { from, why }),
        StoreCommand::Retention(args) => retention(context, &args),
        StoreCommand::Erase(args) => erase(context, &args),
    }
}

/// A store that is worked at without a daemon.
struct Site {
    store: StoreSettings,
    /// Another store than the configured one, which the anchor file is about.
    elsewhere: bool,
    audit: AuditSettings,
    socket: PathBuf,
    actor: Actor,
    now: Timestamp,
}

impl Site {
    fn of(context: &Context) -> Result<Self, Failure> {
        let settings = context.load()?.settings;
        own_store(&settings.store.dir)?;
        let elsewhere = context.elsewhere(&settings.store.dir);
        let now = context.block_on(async { Ok(domain_now(&settings).await?) })?;
        let uid = rustix::process::getuid().as_raw();
        Ok(Self {
            elsewhere,
            store: settings.store,
            audit: settings.audit,
            socket: settings.admin.socket,
            actor: Actor::Person {
                uid,
                name: format!("uid {uid}").into(),
            },
            now,
        })
    }

    /// Does something with the store; another command may hold it for a moment, a daemon stays.
    fn alone<T>(
        &self,
        act: impl Fn(LastAnchor<'_>) -> Result<T, UpkeepError>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        loop {
            match act(&|store| anchor_of(&self.audit, store)).map_err(|error| failed(&error)) {
                Err(failure)
                    if failure.kind == Kind::Busy
                        && began.elapsed() < STORE_TIME
                        && !self.has_daemon() =>
                {
                    std::thread::sleep(STORE_PAUSE);
                }
                done => return done,
            }
        }
    }

    /// Says what the anchors show of a store that was checked. What is older than the configured store is
    /// rewound only where it is that store.
    fn hold(&self, checked: &mut Checked) {
        let there = |path: &&PathBuf| self.audit.anchor_file_named || path.exists();
        let Some(path) = self.audit.anchor_file.as_ref().filter(there) else {
            checked.notes.push("no audit.anchor_file is configured, and none is beside the store, so that an older copy of the whole store would not show here; where anchors are in a log, `provtaskd audit verify --anchors LOG` holds it against them".to_owned());
            return;
        };
        let path = path.display();
        let Some(Held { anchor, agrees }) = &checked.anchor else {
            checked.notes.push(format!(
                "the anchor file {path} has no anchor of this store that can be read: whether it is an older copy is not known from it"
            ));
            return;
        };
        let last = checked.examined.last;
        let anchor = format!("{path} names record {} ({:.0})", anchor.seq, anchor.at);
        if *agrees {
            let note = format!("the last anchor in {anchor}, and the store has it");
            checked.notes.push(note);
        } else if self.is_of_other() {
            checked.notes.push(format!(
                "the last anchor in {anchor}, and this copy, which ends with record {last}, does not have it so: it is older than the configured store, or was changed, and put in its place it would be rewound"
            ));
        } else if checked.rewound.is_none() {
            checked.find(format!(
                "REWOUND: the last anchor in {anchor}, and the store, which ends with record {last}, does not have it so: an older copy of the store was put back, or it was changed; the next start puts that on record and sends nothing until a person has looked and said `provtaskd approve rewound --why …`"
            ));
        }
    }

    fn order<'a>(&self, last: LastAnchor<'a>) -> Order<'a> {
        Order {
            actor: self.actor.clone(),
            now: self.now,
            last,
        }
    }

    /// Notes the head of what was made, and says what that means for `audit verify`.
    fn anchor(&self, done: &Rewritten) -> Result<(), Failure> {
        self.note(&done.head, true)
    }

    /// A copy of the configured store has its id: an anchor of it would speak against the original.
    fn note(&self, head: &Head, rewritten: bool) -> Result<(), Failure> {
        let mut audit = self.audit.clone();
        if self.is_of_other() && audit.anchor_file.take().is_some() {
            tell(
                "note: this is not the configured store, so that nothing is written to the configured anchor file: it is about the other one",
            );
        }
        let noted = anchor_alone(&audit, head, self.now);
        print(&render::anchored(&noted, rewritten))
    }

    /// True where the anchor file is about the configured store and this is another one; one that nobody has named is
    /// beside the very store that it is about.
    fn is_of_other(&self) -> bool {
        self.elsewhere && self.audit.anchor_file_named
    }

    fn has_daemon(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.socket).is_ok()
    }
}

fn failed(error: &UpkeepError) -> Failure {
    Failure::of(kind_of(error).into(), error).hint(hint_of(error))
}

impl RehearseArgs {
    /// What is told each step; ends the process, as a power cut would, where that was asked for.
    fn after(&self) -> impl Fn(&'static str) + use<> {
        let left = Cell::new(self.kill_after);
        move |step| {
            let Some(steps) = left.get() else { return };
            if steps <= 1 {
                super::failure::tell(&format!("killed after: {step}"));
                let me = rustix::process::getpid();
                let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
            }
            left.set(steps.checked_sub(1));
        }
    }
}

fn check(context: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let (checked, what) = match &args.backup {
        Some(file) => (
            check_backup(file).map_err(|error| failed(&error))?,
            format!("the backup {}", file.display()),
        ),
        None => {
            let site = Site::of(context)?;
            let checked =
                site.alone(|last| check_store(&site.store, args.scratch.as_deref(), last));
            let dir = site.store.dir.display();
            let checked = checked.map_err(|failure| match failure.kind {
                Kind::Busy => failure.hint("a process holds the store: `provtaskd store backup FILE` works while a daemon runs, and `provtaskd store check --backup FILE` checks that; or stop it first"),
                _ => match &args.scratch {
                    Some(scratch) if failure.message.contains(&scratch.display().to_string()) => failure.hint("the copy that is opened is made there: name with --scratch a directory that this user may write in, with room for twice the journal"),
                    _ => failure,
                },
            })?;
            let mut checked = checked;
            site.hold(&mut checked);
            (checked, format!("the store {dir}"))
        }
    };
    if args.json.json {
        print(&render::json(&render::checked_json(&checked))?)?;
    } else {
        print(&render::checked(&checked, width()))?;
    }
    findings(&checked, &what)
}

fn findings(checked: &Checked, what: &str) -> Result<(), Failure> {
    match (checked.examined.wrong, &checked.rewound) {
        (0, _) => Ok(()),
        // its records are whole: there is nothing to copy first
        (1, Some(todo)) => Err(Failure::new(
            Kind::Findings,
            format!("{what} is rewound, which is on record and not settled"),
        )
        .hint(todo.as_str())),
        (wrong, _) => Err(Failure::new(
            Kind::Findings,
            format!(
                "{what} has {wrong} {}",
                if wrong == 1 { "finding" } else { "findings" }
            ),
        )
        .hint("they are listed above; copy the whole folder before anything opens it, for opening may rewrite what can't be read; docs/operations.md, \"A damaged store\", says what to do")),
    }
}

/// Writes a file: the daemon does it where one runs.
fn save(context: &Context, to: &Path, lines: bool) -> Result<(), Failure> {
    let path = absolute(to)?;
    match answer(context, Request::StoreSave { path, lines })? {
        Reply::Saved(saved) => {
            print(&format!("{}\n", said(&saved)))?;
            left_out(saved.left_out)
        }
        _ => Err(unexpected()),
    }
}

/// A path that means the same to a daemon, and on record: relative to where the command was typed.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::new(Kind::Usage, format!("{}: {error}", path.display())))
}

fn said(saved: &SavedView) -> String {
    format!(
        "wrote {}: {} up to {}, {} bytes",
        saved.path.display(),
        render::counted(saved.records, "record", "records"),
        saved.last,
        render::count(saved.bytes)
    )
}

fn left_out(records: u64) -> Result<(), Failure> {
    match records {
        0 => Ok(()),
        many => Err(Failure::new(
            Kind::Findings,
            format!(
                "left out, because they can't be read: {}",
                render::counted(many, "record", "records")
            ),
        )
        .hint("`provtaskd store check` names them")),
    }
}

fn export(context: &Context) -> Result<(), Failure> {
    let site = Site::of(context)?;
    if site.has_daemon() {
        return Err(Failure::new(
            Kind::Busy,
            "a daemon holds the store, and can write it only into a file",
        )
        .hint("name a file instead of -"));
    }
    somebody_reads()?;
    let saved = site.alone(|_| {
        let out = std::io::stdout().lock();
        let mut out = std::io::BufWriter::with_capacity(1 << 20, out);
        let saved = upkeep::export_to(&site.store, &mut out)?;
        out.flush().map_err(|source| UpkeepError::File {
            path: PathBuf::from("standard output"),
            source,
        })?;
        Ok(saved)
    })?;
    left_out(saved.left_out)
}

fn restore(context: &Context, args: &RestoreArgs) -> Result<(), Failure> {
    let site = Site::of(context)?;
    let after = args.rehearse.after();
    let file = absolute(&args.file)?;
    brought(&site, args.replace, &mut |step| after(step), || {
        Source::Backup(&file)
    })
}

fn import(context: &Context, file: &Path, rehearse: &RehearseArgs) -> Result<(), Failure> {
    let site = Site::of(context)?;
    let after = rehearse.after();
    let stdin = Path::new("standard input");
    let path = absolute(file)?;
    brought(&site, false, &mut |step| after(step), || {
        if file.as_os_str() == "-" {
            Source::Stream(Box::new(BufReader::new(std::io::stdin())), stdin)
        } else {
            Source::Lines(&path)
        }
    })
}

fn brought<'a>(
    site: &Site,
    replace: bool,
    after: After<'_>,
    source: impl Fn() -> Source<'a>,
) -> Result<(), Failure> {
    // once: a stream can't be read twice
    let done = bring_in(
        &site.store,
        source(),
        replace,
        site.actor.clone(),
        site.now,
        after,
    );
    let done = done.map_err(|error| failed(&error))?;
    print(&render::brought_in(&done, &site.store.dir))?;
    site.note(&done.head, false)
}

fn retention(context: &Context, args: &RetentionArgs) -> Result<(), Failure> {
    if args.older_than <= SignedDuration::ZERO {
        return Err(Failure::new(Kind::Usage, "--older-than is no time at all")
            .hint("give it a length, such as 400d"));
    }
    let site = Site::of(context)?;
    let after = args.rehearse.after();
    let export = args.export.as_deref().filter(|_| args.yes);
    let plan = site.alone(|last| {
        upkeep::retention(
            &site.store,
            args.older_than,
            export,
            site.order(last),
            &mut |step| after(step),
        )
    })?;
    print(&render::retained(&plan))?;
    plan.done.map_or(Ok(()), |done| site.anchor(&done))
}

fn erase(context: &Context, args: &EraseArgs) -> Result<(), Failure> {
    for (name, text) in [("--user", &args.user), ("--reason", &args.reason)] {
        if text.trim().is_empty() || text.chars().count() > control::MAX_TEXT {
            return Err(Failure::new(
                // as every other order whose words are none
                Kind::Data,
                format!(
                    "{name} is empty or longer than {} characters",
                    control::MAX_TEXT
                ),
            )
            .hint("say who and why in a few words"));
        }
    }
    let site = Site::of(context)?;
    let after = args.rehearse.after();
    let plan = site.alone(|last| {
        upkeep::erase(
            &site.store,
            Erasing {
                login: &args.user,
                names: &args.name,
                reason: &args.reason,
                yes: args.yes,
            },
            site.order(last),
            &mut |step| after(step),
        )
    })?;
    print(&render::erased(&plan))?;
    plan.done.map_or(Ok(()), |done| site.anchor(&done))
}
