//! Asks the guards about wishes, very many of them on two threads; it reads nothing from the server and hands nothing out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Standing, Wish, by_process, lacks_a_fact, role_of, shown};
use crate::daemon::evaluate::Behind;
use crate::daemon::facts::Surroundings;
use crate::daemon::memory::Memory;
use crate::daemon::owners;
use crate::daemon::reread::rests_on_owner;
use crate::guard::{self, AssigneeFact, GuardInput, Passed};
use crate::model::facts::{History, Known, Person};
use crate::model::standing::Standing as PersonStanding;
use crate::model::two;
use crate::model::{Action, Login, Principal, Refusal, RefusalReason};

/// What the guards say.
pub(super) type Asked = Result<Box<Passed>, Vec<Refusal>>;

/// The wishes in their order, each with the guards' answer, which is none where that depends on who has been
/// given work before it, and with what its row shows.
pub(super) fn asked_first(
    around: &Surroundings<'_>,
    memory: &Memory,
    wishes: Vec<Wish>,
    standing: &Standing,
    mut take: impl FnMut(Wish, Option<Asked>, Behind),
) {
    let one = |wish: Wish| {
        let alone = !matches!(*wish.action, Action::Reassign { .. });
        let asked = alone.then(|| ask(around, memory, &wish, standing, &HashMap::new()));
        let shown = shown(around, &wish);
        (wish, asked, shown)
    };
    let mut last: Option<Behind> = None;
    two::each(wishes.into_iter(), &one, |(wish, asked, shown)| {
        let behind = match last.take() {
            Some(same) if *same == shown => same,
            _ => Arc::new(shown),
        };
        last = Some(Arc::clone(&behind));
        take(wish, asked, behind);
    });
}

/// Asks the guards about one wish. `handed` is what people have been given in this cycle.
pub(super) fn ask(
    around: &Surroundings<'_>,
    memory: &Memory,
    wish: &Wish,
    standing: &Standing,
    handed: &HashMap<Login, u32>,
) -> Asked {
    let task = &around.snapshot.tasks[wish.row];
    let settings = &around.bench.settings;
    let lineage = wish.decision.lineage;
    let history: History = around.tries(wish.row);
    let beneficiary: Known<Person> = match &task.beneficiary {
        Some(login) => memory.cache.person(login),
        None => Known::unknown("the row does not show its beneficiary"),
    };
    let account = around.account(memory, wish.row);
    let reading: Known<Arc<PersonStanding>> = match &task.beneficiary {
        Some(login) => memory.cache.standing(login),
        None => Known::unknown("the row does not show its beneficiary"),
    };
    let assignee: Option<Known<AssigneeFact>> = match &*wish.action {
        Action::Reassign {
            to: Principal::User { login, .. },
        } => {
            let extra = handed.get(login).copied().unwrap_or(0);
            Some(owners::assignee(around, memory, login, extra))
        }
        _ => None,
    };
    let owner_changes = match &*wish.action {
        Action::Reassign { .. } => owners::owner_changes(around, memory, task),
        _ => None,
    };
    let owner_read = match &*wish.action {
        Action::Reassign { .. } if rests_on_owner(&wish.decision.read) => {
            owners::owner_read(memory, task)
        }
        _ => None,
    };
    let members = role_of(&wish.action).and_then(|key| standing.members.get(key));
    let responses = guard::needs(wish.decision.kind, &wish.action)
        .responses
        .then(|| memory.cache.responses(&task.id));
    // an account that was read may show when a task was made, where the list does not
    let state = around.states[wish.row].map(|state| match &task.process {
        Some(key) if !state.dated => state.dated_by(
            task,
            &memory
                .cache
                .process(key, || around.accounts.fingerprint(key)),
        ),
        _ => state,
    });
    // the clock goes on while facts are read
    let now = around.bench.clock.now();
    let input = GuardInput {
        task,
        version: around.accounts.version(wish.row),
        kind: wish.decision.kind,
        action: &wish.action,
        named: guard::matches_definition(&settings.policy.named, task),
        beneficiary: &beneficiary,
        account: &account,
        unread: task
            .process
            .as_ref()
            .and_then(|key| memory.cache.unread(key)),
        standing: &reading,
        finished_shown: memory.cache.finished_shown,
        finished_from: memory.cache.finished_from,
        assignee: assignee.as_ref(),
        members,
        owner_changes,
        owner_read,
        responses: responses.as_ref(),
        history: &history,
        definition_manual: around.definition(task).manual_since.is_some(),
        open_attempt_in_account: task.process.as_ref().is_some_and(|process| {
            standing.busy.get(process).is_some_and(|whose| {
                // a revoke does not wait for what a grant's successor is waiting for
                let any = !wish.decision.kind.takes_access();
                whose
                    .iter()
                    .any(|(other, on_the_way)| *other != lineage && (any || *on_the_way))
            })
        }),
        late_until: standing.late.get(&lineage).copied(),
        lineage_ambiguous: state.is_none_or(|state| state.ambiguous),
        origin: state.map_or(wish.origin, |state| state.origin),
        dated: state.is_some_and(|state| state.dated),
        first: state.and_then(|state| state.first),
        elder: around.elder(memory, wish.row),
        seen_late: around.seen_late(wish.row),
        attempt_open: state.is_none_or(|state| state.attempt_open),
        baseline: standing.baseline.contains(&lineage),
        released_by_age: standing.released.contains_key(&lineage),
        released_old: standing.released.get(&lineage) == Some(&true),
        by_process: by_process(around, wish),
        order_releases: standing.orders.get(&lineage).map_or(&[], Vec::as_slice),
        now,
        limits: &settings.guard,
    };
    guard::check(&input).map(Box::new).map_err(|first| {
        let mut all = guard::check_all(&input);
        if all.is_empty() {
            all.push(first);
        }
        // what is certain is said first: a reading would not change it. That access was taken away since is
        // said before what a person may lift: once archived it is known only by having been said
        all.sort_by_key(|refusal| {
            let stale = refusal.reason == RefusalReason::StaleGrant;
            (lacks_a_fact(refusal.reason), !stale)
        });
        all
    })
}
