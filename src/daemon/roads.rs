//! By which logins tasks are seen, and for whose tasks there is none: what is shown of it, and the items of the inbox; it decides nothing, and counts what was read, not what exists.

use std::collections::BTreeMap;

use super::cache::Cache;
use super::core::Core;
use super::hinted::Hinted;
use super::views::general;
use crate::control::{InboxItem, LOGIN_HINT, ListView, LoginRow, LoginView, in_words};
use crate::ledger::Index;
use crate::model::hash::FastMap;
use crate::model::{Login, Owner, Road, Snapshot, Task, TaskId, TaskStatus};
use crate::oig::Client;

/// Rejected tasks that hints or the processes of accounts have shown and no login's list does, by owner. Empty
/// where a list was not read: it may be the one that shows them.
pub fn unlisted(
    snapshot: &Snapshot,
    hinted: &Hinted,
    cache: &Cache,
    index: &Index,
) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let asked = snapshot.seers.as_ref();
    if !snapshot.complete || asked.is_some_and(|seers| seers.read != seers.all()) {
        return counts;
    }
    let stuck = |task: &&Task| task.status == TaskStatus::Rejected && task.owner != Owner::Unknown;
    let mut found: FastMap<&TaskId, &Owner> = FastMap::default();
    let entries = cache.processes.values();
    let read = entries.filter_map(|entry| entry.tasks.value());
    for task in read.flat_map(|tasks| tasks.iter()).filter(stuck) {
        found.insert(&task.id, &task.owner);
    }
    for (row, task) in snapshot.tasks.iter().enumerate() {
        if hinted.road(row) == Road::List {
            found.remove(&task.id);
        } else if stuck(&task) {
            found.insert(&task.id, &task.owner);
        }
    }
    // a reading may be older than our retry: what goes on under another id, is done or under way is on no list
    // with right
    let moved_on = |id: &TaskId| {
        index.lineage_of(id).is_some_and(|lineage| {
            index.current_task(lineage).as_ref() != Some(id)
                || index.is_done(lineage)
                || index.attempt(lineage).is_some()
        })
    };
    found.retain(|id, _| !moved_on(id));
    for owner in found.into_values() {
        *counts.entry(owner.to_string()).or_default() += 1;
    }
    counts
}

impl Core {
    /// Each login with its standing, its last list and its requests; the main one is the first.
    pub fn login_rows(&self) -> Vec<LoginRow> {
        let main = (self.settings.server.login.clone(), self.client.clone());
        let further = self.logins.further().iter();
        let all = std::iter::once(&main).chain(further);
        all.enumerate()
            .map(|(n, (login, client))| self.login_row(n == 0, login, client))
            .collect()
    }

    fn login_row(&self, main: bool, login: &Login, client: &Client) -> LoginRow {
        let lists = &self.last.seen.logins;
        let list = lists.iter().find(|of| of.login == *login);
        let read = list.filter(|of| of.at.is_some());
        let sent = client.requests();
        let stopped = self
            .ledger
            .read(|index| index.login_stopped(login).cloned());
        LoginRow {
            login: login.clone(),
            main,
            state: match stopped {
                Some(stopped) => LoginView::Stopped {
                    since: stopped.since,
                    why: stopped.why.to_string(),
                },
                None if read.is_some() => LoginView::Good,
                None => LoginView::Untried,
            },
            tasks: read.map(|of| of.tasks),
            acts: read.map(|of| of.acts),
            list_read: read.and_then(|of| of.at),
            in_last_cycle: list.is_some_and(|of| of.read),
            problem: list.and_then(|of| of.error.clone()),
            reads_sent: sent.reads + sent.tokens,
            writes_sent: sent.writes,
        }
    }

    /// Of several logins, whose lists the one cycle rests on.
    pub fn say_lists(&self) {
        let lists = self.last.seen.lists();
        if lists.len() < 2 {
            return;
        }
        let (read, _) = in_words(&self.settings.server.login, &lists);
        let why = |list: &ListView| Some(format!("{}: {}", list.login, list.why_not.as_ref()?));
        let not_read: Vec<String> = lists.iter().filter_map(why).collect();
        if not_read.is_empty() {
            tracing::info!(lists_of = %read, "the one cycle rests on the lists of all logins");
        } else {
            tracing::warn!(lists_of = %read, not_read = %not_read.join("; "), "the one cycle rests on the lists of some logins only: what the others see was neither acted on nor taken as gone");
        }
    }

    /// Further logins that are stopped, and those that have sent what only they may read and that are no
    /// longer configured.
    pub fn login_items(&self) -> Vec<InboxItem> {
        let further = self.logins.further();
        let (stopped, missing) = self.ledger.read(|index: &Index| {
            let stops = further.iter().filter_map(|(login, _)| {
                let stopped = index.login_stopped(login)?;
                Some((login.clone(), stopped.clone()))
            });
            let mut missing = BTreeMap::new();
            for (_, attempt) in index.open_attempts() {
                let Some(login) = &attempt.login else {
                    continue;
                };
                if self.logins.of(login).is_none() {
                    let (since, count, tasks) = missing
                        .entry(login.clone())
                        .or_insert_with(|| (attempt.sent, 0_u64, Vec::new()));
                    *since = attempt.sent.min(*since);
                    *count += 1;
                    tasks.push(attempt.task.clone());
                }
            }
            (stops.collect::<Vec<_>>(), missing)
        });
        let stopped = stopped.into_iter().map(|(login, stopped)| {
            let text = format!(
                "login {login} was refused: {}; nothing is done with what only it sees, and the others go on; {LOGIN_HINT}",
                stopped.why
            );
            general(&format!("login:{login}"), stopped.since, "login_stopped", text)
        });
        let missing = missing.into_iter().map(|(login, (since, count, tasks))| {
            let text = format!(
                "{count} attempts were sent by {login}, which is no configured login any more: what became of them is not read, and their accounts stay held; put it back as [[login]], or say what became of each (`provtaskd outcomes settle`)"
            );
            let mut item = general(
                &format!("login_missing:{login}"),
                since,
                "not_told",
                text,
            );
            item.count = count;
            item.tasks = tasks.into_iter().take(super::views::NAMED).collect();
            item
        });
        stopped.chain(missing).collect()
    }
}
