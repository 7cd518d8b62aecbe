//! What can be told and proven from the journal alone: its pages, its verification, its rows for auditors, and decisions of the past; it changes nothing.

mod about;
mod cell;
mod day;
mod export;
mod past;
mod row;

use std::path::Path;

use tokio::sync::oneshot;

use super::DaemonError;
use super::answer::no_such;
use super::core::{Core, Done};
use crate::control::{JournalView, PastFilter, RefusedKind, Reply};
use crate::ledger::record::{decode, link};
use crate::ledger::{LedgerError, Page, Place, Still, place};
use crate::model::settings::{AuditSettings, Settings};
use crate::oig::FileFault;

/// What the command line needs of anchors.
pub use crate::ledger::anchor::{Key, KeyError};
/// What the command line needs of a verification.
pub use crate::ledger::verify::{Anchors, Finding, Verified, Verifier};
pub use day::{Day, is_before};
pub use export::{Export, Filter, Search};
pub use row::{COLUMNS, Row};

/// What the sidecar of a stopped store says.
pub use crate::ledger::sidecar::Mark;

impl Core {
    /// A part of the journal, read off the runtime's threads.
    pub fn tell_journal(&mut self, from: u64, reply: oneshot::Sender<Reply>) {
        // of another server's store, too, it is the journal that lies on the disk
        let ledger = self.foreign_store.as_ref().unwrap_or(&self.ledger).clone();
        self.tell(reply, move || {
            let read = || -> Result<JournalView, LedgerError> {
                let at = |seq| ledger.event_bytes(seq);
                view(ledger.page(from)?, ledger.end()?, &at)
            };
            match read() {
                Ok(view) => Reply::Journal(Box::new(view)),
                Err(error) => Reply::refused(RefusedKind::Store, error.to_string(), "see the log"),
            }
        });
    }

    /// A decision of the past, taken once more.
    pub fn tell_past(&mut self, filter: PastFilter, reply: oneshot::Sender<Reply>) {
        let lineage = match &filter.task {
            None => None,
            Some(name) => match self.lineage_on_record(name) {
                Ok(Some(lineage)) => Some(lineage),
                Ok(None) => {
                    let _ = reply.send(no_such(name));
                    return;
                }
                Err(error) => {
                    let refused =
                        Reply::refused(RefusedKind::Store, error.to_string(), "see the log");
                    let _ = reply.send(refused);
                    return;
                }
            },
        };
        let clock = self.clock.now();
        if let Some(at) = filter.at.filter(|at| *at > clock) {
            let _ = reply.send(Reply::refused(
                RefusedKind::Invalid,
                format!("{at:.0} has not come yet: it is {clock:.0}"),
                "`provtaskd explain TASK` says what holds now, and `provtaskd plan` what is due",
            ));
            return;
        }
        let (ledger, now) = (self.ledger.clone(), self.policies.hash().clone());
        self.tell(reply, move || past::tell(&ledger, lineage, &filter, now));
    }

    fn tell(
        &mut self,
        reply: oneshot::Sender<Reply>,
        work: impl FnOnce() -> Reply + Send + 'static,
    ) {
        self.jobs.spawn(async move {
            let answer = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
                let what = "reading the journal panicked; this is a fault in provtaskd";
                Reply::refused(RefusedKind::Internal, what, "please report it")
            });
            let answer = Box::new(answer);
            Done::Told { answer, reply }
        });
    }
}

/// What is wrong with the configured keys, for `check`; nothing of them is kept.
pub fn key_faults(settings: &AuditSettings) -> Vec<FileFault> {
    let fault = |path: &std::path::PathBuf| {
        let error = Key::read(path).err()?;
        let denied = match &error {
            KeyError::Read { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
            KeyError::Unusable { .. } | KeyError::NoKey { .. } => false,
        };
        let key = if settings.hmac_key_file.as_ref() == Some(path) {
            "audit.hmac_key_file"
        } else {
            "audit.former_hmac_key_files"
        };
        Some(FileFault {
            key,
            what: error.to_string(),
            denied,
        })
    };
    settings.hmac_key_files().filter_map(fault).collect()
}

fn view(
    page: Page,
    last: u64,
    bytes: &dyn Fn(u64) -> Result<Option<Vec<u8>>, LedgerError>,
) -> Result<JournalView, LedgerError> {
    let read = |seq| -> Result<_, LedgerError> {
        let bytes = bytes(seq)?;
        Ok(bytes.and_then(|bytes| Some((decode(&bytes).ok()?, bytes))))
    };
    let head = read(last)?.map(|(event, bytes)| link(&event, &bytes).to_string());
    let store = read(1)?.and_then(|(event, _)| match event.body {
        crate::ledger::EventBody::StoreCreated { store } => Some(store),
        _ => None,
    });
    Ok(JournalView {
        store: store.unwrap_or_else(|| "-".to_owned()),
        last,
        head: head.unwrap_or_default(),
        records: page.records,
        next: page.next,
    })
}

/// The journal of a store that no daemon has open, read from a copy.
#[derive(Debug)]
pub struct Stopped(Still);

impl Stopped {
    /// Copies the store to a private directory in `scratch` and opens that; the store is left as it is.
    ///
    /// # Errors
    /// Another process holds it, there is none, or it can't be read.
    pub fn open(settings: &Settings, scratch: &Path) -> Result<Self, DaemonError> {
        let dir = &settings.store.dir;
        if place(dir)? != Place::There || !dir.join("journal").exists() {
            let what = format!("there is no store in {}", dir.display());
            return Err(LedgerError::Invalid(what).into());
        }
        Ok(Self(Still::open(dir, scratch, settings.store.cache)?))
    }

    /// A part of the journal.
    ///
    /// # Errors
    /// The copy can't be read.
    pub fn page(&self, from: u64) -> Result<JournalView, DaemonError> {
        let at = |seq| self.0.bytes(seq);
        Ok(view(self.0.page(from)?, self.0.end()?, &at)?)
    }

    /// What the store's sidecar says was acknowledged last.
    pub fn mark(&self) -> Option<&Mark> {
        self.0.mark()
    }
}
