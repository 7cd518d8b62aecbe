//! The oracles of a round that only kills and a store of files call for; each is judged from the simulator's journal and truth and from the stores after the kills, and must never pass where a datum that it needs is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill_oracle::{Evidence, Verdict, id_of, items_of, missing, number, text};
use crate::judge::Case;
use crate::others;
use crate::phase::Remains;

/// `delivery.settle_after` of every round.
const SETTLE: SignedDuration = SignedDuration::from_mins(15);

/// So often a claim found open is asked for in vain before it is left.
const TRIES: u32 = 3;

/// Faults of a list or a reading after which it still shows what it has.
/// One that leaves rows out (every third) mostly shows the row that is meant; the journal does not say.
const SHOWN: [&str; 9] = [
    "OmitItems",
    "DuplicateItems",
    "NumericIds",
    "BaseValues",
    "MapFields",
    "ForeignNext",
    "ShiftPages",
    "OverlapPages",
    "RepeatNext",
];

/// When a row of the journal or truth was.
pub fn at(row: &Value, name: &str) -> Result<Timestamp, String> {
    text(row, name)?.parse().map_err(|_| missing(name, row))
}

/// Every row has what the oracles look at, so that none of them judges by half.
pub fn whole(evidence: &Evidence) -> Verdict {
    for name in ["tasks", "effects"] {
        if !evidence.truth[name].is_array() {
            return Err(missing(name, &evidence.truth["summary"]));
        }
    }
    for task in evidence.tasks() {
        for name in ["id", "root", "ordinal", "process", "definition_key"] {
            number(task, name)?;
        }
        for name in [
            "target",
            "definition",
            "kind",
            "status",
            "created",
            "origin",
        ] {
            text(task, name)?;
        }
        for name in ["automated", "hidden", "stale", "could_heal"] {
            task[name].as_bool().ok_or_else(|| missing(name, task))?;
        }
    }
    for (place, row) in evidence.journal.iter().enumerate() {
        if number(row, "seq")? != u64::try_from(place).unwrap_or(u64::MAX) {
            return Err(missing("the row before it in the journal", row));
        }
        match text(row, "type")? {
            "effect" => {
                at(row, "at")?;
                number(row, "process")?;
                for name in ["run", "task", "root", "target", "kind", "caused_by"] {
                    text(row, name)?;
                }
            }
            "request" => {
                at(row, "at")?;
                at(row, "wall")?;
                number(row, "number")?;
                number(row, "status")?;
                for name in ["class", "path"] {
                    text(row, name)?;
                }
                if row["class"] == "put" {
                    text(row, "request_id")?;
                    row["items"]
                        .as_array()
                        .ok_or_else(|| missing("items", row))?;
                    for item in items_of(row) {
                        text(item, "action")?;
                        evidence.known(&item["id"])?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// In no span of 60 seconds are more items sent to a target than its rate, over kills too.
pub fn rate(evidence: &Evidence, per_minute: usize) -> Verdict {
    let mut sent: BTreeMap<&str, Vec<(Timestamp, &Value)>> = BTreeMap::new();
    for (row, item) in evidence.items() {
        let target = text(evidence.known(&item["id"])?, "target")?;
        let when = (at(row, "at")?, &row["number"]);
        sent.entry(target).or_default().push(when);
    }
    for (target, times) in sent {
        for (first, (from, request)) in times.iter().enumerate() {
            let end = from
                .checked_add(SignedDuration::from_secs(60))
                .map_err(|error| error.to_string())?;
            let many = times[first..]
                .iter()
                .take_while(|(at, _)| *at < end)
                .count();
            if many > per_minute {
                return Err(format!(
                    "{many} items to {target} in the 60 seconds from request {request} on ({from}), {per_minute} may be"
                ));
            }
        }
    }
    Ok(())
}

/// Hidden ids of the runs that a PUT has caused for an item, at once or later.
pub fn runs_of<'a>(row: &'a Value, id: &Value) -> impl Iterator<Item = &'a str> {
    let id = id_of(id);
    let done = row["items"].as_array().map_or(&[][..], Vec::as_slice);
    done.iter()
        .filter(move |done| id.is_some() && id_of(&done["id"]) == id)
        .flat_map(|done| done["runs"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
}

/// Where a person completed the task in the moment of its retry, nothing shows a run that the server starts
/// all the same before its end: the daemon waits `settle_after` for it, and can wait no better.
fn told_by(evidence: &Evidence, row: &Value) -> Result<u64, String> {
    if row["fault"] != "FinishFirst" {
        return Ok(u64::MAX);
    }
    let from = at(row, "at")?
        .checked_add(SETTLE)
        .map_err(|error| error.to_string())?;
    for later in &evidence.journal {
        if later["at"].is_string() && at(later, "at")? >= from {
            return number(later, "seq");
        }
    }
    Ok(u64::MAX)
}

/// What runs at a target is the only write of its account until it has run, or an admin has ended its work.
pub fn one_write(evidence: &Evidence) -> Verdict {
    // where each run ended in the journal, and what each PUT has caused, also much later
    let mut ended: HashMap<&str, u64> = HashMap::new();
    let mut caused: HashMap<(&str, &str), u64> = HashMap::new();
    for row in evidence
        .journal
        .iter()
        .filter(|row| row["type"] == "effect")
    {
        let seq = number(row, "seq")?;
        ended.insert(text(row, "run")?, seq);
        caused.insert((text(row, "caused_by")?, text(row, "root")?), seq);
    }
    // a run that an admin forestalls never comes
    let mut by_admin: HashMap<u64, Vec<u64>> = HashMap::new();
    for (row, item) in evidence
        .items()
        .filter(|(row, _)| row["fault"] == "FinishFirst")
    {
        let root = number(evidence.known(&item["id"])?, "root")?;
        by_admin.entry(root).or_default().push(number(row, "seq")?);
    }
    for (seq, _, root) in others::acts(evidence)? {
        by_admin.entry(root).or_default().push(seq);
    }
    // by account: until which row of the journal a run is under way
    let mut busy: HashMap<u64, (u64, &Value)> = HashMap::new();
    for (row, item) in evidence.sent("retry") {
        let seq = number(row, "seq")?;
        let task = evidence.known(&item["id"])?;
        let (account, root) = (number(task, "process")?, number(task, "root")?);
        if let Some((until, before)) = busy.get(&account)
            && seq < *until
        {
            return Err(format!(
                "request {} acts on account {account} while the run of request {before} is under way",
                row["number"]
            ));
        }
        let over = |run: &str| match ended.get(run) {
            Some(seq) => *seq,
            None => {
                let ends = by_admin.get(&root).into_iter().flatten();
                ends.copied().find(|end| *end >= seq).unwrap_or(u64::MAX)
            }
        };
        let name = root.to_string();
        let later = caused.get(&(text(row, "request_id")?, name.as_str()));
        let until = runs_of(row, &item["id"]).map(over).chain(later.copied());
        if let Some(until) = until.max() {
            let until = until.min(told_by(evidence, row)?);
            busy.insert(account, (until, &row["number"]));
        }
    }
    // two writes of an account in one request are two at a time, whether they ran or not
    let mut written: BTreeSet<(u64, u64)> = BTreeSet::new();
    for (row, item) in evidence.items() {
        let account = number(evidence.known(&item["id"])?, "process")?;
        if !written.insert((number(row, "seq")?, account)) {
            return Err(format!(
                "request {} names account {account} twice",
                row["number"]
            ));
        }
    }
    Ok(())
}

/// Every item that was sent is on record at the end, with its request.
pub fn sent_is_claimed(evidence: &Evidence, rows: &[Value]) -> Verdict {
    let mut known: BTreeSet<(&str, &str)> = BTreeSet::new();
    for row in rows {
        known.insert((text(row, "batch")?, text(row, "task")?));
    }
    for (row, item) in evidence.items() {
        let batch = text(row, "request_id")?;
        let task = id_of(&item["id"]).ok_or_else(|| missing("id", item))?;
        if !known.contains(&(batch, task.to_string().as_str())) {
            return Err(format!(
                "task {task} went out in request {} ({batch}), which no claim names",
                row["number"]
            ));
        }
    }
    Ok(())
}

/// No batch goes out twice.
pub fn sent_once(evidence: &Evidence) -> Verdict {
    let mut seen: HashMap<&str, &Value> = HashMap::new();
    for row in evidence.class("put") {
        if let Some(before) = seen.insert(text(row, "request_id")?, &row["number"]) {
            return Err(format!(
                "requests {before} and {} are the same batch",
                row["number"]
            ));
        }
    }
    Ok(())
}

/// What had arrived when the daemon was killed was on disk as a claim then.
pub fn claimed_before(evidence: &Evidence, case: &Case<'_>) -> Verdict {
    for (end, remains) in case.lives.iter().zip(case.remains) {
        let rows = evidence.journal[..*end].iter();
        for row in rows.filter(|row| row["class"] == "put") {
            let batch = text(row, "request_id")?;
            if !remains.claims.contains_key(batch) {
                return Err(format!(
                    "request {} had arrived when the daemon was killed, and its batch {batch} was not on disk",
                    row["number"]
                ));
            }
        }
    }
    Ok(())
}

/// After a kill what is not known is read before anything is sent. One that can't be read although it was
/// asked for again and again is left after `settle_after`, and then nothing is sent to its account.
pub fn settled_first(evidence: &Evidence, case: &Case<'_>) -> Verdict {
    let ends = case.lives.iter().copied().skip(1);
    let ends = ends.chain([evidence.journal.len()]);
    for ((begin, remains), end) in case.lives.iter().zip(case.remains).zip(ends) {
        let life = &evidence.journal[*begin..end];
        let Some(first) = life.iter().position(|row| row["class"] == "put") else {
            continue;
        };
        for task in remains.unknown.values() {
            let known = evidence.known(&Value::from(task.as_str()))?;
            let (mut told, mut in_vain) = (false, 0);
            for row in &life[..first] {
                told |= match row["class"].as_str() {
                    Some("read") => {
                        let path = text(row, "path")?;
                        let about = path.ends_with(&format!("/provtasks/{task}"))
                            || path.ends_with(&format!("/provprocesses/{}", known["process"]));
                        let answered = shows(row) && matches!(number(row, "status")?, 200 | 404);
                        in_vain += u32::from(about && !answered);
                        about && answered
                    }
                    Some("list") => shows_successor(evidence, known, row)?,
                    _ => false,
                };
            }
            told |= lists_itself(evidence, known, &life[..first])?;
            let mut left = in_vain >= TRIES
                && at(&life[first], "at")?.duration_since(at(&life[0], "at")?) >= SETTLE;
            for item in items_of(&life[first]) {
                left &= evidence.known(&item["id"])?["process"] != known["process"];
            }
            if !told && !left {
                return Err(format!(
                    "what became of task {task} was not known at the kill at row {begin}, and request {} went out before it was read",
                    life[first]["number"]
                ));
            }
        }
    }
    Ok(())
}

/// Whether an answer shows what it has.
fn shows(row: &Value) -> bool {
    let fault = row["fault"].as_str();
    fault.is_none_or(|fault| SHOWN.contains(&fault))
}

/// Whether a list could show what had become of a task: its successor.
fn shows_successor(evidence: &Evidence, task: &Value, list: &Value) -> Result<bool, String> {
    if list["status"] != 200 || !shows(list) {
        return Ok(false);
    }
    let (root, id) = (number(task, "root")?, number(task, "id")?);
    let when = at(list, "at")?;
    for other in evidence.tasks() {
        if number(other, "root")? == root
            && number(other, "id")? > id
            && other["hidden"] != true
            && at(other, "created")? <= when
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a whole walk through the list could show the task itself, or what it had become then: a row that
/// is open and not hidden.
fn lists_itself(evidence: &Evidence, task: &Value, rows: &[Value]) -> Result<bool, String> {
    let root = number(task, "root")?;
    let mut own = Vec::new();
    for other in evidence.tasks() {
        if number(other, "root")? == root {
            own.push((number(other, "id")?, at(other, "created")?, other));
        }
    }
    own.sort_by_key(|(id, ..)| *id);
    // where a retry keeps its id, what closed it later
    let mut closed: BTreeMap<u64, Timestamp> = BTreeMap::new();
    for effect in evidence
        .journal
        .iter()
        .filter(|row| row["type"] == "effect")
    {
        if let (Some(id), true) = (id_of(&effect["task"]), effect["ok"] == true) {
            closed.insert(id, at(effect, "at")?);
        }
    }
    // or a person has, later than that
    for act in evidence.journal.iter().filter(|row| row["type"] == "act") {
        let closes = matches!(act["act"]["do"].as_str(), Some("complete" | "cancel"));
        let tasks = act["tasks"].as_array().into_iter().flatten();
        for id in tasks.filter_map(id_of).filter(|_| closes) {
            let when = at(act, "at")?;
            closed.entry(id).or_insert(when);
        }
    }
    let shown_at = |when: Timestamp| {
        let last = own.iter().rposition(|(_, created, _)| *created <= when);
        last.is_some_and(|last| {
            let (id, _, row) = &own[last];
            // one with a successor was open until that came
            let open = last + 1 < own.len()
                || row["status"] == "R"
                || row["status"] == "P"
                || closed.get(id).is_some_and(|closed| *closed > when);
            open && row["hidden"] != true
        })
    };
    let mut walk: Option<Timestamp> = None;
    for row in rows.iter().filter(|row| row["class"] == "list") {
        let query = text(row, "query")?;
        if query.split('&').any(|part| part == "offset=1") {
            if walk.is_some_and(shown_at) {
                return Ok(true);
            }
            walk = Some(at(row, "at")?);
        }
        if row["status"] != 200 || !shows(row) {
            walk = None;
        }
    }
    Ok(walk.is_some_and(shown_at))
}

/// Nothing that was acknowledged before a kill is lost or changed after it.
pub fn acknowledged(remains: &[Remains]) -> Verdict {
    let mut before: Option<&Remains> = None;
    for after in remains {
        if after.unreadable > 0 {
            return Err(format!("{} records can't be read", after.unreadable));
        }
        if after.records.len() > 1 && !after.marked {
            return Err(
                "the sidecar does not say up to where the store was acknowledged".to_owned(),
            );
        }
        if let Some(before) = before {
            let mut known = before.records.range(..=before.acknowledged);
            if let Some((seq, _)) =
                known.find(|(seq, digest)| after.records.get(seq) != Some(digest))
            {
                return Err(format!(
                    "record {seq} was acknowledged and is not there any more, or another one"
                ));
            }
        }
        before = Some(after);
    }
    Ok(())
}

/// What is called not applied, unsent or refused has had no effect.
pub fn not_applied(evidence: &Evidence, rows: &[Value]) -> Verdict {
    for row in rows {
        if !matches!(text(row, "state")?, "not_applied" | "unsent" | "refused") {
            continue;
        }
        let root = evidence.known(&row["task"])?["root"].to_string();
        let mut effects = evidence.effects();
        let effect = effects.find(|e| e["caused_by"] == row["batch"] && e["root"] == root.as_str());
        if let Some(effect) = effect {
            return Err(format!("{row} is said to have had no effect: {effect}"));
        }
    }
    Ok(())
}

/// What is called completed is done.
pub fn completed(evidence: &Evidence, rows: &[Value]) -> Verdict {
    for row in rows {
        if text(row, "state")? != "completed" || text(row, "action")? != "retry" {
            continue;
        }
        let root = number(evidence.known(&row["task"])?, "root")?;
        let mut tasks = evidence.tasks().iter();
        // what an admin has completed by hand is no work of the connector, and nothing of ours
        let done = |task: &Value| task["status"] == "C";
        if !tasks.any(|task| task["root"] == root && done(task)) {
            return Err(format!(
                "{row} is said to be completed, and nothing of it is"
            ));
        }
    }
    Ok(())
}
