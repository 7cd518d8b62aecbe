//! Finds who stands in for an absent owner, with a reason for everyone who does not; pure, and it never proposes somebody whose state is not known (invariant 9).

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::facts::{Person, StandIn, UserStatus};
use crate::model::{Known, Login, Principal, UserKey};

use super::roster::{Roster, away};

/// One proxy of a person (contract section 7). It makes a candidate, never an absence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProxyRow {
    /// `userLogin`
    pub login: Login,
    /// The proxy person's key, from the self link.
    pub key: Option<UserKey>,
    /// `startDate`; `None`: since ever.
    pub from: Option<Timestamp>,
    /// First moment after `endDate`; `None`: open.
    pub until: Option<Timestamp>,
}

impl ProxyRow {
    /// True where the dates hold at `now`; the server's "current" includes what has not begun.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
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

/// The stand-in: the feed's, else a current proxy, else the fulfilment role, else (only where
/// configured) the manager. Who is away himself is replaced by his own stand-in, up to `max_depth`.
pub fn stand_in(search: &Delegation<'_>) -> StandIn {
    let mut why = Vec::new();
    let found = |to, via: &str| StandIn::Found {
        to,
        via: Arc::from(via),
    };
    let mut visited = vec![search.owner.clone()];
    for login in feed_of(search, search.owner, &mut why) {
        if let Some(to) = follow(search, &login, "feed", 1, &mut visited, &mut why) {
            return found(to, "feed");
        }
    }
    for login in proxies_of(search, search.owner, &mut why) {
        if let Some(to) = follow(search, &login, "proxy", 1, &mut visited, &mut why) {
            return found(to, "proxy");
        }
    }
    match search.fulfilment_role {
        None => why.push("fulfilment role: none is configured for the target".to_owned()),
        Some(role) if search.former_owners.contains(role) => {
            why.push(format!("fulfilment role {role}: had the task before"));
        }
        Some(role) => return found(role.clone(), "fulfilment_role"),
    }
    if search.use_manager {
        match (search.people)(search.owner) {
            Known::Yes {
                value:
                    Person {
                        manager: Some(manager),
                        ..
                    },
                ..
            } => {
                if let Some(to) = follow(search, &manager, "manager", 1, &mut visited, &mut why) {
                    return found(to, "manager");
                }
            }
            Known::Yes { .. } => why.push("manager: none is shown".to_owned()),
            Known::No { why: reason } => why.push(format!("manager: unknown ({reason})")),
        }
    }
    StandIn::None { why }
}

fn feed_of(search: &Delegation<'_>, login: &Login, why: &mut Vec<String>) -> Vec<Login> {
    match search.roster {
        Known::Yes { value, .. } => value.stand_ins(login, search.now),
        Known::No { why: reason } => {
            why.push(format!("feed of {login}: unknown ({reason})"));
            Vec::new()
        }
    }
}

fn proxies_of(search: &Delegation<'_>, login: &Login, why: &mut Vec<String>) -> Vec<Login> {
    match (search.proxies)(login) {
        Known::No { why: reason } => {
            why.push(format!("proxies of {login}: unknown ({reason})"));
            Vec::new()
        }
        Known::Yes { value, .. } => {
            let (current, others): (Vec<_>, Vec<_>) = value
                .into_iter()
                .partition(|proxy| proxy.is_current(search.now));
            for proxy in others {
                why.push(format!("proxy {}: not current", proxy.login));
            }
            current.into_iter().map(|proxy| proxy.login).collect()
        }
    }
}

/// The candidate, or whoever stands in for him, or nobody with the reasons in `why`. Everybody is
/// looked at once, so that no chain can loop.
fn follow(
    search: &Delegation<'_>,
    login: &Login,
    via: &str,
    depth: u32,
    visited: &mut Vec<Login>,
    why: &mut Vec<String>,
) -> Option<Principal> {
    let mut refuse = |what: &str| why.push(format!("{via} {login}: {what}"));
    if depth > search.max_depth {
        refuse(&format!("the chain is longer than {}", search.max_depth));
        return None;
    }
    if visited.contains(login) {
        refuse("was looked at already (the chain loops)");
        return None;
    }
    visited.push(login.clone());
    let Known::Yes { value: roster, .. } = search.roster else {
        refuse("it is not known who is away");
        return None;
    };
    let person = match (search.people)(login) {
        Known::Yes { value, .. } if value.login == *login => value,
        Known::Yes { .. } => {
            refuse("another user was read");
            return None;
        }
        Known::No { why: reason } => {
            refuse(&format!("unknown ({reason})"));
            return None;
        }
    };
    if let Some(absence) = away(&person, roster, search.now) {
        refuse(match absence.until {
            Some(_) => "is away",
            None => "is away or not active",
        });
        let mut next = feed_of(search, login, why);
        next.extend(proxies_of(search, login, why));
        return next
            .iter()
            .find_map(|next| follow(search, next, via, depth + 1, visited, why));
    }
    match refusal(search, &person) {
        Some(what) => {
            refuse(&what);
            None
        }
        None => Some(Principal::User {
            key: person.key,
            login: person.login,
        }),
    }
}

/// Why a person who is present may not have the task, if he may not.
fn refusal(search: &Delegation<'_>, person: &Person) -> Option<String> {
    if person.status != UserStatus::Active {
        return Some(format!("status is {}", person.status.as_str()));
    }
    if person.key.is_none() {
        return Some("the server shows no key".to_owned());
    }
    match search.beneficiary {
        None => return Some("the task does not show its beneficiary".to_owned()),
        Some(beneficiary) if *beneficiary == person.login => {
            return Some("is the beneficiary".to_owned());
        }
        Some(_) => {}
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

#[cfg(test)]
mod tests {
    use super::super::roster::parse;
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn now() -> Timestamp {
        "2027-03-10T12:00:00Z".parse().expect("a timestamp")
    }

    struct World {
        roster: Known<Arc<Roster>>,
        people: BTreeMap<Login, Person>,
        proxies: BTreeMap<Login, Vec<ProxyRow>>,
        role: Option<Principal>,
        use_manager: bool,
        loaded: Option<Login>,
        former: Vec<Principal>,
        depth: u32,
    }

    fn world(feed: &str) -> World {
        let (roster, problems) = parse(feed, "x.csv", &TimeZone::UTC);
        assert_eq!(problems, []);
        let people = ["owner", "ann", "bob", "cat", "ben", "boss"];
        World {
            roster: Known::Yes {
                value: Arc::new(roster),
                as_of: now(),
            },
            people: people
                .iter()
                .zip(1..)
                .map(|(name, n): (_, u32)| {
                    let person = Person {
                        key: Some(UserKey::new(&n.to_string())),
                        login: Login::new(name),
                        status: UserStatus::Active,
                        manager: Some(Login::new("boss")),
                    };
                    (Login::new(name), person)
                })
                .collect(),
            proxies: BTreeMap::new(),
            role: None,
            use_manager: false,
            loaded: None,
            former: Vec::new(),
            depth: 3,
        }
    }

    impl World {
        fn proxy(&mut self, of: &str, to: &str, from: &str, until: &str) {
            let day = |text: &str| Some(format!("{text}T00:00:00Z").parse().expect("a day"));
            self.proxies.entry(of.into()).or_default().push(ProxyRow {
                login: to.into(),
                key: None,
                from: day(from),
                until: day(until),
            });
        }

        fn search(&self) -> StandIn {
            stand_in(&Delegation {
                owner: &Login::new("owner"),
                roster: &self.roster,
                proxies: &|login| Known::Yes {
                    value: self.proxies.get(login).cloned().unwrap_or_default(),
                    as_of: now(),
                },
                people: &|login| match self.people.get(login) {
                    Some(person) => Known::Yes {
                        value: person.clone(),
                        as_of: now(),
                    },
                    None => Known::unknown("404"),
                },
                loads: &|login| {
                    if self.loaded.as_ref() == Some(login) {
                        9
                    } else {
                        0
                    }
                },
                load_limit: 9,
                fulfilment_role: self.role.as_ref(),
                use_manager: self.use_manager,
                beneficiary: Some(&Login::new("ben")),
                former_owners: &self.former,
                max_depth: self.depth,
                now: now(),
            })
        }

        fn found(&self) -> Option<(String, String)> {
            match self.search() {
                StandIn::Found { to, via } => Some((to.to_string(), via.to_string())),
                _ => None,
            }
        }
    }

    fn via(to: &str, road: &str) -> Option<(String, String)> {
        Some((to.to_owned(), road.to_owned()))
    }

    const AWAY: &str = "owner,2027-03-01,2027-03-31,ann\n";

    #[test]
    fn feed_then_proxy_then_role_then_manager() {
        let mut w = world(AWAY);
        w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
        w.role = Some(Principal::Role {
            key: None,
            name: Arc::from("desk"),
        });
        w.use_manager = true;
        assert_eq!(w.found(), via("user:ANN", "feed"));
        w.people.remove(&Login::new("ann"));
        assert_eq!(w.found(), via("user:BOB", "proxy"));
        w.loaded = Some("bob".into());
        assert_eq!(w.found(), via("role:desk", "fulfilment_role"));
        w.role = None;
        assert_eq!(w.found(), via("user:BOSS", "manager"));
        w.use_manager = false;
        let StandIn::None { why } = w.search() else {
            panic!("nobody is left")
        };
        assert!(why.iter().any(|line| line.contains("ANN: unknown (404)")));
        assert!(why.iter().any(|line| line.contains("BOB: holds 9 tasks")));
    }

    #[test]
    fn only_current_proxies_count() {
        let mut w = world("owner,2027-03-01,2027-03-31,\n");
        w.proxy("owner", "bob", "2027-03-11", "2027-03-20");
        w.proxy("owner", "bob", "2027-02-01", "2027-03-10");
        assert_eq!(w.found(), None);
        w.proxy("owner", "cat", "2027-03-10", "2027-03-11");
        assert_eq!(w.found(), via("user:CAT", "proxy"));
    }

    #[test]
    fn chains_are_followed_to_their_depth_and_loops_end() {
        let mut w = world(&format!(
            "{AWAY}ann,2027-03-10,2027-03-10,bob\nbob,2027-03-10,,cat\n"
        ));
        assert_eq!(w.found(), via("user:CAT", "feed"));
        w.depth = 2;
        assert_eq!(w.found(), None);
        let looping = world(&format!("{AWAY}ann,2027-03-10,,owner\n"));
        let StandIn::None { why } = looping.search() else {
            panic!("it loops")
        };
        assert!(why.iter().any(|line| line.contains("loops")));
    }

    #[test]
    fn never_the_beneficiary_a_former_owner_or_anybody_while_absences_are_unknown() {
        let mut w = world("owner,2027-03-01,,ben\n");
        assert_eq!(w.found(), None);
        w = world(AWAY);
        w.former.push(Principal::User {
            key: None,
            login: "ann".into(),
        });
        assert_eq!(w.found(), None);
        w = world(AWAY);
        w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
        w.roster = Known::unknown("never read");
        assert_eq!(w.found(), None);
    }

    proptest! {
        #[test]
        fn whoever_is_found_is_fit(
            edges in proptest::collection::vec((0..5_usize, 0..5_usize, any::<bool>()), 0..12),
            inactive in proptest::collection::vec(any::<bool>(), 5),
            depth in 0..5_u32,
        ) {
            let names = ["owner", "ann", "bob", "cat", "ben"];
            let feed: String = edges.iter().filter(|(_, _, feed)| *feed)
                .map(|(of, to, _)| format!("{},2027-03-01,,{}\n", names[*of], names[*to]))
                .collect();
            let mut w = world(&feed);
            w.depth = depth;
            for (of, to, _) in edges.iter().filter(|(_, _, feed)| !feed) {
                w.proxy(names[*of], names[*to], "2027-03-01", "2027-04-01");
            }
            for (name, off) in names.iter().zip(&inactive) {
                if *off && let Some(person) = w.people.get_mut(&Login::new(name)) {
                    person.status = UserStatus::Disabled;
                }
            }
            if let StandIn::Found { to: Principal::User { login, .. }, .. } = w.search() {
                prop_assert!(depth > 0);
                prop_assert!(login != Login::new("owner") && login != Login::new("ben"));
                let person = &w.people[&login];
                let roster = w.roster.value().expect("known");
                prop_assert_eq!(away(person, roster, now()), None);
            }
        }
    }
}
