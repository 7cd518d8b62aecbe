//! Puts together what a policy may know of one task; unknown stays unknown, nothing is guessed.

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

use super::account::{Accounts, ByRetry, Lookup, RowState};
use super::evaluate::{Bench, Evaluated};
use super::govern::unseen;
use super::hinted::Hinted;
use super::loads::Loads;
use super::memory::Memory;
use super::owners;
use super::reasons::Unlisted;
use crate::guard::{self, Around, Elder, Of};
use crate::ledger::{Index, mark_of};
use crate::model::facts::{AccountView, DefinitionMemory, Facts, History, Known, Now};
use crate::model::hash::FastMap;
use crate::model::task::Wide;
use crate::model::two;
use crate::model::{Kind, LineageId, Owner, Road, Snapshot, Task, TaskId, TaskStatus};
use crate::policy::{Class, Need};

/// Everything beside the row that one cycle has at hand.
pub struct Surroundings<'a> {
    /// The cycle's tools.
    pub bench: &'a Bench,
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// Kinds, row by row.
    pub kinds: &'a [Kind],
    /// Rows by account.
    pub accounts: &'a Accounts,
    /// The ledger's view, row by row.
    pub states: &'a [Option<RowState>],
    /// Open tasks per person.
    pub loads: &'a Loads,
    /// Classes of the reasons, row by row, where they were worked out already.
    pub classes: &'a [Class],
    /// By which road the rows behind the list's were seen.
    pub hinted: &'a Hinted,
    /// What is known of reasons that no list shows.
    pub reasons: &'a Unlisted,
    /// Accounts whose creation is over, by their marks, and when that was seen.
    pub made: &'a FastMap<u64, Timestamp>,
    /// Domain time at which the cycle decides.
    pub now: Timestamp,
    /// The same for policies, in the configured zone.
    pub moment: Now,
}

/// Why a fact is not had that no policy asks for; it stands in records.
pub const NOT_DECLARED: &str = "no policy declares it in NEEDS";

/// What no policy asks for is not had. The text is one for all rows of all lists.
fn undeclared<T>() -> Known<T> {
    static WHY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(NOT_DECLARED));
    Known::No {
        why: Arc::clone(&WHY),
    }
}

impl Surroundings<'_> {
    /// By which road a row was seen.
    pub fn road(&self, row: usize) -> Road {
        self.hinted.road(row)
    }

    /// The same in words.
    pub fn road_in_words(&self, row: usize) -> String {
        match (self.road(row), self.snapshot.further(row)) {
            (Road::List, Some(login)) => format!("the list of {login}'s open tasks"),
            (road, None) => road.in_words().to_owned(),
            (road, Some(login)) => format!("{}; {login} can read it", road.in_words()),
        }
    }

    /// The facts of one row; `task` is the whole of it, with what the snapshot's rows have given away.
    pub fn facts(&self, memory: &Memory, row: usize, task: &Task) -> Facts {
        let bench = self.bench;
        let needs = bench.policies.needs();
        let class = match self.classes.get(row) {
            Some(class) => class.clone(),
            None => bench.policies.classify(task),
        };
        let mut history = self.history(row);
        history.creation_over_since = self.creation_over_since(row);
        let owner = if needs.contains(Need::Owner) {
            owners::owner_fact(self, memory, task, &history)
        } else {
            undeclared()
        };
        let beneficiary = match (&task.beneficiary, needs.contains(Need::Beneficiary)) {
            (_, false) => undeclared(),
            (None, true) => Known::unknown("the row does not show its beneficiary"),
            (Some(login), true) => memory.cache.person(login),
        };
        let siblings = if needs.contains(Need::Siblings) {
            self.siblings(memory, row)
        } else {
            undeclared()
        };
        let first = task
            .created
            .filter(|created| *created <= self.now)
            .map_or(history.first_seen, |created| {
                created.min(history.first_seen)
            });
        Facts {
            now: self.moment.clone(),
            kind: self.kinds[row],
            class: class.name,
            retryable: class.retryable,
            definition: self.definition(task),
            fulfilment_role: owners::fulfilment_role(&bench.settings, &memory.cache, task),
            age: SignedDuration::ZERO.max(self.now.duration_since(first)),
            history,
            owner,
            beneficiary,
            siblings,
        }
    }

    /// What the ledger remembers of a row's lineage.
    pub fn history(&self, row: usize) -> History {
        let lineage = self.states[row].map_or(LineageId(0), |state| state.lineage);
        let foreign = self.bench.settings.governor.count_foreign_attempts;
        self.bench
            .ledger
            .read(|index| index.history(lineage, foreign))
            .unwrap_or_else(|| History {
                ids: vec![self.snapshot.tasks[row].id.clone()],
                ..unseen(lineage, self.now)
            })
    }

    /// The same without ids, as guards need it.
    pub fn tries(&self, row: usize) -> History {
        let lineage = self.states[row].map_or(LineageId(0), |state| state.lineage);
        let foreign = self.bench.settings.governor.count_foreign_attempts;
        self.bench
            .ledger
            .read(|index| index.tries(lineage, foreign))
            .unwrap_or_else(|| unseen(lineage, self.now))
    }

    /// True where the creation of the row's account was over after its failure was first seen, and it was not tried since.
    fn creation_over_since(&self, row: usize) -> bool {
        let task = &self.snapshot.tasks[row];
        if self.made.is_empty() || task.status != TaskStatus::Rejected {
            return false;
        }
        let Some(made) = self.made.get(&mark_of(task.process.as_ref())) else {
            return false;
        };
        let tries = self.tries(row);
        // one list may show both for the first time: when its last run began the server tells
        let began = task.started.or(task.created).unwrap_or(Timestamp::MAX);
        let failed = tries.failed_since.min(began);
        tries.last_attempt_at.max(Some(failed)) < Some(*made)
    }

    /// Since when a piece of work stands as it does: the first sight of its present id in its present version.
    pub fn since(&self, lineage: LineageId) -> Option<Timestamp> {
        let of = |index: &Index| index.tries(lineage, false).map(|tries| tries.failed_since);
        self.bench.ledger.read(of)
    }

    /// What OIG has taught about a row's definition.
    pub fn definition(&self, task: &Task) -> DefinitionMemory {
        let ttl = self.bench.settings.delivery.manual_ttl;
        // mostly there is nothing to look for
        if self
            .bench
            .ledger
            .read(|index| index.learned().next().is_none())
        {
            return DefinitionMemory::default();
        }
        task.definition()
            .map(|definition| {
                self.bench
                    .ledger
                    .read(|index| index.manual(&definition, self.now, ttl))
            })
            .unwrap_or_default()
    }

    /// What the ledger says of a task that no row shows.
    fn known(&self, id: &TaskId) -> Option<RowState> {
        self.bench.ledger.read(|index| {
            let lineage = index.lineage_of(id)?;
            Some(RowState {
                lineage,
                origin: index.origin(lineage)?,
                dated: index.is_dated(lineage),
                first: index.first_number(lineage),
                attempt_open: index.open_attempt(lineage).is_some(),
                ambiguous: index.is_ambiguous(lineage),
            })
        })
    }

    /// What its account shows of a row's work from before its first task.
    pub fn elder(&self, memory: &Memory, row: usize) -> Elder {
        let Some(key) = &self.snapshot.tasks[row].process else {
            return Elder::default();
        };
        let process = memory.cache.process(key, || self.accounts.fingerprint(key));
        match process.value() {
            Some(shown) => self.elder_in(row, shown),
            None => Elder::default(),
        }
    }

    /// The elder of the row's task.
    fn elder_in(&self, row: usize, shown: &[Task]) -> Elder {
        let own = self.states[row];
        let of = Of {
            task: &self.snapshot.tasks[row],
            kind: self.kinds[row],
            since: own.filter(|own| own.dated).map(|own| own.origin),
        };
        self.elder_of(of, own.map(|own| own.lineage), shown)
    }

    /// The elder of any task of an account; what stands in the list, or belongs to another lineage, is work of its own.
    fn elder_of(&self, of: Of<'_>, lineage: Option<LineageId>, shown: &[Task]) -> Elder {
        let lineage_of = |id: &TaskId| self.bench.ledger.read(|index| index.lineage_of(id));
        let listed = |id: &TaskId| {
            let mut rows = (of.task.process.iter()).flat_map(|key| self.accounts.indices(key));
            rows.any(|at| self.snapshot.tasks[at].id == *id)
        };
        let around = Around {
            other_work: &|id| listed(id) || lineage_of(id).is_some_and(|of| lineage != Some(of)),
            same_work: &|id| lineage.is_some() && lineage_of(id) == lineage,
            kind: &|task| self.bench.policies.kind_of(task),
        };
        guard::elder(of, shown, &around)
    }

    /// When the work of a done task was ordered, where a retry of ours has surely made it: the account shows the one that
    /// was retried as a retry leaves it. And whether one that is not settled may have made it.
    fn retried(&self, task: &Task, kind: Kind, shown: &[Task]) -> ByRetry {
        self.bench.ledger.read(|index| {
            let of = task
                .created
                .and_then(|at| index.retried_as(&task.id, at, task.retry_of.as_ref()));
            let left = |id: &TaskId| {
                let uc = TaskStatus::UnsuccessfullyCompleted;
                shown
                    .iter()
                    .any(|other| other.id == *id && other.status == uc)
            };
            let of = of.filter(|of| left(&of.before));
            let unsettled = task.process.as_ref().is_some_and(|process| {
                index.may_be_of_a_retry(process, &task.id, kind, task.created)
            });
            ByRetry {
                ordered: of.map(|of| of.ordered),
                unsettled,
            }
        })
    }

    /// True where a row's account, and not its date, tells how old its work is: it was there on the first day, or its
    /// row names a task that was never seen.
    pub fn seen_late(&self, row: usize) -> bool {
        let Some(own) = self.states[row] else {
            return false;
        };
        let linked = self.snapshot.tasks[row].retry_of.as_ref();
        self.bench.ledger.read(|index| {
            linked.is_some_and(|id| index.lineage_of(id) != Some(own.lineage))
                || index.was_there(own.lineage)
        })
    }

    /// The account's other tasks for a policy, which may count them: not known where some may stand in a list
    /// that was not read.
    fn siblings(&self, memory: &Memory, row: usize) -> Known<AccountView> {
        match self.account(memory, row) {
            Known::Yes { value, .. } if !value.from_process && !self.snapshot.has_all() => {
                Known::unknown(
                    "the list of a login was not read, and may show others of the account",
                )
            }
            other => other,
        }
    }

    /// The account's other tasks, with the process's where it was read.
    pub fn account(&self, memory: &Memory, row: usize) -> Known<AccountView> {
        let process = match &self.snapshot.tasks[row].process {
            Some(key) => memory.cache.process(key, || self.accounts.fingerprint(key)),
            None => Known::unknown("the row does not show its account"),
        };
        let lookup = Lookup {
            row: &|at| self.states.get(at).copied().flatten(),
            id: &|id| self.known(id),
            kind: &|task| self.bench.policies.kind_of(task),
            elder: &|at, shown| self.elder_in(at, shown),
            elder_of_done: &|task, kind, shown| {
                let lineage = self.bench.ledger.read(|index| index.lineage_of(&task.id));
                let since = task.created;
                self.elder_of(Of { task, kind, since }, lineage, shown)
            },
            retried: &|task, kind, shown| self.retried(task, kind, shown),
        };
        self.accounts
            .view(row, self.snapshot, self.kinds, &process, &lookup)
    }

    /// Rows that have to be decided, with the fingerprint of what the decision rests on.
    pub fn changed(
        &self,
        memory: &mut Memory,
        rows: &[usize],
        out: &mut Evaluated,
    ) -> Vec<(usize, u64)> {
        let mut to_decide = Vec::new();
        let cycle = memory.cycle;
        let known: &Memory = memory;
        let prints: Vec<Option<(LineageId, u64)>> = two::map(rows, &|row: &usize| {
            let state = self.states[*row]?;
            Some((state.lineage, self.print(known, *row, state)))
        });
        for (row, print) in rows.iter().copied().zip(prints) {
            let Some((lineage, print)) = print else {
                continue;
            };
            if self.bench.whole || memory.must_decide(lineage, print, self.now) {
                to_decide.push((row, print));
            } else {
                out.unchanged += 1;
                if let Some(known) = memory.lineages.get_mut(&lineage) {
                    known.seen = cycle;
                    known.by = self.snapshot.seen_by(row);
                }
            }
        }
        to_decide
    }

    /// A number that changes when anything changes that a decision about the row rests on,
    /// the clock left aside.
    fn print(&self, memory: &Memory, row: usize, state: RowState) -> u64 {
        let task = &self.snapshot.tasks[row];
        let mut hash = Wide::default();
        hash.text(self.bench.policies.hash().as_str());
        hash.text(if state.attempt_open { "o" } else { "-" });
        hash.text(if state.ambiguous { "a" } else { "-" });
        if self.creation_over_since(row) {
            hash.text("made");
        }
        let last = self
            .bench
            .ledger
            .read(|index| index.attempts_print(state.lineage));
        let mut away = false;
        if matches!(task.owner, Owner::User { .. }) {
            let word = owners::owner_word(self, memory, &task.owner);
            away = word == owners::AWAY;
            hash.text(word);
        }
        owners::print_takers(self, memory, row, away, &mut hash);
        if self.definition(task).manual_since.is_some() {
            hash.text("manual");
        }
        if self.reasons.is_any() {
            // the version is of what the list shows
            hash.text(task.reason.as_deref().unwrap_or(""));
        }
        let account = task
            .process
            .as_ref()
            .map_or(0, |key| self.accounts.fingerprint(key));
        hash.finish()
            .wrapping_add(self.accounts.version(row).rotate_left(17))
            .wrapping_add(account.rotate_left(31))
            .wrapping_add(last.rotate_left(47))
    }
}
