//! Whole-process drills of what is said and counted between two lists of a login that is read seldom, or while one is not read at all.

use serde_json::{Value, json};

use crate::drill::{Drill, Setup};
use crate::drill_logins::{SECOND, TWO, approve, begin_with};

/// Enforce comes by a reload between two lists of the second login, and its backlog is released before its next
/// list is due: what the policies want done with it is known by then, and no warning calls it new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_between_two_lists_knows_what_the_policies_want() {
    let setup = Setup::of(TWO).config(&format!("{SECOND}every = \"6h\"\n"));
    let mut drill = setup.start().await;
    drill.write_secret("second", "sim-password-2");
    let path = drill.dir.path().join("provtaskd.toml");
    let enforce = std::fs::read_to_string(&path).expect("its configuration");
    drill.write(
        "provtaskd.toml",
        &enforce.replace("\"enforce\"", "\"observe\""),
    );
    drill.release();
    drill.daemon();
    drill.run_for("1h").await;
    drill.write("provtaskd.toml", &enforce);
    drill.signal(rustix::process::Signal::HUP);
    drill.run_for("10m").await;
    let shown = drill.json(&["baseline", "show", "--json"]);
    for row in shown["rows"].as_array().expect("rows") {
        assert_eq!(row["wanted"], 4, "{row:#}");
    }
    let released = |target: &str| {
        let most = ["--yes-release", "4", "--why", "the drill"];
        drill.done(&[&["baseline", "release", target][..], &most].concat())
    };
    let said = released("HR");
    assert!(said.contains("something done with 4 of them"), "{said}");
    let log = drill.log();
    assert!(!log.contains("there for the first time"), "{log}");
    let taken = log.matches("was read for the first time since enforce is on");
    assert!(taken.count() <= 1, "{log}");
    drill.run_for("12h").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
}

/// The second login sees what the main one sees, too. While the main one is stopped, nothing is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_list_shows_is_not_called_left_out() {
    let world = TWO.replace(
        "roles = [\"SECOND LINE\"]",
        "roles = [\"SECOND LINE\", \"PROV OPERATORS\"]",
    );
    assert_ne!(world, TWO);
    let mut drill = begin_with(Setup::of(&world).config(SECOND)).await;
    drill.run_for("30m").await;
    let acts = |drill: &Drill| -> Vec<Value> {
        let status = drill.json(&["status", "--json"]);
        let rows = status["logins"].as_array().expect("rows").iter();
        rows.map(|row| row["acts"].clone()).collect()
    };
    assert_eq!(acts(&drill), [json!(8), json!(8)]);
    let new = json!({"login": "PROVSVC", "new": "right-horse-2"});
    drill.act(json!({ "password": new })).await;
    drill.expect.wrong_secrets = 1;
    drill.run_for("1h").await;
    assert_eq!(acts(&drill), [json!(0), json!(16)]);
    let status = drill.done(&["status"]);
    assert!(!status.contains("NOT COUNTED"), "{status}");
    // and what goes to others meanwhile is left out
    drill.password("right-horse-2");
    drill.run_for("1h").await;
    let new = json!({"login": "SECOND", "new": "right-horse-3"});
    drill.act(json!({ "password": new })).await;
    drill.expect.wrong_secrets = 2;
    drill.run_for("1h").await;
    assert_eq!(acts(&drill), [json!(8), json!(8)]);
    let status = drill.done(&["status"]);
    assert!(status.contains("8 tasks of SECOND"), "{status}");
    approve(&drill, &["AD", "ERP"]);
    drill.write_secret("second", "right-horse-3");
    drill.run_for("3h").await;
    drill.approve_backlog();
    drill.run_for("24h").await;
    let evidence = drill.judge().await;
    assert_eq!(evidence.count("healed"), 16);
}
