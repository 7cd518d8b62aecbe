//! Journals as JSON lines, led by coverage: every record is read or refused, read again as it was written, and what is made of all of them never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provtaskd::ledger::Index;
use provtaskd::ledger::record::{decode, link};
use provtaskd::ledger::verify::{Anchors, Verifier};
use provtaskd::model::LineageId;

fuzz_target!(|bytes: &[u8]| {
    let mut index = Index::default();
    let mut verifier = Verifier::new(Anchors::default(), Vec::new());
    for (seq, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        verifier.add(seq, line);
        let Ok(event) = decode(line) else {
            continue;
        };
        let again = serde_json::to_vec(&event).expect("what was read can be written");
        assert_eq!(decode(&again).ok().as_ref(), Some(&event), "read otherwise");
        index.apply(&event, link(&event, line));
    }
    for lineage in (0..8).map(LineageId) {
        let _ = (index.history(lineage, true), index.attempt(lineage));
    }
    let _ = (index.counts(), index.open_attempts().count());
    let _ = verifier.end(None);
});
