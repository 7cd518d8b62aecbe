//! The report as one HTML file: no script, nothing loaded from anywhere, every text of the server escaped; charts have their numbers as tables beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{
    REASONS_SHOWN, chart, counted, day, fate, grouped, invisible, moment, open_access_line, owners,
    policy_line, reads_line, stale_line, stuck_line, verdict,
};
use crate::survey::count::{Axis, along};
use crate::survey::report::{LeaverTask, OpenAccess, Report};

/// Targets in the table of targets and classes; the others are one row together.
const TARGETS_SHOWN: usize = 25;
const CSS: &str = include_str!("html.css");

/// A text that is nothing but text, in an element as in an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || invisible(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A cell of a table.
enum Cell {
    /// A word or an id: not wrapped.
    Word(String),
    /// A text: wrapped.
    Text(String),
    /// A count.
    Count(u64),
    /// A count with its share of the largest, in hundredths.
    Heat(u64, u64),
}

/// The whole report.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <meta name=\"referrer\" content=\"no-referrer\"/>\n\
         <title>Survey of provisioning tasks, {login}, {when}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>Survey of provisioning tasks</h1>\n\
         <p class=\"soft\">{origin}, as {login}, read {when}. Nothing was written to the server.</p>\n</header>\n",
        login = escape(&report.login),
        when = moment(report.taken_at),
        origin = escape(&report.origin),
    );
    let _ = writeln!(
        out,
        "<section class=\"scope\" aria-label=\"What this report covers\"><p>{}</p></section>",
        escape(&report.scope.statement)
    );
    tiles(&mut out, report);
    access(
        &mut out,
        "Access still open after the leave date",
        &open_access_line(report),
        &report.open_access,
    );
    access(
        &mut out,
        "Access that would be given to people who are gone",
        &stale_line(report),
        &report.stale_grants,
    );
    stuck(&mut out, report);
    backlog(&mut out, report);
    causes(&mut out, report);
    outlook(&mut out, report);
    scope(&mut out, report);
    let _ = write!(
        out,
        "<section>\n<h2>How it was read</h2>\n<p>{}</p>\n<ul>\n",
        escape(&reads_line(&report.reads))
    );
    for note in &report.notes {
        let _ = writeln!(out, "<li>{}</li>", escape(note));
    }
    let _ = write!(
        out,
        "</ul>\n</section>\n<footer>provtaskd {}, schema {} {}</footer>\n</main>\n</body>\n</html>\n",
        escape(&report.program),
        escape(&report.schema),
        report.version
    );
    out
}

fn len<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}

fn tiles(out: &mut String, report: &Report) {
    let stuck: u64 = report.stuck.iter().map(|owner| owner.tasks).sum();
    let pass = |row: &&super::Outlook| {
        row.refused.is_none() && matches!(row.verdict.as_str(), "retry" | "reassign")
    };
    let would: u64 = report
        .outlook
        .iter()
        .filter(pass)
        .map(|row| row.tasks)
        .sum();
    let tiles = [
        (report.tasks, "open tasks visible to this login", false),
        (
            len(&report.open_access.tasks),
            "revokes and disables open for people who are gone, or whose leave date has passed",
            true,
        ),
        (
            len(&report.stale_grants.tasks),
            "grants open for people who are gone",
            true,
        ),
        (stuck, "tasks whose owner can't act", true),
        (
            would,
            "tasks that policies want and guards let pass, before mode, releases and caps",
            false,
        ),
    ];
    out.push_str("<div class=\"tiles\">\n");
    for (count, what, bad) in tiles {
        let class = if bad && count > 0 { "tile bad" } else { "tile" };
        let _ = writeln!(
            out,
            "<div class=\"{class}\"><b>{}</b><span>{what}</span></div>",
            grouped(count)
        );
    }
    out.push_str("</div>\n");
}

fn access(out: &mut String, title: &str, line: &str, access: &OpenAccess) {
    let class = if access.tasks.is_empty() {
        ""
    } else {
        " class=\"alarm\""
    };
    let _ = write!(
        out,
        "<section{class}>\n<h2>{title}</h2>\n<p>{}</p>\n",
        escape(line)
    );
    if !access.tasks.is_empty() {
        table(
            out,
            title,
            &[
                "days",
                "person",
                "target",
                "what",
                "would be done",
                "open since",
                "person's state",
                "task",
                "status",
                "owner",
                "cause",
            ],
            access.tasks.iter().map(leaver),
        );
    }
    out.push_str("</section>\n");
}

fn leaver(task: &LeaverTask) -> Vec<Cell> {
    let done = match &task.refused {
        Some(refused) => format!("{}, refused: {refused}", verdict(&task.verdict)),
        None => verdict(&task.verdict).to_owned(),
    };
    vec![
        match task.days.map(u64::try_from) {
            Some(Ok(days)) => Cell::Count(days),
            _ => Cell::Word("-".to_owned()),
        },
        Cell::Word(task.person.clone()),
        Cell::Word(task.target.clone()),
        Cell::Text(format!("{} ({})", task.name, task.kind)),
        Cell::Text(done),
        Cell::Text(format!("{} ({})", day(task.since), task.since_by)),
        Cell::Word(task.person_state.clone()),
        Cell::Word(task.task.clone()),
        Cell::Word(task.status.clone()),
        Cell::Text(format!("{} ({})", task.owner, task.owner_state)),
        // the texts stand under "Causes": rows stay short on a narrow screen
        Cell::Word(task.class.clone()),
    ]
}

fn stuck(out: &mut String, report: &Report) {
    let _ = write!(
        out,
        "<section>\n<h2>Tasks whose owner can&#39;t act</h2>\n<p>{}</p>\n",
        escape(&stuck_line(report))
    );
    if !report.stuck.is_empty() {
        table(
            out,
            "Tasks whose owner can't act",
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
                    Cell::Word(owner.owner.clone()),
                    Cell::Word(owner.state.clone()),
                    Cell::Word(owner.until.map_or_else(|| "-".to_owned(), moment)),
                    Cell::Count(owner.tasks),
                    Cell::Word(day(owner.oldest)),
                    Cell::Count(owner.to_hand_over),
                    Cell::Text(owner.to.join(", ")),
                ]
            }),
        );
    }
    out.push_str("</section>\n");
}

fn backlog(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>The backlog</h2>\n<div class=\"charts\">\n");
    for (at, axis) in Axis::ALL.into_iter().enumerate() {
        let counts = along(&report.classes, axis);
        let title = format!("Open tasks by {}", axis.title());
        let _ = writeln!(
            out,
            "<figure><figcaption><h3>By {}</h3></figcaption>{}<details><summary>as a table</summary>",
            escape(axis.title()),
            chart::bars(&format!("c{at}"), &title, &counts)
        );
        table(
            out,
            &title,
            &[axis.title(), "tasks"],
            counts
                .iter()
                .map(|(word, n)| vec![Cell::Text(word.clone()), Cell::Count(*n)]),
        );
        out.push_str("</details></figure>\n");
    }
    out.push_str("</div>\n<h3 style=\"margin-top:1rem\">Targets and classes of cause</h3>\n");
    cross(out, report);
    out.push_str("</section>\n");
}

fn cross(out: &mut String, report: &Report) {
    let targets = along(&report.classes, Axis::Target);
    let classes = along(&report.classes, Axis::Class);
    let mut cells: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let named: Vec<&str> = targets
        .iter()
        .take(TARGETS_SHOWN)
        .map(|(name, _)| name.as_str())
        .collect();
    for class in &report.classes {
        let target = named
            .iter()
            .find(|name| **name == class.target)
            .copied()
            .unwrap_or("all others");
        *cells.entry((target, &class.class)).or_default() += class.tasks;
    }
    let most = cells.values().copied().max().unwrap_or(1).max(1);
    let heads: Vec<&str> = ["target"]
        .into_iter()
        .chain(classes.iter().map(|(name, _)| name.as_str()))
        .chain(["all"])
        .collect();
    let others = (targets.len() > TARGETS_SHOWN).then_some("all others");
    let rows = named.iter().copied().chain(others).map(|target| {
        let counts: Vec<u64> = classes
            .iter()
            .map(|(class, _)| cells.get(&(target, class)).copied().unwrap_or(0))
            .collect();
        let heat = counts
            .iter()
            .map(|count| Cell::Heat(*count, (count * 100).checked_div(most).unwrap_or(0)));
        [Cell::Word(target.to_owned())]
            .into_iter()
            .chain(heat)
            .chain([Cell::Count(counts.iter().sum())])
            .collect()
    });
    table(out, "Open tasks by target and class of cause", &heads, rows);
}

fn causes(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>Causes</h2>\n<p>Masked: what differs from task to task, and whatever may name a person, is a placeholder.</p>\n");
    table(
        out,
        "Masked reasons",
        &["tasks", "class", "reason", "targets", "example"],
        report.reasons.iter().take(REASONS_SHOWN).map(|reason| {
            vec![
                Cell::Count(reason.tasks),
                Cell::Word(reason.class.clone()),
                Cell::Text(reason.masked.clone()),
                Cell::Text(reason.targets.join(", ")),
                Cell::Word(reason.example.clone()),
            ]
        }),
    );
    let rest = report.reasons.iter().skip(REASONS_SHOWN);
    let (count, tasks) = rest.fold((0_u64, 0_u64), |(n, sum), r| (n + 1, sum + r.tasks));
    if count > 0 {
        let _ = writeln!(
            out,
            "<p class=\"soft\">{} with {} are left out here; the JSON report holds all.</p>",
            counted(count, "more reason", "more reasons"),
            counted(tasks, "task", "tasks")
        );
    }
    out.push_str("</section>\n");
}

fn outlook(out: &mut String, report: &Report) {
    let _ = write!(
        out,
        "<section>\n<h2>What the policies would do</h2>\n<p>{}</p>\n",
        escape(&policy_line(report))
    );
    table(
        out,
        "What the policies would do",
        &["tasks", "answer", "policy", "guards"],
        report.outlook.iter().map(|row| {
            vec![
                Cell::Count(row.tasks),
                Cell::Word(verdict(&row.verdict).to_owned()),
                Cell::Word(row.policy.clone().unwrap_or_else(|| "-".to_owned())),
                Cell::Text(fate(row)),
            ]
        }),
    );
    if !report.policy.unmapped.is_empty() {
        out.push_str("<h3>Definitions without a kind</h3>\n<p>Nothing is done about them until <code>policy.kinds</code> names them.</p>\n");
        table(
            out,
            "Definitions without a kind",
            &["definition", "tasks"],
            report
                .policy
                .unmapped
                .iter()
                .map(|(name, n)| vec![Cell::Text(name.clone()), Cell::Count(*n)]),
        );
    }
    out.push_str("</section>\n");
}

fn scope(out: &mut String, report: &Report) {
    let scope = &report.scope;
    let _ = write!(
        out,
        "<section>\n<h2>What this login can&#39;t see</h2>\n<p>{}</p>\n",
        escape(&scope.statement)
    );
    table(
        out,
        "Roads by which tasks were seen",
        &["road", "open tasks seen", "shows"],
        scope.roads.iter().map(|road| {
            vec![
                Cell::Word(road.road.clone()),
                Cell::Count(road.tasks),
                Cell::Text(road.shows.clone()),
            ]
        }),
    );
    table(
        out,
        "Owners of the listed tasks",
        &["owner of listed tasks", "tasks"],
        owners(report)
            .into_iter()
            .map(|(who, n)| vec![Cell::Text(who), Cell::Count(n)]),
    );
    if !scope.hidden.is_empty() {
        table(
            out,
            "Tasks that the list leaves out",
            &[
                "owner of tasks that the list leaves out",
                "tasks met in accounts",
            ],
            scope
                .hidden
                .iter()
                .map(|(who, n)| vec![Cell::Text(who.clone()), Cell::Count(*n)]),
        );
    }
    out.push_str("</section>\n");
}

/// A table in a frame of its own that scrolls, by the keyboard too.
fn table(out: &mut String, label: &str, heads: &[&str], rows: impl Iterator<Item = Vec<Cell>>) {
    let mut body = String::new();
    let mut numbers = vec![true; heads.len()];
    for row in rows {
        body.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let is_number = matches!(cell, Cell::Count(_) | Cell::Heat(..));
            if let Some(number) = numbers.get_mut(at) {
                *number &= is_number;
            }
            let _ = match cell {
                Cell::Word(text) => write!(body, "<td class=\"w\">{}</td>", escape(text)),
                Cell::Text(text) if text.chars().count() > 40 => {
                    write!(body, "<td class=\"t\">{}</td>", escape(text))
                }
                Cell::Text(text) => write!(body, "<td class=\"s\">{}</td>", escape(text)),
                Cell::Count(count) => write!(body, "<td class=\"n\">{}</td>", grouped(*count)),
                Cell::Heat(0, _) => write!(body, "<td class=\"heat soft\">·</td>"),
                Cell::Heat(count, share) => write!(
                    body,
                    "<td class=\"heat\" style=\"background:rgba(var(--heat),.{:02})\">{}</td>",
                    // the ink has to stay readable on it
                    (6 + share * 34 / 100).min(40),
                    grouped(*count)
                ),
            };
        }
        body.push_str("</tr>\n");
    }
    let _ = write!(
        out,
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table><thead><tr>",
        escape(label)
    );
    for (head, number) in heads.iter().zip(numbers) {
        let class = if number { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape(head));
    }
    let _ = write!(out, "</tr></thead><tbody>\n{body}</tbody></table></div>\n");
}
