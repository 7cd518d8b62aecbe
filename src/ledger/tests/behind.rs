//! What is answered before the disk: its place in the journal, and what is said once the disk fails; no disk, no sleeping.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::ledger::error::StoreError;
use crate::ledger::memory::MemoryStore;
use crate::ledger::open::without_a_disk;
use crate::ledger::record::{EventBody, decode};
use crate::ledger::store::Store;
use crate::ledger::{DecisionRecord, Ledger, LedgerError};

const CYCLE: CycleId = CycleId(uuid::Uuid::from_u128(1));

/// Full from when it is told to be.
#[derive(Debug, Default)]
struct Filling {
    inner: MemoryStore,
    full: AtomicBool,
}

impl Store for Filling {
    fn append(&self, records: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Full { path: "/s".into() });
        }
        self.inner.append(records)
    }

    fn visit(
        &self,
        from: u64,
        visitor: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.inner.visit(from, visitor)
    }

    fn get(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(seq)
    }

    fn last(&self) -> Result<Option<u64>, StoreError> {
        self.inner.last()
    }
}

fn rows(many: u64) -> Vec<Task> {
    let ids = (0..many).map(|n| (90 + n).to_string());
    ids.map(|id| row(&id, TaskStatus::Rejected, &id)).collect()
}

fn record(lineage: LineageId, task: &str) -> DecisionRecord {
    DecisionRecord {
        decision: Arc::clone(admitted(lineage, task, Action::Retry).shared()),
        refusal: None,
        relook: None,
    }
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_answered_but_that() {
    let store = Arc::new(Filling::default());
    let opened = without_a_disk(Arc::clone(&store) as Arc<dyn Store>, at(0)).expect("opened");
    let (ledger, _) = Ledger::start(opened);
    let seen = ledger.observe(sighting(rows(1), 0), at(0)).await;
    let lineage = seen.expect("seen").views[0].lineage.expect("opened");
    ledger.written().await.expect("there is room");
    store.full.store(true, Ordering::SeqCst);
    let placed = ledger.decided(vec![record(lineage, "90")], CYCLE, at(1));
    // answered before the disk says no, or behind it: both are honest
    let _ = placed.await.expect("a place").done().await;
    let full = |error: LedgerError| {
        assert!(error.to_string().contains("no space left"), "{error}");
    };
    let act = || admitted(lineage, "90", Action::Retry);
    full(
        ledger
            .claim(request(vec![act()], 9), at(2))
            .await
            .expect_err("not on disk"),
    );
    full(ledger.written().await.expect_err("failed"));
    full(
        ledger
            .observe(sighting(rows(2), 3), at(3))
            .await
            .expect_err("failed"),
    );
    full(
        ledger
            .keep_inputs(Vec::new(), at(3))
            .await
            .expect("the queue is open")
            .done()
            .await
            .expect_err("failed"),
    );
    let settled = ledger.settle(Vec::new(), Duration::ZERO, at(3)).await;
    full(settled.expect_err("failed"));
    let placed = ledger
        .decided(Vec::new(), CYCLE, at(4))
        .await
        .expect("a place");
    full(placed.done().await.expect_err("failed"));
    assert!(
        ledger
            .failed()
            .is_some_and(|why| why.contains("no space left"))
    );
}

#[tokio::test]
async fn a_failed_write_is_told_also_where_nothing_more_is_asked() {
    let store = Arc::new(Filling::default());
    let opened = without_a_disk(Arc::clone(&store) as Arc<dyn Store>, at(0)).expect("opened");
    let (ledger, _) = Ledger::start(opened);
    store.full.store(true, Ordering::SeqCst);
    let seen = ledger.observe(sighting(rows(1), 0), at(0)).await;
    assert!(seen.is_ok(), "answered before the disk");
    let bound = Duration::from_secs(60);
    let why = tokio::time::timeout(bound, ledger.failure()).await;
    let why = why.expect("told without another call");
    assert!(why.contains("no space left"), "{why}");
}

#[tokio::test]
async fn a_claim_stands_behind_the_decision_that_nobody_waited_for() {
    let ledger = Ledger::memory(at(0)).expect("a thread");
    let seen = ledger
        .observe(sighting(rows(40), 0), at(0))
        .await
        .expect("seen");
    let mut placed = Vec::new();
    for view in &seen.views {
        let lineage = view.lineage.expect("opened");
        let task = (89 + lineage.0).to_string();
        placed.push(
            ledger
                .decided(vec![record(lineage, &task)], CYCLE, at(1))
                .await
                .expect("a place"),
        );
        let item = admitted(lineage, &task, Action::Retry);
        let batch = u128::from(lineage.0);
        let claims = ledger
            .claim(request(vec![item], batch), at(2))
            .await
            .expect("claimed");
        assert!(claims.batch.is_some());
    }
    let mut order = Vec::new();
    ledger
        .visit(&mut |bytes| {
            match decode(bytes).expect("own bytes").body {
                EventBody::Decided { items } => order.push((items[0].lineage, "decided")),
                EventBody::Claims { items, .. } => order.push((items[0].lineage, "claimed")),
                _ => {}
            }
            ControlFlow::Continue(())
        })
        .expect("read");
    let wanted: Vec<_> = (1..=40)
        .flat_map(|n| ["decided", "claimed"].map(|what| (LineageId(n), what)))
        .collect();
    assert_eq!(order, wanted);
    for one in placed {
        assert_eq!(one.done().await.expect("recorded").recorded, 1);
    }
}
