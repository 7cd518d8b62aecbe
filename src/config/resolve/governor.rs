//! The `[governor]` sections: caps, back-off and limits per target; numbers only, it decides nothing.

use std::time::Duration;

use super::{DAY, HOUR, MINUTE, SECOND, check_order};
use crate::config::lines::join;
use crate::config::raw::{GovernorRaw, LimitsRaw};
use crate::config::read::Reader;
use crate::model::TargetName;
use crate::model::settings::{GovernorSettings, TargetLimits};

/// Largest batch unless configured. More is allowed, and told: a request that is not answered leaves all its tasks in doubt.
const BATCH_USUAL: u32 = 25;

pub fn resolve(r: &mut Reader<'_>, raw: &GovernorRaw, write_timeout: Duration) -> GovernorSettings {
    let built_in = TargetLimits {
        per_minute: 60,
        in_flight: 1,
        batch_max: BATCH_USUAL,
        batch_start: 1,
        batch_time: write_timeout / 3,
        breaker_after: 3,
        breaker_pause: MINUTE * 10,
        breaker_cap: HOUR * 4,
    };
    let default = limits(
        r,
        "governor.default",
        &raw.default,
        &built_in,
        write_timeout,
    );
    r.alike("governor.targets", raw.targets.keys(), false);
    let targets = raw
        .targets
        .iter()
        .map(|(name, own)| {
            let path = join("governor.targets", name);
            let own = limits(r, &path, own, &default, write_timeout);
            (TargetName::new(name), own)
        })
        .collect();
    let backoff_factor = r
        .plain("governor.backoff_factor", &raw.backoff_factor)
        .unwrap_or(3.0);
    if !(1.0..=100.0).contains(&backoff_factor) {
        r.error(
            "governor.backoff_factor",
            format!("{backoff_factor} is out of range"),
            "write a number from 1 to 100",
        );
    }
    let max_attempts = r.number("governor.max_attempts", &raw.max_attempts, 5, 1, 100);
    let settings = GovernorSettings {
        default,
        targets,
        max_attempts,
        max_attempts_taking: r.number(
            "governor.max_attempts_taking",
            &raw.max_attempts_taking,
            max_attempts.saturating_mul(2).min(100),
            1,
            100,
        ),
        count_foreign_attempts: r
            .plain(
                "governor.count_foreign_attempts",
                &raw.count_foreign_attempts,
            )
            .unwrap_or(true),
        backoff_base: r.duration(
            "governor.backoff_base",
            &raw.backoff_base,
            MINUTE * 5,
            SECOND,
            DAY * 7,
        ),
        backoff_factor,
        backoff_cap: r.duration(
            "governor.backoff_cap",
            &raw.backoff_cap,
            HOUR * 12,
            SECOND,
            DAY * 31,
        ),
        cap_retries: r.number("governor.cap_retries", &raw.cap_retries, 200, 0, 1_000_000),
        cap_reassigns: r.number(
            "governor.cap_reassigns",
            &raw.cap_reassigns,
            50,
            0,
            1_000_000,
        ),
        cap_share_percent: r.number(
            "governor.cap_share_percent",
            &raw.cap_share_percent,
            50,
            0,
            100,
        ),
        share_from: r.number("governor.share_from", &raw.share_from, 50, 1, 1_000_000),
        approval_ttl: r.duration(
            "governor.approval_ttl",
            &raw.approval_ttl,
            HOUR * 24,
            MINUTE,
            DAY * 31,
        ),
        writes_in_flight: r.number("governor.writes_in_flight", &raw.writes_in_flight, 4, 1, 64),
    };
    check_order(
        r,
        "governor.backoff_base",
        settings.backoff_base,
        "governor.backoff_cap",
        settings.backoff_cap,
    );
    settings
}

fn limits(
    r: &mut Reader<'_>,
    path: &str,
    raw: &LimitsRaw,
    base: &TargetLimits,
    write_timeout: Duration,
) -> TargetLimits {
    let key = |name: &str| format!("{path}.{name}");
    let batch_time = if raw.batch_time.is_some() {
        r.wall(
            &key("batch_time"),
            &raw.batch_time,
            SECOND * 200,
            SECOND,
            HOUR,
        )
    } else {
        base.batch_time
    };
    if batch_time > write_timeout {
        r.error(
            &key("batch_time"),
            "is longer than server.write_timeout",
            "a batch would outlive its request; make it shorter",
        );
    }
    let limits = TargetLimits {
        per_minute: r.number(
            &key("per_minute"),
            &raw.per_minute,
            base.per_minute,
            1,
            60_000,
        ),
        in_flight: r.number(&key("in_flight"), &raw.in_flight, base.in_flight, 1, 64),
        batch_max: r.number(&key("batch_max"), &raw.batch_max, base.batch_max, 1, 500),
        batch_start: r.number(
            &key("batch_start"),
            &raw.batch_start,
            base.batch_start,
            1,
            500,
        ),
        batch_time,
        breaker_after: r.number(
            &key("breaker_after"),
            &raw.breaker_after,
            base.breaker_after,
            1,
            1_000,
        ),
        breaker_pause: r.duration(
            &key("breaker_pause"),
            &raw.breaker_pause,
            base.breaker_pause,
            SECOND,
            DAY * 7,
        ),
        breaker_cap: r.duration(
            &key("breaker_cap"),
            &raw.breaker_cap,
            base.breaker_cap,
            SECOND,
            DAY * 31,
        ),
    };
    if raw.batch_max.is_some() && limits.batch_max > BATCH_USUAL {
        r.warning(
            &key("batch_max"),
            format!(
                "{} is more than {BATCH_USUAL}: a request without an answer leaves so many tasks in doubt until they are read again",
                limits.batch_max
            ),
            "leave it out, unless OIG was seen to answer such requests in time",
        );
    }
    if limits.batch_start > limits.batch_max {
        r.error(
            &key("batch_start"),
            format!(
                "{} is more than batch_max ({})",
                limits.batch_start, limits.batch_max
            ),
            "make it smaller, or batch_max larger",
        );
    }
    check_order(
        r,
        &key("breaker_pause"),
        limits.breaker_pause,
        &key("breaker_cap"),
        limits.breaker_cap,
    );
    limits
}
