//! The store for dry runs and tests: forgets everything with the process and is never used to send.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock};

use super::error::StoreError;
use super::store::Store;

/// A journal in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: RwLock<BTreeMap<u64, Vec<u8>>>,
}

impl Store for MemoryStore {
    fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        let mut have = self.records.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((seq, _)) = records.iter().find(|(seq, _)| have.contains_key(seq)) {
            return Err(StoreError::Taken(*seq));
        }
        have.extend(records.iter().cloned());
        Ok(())
    }

    fn visit(
        &self,
        from: u64,
        visitor: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let have = self.records.read().unwrap_or_else(PoisonError::into_inner);
        for (seq, bytes) in have.range(from..) {
            if visitor(*seq, bytes).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let have = self.records.read().unwrap_or_else(PoisonError::into_inner);
        Ok(have.get(&seq).cloned())
    }

    fn last(&self) -> Result<Option<u64>, StoreError> {
        let have = self.records.read().unwrap_or_else(PoisonError::into_inner);
        Ok(have.last_key_value().map(|(seq, _)| *seq))
    }
}
