//! Records that version 8 has brought, as they stand in a journal: read, and written again byte by byte.

use provtaskd::ledger::Index;
use provtaskd::ledger::record::{EventBody, OpenedItem, decode, encode, genesis, link};

/// One cycle over five revokes, a record or a few of each sort.
const CYCLE: &str = include_str!("../fixtures/records/v8.jsonl");

/// The requests of an hour.
const REQUESTS: &str = r#"{"v":8,"seq":1,"at":"2027-03-01T09:00:00Z","actor":{"who":"daemon"},"login":"PROVSVC","prev":"0000000000000000000000000000000000000000000000000000000000000000","body":{"is":"requests","of":{"from":"2027-03-01T08:00:00Z","to":"2027-03-01T09:00:00Z","reads":40,"tokens":1}}}"#;

/// What can't be carried out any more.
const LATE_OVER: &str = r#"{"v":8,"seq":1,"at":"2027-03-01T09:00:00Z","actor":{"who":"daemon"},"prev":"0000000000000000000000000000000000000000000000000000000000000000","body":{"is":"late_over","of":{"items":[{"lineage":7,"ordinal":2}]}}}"#;

#[test]
fn what_is_over_is_read_as_it_was_written() {
    let event = decode(LATE_OVER.as_bytes()).expect("readable");
    let back = String::from_utf8(encode(&event).expect("small")).expect("text");
    assert_eq!(back, LATE_OVER);
    let EventBody::LateOver { items } = &event.body else {
        panic!("{:?}", event.body);
    };
    let pairs: Vec<(u64, u32)> = items.iter().map(|i| (i.lineage.0, i.ordinal)).collect();
    assert_eq!(pairs, [(7, 2)]);
}

#[test]
fn requests_are_read_as_they_were_written_and_change_nothing_that_is_known() {
    let event = decode(REQUESTS.as_bytes()).expect("readable");
    let back = String::from_utf8(encode(&event).expect("small")).expect("text");
    assert_eq!(back, REQUESTS);
    assert_eq!(event.prev, genesis());
    let EventBody::Requests {
        from,
        to,
        reads,
        tokens,
    } = &event.body
    else {
        panic!("{:?}", event.body);
    };
    assert_eq!((*reads, *tokens), (40, 1));
    assert_eq!(to.duration_since(*from).as_secs(), 3600);
    let mut index = Index::default();
    index.apply(&event, link(&event, REQUESTS.as_bytes()));
    assert_eq!(index.last_seq(), 1);
    assert_eq!((index.lineages(), index.open_attempts().count()), (0, 0));
}

#[test]
fn a_cycle_is_read_as_it_was_written_and_each_first_sight_has_all_of_its_own() {
    let mut opened = 0;
    for line in CYCLE.lines() {
        let event = decode(line.as_bytes()).expect("readable");
        let back = String::from_utf8(encode(&event).expect("small")).expect("text");
        assert_eq!(back, line);
        if let EventBody::LineagesOpened { items } = event.body {
            opened += items.len();
            let whole = |item: &OpenedItem| {
                item.owner.is_some() && item.created.is_some() && item.definition.is_some()
            };
            assert!(items.iter().all(whole), "{line}");
        }
    }
    assert_eq!(opened, 5);
}
