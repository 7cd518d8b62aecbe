//! Asks the policies about many tasks at once, off the runtime's threads, and puts what they saw into words and digest; it takes no part in what becomes of the answers.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::evaluate::{Bench, CycleError};
use crate::model::{Facts, Fields, Snapshot, Task};
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

/// Tasks to decide, and where their answers go.
type Part = (Vec<Candidate>, oneshot::Sender<Vec<Decided>>);

/// Two threads beside the runtime's that decide part after part: who is through with one has the next one, and
/// waits for nobody.
pub(super) struct Deciders([Decider; 2]);

struct Decider {
    parts: SyncSender<Part>,
    ended: JoinHandle<InputsWriter>,
}

/// A part that is being decided, or waits for its turn.
pub(super) struct Asked([oneshot::Receiver<Vec<Decided>>; 2]);

impl Deciders {
    /// So many parts may wait.
    pub fn new(bench: &Bench, writers: Writers, room: usize) -> Self {
        Self(writers.map(|words| decider(bench, words, room)))
    }

    /// Hands a part over, whether or not its answers are waited for.
    pub fn ask(&self, mut candidates: Vec<Candidate>) -> Asked {
        let second = candidates.split_off(candidates.len() / 2);
        let [one, other] = &self.0;
        Asked([one.ask(candidates), other.ask(second)])
    }

    /// The writers, for the next cycle; waits until everything is decided.
    pub async fn end(self) -> Result<Writers, CycleError> {
        let [one, other] = self.0.map(|decider| decider.ended);
        let one = one.await.map_err(|_| CycleError::Worker)?;
        let other = other.await.map_err(|_| CycleError::Worker)?;
        Ok([one, other])
    }
}

impl Decider {
    fn ask(&self, candidates: Vec<Candidate>) -> oneshot::Receiver<Vec<Decided>> {
        let (answer, wait) = oneshot::channel();
        // where it has panicked, who waits for the answer is told
        let _ = self.parts.send((candidates, answer));
        wait
    }
}

impl Asked {
    /// The answers, in the order of the tasks.
    pub async fn answers(self) -> Result<Vec<Decided>, CycleError> {
        let [first, second] = self.0;
        let mut all = first.await.map_err(|_| CycleError::Worker)?;
        all.extend(second.await.map_err(|_| CycleError::Worker)?);
        Ok(all)
    }
}

/// Takes fields and reasons out of all rows; answers those of the rows that are decided, in their order.
pub(super) fn texts(
    snapshot: &mut Snapshot,
    to_decide: &[(usize, u64)],
) -> Vec<(Fields, Option<Arc<str>>)> {
    let mut rows = to_decide.iter().map(|(row, _)| *row).peekable();
    let mut texts = Vec::with_capacity(to_decide.len());
    for (row, task) in snapshot.tasks.iter_mut().enumerate() {
        let own = (task.fields.take(), task.reason.take());
        if rows.next_if_eq(&row).is_some() {
            texts.push(own);
        }
    }
    texts
}

fn decider(bench: &Bench, mut words: InputsWriter, room: usize) -> Decider {
    let policies = Arc::clone(&bench.policies);
    let anew = bench.whole;
    words.veil_notes(!policies.reads_note());
    let (parts, todo) = sync_channel::<Part>(room);
    let ended = tokio::task::spawn_blocking(move || {
        for (candidates, answer) in todo {
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
            // nobody takes it where the cycle has failed
            let _ = answer.send(candidates.into_iter().map(one).collect());
        }
        words
    });
    Decider { parts, ended }
}
