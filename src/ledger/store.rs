//! What the ledger needs of a store: append durably, read back in order; it knows nothing of events.

use std::ops::ControlFlow;

use super::error::StoreError;

/// A journal of values under rising numbers.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Appends all or, after a crash, a prefix; on return they are on disk.
    ///
    /// # Errors
    /// Nothing may be acknowledged after one; the store is then not to be used any more.
    fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError>;

    /// The same, but nobody waits for it: it need not be on disk before [`Store::sync`], or the next append,
    /// has brought all of it there.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn place(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        self.append(records)
    }

    /// Brings to the disk whatever was placed.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Shows records from number `from` on, in order, until the visitor breaks.
    ///
    /// # Errors
    /// What the store could not read.
    fn visit(
        &self,
        from: u64,
        visitor: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// One record.
    ///
    /// # Errors
    /// What the store could not read.
    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// The highest number, without reading everything.
    ///
    /// # Errors
    /// What the store could not read.
    fn last(&self) -> Result<Option<u64>, StoreError>;
}
