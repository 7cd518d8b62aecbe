//! Matches definitions against `target/name` patterns with `*`; it knows nothing of what a match allows.

use crate::model::Task;

/// True where one of the patterns names the task's definition. A pattern is `target/name` or
/// `target/#key`, `*` stands for any text, case does not matter. A pattern without a slash names
/// the definition on every target. A row without a definition matches nothing.
pub fn matches_definition(patterns: &[String], task: &Task) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let target = task.target.as_ref().map_or("", |t| t.as_str());
    let name = task.definition_name.as_deref().map(str::trim);
    let key = task.definition_key.as_ref().map(|key| format!("#{key}"));
    patterns.iter().any(|pattern| {
        let (on, called) = pattern.rsplit_once('/').unwrap_or(("*", pattern));
        glob(on.trim(), target)
            && [name, key.as_deref()]
                .into_iter()
                .flatten()
                .any(|definition| glob(called.trim(), definition))
    })
}

/// `*` stands for any text, also none; ASCII case does not matter.
fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_p, mut at_t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_t < t.len() {
        if p.get(at_p) == Some(&b'*') {
            star = Some((at_p, at_t));
            at_p += 1;
        } else if p
            .get(at_p)
            .is_some_and(|byte| byte.eq_ignore_ascii_case(&t[at_t]))
        {
            at_p += 1;
            at_t += 1;
        } else if let Some((star_p, star_t)) = star {
            // let the last star take one byte more
            star = Some((star_p, star_t + 1));
            at_p = star_p + 1;
            at_t = star_t + 1;
        } else {
            return false;
        }
    }
    p[at_p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TargetName, TaskId, TaskStatus};
    use std::sync::Arc;

    #[test]
    fn patterns_name_target_and_definition_without_case() {
        let mut task = Task::bare(TaskId::new("1"), TaskStatus::Rejected);
        task.target = Some(TargetName::new("Mail EU"));
        task.definition_name = Some(Arc::from("Create Mailbox"));
        task.definition_key = Some("39".into());
        let named = |pattern: &str| matches_definition(&[pattern.to_owned()], &task);
        assert!(named("mail eu/create mailbox"));
        assert!(named("Mail*/Create*"));
        assert!(named("*/*mailbox"));
        assert!(named("mail eu/#39"));
        assert!(named("create mailbox"));
        assert!(!named("mail/create mailbox"));
        assert!(!named("mail eu/create"));
        assert!(!named("mail eu/#3"));
        assert!(!named(""));
    }

    #[test]
    fn a_row_without_a_definition_matches_nothing() {
        let task = Task::bare(TaskId::new("1"), TaskStatus::Rejected);
        assert!(!matches_definition(&["*/*".to_owned()], &task));
    }

    #[test]
    fn stars_backtrack() {
        assert!(glob("a*b*c", "axxbyybzzc"));
        assert!(!glob("a*b*c", "axxbyybzz"));
        assert!(glob("**", ""));
    }
}
