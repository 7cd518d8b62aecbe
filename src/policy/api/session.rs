//! One evaluation: the inputs, the running policy's needs, and a record of what was read, in order and with every value; it computes no opinion.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Dynamic, EvalAltResult, Position};

use super::step::{Key, Step};
use super::table::PROPERTIES;
use crate::model::{Facts, ReadValue, Task};
use crate::policy::diagnostic::FaultKind;
use crate::policy::needs::{Need, Needs};

/// Most different values that are remembered as read; the rest is only counted.
pub const MOST_READ: usize = 64;
/// Characters of a value that are kept in the record.
pub const VALUE_CHARS: usize = 200;
/// Characters of a task's text that a script may see.
pub const TEXT_CHARS: usize = 4096;

/// What native code tells a script's run when it can't go on; it becomes the fault's kind and text.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// Which sort of fault.
    pub kind: FaultKind,
    /// What happened.
    pub message: String,
}

impl ApiError {
    /// A plain misuse by the script.
    pub fn script(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Script,
            message: message.into(),
        }
    }

    /// A fact that could not be had.
    pub fn unknown(what: &str, why: &str) -> Self {
        Self {
            kind: FaultKind::UnknownFact,
            message: format!("fact unknown: {what}: {why}"),
        }
    }

    /// As the engine carries it; the place is filled in by the engine.
    pub fn boxed(self) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorRuntime(
            Dynamic::from(self),
            Position::NONE,
        ))
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// What was read, in order: properties by index, calls with their rendered value.
#[derive(Debug)]
struct ReadLog {
    seen: u128,
    order: [u8; MOST_READ],
    count: usize,
    calls: Vec<ReadValue>,
    /// Everything that the run has got from us, in order; `None` where that does not tell its answer.
    trace: Option<Vec<(Step, Key)>>,
}

impl ReadLog {
    fn trace(&mut self, step: Step, key: Option<Key>) {
        match (&mut self.trace, key) {
            (Some(trace), Some(key)) if trace.len() < MOST_READ => trace.push((step, key)),
            (trace, _) => *trace = None,
        }
    }
}

/// Marks a call in the order; properties are numbered from 0 and fewer than this (a test counts them).
const CALL: u8 = u8::MAX;

/// One evaluation of one task by one policy set.
#[derive(Debug)]
pub struct Session {
    /// The task.
    pub task: Arc<Task>,
    /// The facts.
    pub facts: Arc<Facts>,
    needs: AtomicU8,
    log: Mutex<ReadLog>,
}

impl Session {
    /// A session without any needs declared yet.
    pub fn new(task: Arc<Task>, facts: Arc<Facts>) -> Self {
        Self {
            task,
            facts,
            needs: AtomicU8::new(0),
            log: Mutex::new(ReadLog {
                seen: 0,
                order: [0; MOST_READ],
                count: 0,
                calls: Vec::new(),
                trace: Some(Vec::new()),
            }),
        }
    }

    /// Sets what the policy that runs next has declared.
    pub fn declare(&self, needs: Needs) {
        self.needs.store(needs.bits(), Ordering::Relaxed);
    }

    /// Fails where the running policy has not declared the need.
    pub fn require(&self, need: Need) -> Result<(), ApiError> {
        if Needs::from_bits(self.needs.load(Ordering::Relaxed)).contains(need) {
            return Ok(());
        }
        Err(ApiError {
            kind: FaultKind::Undeclared,
            message: format!(
                "facts.{need} is not declared; add \"{need}\" to NEEDS at the top: const NEEDS = [\"{need}\"];",
                need = need.as_str()
            ),
        })
    }

    fn log(&self) -> MutexGuard<'_, ReadLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a property by index and remembers that it was read.
    pub fn read(&self, index: usize) -> Result<Dynamic, Box<EvalAltResult>> {
        let Some(property) = PROPERTIES.get(index) else {
            return Err(ApiError::script("no such property").boxed());
        };
        let value = (property.get)(self).map_err(|error| {
            // a script may catch it and go on: what it says then hangs on more than values
            self.hangs_on_more();
            error.boxed()
        })?;
        let mut log = self.log();
        let bit = 1u128 << index;
        if log.seen & bit == 0 {
            log.seen |= bit;
            log.trace(Step::Property(index), Key::of(&value));
            if let (true, Ok(index)) = (log.count < MOST_READ, u8::try_from(index)) {
                let at = log.count;
                log.order[at] = index;
                log.count += 1;
            }
        }
        Ok(value)
    }

    /// Remembers a call such as `task.field("x")` with what it gave.
    pub fn note_call(&self, step: Step, key: Option<Key>, value: impl FnOnce() -> String) {
        let mut log = self.log();
        let name = step.name();
        log.trace(step, key);
        if log.count >= MOST_READ || log.calls.iter().any(|(have, _)| **have == name) {
            return;
        }
        let value = value();
        log.calls.push((cut(&name), cut(&value)));
        let at = log.count;
        log.order[at] = CALL;
        log.count += 1;
    }

    /// How many pauses were worked out so far.
    pub fn pauses(&self) -> usize {
        let log = self.log();
        let trace = log.trace.iter().flatten();
        trace
            .filter(|(step, _)| matches!(step, Step::Pause(_)))
            .count()
    }

    /// The answer hangs on more than the values in the trace: it is not to be known from them.
    pub fn hangs_on_more(&self) {
        self.log().trace = None;
    }

    /// Everything that was got, in order, with its value; `None` where that does not tell the answer.
    pub fn trace(&self) -> Option<Vec<(Step, Key)>> {
        self.log().trace.clone()
    }

    /// Names and values read so far, in order, without repeats; rendered only here.
    pub fn reads(&self) -> Vec<ReadValue> {
        let log = self.log();
        let mut calls = log.calls.iter();
        let mut out = Vec::with_capacity(log.count);
        for index in log.order.iter().take(log.count) {
            if *index == CALL {
                out.extend(calls.next().cloned());
                continue;
            }
            let Some(property) = PROPERTIES.get(usize::from(*index)) else {
                continue;
            };
            if property.view_of.is_some() {
                continue;
            }
            let value = match (property.get)(self) {
                Ok(value) => render(&value),
                Err(error) => error.message,
            };
            out.push((Arc::from(property.path()), cut(&value)));
        }
        out
    }

    /// True where something was read that changes with time alone, so that the same task with the
    /// same facts may be decided otherwise later.
    pub fn read_time(&self) -> bool {
        let seen = self.log().seen;
        PROPERTIES
            .iter()
            .enumerate()
            .any(|(index, property)| property.timed && seen & (1u128 << index) != 0)
    }
}

/// A value as it stands in the record, before it is cut.
pub fn render(value: &Dynamic) -> String {
    if value.is_unit() {
        return "()".to_owned();
    }
    value.to_string()
}

/// A text as it stands in the record.
pub fn cut(text: &str) -> Arc<str> {
    if text.len() <= VALUE_CHARS {
        return Arc::from(text);
    }
    let mut kept: String = text.chars().take(VALUE_CHARS - 1).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    Arc::from(kept)
}

/// A text as scripts see it: at most [`TEXT_CHARS`] characters.
pub fn text(value: &str) -> Dynamic {
    if value.len() <= TEXT_CHARS {
        return Dynamic::from(rhai::ImmutableString::from(value));
    }
    let kept: String = value.chars().take(TEXT_CHARS).collect();
    Dynamic::from(rhai::ImmutableString::from(kept))
}

/// An optional text: `()` where absent, which is "not shown by the server", not "empty".
pub fn optional(value: Option<&str>) -> Dynamic {
    value.map_or(Dynamic::UNIT, text)
}
