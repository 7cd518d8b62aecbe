//! Oracles of the lines in the notes of tasks: on disk before they go out, none sent twice, and nobody's words lost; they must never take a note for an attempt.

use std::collections::HashMap;

use serde_json::Value;

use crate::drill_oracle::{Evidence, Verdict, id_of, items_of, missing, text};
use crate::judge::Case;

/// What the admin of these worlds writes into notes.
pub const BY_ADMIN: &str = "seen by an admin";
/// How each line begins.
const OURS: &str = "[provtaskd L";

/// Gives the requests that set notes a class of their own: what is asked about attempts is not asked of them.
pub fn set_apart(journal: &mut [Value]) {
    for row in journal {
        let sets = row["class"] == "put" && items_of(row).all(|item| item["action"] == "setNote");
        if sets {
            row["class"] = Value::from("note");
        }
    }
}

/// The lines are written by the rules.
pub fn notes(evidence: &Evidence, case: &Case<'_>) -> Verdict {
    let mut sent: HashMap<String, &Value> = HashMap::new();
    // the last note of each task that is known to have been there
    let mut there: HashMap<u64, String> = HashMap::new();
    for (place, row) in evidence.journal.iter().enumerate() {
        if row["class"] != "note" {
            continue;
        }
        let number = &row["number"];
        let path = text(row, "path")?;
        let task = path.rsplit('/').next().and_then(|id| id.parse().ok());
        let task: u64 = task.ok_or_else(|| missing("the task in the path", row))?;
        let item = items_of(row).next().ok_or_else(|| missing("body", row))?;
        let note = text(&item["fields"][0], "value")?;
        let (before, line) = note.rsplit_once('\n').unwrap_or(("", note));
        let key = line
            .strip_prefix(OURS)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| format!("request {number} adds no line of ours: {note:?}"))?
            .0;
        if let Some(first) = sent.insert(key.to_owned(), number) {
            return Err(format!(
                "requests {first} and {number} say the same of attempt L{key}"
            ));
        }
        if let Some(words) = before
            .lines()
            .find(|words| *words != BY_ADMIN && !words.starts_with(OURS))
        {
            return Err(format!(
                "request {number} writes {words:?}, which nobody wrote"
            ));
        }
        if let Some(last) = there.get(&task)
            && !before.contains(last.as_str())
            && !before.contains(BY_ADMIN)
        {
            return Err(format!(
                "request {number} takes {last:?} out of task {task}"
            ));
        }
        if row["fault"].is_null() {
            there.insert(task, line.to_owned());
        }
        let batch = text(row, "request_id")?;
        for (end, remains) in case.lives.iter().zip(case.remains) {
            if place < *end && !remains.notes.contains(batch) {
                return Err(format!(
                    "request {number} had arrived when the daemon was killed, and its line was not on disk"
                ));
            }
        }
        if !evidence
            .tasks()
            .iter()
            .any(|known| id_of(&known["id"]) == Some(task))
        {
            return Err(missing("the task in the truth", row));
        }
    }
    Ok(())
}
