//! Records of version 6, as a store of that time has them, some of them rewritten by an erasure: read, written again byte by byte, and chained.

use provtaskd::ledger::Index;
use provtaskd::ledger::record::{EventBody, decode, encode, genesis, link};

const OLD: &str = include_str!("../fixtures/records/v6.jsonl");

#[test]
fn records_of_version_6_are_read_as_they_were_written_and_chained() {
    let mut index = Index::default();
    let mut before = genesis();
    let (mut rewritten, mut seen) = (0, 0);
    for (seq, line) in (1..).zip(OLD.lines()) {
        let event = decode(line.as_bytes()).expect("readable");
        assert_eq!((event.v, event.seq), (6, seq));
        assert_eq!(event.prev, before);
        let back = String::from_utf8(encode(&event).expect("small")).expect("text");
        assert_eq!(back, line);
        before = link(&event, line.as_bytes());
        rewritten += u64::from(event.was.is_some());
        // what version 7 has beside it is not there
        seen += u64::from(matches!(&event.body, EventBody::Claims { .. }));
        index.apply(&event, before.clone());
    }
    assert!(index.last_seq() > 30, "one of each sort");
    assert_eq!((rewritten, seen), (4, 2));
    assert_eq!(
        index.orders_released("2027-03-01T07:00:00Z".parse().expect("a time")),
        0
    );
}
