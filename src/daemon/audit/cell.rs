//! Words for single cells of a row; pure, and no secret can be in them.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::model::{ReadValue, ReceiptStatus, Refusal, Verdict};

/// An answer, in a word and with its reason.
pub(super) fn answer_of(status: &ReceiptStatus) -> (&'static str, &str) {
    match status {
        ReceiptStatus::Accepted => ("accepted", ""),
        ReceiptStatus::Refused { reason, .. } => ("refused by OIG", reason),
        ReceiptStatus::Unknown { why } => ("unknown", why),
        ReceiptStatus::Unsent { why } => ("not sent", why),
    }
}

/// What a verdict wants, in a word.
pub(super) fn action_of(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(Verdict::Act { action, .. }) => action.name().to_string(),
        Some(Verdict::Leave { .. }) => "leave".to_owned(),
        Some(Verdict::Ask { .. }) => "ask".to_owned(),
        None => "none".to_owned(),
    }
}

/// What a rule read, then the values of what holds it back.
pub(super) fn values(
    read: &[ReadValue],
    refusal: Option<&Refusal>,
    relook: Option<Timestamp>,
) -> String {
    let mut out = String::new();
    let mut add = |name: &str, value: &str| {
        if !out.is_empty() {
            out.push_str("; ");
        }
        // writing to a String can't fail
        let _ = write!(out, "{name}={value}");
    };
    for (name, value) in read {
        add(name, value);
    }
    for (name, value) in refusal.iter().flat_map(|refusal| &refusal.values) {
        add(name, value);
    }
    if let Some(at) = relook {
        add("look_again", &format!("{at:.0}"));
    }
    out
}
