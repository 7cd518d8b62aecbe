//! A durable claim and outcome per task through the ledger, beside a raw log with fdatasync, in one interleaved run, and what the record of decisions costs; the network and the policies are left out.
//!
//! `cargo bench --locked --bench ledger -- [--tasks N] [--rounds N]`; with `--store N` instead the store as an
//! operator meets it: starting with N records of one task each, and with N attempts of the bench; bytes per
//! outcome of N attempts before and after compaction; how long a durable record waits while a backup is
//! written.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use provtaskd::dispatch::batch::Batch;
use provtaskd::governor::{Admitted, Census, Governor, Standing};
use provtaskd::guard::{self, GuardInput};
use provtaskd::ledger::record::Meta;
use provtaskd::ledger::upkeep::{self, Form, Order, Pace};
use provtaskd::ledger::{
    Actor, ClaimRequest, DecisionRecord, Entry, EventBody, Inputs, Ledger, Sighting, said_print,
};
use provtaskd::model::facts::{AccountView, History, Person, UserStatus};
use provtaskd::model::fields::{FieldValue, Fields};
use provtaskd::model::settings::{
    DeliverySettings, GovernorSettings, GuardSettings, Modes, StoreSettings, TargetLimits,
};
use provtaskd::model::{
    Action, ActionName, Answer, BatchId, CycleId, Decision, Digest, Kind, Known, LineageId, Login,
    Mode, PolicyHash, ProcessKey, ReceiptStatus, Snapshot, TargetName, Task, TaskId, TaskStatus,
    Verdict,
};
use provtaskd::policy::{InputsWriter, Worded};

#[path = "support/facts.rs"]
mod facts;
#[path = "support/records.rs"]
mod records;
use facts::facts;

/// Items of a batch.
const BATCH: usize = 500;
/// Bytes of one record of the raw log.
const RECORD: usize = 200;

fn main() {
    let tasks = option("--tasks").unwrap_or(20_000);
    let rounds = option("--rounds").unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let base = std::env::var_os("PROVTASKD_BENCH_DIR")
        .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    std::fs::create_dir_all(&base).expect("a directory");
    if let Some(many) = option("--store") {
        let dir = tempfile::tempdir_in(&base).expect("a directory");
        records::start(dir.path(), many);
        let dir = tempfile::tempdir_in(&base).expect("a directory");
        runtime.block_on(upkeep(dir.path(), many));
        return;
    }
    let (mut raws, mut ours, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(&base).expect("a directory");
        raws.push(raw(dir.path(), tasks));
        let took = runtime.block_on(ledger(dir.path(), tasks));
        ours.push(took.attempts);
        reasons.push(took.decisions);
    }
    let micros = |times: &[Duration]| {
        let mut of: Vec<f64> = times.iter().map(|time| per_task(*time, tasks)).collect();
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    };
    let (raw, ours, reasons) = (micros(&raws), micros(&ours), micros(&reasons));
    println!(
        "{tasks} tasks in batches of {BATCH}, {rounds} rounds, interleaved, microseconds a task"
    );
    println!("raw log, claim and outcome of {RECORD} bytes each, fdatasync per batch: {raw:.2}");
    println!("ledger, claim and settle, durable per batch: {ours:.2}");
    println!("  ledger / raw = {:.2}", ours / raw);
    println!("decisions with what they rest on, durable before the first claim: {reasons:.2}");
}

/// The value of an option `--name VALUE`.
fn option(name: &str) -> Option<usize> {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name)?;
    Some(args.get(at + 1)?.parse().expect("a number"))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_task(time: Duration, tasks: usize) -> f64 {
    time.as_secs_f64() * 1e6 / tasks as f64
}

/// Appends a claim and an outcome per task, with one fdatasync per batch of each.
fn raw(dir: &std::path::Path, tasks: usize) -> Duration {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("raw.log"))
        .expect("a file");
    let record = [b'x'; RECORD];
    let began = Instant::now();
    for _ in 0..tasks.div_ceil(BATCH) {
        for _ in 0..2 {
            let mut block = Vec::with_capacity(BATCH * RECORD);
            for _ in 0..BATCH {
                block.extend_from_slice(&record);
            }
            file.write_all(&block).expect("written");
            file.sync_data().expect("synced");
        }
    }
    began.elapsed()
}

/// The store of so many attempts: its size before and after compaction, and a backup beside durable records.
async fn upkeep(dir: &std::path::Path, tasks: usize) {
    ledger(dir, tasks).await;
    let now: Timestamp = "2027-03-01T09:00:00Z".parse().expect("a time");
    let settings = StoreSettings {
        dir: dir.join("store"),
        cache: 8 << 20,
    };
    let began = Instant::now();
    let (ledger, report) = Ledger::open(&settings, now).expect("opened");
    println!(
        "start with {tasks} attempts in {} records: {:.2} s",
        report.records,
        began.elapsed().as_secs_f64()
    );
    let upto = ledger.on_disk().await.expect("on disk");
    let file = dir.join("backup");
    let began = Instant::now();
    let (copied, path) = (ledger.clone(), file.clone());
    let saving = tokio::task::spawn_blocking(move || {
        let stop = Pace::default();
        upkeep::save(&copied, upto, Form::Backup, &path, now, &stop).expect("saved");
        began.elapsed()
    });
    let mut waits = Vec::new();
    while !saving.is_finished() {
        let asked = Instant::now();
        let body = EventBody::Note {
            text: "meanwhile".into(),
        };
        let meta = Meta::daemon(now, None);
        ledger.record(Entry { body, meta }).await.expect("recorded");
        waits.push(asked.elapsed());
    }
    let took = saving.await.expect("saved");
    waits.sort();
    println!(
        "backup of {} records, {} attempts: {:.2} s, {} bytes; {} durable records meanwhile, the longest waited {:.1} ms, the median {:.1} ms",
        report.records,
        tasks,
        took.as_secs_f64(),
        std::fs::metadata(&file).expect("written").len(),
        waits.len(),
        waits.last().map_or(0.0, |w| w.as_secs_f64() * 1e3),
        waits
            .get(waits.len() / 2)
            .map_or(0.0, |w| w.as_secs_f64() * 1e3),
    );
    ledger.shutdown().await.expect("closed");
    drop(ledger);
    let began = Instant::now();
    let done = {
        let order = Order {
            actor: Actor::System,
            now,
            last: &|_| None,
        };
        upkeep::compact(&settings, order, &mut |_| {})
    }
    .expect("compacted");
    let share = |bytes: u64| bytes.checked_div(done.outcomes).unwrap_or(0);
    println!(
        "compaction{}: {:.1} s; bytes per outcome {} before, {} after",
        if done.kept {
            " (would take more room, so nothing was changed)"
        } else {
            ""
        },
        began.elapsed().as_secs_f64(),
        share(done.bytes_before),
        share(done.bytes_after)
    );
}

/// What the tasks of one round took.
struct Took {
    /// Recording the decisions with their inputs, until they are on disk.
    decisions: Duration,
    /// Claiming and settling.
    attempts: Duration,
}

/// Records, claims and settles every task through the ledger; observing, putting the inputs into words and
/// governing are not timed.
async fn ledger(dir: &std::path::Path, tasks: usize) -> Took {
    let now: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
    let settings = StoreSettings {
        dir: dir.join("store"),
        cache: 64 << 20,
    };
    let (ledger, _) = Ledger::open(&settings, now).expect("a store");
    let rows: Vec<Task> = (0..tasks).map(row).collect();
    let cycle = CycleId(uuid::Uuid::now_v7());
    let snapshot = Snapshot {
        taken_at: now,
        tasks: rows.clone(),
        complete: true,
        stable: true,
        seers: None,
        login: Login::new("bench"),
        pages: 1,
        unreadable: Vec::new(),
        unread: Vec::new(),
    };
    let sighting = Sighting {
        kinds: vec![Kind::Revoke; tasks],
        snapshot: Arc::new(snapshot),
        cycle,
        asked: false,
        delivery: delivery(),
        unlisted: Default::default(),
    };
    let seen = ledger.observe(sighting, now).await.expect("seen");
    let lineages: Vec<LineageId> = seen.views.iter().filter_map(|view| view.lineage).collect();
    let (inputs, records) = reasons(&rows, &lineages);
    let digests: Vec<Digest> = inputs.iter().map(|one| one.digest.clone()).collect();
    let began = Instant::now();
    let mut records = records.into_iter();
    let mut inputs = inputs.into_iter();
    loop {
        let part: Vec<Inputs> = inputs.by_ref().take(1000).collect();
        if part.is_empty() {
            break;
        }
        let kept = ledger.keep_inputs(part, now).await.expect("taken");
        kept.done().await.expect("kept");
        let part = records.by_ref().take(1000).collect();
        let recorded = ledger.decided(part, cycle, now).await.expect("taken");
        recorded.done().await.expect("recorded");
    }
    ledger.written().await.expect("on disk");
    let decisions = began.elapsed();
    let mut admitted = admitted(&rows, &lineages, &digests, now).into_iter();
    let began = Instant::now();
    loop {
        let items: Vec<Admitted> = admitted.by_ref().take(BATCH).collect();
        if items.is_empty() {
            break;
        }
        let request = ClaimRequest {
            batch: Batch {
                id: BatchId(uuid::Uuid::now_v7()),
                target: TargetName::new("Mail"),
                action: ActionName::Retry,
                items,
            },
            requests: Vec::new(),
            login: Login::new("bench"),
            cycle,
            manual_ttl: jiff::SignedDuration::from_hours(24),
            settle_after: jiff::SignedDuration::from_mins(15),
        };
        let claims = ledger.claim(request, now).await.expect("claimed");
        let batch = claims.batch.expect("new attempts");
        let receipts = batch
            .items
            .iter()
            .map(|item| item.receipt(ReceiptStatus::Accepted, now))
            .collect();
        let settled = ledger
            .settle(receipts, Duration::ZERO, now)
            .await
            .expect("settled");
        assert!(settled.iter().all(|settled| settled.applied));
    }
    let attempts = began.elapsed();
    ledger.shutdown().await.expect("closed");
    Took {
        decisions,
        attempts,
    }
}

/// The decisions on all rows, with the texts that they rest on.
fn reasons(rows: &[Task], lineages: &[LineageId]) -> (Vec<Inputs>, Vec<DecisionRecord>) {
    let mut words = InputsWriter::default();
    rows.iter()
        .zip(lineages)
        .map(|(task, lineage)| {
            let Worded { digest, text, .. } = words.parts(task, &mut facts(task));
            let decision = decision(task, *lineage, digest.clone());
            let inputs = Inputs {
                lineage: *lineage,
                digest,
                text,
                said: said_print(&decision),
            };
            let record = DecisionRecord {
                decision: Arc::new(decision),
                refusal: None,
                relook: None,
            };
            (inputs, record)
        })
        .unzip()
}

fn row(n: usize) -> Task {
    let mut task = Task::bare(
        TaskId::new(&(1_000_000 + n).to_string()),
        TaskStatus::Rejected,
    );
    task.definition_name = Some(Arc::from("Delete User"));
    task.process = Some(ProcessKey::new(&(5_000_000 + n).to_string()));
    task.target = Some(TargetName::new("Mail"));
    task.beneficiary = Some(Login::new(&format!("u{n}")));
    task.reason = Some(Arc::from("connection refused"));
    let (key, user) = ((1_000_000 + n).to_string(), format!("u{n}"));
    let shown = [
        ("Process Instance.Task Details.Key", &*key),
        ("Process Instance.Task Details.Status", "Rejected"),
        ("SCH_REASON", "connection refused"),
        (
            "Process Instance.Task Information.Creation Date",
            "2027-03-01T06:00:00Z",
        ),
        ("Process Instance.Task Information.Target User", &*user),
        ("Process Definition.Tasks.Task Name", "Delete User"),
        ("Objects.Name", "Mail User"),
        ("APP_INSTANCE_NAME", "Mail"),
        ("Groups.Group Name", "PROVISIONING OPERATORS"),
    ];
    task.fields = Fields::from_pairs(shown.map(|(name, text)| (name, FieldValue::Text(text))));
    task
}

/// Through guards and governor: nobody else makes what can be claimed.
fn admitted(
    rows: &[Task],
    lineages: &[LineageId],
    digests: &[Digest],
    now: Timestamp,
) -> Vec<Admitted> {
    let limits = GuardSettings {
        age_limit: SignedDuration::from_hours(24 * 14),
        manual_complete: Vec::new(),
        set_response: Vec::new(),
        assignee_load: 50,
        handed_for: SignedDuration::from_hours(7 * 24),
        fact_age: SignedDuration::from_mins(10),
    };
    let mut governor = Governor::new(governor_settings(), modes(), None, now);
    governor.begin_cycle(now, &Census::default(), Standing::good(), now);
    let wanted = rows
        .iter()
        .zip(lineages)
        .zip(digests)
        .map(|((task, lineage), inputs)| {
            let decision = decision(task, *lineage, inputs.clone());
            let known = |value| Known::Yes { value, as_of: now };
            let beneficiary = known(Person {
                key: None,
                login: Login::new("u"),
                status: UserStatus::Disabled,
                manager: None,
            });
            let account = Known::Yes {
                value: AccountView {
                    tasks: Vec::new(),
                    from_process: true,
                    own_now: None,
                },
                as_of: now,
            };
            let input = GuardInput {
                task,
                version: task.version(),
                kind: Kind::Revoke,
                action: &Action::Retry,
                named: false,
                beneficiary: &beneficiary,
                account: &account,
                unread: Some(Arc::from("it is no part of what is measured")),
                standing: &Known::unknown("not asked for yet"),
                finished_shown: true,
                finished_from: None,
                assignee: None,
                members: None,
                owner_changes: None,
                owner_read: None,
                responses: None,
                history: &history(*lineage, now),
                definition_manual: false,
                open_attempt_in_account: false,
                late_until: None,
                lineage_ambiguous: false,
                origin: now,
                dated: true,
                first: None,
                elder: Default::default(),
                seen_late: false,
                attempt_open: false,
                baseline: false,
                released_by_age: false,
                released_old: false,
                by_process: false,
                order_releases: &[],
                now,
                limits: &limits,
            };
            (decision, guard::check(&input).expect("nothing forbids it"))
        })
        .collect();
    let governed = governor.govern(now, wanted, &|lineage| history(lineage, now));
    assert_eq!(governed.admitted.len(), rows.len());
    governed.admitted
}

fn decision(task: &Task, lineage: LineageId, inputs: Digest) -> Decision {
    Decision {
        task: task.id.clone(),
        lineage,
        target: task.target.clone(),
        process: task.process.clone(),
        definition: task.definition(),
        kind: Kind::Revoke,
        answer: Arc::new(Answer {
            verdict: Some(Verdict::Act {
                action: Action::Retry,
                after: None,
                because: Some(Arc::from("may heal by itself: network")),
                priority: 100,
            }),
            policy: Some(Arc::from("30-retry.rhai")),
            line: Some(14),
            hash: PolicyHash::new(&"ab".repeat(32)),
            fault: None,
        }),
        inputs,
        moment: None,
        read: Arc::default(),
        due: None,
        version: task.version(),
    }
}

fn history(lineage: LineageId, now: Timestamp) -> History {
    History {
        lineage,
        attempts: 0,
        attempts_total: 0,
        first_seen: now,
        failed_since: now,
        last_attempt_at: None,
        last_state: None,
        in_vain: 0,
        unproven: 0,
        reset: false,
        stale: false,
        keeps_ids: false,
        creation_over_since: false,
        recent: Vec::new(),
        former_owners: Vec::new(),
        ids: Vec::new(),
    }
}

fn modes() -> Modes {
    Modes {
        global: Mode::Enforce,
        actions: BTreeMap::new(),
        policies: BTreeMap::new(),
        targets: BTreeMap::new(),
        others: None,
        slips: BTreeMap::new(),
    }
}

fn governor_settings() -> GovernorSettings {
    GovernorSettings {
        default: TargetLimits {
            per_minute: 60_000,
            in_flight: 2,
            batch_max: 500,
            batch_start: 500,
            batch_time: Duration::from_secs(200),
            breaker_after: 3,
            breaker_pause: SignedDuration::from_mins(10),
            breaker_cap: SignedDuration::from_hours(4),
        },
        targets: BTreeMap::new(),
        max_attempts: 5,
        max_attempts_taking: 10,
        count_foreign_attempts: true,
        backoff_base: SignedDuration::from_mins(5),
        backoff_factor: 3.0,
        backoff_cap: SignedDuration::from_hours(12),
        cap_retries: 1_000_000,
        cap_reassigns: 50,
        cap_share_percent: 100,
        share_from: 50,
        approval_ttl: SignedDuration::from_hours(24),
        writes_in_flight: 8,
    }
}

fn delivery() -> DeliverySettings {
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
