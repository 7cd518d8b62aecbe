//! Finds who stands in for an absent owner, with a reason for everyone who does not; pure, and it never proposes somebody whose state is not known (invariant 9).

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::facts::{Person, ProxyEnd, StandIn, UserStatus};
use crate::model::{Known, Login, Principal, UserKey};

use super::roster::{Presence, Roster, presence};

/// One proxy of a person (contract section 7). It makes a candidate, never an absence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProxyRow {
    /// `userLogin`
    pub login: Login,
    /// The proxy person's key, from the self link.
    pub key: Option<UserKey>,
    /// `startDate`; open: since ever.
    pub from: ProxyEnd,
    /// First moment after `endDate`; open: without end.
    pub until: ProxyEnd,
    /// The server says `NOT_STARTED`.
    pub not_started: bool,
}

impl ProxyRow {
    /// Why the proxy does not hold at `now`, if it doesn't: the server's "current" includes what
    /// has not begun, and a date that can't be read is no date that holds.
    pub fn not_current(&self, now: Timestamp) -> Option<&'static str> {
        match (self.from, self.until) {
            (ProxyEnd::Unreadable, _) => Some("not current (its start date can't be read)"),
            (_, ProxyEnd::Unreadable) => Some("not current (its end date can't be read)"),
            (ProxyEnd::At(from), _) if from > now => Some("not current (has not begun)"),
            (_, ProxyEnd::At(until)) if until <= now => Some("not current (has ended)"),
            _ if self.not_started => Some("not current (the server says NOT_STARTED)"),
            _ => None,
        }
    }
}

/// What the search looks at.
pub struct Delegation<'a> {
    /// The absent owner.
    pub owner: &'a Login,
    /// Who is away, by the feed.
    pub roster: &'a Known<Arc<Roster>>,
    /// A person's proxies; where proxies are not used: known and empty.
    pub proxies: &'a dyn Fn(&Login) -> Known<Vec<ProxyRow>>,
    /// A person as the server shows him.
    pub people: &'a dyn Fn(&Login) -> Known<Person>,
    /// Open tasks that a person holds.
    pub loads: &'a dyn Fn(&Login) -> u32,
    /// The load from which nobody is handed more.
    pub load_limit: u32,
    /// The role that does the manual work of the target.
    pub fulfilment_role: Option<&'a Principal>,
    /// True where the configuration lets the manager stand in.
    pub use_manager: bool,
    /// The task's beneficiary; where he is not known, no person can be chosen.
    pub beneficiary: Option<&'a Login>,
    /// Owners that the task has had.
    pub former_owners: &'a [Principal],
    /// Longest chain of stand-ins; 1 is the owner's own.
    pub max_depth: u32,
    /// Domain time.
    pub now: Timestamp,
}

/// Something that goes before all that is left could not be read; the last line of `why` says what.
struct Unread;

/// The stand-in: the feed's, else a current proxy, else the fulfilment role, else (only where
/// configured) the manager. Who is away himself is replaced by his own stand-in, up to `max_depth`.
/// What can't be read ends the search: a lower rank is never taken because a higher one is unknown.
pub fn stand_in(search: &Delegation<'_>) -> StandIn {
    let mut why = Vec::new();
    match by_rank(search, &mut why) {
        Ok(Some((to, via))) => StandIn::Found {
            to,
            via: Arc::from(via),
        },
        Ok(None) => StandIn::None { why },
        Err(Unread) => StandIn::Unknown { why },
    }
}

fn by_rank(
    search: &Delegation<'_>,
    why: &mut Vec<String>,
) -> Result<Option<(Principal, &'static str)>, Unread> {
    let mut visited = vec![search.owner.clone()];
    if let Some(found) = named_by(search, search.owner, 1, &mut visited, why)? {
        return Ok(Some(found));
    }
    match search.fulfilment_role {
        None => why.push("fulfilment role: none is configured for the target".to_owned()),
        Some(role) if search.former_owners.contains(role) => {
            why.push(format!("fulfilment role {role}: had the task before"));
        }
        Some(role) => return Ok(Some((role.clone(), "fulfilment_role"))),
    }
    if !search.use_manager {
        return Ok(None);
    }
    match (search.people)(search.owner) {
        Known::Yes { value: owner, .. } => match owner.manager {
            Some(manager) => {
                let via = format!("manager {manager}");
                let found = follow(search, &manager, &via, 1, &mut visited, why)?;
                Ok(found.map(|to| (to, "manager")))
            }
            None => {
                why.push("manager: none is shown".to_owned());
                Ok(None)
            }
        },
        Known::No { why: reason } => {
            why.push(format!("manager: unknown ({reason})"));
            Err(Unread)
        }
    }
}

/// Whom a person's feed rows name, else his proxies, and by which of the two. The proxies are asked
/// for only where the feed gives nobody.
fn named_by(
    search: &Delegation<'_>,
    login: &Login,
    depth: u32,
    visited: &mut Vec<Login>,
    why: &mut Vec<String>,
) -> Result<Option<(Principal, &'static str)>, Unread> {
    if depth > search.max_depth {
        // nobody further could be taken, so nothing more is read
        why.push(format!(
            "stand-ins of {login}: the chain is longer than {}",
            search.max_depth
        ));
        return Ok(None);
    }
    for (next, place) in feed_of(search, login, why)? {
        // who is not shown by OIG may be no name at all, but words that nobody may keep: his row is told, not he
        if let Known::No { .. } = (search.people)(&next) {
            why.push(format!(
                "the stand-in in {place}: unknown (OIG does not show him to this login, or could not be asked)"
            ));
            return Err(Unread);
        }
        let via = format!("feed {next}");
        if let Some(to) = follow(search, &next, &via, depth, visited, why)? {
            return Ok(Some((to, "feed")));
        }
    }
    if let Some(place) = search.roster.value().and_then(|r| r.doubt(login)) {
        why.push(format!(
            "feed of {login}: unknown ({place} could not be read)"
        ));
        return Err(Unread);
    }
    for next in proxies_of(search, login, why)? {
        let via = format!("proxy {next}");
        if let Some(to) = follow(search, &next, &via, depth, visited, why)? {
            return Ok(Some((to, "proxy")));
        }
    }
    Ok(None)
}

fn feed_of<'a>(
    search: &Delegation<'a>,
    login: &Login,
    why: &mut Vec<String>,
) -> Result<Vec<(Login, &'a str)>, Unread> {
    match search.roster {
        Known::Yes { value, .. } => Ok(value.stand_ins(login, search.now)),
        Known::No { why: reason } => {
            why.push(format!("feed of {login}: unknown ({reason})"));
            Err(Unread)
        }
    }
}

fn proxies_of(
    search: &Delegation<'_>,
    login: &Login,
    why: &mut Vec<String>,
) -> Result<Vec<Login>, Unread> {
    match (search.proxies)(login) {
        Known::No { why: reason } => {
            why.push(format!("proxies of {login}: unknown ({reason})"));
            Err(Unread)
        }
        Known::Yes { value, .. } => {
            let mut current = Vec::new();
            for proxy in value {
                match proxy.not_current(search.now) {
                    Some(reason) => why.push(format!("proxy {}: {reason}", proxy.login)),
                    None => current.push(proxy.login),
                }
            }
            Ok(current)
        }
    }
}

/// The candidate, or whoever stands in for him, or nobody with the reasons in `why`, each behind `via`. Everybody is
/// looked at once, so that no chain can loop.
fn follow(
    search: &Delegation<'_>,
    login: &Login,
    via: &str,
    depth: u32,
    visited: &mut Vec<Login>,
    why: &mut Vec<String>,
) -> Result<Option<Principal>, Unread> {
    let mut say = |what: &str| why.push(format!("{via}: {what}"));
    if depth > search.max_depth {
        say(&format!("the chain is longer than {}", search.max_depth));
        return Ok(None);
    }
    if visited.contains(login) {
        say("was looked at already (the chain loops)");
        return Ok(None);
    }
    visited.push(login.clone());
    let Known::Yes { value: roster, .. } = search.roster else {
        say("it is not known who is away");
        return Err(Unread);
    };
    let person = match (search.people)(login) {
        Known::Yes { value, .. } if value.login == *login => value,
        Known::Yes { .. } => {
            say("unknown (another user was read)");
            return Err(Unread);
        }
        Known::No { why: reason } => {
            say(&format!("unknown ({reason})"));
            return Err(Unread);
        }
    };
    let absent = presence(&person, roster, search.now);
    if let Presence::Away(absence) = &absent {
        say(match absence.until {
            Some(_) => "is away",
            None => "is away or not active",
        });
        let next = named_by(search, login, depth.saturating_add(1), visited, why)?;
        return Ok(next.map(|(to, _)| to));
    }
    // what rules him out for certain is said first: nothing that is unknown of him matters then
    if let Some(what) = unfit(search, &person) {
        say(&what);
        return Ok(None);
    }
    if let Presence::Unknown(reason) = absent {
        say(&format!("it is not known whether he is away ({reason})"));
        return Err(Unread);
    }
    if let Some(what) = not_told(search, &person) {
        say(&what);
        return Err(Unread);
    }
    Ok(Some(Principal::User {
        key: person.key,
        login: person.login,
    }))
}

/// Why a person who is present may not have the task, if he may not.
fn unfit(search: &Delegation<'_>, person: &Person) -> Option<String> {
    if search.beneficiary == Some(&person.login) {
        return Some("is the beneficiary".to_owned());
    }
    let had = search.former_owners.iter().any(|owner| match owner {
        Principal::User { key, login } => {
            *login == person.login || (key.is_some() && *key == person.key)
        }
        Principal::Role { .. } => false,
    });
    if had {
        return Some("had the task before".to_owned());
    }
    let load = (search.loads)(&person.login);
    (load >= search.load_limit)
        .then(|| format!("holds {load} tasks, the limit is {}", search.load_limit))
}

/// What is not known of a person and would have to be.
fn not_told(search: &Delegation<'_>, person: &Person) -> Option<String> {
    if person.status != UserStatus::Active {
        return Some(format!(
            "status is {:?}, a word that nobody has explained",
            person.status.as_str()
        ));
    }
    if person.key.is_none() {
        return Some("the server shows no key".to_owned());
    }
    search
        .beneficiary
        .is_none()
        .then(|| "the task does not show its beneficiary".to_owned())
}

#[cfg(test)]
#[path = "delegate_tests.rs"]
mod tests;
