//! The backlog as CSV, one row per task class (RFC 4180), and the one way in which a text becomes a cell: what a spreadsheet would take for a formula is made plain text.

use super::open_access_line;
use crate::survey::report::Report;

const HEAD: [&str; 9] = [
    "target",
    "class",
    "kind",
    "age",
    "owner_state",
    "status",
    "tasks",
    "oldest",
    "example_task",
];

/// Comments on what the numbers cover, and on access that is still open, come last, each as a row of its own: whatever leaves the report leaves with them.
pub fn csv(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, HEAD.iter().copied());
    for class in &report.classes {
        let tasks = class.tasks.to_string();
        let oldest = class
            .oldest
            .map(|at| format!("{at:.0}"))
            .unwrap_or_default();
        line(
            &mut out,
            [
                class.target.as_str(),
                &class.class,
                &class.kind,
                &class.age,
                &class.owner_state,
                &class.status,
                &tasks,
                &oldest,
                &class.example,
            ]
            .into_iter(),
        );
    }
    for said in [&report.scope.statement, &open_access_line(report)] {
        let said = format!("# {said}");
        line(&mut out, std::iter::once(said.as_str()));
    }
    out
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    let cells: Vec<String> = cells.map(cell).collect();
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

/// A cell: quoted where it must be, with an apostrophe in front where a spreadsheet would run it, and with no character
/// that a terminal would obey.
pub fn cell(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() || super::invisible(c) {
            ' '
        } else {
            c
        }
    };
    let text: String = text.chars().map(plain).collect();
    let text = text.as_str();
    let runs = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    // a lone dash stands for "not known" and is no formula
    let safe = if runs && text != "-" {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if safe.contains(['"', ',', '\n', '\r', '\'', ';', '\t']) || safe != text {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        assert_eq!(cell("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(cell("+1"), "\"'+1\"");
        assert_eq!(cell("-2+3"), "\"'-2+3\"");
        assert_eq!(cell("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(cell(" \t=1"), "\"'  =1\"");
        assert_eq!(cell("\r=1"), "\"' =1\"");
        assert_eq!(cell("\u{feff}\u{1b}=1"), "\"'  =1\"");
        assert_eq!(cell("say \"a\", b"), "\"say \"\"a\"\", b\"");
        assert_eq!(cell("-"), "-");
        assert_eq!(cell("AD"), "AD");
    }

    #[test]
    fn what_a_terminal_would_obey_does_not_reach_it() {
        assert_eq!(cell("A\u{1b}[2JD"), "A [2JD");
        assert_eq!(cell("A\u{9b}2JD\u{7}"), "A 2JD ");
        assert_eq!(cell("two\r\nlines"), "two  lines");
        assert_eq!(cell("\u{202e}DA"), " DA");
    }
}
