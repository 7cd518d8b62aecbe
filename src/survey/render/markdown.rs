//! The report as Markdown; texts of the server are escaped, so that they are neither markup nor HTML.

use std::fmt::Write as _;

use super::{
    REASONS_SHOWN, counted, day, fate, grouped, moment, open_access_line, owners, policy_line,
    reads_line, stale_line, stuck_line, verdict,
};
use crate::survey::count::{Axis, along};
use crate::survey::report::{LeaverTask, Report};

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "# Survey of provisioning tasks\n\n{} visible to {} at {}, read {}. Nothing was written to the server.\n\n> {}\n",
        counted(report.tasks, "open task", "open tasks"),
        text(&report.login),
        text(&report.origin),
        moment(report.taken_at),
        text(&report.scope.statement)
    );
    let _ = writeln!(
        out,
        "## Access still open after the leave date\n\n{}\n",
        text(&open_access_line(report))
    );
    leavers(&mut out, &report.open_access.tasks);
    let _ = writeln!(
        out,
        "## Access that would be given to people who are gone\n\n{}\n",
        text(&stale_line(report))
    );
    leavers(&mut out, &report.stale_grants.tasks);
    stuck(&mut out, report);
    out.push_str("## The backlog\n\n");
    for axis in Axis::ALL {
        let rows = along(&report.classes, axis).into_iter();
        table(
            &mut out,
            &[axis.title(), "tasks"],
            rows.map(|(word, tasks)| vec![word, grouped(tasks)]),
        );
    }
    reasons(&mut out, report);
    outlook(&mut out, report);
    let _ = writeln!(
        out,
        "## What this login can't see\n\n{}\n",
        text(&report.scope.statement)
    );
    let roads = report.scope.roads.iter();
    table(
        &mut out,
        &["road", "open tasks seen", "shows"],
        roads.map(|road| vec![road.road.clone(), grouped(road.tasks), road.shows.clone()]),
    );
    table(
        &mut out,
        &["owner of listed tasks", "tasks"],
        owners(report)
            .into_iter()
            .map(|(who, n)| vec![who, grouped(n)]),
    );
    if !report.scope.hidden.is_empty() {
        let hidden = report.scope.hidden.iter();
        table(
            &mut out,
            &[
                "owner of tasks that the list leaves out",
                "tasks met in accounts",
            ],
            hidden.map(|(who, n)| vec![who.clone(), grouped(*n)]),
        );
    }
    let _ = writeln!(
        out,
        "## How it was read\n\n{}\n",
        text(&reads_line(&report.reads))
    );
    for note in &report.notes {
        let _ = writeln!(out, "- {}", text(note));
    }
    let _ = writeln!(
        out,
        "\nprovtaskd {}, schema {} {}",
        report.program, report.schema, report.version
    );
    out
}

fn leavers(out: &mut String, tasks: &[LeaverTask]) {
    if tasks.is_empty() {
        return;
    }
    table(
        out,
        &[
            "open since",
            "days",
            "person",
            "state",
            "target",
            "task",
            "what",
            "status",
            "owner",
            "cause",
            "would be done",
        ],
        tasks.iter().map(|task| {
            let done = match &task.refused {
                Some(refused) => format!("{}, refused: {refused}", verdict(&task.verdict)),
                None => verdict(&task.verdict).to_owned(),
            };
            vec![
                format!("{} ({})", day(task.since), task.since_by),
                task.days
                    .map_or_else(|| "-".to_owned(), |days| days.to_string()),
                task.person.clone(),
                task.person_state.clone(),
                task.target.clone(),
                task.task.clone(),
                format!("{} ({})", task.name, task.kind),
                task.status.clone(),
                format!("{} ({})", task.owner, task.owner_state),
                format!("{}: {}", task.class, task.reason),
                done,
            ]
        }),
    );
}

fn stuck(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "## Tasks whose owner can't act\n\n{}\n",
        text(&stuck_line(report))
    );
    if report.stuck.is_empty() {
        return;
    }
    table(
        out,
        &[
            "owner",
            "state",
            "until",
            "tasks",
            "oldest",
            "can be handed over",
            "to",
        ],
        report.stuck.iter().map(|owner| {
            vec![
                owner.owner.clone(),
                owner.state.clone(),
                owner.until.map_or_else(|| "-".to_owned(), moment),
                grouped(owner.tasks),
                day(owner.oldest),
                grouped(owner.to_hand_over),
                owner.to.join(", "),
            ]
        }),
    );
}

fn reasons(out: &mut String, report: &Report) {
    out.push_str("## Causes\n\nMasked: what differs from task to task, and whatever may name a person, is a placeholder.\n\n");
    let shown = report.reasons.iter().take(REASONS_SHOWN);
    table(
        out,
        &["tasks", "class", "reason", "targets", "example"],
        shown.map(|reason| {
            vec![
                grouped(reason.tasks),
                reason.class.clone(),
                reason.masked.clone(),
                reason.targets.join(", "),
                reason.example.clone(),
            ]
        }),
    );
    let rest = report.reasons.iter().skip(REASONS_SHOWN);
    let (count, tasks) = rest.fold((0_u64, 0_u64), |(n, sum), r| (n + 1, sum + r.tasks));
    if count > 0 {
        let _ = writeln!(
            out,
            "{} with {} are left out here; the JSON report holds all.\n",
            counted(count, "more reason", "more reasons"),
            counted(tasks, "task", "tasks")
        );
    }
}

fn outlook(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "## What the policies would do\n\n{}\n",
        text(&policy_line(report))
    );
    table(
        out,
        &["tasks", "answer", "policy", "guards"],
        report.outlook.iter().map(|row| {
            vec![
                grouped(row.tasks),
                verdict(&row.verdict).to_owned(),
                row.policy.clone().unwrap_or_else(|| "-".to_owned()),
                fate(row),
            ]
        }),
    );
    if !report.policy.unmapped.is_empty() {
        out.push_str("Definitions without a kind; nothing is done about them until `policy.kinds` names them:\n\n");
        let unmapped = report.policy.unmapped.iter();
        table(
            out,
            &["definition", "tasks"],
            unmapped.map(|(name, n)| vec![name.clone(), grouped(*n)]),
        );
    }
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |", heads.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| text(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// A text that is nothing but text.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("&#64;"),
            c if c.is_control() || super::invisible(c) => out.push(' '),
            c => out.push(c),
        }
    }
    // what would be a link by its look alone
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn texts_of_the_server_are_no_markup() {
        assert_eq!(
            text("a|b <script>`x`\n[y](z)"),
            "a\\|b &lt;script&gt;\\`x\\` \\[y\\](z)"
        );
        assert!(!text("see http://evil.example").contains("http:"));
    }
}
