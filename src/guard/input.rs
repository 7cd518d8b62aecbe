//! What the guards look at, their ordered list, and the proof that all have passed; never a way around one.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::facts::{Absence, AccountView, History, Person, Sibling};
use crate::model::settings::GuardSettings;
use crate::model::standing::{LastDay, Standing};
use crate::model::{
    Action, ActionName, Kind, Known, Login, OrderRelease, ProcessKey, ReadValue, Refusal, Scope,
    Task, TaskId,
};

use super::elder::{Elder, Since};
use super::{allowed, assignee, baseline, ends, hint, order, stale};

/// The person who is to be handed a task, as read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AssigneeFact {
    /// As the server shows him.
    pub person: Person,
    /// His absence at `now`, if there is one.
    pub away: Option<Absence>,
    /// Open tasks that he holds already, those admitted in this cycle included.
    pub load: u32,
    /// Those of them that he was handed by us and that no list shows.
    pub unlisted: u32,
    /// What the server shows of his last day.
    pub last_day: Known<LastDay>,
    /// When an absence of his begins or ends next, by the feed.
    pub changes: Option<Timestamp>,
}

/// A direct member of the role that is to be handed a task.
#[derive(Clone, PartialEq, Debug)]
pub struct MemberFact {
    /// Who.
    pub login: Login,
    /// As read, with his absence; his load does not matter, the role shares the work.
    pub person: Known<AssigneeFact>,
}

/// Everything that a guard may look at.
#[derive(Debug)]
pub struct GuardInput<'a> {
    /// The row; its reason's text may be left out.
    pub task: &'a Task,
    /// The version of the whole row, see [`Task::version`].
    pub version: u64,
    /// What it does, by the kinds table.
    pub kind: Kind,
    /// What is wanted.
    pub action: &'a Action,
    /// True where the configuration names the definition; lifts `kind_needs_naming` and nothing else.
    pub named: bool,
    /// The beneficiary as read.
    pub beneficiary: &'a Known<Person>,
    /// The account's other tasks.
    pub account: &'a Known<AccountView>,
    /// Why the account's own tasks could not be read when that was last tried.
    pub unread: Option<Arc<str>>,
    /// Whether the beneficiary's accounts are on, and his last day; read where access would be given.
    pub standing: &'a Known<Arc<Standing>>,
    /// Some account that was read has shown a finished task: else the server may hide them all, and with them what
    /// took access away.
    pub finished_shown: bool,
    /// From before when two of the accounts that were read lately show a completed task: what took access away before it
    /// may be archived.
    pub finished_from: Option<Timestamp>,
    /// The new owner, where it is a person; `None` where he was not looked up.
    pub assignee: Option<&'a Known<AssigneeFact>>,
    /// The new owner's direct members, where it is a role; `None` where they were not looked up.
    pub members: Option<&'a Known<Vec<MemberFact>>>,
    /// When an absence or a proxy of the present owner begins or ends next: whom the work belongs to is another
    /// question then.
    pub owner_changes: Option<Timestamp>,
    /// When the present owner was read, where the decision rests on whether he is there.
    pub owner_read: Option<Timestamp>,
    /// The response codes that may be set on the task; `None` where they were not asked for.
    pub responses: Option<&'a Known<Arc<[String]>>>,
    /// What the ledger remembers of the lineage.
    pub history: &'a History,
    /// OIG has said that tasks of this definition are not automated.
    pub definition_manual: bool,
    /// The account has an open attempt of another lineage, or one that is queued to be sent.
    pub open_attempt_in_account: bool,
    /// Until when a request of the account (or of this piece of work) that was never answered may still be
    /// carried out, though what became of its work was read.
    pub late_until: Option<Timestamp>,
    /// It could not be told whose successor a task is.
    pub lineage_ambiguous: bool,
    /// Creation time of the lineage's first task, else our first sight; the order within the account.
    pub origin: Timestamp,
    /// The server has told that time: else nothing that it dates itself can be put before or behind this task.
    pub dated: bool,
    /// The number of the lineage's first id, where the present one is another.
    pub first: Option<u64>,
    /// What its account shows of its work from before the lineage's first task: it may have been retried before we saw it.
    pub elder: Elder,
    /// It was there when enforce was first switched on, or is the successor of a task that was never seen: its account
    /// tells how old its work is, not its date.
    pub seen_late: bool,
    /// An attempt of this lineage is not settled, or is queued to be sent.
    pub attempt_open: bool,
    /// The task was there before enforce was switched on for it and has not been released.
    pub baseline: bool,
    /// A person has released tasks of this target and age.
    pub released_by_age: bool,
    /// They have done so after it had been refused as older than that.
    pub released_old: bool,
    /// What the lists show of its account is not enough: no list shows the task itself (a hint named it), or the
    /// list of a login that may see others of the account was not read.
    pub by_process: bool,
    /// Other tasks of the account for which a person has said that this one need not wait.
    pub order_releases: &'a [OrderRelease],
    /// Domain time.
    pub now: Timestamp,
    /// The guards' limits.
    pub limits: &'a GuardSettings,
}

/// The child row that a task is about, where one is shown: what makes an account or switches it is about none, whatever
/// a server shows with it.
pub fn row_of(kind: Kind, task: &Task) -> Option<Arc<str>> {
    match kind {
        Kind::Create | Kind::Enable | Kind::Disable => None,
        _ => task.child.clone(),
    }
}

impl GuardInput<'_> {
    /// The child row that this task is about.
    pub(super) fn row(&self) -> Option<Arc<str>> {
        row_of(self.kind, self.task)
    }

    /// The narrowest scope of what concerns this row alone.
    pub(super) fn task_scope(&self) -> Scope {
        Scope::Task(self.task.id.clone())
    }

    /// The account's scope, or the task's where the row shows no account.
    pub(super) fn account_scope(&self) -> Scope {
        match &self.task.process {
            Some(process) => Scope::Account(process.clone()),
            None => self.task_scope(),
        }
    }

    /// The definition's scope, or the task's where the row shows no definition.
    pub(super) fn definition_scope(&self) -> Scope {
        match self.task.definition() {
            Some(definition) => Scope::Definition(definition),
            None => self.task_scope(),
        }
    }

    /// Since when there is this work, as far as its account tells, and its first number.
    pub(super) fn since(&self) -> Since {
        let elder = if self.kind.takes_access() {
            self.elder.likely
        } else {
            self.elder.may
        };
        elder
            .filter(|elder| elder.at <= self.origin)
            .unwrap_or_else(|| Since {
                at: self.origin,
                first: self.first.or_else(|| self.task.id.number()),
            })
    }

    /// True where `other` came after this task. Equal times are told apart by the numbers of the lineages'
    /// first ids; what can't be told counts as later, which is the cautious answer for a stale grant.
    pub(super) fn is_later(&self, other: &Sibling) -> bool {
        let since = self.since();
        other
            .origin
            .cmp(&since.at)
            .then_with(|| match (other.first_number(), since.first) {
                (Some(theirs), Some(ours)) => theirs.cmp(&ours),
                _ => std::cmp::Ordering::Greater,
            })
            .is_gt()
    }

    /// The same, where it can't be told: what is finished is dated by the server, and a task that it does not date may
    /// be older than that although it was seen later.
    pub(super) fn may_be_earlier_than(&self, other: &Sibling) -> bool {
        self.is_later(other) || (other.finished && (!self.dated || self.elder.lost))
    }

    /// A reading that is no older than the limit; one from the future is as bad as an old one.
    pub(super) fn fresh(&self, as_of: Timestamp) -> Option<Fresh> {
        let fresh = self.now.duration_since(as_of).abs() <= self.limits.fact_age;
        fresh.then(|| Fresh(as_of.min(self.now)))
    }
}

/// The time of a reading that is young enough. The guard that looked at it hands it on, so that the
/// proof says since when it holds.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Fresh(Timestamp);

/// The proof that every guard has passed for one action on one task. Only [`check`] makes one.
#[must_use]
#[derive(Debug, PartialEq)]
pub struct Passed {
    task: TaskId,
    version: u64,
    /// `None`: a retry, of which there are very many.
    action: Option<Box<Action>>,
    kind: Kind,
    origin: Timestamp,
    process: Option<ProcessKey>,
    /// `None`: it gives nobody access.
    gives_to: Option<Login>,
    /// `None`: it goes to no role.
    members: Option<Box<[Login]>>,
    facts_from: Option<Timestamp>,
    ends: Timestamp,
    rests: Arc<[ReadValue]>,
}

impl Passed {
    /// The task it holds for.
    pub fn task(&self) -> &TaskId {
        &self.task
    }

    /// The version of the task it holds for.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The action it holds for.
    pub fn action(&self) -> &Action {
        static RETRY: Action = Action::Retry;
        self.action.as_deref().unwrap_or(&RETRY)
    }

    /// The task's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The lineage's origin, by which the governor orders.
    pub fn origin(&self) -> Timestamp {
        self.origin
    }

    /// The account, where the row shows one.
    pub fn process(&self) -> Option<&ProcessKey> {
        self.process.as_ref()
    }

    /// The beneficiary who was read for it, where it gives access.
    pub fn gives_to(&self) -> Option<&Login> {
        self.gives_to.as_ref()
    }

    /// Those members of the role to which it hands work on whom it rests.
    pub fn members(&self) -> &[Login] {
        self.members.as_deref().unwrap_or_default()
    }

    /// The time of the oldest reading that it rests on; `None` where it rests on the list and the
    /// ledger alone. It holds for `guard.fact_age` from then.
    pub fn facts_from(&self) -> Option<Timestamp> {
        self.facts_from
    }

    /// The first moment at which it holds no more by what was read, however young that is: a last day is over, an
    /// absence begins or ends. `Timestamp::MAX` where nothing of that is to come.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// What was read for what gives access, by name, for the record; no person is named.
    pub fn rests(&self) -> &Arc<[ReadValue]> {
        &self.rests
    }

    /// For the governor's own tests.
    #[cfg(test)]
    pub(crate) fn for_test(
        decision: &crate::model::Decision,
        action: Action,
        origin: Timestamp,
    ) -> Self {
        Self {
            task: decision.task.clone(),
            version: decision.version,
            action: but_retries(&action),
            kind: decision.kind,
            origin,
            process: decision.process.clone(),
            gives_to: None,
            members: None,
            facts_from: None,
            ends: Timestamp::MAX,
            rests: Arc::default(),
        }
    }

    /// The same, as though it rested on a reading of that time.
    #[cfg(test)]
    pub(crate) fn with_facts_from(self, at: Timestamp) -> Self {
        Self {
            facts_from: Some(at),
            ..self
        }
    }
}

fn but_retries(action: &Action) -> Option<Box<Action>> {
    (*action != Action::Retry).then(|| Box::new(action.clone()))
}

/// One guard: by what it rests on.
enum Guard {
    /// The row, the configuration and the ledger.
    Row(fn(&GuardInput<'_>) -> Result<(), Refusal>),
    /// Readings that grow old; it answers the oldest one, `None` where it needed none.
    Read(fn(&GuardInput<'_>) -> Result<Option<Fresh>, Refusal>),
}

impl Guard {
    fn ask(&self, input: &GuardInput<'_>) -> Result<Option<Fresh>, Refusal> {
        match self {
            Self::Row(guard) => guard(input).map(|()| None),
            Self::Read(guard) => guard(input),
        }
    }
}

/// The guards, in the order in which they are asked.
const GUARDS: &[(&str, Guard)] = &[
    ("kind", Guard::Row(allowed::kind)),
    ("status", Guard::Row(allowed::status)),
    ("manual_definition", Guard::Row(allowed::manual_definition)),
    ("permission", Guard::Row(allowed::permission)),
    ("attempt", Guard::Row(order::attempt)),
    ("baseline", Guard::Row(baseline::baseline)),
    ("age", Guard::Row(baseline::age)),
    ("response", Guard::Read(allowed::response)),
    ("hint", Guard::Read(hint::siblings)),
    ("beneficiary", Guard::Read(stale::beneficiary)),
    ("stale_account", Guard::Read(stale::account)),
    ("account_order", Guard::Row(order::account)),
    ("assignee", Guard::Read(assignee::assignee)),
];

/// The guards' names in the order in which they are asked, for docs and `explain`.
pub fn guard_names() -> impl Iterator<Item = &'static str> {
    GUARDS.iter().map(|(name, _)| *name)
}

/// Asks every guard in order; the first refusal ends it.
///
/// # Errors
/// The refusal of the first guard that does not pass.
pub fn check(input: &GuardInput<'_>) -> Result<Passed, Refusal> {
    let mut oldest: Option<Fresh> = None;
    for (_, guard) in GUARDS {
        let since = guard.ask(input)?;
        oldest = oldest.into_iter().chain(since).min();
    }
    let gives = needs(input.kind, input.action).beneficiary;
    let beneficiary = input.task.beneficiary.as_ref().filter(|_| gives);
    Ok(Passed {
        task: input.task.id.clone(),
        version: input.version,
        action: but_retries(input.action),
        kind: input.kind,
        gives_to: beneficiary.cloned(),
        members: assignee::rests_on(input),
        origin: input.origin,
        process: input.task.process.clone(),
        facts_from: oldest.map(|Fresh(at)| at),
        ends: ends::ends(input),
        rests: stale::rests(input),
    })
}

/// Every guard's refusal, in order, for `plan` and `explain`; empty where [`check`] passes.
pub fn check_all(input: &GuardInput<'_>) -> Vec<Refusal> {
    GUARDS
        .iter()
        .filter_map(|(_, guard)| guard.ask(input).err())
        .collect()
}

/// What has to be read before [`check`] can pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GuardNeeds {
    /// The beneficiary, freshly.
    pub beneficiary: bool,
    /// The account's process with its finished tasks, freshly; of what gives access, whether it is on as well.
    pub process: bool,
    /// The person who is to get the task, or the members of the role.
    pub assignee: bool,
    /// The response codes that may be set on the task.
    pub responses: bool,
}

/// What has to be read before an action on a task of this kind can pass.
pub fn needs(kind: Kind, action: &Action) -> GuardNeeds {
    let retry = action.name() == ActionName::Retry;
    let gives = retry && kind.gives_access();
    GuardNeeds {
        beneficiary: gives,
        process: gives || (retry && kind.takes_access()),
        assignee: action.name() == ActionName::Reassign,
        responses: action.name() == ActionName::SetResponse,
    }
}
