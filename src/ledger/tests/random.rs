//! Random worlds: whatever is shown, claimed and answered, replaying the journal rebuilds the index, and no move is illegal; no disk.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::model::attempt::next;

/// One step of a random world.
#[derive(Clone, Debug)]
enum Step {
    See(Vec<(u8, u8)>),
    Claim(u8),
    Answer(u8),
    Look(u8, u8),
    Person(u8),
    Reset(u8),
    Rewind,
    TakeNote(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => proptest::collection::vec((0u8..12, 0u8..5), 0..6).prop_map(Step::See),
        3 => (0u8..8).prop_map(Step::Claim),
        2 => (0u8..4).prop_map(Step::Answer),
        1 => (0u8..8, 0u8..5).prop_map(|(a, b)| Step::Look(a, b)),
        1 => (0u8..8).prop_map(Step::Person),
        1 => (0u8..8).prop_map(Step::Reset),
        1 => Just(Step::Rewind),
        1 => (0u8..8).prop_map(Step::TakeNote),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Task `n` of the random world: two accounts, ids rising.
fn random_row(n: u8, state: u8) -> Task {
    let process = if n.is_multiple_of(2) { "1" } else { "2" };
    row(&(u32::from(n) + 100).to_string(), status(state), process)
}

fn run(work: &mut Work, step: &Step, minute: i64, held: &mut Vec<Receipt>) {
    let now = at(minute);
    let actor = Actor::Person {
        uid: 7,
        name: Arc::from("ann"),
    };
    match step {
        Step::See(rows) => {
            let unique: BTreeMap<u8, u8> = rows.iter().copied().collect();
            let tasks = unique.iter().map(|(n, s)| random_row(*n, *s)).collect();
            see(work, tasks, minute);
        }
        Step::Claim(n) => {
            let lineage = LineageId(u64::from(*n) + 1);
            let Some(task) = work.index().current_task(lineage) else {
                return;
            };
            let item = admitted(lineage, task.as_str(), Action::Retry);
            let made = work
                .claim(request(vec![item], u128::from(*n)), now)
                .expect("answered");
            if let Some(batch) = made.batch {
                held.push(batch.items[0].receipt(ReceiptStatus::Accepted, now));
            }
        }
        Step::Answer(how) => {
            let Some(mut receipt) = held.pop() else {
                return;
            };
            receipt.status = match how {
                0 => ReceiptStatus::Accepted,
                1 => ReceiptStatus::Unknown {
                    why: Arc::from("reset"),
                },
                2 => ReceiptStatus::Unsent {
                    why: Arc::from("refused"),
                },
                _ => ReceiptStatus::Refused {
                    reason: Arc::from("no"),
                    manual: false,
                },
            };
            work.settle(vec![receipt], Duration::ZERO, now)
                .expect("settled");
        }
        Step::Look(n, state) => {
            let lineage = LineageId(u64::from(*n) + 1);
            let found = work.index().attempt(lineage).map(|a| a.ordinal);
            let task = work.index().current_task(lineage);
            if let (Some(ordinal), Some(task)) = (found, task) {
                let shown = (*state > 0).then(|| row(task.as_str(), status(*state), "1"));
                let looked = Looked::single(lineage, ordinal, shown);
                let meta = Meta::daemon(now, None);
                work.looked(vec![looked], &delivery(), &meta, now)
                    .expect("looked");
            }
        }
        Step::Rewind => {
            let body = EventBody::StoreRewound {
                expected: 9,
                found: 8,
                damage: None,
                restored: None,
                lineages: Vec::new(),
            };
            work.emit(&Meta::by(Actor::System, now), body)
                .expect("small");
        }
        Step::TakeNote(n) => {
            let body = EventBody::LineagesLeft {
                lineages: vec![LineageId(u64::from(*n) + 1)],
                lost: false,
                reason: Some(Arc::from("seen")),
            };
            work.emit(&Meta::by(actor, now), body).expect("small");
        }
        Step::Person(n) | Step::Reset(n) => {
            let lineage = LineageId(u64::from(*n) + 1);
            let reason = Arc::from("asked");
            let body = EventBody::EpisodeReset { lineage, reason };
            work.emit(&Meta::by(actor, now), body).expect("small");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn replaying_the_journal_rebuilds_the_index_and_no_lineage_has_two_open_attempts(steps in steps()) {
        let (mut work, index) = core();
        let mut held = Vec::new();
        for (n, step) in (1i64..).zip(&steps) {
            run(&mut work, step, n * 7, &mut held);
        }
        let store = MemoryStore::default();
        store.append(&work.pending).expect("numbers rise");
        let (rebuilt, wrong, _) = replay(&store).expect("own records");
        prop_assert!(wrong.is_empty(), "{wrong:?}");
        prop_assert!(*index.read().expect("a lock") == rebuilt);
        for lineage in (1..=rebuilt.lineages()).map(LineageId) {
            let left = rebuilt.left(lineage).is_some();
            prop_assert!(!left || rebuilt.attempt(lineage).is_none(), "{lineage} has an attempt");
            prop_assert!(!left || !rebuilt.is_done(lineage), "{lineage} is done");
            prop_assert_eq!(left, rebuilt.has_left(lineage), "{} by flag and by map", lineage);
        }
        // judged from the journal alone, by the table of moves
        let mut states: HashMap<(LineageId, u32), AttemptState> = HashMap::new();
        for (_, bytes) in &work.pending {
            match decode(bytes).expect("own record").body {
                EventBody::Claims { items, .. } => for item in items {
                    let open = states.iter().any(|((l, _), s)| *l == item.lineage && s.is_open());
                    prop_assert!(!open, "{} claimed while an attempt is open", item.lineage);
                    let before = states.insert((item.lineage, item.ordinal), AttemptState::Claimed);
                    prop_assert_eq!(before, None);
                },
                EventBody::Receipts { items, .. } => for item in items {
                    let key = (item.lineage, item.ordinal);
                    let after = next(states[&key], item.status.event());
                    prop_assert!(after.is_some());
                    states.insert(key, after.expect("checked"));
                },
                EventBody::Outcomes { items } => for item in items {
                    let key = (item.lineage, item.ordinal);
                    let after = next(states[&key], item.event);
                    prop_assert!(after.is_some(), "{:?} after {:?}", item.event, states[&key]);
                    states.insert(key, after.expect("checked"));
                },
                _ => {}
            }
        }
    }
}
