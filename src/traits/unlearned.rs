//! What reading alone can't teach of a server, less what one guided retry has taught; words for a person, it judges no trait.

use super::learned::{NotProbed, RetryTrait};
use super::rests::{NOT_TOLD, continues};

/// What a read can't teach, and whether one guided retry does.
const ONLY_BY_WRITES: [(&str, bool, &str); 6] = [
    (
        "which actions the login may do",
        false,
        "the first enforced action of each sort on one target tells: `provtaskd outcomes list` shows accepted or refused",
    ),
    (
        "how lineages continue after a retry",
        true,
        "`provtaskd probe --retry-one TASK` tells, with a daemon running: one retry, with consent",
    ),
    (
        "whether a retry runs its connector inside the call",
        true,
        "`provtaskd probe --retry-one TASK` tells, by the time it takes and by what is read next",
    ),
    (
        "the order of a bulk answer",
        false,
        "nothing rests on it: answers are matched by id",
    ),
    (
        "the largest safe batch",
        true,
        "`provtaskd probe --retry-one TASK` tells the time of one; batches grow from governor.default.batch_start while their answers are timed, `provtaskd status --json` shows both by target (`batch`, `item_ms`)",
    ),
    (
        "the word for a role as assignee",
        false,
        "the first reassignment to a role tells; see server.role_word",
    ),
];

/// What is left of it, after a retry or without one.
pub fn not_probed(retry: Option<&RetryTrait>) -> Vec<NotProbed> {
    let told = |what: &str, by_retry: bool| {
        by_retry
            && retry.is_some_and(|retry| match what {
                "how lineages continue after a retry" => continues(retry),
                "the largest safe batch" => retry.slowest().is_some(),
                _ => retry.runs != NOT_TOLD,
            })
    };
    ONLY_BY_WRITES
        .into_iter()
        .filter(|(what, by_retry, _)| !told(what, *by_retry))
        .map(|(what, _, how)| NotProbed {
            what: what.to_owned(),
            how: how.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_takes_from_the_list_what_it_has_taught_and_no_more() {
        let retry = |lineage: &str, answered_ms, runs: &str| RetryTrait {
            lineage: lineage.to_owned(),
            answered_ms,
            slowest_ms: None,
            answers: 0,
            unanswered_ms: None,
            runs: runs.to_owned(),
            settled_secs: None,
            outcome: "completed".to_owned(),
        };
        let left = |retry: Option<&RetryTrait>| not_probed(retry).len();
        assert_eq!(left(None), 6);
        assert_eq!(left(Some(&retry("not told", None, NOT_TOLD))), 6);
        assert_eq!(left(Some(&retry("same id", Some(20), NOT_TOLD))), 4);
        let all = retry("successor without link", Some(1_500), "inside the call");
        assert_eq!(left(Some(&all)), 3);
    }
}
