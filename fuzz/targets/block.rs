//! Blocks of records, led by coverage: any value is unpacked or refused, without growing beyond its bound, and what is packed is unpacked as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provtaskd::ledger::block::{pack, unpack};

fuzz_target!(|bytes: &[u8]| {
    let mut grown = 0;
    let read = unpack(7, bytes, |_, record| {
        grown += record.len();
        true
    });
    assert!(read.is_err() || grown <= (256 << 10) + bytes.len(), "{grown} bytes");

    let lines = bytes.split(|byte| *byte == b'\n');
    // a record is JSON: it begins with a brace
    let records: Vec<(u64, Vec<u8>)> = (3..)
        .zip(lines.filter(|line| line.first() == Some(&b'{')))
        .map(|(seq, line)| (seq, line.to_vec()))
        .collect();
    let mut back = Vec::new();
    for (first, value) in pack(&records) {
        let whole = unpack(first, &value, |seq, record| {
            back.push((seq, record.to_vec()));
            true
        });
        assert_eq!(whole.ok(), Some(true));
    }
    assert!(back == records, "unpacked otherwise");
});
