//! Owners and who may stand in for them: collects what the absence room needs and asks it; it judges nothing itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::cache::Cache;
use super::collect::collector;
use super::evaluate::CycleError;
use super::facts::Surroundings;
use super::memory::Memory;
use crate::absence::{self, Delegation, Presence, ProxyRow, Roster};
use crate::guard::{AssigneeFact, MemberFact};
use crate::model::facts::{History, Known, OwnerFact, OwnerState, Person, StandIn, UserStatus};
use crate::model::settings::Settings;
use crate::model::task::Wide;
use crate::model::{Login, Owner, Principal, RoleKey, Task, UserKey};
use crate::oig::LOGINS_AT_ONCE;
use crate::policy::Need;

/// How often the search for stand-ins is asked whom it misses; what is longer stays unknown until the next cycle.
const READING_ROUNDS: u32 = 32;

/// Members of a role whose states are read in one go.
const MEMBERS_AT_ONCE: usize = 100;

/// The owner's login, from the row or from what was read under his key.
fn login_of(cache: &Cache, owner: &Owner) -> Option<Login> {
    match owner {
        Owner::User {
            login: Some(login), ..
        } => Some(login.clone()),
        Owner::User { key: Some(key), .. } => cache.login_of(key).cloned(),
        _ => None,
    }
}

/// Reads the owners of the rows, and for those who are away everybody who could stand in.
///
/// # Errors
/// Only a stopped login.
pub async fn read_owners(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    rows: &[usize],
) -> Result<(), CycleError> {
    let mut logins: BTreeSet<Login> = BTreeSet::new();
    let mut keys: BTreeSet<UserKey> = BTreeSet::new();
    let mut roles: BTreeSet<String> = BTreeSet::new();
    let mut last: Option<&Owner> = None;
    for row in rows {
        let owner = &around.snapshot.tasks[*row].owner;
        // lists come in runs of one owner
        if last == Some(owner) {
            continue;
        }
        last = Some(owner);
        match owner {
            Owner::User {
                login: Some(login), ..
            } => {
                logins.insert(login.clone());
            }
            Owner::User {
                key: Some(key),
                login: None,
            } => {
                keys.insert(key.clone());
            }
            _ => {}
        }
    }
    for role in around.bench.settings.policy.fulfilment_roles.values() {
        roles.insert(role.clone());
    }
    let mut reader = collector(around.bench, memory);
    reader.people_by_key(keys).await?;
    reader.people(logins.clone()).await?;
    reader.roles(roles).await?;

    // chains of stand-ins are followed by asking the absence room until it misses nobody: the search
    // ends at what was not read, so each round may miss one more; whoever was asked for is not missed again
    for _ in 0..READING_ROUNDS {
        let missing = RefCell::new(Missing::default());
        let mut asked: BTreeSet<(Login, Option<Login>)> = BTreeSet::new();
        for row in rows {
            let task = &around.snapshot.tasks[*row];
            let Some(login) = login_of(&memory.cache, &task.owner) else {
                continue;
            };
            if !is_away(around, &memory.cache, &login)
                || !asked.insert((login.clone(), task.beneficiary.clone()))
            {
                continue;
            }
            let history = around.history(*row);
            stand_in(
                around,
                &memory.cache,
                &login,
                task,
                &history,
                Some(&missing),
            );
        }
        let missing = missing.into_inner();
        if missing.people.is_empty() && missing.proxies.is_empty() {
            break;
        }
        let mut reader = collector(around.bench, memory);
        reader.people(missing.people).await?;
        reader.proxies(missing.proxies).await?;
    }
    Ok(())
}

/// Whom the search would have liked to know.
#[derive(Default)]
struct Missing {
    people: BTreeSet<Login>,
    proxies: BTreeSet<Login>,
}

fn roster(around: &Surroundings<'_>) -> Option<Arc<Roster>> {
    around.bench.roster.value().map(Arc::clone)
}

fn is_away(around: &Surroundings<'_>, cache: &Cache, login: &Login) -> bool {
    let person = cache.person(login);
    match (person.value(), roster(around)) {
        (Some(person), roster) => {
            let roster = roster.unwrap_or_default();
            absence::presence(person, &roster, around.now)
                .absence()
                .is_some()
        }
        (None, _) => false,
    }
}

fn stand_in(
    around: &Surroundings<'_>,
    cache: &Cache,
    owner: &Login,
    task: &Task,
    history: &History,
    missing: Option<&RefCell<Missing>>,
) -> StandIn {
    let settings = &around.bench.settings;
    let role = fulfilment_role(settings, cache, task);
    let people = |login: &Login| -> Known<Person> {
        let person = cache.person(login);
        if let (Some(missing), true) = (missing, !cache.has_person(login)) {
            missing.borrow_mut().people.insert(login.clone());
        }
        person
    };
    let proxies = |login: &Login| -> Known<Vec<ProxyRow>> {
        if !settings.absence.use_proxies {
            return Known::Yes {
                value: Vec::new(),
                as_of: around.now,
            };
        }
        if let (Some(missing), true) = (missing, !cache.has_proxies(login)) {
            missing.borrow_mut().proxies.insert(login.clone());
        }
        cache.proxies(login)
    };
    absence::stand_in(&Delegation {
        owner,
        roster: &around.bench.roster,
        proxies: &proxies,
        people: &people,
        loads: &|login| around.loads.get(cache, login),
        load_limit: settings.guard.assignee_load,
        fulfilment_role: role.as_ref(),
        use_manager: settings.absence.use_manager,
        beneficiary: task.beneficiary.as_ref(),
        former_owners: &history.former_owners,
        max_depth: settings.absence.max_depth,
        now: around.now,
    })
}

/// The owner as a fact: present, away with a checked stand-in, or a role.
pub fn owner_fact(
    around: &Surroundings<'_>,
    memory: &Memory,
    task: &Task,
    history: &History,
) -> Known<OwnerFact> {
    let cache = &memory.cache;
    match &task.owner {
        Owner::Unknown => Known::unknown("the row does not show its owner"),
        Owner::Role { .. } => Known::Yes {
            value: OwnerFact {
                owner: task.owner.clone(),
                person: None,
                state: OwnerState::Role,
                stand_in: StandIn::NotNeeded,
            },
            as_of: around.snapshot.taken_at,
        },
        Owner::User { .. } => {
            let Some(login) = login_of(cache, &task.owner) else {
                return Known::unknown(
                    "the owner's login is not known: it was not asked for yet, or not told",
                );
            };
            let (person, as_of) = match cache.person(&login) {
                Known::Yes { value, as_of } => (value, as_of),
                Known::No { why } => return Known::No { why },
            };
            // that OIG calls him inactive needs no file; who stands in does
            let roster = roster(around);
            let by_oig = absence::presence(&person, &Roster::default(), around.now);
            let known = matches!(by_oig, Presence::Away(_)).then(Arc::<Roster>::default);
            let Some(roster) = roster.or(known) else {
                return Known::unknown(format!(
                    "whether {login} is away: {}",
                    around
                        .bench
                        .roster
                        .why()
                        .unwrap_or("the feed could not be read")
                ));
            };
            let state = match absence::presence(&person, &roster, around.now) {
                Presence::Here => OwnerState::Present,
                Presence::Away(absence) => OwnerState::Away { absence },
                Presence::Unknown(why) => {
                    return Known::unknown(format!("whether {login} is away: {why}"));
                }
            };
            let stand_in = match &state {
                OwnerState::Away { .. } => stand_in(around, cache, &login, task, history, None),
                OwnerState::Present | OwnerState::Role => StandIn::NotNeeded,
            };
            Known::Yes {
                value: OwnerFact {
                    owner: task.owner.clone(),
                    person: Some(person),
                    state,
                    stand_in,
                },
                as_of,
            }
        }
    }
}

/// The word for an owner who is away.
pub const AWAY: &str = "away";

/// A word that changes when the owner's state changes.
pub fn owner_word(around: &Surroundings<'_>, memory: &Memory, owner: &Owner) -> &'static str {
    let Some(login) = login_of(&memory.cache, owner) else {
        return "?";
    };
    let person = memory.cache.person(&login);
    if person.value().is_none() {
        return "unread";
    }
    let in_doubt = roster(around).is_none_or(|roster| roster.doubt(&login).is_some());
    match (is_away(around, &memory.cache, &login), in_doubt) {
        (true, _) => AWAY,
        (false, false) => "here",
        (false, true) => "in doubt",
    }
}

/// Mixes in to whom a policy may hand the row: a new stand-in, or another role under the same name, is another fact,
/// and what was decided for the former one is not done any more.
pub fn print_takers(
    around: &Surroundings<'_>,
    memory: &Memory,
    row: usize,
    away: bool,
    hash: &mut Wide,
) {
    let settings = &around.bench.settings;
    if !around.bench.policies.needs().contains(Need::Owner) {
        return;
    }
    let (cache, task) = (&memory.cache, &around.snapshot.tasks[row]);
    if let Some(name) = settings.policy.fulfilment_role(task.target.as_ref()) {
        hash.text(name);
        hash.text(cache.role(name).as_ref().map_or("?", RoleKey::as_str));
    }
    let Some(owner) = login_of(cache, &task.owner).filter(|_| away) else {
        return;
    };
    // why others were not taken changes with every load, and changes nothing
    match stand_in(around, cache, &owner, task, &around.tries(row), None) {
        StandIn::Found { to, via } => {
            hash.text(&via);
            let (key, name) = match &to {
                Principal::User { key, login } => {
                    (key.as_ref().map(UserKey::as_str), login.as_str())
                }
                Principal::Role { key, name } => (key.as_ref().map(RoleKey::as_str), &**name),
            };
            hash.text(key.unwrap_or("?"));
            hash.text(name);
        }
        StandIn::Unknown { .. } => hash.text("unknown"),
        StandIn::None { .. } => hash.text("none"),
        StandIn::NotNeeded => {}
    }
}

/// The role that does the manual work of the task's target, as configured, with its key.
pub fn fulfilment_role(settings: &Settings, cache: &Cache, task: &Task) -> Option<Principal> {
    let name = settings.policy.fulfilment_role(task.target.as_ref())?;
    Some(Principal::Role {
        key: cache.role(name),
        name: Arc::from(name),
    })
}

/// The person whom a task is to be handed to, as read, with the load he would then have.
pub fn assignee(
    around: &Surroundings<'_>,
    memory: &Memory,
    login: &Login,
    handed: u32,
) -> Known<AssigneeFact> {
    let Some(roster) = roster(around) else {
        let why = around
            .bench
            .roster
            .why()
            .unwrap_or("the feed tells nothing");
        return Known::unknown(format!("whether the assignee is away: {why}"));
    };
    if !around.snapshot.has_all() {
        return Known::unknown(format!(
            "how much {login} has to do: not every login's list was read, and his tasks may be in that one"
        ));
    }
    match memory.cache.person(login) {
        Known::Yes { value, as_of } => {
            let away = match absence::presence(&value, &roster, around.now) {
                Presence::Here => None,
                Presence::Away(absence) => Some(absence),
                Presence::Unknown(why) => {
                    return Known::unknown(format!("whether {login} is away: {why}"));
                }
            };
            Known::Yes {
                value: AssigneeFact {
                    unlisted: around.loads.unlisted(login),
                    away,
                    load: around
                        .loads
                        .get(&memory.cache, login)
                        .saturating_add(handed),
                    person: value,
                    last_day: memory.cache.last_day(login),
                    changes: roster.next_change(login, around.now),
                },
                as_of,
            }
        }
        Known::No { why } => Known::No { why },
    }
}

/// When the row's owner was last read.
pub fn owner_read(memory: &Memory, task: &Task) -> Option<Timestamp> {
    let owner = login_of(&memory.cache, &task.owner)?;
    match memory.cache.person(&owner) {
        Known::Yes { as_of, .. } => Some(as_of),
        Known::No { .. } => None,
    }
}

/// When an absence or a proxy of the row's owner begins or ends next, as far as it is known.
pub fn owner_changes(around: &Surroundings<'_>, memory: &Memory, task: &Task) -> Option<Timestamp> {
    let owner = login_of(&memory.cache, &task.owner)?;
    let of_feed = roster(around).and_then(|roster| roster.next_change(&owner, around.now));
    let proxies = memory.cache.proxies(&owner);
    let ends = |row: &ProxyRow| [row.from.at(), row.until.at()];
    let of_proxies = proxies.value().into_iter().flatten().flat_map(ends);
    let to_come = of_proxies.flatten().filter(|at| *at > around.now);
    to_come.chain(of_feed).min()
}

/// Reads the direct members of roles and, a part at a time, the members' states, until enough of them
/// are known to be there: whoever the beneficiary is, one of two is somebody else.
///
/// # Errors
/// Only a stopped login.
pub async fn read_members(
    around: &Surroundings<'_>,
    memory: &mut Memory,
    roles: BTreeSet<RoleKey>,
) -> Result<(), CycleError> {
    collector(around.bench, memory)
        .members(roles.clone())
        .await?;
    for role in roles {
        let Known::Yes { value, .. } = memory.cache.members(&role) else {
            continue;
        };
        let distinct: BTreeSet<&Login> = value.iter().collect();
        let distinct: Vec<&Login> = distinct.into_iter().collect();
        let mut there = 0_usize;
        for part in distinct.chunks(MEMBERS_AT_ONCE) {
            let logins = part.iter().map(|login| (*login).clone()).collect();
            collector(around.bench, memory).people(logins).await?;
            let there_of = |memory: &Memory| -> BTreeSet<Login> {
                part.iter()
                    .filter(|login| is_there(&assignee(around, memory, login, 0)))
                    .map(|login| (*login).clone())
                    .collect()
            };
            // the last days of some who are there, many of them in one request
            let mut asked: Vec<Login> = there_of(memory).into_iter().collect();
            while there < 2 && !asked.is_empty() {
                let some = asked.split_off(asked.len().saturating_sub(LOGINS_AT_ONCE));
                let some: BTreeSet<Login> = some.into_iter().collect();
                collector(around.bench, memory)
                    .last_days(some.clone())
                    .await?;
                there += some
                    .iter()
                    .filter(|login| lasts(memory, login, around.now))
                    .count();
            }
            if there > 1 {
                break;
            }
        }
    }
    Ok(())
}

fn lasts(memory: &Memory, login: &Login, now: Timestamp) -> bool {
    let last_day = memory.cache.last_day(login);
    last_day.value().is_some_and(|day| day.lasts(now))
}

fn is_there(member: &Known<AssigneeFact>) -> bool {
    member
        .value()
        .is_some_and(|fact| fact.person.status == UserStatus::Active && fact.away.is_none())
}

/// The direct members of a role as read, each with his state.
pub fn members(
    around: &Surroundings<'_>,
    memory: &Memory,
    role: &RoleKey,
) -> Known<Vec<MemberFact>> {
    match memory.cache.members(role) {
        Known::Yes { value, as_of } => Known::Yes {
            value: value
                .iter()
                .map(|login| MemberFact {
                    login: login.clone(),
                    person: assignee(around, memory, login, 0),
                })
                .collect(),
            as_of,
        },
        Known::No { why } => Known::No { why },
    }
}
