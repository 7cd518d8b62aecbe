//! The written form of a record of decisions: the policy set, what scripts read and the moments of looking stand in it once, however many items share them; it reads the older forms too, where every item had its own.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DecidedItem, before};
use crate::model::hash::FastMap;
use crate::model::{PolicyHash, ReadValue};

/// The place of a hash that is written with the record.
pub(super) fn none() -> PolicyHash {
    PolicyHash::new("")
}

/// Values that stand in a record once, numbered in the order in which they came. Most items share the
/// very texts of others, so that looking at their addresses saves reading them.
#[derive(Default)]
struct Pairs<'a> {
    list: Vec<&'a ReadValue>,
    by_address: FastMap<(usize, usize), usize>,
    by_text: HashMap<&'a ReadValue, usize>,
}

impl<'a> Pairs<'a> {
    fn place(&mut self, pair: &'a ReadValue) -> usize {
        let address = (
            Arc::as_ptr(&pair.0).cast::<u8>().addr(),
            Arc::as_ptr(&pair.1).cast::<u8>().addr(),
        );
        if let Some(place) = self.by_address.get(&address) {
            return *place;
        }
        let place = *self.by_text.entry(pair).or_insert_with(|| {
            self.list.push(pair);
            self.list.len() - 1
        });
        self.by_address.insert(address, place);
        place
    }
}

/// Writes items, each of them whole, and beside them what they share, as it was up to version 7.
pub(super) fn serialize<S: Serializer>(items: &[DecidedItem], to: S) -> Result<S::Ok, S::Error> {
    write(items, items, to)
}

/// The same with items that leave out what is as in the one before.
pub(super) struct Lean<'a>(pub &'a [DecidedItem]);

impl Serialize for Lean<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write(self.0, &before::Row(self.0), to)
    }
}

fn write<S: Serializer>(
    items: &[DecidedItem],
    written: &(impl Serialize + ?Sized),
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut hashes: Vec<&PolicyHash> = Vec::new();
    let mut sets = Vec::with_capacity(items.len());
    let mut moments: Vec<&str> = Vec::new();
    let mut looks: Vec<Option<usize>> = Vec::with_capacity(items.len());
    let mut pairs = Pairs::default();
    let mut reads: Vec<Vec<usize>> = Vec::with_capacity(items.len());
    for item in items {
        // policy sets of one record are one, or very few
        let at = hashes.iter().position(|hash| **hash == item.hash);
        sets.push(at.unwrap_or(hashes.len()));
        if at.is_none() {
            hashes.push(&item.hash);
        }
        looks.push(item.moment.as_deref().map(|moment| {
            // they come in runs of one moment
            let at = moments.iter().rposition(|have| *have == moment);
            at.unwrap_or_else(|| {
                moments.push(moment);
                moments.len() - 1
            })
        }));
        reads.push(item.read.iter().map(|pair| pairs.place(pair)).collect());
    }
    let one = hashes.len() <= 1;
    let mut out = to.serialize_struct("Decided", 7)?;
    out.serialize_field("hashes", &hashes)?;
    if one {
        out.skip_field("sets")?;
    } else {
        out.serialize_field("sets", &sets)?;
    }
    out.serialize_field("pairs", &pairs.list)?;
    out.serialize_field("reads", &reads)?;
    out.serialize_field("moments", &moments)?;
    out.serialize_field("looks", &looks)?;
    out.serialize_field("items", written)?;
    out.end()
}

#[derive(Deserialize)]
struct Written {
    hashes: Option<Vec<PolicyHash>>,
    #[serde(default)]
    sets: Vec<usize>,
    #[serde(default)]
    pairs: Vec<ReadValue>,
    #[serde(default)]
    reads: Vec<Vec<usize>>,
    #[serde(default)]
    moments: Vec<Arc<str>>,
    looks: Option<Vec<Option<usize>>>,
    #[serde(deserialize_with = "before::deserialize")]
    items: Vec<DecidedItem>,
}

/// Reads items of any form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<DecidedItem>, D::Error> {
    let Written {
        hashes,
        sets,
        pairs,
        reads,
        moments,
        looks,
        mut items,
    } = Written::deserialize(from)?;
    let Some(hashes) = hashes else {
        // up to version 2 each item has all of its own
        return Ok(items);
    };
    let fits = |many: usize| many == items.len();
    if !(fits(reads.len())
        && (sets.is_empty() || fits(sets.len()))
        && looks.as_ref().is_none_or(|looks| fits(looks.len())))
    {
        return Err(D::Error::custom(
            "items and what they share are not equally many",
        ));
    }
    for (at, (item, places)) in items.iter_mut().zip(&reads).enumerate() {
        let set = sets.get(at).copied().unwrap_or(0);
        let hash = hashes.get(set);
        item.hash = hash
            .ok_or_else(|| D::Error::custom("no such policy set"))?
            .clone();
        let mut read = Vec::with_capacity(places.len());
        for place in places {
            let pair = pairs.get(*place);
            read.push(
                pair.ok_or_else(|| D::Error::custom("no such value"))?
                    .clone(),
            );
        }
        item.read = read.into();
        // in version 3 each item has its own
        if let Some(place) = looks.as_ref().and_then(|looks| looks.get(at).copied()) {
            item.moment = match place {
                Some(place) => {
                    let moment = moments.get(place);
                    Some(Arc::clone(
                        moment.ok_or_else(|| D::Error::custom("no such moment"))?,
                    ))
                }
                None => None,
            };
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{EventBody, Meta, chain, decode, genesis};
    use super::*;
    use crate::model::{Digest, Kind, LineageId, TaskId};

    fn item(number: u64, set: u8, read: &[(u8, u8)]) -> DecidedItem {
        let moment = number % 5;
        let pair = |(name, value): &(u8, u8)| {
            (
                Arc::from(format!("task.{name}")),
                Arc::from(format!("\"{value}\"")),
            )
        };
        DecidedItem {
            lineage: LineageId(number),
            task: TaskId::new(&number.to_string()),
            version: number,
            kind: Kind::Grant,
            policy: None,
            line: None,
            hash: PolicyHash::new(&format!("{set:064}")),
            inputs: Digest::new("d"),
            moment: (moment > 0).then(|| Arc::from(format!("{{\"at\":{moment}}}"))),
            verdict: None,
            fault: None,
            refusal: None,
            read: read.iter().map(pair).collect(),
            relook: None,
        }
    }

    fn events(items: Vec<DecidedItem>) -> Vec<Vec<u8>> {
        let meta = Meta::daemon("2027-03-01T08:00:00Z".parse().expect("a time"), None);
        let made = chain(&meta, EventBody::Decided { items }, 1, genesis()).expect("fits");
        made.into_iter().map(|(_, bytes, _)| bytes).collect()
    }

    proptest! {
        #[test]
        fn what_items_share_comes_back_with_each(
            all in prop::collection::vec((0u8..3, prop::collection::vec((0u8..4, 0u8..5), 0..20)), 0..90)
        ) {
            let items: Vec<DecidedItem> =
                (1..).zip(&all).map(|(n, (set, read))| item(n, *set, read)).collect();
            let mut back = Vec::new();
            for bytes in events(items.clone()) {
                let event = decode(&bytes).expect("own bytes");
                let EventBody::Decided { items } = event.body else { panic!("decided") };
                back.extend(items);
            }
            prop_assert_eq!(back, items);
        }
    }

    #[test]
    fn records_of_version_2_are_read() {
        let old = br#"{"v":2,"seq":7,"at":"2026-11-20T08:00:00Z","actor":{"who":"daemon"},"prev":"00","body":{"is":"decided","of":{"items":[
            {"l":3,"t":"41","w":9,"k":"create","f":"30-retry.rhai","ln":12,"h":"abc","i":"def","rd":[["task.status","rejected"]]},
            {"l":4,"t":"42","w":9,"k":"create","h":"abd","i":"deg"}]}}}"#;
        let event = decode(old).expect("an old record");
        let EventBody::Decided { items } = event.body else {
            panic!("decided")
        };
        assert_eq!(items[0].hash.as_str(), "abc");
        assert_eq!(*items[0].read, [("task.status".into(), "rejected".into())]);
        assert_eq!((items[1].hash.as_str(), items[1].read.len()), ("abd", 0));
    }

    #[test]
    fn records_of_version_3_are_read() {
        let old = br#"{"v":3,"seq":7,"at":"2026-11-20T08:00:00Z","actor":{"who":"daemon"},"prev":"00","body":{"is":"decided","of":{"hashes":["abc"],"pairs":[["task.status","rejected"]],"reads":[[0],[]],"items":[
            {"l":3,"t":"41","w":9,"k":"create","f":"30-retry.rhai","ln":12,"i":"def","m":"{\"h\":8}"},
            {"l":4,"t":"42","w":9,"k":"create","i":"deg"}]}}}"#;
        let event = decode(old).expect("an old record");
        let EventBody::Decided { items } = event.body else {
            panic!("decided")
        };
        assert_eq!(items[0].moment.as_deref(), Some("{\"h\":8}"));
        assert_eq!(items[1].moment, None);
        assert_eq!((items[0].read.len(), items[1].hash.as_str()), (1, "abc"));
    }

    #[test]
    fn records_of_version_4_are_read_as_they_were_written() {
        let bytes = br#"{"v":4,"seq":7,"at":"2026-11-28T08:00:00Z","actor":{"who":"daemon"},"prev":"00","body":{"is":"decided","of":{"hashes":["abc"],"pairs":[["task.status","rejected"]],"reads":[[0],[]],"moments":["{\"h\":8}"],"looks":[0,null],"items":[{"l":3,"t":"41","w":9,"k":"create","f":"30-retry.rhai","ln":12,"i":"def"},{"l":4,"t":"42","w":9,"k":"create","i":"deg"}]}}}"#;
        let event = decode(bytes).expect("a record");
        let back = super::super::encode(&event).expect("small");
        assert_eq!(
            String::from_utf8_lossy(&back),
            String::from_utf8_lossy(bytes)
        );
        let EventBody::Decided { items } = event.body else {
            panic!("decided")
        };
        assert_eq!(items[0].moment.as_deref(), Some("{\"h\":8}"));
        assert_eq!(items[1].moment, None);
    }

    #[test]
    fn places_that_are_not_there_are_no_record_and_no_panic() {
        let bytes = events(vec![item(1, 0, &[(1, 1)]), item(2, 0, &[(1, 1)])]).remove(0);
        let text = String::from_utf8(bytes).expect("text");
        for (from, to) in [
            ("\"reads\":[[0],[0]]", "\"reads\":[[0],[7]]"),
            ("\"reads\":[[0],[0]]", "\"reads\":[[0]]"),
            ("\"hashes\":[\"", "\"sets\":[0,9],\"hashes\":[\""),
            ("\"looks\":[0,1]", "\"looks\":[0,9]"),
            ("\"looks\":[0,1]", "\"looks\":[0]"),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text);
            assert!(decode(broken.as_bytes()).is_err(), "{to}");
        }
    }
}
