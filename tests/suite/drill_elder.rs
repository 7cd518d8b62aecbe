//! Drills of work that OIG's own job, or an admin, had retried before the daemon first saw it: its id is young, the work is old; and of revokes that show otherwise than a plain `C` that they were done.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

/// What the client has run, by the definition and in its order.
async fn ran(drill: &Drill) -> Vec<String> {
    let evidence = drill.evidence().await;
    let name = |effect: &Value| effect["definition"].as_str().expect("a name").to_owned();
    evidence.effects().map(name).collect()
}

fn world(tasks: &str) -> String {
    format!(
        r#"
name = "elder"
seed = 51
[traits]
show_child = true
[[user]]
login = "JDOE"
[[user]]
login = "CDIAZ"
[[target]]
name = "AD"
[[account]]
target = "AD"
user = "JDOE"
key = 700
[[account]]
target = "AD"
user = "CDIAZ"
key = 701
{tasks}"#
    )
}

/// One task of JDOE.
fn task(id: u32, name: &str, created: &str, more: &str) -> String {
    format!(
        "[[task]]\nid = {id}\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"{name}\"\ncreated = \"{created}\"\n{more}\n"
    )
}

/// A first day on which the elder of two had been retried, in vain, after the younger was made.
async fn after_a_retry_of(elder: &str, tasks: &str) -> Drill {
    let drill = Setup::of(&world(tasks)).start().await;
    drill.act(json!({"task": elder, "do": "retry"})).await;
    let mut drill = drill;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    drill
}

/// The grant is three days old, the revoke of the same row two; OIG's own job has retried the grant since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_was_retried_before_it_was_seen_is_not_younger_than_its_revoke() {
    let tasks = [
        task(
            5001,
            "Add User to Group",
            "-72h",
            "failure = \"network\"\nheals_after = 1\nchild = \"SALES\"",
        ),
        task(
            5002,
            "Remove User from Group",
            "-48h",
            "status = \"C\"\nchild = \"SALES\"",
        ),
    ]
    .concat();
    let drill = after_a_retry_of("5001", &tasks).await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "given back: {ran:?} {inbox:#?}");
}

/// The same of an account that was disabled after its enable had failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enable_that_was_retried_before_it_was_seen_is_not_younger_than_the_disable() {
    let tasks = [
        task(5000, "Disable User", "-96h", "status = \"C\""),
        task(
            5001,
            "Enable User",
            "-72h",
            "failure = \"network\"\nheals_after = 1",
        ),
        task(5002, "Disable User", "-48h", "status = \"C\""),
    ]
    .concat();
    let drill = after_a_retry_of("5001", &tasks).await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "switched on again: {ran:?} {inbox:#?}");
}

/// A person came back; the disable from before has failed all the time, and is retried by OIG's own job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disable_that_was_retried_before_it_was_seen_is_not_younger_than_the_enable() {
    let tasks = [
        task(
            5001,
            "Disable User",
            "-72h",
            "failure = \"network\"\nheals_after = 1",
        ),
        task(5002, "Enable User", "-48h", "status = \"C\""),
    ]
    .concat();
    let drill = after_a_retry_of("5001", &tasks).await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "taken from who is back: {ran:?} {inbox:#?}");
}

/// The enable was ordered first and has failed, the disable came later; then OIG's own job has run the enable once more, with success: the account is on, and the younger order takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disable_is_not_held_by_an_older_enable_that_was_retried_and_done_before_it_was_seen() {
    let tasks = [
        task(5001, "Enable User", "-72h", "failure = \"network\""),
        task(5002, "Disable User", "-48h", "failure = \"network\""),
    ]
    .concat();
    let drill = after_a_retry_of("5001", &tasks).await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert_eq!(ran, ["Disable User"], "left open: {inbox:#?}");
}

/// Changes go oldest first, by when they were first created; where that can't be told, none goes unasked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_retried_before_it_was_seen_does_not_overwrite_a_newer_one() {
    let tasks = [
        task(
            5001,
            "Department Updated",
            "-72h",
            "failure = \"network\"\nheals_after = 1\nvalue = \"OLD\"",
        ),
        task(
            5002,
            "Department Updated",
            "-48h",
            "failure = \"network\"\nvalue = \"NEW\"",
        ),
    ]
    .concat();
    let drill = after_a_retry_of("5001", &tasks).await;
    let (overtaken, ran, inbox) = (
        drill.count("overtaken_effects"),
        ran(&drill).await,
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(overtaken, 0, "an old value over a newer one: {ran:?}");
    // either may be what came of the one that is closed, and nothing tells which: a person is asked
    assert!(ran.is_empty(), "unasked: {ran:?}");
    assert!(
        format!("{inbox:?}").contains("waits_for_older"),
        "{inbox:#?}"
    );
}

/// "If task is completed, set status to UC": so OIG itself tells people to close manual work that they have done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_that_a_person_has_closed_as_uc_may_have_been_done() {
    let tasks = [
        task(
            5001,
            "Add User to Group",
            "-72h",
            "failure = \"network\"\nchild = \"SALES\"",
        ),
        task(
            5002,
            "Remove User from Group",
            "-48h",
            "status = \"UC\"\nmanual = true\nchild = \"SALES\"",
        ),
        task(5003, "Telephone Updated", "-96h", "status = \"C\""),
    ]
    .concat();
    let mut drill = Setup::of(&world(&tasks)).enforcing().await;
    drill.run_for("12h").await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "given back unasked: {ran:?} {inbox:#?}");
}

/// A row was taken away; then the account was disabled for a while and enabled again. Of all that the server shows only
/// the enable once the rest is archived: it has given the account back, and not the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_taken_away_does_not_come_back_with_its_account() {
    let tasks = [
        task(5001, "Add User to Group", "-72h", "failure = \"network\"\nchild = \"SALES\""),
        task(5002, "Remove User from Group", "-12h", "status = \"P\"\nchild = \"SALES\""),
        // so that the definitions are there
        "[[task]]\ntarget = \"AD\"\nuser = \"CDIAZ\"\ntask = \"Disable User\"\nstatus = \"C\"\ncreated = \"-200h\"\n".to_owned(),
        "[[task]]\ntarget = \"AD\"\nuser = \"CDIAZ\"\ntask = \"Enable User\"\nstatus = \"C\"\ncreated = \"-200h\"\n".to_owned(),
    ]
    .concat();
    let world = world(&tasks).replace("[traits]", "[server]\nforget_after = \"30h\"\n[traits]");
    let mut drill = Setup::of(&world).every("10m").enforcing().await;
    drill.run_for("30m").await;
    // by its connector, without us
    drill.act(json!({"task": "5002", "do": "complete"})).await;
    drill.run_for("30m").await;
    drill.approve_backlog();
    drill.run_for("90m").await;
    let off = add_task(&drill.sim, &json!(700), "Disable User").await;
    drill.act(json!({"task": off, "do": "complete"})).await;
    drill.run_for("20h").await;
    let on = add_task(&drill.sim, &json!(700), "Enable User").await;
    drill.act(json!({"task": on, "do": "complete"})).await;
    drill.run_for("4h").await;
    let before = ran(&drill).await;
    // the revoke and the disable are forgotten, the enable is not yet
    drill.run_for("20h").await;
    let (after, inbox) = (ran(&drill).await, drill.inbox());
    let stale = drill.count("stale_effects");
    drill.judged_elsewhere();
    assert!(before.is_empty(), "{before:?}");
    assert_eq!(
        (after.len(), stale),
        (0, 0),
        "given back: {after:?} {inbox:#?}"
    );
}

/// The retry link of the row itself names the task from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_whose_row_names_the_task_that_it_retries_is_as_old_as_that_one() {
    let tasks = [
        task(
            5001,
            "Add User to Group",
            "-72h",
            "failure = \"network\"\nheals_after = 1\nchild = \"SALES\"",
        ),
        task(
            5002,
            "Remove User from Group",
            "-48h",
            "status = \"C\"\nchild = \"SALES\"",
        ),
    ]
    .concat();
    let linked = "name = \"AD\"\nlink_successor = true\n[[account]]";
    let world = world(&tasks).replacen("name = \"AD\"\n[[account]]", linked, 1);
    assert!(world.contains(linked), "{world}");
    let mut drill = Setup::of(&world).start().await;
    drill.act(json!({"task": "5001", "do": "retry"})).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("12h").await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "given back: {ran:?} {inbox:#?}");
}

/// A row was taken away. Later it was ordered once more to take it, and that order was cancelled: when the first one is archived,
/// the second does not tell that the row was given again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_second_revoke_does_not_undo_the_first() {
    let tasks = [
        task(5001, "Add User to Group", "-72h", "failure = \"network\"\nchild = \"SALES\""),
        task(5002, "Remove User from Group", "-1h", "status = \"C\"\nchild = \"SALES\""),
        "[[task]]\ntarget = \"AD\"\nuser = \"CDIAZ\"\ntask = \"Telephone Updated\"\nstatus = \"C\"\ncreated = \"-2h\"\n".to_owned(),
    ]
    .concat();
    let world = world(&tasks).replace("[traits]", "[server]\nforget_after = \"30h\"\n[traits]");
    let mut drill = Setup::of(&world).every("10m").enforcing().await;
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("19h").await;
    let again = add_task(&drill.sim, &json!(700), "Remove User from Group").await;
    drill.act(json!({"task": again, "do": "cancel"})).await;
    // the first one is forgotten, the cancelled one not yet
    drill.run_for("20h").await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    let stale = drill.count("stale_effects");
    drill.judged_elsewhere();
    assert_eq!((ran.len(), stale), (0, 0), "given back: {ran:?} {inbox:#?}");
}

/// A directory's names are the same in any case: the row that was granted is the one that was taken away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_the_same_row_in_any_case_and_with_any_blanks_around() {
    let tasks = [
        task(
            5001,
            "Add User to Group",
            "-72h",
            "failure = \"network\"\nchild = \"CN=Sales,OU=Groups\"",
        ),
        task(
            5002,
            "Remove User from Group",
            "-48h",
            "status = \"C\"\nchild = \"cn=sales,ou=groups \"",
        ),
    ]
    .concat();
    let mut drill = Setup::of(&world(&tasks)).enforcing().await;
    drill.run_for("12h").await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "given back: {ran:?} {inbox:#?}");
}

/// A person releases what is not older than three days; this work is forty days old, and OIG's own job has retried it last night.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_work_that_was_retried_before_it_was_seen_is_not_released_as_young() {
    let tasks = task(
        5001,
        "Telephone Updated",
        "-40d",
        "failure = \"network\"\nheals_after = 1",
    );
    let mut drill = Setup::of(&world(&tasks)).start().await;
    drill.act(json!({"task": "5001", "do": "retry"})).await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let young = [
        "approve",
        "baseline:AD",
        "--max-age",
        "3d",
        "--why",
        "young",
        "--yes-release",
        "99",
    ];
    // that nothing is so young may be an error
    let _ = drill.cli(&young);
    drill.run_for("6h").await;
    let (ran, inbox) = (ran(&drill).await, drill.inbox());
    drill.judged_elsewhere();
    assert!(ran.is_empty(), "forty days old: {ran:?} {inbox:#?}");
}

/// Somebody on leave of absence is disabled in OIG, and loses a group meanwhile; nobody reads his account while nothing is given to him
/// anyway. When he is back the revoke is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_from_somebody_while_he_was_off_is_not_given_to_him_when_he_is_back() {
    let tasks = [
        task(5001, "Add User to Group", "-72h", "failure = \"network\"\nchild = \"SALES\""),
        task(5002, "Remove User from Group", "-1h", "status = \"C\"\nchild = \"SALES\""),
        // another account shows what it has finished
        "[[task]]\ntarget = \"AD\"\nuser = \"CDIAZ\"\ntask = \"Telephone Updated\"\nfailure = \"network\"\ncreated = \"-2h\"\n".to_owned(),
    ]
    .concat();
    let world = world(&tasks)
        .replace("[traits]", "[server]\nforget_after = \"30h\"\n[traits]")
        .replace(
            "login = \"JDOE\"\n[[user]]",
            "login = \"JDOE\"\nstatus = \"Disabled\"\n[[user]]",
        );
    let mut drill = Setup::of(&world).every("10m").enforcing().await;
    drill.run_for("40h").await;
    let before = ran(&drill).await;
    drill.act(json!({"user": "JDOE", "status": "Active"})).await;
    drill.run_for("24h").await;
    let (after, inbox) = (ran(&drill).await, drill.inbox());
    let stale = drill.count("stale_effects");
    drill.judged_elsewhere();
    assert_eq!(before, ["Telephone Updated"]);
    assert_eq!(
        (after.len(), stale),
        (1, 0),
        "given back: {after:?} {inbox:#?}"
    );
}
