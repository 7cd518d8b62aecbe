//! Chooses from a journal what an auditor asks for, record by record; what can't be told is counted and never guessed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::about::Known;
use super::row::{Row, rows};
use crate::ledger::alike_undone;
use crate::ledger::record::{Event, EventBody, RecordError, decode};
use crate::model::{Digest, LineageId, Login, Scope, TargetName, TaskId};
use crate::policy;

/// Whole texts that are remembered for what is stored as a difference to them.
const TEXTS: usize = 4096;

/// What is asked for; all that is set has to fit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Filter {
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
    /// Only what was done for this user.
    pub user: Option<Login>,
    /// Only this task or lineage, with all its ids.
    pub task: Option<String>,
    /// Only what belongs to this access request.
    pub request: Option<String>,
    /// Only this target, and what holds for everything.
    pub target: Option<TargetName>,
}

impl Filter {
    /// True where pieces of work have to be looked for before rows can be chosen.
    pub fn needs_search(&self) -> bool {
        self.user.is_some()
            || self.task.is_some()
            || self.request.is_some()
            || self.target.is_some()
    }
}

/// A first reading: which pieces of work are meant.
#[derive(Debug)]
pub struct Search {
    filter: Filter,
    by_user: HashSet<LineageId>,
    by_task: HashSet<LineageId>,
    requests: Requests,
    /// Targets on record, by how they are compared.
    targets: BTreeMap<String, TargetName>,
}

impl Search {
    /// Looks for what a filter names.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            by_user: HashSet::new(),
            by_task: HashSet::new(),
            requests: Requests::default(),
            targets: BTreeMap::new(),
        }
    }

    /// The targets that are on record, where the one that was asked for is none of them: known before a
    /// row is made.
    pub fn other_targets(&self) -> Option<Vec<&TargetName>> {
        let asked = self.filter.target.as_ref()?;
        let mut all = self.targets.values();
        let is_known = all.any(|target| target.is_like(asked));
        (!is_known).then(|| self.targets.values().collect())
    }

    fn learn_targets(&mut self, body: &EventBody) {
        let targets: Vec<&TargetName> = match body {
            EventBody::LineagesOpened { items } => items
                .iter()
                .filter_map(|item| item.target.as_ref())
                .collect(),
            EventBody::Claims { target, .. } | EventBody::HoldOpened { target, .. } => vec![target],
            EventBody::Learned { definition, .. } | EventBody::Forgot { definition } => {
                vec![&definition.target]
            }
            EventBody::Paused { scope, .. } | EventBody::Resumed { scope } => match scope {
                Scope::Target(target) | Scope::ActionOnTarget(_, target) => vec![target],
                Scope::Definition(definition) => vec![&definition.target],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        for target in targets {
            let key = target.as_str().to_lowercase();
            self.targets.entry(key).or_insert_with(|| target.clone());
        }
    }

    /// Takes in the next record.
    ///
    /// # Errors
    /// It was written by a newer program.
    pub fn take(&mut self, text: &str) -> Result<(), RecordError> {
        let Some(event) = read(text)? else {
            return Ok(());
        };
        if self.filter.target.is_some() {
            self.learn_targets(&event.body);
        }
        if let Some(request) = self.filter.request.clone() {
            self.requests.take(&event.body, &request);
        }
        match event.body {
            EventBody::LineagesOpened { items } => {
                for item in items {
                    self.meet(item.lineage, &item.task);
                    if self.filter.user.is_some() && item.user == self.filter.user {
                        self.by_user.insert(item.lineage);
                    }
                }
            }
            EventBody::LineagesJoined { items } => {
                for item in items {
                    self.meet(item.lineage, &item.task);
                    let user = item.moved.and_then(|new| new.user);
                    if self.filter.user.is_some() && user == self.filter.user {
                        self.by_user.insert(item.lineage);
                    }
                }
            }
            EventBody::Seen { items } => {
                for item in items {
                    let user = item.redefined.and_then(|new| new.user);
                    if self.filter.user.is_some() && user == self.filter.user {
                        self.by_user.insert(item.lineage);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn meet(&mut self, lineage: LineageId, task: &TaskId) {
        let named = self.filter.task.as_deref().map(str::trim);
        let is = named.is_some_and(|name| {
            name == task.as_str() || name.eq_ignore_ascii_case(&lineage.to_string())
        });
        if is {
            self.by_task.insert(lineage);
        }
    }

    /// The filter with what was found.
    pub fn end(self) -> Export {
        let mut meant: Option<HashSet<LineageId>> = None;
        let sets = [
            (self.filter.user.is_some(), self.by_user),
            (self.filter.task.is_some(), self.by_task),
            (self.filter.request.is_some(), self.requests.found),
        ];
        for (asked, found) in sets {
            if asked {
                meant = Some(match meant {
                    None => found,
                    Some(before) => before.intersection(&found).copied().collect(),
                });
            }
        }
        let asked = self.filter.request.is_some();
        Export {
            filter: self.filter,
            meant,
            known: Known::default(),
            unknown_requests: if asked { self.requests.unknown } else { 0 },
        }
    }
}

/// The second reading: the rows.
#[derive(Debug)]
pub struct Export {
    filter: Filter,
    meant: Option<HashSet<LineageId>>,
    known: Known,
    unknown_requests: u64,
}

impl Export {
    /// Decisions of which it is not on record to which request they belong.
    pub fn unknown_requests(&self) -> u64 {
        self.unknown_requests
    }

    /// The rows of the next record.
    ///
    /// # Errors
    /// It was written by a newer program.
    pub fn take(&mut self, text: &str) -> Result<Vec<Row>, RecordError> {
        let Some(event) = read(text)? else {
            return Ok(Vec::new());
        };
        self.known
            .learn(&event.body, event.login.as_ref(), event.policy.as_ref());
        if event.at < self.filter.from || event.at >= self.filter.to {
            return Ok(Vec::new());
        }
        let mut rows = rows(event, &self.known);
        rows.retain(|row| self.wants(row));
        Ok(rows)
    }

    fn wants(&self, row: &Row) -> bool {
        let meant = self
            .meant
            .as_ref()
            .is_none_or(|meant| row.about.is_some_and(|of| meant.contains(&of)));
        let target = self
            .filter
            .target
            .as_ref()
            .is_none_or(|target| row.general || target.is_like(&TargetName::new(&row.target)));
        meant && target
    }
}

/// A record that can't be read has no rows; `audit verify` tells of it.
fn read(text: &str) -> Result<Option<Event>, RecordError> {
    match decode(text.as_bytes()) {
        Ok(event) => Ok(Some(event)),
        Err(newer @ RecordError::Newer(_)) => Err(newer),
        Err(_) => Ok(None),
    }
}

/// To which pieces of work a request belongs, as the recorded inputs of decisions say.
#[derive(Debug, Default)]
struct Requests {
    /// A text that comes in parts.
    parts: Option<(Digest, String, u32)>,
    /// Whole texts, the oldest first.
    order: VecDeque<Digest>,
    texts: HashMap<Digest, Arc<str>>,
    /// Texts that name the request, and those that were read at all.
    naming: HashSet<Digest>,
    read: HashSet<Digest>,
    found: HashSet<LineageId>,
    unknown: u64,
}

impl Requests {
    fn take(&mut self, body: &EventBody, request: &str) {
        match body {
            EventBody::InputsStored {
                digest,
                part,
                of,
                text,
            } => self.part(digest, *part, *of, text, request),
            EventBody::InputsAlike { base, items } => {
                let whole = self.texts.get(base).cloned();
                for item in items {
                    let text = whole
                        .as_deref()
                        .and_then(|text| alike_undone(text, &item.steps));
                    if let Some(text) = text {
                        self.look(&item.digest, &text, request);
                    }
                }
            }
            EventBody::Decided { items } => {
                for item in items {
                    if self.naming.contains(&item.inputs) {
                        self.found.insert(item.lineage);
                    } else if !self.read.contains(&item.inputs) {
                        self.unknown += 1;
                    }
                }
            }
            EventBody::Claims { items, .. } => {
                for item in items {
                    if self.naming.contains(&item.inputs) {
                        self.found.insert(item.lineage);
                    }
                }
            }
            _ => {}
        }
    }

    fn part(&mut self, digest: &Digest, part: u32, of: u32, text: &str, request: &str) {
        let (mut whole, next) = match self.parts.take() {
            Some((have, whole, next)) if have == *digest => (whole, next),
            _ => (String::new(), 0),
        };
        if part != next {
            return;
        }
        whole.push_str(text);
        if part + 1 < of {
            self.parts = Some((digest.clone(), whole, part + 1));
            return;
        }
        self.look(digest, &whole, request);
        if self.order.len() >= TEXTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.texts.remove(&oldest);
        }
        self.order.push_back(digest.clone());
        self.texts.insert(digest.clone(), Arc::from(whole));
    }

    fn look(&mut self, digest: &Digest, text: &str, request: &str) {
        self.read.insert(digest.clone());
        // to take a text apart costs more than to see that it can't be
        if text.contains(request)
            && let Ok((task, _)) = policy::replay(text)
            && task.request.as_deref() == Some(request)
        {
            self.naming.insert(digest.clone());
        }
    }
}
