//! What a PUT does to tasks: retry, reassign, notes, responses, manual completion; each item by itself, with the documented refusals; it must never look at how the request was sent.

use std::sync::Arc;

use serde_json::Value;

use super::{Owner, Pending, RunMode, State, Status, Task, World};

/// The one refusal text that the documentation shows.
pub const NOT_AUTOMATED: &str =
    "This task is not automated. If task is completed, set status to UC.";

/// One item of a PUT.
#[derive(Debug, Clone, Default)]
pub struct ItemRequest {
    /// Task key as sent.
    pub id: String,
    /// The action word; none = a field update (11.1.2.3).
    pub action: Option<String>,
    /// The fields, names as sent.
    pub fields: Vec<(String, Value)>,
    /// Echoed when sent.
    pub request_id: Option<Value>,
}

impl ItemRequest {
    fn field(&self, name: &str) -> Option<String> {
        let value = &self
            .fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?
            .1;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }
}

/// Why an item was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such task, or not any more: 404 for a single one.
    Missing,
    /// Not the caller's: 403 for a single one.
    Forbidden,
    /// The request makes no sense: 400 for a single one.
    Wrong(String),
    /// The server can't do it: a FAIL item.
    Fail(String),
}

impl Refusal {
    /// The sentence in `reason`.
    pub fn reason(&self) -> String {
        match self {
            Refusal::Missing => "The task does not exist or is not open.".to_owned(),
            Refusal::Forbidden => {
                "You are not authorized to perform this operation on the task.".to_owned()
            }
            Refusal::Wrong(text) | Refusal::Fail(text) => text.clone(),
        }
    }
}

/// What became of one item.
#[derive(Debug, Clone)]
pub struct ItemResult {
    /// Task key as sent.
    pub id: String,
    /// The action word as sent.
    pub action: Option<String>,
    /// Echo.
    pub request_id: Option<Value>,
    /// Why not.
    pub refusal: Option<Refusal>,
    /// Hidden ids of the runs that it caused or will cause.
    pub runs: Vec<String>,
    /// Wall milliseconds that it held up the answer.
    pub wait_ms: u64,
}

impl World {
    /// Carries out one item of a PUT for a login. `cause` goes into the effects.
    pub fn act_on(&mut self, login: usize, item: &ItemRequest, cause: &Arc<str>) -> ItemResult {
        let outcome = self.try_item(login, item, cause);
        let (refusal, runs, wait_ms) = match outcome {
            Ok((runs, wait_ms)) => (None, runs, wait_ms),
            Err(refusal) => (Some(refusal), Vec::new(), 0),
        };
        ItemResult {
            id: item.id.clone(),
            action: item.action.clone(),
            request_id: item.request_id.clone(),
            refusal,
            runs,
            wait_ms,
        }
    }

    fn try_item(
        &mut self,
        login: usize,
        item: &ItemRequest,
        cause: &Arc<str>,
    ) -> Result<(Vec<String>, u64), Refusal> {
        let key: u64 = item.id.trim().parse().map_err(|_| Refusal::Missing)?;
        let index = *self.task_by_key.get(&key).ok_or(Refusal::Missing)?;
        if self.readable(key).is_none() {
            return Err(Refusal::Missing);
        }
        if !self.may_act(login, &self.tasks[index]) {
            return Err(Refusal::Forbidden);
        }
        let by = self.auth.user_of(login);
        let action = item
            .action
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        match action.as_str() {
            "retry" => self
                .retry(index, cause, by)
                .map(|(run, wait)| (vec![run], wait))
                .map_err(Refusal::Fail),
            "reassign" => self.reassign_item(index, item, by),
            "setnote" => {
                let note = item
                    .field("Process Instance.Task Details.Note")
                    .ok_or_else(|| Refusal::Wrong("Note is missing.".to_owned()))?;
                self.tasks[index].note = note.into();
                self.touch(index, by);
                Ok((Vec::new(), 0))
            }
            "setresponse" => self.respond_item(index, item, by),
            "manualcomplete" => {
                if !self.tasks[index].status.is_open() {
                    return Err(self.not_open(index));
                }
                self.set_status(index, Status::Mc, by);
                Ok((Vec::new(), 0))
            }
            "" => {
                for (name, value) in &item.fields {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    if name.eq_ignore_ascii_case("Process Instance.Task Details.Note") {
                        self.tasks[index].note = text.into();
                    }
                }
                self.touch(index, by);
                Ok((Vec::new(), 0))
            }
            other => Err(Refusal::Wrong(format!("Invalid action: {other}"))),
        }
    }

    fn not_open(&self, index: usize) -> Refusal {
        Refusal::Fail(format!(
            "The task is already finished. Current status: {}",
            self.tasks[index].status.word()
        ))
    }

    pub(super) fn touch(&mut self, index: usize, by: usize) {
        self.tasks[index].row_version += 1;
        self.tasks[index].updated_by = by;
        self.version += 1;
    }

    fn reassign_item(
        &mut self,
        index: usize,
        item: &ItemRequest,
        by: usize,
    ) -> Result<(Vec<String>, u64), Refusal> {
        let wrong = |text: &str| Refusal::Wrong(text.to_owned());
        let assignee = item
            .field("assignee")
            .ok_or_else(|| wrong("assignee is missing."))?;
        let kind = item
            .field("type")
            .ok_or_else(|| wrong("type is missing."))?;
        if !self.tasks[index].status.is_open() {
            return Err(self.not_open(index));
        }
        let key: u64 = assignee
            .trim()
            .parse()
            .map_err(|_| wrong("assignee is not a key."))?;
        let unknown = || Refusal::Fail(format!("The assignee {key} does not exist."));
        let owner = match kind.to_ascii_lowercase().as_str() {
            "user" => Owner::User(*self.user_by_key.get(&key).ok_or_else(unknown)?),
            "role" | "group" => Owner::Role(*self.role_by_key.get(&key).ok_or_else(unknown)?),
            other => return Err(Refusal::Wrong(format!("Invalid assignee type: {other}"))),
        };
        self.give_to(index, owner, by);
        Ok((Vec::new(), 0))
    }

    /// Hands a task over. The server allows what a careful client would not; the truth remembers it.
    pub(super) fn give_to(&mut self, index: usize, owner: Owner, by: usize) {
        let beneficiary = self.accounts[self.tasks[index].account].user;
        if let Owner::User(user) = owner {
            let key = self.tasks[index].key;
            if !self.users[user].is_active() {
                self.bad_owners.push((key, "inactive"));
            }
            if user == beneficiary {
                self.bad_owners.push((key, "beneficiary"));
            }
        }
        self.tasks[index].owner = owner;
        self.tasks[index].assign_type = match owner {
            Owner::User(_) => "User",
            Owner::Role(_) => "Group",
        };
        self.touch(index, by);
    }

    fn respond_item(
        &mut self,
        index: usize,
        item: &ItemRequest,
        by: usize,
    ) -> Result<(Vec<String>, u64), Refusal> {
        let response = item
            .field("Process Definition.Tasks.Responses.Response")
            .ok_or_else(|| Refusal::Wrong("Response is missing.".to_owned()))?;
        if !self.tasks[index].status.is_open() {
            return Err(self.not_open(index));
        }
        let known = &self.definitions[self.tasks[index].definition].responses;
        if !known
            .iter()
            .any(|code| code.eq_ignore_ascii_case(&response))
        {
            return Err(Refusal::Fail(format!(
                "The response {response} is not defined for this task."
            )));
        }
        let status = if response.eq_ignore_ascii_case("SUCCESS")
            || response.eq_ignore_ascii_case("COMPLETED")
        {
            Status::C
        } else {
            Status::R
        };
        self.tasks[index].data = response.into();
        self.set_status(index, status, by);
        Ok((Vec::new(), 0))
    }

    /// Retries a rejected task: the old instance becomes UC and a new one comes. Answers the run's hidden id and the wall time that the call takes; the error is OIG's reason.
    pub(super) fn retry(
        &mut self,
        index: usize,
        cause: &Arc<str>,
        by: usize,
    ) -> Result<(String, u64), String> {
        let task = self.tasks[index].clone();
        if self.definitions[task.definition].handler == 0 {
            return Err(NOT_AUTOMATED.to_owned());
        }
        let account = &self.accounts[task.account];
        let lenient = self.targets[account.target].spec.retries_anything;
        if task.status != Status::R && !lenient {
            return Err(format!(
                "The task cannot be retried. Current status: {}",
                task.status.word()
            ));
        }
        // the same id retried twice is the same run ordered twice
        let ordinal = task.ordinal + 1;
        let run = self.run_id(task.root, ordinal);
        let target_index = self.accounts[task.account].target;
        let retired = self.state_at(target_index, self.now).0 == State::Retired;
        let spec = self.targets[target_index].spec.clone();
        let later = if retired {
            spec.timeout.0.max(spec.later.0)
        } else {
            spec.later.0
        };
        if spec.same_id {
            self.tasks[index].ordinal = ordinal;
            self.tasks[index].restarted = Some(self.now);
            self.set_status(index, Status::P, by);
            if spec.run == RunMode::InCall {
                let result = self.run(&task, task.key, ordinal, cause);
                self.finish_run(index, result);
            } else {
                let at = self.now.saturating_add(later);
                self.queue(
                    at,
                    Pending::Run {
                        key: task.key,
                        ordinal,
                        cause: Arc::clone(cause),
                    },
                );
            }
            return Ok((run, spec.call_ms));
        }
        if task.status.is_open() {
            self.set_status(index, Status::Uc, by);
        }
        let mut successor = self.successor_of(&task, ordinal, &spec);
        let run_after = if spec.run == RunMode::InCall {
            match self.run(&task, task.key, ordinal, cause) {
                Ok(()) => {
                    successor.status = Status::C;
                    successor.finished = Some(self.now);
                    successor.data = Box::from("SUCCESS");
                    successor.reason = Box::from("");
                }
                Err(text) => {
                    successor.status = Status::R;
                    successor.data = Box::from("ERROR");
                    successor.reason = text.into();
                }
            }
            None
        } else {
            Some((later, Arc::clone(cause)))
        };
        let appear = Pending::Appear {
            task: Box::new(successor),
            run: run_after,
        };
        if spec.successor_delay.0 > 0 {
            self.queue(self.now.saturating_add(spec.successor_delay.0), appear);
        } else {
            self.fire(appear);
        }
        Ok((run, spec.call_ms))
    }

    fn successor_of(
        &self,
        task: &Task,
        ordinal: u64,
        spec: &super::super::scenario::TargetSpec,
    ) -> Task {
        Task {
            key: 0,
            status: Status::P,
            reason: Box::from(""),
            data: Box::from(""),
            note: Box::from(""),
            created: self.now.saturating_add(spec.successor_delay.0),
            ordinal,
            retry_of: spec.link_successor.then_some(task.key),
            restarted: None,
            hidden: task.hidden || spec.successor_hidden,
            updated_by: 0,
            row_version: 1,
            finished: None,
            forgotten: false,
            ..task.clone()
        }
    }
}
