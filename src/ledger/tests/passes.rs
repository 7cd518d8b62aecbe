//! Passes over the list that come in late: what is older than the last pass tells nothing new; no disk.

use super::*;

fn presence(work: &Work, lineage: LineageId) -> u32 {
    work.presence_of(lineage).passes
}

#[test]
fn an_older_pass_counts_neither_as_absence_nor_as_presence() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 10);
    let lineage = seen.views[0].lineage.expect("opened");
    // taken before, comes in after: it does not show the row
    let old = sighting(vec![], 5);
    work.observe(&old, at(11)).expect("a pass");
    assert_eq!(presence(&work, lineage), 0);
    see(&mut work, vec![], 20);
    assert_eq!(presence(&work, lineage), 1);
    // taken before the row was gone, comes in after: it must not make it present again
    let old = sighting(vec![row("90", TaskStatus::Pending, "77")], 15);
    let late = work.observe(&old, at(21)).expect("a pass");
    assert_eq!(presence(&work, lineage), 1);
    assert_eq!(late.views[0].lineage, Some(lineage));
    // nor is what it shows a change
    let failed = |minute| {
        let index = index.read().expect("a lock");
        index.history(lineage, true).expect("known").failed_since == at(minute)
    };
    assert!(failed(10));
}

#[test]
fn an_older_pass_opens_and_joins_nothing_and_settles_nothing() {
    let (mut work, index) = core();
    let lineage = retried(&mut work);
    see(&mut work, vec![], 30);
    let stale = vec![
        row("1200", TaskStatus::Rejected, "77"),
        row("1201", TaskStatus::Rejected, "78"),
    ];
    let seen = work.observe(&sighting(stale, 20), at(31)).expect("a pass");
    assert_eq!((seen.opened, seen.joined), (0, 0));
    assert!(seen.views.iter().all(|view| view.lineage.is_none()));
    assert!(seen.outcomes.is_empty());
    assert!(
        index
            .read()
            .expect("a lock")
            .open_attempt(lineage)
            .is_some()
    );
}

#[test]
fn a_pass_as_old_as_the_last_one_counts() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 10);
    let lineage = seen.views[0].lineage.expect("opened");
    see(&mut work, vec![], 10);
    assert_eq!(presence(&work, lineage), 1);
}
