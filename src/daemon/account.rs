//! Groups the open tasks of one account and joins them with what its process shows; pure, it judges nothing.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;

use crate::guard::{self, Elder, Since};
use crate::model::facts::{AccountView, Known, Sibling};
use crate::model::hash::{FastMap, FastSet};
use crate::model::task::Wide;
use crate::model::{Kind, LineageId, ProcessKey, Snapshot, Task, TaskId, TaskStatus};

/// What the ledger says of a row, as far as siblings need it.
#[derive(Clone, Copy, Debug)]
pub struct RowState {
    /// Its lineage.
    pub lineage: LineageId,
    /// Creation of the lineage's first task, else our first sight.
    pub origin: Timestamp,
    /// The server has told when that first task was made.
    pub dated: bool,
    /// The number of the lineage's first id, where the present one is another.
    pub first: Option<u64>,
    /// An attempt of it is open.
    pub attempt_open: bool,
    /// It could belong to more than one lineage.
    pub ambiguous: bool,
}

impl RowState {
    /// The same, with the date that the account shows of it, where no list has shown one: a task that has replaced
    /// another is younger than the work.
    pub fn dated_by(self, task: &Task, process: &Known<Arc<Vec<Task>>>) -> Self {
        if self.dated || self.first.is_some() {
            return self;
        }
        let mut shown = process.value().into_iter().flat_map(|all| all.iter());
        let created = shown
            .find(|other| other.id == task.id)
            .and_then(|of| of.created);
        match created {
            Some(origin) => Self {
                origin,
                dated: true,
                ..self
            },
            None => self,
        }
    }
}

/// What is known of tasks beside what they show.
pub struct Lookup<'a> {
    /// What the ledger says of a row.
    pub row: &'a dyn Fn(usize) -> Option<RowState>,
    /// The same of an id that no row shows.
    pub id: &'a dyn Fn(&TaskId) -> Option<RowState>,
    /// What a task does.
    pub kind: &'a dyn Fn(&Task) -> Kind,
    /// The elder of a row among what its account shows.
    pub elder: &'a dyn Fn(usize, &[Task]) -> Elder,
    /// The same of a finished task.
    pub elder_of_done: &'a dyn Fn(&Task, Kind, &[Task]) -> Elder,
    /// What is known of a done task as what a retry of ours has made.
    pub retried: &'a dyn Fn(&Task, Kind, &[Task]) -> ByRetry,
}

/// What is known of a done task as what a retry of ours has made.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByRetry {
    /// When its work was ordered, where that is sure.
    pub ordered: Option<Timestamp>,
    /// It may be what one has made that is not settled.
    pub unsettled: bool,
}

/// The rows of a snapshot by account.
#[derive(Debug, Default)]
pub struct Accounts {
    rows: FastMap<ProcessKey, Rows>,
    /// The further rows of accounts that have several, by their first one: most have none.
    more: FastMap<u32, Vec<u32>>,
    /// The version of each row, worked out once: it is asked for again with every row of the account.
    versions: Vec<u64>,
}

#[derive(Debug)]
struct Rows {
    first: u32,
    several: bool,
    /// The sum of the rows' versions, so that the order of the list does not matter.
    sum: u64,
}

impl Accounts {
    /// Groups the rows; rows without an account belong to none.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut of = Self::default();
        of.versions.reserve(snapshot.tasks.len());
        // a table that grows by itself is copied again and again
        of.rows.reserve(snapshot.tasks.len() / 2);
        for (at, task) in snapshot.tasks.iter().enumerate() {
            let version = task.version();
            of.versions.push(version);
            if let (Some(process), Ok(at)) = (&task.process, u32::try_from(at)) {
                match of.rows.entry(process.clone()) {
                    Entry::Vacant(free) => {
                        free.insert(Rows {
                            first: at,
                            several: false,
                            sum: version,
                        });
                    }
                    Entry::Occupied(mut rows) => {
                        let rows = rows.get_mut();
                        rows.several = true;
                        of.more.entry(rows.first).or_default().push(at);
                        rows.sum = rows.sum.wrapping_add(version);
                    }
                }
            }
        }
        of
    }

    /// The version of a row, as [`Task::version`] says.
    pub fn version(&self, row: usize) -> u64 {
        self.versions.get(row).copied().unwrap_or(0)
    }

    /// A number that changes when what the snapshot shows of the account changes.
    pub fn fingerprint(&self, process: &ProcessKey) -> u64 {
        let sum = self.rows.get(process).map_or(0, |rows| rows.sum);
        let mut hash = Wide::default();
        hash.text(process.as_str());
        hash.finish().wrapping_add(sum)
    }

    /// The row numbers of an account.
    pub fn indices(&self, process: &ProcessKey) -> impl Iterator<Item = usize> + '_ {
        let rows = self.rows.get(process);
        let more = rows.filter(|rows| rows.several);
        let more = more.and_then(|rows| self.more.get(&rows.first));
        rows.map(|rows| &rows.first)
            .into_iter()
            .chain(more.into_iter().flatten())
            .filter_map(|at| usize::try_from(*at).ok())
    }

    /// The other tasks of a row's account: the open ones of the snapshot, and, where the process
    /// was read, all that it shows beside them, those that are known by their ids. A row without an account
    /// has an unknown view.
    pub fn view(
        &self,
        row: usize,
        snapshot: &Snapshot,
        kinds: &[Kind],
        process: &Known<Arc<Vec<Task>>>,
        lookup: &Lookup<'_>,
    ) -> Known<AccountView> {
        let Some(task) = snapshot.tasks.get(row) else {
            return Known::unknown("the row is gone");
        };
        let Some(key) = &task.process else {
            return Known::unknown("the row does not show its account");
        };
        if let Some(all) = process.value()
            && !all.iter().any(|other| other.id == task.id)
        {
            return Known::unknown(format!(
                "account {key} was read, and does not show the task itself: others may be missing too"
            ));
        }
        let takes = kinds.get(row).is_some_and(|kind| kind.takes_access());
        let mut tasks = Vec::new();
        let own = |task: &Task, known: Option<RowState>| known.map(|of| of.dated_by(task, process));
        for at in self.indices(key).filter(|at| *at != row) {
            let Some(other) = snapshot.tasks.get(at) else {
                continue;
            };
            let known = own(other, (lookup.row)(at));
            let mut other = sibling(
                other,
                kinds.get(at).copied().unwrap_or(Kind::Unknown),
                known,
                snapshot.taken_at,
            );
            // a row that can't be told yet may be the successor of anything older
            other.ambiguous |= known.is_none();
            // what takes access is the later one in doubt
            if let (Some(shown), false) = (process.value(), other.kind.takes_access()) {
                aged(&mut other, (lookup.elder)(at, shown).may);
            }
            tasks.push(other);
        }
        let as_of = match process {
            Known::Yes { value, as_of } => {
                let shown = self.indices(key).filter_map(|at| snapshot.tasks.get(at));
                let seen: FastSet<&str> = shown.map(|task| task.id.as_str()).collect();
                for other in value.iter() {
                    if seen.contains(other.id.as_str()) {
                        continue;
                    }
                    // an open one that the list left out has its place by the origin of its work, as all have, and so
                    // has a change, whose retry was done later than a newer one was made; what gives or takes access
                    // counts from when it was made
                    let kind = (lookup.kind)(other);
                    let by_work = !other.status.is_finished() || overwrites(kind);
                    let known = if by_work {
                        (lookup.id)(&other.id)
                    } else {
                        None
                    };
                    let mut of = sibling(other, kind, known, *as_of);
                    of.seen_open = kind == Kind::Create && (lookup.id)(&other.id).is_some();
                    // an order to give that is older than one to take does not hold that up, though its retry was done
                    // only now
                    let gave = matches!(kind, Kind::Create | Kind::Enable | Kind::Grant);
                    if takes && gave && of.status.is_done() {
                        aged(&mut of, (lookup.elder_of_done)(other, kind, value).likely);
                    }
                    // nor does an older order to take, which we have retried, make stale what was ordered after it
                    if !takes && kind.takes_access() && of.status.is_done() {
                        let by = (lookup.retried)(other, kind, value);
                        (of.ordered, of.unsettled) = (by.ordered, by.unsettled);
                    }
                    tasks.push(of);
                }
                *as_of
            }
            Known::No { .. } => snapshot.taken_at,
        };
        Known::Yes {
            value: AccountView {
                tasks,
                from_process: process.value().is_some(),
                own_now: own_now(task, process, snapshot.taken_at),
            },
            as_of,
        }
    }
}

/// Another one may have run it since the list was read.
fn own_now(task: &Task, process: &Known<Arc<Vec<Task>>>, listed: Timestamp) -> Option<TaskStatus> {
    let Known::Yes { value, as_of } = process else {
        return None;
    };
    let own = value.iter().find(|other| other.id == task.id)?;
    let understood = own.status.is_closed() || !matches!(own.status, TaskStatus::Unknown(_));
    let told = *as_of >= listed && understood;
    (told && own.status != task.status).then(|| own.status.clone())
}

/// True for what writes a value over another.
fn overwrites(kind: Kind) -> bool {
    matches!(kind, Kind::Change | Kind::Password)
}

/// It is as old as the work that it went on with.
fn aged(other: &mut Sibling, elder: Option<Since>) {
    if let Some(elder) = elder.filter(|elder| elder.at <= other.origin) {
        other.origin = elder.at;
        other.first = elder.first;
    }
}

fn sibling(task: &Task, kind: Kind, known: Option<RowState>, seen_at: Timestamp) -> Sibling {
    Sibling {
        id: task.id.clone(),
        lineage: known.map(|k| k.lineage),
        name: task
            .definition_name
            .clone()
            .unwrap_or_else(|| Arc::from("(no name)")),
        kind,
        status: task.status.clone(),
        origin: known.map(|k| k.origin).or(task.created).unwrap_or(seen_at),
        child: guard::row_of(kind, task),
        attempt_open: known.is_some_and(|k| k.attempt_open),
        finished: task.status.is_finished(),
        ambiguous: known.is_some_and(|k| k.ambiguous),
        first: known.and_then(|k| k.first),
        ordered: None,
        unsettled: false,
        seen_open: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Login, TaskStatus};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn task(id: &str, status: TaskStatus) -> Task {
        let mut task = Task::bare(TaskId::new(id), status);
        task.process = Some(ProcessKey::new("700"));
        task.created = Some(at("2027-03-01T12:00:00Z"));
        task
    }

    /// A retried task whose successor the list has left out has the successor's date in the process, and
    /// would pass for younger than what was made after the first of them.
    #[test]
    fn an_open_task_that_only_the_process_shows_has_the_origin_of_its_work() {
        let snapshot = Snapshot {
            tasks: vec![task("20", TaskStatus::Rejected)],
            taken_at: at("2027-03-01T13:00:00Z"),
            complete: true,
            stable: true,
            seers: None,
            login: Login::new("SVC"),
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        };
        let process = vec![
            task("20", TaskStatus::Rejected),
            task("30", TaskStatus::Rejected),
            task("31", TaskStatus::Completed),
        ];
        let process = Known::Yes {
            value: Arc::new(process),
            as_of: at("2027-03-01T13:00:00Z"),
        };
        let origin = at("2027-03-01T09:00:00Z");
        let known = |_: &TaskId| {
            Some(RowState {
                lineage: LineageId(4),
                origin,
                dated: true,
                first: None,
                attempt_open: false,
                ambiguous: false,
            })
        };
        let accounts = Accounts::of(&snapshot);
        let lookup = Lookup {
            row: &|_| None,
            id: &known,
            kind: &|_| Kind::Change,
            elder: &|_, _| Elder::default(),
            elder_of_done: &|_, _, _| Elder::default(),
            retried: &|_, _, _| ByRetry::default(),
        };
        let view = accounts.view(0, &snapshot, &[Kind::Change], &process, &lookup);
        let tasks = &view.value().expect("had").tasks;
        let origins: Vec<(&str, Timestamp)> =
            tasks.iter().map(|s| (s.id.as_str(), s.origin)).collect();
        let made = at("2027-03-01T12:00:00Z");
        assert_eq!(origins, [("30", origin), ("31", origin)]);
        // what gives or takes access and is finished counts from when it was made
        let lookup = Lookup {
            kind: &|_| Kind::Grant,
            ..lookup
        };
        let view = accounts.view(0, &snapshot, &[Kind::Grant], &process, &lookup);
        let tasks = &view.value().expect("had").tasks;
        let origins: Vec<Timestamp> = tasks.iter().map(|s| s.origin).collect();
        assert_eq!(origins, [origin, made]);
    }

    /// Somebody else has retried an older task: until the lists tell, its successor is a new row of today.
    #[test]
    fn a_row_that_is_not_told_yet_may_be_older_than_its_date() {
        let snapshot = Snapshot {
            tasks: vec![
                task("20", TaskStatus::Rejected),
                task("30", TaskStatus::Rejected),
            ],
            taken_at: at("2027-03-01T13:00:00Z"),
            complete: true,
            stable: true,
            seers: None,
            login: Login::new("SVC"),
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        };
        let accounts = Accounts::of(&snapshot);
        let told = RowState {
            lineage: LineageId(4),
            origin: at("2027-03-01T12:00:00Z"),
            dated: true,
            first: None,
            attempt_open: false,
            ambiguous: false,
        };
        for (row, ambiguous) in [(Some(told), false), (None, true)] {
            let lookup = Lookup {
                row: &|_| row,
                id: &|_| None,
                kind: &|_| Kind::Change,
                elder: &|_, _| Elder::default(),
                elder_of_done: &|_, _, _| Elder::default(),
                retried: &|_, _, _| ByRetry::default(),
            };
            let process = Known::unknown("not asked for yet");
            let kinds = [Kind::Change, Kind::Change];
            let view = accounts.view(0, &snapshot, &kinds, &process, &lookup);
            let tasks = &view.value().expect("had").tasks;
            assert_eq!(tasks[0].ambiguous, ambiguous);
        }
    }
}
