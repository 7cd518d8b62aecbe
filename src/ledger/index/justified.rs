//! Which attempts are not yet justified in their task's note, and what became of those that are; a justification is no attempt: it moves none, counts as none and holds up none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Index;
use super::compact::flags;
use crate::model::{AttemptState, LineageId, ReceiptStatus};

/// What became of all justifications, over the store's whole memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Justifications {
    /// Claimed: each of them at most one request.
    pub claimed: u64,
    /// A reading afterwards showed the line.
    pub seen: u64,
    /// Accepted, and not shown by the reading afterwards.
    pub accepted: u64,
    /// Refused by OIG.
    pub refused: u64,
    /// Provably not sent.
    pub unsent: u64,
    /// The request's end is not known. Those that a stop of the daemon cut off are in `claimed` alone.
    pub unknown: u64,
}

impl Justifications {
    /// Counts one end.
    pub(super) fn end(&mut self, status: &ReceiptStatus, seen: bool) {
        *match status {
            _ if seen => &mut self.seen,
            ReceiptStatus::Accepted => &mut self.accepted,
            ReceiptStatus::Refused { .. } => &mut self.refused,
            ReceiptStatus::Unsent { .. } => &mut self.unsent,
            ReceiptStatus::Unknown { .. } => &mut self.unknown,
        } += 1;
    }

    /// Those of which it is not known whether the line is there.
    pub fn not_known(&self) -> u64 {
        let known = self.seen + self.accepted + self.refused + self.unsent;
        self.claimed.saturating_sub(known)
    }
}

/// The last attempt of a lineage, of which the task's note does not speak yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unjustified {
    /// Its ordinal.
    pub ordinal: u32,
    /// How it ended.
    pub state: AttemptState,
    /// When.
    pub ended: Timestamp,
    /// The record of its claim.
    pub claimed_in: u64,
    /// The record of the decision behind it; 0 where none is known.
    pub decided_in: u64,
}

impl Index {
    /// The last attempt, where it has ended, OIG has answered it, and the note was never to speak of it. Of
    /// what is done nothing is said: the task is closed. Nor of what nobody can tell.
    pub fn unjustified(&self, lineage: LineageId) -> Option<Unjustified> {
        let of = self.lineage(lineage)?;
        let past = of.past.as_ref()?;
        let state = past.last_state?;
        let told = matches!(
            state,
            AttemptState::Completed | AttemptState::Bounced | AttemptState::Refused
        );
        let fits = told
            && past.total > past.justified
            && !of.has(flags::DONE | flags::AMBIGUOUS | flags::RETIRED);
        fits.then(|| Unjustified {
            ordinal: past.total,
            state,
            ended: past.last_at.time(),
            claimed_in: past.claimed_in,
            decided_in: past.decided_in,
        })
    }

    /// What became of all justifications.
    pub fn justifications(&self) -> Justifications {
        self.justifications
    }

    /// One is about to be sent.
    pub(super) fn justifying(&mut self, lineage: LineageId, ordinal: u32) {
        self.justifications.claimed += 1;
        if let Some(of) = self.lineage_mut(lineage) {
            let past = of.past_mut();
            past.justified = past.justified.max(ordinal);
        }
    }
}
