//! Learns what there is beside the list: people, single tasks, accounts, tokens, and whose tasks the list shows; it asks for few of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Prober, must_stop};
use crate::daemon::DaemonError;
use crate::model::facts::UserStatus;
use crate::model::hash::FastSet;
use crate::model::settings::AuthKind;
use crate::model::{Login, Owner, ProcessKey, TaskId, UserKey};
use crate::oig::filter::{encode, equals};
use crate::oig::{Look, TokenService};
use crate::traits::{is_finished_row, rows_of};

/// People who are asked for at once.
const PEOPLE: usize = 15;
/// What is asked of them.
const FIELDS: &str = "usr_key,User Login,Status";
/// The logins and the role that may do everything.
const ALMIGHTY: [&str; 2] = ["XELSYSADM", "OIMINTERNAL"];
const ALMIGHTY_ROLE: &str = "SYSTEM ADMINISTRATORS";

impl Prober {
    pub(super) async fn people(&mut self) -> Result<(), DaemonError> {
        let me = self.settings.server.login.clone();
        let troubles = self.troubles;
        let own = self.users("the login's own record", &[&me]).await?;
        let mine = own.and_then(|mut found| found.remove(me.as_str()));
        self.traits.people.own_record = self.told(troubles, mine.is_some());
        if let Some((key, status)) = mine {
            self.states([status].into_iter().flatten());
            self.own_key = key;
        }
        if let Some(key) = self.own_key.clone() {
            let path = roles_path(&key);
            if let Some(look) = self.try_look("the login's roles", &path).await? {
                self.traits.scope.roles = roles(&look.body);
            }
        }
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
        let found = self.users("users", &asked).await?.unwrap_or_default();
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
                let shown = single.is_some_and(|found| found.contains_key(login.as_str()));
                self.traits.people.shown += u64::from(shown);
                self.traits.people.joined = shown.then_some(false);
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

    /// Those of these people whom the server shows, over all pages; `None` where it can't be asked so.
    async fn users(&mut self, what: &str, whom: &[&Login]) -> Result<Option<Users>, DaemonError> {
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
        let (mut found, mut offset) = (Users::new(), 1);
        // a page holds one at least
        for _ in whom {
            let path = format!("/users?offset={offset}&{query}");
            let Some(look) = self.try_look(what, &path).await? else {
                return Ok((offset > 1).then_some(found));
            };
            let rows = rows_of(&look.body, "users").len();
            found.extend(users(&look));
            if rows == 0 || !has_more(&look.body) {
                break;
            }
            offset += rows;
        }
        Ok(Some(found))
    }

    pub(super) async fn single(&mut self) -> Result<(), DaemonError> {
        let Some(id) = self.ids().next().cloned() else {
            return Ok(());
        };
        let path = format!("/provtasks/{}", encode(id.as_str()));
        let troubles = self.troubles;
        let look = self.try_look("a task", &path).await?;
        self.traits.roads.single = self.told(troubles, look.is_some());
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
        let troubles = self.troubles;
        let history = self
            .try_look("its history", &format!("{path}/history"))
            .await?;
        self.traits.roads.history = self.told(troubles, history.is_some());
        let troubles = self.troubles;
        let responses = self
            .try_look("its responses", &format!("{path}/responses"))
            .await?;
        self.traits.roads.responses = self.told(troubles, responses.is_some());
        Ok(())
    }

    pub(super) async fn accounts(&mut self) -> Result<(), DaemonError> {
        let mut seen = BTreeSet::new();
        let keys: Vec<ProcessKey> = self
            .tasks
            .iter()
            .filter_map(|task| task.process.clone())
            .filter(|key| seen.insert(key.clone()))
            .take(self.options.accounts)
            .collect();
        let listed: FastSet<TaskId> = self.ids().cloned().collect();
        for key in keys {
            let path = format!("/provprocesses/{}", encode(key.as_str()));
            let troubles = self.troubles;
            let Some(look) = self.try_look("an account", &path).await? else {
                self.traits.accounts.missing += u64::from(troubles == self.troubles);
                continue;
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
                if is_finished_row(row) {
                    accounts.finished += 1;
                } else if self.whole && !listed.contains(&task.id) {
                    accounts.hidden += 1;
                }
            }
        }
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
                Err(_) => "absent",
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
