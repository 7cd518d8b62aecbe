//! Ids of tasks, and logins of persons behind `user:`, from a file: one a line, or the column of a table that its header names; pure, and a file that is not understood is not taken in part.

use super::body::{Named, task_id};
use super::persons::login;

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

/// Before the login of a person.
const PERSON: &str = "user:";

/// What is wrong with a value.
const NEITHER: &str = "this is no id of a task, and no person either (user:LOGIN)";

/// Takes what a value names; answers whether it is understood.
fn name(named: &mut Named, value: &str) -> bool {
    let value = value.trim();
    let person = value
        .get(..PERSON.len())
        .filter(|start| start.eq_ignore_ascii_case(PERSON))
        .map(|_| login(&value[PERSON.len()..]));
    match person {
        Some(Some(login)) => named.persons.insert(login),
        Some(None) => return false,
        None => match task_id(value) {
            Some(id) => named.tasks.insert(id),
            None => return false,
        },
    };
    true
}

/// The ids of a file, and the persons that it names.
///
/// # Errors
/// What is wrong, with its line, for the person who wrote the file.
pub fn names(text: &str) -> Result<Named, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty());
    let Some(first) = first else {
        return Err("the file is empty".to_owned());
    };
    let separator = [',', ';', '\t'].into_iter().find(|c| first.contains(*c));
    let mut rows = rows(text, separator)?.into_iter();
    let mut column = 0;
    let mut named = Named::default();
    if let Some((line, head)) = rows.next() {
        let place = head.iter().position(|name| is_column(name));
        match (place, separator) {
            (Some(place), _) => column = place,
            (None, None) => {
                if !name(&mut named, &head[0]) {
                    return Err(format!("line {line}: {NEITHER}"));
                }
            }
            (None, Some(_)) => {
                return Err(format!(
                    "line {line}: the header names no column of task ids; call it task, task_id, SCH_KEY or id"
                ));
            }
        }
    }
    for (line, row) in rows {
        let value = row
            .get(column)
            .ok_or_else(|| format!("line {line}: the row has no column {}", column + 1))?;
        if !name(&mut named, value) {
            return Err(format!("line {line}: {NEITHER}"));
        }
    }
    if named == Named::default() {
        return Err("the file names no task and no person".to_owned());
    }
    Ok(named)
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
        Ok(names(text)?.tasks.iter().map(ToString::to_string).collect())
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
    fn a_line_names_a_task_or_a_person() {
        for text in [
            "user:jdoe\n17\nUSER: B\n",
            "task;x\n17;\nuser:JDOE;1\nuser:b;2\n",
        ] {
            let named = names(text).expect("understood");
            let persons: Vec<&str> = named.persons.iter().map(|of| of.as_str()).collect();
            assert_eq!(
                (named.tasks.len(), persons),
                (1, vec!["B", "JDOE"]),
                "{text}"
            );
        }
        assert_eq!(names("user:JDOE").map(|named| named.tasks.len()), Ok(0));
    }

    #[test]
    fn a_file_that_is_not_understood_names_its_line() {
        for (text, said) in [
            ("", "empty"),
            ("\n\n", "empty"),
            ("task\n", "names no task"),
            ("hello world\n17\n", "line 1"),
            ("17\n../x\n", "line 2"),
            ("17\nuser:\n", "line 2"),
            ("JDOE\nA B\n", "line 2"),
            ("user\u{e4}\n", "line 1"),
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
            let _ = names(&text);
        }
    }
}
