//! Reads whole accounts, and of whom access would be given whether his accounts are on; what can't be read is said once for each cause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{Collector, Known};
use crate::daemon::cache::{Dated, ProcessEntry};
use crate::daemon::watch::Reading;
use crate::model::facts::UserStatus;
use crate::model::standing::{AccountState, AccountStatus, Standing};
use crate::model::{Login, ProcessKey};
use crate::oig::OigError;

/// Causes that were said, and when: whoever asks `explain` has a cache of his own, and says none of them again.
static TOLD: Mutex<BTreeMap<String, Timestamp>> = Mutex::new(BTreeMap::new());

/// True where the log has not named this cause for a day; it counts as named from now on. What was shown of the
/// answer, and how long it was, make no other cause.
fn is_news(cause: &str, now: Timestamp) -> bool {
    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    let cause = cause.split(['{', '<']).next().unwrap_or(cause);
    let bytes = |word: &&str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_digit());
    let words = cause.split_whitespace().filter(|word| !bytes(word));
    let cause = &*words.collect::<Vec<_>>().join(" ");
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|_, at| now.duration_since(*at) < A_DAY);
    if told.contains_key(cause) {
        return false;
    }
    told.insert(cause.to_owned(), now);
    true
}

/// An account that is to be read.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub key: ProcessKey,
    /// What the snapshot shows of it, so that a change there asks for a new reading whatever the age.
    pub fingerprint: u64,
    /// Whose it is, where access would be given: then his accounts' status is read too.
    pub gives_to: Option<Login>,
    /// Access would be taken: that waits for no reading that brings nothing.
    pub takes: bool,
}

impl Collector<'_> {
    /// Reads accounts in the order given. Past `until` it stops: what was read first must not grow too old while
    /// the rest is read.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn processes(
        &mut self,
        wanted: Vec<Wanted>,
        until: Timestamp,
    ) -> Result<(), OigError> {
        if let Some(watch) = self.cache.watched_mut() {
            watch.wants(wanted.iter().map(|one| one.key.clone()));
        }
        self.cache.begin("accounts", wanted.len());
        let began = self.clock.now();
        let mut wanted = wanted.into_iter();
        while let Some(one) = wanted.next() {
            if self.clock.now() > until {
                self.no_time(std::iter::once(one).chain(wanted));
                break;
            }
            self.cache.went_on(1);
            if !self.holds(&one) {
                if !self.may_ask() {
                    break;
                }
                self.process(&one).await?;
            }
            if let Some(login) = &one.gives_to
                && self.lacks_standing(login, &one.key, began)
            {
                if !self.may_ask() {
                    break;
                }
                self.standing(login).await?;
            }
        }
        Ok(())
    }

    /// Some accounts of each of these people that are on, as the server shows them; whose can't be read has none.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn accounts_of(
        &mut self,
        people: &BTreeSet<Login>,
    ) -> Result<Vec<ProcessKey>, OigError> {
        const OF_EACH: usize = 2;
        let mut out = Vec::new();
        for login in people {
            let known = self.cache.standings.get(login);
            if !known.is_some_and(|entry| self.fresh(entry.at)) {
                if !self.may_ask() {
                    break;
                }
                self.standing(login).await?;
            }
            let standing = self.cache.standing(login);
            let accounts = standing.value().and_then(|of| of.accounts.as_ref());
            let all = accounts.into_iter().flatten();
            let on = all.filter(|(_, status)| {
                let state = status.as_ref().map(AccountStatus::state);
                state.is_none_or(|state| state == AccountState::On)
            });
            out.extend(on.take(OF_EACH).map(|(key, _)| key.clone()));
        }
        Ok(out)
    }

    /// Takes access in spite of a server that is too slow to be asked.
    fn no_time(&mut self, left: impl Iterator<Item = Wanted>) {
        let at = self.clock.now();
        for one in left.filter(|one| one.takes) {
            if !self.holds(&one) {
                let entry = ProcessEntry {
                    tasks: Known::unknown(format!("no time was left to read account {}", one.key)),
                    at,
                    fingerprint: one.fingerprint,
                };
                self.cache.store_process(one.key, entry);
            }
        }
    }

    /// Asks about the processes of some accounts which of their definitions are automated.
    ///
    /// # Errors
    /// Only a stopped login.
    pub async fn definitions(&mut self, accounts: Vec<ProcessKey>) -> Result<(), OigError> {
        for key in accounts {
            if !self.may_ask() {
                break;
            }
            let further = self.cache.readers.accounts.get(&key).cloned();
            let client = further.as_ref().unwrap_or(&self.client);
            let answer = match client.available_tasks(&key).await {
                Err(error) if error.is_login() && further.is_none() => return Err(error),
                answer => answer,
            };
            let now = self.clock.now();
            let entry = self.cache.processes.get(&key);
            if let Some(tasks) = entry.and_then(|entry| entry.tasks.value()) {
                self.cache.definitions.take_in(tasks, answer, now);
            }
        }
        Ok(())
    }

    fn holds(&self, one: &Wanted) -> bool {
        self.cache.processes.get(&one.key).is_some_and(|entry| {
            entry.tasks.value().is_some()
                && entry.fingerprint == one.fingerprint
                && self.fresh(entry.at)
        })
    }

    async fn process(&mut self, one: &Wanted) -> Result<(), OigError> {
        let (key, fingerprint) = (&one.key, one.fingerprint);
        let at = self.clock.now();
        let further = self.cache.readers.accounts.get(key).cloned();
        let answer = further.as_ref().unwrap_or(&self.client).process(key).await;
        let tasks = match answer {
            Ok(Some(tasks)) => Known::Yes {
                value: Arc::new(tasks),
                as_of: at,
            },
            Ok(None) => self.in_vain(key, format!("account {key} was not found (404)")),
            // the stop of a further login is no other's
            Err(error) if error.is_login() && further.is_none() => return Err(error),
            Err(error) => self.in_vain(key, format!("account {key} could not be read: {error}")),
        };
        if let Some(tasks) = tasks.value() {
            self.cache.keep(at, || Reading::Account {
                key: key.clone(),
                fingerprint,
                tasks: Some(tasks.iter().map(Into::into).collect()),
            });
        }
        let entry = ProcessEntry {
            tasks,
            at,
            fingerprint,
        };
        self.cache.store_process(key.clone(), entry);
        Ok(())
    }

    /// An unknown fact whose cause is logged, once for all accounts that meet it.
    fn in_vain<T>(&self, which: impl std::fmt::Display, why: String) -> Known<T> {
        let cause = why.replace(&which.to_string(), "-");
        if is_news(&cause, self.clock.now()) {
            tracing::warn!(
                %why,
                "an account could not be read: what would give access to it waits (account_unknown); others with the same cause are not named here"
            );
        }
        Known::unknown(why)
    }

    /// True where whether the account is on has to be asked for: of an active person, where the account's tasks
    /// were read, and once for all of his accounts. That one is not on is asked again when it has moved since.
    fn lacks_standing(&self, login: &Login, key: &ProcessKey, began: Timestamp) -> bool {
        let active = self
            .cache
            .people
            .get(login)
            .and_then(|entry| entry.value.value())
            .is_some_and(|person| person.status == UserStatus::Active);
        let Some(process) = self.cache.processes.get(key).filter(|_| active) else {
            return false;
        };
        if process.tasks.value().is_none() {
            return false;
        }
        match self.cache.standings.get(login) {
            None => true,
            Some(entry) => match entry.value.value() {
                None => entry.at < began,
                Some(standing) => {
                    let moved = entry.at < process.at && !standing.of(key).is_good();
                    moved || !self.fresh(entry.at)
                }
            },
        }
    }

    async fn standing(&mut self, login: &Login) -> Result<(), OigError> {
        let at = self.clock.now();
        let person = self.cache.person(login);
        let value = match person.value().and_then(|person| person.key.clone()) {
            None => Known::unknown(format!("the server does not show the key of user {login}")),
            Some(key) => match self.client.standing(&key).await {
                Ok(value) => Known::Yes {
                    value: Arc::new(value),
                    as_of: at,
                },
                Err(error) if error.is_login() => return Err(error),
                Err(error) => {
                    let why = format!("{error} (user {login})");
                    let which = format!("user {key}");
                    let cause = why.replace(&which, "-").replace(login.as_str(), "-");
                    // no log names a person; `explain` does
                    if is_news(&cause, at) {
                        tracing::warn!(
                            why = %error,
                            "whether accounts are on could not be read: what would give access to them waits (account_unknown); others with the same cause are not named here"
                        );
                    }
                    Known::unknown(format!(
                        "whether the account is on could not be read: {why}"
                    ))
                }
            },
        };
        if let Some(value) = value.value() {
            self.cache.keep(at, || Reading::Standing {
                login: login.clone(),
                value: Standing::clone(value),
            });
        }
        self.cache
            .standings
            .insert(login.clone(), Dated::of(value, at));
        Ok(())
    }
}
