//! Records of version 5, as a store of that time has them: read, chained, kept byte by byte by a rewriting, and only what is changed becomes a newer record.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use provtaskd::ledger::record::{decode, encode, genesis, link};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::upkeep::{Actor, Order, check_store, compact, retention};
use provtaskd::ledger::{Index, Store as _};
use provtaskd::model::settings::StoreSettings;

const OLD: &str = include_str!("../fixtures/records/v5.jsonl");

fn now() -> Timestamp {
    "2028-06-01T08:00:00Z".parse().expect("a time")
}

fn order() -> Order<'static> {
    Order {
        actor: Actor::System,
        now: now(),
        last: &|_| None,
    }
}

fn settings(dir: &Path) -> StoreSettings {
    StoreSettings {
        dir: dir.to_path_buf(),
        cache: 8 << 20,
    }
}

/// A store as version 5 has left it, opened and closed once by this program.
async fn old_store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let (store, _) = SledStore::open(&dir.path().join("journal"), 8 << 20).expect("created");
        let records: Vec<(u64, Vec<u8>)> = (1..)
            .zip(OLD.lines().map(|line| line.as_bytes().to_vec()))
            .collect();
        store.append(&records).expect("written");
    }
    let (ledger, _) = crate::opened::open(&settings(dir.path()), now()).expect("opened");
    // it had a sidecar; without one it is rewound until that is settled
    let reason = "a test".into();
    let body = provtaskd::ledger::EventBody::RewindSettled { reason };
    let meta = provtaskd::ledger::record::Meta::daemon(now(), None);
    let entry = provtaskd::ledger::Entry { body, meta };
    ledger.record(entry).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
    dir
}

fn records(dir: &Path) -> Vec<String> {
    let (store, _) = SledStore::open(&dir.join("journal"), 8 << 20).expect("opened");
    let mut out = Vec::new();
    store
        .visit(0, &mut |_, bytes| {
            out.push(String::from_utf8(bytes.to_vec()).expect("text"));
            ControlFlow::Continue(())
        })
        .expect("read");
    out
}

#[test]
fn records_of_version_5_are_read_as_they_were_written_and_chained() {
    let mut index = Index::default();
    let mut before = genesis();
    for (seq, line) in (1..).zip(OLD.lines()) {
        let event = decode(line.as_bytes()).expect("readable");
        assert_eq!((event.v, event.seq), (5, seq));
        assert_eq!(event.prev, before);
        let back = String::from_utf8(encode(&event).expect("small")).expect("text");
        assert_eq!(back, line);
        before = link(&event, line.as_bytes());
        index.apply(&event, before.clone());
    }
    assert!(index.last_seq() > 15, "one of each sort");
    assert!(index.world().is_some() && index.store_id().is_some());
}

#[tokio::test]
async fn a_rewriting_keeps_old_records_byte_by_byte_where_nothing_of_them_goes() {
    let dir = old_store().await;
    let before = records(dir.path());
    let settings = settings(dir.path());
    let old: Vec<&str> = OLD.lines().collect();
    assert_eq!(before[..old.len()], old[..]);
    compact(&settings, order(), &mut |_| {}).expect("compacted");
    let after = records(dir.path());
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.len(), before.len() + 1);
    // old states of the governor go, as of any version
    let export = dir.path().join("gone");
    let older = SignedDuration::from_hours(24 * 30);
    let plan = retention(&settings, older, None, order(), &mut |_| {}).expect("a plan");
    if plan.estimate.changed > 0 {
        let all = Some(export.as_path());
        retention(&settings, older, all, order(), &mut |_| {}).expect("done");
    }
    for (was, is) in after.iter().zip(records(dir.path())) {
        if *was != is {
            assert!(
                is.starts_with("{\"v\":9,") && is.contains("\"was\":"),
                "{is}"
            );
        }
    }
    let checked = check_store(&settings, None, &|_| None).expect("checked");
    assert_eq!(checked.examined.findings, []);
    assert_eq!(
        checked.examined.tally.versions[&5] + plan.estimate.changed,
        u64::try_from(old.len()).expect("few")
    );
}
