//! What sled spills into files of its own, which nothing syncs, would be lost with the power: no sizes of records may lead to that.

use std::fs;

use super::super::record::MAX_RECORD;
use super::super::sled::SledStore;
use super::super::store::Store;

/// Text that can't be made smaller, as long as a record may be.
fn dense(seed: &mut u64, len: usize) -> Vec<u8> {
    let mut text = vec![b'{'];
    text.resize_with(len, || {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        b'#' + u8::try_from(*seed % 90).unwrap_or(0)
    });
    text
}

#[test]
fn the_largest_records_never_leave_the_synced_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = SledStore::open(dir.path(), 1 << 20).expect("opened");
    let (mut seed, mut seq) = (88_172_645_463_325_252, 1);
    for round in 0..80 {
        // where a page of sled's is full depends on how many values come at once
        let records: Vec<(u64, Vec<u8>)> = (0..1 + seed % 40)
            .map(|_| {
                seq += 1;
                (seq, dense(&mut seed, MAX_RECORD - 1))
            })
            .collect();
        store.append(&records).expect("appended");
        let spilled = fs::read_dir(dir.path().join("blobs")).expect("sled makes it");
        assert_eq!(spilled.count(), 0, "after round {round}");
    }
}
