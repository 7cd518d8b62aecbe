//! A store whose records tell of one task each, and how long it takes to start with it.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use provtaskd::ledger::index::Index;
use provtaskd::ledger::ran::RunMark;
use provtaskd::ledger::record::{
    ClaimItem, DecidedItem, Meta, OpenedItem, ReceiptItem, chain, genesis,
};
use provtaskd::ledger::sled::SledStore;
use provtaskd::ledger::{EventBody, Ledger, Store as _};
use provtaskd::model::settings::StoreSettings;
use provtaskd::model::{
    Action, ActionName, AttemptEvent, BatchId, Digest, Kind, LineageId, Outcome, ReceiptStatus,
    TargetName,
};

use super::{decision, row};

/// How long it takes to start with so many records: five for each task, from its first sight to its
/// completion, each in a record of its own. A daemon writes hundreds of tasks into one.
/// # Panics
/// The store can't be written.
pub fn start(dir: &std::path::Path, records: usize) {
    let now: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
    let meta = Meta::daemon(now, None);
    let settings = StoreSettings {
        dir: dir.join("store"),
        cache: 8 << 20,
    };
    std::fs::create_dir_all(&settings.dir).expect("a directory");
    {
        let journal = settings.dir.join("journal");
        let (store, _) = SledStore::open(&journal, settings.cache).expect("a store");
        let (mut seq, mut head) = (0, genesis());
        let mut waiting = Vec::new();
        let first = EventBody::StoreCreated {
            store: "bench".to_owned(),
        };
        let all = std::iter::once(first).chain((0..).flat_map(|n| life(n, now)));
        for body in all.take(records) {
            for (event, bytes, digest) in chain(&meta, body, seq + 1, head.clone()).expect("small")
            {
                (seq, head) = (event.seq, digest);
                waiting.push((seq, bytes));
            }
            if waiting.len() >= 5_000 {
                store.append(&waiting).expect("written");
                waiting.clear();
            }
        }
        store.append(&waiting).expect("written");
    }
    let began = Instant::now();
    let (ledger, report) = Ledger::open(&settings, now).expect("opened");
    println!(
        "start with {} records of one task each, {} tasks: {:.2} s",
        report.records,
        ledger.read(Index::lineages),
        began.elapsed().as_secs_f64()
    );
    drop(ledger);
}

/// The records of one task: seen, decided on, claimed, answered, read as completed.
fn life(n: usize, now: Timestamp) -> [EventBody; 5] {
    let lineage = LineageId(u64::try_from(n + 1).expect("small"));
    let task = row(n);
    let decision = decision(&task, lineage, Digest::new(&"cd".repeat(32)));
    let batch = BatchId(uuid::Uuid::from_u128(u128::from(lineage.0)));
    [
        EventBody::LineagesOpened {
            items: vec![OpenedItem {
                lineage,
                task: task.id.clone(),
                created: None,
                kind: Kind::Revoke,
                target: task.target.clone(),
                definition: None,
                name: task.definition_name.clone(),
                process: task.process.clone(),
                user: task.beneficiary.clone(),
                child: None,
                owner: None,
                print: 5,
                ambiguous: false,
                run: RunMark::default(),
                by_date: false,
                known_by: Default::default(),
            }],
        },
        EventBody::Decided {
            items: vec![DecidedItem {
                lineage,
                task: task.id.clone(),
                version: decision.version,
                kind: decision.kind,
                policy: decision.policy.clone(),
                line: decision.line,
                hash: decision.hash.clone(),
                inputs: decision.inputs.clone(),
                moment: None,
                verdict: decision.verdict.clone(),
                fault: None,
                refusal: None,
                read: Arc::default(),
                relook: None,
            }],
        },
        EventBody::Claims {
            batch,
            target: TargetName::new("Mail"),
            action: ActionName::Retry,
            items: vec![ClaimItem {
                lineage,
                ordinal: 1,
                task: task.id.clone(),
                action: Action::Retry,
                process: task.process.clone(),
                definition: task.definition(),
                kind: Kind::Revoke,
                policy: decision.policy.clone(),
                inputs: decision.inputs.clone(),
                version: decision.version,
                rests: Default::default(),
            }],
        },
        EventBody::Receipts {
            took_ms: 20,
            batch,
            items: vec![ReceiptItem {
                lineage,
                ordinal: 1,
                task: task.id.clone(),
                status: ReceiptStatus::Accepted,
            }],
        },
        EventBody::Outcomes {
            items: vec![Outcome {
                lineage,
                ordinal: 1,
                event: AttemptEvent::ReadCompleted,
                at: now,
                task: Some(task.id),
                evidence: None,
            }],
        },
    ]
}
