//! How each event changes the index; total, deterministic, and silent about what it can't place.

use crate::governor::Lane;
use crate::ledger::facts::mark_of;
use crate::ledger::index::compact::PastAttempt;
use crate::ledger::index::{
    Attempt, Hold, HoldState, Index, Lineage, Pause, Restored, Stopped, flags,
};
use crate::ledger::lineage::{JoinKey, who};
use crate::ledger::ran::RunMark;
use crate::ledger::record::{
    Actor, ClaimItem, Event, EventBody, How, JoinedItem, OpenedItem, SeenItem,
};
use crate::model::{
    ActionName, AttemptState, Digest, Kind, LineageId, ReceiptStatus, TargetName, TaskId,
    TaskStatus,
};

use super::attempt::SentIn;
use super::compact::{Stamp, TaskRef, definition_of, shows};
use super::ends::reset_episode;

/// Attempts kept per lineage in memory; all of them stay in the journal.
const RECENT: usize = 16;
/// Reasons kept per attempt in memory, bytes.
pub(super) const REASON: usize = 256;

impl Index {
    /// The tasks of what was claimed since the governor's state was recorded, and is no retry.
    pub fn used_since_governor(&self) -> impl Iterator<Item = &(ActionName, TargetName, TaskId)> {
        self.used_since.iter()
    }

    /// Applies one event. Illegal moves and unknown lineages change nothing: what wrote the event
    /// had to check, and a record that can't be placed is still in the journal.
    pub fn apply(&mut self, event: &Event, digest: Digest) {
        self.last_seq = event.seq;
        self.head = Some(digest);
        let at = event.at;
        match &event.body {
            EventBody::StoreCreated { store } => self.store_id = Some(store.clone()),
            EventBody::WorldBound { fingerprint } => self.bind(fingerprint),
            EventBody::StoreRewound {
                expected,
                found,
                damage,
                restored,
                lineages,
            } => {
                self.rewound = Some((*expected, *found));
                self.damage.clone_from(damage);
                self.restored = Some(Restored {
                    from: restored.clone(),
                    lineages: lineages.clone(),
                    unfinished: self.unfinished(),
                    since: at,
                });
                self.lost_up_to = Some(LineageId(self.lineages()));
            }
            EventBody::RewindSettled { .. } => {
                self.rewound = None;
                self.restored = None;
            }
            EventBody::WorldDoubted { why } => self.other_world = Some((at, why.clone())),
            EventBody::WorldAccepted { up_to, .. } => self.leave_world(*up_to),
            EventBody::WorldKept { .. } => self.keep_world(),
            EventBody::IdsReused { items } => items.iter().for_each(|i| self.reuse(i)),
            EventBody::LineagesOpened { items } => {
                items.iter().for_each(|i| self.open(i, at.into()));
                self.opened_late(items, event.login.as_ref());
                self.sighted_late(items, event.login.as_ref());
            }
            EventBody::LineagesJoined { items } => {
                items.iter().for_each(|i| self.join(i, at.into()));
            }
            EventBody::LineageAmbiguous { lineages, .. } => {
                for lineage in lineages {
                    self.not_left(*lineage);
                    if let Some(of) = self.lineage_mut(*lineage) {
                        of.set(flags::AMBIGUOUS, true);
                    }
                }
            }
            EventBody::LineagesLeft {
                lineages,
                lost,
                reason,
            } => self.leave(lineages, *lost, reason.is_some(), at.into()),
            EventBody::Seen { items } => items.iter().for_each(|i| self.seen(i, at.into())),
            EventBody::Decided { items } => {
                items
                    .iter()
                    .for_each(|i| self.decided(i, event.seq, at.into()));
            }
            EventBody::Claims {
                batch,
                target,
                action,
                items,
            } => {
                let login = self.further(event.login.as_ref());
                let retry = *action == ActionName::Retry;
                let takes = |i: &&ClaimItem| retry && i.kind.takes_access();
                // all of a record are of one target, and were claimed at one time
                for takes_access in [false, true] {
                    let same = || items.iter().filter(|i| takes(i) == takes_access);
                    let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
                    let all = count(same().count());
                    if all == 0 {
                        continue;
                    }
                    let known = same().filter(|i| self.lineage(i.lineage).is_some());
                    let known = count(known.count());
                    let lane = match takes_access {
                        true => Lane::Revoke,
                        // of what is no retry the kind does not matter
                        false => Lane::of(Kind::Unknown, *action),
                    };
                    let lane = (target.clone(), lane);
                    self.open.add_to_lane(lane, event.at.into(), known);
                    let sort = (*action, target.clone(), takes_access);
                    let claimed = self.claimed_since.entry(sort).or_default();
                    *claimed = claimed.saturating_add(all);
                }
                if *action != ActionName::Retry {
                    let used = items
                        .iter()
                        .map(|i| (*action, target.clone(), i.task.clone()));
                    self.used_since.extend(used);
                }
                let mut sent = SentIn::new(*batch, target, login.as_ref(), event.seq);
                items.iter().for_each(|i| self.claim(i, &mut sent, event));
            }
            EventBody::Receipts { batch, items, .. } => {
                self.request_ended(*batch, items, at);
                for item in items {
                    let reason = match &item.status {
                        ReceiptStatus::Accepted => None,
                        ReceiptStatus::Refused { reason, .. } => Some(reason),
                        ReceiptStatus::Unknown { why } | ReceiptStatus::Unsent { why } => Some(why),
                    };
                    let event = item.status.event();
                    self.step(
                        item.lineage,
                        item.ordinal,
                        event,
                        at.into(),
                        reason.map(|r| &**r),
                    );
                }
            }
            EventBody::Outcomes { items } => {
                for item in items {
                    let evidence = item.evidence.as_deref();
                    self.step(
                        item.lineage,
                        item.ordinal,
                        item.event,
                        item.at.into(),
                        evidence,
                    );
                }
            }
            EventBody::LateOver { items } => items.iter().for_each(|i| self.late.over(i)),
            EventBody::Learned {
                definition,
                manual,
                reason,
            } => self.learn(definition, *manual, at, reason),
            EventBody::Forgot { definition } => {
                self.manual.remove(definition);
            }
            EventBody::Note { .. }
            | EventBody::Checkpoint { .. }
            | EventBody::Requests { .. }
            | EventBody::Dropped {}
            | EventBody::Rewritten { .. } => {}
            other => self.govern(other, event),
        }
    }

    /// Events about what a person or the governor set.
    fn govern(&mut self, body: &EventBody, event: &Event) {
        let at = event.at;
        match body {
            EventBody::HoldOpened {
                hold,
                action,
                target,
                policy,
                tasks,
            } => {
                let entry = self.holds.entry(hold.clone()).or_insert_with(|| Hold {
                    id: hold.clone(),
                    action: *action,
                    target: target.clone(),
                    policy: policy.clone(),
                    tasks: Vec::new(),
                    since: at,
                    state: HoldState::Open,
                });
                for task in tasks {
                    if !entry.tasks.contains(task) {
                        entry.tasks.push(task.clone());
                    }
                }
            }
            EventBody::Approved { hold, until, .. } => {
                if let Some(hold) = self.holds.get_mut(hold) {
                    hold.state = HoldState::Approved { until: *until };
                }
            }
            EventBody::Rejected { hold, .. } => {
                if let Some(hold) = self.holds.get_mut(hold) {
                    hold.state = HoldState::Rejected;
                }
            }
            EventBody::HoldClosed { hold, .. } => {
                self.holds.remove(hold);
            }
            EventBody::Paused {
                scope,
                until,
                reason,
            } => {
                let pause = Pause {
                    until: *until,
                    reason: reason.clone(),
                    since: at,
                    by: match event.actor {
                        Actor::Person { uid, .. } => Some(uid),
                        Actor::Daemon | Actor::System => None,
                    },
                };
                // as the governor has it: a pause never shortens another
                let longer = self.pauses.iter().any(|(of, held)| {
                    of.is_like(scope)
                        && held.until.is_none_or(|ends| {
                            at < ends && until.is_some_and(|until| until <= ends)
                        })
                });
                if !longer {
                    self.pauses.retain(|of, _| !of.is_like(scope));
                    self.pauses.insert(scope.clone(), pause);
                }
            }
            EventBody::Resumed { scope } => {
                self.pauses.retain(|of, _| !of.is_like(scope));
            }
            EventBody::ModeChanged { mode, reason } => {
                self.mode = Some(*mode);
                self.mode_words = Some(reason.clone());
            }
            EventBody::PolicySeen { hash, sources } => {
                // one that comes back was first seen when it was
                self.policies
                    .entry(hash.clone())
                    .or_insert_with(|| (sources.clone(), at));
                self.in_force = Some(hash.clone());
            }
            EventBody::PolicyReleased { hash, word } => {
                self.released.insert(hash.clone(), (at, word.clone()));
            }
            EventBody::BaselineTaken { up_to } => self.take_baseline(*up_to, event),
            EventBody::BaselineHeld { lineages } => self.hold_observed(lineages),
            EventBody::BaselineReleased { lineages, .. } => self.release_baseline(lineages),
            EventBody::OrderReleased {
                lineage, release, ..
            } => self.release_order(*lineage, release, at),
            EventBody::JustificationClaimed {
                lineage, ordinal, ..
            } => self.justifying(*lineage, *ordinal),
            EventBody::JustificationEnded { status, seen, .. } => {
                self.justifications.end(status, *seen);
            }
            EventBody::EpisodeReset { lineage, .. } => {
                self.looked_at(*lineage);
                self.reset_at.insert(*lineage, Stamp::from(at));
                if let Some(of) = self.lineage_mut(*lineage) {
                    of.set(flags::AMBIGUOUS, false);
                    of.set(flags::DONE | flags::SAID | flags::STALE, false);
                    // what is decided next goes on record, though it be the same: by its record what took the access
                    // away is remembered
                    if let Some(decided) = &mut of.decided {
                        decided.what = 0;
                    }
                    reset_episode(of);
                }
                self.ends.begin_anew(*lineage);
            }
            EventBody::LoginStopped { login, secret, why } => {
                let stopped = Stopped {
                    since: at,
                    secret: secret.clone(),
                    why: why.clone(),
                };
                self.stopped.insert(login.clone(), stopped);
            }
            EventBody::LoginCleared { login, .. } => {
                self.stopped.remove(login);
            }
            EventBody::GovernorState {
                version,
                part,
                of,
                json,
            } => {
                self.governor.take_part(*version, *part, *of, json);
                if part.checked_add(1) == Some(*of) {
                    self.claimed_since.clear();
                    self.used_since.clear();
                }
            }
            // with its last part only: a crash between two leaves a text that is not there
            EventBody::InputsStored {
                digest, part, of, ..
            } if part.checked_add(1) == Some(*of) => {
                let first = event.seq.saturating_sub(u64::from(*part));
                self.kept.insert(digest.into(), first);
            }
            EventBody::InputsAlike { items, .. } => {
                for item in items {
                    self.kept.insert((&item.digest).into(), event.seq);
                }
            }
            EventBody::ServerBackOff { until, .. } => self.server_until = Some(*until),
            _ => {}
        }
    }

    pub(in crate::ledger) fn lineage(&self, id: LineageId) -> Option<&Lineage> {
        let at = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.lineages.get(at)
    }

    pub(super) fn lineage_mut(&mut self, id: LineageId) -> Option<&mut Lineage> {
        let at = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.lineages.get_mut(at)
    }

    fn open(&mut self, item: &OpenedItem, at: Stamp) {
        let id = u64::try_from(self.lineages.len()).map(|n| n + 1);
        let task = TaskRef::from(&item.task);
        // ids rise by one; anything else is not ours to place
        if id != Ok(item.lineage.0) || self.by_task.contains_key(&task) {
            return;
        }
        let Ok(place) = u32::try_from(item.lineage.0) else {
            return;
        };
        let name = match (&item.definition, &item.name) {
            (None, Some(name)) => Some(name.trim().to_ascii_lowercase()),
            _ => None,
        };
        let last = self.definitions.last();
        let last = last.filter(|(_, of)| shows(item, of)).map(|(at, _)| at);
        let definition = match (last, &item.known_by.0) {
            (Some(_), Some(_)) => None,
            _ => definition_of(item, name.as_deref()),
        };
        let (key, who) = item.known_by.0.unwrap_or_else(|| {
            let key = JoinKey::of(
                item.process.as_ref().map(|p| p.as_str()),
                item.definition
                    .as_ref()
                    .map(|d| d.as_str())
                    .or(name.as_deref()),
                item.user.as_ref().map(|u| u.as_str()),
                item.child.as_ref(),
            );
            let (user, child) = (item.user.as_ref(), item.child.as_ref());
            (key, who(definition.as_ref(), user, child))
        });
        let lineage = Lineage {
            task: task.clone(),
            key,
            who,
            process: mark_of(item.process.as_ref()),
            created: item.created.map(Stamp::from),
            first_seen: at,
            failed_since: at,
            print: item.print,
            target: item.target.as_ref().map_or(0, |t| self.targets.put(t)),
            definition: last.unwrap_or_else(|| definition.map_or(0, |d| self.definitions.put(&d))),
            owner: item.owner.as_ref().map_or(0, |o| self.owners.put(o)),
            run: item.run,
            kind: item.kind,
            flags: if item.ambiguous { flags::AMBIGUOUS } else { 0 },
            decided: None,
            past: None,
        };
        self.lineages.push(lineage);
        self.raise_top(&task);
        self.reused.remove(&task);
        self.by_task.insert(task, place);
    }

    fn join(&mut self, item: &JoinedItem, at: Stamp) {
        let task = TaskRef::from(&item.task);
        let Ok(place) = u32::try_from(item.lineage.0) else {
            return;
        };
        self.note_apart(item, at);
        let Some(of) = self.lineage_mut(item.lineage) else {
            return;
        };
        let before = std::mem::replace(&mut of.task, task.clone());
        of.print = item.print;
        of.run = RunMark::default();
        of.failed_since = at;
        of.set(flags::DONE | flags::SAID, false);
        let replaced = TaskId::from(&before);
        let past = of.past_mut();
        past.ids.push(before);
        past.made = item.created.map(Stamp::from);
        if item.how == How::Foreign {
            past.foreign = past.foreign.saturating_add(1);
        }
        self.raise_top(&task);
        self.by_task.insert(task, place);
        self.not_left(item.lineage);
        self.end_orders_of(item.lineage);
        self.end_orders_for(&replaced);
        if let Some(now) = &item.moved {
            self.redefine(item.lineage, now);
        }
    }

    fn seen(&mut self, item: &SeenItem, at: Stamp) {
        if let Some(now) = &item.redefined {
            self.redefine(item.lineage, now);
        }
        if item.early
            && let Some(attempt) = self.attempts.get_mut(&item.lineage)
        {
            attempt.set_early(item.print);
        }
        if !TaskStatus::parse(&item.status).is_finished() {
            self.not_left(item.lineage);
        }
        let known = self.lineage(item.lineage).map(|of| of.print);
        self.end_orders_by(item, known != Some(item.print));
        self.handed_is_shown(item, at);
        let owner = item.owner.as_ref().map_or(0, |o| self.owners.put(o));
        let Some(of) = self.lineage_mut(item.lineage) else {
            return;
        };
        if of.print != item.print {
            of.print = item.print;
            of.failed_since = at;
        }
        of.run = item.run;
        if item.foreign {
            let past = of.past_mut();
            past.foreign = past.foreign.saturating_add(1);
        }
        if owner != 0 && owner != of.owner {
            let before = std::mem::replace(&mut of.owner, owner);
            if before != 0 {
                of.past_mut().owners.push(before);
            }
        }
    }

    fn claim(&mut self, item: &ClaimItem, sent: &mut SentIn<'_>, event: &Event) {
        self.not_left(item.lineage);
        self.end_orders_of(item.lineage);
        self.end_orders_for(&item.task);
        self.hand_over(item, event.at.into());
        let Some(of) = self.lineage_mut(item.lineage) else {
            return;
        };
        let run = std::mem::take(&mut of.run);
        let decided_in = of.decided.map_or(0, |decided| decided.seq);
        let (task, process) = (item.task.clone(), item.process.clone());
        let mut attempt = Attempt::claimed(sent.of(item), item.ordinal, task, process, event.at);
        (attempt.print, attempt.run) = (Some(of.print), run);
        let past = of.past_mut();
        past.total = past.total.max(item.ordinal);
        past.counted = past.counted.saturating_add(1);
        past.last_at = event.at.into();
        past.last_state = Some(AttemptState::Claimed);
        past.ran = run;
        past.reset = false;
        (past.claimed_in, past.decided_in) = (event.seq, decided_in);
        if past.attempts.len() == RECENT {
            past.attempts.remove(0);
        }
        // most have one, and a vector would take place for four
        past.attempts.reserve_exact(1);
        past.attempts.push(PastAttempt {
            ordinal: item.ordinal,
            at: event.at.into(),
            state: AttemptState::Claimed,
            lane: Lane::of(item.kind, item.action.name()),
            reason: None,
        });
        self.open.add_accounts(&attempt);
        if let Some(before) = self.attempts.insert(item.lineage, Box::new(attempt))
            && before.state.is_open()
        {
            self.open.remove(&before);
        }
        *self.counts.entry(AttemptState::Claimed).or_default() += 1;
    }
}
