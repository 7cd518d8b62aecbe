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
            collect_body(body, &mut numbers);
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
                body: names.body(&body),
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

/// Counts and flags of the envelope, beside the rows; a field of a row may be called so as well.
fn is_of_envelope(name: &str) -> bool {
    ["count", "hasmore", "totalresult", "offset", "limit"].contains(&&*name.to_ascii_lowercase())
}

impl Names {
    /// A whole answer.
    fn body(&mut self, body: &Value) -> Value {
        let Value::Object(map) = body else {
            return self.value("", body);
        };
        let (around, rest): (Map<_, _>, Map<_, _>) = map
            .clone()
            .into_iter()
            .partition(|(name, _)| is_of_envelope(name));
        let mut out = self.object("", &rest);
        if let Value::Object(out) = &mut out {
            for (name, value) in around {
                let plain = match &value {
                    Value::Number(_) | Value::Bool(_) | Value::Null => value,
                    Value::String(text) if is_count(text) || is_flag(text) => value,
                    _ => json!("0"),
                };
                out.insert(name, plain);
            }
        }
        out
    }

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
        let Some(plain) = number.as_u64() else {
            // no key is negative or broken; a flag is
            return match number.as_i64() {
                Some(-1) => json!(-1),
                _ => json!(0),
            };
        };
        if is_moment(name, &json!(plain)) {
            return json!(masked_moment(name, plain));
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
            Sort::Href => self.href(text),
            Sort::Reason => self.mask.everyday(text),
            Sort::Word if is_word(text) => text.to_owned(),
            Sort::Name(_) | Sort::Word if number_of(text).is_some() => {
                let number = number_of(text).unwrap_or(0);
                if is_moment(name, &json!(text)) {
                    let moment = u64::try_from(number).unwrap_or(0);
                    masked_moment(name, moment).to_string()
                } else {
                    self.id(number).to_string()
                }
            }
            Sort::Name(_) | Sort::Word if is_day(text) => masked_day(name, text),
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
            .filter(|pair| {
                let number = pair.strip_prefix("offset=");
                number.or(pair.strip_prefix("limit=")).is_some_and(is_count)
            })
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

/// A number of rows, and no longer.
fn is_count(text: &str) -> bool {
    (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_flag(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// The two dates of a task that provtaskd reads: their days are what a report is about. Any other one, of birth or of
/// hiring, is somebody's.
fn is_of_task(name: &str) -> bool {
    let lower = name.trim().to_ascii_lowercase();
    let own = lower
        .strip_prefix("process instance.task details.")
        .or_else(|| lower.strip_prefix("process instance.task information."));
    own.is_some_and(|own| ["creation date", "actual start date"].contains(&own))
}

/// Milliseconds without the time of day; of a date that is not the task's the year alone is left.
fn masked_moment(name: &str, millis: u64) -> u64 {
    if is_of_task(name) {
        return millis - millis % DAY;
    }
    let utc = jiff::tz::TimeZone::UTC;
    let first = i64::try_from(millis)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map(|at| utc.to_datetime(at).date().first_of_year())
        .and_then(|day| utc.to_timestamp(day.at(0, 0, 0, 0)).ok())
        .map_or(0, jiff::Timestamp::as_millisecond);
    u64::try_from(first).unwrap_or(0)
}

/// Day and form stay, the time of day goes; of a date that is not the task's month and day go too.
fn masked_day(name: &str, text: &str) -> String {
    let (day, time) = text.trim().split_at(10);
    let day = match is_of_task(name) {
        true => day.to_owned(),
        false => format!("{}-01-01", day.get(..4).unwrap_or("2000")),
    };
    let cut = time.rfind(['+', '-', 'Z', 'z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(cut);
    let time: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    format!("{day}{time}{zone}")
}

/// Every number of an answer that may be a key.
fn collect_body(body: &Value, numbers: &mut BTreeSet<u128>) {
    let Value::Object(map) = body else {
        return collect(body, numbers);
    };
    for (_, value) in map.iter().filter(|(name, _)| !is_of_envelope(name)) {
        collect(value, numbers);
    }
}

fn collect(value: &Value, numbers: &mut BTreeSet<u128>) {
    match value {
        Value::Number(number) => {
            numbers.extend(number.as_u64().map(u128::from).filter(|n| *n > 1));
        }
        Value::String(text) => match number_of(text).filter(|n| *n > 1) {
            Some(number) => {
                numbers.insert(number);
            }
            None => of_path(text, numbers),
        },
        Value::Array(items) => items.iter().for_each(|item| collect(item, numbers)),
        Value::Object(_) => {
            for (_, value) in keys(value) {
                collect(value, numbers);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(body: &Value, request: &str) -> CapturedAnswer {
        let mut capture = Capture::default();
        capture.answer("the task list", request, body);
        capture.anonymised().answers.remove(0)
    }

    #[test]
    fn a_link_keeps_short_numbers_of_rows_and_nothing_else() {
        let of = |query: &str| captured(&json!({}), &format!("/provtasks?{query}")).request;
        assert_eq!(
            of("offset=41&limit=500"),
            "/provtasks?offset=41&limit=500",
            "the form is what a report is about"
        );
        for query in [
            "offset=JSMITH",
            "limit=55512345",
            "limit=",
            "offset=-1",
            "offset=4a",
            "offset=limit=5",
            "login=12",
        ] {
            assert_eq!(of(query), "/provtasks", "{query}");
        }
    }

    #[test]
    fn counts_stay_beside_the_rows_and_nowhere_else() {
        let number = 71_717_171;
        let body = json!({
            "count": 2, "hasMore": "true", "totalResult": -1, "limit": "JSMITH",
            "tasks": [
                {"id": "5", "count": number, "fields": [
                    {"name": "Employee.Count", "value": number},
                    {"name": "Limit", "value": number.to_string()},
                    {"name": "offset", "value": number},
                ]},
                {"id": "6", "fields": {"Employee.Count": number, "offset": {"base": number}}},
            ],
        });
        let shown = captured(&body, "/provtasks").body;
        assert_eq!(shown["count"], 2);
        assert_eq!(shown["hasMore"], "true");
        assert_eq!(shown["totalResult"], -1);
        let text = shown.to_string();
        assert!(
            !text.contains("717171") && !text.contains("JSMITH"),
            "{text}"
        );
        let of = |at: &str| shown.pointer(at).expect("it stays").to_string();
        let one = of("/tasks/0/fields/0/value");
        assert_eq!(
            one,
            of("/tasks/1/fields/Employee.Count"),
            "the same everywhere"
        );
    }

    #[test]
    fn whole_days_are_those_of_the_task_alone() {
        let created = "Process Instance.Task Information.Creation Date";
        let started = "Process Instance.Task Details.Actual Start Date";
        let other = "Process Instance.Task Information.Birth Date";
        let body = json!({"tasks": [{"fields": {
            created: "2026-11-03T14:51:04Z",
            started: 1_793_803_864_000_u64,
            "Birth Date": "1971-02-03",
            "Hire Date": "1999-12-31T10:20:30.5+02:00",
            "End Date": "2031-07-06 06:59",
            other: 34_401_600_000_u64,
            "Leave Date": "1893456000123",
            "Note": "1971-02-03",
        }}]});
        let shown = captured(&body, "/provtasks").body;
        let of = |name: &str| shown["tasks"][0]["fields"][name].clone();
        assert_eq!(of(created), "2026-11-03T00:00:00Z");
        assert_eq!(of(started), 1_793_750_400_000_u64);
        assert_eq!(of("Birth Date"), "1971-01-01");
        assert_eq!(of("Hire Date"), "1999-01-01T00:00:00.0+02:00");
        assert_eq!(of("End Date"), "2031-01-01 00:00");
        assert_eq!(of(other), 31_536_000_000_u64);
        assert_eq!(of("Leave Date"), "1893456000000");
        assert_eq!(of("Note"), "1971-01-01");
    }
}
