//! An anonymised capture of answers for bug reports: forms stay, ids, logins and names are replaced alike everywhere, and no free text is left but masked reasons.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::forms::{date_form, is_date, keys};
use crate::survey::mask::Mask;

/// Rows of an answer that are shown.
const ROWS: usize = 25;

/// Answers as they came, to be anonymised together.
#[derive(Debug, Default)]
pub struct Capture {
    answers: Vec<(String, String, Value)>,
    mask: Mask,
}

/// What may be passed on.
#[derive(Clone, Debug, Serialize)]
pub struct Captured {
    /// `provtaskd.capture`
    pub schema: &'static str,
    /// Its version.
    pub version: u32,
    /// The program's version.
    pub program: &'static str,
    /// The answers.
    pub answers: Vec<CapturedAnswer>,
}

/// One answer.
#[derive(Clone, Debug, Serialize)]
pub struct CapturedAnswer {
    /// What was asked, e.g. `the task list`.
    pub what: String,
    /// The request, anonymised.
    pub request: String,
    /// Its body, anonymised.
    pub body: Value,
}

impl Capture {
    /// Keeps an answer; the first rows of a list are enough.
    pub fn answer(&mut self, what: &str, request: &str, body: &Value) {
        let mut body = body.clone();
        if let Some(map) = body.as_object_mut() {
            for (name, value) in map.iter_mut() {
                let own = name.eq_ignore_ascii_case("fields");
                if let Some(rows) = value.as_array_mut().filter(|_| !own) {
                    rows.truncate(ROWS);
                }
            }
        }
        self.answers
            .push((what.to_owned(), request.to_owned(), body));
    }

    /// A name that must stand in no masked reason.
    pub fn name(&mut self, name: &str) {
        self.mask.name(name);
    }

    /// Words of the usual error texts, which may stay.
    pub fn keep_words(&mut self, words: &str) {
        self.mask.keep(words);
    }

    /// Everything anonymised, with the same replacement for the same thing.
    pub fn anonymised(self) -> Captured {
        let mut numbers = BTreeSet::new();
        for (_, request, body) in &self.answers {
            collect(body, "", &mut numbers);
            of_path(request, &mut numbers);
        }
        let ids = numbers
            .into_iter()
            .zip(1_001_u64..)
            .collect::<BTreeMap<u128, u64>>();
        let mut names = Names {
            ids,
            texts: HashMap::new(),
            mask: self.mask,
        };
        let answers = self
            .answers
            .into_iter()
            .map(|(what, request, body)| CapturedAnswer {
                what,
                request: names.href(&request),
                body: names.value("", &body),
            })
            .collect();
        Captured {
            schema: "provtaskd.capture",
            version: 1,
            program: env!("CARGO_PKG_VERSION"),
            answers,
        }
    }
}

struct Names {
    ids: BTreeMap<u128, u64>,
    texts: HashMap<String, String>,
    mask: Mask,
}

/// What a field's name says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A word of the API itself.
    Word,
    /// Counts and flags of the envelope.
    Envelope,
    /// An address.
    Href,
    /// A reason.
    Reason,
    /// A login, a name, whatever stands for a thing.
    Name(&'static str),
}

fn sort_of(name: &str) -> Sort {
    let lower = name.trim().to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or(&lower);
    match last {
        "count" | "hasmore" | "totalresult" | "offset" | "limit" => Sort::Envelope,
        "href" => Sort::Href,
        "rel" | "category" | "assign type" | "system level" | "relationship" | "action"
        | "tokentype" | "expiresin" => Sort::Word,
        "status" => Sort::Word,
        "reason" | "sch_reason" => Sort::Reason,
        "task name" => Sort::Name("definition"),
        "name" if lower == "objects.name" => Sort::Name("target"),
        "app_instance_name" | "appinstance" => Sort::Name("target"),
        "group name" | "role name" => Sort::Name("role"),
        _ if last.contains("login") || last.contains("user id") || last == "target user" => {
            Sort::Name("login")
        }
        _ => Sort::Name("text"),
    }
}

impl Names {
    fn value(&mut self, name: &str, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => self.number(name, number),
            Value::String(text) => Value::String(self.text(name, text)),
            Value::Array(items) => items.iter().map(|item| self.value(name, item)).collect(),
            Value::Object(map) => self.object(name, map),
        }
    }

    fn object(&mut self, name: &str, map: &Map<String, Value>) -> Value {
        // a field of the array form is anonymised by its own name
        if let (Some(Value::String(field)), true) = (map.get("name"), map.contains_key("value")) {
            let value = map.get("value").cloned().unwrap_or(Value::Null);
            return json!({"name": field, "value": self.value(field, &value)});
        }
        map.iter()
            .map(|(key, value)| {
                let of = if key == "base" { name } else { key };
                (key.clone(), self.value(of, value))
            })
            .collect::<Map<String, Value>>()
            .into()
    }

    fn number(&self, name: &str, number: &serde_json::Number) -> Value {
        if sort_of(name) == Sort::Envelope {
            return Value::Number(number.clone());
        }
        let Some(plain) = number.as_u64() else {
            // no key is negative or broken; a flag is
            return match number.as_i64() {
                Some(-1) => json!(-1),
                _ => json!(0),
            };
        };
        if is_moment(name, &json!(plain)) {
            return json!(plain - plain % DAY);
        }
        json!(self.id(u128::from(plain)))
    }

    /// Nought and one are flags everywhere.
    fn id(&self, number: u128) -> u64 {
        match number {
            0 => 0,
            1 => 1,
            other => self.ids.get(&other).copied().unwrap_or(2),
        }
    }

    fn text(&mut self, name: &str, text: &str) -> String {
        if text.trim().is_empty() {
            return text.to_owned();
        }
        match sort_of(name) {
            Sort::Envelope => "0".to_owned(),
            Sort::Href => self.href(text),
            Sort::Reason => self.mask.everyday(text),
            Sort::Word if is_word(text) => text.to_owned(),
            Sort::Name(_) | Sort::Word if number_of(text).is_some() => {
                let number = number_of(text).unwrap_or(0);
                if is_moment(name, &json!(text)) {
                    (number - number % u128::from(DAY)).to_string()
                } else {
                    self.id(number).to_string()
                }
            }
            Sort::Name(_) | Sort::Word if is_day(text) => masked_day(text),
            Sort::Word => self.replaced("word", text),
            Sort::Name(what) => self.replaced(what, text),
        }
    }

    /// The same word for the same text, whatever its case and wherever it stands.
    fn replaced(&mut self, what: &str, text: &str) -> String {
        let key = text.trim().to_lowercase();
        let next = self.texts.len() + 1;
        self.texts
            .entry(key)
            .or_insert_with(|| format!("{what}-{next}"))
            .clone()
    }

    /// An address: path words of the API stay, ids are replaced, host and query go.
    fn href(&mut self, href: &str) -> String {
        let (host, rest) = match href.split_once("://") {
            Some((_, rest)) => (
                "https://server.invalid",
                rest.find('/').map_or("", |at| &rest[at..]),
            ),
            None => ("", href),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path: Vec<String> = path
            .split('/')
            .map(|part| match number_of(part) {
                Some(number) => self.id(number).to_string(),
                None if API.contains(&part) => part.to_owned(),
                None => self.replaced("part", part),
            })
            .collect();
        let query: Vec<&str> = query
            .split('&')
            .filter(|pair| pair.starts_with("offset=") || pair.starts_with("limit="))
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'='))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{host}{}{mark}{}", path.join("/"), query.join("&"))
    }
}

/// Path words that are Oracle's.
const API: [&str; 16] = [
    "",
    "iam",
    "governance",
    "selfservice",
    "api",
    "v1",
    "provtasks",
    "provprocesses",
    "users",
    "roles",
    "members",
    "proxies",
    "history",
    "responses",
    "requests",
    "availabletasks",
];

/// A word of the API: letters and blanks, short.
fn is_word(text: &str) -> bool {
    let known = [
        "user",
        "default task assignment",
        "role",
        "self",
        "first",
        "next",
        "prev",
        "last",
        "bearer",
        "active",
        "disabled",
        "deleted",
        "disabled until start date",
        "provisioned",
        "provisioning",
        "revoked",
        "enabled",
        "manager",
    ];
    let lower = text.trim().to_lowercase();
    let status = crate::model::TaskStatus::parse(text);
    known.contains(&&*lower) || !matches!(status, crate::model::TaskStatus::Unknown(_))
}

fn number_of(text: &str) -> Option<u128> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= 38 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// True for milliseconds in a field that is a date by its name: a long number elsewhere is a key, or somebody's.
fn is_moment(name: &str, value: &Value) -> bool {
    is_date(&name.trim().to_ascii_lowercase()) && date_form(value) == Some("milliseconds")
}

fn is_day(text: &str) -> bool {
    !matches!(
        date_form(&json!(text)),
        None | Some("other" | "milliseconds")
    )
}

/// Day and form stay, the time of day goes.
fn masked_day(text: &str) -> String {
    let (day, time) = text.trim().split_at(10);
    let cut = time.rfind(['+', '-', 'Z', 'z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(cut);
    let time: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    format!("{day}{time}{zone}")
}

/// Every number that may be a key.
fn collect(value: &Value, name: &str, numbers: &mut BTreeSet<u128>) {
    match value {
        Value::Number(number) if sort_of(name) != Sort::Envelope => {
            numbers.extend(number.as_u64().map(u128::from).filter(|n| *n > 1));
        }
        Value::String(text) => match number_of(text).filter(|n| *n > 1) {
            Some(number) => {
                numbers.insert(number);
            }
            None => of_path(text, numbers),
        },
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, numbers)),
        Value::Object(_) => {
            for (key, value) in keys(value) {
                collect(value, key, numbers);
            }
        }
        _ => {}
    }
}

fn of_path(text: &str, numbers: &mut BTreeSet<u128>) {
    if text.contains('/') {
        let parts = text.split(['/', '?']).filter_map(number_of);
        numbers.extend(parts.filter(|n| *n > 1));
    }
}
