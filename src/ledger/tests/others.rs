//! Runs of a task that keeps its id by OIG's own job or by an admin: counted as theirs once each, and never taken from an attempt of ours; no disk.

use super::*;

fn shown(status: TaskStatus, reason: &str) -> Vec<Task> {
    let mut row = row("90", status, "77");
    row.reason = Some(Arc::from(reason));
    vec![row]
}

fn counted(index: &Arc<RwLock<Index>>, lineage: LineageId) -> (u32, u32) {
    let index = index.read().expect("a lock");
    (index.counted(lineage, true), index.counted(lineage, false))
}

#[test]
fn a_run_by_somebody_else_under_the_same_id_counts_once_as_theirs() {
    let (mut work, index) = core();
    let seen = see(&mut work, shown(TaskStatus::Rejected, "refused"), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    see(&mut work, shown(TaskStatus::Rejected, "refused"), 5);
    assert_eq!(counted(&index, lineage), (0, 0));
    see(&mut work, shown(TaskStatus::Pending, ""), 10);
    assert_eq!(counted(&index, lineage), (1, 0), "it is under way");
    see(&mut work, shown(TaskStatus::Pending, ""), 15);
    see(&mut work, shown(TaskStatus::Rejected, "no route"), 20);
    assert_eq!(counted(&index, lineage), (1, 0), "the end of the same run");
    see(&mut work, shown(TaskStatus::Rejected, "refused"), 25);
    assert_eq!(counted(&index, lineage), (2, 0), "run between two lists");
    // what is known of the last run outlives a restart
    let again = Arc::new(RwLock::new(index.read().expect("a lock").clone()));
    let mut work = Work::new(Arc::clone(&again));
    see(&mut work, shown(TaskStatus::Rejected, "no route"), 30);
    assert_eq!(counted(&again, lineage), (3, 0));
    see(&mut work, shown(TaskStatus::Rejected, "no route"), 35);
    assert_eq!(counted(&again, lineage), (3, 0));
}

#[test]
fn a_run_of_ours_is_never_counted_as_somebody_elses() {
    for between in [
        shown(TaskStatus::Pending, ""),
        shown(TaskStatus::Rejected, "refused"),
    ] {
        ours(between);
    }
}

/// A retry of ours with what a list shows while it is open, and then one of theirs.
fn ours(between: Vec<Task>) {
    let (mut work, index) = core();
    let seen = see(&mut work, shown(TaskStatus::Rejected, "refused"), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, ReceiptStatus::Accepted);
    see(&mut work, between, 5);
    let seen = see(&mut work, shown(TaskStatus::Rejected, "no route"), 10);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    for minute in [15, 20] {
        see(&mut work, shown(TaskStatus::Rejected, "no route"), minute);
    }
    assert_eq!(counted(&index, lineage), (1, 1));
    // and the next one is theirs
    see(&mut work, shown(TaskStatus::Rejected, "refused"), 25);
    assert_eq!(counted(&index, lineage), (2, 1));
}

#[test]
fn a_list_that_may_be_older_than_what_a_reading_told_says_nothing_of_runs() {
    let (mut work, index) = core();
    let shown = |status, reason, started| {
        let mut rows = shown(status, reason);
        rows[0].started = Some(at(started));
        rows
    };
    let seen = see(&mut work, shown(TaskStatus::Rejected, "refused", -60), 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, ReceiptStatus::Accepted);
    // read by id: it has failed anew
    let mut now = shown(TaskStatus::Rejected, "no route", 1);
    let read = Looked::single(lineage, 1, now.pop());
    let told = work
        .looked(vec![read], &delivery(), &Meta::daemon(at(9), None), at(9))
        .expect("looked")
        .outcomes;
    assert_eq!(told[0].event, AttemptEvent::ReadBounced);
    // begun a minute before that reading, it still shows the failure from before our run
    let mut late = sighting(shown(TaskStatus::Rejected, "refused", -60), 8);
    late.delivery = delivery();
    work.observe(&late, at(10)).expect("observed");
    see(&mut work, shown(TaskStatus::Rejected, "no route", 1), 15);
    assert_eq!(counted(&index, lineage), (1, 1));
}
