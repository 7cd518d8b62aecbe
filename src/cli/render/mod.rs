//! Views to text: tables that fit the terminal, stories to be read from top to bottom, JSON; pure, and it lets no control character through.

mod audit;
mod backlog;
mod feed;
mod layout;
mod outcomes;
mod plan;
mod probe;
mod status;
mod store;
mod survey;

use jiff::Timestamp;
use serde::Serialize;

use super::failure::{Failure, Kind};
use crate::control::one_line;
pub use audit::{csv, past, verified};
pub use backlog::backlog;
pub use layout::Width;
pub use outcomes::{inbox, outcomes, rejections, story};
pub use plan::{explain, plan};
pub use probe::probe;
pub use status::status;
pub use store::{anchored, brought_in, checked, checked_json, count, erased, retained, rewritten};
pub use survey::survey;

/// Pretty JSON with a line end.
pub fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::of(Kind::Internal, &error))
}

/// One JSON object a line.
pub fn json_lines<T: Serialize>(values: &[T]) -> Result<String, Failure> {
    let mut out = String::new();
    for value in values {
        let line = serde_json::to_string(value).map_err(|e| Failure::of(Kind::Internal, &e))?;
        out.push_str(&line);
        out.push('\n');
    }
    Ok(out)
}

/// Texts of the server may hold escape sequences, which must not reach a terminal.
pub fn clean(text: &str) -> String {
    one_line(text)
}

pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A number with its noun.
pub fn counted(many: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(many), if many == 1 { one } else { more })
}

fn opt_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}
