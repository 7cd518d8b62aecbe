//! Views to text: tables that fit the terminal, stories to be read from top to bottom, JSON; pure, and it lets no control character through.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::{Failure, Kind};
use crate::control::{
    AttemptView, ExplainView, InboxItem, LOGIN_HINT, LoginView, OutcomeRow, PauseView, PlanItem,
    PlanView, StatusView, Story, one_line,
};

/// Pretty JSON with a line end.
pub fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::of(Kind::Internal, &error))
}

/// One JSON object a line.
pub fn json_lines<T: Serialize>(values: &[T]) -> Result<String, Failure> {
    let mut out = String::new();
    for value in values {
        let line = serde_json::to_string(value).map_err(|e| Failure::of(Kind::Internal, &e))?;
        out.push_str(&line);
        out.push('\n');
    }
    Ok(out)
}

/// Texts of the server may hold escape sequences, which must not reach a terminal.
pub fn clean(text: &str) -> String {
    one_line(text)
}

pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn opt_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn table(width: u16, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
    }
    format!("{}\n", table.trim_fmt())
}

/// `name   value` lines.
fn pairs(out: &mut String, pairs: &[(&str, String)]) {
    let widest = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        // writing to a String can't fail
        let _ = writeln!(out, "{name:widest$}  {}", clean(value));
    }
}

/// What, who, since when and why.
fn pause_line(pause: &PauseView) -> String {
    let mut line = format!("{} by {}", pause.what, pause.by);
    for (word, at) in [("since", pause.since), ("until", pause.until)] {
        if let Some(at) = at {
            // writing to a String can't fail
            let _ = write!(line, " {word} {}", time(at));
        }
    }
    if let Some(why) = &pause.why {
        let _ = write!(line, ": {why}");
    }
    line
}

/// What stands for the values of a daemon, where none runs.
const UNKNOWN: &str = "not known while no daemon runs";

/// `status`
pub fn status(view: &StatusView, width: u16) -> String {
    let mut out = String::new();
    // what only a running daemon knows is not "not yet" without one
    let idle = view.pid.is_none() && view.last_cycle.is_none();
    let mode = if view.mode_why.is_empty() {
        view.effective_mode.to_string()
    } else {
        format!(
            "{} (configured: {}; {})",
            view.effective_mode,
            view.mode,
            view.mode_why.join("; ")
        )
    };
    let policy = match (&view.policy_hash, &view.policy_released) {
        (None, _) => "none loaded".to_owned(),
        (Some(hash), None) => format!("{hash}, not released"),
        (Some(hash), Some(by)) => {
            format!(
                "{}, released {} by {} ({})",
                hash.short(),
                time(by.at),
                by.person,
                by.word
            )
        }
    };
    let login = match &view.login_state {
        LoginView::Untried if idle => UNKNOWN.to_owned(),
        LoginView::Untried => "not tried yet".to_owned(),
        LoginView::Good => "good".to_owned(),
        LoginView::Stopped { since, why } => {
            format!("STOPPED since {}: {why}; {LOGIN_HINT}", time(*since))
        }
    };
    let visible = match view.tasks_visible {
        Some(count) => format!(
            "{count} tasks visible to {}, read {}",
            view.login,
            opt_time(view.tasks_as_of)
        ),
        None if idle => UNKNOWN.to_owned(),
        None => "not read yet".to_owned(),
    };
    let cycle = match (view.last_cycle, view.last_cycle_ms) {
        (Some(at), Some(ms)) => format!("{}, {ms} ms", time(at)),
        (None, _) if idle => UNKNOWN.to_owned(),
        (at, _) => opt_time(at),
    };
    let next = match view.next_cycle {
        None if idle => "none while no daemon runs".to_owned(),
        at => opt_time(at),
    };
    let requests = if idle {
        UNKNOWN.to_owned()
    } else {
        format!(
            "{} writes, {} reads since start",
            view.writes_sent, view.reads_sent
        )
    };
    let daemon = view.pid.map_or_else(
        || "not running; from the store".to_owned(),
        |pid| format!("running, pid {pid}, since {}", opt_time(view.started)),
    );
    pairs(
        &mut out,
        &[
            ("provtaskd", format!("{}, {daemon}", view.version)),
            ("server", format!("{} as {}", view.server, view.login)),
            ("login", login),
            ("mode", mode),
            ("policy", policy),
            ("tasks", visible),
            ("last cycle", cycle),
            ("next cycle", next),
            ("requests", requests),
            ("attempts", format!("{} not settled", view.attempts_open)),
            ("inbox", format!("{} waiting for a person", view.inbox)),
            ("store", format!("{}: {}", view.store, view.store_state)),
            ("world", view.world.clone()),
        ],
    );
    for (name, problem) in [
        ("last error", &view.last_error),
        ("server clock", &view.server_clock),
        ("reload", &view.reload_error),
        ("configuration", &view.config_error),
    ] {
        if let Some(text) = problem {
            let _ = writeln!(out, "{name}: {}", clean(text));
        }
    }
    for pause in &view.pauses {
        let _ = writeln!(out, "paused: {}", clean(&pause_line(pause)));
    }
    if !view.targets.is_empty() {
        out.push('\n');
        out += &table(
            width,
            &[
                "target",
                "visible",
                "rejected",
                "open",
                "completed",
                "failed",
                "breaker",
            ],
            view.targets.iter().map(|t| {
                vec![
                    t.target.clone(),
                    t.visible.to_string(),
                    t.rejected.to_string(),
                    t.open.to_string(),
                    t.completed.to_string(),
                    t.failed.to_string(),
                    t.breaker.clone(),
                ]
            }),
        );
    }
    counts(
        &mut out,
        "attempts so far",
        view.attempts.iter().map(|(s, n)| (s.as_str(), *n)),
    );
    counts(
        &mut out,
        "not done now",
        view.refusals.iter().map(|(r, n)| (r.as_str(), *n)),
    );
    counts(
        &mut out,
        "definitions without a kind",
        view.unmapped.iter().map(|(d, n)| (d.as_str(), *n)),
    );
    out
}

fn counts<'a>(out: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, u64)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        let _ = writeln!(out, "\n{title}:");
    }
    for (word, count) in rows {
        let _ = writeln!(out, "  {count:>8}  {}", clean(word));
    }
}

/// The one line that says what becomes of an item.
fn fate(item: &PlanItem) -> String {
    if let Some(fault) = &item.fault {
        return format!("policy fault: {fault}");
    }
    let refusals: Vec<&str> = item.refusals.iter().map(|r| r.text.as_str()).collect();
    if !refusals.is_empty() {
        refusals.join("; ")
    } else {
        match item.due {
            Some(due) => format!("due {}", time(due)),
            None => "now".to_owned(),
        }
    }
}

/// `plan`
pub fn plan(view: &PlanView, width: u16) -> String {
    let mut out = format!(
        "{} tasks visible to {}, read {}\nmode {}, policy set {}\n\n",
        view.visible,
        view.login,
        time(view.as_of),
        view.mode,
        view.policy_hash.short()
    );
    out += &table(
        width,
        &["task", "target", "what", "answer", "when, or why not"],
        view.items.iter().map(|item| {
            let rule = item
                .rule
                .as_deref()
                .map_or(String::new(), |r| format!(" [{r}]"));
            vec![
                item.task.to_string(),
                or_dash(item.target.as_ref()),
                format!("{} ({})", item.name, item.kind),
                format!("{}{rule}", item.verdict_text),
                fate(item),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "\n{} item(s); `provtaskd explain TASK` shows the values behind one",
        view.items.len()
    );
    if view.left_out > 0 {
        let _ = writeln!(out, "{} more left out by --limit", view.left_out);
    }
    out
}

fn item_pairs(item: &PlanItem) -> Vec<(&'static str, String)> {
    let lineage = if item.lineage.0 == 0 {
        "new".to_owned()
    } else {
        item.lineage.to_string()
    };
    let mut rows = vec![
        (
            "task",
            format!("{} ({lineage}), {}", item.task, item.status),
        ),
        (
            "what",
            format!(
                "{} ({}) on {}",
                item.name,
                item.kind,
                or_dash(item.target.as_ref())
            ),
        ),
        ("for", or_dash(item.beneficiary.as_ref())),
        ("owner", item.owner.clone()),
        ("answer", item.verdict_text.clone()),
        (
            "by",
            item.rule.clone().unwrap_or_else(|| "no policy".to_owned()),
        ),
    ];
    if let Some(fault) = &item.fault {
        rows.push(("fault", fault.clone()));
    }
    if let Some(due) = item.due {
        rows.push(("due", time(due)));
    }
    if let Some(relook) = item.relook {
        rows.push(("looked at again from", time(relook)));
    }
    rows
}

fn decision(out: &mut String, item: &PlanItem) {
    pairs(out, &item_pairs(item));
    if !item.read.is_empty() {
        out.push_str("\nthe rule read:\n");
        for (name, value) in &item.read {
            let _ = writeln!(out, "  {} = {}", clean(name), clean(value));
        }
    }
    if item.refusals.is_empty() {
        return;
    }
    out.push_str("\nnot done now, because:\n");
    for refusal in &item.refusals {
        let person = if refusal.needs_person {
            " (a person must act)"
        } else {
            ""
        };
        let _ = writeln!(out, "  {}{person}", clean(&refusal.text));
        let _ = writeln!(out, "    {}", refusal.reason.explanation().trim());
    }
}

fn attempts(out: &mut String, list: &[AttemptView]) {
    if list.is_empty() {
        return;
    }
    out.push_str("\nattempts:\n");
    for attempt in list {
        let row = &attempt.row;
        let to = row
            .to
            .as_ref()
            .map_or(String::new(), |to| format!(" to {to}"));
        let _ = writeln!(
            out,
            "  {}. {} {}{to} on task {}: {}{}",
            row.ordinal,
            time(row.claimed),
            row.action,
            row.task,
            row.state,
            row.settled
                .map_or(String::new(), |at| format!(", settled {}", time(at))),
        );
        for line in &attempt.decided {
            let _ = writeln!(out, "     decided: {}", clean(line));
        }
        for line in &attempt.evidence {
            let _ = writeln!(out, "     read: {}", clean(line));
        }
        if let Some(batch) = &attempt.batch {
            let _ = writeln!(out, "     request {}", clean(batch));
        }
    }
}

/// `explain`
pub fn explain(view: &ExplainView, _width: u16) -> String {
    let source = if view.live {
        "read from the server"
    } else {
        "from the record"
    };
    let mut out = format!(
        "{source}, {}; policy set {}\n\n",
        time(view.as_of),
        view.policy_hash.short()
    );
    decision(&mut out, &view.item);
    for (title, list) in [("the task says", &view.fields), ("facts", &view.facts)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}:");
        for (name, value) in list {
            let _ = writeln!(out, "  {}: {}", clean(name), clean(value));
        }
    }
    attempts(&mut out, &view.attempts);
    out
}

/// `inbox`
pub fn inbox(items: &[InboxItem], width: u16) -> String {
    if items.is_empty() {
        return "nothing waits for a person\n".to_owned();
    }
    let mut out = table(
        width,
        &["id", "since", "target", "what", "why"],
        items.iter().map(|item| {
            // a count and an id must not be taken for each other
            let tasks = match item.tasks.as_slice() {
                [] => "-".to_owned(),
                [one] if item.count == 1 => format!("task {one}"),
                _ => format!("{} tasks", item.count),
            };
            vec![
                item.id.clone(),
                time(item.since),
                or_dash(item.target.as_ref()),
                tasks,
                format!("{}: {}", item.why, item.text),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "\n{} item(s): {} can be approved by id, {} can be rejected by id",
        items.len(),
        items.iter().filter(|item| item.can_approve).count(),
        items.iter().filter(|item| item.can_reject).count()
    );
    out
}

/// `outcomes list`
pub fn outcomes(rows: &[OutcomeRow], width: u16) -> String {
    if rows.is_empty() {
        return "no attempts\n".to_owned();
    }
    table(
        width,
        &[
            "lineage", "task", "target", "what", "state", "claimed", "reason",
        ],
        rows.iter().map(|row| {
            let name = row.name.as_deref().unwrap_or("-");
            vec![
                format!("{}.{}", row.lineage, row.ordinal),
                row.task.to_string(),
                or_dash(row.target.as_ref()),
                format!("{} {name}", row.action),
                row.state.to_string(),
                time(row.claimed),
                row.reason.clone().unwrap_or_default(),
            ]
        }),
    )
}

/// `outcomes show`
pub fn story(story: &Story, _width: u16) -> String {
    let ids: Vec<String> = story.ids.iter().map(ToString::to_string).collect();
    let mut out = String::new();
    pairs(
        &mut out,
        &[
            (
                "lineage",
                format!("{}, task ids {}", story.lineage, ids.join(" -> ")),
            ),
            (
                "what",
                format!(
                    "{} on {}",
                    or_dash(story.name.as_ref()),
                    or_dash(story.target.as_ref())
                ),
            ),
            ("for", or_dash(story.beneficiary.as_ref())),
            ("first seen", time(story.first_seen)),
            ("stands", story.standing.clone()),
        ],
    );
    if let Some(item) = &story.decision {
        out.push_str("\nlast decision:\n");
        decision(&mut out, item);
    }
    attempts(&mut out, &story.attempts);
    if !story.events.is_empty() {
        out.push_str("\nrecord:\n");
        for event in &story.events {
            let _ = writeln!(
                out,
                "  {} {} ({}): {}",
                time(event.at),
                clean(&event.kind),
                clean(&event.actor),
                clean(&event.text)
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::RefusalView;
    use crate::model::{
        Kind as TaskKind, LineageId, Login, Mode, PolicyHash, RefusalReason, TargetName, TaskId,
    };

    fn item() -> PlanItem {
        PlanItem {
            task: TaskId::new("4711"),
            lineage: LineageId(3),
            target: Some(TargetName::new("Active Directory of the whole company")),
            kind: TaskKind::Grant,
            name: "Add User to Group".to_owned(),
            beneficiary: Some(Login::new("JDOE")),
            owner: "role:AD fulfilment".to_owned(),
            status: "rejected".to_owned(),
            verdict: None,
            verdict_text: "retry".to_owned(),
            rule: Some("20-retry.rhai:14".to_owned()),
            read: vec![("class".to_owned(), "network".to_owned())],
            fault: None,
            refusals: vec![RefusalView {
                reason: RefusalReason::StaleGrant,
                text: "stale_grant (later \u{1b}[31mrevoke 4712)".to_owned(),
                until: None,
                needs_person: true,
            }],
            due: None,
            relook: None,
        }
    }

    #[test]
    fn a_plan_fits_eighty_columns_and_lets_no_escape_through() {
        let view = PlanView {
            as_of: Timestamp::UNIX_EPOCH,
            login: Login::new("PROVTASKD"),
            visible: 1,
            mode: Mode::Observe,
            policy_hash: PolicyHash::new("abcdef0123456789"),
            items: vec![item()],
            left_out: 2,
        };
        let text = plan(&view, 80);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("1 tasks visible to PROVTASKD"));
        assert!(text.contains("2 more left out"));
    }

    #[test]
    fn an_explanation_names_rule_values_and_refusal() {
        let view = ExplainView {
            live: true,
            as_of: Timestamp::UNIX_EPOCH,
            item: item(),
            policy_hash: PolicyHash::new("abcdef0123456789"),
            fields: Vec::new(),
            facts: vec![("beneficiary".to_owned(), "active".to_owned())],
            attempts: Vec::new(),
        };
        let text = explain(&view, 80);
        for part in [
            "20-retry.rhai:14",
            "class = network",
            "stale_grant",
            "a person must act",
            "beneficiary: active",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
