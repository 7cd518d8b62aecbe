//! Carries out what a person orders, each with who and why on record; it never sends anything by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::lost::lost_on;
use super::stopped::StopFile;
use super::under_way::Why;
use crate::control::{self, BacklogPart, RefusedKind, Reply, Request};
use crate::daily::counted;
use crate::governor::{HoldError, HoldStatus};
use crate::ledger::record::{Actor, EventBody, Meta};
use crate::ledger::{Entry, Index};
use crate::model::task::DefinitionId;
use crate::model::{Digest, Login, PolicyHash, TargetName};
use crate::oig::{Client, LoginState};

/// How far an approval goes.
struct Vote {
    /// Of an old backlog, only tasks that are not older.
    max_age: Option<SignedDuration>,
    /// Of an old backlog, no more tasks than the person was told of.
    at_most: Option<u64>,
    /// Also what somebody has rejected.
    despite_rejection: bool,
}

impl Core {
    /// Carries out an order and answers it.
    pub async fn order(
        &mut self,
        order: Request,
        actor: control::Actor,
    ) -> Result<Reply, DaemonError> {
        let who = person(actor);
        let now = self.clock.now();
        let reply = match order {
            Request::Approve {
                id,
                why,
                max_age,
                at_most,
                despite_rejection,
            } => {
                let vote = Vote {
                    max_age,
                    at_most,
                    despite_rejection,
                };
                self.approve(&id, &why, vote, who, now).await?
            }
            Request::Reject { id, why } => self.reject(&id, &why, who, now).await?,
            Request::Pause {
                scope,
                why,
                lasting,
                unseen,
            } => self.pause(scope, unseen, &why, lasting, who, now).await?,
            Request::Resume { scope } => self.resume(scope, who, now).await?,
            Request::Release {
                hash,
                person,
                word,
                failing,
                despite_failing,
            } => {
                let despite = despite_failing.then(|| failing.unwrap_or_default());
                self.release(hash, &person, &word, despite, who, now)
                    .await?
            }
            Request::Forget { definition } => self.forget(&definition, who, now).await?,
            Request::Settle { id, completed, why } => {
                self.settle_by_person(&id, completed, &why, who, now)
                    .await?
            }
            Request::Rebind { from, why } => self.rebind(&from, &why, who, now).await?,
            Request::Reset { id, why } => self.reset(&id, &why, who, now).await?,
            Request::LoginClear => self.clear_login(who, now).await?,
            // questions and the daemon's own orders are answered elsewhere
            Request::Status
            | Request::Plan { .. }
            | Request::RetryOne { .. }
            | Request::Explain { .. }
            | Request::Inbox
            | Request::Rejections
            | Request::Backlog { .. }
            | Request::OutcomesList { .. }
            | Request::OutcomesShow { .. }
            | Request::StoreSave { .. }
            | Request::Journal { .. }
            | Request::Past { .. }
            | Request::Reload
            | Request::Stop => Reply::refused(RefusedKind::Internal, "not an order", ""),
        };
        if matches!(reply, Reply::Refused(_)) {
            // nothing has changed: the running cycle is as good as it was
            return Ok(reply);
        }
        // what was refused before may be allowed now
        self.epoch += 1;
        if self.memory.is_some() && !self.stopping {
            self.asked_early = true;
            self.next_tick = now;
        }
        self.store_governor(now).await?;
        Ok(reply)
    }

    /// Records what a person has ordered.
    pub async fn put(
        &self,
        body: EventBody,
        who: Actor,
        now: Timestamp,
    ) -> Result<(), DaemonError> {
        let meta = Meta::by(who, now)
            .login(Some(self.settings.server.login.clone()))
            .policy(Some(self.policies.hash().clone()));
        Ok(self.ledger.record(Entry { body, meta }).await?)
    }

    async fn approve(
        &mut self,
        id: &str,
        why: &str,
        vote: Vote,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let Vote {
            max_age,
            at_most,
            despite_rejection,
        } = vote;
        if let Some(target) = id.strip_prefix("baseline:") {
            let part = BacklogPart {
                target: TargetName::new(target),
                max_age,
            };
            return self.release_backlog(&part, at_most, why, who, now).await;
        }
        if max_age.is_some() {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!("--max-age goes with baseline:TARGET, not with {id}"),
                "approve it without --max-age",
            ));
        }
        if let Some(target) = lost_on(id) {
            return self.note_lost(target, why, who, now).await;
        }
        if let Some(task) = id.strip_prefix("order:") {
            return self.release_order(task, why, who, now).await;
        }
        if id == "rewound" {
            return self.settle_rewind(why, who, now).await;
        }
        if id == "world" {
            return self.accept_world(why, who, now).await;
        }
        let by = name_of(&who);
        if let Some(refused) = self.used(id, now) {
            return Ok(refused);
        }
        let live = self.policies.hash();
        match self.governor.approve(now, id, &by, live, despite_rejection) {
            Err(error @ HoldError::OtherSet { .. }) => Ok(Reply::refused(
                RefusedKind::Invalid,
                error.to_string(),
                "see `provtaskd inbox` for what waits now; after a reload the next cycle asks anew",
            )),
            Err(error @ HoldError::Rejected { .. }) => Ok(Reply::refused(
                RefusedKind::Invalid,
                error.to_string(),
                "if that no is taken back, approve it with --despite-rejection",
            )),
            Err(error) => Ok(self.not_held(id, "approved", &error.to_string())),
            Ok(hold) => {
                let until = now
                    .checked_add(self.settings.governor.approval_ttl)
                    .unwrap_or(Timestamp::MAX);
                let many = hold.tasks.len();
                self.put(
                    EventBody::Approved {
                        hold: Digest::new(&hold.id),
                        until,
                        reason: Arc::from(why),
                    },
                    who,
                    now,
                )
                .await?;
                Ok(Reply::done(format!(
                    "approved: {} of {} on {} until {until:.0}, under policy set {}; all is read again before anything is sent",
                    hold.action,
                    tasks(many),
                    hold.target,
                    hold.hash.short()
                )))
            }
        }
    }

    /// Refuses to approve once more what an approval has let go already: each of its tasks had its attempt since.
    fn used(&self, id: &str, now: Timestamp) -> Option<Reply> {
        let all = self.governor.holds(now);
        let hold = all.iter().find(|hold| hold.id == id)?;
        let HoldStatus::Approved { by, until } = &hold.status else {
            return None;
        };
        let from = until
            .checked_sub(self.settings.governor.approval_ttl)
            .ok()?;
        let went = |index: &Index| {
            hold.tasks.iter().all(|task| {
                let history = index
                    .lineage_of(task)
                    .and_then(|lineage| index.history(lineage, true));
                history.is_some_and(|of| of.last_attempt_at.is_some_and(|at| at >= from))
            })
        };
        self.ledger.read(went).then(|| {
            Reply::refused(
                RefusedKind::Invalid,
                format!(
                    "the approval of {id} by {by} at {from:.0} is used: all {} were sent since",
                    tasks(hold.tasks.len())
                ),
                "`provtaskd outcomes list` tells what became of them; what is held anew stands in `provtaskd inbox` under an id of its own",
            )
        })
    }

    /// A person takes over that the store was rewound: only after a whole cycle has read the server
    /// as it is now, and every open attempt was read.
    async fn settle_rewind(
        &mut self,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        if self.ledger.read(|index| index.rewound().is_none()) {
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                "this store is not known to be rewound",
                "see `provtaskd inbox` for what waits now",
            ));
        }
        if let Some(refused) = self.rewind_stands() {
            return Ok(refused);
        }
        self.put(
            EventBody::RewindSettled {
                reason: Arc::from(why),
            },
            who,
            now,
        )
        .await?;
        self.world_mismatch = None;
        Ok(Reply::done(
            "the rewound store is accepted; attempts of the lost interval are not known here and don't count towards the caps",
        ))
    }

    /// Why nobody can take over yet that the store was rewound, if so.
    pub fn rewind_stands(&self) -> Option<Reply> {
        if self.last.at.is_none() || !self.last.seen.whole || !self.settled_at_start {
            return Some(Reply::refused(
                RefusedKind::Invalid,
                "no running daemon has read the server as a whole since the store was found rewound; a single cycle (`run --once`) is not enough",
                "start the daemon (`provtaskd run`), let it finish a cycle, then approve again while it runs",
            ));
        }
        // what was sent right before this start and is not known here may still be running
        let settle_after = self.settings.delivery.settle_after;
        let from = self.rewind_from();
        if self.last.at.is_none_or(|read| read < from) {
            return Some(Reply::refused(
                RefusedKind::Invalid,
                format!(
                    "what the lost interval has sent may still be carried out: that is told by a list of {from:.0} or later ({settle_after:#} after this start, delivery.settle_after)"
                ),
                "let the daemon read the server then, look at `provtaskd plan`, and approve again",
            ));
        }
        None
    }

    /// From when on a whole list lets a rewound store be taken over.
    pub fn rewind_from(&self) -> Timestamp {
        let from = self
            .started
            .checked_add(self.settings.delivery.settle_after);
        from.unwrap_or(Timestamp::MAX)
    }

    /// Why an id can't be approved or rejected: it is no hold, or it is shown for another reason.
    fn not_held(&self, id: &str, verb: &str, error: &str) -> Reply {
        let Some(item) = self.inbox().into_iter().find(|item| item.id == id) else {
            return Reply::refused(
                RefusedKind::NotFound,
                error,
                "see `provtaskd inbox` for what waits now",
            );
        };
        if item.can_approve {
            return Reply::refused(
                RefusedKind::Invalid,
                format!("{id} can't be {verb}: it is left alone until it is approved"),
                "leave it in the inbox, or approve it",
            );
        }
        Reply::refused(
            RefusedKind::Invalid,
            format!("{id} can't be {verb}: it goes when what is behind it is mended"),
            item.text,
        )
    }

    async fn reject(
        &mut self,
        id: &str,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        if id == "world" {
            return self.keep_world(why, who, now).await;
        }
        let by = name_of(&who);
        match self.governor.reject(now, id, &by) {
            Err(error) => Ok(self.not_held(id, "rejected", &error.to_string())),
            Ok(hold) => {
                // it may have been approved before, and be queued
                self.void_queue(now, Why::Order);
                self.put(
                    EventBody::Rejected {
                        hold: Digest::new(&hold.id),
                        reason: Arc::from(why),
                    },
                    who,
                    now,
                )
                .await?;
                Ok(Reply::done(format!(
                    "rejected: {} of {} on {}",
                    hold.action,
                    tasks(hold.tasks.len()),
                    hold.target
                )))
            }
        }
    }

    async fn release(
        &mut self,
        hash: PolicyHash,
        name: &str,
        word: &str,
        despite: Option<String>,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let live = self.policies.hash().clone();
        let mut known: BTreeSet<PolicyHash> = self
            .ledger
            .read(|index| index.policies().cloned().collect());
        known.insert(live.clone());
        let hash = match meant(&hash, &known) {
            Ok(hash) => hash,
            Err(why) => {
                let hint = format!("the live one is {live}");
                return Ok(Reply::refused(RefusedKind::NotFound, why, hint));
            }
        };
        if name.trim().is_empty() || word.trim().is_empty() {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                "a release needs a person and a word",
                "give --person and --word, e.g. a change number",
            ));
        }
        let fails = self.fails_now(&hash);
        let despite = match (despite, fails) {
            (None, Some(fails)) => {
                return Ok(Reply::refused(
                    RefusedKind::Invalid,
                    format!("policy set {} is not released: {fails}", hash.short()),
                    "mend the policy, then `provtaskd reload`; who knows better gives --despite-failing-cases, which is recorded",
                ));
            }
            (despite, fails) => {
                let told = despite.filter(|case| !case.is_empty());
                let told = told.map(|case| format!("its own cases fail ({case})"));
                let all: Vec<String> = told.into_iter().chain(fails).collect();
                match all.is_empty() {
                    true => String::new(),
                    false => format!("; released although {}", all.join("; ")),
                }
            }
        };
        self.put(
            EventBody::PolicyReleased {
                hash: hash.clone(),
                word: Arc::from(format!("{}: {}{despite}", name.trim(), word.trim())),
            },
            who,
            now,
        )
        .await?;
        if hash == live {
            self.metrics.set_policy(&live, true);
        }
        let note = if self.settings.modes.global == crate::model::Mode::Enforce {
            String::new()
        } else {
            format!(
                "; the mode is {}, so nothing is sent yet",
                self.settings.modes.global
            )
        };
        Ok(Reply::done(format!(
            "policy set {} is released for enforce by {}{note}",
            hash.short(),
            name.trim()
        )))
    }

    async fn forget(
        &mut self,
        definition: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let wanted = definition.trim();
        let found: Option<DefinitionId> = self.ledger.read(|index| {
            index
                .learned()
                .map(|(id, _, _)| id.clone())
                .find(|id| id.to_string().eq_ignore_ascii_case(wanted))
        });
        let Some(id) = found else {
            let known: Vec<String> = self
                .ledger
                .read(|index| index.learned().map(|(id, _, _)| id.to_string()).collect());
            let hint = if known.is_empty() {
                "there is nothing to forget: it has called no definition so".to_owned()
            } else {
                format!("it has called so: {}", known.join(", "))
            };
            return Ok(Reply::refused(
                RefusedKind::NotFound,
                format!(
                    "OIG has not called `{wanted}` \"not automated\": nothing of it is remembered"
                ),
                hint,
            ));
        };
        self.put(
            EventBody::Forgot {
                definition: id.clone(),
            },
            who,
            now,
        )
        .await?;
        // an id is in small letters: it is told as it was typed
        Ok(Reply::done(format!("forgot what OIG said about {wanted}")))
    }

    /// Every login that is stopped may be tried once more.
    async fn clear_login(&mut self, who: Actor, now: Timestamp) -> Result<Reply, DaemonError> {
        let main = self.settings.server.login.clone();
        let stop = |login: &Login| StopFile::of_login(&self.settings, login);
        let clients = std::iter::once((main.clone(), self.client.clone()));
        let further = self.logins.further().iter().cloned();
        let stopped: Vec<(Login, Client)> = self.ledger.read(|index| {
            let is_stopped = |login: &Login| {
                index.login_stopped(login).is_some() || stop(login).read() != LoginState::Ok
            };
            let all = clients.chain(further);
            all.filter(|(login, _)| is_stopped(login)).collect()
        });
        if stopped.is_empty() {
            let words = match self.logins.further() {
                [] => format!("login {main} is not stopped"),
                _ => "no login is stopped".to_owned(),
            };
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                words,
                "there is nothing to clear: each cycle tries the password that is in the file; `provtaskd status` says how the login stands",
            ));
        }
        let mut names = Vec::with_capacity(stopped.len());
        for (login, client) in stopped {
            if let Err(error) = client.clear_login_stop().await {
                return Ok(Reply::refused(
                    RefusedKind::Invalid,
                    error.to_string(),
                    "mend the password file first",
                ));
            }
            stop(&login).keep_after(LoginState::Ok);
            names.push(login.to_string());
            let why = Arc::from("cleared by a person");
            self.put(EventBody::LoginCleared { login, why }, who.clone(), now)
                .await?;
        }
        Ok(Reply::done(format!(
            "login {} may be tried again, once; check the password file before",
            names.join(", ")
        )))
    }
}

pub(super) fn tasks(many: usize) -> String {
    counted(u64::try_from(many).unwrap_or(u64::MAX), "task", "tasks")
}

/// The actor as recorded.
pub fn person(actor: control::Actor) -> Actor {
    Actor::Person {
        uid: actor.uid,
        name: Arc::from(uid_name(actor.uid)),
    }
}

/// A person by the uid that the kernel names.
pub fn uid_name(uid: u32) -> String {
    format!("uid {uid}")
}

/// Who it was, in words.
pub fn name_of(actor: &Actor) -> String {
    match actor {
        Actor::Person { name, .. } => name.to_string(),
        Actor::Daemon => "daemon".to_owned(),
        Actor::System => "system".to_owned(),
    }
}

/// The set that a hash or its beginning names; people see the first twelve characters only.
pub fn meant(hash: &PolicyHash, known: &BTreeSet<PolicyHash>) -> Result<PolicyHash, String> {
    const LEAST: usize = 8;
    if known.contains(hash) {
        return Ok(hash.clone());
    }
    let text = hash.as_str().trim().to_ascii_lowercase();
    if text.len() < LEAST {
        return Err(format!(
            "`{text}` is too short for a policy set's hash; write at least {LEAST} characters"
        ));
    }
    let mut found = known.iter().filter(|set| set.as_str().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => Err(format!(
            "no policy set with hash {text} was ever loaded here"
        )),
        (Some(one), Some(other)) => Err(format!(
            "`{text}` may be {one} or {other}; write more characters"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_a_set_only_where_it_is_long_and_unique() {
        let known: BTreeSet<PolicyHash> = ["aaaabbbbcccc1111", "aaaabbbbcccc2222", "ddddeeeeffff"]
            .map(PolicyHash::new)
            .into();
        let named = |text: &str| meant(&PolicyHash::new(text), &known);
        assert_eq!(named("ddddeeee"), Ok(PolicyHash::new("ddddeeeeffff")));
        assert_eq!(
            named("aaaabbbbcccc2"),
            Ok(PolicyHash::new("aaaabbbbcccc2222"))
        );
        let wrong = |text: &str| named(text).expect_err("not named");
        assert!(wrong("ddddeee").contains("too short"));
        assert!(wrong("ddddeeee0").contains("ever loaded"));
        let both = wrong("aaaabbbbcccc");
        assert!(both.contains("1111") && both.contains("2222"), "{both}");
    }
}
