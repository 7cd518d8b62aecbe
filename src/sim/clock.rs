//! Domain time from wall time: stepped, scaled, or the wall's own; the only place of the simulator that looks at a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::scenario::{ClockMode, ClockSpec};
use super::time::{Ms, parse_span};

/// The wall's time, milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator shares no code with the rest, so it has one clock of its own, and it is here"
)]
pub fn wall_ms() -> Ms {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| Ms::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// A running clock.
#[derive(Debug)]
pub struct Clock {
    /// The mode.
    pub mode: ClockMode,
    /// Domain seconds per wall second.
    pub scale: f64,
    /// Stepped: how far the world may run.
    pub hold: Option<Ms>,
    start: Ms,
    begun: Instant,
}

impl Clock {
    /// Starts the clock of a scenario.
    pub fn start(spec: &ClockSpec, start: Ms) -> Self {
        let start = match spec.mode {
            ClockMode::Wall => wall_ms(),
            ClockMode::Scaled | ClockMode::Stepped => start,
        };
        Self {
            mode: spec.mode,
            scale: if spec.mode == ClockMode::Scaled {
                spec.scale
            } else {
                1.0
            },
            hold: (spec.mode == ClockMode::Stepped && spec.hold).then_some(start),
            start,
            begun: Instant::now(),
        }
    }

    /// Where domain time began.
    pub fn started_at(&self) -> Ms {
        self.start
    }

    /// Domain time; a stepped clock stands where the world stands.
    pub fn now(&self, world: Ms) -> Ms {
        let factor = match self.mode {
            ClockMode::Stepped => return world,
            ClockMode::Wall => 1.0,
            ClockMode::Scaled => self.scale,
        };
        let passed = self.begun.elapsed().mul_f64(factor.max(0.0));
        self.start
            .saturating_add(Ms::try_from(passed.as_millis()).unwrap_or(Ms::MAX))
    }
}

/// Reads `wall`, `stepped`, `scaled:60`, with `stepped:hold` for a world that waits for a test.
///
/// # Errors
/// A sentence that names the forms.
pub fn parse_clock(text: &str) -> Result<ClockSpec, String> {
    let wrong = || format!("clock {text:?}: write wall, stepped, stepped:hold or scaled:FACTOR");
    let (mode, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut spec = ClockSpec::default();
    match (mode, rest) {
        ("wall", "") => spec.mode = ClockMode::Wall,
        ("stepped", "") => spec.mode = ClockMode::Stepped,
        ("stepped", "hold") => {
            spec.mode = ClockMode::Stepped;
            spec.hold = true;
        }
        ("scaled", factor) => {
            spec.mode = ClockMode::Scaled;
            spec.scale = factor
                .parse::<f64>()
                .ok()
                .filter(|factor| factor.is_finite() && *factor > 0.0)
                .ok_or_else(wrong)?;
        }
        _ => return Err(wrong()),
    }
    Ok(spec)
}

/// A span or a time as the control endpoint takes it, relative to a time.
///
/// # Errors
/// A sentence on what can't be read.
pub fn parse_until(until: Option<&str>, span: Option<&str>, from: Ms) -> Result<Ms, String> {
    match (until, span) {
        (Some(until), None) => super::time::parse_stamp(until).map_err(|error| error.to_string()),
        (None, Some(span)) => parse_span(span)
            .map(|span| from.saturating_add(span))
            .map_err(|error| error.to_string()),
        _ => Err("give either a time or a span".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_words_are_read() {
        assert_eq!(parse_clock("wall").unwrap().mode, ClockMode::Wall);
        assert!(parse_clock("stepped:hold").unwrap().hold);
        assert!((parse_clock("scaled:2.5").unwrap().scale - 2.5).abs() < 1e-9);
        for bad in [
            "",
            "scaled",
            "scaled:0",
            "scaled:-1",
            "scaled:inf",
            "wall:3",
            "slow",
        ] {
            assert!(parse_clock(bad).is_err(), "{bad}");
        }
    }
}
