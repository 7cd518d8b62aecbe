//! The world behind the API: pure state that moves by `advance`, by requests and by acts from outside; it must never read a clock, draw from a stream, or touch a file or socket.

mod action;
mod auth;
mod backup;
mod build;
mod catalogue;
mod connector;
mod entity;
mod outside;
mod people;
mod populate;
mod register;
mod texts;
mod truth;

pub use action::{ItemRequest, ItemResult, Refusal};
pub use auth::{Auth, Denied};
pub use entity::{
    Account, Connector, Definition, Effect, Failure, Kind, Owner, Proxy, Role, RunMode, State,
    Status, Target, Task, User,
};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::fault::Faults;
use super::scenario::{Act, RequestSpec, ServerSpec, TimedRetrySpec, Traits};
use super::time::Ms;

/// What waits for its time.
#[derive(Debug)]
enum Pending {
    /// The connector of a pending task runs, unless it was retried again since.
    Run {
        key: u64,
        ordinal: u64,
        cause: Arc<str>,
    },
    /// A successor becomes visible; it may still have to run.
    Appear {
        task: Box<Task>,
        run: Option<(Ms, Arc<str>)>,
    },
    /// OIG's own job retries a task.
    OwnRetry { key: u64 },
    /// Something from the scenario, perhaps again and again.
    Act { act: Box<Act>, every: Option<Ms> },
    /// A PUT that was sent long ago arrives.
    Deferred {
        login: usize,
        items: Vec<ItemRequest>,
        cause: Arc<str>,
    },
}

/// The filtered ids of a login's list, kept until the world changes.
type View = (u64, Arc<Vec<usize>>);

/// The whole world.
#[derive(Debug)]
pub struct World {
    seed: u64,
    start: Ms,
    now: Ms,
    /// Scheme, host and port in hrefs.
    pub origin: String,
    /// The server's settings.
    pub server: ServerSpec,
    /// How answers are worded.
    pub traits: Traits,
    /// How often a list was read, for a server whose order moves.
    pub lists_read: u64,
    /// Logins and tokens.
    pub auth: Auth,
    /// Faults in force.
    pub faults: Faults,
    targets: Vec<Target>,
    users: Vec<User>,
    roles: Vec<Role>,
    proxies: Vec<Proxy>,
    requests: Vec<RequestSpec>,
    definitions: Vec<Definition>,
    accounts: Vec<Account>,
    tasks: Vec<Task>,
    open: BTreeSet<usize>,
    task_by_key: HashMap<u64, usize>,
    account_by_key: HashMap<u64, usize>,
    account_by_owner: HashMap<(usize, usize), usize>,
    user_by_key: HashMap<u64, usize>,
    user_by_login: HashMap<Arc<str>, usize>,
    role_by_key: HashMap<u64, usize>,
    role_by_name: HashMap<Arc<str>, usize>,
    definition_by_name: HashMap<(usize, Arc<str>), usize>,
    next: NextKeys,
    queue: BTreeMap<(Ms, u64), Pending>,
    queued: u64,
    version: u64,
    effects: Vec<Effect>,
    views: HashMap<(usize, String), View>,
    timed_retry: Option<TimedRetrySpec>,
    /// Tasks that were rejected when the world began, by key.
    rejected_at_start: u64,
    /// How often data were put back: what runs then is another run, although ids and ordinals come again.
    restored: u64,
    /// What can be put back.
    backup: Option<backup::Backup>,
    /// Reassignments to people who must not get work.
    pub(super) bad_owners: Vec<(u64, &'static str)>,
}

#[derive(Debug)]
struct NextKeys {
    task: u64,
    account: u64,
    user: u64,
    role: u64,
    definition: u64,
    proxy: u64,
}

impl World {
    /// Domain time, milliseconds since the epoch.
    pub fn now(&self) -> Ms {
        self.now
    }

    /// The seed of its draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Moves time on, carrying out in order what falls due on the way. Time never goes back.
    pub fn advance(&mut self, to: Ms) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > to {
                break;
            }
            let ((at, _), pending) = entry.remove_entry();
            self.now = self.now.max(at);
            self.fire(pending);
        }
        self.now = self.now.max(to);
    }

    fn fire(&mut self, pending: Pending) {
        match pending {
            Pending::Run {
                key,
                ordinal,
                cause,
            } => self.run_pending(key, ordinal, &cause),
            Pending::Appear { task, run } => {
                let ordinal = task.ordinal;
                let key = self.insert(*task);
                if let Some((after, cause)) = run {
                    let run = Pending::Run {
                        key,
                        ordinal,
                        cause,
                    };
                    self.queue(self.now.saturating_add(after), run);
                }
            }
            Pending::OwnRetry { key } => self.own_retry(key),
            Pending::Act { act, every } => {
                if let Err(error) = self.act(&act) {
                    // An act on something that has gone meanwhile is no act; the scenario was checked when it was read.
                    tracing::debug!(%error, "an act of the scenario had nothing to act on");
                }
                if let Some(every) = every {
                    self.queue(
                        self.now.saturating_add(every),
                        Pending::Act {
                            act,
                            every: Some(every),
                        },
                    );
                }
            }
            Pending::Deferred {
                login,
                items,
                cause,
            } => {
                for item in &items {
                    self.act_on(login, item, &cause);
                }
            }
        }
    }

    fn queue(&mut self, at: Ms, pending: Pending) {
        self.queued += 1;
        self.queue.insert((at, self.queued), pending);
    }

    /// A PUT that takes effect later than now, as if it had been stuck on its way.
    pub fn defer(&mut self, after: Ms, login: usize, items: Vec<ItemRequest>, cause: Arc<str>) {
        self.queue(
            self.now.saturating_add(after),
            Pending::Deferred {
                login,
                items,
                cause,
            },
        );
    }

    /// Puts a task into the world; without a key it gets the next one. Answers its key.
    fn insert(&mut self, mut task: Task) -> u64 {
        if task.key == 0 {
            task.key = self.next.task;
        }
        self.next.task = self.next.task.max(task.key + 1);
        if task.root == 0 {
            task.root = task.key;
        }
        let (key, index) = (task.key, self.tasks.len());
        if task.status.is_open() {
            self.open.insert(index);
        }
        let rejected = task.status == Status::R;
        self.task_by_key.insert(key, index);
        if let Some(account) = self.accounts.get_mut(task.account) {
            account.tasks.push(index);
        }
        self.tasks.push(task);
        self.version += 1;
        if rejected {
            self.plan_own_retry(index);
        }
        key
    }

    /// Sets a task's status and what follows from it.
    fn set_status(&mut self, index: usize, status: Status, by: usize) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        task.status = status;
        task.updated_by = by;
        task.row_version += 1;
        if status.is_open() {
            task.finished = None;
            self.open.insert(index);
        } else {
            task.finished = Some(now);
            self.open.remove(&index);
        }
        self.version += 1;
        if status == Status::R {
            self.plan_own_retry(index);
        }
    }

    fn plan_own_retry(&mut self, index: usize) {
        let Some(job) = &self.timed_retry else { return };
        let task = &self.tasks[index];
        let definition = &self.definitions[task.definition];
        let name = &self.targets[definition.target].spec.name;
        let meant = job.targets.is_empty() || job.targets.contains(name);
        if definition.handler > 0 && meant && task.own_retries < job.count {
            let (key, at) = (task.key, self.now.saturating_add(job.period.0));
            self.queue(at, Pending::OwnRetry { key });
        }
    }

    fn own_retry(&mut self, key: u64) {
        let Some(&index) = self.task_by_key.get(&key) else {
            return;
        };
        if self.tasks[index].status == Status::R {
            self.tasks[index].own_retries += 1;
            let cause: Arc<str> = Arc::from("oig");
            // Refused only if the task is no longer rejected, which was just checked, or manual, which was checked when it was planned.
            let _ = self.retry(index, &cause, 0);
        }
    }

    /// A task that can still be read by its key.
    pub fn readable(&self, key: u64) -> Option<&Task> {
        let task = self.tasks.get(*self.task_by_key.get(&key)?)?;
        (!task.hidden && !self.is_forgotten(task)).then_some(task)
    }

    fn is_forgotten(&self, task: &Task) -> bool {
        task.forgotten
            || task
                .finished
                .is_some_and(|at| at.saturating_add(self.server.forget_after.0) <= self.now)
    }

    /// Indexes of the open tasks that a login's list shows and that `keep` lets through. `q` names the filter, for the cache.
    pub fn view(
        &mut self,
        login: usize,
        q: &str,
        keep: impl Fn(&World, &Task) -> bool,
    ) -> Arc<Vec<usize>> {
        let key = (login, q.to_owned());
        if let Some((version, rows)) = self.views.get(&key)
            && *version == self.version
        {
            return Arc::clone(rows);
        }
        let scope = self.scope(login);
        let rows: Vec<usize> = self
            .open
            .iter()
            .copied()
            .filter(|index| {
                let task = &self.tasks[*index];
                !task.hidden
                    && scope.as_ref().is_none_or(|own| own.contains(&task.owner))
                    && keep(self, task)
            })
            .collect();
        let rows = Arc::new(rows);
        if self.views.len() >= 64 {
            self.views.clear();
        }
        self.views.insert(key, (self.version, Arc::clone(&rows)));
        rows
    }

    /// The owners whose tasks a login sees; `None` = everybody's.
    fn scope(&self, login: usize) -> Option<Vec<Owner>> {
        if self.server.list_scope == super::scenario::ListScope::Everybody {
            return None;
        }
        let user = self.auth.user_of(login);
        let mut owners = vec![Owner::User(user)];
        owners.extend(
            self.roles
                .iter()
                .enumerate()
                .filter(|(_, role)| role.members.contains(&user))
                .map(|(index, _)| Owner::Role(index)),
        );
        Some(owners)
    }

    /// Whether a user is a system administrator.
    pub fn is_almighty(&self, login: &str) -> bool {
        self.auth.is_admin_named(login)
    }

    /// Whether a login may act on a task.
    pub fn may_act(&self, login: usize, task: &Task) -> bool {
        self.auth.is_admin(login)
            || self
                .scope(login)
                .is_none_or(|owners| owners.contains(&task.owner))
    }

    /// A task by index.
    pub fn task(&self, index: usize) -> Option<&Task> {
        self.tasks.get(index)
    }

    /// The definition of a task.
    pub fn definition_of(&self, task: &Task) -> &Definition {
        &self.definitions[task.definition]
    }

    /// The account of a task.
    pub fn account_of(&self, task: &Task) -> &Account {
        &self.accounts[task.account]
    }

    /// The target of a task.
    pub fn target_of(&self, task: &Task) -> &Target {
        &self.targets[self.accounts[task.account].target]
    }

    /// A user by index.
    pub fn user(&self, index: usize) -> &User {
        &self.users[index]
    }

    /// A role by index.
    pub fn role(&self, index: usize) -> &Role {
        &self.roles[index]
    }

    /// The connector runs so far.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// A process instance, and its tasks that can be read, oldest first.
    pub fn process(&self, key: u64) -> Option<(&Account, Vec<&Task>)> {
        let account = self.accounts.get(*self.account_by_key.get(&key)?)?;
        let others = account.tasks.iter();
        let tasks = account
            .made
            .iter()
            .chain(others.filter_map(|index| self.tasks.get(*index)))
            .filter(|task| !task.hidden && !self.is_forgotten(task))
            .filter(|task| task.status.is_open() || !self.traits.process_hides_finished)
            .collect();
        Some((account, tasks))
    }

    /// The definitions of an account's target.
    pub fn definitions_for(&self, account: &Account) -> Vec<&Definition> {
        self.definitions
            .iter()
            .filter(|definition| definition.target == account.target)
            .collect()
    }
}
