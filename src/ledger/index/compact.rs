//! The small forms in which a million lineages fit into memory; they hold nothing that the journal doesn't.

use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;

use super::apart::Apart;
use crate::governor::Lane;
use crate::ledger::lineage::JoinKey;
use crate::ledger::ran::RunMark;
use crate::ledger::record::OpenedItem;
use crate::model::hash::FastMap;
use crate::model::task::DefinitionId;
use crate::model::{AttemptState, Digest, Kind, RefusalReason, TaskId};

/// A time in microseconds, half the size of a [`Timestamp`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp(i64);

impl From<Timestamp> for Stamp {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl Stamp {
    /// Back to domain time.
    pub fn time(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MIN)
    }
}

/// A task id without an allocation where it is a number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TaskRef {
    /// A canonical number.
    Number(u64),
    /// Anything else.
    Text(Arc<str>),
}

impl From<&TaskId> for TaskRef {
    fn from(id: &TaskId) -> Self {
        match id.number() {
            // only what comes back as the same text: "+7" parses as a number but is another id
            Some(number) if id.as_str().bytes().all(|b| b.is_ascii_digit()) => Self::Number(number),
            _ => Self::Text(id.shared()),
        }
    }
}

impl From<&TaskRef> for TaskId {
    fn from(of: &TaskRef) -> Self {
        match of {
            TaskRef::Number(number) => digits(*number, |text| Self::from_canonical(text.into())),
            TaskRef::Text(text) => Self::from_canonical(Arc::clone(text)),
        }
    }
}

/// Shows a number as text, which takes no place of its own.
fn digits<T>(mut number: u64, show: impl FnOnce(&str) -> T) -> T {
    // as many as the largest has
    let mut room = [b'0'; 20];
    let mut first = room.len() - 1;
    for at in (0..room.len()).rev() {
        room[at] = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
        first = at;
        if number == 0 {
            break;
        }
    }
    show(std::str::from_utf8(&room[first..]).unwrap_or_default())
}

/// The first half of a SHA-256: enough to tell a store's own digests apart, at a quarter of the text's size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Short([u8; 16]);

/// The value of each hexadecimal digit as digests have them; of every other byte [`NO_DIGIT`].
const DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
const NO_DIGIT: u8 = 0xff;

impl From<&Digest> for Short {
    fn from(of: &Digest) -> Self {
        let mut short = [0u8; 16];
        let text = of.as_str().as_bytes();
        // without a branch for each digit: it is asked for with every look at every task
        let values = text.iter().map(|byte| DIGITS[usize::from(*byte)]);
        if text.len() == 64 && values.fold(0, |all, value| all | value) < 16 {
            for (to, pair) in short.iter_mut().zip(text.as_chunks().0) {
                let [high, low] = pair.map(|byte| DIGITS[usize::from(byte)]);
                *to = high << 4 | low;
            }
            return Self(short);
        }
        // not one of our own making: its own digest stands for it
        let whole = crate::ledger::record::digest_of(text);
        Self::from(&whole)
    }
}

/// Numbers for values of which there are few.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Interner<T> {
    values: Vec<T>,
    at: FastMap<T, u32>,
    /// The last one that was put in: mostly the next one is the same.
    last: u32,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            at: FastMap::default(),
            last: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// The value's number, from 1; 0 stands for none (and for what is beyond four thousand million values).
    pub fn put(&mut self, value: &T) -> u32 {
        if self.get(self.last) == Some(value) {
            return self.last;
        }
        if let Some(at) = self.at.get(value) {
            self.last = *at;
            return *at;
        }
        let Ok(at) = u32::try_from(self.values.len() + 1) else {
            return 0;
        };
        self.values.push(value.clone());
        self.at.insert(value.clone(), at);
        self.last = at;
        at
    }

    /// The number of a value that may not be there.
    pub fn find(&self, value: &T) -> Option<u32> {
        self.at.get(value).copied()
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    /// The value that was put in last.
    pub fn last(&self) -> Option<(u32, &T)> {
        Some((self.last, self.get(self.last)?))
    }

    /// The value of a number.
    pub fn get(&self, at: u32) -> Option<&T> {
        let at = usize::try_from(at).ok()?.checked_sub(1)?;
        self.values.get(at)
    }
}

/// Bits of [`Lineage::flags`].
pub(in crate::ledger) mod flags {
    /// Could be the successor of more than one.
    pub const AMBIGUOUS: u16 = 1;
    /// Completion was read; the episode is over.
    pub const DONE: u16 = 2;
    /// Was there before enforce was switched on for it.
    pub const BASELINE: u16 = 4;
    /// Released by a person, from baseline and age limit.
    pub const RELEASED: u16 = 8;
    /// The last decision waits for a person.
    pub const ASKS: u16 = 16;
    /// Its id is another task's now: it has no successor, and nothing is done for it any more.
    pub const RETIRED: u16 = 32;
    /// Done by a person's word alone: its successor, which nobody has read, may still be shown.
    pub const SAID: u16 = 64;
    /// No list shows it any more, and no attempt waits to be told; since when is in `Index::left`.
    pub const LEFT: u16 = 128;
    /// It was seen that what it gives was taken away later; a person has not said otherwise since.
    pub const STALE: u16 = 256;
    /// Its present id is shown under another account than its elders.
    pub const MOVED: u16 = 512;
    /// Released after it had been refused for its age.
    pub const RELEASED_OLD: u16 = 1024;
}

/// The last decision, in small.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::ledger) struct Decided {
    pub what: u64,
    pub said: u64,
    pub seq: u64,
    pub at: Stamp,
    pub refusal: Option<RefusalReason>,
}

/// What is only there for lineages that have a past.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::ledger) struct Past {
    pub ids: Vec<TaskRef>,
    /// When the server made the present id, where it is no first one.
    pub made: Option<Stamp>,
    /// A successor that was joined by likeness alone, long after its retry.
    pub apart: Option<Apart>,
    pub attempts: Vec<PastAttempt>,
    pub owners: Vec<u32>,
    pub last_at: Stamp,
    pub total: u32,
    pub counted: u16,
    pub foreign: u16,
    pub episode: u16,
    /// Sends in a row that the server ended as a whole, for a reason of the task's own, and that were not applied.
    pub in_vain: u8,
    /// Retries of the episode that were read as not applied although their requests may have been carried out.
    pub unproven: u8,
    /// A person has reset it since its last attempt.
    pub reset: bool,
    pub last_state: Option<AttemptState>,
    /// What lists had shown of its last run by the last claim.
    pub ran: RunMark,
    /// The record of the last claim, and of the decision behind it (0: none is known).
    pub claimed_in: u64,
    pub decided_in: u64,
    /// The last attempt that was justified in the task's note, or was to be.
    pub justified: u32,
}

/// A past attempt, in small.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ledger) struct PastAttempt {
    pub ordinal: u32,
    pub at: Stamp,
    pub state: AttemptState,
    pub lane: Lane,
    pub reason: Option<Arc<str>>,
}

/// One lineage.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ledger) struct Lineage {
    pub task: TaskRef,
    pub key: Option<JoinKey>,
    /// Target, definition and user, in small; 0 where target or definition were not shown.
    pub who: u32,
    /// The account, as `facts::mark_of` has it; 0 where it was not shown.
    pub process: u64,
    pub created: Option<Stamp>,
    pub first_seen: Stamp,
    pub failed_since: Stamp,
    pub print: u64,
    pub target: u32,
    pub definition: u32,
    pub owner: u32,
    /// What was last shown of its last run; unknown from a claim on, until a list tells.
    pub run: RunMark,
    pub kind: Kind,
    pub flags: u16,
    pub decided: Option<Decided>,
    pub past: Option<Box<Past>>,
}

impl Lineage {
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub fn set(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    pub fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }
}

/// True where a first sight shows the key of this definition: mostly it is that of the one before.
pub(in crate::ledger) fn shows(item: &OpenedItem, of: &DefinitionId) -> bool {
    let key = item.definition.as_ref().map(|key| key.as_str());
    key.is_some()
        && of.definition.strip_prefix('#') == key
        && item.target.as_ref() == Some(&of.target)
}

/// The definition of a first sight: by key, else by lower-case name.
pub(in crate::ledger) fn definition_of(
    item: &OpenedItem,
    name: Option<&str>,
) -> Option<DefinitionId> {
    let definition = match (&item.definition, name) {
        (Some(key), _) => format!("#{key}"),
        (None, Some(name)) => name.to_owned(),
        (None, None) => return None,
    };
    Some(DefinitionId {
        target: item.target.clone()?,
        definition: definition.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_with_its_place_in_the_map_stays_below_its_share() {
        // 250 bytes each is what two gigabytes at a million tasks leave to the ledger
        assert!(
            std::mem::size_of::<Lineage>() + std::mem::size_of::<(TaskRef, u32)>() * 2 + 32 <= 250
        );
    }

    #[test]
    fn a_digest_is_known_by_its_first_half_and_no_other_text_passes_for_one() {
        let own = crate::ledger::record::digest_of(b"a text");
        let Short(half) = Short::from(&own);
        let words: String = half.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(words, own.as_str()[..32]);
        // neither what only looks alike nor what is shorter or longer
        let upper = own.as_str().to_uppercase();
        let others = [&upper, &own.as_str()[..32], &format!("{own}0"), "", "ä"];
        for other in others {
            assert_ne!(Short::from(&Digest::new(other)), Short(half), "{other}");
        }
        let odd = own.as_str().replacen(&own.as_str()[63..], "g", 1);
        assert_ne!(Short::from(&Digest::new(&odd)), Short(half));
    }

    #[test]
    fn ids_come_back_as_they_were() {
        for text in [
            "7",
            "0",
            "10",
            "9000000000",
            "18446744073709551615",
            "99999999999999999999999",
            "ab-1",
        ] {
            let id = TaskId::new(text);
            assert_eq!(TaskId::from(&TaskRef::from(&id)), id);
        }
    }
}
