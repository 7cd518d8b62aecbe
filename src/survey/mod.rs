//! The survey's report: counts a list that was read into tables and puts them into words; pure, it reads nothing and sends nothing.

mod access;
mod count;
pub mod mask;
mod names;
mod outlook;
mod reasons;
pub mod render;
mod report;
mod row;
mod stuck;
mod words;

#[cfg(test)]
mod tests;

pub use count::{Axis, age_word, along};
pub use names::{away_note, faults_note};
pub use report::*;
pub use row::{Context, Held, OwnerWord, PersonWord, RoleWord, Row, Said};

/// Counts rows into a report.
///
/// Every table adds up to the number of the rows: what has no value stands under a name of its own.
pub fn report(rows: &[Row], context: Context) -> Report {
    let masker = reasons::masker(rows, &context);
    Report {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: context.taken_at,
        origin: context.origin.clone(),
        login: context.login.to_string(),
        tasks: count::number(rows.len()),
        open_access: access::open_access(rows, &context, &masker),
        stale_grants: access::stale_grants(rows, &context, &masker),
        stuck: stuck::stuck(rows, &context),
        classes: count::classes(rows, &context),
        reasons: reasons::reasons(rows, &masker),
        outlook: outlook::outlook(rows),
        policy: context.policy,
        scope: context.scope,
        reads: context.reads,
        notes: context.notes,
    }
}
