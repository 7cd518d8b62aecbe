//! The written form of a record of decisions: the policy set and what scripts read stand in it once, however many items share them; it reads the older form too, where every item had its own.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::DecidedItem;
use crate::model::{PolicyHash, ReadValue};

/// The place of a hash that is written with the record.
pub(super) fn none() -> PolicyHash {
    PolicyHash::new("")
}

/// Writes items, and beside them what they share.
pub(super) fn serialize<S: Serializer>(items: &[DecidedItem], to: S) -> Result<S::Ok, S::Error> {
    let mut hashes: Vec<&PolicyHash> = Vec::new();
    let mut sets = Vec::with_capacity(items.len());
    let mut pairs: Vec<&ReadValue> = Vec::new();
    let mut known: HashMap<&ReadValue, usize> = HashMap::new();
    let mut reads: Vec<Vec<usize>> = Vec::with_capacity(items.len());
    for item in items {
        // policy sets of one record are one, or very few
        let at = hashes.iter().position(|hash| **hash == item.hash);
        sets.push(at.unwrap_or(hashes.len()));
        if at.is_none() {
            hashes.push(&item.hash);
        }
        let places = item.read.iter().map(|pair| {
            *known.entry(pair).or_insert_with(|| {
                pairs.push(pair);
                pairs.len() - 1
            })
        });
        reads.push(places.collect());
    }
    let one = hashes.len() <= 1;
    let mut out = to.serialize_struct("Decided", 5)?;
    out.serialize_field("hashes", &hashes)?;
    if one {
        out.skip_field("sets")?;
    } else {
        out.serialize_field("sets", &sets)?;
    }
    out.serialize_field("pairs", &pairs)?;
    out.serialize_field("reads", &reads)?;
    out.serialize_field("items", items)?;
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
    items: Vec<DecidedItem>,
}

/// Reads items of either form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<DecidedItem>, D::Error> {
    let Written {
        hashes,
        sets,
        pairs,
        reads,
        mut items,
    } = Written::deserialize(from)?;
    let Some(hashes) = hashes else {
        // up to version 2 each item has all of its own
        return Ok(items);
    };
    if reads.len() != items.len() || !(sets.is_empty() || sets.len() == items.len()) {
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
            moment: None,
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
    fn places_that_are_not_there_are_no_record_and_no_panic() {
        let bytes = events(vec![item(1, 0, &[(1, 1)]), item(2, 0, &[(1, 1)])]).remove(0);
        let text = String::from_utf8(bytes).expect("text");
        for (from, to) in [
            ("\"reads\":[[0],[0]]", "\"reads\":[[0],[7]]"),
            ("\"reads\":[[0],[0]]", "\"reads\":[[0]]"),
            ("\"hashes\":[\"", "\"sets\":[0,9],\"hashes\":[\""),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text);
            assert!(decode(broken.as_bytes()).is_err(), "{to}");
        }
    }
}
