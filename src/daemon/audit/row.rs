//! One thing that was decided, ordered, sent or told, in words and with stable names, for people who check what was done; pure, and no secret can be in it.

use serde::Serialize;

use super::super::describe::verdict_text;
use super::about::Known;
use super::cell::{action_of, answer_of, values};
use crate::daily::NAMED;
use crate::ledger::record::{Actor, Event, EventBody, RewriteWhy};
use crate::model::{Action, ActionName, Digest, LineageId, Scope, TargetName};

/// A row of the export; empty where something does not apply.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Row {
    /// The record.
    pub record: u64,
    /// When.
    pub at: String,
    /// What sort of event.
    pub event: &'static str,
    /// Who: `daemon`, `provtaskd itself`, or a uid.
    pub actor: String,
    /// The OIG login that acted or was asked for; of a decision, the one whose list showed the task.
    pub login: String,
    /// The policy set in force.
    pub policy_set: String,
    /// OIG's id of the task.
    pub task: String,
    /// Our id of the piece of work.
    pub lineage: String,
    /// Which attempt of it.
    pub attempt: String,
    /// For whom.
    pub user: String,
    /// On which target.
    pub target: String,
    /// Which definition.
    pub definition: String,
    /// What is to be done.
    pub action: String,
    /// What was decided, answered, told or ordered.
    pub result: String,
    /// The rule, e.g. `30-retry.rhai:14`.
    pub rule: String,
    /// Why: the policy's, OIG's or the person's words, or what holds it back.
    pub reason: String,
    /// Values that it rests on.
    pub values: String,
    /// The request that carried it, as in OIG's access log (`X-Request-ID`).
    pub batch: String,
    /// Digest of what the policy saw.
    pub inputs: String,
    /// Pieces of work that it is about; none: it is about a target, or everything.
    #[serde(skip)]
    pub(super) about: Option<LineageId>,
    /// It holds for everything.
    #[serde(skip)]
    pub(super) general: bool,
}

/// The names of the columns, in order.
pub const COLUMNS: [&str; 19] = [
    "record",
    "at",
    "event",
    "actor",
    "login",
    "policy_set",
    "task",
    "lineage",
    "attempt",
    "user",
    "target",
    "definition",
    "action",
    "result",
    "rule",
    "reason",
    "values",
    "batch",
    "inputs",
];

impl Row {
    /// The cells, in the order of [`COLUMNS`].
    pub fn cells(&self) -> [String; 19] {
        [
            self.record.to_string(),
            self.at.clone(),
            self.event.to_owned(),
            self.actor.clone(),
            self.login.clone(),
            self.policy_set.clone(),
            self.task.clone(),
            self.lineage.clone(),
            self.attempt.clone(),
            self.user.clone(),
            self.target.clone(),
            self.definition.clone(),
            self.action.clone(),
            self.result.clone(),
            self.rule.clone(),
            self.reason.clone(),
            self.values.clone(),
            self.batch.clone(),
            self.inputs.clone(),
        ]
    }

    fn of_lineage(mut self, known: &Known, lineage: LineageId) -> Self {
        self.lineage = lineage.to_string();
        self.about = Some(lineage);
        if let Some(about) = known.of(lineage) {
            let text = |of: Option<String>| of.unwrap_or_default();
            self.user = text(about.user.as_ref().map(ToString::to_string));
            self.target = text(about.target.as_ref().map(ToString::to_string));
            self.definition = text(about.definition.as_ref().map(ToString::to_string));
            self.task = text(about.task.as_ref().map(ToString::to_string));
        }
        self
    }

    /// What it is about, for people: the task with its definition and target, else what stands for many;
    /// empty where it holds for everything.
    pub(super) fn subject(&self) -> String {
        let mut what = match (self.task.as_str(), self.lineage.as_str()) {
            ("", "") => String::new(),
            ("", lineage) => lineage.to_owned(),
            (task, _) => format!("task {task}"),
        };
        let mut add = |before: &str, more: &str| {
            if !more.is_empty() {
                what.push_str(if what.is_empty() { "" } else { before });
                what.push_str(more);
            }
        };
        add(", ", &self.definition);
        if self.task.is_empty() && self.definition.is_empty() {
            add(", ", &self.action);
        }
        add(" on ", &self.target);
        if let Some((_, tasks)) = self.values.split_once("tasks=") {
            let mut tasks = tasks.split(' ');
            let named: Vec<&str> = tasks.by_ref().take(NAMED).collect();
            add(": tasks ", &named.join(" "));
            match tasks.count() {
                0 => {}
                more => add("", &format!(" and {more} more")),
            }
        }
        what
    }
}

/// The rows of an event; none where it only takes in what was read, or is the ledger's own.
pub(super) fn rows(event: Event, known: &Known) -> Vec<Row> {
    let bare = Row {
        record: event.seq,
        at: event.at.to_string(),
        actor: match &event.actor {
            Actor::Daemon => "daemon".to_owned(),
            Actor::System => "provtaskd itself".to_owned(),
            Actor::Person { name, .. } => name.to_string(),
        },
        login: event
            .login
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        policy_set: event
            .policy
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        ..Row::default()
    };
    let one = |event: &'static str, result: &str, reason: &str| Row {
        event,
        result: result.to_owned(),
        reason: reason.to_owned(),
        general: true,
        ..bare.clone()
    };
    match event.body {
        EventBody::Decided { items } => items
            .into_iter()
            .map(|item| {
                let mut row = bare.clone().of_lineage(known, item.lineage);
                row.event = "decision";
                if let (true, Some(seer)) = (row.login.is_empty(), known.seer(item.lineage)) {
                    row.login = seer.to_string();
                }
                row.policy_set = item.hash.to_string();
                row.task = item.task.to_string();
                row.action = action_of(item.verdict.as_ref());
                row.result = verdict_text(item.verdict.as_ref());
                row.rule = match (&item.policy, item.line) {
                    (Some(policy), Some(line)) => format!("{policy}:{line}"),
                    (Some(policy), None) => policy.to_string(),
                    (None, _) => String::new(),
                };
                row.reason = match (&item.fault, &item.refusal) {
                    (Some(fault), _) => format!("the policy failed: {fault}"),
                    (None, Some(refusal)) => format!("not done now: {}", refusal.reason),
                    (None, None) => String::new(),
                };
                row.values = values(&item.read, item.refusal.as_ref(), item.relook);
                row.inputs = item.inputs.to_string();
                row
            })
            .collect(),
        EventBody::Claims {
            batch,
            action,
            items,
            target,
        } => items
            .into_iter()
            .map(|item| {
                let mut row = bare.clone().of_lineage(known, item.lineage);
                row.event = "claim";
                row.task = item.task.to_string();
                row.attempt = item.ordinal.to_string();
                row.target = target.to_string();
                row.action = action.to_string();
                row.result = match &item.action {
                    Action::Reassign { to } => format!("claimed: reassign to {to}"),
                    Action::SetResponse { code } => format!("claimed: response {code}"),
                    other => format!("claimed: {}", other.name()),
                };
                row.rule = item
                    .policy
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                row.batch = batch.to_string();
                row.values = values(&item.rests, None, None);
                row.inputs = item.inputs.to_string();
                row
            })
            .collect(),
        EventBody::Receipts {
            batch,
            took_ms,
            items,
        } => items
            .into_iter()
            .map(|item| {
                let mut row = bare.clone().of_lineage(known, item.lineage);
                if let Some(sent) = known.sent(&batch) {
                    row.action = sent.action.to_owned();
                    if let (true, Some(login)) = (row.login.is_empty(), &sent.login) {
                        row.login = login.to_string();
                    }
                    if let (true, Some(policy)) = (row.policy_set.is_empty(), &sent.policy) {
                        row.policy_set = policy.to_string();
                    }
                }
                row.event = "receipt";
                row.task = item.task.to_string();
                row.attempt = item.ordinal.to_string();
                let (word, reason) = answer_of(&item.status);
                (row.result, row.reason) = (word.to_owned(), reason.to_owned());
                row.values = format!("took_ms={took_ms}");
                row.batch = batch.to_string();
                row
            })
            .collect(),
        EventBody::Outcomes { items } => items
            .into_iter()
            .map(|item| {
                let mut row = bare.clone().of_lineage(known, item.lineage);
                row.event = "outcome";
                if let Some(batch) = known.batch_of(item.lineage, item.ordinal) {
                    row.batch = batch.to_string();
                    if let Some(sent) = known.sent(batch) {
                        row.action = sent.action.to_owned();
                        if let (true, Some(login)) = (row.login.is_empty(), &sent.login) {
                            row.login = login.to_string();
                        }
                    }
                }
                if let Some(task) = &item.task {
                    row.task = task.to_string();
                }
                row.attempt = item.ordinal.to_string();
                row.result = item.event.as_str().to_owned();
                row.reason = item
                    .evidence
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                row
            })
            .collect(),
        EventBody::EpisodeReset { lineage, reason } => {
            let row = one("reset", "attempts count from zero again", &reason);
            vec![about_one(row, known, lineage)]
        }
        EventBody::OrderReleased {
            lineage,
            task,
            release,
            reason,
        } => {
            let result = format!(
                "need not wait for task {}, {} ({}), until {:.0}",
                release.other, release.status, release.reason, release.until
            );
            let mut row = about_one(one("order_release", &result, &reason), known, lineage);
            row.task = task.to_string();
            vec![row]
        }
        EventBody::JustificationClaimed {
            batch,
            lineage,
            ordinal,
            task,
            target: _,
            line,
        } => {
            let row = one("note_claim", "a line for the task's note", &line);
            let mut row = about_one(row, known, lineage);
            row.action = ActionName::SetNote.to_string();
            (row.task, row.attempt) = (task.to_string(), ordinal.to_string());
            row.batch = batch.to_string();
            vec![row]
        }
        EventBody::JustificationEnded {
            batch,
            lineage,
            ordinal,
            task,
            status,
            seen,
        } => {
            let (word, reason) = answer_of(&status);
            let result = if seen {
                format!("{word}, and read back")
            } else {
                word.to_owned()
            };
            let mut row = about_one(one("note_answer", &result, reason), known, lineage);
            row.action = ActionName::SetNote.to_string();
            (row.task, row.attempt) = (task.to_string(), ordinal.to_string());
            row.batch = batch.to_string();
            vec![row]
        }
        EventBody::BaselineHeld { lineages } => lineages
            .into_iter()
            .map(|lineage| {
                let row = one("backlog", "only observed: it waits for a release", "");
                about_one(row, known, lineage)
            })
            .collect(),
        EventBody::BaselineReleased { lineages, reason } => lineages
            .into_iter()
            .map(|lineage| {
                let row = one("backlog_release", "released from the old backlog", &reason);
                about_one(row, known, lineage)
            })
            .collect(),
        EventBody::LineagesLeft {
            lineages,
            lost,
            reason,
        } => lineages
            .into_iter()
            .map(|lineage| {
                let row = match (&reason, lost) {
                    (Some(reason), _) => one("left_noted", "taken note of", reason),
                    (None, false) => one("left", "in no list any more; why is not known", ""),
                    (None, true) => one(
                        "left",
                        "in no list any more; an attempt of the lost interval may have ended it",
                        "",
                    ),
                };
                about_one(row, known, lineage)
            })
            .collect(),
        EventBody::IdsReused { items } => items
            .into_iter()
            .map(|item| {
                let row = one("id_reused", "its id is another task now", &item.why);
                let mut row = about_one(row, known, item.lineage);
                row.task = item.task.to_string();
                row
            })
            .collect(),
        other => general(other, &one, known).into_iter().collect(),
    }
}

fn about_one(row: Row, known: &Known, lineage: LineageId) -> Row {
    let mut row = row.of_lineage(known, lineage);
    row.general = false;
    row
}

/// What is about a target, a definition or everything.
fn general(
    body: EventBody,
    one: &dyn Fn(&'static str, &str, &str) -> Row,
    known: &Known,
) -> Option<Row> {
    let on = |mut row: Row, target: &TargetName| {
        row.target = target.to_string();
        row.general = false;
        row
    };
    Some(match body {
        EventBody::PolicySeen { hash, sources } => {
            let mut row = one(
                "policy_loaded",
                &format!("policy set {hash} is in force"),
                "",
            );
            row.policy_set = hash.to_string();
            row.inputs = sources.to_string();
            row
        }
        EventBody::PolicyReleased { hash, word } => one(
            "release",
            &format!("policy set {hash} is released for enforce"),
            &word,
        ),
        EventBody::ModeChanged { mode, reason } => one("mode", &mode.to_string(), &reason),
        EventBody::BaselineTaken { up_to } => one(
            "baseline",
            &format!("what was there up to {up_to} waits for a release"),
            "",
        ),
        EventBody::HoldOpened {
            hold,
            action,
            target,
            policy,
            tasks,
        } => {
            let what = format!("{} tasks over the cap wait for a person", tasks.len());
            let mut row = on(one("hold", &what, ""), &target);
            row.action = action.to_string();
            row.policy_set = policy.to_string();
            row.values = listed(&hold.to_string(), &tasks);
            row
        }
        EventBody::Approved {
            hold,
            until,
            reason,
        } => {
            let row = one("approval", &format!("approved until {until:.0}"), &reason);
            held(row, known, &hold)
        }
        EventBody::Rejected { hold, reason } => {
            held(one("rejection", "rejected", &reason), known, &hold)
        }
        EventBody::HoldClosed { hold, reason } => {
            held(one("hold_end", "the hold has ended", &reason), known, &hold)
        }
        EventBody::Paused {
            scope,
            until,
            reason,
        } => {
            let end = until.map_or_else(String::new, |until| format!(" until {until:.0}"));
            let row = one("pause", &format!("{scope} is paused{end}"), &reason);
            scoped(row, &scope, known)
        }
        EventBody::Resumed { scope } => {
            let row = one("resume", &format!("{scope} goes on"), "");
            scoped(row, &scope, known)
        }
        EventBody::Learned {
            definition,
            manual,
            reason,
        } => {
            let what = if manual { "not automated" } else { "automated" };
            let row = one("learned", &format!("{definition} is {what}"), &reason);
            scoped(row, &Scope::Definition(definition), known)
        }
        EventBody::Forgot { definition } => {
            let row = one("forgot", &format!("what was learned of {definition}"), "");
            scoped(row, &Scope::Definition(definition), known)
        }
        EventBody::LoginStopped { login, why, .. } => {
            one("login_stopped", &format!("{login} is stopped"), &why)
        }
        EventBody::LoginCleared { login, why } => {
            one("login_cleared", &format!("{login} may try again"), &why)
        }
        EventBody::StoreCreated { store } => one("store_created", &store, ""),
        EventBody::WorldBound { fingerprint } => one("world_bound", &fingerprint, ""),
        EventBody::WorldDoubted { why } => one("world_doubted", "nothing is sent", &why),
        EventBody::WorldAccepted { up_to, reason } => one(
            "world_accepted",
            &format!("all that was known up to {up_to} is closed"),
            &reason,
        ),
        EventBody::WorldKept { reason } => one("world_kept", "it is the known server", &reason),
        EventBody::StoreRewound {
            expected,
            found,
            restored,
            ..
        } => one(
            "rewound",
            &format!(
                "record {expected} was acknowledged or anchored, {found} was the last that was there"
            ),
            restored.as_deref().unwrap_or_default(),
        ),
        EventBody::RewindSettled { reason } => one("rewind_settled", "accepted", &reason),
        EventBody::Rewritten {
            why,
            to,
            changed,
            reason,
            ..
        } => {
            let what = match why {
                RewriteWhy::Compact => "compacted",
                RewriteWhy::Retention => "retention",
                RewriteWhy::Erase => "erased",
            };
            let what =
                format!("{what}: {changed} records up to {to} say something else than first");
            one("rewritten", &what, &reason)
        }
        EventBody::Note { text } => one("note", &text, ""),
        _ => return None,
    })
}

/// What is said about a hold: with what it holds back, where that is on record.
fn held(mut row: Row, known: &Known, hold: &Digest) -> Row {
    row.values = format!("hold={hold}");
    if let Some(held) = known.hold(hold) {
        row.action = held.action.to_string();
        row.target = held.target.to_string();
        row.values = listed(&hold.to_string(), &held.tasks);
        row.general = false;
    } else if let Some(lineage) = known.asked_alone(hold) {
        row.action = ActionName::Retry.to_string();
        row = row.of_lineage(known, lineage);
        row.general = false;
    }
    row
}

fn scoped(mut row: Row, scope: &Scope, known: &Known) -> Row {
    match scope {
        Scope::Global => return row,
        Scope::Target(target) => row.target = target.to_string(),
        Scope::ActionOnTarget(action, target) => {
            row.action = action.to_string();
            row.target = target.to_string();
        }
        Scope::Definition(definition) => {
            row.target = definition.target.to_string();
            let name = known.name_of(definition);
            row.definition = name.unwrap_or(&definition.definition).to_string();
        }
        Scope::Task(task) => row.task = task.to_string(),
        Scope::Lineage(lineage) => row = row.of_lineage(known, *lineage),
        Scope::Account(_) => {}
    }
    row.general = false;
    row
}

fn listed(hold: &str, tasks: &[crate::model::TaskId]) -> String {
    let ids: Vec<&str> = tasks.iter().map(crate::model::TaskId::as_str).collect();
    format!("hold={hold}; tasks={}", ids.join(" "))
}
