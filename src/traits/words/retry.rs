//! What one guided retry has taught, in words: how work goes on, what an answer takes, and how large a batch may be; it draws no conclusion about the server.

use super::{Limits, Out};
use crate::traits::RetryTrait;

/// What one guided retry has taught.
pub(super) fn retry(out: &mut Out, retry: &RetryTrait, limits: &Limits<'_>) {
    let part = "writes";
    out.say(
        part,
        "retry",
        format!("{}; {}", retry.lineage, retry.outcome),
        "lineages continue so on this server",
    );
    if let Some(ms) = retry.answered_ms {
        let inside = retry.runs == "inside the call";
        out.say(
            part,
            "connector",
            format!("runs: {}; the answer came after {ms} ms", retry.runs),
            if inside {
                "an answer takes as long as the target: server.write_timeout has to be longer than its slowest, and each further task of a batch adds to it"
            } else {
                "an answer tells that it was accepted; what became of it is read afterwards"
            },
        );
    }
    if let Some(ms) = retry.in_vain() {
        out.tell(
            true,
            part,
            "answer",
            format!("none that tells anything came within {ms} ms"),
            "a retry takes longer here than server.write_timeout, or something between cuts it off sooner: raise what is too short; else each such retry is read back after delivery.settle_after, its target goes on one by one, and its breaker opens",
        );
    }
    let Some((ms, answers)) = retry.slowest() else {
        return;
    };
    let rests = match answers {
        1 => "this rests on one answer".to_owned(),
        more => format!("this rests on the slowest of {more} answers"),
    };
    let room = u64::try_from(limits.batch_time.as_millis()).unwrap_or(u64::MAX);
    // the time is cut to whole milliseconds
    let fits = room / ms.saturating_add(1);
    let most = u64::from(limits.batch_max);
    let seen = if fits > most {
        format!(
            "at most {most}, the limit (governor.default.batch_max): by the answers' time more would fit; {rests}"
        )
    } else {
        format!("{fits} by time: {room} ms (governor.default.batch_time) / {ms} ms; {rests}")
    };
    out.tell(
        fits == 0,
        part,
        "largest safe batch",
        seen,
        if fits == 0 {
            "a single retry may take longer than that: raise server.write_timeout, of which batch_time is a third"
        } else {
            "batches grow from batch_start up to it while their answers are timed; the daemon learns the time anew by target"
        },
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::traits::NOT_TOLD;

    #[test]
    fn the_largest_batch_is_bounded_by_its_limit_and_a_vain_wait_needs_a_person() {
        let limits = Limits {
            server_zone: "UTC",
            page_size: 100,
            batch_time: Duration::from_secs(200),
            batch_max: 25,
        };
        let said = |answered_ms, unanswered_ms| {
            let taught = RetryTrait {
                lineage: "same id".to_owned(),
                answered_ms,
                slowest_ms: None,
                answers: 0,
                unanswered_ms,
                runs: NOT_TOLD.to_owned(),
                settled_secs: None,
                outcome: "completed".to_owned(),
            };
            let mut out = Out(Vec::new());
            retry(&mut out, &taught, &limits);
            let found = |name: &str| {
                let of = out.0.iter().find(|of| of.name == name);
                of.map(|of| (of.warn, of.seen.clone()))
            };
            (found("largest safe batch"), found("answer"))
        };
        for (ms, warn, words) in [
            (1, false, "at most 25, the limit"),
            (8_000, false, "24 by time: 200000 ms"),
            (200_000, true, "0 by time"),
        ] {
            let (batch, answer) = said(Some(ms), None);
            let (warned, text) = batch.expect("said");
            assert!(warned == warn && text.starts_with(words), "{ms}: {text}");
            assert_eq!(answer, None);
        }
        let (batch, answer) = said(None, Some(600_000));
        assert_eq!(batch, None);
        let (warned, text) = answer.expect("said");
        assert!(warned && text.contains("within 600000 ms"), "{text}");
    }
}
