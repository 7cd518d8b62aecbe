//! Counts the forms in which rows come, from their JSON as sent; it keeps no value but field names, status words and forms.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::learned::{AUTOMATED, Counts, Field, NOT_SHOWN, Rows};
use crate::model::{Task, TaskStatus};

/// Most different fields and words that are kept; a server that invents a name a row fills no memory.
const KEPT: usize = 500;
/// Characters of a status word that are kept.
const WORD: usize = 40;

/// Counts rows.
#[derive(Debug, Default)]
pub struct Forms {
    rows: Rows,
    fields: BTreeMap<String, Field>,
}

impl Forms {
    /// Counts a row, and what of it could be read.
    pub fn row(&mut self, row: &Value, task: Option<&Task>) {
        let rows = &mut self.rows;
        rows.seen += 1;
        let pairs = pairs(row);
        let shape = match row.get("fields") {
            Some(Value::Array(_)) => "array",
            Some(Value::Object(_)) => "map",
            Some(_) => "other",
            None => "absent",
        };
        count(&mut rows.shape, shape);
        count(&mut rows.id_key, row.get("id").map_or("absent", kind_of));
        let mut own = None;
        for (name, value) in &pairs {
            let lower = name.trim().to_ascii_lowercase();
            if lower == "process instance.task details.key" {
                count(&mut rows.id_field, kind_of(value));
                own = plain(value);
            } else if is_status(&lower) {
                if let Some(word) = plain(value).filter(|word| !word.trim().is_empty()) {
                    let word: String = word.chars().take(WORD).collect();
                    if matches!(TaskStatus::parse(&word), TaskStatus::Unknown(_)) {
                        count(&mut rows.status_unknown, &word);
                    }
                    if rows.status.contains_key(*name) || rows.status.len() < KEPT {
                        count(rows.status.entry((*name).to_owned()).or_default(), &word);
                    }
                }
            } else if is_date(&lower)
                && let Some(form) = date_form(value)
            {
                count(&mut rows.dates, form);
            }
            field(&mut self.fields, name, value);
        }
        let link = match (own.as_deref(), link_id(row)) {
            (_, None) => "none",
            (Some(own), Some(link)) if own.trim() == link => "same",
            (_, Some(_)) => "other",
        };
        count(&mut rows.id_link, link);
        let Some(task) = task else {
            rows.unreadable += 1;
            return;
        };
        rows.process += u64::from(task.process.is_some());
        let defined = task.definition_key.is_some() || task.definition_name.is_some();
        rows.definition += u64::from(defined);
        rows.beneficiary += u64::from(task.beneficiary.is_some());
        rows.child += u64::from(task.child.is_some());
        rows.retry_link += u64::from(task.retry_of.is_some());
        count(&mut rows.adapter, adapter_word(task));
    }

    /// What was counted.
    pub fn into_rows(mut self) -> Rows {
        self.rows.fields = self.fields.into_values().collect();
        self.rows
    }
}

/// In which word a task is counted, by what it shows of its adapter.
pub fn adapter_word(task: &Task) -> &'static str {
    match task.has_adapter {
        Some(true) => AUTOMATED,
        Some(false) => "manual",
        None => NOT_SHOWN,
    }
}

/// The rows of an answer under one of its usual keys.
pub fn rows_of<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body.as_object()
        .and_then(|body| body.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)))
        .and_then(|(_, rows)| rows.as_array())
        .map_or(&[], Vec::as_slice)
}

/// True where a row's status says that it can't change any more.
pub fn is_finished_row(row: &Value) -> bool {
    pairs(row).iter().any(|(name, value)| {
        let lower = name.trim().to_ascii_lowercase();
        is_status(&lower) && plain(value).is_some_and(|word| TaskStatus::parse(&word).is_finished())
    })
}

/// The fields of a row, whichever shape they have.
pub(super) fn pairs(row: &Value) -> Vec<(&str, &Value)> {
    match row.get("fields") {
        Some(Value::Array(fields)) => fields
            .iter()
            .filter_map(|field| {
                let name = field.get("name")?.as_str()?;
                Some((name, field.get("value").unwrap_or(&Value::Null)))
            })
            .collect(),
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (&**name, value)).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn count(counts: &mut Counts, word: &str) {
    if let Some(count) = counts.get_mut(word) {
        *count += 1;
    } else if counts.len() < KEPT {
        counts.insert(word.to_owned(), 1);
    }
}

/// The JSON type of a value; a localised text is told apart.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(map) if map.contains_key("base") => "base",
        Value::Object(_) => "object",
    }
}

/// The text of a flat or localised value.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(map) => map.get("base").and_then(base_text),
        _ => None,
    }
}

fn base_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn field(fields: &mut BTreeMap<String, Field>, name: &str, value: &Value) {
    if !fields.contains_key(name) && fields.len() >= KEPT {
        return;
    }
    let field = fields.entry(name.to_owned()).or_insert_with(|| Field {
        name: name.to_owned(),
        ..Field::default()
    });
    count(&mut field.types, kind_of(value));
    let filled = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Bool(yes) => *yes,
        other => plain(other).is_some_and(|text| !matches!(text.trim(), "" | "0")),
    };
    field.filled += u64::from(filled);
}

fn is_status(lower: &str) -> bool {
    matches!(
        lower,
        "status"
            | "status.category"
            | "status.status"
            | "process instance.task details.status"
            | "process instance.task information.status"
    )
}

/// True for a field that holds a date by its name, in lower case.
pub(super) fn is_date(lower: &str) -> bool {
    let last = lower.rsplit('.').next().unwrap_or(lower);
    // "Updated By" is none
    let words = |c: char| !c.is_alphabetic();
    last == "projected end" || last.split(words).any(|word| word == "date")
}

/// The form of a date; `None` where the value is empty, or no date at all.
pub(super) fn date_form(value: &Value) -> Option<&'static str> {
    let text = plain(value)?;
    let text = text.trim();
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if text.is_empty() || (digits && text.len() < 11) {
        return None;
    }
    if digits {
        return Some("milliseconds");
    }
    let day = text.len() >= 10
        && text.bytes().take(10).enumerate().all(|(at, b)| {
            if matches!(at, 4 | 7) {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    let Some(rest) = day.then(|| text.get(10..)).flatten() else {
        return Some("other");
    };
    if rest.is_empty() {
        return Some("day");
    }
    let time = rest.strip_prefix(['T', 't', ' ']);
    Some(match time.and_then(after_time) {
        Some("") => "no zone",
        Some("Z" | "z") => "Z",
        Some(zone) if is_offset(zone) => "offset",
        // a text that begins with a day is a text
        _ => "other",
    })
}

/// What follows hours, minutes, and maybe seconds with a fraction.
fn after_time(text: &str) -> Option<&str> {
    let two = |text: &str| text.len() >= 2 && text.bytes().take(2).all(|b| b.is_ascii_digit());
    let mut rest = text;
    for at in 0..3 {
        let part = match at {
            0 => Some(rest),
            _ => rest.strip_prefix(':'),
        };
        match part.filter(|part| two(part)) {
            Some(part) => rest = part.get(2..)?,
            None if at == 2 => return Some(rest),
            None => return None,
        }
    }
    Some(match rest.strip_prefix(['.', ',']) {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    })
}

/// Hours from UTC: `+02:00`, `-0500`, `+01`.
fn is_offset(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or("");
    let digits = digits.replacen(':', "", 1);
    matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The last path segment of the self link.
fn link_id(row: &Value) -> Option<String> {
    let links = row.get("links")?.as_array()?;
    let own = links
        .iter()
        .find(|link| link.get("rel").and_then(Value::as_str) == Some("self"))?;
    let href = own.get("href")?.as_str()?;
    let path = href.split(['?', '#']).next().unwrap_or(href);
    let last = path.trim_end_matches('/').rsplit('/').next()?;
    (!last.is_empty()).then(|| last.to_owned())
}

/// The keys beside `fields` of an object.
pub(super) fn keys(row: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let none: Option<&Map<String, Value>> = None;
    row.as_object().or(none).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_of_dates_are_told_apart() {
        for (value, form) in [
            (json!("2027-03-01T08:00:00Z"), Some("Z")),
            (json!("2027-03-01T08:00:00.000+00:00"), Some("offset")),
            (json!("2027-03-01T08:00:00-0500"), Some("offset")),
            (json!("2027-03-01T08:00:00"), Some("no zone")),
            (json!("2027-03-01 08:00"), Some("no zone")),
            (json!("2027-03-01"), Some("day")),
            (json!(1_803_888_000_000_u64), Some("milliseconds")),
            (json!({"base": "2027-03-01"}), Some("day")),
            (json!("2027-03-01T08:00:00,5+01"), Some("offset")),
            (json!("2027-03-01 is no time: Z"), Some("other")),
            (json!("2027-03-01 Jane Roe, back in May"), Some("other")),
            (json!("2027-03-01T08:00 to 09:00-12:00"), Some("other")),
            (json!("2027-03-01T08:00:00[Europe/Berlin]"), Some("other")),
            (json!("2027-03-01-02"), Some("other")),
            (json!("01-MAR-27"), Some("other")),
            (json!("März 2027, um 8"), Some("other")),
            (json!(0), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(date_form(&value), form, "{value}");
        }
        assert!(is_date("process instance.task details.creation date"));
        assert!(!is_date(
            "process instance.task information.updated by user id"
        ));
    }

    #[test]
    fn rows_of_any_shape_are_counted_and_none_panics() {
        let mut forms = Forms::default();
        for row in [
            json!({"id": 1, "fields": [{"name": "Status", "value": "Wobbling"}]}),
            json!({"id": "1", "fields": {"Status": {"base": "rejected"}, "REQ_KEY": null}}),
            json!({"fields": [1, null, {"value": 1}], "links": [{"rel": "self"}]}),
            json!([]),
            json!(null),
        ] {
            forms.row(&row, None);
        }
        let rows = forms.into_rows();
        assert_eq!((rows.seen, rows.unreadable), (5, 5));
        assert_eq!(rows.status_unknown.get("Wobbling"), Some(&1));
        assert_eq!(rows.shape.get("map"), Some(&1));
        assert_eq!(rows.id_key.get("number"), Some(&1));
    }
}
