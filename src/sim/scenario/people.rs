//! The people part of a scenario file: logins, users, roles, proxies, requests; it must never check what they refer to.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::super::time::When;
use super::OPERATORS;

/// A login that may call the server. Its password is sample data, not a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSpec {
    /// User login.
    pub login: String,
    /// Sample password.
    pub password: String,
    /// Roles it is a member of.
    pub roles: Vec<String>,
    /// Holds the System Administrator admin role.
    pub is_admin: bool,
}

impl Default for LoginSpec {
    fn default() -> Self {
        Self {
            login: "PROVSVC".to_owned(),
            password: "sim-password-1".to_owned(),
            roles: vec![OPERATORS.to_owned()],
            is_admin: false,
        }
    }
}

/// A role.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleSpec {
    /// Role key, else the next free one.
    pub key: Option<u64>,
    /// Name.
    pub name: String,
    /// Logins of its members.
    pub members: Vec<String>,
}

/// The words that OIG has for a user's status.
const STATUSES: [&str; 4] = ["Active", "Disabled", "Deleted", "Disabled Until Start Date"];

/// A user's status as OIG writes it, whatever the case in which it was typed: who is `active` may have access.
pub(super) fn user_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = STATUSES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(text.trim()));
    let known = known.ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no status of a user; write one of: {}",
            STATUSES.join(", ")
        ))
    })?;
    Ok((*known).to_owned())
}

/// The same where it may be left out.
pub(super) fn some_status<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    user_status(deserializer).map(Some)
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserSpec {
    /// User key, else the next free one.
    pub key: Option<u64>,
    /// Login.
    pub login: String,
    /// First name.
    pub first: String,
    /// Last name.
    pub last: String,
    /// `Active`, `Disabled`, `Deleted`, `Disabled Until Start Date`; in any case.
    #[serde(deserialize_with = "user_status")]
    pub status: String,
    /// Login of the manager.
    pub manager: Option<String>,
    /// Whether callers may see this user.
    pub visible: bool,
    /// Any other attribute, or another value for a usual one.
    pub fields: BTreeMap<String, String>,
}

impl Default for UserSpec {
    fn default() -> Self {
        Self {
            key: None,
            login: String::new(),
            first: String::new(),
            last: String::new(),
            status: "Active".to_owned(),
            manager: None,
            visible: true,
            fields: BTreeMap::new(),
        }
    }
}

/// A proxy: `proxy` stands for `user` from `start` to `end`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySpec {
    /// Proxy record id, else the next free one.
    pub id: Option<u64>,
    /// Login of the one who is stood for.
    pub user: String,
    /// Login of the stand-in.
    pub proxy: String,
    /// Start.
    pub start: When,
    /// End.
    pub end: When,
    /// `MANAGER` or another word.
    #[serde(default = "manager")]
    pub relationship: String,
}

fn manager() -> String {
    "MANAGER".to_owned()
}

/// An access request, as the requests list shows it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSpec {
    /// Request id.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Who has to approve.
    pub assignee: String,
    /// Login that made it.
    pub creator: String,
    /// Its time, as sent.
    pub created: String,
    /// `ASSIGNED` and so on.
    pub state: String,
    /// `Request Awaiting Approval` and so on.
    pub status: String,
    /// `Modify User Profile` and so on.
    pub kind: String,
    /// Key of the beneficiary.
    pub beneficiary: u64,
    /// Key of the requester.
    pub requester: u64,
    /// Id of the approval task.
    pub task_id: String,
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;

    fn of(user: &str, population: &str) -> Result<Scenario, String> {
        let text = format!(
            "name = \"x\"\n[[target]]\nname = \"AD\"\n[[user]]\nlogin = \"ANN\"\nstatus = \"{user}\"\n[[population]]\ntarget = \"AD\"\naccounts = 1\nstatus = \"{population}\"\n"
        );
        Scenario::from_toml(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_status_is_a_word_of_oig_in_any_case() {
        let read = of("active", "disabled until START date").expect("both are known");
        assert_eq!(read.user[0].status, "Active");
        assert_eq!(read.population[0].status, "Disabled Until Start Date");
        let error = of("Active", "gone").expect_err("no such word");
        assert!(
            error.contains("line 10") && error.contains("write one of: Active, Disabled"),
            "{error}"
        );
    }
}
