//! The oracles of order: what must have happened before what, by the simulator's journal and effects; they must never look at a client's own clock.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::drill_oracle::Evidence;

/// Faults after which a client can't know whether its PUT was carried out.
const UNCLEAR: [&str; 20] = [
    "Html500",
    "Html503",
    "Html500Applied",
    "Timeout408",
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

fn at(row: &Value) -> Timestamp {
    let text = row["at"].as_str().expect("a time");
    text.parse().expect("a timestamp")
}

fn seq(row: &Value) -> u64 {
    row["seq"].as_u64().expect("a number")
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
    let by_client = evidence.effects().any(|e| e["root"] == name.as_str());
    let mut tasks = evidence.tasks().iter().filter(|t| t["root"] == *root);
    tasks.any(|task| match task["status"].as_str() {
        Some("MC" | "X") => true,
        Some("C") => !by_client,
        _ => false,
    })
}

/// No grant, enable or change goes to an account in which something that takes access is open: it goes first, and they wait until it is settled.
pub fn revokes_first(evidence: &Evidence) -> Option<String> {
    let effects: Vec<&Value> = evidence.effects().collect();
    let mut waiting: HashMap<&Value, Vec<(&Value, Timestamp)>> = HashMap::new();
    for task in evidence.tasks() {
        // the first task of a piece of work tells since when it is open
        if task["id"] == task["root"] && takes_access(&task["kind"]) {
            let since = task["created"].as_str()?.parse().ok()?;
            waiting
                .entry(&task["process"])
                .or_default()
                .push((&task["root"], since));
        }
    }
    for (position, effect) in effects.iter().enumerate() {
        if !changes_account(&effect["kind"]) {
            continue;
        }
        let Some(revokes) = waiting.get(&effect["process"]) else {
            continue;
        };
        for (root, since) in revokes {
            let done = effects[..position]
                .iter()
                .any(|e| e["root"] == root.to_string() && e["ok"] == true);
            if *since <= at(effect) && !done && !ended_by_others(evidence, root) {
                return Some(format!(
                    "task {root} takes access and is open, and this went before it: {effect}"
                ));
            }
        }
    }
    None
}

/// Changes of one attribute of one account run in the order in which they were ordered, whether they work or not.
pub fn oldest_first(evidence: &Evidence) -> Option<String> {
    let mut order: HashMap<(&Value, &Value), Vec<(&str, &Value)>> = HashMap::new();
    for task in evidence.tasks() {
        if task["id"] == task["root"] && task["kind"] == "change" && task["automated"] == true {
            order
                .entry((&task["process"], &task["definition"]))
                .or_default()
                .push((task["origin"].as_str()?, &task["root"]));
        }
    }
    let effects: Vec<&Value> = evidence.effects().collect();
    for (position, effect) in effects.iter().enumerate() {
        let Some(changes) = order.get(&(&effect["process"], &effect["definition"])) else {
            continue;
        };
        let own = changes
            .iter()
            .find(|(_, r)| effect["root"] == r.to_string());
        let Some((origin, _)) = own else { continue };
        let overtaken = changes.iter().find(|(other, root)| {
            other < origin
                && !ended_by_others(evidence, root)
                && !effects[..position]
                    .iter()
                    .any(|e| e["root"] == root.to_string() && e["ok"] == true)
        });
        if let Some((_, root)) = overtaken {
            return Some(format!(
                "task {root} is older and not done, and this ran: {effect}"
            ));
        }
    }
    None
}

/// What may have been carried out is sent again only under another id that has shown itself, or after `settle_after` and a reading.
pub fn resent_after_reading(evidence: &Evidence) -> Option<String> {
    let mut open: HashMap<&str, &Value> = HashMap::new();
    let mut read: HashMap<&str, Timestamp> = HashMap::new();
    for row in evidence.requests() {
        if (row["class"] == "read" || row["class"] == "list") && row["status"] == 200 {
            let path = row["path"].as_str()?;
            let known: Vec<&str> = open.keys().copied().collect();
            for id in known {
                let process = evidence.task(&Value::from(id))?["process"].to_string();
                if row["class"] == "list"
                    || path.ends_with(&format!("/provtasks/{id}"))
                    || path.ends_with(&format!("/provprocesses/{process}"))
                {
                    read.insert(id, at(row));
                }
            }
        }
        if row["class"] != "put" {
            continue;
        }
        for item in row["body"]["tasks"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
        {
            let Some(id) = item["id"].as_str().filter(|_| item["action"] == "retry") else {
                continue;
            };
            if let Some(before) = open.remove(id) {
                let settled = at(before).checked_add(SETTLE).ok()?;
                if at(row) < settled || read.remove(id).is_none_or(|when| when < settled) {
                    return Some(format!(
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
    None
}

/// A new life reads everything that the old one had sent without an answer before it sends.
pub fn read_after_restart(evidence: &Evidence) -> Option<String> {
    for start in &evidence.expect.lives {
        let start = u64::try_from(*start).ok()?;
        let last_life = evidence
            .expect
            .lives
            .iter()
            .filter_map(|life| u64::try_from(*life).ok())
            .filter(|life| *life < start)
            .max()
            .unwrap_or(0);
        let unanswered: Vec<&Value> = evidence
            .class("put")
            .filter(|row| (last_life..start).contains(&seq(row)) && is_unclear(row))
            .flat_map(|row| {
                row["body"]["tasks"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice)
            })
            .filter(|item| item["action"] == "retry")
            .collect();
        let first_put = evidence
            .class("put")
            .map(seq)
            .find(|number| *number >= start);
        let Some(first_put) = first_put else { continue };
        for item in unanswered {
            let id = item["id"].as_str()?;
            let process = evidence.task(&item["id"])?["process"].to_string();
            let was_read = evidence.class("read").any(|row| {
                let path = row["path"].as_str().unwrap_or_default();
                (start..first_put).contains(&seq(row))
                    && (path.ends_with(&format!("/provtasks/{id}"))
                        || path.ends_with(&format!("/provprocesses/{process}")))
            });
            if !was_read {
                return Some(format!(
                    "task {id} was sent without an answer before the restart and not read before the first PUT after it"
                ));
            }
        }
    }
    None
}
