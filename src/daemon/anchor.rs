//! Notes the journal's head outside the store, in the log and in a file; whatever becomes of the file, it holds up nothing but, where that is wanted, sending.

mod alone;
mod back;
mod file;
mod keys;
mod last;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use crate::control::AnchorView;
use crate::ledger::anchor::{Anchor, MESSAGE};
use crate::ledger::{Ledger, LedgerError};
use crate::model::Clock;
use crate::model::settings::AuditSettings;
use crate::oig::FileFault;
use file::{AnchorFile, Room};
use keys::Keys;

pub use crate::ledger::anchor::Head;
pub use alone::{Noted, anchor_alone, anchor_of};
pub use last::{LastAnchor, check_last};

/// Why anchors could not be written to their file, for `check`; nothing is written.
pub fn anchor_fault(settings: &AuditSettings) -> Option<FileFault> {
    let named = settings.anchor_file_named;
    let path = settings.anchor_file.as_ref().filter(|_| named)?;
    let error = file::unwritable(path, settings.anchor_file_max)?;
    Some(FileFault {
        key: "audit.anchor_file",
        what: format!("{}: {error}", path.display()),
        denied: error.kind() == std::io::ErrorKind::PermissionDenied,
    })
}

/// The settings of a daemon that starts: where the configuration names no file, the one beside the store, if it can be
/// had; else none, which is said once.
pub fn settled(settings: &AuditSettings) -> AuditSettings {
    let mut out = settings.clone();
    let Some(path) = settings
        .anchor_file
        .as_ref()
        .filter(|_| !settings.anchor_file_named)
    else {
        return out;
    };
    // what is there already is held against the store, whether it can be written or not
    if let Err(error) = file::made(path)
        && !path.exists()
    {
        tracing::warn!(
            file = %path.display(),
            error = %error,
            "no anchors are noted beside the store: an older copy of the whole store that is put back would not be noticed; make the file's directory writable for the daemon's user, or name a file in audit.anchor_file"
        );
        out.anchor_file = None;
    }
    out
}

/// How long the daemon waits at its start and at its end for the file (wall time).
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a request waits at most until the anchor of its claims is in the file (wall time); the next ones go without.
const BEFORE_SENDING: Duration = Duration::from_secs(1);

/// So often claims are anchored at most (domain time).
const CLAIMS_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What was noted last, and where.
#[derive(Debug, Default)]
pub struct Anchoring {
    keys: Arc<Keys>,
    file: Option<Arc<AnchorFile>>,
    runtime: Runtime,
    /// The last anchor: its record, and when.
    last: Option<(u64, Timestamp)>,
    claims: ForClaims,
    /// What was last said to be wrong with the file.
    trouble: Option<Arc<str>>,
    /// The same of the one in the runtime directory.
    runtime_trouble: Option<Arc<str>>,
    /// Nothing is sent while there is trouble.
    required: bool,
}

impl Anchoring {
    /// Reads the keys and makes the file's thread; `found` is what the last anchor in the file said of the store.
    ///
    /// # Errors
    /// A key can't be used.
    pub fn new(settings: &AuditSettings, found: LastAnchor) -> Result<Self, DaemonError> {
        let keys = Arc::new(Keys::read(settings)?);
        let file = settings.anchor_file.as_ref().map(|path| {
            let held = found != LastAnchor::Unknown;
            Arc::new(AnchorFile::new(
                path.clone(),
                Room::of(settings),
                Arc::clone(&keys),
                held,
            ))
        });
        let runtime = Runtime::of(settings, &keys);
        Ok(Self {
            claims: ForClaims {
                keys: Arc::clone(&keys),
                file: file.clone(),
                runtime: runtime.clone(),
                pace: Arc::default(),
            },
            keys,
            file,
            runtime,
            last: None,
            trouble: None,
            runtime_trouble: None,
            required: settings.anchor_required,
        })
    }

    /// Why nothing is sent, if so: the last anchor is not where it has to be.
    pub fn missing(&self) -> Option<Arc<str>> {
        self.trouble.clone().filter(|_| self.required)
    }

    /// What anchors claims once they are on disk, where there is a file.
    pub fn for_claims(&self) -> ForClaims {
        self.claims.clone()
    }

    fn note(&mut self, anchor: Anchor) {
        said(&anchor);
        self.last = Some((anchor.seq, anchor.at));
        self.runtime.append(&anchor);
        if let Some(file) = &self.file {
            file.append(anchor);
        }
    }

    /// Says once what is wrong with the file in the runtime directory.
    fn look_at_runtime(&mut self) {
        let Some(file) = &self.runtime.0 else {
            return;
        };
        let trouble = file.trouble();
        if let Some(why) = trouble.as_ref().filter(|_| trouble != self.runtime_trouble) {
            tracing::warn!(
                file = %file.path().display(),
                why = %why,
                "no anchors are noted in the runtime directory: a backup that is written over the store and its anchor file in place would not be noticed; mend what `why` says (the directory has to be writable for the daemon's user, and the file its own), and start again"
            );
        }
        self.runtime_trouble = trouble;
    }

    /// Looks at the file; true where that is otherwise than before. It is said once.
    fn look(&mut self) -> bool {
        self.look_at_runtime();
        let Some(file) = &self.file else {
            return false;
        };
        let trouble = file.trouble();
        if trouble == self.trouble {
            return false;
        }
        let path = file.path().display();
        match &trouble {
            Some(why) => tracing::warn!(
                file = %path,
                why = %why,
                required = self.required,
                "the anchor file is not written: anchors are in the log alone until it can be; make it writable, or move a full one away"
            ),
            None => tracing::info!(file = %path, "the anchor file is written again"),
        }
        self.trouble = trouble;
        true
    }

    fn view(&self) -> Option<AnchorView> {
        let (record, at) = self.last?;
        Some(AnchorView {
            record,
            at,
            key: self.keys.signing().map(|key| key.id().to_owned()),
            file: self
                .file
                .as_ref()
                .map(|file| file.path().display().to_string()),
            file_record: self.file.as_ref().and_then(|file| file.written()),
            problem: self.trouble.as_ref().map(ToString::to_string),
        })
    }
}

fn said(anchor: &Anchor) {
    tracing::info!(
        anchor = anchor.form,
        store = anchor.store.as_str(),
        seq = anchor.seq,
        head = anchor.head.as_str(),
        at = %anchor.at,
        key = anchor.key.as_deref(),
        hmac = anchor.hmac.as_deref(),
        "{MESSAGE}"
    );
}

/// The unit's runtime directory, where there is one: anchors are appended there as well. It is memory that outlives the
/// daemon and no restart of the machine, and no backup takes it along: what was put back over the store and its anchors
/// shows by it. It vouches for nothing, and nothing waits for it.
#[derive(Clone, Debug, Default)]
struct Runtime(Option<Arc<AnchorFile>>);

impl Runtime {
    fn of(settings: &AuditSettings, keys: &Arc<Keys>) -> Self {
        Self(settings.anchor_run.as_ref().map(|path| {
            // it was held against the store when that was opened
            let (path, keys) = (path.clone(), Arc::clone(keys));
            Arc::new(AnchorFile::new(path, Room::RUNTIME, keys, true))
        }))
    }

    fn append(&self, anchor: &Anchor) {
        if let Some(file) = &self.0 {
            file.append(anchor.clone());
        }
    }

    async fn settled(&self) {
        in_file(self.0.as_ref()).await;
    }
}

async fn in_file(file: Option<&Arc<AnchorFile>>) {
    if let Some(file) = file {
        file.settled().await;
    }
}

/// Anchors claims while they are sent: an older copy of the store that is put back knows nothing of them, and would send
/// them again.
#[derive(Clone, Debug, Default)]
pub struct ForClaims {
    keys: Arc<Keys>,
    file: Option<Arc<AnchorFile>>,
    runtime: Runtime,
    pace: Arc<Mutex<Pace>>,
}

/// How far claims are anchored.
#[derive(Debug, Default)]
struct Pace {
    /// When they last were.
    last: Option<Timestamp>,
    /// Some were made since.
    owed: bool,
}

impl ForClaims {
    /// Notes the head where it is time for it; else the claims stay owed, and [`Core::anchor_when_due`] notes them later.
    /// Waits a moment until it is in the file: what is sent then was told by an anchor before, whenever the daemon is
    /// killed, so that a copy of the store from before this run is noticed.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn note(&self, ledger: &Ledger, clock: &Clock) -> Result<(), LedgerError> {
        let now = clock.now();
        if !self.is_due(now, true) {
            return Ok(());
        }
        if let Some(head) = ledger.head().await? {
            let anchor = Anchor::of(&head, now, self.keys.signing());
            said(&anchor);
            self.runtime.append(&anchor);
            if let Some(file) = &self.file {
                file.append(anchor);
            }
            // a disk that does not answer holds up one request for this moment: while it owes one, none is due
            let both = async { tokio::join!(in_file(self.file.as_ref()), self.runtime.settled()) };
            let _ = tokio::time::timeout(BEFORE_SENDING, both).await;
        }
        Ok(())
    }

    /// True where claims have to be anchored now; `claimed`: one more is on disk. One anchor at a time: a slow disk is
    /// given less.
    fn is_due(&self, now: Timestamp, claimed: bool) -> bool {
        if self.file.is_none() && self.runtime.0.is_none() {
            return false;
        }
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.owed |= claimed;
        let since = pace.last.map(|at| now.duration_since(at).abs());
        let is_busy = self.file.as_ref().is_some_and(|file| file.is_busy());
        if !pace.owed || since.is_some_and(|since| since < CLAIMS_EVERY) || is_busy {
            return false;
        }
        *pace = Pace {
            last: Some(now),
            owed: false,
        };
        true
    }
}

impl Core {
    /// A first anchor before anything is sent: it vouches for what was rewritten while no daemon ran.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn anchor_at_start(&mut self) -> Result<(), DaemonError> {
        self.anchor_now().await?;
        self.await_anchor_file().await;
        self.look_at_anchors();
        Ok(())
    }

    /// Notes the head where the time, the records since the last anchor or claims ask for it.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn anchor_when_due(&mut self) -> Result<(), DaemonError> {
        let seq = self.ledger.read(|index| index.last_seq());
        let due = self.anchoring.last.is_some_and(|(record, at)| {
            let audit = &self.settings.audit;
            let since = self.clock.now().duration_since(at);
            seq > record && (since >= audit.anchor_every || seq - record >= audit.anchor_records)
        });
        if due || self.anchoring.claims.is_due(self.clock.now(), false) {
            self.anchor_now().await?;
        }
        self.look_at_anchors();
        Ok(())
    }

    /// The last anchor, behind everything that this run has recorded. Waits for the file a moment.
    ///
    /// # Errors
    /// The ledger has failed.
    pub async fn anchor_at_end(&mut self) -> Result<(), DaemonError> {
        let seq = self.ledger.read(|index| index.last_seq());
        if self.anchoring.last.is_some_and(|(record, _)| seq > record) {
            self.anchor_now().await?;
            self.await_anchor_file().await;
            self.anchoring.look();
        }
        Ok(())
    }

    /// Which head was noted last, and where.
    pub fn anchor_view(&self) -> Option<AnchorView> {
        self.anchoring.view()
    }

    async fn anchor_now(&mut self) -> Result<(), DaemonError> {
        // of another server's store, or none, nothing is written here; nor where another one acts, whose
        // store this may be a copy of
        if self.foreign_store.is_some() || self.instance.other().is_some() {
            return Ok(());
        }
        if let Some(head) = self.ledger.head().await? {
            let anchor = Anchor::of(&head, self.clock.now(), self.anchoring.keys.signing());
            self.anchoring.note(anchor);
            self.metrics.set_anchored(head.seq);
        }
        Ok(())
    }

    async fn await_anchor_file(&self) {
        let file = in_file(self.anchoring.file.as_ref());
        let both = async { tokio::join!(file, self.anchoring.runtime.settled()) };
        // one that does not come in time is told by its state
        let _ = tokio::time::timeout(PATIENCE, both).await;
    }

    /// Where the file has become unwritable, or writable again, the governor hears of it at once.
    fn look_at_anchors(&mut self) {
        if !self.anchoring.look() {
            return;
        }
        self.metrics.set_anchor_ok(self.anchoring.trouble.is_none());
        if !self.anchoring.required {
            return;
        }
        let missing = self.anchoring.missing();
        if missing.is_none() && self.memory.is_some() && !self.stopping {
            // what was refused for it may be allowed now
            self.epoch += 1;
            self.asked_early = true;
            self.next_tick = self.clock.now();
        }
        self.governor.set_anchor_missing(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is claimed within the minute after an anchor is anchored by the end of it, whether more is claimed or not.
    #[test]
    fn claims_are_anchored_at_most_once_a_minute_and_none_is_left_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("anchors");
        let file = AnchorFile::new(path, Room::LARGE, Arc::default(), true);
        let claims = ForClaims {
            file: Some(Arc::new(file)),
            ..ForClaims::default()
        };
        let at = |second: i64| Timestamp::from_second(1_900_000_000 + second).expect("a time");
        for (second, claimed, due) in [
            (0, false, false),
            (0, true, true),
            (1, true, false),
            (59, false, false),
            (60, false, true),
            (300, false, false),
            (300, true, true),
            (310, true, false),
            // the clock was put back: no anchor waits for it
            (-9000, false, true),
        ] {
            assert_eq!(claims.is_due(at(second), claimed), due, "at {second}");
        }
        assert!(!ForClaims::default().is_due(at(0), true), "without a file");
    }
}
