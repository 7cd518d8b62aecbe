//! What a response that a task shows tells: that it was set, and never that the work is done. No disk.

use super::ran::{rejected, send_as, unknown};
use super::*;

/// The task as it is shown once the response is set.
fn answered(status: TaskStatus) -> Task {
    let mut task = row("90", status, "77");
    task.response = Some(Arc::from("ERROR"));
    task
}

/// One rejected task, and a response to it that was sent at minute 1.
fn responded(status: ReceiptStatus) -> (Work, Arc<RwLock<Index>>, LineageId) {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let code = Arc::from("ERROR");
    let action = Action::SetResponse { code };
    assert!(send_as(&mut work, lineage, "90", action, 1, status));
    (work, index, lineage)
}

const OPEN: [TaskStatus; 3] = [
    TaskStatus::Pending,
    TaskStatus::Waiting,
    TaskStatus::Suspended,
];

/// The task is open with its response: what that has started may come to an end yet. Later it counts like a run
/// that failed, also where the request was never answered: it was carried out, for it is shown.
#[test]
fn a_response_that_is_shown_on_an_open_task_is_no_completion() {
    for status in OPEN {
        for sent in [ReceiptStatus::Accepted, unknown("reset")] {
            let (mut work, index, lineage) = responded(sent);
            for minute in [3, 8] {
                let told = see(&mut work, vec![answered(status.clone())], minute);
                assert_eq!(told.outcomes, [], "{status} in minute {minute}");
            }
            let settled = see(&mut work, vec![answered(status.clone())], 17).outcomes;
            let events: Vec<AttemptEvent> = settled.iter().map(|told| told.event).collect();
            assert_eq!(events, [AttemptEvent::ReadBounced], "{settled:?}");
            let index = index.read().expect("a lock");
            assert!(!index.is_done(lineage), "{status}");
            assert_eq!(index.counted(lineage, true), 1, "{status}");
        }
    }
}

#[test]
fn what_an_open_task_with_a_response_comes_to_is_told_when_it_is_read() {
    for (end, event) in [
        (TaskStatus::Completed, AttemptEvent::ReadCompleted),
        (TaskStatus::Rejected, AttemptEvent::ReadBounced),
        (TaskStatus::Cancelled, AttemptEvent::ReadSuperseded),
    ] {
        let (mut work, _, lineage) = responded(ReceiptStatus::Accepted);
        see(&mut work, vec![answered(TaskStatus::Pending)], 3);
        let read = Looked::single(lineage, 1, Some(answered(end.clone())));
        let meta = Meta::daemon(at(5), None);
        let found = work.looked(vec![read], &delivery(), &meta, at(5));
        let told: Vec<AttemptEvent> = found
            .expect("looked")
            .outcomes
            .iter()
            .map(|of| of.event)
            .collect();
        assert_eq!(told, [event], "{end}");
    }
}

/// A response that the row shows is no completion of the work: the task is rejected still. Caps count on.
#[test]
fn a_response_that_is_shown_on_a_rejected_task_ends_no_episode() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let mut shown = rejected("90", "77");
    shown.response = Some(Arc::from("ERROR"));
    let mut sent = 0;
    for round in 0..10 {
        let minute = 1 + round * 20;
        let code = Arc::from("ERROR");
        let done = send_as(
            &mut work,
            lineage,
            "90",
            Action::SetResponse { code },
            minute,
            ReceiptStatus::Accepted,
        );
        sent += u32::from(done);
        see(&mut work, vec![shown.clone()], minute + 2);
    }
    let index = index.read().expect("a lock");
    let counted = index.counted(lineage, true);
    assert!(
        !index.is_done(lineage),
        "the task is rejected, and is called done; counts: {:?}",
        index.counts()
    );
    assert_eq!(counted, sent, "what counts towards the caps");
}

/// The same with retries between: what they have used up is forgotten.
#[test]
fn a_response_does_not_begin_the_retries_anew() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![rejected("90", "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    for round in 0..3 {
        let minute = 1 + round * 20;
        assert!(send_as(
            &mut work,
            lineage,
            "90",
            Action::Retry,
            minute,
            ReceiptStatus::Accepted
        ));
        let mut row = rejected("90", "77");
        row.reason = Some(Arc::from(format!("failure {round}")));
        let told = see(&mut work, vec![row], minute + 2);
        assert_eq!(told.outcomes[0].event, AttemptEvent::ReadBounced);
        // what its run shows is known from the next list on
        let mut row = rejected("90", "77");
        row.reason = Some(Arc::from(format!("failure {round}")));
        see(&mut work, vec![row], minute + 4);
    }
    assert_eq!(index.read().expect("a lock").counted(lineage, true), 3);
    let code: Arc<str> = Arc::from("ERROR");
    let action = Action::SetResponse {
        code: Arc::clone(&code),
    };
    assert!(send_as(
        &mut work,
        lineage,
        "90",
        action,
        100,
        ReceiptStatus::Accepted
    ));
    let mut row = rejected("90", "77");
    row.response = Some(code);
    see(&mut work, vec![row], 102);
    let counted = index.read().expect("a lock").counted(lineage, true);
    assert!(counted >= 3, "three retries have run, and {counted} count");
}

/// `UC` says nothing of the work being done ([`TaskStatus::is_done`]): somebody has given the task up, or a
/// retry has closed it. With our response on it that is no completion, and forgets no attempt.
#[test]
fn a_response_that_is_shown_on_an_unsuccessfully_completed_task_is_no_completion() {
    assert!(!TaskStatus::UnsuccessfullyCompleted.is_done());
    for sent in [ReceiptStatus::Accepted, unknown("reset")] {
        let (mut work, index, lineage) = responded(sent);
        let row = answered(TaskStatus::UnsuccessfullyCompleted);
        let read = Looked::single(lineage, 1, Some(row));
        let meta = Meta::daemon(at(5), None);
        let found = work.looked(vec![read], &delivery(), &meta, at(5));
        let told: Vec<AttemptEvent> = found
            .expect("looked")
            .outcomes
            .iter()
            .map(|of| of.event)
            .collect();
        assert!(!told.contains(&AttemptEvent::ReadCompleted), "{told:?}");
        assert!(!index.read().expect("a lock").is_done(lineage));
    }
}
