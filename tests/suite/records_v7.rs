//! Records of version 7, as a daemon of that time has left them: read, written again byte by byte, chained, and meaning what they meant.

use provtaskd::ledger::Index;
use provtaskd::ledger::record::{EventBody, decode, encode, genesis, link};
use provtaskd::model::AttemptState;

const OLD: &str = include_str!("../fixtures/records/v7.jsonl");

#[test]
fn records_of_version_7_are_read_as_they_were_written_and_chained() {
    let mut index = Index::default();
    let mut before = genesis();
    let mut claimed = 0;
    for (seq, line) in (1..).zip(OLD.lines()) {
        let event = decode(line.as_bytes()).expect("readable");
        assert_eq!((event.v, event.seq), (7, seq));
        assert_eq!(event.prev, before);
        let back = String::from_utf8(encode(&event).expect("small")).expect("text");
        assert_eq!(back, line);
        before = link(&event, line.as_bytes());
        if let EventBody::Claims { items, .. } = &event.body {
            claimed += items.len();
        }
        index.apply(&event, before.clone());
    }
    let last = u64::try_from(OLD.lines().count()).expect("few");
    assert_eq!(index.last_seq(), last);
    let told: u64 = index.counts().values().sum();
    assert_eq!(u64::try_from(claimed).expect("few"), told);
    assert!(index.counts()[&AttemptState::Completed] > 0);
    // what version 8 has beside it is not there
    assert_eq!(index.justifications().claimed, 0);
}
