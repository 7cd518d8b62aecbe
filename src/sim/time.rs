//! Points and spans of domain time as scenarios write them, in milliseconds; it must never look at a clock.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Milliseconds of domain time, since the Unix epoch or as a length.
pub type Ms = i64;

/// A text that is neither a span nor a point in time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not of the form `14d`, `2h30m`, `10s`, `500ms`.
    #[error("not a span of time: {0:?}; write for example \"2h30m\", \"14d\" or \"500ms\"")]
    Span(String),
    /// Not RFC 3339.
    #[error("not a point in time: {0:?}; write for example \"2027-03-01T07:00:00Z\"")]
    Stamp(String),
}

/// A length of domain time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Ms);

/// A point of domain time: counted from the scenario's start, or absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This many milliseconds after the start (negative: before it).
    After(Ms),
    /// Milliseconds since the epoch.
    At(Ms),
}

impl When {
    /// The absolute point, given the scenario's start.
    pub fn at(self, start: Ms) -> Ms {
        match self {
            When::After(ms) => start.saturating_add(ms),
            When::At(ms) => ms,
        }
    }
}

/// Reads `14d`, `2h30m`, `1h 5m`, `10s`, `500ms`, with an optional leading minus.
///
/// # Errors
/// [`TimeError::Span`] if it is anything else.
pub fn parse_span(text: &str) -> Result<Ms, TimeError> {
    let wrong = || TimeError::Span(text.to_owned());
    let trimmed = text.trim();
    let (negative, mut rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed),
    };
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: Ms = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number: Ms = number.parse().map_err(|_| wrong())?;
        let unit_end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total = number
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = tail.trim_start();
    }
    Ok(if negative { -total } else { total })
}

/// Reads an RFC 3339 time.
///
/// # Errors
/// [`TimeError::Stamp`] if it is anything else.
pub fn parse_stamp(text: &str) -> Result<Ms, TimeError> {
    text.trim()
        .parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| TimeError::Stamp(text.to_owned()))
}

/// Reads an RFC 3339 time and rounds a part of a millisecond up, so that whoever waits for that time finds it reached.
///
/// # Errors
/// [`TimeError::Stamp`] if it is anything else.
pub fn parse_stamp_up(text: &str) -> Result<Ms, TimeError> {
    let wrong = || TimeError::Stamp(text.to_owned());
    let at: jiff::Timestamp = text.trim().parse().map_err(|_| wrong())?;
    let nanos = at.as_nanosecond();
    let up = nanos.div_euclid(1_000_000) + i128::from(nanos.rem_euclid(1_000_000) > 0);
    Ms::try_from(up).map_err(|_| wrong())
}

fn timestamp(ms: Ms) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    })
}

/// `2027-03-01T08:00:00Z`, the form of every 12c sample.
pub fn stamp(ms: Ms) -> String {
    format!("{:.0}", timestamp(ms.div_euclid(1_000) * 1_000))
}

/// Writes a number; the list of tasks is made of little else, so this must not allocate.
pub fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder of ten is one digit.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_two(out: &mut Vec<u8>, number: i64) {
    let digit = |number: i64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    out.push(digit(number / 10));
    out.push(digit(number));
}

/// Writes what [`stamp`] gives, for years 1970 to 9999 without its cost.
pub fn push_stamp(out: &mut Vec<u8>, ms: Ms) {
    if !(0..253_402_300_800_000).contains(&ms) {
        out.extend_from_slice(stamp(ms).as_bytes());
        return;
    }
    let seconds = ms / 1_000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, counted from 1 March of year 0, so that the leap day is the last one of its year.
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    push_two(out, year / 100);
    push_two(out, year % 100);
    for (mark, number) in [
        (b'-', month),
        (b'-', date),
        (b'T', second / 3_600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        out.push(mark);
        push_two(out, number);
    }
    out.push(b'Z');
}

/// `2027-03-01T08:00:00.000Z`.
pub fn stamp_ms(ms: Ms) -> String {
    format!("{:.3}", timestamp(ms))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).map(Span).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Ok(ms) = parse_span(&text) {
            return Ok(When::After(ms));
        }
        parse_stamp(&text).map(When::At).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_units_add_up() {
        assert_eq!(parse_span("1d2h 3m4s5ms"), Ok(93_784_005));
        assert_eq!(parse_span("-3d"), Ok(-259_200_000));
        for bad in ["", "-", "5", "h", "5 years", "99999999999999999d", "2h!"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_and_stamps_are_written_as_formatted() {
        for number in [0, 7, 10, 600_001, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        let days = (0..4_000).map(|n| n * 86_400_000 * 3 + n * 1_234_567);
        for ms in days.chain([-1, 951_782_399_999, 951_782_400_000, 4_107_542_399_000]) {
            let mut out = Vec::new();
            push_stamp(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), stamp(ms), "{ms}");
        }
    }

    #[test]
    fn stamps_have_the_documented_form() {
        let ms = parse_stamp("2027-03-01T09:00:00.250+01:00").unwrap();
        assert_eq!(stamp(ms), "2027-03-01T08:00:00Z");
        assert_eq!(stamp_ms(ms), "2027-03-01T08:00:00.250Z");
        assert_eq!(parse_stamp_up("2027-03-01T08:00:00.250000001Z"), Ok(ms + 1));
        assert_eq!(parse_stamp_up("2027-03-01T08:00:00.25Z"), Ok(ms));
    }
}
