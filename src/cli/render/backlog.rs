//! The old backlog as a table: targets down, ages across; it counts nothing anew.

use std::fmt::Write as _;

use super::layout::{Width, number, table, word};
use super::{clean, counted, time};
use crate::control::BacklogView;
use crate::model::seers::all_of;

/// `baseline show`
pub fn backlog(view: &BacklogView, width: Width) -> String {
    let mut out = rows(view, width);
    for missing in &view.not_read {
        // writing to a String can't fail
        let _ = writeln!(
            out,
            "not read in the last cycle: {missing}; what only that one sees may be gone, or more than stands here"
        );
    }
    out
}

fn rows(view: &BacklogView, width: Width) -> String {
    let whose = all_of(&view.logins);
    if view.rows.is_empty() {
        return match view.taken {
            None if view.pending.is_some() => format!(
                "{}: what is there when a whole list was read under enforce will wait here\n",
                clean(view.pending.as_deref().unwrap_or_default())
            ),
            None => "enforce was never on, so that there is no old backlog yet: what is there when it is switched on will wait here\n".to_owned(),
            Some(taken) => format!("nothing of the old backlog of {} waits for a person in what is visible to {whose}\n", time(taken)),
        };
    }
    let mut out = table(
        width,
        &[
            word("target"),
            word("age"),
            number("tasks"),
            number("policies want an act"),
            word("a release with"),
            number("lets go"),
        ],
        view.rows.iter().flat_map(|row| {
            let mut from = None;
            let mut lines = Vec::new();
            for age in &row.ages {
                let (aged, with) = match (&from, &age.up_to) {
                    (None, Some(end)) => (format!("to {end}"), format!("--max-age {end}")),
                    (Some(start), Some(end)) => {
                        (format!("{start} to {end}"), format!("--max-age {end}"))
                    }
                    // what has no known age is here
                    (start, None) => (
                        start.as_ref().map_or_else(
                            || "unknown".to_owned(),
                            |start| format!("over {start}, or unknown"),
                        ),
                        "no --max-age".to_owned(),
                    ),
                };
                from.clone_from(&age.up_to);
                if age.tasks > 0 {
                    lines.push(vec![
                        row.target.to_string(),
                        aged,
                        age.tasks.to_string(),
                        age.wanted.to_string(),
                        with,
                        age.releases.to_string(),
                    ]);
                }
            }
            lines.push(vec![
                row.target.to_string(),
                "all".to_owned(),
                row.tasks.to_string(),
                row.wanted.to_string(),
                "no --max-age".to_owned(),
                row.tasks.to_string(),
            ]);
            lines
        }),
    );
    let (mut tasks, mut wanted) = (0, 0);
    for row in &view.rows {
        tasks += row.tasks;
        wanted += row.wanted;
    }
    let since = match view.taken {
        Some(taken) => format!(
            "they were there when enforce was switched on at {} or for their target or action later, or are too old",
            time(taken)
        ),
        None if view.pending.is_some() => format!(
            "they are too old; {}, and what is there then will wait as well",
            clean(view.pending.as_deref().unwrap_or_default())
        ),
        None => "they are too old; enforce was never on, and what is there then will wait as well"
            .to_owned(),
    };
    // writing to a String can't fail
    let _ = writeln!(
        out,
        "\n{} in what is visible to {whose}, the policies want something done with {wanted} of them; {since}\nrelease some: provtaskd baseline release TARGET --max-age AGE --why TEXT; it lets go all that is not older than AGE, as the last column counts. Whether person, account, mode and caps allow what the policies want is asked after the release",
        counted(tasks, "task waits", "tasks wait")
    );
    out
}
