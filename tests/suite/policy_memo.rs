//! What a policy set knows from the values read is what its scripts would say, for every task and every order of tasks.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use provtaskd::model::facts::{AccountView, Facts, Known, OwnerFact, OwnerState, Sibling, StandIn};
use provtaskd::model::fields::FieldValue;
use provtaskd::model::{
    Digest, Fields, Kind, LineageId, Login, Owner, Principal, Task, TaskId, TaskStatus, UserKey,
};
use provtaskd::policy::load::shipped_sources;
use provtaskd::policy::{Evaluated, PolicySet, Sources};

use crate::policy::{at, facts, task};

/// Reads everything there is to read, by every road that the language has.
const NOSY: [(&str, &str); 5] = [
    (
        "10-paths.rhai",
        r#"const NEEDS = ["history", "siblings", "owner", "definition"];
const MOST = 3;
fn decide(task, facts) {
    if task.has("Retry Counter") && task.field("Retry Counter") == "7" { return leave("seven").after("10m"); }
    if task.matches("ora-[0-9]+") { return ask("a database: " + task.reason); }
    if facts.siblings.known && facts.siblings.of_kind("revoke") > 0 { return leave("a revoke waits"); }
    if facts.history.attempts > global::MOST { return ask("tried " + facts.history.attempts + " times").after(backoff("1h", 2, "1d")); }
    if facts.history.former_owners.len() > 1 { return leave("passed around"); }
}"#,
    ),
    (
        "20-owner.rhai",
        r#"const NEEDS = ["owner"];
fn decide(task, facts) {
    if task.status != "pending" { return; }
    // throws where the owner is unknown
    if facts.owner.away && facts.owner.stand_in != () { return reassign(facts.owner.stand_in); }
}"#,
    ),
    (
        "30-pauses.rhai",
        r#"const NEEDS = ["history"];
fn decide(task, facts) {
    let short = backoff("5m", 3, "12h");
    let long = backoff("30m", 2, "2d");
    if facts.class == "lock" { return retry().after(long).because("locked"); }
    if facts.class == "data" { return leave("wait " + short); }
    if facts.class == "timeout" && short == long { return ask("never"); }
    if facts.class == "timeout" { return leave(`between ${short} and ${long}`); }
    if facts.retryable { return retry().after(short).priority(facts.now.hour); }
}"#,
    ),
    (
        "05-caught.rhai",
        r#"const NEEDS = ["owner", "siblings"];
fn decide(task, facts) {
    if facts.kind != "revoke" { return; }
    let owner = "unread";
    let others = -1;
    try { owner = if facts.owner.present { "present" } else { "not present" }; } catch { }
    try { others = facts.siblings.of_kind("revoke"); } catch { }
    leave("owner " + owner + ", others " + others)
}"#,
    ),
    (
        "40-rest.rhai",
        r#"fn decide(task, facts) {
    if task.id == "4" || task.name == () { return leave("this one: " + task.id); }
    if facts.age_hours > 40 { return ask("old"); }
}"#,
    ),
];

fn set(policies: &[(&str, &str)]) -> PolicySet {
    let shipped = shipped_sources();
    let policies = policies
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    PolicySet::compile(Sources {
        policies: policies.collect(),
        ..shipped
    })
    .expect("compiles")
}

fn shipped() -> PolicySet {
    PolicySet::compile(shipped_sources()).expect("compiles")
}

/// One task and its facts out of a small world, so that values come again.
fn case() -> impl Strategy<Value = (Task, Facts)> {
    let of_task = (
        0u8..6,
        prop::sample::select(vec![
            TaskStatus::Rejected,
            TaskStatus::Pending,
            TaskStatus::Waiting,
        ]),
        prop::option::of(prop::sample::select(vec![
            "Create User",
            "Revoke",
            "Set Phone",
        ])),
        prop::option::of(prop::sample::select(vec![
            "ORA-12541 no listener",
            "refused",
            "lock",
        ])),
        prop::option::of(prop::sample::select(vec!["2", "7"])),
    );
    let of_facts = (
        prop::sample::select(vec![
            Kind::Create,
            Kind::Revoke,
            Kind::Unknown,
            Kind::Password,
        ]),
        prop::sample::select(vec!["network", "lock", "data", "timeout", "unknown"]),
        any::<bool>(),
        0u64..5,
        0u32..7,
        0i64..60,
        prop::option::of(0usize..3),
        prop::option::of(prop::option::of(prop::option::of(0u8..2))),
        0u8..24,
        0usize..3,
    );
    (of_task, of_facts).prop_map(|(of_task, of_facts)| {
        let (id, status, name, reason, counter) = of_task;
        let (kind, class, retryable, lineage, attempts, age, siblings, owner, hour, owners) =
            of_facts;
        let (mut task, mut facts) = (task(), facts());
        task.id = TaskId::new(&id.to_string());
        task.status = status;
        task.definition_name = name.map(Arc::from);
        task.reason = reason.map(Arc::from);
        task.fields = Fields::from_pairs(counter.map(|n| ("Retry Counter", FieldValue::Number(n))));
        facts.kind = kind;
        facts.class = Arc::from(class);
        facts.retryable = retryable;
        facts.history.lineage = LineageId(lineage);
        facts.history.attempts = attempts;
        facts.history.former_owners = (0..owners)
            .map(|n| Principal::User {
                key: None,
                login: Login::new(&format!("u{n}")),
            })
            .collect();
        facts.age = SignedDuration::from_hours(age);
        facts.now.hour = hour;
        facts.siblings = siblings.map_or_else(
            || Known::unknown("the account could not be read"),
            |many| Known::Yes {
                value: account(many),
                as_of: at("2026-02-11T09:00:00Z"),
            },
        );
        facts.owner = owner.map_or_else(
            || Known::unknown("the owner could not be read"),
            |away| Known::Yes {
                value: owned(away),
                as_of: at("2026-02-11T09:00:00Z"),
            },
        );
        (task, facts)
    })
}

fn account(revokes: usize) -> AccountView {
    let sibling = |n: usize| Sibling {
        id: TaskId::new(&format!("8{n}")),
        lineage: None,
        name: Arc::from("Revoke Group"),
        kind: Kind::Revoke,
        status: TaskStatus::Rejected,
        origin: at("2026-02-11T08:00:00Z"),
        child: None,
        attempt_open: false,
        finished: n > 0,
        ambiguous: false,
        first: None,
        ordered: None,
        unsettled: false,
        seen_open: false,
    };
    AccountView {
        tasks: (0..revokes).map(sibling).collect(),
        from_process: true,
        own_now: None,
    }
}

/// Present; away without a stand-in; away with one whose key the facts know.
fn owned(away: Option<Option<u8>>) -> OwnerFact {
    use provtaskd::model::facts::{Absence, AbsenceSource};
    let stand_in = match away.flatten() {
        Some(key) => StandIn::Found {
            to: Principal::User {
                key: Some(UserKey::new(&format!("5{key}"))),
                login: Login::new("maria"),
            },
            via: Arc::from("proxy"),
        },
        None => StandIn::None { why: Vec::new() },
    };
    let state = match away {
        Some(_) => OwnerState::Away {
            absence: Absence {
                from: None,
                until: None,
                source: AbsenceSource::OigStatus {
                    status: provtaskd::model::facts::UserStatus::Disabled,
                },
            },
        },
        None => OwnerState::Present,
    };
    OwnerFact {
        owner: Owner::Unknown,
        person: None,
        state,
        stand_in,
    }
}

/// What an answer is, but for the fault's position in its own script.
fn shown(of: &Evaluated) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {}",
        of.verdict,
        of.policy,
        of.line,
        of.fault.as_ref().map(|fault| fault.one_line()),
        of.considered,
        of.read,
        of.depends_on_time
    )
}

fn same_as_the_scripts(set: &PolicySet, cases: Vec<(Task, Facts)>) {
    for (task, facts) in cases {
        let (task, facts) = (Arc::new(task), Arc::new(facts));
        let known = set.decide(&task, &facts, Digest::new("d"));
        let anew = set.decide_anew(&task, &facts, Digest::new("d"));
        assert_eq!(
            shown(&known),
            shown(&anew),
            "task {task:?}\nfacts {facts:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_known_is_what_the_scripts_say(cases in prop::collection::vec(case(), 1..150)) {
        same_as_the_scripts(&set(&NOSY), cases);
    }

    #[test]
    fn and_so_for_the_shipped_policies(cases in prop::collection::vec(case(), 1..150)) {
        same_as_the_scripts(&shipped(), cases);
    }
}

#[test]
fn more_values_or_answers_than_are_kept_change_nothing() {
    let by_id = [(
        "10-id.rhai",
        "fn decide(task, facts) { if task.id == \"77\" { return retry(); } leave(\"id \" + task.id) }",
    )];
    let by_many = [(
        "10-many.rhai",
        "fn decide(task, facts) { leave(`${task.reason} ${facts.age_hours} ${facts.now.hour}`) }",
    )];
    for (set, many) in [(set(&by_id), 300), (set(&by_many), 60)] {
        for round in 0..many {
            for hour in 0..24 {
                let (mut task, mut facts) = (task(), facts());
                task.id = TaskId::new(&round.to_string());
                task.reason = Some(Arc::from(format!("reason {}", round % 50)));
                facts.age = SignedDuration::from_hours(i64::from(round % 60));
                facts.now.hour = hour;
                same_as_the_scripts(&set, vec![(task, facts)]);
            }
        }
    }
}
