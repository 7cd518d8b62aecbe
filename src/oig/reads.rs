//! Every read but the list: one task, its history, responses and process, users, proxies, roles; what could not be had is an error, never an empty answer.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::client::{Client, Inner, Reading};
use super::error::OigError;
use super::filter::{encode, equals};
use super::map;
use super::more::{More, Said};
use super::people::{self, HistoryRow, Member, Proxy, Role};
use super::wire::{Page, Row};
use crate::model::facts::Person;
use crate::model::{DefKey, Login, ProcessKey, RoleKey, Task, TaskId, UserKey};

/// Rows per page of short lists.
const SHORT_PAGE: u64 = 200;
/// Pages of a short list; more is an error, so that nothing is concluded from a part.
const SHORT_PAGES: u64 = 50;
/// Logins per question with `or`; keeps the URL below 2 kB for usual logins.
pub const LOGINS_AT_ONCE: usize = 20;
/// What is asked of a user.
const USER_FIELDS: &str = "usr_key,User Login,Status,Manager Login";
/// What is asked of a user who is gone, by the survey alone.
const END_FIELDS: &str = "usr_key,User Login,End Date";

/// The answer to a question about several logins.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Those the server shows.
    pub found: BTreeMap<Login, Person>,
    /// Those it does not show to this login; they need not be deleted.
    pub missing: BTreeSet<Login>,
    /// Those that could not be asked about, with why.
    pub unknown: BTreeMap<Login, String>,
    /// Questions that it took: who is not shown is asked for singly where the server may not know `or`.
    pub requests: u32,
}

impl Client {
    /// One task with its form fields; `None`: the server says it isn't there (404), which may also mean not visible.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn task(&self, id: &TaskId) -> Result<Option<Task>, OigError> {
        let inner = &self.0;
        let what = format!("task {id}");
        let path = inner.api(&format!("/provtasks/{}", encode(id.as_str())));
        let Some(body) = inner.get(&what, &path, Reading::Optional).await? else {
            return Ok(None);
        };
        let text = inner.text(&body, &what)?;
        let page = inner.page(&text, &[], &body, &what)?;
        let malformed = |why: String| OigError::Malformed {
            what: what.clone(),
            why,
            excerpt: inner.excerpt(&body.bytes),
        };
        if page.own.fields.is_empty() {
            return Err(malformed("the answer shows no fields".to_owned()));
        }
        let task = map::single(&page.own, &inner.settings.server_zone).map_err(malformed)?;
        if task.id != *id {
            return Err(malformed(format!("the answer is about task {}", task.id)));
        }
        Ok(Some(task))
    }

    /// The task's history, in the server's order.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn history(&self, id: &TaskId) -> Result<Vec<HistoryRow>, OigError> {
        let path = format!("/provtasks/{}/history", encode(id.as_str()));
        let zone = &self.0.settings.server_zone;
        self.rows(
            &format!("the history of task {id}"),
            &path,
            "",
            "provTaskHistoryList",
            |row| Some(people::history(row, zone)),
        )
        .await
    }

    /// The response codes that may be set on the task.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn responses(&self, id: &TaskId) -> Result<Vec<String>, OigError> {
        let path = format!("/provtasks/{}/responses", encode(id.as_str()));
        self.rows(
            &format!("the responses of task {id}"),
            &path,
            "",
            "provTaskResponseList",
            |row| {
                row.text(&["Process Definition.Tasks.Responses.Response"])
                    .map(|t| t.into_owned())
            },
        )
        .await
    }

    /// The definitions of an account's process that a person may insert, and whether each is automated; what does not
    /// show both is left out.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn available_tasks(&self, key: &ProcessKey) -> Result<Vec<(DefKey, bool)>, OigError> {
        let path = format!("/provprocesses/{}/availabletasks", encode(key.as_str()));
        self.rows(
            &format!("the available tasks of process {key}"),
            &path,
            "",
            "provisionProcessAvailableTaskTO",
            |row| {
                let definition = row.text(&["Process Definition.Tasks.Key"])?;
                let adapter = row.text(&["Event Handler Manager.Key"])?;
                let adapter = adapter.trim().parse::<u64>().ok()?;
                Some((DefKey::new(definition.trim()), adapter != 0))
            },
        )
        .await
    }

    /// All tasks of an account, open and finished; `None`: no such process, or not visible.
    ///
    /// # Errors
    /// Any [`OigError`]; a row that is no task among them.
    pub async fn process(&self, key: &ProcessKey) -> Result<Option<Vec<Task>>, OigError> {
        let inner = &self.0;
        let what = format!("process {key}");
        let path = inner.api(&format!("/provprocesses/{}", encode(key.as_str())));
        let Some(body) = inner.get(&what, &path, Reading::Optional).await? else {
            return Ok(None);
        };
        let text = inner.text(&body, &what)?;
        let page = inner.page(&text, &["provisionProcessTaskTOList"], &body, &what)?;
        let malformed = |why: String| OigError::Malformed {
            what: what.clone(),
            why,
            excerpt: inner.excerpt(&body.bytes),
        };
        // what is not shown here is taken as not there: a part, or another account's, is no answer
        if !page.has_list {
            let why = match page.own.id() {
                None => "the answer is no process",
                Some(_) => "the answer shows no list of its tasks",
            };
            return Err(malformed(why.to_owned()));
        }
        match Said::of(&page).more(0, u64::MAX) {
            More::No => {}
            More::Promised | More::Look(None) => {
                let why = "the answer says that there are more tasks than it shows";
                return Err(malformed(why.to_owned()));
            }
            More::Look(Some(why)) => return Err(malformed(why)),
        }
        let told = page.own.flat_value("id").and_then(super::wire::Value::text);
        if let Some(id) = told.filter(|id| ProcessKey::new(id) != *key) {
            return Err(malformed(format!("the answer is of process {id}")));
        }
        let mut tasks = Vec::with_capacity(page.items.len());
        for row in &page.items {
            let mut task = map::single(row, &inner.settings.server_zone).map_err(malformed)?;
            task.process.get_or_insert_with(|| key.clone());
            tasks.push(task);
        }
        Ok(Some(tasks))
    }

    /// A person by key; `None`: no such user, or not visible.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn user(&self, key: &UserKey) -> Result<Option<Person>, OigError> {
        let inner = &self.0;
        let what = format!("user {key}");
        let path = inner.api(&format!(
            "/users/{}?fields={}",
            encode(key.as_str()),
            encode(USER_FIELDS)
        ));
        let Some(body) = inner.get(&what, &path, Reading::Optional).await? else {
            return Ok(None);
        };
        let text = inner.text(&body, &what)?;
        let page = inner.page(&text, &[], &body, &what)?;
        let mut person = people::person(&page.own).ok_or_else(|| OigError::Malformed {
            what: what.clone(),
            why: "the answer shows no User Login".to_owned(),
            excerpt: inner.excerpt(&body.bytes),
        })?;
        person.key.get_or_insert_with(|| key.clone());
        Ok(Some(person))
    }

    /// A person by login: exactly one match, or `None` where the server shows nobody.
    ///
    /// # Errors
    /// [`OigError::Filter`] for a login that can't be asked about, [`OigError::Ambiguous`] for several or other users.
    pub async fn user_by_login(&self, login: &Login) -> Result<Option<Person>, OigError> {
        let found = self
            .users_where(&equals("User Login", login.as_str())?)
            .await?;
        let shown = found.len();
        let mut own: Vec<Person> = found.into_iter().filter(|p| p.login == *login).collect();
        match (own.pop(), own.len(), shown) {
            (Some(person), 0, _) => Ok(Some(person)),
            (None, _, 0) => Ok(None),
            // Several, or only others than asked for: the filter did not do what it says.
            (_, _, count) => Err(OigError::Ambiguous {
                what: format!("user {login}"),
                count,
            }),
        }
    }

    /// Several people by login, asked in chunks joined by `or` (documented for users, contract section 1.4).
    ///
    /// # Errors
    /// Any [`OigError`] that concerns the server or the login; what concerns one login only is in the answer.
    pub async fn users_by_login(&self, logins: &[Login]) -> Result<People, OigError> {
        let mut answer = People::default();
        let mut ask: Vec<(&Login, String)> = Vec::new();
        // a login that was given out again: a task does not say which of the two it means
        let mut borne_twice: BTreeSet<Login> = BTreeSet::new();
        let distinct: BTreeSet<&Login> = logins.iter().collect();
        for login in distinct {
            match equals("User Login", login.as_str()) {
                Ok(condition) => ask.push((login, condition)),
                // the text may be no login: it is not repeated
                Err(OigError::Filter { why, .. }) => {
                    let why = format!("it can't be asked for: {why}");
                    answer.unknown.insert(login.clone(), why);
                }
                Err(e) => {
                    answer.unknown.insert(login.clone(), e.to_string());
                }
            }
        }
        for chunk in ask.chunks(LOGINS_AT_ONCE) {
            let conditions: Vec<&str> = chunk.iter().map(|(_, c)| c.as_str()).collect();
            answer.requests += 1;
            let found = match self.users_where(&conditions.join(" or ")).await {
                Ok(found) => found,
                // A server that doesn't take the joined question is asked one by one.
                Err(OigError::Status { status: 400, .. }) if chunk.len() > 1 => Vec::new(),
                Err(e) => return Err(e),
            };
            for person in found {
                if chunk.iter().any(|(login, _)| **login == person.login) {
                    let login = person.login.clone();
                    let other = |before: &Person| {
                        (&before.key, &before.status) != (&person.key, &person.status)
                    };
                    if answer.found.get(&login).is_some_and(other) {
                        borne_twice.insert(login);
                        continue;
                    }
                    answer.found.insert(login, person);
                }
            }
            let missing: Vec<&Login> = chunk
                .iter()
                .map(|(login, _)| *login)
                .filter(|login| !answer.found.contains_key(*login))
                .collect();
            if chunk.len() - missing.len() > 1 {
                self.0.or_works.store(true, Ordering::Relaxed);
            }
            let trusted = chunk.len() == 1 || self.0.or_works.load(Ordering::Relaxed);
            for login in missing {
                // A joined answer is believed about who is missing once `or` has been seen to work.
                let single = if trusted {
                    Ok(None)
                } else {
                    answer.requests += 1;
                    self.user_by_login(login).await
                };
                match single {
                    Ok(Some(person)) => {
                        answer.found.insert(login.clone(), person);
                    }
                    Ok(None) => {
                        answer.missing.insert(login.clone());
                    }
                    Err(e @ OigError::Ambiguous { .. }) => {
                        answer.unknown.insert(login.clone(), e.to_string());
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        for login in borne_twice {
            answer.found.remove(&login);
            let why = OigError::Ambiguous {
                what: format!("user {login}"),
                count: 2,
            };
            answer.unknown.insert(login, why.to_string());
        }
        Ok(answer)
    }

    async fn users_where(&self, condition: &str) -> Result<Vec<Person>, OigError> {
        let query = format!("&q={}&fields={}", encode(condition), encode(USER_FIELDS));
        self.rows("users", "/users", &query, "users", people::person)
            .await
    }

    /// The last days of people, where the server shows an `End Date` (its name is inferred, contract section 7); none
    /// where it shows something that is no date, or two of them for one login.
    ///
    /// # Errors
    /// Any [`OigError`]; 400 where it does not know the field.
    pub async fn end_dates(
        &self,
        logins: &[Login],
    ) -> Result<BTreeMap<Login, Option<Timestamp>>, OigError> {
        let zone = &self.0.settings.server_zone;
        let mut dates: BTreeMap<Login, Option<Timestamp>> = BTreeMap::new();
        for chunk in logins.chunks(LOGINS_AT_ONCE) {
            // whom a filter can't name has no date
            let asked: Vec<String> = chunk
                .iter()
                .filter_map(|login| equals("User Login", login.as_str()).ok())
                .collect();
            if asked.is_empty() {
                continue;
            }
            let query = format!(
                "&q={}&fields={}",
                encode(&asked.join(" or ")),
                encode(END_FIELDS)
            );
            let found = self
                .rows("users", "/users", &query, "users", |row| {
                    people::end_date(row, zone)
                })
                .await?;
            for (login, end) in found.into_iter().filter(|(login, _)| chunk.contains(login)) {
                match dates.entry(login) {
                    Entry::Vacant(place) => {
                        place.insert(end);
                    }
                    Entry::Occupied(mut place) if *place.get() != end => {
                        place.insert(None);
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        Ok(dates)
    }

    /// A person's present and coming proxies; the dates say which hold now.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn proxies(&self, key: &UserKey) -> Result<Vec<Proxy>, OigError> {
        let path = format!("/users/{}/proxies", encode(key.as_str()));
        let zone = &self.0.settings.server_zone;
        self.rows(
            &format!("the proxies of user {key}"),
            &path,
            "&proxyType=current",
            "user",
            |row| people::proxy(row, zone),
        )
        .await
    }

    /// A role by its exact name; `None` where the server shows none of that name.
    ///
    /// # Errors
    /// [`OigError::Filter`], [`OigError::Ambiguous`], or any other [`OigError`].
    pub async fn role_by_name(&self, name: &str) -> Result<Option<Role>, OigError> {
        let query = format!("&q={}", encode(&equals("Role Name", name)?));
        let found = self
            .rows("roles", "/roles", &query, "roles", people::role)
            .await?;
        let shown = found.len();
        let mut own: Vec<Role> = found
            .into_iter()
            .filter(|r| r.name.eq_ignore_ascii_case(name.trim()))
            .collect();
        match (own.pop(), own.len(), shown) {
            (Some(role), 0, _) => Ok(Some(role)),
            (None, _, 0) => Ok(None),
            (_, _, count) => Err(OigError::Ambiguous {
                what: format!("role {name:?}"),
                count,
            }),
        }
    }

    /// The direct members of a role.
    ///
    /// # Errors
    /// Any [`OigError`].
    pub async fn role_members(&self, key: &RoleKey) -> Result<Vec<Member>, OigError> {
        let path = format!("/roles/{}/members", encode(key.as_str()));
        let query = "&membershipType=DIRECT";
        self.rows(
            &format!("the members of role {key}"),
            &path,
            query,
            "users",
            people::member,
        )
        .await
    }

    /// Reads all pages of a short list; rows for which `each` gives nothing are left out.
    pub(super) async fn rows<T>(
        &self,
        what: &str,
        path: &str,
        query: &str,
        list: &str,
        each: impl Fn(&Row<'_>) -> Option<T>,
    ) -> Result<Vec<T>, OigError> {
        let inner = &self.0;
        let path = inner.api(path);
        let mut all = Vec::new();
        let mut before = 0;
        let mut ends = None;
        // why it is not whole: the first contradiction, and the most rows that the pages say there are
        let (mut contradiction, mut least) = (None, 0);
        for _ in 0..SHORT_PAGES {
            let offset = before + 1;
            let url = format!("{path}?offset={offset}&limit={SHORT_PAGE}{query}");
            let page = inner.short_page(what, &url, list, &each).await?;
            let more = page.said.more(before, SHORT_PAGE);
            if let Some((claimed, _)) = page.said.lacking(before) {
                least = least.max(claimed);
            }
            let fresh = page.said.rows > 0 && page.ends != ends;
            if fresh {
                before += page.said.rows;
                all.extend(page.items);
                ends = page.ends;
            }
            if let More::Look(Some(why)) = &more {
                contradiction.get_or_insert_with(|| why.clone());
            }
            let empty = page.said.rows == 0;
            let at_its_end = more == More::No || empty && more != More::Promised;
            if at_its_end && (fresh || empty) && least <= before {
                return Ok(all);
            }
            if at_its_end || !fresh {
                break;
            }
        }
        Err(OigError::Malformed {
            what: what.to_owned(),
            why: contradiction.unwrap_or_else(|| "the pages don't end".to_owned()),
            excerpt: format!("{} rows read", all.len()),
        })
    }
}

/// One page of a short list.
struct ShortPage<T> {
    items: Vec<T>,
    /// First and last row, by their ids and all that is told of them.
    ends: Option<(String, String)>,
    said: Said,
}

impl Inner {
    async fn short_page<T>(
        &self,
        what: &str,
        url: &str,
        list: &str,
        each: &impl Fn(&Row<'_>) -> Option<T>,
    ) -> Result<ShortPage<T>, OigError> {
        let body = self.get_needed(what, url).await?;
        let text = self.text(&body, what)?;
        let page: Page<'_> = self.page(&text, &[list], &body, what)?;
        if !page.has_list && page.has_more.is_none() && page.own.flat_value("count").is_none() {
            return Err(OigError::Malformed {
                what: what.to_owned(),
                why: format!("the answer is no list: it holds no {list}"),
                excerpt: self.excerpt(&body.bytes),
            });
        }
        // a page that comes again is told by its ends: a server that ignores the offset would never end
        let ends = page.items.first().zip(page.items.last());
        let ends = ends.map(|(first, last)| (format!("{first:?}"), format!("{last:?}")));
        Ok(ShortPage {
            items: page.items.iter().filter_map(each).collect(),
            ends,
            said: Said::of(&page),
        })
    }
}
