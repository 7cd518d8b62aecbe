//! Picks five pieces of work from the daemon's own records and tells why each was done or left; it adds no word that the daemon has not recorded or read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::stage::Stage;
use crate::cli::failure::Failure;
use crate::cli::render::clean;
use crate::control::{ExplainView, OutcomeRow, PlanItem};
use crate::model::{ActionName, AttemptState, LineageId, Principal, RefusalReason};

/// The target that is down until noon.
const DOWN: &str = "EXCHANGE";
/// The target that nobody will switch on again.
const RETIRED: &str = "LEGACYHR";
/// Who stands in for the owner on leave.
const STAND_IN: &str = "DWEBER";

/// One story.
pub struct Told {
    /// What it shows.
    pub title: &'static str,
    /// The piece of work; none where the day brought no such case.
    pub lineage: Option<LineageId>,
    text: String,
}

/// What to look for.
struct Sort {
    title: &'static str,
    pick: fn(&Records<'_>) -> Option<LineageId>,
}

const SORTS: [Sort; 5] = [
    Sort {
        title: "An outage: tried again until the target was back",
        pick: healed,
    },
    Sort {
        title: "A retired target: probed now and then, otherwise left alone",
        pick: retired,
    },
    Sort {
        title: "A manual task: OIG refused the retry, so people got it",
        pick: manual,
    },
    Sort {
        title: "A leaver's old grant: not given back",
        pick: stale,
    },
    Sort {
        title: "An owner on leave: the stand-in has the task now",
        pick: on_leave,
    },
];

/// The daemon's records.
struct Records<'a> {
    /// Attempts by piece of work, oldest first.
    attempts: BTreeMap<LineageId, Vec<&'a OutcomeRow>>,
    plan: &'a [PlanItem],
}

/// Tells all five.
pub async fn tell(
    stage: &Stage,
    outcomes: &[OutcomeRow],
    plan: &[PlanItem],
) -> Result<Vec<Told>, Failure> {
    let mut attempts: BTreeMap<LineageId, Vec<&OutcomeRow>> = BTreeMap::new();
    for row in outcomes.iter().rev() {
        attempts.entry(row.lineage).or_default().push(row);
    }
    let records = Records { attempts, plan };
    let mut told = Vec::new();
    for sort in SORTS {
        let lineage = (sort.pick)(&records);
        let text = match lineage {
            Some(lineage) => story(&stage.explain(lineage.to_string()).await?),
            None => "   this day brought no such case\n".to_owned(),
        };
        told.push(Told {
            title: sort.title,
            lineage,
            text,
        });
    }
    Ok(told)
}

fn healed(records: &Records<'_>) -> Option<LineageId> {
    // the one that was tried most often shows the pauses best
    records
        .attempts
        .iter()
        .filter(|(_, rows)| {
            let bounced = rows.iter().any(|row| row.state == AttemptState::Bounced);
            let last = rows.last().map(|row| row.state);
            let down = rows.iter().any(|row| is_on(row.target.as_ref(), DOWN));
            down && bounced && last == Some(AttemptState::Completed)
        })
        .max_by_key(|(lineage, rows)| (rows.len(), std::cmp::Reverse(**lineage)))
        .map(|(lineage, _)| *lineage)
}

fn retired(records: &Records<'_>) -> Option<LineageId> {
    let held = |reason: RefusalReason| {
        records
            .plan
            .iter()
            .filter(move |item| item.refusals.iter().any(|r| r.reason == reason))
    };
    held(RefusalReason::BreakerOpen)
        .filter(|item| is_on(item.target.as_ref(), RETIRED))
        .max_by_key(|item| {
            let tried = records.attempts.get(&item.lineage).map_or(0, Vec::len);
            (tried, std::cmp::Reverse(item.lineage))
        })
        .map(|item| item.lineage)
}

fn manual(records: &Records<'_>) -> Option<LineageId> {
    records
        .attempts
        .iter()
        .find(|(_, rows)| {
            let refused = rows.iter().any(|row| row.state == AttemptState::Refused);
            let last = rows.last().map(|row| (row.action, row.state));
            refused && last == Some((ActionName::Reassign, AttemptState::Completed))
        })
        .map(|(lineage, _)| *lineage)
}

fn stale(records: &Records<'_>) -> Option<LineageId> {
    records
        .plan
        .iter()
        .find(|item| {
            let refused = item
                .refusals
                .iter()
                .any(|r| r.reason == RefusalReason::StaleGrant);
            let leaver = item
                .beneficiary
                .as_ref()
                .is_some_and(|login| login.as_str().starts_with("LVR"));
            refused && leaver
        })
        .map(|item| item.lineage)
}

fn on_leave(records: &Records<'_>) -> Option<LineageId> {
    let is_stand_in =
        |to: &Principal| matches!(to, Principal::User { login, .. } if login.as_str() == STAND_IN);
    records
        .attempts
        .iter()
        .find(|(_, rows)| {
            rows.last().is_some_and(|row| {
                row.state == AttemptState::Completed && row.to.as_ref().is_some_and(is_stand_in)
            })
        })
        .map(|(lineage, _)| *lineage)
}

fn is_on(target: Option<&crate::model::TargetName>, name: &str) -> bool {
    target.is_some_and(|target| target.as_str() == name)
}

/// Columns of a story's text.
const COLUMNS: usize = 88;
/// Lines of one text; `explain` shows it whole.
const LINES: usize = 3;

fn story(view: &ExplainView) -> String {
    let item = &view.item;
    let mut out = String::new();
    let field = |name: &str| view.fields.iter().find(|(of, _)| of == name);
    let target = item.target.as_ref().map_or("-", |t| t.as_str());
    let whom = field("beneficiary").map_or("-", |(_, login)| login);
    put(
        &mut out,
        "task",
        &format!("{}, {} for {whom} on {target}", item.task, item.name),
    );
    for attempt in &view.attempts {
        let row = &attempt.row;
        let at = row.claimed.strftime("%a %H:%M").to_string();
        for (number, text) in attempt.decided.iter().enumerate() {
            // of a further retry only what differs: the same values again would hide it
            match (number, row.ordinal, row.action) {
                (0, _, _) => put(&mut out, &at, text),
                (1, _, _) => put(&mut out, "", &short(text)),
                (_, 1, _) | (_, _, ActionName::Reassign) => put(&mut out, "", text),
                _ => {}
            }
        }
        let last = attempt.evidence.last().map_or("", String::as_str);
        let last = last.split_once(": ").map_or(last, |(_, text)| text);
        put(&mut out, "", &format!("-> {}: {last}", row.state));
    }
    // what stands now, where no attempt has ended it
    if !item.refusals.is_empty() {
        let rule = item.rule.as_deref().unwrap_or("no policy");
        put(&mut out, "now", &format!("{} [{rule}]", item.verdict_text));
        let read: Vec<String> = item
            .read
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        put(&mut out, "", &short(&read.join(", ")));
        for refusal in &item.refusals {
            put(&mut out, "not sent", &refusal.text);
        }
    }
    out
}

/// Values without the word that stands before each of them.
fn short(read: &str) -> String {
    read.replace("facts.", "").replace("task.", "")
}

/// A name and its text, wrapped; a long text is cut, and says so.
fn put(out: &mut String, name: &str, text: &str) {
    let mut lines: Vec<String> = vec![String::new()];
    for word in clean(text).split_whitespace() {
        let fits = |line: &String| line.chars().count() + word.chars().count() < COLUMNS;
        match lines.last_mut() {
            Some(line) if line.is_empty() || fits(line) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!(" {word}")),
        }
    }
    let cut = lines.len() > LINES;
    lines.truncate(LINES);
    if cut && let Some(last) = lines.last_mut() {
        last.push_str(" ...");
    }
    for (number, line) in lines.iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        // writing to a String can't fail
        let _ = writeln!(out, "   {name:9}{line}");
    }
}

/// All of them, for the report.
pub fn text(told: &[Told]) -> String {
    let mut out = String::from("Five decisions, and the values that they rest on\n");
    for (number, story) in (1u32..).zip(told) {
        let _ = write!(out, "\n{number}  {}\n{}", story.title, story.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_wrapped_and_says_where_it_was_cut() {
        let mut out = String::new();
        put(&mut out, "now", &"values and reasons ".repeat(40));
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("   now"));
        assert!(lines[2].ends_with(" ..."));
        assert!(lines.iter().all(|line| line.len() < COLUMNS + 20));
        let mut brief = String::new();
        put(&mut brief, "now", "a b");
        assert_eq!(brief, "   now       a b\n");
    }
}
