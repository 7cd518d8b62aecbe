//! The documented REST contract over the world: one request in, one answer out; it must never wait, and never know which fault will fall on the answer.

mod envelope;
mod filter;
mod people;
mod task;
mod work;

use std::sync::Arc;

use serde_json::{Value, json};

use super::fault::Class;
use super::world::{ItemRequest, ItemResult, World};

pub use envelope::encode;
pub use work::{DecodedPut, decode_put};

/// Base path of the self service API.
pub const BASE: &str = "/iam/governance/selfservice/api/v1";
/// Path of the token service.
pub const TOKENS: &str = "/iam/governance/token/api/v1/tokens";

/// A request, as far as the API looks at it.
#[derive(Debug, Clone, Default)]
pub struct Req {
    /// Upper-case method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Decoded query parameters, in order.
    pub query: Vec<(String, String)>,
    /// The Authorization header.
    pub authorization: Option<String>,
    /// X-Requested-By was there.
    pub requested_by: bool,
    /// The Content-Type header.
    pub content_type: Option<String>,
    /// The X-Request-ID header.
    pub request_id: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Req {
    /// A query parameter; names without regard to case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The class that faults are set on.
    pub fn class(&self) -> Class {
        if self.path == TOKENS {
            return Class::Token;
        }
        let Some(rest) = self.path.strip_prefix(BASE) else {
            return Class::Any;
        };
        match (self.method.as_str(), rest.trim_end_matches('/')) {
            ("GET", "/provtasks") => Class::List,
            ("PUT", _) => Class::Put,
            ("GET", rest) if rest.starts_with("/prov") => Class::Read,
            ("GET" | "PATCH", rest)
                if ["/users", "/roles", "/requests"]
                    .iter()
                    .any(|start| rest.starts_with(start)) =>
            {
                Class::People
            }
            _ => Class::Any,
        }
    }
}

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content-Type; empty = none.
    pub content_type: &'static str,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Wall milliseconds that the connectors hold it up.
    pub wait_ms: u64,
    /// What became of the items of a PUT.
    pub items: Vec<ItemResult>,
    /// The login that made it, by index.
    pub login: Option<usize>,
    /// Why it was turned away.
    pub denied: Option<&'static str>,
}

impl Answer {
    /// A JSON answer.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::raw(status, value.to_string().into_bytes())
    }

    /// A JSON answer that is already text.
    pub fn raw(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: "application/json",
            body,
            ..Self::default()
        }
    }

    /// A WebLogic error page.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.0 Draft//EN\">\n<HTML>\n<HEAD>\n<TITLE>Error {status}--{title}</TITLE>\n</HEAD>\n<BODY bgcolor=\"white\">\n<FONT FACE=Helvetica><BR CLEAR=all>\n<H2>Error {status}--{title}</H2>\n<H3>From RFC 2068 <i>Hypertext Transfer Protocol -- HTTP/1.1</i>:</H3>\n</FONT></BODY>\n</HTML>\n"
        );
        Self {
            status,
            content_type: "text/html; charset=UTF-8",
            body: page.into_bytes(),
            ..Self::default()
        }
    }

    /// An error of the API itself. Its form is not documented; this one is the simulator's.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &json!({"errorCode": format!("IAM-{status}"), "errorMessage": message}),
        )
    }
}

/// Answers a request. `cause` goes into the effects of a PUT.
pub fn respond(world: &mut World, req: &Req, cause: &Arc<str>) -> Answer {
    let tokens = req.path == TOKENS;
    if !tokens && !req.path.starts_with(BASE) {
        return Answer::html(404, "Not Found");
    }
    if req.method == "OPTIONS" {
        let mut answer = Answer {
            status: 200,
            ..Answer::default()
        };
        answer
            .headers
            .push(("Allow", "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS".to_owned()));
        return answer;
    }
    let now = world.now();
    let login = match world.auth.check(req.authorization.as_deref(), now) {
        Ok(login) => login,
        Err(denied) => {
            let mut answer = Answer::html(401, "Unauthorized");
            answer
                .headers
                .push(("WWW-Authenticate", "Basic realm=\"weblogic\"".to_owned()));
            answer.denied = Some(denied.word());
            return answer;
        }
    };
    let mut answer = checked(world, req, login, cause, tokens);
    answer.login = Some(login);
    answer
}

fn checked(world: &mut World, req: &Req, login: usize, cause: &Arc<str>, tokens: bool) -> Answer {
    let reads = matches!(req.method.as_str(), "GET" | "HEAD");
    if !reads && !req.requested_by && !world.traits.legacy {
        return Answer::error(400, "The X-Requested-By header is missing.");
    }
    if tokens {
        return match req.method.as_str() {
            "POST" | "PUT" => {
                let now = world.now();
                let (token, seconds) = world.auth.issue(login, now);
                Answer::json(
                    200,
                    &json!({"accessToken": token, "expiresIn": seconds.to_string(), "tokenType": "Bearer"}),
                )
            }
            _ => Answer::html(405, "Method Not Allowed"),
        };
    }
    if !reads && req.method != "DELETE" {
        let json = req
            .content_type
            .as_deref()
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        if !json {
            return Answer::html(415, "Unsupported Media Type");
        }
    }
    let rest = req.path[BASE.len()..].trim_matches('/').to_owned();
    let parts: Vec<&str> = rest.split('/').collect();
    let method = if req.method == "HEAD" {
        "GET"
    } else {
        req.method.as_str()
    };
    match (method, parts.as_slice()) {
        ("GET", ["provtasks"]) => work::list(world, req, login),
        ("PUT", ["provtasks"]) => work::put_many(world, req, login, cause),
        ("GET", ["provtasks", id]) => work::one(world, id),
        ("PUT", ["provtasks", id]) => work::put_one(world, req, login, id, cause),
        ("GET", ["provtasks", id, "history"]) => work::history(world, req, id),
        ("GET", ["provtasks", id, "responses"]) => work::responses(world, req, id),
        ("GET", ["provprocesses", id]) => work::process(world, req, id),
        ("PUT", ["provprocesses", id]) => work::add_task(world, req, login, id),
        ("GET", ["provprocesses", id, "availabletasks"]) => work::available(world, req, id),
        ("GET", ["users"]) => people::users(world, req),
        ("GET", ["users", id]) => people::user(world, req, id),
        ("GET", ["users", id, "proxies"]) => people::proxies(world, req, id),
        ("PATCH", ["users", id, "proxies"]) => people::patch_proxies(world, req, id),
        ("GET", ["roles"]) => people::roles(world, req),
        ("GET", ["roles", id, "members"]) => people::members(world, req, id),
        ("GET", ["requests"]) => people::requests(world, req),
        (
            _,
            ["provtasks" | "provprocesses" | "users" | "roles" | "requests"]
            | ["provtasks" | "provprocesses" | "users", _]
            | ["users", _, "proxies"],
        ) => Answer::html(405, "Method Not Allowed"),
        _ => Answer::html(404, "Not Found"),
    }
}

/// The items that a PUT names, for faults and the journal, if its body can be read.
pub fn items_of(req: &Req) -> Vec<ItemRequest> {
    match decode_put(req) {
        Ok(DecodedPut::Tasks(items)) => items,
        Ok(DecodedPut::Other) | Err(_) => Vec::new(),
    }
}
