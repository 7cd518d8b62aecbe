//! The oracles of order: what must have happened before what, by the simulator's journal and effects; they must never look at a client's own clock, nor pass where a datum is missing.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill_oracle::{Evidence, Verdict, id_of, is_clients, items_of, missing, number, text};

/// Faults after which a client can't know whether its PUT was carried out.
const UNCLEAR: [&str; 21] = [
    "Html500",
    "Html503",
    "Html500Applied",
    "Timeout408",
    "Gateway504",
    "XmlError",
    "Empty200",
    "TruncatedJson",
    "CutBody",
    "LoginPage",
    "ResetBefore",
    "ResetAfter",
    "Hang",
    "HangUnapplied",
    "SlowApply",
    "TooMany",
    "LoginRedirect",
    "Forbidden",
    "NotFound",
    "Oversized",
    "GzipBomb",
];

/// `delivery.settle_after` of every drill.
const SETTLE: SignedDuration = SignedDuration::from_mins(15);

/// Whether a client can't know what a PUT came to: by its fault, or because it was killed before it had
/// the answer on disk, which is marked as `cut`.
pub fn is_unclear(request: &Value) -> bool {
    let fault = request["fault"].as_str();
    request["cut"] == true || fault.is_some_and(|fault| UNCLEAR.contains(&fault))
}

fn at(row: &Value) -> Result<Timestamp, String> {
    text(row, "at")?.parse().map_err(|_| missing("at", row))
}

fn takes_access(kind: &Value) -> bool {
    kind == "revoke" || kind == "disable"
}

fn changes_account(kind: &Value) -> bool {
    matches!(
        kind.as_str(),
        Some("create" | "grant" | "change" | "enable" | "password")
    )
}

/// A person, or OIG itself, has brought a piece of work to its end.
fn ended_by_others(evidence: &Evidence, root: &Value) -> bool {
    let name = root.to_string();
    // a run that has done it stands among the effects, with its time, whoever ordered it
    let by_run = evidence
        .all_effects()
        .any(|e| e["root"] == name.as_str() && e["ok"] == true);
    let mut tasks = evidence.tasks().iter().filter(|t| t["root"] == *root);
    tasks.any(|task| match task["status"].as_str() {
        Some("MC" | "X") => true,
        Some("C") => !by_run,
        _ => false,
    })
}

/// No grant, enable or change goes to an account in which something that takes access is open: it goes first, and they wait until it is settled.
pub fn revokes_first(evidence: &Evidence) -> Verdict {
    let effects: Vec<&Value> = evidence.all_effects().collect();
    let mut waiting: HashMap<&Value, Vec<(&Value, Timestamp)>> = HashMap::new();
    for task in evidence.tasks() {
        // the first task of a piece of work tells since when it is open
        if task["id"] == task["root"] && takes_access(&task["kind"]) {
            let since = text(task, "created")?.parse::<Timestamp>();
            waiting
                .entry(&task["process"])
                .or_default()
                .push((&task["root"], since.map_err(|_| missing("created", task))?));
        }
    }
    for (position, effect) in effects.iter().enumerate() {
        text(effect, "kind")?;
        if !changes_account(&effect["kind"]) || !is_clients(effect) {
            continue;
        }
        number(effect, "process")?;
        let Some(revokes) = waiting.get(&effect["process"]) else {
            continue;
        };
        for (root, since) in revokes {
            let done = effects[..position]
                .iter()
                .any(|e| e["root"] == root.to_string() && e["ok"] == true);
            if *since <= at(effect)? && !done && !ended_by_others(evidence, root) {
                return Err(format!(
                    "task {root} takes access and is open, and this went before it: {effect}"
                ));
            }
        }
    }
    Ok(())
}

/// Changes of one attribute of one account run in the order in which they were ordered, whether they work or not.
pub fn oldest_first(evidence: &Evidence) -> Verdict {
    let mut order: HashMap<(&Value, &Value), Vec<(&str, &Value)>> = HashMap::new();
    for task in evidence.tasks() {
        if task["id"] == task["root"] && task["kind"] == "change" && task["automated"] == true {
            order
                .entry((&task["process"], &task["definition"]))
                .or_default()
                .push((text(task, "origin")?, &task["root"]));
        }
    }
    let effects: Vec<&Value> = evidence.all_effects().collect();
    for (position, effect) in effects.iter().enumerate() {
        if text(effect, "kind")? != "change" || !is_clients(effect) {
            continue;
        }
        let changes = order
            .get(&(&effect["process"], &effect["definition"]))
            .ok_or_else(|| missing("its account's changes in the truth", effect))?;
        let (origin, _) = changes
            .iter()
            .find(|(_, r)| effect["root"] == r.to_string())
            .ok_or_else(|| missing("its first task in the truth", effect))?;
        let overtaken = changes.iter().find(|(other, root)| {
            other < origin
                && !ended_by_others(evidence, root)
                && !effects[..position]
                    .iter()
                    .any(|e| e["root"] == root.to_string() && e["ok"] == true)
        });
        if let Some((_, root)) = overtaken {
            return Err(format!(
                "task {root} is older and not done, and this ran: {effect}"
            ));
        }
    }
    Ok(())
}

/// The id of an item in a request.
fn sent_id(item: &Value) -> Result<u64, String> {
    id_of(&item["id"]).ok_or_else(|| missing("id", item))
}

/// Whether a request reads a task or its account.
fn reads(row: &Value, id: u64, process: &Value) -> Result<bool, String> {
    let path = text(row, "path")?;
    Ok(path.ends_with(&format!("/provtasks/{id}"))
        || path.ends_with(&format!("/provprocesses/{process}")))
}

/// What may have been carried out is sent again only under another id that has shown itself, or after `settle_after` and a reading.
pub fn resent_after_reading(evidence: &Evidence) -> Verdict {
    let mut open: HashMap<u64, &Value> = HashMap::new();
    let mut read: HashMap<u64, Timestamp> = HashMap::new();
    for row in evidence.requests() {
        if (row["class"] == "read" || row["class"] == "list") && row["status"] == 200 {
            let known: Vec<u64> = open.keys().copied().collect();
            for id in known {
                let process = &evidence.known(&Value::from(id))?["process"];
                if row["class"] == "list" || reads(row, id, process)? {
                    read.insert(id, at(row)?);
                }
            }
        }
        if row["class"] != "put" {
            continue;
        }
        for item in items_of(row).filter(|item| item["action"] == "retry") {
            let id = sent_id(item)?;
            if let Some(before) = open.remove(&id) {
                let settled = at(before)?
                    .checked_add(SETTLE)
                    .map_err(|error| error.to_string())?;
                if at(row)? < settled || read.remove(&id).is_none_or(|when| when < settled) {
                    return Err(format!(
                        "task {id} was sent in request {} without a clear answer and again in {}",
                        before["number"], row["number"]
                    ));
                }
            }
            if is_unclear(row) {
                open.insert(id, row);
            }
        }
    }
    Ok(())
}

/// A new life reads everything that a login of the old one had sent without an answer before it sends as that login.
pub fn read_after_restart(evidence: &Evidence) -> Verdict {
    let mut lives = Vec::new();
    for life in &evidence.expect.lives {
        lives.push(u64::try_from(*life).map_err(|error| error.to_string())?);
    }
    let mut puts = Vec::new();
    for row in evidence.class("put") {
        puts.push((number(row, "seq")?, row));
    }
    for start in lives.iter().copied() {
        let before = lives.iter().copied().filter(|life| *life < start).max();
        let last_life = before.unwrap_or(0);
        let unanswered = puts
            .iter()
            .filter(|(seq, row)| (last_life..start).contains(seq) && is_unclear(row))
            .flat_map(|(_, row)| items_of(row).map(move |item| (*row, item)))
            .filter(|(_, item)| item["action"] == "retry");
        for (sent, item) in unanswered {
            let mut own = puts.iter().filter(|(_, row)| row["login"] == sent["login"]);
            let Some((first_put, _)) = own.find(|(seq, _)| *seq >= start) else {
                continue;
            };
            let id = sent_id(item)?;
            let process = &evidence.known(&item["id"])?["process"];
            let mut was_read = false;
            for row in evidence.class("read") {
                was_read |= row["denied"].is_null()
                    && (start..*first_put).contains(&number(row, "seq")?)
                    && reads(row, id, process)?;
            }
            if !was_read {
                return Err(format!(
                    "task {id} was sent without an answer before the restart and not read before the first PUT of {} after it",
                    sent["login"]
                ));
            }
        }
    }
    Ok(())
}
