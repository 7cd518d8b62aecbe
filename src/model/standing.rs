//! What is read of a person for what gives access: whether his accounts are on, and when his time ends; it judges nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::ProcessKey;

/// An account's status in the server's word; what is not known as on is never taken for on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountStatus(Arc<str>);

/// What such a word means (contract section 7; the words beyond the documentation are inferred).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountState {
    /// `Provisioned`, `Enabled`
    On,
    /// `Disabled`
    Off,
    /// `Revoked`: for good.
    Revoked,
    /// `Provisioning`, `Waiting`, `None` …: it is not there yet.
    NotYet,
    /// Any other word.
    Unknown,
}

impl AccountStatus {
    /// Takes the server's word.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text.trim()))
    }

    /// What it means, in any case of its letters.
    pub fn state(&self) -> AccountState {
        match self.0.to_ascii_lowercase().as_str() {
            "provisioned" | "enabled" => AccountState::On,
            "disabled" => AccountState::Off,
            "revoked" => AccountState::Revoked,
            "provisioning" | "waiting" | "none" | "ready" | "provide information" => {
                AccountState::NotYet
            }
            _ => AccountState::Unknown,
        }
    }
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// When a person's time ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndDate {
    /// As the server shows it.
    pub shown: Arc<str>,
    /// The first moment after it: a day is over at its end.
    pub over: Timestamp,
}

/// What the server shows of a person's last day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LastDay {
    /// None, or it knows no such field.
    NotShown,
    /// When it ends.
    On(EndDate),
    /// Something that is no date that can be read.
    Odd(Arc<str>),
}

impl LastDay {
    /// True where nothing says that his time may be over.
    pub fn lasts(&self, now: Timestamp) -> bool {
        match self {
            Self::NotShown => true,
            Self::On(end) => now < end.over,
            Self::Odd(_) => false,
        }
    }
}

/// What the server says of one account among a person's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfAccount<'a> {
    /// Its status.
    Status(&'a AccountStatus),
    /// The person's accounts are shown, and it is not among them.
    Missing,
    /// It is shown, and no status of it.
    NoStatus,
    /// No accounts are shown, or not all with their keys: it may be any or none of them.
    NotTold,
}

impl OfAccount<'_> {
    /// True where it says that the account is on, or shows it and says nothing of that.
    pub fn is_good(self) -> bool {
        match self {
            Self::Status(status) => status.state() == AccountState::On,
            Self::Missing | Self::NotTold => false,
            Self::NoStatus => true,
        }
    }
}

/// A person's accounts and last day, as one request shows them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// His accounts with what is shown of their status; `None`: the server shows none.
    pub accounts: Option<BTreeMap<ProcessKey, Option<AccountStatus>>>,
    /// Some of them show no key, or these are a part of them: one that is missing may be among the others.
    pub nameless: bool,
    /// `End Date`, where it is a date.
    pub end: Option<EndDate>,
    /// What stands there, where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odd_end: Option<Arc<str>>,
}

impl Standing {
    /// What is said of an account.
    pub fn of(&self, process: &ProcessKey) -> OfAccount<'_> {
        let Some(accounts) = &self.accounts else {
            return OfAccount::NotTold;
        };
        match accounts.get(process) {
            Some(Some(status)) => OfAccount::Status(status),
            Some(None) => OfAccount::NoStatus,
            None if self.nameless => OfAccount::NotTold,
            None => OfAccount::Missing,
        }
    }
}
