//! Calls beside plain properties: any OIG field by name, patterns on the reason, back-off; each one bounded and without memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::SignedDuration;
use regex::{Regex, RegexBuilder};
use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, ImmutableString, NativeCallContext};

use super::pause::Pause;
use super::properties::{SiblingsHandle, TaskHandle};
use super::session::{ApiError, Session, TEXT_CHARS, optional, render};
use super::step::{Key, Recipe, Step};
use super::table::{count, siblings};
use crate::model::Kind;
use crate::model::facts::History;
use crate::policy::backoff::backoff;
use crate::policy::duration;
use crate::policy::needs::Need;

/// Name and meaning of every function that we add to the language, for the docs and their test.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "task.field",
        "any OIG field of the row by name (case and blanks around it don't count), as text; `()` where the row doesn't show it",
    ),
    ("task.has", "true where the row shows the field"),
    (
        "task.matches",
        "true where the regular expression (no case) matches the reason",
    ),
    ("facts.siblings.of_kind", "other open tasks of that kind"),
    (
        "backoff",
        "`backoff(base, factor, cap)`: a pause that grows by `factor` with each attempt of the episode, with a spread that is the same on every run (need: `history`)",
    ),
    ("retry", "retry the task"),
    ("reassign", "hand the task to `user:LOGIN` or `role:NAME`"),
    ("set_note", "replace the note"),
    ("set_response", "set the response code"),
    ("manual_complete", "mark as done by hand"),
    ("leave", "do nothing, with the reason"),
    ("ask", "a person must look, with the reason"),
    (
        ".after",
        "not before this long after the last attempt (leave and ask: look again this long from now)",
    ),
    (".because", "the policy's own words for an act"),
    (".priority", "higher goes first, -1000 to 1000; 0 is usual"),
];

/// Patterns kept compiled; a script that builds patterns from data only makes them slower, never unbounded.
const MOST_PATTERNS: usize = 512;
const PATTERN_SIZE: usize = 1 << 20;
const PATTERN_CHARS: usize = 1000;

/// The session of the running call; every verb and function finds it here.
#[derive(Clone, Debug)]
pub struct Running(pub Arc<Session>);

/// Finds the session of the running call.
pub fn running(context: &NativeCallContext<'_>) -> Result<Arc<Session>, Box<EvalAltResult>> {
    context
        .tag()
        .and_then(|tag| tag.read_lock::<Running>())
        .map(|running| Arc::clone(&running.0))
        .ok_or_else(|| ApiError::script("this works only inside decide").boxed())
}

#[derive(Debug, Default)]
struct Patterns(RwLock<HashMap<ImmutableString, Regex>>);

impl Patterns {
    fn get(&self, pattern: &ImmutableString) -> Result<Regex, ApiError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.clone());
        }
        drop(known);
        if pattern.len() > PATTERN_CHARS {
            return Err(ApiError::script(format!(
                "pattern is longer than {PATTERN_CHARS} bytes"
            )));
        }
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(PATTERN_SIZE)
            .dfa_size_limit(PATTERN_SIZE)
            .nest_limit(50)
            .build()
            .map_err(|e| ApiError::script(format!("not a regular expression: {e}")))?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_PATTERNS {
            known.clear();
        }
        known.insert(pattern.clone(), regex.clone());
        Ok(regex)
    }
}

/// The first [`TEXT_CHARS`] characters.
pub(super) fn head(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_CHARS).map(|(at, _)| at);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn span(text: &str) -> Result<SignedDuration, Box<EvalAltResult>> {
    duration::parse(text).map_err(|e| ApiError::script(e).boxed())
}

/// The pause of a lineage.
pub(super) fn pause_of(history: &History, recipe: &Recipe) -> SignedDuration {
    let Recipe {
        base, factor, cap, ..
    } = recipe;
    backoff(history.lineage, history.attempts, *base, *factor, *cap)
}

fn pause(
    context: &NativeCallContext<'_>,
    base: &str,
    factor: f64,
    cap: &str,
) -> Result<Pause, Box<EvalAltResult>> {
    let session = running(context)?;
    session.require(Need::History).map_err(ApiError::boxed)?;
    if !(1.0..=100.0).contains(&factor) {
        return Err(
            ApiError::script(format!("backoff: factor {factor} is not within 1 to 100")).boxed(),
        );
    }
    let recipe = Recipe {
        name: format!("backoff({base}, {factor}, {cap})"),
        base: span(base)?,
        factor,
        cap: span(cap)?,
    };
    let pause = Pause {
        span: recipe.span(&session),
        at: session.pauses(),
    };
    session.note_call(Step::Pause(recipe), Some(Key::Unit), || {
        duration::format(pause.span)
    });
    Ok(pause)
}

/// Registers the functions that are no verbs.
pub fn register(engine: &mut Engine) {
    engine.register_fn("field", |task: &mut TaskHandle, name: ImmutableString| {
        let value = optional(task.0.task.fields.get(&name).map(|v| v.as_text()));
        let key = Key::of(&value);
        task.0.note_call(Step::Field(name), key, || render(&value));
        value
    });
    engine.register_fn("has", |task: &mut TaskHandle, name: ImmutableString| {
        let has = task.0.task.fields.get(&name).is_some();
        let key = Some(Key::Bool(has));
        task.0.note_call(Step::Has(name), key, || has.to_string());
        has
    });
    let patterns = Patterns::default();
    engine.register_fn(
        "matches",
        move |task: &mut TaskHandle,
              pattern: ImmutableString|
              -> Result<bool, Box<EvalAltResult>> {
            let regex = patterns.get(&pattern).map_err(ApiError::boxed)?;
            let reason = task.0.task.reason.as_deref().unwrap_or("");
            let fits = regex.is_match(head(reason));
            let key = Some(Key::Bool(fits));
            task.0
                .note_call(Step::Matches(pattern, regex), key, || fits.to_string());
            Ok(fits)
        },
    );
    engine.register_fn(
        "of_kind",
        |s: &mut SiblingsHandle, kind: ImmutableString| -> Result<Dynamic, Box<EvalAltResult>> {
            let kind: Kind = kind.parse().map_err(|e: crate::model::kind::NotAKind| {
                ApiError::script(e.to_string()).boxed()
            })?;
            let account = siblings(&s.0).map_err(|error| {
                s.0.hangs_on_more();
                error.boxed()
            })?;
            let number = count(account, |t| t.kind == kind);
            s.0.note_call(Step::OfKind(kind), Key::of(&number), || number.to_string());
            Ok(number)
        },
    );
    engine.register_fn(
        "backoff",
        |context: NativeCallContext<'_>,
         base: ImmutableString,
         factor: FLOAT,
         cap: ImmutableString| { pause(&context, &base, factor, &cap) },
    );
    engine.register_fn(
        "backoff",
        |context: NativeCallContext<'_>,
         base: ImmutableString,
         factor: i64,
         cap: ImmutableString| {
            let factor = i32::try_from(factor).map_or(f64::INFINITY, f64::from);
            pause(&context, &base, factor, &cap)
        },
    );
}
