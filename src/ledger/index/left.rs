//! What no list shows any more although no attempt of ours tells why: left, which is never success, and ends as soon as it is shown again; it forgets nothing of what is known of the work.

use jiff::Timestamp;

use super::compact::{Stamp, flags};
use super::{InboxItem, Index};
use crate::model::{LineageId, TaskId};

/// Why such work waits for a person where an attempt of a lost interval may have ended it.
pub const LEFT_REWOUND: &str = "left_rewound";

/// Since when no list shows a piece of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// The pass after which that was sure.
    since: Stamp,
    /// No list had shown it since the store was rewound, and nobody has taken note of that yet.
    lost: bool,
}

impl Left {
    /// Since when.
    pub fn since(self) -> Timestamp {
        self.since.time()
    }

    /// True where an attempt of a lost interval may have ended it, and nobody has taken note of that yet.
    pub fn is_lost(self) -> bool {
        self.lost
    }
}

impl Index {
    /// Since when no list shows a piece of work that no attempt tells of.
    pub fn left(&self, lineage: LineageId) -> Option<Left> {
        self.left.get(&lineage).copied()
    }

    /// The same, but for what a person has to be told first.
    pub fn left_for_good(&self, lineage: LineageId) -> Option<Timestamp> {
        let left = self.left(lineage)?;
        (!left.lost).then(|| left.since())
    }

    /// True where its flag says so: as often as the map.
    #[cfg(test)]
    pub(in crate::ledger) fn has_left(&self, lineage: LineageId) -> bool {
        self.lineage(lineage).is_some_and(|of| of.has(flags::LEFT))
    }

    /// How many pieces of work left so, but for what was handed to somebody whose work these lists don't show.
    pub fn many_left(&self) -> u64 {
        let all = self.left.len();
        let handed = self.left.keys().filter(|of| self.is_handed_away(**of));
        u64::try_from(all.saturating_sub(handed.count())).unwrap_or(u64::MAX)
    }

    /// Up to which lineage an attempt that the store has lost may have ended what is in no list.
    pub(in crate::ledger) fn lost_up_to(&self) -> Option<LineageId> {
        self.lost_up_to
    }

    /// These are in no list any more. A person's word adds none; an empty list ends the search for what an
    /// attempt of the lost interval may have ended.
    pub(super) fn leave(
        &mut self,
        lineages: &[LineageId],
        lost: bool,
        by_person: bool,
        since: Stamp,
    ) {
        if lineages.is_empty() && lost {
            self.lost_up_to = None;
        }
        for lineage in lineages {
            if let Some(left) = self.left.get_mut(lineage) {
                left.lost &= lost;
                continue;
            }
            let told = self.attempts.contains_key(lineage);
            let Some(of) = self.lineage_mut(*lineage) else {
                continue;
            };
            if by_person || told || of.has(flags::DONE | flags::RETIRED | flags::AMBIGUOUS) {
                continue;
            }
            of.set(flags::LEFT, true);
            self.left.insert(*lineage, Left { since, lost });
        }
    }

    /// A person has looked at it.
    pub(super) fn looked_at(&mut self, lineage: LineageId) {
        if let Some(left) = self.left.get_mut(&lineage) {
            left.lost = false;
        }
    }

    /// It is shown again, or something is known of it that says more.
    pub(super) fn not_left(&mut self, lineage: LineageId) {
        if self.left.remove(&lineage).is_some()
            && let Some(of) = self.lineage_mut(lineage)
        {
            of.set(flags::LEFT, false);
        }
    }

    /// The inbox's item of one that a person has to be told of.
    pub(super) fn lost_item(&self, lineage: LineageId) -> Option<InboxItem> {
        let left = self.left(lineage).filter(|left| left.lost)?;
        let of = self.lineage(lineage)?;
        Some(InboxItem {
            lineage,
            task: TaskId::from(&of.task),
            target: self.targets.get(of.target).cloned(),
            since: left.since(),
            why: LEFT_REWOUND,
            seq: of.decided.map(|decided| decided.seq),
        })
    }
}
