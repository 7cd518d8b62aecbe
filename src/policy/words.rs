//! Writes the inputs of decisions as text, quickly: what one task has in common with the one before is put into words once. It reads nothing back and decides nothing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::inputs::{Moment, VERSION};
use crate::model::facts::{AccountView, DefinitionMemory, History, Now, OwnerFact, Person};
use crate::model::fields::FieldValue;
use crate::model::{
    DefKey, Facts, Kind, Known, Login, Owner, Principal, ProcessKey, TargetName, Task, TaskId,
    TaskStatus,
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
        if self.value.as_ref() != Some(value) {
            self.text = json(value);
            self.value = Some(value.clone());
        }
        &self.text
    }
}

/// Writes one text after the other.
#[derive(Debug, Default)]
pub struct InputsWriter {
    out: String,
    facts: String,
    fields: String,
    task_owner: Said<Owner>,
    created: Said<Timestamp>,
    now: Said<Now>,
    kind: Said<Kind>,
    class: Said<Arc<str>>,
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
    pub fn parts(&mut self, task: &Task, facts: &mut Facts) -> (String, Arc<str>) {
        let moment = Moment::NONE.swap(facts);
        let still = self.text(task, facts);
        let text = match &self.moment {
            Some((last, text)) if *last == moment => Arc::clone(text),
            _ => {
                let text: Arc<str> = json(&moment).into();
                self.moment = Some((moment.clone(), Arc::clone(&text)));
                text
            }
        };
        moment.swap(facts);
        (still, text)
    }

    /// Everything a policy could see of this task, as text; [`super::replay`] reads it back.
    pub fn text(&mut self, task: &Task, facts: &Facts) -> String {
        let out = &mut self.out;
        out.clear();
        out.push_str(VERSION);
        put(out, task.id.as_str());
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
        put_maybe(out, task.process.as_ref().map(ProcessKey::as_str));
        put_maybe(out, task.target.as_ref().map(TargetName::as_str));
        put_maybe(out, task.beneficiary.as_ref().map(Login::as_str));
        put(out, self.task_owner.of(&task.owner));
        match &task.created {
            // as JSON in quotes
            Some(created) => put(out, self.created.of(created).trim_matches('"')),
            None => out.push_str("-,"),
        }
        let (many, reason) = put_fields(&mut self.fields, task);
        // mostly the longest text of all, and one of the fields
        match reason {
            Some(at) => {
                put(out, "field");
                put(out, &at.to_string());
            }
            None => {
                put(out, "text");
                put_maybe(out, task.reason.as_deref());
            }
        }
        put_maybe(out, task.response.as_deref());
        put_maybe(out, task.note.as_deref());
        put_maybe(out, task.request.as_deref());
        put_maybe(out, task.retry_of.as_ref().map(TaskId::as_str));
        let adapter = |has| if has { "true" } else { "false" };
        put_maybe(out, task.has_adapter.map(adapter));
        put_maybe(out, task.child.as_deref());
        put(out, &many.to_string());
        out.push_str(&self.fields);
        self.put_facts(facts);
        put(&mut self.out, &self.facts);
        // no longer than it is: many are kept for a while
        self.out.as_str().to_owned()
    }

    /// The facts as their own serialising writes them, to the byte (a test holds them together).
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
        self.facts.clear();
        member(&mut self.facts, "{\"now\":", self.now.of(now));
        member(&mut self.facts, ",\"kind\":", self.kind.of(kind));
        member(&mut self.facts, ",\"class\":", self.class.of(class));
        let word = if *retryable { "true" } else { "false" };
        member(&mut self.facts, ",\"retryable\":", word);
        self.put_history(history);
        let out = &mut self.facts;
        member(out, ",\"owner\":", self.owner.of(owner));
        member(out, ",\"beneficiary\":", self.beneficiary.of(beneficiary));
        member(out, ",\"siblings\":", self.siblings.of(siblings));
        member(out, ",\"definition\":", self.definition.of(definition));
        let role = self.fulfilment_role.of(fulfilment_role);
        member(out, ",\"fulfilment_role\":", role);
        member(out, ",\"age\":", self.age.of(age));
        out.push('}');
    }

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
            recent,
            former_owners,
            ids,
        } = history;
        let out = &mut self.facts;
        out.push_str(",\"history\":{\"lineage\":");
        put_number(out, lineage.0);
        out.push_str(",\"attempts\":");
        put_number(out, u64::from(*attempts));
        out.push_str(",\"attempts_total\":");
        put_number(out, u64::from(*attempts_total));
        member(out, ",\"first_seen\":", self.first_seen.of(first_seen));
        let since = self.failed_since.of(failed_since);
        member(out, ",\"failed_since\":", since);
        put_rare(out, ",\"last_attempt_at\":", last_attempt_at.as_ref());
        put_rare(out, ",\"last_state\":", last_state.as_ref());
        put_list(out, ",\"recent\":", recent);
        put_list(out, ",\"former_owners\":", former_owners);
        out.push_str(",\"ids\":[");
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
        out.push_str("]}");
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

/// Writes the fields; answers how many, and which of them has the reason's text.
fn put_fields(out: &mut String, task: &Task) -> (usize, Option<usize>) {
    out.clear();
    let (mut many, mut reason) = (0, None);
    for (name, value) in task.fields.iter() {
        if reason.is_none()
            && let (FieldValue::Text(text), Some(wanted)) = (value, task.reason.as_deref())
            && text == wanted
        {
            reason = Some(many);
        }
        many += 1;
        put(out, name);
        out.push(match value {
            FieldValue::Text(_) => 's',
            FieldValue::Number(_) => 'n',
            FieldValue::Bool(_) => 'b',
            FieldValue::Json(_) => 'j',
        });
        put(out, value.as_text());
    }
    (many, reason)
}

fn put(out: &mut String, text: &str) {
    // lengths of texts in memory
    put_number(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.push(':');
    out.push_str(text);
    out.push(',');
}

/// A number in decimal; one stands before every part, so it goes past the formatter.
fn put_number(out: &mut String, mut number: u64) {
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

fn put_maybe(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => put(out, text),
        None => out.push_str("-,"),
    }
}
