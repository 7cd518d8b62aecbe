//! What may still be on its way holds a revoke, and what only waits to be read back does not; no disk.

use super::*;
use crate::model::Principal;

/// Whether a revoke of the account waits, while the request flies and after its answer.
fn holds(action: Action, kind: Kind, answer: ReceiptStatus) -> (bool, bool) {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let mut decision = admitted(lineage, "90", action.clone()).decision().clone();
    decision.kind = kind;
    let item = Admitted::for_test(decision, action, TargetName::new("Mail"));
    let made = work.claim(request(vec![item], 9), at(1)).expect("claimed");
    let batch = made.batch.expect("a batch");
    let settle_after = delivery().settle_after;
    let held = |minute: i64| {
        let index = index.read().expect("a lock");
        index.on_the_way(&ProcessKey::new("77"), at(minute), settle_after)
    };
    let flying = held(2);
    let receipt = batch.items[0].receipt(answer, at(3));
    work.settle(vec![receipt], Duration::ZERO, at(3))
        .expect("settled");
    assert!(!held(16), "never for longer than `settle_after`");
    (flying, held(4))
}

#[test]
fn only_what_may_be_moving_access_holds_a_revoke_after_its_answer() {
    let unknown = || ReceiptStatus::Unknown {
        why: Arc::from("reset"),
    };
    let to = Principal::Role {
        key: None,
        name: Arc::from("OPERATORS"),
    };
    let text: Arc<str> = Arc::from("looked at");
    let code = Arc::from("OK");
    // what depends on a task that is answered or completed by hand is set going by it
    let others = [
        (Action::SetNote { text }, false),
        (Action::Reassign { to }, false),
        (Action::SetResponse { code }, true),
        (Action::ManualComplete, true),
    ];
    for answer in [ReceiptStatus::Accepted, unknown()] {
        for (action, waits) in others.clone() {
            let name = action.name();
            let found = holds(action, Kind::Grant, answer.clone());
            assert_eq!(found, (true, waits), "{name} {answer:?}");
        }
        for (kind, waits) in [
            (Kind::Grant, true),
            (Kind::Revoke, true),
            (Kind::Unknown, true),
            (Kind::Notify, false),
        ] {
            let found = holds(Action::Retry, kind, answer.clone());
            assert_eq!(found, (true, waits), "{kind} {answer:?}");
        }
    }
}

/// The successor of a grant waits for its connector: a revoke that ran before it would be undone by it.
#[test]
fn what_is_pending_holds_a_revoke_as_long_as_what_is_accepted() {
    for (kind, holds) in [(Kind::Grant, true), (Kind::Notify, false)] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        let mut decision = admitted(lineage, "90", Action::Retry).decision().clone();
        decision.kind = kind;
        let item = Admitted::for_test(decision, Action::Retry, TargetName::new("Mail"));
        let made = work.claim(request(vec![item], 9), at(1)).expect("claimed");
        let batch = made.batch.expect("a batch");
        let receipt = batch.items[0].receipt(ReceiptStatus::Accepted, at(1));
        work.settle(vec![receipt], Duration::ZERO, at(1))
            .expect("settled");
        let told = see(&mut work, vec![row("1200", TaskStatus::Pending, "77")], 3);
        assert_eq!(told.outcomes[0].event, AttemptEvent::ReadPending);
        let index = index.read().expect("a lock");
        let held =
            |minute| index.on_the_way(&ProcessKey::new("77"), at(minute), delivery().settle_after);
        assert_eq!((held(4), held(16)), (holds, false), "{kind}");
    }
}
