//! Damaged bytes: records, blocks and whole journals are read, named as damaged or left out, and never make a start panic or a change pass unseen; no disk.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::ledger::block::{Room, pack, unpack};
use crate::ledger::open::without_a_disk;
use crate::model::Outcome;
use crate::model::long::{Damage, damaged, damages, run};

/// Words of records, and what breaks careless readers.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b":",
    b",",
    b"null",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551615",
    b"4294967295",
    b"65535",
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"\x01",
    b"\"v\":99,",
    b"\"l\":1,",
    b"\"l\":0,",
    b"\"n\":4294967295,",
    b"\"seq\":1,",
    b"\"t\":\"90\",",
    b"\"is\":\"claims\"",
    b"\"is\":\"outcomes\"",
    b"read_completed",
    b"person_closed",
    b"claimed",
    b"9999-12-31T23:59:59Z",
    b"-009999-01-02T01:59:59Z",
    b"PT9223372036854775807S",
    b"\"part\":1,",
];

/// A journal in which nearly everything has happened once.
fn journal() -> &'static [(u64, Vec<u8>)] {
    static JOURNAL: OnceLock<Vec<(u64, Vec<u8>)>> = OnceLock::new();
    JOURNAL.get_or_init(|| {
        let (mut work, _) = core();
        let person = Actor::Person {
            uid: 7,
            name: Arc::from("ann"),
        };
        let (by, daemon) = (Meta::by(person, at(0)), Meta::daemon(at(0), None));
        let store = "5f".to_owned();
        work.emit(&daemon, EventBody::StoreCreated { store })
            .expect("small");
        let lineage = retried(&mut work);
        let mut other = row("91", TaskStatus::Rejected, "78");
        other.created = Some(at(-60));
        see(
            &mut work,
            vec![row("1200", TaskStatus::Rejected, "77"), other],
            3,
        );
        let why = |text: &str| Arc::from(text);
        send(
            &mut work,
            lineage,
            "1200",
            5,
            ReceiptStatus::Unknown { why: why("reset") },
        );
        send(
            &mut work,
            LineageId(2),
            "91",
            6,
            ReceiptStatus::Unsent {
                why: why("no route"),
            },
        );
        see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 30);
        see(&mut work, vec![row("1200", TaskStatus::Rejected, "77")], 40);
        send(&mut work, lineage, "1200", 50, ReceiptStatus::Accepted);
        see(
            &mut work,
            vec![row("1300", TaskStatus::Completed, "77")],
            60,
        );
        let definition = row("1", TaskStatus::Rejected, "77")
            .definition()
            .expect("shown");
        for body in [
            EventBody::Learned {
                definition,
                manual: true,
                reason: why("not automated"),
            },
            EventBody::Paused {
                scope: crate::model::Scope::Global,
                until: Some(at(90)),
                reason: why("a change"),
            },
            EventBody::GovernorState {
                version: 1,
                part: 0,
                of: 2,
                json: "{\"v\":".to_owned(),
            },
            EventBody::GovernorState {
                version: 1,
                part: 1,
                of: 2,
                json: "1}".to_owned(),
            },
            EventBody::InputsStored {
                digest: Digest::new("beef"),
                part: 0,
                of: 1,
                text: "{}".to_owned(),
            },
            EventBody::BaselineTaken {
                up_to: LineageId(2),
            },
            EventBody::BaselineHeld {
                lineages: vec![lineage],
            },
            EventBody::EpisodeReset {
                lineage,
                reason: why("asked"),
            },
        ] {
            work.emit(&by, body).expect("small");
        }
        let items = vec![admitted(LineageId(2), "91", Action::Retry)];
        let _left_open = work.claim(request(items, 9), at(70)).expect("claimed");
        work.pending
    })
}

fn cases() -> impl Strategy<Value = (usize, Vec<Damage>)> {
    (any::<prop::sample::Index>(), damages(WORDS))
        .prop_map(|(at, how)| (at.index(journal().len()), how))
}

#[test]
fn no_record_whatever_makes_the_reader_panic() {
    run("records", 1000, &cases(), |(at, how)| {
        let bytes = damaged(&journal()[at].1, &how);
        if let Ok(event) = decode(&bytes) {
            // what can be read can be written again, and is then the same
            let again = serde_json::to_vec(&event).expect("readable");
            prop_assert_eq!(decode(&again).ok(), Some(event));
        }
        Ok(())
    });
}

#[test]
fn no_block_whatever_makes_the_reader_panic_or_grow_without_bounds() {
    let values = pack(journal(), &mut Room::default());
    let cases = (any::<prop::sample::Index>(), damages(WORDS));
    run("blocks", 1000, &cases, |(at, how)| {
        let (first, value) = &values[at.index(values.len())];
        let value = damaged(value, &how);
        let mut bytes = 0;
        let read = unpack(*first, &value, |_, record| {
            bytes += record.len();
            let _ = decode(record);
            true
        });
        prop_assert!(read.is_err() || bytes <= (256 << 10) + value.len());
        Ok(())
    });
}

/// What a start makes of a journal, and what a list, readings and claims do on it.
fn live_on(records: &BTreeMap<u64, Vec<u8>>) {
    let store = MemoryStore::default();
    let records: Vec<_> = records
        .iter()
        .map(|(seq, bytes)| (*seq, bytes.clone()))
        .collect();
    store.append(&records).expect("numbers rise");
    let Ok(opened) = without_a_disk(Arc::new(store), at(100)) else {
        return;
    };
    let index = Arc::clone(&opened.index);
    let claimed = |index: &Index| {
        index
            .open_attempts()
            .any(|(_, a)| a.state == AttemptState::Claimed)
    };
    assert!(
        !claimed(&index.read().expect("a lock")),
        "a start leaves no claim as it is"
    );
    let mut work = Work::new(opened.index);
    let rows = || {
        vec![
            row("90", TaskStatus::Rejected, "77"),
            row("5000", TaskStatus::Pending, "78"),
        ]
    };
    // numbers or texts that can't be gone on from are refused in words
    let _ = work.observe(&sighting(rows(), 101), at(101));
    for n in 0..4 {
        let lineage = LineageId(n);
        let _ = index.read().expect("a lock").history(lineage, true);
        let task = work.index().current_task(lineage);
        let found = work
            .index()
            .attempt(lineage)
            .map(|a| (a.ordinal, a.state.is_open()));
        if let Some((ordinal, open)) = found {
            let looked = Looked::single(lineage, ordinal, None);
            let meta = Meta::daemon(at(102), None);
            let _ = work.looked(vec![looked], &delivery(), &meta, at(102));
            let person = Outcome {
                lineage,
                ordinal,
                event: AttemptEvent::PersonClosed,
                at: at(103),
                task: None,
                evidence: None,
            };
            if open && n == 2 {
                let _ = work.conclude(vec![person], &meta);
            }
        }
        if let Some(task) = task {
            let open = work.index().open_attempt(lineage).is_some();
            let items = vec![admitted(lineage, task.as_str(), Action::Retry)];
            if let Ok(made) = work.claim(request(items, 11), at(104)) {
                assert!(
                    !(open && made.batch.is_some()),
                    "{lineage} was claimed twice"
                );
            }
        }
    }
    let _ = work.observe(&sighting(rows(), 105), at(105));
}

#[test]
fn no_journal_whatever_makes_a_start_panic_and_no_change_of_it_passes_unseen() {
    let one = (cases(), prop::option::weighted(0.2, 0_u64..6));
    let cases = prop::collection::vec(one, 1..4);
    run("journals", 200, &cases, |all| {
        let whole: BTreeMap<u64, Vec<u8>> = journal().iter().cloned().collect();
        let mut records = whole.clone();
        for ((at, how), moved) in all {
            let seq = journal()[at].0;
            let bytes = damaged(&journal()[at].1, &how);
            match moved {
                None => drop(records.insert(seq, bytes)),
                Some(0) => drop(records.remove(&seq)),
                // one that stands at another's place, or twice
                Some(by) => drop(records.insert(seq.saturating_add(by * by * 7), bytes)),
            }
        }
        let store = MemoryStore::default();
        let list: Vec<_> = records
            .iter()
            .map(|(seq, bytes)| (*seq, bytes.clone()))
            .collect();
        store.append(&list).expect("numbers rise");
        let last = journal().last().map_or(0, |(seq, _)| *seq);
        let inner = |all: &BTreeMap<u64, Vec<u8>>| -> Vec<(u64, Vec<u8>)> {
            all.range(..last)
                .map(|(seq, bytes)| (*seq, bytes.clone()))
                .collect()
        };
        if let Ok((_, wrong, _)) = replay(&store) {
            // of the last record, and of what was cut off behind, the sidecar tells
            let changed = inner(&records) != inner(&whole) && records.contains_key(&last);
            prop_assert!(
                !changed || !wrong.is_empty(),
                "a changed journal passed for whole"
            );
        }
        live_on(&records);
        Ok(())
    });
}
