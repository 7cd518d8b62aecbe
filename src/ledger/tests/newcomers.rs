//! New ids beside old ones: who is a successor, who is new work, and what can't be told yet; no disk.

use super::*;

fn open(work: &mut Work, id: &str) -> LineageId {
    let seen = see(work, vec![row(id, TaskStatus::Rejected, "77")], 0);
    seen.views[0].lineage.expect("opened")
}

#[test]
fn a_sibling_that_comes_later_is_new_work_once_its_elder_was_shown_again() {
    let (mut work, _) = core();
    let elder = open(&mut work, "90");
    let both = || {
        vec![
            row("90", TaskStatus::Rejected, "77"),
            row("91", TaskStatus::Rejected, "77"),
        ]
    };
    let first = see(&mut work, both(), 5);
    assert_eq!((first.opened, first.views[1].lineage), (0, None));
    let second = see(&mut work, both(), 10);
    assert_eq!(second.opened, 1);
    assert!(second.views[1].lineage.is_some_and(|new| new != elder));
}

#[test]
fn what_somebody_else_has_retried_is_joined_after_two_whole_passes() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let successor = || vec![row("1200", TaskStatus::Rejected, "77")];
    // both on one list: the retry came between its pages
    let mut racing = successor();
    racing.insert(0, row("90", TaskStatus::Rejected, "77"));
    assert_eq!(see(&mut work, racing, 5).opened, 0);
    assert_eq!(
        see(&mut work, successor(), 10).joined,
        0,
        "one absence is not enough"
    );
    let told = see(&mut work, successor(), 15);
    assert_eq!((told.opened, told.joined), (0, 1));
    assert_eq!(told.views[0].lineage, Some(lineage));
    let history = index.read().expect("a lock").history(lineage, true);
    assert_eq!(
        history.expect("known").attempts,
        1,
        "it counts as an attempt"
    );
}

#[test]
fn a_row_that_was_only_overlooked_keeps_its_lineage() {
    let (mut work, _) = core();
    let lineage = open(&mut work, "90");
    // one list misses 90 and shows a new sibling
    see(&mut work, vec![row("91", TaskStatus::Rejected, "77")], 5);
    let both = || {
        vec![
            row("90", TaskStatus::Rejected, "77"),
            row("91", TaskStatus::Rejected, "77"),
        ]
    };
    let back = see(&mut work, both(), 10);
    assert_eq!(back.views[0].lineage, Some(lineage));
    assert!(back.views[0].current);
    assert_ne!(back.views[1].lineage, Some(lineage));
}

#[test]
fn a_replaced_id_that_is_open_again_beside_its_successor_is_for_a_person() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let successor = || row("1200", TaskStatus::Rejected, "77");
    for minute in [5, 10] {
        see(&mut work, vec![successor()], minute);
    }
    let both = || vec![row("90", TaskStatus::Rejected, "77"), successor()];
    assert_eq!(
        see(&mut work, both(), 15).ambiguous,
        0,
        "once may be a race"
    );
    assert_eq!(see(&mut work, both(), 20).ambiguous, 1);
    assert!(index.read().expect("a lock").is_ambiguous(lineage));
}

#[test]
fn a_note_that_no_row_shows_counts_and_is_not_sent_for_ever() {
    let (mut work, index) = core();
    let lineage = open(&mut work, "90");
    let text = Arc::from("looked at");
    let item = admitted(lineage, "90", Action::SetNote { text });
    let claims = work.claim(request(vec![item], 9), at(1)).expect("claimed");
    let batch = claims.batch.expect("a batch");
    let receipts = batch
        .items
        .iter()
        .map(|claimed| claimed.receipt(ReceiptStatus::Accepted, at(1)))
        .collect();
    work.settle(receipts, Duration::from_secs(1), at(1))
        .expect("settled");
    // two glances at one moment are one reading
    for minute in [20, 20] {
        let seen = see(
            &mut work,
            vec![row("90", TaskStatus::Rejected, "77")],
            minute,
        );
        assert!(seen.outcomes.is_empty());
    }
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 25);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    let history = index.read().expect("a lock").history(lineage, true);
    assert_eq!(history.expect("known").attempts, 1);
}
