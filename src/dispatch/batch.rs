//! Groups admitted acts into bulk PUTs per target and action; pure, loses and duplicates nothing.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::governor::{Admitted, Lane};
use crate::model::hash::FastSet;
use crate::model::{ActionName, BatchId, DefinitionId, LineageId, Login, ProcessKey, TargetName};

/// Items that go out in one PUT: one target, one action.
#[must_use]
#[derive(Debug)]
pub struct Batch<T> {
    /// Sent as `X-Request-ID`.
    pub id: BatchId,
    /// The target of every item.
    pub target: TargetName,
    /// The action of every item.
    pub action: ActionName,
    /// The items; never empty.
    pub items: Vec<T>,
}

/// What waits to be sent, per target and lane; the order within a lane is priority, then arrival.
#[derive(Debug, Default)]
pub struct Queues {
    lanes: BTreeMap<(Lane, TargetName), VecDeque<Admitted>>,
    /// Not later than the oldest facts behind any item: what was taken meanwhile may have held them.
    oldest: Option<Timestamp>,
    /// Not later than the first end of what any item rests on.
    ends: Option<Timestamp>,
}

/// Items of one action for one PUT, each of another account.
#[must_use]
#[derive(Debug)]
pub struct Pick {
    /// The action of every item.
    pub action: ActionName,
    /// The further login that sends every item; `None`: the main one.
    pub login: Option<Login>,
    /// The items; never empty.
    pub items: Vec<Admitted>,
}

impl Queues {
    /// These are about to be pushed: a queue of very many that grows by itself is copied again and again.
    pub fn expect(&mut self, items: &[Admitted]) {
        let alike = |one: &Admitted, other: &Admitted| {
            one.lane() == other.lane() && one.target() == other.target()
        };
        let mut many: BTreeMap<(Lane, &TargetName), usize> = BTreeMap::new();
        for some in items.chunk_by(alike) {
            if let Some(first) = some.first() {
                *many.entry((first.lane(), first.target())).or_default() += some.len();
            }
        }
        for ((lane, target), many) in many {
            let lane = self.lanes.entry((lane, target.clone())).or_default();
            lane.reserve_exact(many);
        }
    }

    /// Puts an item behind all of at least its priority.
    pub fn push(&mut self, item: Admitted) {
        self.oldest = [self.oldest, item.facts_from()].into_iter().flatten().min();
        self.ends = self.ends.into_iter().chain([item.ends()]).min();
        let lane = self
            .lanes
            .entry((item.lane(), item.target().clone()))
            .or_default();
        // arrivals are mostly in order, so looking from the back is short
        let at = lane
            .iter()
            .rposition(|have| have.priority() >= item.priority())
            .map_or(0, |at| at + 1);
        lane.insert(at, item);
    }

    /// The lanes that hold something, revokes and disables first.
    pub fn waiting(&self) -> Vec<(Lane, TargetName)> {
        self.lanes
            .iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The lanes that hold something, and how many items each.
    pub fn lanes(&self) -> impl Iterator<Item = (Lane, &TargetName, usize)> {
        let filled = self.lanes.iter().filter(|(_, items)| !items.is_empty());
        filled.map(|((lane, target), items)| (*lane, target, items.len()))
    }

    /// How many items wait in all.
    pub fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.values().all(VecDeque::is_empty)
    }

    /// Takes up to `max` items of one action and one login from a lane, at most one per account and none whose
    /// account is busy (invariant 8: at most one write in flight within an account). An item that is
    /// not found busy is taken, or its account is by one that was picked before. What is not taken
    /// stays in its order.
    pub fn take(
        &mut self,
        lane: Lane,
        target: &TargetName,
        max: usize,
        sender: &dyn Fn(&Admitted) -> Option<Login>,
        busy: &dyn Fn(&Admitted, &ProcessKey) -> bool,
    ) -> Option<Pick> {
        let items = self.lanes.get_mut(&(lane, target.clone()))?;
        let many = max.min(items.len());
        let mut accounts: FastSet<ProcessKey> = FastSet::default();
        let mut lineages: FastSet<LineageId> = FastSet::default();
        accounts.reserve(many);
        lineages.reserve(many);
        let mut first: Option<(ActionName, Option<Login>)> = None;
        let mut taken = Vec::with_capacity(many);
        let mut kept = VecDeque::new();
        while let Some(item) = items.pop_front() {
            let name = item.action().name();
            let login = sender(&item);
            // one that may have failed a whole request goes out by itself, so that the rest goes on
            let alone = item.goes_alone();
            let fits = taken.len() < max
                && (!alone || taken.is_empty())
                && first
                    .as_ref()
                    .is_none_or(|(action, by)| *action == name && *by == login)
                && lineages.insert(item.decision().lineage)
                && item
                    .process()
                    .is_none_or(|key| !busy(&item, key) && accounts.insert(key.clone()));
            if fits {
                first.get_or_insert((name, login));
                taken.push(item);
            } else {
                kept.push_back(item);
            }
            if taken.len() >= max || (fits && alone) {
                break;
            }
        }
        // mostly none: what was passed over goes before the rest again
        while let Some(item) = kept.pop_back() {
            items.push_front(item);
        }
        if items.is_empty() {
            // of very many the place is wanted for what is recorded of them
            *items = VecDeque::new();
        }
        first.map(|(action, login)| Pick {
            action,
            login,
            items: taken,
        })
    }

    /// Drops the retries of a definition that OIG has just called "not automated", and says how many they were.
    pub fn drop_retries_of(&mut self, definition: &DefinitionId) -> usize {
        let before = self.len();
        for items in self.lanes.values_mut() {
            items.retain(|item| {
                item.action().name() != ActionName::Retry
                    || item.decision().definition.as_ref() != Some(definition)
            });
        }
        before - self.len()
    }

    /// Drops what meets the condition, and answers it.
    pub fn drop_where(&mut self, unwanted: impl Fn(&Admitted) -> bool) -> Vec<Admitted> {
        let mut dropped = Vec::new();
        for items in self.lanes.values_mut() {
            if !items.iter().any(&unwanted) {
                continue;
            }
            let (out, kept) = std::mem::take(items).into_iter().partition(&unwanted);
            *items = kept;
            dropped.extend::<VecDeque<Admitted>>(out);
        }
        self.oldest = self.iter().filter_map(Admitted::facts_from).min();
        self.ends = self.iter().map(Admitted::ends).min();
        dropped
    }

    /// A time that no item's facts are older than. Looking at every item with every PUT would make a
    /// large queue cost its square.
    pub fn oldest_facts(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// A time before which nothing ends that an item rests on.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends
    }

    /// All that waits.
    pub fn iter(&self) -> impl Iterator<Item = &Admitted> {
        self.lanes.values().flatten()
    }

    /// Empties all queues; a new cycle proposes anew what is still wanted.
    pub fn clear(&mut self) -> Vec<Admitted> {
        self.oldest = None;
        std::mem::take(&mut self.lanes)
            .into_values()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Action, Answer, Decision, Digest, Kind, PolicyHash, TaskId};

    fn item(lineage: u64, process: u8, target: u8, retry: bool) -> Admitted {
        let action = if retry {
            Action::Retry
        } else {
            Action::SetNote {
                text: Arc::from("n"),
            }
        };
        let target = TargetName::new(&format!("T{target}"));
        let decision = Decision {
            task: TaskId::new(&lineage.to_string()),
            lineage: LineageId(lineage),
            target: Some(target.clone()),
            process: Some(ProcessKey::new(&process.to_string())),
            definition: None,
            kind: Kind::Change,
            answer: Arc::new(Answer {
                verdict: None,
                policy: None,
                line: None,
                hash: PolicyHash::new("h"),
                fault: None,
            }),
            inputs: Digest::new("d"),
            moment: None,
            read: Arc::default(),
            due: None,
            version: 0,
        };
        Admitted::for_test(decision, action, target)
    }

    proptest! {
        #[test]
        fn batches_lose_and_duplicate_nothing_and_hold_one_item_an_account(
            rows in proptest::collection::vec((0u8..6, 0u8..3, any::<bool>()), 0..60),
            max in 1usize..10,
        ) {
            let mut queues = Queues::default();
            for (n, (process, target, retry)) in rows.iter().enumerate() {
                queues.push(item(u64::try_from(n).expect("small"), *process, *target, *retry));
            }
            let mut seen = Vec::new();
            while !queues.is_empty() {
                for (lane, target) in queues.waiting() {
                    let pick = queues.take(lane, &target, max, &|_| None, &|_, _| false).expect("something waits");
                    prop_assert!(!pick.items.is_empty() && pick.items.len() <= max);
                    let mut accounts = std::collections::HashSet::new();
                    for item in pick.items {
                        prop_assert_eq!(item.action().name(), pick.action);
                        prop_assert_eq!(item.target(), &target);
                        prop_assert!(accounts.insert(item.process().cloned()));
                        seen.push(item.decision().lineage.0);
                    }
                }
            }
            seen.sort_unstable();
            let all: Vec<u64> = (0..u64::try_from(rows.len()).expect("small")).collect();
            prop_assert_eq!(seen, all);
        }
    }

    #[test]
    fn what_has_failed_with_a_whole_request_goes_out_by_itself_and_the_rest_goes_on() {
        let mut queues = Queues::default();
        for n in 1..=5 {
            let item = item(n, u8::try_from(n).expect("small"), 0, true);
            queues.push(if n % 2 == 0 { item.sent_alone() } else { item });
        }
        let target = TargetName::new("T0");
        let mut sent = Vec::new();
        while let Some(pick) = queues.take(Lane::Usual, &target, 10, &|_| None, &|_, _| false) {
            let ids: Vec<u64> = pick.items.iter().map(|i| i.decision().lineage.0).collect();
            sent.push(ids);
        }
        assert_eq!(sent, [vec![1, 3, 5], vec![2], vec![4]]);
    }

    #[test]
    fn a_request_holds_what_one_login_sends_and_others_keep_their_turn() {
        let mut queues = Queues::default();
        for n in 1..=5 {
            queues.push(item(n, u8::try_from(n).expect("small"), 0, true));
        }
        let target = TargetName::new("T0");
        let other = Login::new("OTHER");
        let sender = |item: &Admitted| {
            item.decision()
                .lineage
                .0
                .is_multiple_of(2)
                .then(|| other.clone())
        };
        let mut sent = Vec::new();
        while let Some(pick) = queues.take(Lane::Usual, &target, 10, &sender, &|_, _| false) {
            let ids: Vec<u64> = pick.items.iter().map(|i| i.decision().lineage.0).collect();
            sent.push((pick.login, ids));
        }
        assert_eq!(sent, [(None, vec![1, 3, 5]), (Some(other), vec![2, 4])]);
    }

    #[test]
    fn a_busy_account_stays_in_the_queue() {
        let mut queues = Queues::default();
        queues.push(item(1, 7, 0, true));
        let target = TargetName::new("T0");
        assert!(
            queues
                .take(Lane::Usual, &target, 5, &|_| None, &|_, key| key.as_str()
                    == "7")
                .is_none()
        );
        assert_eq!(queues.len(), 1);
    }
}
