//! Asks the policies about many tasks at once, off the runtime's threads, and puts what they saw into words and digest; it takes no part in what becomes of the answers.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::evaluate::{Bench, CycleError};
use crate::model::{Facts, Task};
use crate::policy::{InputsWriter, Worded};

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
    pub inputs: Worded,
}

/// What each of the two threads writes inputs with: it knows what tasks have in common.
pub(super) type Writers = [InputsWriter; 2];

/// Tasks that are being decided, off the runtime's threads, on two of them.
pub(super) struct Asked([JoinHandle<(Vec<Decided>, InputsWriter)>; 2]);

impl Asked {
    /// Begins at once, whether or not the answers are waited for.
    pub fn now(bench: &Bench, writers: Writers, mut candidates: Vec<Candidate>) -> Self {
        let second = candidates.split_off(candidates.len() / 2);
        let [one, other] = writers;
        Self([ask(bench, one, candidates), ask(bench, other, second)])
    }

    /// The answers, in the order of the tasks, and the writers for the next ones.
    pub async fn answers(self) -> Result<(Vec<Decided>, Writers), CycleError> {
        let [first, second] = self.0;
        let (mut all, one) = first.await.map_err(|_| CycleError::Worker)?;
        let (more, other) = second.await.map_err(|_| CycleError::Worker)?;
        all.extend(more);
        Ok((all, [one, other]))
    }
}

fn ask(
    bench: &Bench,
    mut words: InputsWriter,
    candidates: Vec<Candidate>,
) -> JoinHandle<(Vec<Decided>, InputsWriter)> {
    let policies = Arc::clone(&bench.policies);
    let anew = bench.whole;
    tokio::task::spawn_blocking(move || {
        let one = |mut candidate: Candidate| {
            let facts = Arc::make_mut(&mut candidate.facts);
            let inputs = words.parts(&candidate.task, facts);
            let digest = inputs.digest.clone();
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
        };
        let decided = candidates.into_iter().map(one).collect();
        (decided, words)
    })
}
