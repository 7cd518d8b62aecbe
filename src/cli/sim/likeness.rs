//! Gives a scenario the traits of a probed server, as far as the simulator has them; what it has not, it says.

use crate::sim::Scenario;
use crate::sim::scenario::{DateForm, ListOrder, ListScope};
use crate::sim::world::RunMode;
use crate::traits::{Counts, NOT_SHOWN, RetryTrait, Traits, continues};

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
        let shows = |end: &str| {
            let mut names = rows
                .fields
                .iter()
                .map(|field| field.name.to_ascii_lowercase());
            names.any(|name| name.ends_with(end))
        };
        like.list_no_dates = !shows("creation date");
        if !shows("actual start date") {
            left.push("rows without the start of their last run".to_owned());
        }
        let told = shows("sch_reason") || shows("task details.reason");
        like.list_reason = if told { like.list_reason } else { Some(0) };
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
    let adapter = &probed.accounts.adapter;
    like.process_no_adapter = !adapter.is_empty() && adapter.keys().all(|word| word == NOT_SHOWN);
    like.no_available_tasks = probed.accounts.definitions == Some(false);
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
    if let Some(retry) = &probed.retry {
        after_retry(scenario, retry, &mut left);
    }
    of_pages(probed, &mut left);
    if rows.seen > 0 && probed.scope.roles.is_none() {
        left.push("roles of the login that are not shown".to_owned());
    }
    let people = &probed.people;
    if people.asked > 0 && people.shown == 0 {
        left.push("people who are not shown".to_owned());
    } else if people.joined == Some(false) {
        left.push("people who can't be asked for together".to_owned());
    }
    if people.own_record == Some(false) {
        left.push("a login whose own record is not shown".to_owned());
    }
    if !people.unknown.is_empty() {
        left.push("states of people that provtaskd does not know".to_owned());
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
    match &*probed.roads.token {
        "absent" => left.push("no token service".to_owned()),
        "refuses" => left.push("a token service that refuses the login".to_owned()),
        _ => {}
    }
    match &*probed.roads.filter {
        "ignored" => left.push("a filter of the list that is ignored".to_owned()),
        "refused" => left.push("a filter of the list that is refused".to_owned()),
        _ => {}
    }
    left
}

/// How a task's work goes on after a retry, and what a call takes.
fn after_retry(scenario: &mut Scenario, retry: &RetryTrait, left: &mut Vec<String>) {
    if !continues(retry) {
        left.push("how work goes on after a retry, which the probed one has not told".to_owned());
    }
    let told = continues(retry).then_some(&*retry.lineage);
    let (inside, after) = (
        retry.runs == "inside the call",
        retry.runs == "after the answer",
    );
    for target in &mut scenario.target {
        if let Some(word) = told {
            target.same_id = word == "same id";
            target.link_successor = word == "successor with link";
        }
        if inside {
            target.run = RunMode::InCall;
            target.call_ms = retry.answered_ms.unwrap_or(target.call_ms);
        } else if after {
            target.run = RunMode::Later;
        }
    }
}

/// What the list's pages say of themselves is the simulator's own.
fn of_pages(probed: &Traits, left: &mut Vec<String>) {
    let (paging, order) = (&probed.paging, &probed.order);
    let mut say = |there: bool, what: &str| {
        if there {
            left.push(what.to_owned());
        }
    };
    say(paging.next == "other", "a next link that names no offset");
    say(paging.next == "none", "pages without a next link");
    say(paging.foreign_links, "links to another host");
    say(paging.total == "counted", "a totalResult that is counted");
    say(paging.total == "absent", "a totalResult that is left out");
    let moves = order.repeatable == Some(false);
    say(
        paging.pages == "unstable" && !moves,
        "pages that are unstable",
    );
    say(
        order.by == "none" && !moves,
        "an order of the list that is none of its own",
    );
    if let Some(why) = &paging.contradiction {
        say(true, &format!("how the list contradicts itself ({why})"));
    }
    if let Some(rows) = paging.default_rows.filter(|rows| *rows != 10) {
        say(true, &format!("{rows} rows of a page without `limit`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_goes_on_as_it_did_and_its_call_takes_as_long() {
        let of = |lineage: &str, runs: &str| {
            let text = "name = \"x\"\nseed = 1\n[[target]]\nname = \"AD\"\nlink_successor = true\n";
            let mut scenario = Scenario::from_toml(text).expect("a scenario");
            let retry = RetryTrait {
                lineage: lineage.to_owned(),
                answered_ms: Some(60_000),
                slowest_ms: None,
                answers: 1,
                unanswered_ms: None,
                runs: runs.to_owned(),
                settled_secs: None,
                outcome: "completed".to_owned(),
            };
            let mut left = Vec::new();
            after_retry(&mut scenario, &retry, &mut left);
            let target = scenario.target.remove(0);
            let inside = matches!(target.run, RunMode::InCall);
            let how = (target.same_id, target.link_successor);
            (how, inside, target.call_ms, left.len())
        };
        let (inside, after) = ("inside the call", "after the answer");
        assert_eq!(of("same id", inside), ((true, false), true, 60_000, 0));
        assert_eq!(
            of("successor with link", after),
            ((false, true), false, 0, 0)
        );
        assert_eq!(
            of("successor without link", after),
            ((false, false), false, 0, 0)
        );
        // what was not told stays as the scenario has it, and is said
        assert_eq!(of("not told", "not told"), ((false, true), true, 0, 1));
    }
}
