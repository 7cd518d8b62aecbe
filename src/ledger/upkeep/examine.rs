//! Reads a journal record by record, from wherever it comes, and says what it holds and what is wrong with it; it changes nothing and stops at nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::texts::{Fallback, Texts};
use crate::ledger::index::Index;
use crate::ledger::record::{
    Event, EventBody, RecordError, Sum, VERSION, decode, digest_of, genesis, link,
};
use crate::ledger::rewound::Damage;
use crate::ledger::sidecar::Mark;
use crate::model::Digest;

/// Findings that are told one by one; of more only the number.
const TOLD: usize = 100;

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The record, where it is about one.
    pub record: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What a journal holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Records that could be read.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records by their version.
    pub versions: BTreeMap<u32, u64>,
    /// Records and bytes by what they say.
    pub sorts: BTreeMap<String, (u64, u64)>,
    /// The first record and its time.
    pub oldest: Option<(u64, Timestamp)>,
    /// The last record and its time.
    pub newest: Option<(u64, Timestamp)>,
    /// Records that were rewritten since they were made.
    pub rewritten: u64,
    /// Stored texts that are whole and right.
    pub texts: u64,
    /// Texts whose end was never written, because the process ended.
    pub unfinished: u64,
    /// Texts that lean on one that lies too far back to be looked at.
    pub unchecked: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Examined {
    /// All that the journal says.
    pub index: Index,
    /// What it holds.
    pub tally: Tally,
    /// What is wrong; at most a hundred are told.
    pub findings: Vec<Finding>,
    /// How many are wrong in all.
    pub wrong: u64,
    /// The highest number, read or not.
    pub last: u64,
    /// What stands for records that are missing, unreadable or out of the chain.
    pub(in crate::ledger) damage: Option<Digest>,
    /// A rewritten record that no record of a rewriting vouches for as it is: changed by nobody knows whom.
    pub(super) unvouched: Option<Finding>,
    /// A digest over the number and the link of every record.
    pub(super) links: Digest,
    /// The same without the last one.
    pub(super) links_before: Digest,
}

/// Takes record after record.
#[derive(Default)]
pub(super) struct Examiner {
    index: Index,
    tally: Tally,
    findings: Vec<Finding>,
    wrong: u64,
    last: u64,
    links: Sha256,
    before: Sha256,
    sum: Sum,
    damage: Damage,
    /// What the last record of a rewriting vouches for is not what is there.
    unvouched: Option<(u64, String)>,
    /// The first record that was rewritten after it.
    later: Option<u64>,
    pub texts: Texts,
}

impl Examiner {
    /// Looks at the next record; answers it where it can be read. Texts are checked where `fallback` or
    /// what went before can tell what they lean on.
    ///
    /// # Errors
    /// A newer version: nothing can be said of what follows.
    pub fn take(
        &mut self,
        seq: u64,
        bytes: &[u8],
        fallback: Option<Fallback<'_>>,
    ) -> Result<Option<Event>, RecordError> {
        self.before.clone_from(&self.links);
        self.links.update(seq.to_be_bytes());
        let before = self.last;
        self.last = self.last.max(seq);
        let event = match decode(bytes) {
            Ok(event) => event,
            Err(newer @ RecordError::Newer(_)) => return Err(newer),
            Err(error) => {
                self.links.update(digest_of(bytes).as_str().as_bytes());
                self.damage.note(seq, seq);
                self.find(Some(seq), format!("it can't be read: {error}"));
                return Ok(None);
            }
        };
        let here = link(&event, bytes);
        self.links.update(here.as_str().as_bytes());
        self.follows(&event, seq, before);
        self.count(&event, bytes);
        self.vouch(&event, bytes);
        let fallback = fallback.map(|read| (read, &self.index));
        if let Some(wrong) = self.texts.take(&event.body, fallback, |_| {}) {
            self.find(Some(seq), wrong);
        }
        self.index.apply(&event, here);
        Ok(Some(event))
    }

    fn follows(&mut self, event: &Event, seq: u64, before: u64) {
        if event.seq != seq {
            self.find(
                Some(seq),
                format!("it says that it is record {}", event.seq),
            );
        }
        if seq != before + 1 {
            let what = if seq > before {
                format!(
                    "records {} to {} before it are missing",
                    before + 1,
                    seq - 1
                )
            } else {
                format!("it comes after record {before}")
            };
            self.find(Some(seq), what);
        }
        let head = self.index.head().cloned().unwrap_or_else(genesis);
        let next = self.index.last_seq() + 1;
        if event.prev != head || event.seq != seq || seq != next {
            self.damage
                .note(next.min(seq), seq.saturating_sub(1).max(next.min(seq)));
        }
        if event.prev != head {
            let what = format!(
                "it does not follow record {}: one of the two, or one between them, was changed, cut or lost",
                self.index.last_seq()
            );
            self.find(Some(seq), what);
        }
        if seq == 1 && !matches!(event.body, EventBody::StoreCreated { .. }) {
            self.find(Some(seq), "it is not the beginning of a store".to_owned());
        }
    }

    fn count(&mut self, event: &Event, bytes: &[u8]) {
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        let tally = &mut self.tally;
        tally.records += 1;
        tally.bytes += size;
        *tally.versions.entry(event.v).or_default() += 1;
        let sort = tally.sorts.entry(sort_of(bytes)).or_default();
        sort.0 += 1;
        sort.1 += size;
        tally.oldest.get_or_insert((event.seq, event.at));
        tally.newest = Some((event.seq, event.at));
        tally.rewritten += u64::from(event.was.is_some());
    }

    /// A record of a rewriting says what the rewritten records before it are; the last one counts.
    fn vouch(&mut self, event: &Event, bytes: &[u8]) {
        if let EventBody::Rewritten {
            to,
            changed,
            sum,
            head,
            ..
        } = &event.body
        {
            let (are, is) = self.sum.clone().end();
            let (last, link) = (self.index.last_seq(), self.index.head());
            let same = *to == last && Some(head) == link && are == *changed && is == *sum;
            self.unvouched = (!same).then(|| {
                let what = format!(
                    "it vouches for {changed} rewritten records up to {to}; {are} are there up to {last}, or they say something else"
                );
                (event.seq, what)
            });
            self.later = None;
        } else if event.was.is_some() {
            self.later.get_or_insert(event.seq);
        }
        self.sum.add(event, bytes);
    }

    fn find(&mut self, record: Option<u64>, what: String) {
        self.wrong += 1;
        if self.findings.len() < TOLD {
            self.findings.push(Finding { record, what });
        }
    }

    /// What came of all of them; `mark` is what a sidecar says of the last one.
    pub fn end(mut self, mark: Option<&Mark>) -> Examined {
        let mut unvouched = None;
        let later = self.later.map(|seq| {
            let what = "it was rewritten, and no record of a rewriting vouches for it";
            (seq, what.to_owned())
        });
        for (seq, what) in self.unvouched.take().into_iter().chain(later) {
            self.find(Some(seq), what.clone());
            unvouched.get_or_insert(Finding {
                record: Some(seq),
                what,
            });
        }
        if self.tally.records > 0 && self.index.store_id().is_none() {
            self.find(None, "no record says which store this is".to_owned());
        }
        if let Some(mark) = mark {
            let last = self.index.last_seq();
            if self.index.store_id().is_some_and(|id| id != mark.store) {
                let what = format!("the sidecar is of another store, {}", mark.store);
                self.find(None, what);
            } else if last != mark.seq {
                // one more may be there: it was written before its mark, and acknowledged to nobody
                if last < mark.seq {
                    let what = format!(
                        "record {} was acknowledged, {last} is the last that is there",
                        mark.seq
                    );
                    self.find(None, what);
                }
            } else if self.index.head().is_some_and(|h| h.as_str() != mark.head) {
                let what = format!("record {last} is not the one that was acknowledged");
                self.find(Some(last), what);
            }
        }
        self.tally.texts = self.texts.good;
        self.tally.unfinished = self.texts.unfinished;
        self.tally.unchecked = self.texts.unchecked;
        Examined {
            index: self.index,
            tally: self.tally,
            findings: self.findings,
            wrong: self.wrong,
            last: self.last,
            damage: self.damage.digest(),
            unvouched,
            links: hex(self.links),
            links_before: hex(self.before),
        }
    }
}

fn hex(hash: Sha256) -> Digest {
    digest_of(&hash.finalize())
}

/// The word for what a record says, as it is written.
fn sort_of(bytes: &[u8]) -> String {
    const BEFORE: &[u8] = b"\"body\":{\"is\":\"";
    let word = memchr::memmem::find(bytes, BEFORE).and_then(|at| {
        let rest = &bytes[at + BEFORE.len()..];
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    word.unwrap_or("?").to_owned()
}

/// What a record of a newer program means for those who read on.
pub(super) fn newer(seq: u64, error: &RecordError) -> String {
    match error {
        RecordError::Newer(version) => format!(
            "record {seq} has version {version}, this program reads up to {VERSION}; use a newer provtaskd"
        ),
        other => format!("record {seq}: {other}"),
    }
}
