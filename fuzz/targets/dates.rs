//! Dates and `Retry-After`, led by coverage: read or refused in any zone, and a pause is never negative nor endless.
#![no_main]

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use provtaskd::oig::dates;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let fixed = [Offset::ZERO, Offset::MAX, Offset::MIN].map(TimeZone::fixed);
    for zone in fixed.into_iter().chain(TimeZone::get("Europe/Berlin")) {
        let _ = dates::read(&text, &zone);
    }
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let pause = dates::retry_after(&text, now);
        let taken = |pause| (SignedDuration::ZERO..=dates::LONGEST_PAUSE).contains(&pause);
        assert!(pause.is_none_or(taken), "{pause:?}");
    }
});
