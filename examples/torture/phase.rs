//! What a killed daemon was doing, told from what it left: a copy of its store, the simulator's journal, its log; it must never open the store itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use provtaskd::ledger::Store as _;
use provtaskd::ledger::record::{EventBody, decode};
use provtaskd::ledger::sidecar::{Found, Sidecar};
use provtaskd::ledger::sled::SledStore;
use provtaskd::model::{AttemptEvent, ReceiptStatus};
use serde_json::Value;

use crate::house::{House, Trouble, io};

/// What it was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It had not come through its first cycle.
    StartUp,
    /// Records were in the journal and not yet acknowledged.
    Flush,
    /// A claim was acknowledged, and its PUT had not arrived.
    Claim,
    /// A PUT had arrived, and its answer was not out.
    Put,
    /// The answer was out, and its receipt was not acknowledged.
    Receipt,
    /// Attempts were open, and the last request was the reading of one.
    Verification,
    /// The store was being rewritten.
    Compaction,
    /// It was reading the list or deciding.
    Cycle,
    /// It had nothing to do.
    Idle,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 9] = [
        Phase::StartUp,
        Phase::Claim,
        Phase::Flush,
        Phase::Put,
        Phase::Receipt,
        Phase::Verification,
        Phase::Compaction,
        Phase::Cycle,
        Phase::Idle,
    ];
}

impl Phase {
    /// Those in which a long run has to kill.
    pub const WANTED: [Phase; 7] = [
        Phase::StartUp,
        Phase::Claim,
        Phase::Flush,
        Phase::Put,
        Phase::Receipt,
        Phase::Verification,
        Phase::Compaction,
    ];

    /// The one whose turn it is; claims, which are over soonest, have two in eight.
    pub fn wanted(turn: u64) -> Phase {
        usize::try_from(turn % 8)
            .ok()
            .and_then(|at| Self::WANTED.get(at).copied())
            .unwrap_or(Phase::Claim)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::StartUp => "start-up",
            Phase::Flush => "flush",
            Phase::Claim => "claim",
            Phase::Put => "PUT",
            Phase::Receipt => "receipt",
            Phase::Verification => "verification",
            Phase::Compaction => "compaction",
            Phase::Cycle => "cycle",
            Phase::Idle => "idle",
        })
    }
}

/// What a kill has left on disk.
#[derive(Debug, Default, Clone)]
pub struct Remains {
    /// Whether the sidecar says up to where all was acknowledged.
    pub marked: bool,
    /// Up to this record all was acknowledged.
    pub acknowledged: u64,
    /// The digest of each record.
    pub records: BTreeMap<u64, String>,
    /// The claims of each batch: lineage, ordinal, task.
    pub claims: BTreeMap<String, Vec<(u64, u32, String)>>,
    /// The claims of lines for notes, by their batch.
    pub notes: BTreeSet<String>,
    /// Batches whose receipts are there.
    pub answered: BTreeSet<String>,
    /// Attempts of which nobody knows what became: not answered clearly, nor told by a reading; with their tasks.
    pub unknown: BTreeMap<(u64, u32), String>,
    /// Records that can't be read.
    pub unreadable: u64,
    /// The record that first tells of a lineage.
    pub opened: BTreeMap<u64, u64>,
    /// Lineages of which a record tells what was sent, answered or became of it.
    pub about: BTreeMap<u64, BTreeSet<u64>>,
}

impl Remains {
    /// Looks into a copy of the store.
    pub fn of(house: &House) -> Result<Self, Trouble> {
        let copy = house.dir.join("remains");
        let store = house.store();
        let mut remains = Self::default();
        if !store.join("journal/db").exists() {
            return Ok(remains);
        }
        copied(&store.join("journal"), &copy.join("journal"))?;
        let mark = copy.join("sidecar");
        if store.join("sidecar").exists() {
            fs::copy(store.join("sidecar"), &mark).map_err(io(&mark))?;
        }
        let told = |error: &dyn fmt::Display| Trouble::Store(error.to_string());
        let (_, found) = Sidecar::open(&mark).map_err(|error| told(&error))?;
        if let Found::Mark(mark) | Found::Torn(mark) = found {
            remains.acknowledged = mark.seq;
            remains.marked = true;
        }
        {
            let (store, _) =
                SledStore::open(&copy.join("journal"), 8 << 20).map_err(|error| told(&error))?;
            store
                .visit(0, &mut |seq, bytes| {
                    remains.take(seq, bytes);
                    ControlFlow::Continue(())
                })
                .map_err(|error| told(&error))?;
        }
        fs::remove_dir_all(&copy).map_err(io(&copy))?;
        Ok(remains)
    }

    fn take(&mut self, seq: u64, bytes: &[u8]) {
        self.records
            .insert(seq, provtaskd::ledger::record::digest_of(bytes).to_string());
        let Ok(event) = decode(bytes) else {
            self.unreadable += 1;
            return;
        };
        match event.body {
            EventBody::LineagesOpened { items } => {
                for item in items {
                    self.opened.entry(item.lineage.0).or_insert(seq);
                }
            }
            EventBody::Claims { batch, items, .. } => {
                // a large batch is cut into several records
                let claims = self.claims.entry(batch.to_string()).or_default();
                for item in items {
                    let key = (item.lineage.0, item.ordinal);
                    self.about.entry(seq).or_default().insert(key.0);
                    claims.push((key.0, key.1, item.task.to_string()));
                    self.unknown.insert(key, item.task.to_string());
                }
            }
            EventBody::JustificationClaimed { batch, .. } => {
                self.notes.insert(batch.to_string());
            }
            EventBody::Receipts { batch, items, .. } => {
                self.answered.insert(batch.to_string());
                for item in items {
                    self.about.entry(seq).or_default().insert(item.lineage.0);
                    if !matches!(item.status, ReceiptStatus::Unknown { .. }) {
                        self.unknown.remove(&(item.lineage.0, item.ordinal));
                    }
                }
            }
            EventBody::Outcomes { items } => {
                for item in items {
                    self.about.entry(seq).or_default().insert(item.lineage.0);
                    if item.event != AttemptEvent::Restarted {
                        self.unknown.remove(&(item.lineage.0, item.ordinal));
                    }
                }
            }
            _ => {}
        }
    }

    /// The last record.
    pub fn last(&self) -> u64 {
        self.records.keys().next_back().copied().unwrap_or(0)
    }

    /// Batches of claims without a receipt.
    pub fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.claims
            .keys()
            .filter(|batch| !self.answered.contains(*batch))
            .map(String::as_str)
    }
}

fn copied(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(io(to))?;
    for entry in fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        if here.is_dir() {
            copied(&here, &there)?;
        } else {
            fs::copy(&here, &there).map_err(io(&here))?;
        }
    }
    Ok(())
}

/// What the daemon of this life was doing when it was killed. `before` are the batches of earlier
/// lives, `rested` is whether it was idle, `waits` the wall milliseconds by which a target holds up a PUT.
pub fn of(
    remains: &Remains,
    journal: &[Value],
    life: &Life,
    waits: &dyn Fn(&Value) -> i64,
) -> Phase {
    if !life.cycled {
        return Phase::StartUp;
    }
    if remains.last() > remains.acknowledged {
        return Phase::Flush;
    }
    let fresh: Vec<&str> = remains
        .unanswered()
        .filter(|batch| !life.old.contains(*batch))
        .collect();
    let put = |batch: &str| {
        journal
            .iter()
            .rev()
            .find(|row| row["class"] == "put" && row["request_id"] == batch)
    };
    if let Some(row) = fresh.iter().find_map(|batch| put(batch)) {
        let wall = row["wall"]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map_or(0, jiff::Timestamp::as_millisecond);
        let fault = row["fault"].as_str().unwrap_or_default();
        let hangs = matches!(fault, "Hang" | "HangUnapplied");
        return match hangs || life.killed <= wall + waits(row) {
            true => Phase::Put,
            false => Phase::Receipt,
        };
    }
    if !fresh.is_empty() {
        return Phase::Claim;
    }
    if life.rested {
        return Phase::Idle;
    }
    let last = journal[life.began.min(journal.len())..]
        .iter()
        .rfind(|row| row["type"] == "request");
    match last {
        Some(row) if row["class"] == "read" => Phase::Verification,
        _ => Phase::Cycle,
    }
}

/// What is known of the life that ended.
#[derive(Debug, Default)]
pub struct Life {
    /// Whether it came through a cycle.
    pub cycled: bool,
    /// Whether it was idle.
    pub rested: bool,
    /// When it was killed, wall milliseconds.
    pub killed: i64,
    /// Rows of the journal when it began.
    pub began: usize,
    /// Unanswered batches of earlier lives.
    pub old: BTreeSet<String>,
}
