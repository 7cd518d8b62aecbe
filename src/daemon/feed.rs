//! What is said of the absence file: in the answer to a reload, in status and in the inbox; it reads nothing itself.

use jiff::Timestamp;

use super::core::Core;
use super::views::general;
use crate::absence::FeedState;
use crate::control::{FeedView, InboxItem};

/// What to do about a file that can't be taken.
const FILE_HINT: &str = "mend the file (`provtaskd check` names what is wrong), it is read again with every cycle; until then the last good reading stands for as long as absence.feed_max_age allows, and without one nobody can be found present or away";
/// What to do about single rows.
const ROW_HINT: &str = "mend the rows (`provtaskd check` names them all), the file is read again with every cycle; the other rows hold";

impl Core {
    fn feed_state(&self, now: Timestamp) -> Option<FeedState> {
        self.feed.as_ref().map(|feed| feed.state(now))
    }

    /// How the file stands, where one is configured.
    pub fn feed_view(&self, now: Timestamp) -> Option<FeedView> {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.feed_state(now).map(|state| FeedView {
            file: state.path.display().to_string(),
            rows: state.rows.map(count),
            as_of: state.as_of,
            read_at: state.read_at,
            bad_rows: count(state.bad_rows),
            problem: state.problem,
        })
    }

    /// A file that can't be taken is for a person to mend.
    pub fn feed_item(&self, now: Timestamp) -> Option<InboxItem> {
        let state = self.feed_state(now).filter(|state| !state.taken)?;
        let problem = state.problem?;
        let since = state.since.unwrap_or(now);
        let text = format!("{problem}; {FILE_HINT}");
        Some(general("absence_feed", since, "absence_feed", text))
    }

    /// What is wrong with the file, and what to do.
    pub fn feed_trouble(&self, now: Timestamp) -> Option<(String, String)> {
        let state = self.feed_state(now)?;
        let problem = state.problem?;
        Some(if state.taken {
            let what = format!(
                "rows of the absence file that can't be read: {}, the first: {problem}",
                state.bad_rows
            );
            (what, ROW_HINT.to_owned())
        } else {
            let stands = match state.as_of {
                Some(at) => format!("the reading of {at:.0} stands"),
                None => "absences are unknown".to_owned(),
            };
            (
                format!("the absence file can't be used, {stands}: {problem}"),
                FILE_HINT.to_owned(),
            )
        })
    }
}
