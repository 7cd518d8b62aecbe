//! What was read of people, accounts, proxies and roles; it reads nothing itself, and what was not had stays unknown.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

use super::collect::Readers;
use super::definitions::Definitions;
use super::watch::{Reading, Watch};
use crate::absence::ProxyRow;
use crate::model::facts::{Known, Person};
use crate::model::standing::{LastDay, Standing};
use crate::model::{Login, ProcessKey, RoleKey, Task, TaskId, UserKey};
use crate::oig::People;

/// What was read of people, accounts, proxies and roles, each with the time at which its question began; bounded by what is open.
#[derive(Debug, Default)]
pub struct Cache {
    pub(super) people: HashMap<Login, Dated<Known<Person>>>,
    pub(super) logins: HashMap<UserKey, Login>,
    pub(super) processes: HashMap<ProcessKey, ProcessEntry>,
    /// An account was read in this run that showed a finished task: the server does not hide them.
    pub finished_shown: bool,
    /// Since when finished tasks are surely still shown, by the accounts that are kept.
    pub finished_from: Option<Timestamp>,
    /// Which definitions are automated, where tasks do not show it.
    pub(super) definitions: Definitions,
    /// The earliest that was by which refusals were asked about again.
    looked_back: Option<Timestamp>,
    pub(super) standings: HashMap<Login, Dated<Known<Arc<Standing>>>>,
    pub(super) proxies: HashMap<Login, Dated<Known<Vec<ProxyRow>>>>,
    pub(super) roles: HashMap<String, Dated<Option<RoleKey>>>,
    pub(super) members: HashMap<RoleKey, Dated<Known<Arc<[Login]>>>>,
    pub(super) responses: HashMap<TaskId, Dated<Known<Arc<[String]>>>>,
    pub(super) last_days: HashMap<Login, Dated<Known<LastDay>>>,
    pub(super) ends: HashMap<Login, Dated<Option<Timestamp>>>,
    pub(super) assigned: HashMap<Login, Dated<Option<Vec<String>>>>,
    /// Who reads what the main login does not see.
    pub(super) readers: Readers,
    /// Who looks on: keeps readings for a later run, bounds them, shows how far it is.
    pub(super) watch: Option<Watch>,
}

#[derive(Debug)]
pub(super) struct Dated<T> {
    pub value: T,
    pub at: Timestamp,
    /// The server has answered; an unknown that rests on a failed request is asked for again.
    pub answered: bool,
}

impl<T> Dated<Known<T>> {
    pub fn of(value: Known<T>, at: Timestamp) -> Self {
        let answered = value.value().is_some();
        Self {
            value,
            at,
            answered,
        }
    }
}

#[derive(Debug)]
pub(super) struct ProcessEntry {
    pub tasks: Known<Arc<Vec<Task>>>,
    pub at: Timestamp,
    pub fingerprint: u64,
}

/// What nobody has read. The text is one for all.
fn not_read<T>() -> Known<T> {
    static WHY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("not asked for yet"));
    Known::No {
        why: Arc::clone(&WHY),
    }
}

impl Cache {
    /// From now on readings are kept, bounded and counted by this.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// What looks on, to be told something.
    pub fn watched_mut(&mut self) -> Option<&mut Watch> {
        self.watch.as_mut()
    }

    /// Nobody looks on any more.
    pub fn unwatch(&mut self) -> Option<Watch> {
        self.watch.take()
    }

    /// Everybody of whom a reading was tried.
    pub fn logins(&self) -> impl Iterator<Item = &Login> {
        self.people.keys()
    }

    /// What looks on.
    pub fn watched(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    pub(super) fn keep(&mut self, at: Timestamp, reading: impl FnOnce() -> Reading) {
        if let Some(watch) = self.watch.as_mut().filter(|watch| watch.keeps()) {
            watch.keep(at, reading());
        }
    }

    /// Counts the pages of lists, for whoever looks on.
    pub fn pages(&self) -> Arc<AtomicU32> {
        let watch = self.watch.as_ref();
        watch.map_or_else(Arc::default, |watch| Arc::clone(watch.progress.pages()))
    }

    pub(super) fn begin(&self, what: &'static str, many: usize) {
        if let Some(watch) = &self.watch {
            watch.begin(what, many);
        }
    }

    pub(super) fn went_on(&self, by: usize) {
        if let Some(watch) = &self.watch {
            watch.progress.went_on(by);
        }
    }

    /// Takes over a reading of an earlier run, as of then.
    pub fn take_over(&mut self, at: Timestamp, reading: Reading) {
        match reading {
            Reading::Person { login, value } => self.store_person(&login, value, at, true),
            Reading::Login { key, login } => {
                self.logins.insert(key, login);
            }
            Reading::Account {
                key,
                fingerprint,
                tasks,
            } => {
                let tasks = match tasks {
                    Some(tasks) => Known::Yes {
                        value: Arc::new(tasks.into_iter().map(Task::from).collect()),
                        as_of: at,
                    },
                    None => Known::unknown(format!("account {key} was not found")),
                };
                let entry = ProcessEntry {
                    tasks,
                    at,
                    fingerprint,
                };
                self.store_process(key, entry);
            }
            Reading::Standing { login, value } => {
                let value = Known::Yes {
                    value: Arc::new(value),
                    as_of: at,
                };
                self.standings.insert(login, Dated::of(value, at));
            }
            Reading::Proxies { login, rows } => {
                let value = Known::Yes {
                    value: rows,
                    as_of: at,
                };
                self.proxies.insert(login, Dated::of(value, at));
            }
            Reading::Role { name, key } => {
                let entry = Dated {
                    value: key,
                    at,
                    answered: true,
                };
                self.roles.insert(name, entry);
            }
            Reading::Members { key, logins } => {
                let value = Known::Yes {
                    value: Arc::from(logins),
                    as_of: at,
                };
                self.members.insert(key, Dated::of(value, at));
            }
            Reading::Assigned { login, roles } => {
                let entry = Dated {
                    value: roles,
                    at,
                    answered: true,
                };
                self.assigned.insert(login, entry);
            }
            Reading::End { login, end } => {
                let entry = Dated {
                    value: end,
                    at,
                    answered: true,
                };
                self.ends.insert(login, entry);
            }
        }
    }

    /// Takes over what was read of an account.
    pub(super) fn store_process(&mut self, key: ProcessKey, entry: ProcessEntry) {
        let mut tasks = entry.tasks.value().into_iter().flat_map(|all| all.iter());
        self.finished_shown |= tasks.any(|task| task.status.is_finished());
        self.processes.insert(key, entry);
    }

    /// True where finished tasks are shown from a day or more before all that was known in this run: what was refused
    /// may not be so any more. What grows old and is read again is no news.
    pub(super) fn looks_further(&mut self) -> bool {
        let Some(from) = self.finished_from else {
            return false;
        };
        let day = SignedDuration::from_hours(24);
        let known = self.looked_back;
        let further = known.is_none_or(|known| known.duration_since(from) >= day);
        if further {
            self.looked_back = Some(from);
        }
        further
    }

    /// True where the server has answered about the person.
    pub fn has_answer(&self, login: &Login) -> bool {
        self.people.get(login).is_some_and(|entry| entry.answered)
    }

    /// A person's last day as last read.
    pub fn end_of(&self, login: &Login) -> Option<Timestamp> {
        self.ends.get(login).and_then(|entry| entry.value)
    }

    /// True where the server has told a person's last day, or that he has none.
    pub fn end_is_told(&self, login: &Login) -> bool {
        self.ends.get(login).is_some_and(|entry| entry.answered)
    }

    /// The tasks of every account that was read.
    pub fn accounts(&self) -> impl Iterator<Item = (&ProcessKey, &Arc<Vec<Task>>)> {
        self.processes
            .iter()
            .filter_map(|(key, entry)| Some((key, entry.tasks.value()?)))
    }

    /// True where the tasks of an account were read.
    pub fn has_account(&self, key: &ProcessKey) -> bool {
        let entry = self.processes.get(key);
        entry.is_some_and(|entry| entry.tasks.value().is_some())
    }

    /// Forgets readings older than `keep` and those of accounts and people no longer open.
    pub fn trim(&mut self, now: Timestamp, keep: SignedDuration) {
        let fresh = |at: Timestamp| now.duration_since(at) <= keep;
        self.people.retain(|_, entry| fresh(entry.at));
        self.processes.retain(|_, entry| fresh(entry.at));
        self.standings.retain(|_, entry| fresh(entry.at));
        self.last_days.retain(|_, entry| fresh(entry.at));
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

    /// A person's key as last read.
    pub fn key_of(&self, login: &Login) -> Option<&UserKey> {
        self.people.get(login)?.value.value()?.key.as_ref()
    }

    /// True where a reading of the person was tried.
    pub fn has_person(&self, login: &Login) -> bool {
        self.people.contains_key(login)
    }

    /// True where the server has answered that it shows no such person.
    pub fn is_not_shown(&self, login: &Login) -> bool {
        self.people
            .get(login)
            .is_some_and(|entry| entry.answered && entry.value.value().is_none())
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

    /// Why the tasks of an account could not be read when that was last tried.
    pub fn unread(&self, key: &ProcessKey) -> Option<Arc<str>> {
        match &self.processes.get(key)?.tasks {
            Known::Yes { .. } => None,
            Known::No { why } => Some(Arc::clone(why)),
        }
    }

    /// A person's accounts and last day as last read.
    pub fn standing(&self, login: &Login) -> Known<Arc<Standing>> {
        self.standings
            .get(login)
            .map_or_else(not_read, |entry| entry.value.clone())
    }

    /// True where any of these was asked for since then and could not be had.
    pub fn asked_in_vain(
        &self,
        since: Timestamp,
        person: Option<&Login>,
        process: Option<&ProcessKey>,
        responses: Option<&TaskId>,
    ) -> bool {
        let standing = person.and_then(|login| self.standings.get(login));
        let person = person.and_then(|login| self.people.get(login));
        let process = process.and_then(|key| self.processes.get(key));
        let responses = responses.and_then(|id| self.responses.get(id));
        person.is_some_and(|entry| entry.at >= since && entry.value.value().is_none())
            || standing.is_some_and(|entry| entry.at >= since && entry.value.value().is_none())
            || process.is_some_and(|entry| entry.at >= since && entry.tasks.value().is_none())
            || responses.is_some_and(|entry| entry.at >= since && entry.value.value().is_none())
    }

    /// What was shown of a person's last day when that was last read.
    pub fn last_day(&self, login: &Login) -> Known<LastDay> {
        self.last_days
            .get(login)
            .map_or_else(not_read, |entry| entry.value.clone())
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

    /// The names of the roles that a person is in; `None` where they were not shown.
    pub fn assigned(&self, login: &Login) -> Option<&[String]> {
        self.assigned.get(login)?.value.as_deref()
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

    pub(super) fn store_people(&mut self, people: People, at: Timestamp) {
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

    pub(super) fn store_person(
        &mut self,
        login: &Login,
        value: Known<Person>,
        at: Timestamp,
        answered: bool,
    ) {
        if let Some(key) = value.value().and_then(|p| p.key.clone()) {
            self.logins.insert(key, login.clone());
        }
        if answered {
            self.keep(at, || Reading::Person {
                login: login.clone(),
                value: value.clone(),
            });
        }
        let entry = Dated {
            value,
            at,
            answered,
        };
        self.people.insert(login.clone(), entry);
    }
}
