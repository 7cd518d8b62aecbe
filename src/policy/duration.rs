//! Spans of time as policies write them (`30m`, `1h 30m`, `2d`); never calendar units, so a day is 24 hours.

use jiff::SignedDuration;

/// The longest span that a policy may name.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Reads a span such as `45s`, `30m`, `1h 30m`, `2d`, `1w`. The error says what was wrong.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let bad = || {
        format!(
            "`{text}` is not a span of time; write a number and a unit, e.g. \"45s\", \"30m\", \"1h 30m\", \"2d\""
        )
    };
    let too_long = || format!("`{text}` is longer than 366 days");
    let mut total = SignedDuration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = match rest.get(..digits) {
            Some("") | None => return Err(bad()),
            // digits that are no number are too many of them
            Some(digits) => digits.parse::<i64>().map_err(|_| too_long())?,
        };
        rest = rest.get(digits..).unwrap_or("").trim_start();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let seconds: i64 = match rest.get(..letters).unwrap_or("") {
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return Err(bad()),
        };
        rest = rest.get(letters..).unwrap_or("").trim_start();
        total = number
            .checked_mul(seconds)
            .and_then(|s| total.checked_add(SignedDuration::from_secs(s)))
            .ok_or_else(too_long)?;
    }
    if total > LONGEST {
        return Err(too_long());
    }
    Ok(total)
}

/// Writes a span so that [`parse`] reads the same whole seconds back.
pub fn format(span: SignedDuration) -> String {
    let mut left = span.as_secs().max(0);
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_add_up_and_nonsense_is_refused() {
        assert_eq!(parse("1h 30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(parse("2d"), Ok(SignedDuration::from_hours(48)));
        for bad in [
            "",
            "5",
            "m",
            "-5m",
            "5 months",
            "1.5h",
            "9999d",
            "99999999999999999999s",
        ] {
            let said = parse(bad).expect_err(bad);
            let long = bad.starts_with("99");
            assert_eq!(said.contains("longer than 366 days"), long, "{said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0i64..31_000_000) {
            let span = SignedDuration::from_secs(seconds);
            prop_assert_eq!(parse(&format(span)), Ok(span));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
