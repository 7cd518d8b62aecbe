//! More siblings than one record holds, retried at once: nobody can tell whose successor is whose, all of it goes on record, and a restart in the middle leaves none of them free of doubt; no disk.

use super::*;
use crate::ledger::record::MAX_RECORD;

/// So many that their numbers alone are larger than a record.
const MANY: u64 = 1_700;

fn crowd(from: u64) -> Vec<Task> {
    (from..from + MANY)
        .map(|id| row(&id.to_string(), TaskStatus::Rejected, "77"))
        .collect()
}

/// Every one of them is the present id of a lineage about which a person has to decide.
fn in_doubt(index: &Index, from: u64) -> u64 {
    let of = |id: u64| index.lineage_of(&TaskId::new(&id.to_string()));
    let doubtful = |id: &u64| of(*id).is_some_and(|lineage| index.is_ambiguous(lineage));
    (from..from + MANY).filter(doubtful).map(|_| 1).sum()
}

/// The first is seen, some of it is sent, and at once all of it is there under new ids.
fn retried_at_once() -> (Work, Arc<RwLock<Index>>, usize) {
    let (mut work, index) = core();
    let seen = see(&mut work, crowd(1_000), 0);
    for (n, id) in (0..3).zip(1_000_u64..) {
        let lineage = seen.views[n].lineage.expect("opened");
        send(
            &mut work,
            lineage,
            &id.to_string(),
            1,
            ReceiptStatus::Accepted,
        );
    }
    let before = work.pending.len();
    let mut told = 0;
    for minute in 20..26 {
        told += see(&mut work, crowd(10_000), minute).ambiguous;
    }
    assert_eq!(told, MANY, "each of the new ones, once");
    (work, index, before)
}

#[test]
fn more_siblings_than_a_record_holds_are_all_in_doubt() {
    let (work, index, before) = retried_at_once();
    let index = index.read().expect("a lock");
    assert_eq!(in_doubt(&index, 1_000), MANY);
    assert_eq!(in_doubt(&index, 10_000), MANY);
    for lineage in (1..=3).map(LineageId) {
        let attempt = index.open_attempt(lineage).expect("nobody has settled it");
        assert_eq!(attempt.state, AttemptState::Ambiguous);
    }
    let added = &work.pending[before..];
    assert!(added.iter().all(|(_, bytes)| bytes.len() <= MAX_RECORD));
    let bytes: usize = added.iter().map(|(_, bytes)| bytes.len()).sum();
    // a doubt of its own for each would be some 12 MiB
    assert!(bytes < 1 << 20, "{bytes}");
}

/// Siblings of two accounts, mixed in the list: each account's doubt is on record once, and not with each task.
#[test]
fn doubts_about_groups_that_the_list_mixes_do_not_multiply() {
    let many: u64 = 300;
    let mixed = |from: u64| -> Vec<Task> {
        let ids = (from..from + 2 * many).map(|id| (id, ["77", "78"][(id % 2) as usize]));
        ids.map(|(id, account)| row(&id.to_string(), TaskStatus::Rejected, account))
            .collect()
    };
    let (mut work, _) = core();
    let seen = see(&mut work, mixed(1_000), 0);
    for n in 0..4 {
        let lineage = seen.views[n].lineage.expect("opened");
        let id = (1_000 + n).to_string();
        send(&mut work, lineage, &id, 1, ReceiptStatus::Accepted);
    }
    let before = work.pending.len();
    let told: u64 = (20..26)
        .map(|minute| see(&mut work, mixed(10_000), minute).ambiguous)
        .sum();
    assert_eq!(told, 2 * many, "each of the new ones, once");
    let doubts = work.pending[before..].iter().filter(|(_, bytes)| {
        let body = decode(bytes).expect("own bytes").body;
        matches!(body, EventBody::LineageAmbiguous { .. })
    });
    let doubts = doubts.count();
    assert!((2..=20).contains(&doubts), "{doubts} records");
}

#[test]
fn a_restart_within_the_records_of_a_doubt_leaves_nobody_out_of_it() {
    let (work, _, before) = retried_at_once();
    let sorts: Vec<bool> = work.pending[before..]
        .iter()
        .map(|(_, bytes)| {
            let body = decode(bytes).expect("own bytes").body;
            matches!(body, EventBody::LineageAmbiguous { .. })
        })
        .collect();
    let first = sorts.iter().position(|doubt| *doubt).expect("recorded");
    let last = sorts.iter().rposition(|doubt| *doubt).expect("recorded");
    assert!(last > first + 10, "in many pieces");
    let cuts = [
        first,
        first + 1,
        (first + last) / 2,
        last,
        last + 1,
        last + 3,
    ];
    for cut in cuts {
        let store = MemoryStore::default();
        let kept = &work.pending[..before + cut];
        store.append(kept).expect("in memory");
        let (index, wrong, _) = replay(&store).expect("a journal");
        assert!(wrong.is_empty());
        let index = Arc::new(RwLock::new(index));
        let mut again = Work::new(Arc::clone(&index));
        for minute in 40..46 {
            let seen = see(&mut again, crowd(10_000), minute);
            let free =
                |view: &super::super::observe::TaskView| view.lineage.is_some() && !view.ambiguous;
            assert!(!seen.views.iter().any(free), "cut {cut}, minute {minute}");
        }
        let index = index.read().expect("a lock");
        assert_eq!(in_doubt(&index, 1_000), MANY, "cut {cut}");
        assert_eq!(in_doubt(&index, 10_000), MANY, "cut {cut}");
    }
}

#[test]
fn what_is_cut_says_of_each_pair_the_same() {
    let lineages: Vec<LineageId> = (1..=1_800).map(LineageId).collect();
    let long = "x".repeat(60);
    let tasks: Vec<TaskId> = (0..300)
        .map(|n| TaskId::new(&format!("{n}{long}")))
        .collect();
    let (mut work, _) = core();
    let body = EventBody::LineageAmbiguous {
        lineages: lineages.clone(),
        tasks: tasks.clone(),
    };
    work.emit(&Meta::daemon(at(0), None), body).expect("cut");
    let mut pairs = std::collections::HashSet::new();
    for (_, bytes) in &work.pending {
        assert!(bytes.len() <= MAX_RECORD);
        let EventBody::LineageAmbiguous { lineages, tasks } = decode(bytes).expect("own").body
        else {
            panic!("another body");
        };
        for lineage in &lineages {
            for task in &tasks {
                assert!(pairs.insert((*lineage, task.clone())), "nothing doubled");
            }
        }
    }
    assert_eq!(pairs.len(), lineages.len() * tasks.len());
}
