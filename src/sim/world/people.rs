//! Look-ups of people for the API: users a caller may see, role members, proxies; it must never show who is not visible.

use super::super::scenario::RequestSpec;
use super::super::time::Ms;
use super::{Account, Proxy, Role, User, World};

impl World {
    /// The users that callers may see.
    pub fn visible_users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| user.visible)
    }

    /// A visible user by key.
    pub fn visible_user(&self, key: u64) -> Option<&User> {
        let user = self.users.get(*self.user_by_key.get(&key)?)?;
        user.visible.then_some(user)
    }

    /// All roles.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// A role by key.
    pub fn role_by_key(&self, key: u64) -> Option<&Role> {
        self.roles.get(*self.role_by_key.get(&key)?)
    }

    /// The accounts of a user, with the names of their targets.
    pub fn accounts_of(&self, user: &User) -> Vec<(&Account, &str)> {
        user.accounts
            .iter()
            .filter_map(|index| self.accounts.get(*index))
            .map(|account| (account, self.targets[account.target].spec.name.as_str()))
            .collect()
    }

    /// The proxy records of a user: not yet ended, or ended, or both.
    pub fn proxies_of(&self, key: u64, current: bool, past: bool) -> Vec<&Proxy> {
        let Some(&user) = self.user_by_key.get(&key) else {
            return Vec::new();
        };
        self.proxies
            .iter()
            .filter(|proxy| proxy.user == user)
            .filter(|proxy| if proxy.end <= self.now { past } else { current })
            .collect()
    }

    /// Adds a proxy through the API. `None` if either does not exist.
    pub fn patch_add_proxy(&mut self, user: u64, proxy: u64, start: Ms, end: Ms) -> Option<u64> {
        let user = *self.user_by_key.get(&user)?;
        let proxy = *self.user_by_key.get(&proxy)?;
        Some(self.put_proxy(None, user, proxy, start, end, "MANAGER"))
    }

    /// Changes a proxy's interval. Answers whether it exists.
    pub fn patch_update_proxy(&mut self, id: u64, start: Option<Ms>, end: Option<Ms>) -> bool {
        let Some(proxy) = self.proxies.iter_mut().find(|proxy| proxy.id == id) else {
            return false;
        };
        proxy.start = start.unwrap_or(proxy.start);
        proxy.end = end.unwrap_or(proxy.end);
        true
    }

    /// Removes a proxy. Answers whether it existed.
    pub fn patch_delete_proxy(&mut self, id: u64) -> bool {
        let before = self.proxies.len();
        self.proxies.retain(|proxy| proxy.id != id);
        self.proxies.len() < before
    }

    /// Access requests.
    pub fn requests(&self) -> &[RequestSpec] {
        &self.requests
    }

    /// A new task of a definition in a process, as `addTask` does it. The error is OIG's reason.
    ///
    /// # Errors
    /// The process or the definition does not exist there.
    pub fn add_task(&mut self, process: u64, definition: u64, by: usize) -> Result<u64, String> {
        let account = *self
            .account_by_key
            .get(&process)
            .ok_or_else(|| format!("The process {process} does not exist."))?;
        let target = self.accounts[account].target;
        let definition = self
            .definitions
            .iter()
            .position(|known| known.key == definition && known.target == target)
            .ok_or_else(|| format!("The task {definition} is not defined for the process."))?;
        let mut task = self.blank(account, definition, super::Owner::User(by), self.now);
        task.updated_by = by;
        Ok(self.insert(task))
    }
}
