//! Tells what a person has said no to, while that no holds; it changes nothing, and says of no hold more than is on record.

use super::core::Core;
use super::inbox::NAMED;
use crate::control::{RejectionView, Reply};
use crate::governor::{Hold, HoldStatus};
use crate::ledger::LedgerError;
use crate::model::Digest;

impl Core {
    /// The holds to which somebody has said no.
    fn said_no(&self) -> Vec<Hold> {
        let now = self.clock.now();
        let stands = |hold: &Hold| matches!(&hold.status, HoldStatus::Rejected { until, .. } if now < *until);
        let all = self.governor.holds(now).into_iter();
        all.filter(stands).collect()
    }

    /// How many they are.
    pub fn rejections_standing(&self) -> u64 {
        u64::try_from(self.said_no().len()).unwrap_or(u64::MAX)
    }

    /// Each with who said no, when and why: the governor knows the first, the journal the others.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn rejections(&self) -> Result<Reply, LedgerError> {
        let holds = self.said_no();
        if holds.is_empty() {
            return Ok(Reply::Rejections(Vec::new()));
        }
        let recorded = self.ledger.rejections()?;
        let live = self.policies.hash();
        let views = holds.into_iter().filter_map(|hold| {
            let HoldStatus::Rejected { by, until } = &hold.status else {
                return None;
            };
            let word = recorded.get(&Digest::new(&hold.id));
            Some(RejectionView {
                by: by.to_string(),
                at: word.map(|(at, _)| *at),
                why: word.map(|(_, why)| why.to_string()),
                until: *until,
                take_back: if hold.hash == *live {
                    format!(
                        "provtaskd approve {} --despite-rejection --why TEXT",
                        hold.id
                    )
                } else {
                    format!(
                        "it was said under policy set {}; what the live set wants of the same work is asked anew once it has ended",
                        hold.hash.short()
                    )
                },
                count: u64::try_from(hold.tasks.len()).unwrap_or(u64::MAX),
                tasks: hold.tasks.into_iter().take(NAMED).collect(),
                id: hold.id,
                action: hold.action,
                target: hold.target,
            })
        });
        Ok(Reply::Rejections(views.collect()))
    }
}
