//! What the journal says of pieces of work, gathered while it is read; only what rows and filters need.

use std::collections::HashMap;
use std::sync::Arc;

use crate::daemon::one::hold_of;
use crate::ledger::record::{ClaimItem, EventBody};
use crate::model::task::DefinitionId;
use crate::model::{ActionName, BatchId, Digest, LineageId, Login, PolicyHash, TargetName, TaskId};

/// What is known of a piece of work.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub user: Option<Login>,
    pub target: Option<TargetName>,
    pub definition: Option<Arc<str>>,
    /// Its present id.
    pub task: Option<TaskId>,
    /// Whose list showed it last, where that is on record.
    pub seer: Option<Login>,
}

/// Under which login and policy set a batch was claimed, and what was to be done.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub login: Option<Login>,
    pub policy: Option<PolicyHash>,
    pub action: &'static str,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    lineages: HashMap<LineageId, About>,
    batches: HashMap<BatchId, Sent>,
    attempts: HashMap<(LineageId, u32), BatchId>,
    holds: HashMap<Digest, Held>,
    /// Names of definitions that have a key.
    names: HashMap<DefinitionId, Arc<str>>,
}

/// What a hold holds back.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub action: ActionName,
    pub target: TargetName,
    pub tasks: Vec<TaskId>,
}

impl Known {
    /// Takes in an event before its rows are made.
    pub fn learn(&mut self, body: &EventBody, login: Option<&Login>, policy: Option<&PolicyHash>) {
        match body {
            EventBody::LineagesOpened { items } => {
                for item in items {
                    let about = About {
                        user: item.user.clone(),
                        target: item.target.clone(),
                        definition: item.name.clone(),
                        task: Some(item.task.clone()),
                        seer: login.cloned(),
                    };
                    self.lineages.insert(item.lineage, about);
                    if let (Some(target), Some(key), Some(name)) =
                        (&item.target, &item.definition, &item.name)
                    {
                        let id = DefinitionId {
                            target: target.clone(),
                            definition: format!("#{key}").into(),
                        };
                        self.names.entry(id).or_insert_with(|| Arc::clone(name));
                    }
                }
            }
            EventBody::LineagesJoined { items } => {
                for item in items {
                    let about = self.lineages.entry(item.lineage).or_default();
                    about.task = Some(item.task.clone());
                    about.seer = login.cloned().or(about.seer.take());
                    let user = item.moved.as_ref().and_then(|new| new.user.clone());
                    about.user = user.or(about.user.take());
                }
            }
            EventBody::Seen { items } => {
                for item in items {
                    let user = item.redefined.as_ref().and_then(|new| new.user.clone());
                    if user.is_none() && login.is_none() {
                        continue;
                    }
                    let about = self.lineages.entry(item.lineage).or_default();
                    about.user = user.or(about.user.take());
                    about.seer = login.cloned().or(about.seer.take());
                }
            }
            EventBody::Claims {
                batch,
                action,
                items,
                ..
            } => {
                let sent = Sent {
                    login: login.cloned(),
                    policy: policy.cloned(),
                    action: action.as_str(),
                };
                self.batches.insert(*batch, sent);
                for ClaimItem {
                    lineage, ordinal, ..
                } in items
                {
                    self.attempts.insert((*lineage, *ordinal), *batch);
                }
            }
            EventBody::HoldOpened {
                hold,
                action,
                target,
                tasks,
                ..
            } => {
                let held = Held {
                    action: *action,
                    target: target.clone(),
                    tasks: tasks.clone(),
                };
                self.holds.insert(hold.clone(), held);
            }
            _ => {}
        }
    }

    /// What a hold holds back.
    pub fn hold(&self, hold: &Digest) -> Option<&Held> {
        self.holds.get(hold)
    }

    /// The piece of work whose single retry was consented to: that consent is on record by a digest of the
    /// task's id alone, which is still the present one then.
    pub fn asked_alone(&self, hold: &Digest) -> Option<LineageId> {
        let is_it = |about: &About| {
            about
                .task
                .as_ref()
                .is_some_and(|task| hold_of(task) == *hold)
        };
        let found = self.lineages.iter().find(|(_, about)| is_it(about));
        found.map(|(lineage, _)| *lineage)
    }

    /// The name under which a definition was shown first, where it has a key.
    pub fn name_of(&self, definition: &DefinitionId) -> Option<&Arc<str>> {
        self.names.get(definition)
    }

    /// What is known of a piece of work.
    pub fn of(&self, lineage: LineageId) -> Option<&About> {
        self.lineages.get(&lineage)
    }

    /// Whose list showed a piece of work last.
    pub fn seer(&self, lineage: LineageId) -> Option<&Login> {
        self.lineages.get(&lineage)?.seer.as_ref()
    }

    /// How a batch was claimed.
    pub fn sent(&self, batch: &BatchId) -> Option<&Sent> {
        self.batches.get(batch)
    }

    /// In which batch an attempt went out.
    pub fn batch_of(&self, lineage: LineageId, ordinal: u32) -> Option<&BatchId> {
        self.attempts.get(&(lineage, ordinal))
    }
}
