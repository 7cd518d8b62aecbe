//! What really is: the counts and rows by which tests judge a client; it must never be shown on an OIG path.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::time::{stamp, stamp_ms};
use super::{Effect, Kind, State, Status, Task, World};

impl World {
    /// Whether a rejected task would heal if it were retried now, as far as the world knows.
    pub fn could_heal(&self, task: &Task) -> bool {
        let definition = &self.definitions[task.definition];
        let account = &self.accounts[task.account];
        let (state, _) = self.state_at(account.target, self.now);
        let waits =
            matches!(definition.kind, Kind::Grant | Kind::Change | Kind::Enable) && !account.exists;
        definition.handler > 0
            && !task.hidden
            && matches!(state, State::Up | State::Recovering)
            && task.failure.is_none_or(super::Failure::heals)
            && !matches!(definition.kind, Kind::Password | Kind::Notify | Kind::Other)
            && !self.is_stale(task, definition.kind)
            && (!waits || self.creation_is_open(task))
            && !(definition.kind == Kind::Create && account.exists)
    }

    fn creation_is_open(&self, task: &Task) -> bool {
        self.accounts[task.account].tasks.iter().any(|index| {
            let other = &self.tasks[*index];
            other.status.is_open()
                && self.definitions[other.definition].kind == Kind::Create
                && other.failure.is_none_or(super::Failure::heals)
        })
    }

    /// The whole truth, or, `brief`, only its counts.
    pub fn truth(&self, brief: bool) -> Value {
        let mut latest: HashMap<u64, &Task> = HashMap::new();
        let mut by_status: BTreeMap<&str, u64> = BTreeMap::new();
        for task in &self.tasks {
            *by_status.entry(task.status.code()).or_default() += 1;
            let entry = latest.entry(task.root).or_insert(task);
            if entry.ordinal < task.ordinal {
                *entry = task;
            }
        }
        let mut summary = BTreeMap::new();
        let count = |keep: &dyn Fn(&Task) -> bool| {
            latest
                .values()
                .fold(0u64, |n, task| n + u64::from(keep(task)))
        };
        summary.insert("rejected_at_start", self.rejected_at_start);
        summary.insert("lineages", count(&|_| true));
        summary.insert("open", count(&|task| task.status.is_open()));
        summary.insert("rejected", count(&|task| task.status == Status::R));
        // Healable and not healed: what a client that is alive has brought to zero at the end.
        summary.insert(
            "healable_open",
            count(&|task| task.status == Status::R && self.could_heal(task)),
        );
        summary.insert(
            "healed",
            count(&|task| task.status == Status::C && task.ordinal > 0),
        );
        summary.insert("manual_completed", count(&|task| task.status == Status::Mc));
        summary.insert(
            "owned_by_inactive",
            count(&|task| {
                task.status.is_open()
                    && matches!(task.owner, super::Owner::User(user) if !self.users[user].is_active())
            }),
        );
        self.count_effects(&mut summary);
        summary.insert("given_to_inactive", self.bad_owner_count("inactive"));
        summary.insert("given_to_beneficiary", self.bad_owner_count("beneficiary"));
        let mut answer = json!({
            "now": stamp_ms(self.now),
            "seed": self.seed,
            "summary": summary,
            "by_status": by_status,
            "by_target": self.by_target(&latest),
            "locks": self.auth.locks().map(|(login, locked, failures)| json!({"login": login, "locked": locked, "failures": failures})).collect::<Vec<_>>(),
        });
        if !brief {
            answer["tasks"] = self
                .tasks
                .iter()
                .map(|task| self.task_truth(task))
                .collect();
            answer["accounts"] = self
                .accounts
                .iter()
                .map(|account| {
                    json!({
                        "process": account.key, "target": self.targets[account.target].spec.name,
                        "user": &*self.users[account.user].login, "exists": account.exists,
                        "off": account.off_since.is_some(),
                        "attributes": account.attributes.iter().map(|(name, (_, value))| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
                    })
                })
                .collect();
            answer["users"] = self
                .users
                .iter()
                .map(|user| json!({"key": user.key, "login": &*user.login, "status": user.status}))
                .collect();
            answer["roles"] = self
                .roles
                .iter()
                .map(|role| {
                    let members = role.members.iter().filter_map(|at| self.users.get(*at));
                    let members: Vec<&str> = members.map(|user| &*user.login).collect();
                    json!({"key": role.key, "name": &*role.name, "members": members})
                })
                .collect();
            answer["effects"] = self
                .effects
                .iter()
                .map(|effect| self.effect_truth(effect))
                .collect();
        }
        answer
    }

    fn bad_owner_count(&self, why: &str) -> u64 {
        self.bad_owners
            .iter()
            .fold(0, |n, (_, known)| n + u64::from(*known == why))
    }

    fn count_effects(&self, summary: &mut BTreeMap<&'static str, u64>) {
        let mut good: HashMap<(u64, &str), u64> = HashMap::new();
        let mut runs: HashMap<&str, u64> = HashMap::new();
        let mut tries: HashMap<u64, u64> = HashMap::new();
        let (mut ok, mut stale, mut overtaken, mut own) = (0u64, 0u64, 0u64, 0u64);
        let mut to_inactive = 0u64;
        for effect in &self.effects {
            *runs.entry(&effect.run).or_default() += 1;
            *tries.entry(effect.root).or_default() += 1;
            own += u64::from(&*effect.caused_by == "oig" || &*effect.caused_by == "admin");
            if effect.failure.is_none() {
                ok += 1;
                *good
                    .entry((effect.root, effect.item.as_deref().unwrap_or_default()))
                    .or_default() += 1;
            }
            stale += u64::from(effect.stale);
            let gives = self.definitions[effect.definition].kind.gives();
            let inactive = !self.users[self.accounts[effect.account].user].is_active();
            to_inactive += u64::from(effect.failure.is_none() && gives && inactive);
            overtaken += u64::from(effect.overtaken);
        }
        let total = self.effects.iter().fold(0u64, |n, _| n + 1);
        summary.insert("effects", total);
        summary.insert("effects_ok", ok);
        summary.insert("effects_failed", total - ok);
        summary.insert("effects_not_by_client", own);
        summary.insert("stale_effects", stale);
        // People who became inactive after the effect count as well; tests that let people leave look at `stale_effects`.
        summary.insert("effects_to_inactive", to_inactive);
        summary.insert("overtaken_effects", overtaken);
        summary.insert(
            "effected_twice",
            good.values().fold(0, |n, times| n + u64::from(*times > 1)),
        );
        summary.insert(
            "runs_twice",
            runs.values().fold(0, |n, times| n + u64::from(*times > 1)),
        );
        summary.insert(
            "most_runs_of_one",
            tries.values().copied().max().unwrap_or(0),
        );
    }

    fn by_target(&self, latest: &HashMap<u64, &Task>) -> Value {
        let mut rows: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for task in latest.values() {
            let row = rows.entry(&self.target_of(task).spec.name).or_default();
            *row.entry(task.status.code()).or_default() += 1;
            if task.status == Status::C && task.ordinal > 0 {
                *row.entry("healed").or_default() += 1;
            }
            if task.status == Status::R && self.could_heal(task) {
                *row.entry("healable_open").or_default() += 1;
            }
        }
        let rows: serde_json::Map<String, Value> = rows
            .into_iter()
            .map(|(name, row)| {
                let state = self
                    .targets
                    .iter()
                    .position(|target| target.spec.name == name)
                    .map_or("", |index| self.state_at(index, self.now).0.word());
                (name.to_owned(), json!({"state": state, "tasks": row}))
            })
            .collect();
        Value::Object(rows)
    }

    fn task_truth(&self, task: &Task) -> Value {
        let account = &self.accounts[task.account];
        let definition = &self.definitions[task.definition];
        let owner = match task.owner {
            super::Owner::User(user) => format!("user:{}", self.users[user].login),
            super::Owner::Role(role) => format!("role:{}", self.roles[role].name),
        };
        json!({
            "id": task.key, "root": task.root, "ordinal": task.ordinal, "process": account.key,
            "target": self.targets[account.target].spec.name, "definition": &*definition.name,
            "definition_key": definition.key, "kind": definition.kind.word(),
            "automated": definition.handler > 0, "status": task.status.code(), "owner": owner,
            "beneficiary": &*self.users[account.user].login, "hidden": task.hidden,
            "failure": task.failure.map(super::Failure::word), "reason": &*task.reason, "note": &*task.note,
            "child": task.child.as_deref(), "value": task.value.as_deref(),
            "created": stamp(task.created), "origin": stamp(task.origin),
            "stale": self.is_stale(task, definition.kind),
            "retry_of": task.retry_of,
            "could_heal": task.status == Status::R && self.could_heal(task),
        })
    }

    /// One effect, as journal and truth show it.
    pub fn effect_truth(&self, effect: &Effect) -> Value {
        let account = &self.accounts[effect.account];
        let definition = &self.definitions[effect.definition];
        json!({
            "type": "effect", "run": effect.run, "at": stamp_ms(effect.at), "task": effect.task.to_string(),
            "root": effect.root.to_string(), "process": account.key,
            "target": self.targets[account.target].spec.name, "definition": &*definition.name,
            "kind": definition.kind.word(), "item": effect.item.as_deref(),
            "beneficiary": &*self.users[account.user].login, "caused_by": &*effect.caused_by,
            "ok": effect.failure.is_none(), "error": effect.failure.map(super::Failure::word),
            "stale": effect.stale, "overtaken": effect.overtaken,
        })
    }
}
