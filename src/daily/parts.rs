//! The parts of a report in the order in which HTML and Markdown show them, as plain words and cells; it knows no markup.

use super::{
    Daily, ORDERS_SHOWN, counted, moment, names, order_about, requests, second, states, target,
};

/// One part.
pub(super) enum Part {
    /// What the report does not know.
    Limit(String),
    /// A heading.
    Head(String),
    /// A sentence.
    Words(String),
    /// One that somebody should look at.
    Warning(String),
    /// Orders that are not shown.
    MoreOrders(usize),
    /// A table under its own heading; a column whose name begins with `#` holds numbers.
    Table {
        /// The heading.
        title: String,
        /// Names of the columns.
        columns: &'static [&'static str],
        /// The cells; none at all is "nothing".
        rows: Vec<Vec<String>>,
    },
}

fn table(
    title: impl Into<String>,
    columns: &'static [&'static str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Part {
    Part::Table {
        title: title.into(),
        columns,
        rows: rows.collect(),
    }
}

/// Everything below the headline.
pub(super) fn parts(day: &Daily) -> Vec<Part> {
    let mut out: Vec<Part> = day.limits().into_iter().map(Part::Limit).collect();
    let rows = day.attempts.iter().map(|row| {
        vec![
            row.target.to_string(),
            row.action.to_string(),
            row.attempts.to_string(),
            states(row),
        ]
    });
    let columns = &["target", "action", "#attempts", "what became of them"];
    out.push(table("Done", columns, rows));
    for (what, many) in [
        ("Retried by OIG or an admin", day.by_others),
        ("In no list any more, why is not known", day.left_lists),
    ] {
        if many > 0 {
            out.push(Part::Words(format!("{what}: {many}")));
        }
    }
    if day.notes.claimed > 0 {
        out.push(Part::Words(format!(
            "Lines for notes of tasks: {}, read back: {}",
            day.notes.claimed, day.notes.seen
        )));
    }
    let rows = day.healed.by_target.iter();
    let rows = rows.map(|(target, many)| vec![target.to_string(), many.to_string()]);
    out.push(table(
        "Read as done after a retry",
        &["target", "#tasks"],
        rows,
    ));
    out.extend(day.healed.doubt().map(Part::Words));
    let rows = day.given_up.iter().map(|row| {
        vec![
            target(row.target.as_ref()).to_owned(),
            row.reason.to_string(),
            row.tasks.to_string(),
            names(&row.named, row.tasks),
        ]
    });
    let columns = &["target", "reason", "#tasks", "which"];
    out.push(table("Left to people", columns, rows));
    if !day.would_have.is_empty() {
        out.push(would_have(day));
    }
    if !day.orders.is_empty() {
        let rows = day.orders.iter().take(ORDERS_SHOWN).map(|order| {
            vec![
                moment(order.at),
                order.who.clone(),
                order.event.clone(),
                order_about(order),
                order.what.clone(),
                order.why.clone(),
            ]
        });
        let columns = &["when", "who", "sort", "about", "what", "why"];
        out.push(table("Orders", columns, rows));
        let more = day.orders.len().saturating_sub(ORDERS_SHOWN);
        if more > 0 {
            out.push(Part::MoreOrders(more));
        }
    }
    out.push(Part::Head("Requests".to_owned()));
    out.push(Part::Words(requests(day)));
    now(&mut out, day);
    out
}

fn would_have(day: &Daily) -> Part {
    let rows = day.would_have.iter().map(|row| {
        vec![
            target(row.target.as_ref()).to_owned(),
            row.action.to_string(),
            row.held_by.to_string(),
            row.tasks.to_string(),
            row.done_by_others.to_string(),
            row.done_by_us.to_string(),
            row.under_way.to_string(),
            row.left_lists.to_string(),
            row.left.to_string(),
            names(&row.named, row.left),
        ]
    });
    let columns = &[
        "target",
        "action",
        "held by",
        "#tasks",
        "#done by others",
        "#by us after all",
        "#sent by us, not told yet",
        "#in no list any more",
        "#still as it was",
        "which are",
    ];
    table("Would have been done", columns, rows)
}

fn now(out: &mut Vec<Part>, day: &Daily) {
    let Some(now) = &day.now else {
        return;
    };
    out.push(Part::Head(format!("Now, {}", second(now.at))));
    let visible = now.visible_words().into_iter();
    out.extend(visible.map(|words| Part::Words(format!("{words}."))));
    out.push(Part::Words(format!(
        "{} with an open end.",
        counted(now.attempts_open, "attempt", "attempts")
    )));
    let why = now.mode_why.iter();
    out.extend(why.map(|why| Part::Warning(format!("Nothing is sent: {why}"))));
    let error = now.last_error.iter();
    out.extend(error.map(|why| Part::Warning(format!("The last cycle failed: {why}"))));
    let inbox = now.inbox.iter();
    let inbox = inbox.map(|(why, many)| vec![why.clone(), many.to_string()]);
    out.push(table("Inbox", &["sort", "#tasks"], inbox));
    let waiting = now.waiting.iter();
    let waiting = waiting.map(|(reason, many)| vec![reason.to_string(), many.to_string()]);
    out.push(table(now.waiting_head(), &["reason", "#tasks"], waiting));
    let not_counted = now.not_counted();
    out.extend(not_counted.map(|words| Part::Warning(format!("{words}."))));
}
