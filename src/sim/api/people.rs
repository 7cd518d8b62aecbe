//! The endpoints on users, proxies, roles and requests; it must never show a user whom the caller may not see.

use serde_json::{Value, json};

use super::super::time::{parse_stamp, stamp};
use super::super::world::{User, World};
use super::envelope::{self, Page};
use super::filter::Filter;
use super::{Answer, Req};

fn full_name(user: &User) -> String {
    format!("{} {}", user.first, user.last).trim().to_owned()
}

/// All attributes of a user, in the documented names.
fn attributes(world: &World, user: &User, one: bool) -> Vec<(String, Value)> {
    let display = full_name(user);
    let mut rows: Vec<(String, Value)> = [
        (
            "Display Name",
            if one {
                json!({"base": display})
            } else {
                json!(display)
            },
        ),
        ("usr_createby", json!(1)),
        ("Status", json!(user.status)),
        ("Organization Name", json!("Vision")),
        ("First Name", json!(user.first)),
        ("Last Name", json!(user.last)),
        ("User Login", json!(&*user.login)),
        (
            "Email",
            json!(format!("{}@corp.example", user.login.to_lowercase())),
        ),
        ("Xellerate Type", json!("End-User")),
        ("Role", json!("Full-Time")),
        ("usr_pwd_reset_attempts_ctr", json!(0)),
        ("usr_change_pwd_at_next_logon", json!("0")),
        ("usr_pwd_expired", json!("0")),
        ("Lockout Duration", json!(0)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(manager) = &user.manager {
        rows.push(("Manager Login".to_owned(), json!(manager)));
        if let Some(manager) = world
            .visible_users()
            .find(|known| *known.login == **manager)
        {
            rows.push(("usr_manager_key".to_owned(), json!(manager.key)));
        }
    }
    for (name, value) in &user.fields {
        rows.retain(|(known, _)| known != name);
        rows.push((name.clone(), json!(value)));
    }
    rows.push(("usr_key".to_owned(), json!(user.key)));
    rows
}

fn chosen(world: &World, user: &User, req: &Req, one: bool) -> Value {
    let mut rows = attributes(world, user, one);
    if let Some(wanted) = req.param("fields") {
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
        rows.retain(|(name, _)| {
            name == "usr_key"
                || wanted
                    .iter()
                    .any(|wanted| wanted.replace("::", " ").eq_ignore_ascii_case(name))
        });
    }
    envelope::fields(world, rows)
}

const SEARCHABLE: [&str; 9] = [
    "User Login",
    "First Name",
    "Last Name",
    "Display Name",
    "Email",
    "Status",
    "usr_key",
    "Manager Login",
    "Organization Name",
];

/// The users that the caller may see.
pub fn users(world: &World, req: &Req) -> Answer {
    let page = match Page::of(req, world.server.limit_max) {
        Ok(page) => page,
        Err(answer) => return *answer,
    };
    let filter = match req.param("q").map(|q| Filter::parse(q, searchable)) {
        None => None,
        Some(Ok(filter)) => Some(filter),
        Some(Err(error)) => return Answer::error(400, &format!("q: {error}")),
    };
    let found: Vec<&User> = world
        .visible_users()
        .filter(|user| filter.as_ref().is_none_or(|filter| passes(filter, user)))
        .collect();
    let (cut, more) = page.cut(&found);
    let rows = cut
        .iter()
        .map(|user| {
            json!({
                "id": envelope::id(world, &user.key.to_string()),
                "links": envelope::self_link(world, &format!("/users/{}", user.key)),
                "fields": chosen(world, user, req, false),
            })
        })
        .collect();
    envelope::list(world, req, page, more, false, "users", rows)
}

fn searchable(name: &str) -> Option<&'static str> {
    // `Manager::Login` is spelled with a blank once the colons are gone.
    SEARCHABLE
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .copied()
}

fn passes(filter: &Filter<&'static str>, user: &User) -> bool {
    filter.passes(|field, test| match *field {
        "User Login" => test(&user.login),
        "First Name" => test(&user.first),
        "Last Name" => test(&user.last),
        "Display Name" => test(&full_name(user)),
        "Email" => test(&format!("{}@corp.example", user.login.to_lowercase())),
        "Status" => test(&user.status),
        "usr_key" => test(&user.key.to_string()),
        "Manager Login" => user.manager.as_deref().is_some_and(test),
        "Organization Name" => test(
            user.fields
                .get("Organization Name")
                .map_or("Vision", String::as_str),
        ),
        _ => false,
    })
}

fn find<'world>(world: &'world World, id: &str) -> Result<&'world User, Box<Answer>> {
    id.parse::<u64>()
        .ok()
        .and_then(|key| world.visible_user(key))
        .ok_or_else(|| Box::new(Answer::error(404, &format!("User {id} does not exist."))))
}

/// One user.
pub fn user(world: &World, req: &Req, id: &str) -> Answer {
    let user = match find(world, id) {
        Ok(user) => user,
        Err(answer) => return *answer,
    };
    let mut body = json!({
        "links": envelope::self_link(world, &format!("/users/{id}")),
        "fields": chosen(world, user, req, true),
    });
    if req.param("accounts").is_some() {
        body["accounts"] = world
            .accounts_of(user)
            .into_iter()
            .filter(|(account, _)| {
                !world.traits.accounts_hide_gone || account.off != Some("Revoked")
            })
            .map(|(account, target)| {
                let status = match (account.exists, account.off) {
                    (_, Some(word)) => word,
                    (true, None) => "Provisioned",
                    (false, None) => "Provisioning",
                };
                let mut shown = json!({"processInstanceKey": account.key, "appinstance": target,
                       "accountName": account.descriptive.as_deref().unwrap_or(&user.login)});
                if !world.traits.accounts_no_status {
                    shown["status"] = json!(status);
                }
                shown
            })
            .collect();
    }
    if req.param("roles").is_some() {
        body["roles"] = world
            .roles()
            .iter()
            .filter(|role| {
                role.members
                    .iter()
                    .any(|member| world.user(*member).key == user.key)
            })
            .map(|role| json!({"id": role.key.to_string(), "name": &*role.name}))
            .chain(
                world
                    .is_almighty(&user.login)
                    .then(|| json!({"id": "1", "name": "SYSTEM ADMINISTRATORS"})),
            )
            .collect();
    }
    Answer::json(200, &body)
}

/// A user's proxies.
pub fn proxies(world: &World, req: &Req, id: &str) -> Answer {
    let user = match find(world, id) {
        Ok(user) => user,
        Err(answer) => return *answer,
    };
    let (current, past) = match req.param("proxyType") {
        None | Some("current") => (true, false),
        Some("past") => (false, true),
        Some("all") => (true, true),
        Some(other) => {
            return Answer::error(
                400,
                &format!("proxyType {other} is not one of all, past, current."),
            );
        }
    };
    let now = world.now();
    let rows: Vec<Value> = world
        .proxies_of(user.key, current, past)
        .into_iter()
        .map(|proxy| {
            let person = world.user(proxy.proxy);
            let state = if now < proxy.start {
                "NOT_STARTED"
            } else if now < proxy.end {
                "STARTED"
            } else {
                "COMPLETED"
            };
            json!({
                "links": envelope::self_link(world, &format!("/users/{}", person.key)),
                "requestId": 0, "id": proxy.id.to_string(), "userLogin": &*person.login, "description": state,
                "startDate": stamp(proxy.start), "endDate": stamp(proxy.end), "relationship": proxy.relationship,
            })
        })
        .collect();
    short(world, req, "user", rows)
}

fn short(world: &World, req: &Req, key: &str, rows: Vec<Value>) -> Answer {
    match Page::of(req, world.server.limit_max) {
        Ok(page) => {
            let (cut, more) = page.cut(&rows);
            envelope::list(world, req, page, more, false, key, cut.to_vec())
        }
        Err(answer) => *answer,
    }
}

/// Adds, changes and removes a user's proxies.
pub fn patch_proxies(world: &mut World, req: &Req, id: &str) -> Answer {
    let key = match find(world, id) {
        Ok(user) => user.key,
        Err(answer) => return *answer,
    };
    let Ok(body) = serde_json::from_slice::<Value>(&req.body) else {
        return Answer::error(400, "the body is not JSON");
    };
    let entries = |what: &str| -> Vec<Value> {
        body.pointer(&format!("/user/{what}"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let number = |entry: &Value, name: &str| match entry.get(name) {
        Some(Value::String(text)) => text.parse::<u64>().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let time = |entry: &Value, name: &str| {
        entry
            .get(name)
            .and_then(Value::as_str)
            .and_then(|text| parse_stamp(text).ok())
    };
    let mut user = json!({"links": envelope::self_link(world, &format!("/users/{id}/proxies"))});
    let mut added = Vec::new();
    for entry in entries("add") {
        let made = match (
            number(&entry, "userid"),
            time(&entry, "startDate"),
            time(&entry, "endDate"),
        ) {
            (Some(proxy), Some(start), Some(end)) if start < end => world
                .patch_add_proxy(key, proxy, start, end)
                .map(|id| (id, proxy, start)),
            _ => return Answer::error(400, "add needs userid, startDate and a later endDate"),
        };
        let Some((proxy_id, proxy, start)) = made else {
            return Answer::error(404, "The proxy user does not exist.");
        };
        let state = if world.now() < start {
            "NOT_STARTED"
        } else {
            "STARTED"
        };
        added.push(json!({
            "links": envelope::self_link(world, &format!("/users/{proxy}")), "requestId": 0,
            "id": proxy_id.to_string(), "userid": proxy.to_string(), "status": "SUCCESS",
            "description": state, "relationship": "MANAGER",
        }));
    }
    let mut changed = Vec::new();
    for entry in entries("update") {
        let done = number(&entry, "id").is_some_and(|id| {
            world.patch_update_proxy(id, time(&entry, "startDate"), time(&entry, "endDate"))
        });
        changed
            .push(json!({"id": entry.get("id"), "status": if done { "SUCCESS" } else { "FAIL" }}));
    }
    let mut removed = Vec::new();
    for entry in entries("delete") {
        let done = number(&entry, "id").is_some_and(|id| world.patch_delete_proxy(id));
        removed
            .push(json!({"id": entry.get("id"), "status": if done { "SUCCESS" } else { "FAIL" }}));
    }
    for (name, rows) in [("add", added), ("update", changed), ("delete", removed)] {
        if !rows.is_empty() {
            user[name] = Value::Array(rows);
        }
    }
    Answer::json(200, &json!({"user": user}))
}

/// All roles, filtered by name or key.
pub fn roles(world: &World, req: &Req) -> Answer {
    let known = |name: &str| match name.to_ascii_lowercase().as_str() {
        "role name" | "name" => Some("Role Name"),
        "role key" | "key" => Some("Role Key"),
        _ => None,
    };
    let filter = match req.param("q").map(|q| Filter::parse(q, known)) {
        None => None,
        Some(Ok(filter)) => Some(filter),
        Some(Err(error)) => return Answer::error(400, &format!("q: {error}")),
    };
    let rows = world
        .roles()
        .iter()
        .filter(|role| {
            filter.as_ref().is_none_or(|filter| {
                filter.passes(|field, test| match *field {
                    "Role Name" => test(&role.name),
                    _ => test(&role.key.to_string()),
                })
            })
        })
        .map(|role| {
            json!({
                "id": envelope::id(world, &role.key.to_string()),
                "links": envelope::self_link(world, &format!("/roles/{}", role.key)),
                "fields": envelope::fields(world, vec![
                    ("Role Name".to_owned(), json!(&*role.name)),
                    ("Role Key".to_owned(), json!(role.key)),
                ]),
            })
        })
        .collect();
    short(world, req, "roles", rows)
}

/// A role's members.
pub fn members(world: &World, req: &Req, id: &str) -> Answer {
    let Some(role) = id
        .parse::<u64>()
        .ok()
        .and_then(|key| world.role_by_key(key))
    else {
        return Answer::error(404, &format!("Role {id} does not exist."));
    };
    let rows = role
        .members
        .iter()
        .map(|member| world.user(*member))
        .filter(|user| user.visible)
        .map(|user| {
            let mut row = json!({
                "links": envelope::self_link(world, &format!("/users/{}", user.key)),
                "id": envelope::id(world, &user.key.to_string()),
                "userLogin": &*user.login,
                "email": user.fields.get("Email").cloned().unwrap_or_else(|| format!("{}@corp.example", user.login.to_lowercase())),
            });
            if let Some(start) = user.fields.get("Start Date") {
                row["startDate"] = json!(start);
            }
            row
        })
        .collect();
    short(world, req, "users", rows)
}

/// Access requests: awaiting approval, or those one tracks.
pub fn requests(world: &World, req: &Req) -> Answer {
    let known = |name: &str| (name == "reqStatus" || name == "id").then(|| name.to_owned());
    let filter = match req.param("q").map(|q| Filter::parse(q, known)) {
        None => None,
        Some(Ok(filter)) => Some(filter),
        Some(Err(error)) => return Answer::error(400, &format!("q: {error}")),
    };
    let track = req.param("view") == Some("trackRequests");
    let rows = world
        .requests()
        .iter()
        .filter(|request| {
            filter.as_ref().is_none_or(|filter| {
                filter.passes(|field, test| match field.as_str() {
                    "reqStatus" => test(&request.status),
                    _ => test(&request.id.to_string()),
                })
            })
        })
        .map(|request| {
            let id = request.id.to_string();
            let links = envelope::self_link(world, &format!("/requests/{id}"));
            if !track {
                return json!({"assignee": request.assignee, "created": request.created, "creator": request.creator,
                    "id": id, "links": links, "state": request.state, "status": request.status,
                    "taskId": request.task_id, "title": request.title});
            }
            let requester = request.requester.to_string();
            let link = envelope::self_link(world, &format!("/users/{requester}"))[0].clone();
            json!({
                "id": id, "links": links,
                "reqBeneficiaryList": [{"id": request.beneficiary.to_string(),
                    "links": envelope::self_link(world, &format!("/users/{}", request.beneficiary))}],
                "reqCreatedOn": request.created, "reqStatus": request.status, "reqType": request.kind,
                "requester": {"link": link, "name": "requesterId", "value": requester},
            })
        })
        .collect();
    short(world, req, "requests", rows)
}
