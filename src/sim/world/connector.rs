//! What a connector run does to a target: whether it works, its error text, and the effect that the oracle counts; it must never depend on the order of requests.

use std::sync::Arc;

use super::super::draw;
use super::super::time::Ms;
use super::texts;
use super::{Effect, Failure, Kind, State, Status, Task, World};

impl World {
    /// The state of a target at a time, windows and outside acts considered, and its capacity.
    pub fn state_at(&self, target: usize, at: Ms) -> (State, u64) {
        let target = &self.targets[target];
        let spec = &target.spec;
        let (mut state, mut capacity) = (spec.state, spec.capacity);
        for window in &spec.window {
            if window.from.at(self.start) <= at && at < window.to.at(self.start) {
                state = window.state;
                capacity = window.capacity.unwrap_or(spec.capacity);
            }
        }
        if let Some(forced) = target.forced {
            state = forced;
        }
        if state == State::Flapping {
            let period = spec.period.0.max(1);
            let even = (at - self.start).div_euclid(period).rem_euclid(2) == 0;
            state = if even { State::Up } else { State::Down };
        }
        (state, capacity)
    }

    /// The hidden id of a run: the same piece of work and ordinal always give the same id, until data
    /// are put back.
    pub(super) fn run_id(&self, root: u64, ordinal: u64) -> String {
        format!(
            "{:016x}",
            draw::hash(self.seed.wrapping_add(self.restored), &[1, root, ordinal])
        )
    }

    /// Runs the connector for a task and records the effect. Answers the error text if it failed.
    pub(super) fn run(
        &mut self,
        task: &Task,
        acted_on: u64,
        ordinal: u64,
        cause: &Arc<str>,
    ) -> Result<(), String> {
        let definition = &self.definitions[task.definition];
        let (kind, target_index) = (definition.kind, definition.target);
        let failure = self.failure_of(task, kind, target_index, ordinal);
        let (mut stale, mut overtaken) = (false, false);
        if failure.is_none() {
            stale = self.is_stale(task, kind);
            overtaken = self.take_effect(task, kind);
        }
        let effect = Effect {
            run: self.run_id(task.root, ordinal),
            at: self.now,
            task: acted_on,
            root: task.root,
            account: task.account,
            definition: task.definition,
            item: task.child.clone().or_else(|| task.value.clone()),
            caused_by: Arc::clone(cause),
            failure,
            stale,
            overtaken,
        };
        self.effects.push(effect);
        match failure {
            None => Ok(()),
            Some(failure) => Err(self.text_for(task, failure, ordinal)),
        }
    }

    /// The error text of a failure of a task, `ordinal` telling one run's from the next one's.
    pub(super) fn text_for(&self, task: &Task, failure: Failure, ordinal: u64) -> String {
        let account = &self.accounts[task.account];
        let target = &self.targets[account.target];
        texts::text(
            target.spec.connector,
            failure,
            draw::hash(self.seed, &[2, task.root, ordinal]),
            &self.users[account.user].login,
            task.child
                .as_deref()
                .or(task.value.as_deref())
                .unwrap_or("entry"),
            &target.spec.name,
        )
    }

    fn failure_of(
        &mut self,
        task: &Task,
        kind: Kind,
        target_index: usize,
        ordinal: u64,
    ) -> Option<Failure> {
        let (state, capacity) = self.state_at(target_index, self.now);
        match state {
            State::Down => return Some(Failure::Network),
            State::Retired => return Some(Failure::Timeout),
            State::Credential => return Some(Failure::Credential),
            State::Up | State::Recovering | State::Flapping => {}
        }
        let minute = self.now.div_euclid(60_000);
        let target = &mut self.targets[target_index];
        if target.minute.0 != minute {
            target.minute = (minute, 0);
        }
        target.minute.1 += 1;
        if capacity > 0 && target.minute.1 > capacity {
            return Some(Failure::Throttle);
        }
        if let Some(failure) = task.failure
            && (!failure.heals() || ordinal <= u64::from(task.heals_after))
        {
            return Some(failure);
        }
        let account = &self.accounts[task.account];
        match kind {
            Kind::Create if account.exists => return Some(Failure::Duplicate),
            Kind::Grant | Kind::Change | Kind::Enable | Kind::Password if !account.exists => {
                return Some(Failure::NotFound);
            }
            _ => {}
        }
        let rate = self.targets[target_index].spec.error_rate;
        let chance = draw::hash(self.seed, &[3, task.root, ordinal]);
        if rate > 0.0 && draw::share(chance) < rate {
            return Some(if chance & 1 == 0 {
                Failure::Lock
            } else {
                Failure::Network
            });
        }
        None
    }

    /// Whether this work would give access that must not be given any more.
    pub(super) fn is_stale(&self, task: &Task, kind: Kind) -> bool {
        if !kind.gives() {
            return false;
        }
        let account = &self.accounts[task.account];
        let later = |since: Ms| since >= task.origin;
        !self.users[account.user].is_active()
            || account.off_since.is_some_and(later)
            || task
                .child
                .as_deref()
                .and_then(|child| account.taken.get(child))
                .is_some_and(|since| later(*since))
    }

    /// Changes the account. Answers whether it overwrote what had been ordered later.
    pub(super) fn take_effect(&mut self, task: &Task, kind: Kind) -> bool {
        let name = Arc::clone(&self.definitions[task.definition].name);
        let account = &mut self.accounts[task.account];
        match kind {
            Kind::Create => (account.exists, account.off) = (true, None),
            Kind::Enable => account.off = None,
            Kind::Disable => {
                account.off_since = Some(task.origin);
                account.off = Some("Disabled");
            }
            Kind::Revoke => {
                if let Some(child) = &task.child {
                    account.taken.insert(child.to_string(), task.origin);
                } else {
                    account.off_since = Some(task.origin);
                    // one that takes a row without naming it leaves the account on
                    if ["Delete", "Revoke"]
                        .iter()
                        .any(|word| name.starts_with(word))
                    {
                        account.off = Some("Revoked");
                    }
                }
            }
            Kind::Change => {
                let value = task.value.as_deref().unwrap_or_default().to_owned();
                let before = account
                    .attributes
                    .insert(name.to_string(), (task.origin, value));
                return before.is_some_and(|(origin, _)| origin > task.origin);
            }
            Kind::Grant | Kind::Password | Kind::Notify | Kind::Other => {}
        }
        false
    }

    /// The connector of a pending task runs now.
    pub(super) fn run_pending(&mut self, key: u64, ordinal: u64, cause: &Arc<str>) {
        let Some(&index) = self.task_by_key.get(&key) else {
            return;
        };
        let waits = &self.tasks[index];
        if waits.status != Status::P || waits.ordinal != ordinal {
            return;
        }
        let task = waits.clone();
        let result = self.run(&task, key, ordinal, cause);
        self.finish_run(index, result);
    }

    /// Writes the result of a run into its task.
    pub(super) fn finish_run(&mut self, index: usize, result: Result<(), String>) {
        let status = match result {
            Ok(()) => {
                self.tasks[index].reason = Box::from("");
                self.tasks[index].data = Box::from("SUCCESS");
                Status::C
            }
            Err(text) => {
                self.tasks[index].reason = text.into();
                self.tasks[index].data = Box::from("ERROR");
                Status::R
            }
        };
        self.set_status(index, status, 0);
    }
}
