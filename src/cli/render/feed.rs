//! The absence file in a line of `status`.

use std::fmt::Write as _;

use super::{opt_time, time};
use crate::control::FeedView;

/// Which file, what of it is in use, and what was wrong with it.
pub(super) fn feed_line(feed: &FeedView) -> String {
    let mut line = match (feed.rows, feed.read_at) {
        (Some(rows), _) => format!(
            "{rows} {} of {}, as of {}",
            if rows == 1 { "row" } else { "rows" },
            feed.file,
            opt_time(feed.as_of)
        ),
        (None, None) => format!("{} was not read yet", feed.file),
        (None, Some(_)) => format!("UNKNOWN: nothing of {} can be used", feed.file),
    };
    if feed.bad_rows > 0 {
        // writing to a String can't fail
        let _ = write!(line, "; {} can't be read", feed.bad_rows);
    }
    match (feed.people, feed.people_seen) {
        (Some(all), Some(0)) if all > 0 => {
            let _ = write!(
                line,
                "; NONE of the {all} whom it names owns a task that was seen, has handed one over, or is the beneficiary of one: does it name User Logins?"
            );
        }
        (Some(all), Some(seen)) if all > 0 => {
            let _ = write!(
                line,
                "; of {all} whom it names {seen} own a task, have had one, or are its beneficiary"
            );
        }
        _ => {}
    }
    if let (Some(problem), Some(at)) = (&feed.problem, feed.read_at) {
        let _ = write!(line, "; read {}: {problem}", time(at));
    }
    line
}
