//! A person takes note of what left the lists unseen after the store was rewound; nothing is concluded from it, and nothing is ever sent for it.

use std::sync::Arc;

use jiff::Timestamp;

use super::DaemonError;
use super::core::Core;
use crate::control::{RefusedKind, Reply};
use crate::ledger::LEFT_REWOUND;
use crate::ledger::record::{Actor, EventBody};
use crate::model::{LineageId, TargetName};

/// The target of an inbox id of such work, if it is one; `None` inside for work that shows no target.
pub fn lost_on(id: &str) -> Option<Option<&str>> {
    let rest = id.strip_prefix(LEFT_REWOUND)?;
    if rest.is_empty() {
        return Some(None);
    }
    rest.strip_prefix(':').map(Some)
}

impl Core {
    /// Takes note of all that left a target so.
    pub async fn note_lost(
        &mut self,
        target: Option<&str>,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let target = match target {
            None => None,
            Some(name) => match self.target_named(&TargetName::new(name)) {
                Ok(target) => Some(target),
                Err(unknown) => return Ok(unknown.refused()),
            },
        };
        let lineages: Vec<LineageId> = self.ledger.read(|index| {
            let waiting = index.inbox(Timestamp::MIN).into_iter();
            waiting
                .filter(|item| item.why == LEFT_REWOUND && item.target == target)
                .map(|item| item.lineage)
                .collect()
        });
        if lineages.is_empty() {
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                "nothing that left the list after the store was rewound waits there",
                "see `provtaskd inbox` for what waits now",
            ));
        }
        let count = lineages.len();
        let body = EventBody::LineagesLeft {
            lineages,
            lost: false,
            reason: Some(Arc::from(why)),
        };
        self.put(body, who, now).await?;
        Ok(Reply::done(format!(
            "taken note of: tasks that left the list after the store was rewound: {count}; what happened to them is not known, and nothing is sent for them"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_ids_are_taken() {
        assert_eq!(lost_on("left_rewound"), Some(None));
        assert_eq!(lost_on("left_rewound:AD"), Some(Some("AD")));
        assert_eq!(lost_on("left_rewoundAD"), None);
        assert_eq!(lost_on("baseline:AD"), None);
    }
}
