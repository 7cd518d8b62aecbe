//! One evaluation of the shipped policies for one task, beside the same decision written in Rust; nothing is read and nothing recorded.
//!
//! `cargo bench --locked --bench policy`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use provtaskd::model::facts::Facts;
use provtaskd::model::{Digest, Kind, Login, Owner, RoleKey, TargetName, Task, TaskId, TaskStatus};
use provtaskd::policy::load::shipped_sources;
use provtaskd::policy::{InputsWriter, PolicySet};

#[path = "support/facts.rs"]
mod facts;
use facts::facts;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let set = PolicySet::compile(shipped_sources()).expect("the shipped set compiles");
    let (task, mut facts) = {
        let task = task();
        let facts = facts(&task);
        (Arc::new(task), facts)
    };
    let shared = Arc::new(facts.clone());
    let digest = Digest::new(&"ab".repeat(32));
    criterion.bench_function("policy/shipped set, a retry", |bench| {
        bench.iter(|| set.decide(black_box(&task), black_box(&shared), digest.clone()));
    });
    criterion.bench_function("policy/the same in Rust", |bench| {
        bench.iter(|| native(black_box(&task), black_box(&shared)));
    });
    criterion.bench_function("policy/inputs as text", |bench| {
        let mut words = InputsWriter::default();
        bench.iter(|| words.parts(black_box(&task), black_box(&mut facts)));
    });
    criterion.final_summary();
}

/// What the shipped set says of this task, without a script.
fn native(task: &Task, facts: &Facts) -> Option<&'static str> {
    if facts.definition.manual_since.is_some() || matches!(task.owner, Owner::User { .. }) {
        return None;
    }
    let wanted = task.status == TaskStatus::Rejected
        && facts.retryable
        && !matches!(facts.kind, Kind::Password | Kind::Notify | Kind::Unknown)
        && facts.history.attempts < 5;
    wanted.then_some("retry")
}

fn task() -> Task {
    let mut task = Task::bare(TaskId::new("4711"), TaskStatus::Rejected);
    task.definition_name = Some(Arc::from("Delete User"));
    task.target = Some(TargetName::new("Mail"));
    task.beneficiary = Some(Login::new("u1"));
    task.reason = Some(Arc::from(
        "java.net.ConnectException: Connection refused: connect",
    ));
    task.owner = Owner::Role {
        key: Some(RoleKey::new("7")),
        name: Some(Arc::from("PROVISIONING OPERATORS")),
    };
    task
}
