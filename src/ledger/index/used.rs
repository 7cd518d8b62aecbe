//! Accounts that were in use, by work of theirs that is over; it says nothing of what they show now.

use super::Index;
use super::flags;
use crate::ledger::facts::is_number;
use crate::model::{Kind, ProcessKey};

impl Index {
    /// Those that `some` takes of the accounts of which work other than their creation is over or no longer shown. It is given
    /// each once, as its number, the smallest first, which mostly are the oldest; an account whose key is no number is not
    /// known by its key any more.
    pub fn used_accounts(&self, some: impl FnOnce(Vec<u64>) -> Vec<u64>) -> Vec<ProcessKey> {
        let over = self
            .lineages
            .iter()
            .filter(|of| of.has(flags::DONE | flags::LEFT));
        let used = over.filter(|of| of.kind != Kind::Create);
        let mut marks: Vec<u64> = used.map(|of| of.process).collect();
        marks.sort_unstable();
        marks.dedup();
        marks.retain(|mark| is_number(*mark));
        let some = some(marks).into_iter();
        some.map(|mark| ProcessKey::new(&mark.to_string()))
            .collect()
    }
}
