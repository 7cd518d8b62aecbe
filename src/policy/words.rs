//! Writes the inputs of decisions as text, quickly: what one task has in common with the one before is put into words, compared and digested once. It reads nothing back and decides nothing.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::frames::{Frames, Own};
use super::inputs::Moment;
use crate::model::facts::{AccountView, DefinitionMemory, History, Now, OwnerFact, Person};
use crate::model::fields::FieldValue;
use crate::model::inputs::{BLOCKS, BlockDigest, InputsText, VERSION, block_digest, composed};
use crate::model::{
    DefKey, Digest, Facts, Kind, Known, Login, Owner, Principal, ProcessKey, TargetName, Task,
    TaskId, TaskStatus,
};

/// Plain values with text keys: serialising can't fail, and an empty text can't be read back.
pub(super) fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).unwrap_or_default()
}

/// A value's JSON, kept for the next one if that is the same.
#[derive(Debug)]
struct Said<T> {
    value: Option<T>,
    text: String,
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self {
            value: None,
            text: String::new(),
        }
    }
}

impl<T: PartialEq + Clone + Serialize> Said<T> {
    fn of(&mut self, value: &T) -> &str {
        self.was(value);
        &self.text
    }

    /// Takes the value; answers whether it is the one that was there.
    fn was(&mut self, value: &T) -> bool {
        let same = self.value.as_ref() == Some(value);
        if !same {
            self.text = json(value);
            self.value = Some(value.clone());
        }
        same
    }
}

/// What tasks of one sort share, with its digest.
#[derive(Debug)]
pub(super) struct Block {
    pub text: String,
    digest: BlockDigest,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            text: String::new(),
            digest: block_digest(""),
        }
    }
}

impl Block {
    fn set(&mut self, text: &str) {
        if self.text != text {
            text.clone_into(&mut self.text);
            self.digest = block_digest(text);
        }
    }
}

/// The places of the blocks.
const HEAD: usize = 0;
const SHAPE: usize = 1;
const AROUND: usize = 2;
const PEOPLE: usize = 3;

/// What was seen, in words.
#[derive(Debug)]
pub struct Worded {
    /// The digest of the text.
    pub digest: Digest,
    /// What was seen, the moment left aside.
    pub text: InputsText,
    /// The moment at which it was.
    pub moment: Arc<str>,
}

/// Writes one text after the other.
#[derive(Debug, Default)]
pub struct InputsWriter {
    blocks: [Block; BLOCKS],
    own: Own,
    scratch: String,
    /// Names and sorts of the last task's fields, as its shape has them.
    shape: Vec<(Box<str>, char)>,
    frames: Frames,
    /// Of a note only that there is one is written.
    veils_note: bool,
    task_owner: Said<Owner>,
    created: Said<Timestamp>,
    now: Said<Now>,
    kind: Said<Kind>,
    class: Said<Arc<str>>,
    retryable: Said<bool>,
    first_seen: Said<Timestamp>,
    failed_since: Said<Timestamp>,
    owner: Said<Known<OwnerFact>>,
    beneficiary: Said<Known<Person>>,
    siblings: Said<Known<AccountView>>,
    definition: Said<DefinitionMemory>,
    fulfilment_role: Said<Option<Principal>>,
    age: Said<SignedDuration>,
    /// The last moment with its text: most tasks of a cycle are looked at in the same one.
    moment: Option<(Moment, Arc<str>)>,
}

impl InputsWriter {
    /// The inputs as two texts: what was seen, and the moment at which it was. Looks at different times
    /// that see the same have the same first text. [`super::replay_at`] puts them together again, to
    /// the byte.
    pub fn parts(&mut self, task: &Task, facts: &mut Facts) -> Worded {
        let moment = Moment::NONE.swap(facts);
        self.write(task, facts);
        let text = self.frames.told(task, &self.blocks, &self.own);
        let digest = composed(
            self.blocks.each_ref().map(|block| &block.digest),
            &self.own.text,
        );
        let said = match &self.moment {
            Some((last, said)) if *last == moment => Arc::clone(said),
            _ => {
                let said: Arc<str> = json(&moment).into();
                self.moment = Some((moment.clone(), Arc::clone(&said)));
                said
            }
        };
        moment.swap(facts);
        Worded {
            digest,
            text,
            moment: said,
        }
    }

    /// Notes are others' free text, and may say why somebody is away: written only for policies that read them.
    pub fn veil_notes(&mut self, veil: bool) {
        self.veils_note = veil;
    }

    /// Everything a policy could see of this task, as text; [`super::replay`] reads it back.
    pub fn text(&mut self, task: &Task, facts: &Facts) -> String {
        self.write(task, facts);
        whole(&self.blocks, &self.own.text)
    }

    fn write(&mut self, task: &Task, facts: &Facts) {
        self.put_head(task);
        let mut values = Vec::with_capacity(self.shape.len());
        let reason = self.put_fields(task, &mut values);
        let own = &mut self.own;
        own.clear();
        own.part(task.id.as_str());
        own.maybe(task.process.as_ref().map(ProcessKey::as_str));
        own.maybe(task.beneficiary.as_ref().map(Login::as_str));
        match &task.created {
            // as JSON in quotes
            Some(created) => {
                let said = self.created.of(created);
                let bare = said.strip_prefix('"').and_then(|at| at.strip_suffix('"'));
                own.part(bare.unwrap_or(said));
            }
            None => own.maybe(None),
        }
        // mostly the longest text of all, and one of the fields
        match reason {
            Some(at) => {
                own.part("field");
                own.number(u64::try_from(at).unwrap_or(u64::MAX));
            }
            None => {
                own.part("text");
                own.maybe(task.reason.as_deref());
            }
        }
        own.maybe(task.response.as_deref());
        match task.note.as_deref() {
            Some(note) if self.veils_note => own.part(&veiled(note)),
            note => own.maybe(note),
        }
        own.maybe(task.request.as_deref());
        own.maybe(task.retry_of.as_ref().map(TaskId::as_str));
        own.maybe(task.child.as_deref());
        self.put_facts(facts);
        for value in values {
            self.own.part(&value);
        }
    }

    fn put_head(&mut self, task: &Task) {
        let out = &mut self.scratch;
        out.clear();
        match &task.status {
            TaskStatus::Unknown(raw) => {
                put(out, "unknown");
                put(out, raw);
            }
            known => {
                put(out, "known");
                put(out, known.as_str());
            }
        }
        put_maybe(out, task.definition_key.as_ref().map(DefKey::as_str));
        put_maybe(out, task.definition_name.as_deref());
        put_maybe(out, task.target.as_ref().map(TargetName::as_str));
        put(out, self.task_owner.of(&task.owner));
        let adapter = |has| if has { "true" } else { "false" };
        put_maybe(out, task.has_adapter.map(adapter));
        self.blocks[HEAD].set(out);
    }

    /// Names and sorts of the fields, and which of them has the reason's text; their values go to `values`.
    fn put_fields<'t>(&mut self, task: &'t Task, values: &mut Vec<Cow<'t, str>>) -> Option<usize> {
        let (mut many, mut reason, mut same) = (0, None, true);
        for (name, value) in task.fields.iter() {
            let veils = self.veils_note && is_note(name);
            if reason.is_none()
                && !veils
                && let (FieldValue::Text(text), Some(wanted)) = (value, task.reason.as_deref())
                && text == wanted
            {
                reason = Some(many);
            }
            same = same
                && self
                    .shape
                    .get(many)
                    .is_some_and(|(have, sort)| *sort == sort_of(&value) && **have == *name);
            values.push(match veils {
                true => veiled(value.as_text()),
                false => Cow::Borrowed(value.as_text()),
            });
            many += 1;
        }
        if !same || many != self.shape.len() {
            self.scratch.clear();
            self.shape.clear();
            for (name, value) in task.fields.iter() {
                let sort = sort_of(&value);
                put(&mut self.scratch, name);
                self.scratch.push(sort);
                self.shape.push((name.into(), sort));
            }
            self.blocks[SHAPE].set(&self.scratch);
        }
        reason
    }

    /// The facts as the members of their own JSON (a test holds them together).
    fn put_facts(&mut self, facts: &Facts) {
        // a fact that is added has to be added here
        let Facts {
            now,
            kind,
            class,
            retryable,
            history,
            owner,
            beneficiary,
            siblings,
            definition,
            fulfilment_role,
            age,
        } = facts;
        // each of them takes its value, whatever the ones before it were
        let same = [
            self.now.was(now),
            self.kind.was(kind),
            self.class.was(class),
            self.retryable.was(retryable),
            self.definition.was(definition),
            self.fulfilment_role.was(fulfilment_role),
            self.age.was(age),
        ];
        if same.contains(&false) {
            self.scratch.clear();
            for (name, value) in [
                ("\"now\":", &self.now.text),
                (",\"kind\":", &self.kind.text),
                (",\"class\":", &self.class.text),
                (",\"retryable\":", &self.retryable.text),
                (",\"definition\":", &self.definition.text),
                (",\"fulfilment_role\":", &self.fulfilment_role.text),
                (",\"age\":", &self.age.text),
            ] {
                member(&mut self.scratch, name, value);
            }
            self.blocks[AROUND].set(&self.scratch);
        }
        let same = [
            self.owner.was(owner),
            self.beneficiary.was(beneficiary),
            self.siblings.was(siblings),
        ];
        if same.contains(&false) {
            self.scratch.clear();
            for (name, value) in [
                ("\"owner\":", &self.owner.text),
                (",\"beneficiary\":", &self.beneficiary.text),
                (",\"siblings\":", &self.siblings.text),
            ] {
                member(&mut self.scratch, name, value);
            }
            self.blocks[PEOPLE].set(&self.scratch);
        }
        self.put_history(history);
    }

    /// The lineage's number, then what mostly is the same, then the ids.
    fn put_history(&mut self, history: &History) {
        let History {
            lineage,
            attempts,
            attempts_total,
            first_seen,
            failed_since,
            last_attempt_at,
            last_state,
            in_vain: _,
            unproven: _,
            reset: _,
            stale: _,
            keeps_ids: _,
            creation_over_since,
            recent,
            former_owners,
            ids,
        } = history;
        self.own.number(lineage.0);
        let out = &mut self.scratch;
        out.clear();
        out.push_str("\"attempts\":");
        put_number(out, u64::from(*attempts));
        out.push_str(",\"attempts_total\":");
        put_number(out, u64::from(*attempts_total));
        member(out, ",\"first_seen\":", self.first_seen.of(first_seen));
        let since = self.failed_since.of(failed_since);
        member(out, ",\"failed_since\":", since);
        put_rare(out, ",\"last_attempt_at\":", last_attempt_at.as_ref());
        put_rare(out, ",\"last_state\":", last_state.as_ref());
        if *creation_over_since {
            out.push_str(",\"creation_over_since\":true");
        }
        put_list(out, ",\"recent\":", recent);
        put_list(out, ",\"former_owners\":", former_owners);
        self.own.part(out);
        out.clear();
        out.push('[');
        for (n, id) in ids.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            let text = id.as_str();
            if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                out.push('"');
                out.push_str(text);
                out.push('"');
            } else {
                out.push_str(&json(id));
            }
        }
        out.push(']');
        self.own.part(out);
    }
}

/// The text of blocks and what is a task's own.
pub(super) fn whole(blocks: &[Block; BLOCKS], own: &str) -> String {
    let shared: usize = blocks.iter().map(|block| block.text.len() + 8).sum();
    let mut out = String::with_capacity(VERSION.len() + shared + own.len());
    out.push_str(VERSION);
    for block in blocks {
        put(&mut out, &block.text);
    }
    out.push_str(own);
    // no longer than it is: many are kept for a while
    out.shrink_to_fit();
    out
}

/// The fields that show a task's note.
fn is_note(name: &str) -> bool {
    let name = name.trim();
    let own = name.rsplit_once('.').map_or(name, |(_, own)| own);
    own.trim().eq_ignore_ascii_case("note")
}

/// What is said of a note that is not kept.
fn veiled(note: &str) -> Cow<'_, str> {
    match note.trim() {
        "" => Cow::Borrowed(note),
        _ => Cow::Owned(format!("(not kept: {} characters)", note.chars().count())),
    }
}

fn sort_of(value: &FieldValue<'_>) -> char {
    match value {
        FieldValue::Text(_) => 's',
        FieldValue::Number(_) => 'n',
        FieldValue::Bool(_) => 'b',
        FieldValue::Json(_) => 'j',
    }
}

fn member(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(value);
}

fn put_rare(out: &mut String, name: &str, value: Option<&impl Serialize>) {
    out.push_str(name);
    match value {
        Some(value) => out.push_str(&json(value)),
        None => out.push_str("null"),
    }
}

fn put_list(out: &mut String, name: &str, list: &[impl Serialize]) {
    out.push_str(name);
    if list.is_empty() {
        out.push_str("[]");
    } else {
        out.push_str(&json(&list));
    }
}

/// Writes a part: `length:text,`.
pub(super) fn put(out: &mut String, text: &str) {
    // lengths of texts in memory
    put_number(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.push(':');
    out.push_str(text);
    out.push(',');
}

/// A number in decimal; one stands before every part, so it goes past the formatter.
pub(super) fn put_number(out: &mut String, number: u64) {
    // most parts are short
    let digit = |of: u64| char::from(b'0' + u8::try_from(of % 10).unwrap_or(0));
    match number {
        0..10 => out.push(digit(number)),
        10..100 => out.extend([digit(number / 10), digit(number)]),
        _ => put_long_number(out, number),
    }
}

fn put_long_number(out: &mut String, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    // digits are ASCII
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Writes a part, or that it is absent.
pub(super) fn put_maybe(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => put(out, text),
        None => out.push_str("-,"),
    }
}
