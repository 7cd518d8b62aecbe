//! Turns the texts of a policy set into what can be asked, and finds what is wrong with them; it asks nothing.

use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, Module, Scope};
use sha2::{Digest as _, Sha256};

use super::diagnostic::Diagnostic;
use super::engine;
use super::inputs::hex;
use super::needs::{Need, Needs};
use super::set::{Policy, Source};
use crate::model::PolicyHash;

pub(super) fn hash_of(sources: &[Source]) -> PolicyHash {
    let mut sha = Sha256::new();
    for (name, text) in sources {
        for part in [name, text] {
            sha.update(part.len().to_string());
            sha.update(":");
            sha.update(part);
        }
    }
    PolicyHash::new(&hex(&sha.finalize()))
}

fn parse(engine: &Engine, file: &str, text: &str) -> Result<AST, Box<Diagnostic>> {
    engine.compile(text).map_err(|error| {
        let message = error.err_type().to_string();
        let found = Diagnostic::file(file, message).at_position(text, error.position());
        Box::new(match error.err_type() {
            rhai::ParseErrorType::VariableUndefined(_) => found.hint(
                "inside a function write global::NAME for a constant of the top; there are no other outer variables",
            ),
            _ => found,
        })
    })
}

pub(super) fn add_lib(engine: &mut Engine, file: &str, text: &str) -> Result<(), Diagnostic> {
    let ast = parse(engine, file, text).map_err(|found| *found)?;
    let module = engine::with_deadline(|| Module::eval_ast_as_new(Scope::new(), &ast, engine))
        .map_err(|error| engine::explain(file, text, &error))?;
    let name = file
        .rsplit('/')
        .next()
        .and_then(|n| n.strip_suffix(".rhai"))
        .unwrap_or(file);
    engine.register_static_module(name, module.into());
    Ok(())
}

pub(super) fn compile_policy(
    engine: &Engine,
    file: &str,
    text: &str,
) -> Result<Policy, Vec<Diagnostic>> {
    let ast = parse(engine, file, text).map_err(|found| vec![*found])?;
    let mut findings = Vec::new();
    let decide: Vec<usize> = ast
        .iter_functions()
        .filter(|f| f.name == "decide")
        .map(|f| f.params.len())
        .collect();
    if !decide.contains(&2) {
        let message = if decide.is_empty() {
            "there is no fn decide(task, facts)"
        } else {
            "decide must take exactly (task, facts)"
        };
        findings.push(Diagnostic::file(file, message).hint("fn decide(task, facts) { … }"));
    }
    let mut scope = Scope::new();
    let top = engine::with_deadline(|| engine.run_ast_with_scope(&mut scope, &ast));
    if let Err(error) = top {
        findings.push(
            engine::explain(file, text, &error)
                .hint("the top level may only hold constants and functions"),
        );
    }
    let needs_line = text
        .lines()
        .position(|l| l.contains("NEEDS"))
        .map(|n| n + 1);
    let needs = match scope.get_value::<Dynamic>("NEEDS") {
        None => Needs::NONE,
        Some(value) => match read_needs(value) {
            Ok(needs) => needs,
            Err(message) => {
                findings.push(Diagnostic::file(file, message).at(text, needs_line, None));
                Needs::NONE
            }
        },
    };
    let has_constants = scope.iter().any(|(name, ..)| name != "NEEDS");
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(Policy {
        name: Arc::from(file),
        source: text.to_owned(),
        ast,
        needs,
        has_constants,
    })
}

fn read_needs(value: Dynamic) -> Result<Needs, String> {
    let all = || {
        let words: Vec<_> = Need::ALL.iter().map(|n| n.as_str()).collect();
        words.join(", ")
    };
    let words = value
        .into_typed_array::<rhai::ImmutableString>()
        .map_err(|_| format!("NEEDS must be a list of words out of: {}", all()))?;
    words.iter().try_fold(Needs::NONE, |needs, word| {
        Need::parse(word)
            .map(|need| needs.with(need))
            .ok_or_else(|| format!("NEEDS: `{word}` is none of: {}", all()))
    })
}
