//! Collects the facts that policies and guards need, inside the read budget; a fact that could not be had stays unknown.

mod accounts;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use self::accounts::Wanted;
use super::cache::{Cache, Dated};
use super::evaluate::Bench;
use super::memory::Memory;
use super::probe::{roles, roles_path};
use super::watch::Reading;
use crate::absence::ProxyRow;
use crate::model::facts::Known;
use crate::model::hash::{FastMap, FastSet};
use crate::model::seers::bit;
use crate::model::{Clock, Login, ProcessKey, RoleKey, Snapshot, TaskId, UserKey};
use crate::oig::{Client, LOGINS_AT_ONCE, Logins, OigError, Proxy};

/// Reads through the cache.
pub struct Collector<'a> {
    client: Client,
    clock: &'a Clock,
    cache: &'a mut Cache,
    /// Older readings are not used for a decision to give access.
    max_age: SignedDuration,
}

/// Who reads accounts and tasks that only further logins see; all others, and people, the main one reads.
#[derive(Debug, Default)]
pub struct Readers {
    /// Who does so in its place while it is stopped: the first that can.
    stand_in: Option<Client>,
    accounts: FastMap<ProcessKey, Client>,
    tasks: FastMap<TaskId, Client>,
}

impl Readers {
    /// By what a snapshot shows.
    pub fn of(logins: &Logins, snapshot: &Snapshot) -> Self {
        let mut readers = Self::default();
        let Some(seers) = &snapshot.seers else {
            return readers;
        };
        if !seers.has_main() {
            let read = |n: &usize| seers.read & bit(*n) != 0;
            let first = (1..seers.logins.len()).find(read);
            let name = first.and_then(|n| seers.logins.get(n));
            readers.stand_in = name.and_then(|login| logins.of(login)).cloned();
        }
        let mut mains: FastSet<&ProcessKey> = FastSet::default();
        for (row, task) in snapshot.tasks.iter().enumerate() {
            let client = snapshot.further(row).and_then(|login| logins.of(login));
            match (client, &task.process) {
                (None, Some(process)) => {
                    mains.insert(process);
                }
                (None, None) => {}
                (Some(client), process) => {
                    readers.tasks.insert(task.id.clone(), client.clone());
                    if let Some(process) = process {
                        let first = readers.accounts.entry(process.clone());
                        first.or_insert_with(|| client.clone());
                    }
                }
            }
        }
        readers
            .accounts
            .retain(|process, _| !mains.contains(process));
        readers
    }
}

/// A collector for one cycle's readings.
pub fn collector<'a>(bench: &'a Bench, memory: &'a mut Memory) -> Collector<'a> {
    let client = memory.cache.readers.stand_in.as_ref();
    Collector::new(
        client.unwrap_or(&bench.client).clone(),
        &bench.clock,
        &mut memory.cache,
        // the other half is for the time in the queue: nothing is sent on facts older than the whole
        bench.settings.guard.fact_age / 2,
    )
}

impl<'a> Collector<'a> {
    /// A collector that takes readings up to `max_age` old from the cache.
    pub fn new(
        client: Client,
        clock: &'a Clock,
        cache: &'a mut Cache,
        max_age: SignedDuration,
    ) -> Self {
        Self {
            client,
            clock,
            cache,
            max_age,
        }
    }

    /// False once as many requests were made as somebody has allowed.
    fn may_ask(&self) -> bool {
        self.cache
            .watch
            .as_ref()
            .is_none_or(|watch| watch.may_ask(&self.client))
    }

    fn fresh(&self, at: Timestamp) -> bool {
        self.clock.now().duration_since(at) <= self.max_age
    }

    /// Reads people by login, many at a time; a login that the server does not show becomes unknown.
    ///
    /// # Errors
    /// Only a stopped login; everything else becomes an unknown fact.
    pub async fn people(&mut self, logins: BTreeSet<Login>) -> Result<(), OigError> {
        let wanted: Vec<Login> = logins
            .into_iter()
            .filter(|login| {
                !self
                    .cache
                    .people
                    .get(login)
                    .is_some_and(|entry| entry.answered && self.fresh(entry.at))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.cache.begin("people", wanted.len());
        // each question has a date of its own, that of its beginning
        let mut parts = wanted.chunks(LOGINS_AT_ONCE);
        while let Some(part) = parts.next() {
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            match self.client.users_by_login(part).await {
                Ok(people) => self.cache.store_people(people, at),
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    // the rest would meet the same
                    let at = self.clock.now();
                    for login in part.iter().chain(parts.by_ref().flatten()) {
                        let why =
                            Known::unknown(format!("user {login} could not be read: {error}"));
                        self.cache.store_person(login, why, at, false);
                    }
                }
            }
            self.cache.went_on(part.len());
        }
        Ok(())
    }

    /// Reads the last days of people who are gone, where the server shows such a date.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn end_dates(&mut self, logins: BTreeSet<Login>) -> Result<(), OigError> {
        let wanted: Vec<Login> = logins
            .into_iter()
            .filter(|login| {
                let known = self.cache.ends.get(login);
                !known.is_some_and(|entry| self.fresh(entry.at))
            })
            .collect();
        self.cache.begin("leave dates", wanted.len());
        for part in wanted.chunks(LOGINS_AT_ONCE) {
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            match self.client.end_dates(part).await {
                Ok(dates) => {
                    for login in part {
                        let shown = dates.get(login).copied();
                        let value = shown.flatten();
                        // what is no date is no word that there is none
                        let answered = shown != Some(None);
                        if answered {
                            self.cache.keep(at, || Reading::End {
                                login: login.clone(),
                                end: value,
                            });
                        }
                        let entry = Dated {
                            value,
                            at,
                            answered,
                        };
                        self.cache.ends.insert(login.clone(), entry);
                    }
                }
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "leave dates could not be read");
                    break;
                }
            }
            self.cache.went_on(part.len());
        }
        Ok(())
    }

    /// Reads the last days of people who are to be handed work, many at a time.
    ///
    /// # Errors
    /// Only a stopped login; everything else becomes an unknown fact.
    pub async fn last_days(&mut self, logins: BTreeSet<Login>) -> Result<(), OigError> {
        let old = |login: &Login| {
            let known = self.cache.last_days.get(login);
            !known.is_some_and(|entry| entry.answered && self.fresh(entry.at))
        };
        let wanted: Vec<Login> = logins.into_iter().filter(old).collect();
        for part in wanted.chunks(LOGINS_AT_ONCE) {
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            let read = match self.client.last_days(part).await {
                Err(error) if error.is_login() => return Err(error),
                read => read,
            };
            for login in part {
                let value = match &read {
                    Ok(shown) => match shown.get(login).cloned() {
                        Some(value) => Known::Yes { value, as_of: at },
                        None => Known::unknown(format!(
                            "the answer about End Dates does not show {login}"
                        )),
                    },
                    Err(error) => Known::unknown(format!(
                        "the End Date of {login} could not be read: {error}"
                    )),
                };
                let entry = Dated::of(value, at);
                self.cache.last_days.insert(login.clone(), entry);
            }
            if read.is_err() {
                // the rest would meet the same
                break;
            }
        }
        Ok(())
    }

    /// Reads people by key where the row shows no login: whose login that is, and then all who bear it, as anybody else
    /// is read. What is shown of one user would be no word about another of the same login.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn people_by_key(&mut self, keys: BTreeSet<UserKey>) -> Result<(), OigError> {
        for key in &keys {
            if self.cache.logins.contains_key(key) {
                continue;
            }
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            match self.client.user(key).await {
                Ok(Some(person)) => {
                    let login = person.login;
                    self.cache.keep(at, || Reading::Login {
                        key: key.clone(),
                        login: login.clone(),
                    });
                    self.cache.logins.insert(key.clone(), login);
                }
                Ok(None) => {}
                Err(error) if error.is_login() => return Err(error),
                Err(error) => tracing::debug!(%error, %key, "a user could not be read"),
            }
        }
        let logins: FastMap<&UserKey, Login> = keys
            .iter()
            .filter_map(|key| Some((key, self.cache.logins.get(key)?.clone())))
            .collect();
        self.people(logins.values().cloned().collect()).await?;
        for (key, login) in logins {
            let person = self.cache.person(&login);
            // he may have another login by now: asked for by his key again
            if person
                .value()
                .is_none_or(|person| person.key.as_ref() != Some(key))
            {
                self.cache.logins.remove(key);
            }
        }
        Ok(())
    }

    /// Reads the proxies of people who are away.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn proxies(&mut self, logins: BTreeSet<Login>) -> Result<(), OigError> {
        for login in logins {
            if self
                .cache
                .proxies
                .get(&login)
                .is_some_and(|entry| self.fresh(entry.at))
            {
                continue;
            }
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            let key = self
                .cache
                .person(&login)
                .value()
                .and_then(|p| p.key.clone());
            let value = match key {
                None => Known::unknown(format!("the key of {login} is not known")),
                Some(key) => match self.client.proxies(&key).await {
                    Ok(rows) => proxy_rows(&login, rows, at),
                    Err(error) if error.is_login() => return Err(error),
                    Err(error) => {
                        Known::unknown(format!("proxies of {login} could not be read: {error}"))
                    }
                },
            };
            if let Some(rows) = value.value() {
                self.cache.keep(at, || Reading::Proxies {
                    login: login.clone(),
                    rows: rows.clone(),
                });
            }
            self.cache.proxies.insert(login, Dated::of(value, at));
        }
        Ok(())
    }

    /// Looks up the keys of roles that work may be handed to.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn roles(&mut self, names: BTreeSet<String>) -> Result<(), OigError> {
        for name in names {
            if self
                .cache
                .roles
                .get(&name)
                .is_some_and(|entry| self.fresh(entry.at))
            {
                continue;
            }
            if !self.may_ask() {
                break;
            }
            let value = match self.client.role_by_name(&name).await {
                Ok(role) => {
                    let key = role.map(|role| role.key);
                    self.cache.keep(self.clock.now(), || Reading::Role {
                        name: name.clone(),
                        key: key.clone(),
                    });
                    key
                }
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, role = %name, "a role could not be read");
                    None
                }
            };
            let entry = Dated {
                value,
                at: self.clock.now(),
                answered: true,
            };
            self.cache.roles.insert(name, entry);
        }
        Ok(())
    }

    /// Reads in which roles a person is, where the server shows that.
    ///
    /// # Errors
    /// Only a stopped login; everything else is "not shown".
    pub async fn assigned(&mut self, login: &Login) -> Result<(), OigError> {
        let known = self.cache.assigned.get(login);
        if known.is_some_and(|entry| self.fresh(entry.at)) {
            return Ok(());
        }
        let key = self
            .cache
            .person(login)
            .value()
            .and_then(|of| of.key.clone());
        let Some(key) = key.filter(|_| self.may_ask()) else {
            return Ok(());
        };
        let at = self.clock.now();
        let look = self
            .client
            .look("a person's roles", &roles_path(&key))
            .await;
        let value = match look {
            Ok(look) => look.and_then(|look| roles(&look.body)),
            Err(error) if error.is_login() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, %login, "roles of a person could not be read");
                None
            }
        };
        self.cache.keep(at, || Reading::Assigned {
            login: login.clone(),
            roles: value.clone(),
        });
        let entry = Dated {
            value,
            at,
            answered: true,
        };
        self.cache.assigned.insert(login.clone(), entry);
        Ok(())
    }

    /// Reads the direct members of roles.
    ///
    /// # Errors
    /// Only a stopped login; everything else becomes an unknown fact.
    pub async fn members(&mut self, keys: BTreeSet<RoleKey>) -> Result<(), OigError> {
        for key in keys {
            if self
                .cache
                .members
                .get(&key)
                .is_some_and(|entry| entry.answered && self.fresh(entry.at))
            {
                continue;
            }
            if !self.may_ask() {
                break;
            }
            let at = self.clock.now();
            let answer = self.client.role_members(&key).await;
            let value: Known<Arc<[Login]>> = match answer {
                Ok(members) => Known::Yes {
                    value: members.into_iter().map(|member| member.login).collect(),
                    as_of: at,
                },
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    Known::unknown(format!("members of role {key} could not be read: {error}"))
                }
            };
            if let Some(logins) = value.value() {
                self.cache.keep(at, || Reading::Members {
                    key: key.clone(),
                    logins: logins.to_vec(),
                });
            }
            self.cache.members.insert(key, Dated::of(value, at));
        }
        Ok(())
    }

    /// Reads the response codes that may be set on tasks, in the order given, until `until`.
    ///
    /// # Errors
    /// Only a stopped login; everything else becomes an unknown fact.
    pub async fn responses(
        &mut self,
        ids: impl IntoIterator<Item = TaskId>,
        until: Timestamp,
    ) -> Result<(), OigError> {
        for id in ids {
            if self.clock.now() > until {
                break;
            }
            if self
                .cache
                .responses
                .get(&id)
                .is_some_and(|entry| entry.answered && self.fresh(entry.at))
            {
                continue;
            }
            let at = self.clock.now();
            let further = self.cache.readers.tasks.get(&id).cloned();
            let answer = further
                .as_ref()
                .unwrap_or(&self.client)
                .responses(&id)
                .await;
            let value = match answer {
                Ok(codes) => Known::Yes {
                    value: Arc::from(codes),
                    as_of: at,
                },
                Err(error) if error.is_login() && further.is_none() => return Err(error),
                Err(error) => {
                    Known::unknown(format!("responses of task {id} could not be read: {error}"))
                }
            };
            self.cache.responses.insert(id, Dated::of(value, at));
        }
        Ok(())
    }
}

/// Proxies as the absence room knows them. One that may hold now and shows no login may be the
/// stand-in, so without him the list is not known.
fn proxy_rows(of: &Login, rows: Vec<Proxy>, now: Timestamp) -> Known<Vec<ProxyRow>> {
    let mut known = Vec::with_capacity(rows.len());
    for proxy in rows {
        let not_started = proxy
            .state
            .is_some_and(|state| state.replace([' ', '-'], "_") == "NOT_STARTED");
        let nameless = proxy.login.is_none();
        let row = ProxyRow {
            login: proxy.login.unwrap_or_else(|| Login::new("?")),
            key: proxy.key,
            from: proxy.from,
            until: proxy.until,
            not_started,
        };
        match (nameless, row.not_current(now)) {
            (false, _) => known.push(row),
            (true, Some(_)) => {}
            (true, None) => {
                return Known::unknown(format!("a proxy of {of} is shown without a login"));
            }
        }
    }
    Known::Yes {
        value: known,
        as_of: now,
    }
}

#[cfg(test)]
mod tests;
