//! What of an old backlog waits for a person, as it goes over the socket; it knows no ledger.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Login, NotRead, TargetName};

/// What of an old backlog is released at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BacklogPart {
    /// The target, as a person writes it.
    pub target: TargetName,
    /// Only tasks that are not older; `None`: all.
    pub max_age: Option<SignedDuration>,
}

/// The answer to [`super::Request::Backlog`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BacklogView {
    /// When everything that was there was put on record as the old backlog; `None`: enforce was never on.
    pub taken: Option<Timestamp>,
    /// Why it is not on record yet although enforce is configured, if so.
    #[serde(default)]
    pub pending: Option<String>,
    /// The logins that have lists, the main one first: what none of them is shown is in no row.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// One row for each target on which some of it waits.
    pub rows: Vec<BacklogRow>,
    /// What the last cycle did not read: a task that only these logins have ever shown may stand here and be gone, or
    /// be there and not stand here.
    #[serde(default)]
    pub not_read: Vec<NotRead>,
    /// What a release of the part that was asked for lets go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartView>,
}

/// What one release lets go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartView {
    /// The target, as it is known.
    pub target: TargetName,
    /// All tasks that it lets go.
    pub tasks: u64,
    /// Of them, those with which the policies want something done; guards, modes and caps come after the release.
    pub wanted: u64,
    /// Those about which no policy was asked yet.
    #[serde(default)]
    pub undecided: u64,
    /// When the work of the oldest of them began; `None`: of none it is known.
    pub oldest: Option<Timestamp>,
    /// What keeps all of it from being sent now, whatever is released: a mode.
    #[serde(default)]
    pub observed: Option<String>,
    /// A line of the configuration that names no target that was ever seen, and may have been meant for this one.
    #[serde(default)]
    pub stranger: Option<String>,
}

/// The old backlog of one target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BacklogRow {
    /// What `approve` takes.
    pub id: String,
    /// The target.
    pub target: TargetName,
    /// Tasks that wait.
    pub tasks: u64,
    /// Of them, those with which the policies want something done; guards, modes and caps come after the release.
    pub wanted: u64,
    /// When the work of the oldest began; `None`: of none it is known.
    pub oldest: Option<Timestamp>,
    /// The same by age, the youngest class first; each holds what the one before does not.
    pub ages: Vec<AgeView>,
}

/// Tasks of one class of age.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AgeView {
    /// The age up to which they are, as `--max-age` takes it; `None`: all that are older, or of unknown age.
    pub up_to: Option<String>,
    /// Tasks.
    pub tasks: u64,
    /// Of them, those with which the policies want something done; guards, modes and caps come after the release.
    pub wanted: u64,
    /// All tasks that a release up to this age lets go: these and all that are younger.
    #[serde(default)]
    pub releases: u64,
}

/// Of how much it is not known what the policies want, in words behind what they do; nothing where all is decided.
pub fn undecided_words(many: u64) -> String {
    match many {
        0 => String::new(),
        many => format!(" as far as is known; of {many} it is not known yet what they want"),
    }
}
