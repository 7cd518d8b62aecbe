//! Every property of `task` and `facts` as one table, which registers, documents and records them; getters only read.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{Dynamic, Engine, EvalAltResult};

use super::session::{ApiError, Session, optional, text};
use crate::model::facts::{
    Absence, AbsenceSource, AccountView, OwnerFact, OwnerState, Person, Sibling, StandIn,
    UserStatus,
};
use crate::model::{Kind, Known, Owner};
use crate::policy::needs::Need;

/// Which handle a property belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// `task`
    Task,
    /// `facts`
    Facts,
    /// `facts.owner`
    Owner,
    /// `facts.beneficiary`
    Beneficiary,
    /// `facts.siblings`
    Siblings,
    /// `facts.history`
    History,
    /// `facts.definition`
    Definition,
    /// `facts.now`
    Now,
}

impl View {
    /// How scripts write it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Facts => "facts",
            Self::Owner => "facts.owner",
            Self::Beneficiary => "facts.beneficiary",
            Self::Siblings => "facts.siblings",
            Self::History => "facts.history",
            Self::Definition => "facts.definition",
            Self::Now => "facts.now",
        }
    }
}

/// One readable property.
#[derive(Debug)]
pub struct Property {
    /// Whose.
    pub view: View,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// True where it changes with time alone.
    pub timed: bool,
    /// The handle that it gives, where it is not a value.
    pub view_of: Option<View>,
    /// Reads it.
    pub get: fn(&Session) -> Result<Dynamic, ApiError>,
}

impl Property {
    /// How scripts write it, e.g. `facts.owner.away`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.view.path(), self.name)
    }
}

/// A read-only handle on the running session; the number tells the views apart for the engine.
#[derive(Clone, Debug)]
pub struct Handle<const V: usize>(pub Arc<Session>);

impl<const V: usize> Handle<V> {
    /// A handle on a session.
    pub fn clone_of(session: &Arc<Session>) -> Self {
        Self(Arc::clone(session))
    }
}

/// `task`
pub type TaskHandle = Handle<0>;
/// `facts`
pub type FactsHandle = Handle<1>;
/// `facts.siblings`
pub type SiblingsHandle = Handle<4>;

/// Registers all handles, their getters, and an error for comparing a handle as if it were a value.
pub fn register(engine: &mut Engine) {
    register_view::<0>(engine, View::Task);
    register_view::<1>(engine, View::Facts);
    register_view::<2>(engine, View::Owner);
    register_view::<3>(engine, View::Beneficiary);
    register_view::<4>(engine, View::Siblings);
    register_view::<5>(engine, View::History);
    register_view::<6>(engine, View::Definition);
    register_view::<7>(engine, View::Now);
}

fn register_view<const V: usize>(engine: &mut Engine, view: View) {
    engine.register_type_with_name::<Handle<V>>(view.path());
    for (index, property) in PROPERTIES.iter().enumerate() {
        if property.view != view {
            continue;
        }
        match property.view_of {
            None => engine.register_get(
                property.name,
                move |h: &mut Handle<V>| -> Result<Dynamic, Box<EvalAltResult>> { h.0.read(index) },
            ),
            Some(view) => engine.register_get(
                property.name,
                move |h: &mut Handle<V>| -> Result<Dynamic, Box<EvalAltResult>> {
                    if let Some(need) = need_of(view) {
                        h.0.require(need).map_err(ApiError::boxed)?;
                    }
                    Ok(handle(&h.0, view))
                },
            ),
        };
    }
    for operator in ["==", "!="] {
        let refuse = move || -> Result<bool, Box<EvalAltResult>> {
            Err(ApiError::script(format!(
                "{path} is a group of facts, not a value; compare one of its properties, e.g. {path}.known",
                path = view.path()
            ))
            .boxed())
        };
        engine.register_fn(operator, move |_: Handle<V>, _: Dynamic| refuse());
        engine.register_fn(operator, move |_: Dynamic, _: Handle<V>| refuse());
        engine.register_fn(operator, move |_: Handle<V>, _: Handle<V>| refuse());
    }
}

fn need_of(view: View) -> Option<Need> {
    match view {
        View::Owner => Some(Need::Owner),
        View::Beneficiary => Some(Need::Beneficiary),
        View::Siblings => Some(Need::Siblings),
        View::History => Some(Need::History),
        View::Definition => Some(Need::Definition),
        View::Task | View::Facts | View::Now => None,
    }
}

fn handle(session: &Arc<Session>, view: View) -> Dynamic {
    let session = Arc::clone(session);
    match view {
        View::Task => Dynamic::from(Handle::<0>(session)),
        View::Facts => Dynamic::from(Handle::<1>(session)),
        View::Owner => Dynamic::from(Handle::<2>(session)),
        View::Beneficiary => Dynamic::from(Handle::<3>(session)),
        View::Siblings => Dynamic::from(Handle::<4>(session)),
        View::History => Dynamic::from(Handle::<5>(session)),
        View::Definition => Dynamic::from(Handle::<6>(session)),
        View::Now => Dynamic::from(Handle::<7>(session)),
    }
}

fn known<'a, T>(what: &str, fact: &'a Known<T>) -> Result<&'a T, ApiError> {
    match fact {
        Known::Yes { value, .. } => Ok(value),
        Known::No { why } => Err(ApiError::unknown(what, why)),
    }
}

fn owner(s: &Session) -> Result<&OwnerFact, ApiError> {
    known("owner", &s.facts.owner)
}

fn beneficiary(s: &Session) -> Result<&Person, ApiError> {
    known("beneficiary", &s.facts.beneficiary)
}

/// The account's other tasks, or the error that a script gets.
pub fn siblings(s: &Session) -> Result<&AccountView, ApiError> {
    known("siblings", &s.facts.siblings)
}

fn owner_type(owner: &Owner) -> &'static str {
    match owner {
        Owner::User { .. } => "user",
        Owner::Role { .. } => "role",
        Owner::Unknown => "unknown",
    }
}

fn owner_name(owner: &Owner) -> Dynamic {
    match owner {
        Owner::User { login, .. } => optional(login.as_ref().map(|l| l.as_str())),
        Owner::Role { name, .. } => optional(name.as_deref()),
        Owner::Unknown => Dynamic::UNIT,
    }
}

fn absence(owner: &OwnerFact) -> Option<&Absence> {
    match &owner.state {
        OwnerState::Away { absence } => Some(absence),
        OwnerState::Present | OwnerState::Role => None,
    }
}

fn source(source: &AbsenceSource) -> &'static str {
    match source {
        AbsenceSource::OigStatus { .. } => "oig_status",
        AbsenceSource::Feed { .. } => "feed",
    }
}

/// Open siblings that fit, as a script's integer.
pub fn count(account: &AccountView, fits: impl Fn(&Sibling) -> bool) -> Dynamic {
    let open = account.tasks.iter().filter(|t| !t.finished && fits(t));
    int(i64::try_from(open.count()).unwrap_or(i64::MAX))
}

fn int(value: i64) -> Dynamic {
    Dynamic::from(value)
}

fn stamp(at: Option<Timestamp>) -> Dynamic {
    at.map_or(Dynamic::UNIT, |at| text(&format!("{at:.0}")))
}

fn minutes_since(s: &Session, at: Option<Timestamp>) -> Dynamic {
    at.map_or(Dynamic::UNIT, |at| {
        int(s.facts.now.at.duration_since(at).as_mins().max(0))
    })
}

/// Every property, in the order of the docs.
pub static PROPERTIES: &[Property] = &[
    Property {
        view: View::Task,
        name: "id",
        doc: "task instance key (SCH_KEY), as text",
        timed: false,
        view_of: None,
        get: |s| Ok(text(s.task.id.as_str())),
    },
    Property {
        view: View::Task,
        name: "status",
        doc: "`rejected`, `pending`, `waiting`, `suspended`, `pending_cancellation`, `completed`, `manually_completed`, `unsuccessfully_completed`, `cancelled`, or the server's own word",
        timed: false,
        view_of: None,
        get: |s| Ok(text(s.task.status.as_str())),
    },
    Property {
        view: View::Task,
        name: "name",
        doc: "name of the task definition",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.definition_name.as_deref())),
    },
    Property {
        view: View::Task,
        name: "definition_key",
        doc: "key of the task definition",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.definition_key.as_ref().map(|k| k.as_str()))),
    },
    Property {
        view: View::Task,
        name: "target",
        doc: "application instance to be provisioned",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.target.as_ref().map(|k| k.as_str()))),
    },
    Property {
        view: View::Task,
        name: "process",
        doc: "process instance key: the account",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.process.as_ref().map(|k| k.as_str()))),
    },
    Property {
        view: View::Task,
        name: "beneficiary",
        doc: "login (upper case) of the person whose access it is",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.beneficiary.as_ref().map(|k| k.as_str()))),
    },
    Property {
        view: View::Task,
        name: "owner",
        doc: "`user:LOGIN`, `role:NAME`, `user#KEY`, `role#KEY` or `unknown`",
        timed: false,
        view_of: None,
        get: |s| Ok(text(&s.task.owner.to_string())),
    },
    Property {
        view: View::Task,
        name: "owner_type",
        doc: "`user`, `role` or `unknown`",
        timed: false,
        view_of: None,
        get: |s| Ok(text(owner_type(&s.task.owner))),
    },
    Property {
        view: View::Task,
        name: "owner_name",
        doc: "login or role name of the owner",
        timed: false,
        view_of: None,
        get: |s| Ok(owner_name(&s.task.owner)),
    },
    Property {
        view: View::Task,
        name: "created",
        doc: "creation time by the server's clock, ISO text",
        timed: false,
        view_of: None,
        get: |s| Ok(stamp(s.task.created)),
    },
    Property {
        view: View::Task,
        name: "reason",
        doc: "error detail of the failed run",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.reason.as_deref())),
    },
    Property {
        view: View::Task,
        name: "response",
        doc: "response code of the failed run",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.response.as_deref())),
    },
    Property {
        view: View::Task,
        name: "note",
        doc: "the note",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.note.as_deref())),
    },
    Property {
        view: View::Task,
        name: "request",
        doc: "access request behind the task",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.request.as_deref())),
    },
    Property {
        view: View::Task,
        name: "retry_of",
        doc: "id of the task that this one retries, where the server shows it",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.retry_of.as_ref().map(|k| k.as_str()))),
    },
    Property {
        view: View::Task,
        name: "child",
        doc: "child row (group, role, …), where the server shows it",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.task.child.as_deref())),
    },
    Property {
        view: View::Task,
        name: "automated",
        doc: "`true` or `false` by the adapter key, `()` where the row doesn't say; `false` is a hint, not proof",
        timed: false,
        view_of: None,
        get: |s| Ok(s.task.has_adapter.map_or(Dynamic::UNIT, Dynamic::from)),
    },
    Property {
        view: View::Facts,
        name: "kind",
        doc: "what the task does to access, by the kinds table",
        timed: false,
        view_of: None,
        get: |s| Ok(text(s.facts.kind.as_str())),
    },
    Property {
        view: View::Facts,
        name: "class",
        doc: "class of the reason, by the reasons table; `unknown` where no pattern fits",
        timed: false,
        view_of: None,
        get: |s| Ok(text(&s.facts.class)),
    },
    Property {
        view: View::Facts,
        name: "retryable",
        doc: "true where that class may heal by itself",
        timed: false,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.retryable)),
    },
    Property {
        view: View::Facts,
        name: "age_hours",
        doc: "whole hours since first sight (or creation, where older and plausible)",
        timed: true,
        view_of: None,
        get: |s| Ok(int(s.facts.age.as_hours())),
    },
    Property {
        view: View::Facts,
        name: "fulfilment_role",
        doc: "`role:NAME` of those who do the manual work of the target, where configured",
        timed: false,
        view_of: None,
        get: |s| {
            Ok(s.facts
                .fulfilment_role
                .as_ref()
                .map_or(Dynamic::UNIT, |p| text(&p.to_string())))
        },
    },
    Property {
        view: View::Facts,
        name: "owner",
        doc: "the owner facts (need: `owner`)",
        timed: false,
        view_of: Some(View::Owner),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Facts,
        name: "beneficiary",
        doc: "the beneficiary facts (need: `beneficiary`)",
        timed: false,
        view_of: Some(View::Beneficiary),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Facts,
        name: "siblings",
        doc: "the siblings facts (need: `siblings`)",
        timed: false,
        view_of: Some(View::Siblings),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Facts,
        name: "history",
        doc: "the history facts (need: `history`)",
        timed: false,
        view_of: Some(View::History),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Facts,
        name: "definition",
        doc: "the definition facts (need: `definition`)",
        timed: false,
        view_of: Some(View::Definition),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Facts,
        name: "now",
        doc: "time and calendar",
        timed: false,
        view_of: Some(View::Now),
        get: |_| Ok(Dynamic::UNIT),
    },
    Property {
        view: View::Owner,
        name: "known",
        doc: "false where the owner could not be read; every other property but `why` then throws",
        timed: false,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.owner.value().is_some())),
    },
    Property {
        view: View::Owner,
        name: "why",
        doc: "why it is unknown",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.facts.owner.why())),
    },
    Property {
        view: View::Owner,
        name: "type",
        doc: "`user`, `role` or `unknown`",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| text(owner_type(&o.owner))),
    },
    Property {
        view: View::Owner,
        name: "name",
        doc: "login or role name",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| owner_name(&o.owner)),
    },
    Property {
        view: View::Owner,
        name: "present",
        doc: "a person, active and not away",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| Dynamic::from(matches!(o.state, OwnerState::Present))),
    },
    Property {
        view: View::Owner,
        name: "away",
        doc: "a person who is away or not active",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| Dynamic::from(matches!(o.state, OwnerState::Away { .. }))),
    },
    Property {
        view: View::Owner,
        name: "status",
        doc: "the person's state in OIG: `active`, `disabled`, `deleted`, `not_started`, or the server's word",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| optional(o.person.as_ref().map(|p| p.status.as_str()))),
    },
    Property {
        view: View::Owner,
        name: "away_from",
        doc: "first moment away, ISO text",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| stamp(absence(o).and_then(|a| a.from))),
    },
    Property {
        view: View::Owner,
        name: "away_until",
        doc: "first moment back, ISO text",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| stamp(absence(o).and_then(|a| a.until))),
    },
    Property {
        view: View::Owner,
        name: "away_source",
        doc: "`oig_status` or `feed`",
        timed: false,
        view_of: None,
        get: |s| owner(s).map(|o| optional(absence(o).map(|a| source(&a.source)))),
    },
    Property {
        view: View::Owner,
        name: "stand_in",
        doc: "the checked stand-in, `user:LOGIN` or `role:NAME`; `()` where there is none",
        timed: false,
        view_of: None,
        get: |s| {
            owner(s).map(|o| match &o.stand_in {
                StandIn::Found { to, .. } => text(&to.to_string()),
                _ => Dynamic::UNIT,
            })
        },
    },
    Property {
        view: View::Owner,
        name: "stand_in_via",
        doc: "`feed`, `proxy`, `fulfilment_role` or `manager`",
        timed: false,
        view_of: None,
        get: |s| {
            owner(s).map(|o| match &o.stand_in {
                StandIn::Found { via, .. } => text(via),
                _ => Dynamic::UNIT,
            })
        },
    },
    Property {
        view: View::Owner,
        name: "stand_in_why",
        doc: "why no candidate was taken",
        timed: false,
        view_of: None,
        get: |s| {
            owner(s).map(|o| match &o.stand_in {
                StandIn::None { why } => text(&why.join("; ")),
                _ => Dynamic::UNIT,
            })
        },
    },
    Property {
        view: View::Beneficiary,
        name: "known",
        doc: "false where the person could not be read; every other property but `why` then throws",
        timed: false,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.beneficiary.value().is_some())),
    },
    Property {
        view: View::Beneficiary,
        name: "why",
        doc: "why it is unknown",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.facts.beneficiary.why())),
    },
    Property {
        view: View::Beneficiary,
        name: "login",
        doc: "login, upper case",
        timed: false,
        view_of: None,
        get: |s| beneficiary(s).map(|p| text(p.login.as_str())),
    },
    Property {
        view: View::Beneficiary,
        name: "status",
        doc: "`active`, `disabled`, `deleted`, `not_started`, or the server's word",
        timed: false,
        view_of: None,
        get: |s| beneficiary(s).map(|p| text(p.status.as_str())),
    },
    Property {
        view: View::Beneficiary,
        name: "active",
        doc: "read as active",
        timed: false,
        view_of: None,
        get: |s| beneficiary(s).map(|p| Dynamic::from(p.status == UserStatus::Active)),
    },
    Property {
        view: View::Beneficiary,
        name: "manager",
        doc: "the manager's login",
        timed: false,
        view_of: None,
        get: |s| beneficiary(s).map(|p| optional(p.manager.as_ref().map(|m| m.as_str()))),
    },
    Property {
        view: View::Siblings,
        name: "known",
        doc: "false where the account could not be read; everything else but `why` then throws",
        timed: false,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.siblings.value().is_some())),
    },
    Property {
        view: View::Siblings,
        name: "why",
        doc: "why it is unknown",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.facts.siblings.why())),
    },
    Property {
        view: View::Siblings,
        name: "count",
        doc: "other open tasks of the account",
        timed: false,
        view_of: None,
        get: |s| siblings(s).map(|a| count(a, |_| true)),
    },
    Property {
        view: View::Siblings,
        name: "open_revokes",
        doc: "open revokes and disables among them",
        timed: false,
        view_of: None,
        get: |s| siblings(s).map(|a| count(a, |t| t.kind.takes_access())),
    },
    Property {
        view: View::Siblings,
        name: "open_creates",
        doc: "open creates among them",
        timed: false,
        view_of: None,
        get: |s| siblings(s).map(|a| count(a, |t| t.kind == Kind::Create)),
    },
    Property {
        view: View::Siblings,
        name: "open_attempts",
        doc: "those with an attempt of ours under way",
        timed: false,
        view_of: None,
        get: |s| siblings(s).map(|a| count(a, |t| t.attempt_open)),
    },
    Property {
        view: View::Siblings,
        name: "from_process",
        doc: "true where finished tasks were read too",
        timed: false,
        view_of: None,
        get: |s| siblings(s).map(|a| Dynamic::from(a.from_process)),
    },
    Property {
        view: View::History,
        name: "attempts",
        doc: "attempts of this episode that count",
        timed: false,
        view_of: None,
        get: |s| Ok(int(i64::from(s.facts.history.attempts))),
    },
    Property {
        view: View::History,
        name: "attempts_total",
        doc: "all attempts ever",
        timed: false,
        view_of: None,
        get: |s| Ok(int(i64::from(s.facts.history.attempts_total))),
    },
    Property {
        view: View::History,
        name: "last_state",
        doc: "state of the last attempt (`bounced`, `refused`, `not_applied`, …)",
        timed: false,
        view_of: None,
        get: |s| {
            Ok(optional(
                s.facts.history.last_state.map(|state| state.as_str()),
            ))
        },
    },
    Property {
        view: View::History,
        name: "last_reason",
        doc: "OIG's words on the last attempt",
        timed: false,
        view_of: None,
        get: |s| {
            Ok(optional(
                s.facts
                    .history
                    .recent
                    .last()
                    .and_then(|a| a.reason.as_deref()),
            ))
        },
    },
    Property {
        view: View::History,
        name: "first_seen",
        doc: "our first sight of the lineage, ISO text",
        timed: false,
        view_of: None,
        get: |s| Ok(stamp(Some(s.facts.history.first_seen))),
    },
    Property {
        view: View::History,
        name: "minutes_since_failure",
        doc: "whole minutes since the present failure was first seen",
        timed: true,
        view_of: None,
        get: |s| Ok(minutes_since(s, Some(s.facts.history.failed_since))),
    },
    Property {
        view: View::History,
        name: "minutes_since_attempt",
        doc: "whole minutes since the last attempt ended",
        timed: true,
        view_of: None,
        get: |s| Ok(minutes_since(s, s.facts.history.last_attempt_at)),
    },
    Property {
        view: View::History,
        name: "ids",
        doc: "how many task ids the lineage has had",
        timed: false,
        view_of: None,
        get: |s| {
            Ok(int(
                i64::try_from(s.facts.history.ids.len()).unwrap_or(i64::MAX)
            ))
        },
    },
    Property {
        view: View::History,
        name: "former_owners",
        doc: "owners before, oldest first, as `user:LOGIN` or `role:NAME`",
        timed: false,
        view_of: None,
        get: |s| {
            Ok(Dynamic::from_array(
                s.facts
                    .history
                    .former_owners
                    .iter()
                    .map(|p| text(&p.to_string()))
                    .collect(),
            ))
        },
    },
    Property {
        view: View::Definition,
        name: "manual",
        doc: "OIG has said that tasks of this definition are not automated",
        timed: false,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.definition.manual_since.is_some())),
    },
    Property {
        view: View::Definition,
        name: "manual_since",
        doc: "since when, ISO text",
        timed: false,
        view_of: None,
        get: |s| Ok(stamp(s.facts.definition.manual_since)),
    },
    Property {
        view: View::Definition,
        name: "manual_reason",
        doc: "OIG's words",
        timed: false,
        view_of: None,
        get: |s| Ok(optional(s.facts.definition.manual_reason.as_deref())),
    },
    Property {
        view: View::Now,
        name: "iso",
        doc: "ISO text, UTC",
        timed: true,
        view_of: None,
        get: |s| Ok(stamp(Some(s.facts.now.at))),
    },
    Property {
        view: View::Now,
        name: "zone",
        doc: "the configured zone",
        timed: false,
        view_of: None,
        get: |s| Ok(text(&s.facts.now.zone)),
    },
    Property {
        view: View::Now,
        name: "weekday",
        doc: "1 = Monday … 7 = Sunday, in that zone",
        timed: true,
        view_of: None,
        get: |s| Ok(int(i64::from(s.facts.now.weekday))),
    },
    Property {
        view: View::Now,
        name: "hour",
        doc: "0 to 23, in that zone",
        timed: true,
        view_of: None,
        get: |s| Ok(int(i64::from(s.facts.now.hour))),
    },
    Property {
        view: View::Now,
        name: "minute",
        doc: "0 to 59, in that zone",
        timed: true,
        view_of: None,
        get: |s| Ok(int(i64::from(s.facts.now.minute))),
    },
    Property {
        view: View::Now,
        name: "business_hours",
        doc: "inside the configured business hours",
        timed: true,
        view_of: None,
        get: |s| Ok(Dynamic::from(s.facts.now.business_hours)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_fit_into_the_read_log_and_names_are_unique() {
        assert!(PROPERTIES.len() < 128, "the log's mask has 128 bits");
        let mut paths: Vec<_> = PROPERTIES.iter().map(Property::path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), PROPERTIES.len());
    }
}
