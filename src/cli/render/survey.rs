//! The survey's report as text for a terminal; the whole of it is in the other formats.

use std::fmt::Write as _;

use super::layout::{Width, number, paragraph, prose, table, word};
use crate::survey::render::{
    counted, day, fate, grouped, moment, open_access_line, owners, policy_line, reads_line,
    stale_line, stuck_line, verdict,
};
use crate::survey::{Axis, LeaverTask, Report, along};

/// Rows of a table that is longer elsewhere.
const SHOWN: usize = 15;
/// Letters of a word that find room in a line of 80.
const LONG: usize = 48;
/// Places of a bar.
const BAR: u64 = 24;

/// `survey`
pub fn survey(report: &Report, width: Width) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "Survey of {} visible to {}, read {}\n{}; nothing was written to it\n",
        counted(report.tasks, "open task", "open tasks"),
        report.login,
        moment(report.taken_at),
        report.origin
    );
    paragraph(&mut out, width, "", 0, &report.scope.statement);
    head(&mut out, "Access still open after the leave date");
    paragraph(&mut out, width, "", 0, &open_access_line(report));
    leavers(&mut out, &report.open_access.tasks, width);
    head(
        &mut out,
        "Access that would be given to people who are gone",
    );
    paragraph(&mut out, width, "", 0, &stale_line(report));
    leavers(&mut out, &report.stale_grants.tasks, width);
    stuck(&mut out, report, width);
    for axis in Axis::ALL {
        counts(&mut out, report, axis, width);
    }
    causes(&mut out, report, width);
    head(&mut out, "What the policies would do");
    paragraph(&mut out, width, "", 0, &policy_line(report));
    out.push('\n');
    out += &table(
        width,
        &[
            number("tasks"),
            word("answer"),
            word("policy"),
            prose("guards"),
        ],
        report.outlook.iter().map(|row| {
            vec![
                grouped(row.tasks),
                verdict(&row.verdict).to_owned(),
                row.policy.clone().unwrap_or_else(|| "-".to_owned()),
                row.refused.clone().unwrap_or_else(|| fate(row)),
            ]
        }),
    );
    unmapped(&mut out, report, width);
    scope(&mut out, report, width);
    head(&mut out, "How it was read");
    paragraph(&mut out, width, "", 0, &reads_line(&report.reads));
    for note in &report.notes {
        paragraph(&mut out, width, "- ", 2, note);
    }
    out
}

fn head(out: &mut String, title: &str) {
    let _ = writeln!(out, "\n{}\n", title.to_uppercase());
}

fn more(out: &mut String, all: usize) {
    if all > SHOWN {
        let _ = writeln!(
            out,
            "{} more: --out report.html or .json has them all",
            all - SHOWN
        );
    }
}

fn leavers(out: &mut String, tasks: &[LeaverTask], width: Width) {
    if tasks.is_empty() {
        return;
    }
    out.push('\n');
    *out += &table(
        width,
        &[
            number("days"),
            word("person"),
            word("state"),
            word("target"),
            word("task"),
            prose("what, and what would be done"),
        ],
        tasks.iter().take(SHOWN).map(|task| {
            let done = match &task.refused {
                Some(refused) => format!("{}, refused: {refused}", verdict(&task.verdict)),
                None => verdict(&task.verdict).to_owned(),
            };
            vec![
                task.days
                    .map_or_else(|| "-".to_owned(), |days| days.to_string()),
                task.person.clone(),
                task.person_state.clone(),
                task.target.clone(),
                task.task.clone(),
                format!("{} ({}), {}: {done}", task.name, task.kind, task.class),
            ]
        }),
    );
    more(out, tasks.len());
}

fn stuck(out: &mut String, report: &Report, width: Width) {
    head(out, "Tasks whose owner can't act");
    paragraph(out, width, "", 0, &stuck_line(report));
    if report.stuck.is_empty() {
        return;
    }
    out.push('\n');
    *out += &table(
        width,
        &[
            word("owner"),
            word("state"),
            number("tasks"),
            word("oldest"),
            number("can go"),
            prose("to"),
        ],
        report.stuck.iter().take(SHOWN).map(|owner| {
            vec![
                owner.owner.clone(),
                owner.state.clone(),
                grouped(owner.tasks),
                day(owner.oldest),
                grouped(owner.to_hand_over),
                owner.to.join(", "),
            ]
        }),
    );
    more(out, report.stuck.len());
}

fn counts(out: &mut String, report: &Report, axis: Axis, width: Width) {
    head(out, &format!("By {}", axis.title()));
    let counts = along(&report.classes, axis);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let (shown, rest) = counts.split_at(counts.len().min(SHOWN));
    let mut rows: Vec<(String, u64)> = shown.to_vec();
    if !rest.is_empty() {
        let sum = rest.iter().map(|(_, count)| count).sum();
        rows.push((format!("{} others", rest.len()), sum));
    }
    *out += &table(
        width,
        &[word(axis.title()), number("tasks"), word("")],
        rows.into_iter().map(|(name, count)| {
            let places = (count * BAR).div_ceil(most.max(1)).min(BAR);
            let bar = "█".repeat(usize::try_from(places).unwrap_or(0));
            vec![name, grouped(count), bar]
        }),
    );
}

fn causes(out: &mut String, report: &Report, width: Width) {
    head(out, "Causes, masked");
    *out += &table(
        width,
        &[
            number("tasks"),
            word("class"),
            word("example"),
            prose("reason"),
        ],
        report.reasons.iter().take(SHOWN).map(|reason| {
            vec![
                grouped(reason.tasks),
                reason.class.clone(),
                reason.example.clone(),
                brief(&reason.masked),
            ]
        }),
    );
    more(out, report.reasons.len());
}

/// A text whose words find room in a line: of the long name of a class its last part is enough.
fn brief(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.chars().count() <= LONG {
            return word.to_owned();
        }
        let last = word.rsplit_once('.').map_or(word, |(_, last)| last);
        let end: String = last.chars().take(LONG).collect();
        format!("…{end}")
    });
    words.collect::<Vec<_>>().join(" ")
}

fn unmapped(out: &mut String, report: &Report, width: Width) {
    if report.policy.unmapped.is_empty() {
        return;
    }
    out.push('\n');
    paragraph(
        out,
        width,
        "",
        0,
        "Definitions without a kind; nothing is done about them until `policy.kinds` names them:",
    );
    out.push('\n');
    let unmapped = report.policy.unmapped.iter().take(SHOWN);
    *out += &table(
        width,
        &[word("definition"), number("tasks")],
        unmapped.map(|(name, count)| vec![name.clone(), grouped(*count)]),
    );
    more(out, report.policy.unmapped.len());
}

fn scope(out: &mut String, report: &Report, width: Width) {
    let scope = &report.scope;
    head(out, "What this login can't see");
    for road in &scope.roads {
        let text = format!(
            "{}: {}; it shows {}.",
            road.road,
            counted(road.tasks, "open task seen", "open tasks seen"),
            road.shows
        );
        paragraph(out, width, "- ", 2, &text);
    }
    let owners: Vec<String> = owners(report)
        .into_iter()
        .map(|(who, count)| format!("{who} {}", grouped(count)))
        .collect();
    let owners = format!(
        "Owners of the listed tasks: {}. Of everybody else nothing is known.",
        owners.join(", ")
    );
    paragraph(out, width, "- ", 2, &owners);
    if !scope.hidden.is_empty() {
        let named: Vec<String> = scope
            .hidden
            .iter()
            .take(SHOWN)
            .map(|(owner, count)| format!("{owner} {}", grouped(*count)))
            .collect();
        let text = format!(
            "Open tasks that were met in accounts and are not in the list, by owner: {}.",
            named.join(", ")
        );
        paragraph(out, width, "- ", 2, &text);
    }
}
