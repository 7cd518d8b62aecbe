//! Records of versions 2 and 3, written by the shapes that they had then: read, chained, meaning what they meant, and kept byte by byte; and no version that is read goes without a fixture.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use provtaskd::ledger::record::{EventBody, How, VERSION, decode, encode, genesis, link};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::upkeep::{Actor, Order, check_store, compact};
use provtaskd::ledger::{Index, Store as _};
use provtaskd::model::settings::StoreSettings;
use provtaskd::model::{
    AttemptState, LineageId, PolicyHash, RefusalReason, Scope, TargetName, TaskId, Verdict,
};

const V2: &str = include_str!("../fixtures/records/v2.jsonl");
const V3: &str = include_str!("../fixtures/records/v3.jsonl");

/// A version, its records, its target and the id of its first task.
const OLD: [(u32, &str, &str, u64); 2] = [(2, V2, "Payroll", 7100), (3, V3, "Ledger", 8200)];

fn now() -> Timestamp {
    "2026-11-28T08:00:00Z".parse().expect("a time")
}

fn index_of(text: &str) -> Index {
    let mut index = Index::default();
    for line in text.lines() {
        let event = decode(line.as_bytes()).expect("readable");
        let digest = link(&event, line.as_bytes());
        index.apply(&event, digest);
    }
    index
}

#[test]
fn each_version_that_is_read_has_a_fixture() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    for version in 1..VERSION {
        let path = dir.join(format!("v{version}.jsonl"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!text.is_empty());
        for line in text.lines() {
            let event = decode(line.as_bytes()).expect("readable");
            assert_eq!(event.v, version, "{line}");
        }
    }
}

#[test]
fn records_of_versions_2_and_3_are_read_as_they_were_written_and_chained() {
    for (version, text, ..) in OLD {
        let mut before = genesis();
        let mut sorts: BTreeMap<String, u64> = BTreeMap::new();
        for (seq, line) in (1..).zip(text.lines()) {
            let event = decode(line.as_bytes()).expect("readable");
            assert_eq!((event.v, event.seq), (version, seq));
            assert_eq!(event.prev, before);
            let back = encode(&event).expect("small");
            let same = String::from_utf8(back.clone()).expect("text") == line;
            // decisions are written otherwise since version 4, and say the same
            let decided = matches!(event.body, EventBody::Decided { .. });
            assert_eq!(same, !decided, "{line}");
            assert_eq!(decode(&back).expect("readable"), event);
            before = link(&event, line.as_bytes());
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let sort = value["body"]["is"].as_str().expect("a sort").to_owned();
            *sorts.entry(sort).or_default() += 1;
        }
        assert!(sorts.len() >= 28, "one of nearly each sort: {sorts:?}");
    }
}

#[test]
fn what_decisions_of_versions_2_and_3_shared_or_had_of_their_own_is_with_each() {
    for (version, text, _, first) in OLD {
        let events = text
            .lines()
            .map(|line| decode(line.as_bytes()).expect("readable"));
        let mut decided = events.filter_map(|event| match event.body {
            EventBody::Decided { items } => Some((event.policy, items)),
            _ => None,
        });
        let (policy, items) = decided.next().expect("one record of decisions");
        let policy = policy.expect("a policy set");
        let [one, two, three] = &items[..] else {
            panic!("three: {items:?}")
        };
        assert_eq!(one.task, TaskId::new(&(first + 1).to_string()));
        assert_eq!((&one.hash, &two.hash), (&policy, &policy));
        // in version 3 another set stands beside it
        assert_eq!(three.hash == policy, version == 2);
        assert!(matches!(one.verdict, Some(Verdict::Act { .. })));
        let refused = |item: &provtaskd::ledger::record::DecidedItem| {
            item.refusal.as_ref().map(|refusal| refusal.reason)
        };
        assert_eq!(refused(one), Some(RefusalReason::PolicyNotReleased));
        assert_eq!(refused(two), Some(RefusalReason::BackOff));
        let read = |name: &str, value: &str| (name.into(), value.into());
        assert_eq!(
            *one.read,
            [read("task.status", "rejected"), read("task.kind", "create")]
        );
        assert_eq!(*two.read, [read("task.status", "rejected")]);
        assert!(three.read.is_empty());
        assert!(one.moment.as_ref().is_some_and(|m| m.contains("\"h\":6")));
        assert_eq!(one.moment, two.moment);
        assert_eq!(three.moment, None);
        assert!(three.fault.is_some() && two.relook.is_some());
    }
}

#[test]
fn records_of_versions_2_and_3_mean_what_they_meant() {
    for (version, text, target, first) in OLD {
        let index = index_of(text);
        let target = TargetName::new(target);
        let of = |n: u64| index.lineage_of(&TaskId::new(&(first + n).to_string()));
        assert_eq!(
            index.last_seq(),
            u64::try_from(text.lines().count()).expect("few")
        );
        assert_eq!(index.lineages(), 5);
        // the successor belongs to the piece of work, and its second attempt is open
        assert_eq!((of(1), of(11)), (Some(LineageId(1)), Some(LineageId(1))));
        let open: Vec<_> = index
            .open_attempts()
            .map(|(l, a)| (l.0, a.ordinal))
            .collect();
        assert_eq!(open, [(1, 2)]);
        let counts = index.counts();
        for (state, many) in [
            (AttemptState::Bounced, 1),
            (AttemptState::Completed, 1),
            (AttemptState::Refused, 1),
            (AttemptState::Claimed, 1),
        ] {
            assert_eq!(counts.get(&state), Some(&many), "{state:?} of {version}");
        }
        // the first attempt was before the reset
        assert_eq!(index.counted(LineageId(1), true), 1);
        assert!(index.is_ambiguous(LineageId(4)));
        assert_eq!(index.learned().count(), 1);
        let (pause, _) = index.pauses().next().expect("it is paused");
        assert_eq!(*pause, Scope::Target(target));
        let sources = index.policies().next().expect("a policy set");
        assert!(index.released(&PolicyHash::new(sources.as_str())));
        assert!(index.is_released(LineageId(3)) && index.in_baseline(LineageId(5)));
        assert_eq!(index.rewound(), None, "it was settled");
        assert!(
            index
                .world()
                .is_some_and(|w| w.starts_with("http://127.0.0.1:1 as"))
        );
        let (_, state) = index.governor_state().expect("both parts");
        assert!(state.contains("\"by\":\"erik\""), "{state}");
        let joined = text.lines().find(|line| line.contains("lineages_joined"));
        let joined = decode(joined.expect("one").as_bytes()).expect("readable");
        let EventBody::LineagesJoined { items } = joined.body else {
            panic!("not joined")
        };
        assert_eq!((items[0].how, items[0].created), (How::Successor, None));
    }
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

/// A store of that time is opened, gone on with, found whole and rewritten, and its records stay what they were.
#[tokio::test]
async fn stores_of_versions_2_and_3_go_on() {
    for (version, text, ..) in OLD {
        let dir = tempfile::tempdir().expect("a directory");
        {
            let (store, _) = SledStore::open(&dir.path().join("journal"), 8 << 20).expect("made");
            let lines: Vec<(u64, Vec<u8>)> = (1..)
                .zip(text.lines().map(|line| line.as_bytes().to_vec()))
                .collect();
            store.append(&lines).expect("written");
        }
        let settings = StoreSettings {
            dir: dir.path().to_path_buf(),
            cache: 8 << 20,
        };
        let (ledger, report) = crate::opened::open(&settings, now()).expect("opened");
        assert!(!report.created, "{report:?}");
        let body = EventBody::RewindSettled {
            reason: "a test".into(),
        };
        let meta = provtaskd::ledger::record::Meta::daemon(now(), None);
        let entry = provtaskd::ledger::Entry { body, meta };
        ledger.record(entry).await.expect("recorded");
        ledger.shutdown().await.expect("closed");
        let old: Vec<&str> = text.lines().collect();
        let before = records(dir.path());
        assert_eq!(before[..old.len()], old[..]);
        assert!(before.len() > old.len());
        let order = Order {
            actor: Actor::System,
            now: now(),
            last: &|_| None,
        };
        compact(&settings, order, &mut |_| {}).expect("compacted");
        assert_eq!(records(dir.path())[..before.len()], before[..]);
        let checked = check_store(&settings, None, &|_| None).expect("checked");
        assert_eq!(checked.examined.findings, []);
        assert_eq!(
            checked.examined.tally.versions[&version],
            u64::try_from(old.len()).expect("few")
        );
    }
}

/// The manual of the upgrade says which records this program writes.
#[test]
fn the_manual_of_the_upgrade_names_the_records_that_are_written() {
    let manual = std::fs::read_to_string("docs/install.md").expect("read");
    let said = format!("this one writes {VERSION} and reads 1 to {VERSION}");
    let line = manual.lines().find(|line| line.contains("this one writes"));
    assert!(line.is_some_and(|line| line.contains(&said)), "{line:?}");
}
