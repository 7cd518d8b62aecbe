//! Reads for the guards what wishes lack: people, accounts, possible responses; it judges nothing of what it has read.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{Wish, needs};
use crate::daemon::collect::{Wanted, collector};
use crate::daemon::evaluate::{Behind, CycleError};
use crate::daemon::facts::Surroundings;
use crate::daemon::horizon::{Known, horizon};
use crate::daemon::memory::Memory;
use crate::model::hash::FastSet;
use crate::model::{DefKey, Kind, Login, ProcessKey, TaskId};

/// Wishes whose readings are made together. Those of one part are complete before those of the next begin: where time
/// runs out the first ones may go, and not all of them lack something.
const READ_AT_ONCE: usize = 200;

/// Reads people, accounts and possible responses for the wishes that only lack facts, the most urgent first; false where
/// time ran out before the end.
pub(super) async fn read(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    wishes: &[(Wish, Behind)],
) -> Result<bool, CycleError> {
    let until = around
        .bench
        .clock
        .now()
        .saturating_add(share(around, memory));
    let until = until.unwrap_or(Timestamp::MAX);
    let mut asked: HashSet<&ProcessKey> = HashSet::new();
    for part in wishes.chunks(READ_AT_ONCE) {
        let wanted = wanted(around, part, &mut asked);
        let mut reader = collector(around.bench, memory);
        if around.bench.clock.now() <= until {
            reader.people(wanted.people).await?;
        }
        // past that time nothing is asked any more, and what takes access learns that
        reader.processes(wanted.processes, until).await?;
        reader.responses(wanted.responses, until).await?;
    }
    look_back(around, memory);
    // accounts that were only being made show nothing finished, and others nothing old; those that are in use tell
    // whether it would be shown
    let hangs = |kind: Kind| kind.gives_access() || kind == Kind::Disable;
    let oldest = wishes.iter().filter(|(wish, _)| hangs(wish.decision.kind));
    let oldest = oldest.map(|(wish, _)| wish.origin).min();
    let behind = |memory: &Memory| {
        let known = memory.cache.finished_from;
        oldest.is_some_and(|oldest| known.is_none_or(|from| oldest < from))
    };
    if !asked.is_empty() && (!memory.cache.finished_shown || behind(memory)) {
        let others = in_use(around, &asked, memory.cycle);
        collector(around.bench, memory)
            .processes(others, until)
            .await?;
        look_back(around, memory);
    }
    // nothing may be open any more on the accounts that would tell
    if !asked.is_empty() && behind(memory) {
        let cycle = memory.cycle;
        let ledger = &around.bench.ledger;
        let used = ledger.read(|index| index.used_accounts(|all| some_of(all, cycle)));
        let others = used.iter().map(|key| beside(around, key)).collect();
        collector(around.bench, memory)
            .processes(others, until)
            .await?;
        look_back(around, memory);
    }
    // nor has any been known; those to whom new people report have mostly been there for longer
    if !asked.is_empty() && behind(memory) && around.bench.clock.now() <= until {
        let managers = managers(around, memory, wishes);
        let mut reader = collector(around.bench, memory);
        reader.people(managers.clone()).await?;
        let accounts = reader.accounts_of(&managers).await?;
        let others = accounts.iter().map(|key| beside(around, key)).collect();
        reader.processes(others, until).await?;
        look_back(around, memory);
    }
    // finished tasks tell nothing of themselves where they do not show whether they are automated
    if !asked.is_empty() && behind(memory) && around.bench.clock.now() <= until {
        let cache = &memory.cache;
        let automated = shown_automated(around);
        let untold = cache.definitions.to_ask(
            cache.accounts().map(|(key, tasks)| (key, tasks.as_slice())),
            &|of| automated.contains(of.as_str()),
            around.bench.clock.now(),
        );
        collector(around.bench, memory).definitions(untold).await?;
        look_back(around, memory);
    }
    Ok(around.bench.clock.now() <= until)
}

/// The definitions, by key, of which rows show that they are automated: names such as "Create User" recur on every
/// target, and an account's own tasks may not show theirs. Mostly each task shows it itself.
fn shown_automated<'a>(
    around: &Surroundings<'a>,
) -> LazyCell<FastSet<&'a str>, impl FnOnce() -> FastSet<&'a str>> {
    let rows = &around.snapshot.tasks;
    LazyCell::new(move || {
        let shown = rows.iter().filter(|task| task.has_adapter == Some(true));
        let keys = shown.filter_map(|task| task.definition_key.as_ref());
        keys.map(DefKey::as_str).collect()
    })
}

/// Works out anew since when finished tasks are still shown, by the accounts that are known.
pub(super) fn look_back(around: &Surroundings<'_>, memory: &mut Memory) {
    let automated = shown_automated(around);
    let told = &memory.cache.definitions;
    memory.cache.finished_from = around.bench.ledger.read(|index| {
        let accounts = memory.cache.accounts();
        let all = accounts.map(|(_, tasks)| tasks.as_slice());
        let known = Known {
            was_open: &|id| index.lineage_of(id).is_some(),
            done_by: &|id| index.done_by(id),
            is_automated: &|task| {
                let key = task.definition_key.as_ref();
                key.is_some_and(|of| told.is_automated(of) || automated.contains(of.as_str()))
            },
        };
        horizon(all, &known)
    });
}

/// How long a cycle reads for the guards: what was read first must not grow too old while the rest is read. The first
/// one after a start takes a fifth of that, where another follows: what was read is gone with the process, so that one
/// that is ended often would only read, and never send.
fn share(around: &Surroundings<'_>, memory: &Memory) -> SignedDuration {
    let share = around.bench.settings.guard.fact_age / 4;
    if memory.cycle <= 1 && around.bench.hints_beside {
        share / 5
    } else {
        share
    }
}

/// What is to be read for some wishes.
struct Needed {
    people: BTreeSet<Login>,
    processes: Vec<Wanted>,
    responses: Vec<TaskId>,
}

fn wanted<'a>(
    around: &Surroundings<'a>,
    wishes: &[(Wish, Behind)],
    asked: &mut HashSet<&'a ProcessKey>,
) -> Needed {
    let mut needed = Needed {
        people: BTreeSet::new(),
        processes: Vec::new(),
        responses: Vec::new(),
    };
    for (wish, _) in wishes {
        let needs = needs(around, wish);
        let task = &around.snapshot.tasks[wish.row];
        if needs.beneficiary
            && let Some(login) = &task.beneficiary
        {
            needed.people.insert(login.clone());
        }
        if needs.process
            && let Some(key) = &task.process
        {
            let gives_to = task.beneficiary.clone().filter(|_| needs.beneficiary);
            // an account of which access is to be taken and given is read for both
            let known = needed.processes.iter_mut().find(|known| known.key == *key);
            if let Some(known) = known {
                known.gives_to = known.gives_to.take().or(gives_to);
            } else if asked.insert(key) || gives_to.is_some() {
                needed.processes.push(Wanted {
                    key: key.clone(),
                    fingerprint: around.accounts.fingerprint(key),
                    gives_to,
                    takes: wish.decision.kind.takes_access(),
                });
            }
        }
        if needs.responses {
            needed.responses.push(task.id.clone());
        }
    }
    needed
}

/// Some accounts beside these on which something else than their creation is open.
fn in_use(around: &Surroundings<'_>, asked: &HashSet<&ProcessKey>, cycle: u64) -> Vec<Wanted> {
    let rows = around.snapshot.tasks.iter().zip(around.kinds);
    let others = rows.filter(|(_, kind)| **kind != Kind::Create);
    let others = others.filter_map(|(task, _)| task.process.as_ref());
    let mut all: Vec<&ProcessKey> = others.filter(|key| !asked.contains(key)).collect();
    all.sort_by(|a, b| a.as_str().len().cmp(&b.as_str().len()).then(a.cmp(b)));
    all.dedup();
    let some = some_of(all, cycle).into_iter();
    some.map(|key| beside(around, key)).collect()
}

/// Some of those to whom the people report of whom access would be given, others with each cycle.
fn managers(
    around: &Surroundings<'_>,
    memory: &Memory,
    wishes: &[(Wish, Behind)],
) -> BTreeSet<Login> {
    let people = wishes
        .iter()
        .filter(|(wish, _)| wish.decision.kind.gives_access())
        .filter_map(|(wish, _)| around.snapshot.tasks[wish.row].beneficiary.as_ref());
    let managers = people.filter_map(|login| {
        let person = memory.cache.person(login);
        person.value().and_then(|person| person.manager.clone())
    });
    let all: BTreeSet<Login> = managers.collect();
    some_of(all.into_iter().collect(), memory.cycle)
        .into_iter()
        .collect()
}

fn beside(around: &Surroundings<'_>, key: &ProcessKey) -> Wanted {
    Wanted {
        key: key.clone(),
        fingerprint: around.accounts.fingerprint(key),
        gives_to: None,
        takes: false,
    }
}

/// Some of these accounts, the oldest of which come first: the two oldest, whose own creates tell most where nothing is
/// archived, and others in turn, cycle after cycle.
fn some_of<T>(mut all: Vec<T>, cycle: u64) -> Vec<T> {
    const OLDEST: usize = 2;
    const IN_TURN: usize = 4;
    let mut some: Vec<T> = all.drain(..all.len().min(OLDEST)).collect();
    let turns = u64::try_from(all.len().div_ceil(IN_TURN))
        .unwrap_or(1)
        .max(1);
    let turn = usize::try_from(cycle % turns).unwrap_or(0);
    some.extend(all.into_iter().skip(turn * IN_TURN).take(IN_TURN));
    some
}
