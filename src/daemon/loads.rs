//! How much each person has to do: what the lists show, what is on its way to him, and what we have handed to him and no list shows; it counts, and refuses nothing.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::cache::Cache;
use crate::ledger::Index;
use crate::model::hash::FastSet;
use crate::model::settings::Settings;
use crate::model::{Action, Login, Owner, Principal, Snapshot, TaskId, UserKey};

/// Open tasks per person.
#[derive(Debug, Default)]
pub struct Loads {
    logins: HashMap<Login, u32>,
    /// Of the rows that show the key of their owner alone.
    keys: HashMap<UserKey, u32>,
    /// What no list shows, of `logins`.
    unlisted: HashMap<Login, u32>,
}

/// Work that was handed to a person, and that a row may show otherwise or not at all.
struct Coming<'a> {
    login: &'a Login,
    key: Option<&'a UserKey>,
    /// When that was read; `None`: nothing was read of it yet.
    done: Option<Timestamp>,
    /// Lists have shown other work as his that he was handed.
    others_listed: bool,
}

impl Loads {
    /// Counts a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut loads = Self::default();
        for task in &snapshot.tasks {
            match &task.owner {
                Owner::User {
                    login: Some(login), ..
                } => count(&mut loads.logins, login),
                Owner::User { key: Some(key), .. } => count(&mut loads.keys, key),
                _ => {}
            }
        }
        loads
    }

    /// Counts what we have handed to people and what their rows don't tell: what is on its way or not read back yet, and
    /// what has left the lists with that, where they show none of his work (a login that sees its own tasks alone). Of
    /// that last nobody says when it ends: it counts for `guard.handed_for`. The first `listed` rows are a list's.
    pub fn add_handed(
        &mut self,
        index: &Index,
        snapshot: &Snapshot,
        listed: usize,
        settings: &Settings,
    ) {
        let mut coming: HashMap<TaskId, Coming<'_>> = HashMap::new();
        let taken_at = snapshot.taken_at;
        let since = taken_at.saturating_sub(settings.guard.handed_for);
        for of in index.handed_unlisted(since.unwrap_or(Timestamp::MIN)) {
            let handed = Coming {
                login: of.login,
                key: of.key,
                done: Some(of.at),
                others_listed: of.others_listed,
            };
            coming.insert(of.task, handed);
        }
        for (_, attempt) in index.open_attempts() {
            if let Action::Reassign {
                to: Principal::User { key, login },
            } = &attempt.action
            {
                let handed = Coming {
                    login,
                    key: key.as_ref(),
                    done: None,
                    others_listed: false,
                };
                coming.insert(attempt.task.clone(), handed);
            }
        }
        if coming.is_empty() {
            return;
        }
        // a node that lags behind shows the former owner
        let may_lag = |at: Timestamp| {
            let settle_after: SignedDuration = settings.delivery.settle_after;
            taken_at.duration_since(at) < settle_after
        };
        for task in &snapshot.tasks {
            let Some(handed) = coming.get(&task.id) else {
                continue;
            };
            let is_his = match &task.owner {
                Owner::User {
                    login: Some(of), ..
                } => of == handed.login,
                Owner::User { key: of, .. } => of.is_some() && of.as_ref() == handed.key,
                _ => false,
            };
            // whom the list shows as the owner already is counted
            if is_his || handed.done.is_some_and(|at| !may_lag(at)) {
                coming.remove(&task.id);
            }
        }
        // whose work lists show has ended what they show no more
        let mut shown: FastSet<&Login> = FastSet::default();
        let mut shown_keys: FastSet<&UserKey> = FastSet::default();
        for task in snapshot.tasks.iter().take(listed) {
            if let Owner::User { key, login } = &task.owner {
                shown.extend(login);
                shown_keys.extend(key);
            }
        }
        for handed in coming.into_values() {
            let lists_tell = handed.others_listed
                || shown.contains(handed.login)
                || handed.key.is_some_and(|key| shown_keys.contains(key));
            match handed.done {
                Some(at) if lists_tell && at < taken_at && !may_lag(at) => {}
                Some(_) => {
                    count(&mut self.logins, handed.login);
                    count(&mut self.unlisted, handed.login);
                }
                None => count(&mut self.logins, handed.login),
            }
        }
    }

    /// Open tasks that a person holds, by his login and by the key under which he was read.
    pub fn get(&self, cache: &Cache, login: &Login) -> u32 {
        let own = self.logins.get(login).copied().unwrap_or(0);
        let by_key = cache.key_of(login).and_then(|key| self.keys.get(key));
        own.saturating_add(by_key.copied().unwrap_or(0))
    }

    /// How many of them no list shows.
    pub fn unlisted(&self, login: &Login) -> u32 {
        self.unlisted.get(login).copied().unwrap_or(0)
    }
}

fn count<K: Clone + Eq + std::hash::Hash>(of: &mut HashMap<K, u32>, whose: &K) {
    if let Some(count) = of.get_mut(whose) {
        *count += 1;
    } else {
        of.insert(whose.clone(), 1);
    }
}
