//! The traits as they stand in their file: schema, version, whose they are; a file of another version or server is never taken for this one's.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::Unseen;
use super::learned::{
    Accounts, NotProbed, Order, Paging, People, RetryTrait, Roads, Rows, Scope, Wire,
};
use crate::model::Login;

/// What the file calls itself.
pub const SCHEMA: &str = "provtaskd.traits";
/// Its version.
pub const VERSION: u32 = 1;

/// Everything that was learned of one server under one login.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Traits {
    /// [`SCHEMA`]
    pub schema: String,
    /// [`VERSION`]
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// When they were read.
    pub taken_at: Timestamp,
    /// The server.
    pub origin: String,
    /// The login.
    pub login: String,
    /// Read requests that it took.
    pub requests: u64,
    /// Rows of the list.
    pub rows: Rows,
    /// Its pages.
    pub paging: Paging,
    /// Its order.
    pub order: Order,
    /// Whose tasks it shows.
    pub scope: Scope,
    /// Accounts.
    pub accounts: Accounts,
    /// Other roads.
    pub roads: Roads,
    /// People.
    pub people: People,
    /// The connection.
    pub wire: Wire,
    /// What one guided retry has taught.
    #[serde(default)]
    pub retry: Option<RetryTrait>,
    /// What the last probe did not see; what stands there is an earlier one's, where there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// What was not probed, and how to learn it.
    pub not_probed: Vec<NotProbed>,
}

/// Why a file of traits can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TraitsError {
    /// It can't be read or written.
    #[error("the traits file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else, or of another version.
    #[error("the traits file {}: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Traits {
    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no traits file of this version.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TraitsError> {
        let foreign = |why: String| TraitsError::Foreign {
            path: path.to_owned(),
            why,
        };
        #[derive(Deserialize)]
        struct Head {
            schema: String,
            version: u32,
        }
        let head: Head = serde_json::from_str(text)
            .map_err(|error| foreign(format!("it is no traits file: {error}")))?;
        if head.schema != SCHEMA || head.version != VERSION {
            return Err(foreign(format!(
                "its schema is {} {}, this program reads {SCHEMA} {VERSION}",
                head.schema, head.version
            )));
        }
        serde_json::from_str(text).map_err(|error| foreign(error.to_string()))
    }

    /// True where they were read from this server under this login.
    pub fn is_of(&self, origin: &str, login: &str) -> bool {
        self.origin == origin && Login::new(&self.login) == Login::new(login)
    }
}
