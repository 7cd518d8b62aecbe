//! Anchors of commands that rewrite a store while no daemon runs: what vouched for it before, and what vouches for it afterwards. They change nothing of the file but append to it.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;

use super::file::{Room, append};
use super::keys::Keys;
use super::last::last_of;
use crate::ledger::anchor::{Anchor, Head};
use crate::model::settings::AuditSettings;

/// What became of the anchor of a store that was rewritten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Noted {
    /// It is in the file, with its record.
    InFile(PathBuf, u64),
    /// It is in no file; its line, and why.
    Nowhere {
        /// The anchor, as it would be in the file.
        line: String,
        /// Why it is in no file.
        why: String,
    },
}

/// The last anchor of a store by its id, one that no key has signed where none counts; none where no file is configured or it can't be read. Then the
/// file can't be written either, which is told by [`anchor_alone`].
pub fn anchor_of(audit: &AuditSettings, store: &str) -> Option<Anchor> {
    let path = audit.anchor_file.as_ref()?;
    let keys = Keys::read(audit).ok()?;
    let read = AtomicU64::new(0);
    last_of(path, store, &keys, &read).ok()?.told().cloned()
}

/// Notes the head of a store that a command has made, in the anchor file.
pub fn anchor_alone(audit: &AuditSettings, head: &Head, now: Timestamp) -> Noted {
    let keys = Keys::read(audit);
    let anchor = Anchor::of(head, now, keys.as_ref().ok().and_then(Keys::signing));
    // a file that nobody has named is made by the daemon, for its user
    let there = |path: &&PathBuf| audit.anchor_file_named || path.is_file();
    let done = match (audit.anchor_file.as_ref().filter(there), keys) {
        (_, Err(error)) => Err(error.to_string()),
        (None, Ok(_)) => {
            Err("no audit.anchor_file is configured, and none is there yet".to_owned())
        }
        (Some(path), Ok(_)) => append(path, Room::of(audit), &[anchor.clone()].into())
            .map(|()| path.clone())
            .map_err(|why| format!("{}: {why}", path.display())),
    };
    match done {
        Ok(path) => Noted::InFile(path, anchor.seq),
        Err(why) => Noted::Nowhere {
            // every part of it can be JSON
            line: anchor.line().unwrap_or_default(),
            why,
        },
    }
}
