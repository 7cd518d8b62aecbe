//! Times as people type them: with a zone, or in UTC; it never guesses a local one.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// A time on the command line: `2027-03-01T08:00:00Z`, `2027-03-01 08:00+01:00`,
/// `2027-03-01T08:00[Europe/Berlin]`, `2027-03-01 Europe/Berlin`, or a date alone, which begins in UTC.
///
/// # Errors
/// How it has to be written.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(zoned) = text.parse::<ZonedDateTime>() {
        return Ok(zoned.timestamp());
    }
    let how = || {
        "write a date or a time with its zone, such as 2027-03-01, 2027-03-01T08:00:00Z or \"2027-03-01 08:00 Europe/Berlin\"; without a zone it is UTC".to_owned()
    };
    let (civil, zone) = match text.rsplit_once(' ') {
        Some((civil, zone)) if zone.contains(|c: char| c.is_alphabetic()) => {
            let zone = TimeZone::get(zone)
                .map_err(|_| format!("`{zone}` is no zone that is known here"))?;
            (civil, zone)
        }
        _ => (text.trim_end_matches('Z'), TimeZone::UTC),
    };
    let civil = match (civil.parse::<Date>(), civil.parse::<DateTime>()) {
        (Ok(date), _) if !civil.contains(':') => date.at(0, 0, 0, 0),
        (_, Ok(civil)) => civil,
        _ => return Err(how()),
    };
    zone.to_timestamp(civil).map_err(|_| {
        "no time that can be counted: they reach from -009999-01-03 to 9999-12-30".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_zone_or_is_utc() {
        for (typed, is) in [
            ("2027-03-01T08:00:00Z", "2027-03-01T08:00:00Z"),
            ("2027-03-01T08:00:00+01:00", "2027-03-01T07:00:00Z"),
            ("2027-03-01 08:00+01:00", "2027-03-01T07:00:00Z"),
            ("2027-07-01T08:00[Europe/Berlin]", "2027-07-01T06:00:00Z"),
            ("2027-07-01 08:00 Europe/Berlin", "2027-07-01T06:00:00Z"),
            ("2027-07-01 Europe/Berlin", "2027-06-30T22:00:00Z"),
            ("2027-07-01", "2027-07-01T00:00:00Z"),
            ("2027-07-01Z", "2027-07-01T00:00:00Z"),
            (" 2027-07-01 08:30 ", "2027-07-01T08:30:00Z"),
        ] {
            let read = moment(typed).map(|at| at.to_string());
            assert_eq!(read.as_deref(), Ok(is), "{typed}");
        }
        for bad in [
            "",
            "yesterday",
            "2027-13-01",
            "2027-07-01 Nowhere/City",
            "08:00",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
