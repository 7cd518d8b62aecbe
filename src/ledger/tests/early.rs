//! Readings that began before the attempt's last move: whatever they show, they tell nothing of it; no disk.

use super::*;

/// The list is read while the retry is sent, and taken in after its answer.
#[test]
fn a_list_begun_before_the_send_concludes_nothing() {
    let mut other = row("90", TaskStatus::Rejected, "77");
    other.reason = Some(Arc::from("another trouble, before the send"));
    for (shown, later) in [
        (
            row("90", TaskStatus::Pending, "77"),
            AttemptEvent::ReadPending,
        ),
        (
            row("90", TaskStatus::Cancelled, "77"),
            AttemptEvent::ReadSuperseded,
        ),
        (
            row("90", TaskStatus::Completed, "77"),
            AttemptEvent::ReadCompleted,
        ),
        (other, AttemptEvent::ReadBounced),
    ] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        send(&mut work, lineage, "90", 5, ReceiptStatus::Accepted);
        let early = work
            .observe(&sighting(vec![shown.clone()], 4), at(8))
            .expect("a pass");
        assert_eq!(early.outcomes, [], "{}", shown.status);
        let open = |index: &Arc<RwLock<Index>>| {
            let index = index.read().expect("a lock");
            index.open_attempt(lineage).map(|attempt| attempt.state)
        };
        assert_eq!(open(&index), Some(AttemptState::Accepted));
        assert_eq!(early.to_verify.len(), 1, "it is read by itself instead");
        let fresh = row("90", shown.status.clone(), "77");
        let fresh = Task {
            reason: shown.reason.clone(),
            ..fresh
        };
        let after = see(&mut work, vec![fresh], 9);
        assert_eq!(after.outcomes[0].event, later);
    }
}

/// Sent, then read, then answered: what was read may be from before the write.
#[test]
fn a_reading_begun_before_the_answer_concludes_nothing() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let made = work
        .claim(
            request(vec![admitted(lineage, "90", Action::Retry)], 7),
            at(5),
        )
        .expect("claimed");
    let claimed = made.batch.expect("a batch").items.remove(0);
    let receipt = claimed.receipt(ReceiptStatus::Accepted, at(8));
    work.settle(vec![receipt], Duration::ZERO, at(8))
        .expect("settled");
    let pending = row("90", TaskStatus::Pending, "77");
    let early = work
        .observe(&sighting(vec![pending.clone()], 6), at(9))
        .expect("a pass");
    assert_eq!(early.outcomes, []);
    let single = |task| vec![Looked::single(lineage, 1, Some(task))];
    let meta = Meta::daemon(at(7), None);
    let told = work.looked(single(pending.clone()), &delivery(), &meta, at(7));
    assert_eq!(told.expect("looked").outcomes, []);
    let told = work.looked(single(pending), &delivery(), &meta, at(9));
    assert_eq!(
        told.expect("looked").outcomes[0].event,
        AttemptEvent::ReadPending
    );
}
