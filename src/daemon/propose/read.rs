//! Reads for the guards what wishes lack: people, accounts, possible responses; it judges nothing of what it has read.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::{Wish, needs};
use crate::daemon::collect::{Wanted, collector};
use crate::daemon::evaluate::{Behind, CycleError};
use crate::daemon::facts::Surroundings;
use crate::daemon::memory::Memory;
use crate::model::{Kind, ProcessKey};

/// Reads people, accounts and possible responses for the wishes that only lack facts, the most urgent first; false where
/// time ran out before the end.
pub(super) async fn read(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    wishes: &[(Wish, Behind)],
) -> Result<bool, CycleError> {
    let mut people = BTreeSet::new();
    let mut asked: HashSet<&ProcessKey> = HashSet::new();
    let mut processes: Vec<Wanted> = Vec::new();
    let mut responses = Vec::new();
    for (wish, _) in wishes {
        let needs = needs(around, wish);
        let task = &around.snapshot.tasks[wish.row];
        if needs.beneficiary
            && let Some(login) = &task.beneficiary
        {
            people.insert(login.clone());
        }
        if needs.process
            && let Some(key) = &task.process
        {
            let gives_to = task.beneficiary.clone().filter(|_| needs.beneficiary);
            // an account of which access is to be taken and given is read for both
            if asked.insert(key) {
                processes.push(Wanted {
                    key: key.clone(),
                    fingerprint: around.accounts.fingerprint(key),
                    gives_to,
                    takes: wish.decision.kind.takes_access(),
                });
            } else if gives_to.is_some()
                && let Some(known) = processes.iter_mut().find(|known| known.key == *key)
            {
                known.gives_to = known.gives_to.take().or(gives_to);
            }
        }
        if needs.responses {
            responses.push(task.id.clone());
        }
    }
    let share = around.bench.settings.guard.fact_age / 4;
    let until = around.bench.clock.now().saturating_add(share);
    let until = until.unwrap_or(Timestamp::MAX);
    let mut reader = collector(around.bench, memory);
    reader.people(people).await?;
    reader.processes(processes, until).await?;
    reader.responses(responses, until).await?;
    if !asked.is_empty() && !memory.cache.finished_shown {
        // accounts that were only being made show nothing finished; one that is in use tells whether it would be shown
        let others = in_use(around, &asked);
        collector(around.bench, memory)
            .processes(others, until)
            .await?;
    }
    Ok(around.bench.clock.now() <= until)
}

/// Some accounts beside these on which something else than their creation is open.
fn in_use(around: &Surroundings<'_>, asked: &HashSet<&ProcessKey>) -> Vec<Wanted> {
    const SOME: usize = 3;
    let rows = around.snapshot.tasks.iter().zip(around.kinds);
    let mut found: Vec<Wanted> = Vec::new();
    for (task, kind) in rows {
        if let Some(key) = &task.process
            && *kind != Kind::Create
            && !asked.contains(key)
            && !found.iter().any(|of| of.key == *key)
        {
            found.push(Wanted {
                key: key.clone(),
                fingerprint: around.accounts.fingerprint(key),
                gives_to: None,
                takes: false,
            });
        }
        if found.len() == SOME {
            break;
        }
    }
    found
}
