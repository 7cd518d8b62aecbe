//! What a PUT that was sent and not answered says about its target and about the server; it decides how long each is left alone and never what became of the tasks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::TargetName;

use super::admitted::Lane;
use super::machine::Governor;
use super::pace::Failed;

/// The shortest pause after a status that speaks of the server itself, whether it names a time or
/// not: a time in the past, or by a clock that differs from ours, is no leave to go on at once.
const SERVER_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// A PUT that left and came back without answers for its items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAnswered {
    /// Items in the PUT.
    pub items: u32,
    /// How long it was waited for.
    pub took: Duration,
    /// Nothing came within the time-out of ours.
    pub hung: bool,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// The time that the server named with it (`Retry-After`); zero where it had passed already.
    pub retry_after: Option<SignedDuration>,
}

impl Governor {
    /// A PUT to this target ended without answers for its items. What took too long counts against
    /// its target, everything else against the server too; a 429 or 5xx, and any answer that names a
    /// time, holds everything back.
    ///
    /// A 408 or 504 without a time is said by something in between that gave up waiting. One slow
    /// target does that by itself and must not delay the others, so it counts against the server only
    /// where the one before it was of another target and nothing was answered between the two.
    ///
    /// What is said to OIG alone fails by itself, and holds nothing else back unless the server asks for that: by a 429
    /// or 503, or by naming a time.
    pub fn not_answered(
        &mut self,
        now: Timestamp,
        target: &TargetName,
        lane: Lane,
        ended: &NotAnswered,
    ) {
        let too_long = matches!(ended.status, Some(408 | 504));
        let known = Failed {
            items: ended.items,
            took: ended.took,
            too_long: ended.hung || too_long,
        };
        if ended.hung {
            self.request_hung(now, target, lane, &known);
            return;
        }
        if lane == Lane::Told {
            self.whole_request_failed(now, target, lane, Some(&known));
            if ended.retry_after.is_some() || matches!(ended.status, Some(429 | 503)) {
                self.pause_server(now, ended);
            }
            return;
        }
        if too_long && ended.retry_after.is_none() {
            match self.state.given_up_of.replace(target.clone()) {
                Some(other) if other != *target => {
                    self.whole_request_failed(now, target, lane, Some(&known));
                }
                _ => self.request_hung(now, target, lane, &known),
            }
            return;
        }
        self.whole_request_failed(now, target, lane, Some(&known));
        self.pause_server(now, ended);
    }

    fn pause_server(&mut self, now: Timestamp, ended: &NotAnswered) {
        let pause = pause_after(ended.status, ended.retry_after);
        if let Some(until) = pause.and_then(|pause| now.checked_add(pause).ok()) {
            self.server_asked_to_wait(now, until);
        }
    }
}

/// The pause after an answer with that HTTP status, which asked for that one (`Retry-After`). An end in the
/// past, or by a clock that differs from ours, is no leave to go on at once.
fn pause_after(status: Option<u16>, asked: Option<SignedDuration>) -> Option<SignedDuration> {
    match status {
        Some(408 | 429 | 500..=599) => {
            Some(asked.map_or(SERVER_PAUSE, |asked| asked.max(SERVER_PAUSE)))
        }
        _ => asked,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::oig::dates::retry_after;

    #[test]
    fn nought_or_a_date_in_the_past_is_no_leave_to_go_on_at_once() {
        let now: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
        let said = [
            "0",
            "1",
            "Mon, 01 Mar 2027 07:00:00 GMT",
            "Mon, 01 Mar 2027 08:00:01 GMT",
        ];
        for status in [408, 429, 500, 503, 599] {
            for said in said {
                let asked = retry_after(said, now);
                assert!(asked.is_some(), "{said} is read");
                let pause = pause_after(Some(status), asked);
                assert_eq!(pause, Some(SERVER_PAUSE), "{status}, {said}");
            }
            assert_eq!(pause_after(Some(status), None), Some(SERVER_PAUSE));
            let later = retry_after("Mon, 01 Mar 2027 08:05:00 GMT", now);
            assert_eq!(
                pause_after(Some(status), later),
                Some(SignedDuration::from_mins(5))
            );
        }
    }

    #[test]
    fn other_ends_wait_only_where_the_server_asks_for_it() {
        let asked = Some(SignedDuration::from_secs(7));
        for status in [None, Some(200), Some(403), Some(404)] {
            assert_eq!(pause_after(status, None), None);
            assert_eq!(pause_after(status, asked), asked);
        }
    }
}
