//! Asks the policies about many tasks at once, off the runtime's threads, and puts what they saw into words and digest; it takes no part in what becomes of the answers.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::evaluate::{Bench, CycleError};
use crate::ledger::record::digest_of;
use crate::model::{Facts, Task};
use crate::policy::InputsWriter;

/// One task on its way to a decision.
pub(super) struct Candidate {
    /// Its place in the snapshot.
    pub row: usize,
    /// The row, with all its fields.
    pub task: Arc<Task>,
    /// What a policy may know of it.
    pub facts: Arc<Facts>,
    /// Fingerprint of what the decision rests on.
    pub print: u64,
}

/// An answer on its way back.
pub(super) struct Decided {
    /// Whose.
    pub candidate: Candidate,
    /// The answer.
    pub evaluated: crate::policy::Evaluated,
    /// The inputs as stored, and the moment of the look.
    pub inputs: (String, Arc<str>),
}

/// Tasks that are being decided, off the runtime's threads, on two of them.
pub(super) struct Asked([JoinHandle<Vec<Decided>>; 2]);

impl Asked {
    /// Begins at once, whether or not the answers are waited for.
    pub fn now(bench: &Bench, mut candidates: Vec<Candidate>) -> Self {
        let second = candidates.split_off(candidates.len() / 2);
        Self([candidates, second].map(|part| ask(bench, part)))
    }

    /// The answers, in the order of the tasks.
    pub async fn answers(self) -> Result<Vec<Decided>, CycleError> {
        let [first, second] = self.0;
        let mut all = first.await.map_err(|_| CycleError::Worker)?;
        all.extend(second.await.map_err(|_| CycleError::Worker)?);
        Ok(all)
    }
}

fn ask(bench: &Bench, candidates: Vec<Candidate>) -> JoinHandle<Vec<Decided>> {
    let policies = Arc::clone(&bench.policies);
    let anew = bench.whole;
    tokio::task::spawn_blocking(move || {
        let mut words = InputsWriter::default();
        candidates
            .into_iter()
            .map(|mut candidate| {
                let facts = Arc::make_mut(&mut candidate.facts);
                let inputs = words.parts(&candidate.task, facts);
                let digest = digest_of(inputs.0.as_bytes());
                let (task, facts) = (&candidate.task, &candidate.facts);
                let evaluated = if anew {
                    policies.decide_anew(task, facts, digest)
                } else {
                    policies.decide(task, facts, digest)
                };
                Decided {
                    candidate,
                    evaluated,
                    inputs,
                }
            })
            .collect()
    })
}
