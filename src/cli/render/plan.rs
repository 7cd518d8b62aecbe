//! `plan` and `explain` as text: what would be done with a task, and why or why not.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::layout::{Width, pairs, paragraph, prose, table, word};
use super::{counted, or_dash, time};
use crate::control::{
    AttemptView, ExplainView, ListView, NOT_SHOWN, PlanItem, PlanView, RefusalView, in_words,
};
use crate::model::remedy::remedy_of;
use crate::model::{TaskId, Verdict};

/// The lists on which an answer does not rest, and why.
fn not_read(out: &mut String, lists: &[ListView], width: Width) {
    for list in lists {
        if let Some(why) = &list.why_not {
            let text = format!(
                "{}, and what only it sees is not in this answer: {why}",
                list.login
            );
            paragraph(out, width, "NOT READ: the list of ", 2, &text);
        }
    }
}

/// A reason that is longer than this, in characters, is told in full once in a plan: the reason why nothing at all is
/// sent may be half a page.
const LONG: usize = 160;

/// The one line that says what becomes of an item; `said` holds the long reasons that were told, and of which task.
fn fate<'a>(item: &'a PlanItem, said: &mut HashMap<&'a str, &'a TaskId>) -> String {
    if let Some(fault) = &item.fault {
        return format!("policy fault: {fault}");
    }
    let mut words = |refusal: &'a RefusalView| {
        let text = refusal.text.as_str();
        if text.chars().nth(LONG).is_none() {
            return text.to_owned();
        }
        match said.get(text) {
            Some(first) => format!("{} (as task {first}, above)", refusal.reason),
            None => {
                said.insert(text, &item.task);
                text.to_owned()
            }
        }
    };
    let refusals: Vec<String> = item.refusals.iter().map(&mut words).collect();
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
pub fn plan(view: &PlanView, width: Width) -> String {
    let (who, _) = in_words(&view.login, &view.lists);
    let mut out = format!(
        "{} visible to {who}, read {}\n",
        counted(view.visible, "task", "tasks"),
        time(view.as_of),
    );
    not_read(&mut out, &view.lists, width);
    let _ = writeln!(
        out,
        "mode {}, policy set {}\n",
        view.mode,
        view.policy_hash.short()
    );
    let mut said = HashMap::new();
    out += &table(
        width,
        &[
            word("task"),
            word("target"),
            prose("what"),
            prose("answer"),
            prose("when, or why not"),
        ],
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
                fate(item, &mut said),
            ]
        }),
    );
    let _ = writeln!(
        out,
        "\n{}; `provtaskd explain TASK` shows the values behind one",
        counted(
            u64::try_from(view.items.len()).unwrap_or(u64::MAX),
            "item",
            "items"
        )
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
        (
            "for",
            match &item.beneficiary {
                None if item.owner == NOT_SHOWN => NOT_SHOWN.to_owned(),
                known => or_dash(known.as_ref()),
            },
        ),
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
    if asks_for_attempts(item) {
        rows.push((
            "what helps",
            format!(
                "`provtaskd outcomes reset {} --why TEXT` lets its attempts count from zero, once what made them fail is mended",
                item.task
            ),
        ));
    }
    if let Some(due) = item.due {
        rows.push(("due", time(due)));
    }
    if let Some(relook) = item.relook {
        rows.push(("looked at again from", time(relook)));
    }
    rows
}

/// True where a policy asks a person after it has looked at attempts that there were.
fn asks_for_attempts(item: &PlanItem) -> bool {
    let counted =
        |(name, value): &(String, String)| name.ends_with("history.attempts") && value != "0";
    matches!(item.verdict, Some(Verdict::Ask { .. })) && item.read.iter().any(counted)
}

/// A decision with what it rests on and what holds it back, or did so when it was recorded.
pub fn decision(out: &mut String, item: &PlanItem, live: bool, width: Width) {
    pairs(out, width, &item_pairs(item));
    if !item.read.is_empty() {
        out.push_str("\nthe rule read:\n");
        for (name, value) in &item.read {
            paragraph(out, width, "  ", 6, &format!("{name} = {value}"));
        }
    }
    if item.refusals.is_empty() {
        return;
    }
    let when = if live { "now" } else { "then" };
    let _ = writeln!(out, "\nnot done {when}, because:");
    for refusal in &item.refusals {
        let person = if refusal.needs_person {
            " (a person must act)"
        } else {
            ""
        };
        paragraph(out, width, "  ", 4, &format!("{}{person}", refusal.text));
        paragraph(out, width, "    ", 4, refusal.reason.explanation().trim());
        paragraph(
            out,
            width,
            "    what helps: ",
            4,
            remedy_of(refusal.reason, refusal.needs_person),
        );
    }
}

/// What was done, and what was read afterwards.
pub fn attempts(out: &mut String, list: &[AttemptView], width: Width) {
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
        let by = row
            .login
            .as_ref()
            .map_or(String::new(), |login| format!(" as {login}"));
        let settled = row
            .settled
            .map_or(String::new(), |at| format!(", settled {}", time(at)));
        let line = format!(
            "{}. {} {}{to} on task {}{by}: {}{settled}",
            row.ordinal,
            time(row.claimed),
            row.action,
            row.task,
            row.state,
        );
        paragraph(out, width, "  ", 5, &line);
        for line in &attempt.decided {
            paragraph(out, width, "     decided: ", 7, line);
        }
        for line in &attempt.evidence {
            paragraph(out, width, "     read: ", 7, line);
        }
        if let Some(batch) = &attempt.row.batch {
            paragraph(out, width, "     request ", 7, batch);
        }
    }
}

/// `explain`
pub fn explain(view: &ExplainView, width: Width) -> String {
    let source = if view.live {
        "read from the server"
    } else {
        "from the record"
    };
    let mut out = format!(
        "{source}, {}; policy set {}\n",
        time(view.as_of),
        view.policy_hash.short()
    );
    if let (true, [first, _, ..]) = (view.live, view.lists.as_slice()) {
        let (who, _) = in_words(&first.login, &view.lists);
        let _ = writeln!(out, "by the lists of {who}");
    }
    not_read(&mut out, &view.lists, width);
    out.push('\n');
    if let Some(standing) = &view.standing {
        paragraph(&mut out, width, "now: ", 5, standing);
        out.push('\n');
    }
    decision(&mut out, &view.item, view.live, width);
    for (title, list) in [("the task says", &view.fields), ("facts", &view.facts)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}:");
        for (name, value) in list {
            paragraph(&mut out, width, "  ", 6, &format!("{name}: {value}"));
        }
    }
    attempts(&mut out, &view.attempts, width);
    out
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::control::RefusalView;
    use crate::model::{
        Kind as TaskKind, LineageId, Login, Mode, PolicyHash, RefusalReason, TargetName, TaskId,
    };

    fn lists() -> Vec<ListView> {
        let list = |login: &str, why_not: Option<&str>| ListView {
            login: Login::new(login),
            read: why_not.is_none(),
            tasks: why_not.is_none().then_some(1),
            why_not: why_not.map(str::to_owned),
        };
        let refused = Some("it was refused");
        vec![
            list("PROVTASKD", None),
            list("HR", None),
            list("ERP", refused),
        ]
    }

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
            lists: lists(),
            visible: 1,
            mode: Mode::Observe,
            policy_hash: PolicyHash::new("abcdef0123456789"),
            items: vec![item()],
            left_out: 2,
        };
        let text = plan(&view, Some(80));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        for whole in [
            "20-retry.rhai:14",
            "stale_grant",
            "Active Directory of the whole company",
        ] {
            assert!(text.contains(whole), "{whole} is broken in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("1 task visible to PROVTASKD and HR"));
        let not_read = "NOT READ: the list of ERP, and what only it sees is not in this answer: it";
        assert!(text.contains(not_read), "{text}");
        assert!(text.contains("2 more left out"));
    }

    #[test]
    fn an_explanation_names_rule_values_and_refusal() {
        let view = ExplainView {
            live: true,
            as_of: Timestamp::UNIX_EPOCH,
            lists: lists(),
            item: item(),
            policy_hash: PolicyHash::new("abcdef0123456789"),
            fields: Vec::new(),
            facts: vec![("beneficiary".to_owned(), "active".to_owned())],
            attempts: Vec::new(),
            standing: Some("closed".to_owned()),
        };
        let text = explain(&view, Some(80));
        assert!(text.contains("now: closed"), "{text}");
        for part in [
            "20-retry.rhai:14",
            "class = network",
            "stale_grant",
            "a person must act",
            "beneficiary: active",
            "by the lists of PROVTASKD and HR",
            "NOT READ: the list of ERP",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
