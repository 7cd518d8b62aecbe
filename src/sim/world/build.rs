//! Makes the world of a scenario and finds every name in it that does not exist; it must never change a world that already runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::fault::Faults;
use super::super::scenario::{OPERATORS, Scenario, ScenarioError, TaskSpec, UserSpec};
use super::super::time::Ms;
use super::populate::Draft;
use super::{Auth, Kind, NextKeys, Pending, Status, Target, World};

/// Index of System Administrator among the users.
pub(super) const XELSYSADM: usize = 0;

pub(super) fn wrong(text: impl Into<String>) -> ScenarioError {
    ScenarioError::Meaning(text.into())
}

impl World {
    /// The world of a scenario at its start.
    ///
    /// # Errors
    /// [`ScenarioError::Meaning`] names what is missing or doubled.
    pub fn build(scenario: &Scenario, start: Ms) -> Result<Self, ScenarioError> {
        let server = scenario.server.clone();
        let mut world = World {
            seed: scenario.seed,
            start,
            now: start,
            origin: "http://127.0.0.1".to_owned(),
            auth: Auth::new(
                scenario.seed,
                server.lock_after.max(1),
                server.token_lifetime.0,
            ),
            faults: Faults::new(scenario.seed, start, &scenario.fault),
            server,
            traits: scenario.traits.clone(),
            lists_read: 0,
            targets: Vec::new(),
            users: Vec::new(),
            roles: Vec::new(),
            proxies: Vec::new(),
            requests: scenario.request.clone(),
            definitions: Vec::new(),
            accounts: Vec::new(),
            tasks: Vec::new(),
            open: BTreeSet::new(),
            task_by_key: HashMap::new(),
            account_by_key: HashMap::new(),
            account_by_owner: HashMap::new(),
            user_by_key: HashMap::new(),
            user_by_login: HashMap::new(),
            role_by_key: HashMap::new(),
            role_by_name: HashMap::new(),
            definition_by_name: HashMap::new(),
            next: NextKeys {
                task: 600_001,
                account: 20_001,
                user: 5_001,
                role: 101,
                definition: 201,
                proxy: 1,
            },
            queue: BTreeMap::new(),
            queued: 0,
            version: 0,
            effects: Vec::new(),
            views: HashMap::new(),
            timed_retry: scenario.timed_retry.clone(),
            rejected_at_start: 0,
            restored: 0,
            backup: None,
            bad_owners: Vec::new(),
        };
        world.build_people(scenario)?;
        world.build_targets(scenario)?;
        world.build_work(scenario)?;
        for account in 0..world.accounts.len() {
            world.account_was_made(account);
        }
        for proxy in &scenario.proxy {
            world.add_proxy(proxy)?;
        }
        for event in &scenario.event {
            world.check_act(&event.act)?;
            let every = event.every.map(|every| every.0.max(1));
            let act = Box::new(event.act.clone());
            world.queue(event.at.at(start), Pending::Act { act, every });
        }
        world.rejected_at_start = world
            .tasks
            .iter()
            .filter(|task| task.status == Status::R)
            .fold(0, |count, _| count + 1);
        Ok(world)
    }

    fn build_people(&mut self, scenario: &Scenario) -> Result<(), ScenarioError> {
        self.add_user(&UserSpec {
            key: Some(1),
            login: "XELSYSADM".to_owned(),
            first: "System".to_owned(),
            last: "Administrator".to_owned(),
            ..UserSpec::default()
        })?;
        self.add_role(Some(1), "SYSTEM ADMINISTRATORS", vec![XELSYSADM])?;
        for user in &scenario.user {
            self.add_user(user)?;
        }
        for login in &scenario.login {
            let user = match self.user_by_login.get(login.login.as_str()) {
                Some(user) => *user,
                None => self.add_user(&UserSpec {
                    login: login.login.clone(),
                    first: "Service".to_owned(),
                    last: login.login.clone(),
                    ..UserSpec::default()
                })?,
            };
            self.auth.add(
                login.login.clone(),
                login.password.clone(),
                user,
                login.is_admin,
            );
        }
        for role in &scenario.role {
            let mut members = Vec::new();
            for login in &role.members {
                members.push(self.user_index(login)?);
            }
            self.add_role(role.key, &role.name, members)?;
        }
        for login in &scenario.login {
            let user = self.user_index(&login.login)?;
            for name in &login.roles {
                let role = match self.role_by_name.get(name.as_str()) {
                    Some(role) => *role,
                    None => self.add_role(None, name, Vec::new())?,
                };
                if !self.roles[role].members.contains(&user) {
                    self.roles[role].members.push(user);
                }
            }
        }
        if !self.role_by_name.contains_key(OPERATORS) {
            self.add_role(None, OPERATORS, Vec::new())?;
        }
        Ok(())
    }

    fn build_targets(&mut self, scenario: &Scenario) -> Result<(), ScenarioError> {
        for spec in &scenario.target {
            let names: Vec<String> = match spec.copies {
                0 => vec![spec.name.clone()],
                copies => (1..=copies)
                    .map(|n| format!("{}-{n:03}", spec.name))
                    .collect(),
            };
            for name in names {
                if name.is_empty() || self.targets.iter().any(|target| target.spec.name == name) {
                    return Err(wrong(format!("target {name:?}: empty or given twice")));
                }
                let mut spec = spec.clone();
                spec.name = name;
                let key = u64::try_from(self.targets.len()).unwrap_or(0) + 11;
                self.targets.push(Target {
                    spec,
                    key,
                    forced: None,
                    minute: (0, 0),
                });
            }
        }
        for spec in &scenario.definition {
            let target = self.target_index(&spec.target)?;
            let index = self.definition(target, &spec.name, spec.kind, spec.manual);
            if let Some(key) = spec.key {
                self.definitions[index].key = key;
                self.next.definition = self.next.definition.max(key + 1);
            }
            if !spec.responses.is_empty() {
                self.definitions[index]
                    .responses
                    .clone_from(&spec.responses);
            }
        }
        Ok(())
    }

    fn build_work(&mut self, scenario: &Scenario) -> Result<(), ScenarioError> {
        for spec in &scenario.account {
            let target = self.target_index(&spec.target)?;
            let user = self.user_index(&spec.user)?;
            let index = self.account(target, user);
            if let Some(key) = spec.key {
                self.account_by_key.remove(&self.accounts[index].key);
                self.accounts[index].key = key;
                self.account_by_key.insert(key, index);
                self.next.account = self.next.account.max(key + 1);
            }
            self.accounts[index]
                .descriptive
                .clone_from(&spec.descriptive);
        }
        let mut drafts: Vec<Draft> = Vec::new();
        for spec in &scenario.task {
            drafts.push(self.draft(spec)?);
        }
        for (number, population) in scenario.population.iter().enumerate() {
            self.populate(number, population, &mut drafts)?;
        }
        // Keys rise with creation time, as on a real server; the sort is stable, so the file's order breaks ties.
        drafts.sort_by_key(|draft| draft.task.created);
        for draft in &drafts {
            // An account whose creation is still open does not exist on its target yet.
            let kind = self.definitions[draft.task.definition].kind;
            if kind == Kind::Create && draft.task.status.is_open() {
                self.accounts[draft.task.account].exists = false;
            }
        }
        for mut draft in drafts {
            if draft.task.status == Status::R && draft.task.reason.is_empty() && !draft.silent {
                let failure = draft.task.failure.unwrap_or(super::Failure::Network);
                let mut named = draft.task.clone();
                // The text's draw goes by the place in the file, since the key is not known yet.
                named.root = draft.number;
                draft.task.reason = self.text_for(&named, failure, 0).into();
            }
            if !draft.task.status.is_open() {
                let kind = self.definitions[draft.task.definition].kind;
                self.take_effect(&draft.task.clone(), kind);
                draft.task.finished = Some(draft.task.created);
            }
            if draft.task.key != 0 && self.task_by_key.contains_key(&draft.task.key) {
                return Err(wrong(format!("task {}: given twice", draft.task.key)));
            }
            self.insert(draft.task);
        }
        Ok(())
    }

    fn draft(&mut self, spec: &TaskSpec) -> Result<Draft, ScenarioError> {
        let target = self.target_index(&spec.target)?;
        let user = self.user_index(&spec.user)?;
        let account = self.account(target, user);
        let definition = self.definition(target, &spec.task, spec.kind, spec.manual);
        let owner = match &spec.owner {
            Some(owner) => self.owner(owner)?,
            None => self.owner(&format!("role:{OPERATORS}"))?,
        };
        let created = spec
            .created
            .map_or(self.start - 6 * 3_600_000, |when| when.at(self.start));
        let mut task = self.blank(account, definition, owner, created);
        task.key = spec.id.unwrap_or(0);
        task.status = spec.status.unwrap_or(if spec.failure.is_some() {
            Status::R
        } else {
            Status::P
        });
        task.failure = spec.failure;
        task.heals_after = spec.heals_after;
        task.reason = spec.reason.clone().unwrap_or_default().into();
        task.data = spec
            .data
            .clone()
            .unwrap_or_else(|| {
                if task.status == Status::R {
                    "ERROR".to_owned()
                } else {
                    String::new()
                }
            })
            .into();
        task.note = spec.note.clone().unwrap_or_default().into();
        task.child = spec.child.clone().map(Into::into);
        task.value = spec.value.clone().map(Into::into);
        task.request = spec.request.clone().map(Into::into);
        task.hidden = spec.hidden;
        if let Some(text) = &spec.assign_type {
            task.assign_type = match text.as_str() {
                "User" => "User",
                "Group" => "Group",
                "Default task assignment" => "Default task assignment",
                _ => {
                    return Err(wrong(format!(
                        "assign_type {text:?}: not one of User, Group, Default task assignment"
                    )));
                }
            };
        }
        Ok(Draft {
            number: spec.id.unwrap_or(created.unsigned_abs()),
            silent: spec.reason.is_some(),
            task,
        })
    }
}
