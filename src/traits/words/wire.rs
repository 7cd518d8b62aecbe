//! Says of the connection what was seen: clocks, transport, certificate; it draws no conclusion of its own.

use super::{Out, RENEW};
use crate::traits::Traits;
use crate::traits::learned::Wire;

/// By more the server's clock may not be behind: what it dates before a send is not the result of it.
const BEHIND_MS: i64 = 30_000;

/// The connection in words.
pub(super) fn wire(out: &mut Out, traits: &Traits) {
    let (wire, part) = (&traits.wire, "connection");
    clock(out, wire);
    let open = wire.scheme == "http";
    let here = ["http://127.", "http://[::1]", "http://localhost"];
    let loopback = here.iter().any(|start| traits.origin.starts_with(start));
    out.tell(
        open && !loopback,
        part,
        "transport",
        wire.scheme.clone(),
        if open && loopback {
            "loopback: nothing leaves this machine"
        } else if open {
            "passwords cross the network unencrypted"
        } else {
            "TLS 1.2 or newer, certificate and name are verified"
        },
    );
    if let Some(until) = wire.certificate_until {
        let soon = until.duration_since(traits.taken_at) < RENEW;
        out.tell(
            soon,
            part,
            "certificate",
            format!(
                "{}, issued by {}, holds until {until:.0}",
                wire.tls.as_deref().unwrap_or("TLS"),
                wire.certificate_by
                    .as_deref()
                    .unwrap_or("an authority without a name")
            ),
            if soon {
                "have it renewed: from then on nothing is read and nothing sent"
            } else {
                "have it renewed before; `check --online` says so 30 days ahead"
            },
        );
    }
}

fn clock(out: &mut Out, wire: &Wire) {
    let skew = wire.skew_ms.map(i64::abs).is_some_and(|ms| ms > 60_000);
    let behind = wire.skew_ms.is_some_and(|ms| ms < -BEHIND_MS);
    let seen = match wire.skew_ms {
        None => "the server sends no date".to_owned(),
        Some(ms) => format!("{:.1} s against this machine", to_seconds(ms)),
    };
    let ahead = wire.future_secs.is_some_and(|secs| secs > 300);
    out.tell(
        skew || behind || ahead,
        "connection",
        "clock",
        match wire.future_secs {
            Some(secs) if ahead => {
                format!("{seen}; a task was created {secs} s in the future")
            }
            _ => seen,
        },
        if ahead {
            "the server's clock, or server.server_zone, is wrong: ages are too small"
        } else if behind {
            "set both clocks by NTP: the server dates runs before the sends that made them, so that a bounce under the same id is told only after delivery.settle_after, and a successor waits for a person; tokens and ages depend on them too"
        } else if skew {
            "set both clocks by NTP: tokens and ages depend on them"
        } else {
            "ages use the server's dates, back-off uses our own"
        },
    );
}

fn to_seconds(ms: i64) -> f64 {
    // a skew of more than a few days is one whatever its digits
    i32::try_from(ms).map_or(f64::from(i32::MAX), f64::from) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_would_have_our_results_come_late_is_marked() {
        for (ms, warn, means) in [
            (Some(-31_000), true, "only after delivery.settle_after"),
            (Some(-29_000), false, "ages use"),
            (Some(31_000), false, "ages use"),
            (Some(61_000), true, "tokens and ages"),
            (None, false, "ages use"),
        ] {
            let wire = Wire {
                skew_ms: ms,
                ..Wire::default()
            };
            let mut out = Out(Vec::new());
            clock(&mut out, &wire);
            let told = &out.0[0];
            assert_eq!(told.warn, warn, "{told:?}");
            assert!(told.means.contains(means), "{told:?}");
        }
    }
}
