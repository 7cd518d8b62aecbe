//! What each sort of item in the inbox is, in words, and what helps; it decides nothing.

use crate::ledger::LEFT_REWOUND;
use crate::model::RefusalReason;

/// What an item of the inbox says: what it is, and what helps.
pub(super) fn explanation(why: &str) -> String {
    let said = match why {
        "ambiguous" => {
            "It can't be told whose successor a task is; look at them in OIG, then `provtaskd outcomes settle` where `provtaskd outcomes show TASK` says that an attempt is open, else `outcomes reset`."
        }
        "not_told" => {
            "It could not be told in time what became of the attempt; look in OIG, then `provtaskd outcomes settle`."
        }
        "gone" => {
            "The task left the list and nothing says why; this is not success. Look in OIG, then `provtaskd outcomes settle`."
        }
        LEFT_REWOUND => {
            "The store was rewound, and no list has shown the task since: a retry of the lost interval may have ended it, or somebody else. Look in OIG; `approve` takes note of it, and sends nothing."
        }
        "sent_in_vain" => {
            "Requests that name the task end as a whole and nothing is applied; all others go on. See `provtaskd outcomes show TASK` for what the server said, then `provtaskd outcomes reset`."
        }
        "asked" => {
            "A policy asks a person, or has failed on the task; `provtaskd explain TASK` shows its words."
        }
        other => {
            let mut all = RefusalReason::ALL.iter();
            let Some(reason) = all.find(|reason| reason.as_str() == other) else {
                return "See `provtaskd explain TASK`.".to_owned();
            };
            return format!("{} {}", reason.explanation().trim(), reason.remedy());
        }
    };
    said.to_owned()
}
