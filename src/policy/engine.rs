//! The one recipe for a Rhai engine: no I/O, no clock, no chance, every size and step limited; no other place may make an engine.

use std::cell::Cell;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, EvalAltResult, Position};

use super::api;
use super::api::session::ApiError;
use super::diagnostic::{Diagnostic, FaultKind};

/// Steps of one call of `decide`.
pub const MAX_OPERATIONS: u64 = 100_000;
/// Depth of calls in calls.
pub const MAX_CALL_LEVELS: usize = 16;
/// Depth of an expression, at the top and inside functions.
pub const MAX_EXPR_DEPTH: usize = 48;
/// Bytes of a text.
pub const MAX_STRING: usize = 16 * 1024;
/// Elements of an array.
pub const MAX_ARRAY: usize = 1000;
/// Entries of a map (the engine doesn't hold `m[k] = v` to it; operations and time do).
pub const MAX_MAP: usize = 256;
/// Variables in scope.
pub const MAX_VARIABLES: usize = 128;
/// Functions of one file.
pub const MAX_FUNCTIONS: usize = 64;
/// Processor time of one call of `decide`, nanoseconds.
pub const DEADLINE_NANOS: i64 = 20_000_000;

/// Words of the language that would print, evaluate text or read files.
pub const DISABLED: [&str; 5] = ["eval", "print", "debug", "import", "export"];

const DEADLINE_TOKEN: &str = "deadline";
const CHECK_EVERY: u64 = 64;

thread_local! {
    /// Thread processor time at which the running call must end; set at its first check.
    static ENDS_AT: Cell<Option<i64>> = const { Cell::new(None) };
}

/// An engine with all limits and everything a policy may use.
pub fn build() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    for word in DISABLED {
        engine.disable_symbol(word);
    }
    engine
        .set_max_operations(MAX_OPERATIONS)
        .set_max_call_levels(MAX_CALL_LEVELS)
        .set_max_expr_depths(MAX_EXPR_DEPTH, MAX_EXPR_DEPTH)
        .set_max_string_size(MAX_STRING)
        .set_max_array_size(MAX_ARRAY)
        .set_max_map_size(MAX_MAP)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_modules(0);
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.on_progress(out_of_time);
    api::register(&mut engine);
    engine
}

/// Called by the engine at each step; processor time of this thread, so that a stalled host faults no good script.
fn out_of_time(operations: u64) -> Option<Dynamic> {
    if !operations.is_multiple_of(CHECK_EVERY) {
        return None;
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let now = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    ENDS_AT.with(|ends_at| match ends_at.get() {
        Some(end) if now > end => Some(Dynamic::from(DEADLINE_TOKEN)),
        Some(_) => None,
        None => {
            ends_at.set(Some(now + DEADLINE_NANOS));
            None
        }
    })
}

/// Runs one call with a fresh deadline; a call shorter than the first check never asks the clock.
pub fn with_deadline<T>(call: impl FnOnce() -> T) -> T {
    ENDS_AT.with(|ends_at| ends_at.set(None));
    call()
}

/// Turns the engine's error into a finding with file, line, excerpt and what to do.
pub fn explain(file: &str, source: &str, error: &EvalAltResult) -> Diagnostic {
    let position = error.position();
    let inner = innermost(error);
    let place = match inner.position() {
        Position::NONE => position,
        inner => inner,
    };
    let (kind, message, hint) = describe(inner);
    let found = Diagnostic::file(file, message)
        .of(kind)
        .at_position(source, place);
    match hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}

fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _)
        | EvalAltResult::ErrorInModule(_, inner, _) => innermost(inner),
        other => other,
    }
}

fn describe(error: &EvalAltResult) -> (FaultKind, String, Option<String>) {
    match error {
        EvalAltResult::ErrorRuntime(thrown, _) => match thrown.read_lock::<ApiError>() {
            Some(error) => {
                let hint = (error.kind == FaultKind::UnknownFact)
                    .then(|| "test `.known` first and say what to do when it is false".to_owned());
                (error.kind, error.message.clone(), hint)
            }
            None => (FaultKind::Script, format!("thrown: {thrown}"), None),
        },
        EvalAltResult::ErrorTerminated(..) => (
            FaultKind::Deadline,
            format!(
                "used more than {} ms of processor time",
                DEADLINE_NANOS / 1_000_000
            ),
            Some("make the loop shorter; a policy looks at one task only".to_owned()),
        ),
        EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorTooManyVariables(_)
        | EvalAltResult::ErrorTooManyModules(_)
        | EvalAltResult::ErrorDataTooLarge(..) => (
            FaultKind::Limit,
            bare(error),
            Some("docs/policy.md lists the limits".to_owned()),
        ),
        EvalAltResult::ErrorDotExpr(..) | EvalAltResult::ErrorPropertyNotFound(..) => (
            FaultKind::Script,
            bare(error),
            Some("docs/policy.md lists every property of task and facts".to_owned()),
        ),
        EvalAltResult::ErrorFunctionNotFound(..) => (
            FaultKind::Script,
            bare(error),
            Some("check the name and the types of the arguments; () is an absent value".to_owned()),
        ),
        _ => (FaultKind::Script, bare(error), None),
    }
}

/// The engine's words without the place, which the finding already carries.
fn bare(error: &EvalAltResult) -> String {
    let text = error.to_string();
    match text.rfind(" (line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
