//! What a survey says beside its rows: what the login sees and by which road, what was read, what a reader has to know; it reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Surveyor;
use super::roles::{Roles, by_own_roles};
use crate::daemon::cache::Cache;
use crate::daemon::evaluate::Evaluated;
use crate::daemon::watch::Watch;
use crate::model::hash::FastSet;
use crate::model::{Login, Owner, Snapshot, TaskId};
use crate::survey::render::counted;
use crate::survey::{Reads, Road, Row, Scope, away_note, faults_note};

/// Owners of hidden tasks that are named.
const NAMED: usize = 50;

impl Surveyor {
    pub(super) fn scope(&self, cache: &Cache, listed: &Listed, rows: &[Row]) -> Scope {
        let me = &self.bench.settings.server.login;
        let filter = self.bench.settings.server.list_filter.clone();
        let (mut own, mut by_others, mut by_nobody) = (0_u64, 0_u64, 0_u64);
        let mut roles: BTreeMap<String, u64> = BTreeMap::new();
        let mut others: BTreeSet<String> = BTreeSet::new();
        for row in rows {
            match (&row.owner, &row.owner_login) {
                (Owner::User { .. }, Some(login)) if login == me => own += 1,
                (Owner::User { .. }, _) => {
                    by_others += 1;
                    others.insert(row.owner_name());
                }
                (Owner::Role { .. }, _) => *roles.entry(row.owner_name()).or_default() += 1,
                (Owner::Unknown, _) => by_nobody += 1,
            }
        }
        let mut hidden: BTreeMap<String, u64> = BTreeMap::new();
        let mut met: FastSet<&TaskId> = FastSet::default();
        let mut accounts_read = 0_u64;
        let mut seen_there = 0_u64;
        for (_, tasks) in cache.accounts() {
            accounts_read += 1;
            for task in tasks.iter().filter(|task| !task.status.is_finished()) {
                if !met.insert(&task.id) {
                    continue;
                }
                seen_there += 1;
                if !listed.ids.contains(&task.id) {
                    let owner = match &task.owner {
                        Owner::Unknown => "not named".to_owned(),
                        owner => owner.to_string(),
                    };
                    *hidden.entry(owner).or_default() += 1;
                }
            }
        }
        let mut hidden = sorted(hidden);
        if hidden.len() > NAMED {
            let rest = hidden.split_off(NAMED).iter().map(|(_, count)| count).sum();
            hidden.push(("others".to_owned(), rest));
        }
        let by_roles = roles.values().sum();
        let own_roles = by_own_roles(cache, me, rows);
        let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let mut scope = Scope {
            statement: String::new(),
            roads: vec![
                Road {
                    road: "the list (GET /provtasks)".to_owned(),
                    tasks: total,
                    shows: format!(
                        "what is assigned to {me} and to its roles; by Oracle's documentation nothing of anybody else{}",
                        if by_others > 0 || own_roles.is_some_and(|own| own < by_roles) {
                            ", and here more than that"
                        } else {
                            ""
                        }
                    ),
                },
                Road {
                    road: "accounts (GET /provprocesses/ID)".to_owned(),
                    tasks: seen_there,
                    shows: format!(
                        "all tasks of an account, whoever owns them; {accounts_read} of the {} accounts that the list names were read",
                        listed.accounts
                    ),
                },
            ],
            filter,
            complete: listed.complete,
            stable: listed.stable,
            passes: listed.passes,
            unreadable: listed.unreadable,
            own,
            by_roles,
            by_own_roles: own_roles,
            by_others,
            by_nobody,
            roles: sorted(roles),
            other_owners: u64::try_from(others.len()).unwrap_or(u64::MAX),
            hidden,
            accounts_read,
            accounts_listed: listed.accounts,
        };
        scope.statement = statement(&scope, me, total);
        scope
    }

    pub(super) fn reads(
        &self,
        cache: &Cache,
        listed: &Listed,
        roles: &Roles,
        rows: &[Row],
    ) -> Reads {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let people: BTreeSet<&Login> = rows
            .iter()
            .flat_map(|row| row.person.iter().chain(&row.owner_login))
            .collect();
        let read = people.iter().filter(|login| cache.has_answer(login));
        let not_shown = people
            .iter()
            .filter(|login| cache.has_answer(login) && cache.person(login).value().is_none());
        let watch = cache.watched();
        let accounts = || watch.into_iter().flat_map(Watch::wanted);
        Reads {
            pages: u64::from(listed.pages),
            requests: self.bench.client.requests().reads,
            per_minute: self.bench.settings.server.reads_per_minute,
            limit: self.options.max_reads,
            limited: watch.is_some_and(Watch::was_limited),
            people: count(people.len()),
            people_read: count(read.count()),
            people_not_shown: count(not_shown.count()),
            roles: roles.owning,
            roles_read: roles.told,
            accounts: count(accounts().count()),
            accounts_read: count(accounts().filter(|key| cache.has_account(key)).count()),
            taken_over: self.taken_over,
        }
    }

    pub(super) fn notes(&self, evaluated: &Evaluated) -> Vec<String> {
        let mut notes = vec![
            "What would be done is answered by the same policies and guards as the daemon's, over an empty history and as if every task were due now. On the first day of enforce, modes, the release of the policy set, rates, caps and breakers come on top, and every task listed here is the old backlog: it waits until a person releases its target.".to_owned(),
            "Ages are counted from the creation date that the server shows. A retry gives a task a new id, and it may be with it a new date: older work can look young.".to_owned(),
            "Access that is open although nobody has ever asked OIG to take it away has no task, and is in no list.".to_owned(),
        ];
        if evaluated.fault_count > 0 {
            let first = evaluated.faults.first().map_or("-", String::as_str);
            notes.push(faults_note(evaluated.fault_count, first));
        }
        if self.bench.roster.value().is_none() {
            let why = self.bench.roster.why();
            notes.push(away_note(
                why.unwrap_or("the absence file could not be read"),
            ));
        } else if self.bench.settings.absence.feed.is_none() {
            notes.push("No absence file is configured: an owner counts as away only where OIG says that he is not active.".to_owned());
        }
        notes
    }
}

/// What is needed of the list once its rows are gone.
pub(super) struct Listed {
    pub taken_at: Timestamp,
    pub ids: FastSet<TaskId>,
    pub accounts: u64,
    pub complete: bool,
    pub stable: bool,
    pub passes: u32,
    pub pages: u32,
    pub unreadable: u64,
}

impl Listed {
    pub fn of(snapshot: &Snapshot, passes: u32) -> Self {
        let accounts: FastSet<_> = snapshot
            .tasks
            .iter()
            .filter_map(|task| task.process.as_ref())
            .collect();
        Self {
            taken_at: snapshot.taken_at,
            ids: snapshot.tasks.iter().map(|task| task.id.clone()).collect(),
            accounts: u64::try_from(accounts.len()).unwrap_or(u64::MAX),
            complete: snapshot.complete,
            stable: snapshot.stable,
            passes,
            pages: snapshot.pages,
            unreadable: u64::try_from(snapshot.unreadable.len()).unwrap_or(u64::MAX),
        }
    }
}

/// The sentence that stands in every format: visible is not existing.
fn statement(scope: &Scope, me: &Login, total: u64) -> String {
    let mut text = format!(
        "This report knows the {total} open tasks that the server shows to {me}, and no others: visible to this login is not existing. "
    );
    let mut wider = Vec::new();
    if scope.by_others > 0 {
        wider.push(format!(
            "{} of them belong to {}",
            scope.by_others,
            counted(scope.other_owners, "other person", "other people")
        ));
    }
    if let Some(other) = scope.by_other_roles().filter(|other| *other > 0) {
        let them = if wider.is_empty() {
            " of them belong"
        } else {
            ""
        };
        wider.push(format!("{other}{them} to roles in which {me} is not"));
    }
    text += &match (wider.is_empty(), scope.by_own_roles) {
        (false, _) => format!(
            "{}, so the list is wider than this login's own queue; whether it is everybody's is not known.",
            wider.join(" and ")
        ),
        (true, Some(_)) => format!(
            "{} to {me} or to its roles, so the list may be this login's own queue only; how many tasks others have is not known.",
            if scope.by_nobody > 0 {
                "All that name an owner belong"
            } else {
                "All of them belong"
            }
        ),
        (true, None) => format!(
            "{} of them belong to {me} and {} to roles; in which roles {me} is was not shown, so whether the list is its own queue or more is not known, nor how many tasks others have.",
            scope.own, scope.by_roles
        ),
    };
    let hidden = scope.hidden_tasks();
    if hidden > 0 {
        text += &format!(
            " At least {hidden} more open tasks exist: they were met in {} accounts, and the list leaves them out.",
            scope.accounts_read
        );
    }
    if let Some(filter) = &scope.filter {
        text += &format!(" The list was filtered by the configuration: {filter}.");
    }
    if !scope.complete {
        text += " The list could not be read to its end: every number is too small.";
    } else if !scope.stable {
        text += &format!(
            " The list moved whenever it was read, {} times: what any of these showed is counted, so that some of it may be gone already; tasks may be missing all the same, and how many is not known. Run it again when less is changed.",
            scope.passes
        );
    }
    text
}

/// The most frequent first.
pub(super) fn sorted(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
