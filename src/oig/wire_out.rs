//! The bodies that go out, exactly as the contract documents them (sections 3 and 4); nothing else is ever sent.

use std::sync::Arc;

use serde::Serialize;

use crate::model::{Action, Principal, TaskId};

/// One act on one task, as the client sends it.
#[derive(Clone, Debug)]
pub struct WriteItem {
    /// The task.
    pub task: TaskId,
    /// The access request behind it, where known; sent with bulk reassignments only.
    pub request: Option<Arc<str>>,
    /// What to do; a reassignment's principal must carry its key.
    pub action: Action,
}

#[derive(Serialize, Debug)]
struct Field<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Serialize, Debug)]
struct Single<'a> {
    action: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    action: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
}

#[derive(Serialize, Debug)]
struct Bulk<'a> {
    tasks: Vec<Item<'a>>,
}

/// The contract's word for an action; camel case as documented.
fn word(action: &Action) -> &'static str {
    match action {
        Action::Retry => "retry",
        Action::Reassign { .. } => "reassign",
        Action::SetNote { .. } => "setNote",
        Action::SetResponse { .. } => "setResponse",
        Action::ManualComplete => "manualComplete",
    }
}

fn fields<'a>(item: &'a WriteItem, role_word: &'a str) -> Result<Vec<Field<'a>>, String> {
    let keyless = || {
        Err(format!(
            "task {} was to be reassigned to somebody whose key was never looked up",
            item.task
        ))
    };
    Ok(match &item.action {
        Action::Retry | Action::ManualComplete => Vec::new(),
        Action::Reassign { to } => {
            let (key, word) = match to {
                Principal::User { key: Some(key), .. } => (key.as_str(), "user"),
                Principal::Role { key: Some(key), .. } => (key.as_str(), role_word),
                Principal::User { .. } | Principal::Role { .. } => return keyless(),
            };
            vec![
                Field {
                    name: "assignee",
                    value: key,
                },
                Field {
                    name: "type",
                    value: word,
                },
            ]
        }
        Action::SetNote { text } => vec![Field {
            name: "Process Instance.Task Details.Note",
            value: text,
        }],
        Action::SetResponse { code } => vec![Field {
            name: "Process Definition.Tasks.Responses.Response",
            value: code,
        }],
    })
}

/// The body of a PUT on one task.
///
/// # Errors
/// A sentence, where the item can't be written as documented.
pub fn single(item: &WriteItem, role_word: &str) -> Result<Vec<u8>, String> {
    let body = Single {
        action: word(&item.action),
        fields: fields(item, role_word)?,
    };
    serde_json::to_vec(&body).map_err(|e| e.to_string())
}

/// The body of a bulk PUT: a retry repeats its id as `taskId`, a reassignment carries its `requestId` where known.
///
/// # Errors
/// A sentence, where an item can't be written as documented, or there is none.
pub fn bulk(items: &[WriteItem], role_word: &str) -> Result<Vec<u8>, String> {
    if items.is_empty() {
        return Err("a bulk PUT without items".to_owned());
    }
    let tasks = items
        .iter()
        .map(|item| {
            let id = item.task.as_str();
            Ok(Item {
                id,
                request_id: match item.action {
                    Action::Reassign { .. } => item.request.as_deref(),
                    _ => None,
                },
                action: word(&item.action),
                fields: fields(item, role_word)?,
                task_id: matches!(item.action, Action::Retry).then_some(id),
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    serde_json::to_vec(&Bulk { tasks }).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Login, UserKey};

    fn item(id: &str, action: Action) -> WriteItem {
        WriteItem {
            task: TaskId::new(id),
            request: None,
            action,
        }
    }

    fn to(key: Option<&str>) -> Action {
        Action::Reassign {
            to: Principal::User {
                key: key.map(UserKey::new),
                login: Login::new("BKIDDO"),
            },
        }
    }

    fn json_of(body: Result<Vec<u8>, String>) -> Value {
        serde_json::from_slice(&body.expect("a body")).expect("JSON")
    }

    #[test]
    fn single_bodies_equal_the_documented_ones() {
        let note = Action::SetNote {
            text: Arc::from("Updated value of Note-NB"),
        };
        let response = Action::SetResponse {
            code: Arc::from("VALIDATION_FAILED"),
        };
        for (action, body) in [
            (Action::Retry, json!({"action": "retry"})),
            (Action::ManualComplete, json!({"action": "manualComplete"})),
            (
                to(Some("23")),
                json!({"action": "reassign", "fields": [{"name": "assignee", "value": "23"}, {"name": "type", "value": "user"}]}),
            ),
            (
                note,
                json!({"action": "setNote", "fields": [{"name": "Process Instance.Task Details.Note", "value": "Updated value of Note-NB"}]}),
            ),
            (
                response,
                json!({"action": "setResponse", "fields": [{"name": "Process Definition.Tasks.Responses.Response", "value": "VALIDATION_FAILED"}]}),
            ),
        ] {
            assert_eq!(json_of(single(&item("1002", action), "role")), body);
        }
    }

    #[test]
    fn bulk_bodies_equal_the_documented_ones() {
        let retry = [item("1006", Action::Retry), item("1008", Action::Retry)];
        assert_eq!(
            json_of(bulk(&retry, "role")),
            json!({"tasks": [
                {"id": "1006", "action": "retry", "taskId": "1006"},
                {"id": "1008", "action": "retry", "taskId": "1008"}]})
        );
        let mut first = item("3016", to(Some("23")));
        first.request = Some(Arc::from("10001"));
        let mut second = item("3018", to(Some("23")));
        second.request = Some(Arc::from("10002"));
        let fields =
            json!([{"name": "assignee", "value": "23"}, {"name": "type", "value": "user"}]);
        assert_eq!(
            json_of(bulk(&[first, second], "role")),
            json!({"tasks": [
                {"id": "3016", "requestId": "10001", "action": "reassign", "fields": fields},
                {"id": "3018", "requestId": "10002", "action": "reassign", "fields": fields}]})
        );
    }

    #[test]
    fn a_role_uses_the_configured_word_and_nobody_is_reassigned_without_a_key() {
        let role = Action::Reassign {
            to: Principal::Role {
                key: Some("8".into()),
                name: Arc::from("HELPDESK"),
            },
        };
        let body = json_of(single(&item("5", role), "group"));
        assert_eq!(body["fields"][1]["value"], "group");
        assert!(single(&item("5", to(None)), "role").is_err());
        assert!(bulk(&[item("4", Action::Retry), item("5", to(None))], "role").is_err());
        assert!(bulk(&[], "role").is_err());
    }
}
