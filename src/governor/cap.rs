//! Caps by count and share, and the holds that a person releases; never more than the cap without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::hash::FastSet;
use crate::model::settings::GovernorSettings;
use crate::model::task::Fnv;
use crate::model::{Action, ActionName, LineageId, PolicyHash, ProcessKey, TargetName, TaskId};

use super::admitted::Lane;

/// Open holds kept per action and target: what a person may still be looking at.
const KEPT: usize = 3;

/// Acts that one cycle wanted over the cap: all of them wait until a person approves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// A digest of what is held: another set of tasks is another hold.
    pub id: String,
    /// The action.
    pub action: ActionName,
    /// The target.
    pub target: TargetName,
    /// The tasks, by id, in order.
    pub tasks: Vec<TaskId>,
    /// What is to be done with each of them, in small: a yes to one new owner is none to another. States that were
    /// stored before this was kept have none, and their yes covers nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<u32>,
    /// To whom, or with which answer, and how many of them; known to the process that has held them alone.
    #[serde(skip)]
    pub whom: BTreeMap<String, u32>,
    /// Their pieces of work, in order: a person's no stands for these, whatever their ids and the policy set are by
    /// then. States that were stored before this was kept have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineages: Vec<LineageId>,
    /// The policy set that wants it.
    pub hash: PolicyHash,
    /// The cap.
    pub limit: u32,
    /// How many were wanted.
    pub wanted: u32,
    /// When it was last wanted.
    pub seen_at: Timestamp,
    /// When it was first held; none of states that were stored before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Timestamp>,
    /// Of the tasks those whose act was claimed under the approval, in order: it lets each go once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<TaskId>,
    /// Of the tasks those whose act has left the queue under it, and is not known to be claimed or refused; in order. What
    /// is stored has them in `used`.
    #[serde(skip)]
    pub(super) leaving: Vec<TaskId>,
    /// Open, approved or rejected.
    pub status: HoldStatus,
}

/// What a person has said about a hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum HoldStatus {
    /// Nothing yet.
    Open,
    /// Let it happen.
    Approved {
        /// Who.
        by: Arc<str>,
        /// The approval ends then.
        until: Timestamp,
    },
    /// Don't.
    Rejected {
        /// Who.
        by: Arc<str>,
        /// The rejection ends then.
        until: Timestamp,
    },
}

impl Hold {
    pub(super) fn new(
        action: ActionName,
        target: &TargetName,
        hash: &PolicyHash,
        mut wanted: Vec<Wanted<'_>>,
        limit: u32,
        seen_at: Timestamp,
    ) -> Self {
        wanted.sort_by(|one, other| one.task.cmp(other.task));
        wanted.dedup_by(|one, other| one.task == other.task);
        let mut lineages: Vec<LineageId> = wanted.iter().map(|one| one.lineage).collect();
        lineages.sort();
        lineages.dedup();
        let mut whom: BTreeMap<String, u32> = BTreeMap::new();
        for words in wanted.iter().filter_map(|one| whom_of(one.act)) {
            *whom.entry(words).or_default() += 1;
        }
        let mut digest = Fnv::default();
        digest.text(action.as_str());
        digest.text(target.as_str());
        digest.text(hash.as_str());
        // the same tasks for somebody else, or dealt out otherwise, are another question
        for one in &wanted {
            digest.text(one.task.as_str());
            digest.text(&whom_of(one.act).unwrap_or_default());
        }
        Self {
            id: format!("H{:016x}", digest.finish()),
            action,
            target: target.clone(),
            hash: hash.clone(),
            limit,
            wanted: u32::try_from(wanted.len()).unwrap_or(u32::MAX),
            acts: wanted.iter().map(|one| print_of(one.act)).collect(),
            tasks: wanted.into_iter().map(|one| one.task.clone()).collect(),
            whom,
            lineages,
            seen_at,
            held_since: Some(seen_at),
            used: Vec::new(),
            leaving: Vec::new(),
            status: HoldStatus::Open,
        }
    }

    /// Its act is claimed: the approval is used up for this task.
    pub(super) fn uses(&mut self, task: &TaskId) {
        if let Err(at) = self.used.binary_search(task) {
            self.used.insert(at, task.clone());
        }
    }

    /// An act was claimed, under whatever policy set: an approval of its task is used up.
    pub(super) fn was_used(&mut self, action: ActionName, target: &TargetName, task: &TaskId) {
        if matches!(self.status, HoldStatus::Approved { .. })
            && self.action == action
            && self.target == *target
            && self.tasks.binary_search(task).is_ok()
        {
            self.uses(task);
        }
    }

    /// For an approval: these very tasks and acts, under this very policy set, each once.
    pub(super) fn covers(&self, wish: &Wish<'_>) -> bool {
        self.action == wish.action
            && self.target == *wish.target
            && self.hash == *wish.hash
            && self
                .tasks
                .binary_search(wish.task)
                .is_ok_and(|at| self.acts.get(at) == Some(&print_of(wish.act)))
            && self.used.binary_search(wish.task).is_err()
    }

    /// For a no.
    fn forbids(&self, wish: &Wish<'_>) -> bool {
        self.action == wish.action
            && self.target == *wish.target
            && (self.tasks.binary_search(wish.task).is_ok()
                || self.lineages.binary_search(&wish.lineage).is_ok())
    }

    /// True where a person has said yes, and it holds still.
    pub(super) fn is_yes(&self, here: Timestamp) -> bool {
        matches!(&self.status, HoldStatus::Approved { until, .. } if here < *until)
    }

    /// True where a person has said no, and it holds still.
    pub(super) fn is_no(&self, here: Timestamp) -> bool {
        matches!(&self.status, HoldStatus::Rejected { until, .. } if here < *until)
    }

    /// True where both are about the same sort of acts, and some of the same work.
    pub(super) fn shares(&self, other: &Self) -> bool {
        self.action == other.action
            && self.target == other.target
            && (self
                .lineages
                .iter()
                .any(|of| other.lineages.binary_search(of).is_ok())
                || self
                    .tasks
                    .iter()
                    .any(|task| other.tasks.binary_search(task).is_ok()))
    }

    /// What a person lets go now, another hold forbids no longer.
    pub(super) fn yields_to(&mut self, approved: &Self) {
        let rejected = matches!(self.status, HoldStatus::Rejected { .. });
        if rejected && self.action == approved.action && self.target == approved.target {
            self.tasks
                .retain(|task| approved.tasks.binary_search(task).is_err());
            self.lineages
                .retain(|of| approved.lineages.binary_search(of).is_err());
        }
    }
}

/// One wanted act, as holds know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) action: ActionName,
    pub(super) target: &'a TargetName,
    pub(super) hash: &'a PolicyHash,
    pub(super) task: &'a TaskId,
    pub(super) lineage: LineageId,
    pub(super) act: &'a Action,
}

/// One of those that a hold is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) task: &'a TaskId,
    pub(super) lineage: LineageId,
    pub(super) act: &'a Action,
}

/// To whom an act hands its task, or which answer it gives.
fn whom_of(act: &Action) -> Option<String> {
    match act {
        Action::Reassign { to } => Some(format!("to {to}")),
        Action::SetResponse { code } => Some(format!("with {code}")),
        Action::Retry | Action::SetNote { .. } | Action::ManualComplete => None,
    }
}

/// Tells acts of one sort apart.
fn print_of(act: &Action) -> u32 {
    let mut digest = Fnv::default();
    digest.text(&whom_of(act).unwrap_or_default());
    let small = digest.finish() & u64::from(u32::MAX);
    u32::try_from(small).unwrap_or(0)
}

/// True where a living approval covers the wish.
pub(super) fn approved(holds: &[Hold], wish: &Wish<'_>, here: Timestamp) -> bool {
    holds
        .iter()
        .any(|hold| hold.is_yes(here) && hold.covers(wish))
}

/// Under which hold the wish was rejected, by whom and until when, if a living rejection covers it.
pub(super) fn rejected<'a>(
    holds: &'a [Hold],
    wish: &Wish<'_>,
    here: Timestamp,
) -> Option<(&'a str, &'a str, Timestamp)> {
    holds.iter().find_map(|hold| match &hold.status {
        HoldStatus::Rejected { by, until } if here < *until && hold.forbids(wish) => {
            Some((hold.id.as_str(), by.as_ref(), *until))
        }
        _ => None,
    })
}

/// Remembers a hold; an equal one keeps what a person has said about it while that lives.
pub(super) fn remember(holds: &mut Vec<Hold>, mut hold: Hold, here: Timestamp) -> Hold {
    if let Some(at) = holds.iter().position(|known| known.id == hold.id) {
        let known = holds.remove(at);
        hold.held_since = known.held_since.or(Some(known.seen_at));
        let lives = match &known.status {
            HoldStatus::Open => false,
            // once it was used for some of them it is no answer to all of them
            HoldStatus::Approved { until, .. } => here < *until && known.used.is_empty(),
            HoldStatus::Rejected { until, .. } => here < *until,
        };
        if lives {
            hold.status = known.status;
            hold.leaving = known.leaving;
        }
    }
    holds.push(hold.clone());
    let alike = |known: &Hold| {
        known.status == HoldStatus::Open
            && known.action == hold.action
            && known.target == hold.target
    };
    // the oldest are in front
    while holds.iter().filter(|known| alike(known)).count() > KEPT {
        let Some(oldest) = holds.iter().position(alike) else {
            break;
        };
        holds.remove(oldest);
    }
    hold
}

/// Forgets what a person said when it has ended, and what nobody has wanted for as long as an approval lives.
pub(super) fn forget(holds: &mut Vec<Hold>, here: Timestamp, settings: &GovernorSettings) {
    holds.retain(|hold| match &hold.status {
        HoldStatus::Open => here.duration_since(hold.seen_at) < settings.approval_ttl,
        HoldStatus::Approved { until, .. } | HoldStatus::Rejected { until, .. } => here < *until,
    });
}

/// True for the actions that are held as a whole when they are over the cap; the others wait their turn.
pub(super) fn is_held(action: ActionName) -> bool {
    match action {
        ActionName::Reassign | ActionName::SetResponse | ActionName::ManualComplete => true,
        ActionName::Retry | ActionName::SetNote => false,
    }
}

/// Why a sort of acts that is held as a whole may not go.
#[derive(Debug)]
pub(super) enum Over {
    /// It is over the cap by itself: a person is asked, under this hold.
    Held(String),
    /// It is not, but with what was sent before it: it waits until caps begin anew.
    Waits,
}

/// What this cycle has used up so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    acts: BTreeMap<(TargetName, ActionName, Lane), u32>,
    accounts: FastSet<ProcessKey>,
    probes: FastSet<TargetName>,
    /// The same of what is said to OIG alone.
    told: FastSet<TargetName>,
}

impl Used {
    /// The most acts of this sort in one interval: the count, and the share where enough is visible.
    pub(super) fn limit(settings: &GovernorSettings, action: ActionName, visible: u32) -> u32 {
        let count = if is_held(action) {
            settings.cap_reassigns
        } else {
            settings.cap_retries
        };
        if visible < settings.share_from {
            return count;
        }
        let share = u64::from(visible) * u64::from(settings.cap_share_percent) / 100;
        count.min(u32::try_from(share).unwrap_or(u32::MAX).max(1))
    }

    /// Acts of this sort admitted in this cycle.
    pub(super) fn of(&self, target: &TargetName, action: ActionName, lane: Lane) -> u32 {
        self.acts
            .get(&(target.clone(), action, cap_lane(action, lane)))
            .copied()
            .unwrap_or(0)
    }

    /// Counts one.
    pub(super) fn count(&mut self, target: &TargetName, action: ActionName, lane: Lane) {
        let used = self
            .acts
            .entry((target.clone(), action, cap_lane(action, lane)))
            .or_default();
        *used = used.saturating_add(1);
    }

    /// True where the account has an act in this cycle already.
    pub(super) fn has_account(&self, account: &ProcessKey) -> bool {
        self.accounts.contains(account)
    }

    /// So many may be taken: a table of very many that grows by itself is copied again and again.
    pub(super) fn expect_accounts(&mut self, many: usize) {
        self.accounts.reserve(many);
    }

    /// Takes the account for this cycle.
    pub(super) fn take_account(&mut self, account: ProcessKey) {
        self.accounts.insert(account);
    }

    /// Takes the target's probe of this cycle, where it was not taken.
    pub(super) fn take_probe(&mut self, target: &TargetName, lane: Lane) {
        let probes = match lane {
            Lane::Told => &mut self.told,
            Lane::Revoke | Lane::Usual => &mut self.probes,
        };
        if !probes.contains(target) {
            probes.insert(target.clone());
        }
    }

    /// True where the target's probe of this cycle was taken; what is said to OIG alone has one of its own.
    pub(super) fn has_probe(&self, target: &TargetName, lane: Lane) -> bool {
        match lane {
            Lane::Told => self.told.contains(target),
            Lane::Revoke | Lane::Usual => self.probes.contains(target),
        }
    }
}

/// Revokes have a cap of their own for retries; hand-overs share one, whatever they are about.
pub(super) fn cap_lane(action: ActionName, lane: Lane) -> Lane {
    match lane {
        Lane::Revoke if !is_held(action) => Lane::Revoke,
        _ => Lane::Usual,
    }
}
