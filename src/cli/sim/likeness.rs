//! Gives a scenario the traits of a probed server, as far as the simulator has them; what it has not, it says.

use crate::sim::Scenario;
use crate::sim::scenario::{DateForm, ListOrder, ListScope};
use crate::traits::{Counts, Traits};

/// Whichever comes most often.
fn most(counts: &Counts) -> &str {
    let most = counts.iter().max_by_key(|(_, count)| **count);
    most.map_or("", |(word, _)| word)
}

/// Makes the scenario's server word its answers as the probed one did. Answers what it can't take on.
pub fn take_on(scenario: &mut Scenario, probed: &Traits) -> Vec<String> {
    let mut left = Vec::new();
    let rows = &probed.rows;
    let like = &mut scenario.traits;
    if rows.seen > 0 {
        like.map_fields = most(&rows.shape) == "map";
        like.no_process_key = rows.process == 0;
        like.show_child = rows.child > 0;
        like.numeric_ids =
            probed.roads.single_id == "number" || most(&probed.accounts.id_key) == "number";
        like.dates = match most(&rows.dates) {
            "offset" => DateForm::Offset,
            "no zone" => DateForm::NoZone,
            "day" => DateForm::Day,
            "milliseconds" => DateForm::Millis,
            "other" => {
                left.push("dates in a form of their own".to_owned());
                DateForm::Zulu
            }
            _ => DateForm::Zulu,
        };
        let raw = rows
            .status
            .iter()
            .find(|(name, _)| name.to_ascii_lowercase().ends_with("task details.status"));
        let all = || rows.status.values().flat_map(|words| words.keys());
        if let Some((_, words)) = raw {
            like.status_words = most(words).len() > 2;
        } else {
            left.push("no status of the task beside its category".to_owned());
        }
        like.lower_words = all().count() > 0 && all().all(|word| *word == word.to_lowercase());
        if !rows.status_unknown.is_empty() {
            left.push("status words that provtaskd does not know".to_owned());
        }
        let is_note = |field: &crate::traits::Field| {
            field
                .name
                .to_ascii_lowercase()
                .ends_with("task details.note")
        };
        like.no_notes = !rows.fields.iter().any(is_note);
        let localised = |field: &crate::traits::Field| field.types.contains_key("base");
        like.localised = rows.fields.iter().any(localised);
        if rows.unreadable > 0 {
            left.push("rows that can't be read".to_owned());
        }
    }
    like.list_order = match (&*probed.order.by, probed.order.repeatable) {
        (_, Some(false)) => ListOrder::Moving,
        ("id descending" | "created descending", _) => ListOrder::Newest,
        _ => ListOrder::Opened,
    };
    // the header's own seconds are no skew
    let skew = probed.wire.skew_ms.unwrap_or(0) / 1_000;
    like.clock_skew_secs = if skew.abs() > 5 { skew } else { 0 };
    like.process_hides_finished = probed.accounts.read > 0 && probed.accounts.finished == 0;
    if probed.accounts.read == 0 && rows.process > 0 {
        left.push("accounts that are not shown".to_owned());
    }
    let most_rows = probed
        .paging
        .capped_at
        .or(probed.paging.refused_at.and(probed.paging.largest));
    if let Some(rows) = most_rows.and_then(|rows| usize::try_from(rows).ok()) {
        scenario.server.limit_max = rows;
    }
    if probed.scope.shows == "wider" {
        scenario.server.list_scope = ListScope::Everybody;
    }
    match probed.retry.as_ref().map(|retry| &*retry.lineage) {
        Some("successor with link") => {
            for target in &mut scenario.target {
                target.link_successor = true;
            }
        }
        Some("successor without link") => {
            for target in &mut scenario.target {
                target.link_successor = false;
            }
        }
        _ => {}
    }
    for (road, there) in [
        ("single tasks", probed.roads.single),
        ("histories", probed.roads.history),
        ("responses", probed.roads.responses),
    ] {
        if there == Some(false) {
            left.push(format!("{road} that are not shown"));
        }
    }
    if probed.roads.token == "absent" {
        left.push("no token service".to_owned());
    }
    left
}
