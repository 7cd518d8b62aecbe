//! What a body names: ids of tasks, names of targets and logins of persons, in any of the forms that senders use; pure, and nothing else of a body is kept or believed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::cause::Cause;
use super::persons::login;
use crate::model::{Login, TargetName, TaskId};

/// Tasks that one event may name.
pub const TASKS_MAX: usize = 1_000;
/// Targets that one event may name.
const TARGETS_MAX: usize = 100;
/// Persons that one event may name.
const PERSONS_MAX: usize = 100;
/// The longest id of a task.
const ID_MAX: usize = 64;
/// The longest name of a target.
const TARGET_MAX: usize = 256;

/// What an event names, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named {
    /// Tasks to be read.
    pub tasks: BTreeSet<TaskId>,
    /// Targets of which somebody says that they work again; they are looked at earlier, nothing more.
    pub targets: BTreeSet<TargetName>,
    /// Persons whose accounts are to be walked through.
    pub persons: BTreeSet<Login>,
}

/// An id that could be one of OIG's.
pub fn task_id(text: &str) -> Option<TaskId> {
    let text = text.trim();
    let good = !text.is_empty()
        && text.len() <= ID_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    good.then(|| TaskId::new(text))
}

/// Takes one value of a sort.
type Take = fn(&mut Named, &Value) -> Result<(), Cause>;

impl Named {
    fn task(&mut self, value: &Value) -> Result<(), Cause> {
        let id = match value {
            Value::String(text) => task_id(text),
            Value::Number(number) => number.as_u64().and_then(|n| task_id(&n.to_string())),
            _ => None,
        };
        self.tasks.insert(id.ok_or(Cause::NotAnId)?);
        if self.tasks.len() > TASKS_MAX {
            return Err(Cause::TooMany);
        }
        Ok(())
    }

    fn target(&mut self, value: &Value) -> Result<(), Cause> {
        let name = value.as_str().map(str::trim).unwrap_or_default();
        if name.is_empty() || name.len() > TARGET_MAX || name.chars().any(char::is_control) {
            return Err(Cause::NotAnId);
        }
        self.targets.insert(TargetName::new(name));
        if self.targets.len() > TARGETS_MAX {
            return Err(Cause::TooMany);
        }
        Ok(())
    }

    fn person(&mut self, value: &Value) -> Result<(), Cause> {
        let login = value.as_str().and_then(login).ok_or(Cause::NotAnId)?;
        self.persons.insert(login);
        if self.persons.len() > PERSONS_MAX {
            return Err(Cause::TooMany);
        }
        Ok(())
    }

    /// `{"tasks": […]}`, `{"task": …}`, `{"targets": […]}`, `{"target": …}`, `{"users": […]}`, `{"user": …}`; what
    /// stands beside is not looked at.
    fn object(&mut self, value: &Value) -> Result<(), Cause> {
        let object = value.as_object().ok_or(Cause::Malformed)?;
        let parts: [(_, _, Take); 3] = [
            ("tasks", "task", Self::task),
            ("targets", "target", Self::target),
            ("users", "user", Self::person),
        ];
        for (many, one, name) in parts {
            let listed = match object.get(many) {
                None => &[][..],
                Some(Value::Array(all)) => all.as_slice(),
                Some(_) => return Err(Cause::Malformed),
            };
            for each in listed.iter().chain(object.get(one)) {
                name(self, each)?;
            }
        }
        Ok(())
    }

    /// One CloudEvent in its structured form: what its data names, else its subject as a task.
    fn cloud_event(&mut self, value: &Value) -> Result<(), Cause> {
        let event = value.as_object().ok_or(Cause::Malformed)?;
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        let required = ["id", "source", "type"];
        let whole = required
            .iter()
            .all(|key| text(key).is_some_and(|text| !text.is_empty()));
        if text("specversion") != Some("1.0") || !whole {
            return Err(Cause::Malformed);
        }
        match (event.get("data"), text("data_base64"), event.get("subject")) {
            (Some(_), Some(_), _) => Err(Cause::Malformed),
            (Some(data), None, _) => self.object(data),
            (None, Some(data), _) => {
                let data = STANDARD.decode(data).map_err(|_| Cause::Malformed)?;
                self.object(&json(&data)?)
            }
            (None, None, Some(subject)) => self.task(subject),
            (None, None, None) => Err(Cause::NothingNamed),
        }
    }
}

fn json(body: &[u8]) -> Result<Value, Cause> {
    serde_json::from_slice(body).map_err(|_| Cause::Malformed)
}

/// The attributes of a CloudEvent in the binary form, which stand in headers.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// `ce-specversion`
    pub version: Option<String>,
    /// True where `ce-id`, `ce-source` and `ce-type` are all there.
    pub whole: bool,
}

/// Reads a body by its content type.
///
/// # Errors
/// The cause; nothing of the body is taken then.
pub fn read(content_type: &str, attributes: &Attributes, body: &[u8]) -> Result<Named, Cause> {
    let mut parts = content_type.split(';');
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return Err(Cause::MediaType);
        }
    }
    let mut named = Named::default();
    match media.as_str() {
        "application/cloudevents+json" => named.cloud_event(&json(body)?)?,
        "application/cloudevents-batch+json" => {
            let events = json(body)?;
            for event in events.as_array().ok_or(Cause::Malformed)? {
                named.cloud_event(event)?;
            }
        }
        "application/json" if attributes.version.is_some() => {
            if attributes.version.as_deref() != Some("1.0") || !attributes.whole {
                return Err(Cause::HeaderMalformed);
            }
            // headers are not signed: what an event names stands in its body
            if !body.is_empty() {
                named.object(&json(body)?)?;
            }
        }
        "application/json" => named.object(&json(body)?)?,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/json-lines" => {
            let text = std::str::from_utf8(body).map_err(|_| Cause::Malformed)?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                match json(line.as_bytes())? {
                    object @ Value::Object(_) => named.object(&object)?,
                    id => named.task(&id)?,
                }
            }
        }
        _ => return Err(Cause::MediaType),
    }
    if named == Named::default() {
        return Err(Cause::NothingNamed);
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(content_type: &str, body: &str) -> Result<(Vec<String>, Vec<String>), Cause> {
        let named = read(content_type, &Attributes::default(), body.as_bytes())?;
        let tasks = named.tasks.iter().map(ToString::to_string).collect();
        let targets = named.targets.iter().map(ToString::to_string).collect();
        Ok((tasks, targets))
    }

    fn both(tasks: &[&str], targets: &[&str]) -> Result<(Vec<String>, Vec<String>), Cause> {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Ok((own(tasks), own(targets)))
    }

    #[test]
    fn every_form_names_the_same_tasks() {
        let event = r#""specversion":"1.0","id":"e","source":"s","type":"t""#;
        for (content_type, body) in [
            (
                "application/json",
                r#"{"tasks":["17",18, "0017"],"status":"rejected"}"#.to_owned(),
            ),
            (
                "Application/JSON; charset=UTF-8",
                r#"{"tasks":["17"],"task":18}"#.to_owned(),
            ),
            (
                "application/x-ndjson",
                "\"17\"\r\n\n{\"task\":18}\n".to_owned(),
            ),
            ("application/jsonl", "17\n18".to_owned()),
            (
                "application/cloudevents+json",
                format!(r#"{{{event},"data":{{"tasks":["17","18"]}}}}"#),
            ),
            (
                "application/cloudevents-batch+json",
                format!(
                    r#"[{{{event},"subject":"17"}},{{{event},"data_base64":"eyJ0YXNrIjoxOH0="}}]"#
                ),
            ),
        ] {
            assert_eq!(
                names(content_type, &body),
                both(&["17", "18"], &[]),
                "{body}"
            );
        }
        let binary = Attributes {
            version: Some("1.0".to_owned()),
            whole: true,
        };
        let named = read("application/json", &binary, br#"{"task":"17"}"#).expect("named");
        assert_eq!(named.tasks.len(), 1);
        let nothing = read("application/json", &binary, b"");
        assert_eq!(nothing, Err(Cause::NothingNamed), "headers are not signed");
        let recovered = r#"{"target":"AD","status":"up"}"#;
        assert_eq!(names("application/json", recovered), both(&[], &["AD"]));
    }

    #[test]
    fn a_person_is_named_beside_tasks_or_alone() {
        let persons = |body: &str| {
            let named = read("application/json", &Attributes::default(), body.as_bytes())?;
            Ok((named.tasks.len(), Vec::from_iter(named.persons)))
        };
        let own = |all: &[&str]| all.iter().map(|one| Login::new(one)).collect::<Vec<_>>();
        let body = r#"{"users":["jdoe","JDOE"," B "],"user":"C","task":17}"#;
        assert_eq!(persons(body), Ok((1, own(&["B", "C", "JDOE"]))));
        assert_eq!(persons(r#"{"user":"jdoe"}"#), Ok((0, own(&["JDOE"]))));
        let many: Vec<String> = (0..=PERSONS_MAX).map(|n| format!("\"P{n}\"")).collect();
        let many = format!(r#"{{"users":[{}]}}"#, many.join(","));
        for (bad, cause) in [
            (r#"{"users":"JDOE"}"#, Cause::Malformed),
            (r#"{"users":[17]}"#, Cause::NotAnId),
            (r#"{"user":" "}"#, Cause::NotAnId),
            (r#"{"user":"a\nb"}"#, Cause::NotAnId),
            (r#"{"users":[]}"#, Cause::NothingNamed),
            (many.as_str(), Cause::TooMany),
        ] {
            assert_eq!(persons(bad), Err(cause), "{bad}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_taken_even_in_part() {
        let event = r#""specversion":"1.0","id":"e","source":"s","type":"t""#;
        let many: Vec<String> = (0..=TASKS_MAX).map(|n| n.to_string()).collect();
        for (content_type, body, cause) in [
            ("text/plain", "17".to_owned(), Cause::MediaType),
            ("", r#"{"task":17}"#.to_owned(), Cause::MediaType),
            (
                "application/json; charset=latin1",
                r#"{"task":17}"#.to_owned(),
                Cause::MediaType,
            ),
            (
                "application/json",
                "{\"task\":17".to_owned(),
                Cause::Malformed,
            ),
            ("application/json", "[17]".to_owned(), Cause::Malformed),
            (
                "application/json",
                r#"{"tasks":"17"}"#.to_owned(),
                Cause::Malformed,
            ),
            ("application/json", "{}".to_owned(), Cause::NothingNamed),
            (
                "application/json",
                r#"{"tasks":[]}"#.to_owned(),
                Cause::NothingNamed,
            ),
            (
                "application/json",
                r#"{"tasks":["17",""]}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                r#"{"tasks":["../17"]}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                r#"{"tasks":[1.5]}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                r#"{"tasks":[-1]}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                r#"{"tasks":[null]}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                r#"{"target":""}"#.to_owned(),
                Cause::NotAnId,
            ),
            (
                "application/json",
                format!(r#"{{"tasks":[{}]}}"#, many.join(",")),
                Cause::TooMany,
            ),
            (
                "application/x-ndjson",
                "17\noops\n".to_owned(),
                Cause::Malformed,
            ),
            (
                "application/cloudevents+json",
                format!("{{{event}}}"),
                Cause::NothingNamed,
            ),
            (
                "application/cloudevents+json",
                r#"{"specversion":"0.3","id":"e","source":"s","type":"t","subject":"17"}"#
                    .to_owned(),
                Cause::Malformed,
            ),
            (
                "application/cloudevents-batch+json",
                format!("{{{event}}}"),
                Cause::Malformed,
            ),
        ] {
            assert_eq!(
                names(content_type, &body),
                Err(cause),
                "{content_type} {body}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300), form in 0usize..4) {
            let forms = [
                "application/json",
                "application/x-ndjson",
                "application/cloudevents+json",
                "application/cloudevents-batch+json",
            ];
            let _ = read(forms[form], &Attributes::default(), &body);
        }
    }
}
