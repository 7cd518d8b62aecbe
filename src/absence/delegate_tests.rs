//! Who is found as a stand-in, and what is said where nobody is; the table of the search in `delegate`.

use super::*;
use crate::absence::{Parsed, parse};
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
    no_proxies_of: Option<Login>,
    role: Option<Principal>,
    use_manager: bool,
    loaded: Option<Login>,
    former: Vec<Principal>,
    depth: u32,
    beneficiary: Option<Login>,
}

fn world(feed: &str) -> World {
    let Parsed {
        roster, problems, ..
    } = parse(
        &format!("login,from,to,stand_in\n{feed}"),
        "x.csv",
        &TimeZone::UTC,
    );
    assert_eq!(problems.len(), feed.matches("nonsense").count());
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
        no_proxies_of: None,
        role: None,
        use_manager: false,
        loaded: None,
        former: Vec::new(),
        depth: 3,
        beneficiary: Some(Login::new("ben")),
    }
}

impl World {
    fn proxy(&mut self, of: &str, to: &str, from: &str, until: &str) {
        let day = |text: &str| match text {
            "" => ProxyEnd::Open,
            "?" => ProxyEnd::Unreadable,
            day => ProxyEnd::At(format!("{day}T00:00:00Z").parse().expect("a day")),
        };
        self.proxies.entry(of.into()).or_default().push(ProxyRow {
            login: to.into(),
            key: None,
            from: day(from),
            until: day(until),
            not_started: false,
        });
    }

    fn search(&self) -> StandIn {
        stand_in(&Delegation {
            owner: &Login::new("owner"),
            roster: &self.roster,
            proxies: &|login| match self.no_proxies_of.as_ref() == Some(login) {
                true => Known::unknown("503"),
                false => Known::Yes {
                    value: self.proxies.get(login).cloned().unwrap_or_default(),
                    as_of: now(),
                },
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
            beneficiary: self.beneficiary.as_ref(),
            former_owners: &self.former,
            max_depth: self.depth,
            now: now(),
        })
    }

    /// The last line of why the stand-in is unknown.
    fn unknown(&self) -> String {
        match self.search() {
            StandIn::Unknown { why } => why.last().cloned().unwrap_or_default(),
            other => panic!("not unknown: {other:?}"),
        }
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
    w.former.push(Principal::User {
        key: None,
        login: "ann".into(),
    });
    assert_eq!(w.found(), via("user:BOB", "proxy"));
    w.loaded = Some("bob".into());
    assert_eq!(w.found(), via("role:desk", "fulfilment_role"));
    w.role = None;
    assert_eq!(w.found(), via("user:BOSS", "manager"));
    w.use_manager = false;
    let StandIn::None { why } = w.search() else {
        panic!("nobody is left")
    };
    assert!(
        why.iter()
            .any(|line| line.contains("ANN: had the task before"))
    );
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
fn a_proxy_whose_dates_or_state_do_not_say_that_it_holds_is_not_current() {
    let feed = "owner,2027-03-01,2027-03-31,\n";
    let mut w = world(feed);
    w.proxy("owner", "bob", "", "");
    assert_eq!(w.found(), via("user:BOB", "proxy"), "no date is no limit");
    for (from, until, what) in [
        ("?", "", "start date can't be read"),
        ("2027-03-05", "?", "end date can't be read"),
    ] {
        let mut w = world(feed);
        w.proxy("owner", "bob", from, until);
        let StandIn::None { why } = w.search() else {
            panic!("nobody stands in")
        };
        assert!(why.iter().any(|line| line.contains(what)), "{why:?}");
    }
    w.proxies.get_mut(&Login::new("owner")).expect("a proxy")[0].not_started = true;
    let StandIn::None { why } = w.search() else {
        panic!("nobody stands in")
    };
    assert!(why.iter().any(|line| line.contains("NOT_STARTED")));
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
    assert!(w.unknown().contains("never read"));
}

#[test]
fn a_lower_rank_is_not_taken_because_a_higher_one_could_not_be_read() {
    let all = || {
        let mut w = world(AWAY);
        w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
        w.role = Some(Principal::Role {
            key: None,
            name: Arc::from("desk"),
        });
        w.use_manager = true;
        w
    };
    let mut w = all();
    w.people.remove(&Login::new("ann"));
    // what OIG does not show need not be a name: the row is told, and nothing that stands in it
    assert!(
        w.unknown().starts_with("the stand-in in x.csv:"),
        "{}",
        w.unknown()
    );
    assert!(!w.unknown().contains("ANN"), "{}", w.unknown());
    // one who is away and whose own proxies can't be read may have a stand-in
    let mut w = all();
    w.people.get_mut(&Login::new("ann")).expect("ann").status = UserStatus::Disabled;
    w.no_proxies_of = Some("ann".into());
    assert_eq!(w.unknown(), "proxies of ANN: unknown (503)");
    w.depth = 1;
    assert_eq!(w.found(), via("user:BOB", "proxy"), "nobody of hers counts");
    let mut w = all();
    w.former.push(Principal::User {
        key: None,
        login: "ann".into(),
    });
    w.no_proxies_of = Some("owner".into());
    assert_eq!(w.unknown(), "proxies of OWNER: unknown (503)");
    w.no_proxies_of = None;
    w.people.remove(&Login::new("bob"));
    assert_eq!(w.unknown(), "proxy BOB: unknown (404)");
    w.proxies.clear();
    w.role = None;
    w.people.remove(&Login::new("boss"));
    assert_eq!(w.unknown(), "manager BOSS: unknown (404)");
    w.people.remove(&Login::new("owner"));
    assert_eq!(w.unknown(), "manager: unknown (404)");
}

#[test]
fn a_row_that_could_not_be_read_makes_its_person_no_stand_in_and_his_own_unknown() {
    let mut w = world(&format!("{AWAY}ann,nonsense,,\n"));
    w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
    assert!(w.unknown().contains("x.csv:3"), "{}", w.unknown());
    // ruled out anyway, so it does not matter whether she is away
    w.loaded = Some("ann".into());
    assert_eq!(w.found(), via("user:BOB", "proxy"));
    // the owner's own row may name somebody who goes before his proxies
    let mut w = world("owner,nonsense,,ann\n");
    w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
    assert!(w.unknown().contains("x.csv:2"), "{}", w.unknown());
}

#[test]
fn a_candidate_of_whom_too_little_is_shown_is_unknown_unless_he_is_ruled_out_anyway() {
    let with = |change: fn(&mut Person)| {
        let mut w = world(AWAY);
        w.proxy("owner", "bob", "2027-03-05", "2027-03-20");
        change(w.people.get_mut(&Login::new("ann")).expect("ann"));
        w
    };
    let w = with(|ann| ann.status = UserStatus::parse("On Sabbatical"));
    assert!(w.unknown().contains("On Sabbatical"));
    let mut w = with(|ann| ann.key = None);
    assert!(w.unknown().contains("no key"));
    w.loaded = Some("ann".into());
    assert_eq!(w.found(), via("user:BOB", "proxy"));
    let mut w = with(|_| {});
    w.beneficiary = None;
    assert!(w.unknown().contains("beneficiary"));
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
            prop_assert_eq!(presence(person, roster, now()), Presence::Here);
        }
    }
}
