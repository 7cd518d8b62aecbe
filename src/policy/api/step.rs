//! One thing that a script got from us, and the value it got: enough to ask the same of another task; it runs no script.

use jiff::SignedDuration;
use regex::Regex;
use rhai::{Dynamic, INT, ImmutableString};

use super::functions::{head, pause_of};
use super::session::{Session, optional};
use super::table::{PROPERTIES, count, siblings};
use crate::model::Kind;

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Step {
    /// A property, by its place in the table.
    Property(usize),
    /// `task.field(name)`
    Field(ImmutableString),
    /// `task.has(name)`
    Has(ImmutableString),
    /// `task.matches(pattern)`
    Matches(ImmutableString, Regex),
    /// `facts.siblings.of_kind(kind)`
    OfKind(Kind),
    /// `backoff(base, factor, cap)`: its value is handed on and never looked at, see [`super::pause`].
    Pause(Recipe),
}

/// The arguments of a `backoff`.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// As written.
    pub name: String,
    /// First pause.
    pub base: SignedDuration,
    /// Growth.
    pub factor: f64,
    /// Longest pause.
    pub cap: SignedDuration,
}

/// A value that scripts can tell apart from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// Absent, or never looked at.
    Unit,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(INT),
    /// A text.
    Text(ImmutableString),
}

impl Key {
    /// `None` for values that are made of others.
    pub fn of(value: &Dynamic) -> Option<Self> {
        if value.is_unit() {
            return Some(Self::Unit);
        }
        if let Ok(yes) = value.as_bool() {
            return Some(Self::Bool(yes));
        }
        if let Ok(number) = value.as_int() {
            return Some(Self::Int(number));
        }
        value.clone().try_cast::<ImmutableString>().map(Self::Text)
    }
}

impl Step {
    /// How scripts write it.
    pub fn name(&self) -> String {
        match self {
            Self::Property(index) => PROPERTIES
                .get(*index)
                .map_or_else(String::new, |p| p.path()),
            Self::Field(name) => format!("task.field({name})"),
            Self::Has(name) => format!("task.has({name})"),
            Self::Matches(pattern, _) => format!("task.matches({pattern})"),
            Self::OfKind(kind) => format!("facts.siblings.of_kind({kind})"),
            Self::Pause(recipe) => recipe.name.clone(),
        }
    }

    /// True where both ask for the same.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Property(a), Self::Property(b)) => a == b,
            (Self::Field(a), Self::Field(b))
            | (Self::Has(a), Self::Has(b))
            | (Self::Matches(a, _), Self::Matches(b, _)) => a == b,
            (Self::OfKind(a), Self::OfKind(b)) => a == b,
            (Self::Pause(a), Self::Pause(b)) => a.name == b.name,
            _ => false,
        }
    }

    /// What this session's task and facts give; `None` where a script would fail here.
    pub fn value(&self, session: &Session) -> Option<Key> {
        let task = &session.task;
        match self {
            Self::Property(index) => {
                let property = PROPERTIES.get(*index)?;
                Key::of(&(property.get)(session).ok()?)
            }
            Self::Field(name) => Key::of(&optional(task.fields.get(name).map(|v| v.as_text()))),
            Self::Has(name) => Some(Key::Bool(task.fields.get(name).is_some())),
            Self::Matches(_, regex) => {
                let reason = task.reason.as_deref().unwrap_or("");
                Some(Key::Bool(regex.is_match(head(reason))))
            }
            Self::OfKind(kind) => {
                let account = siblings(session).ok()?;
                Key::of(&count(account, |t| t.kind == *kind))
            }
            Self::Pause(_) => Some(Key::Unit),
        }
    }
}

impl Recipe {
    /// The pause for this session's lineage.
    pub fn span(&self, session: &Session) -> SignedDuration {
        pause_of(&session.facts.history, self)
    }
}
