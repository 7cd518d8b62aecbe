//! The one way in which a journal is rewritten: into a new one beside it, record by record, with the chain as it was; compared with the old one, then swapped. Nothing is ever changed in place.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::build::{Builder, Built};
use super::copy::{COPY, Copy};
use super::differ::{Allowed, differences};
use super::error::UpkeepError;
use super::examine::{Examined, Examiner, newer};
use super::swap::{self, After, JOURNAL, SIDECAR};
use super::texts::Fallback;
use crate::ledger::anchor::{Anchor, Head};
use crate::ledger::files::size_of;
use crate::ledger::open::take_lock;
use crate::ledger::place::{Place, place};
use crate::ledger::record::{
    Actor, Event, EventBody, Meta, RewriteWhy, Sum, VERSION, chain, decode, digest_of, genesis,
    link,
};
use crate::ledger::rewound::{Rewound, rewind};
use crate::ledger::sidecar::{Found, Mark, Sidecar};
use crate::ledger::sled::SledStore;
use crate::ledger::store::Store;
use crate::ledger::transfer;
use crate::model::settings::StoreSettings;

/// Finds the last anchor of a store by its id, where one is kept outside.
pub type LastAnchor<'a> = &'a dyn Fn(&str) -> Option<Anchor>;

/// By whose order, when, and what vouches for the store that it is about.
#[derive(Clone)]
pub struct Order<'a> {
    /// Who.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
    /// The last anchor: a store that does not agree with it is not rewritten.
    pub last: LastAnchor<'a>,
}

/// A store that nobody else holds, its journal open as a copy: the journal itself is not touched.
pub(super) struct Taken {
    pub store: SledStore,
    copy: Copy,
    pub mark: Option<Mark>,
    lock: File,
}

/// A store that was taken and read as a whole; nobody else holds it.
pub(super) struct Ground {
    pub held: Taken,
    pub before: Examined,
    dir: PathBuf,
    cache: u64,
    /// Bytes of the journal's files.
    bytes: u64,
}

/// sled takes its room in pieces of so many bytes.
const PIECE: u64 = 512 << 10;

/// What a rewriting did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Records that are there now.
    pub records: u64,
    /// Records that say less than before.
    pub changed: u64,
    /// Those of them of which only the link is left.
    pub dropped: u64,
    /// Bytes of the journal's files before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
    /// Attempts in the store.
    pub outcomes: u64,
    /// Where the journal ends now.
    pub head: Head,
    /// The new journal took more room: it was thrown away, and the old one stays.
    pub kept: bool,
}

/// What is to be done to the records.
pub(super) struct Job<'a> {
    pub why: RewriteWhy,
    pub reason: Arc<str>,
    pub actor: Actor,
    pub now: Timestamp,
    /// What a record says afterwards; `None` where it stays as it is, byte by byte.
    pub change: &'a dyn Fn(&Event) -> Option<Event>,
    /// Gets the bytes of each record that is changed, as they were.
    pub taken_out: &'a mut dyn FnMut(&[u8]) -> Result<(), UpkeepError>,
}

/// What a job would do, without doing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Estimate {
    /// Records that would say less.
    pub changed: u64,
    /// Those of them of which only the link would be left.
    pub dropped: u64,
    /// Bytes of records, unpacked, before and after.
    pub bytes: (u64, u64),
}

/// Reads a text that a store holds whole.
pub(super) fn text_of(
    store: &dyn Store,
) -> impl Fn(&crate::ledger::Index, &crate::model::Digest) -> Option<String> {
    |index, digest| {
        let first = index.kept(digest)?;
        transfer::whole(store, digest, first).ok().flatten()
    }
}

/// Reads all of a store.
pub(super) fn examine(store: &dyn Store, mark: Option<&Mark>) -> Result<Examined, UpkeepError> {
    let mut examiner = Examiner::default();
    let read = text_of(store);
    let fallback: Fallback<'_> = &read;
    let mut stop = None;
    store.visit(
        0,
        &mut |seq, bytes| match examiner.take(seq, bytes, Some(fallback)) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                stop = Some(newer(seq, &error));
                ControlFlow::Break(())
            }
        },
    )?;
    match stop {
        Some(why) => Err(UpkeepError::Unsettled(why)),
        None => Ok(examiner.end(mark)),
    }
}

/// Takes a store that is there. What a change of its files left half done is brought to its end first;
/// beside that nothing of it is changed.
pub(super) fn take(settings: &StoreSettings) -> Result<Taken, UpkeepError> {
    let dir = &settings.dir;
    if place(dir)? != Place::There || !(dir.join(JOURNAL).exists() || dir.join("swap").exists()) {
        return Err(UpkeepError::NoStore(dir.clone()));
    }
    let lock = take_lock(dir)?;
    swap::recover(dir)?;
    let mark = match Sidecar::peek(&dir.join(SIDECAR))?.0 {
        Found::Mark(mark) | Found::Torn(mark) => Some(mark),
        Found::Nothing | Found::Unreadable => None,
    };
    let copy = Copy::of(&dir.join(JOURNAL), dir.join(COPY))?;
    // what had to be repaired to open it shows in what is read, or is nothing
    let (store, _) = SledStore::open(&copy.journal(), settings.cache)?;
    Ok(Taken {
        store,
        copy,
        mark,
        lock,
    })
}

/// Nothing is made of a store that does not hold what was acknowledged: what is missing would be
/// forgotten with it.
pub(super) fn settled(
    settings: &StoreSettings,
    mark: Option<&Mark>,
    before: &Examined,
) -> Result<(), UpkeepError> {
    let index = &before.index;
    if let Some(found) = &before.unvouched {
        let record = found.record.unwrap_or(0);
        // the new journal would vouch for what somebody has changed
        return Err(UpkeepError::Unsettled(format!(
            "the store in {} is not rewritten: record {record}: {}; see `provtaskd audit verify`",
            settings.dir.display(),
            found.what
        )));
    }
    let lost = mark.is_none() && before.last > 1;
    let damaged = before.damage.is_some() && before.damage != index.damage;
    let rewound = match rewind(index, mark, damaged || lost) {
        Some((expected, found)) => Some(Rewound {
            expected,
            found,
            copy: None,
            restored: None,
            lineages: Vec::new(),
            unfinished: index.unfinished(),
        }),
        None => Rewound::of(index, |_| None),
    };
    match rewound {
        Some(rewound) => Err(UpkeepError::Unsettled(rewound.words(&settings.dir))),
        None => Ok(()),
    }
}

/// A store that does not have the record of its last anchor is an older copy, or was changed: what is made
/// of it would be vouched for by the next anchor.
fn agrees(settings: &StoreSettings, store: &SledStore, anchor: &Anchor) -> Result<(), UpkeepError> {
    let bytes = store.get(anchor.seq)?;
    let has = bytes
        .is_some_and(|bytes| decode(&bytes).is_ok_and(|event| link(&event, &bytes) == anchor.head));
    if has {
        return Ok(());
    }
    Err(UpkeepError::Unsettled(format!(
        "the store in {} does not have record {} as its last anchor names it ({}): an older copy of it was put back, or it was changed",
        settings.dir.display(),
        anchor.seq,
        anchor.at
    )))
}

impl Ground {
    /// Takes a store and reads all of it. One that lacks what was acknowledged or anchored is refused, and
    /// is as it was.
    pub fn take(settings: &StoreSettings, last: LastAnchor<'_>) -> Result<Self, UpkeepError> {
        let held = take(settings)?;
        let before = examine(&held.store, held.mark.as_ref())?;
        settled(settings, held.mark.as_ref(), &before)?;
        if let Some(anchor) = before.index.store_id().and_then(last) {
            agrees(settings, &held.store, &anchor)?;
        }
        Ok(Self {
            bytes: size_of(&settings.dir.join(JOURNAL))?,
            held,
            before,
            dir: settings.dir.clone(),
            cache: settings.cache,
        })
    }

    /// Shows every record that can be read.
    pub fn each(&self, mut show: impl FnMut(&Event)) -> Result<(), UpkeepError> {
        self.held.store.visit(0, &mut |_, bytes| {
            if let Ok(event) = decode(bytes) {
                show(&event);
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// Counts what a change would do.
    pub fn estimate(
        &self,
        change: impl Fn(&Event) -> Option<Event>,
    ) -> Result<Estimate, UpkeepError> {
        let mut out = Estimate::default();
        let mut failed = None;
        self.held.store.visit(0, &mut |_, bytes| {
            let was = u64::try_from(bytes.len()).unwrap_or(0);
            let mut is = was;
            if let Ok(event) = decode(bytes)
                && let Some(changed) = change(&event)
            {
                out.changed += 1;
                out.dropped += u64::from(matches!(changed.body, EventBody::Dropped {}));
                match rewritten(&event, bytes, changed) {
                    Ok((_, bytes)) => is = u64::try_from(bytes.len()).unwrap_or(0),
                    Err(error) => failed = Some(error),
                }
            }
            out.bytes = (out.bytes.0 + was, out.bytes.1 + is);
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(out), Err)
    }

    /// Writes the new journal, and compares it with the old one. Nothing has taken effect yet.
    pub fn rewrite(&self, job: Job<'_>, allowed: &Allowed) -> Result<Ready, UpkeepError> {
        let made = self.make(job);
        let checked = made.and_then(|made| {
            self.compare(&made.built, allowed)?;
            Ok(made)
        });
        match checked {
            Ok(made) => Ok(Ready {
                bytes_after: size_of(&swap::new(&self.dir, JOURNAL))?,
                ..made
            }),
            Err(error) => {
                Builder::discard(&self.dir)?;
                Err(error)
            }
        }
    }

    fn make(&self, job: Job<'_>) -> Result<Ready, UpkeepError> {
        let mut builder = Builder::begin(&self.dir, self.cache)?;
        let (mut changed, mut dropped) = (0, 0);
        let mut sum = Sum::default();
        let mut failed = None;
        self.held.store.visit(0, &mut |seq, bytes| {
            let done = match decode(bytes) {
                // what can't be read is kept as it is
                Err(_) => builder.put(seq, bytes.to_vec()),
                Ok(event) => match (job.change)(&event) {
                    None => {
                        sum.add(&event, bytes);
                        builder.put(seq, bytes.to_vec())
                    }
                    Some(now) => {
                        changed += 1;
                        dropped += u64::from(matches!(now.body, EventBody::Dropped {}));
                        (job.taken_out)(bytes).and_then(|()| {
                            let (event, bytes) = rewritten(&event, bytes, now)?;
                            sum.add(&event, &bytes);
                            builder.put(seq, bytes)
                        })
                    }
                },
            };
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let index = &self.before.index;
        let head = index.head().cloned().unwrap_or_else(genesis);
        let (many, sum) = sum.end();
        let body = EventBody::Rewritten {
            why: job.why,
            to: index.last_seq(),
            changed: many,
            sum,
            head: head.clone(),
            reason: job.reason,
        };
        let meta = Meta::by(job.actor, job.now);
        let next = self.before.last.max(index.last_seq()) + 1;
        let made =
            chain(&meta, body, next, head).map_err(|e| UpkeepError::Differs(e.to_string()))?;
        let mut end = Head {
            store: index.store_id().unwrap_or("-").to_owned(),
            seq: index.last_seq(),
            link: genesis(),
        };
        for (event, bytes, digest) in made {
            (end.seq, end.link) = (event.seq, digest);
            builder.put(event.seq, bytes)?;
        }
        Ok(Ready {
            built: builder.end()?,
            changed,
            dropped,
            bytes_after: 0,
            head: end,
        })
    }

    /// Both journals have to say the same, but for what was taken out; the chain has to be the same one.
    fn compare(&self, built: &Built, allowed: &Allowed) -> Result<(), UpkeepError> {
        let after = {
            let store = built.open(self.cache)?;
            examine(&store, None)?
        };
        let before = &self.before;
        if after.links_before != before.links {
            return Err(UpkeepError::Differs("its chain is another one".to_owned()));
        }
        if after.wrong > before.wrong {
            let known = |finding| before.findings.contains(finding);
            let new = after.findings.iter().find(|finding| !known(finding));
            let what = new.map_or_else(String::new, |new| new.what.clone());
            return Err(UpkeepError::Differs(format!(
                "it has findings of its own: {what}"
            )));
        }
        let differ = differences(&before.index, &after.index, allowed);
        if !differ.is_empty() {
            return Err(UpkeepError::Differs(differ.join("; ")));
        }
        built.sidecar(&after.index)
    }

    /// Puts the new journal in the place of the old one.
    pub fn swap(self, ready: Ready, after: After<'_>) -> Result<Rewritten, UpkeepError> {
        let Ground {
            held,
            before,
            dir,
            bytes,
            ..
        } = self;
        let Taken {
            store, copy, lock, ..
        } = held;
        drop::<SledStore>(store);
        drop::<Copy>(copy);
        drop(ready.built);
        after("the new journal is made");
        swap::commit(&dir, None, after)?;
        drop::<File>(lock);
        Ok(Rewritten {
            records: before.tally.records + 1,
            changed: ready.changed,
            dropped: ready.dropped,
            bytes_before: bytes,
            bytes_after: ready.bytes_after,
            outcomes: before.index.counts().values().sum(),
            head: ready.head,
            kept: false,
        })
    }

    /// Swaps the journals where that gains room, or loses less than one piece of it; else the store stays as
    /// it is.
    pub fn swap_unless_more(
        self,
        ready: Ready,
        after: After<'_>,
    ) -> Result<Rewritten, UpkeepError> {
        if self.is_more(&ready) {
            self.keep(ready)
        } else {
            self.swap(ready, after)
        }
    }

    /// True where the new journal takes more room than the old one, by more than one piece of it.
    fn is_more(&self, ready: &Ready) -> bool {
        ready.bytes_after > self.bytes.saturating_add(PIECE)
    }

    /// Throws the new journal away; the old one stays as it is.
    fn keep(self, ready: Ready) -> Result<Rewritten, UpkeepError> {
        drop(ready.built);
        Builder::discard(&self.dir)?;
        let index = &self.before.index;
        Ok(Rewritten {
            records: self.before.tally.records,
            changed: 0,
            dropped: 0,
            bytes_before: self.bytes,
            bytes_after: ready.bytes_after,
            outcomes: index.counts().values().sum(),
            head: Head {
                store: index.store_id().unwrap_or("-").to_owned(),
                seq: index.last_seq(),
                link: index.head().cloned().unwrap_or_else(genesis),
            },
            kept: true,
        })
    }
}

/// A new journal that was compared with the old one.
pub(super) struct Ready {
    built: Built,
    pub changed: u64,
    pub dropped: u64,
    bytes_after: u64,
    head: Head,
}

/// A record that says something else than it did: it keeps its number and its link in the chain.
fn rewritten(event: &Event, bytes: &[u8], changed: Event) -> Result<(Event, Vec<u8>), UpkeepError> {
    // nothing may change its place in the chain
    let event = Event {
        v: VERSION,
        seq: event.seq,
        prev: event.prev.clone(),
        was: Some(link(event, bytes)),
        ..changed
    };
    // it may be a little longer than a new record may be: whether sled would spill it is looked at later
    let bytes = serde_json::to_vec(&event)
        .map_err(|e| UpkeepError::Differs(format!("record {}: {e}", event.seq)))?;
    debug_assert_ne!(event.was, Some(digest_of(&bytes)));
    Ok((event, bytes))
}
