//! How approvals are used up: each act that was claimed goes once, and what never was is not used.

use crate::governor::{Admitted, Census, Governed, Governor, Hold, HoldStatus, Leaving, Standing};
use crate::model::{ActionName, Kind, Refusal, RefusalReason, Scope, TaskId};

use super::fixture::{at, governor, history, modes, settings, target, to_stand_in, wish};

fn cycle(governor: &mut Governor, now: i64, many: u64) -> Governed {
    governor.begin_cycle(at(now), &Census::default(), Standing::good(), at(now + 300));
    let wanted = (1..=many).map(|n| wish(n, to_stand_in(), Kind::Grant));
    governor.govern(at(now), wanted.collect(), &history)
}

/// Five hand-overs are held, and a person says yes.
fn approved() -> Governor {
    let mut governor = governor();
    let out = cycle(&mut governor, 0, 5);
    let live = "aa11".into();
    governor
        .approve(at(1), &out.holds[0].id, "ops", &live, false)
        .expect("it is open");
    governor
}

/// All of a batch that left were claimed, but for so many.
fn ends(governor: &mut Governor, now: i64, out: Governed, leaving: &Leaving, refused: usize) {
    let withdrawn = |item: Admitted| {
        let scope = Scope::Task(item.decision().task.clone());
        (item, Refusal::new(RefusalReason::Withdrawn, scope))
    };
    let refused = out.admitted.into_iter().take(refused);
    let refused: Vec<_> = refused.map(withdrawn).collect();
    governor.claimed(at(now), &target(), leaving, &refused);
}

fn used(governor: &Governor) -> usize {
    let holds = governor.holds(at(0));
    let yes = |hold: &&Hold| matches!(hold.status, HoldStatus::Approved { .. });
    holds.iter().filter(yes).map(|hold| hold.used.len()).sum()
}

#[test]
fn what_was_withdrawn_before_its_claim_goes_by_the_same_approval() {
    let mut governor = approved();
    let first = cycle(&mut governor, 10, 5);
    assert_eq!(first.admitted.len(), 5);
    let leaving = governor.counts(at(10), &first.admitted);
    // a cycle that comes meanwhile wants it still, and asks nobody
    let out = cycle(&mut governor, 11, 5);
    assert_eq!((out.admitted.len(), out.holds.len()), (5, 0));
    assert_eq!(used(&governor), 0, "nothing is claimed");
    // three of them were taken back, and leave once more before that is told
    let again = governor.counts(at(12), &out.admitted[..3]);
    ends(&mut governor, 13, first, &leaving, 3);
    assert_eq!(used(&governor), 2);
    let next = cycle(&mut governor, 14, 3);
    assert_eq!((next.admitted.len(), next.holds.len()), (3, 0));
    ends(&mut governor, 15, next, &again, 0);
    assert_eq!(used(&governor), 5);
    let out = cycle(&mut governor, 16, 5);
    assert_eq!((out.admitted.len(), out.holds.len()), (0, 1), "each once");
}

#[test]
fn what_has_left_counts_as_used_after_a_kill() {
    let mut governor = approved();
    let out = cycle(&mut governor, 10, 5);
    let _leaving = governor.counts(at(10), &out.admitted[..4]);
    let text = serde_json::to_string(&governor.state()).expect("it can be stored");
    let state = serde_json::from_str(&text).expect("it can be read");
    let mut again = Governor::new(settings(), modes(), Some(state), at(20));
    assert_eq!(used(&again), 4);
    // and what was claimed after that as well
    again.recount_used(ActionName::Reassign, &target(), &TaskId::new("5"));
    let out = cycle(&mut again, 21, 5);
    assert_eq!((out.admitted.len(), out.holds.len()), (0, 1));
}

#[test]
fn an_approval_that_comes_after_they_have_left_is_used_up_as_well() {
    let mut governor = approved();
    let out = cycle(&mut governor, 10, 5);
    let leaving = governor.counts(at(10), &out.admitted);
    let holds = governor.holds(at(11));
    governor
        .approve(at(11), &holds[0].id, "ops", &"aa11".into(), false)
        .expect("it is known");
    ends(&mut governor, 12, out, &leaving, 0);
    assert_eq!(used(&governor), 5);
    assert_eq!(cycle(&mut governor, 13, 5).admitted.len(), 0);
}
