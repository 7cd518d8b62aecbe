//! The inputs of a decision as one text and its digest, so that it can be explained and repeated later; it decides nothing.
//!
//! After the version every part stands as `length:text,` (bytes), one that is absent as `-,`. First come four
//! parts of what tasks of one sort share, each of which has a digest of its own: status, definition, target and
//! owner; names and sorts of the fields; the facts, as JSON, but for people and history; owner, beneficiary and
//! siblings. Then what is the task's own, the values of the fields last.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::words::InputsWriter;
use crate::model::fields::FieldValue;
use crate::model::inputs::{blocks, part};
use crate::model::{
    DefKey, Digest, Facts, Fields, Known, Login, Owner, PolicyHash, ProcessKey, TargetName, Task,
    TaskId, TaskStatus,
};

/// How a text of version 2 begins, which had no blocks.
const VERSION_2: &str = "2;";

/// The stored text can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A part of it, or all of it, is not the JSON that it has to be.
    #[error("stored inputs can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It ends early, or a part is not what stands in its place.
    #[error("stored inputs can't be read: {0} is missing or broken")]
    Part(&'static str),
    /// Written by another version of provtaskd.
    #[error("stored inputs have version {0}, this program reads 1 to 3")]
    Version(u32),
}

/// Everything a policy could see of this task, as text; [`replay`] reads it back.
pub fn inputs_text(task: &Task, facts: &Facts) -> String {
    InputsWriter::default().text(task, facts)
}

/// What is left of a text that is being read.
struct Parts<'a>(&'a str);

impl<'a> Parts<'a> {
    fn maybe(&mut self, what: &'static str) -> Result<Option<&'a str>, ReplayError> {
        let (text, rest) = part(self.0).ok_or(ReplayError::Part(what))?;
        self.0 = rest;
        Ok(text)
    }

    fn one(&mut self, what: &'static str) -> Result<&'a str, ReplayError> {
        self.maybe(what)?.ok_or(ReplayError::Part(what))
    }

    fn json<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<T, ReplayError> {
        Ok(serde_json::from_str(self.one(what)?)?)
    }

    fn shared(&mut self, what: &'static str) -> Result<Option<Arc<str>>, ReplayError> {
        Ok(self.maybe(what)?.map(Arc::from))
    }

    fn sort(&mut self) -> Result<char, ReplayError> {
        let mut chars = self.0.chars();
        let sort = chars.next().ok_or(ReplayError::Part("a field's sort"))?;
        self.0 = chars.as_str();
        Ok(sort)
    }
}

fn field(sort: char, text: &str) -> FieldValue<'_> {
    match sort {
        'n' => FieldValue::Number(text),
        'b' => FieldValue::Bool(text == "true"),
        'j' => FieldValue::Json(text),
        _ => FieldValue::Text(text),
    }
}

fn status(parts: &mut Parts<'_>) -> Result<TaskStatus, ReplayError> {
    let known = parts.one("the status")? == "known";
    let word = parts.one("the status")?;
    Ok(if known {
        TaskStatus::parse(word)
    } else {
        TaskStatus::Unknown(Arc::from(word))
    })
}

fn created(parts: &mut Parts<'_>) -> Result<Option<Timestamp>, ReplayError> {
    let at = parts.maybe("the creation time")?.map(str::parse);
    at.transpose()
        .map_err(|_| ReplayError::Part("the creation time"))
}

/// The reason: as a text, or by the place of the field that has it.
enum Reason<'a> {
    Text(Option<&'a str>),
    Field(Option<usize>),
}

impl<'a> Reason<'a> {
    fn read(parts: &mut Parts<'a>) -> Result<Self, ReplayError> {
        let in_field = parts.one("the reason")? == "field";
        let text = parts.maybe("the reason")?;
        Ok(if in_field {
            Self::Field(text.and_then(|at| at.parse().ok()))
        } else {
            Self::Text(text)
        })
    }

    fn of(self, fields: &[(&str, FieldValue<'_>)]) -> Result<Option<Arc<str>>, ReplayError> {
        match self {
            Self::Text(text) => Ok(text.map(Arc::from)),
            Self::Field(at) => {
                let value = at.and_then(|at| fields.get(at));
                let (_, value) = value.ok_or(ReplayError::Part("the reason"))?;
                Ok(Some(Arc::from(value.as_text())))
            }
        }
    }
}

fn read(blocks: [&str; 4], own: &str) -> Result<(Task, Facts), ReplayError> {
    let [head, shape, around, people] = blocks;
    let (mut head, mut shape, mut own) = (Parts(head), Parts(shape), Parts(own));
    let mut task = Task::bare(TaskId::new(own.one("the id")?), status(&mut head)?);
    task.definition_key = head.maybe("the definition's key")?.map(DefKey::new);
    task.definition_name = head.shared("the definition's name")?;
    task.target = head.maybe("the target")?.map(TargetName::new);
    task.owner = head.json("the owner")?;
    task.has_adapter = head.maybe("the adapter")?.map(|text| text == "true");
    task.process = own.maybe("the account")?.map(ProcessKey::new);
    task.beneficiary = own.maybe("the beneficiary")?.map(Login::new);
    task.created = created(&mut own)?;
    let reason = Reason::read(&mut own)?;
    task.response = own.shared("the response")?;
    task.note = own.shared("the note")?;
    task.request = own.shared("the request")?;
    task.retry_of = own.maybe("the retried task")?.map(TaskId::new);
    task.child = own.shared("the child row")?;
    let lineage = own.one("the history")?;
    let history = own.one("the history")?;
    let ids = own.one("the history")?;
    let facts = serde_json::from_str(&format!(
        "{{{around},{people},\"history\":{{\"lineage\":{lineage},{history},\"ids\":{ids}}}}}"
    ))?;
    let mut fields = Vec::new();
    while !shape.0.is_empty() {
        let name = shape.one("a field's name")?;
        let sort = shape.sort()?;
        fields.push((name, field(sort, own.one("a field's value")?)));
    }
    if !own.0.is_empty() {
        return Err(ReplayError::Part("the name of a field"));
    }
    task.reason = reason.of(&fields)?;
    task.fields = Fields::from_pairs(fields);
    Ok((task, facts))
}

fn read_2(text: &str) -> Result<(Task, Facts), ReplayError> {
    let mut parts = Parts(text);
    let mut task = Task::bare(TaskId::new(parts.one("the id")?), TaskStatus::Pending);
    task.status = status(&mut parts)?;
    task.definition_key = parts.maybe("the definition's key")?.map(DefKey::new);
    task.definition_name = parts.shared("the definition's name")?;
    task.process = parts.maybe("the account")?.map(ProcessKey::new);
    task.target = parts.maybe("the target")?.map(TargetName::new);
    task.beneficiary = parts.maybe("the beneficiary")?.map(Login::new);
    task.owner = parts.json("the owner")?;
    task.created = created(&mut parts)?;
    let reason = Reason::read(&mut parts)?;
    task.response = parts.shared("the response")?;
    task.note = parts.shared("the note")?;
    task.request = parts.shared("the request")?;
    task.retry_of = parts.maybe("the retried task")?.map(TaskId::new);
    task.has_adapter = parts.maybe("the adapter")?.map(|text| text == "true");
    task.child = parts.shared("the child row")?;
    let broken = || ReplayError::Part("the fields");
    let many: usize = parts.one("the fields")?.parse().map_err(|_| broken())?;
    let mut fields = Vec::new();
    for _ in 0..many {
        let name = parts.one("a field's name")?;
        let sort = parts.sort()?;
        fields.push((name, field(sort, parts.one("a field's value")?)));
    }
    task.reason = reason.of(&fields)?;
    task.fields = Fields::from_pairs(fields);
    Ok((task, parts.json("the facts")?))
}

/// A task as version 1 has stored it.
#[derive(Deserialize)]
struct StoredTask {
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
    fields: Vec<(String, char, String)>,
}

/// Inputs as version 1 has stored them.
#[derive(Deserialize)]
struct Stored {
    v: u32,
    task: StoredTask,
    facts: Facts,
}

fn unstore(stored: StoredTask) -> Task {
    let fields = stored.fields.iter();
    let fields = fields.map(|(name, sort, text)| (name.as_str(), field(*sort, text)));
    Task {
        fields: Fields::from_pairs(fields),
        id: stored.id,
        status: stored.status,
        definition_key: stored.definition_key,
        definition_name: stored.definition_name,
        process: stored.process,
        target: stored.target,
        beneficiary: stored.beneficiary,
        owner: stored.owner,
        created: stored.created,
        // policies see them as the fields that they are, and no decision rests on it
        started: None,
        ended: None,
        updated_by: None,
        reason: stored.reason,
        response: stored.response,
        note: stored.note,
        request: stored.request,
        retry_of: stored.retry_of,
        has_adapter: stored.has_adapter,
        child: stored.child,
        row: None,
    }
}

/// Reads back what [`inputs_text`] wrote, or what it wrote as version 2, or its JSON of version 1.
///
/// # Errors
/// Where the text is neither, or of another version.
pub fn replay(text: &str) -> Result<(Task, Facts), ReplayError> {
    if let Some((blocks, own)) = blocks(text) {
        return read(blocks, own);
    }
    if let Some(parts) = text.strip_prefix(VERSION_2) {
        return read_2(parts);
    }
    let stored: Stored = serde_json::from_str(text)?;
    if stored.v != 1 {
        return Err(ReplayError::Version(stored.v));
    }
    Ok((unstore(stored.task), stored.facts))
}

/// What of the facts is the moment of looking and nothing else: the clock, and when facts were read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Moment {
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
    pub const NONE: Self = Self {
        at: Timestamp::UNIX_EPOCH,
        weekday: 1,
        hour: 0,
        minute: 0,
        business_hours: false,
        age: SignedDuration::ZERO,
        read: [Some(Timestamp::UNIX_EPOCH); 3],
    };

    /// Puts itself into the facts and answers what was there.
    pub fn swap(mut self, facts: &mut Facts) -> Self {
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

/// Reads back what [`InputsWriter::parts`] wrote.
///
/// # Errors
/// Where one of the texts is none of those, or of another version.
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
    sha.update(inputs_text(task, facts));
    Digest::new(&hex(&sha.finalize()))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
#[path = "inputs_tests.rs"]
mod tests;
