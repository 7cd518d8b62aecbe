//! Tells from the journal what was done, answered and read; it adds nothing that is not on record.

use jiff::Timestamp;

use super::answer::{NAME_SHOWN, item, no_such};
use super::core::Core;
use super::describe::RowText;
use super::left_rows::LeftRow;
use super::standing::{LOST, standing};
use crate::control::{
    AttemptView, EventView, ExplainView, ListView, NOT_SHOWN, OutcomeRow, PlanItem, RefusedKind,
    Reply, Story, in_words,
};
use crate::ledger::record::{Actor, ClaimItem, DecidedItem, Event, EventBody, How};
use crate::model::text::clip_json;
use crate::model::{
    Action, Answer, AttemptState, BatchId, Decision, Facts, LineageId, Outcome, PolicyHash,
    ReceiptStatus, RefusalReason, Task, TaskId, attempt,
};

impl Core {
    /// The attempts of one lineage, oldest first; empty where its story can't be read.
    pub fn attempts_of(&self, lineage: LineageId) -> Vec<AttemptView> {
        self.ledger
            .story(lineage)
            .map(|story| {
                let events: Vec<&Event> = story.lines.iter().map(|line| &line.event).collect();
                self.attempts_in(lineage, &events)
            })
            .unwrap_or_default()
    }

    /// Everything that is on record about a lineage.
    pub fn story(&self, lineage: LineageId) -> Reply {
        let story = match self.ledger.story(lineage) {
            Ok(story) => story,
            Err(error) => {
                return Reply::refused(RefusedKind::Store, error.to_string(), "see the log");
            }
        };
        let events: Vec<&Event> = story.lines.iter().map(|line| &line.event).collect();
        let opened = events.iter().find_map(|event| match &event.body {
            EventBody::LineagesOpened { items } => items.first().cloned(),
            _ => None,
        });
        let Some(opened) = opened else {
            return no_such(&lineage.to_string());
        };
        let attempts = self.attempts_in(lineage, &events);
        let decision = events
            .iter()
            .rev()
            .find_map(|event| decided_in(event))
            .map(|decided| {
                let text = self.text_of(&decided);
                self.recorded_item(&decided, text, opened.name.as_deref())
            });
        Reply::Story(Box::new(Story {
            lineage,
            standing: self
                .ended(lineage, &events, &attempts)
                .unwrap_or_else(|| standing(&attempts, decision.as_ref())),
            ids: story.ids,
            target: opened.target,
            name: opened.name.map(|name| name.to_string()),
            beneficiary: opened.user,
            first_seen: events.first().map_or(Timestamp::MIN, |event| event.at),
            decision,
            attempts,
            events: events.iter().filter_map(|event| line(event)).collect(),
        }))
    }

    /// The answer of `explain` where the task is not in the list any more, or nothing was decided of it yet.
    pub fn explain_recorded(
        &self,
        id: &TaskId,
        asked: &str,
        visible: u64,
        lists: Vec<ListView>,
        undecided: Option<RefusalReason>,
        left: Option<&LeftRow>,
    ) -> Reply {
        let (who, not_read) = in_words(&self.settings.server.login, &lists);
        let lineage = match self.lineage_on_record(asked) {
            Ok(lineage) => lineage,
            Err(error) => {
                return Reply::refused(RefusedKind::Store, error.to_string(), "see the log");
            }
        };
        let Some(lineage) = lineage else {
            if let Some(reason) = undecided {
                return Reply::refused(
                    RefusedKind::NotFound,
                    format!(
                        "task {id} is shown, and nothing is decided of it yet: {reason}: {}{not_read}",
                        reason.explanation().trim()
                    ),
                    "ask again after the next cycle; a new task that can't be told for long comes to `provtaskd inbox`",
                );
            }
            return Reply::refused(
                RefusedKind::NotFound,
                format!(
                    "task {} is not among the {visible} tasks visible to {who}, and the store has never seen it{not_read}",
                    clip_json(id.as_str(), NAME_SHOWN)
                ),
                "check the id; approvals and manual fulfilment are not provisioning tasks",
            );
        };
        let Ok(story) = self.ledger.story(lineage) else {
            return no_such(id.as_str());
        };
        let events: Vec<&Event> = story.lines.iter().map(|line| &line.event).collect();
        let attempts = self.attempts_in(lineage, &events);
        // that the list shows it comes before what is known of its end: who sees it there asks why nothing is done
        let standing = match (left, self.ended(lineage, &events, &attempts)) {
            (Some(left), None) => {
                format!("{}. What follows is what was decided last", left.words())
            }
            (Some(left), Some(ended)) => format!("{}; on record: {ended}", left.words()),
            (None, Some(ended)) => ended,
            (None, None) => format!(
                "not among the {visible} tasks visible to {who} just now; whether it has left is told by two whole lists{not_read}. What follows is what was decided when it was last there"
            ),
        };
        let Some((at, decided)) = events
            .iter()
            .rev()
            .find_map(|event| decided_in(event).map(|decided| (event.at, decided)))
        else {
            return Reply::refused(
                RefusedKind::NotFound,
                format!("no decision about task {id} is on record; now: {standing}"),
                format!("`provtaskd outcomes show {lineage}` tells what is on record"),
            );
        };
        let mut text = self.text_of(&decided);
        let (fields, facts) = text.as_mut().map_or_else(Default::default, |text| {
            (
                std::mem::take(&mut text.fields),
                std::mem::take(&mut text.facts),
            )
        });
        Reply::Explain(Box::new(ExplainView {
            live: false,
            as_of: at,
            lists,
            item: self.recorded_item(&decided, text, None),
            policy_hash: decided.hash.clone(),
            fields,
            facts,
            attempts,
            standing: Some(standing),
        }))
    }

    /// A decision as it is on record, with what the task said then where that is kept.
    fn recorded_item(
        &self,
        decided: &DecidedItem,
        said: Option<RowText>,
        name: Option<&str>,
    ) -> PlanItem {
        let said = said.unwrap_or_else(|| RowText {
            name: name.unwrap_or("-").to_owned(),
            beneficiary: None,
            owner: NOT_SHOWN.to_owned(),
            status: String::new(),
            facts: Vec::new(),
            fields: Vec::new(),
            reason_unknown: None,
        });
        let text = RowText {
            status: "as recorded".to_owned(),
            ..said
        };
        let of = decided.lineage;
        let (target, definition) = self
            .ledger
            .read(|index| (index.target(of).cloned(), index.definition(of).cloned()));
        let decision = Decision {
            task: decided.task.clone(),
            lineage: decided.lineage,
            target,
            process: None,
            definition,
            kind: decided.kind,
            answer: Answer {
                verdict: decided.verdict.clone(),
                policy: decided.policy.clone(),
                line: decided.line,
                hash: PolicyHash::new(decided.hash.as_str()),
                fault: decided.fault.as_ref().map(ToString::to_string),
            }
            .into(),
            inputs: decided.inputs.clone(),
            moment: decided.moment.clone(),
            read: decided.read.clone(),
            due: None,
            version: decided.version,
        };
        item(decision, decided.refusal.as_slice(), decided.relook, &text)
    }

    /// Task and facts as they were decided on; none where they are not kept any more.
    fn replayed(&self, decided: &DecidedItem) -> Option<(Task, Facts)> {
        let text = self.ledger.kept(&decided.inputs).ok().flatten()?;
        match &decided.moment {
            Some(moment) => crate::policy::replay_at(&text, moment).ok(),
            None => crate::policy::replay(&text).ok(),
        }
    }

    /// The same in words.
    fn text_of(&self, decided: &DecidedItem) -> Option<RowText> {
        let (task, facts) = self.replayed(decided)?;
        Some(super::describe::row_text(&task, &facts))
    }

    /// What a decision rested on: the rule, the values it read, the facts that were had.
    fn behind(&self, decided: &DecidedItem) -> Vec<String> {
        let verdict = super::describe::verdict_text(decided.verdict.as_ref());
        let rule = match (&decided.policy, decided.line) {
            (Some(policy), Some(line)) => format!(" [{policy}:{line}]"),
            (Some(policy), None) => format!(" [{policy}]"),
            (None, _) => String::new(),
        };
        let mut out = vec![format!("{verdict}{rule}")];
        let read: Vec<String> = decided
            .read
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if !read.is_empty() {
            out.push(read.join(", "));
        }
        if let Some((task, facts)) = self.replayed(decided) {
            out.extend(super::describe::had(&task, &facts));
        }
        out
    }

    fn attempts_in(&self, lineage: LineageId, events: &[&Event]) -> Vec<AttemptView> {
        let (target, name) = self.ledger.read(|index| {
            (
                index.target(lineage).cloned(),
                index.definition(lineage).map(ToString::to_string),
            )
        });
        let mut out: Vec<AttemptView> = Vec::new();
        let mut decided: Option<&DecidedItem> = None;
        for event in events {
            match &event.body {
                EventBody::Decided { items } => decided = items.last().or(decided),
                EventBody::Claims { batch, items, .. } => {
                    for claim in items {
                        let mut behind = decided.map_or_else(Vec::new, |item| self.behind(item));
                        behind.extend(rested_on(claim));
                        out.push(AttemptView {
                            row: OutcomeRow {
                                target: target.clone(),
                                name: name.clone(),
                                login: event.login.clone(),
                                ..row_of(claim, batch, event.at)
                            },
                            decided: behind,
                            evidence: Vec::new(),
                        });
                    }
                }
                EventBody::Receipts { items, .. } => {
                    for receipt in items {
                        let text = match &receipt.status {
                            ReceiptStatus::Accepted => "OIG answered SUCCESS".to_owned(),
                            ReceiptStatus::Refused { reason, .. } => {
                                format!("OIG answered FAIL: {reason}")
                            }
                            ReceiptStatus::Unknown { why } => format!("not answered: {why}"),
                            ReceiptStatus::Unsent { why } => format!("not sent: {why}"),
                        };
                        step(
                            &mut out,
                            receipt.ordinal,
                            receipt.status.event(),
                            event.at,
                            text,
                        );
                    }
                }
                EventBody::Outcomes { items } => {
                    for outcome in items {
                        step(
                            &mut out,
                            outcome.ordinal,
                            outcome.event,
                            event.at,
                            outcome_text(outcome),
                        );
                    }
                }
                _ => {}
            }
        }
        out
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match &outcome.evidence {
        Some(evidence) => format!("{}: {evidence}", outcome.event.as_str()),
        None => outcome.event.as_str().to_owned(),
    }
}

fn step(
    out: &mut [AttemptView],
    ordinal: u32,
    event: crate::model::AttemptEvent,
    at: Timestamp,
    text: String,
) {
    let Some(view) = out.iter_mut().find(|view| view.row.ordinal == ordinal) else {
        return;
    };
    if let Some(state) = attempt::next(view.row.state, event) {
        view.row.state = state;
        if !state.is_open() {
            view.row.settled = Some(at);
        }
    }
    view.row.reason = Some(text.clone());
    view.evidence.push(format!("{at:.0} {text}"));
}

/// What the guards had read, where access was given.
fn rested_on(claim: &ClaimItem) -> Option<String> {
    let read = claim.rests.iter();
    let read: Vec<String> = read
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    (!read.is_empty()).then(|| format!("guards read: {}", read.join(", ")))
}

fn row_of(claim: &ClaimItem, batch: &BatchId, at: Timestamp) -> OutcomeRow {
    OutcomeRow {
        lineage: claim.lineage,
        ordinal: claim.ordinal,
        task: claim.task.clone(),
        target: None,
        name: None,
        action: claim.action.name(),
        to: match &claim.action {
            Action::Reassign { to } => Some(to.clone()),
            _ => None,
        },
        state: AttemptState::Claimed,
        claimed: at,
        settled: None,
        reason: None,
        rule: claim.policy.as_ref().map(ToString::to_string),
        batch: Some(batch.to_string()),
        login: None,
    }
}

fn decided_in(event: &Event) -> Option<DecidedItem> {
    match &event.body {
        EventBody::Decided { items } => items.last().cloned(),
        _ => None,
    }
}

/// An answer in words.
fn answer_text(status: &ReceiptStatus) -> String {
    match status {
        ReceiptStatus::Accepted => "accepted".to_owned(),
        ReceiptStatus::Refused { reason, .. } => format!("refused: {reason}"),
        ReceiptStatus::Unknown { why } => format!("unknown: {why}"),
        ReceiptStatus::Unsent { why } => format!("unsent: {why}"),
    }
}

/// Who has made a successor, and what tells so.
fn by_whom(how: How) -> &'static str {
    match how {
        How::Link => ", by its retry link",
        How::Successor => ", as the only one that can",
        How::Process => ", as its account shows",
        How::Foreign => "; not by us: OIG's own retry or an admin made it",
        How::Person => ", as a person said",
    }
}

fn line(event: &Event) -> Option<EventView> {
    let (kind, text) = match &event.body {
        EventBody::LineagesOpened { items } => {
            let first = items.first()?;
            ("seen", format!("first seen as task {}", first.task))
        }
        EventBody::LineagesJoined { items } => {
            let first = items.first()?;
            (
                "joined",
                format!("task {} continues it{}", first.task, by_whom(first.how)),
            )
        }
        EventBody::LineageAmbiguous { tasks, .. } => {
            let ids: Vec<String> = tasks.iter().map(ToString::to_string).collect();
            (
                "ambiguous",
                format!("tasks {} could continue it", ids.join(", ")),
            )
        }
        EventBody::LineagesLeft {
            reason: Some(reason),
            ..
        } => ("left_noted", reason.to_string()),
        EventBody::LineagesLeft { lost, .. } => (
            "left",
            format!(
                "no list shows it any more, and no attempt of provtaskd on record tells why: what happened to it is not known{}",
                if *lost { LOST } else { "" }
            ),
        ),
        EventBody::IdsReused { items } => {
            let first = items.first()?;
            ("reused", format!("another task now: {}", first.why))
        }
        EventBody::Seen { items } => {
            let first = items.first()?;
            let by_others = if first.foreign {
                "; run since it was last shown, and not by us: OIG's own retry or an admin did it"
            } else {
                ""
            };
            ("changed", format!("read as {}{by_others}", first.status))
        }
        EventBody::Decided { items } => {
            let last = items.last()?;
            let verdict = super::describe::verdict_text(last.verdict.as_ref());
            let text = match &last.refusal {
                Some(refusal) => format!("{verdict}; not now: {refusal}"),
                None => verdict,
            };
            ("decided", text)
        }
        EventBody::Claims { batch, items, .. } => {
            let first = items.first()?;
            (
                "claimed",
                format!("attempt {} in batch {batch}", first.ordinal),
            )
        }
        EventBody::Receipts { items, .. } => {
            let first = items.first()?;
            ("answered", answer_text(&first.status))
        }
        EventBody::Outcomes { items } => ("outcome", outcome_text(items.last()?)),
        EventBody::EpisodeReset { reason, .. } => ("reset", reason.to_string()),
        EventBody::OrderReleased {
            release, reason, ..
        } => (
            "order_released",
            format!("{}: {reason}", super::ordered::in_words(release)),
        ),
        EventBody::BaselineHeld { .. } => (
            "backlog",
            "its target or action was only observed: it waits for a release".to_owned(),
        ),
        EventBody::BaselineReleased { reason, .. } => ("released", reason.to_string()),
        EventBody::JustificationClaimed {
            batch,
            ordinal,
            task,
            line,
            ..
        } => (
            "note_claimed",
            format!(
                "for the note of task {task}, about attempt {ordinal}, in batch {batch}: {line}"
            ),
        ),
        EventBody::JustificationEnded {
            status, seen, task, ..
        } => {
            let answer = answer_text(status);
            let read = if *seen {
                format!("the note of task {task} shows it")
            } else {
                format!("no reading of task {task} had shown it by then")
            };
            ("note_answered", format!("{answer}; {read}"))
        }
        _ => return None,
    };
    Some(EventView {
        at: event.at,
        kind: kind.to_owned(),
        text,
        took_ms: match &event.body {
            EventBody::Receipts { took_ms, .. } => Some(*took_ms),
            _ => None,
        },
        actor: match (&event.actor, &event.login) {
            (Actor::Person { uid, .. }, _) => format!("uid {uid}"),
            // the login that OIG has on record for it, or whose list showed it
            (_, Some(login))
                if matches!(
                    kind,
                    "claimed" | "note_claimed" | "seen" | "joined" | "changed"
                ) =>
            {
                format!("daemon as {login}")
            }
            (Actor::Daemon | Actor::System, _) => "daemon".to_owned(),
        },
    })
}
