//! The value of `backoff`: differs from lineage to lineage, so that scripts may hand it on to `.after` without their answer hanging on it; whoever looks at it makes the answer the task's own.

use jiff::SignedDuration;
use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::functions::running;
use super::session::ApiError;
use crate::policy::duration;

/// A pause that was worked out for one lineage.
#[derive(Clone, Debug)]
pub struct Pause {
    /// How long.
    pub span: SignedDuration,
    /// Which one of the run, from 0.
    pub at: usize,
}

/// The words of a pause that a script looks at.
fn words(context: &NativeCallContext<'_>, pause: &Pause) -> Result<String, Box<EvalAltResult>> {
    running(context)?.hangs_on_more();
    Ok(duration::format(pause.span))
}

/// Reads what `.after` was given.
///
/// # Errors
/// Neither a pause nor a span of time in words.
pub fn span_of(given: &Dynamic) -> Result<(SignedDuration, Option<usize>), Box<EvalAltResult>> {
    if let Some(pause) = given.read_lock::<Pause>() {
        return Ok((pause.span, Some(pause.at)));
    }
    let Some(text) = given.read_lock::<ImmutableString>() else {
        let sort = if given.is_unit() {
            "()"
        } else {
            given.type_name()
        };
        return Err(ApiError::script(format!(
            "after needs a span of time, e.g. \"30m\", or backoff(…), not {sort}"
        ))
        .boxed());
    };
    let span = duration::parse(&text).map_err(|error| ApiError::script(error).boxed())?;
    Ok((span, None))
}

/// Registers what scripts may do with a pause beside handing it on.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Pause>("pause");
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |c: NativeCallContext<'_>, pause: &mut Pause| {
            words(&c, pause)
        });
    }
    for (name, equal) in [("==", true), ("!=", false)] {
        engine.register_fn(
            name,
            move |c: NativeCallContext<'_>, a: Pause, b: ImmutableString| {
                words(&c, &a).map(|words| (words == *b) == equal)
            },
        );
        engine.register_fn(
            name,
            move |c: NativeCallContext<'_>, a: ImmutableString, b: Pause| {
                words(&c, &b).map(|words| (*a == words) == equal)
            },
        );
        engine.register_fn(name, move |c: NativeCallContext<'_>, a: Pause, b: Pause| {
            let (a, b) = (words(&c, &a)?, words(&c, &b)?);
            Ok::<bool, Box<EvalAltResult>>((a == b) == equal)
        });
    }
}
