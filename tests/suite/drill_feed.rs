//! Drills of the absence file, whole processes: what is wrong with it is said by whoever makes the daemon read it, and shown until it is mended.

use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::STEADY;

const GOOD: &str = "login,from,to,stand_in\nLOTTO,2020-01-01,2020-02-01,AHOLM\n";

fn feed(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])["absence_feed"].clone()
}

/// Exit code, and all that `reload` said.
fn reload(drill: &Drill) -> (Option<i32>, String, String) {
    let output = drill.cli(&["reload"]);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn in_inbox(drill: &Drill) -> bool {
    drill
        .inbox()
        .iter()
        .any(|item| item["id"] == "absence_feed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_absence_file_is_named_by_reload_and_shown_until_it_is_mended() {
    let mut drill = Setup::of(STEADY)
        .file("leave.csv", GOOD)
        .config("[absence]\nfeed = \"leave.csv\"")
        .enforcing()
        .await;
    let good = feed(&drill);
    assert!(
        good["file"]
            .as_str()
            .is_some_and(|f| f.ends_with("/leave.csv")),
        "{good:#}"
    );
    assert_eq!(good["rows"], 1, "{good:#}");
    assert!(good["as_of"].is_string(), "{good:#}");
    assert_eq!(good["problem"], Value::Null, "{good:#}");
    let text = drill.done(&["status"]);
    assert!(
        text.contains("absences") && text.contains("1 row"),
        "{text}"
    );
    assert!(!in_inbox(&drill));

    // it breaks off: the last good reading stands, and that is said
    drill.write("leave.csv", "login,from,to,stand_in\nLOTTO,2027-0");
    let (code, out, err) = reload(&drill);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("reloaded"), "the rest is live: {out}");
    assert!(err.contains("leave.csv:2"), "{err}");
    assert!(err.contains("hint: "), "{err}");
    let cut = feed(&drill);
    assert_eq!(cut["rows"], 1, "the last good one: {cut:#}");
    assert_eq!(cut["as_of"], good["as_of"], "{cut:#}");
    assert!(
        cut["problem"]
            .as_str()
            .is_some_and(|p| p.contains("breaks off")),
        "{cut:#}"
    );
    let words = drill.done(&["status"]);
    assert!(words.contains("breaks off"), "{words}");
    assert!(in_inbox(&drill));

    // another file that is not there: nothing is known
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("read");
    drill.write("provtaskd.toml", &config.replace("leave.csv", "gone.csv"));
    let (code, _, err) = reload(&drill);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("gone.csv"), "{err}");
    let gone = feed(&drill);
    assert_eq!(gone["rows"], Value::Null, "{gone:#}");
    assert!(
        gone["problem"]
            .as_str()
            .is_some_and(|p| p.contains("gone.csv")),
        "{gone:#}"
    );

    // a row of it can't be read: the others hold, and it is said too
    drill.write("gone.csv", &format!("{GOOD}AHOLM,nonsense,,\n"));
    let (code, out, err) = reload(&drill);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("gone.csv:3"), "{err}");
    let row = feed(&drill);
    assert_eq!(row["rows"], 1, "{row:#}");
    assert_eq!(row["bad_rows"], 1, "{row:#}");
    assert!(!in_inbox(&drill), "the file is used");

    drill.write("gone.csv", GOOD);
    let (code, out, err) = reload(&drill);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(feed(&drill)["problem"], Value::Null);
    drill.run_for("12h").await;
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_in_the_place_of_the_absence_file_holds_nothing_up() {
    let mut drill = Setup::of(STEADY)
        .file("leave.csv", GOOD)
        .config("[absence]\nfeed = \"leave.csv\"")
        .enforcing()
        .await;
    let good = feed(&drill);
    let path = drill.dir.path().join("leave.csv");
    std::fs::remove_file(&path).expect("removed");
    crate::given::fifo(&path);
    let (code, out, err) = reload(&drill);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        err.contains("leave.csv") && err.contains("a FIFO") && err.contains("hint: "),
        "{err}"
    );
    // the cycles go on, and so does what was read last
    drill.run_for("1h").await;
    let now = feed(&drill);
    assert_eq!(now["rows"], 1, "{now:#}");
    assert_eq!(now["as_of"], good["as_of"], "{now:#}");
    assert!(in_inbox(&drill));
    let said = drill.done(&["pause", "--why", "the drill"]);
    assert!(said.contains("paused everything"), "{said}");
    drill.done(&["resume"]);
    drill.run_for("12h").await;
    drill.signal(rustix::process::Signal::TERM);
    let ended = drill.child.take().expect("it runs").wait();
    assert!(ended.expect("its own child").success());
    drill.expect.lives.push(drill.journal().len());
    assert!(
        drill.log().contains("the store is closed"),
        "{}",
        drill.log()
    );
    drill.daemon();
    drill.run_for("1h").await;
    drill.judge().await;
}
