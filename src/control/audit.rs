//! What is asked for and told of the journal itself: pages of records, and one past decision; values only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::view::ExplainView;
use crate::model::PolicyHash;

/// Which decision of the past.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PastFilter {
    /// OIG's id, or our lineage id with a leading `L`; may be left out where the record holds one decision.
    pub task: Option<String>,
    /// The decision that was in force then.
    pub at: Option<Timestamp>,
    /// The decision of this record.
    pub record: Option<u64>,
}

/// A part of the journal, as it lies on the disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JournalView {
    /// The store's own id; `-` where its first record can't be read.
    pub store: String,
    /// Its last record.
    pub last: u64,
    /// The last record's link in the chain; empty where that can't be told.
    pub head: String,
    /// Number and text of the records.
    pub records: Vec<(u64, String)>,
    /// Where the next part begins, if there is one.
    pub next: Option<u64>,
}

/// A decision of the past, and what the recorded policies say of the recorded inputs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PastView {
    /// Its record.
    pub record: u64,
    /// When it was recorded: it was in force from then on.
    pub since: Timestamp,
    /// When another one took its place; `None`: it is the last.
    pub until: Option<Timestamp>,
    /// The decision as recorded, with the values that it saw.
    pub explain: ExplainView,
    /// The policy set in force now.
    pub policy_now: PolicyHash,
    /// What came of asking the recorded policies once more.
    pub replay: ReplayView,
}

/// A decision that was taken once more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "replayed")]
pub enum ReplayView {
    /// The recorded policies give the recorded answer.
    Same,
    /// They give another one.
    Different {
        /// What, as recorded, as given now.
        what: Vec<(String, String, String)>,
    },
    /// They can't be asked.
    Impossible {
        /// Why not.
        why: String,
    },
}
