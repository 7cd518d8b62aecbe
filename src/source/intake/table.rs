//! Ids of tasks from a file: one a line, or the column of a table that its header names; pure, and a file that is not understood is not taken in part.

use std::collections::BTreeSet;

use super::body::task_id;
use crate::model::TaskId;

/// Names of the column, in any case, with blanks and underscores left out.
const COLUMNS: [&str; 6] = [
    "task",
    "taskid",
    "taskkey",
    "schkey",
    "id",
    "processinstance.taskdetails.key",
];

fn plain(name: &str) -> String {
    name.trim()
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn is_column(name: &str) -> bool {
    COLUMNS.contains(&plain(name).as_str())
}

/// The ids of a file.
///
/// # Errors
/// What is wrong, with its line, for the person who wrote the file.
pub fn ids(text: &str) -> Result<BTreeSet<TaskId>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty());
    let Some(first) = first else {
        return Err("the file is empty".to_owned());
    };
    let separator = [',', ';', '\t'].into_iter().find(|c| first.contains(*c));
    let mut rows = rows(text, separator)?.into_iter();
    let mut column = 0;
    let mut ids = BTreeSet::new();
    if let Some((line, head)) = rows.next() {
        let place = head.iter().position(|name| is_column(name));
        match (place, separator, task_id(&head[0])) {
            (Some(place), ..) => column = place,
            (None, None, Some(id)) => {
                ids.insert(id);
            }
            (None, Some(_), _) => {
                return Err(format!(
                    "line {line}: the header names no column of task ids; call it task, task_id, SCH_KEY or id"
                ));
            }
            (None, None, None) => return Err(format!("line {line}: this is no id of a task")),
        }
    }
    for (line, row) in rows {
        let value = row
            .get(column)
            .ok_or_else(|| format!("line {line}: the row has no column {}", column + 1))?;
        let id = task_id(value).ok_or_else(|| format!("line {line}: this is no id of a task"))?;
        ids.insert(id);
    }
    if ids.is_empty() {
        return Err("the file names no task".to_owned());
    }
    Ok(ids)
}

/// Rows with the numbers of their first lines; empty lines are none. Values may be quoted (RFC 4180).
fn rows(text: &str, separator: Option<char>) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut rows = Vec::new();
    let (mut row, mut value) = (Vec::new(), String::new());
    let (mut line, mut began) = (1, 1);
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    let end = |row: &mut Vec<String>, value: &mut String, began: usize, rows: &mut Vec<_>| {
        row.push(std::mem::take(value));
        let row = std::mem::take(row);
        if row.iter().any(|value| !value.trim().is_empty()) {
            rows.push((began, row));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if value.trim().is_empty() => {
                value.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                end(&mut row, &mut value, began, &mut rows);
                line += 1;
                began = line;
            }
            '\r' if !quoted => {}
            c if Some(c) == separator && !quoted => row.push(std::mem::take(&mut value)),
            c => {
                line += usize::from(c == '\n');
                value.push(c);
            }
        }
    }
    if quoted {
        return Err(format!("line {began}: a quote is not closed"));
    }
    end(&mut row, &mut value, began, &mut rows);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        Ok(ids(text)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lines_and_columns_are_read() {
        let both = Ok(vec!["17".to_owned(), "18".to_owned()]);
        for text in [
            "17\n18",
            "17\r\n\r\n18\r\n17\r\n",
            "\u{feff}SCH_KEY\n017\n18\n",
            "status,Task ID,reason\nR,17,\"a, \"\"b\"\"\nsecond line\"\nR,\"18\",\n",
            "task;owner\n17;A\n18;B\n",
            "owner\tid\nA\t17\nB\t 18 \n",
            "Process Instance.Task Details.Key,x\n17,\n18,\n",
        ] {
            assert_eq!(read(text), both, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_understood_names_its_line() {
        for (text, said) in [
            ("", "empty"),
            ("\n\n", "empty"),
            ("task\n", "names no task"),
            ("hello world\n17\n", "line 1"),
            ("17\n../x\n", "line 2"),
            ("a,b\n17,18\n", "line 1: the header"),
            ("a,id\n17\n", "line 2: the row has no column 2"),
            ("id,a\n\"17,x\n", "line 2: a quote"),
        ] {
            let why = read(text).expect_err("not understood");
            assert!(why.contains(said), "{text:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = ids(&text);
        }
    }
}
