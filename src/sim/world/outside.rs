//! Changes of the world that do not come through the API: admins in the user interface, targets going down, people leaving; it must never be reachable from an OIG path.

use std::sync::Arc;

use super::super::scenario::{Act, Do, ScenarioError};
use super::{Owner, Status, World};

fn wrong(text: impl Into<String>) -> ScenarioError {
    ScenarioError::Meaning(text.into())
}

impl World {
    /// Whether everything that an act names exists.
    pub(super) fn check_act(&self, act: &Act) -> Result<(), ScenarioError> {
        if let Some(target) = &act.target {
            self.target_index(target)?;
        }
        if let Some(user) = &act.user {
            self.user_index(user)?;
        }
        if act.what == Some(Do::Reassign) {
            let to = act
                .to
                .as_deref()
                .ok_or_else(|| wrong("reassign without `to`"))?;
            self.owner(to)?;
        }
        if act.what.is_some() && act.task.is_none() && act.each.is_none() {
            return Err(wrong("`do` needs `task` or `each`"));
        }
        if act.task.is_some() && act.what.is_none() {
            return Err(wrong("`task` needs `do`"));
        }
        if act.fault.as_ref().is_some_and(|fault| !fault.can_happen()) {
            return Err(wrong(
                "`fault` needs `probability`, `at` or `from_request`: as it is it never happens",
            ));
        }
        Ok(())
    }

    /// Carries out an act, all of its parts.
    ///
    /// # Errors
    /// [`ScenarioError::Meaning`] names what does not exist; nothing is done then.
    pub fn act(&mut self, act: &Act) -> Result<(), ScenarioError> {
        self.check_act(act)?;
        if let Some(name) = &act.target {
            let index = self.target_index(name)?;
            if act.state.is_some() {
                self.targets[index].forced = act.state;
            }
            if let Some(capacity) = act.capacity {
                self.targets[index].spec.capacity = capacity;
                for window in &mut self.targets[index].spec.window {
                    window.capacity = Some(capacity);
                }
            }
        }
        if let (Some(login), Some(status)) = (&act.user, &act.status) {
            let index = self.user_index(login)?;
            self.users[index].status.clone_from(status);
        }
        if let Some(what) = act.what {
            for index in self.meant(act)? {
                self.admin_act(index, what, act.to.as_deref())?;
            }
        }
        if act.clear_faults {
            self.faults.clear();
        }
        if let Some(fault) = &act.fault {
            self.faults.add(fault.clone());
        }
        if let Some(password) = &act.password
            && !self.auth.set_password(&password.login, &password.new)
        {
            return Err(wrong(format!("login {:?} does not exist", password.login)));
        }
        if act.expire_tokens {
            self.auth.expire_tokens();
        }
        if act.restore && !self.restore() {
            return Err(wrong("`restore` without a `backup` before it"));
        }
        if act.backup {
            self.back_up();
        }
        if let Some(proxy) = &act.proxy {
            self.add_proxy(proxy)?;
        }
        Ok(())
    }

    /// The ids of the tasks that an act would be done to now; none where it names what does not exist.
    pub fn named(&self, act: &Act) -> Vec<u64> {
        let meant = match act.what {
            Some(_) => self.meant(act).unwrap_or_default(),
            None => Vec::new(),
        };
        meant.iter().map(|index| self.tasks[*index].key).collect()
    }

    fn meant(&self, act: &Act) -> Result<Vec<usize>, ScenarioError> {
        if let Some(task) = &act.task {
            let index = task
                .trim()
                .parse::<u64>()
                .ok()
                .and_then(|key| self.task_by_key.get(&key))
                .ok_or_else(|| wrong(format!("task {task:?} does not exist")))?;
            return Ok(vec![*index]);
        }
        let every = usize::try_from(act.each.unwrap_or(1).max(1)).unwrap_or(1);
        Ok(self
            .open
            .iter()
            .copied()
            .filter(|index| {
                let task = &self.tasks[*index];
                task.status == Status::R
                    && !task.hidden
                    && act
                        .target
                        .as_ref()
                        .is_none_or(|name| self.target_of(task).spec.name == *name)
            })
            .skip(every - 1)
            .step_by(every)
            .collect())
    }

    fn admin_act(&mut self, index: usize, what: Do, to: Option<&str>) -> Result<(), ScenarioError> {
        let cause: Arc<str> = Arc::from("admin");
        match what {
            Do::Complete => {
                let task = self.tasks[index].clone();
                let kind = self.definitions[task.definition].kind;
                self.take_effect(&task, kind);
                self.set_status(index, Status::C, 0);
            }
            Do::ManualComplete => self.set_status(index, Status::Mc, 0),
            Do::GiveUp => self.set_status(index, Status::Uc, 0),
            Do::Cancel => self.set_status(index, Status::X, 0),
            Do::Retry => {
                self.retry(index, &cause, 0).map_err(wrong)?;
            }
            Do::Reject => {
                let task = self.tasks[index].clone();
                let text = self.text_for(&task, super::Failure::Network, task.ordinal + 1_000);
                self.tasks[index].reason = text.into();
                self.set_status(index, Status::R, 0);
            }
            Do::Reassign => {
                let owner: Owner = self.owner(to.unwrap_or_default())?;
                self.tasks[index].owner = owner;
                self.touch(index, 0);
            }
            Do::Note => {
                self.tasks[index].note = to.unwrap_or_default().into();
                self.touch(index, 0);
            }
            Do::Hide => {
                self.tasks[index].hidden = true;
                self.version += 1;
            }
            Do::Show => {
                self.tasks[index].hidden = false;
                self.version += 1;
            }
            Do::Forget => {
                if self.tasks[index].status.is_open() {
                    self.set_status(index, Status::C, 0);
                }
                self.tasks[index].forgotten = true;
                self.version += 1;
            }
        }
        Ok(())
    }

    /// An admin finishes these tasks, as it happens between somebody's list and his PUT.
    pub fn finish_by_admin(&mut self, keys: &[u64]) {
        for key in keys {
            if let Some(&index) = self.task_by_key.get(key)
                && self.tasks[index].status.is_open()
            {
                self.set_status(index, Status::Mc, 0);
            }
        }
    }
}
