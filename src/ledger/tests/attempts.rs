//! The life of an attempt by lists and readings: what settles it, what does not, and what is never claimed; no disk.

use super::*;

#[test]
fn a_bounced_retry_is_the_same_work_under_a_new_id() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    let seen = see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 3);
    assert_eq!(seen.views[0].lineage, Some(lineage));
    assert_eq!(seen.joined, 1);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    let index = index.read().expect("a lock");
    let history = index.history(lineage, true).expect("known");
    assert_eq!(history.attempts, 1);
    assert_eq!(history.ids, [TaskId::new("90"), TaskId::new("1200")]);
    assert!(index.open_attempt(lineage).is_none());
}

#[test]
fn accepted_is_completed_only_once_completion_was_read() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    let count = |state| {
        *index
            .read()
            .expect("a lock")
            .counts()
            .get(&state)
            .unwrap_or(&0)
    };
    assert_eq!(
        (
            count(AttemptState::Accepted),
            count(AttemptState::Completed)
        ),
        (1, 0)
    );
    let seen = see(&mut work, vec![row("1200", TaskStatus::Pending, "77")], 3);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadPending);
    // it leaves the list: nothing is concluded until it is read by id
    let seen = see(&mut work, vec![], 30);
    assert!(seen.outcomes.is_empty());
    assert_eq!(seen.to_verify[0].task, TaskId::new("1200"));
    let read = Looked::single(lineage, 1, Some(row("1200", TaskStatus::Completed, "77")));
    let told = work
        .looked(vec![read], &delivery(), &Meta::daemon(at(31), None), at(31))
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadCompleted);
    assert_eq!(
        (
            count(AttemptState::Accepted),
            count(AttemptState::Completed)
        ),
        (0, 1)
    );
    let history = index
        .read()
        .expect("a lock")
        .history(lineage, true)
        .expect("known");
    assert_eq!((history.attempts, history.attempts_total), (0, 1));
}

/// A retry that is read unchanged again and again: what it ends as, and what counts.
fn unchanged(status: ReceiptStatus) -> (AttemptEvent, u32, u32) {
    let (mut work, index) = core();
    let same = || vec![row("90", TaskStatus::Rejected, "77")];
    let seen = see(&mut work, same(), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, status);
    for minute in [2, 5, 15] {
        assert!(see(&mut work, same(), minute).outcomes.is_empty());
    }
    assert!(see(&mut work, same(), 17).outcomes.is_empty());
    let seen = see(&mut work, same(), 19);
    let history = index
        .read()
        .expect("a lock")
        .history(lineage, true)
        .expect("known");
    (
        seen.outcomes[0].event,
        history.attempts,
        history.attempts_total,
    )
}

#[test]
fn an_unchanged_task_proves_nothing_before_its_time_and_not_by_one_reading() {
    let unanswered = ReceiptStatus::Unknown {
        why: Arc::from("the connection broke"),
    };
    assert_eq!(unchanged(unanswered), (AttemptEvent::ReadUnchanged, 0, 1));
}

#[test]
fn an_accepted_retry_that_leaves_the_task_as_it_was_counts() {
    assert_eq!(
        unchanged(ReceiptStatus::Accepted),
        (AttemptEvent::ReadBounced, 1, 1)
    );
}

#[test]
fn a_list_that_was_read_before_the_send_proves_nothing_however_late_it_comes_in() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    for late in [60, 90, 120] {
        // read at minute 0, before the send at minute 1
        let stale = sighting(vec![row("90", TaskStatus::Rejected, "77")], 0);
        let seen = work.observe(&stale, at(late)).expect("a pass");
        assert!(seen.outcomes.is_empty());
    }
    let index = index.read().expect("a lock");
    assert!(index.open_attempt(lineage).is_some());
}

#[test]
fn a_new_reason_on_the_same_id_is_a_bounce() {
    let (mut work, _) = core();
    retried(&mut work);
    let mut again = row("90", TaskStatus::Rejected, "77");
    again.reason = Some(Arc::from("account locked"));
    let seen = see(&mut work, vec![again], 3);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    assert_eq!(seen.outcomes[0].evidence.as_deref(), Some("account locked"));
}

#[test]
fn a_vanished_id_says_nothing_until_it_was_looked_for() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    for minute in [2, 20, 22] {
        assert!(see(&mut work, vec![], minute).outcomes.is_empty());
    }
    let read = Looked::single(lineage, 1, None);
    let told = work
        .looked(vec![read], &delivery(), &Meta::daemon(at(23), None), at(23))
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadGone);
    // hours later the successor shows up after all
    let seen = see(
        &mut work,
        vec![row("5000", TaskStatus::Rejected, "77")],
        600,
    );
    assert_eq!(seen.views[0].lineage, Some(lineage));
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    let history = index
        .read()
        .expect("a lock")
        .history(lineage, true)
        .expect("known");
    assert_eq!(history.attempts, 1);
}

#[test]
fn a_successor_that_the_list_hides_is_found_in_its_process() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![], 2);
    let tasks = vec![
        row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
        row("1200", TaskStatus::Completed, "77"),
    ];
    let told = work
        .looked(
            vec![Looked::process(lineage, 1, tasks)],
            &delivery(),
            &Meta::daemon(at(4), None),
            at(4),
        )
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadCompleted);
    assert_eq!(told[0].task, Some(TaskId::new("1200")));
}

#[test]
fn siblings_that_can_not_be_told_apart_go_to_a_person() {
    let (mut work, index) = core();
    let rows = |a: &str, b: &str| {
        vec![
            row(a, TaskStatus::Rejected, "77"),
            row(b, TaskStatus::Rejected, "77"),
        ]
    };
    let seen = see(&mut work, rows("90", "91"), 0);
    let ids: Vec<LineageId> = seen.views.iter().filter_map(|v| v.lineage).collect();
    assert_eq!(ids, [LineageId(1), LineageId(2)]);
    send(&mut work, ids[0], "90", 1, ReceiptStatus::Accepted);
    send(&mut work, ids[1], "91", 1, ReceiptStatus::Accepted);
    let seen = see(&mut work, rows("1200", "1201"), 3);
    assert_eq!(seen.joined, 0);
    assert!(seen.views.iter().all(|v| v.ambiguous));
    assert!(
        seen.outcomes
            .iter()
            .all(|o| o.event == AttemptEvent::ReadAmbiguous)
    );
    let new = seen.views[0].lineage.expect("its own lineage");
    let refused = work
        .claim(
            request(vec![admitted(new, "1200", Action::Retry)], 8),
            at(4),
        )
        .expect("answered")
        .refused;
    assert_eq!(refused[0].1.reason, RefusalReason::LineageAmbiguous);
    let many = index.read().expect("a lock").inbox(at(-9999)).len();
    assert_eq!(many, 4);
}

#[test]
fn nothing_is_claimed_twice_and_nothing_under_an_old_id() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    let again = |work: &mut Work, task: &str| {
        let made = work
            .claim(
                request(vec![admitted(lineage, task, Action::Retry)], 9),
                at(5),
            )
            .expect("answered");
        made.refused.first().map(|(_, r)| r.reason)
    };
    assert_eq!(again(&mut work, "90"), Some(RefusalReason::AttemptOpen));
    see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 6);
    assert_eq!(again(&mut work, "90"), Some(RefusalReason::TaskMoved));
    let twice = vec![
        admitted(lineage, "1200", Action::Retry),
        admitted(lineage, "1200", Action::Retry),
    ];
    let made = work.claim(request(twice, 10), at(7)).expect("answered");
    assert_eq!(made.batch.map(|b| b.items.len()), Some(1));
    assert_eq!(made.refused[0].1.reason, RefusalReason::AttemptOpen);
}

#[test]
fn an_incomplete_pass_opens_and_concludes_nothing() {
    let (mut work, _) = core();
    retried(&mut work);
    let mut sight = sighting(vec![row("1200", TaskStatus::Rejected, "77")], 3);
    let mut part = Snapshot::clone(&sight.snapshot);
    part.complete = false;
    sight.snapshot = Arc::new(part);
    let seen = work.observe(&sight, at(3)).expect("a pass");
    assert_eq!(seen.views[0].lineage, None);
    assert_eq!((seen.opened, seen.joined, seen.outcomes.len()), (0, 0, 0));
}

#[tokio::test]
async fn a_refusal_that_says_not_automated_is_learned_and_survives_in_the_story() {
    let ledger = Ledger::memory(at(0)).expect("a ledger");
    let seen = ledger
        .observe(
            sighting(vec![row("90", TaskStatus::Rejected, "77")], 0),
            at(0),
        )
        .await
        .expect("seen");
    let lineage = seen.views[0].lineage.expect("opened");
    let made = ledger
        .claim(
            request(vec![admitted(lineage, "90", Action::Retry)], 7),
            at(1),
        )
        .await
        .expect("claimed");
    let batch = made.batch.expect("one");
    let status = ReceiptStatus::Refused {
        reason: Arc::from("This task is not automated."),
        manual: true,
    };
    let receipts = vec![batch.items[0].receipt(status, at(1))];
    ledger
        .settle(receipts.clone(), Duration::ZERO, at(1))
        .await
        .expect("settled");
    let again = ledger
        .settle(receipts, Duration::ZERO, at(2))
        .await
        .expect("answered");
    assert!(!again[0].applied);
    let row = row("90", TaskStatus::Rejected, "77");
    let definition = row.definition().expect("shown");
    let memory = ledger.read(|i| i.manual(&definition, at(3), SignedDuration::from_hours(1)));
    assert_eq!(memory.manual_since, Some(at(1)));
    let expired = ledger.read(|i| i.manual(&definition, at(90), SignedDuration::from_hours(1)));
    assert_eq!(expired.manual_since, None);
    ledger.written().await.expect("on disk");
    let story = ledger.story(lineage).expect("read");
    assert_eq!(story.lines.len(), 3, "{story:?}");
    let text = "x\"y\n".repeat(5000);
    let digest = ledger.keep(text.clone(), at(4)).await.expect("kept");
    assert_eq!(ledger.kept(&digest).expect("read"), Some(text));
}

/// Ends of requests, each followed by readings that show that nothing was applied; the sends in vain then.
fn in_vain(ends: &[&str]) -> u8 {
    let (mut work, index) = core();
    let same = || vec![row("90", TaskStatus::Rejected, "77")];
    let lineage = see(&mut work, same(), 0).views[0].lineage.expect("opened");
    let history = || {
        index
            .read()
            .expect("a lock")
            .history(lineage, true)
            .expect("known")
    };
    for (end, minute) in ends.iter().zip((1..).step_by(100)) {
        if *end == "reset by a person" {
            let reason = Arc::from("mended");
            let body = EventBody::EpisodeReset { lineage, reason };
            work.emit(&Meta::daemon(at(minute), None), body)
                .expect("small");
            continue;
        }
        let status = match *end {
            "accepted" => ReceiptStatus::Accepted,
            why => ReceiptStatus::Unknown {
                why: Arc::from(why),
            },
        };
        send(&mut work, lineage, "90", minute, status);
        see(&mut work, same(), minute + 20);
        see(&mut work, same(), minute + 30);
        assert!(
            index
                .read()
                .expect("a lock")
                .open_attempt(lineage)
                .is_none()
        );
        let last = history().recent.pop().expect("an attempt");
        let said = last.reason.expect("a reason");
        assert!(*end == "accepted" || said.starts_with(end), "{said}");
    }
    let known = history();
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert_eq!(
        rebuilt.history(lineage, true).map(|h| h.in_vain),
        Some(known.in_vain)
    );
    known.in_vain
}

#[test]
fn sends_that_end_whole_requests_for_the_tasks_own_sake_are_counted_until_one_is_taken() {
    let (own, all) = ("HTTP 500: broken", "HTTP 503: down");
    assert_eq!(in_vain(&[own, own]), 2);
    assert_eq!(
        in_vain(&[own, all, "reset", "HTTP 200: half an answer", own]),
        2
    );
    assert_eq!(
        in_vain(&["HTTP 403: no"]),
        3,
        "nothing else was in the request"
    );
    assert_eq!(in_vain(&[own, own, "accepted"]), 0);
    assert_eq!(in_vain(&[own, own, own, "reset by a person"]), 0);
}

#[test]
fn a_successor_that_we_did_not_send_counts_as_somebody_elses_also_where_a_link_tells_of_it() {
    for linked in [false, true] {
        let (mut work, index) = core();
        let next = |id: &str, of: &str| {
            let mut row = row(id, TaskStatus::Rejected, "77");
            row.retry_of = linked.then(|| TaskId::new(of));
            row
        };
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        for minute in [5, 10, 15] {
            see(&mut work, vec![next("1200", "90")], minute);
        }
        let counted = |foreign| index.read().expect("a lock").counted(lineage, foreign);
        assert_eq!((counted(true), counted(false)), (1, 0), "linked {linked}");
        // ours, and after it one that nobody of us sent while it was still open
        send(&mut work, lineage, "1200", 20, ReceiptStatus::Accepted);
        see(
            &mut work,
            vec![{
                let mut row = next("1300", "1200");
                row.status = TaskStatus::Pending;
                row
            }],
            25,
        );
        for minute in [30, 35, 40] {
            see(&mut work, vec![next("1400", "1300")], minute);
        }
        assert_eq!((counted(true), counted(false)), (3, 1), "linked {linked}");
    }
}

#[test]
fn what_was_queued_before_oig_said_that_its_definition_is_manual_is_not_claimed() {
    let (mut work, _) = core();
    let rows = vec![
        row("90", TaskStatus::Rejected, "77"),
        row("91", TaskStatus::Rejected, "78"),
    ];
    see(&mut work, rows, 0);
    let manual = ReceiptStatus::Refused {
        reason: Arc::from("This task is not automated."),
        manual: true,
    };
    send(&mut work, LineageId(1), "90", 1, manual);
    let mut claim = |action: Action, minute| {
        let items = vec![admitted(LineageId(2), "91", action)];
        work.claim(request(items, 8), at(minute)).expect("answered")
    };
    let made = claim(Action::Retry, 1);
    assert!(made.batch.is_none(), "decided before it was learned");
    assert_eq!(made.refused[0].1.reason, RefusalReason::DefinitionManual);
    // it holds for as long as it is believed
    assert!(claim(Action::Retry, 25 * 60).batch.is_some());
}
