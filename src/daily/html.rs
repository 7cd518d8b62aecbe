//! The report of a day as one HTML file: no script, nothing loaded from anywhere, every text escaped.

use std::fmt::Write as _;

use super::{
    Daily, ORDERS_SHOWN, counted, moment, names, order_about, requests, second, states, target,
};
use crate::survey::render::escape;

const CSS: &str = include_str!("html.css");

/// The whole report.
pub fn html(day: &Daily) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <title>Provisioning tasks, {to}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n\
         <h1>Provisioning tasks, {from} to {to}</h1>\n<p class=\"lead\">{lead}</p>\n",
        from = moment(day.from),
        to = moment(day.to),
        lead = escape(&day.headline()),
    );
    for limit in day.limits() {
        let _ = writeln!(out, "<p class=\"soft\">{}</p>", escape(&limit));
    }
    let rows = day.attempts.iter().map(|row| {
        vec![
            row.target.to_string(),
            row.action.to_string(),
            row.attempts.to_string(),
            states(row),
        ]
    });
    table(
        &mut out,
        "Done",
        &["target", "action", "#attempts", "what became of them"],
        rows,
    );
    if day.by_others > 0 {
        let _ = writeln!(out, "<p>Retried by OIG or an admin: {}</p>", day.by_others);
    }
    if day.left_lists > 0 {
        let _ = writeln!(
            out,
            "<p>In no list any more, why is not known: {}</p>",
            day.left_lists
        );
    }
    if day.notes.claimed > 0 {
        let _ = writeln!(
            out,
            "<p>Lines for notes of tasks: {}, read back: {}</p>",
            day.notes.claimed, day.notes.seen
        );
    }
    let rows = day
        .healed
        .by_target
        .iter()
        .map(|(target, many)| vec![target.to_string(), many.to_string()]);
    table(
        &mut out,
        "Read as done after a retry",
        &["target", "#tasks"],
        rows,
    );
    let rows = day.given_up.iter().map(|row| {
        vec![
            target(row.target.as_ref()).to_owned(),
            row.reason.to_string(),
            row.tasks.to_string(),
            names(&row.named, row.tasks),
        ]
    });
    table(
        &mut out,
        "Left to people",
        &["target", "reason", "#tasks", "which"],
        rows,
    );
    if !day.would_have.is_empty() {
        let rows = day.would_have.iter().map(|row| {
            vec![
                target(row.target.as_ref()).to_owned(),
                row.action.to_string(),
                row.held_by.to_string(),
                row.tasks.to_string(),
                row.done_by_others.to_string(),
                row.done_by_us.to_string(),
                row.left_lists.to_string(),
                row.left.to_string(),
                names(&row.named, row.left),
            ]
        });
        let columns = [
            "target",
            "action",
            "held by",
            "#tasks",
            "#done by others",
            "#by us after all",
            "#in no list any more",
            "#still as it was",
            "which are",
        ];
        table(&mut out, "Would have been done", &columns, rows);
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
        table(
            &mut out,
            "Orders",
            &["when", "who", "sort", "about", "what", "why"],
            rows,
        );
        let more = day.orders.len().saturating_sub(ORDERS_SHOWN);
        if more > 0 {
            let _ = writeln!(
                out,
                "<p>And {more} more; <code>provtaskd audit export</code> has all.</p>"
            );
        }
    }
    let _ = writeln!(out, "<h2>Requests</h2>\n<p>{}</p>", escape(&requests(day)));
    now(&mut out, day);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn now(out: &mut String, day: &Daily) {
    let Some(now) = &day.now else {
        return;
    };
    let _ = writeln!(out, "<h2>Now, {}</h2>", second(now.at));
    for words in now.visible_words() {
        let _ = writeln!(out, "<p>{}.</p>", escape(&words));
    }
    let _ = writeln!(
        out,
        "<p>{} with an open end.</p>",
        counted(now.attempts_open, "attempt", "attempts")
    );
    for why in &now.mode_why {
        let _ = writeln!(
            out,
            "<p class=\"warn\">Nothing is sent: {}</p>",
            escape(why)
        );
    }
    if let Some(error) = &now.last_error {
        let _ = writeln!(
            out,
            "<p class=\"warn\">The last cycle failed: {}</p>",
            escape(error)
        );
    }
    let inbox = now
        .inbox
        .iter()
        .map(|(why, many)| vec![why.clone(), many.to_string()]);
    table(out, "Inbox", &["sort", "#tasks"], inbox);
    let waiting = now
        .waiting
        .iter()
        .map(|(reason, many)| vec![reason.to_string(), many.to_string()]);
    table(out, &now.waiting_head(), &["reason", "#tasks"], waiting);
    for words in now.not_counted() {
        let _ = writeln!(out, "<p class=\"warn\">{}.</p>", escape(&words));
    }
}

/// A table; a column whose name begins with `#` holds numbers.
fn table(out: &mut String, title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "<h2>{}</h2>", escape(title));
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        out.push_str("<p class=\"soft\">nothing</p>\n");
        return;
    }
    out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for name in columns {
        let class = if name.starts_with('#') {
            " class=\"n\""
        } else {
            ""
        };
        let _ = write!(
            out,
            "<th scope=\"col\"{class}>{}</th>",
            escape(name.trim_start_matches('#'))
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (name, cell) in columns.iter().zip(row) {
            let class = if name.starts_with('#') {
                " class=\"n\""
            } else {
                ""
            };
            let _ = write!(out, "<td{class}>{}</td>", escape(&cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}
