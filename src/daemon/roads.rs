//! By which logins tasks are seen, and for whose tasks there is none: what is shown of it, and the items of the inbox; it decides nothing, and counts what was read, not what exists.

use std::collections::BTreeMap;

use super::cache::Cache;
use super::core::Core;
use super::hinted::Hinted;
use super::inbox::{NAMED, general};
use super::login::with_file;
use crate::control::{
    InboxItem, LOGIN_HINT, ListView, LoginRow, LoginView, in_words, main_stopped,
};
use crate::ledger::Index;
use crate::model::hash::FastMap;
use crate::model::{Login, Owner, Road, Snapshot, Task, TaskId, TaskStatus};
use crate::oig::Client;

/// Rejected tasks that hints or the processes of accounts have shown and no login's list does, by owner. Empty
/// where a list was not read, or moved while it was read: it may be the one that shows them.
pub fn unlisted(
    snapshot: &Snapshot,
    hinted: &Hinted,
    cache: &Cache,
    index: &Index,
) -> Option<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let asked = snapshot.seers.as_ref();
    let whole = match asked {
        Some(seers) => seers.whole == seers.all(),
        None => snapshot.stable,
    };
    if !snapshot.complete || !whole {
        return None;
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
    Some(counts)
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
                    why: with_file(stopped.why.to_string(), client),
                },
                None if read.is_some() || (main && self.has_answered()) => LoginView::Good,
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

    /// All logins that have lists, the main one first.
    pub fn login_names(&self) -> Vec<Login> {
        let further = self.logins.further().iter().map(|(login, _)| login.clone());
        let main = self.settings.server.login.clone();
        std::iter::once(main).chain(further).collect()
    }

    /// The main login, while it is stopped.
    pub fn main_login_item(&self) -> Option<InboxItem> {
        let stopped = self.main_stopped()?;
        let login = &self.settings.server.login;
        let (none, claims) = self.ledger.read(|index: &Index| {
            let own = index.open_attempts().filter(|(_, of)| of.login.is_none());
            let own: Vec<TaskId> = own.map(|(_, attempt)| attempt.task.clone()).collect();
            (self.all_stopped(index).is_some(), own)
        });
        let others = match self.logins.further() {
            [] => String::new(),
            _ => format!(" {};", main_stopped(login, !none)),
        };
        let text = format!(
            "login {login} was refused: {};{others}{} {LOGIN_HINT}",
            stopped.why,
            still_open(claims.len())
        );
        let mut item = general("login", stopped.since, "login_stopped", text);
        item.tasks = claims.into_iter().take(NAMED).collect();
        Some(item)
    }

    /// Further logins that are stopped, and those that have sent what only they may read and that are no
    /// longer configured.
    pub fn login_items(&self) -> Vec<InboxItem> {
        let further = self.logins.further();
        let (stopped, missing, open) = self.ledger.read(|index: &Index| {
            let mut open: BTreeMap<Login, Vec<TaskId>> = BTreeMap::new();
            let stops = further.iter().filter_map(|(login, client)| {
                let stopped = index.login_stopped(login)?;
                let why = with_file(stopped.why.to_string(), client);
                Some((login.clone(), stopped.clone(), why))
            });
            let mut missing = BTreeMap::new();
            for (_, attempt) in index.open_attempts() {
                let Some(login) = &attempt.login else {
                    continue;
                };
                if index.login_stopped(login).is_some() {
                    let of = open.entry(login.clone()).or_default();
                    of.push(attempt.task.clone());
                }
                if self.logins.of(login).is_none() {
                    let (since, count, tasks) = missing
                        .entry(login.clone())
                        .or_insert_with(|| (attempt.sent, 0_u64, Vec::new()));
                    *since = attempt.sent.min(*since);
                    *count += 1;
                    tasks.push(attempt.task.clone());
                }
            }
            (stops.collect::<Vec<_>>(), missing, open)
        });
        let stopped = stopped.into_iter().map(|(login, stopped, why)| {
            let claims = open.get(&login).map_or(&[][..], Vec::as_slice);
            let text = format!(
                "login {login} was refused: {}; nothing is done with what only it sees; others that work go on;{} {LOGIN_HINT}",
                why,
                still_open(claims.len())
            );
            let id = format!("login:{login}");
            let mut item = general(&id, stopped.since, "login_stopped", text);
            item.tasks = claims.iter().take(NAMED).cloned().collect();
            item
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
            item.tasks = tasks.into_iter().take(super::inbox::NAMED).collect();
            item
        });
        stopped.chain(missing).collect()
    }
}

/// What is said of attempts whose sender can't read back what became of them.
fn still_open(many: usize) -> String {
    match many {
        0 => String::new(),
        1 => " one attempt that it has sent is not settled, and its account stays held until it can be read;"
            .to_owned(),
        many => format!(
            " {many} attempts that it has sent are not settled, and their accounts stay held until they can be read;"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::daemon::cache::ProcessEntry;
    use crate::dispatch::batch::Batch;
    use crate::governor::Admitted;
    use crate::ledger::{ClaimRequest, Ledger, Sighting};
    use crate::model::settings::DeliverySettings;
    use crate::model::{
        Action, ActionName, Answer, BatchId, CycleId, Decision, Digest, Kind, Known, PolicyHash,
        ProcessKey, TargetName,
    };

    const CYCLE: CycleId = CycleId(uuid::Uuid::from_u128(1));

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + 60 * minute).expect("a time")
    }

    fn row(id: &str) -> Task {
        let mut task = Task::bare(TaskId::new(id), TaskStatus::Rejected);
        task.process = Some(ProcessKey::new(id));
        task.target = Some(TargetName::new("HR"));
        task.owner = Owner::User {
            key: None,
            login: Some(Login::new("OTHER")),
        };
        task
    }

    fn list(tasks: Vec<Task>, minute: i64) -> Snapshot {
        Snapshot {
            taken_at: at(minute),
            tasks,
            complete: true,
            stable: true,
            seers: None,
            login: Login::new("daemon"),
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn claim(lineage: crate::model::LineageId) -> ClaimRequest {
        let decision = Decision {
            task: TaskId::new("90"),
            lineage,
            target: Some(TargetName::new("HR")),
            process: Some(ProcessKey::new("90")),
            definition: None,
            kind: Kind::Create,
            answer: Arc::new(Answer {
                verdict: None,
                policy: None,
                line: None,
                hash: PolicyHash::new("h"),
                fault: None,
            }),
            inputs: Digest::new("d"),
            moment: None,
            read: Arc::default(),
            due: None,
            version: 0,
        };
        ClaimRequest {
            batch: Batch {
                id: BatchId(uuid::Uuid::from_u128(7)),
                target: TargetName::new("HR"),
                action: ActionName::Retry,
                items: vec![Admitted::for_test(
                    decision,
                    Action::Retry,
                    TargetName::new("HR"),
                )],
            },
            requests: Vec::new(),
            login: Login::new("daemon"),
            cycle: CYCLE,
            manual_ttl: SignedDuration::from_hours(24),
            settle_after: SignedDuration::from_mins(15),
        }
    }

    /// A reading of an account may be older than what was sent since: what is under way is missing from the list
    /// with right.
    #[tokio::test]
    async fn a_task_that_has_moved_on_is_not_counted_as_shown_by_no_list() {
        let ledger = Ledger::memory(at(0)).expect("a ledger");
        let sighting = Sighting {
            kinds: vec![Kind::Create],
            snapshot: Arc::new(list(vec![row("90")], 0)),
            cycle: CYCLE,
            asked: false,
            delivery: DeliverySettings {
                settle_after: SignedDuration::from_mins(15),
                verify_first: SignedDuration::from_mins(1),
                verify_cap: SignedDuration::from_hours(2),
                verify_give_up: SignedDuration::from_hours(72),
                reread_after: SignedDuration::from_mins(2),
                grace: std::time::Duration::from_secs(30),
                manual_ttl: SignedDuration::from_hours(24),
                note: false,
                note_max: 1000,
            },
            unlisted: Default::default(),
        };
        let seen = ledger.observe(sighting, at(0)).await.expect("seen");
        let lineage = seen.views[0].lineage.expect("opened");
        let mut cache = Cache::default();
        let read = ProcessEntry {
            tasks: Known::Yes {
                value: Arc::new(vec![row("90"), row("91")]),
                as_of: at(0),
            },
            at: at(0),
            fingerprint: 0,
        };
        cache.processes.insert(ProcessKey::new("90"), read);
        let hinted = Hinted::default();
        let counted = |tasks: Vec<Task>| {
            let snapshot = list(tasks, 1);
            let of = |index: &Index| unlisted(&snapshot, &hinted, &cache, index);
            let counts = ledger.read(of).expect("all lists were read");
            counts.into_values().sum::<u64>()
        };
        assert_eq!(counted(Vec::new()), 2);
        assert_eq!(counted(vec![row("90")]), 1, "a list shows it");
        let claimed = ledger.claim(claim(lineage), at(1)).await.expect("claimed");
        assert!(claimed.batch.is_some());
        assert_eq!(counted(Vec::new()), 1, "it is under way");
    }
}
