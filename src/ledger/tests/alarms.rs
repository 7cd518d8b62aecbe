//! False alarms about the server: a person ends one only where the lists bear it out, and nothing is lost by it; no disk.

use super::worlds::{claim_of, known, made, many, person};
use super::*;
use crate::ledger::world::World;

/// What the ledger answers to "it is the known one".
fn keep(work: &mut Work, minute: i64) -> Option<String> {
    let kept = work.keep_world("a false alarm", person(), at(minute));
    kept.expect("answered")
}

#[test]
fn a_false_alarm_ends_by_a_person_after_two_whole_lists_and_nothing_is_lost() {
    let (mut work, index) = core();
    let lineages = known(&mut work);
    send(&mut work, lineages[0], "90", 1, ReceiptStatus::Accepted);
    assert!(keep(&mut work, 2).is_some(), "there is nothing to end");
    let other = || vec![made("90", "90", "39", -60), made("91", "500", "39", 3)];
    let rows = || {
        ["90", "91", "92"]
            .map(|id| made(id, id, "39", -60))
            .to_vec()
    };
    for minute in [5, 10, 15] {
        see(&mut work, other(), minute);
    }
    let why = keep(&mut work, 16).expect("refused");
    assert!(
        why.contains("0 of 2") && why.contains("account 91 then and 500"),
        "{why}"
    );
    see(&mut work, rows(), 20);
    assert!(keep(&mut work, 21).is_some_and(|why| why.contains("1 of 2")));
    // one that shifts and one that a person asked for count for nothing, a stranger begins anew
    let mut shifted = sighting(rows(), 22);
    Arc::make_mut(&mut shifted.snapshot).stable = false;
    work.observe(&shifted, at(22)).expect("a pass");
    let mut asked = sighting(rows(), 23);
    asked.asked = true;
    work.observe(&asked, at(23)).expect("a pass");
    assert!(keep(&mut work, 24).is_some_and(|why| why.contains("1 of 2")));
    see(&mut work, other(), 25);
    see(&mut work, rows(), 30);
    assert!(keep(&mut work, 31).is_some_and(|why| why.contains("1 of 2")));
    see(&mut work, rows(), 35);
    assert_eq!(keep(&mut work, 36), None);
    let seen = see(&mut work, rows(), 40);
    assert_eq!((&seen.world, seen.opened), (&World::Known, 0));
    let views: Vec<_> = seen.views.iter().filter_map(|view| view.lineage).collect();
    assert_eq!(views, lineages);
    assert!(seen.views[0].attempt_open, "its attempt is as it was");
    assert_eq!(claim_of(&mut work, lineages[1], "91"), None);
    let store = MemoryStore::default();
    store.append(&work.pending).expect("numbers rise");
    let (rebuilt, ..) = replay(&store).expect("own records");
    assert_eq!(rebuilt, *index.read().expect("a lock"));
}

#[test]
fn a_false_alarm_of_ids_out_of_turn_ends_as_well() {
    let (mut work, _) = core();
    see(&mut work, many(100), 0);
    let now = || vec![made("98", "700", "39", 7), made("99", "701", "39", 8)];
    for minute in [10, 15, 20] {
        see(&mut work, now(), minute);
    }
    assert!(keep(&mut work, 21).is_some_and(|why| why.contains("ids begin again")));
    for minute in [25, 30] {
        see(&mut work, now(), minute);
    }
    assert_eq!(keep(&mut work, 31), None);
    let seen = see(&mut work, now(), 35);
    assert_eq!((seen.opened, &seen.world), (2, &World::Known));
}

#[test]
fn a_server_that_shows_no_known_task_is_never_called_the_known_one() {
    let (mut work, index) = core();
    known(&mut work);
    let bound = EventBody::WorldBound {
        fingerprint: "one".to_owned(),
    };
    work.emit(&Meta::by(person(), at(0)), bound).expect("taken");
    let moved = work.rebind("two".to_owned(), "another address", person(), at(3));
    moved.expect("on record");
    let strangers = || vec![made("700", "700", "39", 4), made("701", "701", "39", 4)];
    for minute in [5, 10, 15] {
        let seen = see(&mut work, strangers(), minute);
        // the word for which it is doubted does not hide what the lists show
        let World::Other(why) = &seen.world else {
            panic!("{:?}", seen.world);
        };
        assert!(
            why.starts_with("another address") && why.contains("none of the 3 open tasks"),
            "{why}"
        );
        assert_eq!(
            index.read().expect("a lock").lineages(),
            3,
            "nothing is opened"
        );
    }
    let why = keep(&mut work, 16).expect("refused");
    assert!(
        why.contains("0 of 2") && why.contains("none of the 3 open tasks"),
        "{why}"
    );
    // one that is known is enough: the others may have been ended
    let mut rows = strangers();
    rows.push(made("91", "91", "39", -60));
    for minute in [20, 25] {
        see(&mut work, rows.clone(), minute);
    }
    assert_eq!(keep(&mut work, 26), None);
}
