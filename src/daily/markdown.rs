//! The report of a day as Markdown; every text is escaped, so that none of a server or a person is markup.

use std::fmt::Write as _;

use super::parts::{Part, parts};
use super::{Daily, moment};
use crate::survey::render::plain_in_markdown as plain;

/// How a report begins.
pub const BEGINS: &str = "# Provisioning tasks, ";

/// The whole report.
pub fn markdown(day: &Daily) -> String {
    let mut out = String::new();
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "{BEGINS}{} to {}\n\n**{}**\n",
        moment(day.from),
        moment(day.to),
        plain(&day.headline())
    );
    for part in parts(day) {
        let _ = match part {
            Part::Limit(words) => writeln!(out, "> {}\n", plain(&words)),
            Part::Head(title) => writeln!(out, "## {}\n", plain(&title)),
            Part::Words(words) => writeln!(out, "{}\n", plain(&words)),
            Part::Warning(words) => writeln!(out, "**{}**\n", plain(&words)),
            Part::MoreOrders(more) => {
                writeln!(out, "And {more} more; `provtaskd audit export` has all.\n")
            }
            Part::Table {
                title,
                columns,
                rows,
            } => {
                table(&mut out, &title, columns, &rows);
                Ok(())
            }
        };
    }
    out
}

fn table(out: &mut String, title: &str, columns: &[&str], rows: &[Vec<String>]) {
    let _ = writeln!(out, "## {}\n", plain(title));
    if rows.is_empty() {
        out.push_str("nothing\n\n");
        return;
    }
    let heads: Vec<&str> = columns
        .iter()
        .map(|of| of.trim_start_matches('#'))
        .collect();
    let _ = writeln!(out, "| {} |", heads.join(" | "));
    for name in columns {
        out.push_str(if name.starts_with('#') {
            "|--:"
        } else {
            "|---"
        });
    }
    out.push_str("|\n");
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}
