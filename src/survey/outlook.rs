//! What the policies would do, counted by verdict, policy and the guards' first refusal; every row is counted once.

use std::collections::BTreeMap;

use super::report::Outlook;
use super::row::{Held, Row};

/// Verdict, policy, the refusal's name.
type Key<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// The rows of the table: acts that may go first, then by count.
pub fn outlook(rows: &[Row]) -> Vec<Outlook> {
    let mut counts: BTreeMap<Key<'_>, (u64, Option<Held>)> = BTreeMap::new();
    for row in rows {
        let (verdict, policy, refused) = match &row.said {
            Ok(said) => (
                said.verdict,
                said.policy.as_deref(),
                said.refused.first().copied(),
            ),
            Err(reason) => ("not decided", None, Some(Held::Refused(*reason))),
        };
        let named = refused.map(|reason| reason.as_str());
        let count = counts
            .entry((verdict, policy, named))
            .or_insert((0, refused));
        count.0 += 1;
    }
    let mut table: Vec<Outlook> = counts
        .into_iter()
        .map(|((verdict, policy, refused), (tasks, reason))| Outlook {
            verdict: verdict.to_owned(),
            policy: policy.map(str::to_owned),
            refused: refused.map(str::to_owned),
            meaning: reason.map(|reason| reason.explanation().to_owned()),
            tasks,
        })
        .collect();
    table.sort_by_key(|row| {
        (
            rank(&row.verdict),
            row.refused.is_some(),
            std::cmp::Reverse(row.tasks),
        )
    });
    table
}

fn rank(verdict: &str) -> u8 {
    match verdict {
        "retry" => 0,
        "reassign" => 1,
        "set_note" | "set_response" | "manual_complete" => 2,
        "ask" => 3,
        "leave" => 4,
        "none" => 5,
        "fault" => 6,
        _ => 7,
    }
}
