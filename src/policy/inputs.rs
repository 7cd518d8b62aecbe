//! The inputs of a decision as one JSON text and its digest, so that it can be explained and repeated later; it decides nothing.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::model::fields::FieldValue;
use crate::model::{
    DefKey, Digest, Facts, Fields, Known, Login, Owner, PolicyHash, ProcessKey, TargetName, Task,
    TaskId, TaskStatus,
};

const VERSION: u32 = 1;
/// Bytes that the text of most tasks fits in.
const USUAL: usize = 4096;

/// A task as it is stored with a decision; `F` are its fields, owned or borrowed.
#[derive(Serialize, Deserialize)]
struct StoredTask<F> {
    id: TaskId,
    status: TaskStatus,
    definition_key: Option<DefKey>,
    definition_name: Option<Arc<str>>,
    process: Option<ProcessKey>,
    target: Option<TargetName>,
    beneficiary: Option<Login>,
    owner: Owner,
    created: Option<Timestamp>,
    reason: Option<Arc<str>>,
    response: Option<Arc<str>>,
    note: Option<Arc<str>>,
    request: Option<Arc<str>>,
    retry_of: Option<TaskId>,
    has_adapter: Option<bool>,
    child: Option<Arc<str>>,
    /// Name, sort (`s` text, `n` number, `b` bool, `j` JSON), value.
    fields: F,
}

/// Fields as they are written.
struct Triples<'a>(&'a Fields);

impl Serialize for Triples<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|(name, value)| {
            let sort = match value {
                FieldValue::Text(_) => "s",
                FieldValue::Number(_) => "n",
                FieldValue::Bool(_) => "b",
                FieldValue::Json(_) => "j",
            };
            (name, sort, value.as_text())
        }))
    }
}

#[derive(Deserialize)]
struct Stored {
    v: u32,
    task: StoredTask<Vec<(String, char, String)>>,
    facts: Facts,
}

#[derive(Serialize)]
struct Storing<'a> {
    v: u32,
    task: StoredTask<Triples<'a>>,
    facts: &'a Facts,
}

/// The stored text can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Not the JSON that [`inputs_json`] writes.
    #[error("stored inputs can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version of provtaskd.
    #[error("stored inputs have version {0}, this program reads {VERSION}")]
    Version(u32),
}

fn store(task: &Task) -> StoredTask<Triples<'_>> {
    StoredTask {
        id: task.id.clone(),
        status: task.status.clone(),
        definition_key: task.definition_key.clone(),
        definition_name: task.definition_name.clone(),
        process: task.process.clone(),
        target: task.target.clone(),
        beneficiary: task.beneficiary.clone(),
        owner: task.owner.clone(),
        created: task.created,
        reason: task.reason.clone(),
        response: task.response.clone(),
        note: task.note.clone(),
        request: task.request.clone(),
        retry_of: task.retry_of.clone(),
        has_adapter: task.has_adapter,
        child: task.child.clone(),
        fields: Triples(&task.fields),
    }
}

fn unstore(stored: StoredTask<Vec<(String, char, String)>>) -> Task {
    let fields = Fields::from_pairs(stored.fields.iter().map(|(name, sort, text)| {
        let value = match sort {
            'n' => FieldValue::Number(text),
            'b' => FieldValue::Bool(text == "true"),
            'j' => FieldValue::Json(text),
            _ => FieldValue::Text(text),
        };
        (name.as_str(), value)
    }));
    Task {
        id: stored.id,
        status: stored.status,
        definition_key: stored.definition_key,
        definition_name: stored.definition_name,
        process: stored.process,
        target: stored.target,
        beneficiary: stored.beneficiary,
        owner: stored.owner,
        created: stored.created,
        reason: stored.reason,
        response: stored.response,
        note: stored.note,
        request: stored.request,
        retry_of: stored.retry_of,
        has_adapter: stored.has_adapter,
        child: stored.child,
        fields,
    }
}

/// Everything a policy could see of this task, as JSON; [`replay`] reads it back.
pub fn inputs_json(task: &Task, facts: &Facts) -> String {
    let storing = Storing {
        v: VERSION,
        task: store(task),
        facts,
    };
    let mut out = Vec::with_capacity(USUAL);
    // Text keys and plain values only: serialising can't fail, and an empty text can't be replayed.
    match serde_json::to_writer(&mut out, &storing) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Reads back what [`inputs_json`] wrote.
///
/// # Errors
/// Where the text is not such JSON or of another version.
pub fn replay(json: &str) -> Result<(Task, Facts), ReplayError> {
    let stored: Stored = serde_json::from_str(json)?;
    if stored.v != VERSION {
        return Err(ReplayError::Version(stored.v));
    }
    Ok((unstore(stored.task), stored.facts))
}

/// What of the facts is the moment of looking and nothing else: the clock, and when facts were read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Moment {
    at: Timestamp,
    #[serde(rename = "w")]
    weekday: u8,
    #[serde(rename = "h")]
    hour: u8,
    #[serde(rename = "m")]
    minute: u8,
    #[serde(rename = "b")]
    business_hours: bool,
    age: SignedDuration,
    /// Reading times of owner, beneficiary and siblings.
    #[serde(rename = "r")]
    read: [Option<Timestamp>; 3],
}

impl Moment {
    /// What stands in the place of a moment that was taken out.
    const NONE: Self = Self {
        at: Timestamp::UNIX_EPOCH,
        weekday: 1,
        hour: 0,
        minute: 0,
        business_hours: false,
        age: SignedDuration::ZERO,
        read: [Some(Timestamp::UNIX_EPOCH); 3],
    };

    /// Puts itself into the facts and answers what was there.
    fn swap(mut self, facts: &mut Facts) -> Self {
        let now = &mut facts.now;
        std::mem::swap(&mut now.at, &mut self.at);
        std::mem::swap(&mut now.weekday, &mut self.weekday);
        std::mem::swap(&mut now.hour, &mut self.hour);
        std::mem::swap(&mut now.minute, &mut self.minute);
        std::mem::swap(&mut now.business_hours, &mut self.business_hours);
        std::mem::swap(&mut facts.age, &mut self.age);
        let places = [
            as_of(&mut facts.owner),
            as_of(&mut facts.beneficiary),
            as_of(&mut facts.siblings),
        ];
        for (place, mine) in places.into_iter().zip(&mut self.read) {
            *mine = match (place, *mine) {
                (Some(place), Some(new)) => Some(std::mem::replace(place, new)),
                (Some(place), None) => Some(*place),
                (None, _) => None,
            };
        }
        self
    }
}

fn as_of<T>(known: &mut Known<T>) -> Option<&mut Timestamp> {
    match known {
        Known::Yes { as_of, .. } => Some(as_of),
        Known::No { .. } => None,
    }
}

/// The inputs as two texts: what was seen, and the moment at which it was. Looks at different times
/// that see the same have the same first text. [`replay_at`] puts them together again, to the byte.
pub fn inputs_parts(task: &Task, facts: &mut Facts) -> (String, String) {
    let moment = Moment::NONE.swap(facts);
    let still = inputs_json(task, facts);
    // plain values: serialising can't fail
    let text = serde_json::to_string(&moment).unwrap_or_default();
    moment.swap(facts);
    (still, text)
}

/// Reads back what [`inputs_parts`] wrote.
///
/// # Errors
/// Where one of the texts is not such JSON or of another version.
pub fn replay_at(still: &str, moment: &str) -> Result<(Task, Facts), ReplayError> {
    let moment: Moment = serde_json::from_str(moment)?;
    let (task, mut facts) = replay(still)?;
    moment.swap(&mut facts);
    Ok((task, facts))
}

/// The digest of the inputs under a policy hash: equal inputs have equal digests.
pub fn inputs_digest(task: &Task, facts: &Facts, hash: &PolicyHash) -> Digest {
    let mut sha = Sha256::new();
    sha.update(hash.as_str());
    sha.update([0]);
    sha.update(inputs_json(task, facts));
    Digest::new(&hex(&sha.finalize()))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
