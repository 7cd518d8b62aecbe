//! The ledger on disk: one contract over both stores, locks, repairs, rewinds, kill -9; judged by what a new opening finds.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use provtaskd::ledger::memory::MemoryStore;
use provtaskd::ledger::record::{Meta, decode, digest_of, encode};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::{Entry, EventBody, Index, Ledger, LedgerError, Store, StoreError};
use provtaskd::model::settings::StoreSettings;
use provtaskd::model::{Scope, TargetName};

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

fn note(text: &str) -> Entry {
    Entry {
        body: EventBody::Note {
            text: Arc::from(text),
        },
        meta: Meta::daemon(now(), None),
    }
}

/// What every store has to do.
fn contract(store: &dyn Store) {
    assert_eq!(store.last().expect("empty"), None);
    let records: Vec<(u64, Vec<u8>)> = (1..=600)
        .map(|n| (n, format!("value {n}").into_bytes()))
        .collect();
    store.append(&records[..1]).expect("one");
    store.append(&records[1..]).expect("many");
    assert_eq!(store.last().expect("read"), Some(600));
    assert_eq!(
        store.get(256).expect("read").as_deref(),
        Some(&b"value 256"[..])
    );
    assert_eq!(store.get(601).expect("read"), None);
    let mut seen = Vec::new();
    store
        .visit(250, &mut |seq, bytes| {
            seen.push((seq, bytes.to_vec()));
            if seq == 300 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .expect("visited");
    assert_eq!(seen, records[249..300]);
}

#[test]
fn both_stores_keep_the_contract() {
    contract(&MemoryStore::default());
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (store, repaired) = SledStore::open(dir.path(), CACHE).expect("created");
        assert!(repaired.is_empty());
        contract(&store);
    }
    let (store, _) = SledStore::open(dir.path(), CACHE).expect("opened again");
    assert_eq!(store.last().expect("read"), Some(600));
}

/// A journal as sled has it.
#[expect(clippy::disallowed_methods, reason = "looks beneath the store")]
fn raw(journal: &Path) -> sled::Db {
    sled::open(journal).expect("opened")
}

/// Stores were written record by record before there were blocks.
#[test]
fn a_store_of_single_records_is_read_and_goes_on_in_blocks() {
    let dir = tempfile::tempdir().expect("a directory");
    let record = |n: u64| {
        (
            n,
            format!("{{\"seq\":{n},\"text\":\"as before\"}}").into_bytes(),
        )
    };
    {
        let old = raw(dir.path());
        for (seq, bytes) in (1..=5).map(record) {
            old.insert(seq.to_be_bytes(), bytes).expect("written");
        }
        old.flush().expect("flushed");
    }
    let all: Vec<_> = (1..=400).map(record).collect();
    {
        let (store, _) = SledStore::open(dir.path(), CACHE).expect("opened");
        assert_eq!(store.last().expect("read"), Some(5));
        store.append(&all[5..7]).expect("written");
        store.append(&all[7..]).expect("written");
    }
    let (store, _) = SledStore::open(dir.path(), CACHE).expect("opened again");
    assert_eq!(store.last().expect("read"), Some(400));
    for from in [0, 1, 5, 6, 7, 8, 250, 400] {
        let mut seen = Vec::new();
        let show = &mut |seq, bytes: &[u8]| {
            seen.push((seq, bytes.to_vec()));
            ControlFlow::Continue(())
        };
        store.visit(from, show).expect("visited");
        let first = usize::try_from(from.max(1)).expect("small") - 1;
        assert_eq!(seen, all[first..], "from {from}");
    }
    for (seq, bytes) in &all {
        assert_eq!(store.get(*seq).expect("read").as_ref(), Some(bytes));
    }
    drop(store);
    let values = raw(dir.path()).len();
    assert!(values < 40, "{values} values for 400 records");
}

/// What a program that knows records up to version 4 and no blocks does with a journal: it leaves out
/// what it can't read, and stops at a record of a newer version.
fn stops_an_older_program(journal: &Path) -> bool {
    let db = raw(journal);
    for entry in db.iter() {
        let (_, value) = entry.expect("read");
        if let Ok(record) = serde_json::from_slice::<serde_json::Value>(&value)
            && record["v"].as_u64().expect("a version") > 4
        {
            return true;
        }
        assert_eq!(value[0], b'{', "a block before anything that stops it");
    }
    false
}

#[tokio::test]
async fn an_older_program_stops_before_it_meets_a_block_and_writes_over_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = dir.path().join("journal");
    // a store as version 4 has left it, and one that begins with this program
    let old = include_str!("../fixtures/records/v4.jsonl");
    for lines in [old, ""] {
        {
            let db = raw(&journal);
            db.clear().expect("empty");
            for (seq, line) in (1_u64..).zip(lines.lines()) {
                db.insert(seq.to_be_bytes(), line).expect("written");
            }
            db.flush().expect("flushed");
        }
        let (ledger, report) = open(&settings(dir.path()), now()).expect("opened");
        for n in 0..300 {
            ledger
                .record(note(&format!("{n}")))
                .await
                .expect("recorded");
        }
        let last = ledger.read(Index::last_seq);
        ledger.shutdown().await.expect("closed");
        assert!(stops_an_older_program(&journal), "{report:?}");
        let (ledger, again) = open(&settings(dir.path()), now()).expect("opened again");
        assert!(again.records >= last, "{again:?}");
        ledger.shutdown().await.expect("closed");
        std::fs::remove_file(dir.path().join("sidecar")).expect("there");
    }
}

#[test]
fn no_record_is_written_where_one_is_also_inside_a_block() {
    let dir = tempfile::tempdir().expect("a directory");
    let record = |n: u64| {
        (
            n,
            format!("{{\"seq\":{n},\"text\":\"the same in all of them\"}}").into_bytes(),
        )
    };
    let all: Vec<_> = (1..=60).map(record).collect();
    let (store, _) = SledStore::open(dir.path(), CACHE).expect("opened");
    store.append(&all).expect("written");
    for seq in [1, 2, 30, 60] {
        assert!(
            matches!(store.append(&[record(seq)]), Err(StoreError::Taken(have)) if have == seq)
        );
    }
    drop(store);
    let (store, _) = SledStore::open(dir.path(), CACHE).expect("opened again");
    assert!(matches!(
        store.append(&[record(60)]),
        Err(StoreError::Taken(60))
    ));
    store.append(&[record(61)]).expect("behind the last");
    assert_eq!(store.get(30).expect("read"), Some(all[29].1.clone()));
}

#[test]
fn a_form_of_a_newer_program_is_called_that_and_nobody_is_told_to_begin_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let db = raw(&dir.path().join("journal"));
        db.insert(1_u64.to_be_bytes(), &[3, 0, 0]).expect("written");
        db.flush().expect("flushed");
    }
    let Err(error) = open(&settings(dir.path()), now()) else {
        panic!("it can't be read");
    };
    let said = error.to_string();
    assert!(said.contains("run a newer provtaskd"), "{said}");
    assert!(!said.contains("empty store"), "{said}");
}

#[tokio::test]
async fn a_block_that_can_not_be_unpacked_is_told_and_nothing_is_sent_beside_it() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (ledger, _) = open(&settings(dir.path()), now()).expect("created");
        for n in 0..3 {
            ledger
                .record(note(&format!("{n}")))
                .await
                .expect("recorded");
        }
        ledger.shutdown().await.expect("closed");
    }
    {
        let db = raw(&dir.path().join("journal"));
        let (key, _) = db.iter().nth(1).expect("two values").expect("read");
        db.insert(key, &[1, 200, 0, 0, 0, 7, 7]).expect("written");
        db.flush().expect("flushed");
    }
    let (ledger, report) = open(&settings(dir.path()), now()).expect("opened");
    let said = report.repaired.join("; ");
    assert!(
        said.contains("record 2 can't be read and was left out"),
        "{said}"
    );
    assert!(report.rewound.is_some(), "{report:?}");
    assert_eq!(
        report.records, 5,
        "what stands behind it, and that this was seen"
    );
    ledger.shutdown().await.expect("closed");
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_store_and_a_closed_one_is_free() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("store");
    let (ledger, report) = open(&settings(&place), now()).expect("created");
    assert!(report.created);
    match Ledger::open(&settings(&place), now()) {
        Err(LedgerError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("not locked: {other:?}"),
    }
    ledger.record(note("first")).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
    assert!(matches!(
        ledger.record(note("late")).await,
        Err(LedgerError::Closed)
    ));
    let (_, again) = open(&settings(&place), now()).expect("opened again");
    assert!(!again.created);
    assert_eq!(again.store_id, report.store_id);
    assert_eq!(again.rewound, None);
    assert_eq!(again.records, 2);
}

#[tokio::test]
async fn an_operation_of_very_many_records_is_written_while_it_goes_on_and_comes_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, _) = open(&settings(dir.path()), now()).expect("created");
    // two thousand records: far more than are gathered before they are handed to the writer
    let text = "0123456789".repeat(600_000);
    let bound = std::time::Duration::from_secs(120);
    let kept = tokio::time::timeout(bound, ledger.keep(text.clone(), now()));
    let digest = kept.await.expect("no standstill").expect("kept");
    ledger.shutdown().await.expect("closed");
    let (ledger, report) = open(&settings(dir.path()), now()).expect("opened again");
    assert!(report.records > 2_000, "{}", report.records);
    assert_eq!(report.rewound, None);
    assert!(ledger.kept(&digest).expect("read") == Some(text));
}

#[tokio::test]
async fn a_half_written_snapshot_is_removed_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ledger, _) = open(&settings(dir.path()), now()).expect("created");
    for n in 0..20 {
        ledger
            .record(note(&format!("note {n}")))
            .await
            .expect("recorded");
    }
    ledger.shutdown().await.expect("closed");
    let planted = dir.path().join("journal/snap.000000000000ffff.generating");
    std::fs::write(&planted, b"half").expect("planted");
    let (_, report) = open(&settings(dir.path()), now()).expect("repaired");
    assert_eq!(report.records, 21);
    assert_eq!(report.repaired.len(), 1);
    assert!(!planted.exists());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

#[tokio::test]
async fn an_old_copy_beside_a_newer_sidecar_is_noticed_and_stays_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("store");
    let journal = place.join("journal");
    let (ledger, _) = open(&settings(&place), now()).expect("created");
    ledger.record(note("one")).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
    copy(&journal, &dir.path().join("old"));
    let (ledger, _) = open(&settings(&place), now()).expect("opened");
    ledger.record(note("two")).await.expect("recorded");
    ledger.record(note("three")).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
    std::fs::remove_dir_all(&journal).expect("removed");
    copy(&dir.path().join("old"), &journal);
    for _ in 0..2 {
        let (ledger, report) = open(&settings(&place), now()).expect("opened");
        let rewound = report.rewound.expect("noticed");
        assert_eq!((rewound.expected, rewound.found), (4, 2));
        ledger.shutdown().await.expect("closed");
    }
    // an empty store beside a sidecar is the extreme of it
    std::fs::remove_dir_all(&journal).expect("removed");
    let (_, report) = open(&settings(&place), now()).expect("opened");
    assert!(report.created);
    assert!(report.rewound.is_some());
}

#[test]
fn records_of_version_1_are_read_as_they_were_written() {
    let text = include_str!("../fixtures/records/v1.jsonl");
    let events: Vec<_> = text
        .lines()
        .map(|line| decode(line.as_bytes()).expect("readable"))
        .collect();
    assert_eq!(events.len(), 6);
    for (event, line) in events.iter().zip(text.lines()) {
        let back = String::from_utf8(encode(event).expect("small")).expect("text");
        assert_eq!(back, line);
    }
    let EventBody::Paused { scope, .. } = &events[4].body else {
        panic!("not a pause: {:?}", events[4].body);
    };
    assert_eq!(*scope, Scope::Target(TargetName::new("Mail")));
}

#[test]
fn records_of_version_4_are_read_as_they_were_written() {
    let text = include_str!("../fixtures/records/v4.jsonl");
    let mut index = Index::default();
    for line in text.lines() {
        let event = decode(line.as_bytes()).expect("readable");
        let back = String::from_utf8(encode(&event).expect("small")).expect("text");
        assert_eq!(back, line);
        index.apply(&event, digest_of(line.as_bytes()));
        let doubted = matches!(event.body, EventBody::WorldDoubted { .. });
        assert_eq!(index.other_world().is_some(), doubted);
    }
    assert_eq!(index.last_seq(), 5);
}

/// Set for the child of the kill test: the store's directory.
const CHILD: &str = "PROVTASKD_TEST_LEDGER_CHILD";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs only as the child of the kill test"]
async fn child_that_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let (ledger, _) = open(&settings(Path::new(&dir)), now()).expect("opened");
    let mut n = 0u64;
    loop {
        ledger
            .record(note(&format!("note {n}")))
            .await
            .expect("recorded");
        println!("acknowledged {}", ledger.read(|index| index.last_seq()));
        n += 1;
    }
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut highest = 0u64;
    for round in 1..=4usize {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--ignored", "--nocapture", "--exact"])
            .arg("ledger::child_that_appends_until_it_is_killed")
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut many = 0;
        for line in lines {
            let line = line.expect("text");
            if let Some((_, seq)) = line.split_once("acknowledged ") {
                highest = highest.max(seq.trim().parse().expect("a number"));
                many += 1;
            }
            if many == round * 17 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(many >= round * 17, "the child ended by itself after {many}");
        let (ledger, report) = open(&settings(dir.path()), now()).expect("opened");
        assert!(report.records >= highest, "{} < {highest}", report.records);
        assert_eq!(report.rewound, None);
        assert_eq!(report.repaired, Vec::<String>::new());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(ledger.shutdown()).expect("closed");
    }
}
