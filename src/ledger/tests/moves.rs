//! Every pair of state and event, through the ledger's own doors: what the table has is recorded, everything else is refused and changes nothing; no disk.

use super::*;
use crate::ledger::open::without_a_disk;
use crate::model::attempt::next;
use crate::model::{Outcome, attempt};

/// An attempt that was brought into a state by legal moves.
struct Made {
    work: Work,
    index: Arc<RwLock<Index>>,
    lineage: LineageId,
    claimed: super::super::claimed::Claimed,
}

fn answer(event: AttemptEvent) -> Option<ReceiptStatus> {
    Some(match event {
        AttemptEvent::AnsweredSuccess => ReceiptStatus::Accepted,
        AttemptEvent::AnsweredFail => ReceiptStatus::Refused {
            reason: Arc::from("no"),
            manual: false,
        },
        AttemptEvent::NotAnswered => ReceiptStatus::Unknown {
            why: Arc::from("reset"),
        },
        AttemptEvent::ProvenUnsent => ReceiptStatus::Unsent {
            why: Arc::from("no route"),
        },
        _ => return None,
    })
}

/// The events that lead from the claim to a state.
fn way_to(state: AttemptState) -> Vec<AttemptEvent> {
    let mut ways = vec![(AttemptState::Claimed, Vec::new())];
    let mut at = 0;
    while let Some((from, way)) = ways.get(at).cloned() {
        at += 1;
        for (_, on, to) in attempt::MOVES.iter().filter(|(of, _, _)| *of == from) {
            if ways.iter().all(|(known, _)| known != to) {
                let mut longer = way.clone();
                longer.push(*on);
                ways.push((*to, longer));
            }
        }
    }
    let found = ways.into_iter().find(|(of, _)| *of == state);
    found.expect("every state can be reached").1
}

impl Made {
    fn new(state: AttemptState) -> Self {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        let items = vec![admitted(lineage, "90", Action::Retry)];
        let made = work.claim(request(items, 7), at(1)).expect("claimed");
        let claimed = made.batch.expect("one").items.pop().expect("one");
        let mut made = Self {
            work,
            index,
            lineage,
            claimed,
        };
        for event in way_to(state) {
            assert!(made.happen(event).1, "{event:?} on the way to {state}");
        }
        made
    }

    /// Tells the ledger an event; the state after it, and whether it was taken.
    fn happen(&mut self, event: AttemptEvent) -> (Option<AttemptState>, bool) {
        let told = if let Some(status) = answer(event) {
            let receipts = vec![self.claimed.receipt(status, at(2))];
            self.work.settle(receipts, Duration::ZERO, at(2))
        } else {
            let outcomes = vec![self.outcome(event)];
            self.work.conclude(outcomes, &Meta::daemon(at(2), None))
        };
        let told = told.expect("answered");
        (told[0].state, told[0].applied)
    }

    fn outcome(&self, event: AttemptEvent) -> Outcome {
        Outcome {
            lineage: self.lineage,
            ordinal: 1,
            event,
            at: at(2),
            task: None,
            evidence: None,
        }
    }

    fn index(&self) -> Index {
        self.index.read().expect("a lock").clone()
    }

    /// Where the ledger says that the attempt stands.
    fn state(index: &Index, lineage: LineageId) -> AttemptState {
        let history = index.history(lineage, true).expect("known");
        let state = history.last_state.expect("an attempt");
        let counts: Vec<_> = index.counts().iter().filter(|(_, n)| **n > 0).collect();
        assert_eq!(counts, [(&state, &1)], "counted once, as what it is");
        assert_eq!(index.open_attempt(lineage).is_some(), state.is_open());
        let counted = state.counts() && state != AttemptState::Completed;
        assert_eq!(history.attempts, u32::from(counted), "{state}");
        assert_eq!(history.attempts_total, 1);
        state
    }

    /// The journal as a store has it.
    fn stored(&self) -> MemoryStore {
        let store = MemoryStore::default();
        store.append(&self.work.pending).expect("numbers rise");
        store
    }
}

#[test]
fn the_ledger_takes_the_rows_of_the_table_and_refuses_every_other_pair() {
    for state in AttemptState::ALL {
        for event in AttemptEvent::ALL {
            let mut made = Made::new(state);
            assert_eq!(Made::state(&made.index(), made.lineage), state);
            let (before, records) = (made.index(), made.work.pending.len());
            let (found, applied) = made.happen(event);
            match next(state, event) {
                Some(after) => {
                    assert!(applied, "{state} {event:?}");
                    assert_eq!(found, Some(after));
                    assert_eq!(Made::state(&made.index(), made.lineage), after);
                    assert_eq!(made.work.pending.len(), records + 1);
                }
                None => {
                    assert!(!applied, "{state} {event:?} was taken");
                    assert!(made.index() == before, "{state} {event:?} left a trace");
                    assert_eq!(made.work.pending.len(), records);
                }
            }
            let (rebuilt, wrong, _) = replay(&made.stored()).expect("own records");
            assert!(wrong.is_empty() && rebuilt == made.index());
        }
    }
}

#[test]
fn a_record_of_a_move_that_the_table_does_not_have_moves_nothing() {
    for state in AttemptState::ALL {
        for event in AttemptEvent::ALL {
            if next(state, event).is_some() {
                continue;
            }
            let mut made = Made::new(state);
            let items = vec![made.outcome(event)];
            let meta = Meta::daemon(at(2), None);
            made.work
                .emit(&meta, EventBody::Outcomes { items })
                .expect("small");
            assert_eq!(Made::state(&made.index(), made.lineage), state, "{event:?}");
            let (rebuilt, ..) = replay(&made.stored()).expect("own records");
            assert_eq!(Made::state(&rebuilt, made.lineage), state, "{event:?}");
        }
    }
}

#[test]
fn a_start_does_with_each_state_what_the_table_says_and_lets_nothing_open_be_sent() {
    for state in AttemptState::ALL {
        let made = Made::new(state);
        let before = made.index().last_seq();
        let opened = without_a_disk(Arc::new(made.stored()), at(3)).expect("opened");
        let after = next(state, AttemptEvent::Restarted).unwrap_or(state);
        let index = opened.index.read().expect("a lock").clone();
        assert_eq!(Made::state(&index, made.lineage), after);
        assert_eq!(
            opened.report.open_claims,
            usize::from(state.is_open()),
            "{state}"
        );
        let moved = u64::from(after != state);
        assert_eq!(index.last_seq(), before + moved, "{state}");
        assert_eq!(opened.report.found, before, "what it wrote was not found");
        // whatever it is, a second start changes nothing more
        let again = without_a_disk(opened.store, at(4)).expect("opened");
        assert!(*again.index.read().expect("a lock") == index);
        let mut work = Work::new(Arc::clone(&again.index));
        let items = vec![admitted(made.lineage, "90", Action::Retry)];
        let made = work.claim(request(items, 8), at(5)).expect("answered");
        let refused = made.refused.first().map(|(_, refusal)| refusal.reason);
        let expected = match after {
            open if open.is_open() => Some(RefusalReason::AttemptOpen),
            // what somebody else has ended may be carried out yet
            AttemptState::Superseded => Some(RefusalReason::AccountBusy),
            _ => None,
        };
        assert_eq!(refused, expected, "{state}");
    }
}
