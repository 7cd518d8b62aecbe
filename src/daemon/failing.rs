//! On which tasks a policy of the live set fails, as their last decisions say, and what a release is told of it; it decides nothing, and says nothing of a former set.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::core::Core;
use super::evaluate::Evaluated;
use crate::daily::counted;
use crate::model::{LineageId, PolicyHash};

/// Why such a task waits in the inbox.
pub const POLICY_FAULT: &str = "policy_fault";

/// Tasks of which the last decision was a fault of a policy.
#[derive(Debug, Default)]
pub struct Failing {
    /// The set that has failed.
    hash: Option<PolicyHash>,
    /// With policy, line and error.
    of: BTreeMap<LineageId, Arc<str>>,
}

impl Failing {
    /// Takes in what a cycle has decided; what it did not decide anew stands.
    pub fn take(&mut self, live: &PolicyHash, found: &Evaluated) {
        if self.hash.as_ref() != Some(live) {
            self.of.clear();
            self.hash = Some(live.clone());
        }
        let rests = found.rests.iter().map(|rest| &rest.decision);
        for decision in rests.filter(|decision| decision.hash == *live) {
            match &decision.fault {
                Some(fault) => self.of.insert(decision.lineage, Arc::from(fault.as_str())),
                None => self.of.remove(&decision.lineage),
            };
        }
        for lineage in &found.fresh {
            self.of.remove(lineage);
        }
    }
}

impl Core {
    /// The tasks that wait because a policy of the live set fails on them, with policy, line and error.
    pub fn failing(&self) -> BTreeMap<LineageId, Arc<str>> {
        let failing = &self.last.failing;
        if failing.of.is_empty() || failing.hash.as_ref() != Some(self.policies.hash()) {
            return BTreeMap::new();
        }
        let waiting = self.ledger.read(|index| index.inbox(Timestamp::MIN));
        let waiting = waiting.into_iter().filter(|item| item.why == "asked");
        waiting
            .filter_map(|item| {
                let fault = failing.of.get(&item.lineage)?;
                Some((item.lineage, Arc::clone(fault)))
            })
            .collect()
    }

    /// How many tasks that are, and the first fault.
    pub fn failing_words(&self) -> Option<(u64, String)> {
        let all = self.failing();
        let first = all.values().next()?.to_string();
        Some((u64::try_from(all.len()).unwrap_or(u64::MAX), first))
    }

    /// What speaks against a release of this set: that it fails on tasks now.
    pub fn fails_now(&self, hash: &PolicyHash) -> Option<String> {
        let (many, first) = self
            .failing_words()
            .filter(|_| hash == self.policies.hash())?;
        Some(format!(
            "it fails on {}, the first fault: {first}",
            counted(many, "task", "tasks")
        ))
    }
}

/// What the inbox says of one.
pub fn fault_words(fault: &str) -> String {
    format!(
        "A policy fails on these tasks, and they are left alone: {fault}. Mend the policy (`provtaskd policy test` runs its cases), then `provtaskd reload`; `provtaskd explain TASK` shows the fault of each."
    )
}
