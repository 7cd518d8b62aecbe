//! Sums over the index for status pages and change detection; read only.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::compact::flags;
use super::{Index, Restored};
use crate::model::{AttemptState, LineageId, PolicyHash, TargetName};

impl Index {
    /// A number that changes when an attempt of the lineage begins, moves or is reset.
    pub fn attempts_print(&self, lineage: LineageId) -> u64 {
        let Some(past) = self.lineage(lineage).and_then(|of| of.past.as_ref()) else {
            return 0;
        };
        let state = past
            .last_state
            .and_then(|state| AttemptState::ALL.iter().position(|s| *s == state))
            .and_then(|at| u64::try_from(at + 1).ok())
            .unwrap_or(0);
        u64::from(past.total) << 40
            | u64::from(past.counted) << 24
            | u64::from(past.foreign) << 12
            | u64::from(past.episode) << 6
            | state
    }

    /// Completed attempts that a person has called so, and no reading.
    pub fn completed_by_word(&self) -> u64 {
        self.by_word
    }

    /// What is known of a rewind that is not settled, beside the two numbers.
    pub fn restored(&self) -> Option<&Restored> {
        self.restored.as_ref()
    }

    /// How many lineages are not done: whatever is not known of them may have been an attempt.
    pub fn unfinished(&self) -> u64 {
        let left = self.lineages.iter().filter(|of| !of.has(flags::DONE));
        u64::try_from(left.count()).unwrap_or(u64::MAX)
    }

    /// When and with which words a policy set was released.
    pub fn release_of(&self, hash: &PolicyHash) -> Option<(Timestamp, &str)> {
        self.released.get(hash).map(|(at, word)| (*at, &**word))
    }

    /// Lineages per target by the state of their last attempt; walks all lineages.
    pub fn target_counts(&self) -> BTreeMap<(TargetName, AttemptState), u64> {
        let mut by_number: BTreeMap<(u32, AttemptState), u64> = BTreeMap::new();
        for of in &self.lineages {
            if let Some(state) = of.past.as_ref().and_then(|past| past.last_state) {
                *by_number.entry((of.target, state)).or_default() += 1;
            }
        }
        by_number
            .into_iter()
            .filter_map(|((target, state), count)| {
                Some(((self.targets.get(target)?.clone(), state), count))
            })
            .collect()
    }
}
