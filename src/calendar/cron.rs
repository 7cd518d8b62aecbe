//! Cron lines as an administrator expects them, over the `cron` crate: crontab weekdays, five or six fields, each change of the clock once. The only place where chrono is used.

use std::str::FromStr as _;

use chrono::{Datelike as _, NaiveDate, TimeZone as _, Timelike as _, Utc};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A cron line in a zone.
#[derive(Clone, Debug)]
pub struct Cron {
    line: String,
    zone: TimeZone,
    /// Two where day and weekday are both given: crontab fires on either.
    schedules: Vec<cron::Schedule>,
}

/// A line that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron line `{line}`: {what}")]
pub struct CronError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub what: String,
}

/// At most so many local times are looked at for one answer; a doubled hour of a line that fires each second needs 3,600.
const LOOKS: usize = 20_000;

/// The parser draws the line and an arrow under it: only its words are kept.
fn one_line(what: &str, line: &str) -> String {
    let words: Vec<&str> = what
        .lines()
        .map(str::trim)
        .filter(|part| part.chars().any(char::is_alphabetic) && !part.ends_with(line))
        .collect();
    if words.is_empty() {
        "a field is out of its range or not understood".to_owned()
    } else {
        words.join(" ")
    }
}

/// The first field that no line could have, each tried by itself; the parser names neither field nor range.
fn bad_field(fields: &[&str; 5]) -> Option<String> {
    const FIELDS: [(&str, &str); 5] = [
        ("second", "0 to 59"),
        ("minute", "0 to 59"),
        ("hour", "0 to 23"),
        ("day of the month", "1 to 31"),
        ("month", "1 to 12, or JAN to DEC"),
    ];
    let alone = |at: usize| {
        let mut all = ["*"; 6];
        all[at] = fields[at];
        cron::Schedule::from_str(&all.join(" ")).is_ok()
    };
    let at = (0..fields.len()).find(|at| !alone(*at))?;
    let (name, range) = FIELDS[at];
    Some(format!(
        "`{}` is no {name}: write {range}, as one, a list (1,2), a range from low to high (1-5) or a step above 0 (*/2)",
        fields[at]
    ))
}

impl Cron {
    /// Reads 5 fields (minute hour day month weekday) or 6 (second first), or `@hourly`, `@daily`,
    /// `@midnight`, `@weekly`, `@monthly`, `@yearly`. Weekdays: 0 and 7 are Sunday, or names.
    ///
    /// # Errors
    /// The line can't be read.
    pub fn parse(line: &str, zone: TimeZone) -> Result<Self, CronError> {
        let error = |what: String| CronError {
            line: line.to_owned(),
            what: one_line(&what, line),
        };
        let expanded = match line.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let mut fields: Vec<&str> = expanded.split_whitespace().collect();
        match fields.len() {
            5 => fields.insert(0, "0"),
            6 => {}
            n => {
                return Err(error(format!(
                    "{n} fields; write minute hour day month weekday, with seconds in front if needed"
                )));
            }
        }
        let [second, minute, hour, day, month, weekday] = fields[..] else {
            return Err(error("six fields are needed".to_owned()));
        };
        let translated = weekdays(weekday).map_err(&error)?;
        let both = !starts_open(day) && !starts_open(weekday);
        let days = if both {
            vec![(day, "*"), ("*", translated.as_str())]
        } else {
            vec![(day, translated.as_str())]
        };
        let schedules = days
            .into_iter()
            .map(|(day, weekday)| {
                let text = format!("{second} {minute} {hour} {day} {month} {weekday}");
                cron::Schedule::from_str(&text).map_err(|e| {
                    let fields = [second, minute, hour, day, month];
                    match bad_field(&fields) {
                        Some(what) => CronError {
                            line: line.to_owned(),
                            what,
                        },
                        None => error(e.to_string()),
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            line: line.to_owned(),
            zone,
            schedules,
        })
    }

    /// The line as it was written.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The first run after `now`. A run whose local time does not exist happens once, just after
    /// the gap; one whose local time comes twice happens the first time only. `None`: never again.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned_datetime(self.zone.clone()).datetime();
        let from = Utc.from_utc_datetime(&to_chrono(local)?);
        self.schedules
            .iter()
            .filter_map(|schedule| {
                schedule
                    .after(&from)
                    .take(LOOKS)
                    .filter_map(|at| self.instant(from_chrono(at.naive_utc())?))
                    .find(|at| *at > now)
            })
            .min()
    }

    /// The moment of a local time: the first of two, or the end of the gap that swallows it.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // read with the later offset it lies before the change
                let before_change = after.to_timestamp(local).ok()?;
                let change = self.zone.following(before_change).next()?;
                Some(change.timestamp())
            }
        }
    }
}

/// Crontab: a field that begins with a star does not restrict.
fn starts_open(field: &str) -> bool {
    field.starts_with('*') || field == "?"
}

/// Translates a weekday field from crontab's count (0 and 7 are Sunday) to the crate's (1 is Sunday).
fn weekdays(field: &str) -> Result<String, String> {
    if field == "*" || field == "?" {
        return Ok("*".to_owned());
    }
    let mut days = std::collections::BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: u8 = step
                    .parse()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(|| format!("`{part}`: the step is not a number above 0"))?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (0, 6),
            (_, Some((first, last))) => {
                let (first, last) = (weekday(first)?, weekday(last)?);
                // "SAT-SUN" ends on the Sunday after
                (first, if last == 0 && first > 0 { 7 } else { last })
            }
            (one, None) => {
                let one = weekday(one)?;
                (one, if step.is_some() { 6.max(one) } else { one })
            }
        };
        if first > last {
            return Err(format!("weekdays `{range}` run backward"));
        }
        let step = usize::from(step.unwrap_or(1));
        days.extend((first..=last).step_by(step).map(|day| day % 7 + 1));
    }
    let days: Vec<String> = days.iter().map(u8::to_string).collect();
    Ok(days.join(","))
}

/// 0 to 7, or a name.
fn weekday(text: &str) -> Result<u8, String> {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    if let Some(day) = text.parse::<u8>().ok().filter(|day| *day <= 7) {
        return Ok(day);
    }
    let word = text.to_ascii_lowercase();
    (0_u8..)
        .zip(NAMES)
        .find(|(_, name)| *name == word || (word.len() == 3 && name.starts_with(&word)))
        .map(|(day, _)| day)
        .ok_or_else(|| format!("`{text}` is not a weekday (0 to 7, or SUN to SAT)"))
}

fn to_chrono(at: DateTime) -> Option<chrono::NaiveDateTime> {
    let part = |value: i8| u32::try_from(value).ok();
    NaiveDate::from_ymd_opt(i32::from(at.year()), part(at.month())?, part(at.day())?)?.and_hms_opt(
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
}

fn from_chrono(at: chrono::NaiveDateTime) -> Option<DateTime> {
    let part = |value: u32| i8::try_from(value).ok();
    DateTime::new(
        i16::try_from(at.year()).ok()?,
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn runs(line: &str, zone: &str, from: &str, n: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("a zone");
        let cron = Cron::parse(line, zone.clone()).expect("a cron line");
        let mut at: Timestamp = from.parse().expect("a timestamp");
        let mut out = Vec::new();
        for _ in 0..n {
            at = cron.next_after(at).expect("it runs again");
            out.push(
                at.to_zoned_datetime(zone.clone())
                    .strftime("%a %d %H:%M%:z")
                    .to_string(),
            );
        }
        out
    }

    #[test]
    fn what_is_out_of_range_is_named_with_its_field() {
        for (line, part) in [
            ("61 * * * *", "`61` is no minute: write 0 to 59"),
            ("75 0 8 * * *", "`75` is no second: write 0 to 59"),
            ("0 25 * * *", "`25` is no hour: write 0 to 23"),
            ("0 8-26 * * *", "`8-26` is no hour"),
            ("0 8 32 * *", "`32` is no day of the month: write 1 to 31"),
            ("0 8 * 13 *", "`13` is no month: write 1 to 12"),
            ("0 8 * * 9", "`9` is not a weekday"),
            ("x * * * *", "`x` is no minute"),
        ] {
            let error = Cron::parse(line, TimeZone::UTC).expect_err("it can't be read");
            let said = error.to_string();
            assert!(
                said.contains(part) && !said.contains('\n'),
                "{line}: {said}"
            );
        }
    }

    #[test]
    fn weekdays_follow_the_crontab() {
        // 2027-03-01 is a Monday
        let from = "2027-03-01T00:00:00Z";
        assert_eq!(
            runs("0 9 * * 1", "UTC", from, 2),
            ["Mon 01 09:00+00:00", "Mon 08 09:00+00:00"]
        );
        for sunday in ["0", "7", "sun", "Sunday"] {
            let line = format!("0 9 * * {sunday}");
            assert_eq!(
                runs(&line, "UTC", from, 1),
                ["Sun 07 09:00+00:00"],
                "{sunday}"
            );
        }
        let days = |field: &str| {
            let all = runs(&format!("0 0 9 * * {field}"), "UTC", from, 4);
            all.iter()
                .map(|run| run[..3].to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(days("1-5"), "Mon Tue Wed Thu");
        assert_eq!(days("MON-FRI/2"), "Mon Wed Fri Mon");
        assert_eq!(days("6-7"), "Sat Sun Sat Sun");
        assert_eq!(days("sat-sun"), "Sat Sun Sat Sun");
        assert_eq!(days("5,0"), "Fri Sun Fri Sun");
        assert_eq!(days("*/3"), "Wed Sat Sun Wed");
        assert_eq!(days("?"), "Mon Tue Wed Thu");
    }

    #[test]
    fn day_or_weekday_where_both_are_given() {
        let all = runs("0 0 15 * 5", "UTC", "2027-03-01T00:00:00Z", 4);
        assert_eq!(
            all,
            [
                "Fri 05 00:00+00:00",
                "Fri 12 00:00+00:00",
                "Mon 15 00:00+00:00",
                "Fri 19 00:00+00:00"
            ]
        );
    }

    #[test]
    fn a_run_in_the_gap_happens_once_just_after_it() {
        let all = runs("30 2 * * *", "Europe/Berlin", "2027-03-27T00:00:00Z", 3);
        assert_eq!(
            all,
            [
                "Sat 27 02:30+01:00",
                "Sun 28 03:00+02:00",
                "Mon 29 02:30+02:00"
            ]
        );
        let all = runs("*/30 * * * *", "Europe/Berlin", "2027-03-28T00:15:00Z", 3);
        assert_eq!(
            all,
            [
                "Sun 28 01:30+01:00",
                "Sun 28 03:00+02:00",
                "Sun 28 03:30+02:00"
            ]
        );
    }

    #[test]
    fn a_doubled_hour_runs_once() {
        let all = runs("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", 2);
        assert_eq!(all, ["Sun 31 02:30+02:00", "Mon 01 02:30+01:00"]);
        let all = runs("*/30 2,3 * * *", "Europe/Berlin", "2027-10-30T23:45:00Z", 3);
        assert_eq!(
            all,
            [
                "Sun 31 02:00+02:00",
                "Sun 31 02:30+02:00",
                "Sun 31 03:00+01:00"
            ]
        );
        // New York, and a change of half an hour
        let all = runs("15 1 * * *", "America/New_York", "2027-11-06T12:00:00Z", 2);
        assert_eq!(all, ["Sun 07 01:15-04:00", "Mon 08 01:15-05:00"]);
        let all = runs(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2027-10-02T00:00:00Z",
            2,
        );
        assert_eq!(all, ["Sun 03 02:30+11:00", "Mon 04 02:15+11:00"]);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for line in [
            "",
            "* * * *",
            "* * * * * * *",
            "61 * * * *",
            "0 0 * * 8",
            "0 0 * * 5-2",
            "0 0 * * 1/0",
            "@reboot",
            "0 0 * * mo",
        ] {
            let error = Cron::parse(line, TimeZone::UTC).expect_err(line);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("cron line `{line}`: "))
            );
        }
        let never = Cron::parse("0 0 30 2 *", TimeZone::UTC).expect("it can be read");
        assert_eq!(never.next_after(Timestamp::UNIX_EPOCH), None);
    }

    proptest! {
        #[test]
        fn the_next_run_is_always_later_and_none_is_skipped(
            start in 1_800_000_000_i64..1_840_000_000, step in 1..7_200_i64,
        ) {
            let zone = TimeZone::get("Europe/Berlin").expect("a zone");
            let cron = Cron::parse("*/20 * * * *", zone).expect("a cron line");
            let now = Timestamp::from_second(start).expect("in range");
            let next = cron.next_after(now).expect("it runs again");
            prop_assert!(next > now);
            prop_assert!(next <= now + SignedDuration::from_mins(80));
            let between = now + SignedDuration::from_secs(step);
            if between < next {
                prop_assert_eq!(cron.next_after(between), Some(next));
            }
        }
    }
}
