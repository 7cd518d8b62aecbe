//! What a status says of the daemon's files: plain values with stable field names; it judges nothing.

use serde::{Deserialize, Serialize};

/// A store that holds less than was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RewoundView {
    /// The last record that was acknowledged; `None` where that can't be known.
    pub acknowledged: Option<u64>,
    /// The last record that was there.
    pub last: u64,
    /// Where the journal is as it was before it was opened, if a copy was made.
    pub copy: Option<String>,
}
