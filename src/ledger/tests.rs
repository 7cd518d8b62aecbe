//! The ledger's behaviour over its own thread-less core: joining, judging, replay; no disk, no sleeping.

mod alarms;
mod apart;
mod attempts;
mod behind;
mod bytes;
mod crowds;
mod early;
mod elders;
mod handed;
mod inputs;
mod justify;
mod late;
mod left;
mod made;
mod many;
mod missing;
mod moves;
mod newcomers;
mod ordered;
mod others;
mod passes;
mod processes;
mod put_back;
mod racing;
mod ran;
mod random;
mod redefined;
mod responses;
mod seers;
mod spill;
mod state;
mod truth;
mod unread;
mod vain;
mod ways;
mod worlds;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::attempts::ClaimRequest;
use super::handle::Ledger;
use super::index::{Ahead, Index};
use super::look::Looked;
use super::memory::MemoryStore;
use super::observe::{Observed, Sighting};
use super::open::replay;
use super::record::{Actor, EventBody, Meta, decode};
use super::store::Store;
use super::work::Work;
use crate::dispatch::batch::Batch;
use crate::governor::Admitted;
use crate::model::settings::DeliverySettings;
use crate::model::{
    Action, ActionName, Answer, AttemptEvent, AttemptState, BatchId, CycleId, Decision, DefKey,
    Digest, Kind, LineageId, Login, PolicyHash, ProcessKey, Receipt, ReceiptStatus, RefusalReason,
    Snapshot, TargetName, Task, TaskId, TaskStatus,
};

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
    start + SignedDuration::from_mins(minutes)
}

pub(super) fn delivery() -> DeliverySettings {
    DeliverySettings {
        settle_after: SignedDuration::from_mins(15),
        verify_first: SignedDuration::from_mins(1),
        verify_cap: SignedDuration::from_hours(2),
        verify_give_up: SignedDuration::from_hours(72),
        reread_after: SignedDuration::from_mins(2),
        grace: Duration::from_secs(30),
        manual_ttl: SignedDuration::from_hours(24 * 90),
        note: false,
        note_max: 1000,
    }
}

/// A row of one account and definition.
fn row(id: &str, status: TaskStatus, process: &str) -> Task {
    let mut task = Task::bare(TaskId::new(id), status);
    task.definition_key = Some(DefKey::new("39"));
    task.process = Some(ProcessKey::new(process));
    task.target = Some(TargetName::new("Mail"));
    task.beneficiary = Some(Login::new("jdoe"));
    task.reason = Some(Arc::from("connection refused"));
    task
}

fn sighting(tasks: Vec<Task>, minute: i64) -> Sighting {
    Sighting {
        kinds: vec![Kind::Create; tasks.len()],
        snapshot: Arc::new(Snapshot {
            taken_at: at(minute),
            tasks,
            complete: true,
            stable: true,
            seers: None,
            login: Login::new("daemon"),
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        }),
        cycle: CycleId(uuid::Uuid::from_u128(1)),
        asked: false,
        delivery: delivery(),
        unlisted: Default::default(),
    }
}

fn admitted(lineage: LineageId, task: &str, action: Action) -> Admitted {
    let decision = Decision {
        task: TaskId::new(task),
        lineage,
        target: Some(TargetName::new("Mail")),
        process: Some(ProcessKey::new("77")),
        definition: None,
        kind: Kind::Create,
        answer: Arc::new(Answer {
            verdict: None,
            policy: None,
            line: None,
            hash: PolicyHash::new("feed"),
            fault: None,
        }),
        inputs: Digest::new("beef"),
        moment: None,
        read: Arc::default(),
        due: None,
        version: 1,
    };
    Admitted::for_test(decision, action, TargetName::new("Mail"))
}

fn request(items: Vec<Admitted>, batch: u128) -> ClaimRequest {
    ClaimRequest {
        batch: Batch {
            id: BatchId(uuid::Uuid::from_u128(batch)),
            target: TargetName::new("Mail"),
            action: ActionName::Retry,
            items,
        },
        requests: Vec::new(),
        login: Login::new("daemon"),
        cycle: CycleId(uuid::Uuid::from_u128(1)),
        manual_ttl: SignedDuration::from_hours(24),
        settle_after: delivery().settle_after,
    }
}

fn core() -> (Work, Arc<RwLock<Index>>) {
    let index = Arc::new(RwLock::new(Index::default()));
    (Work::new(Arc::clone(&index)), index)
}

fn see(work: &mut Work, tasks: Vec<Task>, minute: i64) -> Observed {
    work.observe(&sighting(tasks, minute), at(minute))
        .expect("a pass")
}

/// Opens one lineage and sends its first retry, accepted.
fn retried(work: &mut Work) -> LineageId {
    let seen = see(work, vec![row("90", TaskStatus::Rejected, "77")], 0);
    let lineage = seen.views[0].lineage.expect("opened");
    send(work, lineage, "90", 1, ReceiptStatus::Accepted);
    lineage
}

fn send(work: &mut Work, lineage: LineageId, task: &str, minute: i64, status: ReceiptStatus) {
    let made = work
        .claim(
            request(vec![admitted(lineage, task, Action::Retry)], 7),
            at(minute),
        )
        .expect("claimed");
    let batch = made.batch.expect("one item");
    let receipt = batch.items[0].receipt(status, at(minute));
    let settled = work
        .settle(vec![receipt], Duration::from_secs(1), at(minute))
        .expect("settled");
    assert!(settled[0].applied);
}

/// A status of a random world.
fn status(of: u8) -> TaskStatus {
    match of {
        0 | 1 => TaskStatus::Rejected,
        2 => TaskStatus::Pending,
        3 => TaskStatus::Completed,
        _ => TaskStatus::UnsuccessfullyCompleted,
    }
}
