//! Answers that are known from the values that led to them: a script that gets the same values again, one after the other, ends the same. Bounded, for one policy set; it never knows an answer that rested on more than those values, nor a fault.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::SignedDuration;

use super::api::session::cut;
use super::api::step::{Key, Recipe, Step};
use super::api::{ScriptVerdict, Session};
use super::duration;
use super::set::Said;
use crate::model::{ReadValue, Verdict};

/// Most different answers; with more the memo begins anew.
const MOST_ANSWERS: usize = 2000;
/// Most different values of one step: beyond them it tells tasks apart, not cases.
const MOST_VALUES: usize = 64;
/// Most lists of read values that one answer keeps.
const MOST_LISTS: usize = 1024;

/// An answer with how it came about.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The answer; `None` when no policy had an opinion.
    pub verdict: Option<Verdict>,
    /// The file that answered.
    pub policy: Option<Arc<str>>,
    /// Line of the verb that made it.
    pub line: Option<u32>,
    /// Who was asked.
    pub considered: Arc<[(Arc<str>, Said)]>,
    /// Names and values that were read.
    pub read: Arc<[ReadValue]>,
    /// True where something was read that changes with time alone.
    pub timed: bool,
}

/// An answer that holds for every task with the same values.
#[derive(Debug)]
struct Known {
    answer: Answer,
    /// Which of the pauses is the verdict's.
    after: Option<usize>,
    /// Pauses, worked out anew for each lineage, with their place among the values read.
    pauses: Vec<(Recipe, Option<usize>)>,
    /// What was read, by the pauses: they are few over very many lineages, each list is kept once.
    read: Mutex<HashMap<Vec<SignedDuration>, Arc<[ReadValue]>>>,
}

#[derive(Debug)]
enum Node {
    /// Ask this, and go on by its value.
    Ask(Step, Vec<(Key, usize)>),
    /// Too many values: nothing behind it is known.
    Wide,
    /// The end.
    Known(Arc<Known>),
}

#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
    answers: usize,
}

/// The answers of one policy set.
#[derive(Debug, Default)]
pub(super) struct Memo(RwLock<Tree>);

impl Memo {
    /// The answer for this task and these facts, where their values have led to one before.
    pub fn find(&self, session: &Session) -> Option<Answer> {
        let known = {
            let tree = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let mut at = 0;
            loop {
                match tree.nodes.get(at)? {
                    Node::Known(known) => break Arc::clone(known),
                    Node::Wide => return None,
                    Node::Ask(step, values) => {
                        let value = step.value(session)?;
                        at = values.iter().find(|(have, _)| *have == value)?.1;
                    }
                }
            }
        };
        Some(known.answer_for(session))
    }

    /// Remembers an answer by what the session has read for it. `made` is the verdict's way out of its
    /// script; a fault must not come here.
    pub fn learn(&self, session: &Session, answer: &Answer, made: Option<&ScriptVerdict>) {
        let Some(trace) = session.trace() else { return };
        let pauses = trace.iter().filter_map(|(step, _)| match step {
            Step::Pause(recipe) => {
                let name = cut(&recipe.name);
                let place = answer.read.iter().position(|(have, _)| *have == name);
                Some((recipe.clone(), place))
            }
            _ => None,
        });
        let known = Known {
            after: made.and_then(|made| made.pause),
            pauses: pauses.collect(),
            answer: answer.clone(),
            read: Mutex::default(),
        };
        let mut tree = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tree.insert(trace, known);
    }
}

impl Known {
    fn answer_for(&self, session: &Session) -> Answer {
        let mut answer = self.answer.clone();
        if self.pauses.is_empty() {
            return answer;
        }
        let recipes = self.pauses.iter();
        let spans: Vec<SignedDuration> = recipes.map(|(recipe, _)| recipe.span(session)).collect();
        if let Some(span) = self.after.and_then(|number| spans.get(number))
            && let Some(
                Verdict::Act { after, .. }
                | Verdict::Leave { after, .. }
                | Verdict::Ask { after, .. },
            ) = &mut answer.verdict
        {
            *after = Some(*span);
        }
        answer.read = self.read_with(spans);
        answer
    }

    /// What was read, with these pauses in their places.
    fn read_with(&self, spans: Vec<SignedDuration>) -> Arc<[ReadValue]> {
        let mut lists = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(have) = lists.get(&spans) {
            return Arc::clone(have);
        }
        let mut read: Vec<ReadValue> = self.answer.read.to_vec();
        for ((_, place), span) in self.pauses.iter().zip(&spans) {
            if let Some((_, value)) = place.and_then(|place| read.get_mut(place)) {
                *value = Arc::from(duration::format(*span));
            }
        }
        let read: Arc<[ReadValue]> = read.into();
        if lists.len() < MOST_LISTS {
            lists.insert(spans, Arc::clone(&read));
        }
        read
    }
}

impl Tree {
    fn insert(&mut self, trace: Vec<(Step, Key)>, known: Known) {
        if self.answers >= MOST_ANSWERS {
            *self = Self::default();
        }
        let mut at = 0;
        for (step, key) in trace {
            if at == self.nodes.len() {
                self.nodes.push(Node::Ask(step.clone(), Vec::new()));
            }
            let next = self.nodes.len();
            let (have, values) = match &mut self.nodes[at] {
                Node::Ask(have, values) => (have, values),
                Node::Wide | Node::Known(_) => return,
            };
            // the same values were followed by another question: nothing can be known behind them
            if !have.same(&step) {
                self.nodes[at] = Node::Wide;
                return;
            }
            if let Some((_, known)) = values.iter().find(|(have, _)| *have == key) {
                at = *known;
            } else if values.len() >= MOST_VALUES {
                self.nodes[at] = Node::Wide;
                return;
            } else {
                values.push((key, next));
                at = next;
            }
        }
        if at == self.nodes.len() {
            self.nodes.push(Node::Known(Arc::new(known)));
            self.answers += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::shipped_sources;
    use super::super::set::{PolicySet, Sources};
    use super::*;
    use crate::model::facts::{DefinitionMemory, History, Now};
    use crate::model::{Digest, Facts, Kind, Known as Fact, LineageId, Task, TaskId, TaskStatus};

    const BY_CLASS: &str = "const NEEDS = [\"history\"];\nfn decide(task, facts) {\n  let pause = backoff(\"5m\", 3, \"12h\");\n  if facts.class == \"network\" { return retry().after(pause); }\n  leave(\"not \" + pause)\n}";

    fn set() -> PolicySet {
        PolicySet::compile(Sources {
            policies: vec![("10-class.rhai".to_owned(), BY_CLASS.to_owned())],
            ..shipped_sources()
        })
        .expect("compiles")
    }

    fn facts(lineage: u64, class: &str) -> Arc<Facts> {
        let at: jiff::Timestamp = "2027-02-01T09:00:00Z".parse().expect("a time");
        let unknown = "not read";
        Arc::new(Facts {
            now: Now {
                at,
                zone: "UTC".into(),
                weekday: 1,
                hour: 9,
                minute: 0,
                business_hours: true,
            },
            kind: Kind::Grant,
            class: Arc::from(class),
            retryable: true,
            history: History {
                lineage: LineageId(lineage),
                attempts: 0,
                attempts_total: 0,
                first_seen: at,
                failed_since: at,
                last_attempt_at: None,
                last_state: None,
                in_vain: 0,
                unproven: 0,
                reset: false,
                stale: false,
                keeps_ids: false,
                creation_over_since: false,
                recent: Vec::new(),
                former_owners: Vec::new(),
                ids: Vec::new(),
            },
            owner: Fact::unknown(unknown),
            beneficiary: Fact::unknown(unknown),
            siblings: Fact::unknown(unknown),
            definition: DefinitionMemory::default(),
            fulfilment_role: None,
            age: jiff::SignedDuration::ZERO,
        })
    }

    #[test]
    fn what_hangs_on_the_class_alone_is_known_for_the_next_task_with_a_pause_of_its_own() {
        let (set, task) = (
            set(),
            Arc::new(Task::bare(TaskId::new("1"), TaskStatus::Rejected)),
        );
        let known = |facts: &Arc<Facts>| {
            let session = Session::new(Arc::clone(&task), Arc::clone(facts));
            set.memo().find(&session)
        };
        let (first, second) = (facts(1, "network"), facts(2, "network"));
        assert!(known(&first).is_none());
        let said = set.decide(&task, &first, Digest::new("d"));
        let again = known(&second).expect("the same values");
        let after = |verdict: &Option<Verdict>| match verdict {
            Some(Verdict::Act { after, .. }) => *after,
            other => panic!("{other:?}"),
        };
        assert_ne!(after(&said.verdict), after(&again.verdict));
        let anew = set.decide_anew(&task, &second, Digest::new("d"));
        assert_eq!(again.verdict, anew.verdict);
        assert_eq!(again.read, anew.read);
    }

    #[test]
    fn an_answer_that_looked_at_its_pause_is_nobody_elses() {
        let (set, task) = (
            set(),
            Arc::new(Task::bare(TaskId::new("1"), TaskStatus::Rejected)),
        );
        let lock = facts(1, "lock");
        set.decide(&task, &lock, Digest::new("d"));
        let session = Session::new(Arc::clone(&task), lock);
        assert!(set.memo().find(&session).is_none());
    }
}
