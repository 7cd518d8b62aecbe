//! Access that is still open after its person has gone, or should have, and access that would be given to people who are gone; who was not read is counted beside, never among them.

use std::collections::BTreeSet;

use super::count::{number, target_word};
use super::reasons::Masker;
use super::report::{LeaverTask, OpenAccess};
use super::row::{Context, PersonWord, Row};
use super::words;
use crate::model::Kind;

/// Open revokes and disables of people who are gone, or whose leave date has passed, the oldest first.
pub fn open_access(rows: &[Row], context: &Context, masker: &Masker) -> OpenAccess {
    of_leavers(rows, context, masker, Kind::takes_access)
}

/// Open creates, grants and enables for people who are gone, or whose leave date has passed, the oldest first.
pub fn stale_grants(rows: &[Row], context: &Context, masker: &Masker) -> OpenAccess {
    let gives = |kind: Kind| matches!(kind, Kind::Create | Kind::Grant | Kind::Enable);
    of_leavers(rows, context, masker, gives)
}

fn of_leavers(
    rows: &[Row],
    context: &Context,
    masker: &Masker,
    wanted: impl Fn(Kind) -> bool,
) -> OpenAccess {
    let gone = |row: &Row| row.person_word.is_gone() || row.person_word == PersonWord::ActivePast;
    let (mut people, mut active) = (BTreeSet::new(), BTreeSet::new());
    let (mut active_tasks, mut not_told) = (0, 0);
    let mut found: Vec<LeaverTask> = Vec::new();
    for row in rows.iter().filter(|row| wanted(row.kind)) {
        if row.person_word.is_doubtful() {
            not_told += 1;
        }
        if !gone(row) {
            continue;
        }
        if row.person_word == PersonWord::ActivePast {
            active.extend(&row.person);
            active_tasks += 1;
        } else {
            people.extend(&row.person);
        }
        found.push(leaver_task(row, context, masker));
    }
    // what has no date is not the oldest for certain, and is not hidden at the end of many either: it comes last
    found.sort_by(|a, b| {
        let key = |task: &LeaverTask| (task.since.is_none(), task.since);
        key(a).cmp(&key(b)).then_with(|| a.task.cmp(&b.task))
    });
    OpenAccess {
        people: number(people.len()),
        active_people: number(active.len()),
        active_tasks,
        tasks: found,
        not_told,
    }
}

fn leaver_task(row: &Row, context: &Context, masker: &Masker) -> LeaverTask {
    let now = context.taken_at;
    // a last day that is to come is not the day on which he left
    let left = row.left.filter(|left| *left <= now);
    let created = row.created.filter(|created| *created <= now);
    let (since, since_by) = match (left, created) {
        (Some(left), _) => (Some(left), "leave date"),
        (None, Some(created)) => (Some(created), "task created"),
        (None, None) => (None, "not known"),
    };
    let (verdict, refused) = words::in_full(row);
    LeaverTask {
        task: row.task.to_string(),
        person: row
            .person
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        person_state: row.person_word.as_str().to_owned(),
        target: target_word(row),
        name: row.name.as_deref().unwrap_or("-").to_owned(),
        kind: row.kind.to_string(),
        status: row.status.to_string(),
        since,
        since_by: since_by.to_owned(),
        days: since.map(|since| now.duration_since(since).as_hours() / 24),
        owner: row.owner_name(),
        owner_state: row.owner_word.as_str().to_owned(),
        class: row.class.to_string(),
        reason: masker.of(row),
        verdict,
        refused,
    }
}
