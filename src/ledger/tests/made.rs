//! Decisions that are put into bytes before their turn has come: the index of that turn says which are recorded; no disk.

use super::*;
use crate::ledger::notes::Made;

fn rests(lineage: LineageId, task: &str) -> crate::ledger::DecisionRecord {
    crate::ledger::DecisionRecord {
        decision: Arc::new(admitted(lineage, task, Action::Retry).decision().clone()),
        refusal: None,
        relook: None,
    }
}

#[test]
fn what_was_recorded_meanwhile_is_not_recorded_again_although_its_bytes_are_there() {
    let mut work = Work::new(Arc::default());
    let rows = vec![
        row("90", TaskStatus::Rejected, "90"),
        row("91", TaskStatus::Rejected, "91"),
    ];
    let seen = see(&mut work, rows, 0);
    let lineages = seen.views.iter().map(|view| view.lineage.expect("opened"));
    let [one, other] = lineages.collect::<Vec<_>>()[..] else {
        panic!("two")
    };
    let cycle = CycleId(uuid::Uuid::from_u128(1));
    // both were put together when neither was on record
    let first = Made::of(vec![rests(one, "90")], |_| true);
    let second = Made::of(vec![rests(one, "90"), rests(other, "91")], |_| true);
    let count = work.decided(first, cycle, at(1)).expect("recorded");
    assert_eq!((count.recorded, count.unchanged), (1, 0));
    let before = work.index().last_seq();
    let count = work.decided(second, cycle, at(2)).expect("recorded");
    assert_eq!((count.recorded, count.unchanged), (1, 1));
    let memo = |lineage| work.index().memo(lineage).expect("on record").seq;
    assert_eq!((memo(one), memo(other)), (before, before + 1));
    // and what seemed to stand, and does not, is
    let anew = Made::of(vec![rests(other, "92")], |_| false);
    let count = work.decided(anew, cycle, at(3)).expect("recorded");
    assert_eq!(count.recorded, 1);
}
