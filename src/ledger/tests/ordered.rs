//! Releases of the order within an account: what the journal remembers of them, and what ends them; no disk.

use super::*;
use crate::model::OrderRelease;

/// A held change and the one that it waits for, both of account 77; the first is L1.
fn two() -> (Work, Arc<RwLock<Index>>, LineageId) {
    let (mut work, index) = core();
    let tasks = vec![
        row("90", TaskStatus::Rejected, "77"),
        row("91", TaskStatus::Rejected, "77"),
    ];
    let seen = see(&mut work, tasks, 0);
    let held = seen.views[1].lineage.expect("opened");
    release(&mut work, held, "90");
    (work, index, held)
}

fn release(work: &mut Work, held: LineageId, other: &str) {
    let person = Actor::Person {
        uid: 7,
        name: Arc::from("uid 7"),
    };
    let body = EventBody::OrderReleased {
        lineage: held,
        task: TaskId::new("91"),
        release: OrderRelease {
            reason: RefusalReason::WaitsForOlder,
            other: TaskId::new(other),
            status: Arc::from("rejected"),
            until: at(600),
        },
        reason: Arc::from("asked for by ticket 7"),
    };
    work.emit(&Meta::by(person, at(1)), body).expect("small");
}

fn holds(index: &Arc<RwLock<Index>>, held: LineageId, minute: i64) -> bool {
    let index = index.read().expect("a lock");
    !index.order_releases(held, at(minute)).is_empty()
}

#[test]
fn a_release_holds_over_a_restart_until_its_time() {
    let (work, index, held) = two();
    assert!(holds(&index, held, 599) && !holds(&index, held, 600));
    let mut again = Index::default();
    for (_, bytes) in &work.pending {
        let event = decode(bytes).expect("its own");
        again.apply(&event, crate::ledger::record::link(&event, bytes));
    }
    assert_eq!(again, *index.read().expect("a lock"));
    assert_eq!(again.orders_released(at(5)), 1);
    assert_eq!(again.orders_released(at(700)), 0);
}

#[test]
fn a_list_without_a_change_leaves_it_and_every_change_ends_it() {
    let rejected = |id: &str| row(id, TaskStatus::Rejected, "77");
    let (mut work, index, held) = two();
    see(&mut work, vec![rejected("90"), rejected("91")], 5);
    let mut handed_on = rejected("90");
    handed_on.owner = crate::model::Owner::User {
        key: Some(crate::model::UserKey::new("9")),
        login: None,
    };
    see(&mut work, vec![handed_on, rejected("91")], 6);
    assert!(holds(&index, held, 7), "another owner is no other state");

    let other_status = row("90", TaskStatus::Pending, "77");
    let mut other_failure = rejected("90");
    other_failure.reason = Some(Arc::from("no such mailbox"));
    for changed in [other_status, other_failure] {
        let (mut work, index, held) = two();
        see(&mut work, vec![changed.clone(), rejected("91")], 5);
        assert!(!holds(&index, held, 6), "{changed:?}");
        // and it does not come back with the old state
        see(&mut work, vec![rejected("90"), rejected("91")], 7);
        assert!(!holds(&index, held, 8));
    }
    // the held one is closed by somebody else
    let (mut work, index, held) = two();
    let done = row("91", TaskStatus::Completed, "77");
    see(&mut work, vec![rejected("90"), done], 5);
    assert!(!holds(&index, held, 6));
}

#[test]
fn an_attempt_of_either_ends_it_and_so_does_a_successor() {
    for (lineage, task) in [(2, "91"), (1, "90")] {
        let (mut work, index, held) = two();
        let why = Arc::from("no route");
        send(
            &mut work,
            LineageId(lineage),
            task,
            2,
            ReceiptStatus::Unsent { why },
        );
        assert!(!holds(&index, held, 3), "an attempt of {task}");
    }
    for of in ["90", "91"] {
        let (mut work, index, held) = two();
        let mut successor = row("1200", TaskStatus::Rejected, "77");
        successor.retry_of = Some(TaskId::new(of));
        let stays = if of == "90" { "91" } else { "90" };
        let list = vec![row(stays, TaskStatus::Rejected, "77"), successor];
        see(&mut work, list.clone(), 5);
        see(&mut work, list.clone(), 6);
        see(&mut work, list, 7);
        assert!(!holds(&index, held, 8), "a successor of {of}");
    }
}

#[test]
fn several_releases_of_one_task_stand_beside_each_other() {
    let (mut work, index, held) = two();
    release(&mut work, held, "89");
    release(&mut work, held, "89");
    let both = index.read().expect("a lock").order_releases(held, at(5));
    assert_eq!(both.len(), 2, "{both:?}");
}
