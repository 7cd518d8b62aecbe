//! Which of the roles that own listed tasks are the login's, and in which of them nobody can act; it reads few, each once, and what was not shown is told of none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{LONG, Surveyor};
use crate::daemon::DaemonError;
use crate::daemon::cache::Cache;
use crate::daemon::collect::Collector;
use crate::daemon::memory::Memory;
use crate::model::{Login, Owner, RoleKey, Snapshot};
use crate::oig::LOGINS_AT_ONCE;
use crate::survey::{OwnerWord, RoleWord, Row};

/// Roles whose members are read, those with the most tasks first.
const ROLES: usize = 50;

/// A role that owns listed tasks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Owning {
    /// As reports name it.
    owner: String,
    name: Option<String>,
    key: Option<RoleKey>,
}

/// What was found out of them.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// Why nobody can act, by the name of the owner.
    words: HashMap<String, RoleWord>,
    /// How many own listed tasks, and of how many it could be told whether somebody can act.
    pub owning: u64,
    pub told: u64,
}

impl Roles {
    /// Why nobody of a task's owner can act.
    pub fn word(&self, owner: &Owner) -> Option<RoleWord> {
        match owner {
            Owner::Role { .. } => self.words.get(&owner.to_string()).copied(),
            _ => None,
        }
    }
}

fn is_in(roles: &[String], name: &str) -> bool {
    let mut roles = roles.iter();
    roles.any(|role| role.trim().eq_ignore_ascii_case(name.trim()))
}

/// Listed tasks of roles of the login; `None` where it was not shown in which it is, or a row does not name its role.
pub(super) fn by_own_roles(cache: &Cache, me: &Login, rows: &[Row]) -> Option<u64> {
    let mut own = 0;
    for row in rows {
        if let Owner::Role { name, .. } = &row.owner {
            let roles = cache.assigned(me)?;
            own += u64::from(is_in(roles, name.as_deref()?));
        }
    }
    Some(own)
}

impl Surveyor {
    fn reader<'a>(&'a self, memory: &'a mut Memory) -> Collector<'a> {
        let client = self.bench.client.clone();
        Collector::new(client, &self.bench.clock, &mut memory.cache, LONG)
    }

    /// Reads in which roles the login is, and who is in those that own listed tasks.
    pub(super) async fn read_roles(
        &self,
        memory: &mut Memory,
        snapshot: &Snapshot,
    ) -> Result<Roles, DaemonError> {
        let mut found = Roles::default();
        let mut owning: BTreeMap<Owning, u64> = BTreeMap::new();
        for task in &snapshot.tasks {
            if let Owner::Role { key, name } = &task.owner {
                let role = Owning {
                    owner: task.owner.to_string(),
                    name: name.as_deref().map(str::to_owned),
                    key: key.clone(),
                };
                *owning.entry(role).or_default() += 1;
            }
        }
        if owning.is_empty() {
            return Ok(found);
        }
        found.owning = u64::try_from(owning.len()).unwrap_or(u64::MAX);
        let me = &self.bench.settings.server.login;
        let mut reader = self.reader(memory);
        reader.people([me.clone()].into()).await?;
        reader.assigned(me).await?;

        let mut owning: Vec<(Owning, u64)> = owning.into_iter().collect();
        owning.sort_by_key(|(_, tasks)| std::cmp::Reverse(*tasks));
        let mut keys: Vec<(String, RoleKey)> = Vec::new();
        for (role, _) in owning.into_iter().take(ROLES) {
            let key = self.key_of(memory, role.key, role.name).await?;
            keys.extend(key.map(|key| (role.owner, key)));
        }
        let all: BTreeSet<RoleKey> = keys.iter().map(|(_, key)| key.clone()).collect();
        self.reader(memory).members(all).await?;
        let mut empty = Vec::new();
        let mut shown = false;
        for (owner, key) in keys {
            let members = memory.cache.members(&key);
            let Some(members) = members.value() else {
                continue;
            };
            if members.is_empty() {
                empty.push(owner);
                continue;
            }
            shown = true;
            let members: Vec<Login> = members.to_vec();
            if let Some(word) = self.who_can_act(memory, &members).await? {
                found.told += 1;
                if let Some(word) = word {
                    found.words.insert(owner, word);
                }
            }
        }
        // where nobody is shown as a member of anything, an empty answer says nothing of the role
        if !empty.is_empty() && (shown || self.is_shown_members(memory, me).await?) {
            found.told += u64::try_from(empty.len()).unwrap_or(u64::MAX);
            let words = empty.into_iter().map(|owner| (owner, RoleWord::Empty));
            found.words.extend(words);
        }
        Ok(found)
    }

    async fn key_of(
        &self,
        memory: &mut Memory,
        key: Option<RoleKey>,
        name: Option<String>,
    ) -> Result<Option<RoleKey>, DaemonError> {
        match (key, name) {
            (Some(key), _) => Ok(Some(key)),
            (None, Some(name)) => {
                self.reader(memory).roles([name.clone()].into()).await?;
                Ok(memory.cache.role(&name))
            }
            (None, None) => Ok(None),
        }
    }

    /// True where a role of the login shows members: the login itself is one.
    async fn is_shown_members(&self, memory: &mut Memory, me: &Login) -> Result<bool, DaemonError> {
        let first = memory.cache.assigned(me).and_then(|roles| roles.first());
        let Some(own) = first.cloned() else {
            return Ok(false);
        };
        let Some(key) = self.key_of(memory, None, Some(own)).await? else {
            return Ok(false);
        };
        self.reader(memory).members([key.clone()].into()).await?;
        let members = memory.cache.members(&key);
        Ok(members.value().is_some_and(|members| !members.is_empty()))
    }

    /// Why none of these can act; inside, none where somebody can; outside, none where that is not known.
    async fn who_can_act(
        &self,
        memory: &mut Memory,
        members: &[Login],
    ) -> Result<Option<Option<RoleWord>>, DaemonError> {
        let word = |cache: &Cache, login: &Login| self.person_word(cache, login).0;
        let active = |cache: &Cache| {
            members
                .iter()
                .any(|of| word(cache, of) == OwnerWord::Active)
        };
        // one who can act is enough: most roles are told by their first few members
        for part in members.chunks(LOGINS_AT_ONCE) {
            if active(&memory.cache) {
                return Ok(Some(None));
            }
            let part = part.iter().cloned().collect();
            self.reader(memory).people(part).await?;
        }
        if active(&memory.cache) {
            return Ok(Some(None));
        }
        let words: BTreeSet<OwnerWord> = members.iter().map(|of| word(&memory.cache, of)).collect();
        Ok(match words {
            words if !words.iter().all(|word| word.cannot_act()) => None,
            words if words.contains(&OwnerWord::Away) => Some(Some(RoleWord::AllAway)),
            _ => Some(Some(RoleWord::NoneActive)),
        })
    }
}
