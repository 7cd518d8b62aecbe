//! Stores what decisions rested on: once per digest, what is told by another text behind that text, and only beside decisions that change; it never stores more than [`MAX_INPUTS`] bytes of one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::LedgerError;
use super::record::{AlikeItem, EventBody, Meta, Ready};
use super::work::Work;
use crate::model::alike::Step;
use crate::model::{Base, Digest, InputsText, LineageId};

/// Longest inputs of one decision that are kept, bytes. Longer ones are not, and it is said.
pub const MAX_INPUTS: usize = 64 * 1024;
/// Most bytes that wait to learn whether their decision is recorded; more are stored at once.
const WAITING: usize = 32 << 20;
/// Longest difference that shares a record with others, bytes as written; longer ones are stored whole.
const LONGEST: usize = 6000;

/// The inputs of one evaluation.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The piece of work.
    pub lineage: LineageId,
    /// The digest of the text.
    pub digest: Digest,
    /// What was seen, the moment left aside.
    pub text: InputsText,
    /// The answer's fingerprint ([`super::said_print`]): a new answer is recorded in any case.
    pub said: u64,
}

/// What the ledger's thread remembers of inputs, for this run only.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Inputs of answers that are as before: stored once their decision is recorded after all, be it
    /// cycles later, because what holds it back has changed.
    waiting: HashMap<LineageId, (Digest, InputsText)>,
    /// Bytes of those texts.
    bytes: usize,
}

impl Work {
    /// See [`super::Ledger::keep_inputs`].
    pub(super) fn keep_inputs(
        &mut self,
        inputs: Vec<Inputs>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut write = Vec::with_capacity(inputs.len());
        for one in inputs {
            if one.text.len() > MAX_INPUTS {
                tracing::warn!(
                    lineage = %one.lineage, bytes = one.text.len(), limit = MAX_INPUTS,
                    "what this decision rests on is too large to be stored with it"
                );
                continue;
            }
            let (known, as_before) = {
                let index = self.index();
                let known = index.kept(&one.digest).is_some();
                (known, index.said(one.lineage) == Some(one.said))
            };
            if known {
                continue;
            }
            // what waited for this lineage was seen before: its decision was not recorded
            if let Some((_, old)) = self.held.waiting.remove(&one.lineage) {
                self.held.bytes = self.held.bytes.saturating_sub(old.weight());
            }
            if as_before && self.held.bytes < WAITING {
                self.held.bytes += one.text.weight();
                self.held
                    .waiting
                    .insert(one.lineage, (one.digest, one.text));
            } else {
                write.push((one.digest, one.text));
            }
        }
        self.write_inputs(write, now)
    }

    /// Stores what waits for these decisions: they are being recorded, or their acts go out.
    pub(super) fn flush_inputs<'a>(
        &mut self,
        decisions: impl Iterator<Item = (LineageId, &'a Digest)>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.held.waiting.is_empty() {
            return Ok(());
        }
        let mut write = Vec::new();
        for (lineage, digest) in decisions {
            if let Some((have, text)) = self.held.waiting.remove(&lineage) {
                self.held.bytes = self.held.bytes.saturating_sub(text.weight());
                if have == *digest {
                    write.push((have, text));
                }
            }
        }
        self.write_inputs(write, now)
    }

    fn write_inputs(
        &mut self,
        inputs: Vec<(Digest, InputsText)>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        // one row per base: its records then name it once
        let mut alike: Vec<(Arc<Base>, Vec<AlikeItem>)> = Vec::new();
        for (digest, text) in inputs {
            if self.index().kept(&digest).is_some() {
                continue;
            }
            let (base, steps) = match text {
                InputsText::Alike { base, steps, .. } if written(&steps) <= LONGEST => {
                    (base, steps)
                }
                other => {
                    match other.whole() {
                        Some(text) => self.keep_as(&digest, &text, now)?,
                        // a fault of ours: better said than stored wrong
                        None => tracing::error!(
                            %digest,
                            "what a decision rests on could not be put together and is not stored; this is a fault in provtaskd, please report it"
                        ),
                    }
                    continue;
                }
            };
            let same = |(have, _): &&mut (Arc<Base>, _)| {
                Arc::ptr_eq(have, &base) || have.digest == base.digest
            };
            let item = AlikeItem { digest, steps };
            // tasks of one sort mostly come one after the other
            if let Some((_, items)) = alike.iter_mut().rev().find(same) {
                items.push(item);
                continue;
            }
            // what is told by it can be read only with it: it goes first
            if self.index().kept(&base.digest).is_none() {
                self.keep_as(&base.digest, &base.text, now)?;
            }
            alike.push((base, vec![item]));
        }
        for (base, items) in alike {
            let base = base.digest.clone();
            let body = EventBody::InputsAlike { base, items };
            // tasks are being decided on both cores meanwhile
            self.emit(&Meta::daemon(now, None), Ready::in_turn(body))?;
        }
        Ok(())
    }
}

/// Bytes that the steps take in a record at most.
fn written(steps: &[Step]) -> usize {
    steps.iter().map(|Step(_, _, put)| put.len() * 2 + 26).sum()
}
