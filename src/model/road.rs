//! By which road a task was seen: the login's list, or a hint; where it came from never says what to do with it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// By which road a task was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Road {
    /// The list of the login's open tasks.
    List,
    /// A signed event named its id, and it was read by that.
    Event,
    /// A file of the watched folder named its id, and it was read by that.
    Folder,
    /// The accounts of a person were walked through; one of them showed it, and it was read by its id.
    Walk,
}

impl Road {
    /// All roads, in the order of the docs.
    pub const ALL: [Road; 4] = [Self::List, Self::Event, Self::Folder, Self::Walk];

    /// The word in records, labels and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Event => "event",
            Self::Folder => "folder",
            Self::Walk => "walk",
        }
    }

    /// The same in words, for `explain`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::List => "the list of this login's open tasks",
            Self::Event => {
                "a reading by its id, because a signed event named it; the list does not show it"
            }
            Self::Folder => {
                "a reading by its id, because a file of the watched folder named it; the list does not show it"
            }
            Self::Walk => {
                "a reading by its id, because an account of its beneficiary showed it in a walk through the accounts of persons; the list does not show it"
            }
        }
    }
}

impl fmt::Display for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
