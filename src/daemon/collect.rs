//! Collects the facts that policies and guards need, inside the read budget; a fact that could not be had stays unknown.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

use super::evaluate::Bench;
use super::memory::Memory;
use crate::absence::ProxyRow;
use crate::model::facts::{Known, Person};
use crate::model::{Clock, Login, ProcessKey, RoleKey, Task, TaskId, UserKey};
use crate::oig::{Client, LOGINS_AT_ONCE, OigError, People, Proxy};

/// What was read of people, accounts, proxies and roles, each with the time at which its question began; bounded by what is open.
#[derive(Debug, Default)]
pub struct Cache {
    people: HashMap<Login, Dated<Known<Person>>>,
    logins: HashMap<UserKey, Login>,
    processes: HashMap<ProcessKey, ProcessEntry>,
    proxies: HashMap<Login, Dated<Known<Vec<ProxyRow>>>>,
    roles: HashMap<String, Dated<Option<RoleKey>>>,
    members: HashMap<RoleKey, Dated<Known<Arc<[Login]>>>>,
    responses: HashMap<TaskId, Dated<Known<Arc<[String]>>>>,
}

#[derive(Debug)]
struct Dated<T> {
    value: T,
    at: Timestamp,
    /// The server has answered; an unknown that rests on a failed request is asked for again.
    answered: bool,
}

impl<T> Dated<Known<T>> {
    fn of(value: Known<T>, at: Timestamp) -> Self {
        let answered = value.value().is_some();
        Self {
            value,
            at,
            answered,
        }
    }
}

#[derive(Debug)]
struct ProcessEntry {
    tasks: Known<Arc<Vec<Task>>>,
    at: Timestamp,
    fingerprint: u64,
}

/// Reads through the cache.
pub struct Collector<'a> {
    client: &'a Client,
    clock: &'a Clock,
    cache: &'a mut Cache,
    /// Older readings are not used for a decision to give access.
    max_age: SignedDuration,
}

/// What nobody has read. The text is one for all.
fn not_read<T>() -> Known<T> {
    static WHY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("not read"));
    Known::No {
        why: Arc::clone(&WHY),
    }
}

impl Cache {
    /// Forgets readings older than `keep` and those of accounts and people no longer open.
    pub fn trim(&mut self, now: Timestamp, keep: SignedDuration) {
        let fresh = |at: Timestamp| now.duration_since(at) <= keep;
        self.people.retain(|_, entry| fresh(entry.at));
        self.processes.retain(|_, entry| fresh(entry.at));
        self.proxies.retain(|_, entry| fresh(entry.at));
        self.roles.retain(|_, entry| fresh(entry.at));
        self.members.retain(|_, entry| fresh(entry.at));
        self.responses.retain(|_, entry| fresh(entry.at));
        let people = &self.people;
        self.logins.retain(|_, login| people.contains_key(login));
    }

    /// A person as last read, whatever its age; unknown where never read.
    pub fn person(&self, login: &Login) -> Known<Person> {
        self.people
            .get(login)
            .map_or_else(not_read, |entry| entry.value.clone())
    }

    /// True where a reading of the person was tried.
    pub fn has_person(&self, login: &Login) -> bool {
        self.people.contains_key(login)
    }

    /// True where a reading of the person's proxies was tried.
    pub fn has_proxies(&self, login: &Login) -> bool {
        self.proxies.contains_key(login)
    }

    /// The login that belongs to a key, where it was read.
    pub fn login_of(&self, key: &UserKey) -> Option<&Login> {
        self.logins.get(key)
    }

    /// The finished and open tasks of an account as last read; unknown once the list shows the
    /// account otherwise than when it was read (`fingerprint`).
    pub fn process(
        &self,
        key: &ProcessKey,
        fingerprint: impl FnOnce() -> u64,
    ) -> Known<Arc<Vec<Task>>> {
        match self.processes.get(key) {
            None => not_read(),
            Some(entry) if entry.fingerprint != fingerprint() => {
                Known::unknown(format!("account {key} has changed since it was read"))
            }
            Some(entry) => entry.tasks.clone(),
        }
    }

    /// True where any of these was asked for since then and could not be had.
    pub fn asked_in_vain(
        &self,
        since: Timestamp,
        person: Option<&Login>,
        process: Option<&ProcessKey>,
        responses: Option<&TaskId>,
    ) -> bool {
        let person = person.and_then(|login| self.people.get(login));
        let process = process.and_then(|key| self.processes.get(key));
        let responses = responses.and_then(|id| self.responses.get(id));
        person.is_some_and(|entry| entry.at >= since && entry.value.value().is_none())
            || process.is_some_and(|entry| entry.at >= since && entry.tasks.value().is_none())
            || responses.is_some_and(|entry| entry.at >= since && entry.value.value().is_none())
    }

    /// A person's proxies as last read.
    pub fn proxies(&self, login: &Login) -> Known<Vec<ProxyRow>> {
        self.proxies
            .get(login)
            .map_or_else(not_read, |entry| entry.value.clone())
    }

    /// A role's key as last read.
    pub fn role(&self, name: &str) -> Option<RoleKey> {
        self.roles.get(name).and_then(|entry| entry.value.clone())
    }

    /// A role's direct members as last read.
    pub fn members(&self, key: &RoleKey) -> Known<Arc<[Login]>> {
        self.members
            .get(key)
            .map_or_else(not_read, |entry| entry.value.clone())
    }

    /// The response codes that may be set on a task, as last read.
    pub fn responses(&self, id: &TaskId) -> Known<Arc<[String]>> {
        self.responses
            .get(id)
            .map_or_else(not_read, |entry| entry.value.clone())
    }

    fn store_people(&mut self, people: People, at: Timestamp) {
        for (login, person) in people.found {
            let known = Known::Yes {
                value: person,
                as_of: at,
            };
            self.store_person(&login, known, at, true);
        }
        for login in people.missing {
            let why = Known::unknown(format!("user {login} is not visible to this login"));
            self.store_person(&login, why, at, true);
        }
        for (login, why) in people.unknown {
            self.store_person(&login, Known::unknown(why), at, false);
        }
    }

    fn store_person(&mut self, login: &Login, value: Known<Person>, at: Timestamp, answered: bool) {
        if let Some(key) = value.value().and_then(|p| p.key.clone()) {
            self.logins.insert(key, login.clone());
        }
        let entry = Dated {
            value,
            at,
            answered,
        };
        self.people.insert(login.clone(), entry);
    }
}

/// A collector for one cycle's readings.
pub fn collector<'a>(bench: &'a Bench, memory: &'a mut Memory) -> Collector<'a> {
    Collector::new(
        &bench.client,
        &bench.clock,
        &mut memory.cache,
        // the other half is for the time in the queue: nothing is sent on facts older than the whole
        bench.settings.guard.fact_age / 2,
    )
}

impl<'a> Collector<'a> {
    /// A collector that takes readings up to `max_age` old from the cache.
    pub fn new(
        client: &'a Client,
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
        // each question has a date of its own, that of its beginning
        let mut parts = wanted.chunks(LOGINS_AT_ONCE);
        while let Some(part) = parts.next() {
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
        }
        Ok(())
    }

    /// Reads people by key where the row shows no login.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn people_by_key(&mut self, keys: BTreeSet<UserKey>) -> Result<(), OigError> {
        for key in keys {
            let known = self
                .cache
                .logins
                .get(&key)
                .and_then(|login| self.cache.people.get(login))
                .is_some_and(|entry| self.fresh(entry.at));
            if known {
                continue;
            }
            let at = self.clock.now();
            match self.client.user(&key).await {
                Ok(Some(person)) => {
                    let login = person.login.clone();
                    self.cache.logins.insert(key, login.clone());
                    self.cache.store_person(
                        &login,
                        Known::Yes {
                            value: person,
                            as_of: at,
                        },
                        at,
                        true,
                    );
                }
                Ok(None) => {}
                Err(error) if error.is_login() => return Err(error),
                Err(error) => tracing::debug!(%error, %key, "a user could not be read"),
            }
        }
        Ok(())
    }

    /// Reads whole accounts in the order given; `fingerprint` is what the snapshot shows of the
    /// account, so that a change there asks for a new reading whatever the age. Past `until` it
    /// stops: what was read first must not grow too old while the rest is read.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn processes(
        &mut self,
        wanted: impl IntoIterator<Item = (ProcessKey, u64)>,
        until: Timestamp,
    ) -> Result<(), OigError> {
        for (key, fingerprint) in wanted {
            if self.clock.now() > until {
                break;
            }
            if self.cache.processes.get(&key).is_some_and(|entry| {
                entry.tasks.value().is_some()
                    && entry.fingerprint == fingerprint
                    && self.fresh(entry.at)
            }) {
                continue;
            }
            let at = self.clock.now();
            let answer = self.client.process(&key).await;
            let tasks = match answer {
                Ok(Some(tasks)) => Known::Yes {
                    value: Arc::new(tasks),
                    as_of: at,
                },
                Ok(None) => Known::unknown(format!("account {key} was not found")),
                Err(error) if error.is_login() => return Err(error),
                Err(error) => Known::unknown(format!("account {key} could not be read: {error}")),
            };
            self.cache.processes.insert(
                key,
                ProcessEntry {
                    tasks,
                    at,
                    fingerprint,
                },
            );
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
            let value = match self.client.role_by_name(&name).await {
                Ok(role) => role.map(|role| role.key),
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
            let at = self.clock.now();
            let answer = self.client.role_members(&key).await;
            let value = match answer {
                Ok(members) => Known::Yes {
                    value: members.into_iter().map(|member| member.login).collect(),
                    as_of: at,
                },
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    Known::unknown(format!("members of role {key} could not be read: {error}"))
                }
            };
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
            let answer = self.client.responses(&id).await;
            let value = match answer {
                Ok(codes) => Known::Yes {
                    value: Arc::from(codes),
                    as_of: at,
                },
                Err(error) if error.is_login() => return Err(error),
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
