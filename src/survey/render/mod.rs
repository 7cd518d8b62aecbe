//! A report as Markdown, HTML and CSV; pure, and every text of the server is escaped for the format that it stands in.

mod chart;
mod csv;
mod html;
mod markdown;

pub use csv::{cell, csv};
pub use html::{escape, html};
pub use markdown::{markdown, text as plain_in_markdown};

use jiff::Timestamp;

use super::report::{OpenAccess, Outlook, Reads, Report};
use super::row::PersonWord;

/// Rows of a masked-reasons table that are shown; the others are counted in a last one.
pub const REASONS_SHOWN: usize = 40;

/// A moment, to the minute, as the server's own zone-less users expect it: UTC, and said so.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// A day.
pub fn day(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "not known".to_owned(),
        |at| at.strftime("%Y-%m-%d").to_string(),
    )
}

/// One and many.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(count))
    }
}

/// A number with its thousands apart.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What is to be said of access that is still open, in one sentence.
pub fn open_access_line(report: &Report) -> String {
    let open = &report.open_access;
    let all = u64::try_from(open.tasks.len()).unwrap_or(u64::MAX);
    let tasks = all.saturating_sub(open.active_tasks);
    let mut line = if tasks == 0 {
        "No open revoke or disable of somebody who is known to be gone is in the list.".to_owned()
    } else {
        let oldest = open
            .tasks
            .iter()
            .find(|task| task.person_state != PersonWord::ActivePast.as_str())
            .and_then(|task| Some((task.days?, &task.since_by)));
        let oldest = oldest.map_or(String::new(), |(days, by)| {
            let days = u64::try_from(days).unwrap_or(0);
            format!(
                ", the oldest for {} (by {by})",
                counted(days, "day", "days")
            )
        });
        format!(
            "{} of {} who {} gone {} still open{oldest}.",
            counted(tasks, "revoke or disable", "revokes and disables"),
            counted(open.people, "person", "people"),
            if open.people == 1 { "is" } else { "are" },
            if tasks == 1 { "is" } else { "are" },
        )
    };
    if open.active_tasks > 0 {
        let is = if open.active_tasks == 1 { "is" } else { "are" };
        let more = if tasks == 0 { "" } else { " more" };
        line += &format!(
            " {}{more} {is} open of {} whom OIG calls active although the leave date has passed.",
            grouped(open.active_tasks),
            counted(open.active_people, "person", "people"),
        );
    }
    line.push_str(&untold(open));
    line
}

/// What could not be told of a chapter's tasks: that there may be more of them.
fn untold(of: &OpenAccess) -> String {
    let mut line = String::new();
    if of.not_told > 0 {
        line += &format!(
            " Of {} more it could not be told whether the person is gone.",
            grouped(of.not_told)
        );
    }
    if of.dates_not_told > 0 {
        line += &format!(
            " Of {} whom OIG calls active the leave date could not be read.",
            counted(of.dates_not_told, "more person", "more people"),
        );
    }
    if of.unnamed > 0 {
        line += &format!(
            " {} of people who are gone {} without a kind, because no pattern fits {} name, and may be among these (kinds.toml).",
            counted(of.unnamed, "more task", "more tasks"),
            if of.unnamed == 1 { "is" } else { "are" },
            if of.unnamed == 1 { "its" } else { "their" },
        );
    }
    line
}

/// How many tasks have an owner who can't act, and of which roles that could be told.
pub fn stuck_line(report: &Report) -> String {
    let tasks: u64 = report.stuck.iter().map(|owner| owner.tasks).sum();
    let owners = u64::try_from(report.stuck.len()).unwrap_or(u64::MAX);
    let line = format!(
        "{} of {}.",
        counted(tasks, "task", "tasks"),
        counted(owners, "owner", "owners")
    );
    let reads = &report.reads;
    match (reads.roles, reads.roles_read) {
        (0, _) => line,
        (roles, 0) => format!(
            "{line} Roles were not looked into: the members of the {} that own tasks were not shown or not read.",
            counted(roles, "role", "roles")
        ),
        (roles, read) => format!(
            "{line} {} of {} that {} tasks were looked into, by the direct members that this login is shown.",
            grouped(read),
            counted(roles, "role", "roles"),
            if roles == 1 { "owns" } else { "own" }
        ),
    }
}

/// Whose the listed tasks are, with how many.
pub fn owners(report: &Report) -> Vec<(String, u64)> {
    let scope = &report.scope;
    let mut rows = vec![(report.login.clone(), scope.own)];
    match (scope.by_own_roles, scope.by_other_roles()) {
        (Some(own), Some(other)) => {
            rows.push((format!("roles of {}", report.login), own));
            rows.push(("other roles".to_owned(), other));
        }
        _ => rows.push(("roles".to_owned(), scope.by_roles)),
    }
    let others = counted(scope.other_owners, "other person", "other people");
    rows.push((others, scope.by_others));
    rows.push(("not named".to_owned(), scope.by_nobody));
    rows
}

/// What is to be said of grants to people who are gone.
pub fn stale_line(report: &Report) -> String {
    let stale = &report.stale_grants;
    let all = u64::try_from(stale.tasks.len()).unwrap_or(u64::MAX);
    let tasks = all.saturating_sub(stale.active_tasks);
    let mut line = if tasks == 0 {
        "No open create, grant or enable for somebody who is known to be gone is in the list."
            .to_owned()
    } else {
        format!(
            "{} for {} gone. Retried blindly they would give access back; provtaskd's guards refuse that.",
            counted(
                tasks,
                "create, grant or enable",
                "creates, grants and enables"
            ),
            counted(stale.people, "person who is", "people who are"),
        )
    };
    if stale.active_tasks > 0 {
        let is = if stale.active_tasks == 1 { "is" } else { "are" };
        let more = if tasks == 0 { "" } else { " more" };
        line += &format!(
            " {}{more} {is} for {} whom OIG calls active although the leave date has passed; the guards leave that to a person.",
            grouped(stale.active_tasks),
            counted(stale.active_people, "person", "people"),
        );
    }
    line.push_str(&untold(stale));
    line
}

/// What was read, in one sentence.
pub fn reads_line(reads: &Reads) -> String {
    let mut line = format!(
        "{} ({} of them pages of the list), at most {} a minute.",
        counted(reads.requests, "read request", "read requests"),
        grouped(reads.pages),
        grouped(u64::from(reads.per_minute))
    );
    line += &format!(
        " {} of {} people were answered for",
        grouped(reads.people_read),
        grouped(reads.people)
    );
    if reads.people_not_shown > 0 {
        line += &format!(
            ", {} of them are not shown to this login",
            grouped(reads.people_not_shown)
        );
    }
    line += &format!(
        "; {} of {} accounts that the guards had to look into were read.",
        grouped(reads.accounts_read),
        grouped(reads.accounts)
    );
    if reads.taken_over > 0 {
        line += &format!(
            " {} were taken over from an earlier run.",
            counted(reads.taken_over, "reading", "readings")
        );
    }
    if reads.limited {
        let limit = reads.limit.unwrap_or_default();
        line += &format!(
            " The limit of {} (--max-reads) was reached: what was not read stands as \"not read\", and grants of accounts that were not read as \"account_unknown\". Run it again and it goes on from there.",
            counted(limit, "request", "requests")
        );
    }
    line
}

/// Which policies were asked.
pub fn policy_line(report: &Report) -> String {
    let policy = &report.policy;
    format!(
        "{} policies, set {}: {}. This is what policies and guards say of each task by itself: mode, probe, the release of what was there on the first day, and caps come after, so that it is no count of what will be sent.",
        if policy.shipped {
            "The shipped"
        } else {
            "The configured"
        },
        policy.hash.get(..12).unwrap_or(&policy.hash),
        policy.names.join(", ")
    )
}

/// What happens to tasks of an outlook.
pub fn fate(row: &Outlook) -> String {
    match (&row.refused, &row.meaning) {
        (Some(name), Some(meaning)) => format!("{name}: {meaning}"),
        (Some(name), None) => name.clone(),
        (None, _) => match row.verdict.as_str() {
            "retry" | "reassign" | "set_note" | "set_response" | "manual_complete" => {
                "guards let it pass".to_owned()
            }
            _ => String::new(),
        },
    }
}

/// A verdict for people.
pub fn verdict(word: &str) -> &str {
    match word {
        "none" => "no policy has an opinion",
        "ask" => "ask a person",
        "leave" => "leave alone",
        "set_note" => "set note",
        "set_response" => "set response",
        "manual_complete" => "manual complete",
        other => other,
    }
}

/// Characters that turn the direction of a text or are not seen, which may make it read as something else.
pub fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}
