//! Runs policies and tables against written cases and scores them; it sends nothing and reads nothing itself.

mod case;
mod expect;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::set::{Evaluated, PolicySet, Source};
use crate::model::{Action, Digest, Verdict};

pub use case::{Placed, PolicyCase, PolicyCases};
pub use expect::Expect;

/// Least share of right "retryable" answers on texts held out while the patterns were written, in per cent.
pub const HELD_OUT_PRECISION_PERCENT: usize = 95;

/// One case that came out otherwise than written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The file of cases.
    pub file: String,
    /// The line at which the case begins, from 1.
    pub line: usize,
    /// The case's name or text.
    pub case: String,
    /// What was written and what came out.
    pub message: String,
}

/// Counts for "retryable" as a yes/no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Score {
    /// Texts.
    pub texts: usize,
    /// Said retryable and is.
    pub right: usize,
    /// Said retryable and is not: the costly mistake.
    pub wrong: usize,
    /// Is retryable and was not said to be.
    pub missed: usize,
    /// Texts whose class is exactly the written one.
    pub class_right: usize,
}

impl Score {
    /// `right / (right + wrong)` in per cent, rounded down; `None` where nothing was called retryable.
    pub fn precision_percent(&self) -> Option<usize> {
        (self.right * 100).checked_div(self.right + self.wrong)
    }

    /// `right / (right + missed)` in per cent, rounded down; `None` where nothing is retryable.
    pub fn recall_percent(&self) -> Option<usize> {
        (self.right * 100).checked_div(self.right + self.missed)
    }

    fn count(&mut self, is: bool, said: bool, class_right: bool) {
        self.texts += 1;
        self.class_right += usize::from(class_right);
        match (is, said) {
            (true, true) => self.right += 1,
            (false, true) => self.wrong += 1,
            (true, false) => self.missed += 1,
            (false, false) => {}
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |p: Option<usize>| p.map_or("-".to_owned(), |p| format!("{p} %"));
        write!(
            f,
            "{} texts; retryable: precision {} ({} right, {} wrong), recall {} ({} missed); class right {}",
            self.texts,
            percent(self.precision_percent()),
            self.right,
            self.wrong,
            percent(self.recall_percent()),
            self.missed,
            self.class_right,
        )
    }
}

/// What one file of cases came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileTally {
    /// The file.
    pub file: String,
    /// Cases that came out as written.
    pub passed: usize,
    /// Those that didn't.
    pub failed: usize,
    /// Texts that are only scored.
    pub scored: usize,
}

/// What a trial found.
#[derive(Clone, Debug, Default)]
pub struct TrialReport {
    /// One row per file of cases that could be read, in the files' order.
    pub files: Vec<FileTally>,
    /// Cases that came out as written (kinds and policies; reasons are scored).
    pub passed: usize,
    /// Those that didn't.
    pub failed: Vec<Failure>,
    /// Files of cases that can't be read.
    pub findings: Vec<Diagnostic>,
    /// Rule lines (lines with a verb) that some case reached, of all policies.
    pub covered: usize,
    /// Rule lines that no case reached: policy and line.
    pub uncovered: Vec<(Arc<str>, u32)>,
    /// Policies without a case of their own.
    pub without_cases: Vec<String>,
    /// Error texts that were at hand while the patterns were written.
    pub known_texts: Score,
    /// Error texts that were kept out.
    pub held_out: Score,
}

impl TrialReport {
    /// True where no policy has a case, so that nothing of what they do was tested.
    pub fn tested_nothing(&self, set: &PolicySet) -> bool {
        self.without_cases.len() == set.names().count()
    }

    /// True where every case passed and the precision on "retryable" is good enough: all right on
    /// known texts, [`HELD_OUT_PRECISION_PERCENT`] on those held out.
    pub fn is_good(&self) -> bool {
        self.failed.is_empty()
            && self.findings.is_empty()
            && self.known_texts.wrong == 0
            && self
                .held_out
                .precision_percent()
                .is_none_or(|p| p >= HELD_OUT_PRECISION_PERCENT)
    }
}

/// Runs all cases: `NAME.test.toml` against `NAME.rhai`, `kinds.test.toml`, `reasons.test.toml`.
pub fn run(set: &PolicySet, files: &[Source]) -> TrialReport {
    let mut report = TrialReport::default();
    let mut reached: BTreeSet<(Arc<str>, u32)> = BTreeSet::new();
    for (file, text) in files {
        report.files.push(FileTally {
            file: file.clone(),
            ..FileTally::default()
        });
        let outcome = match file.as_str() {
            "kinds.test.toml" => case::kinds(file, text).map(|cases| {
                for Placed { line, case } in cases {
                    let kind = set.kinds().kind(&case.target, &case.name);
                    report.tell(
                        line,
                        &format!("{} / {}", case.target, case.name),
                        (kind.as_str() != case.kind)
                            .then(|| format!("expected {}; came out: {kind}", case.kind)),
                    );
                }
            }),
            "reasons.test.toml" => case::reasons(file, text).map(|cases| {
                for Placed { line, case } in cases {
                    report.reason(set, line, &case);
                }
            }),
            _ => case::policy(file, text).map(|cases| {
                let own = format!("{}.rhai", file.trim_end_matches(".test.toml"));
                for Placed { line, case } in cases {
                    policy_case(set, line, &own, &case, &mut report, &mut reached);
                }
            }),
        };
        if let Err(found) = outcome {
            report.files.pop();
            report.findings.push(*found);
        }
    }
    for name in set.names() {
        let cases = format!("{}.test.toml", name.trim_end_matches(".rhai"));
        // a file without a case tests as little as none; of one that can't be read that is said
        let tested = |of: &FileTally| of.file == cases && of.passed + of.failed > 0;
        let unread = |found: &Diagnostic| *found.file == *cases;
        if !report.files.iter().any(tested) && !report.findings.iter().any(unread) {
            report.without_cases.push(name.to_owned());
        }
        let shared: Arc<str> = Arc::from(name);
        for line in rule_lines(set.source_of(name).unwrap_or("")) {
            if reached.contains(&(Arc::clone(&shared), line)) {
                report.covered += 1;
            } else {
                report.uncovered.push((Arc::clone(&shared), line));
            }
        }
    }
    report
}

impl TrialReport {
    /// Counts a case of the file that is being read.
    fn tell(&mut self, line: usize, case: &str, wrong: Option<String>) {
        // `run` has pushed the file's row before it reads a case
        let Some(file) = self.files.last_mut() else {
            return;
        };
        match wrong {
            None => {
                file.passed += 1;
                self.passed += 1;
            }
            Some(message) => {
                file.failed += 1;
                self.failed.push(Failure {
                    file: file.file.clone(),
                    line,
                    case: case.to_owned(),
                    message,
                });
            }
        }
    }

    fn reason(&mut self, set: &PolicySet, line: usize, case: &case::ReasonCase) {
        let class = set.reasons().class_of_one(&case.text);
        let class_right = *class.name == *case.class;
        let score = if case.held_out {
            &mut self.held_out
        } else {
            &mut self.known_texts
        };
        score.count(case.retryable, class.retryable, class_right);
        if case.held_out {
            if let Some(file) = self.files.last_mut() {
                file.scored += 1;
            }
            return;
        }
        let wrong = !class_right || case.retryable != class.retryable;
        let word = |retryable| {
            if retryable {
                "retryable"
            } else {
                "not retryable"
            }
        };
        self.tell(
            line,
            &case.text,
            wrong.then(|| {
                format!(
                    "expected {}, {}; came out: {}, {}, by {}",
                    case.class,
                    word(case.retryable),
                    class.name,
                    word(class.retryable),
                    class.pattern.as_deref().unwrap_or("no pattern")
                )
            }),
        );
    }
}

fn policy_case(
    set: &PolicySet,
    line: usize,
    own: &str,
    case: &PolicyCase,
    report: &mut TrialReport,
    reached: &mut BTreeSet<(Arc<str>, u32)>,
) {
    if let Some(message) = case.expect.no_verdict() {
        return report.tell(line, &case.name, Some(message));
    }
    let (task, facts) = match case.build(set) {
        Ok(inputs) => inputs,
        Err(message) => return report.tell(line, &case.name, Some(message)),
    };
    let (task, facts) = (Arc::new(task), Arc::new(facts));
    let inputs = Digest::new("trial");
    let answer = if case.whole_set {
        Some(set.decide(&task, &facts, inputs))
    } else {
        set.decide_by(own, &task, &facts, inputs)
    };
    let Some(answer) = answer else {
        return report.tell(line, &case.name, Some(format!("there is no policy {own}")));
    };
    if let (Some(policy), Some(line), None) = (&answer.policy, answer.line, &answer.fault) {
        reached.insert((Arc::clone(policy), line));
    }
    let wrong = case.expect.differs(&answer);
    report.tell(
        line,
        &case.name,
        wrong.map(|w| format!("{w}; came out: {}", in_words(&answer))),
    );
}

/// One word for a verdict: `retry`, `reassign`, …, `leave`, `ask`, `none`, `fault`.
pub fn word(answer: &Evaluated) -> &'static str {
    match (&answer.fault, &answer.verdict) {
        (Some(_), _) => "fault",
        (None, None) => "none",
        (None, Some(Verdict::Act { action, .. })) => action.name().as_str(),
        (None, Some(Verdict::Leave { .. })) => "leave",
        (None, Some(Verdict::Ask { .. })) => "ask",
    }
}

fn in_words(answer: &Evaluated) -> String {
    let place = match (&answer.policy, answer.line) {
        (Some(policy), Some(line)) => format!(" ({policy}:{line})"),
        (Some(policy), None) => format!(" ({policy})"),
        _ => String::new(),
    };
    let words = match &answer.verdict {
        Some(Verdict::Act {
            action, because, ..
        }) => {
            let to = match action {
                Action::Reassign { to } => format!(" to {to}"),
                _ => String::new(),
            };
            format!("{to}: {}", because.as_deref().unwrap_or(""))
        }
        Some(Verdict::Leave { reason, .. } | Verdict::Ask { reason, .. }) => format!(": {reason}"),
        None => String::new(),
    };
    format!("{}{words}{place}", word(answer))
}

/// Lines of a script that hold a verb outside comments and texts.
pub fn rule_lines(source: &str) -> Vec<u32> {
    let verbs = [
        "retry(",
        "reassign(",
        "set_note(",
        "set_response(",
        "manual_complete(",
        "leave(",
        "ask(",
    ];
    let mut lines = Vec::new();
    for (number, line) in (1u32..).zip(source.lines()) {
        let code = code_of(line);
        let holds = verbs.iter().any(|verb| {
            code.match_indices(verb).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':'))
            })
        });
        if holds {
            lines.push(number);
        }
    }
    lines
}

/// A line without comment and without what stands in quotes.
fn code_of(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(c) = chars.next() {
        match quote {
            Some(_) if c == '\\' => {
                chars.next();
            }
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if c == '/' && chars.peek() == Some(&'/') => break,
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_in_comments_and_texts_are_no_rules() {
        let source = "// retry()\nlet a = \"leave(x)\";\nif b { return ask(\"x\"); }\nmy_retry();\nx.leave(1);\nretry().after(\"1h\")";
        assert_eq!(rule_lines(source), [3, 6]);
    }

    #[test]
    fn precision_counts_only_what_was_called_retryable() {
        let mut score = Score::default();
        score.count(true, true, true);
        score.count(true, true, false);
        score.count(true, false, false);
        score.count(false, true, false);
        score.count(false, false, true);
        assert_eq!(score.precision_percent(), Some(66));
        assert_eq!(score.recall_percent(), Some(66));
        assert_eq!(Score::default().precision_percent(), None);
    }
}
