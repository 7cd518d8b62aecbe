//! How much open work no policy wants to act on and nobody was asked about, and how that is said; it counts nothing itself.

use serde::{Deserialize, Serialize};

/// Open work that no policy wants to act on and nobody was asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LeftAlone {
    /// Rejected tasks.
    pub rejected: u64,
    /// Revokes and disables in any open state, with those among them that are rejected.
    pub taking: u64,
}

impl LeftAlone {
    /// In words, where there is anything.
    pub fn words(self) -> Option<String> {
        let LeftAlone { rejected, taking } = self;
        let are = match rejected {
            0 => None,
            1 => Some("1 rejected task".to_owned()),
            many => Some(format!("{many} rejected tasks")),
        };
        let open = match taking {
            0 => None,
            1 => Some("1 open revoke or disable".to_owned()),
            many => Some(format!("{many} open revokes and disables")),
        };
        let what = match (are, open) {
            (Some(are), Some(open)) => format!("{are} and {open} (some may be both)"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        Some(format!(
            "{what} left alone: no policy wants to act, and nobody was asked; `provtaskd plan` says why of each, `provtaskd survey` whose access is still open"
        ))
    }
}
