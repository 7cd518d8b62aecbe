//! What may be asked of the index; short reads that allocate only what they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::compact::{Stamp, TaskRef, flags};
use super::{Ahead, Attempt, Hold, HoldState, Index, Pause, Stopped};
use crate::governor::Lane;
use crate::model::facts::{DefinitionMemory, PastAttempt};
use crate::model::task::DefinitionId;
use crate::model::{
    ActionName, AttemptState, Digest, Kind, LineageId, Login, Mode, Owner, PolicyHash, Principal,
    ProcessKey, RefusalReason, Scope, TargetName, TaskId, facts,
};

/// Attempts by state; accepted is never added to completed.
pub type Counts = BTreeMap<AttemptState, u64>;

/// The last recorded decision of a lineage; the whole of it is in record `seq`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Memo {
    /// Fingerprint of verdict, policy, line, fault and refusal.
    pub what: u64,
    /// The record.
    pub seq: u64,
    /// Since when it stands.
    pub at: Timestamp,
    /// Why nothing is done, where that is so.
    pub refusal: Option<RefusalReason>,
    /// True where it waits for a person.
    pub asks: bool,
}

/// Something that waits for a person.
#[derive(Clone, PartialEq, Debug)]
pub struct InboxItem {
    /// The piece of work.
    pub lineage: LineageId,
    /// Its present id.
    pub task: TaskId,
    /// Its target.
    pub target: Option<TargetName>,
    /// Since when.
    pub since: Timestamp,
    /// Why: `ambiguous`, `asked`, `gone`, `not_told`, `left_rewound`, or a refusal's name.
    pub why: &'static str,
    /// The record that says more.
    pub seq: Option<u64>,
}

/// The backlog of the first enforce.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BaselineView {
    /// The last lineage that was there.
    pub up_to: LineageId,
    /// When it was taken.
    pub at: Timestamp,
    /// How many still wait.
    pub waiting: u64,
}

impl Index {
    /// The last record's number.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The digest of the last record: the head of the chain.
    pub fn head(&self) -> Option<&Digest> {
        self.head.as_ref()
    }

    /// The store's own id.
    pub fn store_id(&self) -> Option<&str> {
        self.store_id.as_deref()
    }

    /// The server that the store belongs to.
    pub fn world(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The last sequence expected and found, where the store was rewound and that is not settled.
    pub fn rewound(&self) -> Option<(u64, u64)> {
        self.rewound
    }

    /// The lineage an id belongs to.
    pub fn lineage_of(&self, task: &TaskId) -> Option<LineageId> {
        self.by_task
            .get(&TaskRef::from(task))
            .map(|at| LineageId(u64::from(*at)))
    }

    /// The id that stands for a lineage now.
    pub fn current_task(&self, lineage: LineageId) -> Option<TaskId> {
        self.lineage(lineage).map(|of| TaskId::from(&of.task))
    }

    /// How many lineages were ever opened.
    pub fn lineages(&self) -> u64 {
        u64::try_from(self.lineages.len()).unwrap_or(u64::MAX)
    }

    /// The kind a lineage was opened with.
    pub fn kind(&self, lineage: LineageId) -> Option<Kind> {
        self.lineage(lineage).map(|of| of.kind)
    }

    /// Its target, where shown.
    pub fn target(&self, lineage: LineageId) -> Option<&TargetName> {
        self.lineage(lineage)
            .and_then(|of| self.targets.get(of.target))
    }

    /// Its definition, where shown.
    pub fn definition(&self, lineage: LineageId) -> Option<&DefinitionId> {
        self.lineage(lineage)
            .and_then(|of| self.definitions.get(of.definition))
    }

    /// Origin: the creation time of its first task, else our first sight (order within an account).
    pub fn origin(&self, lineage: LineageId) -> Option<Timestamp> {
        self.lineage(lineage)
            .map(|of| of.created.unwrap_or(of.first_seen).time())
    }

    /// True where the server has told when its first task was made.
    pub fn is_dated(&self, lineage: LineageId) -> bool {
        self.lineage(lineage).is_some_and(|of| of.created.is_some())
    }

    /// The number of its first id, where the present one is another: it tells apart what was made at one time.
    pub fn first_number(&self, lineage: LineageId) -> Option<u64> {
        let past = self.lineage(lineage)?.past.as_ref()?;
        TaskId::from(past.ids.first()?).number()
    }

    /// Our own first sight, and the creation time of the first task by the server's clock.
    pub fn first_seen(&self, lineage: LineageId) -> Option<(Timestamp, Option<Timestamp>)> {
        self.lineage(lineage)
            .map(|of| (of.first_seen.time(), of.created.map(super::Stamp::time)))
    }

    /// True where it could be the successor of more than one.
    pub fn is_ambiguous(&self, lineage: LineageId) -> bool {
        self.lineage(lineage)
            .is_some_and(|of| of.has(flags::AMBIGUOUS))
    }

    /// Lineages with a retry that is open, or gone without a trace, and when it was sent.
    pub(in crate::ledger) fn retried(&self) -> impl Iterator<Item = (LineageId, Timestamp)> {
        let retries = self.attempts.iter();
        retries
            .filter(|(_, attempt)| attempt.action == crate::model::Action::Retry)
            .map(|(lineage, attempt)| (*lineage, attempt.sent))
    }

    /// True where completion was read and nothing came after.
    pub fn is_done(&self, lineage: LineageId) -> bool {
        self.lineage(lineage).is_some_and(|of| of.has(flags::DONE))
    }

    /// This run has found all open attempts, and counts their time `since` one.
    pub(in crate::ledger) fn found_open(&mut self, since: Timestamp) {
        self.late.found(since);
        let since = super::FoundAt(Some(Arc::new(since)));
        for attempt in self.attempts.values_mut() {
            attempt.found = since.clone();
        }
    }

    /// Takes what is on record as later than now as of now: the clock was ahead then, or was set back since.
    /// It was before now all the same, every reading is later, and no pause after it has to wait until the
    /// clock has caught up.
    pub(in crate::ledger) fn none_later(&mut self, now: Timestamp) -> Ahead {
        let mut out = Ahead::default();
        self.late.none_later(now);
        for attempt in self.attempts.values_mut() {
            if attempt.sent.max(attempt.moved) <= now {
                continue;
            }
            let counted = attempt.state.is_open();
            if counted {
                // it is counted by when it was sent
                self.open.remove(attempt);
            }
            out.attempts += 1;
            attempt.sent = attempt.sent.min(now);
            attempt.moved = attempt.moved.min(now);
            if counted {
                self.open.add(attempt);
            }
        }
        let now = Stamp::from(now);
        for of in &mut self.lineages {
            let mut ahead = false;
            let mut bound = |at: &mut Stamp| {
                if *at > now {
                    (*at, ahead) = (now, true);
                }
            };
            bound(&mut of.first_seen);
            bound(&mut of.failed_since);
            if let Some(past) = of.past.as_mut() {
                bound(&mut past.last_at);
            }
            out.lineages += usize::from(ahead);
        }
        out
    }

    /// True where completion is a person's word, and no reading has shown it.
    pub fn is_said(&self, lineage: LineageId) -> bool {
        self.lineage(lineage).is_some_and(|of| of.has(flags::SAID))
    }

    /// What the ledger remembers, as policies see it. `count_foreign`: attempts of OIG's own job and
    /// of admins count towards `attempts` too.
    pub fn history(&self, lineage: LineageId, count_foreign: bool) -> Option<facts::History> {
        let mut history = self.tries(lineage, count_foreign)?;
        let of = self.lineage(lineage)?;
        let past = of.past.iter().flat_map(|past| &past.ids);
        history.ids = past.chain([&of.task]).map(TaskId::from).collect();
        Some(history)
    }

    /// The same without the ids, for guards and gates: they are asked about every task, and ask for none.
    pub fn tries(&self, lineage: LineageId, count_foreign: bool) -> Option<facts::History> {
        let of = self.lineage(lineage)?;
        let mut history = facts::History {
            lineage,
            attempts: 0,
            attempts_total: 0,
            first_seen: of.first_seen.time(),
            failed_since: of.failed_since.time(),
            last_attempt_at: None,
            last_state: None,
            in_vain: 0,
            unproven: 0,
            reset: false,
            stale: of.has(flags::STALE),
            keeps_ids: self.keep_ids.contains(&of.target),
            creation_over_since: false,
            recent: Vec::new(),
            former_owners: Vec::new(),
            ids: Vec::new(),
        };
        let Some(past) = &of.past else {
            return Some(history);
        };
        let foreign = u32::from(if count_foreign { past.foreign } else { 0 });
        history.attempts = u32::from(past.counted) + foreign;
        history.attempts_total = past.total;
        history.last_state = past.last_state;
        history.in_vain = past.in_vain;
        history.unproven = past.unproven;
        history.reset = past.reset;
        history.last_attempt_at = past.last_state.map(|_| past.last_at.time());
        history.recent = past
            .attempts
            .iter()
            .map(|a| PastAttempt {
                ordinal: a.ordinal,
                at: a.at.time(),
                state: a.state,
                reason: a.reason.clone(),
            })
            .collect();
        history.former_owners = past
            .owners
            .iter()
            .filter_map(|o| self.owners.get(*o))
            .filter_map(principal)
            .collect();
        Some(history)
    }

    /// In which lane a remembered attempt was sent.
    pub fn lane_of(&self, lineage: LineageId, ordinal: u32) -> Option<Lane> {
        let past = self.lineage(lineage)?.past.as_ref()?;
        let attempt = past.attempts.iter().find(|of| of.ordinal == ordinal)?;
        Some(attempt.lane)
    }

    /// Attempts of the present episode that count.
    pub fn counted(&self, lineage: LineageId, count_foreign: bool) -> u32 {
        let past = self.lineage(lineage).and_then(|of| of.past.as_ref());
        past.map_or(0, |past| {
            let foreign = if count_foreign { past.foreign } else { 0 };
            u32::from(past.counted) + u32::from(foreign)
        })
    }

    /// Everything that the first-day baseline still holds back, wanted at present or not, by target.
    pub fn baseline_by_target(&self) -> BTreeMap<TargetName, Vec<LineageId>> {
        let mut by_number: BTreeMap<u32, Vec<LineageId>> = BTreeMap::new();
        for (n, of) in (1u64..).zip(&self.lineages) {
            let waits =
                of.has(flags::BASELINE) && !of.has(flags::DONE | flags::RELEASED | flags::LEFT);
            if waits {
                by_number.entry(of.target).or_default().push(LineageId(n));
            }
        }
        by_number
            .into_iter()
            .filter_map(|(at, lineages)| Some((self.targets.get(at)?.clone(), lineages)))
            .collect()
    }

    /// Every target of which a task was ever seen.
    pub fn targets_seen(&self) -> impl Iterator<Item = &TargetName> {
        self.targets.values()
    }

    /// Every definition of which a task was ever seen.
    pub fn definitions_seen(&self) -> impl Iterator<Item = &DefinitionId> {
        self.definitions.values()
    }

    /// When an attempt of the lineage last moved: claimed, answered, told (whole seconds).
    pub fn last_move(&self, lineage: LineageId) -> Option<Timestamp> {
        let past = self.lineage(lineage)?.past.as_ref()?;
        past.last_state.map(|_| past.last_at.time())
    }

    /// True where its last attempt was told to have ended with the work done, by us or by others, since or less than `within`
    /// before a list was begun: a node that lags behind may still show it as rejected.
    pub fn was_done(&self, of: LineageId, begun: Timestamp, within: SignedDuration) -> bool {
        let past = self.lineage(of).and_then(|of| of.past.as_ref());
        let done = [AttemptState::Completed, AttemptState::Superseded].map(Some);
        past.is_some_and(|past| {
            done.contains(&past.last_state) && begun.duration_since(past.last_at.time()) < within
        })
    }

    /// How many attempts moved (were claimed, answered, told) at or after a time, by target. None that was
    /// sent since then is left out; one that was sent before and told since then is counted too.
    pub fn moved_since(&self, from: Timestamp) -> BTreeMap<TargetName, u32> {
        // moves are kept less exactly than times
        let from = Stamp::from(from).time();
        let mut out = BTreeMap::new();
        for of in &self.lineages {
            let recent = of
                .past
                .as_ref()
                .is_some_and(|past| past.last_state.is_some() && past.last_at.time() >= from);
            if recent && let Some(target) = self.targets.get(of.target) {
                let many: &mut u32 = out.entry(target.clone()).or_default();
                *many = many.saturating_add(1);
            }
        }
        out
    }

    /// The open attempt of a lineage.
    pub fn open_attempt(&self, lineage: LineageId) -> Option<&Attempt> {
        self.attempt(lineage).filter(|a| a.state.is_open())
    }

    /// The latest attempt of a lineage while it is open or gone.
    pub fn attempt(&self, lineage: LineageId) -> Option<&Attempt> {
        self.attempts.get(&lineage).map(|of| &**of)
    }

    /// Open attempts of one account (invariant 8: at most one write in flight).
    pub fn open_on(&self, process: &ProcessKey) -> Vec<(LineageId, &Attempt)> {
        self.open_attempts()
            .filter(|(_, a)| a.accounts().any(|of| of == process))
            .collect()
    }

    /// Attempts by state.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What OIG has taught about a definition, not older than `ttl`.
    pub fn manual(
        &self,
        definition: &DefinitionId,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> DefinitionMemory {
        match self.manual.get(definition) {
            Some(fact) if now.duration_since(fact.since) < ttl => DefinitionMemory {
                manual_since: Some(fact.since),
                manual_reason: Some(Arc::clone(&fact.reason)),
            },
            _ => DefinitionMemory::default(),
        }
    }

    /// All learned facts, expired ones too.
    pub fn learned(&self) -> impl Iterator<Item = (&DefinitionId, Timestamp, &str)> {
        self.manual.iter().map(|(d, m)| (d, m.since, &*m.reason))
    }

    /// The pause that holds for a scope at this time, if any; the caller asks for each scope that applies.
    pub fn pause(&self, scope: &Scope, now: Timestamp) -> Option<&Pause> {
        self.pauses
            .get(scope)
            .filter(|p| p.until.is_none_or(|until| now < until))
    }

    /// True while a scope is paused.
    pub fn is_paused(&self, scope: &Scope, now: Timestamp) -> bool {
        self.pause(scope, now).is_some()
    }

    /// All pauses.
    pub fn pauses(&self) -> impl Iterator<Item = (&Scope, &Pause)> {
        self.pauses.iter()
    }

    /// The mode last recorded.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// The words that came with it: the modes of actions, targets and policies.
    pub fn mode_words(&self) -> Option<&Arc<str>> {
        self.mode_words.as_ref()
    }

    /// True where a person has released a policy set.
    pub fn released(&self, hash: &PolicyHash) -> bool {
        self.released.contains_key(hash)
    }

    /// When a policy set was first seen and where its sources are stored.
    pub fn policy(&self, hash: &PolicyHash) -> Option<(&Digest, Timestamp)> {
        self.policies.get(hash).map(|(digest, at)| (digest, *at))
    }

    /// The policy set that was loaded last: the one in force.
    pub fn policy_in_force(&self) -> Option<&PolicyHash> {
        self.in_force.as_ref()
    }

    /// Every policy set that was ever loaded here.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyHash> {
        self.policies.keys()
    }

    /// Holds that have not come to an end.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// One hold.
    pub fn hold(&self, id: &Digest) -> Option<&Hold> {
        self.holds.get(id)
    }

    /// True where a hold is approved now.
    pub fn is_approved(&self, id: &Digest, now: Timestamp) -> bool {
        matches!(self.hold(id).map(|h| &h.state), Some(HoldState::Approved { until }) if now < *until)
    }

    /// The stop of a login, if it is stopped.
    pub fn login_stopped(&self, login: &Login) -> Option<&Stopped> {
        self.stopped.get(login)
    }

    /// The end of a pause of the whole server.
    pub fn server_until(&self) -> Option<Timestamp> {
        self.server_until
    }

    /// The governor's state as last recorded: version and JSON text.
    pub fn governor_state(&self) -> Option<(u32, String)> {
        self.governor
            .whole()
            .map(|(version, text)| (version, text.to_owned()))
    }

    /// What was claimed since that state: by action, target, and whether it takes access away.
    pub fn claimed_since_governor(
        &self,
    ) -> impl Iterator<Item = (ActionName, &TargetName, bool, u32)> {
        let all = self.claimed_since.iter();
        all.map(|((action, target, revokes), many)| (*action, target, *revokes, *many))
    }

    /// The backlog of the first enforce, once it was taken.
    pub fn baseline(&self) -> Option<BaselineView> {
        self.baseline.map(|(up_to, at)| BaselineView {
            up_to,
            at,
            waiting: self
                .lineages
                .iter()
                .map(|l| u64::from(l.has(flags::BASELINE) && !l.has(flags::LEFT)))
                .sum(),
        })
    }

    /// The last recorded decision.
    pub fn memo(&self, lineage: LineageId) -> Option<Memo> {
        let of = self.lineage(lineage)?;
        of.decided.map(|d| Memo {
            what: d.what,
            seq: d.seq,
            at: d.at.time(),
            refusal: d.refusal,
            asks: of.has(flags::ASKS),
        })
    }

    /// The fingerprint of the answer last recorded, refusals left aside.
    pub fn said(&self, lineage: LineageId) -> Option<u64> {
        self.lineage(lineage)?.decided.map(|decided| decided.said)
    }

    /// The record in which something was stored by digest, if it was.
    pub fn kept(&self, digest: &Digest) -> Option<u64> {
        self.kept.get(&digest.into()).copied()
    }

    /// All lineages that wait for a person. Attempts that could not be told before `told_by` are among them.
    pub fn inbox(&self, told_by: Timestamp) -> Vec<InboxItem> {
        let mut out = Vec::new();
        let by_attempt = self.waiting_attempts(told_by);
        for (n, of) in (1u64..).zip(&self.lineages) {
            let lineage = LineageId(n);
            let why = if of.has(flags::AMBIGUOUS) {
                "ambiguous"
            } else if let Some(why) = by_attempt.get(&lineage) {
                why
            } else if of.has(flags::LEFT) {
                if let Some(item) = self.lost_item(lineage) {
                    out.push(item);
                }
                continue;
            } else if of.has(flags::ASKS) && !of.has(flags::DONE) {
                let refusal = of.decided.and_then(|d| d.refusal);
                let backlog = matches!(
                    refusal,
                    Some(RefusalReason::Baseline | RefusalReason::TooOld)
                );
                if backlog && of.has(flags::RELEASED) {
                    // a person has said so; the next decision will
                    continue;
                }
                refusal.map_or("asked", RefusalReason::as_str)
            } else {
                continue;
            };
            let attempt = self.attempts.get(&lineage);
            let since = attempt
                .map(|a| a.moved)
                .or(of.decided.map(|d| d.at.time()))
                .unwrap_or(of.failed_since.time());
            out.push(InboxItem {
                lineage,
                task: TaskId::from(&of.task),
                target: self.targets.get(of.target).cloned(),
                since,
                why,
                seq: of.decided.map(|d| d.seq).or(attempt.map(|a| a.seq)),
            });
        }
        out
    }
}

/// An owner as a principal; one whose login is not shown is named by his key (`#23`).
fn principal(owner: &Owner) -> Option<Principal> {
    match owner {
        Owner::User { key, login } => {
            let login = match (login, key) {
                (Some(login), _) => login.clone(),
                (None, Some(key)) => Login::new(&format!("#{key}")),
                (None, None) => return None,
            };
            Some(Principal::User {
                key: key.clone(),
                login,
            })
        }
        Owner::Role { key, name } => {
            let name = match (name, key) {
                (Some(name), _) => Arc::clone(name),
                (None, Some(key)) => Arc::from(format!("#{key}")),
                (None, None) => return None,
            };
            Some(Principal::Role {
                key: key.clone(),
                name,
            })
        }
        Owner::Unknown => None,
    }
}
