//! The endpoints on tasks and processes; it must never answer more than the documentation lets one expect.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::draw;
use super::super::scenario::ListOrder;
use super::super::world::{ItemRequest, ItemResult, Refusal, Task, World};
use super::envelope::{self, Page};
use super::filter::Filter;
use super::task::{self, Field};
use super::{Answer, Req};

/// What a PUT's body says.
pub enum DecodedPut {
    /// Tasks to act on.
    Tasks(Vec<ItemRequest>),
    /// A PUT on something else.
    Other,
}

/// The open tasks of the caller.
pub fn list(world: &mut World, req: &Req, login: usize) -> Answer {
    let page = match Page::of(req, world.server.limit_max) {
        Ok(page) => page,
        Err(answer) => return *answer,
    };
    let q = req.param("q").unwrap_or("").trim().to_owned();
    let filter = match q.as_str() {
        "" => None,
        text => match Filter::parse(text, task::field) {
            Ok(filter) => Some(filter),
            Err(error) => return Answer::error(400, &format!("q: {error}")),
        },
    };
    let rows = world.view(login, &q, |world, row| {
        filter.as_ref().is_none_or(|filter: &Filter<Field>| {
            filter.passes(|field, test| task::test(world, row, *field, test))
        })
    });
    let rows = ordered(world, &rows);
    let (rows, more) = page.cut(&rows);
    let mut out = Vec::with_capacity(rows.len() * 3_000 + 1_024);
    out.extend_from_slice(b"{\"links\":");
    out.extend_from_slice(
        envelope::links(world, req, page, more, true)
            .to_string()
            .as_bytes(),
    );
    out.extend_from_slice(
        format!(
            ",\"count\":{},\"hasMore\":{more},\"totalResult\":-1,\"tasks\":[",
            rows.len()
        )
        .as_bytes(),
    );
    for (number, row) in rows.iter().filter_map(|row| world.task(*row)).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"links\":");
        task::push_self(&mut out, world, &format!("/provtasks/{}", row.key));
        out.extend_from_slice(b",\"fields\":");
        task::push_fields(&mut out, world, row, true);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Answer::raw(200, out)
}

/// The rows in the order in which this server lists them.
fn ordered<'rows>(world: &mut World, rows: &'rows [usize]) -> Cow<'rows, [usize]> {
    match world.traits.list_order {
        ListOrder::Opened => Cow::Borrowed(rows),
        ListOrder::Newest => Cow::Owned(rows.iter().rev().copied().collect()),
        ListOrder::Moving => {
            world.lists_read += 1;
            let (seed, reading) = (world.seed(), world.lists_read);
            let mut moved = rows.to_vec();
            moved.sort_by_key(|row| {
                // a row's place among all rows fits
                let row = u64::try_from(*row).unwrap_or(u64::MAX);
                draw::hash(seed, &[reading, row])
            });
            Cow::Owned(moved)
        }
    }
}

fn find<'world>(world: &'world World, id: &str) -> Result<&'world Task, Box<Answer>> {
    id.parse::<u64>()
        .ok()
        .and_then(|key| world.readable(key))
        .ok_or_else(|| Box::new(Answer::error(404, &format!("Task {id} does not exist."))))
}

/// One task.
pub fn one(world: &World, id: &str) -> Answer {
    let row = match find(world, id) {
        Ok(row) => row,
        Err(answer) => return *answer,
    };
    let mut out = Vec::with_capacity(4_096);
    out.push(b'{');
    if !world.traits.legacy {
        out.extend_from_slice(b"\"links\":");
        task::push_self(&mut out, world, &format!("/provtasks/{id}"));
        out.push(b',');
    }
    out.extend_from_slice(format!("\"id\":{},\"fields\":", envelope::id(world, id)).as_bytes());
    task::push_fields(&mut out, world, row, false);
    out.extend_from_slice(b",\"formFields\":[]}");
    Answer::raw(200, out)
}

/// A task's history: its present state, and what was retried before it.
pub fn history(world: &World, req: &Req, id: &str) -> Answer {
    let row = match find(world, id) {
        Ok(row) => row,
        Err(answer) => return *answer,
    };
    let assigner = 0u64;
    let mut states = vec!["Pending"];
    if row.status.category() != "Pending" {
        if row.status.category() == "Completed" && row.finished.is_some() && !row.reason.is_empty()
        {
            states.push("Rejected");
        }
        states.push(row.status.word());
    }
    let rows: Vec<Value> = states
        .into_iter()
        .map(|state| {
            json!({
                "links": envelope::self_link(world, &format!("/provtasks/{id}/history/{id}")),
                "fields": envelope::fields(world, vec![
                    ("Status".to_owned(), json!(state)),
                    ("ASSIGNER_USER_KEY".to_owned(), json!(assigner)),
                    ("Process Instance.Task History.Date Assignment".to_owned(), json!(super::super::time::stamp(row.created))),
                ]),
            })
        })
        .collect();
    paged(world, req, "provTaskHistoryList", rows)
}

fn paged(world: &World, req: &Req, key: &str, rows: Vec<Value>) -> Answer {
    match Page::of(req, world.server.limit_max) {
        Ok(page) => {
            let (cut, more) = page.cut(&rows);
            envelope::list(world, req, page, more, true, key, cut.to_vec())
        }
        Err(answer) => *answer,
    }
}

/// The responses that may be chosen for a task.
pub fn responses(world: &World, req: &Req, id: &str) -> Answer {
    let row = match find(world, id) {
        Ok(row) => row,
        Err(answer) => return *answer,
    };
    let definition = world.definition_of(row);
    let rows = definition
        .responses
        .iter()
        .map(|response| {
            json!({
                "links": envelope::self_link(world, &format!("/provtasks/{id}/responses/{id}")),
                "fields": envelope::fields(world, vec![
                    ("Process Definition.Tasks.Key".to_owned(), json!(definition.key)),
                    ("Event Handler Manager.Key".to_owned(), json!(definition.handler)),
                    ("Process Definition.Tasks.Responses.Response".to_owned(), json!(response)),
                ]),
            })
        })
        .collect();
    paged(world, req, "provTaskResponseList", rows)
}

/// All tasks of a process, or one of them.
pub fn process(world: &World, req: &Req, id: &str) -> Answer {
    let missing = || Answer::error(404, &format!("Process {id} does not exist."));
    let Some((_, tasks)) = id.parse::<u64>().ok().and_then(|key| world.process(key)) else {
        return missing();
    };
    let wanted = req.param("taskInstanceKey");
    let mut out = Vec::with_capacity(tasks.len() * 3_000 + 256);
    out.extend_from_slice(b"{\"links\":");
    task::push_self(&mut out, world, &format!("/provprocesses/{id}"));
    out.extend_from_slice(
        format!(
            ",\"id\":{},\"provisionProcessTaskTOList\":[",
            envelope::id(world, id)
        )
        .as_bytes(),
    );
    let mut number = 0u64;
    for row in tasks {
        let key = row.key.to_string();
        if wanted.is_some_and(|wanted| wanted != key) {
            continue;
        }
        if number > 0 {
            out.push(b',');
        }
        number += 1;
        out.extend_from_slice(
            format!("{{\"id\":{},\"fields\":", envelope::id(world, &key)).as_bytes(),
        );
        task::push_fields(&mut out, world, row, false);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    if wanted.is_some() && number == 0 {
        return Answer::error(404, "The task does not exist in this process.");
    }
    Answer::raw(200, out)
}

/// The task definitions that can be inserted into a process.
pub fn available(world: &World, req: &Req, id: &str) -> Answer {
    let told = !world.traits.no_available_tasks;
    let process = id.parse::<u64>().ok().filter(|_| told);
    let Some((account, _)) = process.and_then(|key| world.process(key)) else {
        return Answer::error(404, &format!("Process {id} does not exist."));
    };
    let rows = world
        .definitions_for(account)
        .into_iter()
        .map(|definition| {
            json!({
                "links": envelope::self_link(world, &format!("/provprocesses/{id}/availabletasks/{id}")),
                "fields": envelope::fields(world, vec![
                    ("Event Handler Manager.Key".to_owned(), json!(definition.handler)),
                    ("Process Definition.Tasks.Key".to_owned(), json!(definition.key)),
                    ("Process Definition.Tasks.Task Name".to_owned(), json!(&*definition.name)),
                ]),
            })
        })
        .collect();
    paged(world, req, "provisionProcessAvailableTaskTO", rows)
}

fn item(value: &Value, id: Option<&str>) -> Result<ItemRequest, String> {
    let object = value.as_object().ok_or("an item is not an object")?;
    let sent = match object.get("id") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut fields = Vec::new();
    for field in object
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = field
            .get("name")
            .and_then(Value::as_str)
            .ok_or("a field has no name")?;
        fields.push((
            name.to_owned(),
            field.get("value").cloned().unwrap_or(Value::Null),
        ));
    }
    Ok(ItemRequest {
        id: id.map(str::to_owned).or(sent).ok_or("an item has no id")?,
        action: object
            .get("action")
            .and_then(Value::as_str)
            .map(str::to_owned),
        fields,
        request_id: object.get("requestId").cloned(),
    })
}

/// Reads a PUT's body.
///
/// # Errors
/// A sentence on what can't be read.
pub fn decode_put(req: &Req) -> Result<DecodedPut, String> {
    let rest = req.path.strip_prefix(super::BASE).unwrap_or_default();
    let parts: Vec<&str> = rest.trim_matches('/').split('/').collect();
    let body = || {
        serde_json::from_slice::<Value>(&req.body)
            .map_err(|error| format!("the body is not JSON: {error}"))
    };
    match parts.as_slice() {
        ["provtasks"] => {
            let body = body()?;
            let tasks = body
                .get("tasks")
                .and_then(Value::as_array)
                .ok_or("the body has no tasks")?;
            let items: Result<Vec<ItemRequest>, String> =
                tasks.iter().map(|value| item(value, None)).collect();
            Ok(DecodedPut::Tasks(items?))
        }
        ["provtasks", id] => Ok(DecodedPut::Tasks(vec![item(&body()?, Some(id))?])),
        _ => Ok(DecodedPut::Other),
    }
}

fn decoded(req: &Req) -> Result<Vec<ItemRequest>, Box<Answer>> {
    match decode_put(req) {
        Ok(DecodedPut::Tasks(items)) => Ok(items),
        Ok(DecodedPut::Other) => Err(Box::new(Answer::html(404, "Not Found"))),
        Err(error) => Err(Box::new(Answer::error(400, &error))),
    }
}

/// Acts on many tasks.
pub fn put_many(world: &mut World, req: &Req, login: usize, cause: &Arc<str>) -> Answer {
    let items = match decoded(req) {
        Ok(items) => items,
        Err(answer) => return *answer,
    };
    let mut results: Vec<ItemResult> = items
        .iter()
        .map(|item| world.act_on(login, item, cause))
        .collect();
    if world.server.shuffle_bulk {
        let seed = world.seed();
        results.sort_by_key(|result| draw::hash(seed, &[5, draw::text(&result.id)]));
    }
    let tasks: Vec<Value> = results
        .iter()
        .map(|result| {
            let mut row = json!({
                "links": envelope::self_link(world, &format!("/provtasks/{}", super::encode(&result.id))),
                "id": envelope::id(world, &result.id),
                "status": if result.refusal.is_none() { "SUCCESS" } else { "FAIL" },
            });
            if let Some(action) = &result.action {
                row["action"] = json!(action);
            }
            if let Some(request) = &result.request_id {
                row["requestId"] = request.clone();
            }
            if let Some(refusal) = &result.refusal {
                row["reason"] = json!(refusal.reason());
            }
            row
        })
        .collect();
    let mut answer = Answer::json(
        200,
        &json!({"links": envelope::self_link(world, "/provtasks"), "tasks": tasks}),
    );
    answer.wait_ms = results.iter().map(|result| result.wait_ms).sum();
    answer.items = results;
    answer
}

/// Acts on one task.
pub fn put_one(world: &mut World, req: &Req, login: usize, id: &str, cause: &Arc<str>) -> Answer {
    let items = match decoded(req) {
        Ok(items) => items,
        Err(answer) => return *answer,
    };
    let Some(item) = items.first() else {
        return Answer::error(400, "the body names no task");
    };
    let result = world.act_on(login, item, cause);
    let mut answer = match &result.refusal {
        Some(Refusal::Missing) => Answer::error(404, &format!("Task {id} does not exist.")),
        Some(Refusal::Forbidden) => Answer::html(403, "Forbidden"),
        Some(Refusal::Wrong(text)) => Answer::error(400, text),
        refusal => {
            let good = if world.traits.legacy { "OK" } else { "SUCCESS" };
            let mut body = json!({
                "links": envelope::self_link(world, &format!("/provtasks/{id}")),
                "id": envelope::id(world, id),
                "status": if refusal.is_none() { good } else { "FAIL" },
            });
            if let Some(refusal) = refusal {
                body["reason"] = json!(refusal.reason());
            }
            if world.traits.legacy {
                body["assignee"] = json!("System Administrator");
            }
            Answer::json(200, &body)
        }
    };
    answer.wait_ms = result.wait_ms;
    answer.items = vec![result];
    answer
}

/// Inserts a task into a process.
pub fn add_task(world: &mut World, req: &Req, login: usize, id: &str) -> Answer {
    let Ok(body) = serde_json::from_slice::<Value>(&req.body) else {
        return Answer::error(400, "the body is not JSON");
    };
    let action = body
        .get("action")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let key = body
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|field| {
            field.get("name").and_then(Value::as_str) == Some("Process Definition.Tasks.Key")
        })
        .and_then(|field| match field.get("value") {
            Some(Value::String(text)) => text.parse::<u64>().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        });
    let (true, Some(definition)) = (action == "addTask", key) else {
        return Answer::error(
            400,
            "expected action addTask and Process Definition.Tasks.Key",
        );
    };
    let Ok(process) = id.parse::<u64>() else {
        return Answer::error(404, &format!("Process {id} does not exist."));
    };
    if world.process(process).is_none() {
        return Answer::error(404, &format!("Process {id} does not exist."));
    }
    let by = world.auth.user_of(login);
    let mut answer = json!({
        "links": envelope::self_link(world, &format!("/provprocesses/{id}")),
        "id": envelope::id(world, id),
        "status": "SUCCESS",
    });
    if let Err(reason) = world.add_task(process, definition, by) {
        answer["status"] = json!("FAIL");
        answer["reason"] = json!(reason);
    }
    Answer::json(200, &answer)
}
