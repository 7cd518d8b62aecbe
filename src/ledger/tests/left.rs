//! What no list shows any more and no attempt tells of: left after two whole passes, back as soon as it is shown, never success, and never the end of what is known of it; no disk.

use super::*;
use crate::ledger::Entry;
use crate::ledger::notes::Made;
use crate::ledger::retention;
use crate::model::{Refusal, Scope};

const DAY: i64 = 24 * 60;

fn rejected(id: &str) -> Task {
    row(id, TaskStatus::Rejected, id)
}

/// Opens one lineage at minute 0.
fn opened(work: &mut Work) -> LineageId {
    let seen = see(work, vec![rejected("90")], 0);
    seen.views[0].lineage.expect("opened")
}

fn left(work: &Work, lineage: LineageId) -> Option<Timestamp> {
    work.index().left(lineage).map(|left| left.since())
}

/// A decision that waits for a person.
fn asks(work: &mut Work, lineage: LineageId, task: &str, minute: i64) {
    let decision = crate::ledger::DecisionRecord {
        decision: Arc::new(admitted(lineage, task, Action::Retry).decision().clone()),
        refusal: Some(Refusal {
            reason: RefusalReason::AttemptsUsedUp,
            values: Vec::new(),
            until: None,
            scope: Scope::Lineage(lineage),
            needs_person: true,
        }),
        relook: None,
    };
    let cycle = CycleId(uuid::Uuid::from_u128(1));
    work.decided(Made::of(vec![decision], |_| true), cycle, at(minute))
        .expect("recorded");
}

fn waiting(work: &Work) -> Vec<&'static str> {
    let inbox = work.index().inbox(at(-9999));
    inbox.iter().map(|item| item.why).collect()
}

fn rewind(work: &mut Work, minute: i64) {
    let body = EventBody::StoreRewound {
        expected: 90,
        found: 80,
        damage: None,
        restored: None,
        lineages: Vec::new(),
    };
    work.emit(&Meta::by(Actor::System, at(minute)), body)
        .expect("small");
}

/// The lineages that retention would take at that minute, where they have to be this many days old.
fn goes(work: &Work, days: i64, minute: i64) -> Vec<LineageId> {
    let older = SignedDuration::from_hours(days * 24);
    retention::plan(&work.index(), older, at(minute)).lineages
}

/// The journal says what the index says.
fn rebuilds(work: &Work) {
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert!(rebuilt == *work.index());
}

#[test]
fn only_two_whole_passes_of_the_daemons_own_tell_that_work_left() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    see(&mut work, vec![], 5);
    assert_eq!(left(&work, lineage), None, "one pass may have missed it");
    let mut part = sighting(vec![], 6);
    Arc::make_mut(&mut part.snapshot).complete = false;
    work.observe(&part, at(6)).expect("a pass");
    let mut shifted = sighting(vec![], 7);
    Arc::make_mut(&mut shifted.snapshot).stable = false;
    work.observe(&shifted, at(7)).expect("a pass");
    work.observe(&sighting(vec![], 4), at(8)).expect("late");
    let mut asked = sighting(vec![], 9);
    asked.asked = true;
    work.observe(&asked, at(9)).expect("a pass");
    assert_eq!(left(&work, lineage), None, "none of these says so");
    let seen = see(&mut work, vec![], 10);
    assert_eq!((left(&work, lineage), seen.left), (Some(at(10)), 1));
    // once is enough
    let records = work.pending.len();
    assert_eq!(see(&mut work, vec![], 15).left, 0);
    assert_eq!(work.pending.len(), records);
    assert!(!work.index().is_done(lineage), "it is no success");
    assert!(work.index().counts().is_empty());
    rebuilds(&work);
}

#[test]
fn a_row_that_comes_back_between_two_passes_has_not_left() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    for minute in [5, 15, 25] {
        see(&mut work, vec![], minute);
        see(&mut work, vec![rejected("90")], minute + 5);
    }
    assert_eq!(left(&work, lineage), None);
}

#[test]
fn work_with_an_attempt_that_is_open_or_gone_is_left_to_its_verification() {
    for status in [
        ReceiptStatus::Accepted,
        ReceiptStatus::Unknown {
            why: Arc::from("reset"),
        },
    ] {
        let (mut work, _) = core();
        let lineage = opened(&mut work);
        send(&mut work, lineage, "90", 1, status);
        for minute in [5, 10, 15, 20, 40, 60, 2 * DAY, 5 * DAY] {
            see(&mut work, vec![], minute);
            let index = work.index();
            assert!(index.attempt(lineage).is_some(), "{minute}");
            assert_eq!(index.left(lineage), None, "{minute}");
        }
        let told_by = at(2 * DAY);
        assert_eq!(work.index().inbox(told_by).len(), 1, "a person is asked");
        assert_eq!(goes(&work, 1, 400 * DAY), []);
        rebuilds(&work);
    }
}

#[test]
fn work_whose_attempts_have_ended_leaves_and_its_attempts_are_remembered() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    let refused = || ReceiptStatus::Refused {
        reason: Arc::from("no"),
        manual: false,
    };
    send(&mut work, lineage, "90", 1, refused());
    asks(&mut work, lineage, "90", 2);
    assert_eq!(waiting(&work), ["attempts_used_up"]);
    see(&mut work, vec![], 5);
    see(&mut work, vec![], 10);
    assert_eq!(left(&work, lineage), Some(at(10)));
    assert_eq!(waiting(&work), [""; 0], "nobody can do anything about it");
    // shown again, with nothing changed
    let seen = see(&mut work, vec![rejected("90")], 15);
    assert!(seen.views[0].changed && seen.views[0].lineage == Some(lineage));
    assert_eq!(left(&work, lineage), None);
    assert_eq!(waiting(&work), ["attempts_used_up"], "it is back");
    let history = work.index().history(lineage, true).expect("known");
    assert_eq!((history.attempts, history.attempts_total), (1, 1));
    assert_eq!(history.failed_since, at(0), "it is the same failure");
    rebuilds(&work);
}

#[test]
fn what_is_shown_as_finished_has_not_come_back() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    see(&mut work, vec![], 5);
    see(&mut work, vec![], 10);
    let done = row("90", TaskStatus::ManuallyCompleted, "90");
    see(&mut work, vec![done.clone()], 15);
    assert_eq!(left(&work, lineage), Some(at(10)));
    let records = work.pending.len();
    see(&mut work, vec![done], 20);
    assert_eq!(work.pending.len(), records, "nothing new to say");
}

#[test]
fn a_successor_brings_it_back_and_a_doubt_is_for_a_person() {
    let (mut work, _) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    see(&mut work, vec![], 5);
    see(&mut work, vec![], 10);
    assert!(left(&work, lineage).is_some());
    let next = row("120", TaskStatus::Rejected, "77");
    assert_eq!(see(&mut work, vec![next.clone()], 15).joined, 1);
    assert_eq!(work.index().current_task(lineage), Some(TaskId::new("120")));
    assert_eq!(left(&work, lineage), None);
    for minute in [25, 30] {
        see(&mut work, vec![], minute);
    }
    assert_eq!(left(&work, lineage), Some(at(30)));
    // two that could each be the next one
    let rivals = vec![
        row("130", TaskStatus::Rejected, "77"),
        row("131", TaskStatus::Rejected, "77"),
    ];
    for minute in [35, 40] {
        see(&mut work, rivals.clone(), minute);
    }
    let doubted = {
        let index = work.index();
        index.is_ambiguous(LineageId(2))
            && index.left(lineage).is_some() != index.is_ambiguous(lineage)
    };
    assert!(doubted, "left or in doubt, never both");
    rebuilds(&work);
}

#[test]
fn the_backlog_of_the_first_day_counts_what_is_still_there_and_holds_back_what_returns() {
    let (mut work, _) = core();
    see(&mut work, vec![rejected("90"), rejected("91")], 0);
    work.take_baseline(Actor::Daemon, Vec::new(), at(1))
        .expect("taken");
    see(&mut work, vec![rejected("91")], 5);
    see(&mut work, vec![rejected("91")], 10);
    let waits = |work: &Work| work.index().baseline().expect("taken").waiting;
    assert_eq!(waits(&work), 1);
    let by_target = work.index().baseline_by_target();
    assert_eq!(
        by_target.values().flatten().collect::<Vec<_>>(),
        [&LineageId(2)]
    );
    see(&mut work, vec![rejected("90"), rejected("91")], 15);
    assert_eq!(waits(&work), 2);
    assert!(work.index().in_baseline(LineageId(1)), "it was there");
}

#[test]
fn retention_takes_it_so_long_after_it_left_and_never_what_came_back() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    see(&mut work, vec![], 5);
    assert_eq!(goes(&work, 30, 400 * DAY), [], "it is open");
    let gone = 50 * DAY;
    see(&mut work, vec![], gone);
    assert_eq!(goes(&work, 30, gone + 29 * DAY), []);
    assert_eq!(goes(&work, 30, gone + 31 * DAY), [lineage]);
    // its successor may come that late
    assert_eq!(goes(&work, 1, gone + 2 * DAY), []);
    assert_eq!(goes(&work, 1, gone + 4 * DAY), [lineage]);
    see(&mut work, vec![rejected("90")], gone + 5 * DAY);
    assert_eq!(goes(&work, 1, gone + 400 * DAY), [], "it is open again");
}

#[test]
fn what_comes_back_after_its_beneficiary_was_taken_out_still_finds_its_successor() {
    let (mut work, _) = core();
    // as a rewritten journal has it
    let mut bare = row("90", TaskStatus::Rejected, "77");
    bare.beneficiary = None;
    let seen = see(&mut work, vec![bare], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    see(&mut work, vec![], 5);
    see(&mut work, vec![], 10);
    see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 15);
    send(&mut work, lineage, "90", 16, ReceiptStatus::Accepted);
    for minute in [25, 30] {
        see(
            &mut work,
            vec![row("120", TaskStatus::Rejected, "77")],
            minute,
        );
    }
    let index = work.index();
    assert_eq!(index.lineages(), 1, "its attempts are counted on");
    assert_eq!(index.lineage_of(&TaskId::new("120")), Some(lineage));
    assert_eq!(index.history(lineage, true).expect("known").attempts, 1);
}

#[test]
fn what_left_unseen_after_a_rewind_is_told_to_a_person_before_it_is_closed() {
    let (mut work, _) = core();
    see(
        &mut work,
        vec![rejected("90"), rejected("91"), rejected("92")],
        0,
    );
    rewind(&mut work, 1);
    // a start
    let mut work = {
        let index = Arc::new(RwLock::new(work.index().clone()));
        let pending = std::mem::take(&mut work.pending);
        let mut fresh = Work::new(index);
        fresh.pending = pending;
        fresh
    };
    let there = || vec![rejected("91"), rejected("92")];
    see(&mut work, there(), 10);
    see(&mut work, there(), 15);
    assert_eq!(waiting(&work), ["left_rewound"]);
    assert!(work.index().left(LineageId(1)).expect("left").is_lost());
    assert_eq!(goes(&work, 1, 400 * DAY), [], "not before it was told");
    // what was sent right before the start had no time yet
    see(&mut work, vec![rejected("92")], 20);
    see(&mut work, vec![rejected("92")], 25);
    assert_eq!(waiting(&work), ["left_rewound"; 2]);
    // from here on what leaves was there after the lost interval
    see(&mut work, vec![], 30);
    see(&mut work, vec![], 35);
    assert_eq!(left(&work, LineageId(3)), Some(at(35)));
    assert_eq!(waiting(&work), ["left_rewound"; 2]);
    rebuilds(&work);

    let note = |lineage: u64, reason: Option<&str>| Entry {
        body: EventBody::LineagesLeft {
            lineages: vec![LineageId(lineage)],
            lost: false,
            reason: reason.map(Arc::from),
        },
        meta: Meta::daemon(at(40), None),
    };
    assert!(
        work.record(note(1, None)).is_err(),
        "only a pass tells that something left"
    );
    work.record(note(1, Some("looked at"))).expect("recorded");
    let reason = Arc::from("looked at");
    let body = EventBody::EpisodeReset {
        lineage: LineageId(2),
        reason,
    };
    work.emit(&Meta::daemon(at(41), None), body).expect("small");
    assert_eq!(waiting(&work), [""; 0]);
    assert_eq!(left(&work, LineageId(1)), Some(at(15)), "since when stays");
    assert_eq!(goes(&work, 1, 400 * DAY).len(), 3);
    rebuilds(&work);
}

#[test]
fn a_person_takes_note_of_nothing_that_is_there() {
    let (mut work, _) = core();
    let lineage = opened(&mut work);
    let body = EventBody::LineagesLeft {
        lineages: vec![lineage, LineageId(99)],
        lost: false,
        reason: Some(Arc::from("looked at")),
    };
    work.emit(&Meta::daemon(at(1), None), body).expect("small");
    assert_eq!(left(&work, lineage), None);
}
