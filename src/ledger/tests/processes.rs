//! Readings of whole processes: what may pass for the successor of an attempt's id, and what never does; no disk.

use super::*;

/// A row with the time at which the server made it.
fn made(id: &str, status: TaskStatus, minute: i64) -> Task {
    let mut task = row(id, status, "77");
    task.created = Some(at(minute));
    task
}

/// Two lineages of one key, the first one with a retry sent at minute 1, the other one marked as
/// doubtful.
fn beside_a_doubtful_one(work: &mut Work, other: &str) -> LineageId {
    let both = vec![
        row("90", TaskStatus::Rejected, "77"),
        row(other, TaskStatus::Rejected, "77"),
    ];
    let seen = see(work, both, 0);
    let ids: Vec<LineageId> = seen.views.iter().filter_map(|view| view.lineage).collect();
    send(work, ids[0], "90", 1, ReceiptStatus::Accepted);
    let body = EventBody::LineageAmbiguous {
        lineages: vec![ids[1]],
        tasks: vec![TaskId::new(other)],
    };
    work.emit(&Meta::daemon(at(3), None), body).expect("small");
    ids[0]
}

/// What the process tells of the attempt that [`retried`] has sent at minute 1.
fn told(
    work: &mut Work,
    lineage: LineageId,
    tasks: Vec<Task>,
    minute: i64,
) -> Option<AttemptEvent> {
    let look = vec![Looked::process(lineage, 1, tasks)];
    let meta = Meta::daemon(at(minute), None);
    let told = work
        .looked(look, &delivery(), &meta, at(minute))
        .expect("looked");
    told.outcomes.first().map(|outcome| outcome.event)
}

#[test]
fn an_id_that_its_process_shows_open_has_no_successor_whatever_the_list_hides() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![], 2);
    let process = vec![
        row("90", TaskStatus::Rejected, "77"),
        row("95", TaskStatus::Completed, "77"),
    ];
    assert_eq!(told(&mut work, lineage, process, 4), None);
    let index = index.read().expect("a lock");
    assert_eq!(index.current_task(lineage), Some(TaskId::new("90")));
    assert!(index.open_attempt(lineage).is_some());
}

#[test]
fn a_cancelled_id_has_no_successor() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![], 2);
    let process = vec![
        row("90", TaskStatus::Cancelled, "77"),
        row("95", TaskStatus::Completed, "77"),
    ];
    assert_eq!(
        told(&mut work, lineage, process, 4),
        Some(AttemptEvent::ReadSuperseded)
    );
}

#[test]
fn what_a_person_has_completed_is_not_our_doing_and_its_retry_has_its_time_to_run() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![], 2);
    let process = || vec![row("90", TaskStatus::ManuallyCompleted, "77")];
    assert_eq!(told(&mut work, lineage, process(), 4), None);
    assert_eq!(
        told(&mut work, lineage, process(), 20),
        Some(AttemptEvent::ReadSuperseded)
    );
}

#[test]
fn a_process_that_shows_one_completed_by_hand_beside_ours_does_not_tell_whose_the_new_one_is() {
    let (mut work, index) = core();
    let rejected = |id: &str| row(id, TaskStatus::Rejected, "77");
    see(&mut work, vec![rejected("90"), rejected("91")], 0);
    let (first, second) = (LineageId(1), LineageId(2));
    send(&mut work, first, "90", 1, ReceiptStatus::Accepted);
    see(&mut work, vec![rejected("91")], 2);
    let by_hand = || row("90", TaskStatus::ManuallyCompleted, "77");
    assert_eq!(
        told(&mut work, first, vec![by_hand()], 20),
        Some(AttemptEvent::ReadSuperseded)
    );
    send(&mut work, second, "91", 30, ReceiptStatus::Accepted);
    let process = vec![
        by_hand(),
        row("91", TaskStatus::UnsuccessfullyCompleted, "77"),
        made("95", TaskStatus::Completed, 46),
    ];
    told(&mut work, second, process, 47);
    let index = index.read().expect("a lock");
    assert_eq!(index.current_task(second), Some(TaskId::new("91")));
    assert!(index.is_ambiguous(second), "nobody can say whose it is");
}

#[test]
fn what_was_there_before_the_send_is_no_successor() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    let elder = |status| made("95", status, -31);
    let closed = || row("90", TaskStatus::UnsuccessfullyCompleted, "77");
    let done = vec![closed(), elder(TaskStatus::Completed)];
    assert_eq!(told(&mut work, lineage, done, 4), None);
    // one that was retried itself may have a successor: then there are two that can't be told apart
    let retried_too = vec![closed(), elder(TaskStatus::UnsuccessfullyCompleted)];
    assert_eq!(told(&mut work, lineage, retried_too, 6), None);
    let both = vec![
        closed(),
        elder(TaskStatus::Completed),
        made("1200", TaskStatus::Completed, 1),
    ];
    assert_eq!(
        told(&mut work, lineage, both, 8),
        Some(AttemptEvent::ReadCompleted)
    );
}

#[test]
fn the_successor_of_an_elder_that_nobody_knows_is_not_taken_for_ours() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    let process = vec![
        row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
        made("95", TaskStatus::UnsuccessfullyCompleted, -31),
        made("1200", TaskStatus::Completed, 3),
    ];
    assert_eq!(
        told(&mut work, lineage, process, 4),
        Some(AttemptEvent::ReadAmbiguous)
    );
}

#[test]
fn dates_without_a_time_and_clocks_that_differ_a_little_hide_no_successor() {
    // midnight of the day of the send; a moment before it
    for created in [
        at(-8 * 60),
        at(1) - SignedDuration::from_secs(20),
        at(1) - SignedDuration::from_millis(29_100),
    ] {
        let (mut work, _) = core();
        let lineage = retried(&mut work);
        let mut successor = row("1200", TaskStatus::Completed, "77");
        successor.created = Some(created);
        let process = vec![
            row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
            successor,
        ];
        assert_eq!(
            told(&mut work, lineage, process, 4),
            Some(AttemptEvent::ReadCompleted),
            "{created}"
        );
    }
}

#[test]
fn a_link_to_another_task_is_believed_over_likeness() {
    // the other is a lineage about which a person has to say something, or one that no list has shown
    for known in [true, false] {
        let (mut work, _) = core();
        let lineage = if known {
            beside_a_doubtful_one(&mut work, "1095")
        } else {
            retried(&mut work)
        };
        let mut theirs = row("1200", TaskStatus::Completed, "77");
        theirs.retry_of = Some(TaskId::new("1095"));
        let process = vec![
            row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
            row("1095", TaskStatus::UnsuccessfullyCompleted, "77"),
            theirs,
        ];
        let event = told(&mut work, lineage, process, 4);
        assert_ne!(event, Some(AttemptEvent::ReadCompleted), "known: {known}");
    }
}

#[test]
fn a_doubtful_sibling_keeps_its_share_in_the_doubt() {
    let (mut work, _) = core();
    let lineage = beside_a_doubtful_one(&mut work, "95");
    let process = vec![
        row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
        row("95", TaskStatus::UnsuccessfullyCompleted, "77"),
        row("1200", TaskStatus::Completed, "77"),
    ];
    assert_eq!(
        told(&mut work, lineage, process, 4),
        Some(AttemptEvent::ReadAmbiguous)
    );
}

/// What a person has said to be done still has its successor: it is not the one of a sibling.
#[test]
fn the_successor_of_what_a_person_has_settled_is_not_taken_for_a_siblings() {
    let (mut work, index) = core();
    let rejected = |id: &str| row(id, TaskStatus::Rejected, "77");
    let seen = see(&mut work, vec![rejected("90"), rejected("91")], 0);
    let ids: Vec<LineageId> = seen.views.iter().filter_map(|v| v.lineage).collect();
    send(&mut work, ids[1], "91", 6, ReceiptStatus::Accepted);
    let lost = ReceiptStatus::Unknown {
        why: Arc::from("reset"),
    };
    send(&mut work, ids[0], "90", 15, lost);
    let word = crate::model::Outcome {
        lineage: ids[1],
        ordinal: 1,
        event: AttemptEvent::PersonCompleted,
        at: at(21),
        task: None,
        evidence: None,
    };
    let told = work.conclude(vec![word], &Meta::daemon(at(21), None));
    assert!(told.expect("answered")[0].applied);
    let tasks = vec![
        row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
        row("91", TaskStatus::UnsuccessfullyCompleted, "77"),
        row("1200", TaskStatus::Completed, "77"),
    ];
    let look = Looked::process(ids[0], 1, tasks);
    let told = work
        .looked(vec![look], &delivery(), &Meta::daemon(at(40), None), at(40))
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadAmbiguous, "{told:?}");
    let index = index.read().expect("a lock");
    assert!(index.is_ambiguous(ids[0]));
}
