//! Reads answers to writes and matches them to what was sent, by id and never by position (invariant 3); pure.

use std::sync::Arc;
use std::time::Duration;

use super::conceal::conceal;
use super::wire::{self, Row, WireFault};
use crate::model::hash::{FastMap, FastSet};
use crate::model::{ReceiptStatus, TaskId};

/// Documented texts of a `reason` that say that tasks of the definition are not automated (contract section 4). Other
/// words are in the policy set's table, which is read where both are known.
const MANUAL: &[&str] = &["not automated"];

/// Longest reason kept, in characters.
const REASON_MAX: usize = 1_000;

/// An item's status word (contract section 9, point 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemWord {
    /// `SUCCESS`, `OK`, `COMPLETED`.
    Good,
    /// `FAIL`, `FAILED`, `FAILURE`, `ERROR`.
    Bad,
    /// Anything else, or none.
    Unknown,
}

impl ItemWord {
    /// Reads a word in any case.
    pub fn parse(word: &str) -> Self {
        match word.trim().to_ascii_uppercase().as_str() {
            "SUCCESS" | "OK" | "COMPLETED" => Self::Good,
            "FAIL" | "FAILED" | "FAILURE" | "ERROR" => Self::Bad,
            _ => Self::Unknown,
        }
    }
}

/// What came back about one id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemAnswer {
    /// The id, from `id`, else from the self link.
    pub id: TaskId,
    /// Good, bad or unknown.
    pub word: ItemWord,
    /// The server's text, capped and without control characters.
    pub reason: Option<String>,
}

/// The readable answer to a PUT; each id stands once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PutAnswer {
    /// One entry per id that the server named.
    pub items: Vec<ItemAnswer>,
    /// What was odd: items without an id, ids answered twice, ids that were never sent.
    pub notes: Vec<String>,
    /// From sending to the last byte of the answer (wall time).
    pub took: Duration,
}

/// Reads the body of an answer to a bulk or single PUT.
///
/// # Errors
/// What is wrong with the body; the acts are then unknown.
pub fn read(text: &str, took: Duration) -> Result<PutAnswer, WireFault> {
    let page = wire::page(text, &["tasks"])?;
    let mut answer = PutAnswer {
        took,
        ..PutAnswer::default()
    };
    let rows = if page.has_list {
        page.items.as_slice()
    } else {
        std::slice::from_ref(&page.own)
    };
    let mut at: FastMap<TaskId, usize> = FastMap::default();
    for row in rows {
        let Some(item) = item(row) else {
            answer
                .notes
                .push("an item of the answer shows no id".to_owned());
            continue;
        };
        match at.get(&item.id).and_then(|i| answer.items.get_mut(*i)) {
            Some(have) => {
                answer
                    .notes
                    .push(format!("task {} was answered more than once", item.id));
                merge(have, item);
            }
            None => {
                at.insert(item.id.clone(), answer.items.len());
                answer.items.push(item);
            }
        }
    }
    Ok(answer)
}

fn item(row: &Row<'_>) -> Option<ItemAnswer> {
    let id = row.id()?;
    let word = row
        .text(&["status"])
        .map_or(ItemWord::Unknown, |w| ItemWord::parse(&w));
    let reason = row.text(&["reason"]).map(|text| {
        let told = conceal(&text);
        let clean = told.chars().map(|c| if c.is_control() { ' ' } else { c });
        clean.take(REASON_MAX).collect()
    });
    Some(ItemAnswer {
        id: TaskId::new(&id),
        word,
        reason,
    })
}

/// Worst wins; and as a good word beside a bad one tells nothing, the worst is "unknown".
fn merge(have: &mut ItemAnswer, other: ItemAnswer) {
    if have.word != other.word {
        have.word = ItemWord::Unknown;
    }
    if have.reason.is_none() {
        have.reason = other.reason;
    }
}

/// True where OIG's reason says that the task is not automated.
pub fn says_manual(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    MANUAL.iter().any(|pattern| reason.contains(pattern))
}

/// One status per sent id, in the order sent: a missing id is unknown, an id that was not sent is not returned.
pub fn receipts(sent: &[TaskId], answer: &PutAnswer) -> Vec<(TaskId, ReceiptStatus)> {
    let mut by_id: FastMap<&TaskId, &ItemAnswer> = FastMap::default();
    by_id.reserve(answer.items.len());
    let mut twice: Vec<&TaskId> = Vec::new();
    for item in &answer.items {
        if let Some(have) = by_id.insert(&item.id, item)
            && have.word != item.word
        {
            twice.push(&item.id);
        }
    }
    sent.iter()
        .map(|id| {
            let unknown = |why: &str| ReceiptStatus::Unknown {
                why: Arc::from(why),
            };
            let status = match by_id.get(id) {
                None => unknown("the answer does not name this task"),
                Some(_) if twice.contains(&id) => unknown("the answer contradicts itself"),
                Some(item) => match item.word {
                    ItemWord::Good => ReceiptStatus::Accepted,
                    ItemWord::Bad => {
                        let reason = item.reason.as_deref().unwrap_or("");
                        ReceiptStatus::Refused {
                            reason: Arc::from(reason),
                            manual: says_manual(reason),
                        }
                    }
                    ItemWord::Unknown => unknown(
                        "the answer has no readable status for this task, or two different ones",
                    ),
                },
            };
            (id.clone(), status)
        })
        .collect()
}

/// Notes about ids in the answer that were never sent.
pub fn extras(sent: &[TaskId], answer: &PutAnswer) -> Vec<String> {
    let sent: FastSet<&TaskId> = sent.iter().collect();
    answer
        .items
        .iter()
        .filter(|item| !sent.contains(&item.id))
        .map(|item| format!("task {} was answered but never sent", item.id))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(text: &str) -> PutAnswer {
        read(text, Duration::ZERO).expect("readable")
    }

    fn ids(list: &[&str]) -> Vec<TaskId> {
        list.iter().map(|id| TaskId::new(id)).collect()
    }

    #[test]
    fn the_documented_answers_are_read() {
        let bulk = answer(
            r#"{"links":[{"rel":"self","href":"https://pseudo.com/iam/governance/selfservice/api/v1/provtasks"}],"tasks":[
            {"links":[{"rel":"self","href":"https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/3018"}],"id":"3018","status":"SUCCESS","requestId":"10002","action":"reassign"},
            {"links":[{"rel":"self","href":"https://pseudo.com/iam/governance/selfservice/api/v1/provtasks/3016"}],"id":"3016","status":"SUCCESS","requestId":"10001","action":"reassign"}]}"#,
        );
        let got = receipts(&ids(&["3016", "3018"]), &bulk);
        assert_eq!(got[0], (TaskId::new("3016"), ReceiptStatus::Accepted));
        assert_eq!(got[1], (TaskId::new("3018"), ReceiptStatus::Accepted));
        let failed = answer(
            r#"{"tasks":[{"id":"30","status":"FAIL","action":"retry","reason":"This task is not automated. If task is completed, set status to UC."},{"id":"31","status":"FAIL","action":"retry"}]}"#,
        );
        let got = receipts(&ids(&["30", "31"]), &failed);
        assert!(
            matches!(&got[0].1, ReceiptStatus::Refused { manual: true, reason } if reason.ends_with("UC."))
        );
        assert!(matches!(
            &got[1].1,
            ReceiptStatus::Refused { manual: false, .. }
        ));
        let single = answer(r#"{"links":[],"id":"1002","status":"SUCCESS"}"#);
        assert_eq!(
            receipts(&ids(&["1002"]), &single)[0].1,
            ReceiptStatus::Accepted
        );
        let legacy =
            answer(r#"{"links":[],"id":"5126","status":"OK","assignee":"System Administrator"}"#);
        assert_eq!(
            receipts(&ids(&["5126"]), &legacy)[0].1,
            ReceiptStatus::Accepted
        );
    }

    #[test]
    fn odd_answers_are_lenient_and_never_guess() {
        let odd = answer(
            r#"{"tasks":[{"id":30,"status":"success"},{"links":[{"rel":"self","href":"/x/31"}],"status":"Error"},
               {"id":"0032","status":"MAYBE"},{"id":"33"},{"id":"34","status":"SUCCESS"},{"id":"34","status":"FAIL"},{"status":"OK"},{"id":"99","status":"OK"}]}"#,
        );
        let sent = ids(&["30", "31", "32", "33", "34", "35"]);
        let got: Vec<ReceiptStatus> = receipts(&sent, &odd).into_iter().map(|r| r.1).collect();
        assert_eq!(got[0], ReceiptStatus::Accepted);
        assert!(matches!(got[1], ReceiptStatus::Refused { .. }));
        for unknown in &got[2..] {
            assert!(
                matches!(unknown, ReceiptStatus::Unknown { .. }),
                "{unknown:?}"
            );
        }
        assert_eq!(odd.notes.len(), 2);
        assert_eq!(extras(&sent, &odd).len(), 1);
    }

    #[test]
    fn a_single_answer_about_nothing_leaves_all_unknown() {
        let nothing = answer("{}");
        assert!(nothing.items.is_empty());
        assert!(matches!(
            receipts(&ids(&["1"]), &nothing)[0].1,
            ReceiptStatus::Unknown { .. }
        ));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_duplicated(
            sent in prop::collection::hash_set(1u32..60, 1..30),
            answered in prop::collection::vec((1u32..60, 0u8..3, any::<bool>()), 0..80),
        ) {
            let words = ["SUCCESS", "FAIL", "HUH"];
            let items: Vec<serde_json::Value> = answered.iter().map(|(id, word, number)| {
                let id = if *number { serde_json::json!(id) } else { serde_json::json!(format!("00{id}")) };
                serde_json::json!({"id": id, "status": words[usize::from(*word)]})
            }).collect();
            let answer = answer(&serde_json::json!({"tasks": items}).to_string());
            let sent: Vec<TaskId> = sent.iter().map(|n| TaskId::new(&n.to_string())).collect();
            let got = receipts(&sent, &answer);
            let got_ids: Vec<TaskId> = got.iter().map(|r| r.0.clone()).collect();
            prop_assert_eq!(&got_ids, &sent);
            for (id, status) in &got {
                let words: std::collections::HashSet<u8> = answered.iter()
                    .filter(|(n, _, _)| n.to_string() == id.as_str()).map(|(_, w, _)| *w).collect();
                let one = |w: u8| words.len() == 1 && words.contains(&w);
                match status {
                    ReceiptStatus::Accepted => prop_assert!(one(0)),
                    ReceiptStatus::Refused { .. } => prop_assert!(one(1)),
                    ReceiptStatus::Unknown { .. } => prop_assert!(!one(0) && !one(1)),
                    ReceiptStatus::Unsent { .. } => prop_assert!(false, "an answer never proves that nothing was sent"),
                }
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = read(&text, Duration::ZERO);
        }
    }
}
