//! What was told and may still be carried out, over starts by clocks that were set; no disk.

use super::*;
use crate::ledger::open::without_a_disk;
use crate::ledger::record::AttemptItem;
use crate::model::Outcome;

const DAY: i64 = 60 * 24;

fn unknown() -> ReceiptStatus {
    ReceiptStatus::Unknown {
        why: Arc::from("503"),
    }
}

fn shown() -> Vec<Task> {
    vec![
        row("1200", TaskStatus::Rejected, "77"),
        row("91", TaskStatus::Rejected, "78"),
    ]
}

/// Sent at minute 1 in account 77, never answered, told at 3 by what somebody else may have run.
fn told() -> (Work, Arc<RwLock<Index>>, LineageId) {
    let (mut work, index) = core();
    let rows = vec![
        row("90", TaskStatus::Rejected, "77"),
        row("91", TaskStatus::Rejected, "78"),
    ];
    let seen = see(&mut work, rows, 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(&mut work, lineage, "90", 1, unknown());
    let told = see(&mut work, shown(), 3);
    assert_eq!(told.outcomes[0].event, AttemptEvent::ReadBounced);
    (work, index, lineage)
}

/// The next run over the same records, by a clock of its own.
fn start(work: &mut Work, store: &Arc<MemoryStore>, minute: i64) -> Arc<RwLock<Index>> {
    let (records, _) = work.take_pending();
    store.append(&records).expect("numbers rise");
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    let opened = without_a_disk(store, at(minute)).expect("opened");
    *work = Work::new(Arc::clone(&opened.index));
    work.found_open(at(minute));
    opened.index
}

fn until(index: &Arc<RwLock<Index>>, lineage: LineageId, minute: i64) -> Option<Timestamp> {
    let index = index.read().expect("a lock");
    let account = ProcessKey::new("77");
    let settle_after = delivery().settle_after;
    index.late_until(Some(&account), lineage, false, at(minute), settle_after)
}

#[test]
fn a_clock_that_is_days_ahead_loses_no_hold() {
    let (mut work, _, lineage) = told();
    let store = Arc::new(MemoryStore::default());
    for day in [8, 40] {
        let index = start(&mut work, &store, day * DAY);
        let by = at(day * DAY + 15);
        assert_eq!(until(&index, lineage, day * DAY + 1), Some(by));
        // what this run puts on record bears the clock that is ahead
        see(&mut work, shown(), day * DAY + 2);
        assert_eq!(until(&index, lineage, day * DAY + 2), Some(by));
    }
}

#[test]
fn what_has_had_its_time_in_one_run_is_held_by_no_later_start() {
    let (mut work, index, lineage) = told();
    let store = Arc::new(MemoryStore::default());
    see(&mut work, shown(), 15);
    assert_eq!(until(&index, lineage, 15), Some(at(16)));
    see(&mut work, shown(), 16);
    assert_eq!(until(&index, lineage, 16), None);
    for day in 1..9 {
        let index = start(&mut work, &store, day * DAY);
        assert_eq!(until(&index, lineage, day * DAY + 1), None, "day {day}");
    }
}

/// Starts that each last too short put nothing on record; the first that lasts long enough does, once.
#[test]
fn runs_that_are_too_short_hold_it_each_and_the_first_long_one_ends_it() {
    let (mut work, _, lineage) = told();
    let store = Arc::new(MemoryStore::default());
    let mut over = 0;
    for (begin, end, held) in [
        (60, 70, true),
        (120, 130, true),
        (180, 195, true),
        (240, 241, false),
    ] {
        let index = start(&mut work, &store, begin);
        assert_eq!(until(&index, lineage, begin + 1).is_some(), held, "{begin}");
        see(&mut work, shown(), end);
        see(&mut work, shown(), end);
        let (records, _) = work.take_pending();
        store.append(&records).expect("numbers rise");
        for (_, bytes) in &records {
            let event = crate::ledger::record::decode(bytes).expect("readable");
            if let EventBody::LateOver { items } = event.body {
                let ordinal = 1;
                assert_eq!(items, [AttemptItem { lineage, ordinal }]);
                over += 1;
            }
        }
    }
    assert_eq!(over, 1);
}

/// The last check before the disk asks as well, whatever the guards knew.
#[test]
fn nothing_is_claimed_beside_what_may_still_be_carried_out() {
    let (mut work, index, lineage) = told();
    let by = until(&index, lineage, 4);
    let claim = |work: &mut Work, of: LineageId, task: &str, account: Option<&str>, minute| {
        let mut item = admitted(of, task, Action::Retry).decision().clone();
        item.process = account.map(ProcessKey::new);
        let item = Admitted::for_test(item, Action::Retry, TargetName::new("Mail"));
        let batch = u128::try_from(minute).expect("later");
        let made = work.claim(request(vec![item], batch), at(minute));
        made.expect("answered")
    };
    // its own work, as it is shown now or without an account
    for account in [Some("77"), None] {
        let made = claim(&mut work, lineage, "1200", account, 4);
        assert!(made.batch.is_none());
        let refusal = &made.refused[0].1;
        assert_eq!(
            (refusal.reason, refusal.until),
            (RefusalReason::AccountBusy, by)
        );
    }
    // other work in its account, and in another one
    let other = index.read().expect("a lock").lineage_of(&TaskId::new("91"));
    let other = other.expect("known");
    assert!(claim(&mut work, other, "91", Some("77"), 5).batch.is_none());
    assert!(claim(&mut work, other, "91", Some("78"), 6).batch.is_some());
    assert!(
        claim(&mut work, lineage, "1200", Some("77"), 16)
            .batch
            .is_some()
    );
}

/// A hand-over of which nobody knows whether it comes yet: whoever the task is given to next might lose it
/// again. Other work of the account does not wait.
#[test]
fn a_hand_over_that_may_come_yet_holds_its_own_work_only() {
    let (mut work, index) = core();
    let seen = see(&mut work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    let to = crate::model::Principal::User {
        key: Some(crate::model::UserKey::new("5")),
        login: Login::new("BDOE"),
    };
    let item = admitted(lineage, "90", Action::Reassign { to });
    let made = work.claim(request(vec![item], 7), at(1)).expect("claimed");
    let batch = made.batch.expect("a batch");
    let receipt = batch.items[0].receipt(unknown(), at(1));
    work.settle(vec![receipt], Duration::ZERO, at(1))
        .expect("settled");
    let closed = Outcome {
        lineage,
        ordinal: 1,
        event: AttemptEvent::PersonClosed,
        at: at(2),
        task: None,
        evidence: None,
    };
    work.conclude(vec![closed], &Meta::daemon(at(2), None))
        .expect("concluded");
    let index = index.read().expect("a lock");
    assert!(index.open_attempt(lineage).is_none());
    let settle_after = delivery().settle_after;
    let account = ProcessKey::new("77");
    let until = |of, revoke| index.late_until(Some(&account), of, revoke, at(3), settle_after);
    assert_eq!(until(lineage, false), Some(at(16)));
    assert_eq!(
        until(lineage, true),
        None,
        "a revoke waits for no hand-over"
    );
    assert_eq!(until(LineageId(900), false), None);
}

/// What two indices know of it is part of what makes them equal: a rewritten store has to hold the same.
#[test]
fn what_may_come_yet_is_part_of_what_is_compared() {
    let (_work, index, lineage) = told();
    let index = index.read().expect("a lock");
    let mut other = index.clone();
    assert_eq!(*index, other);
    other.late.over(&AttemptItem {
        lineage,
        ordinal: 1,
    });
    assert_ne!(*index, other);
    // by when it is counted is a matter of the run
    let mut other = index.clone();
    other.late.found(at(99));
    assert_eq!(*index, other);
}
