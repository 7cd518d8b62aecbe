//! Saves the store into a file, from a running daemon on a thread of its own or from a store that nobody holds; it holds up neither cycles nor claims.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::DaemonError;
use super::core::Core;
use super::time::clock_for;
use crate::control::{RefusedKind, Reply, SavedView};
use crate::ledger::upkeep::{Form, Pace, Saved, UpkeepError, save, save_store};
use crate::model::settings::Settings;

/// How long nothing of a file may be written before who asked is told so (wall time). A large store may take
/// as long as it takes.
const STALLED: Duration = Duration::from_secs(60);

/// The one file that is being written, if any.
#[derive(Debug, Default)]
pub struct Saving {
    busy: Arc<AtomicBool>,
    pace: Arc<Pace>,
}

impl Saving {
    /// What is being written ends, and its file goes away: the store is about to be closed.
    pub fn stop(&self) {
        self.pace.stop();
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Core {
    /// Writes the store into a file while everything goes on. Answers when it is done.
    pub async fn save_store(
        &mut self,
        path: PathBuf,
        lines: bool,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), DaemonError> {
        if self.saving.busy.swap(true, Ordering::AcqRel) {
            // an asker that went away needs no answer
            let _ = reply.send(Reply::refused(
                RefusedKind::Busy,
                "the store is being written into a file already",
                "wait for that to end, then ask again",
            ));
            return Ok(());
        }
        let ledger = self.foreign_store.as_ref().unwrap_or(&self.ledger).clone();
        let upto = ledger.on_disk().await;
        self.saving.pace = Arc::default();
        let (busy, pace) = (Arc::clone(&self.saving.busy), Arc::clone(&self.saving.pace));
        let upto = match upto {
            Ok(upto) => upto,
            Err(error) => {
                busy.store(false, Ordering::Release);
                return Err(error.into());
            }
        };
        let (form, now) = (form(lines), self.clock.now());
        let working = Arc::clone(&pace);
        let work = tokio::task::spawn_blocking(move || {
            let began = std::time::Instant::now();
            let answer = match save(&ledger, upto, form, &path, now, &working) {
                Ok(saved) => {
                    tracing::info!(
                        file = %saved.path.display(),
                        records = saved.records,
                        last = saved.last,
                        bytes = saved.bytes,
                        took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                        "the store was written into a file"
                    );
                    view(saved)
                }
                Err(error) => refused(&error),
            };
            busy.store(false, Ordering::Release);
            answer
        });
        tokio::spawn(async move {
            // an asker that went away needs no answer
            let _ = reply.send(in_time(work, &pace, STALLED).await);
        });
        Ok(())
    }
}

/// Waits for a file as long as it gets on; one that does not is given up, and goes away once its disk
/// answers.
async fn in_time(mut work: JoinHandle<Reply>, pace: &Pace, stalled: Duration) -> Reply {
    let mut seen = pace.done();
    loop {
        // the clock on the wall: a disk that hangs knows no other
        match tokio::time::timeout(stalled, &mut work).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => {
                let what = format!("writing the store into a file failed: {error}");
                return Reply::refused(RefusedKind::Internal, what, "please report it");
            }
            Err(_) if pace.done() == seen => {
                pace.stop();
                return Reply::refused(
                    RefusedKind::Io,
                    format!(
                        "nothing of the file was written for {} s: its disk does not answer",
                        stalled.as_secs()
                    ),
                    "look at that disk; what is there of the file goes away once it answers",
                );
            }
            Err(_) => seen = pace.done(),
        }
    }
}

fn form(lines: bool) -> Form {
    if lines { Form::Lines } else { Form::Backup }
}

fn view(saved: Saved) -> Reply {
    Reply::Saved(SavedView {
        path: saved.path,
        bytes: saved.bytes,
        records: saved.records,
        last: saved.last,
        left_out: saved.left_out,
    })
}

/// What went wrong with a file, by kind.
fn refused(error: &UpkeepError) -> Reply {
    Reply::refused(kind_of(error), error.to_string(), hint_of(error))
}

/// Saves a store that no process holds.
///
/// # Errors
/// The store is held, or can't be opened.
pub(super) async fn save_offline(
    settings: Settings,
    path: PathBuf,
    lines: bool,
) -> Result<Reply, DaemonError> {
    let now = domain_now(&settings).await?;
    let store = settings.store;
    let saved = tokio::task::spawn_blocking(move || save_store(&store, form(lines), &path, now))
        .await
        .map_err(|error| DaemonError::Worker(error.to_string()))?;
    match saved {
        Ok(saved) => Ok(view(saved)),
        Err(UpkeepError::Ledger(error)) => Err(error.into()),
        Err(error) => Ok(refused(&error)),
    }
}

/// The time by which the store's records are dated: the wall's, or that of a simulator.
///
/// # Errors
/// A simulator's clock was asked for where there is none.
pub async fn domain_now(settings: &Settings) -> Result<Timestamp, DaemonError> {
    Ok(clock_for(&settings.server).await?.0.now())
}

/// Which sort of failure; the exit code follows from it.
pub fn kind_of(error: &UpkeepError) -> RefusedKind {
    match error {
        UpkeepError::Ledger(crate::ledger::LedgerError::Locked { .. }) | UpkeepError::Stopped => {
            RefusedKind::Busy
        }
        UpkeepError::Ledger(_)
        | UpkeepError::NoStore(_)
        | UpkeepError::NoCopy { .. }
        | UpkeepError::NotEmpty { .. }
        | UpkeepError::Unsettled(_)
        | UpkeepError::Differs(_) => RefusedKind::Store,
        UpkeepError::BadFile { .. } | UpkeepError::Nothing(_) => RefusedKind::Invalid,
        UpkeepError::Exists(_) | UpkeepError::File { .. } | UpkeepError::NoRoom(_) => {
            RefusedKind::Io
        }
    }
}

/// What to do next.
pub fn hint_of(error: &UpkeepError) -> String {
    match error {
        UpkeepError::Ledger(crate::ledger::LedgerError::Locked { .. }) => {
            "a daemon holds the store: `provtaskd stop` ends it; `store backup` and `store export FILE` work while it runs".to_owned()
        }
        UpkeepError::NoRoom(_) | UpkeepError::Ledger(crate::ledger::LedgerError::Full { .. }) => {
            "make room there and try again; the store is as it was".to_owned()
        }
        UpkeepError::Ledger(crate::ledger::LedgerError::Io { path, source })
            if super::is_denied(source) =>
        {
            format!(
                "make {} writable for this user: is its directory another's (run it as the daemon's user), or mounted read-only? `provtaskd store check --scratch DIR` reads a store that can't be written, and makes its copy in DIR",
                path.display()
            )
        }
        UpkeepError::Ledger(_) => {
            "look at the disk and at the message above; the store is as it was".to_owned()
        }
        UpkeepError::NoCopy { needs, free, .. } => format!(
            "free {} more bytes there; the store is as it was. `store backup` and `store export FILE` need no copy while the daemon runs, and `store check --scratch DIR` makes it on another disk",
            needs.saturating_sub(*free)
        ),
        UpkeepError::NoStore(_) => {
            "name the store with store.dir or --store; the first `provtaskd run` makes one".to_owned()
        }
        UpkeepError::NotEmpty { .. } => {
            "name another directory with --store; `store restore --replace` moves the store that is there aside".to_owned()
        }
        UpkeepError::Unsettled(_) => {
            "settle that first: `provtaskd status` says what to do; or restore a backup".to_owned()
        }
        UpkeepError::Differs(_) => {
            "this is a fault of provtaskd or of the disk: run `provtaskd store check`, and report it".to_owned()
        }
        UpkeepError::BadFile { .. } => {
            "use another file; nothing was taken from this one".to_owned()
        }
        UpkeepError::Nothing(_) => "nothing was changed".to_owned(),
        UpkeepError::Exists(_) => "name another file, or move that one away".to_owned(),
        UpkeepError::File { path, source }
            if source.kind() == std::io::ErrorKind::NotFound
                && path.parent().is_some_and(|dir| dir != Path::new("") && !dir.exists()) =>
        {
            format!(
                "there is no directory {}: make it, or name another",
                path.parent().map_or_else(String::new, |dir| dir.display().to_string())
            )
        }
        UpkeepError::File { .. } => {
            "is the path right, and may the daemon's user write and read there?".to_owned()
        }
        UpkeepError::Stopped => "ask again when the daemon runs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_room_says_what_for_how_much_and_what_else_there_is() {
        let error = UpkeepError::NoCopy {
            dir: "/s/check.copy".into(),
            needs: 3_000,
            free: 1_000,
        };
        let (text, hint) = (error.to_string(), hint_of(&error));
        for part in [
            "a copy is opened",
            "/s/check.copy needs 3000 bytes",
            "twice the journal",
        ] {
            assert!(text.contains(part), "{text}");
        }
        for part in ["free 2000 more bytes", "while the daemon runs", "--scratch"] {
            assert!(hint.contains(part), "{hint}");
        }
    }

    #[tokio::test]
    async fn what_gets_on_may_take_long_and_what_stands_still_is_given_up() {
        let stalled = Duration::from_millis(50);
        let pace = Arc::<Pace>::default();
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
        let work = tokio::task::spawn_blocking(move || {
            let _ = ended.recv();
            Reply::done("")
        });
        let Reply::Refused(refused) = in_time(work, &pace, stalled).await else {
            panic!("nothing was done");
        };
        assert_eq!(refused.kind, RefusedKind::Io);
        assert!(refused.message.contains("does not answer"), "{refused:?}");
        drop(end);
        // for a long time, of which a part is done in each moment
        let pace = Arc::<Pace>::default();
        let working = Arc::clone(&pace);
        let work = tokio::task::spawn_blocking(move || {
            let began = std::time::Instant::now();
            while began.elapsed() < stalled * 8 {
                working.step();
                std::thread::yield_now();
            }
            Reply::done("through")
        });
        let Reply::Done(done) = in_time(work, &pace, stalled).await else {
            panic!("it got on");
        };
        assert_eq!(done.message, "through");
    }
}
