//! A drill of an older copy of the whole store that is put back, sidecar and all, whole processes: the last anchor tells, and nothing is sent until a person has settled it.

use std::fs;
use std::path::Path;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;
use crate::drill_oracle::Claim;

/// A server that runs a retry whenever it is told to: what is sent twice takes effect twice.
const WORK: &str = r#"
name = "older"
seed = 61
[[target]]
name = "AD"
retries_anything = true
[[population]]
target = "AD"
accounts = 8
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 3 }]
"#;

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => copy(&entry.path(), &to),
            kind if kind.is_file() => {
                fs::copy(entry.path(), &to).expect("copied");
            }
            _ => {}
        }
    }
    let mode = fs::metadata(from).expect("there").permissions();
    fs::set_permissions(to, mode).expect("set");
}

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_whole_store_is_noticed_by_its_last_anchor() {
    let mut drill = Setup::of(WORK)
        .config("[governor.default]\nper_minute = 1\n[audit]\nanchor_file = \"anchors.jsonl\"")
        .start()
        .await;
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.stop();
    let kept = drill.dir.path().join("kept");
    copy(&drill.store(), &kept);
    drill.daemon();
    while puts(&drill) < 2 {
        drill.run_for("1m").await;
    }
    let earlier = drill.evidence().await.claims;
    drill.stop();
    fs::remove_dir_all(drill.store()).expect("removed");
    copy(&kept, &drill.store());
    let before = puts(&drill);
    assert!(before > 0);
    // a check says what the anchor shows, and of a copy that lies elsewhere that it is older
    let (code, said) = failed(&drill, &["store", "check"]);
    assert_eq!(code, Some(1), "{said}");
    let checked = drill.cli(&["store", "check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("REWOUND: the last anchor in"), "{said}");
    let checked = drill.cli(&["--store", "kept", "store", "check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("it is older than the configured"), "{said}");
    // a question without a daemon says it as well
    let asked = drill.cli(&["status"]);
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("REWOUND"), "{said}");
    let (code, said) = failed(&drill, &["store", "check"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("is rewound, which is on record") && said.contains("approve rewound"),
        "{said}"
    );
    drill.daemon();
    // what the lost interval has sent may still run
    drill.run_for("10m").await;
    let (code, said) = failed(&drill, &["approve", "rewound", "--why", "in haste"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("may still be carried out"), "{said}");
    let rewound = |drill: &Drill| {
        let inbox = drill.inbox();
        let item = inbox.iter().find(|item| item["id"] == "rewound");
        item.expect("it waits").clone()
    };
    let item = rewound(&drill);
    assert_eq!(item["can_approve"], false, "{item}");
    let text = item["text"].as_str().expect("a text");
    assert!(text.contains("is taken once a whole list of "), "{text}");
    drill.run_for("3h").await;
    assert_eq!(puts(&drill), before, "nothing is sent: {}", drill.log());
    assert_eq!(rewound(&drill)["can_approve"], true);
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    assert_eq!(puts(&drill), before, "nor after another start");
    drill.done(&["approve", "rewound", "--why", "looked at the plan"]);
    drill.run_for("60h").await;
    assert!(puts(&drill) > before);
    assert_eq!(drill.count("healed"), 8);
    // once settled it is not said again
    drill.kill_and_restart().await;
    drill.run_for("1h").await;
    assert_eq!(
        drill.json(&["status", "--json"])["store_rewound"],
        serde_json::Value::Null
    );
    drill.judge_with(earlier).await;
}

/// Runs until something was sent, puts back the copy of before, and starts again while the anchors are away.
async fn put_back_unseen(more: &str) -> (Drill, usize, Vec<Claim>) {
    let mut drill = Setup::of(WORK)
        .config(&format!(
            "[governor.default]\nper_minute = 1\n[audit]\nanchor_file = \"mount/anchors.jsonl\"\n{more}"
        ))
        .start()
        .await;
    let mount = drill.dir.path().join("mount");
    fs::create_dir(&mount).expect("made");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.stop();
    let kept = drill.dir.path().join("kept");
    copy(&drill.store(), &kept);
    drill.daemon();
    while puts(&drill) < 2 {
        drill.run_for("1m").await;
    }
    let claims = drill.evidence().await.claims;
    drill.stop();
    fs::remove_dir_all(drill.store()).expect("removed");
    copy(&kept, &drill.store());
    fs::rename(&mount, drill.dir.path().join("away")).expect("away");
    let before = puts(&drill);
    drill.daemon();
    drill.run_for("1m").await;
    fs::rename(drill.dir.path().join("away"), &mount).expect("back");
    (drill, before, claims)
}

/// The mount of the anchors comes back while the daemon runs: it is held against them before it adds one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anchors_that_were_away_at_start_still_tell_of_an_older_copy() {
    let (mut drill, before, earlier) = put_back_unseen("anchor_required = true").await;
    let told = |drill: &Drill| {
        drill
            .log()
            .contains("an older copy of the store was put back")
    };
    // the file is tried again every few seconds of wall time
    drill.until("it is said", told).await;
    drill.run_for("2h").await;
    assert_eq!(puts(&drill), before, "nothing is sent: {}", drill.log());
    drill.stop();
    drill.daemon();
    drill.run_for("1h").await;
    assert_eq!(puts(&drill), before, "the next start finds it in its place");
    drill.done(&["approve", "rewound", "--why", "looked at the plan"]);
    drill.run_for("60h").await;
    assert_eq!(drill.count("healed"), 8);
    drill.judge_with(earlier).await;
}

/// What rewrites a store vouches for it at once, and takes no older copy for the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_anchors_what_it_has_rewritten_and_refuses_an_older_copy() {
    let mut drill = Setup::of(WORK)
        .config("[audit]\nanchor_file = \"anchors.jsonl\"\nhmac_key_file = \"key\"")
        .start()
        .await;
    drill.write("key", "correct-horse-battery-staple-4711\n");
    let key = drill.dir.path().join("key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(key, mode).expect("mode");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("1h").await;
    drill.stop();
    let kept = drill.dir.path().join("kept");
    copy(&drill.store(), &kept);
    drill.daemon();
    drill.run_for("60h").await;
    drill.stop();
    let user = {
        let text = drill.done(&["store", "export", "-"]);
        let opened = text.lines().find(|line| line.contains("lineages_opened"));
        let event: serde_json::Value = serde_json::from_str(opened.expect("work")).expect("JSON");
        let login = event["body"]["of"]["items"][0]["u"].as_str();
        login.expect("a beneficiary").to_owned()
    };
    for args in [
        &[
            "store",
            "erase",
            "--user",
            &user,
            "--reason",
            "request 4",
            "--yes",
        ][..],
        &["store", "compact"],
        &[
            "store",
            "retention",
            "--older-than",
            "1h",
            "--export",
            "gone",
            "--yes",
        ],
    ] {
        let out = drill.done(args);
        assert!(out.contains("is anchored in"), "{args:?}: {out}");
        let verified = drill.done(&["audit", "verify"]);
        assert!(
            verified.contains("nothing was found"),
            "{args:?}: {verified}"
        );
    }
    // where it can't be noted it is said what that means, and the anchor is shown to be kept
    let anchors = drill.dir.path().join("anchors.jsonl");
    let away = drill.dir.path().join("away");
    let text = fs::read_to_string(&anchors).expect("anchors");
    fs::rename(&anchors, &away).expect("away");
    fs::create_dir(&anchors).expect("in its place");
    let out = drill.done(&["store", "compact"]);
    assert!(
        out.contains("ends with 3, until a daemon has started"),
        "{out}"
    );
    let line = out.lines().find(|line| line.starts_with("{\"anchor\":1"));
    fs::remove_dir(&anchors).expect("removed");
    fs::write(&anchors, &text).expect("back");
    let before = drill.cli(&["audit", "verify"]);
    assert_eq!(before.status.code(), Some(3), "as it was said");
    fs::write(&anchors, format!("{text}{}\n", line.expect("an anchor"))).expect("written");
    drill.done(&["audit", "verify"]);
    // an older copy would be vouched for
    let newest = drill.dir.path().join("newest");
    fs::rename(drill.store(), &newest).expect("moved");
    copy(&kept, &drill.store());
    let (code, said) = failed(&drill, &["store", "compact"]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("as its last anchor names it"), "{said}");
    let lines = fs::read_to_string(&anchors)
        .expect("anchors")
        .lines()
        .count();
    assert_eq!(lines, text.lines().count() + 1, "nothing vouches for it");
    fs::remove_dir_all(drill.store()).expect("removed");
    fs::rename(&newest, drill.store()).expect("back");
    drill.daemon();
    drill.run_for("1h").await;
    drill.judge().await;
}
