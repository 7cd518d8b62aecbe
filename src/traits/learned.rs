//! The traits as values, each with its own word for "not seen"; it draws no conclusions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A task's field, as the rows showed it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Field {
    /// Its name as sent.
    pub name: String,
    /// Rows by JSON type: `string`, `number`, `bool`, `null`, `array`, `object`, `base` (an object with `base`).
    pub types: BTreeMap<String, u64>,
    /// Rows in which it was there and neither null, blank nor zero.
    pub filled: u64,
}

/// The word for a task that shows that it is automated.
pub const AUTOMATED: &str = "automated";
/// The word for a task that does not show whether it is automated.
pub const NOT_SHOWN: &str = "not shown";

/// In which form something comes, counted.
pub type Counts = BTreeMap<String, u64>;

/// The rows of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rows {
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that provtaskd can't read.
    pub unreadable: u64,
    /// Where `fields` stands as `array` or `map`.
    pub shape: Counts,
    /// Forms of the field that holds the id: `string`, `number`.
    pub id_field: Counts,
    /// Forms of the key `id` beside the fields; `absent` where there is none.
    pub id_key: Counts,
    /// Whether the id in the self link is the field's: `same`, `other`, `none`.
    pub id_link: Counts,
    /// Each field.
    pub fields: Vec<Field>,
    /// Status words, as sent, by field.
    pub status: BTreeMap<String, Counts>,
    /// Status words that provtaskd does not know.
    pub status_unknown: Counts,
    /// Forms of dates: `Z`, `offset`, `no zone`, `day`, `milliseconds`, `other`.
    pub dates: Counts,
    /// Rows that name a process instance.
    pub process: u64,
    /// Rows that name a process definition's task, by key or name.
    pub definition: u64,
    /// Rows that name the person whom they are for.
    pub beneficiary: u64,
    /// Rows that show what a grant is about, in child data.
    pub child: u64,
    /// Rows whose retry link names another task.
    pub retry_link: u64,
    /// Rows by adapter: `automated`, `manual`, `not shown`.
    pub adapter: Counts,
}

/// Pages of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Paging {
    /// `stable`, `unstable`, or `not seen` where all fits into one page.
    pub pages: String,
    /// What was seen of it.
    pub evidence: String,
    /// Rows of a page without `limit`.
    pub default_rows: Option<u64>,
    /// The largest number of rows asked for that came in full.
    pub largest: Option<u64>,
    /// The server gives no more rows than this, whatever is asked.
    pub capped_at: Option<u64>,
    /// This many rows were refused, or the answer could not be used.
    pub refused_at: Option<u64>,
    /// `offset`, `other` or `none`.
    pub next: String,
    /// Links name another origin than the one that was called.
    pub foreign_links: bool,
    /// `totalResult`: `-1`, `counted`, `absent`.
    pub total: String,
    /// What the server contradicts itself in, about the end of the list.
    #[serde(default)]
    pub contradiction: Option<String>,
    /// Bytes of an average row.
    pub row_bytes: u64,
    /// Milliseconds of the slowest page.
    pub slowest_ms: u64,
}

/// The order of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// `id ascending`, `id descending`, `created ascending`, `created descending`, `none`, `not seen`.
    pub by: String,
    /// Whether a second reading gave the same order; `None`: not seen.
    pub repeatable: Option<bool>,
}

/// Whose tasks the list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Rows of this login.
    pub own: u64,
    /// Rows of roles that this login is in.
    pub own_roles: u64,
    /// Rows of roles that it is not in, as far as the server shows its roles.
    pub other_roles: u64,
    /// Rows of other people.
    pub others: u64,
    /// Rows that name no owner.
    pub nobody: u64,
    /// Roles of this login; `None`: not shown.
    pub roles: Option<Vec<String>>,
    /// `own`, `own and roles`, `wider`, `not seen`.
    pub shows: String,
    /// Why this login looks like a system administrator.
    pub administrator: Option<String>,
}

/// Accounts: process instances.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Accounts {
    /// Accounts that were read.
    pub read: u64,
    /// Accounts that the server did not show.
    pub missing: u64,
    /// Finished tasks that they showed.
    pub finished: u64,
    /// Completed ones by adapter: `automated`, `manual`, `not shown`.
    #[serde(default)]
    pub adapter: Counts,
    /// Completed ones that show when they ended.
    #[serde(default)]
    pub ends: u64,
    /// Whether a process tells which of its definitions are automated; `None`: not asked, since tasks show it.
    #[serde(default)]
    pub definitions: Option<bool>,
    /// Open tasks that they showed and the list did not.
    pub hidden: u64,
    /// Forms of ids.
    pub id_key: Counts,
    /// Rows that name their process instance.
    pub process: u64,
}

/// What there is beside list and account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Roads {
    /// A single task can be read.
    pub single: Option<bool>,
    /// Form of its `id`.
    pub single_id: String,
    /// It has form fields.
    pub form_fields: u64,
    /// A task's history can be read.
    pub history: Option<bool>,
    /// A task's responses can be read.
    pub responses: Option<bool>,
    /// `honoured`, `ignored`, `refused`, `not seen`.
    pub filter: String,
    /// The token service: `there`, `absent`, `refuses`, `not asked`, `not seen`.
    pub token: String,
}

/// People.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct People {
    /// People who were asked for.
    pub asked: u64,
    /// People whom the server showed.
    pub shown: u64,
    /// Their states, as sent.
    pub status: Counts,
    /// States that provtaskd does not know.
    pub unknown: Counts,
    /// Several may be asked for at once (`or`).
    pub joined: Option<bool>,
    /// The login's own record can be read.
    pub own_record: Option<bool>,
}

/// The connection.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Wire {
    /// `https` or `http`.
    pub scheme: String,
    /// Milliseconds by which the server's clock is ahead of this machine's; `None`: it sends no date.
    pub skew_ms: Option<i64>,
    /// Seconds by which the youngest creation date lies in the future, where one does.
    pub future_secs: Option<i64>,
    /// `TLS 1.2`, `TLS 1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Who issued the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_by: Option<String>,
    /// How long it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_until: Option<Timestamp>,
}

/// What only a write can teach.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NotProbed {
    /// What.
    pub what: String,
    /// How to learn it.
    pub how: String,
}

/// What one guided retry has taught.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetryTrait {
    /// `same id`, `successor with link`, `successor without link`, `no successor was seen`, `not told`; the last two
    /// teach nothing.
    pub lineage: String,
    /// Milliseconds of wall time until the server answered.
    pub answered_ms: Option<u64>,
    /// The slowest answer of all guided retries up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest_ms: Option<u64>,
    /// How many answers those were.
    #[serde(default)]
    pub answers: u32,
    /// Milliseconds of wall time for which one was waited in vain: no answer came, or none that tells anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered_ms: Option<u64>,
    /// Whether the connector ran inside the call: `inside the call`, `after the answer`, `not told`.
    #[serde(default = "not_told")]
    pub runs: String,
    /// Seconds until the end was read.
    pub settled_secs: Option<i64>,
    /// The outcome's word.
    pub outcome: String,
}

impl RetryTrait {
    /// The slowest answer at hand, in milliseconds, and of how many. A file of before has one at most.
    pub fn slowest(&self) -> Option<(u64, u32)> {
        let ms = self.slowest_ms.max(self.answered_ms)?;
        Some((ms, self.answers.max(1)))
    }

    /// For how long an answer was waited in vain, where none that came took as long.
    pub fn in_vain(&self) -> Option<u64> {
        let slowest = self.slowest().map_or(0, |(ms, _)| ms);
        self.unanswered_ms.filter(|ms| *ms > slowest)
    }

    /// With what earlier retries have taught of the time of answers.
    pub fn after(mut self, known: Option<&Self>) -> Self {
        let all = [
            known.and_then(Self::slowest),
            self.answered_ms.map(|ms| (ms, 1)),
        ];
        let all = all.into_iter().flatten();
        let slowest = all.reduce(|(a, n), (b, m)| (a.max(b), n.saturating_add(m)));
        self.slowest_ms = slowest.map(|(ms, _)| ms);
        self.answers = slowest.map_or(0, |(_, answers)| answers);
        self.unanswered_ms = self
            .unanswered_ms
            .max(known.and_then(|known| known.unanswered_ms));
        self
    }
}

fn not_told() -> String {
    super::NOT_TOLD.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_answers_at_hand_the_slowest_counts_and_an_unanswered_retry_takes_none_away() {
        let learned = |answered_ms| RetryTrait {
            lineage: "same id".to_owned(),
            answered_ms,
            slowest_ms: None,
            answers: 0,
            unanswered_ms: None,
            runs: not_told(),
            settled_secs: None,
            outcome: "completed".to_owned(),
        };
        assert_eq!(learned(None).slowest(), None);
        assert_eq!(
            learned(Some(40)).slowest(),
            Some((40, 1)),
            "a file of before"
        );
        let first = learned(Some(40)).after(None);
        let quick = learned(Some(5)).after(Some(&first));
        assert_eq!(
            (quick.answered_ms, quick.slowest()),
            (Some(5), Some((40, 2)))
        );
        let silent = learned(None).after(Some(&quick));
        assert_eq!(
            (silent.answered_ms, silent.slowest()),
            (None, Some((40, 2)))
        );
        let slow = learned(Some(900)).after(Some(&silent));
        assert_eq!(slow.slowest(), Some((900, 3)));
        // what was waited for in vain counts until an answer has come later than that
        let mut vain = learned(None);
        vain.unanswered_ms = Some(600_000);
        let vain = vain.after(Some(&slow));
        assert_eq!(
            (vain.slowest(), vain.in_vain()),
            (Some((900, 3)), Some(600_000))
        );
        let fast = learned(Some(40)).after(Some(&vain));
        assert_eq!(fast.in_vain(), Some(600_000));
        assert_eq!(learned(Some(700_000)).after(Some(&fast)).in_vain(), None);
    }
}
