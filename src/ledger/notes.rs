//! Recording decisions and everything that is neither lineage nor attempt; what did not change is only counted.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::LedgerError;
use super::index::{Index, decided_print};
use super::record::{Actor, DecidedItem, EventBody, MAX_TEXT, Meta, Ready};
use super::work::Work;
use crate::model::text::{clip_json, json_cost, json_len};
use crate::model::{
    Action, AttemptState, CycleId, Decision, Digest, LineageId, Login, PolicyHash, Refusal,
    Verdict, text_digest,
};

/// Bytes per part of something stored by digest.
const PART: usize = 3000;

/// A decision with what became of it in guard and governor.
#[derive(Clone, PartialEq, Debug)]
pub struct DecisionRecord {
    /// The decision.
    pub decision: Arc<Decision>,
    /// Why it isn't done now.
    pub refusal: Option<Refusal>,
    /// When to look again.
    pub relook: Option<Timestamp>,
}

/// Decisions as they are recorded, put together by whoever brings them: the ledger's thread has enough to do.
pub(super) struct Made {
    /// In their order.
    said: Vec<SaidOf>,
    body: Body,
}

/// What the ledger has to know of one of them beside its record.
pub(super) struct SaidOf {
    lineage: LineageId,
    /// See [`decided_print`].
    what: u64,
    inputs: Digest,
    /// It is an act that goes out.
    goes: bool,
}

enum Body {
    /// In bytes, for each of them seemed to be new.
    Ready((PolicyHash, Ready)),
    Items(Vec<DecidedItem>),
}

impl SaidOf {
    /// True where it is on record like that.
    pub fn stands(&self, index: &Index) -> bool {
        let memo = index.memo(self.lineage);
        memo.is_some_and(|memo| memo.what == self.what)
    }
}

impl Made {
    /// Puts them together. Where all of them seem to be new they are put into bytes at once; the ledger's thread
    /// has the last word.
    pub fn of(records: Vec<DecisionRecord>, new: impl FnOnce(&[SaidOf]) -> bool) -> Self {
        let many = records.len();
        let (mut said, mut items) = (Vec::with_capacity(many), Vec::with_capacity(many));
        for record in records {
            let goes = record.refusal.is_none()
                && matches!(record.decision.verdict, Some(Verdict::Act { .. }));
            let item = decided_item(record);
            said.push(SaidOf {
                lineage: item.lineage,
                what: decided_print(&item),
                inputs: item.inputs.clone(),
                goes,
            });
            items.push(item);
        }
        let body = match items.first().map(|item| item.hash.clone()) {
            Some(hash) if new(&said) => {
                let ready = Ready::from(EventBody::Decided { items });
                Body::Ready((hash, ready))
            }
            _ => Body::Items(items),
        };
        Self { said, body }
    }
}

/// What of the items does not stand already, with the first one's policy set.
fn changed(items: Vec<DecidedItem>, stand: &[bool]) -> Option<(PolicyHash, Ready)> {
    let changed = items.into_iter().zip(stand);
    let changed = changed.filter(|(_, stands)| !**stands);
    let items: Vec<DecidedItem> = changed.map(|(item, _)| item).collect();
    let hash = items.first()?.hash.clone();
    Some((hash, Ready::from(EventBody::Decided { items })))
}

/// How many decisions were recorded, and how many stood as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DecidedCount {
    /// Changed.
    pub recorded: u64,
    /// As before.
    pub unchanged: u64,
}

/// One event that a caller records: what, by whom, about which login and policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// What happened.
    pub body: EventBody,
    /// When, who, in which cycle.
    pub meta: Meta,
}

/// What of the baseline changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BaselineChange {
    /// Lineages that are now in it, or were released.
    pub lineages: u64,
}

impl Work {
    pub(super) fn decided(
        &mut self,
        made: Made,
        cycle: CycleId,
        now: Timestamp,
    ) -> Result<DecidedCount, LedgerError> {
        let Made { said, body } = made;
        let stand: Vec<bool> = {
            let index = self.index();
            said.iter().map(|said| said.stands(&index)).collect()
        };
        let unchanged = stand.iter().filter(|stands| **stands).count();
        let many = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let count = DecidedCount {
            recorded: many(said.len() - unchanged),
            unchanged: many(unchanged),
        };
        // an act that goes out is claimed with the digest of its inputs, whether its decision is new or not
        let written = said.iter().zip(&stand);
        let written = written.filter(|(said, stands)| !**stands || said.goes);
        self.flush_inputs(written.map(|(said, _)| (said.lineage, &said.inputs)), now)?;
        let ready = match body {
            Body::Ready(ready) if unchanged == 0 => Some(ready),
            Body::Ready((_, ready)) => changed(ready.into_decided(), &stand),
            Body::Items(items) => changed(items, &stand),
        };
        if let Some((hash, ready)) = ready {
            let meta = Meta::daemon(now, Some(cycle)).policy(Some(hash));
            self.emit(&meta, ready)?;
        }
        Ok(count)
    }

    pub(super) fn record(&mut self, entry: Entry) -> Result<(), LedgerError> {
        match &entry.body {
            EventBody::StoreCreated { .. }
            | EventBody::LineagesOpened { .. }
            | EventBody::LineagesJoined { .. }
            | EventBody::IdsReused { .. }
            | EventBody::WorldDoubted { .. }
            | EventBody::WorldAccepted { .. }
            | EventBody::WorldKept { .. }
            | EventBody::LineagesLeft { reason: None, .. }
            | EventBody::Seen { .. }
            | EventBody::Decided { .. }
            | EventBody::Claims { .. }
            | EventBody::Receipts { .. }
            | EventBody::JustificationClaimed { .. }
            | EventBody::JustificationEnded { .. }
            | EventBody::Outcomes { .. } => Err(LedgerError::Invalid(
                "lineages, decisions, claims, receipts and outcomes are not recorded by hand"
                    .to_owned(),
            )),
            EventBody::GovernorState { version, json, .. } => {
                let parts = parts_of(json);
                let of = u32::try_from(parts.len()).unwrap_or(u32::MAX);
                for (part, json) in (0u32..).zip(parts) {
                    let body = EventBody::GovernorState {
                        version: *version,
                        part,
                        of,
                        json,
                    };
                    self.emit(&entry.meta, body)?;
                }
                Ok(())
            }
            EventBody::EpisodeReset { lineage, .. }
                if self
                    .index()
                    .open_attempt(*lineage)
                    .is_some_and(|a| a.state != AttemptState::Ambiguous) =>
            {
                Err(LedgerError::Invalid(format!(
                    "an attempt of {lineage} is not settled; wait for its verification or conclude it first"
                )))
            }
            _ => self.emit(&entry.meta, entry.body),
        }
    }

    pub(super) fn keep(&mut self, text: &str, now: Timestamp) -> Result<Digest, LedgerError> {
        let digest = text_digest(text);
        if self.index().kept(&digest).is_none() {
            self.keep_as(&digest, text, now)?;
        }
        Ok(digest)
    }

    /// Stores a text whole under its digest.
    pub(super) fn keep_as(
        &mut self,
        digest: &Digest,
        text: &str,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let parts = parts_of(text);
        let of = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        for (part, text) in (0u32..).zip(parts) {
            let body = EventBody::InputsStored {
                digest: digest.clone(),
                part,
                of,
                text,
            };
            self.emit(&Meta::daemon(now, None), body)?;
        }
        Ok(())
    }

    pub(super) fn take_baseline(
        &mut self,
        actor: Actor,
        logins: Vec<Login>,
        now: Timestamp,
    ) -> Result<BaselineChange, LedgerError> {
        if self.index().baseline().is_none() {
            let up_to = LineageId(self.index().lineages());
            self.emit(
                &Meta::by(actor.clone(), now),
                EventBody::BaselineTaken { up_to },
            )?;
        }
        // what these have shown by now is all known: what they show later is new
        for login in logins {
            if !self.index().has_baseline_of(&login) {
                let up_to = LineageId(self.index().lineages());
                let meta = Meta::by(actor.clone(), now).login(Some(login));
                self.emit(&meta, EventBody::BaselineTaken { up_to })?;
            }
        }
        let waiting = self.index().baseline().map_or(0, |b| b.waiting);
        Ok(BaselineChange { lineages: waiting })
    }
}

/// A text in parts that fit a record even where every byte has to be escaped.
fn parts_of(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut size = 0;
    for c in text.chars() {
        let cost = json_cost(c);
        if size + cost > PART {
            out.push(String::new());
            size = 0;
        }
        size += cost;
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

/// Values that are kept of what a script read, and bytes of each.
const READS: usize = 16;
const READ_BYTES: usize = 120;
/// Bytes of a verdict's own texts beyond which nothing that was read is kept beside it, and few values
/// of a refusal: its inputs are stored anyway.
const LONG: usize = 2000;
const LONG_VALUES: usize = 4;

/// Bytes as JSON of what a verdict says in its policy's words.
fn said_bytes(verdict: Option<&Verdict>) -> usize {
    match verdict {
        None => 0,
        Some(Verdict::Leave { reason, .. } | Verdict::Ask { reason, .. }) => json_len(reason),
        Some(Verdict::Act {
            action, because, ..
        }) => {
            let text = match action {
                Action::SetNote { text } => json_len(text),
                Action::SetResponse { code } => json_len(code),
                Action::Retry | Action::Reassign { .. } | Action::ManualComplete => 0,
            };
            text + because.as_deref().map_or(0, json_len)
        }
    }
}

/// A refusal whose values fit a record beside everything else.
fn short(mut refusal: Refusal, long: bool) -> Refusal {
    for (_, value) in &mut refusal.values {
        if json_len(value) > READ_BYTES {
            *value = clip_json(value, READ_BYTES).into_owned();
        }
    }
    refusal
        .values
        .truncate(if long { LONG_VALUES } else { READS });
    refusal
}

fn decided_item(record: DecisionRecord) -> DecidedItem {
    let DecisionRecord {
        decision,
        refusal,
        relook,
    } = record;
    let long = said_bytes(decision.verdict.as_ref()) > LONG;
    let fits = !long
        && decision.read.len() <= READS
        && decision
            .read
            .iter()
            .all(|(name, value)| json_len(name) <= READ_BYTES && json_len(value) <= READ_BYTES);
    DecidedItem {
        lineage: decision.lineage,
        task: decision.task.clone(),
        version: decision.version,
        kind: decision.kind,
        policy: decision.policy.clone(),
        line: decision.line,
        hash: decision.hash.clone(),
        inputs: decision.inputs.clone(),
        moment: decision.moment.clone(),
        verdict: decision.verdict.clone(),
        fault: decision
            .fault
            .as_deref()
            .map(|text| clip_json(text, MAX_TEXT).into()),
        refusal: refusal.map(|refusal| short(refusal, long)),
        read: if fits {
            Arc::clone(&decision.read)
        } else {
            let small = |text: &str| -> Arc<str> { clip_json(text, READ_BYTES).into() };
            decision
                .read
                .iter()
                .take(if long { 0 } else { READS })
                .map(|(name, value)| (small(name), small(value)))
                .collect()
        },
        relook,
    }
}
