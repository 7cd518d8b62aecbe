//! The written form of first sights and of answers since version 9: what a sight shows of its definition and date stands where it is not as in the one before, owners stand in a record once, and of an answer only what is not SUCCESS. It reads the older forms too, where each item had all of it.
//!
//! What may be taken out of a record later (people) is left out here in no way that would make the rest longer
//! then: a record that is rewritten keeps its place, and has to fit it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::ser::{SerializeSeq as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{OpenedItem, ReceiptItem};
use crate::ledger::lineage::KnownBy;
use crate::ledger::ran::RunMark;
use crate::model::{
    DefKey, Digest, Kind, LineageId, Login, Owner, ProcessKey, ReceiptStatus, TargetName, TaskId,
};

/// Writes items, each of them whole, as it was up to version 8.
pub(super) fn serialize<S: Serializer>(items: &[OpenedItem], to: S) -> Result<S::Ok, S::Error> {
    let mut out = to.serialize_struct("LineagesOpened", 1)?;
    out.serialize_field("items", items)?;
    out.end()
}

/// First sights as they are written since then.
pub(super) struct Lean<'a>(pub &'a [OpenedItem]);

impl Serialize for Lean<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // of one record there are few
        let mut owners: Vec<&Owner> = Vec::new();
        let places = self.0.iter().map(|item| {
            let owner = item.owner.as_ref()?;
            let at = owners.iter().rposition(|have| *have == owner);
            Some(at.unwrap_or_else(|| {
                owners.push(owner);
                owners.len() - 1
            }))
        });
        let places: Vec<Option<usize>> = places.collect();
        let mut out = to.serialize_struct("LineagesOpened", 2)?;
        out.serialize_field("owners", &owners)?;
        out.serialize_field("items", &Row(self.0, &places))?;
        out.end()
    }
}

/// Items, each with the place of its owner.
struct Row<'a>(&'a [OpenedItem], &'a [Option<usize>]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_seq(Some(self.0.len()))?;
        let mut before: Option<&OpenedItem> = None;
        for (item, owner) in self.0.iter().zip(self.1) {
            let lean = before.filter(|before| is_as(item, before));
            out.serialize_element(&written(item, lean, *owner))?;
            before = Some(item);
        }
        out.end()
    }
}

/// True where what is left out can be told from the item before: a date that is not there could not.
fn is_as(item: &OpenedItem, before: &OpenedItem) -> bool {
    item.kind == before.kind
        && item.target == before.target
        && item.definition == before.definition
        && item.name == before.name
        && (item.created.is_some() || before.created.is_none())
}

#[derive(Serialize)]
struct Written<'a> {
    l: LineageId,
    t: &'a TaskId,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    g: Option<&'a TargetName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dk: Option<&'a DefKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dn: Option<&'a Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: &'a Option<ProcessKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    u: &'a Option<Login>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ch: &'a Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ow: Option<usize>,
    x: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    a: bool,
    #[serde(skip_serializing_if = "RunMark::is_unknown")]
    r: RunMark,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    w: bool,
}

fn written<'a>(
    item: &'a OpenedItem,
    before: Option<&OpenedItem>,
    place: Option<usize>,
) -> Written<'a> {
    // an item that is added has to be added here
    let OpenedItem {
        lineage,
        task,
        created,
        kind,
        target,
        definition,
        name,
        process,
        user,
        child,
        // by its place
        owner: _,
        print,
        ambiguous,
        run,
        by_date,
        // never written
        known_by: _,
    } = item;
    let whole = before.is_none();
    Written {
        l: *lineage,
        t: task,
        c: created.filter(|_| before.is_none_or(|before| before.created != *created)),
        k: whole.then_some(*kind),
        g: target.as_ref().filter(|_| whole),
        dk: definition.as_ref().filter(|_| whole),
        dn: name.as_ref().filter(|_| whole),
        p: process,
        u: user,
        ch: child,
        ow: place,
        x: *print,
        a: *ambiguous,
        r: *run,
        w: *by_date,
    }
}

/// An item of any form: one without its kind is as the one before it.
#[derive(Deserialize)]
struct Read {
    l: LineageId,
    t: TaskId,
    c: Option<Timestamp>,
    k: Option<Kind>,
    g: Option<TargetName>,
    dk: Option<DefKey>,
    dn: Option<Arc<str>>,
    p: Option<ProcessKey>,
    u: Option<Login>,
    ch: Option<Digest>,
    /// Its owner, up to version 8.
    o: Option<Owner>,
    /// The place of its owner.
    ow: Option<usize>,
    x: u64,
    #[serde(default)]
    a: bool,
    #[serde(default)]
    r: RunMark,
    #[serde(default)]
    w: bool,
}

#[derive(Deserialize)]
struct AllRead {
    #[serde(default)]
    owners: Vec<Owner>,
    items: Vec<Read>,
}

/// Reads items of any form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OpenedItem>, D::Error> {
    let AllRead { owners, items } = AllRead::deserialize(from)?;
    let mut all: Vec<OpenedItem> = Vec::with_capacity(items.len());
    for read in items {
        let owner = match read.ow {
            Some(place) => {
                let owner = owners.get(place);
                Some(
                    owner
                        .ok_or_else(|| D::Error::custom("no such owner"))?
                        .clone(),
                )
            }
            None => read.o,
        };
        let (kind, target, definition, name, created) = match read.k {
            Some(kind) => (kind, read.g, read.dk, read.dn, read.c),
            None => {
                let of = all.last().ok_or_else(|| {
                    D::Error::custom("an item is as one before it, and is the first")
                })?;
                (
                    of.kind,
                    of.target.clone(),
                    of.definition.clone(),
                    of.name.clone(),
                    read.c.or(of.created),
                )
            }
        };
        all.push(OpenedItem {
            lineage: read.l,
            task: read.t,
            created,
            kind,
            target,
            definition,
            name,
            process: read.p,
            user: read.u,
            child: read.ch,
            owner,
            print: read.x,
            ambiguous: read.a,
            run: read.r,
            by_date: read.w,
            known_by: KnownBy::default(),
        });
    }
    Ok(all)
}

/// The answer of an item that names none.
pub(super) fn accepted() -> ReceiptStatus {
    ReceiptStatus::Accepted
}

/// Answers as they are written since version 9.
pub(super) struct Answers<'a>(pub &'a [ReceiptItem]);

impl Serialize for Answers<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            l: LineageId,
            n: u32,
            t: &'a TaskId,
            #[serde(skip_serializing_if = "Option::is_none")]
            r: Option<&'a ReceiptStatus>,
        }
        to.collect_seq(self.0.iter().map(|item| {
            let ReceiptItem {
                lineage,
                ordinal,
                task,
                status,
            } = item;
            Written {
                l: *lineage,
                n: *ordinal,
                t: task,
                r: Some(status).filter(|status| **status != ReceiptStatus::Accepted),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{EventBody, Meta, chain, decode, encode, genesis};
    use super::*;
    use crate::model::BatchId;

    fn opened(number: u64, sort: (u8, u8, u8)) -> OpenedItem {
        let (what, when, whose) = sort;
        OpenedItem {
            lineage: LineageId(number),
            task: TaskId::new(&number.to_string()),
            created: when
                .checked_sub(1)
                .map(|n| Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(n.into())),
            kind: if what == 0 { Kind::Revoke } else { Kind::Grant },
            target: (what > 1).then(|| TargetName::new("AD")),
            definition: (what > 2).then(|| DefKey::new("3")),
            name: (what > 0).then(|| Arc::from(format!("Name {}", what / 2))),
            process: number
                .is_multiple_of(3)
                .then(|| ProcessKey::new(&number.to_string())),
            user: number.is_multiple_of(4).then(|| Login::new("A")),
            child: number.is_multiple_of(5).then(|| Digest::new("c")),
            owner: whose.checked_sub(1).map(|n| Owner::User {
                login: Some(Login::new(&format!("O{n}"))),
                key: None,
            }),
            print: number,
            ambiguous: number.is_multiple_of(7),
            run: RunMark::default(),
            by_date: number.is_multiple_of(11),
            known_by: KnownBy::default(),
        }
    }

    fn receipt(number: u64, sort: u8) -> ReceiptItem {
        ReceiptItem {
            lineage: LineageId(number),
            ordinal: u32::from(sort) + 1,
            task: TaskId::new(&number.to_string()),
            status: match sort {
                0 => ReceiptStatus::Accepted,
                n => ReceiptStatus::Unknown {
                    why: Arc::from(format!("{n}")),
                },
            },
        }
    }

    fn written(body: EventBody) -> Vec<Vec<u8>> {
        let meta = Meta::daemon(Timestamp::UNIX_EPOCH, None);
        let made = chain(&meta, body, 1, genesis()).expect("fits");
        let bytes = made.into_iter().map(|(event, bytes, _)| {
            assert_eq!(encode(&event).expect("fits"), bytes);
            bytes
        });
        bytes.collect()
    }

    proptest! {
        #[test]
        fn first_sights_and_answers_come_back_whole_however_much_they_share(
            sorts in prop::collection::vec(((0u8..5, 0u8..3, 0u8..3), 1usize..9), 0..30)
        ) {
            let sorts: Vec<(u8, u8, u8)> =
                sorts.iter().flat_map(|(sort, n)| vec![*sort; *n]).collect();
            let all: Vec<OpenedItem> = (1..).zip(&sorts).map(|(n, s)| opened(n, *s)).collect();
            let mut back = Vec::new();
            for bytes in written(EventBody::LineagesOpened { items: all.clone() }) {
                match decode(&bytes).expect("own bytes").body {
                    EventBody::LineagesOpened { items } => back.extend(items),
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(back, all);
            let all: Vec<ReceiptItem> = (1..).zip(&sorts).map(|(n, s)| receipt(n, s.0)).collect();
            let body = EventBody::Receipts {
                batch: BatchId(uuid::Uuid::nil()),
                took_ms: 1,
                items: all.clone(),
            };
            let mut back = Vec::new();
            for bytes in written(body) {
                match decode(&bytes).expect("own bytes").body {
                    EventBody::Receipts { items, .. } => back.extend(items),
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(back, all);
        }
    }

    /// As version 8 has written them, and as they are written still where such a record is rewritten.
    const OLD: [&str; 2] = [
        r##"{"v":8,"seq":1,"at":"2026-11-30T02:38:14Z","actor":{"who":"daemon"},"login":"BENCH","prev":"00","body":{"is":"lineages_opened","of":{"items":[{"l":1,"t":"100","c":"2026-11-30T00:38:12Z","k":"revoke","g":"AD","dk":"300","dn":"Delete User","p":"200","u":"U200","o":{"type":"role","key":"7","name":"OPERATORS"},"x":36,"r":32},{"l":2,"t":"101","k":"revoke","g":"AD","dk":"300","dn":"Delete User","x":37,"a":true,"w":true}]}}}"##,
        r##"{"v":8,"seq":2,"at":"2026-11-30T02:38:14Z","actor":{"who":"daemon"},"prev":"01","body":{"is":"receipts","of":{"batch":"01a22a51-3bdd-7583-a59d-0fe559e87fbf","took_ms":1,"items":[{"l":1,"n":1,"t":"100","r":{"status":"accepted"}},{"l":2,"n":1,"t":"101","r":{"status":"accepted"}}]}}}"##,
    ];

    #[test]
    fn records_of_version_8_are_read_and_written_again_as_they_were() {
        for old in OLD {
            let event = decode(old.as_bytes()).expect("an old record");
            let back = String::from_utf8(encode(&event).expect("small")).expect("text");
            assert_eq!(back, old);
            // each had all of its own: one that shows no date or owner has none
            if let EventBody::LineagesOpened { items } = event.body {
                assert_eq!((items[1].created, &items[1].owner), (None, &None));
            }
        }
    }

    #[test]
    fn what_is_as_before_is_left_out_and_the_first_has_all() {
        let items = vec![
            opened(1, (4, 1, 1)),
            opened(2, (4, 2, 1)),
            opened(3, (4, 2, 1)),
        ];
        let bytes = written(EventBody::LineagesOpened { items }).remove(0);
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.matches("\"k\":").count(), 1, "{text}");
        assert_eq!(text.matches("\"c\":").count(), 2, "{text}");
        assert_eq!(text.matches("\"login\":").count(), 1, "{text}");
        let lacking = text.replacen("\"k\":\"grant\",", "", 1);
        assert!(decode(lacking.as_bytes()).is_err());
        let nobody = text.replacen("\"ow\":0", "\"ow\":1", 1);
        assert!(decode(nobody.as_bytes()).is_err());
    }

    /// A record that is rewritten has to fit its place.
    #[test]
    fn a_record_becomes_no_longer_by_taking_people_out_of_it() {
        let items: Vec<OpenedItem> = (1..40).map(|n| opened(n, (4, 2, 1))).collect();
        let len = |items: Vec<OpenedItem>| {
            let bytes = written(EventBody::LineagesOpened { items });
            assert_eq!(bytes.len(), 1);
            bytes[0].len()
        };
        let before = len(items.clone());
        for step in 1..5 {
            let mut items = items.clone();
            for item in items.iter_mut().step_by(step) {
                (item.user, item.owner) = (None, None);
            }
            assert!(len(items) <= before, "{step}");
        }
    }
}
