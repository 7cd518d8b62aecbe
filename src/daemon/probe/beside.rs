//! Learns what there is beside the list: people, single tasks, accounts, tokens, and whose tasks the list shows; it asks for few of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Answer, Prober, must_stop};
use crate::daemon::DaemonError;
use crate::model::facts::UserStatus;
use crate::model::hash::FastSet;
use crate::model::settings::AuthKind;
use crate::model::{Login, Owner, ProcessKey, TargetName, Task, TaskId, TaskStatus, UserKey};
use crate::oig::filter::{encode, equals};
use crate::oig::{Look, TokenService};
use crate::traits::{adapter_word, is_finished_row, rows_of};

/// People who are asked for at once.
const PEOPLE: usize = 15;
/// Tasks that are tried before one road to them is called not there: each may have ended since it was listed.
const TRIES: usize = 3;
/// What is asked of them.
const FIELDS: &str = "usr_key,User Login,Status";
/// The logins and the role that may do everything.
const ALMIGHTY: [&str; 2] = ["XELSYSADM", "OIMINTERNAL"];
const ALMIGHTY_ROLE: &str = "SYSTEM ADMINISTRATORS";

impl Prober {
    pub(super) async fn people(&mut self) -> Result<(), DaemonError> {
        let me = self.settings.server.login.clone();
        let mut own = self.users("the login's own record", &[&me]).await?;
        let mine = own.found.remove(me.as_str());
        self.traits.people.own_record = mine.as_ref().map(|_| true).or(own.told.map(|_| false));
        let mut troubled = self.traits.people.own_record.is_none();
        self.troubled.own_record = troubled;
        if let Some((key, status)) = mine {
            self.states([status].into_iter().flatten());
            self.own_key = key;
        }
        if let Some(key) = self.own_key.clone() {
            let path = roles_path(&key);
            match self.try_look("the login's roles", &path).await? {
                Answer::Seen(look) => self.traits.scope.roles = roles(&look.body),
                Answer::No { .. } => {}
                Answer::Trouble => troubled = true,
            }
        }
        self.troubled.scope = troubled;
        let whom: BTreeSet<Login> = self
            .tasks
            .iter()
            .filter_map(|task| task.beneficiary.clone())
            .filter(|login| *login != me)
            .take(PEOPLE * 20)
            .collect();
        let whom: Vec<Login> = whom.into_iter().take(PEOPLE).collect();
        let asked: Vec<&Login> = whom.iter().collect();
        self.traits.people.asked = u64::try_from(asked.len()).unwrap_or(u64::MAX);
        if asked.is_empty() {
            return Ok(());
        }
        let Shown { found, told } = self.users("users", &asked).await?;
        self.troubled.people = told.is_none();
        let shown: Vec<&&Login> = asked
            .iter()
            .filter(|login| found.contains_key(login.as_str()))
            .collect();
        self.traits.people.shown = u64::try_from(shown.len()).unwrap_or(u64::MAX);
        if shown.len() > 1 {
            self.traits.people.joined = Some(true);
        } else if asked.len() > 1 {
            // is it the question, or are they not shown?
            let missing = asked
                .iter()
                .find(|login| !found.contains_key(login.as_str()));
            if let Some(login) = missing {
                let single = self.users("users", &[login]).await?;
                let shown = single.found.contains_key(login.as_str());
                self.traits.people.shown += u64::from(shown);
                self.traits.people.joined = (shown && told.is_some()).then_some(false);
                self.troubled.people |= single.told.is_none();
            }
        }
        self.states(found.into_values().filter_map(|(_, status)| status));
        Ok(())
    }

    fn states(&mut self, states: impl Iterator<Item = String>) {
        let people = &mut self.traits.people;
        for state in states {
            if matches!(UserStatus::parse(&state), UserStatus::Unknown(_)) {
                *people.unknown.entry(state.clone()).or_default() += 1;
            }
            *people.status.entry(state).or_default() += 1;
        }
    }

    /// Those of these people whom the server shows, over all pages.
    async fn users(&mut self, what: &str, whom: &[&Login]) -> Result<Shown, DaemonError> {
        let asked: Vec<String> = whom
            .iter()
            // whom a filter can't name is not asked for
            .filter_map(|login| equals("User Login", login.as_str()).ok())
            .collect();
        let query = format!(
            "limit=200&q={}&fields={}",
            encode(&asked.join(" or ")),
            encode(FIELDS)
        );
        let (mut found, mut offset, mut told) = (Users::new(), 1, Some(true));
        // a page holds one at least
        for _ in whom {
            let path = format!("/users?offset={offset}&{query}");
            let look = match self.try_look(what, &path).await? {
                Answer::Seen(look) => look,
                Answer::No { .. } => {
                    told = Some(offset > 1);
                    break;
                }
                Answer::Trouble => {
                    told = None;
                    break;
                }
            };
            let rows = rows_of(&look.body, "users").len();
            found.extend(users(&look));
            if rows == 0 || !has_more(&look.body) {
                break;
            }
            offset += rows;
        }
        Ok(Shown { found, told })
    }

    pub(super) async fn single(&mut self) -> Result<(), DaemonError> {
        let ids: Vec<TaskId> = self.ids().cloned().collect();
        // not neighbours, which end together
        let mut of = vec![0, ids.len().saturating_sub(1), ids.len() / 2];
        of.dedup();
        let mut tasks: Vec<TaskId> = Vec::new();
        for id in of.into_iter().filter_map(|at| ids.get(at)) {
            if !tasks.contains(id) {
                tasks.push(id.clone());
            }
        }
        let (told, look) = self.road("a task", "", &mut tasks).await?;
        self.traits.roads.single = told;
        if let Some(look) = look {
            let form = look.body.get("formFields");
            let fields = match form {
                Some(Value::Array(fields)) => fields.len(),
                Some(Value::Object(fields)) => fields.len(),
                _ => 0,
            };
            self.traits.roads.form_fields = u64::try_from(fields).unwrap_or(u64::MAX);
            self.traits.roads.single_id = word_of(look.body.get("id")).to_owned();
        }
        let (told, _) = self.road("its history", "/history", &mut tasks).await?;
        self.traits.roads.history = told;
        let (told, _) = self.road("its responses", "/responses", &mut tasks).await?;
        self.traits.roads.responses = told;
        Ok(())
    }

    /// Whether a road to tasks is there, with the answer of one. The task that has answered comes first from then on.
    async fn road(
        &mut self,
        what: &str,
        road: &str,
        tasks: &mut [TaskId],
    ) -> Result<(Option<bool>, Option<Look>), DaemonError> {
        let (mut refused, mut gone) = (false, 0);
        for at in 0..tasks.len().min(TRIES) {
            let path = format!("/provtasks/{}{road}", encode(tasks[at].as_str()));
            match self.try_look(what, &path).await? {
                Answer::Seen(look) => {
                    tasks.swap(0, at);
                    return Ok((Some(true), Some(look)));
                }
                Answer::No { gone: true } => gone += 1,
                Answer::No { gone: false } => refused = true,
                Answer::Trouble => {
                    self.troubled.single = true;
                    return Ok((None, None));
                }
            }
        }
        // one task alone that is not there may have ended
        Ok(((refused || gone > 1).then_some(false), None))
    }

    pub(super) async fn accounts(&mut self) -> Result<(), DaemonError> {
        let keys = telling(&self.tasks, self.options.accounts);
        let listed: FastSet<TaskId> = self.ids().cloned().collect();
        let mut silent = None;
        for key in keys {
            let path = format!("/provprocesses/{}", encode(key.as_str()));
            let look = match self.try_look("an account", &path).await? {
                Answer::Seen(look) => look,
                Answer::No { .. } => {
                    self.traits.accounts.missing += 1;
                    continue;
                }
                Answer::Trouble => {
                    self.troubled.accounts = true;
                    continue;
                }
            };
            let tasks = self.client.tasks_of(&look, "provisionProcessTaskTOList");
            let rows = rows_of(&look.body, "provisionProcessTaskTOList");
            let accounts = &mut self.traits.accounts;
            accounts.read += 1;
            for (row, task) in rows.iter().zip(&tasks) {
                let form = word_of(row.get("id"));
                *accounts.id_key.entry(form.to_owned()).or_default() += 1;
                let Ok(task) = task else { continue };
                accounts.process += u64::from(task.process.is_some());
                if task.status == TaskStatus::Completed {
                    accounts.ends += u64::from(task.ended.is_some());
                    let word = adapter_word(task).to_owned();
                    *accounts.adapter.entry(word).or_default() += 1;
                    if task.has_adapter.is_none() {
                        silent.get_or_insert_with(|| key.clone());
                    }
                }
                if is_finished_row(row) {
                    accounts.finished += 1;
                } else if self.whole && !listed.contains(&task.id) {
                    accounts.hidden += 1;
                }
            }
        }
        match silent {
            Some(key) => self.definitions(&key).await,
            None => Ok(()),
        }
    }

    /// Whether an account's process tells which of its definitions are automated, where its tasks do not.
    async fn definitions(&mut self, key: &ProcessKey) -> Result<(), DaemonError> {
        let path = format!(
            "/provprocesses/{}/availabletasks?offset=1&limit=200",
            encode(key.as_str())
        );
        let told = match self.try_look("an account's definitions", &path).await? {
            Answer::Seen(look) => {
                let rows = rows_of(&look.body, "provisionProcessAvailableTaskTO");
                let tells = |row: &Value| {
                    let definition = text(row, &["Process Definition.Tasks.Key"]);
                    let adapter = text(row, &["Event Handler Manager.Key"]);
                    definition.is_some() && adapter.is_some_and(|key| key.trim() != "0")
                };
                Some(rows.iter().any(tells))
            }
            Answer::No { .. } => Some(false),
            Answer::Trouble => {
                self.troubled.accounts = true;
                None
            }
        };
        self.traits.accounts.definitions = told;
        Ok(())
    }

    pub(super) async fn tokens(&mut self) -> Result<(), DaemonError> {
        let word = if self.settings.server.auth == AuthKind::Bearer {
            "there"
        } else if !self.options.tokens {
            "not asked"
        } else {
            match self.client.look_for_tokens().await {
                Ok(TokenService::There) => "there",
                Ok(TokenService::Absent) => "absent",
                Ok(TokenService::Refuses) => "refuses",
                Err(error) if must_stop(&error) && error.is_login() => return Err(error.into()),
                Err(_) => {
                    self.troubled.token = true;
                    "not seen"
                }
            }
        };
        self.traits.roads.token = word.to_owned();
        Ok(())
    }

    /// Whose tasks the list shows, by their owners against this login and its roles.
    pub(super) fn scope(&mut self) {
        let me = &self.settings.server.login;
        let scope = &mut self.traits.scope;
        let in_role = |name: &str| {
            let roles = scope.roles.as_deref().unwrap_or_default();
            roles
                .iter()
                .any(|role| role.trim().eq_ignore_ascii_case(name.trim()))
        };
        let (mut own, mut own_roles, mut other_roles) = (0, 0, 0);
        let (mut others, mut nobody) = (0, 0);
        for task in &self.tasks {
            let count = match &task.owner {
                Owner::User { login, key } => {
                    let by_login = login.as_ref() == Some(me);
                    let by_key = key.is_some() && *key == self.own_key;
                    if by_login || by_key {
                        &mut own
                    } else {
                        &mut others
                    }
                }
                Owner::Role {
                    name: Some(name), ..
                } if in_role(name) => &mut own_roles,
                Owner::Role { .. } => &mut other_roles,
                Owner::Unknown => &mut nobody,
            };
            *count += 1;
        }
        let known = scope.roles.is_some();
        let shows = if others > 0 || (known && other_roles > 0) {
            "wider"
        } else if own_roles + other_roles > 0 {
            "own and roles"
        } else if own > 0 {
            "own"
        } else {
            "not seen"
        };
        (scope.own, scope.own_roles, scope.other_roles) = (own, own_roles, other_roles);
        (scope.others, scope.nobody) = (others, nobody);
        scope.shows = shows.to_owned();
        let roles = scope.roles.as_deref().unwrap_or_default();
        scope.administrator =
            administrator(me, self.own_key.as_ref(), roles.iter().map(String::as_str));
    }
}

/// The accounts that tell most: of those in turn by target that are not only being made, which show nothing finished,
/// and of the others where there are none.
fn telling(tasks: &[Task], most: usize) -> Vec<ProcessKey> {
    let is_new = |task: &Task| {
        let name = task.definition_name.as_deref().unwrap_or_default();
        name.to_ascii_lowercase().contains("create")
    };
    let mut news: BTreeMap<&ProcessKey, bool> = BTreeMap::new();
    let mut in_order: Vec<(&ProcessKey, Option<&TargetName>)> = Vec::new();
    for task in tasks {
        let Some(key) = &task.process else { continue };
        let known = news.entry(key).or_insert_with(|| {
            in_order.push((key, task.target.as_ref()));
            false
        });
        *known |= is_new(task);
    }
    let mut turns: BTreeMap<(bool, Option<&TargetName>), usize> = BTreeMap::new();
    let mut all: Vec<(bool, usize, &ProcessKey)> = Vec::new();
    for (key, target) in in_order {
        let new = news.get(key) == Some(&true);
        let turn = turns.entry((new, target)).or_default();
        *turn += 1;
        all.push((new, *turn, key));
    }
    // of equals in the list's order
    all.sort_by_key(|(new, turn, _)| (*new, *turn));
    all.into_iter()
        .take(most)
        .map(|(_, _, key)| key.clone())
        .collect()
}

/// Why a login looks like one that may do everything.
pub fn administrator<'a>(
    login: &Login,
    key: Option<&UserKey>,
    mut roles: impl Iterator<Item = &'a str>,
) -> Option<String> {
    if ALMIGHTY.contains(&login.as_str()) {
        return Some(format!("{login} is the built-in system administrator"));
    }
    if key.is_some_and(|key| key.as_str() == "1") {
        return Some(format!(
            "{login} has the key 1, which is the built-in system administrator's"
        ));
    }
    roles
        .any(|role| role.trim().eq_ignore_ascii_case(ALMIGHTY_ROLE))
        .then(|| format!("{login} is in the role {ALMIGHTY_ROLE}"))
}

fn word_of(id: Option<&Value>) -> &'static str {
    match id {
        Some(Value::String(_)) => "string",
        Some(Value::Number(_)) => "number",
        Some(_) => "other",
        None => "absent",
    }
}

/// Key and state as sent, by login.
type Users = BTreeMap<String, (Option<UserKey>, Option<String>)>;

/// Who was shown.
struct Shown {
    found: Users,
    /// Whether they may be asked for so; `None`: the server was in trouble before all of them were read.
    told: Option<bool>,
}

/// True where a page says that another one follows.
fn has_more(body: &Value) -> bool {
    match body.get("hasMore") {
        Some(Value::Bool(more)) => *more,
        Some(Value::String(more)) => more.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The users of an answer.
fn users(look: &Look) -> Users {
    let rows = rows_of(&look.body, "users");
    rows.iter()
        .filter_map(|row| {
            let login = text(row, &["User Login", "userLogin"])?;
            let key = text(row, &["usr_key"]).or_else(|| text(row, &["id"]));
            let found = (key.map(|key| UserKey::new(&key)), text(row, &["Status"]));
            Some((Login::new(&login).to_string(), found))
        })
        .collect()
}

/// A field of a row, in either shape, or a key beside them.
fn text(row: &Value, names: &[&str]) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(map) => map.get("base")?.as_str().map(str::to_owned),
        _ => None,
    };
    names.iter().find_map(|name| {
        let fields = row.get("fields");
        let of_array = fields.and_then(Value::as_array).and_then(|fields| {
            fields.iter().find(|field| {
                let own = field.get("name").and_then(Value::as_str);
                own.is_some_and(|own| own.trim().eq_ignore_ascii_case(name))
            })
        });
        let value = match of_array {
            Some(field) => field.get("value"),
            None => fields.and_then(|fields| fields.get(*name)),
        };
        value.or_else(|| row.get(*name)).and_then(plain)
    })
}

/// Where a user's own roles are asked for.
pub fn roles_path(key: &UserKey) -> String {
    format!(
        "/users/{}?fields={}&roles=assigned",
        encode(key.as_str()),
        encode("User Login")
    )
}

/// The roles that a user's own answer names; `None` where it names none of its own accord.
pub fn roles(body: &Value) -> Option<Vec<String>> {
    let rows = body.get("roles")?.as_array()?;
    let names = rows.iter().filter_map(|row| match row {
        Value::String(name) => Some(name.clone()),
        row => text(row, &["name", "Role Name", "roleName", "Role Display Name"]),
    });
    Some(names.collect())
}
