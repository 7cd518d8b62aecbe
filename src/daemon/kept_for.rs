//! Remembers for a day for how long finished tasks were seen to be kept: the accounts that have shown it may have nothing open any more; it reads nothing itself.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// So long a proof is remembered; a server that archives otherwise since is noticed by then.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// And it is taken for no more than this, whatever was shown.
const AT_MOST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A proof rests on readings that are not quite of now.
const READ_BEFORE: SignedDuration = SignedDuration::from_mins(30);

/// When it was seen for how long finished tasks are kept; one for all cycles and questions.
#[derive(Clone, Debug, Default)]
pub struct KeptFor(Arc<Mutex<Option<(Timestamp, SignedDuration)>>>);

impl KeptFor {
    /// Since when finished tasks are shown, by what the accounts show now (`fresh`) and by what they have shown within a
    /// day: servers archive by age, so that what was kept for so long then is so now.
    pub fn from(&self, now: Timestamp, fresh: Option<Timestamp>) -> Option<Timestamp> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // a clock that was set back makes no proof last longer
        let lasts = |at: Timestamp| at <= now && now.duration_since(at) <= REMEMBERED;
        *known = known.filter(|(at, _)| lasts(*at));
        let age = fresh.map(|from| (now.duration_since(from) - READ_BEFORE).min(AT_MOST));
        if let Some(age) = age.filter(|age| age.is_positive())
            && known.is_none_or(|(_, before)| age >= before)
        {
            *known = Some((now, age));
        }
        let remembered = known.and_then(|(_, age)| now.checked_sub(age).ok());
        [fresh, remembered].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        let day: Timestamp = "2027-03-01T00:00:00Z".parse().expect("a time");
        day.saturating_add(SignedDuration::from_hours(hour))
            .expect("a time")
    }

    #[test]
    fn what_was_kept_for_days_is_so_for_a_day_more_and_for_a_week_at_most() {
        let known = KeptFor::default();
        assert_eq!(known.from(at(0), None), None);
        // shown from four days before; half an hour less is sure
        assert_eq!(known.from(at(0), Some(at(-96))), Some(at(-96)));
        let half = SignedDuration::from_mins(30);
        let later = |hour: i64| at(hour - 96).checked_add(half).ok();
        assert_eq!(known.from(at(5), None), later(5));
        // what shows less takes nothing away, and makes it last no longer
        assert_eq!(known.from(at(20), Some(at(19))), later(20));
        assert_eq!(known.from(at(24), None), later(24));
        assert_eq!(known.from(at(25), None), None);
        // a year is taken for a week once it is not shown any more
        assert_eq!(known.from(at(30), Some(at(-9_000))), Some(at(-9_000)));
        assert_eq!(known.from(at(31), None), Some(at(31 - 7 * 24)));
        assert_eq!(known.from(at(29), None), None, "the clock was set back");
    }
}
