//! Reads people once more right before a claim, each once for a batch: of hand-overs whom they go to and whom they are taken from, of what gives access its beneficiary; who has changed is given nothing, and nothing is taken from whoever is there again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::absence::{Presence, Roster, presence};
use crate::daemon::evaluate::Behind;
use crate::governor::Admitted;
use crate::guard::{self, AssigneeFact, MemberFact};
use crate::model::facts::{Known, Person};
use crate::model::standing::LastDay;
use crate::model::{
    Action, Clock, Login, Owner, Principal, ReadValue, Refusal, RefusalReason, Scope, UserKey,
};
use crate::oig::{Client, LOGINS_AT_ONCE, OigError};

/// What gives access and rests on readings no older than this is claimed without a second one.
const YOUNG: SignedDuration = SignedDuration::from_mins(1);

/// A person as read, and when that was asked.
pub type PersonRead = (Login, Known<Person>, Timestamp);

/// With what people are read.
#[derive(Debug)]
pub struct Readers {
    /// The login that reads people.
    pub client: Client,
    /// Who is away by the absence file.
    pub roster: Known<Arc<Roster>>,
}

/// What was read for one batch.
pub(super) struct Read {
    at: Timestamp,
    people: BTreeMap<Login, Known<Person>>,
    last_days: BTreeMap<Login, Known<LastDay>>,
    logins: BTreeMap<UserKey, Known<Login>>,
}

impl Readers {
    /// Reads everybody on whom these acts rest.
    pub(super) async fn read(
        &self,
        clock: &Clock,
        items: &[Admitted],
        behind: &[Option<Behind>],
    ) -> Read {
        let mut read = Read {
            at: clock.now(),
            people: BTreeMap::new(),
            last_days: BTreeMap::new(),
            logins: BTreeMap::new(),
        };
        let at = read.at;
        let given = |item| taker(item).or_else(|| given(item, at));
        let members = items.iter().flat_map(Admitted::members);
        let takers = items.iter().filter_map(given).chain(members);
        let takers: BTreeSet<Login> = takers.cloned().collect();
        let mut all = takers.clone();
        for (item, behind) in items.iter().zip(behind) {
            match behind.as_ref().map(|behind| &behind.owner) {
                Some(Owner::User { key, login }) if rests_on_owner(&item.decision().read) => {
                    match (login, key) {
                        (Some(login), _) => {
                            all.insert(login.clone());
                        }
                        (None, Some(key)) => all.extend(self.login_of(key, &mut read).await),
                        (None, None) => {}
                    }
                }
                _ => {}
            }
        }
        let asked: Vec<Login> = all.into_iter().collect();
        if asked.is_empty() {
            return read;
        }
        let unread = |error: &OigError| Known::unknown(format!("could not be read: {error}"));
        match self.client.users_by_login(&asked).await {
            Ok(people) => {
                let known = |person| Known::Yes {
                    value: person,
                    as_of: read.at,
                };
                let found = people
                    .found
                    .into_iter()
                    .map(|(of, as_read)| (of, known(as_read)));
                read.people.extend(found);
                let missing = people.missing.into_iter();
                read.people
                    .extend(missing.map(|of| (of, Known::unknown("is not visible to this login"))));
                let unknown = people.unknown.into_iter();
                read.people
                    .extend(unknown.map(|(of, why)| (of, Known::unknown(why))));
            }
            Err(error) => read
                .people
                .extend(asked.into_iter().map(|of| (of, unread(&error)))),
        }
        let takers: Vec<Login> = takers.into_iter().collect();
        for part in takers.chunks(LOGINS_AT_ONCE) {
            match self.client.last_days(part).await {
                Ok(days) => {
                    let known = |value| Known::Yes {
                        value,
                        as_of: read.at,
                    };
                    let days = days.into_iter().map(|(of, day)| (of, known(day)));
                    read.last_days.extend(days);
                }
                Err(error) => read.last_days.extend(part.iter().map(|of| {
                    let why = format!("the End Date could not be read: {error}");
                    (of.clone(), Known::unknown(why))
                })),
            }
        }
        read
    }

    /// The login behind a key, where the row shows that alone.
    async fn login_of(&self, key: &UserKey, read: &mut Read) -> Option<Login> {
        if let Some(known) = read.logins.get(key) {
            return known.value().cloned();
        }
        let login = match self.client.user(key).await {
            Ok(Some(person)) => Known::Yes {
                value: person.login,
                as_of: read.at,
            },
            Ok(None) => Known::unknown("is not visible to this login"),
            Err(error) => Known::unknown(format!("could not be read: {error}")),
        };
        let found = login.value().cloned();
        read.logins.insert(key.clone(), login);
        found
    }

    /// Why an act is not what was decided on any more, by what was read of its people.
    pub(super) fn refusal(
        &self,
        item: &Admitted,
        behind: Option<&Behind>,
        read: &Read,
        now: Timestamp,
    ) -> Option<Refusal> {
        if let Some(login) = given(item, read.at) {
            return read.still_given(item, login, now).err();
        }
        let Action::Reassign { to } = item.action() else {
            return None;
        };
        let owner = behind.map(|behind| &behind.owner);
        if let Some(refusal) = owner.and_then(|owner| self.owner_moved(item, owner, read, now)) {
            return Some(refusal);
        }
        if let Some(refusal) = self.members_moved(item, to, read, now) {
            return Some(refusal);
        }
        let login = taker(item)?;
        let scope = Scope::Task(item.decision().task.clone());
        let fact = self.assignee(login, read, now);
        guard::still_takes(scope, to, &fact, now).err()
    }

    fn assignee(&self, login: &Login, read: &Read, now: Timestamp) -> Known<AssigneeFact> {
        let (person, as_of) = match read.person(login) {
            Known::Yes { value, as_of } => (value, as_of),
            Known::No { why } => return Known::No { why },
        };
        let away = match self.presence(&person, now) {
            Presence::Here => None,
            Presence::Away(absence) => Some(absence),
            Presence::Unknown(why) => {
                return Known::unknown(format!("whether {login} is away: {why}"));
            }
        };
        Known::Yes {
            value: AssigneeFact {
                person,
                away,
                // what he has to do is the guards' matter
                load: 0,
                unlisted: 0,
                last_day: read.last_day(login),
                changes: None,
            },
            as_of,
        }
    }

    /// Whether those of a role on whom it rests are still there.
    fn members_moved(
        &self,
        item: &Admitted,
        to: &Principal,
        read: &Read,
        now: Timestamp,
    ) -> Option<Refusal> {
        let members = item.members().iter().map(|login| MemberFact {
            login: login.clone(),
            person: self.assignee(login, read, now),
        });
        let members: Vec<MemberFact> = members.collect();
        let scope = Scope::Task(item.decision().task.clone());
        guard::still_holds(&scope, to, &members, now).err()
    }

    fn presence(&self, person: &Person, now: Timestamp) -> Presence {
        // that OIG calls him inactive needs no file
        match self.roster.value() {
            Some(roster) => presence(person, roster, now),
            None => match presence(person, &Roster::default(), now) {
                Presence::Here => {
                    let why = self.roster.why().unwrap_or("the feed tells nothing");
                    Presence::Unknown(why.to_owned())
                }
                known => known,
            },
        }
    }

    /// Whether the present owner is as the decision has read him, where it rests on that.
    fn owner_moved(
        &self,
        item: &Admitted,
        owner: &Owner,
        read: &Read,
        now: Timestamp,
    ) -> Option<Refusal> {
        let decision = item.decision();
        let Owner::User { key, login } = owner else {
            return None;
        };
        if !rests_on_owner(&decision.read) {
            return None;
        }
        let scope = || Scope::Task(decision.task.clone());
        let unread = |why: String| {
            Refusal::new(RefusalReason::FactUnknown, scope())
                .with("fact", "its owner right before it is sent")
                .with("why", why)
        };
        let login = match (login, key.as_ref().and_then(|key| read.logins.get(key))) {
            (Some(login), _) | (None, Some(Known::Yes { value: login, .. })) => login,
            (None, Some(Known::No { why })) => return Some(unread(format!("the owner {why}"))),
            (None, None) => return Some(unread("the owner's login is not known".to_owned())),
        };
        let person = match read.people.get(login) {
            Some(Known::Yes { value, .. }) => value,
            Some(Known::No { why }) => return Some(unread(format!("{login} {why}"))),
            None => return Some(unread(format!("{login} was not read again"))),
        };
        let away = match self.presence(person, now) {
            Presence::Here => false,
            Presence::Away(_) => true,
            Presence::Unknown(why) => {
                return Some(unread(format!("whether {login} is away: {why}")));
            }
        };
        let found = differs(&decision.read, person.status.as_str(), away)?;
        Some(Refusal::new(RefusalReason::TaskMoved, scope()).with("found", found))
    }
}

impl Read {
    fn person(&self, login: &Login) -> Known<Person> {
        match self.people.get(login) {
            Some(Known::No { why }) => Known::unknown(format!("{login} {why}")),
            Some(known) => known.clone(),
            None => Known::unknown(format!("{login} was not read again")),
        }
    }

    fn last_day(&self, login: &Login) -> Known<LastDay> {
        let not_shown = || format!("the answer about End Dates does not show {login}");
        let last_day = self.last_days.get(login).cloned();
        last_day.unwrap_or_else(|| Known::unknown(not_shown()))
    }

    fn still_given(&self, item: &Admitted, to: &Login, now: Timestamp) -> Result<(), Refusal> {
        let scope = Scope::Task(item.decision().task.clone());
        guard::still_given(scope, to, &self.person(to), &self.last_day(to), now)
    }

    /// Everybody of whom there is an answer.
    pub(super) fn into_people(self) -> Vec<PersonRead> {
        let at = self.at;
        let people = self.people.into_iter();
        let known = people.filter(|(_, known)| known.value().is_some());
        known.map(|(login, known)| (login, known, at)).collect()
    }
}

/// The person to whom an act hands its task.
fn taker(item: &Admitted) -> Option<&Login> {
    match item.action() {
        Action::Reassign {
            to: Principal::User { login, .. },
        } => Some(login),
        _ => None,
    }
}

/// The beneficiary of what gives access, where what it rests on is not young any more.
fn given(item: &Admitted, now: Timestamp) -> Option<&Login> {
    let old = |from| now.duration_since(from) > YOUNG || now < from;
    item.gives_to()
        .filter(|_| item.facts_from().is_none_or(old))
}

/// What policies read of an owner.
const OWNER: &str = "facts.owner.";

/// True where a policy has asked whether the owner is there.
pub(in crate::daemon) fn rests_on_owner(read: &[ReadValue]) -> bool {
    read.iter().any(|(name, _)| name.starts_with(OWNER))
}

/// How the owner differs from what the decision has read of him.
fn differs(read: &[ReadValue], status: &str, away: bool) -> Option<String> {
    let told = |of: &str| {
        let mut named = read.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(OWNER)?;
            (name == of).then_some(&**value)
        });
        named.next()
    };
    let was_away = told("away")
        .map(|value| value == "true")
        .or_else(|| told("present").map(|value| value != "true"))
        .or_else(|| {
            // only of those who are away there is something to read
            let of_the_absent = ["away_source", "away_from", "away_until", "stand_in"];
            let mut values = of_the_absent.iter().filter_map(|of| told(of));
            values.find(|value| *value != "()").map(|_| true)
        });
    match was_away {
        Some(true) if !away => return Some("its owner is there again".to_owned()),
        Some(false) if away => return Some("its owner is away now".to_owned()),
        _ => {}
    }
    let was = told("status").filter(|was| *was != status && *was != "()")?;
    Some(format!("its owner is {status} now, and was {was}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(of: &[(&str, &str)]) -> Vec<ReadValue> {
        let value = |(name, value): &(&str, &str)| (Arc::from(*name), Arc::from(*value));
        of.iter().map(value).collect()
    }

    #[test]
    fn an_owner_differs_by_what_was_read_of_him_and_by_nothing_else() {
        let away = read(&[("task.owner", "user:A"), ("facts.owner.away", "true")]);
        assert!(rests_on_owner(&away));
        assert_eq!(differs(&away, "disabled", true), None);
        assert!(differs(&away, "active", false).is_some());
        let there = read(&[("facts.owner.present", "true")]);
        assert_eq!(differs(&there, "active", false), None);
        assert!(differs(&there, "active", true).is_some());
        let by_stand_in = read(&[("facts.owner.stand_in", "user:B")]);
        assert!(differs(&by_stand_in, "active", false).is_some());
        let none = read(&[("facts.owner.stand_in", "()")]);
        assert_eq!(differs(&none, "active", false), None);
        let status = read(&[("facts.owner.status", "disabled")]);
        assert_eq!(differs(&status, "disabled", true), None);
        assert!(differs(&status, "deleted", true).is_some());
        let nothing = read(&[("task.owner", "user:A")]);
        assert!(!rests_on_owner(&nothing));
        assert_eq!(differs(&nothing, "active", false), None);
    }
}
