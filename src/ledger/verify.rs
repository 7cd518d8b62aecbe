//! Says up to which anchored head nothing of a journal was changed, cut or put in; pure, one record after the other, and it never calls anything proven that it has not seen.

mod finding;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::anchor::{Anchor, Key, Line, read_line};
use super::record::{
    Actor, Event, EventBody, RecordError, RewriteWhy, Sum, decode, digest_of, genesis, link,
};
use super::sidecar::Mark;
use crate::model::Digest;

pub use finding::Finding;

/// Findings that are told one by one; more are counted.
const TOLD: usize = 40;

/// A head that an anchor and the journal agree on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Proven {
    /// Its record.
    pub record: u64,
    /// When it was anchored.
    pub at: Timestamp,
    /// True where the anchor's HMAC was checked.
    pub signed: bool,
}

/// A rewriting that is on record.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rewriting {
    /// The record that tells of it.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What for.
    pub why: RewriteWhy,
    /// The words that came with it.
    pub reason: Arc<str>,
    /// The last record that it may have changed.
    pub to: u64,
    /// How many say something else than they did.
    pub changed: u64,
}

/// A store that was put back, or lost its end, as it is on record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rewind {
    /// The record that tells of it.
    pub record: u64,
    /// When it was noticed.
    pub at: Timestamp,
    /// The last record that had been acknowledged; 0 where that can't be known.
    pub acknowledged: u64,
    /// The last one that was there.
    pub found: u64,
}

/// What came of a verification.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Verified {
    /// The store's own id, as its first record says.
    pub store: Option<String>,
    /// Records that were read.
    pub records: u64,
    /// The last record.
    pub last: u64,
    /// Its link in the chain.
    pub head: Option<Digest>,
    /// Anchors that were given.
    pub anchors: u64,
    /// How many of them agree with the journal.
    pub agreeing: u64,
    /// The last head up to which nothing was changed, cut or put in.
    pub proven: Option<Proven>,
    /// Records after that, for which nobody outside vouches.
    pub beyond: u64,
    /// Records that say something else than they did first, as the journal itself tells.
    pub rewritten: u64,
    /// Every rewriting, oldest first.
    pub rewritings: Vec<Rewriting>,
    /// Every rewind, oldest first.
    pub rewinds: Vec<Rewind>,
    /// True where anchors carry HMACs and no key was given to check them.
    pub unchecked_hmacs: bool,
    /// What is wrong, the first of it first.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more: u64,
}

/// The anchors of a file or a log, each with its line.
#[derive(Debug, Default)]
pub struct Anchors {
    by_record: BTreeMap<u64, Vec<(u64, Anchor)>>,
    broken: Vec<Finding>,
    count: u64,
    lines: u64,
}

impl Anchors {
    /// Takes in the next line.
    pub fn line(&mut self, line: &str) {
        self.lines += 1;
        let at = self.lines;
        match read_line(line) {
            Line::Other => {}
            Line::Anchor(anchor) => {
                self.count += 1;
                let same = self.by_record.entry(anchor.seq).or_default();
                same.push((at, anchor));
            }
            Line::Broken(why) => self
                .broken
                .push(Finding::AnchorUnreadable { line: at, why }),
        }
    }

    /// How many there are, those that can't be read left aside.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True where no line was an anchor, not even a broken one.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.broken.is_empty()
    }
}

/// What the last record of a rewriting says of the records that were rewritten.
#[derive(Clone, Copy, Debug)]
struct Vouched {
    record: u64,
    to: u64,
    holds: bool,
}

/// Reads a journal from its first record on.
#[derive(Debug)]
pub struct Verifier {
    anchors: Anchors,
    keys: Vec<Key>,
    /// The next record has to name this as the one before.
    link: Digest,
    last: u64,
    /// The first record at which the chain does not hold.
    broken_at: Option<u64>,
    sum: Sum,
    /// The first rewritten record that no rewriting stands for yet, and how many there are.
    loose: Option<(u64, u64)>,
    vouched: Option<Vouched>,
    /// The first record that says something else than it did.
    rewritten_from: Option<u64>,
    /// Heads that agree, and up to which the chain holds.
    agreed: Vec<Proven>,
    /// Anchors that don't agree: settled at the end, when every rewind is known.
    lost: Vec<(u64, Anchor)>,
    out: Verified,
}

impl Verifier {
    /// For these anchors, with these keys to check their HMACs.
    pub fn new(anchors: Anchors, keys: Vec<Key>) -> Self {
        let mut verifier = Self {
            keys,
            link: genesis(),
            last: 0,
            broken_at: None,
            sum: Sum::default(),
            loose: None,
            vouched: None,
            rewritten_from: None,
            agreed: Vec::new(),
            lost: Vec::new(),
            out: Verified {
                anchors: anchors.count,
                ..Verified::default()
            },
            anchors,
        };
        for finding in std::mem::take(&mut verifier.anchors.broken) {
            verifier.found(finding);
        }
        verifier.check_signatures();
        verifier
    }

    fn found(&mut self, finding: Finding) {
        if self.out.findings.len() < TOLD {
            self.out.findings.push(finding);
        } else {
            self.out.more += 1;
        }
    }

    /// Where keys are given an anchor that none of them has signed says nothing.
    fn check_signatures(&mut self) {
        if self.keys.is_empty() {
            let mut all = self.anchors.by_record.values().flatten();
            self.out.unchecked_hmacs = all.any(|(_, anchor)| anchor.hmac.is_some());
            return;
        }
        let mut wrong = Vec::new();
        for same in self.anchors.by_record.values_mut() {
            same.retain(|(line, anchor)| {
                let (line, record) = (*line, anchor.seq);
                let key = anchor.key.as_deref().unwrap_or_default();
                let known = self.keys.iter().find(|of| of.id() == key);
                wrong.push(match (known, &anchor.hmac) {
                    (_, None) => Finding::HmacMissing { line, record },
                    (None, Some(_)) => Finding::KeyUnknown {
                        line,
                        record,
                        key: key.to_owned(),
                    },
                    (Some(key), Some(_)) if anchor.is_signed_by(key) => return true,
                    (Some(_), Some(_)) => Finding::HmacWrong { line, record },
                });
                false
            });
        }
        for finding in wrong {
            self.found(finding);
        }
    }

    /// Takes in the next record.
    pub fn add(&mut self, seq: u64, bytes: &[u8]) {
        self.out.records += 1;
        let event = match decode(bytes) {
            Ok(event) => event,
            Err(error) => {
                let finding = match error {
                    RecordError::Newer(version) => Finding::RecordNewer {
                        record: seq,
                        version,
                    },
                    other => Finding::RecordUnreadable {
                        record: seq,
                        why: other.to_string(),
                    },
                };
                self.breaks(seq, finding);
                // what follows is compared with the bytes that are there
                self.link = digest_of(bytes);
                self.last = seq;
                return;
            }
        };
        let after = self.last;
        if event.seq != seq {
            let says = event.seq;
            self.breaks(seq, Finding::RecordMoved { record: seq, says });
        } else if seq != after + 1 {
            self.breaks(seq, Finding::RecordsMissing { record: seq, after });
        } else if event.prev != self.link {
            self.breaks(seq, Finding::RecordChanged { record: seq, after });
        }
        self.link = link(&event, bytes);
        self.last = seq;
        if event.was.is_some() {
            self.out.rewritten += 1;
            let (first, count) = self.loose.unwrap_or((seq, 0));
            self.loose = Some((first, count + 1));
            self.rewritten_from.get_or_insert(seq);
        }
        self.sum.add(&event, bytes);
        self.note(event);
        self.compare(seq);
    }

    /// The first break is told; one that follows at once is the same.
    fn breaks(&mut self, record: u64, finding: Finding) {
        self.broken_at.get_or_insert(record);
        self.found(finding);
    }

    fn note(&mut self, event: Event) {
        let Event {
            seq,
            at,
            actor,
            prev,
            body,
            ..
        } = event;
        match body {
            EventBody::StoreCreated { store } => {
                self.out.store.get_or_insert(store);
            }
            EventBody::StoreRewound {
                expected, found, ..
            } => self.out.rewinds.push(Rewind {
                record: seq,
                at,
                acknowledged: expected,
                found,
            }),
            EventBody::Rewritten {
                why,
                to,
                changed,
                sum,
                head,
                reason,
            } => {
                let (count, is) = self.sum.clone().end();
                // those between `to` and this record were never rewritten: they leave the sum as it was
                let head_holds = to + 1 != seq || head == prev;
                self.vouched = Some(Vouched {
                    record: seq,
                    to,
                    holds: count == changed && is == sum && head_holds,
                });
                self.loose = None;
                self.out.rewritings.push(Rewriting {
                    record: seq,
                    at,
                    by: who(&actor),
                    why,
                    reason,
                    to,
                    changed,
                });
            }
            _ => {}
        }
    }

    fn compare(&mut self, seq: u64) {
        let Some(anchors) = self.anchors.by_record.remove(&seq) else {
            return;
        };
        for (line, anchor) in anchors {
            if self.is_strange(line, &anchor) {
                continue;
            }
            if anchor.head != self.link {
                self.lost.push((line, anchor));
                continue;
            }
            self.out.agreeing += 1;
            if self.broken_at.is_none() {
                self.agreed.push(Proven {
                    record: seq,
                    at: anchor.at,
                    signed: !self.keys.is_empty(),
                });
            }
        }
    }

    /// An anchor of another store says nothing of this one. Where the first record is lost nobody knows
    /// which store this is, and the chain is broken anyway.
    fn is_strange(&mut self, line: u64, anchor: &Anchor) -> bool {
        let known = self.out.store.as_ref();
        let strange = known.is_some_and(|store| *store != anchor.store);
        if strange {
            let (record, store) = (anchor.seq, anchor.store.clone());
            self.found(Finding::OtherStore {
                line,
                record,
                store,
            });
        }
        strange
    }

    /// What came of it; `mark` is what the store's sidecar says was acknowledged last.
    pub fn end(mut self, mark: Option<&Mark>) -> Verified {
        let rest = std::mem::take(&mut self.anchors.by_record);
        for (line, anchor) in rest.into_values().flatten() {
            if !self.is_strange(line, &anchor) {
                self.lost.push((line, anchor));
            }
        }
        // a record that says something else than it did, and for which nothing stands, proves nothing
        let mut limit = u64::MAX;
        let anchored = self.agreed.last().map_or(0, |proven| proven.record);
        let mut rewritten = None;
        if let Some((record, count)) = self.loose {
            limit = record;
            rewritten = Some(Finding::RewrittenUnsaid { record, count });
        }
        if let (Some(Vouched { record, to, holds }), Some(from)) =
            (self.vouched, self.rewritten_from)
        {
            if !holds {
                limit = limit.min(from);
                rewritten = Some(Finding::RewrittenChanged { record, to });
            } else if self.out.anchors > 0 && record > anchored {
                limit = limit.min(from);
                rewritten = Some(Finding::RewritingUnanchored { record, to });
            }
        }
        let mut agreed = std::mem::take(&mut self.agreed).into_iter();
        self.out.proven = agreed.rfind(|proven| proven.record < limit);
        for (line, anchor) in std::mem::take(&mut self.lost) {
            let finding = self.lost_anchor(line, anchor);
            let told = self
                .out
                .findings
                .iter_mut()
                .find_map(|finding| match finding {
                    Finding::AnchorDiffers { later, .. } => Some(later),
                    _ => None,
                });
            match (&finding, told) {
                // whatever was done before the first of them, it is in all that come after it
                (Finding::AnchorDiffers { .. }, Some(later)) => *later += 1,
                _ => self.found(finding),
            }
        }
        if let Some(finding) = rewritten {
            self.found(finding);
        }
        if let Some(mark) = mark
            && mark.seq > self.last
        {
            self.found(Finding::EndMissing {
                acknowledged: mark.seq,
                last: self.last,
            });
        }
        let mut out = self.out;
        out.last = self.last;
        out.head = (self.last > 0).then_some(self.link);
        out.beyond = self.last - out.proven.as_ref().map_or(0, |proven| proven.record);
        out
    }

    /// Why an anchor's head is not in the journal.
    fn lost_anchor(&self, line: u64, anchor: Anchor) -> Finding {
        let (record, at, last) = (anchor.seq, anchor.at, self.last);
        // a rewind explains what was noted before it and lies behind what it found
        let rewound = self
            .out
            .rewinds
            .iter()
            .find(|rewind| record > rewind.found && at <= rewind.at)
            .map(|rewind| rewind.record);
        if record > last || rewound.is_some() {
            return Finding::AnchorCut {
                line,
                record,
                at,
                last,
                rewound,
            };
        }
        let proven = self.out.proven.as_ref();
        Finding::AnchorDiffers {
            line,
            record,
            at,
            proven: proven.map_or(0, |proven| proven.record),
            later: 0,
        }
    }
}

/// Who it was, in words.
fn who(actor: &Actor) -> String {
    match actor {
        Actor::Daemon => "daemon".to_owned(),
        Actor::System => "provtaskd itself".to_owned(),
        Actor::Person { name, .. } => name.to_string(),
    }
}
