//! Makes the world of a scenario and finds every name in it that does not exist; it must never change a world that already runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::fault::Faults;
use super::super::scenario::{OPERATORS, ProxySpec, Scenario, ScenarioError, TaskSpec, UserSpec};
use super::super::time::Ms;
use super::populate::Draft;
use super::{
    Account, Auth, Definition, Kind, NextKeys, Owner, Pending, Proxy, Role, Status, Target, Task,
    User, World, catalogue,
};

/// Index of System Administrator among the users.
const XELSYSADM: usize = 0;

fn wrong(text: impl Into<String>) -> ScenarioError {
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
            bad_owners: Vec::new(),
        };
        world.build_people(scenario)?;
        world.build_targets(scenario)?;
        world.build_work(scenario)?;
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

    /// A task without anything particular.
    pub(super) fn blank(
        &self,
        account: usize,
        definition: usize,
        owner: Owner,
        created: Ms,
    ) -> Task {
        Task {
            key: 0,
            account,
            definition,
            status: Status::P,
            owner,
            assign_type: "Default task assignment",
            reason: Box::from(""),
            data: Box::from(""),
            note: Box::from(""),
            child: None,
            value: None,
            request: None,
            created,
            origin: created,
            root: 0,
            ordinal: 0,
            own_retries: 0,
            retry_of: None,
            failure: None,
            heals_after: 0,
            hidden: false,
            updated_by: XELSYSADM,
            row_version: 1,
            finished: None,
            forgotten: false,
        }
    }

    pub(super) fn add_user(&mut self, spec: &UserSpec) -> Result<usize, ScenarioError> {
        let key = spec.key.unwrap_or(self.next.user);
        let taken = self.user_by_key.contains_key(&key)
            || self.user_by_login.contains_key(spec.login.as_str());
        if spec.login.is_empty() || taken {
            return Err(wrong(format!(
                "user {:?} (key {key}): empty, or login or key given twice",
                spec.login
            )));
        }
        self.next.user = self.next.user.max(key + 1);
        let login: Arc<str> = Arc::from(spec.login.as_str());
        let index = self.users.len();
        self.user_by_key.insert(key, index);
        self.user_by_login.insert(Arc::clone(&login), index);
        self.users.push(User {
            key,
            login,
            first: spec.first.clone(),
            last: spec.last.clone(),
            status: spec.status.clone(),
            manager: spec.manager.clone(),
            visible: spec.visible,
            fields: spec.fields.clone(),
            accounts: Vec::new(),
        });
        Ok(index)
    }

    fn add_role(
        &mut self,
        key: Option<u64>,
        name: &str,
        members: Vec<usize>,
    ) -> Result<usize, ScenarioError> {
        let key = key.unwrap_or(self.next.role);
        if name.is_empty()
            || self.role_by_key.contains_key(&key)
            || self.role_by_name.contains_key(name)
        {
            return Err(wrong(format!(
                "role {name:?} (key {key}): empty, or name or key given twice"
            )));
        }
        self.next.role = self.next.role.max(key + 1);
        let name: Arc<str> = Arc::from(name);
        let index = self.roles.len();
        self.role_by_key.insert(key, index);
        self.role_by_name.insert(Arc::clone(&name), index);
        self.roles.push(Role { key, name, members });
        Ok(index)
    }

    /// Adds a proxy record. Answers its id.
    pub(super) fn add_proxy(&mut self, spec: &ProxySpec) -> Result<u64, ScenarioError> {
        let (user, proxy) = (self.user_index(&spec.user)?, self.user_index(&spec.proxy)?);
        let (start, end) = (spec.start.at(self.start), spec.end.at(self.start));
        Ok(self.put_proxy(spec.id, user, proxy, start, end, &spec.relationship))
    }

    pub(super) fn put_proxy(
        &mut self,
        id: Option<u64>,
        user: usize,
        proxy: usize,
        start: Ms,
        end: Ms,
        relationship: &str,
    ) -> u64 {
        let id = id.unwrap_or(self.next.proxy);
        self.next.proxy = self.next.proxy.max(id + 1);
        self.proxies.push(Proxy {
            id,
            user,
            proxy,
            start,
            end,
            relationship: relationship.to_owned(),
        });
        id
    }

    pub(super) fn user_index(&self, login: &str) -> Result<usize, ScenarioError> {
        self.user_by_login
            .get(login)
            .copied()
            .ok_or_else(|| wrong(format!("user {login:?} does not exist")))
    }

    pub(super) fn target_index(&self, name: &str) -> Result<usize, ScenarioError> {
        self.targets
            .iter()
            .position(|target| target.spec.name == name)
            .ok_or_else(|| wrong(format!("target {name:?} does not exist")))
    }

    /// Reads `user:LOGIN` or `role:NAME`.
    pub(super) fn owner(&self, text: &str) -> Result<Owner, ScenarioError> {
        if let Some(name) = text.strip_prefix("role:") {
            return self
                .role_by_name
                .get(name)
                .map(|role| Owner::Role(*role))
                .ok_or_else(|| wrong(format!("role {name:?} does not exist")));
        }
        let login = text
            .strip_prefix("user:")
            .ok_or_else(|| wrong(format!("owner {text:?}: write user:LOGIN or role:NAME")))?;
        self.user_index(login).map(Owner::User)
    }

    /// The account of a user on a target, made if there is none.
    pub(super) fn account(&mut self, target: usize, user: usize) -> usize {
        if let Some(index) = self.account_by_owner.get(&(target, user)) {
            return *index;
        }
        let (key, index) = (self.next.account, self.accounts.len());
        self.next.account += 1;
        self.account_by_key.insert(key, index);
        self.account_by_owner.insert((target, user), index);
        self.users[user].accounts.push(index);
        self.accounts.push(Account {
            key,
            target,
            user,
            descriptive: None,
            exists: true,
            off_since: None,
            taken: BTreeMap::new(),
            attributes: BTreeMap::new(),
            tasks: Vec::new(),
        });
        index
    }

    /// The definition of a name on a target, made if there is none.
    pub(super) fn definition(
        &mut self,
        target: usize,
        name: &str,
        kind: Option<Kind>,
        manual: bool,
    ) -> usize {
        if let Some(index) = self.definition_by_name.get(&(target, Arc::from(name))) {
            return *index;
        }
        let known = catalogue::known(self.targets[target].spec.connector, name);
        let (known_kind, automated) = known.unwrap_or((Kind::Other, true));
        let (key, index) = (self.next.definition, self.definitions.len());
        self.next.definition += 1;
        let name: Arc<str> = Arc::from(name);
        self.definition_by_name
            .insert((target, Arc::clone(&name)), index);
        self.definitions.push(Definition {
            key,
            target,
            name,
            kind: kind.unwrap_or(known_kind),
            handler: if automated && !manual {
                40 + key % 50
            } else {
                0
            },
            responses: ["SUCCESS", "ERROR", "VALIDATION_FAILED"]
                .map(str::to_owned)
                .to_vec(),
        });
        index
    }
}
