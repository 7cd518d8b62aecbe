//! The written form of cases and how one becomes a task with facts; strict: an unknown key is a finding.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::expect::Expect;
use crate::model::facts::{
    Absence, AbsenceSource, AccountView, DefinitionMemory, Facts, History, Known, Now, OwnerFact,
    OwnerState, Person, Sibling, StandIn, UserStatus,
};
use crate::model::fields::FieldValue;
use crate::model::{
    DefKey, Fields, Kind, LineageId, Login, Owner, Principal, ProcessKey, TargetName, Task, TaskId,
    TaskStatus,
};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::duration;
use crate::policy::kinds::toml_finding;
use crate::policy::set::PolicySet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases<T> {
    #[serde(default = "Vec::new")]
    case: Vec<toml::Spanned<T>>,
}

/// A case and the line at which it begins.
pub struct Placed<T> {
    /// From 1.
    pub line: usize,
    /// The case.
    pub case: T,
}

/// A definition name and its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindCase {
    /// The definition.
    pub name: String,
    /// The target.
    #[serde(default)]
    pub target: String,
    /// The kind's word.
    pub kind: String,
}

/// An error text and its class.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonCase {
    /// As the target said it.
    pub text: String,
    /// The class it should get.
    pub class: String,
    /// Whether a retry makes sense.
    pub retryable: bool,
    /// Kept out while the patterns were written.
    #[serde(default)]
    pub held_out: bool,
    /// For people only.
    #[serde(default, rename = "connector")]
    _connector: String,
}

/// A file of policy cases.
pub type PolicyCases = Vec<Placed<PolicyCase>>;

/// One task with facts and what should come out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCase {
    /// What it shows, as a sentence.
    pub name: String,
    /// Ask the whole set instead of this file's policy alone.
    #[serde(default)]
    pub whole_set: bool,
    #[serde(default)]
    task: CaseTask,
    #[serde(default)]
    facts: CaseFacts,
    /// What should come out.
    pub expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CaseTask {
    id: Option<String>,
    status: Option<String>,
    name: Option<String>,
    definition_key: Option<String>,
    target: Option<String>,
    process: Option<String>,
    beneficiary: Option<String>,
    owner: Option<String>,
    created: Option<Timestamp>,
    reason: Option<String>,
    response: Option<String>,
    note: Option<String>,
    request: Option<String>,
    automated: Option<bool>,
    child: Option<String>,
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CaseFacts {
    now: Option<Timestamp>,
    weekday: Option<u8>,
    hour: Option<u8>,
    business_hours: Option<bool>,
    kind: Option<String>,
    class: Option<String>,
    retryable: Option<bool>,
    attempts: Option<u32>,
    last_attempt_at: Option<Timestamp>,
    failed_since: Option<Timestamp>,
    creation_over_since: bool,
    age: Option<String>,
    manual: bool,
    fulfilment_role: Option<String>,
    former_owners: Vec<String>,
    owner: Option<CaseOwner>,
    beneficiary: Option<CaseBeneficiary>,
    siblings: Option<Vec<CaseSibling>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CaseOwner {
    unknown: Option<String>,
    away: bool,
    status: Option<String>,
    until: Option<Timestamp>,
    stand_in: Option<String>,
    stand_in_unknown: Option<String>,
    via: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CaseBeneficiary {
    unknown: Option<String>,
    login: Option<String>,
    status: Option<String>,
    manager: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSibling {
    id: String,
    name: String,
    kind: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    finished: bool,
    #[serde(default)]
    attempt_open: bool,
}

fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<Vec<Placed<T>>, Box<Diagnostic>> {
    let cases = toml::from_str::<Cases<T>>(text)
        .map_err(|error| Box::new(toml_finding(file, text, &error)))?;
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    Ok(cases
        .case
        .into_iter()
        .map(|case| Placed {
            line: line(case.span().start),
            case: case.into_inner(),
        })
        .collect())
}

/// Reads `kinds.test.toml`.
pub fn kinds(file: &str, text: &str) -> Result<Vec<Placed<KindCase>>, Box<Diagnostic>> {
    read(file, text)
}

/// Reads `reasons.test.toml`.
pub fn reasons(file: &str, text: &str) -> Result<Vec<Placed<ReasonCase>>, Box<Diagnostic>> {
    read(file, text)
}

/// Reads `NAME.test.toml`.
pub fn policy(file: &str, text: &str) -> Result<PolicyCases, Box<Diagnostic>> {
    read(file, text)
}

fn shared(text: &Option<String>) -> Option<Arc<str>> {
    text.as_deref().map(Arc::from)
}

fn principal(text: &str) -> Result<Principal, String> {
    match text.split_once(':') {
        Some(("user", login)) => Ok(Principal::User {
            key: None,
            login: Login::new(login),
        }),
        Some(("role", name)) => Ok(Principal::Role {
            key: None,
            name: Arc::from(name),
        }),
        _ => Err(format!("`{text}` is nobody; write user:LOGIN or role:NAME")),
    }
}

fn owner(text: Option<&str>) -> Result<Owner, String> {
    match text {
        None | Some("unknown") => Ok(Owner::Unknown),
        Some(text) => Ok(match principal(text)? {
            Principal::User { key, login } => Owner::User {
                key,
                login: Some(login),
            },
            Principal::Role { key, name } => Owner::Role {
                key,
                name: Some(name),
            },
        }),
    }
}

impl CaseTask {
    fn build(&self) -> Result<Task, String> {
        let id = TaskId::new(self.id.as_deref().unwrap_or("1"));
        let status = TaskStatus::parse(self.status.as_deref().unwrap_or("rejected"));
        let mut task = Task::bare(id, status);
        task.definition_name = shared(&self.name);
        task.definition_key = self.definition_key.as_deref().map(DefKey::new);
        task.target = self.target.as_deref().map(TargetName::new);
        task.process = self.process.as_deref().map(ProcessKey::new);
        task.beneficiary = self.beneficiary.as_deref().map(Login::new);
        task.owner = owner(self.owner.as_deref())?;
        task.created = self.created;
        task.reason = shared(&self.reason);
        task.response = shared(&self.response);
        task.note = shared(&self.note);
        task.request = shared(&self.request);
        task.has_adapter = self.automated;
        task.child = shared(&self.child);
        task.fields = Fields::from_pairs(
            self.fields
                .iter()
                .map(|(name, value)| (name.as_str(), FieldValue::Text(value))),
        );
        Ok(task)
    }
}

impl PolicyCase {
    /// The task and facts; kind and class come from the set's tables unless written.
    pub fn build(&self, set: &PolicySet) -> Result<(Task, Facts), String> {
        let task = self.task.build()?;
        let f = &self.facts;
        let class = set.classify(&task);
        let now = f.now.unwrap_or(Timestamp::UNIX_EPOCH);
        let kind = match &f.kind {
            Some(word) => word.parse::<Kind>().map_err(|e| e.to_string())?,
            None => set.kind_of(&task),
        };
        let age = match &f.age {
            Some(text) => duration::parse(text)?,
            None => SignedDuration::from_hours(1),
        };
        let first_seen = now.checked_sub(age).unwrap_or(now);
        let attempts = f.attempts.unwrap_or(0);
        let facts = Facts {
            now: Now {
                at: now,
                zone: "UTC".into(),
                weekday: f.weekday.unwrap_or(1),
                hour: f.hour.unwrap_or(12),
                minute: 0,
                business_hours: f.business_hours.unwrap_or(true),
            },
            kind,
            class: shared(&f.class).unwrap_or(class.name),
            retryable: f.retryable.unwrap_or(class.retryable),
            history: History {
                lineage: LineageId(1),
                attempts,
                attempts_total: attempts,
                first_seen,
                failed_since: f.failed_since.unwrap_or(first_seen),
                last_attempt_at: f.last_attempt_at,
                last_state: None,
                in_vain: 0,
                unproven: 0,
                reset: false,
                stale: false,
                keeps_ids: false,
                creation_over_since: f.creation_over_since,
                recent: Vec::new(),
                former_owners: f
                    .former_owners
                    .iter()
                    .map(|p| principal(p))
                    .collect::<Result<_, _>>()?,
                ids: vec![task.id.clone()],
            },
            owner: owner_fact(f.owner.as_ref(), &task, now)?,
            beneficiary: person_fact(f.beneficiary.as_ref(), &task, now),
            siblings: siblings_fact(f.siblings.as_deref(), now)?,
            definition: DefinitionMemory {
                manual_since: f.manual.then_some(first_seen),
                manual_reason: None,
            },
            fulfilment_role: f.fulfilment_role.as_deref().map(principal).transpose()?,
            age,
        };
        Ok((task, facts))
    }
}

fn owner_fact(
    case: Option<&CaseOwner>,
    task: &Task,
    now: Timestamp,
) -> Result<Known<OwnerFact>, String> {
    let Some(case) = case else {
        return Ok(Known::unknown("the case gives no owner"));
    };
    if let Some(why) = &case.unknown {
        return Ok(Known::unknown(why));
    }
    let status = UserStatus::parse(case.status.as_deref().unwrap_or("active"));
    let person = match &task.owner {
        Owner::User {
            login: Some(login), ..
        } => Some(Person {
            key: None,
            login: login.clone(),
            status: status.clone(),
            manager: None,
        }),
        _ => None,
    };
    let state = match (&task.owner, case.away) {
        (Owner::Role { .. }, _) => OwnerState::Role,
        (_, false) => OwnerState::Present,
        (_, true) => OwnerState::Away {
            absence: Absence {
                from: None,
                until: case.until,
                source: if status == UserStatus::Active {
                    AbsenceSource::Feed {
                        row: "absences.csv:2".to_owned(),
                    }
                } else {
                    AbsenceSource::OigStatus { status }
                },
            },
        },
    };
    let stand_in = match (&case.stand_in, case.away) {
        _ if case.stand_in_unknown.is_some() => StandIn::Unknown {
            why: case.stand_in_unknown.iter().cloned().collect(),
        },
        (Some(to), _) => StandIn::Found {
            to: principal(to)?,
            via: Arc::from(case.via.as_deref().unwrap_or("feed")),
        },
        (None, true) => StandIn::None {
            why: vec!["the case names nobody".to_owned()],
        },
        (None, false) => StandIn::NotNeeded,
    };
    Ok(Known::Yes {
        value: OwnerFact {
            owner: task.owner.clone(),
            person,
            state,
            stand_in,
        },
        as_of: now,
    })
}

fn person_fact(case: Option<&CaseBeneficiary>, task: &Task, now: Timestamp) -> Known<Person> {
    let Some(case) = case else {
        return Known::unknown("the case gives no beneficiary");
    };
    if let Some(why) = &case.unknown {
        return Known::unknown(why);
    }
    let login = case.login.as_deref().map(Login::new);
    let Some(login) = login.or_else(|| task.beneficiary.clone()) else {
        return Known::unknown("the case gives no login");
    };
    Known::Yes {
        value: Person {
            key: None,
            login,
            status: UserStatus::parse(case.status.as_deref().unwrap_or("active")),
            manager: case.manager.as_deref().map(Login::new),
        },
        as_of: now,
    }
}

fn siblings_fact(
    case: Option<&[CaseSibling]>,
    now: Timestamp,
) -> Result<Known<AccountView>, String> {
    let Some(case) = case else {
        return Ok(Known::unknown("the case gives no siblings"));
    };
    let mut tasks = Vec::new();
    for sibling in case {
        tasks.push(Sibling {
            id: TaskId::new(&sibling.id),
            lineage: None,
            name: Arc::from(sibling.name.as_str()),
            kind: sibling.kind.parse::<Kind>().map_err(|e| e.to_string())?,
            status: TaskStatus::parse(sibling.status.as_deref().unwrap_or("rejected")),
            origin: now,
            child: None,
            attempt_open: sibling.attempt_open,
            finished: sibling.finished,
            ambiguous: false,
            first: None,
            ordered: None,
            unsettled: false,
            seen_open: false,
        });
    }
    Ok(Known::Yes {
        value: AccountView {
            tasks,
            from_process: true,
            own_now: None,
        },
        as_of: now,
    })
}
