//! Reads every form of date that the contract knows (section 9, point 17); it never guesses at others.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Reads a date with offset, `Z`, fraction, without a zone (then `zone`), a bare day (its first moment
/// in `zone`), or epoch milliseconds (11 digits or more); `None` for everything else.
pub fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        if digits.len() < 11 {
            return None;
        }
        return Timestamp::from_millisecond(text.parse().ok()?).ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(day) = text.parse::<Date>()
        && text.len() <= 10
    {
        return civil(day.at(0, 0, 0, 0), zone);
    }
    civil(text.parse::<DateTime>().ok()?, zone)
}

fn civil(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_zoned_datetime(at)
        .compatible()
        .ok()
        .map(|z| z.timestamp())
}

/// The longest pause that is taken from a server at once: it is asked again after that. A header that
/// names the year 9999 would stop everything for good.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// Reads the date of an HTTP header.
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

/// Reads a `Retry-After` header: seconds, or an HTTP date relative to `now`; never negative, and never
/// more than [`LONGEST_PAUSE`].
pub fn retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    let pause = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // more digits than any number of seconds has
        text.parse()
            .map_or(LONGEST_PAUSE, SignedDuration::from_secs)
    } else {
        http_date(text)?.duration_since(now)
    };
    Some(pause.clamp(SignedDuration::ZERO, LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Option<String> {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        read(text, &zone).map(|t| t.to_string())
    }

    #[test]
    fn all_forms_of_the_contract_are_read() {
        let same = Some("2026-03-04T05:06:07Z".to_owned());
        assert_eq!(at("2026-03-04T05:06:07Z"), same);
        assert_eq!(at("2026-03-04T07:06:07+02:00"), same);
        assert_eq!(at("2026-03-04T07:06:07+0200"), same);
        assert_eq!(at("2026-03-04T07:06:07"), same);
        assert_eq!(at(" 2026-03-04 07:06:07 "), same);
        assert_eq!(at("1772600767000"), same);
        assert_eq!(
            at("2026-03-04T05:06:07.25Z"),
            Some("2026-03-04T05:06:07.25Z".to_owned())
        );
        assert_eq!(at("2026-03-04"), Some("2026-03-03T22:00:00Z".to_owned()));
    }

    #[test]
    fn what_is_not_a_date_is_none() {
        for text in [
            "",
            "0",
            "20260304",
            "soon",
            "2026-13-01",
            "2026-03-04T99:00:00Z",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().expect("a timestamp");
        assert_eq!(
            retry_after("120", now),
            Some(SignedDuration::from_secs(120))
        );
        assert_eq!(
            retry_after("Wed, 04 Mar 2026 05:07:07 GMT", now),
            Some(SignedDuration::from_secs(60))
        );
        assert_eq!(
            retry_after("Wed, 04 Mar 2026 05:05:07 GMT", now),
            Some(SignedDuration::ZERO)
        );
        for long in [
            "86401",
            "4294967296",
            "99999999999999999999",
            "04 Mar 2099 05:07:07 GMT",
        ] {
            assert_eq!(retry_after(long, now), Some(LONGEST_PAUSE), "{long}");
        }
        for no in ["", "later", "-1", "1.5", "1e3"] {
            assert_eq!(retry_after(no, now), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = read(&text, &TimeZone::UTC);
            let _ = retry_after(&text, Timestamp::UNIX_EPOCH);
        }
    }
}
