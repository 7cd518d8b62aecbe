//! Readings that began before the attempt's last move: whatever they show, they tell nothing of it; no disk.

use super::*;
use crate::governor::Lane;

/// The list is read while the retry is sent, and taken in after its answer.
#[test]
fn a_list_begun_before_the_send_concludes_nothing() {
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

fn failed_with(reason: &str) -> Task {
    let mut task = row("90", TaskStatus::Rejected, "77");
    task.reason = Some(Arc::from(reason));
    task
}

fn state_of(index: &Arc<RwLock<Index>>, lineage: LineageId) -> Option<AttemptState> {
    let index = index.read().expect("a lock");
    let history = index.history(lineage, true).expect("known");
    history.last_state
}

/// On a server that keeps ids: somebody else's retry has failed another way before ours is sent, and the
/// list that shows it was begun before the send, or before its answer. What it shows is no word of ours.
#[test]
fn a_failure_that_a_list_begun_before_the_answer_shows_is_not_the_bounce_of_the_retry() {
    for (begun, taken_in) in [(4, 8), (6, 7), (6, 9)] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![failed_with("refused")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        let items = vec![admitted(lineage, "90", Action::Retry)];
        let made = work.claim(request(items, 7), at(5)).expect("claimed");
        let claimed = made.batch.expect("a batch").items.remove(0);
        let early = sighting(vec![failed_with("locked by another job")], begun);
        let take_in = |work: &mut Work| {
            let seen = work.observe(&early, at(taken_in)).expect("a pass");
            assert_eq!(seen.outcomes, []);
        };
        if taken_in < 8 {
            take_in(&mut work);
        }
        let receipt = claimed.receipt(ReceiptStatus::Accepted, at(8));
        work.settle(vec![receipt], Duration::ZERO, at(8))
            .expect("settled");
        if taken_in >= 8 {
            take_in(&mut work);
        }
        // over a restart as well
        let mut again = Index::default();
        for (_, bytes) in &work.pending {
            let event = decode(bytes).expect("its own");
            again.apply(&event, crate::ledger::record::link(&event, bytes));
        }
        assert_eq!(again, *index.read().expect("a lock"));
        let same = see(&mut work, vec![failed_with("locked by another job")], 10);
        assert_eq!(same.outcomes, [], "it was there before the answer");
        assert_eq!(state_of(&index, lineage), Some(AttemptState::Accepted));
        let other = see(&mut work, vec![failed_with("no such mailbox")], 12);
        assert_eq!(other.outcomes[0].event, AttemptEvent::ReadBounced);
        assert_eq!(
            other.outcomes[0].evidence.as_deref(),
            Some("no such mailbox")
        );
    }
}

/// Nobody can say whether such a failure is ours: after `settle_after` it counts, answered or not.
#[test]
fn a_failure_shown_early_that_stays_counts_as_a_bounce_after_settle_after() {
    for answer in [
        ReceiptStatus::Accepted,
        ReceiptStatus::Unknown {
            why: Arc::from("reset"),
        },
    ] {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![failed_with("refused")], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        send(&mut work, lineage, "90", 5, answer);
        let early = sighting(vec![failed_with("locked")], 4);
        work.observe(&early, at(8)).expect("a pass");
        for minute in [9, 21] {
            let seen = see(&mut work, vec![failed_with("locked")], minute);
            assert_eq!(seen.outcomes, [], "{minute}");
        }
        let told = see(&mut work, vec![failed_with("locked")], 23);
        assert_eq!(told.outcomes[0].event, AttemptEvent::ReadBounced);
        assert_eq!(state_of(&index, lineage), Some(AttemptState::Bounced));
        let history = index.read().expect("a lock").history(lineage, true);
        assert_eq!(history.expect("known").attempts, 1, "it counts");
    }
}

/// Two whole lists without an id mean something only where both were begun after its answer.
#[test]
fn a_list_begun_before_the_answer_does_not_count_as_one_without_the_id() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    // one is taken in before the answer, one after it
    let passes = |work: &Work| work.presence_of(lineage).passes;
    let items = vec![admitted(lineage, "90", Action::Retry)];
    let made = work.claim(request(items, 7), at(5)).expect("claimed");
    let claimed = made.batch.expect("a batch").items.remove(0);
    see(&mut work, vec![], 6);
    let receipt = claimed.receipt(ReceiptStatus::Accepted, at(8));
    work.settle(vec![receipt], Duration::ZERO, at(8))
        .expect("settled");
    work.observe(&sighting(vec![], 7), at(9)).expect("a pass");
    assert_eq!(passes(&work), 0);
    let meta = Meta::daemon(at(25), None);
    let nothing = vec![Looked::single(lineage, 1, None)];
    let told = work.looked(nothing, &delivery(), &meta, at(25));
    assert_eq!(told.expect("looked").outcomes, []);
    assert_eq!(see(&mut work, vec![], 26).outcomes, []);
    assert_eq!(passes(&work), 1);
    let second = see(&mut work, vec![], 27);
    assert_eq!(second.outcomes[0].event, AttemptEvent::ReadGone);
}

/// A process that was read for the attempt before joins nothing to the next one.
#[test]
fn a_process_read_for_an_earlier_attempt_joins_nothing_to_a_later_one() {
    let (mut work, _) = core();
    let lineage = retried(&mut work);
    let meta = Meta::daemon(at(30), None);
    let closed = row("90", TaskStatus::UnsuccessfullyCompleted, "77");
    let tasks = || vec![closed.clone(), row("1200", TaskStatus::Pending, "77")];
    for (ordinal, began) in [(2, 30), (1, 0)] {
        let look = vec![Looked::process(lineage, ordinal, tasks())];
        let told = work.looked(look, &delivery(), &meta, at(began));
        assert_eq!(told.expect("looked").outcomes, []);
        let task = work.index().current_task(lineage);
        assert_eq!(task, Some(TaskId::new("90")), "{ordinal} {began}");
    }
    let look = vec![Looked::process(lineage, 1, tasks())];
    let told = work.looked(look, &delivery(), &meta, at(30));
    let event = told.expect("looked").outcomes[0].event;
    assert_eq!(event, AttemptEvent::ReadPending);
}

#[test]
fn what_a_start_has_found_open_may_still_run_for_all_of_the_time_from_that_start_on() {
    let (mut work, index) = core();
    let same = || vec![row("90", TaskStatus::Rejected, "77")];
    let lineage = see(&mut work, same(), 0).views[0].lineage.expect("opened");
    let unknown = ReceiptStatus::Unknown {
        why: Arc::from("no answer"),
    };
    send(&mut work, lineage, "90", 1, unknown);
    // killed, and started again by a clock that was set forward by an hour
    let mut work = Work::new(Arc::clone(&index));
    work.found_open(at(62));
    let way = |minute| {
        let index = index.read().expect("a lock");
        index.on_the_way(&ProcessKey::new("77"), at(minute), delivery().settle_after)
    };
    for minute in [63, 66, 76] {
        assert!(
            see(&mut work, same(), minute).outcomes.is_empty(),
            "{minute}"
        );
        assert!(way(minute), "{minute}");
    }
    assert!(!way(77));
    see(&mut work, same(), 78);
    let seen = see(&mut work, same(), 80);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadUnchanged);
}

#[test]
fn what_is_found_open_counts_from_when_on_the_clock_is_known_to_be_even_and_never_before_its_send()
{
    for (since, settled) in [(0, true), (40, true), (46, true), (48, false), (62, false)] {
        let (mut work, index) = core();
        let same = || vec![row("90", TaskStatus::Rejected, "77")];
        let lineage = see(&mut work, same(), 0).views[0].lineage.expect("opened");
        let unknown = ReceiptStatus::Unknown {
            why: Arc::from("no answer"),
        };
        send(&mut work, lineage, "90", 1, unknown);
        let mut work = Work::new(Arc::clone(&index));
        assert_eq!(work.none_later(at(62)), Ahead::default());
        work.found_open(at(since));
        let open = index.read().expect("a lock");
        let attempt = open.attempt(lineage).expect("open");
        assert_eq!(attempt.may_run_from(), at(since.max(1)));
        assert_eq!(
            !open.on_the_way(&ProcessKey::new("77"), at(62), delivery().settle_after),
            settled,
            "{since}"
        );
    }
}

#[test]
fn what_was_sent_by_a_clock_that_was_ahead_is_read_all_the_same() {
    let (mut work, index) = core();
    let same = || vec![row("90", TaskStatus::Rejected, "77")];
    let lineage = see(&mut work, same(), 120).views[0]
        .lineage
        .expect("opened");
    send(&mut work, lineage, "90", 121, ReceiptStatus::Accepted);
    let mut work = Work::new(Arc::clone(&index));
    let one = Ahead {
        attempts: 1,
        lineages: 1,
    };
    assert_eq!(work.none_later(at(2)), one);
    work.found_open(at(2));
    let target = same()[0].target.clone().expect("shown");
    // counted as out from the start on, and not from a time to come
    let out = |minute: i64| {
        let index = index.read().expect("a lock");
        index.open_since(
            &target,
            Lane::Usual,
            at(minute),
            SignedDuration::from_mins(60),
        )
    };
    assert_eq!((out(3), out(70)), (1, 0));
    let seen = see(&mut work, vec![row("1200", TaskStatus::Pending, "77")], 5);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadPending);
    let seen = see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 8);
    assert_eq!(seen.outcomes[0].event, AttemptEvent::ReadBounced);
    assert_eq!(
        (out(9), out(125)),
        (0, 0),
        "what is settled holds nothing back"
    );
}

/// What came back while the clock was ahead waits no longer than anything else, once the clock is right.
#[test]
fn no_pause_lasts_until_the_clock_has_caught_up() {
    let (mut work, index) = core();
    let row = || vec![row("90", TaskStatus::Rejected, "77")];
    let lineage = see(&mut work, row(), 9000).views[0]
        .lineage
        .expect("opened");
    let refused = ReceiptStatus::Refused {
        reason: Arc::from("no"),
        manual: false,
    };
    send(&mut work, lineage, "90", 9001, refused);
    let mut work = Work::new(Arc::clone(&index));
    let one = Ahead {
        attempts: 0,
        lineages: 1,
    };
    assert_eq!(work.none_later(at(2)), one);
    assert_eq!(work.none_later(at(2)), Ahead::default());
    let index = index.read().expect("a lock");
    let history = index.history(lineage, true).expect("known");
    assert_eq!(history.last_attempt_at, Some(at(2)));
    assert_eq!((history.failed_since, history.first_seen), (at(2), at(2)));
}

#[test]
fn two_readings_of_different_failures_are_no_two_equal_ones() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![failed_with("refused")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let unknown = ReceiptStatus::Unknown {
        why: Arc::from("reset"),
    };
    send(&mut work, lineage, "90", 5, unknown);
    let early = sighting(vec![failed_with("locked")], 4);
    work.observe(&early, at(8)).expect("a pass");
    // the other failure, then a list that shows the one of before the send again
    for (reason, minute) in [("locked", 21), ("refused", 23)] {
        let seen = see(&mut work, vec![failed_with(reason)], minute);
        assert_eq!(seen.outcomes, [], "{reason}");
    }
    let told = see(&mut work, vec![failed_with("refused")], 25);
    assert_eq!(told.outcomes[0].event, AttemptEvent::ReadUnchanged);
}

/// One view cuts a reason, or leaves it out, that another one shows, and somebody may set a response meanwhile:
/// none of that is another run, and nothing is sent again before the first one had its time.
#[test]
fn a_text_that_another_view_words_otherwise_is_no_other_run() {
    let with = |reason: Option<&str>, response: Option<&str>| {
        let mut task = row("90", TaskStatus::Rejected, "77");
        task.reason = reason.map(Arc::from);
        task.response = response.map(Arc::from);
        task
    };
    let refused = || with(Some("refused"), None);
    let cases = [
        (refused(), with(None, None), false),
        (with(None, None), refused(), false),
        (with(Some("refu"), None), refused(), false),
        (refused(), with(Some("refused"), Some("DONE")), false),
        (refused(), with(None, None), true),
    ];
    for (before, after, by_list) in cases {
        let (mut work, index) = core();
        let seen = see(&mut work, vec![before], 0);
        let lineage = seen.views[0].lineage.expect("opened");
        let unknown = ReceiptStatus::Unknown {
            why: Arc::from("no answer"),
        };
        send(&mut work, lineage, "90", 5, unknown);
        let mut read = |minute: i64| {
            if by_list {
                return see(&mut work, vec![after.clone()], minute).outcomes;
            }
            let meta = Meta::daemon(at(minute), None);
            let looked = vec![Looked::single(lineage, 1, Some(after.clone()))];
            let seen = work.looked(looked, &delivery(), &meta, at(minute));
            seen.expect("looked").outcomes
        };
        for minute in [6, 12, 19, 20] {
            assert_eq!(read(minute), [], "{minute}");
        }
        let told = read(23);
        assert_eq!(told.len(), 1, "two equal readings after its time");
        assert!(index.read().expect("a lock").attempt(lineage).is_none());
    }
}
