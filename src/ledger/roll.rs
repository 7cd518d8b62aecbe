//! All attempts ever, as the journal tells them in one pass; read only, for lists that people ask for, never for a cycle.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::LedgerError;
use super::handle::Ledger;
use super::record::{Event, EventBody, decode};
use crate::model::attempt::next;
use crate::model::task::DefinitionId;
use crate::model::{
    Action, AttemptEvent, AttemptState, Digest, LineageId, Login, ProcessKey, ReceiptStatus,
    TargetName, TaskId,
};

/// One attempt and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptRow {
    /// The piece of work.
    pub lineage: LineageId,
    /// The n-th try of it.
    pub ordinal: u32,
    /// The id that was sent.
    pub task: TaskId,
    /// The target.
    pub target: Option<TargetName>,
    /// The definition's name; its key where the server shows no name.
    pub name: Option<String>,
    /// What was sent.
    pub action: Action,
    /// Where it stands.
    pub state: AttemptState,
    /// The batch, as in `X-Request-ID`.
    pub batch: String,
    /// The login that claimed it, where it is on record.
    pub login: Option<Login>,
    /// When it was claimed.
    pub claimed: Timestamp,
    /// When it was settled.
    pub settled: Option<Timestamp>,
    /// OIG's reason or the evidence of the last move.
    pub reason: Option<String>,
    /// The policy file that wanted it.
    pub policy: Option<String>,
}

impl Ledger {
    /// Every attempt on record, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn attempts(&self) -> Result<Vec<AttemptRow>, LedgerError> {
        let mut rows: Vec<AttemptRow> = Vec::new();
        let mut at: HashMap<(LineageId, u32), usize> = HashMap::new();
        let mut names: HashMap<DefinitionId, String> = HashMap::new();
        self.visit(&mut |bytes| {
            // decisions and sightings are most of the journal and tell nothing here
            if !TELLING.iter().any(|word| contains(bytes, word)) {
                return ControlFlow::Continue(());
            }
            match decode(bytes) {
                Ok(Event {
                    body: EventBody::LineagesOpened { items },
                    ..
                }) => self.read(|index| {
                    for item in items {
                        if let (Some(name), Some(of)) = (item.name, index.definition(item.lineage))
                            && !names.contains_key(of)
                        {
                            names.insert(of.clone(), name.to_string());
                        }
                    }
                }),
                Ok(event) => take(&mut rows, &mut at, event),
                Err(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        self.read(|index| {
            for row in &mut rows {
                let known = |of: &DefinitionId| {
                    let name = names.get(of).cloned();
                    name.unwrap_or_else(|| of.definition.to_string())
                };
                row.name = index.definition(row.lineage).map(known);
            }
        });
        Ok(rows)
    }

    /// True where a task of this account was ever seen. Reads the journal; for what a person asks.
    ///
    /// # Errors
    /// The store failed.
    pub fn knows_account(&self, account: &ProcessKey) -> Result<bool, LedgerError> {
        let mut found = false;
        self.visit(&mut |bytes| {
            if contains(bytes, b"\"is\":\"lineages_opened\"")
                && let Ok(event) = decode(bytes)
                && let EventBody::LineagesOpened { items } = event.body
            {
                found = items.iter().any(|i| i.process.as_ref() == Some(account));
            }
            if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(found)
    }

    /// The last lineage that was shown under an id, whether the id still stands for it or not. Reads the
    /// whole journal.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn lineage_shown(&self, task: &TaskId) -> Result<Option<LineageId>, LedgerError> {
        let mut found = None;
        self.visit(&mut |bytes| {
            let opens = contains(bytes, b"\"is\":\"lineages_opened\"");
            if (opens || contains(bytes, b"\"is\":\"lineages_joined\""))
                && let Ok(event) = decode(bytes)
            {
                match event.body {
                    EventBody::LineagesOpened { items } => {
                        let last = items.iter().rev().find(|item| item.task == *task);
                        found = last.map(|item| item.lineage).or(found);
                    }
                    EventBody::LineagesJoined { items } => {
                        let last = items.iter().rev().find(|item| item.task == *task);
                        found = last.map(|item| item.lineage).or(found);
                    }
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// When and why somebody has said no to a hold, the last time of each. Reads the whole journal.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn rejections(&self) -> Result<HashMap<Digest, (Timestamp, Arc<str>)>, LedgerError> {
        let mut said = HashMap::new();
        self.visit(&mut |bytes| {
            if contains(bytes, b"\"is\":\"rejected\"")
                && let Ok(event) = decode(bytes)
                && let EventBody::Rejected { hold, reason } = event.body
            {
                said.insert(hold, (event.at, reason));
            }
            ControlFlow::Continue(())
        })?;
        Ok(said)
    }

    /// Every definition of which a task was ever seen, as it was shown: with the name it had then. Reads
    /// the whole journal.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn definitions_shown(&self) -> Result<BTreeSet<(DefinitionId, Arc<str>)>, LedgerError> {
        let mut shown = BTreeSet::new();
        self.visit(&mut |bytes| {
            if contains(bytes, b"\"is\":\"lineages_opened\"")
                && let Ok(event) = decode(bytes)
                && let EventBody::LineagesOpened { items } = event.body
            {
                for item in items {
                    let Some(target) = item.target else {
                        continue;
                    };
                    let name = item.name.unwrap_or_else(|| Arc::from(""));
                    let definition = match item.definition {
                        Some(key) => format!("#{key}"),
                        None => name.trim().to_ascii_lowercase(),
                    };
                    let definition = definition.into();
                    shown.insert((DefinitionId { target, definition }, name));
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(shown)
    }
}

/// Records that tell of attempts have one of these in their head.
const TELLING: [&[u8]; 4] = [
    b"\"is\":\"lineages_opened\"",
    b"\"is\":\"claims\"",
    b"\"is\":\"receipts\"",
    b"\"is\":\"outcomes\"",
];

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    // the body's name stands in the first part of a record, behind its fixed fields
    let head = bytes.get(..bytes.len().min(600)).unwrap_or(bytes);
    head.windows(word.len()).any(|window| window == word)
}

fn take(rows: &mut Vec<AttemptRow>, index: &mut HashMap<(LineageId, u32), usize>, event: Event) {
    let Event {
        at, login, body, ..
    } = event;
    let mut step = |lineage, ordinal, event: AttemptEvent, reason: Option<String>| {
        let Some(row) = index
            .get(&(lineage, ordinal))
            .and_then(|place| rows.get_mut(*place))
        else {
            return;
        };
        if let Some(state) = next(row.state, event) {
            row.state = state;
            row.settled = (!state.is_open()).then_some(at);
        }
        if reason.is_some() {
            row.reason = reason;
        }
    };
    match body {
        EventBody::Claims {
            batch,
            target,
            items,
            ..
        } => {
            for claim in items {
                index.insert((claim.lineage, claim.ordinal), rows.len());
                rows.push(AttemptRow {
                    lineage: claim.lineage,
                    ordinal: claim.ordinal,
                    task: claim.task,
                    target: Some(target.clone()),
                    name: None,
                    action: claim.action,
                    state: AttemptState::Claimed,
                    batch: batch.to_string(),
                    login: login.clone(),
                    claimed: at,
                    settled: None,
                    reason: None,
                    policy: claim.policy.map(|policy| policy.to_string()),
                });
            }
        }
        EventBody::Receipts { items, .. } => {
            for receipt in items {
                let reason = match &receipt.status {
                    ReceiptStatus::Accepted => None,
                    ReceiptStatus::Refused { reason, .. } => Some(reason.to_string()),
                    ReceiptStatus::Unknown { why } | ReceiptStatus::Unsent { why } => {
                        Some(why.to_string())
                    }
                };
                step(
                    receipt.lineage,
                    receipt.ordinal,
                    receipt.status.event(),
                    reason,
                );
            }
        }
        EventBody::Outcomes { items } => {
            for outcome in items {
                let evidence = outcome.evidence.as_ref().map(ToString::to_string);
                step(outcome.lineage, outcome.ordinal, outcome.event, evidence);
            }
        }
        _ => {}
    }
}
