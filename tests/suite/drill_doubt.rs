//! Drills of doubt: slow servers, accounts that can't be read, orders in the middle of a cycle; what is not known must never be sent, nor hold up the rest.

use std::fs;

use provtaskd::dispatch::verify;
use provtaskd::ledger::VerifyItem;
use provtaskd::model::{LineageId, Login, ProcessKey, TaskId};
use provtaskd::oig::Logins;

use crate::client_stub::{Stub, http, setup};
use crate::drill::Setup;

const GROUPS: &str = r#"
name = "groups"
seed = 11
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 24
task = [{ task = "Add User to Group", failure = "network" }]
"#;

/// 24 tasks on 8 pages at 2 reads a minute: a list takes longer than `reread_after`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_slower_than_its_rows_stay_fresh_does_not_stop_the_healing() {
    let mut drill = Setup::of(GROUPS)
        .server("page_size = 3\nreads_per_minute = 2")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

/// What was decided by one policy set is not sent under the release of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_in_the_middle_of_a_cycle_voids_what_the_cycle_proposes() {
    let mut drill = Setup::of(GROUPS)
        .server("page_size = 3\nreads_per_minute = 2")
        .start()
        .await;
    let dir = drill.dir.path().join("policies");
    fs::create_dir(&dir).expect("made");
    for table in ["kinds.toml", "reasons.toml"] {
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        fs::copy(shipped.join(table), dir.join(table)).expect("copied");
    }
    let rule = |verdict: &str| {
        let script = format!("fn decide(task, facts) {{ {verdict} }}\n");
        fs::write(dir.join("10-all.rhai"), script).expect("written");
    };
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, format!("{config}\n[policy]\ndir = \"policies\"\n")).expect("written");
    rule(r#"leave("not today")"#);
    drill.release();
    rule("retry()");
    drill.release();
    drill.daemon();
    drill.run_for("30m").await;
    drill.approve_backlog();
    // a cycle under the first set is still reading its list
    drill.run_for("1m").await;
    assert_eq!(drill.count("effects"), 0);
    rule(r#"leave("not today")"#);
    drill.done(&["reload"]);
    drill.run_for("6h").await;
    assert_eq!(drill.count("effects"), 0, "the live set leaves everything");
    rule("retry()");
    drill.done(&["reload"]);
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

/// A key that is used only at start is refused by name, and the rest of the file is not taken over in part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_names_the_key_that_needs_a_restart() {
    let mut drill = Setup::of(GROUPS).enforcing().await;
    let path = drill.dir.path().join("provtaskd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let changed = config.replace("[server]\n", "[server]\npage_size = 7\n");
    assert_ne!(changed, config);
    fs::write(&path, changed).expect("written");
    let answer = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(!answer.status.success(), "{said}");
    assert!(
        said.contains("server.page_size") && said.contains("restart"),
        "{said}"
    );
    // what is wrong with the file is said once
    let wrong = config.replace("[server]\n", "[server]\nnosuch = 7\n");
    fs::write(&path, wrong).expect("written");
    let answer = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(said.matches("server.nosuch").count(), 1, "{said}");
    fs::write(&path, config).expect("written");
    drill.run_for("3h").await;
    drill.judge().await;
}

fn item(lineage: u64, process: &str) -> VerifyItem {
    VerifyItem {
        lineage: LineageId(lineage),
        ordinal: 1,
        task: TaskId::new(&format!("90{lineage}")),
        process: Some(ProcessKey::new(process)),
        login: None,
        read_process: true,
        due: jiff::Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn one_unreadable_item_does_not_end_a_round_of_readings() {
    let stub = Stub::start(|_, seen| {
        if seen.path.contains("902") || seen.path.contains("/72") {
            http("500 Internal Server Error", "", "no")
        } else {
            http("404 Not Found", "", "")
        }
    })
    .await;
    let setup = setup(&stub.origin());
    let gone = VerifyItem {
        login: Some(Login::new("GONE")),
        ..item(4, "74")
    };
    let round = verify::look(
        &Logins::new(setup.client(), Vec::new()),
        vec![item(1, "71"), item(2, "72"), gone, item(3, "73")],
        None,
    )
    .await;
    assert!(round.error.is_none(), "{round:?}");
    assert!(round.rest.is_empty());
    let failed: Vec<u64> = round
        .failed
        .iter()
        .map(|(item, _)| item.lineage.0)
        .collect();
    assert_eq!(failed, [2]);
    let (item, why) = &round.barred[0];
    assert!(item.lineage.0 == 4 && why.contains("GONE"), "{why}");
    let asked_for_it = stub.seen().iter().any(|seen| seen.path.contains("74"));
    assert!(!asked_for_it, "only the login that has sent it may read it");
    for lineage in [1, 2, 3] {
        assert!(round.looked.iter().any(|look| look.lineage.0 == lineage));
    }
}

#[tokio::test]
async fn a_server_that_asks_to_wait_ends_a_round_and_what_is_left_is_named() {
    let stub =
        Stub::start(|_, _| http("503 Service Unavailable", "Retry-After: 60\r\n", "no")).await;
    let setup = setup(&stub.origin());
    let round = verify::look(
        &Logins::new(setup.client(), Vec::new()),
        vec![item(1, "71"), item(2, "72"), item(3, "73")],
        None,
    )
    .await;
    assert!(round.error.is_some());
    assert_eq!(
        round.rest.len(),
        2,
        "the first was tried, the others were not"
    );
    assert_eq!(stub.seen().len(), 1, "nothing more is asked of it");
}

/// An old backlog is released by age too: the rest of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backlog_is_released_by_age() {
    let mut drill = Setup::of(
        r#"
name = "ages"
seed = 12
[[target]]
name = "AD"
[[population]]
target = "AD"
prefix = "NEW"
accounts = 6
age = "2d"
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "AD"
prefix = "OLD"
accounts = 5
age = "20d"
task = [{ task = "Add User to Group", failure = "network" }]
"#,
    )
    .start()
    .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let said = drill.done(&[
        "approve",
        "baseline:AD",
        "--why",
        "the young first",
        "--max-age",
        "7d",
        "--yes-release",
        "6",
    ]);
    assert!(said.contains("released: 6 tasks"), "{said}");
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 6, "only the young ones");
    drill.judge_leaving(5).await;
}

/// A pause of a definition holds all its tasks; one that names nothing is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_definition_waits_and_goes_on_when_it_is_resumed() {
    let mut drill = Setup::of(GROUPS).start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let unknown = drill.cli(&["pause", "--why", "x", "--definition", "AD/Add User"]);
    assert!(
        !unknown.status.success(),
        "a pause that holds nothing is no pause"
    );
    let task = drill.inbox()[0]["tasks"][0].to_string();
    let task = task.trim_matches('"').to_owned();
    let explained = drill.done(&["explain", &task]);
    let shown = explained
        .split_whitespace()
        .find(|word| word.starts_with("AD/#"))
        .expect("the definition's id")
        .to_owned();
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        said.contains("AD/Add User to Group"),
        "which are known: {said}"
    );
    // by the name that `status` and `plan` show, however it is written
    let named = ["--definition", "ad/add user to GROUP"];
    let said = drill.done(&["pause", "--why", "a change", named[0], named[1]]);
    assert!(said.contains(&shown), "{said}");
    drill.done(&["resume", named[0], named[1]]);
    let definition = ["--definition", shown.as_str()];
    drill.done(&["pause", "--why", "a change", definition[0], definition[1]]);
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!(drill.count("effects"), 0, "paused");
    drill.done(&["resume", definition[0], definition[1]]);
    drill.run_for("12h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

/// On a busy server every list shifts while it is read: nothing is concluded from what is missing, but work goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_always_shifts_does_not_stop_the_healing() {
    let busy =
        format!("{GROUPS}[[fault]]\ndo = \"overlap_pages\"\non = \"list\"\nprobability = 1.0\n");
    let mut drill = Setup::of(&busy).server("page_size = 5").start().await;
    drill.release();
    drill.daemon();
    drill.run_for("1h").await;
    assert_eq!(drill.count("effects"), 0, "the backlog waits for a person");
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert!(drill.log().contains("whole=false"));
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

/// Rows that show no account, or another one with each retry, beside tasks that fail for ever: what follows a
/// retry is for a person, and is not retried as new work again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_retry_is_not_retried_for_ever_where_no_account_tells_what_it_is() {
    for unknown in ["no_process_key", "new_process_key"] {
        let world = format!(
            r#"
name = "keyless"
seed = 41
[traits]
{unknown} = true
[[target]]
name = "AD"
[[population]]
target = "AD"
accounts = 2
task = [{{ task = "Disable User", failure = "lock", heals_after = 500 }}]
"#
        );
        let mut drill = Setup::of(&world).start().await;
        drill.release();
        drill.daemon();
        drill.run_for("1m").await;
        drill.approve_backlog();
        drill.run_for("24h").await;
        let runs = drill.count("effects");
        assert!((1..=2).contains(&runs), "{unknown}: each once, not {runs}");
        let inbox = drill.inbox();
        assert!(
            inbox.iter().any(|item| item["why"] == "ambiguous"),
            "{unknown}: {inbox:#?}"
        );
        drill.judge_leaving(2).await;
    }
}
