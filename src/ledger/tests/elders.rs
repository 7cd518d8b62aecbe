//! Ids that the list shows first after a send although the server made them before it; no disk.

use super::*;

/// A row of the same sort that the server made before the send at minute 1.
fn elder(status: TaskStatus) -> Task {
    made(status, at(-31))
}

fn made(status: TaskStatus, created: Timestamp) -> Task {
    let mut task = row("95", status, "77");
    task.created = Some(created);
    task
}

/// What readings by id and of the process tell of the attempt.
fn looked(work: &mut Work, look: Looked, minute: i64) -> Option<AttemptEvent> {
    let meta = Meta::daemon(at(minute), None);
    let told = work
        .looked(vec![look], &delivery(), &meta, at(minute))
        .expect("looked");
    told.outcomes.first().map(|outcome| outcome.event)
}

#[test]
fn what_was_made_before_the_send_is_held_and_then_left_to_a_person() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    for minute in (3..16).step_by(2) {
        let seen = see(&mut work, vec![elder(TaskStatus::Pending)], minute);
        assert_eq!((seen.opened, seen.joined), (0, 0), "minute {minute}");
        assert_eq!(seen.views[0].lineage, None);
        assert!(seen.outcomes.is_empty());
    }
    let seen = see(&mut work, vec![elder(TaskStatus::Pending)], 17);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadAmbiguous);
    assert!(seen.views[0].ambiguous, "nothing is done with it either");
    assert_ne!(seen.views[0].lineage, Some(lineage));
    // its end is not that of our attempt
    let gone = see(&mut work, vec![], 30);
    assert!(gone.outcomes.is_empty());
    let single = Looked::single(lineage, 1, Some(elder(TaskStatus::Completed)));
    assert_eq!(looked(&mut work, single, 31), None);
    let index = index.read().expect("a lock");
    assert!(index.is_ambiguous(lineage));
    assert_eq!(index.counts().get(&AttemptState::Completed), None);
}

#[test]
fn while_it_is_held_the_process_may_show_the_true_successor() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![elder(TaskStatus::Pending)], 3);
    let process = vec![
        row("90", TaskStatus::UnsuccessfullyCompleted, "77"),
        elder(TaskStatus::Pending),
        row("1200", TaskStatus::Completed, "77"),
    ];
    let process = Looked::process(lineage, 1, process);
    assert_eq!(
        looked(&mut work, process, 4),
        Some(AttemptEvent::ReadCompleted)
    );
    let seen = see(&mut work, vec![elder(TaskStatus::Pending)], 5);
    assert_eq!((seen.opened, seen.joined), (1, 0), "it is work of its own");
    assert_ne!(seen.views[0].lineage, Some(lineage));
}

#[test]
fn an_attempt_that_went_without_a_trace_is_not_told_by_it() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    for minute in [2, 8, 17] {
        see(&mut work, vec![], minute);
    }
    let nothing = Looked::single(lineage, 1, None);
    assert_eq!(looked(&mut work, nothing, 18), Some(AttemptEvent::ReadGone));
    let seen = see(&mut work, vec![elder(TaskStatus::Pending)], 20);
    assert_eq!(seen.joined, 0);
    assert!(seen.views[0].ambiguous);
    assert!(index.read().expect("a lock").is_ambiguous(lineage));
}

#[test]
fn clocks_that_differ_a_little_and_links_are_believed() {
    for (created, link) in [
        (at(1) - SignedDuration::from_secs(20), None),
        (at(-8 * 60), None),
        (at(-31), Some(TaskId::new("90"))),
    ] {
        let (mut work, _) = core();
        let lineage = retried(&mut work);
        let mut successor = made(TaskStatus::Pending, created);
        successor.retry_of = link;
        let seen = see(&mut work, vec![successor], 3);
        assert_eq!(seen.views[0].lineage, Some(lineage), "{created}");
        assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadPending);
    }
}

/// A done sibling was made on the stroke of a quarter; that is a time where others of the account show theirs.
#[test]
fn a_quarter_of_an_hour_is_no_date_alone_beside_seconds() {
    let on_the_stroke = at(-45);
    assert_eq!(on_the_stroke.as_second() % 900, 0);
    let midnight = at(-8 * 60);
    let seconds = Some(at(2) + SignedDuration::from_secs(7));
    for (sibling, successor, told) in [
        (on_the_stroke, seconds, Some(AttemptEvent::ReadCompleted)),
        // dates alone, as far as that is shown
        (on_the_stroke, None, None),
        (midnight, seconds, None),
    ] {
        let (mut work, _) = core();
        let lineage = retried(&mut work);
        let mut older = row("95", TaskStatus::Completed, "77");
        older.created = Some(sibling);
        let mut new = row("1200", TaskStatus::Completed, "77");
        new.created = successor;
        let retried = row("90", TaskStatus::UnsuccessfullyCompleted, "77");
        let process = Looked::process(lineage, 1, vec![retried, older, new]);
        let event = looked(&mut work, process, 4);
        let completed = event.filter(|event| *event == AttemptEvent::ReadCompleted);
        assert_eq!(completed, told, "{sibling} {successor:?}");
    }
}
