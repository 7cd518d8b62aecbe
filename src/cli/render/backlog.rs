//! The old backlog as a table: targets down, ages across; it counts nothing anew.

use std::fmt::Write as _;

use super::layout::{Width, number, table, word};
use super::{counted, time};
use crate::control::BacklogView;

/// `baseline show`
pub fn backlog(view: &BacklogView, width: Width) -> String {
    if view.rows.is_empty() {
        return match view.taken {
            None => "enforce was never on, so that there is no old backlog yet: what is there when it is switched on will wait here\n".to_owned(),
            Some(taken) => format!("nothing of the old backlog of {} waits for a person\n", time(taken)),
        };
    }
    let mut out = table(
        width,
        &[
            word("target"),
            word("age up to"),
            number("tasks"),
            number("would be acted on"),
        ],
        view.rows.iter().flat_map(|row| {
            let ages = row.ages.iter().filter(|age| age.tasks > 0);
            let ages = ages.map(|age| {
                vec![
                    row.target.to_string(),
                    age.up_to.clone().unwrap_or_else(|| "older".to_owned()),
                    age.tasks.to_string(),
                    age.wanted.to_string(),
                ]
            });
            let all = vec![
                row.target.to_string(),
                "all".to_owned(),
                row.tasks.to_string(),
                row.wanted.to_string(),
            ];
            ages.chain([all]).collect::<Vec<_>>()
        }),
    );
    let (mut tasks, mut wanted) = (0, 0);
    for row in &view.rows {
        tasks += row.tasks;
        wanted += row.wanted;
    }
    let since = match view.taken {
        Some(taken) => format!(
            "they were there when enforce was switched on at {}, or are too old",
            time(taken)
        ),
        None => "they are too old; enforce was never on, and what is there then will wait as well"
            .to_owned(),
    };
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "\n{}, {wanted} of them would be acted on now; {since}\nrelease some: provtaskd baseline release TARGET --max-age AGE --why TEXT",
        counted(tasks, "task waits", "tasks wait")
    );
    out
}
