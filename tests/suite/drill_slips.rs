//! Drills of slips in `[mode.targets]`: a name that no task ever bore must not leave the target that it was meant for in a laxer mode, and everybody who looks is told.

use std::fs;

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

const WORLD: &str = r#"
name = "slips"
seed = 29
[[target]]
name = "AD"
[[target]]
name = "SAP"
[[population]]
target = "AD"
accounts = 2
task = [{ task = "Telephone Updated", failure = "network" }]
[[population]]
target = "SAP"
accounts = 3
task = [{ task = "Telephone Updated", failure = "network" }]
"#;

/// Attempts on a target.
fn sent_to(drill: &Drill, target: &str) -> usize {
    let outcomes = drill.json(&["outcomes", "list", "--json"]);
    let rows = outcomes.as_array().expect("rows").iter();
    rows.filter(|row| row["target"] == target).count()
}

/// Output and errors of `check`, on one line.
fn checked(drill: &Drill) -> String {
    let output = drill.cli(&["check"]);
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    let words = String::from_utf8_lossy(&said).into_owned();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn status(drill: &Drill) -> String {
    let words = drill.done(&["status"]);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn configure(drill: &Drill, from: &str, to: &str) {
    let path = drill.dir.path().join("provtaskd.toml");
    let text = fs::read_to_string(&path).expect("its configuration");
    assert!(text.contains(from), "{from}: {text}");
    drill.write("provtaskd.toml", &text.replace(from, to));
}

/// Whatever is said of it: nothing goes to the target, however soon somebody releases all that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_a_target_whose_line_has_a_slip() {
    for name in ["SAPP", "SPA", "S.A.P"] {
        let modes = format!("[mode.targets]\n\"{name}\" = \"observe\"\n");
        let mut drill = Setup::of(WORLD).config(&modes).enforcing().await;
        drill.run_for("12h").await;
        let sent = (sent_to(&drill, "AD"), sent_to(&drill, "SAP"));
        assert_eq!(sent, (2, 0), "{name}");
        drill.judge_leaving(3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slip_holds_the_target_that_it_was_meant_for_until_it_is_mended() {
    let mut drill = Setup::of(WORLD)
        .config("[mode.targets]\nSAPP = \"observe\"\n")
        .start()
        .await;
    // no store, no daemon: nobody can know, and that is said
    let said = checked(&drill);
    assert!(
        said.contains("not checked") && said.contains("SAPP"),
        "{said}"
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let held = "may be a slip for SAP, which is held in observe";
    for said in [checked(&drill), status(&drill), drill.log()] {
        assert!(said.contains("may be a slip for SAP"), "{said}");
        assert!(said.contains("held in observe"), "{said}");
    }
    let (_, said) = failed(&drill, &["baseline", "release", "SAP", "--why", "x"]);
    assert!(
        said.contains("may be a slip for SAP: nothing is sent now"),
        "{said}"
    );
    drill.approve_backlog();
    drill.run_for("12h").await;
    assert_eq!((sent_to(&drill, "AD"), sent_to(&drill, "SAP")), (2, 0));
    let plan = drill.json(&["plan", "--target", "SAP", "--json"]);
    let first = &plan["items"][0]["refusals"][0];
    assert_eq!(first["reason"], "mode_observe", "{plan:#}");
    assert!(first.to_string().contains("SAPP"), "{first}");
    // the same after kill -9, and without a daemon
    drill.kill_and_restart().await;
    drill.run_for("2h").await;
    drill.stop();
    for said in [checked(&drill), status(&drill)] {
        assert!(said.contains(held), "{said}");
    }
    let records = drill.json(&["status", "--json"])["store_records"].clone();
    checked(&drill);
    assert_eq!(
        drill.json(&["status", "--json"])["store_records"],
        records,
        "a check writes nothing"
    );
    drill.daemon();
    drill.run_for("2h").await;
    assert_eq!(sent_to(&drill, "SAP"), 0);
    // a line of its own is taken at its word
    configure(
        &drill,
        "SAPP = \"observe\"",
        "SAPP = \"observe\"\nSAP = \"enforce\"",
    );
    let said = drill.done(&["reload"]);
    assert!(said.contains("mode.targets.SAPP"), "{said}");
    assert!(!said.contains("is held"), "{said}");
    drill.run_for("24h").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 5);
    drill.judge().await;
}

/// A name that is near to nothing may be a target to come: it holds nothing, and is said wherever something would go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_near_to_nothing_is_told_before_a_backlog_is_released() {
    let mut drill = Setup::of(WORLD)
        .config("[mode.targets]\n\"Business Suite\" = \"observe\"\nAD = \"enforce\"\n")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let said = checked(&drill);
    assert!(
        said.contains("mode.targets.\"Business Suite\"") && said.contains("ever seen"),
        "{said}"
    );
    let (_, said) = failed(&drill, &["baseline", "release", "SAP", "--why", "x"]);
    let words = "Business Suite (observe); if one of them is meant for SAP";
    assert!(said.contains(words), "{said}");
    let (_, said) = failed(&drill, &["baseline", "release", "AD", "--why", "x"]);
    assert!(
        !said.contains("Business Suite"),
        "AD has a line of its own: {said}"
    );
    let release = [
        "baseline",
        "release",
        "SAP",
        "--why",
        "x",
        "--yes-release",
        "3",
    ];
    let said = drill.done(&release);
    assert!(said.contains(words), "{said}");
    drill.approve_backlog();
    drill.run_for("12h").await;
    let told: Vec<Value> = drill.inbox();
    assert_eq!(drill.count("healed"), 5, "{told:#?}");
    drill.judge().await;
}

/// A policy's line with a slip: nothing goes by the policy that was meant, and everybody who looks is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_by_a_policy_whose_line_has_a_slip() {
    for name in ["30-retry", "30-Retry.RHAI", "retry"] {
        let modes = format!("[mode.policies]\n\"{name}\" = \"observe\"\n");
        let mut drill = Setup::of(WORLD).config(&modes).enforcing().await;
        drill.run_for("12h").await;
        assert_eq!(drill.count("effects"), 0, "{name}");
        let shown = status(&drill);
        let held = "may be a slip for 30-retry.rhai, which is held in observe";
        assert!(shown.contains(held), "{name}: {shown}");
        assert!(checked(&drill).contains(held), "{name}");
        let reloaded = drill.cli(&["reload"]);
        let said =
            String::from_utf8_lossy(&[reloaded.stdout, reloaded.stderr].concat()).into_owned();
        assert!(said.contains(held), "{name}: {said}");
        // mended, it goes
        configure(&drill, &format!("\"{name}\""), "\"40-escalate.rhai\"");
        drill.done(&["reload"]);
        drill.run_for("1h").await;
        drill.approve_backlog();
        drill.run_for("24h").await;
        assert_eq!(drill.count("healed"), 5, "{name}");
        drill.judge().await;
    }
}

/// Where single actions wait for their probe a reload does not say that nothing is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_does_not_say_that_nothing_is_sent_while_other_actions_go() {
    let mut drill = Setup::of(WORLD)
        .server("require_probe = true")
        .start()
        .await;
    drill.release();
    drill.done(&["probe"]);
    drill.daemon();
    drill.run_for("1m").await;
    let reloaded = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&[reloaded.stdout, reloaded.stderr].concat()).into_owned();
    assert!(said.contains("retry only observed, not probed"), "{said}");
    assert!(!said.contains("nothing is sent"), "{said}");
    drill.judge_leaving(5).await;
}

/// Limits of a target that nobody has ever seen limit nothing, and everybody who looks is told; nothing is held for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_a_target_that_was_never_seen_are_told_and_hold_nothing() {
    let mut drill = Setup::of(WORLD)
        .config("[governor.targets.SAPP]\nper_minute = 1\n")
        .start()
        .await;
    let said = checked(&drill);
    assert!(
        said.contains("not checked") && said.contains("governor.targets names (SAPP)"),
        "{said}"
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let words = "governor.targets.SAPP: no task of such a target was ever seen, so that it limits nothing; it may be a slip for SAP,";
    let reloaded = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&[reloaded.stdout, reloaded.stderr].concat()).into_owned();
    for said in [checked(&drill), status(&drill), said] {
        assert!(said.contains(words), "{said}");
    }
    assert!(drill.log().contains("governor.targets.SAPP"));
    drill.run_for("1h").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    assert_eq!(drill.count("healed"), 5);
    configure(&drill, "governor.targets.SAPP", "governor.targets.SAP");
    drill.done(&["reload"]);
    for said in [checked(&drill), status(&drill)] {
        assert!(!said.contains("governor.targets"), "{said}");
    }
    drill.judge().await;
}

/// A row that calls what gives access a revoke is believed, and nobody who looks can overlook it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_kinds_that_turns_giving_into_taking_is_told() {
    let mut drill = Setup::of(WORLD)
        .config("[policy]\nkinds = { \"SAP/Enable User\" = \"revoke\" }\n")
        .start()
        .await;
    let words = "it makes \"Enable User\" revoke, and the table alone would make it enable: no guard asks whether that access is still due";
    let said = checked(&drill);
    assert!(
        said.contains("policy.kinds") && said.contains(words),
        "{said}"
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    let reloaded = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&[reloaded.stdout, reloaded.stderr].concat()).into_owned();
    for said in [status(&drill), said, drill.log()] {
        assert!(said.contains(words), "{said}");
    }
    drill.judge_leaving(5).await;
}
