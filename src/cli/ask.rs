//! Gets an answer from the running daemon, else from the store; it refuses a store of another user.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::context::Context;
use super::failure::{Failure, Kind, tell};
use super::progress::beside;
use crate::control::{self, ControlError, RefusedKind, Reply, Request};
use crate::daemon;
use crate::model::settings::Settings;

/// How long another process may hold the store (wall time).
const STORE_TIME: Duration = Duration::from_secs(10);
/// First and longest pause between two tries.
const STORE_PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(800)];

/// The answer to a request; a refusal is a failure.
///
/// # Errors
/// The configuration's, the daemon's, the store's.
pub fn answer(context: &Context, request: Request) -> Result<Reply, Failure> {
    answer_with(context, request).map(|(reply, _)| reply)
}

/// The answer, and the configuration, which can't be used where a daemon has answered all the same: to ask
/// one takes its socket alone, and an error in the file must not take away `pause` and `stop`.
///
/// # Errors
/// The configuration's where no daemon answers, the daemon's, the store's.
pub fn answer_with(
    context: &Context,
    request: Request,
) -> Result<(Reply, Result<Settings, Failure>), Failure> {
    // before anything else: it needs neither a daemon nor a store to be told
    request.check()?;
    let (settings, dir, socket) = match context.load() {
        Ok(loaded) => {
            let settings = loaded.settings;
            let (dir, socket) = (settings.store.dir.clone(), settings.admin.socket.clone());
            (Ok(settings), dir, socket)
        }
        Err(failure) => {
            let (dir, socket) = context.whereabouts();
            (Err(failure), dir, socket)
        }
    };
    if settings.is_ok() {
        is_directory(&dir)?;
    }
    let what = match request {
        Request::Plan { .. } | Request::Explain { .. } | Request::RetryOne { .. } => {
            "reading the list and deciding"
        }
        Request::StoreSave { .. } => "writing the store into a file",
        _ => "waiting for the daemon",
    };
    let work = patiently(&settings, &dir, &socket, &request);
    let reply = context.block_on(beside(what, work))?;
    match reply {
        Reply::Refused(refused) => Err(refused.into()),
        other => Ok((other, settings)),
    }
}

async fn without_daemon(settings: Settings, request: Request) -> Result<Reply, Failure> {
    if matches!(request, Request::RetryOne { .. }) {
        return Err(Failure::new(
            Kind::Unreachable,
            format!(
                "no daemon listens on {}: what becomes of a retry has to be read back",
                settings.admin.socket.display()
            ),
        )
        .hint("start `provtaskd run` (mode observe is enough), then ask again"));
    }
    if matches!(request, Request::Reload | Request::Stop) {
        return Err(Failure::new(
            Kind::Unreachable,
            format!("no daemon listens on {}", settings.admin.socket.display()),
        )
        .hint(match std::env::var("MAINPID") {
            // systemd names the daemon that a reload is for
            Ok(pid) => format!(
                "the daemon of the unit (process {pid}) listens elsewhere: store.dir and admin.socket can't change while it runs; restart it, or put back what it was"
            ),
            Err(_) => "nothing to do; `provtaskd run` starts one".to_owned(),
        }));
    }
    own_store(&settings.store.dir)?;
    let is_order = !request.is_question();
    let told = daemon::offline(settings, request).await;
    let told = told.map(|(reply, unread)| {
        if let Some(why) = unread {
            tell(&format!(
                "note: the policies can't be read, and neither a start nor a reload would take them: {why}"
            ));
        }
        reply
    });
    told.map_err(|error| match Failure::from(error) {
        failure if is_order && failure.kind == Kind::Store => Failure {
            message: format!(
                "{}; the order was not carried out, and nothing of it is on record",
                failure.message
            ),
            ..failure
        },
        failure => failure,
    })
}

/// Asks the daemon, else the store. Where another process holds the store it is asked for again: a
/// command needs it only for a moment, and a daemon that starts listens soon.
async fn patiently(
    settings: &Result<Settings, Failure>,
    dir: &Path,
    socket: &Path,
    request: &Request,
) -> Result<Reply, Failure> {
    let began = Instant::now();
    let [mut pause, longest] = STORE_PAUSE;
    loop {
        let asked = control::ask_in_time(socket, request.clone()).await;
        if !matches!(asked, Err(ControlError::NotRunning { .. })) {
            // a reload that is refused names the findings itself
            let told = matches!(request, Request::Reload)
                && matches!(&asked, Ok(Reply::Refused(refused)) if refused.kind == RefusedKind::Config);
            if let (Err(failure), false) = (settings, told) {
                failure.warn();
            }
            return asked.map_err(|error| silent(error, dir));
        }
        let usable = settings
            .clone()
            .map_err(|failure| without_the_file(failure, socket));
        match without_daemon(usable?, request.clone()).await {
            Err(failure) if failure.kind == Kind::Busy && began.elapsed() < STORE_TIME => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            Err(failure) if failure.kind == Kind::Busy => {
                let waited = STORE_TIME.as_secs();
                let message = format!("{}; waited {waited} s for it", failure.message);
                return Err(Failure { message, ..failure }.hint(
                    "it is another command, or a daemon that starts or ends: look at that process, then try again",
                ));
            }
            done => return done,
        }
    }
}

/// The file can't be used, and where a daemon may listen was only guessed from it: it can be named.
fn without_the_file(failure: Failure, socket: &Path) -> Failure {
    let hint = format!(
        "{}; no daemon answers on {}: where one listens elsewhere, --socket FILE or --store DIR asks it without the file",
        failure.hint,
        socket.display()
    );
    failure.hint(hint)
}

/// What to do about a daemon that is there and says nothing: which process it is, and how it stands.
fn silent(error: ControlError, dir: &Path) -> Failure {
    let ControlError::TimedOut { pid, .. } = &error else {
        return error.into();
    };
    let locked_by = || {
        std::fs::read_to_string(dir.join("lock"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let log = "`journalctl -u provtaskd` says what it did last";
    let hint = match pid.or_else(locked_by) {
        Some(pid) if is_stopped(pid) => {
            format!("process {pid} is stopped (SIGSTOP): `kill -CONT {pid}` lets it go on; {log}")
        }
        Some(pid) => format!(
            "it is process {pid}: does a `reload` still read a slow disk? nothing else is answered until it has: wait, then ask again; is the process stopped? then `kill -CONT {pid}`; {log}"
        ),
        None => format!(
            "does a `reload` still read a slow disk? nothing else is answered until it has; is it stopped? then `kill -CONT` its process; {log}"
        ),
    };
    Failure::from(error).hint(hint)
}

/// What the kernel says of a process: stopped by a signal, or by a debugger.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the name before it may hold anything, a bracket too
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    matches!(state, Some('T' | 't'))
}

/// What is no directory holds neither a socket nor a store.
fn is_directory(dir: &Path) -> Result<(), Failure> {
    match std::fs::metadata(dir) {
        Ok(meta) if !meta.is_dir() => Err(Failure::new(
            Kind::Store,
            format!("the store {} is not a directory", dir.display()),
        )
        .hint("name another directory in store.dir, or with --store")),
        // whoever opens it says what is wrong with it
        _ => Ok(()),
    }
}

/// A store of another user is not touched: files that we make there would lock its owner out.
///
/// # Errors
/// Whose it is, and how to run as that user.
pub fn own_store(dir: &Path) -> Result<(), Failure> {
    is_directory(dir)?;
    // what is made there is for this user alone, also where it is copied to another place
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let ours = rustix::process::geteuid().as_raw();
    match std::fs::metadata(dir) {
        Ok(meta) if meta.uid() != ours => Err(Failure::new(
            Kind::NotAllowed,
            format!(
                "the store {} belongs to uid {}, this is uid {ours}",
                dir.display(),
                meta.uid()
            ),
        )
        .hint(format!(
            "run it as that user: sudo -u '#{}' provtaskd …",
            meta.uid()
        ))),
        Ok(_) => Ok(()),
        // a first `plan` has no store yet
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(
            Kind::Store,
            format!("the store {}: {error}", dir.display()),
        )
        .hint("run the command as the daemon's user, or name another with --store")),
    }
}

/// An answer of another sort than asked for: daemon and command differ.
pub fn unexpected() -> Failure {
    Failure::new(
        Kind::Internal,
        "the daemon answered something else than was asked",
    )
    .hint("use the same version of provtaskd as the daemon")
}
