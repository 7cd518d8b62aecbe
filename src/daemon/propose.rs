//! Reads what the guards need for the acts that are wanted, most urgent first, and asks the guards; it never asks a gate.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

mod asked;
mod later;
mod read;
mod stuck;

use self::asked::{ask, asked_first};
use self::later::{ask_later, asked_in_vain};
use self::read::{look_back, read};
use super::collect::collector;
use super::evaluate::{Behind, CycleError, Evaluated, Proposal, Shown};
use super::facts::Surroundings;
use super::memory::Memory;
use super::owners;
use crate::governor::{Pause, is_spared};
use crate::guard::{self, GuardNeeds, MemberFact, Passed};
use crate::ledger::said_print;
use crate::model::facts::Known;
use crate::model::hash::{FastMap, FastSet};
use crate::model::two;
use crate::model::{
    Action, Decision, LineageId, Login, OrderRelease, Principal, ProcessKey, Refusal,
    RefusalReason, Road, RoleKey, Scope, TargetName, Verdict,
};

/// So many retries are read for where a single one may go next: some may be refused by what is read.
const FOR_A_PROBE: u32 = 10;

/// An act that is wanted for a row.
struct Wish {
    row: usize,
    decision: Arc<Decision>,
    /// The decision's; one for all retries, for there are very many.
    action: Arc<Action>,
    priority: i32,
    /// Attempts so far.
    attempts: u32,
    origin: Timestamp,
}

/// What holds for all the wishes, put together once: what the ledger says, and who is in the roles.
struct Standing {
    /// Members of the roles that are to get work.
    members: HashMap<RoleKey, Known<Vec<MemberFact>>>,
    /// Accounts with an open attempt: whose, and whether it may still be on its way.
    busy: FastMap<ProcessKey, Vec<(LineageId, bool)>>,
    /// Whose account has a request that was never answered and may still be carried out, and until when.
    late: FastMap<LineageId, Timestamp>,
    baseline: FastSet<LineageId>,
    /// Released by a person, and whether after it had been refused for its age.
    released: FastMap<LineageId, bool>,
    /// For which other tasks work need not wait, by a person's word.
    orders: FastMap<LineageId, Vec<OrderRelease>>,
}

/// Asks the guards about every act that is wanted.
///
/// # Errors
/// Only a stopped login: everything else that can't be read is an unknown fact, and refused as such.
pub async fn propose(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    rows: &[usize],
    out: &mut Evaluated,
) -> Result<(), CycleError> {
    let mut wishes = wishes(around, memory, rows, out);
    // the most urgent first: what takes access, then priority; among equals who has had the fewest
    // attempts, so that the probes of a long outage don't use up those of one task; then age
    wishes.sort_by_key(|wish| {
        let takes = wish.decision.kind.takes_access();
        // as the governor orders them
        let spared = takes && is_spared(wish.attempts) && is_for_a_probe(around, wish);
        let priority = if spared {
            wish.priority.min(0)
        } else {
            wish.priority
        };
        (
            !takes || spared,
            std::cmp::Reverse(priority),
            wish.attempts,
            wish.origin,
        )
    });
    resolve(around, memory, &mut wishes).await?;
    let standing = standing(around, memory, &wishes);
    look_back(around, memory);
    let mut handed: HashMap<Login, u32> = HashMap::new();
    let mut read_on: BTreeMap<(TargetName, bool), u32> = BTreeMap::new();
    let cap = around.bench.settings.governor.cap_retries;
    // whether there is room for the readings of one wish more
    let mut has_room = |wish: &Wish| {
        let probes = is_for_a_probe(around, wish);
        let most = if probes { cap.min(FOR_A_PROBE) } else { cap };
        let used = read_on.entry((target_of(wish), probes)).or_default();
        let room = *used < most;
        *used += u32::from(room);
        room
    };

    let (mut late, mut again) = (Vec::new(), Vec::new());
    out.proposals.reserve_exact(wishes.len());
    let known: &Memory = memory;
    let proposals = &mut out.proposals;
    asked_first(around, known, wishes, &standing, |wish, asked, behind| {
        let asked = asked.unwrap_or_else(|| ask(around, known, &wish, &standing, &handed));
        // a guard's refusal tells more than "not yet"; readings are spent only on what may go now
        let waits = match &asked {
            Err(refusals) if !needs_reading(around, &wish, refusals) => None,
            _ => not_now(around, &wish),
        };
        if let Some(refusal) = waits {
            // what a person has to look at stays in the inbox, whatever else holds it now
            let before = known_before(around, &wish);
            let all = before.into_iter().chain([refusal]).collect();
            proposals.push(refused(wish, behind, all));
            return;
        }
        let to_read = match &asked {
            Ok(passed) => grows_old(around, &wish, passed),
            Err(refusals) => needs_reading(around, &wish, refusals),
        };
        if to_read {
            // what was found out before is read again with what is left of the readings, below
            if asked.is_err()
                && let Some(refusal) = known_before(around, &wish)
            {
                again.push((wish, behind, refusal));
                return;
            }
            if has_room(&wish) {
                late.push((wish, behind));
                return;
            }
        }
        match asked {
            // what is not read once more goes while its facts hold
            Ok(passed) => {
                hand(&wish, &mut handed);
                proposals.push(passed_on(wish, behind, passed));
            }
            Err(_) if to_read && is_for_a_probe(around, &wish) => {
                let scope = Scope::Target(target_of(&wish));
                let refusal =
                    Refusal::new(RefusalReason::BreakerOpen, scope).with("breaker", "probing");
                proposals.push(refused(wish, behind, vec![refusal]));
            }
            Err(_) if to_read => {
                let refusal = Refusal::new(
                    RefusalReason::CapRetries,
                    Scope::Task(wish.decision.task.clone()),
                )
                .with("readings_for_this_target_in_a_cycle", cap);
                proposals.push(refused(wish, behind, vec![refusal]));
            }
            Err(refusals) => {
                let refusals = stuck::told(around, known, &wish, refusals);
                proposals.push(refused(wish, behind, refusals));
            }
        }
    });
    // who was looked at longest ago comes first, so that each has its turn
    again.sort_by_key(|(wish, ..)| memory.looked.get(&wish.decision.lineage).copied());
    for (wish, behind, refusal) in again {
        if has_room(&wish) {
            memory.looked.insert(wish.decision.lineage, memory.cycle);
            late.push((wish, behind));
        } else {
            out.proposals.push(refused(wish, behind, vec![refusal]));
        }
    }
    let hidden = !memory.cache.finished_shown;
    let read_to_the_end = read(around, memory, &late).await?;
    let further = memory.cache.looks_further();
    if further || (hidden && memory.cache.finished_shown) {
        // what was refused because no account had shown a finished task, or none so old
        memory.ask_again();
    }
    // of what takes access a person is read only where his account shows that it was given again
    let gone = |(wish, _): &&(Wish, Behind)| {
        let asked = ask(around, memory, wish, &standing, &handed);
        let whose = |refusal: &Refusal| refusal.reason == RefusalReason::BeneficiaryUnknown;
        wish.decision.kind.takes_access() && asked.is_err_and(|all| all.iter().any(whose))
    };
    let rows = late.iter().filter(gone).map(|(wish, _)| wish.row);
    let people = rows.filter_map(|row| around.snapshot.tasks[row].beneficiary.clone());
    let people: BTreeSet<Login> = people.collect();
    if !people.is_empty() {
        collector(around.bench, memory).people(people).await?;
    }
    for (wish, behind) in late {
        match ask(around, memory, &wish, &standing, &handed) {
            Ok(passed) => {
                hand(&wish, &mut handed);
                if let Some(known) = memory.lineages.get_mut(&wish.decision.lineage) {
                    known.unreadable = 0;
                }
                out.proposals.push(passed_on(wish, behind, passed));
            }
            Err(mut refusals) => {
                let asked = read_to_the_end || asked_in_vain(around, memory, &wish);
                if asked && needs_reading(around, &wish, &refusals) {
                    ask_later(around, memory, &wish, &mut refusals);
                }
                let refusals = stuck::told(around, memory, &wish, refusals);
                out.proposals.push(refused(wish, behind, refusals));
            }
        }
    }
    Ok(())
}

/// True for a retry on a target to which a single one may go next, to see whether it works again.
fn is_for_a_probe(around: &Surroundings<'_>, wish: &Wish) -> bool {
    let target = wish.decision.target.as_ref();
    *wish.action == Action::Retry && target.is_some_and(|of| around.bench.probing.contains(of))
}

/// The target by which readings are counted.
fn target_of(wish: &Wish) -> TargetName {
    let target = wish.decision.target.clone();
    target.unwrap_or_else(|| "-".into())
}

/// What the guards have found out about the same answer before, by the record, where a person must look: a start, or
/// readings that have grown old, don't take it from the inbox until its turn to be read comes again.
fn known_before(around: &Surroundings<'_>, wish: &Wish) -> Option<Refusal> {
    let decision = &wish.decision;
    let said = said_print(decision);
    let memo = around.bench.ledger.read(|index| {
        let same = index.said(decision.lineage) == Some(said);
        index.memo(decision.lineage).filter(|_| same)
    })?;
    let reason = memo
        .refusal
        .filter(|reason| memo.asks && found_out(*reason))?;
    Some(
        Refusal::new(reason, Scope::Task(decision.task.clone()))
            .with("as_of", format_args!("{:.0}", memo.at))
            .for_person(),
    )
}

fn wishes(
    around: &Surroundings<'_>,
    memory: &Memory,
    rows: &[usize],
    out: &mut Evaluated,
) -> Vec<Wish> {
    // as a vector grows by itself, for a while it takes three times the place
    let mut wishes = Vec::with_capacity(out.fresh.len());
    let foreign = around.bench.settings.governor.count_foreign_attempts;
    let retry = Arc::new(Action::Retry);
    let one = |row: &usize| {
        let state = around.states[*row]?;
        let known = memory.lineages.get(&state.lineage)?;
        let act = known.act.as_ref()?;
        let fresh = out.fresh.contains(&state.lineage);
        if !fresh
            && !around.bench.whole
            && known.still_refused(around.bench.epoch, around.now)
            && let Some(refusal) = known.refusal
        {
            return Some(Err(refusal.reason));
        }
        let Some(Verdict::Act {
            action, priority, ..
        }) = &act.verdict
        else {
            return None;
        };
        Some(Ok(Wish {
            row: *row,
            action: match action {
                Action::Retry => Arc::clone(&retry),
                other => Arc::new(other.clone()),
            },
            priority: *priority,
            decision: Arc::clone(act),
            attempts: {
                let ledger = &around.bench.ledger;
                ledger.read(|index| index.counted(state.lineage, foreign))
            },
            origin: state.origin,
        }))
    };
    let mut still = Vec::new();
    two::each(rows.iter(), &one, |found| match found {
        Some(Ok(wish)) => wishes.push(wish),
        Some(Err(reason)) => still.push(reason),
        None => {}
    });
    for reason in still {
        *out.still_refused.entry(reason).or_default() += 1;
    }
    wishes
}

/// Looks up the keys of new owners: OIG takes keys, policies name logins and roles.
async fn resolve(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    wishes: &mut [Wish],
) -> Result<(), CycleError> {
    let mut people = BTreeSet::new();
    let mut roles = BTreeSet::new();
    for wish in wishes.iter() {
        match &*wish.action {
            Action::Reassign {
                to: Principal::User { login, .. },
            } => {
                people.insert(login.clone());
            }
            Action::Reassign {
                to: Principal::Role { key: None, name },
            } => {
                roles.insert(name.to_string());
            }
            _ => {}
        }
    }
    let mut reader = collector(around.bench, memory);
    reader.people(people).await?;
    reader.roles(roles).await?;
    for wish in wishes.iter_mut() {
        let to = match &*wish.action {
            Action::Reassign {
                to: Principal::User { login, .. },
            } => memory
                .cache
                .person(login)
                .value()
                .and_then(|person| person.key.clone())
                .map(|key| Principal::User {
                    key: Some(key),
                    login: login.clone(),
                }),
            Action::Reassign {
                to: Principal::Role { key: None, name },
            } => memory.cache.role(name).map(|key| Principal::Role {
                key: Some(key),
                name: Arc::clone(name),
            }),
            _ => None,
        };
        let Some(to) = to else { continue };
        // what is remembered keeps the policy's own words
        if let Some(Verdict::Act { action, .. }) = &mut Arc::make_mut(&mut wish.decision).verdict {
            *action = Action::Reassign { to };
            wish.action = Arc::new(action.clone());
        }
    }
    let (mut keys, mut takers) = (BTreeSet::new(), BTreeSet::new());
    // what has to wait anyway costs no reading
    for wish in wishes.iter().filter(|wish| not_now(around, wish).is_none()) {
        match &*wish.action {
            Action::Reassign {
                to: Principal::User { login, .. },
            } => {
                takers.insert(login.clone());
            }
            action => keys.extend(role_of(action).cloned()),
        }
    }
    collector(around.bench, memory).last_days(takers).await?;
    owners::read_members(around, memory, keys).await
}

/// The role that is to get the task, where its key is known.
fn role_of(action: &Action) -> Option<&RoleKey> {
    match action {
        Action::Reassign {
            to: Principal::Role { key, .. },
        } => key.as_ref(),
        _ => None,
    }
}

fn standing(around: &Surroundings<'_>, memory: &Memory, wishes: &[Wish]) -> Standing {
    let mut members = HashMap::new();
    for key in wishes.iter().filter_map(|wish| role_of(&wish.action)) {
        if !members.contains_key(key) {
            members.insert(key.clone(), owners::members(around, memory, key));
        }
    }
    let settle_after = around.bench.settings.delivery.settle_after;
    let now = around.bench.clock.now();
    around.bench.ledger.read(|index| {
        let mut busy: FastMap<ProcessKey, Vec<(LineageId, bool)>> = FastMap::default();
        for (lineage, attempt) in index.open_attempts() {
            for process in attempt.accounts() {
                let on_the_way = attempt.on_the_way(now, settle_after);
                busy.entry(process.clone())
                    .or_default()
                    .push((lineage, on_the_way));
            }
        }
        let mut standing = Standing {
            members,
            busy,
            late: FastMap::default(),
            baseline: FastSet::default(),
            released: FastMap::default(),
            orders: FastMap::default(),
        };
        let of = |wish: &Wish| {
            let (lineage, kind) = (wish.decision.lineage, wish.decision.kind);
            let process = around.snapshot.tasks[wish.row].process.as_ref();
            let revoke = kind.takes_access();
            let said = (
                index.late_until(process, lineage, revoke, now, settle_after),
                index.in_baseline(lineage),
                index
                    .is_released(lineage)
                    .then(|| index.is_released_old(lineage)),
                index.order_releases(lineage, now),
            );
            (lineage, said)
        };
        // of most there is nothing to say
        two::each(wishes.iter(), &of, |(lineage, of)| {
            let (late, baseline, released, orders) = of;
            standing.late.extend(late.map(|until| (lineage, until)));
            standing.baseline.extend(baseline.then_some(lineage));
            standing.released.extend(released.map(|old| (lineage, old)));
            if !orders.is_empty() {
                standing.orders.insert(lineage, orders);
            }
        });
        standing
    })
}

/// A person's pause, in the order of the gates before what only waits. Of a single task that is asked about, all is
/// read and told: whether it would go once it is resumed.
fn paused(around: &Surroundings<'_>, wish: &Wish) -> Option<Refusal> {
    let bench = around.bench;
    let target = wish.decision.target.as_ref()?;
    let holds = |pause: &&Pause| pause.holds(&wish.decision, wish.action.name(), target);
    if bench.only.is_some() {
        return None;
    }
    bench.pauses.iter().find(holds).map(Pause::refusal)
}

/// What forbids the act before anything has to be read for it.
fn not_now(around: &Surroundings<'_>, wish: &Wish) -> Option<Refusal> {
    let decision = &wish.decision;
    if around.bench.no_backlog && !around.bench.whole {
        // all of it becomes the old backlog once a whole list was read: what was read for it would be thrown away
        return Some(Refusal::new(
            RefusalReason::SnapshotIncomplete,
            Scope::Global,
        ));
    }
    if let Some(refusal) = paused(around, wish) {
        return Some(refusal);
    }
    if let Some(due) = decision.due.filter(|due| *due > around.now) {
        return Some(
            Refusal::new(RefusalReason::NotDueYet, Scope::Lineage(decision.lineage)).until(due),
        );
    }
    let unkeyed = matches!(
        &*wish.action,
        Action::Reassign {
            to: Principal::User { key: None, .. } | Principal::Role { key: None, .. }
        }
    );
    if unkeyed && let Action::Reassign { to } = &*wish.action {
        return Some(
            Refusal::new(
                RefusalReason::AssigneeUnknown,
                Scope::Task(decision.task.clone()),
            )
            .with("assignee", to)
            .with("why", "the server does not show its key to this login")
            .for_person(),
        );
    }
    // what is said to OIG alone waits for no target
    let target = decision.target.as_ref();
    let runs = target.filter(|_| *wish.action == Action::Retry);
    runs.and_then(|target| around.bench.blocked.get(target))
        .cloned()
}

/// What has to be read before the guards can pass; of a task that a hint named, its account in any case.
fn needs(around: &Surroundings<'_>, wish: &Wish) -> GuardNeeds {
    let mut needs = guard::needs(wish.decision.kind, &wish.action);
    if wish.decision.kind.takes_access()
        && !guard::is_long_open(wish.origin, around.now)
        && !around.seen_late(wish.row)
    {
        needs.process = false;
    }
    needs.process |= by_process(around, wish);
    needs
}

/// True where the lists don't tell the other tasks of its account: no list shows the task itself, or a login's
/// was not read, and an older task of the account may be in that one. What waits for none of them waits for no
/// reading either; of what shows no account no list tells the others.
fn by_process(around: &Surroundings<'_>, wish: &Wish) -> bool {
    let waits = guard::waits_for_others(wish.decision.kind, &wish.action);
    let shown = around.snapshot.tasks[wish.row].process.is_some();
    around.road(wish.row) != Road::List || (waits && shown && !around.snapshot.has_all())
}

fn needs_reading(around: &Surroundings<'_>, wish: &Wish, refusals: &[Refusal]) -> bool {
    let needs = needs(around, wish);
    (needs.beneficiary || needs.process || needs.assignee || needs.responses)
        && refusals.iter().all(|refusal| lacks_a_fact(refusal.reason))
}

/// True where the rest of the facts' time is shorter than what it may take to read the others' and to
/// wait in the queue; reading them once more is what keeps it from being always too late.
fn grows_old(around: &Surroundings<'_>, wish: &Wish, passed: &Passed) -> bool {
    let needs = needs(around, wish);
    let life = around.bench.settings.guard.fact_age / 2;
    (needs.beneficiary || needs.process || needs.responses)
        && passed
            .facts_from()
            .is_some_and(|from| around.bench.clock.now().duration_since(from) > life)
}

/// True for the refusals that a reading may lift.
pub(super) fn lacks_a_fact(reason: RefusalReason) -> bool {
    matches!(
        reason,
        RefusalReason::BeneficiaryUnknown
            | RefusalReason::AccountUnknown
            | RefusalReason::SiblingsUnknown
            | RefusalReason::AssigneeUnknown
            | RefusalReason::FactUnknown
    )
}

/// True for what only a reading tells, and a person has to look at.
fn found_out(reason: RefusalReason) -> bool {
    lacks_a_fact(reason)
        || matches!(
            reason,
            RefusalReason::BeneficiaryNotActive
                | RefusalReason::StaleGrant
                | RefusalReason::Overtaken
                | RefusalReason::TooOld
        )
}

fn hand(wish: &Wish, handed: &mut HashMap<Login, u32>) {
    if let Action::Reassign {
        to: Principal::User { login, .. },
    } = &*wish.action
    {
        *handed.entry(login.clone()).or_default() += 1;
    }
}

fn refused(wish: Wish, behind: Behind, refusals: Vec<Refusal>) -> Proposal {
    Proposal {
        behind,
        decision: wish.decision,
        guard: Err(refusals),
    }
}

fn passed_on(wish: Wish, behind: Behind, passed: Box<Passed>) -> Proposal {
    Proposal {
        behind,
        decision: wish.decision,
        guard: Ok(passed),
    }
}

fn shown(around: &Surroundings<'_>, wish: &Wish) -> Shown {
    let task = &around.snapshot.tasks[wish.row];
    Shown {
        request: task.request.clone(),
        owner: task.owner.clone(),
        login: around.snapshot.further(wish.row).cloned(),
    }
}
