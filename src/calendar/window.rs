//! Business hours and "now" as scripts see it; pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::facts::Now;

/// "Now" in the zone. `hours` holds start and end minute of the day per weekday (1 = Monday); the
/// end is not included; an end before the start is on the next day.
pub fn now_fact(now: Timestamp, zone: &TimeZone, hours: &BTreeMap<u8, (u16, u16)>) -> Now {
    let local = now.to_zoned_datetime(zone.clone());
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    Now {
        at: now,
        zone: zone
            .iana_name()
            .map_or_else(|| local.offset().to_string().into(), Arc::from),
        weekday: part(local.weekday().to_monday_one_offset()),
        hour: part(local.hour()),
        minute: part(local.minute()),
        business_hours: is_open(now, zone, hours),
    }
}

/// True inside the business hours.
pub fn is_open(now: Timestamp, zone: &TimeZone, hours: &BTreeMap<u8, (u16, u16)>) -> bool {
    let local = now.to_zoned_datetime(zone.clone());
    let today = u8::try_from(local.weekday().to_monday_one_offset()).unwrap_or(0);
    let yesterday = if today == 1 {
        7
    } else {
        today.saturating_sub(1)
    };
    let minute =
        u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(u16::MAX);
    let since_today = hours
        .get(&today)
        .is_some_and(|(start, end)| minute >= *start && (minute < *end || end < start));
    let since_yesterday = hours
        .get(&yesterday)
        .is_some_and(|(start, end)| end < start && minute < *end);
    since_today || since_yesterday
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(at: &str, hours: &BTreeMap<u8, (u16, u16)>) -> bool {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        is_open(at.parse().expect("a timestamp"), &zone, hours)
    }

    #[test]
    fn hours_hold_in_the_zone_on_both_sides_of_the_change() {
        // Friday 26 and Monday 29 March 2027: the clock changes between them
        let hours = BTreeMap::from([(5, (480, 1020)), (1, (480, 1020))]);
        assert!(!open("2027-03-26T06:59:00Z", &hours));
        assert!(open("2027-03-26T07:00:00Z", &hours));
        assert!(open("2027-03-29T06:00:00Z", &hours));
        assert!(!open("2027-03-29T15:00:00Z", &hours));
        assert!(!open("2027-03-28T10:00:00Z", &hours));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let hours = BTreeMap::from([(7, (1320, 360))]);
        assert!(open("2027-03-07T21:30:00Z", &hours));
        assert!(open("2027-03-08T04:59:00Z", &hours));
        assert!(!open("2027-03-08T05:00:00Z", &hours));
        assert!(!open("2027-03-08T21:30:00Z", &hours));
    }

    #[test]
    fn now_shows_the_zones_day_and_time() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = "2027-03-07T23:30:00Z".parse().expect("a timestamp");
        let now = now_fact(at, &zone, &BTreeMap::new());
        assert_eq!((now.weekday, now.hour, now.minute), (1, 0, 30));
        assert_eq!(&*now.zone, "Europe/Berlin");
        assert!(!now.business_hours);
    }
}
