//! The policy set: ordered by file name, compiled once, hashed as a whole; the first opinion wins, and a fault ends the asking with "leave".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rhai::{AST, CallFnOptions, Dynamic, Engine, Scope};

use super::api::functions::Running;
use super::api::properties::{FactsHandle, TaskHandle};
use super::api::{ScriptVerdict, Session};
use super::compile::{add_lib, compile_policy, hash_of};
use super::diagnostic::{Diagnostic, FaultKind, PolicyError};
use super::engine;
use super::kinds::KindTable;
use super::memo::{Answer, Memo};
use super::needs::Needs;
use super::reasons::{Class, ReasonTable};
use super::recorded::CONFIGURED_KINDS;
use crate::model::{Digest, Facts, Kind, PolicyHash, ReadValue, Task, Verdict};

/// A file: its name (for order, messages, hash) and its text.
pub type Source = (String, String);

/// The texts that make up a policy set.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `NAME.rhai`, in any order.
    pub policies: Vec<Source>,
    /// `lib/NAME.rhai`: functions that policies call as `NAME::function(…)`.
    pub libs: Vec<Source>,
    /// `kinds.toml`
    pub kinds: Source,
    /// `reasons.toml`
    pub reasons: Source,
    /// The configuration's own kinds, which go first.
    pub configured_kinds: Vec<(String, Kind)>,
}

/// One compiled file.
pub(super) struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// Its text.
    pub source: String,
    /// What is run.
    pub ast: AST,
    /// What it has declared.
    pub needs: Needs,
    /// True where the top level defines more than `NEEDS` and so has to run before each call.
    pub has_constants: bool,
}

/// The ordered, compiled, hashed whole.
pub struct PolicySet {
    engine: Engine,
    policies: Vec<Policy>,
    kinds: KindTable,
    reasons: ReasonTable,
    sources: Vec<Source>,
    hash: PolicyHash,
    needs: Needs,
    reads_note: bool,
    memo: Memo,
}

/// What one policy said on the way to the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// Nothing: the next one was asked.
    NoOpinion,
    /// This was the answer.
    Answered,
    /// It failed; nobody else was asked.
    Faulted,
}

impl Said {
    /// The word for people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoOpinion => "no opinion",
            Self::Answered => "answered",
            Self::Faulted => "faulted",
        }
    }
}

/// The answer of a policy set about one task.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The answer; `None` when no policy had an opinion. With a fault it is "leave".
    pub verdict: Option<Verdict>,
    /// The file that answered or failed.
    pub policy: Option<Arc<str>>,
    /// Line of the verb that made the verdict, from 1; of the fault, where there was one.
    pub line: Option<u32>,
    /// What went wrong, if something did; `fault.kind.counts()` says whether it counts.
    pub fault: Option<Diagnostic>,
    /// Digest of the inputs, as given.
    pub inputs: Digest,
    /// Who was asked, in order.
    pub considered: Arc<[(Arc<str>, Said)]>,
    /// Names and values that scripts read on the way, in order, without repeats, at most 64, cut
    /// at 200 characters.
    pub read: Arc<[ReadValue]>,
    /// True where something was read that changes with time alone: such a task may be decided
    /// otherwise later although task, facts and hash are the same.
    pub depends_on_time: bool,
}

impl Evaluated {
    fn of(answer: Answer, fault: Option<Diagnostic>, inputs: Digest) -> Self {
        Self {
            verdict: answer.verdict,
            policy: answer.policy,
            line: answer.line,
            fault,
            inputs,
            considered: answer.considered,
            read: answer.read,
            depends_on_time: answer.timed,
        }
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet")
            .field("hash", &self.hash.short())
            .field("policies", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl PolicySet {
    /// Compiles and checks everything; all findings come at once.
    ///
    /// # Errors
    /// Every file that doesn't compile, lacks `fn decide(task, facts)` or declares wrong needs.
    pub fn compile(sources: Sources) -> Result<Self, PolicyError> {
        let Sources {
            mut policies,
            mut libs,
            kinds,
            reasons,
            configured_kinds,
        } = sources;
        policies.sort();
        libs.sort();
        let mut findings = Vec::new();
        let mut engine = engine::build();
        for (file, text) in &libs {
            if let Err(found) = add_lib(&mut engine, file, text) {
                findings.push(found);
            }
        }
        let mut compiled = Vec::new();
        for (file, text) in &policies {
            match compile_policy(&engine, file, text) {
                Ok(policy) => compiled.push(policy),
                Err(found) => findings.extend(found),
            }
        }
        if policies.is_empty() {
            findings.push(
                Diagnostic::file(".", "no policy: there is not one file NAME.rhai")
                    .hint("copy the shipped policies, or leave policy.dir out to use them"),
            );
        }
        let kind_table = KindTable::compile(&kinds.0, &kinds.1, &configured_kinds);
        let reason_table = ReasonTable::compile(&reasons.0, &reasons.1);
        let (kind_table, reason_table) = match (kind_table, reason_table) {
            (Ok(kinds), Ok(reasons)) if findings.is_empty() => (kinds, reasons),
            (kinds, reasons) => {
                findings.extend(kinds.err().into_iter().flatten());
                findings.extend(reasons.err().into_iter().flatten());
                return Err(PolicyError {
                    findings,
                    dir: None,
                });
            }
        };
        let mut all = policies;
        all.extend(libs);
        let reads_note = all.iter().any(|(_, text)| may_read_note(text));
        all.push(kinds);
        all.push(reasons);
        if !configured_kinds.is_empty() {
            let rows: Vec<String> = configured_kinds
                .iter()
                .map(|(pattern, kind)| format!("{pattern} = {kind}"))
                .collect();
            all.push((CONFIGURED_KINDS.to_owned(), rows.join("\n")));
        }
        let needs = compiled
            .iter()
            .fold(Needs::NONE, |all, policy| all.union(policy.needs));
        Ok(Self {
            engine,
            policies: compiled,
            kinds: kind_table,
            reasons: reason_table,
            hash: hash_of(&all),
            sources: all,
            needs,
            reads_note,
            memo: Memo::default(),
        })
    }

    /// The hash that a person releases: names and texts of everything that decides.
    pub fn hash(&self) -> &PolicyHash {
        &self.hash
    }

    /// The same under another hash: it stands for that set, and must not be asked.
    pub(super) fn under(self, hash: PolicyHash) -> Self {
        Self { hash, ..self }
    }

    /// Everything that went into the hash: name and text.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The policies' file names in the order in which they are asked.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| &*policy.name)
    }

    /// The text of a policy.
    pub fn source_of(&self, policy: &str) -> Option<&str> {
        self.policies
            .iter()
            .find(|p| &*p.name == policy)
            .map(|p| p.source.as_str())
    }

    /// Which facts any policy needs.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// True where a policy may read the task's note: it names it, or a field by a name that is made up on the way.
    pub fn reads_note(&self) -> bool {
        self.reads_note
    }

    /// The kinds table.
    pub fn kinds(&self) -> &KindTable {
        &self.kinds
    }

    /// The reasons table.
    pub fn reasons(&self) -> &ReasonTable {
        &self.reasons
    }

    /// What the task does to access; remembered per definition.
    pub fn kind_of(&self, task: &Task) -> Kind {
        self.kinds.kind_of(task)
    }

    /// What its reason means.
    pub fn classify(&self, task: &Task) -> Class {
        self.reasons.classify(task)
    }

    /// Asks the policies in order about one task. What the same values have led to before is known;
    /// the answer is the one that the scripts would give.
    pub fn decide(&self, task: &Arc<Task>, facts: &Arc<Facts>, inputs: Digest) -> Evaluated {
        let session = Session::new(Arc::clone(task), Arc::clone(facts));
        match self.memo.find(&session) {
            Some(known) => Evaluated::of(known, None, inputs),
            None => {
                let session = Arc::new(session);
                let (answer, fault, made) = self.ask(self.policies.iter(), &session);
                if fault.is_none() {
                    self.memo.learn(&session, &answer, made.as_ref());
                }
                Evaluated::of(answer, fault, inputs)
            }
        }
    }

    /// What is known without asking.
    #[cfg(test)]
    pub(super) fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Asks the scripts themselves, whatever is known: for people who want to see them answer.
    pub fn decide_anew(&self, task: &Arc<Task>, facts: &Arc<Facts>, inputs: Digest) -> Evaluated {
        let session = Arc::new(Session::new(Arc::clone(task), Arc::clone(facts)));
        let (answer, fault, _) = self.ask(self.policies.iter(), &session);
        Evaluated::of(answer, fault, inputs)
    }

    /// Asks one policy alone, for its cases; `None` where there is no such policy.
    pub fn decide_by(
        &self,
        policy: &str,
        task: &Arc<Task>,
        facts: &Arc<Facts>,
        inputs: Digest,
    ) -> Option<Evaluated> {
        let one = self.policies.iter().find(|p| &*p.name == policy)?;
        let session = Arc::new(Session::new(Arc::clone(task), Arc::clone(facts)));
        let (answer, fault, _) = self.ask(std::iter::once(one), &session);
        Some(Evaluated::of(answer, fault, inputs))
    }

    fn ask<'a>(
        &'a self,
        policies: impl Iterator<Item = &'a Policy>,
        session: &Arc<Session>,
    ) -> (Answer, Option<Diagnostic>, Option<ScriptVerdict>) {
        let (mut verdict, mut by, mut line, mut fault) = (None, None, None, None);
        let mut made = None;
        let mut considered = Vec::with_capacity(self.policies.len());
        for policy in policies {
            let name = Arc::clone(&policy.name);
            match self.call_twice(policy, session) {
                Ok(None) => considered.push((name, Said::NoOpinion)),
                Ok(Some(out)) => {
                    considered.push((Arc::clone(&name), Said::Answered));
                    verdict = Some(out.verdict.clone());
                    line = out.line;
                    by = Some(name);
                    made = Some(out);
                    break;
                }
                Err(found) => {
                    considered.push((Arc::clone(&name), Said::Faulted));
                    verdict = Some(Verdict::Leave {
                        reason: Arc::from(format!("policy fault: {}", found.one_line())),
                        after: None,
                    });
                    line = found.line;
                    by = Some(name);
                    fault = Some(*found);
                    break;
                }
            }
        }
        let answer = Answer {
            verdict,
            policy: by,
            line,
            considered: considered.into(),
            read: session.reads().into(),
            timed: session.read_time(),
        };
        (answer, fault, made)
    }

    /// A deadline may be the host's doing: one more try decides.
    fn call_twice(
        &self,
        policy: &Policy,
        session: &Arc<Session>,
    ) -> Result<Option<ScriptVerdict>, Box<Diagnostic>> {
        match self.call(policy, session) {
            Err(fault) if fault.kind == FaultKind::Deadline => self.call(policy, session),
            answer => answer,
        }
    }

    fn call(
        &self,
        policy: &Policy,
        session: &Arc<Session>,
    ) -> Result<Option<ScriptVerdict>, Box<Diagnostic>> {
        session.declare(policy.needs);
        let arguments = (
            TaskHandle::clone_of(session),
            FactsHandle::clone_of(session),
        );
        let options = CallFnOptions::new()
            .eval_ast(policy.has_constants)
            .with_tag(Dynamic::from(Running(Arc::clone(session))));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            engine::with_deadline(|| {
                self.engine.call_fn_with_options::<Dynamic>(
                    options,
                    &mut Scope::new(),
                    &policy.ast,
                    "decide",
                    arguments,
                )
            })
        }));
        let fault =
            |message: String, kind| Box::new(Diagnostic::file(&policy.name, message).of(kind));
        match outcome {
            Err(_) => Err(fault(
                "a function of provtaskd panicked; this is our mistake, please report it"
                    .to_owned(),
                FaultKind::Internal,
            )),
            Ok(Err(error)) => Err(Box::new(engine::explain(
                &policy.name,
                &policy.source,
                &error,
            ))),
            Ok(Ok(value)) if value.is_unit() => Ok(None),
            Ok(Ok(value)) => {
                let sort = self.engine.map_type_name(value.type_name()).to_owned();
                match value.try_cast::<ScriptVerdict>() {
                    Some(made) => Ok(Some(made)),
                    None => Err(Box::new(
                        Diagnostic::file(
                            &policy.name,
                            format!("decide returned a value of type {sort}, which is no verdict"),
                        )
                        .of(FaultKind::Result)
                        .hint("end with retry(), reassign(…), leave(…), ask(…), another verb, or () for no opinion"),
                    )),
                }
            }
        }
    }
}

/// True where a script names the note, be it in a comment, or asks for a field by anything but a plain text.
fn may_read_note(script: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let names = script
        .split(|c| !in_word(c))
        .any(|word| word.eq_ignore_ascii_case("note"));
    let computed = ["field", "has"].into_iter().any(|call| {
        script.split(call).skip(1).any(|rest| {
            let argument = rest.trim_start().strip_prefix('(').map(str::trim_start);
            argument.is_some_and(|argument| {
                let text = argument.strip_prefix('"').and_then(|of| of.split_once('"'));
                text.is_none_or(|(_, after)| !after.trim_start().starts_with(')'))
            })
        })
    });
    names || computed
}

#[cfg(test)]
mod tests {
    use super::may_read_note;

    #[test]
    fn what_reads_the_note_is_told_by_its_words() {
        for script in [
            "task.note",
            "if task.has(\"Process Instance.Task Information.Note\") {}",
            "task.field(name)",
            "task.field(\"a\" + b)",
            "task . field (`${x}`)",
            "field(task, x)",
        ] {
            assert!(may_read_note(script), "{script}");
        }
        for script in [
            "set_note(\"x\")",
            "facts.kind == \"notify\"",
            "task.field( \"Objects.Name\" )",
            "facts.owner.present",
        ] {
            assert!(!may_read_note(script), "{script}");
        }
    }
}
