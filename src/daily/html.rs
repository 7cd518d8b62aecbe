//! The report of a day as one HTML file: no script, nothing loaded from anywhere, every text escaped.

use std::fmt::Write as _;

use super::parts::{Part, parts};
use super::{Daily, moment};
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
    for part in parts(day) {
        // writing to a String can't fail
        let _ = match part {
            Part::Limit(words) => writeln!(out, "<p class=\"soft\">{}</p>", escape(&words)),
            Part::Head(title) => writeln!(out, "<h2>{}</h2>", escape(&title)),
            Part::Words(words) => writeln!(out, "<p>{}</p>", escape(&words)),
            Part::Warning(words) => writeln!(out, "<p class=\"warn\">{}</p>", escape(&words)),
            Part::MoreOrders(more) => writeln!(
                out,
                "<p>And {more} more; <code>provtaskd audit export</code> has all.</p>"
            ),
            Part::Table {
                title,
                columns,
                rows,
            } => {
                table(&mut out, &title, columns, rows.into_iter());
                Ok(())
            }
        };
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
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
