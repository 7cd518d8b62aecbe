//! Since when the machine's clock has gone on evenly: `run --once` counts the time since a send over several runs, and a clock that was set between two of them must not make it pass. It trusts nothing that it can't compare.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::private::write_private;
use crate::ledger::{Ahead, Ledger, LedgerError};

/// The file in the store's directory.
const FILE: &str = "clock";
/// So much may the two clocks differ, all in all since the moment that is compared with.
const EVEN: SignedDuration = SignedDuration::from_secs(5);
/// Which start of the machine this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// One moment by two clocks: the wall's, which may be set, and one that counts from the machine's start on,
/// and stands still while it sleeps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Moment {
    boot: String,
    up_ms: i64,
    at: Timestamp,
}

impl Moment {
    /// `at` is what the wall's clock says; none where this machine doesn't tell its starts apart.
    fn now(at: Timestamp) -> Option<Self> {
        let boot = std::fs::read_to_string(BOOT).ok()?.trim().to_owned();
        let up = clock_gettime(ClockId::Monotonic);
        let up_ms = up
            .tv_sec
            .checked_mul(1000)?
            .checked_add(up.tv_nsec / 1_000_000)?;
        (!boot.is_empty()).then_some(Self { boot, up_ms, at })
    }

    /// True where both clocks have gone on by the same time from that moment to this one.
    fn is_even_with(&self, earlier: &Self) -> bool {
        let up = SignedDuration::from_millis(self.up_ms.saturating_sub(earlier.up_ms));
        let by_wall = self.at.duration_since(earlier.at);
        self.boot == earlier.boot
            && !up.is_negative()
            && by_wall.checked_sub(up).is_some_and(|by| by.abs() <= EVEN)
    }
}

/// Since when the clock that says `now` has gone on evenly, as far as earlier runs in that directory have
/// noted it; from now on where they have not, where the clock was set, or where the machine slept or was
/// started since. Notes that moment for later runs. Nobody sets a simulator's clock between two of them.
pub(super) fn even_since(dir: &Path, simulated: bool, now: Timestamp) -> Timestamp {
    if simulated {
        return Timestamp::MIN;
    }
    let Some(here) = Moment::now(now) else {
        return now;
    };
    since(&dir.join(FILE), here)
}

/// A daemon sends between what single cycles note: what they know of the clock does not reach over that.
pub(super) fn forget_even(dir: &Path) {
    let path = dir.join(FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "can't be removed; a later `run --once` may count a time in which the clock was set");
        }
        _ => {}
    }
}

/// Nothing on record is later than now for this run. Says so where that changes anything, and is to be said.
pub(super) async fn none_later(
    ledger: &Ledger,
    now: Timestamp,
    say: bool,
) -> Result<(), LedgerError> {
    let ahead = ledger.none_later(now).await?;
    if say && ahead != Ahead::default() {
        tracing::error!(
            attempts = ahead.attempts,
            pieces_of_work = ahead.lineages,
            %now,
            "what was sent or seen is on record as later than now: the clock was ahead then, or is behind now; look at the clock. Open attempts are read as if they had been sent now, and back-offs count from now on"
        );
    }
    Ok(())
}

fn since(path: &Path, here: Moment) -> Timestamp {
    let noted = std::fs::read_to_string(path);
    let noted: Option<Moment> = noted.ok().and_then(|text| serde_json::from_str(&text).ok());
    if let Some(noted) = noted
        && here.is_even_with(&noted)
    {
        return noted.at;
    }
    let now = here.at;
    let written = serde_json::to_string(&here)
        .map_err(std::io::Error::other)
        .and_then(|text| write_private(path, &text));
    if let Err(error) = written {
        tracing::warn!(
            file = %path.display(), error = %error,
            "since when the clock goes on evenly can't be noted: each `run --once` counts `delivery.settle_after` anew until it can"
        );
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many minutes after the first moment by the wall, so many by the other clock.
    fn moment(wall: i64, up: i64) -> Moment {
        let start: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
        Moment {
            boot: "one".to_owned(),
            up_ms: 5_000_000 + up * 60_000,
            at: start + SignedDuration::from_mins(wall),
        }
    }

    #[test]
    fn hourly_runs_count_from_the_first_one_on_and_a_step_of_the_clock_begins_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE);
        let first = moment(0, 0).at;
        assert_eq!(since(&path, moment(0, 0)), first);
        assert_eq!(since(&path, moment(60, 60)), first);
        assert_eq!(since(&path, moment(120, 120)), first);
        // set forward by an hour between two runs: from then on
        let set = moment(240, 180).at;
        assert_eq!(since(&path, moment(240, 180)), set);
        assert_eq!(since(&path, moment(300, 240)), set);
        // and back again
        let back = moment(300, 300).at;
        assert_eq!(since(&path, moment(300, 300)), back);
        // small steps count together
        let mut late = moment(360, 360);
        late.at += SignedDuration::from_secs(4);
        assert_eq!(since(&path, late), back);
        let mut later = moment(420, 420);
        later.at += SignedDuration::from_secs(8);
        assert_eq!(since(&path, later.clone()), later.at);
    }

    #[test]
    fn another_start_of_the_machine_or_a_broken_note_begins_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE);
        since(&path, moment(0, 0));
        let mut other = moment(60, 60);
        other.boot = "two".to_owned();
        assert_eq!(since(&path, other.clone()), other.at);
        for broken in ["", "{}", "\u{0}"] {
            std::fs::write(&path, broken).expect("written");
            let here = moment(70, 70);
            assert_eq!(since(&path, here.clone()), here.at, "{broken:?}");
            // the next one knows it
            assert_eq!(since(&path, moment(80, 80)), here.at);
        }
        // where nothing can be noted each begins anew
        let gone = dir.path().join("gone").join(FILE);
        for minute in [90, 100] {
            let here = moment(minute, minute);
            assert_eq!(since(&gone, here.clone()), here.at);
        }
    }

    #[test]
    fn this_machine_tells_its_starts_apart() {
        let at = moment(0, 0).at;
        let (one, two) = (Moment::now(at), Moment::now(at));
        let (one, two) = (one.expect("Linux"), two.expect("Linux"));
        assert!(two.is_even_with(&one));
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(even_since(dir.path(), false, at), at);
        assert_eq!(even_since(dir.path(), true, at), Timestamp::MIN);
    }
}
