//! What a task does to access; the mapping from definition names lives in the policy room, never here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The effect of a task on access (design: "kind").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Opens the account.
    Create,
    /// Adds access to an account (child row, role, group).
    Grant,
    /// Changes an attribute.
    Change,
    /// Takes access away or deletes the account.
    Revoke,
    /// Switches the account off.
    Disable,
    /// Switches the account on again.
    Enable,
    /// Sets or resets a password; never retried unless a policy names the definition.
    Password,
    /// Tells somebody; never retried unless a policy names the definition.
    Notify,
    /// Nobody has named this definition; never acted on.
    Unknown,
}

impl Kind {
    /// Every kind, in the order of the docs.
    pub const ALL: [Kind; 9] = [
        Kind::Create,
        Kind::Grant,
        Kind::Change,
        Kind::Revoke,
        Kind::Disable,
        Kind::Enable,
        Kind::Password,
        Kind::Notify,
        Kind::Unknown,
    ];

    /// The word used in configuration, records, labels and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Grant => "grant",
            Self::Change => "change",
            Self::Revoke => "revoke",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Password => "password",
            Self::Notify => "notify",
            Self::Unknown => "unknown",
        }
    }

    /// True for the kinds of invariant 10: running one gives or keeps access, so the
    /// beneficiary must have been read as active first.
    pub fn gives_access(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Grant | Self::Enable | Self::Change | Self::Password
        )
    }

    /// True for revoke and disable, which never wait for a change or a grant.
    pub fn takes_access(self) -> bool {
        matches!(self, Self::Revoke | Self::Disable)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not one of the nine kind words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a kind (create, grant, change, revoke, disable, enable, password, notify, unknown)"
)]
pub struct NotAKind(pub String);

impl FromStr for Kind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NotAKind(text.to_owned()))
    }
}
