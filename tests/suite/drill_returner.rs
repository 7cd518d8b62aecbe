//! Drills of people who came back while the order to take their access from before was still open: it goes first, and does not make stale what was ordered after it; a younger order to take does.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::naive::add_task;

/// What the connector has done, by the definition and in its order.
async fn done(drill: &Drill) -> Vec<String> {
    let evidence = drill.evidence().await;
    let good = evidence.effects().filter(|effect| effect["ok"] == true);
    let name = |effect: &Value| effect["definition"].as_str().expect("a name").to_owned();
    good.map(name).collect()
}

/// Disabled, enabled, given a group, one after the other, and all of it has failed.
fn world(target: &str, traits: &str, enable: &str) -> String {
    let task = |name: &str, created: &str, more: &str| {
        format!(
            "[[task]]\ntarget = \"AD\"\nuser = \"JDOE\"\ntask = \"{name}\"\ncreated = \"{created}\"\n{more}\n"
        )
    };
    [
        format!(
            "name = \"returner\"\nseed = 72\n[traits]\nshow_child = true\n{traits}\n[[user]]\nlogin = \"JDOE\"\n\
             [[target]]\nname = \"AD\"\n{target}\n[[account]]\ntarget = \"AD\"\nuser = \"JDOE\"\nkey = 700\n"
        ),
        task("Disable User", "-50h", "failure = \"network\""),
        task("Enable User", "-30h", &format!("failure = \"network\"\n{enable}")),
        task("Add User to Group", "-20h", "failure = \"network\"\nchild = \"SALES\""),
        task("Title Updated", "-10h", "failure = \"network\""),
    ]
    .concat()
}

const ORDER: [&str; 4] = [
    "Disable User",
    "Enable User",
    "Add User to Group",
    "Title Updated",
];

/// Whether a status is shown or not, at once or later, under a new id with a link or (at once) without, or under the same
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ordered_after_an_older_disable_goes_when_that_is_done() {
    let targets = [
        "",
        "link_successor = true",
        "run = \"later\"\nlater = \"4m\"",
        "successor_delay = \"2m\"\nlink_successor = true",
        "same_id = true",
    ];
    for target in targets {
        for traits in ["", "accounts_no_status = true"] {
            let mut drill = Setup::of(&world(target, traits, "")).enforcing().await;
            drill.run_for("24h").await;
            let (mut ran, inbox) = (done(&drill).await, drill.inbox());
            // the last two may go together
            ran.get_mut(2..).unwrap_or_default().sort();
            assert_eq!(ran, ORDER, "{target} {traits}: {inbox:#?}");
            assert_eq!(drill.count("stale_effects"), 0, "{target} {traits}");
            drill.judge().await;
        }
    }
}

/// The daemon is killed between the disable and the enable: what it knows of its own retry is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_knows_whose_the_disable_was() {
    let mut drill = Setup::of(&world("", "accounts_no_status = true", ""))
        .enforcing()
        .await;
    drill
        .run_until("6h", "the disable is done", |drill| {
            drill.count("healed") > 0
        })
        .await;
    drill.kill_and_restart().await;
    drill.run_for("24h").await;
    let (ran, inbox) = (done(&drill).await, drill.inbox());
    assert_eq!(ran.len(), 4, "{ran:?} {inbox:#?}");
    drill.judge().await;
}

/// He leaves once more while the enable still fails: a younger disable is done, beside our own retry of the older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_younger_disable_still_makes_the_enable_stale() {
    for traits in ["", "accounts_no_status = true"] {
        let world = world("", traits, "heals_after = 2");
        let mut drill = Setup::of(&world).enforcing().await;
        drill
            .run_until("6h", "the disable is done", |drill| {
                drill.count("healed") > 0
            })
            .await;
        let off = add_task(&drill.sim, &json!(700), "Disable User").await;
        drill.act(json!({"task": off, "do": "complete"})).await;
        drill.run_for("48h").await;
        let (ran, stale, inbox) = (
            done(&drill).await,
            drill.count("stale_effects"),
            drill.inbox(),
        );
        drill.judged_elsewhere();
        assert_eq!(stale, 0, "{traits}: {ran:?} {inbox:#?}");
        assert_eq!(ran, ["Disable User"], "{traits}: {inbox:#?}");
        // where the younger one was done before ours was read, which of them is whose can't be told
        let asked = |item: &Value| item["why"] == "stale_grant" || item["why"] == "ambiguous";
        let said = inbox.iter().any(asked);
        assert!(said, "{traits}: {inbox:#?}");
    }
}

/// The younger disable comes, and is done, while our retry of the older one is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_younger_disable_that_is_done_beside_our_retry_makes_the_enable_stale() {
    let world = world(
        "run = \"later\"\nlater = \"9m\"",
        "accounts_no_status = true",
        "",
    );
    let mut drill = Setup::of(&world).enforcing().await;
    let sent = |drill: &Drill| drill.journal().iter().any(|row| row["method"] == "PUT");
    drill.run_until("6h", "the disable is sent", sent).await;
    let off = add_task(&drill.sim, &json!(700), "Disable User").await;
    drill.act(json!({"task": off, "do": "complete"})).await;
    drill.run_for("48h").await;
    let (ran, stale, inbox) = (
        done(&drill).await,
        drill.count("stale_effects"),
        drill.inbox(),
    );
    drill.judged_elsewhere();
    assert_eq!(stale, 0, "{ran:?} {inbox:#?}");
    assert!(
        !ran.contains(&"Enable User".to_owned()),
        "{ran:?} {inbox:#?}"
    );
}

/// The younger disable is done while nothing shows what our retry of the older one has made: it is nobody's proof that the
/// order was the older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_younger_disable_is_not_taken_for_the_late_or_hidden_successor_of_the_older_one() {
    for target in ["successor_delay = \"2h\"", "successor_hidden = true"] {
        for traits in ["", "accounts_no_status = true"] {
            let mut drill = Setup::of(&world(target, traits, "")).enforcing().await;
            let sent = |drill: &Drill| drill.journal().iter().any(|row| row["method"] == "PUT");
            drill.run_until("6h", "the disable is sent", sent).await;
            drill.run_for("20m").await;
            let off = add_task(&drill.sim, &json!(700), "Disable User").await;
            drill.act(json!({"task": off, "do": "complete"})).await;
            drill.run_for("48h").await;
            let (ran, stale) = (done(&drill).await, drill.count("stale_effects"));
            let inbox = drill.inbox();
            drill.judged_elsewhere();
            assert_eq!(stale, 0, "{target} {traits}: {ran:?} {inbox:#?}");
        }
    }
}

/// A younger disable was done and is archived; then our retry carries out the older one, which is shown, and tells nothing
/// of what came between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_disable_does_not_tell_that_no_younger_one_is_archived() {
    for traits in ["", "accounts_no_status = true"] {
        let world = format!(
            "name = \"between\"\nseed = 73\n[server]\nforget_after = \"30d\"\n[traits]\n{traits}\n\
             [[target]]\nname = \"AD\"\n[[population]]\ntarget = \"AD\"\naccounts = 3\nprefix = \"EMP\"\nage = \"60d\"\n\
             task = [{{ task = \"Disable User\", failure = \"network\" }}, {{ task = \"Enable User\", failure = \"network\", age = \"55d\" }}]\n\
             done = [{{ task = \"Disable User\", age = \"40d\" }}]\n"
        );
        let mut drill = Setup::of(&world)
            .config("[guard]\nage_limit = \"300d\"")
            .enforcing()
            .await;
        drill.run_for("24h").await;
        let (ran, stale, inbox) = (
            done(&drill).await,
            drill.count("stale_effects"),
            drill.inbox(),
        );
        drill.judged_elsewhere();
        assert_eq!(stale, 0, "{traits}: {ran:?} {inbox:#?}");
        assert!(
            !ran.contains(&"Enable User".to_owned()),
            "{traits}: {ran:?}"
        );
    }
}

/// The same of young orders, which no reading holds up: the older disable is carried out, and the enable must not follow it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enable_does_not_follow_our_own_disable_where_a_younger_one_is_archived() {
    for traits in ["", "accounts_no_status = true"] {
        let world = format!(
            "name = \"young\"\nseed = 74\n[traits]\n{traits}\n[[user]]\nlogin = \"JDOE\"\n\
             [[target]]\nname = \"AD\"\n[[account]]\ntarget = \"AD\"\nuser = \"JDOE\"\nkey = 700\n\
             [[user]]\nlogin = \"ELSE\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"ELSE\"\ntask = \"Disable User\"\nstatus = \"X\"\ncreated = \"-9h\"\n\
             [[task]]\ntarget = \"AD\"\nuser = \"ELSE\"\ntask = \"Enable User\"\nstatus = \"X\"\ncreated = \"-8h\"\n"
        );
        let mut drill = Setup::of(&world).start().await;
        drill.release();
        drill.daemon();
        drill.run_for("10m").await;
        // all three come while nothing is sent
        drill.done(&["pause", "--for", "45m", "--why", "the target is moved"]);
        for (name, end) in [
            ("Disable User", "reject"),
            ("Enable User", "reject"),
            ("Disable User", "complete"),
        ] {
            let task = add_task(&drill.sim, &json!(700), name).await;
            drill.act(json!({"task": task, "do": end})).await;
            if end == "complete" {
                drill.act(json!({"task": task, "do": "forget"})).await;
            }
            drill.run_for("10m").await;
        }
        drill.run_for("24h").await;
        let (ran, stale, inbox) = (
            done(&drill).await,
            drill.count("stale_effects"),
            drill.inbox(),
        );
        drill.judged_elsewhere();
        assert_eq!(stale, 0, "{traits}: {ran:?} {inbox:#?}");
        assert_eq!(ran, ["Disable User"], "{traits}: {inbox:#?}");
        let asked = inbox.iter().any(|item| item["why"] == "account_unknown");
        assert!(asked, "{traits}: {inbox:#?}");
    }
}
