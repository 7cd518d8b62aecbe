//! The table of all properties with what each one reads; it registers nothing and remembers nothing.

use jiff::Timestamp;
use rhai::Dynamic;

use super::properties::{Property, View};
use super::session::{ApiError, Session, optional, text};
use crate::model::facts::{
    Absence, AbsenceSource, AccountView, OwnerFact, OwnerState, Person, Sibling, StandIn,
    UserStatus,
};
use crate::model::{Kind, Known, Owner};

type Get = fn(&Session) -> Result<Dynamic, ApiError>;

const fn plain(view: View, name: &'static str, doc: &'static str, get: Get) -> Property {
    Property {
        view,
        name,
        doc,
        timed: false,
        view_of: None,
        get,
    }
}

/// A value that changes with time alone.
const fn timed(view: View, name: &'static str, doc: &'static str, get: Get) -> Property {
    Property {
        timed: true,
        ..plain(view, name, doc, get)
    }
}

/// A handle on a group of facts.
const fn group(view: View, name: &'static str, doc: &'static str, of: View) -> Property {
    Property {
        view_of: Some(of),
        ..plain(view, name, doc, |_| Ok(Dynamic::UNIT))
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
#[rustfmt::skip] // one row a line: a table, not code
pub static PROPERTIES: &[Property] = &[
    plain(View::Task, "id", "task instance key (SCH_KEY), as text", |s| Ok(text(s.task.id.as_str()))),
    plain(View::Task, "status", "`rejected`, `pending`, `waiting`, `suspended`, `pending_cancellation`, `completed`, `manually_completed`, `unsuccessfully_completed`, `cancelled`, `closed (only its category is shown)`, or the server's own word", |s| Ok(text(s.task.status.as_str()))),
    plain(View::Task, "name", "name of the task definition", |s| Ok(optional(s.task.definition_name.as_deref()))),
    plain(View::Task, "definition_key", "key of the task definition", |s| Ok(optional(s.task.definition_key.as_ref().map(|k| k.as_str())))),
    plain(View::Task, "target", "application instance to be provisioned", |s| Ok(optional(s.task.target.as_ref().map(|k| k.as_str())))),
    plain(View::Task, "process", "process instance key: the account", |s| Ok(optional(s.task.process.as_ref().map(|k| k.as_str())))),
    plain(View::Task, "beneficiary", "login (upper case) of the person whose access it is", |s| Ok(optional(s.task.beneficiary.as_ref().map(|k| k.as_str())))),
    plain(View::Task, "owner", "`user:LOGIN`, `role:NAME`, `user#KEY`, `role#KEY` or `unknown`", |s| Ok(text(&s.task.owner.to_string()))),
    plain(View::Task, "owner_type", "`user`, `role` or `unknown`", |s| Ok(text(owner_type(&s.task.owner)))),
    plain(View::Task, "owner_name", "login or role name of the owner", |s| Ok(owner_name(&s.task.owner))),
    plain(View::Task, "created", "creation time by the server's clock, ISO text", |s| Ok(stamp(s.task.created))),
    plain(View::Task, "reason", "error detail of the failed run", |s| Ok(optional(s.task.reason.as_deref()))),
    plain(View::Task, "response", "response code of the failed run", |s| Ok(optional(s.task.response.as_deref()))),
    plain(View::Task, "note", "the note; where no policy reads it, it is not stored with the inputs of decisions", |s| Ok(optional(s.task.note.as_deref()))),
    plain(View::Task, "request", "access request behind the task", |s| Ok(optional(s.task.request.as_deref()))),
    plain(View::Task, "retry_of", "id of the task that this one retries, where the server shows it", |s| Ok(optional(s.task.retry_of.as_ref().map(|k| k.as_str())))),
    plain(View::Task, "child", "child row (group, role, …), where the server shows it", |s| Ok(optional(s.task.child.as_deref()))),
    plain(View::Task, "automated", "`true` or `false` by the adapter key, `()` where the row doesn't say; `false` is a hint, not proof", |s| Ok(s.task.has_adapter.map_or(Dynamic::UNIT, Dynamic::from))),
    plain(View::Facts, "kind", "what the task does to access, by the kinds table", |s| Ok(text(s.facts.kind.as_str()))),
    plain(View::Facts, "class", "class of the reason, by the reasons table; `unknown` where no pattern fits", |s| Ok(text(&s.facts.class))),
    plain(View::Facts, "retryable", "true where that class may heal by itself", |s| Ok(Dynamic::from(s.facts.retryable))),
    timed(View::Facts, "age_hours", "whole hours since first sight (or creation, where older and plausible)", |s| Ok(int(s.facts.age.as_hours()))),
    plain(View::Facts, "fulfilment_role", "`role:NAME` of those who do the manual work of the target, where configured", |s| { Ok(s.facts .fulfilment_role .as_ref() .map_or(Dynamic::UNIT, |p| text(&p.to_string()))) }),
    group(View::Facts, "owner", "the owner facts (need: `owner`)", View::Owner),
    group(View::Facts, "beneficiary", "the beneficiary facts (need: `beneficiary`)", View::Beneficiary),
    group(View::Facts, "siblings", "the siblings facts (need: `siblings`)", View::Siblings),
    group(View::Facts, "history", "the history facts (need: `history`)", View::History),
    group(View::Facts, "definition", "the definition facts (need: `definition`)", View::Definition),
    group(View::Facts, "now", "time and calendar", View::Now),
    plain(View::Owner, "known", "false where the owner could not be read; every other property but `why` then throws", |s| Ok(Dynamic::from(s.facts.owner.value().is_some()))),
    plain(View::Owner, "why", "why it is unknown", |s| Ok(optional(s.facts.owner.why()))),
    plain(View::Owner, "type", "`user`, `role` or `unknown`", |s| owner(s).map(|o| text(owner_type(&o.owner)))),
    plain(View::Owner, "name", "login or role name", |s| owner(s).map(|o| owner_name(&o.owner))),
    plain(View::Owner, "present", "a person, active and not away", |s| owner(s).map(|o| Dynamic::from(matches!(o.state, OwnerState::Present)))),
    plain(View::Owner, "away", "a person who is away or not active", |s| owner(s).map(|o| Dynamic::from(matches!(o.state, OwnerState::Away { .. })))),
    plain(View::Owner, "status", "the person's state in OIG: `active`, `disabled`, `deleted`, `not_started`, or the server's word", |s| owner(s).map(|o| optional(o.person.as_ref().map(|p| p.status.as_str())))),
    plain(View::Owner, "away_from", "first moment away, ISO text", |s| owner(s).map(|o| stamp(absence(o).and_then(|a| a.from)))),
    plain(View::Owner, "away_until", "first moment back, ISO text", |s| owner(s).map(|o| stamp(absence(o).and_then(|a| a.until)))),
    plain(View::Owner, "away_source", "`oig_status` or `feed`", |s| owner(s).map(|o| optional(absence(o).map(|a| source(&a.source))))),
    plain(View::Owner, "stand_in", "the checked stand-in, `user:LOGIN` or `role:NAME`; `()` where there is none or it is unknown", |s| { owner(s).map(|o| match &o.stand_in { StandIn::Found { to, .. } => text(&to.to_string()), _ => Dynamic::UNIT, }) }),
    plain(View::Owner, "stand_in_known", "false where a source of stand-ins could not be read; a lower-ranked one is then not taken", |s| { owner(s).map(|o| Dynamic::from(!matches!(o.stand_in, StandIn::Unknown { .. }))) }),
    plain(View::Owner, "stand_in_via", "`feed`, `proxy`, `fulfilment_role` or `manager`", |s| { owner(s).map(|o| match &o.stand_in { StandIn::Found { via, .. } => text(via), _ => Dynamic::UNIT, }) }),
    plain(View::Owner, "stand_in_why", "why no candidate was taken, or what could not be read", |s| { owner(s).map(|o| match &o.stand_in { StandIn::None { why } | StandIn::Unknown { why } => text(&why.join("; ")), _ => Dynamic::UNIT, }) }),
    plain(View::Beneficiary, "known", "false where the person could not be read; every other property but `why` then throws", |s| Ok(Dynamic::from(s.facts.beneficiary.value().is_some()))),
    plain(View::Beneficiary, "why", "why it is unknown", |s| Ok(optional(s.facts.beneficiary.why()))),
    plain(View::Beneficiary, "login", "login, upper case", |s| beneficiary(s).map(|p| text(p.login.as_str()))),
    plain(View::Beneficiary, "status", "`active`, `disabled`, `deleted`, `not_started`, or the server's word", |s| beneficiary(s).map(|p| text(p.status.as_str()))),
    plain(View::Beneficiary, "active", "read as active", |s| beneficiary(s).map(|p| Dynamic::from(p.status == UserStatus::Active))),
    plain(View::Beneficiary, "manager", "the manager's login", |s| beneficiary(s).map(|p| optional(p.manager.as_ref().map(|m| m.as_str())))),
    plain(View::Siblings, "known", "false where the account, or the list of a login that may show others of it, was not read; everything else but `why` then throws", |s| Ok(Dynamic::from(s.facts.siblings.value().is_some()))),
    plain(View::Siblings, "why", "why it is unknown", |s| Ok(optional(s.facts.siblings.why()))),
    plain(View::Siblings, "count", "other open tasks of the account", |s| siblings(s).map(|a| count(a, |_| true))),
    plain(View::Siblings, "open_revokes", "open revokes and disables among them", |s| siblings(s).map(|a| count(a, |t| t.kind.takes_access()))),
    plain(View::Siblings, "open_creates", "open creates among them", |s| siblings(s).map(|a| count(a, |t| t.kind == Kind::Create))),
    plain(View::Siblings, "open_attempts", "those with an attempt of ours under way", |s| siblings(s).map(|a| count(a, |t| t.attempt_open))),
    plain(View::Siblings, "from_process", "true where finished tasks were read too", |s| siblings(s).map(|a| Dynamic::from(a.from_process))),
    plain(View::History, "attempts", "attempts of this episode that count", |s| Ok(int(i64::from(s.facts.history.attempts)))),
    plain(View::History, "attempts_total", "all attempts ever", |s| Ok(int(i64::from(s.facts.history.attempts_total)))),
    plain(View::History, "last_state", "state of the last attempt (`bounced`, `refused`, `not_applied`, …)", |s| { Ok(optional( s.facts.history.last_state.map(|state| state.as_str()), )) }),
    plain(View::History, "last_reason", "OIG's words on the last attempt", |s| { Ok(optional( s.facts .history .recent .last() .and_then(|a| a.reason.as_deref()), )) }),
    plain(View::History, "creation_over_since", "the creation of its account came to its end, by a retry of ours, by somebody else, or out of the lists, since this failure was first seen and since the last attempt", |s| Ok(Dynamic::from(s.facts.history.creation_over_since))),
    plain(View::History, "first_seen", "our first sight of the lineage, ISO text", |s| Ok(stamp(Some(s.facts.history.first_seen)))),
    timed(View::History, "minutes_since_failure", "whole minutes since the present failure was first seen", |s| Ok(minutes_since(s, Some(s.facts.history.failed_since)))),
    timed(View::History, "minutes_since_attempt", "whole minutes since the last attempt ended", |s| Ok(minutes_since(s, s.facts.history.last_attempt_at))),
    plain(View::History, "ids", "how many task ids the lineage has had", |s| { Ok(int( i64::try_from(s.facts.history.ids.len()).unwrap_or(i64::MAX) )) }),
    plain(View::History, "former_owners", "owners before, oldest first, as `user:LOGIN` or `role:NAME`", |s| { Ok(Dynamic::from_array( s.facts .history .former_owners .iter() .map(|p| text(&p.to_string())) .collect(), )) }),
    plain(View::Definition, "manual", "OIG has said that tasks of this definition are not automated", |s| Ok(Dynamic::from(s.facts.definition.manual_since.is_some()))),
    plain(View::Definition, "manual_since", "since when, ISO text", |s| Ok(stamp(s.facts.definition.manual_since))),
    plain(View::Definition, "manual_reason", "OIG's words", |s| Ok(optional(s.facts.definition.manual_reason.as_deref()))),
    timed(View::Now, "iso", "ISO text, UTC", |s| Ok(stamp(Some(s.facts.now.at)))),
    plain(View::Now, "zone", "the configured zone", |s| Ok(text(&s.facts.now.zone))),
    timed(View::Now, "weekday", "1 = Monday … 7 = Sunday, in that zone", |s| Ok(int(i64::from(s.facts.now.weekday)))),
    timed(View::Now, "hour", "0 to 23, in that zone", |s| Ok(int(i64::from(s.facts.now.hour)))),
    timed(View::Now, "minute", "0 to 59, in that zone", |s| Ok(int(i64::from(s.facts.now.minute)))),
    timed(View::Now, "business_hours", "inside the configured business hours", |s| Ok(Dynamic::from(s.facts.now.business_hours))),
];
