//! Whether the row under a known id is still the task that the ledger knows by it; pure. What is not shown is unknown, never different, and no form of a date makes a difference.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::index::{Index, Lineage, Stamp, TaskRef, flags};
use super::lineage::child_digest;
use super::record::Redefined;
use crate::model::task::Fnv;
use crate::model::{DefKey, ProcessKey, Task};

/// Marks the hash of a process key that is no number.
const TEXT: u64 = 1 << 63;

/// A process key in eight bytes: its number where it is one, else a hash; 0 stands for none. Two that
/// differ are of different keys.
pub fn mark_of(process: Option<&ProcessKey>) -> u64 {
    let Some(process) = process else {
        return 0;
    };
    let text = process.as_str();
    // "+77" and "077" are other keys than "77"
    let plain = !text.starts_with(['0', '+']);
    match text.parse::<u64>() {
        Ok(number) if plain && number < TEXT => number,
        _ => {
            let mut hash = Fnv::default();
            hash.text(text);
            hash.finish() | TEXT
        }
    }
}

/// True for the mark of a key that is a number: the key can be read off it.
pub(super) fn is_number(mark: u64) -> bool {
    mark != 0 && mark < TEXT
}

/// Which of the facts that never change of a task are other ones now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Differs {
    pub process: bool,
    pub definition: bool,
    pub created: bool,
}

impl Differs {
    pub fn any(self) -> bool {
        self.count() > 0
    }

    pub fn count(self) -> u8 {
        u8::from(self.process) + u8::from(self.definition) + u8::from(self.created)
    }
}

/// Compares a row with what is known of its id. A login that is not the same is no difference: people
/// are renamed. Nor is a definition's key alone, in the known account. A creation date is another one only where it is later than our own sight of the id: then
/// the task can't have been there yet.
pub(super) fn differs(index: &Index, of: &Lineage, id: &TaskRef, task: &Task) -> Differs {
    let process = mark_of(task.process.as_ref());
    let definition = || {
        let key = task.definition_key.as_ref()?;
        let then = index.definitions.get(of.definition)?;
        Some(then.definition.strip_prefix('#')? != key.as_str())
    };
    let created = || {
        let (then, seen) = made_then(of, id)?;
        let now = task.created?;
        Some(now > seen.time() && !same_moment(then.time(), now))
    };
    // its elders were shown under another account, where that has changed with the id
    let elder = of.has(flags::MOVED) && of.task != *id;
    let process_differs = process != 0 && of.process != 0 && process != of.process && !elder;
    Differs {
        process: process_differs,
        definition: definition().unwrap_or(false) && !same_but_redefined(of, id, process, task),
        created: created().unwrap_or(false),
    }
}

/// True where a definition key of its own is no difference: the account is shown and the same, and
/// nothing speaks against the creation date. A connector that is imported anew changes the keys of
/// definitions, also of rows that are open.
fn same_but_redefined(of: &Lineage, id: &TaskRef, process: u64, task: &Task) -> bool {
    let dates = made_then(of, id)
        .map(|(then, _)| then.time())
        .zip(task.created);
    process != 0 && process == of.process && dates.is_none_or(|(then, now)| same_moment(then, now))
}

/// The definition of a row under its lineage's id, where it is another one than was known.
pub(super) fn redefined(index: &Index, of: &Lineage, task: &Task) -> Option<Redefined> {
    let key = task.definition_key.as_ref()?;
    let then = index.definitions.get(of.definition)?;
    let before = then.definition.strip_prefix('#')?;
    (before != key.as_str()).then(|| Redefined {
        definition: key.clone(),
        process: task.process.clone(),
        user: task.beneficiary.clone(),
        child: child_digest(task),
    })
}

/// The row of a successor that its link tells, where it shows another account than its elder.
pub(super) fn moved(index: &Index, of: &Lineage, task: &Task) -> Option<Redefined> {
    let process = mark_of(task.process.as_ref());
    let then = index.definitions.get(of.definition)?;
    let known = then.definition.strip_prefix('#').map(DefKey::new);
    (process != 0 && process != of.process).then_some(())?;
    Some(Redefined {
        definition: task.definition_key.clone().or(known)?,
        process: task.process.clone(),
        user: task.beneficiary.clone(),
        child: child_digest(task),
    })
}

/// When an id was made by the server's clock, and when it was seen here at the latest; of the first
/// and the present id of a lineage.
fn made_then(of: &Lineage, id: &TaskRef) -> Option<(Stamp, Stamp)> {
    match &of.past {
        Some(past) if !past.ids.is_empty() => {
            if of.task == *id {
                return Some((past.made?, of.failed_since));
            }
            let first = past.ids.first() == Some(id);
            first.then_some((of.created?, of.first_seen))
        }
        _ => Some((of.created?, of.first_seen)),
    }
}

/// True for what may be one moment in two forms: with and without its fraction, read in another zone,
/// or a day alone.
fn same_moment(a: Timestamp, b: Timestamp) -> bool {
    const QUARTER: i64 = 15 * 60;
    let apart = a.duration_since(b).abs();
    let off = apart.as_secs().rem_euclid(QUARTER);
    let zones = apart <= SignedDuration::from_hours(26) && (off <= 1 || off >= QUARTER - 1);
    let a_day =
        |at: Timestamp| at.subsec_nanosecond() == 0 && at.as_second().rem_euclid(QUARTER) == 0;
    let days = apart <= SignedDuration::from_hours(48) && (a_day(a) || a_day(b));
    apart < SignedDuration::from_secs(2) || zones || days
}

/// What differs, with the values then and now.
pub(super) fn in_words(index: &Index, of: &Lineage, task: &Task, differs: Differs) -> String {
    let mut out = format!("task {}", task.id);
    // writing into a String can't fail
    if differs.process {
        let then = match of.process {
            number if number < TEXT => number.to_string(),
            _ => "another".to_owned(),
        };
        let now = task.process.as_ref().map_or("-", |key| key.as_str());
        let _ = write!(out, ", account {then} then and {now} now");
    }
    if differs.definition {
        let then = index.definitions.get(of.definition);
        let then = then.map_or("-", |known| known.definition.trim_start_matches('#'));
        let now = task.definition_key.as_ref().map_or("-", |key| key.as_str());
        let _ = write!(out, ", definition {then} then and {now} now");
    }
    let then = made_then(of, &TaskRef::from(&task.id));
    if differs.created
        && let (Some((then, _)), Some(now)) = (then, task.created)
    {
        let _ = write!(out, ", created {:.0} then and {now:.0} now", then.time());
    }
    if let Some((_, seen)) = then {
        let _ = write!(out, ", seen here {:.0}", seen.time());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_moment_in_another_form_is_the_same_and_another_moment_is_not() {
        let then = at("2027-03-01T08:03:07.25Z");
        for same in [
            "2027-03-01T08:03:07Z",
            "2027-03-01T08:03:08Z",
            "2027-03-01T10:03:07Z",
            "2027-03-01T02:33:07Z",
            "2027-03-01T00:00:00Z",
            "2027-02-28T22:00:00Z",
        ] {
            assert!(same_moment(then, at(same)), "{same}");
        }
        for other in [
            "2027-03-01T08:03:37Z",
            "2027-03-01T09:11:07Z",
            "2027-03-04T08:03:07Z",
            "2027-03-04T00:00:00Z",
        ] {
            assert!(!same_moment(then, at(other)), "{other}");
        }
    }

    #[test]
    fn marks_of_different_keys_differ_and_none_has_none() {
        assert_eq!(mark_of(None), 0);
        let keys = ["77", "78", "0", "-1", "abc", "18446744073709551615", "+77"];
        for (n, one) in keys.iter().enumerate() {
            for other in &keys[n + 1..] {
                let marks = [one, other].map(|key| mark_of(Some(&ProcessKey::new(key))));
                let same = ProcessKey::new(one) == ProcessKey::new(other);
                assert_eq!(marks[0] == marks[1], same, "{one} {other}");
            }
        }
        assert_ne!(mark_of(Some(&ProcessKey::new("0"))), 0);
    }
}
