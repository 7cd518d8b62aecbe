//! The keys of anchors: the one that signs them, and former ones, which sign nothing any more and still vouch for what they have signed.

use crate::ledger::anchor::{Anchor, Key, KeyError};
use crate::model::settings::AuditSettings;

/// The key that signs first; without any, every line counts that is an anchor.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads all that are configured.
    ///
    /// # Errors
    /// One of them can't be used: without it nobody knows which anchors count.
    pub fn read(settings: &AuditSettings) -> Result<Self, KeyError> {
        let keys = settings.hmac_key_files().map(|path| Key::read(path));
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The one that signs.
    pub fn signing(&self) -> Option<&Key> {
        self.0.first()
    }

    /// True where any line counts that is an anchor.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one by which an anchor says that it was signed.
    pub fn of(&self, anchor: &Anchor) -> Option<&Key> {
        let named = anchor.key.as_deref()?;
        self.0.iter().find(|key| key.id() == named)
    }
}

#[cfg(test)]
impl From<Vec<Key>> for Keys {
    fn from(keys: Vec<Key>) -> Self {
        Self(keys)
    }
}
