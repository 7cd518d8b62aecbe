//! The report of a day as plain text, for a terminal or a mail; at most 100 columns where words allow it.

use std::fmt::Write as _;

use crate::model::text::one_line;

use super::{
    Daily, ORDERS_SHOWN, counted, moment, names, order_about, requests, second, states, target,
};

/// The whole report.
pub fn text(day: &Daily) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "{} to {}: {}",
        moment(day.from),
        moment(day.to),
        day.headline()
    );
    for limit in day.limits() {
        let _ = writeln!(out, "  {limit}");
    }
    head(&mut out, "Done");
    for row in &day.attempts {
        let _ = writeln!(
            out,
            "  {:<16} {:<15} {:>6}   {}",
            row.target.as_str(),
            row.action.as_str(),
            row.attempts,
            states(row)
        );
    }
    none(&mut out, day.attempts.is_empty());
    if day.by_others > 0 {
        let _ = writeln!(out, "  retried by OIG or an admin: {}", day.by_others);
    }
    if day.left_lists > 0 {
        let _ = writeln!(
            out,
            "  left the lists meanwhile, why is not known: {}",
            day.left_lists
        );
    }
    if day.notes.claimed > 0 {
        let _ = writeln!(
            out,
            "  lines for notes of tasks: {}, read back: {}",
            day.notes.claimed, day.notes.seen
        );
    }
    head(&mut out, "Read as done after a retry");
    for (target, many) in &day.healed.by_target {
        let _ = writeln!(out, "  {:<16} {many:>6}", target.as_str());
    }
    let attempts: Vec<String> = day
        .healed
        .by_attempts
        .iter()
        .map(|(n, many)| format!("{many} at attempt {n}"))
        .collect();
    if !attempts.is_empty() {
        let _ = writeln!(out, "  {}", attempts.join(", "));
    }
    if let Some(words) = day.healed.doubt() {
        let _ = writeln!(out, "  {words}");
    }
    none(&mut out, day.healed.tasks == 0);
    head(&mut out, "Left to people");
    for row in &day.given_up {
        let _ = writeln!(
            out,
            "  {:<16} {:<28} {:>6}   {}",
            target(row.target.as_ref()),
            row.reason,
            row.tasks,
            names(&row.named, row.tasks)
        );
    }
    none(&mut out, day.given_up.is_empty());
    if !day.would_have.is_empty() {
        head(&mut out, "Would have been done");
        for row in &day.would_have {
            let _ = writeln!(
                out,
                "  {:<16} {:<15} {:>6}   held by {}; done by others {}, by us after all {}, sent by us and not told yet {}, in no list any more {}, still as it was {} {}",
                target(row.target.as_ref()),
                row.action.as_str(),
                row.tasks,
                row.held_by.as_str(),
                row.done_by_others,
                row.done_by_us,
                row.under_way,
                row.left_lists,
                row.left,
                names(&row.named, row.left)
            );
        }
    }
    if !day.orders.is_empty() {
        head(&mut out, "Orders");
        for order in day.orders.iter().take(ORDERS_SHOWN) {
            let about = match order_about(order) {
                about if about.is_empty() => about,
                about => format!(" on {}", one_line(&about)),
            };
            let why = match order.why.as_str() {
                "" => String::new(),
                why => format!(" ({})", one_line(why)),
            };
            let _ = writeln!(
                out,
                "  {} {} {}{about}: {}{why}",
                moment(order.at),
                order.who,
                order.event,
                one_line(&order.what),
            );
        }
        let more = day.orders.len().saturating_sub(ORDERS_SHOWN);
        if more > 0 {
            let _ = writeln!(out, "  and {more} more; `provtaskd audit export` has all");
        }
    }
    head(&mut out, "Requests");
    let _ = writeln!(out, "  {}", requests(day));
    if let Some(now) = &day.now {
        head(&mut out, &format!("Now ({})", second(now.at)));
        for words in now.visible_words() {
            let _ = writeln!(out, "  {words}");
        }
        let _ = writeln!(
            out,
            "  {} with an open end",
            counted(now.attempts_open, "attempt", "attempts")
        );
        for why in &now.mode_why {
            let _ = writeln!(out, "  nothing is sent: {why}");
        }
        if let Some(error) = &now.last_error {
            let _ = writeln!(out, "  the last cycle failed: {error}");
        }
        for (why, many) in &now.inbox {
            let _ = writeln!(out, "  inbox            {why:<28} {many:>6}");
        }
        if !now.waiting.is_empty() {
            head(&mut out, &now.waiting_head());
            for (reason, many) in &now.waiting {
                let _ = writeln!(out, "  {:<28} {many:>6}", reason.as_str());
            }
            for words in now.not_counted() {
                let _ = writeln!(out, "  {words}");
            }
        }
    }
    out
}

fn head(out: &mut String, title: &str) {
    let _ = writeln!(out, "\n{title}");
}

fn none(out: &mut String, none: bool) {
    if none {
        out.push_str("  nothing\n");
    }
}
