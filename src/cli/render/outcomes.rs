//! `inbox`, `outcomes list` and `outcomes show` as text: what waits for a person, and what became of attempts.

use std::fmt::Write as _;

use super::layout::{Width, pairs, paragraph, prose, table, word};
use super::plan::{attempts, decision};
use super::{clean, counted, or_dash, time};
use crate::control::{InboxView, OutcomesView, RejectionView, Story};
use crate::model::TaskId;
use crate::model::seers::all_of;

/// What helps where there is no store yet.
const NO_STORE: &str =
    "`provtaskd run` (or `provtaskd run --once`) makes it; or correct --store or store.dir";

/// What is said where the store alone tells.
const FROM_STORE: &str = "no daemon runs: this is what is on record; what only a running one finds in each cycle, such as access that stays open because no policy takes it (`left_open`), is not here\n";

/// Tasks that an item of the inbox names one by one; of more it says how many.
const NAMED: usize = 4;

/// `inbox`
pub fn inbox(view: &InboxView, width: Width) -> String {
    let items = &view.items;
    let whose = all_of(&view.logins);
    let undecided = view.undecided.as_ref();
    let undecided = undecided.map(|words| format!("{words}: what it will ask is not here\n"));
    let no_store = view.no_store.as_ref();
    let no_store = no_store.map(|words| format!("{}; {NO_STORE}\n", clean(words)));
    let from_store = match view.from_store && no_store.is_none() {
        true => FROM_STORE,
        false => "",
    };
    let noes = match view.rejected {
        0 => String::new(),
        many => format!(
            "{} by a person, shown by `provtaskd inbox --rejected`\n",
            counted(many, "hold was rejected", "holds were rejected")
        ),
    };
    if items.is_empty() {
        let words = no_store.or(undecided);
        let words = words.unwrap_or_else(|| {
            format!("nothing waits for a person in what is visible to {whose}\n")
        });
        return format!("{words}{from_store}{noes}");
    }
    let mut out = table(
        width,
        &[
            word("id"),
            word("since"),
            word("target"),
            word("what"),
            prose("why"),
        ],
        items.iter().map(|item| {
            // a count and an id must not be taken for each other
            let tasks = match item.tasks.as_slice() {
                [] => "-".to_owned(),
                [one] if item.count == 1 => format!("task {one}"),
                few if few.len() <= NAMED && usize::try_from(item.count) == Ok(few.len()) => {
                    let ids: Vec<&str> = few.iter().map(TaskId::as_str).collect();
                    format!("tasks {}", ids.join(", "))
                }
                _ => format!("{} tasks", item.count),
            };
            vec![
                item.id.clone(),
                time(item.since),
                or_dash(item.target.as_ref()),
                tasks,
                format!("{}: {}", item.why, item.text),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "\n{} in what is visible to {whose}: {} can be approved by id, {} can be rejected by id",
        counted(
            u64::try_from(items.len()).unwrap_or(u64::MAX),
            "item",
            "items"
        ),
        items.iter().filter(|item| item.can_approve).count(),
        items.iter().filter(|item| item.can_reject).count()
    );
    out.push_str(&no_store.or(undecided).unwrap_or_default());
    out.push_str(from_store);
    out.push_str(&noes);
    out
}

/// `inbox --rejected`
pub fn rejections(all: &[RejectionView], width: Width) -> String {
    if all.is_empty() {
        return "nobody has said no to anything, or each no has ended\n".to_owned();
    }
    let mut out = String::new();
    for no in all {
        let tasks: Vec<&str> = no.tasks.iter().map(TaskId::as_str).collect();
        let more = no
            .count
            .saturating_sub(u64::try_from(tasks.len()).unwrap_or(u64::MAX));
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        pairs(
            &mut out,
            width,
            &[
                ("id", no.id.clone()),
                (
                    "what",
                    format!(
                        "{} of {} on {}",
                        no.action,
                        counted(no.count, "task", "tasks"),
                        no.target
                    ),
                ),
                ("tasks", format!("{}{more}", tasks.join(", "))),
                (
                    "no",
                    format!(
                        "{} by {}, until {}",
                        no.at
                            .map_or_else(|| "at a time that is not on record".to_owned(), time),
                        no.by,
                        time(no.until)
                    ),
                ),
                (
                    "why",
                    no.why.clone().unwrap_or_else(|| "not on record".to_owned()),
                ),
                ("take it back", no.take_back.clone()),
            ],
        );
        out.push('\n');
    }
    out
}

/// `outcomes list`
pub fn outcomes(view: &OutcomesView, width: Width) -> String {
    let rows = &view.rows;
    let whose = all_of(&view.logins);
    if rows.is_empty() {
        return match &view.no_store {
            Some(words) => format!("no attempts; {}; {NO_STORE}\n", clean(words)),
            None => format!("no attempts on work that is visible to {whose}\n"),
        };
    }
    let mut out = table(
        width,
        &[
            word("lineage"),
            word("task"),
            word("target"),
            prose("what"),
            word("state"),
            word("login"),
            word("claimed"),
            prose("reason"),
        ],
        rows.iter().map(|row| {
            let name = row.name.as_deref().unwrap_or("-");
            vec![
                format!("{}.{}", row.lineage, row.ordinal),
                row.task.to_string(),
                or_dash(row.target.as_ref()),
                format!("{} {name}", row.action),
                row.state.to_string(),
                or_dash(row.login.as_ref()),
                time(row.claimed),
                row.reason.clone().unwrap_or_default(),
            ]
        }),
    );
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "\nattempts of provtaskd, on work that is visible to {whose}"
    );
    out
}

/// `outcomes show`
pub fn story(story: &Story, width: Width) -> String {
    let ids: Vec<String> = story.ids.iter().map(ToString::to_string).collect();
    let mut out = String::new();
    pairs(
        &mut out,
        width,
        &[
            (
                "lineage",
                format!("{}, task ids {}", story.lineage, ids.join(" -> ")),
            ),
            (
                "what",
                format!(
                    "{} on {}",
                    or_dash(story.name.as_ref()),
                    or_dash(story.target.as_ref())
                ),
            ),
            ("for", or_dash(story.beneficiary.as_ref())),
            ("first seen", time(story.first_seen)),
            ("stands", story.standing.clone()),
        ],
    );
    if let Some(item) = &story.decision {
        out.push_str("\nlast decision:\n");
        decision(&mut out, item, false, width);
    }
    attempts(&mut out, &story.attempts, width);
    if !story.events.is_empty() {
        out.push_str("\nrecord:\n");
        for event in &story.events {
            let line = format!(
                "{} {} ({}): {}",
                time(event.at),
                event.kind,
                event.actor,
                event.text
            );
            paragraph(&mut out, width, "  ", 6, &line);
        }
    }
    out
}
