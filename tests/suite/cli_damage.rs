//! The real binary at a store that was cut, spoilt or robbed of its sidecar: what was there is kept before anything opens it, and it is said what is lost and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use provtaskd::model::settings::StoreSettings;
use serde_json::Value;

fn provtaskd(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// Exit code, standard output (lines joined again), standard error.
fn status(dir: &Path) -> (Option<i32>, String, String) {
    let output = provtaskd(dir, &["status"]);
    let out = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = out.split_whitespace().collect();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words.join(" "), err)
}

fn json(dir: &Path) -> Value {
    let output = provtaskd(dir, &["status", "--json"]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A directory with a configuration of a server that nobody runs.
fn house(store: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"{store}\"\n[admin]\nsocket = \"c.sock\"\nlisten = \"off\"\n"
    );
    fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    fs::write(&password, "correct-horse-1\n").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

/// The same with a store, answers its last record. It fits into one of sled's segments: what is cut or spoilt
/// in a longer one can leave sled with nothing that it can open.
fn filled() -> (tempfile::TempDir, u64) {
    let dir = house("store");
    let settings = StoreSettings {
        dir: dir.path().join("store"),
        cache: 8 << 20,
    };
    let now: Timestamp = "2026-11-27T08:00:00Z".parse().expect("a time");
    let (ledger, _) = crate::opened::open(&settings, now).expect("created");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for n in 0..100 {
        let text = format!("{n} 0123456789").repeat(20);
        runtime.block_on(ledger.keep(text, now)).expect("kept");
    }
    let text = "the last of all".to_owned();
    runtime.block_on(ledger.keep(text, now)).expect("kept");
    runtime.block_on(ledger.shutdown()).expect("closed");
    // a first command records mode and policies; the next one nothing
    assert_eq!(status(dir.path()).0, Some(0), "all is well");
    let json = json(dir.path());
    assert_eq!(json["store_rewound"], Value::Null);
    let last = json["store_records"].as_u64().expect("a count");
    let length = fs::metadata(db(dir.path())).expect("a journal").len();
    assert!(length < 512 << 10, "{length}");
    (dir, last)
}

fn db(dir: &Path) -> PathBuf {
    dir.join("store/journal/db")
}

/// The copies that were put aside.
fn copies(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join("store/aside")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_dir()).collect()
}

#[test]
fn a_cut_journal_is_copied_before_it_is_opened_and_status_says_what_is_lost() {
    let (dir, last) = filled();
    let path = db(dir.path());
    let file = fs::File::options()
        .write(true)
        .open(&path)
        .expect("a journal");
    file.set_len(16 << 10).expect("cut");
    drop(file);
    let evidence = fs::read(&path).expect("read");

    let (code, out, err) = status(dir.path());
    let copies_made = copies(dir.path());
    assert_eq!(copies_made.len(), 1, "{out}\n{err}");
    let copy = &copies_made[0];
    assert!(
        fs::read(copy.join("db")).expect("the copy") == evidence,
        "the copy is what was there"
    );
    for (path, mode) in [
        (copy.clone(), 0o700),
        (copy.parent().expect("aside").to_path_buf(), 0o700),
        (copy.join("db"), 0o600),
    ] {
        let is = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(is, mode, "{}", path.display());
    }
    let name = copy.file_name().expect("a name").to_string_lossy();
    for part in [
        "REWOUND",
        &format!("record {last} was acknowledged"),
        "when that was looked at none after record ",
        &*name,
        "approve rewound",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("store: ok"), "{out}");
    assert_eq!(code, Some(1), "{out}\n{err}");
    assert!(err.contains("error: ") && err.contains("hint: "), "{err}");

    // said until a person has settled it, and copied once
    let (code, again, _) = status(dir.path());
    assert_eq!(code, Some(1), "{again}");
    assert!(again.contains(&*name), "{again}");
    assert_eq!(copies(dir.path()).len(), 1);
    // since it was found, and not since each command that asks
    let since = || {
        let inbox = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .args(["inbox", "--json"])
            .current_dir(dir.path())
            .env_clear()
            .output()
            .expect("the binary runs");
        let items: Value = serde_json::from_slice(&inbox.stdout).expect("JSON");
        let items = items.as_array().cloned().expect("a list");
        let item = items.iter().find(|item| item["id"] == "rewound");
        let item = item.expect("it waits for a person");
        // nobody has read the server since
        assert_eq!(item["can_approve"], false, "{item}");
        let text = item["text"].as_str().expect("a text");
        assert!(
            text.contains("`approve rewound` is taken once a running daemon has read a whole list"),
            "{text}"
        );
        item["since"].clone()
    };
    assert_eq!(since(), since());
    let json = json(dir.path());
    assert_eq!(json["store_rewound"]["acknowledged"], last, "{json:#}");
    assert_ne!(json["store_state"], "ok");
}

#[test]
fn a_journal_without_its_file_is_copied_too_and_a_lost_one_is_said() {
    let (dir, last) = filled();
    fs::remove_file(db(dir.path())).expect("removed");
    let (code, out, err) = status(dir.path());
    assert_eq!(code, Some(1), "{out}\n{err}");
    assert!(
        out.contains(&format!("record {last} was acknowledged")),
        "{out}"
    );
    let made = copies(dir.path());
    assert_eq!(made.len(), 1, "{out}");
    assert!(made[0].join("conf").is_file(), "what was left is kept");

    let (dir, last) = filled();
    fs::remove_dir_all(dir.path().join("store/journal")).expect("removed");
    let (code, out, _) = status(dir.path());
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains(&format!("record {last} was acknowledged")),
        "{out}"
    );
    assert!(copies(dir.path()).is_empty(), "there is nothing to copy");
}

#[test]
fn damage_that_no_length_shows_is_said_with_where_the_files_are() {
    let (dir, last) = filled();
    let path = db(dir.path());
    let mut bytes = fs::read(&path).expect("read");
    // the last record as sled has written it, wherever that is
    let last_text = b"the last of all";
    let places: Vec<usize> = (0..bytes.len() - last_text.len())
        .filter(|at| bytes[*at..].starts_with(last_text))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] = !bytes[at];
    }
    fs::write(&path, &bytes).expect("spoilt");
    let (code, out, err) = status(dir.path());
    assert_eq!(code, Some(1), "{out}\n{err}");
    assert!(
        out.contains(&format!("record {last} was acknowledged")),
        "{out}"
    );
    // sled could not open it at first: it was copied before the second try, and it is said that the first
    // may have changed it
    let made = copies(dir.path());
    assert_eq!(made.len(), 1, "{out}");
    assert!(made[0].join("db").is_file());
    let name = made[0].file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with("failed-"), "{name}");
    assert!(
        out.contains(&*name) && out.contains("may have changed it"),
        "{out}"
    );
}

#[test]
fn a_missing_sidecar_is_called_that_and_nothing_is_claimed_to_be_known() {
    let (dir, last) = filled();
    fs::remove_file(dir.path().join("store/sidecar")).expect("removed");
    for _ in 0..2 {
        let (code, out, err) = status(dir.path());
        assert_eq!(code, Some(1), "{out}\n{err}");
        assert!(!out.contains("record 0"), "{out}");
        for part in ["sidecar", "can't be known", &format!("record {last}")] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
    assert_eq!(
        copies(dir.path()).len(),
        1,
        "kept before it was opened, once"
    );
}

#[test]
fn a_store_that_is_not_there_yet_is_called_that_and_one_that_can_not_be_is_an_error() {
    let dir = house("nest/store");
    let (code, out, err) = status(dir.path());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("not there yet"), "{out}");
    assert!(
        !dir.path().join("nest").exists(),
        "a question makes nothing"
    );

    let dir = house("pw/store");
    let (code, out, err) = status(dir.path());
    assert_eq!(code, Some(73), "{out}\n{err}");
    for place in ["/proc/nope", "/sys/nope/store"] {
        let dir = house(place);
        let (code, out, err) = status(dir.path());
        assert_eq!(code, Some(73), "{place}: {out}\n{err}");
        assert!(err.contains(place) && err.contains("hint: "), "{err}");
    }
}

#[test]
fn what_can_not_be_opened_at_all_is_copied_and_the_error_says_where() {
    let (dir, _) = filled();
    fs::remove_file(db(dir.path())).expect("removed");
    // of another size of segments than this sled writes
    let conf = dir.path().join("store/journal/conf");
    let text = fs::read(&conf).expect("read");
    let spoilt: Vec<u8> = text.iter().map(|byte| byte ^ 1).collect();
    fs::write(&conf, spoilt).expect("spoilt");
    for _ in 0..2 {
        let (code, _, err) = status(dir.path());
        assert_eq!(code, Some(73), "{err}");
        assert!(err.contains("aside/journal-"), "{err}");
        assert_eq!(copies(dir.path()).len(), 1, "{err}");
    }
}
