//! Which traits of a server each action rests on, and which of them were not learned; it judges no trait, only whether it was seen.

use crate::model::ActionName;

use super::file::Traits;
use super::kept::{PEOPLE, RESPONSES, SINGLE};
use super::learned::RetryTrait;

/// A trait that an action rests on, and that no probe has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// What.
    pub what: &'static str,
    /// What to do.
    pub how: &'static str,
}

const PROBE: &str = "run `provtaskd probe`";

/// The answer where nothing was probed at all.
pub const NOTHING_PROBED: Missing = Missing {
    what: "nothing of this server was probed under this login",
    how: PROBE,
};

/// The first trait that this action rests on and that was not seen; `None`: all of them were.
///
/// Every action rests on rows that were read with their ids and status words. A retry rests on how work
/// goes on after one, for what can't be followed can't be counted either; a reassignment on people, for
/// absence and the state of the new owner are read from them; what is written into a task on the task itself.
pub fn missing(traits: &Traits, action: ActionName) -> Option<Missing> {
    let not = |seen: bool, what, how| (!seen).then_some(Missing { what, how });
    let rows = &traits.rows;
    not(
        rows.seen > rows.unreadable && !rows.id_field.is_empty() && !rows.status.is_empty(),
        "no task was shown, so neither ids nor status words are known",
        "run `provtaskd probe` when the list shows tasks",
    )
    .or_else(|| match action {
        ActionName::Retry => not(
            traits.retry.as_ref().is_some_and(continues),
            "how a task's work goes on after a retry",
            "run `provtaskd probe --retry-one TASK` with a daemon running: one retry, with consent",
        ),
        ActionName::Reassign if traits.in_trouble(PEOPLE) => not(
            traits.people.shown > 0,
            "people, whose state and absence a reassignment rests on, could not be read: the server was in trouble",
            "run `provtaskd probe` once more, when it answers",
        ),
        ActionName::Reassign => not(
            traits.people.shown > 0,
            "people, whose state and absence a reassignment rests on, were not shown",
            "give the login the right to read users, and run `provtaskd probe`",
        ),
        ActionName::SetNote | ActionName::ManualComplete if traits.in_trouble(SINGLE) => not(
            traits.roads.single == Some(true),
            "a single task, as it is read before it is written to, could not be read: the server was in trouble",
            "run `provtaskd probe` once more, when it answers",
        ),
        ActionName::SetNote | ActionName::ManualComplete => not(
            traits.roads.single == Some(true),
            "a single task, as it is read before it is written to, was not shown",
            PROBE,
        ),
        ActionName::SetResponse if traits.in_trouble(RESPONSES) => not(
            traits.roads.responses == Some(true),
            "the responses that a task allows could not be read: the server was in trouble",
            "run `provtaskd probe` once more, when it answers",
        ),
        ActionName::SetResponse => not(
            traits.roads.responses == Some(true),
            "the responses that a task allows were not shown",
            PROBE,
        ),
    })
}

/// What an action as a further login rests on: its own rows and roads, and of the main login what is asked as that one
/// or is the server's, whoever asks: people, and how work goes on after a retry.
#[must_use]
pub fn beside(own: &Traits, main: Option<&Traits>) -> Traits {
    let mut both = own.clone();
    if let Some(main) = main {
        both.people.clone_from(&main.people);
        both.unseen.retain(|unseen| unseen.what != PEOPLE);
        let of_people = main.unseen.iter().filter(|unseen| unseen.what == PEOPLE);
        both.unseen.extend(of_people.cloned());
        both.retry.clone_from(&main.retry);
    }
    both
}

/// The words that say how work goes on; a retry that was refused, was not applied, or left no trace says nothing.
const CONTINUES: [&str; 3] = ["same id", "successor with link", "successor without link"];

/// True where it has told how work goes on.
pub fn continues(retry: &RetryTrait) -> bool {
    CONTINUES.contains(&&*retry.lineage)
}

/// The word for a retry whose continuation was not told.
pub const NOT_TOLD: &str = "not told";

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use super::super::learned::RetryTrait;
    use super::*;

    pub fn empty() -> Traits {
        Traits {
            schema: super::super::SCHEMA.to_owned(),
            version: super::super::VERSION,
            program: "1".to_owned(),
            taken_at: Timestamp::UNIX_EPOCH,
            origin: "https://oig.example.com".to_owned(),
            login: "SVC".to_owned(),
            requests: 0,
            rows: Default::default(),
            paging: Default::default(),
            order: Default::default(),
            scope: Default::default(),
            accounts: Default::default(),
            roads: Default::default(),
            people: Default::default(),
            wire: Default::default(),
            retry: None,
            unseen: Vec::new(),
            not_probed: Vec::new(),
        }
    }

    pub fn shown() -> Traits {
        let mut traits = empty();
        traits.rows.seen = 3;
        traits.rows.id_field.insert("string".to_owned(), 3);
        let words = [("Rejected".to_owned(), 3)].into();
        traits.rows.status.insert("Task Status".to_owned(), words);
        traits
    }

    fn may(traits: &Traits) -> Vec<ActionName> {
        let all = ActionName::ALL.into_iter();
        all.filter(|action| missing(traits, *action).is_none())
            .collect()
    }

    fn retried(lineage: &str) -> Option<RetryTrait> {
        Some(RetryTrait {
            lineage: lineage.to_owned(),
            answered_ms: None,
            slowest_ms: None,
            answers: 0,
            unanswered_ms: None,
            runs: NOT_TOLD.to_owned(),
            settled_secs: None,
            outcome: "completed".to_owned(),
        })
    }

    #[test]
    fn each_action_waits_for_the_trait_that_it_rests_on_and_for_no_other() {
        assert_eq!(may(&shown()), []);
        let with = |change: fn(&mut Traits)| {
            let mut traits = shown();
            change(&mut traits);
            may(&traits)
        };
        let after_retry = |lineage: &str| {
            let mut traits = shown();
            traits.retry = retried(lineage);
            may(&traits)
        };
        assert_eq!(after_retry("same id"), [ActionName::Retry]);
        assert_eq!(after_retry("successor without link"), [ActionName::Retry]);
        assert_eq!(after_retry("successor with link"), [ActionName::Retry]);
        for nothing in [NOT_TOLD, "no successor was seen", ""] {
            assert_eq!(after_retry(nothing), [], "{nothing}");
        }
        assert_eq!(with(|t| t.people.shown = 1), [ActionName::Reassign]);
        assert_eq!(with(|t| t.people.asked = 9), []);
        assert_eq!(
            with(|t| t.roads.single = Some(true)),
            [ActionName::SetNote, ActionName::ManualComplete]
        );
        assert_eq!(with(|t| t.roads.single = Some(false)), []);
        assert_eq!(
            with(|t| t.roads.responses = Some(true)),
            [ActionName::SetResponse]
        );
    }

    #[test]
    fn a_further_login_needs_rows_and_roads_of_its_own_and_no_retry_or_people() {
        let mut main = shown();
        main.people.shown = 1;
        main.roads.single = Some(true);
        main.retry = retried("same id");
        assert_eq!(may(&beside(&empty(), Some(&main))), []);
        assert_eq!(
            may(&beside(&shown(), Some(&main))),
            [ActionName::Retry, ActionName::Reassign]
        );
        let mut own = main;
        own.retry = None;
        assert_eq!(may(&beside(&own, Some(&shown()))).len(), 2, "notes");
        assert_eq!(may(&beside(&own, None)).len(), 3, "nothing of the main one");
    }

    #[test]
    fn without_a_row_that_could_be_read_nothing_is_known() {
        let all = |change: fn(&mut Traits)| {
            let mut traits = shown();
            traits.people.shown = 1;
            traits.roads.single = Some(true);
            traits.roads.responses = Some(true);
            traits.retry = retried("same id");
            change(&mut traits);
            may(&traits)
        };
        assert_eq!(all(|_| ()), ActionName::ALL);
        assert_eq!(all(|t| t.rows.unreadable = 3), []);
        assert_eq!(all(|t| t.rows.seen = 0), []);
        assert_eq!(all(|t| t.rows.id_field.clear()), []);
        assert_eq!(all(|t| t.rows.status.clear()), []);
    }
}
