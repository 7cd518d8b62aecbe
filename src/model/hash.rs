//! Hashing for tables that hold every row of a list: the standard hash was a fifth of a cycle in which nothing changes. Seeded, so that a list can't be made to collide on purpose; never for anything that is stored or compared between runs.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map for very many rows.
pub type FastMap<K, V> = HashMap<K, V, Seeded>;
/// A set for very many rows.
pub type FastSet<K> = HashSet<K, Seeded>;

/// Seeded anew for each table.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Quick;

    fn build_hasher(&self) -> Quick {
        Quick(self.0)
    }
}

/// Multiply and turn, eight bytes at a time.
#[derive(Debug)]
pub struct Quick(u64);

impl Quick {
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let last = rest
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.word(last ^ u64::from(!rest.is_empty()) << 63);
    }

    fn write_u8(&mut self, byte: u8) {
        self.word(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // the high bits are the good ones; the table uses both ends
        let sum = self.0 ^ self.0 >> 32;
        sum.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ sum >> 29
    }
}
