//! What OIG has said of definitions; it forgets only where a person or OIG itself says so.

use super::apply::REASON;
use super::{Index, Manual};
use crate::ledger::record::clip;
use crate::model::task::DefinitionId;

impl Index {
    /// A definition is not automated, or is after all.
    pub(super) fn learn(
        &mut self,
        definition: &DefinitionId,
        manual: bool,
        at: jiff::Timestamp,
        reason: &str,
    ) {
        if manual {
            let fact = Manual {
                since: at,
                reason: clip(reason, REASON),
            };
            self.manual.insert(definition.clone(), fact);
        } else {
            self.manual.remove(definition);
        }
    }
}
