//! The handles that scripts hold and how their properties are registered; getters only read.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult};

use super::session::{ApiError, Session};
use super::table::PROPERTIES;
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
