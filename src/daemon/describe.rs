//! Puts rows, facts and verdicts into the words that `plan` and `explain` show; it decides nothing.

use super::facts::NOT_DECLARED;
use crate::model::facts::{Known, StandIn};
use crate::model::{Facts, Login, Task, Verdict};

/// What people see of a row beside the decision.
#[derive(Clone, Debug)]
pub struct RowText {
    /// Definition's name.
    pub name: String,
    /// For whom.
    pub beneficiary: Option<Login>,
    /// Whose task.
    pub owner: String,
    /// Status.
    pub status: String,
    /// Facts as text, for `explain`.
    pub facts: Vec<(String, String)>,
    /// The row's own fields that matter, for `explain`.
    pub fields: Vec<(String, String)>,
    /// Why nothing is known of why it failed, where a list shows no reasons.
    pub reason_unknown: Option<String>,
}

/// The texts of a row.
pub fn row_text(task: &Task, facts: &Facts) -> RowText {
    let mut fields = vec![
        ("id".to_owned(), task.id.to_string()),
        ("status".to_owned(), task.status.to_string()),
        ("owner".to_owned(), task.owner.to_string()),
    ];
    // as `pause --definition` and `forget` take it
    let definition = task.definition().map(|id| id.to_string());
    let optional = [
        ("definition", definition.as_deref()),
        ("definition's name", task.definition_name.as_deref()),
        ("target", task.target.as_ref().map(|t| t.as_str())),
        ("account", task.process.as_ref().map(|p| p.as_str())),
        ("beneficiary", task.beneficiary.as_ref().map(|b| b.as_str())),
        ("reason", task.reason.as_deref().filter(|r| !r.is_empty())),
        ("response", task.response.as_deref()),
        ("request", task.request.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    if let Some(created) = task.created {
        fields.push(("created".to_owned(), format!("{created:.0}")));
    }
    RowText {
        name: task
            .definition_name
            .as_deref()
            .unwrap_or("(no name)")
            .to_owned(),
        beneficiary: task.beneficiary.clone(),
        owner: task.owner.to_string(),
        status: task.status.to_string(),
        facts: fact_texts(facts),
        fields,
        reason_unknown: None,
    }
}

/// The facts beside the task that were had, one line each.
pub fn had(task: &Task, facts: &Facts) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(reason) = task.reason.as_deref().filter(|reason| !reason.is_empty()) {
        out.push(format!("reason: {reason}"));
    }
    let told = [
        ("owner", facts.owner.value().is_some()),
        ("beneficiary", facts.beneficiary.value().is_some()),
        ("account", facts.siblings.value().is_some()),
        ("definition", facts.definition.manual_since.is_some()),
    ];
    for (name, text) in fact_texts(facts) {
        if told.iter().any(|(of, had)| *of == name && *had) {
            out.push(format!("{name}: {text}"));
        }
    }
    out
}

fn fact_texts(facts: &Facts) -> Vec<(String, String)> {
    let mut out = vec![
        (
            "now".to_owned(),
            format!("{:.0} ({})", facts.now.at, facts.now.zone),
        ),
        ("kind".to_owned(), facts.kind.to_string()),
        (
            "reason class".to_owned(),
            format!(
                "{} ({})",
                facts.class,
                if facts.retryable {
                    "retryable"
                } else {
                    "not retryable"
                }
            ),
        ),
        (
            "attempts in this episode".to_owned(),
            facts.history.attempts.to_string(),
        ),
        (
            "first seen".to_owned(),
            format!("{:.0}", facts.history.first_seen),
        ),
    ];
    out.push((
        "beneficiary".to_owned(),
        known(&facts.beneficiary, |person| {
            format!("{} is {}", person.login, person.status.as_str())
        }),
    ));
    out.push((
        "owner".to_owned(),
        known(&facts.owner, |owner| {
            let state = match &owner.state {
                crate::model::facts::OwnerState::Present => "present".to_owned(),
                crate::model::facts::OwnerState::Role => "a role".to_owned(),
                crate::model::facts::OwnerState::Away { absence } => match absence.until {
                    Some(until) => format!("away until {until:.0}"),
                    None => "away".to_owned(),
                },
            };
            let stand_in = match &owner.stand_in {
                StandIn::NotNeeded => String::new(),
                StandIn::Found { to, via } => format!("; stand-in {to} by {via}"),
                StandIn::Unknown { why } => format!("; stand-in unknown: {}", why.join("; ")),
                StandIn::None { why } => format!("; no stand-in: {}", why.join("; ")),
            };
            format!("{} is {state}{stand_in}", owner.owner)
        }),
    ));
    out.push((
        "account".to_owned(),
        known(&facts.siblings, |account| {
            format!(
                "{} other tasks{}",
                account.tasks.len(),
                if account.from_process {
                    ", finished ones among them"
                } else {
                    ", open ones only"
                }
            )
        }),
    ));
    if let Some(since) = facts.definition.manual_since {
        out.push((
            "definition".to_owned(),
            format!("not automated, by OIG's word of {since:.0}"),
        ));
    }
    out
}

fn known<T>(fact: &Known<T>, text: impl Fn(&T) -> String) -> String {
    match fact {
        Known::Yes { value, as_of } => format!("{} (read {as_of:.0})", text(value)),
        // what no policy asks for may have been read for the guards all the same
        Known::No { why } if &**why == NOT_DECLARED => {
            "not read for the policies (no NEEDS)".to_owned()
        }
        Known::No { why } => format!("unknown: {why}"),
    }
}

/// A verdict in words.
pub fn verdict_text(verdict: Option<&Verdict>) -> String {
    match verdict {
        None => "no policy has an opinion".to_owned(),
        Some(Verdict::Leave { reason, .. }) => format!("leave: {reason}"),
        Some(Verdict::Ask { reason, .. }) => format!("ask: {reason}"),
        Some(Verdict::Act {
            action, because, ..
        }) => {
            let what = match action {
                crate::model::Action::Retry => "retry".to_owned(),
                crate::model::Action::Reassign { to } => format!("reassign to {to}"),
                crate::model::Action::SetNote { .. } => "set note".to_owned(),
                crate::model::Action::SetResponse { code } => format!("set response {code}"),
                crate::model::Action::ManualComplete => "manual complete".to_owned(),
            };
            match because {
                Some(because) => format!("{what}: {because}"),
                None => what,
            }
        }
    }
}
