//! Answers questions and passes on orders that come over the control socket; a question changes nothing.

use std::sync::Arc;

use super::DaemonError;
use super::core::{Core, Done, Question};
use super::describe::{RowText, verdict_text};
use super::evaluate::{CycleError, Evaluated, Proposal, evaluate};
use super::feed::Reloaded;
use super::left_rows::LeftRow;
use super::memory::Memory;
use super::one::OneRetry;
use crate::control::{
    ExplainView, InboxView, Incoming, LOGIN_HINT, PlanFilter, PlanItem, PlanView, RefusalView,
    RefusedKind, Reply, Request, one_line,
};
use crate::governor::Lane;
use crate::ledger::LedgerError;
use crate::ledger::record::EventBody;
use crate::model::hash::FastMap;
use crate::model::text::clip_json;
use crate::model::{CycleId, Decision, LineageId, Refusal, TargetName, TaskId, Verdict};

impl Core {
    /// Handles one request; true where the daemon is to end.
    pub async fn answer(&mut self, incoming: Incoming) -> Result<bool, DaemonError> {
        let Incoming {
            request,
            actor,
            reply,
        } = incoming;
        let (order, (scope, why)) = (request.name(), request.about());
        let (scope, why) = (one_line(&scope), one_line(why));
        let told = (!request.is_question()).then_some(order);
        let tell = |answer: &Reply| {
            if let Some(order) = told {
                log_order(order, actor.uid, &scope, &why, answer);
            }
        };
        if let Err(refused) = request.check() {
            let answer = Reply::Refused(refused);
            tell(&answer);
            let _ = reply.send(answer);
            return Ok(false);
        }
        if let Some(answer) = self.not_our_store(&request) {
            tell(&answer);
            let _ = reply.send(answer);
            return Ok(false);
        }
        let answer = match request {
            Request::Plan { filter } => {
                self.ask_afresh(Question::Plan(filter), reply);
                return Ok(false);
            }
            Request::Explain { task } => match self.task_named(&task) {
                Some(id) => {
                    let id = self.goes_on_as(id);
                    self.ask_afresh(Question::Explain { id, asked: task }, reply);
                    return Ok(false);
                }
                None => no_such(&task),
            },
            Request::RetryOne { task, why } => match self.bars_one_retry() {
                Some(barred) => barred,
                None => {
                    let one = OneRetry {
                        task,
                        who: actor,
                        why,
                    };
                    self.ask_afresh(Question::RetryOne(one), reply);
                    return Ok(false);
                }
            },
            Request::StoreSave { path, lines } => {
                self.save_store(path, lines, reply).await?;
                return Ok(false);
            }
            Request::Status => Reply::Status(Box::new(self.status())),
            Request::Inbox => Reply::Inbox(InboxView {
                logins: self.login_names(),
                items: self.inbox_in_words(),
                undecided: self.first_cycle_words(),
                no_store: self.no_store_words(),
                from_store: self.once && self.last.at.is_none(),
                rejected: self.rejections_standing(),
            }),
            Request::Rejections => {
                self.ledger.written().await?;
                self.rejections()?
            }
            Request::Backlog { part } => self.backlog_asked(part),
            Request::OutcomesList { filter } => {
                self.ledger.written().await?;
                self.outcomes(&filter)
            }
            Request::OutcomesShow { id } => {
                self.ledger.written().await?;
                match self.lineage_on_record(&id)? {
                    Some(lineage) => self.story(lineage),
                    None => no_such(&id),
                }
            }
            Request::Journal { from } => {
                self.tell_journal(from, reply);
                return Ok(false);
            }
            Request::Past { filter } => {
                self.ledger.written().await?;
                self.tell_past(filter, reply);
                return Ok(false);
            }
            Request::Stop => {
                self.note_order("stop", actor).await?;
                let answer = Reply::done("the daemon ends");
                tell(&answer);
                let _ = reply.send(answer);
                return Ok(true);
            }
            Request::Reload => {
                self.note_order("reload", actor).await?;
                self.reload(super::orders::person(actor)).await?;
                match &self.reload_error {
                    None => {
                        self.answer_reload(Reloaded {
                            message: self.reloaded_words(),
                            uid: actor.uid,
                            reply,
                        });
                        return Ok(false);
                    }
                    Some(error) => Reply::refused(
                        RefusedKind::Config,
                        error.clone(),
                        format!(
                            "the last good configuration and policy set {} stay in use",
                            self.policies.hash().short()
                        ),
                    ),
                }
            }
            order => match self.order(order, actor).await {
                // nothing of it is on record, and the store is well
                Err(DaemonError::Ledger(LedgerError::Invalid(why))) => {
                    Reply::refused(RefusedKind::Invalid, why, "say it in fewer words")
                }
                // the daemon ends with that, and whoever has ordered it is told what came of the order
                Err(error @ DaemonError::Ledger(_)) => {
                    let answer = Reply::refused(
                        error.kind(),
                        format!(
                            "{error}; whether the order is on record is not known: it is in force after the next start if it is"
                        ),
                        format!(
                            "{}; then look with `provtaskd status` or `provtaskd audit export` whether it holds, and order it again if not",
                            error.hint()
                        ),
                    );
                    tell(&answer);
                    let _ = reply.send(answer);
                    return Err(error);
                }
                done => done?,
            },
        };
        tell(&answer);
        // an asker that went away needs no answer
        let _ = reply.send(answer);
        Ok(false)
    }

    /// The id under which a piece of work goes on: a person may have an older one of it.
    fn goes_on_as(&self, id: TaskId) -> TaskId {
        let now = self.ledger.read(|index| {
            let lineage = index.lineage_of(&id)?;
            index.current_task(lineage)
        });
        now.unwrap_or(id)
    }

    /// Evaluates everything afresh with its own memory, beside the running cycles.
    pub(super) fn ask_afresh(
        &mut self,
        question: Question,
        reply: tokio::sync::oneshot::Sender<Reply>,
    ) {
        if self.waits_for_absences() {
            return self.ask_after_absences(question, reply);
        }
        let mut bench = self.bench(CycleId(uuid::Uuid::now_v7()));
        bench.whole = true;
        bench.hints_beside = false;
        match &question {
            Question::Explain { id, .. } => bench.only = Some(id.clone()),
            Question::RetryOne(one) => bench.only = Some(one.task.clone()),
            Question::Plan(_) => {}
        }
        self.jobs.spawn(async move {
            let mut memory = Memory::default();
            let result = evaluate(&bench, &mut memory).await.map(Box::new);
            Done::Answer {
                result,
                question,
                reply,
            }
        });
    }

    /// The id that a person means: OIG's, or a lineage's present one.
    fn task_named(&self, name: &str) -> Option<TaskId> {
        match lineage_number(name) {
            Some(lineage) => self.ledger.read(|index| index.current_task(lineage)),
            None => Some(TaskId::new(name)),
        }
    }

    /// The lineage that a person means.
    pub fn lineage_named(&self, name: &str) -> Option<LineageId> {
        match lineage_number(name) {
            Some(lineage) => self
                .ledger
                .read(|index| index.current_task(lineage).map(|_| lineage)),
            None => self
                .ledger
                .read(|index| index.lineage_of(&TaskId::new(name))),
        }
    }

    /// The lineage that a name stands for, also where its id is another task's now, or was closed with the
    /// data of the server to which it belonged; the last one of several. For questions alone: nothing is
    /// ordered about those.
    pub fn lineage_on_record(&self, name: &str) -> Result<Option<LineageId>, LedgerError> {
        match self.lineage_named(name) {
            None if lineage_number(name).is_none() => self.ledger.lineage_shown(&TaskId::new(name)),
            found => Ok(found),
        }
    }

    /// Turns a fresh evaluation into the answer; the governor is asked on a copy.
    pub fn work_out(
        &mut self,
        question: Question,
        result: Result<Box<Evaluated>, CycleError>,
    ) -> Reply {
        let mut found = match result {
            Ok(found) => *found,
            Err(error) => return trouble(&error),
        };
        let left = std::mem::take(&mut found.left);
        if let Question::Plan(filter) = &question
            && let Some(target) = &filter.target
            && !found.seen.targets.keys().any(|seen| seen.is_like(target))
            && let Err(unknown) = self.target_named(target)
        {
            return unknown.refused();
        }
        let visible = found.seen.visible;
        let lists = found.seen.lists();
        let as_of = found.seen.taken_at.unwrap_or_else(|| self.clock.now());
        let undecided = found.undecided;
        let mut items = self.plan_items(found);
        match question {
            Question::Plan(filter) => {
                items.extend(left.into_iter().map(LeftRow::item));
                items.sort_by(|(a, _), (b, _)| a.task.cmp_numeric(&b.task));
                let (items, left_out) = filtered(items, &filter);
                Reply::Plan(PlanView {
                    as_of,
                    login: self.settings.server.login.clone(),
                    lists,
                    visible,
                    mode: self.effective_mode().0,
                    policy_hash: self.policies.hash().clone(),
                    items: items.into_iter().map(|(item, _)| item).collect(),
                    left_out,
                })
            }
            // it is carried out, not told
            Question::RetryOne(_) => Reply::refused(RefusedKind::Internal, "not a question", ""),
            Question::Explain { id, asked } => {
                // the id of a lineage that is closed may be another task's now
                let meant = lineage_number(&asked);
                let mut items = items.into_iter();
                let found = items.find(|(item, _)| {
                    item.task == id && meant.is_none_or(|meant| meant == item.lineage)
                });
                let named = |of: &&LeftRow| of.task == id || of.task.as_str() == asked;
                let left = left.iter().find(named);
                let Some((item, text)) = found else {
                    return self.explain_recorded(&id, &asked, visible, lists, undecided, left);
                };
                let mut facts = text.facts;
                facts.extend(left.map(|left| ("also shown".to_owned(), left.words())));
                if meant.is_none() && asked != item.task.as_str() {
                    let words = format!("{asked}, which goes on as {}", item.task);
                    facts.push(("asked for".to_owned(), words));
                }
                let released = self.order_words(item.lineage).into_iter();
                facts.extend(released.map(|words| ("released by a person".to_owned(), words)));
                Reply::Explain(Box::new(ExplainView {
                    live: true,
                    as_of,
                    lists,
                    attempts: self.attempts_of(item.lineage),
                    policy_hash: self.policies.hash().clone(),
                    fields: text.fields,
                    facts,
                    item,
                    standing: None,
                }))
            }
        }
    }

    /// An order that has no record of its own: who gave it, before it is carried out.
    async fn note_order(
        &self,
        order: &str,
        actor: crate::control::Actor,
    ) -> Result<(), DaemonError> {
        let text = Arc::from(format!("{order} was ordered"));
        let who = super::orders::person(actor);
        self.put(EventBody::Note { text }, who, self.clock.now())
            .await
    }

    fn plan_items(&self, found: Evaluated) -> Vec<(PlanItem, RowText)> {
        let now = self.clock.now();
        let census = found.seen.census();
        // a copy, so that asking uses up no cap and opens no hold
        let mut governor = self.governor.clone();
        governor.set_modes(self.modes_with(&census));
        governor.begin_cycle(
            now,
            &census,
            self.standing(found.seen.complete && self.has_baseline()),
            self.caps_until(now),
        );
        let mut texts: FastMap<LineageId, RowText> = found.rows;
        let mut wanted = Vec::new();
        let mut out: Vec<(Arc<Decision>, Vec<Refusal>, Option<jiff::Timestamp>)> = Vec::new();
        let senders = self.senders();
        for Proposal {
            decision,
            guard,
            behind,
        } in found.proposals
        {
            match guard {
                Ok(passed) => {
                    match senders.refuse(behind.login.as_ref(), &decision, &governor, now) {
                        Some(refusal) => out.push((decision, vec![refusal], None)),
                        None => wanted.push((decision, passed)),
                    }
                }
                Err(mut refusals) => {
                    // what holds for all of them first: the guards' words alone would promise that
                    // it is sent once they agree
                    let mut all = governor.forbidden(now, &decision);
                    refusals.retain(|of| all.iter().all(|known| known.reason != of.reason));
                    all.extend(refusals);
                    out.push((decision, all, None));
                }
            }
        }
        let foreign = self.settings.governor.count_foreign_attempts;
        let governed = governor.govern(now, wanted, &|lineage| {
            self.ledger
                .read(|index| index.history(lineage, foreign))
                .unwrap_or_else(|| super::govern::unseen(lineage, now))
        });
        out.extend(
            governed
                .refused
                .into_iter()
                .map(|(decision, refusal)| (decision, vec![refusal], None)),
        );
        // what may go has to wait where its target's rate, or the proof of what was sent before, asks for it
        let mut lanes: FastMap<(Lane, TargetName), Option<Refusal>> = FastMap::default();
        for admitted in governed.admitted {
            let key = (admitted.lane(), admitted.target().clone());
            let held = lanes.entry(key).or_insert_with_key(|(lane, target)| {
                self.held_in(&mut governor, *lane, target, now)
            });
            let held = held.iter().cloned().collect();
            out.push((Arc::clone(admitted.shared()), held, None));
        }
        out.extend(
            found
                .rests
                .into_iter()
                .map(|rest| (rest.decision, Vec::new(), rest.relook)),
        );
        let mut items: Vec<(PlanItem, RowText)> = out
            .into_iter()
            .filter_map(|(decision, refusals, relook)| {
                let text = texts.remove(&decision.lineage)?;
                Some((
                    item(Arc::unwrap_or_clone(decision), &refusals, relook, &text),
                    text,
                ))
            })
            .collect();
        items.sort_by(|(a, _), (b, _)| a.task.cmp_numeric(&b.task));
        items
    }
}

/// What was ordered, and what came of it, in one line of the log.
pub fn log_order(order: &str, uid: u32, scope: &str, why: &str, answer: &Reply) {
    match answer {
        Reply::Refused(refused) => tracing::info!(
            order,
            uid,
            scope,
            why,
            result = "refused",
            said = one_line(&refused.message),
            "an order was refused"
        ),
        Reply::Done(done) => tracing::info!(
            order,
            uid,
            scope,
            why,
            result = "done",
            said = one_line(&done.message),
            but = done.but.as_ref().map(|(what, _)| one_line(what)),
            "an order was carried out"
        ),
        _ => {}
    }
}

/// One row of the plan.
pub fn item(
    decision: Decision,
    refusals: &[Refusal],
    relook: Option<jiff::Timestamp>,
    text: &RowText,
) -> PlanItem {
    let rule = decision.policy.as_ref().map(|policy| match decision.line {
        Some(line) => format!("{policy}:{line}"),
        None => policy.to_string(),
    });
    let answer = Arc::clone(&decision.answer);
    let acts = matches!(decision.verdict, Some(Verdict::Act { .. }));
    let mut words = verdict_text(decision.verdict.as_ref());
    if let Some(why) = text.reason_unknown.as_ref().filter(|_| !acts) {
        words = format!("{words}; {why}");
    }
    PlanItem {
        verdict_text: words,
        relook: relook.or_else(|| refusals.iter().filter_map(|r| r.until).min()),
        task: decision.task,
        lineage: decision.lineage,
        target: decision.target,
        kind: decision.kind,
        name: text.name.clone(),
        beneficiary: text.beneficiary.clone(),
        owner: text.owner.clone(),
        status: text.status.clone(),
        verdict: answer.verdict.clone(),
        rule,
        read: decision
            .read
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        fault: answer.fault.clone(),
        refusals: refusals.iter().map(RefusalView::from).collect(),
        due: decision.due,
    }
}

fn filtered(
    items: Vec<(PlanItem, RowText)>,
    filter: &PlanFilter,
) -> (Vec<(PlanItem, RowText)>, u64) {
    let mut items: Vec<(PlanItem, RowText)> = items
        .into_iter()
        .filter(|(item, _)| {
            filter
                .target
                .as_ref()
                .is_none_or(|target| item.target.as_ref().is_some_and(|t| t.is_like(target)))
        })
        .filter(|(item, _)| {
            filter.action.is_none_or(|action| {
                matches!(&item.verdict, Some(Verdict::Act { action: wants, .. }) if wants.name() == action)
            })
        })
        .collect();
    let most = filter
        .limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let left_out = u64::try_from(items.len().saturating_sub(most)).unwrap_or(u64::MAX);
    items.truncate(most);
    (items, left_out)
}

fn lineage_number(name: &str) -> Option<LineageId> {
    let digits = name.trim().strip_prefix(['L', 'l'])?;
    // lists print the name of an attempt (L12.1): its piece of work is meant
    let digits = match digits.split_once('.') {
        Some((digits, ordinal)) => ordinal.parse::<u32>().ok().map(|_| digits)?,
        None => digits,
    };
    digits.parse().ok().map(LineageId)
}

/// So much of a name that nobody knows is repeated.
pub(super) const NAME_SHOWN: usize = 80;

/// The answer for a name that nobody knows.
pub fn no_such(name: &str) -> Reply {
    Reply::refused(
        RefusedKind::NotFound,
        format!(
            "`{}` is not a task or lineage that this store knows",
            clip_json(name, NAME_SHOWN)
        ),
        "give OIG's task id, or the name of a piece of work (L12) or of an attempt (L12.1) as `outcomes list` shows it",
    )
}

pub fn trouble(error: &CycleError) -> Reply {
    match error {
        CycleError::Server(server) if server.is_login() => {
            Reply::refused(RefusedKind::LoginRefused, server.to_string(), LOGIN_HINT)
        }
        CycleError::Server(server) => Reply::refused(
            RefusedKind::Unreachable,
            server.to_string(),
            "check server.origin, the network and the server, then ask again",
        ),
        CycleError::Ledger(ledger) => Reply::refused(
            RefusedKind::Store,
            ledger.to_string(),
            "see the log; the daemon ends when its store can't write",
        ),
        CycleError::Worker => Reply::refused(RefusedKind::Internal, error.to_string(), ""),
    }
}
