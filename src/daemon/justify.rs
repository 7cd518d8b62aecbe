//! Says in a task's own note what was done about it and why, where the configuration asks for it; it writes beside nothing else, never twice about one attempt, and nothing waits for it.
//!
//! `setNote` most likely replaces the note (contract section 3), so the task is read right before, the line
//! is added to what stands there, and a note that is not shown, or has no room left, is left alone.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::account::RowState;
use super::core::{Core, Done};
use super::facts::Surroundings;
use super::memory::Remembered;
use crate::dispatch::verify::of_the_server;
use crate::governor::{Admitted, Answered, Lane};
use crate::ledger::record::{ClaimItem, EventBody};
use crate::ledger::{Justification, Ledger, LedgerError, Unjustified};
use crate::model::hash::FastMap;
use crate::model::task::DefinitionId;
use crate::model::{
    Action, ActionName, Answer, AttemptState, BatchId, Clock, Decision, Digest, Kind, LineageId,
    Login, PolicyHash, ProcessKey, ReceiptStatus, Refusal, TargetName, Task, TaskId, Verdict,
};
use crate::oig::{Client, PutEnd, WriteItem, receipts};

/// Notes of one cycle: a large backlog is not worth as many requests again.
const IN_A_CYCLE: usize = 50;
/// For so long nothing else may be due for the task: a note is never in the way of an act.
const QUIET: SignedDuration = SignedDuration::from_mins(2);
/// Longest line, characters.
const LINE: usize = 300;
/// Longest part of it that is the policy's own words, characters.
const BECAUSE: usize = 120;

/// An attempt that the note of its task does not speak of.
#[derive(Clone, Debug)]
pub struct Wish {
    lineage: LineageId,
    due: Unjustified,
    task: TaskId,
    target: TargetName,
    process: Option<ProcessKey>,
    definition: Option<DefinitionId>,
    kind: Kind,
    /// The further login that acts on the task; `None`: the main one.
    login: Option<Login>,
}

/// What is written, and what is not tried again.
#[derive(Debug, Default)]
pub struct Justifying {
    wishes: VecDeque<Wish>,
    /// The one that is being written.
    running: Option<(LineageId, Option<ProcessKey>)>,
    /// Attempts of which this run of the daemon has found that no line can be added.
    left: FastMap<LineageId, u32>,
}

impl Justifying {
    /// True while a note of the item's account is being written: no second write goes there, whatever it does. Nothing
    /// else waits for it.
    pub fn holds(&self, item: &Admitted) -> bool {
        let Some((lineage, process)) = &self.running else {
            return false;
        };
        let account = process.is_some() && item.process() == process.as_ref();
        account || item.decision().lineage == *lineage
    }

    /// True while one is under way.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

/// How one came to its end.
#[derive(Debug)]
enum End {
    /// Nothing was written.
    Left {
        why: String,
        /// It would be the same the next time.
        for_good: bool,
        /// Others would meet the same now.
        stop: bool,
    },
    /// The ledger did not claim it.
    Refused(Refusal),
    /// It was sent, or was to be.
    Sent {
        status: ReceiptStatus,
        seen: bool,
        /// When the server wants to be asked again.
        retry_after: Option<SignedDuration>,
    },
}

/// A justification that has come to its end.
#[derive(Debug)]
pub struct JustifyDone {
    of: Justification,
    end: Result<End, LedgerError>,
}

/// The rows whose last attempt is not spoken of, in the order of the list.
pub fn wishes(around: &Surroundings<'_>, rows: &[usize]) -> Vec<Wish> {
    let bench = around.bench;
    if !bench.settings.delivery.note || bench.whole || bench.ahead {
        return Vec::new();
    }
    bench.ledger.read(|index| {
        rows.iter()
            .filter_map(|row| {
                let RowState {
                    lineage,
                    attempt_open,
                    ambiguous,
                    ..
                } = around.states[*row]?;
                let task = &around.snapshot.tasks[*row];
                if attempt_open || ambiguous || task.status.is_finished() {
                    return None;
                }
                Some(Wish {
                    lineage,
                    due: index.unjustified(lineage)?,
                    task: task.id.clone(),
                    target: task.target.clone()?,
                    process: task.process.clone(),
                    definition: task.definition(),
                    kind: around.kinds[*row],
                    login: around.snapshot.further(*row).cloned(),
                })
            })
            .collect()
    })
}

/// True where nothing will be done about the task for a while.
fn is_quiet(known: Option<&Remembered>, now: Timestamp) -> bool {
    let Some(known) = known else {
        return false;
    };
    let later = |at: Timestamp| at.duration_since(now) > QUIET;
    match &known.act {
        None => true,
        Some(act) if act.due.is_some_and(later) => true,
        Some(_) => known.refusal.is_some_and(|refused| match refused.until {
            Some(until) => later(until.time()),
            None => refused.waits_for_a_person(),
        }),
    }
}

impl Core {
    /// A cycle has seen these; those of an older one are no longer of interest.
    pub fn take_wishes(&mut self, wishes: Vec<Wish>, now: Timestamp) {
        let left = &self.justifying.left;
        let lineages = self.memory.as_deref().map(|memory| &memory.lineages);
        let fits = |wish: &Wish| {
            left.get(&wish.lineage) != Some(&wish.due.ordinal)
                && lineages.is_some_and(|known| is_quiet(known.get(&wish.lineage), now))
        };
        self.justifying.wishes = wishes.into_iter().filter(fits).take(IN_A_CYCLE).collect();
    }

    /// Starts the next one where nothing else is to be sent.
    pub fn justify(&mut self, now: Timestamp) {
        let busy = self.justifying.is_running()
            || !self.queues.is_empty()
            || !self.under_way.is_empty()
            || self.memory.is_none();
        if busy || self.stopping || !self.settled_at_start || !self.settings.delivery.note {
            return;
        }
        let senders = self.senders();
        while let Some(wish) = self.justifying.wishes.pop_front() {
            let decision = wish.as_decision(self.policies.hash());
            let as_this_login =
                || senders.refuse_act(wish.login.as_ref(), ActionName::SetNote, || None);
            let keeps = self.governor.keeps_note(now, &decision);
            if let Some(refusal) = keeps.or_else(as_this_login) {
                tracing::debug!(task = %wish.task, lineage = %wish.lineage, refusal = %refusal, "no note is written now");
                continue;
            }
            let settle_after = self.settings.delivery.settle_after;
            let process = wish.process.as_ref();
            let held = self.ledger.read(|index| {
                process.is_some_and(|process| index.is_open_on(process))
                    || index
                        .late_until(process, wish.lineage, false, now, settle_after)
                        .is_some()
            });
            if held {
                continue;
            }
            let (login, client) = match &wish.login {
                None => (self.settings.server.login.clone(), self.client.clone()),
                Some(login) => match self.logins.of(login) {
                    Some(client) => (login.clone(), client.clone()),
                    None => continue,
                },
            };
            // it counts for the target's rate like everything that is sent there, and holds up nothing that runs there
            let target = &wish.target;
            let lane = Lane::Told;
            let open = self
                .ledger
                .read(|index| index.open_since(target, lane, now, settle_after));
            if self.governor.next_batch(now, target, lane, open).is_err() {
                continue;
            }
            self.governor.sent(now, target, lane, 1);
            let of = Justification {
                batch: BatchId(uuid::Uuid::now_v7()),
                lineage: wish.lineage,
                ordinal: wish.due.ordinal,
                task: wish.task,
                target: wish.target,
                line: Arc::from(""),
                login,
                cycle: self.cycle,
                policy: self.policies.hash().clone(),
            };
            self.justifying.running = Some((wish.lineage, wish.process));
            let writer = Writer {
                client,
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                most: self.settings.delivery.note_max,
            };
            let due = wish.due;
            self.jobs.spawn(async move {
                let mut of = of;
                let end = writer.write(&mut of, &due).await;
                Done::Justified(Box::new(JustifyDone { of, end }))
            });
            return;
        }
    }

    /// One has come to its end.
    pub async fn justified(&mut self, done: JustifyDone) -> Result<(), DaemonError> {
        let now = self.clock.now();
        self.justifying.running = None;
        let of = done.of;
        // how it ended tells nothing about the target
        let lane = Lane::Told;
        self.governor
            .answered(now, &of.target, lane, Answered::default());
        let (task, lineage, attempt) = (&of.task, of.lineage, of.ordinal);
        match done.end? {
            End::Left {
                why,
                for_good,
                stop,
            } => {
                tracing::info!(%task, %lineage, attempt, %why, "no line is added to the task's note");
                if for_good {
                    self.justifying.left.insert(lineage, attempt);
                }
                if stop {
                    self.justifying.wishes.clear();
                    self.login_changed(now).await?;
                }
            }
            End::Refused(refusal) => {
                tracing::info!(%task, %lineage, attempt, %refusal, "no line is added to the task's note");
            }
            End::Sent {
                status,
                seen,
                retry_after,
            } => {
                let unclear = matches!(
                    status,
                    ReceiptStatus::Unknown { .. } | ReceiptStatus::Unsent { .. }
                );
                if seen {
                    tracing::info!(%task, %lineage, attempt, batch = %of.batch, "a line about the attempt is in the task's note");
                } else {
                    tracing::warn!(
                        %task, %lineage, attempt, batch = %of.batch, answer = status.event().as_str(),
                        "a line about the attempt was to be added to the task's note, and no reading has shown it; it is not sent again"
                    );
                }
                if unclear {
                    // comfort comes last: the rest waits for a cycle that finds the server well
                    self.justifying.wishes.clear();
                    self.login_changed(now).await?;
                }
                if let Some(until) = retry_after.and_then(|pause| now.checked_add(pause).ok()) {
                    self.governor.server_asked_to_wait(now, until);
                }
            }
        }
        Ok(())
    }
}

impl Wish {
    /// What the gates are asked about.
    fn as_decision(&self, hash: &PolicyHash) -> Decision {
        Decision {
            task: self.task.clone(),
            lineage: self.lineage,
            target: Some(self.target.clone()),
            process: self.process.clone(),
            definition: self.definition.clone(),
            kind: self.kind,
            answer: Arc::new(Answer {
                verdict: None,
                policy: None,
                line: None,
                hash: hash.clone(),
                fault: None,
            }),
            inputs: Digest::new(""),
            moment: None,
            read: Arc::default(),
            due: None,
            version: 0,
        }
    }
}

/// What is needed to write one.
struct Writer {
    client: Client,
    ledger: Ledger,
    clock: Clock,
    /// Longest note, characters.
    most: usize,
}

impl Writer {
    /// Reads, claims, sends, reads back.
    async fn write(&self, of: &mut Justification, due: &Unjustified) -> Result<End, LedgerError> {
        let line = match self.line_about(of, due)? {
            Ok(line) => line,
            Err(why) => return Ok(left(why, true)),
        };
        let task = match self.client.task(&of.task).await {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(left("the task is not shown any more", false)),
            Err(error) => {
                return Ok(End::Left {
                    stop: of_the_server(&error) || error.is_login(),
                    why: error.to_string(),
                    for_good: false,
                });
            }
        };
        let whole = match with_line(&task, &line, self.most) {
            Ok(whole) => whole,
            Err(why) => return Ok(left(why, true)),
        };
        of.line = line;
        let claimed = self
            .ledger
            .claim_justification(of.clone(), self.clock.now());
        if let Some(refusal) = claimed.await? {
            return Ok(End::Refused(refusal));
        }
        let item = WriteItem {
            task: of.task.clone(),
            request: None,
            action: Action::SetNote { text: whole },
        };
        let mut retry = None;
        let status = match self.client.put_one(of.batch, &item).await {
            Ok(answer) => {
                let answers = receipts(std::slice::from_ref(&of.task), &answer);
                let first = answers.into_iter().next();
                first.map_or_else(
                    || ReceiptStatus::Unknown {
                        why: Arc::from("the answer does not speak of the task"),
                    },
                    |(_, status)| status,
                )
            }
            Err(end @ PutEnd::Unsent { .. }) => ReceiptStatus::Unsent {
                why: Arc::from(end.to_string()),
            },
            Err(PutEnd::Unknown {
                why, retry_after, ..
            }) => {
                retry = retry_after;
                ReceiptStatus::Unknown {
                    why: Arc::from(why),
                }
            }
        };
        let sent = !matches!(status, ReceiptStatus::Unsent { .. });
        let seen = sent
            && match self.client.task(&of.task).await {
                Ok(Some(task)) => task.note.is_some_and(|note| note.contains(&*of.line)),
                Ok(None) | Err(_) => false,
            };
        let now = self.clock.now();
        self.ledger
            .end_justification(of.clone(), status.clone(), seen, now)
            .await?;
        Ok(End::Sent {
            status,
            seen,
            retry_after: retry,
        })
    }

    /// The line, from what is on record of the attempt, or why there is none.
    fn line_about(
        &self,
        of: &Justification,
        due: &Unjustified,
    ) -> Result<Result<Arc<str>, &'static str>, LedgerError> {
        const NOT_THERE: &str = "its claim is not on record any more";
        let Some(event) = self.ledger.event(due.claimed_in)? else {
            return Ok(Err(NOT_THERE));
        };
        let at = event.at;
        let EventBody::Claims { items, .. } = event.body else {
            return Ok(Err(NOT_THERE));
        };
        let claim = items
            .into_iter()
            .find(|item| item.lineage == of.lineage && item.ordinal == of.ordinal);
        let Some(claim) = claim else {
            return Ok(Err(NOT_THERE));
        };
        let decided = match due.decided_in {
            0 => None,
            seq => self.ledger.event(seq)?,
        };
        let because = decided.and_then(|event| match event.body {
            EventBody::Decided { items } => {
                let mut items = items.into_iter();
                let item = items.find(|item| item.lineage == of.lineage)?;
                match item.verdict? {
                    Verdict::Act { because, .. } => Some((item.line, because)),
                    _ => None,
                }
            }
            _ => None,
        });
        let line = line(&claim, at, because, due.state);
        Ok(line.ok_or("the attempt has written the note itself"))
    }
}

fn left(why: &str, for_good: bool) -> End {
    End::Left {
        why: why.to_owned(),
        for_good,
        stop: false,
    }
}

/// What is said of an attempt: which, when, by which rule, why, and how it ended. The same words each time,
/// so that a line that is there already is known by them. `None`: the attempt wrote the note itself.
fn line(
    claim: &ClaimItem,
    at: Timestamp,
    decided: Option<(Option<u32>, Option<Arc<str>>)>,
    ended: AttemptState,
) -> Option<Arc<str>> {
    let what = match &claim.action {
        Action::SetNote { .. } => return None,
        Action::Reassign { to } => format!("reassigned to {to}"),
        Action::Retry => "retried".to_owned(),
        Action::SetResponse { code } => format!("answered {code}"),
        Action::ManualComplete => "completed by hand".to_owned(),
    };
    let end = match ended {
        AttemptState::Refused => "OIG refused it",
        AttemptState::Bounced => "the task stands rejected",
        _ => "it was done",
    };
    let (rule, because) = decided.unwrap_or((None, None));
    let mut text = format!(
        "[provtaskd {}.{} {at:.0}] task {} {what}",
        claim.lineage, claim.ordinal, claim.task
    );
    // a String takes every write
    if let Some(policy) = &claim.policy {
        let _ = write!(text, " by {policy}");
        if let Some(rule) = rule {
            let _ = write!(text, ":{rule}");
        }
    }
    if let Some(because) = because {
        let _ = write!(text, " because: {}", plain(&because, BECAUSE));
    }
    Some(Arc::from(plain(&format!("{text}; {end}"), LINE)))
}

/// One line without control characters, at most so many characters long.
fn plain(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let mut all = text.chars().map(shown);
    let mut out: String = all.by_ref().take(most).collect();
    if all.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// The note with the line behind it, or why the note is left as it is.
fn with_line(task: &Task, line: &str, most: usize) -> Result<Arc<str>, &'static str> {
    if task.status.is_finished() {
        return Err("the task is finished");
    }
    let Some(note) = task.note.as_deref() else {
        return Err("the server does not show the task's note, so nothing can be added to it");
    };
    if note.contains(line) {
        return Err("the line is there already");
    }
    let whole = match note.trim_end() {
        "" => line.to_owned(),
        before => format!("{before}\n{line}"),
    };
    if whole.chars().count() > most {
        return Err("there is no room left in the note (delivery.note_max)");
    }
    Ok(Arc::from(whole))
}

#[cfg(test)]
mod tests;
