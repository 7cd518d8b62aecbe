//! The ledger on a journal that is damaged in the middle, or that sled can't open at first: a copy is kept, it is said until a person has settled it, and not again after that.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use provtaskd::ledger::record::{Meta, decode};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::{Entry, EventBody, OpenReport, Store as _};
use provtaskd::model::settings::StoreSettings;

use crate::opened::open;

const CACHE: u64 = 8 << 20;

fn now() -> Timestamp {
    "2027-03-01T08:00:00Z".parse().expect("a time")
}

fn settings(dir: &Path) -> StoreSettings {
    StoreSettings {
        dir: dir.to_path_buf(),
        cache: CACHE,
    }
}

fn entry(body: EventBody) -> Entry {
    Entry {
        body,
        meta: Meta::daemon(now(), None),
    }
}

/// Opens, says so many notes, closes; answers what opening found.
async fn lived(dir: &Path, notes: usize) -> OpenReport {
    let opened = open(&settings(dir), now());
    let (ledger, report) = opened.expect("opened");
    for n in 0..notes {
        let text = Arc::from(format!("note {n}"));
        let note = entry(EventBody::Note { text });
        ledger.record(note).await.expect("recorded");
    }
    ledger.shutdown().await.expect("closed");
    report
}

/// Spoils the value under which a record lies.
#[expect(
    clippy::disallowed_methods,
    reason = "the ledger's own store would not write such a value"
)]
fn spoil(dir: &Path, seq: u64) {
    let db = sled::open(dir.join("journal")).expect("opened");
    let key = seq.to_be_bytes();
    assert!(db.contains_key(key).expect("read"), "{seq} stands alone");
    db.insert(key, &b"{spoilt"[..]).expect("written");
    db.flush().expect("flushed");
}

/// Records that say that the store was rewound.
fn said_rewound(dir: &Path) -> usize {
    let (store, _) = SledStore::open(&dir.join("journal"), CACHE).expect("opened");
    let mut many = 0;
    store
        .visit(0, &mut |_, bytes| {
            let event = decode(bytes);
            many += usize::from(
                matches!(event, Ok(event) if matches!(event.body, EventBody::StoreRewound { .. })),
            );
            ControlFlow::Continue(())
        })
        .expect("read");
    many
}

/// Copies that were put aside, without the texts about them.
fn copies(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir.join("aside")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_dir()).collect()
}

async fn settle(dir: &Path) {
    let (ledger, _) = open(&settings(dir), now()).expect("opened");
    let reason = Arc::from("looked at");
    let body = EventBody::RewindSettled { reason };
    ledger.record(entry(body)).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
}

#[tokio::test]
async fn damage_in_the_middle_is_said_until_it_is_settled_and_another_one_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    lived(dir, 20).await;
    spoil(dir, 5);
    for _ in 0..3 {
        let report = lived(dir, 1).await;
        assert!(report.rewound.is_some(), "{report:?}");
        assert!(!report.repaired.is_empty(), "{report:?}");
    }
    assert_eq!(said_rewound(dir), 1, "once on record is enough");
    settle(dir).await;
    for _ in 0..2 {
        let report = lived(dir, 1).await;
        assert_eq!(report.rewound, None, "a person has settled it");
        assert_eq!(report.repaired, Vec::<String>::new());
    }
    // what comes later is another damage, also before the one that was settled
    for (seq, all) in [(9, 2), (3, 3)] {
        spoil(dir, seq);
        let report = lived(dir, 1).await;
        assert!(report.rewound.is_some(), "{report:?}");
        let words = report.repaired.join("\n");
        assert!(
            words.contains(&format!("record {seq} can't be read")),
            "{words}"
        );
        assert_eq!(said_rewound(dir), all);
        settle(dir).await;
        assert_eq!(lived(dir, 1).await.rewound, None);
    }
}

#[tokio::test]
async fn the_last_record_unreadable_is_settled_as_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let report = lived(dir, 20).await;
    spoil(dir, report.records + 20);
    assert!(lived(dir, 0).await.rewound.is_some());
    settle(dir).await;
    let report = lived(dir, 3).await;
    assert_eq!(report.rewound, None, "{report:?}");
    assert_eq!(lived(dir, 0).await.rewound, None);
}

/// A snapshot of sled's that is not what its sum says: sled opens only without it.
fn spoil_snapshot(dir: &Path) {
    let entries = std::fs::read_dir(dir.join("journal")).expect("a journal");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let snapshot = paths
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("snap."))
        })
        .expect("sled has written one");
    let mut bytes = std::fs::read(&snapshot).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&snapshot, bytes).expect("written");
}

#[tokio::test]
async fn what_sled_can_not_open_at_first_is_copied_before_the_second_try() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    lived(dir, 20).await;
    lived(dir, 1).await;
    spoil_snapshot(dir);
    let journal = dir.join("journal");
    let mut seen = Vec::new();
    let (_, repaired) = SledStore::open_keeping(&journal, CACHE, &mut |why| {
        let names = std::fs::read_dir(&journal).expect("read");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let snapshots = names.filter(|name| name.to_string_lossy().starts_with("snap."));
        seen.push((why.to_owned(), snapshots.count()));
        Ok(())
    })
    .expect("opened without it");
    assert_eq!(repaired.len(), 1, "{repaired:?}");
    assert_eq!(seen.len(), 1, "asked once, before the second try: {seen:?}");
    assert_eq!(seen[0].1, 1, "the snapshot is still there");

    // through the ledger: where nothing is lost the copy goes away, else it stays
    let other = tempfile::tempdir().expect("a directory");
    let dir = other.path();
    lived(dir, 20).await;
    lived(dir, 1).await;
    spoil_snapshot(dir);
    let report = lived(dir, 1).await;
    assert_eq!(report.rewound, None, "{report:?}");
    assert_eq!(report.repaired.len(), 1, "{report:?}");
    assert!(copies(dir).is_empty(), "all is there");
    spoil(dir, 5);
    spoil_snapshot(dir);
    let report = lived(dir, 1).await;
    let rewound = report.rewound.expect("a record is lost");
    let made = copies(dir);
    assert_eq!(made.len(), 1, "{:?}", report.repaired);
    assert_eq!(rewound.copy.as_ref(), Some(&made[0]));
    assert!(
        report
            .repaired
            .iter()
            .any(|said| said.contains("it was copied to")),
        "{:?}",
        report.repaired
    );
}

#[tokio::test]
async fn without_a_sidecar_the_journal_is_copied_once_before_it_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    lived(dir, 20).await;
    let before = std::fs::read(dir.join("journal/db")).expect("read");
    std::fs::write(dir.join("sidecar"), "garbage").expect("spoilt");
    let report = lived(dir, 1).await;
    let made = copies(dir);
    assert_eq!(made.len(), 1, "{report:?}");
    assert!(std::fs::read(made[0].join("db")).expect("read") == before);
    assert_eq!(
        report.rewound.expect("nobody knows").copy.as_ref(),
        Some(&made[0])
    );
    lived(dir, 1).await;
    assert_eq!(copies(dir).len(), 1, "once");
    // a store that has only just begun has no sidecar yet, and nothing to lose
    let young = tempfile::tempdir().expect("a directory");
    lived(young.path(), 0).await;
    std::fs::remove_file(young.path().join("sidecar")).expect("removed");
    let report = lived(young.path(), 0).await;
    assert_eq!((report.rewound, copies(young.path()).len()), (None, 0));
}

/// A text whose last part was not written any more is not there, and is stored when it comes again.
#[tokio::test]
async fn a_text_that_was_cut_off_by_a_kill_is_stored_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let text = "0123456789 a long text of many parts ".repeat(600);
    let (ledger, _) = open(&settings(dir), now()).expect("opened");
    let digest = ledger.keep(text.clone(), now()).await.expect("kept");
    let last = ledger.read(provtaskd::ledger::Index::last_seq);
    ledger.shutdown().await.expect("closed");
    // the store as a kill between two parts leaves it
    let young = tempfile::tempdir().expect("a directory");
    let journal = young.path().join("journal");
    {
        let (store, _) = SledStore::open(&dir.join("journal"), CACHE).expect("opened");
        let mut records = Vec::new();
        store
            .visit(0, &mut |seq, bytes| {
                records.push((seq, bytes.to_vec()));
                ControlFlow::Continue(())
            })
            .expect("read");
        assert!(records.len() > 4, "{last}");
        records.truncate(records.len() - 2);
        let (store, _) = SledStore::open(&journal, CACHE).expect("created");
        store.append(&records).expect("written");
    }
    let (ledger, _) = open(&settings(young.path()), now()).expect("opened");
    assert_eq!(ledger.kept(&digest).expect("read"), None);
    assert_eq!(
        ledger.keep(text.clone(), now()).await.expect("kept"),
        digest
    );
    assert!(ledger.kept(&digest).expect("read").as_deref() == Some(&*text));
    ledger.shutdown().await.expect("closed");
}
