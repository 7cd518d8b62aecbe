//! What a fault makes of a request and its answer; it must never change the world in another way than the fault says.

use std::sync::Arc;

use serde_json::{Value, json};

use super::api::{Answer, Req, respond};
use super::fault::{FaultKind, FaultSpec};
use super::gzip;
use super::time::stamp;
use super::world::{ItemRequest, Refusal, World};

/// Answers a request under a fault, or without one.
pub fn answer(
    world: &mut World,
    req: &Req,
    cause: &Arc<str>,
    items: &[ItemRequest],
    fault: Option<&FaultSpec>,
) -> Answer {
    let Some(fault) = fault else {
        return respond(world, req, cause);
    };
    if fault.what.instead() {
        return instead(world, req, cause, items, fault);
    }
    match fault.what {
        FaultKind::ExpireTokens => {
            world.auth.expire_tokens();
            respond(world, req, cause)
        }
        FaultKind::WrongPassword => {
            world.auth.break_passwords();
            respond(world, req, cause)
        }
        FaultKind::FinishFirst => {
            let keys: Vec<u64> = items
                .iter()
                .filter_map(|item| item.id.parse().ok())
                .collect();
            world.finish_by_admin(&keys);
            respond(world, req, cause)
        }
        FaultKind::ShiftPages => respond(world, &moved(req, 1), cause),
        FaultKind::OverlapPages => respond(world, &moved(req, -1), cause),
        FaultKind::ForbidItems => forbid_some(world, req, cause),
        _ => {
            let mut answer = respond(world, req, cause);
            // A refusal by the API itself stays what it is.
            if answer.status == 200 {
                spoil(world, &mut answer, req, fault);
            }
            answer
        }
    }
}

/// The same request for a page that begins some rows later or earlier, but never the first page.
fn moved(req: &Req, rows: i64) -> Req {
    let mut moved = req.clone();
    for (name, value) in &mut moved.query {
        if name.eq_ignore_ascii_case("offset")
            && let Ok(offset) = value.parse::<i64>()
            && offset > 1
        {
            *value = (offset + rows).max(1).to_string();
        }
    }
    moved
}

fn instead(
    world: &mut World,
    req: &Req,
    cause: &Arc<str>,
    items: &[ItemRequest],
    fault: &FaultSpec,
) -> Answer {
    let mebibytes = fault
        .value
        .as_deref()
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(64);
    match fault.what {
        FaultKind::Html500 => Answer::html(500, "Internal Server Error"),
        FaultKind::Timeout408 => Answer::html(408, "Request Timeout"),
        FaultKind::Gateway504 => Answer::html(504, "Gateway Timeout"),
        FaultKind::Forbidden => Answer::html(403, "Forbidden"),
        FaultKind::NotFound => Answer::html(404, "Not Found"),
        FaultKind::TooMany => {
            let mut answer = Answer::html(429, "Too Many Requests");
            let after = match fault.value.as_deref() {
                Some("date") => http_date(world.now() + 120_000),
                Some(text) => text.to_owned(),
                None => "30".to_owned(),
            };
            answer.headers.push(("Retry-After", after));
            answer
        }
        FaultKind::XmlError => Answer {
            status: 500,
            content_type: "application/xml",
            body: b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><error><errorCode>IAM-0070000</errorCode><errorMessage>An internal error occurred</errorMessage></error>".to_vec(),
            ..Answer::default()
        },
        FaultKind::LoginPage => Answer {
            status: 200,
            content_type: "text/html; charset=UTF-8",
            body: b"<!DOCTYPE html><html><head><title>Sign In</title></head><body><form method=\"post\" action=\"/oam/server/auth_cred_submit\"><input name=\"username\"/><input name=\"password\" type=\"password\"/></form></body></html>".to_vec(),
            ..Answer::default()
        },
        FaultKind::LoginRedirect => Answer {
            status: 302,
            headers: vec![("Location", "http://sso.invalid/oam/server/obrareq.cgi".to_owned())],
            ..Answer::default()
        },
        FaultKind::Oversized => {
            let mut body = b"{\"links\":[],\"count\":0,\"padding\":\"".to_vec();
            body.resize(body.len() + (mebibytes << 20), b'x');
            body.extend_from_slice(b"\"}");
            Answer::raw(200, body)
        }
        FaultKind::GzipBomb => {
            let mut answer = Answer::raw(200, gzip::of_blanks(mebibytes));
            answer.headers.push(("Content-Encoding", "gzip".to_owned()));
            answer
        }
        FaultKind::SlowApply => {
            let now = world.now();
            match world.auth.check(req.authorization.as_deref(), now) {
                Ok(login) => world.defer(fault.delay.0, login, items.to_vec(), Arc::clone(cause)),
                Err(_) => return respond(world, req, cause),
            }
            Answer::html(503, "Service Unavailable")
        }
        _ => Answer::html(503, "Service Unavailable"),
    }
}

/// A PUT of which every second item is refused: the refused ones never reach the world.
fn forbid_some(world: &mut World, req: &Req, cause: &Arc<str>) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&req.body) else {
        return respond(world, req, cause);
    };
    let Some(tasks) = body.get_mut("tasks").and_then(Value::as_array_mut) else {
        return Answer::html(403, "Forbidden");
    };
    let mut refused = Vec::new();
    let mut kept = Vec::new();
    for (number, task) in tasks.drain(..).enumerate() {
        if number % 2 == 1 {
            refused.push(task)
        } else {
            kept.push(task)
        }
    }
    *tasks = kept;
    let part = Req {
        body: body.to_string().into_bytes(),
        ..req.clone()
    };
    let mut answer = respond(world, &part, cause);
    if let Ok(mut whole) = serde_json::from_slice::<Value>(&answer.body)
        && let Some(rows) = whole.get_mut("tasks").and_then(Value::as_array_mut)
    {
        for task in refused {
            rows.push(json!({"links": [], "id": task.get("id"), "status": "FAIL", "action": task.get("action"), "reason": Refusal::Forbidden.reason()}));
        }
        answer.body = whole.to_string().into_bytes();
    }
    answer
}

pub(super) fn http_date(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_else(|_| stamp(ms))
}

/// The rows of a list or of a PUT's answer.
fn rows(body: &mut Value) -> Option<&mut Vec<Value>> {
    let key = [
        "tasks",
        "users",
        "user",
        "roles",
        "requests",
        "provisionProcessTaskTOList",
        "provTaskHistoryList",
        "provTaskResponseList",
    ]
    .into_iter()
    .find(|key| body.get(*key).is_some_and(Value::is_array))?;
    body.get_mut(key)?.as_array_mut()
}

/// Spoils an answer that was made in good order.
fn spoil(world: &World, answer: &mut Answer, req: &Req, fault: &FaultSpec) {
    match fault.what {
        FaultKind::Html500Applied => {
            let page = Answer::html(500, "Internal Server Error");
            answer.status = page.status;
            answer.content_type = page.content_type;
            answer.body = page.body;
            return;
        }
        FaultKind::Empty200 => {
            answer.body.clear();
            return;
        }
        FaultKind::TruncatedJson => {
            answer.body.truncate(answer.body.len() / 2);
            return;
        }
        _ => {}
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return;
    };
    spoil_json(world, &mut body, req, fault);
    answer.body = body.to_string().into_bytes();
}

fn spoil_json(world: &World, body: &mut Value, req: &Req, fault: &FaultSpec) {
    let is_list = body.get("hasMore").is_some();
    match fault.what {
        FaultKind::OmitItems => {
            if let Some(rows) = rows(body) {
                if is_list {
                    let mut number = 0u64;
                    rows.retain(|_| {
                        number += 1;
                        !number.is_multiple_of(3)
                    });
                } else if !rows.is_empty() {
                    rows.remove(0);
                }
            }
        }
        FaultKind::DuplicateItems => {
            if let Some(rows) = rows(body)
                && let Some(first) = rows.first().cloned()
            {
                rows.push(first);
            }
        }
        FaultKind::ExtraItems => {
            if let Some(rows) = rows(body)
                && let Some(mut extra) = rows.first().cloned()
            {
                extra["id"] = json!("999999999");
                extra["links"] = json!([]);
                rows.push(extra);
            }
        }
        FaultKind::NumericIds => each_object(body, &mut |object| {
            if let Some(id) = object
                .get("id")
                .and_then(Value::as_str)
                .and_then(|id| id.parse::<u64>().ok())
            {
                object.insert("id".to_owned(), json!(id));
            }
        }),
        FaultKind::LowerStatus => status(body, &|word| Some(word.to_lowercase())),
        FaultKind::OkStatus => status(body, &|word| (word == "SUCCESS").then(|| "OK".to_owned())),
        FaultKind::UnknownStatus => status(body, &|_| Some("IN_PROGRESS".to_owned())),
        FaultKind::FalseFail => {
            if let Some(rows) = rows(body) {
                for row in rows {
                    row["status"] = json!("FAIL");
                    row["reason"] = json!("An error occurred while processing the task.");
                }
            } else {
                body["status"] = json!("FAIL");
                body["reason"] = json!("An error occurred while processing the task.");
            }
        }
        FaultKind::RepeatNext => {
            let own = link(body, "self", req);
            if let Some(next) = find_link(body, "next") {
                *next = own;
            }
        }
        FaultKind::ForeignNext => {
            let origin = world.origin.clone();
            each_object(body, &mut |object| {
                if let Some(Value::String(href)) = object.get_mut("href") {
                    *href = href.replace(&origin, "https://oim-frontend.invalid:14001");
                }
            });
        }
        FaultKind::EmptyMore if is_list => {
            body["hasMore"] = json!(true);
            body["count"] = json!(0);
            if let Some(rows) = rows(body) {
                rows.clear();
            }
        }
        FaultKind::FalseEnd if is_list => body["hasMore"] = json!(false),
        FaultKind::NoHasMore => {
            if let Some(body) = body.as_object_mut() {
                body.remove("hasMore");
            }
        }
        FaultKind::CutRows if is_list => {
            let value = fault.value.as_deref();
            let kept = value.and_then(|text| text.parse().ok()).unwrap_or(2);
            body["hasMore"] = json!(false);
            if let Some(rows) = rows(body) {
                rows.truncate(kept);
            }
            if let Some(links) = body.get_mut("links").and_then(Value::as_array_mut) {
                links.retain(|link| link.get("rel").and_then(Value::as_str) != Some("next"));
            }
        }
        FaultKind::MapFields => each_object(body, &mut |object| {
            let Some(Value::Array(fields)) = object.get("fields") else {
                return;
            };
            let map: serde_json::Map<String, Value> = fields
                .iter()
                .filter_map(|field| {
                    Some((
                        field.get("name")?.as_str()?.to_owned(),
                        field.get("value")?.clone(),
                    ))
                })
                .collect();
            object.insert("fields".to_owned(), Value::Object(map));
        }),
        FaultKind::BaseValues => each_object(body, &mut |object| {
            if object.contains_key("name")
                && let Some(value) = object.get_mut("value").filter(|value| value.is_string())
            {
                *value = json!({"base": value.clone()});
            }
        }),
        _ => {}
    }
}

fn status(body: &mut Value, change: &dyn Fn(&str) -> Option<String>) {
    each_object(body, &mut |object| {
        if object.contains_key("id")
            && let Some(word) = object
                .get("status")
                .and_then(Value::as_str)
                .and_then(change)
        {
            object.insert("status".to_owned(), json!(word));
        }
    });
}

fn find_link<'body>(body: &'body mut Value, rel: &str) -> Option<&'body mut Value> {
    body.get_mut("links")?
        .as_array_mut()?
        .iter_mut()
        .find(|link| link.get("rel").and_then(Value::as_str) == Some(rel))?
        .get_mut("href")
}

fn link(body: &Value, rel: &str, req: &Req) -> Value {
    body.get("links")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .rfind(|link| link.get("rel").and_then(Value::as_str) == Some(rel))
        .and_then(|link| link.get("href").cloned())
        .unwrap_or_else(|| json!(req.path))
}

fn each_object(value: &mut Value, change: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            for value in object.values_mut() {
                each_object(value, change);
            }
        }
        Value::Array(values) => {
            for value in values {
                each_object(value, change);
            }
        }
        _ => {}
    }
}
