//! The written form of lists whose items mostly have much in common with the one before: what is as there stands in the first of them only. An item without its kind is as the one before it; older records have it in each. It reads both.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ClaimItem, DecidedItem, EventBody, shared, sights};
use crate::model::{
    Action, ActionName, BatchId, Digest, Kind, LineageId, PolicyHash, ProcessKey, ReadValue,
    Refusal, TargetName, TaskId, Verdict, task::DefinitionId,
};

/// The first version of records that are written so; older ones that are changed stay as they were.
pub(super) const LEAN: u32 = 8;
/// The first version in which first sights and answers leave something out, too (see `sights`).
pub(super) const LEANER: u32 = 9;

/// An item that may be written as what it has beside the one before.
pub(super) trait Item: Sized {
    /// As it is written.
    type Written<'a>: Serialize
    where
        Self: 'a;
    /// As it is read.
    type Read: for<'de> Deserialize<'de>;

    /// True where all that may be left out is as in the other one.
    fn is_as(&self, before: &Self) -> bool;
    /// All of it, or what is not as before.
    fn written(&self, whole: bool) -> Self::Written<'_>;
    /// Whole again; `None` where it lacks what no item before it has.
    fn read(read: Self::Read, before: Option<&Self>) -> Option<Self>;
}

/// Items in a row.
pub(super) struct Row<'a, T>(pub &'a [T]);

impl<T: Item> Serialize for Row<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_seq(Some(self.0.len()))?;
        let mut before = None;
        for item in self.0 {
            let whole = !before.is_some_and(|before| item.is_as(before));
            out.serialize_element(&item.written(whole))?;
            before = Some(item);
        }
        out.end()
    }
}

/// A body as it is written in records of a version since [`LEAN`].
pub(super) struct Lean<'a>(pub &'a EventBody, pub u32);

/// Bodies that are written otherwise than up to version 7, or 8.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "of")]
enum Leaner<'a> {
    Claims {
        batch: BatchId,
        target: &'a TargetName,
        action: ActionName,
        items: Row<'a, ClaimItem>,
    },
    Decided(shared::Lean<'a>),
    LineagesOpened(sights::Lean<'a>),
    Receipts {
        batch: BatchId,
        took_ms: u64,
        items: sights::Answers<'a>,
    },
}

impl Serialize for Lean<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            EventBody::Claims {
                batch,
                target,
                action,
                items,
            } => Leaner::Claims {
                batch: *batch,
                target,
                action: *action,
                items: Row(items),
            }
            .serialize(to),
            EventBody::Decided { items } => Leaner::Decided(shared::Lean(items)).serialize(to),
            EventBody::LineagesOpened { items } if self.1 >= LEANER => {
                Leaner::LineagesOpened(sights::Lean(items)).serialize(to)
            }
            EventBody::Receipts {
                batch,
                took_ms,
                items,
            } if self.1 >= LEANER => Leaner::Receipts {
                batch: *batch,
                took_ms: *took_ms,
                items: sights::Answers(items),
            }
            .serialize(to),
            other => other.serialize(to),
        }
    }
}

/// Reads a list.
pub(super) fn deserialize<'de, T: Item, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let read = Vec::<T::Read>::deserialize(from)?;
    let mut items: Vec<T> = Vec::with_capacity(read.len());
    for one in read {
        let item = T::read(one, items.last());
        items.push(
            item.ok_or_else(|| D::Error::custom("an item is as one before it, and is the first"))?,
        );
    }
    Ok(items)
}

#[derive(Serialize)]
pub(super) struct ClaimWritten<'a> {
    l: LineageId,
    n: u32,
    t: &'a TaskId,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<&'a Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: &'a Option<ProcessKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<&'a DefinitionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<&'a Arc<str>>,
    i: &'a Digest,
    w: u64,
    #[serde(skip_serializing_if = "super::body::is_nothing")]
    g: &'a Arc<[ReadValue]>,
}

#[derive(Deserialize)]
pub(super) struct ClaimRead {
    l: LineageId,
    n: u32,
    t: TaskId,
    a: Option<Action>,
    p: Option<ProcessKey>,
    d: Option<DefinitionId>,
    k: Option<Kind>,
    f: Option<Arc<str>>,
    i: Digest,
    w: u64,
    #[serde(default)]
    g: Arc<[ReadValue]>,
}

impl Item for ClaimItem {
    type Written<'a> = ClaimWritten<'a>;
    type Read = ClaimRead;

    fn is_as(&self, before: &Self) -> bool {
        self.kind == before.kind
            && self.action == before.action
            && self.definition == before.definition
            && self.policy == before.policy
    }

    fn written(&self, whole: bool) -> ClaimWritten<'_> {
        // an item that is added has to be added here
        let Self {
            lineage,
            ordinal,
            task,
            action,
            process,
            definition,
            kind,
            policy,
            inputs,
            version,
            rests,
        } = self;
        ClaimWritten {
            l: *lineage,
            n: *ordinal,
            t: task,
            a: whole.then_some(action),
            p: process,
            d: definition.as_ref().filter(|_| whole),
            k: whole.then_some(*kind),
            f: policy.as_ref().filter(|_| whole),
            i: inputs,
            w: *version,
            g: rests,
        }
    }

    fn read(read: ClaimRead, before: Option<&Self>) -> Option<Self> {
        let (action, definition, kind, policy) = match read.k {
            Some(kind) => (read.a?, read.d, kind, read.f),
            None => {
                let of = before?;
                (
                    of.action.clone(),
                    of.definition.clone(),
                    of.kind,
                    of.policy.clone(),
                )
            }
        };
        Some(Self {
            lineage: read.l,
            ordinal: read.n,
            task: read.t,
            action,
            process: read.p,
            definition,
            kind,
            policy,
            inputs: read.i,
            version: read.w,
            rests: read.g,
        })
    }
}

#[derive(Serialize)]
pub(super) struct DecidedWritten<'a> {
    l: LineageId,
    t: &'a TaskId,
    w: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<&'a Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ln: Option<u32>,
    i: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<&'a Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: &'a Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: &'a Option<Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct DecidedRead {
    l: LineageId,
    t: TaskId,
    w: u64,
    k: Option<Kind>,
    f: Option<Arc<str>>,
    ln: Option<u32>,
    #[serde(default = "shared::none")]
    h: PolicyHash,
    i: Digest,
    m: Option<Arc<str>>,
    v: Option<Verdict>,
    e: Option<Arc<str>>,
    r: Option<Refusal>,
    #[serde(default)]
    rd: Arc<[ReadValue]>,
    u: Option<Timestamp>,
}

impl Item for DecidedItem {
    type Written<'a> = DecidedWritten<'a>;
    type Read = DecidedRead;

    fn is_as(&self, before: &Self) -> bool {
        self.kind == before.kind
            && self.line == before.line
            && self.policy == before.policy
            && self.verdict == before.verdict
    }

    fn written(&self, whole: bool) -> DecidedWritten<'_> {
        // an item that is added has to be added here
        let Self {
            lineage,
            task,
            version,
            kind,
            policy,
            line,
            // these stand in the record once
            hash: _,
            moment: _,
            read: _,
            inputs,
            verdict,
            fault,
            refusal,
            relook,
        } = self;
        DecidedWritten {
            l: *lineage,
            t: task,
            w: *version,
            k: whole.then_some(*kind),
            f: policy.as_ref().filter(|_| whole),
            ln: line.filter(|_| whole),
            i: inputs,
            v: verdict.as_ref().filter(|_| whole),
            e: fault,
            r: refusal,
            u: *relook,
        }
    }

    fn read(read: DecidedRead, before: Option<&Self>) -> Option<Self> {
        let (kind, policy, line, verdict) = match read.k {
            Some(kind) => (kind, read.f, read.ln, read.v),
            None => {
                let of = before?;
                (of.kind, of.policy.clone(), of.line, of.verdict.clone())
            }
        };
        Some(Self {
            lineage: read.l,
            task: read.t,
            version: read.w,
            kind,
            policy,
            line,
            hash: read.h,
            inputs: read.i,
            moment: read.m,
            verdict,
            fault: read.e,
            refusal: read.r,
            read: read.rd,
            relook: read.u,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Meta, chain, decode, encode, genesis};
    use super::*;

    fn claim(number: u64, sort: u8) -> ClaimItem {
        let note = Action::SetNote {
            text: Arc::from(format!("note {sort}")),
        };
        ClaimItem {
            lineage: LineageId(number),
            ordinal: 1,
            task: TaskId::new(&number.to_string()),
            action: if sort.is_multiple_of(2) {
                Action::Retry
            } else {
                note
            },
            process: (sort > 2).then(|| ProcessKey::new("77")),
            definition: (sort > 1).then(|| DefinitionId {
                target: TargetName::new("AD"),
                definition: Arc::from(format!("#{sort}")),
            }),
            kind: Kind::Grant,
            policy: (sort > 0).then(|| Arc::from("30-retry.rhai")),
            inputs: Digest::new("d"),
            version: number,
            rests: (sort > 1)
                .then(|| (Arc::from("account"), Arc::from("Provisioned")))
                .into_iter()
                .collect(),
        }
    }

    fn decided(number: u64, sort: u8) -> DecidedItem {
        DecidedItem {
            lineage: LineageId(number),
            task: TaskId::new(&number.to_string()),
            version: number,
            kind: if sort == 0 { Kind::Revoke } else { Kind::Grant },
            policy: (sort > 0).then(|| Arc::from("30-retry.rhai")),
            line: (sort > 1).then_some(12),
            hash: PolicyHash::new("h"),
            inputs: Digest::new("d"),
            moment: None,
            verdict: (sort > 2).then(|| Verdict::Leave {
                reason: Arc::from(format!("reason {sort}")),
                after: None,
            }),
            fault: number.is_multiple_of(3).then(|| "fault".into()),
            refusal: None,
            read: Arc::default(),
            relook: None,
        }
    }

    fn back(body: EventBody) -> Vec<EventBody> {
        let meta = Meta::daemon("2027-03-01T08:00:00Z".parse().expect("a time"), None);
        let made = chain(&meta, body, 1, genesis()).expect("fits");
        let read = made.into_iter().map(|(event, bytes, _)| {
            assert_eq!(encode(&event).expect("fits"), bytes);
            decode(&bytes).expect("own bytes").body
        });
        read.collect()
    }

    fn claims(items: Vec<ClaimItem>) -> EventBody {
        EventBody::Claims {
            batch: BatchId(uuid::Uuid::nil()),
            target: TargetName::new("AD"),
            action: ActionName::Retry,
            items,
        }
    }

    proptest! {
        #[test]
        fn items_come_back_whole_however_much_they_share(
            sorts in prop::collection::vec((0u8..5, 1usize..30), 0..12)
        ) {
            let sorts: Vec<u8> = sorts.iter().flat_map(|(sort, n)| vec![*sort; *n]).collect();
            let all: Vec<ClaimItem> = (1..).zip(&sorts).map(|(n, s)| claim(n, *s)).collect();
            let read = back(claims(all.clone())).into_iter().flat_map(|body| match body {
                EventBody::Claims { items, .. } => items,
                other => panic!("{other:?}"),
            });
            prop_assert_eq!(read.collect::<Vec<_>>(), all);
            let all: Vec<DecidedItem> = (1..).zip(&sorts).map(|(n, s)| decided(n, *s)).collect();
            let read = back(EventBody::Decided { items: all.clone() });
            let read = read.into_iter().flat_map(|body| match body {
                EventBody::Decided { items } => items,
                other => panic!("{other:?}"),
            });
            prop_assert_eq!(read.collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn claims_of_which_each_has_all_are_read_and_one_that_is_as_none_before_is_no_record() {
        let old = br##"{"v":8,"seq":7,"at":"2026-11-29T08:00:00Z","actor":{"who":"daemon"},"prev":"00","body":{"is":"claims","of":{"batch":"01a2284e-6239-70b9-a0c5-ee5e2e40d7d8","target":"AD","action":"retry","items":[
            {"l":3,"n":1,"t":"41","a":{"action":"retry"},"p":"7","d":{"target":"AD","definition":"#3"},"k":"revoke","f":"30-retry.rhai","i":"abc","w":9},
            {"l":4,"n":2,"t":"42","a":{"action":"retry"},"k":"revoke","i":"abd","w":8}]}}}"##;
        let EventBody::Claims { items, .. } = decode(old).expect("an old record").body else {
            panic!("claims");
        };
        assert_eq!(items[0].policy.as_deref(), Some("30-retry.rhai"));
        assert_eq!((&items[1].policy, &items[1].definition), (&None, &None));
        assert_eq!(items[1].kind, Kind::Revoke);
        let text = String::from_utf8_lossy(old).replacen("\"k\":\"revoke\",", "", 1);
        assert!(decode(text.as_bytes()).is_err());
        // of a second one it is what makes it as the first
        let short =
            String::from_utf8_lossy(old).replace("\"k\":\"revoke\",\"i\":\"abd\"", "\"i\":\"abd\"");
        let EventBody::Claims { items, .. } = decode(short.as_bytes()).expect("a record").body
        else {
            panic!("claims");
        };
        assert_eq!(items[1].policy.as_deref(), Some("30-retry.rhai"));
        assert_eq!(items[1].inputs, Digest::new("abd"));
    }
}
