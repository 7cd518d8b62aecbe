//! Drills of the words of orders and answers, whole processes: what a person types and reads must be true, complete and harmless.

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

/// Twelve tasks, of which two are nothing that anybody wants done at present.
const MIXED: &str = r#"
name = "mixed"
seed = 22
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 10
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
accounts = 2
first = 101
task = [{ task = "Manual Provisioning", kind = "create", manual = true }]
"#;

async fn ready() -> Drill {
    let mut drill = Setup::of(MIXED).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill
}

fn backlog(drill: &Drill) -> Value {
    let mut inbox = drill.inbox().into_iter();
    let item = inbox.find(|item| item["id"] == "baseline:AD");
    item.expect("the backlog")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inbox_says_what_approve_and_reject_will_do() {
    let mut drill = ready().await;
    let shown = drill.done(&["inbox"]);
    assert!(
        shown.contains("1 can be approved by id, 0 can be rejected by id"),
        "{shown}"
    );
    let (code, said) = failed(&drill, &["reject", "baseline:AD", "--why", "no"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(
        said.contains("can't be rejected") && said.contains("until it is approved"),
        "{said}"
    );
    let item = backlog(&drill);
    assert_eq!(item["can_approve"], true);
    assert_eq!(item["can_reject"], false);
    let count = item["count"].as_u64().expect("a count");
    assert!(shown.contains(&format!("{count} tasks")), "{shown}");
    let text = item["text"].as_str().expect("a text");
    assert_eq!(count, 12, "{text}");
    assert!(
        text.contains("The policies want something done with 10 of these 12 tasks"),
        "{text}"
    );
    let said = drill.done(&[
        "approve",
        "baseline:AD",
        "--yes-release",
        "9999",
        "--why",
        "looked at",
    ]);
    assert!(said.contains(&format!("released: {count} tasks")), "{said}");
    drill.run_for("12h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_in_the_log_with_scope_why_and_result() {
    let mut drill = ready().await;
    drill.done(&[
        "pause",
        "--why",
        "a freeze\n\u{1b}[31mof AD",
        "--target",
        "AD",
    ]);
    failed(&drill, &["pause", "--why", "CHG-7", "--target", "NOSUCH"]);
    failed(&drill, &["reject", "cap:none", "--why", "CHG-8"]);
    drill.done(&["resume", "--target", "AD"]);
    let log = drill.log();
    let line = |with: &str, order: &str| {
        let line = log
            .lines()
            .find(|line| line.contains(order) && line.contains(with));
        line.unwrap_or_else(|| panic!("no {order} with {with}: {log}"))
    };
    for (order, with, also) in [
        (
            "order=\"pause\"",
            "target AD",
            &["a freeze  [31mof AD", "result=\"done\""][..],
        ),
        (
            "order=\"pause\"",
            "CHG-7",
            &["target NOSUCH", "result=\"refused\"", "ever seen"],
        ),
        (
            "order=\"reject\"",
            "CHG-8",
            &["cap:none", "result=\"refused\"", "no hold"],
        ),
        ("order=\"resume\"", "target AD", &["result=\"done\""]),
    ] {
        let line = line(with, order);
        for part in also {
            assert!(line.contains(part), "no {part}: {line}");
        }
    }
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_why_is_neither_empty_nor_a_book() {
    let mut drill = ready().await;
    let book = "x".repeat(100_000);
    for why in ["", " \t\n ", &book] {
        for order in [
            &["pause"][..],
            &["pause", "--target", "NOSUCH"],
            &["approve", "baseline:AD", "--yes-release", "9999"],
            &["reject", "baseline:AD"],
            &["outcomes", "reset", "L1"],
            &["outcomes", "settle", "L1", "--failed"],
        ] {
            let (code, said) = failed(&drill, &[order, &["--why", why]].concat());
            assert_eq!(code, Some(65), "{order:?}: {said}");
            let words = if why.len() > 9 {
                "at most 1000"
            } else {
                "--why is empty"
            };
            assert!(said.contains(words), "{order:?}: {said}");
            assert!(said.len() < 1_000, "{order:?} repeats it all");
        }
    }
    drill.done(&[
        "approve",
        "baseline:AD",
        "--yes-release",
        "9999",
        "--why",
        &"é".repeat(1_000),
    ]);
    drill.run_for("12h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_typed_comes_back_as_text_alone() {
    let mut drill = ready().await;
    let status = drill.json(&["status", "--json"]);
    let hash = status["policy_hash"].as_str().expect("a policy set");
    let red = "x\u{1b}[31m\ny";
    for args in [
        &["policy", "release", hash, "--person", red, "--word", "D-1"][..],
        &["pause", "--why", "x", "--unseen", "--target", red],
        &["resume", "--target", red],
        &["explain", red],
        &["outcomes", "show", red],
        &["approve", red, "--why", "x"],
        &["pause", "--why", "x", "--for", red],
        &["pause", "--why", "x", "--definition", red],
    ] {
        let output = drill.cli(args);
        for said in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(said);
            assert!(!said.contains('\u{1b}'), "{args:?}: {said:?}");
            assert!(
                !said.lines().any(|line| line.starts_with('y')),
                "{args:?}: {said:?}"
            );
        }
    }
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill.judge().await;
}
