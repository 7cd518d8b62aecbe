//! The governor's stored state as a crash leaves it: whole or the one before, never a part; no disk.

use super::*;
use crate::ledger::{Entry, EventBody};

/// A state of a few parts; each of its own letter.
fn state(letter: &str) -> String {
    letter.repeat(8000)
}

/// What the index gives back: which letter, if it is a whole state.
fn letter(index: &Index) -> Option<&'static str> {
    let (version, json) = index.governor_state()?;
    assert_eq!(version, 1);
    ["a", "b"].into_iter().find(|letter| state(letter) == json)
}

fn entry(json: String) -> Entry {
    Entry {
        body: EventBody::GovernorState {
            version: 1,
            part: 0,
            of: 1,
            json,
        },
        meta: Meta::daemon(at(0), None),
    }
}

#[test]
fn a_state_of_several_parts_comes_back_whole() {
    let (mut work, index) = core();
    work.record(entry(state("a"))).expect("recorded");
    assert_eq!(letter(&index.read().expect("a lock")), Some("a"));
}

#[test]
fn a_kill_between_the_parts_of_a_state_leaves_the_one_before() {
    let (mut work, _) = core();
    work.record(entry(state("a"))).expect("recorded");
    let whole = work.pending.len();
    assert!(whole > 1, "the state must need several records");
    work.record(entry(state("b"))).expect("recorded");
    let all = work.pending.len();
    for cut in whole..=all {
        let store = MemoryStore::default();
        store.append(&work.pending[..cut]).expect("numbers rise");
        let (rebuilt, ..) = replay(&store).expect("own records");
        let expected = if cut == all { "b" } else { "a" };
        assert_eq!(letter(&rebuilt), Some(expected), "cut {cut}");
    }
}

#[test]
fn parts_that_do_not_follow_each_other_are_no_state() {
    let (mut work, index) = core();
    work.record(entry(state("a"))).expect("recorded");
    for (part, of) in [(0, 3), (2, 3), (1, 2)] {
        let body = EventBody::GovernorState {
            version: 1,
            part,
            of,
            json: "x".to_owned(),
        };
        work.emit(&Meta::daemon(at(1), None), body).expect("small");
    }
    assert_eq!(letter(&index.read().expect("a lock")), Some("a"));
}

#[test]
fn what_a_rewound_store_left_unfinished_is_told_as_it_was_then() {
    let (mut work, index) = core();
    let rejected = |id: &str, process: &str| row(id, TaskStatus::Rejected, process);
    see(
        &mut work,
        vec![rejected("90", "77"), rejected("91", "78")],
        0,
    );
    send(&mut work, LineageId(1), "90", 1, ReceiptStatus::Accepted);
    let meta = Meta::daemon(at(30), None);
    let rewound = EventBody::StoreRewound {
        expected: 90,
        found: work.index().last_seq(),
        damage: None,
        restored: None,
        lineages: Vec::new(),
    };
    work.emit(&meta, rewound).expect("small");
    let done = Looked::single(
        LineageId(1),
        1,
        Some(row("90", TaskStatus::Completed, "77")),
    );
    work.looked(vec![done], &delivery(), &meta, at(31))
        .expect("looked");
    let index = index.read().expect("a lock");
    assert_eq!(index.unfinished(), 1, "one is done since");
    let told = crate::ledger::Rewound::of(&index, |_| None).expect("not settled");
    assert_eq!(told.unfinished, 2);
}
