//! What the daemon does when it can't read its own pauses and breakers: it must never take that for "nothing was paused".

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use provtaskd::ledger::record::Meta;
use provtaskd::ledger::{Entry, EventBody};
use provtaskd::model::settings::StoreSettings;
use serde_json::Value;

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("it runs")
}

fn pauses(dir: &Path) -> Vec<Value> {
    let out = provtaskd(dir, &["status", "--json"]);
    let text = String::from_utf8_lossy(&out.stdout);
    let status: Value = serde_json::from_str(&text).expect("JSON");
    status["pauses"].as_array().expect("a list").clone()
}

async fn remembering(dir: &Path, version: u32, json: &str) {
    let settings = StoreSettings {
        dir: dir.join("store"),
        cache: 8 << 20,
    };
    let now: Timestamp = "2027-03-01T08:00:00Z".parse().expect("a time");
    let (ledger, _) = crate::opened::open(&settings, now).expect("created");
    let body = EventBody::GovernorState {
        version,
        part: 0,
        of: 1,
        json: json.to_owned(),
    };
    let meta = Meta::daemon(now, None);
    let entry = Entry { body, meta };
    ledger.record(entry).await.expect("recorded");
    ledger.shutdown().await.expect("closed");
}

fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    // nothing listens on port 1: the cycle fails, which is not what is asked here
    let config = "[server]\norigin = \"http://127.0.0.1:1\"\nlogin = \"ann\"\npassword_file = \"password\"\n\
                  [store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n";
    fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("password");
    fs::write(&password, "secret").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

#[tokio::test]
async fn a_state_that_cannot_be_read_pauses_everything_until_a_person_resumes() {
    for (version, json) in [(1, "{\"v\":1,\"pauses\":"), (1, "")] {
        let dir = home();
        remembering(dir.path(), version, json).await;
        let held = pauses(dir.path());
        assert_eq!(held.len(), 1, "{held:?}");
        let out = provtaskd(dir.path(), &["run", "--once"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let line = said
            .lines()
            .find(|line| line.contains("everything is paused"));
        let line = line.unwrap_or_else(|| panic!("not said: {said}"));
        assert!(
            line.contains("ERROR") && line.contains("provtaskd resume"),
            "{line}"
        );
        let resumed = provtaskd(dir.path(), &["resume"]);
        assert!(resumed.status.success(), "{resumed:?}");
        assert_eq!(pauses(dir.path()), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn without_any_stored_state_nothing_is_paused() {
    let dir = home();
    assert_eq!(pauses(dir.path()), Vec::<Value>::new());
}
