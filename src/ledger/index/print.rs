//! The fingerprint of an answer, so that the same one is recorded once; for change detection only, never for security.

use super::Index;
use super::compact::{Decided, Stamp, flags};
use crate::ledger::record::{DecidedItem, MAX_TEXT, clip};
use crate::model::task::Wide;
use crate::model::{Action, Decision, PolicyHash, RefusalReason, TaskId, Verdict};

/// What makes an answer what it is: verdict, policy, line and fault, of this task.
pub(super) struct Answer<'a> {
    pub task: &'a TaskId,
    pub verdict: Option<&'a Verdict>,
    pub policy: Option<&'a str>,
    pub hash: &'a PolicyHash,
    pub line: Option<u32>,
    pub fault: Option<&'a str>,
}

impl Answer<'_> {
    pub fn print(&self) -> u64 {
        let mut hash = Wide::default();
        hash.text(self.task.as_str());
        match self.verdict {
            None => hash.text("-"),
            Some(Verdict::Act {
                action, because, ..
            }) => {
                hash.text(action.name().as_str());
                if let Action::Reassign { to } = action {
                    hash.text(&to.to_string());
                }
                hash.text(because.as_deref().unwrap_or(""));
            }
            Some(Verdict::Leave { reason, .. }) => {
                hash.text("leave");
                hash.text(reason);
            }
            Some(Verdict::Ask { reason, .. }) => {
                hash.text("ask");
                hash.text(reason);
            }
        }
        hash.text(self.policy.unwrap_or(""));
        hash.text(self.hash.as_str());
        hash.number(self.line.map_or(u64::MAX, u64::from));
        hash.text(self.fault.unwrap_or(""));
        hash.finish()
    }
}

/// The fingerprint of a decision's answer as its record will have it.
pub fn said_print(decision: &Decision) -> u64 {
    let fault = decision.fault.as_ref().map(|text| clip(text, MAX_TEXT));
    let answer = Answer {
        task: &decision.task,
        verdict: decision.verdict.as_ref(),
        policy: decision.policy.as_deref(),
        hash: &decision.hash,
        line: decision.line,
        fault: fault.as_deref(),
    };
    answer.print()
}

/// What makes two decisions the same: the answer, the refusal's reason and whether a person is needed.
pub(in crate::ledger) fn decided_print(item: &DecidedItem) -> u64 {
    with_refusal(said(item), item)
}

fn said(item: &DecidedItem) -> u64 {
    let answer = Answer {
        task: &item.task,
        verdict: item.verdict.as_ref(),
        policy: item.policy.as_deref(),
        hash: &item.hash,
        line: item.line,
        fault: item.fault.as_deref(),
    };
    answer.print()
}

fn with_refusal(said: u64, item: &DecidedItem) -> u64 {
    let mut hash = Wide::default();
    match &item.refusal {
        None => hash.text("-"),
        Some(refusal) => {
            hash.text(refusal.reason.as_str());
            hash.text(if refusal.needs_person { "person" } else { "" });
        }
    }
    hash.finish().rotate_left(21) ^ said
}

impl Index {
    /// A decision takes the place of the one before.
    pub(super) fn decided(&mut self, item: &DecidedItem, seq: u64, at: Stamp) {
        let asks = matches!(item.verdict, Some(Verdict::Ask { .. }))
            || item.fault.is_some()
            || item.refusal.as_ref().is_some_and(|r| r.needs_person);
        if let Some(of) = self.lineage_mut(item.lineage) {
            of.set(flags::ASKS, asks);
            let refused = item.refusal.as_ref().map(|refusal| refusal.reason);
            if refused == Some(RefusalReason::StaleGrant) {
                // what showed it may be archived one day
                of.set(flags::STALE, true);
            }
            let said = said(item);
            of.decided = Some(Decided {
                what: with_refusal(said, item),
                said,
                seq,
                at,
                refusal: refused,
            });
        }
    }
}
