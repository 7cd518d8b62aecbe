//! One evaluation: the inputs, the running policy's needs, and a cheap record of what was read; it computes no opinion.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Dynamic, EvalAltResult, Position};

use super::table::PROPERTIES;
use crate::model::{Facts, Task};
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
    calls: Vec<(String, String)>,
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
        let value = (property.get)(self).map_err(ApiError::boxed)?;
        let mut log = self.log();
        let bit = 1u128 << index;
        if log.seen & bit == 0 {
            log.seen |= bit;
            if let (true, Ok(index)) = (log.count < MOST_READ, u8::try_from(index)) {
                let at = log.count;
                log.order[at] = index;
                log.count += 1;
            }
        }
        Ok(value)
    }

    /// Remembers the value of a call such as `task.field("x")`.
    pub fn note_call(&self, name: impl FnOnce() -> String, value: impl FnOnce() -> String) {
        let mut log = self.log();
        if log.count >= MOST_READ {
            return;
        }
        let name = name();
        if log.calls.iter().any(|(have, _)| *have == name) {
            return;
        }
        let value = value();
        log.calls.push((cut(&name), cut(&value)));
        let at = log.count;
        log.order[at] = CALL;
        log.count += 1;
    }

    /// Names and values read so far, in order, without repeats; rendered only here.
    pub fn reads(&self) -> Vec<(String, String)> {
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
            out.push((property.path(), cut(&value)));
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

fn render(value: &Dynamic) -> String {
    if value.is_unit() {
        return "()".to_owned();
    }
    value.to_string()
}

fn cut(text: &str) -> String {
    if text.len() <= VALUE_CHARS {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(VALUE_CHARS - 1).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
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
