//! Takes a decision of the past once more, with the inputs and the policy texts that were recorded with it; today's policies, facts and list play no part.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::answer::item;
use super::super::describe::{RowText, row_text, verdict_text};
use crate::control::{ExplainView, PastFilter, PastView, RefusedKind, ReplayView, Reply};
use crate::ledger::record::{Event, EventBody};
use crate::ledger::{DecidedItem, Ledger, LedgerError};
use crate::model::{Answer, Decision, Facts, LineageId, PolicyHash, Task, Verdict, text_digest};
use crate::policy;

/// A recorded decision.
struct Found {
    record: u64,
    since: Timestamp,
    until: Option<Timestamp>,
    decided: DecidedItem,
}

/// The answer to [`crate::control::Request::Past`]. Reads the journal; not for the runtime's threads.
pub(super) fn tell(
    ledger: &Ledger,
    lineage: Option<LineageId>,
    filter: &PastFilter,
    policy_now: PolicyHash,
) -> Reply {
    let found = match (filter.record, filter.at, lineage) {
        (Some(record), _, lineage) => of_record(ledger, record, lineage),
        (None, Some(at), Some(lineage)) => in_force(ledger, lineage, at),
        (None, _, _) => Ok(Err(refused(
            "which decision is wanted was not said".to_owned(),
            "name a task and a time (--at), or a record (--decision)",
        ))),
    };
    match found {
        Err(error) => Reply::refused(RefusedKind::Store, error.to_string(), "see the log"),
        Ok(Err(refused)) => *refused,
        Ok(Ok(found)) => match view(ledger, found, policy_now) {
            Ok(view) => Reply::Past(Box::new(view)),
            Err(error) => Reply::refused(RefusedKind::Store, error.to_string(), "see the log"),
        },
    }
}

type Looked = Result<Result<Found, Box<Reply>>, LedgerError>;

fn refused(what: String, hint: &str) -> Box<Reply> {
    Box::new(Reply::refused(RefusedKind::NotFound, what, hint))
}

/// The decision that a record holds, of a piece of work where it holds several.
fn of_record(ledger: &Ledger, record: u64, lineage: Option<LineageId>) -> Looked {
    let hint = "`provtaskd audit export` lists decisions with their records";
    let event = ledger.event(record)?;
    let Some(Event {
        at,
        body: EventBody::Decided { items },
        ..
    }) = event
    else {
        let what = match event {
            Some(_) => format!("record {record} is there, and holds no decision"),
            None => format!("there is no record {record}"),
        };
        return Ok(Err(refused(what, hint)));
    };
    let many = items.len();
    let mut fitting: Vec<DecidedItem> = items
        .into_iter()
        .filter(|item| lineage.is_none_or(|of| item.lineage == of))
        .collect();
    match (fitting.pop(), fitting.is_empty()) {
        (Some(decided), true) => Ok(Ok(Found {
            record,
            since: at,
            until: next_after(ledger, decided.lineage, record)?,
            decided,
        })),
        (None, _) => Ok(Err(refused(
            format!("record {record} holds {many} decisions, and none about that task"),
            hint,
        ))),
        (Some(_), false) => Ok(Err(refused(
            format!("record {record} holds {many} decisions"),
            "name the task too: `provtaskd explain TASK --decision RECORD`",
        ))),
    }
}

/// All recorded decisions about a piece of work, oldest first.
fn decisions(
    ledger: &Ledger,
    lineage: LineageId,
) -> Result<Vec<(u64, Timestamp, DecidedItem)>, LedgerError> {
    let story = ledger.story(lineage)?;
    let lines = story.lines.into_iter();
    let decided = lines.filter_map(|line| match line.event.body {
        EventBody::Decided { mut items } => Some((line.event.seq, line.event.at, items.pop()?)),
        _ => None,
    });
    Ok(decided.collect())
}

fn next_after(
    ledger: &Ledger,
    lineage: LineageId,
    record: u64,
) -> Result<Option<Timestamp>, LedgerError> {
    let all = decisions(ledger, lineage)?;
    let next = all.iter().find(|(seq, _, _)| *seq > record);
    Ok(next.map(|(_, at, _)| *at))
}

/// The decision that was in force at a time.
fn in_force(ledger: &Ledger, lineage: LineageId, at: Timestamp) -> Looked {
    let mut all = decisions(ledger, lineage)?;
    let later = all.iter().position(|(_, since, _)| *since > at);
    let place = later.unwrap_or(all.len());
    let until = all.get(place).map(|(_, since, _)| *since);
    if place == 0 {
        let what = match until {
            Some(first) => format!(
                "no decision about {lineage} was on record at {at:.0}; the first is of {first:.0}"
            ),
            None => format!("no decision about {lineage} is on record"),
        };
        let hint = "decisions are recorded when they change; what retention took out is not there any more";
        return Ok(Err(refused(what, hint)));
    }
    let (record, since, decided) = all.swap_remove(place - 1);
    Ok(Ok(Found {
        record,
        since,
        until,
        decided,
    }))
}

fn view(ledger: &Ledger, found: Found, policy_now: PolicyHash) -> Result<PastView, LedgerError> {
    let Found {
        record,
        since,
        until,
        decided,
    } = found;
    let inputs = inputs(ledger, &decided)?;
    let replay = match &inputs {
        Err(why) => ReplayView::Impossible { why: why.clone() },
        Ok((task, facts)) => replayed(ledger, &decided, task, facts)?,
    };
    let text = inputs
        .as_ref()
        .ok()
        .map(|(task, facts)| row_text(task, facts));
    let (fields, facts) = match &text {
        Some(text) => (text.fields.clone(), text.facts.clone()),
        None => (Vec::new(), Vec::new()),
    };
    let refusals: Vec<_> = decided.refusal.iter().cloned().collect();
    let (hash, relook) = (decided.hash.clone(), decided.relook);
    let (target, definition) = ledger.read(|index| {
        (
            index.target(decided.lineage).cloned(),
            index.definition(decided.lineage).cloned(),
        )
    });
    let bare = RowText {
        name: definition
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        beneficiary: None,
        owner: "-".to_owned(),
        status: "as recorded".to_owned(),
        facts: Vec::new(),
        fields: Vec::new(),
        reason_unknown: None,
    };
    let decision = Decision {
        task: decided.task,
        lineage: decided.lineage,
        target,
        process: None,
        definition,
        kind: decided.kind,
        answer: Arc::new(Answer {
            verdict: decided.verdict,
            policy: decided.policy,
            line: decided.line,
            hash: decided.hash,
            fault: decided.fault.map(|fault| fault.to_string()),
        }),
        inputs: decided.inputs,
        moment: decided.moment,
        read: decided.read,
        due: None,
        version: decided.version,
    };
    Ok(PastView {
        record,
        since,
        until,
        explain: ExplainView {
            live: false,
            as_of: since,
            lists: Vec::new(),
            item: item(decision, &refusals, relook, text.as_ref().unwrap_or(&bare)),
            policy_hash: hash,
            fields,
            facts,
            attempts: Vec::new(),
            standing: None,
        },
        policy_now,
        replay,
    })
}

/// Task and facts as they were decided on, or why they can't be had.
fn inputs(
    ledger: &Ledger,
    decided: &DecidedItem,
) -> Result<Result<(Task, Facts), String>, LedgerError> {
    let Some(text) = ledger.kept(&decided.inputs)? else {
        return Ok(Err(
            "what it rested on is not on record: it was too large, or was taken out".to_owned(),
        ));
    };
    if text_digest(&text) != decided.inputs {
        return Ok(Err(
            "what it rested on is not on record as it was: it was changed, or fields were erased"
                .to_owned(),
        ));
    }
    let read = match &decided.moment {
        Some(moment) => policy::replay_at(&text, moment),
        None => policy::replay(&text),
    };
    Ok(read.map_err(|error| error.to_string()))
}

fn replayed(
    ledger: &Ledger,
    decided: &DecidedItem,
    task: &Task,
    facts: &Facts,
) -> Result<ReplayView, LedgerError> {
    let impossible = |why: String| Ok(ReplayView::Impossible { why });
    let kept = ledger.read(|index| index.policy(&decided.hash).map(|(at, _)| at.clone()));
    let text = match &kept {
        Some(digest) => ledger.kept(digest)?,
        None => None,
    };
    let Some(text) = text else {
        return impossible("the texts of its policy set are not on record".to_owned());
    };
    let Ok(texts) = serde_json::from_str::<Vec<(String, String)>>(&text) else {
        return impossible("the recorded texts of its policy set can't be read".to_owned());
    };
    let set = match policy::recorded(texts) {
        Ok(set) => set,
        Err(error) => return impossible(error.to_string()),
    };
    if *set.hash() != decided.hash {
        return impossible(format!(
            "the recorded texts have the hash {}, the decision names {}",
            set.hash().short(),
            decided.hash.short()
        ));
    }
    let (task, facts) = (Arc::new(task.clone()), Arc::new(facts.clone()));
    let again = set.decide_anew(&task, &facts, decided.inputs.clone());
    let line = |line: Option<u32>| line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    let file = |policy: Option<&Arc<str>>| policy.map_or_else(|| "-".to_owned(), |p| p.to_string());
    let fault = |is: bool| if is { "failed" } else { "ran" }.to_owned();
    let mut what = Vec::new();
    let verdict =
        |verdict: Option<Verdict>| format!("{} ({verdict:?})", verdict_text(verdict.as_ref()));
    if decided.verdict != again.verdict {
        let (then, now) = (
            verdict_text(decided.verdict.as_ref()),
            verdict_text(again.verdict.as_ref()),
        );
        // what differs may be a time or a priority, which the words don't show
        let shown = if then == now {
            (verdict(decided.verdict.clone()), verdict(again.verdict))
        } else {
            (then, now)
        };
        what.push(("verdict".to_owned(), shown.0, shown.1));
    }
    for (name, then, now) in [
        (
            "policy",
            file(decided.policy.as_ref()),
            file(again.policy.as_ref()),
        ),
        ("line", line(decided.line), line(again.line)),
        (
            "script",
            fault(decided.fault.is_some()),
            fault(again.fault.is_some()),
        ),
    ] {
        if then != now {
            what.push((name.to_owned(), then, now));
        }
    }
    Ok(if what.is_empty() {
        ReplayView::Same
    } else {
        ReplayView::Different { what }
    })
}
