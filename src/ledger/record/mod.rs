//! The one versioned event record: encode, decode, split, chain; pure, and no bytes whatever make it panic.

mod before;
mod body;
mod shared;
mod sights;
mod split;

use std::sync::Arc;

use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::model::{CycleId, Digest, Login, PolicyHash, two};

pub use body::{
    AlikeItem, AttemptItem, ClaimItem, DecidedItem, EventBody, How, JoinedItem, OpenedItem,
    ReceiptItem, Redefined, ReusedItem, RewriteWhy, SeenItem,
};

/// The version that this program writes; it reads all from 1 up to this. Records of 5 are as those of 4,
/// but lie in blocks, where a program that knows only 4 would not find them; from 6 on a record may have been
/// rewritten; 7 knows releases of the order within an account, 8 justifications in a task's note; in 9 first sights
/// leave out what is as in the one before, and answers that they say SUCCESS.
pub const VERSION: u32 = 9;

/// Largest encoded record in bytes. sled spills what is larger than an eighth of a megabyte into files that
/// nothing syncs, and it writes pages of up to 17 values at once.
pub const MAX_RECORD: usize = 7 * 1024;

/// Longest text kept inside one item (reasons, evidence, notes of the record), in bytes.
pub const MAX_TEXT: usize = 1024;

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "who")]
pub enum Actor {
    /// The daemon's own cycle.
    Daemon,
    /// A person at the command line, by peer uid.
    Person {
        /// Unix uid.
        uid: u32,
        /// Its name at that time.
        name: Arc<str>,
    },
    /// The ledger itself: creation, restart, repair.
    System,
}

/// Everything of an event but its number and its link in the chain.
#[derive(Clone, PartialEq, Debug)]
pub struct Meta {
    /// Domain time.
    pub at: Timestamp,
    /// The cycle it happened in.
    pub cycle: Option<CycleId>,
    /// Who did it.
    pub actor: Actor,
    /// The OIG login that acted or read.
    pub login: Option<Login>,
    /// The policy set in force.
    pub policy: Option<PolicyHash>,
    /// What was seen, where it is stored by digest.
    pub inputs: Option<Digest>,
}

impl Meta {
    /// The daemon, now.
    pub fn daemon(at: Timestamp, cycle: Option<CycleId>) -> Self {
        Self {
            at,
            cycle,
            actor: Actor::Daemon,
            login: None,
            policy: None,
            inputs: None,
        }
    }

    /// Somebody else, now.
    pub fn by(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            ..Self::daemon(at, None)
        }
    }

    /// Adds the login.
    #[must_use]
    pub fn login(mut self, login: Option<Login>) -> Self {
        self.login = login;
        self
    }

    /// Adds the policy set.
    #[must_use]
    pub fn policy(mut self, policy: Option<PolicyHash>) -> Self {
        self.policy = policy;
        self
    }
}

/// One record of the journal.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Event {
    /// Record version.
    pub v: u32,
    /// Number in the journal, from 1, without gaps.
    pub seq: u64,
    /// Domain time.
    pub at: Timestamp,
    /// The cycle it happened in.
    #[serde(default)]
    pub cycle: Option<CycleId>,
    /// Who did it.
    pub actor: Actor,
    /// The OIG login that acted or read.
    #[serde(default)]
    pub login: Option<Login>,
    /// The policy set in force.
    #[serde(default)]
    pub policy: Option<PolicyHash>,
    /// What was seen, stored once by digest.
    #[serde(default)]
    pub inputs: Option<Digest>,
    /// The link of the record before (see [`link`]); zeros for the first.
    pub prev: Digest,
    /// Set where the record was rewritten: the link that it had before, which the chain goes on with (since version 6).
    #[serde(default)]
    pub was: Option<Digest>,
    /// What happened.
    pub body: EventBody,
}

/// Why bytes are not a record.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer program.
    #[error("record version {0} is newer than {VERSION}")]
    Newer(u32),
    /// Not a record at all, or a damaged one.
    #[error("not a record: {0}")]
    Malformed(String),
    /// It does not fit below [`MAX_RECORD`] even alone.
    #[error("a record of {0} bytes is larger than {MAX_RECORD}")]
    TooLarge(usize),
}

/// Only the version, read before anything else.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// The link before the first record.
pub fn genesis() -> Digest {
    Digest::new("0000000000000000000000000000000000000000000000000000000000000000")
}

/// SHA-256 in hex.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of_hash(&Sha256::digest(bytes).into())
}

/// A record's link in the chain: what the next record's `prev` has to be. It is the SHA-256 of its bytes, or,
/// where it was rewritten, of those that it had first.
pub fn link(event: &Event, bytes: &[u8]) -> Digest {
    event.was.clone().unwrap_or_else(|| digest_of(bytes))
}

/// Sums up rewritten records, so that a later [`EventBody::Rewritten`] vouches for what they say now.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    hash: Sha256,
    changed: u64,
}

impl Sum {
    /// Takes in the next record of the journal; one that was not rewritten counts for nothing.
    pub fn add(&mut self, event: &Event, bytes: &[u8]) {
        if event.was.is_some() {
            self.changed += 1;
            self.hash.update(event.seq.to_be_bytes());
            self.hash.update(Sha256::digest(bytes));
        }
    }

    /// How many were rewritten, and the digest over their numbers and their bytes.
    pub fn end(self) -> (u64, Digest) {
        (self.changed, Digest::of_hash(&self.hash.finalize().into()))
    }
}

/// Encodes one event as JSON.
///
/// # Errors
/// Above [`MAX_RECORD`] bytes; see [`split`].
pub fn encode(event: &Event) -> Result<Vec<u8>, RecordError> {
    // most records are nearly full; growing up to that would copy them several times
    let mut bytes = Vec::with_capacity(MAX_RECORD);
    serde_json::to_writer(&mut bytes, event).map_err(|e| RecordError::Malformed(e.to_string()))?;
    if bytes.len() > MAX_RECORD {
        return Err(RecordError::TooLarge(bytes.len()));
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// Everything of an event but its body, which stands last.
struct Head<'a>(&'a Event);

impl Head<'_> {
    fn fields<M: SerializeStruct>(&self, out: &mut M) -> Result<(), M::Error> {
        // a field that is added has to be added here
        let Event {
            v,
            seq,
            at,
            cycle,
            actor,
            login,
            policy,
            inputs,
            prev,
            was,
            body: _,
        } = self.0;
        out.serialize_field("v", v)?;
        out.serialize_field("seq", seq)?;
        out.serialize_field("at", at)?;
        maybe(out, "cycle", cycle.as_ref())?;
        out.serialize_field("actor", actor)?;
        maybe(out, "login", login.as_ref())?;
        maybe(out, "policy", policy.as_ref())?;
        maybe(out, "inputs", inputs.as_ref())?;
        out.serialize_field("prev", prev)?;
        maybe(out, "was", was.as_ref())
    }
}

fn maybe<M: SerializeStruct>(
    out: &mut M,
    name: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => out.serialize_field(name, value),
        None => out.skip_field(name),
    }
}

/// Fields of an event.
const FIELDS: usize = 11;

impl Serialize for Head<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("Event", FIELDS - 1)?;
        self.fields(&mut out)?;
        out.end()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("Event", FIELDS)?;
        Head(self).fields(&mut out)?;
        if self.v < before::LEAN {
            out.serialize_field("body", &self.body)?;
        } else {
            out.serialize_field("body", &before::Lean(&self.body, self.v))?;
        }
        out.end()
    }
}

/// The same bytes as [`encode`], where those of the body are there already.
fn encode_around(event: &Event, body: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::with_capacity(body.len() + BESIDE_BODY);
    serde_json::to_writer(&mut bytes, &Head(event))
        .map_err(|e| RecordError::Malformed(e.to_string()))?;
    // the brace that ends an object of the head alone
    bytes.pop();
    bytes.extend_from_slice(b",\"body\":");
    bytes.extend_from_slice(body);
    bytes.push(b'}');
    if bytes.len() > MAX_RECORD {
        return Err(RecordError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Bodies in so many records are put into bytes on two threads.
const MANY: usize = 32;
/// Bytes of a record beside its body, mostly.
const BESIDE_BODY: usize = 512;

/// A body that is cut into as many as it needs, each with its bytes where they are many; what can't be encoded is
/// said with the whole record.
pub struct Ready(Vec<(EventBody, Option<Vec<u8>>)>);

impl Ready {
    /// Made on the caller's thread alone, for one that prepares while another one records.
    pub fn alone(body: EventBody) -> Self {
        Self(body.chunks().into_iter().map(encoded).collect())
    }

    /// Cut, and put into bytes one after the other when it is recorded: for who makes it while both cores have
    /// enough to do.
    pub fn in_turn(body: EventBody) -> Self {
        Self(body.chunks().into_iter().map(|body| (body, None)).collect())
    }

    /// The decisions in it, in their order.
    pub(in crate::ledger) fn into_decided(self) -> Vec<DecidedItem> {
        let items = self.0.into_iter().filter_map(|(body, _)| match body {
            EventBody::Decided { items } => Some(items),
            _ => None,
        });
        items.flatten().collect()
    }

    /// True where the record names the policy set in force; see [`EventBody::names_policy`].
    pub(in crate::ledger) fn names_policy(&self) -> bool {
        self.0.iter().any(|(body, _)| body.names_policy())
    }
}

impl From<EventBody> for Ready {
    fn from(body: EventBody) -> Self {
        let bodies = body.chunks();
        Self(if bodies.len() < MANY {
            bodies.into_iter().map(|body| (body, None)).collect()
        } else {
            two::map_into(bodies, MANY, &encoded)
        })
    }
}

fn encoded(body: EventBody) -> (EventBody, Option<Vec<u8>>) {
    let mut bytes = Vec::with_capacity(MAX_RECORD);
    let done = serde_json::to_writer(&mut bytes, &before::Lean(&body, VERSION));
    (body, done.is_ok().then_some(bytes))
}

/// Reads one record of any version from 1 up to [`VERSION`].
///
/// # Errors
/// A newer version, one that there never was, or bytes that are no record.
pub fn decode(bytes: &[u8]) -> Result<Event, RecordError> {
    let versioned: Versioned =
        serde_json::from_slice(bytes).map_err(|e| RecordError::Malformed(e.to_string()))?;
    if versioned.v > VERSION {
        return Err(RecordError::Newer(versioned.v));
    }
    if versioned.v == 0 {
        return Err(RecordError::Malformed(format!(
            "record version 0 can't be read, this program reads 1 to {VERSION}"
        )));
    }
    serde_json::from_slice(bytes).map_err(|e| RecordError::Malformed(e.to_string()))
}

/// Makes the event after `seq` and `prev`, encoded, and its digest; a body too large for one
/// record becomes several of the same sort, in order.
///
/// # Errors
/// A single item that is too large by itself.
pub fn chain(
    meta: &Meta,
    body: impl Into<Ready>,
    seq: u64,
    prev: Digest,
) -> Result<Vec<(Event, Vec<u8>, Digest)>, RecordError> {
    let Ready(mut todo) = body.into();
    todo.reverse();
    let mut out = Vec::with_capacity(todo.len());
    let (mut seq, mut prev) = (seq, prev);
    while let Some((body, ready)) = todo.pop() {
        let event = Event {
            v: VERSION,
            seq,
            at: meta.at,
            cycle: meta.cycle,
            actor: meta.actor.clone(),
            login: meta.login.clone(),
            policy: meta.policy.clone(),
            inputs: meta.inputs.clone(),
            prev: prev.clone(),
            was: None,
            body,
        };
        let made = match ready {
            Some(body) => encode_around(&event, &body),
            None => encode(&event),
        };
        match made {
            Ok(bytes) => {
                let digest = digest_of(&bytes);
                prev = digest.clone();
                seq += 1;
                out.push((event, bytes, digest));
            }
            Err(RecordError::TooLarge(size)) => match event.body.halves() {
                Some((first, second)) => {
                    todo.push((second, None));
                    todo.push((first, None));
                }
                None => return Err(RecordError::TooLarge(size)),
            },
            Err(other) => return Err(other),
        }
    }
    Ok(out)
}

/// Cuts a text to at most `max` bytes at a character boundary.
pub fn clip(text: &str, max: usize) -> Arc<str> {
    if text.len() <= max {
        return Arc::from(text);
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Arc::from(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta() -> Meta {
        Meta::daemon("2027-03-01T08:00:00Z".parse().expect("a time"), None)
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_damaged_record_never_panics(at in 0usize..200, to in any::<u8>()) {
            let made = chain(&meta(), EventBody::Note { text: Arc::from("hello") }, 1, genesis())
                .expect("small");
            let mut bytes = made[0].1.clone();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = decode(&bytes);
        }

        #[test]
        fn a_large_batch_is_split_and_loses_nothing(n in 1usize..400, len in 0usize..600) {
            let reason: String = "x".repeat(len);
            let items: Vec<SeenItem> = (0..n)
                .map(|i| SeenItem {
                    lineage: crate::model::LineageId(u64::try_from(i).expect("small")),
                    print: 7,
                    owner: None,
                    status: Arc::from(reason.as_str()),
                    redefined: None,
                    early: false,
                    run: crate::ledger::ran::RunMark::default(),
                    foreign: false,
                    by_id: false,
                })
                .collect();
            let made = chain(&meta(), EventBody::Seen { items: items.clone() }, 5, genesis())
                .expect("each item fits");
            // who prepares them alone makes the same
            let ready = Ready::alone(EventBody::Seen { items: items.clone() });
            prop_assert!(chain(&meta(), ready, 5, genesis()).as_ref() == Ok(&made));
            let mut back = Vec::new();
            let mut prev = genesis();
            for (i, (event, bytes, digest)) in made.iter().enumerate() {
                prop_assert!(bytes.len() <= MAX_RECORD);
                prop_assert_eq!(&decode(bytes).expect("own bytes"), event);
                prop_assert_eq!(&encode(event).expect("it fits"), bytes);
                prop_assert_eq!(event.seq, 5 + u64::try_from(i).expect("small"));
                prop_assert_eq!(&event.prev, &prev);
                prev = digest.clone();
                if let EventBody::Seen { items } = &event.body {
                    back.extend(items.clone());
                }
            }
            prop_assert_eq!(back, items);
        }
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        assert_eq!(decode(br#"{"v":99,"what":1}"#), Err(RecordError::Newer(99)));
    }

    #[test]
    fn a_version_before_the_first_is_named_as_such() {
        let bytes = br#"{"v":0,"seq":1,"at":"2027-03-01T08:00:00Z","actor":{"who":"system"},"prev":"00","body":{"is":"note","of":{"text":"x"}}}"#;
        let error = decode(bytes).expect_err("there was none").to_string();
        assert!(error.contains("record version 0 can't be read"), "{error}");
        let first = String::from_utf8_lossy(bytes).replace("\"v\":0", "\"v\":1");
        assert!(decode(first.as_bytes()).is_ok());
    }

    #[test]
    fn clipping_keeps_characters_whole() {
        assert_eq!(&*clip("äöü", 5), "ä…");
        assert_eq!(&*clip("short", 5), "short");
    }
}
