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

/// Somebody else retried the same task beside us: his run was read, and the server may carry out ours yet.
#[test]
fn what_was_never_answered_holds_its_account_until_settle_after_though_its_result_was_read() {
    let unknown = || ReceiptStatus::Unknown {
        why: Arc::from("503"),
    };
    let settle_after = delivery().settle_after;
    let process = ProcessKey::new("77");
    let results = [
        (TaskStatus::Completed, AttemptEvent::ReadCompleted),
        (TaskStatus::Rejected, AttemptEvent::ReadBounced),
    ];
    for (answer, late) in [(unknown(), true), (ReceiptStatus::Accepted, false)] {
        for (status, event) in results.clone() {
            let (mut work, index) = core();
            let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
            let lineage = seen.views[0].lineage.expect("opened");
            send(&mut work, lineage, "90", 1, answer.clone());
            let told = see(&mut work, vec![row("1200", status.clone(), "77")], 3);
            assert_eq!(told.outcomes[0].event, event);
            let until = |minute, other: u64, process: Option<&ProcessKey>, revoke| {
                let index = index.read().expect("a lock");
                assert!(!index.is_open_on(&ProcessKey::new("77")));
                index.late_until(process, LineageId(other), revoke, at(minute), settle_after)
            };
            let by = late.then(|| at(16));
            for revoke in [false, true] {
                assert_eq!(
                    until(4, 900, Some(&process), revoke),
                    by,
                    "{status} {revoke}"
                );
                assert_eq!(until(15, 900, Some(&process), revoke), by);
                assert_eq!(until(16, 900, Some(&process), revoke), None);
                assert_eq!(until(4, 900, Some(&ProcessKey::new("78")), revoke), None);
            }
            // a start counts it from itself on, as it does what is open
            work.found_open(at(10));
            assert_eq!(until(17, 900, Some(&process), false), late.then(|| at(25)));
            see(&mut work, vec![row("1200", status, "77")], 25);
            assert_eq!(
                until(24, 900, Some(&process), false),
                None,
                "it is forgotten"
            );
        }
    }
}

/// A start by a clock that was set forward, with a claim of its own on record by then, and a second start.
#[test]
fn what_was_never_answered_is_held_by_each_start_whatever_the_clock_of_the_records_was() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let unknown = ReceiptStatus::Unknown {
        why: Arc::from("503"),
    };
    send(&mut work, lineage, "90", 1, unknown);
    let shown = vec![
        row("1200", TaskStatus::Rejected, "77"),
        row("1300", TaskStatus::Rejected, "78"),
    ];
    let told = see(&mut work, shown[..1].to_vec(), 3);
    assert_eq!(told.outcomes[0].event, AttemptEvent::ReadBounced);
    let settle_after = delivery().settle_after;
    let account = ProcessKey::new("77");
    let until = |minute| {
        let index = index.read().expect("a lock");
        index.late_until(Some(&account), lineage, false, at(minute), settle_after)
    };
    for start in [63, 66] {
        // as a start does that has records to make before it counts
        let meta = Meta::daemon(at(start), None);
        work.emit(&meta, EventBody::Dropped {}).expect("on record");
        work.found_open(at(start));
        assert_eq!(until(start + 1), Some(at(start + 15)));
        see(&mut work, shown.clone(), start + 1);
        assert_eq!(until(start + 2), Some(at(start + 15)));
    }
}

/// Where a row shows no account the piece of work itself is held.
#[test]
fn what_was_never_answered_holds_its_own_work_where_no_account_is_known() {
    let (mut work, index) = core();
    let bare = |id: &str, status| {
        let mut task = row(id, status, "77");
        task.process = None;
        task
    };
    let seen = see(&mut work, vec![bare("90", TaskStatus::Rejected)], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let unknown = ReceiptStatus::Unknown {
        why: Arc::from("503"),
    };
    let mut item = admitted(lineage, "90", Action::Retry).decision().clone();
    item.process = None;
    let item = Admitted::for_test(item, Action::Retry, TargetName::new("Mail"));
    let made = work.claim(request(vec![item], 7), at(1)).expect("claimed");
    let batch = made.batch.expect("a batch");
    let receipt = batch.items[0].receipt(unknown, at(1));
    work.settle(vec![receipt], Duration::ZERO, at(1))
        .expect("settled");
    let result = bare("90", TaskStatus::Completed);
    let told = see(&mut work, vec![result], 3);
    assert_eq!(told.outcomes[0].event, AttemptEvent::ReadCompleted);
    let index = index.read().expect("a lock");
    let settle_after = delivery().settle_after;
    let until = |of| index.late_until(None, of, false, at(4), settle_after);
    assert_eq!(until(lineage), Some(at(16)));
    assert_eq!(until(LineageId(900)), None);
}

/// What its successor is in doubt about may still be carried out: a revoke that ran before would be undone.
#[test]
fn an_ambiguous_grant_holds_a_revoke_as_long_as_it_may_still_be_carried_out() {
    let unknown = || ReceiptStatus::Unknown {
        why: Arc::from("503"),
    };
    for answer in [unknown(), ReceiptStatus::Accepted] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        send(&mut work, lineage, "90", 1, answer);
        let two = ["1200", "1201"].map(|id| row(id, TaskStatus::Rejected, "77"));
        let told = (2..6).find_map(|minute| {
            let seen = see(&mut work, two.to_vec(), minute);
            seen.outcomes.first().map(|outcome| outcome.event)
        });
        assert_eq!(told, Some(AttemptEvent::ReadAmbiguous));
        let index = index.read().expect("a lock");
        let account = ProcessKey::new("77");
        let held = |minute| index.on_the_way(&account, at(minute), delivery().settle_after);
        assert_eq!((held(7), held(16)), (true, false));
    }
}

/// The successor is shown under another account, or under none.
#[test]
fn what_was_never_answered_holds_its_own_work_under_whatever_account_it_goes_on() {
    let unknown = ReceiptStatus::Unknown {
        why: Arc::from("503"),
    };
    for process in [None, Some(ProcessKey::new("78"))] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        send(&mut work, lineage, "90", 1, unknown.clone());
        let mut next = row("1200", TaskStatus::Rejected, "77");
        next.process = process.clone();
        next.retry_of = Some(TaskId::new("90"));
        for minute in 2..6 {
            see(&mut work, vec![next.clone()], minute);
        }
        // the elder is no stranger either, where its account shows it once more
        let finished = row("90", TaskStatus::UnsuccessfullyCompleted, "77");
        see(&mut work, vec![next.clone(), finished], 6);
        let index = index.read().expect("a lock");
        assert!(index.other_world().is_none() && !index.is_ambiguous(lineage));
        assert_eq!(index.lineage_of(&TaskId::new("1200")), Some(lineage));
        assert_eq!(index.lineage_of(&TaskId::new("90")), Some(lineage));
        assert!(index.open_attempt(lineage).is_none(), "it was told");
        let settle_after = delivery().settle_after;
        let until = index.late_until(process.as_ref(), lineage, false, at(7), settle_after);
        assert_eq!(until, Some(at(16)), "{process:?}");
    }
}
