//! Tables and paragraphs for a terminal's width, or for lines that a program reads; it breaks no word and lets no control character through.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::clean;

/// What stands between two columns.
const GAP: usize = 2;
/// What hangs below a row, and what is carried over from a line.
const INDENT: usize = 4;
/// A text in fewer columns than this is hard to read.
const READABLE: usize = 20;
/// So is a row of more lines than these.
const LINES: usize = 3;

/// Columns of the terminal; `None` where nobody looks at one: then nothing is wrapped.
pub type Width = Option<usize>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Word,
    Number,
    Prose,
}

/// A column of a table.
#[derive(Clone, Copy)]
pub struct Column {
    head: &'static str,
    sort: Sort,
}

/// A column of ids, names or times: never wrapped.
pub const fn word(head: &'static str) -> Column {
    let sort = Sort::Word;
    Column { head, sort }
}

/// A column of counts: to the right, never wrapped.
pub const fn number(head: &'static str) -> Column {
    let sort = Sort::Number;
    Column { head, sort }
}

/// A column of text: wrapped between words, or put below its row where the terminal is too narrow.
pub const fn prose(head: &'static str) -> Column {
    let sort = Sort::Prose;
    Column { head, sort }
}

/// A table that fits; where it can't, the texts of a row stand below its words.
pub fn table(
    width: Width,
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| widest(column.head, &rows, at, UnicodeWidthStr::width))
        .collect();
    let Some(width) = width else {
        return beside(columns, &natural, &rows, false);
    };
    if total(&natural) <= width {
        return beside(columns, &natural, &rows, true);
    }
    let longest = |text: &str| text.split(' ').map(UnicodeWidthStr::width).max();
    let least: Vec<usize> = columns
        .iter()
        .zip(&natural)
        .enumerate()
        .map(|(at, (column, natural))| match column.sort {
            Sort::Prose => widest(column.head, &rows, at, |t| longest(t).unwrap_or(0))
                .max(READABLE.min(*natural)),
            Sort::Word | Sort::Number => *natural,
        })
        .collect();
    if total(&least) <= width {
        let widths = shared(&least, &natural, width);
        let lines = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            cells
                .map(|(cell, width)| wrapped(cell, Some(*width)).len())
                .max()
        };
        if rows.iter().filter_map(lines).all(|lines| lines <= LINES) {
            return beside(columns, &widths, &rows, true);
        }
    }
    below(columns, &natural, &rows, width)
}

fn widest(head: &str, rows: &[Vec<String>], at: usize, measure: impl Fn(&str) -> usize) -> usize {
    rows.iter()
        .filter_map(|row| row.get(at))
        .map(|cell| measure(cell))
        .chain([measure(head)])
        .max()
        .unwrap_or(0)
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// Gives the room that is left to the columns that want it, those that want least first.
fn shared(least: &[usize], natural: &[usize], width: usize) -> Vec<usize> {
    let mut widths = least.to_vec();
    let mut room = width.saturating_sub(total(least));
    let mut wanting: Vec<usize> = (0..widths.len())
        .filter(|at| natural[*at] > least[*at])
        .collect();
    wanting.sort_by_key(|at| natural[*at] - least[*at]);
    let mut left = wanting.len();
    for at in wanting {
        let given = (room / left).min(natural[at] - least[at]);
        widths[at] += given;
        room -= given;
        left -= 1;
    }
    widths
}

/// All cells of a row side by side.
fn beside(columns: &[Column], widths: &[usize], rows: &[Vec<String>], rule: bool) -> String {
    let mut out = String::new();
    let heads: Vec<String> = columns.iter().map(|c| c.head.to_owned()).collect();
    row_beside(&mut out, columns, widths, &heads);
    if rule {
        ruled(&mut out, total(widths));
    }
    for row in rows {
        row_beside(&mut out, columns, widths, row);
    }
    out
}

fn row_beside(out: &mut String, columns: &[Column], widths: &[usize], row: &[String]) {
    let cells: Vec<Vec<String>> = row
        .iter()
        .zip(columns)
        .zip(widths)
        .map(|((cell, column), width)| match column.sort {
            Sort::Prose => wrapped(cell, Some(*width)),
            Sort::Word | Sort::Number => vec![cell.clone()],
        })
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut line = String::new();
        for ((cell, column), width) in cells.iter().zip(columns).zip(widths) {
            let text = cell.get(at).map_or("", String::as_str);
            let blank = " ".repeat(width.saturating_sub(text.width()));
            let gap = " ".repeat(GAP);
            line += &match column.sort {
                Sort::Number => format!("{blank}{text}{gap}"),
                Sort::Word | Sort::Prose => format!("{text}{blank}{gap}"),
            };
        }
        // writing to a String can't fail
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn ruled(out: &mut String, width: usize) {
    let _ = writeln!(out, "{}", "─".repeat(width));
}

/// Words and numbers of a row in one line, with the texts that find room beside them; the others below.
fn below(columns: &[Column], natural: &[usize], rows: &[Vec<String>], width: usize) -> String {
    let words = |at: usize| columns[at].sort != Sort::Prose;
    let all = 0..columns.len();
    let mut lead: Vec<usize> = all.clone().filter(|at| words(*at)).collect();
    for at in all.filter(|at| !words(*at)) {
        let widths: Vec<usize> = lead.iter().chain([&at]).map(|at| natural[*at]).collect();
        if total(&widths) <= width {
            lead.push(at);
        }
    }
    lead.sort_unstable();
    let mut out = String::new();
    let heads: Vec<String> = columns.iter().map(|c| c.head.to_owned()).collect();
    row_below(&mut out, columns, natural, &heads, &lead, width);
    ruled(&mut out, width);
    for row in rows {
        row_below(&mut out, columns, natural, row, &lead, width);
    }
    out
}

fn row_below(
    out: &mut String,
    columns: &[Column],
    natural: &[usize],
    row: &[String],
    lead: &[usize],
    width: usize,
) {
    let cells: Vec<String> = lead.iter().map(|at| row[*at].clone()).collect();
    let heads: Vec<Column> = lead.iter().map(|at| columns[*at]).collect();
    let widths: Vec<usize> = lead.iter().map(|at| natural[*at]).collect();
    if total(&widths) <= width {
        row_beside(out, &heads, &widths, &cells);
    } else {
        packed(out, &cells, width);
    }
    for (at, text) in row.iter().enumerate() {
        if !lead.contains(&at) && !text.is_empty() {
            paragraph(out, Some(width), &" ".repeat(INDENT), 2 * INDENT, text);
        }
    }
}

/// As many cells in a line as fit.
fn packed(out: &mut String, cells: &[String], width: usize) {
    let mut line = String::new();
    for cell in cells {
        if !line.is_empty() && line.width() + GAP + cell.width() > width {
            let _ = writeln!(out, "{line}");
            line = " ".repeat(INDENT);
        } else if !line.is_empty() {
            line.push_str("  ");
        }
        line.push_str(cell);
    }
    let _ = writeln!(out, "{line}");
}

/// A text after `first`; what does not fit goes on in the next lines, so many columns in.
pub fn paragraph(out: &mut String, width: Width, first: &str, indent: usize, text: &str) {
    let text = clean(text);
    let Some(width) = width else {
        let _ = writeln!(out, "{first}{text}");
        return;
    };
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!empty);
        if !empty && line.width() + gap + word.width() > width {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
        } else if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn wrapped(text: &str, width: Width) -> Vec<String> {
    let mut out = String::new();
    paragraph(&mut out, width, "", 0, text);
    out.lines().map(str::to_owned).collect()
}

/// `name   value` lines.
pub fn pairs(out: &mut String, width: Width, pairs: &[(&str, String)]) {
    let widest = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        paragraph(
            out,
            width,
            &format!("{name:widest$}  "),
            widest + GAP,
            value,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[word("task"), number("count"), prose("what"), prose("why")];

    fn rows() -> Vec<Vec<String>> {
        [
            [
                "600221",
                "7",
                "Add User to Group (grant)",
                "beneficiary_not_active (beneficiary LVR0027, status disabled); stale_grant",
            ],
            ["600222", "1234", "Create User", "now"],
        ]
        .map(|row| row.map(str::to_owned).to_vec())
        .to_vec()
    }

    fn words(text: &str) -> Vec<&str> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn at_every_width_lines_fit_and_no_word_is_broken() {
        let whole = table(None, COLUMNS, rows());
        for width in [40, 60, 80, 100, 120, 200] {
            let text = table(Some(width), COLUMNS, rows());
            assert!(
                text.lines().all(|line| line.width() <= width),
                "{width}:\n{text}"
            );
            let plain = text.replace('─', "");
            assert_eq!(words(&plain), words(&whole), "{width}:\n{text}");
        }
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line() {
        let text = table(None, COLUMNS, rows());
        assert_eq!(
            text,
            "task    count  what                       why\n\
             600221      7  Add User to Group (grant)  beneficiary_not_active (beneficiary LVR0027, status disabled); stale_grant\n\
             600222   1234  Create User                now\n"
        );
    }

    #[test]
    fn where_texts_have_no_room_they_stand_below_their_row() {
        let text = table(Some(48), COLUMNS, rows());
        assert_eq!(
            text,
            format!(
                "task    count  what\n    why\n{}\n\
                 600221      7  Add User to Group (grant)\n    beneficiary_not_active (beneficiary LVR0027,\n        status disabled); stale_grant\n\
                 600222   1234  Create User\n    now\n",
                "─".repeat(48)
            )
        );
    }

    #[test]
    fn a_value_goes_on_below_itself() {
        let mut out = String::new();
        pairs(
            &mut out,
            Some(30),
            &[
                ("mode", "observe (configured: enforce)".to_owned()),
                ("x", "1".to_owned()),
            ],
        );
        assert_eq!(out, "mode  observe (configured:\n      enforce)\nx     1\n");
    }
}
