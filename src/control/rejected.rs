//! What a person has said no to, as it goes over the socket; it knows no governor.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ActionName, TargetName, TaskId};

/// A hold to which somebody has said no, while that no holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RejectionView {
    /// The hold's id.
    pub id: String,
    /// What was wanted.
    pub action: ActionName,
    /// On which target.
    pub target: TargetName,
    /// The tasks, at most 100 of them.
    pub tasks: Vec<TaskId>,
    /// How many they are.
    pub count: u64,
    /// Who said no.
    pub by: String,
    /// When; none where it is not on record.
    pub at: Option<Timestamp>,
    /// Why, in the person's words; none where it is not on record.
    pub why: Option<String>,
    /// It ends by itself then.
    pub until: Timestamp,
    /// How it is taken back before.
    pub take_back: String,
}
