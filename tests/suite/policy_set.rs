//! Policy sets as a whole: hashes, stored inputs, the shipped set and its cases, directories, the manual; no test here may depend on a single verb.

use std::sync::Arc;

use provtaskd::model::facts::{Facts, Known, OwnerFact, OwnerState, StandIn};
use provtaskd::model::settings::PolicySettings;
use provtaskd::model::{Action, Kind, Login, Principal, UserKey, Verdict};
use provtaskd::policy::api::{FUNCTIONS, PROPERTIES};
use provtaskd::policy::load::{self, shipped_sources};
use provtaskd::policy::{
    InputsWriter, Need, PolicySet, Worded, inputs_digest, inputs_text, replay, replay_at, trial,
};

use crate::policy::{at, decide, facts, set_of, task};

#[test]
fn stored_inputs_give_the_same_decision_again() {
    let set = load::load(&shipped_settings()).unwrap_or_else(|e| panic!("{e}"));
    let json = inputs_text(&task(), &facts());
    let (task_again, facts_again) = replay(&json).expect("reads back");
    assert_eq!(inputs_text(&task_again, &facts_again), json);
    assert_eq!(facts_again, facts());
    let first = decide(&set, task(), facts());
    let again = decide(&set, task_again, facts_again);
    assert_eq!(
        (
            first.verdict.clone(),
            first.policy.clone(),
            first.line,
            first.read.clone()
        ),
        (
            again.verdict.clone(),
            again.policy.clone(),
            again.line,
            again.read.clone()
        )
    );
    assert!(
        matches!(
            first.verdict,
            Some(Verdict::Act {
                action: Action::Retry,
                ..
            })
        ),
        "{first:?}"
    );
    let digest = inputs_digest(&task(), &facts(), set.hash());
    let mut other = task();
    other.note = Some(Arc::from("changed"));
    assert_ne!(digest, inputs_digest(&other, &facts(), set.hash()));
    assert!(replay("{\"v\":9}").is_err() && replay("").is_err());
}

fn shipped_settings() -> PolicySettings {
    PolicySettings {
        dir: None,
        kinds: Vec::new(),
        named: Vec::new(),
        fulfilment_roles: std::collections::BTreeMap::new(),
    }
}

#[test]
fn the_hash_covers_every_text_that_decides() {
    let mut base = shipped_sources();
    base.kinds.1.clear();
    base.reasons.1.clear();
    let hash = |sources| {
        PolicySet::compile(sources)
            .unwrap_or_else(|e| panic!("{e}"))
            .hash()
            .clone()
    };
    let first = hash(base.clone());
    assert_eq!(first, hash(base.clone()));
    let mut changed = Vec::new();
    let mut one = base.clone();
    one.policies[0].1.push_str("\n// x");
    changed.push(hash(one));
    let mut one = base.clone();
    one.policies[0].0 = "11-manual.rhai".to_owned();
    changed.push(hash(one));
    let mut one = base.clone();
    one.kinds.1.push_str("\n# x");
    changed.push(hash(one));
    let mut one = base.clone();
    one.reasons.1.push_str("\n# x");
    changed.push(hash(one));
    let mut one = base.clone();
    one.libs
        .push(("lib/a.rhai".to_owned(), "fn a() { 1 }".to_owned()));
    changed.push(hash(one));
    let mut one = base;
    one.configured_kinds.push(("X/Y".to_owned(), Kind::Grant));
    changed.push(hash(one));
    changed.push(first);
    changed.sort();
    changed.dedup();
    assert_eq!(changed.len(), 7);
}

#[test]
fn the_shipped_set_passes_its_own_cases_and_every_rule_is_reached() {
    let set = load::load(&shipped_settings()).unwrap_or_else(|e| panic!("{e}"));
    let report = trial::run(&set, &load::cases(None).expect("embedded"));
    assert_eq!(
        (&report.failed, &report.findings),
        (&Vec::new(), &Vec::new())
    );
    assert_eq!(report.uncovered, Vec::new());
    assert!(report.without_cases.is_empty());
    assert!(report.known_texts.texts + report.held_out.texts >= 100);
    assert!(report.held_out.texts * 10 >= (report.known_texts.texts + report.held_out.texts) * 2);
    assert!(
        report.is_good(),
        "known: {}\nheld out: {}",
        report.known_texts,
        report.held_out
    );
}

#[test]
fn a_trial_finds_what_is_wrong() {
    let set = set_of(&[(
        "x.rhai",
        "fn decide(task, facts) {\n  if task.id == \"9\" { return ask(\"nine\"); }\n  retry()\n}",
    )])
    .expect("compiles");
    let cases = |text: &str| vec![("x.test.toml".to_owned(), text.to_owned())];
    let report = trial::run(
        &set,
        &cases("[[case]]\nname = \"n\"\nexpect = { verdict = \"leave\" }\n"),
    );
    assert_eq!(
        (report.passed, report.failed.len(), report.is_good()),
        (0, 1, false)
    );
    assert!(
        report.failed[0].message.contains("came out: retry"),
        "{:?}",
        report.failed
    );
    assert_eq!(
        report.uncovered.iter().map(|(_, l)| *l).collect::<Vec<_>>(),
        [2]
    );
    let report = trial::run(
        &set,
        &cases("[[case]]\nname = \"n\"\nexpcet = { verdict = \"retry\" }\n"),
    );
    assert_eq!((report.findings.len(), report.is_good()), (1, false));
}

#[test]
fn a_directory_is_read_and_its_mistakes_name_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = shipped_settings();
    settings.dir = Some(dir.path().to_owned());
    assert!(
        load::load(&settings)
            .expect_err("empty")
            .to_string()
            .contains("no policy")
    );
    std::fs::write(
        dir.path().join("50-own.rhai"),
        "fn decide(task, facts) { leave(\"x\") }",
    )
    .expect("written");
    std::fs::write(dir.path().join(".50-own.rhai.swp"), "garbage (").expect("written");
    let set = load::load(&settings).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(set.names().collect::<Vec<_>>(), ["50-own.rhai"]);
    std::fs::write(
        dir.path().join("kinds.toml"),
        "[[kind]]\nkind = \"gift\"\nnames = [\"a\"]\n",
    )
    .expect("written");
    let error = load::load(&settings).expect_err("a wrong kind").to_string();
    assert!(
        error.starts_with(&format!("{}:2:", dir.path().join("kinds.toml").display()))
            && error.contains("gift"),
        "{error}"
    );
    settings.dir = Some(dir.path().join("nowhere"));
    let error = load::load(&settings).expect_err("no directory").to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn the_examples_pass_their_cases() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies");
    let mut settings = shipped_settings();
    settings.dir = Some(dir.clone());
    let set = load::load(&settings).unwrap_or_else(|e| panic!("{e}"));
    let report = trial::run(&set, &load::cases(Some(&dir)).expect("readable"));
    assert_eq!(
        (&report.failed, &report.findings, &report.uncovered),
        (&Vec::new(), &Vec::new(), &Vec::new())
    );
    assert!(report.passed >= 4);
}

#[test]
fn the_manual_names_every_property_function_and_limit() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let manual = std::fs::read_to_string(path).expect("docs/policy.md is there");
    for property in PROPERTIES {
        assert!(
            manual.contains(&format!("`{}`", property.path())),
            "{} is not in docs/policy.md",
            property.path()
        );
    }
    for (name, _) in FUNCTIONS {
        assert!(
            manual.contains(&format!("`{name}")),
            "{name} is not in docs/policy.md"
        );
    }
    for need in Need::ALL {
        assert!(manual.contains(&format!("`{}`", need.as_str())));
    }
}

#[test]
fn the_stand_in_keeps_its_key() {
    let set = set_of(&[(
        "p.rhai",
        "const NEEDS = [\"owner\"];\nfn decide(task, facts) { reassign(facts.owner.stand_in) }",
    )])
    .expect("compiles");
    let mut facts = facts();
    let to = Principal::User {
        key: Some(UserKey::new("52")),
        login: Login::new("anna"),
    };
    facts.owner = Known::Yes {
        value: OwnerFact {
            owner: task().owner,
            person: None,
            state: OwnerState::Present,
            stand_in: StandIn::Found {
                to: to.clone(),
                via: Arc::from("feed"),
            },
        },
        as_of: facts.now.at,
    };
    match decide(&set, task(), facts).verdict {
        Some(Verdict::Act {
            action: Action::Reassign { to: found },
            ..
        }) => assert_eq!(found, to),
        other => panic!("{other:?}"),
    }
}

#[test]
fn looks_at_different_times_that_see_the_same_have_the_same_inputs_and_are_replayed_exactly() {
    let still = |facts: &Facts| {
        let mut facts = facts.clone();
        let before = facts.clone();
        let Worded { text, moment, .. } = InputsWriter::default().parts(&task(), &mut facts);
        let still = text.whole().expect("the first text is whole");
        assert_eq!(facts, before);
        let (task_again, facts_again) = replay_at(&still, &moment).expect("reads back");
        assert_eq!(facts_again, before);
        assert_eq!(
            inputs_text(&task_again, &facts_again),
            inputs_text(&task(), &before)
        );
        still
    };
    let mut first = facts();
    let seen = |minute: &str| Known::Yes {
        value: provtaskd::model::facts::AccountView {
            tasks: Vec::new(),
            from_process: false,
            own_now: None,
        },
        as_of: at(&format!("2027-03-02T23:{minute}:00Z")),
    };
    first.siblings = seen("10");
    let mut later = first.clone();
    later.siblings = seen("58");
    later.now.at = at("2027-03-02T23:59:00Z");
    later.now.weekday = 2;
    later.now.hour = 23;
    later.now.minute = 59;
    later.now.business_hours = !first.now.business_hours;
    later.age += jiff::SignedDuration::from_hours(30);
    assert_eq!(still(&first), still(&later));
    // anything else that is seen is another input
    later.history.attempts += 1;
    assert_ne!(still(&first), still(&later));
    later = first.clone();
    later.siblings = Known::unknown("not read");
    assert_ne!(still(&first), still(&later));
}
