//! What policies may see and say, and how the set behaves when they fail.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use provtaskd::model::facts::{DefinitionMemory, Facts, History, Known, Now};
use provtaskd::model::fields::FieldValue;
use provtaskd::model::{
    Action, Digest, Fields, Kind, LineageId, Login, Owner, Principal, TargetName, Task, TaskId,
    TaskStatus, UserKey, Verdict,
};
use provtaskd::policy::load::shipped_sources;
use provtaskd::policy::{Evaluated, FaultKind, Need, PolicyError, PolicySet};

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub fn task() -> Task {
    let mut task = Task::bare(TaskId::new("4711"), TaskStatus::Rejected);
    task.definition_name = Some(Arc::from("Create User"));
    task.target = Some(TargetName::new("Paper Mill"));
    task.reason = Some(Arc::from("Connection refused by mill.example:389"));
    task.owner = Owner::User {
        key: Some(UserKey::new("31")),
        login: Some(Login::new("otto")),
    };
    task.fields = Fields::from_pairs([
        ("Objects.Name", FieldValue::Text("Paper Mill")),
        ("Retry Counter", FieldValue::Number("2")),
    ]);
    task
}

pub fn facts() -> Facts {
    let now = at("2026-02-11T09:30:00Z");
    Facts {
        now: Now {
            at: now,
            zone: "UTC".into(),
            weekday: 3,
            hour: 9,
            minute: 30,
            business_hours: true,
        },
        kind: Kind::Create,
        class: Arc::from("network"),
        retryable: true,
        history: History {
            lineage: LineageId(77),
            attempts: 1,
            attempts_total: 1,
            first_seen: at("2026-02-11T07:00:00Z"),
            failed_since: at("2026-02-11T09:00:00Z"),
            last_attempt_at: None,
            last_state: None,
            in_vain: 0,
            unproven: 0,
            reset: false,
            stale: false,
            keeps_ids: false,
            creation_over_since: false,
            recent: Vec::new(),
            former_owners: Vec::new(),
            ids: vec![TaskId::new("4711")],
        },
        owner: Known::unknown("not asked"),
        beneficiary: Known::unknown("the server did not answer"),
        siblings: Known::unknown("not asked"),
        definition: DefinitionMemory::default(),
        fulfilment_role: None,
        age: SignedDuration::from_hours(2),
    }
}

pub fn set_of(files: &[(&str, &str)]) -> Result<PolicySet, PolicyError> {
    let mut sources = shipped_sources();
    sources.kinds.1.clear();
    sources.reasons.1.clear();
    sources.policies = files
        .iter()
        .filter(|(name, _)| !name.starts_with("lib/"))
        .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
        .collect();
    sources.libs = files
        .iter()
        .filter(|(name, _)| name.starts_with("lib/"))
        .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
        .collect();
    PolicySet::compile(sources)
}

pub fn decide(set: &PolicySet, task: Task, facts: Facts) -> Evaluated {
    set.decide(&Arc::new(task), &Arc::new(facts), Digest::new("d"))
}

/// Runs one body with all needs declared.
fn run(body: &str) -> Evaluated {
    let source = format!(
        "const NEEDS = [\"owner\", \"beneficiary\", \"siblings\", \"history\", \"definition\"];\nfn decide(task, facts) {{\n{body}\n}}\n"
    );
    let set = set_of(&[("p.rhai", &source)]).unwrap_or_else(|e| panic!("{e}"));
    decide(&set, task(), facts())
}

fn fault(body: &str) -> (FaultKind, String) {
    let answer = run(body);
    let fault = answer
        .fault
        .unwrap_or_else(|| panic!("no fault: {body}: {:?}", answer.verdict));
    assert!(
        matches!(answer.verdict, Some(Verdict::Leave { .. })),
        "a fault means leave: {body}"
    );
    (fault.kind, fault.to_string())
}

fn left(body: &str) -> String {
    match run(body) {
        Evaluated {
            verdict: Some(Verdict::Leave { reason, .. }),
            fault: None,
            ..
        } => reason.to_string(),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn the_first_opinion_wins_in_file_name_order_and_the_line_is_the_verbs() {
    let set = set_of(&[
        ("20-b.rhai", "fn decide(task, facts) {\n  leave(\"b\")\n}"),
        (
            "10-a.rhai",
            "fn decide(task, facts) {\n  if task.id == \"1\" { return leave(\"a\"); }\n}",
        ),
        ("30-c.rhai", "fn decide(task, facts) { leave(\"c\") }"),
    ])
    .expect("compiles");
    let answer = decide(&set, task(), facts());
    assert_eq!(answer.policy.as_deref(), Some("20-b.rhai"));
    assert_eq!(answer.line, Some(2));
    let asked: Vec<_> = answer
        .considered
        .iter()
        .map(|(n, s)| (&**n, s.as_str()))
        .collect();
    assert_eq!(
        asked,
        [("10-a.rhai", "no opinion"), ("20-b.rhai", "answered")]
    );
    assert_eq!(*answer.read, [("task.id".into(), "4711".into())]);
}

#[test]
fn a_fault_leaves_the_task_and_nobody_else_is_asked() {
    let set = set_of(&[
        ("10-a.rhai", "fn decide(task, facts) {\n  task.ownr\n}"),
        ("20-b.rhai", "fn decide(task, facts) { retry() }"),
    ])
    .expect("compiles");
    let answer = decide(&set, task(), facts());
    let fault = answer.fault.expect("a fault");
    assert_eq!((fault.kind, fault.line), (FaultKind::Script, Some(2)));
    assert!(fault.to_string().contains("ownr"), "{fault}");
    assert_eq!(answer.considered.len(), 1);
    assert!(matches!(answer.verdict, Some(Verdict::Leave { .. })));
}

#[test]
fn verbs_carry_their_parameters() {
    match run("retry().after(\"1h 30m\").because(\"why not\").priority(7)").verdict {
        Some(Verdict::Act {
            action: Action::Retry,
            after,
            because,
            priority,
        }) => {
            assert_eq!(after, Some(SignedDuration::from_mins(90)));
            assert_eq!(because.as_deref(), Some("why not"));
            assert_eq!(priority, 7);
        }
        other => panic!("{other:?}"),
    }
    match run("reassign(\"role:Millers\")").verdict {
        Some(Verdict::Act {
            action:
                Action::Reassign {
                    to: Principal::Role { name, .. },
                },
            ..
        }) => {
            assert_eq!(&*name, "Millers");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        run("ask(\"look\").after(\"1d\")").verdict,
        Some(Verdict::Ask { after: Some(_), .. })
    ));
    assert!(matches!(
        run("manual_complete()").verdict,
        Some(Verdict::Act {
            action: Action::ManualComplete,
            ..
        })
    ));
    assert!(matches!(
        run("set_response(\"OK\")").verdict,
        Some(Verdict::Act {
            action: Action::SetResponse { .. },
            ..
        })
    ));
    assert!(matches!(
        run("set_note(\"seen\")").verdict,
        Some(Verdict::Act {
            action: Action::SetNote { .. },
            ..
        })
    ));
    assert!(run("()").verdict.is_none());
}

#[test]
fn misused_verbs_are_faults() {
    for body in [
        "reassign(\"OTTO\")",
        "reassign(())",
        "retry().after(\"soon\")",
        "retry().after(\"-1h\")",
        "retry().priority(5000)",
        "leave(\"\")",
        "leave(\"x\").because(\"y\")",
        "ask(\"x\").priority(1)",
        "retry(1)",
        "throw \"no\"",
        "no_such_function(task)",
        "task.status = \"completed\"",
        "task.matches(\"(\")",
        "facts.siblings.of_kind(\"gift\")",
    ] {
        let (kind, _) = fault(body);
        assert!(
            matches!(kind, FaultKind::Script | FaultKind::UnknownFact),
            "{body}: {kind}"
        );
    }
    for body in ["1", "\"retry\"", "true", "#{action: \"retry\"}", "task"] {
        assert_eq!(fault(body).0, FaultKind::Result, "{body}");
    }
}

#[test]
fn an_unknown_fact_is_neither_false_nor_comparable() {
    let (kind, text) = fault("if facts.beneficiary.active { retry() } else { leave(\"x\") }");
    assert_eq!(kind, FaultKind::UnknownFact);
    assert!(text.contains("the server did not answer"), "{text}");
    assert_eq!(
        left(
            "if facts.beneficiary.known { leave(\"known\") } else { leave(facts.beneficiary.why) }"
        ),
        "the server did not answer"
    );
    for body in [
        "if facts.beneficiary == () { leave(\"x\") }",
        "if facts.beneficiary != \"ANNA\" { leave(\"x\") }",
        "if () == facts.owner { leave(\"x\") }",
        "if facts.beneficiary { leave(\"x\") }",
        "if !facts.siblings { leave(\"x\") }",
    ] {
        assert_eq!(fault(body).0, FaultKind::Script, "{body}");
    }
}

#[test]
fn what_is_not_declared_may_not_be_used() {
    let set = set_of(&[("p.rhai", "const NEEDS = [\"owner\"];\nfn decide(task, facts) {\n  if facts.siblings.known { retry() }\n}")]).expect("compiles");
    assert!(set.needs().contains(Need::Owner) && !set.needs().contains(Need::Siblings));
    let fault = decide(&set, task(), facts()).fault.expect("a fault");
    assert_eq!((fault.kind, fault.line), (FaultKind::Undeclared, Some(3)));
    assert!(fault.message.contains("NEEDS"), "{fault}");
    let other = set_of(&[
        (
            "a.rhai",
            "const NEEDS = [\"siblings\"];\nfn decide(task, facts) { }",
        ),
        (
            "b.rhai",
            "fn decide(task, facts) { if facts.siblings.known { retry() } }",
        ),
    ])
    .expect("compiles");
    let fault = decide(&other, task(), facts())
        .fault
        .expect("needs are each policy's own");
    assert_eq!(fault.kind, FaultKind::Undeclared);
}

#[test]
fn all_that_is_wrong_is_reported_at_once_with_its_place() {
    let error = set_of(&[
        ("a.rhai", "fn decide(task, facts) {\n  let x = ;\n}"),
        ("b.rhai", "fn decide(task) { }"),
        (
            "c.rhai",
            "const NEEDS = [\"horoscope\"];\nfn decide(task, facts) { }",
        ),
        ("d.rhai", "fn decide(task, facts) {\n\n  retry_all\n}"),
        ("e.rhai", "const A = 1;"),
    ])
    .expect_err("nothing here is right");
    let places: Vec<_> = error.findings.iter().map(|f| (&*f.file, f.line)).collect();
    assert_eq!(
        places,
        [
            ("a.rhai", Some(2)),
            ("b.rhai", None),
            ("c.rhai", Some(1)),
            ("d.rhai", Some(3)),
            ("e.rhai", None)
        ]
    );
    assert!(error.to_string().contains("horoscope"));
}

#[test]
fn constants_and_libraries_can_be_used() {
    let set = set_of(&[
        ("lib/words.rhai", "fn polite(x) { \"please: \" + x }"),
        ("p.rhai", "const LIMIT = 3;\nfn helper(n) { n > global::LIMIT }\nfn decide(task, facts) {\n  if helper(4) { leave(words::polite(\"wait\")) }\n}"),
    ])
    .unwrap_or_else(|e| panic!("{e}"));
    match decide(&set, task(), facts()).verdict {
        Some(Verdict::Leave { reason, .. }) => assert_eq!(&*reason, "please: wait"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_scripts_end_and_leave_the_task() {
    let (kind, _) = fault("let i = 0; loop { i += 1; }");
    assert!(
        matches!(kind, FaultKind::Limit | FaultKind::Deadline),
        "{kind}"
    );
    for body in [
        "let s = \"ab\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "fn f(x) { f(x + 1) } f(1)",
        "let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; }",
        "let a = []; a.pad(900, 1); loop { let b = a + []; }",
    ] {
        let source = match body.split_once(" f(1)") {
            Some((helper, _)) => format!("{helper}\nfn decide(task, facts) {{ f(1) }}"),
            None => format!("fn decide(task, facts) {{ {body} }}"),
        };
        let set = set_of(&[("p.rhai", &source)]).expect("compiles");
        let fault = decide(&set, task(), facts())
            .fault
            .expect("ended by a limit");
        assert!(
            matches!(fault.kind, FaultKind::Limit | FaultKind::Deadline),
            "{body}: {fault}"
        );
    }
    let (kind, _) = fault("try { let s = \"ab\"; loop { s += s; } } catch { retry() }");
    assert!(
        matches!(kind, FaultKind::Limit | FaultKind::Deadline),
        "{kind}"
    );
}

#[test]
fn a_script_reaches_no_clock_no_chance_no_disk_and_prints_nothing() {
    for call in [
        "timestamp()",
        "sleep(1)",
        "sleep(0.1)",
        "rand()",
        "rand(1, 2)",
        "random()",
        "rand_float()",
        "now()",
        "exit()",
        "exit(1)",
        "parse_json(\"1\")",
        "elapsed(1)",
        "open_file(\"/etc/passwd\")",
        "read_file(\"/etc/passwd\")",
        "write(\"x\")",
        "cwd()",
        "env(\"HOME\")",
        "system(\"ls\")",
        "get_fn_metadata_list()",
        "blob(10)",
        "shuffle([1, 2])",
        "sample([1])",
        "set_tag(task, 1)",
    ] {
        let (kind, text) = fault(&format!("{call}; retry()"));
        assert_eq!(kind, FaultKind::Script, "{call}");
        assert!(text.contains("Function not found"), "{call}: {text}");
    }
    for word in [
        "eval(\"1\")",
        "print(1)",
        "debug(1)",
        "import \"x\" as y",
        "export const X = 1",
    ] {
        let source = format!("fn decide(task, facts) {{ {word}; }}");
        assert!(set_of(&[("p.rhai", &source)]).is_err(), "{word}");
        let top = format!("{word};\nfn decide(task, facts) {{ }}");
        assert!(set_of(&[("p.rhai", &top)]).is_err(), "{word} at the top");
    }
}

#[test]
fn fields_patterns_and_absent_values_read_as_documented() {
    assert_eq!(left("leave(task.field(\" objects.name \"))"), "Paper Mill");
    assert_eq!(
        left("leave(if task.field(\"nothing\") == () { \"absent\" } else { \"there\" })"),
        "absent"
    );
    assert_eq!(
        left(
            "leave(if task.has(\"Retry Counter\") { task.field(\"Retry Counter\") } else { \"-\" })"
        ),
        "2"
    );
    assert_eq!(
        left("leave(if task.matches(\"REFUSED by \\\\w+\") { \"yes\" } else { \"no\" })"),
        "yes"
    );
    assert_eq!(
        left("leave(if task.automated == () { \"not shown\" } else { \"shown\" })"),
        "not shown"
    );
    assert_eq!(
        left("leave(task.owner + \" \" + task.owner_type + \" \" + task.owner_name)"),
        "user:OTTO user OTTO"
    );
    assert_eq!(
        left("leave(\"\" + facts.history.minutes_since_failure + \" \" + facts.now.iso)"),
        "30 2026-02-11T09:30:00Z"
    );
}

#[test]
fn reads_are_named_in_order_without_repeats_and_bounded() {
    let answer = run(
        "let a = task.status; let b = facts.history.attempts; let c = task.status; let d = task.field(\"Objects.Name\"); if facts.retryable { retry() }",
    );
    let names: Vec<_> = answer
        .read
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(
        names,
        [
            "task.status=rejected",
            "facts.history.attempts=1",
            "task.field(Objects.Name)=Paper Mill",
            "facts.retryable=true"
        ]
    );
    assert!(!answer.depends_on_time);
    assert!(run("if facts.now.hour > 8 { retry() }").depends_on_time);
    let many = run("let i = 0; while i < 200 { task.field(\"f\" + i); i += 1; }");
    assert_eq!(many.read.len(), 64);
}
