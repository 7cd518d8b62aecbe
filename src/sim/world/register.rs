//! Puts people, accounts, definitions and proxies into the world and finds them by name; it must never decide what a scenario means.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::scenario::{ProxySpec, ScenarioError, UserSpec};
use super::super::time::Ms;
use super::build::{XELSYSADM, wrong};
use super::{Account, Definition, Kind, Owner, Proxy, Role, Status, Task, User, World, catalogue};

impl World {
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
            restarted: None,
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

    pub(super) fn add_role(
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
            off: None,
            taken: BTreeMap::new(),
            attributes: BTreeMap::new(),
            tasks: Vec::new(),
            made: Vec::new(),
        });
        index
    }

    /// An account that is there was made once, and filled in: where the scenario has no task for that, two finished ones
    /// of before all others, which no list shows and nothing can be done with. They are forgotten like all that is
    /// finished: no server keeps the first task of an account and archives the others.
    pub(super) fn account_was_made(&mut self, index: usize) {
        let account = &self.accounts[index];
        let of = account.tasks.iter().map(|task| &self.tasks[*task]);
        let is_create = |task: &Task| self.definitions[task.definition].kind == Kind::Create;
        if !account.exists || of.clone().any(is_create) {
            return;
        }
        let Some(first) = of.min_by_key(|task| task.origin) else {
            return;
        };
        let (target, key, owner) = (account.target, account.key, first.owner);
        let before = first.origin.saturating_sub(3_600_000);
        let steps = [
            (300_000, Kind::Create, "Create User", before),
            (
                460_000,
                Kind::Change,
                "Display Name Updated",
                before + 60_000,
            ),
        ];
        for (from, kind, name, at) in steps {
            let definition = self.automated(target, kind, name, 600_000 + from);
            let done = Task {
                key: from + key,
                root: from + key,
                status: Status::C,
                data: "SUCCESS".into(),
                finished: Some(at),
                ..self.blank(index, definition, owner, at)
            };
            self.accounts[index].made.push(done);
        }
    }

    /// The first automated definition of a kind on a target, made if there is none.
    fn automated(&mut self, target: usize, kind: Kind, name: &str, from: u64) -> usize {
        let known = self
            .definitions
            .iter()
            .position(|of| of.target == target && of.kind == kind && of.handler > 0);
        known.unwrap_or_else(|| {
            let name: Arc<str> = Arc::from(name);
            self.definitions.push(Definition {
                key: from + self.targets[target].key,
                target,
                name: Arc::clone(&name),
                kind,
                handler: 40,
                responses: Vec::new(),
            });
            let new = self.definitions.len() - 1;
            self.definition_by_name.insert((target, name), new);
            new
        })
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
