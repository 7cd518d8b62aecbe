//! Writes that were answered 404: what readings then say of them, and when it is the server and not the task; no disk.

use super::*;

fn answered(status: u16) -> ReceiptStatus {
    ReceiptStatus::Unknown {
        why: crate::model::attempt::ended(Some(status), "Not Found"),
    }
}

#[test]
fn a_task_that_somebody_else_has_completed_is_superseded_with_the_404_as_evidence() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 5, answered(404));
    let meta = Meta::daemon(at(6), None);
    let done = Looked::single(lineage, 1, Some(row("90", TaskStatus::Completed, "77")));
    let told = work.looked(vec![done], &delivery(), &meta, at(6));
    let told = told.expect("looked").outcomes.remove(0);
    assert_eq!(told.event, AttemptEvent::ReadSuperseded);
    let evidence = told.evidence.expect("said");
    assert!(
        evidence.contains("completed") && evidence.contains("HTTP 404"),
        "{evidence}"
    );
    let index = index.read().expect("a lock");
    let completed = index.counts().get(&AttemptState::Completed).copied();
    assert_eq!(completed.unwrap_or(0), 0, "it is not our doing");
}

#[test]
fn what_a_404_has_named_and_is_unchanged_was_not_applied_and_counts_as_sent_in_vain() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    for n in 0..3 {
        let from = n * 60;
        send(&mut work, lineage, "90", from + 5, answered(404));
        for minute in [21, 23] {
            see(
                &mut work,
                vec![row("90", TaskStatus::Rejected, "77")],
                from + minute,
            );
        }
    }
    let index = index.read().expect("a lock");
    let history = index.history(lineage, true).expect("known");
    assert_eq!(history.last_state, Some(AttemptState::NotApplied));
    assert_eq!((history.attempts, history.in_vain), (0, 3));
    let last = history.recent.last().and_then(|a| a.reason.clone());
    assert!(last.expect("said").contains("HTTP 404"));
    assert_eq!(index.outage(), None, "one task explains all of them");
}

/// Requests of one task each, each answered with the status, and then read as before.
fn all_fail(tasks: u64, status: u16) -> (Work, Arc<RwLock<Index>>) {
    let (mut work, index) = core();
    let rows = || -> Vec<Task> {
        let of = |n: u64| row(&(90 + n).to_string(), TaskStatus::Rejected, &n.to_string());
        (0..tasks).map(of).collect()
    };
    see(&mut work, rows(), 0);
    for (n, minute) in (0..tasks).zip(5..) {
        let task = (90 + n).to_string();
        let items = vec![admitted(LineageId(n + 1), &task, Action::Retry)];
        let batch = u128::from(n) + 50;
        let made = work
            .claim(request(items, batch), at(minute))
            .expect("claimed");
        let claimed = made.batch.expect("a batch").items.remove(0);
        let receipt = claimed.receipt(answered(status), at(minute));
        work.settle(vec![receipt], Duration::ZERO, at(minute))
            .expect("settled");
    }
    see(&mut work, rows(), 40);
    see(&mut work, rows(), 43);
    (work, index)
}

#[test]
fn an_outage_is_counted_against_none_of_its_tasks() {
    let (mut work, index) = all_fail(6, 500);
    {
        let index = index.read().expect("a lock");
        let outage = index.outage().expect("it is the server");
        assert_eq!((outage.requests, outage.missing), (6, false));
        assert_eq!(outage.since, at(5));
        for n in 1..=6 {
            let history = index.history(LineageId(n), true).expect("known");
            assert_eq!(history.last_state, Some(AttemptState::NotApplied));
            assert_eq!(history.in_vain, 0, "L{n}");
        }
    }
    // one clear answer ends it
    send(&mut work, LineageId(1), "90", 50, ReceiptStatus::Accepted);
    assert_eq!(index.read().expect("a lock").outage(), None);
}

#[test]
fn four_tasks_that_fail_with_nothing_else_are_counted_each() {
    let (_, index) = all_fail(4, 500);
    let index = index.read().expect("a lock");
    assert_eq!(index.outage(), None);
    for n in 1..=4 {
        assert_eq!(index.history(LineageId(n), true).expect("known").in_vain, 1);
    }
}

#[test]
fn a_path_is_missing_only_while_nothing_shows_that_a_write_was_carried_out() {
    let (mut work, index) = all_fail(3, 404);
    let missing = |index: &Arc<RwLock<Index>>| {
        let index = index.read().expect("a lock");
        index.outage().is_some_and(|outage| outage.missing)
    };
    assert!(missing(&index));
    let items = vec![admitted(LineageId(1), "90", Action::Retry)];
    let made = work.claim(request(items, 90), at(50)).expect("claimed");
    let claimed = made.batch.expect("a batch").items.remove(0);
    let receipt = claimed.receipt(answered(404), at(50));
    work.settle(vec![receipt], Duration::ZERO, at(50))
        .expect("settled");
    assert!(missing(&index));
    see(&mut work, vec![row("90", TaskStatus::Pending, "0")], 52);
    assert!(!missing(&index), "it runs: the path is there");
}
